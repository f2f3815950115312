-- What t_lua_oom.c runs beside the tutorial: a bit of everything that a script does with the
-- library, in a memory database. An error that is caught here is raised again when it says
-- that memory was short.

local perilune = require "perilune"

local db = perilune.open "sqlite://"

local User = db.Model "User" {
  id = db.Column { db.Integer, primary_key = true },
  name = db.Column { db.String(20), nullable = false, unique = true },
  born = db.Column { db.Date },
  money = db.Column { db.Numeric(10, 2), default = function() return perilune.decimal "1.50" end },
  data = db.Column { db.JSON },
  kind = db.Column { db.Enum { "a", "b" }, server_default = "a" },
  shout = db.hybrid { get = function(self) return self.name:upper() end,
                      expr = function(class) return db.func.upper(class.name) end },
  db.validates("name", function(_, _, value) return value end),
}

local Post = db.Model "Post" {
  id = db.Column { db.Integer, primary_key = true },
  title = db.Column { db.Text },
  user_id = db.Column { db.Integer, db.ForeignKey { "user.id", ondelete = "CASCADE" } },
  user = db.relationship { "User", backref = db.backref { "posts", cascade = "all, delete-orphan",
                                                          order_by = "id" } },
}

local Pair = db.Model "Pair" {
  a = db.Column { db.Integer, primary_key = true },
  b = db.Column { db.String(5), primary_key = true },
  note = db.Column { db.Text },
}

-- The class of the error that fn raises, unless memory was short.
local function caught(fn, ...)
  local ok, err = pcall(fn, ...)
  assert(not ok)
  if type(err) ~= "table" and type(err) ~= "userdata" or err.name == "MemoryError" then error(err, 0) end
  return err.name
end

local heard = 0
db.event.listen(User, "before_insert", function(user)
  heard = heard + 1
  user.data = user.data or { tags = {} }
end)
db.event.listen(db.session, "after_commit", function() heard = heard + 1 end)

db:create_all()
local session = db.session

for i = 1, 5 do
  local user = User { name = "user " .. i, born = db.date(2000 + i, 1, 2), kind = i % 2 == 0 and "a" or "b" }
  for k = 1, 3 do user.posts:append(Post { title = ("post %d of %d"):format(k, i) }) end
  session:add(user)
end
session:add_all { Pair { a = 1, b = "x" }, Pair { a = 1, b = "y", note = ("long "):rep(200) } }
session:commit()

local users = User.query:order_by(User.id):all()
users[1].data.tags[1] = "changed in place"
users[2].posts:pop()
users[3].money = users[3].money + perilune.decimal "0.25"
session:commit()
assert(#User.query:where(User.data["tags"]:is_not(nil)):all() >= 0)

session:begin_nested(function() users[4].name = "another name" end)
assert(caught(session.begin_nested, session, function()
  session:add(User { name = "another name" })
  session:flush()
end) == "IntegrityError")
assert(caught(function() users[1].nmae = 1 end) == "AttributeError")
session:add(User { name = "user 1" })
assert(caught(session.commit, session) == "IntegrityError")
session:rollback()

local seen = 0
for post in Post.query:options(db.joinedload(Post.user)):each() do
  seen = seen + #post.user.name
  if seen > 30 then break end
end
for _, user in ipairs(User.query:options(db.selectinload(User.posts)):all()) do seen = seen + #user.posts end
for name, n in db.select(User.name, db.func.count(Post.id):label "n"):outerjoin(User.posts)
  :group_by(User.name):order_by(db.text "n"):each() do
  seen = seen + #name + n
end

local step = coroutine.create(function()
  for user in User.query:each() do coroutine.yield(user.shout) end
end)
coroutine.resume(step)
coroutine.resume(step)
coroutine.close(step)

session:bulk_insert(Pair, { { a = 2, b = "p" }, { a = 2, b = "q", note = "bulk" } })
assert(Pair.query:get(2, "q").note == "bulk")
Pair.query:where(Pair.a:eq(2)):update { note = "updated" }
session:execute(db.text "UPDATE pair SET note = :note WHERE a = 1", { note = "raw" })
session:delete(users[5])
session:flush()
session:rollback()
assert(#users[5].posts == 3)
session:delete(users[5])
session:commit()
assert(Post.query:count() == 11, Post.query:count())
assert(tostring(users[1]):find "User")
assert(users[1]:to_dict().name == "user 1")
local page = User.query:order_by(User.id):paginate { page = 1, per_page = 2 }
assert(page.total == 4 and #page.items == 2)
session:expire_all()
assert(users[1].posts[1].title == "post 1 of 1")
db:drop_all()
