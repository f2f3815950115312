-- SPDX-License-Identifier: MIT
-- What a query costs beside its rows: building its expression, compiling it to SQL, and the
-- first and every later run of its shape, on tables without rows. A shape is made new by
-- the name of an alias in it. The figures, medians of many queries, go into a table.
--
--     build/perilune spec/bench/compile.lua [--queries N] [--out FILE]
--
-- run.lua runs it and puts the table behind its own.

local perilune = require "perilune"

local function option(name, default)
  for i = 1, #arg do
    if arg[i] == name then return arg[i + 1] end
  end
  return default
end

local found, system = pcall(require, "system")
local clock = found and system.monotime or os.clock

local function open()
  local db = perilune.open "sqlite://"
  local User = db.Model "User" {
    id = db.Column{db.Integer, primary_key = true},
    name = db.Column{db.String(100), nullable = false},
  }
  local Post = db.Model "Post" {
    id = db.Column{db.Integer, primary_key = true},
    title = db.Column{db.String(200), nullable = false},
    user_id = db.Column{db.Integer, db.ForeignKey "user.id", nullable = false, index = true},
    user = db.relationship{"User", backref = "posts"},
  }
  db:create_all()
  return db, User, Post
end

local db, User, Post = open()

local keys = {}
for i = 1, 100 do keys[i] = i end

-- The shapes of the benchmark's queries, over an alias p of Post and u of User.
local shapes = {
  { "filter", function(p)
    return db.select(p):where(p.user_id:eq(5), p.title:like "x%"):order_by(p.id:desc()):limit(10)
  end },
  { "join", function(p, u)
    return db.select(p):join(u, p.user_id:eq(u.id)):where(u.id:eq(5), p.title:like "x%")
      :order_by(p.id:desc()):limit(10)
  end },
  { "group", function(p)
    return db.select(p.user_id, db.func.count(p.id):label "n"):where(p.user_id:between(1, 5))
      :group_by(p.user_id):order_by(p.user_id)
  end },
  { "any", function(_, u)
    return db.select(u):where(u.id:between(1, 5), u.posts:any(Post.title:like "x%")):order_by(u.id)
  end },
  { "in of 100", function(p) return db.select(p):where(p.id:in_(keys)) end },
  { "function", function(p)
    return db.select(p):where(function(q) return q.user_id == 5 and q.title:upper() == "X" end)
  end },
}

local function median(values)
  table.sort(values)
  return values[#values // 2 + 1] * 1e6
end

local function time_of(fn, ...)
  local from = clock()
  fn(...)
  return clock() - from
end

-- The four figures of a shape, taken by turns, so that a slow moment hits all of them.
local function measure(name, build, n)
  local function text(p, u) return (build(p, u):sql()) end
  local function run(p, u) return build(p, u):all() end
  run(db.aliased(Post, "p"), db.aliased(User, "u"))
  local built, texts, first, again = {}, {}, {}, {}
  collectgarbage()
  for i = 1, n do
    local p, u = db.aliased(Post, "p" .. i), db.aliased(User, "u" .. i)
    built[i] = time_of(build, p, u)
    texts[i] = time_of(text, p, u)
    first[i] = time_of(run, p, u)
    again[i] = time_of(run, p, u)
  end
  local b = median(built)
  return ("| %s | %.1f | %.1f | %.1f | %.1f |"):format(name, b, median(texts) - b, median(first),
    median(again))
end

local lines = {
  "## Query compile time", "",
  "Microseconds, on tables without rows. Running includes building; the first run of a shape",
  "also compiles it and prepares the statement in SQLite, later ones find both.", "",
  "| shape | build | compile | first run | run again |",
  "|---|--:|--:|--:|--:|",
}
local queries = tonumber(option("--queries", "500"))
for _, shape in ipairs(shapes) do lines[#lines + 1] = measure(shape[1], shape[2], queries) end
db:close()

local text = table.concat(lines, "\n") .. "\n"
local file = option "--out"
if file then
  local f = assert(io.open(file, "a"))
  f:write("\n", text)
  f:close()
end
print(text)
