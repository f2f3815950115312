-- SPDX-License-Identifier: MIT
-- The list of workloads, in the order of the table: the fixture each one runs on, whether
-- it writes (then every run gets a copy of the file and the digest of what it left counts
-- as part of its checksum), the operations it does for `rows` rows, and the ratio to raw C
-- that Perilune aims at. `group` 2 has no targets.

local function share(divisor, factor)
  return function(rows) return rows // divisor * (factor or 1) end
end

return {
  { name = "insert_flush", fixture = "empty", writes = true, ops = share(1), target = 2.0,
    what = "objects through the session, keys on the objects afterwards" },
  { name = "insert_bulk", fixture = "empty", writes = true, ops = share(1), target = 1.2,
    what = "rows that are there already, by bulk_insert" },
  { name = "load_all", fixture = "users", ops = share(1), target = 3.0, memory_target = 2.5,
    what = "all users as objects, both attributes read" },
  { name = "load_wide", fixture = "records", ops = share(1), target = 2.5,
    what = "ten columns, every attribute read" },
  { name = "load_wide_1", fixture = "records", ops = share(1), target = 1.5,
    what = "ten columns, one attribute read" },
  { name = "get_by_pk", fixture = "users", ops = share(5), target = 1.6,
    what = "by primary key, each key once, scrambled order" },
  { name = "filter_query", fixture = "posts", ops = share(5), target = 1.35,
    what = "expression query built anew each time: two conditions, order, limit 10" },
  { name = "update_flush", fixture = "users", writes = true, ops = share(1), target = 2.1,
    what = "loaded objects changed, then flushed" },
  { name = "delete_flush", fixture = "records", writes = true, ops = share(1), target = 1.4,
    what = "loaded objects deleted, then flushed; no relationships" },
  { name = "rel_lazy", fixture = "blog", ops = share(100, 10), target = 2.5,
    what = "walking user.posts, 10 each, default loading" },
  { name = "rel_joined", fixture = "blog", ops = share(100, 10),
    what = "the same with joinedload" },
  { name = "rel_selectin", fixture = "blog", ops = share(100, 10),
    what = "the same with selectinload" },
  { name = "m2m", fixture = "blog", ops = share(100, 20), target = 2.5,
    what = "walking user.groups, 20 each, default loading" },
  { name = "graph_insert", fixture = "empty", writes = true, ops = share(50, 16), target = 2.0,
    what = "users with 10 posts and 5 groups each, through relationships" },
  { name = "small_txn", fixture = "empty", writes = true, ops = share(50), target = 1.2,
    what = "commits of one insert" },

  { name = "q_join", group = 2, fixture = "posts", ops = share(20),
    what = "query shape: join, order, limit" },
  { name = "q_group", group = 2, fixture = "posts", ops = share(20),
    what = "query shape: count by group over a range" },
  { name = "q_any", group = 2, fixture = "posts", ops = share(20),
    what = "query shape: EXISTS through a relationship" },
  { name = "q_in", group = 2, fixture = "posts", ops = share(20),
    what = "query shape: IN of 100 keys" },
  { name = "q_func", group = 2, fixture = "posts", ops = share(20),
    what = "query shape: a plain Lua function as the condition" },
  { name = "load_rows", group = 2, fixture = "users", ops = share(1),
    what = "rows of two columns instead of objects" },
  { name = "each", group = 2, fixture = "users", ops = share(1),
    what = "streaming in constant memory" },
  { name = "delete_related", group = 2, fixture = "linked", writes = true, ops = share(10),
    what = "deleting users that stand in two groups each" },
  { name = "typed_insert", group = 2, fixture = "empty", writes = true, ops = share(5),
    what = "JSON and time columns written" },
  { name = "typed_load", group = 2, fixture = "events", ops = share(5),
    what = "JSON and time columns read" },
}
