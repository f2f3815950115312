-- SPDX-License-Identifier: MIT
-- A program for gc_spec.lua: makes one of every kind of value, lets go of them one by one in
-- a random order with a full collection after each, and uses what is left. Prints how many
-- orders there were; ends with an error when anything stays open. Arguments: rounds, seed.

local perilune = require "perilune"

local rounds, seed = tonumber(arg[1]), tonumber(arg[2])
math.randomseed(seed)

-- References in the registry that are in use: a free one holds the number of the next.
local function references()
  local n = 0
  for key, value in pairs(debug.getregistry()) do
    if math.type(key) == "integer" and math.type(value) ~= "integer" then n = n + 1 end
  end
  return n
end

local function world()
  local db = perilune.open "sqlite://"
  local User = db.Model "User" {
    id = db.Column { db.Integer, primary_key = true },
    name = db.Column { db.Text },
  }
  local Post = db.Model "Post" {
    id = db.Column { db.Integer, primary_key = true },
    user_id = db.Column { db.Integer, db.ForeignKey "user.id" },
    user = db.relationship { "User", backref = "posts" },
  }
  db:create_all()
  local session = db.session
  for i = 1, 20 do session:add(Post { user = User { name = "user " .. i } }) end
  session:commit()
  local w = { db = db, session = session, model = User, table = Post.__table__ }
  w.listener = function() collectgarbage() end
  db.event.listen(User, "load", w.listener)
  w.transaction = session:begin_nested()
  w.instance = User.query:get(3)
  w.collection = w.instance.posts
  w.pending = User { name = "pending" }
  session:add(w.pending)
  w.deleted = User.query:get(7)
  session:delete(w.deleted)
  w.query = User.query:where(User.id:gt(2)):order_by(User.id)
  w.expression = User.name:like "user%" & User.id:gt(1)
  w.each = w.query:each(3)
  w.each()
  w.row_each = db.select(User.id, User.name):each()
  w.row_each()
  w.result = session:execute(db.select(Post))
  w.coroutine = coroutine.wrap(function()
    for post in Post.query:each() do coroutine.yield(post.user and post.user.name) end
  end)
  w.coroutine()
  w.statement = db.insert(User):values { name = "inserted" }:returning(User.id)
  w.state = perilune.inspect(w.instance)
  w.savepoint = session:begin_nested()
  return w
end

-- What may be done with each kind; an error object is as good as a value.
local uses = {
  db = function(db) return db.session, tostring(db), db.engine end,
  session = function(session) return session.new, session:flush(), tostring(session) end,
  model = function(User) return tostring(User), User.query:count(), User { name = "x" } end,
  table = function(t) return t.name, t.c.id, tostring(t) end,
  listener = function(fn) return fn() end,
  transaction = function(tx) return tx:commit() end,
  savepoint = function(tx) return tx:rollback() end,
  instance = function(user)
    user.name = "changed"
    return user.name, #user.posts, tostring(user)
  end,
  collection = function(list) return #list, list[1], list[1] and list[1].user, list:clear() end,
  pending = function(user) return user.id, #user.posts end,
  deleted = function(user) return user.name, #user.posts end,
  query = function(query) return query:sql(), query:first(), query:count() end,
  expression = function(e) return tostring(e), e & e end,
  each = function(step) return step(), step() end,
  row_each = function(step) return step(), step() end,
  result = function(result) return result:all() end,
  coroutine = function(step) return step() end,
  statement = function(statement) return statement:sql(), statement:execution_options {} end,
  state = function(state) return state.state, state.session, state.identity end,
}

local function use(kind, value)
  local ok, err = pcall(uses[kind], value)
  local class = not ok and type(err) ~= "string" and err.name
  assert(ok or class or tostring(err):find "dead coroutine" or tostring(err):find "is closed",
         kind .. ": " .. tostring(err))
end

local function round(order_of)
  local w, kinds = world(), {}
  for kind in pairs(w) do
    assert(uses[kind], kind)
    kinds[#kinds + 1] = kind
  end
  table.sort(kinds)
  order_of(kinds)
  for _, kind in ipairs(kinds) do
    if math.random(3) == 1 then use(kind, w[kind]) end
    w[kind] = nil
    collectgarbage()
    local some = next(w)
    if some and math.random(2) == 1 then use(some, w[some]) end
  end
end

local function shuffle(list)
  for i = #list, 2, -1 do
    local k = math.random(i)
    list[i], list[k] = list[k], list[i]
  end
end

local function settle()
  for _ = 1, 4 do collectgarbage() end
  return references()
end

round(shuffle)
local before = settle()
round(function() end)
round(function(list) table.sort(list, function(a, b) return a > b end) end)
for _ = 1, rounds do round(shuffle) end
local after = settle()
assert(after == before, ("%d references in the registry, %d before"):format(after, before))
for name, count in pairs(perilune._debug) do
  assert(count() == 0, ("%d %s are left"):format(count(), name))
end
print(rounds + 3)

-- The last world goes when the state is closed, in the order Lua chooses.
KEPT = world() -- luacheck: ignore
