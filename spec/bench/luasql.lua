-- SPDX-License-Identifier: MIT
-- The benchmark's workloads over a bare driver: LuaSQL's sqlite3 under the stock
-- interpreter, a Lua table for each row and SQL text made by hand (this driver has no
-- bound parameters). Run by the driver of the benchmark:
--
--     lua5.4 luasql.lua WORKLOAD FILE ROWS
--
-- JSON columns have no counterpart here; the driver shows a dash.

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/?.lua;" .. package.path
local harness = require "harness"
local luasql = require "luasql.sqlite3"

local W = {}

local function exec(conn, sql)
  return assert(conn:execute(sql))
end

-- The rows of a query, each a table of its own.
local function fetch_all(conn, sql)
  local cursor, rows, n = exec(conn, sql), {}, 0
  local row = cursor:fetch({}, "a")
  while row do
    n = n + 1
    rows[n] = row
    row = cursor:fetch({}, "a")
  end
  cursor:close()
  return rows
end

local function insert_user(conn, name)
  exec(conn, "INSERT INTO user (name) VALUES ('" .. conn:escape(name) .. "')")
end

-- ---- one table ----

function W.insert_flush(bench, conn)
  local names = harness.texts(bench.size.rows, "user %06d")
  bench:start()
  local users = {}
  for i = 1, #names do users[i] = { name = names[i] } end
  exec(conn, "BEGIN IMMEDIATE")
  for i = 1, #users do
    insert_user(conn, users[i].name)
    users[i].id = conn:getlastautoid()
  end
  local seen = 0
  for i = 1, #users do seen = seen + users[i].id end
  exec(conn, "COMMIT")
  bench:stop()
  bench.seen = seen
end

function W.insert_bulk(bench, conn)
  local names = harness.texts(bench.size.rows, "user %06d")
  bench:start()
  exec(conn, "BEGIN IMMEDIATE")
  for i = 1, #names do insert_user(conn, names[i]) end
  exec(conn, "COMMIT")
  bench:stop()
  bench.seen = #names
end

function W.load_all(bench, conn)
  bench:start()
  local users, seen = fetch_all(conn, "SELECT id, name FROM user"), 0
  for i = 1, #users do
    local u = users[i]
    seen = seen + u.id + #u.name
  end
  bench:stop()
  bench.seen = seen
  for i = 1, #users do bench:hash_named(users[i].id, users[i].name) end
end

local RECORDS = "SELECT id, a, b, x, y, s1, s2, s3, s4, flag FROM record"

function W.load_wide(bench, conn)
  bench:start()
  local records, seen, sum = fetch_all(conn, RECORDS), 0, 0.0
  for i = 1, #records do
    local r = records[i]
    seen = seen + r.id + r.a + r.b + #r.s1 + #r.s2 + #r.s3 + #r.s4
    if r.flag ~= 0 then seen = seen + 1 end
    sum = sum + (r.x + r.y)
  end
  bench.seen = seen + math.tointeger(sum * 8)
  bench:stop()
  for i = 1, #records do bench:hash_record(records[i], records[i].flag) end
end

function W.load_wide_1(bench, conn)
  bench:start()
  local records, seen = fetch_all(conn, RECORDS), 0
  for i = 1, #records do seen = seen + #records[i].s1 end
  bench:stop()
  bench.seen = seen
  for i = 1, #records do bench:hash_record(records[i], records[i].flag) end
end

function W.get_by_pk(bench, conn)
  local rows = bench.size.rows
  bench:start()
  local users, seen = {}, 0
  exec(conn, "BEGIN")
  for k = 0, bench.size.keys - 1 do
    local cursor = exec(conn, ("SELECT id, name FROM user WHERE id = %d"):format(
      harness.scramble(k, rows)))
    local user = cursor:fetch({}, "a")
    cursor:close()
    users[k + 1] = user
    seen = seen + #user.name
  end
  exec(conn, "COMMIT")
  bench:stop()
  bench.seen = seen
  for i = 1, #users do bench:hash_named(users[i].id, users[i].name) end
end

