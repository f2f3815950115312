-- The models of the blog: those of the tutorial.
local perilune = require "perilune"
local vars = require "perilune.host".vars

local app = perilune.App{"blog", instance_path = vars.folder}
app.config.DATABASE_URI = "sqlite:///blog.db"
local db = perilune.Database(app)

local User = db.Model "User" {
  id   = db.Column{db.Integer, primary_key = true},
  name = db.Column{db.String(100), nullable = false, unique = true},
}

local Post = db.Model "Post" {
  id      = db.Column{db.Integer, primary_key = true},
  title   = db.Column{db.String(200), nullable = false},
  user_id = db.Column{db.Integer, db.ForeignKey "user.id", nullable = false},
  user    = db.relationship{"User", backref = db.backref{"posts", lazy = true}},
}

app:app_context(function()
  db:create_all()
end)

return { app = app, db = db, User = User, Post = Post }
