-- How do I test what uses a database?
-- examples/shop is a whole project: models, and specs that busted runs by `perilune spec`. This
-- program shows what stands behind perilune.spec, without busted's describe and it.

local perilune = require "perilune"
local spec = require "perilune.spec"

local db = perilune.open "sqlite://"
local User = db.Model "User" {
  id   = db.Column{db.Integer, primary_key = true},
  name = db.Column{db.String(50), nullable = false},
}
local Post = db.Model "Post" {
  id      = db.Column{db.Integer, primary_key = true},
  title   = db.Column{db.String(50)},
  user_id = db.Column{db.Integer, db.ForeignKey "user.id", nullable = false},
  user    = db.relationship{"User", backref = "posts"},
}
db:create_all()

-- Factories fill in what a test does not care about.
local user = spec.factory(User, {name = spec.sequence "user %d"})
local post = spec.factory(Post, {title = "untitled", user = user})

-- Each test begins where the one before began, whatever was committed in between.
local function test(name, fn)
  local finish = spec.begin(db)
  local ok, err = pcall(fn)
  finish()
  print(name, ok and "passed" or tostring(type(err) == "table" and err.message or err):match "[^\n]*")
end

test("a post has a user", function()
  local made = post()
  db.session:commit()
  assert(made.user.name == "user 1")
end)

test("nothing is left of it", function()
  assert(User.query:count() == 0)
end)

-- The assertions are luassert's, as in busted.
local luassert = require "luassert"

test("rows", function()
  user{name = "Alice"}
  luassert.row_exists(User, {name = "Alice"})
  luassert.is_not.row_exists(User, {name = "Bob"})
end)

test("statements", function()
  for _ = 1, 3 do post:list(2, {user = user()}) end
  db.session:commit()
  db.session:expunge_all()                    -- read them as another request would
  luassert.query_count(2, function()
    for _, u in ipairs(User.query:all()) do local _ = #u.posts end     -- users, then all posts
  end)
  luassert.no_n_plus_one(function()
    for _, u in ipairs(User.query:all()) do local _ = #u.posts end
  end)
end)

test("one that finds a query in a loop", function()
  for i = 1, 3 do user{name = "u" .. i} end
  luassert.no_n_plus_one(function()
    for i = 1, 3 do User.query:filter_by{name = "u" .. i}:one() end
  end)
end)
