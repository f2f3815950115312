-- SPDX-License-Identifier: MIT
-- The benchmark's workloads in Perilune, written as its manual writes things: no option is
-- set, no statement is made by hand. Run by the driver of the benchmark:
--
--     build/perilune perilune_bench.lua WORKLOAD FILE ROWS

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/?.lua;" .. package.path
local harness = require "harness"
local perilune = require "perilune"

-- ---- models ----

-- The blog's four tables, a wide one, and one with JSON and time. They exist in the file.
local function define_models(db)
  local M = {}

  M.User = db.Model "User" {
    id = db.Column{db.Integer, primary_key = true},
    name = db.Column{db.String(100), nullable = false},
  }

  M.Post = db.Model "Post" {
    id = db.Column{db.Integer, primary_key = true},
    title = db.Column{db.String(200), nullable = false},
    user_id = db.Column{db.Integer, db.ForeignKey "user.id", nullable = false, index = true},
    user = db.relationship{"User", backref = db.backref{"posts", lazy = true}},
  }

  local user_group = db.Table{"user_group",
    db.Column{"user_id", db.Integer, db.ForeignKey "user.id", primary_key = true},
    db.Column{"group_id", db.Integer, db.ForeignKey "group.id", primary_key = true},
  }

  M.Group = db.Model "Group" {
    id = db.Column{db.Integer, primary_key = true},
    name = db.Column{db.String(100), nullable = false},
    users = db.relationship{"User", secondary = user_group,
      backref = db.backref{"groups", lazy = true}},
  }

  M.Record = db.Model "Record" {
    id = db.Column{db.Integer, primary_key = true},
    a = db.Column(db.Integer),
    b = db.Column(db.Integer),
    x = db.Column(db.Float),
    y = db.Column(db.Float),
    s1 = db.Column(db.String(100)),
    s2 = db.Column(db.String(100)),
    s3 = db.Column(db.Text),
    s4 = db.Column(db.Text),
    flag = db.Column(db.Boolean),
  }

  M.Event = db.Model "Event" {
    id = db.Column{db.Integer, primary_key = true},
    at = db.Column(db.DateTime),
    data = db.Column(db.JSON),
  }

  return M
end

local W = {}

-- ---- one table ----

local function sum_of_keys(objects)
  local seen = 0
  for i = 1, #objects do seen = seen + objects[i].id end
  return seen
end

function W.insert_flush(bench, db, M)
  local User = M.User
  local names = harness.texts(bench.size.rows, "user %06d")
  bench:start()
  local users = {}
  for i = 1, #names do users[i] = User{name = names[i]} end
  db.session:add_all(users)
  db.session:flush()
  bench.seen = sum_of_keys(users)
  db.session:commit()
  bench:stop()
end

function W.insert_bulk(bench, db, M)
  local rows = {}
  local names = harness.texts(bench.size.rows, "user %06d")
  for i = 1, #names do rows[i] = { name = names[i] } end
  bench:start()
  db.session:bulk_insert(M.User, rows)
  db.session:commit()
  bench:stop()
  bench.seen = #rows
end

function W.load_all(bench, _, M)
  bench:start()
  local users, seen = M.User.query:all(), 0
  for i = 1, #users do
    local u = users[i]
    seen = seen + u.id + #u.name
  end
  bench:stop()
  bench.seen = seen
  for i = 1, #users do bench:hash_named(users[i].id, users[i].name) end
end

local function hash_records(bench, records)
  for i = 1, #records do bench:hash_record(records[i], records[i].flag and 1 or 0) end
end

function W.load_wide(bench, _, M)
  bench:start()
  local records, seen, sum = M.Record.query:all(), 0, 0.0
  for i = 1, #records do
    local r = records[i]
    seen = seen + r.id + r.a + r.b + #r.s1 + #r.s2 + #r.s3 + #r.s4
    if r.flag then seen = seen + 1 end
    sum = sum + (r.x + r.y)
  end
  bench.seen = seen + math.tointeger(sum * 8)
  bench:stop()
  hash_records(bench, records)
end

function W.load_wide_1(bench, _, M)
  bench:start()
  local records, seen = M.Record.query:all(), 0
  for i = 1, #records do seen = seen + #records[i].s1 end
  bench:stop()
  bench.seen = seen
  hash_records(bench, records)
end

