--- The tutorial with names in Russian: text is UTF-8 throughout.
-- Run with `perilune examples/tutorial_ru.lua`; the database is instance/database_ru.db beside
-- this file. Every run starts from empty tables.
local perilune = require "perilune"

local app = perilune.App "blog_ru"
app.config.DATABASE_URI = "sqlite:///database_ru.db"
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
  users = db.relationship{"User", secondary = user_group, backref = db.backref{"groups", lazy = true}},
}

app:app_context(function()
  db:drop_all()
  print("created", db:create_all())

  local alice = User{name = "Алиса"}
  db.session:add(alice)
  db.session:commit()

  local post = Post{title = "Привет", user = alice}
  local group = Group{name = "админы"}
  group.users:append(alice)
  db.session:add(group)
  db.session:commit()

  print(User.query:all())
  for _, p in ipairs(alice.posts) do print(p.title) end
  print(#alice.groups, alice.groups[1].name)

  local user = User.query:first()
  user.name = "Боря"
  db.session:commit()
  print(User.query:filter_by{name = "Боря"}:one())

  db.session:delete(post)
  db.session:delete(user) -- the user_group row goes with it
  db.session:commit()
  print(User.query:count(), Post.query:count(), Group.query:count(), #Group.query:one().users)
end)
