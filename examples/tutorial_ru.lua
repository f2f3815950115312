-- The tutorial with Russian data: text is UTF-8, and lengths count characters.

local perilune = require "perilune"

local app = perilune.App "блог"
app.config.DATABASE_URI = "sqlite:///блог.db"
local db = perilune.Database(app)

local User = db.Model "User" {
  id   = db.Column{db.Integer, primary_key = true},
  name = db.Column{db.String(10), nullable = false, unique = true},
  __tostring = function(self) return ("<Пользователь %s>"):format(self.name) end,
}

local Post = db.Model "Post" {
  id      = db.Column{db.Integer, primary_key = true},
  title   = db.Column{db.String(200), nullable = false},
  created = db.Column{db.Date, nullable = false},
  user_id = db.Column{db.Integer, db.ForeignKey "user.id", nullable = false},
  user    = db.relationship{"User", backref = db.backref{"posts", order_by = "Post.created"}},
}

local user_group = db.Table{"user_group",
  db.Column{"user_id",  db.Integer, db.ForeignKey "user.id",  primary_key = true},
  db.Column{"group_id", db.Integer, db.ForeignKey "group.id", primary_key = true},
}

local Group = db.Model "Group" {
  id    = db.Column{db.Integer, primary_key = true},
  name  = db.Column{db.String(100), nullable = false},
  users = db.relationship{"User", secondary = user_group, backref = "groups"},
}

app:app_context(function()
  db:drop_all()
  db:create_all()

  local alice, boris = User{name = "Алиса"}, User{name = "Борис"}
  db.session:add_all{alice, boris}
  db.session:commit()

  db.session:add_all{
    Post{title = "Привет, мир!", created = db.date(2024, 2, 29), user = alice},
    Post{title = "Съешь ещё этих мягких французских булок", created = db.date(2024, 1, 7),
         user = alice},
    Post{title = "ПРИВЕТ снова", created = db.date(2024, 3, 8), user = boris},
  }
  local admins = Group{name = "администраторы"}
  admins.users:extend{alice, boris}
  db.session:add(admins)
  db.session:commit()

  print(User.query:order_by(User.name):all())
  for _, post in ipairs(alice.posts) do print(post.created, post.title) end
  print(#alice.groups, alice.groups[1].name, #admins.users)

  -- Ten characters fit into String(10), whatever bytes they take.
  print(User{name = "Константин"})
  local ok, err = pcall(User, { name = "Екатерина II" })
  print(ok, err.name, err.message)

  local found = Post.query:join(Post.user):where(Post.title:contains "ивет" | User.name:eq "Борис")
  for post in found:order_by(Post.created:desc()):each() do
    print(post.created:iso(), post.user, post.title)
  end

  alice.name = "Алёна"
  db.session:commit()
  print(User.query:filter_by{name = "Алёна"}:count(), User.query:filter_by{name = "Алиса"}:count())

  for _, post in ipairs(alice.posts) do db.session:delete(post) end
  db.session:delete(alice)
  db.session:commit()
  print(User.query:all(), Post.query:count(), #admins.users)
end)