function W.get_by_pk(bench, db, M)
  local User, rows = M.User, bench.size.rows
  bench:start()
  local users, seen = {}, 0
  for k = 0, bench.size.keys - 1 do
    local user = db.session:get(User, harness.scramble(k, rows))
    users[k + 1] = user
    seen = seen + #user.name
  end
  bench:stop()
  bench.seen = seen
  for i = 1, #users do bench:hash_named(users[i].id, users[i].name) end
end

function W.filter_query(bench, _, M)
  local Post, authors, seen = M.Post, bench.size.authors, 0
  bench:start()
  for k = 0, bench.size.keys - 1 do
    local posts = Post.query
      :filter(Post.user_id:eq(harness.scramble(k, authors)), Post.title:like "x%")
      :order_by(Post.id:desc()):limit(10):all()
    for i = 1, #posts do
      local p = posts[i]
      seen = seen + p.id * i + #p.title
    end
  end
  bench:stop()
  bench.seen = seen
end

function W.update_flush(bench, db, M)
  local names = harness.texts(bench.size.rows, "changed %06d")
  local users = M.User.query:all()
  bench:start()
  for i = 1, #users do users[i].name = names[i] end
  db.session:flush()
  db.session:commit()
  bench:stop()
  bench.seen = #users
end

local function delete_all(bench, db, objects)
  bench:start()
  for i = 1, #objects do db.session:delete(objects[i]) end
  db.session:flush()
  db.session:commit()
  bench:stop()
  bench.seen = #objects
end

function W.delete_flush(bench, db, M)
  delete_all(bench, db, M.Record.query:all())
end

-- ---- relationships ----

local function walk_posts(bench, query)
  bench:start()
  local users, seen = query:all(), 0
  for i = 1, #users do
    for _, p in ipairs(users[i].posts) do seen = seen + p.id + #p.title end
  end
  bench:stop()
  bench.seen = seen
  for i = 1, #users do
    for _, p in ipairs(users[i].posts) do bench:hash_child(users[i].id, p.id, p.title) end
  end
end

function W.rel_lazy(bench, _, M)
  walk_posts(bench, M.User.query)
end

function W.rel_joined(bench, db, M)
  walk_posts(bench, M.User.query:options(db.joinedload(M.User.posts)))
end

function W.rel_selectin(bench, db, M)
  walk_posts(bench, M.User.query:options(db.selectinload(M.User.posts)))
end

function W.m2m(bench, _, M)
  bench:start()
  local users, seen = M.User.query:all(), 0
  for i = 1, #users do
    for _, g in ipairs(users[i].groups) do seen = seen + g.id + #g.name end
  end
  bench:stop()
  bench.seen = seen
  for i = 1, #users do
    for _, g in ipairs(users[i].groups) do bench:hash_child(users[i].id, g.id, g.name) end
  end
end

local function build_graph(M, names, titles, labels)
  local User, Post, Group = M.User, M.Post, M.Group
  local users, groups = {}, {}
  for k = 1, #labels do groups[k] = Group{name = labels[k]} end
  for i = 1, #names do
    local user = User{name = names[i]}
    for j = 1, harness.POSTS do
      user.posts:append(Post{title = titles[(i - 1) * harness.POSTS + j]})
    end
    for j = 0, harness.GRAPH_MEMBER - 1 do
      user.groups:append(groups[harness.group_of(i, j)])
    end
    users[i] = user
  end
  return users, groups
end

function W.graph_insert(bench, db, M)
  local n = bench.size.graph
  local names = harness.texts(n, "user %06d")
  local titles = harness.texts(n * harness.POSTS, "title %07d")
  local labels = harness.texts(harness.GROUPS, "group %03d")
  bench:start()
  local users, groups = build_graph(M, names, titles, labels)
  db.session:add_all(groups)
  db.session:add_all(users)
  db.session:flush()
  bench.seen = sum_of_keys(users)
  db.session:commit()
  bench:stop()
end

function W.small_txn(bench, db, M)
  local User = M.User
  local names = harness.texts(bench.size.graph, "user %06d")
  bench:start()
  for i = 1, #names do
    db.session:add(User{name = names[i]})
    db.session:commit()
  end
  bench:stop()
  bench.seen = #names
end

-- ---- the second group ----

-- Runs a query for each k and sums up key and text of its rows.
local function run_shape(bench, text, query_of)
  local seen = 0
  bench:start()
  for k = 0, bench.size.shapes - 1 do
    local found = query_of(k):all()
    for i = 1, #found do seen = seen + found[i].id + #found[i][text] end
  end
  bench:stop()
  bench.seen = seen