function W.filter_query(bench, conn)
  local authors, seen = bench.size.authors, 0
  bench:start()
  exec(conn, "BEGIN")
  for k = 0, bench.size.keys - 1 do
    local posts = fetch_all(conn, ("SELECT id, title, user_id FROM post WHERE user_id = %d"
      .. " AND title LIKE 'x%%' ORDER BY id DESC LIMIT 10"):format(harness.scramble(k, authors)))
    for i = 1, #posts do
      local p = posts[i]
      seen = seen + p.id * i + #p.title
    end
  end
  exec(conn, "COMMIT")
  bench:stop()
  bench.seen = seen
end

function W.update_flush(bench, conn)
  local names = harness.texts(bench.size.rows, "changed %06d")
  exec(conn, "BEGIN IMMEDIATE")
  local users = fetch_all(conn, "SELECT id, name FROM user")
  bench:start()
  for i = 1, #users do users[i].name = names[i] end
  for i = 1, #users do
    local u = users[i]
    exec(conn, ("UPDATE user SET name = '%s' WHERE id = %d"):format(conn:escape(u.name), u.id))
  end
  exec(conn, "COMMIT")
  bench:stop()
  bench.seen = #users
end

function W.delete_flush(bench, conn)
  exec(conn, "BEGIN IMMEDIATE")
  local records = fetch_all(conn, RECORDS)
  bench:start()
  for i = 1, #records do
    exec(conn, ("DELETE FROM record WHERE id = %d"):format(records[i].id))
  end
  exec(conn, "COMMIT")
  bench:stop()
  bench.seen = #records
end

-- ---- relationships ----

local function touch_posts(bench, users)
  local seen = 0
  for i = 1, #users do
    local posts = users[i].posts
    for j = 1, #posts do
      local p = posts[j]
      seen = seen + p.id + #p.title
    end
  end
  bench.seen = seen
end

local function hash_posts(bench, users)
  for i = 1, #users do
    local u = users[i]
    for j = 1, #u.posts do bench:hash_child(u.id, u.posts[j].id, u.posts[j].title) end
  end
end

function W.rel_lazy(bench, conn)
  bench:start()
  exec(conn, "BEGIN")
  local users = fetch_all(conn, "SELECT id, name FROM user")
  for i = 1, #users do
    users[i].posts = fetch_all(conn,
      ("SELECT id, title, user_id FROM post WHERE user_id = %d"):format(users[i].id))
  end
  touch_posts(bench, users)
  exec(conn, "COMMIT")
  bench:stop()
  hash_posts(bench, users)
end

