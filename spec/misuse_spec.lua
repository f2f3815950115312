-- SPDX-License-Identifier: MIT
-- Every method and constructor with arguments that are not meant for it, and without any: each
-- call returns or raises, and none ends the process. They run in a process of their own.

local run = require "spec.support.run"

local script = [==[
local perilune = require "perilune"
local core = require "perilune.core"
local db = perilune.open "sqlite://"
local User = db.Model "User" {
  id = db.Column{db.Integer, primary_key = true}, name = db.Column{db.String(30)},
  data = db.Column{db.JSON}, posts = db.relationship{"Post"} }
local Post = db.Model "Post" {
  id = db.Column{db.Integer, primary_key = true}, user_id = db.Column{db.ForeignKey "user.id"} }
db:create_all()
local session, calls = db.session, 0
local user = User{name = "a"}
user.posts:append(Post{})
session:add(user)
session:commit()
local query, rows = User.query, session:execute(db.select(User.id, User.name))
local sub, date = db.select(User.id):subquery(), db.date "2020-01-01"
local date_time, decimal = db.datetime "2020-01-01", db.decimal "1.5"

local objects = { query, User.name, User.data.x, db.insert(User), db.text "x", rows, rows[1], session,
  user.posts, sub, sub.c, date, date_time, db.time "10:00", db.interval{days = 1}, decimal, User.posts,
  user, db.aliased(User), db.Integer, User.__table__, db.joinedload(User.posts), User, db, db.engine }
local plain = { 5, "x", {}, true, print, io.stdout, db.null, 0/0, math.mininteger, "\0", 1e300 }

local lists = { {}, { n = 2, nil, 5 }, { n = 2, User.name, {} }, { n = 2, query, "x" }, { n = 2, session, user },
  { n = 2, session, User }, { n = 2, user.posts, {} }, { n = 3, user.posts, 5, user }, { n = 2, rows, -1 },
  { n = 2, User.name, query }, { n = 2, User, {} }, { n = 2, date, 1e300 }, { n = 3, date, "x", {} } }
for _, values in ipairs { objects, plain } do
  for _, v in ipairs(values) do lists[#lists + 1] = { n = 1, v } end
end

local function try(f, ...)
  calls = calls + 1
  local ok, err = pcall(f, ...)
  if not ok then tostring(err) end
end

local function with_all(f)
  for _, list in ipairs(lists) do try(f, table.unpack(list, 1, list.n or 0)) end
end

local function each(methods, after)
  for name, f in pairs(methods) do
    if type(f) == "function" and name ~= "close" and name ~= "observe" and name ~= "drop_all" then
      with_all(f)
      if after then after() end
    end
  end
end

for _, class in ipairs { "List", "Query", "Expression", "Statement", "Collection" } do
  each(core.class_methods("perilune." .. class))
end
each(core.shared().session_methods, function() session:rollback() end)
each(core.namespace)
local names = [[iso unpack keys to_dict year date time any has contains eq of_type and_ is alias union commit
  rollback round floor timestamp replace columns bindparams subquery name type info]]
for _, object in ipairs(objects) do
  for name in names:gmatch "%S+" do
    local ok, f = pcall(function() return object[name] end)
    if ok and type(f) == "function" then with_all(f) end
  end
  for _, key in ipairs(plain) do
    try(function() return object[key] end)
    try(function() object[key] = 1 end)
  end
  for _, list in ipairs(lists) do
    local x = list[1]
    for _, f in ipairs { function(a, b) return a + b end, function(a, b) return a .. b end,
      function(a, b) return a < b end, function(a, b) return a <= b end, function(a, b) return a == b end,
      function(a, b) return a & b end, function(a, b) return a // b end, function(a, b) return a % b end,
      function(a, b) return a(b) end, function(a) return -a end, function(a) return #a end,
      function(a) return ~a end, function(a) return tostring(a) end,
      function(a) for _ in pairs(a) do break end end } do
      try(f, object, x)
      try(f, x, object)
    end
  end
end
db = perilune.open "sqlite://"
print(calls > 10000, db.session:scalar(db.text "SELECT 1"))
]==]

describe("misuse", function()
  it("of anything raises at most", function()
    local result = run.command({ run.program(), "-" }, { stdin = script })
    assert.equal(0, result.code, result.err:sub(-500))
    assert.equal("true\t1\n", result.out:match "[^\n]*\n$")
  end)
end)