end

function W.q_join(bench, _, M)
  local User, Post = M.User, M.Post
  run_shape(bench, "title", function(k)
    return Post.query:join(Post.user)
      :filter(User.id:eq(harness.scramble(k, bench.size.authors)), Post.title:like "x%")
      :order_by(Post.id:desc()):limit(10)
  end)
end

function W.q_group(bench, db, M)
  local Post, seen = M.Post, 0
  bench:start()
  for k = 0, bench.size.shapes - 1 do
    local first = harness.scramble(k, bench.size.authors - 4)
    local rows = db.select(Post.user_id, db.func.count(Post.id):label "n")
      :where(Post.user_id:between(first, first + 4))
      :group_by(Post.user_id):order_by(Post.user_id):all()
    for i = 1, #rows do seen = seen + rows[i].user_id * rows[i].n end
  end
  bench:stop()
  bench.seen = seen
end

function W.q_any(bench, _, M)
  local User, Post = M.User, M.Post
  run_shape(bench, "name", function(k)
    local first = harness.scramble(k, bench.size.authors - 4)
    return User.query
      :filter(User.id:between(first, first + 4), User.posts:any(Post.title:like "x%"))
      :order_by(User.id)
  end)
end

function W.q_in(bench, _, M)
  local Post = M.Post
  run_shape(bench, "title", function(k)
    local keys = {}
    for j = 0, harness.IN_KEYS - 1 do keys[j + 1] = harness.in_key(k, j, bench.size.rows) end
    return Post.query:filter(Post.id:in_(keys))
  end)
end

function W.q_func(bench, _, M)
  local Post = M.Post
  run_shape(bench, "title", function(k)
    local key = harness.scramble(k, bench.size.authors)
    local title = "X TITLE " .. key .. "-10"
    return Post.query:filter(function(p) return p.user_id == key and p.title:upper() == title end)
  end)
end

function W.load_rows(bench, db, M)
  bench:start()
  local rows, seen = db.select(M.User.id, M.User.name):all(), 0
  for i = 1, #rows do seen = seen + rows[i][1] + #rows[i][2] end
  bench:stop()
  bench.seen = seen
  for i = 1, #rows do bench:hash_named(rows[i].id, rows[i].name) end
end

function W.each(bench, _, M)
  local seen = 0
  bench:start()
  for user in M.User.query:each() do seen = seen + user.id + #user.name end
  bench:stop()
  bench.seen = seen
end

function W.delete_related(bench, db, M)
  delete_all(bench, db, M.User.query:all())
end

function W.typed_insert(bench, db, M)
  local Event, times, data = M.Event, {}, {}
  for i = 1, bench.size.keys do
    times[i] = db.datetime(harness.event_time(i))
    data[i] = harness.event_data(i)
  end
  bench:start()
  local events = {}
  for i = 1, #times do events[i] = Event{at = times[i], data = data[i]} end
  db.session:add_all(events)
  db.session:flush()
  bench.seen = sum_of_keys(events)
  db.session:commit()
  bench:stop()
end

function W.typed_load(bench, _, M)
  bench:start()
  local events, seen = M.Event.query:all(), 0
  for i = 1, #events do
    local e = events[i]
    local at, data = e.at, e.data
    seen = seen + e.id + at.year + at.minute + at.microsecond + data.n + #data.tags[2]
  end
  bench:stop()
  bench.seen = seen
end

-- ---- the program ----

local workloads = {}
for name, run in pairs(W) do
  workloads[name] = function(bench, handle) run(bench, handle.db, handle.models) end
end

local function settings(handle)
  local values = {}
  for i, name in ipairs(harness.PRAGMAS) do
    local db = handle.db
    values[i] = tostring(db.session:scalar(db.text("PRAGMA " .. name)))
  end
  return values
end

local function open(path)
  local db = perilune.open(path and "sqlite:///" .. path or "sqlite://")
  return { db = db, models = define_models(db) }
end

-- The probe queries an empty database, so that a build that cannot do that is left out.
local function version()
  local handle = open()
  local sqlite = handle.db.session:scalar(handle.db.text "SELECT sqlite_version()")
  handle.db.session:close()
  return ("%s, %s, SQLite %s"):format(perilune._VERSION, _VERSION, sqlite)
end

harness.run({
  version = version,
  open = open,
  settings = settings,
  close = function(handle) handle.db.session:close() end,
  workloads = workloads,
}, arg)
