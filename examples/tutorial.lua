-- The tutorial: models with a one-to-many and a many-to-many relationship, and a session that
-- inserts, reads, updates and deletes. The database is instance/database.db beside this file.
-- Run it with `perilune tutorial.lua`, as often as you like.

local perilune = require "perilune"

local app = perilune.App "blog"
app.config.DATABASE_URI = "sqlite:///database.db"
local db = perilune.Database(app)

local User = db.Model "User" {
  id   = db.Column{db.Integer, primary_key = true},
  name = db.Column{db.String(100), nullable = false},
  __tostring = function(self) return ("<User %s>"):format(self.name) end,
}

local Post = db.Model "Post" {
  id      = db.Column{db.Integer, primary_key = true},
  title   = db.Column{db.String(200), nullable = false},
  user_id = db.Column{db.Integer, db.ForeignKey "user.id", nullable = false},
  user    = db.relationship{"User", backref = db.backref{"posts", lazy = true}},
}

local user_group = db.Table{"user_group",
  db.Column{"user_id",  db.Integer, db.ForeignKey "user.id",  primary_key = true},
  db.Column{"group_id", db.Integer, db.ForeignKey "group.id", primary_key = true},
}

local Group = db.Model "Group" {
  id    = db.Column{db.Integer, primary_key = true},
  name  = db.Column{db.String(100), nullable = false},
  users = db.relationship{"User", secondary = user_group,
                          backref = db.backref{"groups", lazy = true}},
}

app:app_context(function()
  db:create_all()

  local alice = User{name = "Alice"}
  db.session:add(alice)
  db.session:commit()

  local post = Post{title = "Hello", user = alice}
  local group = Group{name = "admins"}
  group.users:append(alice)
  db.session:add(group)
  db.session:commit()

  print(User.query:all())                 --> [<User Alice>]
  for _, p in ipairs(alice.posts) do print(p.title) end
  print(#alice.groups, alice.groups[1].name)

  local user = User.query:first()
  user.name = "Bob"
  db.session:commit()

  db.session:delete(post)
  db.session:delete(user)                 -- the user_group row goes with it
  db.session:commit()
end)