function W.rel_joined(bench, conn)
  bench:start()
  local cursor = exec(conn, "SELECT u.id, u.name, p.id, p.title, p.user_id FROM user u"
    .. " LEFT JOIN post p ON p.user_id = u.id ORDER BY u.id")
  local users, user = {}, nil
  local row = cursor:fetch({}, "n")
  while row do
    if not user or user.id ~= row[1] then
      user = { id = row[1], name = row[2], posts = {} }
      users[#users + 1] = user
    end
    if row[3] then
      user.posts[#user.posts + 1] = { id = row[3], title = row[4], user_id = row[5] }
    end
    row = cursor:fetch(row, "n")
  end
  cursor:close()
  touch_posts(bench, users)
  bench:stop()
  hash_posts(bench, users)
end

function W.rel_selectin(bench, conn)
  bench:start()
  exec(conn, "BEGIN")
  local users = fetch_all(conn, "SELECT id, name FROM user")
  local by_id = {}
  for i = 1, #users do
    users[i].posts = {}
    by_id[users[i].id] = users[i]
  end
  for first = 1, #users, 500 do
    local keys = {}
    for i = first, math.min(first + 499, #users) do keys[#keys + 1] = users[i].id end
    local posts = fetch_all(conn, "SELECT id, title, user_id FROM post WHERE user_id IN ("
      .. table.concat(keys, ",") .. ")")
    for j = 1, #posts do
      local list = by_id[posts[j].user_id].posts
      list[#list + 1] = posts[j]
    end
  end
  touch_posts(bench, users)
  exec(conn, "COMMIT")
  bench:stop()
  hash_posts(bench, users)
end

function W.m2m(bench, conn)
  local seen = 0
  bench:start()
  exec(conn, "BEGIN")
  local users = fetch_all(conn, "SELECT id, name FROM user")
  for i = 1, #users do
    local u = users[i]
    u.groups = fetch_all(conn, 'SELECT g.id, g.name FROM user_group l JOIN "group" g'
      .. " ON g.id = l.group_id WHERE l.user_id = " .. u.id)
    for j = 1, #u.groups do
      local g = u.groups[j]
      seen = seen + g.id + #g.name
    end
  end
  exec(conn, "COMMIT")
  bench:stop()
  bench.seen = seen
  for i = 1, #users do
    local u = users[i]
    for j = 1, #u.groups do bench:hash_child(u.id, u.groups[j].id, u.groups[j].name) end
  end
end

local function build_graph(bench, names, titles, labels)
  local users, groups = {}, {}
  for k = 1, harness.GROUPS do groups[k] = { name = labels[k] } end
  for i = 1, bench.size.graph do
    local user = { name = names[i], posts = {}, groups = {} }
    for j = 1, harness.POSTS do
      user.posts[j] = { title = titles[(i - 1) * harness.POSTS + j] }
    end
    for j = 0, harness.GRAPH_MEMBER - 1 do
      user.groups[j + 1] = groups[harness.group_of(i, j)]
    end
    users[i] = user
  end
  return users, groups
end

function W.graph_insert(bench, conn)
  local n, seen = bench.size.graph, 0
  local names = harness.texts(n, "user %06d")
  local titles = harness.texts(n * harness.POSTS, "title %07d")
  local labels = harness.texts(harness.GROUPS, "group %03d")
  bench:start()
  local users, groups = build_graph(bench, names, titles, labels)
  exec(conn, "BEGIN IMMEDIATE")
  for k = 1, #groups do
    exec(conn, ([[INSERT INTO "group" (name) VALUES ('%s')]]):format(conn:escape(groups[k].name)))
    groups[k].id = conn:getlastautoid()
  end
  for i = 1, n do
    local u = users[i]
    insert_user(conn, u.name)
    u.id = conn:getlastautoid()
    seen = seen + u.id
    for j = 1, #u.posts do
      local p = u.posts[j]
      exec(conn, ("INSERT INTO post (title, user_id) VALUES ('%s', %d)"):format(
        conn:escape(p.title), u.id))
      p.id, p.user_id = conn:getlastautoid(), u.id
    end
    for j = 1, #u.groups do
      exec(conn, ("INSERT INTO user_group (user_id, group_id) VALUES (%d, %d)"):format(
        u.id, u.groups[j].id))
    end
  end
  exec(conn, "COMMIT")
  bench:stop()
  bench.seen = seen
end

function W.small_txn(bench, conn)
  local names = harness.texts(bench.size.graph, "user %06d")
  bench:start()
  for i = 1, #names do
    exec(conn, "BEGIN IMMEDIATE")
    insert_user(conn, names[i])
    exec(conn, "COMMIT")
  end
  bench:stop()
  bench.seen = #names
end

-- ---- the second group ----

-- Runs a query for each k and sums up key and text of its rows.
local function run_shape(bench, conn, text_column, sql_of)
  local seen = 0
  bench:start()
  exec(conn, "BEGIN")
  for k = 0, bench.size.shapes - 1 do
    local rows = fetch_all(conn, sql_of(k))
    for i = 1, #rows do seen = seen + rows[i].id + #rows[i][text_column] end
  end
  exec(conn, "COMMIT")
  bench:stop()
  bench.seen = seen
end

function W.q_join(bench, conn)
  run_shape(bench, conn, "title", function(k)
    return ("SELECT p.id, p.title, p.user_id FROM post p JOIN user u ON u.id = p.user_id"
      .. " WHERE u.id = %d AND p.title LIKE 'x%%' ORDER BY p.id DESC LIMIT 10"):format(
      harness.scramble(k, bench.size.authors))
  end)
end

function W.q_group(bench, conn)
  local seen = 0
  bench:start()
  exec(conn, "BEGIN")
  for k = 0, bench.size.shapes - 1 do
    local first = harness.scramble(k, bench.size.authors - 4)
    local rows = fetch_all(conn, ("SELECT user_id, count(id) AS n FROM post WHERE user_id"
      .. " BETWEEN %d AND %d GROUP BY user_id ORDER BY user_id"):format(first, first + 4))
    for i = 1, #rows do seen = seen + rows[i].user_id * rows[i].n end
  end
  exec(conn, "COMMIT")
  bench:stop()
  bench.seen = seen
end

function W.q_any(bench, conn)
  run_shape(bench, conn, "name", function(k)
    local first = harness.scramble(k, bench.size.authors - 4)
    return ("SELECT id, name FROM user WHERE id BETWEEN %d AND %d AND EXISTS (SELECT 1 FROM"
      .. " post WHERE post.user_id = user.id AND post.title LIKE 'x%%') ORDER BY id"):format(
      first, first + 4)
  end)
end

function W.q_in(bench, conn)
  run_shape(bench, conn, "title", function(k)
    local keys = {}
    for j = 0, harness.IN_KEYS - 1 do keys[j + 1] = harness.in_key(k, j, bench.size.rows) end
    return "SELECT id, title, user_id FROM post WHERE id IN (" .. table.concat(keys, ",") .. ")"
  end)
end

function W.q_func(bench, conn)
  run_shape(bench, conn, "title", function(k)
    local user = harness.scramble(k, bench.size.authors)
    return ("SELECT id, title, user_id FROM post WHERE user_id = %d AND upper(title) ="
      .. " 'X TITLE %d-10'"):format(user, user)
  end)
end

-- Rows as arrays: LuaSQL's quickest way to keep them.
function W.load_rows(bench, conn)
  local seen = 0
  bench:start()
  local cursor, rows, n = exec(conn, "SELECT id, name FROM user"), {}, 0
  local row = cursor:fetch({}, "n")
  while row do
    n = n + 1
    rows[n] = row
    row = cursor:fetch({}, "n")
  end
  cursor:close()
  for i = 1, n do seen = seen + rows[i][1] + #rows[i][2] end
  bench:stop()
  bench.seen = seen
  for i = 1, n do bench:hash_named(rows[i][1], rows[i][2]) end
end

function W.each(bench, conn)
  local seen = 0
  bench:start()
  local cursor = exec(conn, "SELECT id, name FROM user")
  local id, name = cursor:fetch()
  while id do
    seen = seen + id + #name
    id, name = cursor:fetch()
  end
  cursor:close()
  bench:stop()
  bench.seen = seen
end

function W.delete_related(bench, conn)
  exec(conn, "BEGIN IMMEDIATE")
  local users = fetch_all(conn, "SELECT id, name FROM user")
  bench:start()
  for i = 1, #users do
    exec(conn, "DELETE FROM user_group WHERE user_id = " .. users[i].id)
    exec(conn, "DELETE FROM user WHERE id = " .. users[i].id)
  end
  exec(conn, "COMMIT")
  bench:stop()
  bench.seen = #users
end

-- ---- the program ----

local environment = luasql.sqlite3()

local function open(path)
  local conn = assert(environment:connect(path))
  exec(conn, "PRAGMA journal_mode = WAL"):close()
  exec(conn, "PRAGMA synchronous = NORMAL")
  exec(conn, "PRAGMA foreign_keys = ON")
  exec(conn, "PRAGMA mmap_size = 134217728"):close()
  return conn
end

local function settings(conn)
  local values = {}
  for i, name in ipairs(harness.PRAGMAS) do
    values[i] = tostring(fetch_all(conn, "PRAGMA " .. name)[1][name])
  end
  return values
end

harness.run({
  version = function()
    return ("%s, %s, SQLite %s"):format(luasql._VERSION, _VERSION, luasql._CLIENTVERSION)
  end,
  open = open,
  settings = settings,
  close = function(conn)
    conn:close()
    environment:close()
  end,
  workloads = W,
}, arg)
