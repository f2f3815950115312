-- SPDX-License-Identifier: MIT
-- How relationships and columns are loaded: every way by declaration and per query, nested,
-- with the SELECTs of each step, what is loaded after it, and what a load leaves alone.
-- luacheck: no max line length

local programs = require("spec.differential.programs").new("loaders")
local P = function(...) programs:count(...) end

local function cat(...)
  local ops = {}
  for _, part in ipairs { ... } do
    if type(part[1]) == "table" then table.move(part, 1, #part, #ops + 1, ops) else ops[#ops + 1] = part end
  end
  return ops
end

-- A query in order of the key.
local function select(model, ...) return { "select", "@" .. model, { "order_by", "@" .. model .. ".id" }, ... } end
local function with(model, ...) return select(model, { "options", ... }) end

local function forgotten(...) return cat({ ... }, { { "commit" }, { "expunge_all" } }, { "forget", "a" }, { "forget", "b" }) end

-- Two parents with two children each, and one without; nothing of them in the session.
local family = forgotten({ "new", "a", "Parent", { name = "a" } }, { "new", "b", "Parent", { name = "b" } }, { "add", "a", "b" }, { "flush" },
  { "sql", "INSERT INTO parent (id, name) VALUES (3, 'c')" },
  { "sql", "INSERT INTO child (id, name, parent_id) VALUES (1, 'good', 1), (2, 'bad', 1), (3, 'good', 2), (4, 'bad', 2), (5, 'none', NULL)" })

-- Shops, their orders and the items of these.
local levels = forgotten({ "new", "a", "Shop", { name = "a" } }, { "new", "b", "Shop", { name = "b" } }, { "add", "a", "b" }, { "flush" },
  { "sql", 'INSERT INTO "order" (id, name, shop_id) VALUES (1, \'x\', 1), (2, \'y\', 1), (3, \'z\', 2)' },
  { "sql", "INSERT INTO item (id, name, order_id) VALUES (1, 'i', 1), (2, 'j', 1), (3, 'k', 3)" })

local groups = forgotten({ "new", "a", "User", { name = "a" } }, { "new", "b", "User", { name = "b" } }, { "add", "a", "b" }, { "flush" },
  { "sql", "INSERT INTO \"group\" (id, name) VALUES (1, 'g'), (2, 'h'), (3, 'i')" },
  { "sql", "INSERT INTO member (user_id, group_id) VALUES (1, 1), (2, 1), (1, 2)" })

local tree = forgotten({ "new", "a", "Node", { name = "a" } }, { "add", "a" }, { "flush" }, { "new", "b", "Node", {} },
  { "sql", "INSERT INTO node (id, name, parent_id) VALUES (2, 'b', 1), (3, 'c', 1), (4, 'd', 2)" })

local books = forgotten({ "new", "a", "Book", { name = "a", summary = "s", text = "t", notes = "n", index = "i" } },
  { "new", "b", "Book", { name = "b", summary = "s2", text = "t2", notes = "n2", index = "i2" } }, { "add", "a", "b" }, { "flush" },
  { "sql", "INSERT INTO page (id, name, scan, book_id) VALUES (1, 'p', 'x', 1), (2, 'q', 'y', 1)" })

-- By declaration

for _, lazy in ipairs { "select", "joined", "selectin", "subquery", "immediate", "noload", "raise", "raise_on_sql" } do
  local lists, parents = "lists_" .. lazy, "parents_" .. lazy
  local function L(name, ...) P(("lists, %s: %s"):format(lazy, name), lists, cat(family, ...)) end
  local function U(name, ...) P(("parents, %s: %s"):format(lazy, name), parents, cat(family, ...)) end
  local touched = { { "unloaded", "p1" }, { "sorted", "p1", "children" }, { "sorted", "p2", "children" }, { "sorted", "p3", "children" }, { "unloaded", "p1" } }
  L("query", { "run", select("Parent"), "p" }, touched)
  L("query of one", { "run", select("Parent", { "limit", 1 }), "p" }, { "unloaded", "p1" }, { "sorted", "p1", "children" })
  L("query of two with limit and offset", { "run", select("Parent", { "limit", 2 }, { "offset", 1 }), "p" }, { "sorted", "p1", "children" }, { "sorted", "p2", "children" })
  L("query of nothing", { "run", select("Parent", { "where", { "eq", "@Parent.id", 9 } }), "p" })
  L("get", { "get", "p1", "Parent", 1 }, { "unloaded", "p1" }, { "sorted", "p1", "children" })
  L("get of nothing", { "get", "p1", "Parent", 9 })
  L("from the other side", { "run", select("Child"), "c" }, { "attr", "c1", "parent" }, { "attr", "c2", "parent" }, { "attr", "c5", "parent" })
  L("again", { "run", select("Parent"), "p" }, { "sorted", "p1", "children" }, { "run", select("Parent"), "p" }, { "sorted", "p1", "children" })
  L("rows of two", { "run", { "select", { "@Parent", "@Child.name" }, { "join", "@Parent.children" }, { "order_by", "@Child.id" } }, "p" })
  L("count", { "count", "Parent" })
  L("expired", { "run", select("Parent"), "p" }, { "sorted", "p1", "children" }, { "expire", "p1" }, { "unloaded", "p1" }, { "attr", "p1", "name" }, { "sorted", "p1", "children" })
  L("expired list", { "run", select("Parent"), "p" }, { "expire", "p1", "children" }, { "unloaded", "p1" }, { "sorted", "p1", "children" })
  L("refreshed", { "get", "p1", "Parent", 1 }, { "sql", "INSERT INTO child (id, parent_id) VALUES (9, 1)" }, { "refresh", "p1" }, { "sorted", "p1", "children" })
  L("refreshed list", { "get", "p1", "Parent", 1 }, { "sql", "INSERT INTO child (id, parent_id) VALUES (9, 1)" }, { "refresh", "p1", "children" }, { "sorted", "p1", "children" })
  L("detached", { "run", select("Parent"), "p" }, { "expunge_all" }, { "sorted", "p1", "children" })
  L("of a new object", { "new", "n", "Parent", {} }, { "sorted", "n", "children" }, { "add", "n" }, { "flush" }, { "sorted", "n", "children" })
  L("append", { "run", select("Parent"), "p" }, { "new", "n", "Child", { name = "n" } }, { "append", "p1", "children", "n" }, { "sorted", "p1", "children" }, { "flush" }, { "attr", "n", "parent_id" }, { "commit" })
  L("append from the other side", { "run", select("Parent"), "p" }, { "new", "n", "Child", { parent = { "obj", "p1" } } }, { "flush" }, { "attr", "n", "parent_id" }, { "sorted", "p1", "children" }, { "commit" })
  L("delete", { "get", "p1", "Parent", 1 }, { "delete", "p1" }, { "flush" }, { "commit" })
  U("query", { "run", select("Child"), "c" }, { "unloaded", "c1" }, { "attr", "c1", "parent" }, { "attr", "c3", "parent" }, { "attr", "c5", "parent" })
  U("get", { "get", "c1", "Child", 1 }, { "unloaded", "c1" }, { "attr", "c1", "parent" })
  U("get without a parent", { "get", "c5", "Child", 5 }, { "unloaded", "c5" }, { "attr", "c5", "parent" })
  U("parents that are known", { "run", select("Parent"), "p" }, { "run", select("Child"), "c" }, { "attr", "c1", "parent" }, { "attr", "c3", "parent" })
  U("a key that leads nowhere", { "sql", "PRAGMA defer_foreign_keys = ON" }, { "sql", "INSERT INTO child (id, parent_id) VALUES (8, 77)" },
    { "run", select("Child", { "where", { "eq", "@Child.id", 8 } }), "c" }, { "attr", "c1", "parent" }, { "rollback" })
  U("set", { "get", "c1", "Child", 1 }, { "get", "p", "Parent", 2 }, { "set", "c1", "parent", { "obj", "p" } }, { "flush" }, { "attr", "c1", "parent_id" }, { "commit" })
  U("refreshed", { "get", "c1", "Child", 1 }, { "sql", "UPDATE child SET parent_id = 2" }, { "refresh", "c1" }, { "attr", "c1", "parent" })
end

-- Per query

for _, lazy in ipairs { "lazyload", "joinedload", "selectinload", "subqueryload", "immediateload", "noload", "raiseload" } do
  local function Q(name, schema, ...) P(("%s: %s"):format(lazy, name), schema, cat(...)) end
  local lists = { lazy, "@Parent.children" }
  for _, declared in ipairs { "family", "lists_joined", "lists_selectin", "lists_raise", "lists_noload" } do
    Q("lists of " .. declared, declared, family, { "run", with("Parent", lists), "p" }, { "unloaded", "p1" }, { "sorted", "p1", "children" }, { "sorted", "p2", "children" })
  end
  Q("parents", "family", family, { "run", with("Child", { lazy, "@Child.parent" }), "c" }, { "unloaded", "c1" }, { "attr", "c1", "parent" }, { "attr", "c5", "parent" })
  Q("parents of parents_joined", "parents_joined", family, { "run", with("Child", { lazy, "@Child.parent" }), "c" }, { "attr", "c1", "parent" })
  Q("lists with limit", "family", family, { "run", select("Parent", { "limit", 2 }, { "options", lists }), "p" }, { "sorted", "p1", "children" }, { "sorted", "p2", "children" })
  Q("lists with a condition and distinct", "family", family, { "run", { "select", "@Parent", { "join", "@Parent.children" }, { "where", { "eq", "@Child.name", "good" } }, { "distinct" }, { "order_by", "@Parent.id" }, { "options", lists } }, "p" },
    { "sorted", "p1", "children" })
  Q("lists of an alias", "family", family, { "let", "q", { "aliased", "@Parent" } }, { "run", { "select", "@q", { "order_by", "@q.id" }, { "options", { lazy, "@q.children" } } }, "p" }, { "sorted", "p1", "children" })
  Q("lists of rows", "family", family, { "run", { "select", { "@Parent", "@Parent.name" }, { "order_by", "@Parent.id" }, { "options", lists } } })
  Q("lists of many to many", "group", groups, { "run", with("Group", { lazy, "@Group.users" }), "g" }, { "sorted", "g1", "users" }, { "sorted", "g3", "users" }, { "run", with("User", { lazy, "@User.groups" }), "u" }, { "sorted", "u1", "groups" })
  Q("self-reference", "tree", tree, { "run", with("Node", { lazy, "@Node.children" }), "n" }, { "sorted", "n1", "children" }, { "sorted", "n4", "children" })
  Q("self-reference of the root alone, twice", "tree", tree, { "run", select("Node", { "where", { "eq", "@Node.id", 1 } }, { "options", { lazy, "@Node.children", { lazy, "@Node.children" } } }), "n" }, { "sorted", "n1", "children" })
  Q("self-reference upwards", "tree", tree, { "run", select("Node", { "where", { "eq", "@Node.id", 4 } }, { "options", { lazy, "@Node.parent", { lazy, "@Node.parent" } } }), "n" }, { "attr", "n1", "parent" })
  Q("everything", "levels", levels, { "run", with("Shop", { lazy, "*" }), "s" }, { "sorted", "s1", "orders" })
  Q("get", "family", family, { "query_get", "p1", { "select", "@Parent", { "options", lists } }, 1 }, { "unloaded", "p1" }, { "sorted", "p1", "children" })
  Q("get of a known object", "family", family, { "get", "p1", "Parent", 1 }, { "query_get", "p2", { "select", "@Parent", { "options", lists } }, 1 }, { "same", "p1", "p2" }, { "unloaded", "p1" })
  Q("lists that are known stay", "family", family, { "run", select("Parent"), "p" }, { "sorted", "p1", "children" }, { "sql", "DELETE FROM child" }, { "run", with("Parent", lists), "p" }, { "attr", "p1", "name" })
  Q("objects that are known get what they lack", "family", family, { "run", select("Parent"), "p" }, { "run", with("Parent", lists), "p" }, { "unloaded", "p1" })
  Q("changes stay", "family", family, { "run", select("Parent"), "p" }, { "set", "p1", "name", "changed" }, { "quietly", { { "run", with("Parent", lists), "p" } } }, { "attr", "p1", "name" }, { "rollback" })
  Q("a pending child stays", "family", family, { "run", select("Parent"), "p" }, { "new", "n", "Child", { parent = { "obj", "p1" } } }, { "quietly", { { "run", with("Parent", lists), "p" }, { "sorted", "p1", "children" } } }, { "rollback" })
  Q("what does not begin at the query", "family", family, { "run", with("Child", lists) }, { "run", select("Child", { "options", { "joinedload", "@Child.parent" } }, { "options", lists }) })
  Q("what does not go on", "levels", levels, { "run", with("Shop", { lazy, "@Shop.orders", { lazy, "@Item.order" } }) })
  for _, next_one in ipairs { "lazyload", "joinedload", "selectinload", "subqueryload", "raiseload", "noload" } do
    Q("then " .. next_one, "levels", levels, { "run", with("Shop", { lazy, "@Shop.orders", { next_one, "@Order.items" } }), "s" }, { "sorted", "s1", "orders" },
      { "get", "o", "Order", 1 }, { "unloaded", "o" }, { "sorted", "o", "items" })
    Q("then " .. next_one .. ", from the items", "levels", levels, { "run", with("Item", { lazy, "@Item.order", { next_one, "@Order.shop" } }), "i" }, { "attr", "i1", "order" },
      { "get", "o", "Order", 1 }, { "attr", "o", "shop" })
    Q("after " .. next_one, "family", family, { "run", with("Parent", { next_one, "@Parent.children" }, lists), "p" }, { "sorted", "p1", "children" })
  end
  Q("back again", "family", family, { "run", with("Parent", { lazy, "@Parent.children", { lazy, "@Child.parent" } }), "p" }, { "sorted", "p1", "children" }, { "get", "c", "Child", 1 }, { "attr", "c", "parent" })
  Q("then columns", "family", family, { "run", with("Parent", { lazy, "@Parent.children", { "load_only", "@Child.name" } }), "p" }, { "sorted", "p1", "children" }, { "get", "c", "Child", 1 }, { "unloaded", "c" }, { "attr", "c", "parent_id" })
  Q("by way of defaultload", "levels", levels, { "run", with("Shop", { "defaultload", "@Shop.orders", { lazy, "@Order.items" } }), "s" }, { "sorted", "s1", "orders" }, { "get", "o", "Order", 1 }, { "sorted", "o", "items" })
  if lazy ~= "noload" and lazy ~= "raiseload" then
    Q("of some", "family", family, { "run", with("Parent", { lazy, { "only", "@Parent.children", { "eq", "@Child.name", "good" } } }), "p" }, { "sorted", "p1", "children" }, { "sorted", "p2", "children" }, { "sorted", "p3", "children" })
    Q("of a subclass", "staff", { { "new", "a", "Firm", { name = "a" } }, { "new", "b", "Engineer", { firm = { "obj", "a" }, language = "c" } }, { "new", "c", "Manager", { firm = { "obj", "a" }, budget = 1 } }, { "add", "a" }, { "commit" }, { "expunge_all" },
      { "forget", "a" }, { "forget", "b" }, { "forget", "c" }, { "run", with("Firm", { lazy, { "of_type", "@Firm.people", "@Engineer" } }), "f" }, { "sorted", "f1", "people" } })
    Q("with a criterion", "family", family, { "run", with("Parent", lists, { "with_loader_criteria", "@Child", { "eq", "@Child.name", "good" } }), "p" }, { "sorted", "p1", "children" }, { "sorted", "p2", "children" })
  end
end
P("raiseload: of SQL only", "family", cat(family, { "run", with("Child", { "raiseload", "@Child.parent", { sql_only = true } }), "c" }, { "attr", "c1", "parent" }, { "get", "p", "Parent", 1 }, { "attr", "c1", "parent" }))
P("joinedload: inner", "family", cat(family, { "run", with("Parent", { "joinedload", "@Parent.children", { innerjoin = true } }), "p" }, { "run", with("Child", { "joinedload", "@Child.parent", { innerjoin = true } }), "c" }))
P("two ways in one query", "levels", cat(levels, { "run", with("Order", { "joinedload", "@Order.shop" }, { "selectinload", "@Order.items" }), "o" }, { "attr", "o1", "shop" }, { "sorted", "o1", "items" }, { "sorted", "o2", "items" }))

-- The joins of the query itself

local joined = { "select", "@Parent", { "join", "@Parent.children" }, { "where", { "eq", "@Child.name", "good" } }, { "order_by", "@Parent.id" } }
local function eager(query, ...) local q = { table.unpack(query) } q[#q + 1] = { "options", ... } return q end
P("contains_eager: some of a list", "family", cat(family, { "run", eager(joined, { "contains_eager", "@Parent.children" }), "p" }, { "unloaded", "p1" }, { "sorted", "p1", "children" }, { "expire", "p1" }, { "sorted", "p1", "children" }))
P("contains_eager: parents", "family", cat(family, { "run", { "select", "@Child", { "join", "@Child.parent" }, { "order_by", "@Child.id" }, { "options", { "contains_eager", "@Child.parent" } } }, "c" }, { "attr", "c1", "parent" }))
P("contains_eager: of an outer join", "family", cat(family, { "run", { "select", "@Parent", { "outerjoin", "@Parent.children" }, { "order_by", "@Parent.id" }, { "options", { "contains_eager", "@Parent.children" } } }, "p" }, { "sorted", "p1", "children" }, { "sorted", "p3", "children" }))
P("contains_eager: by an alias", "family", cat(family, { "let", "c", { "aliased", "@Child" } },
  { "run", { "select", "@Parent", { "join", "@c", { "eq", "@c.parent_id", "@Parent.id" } }, { "where", { "eq", "@c.name", "good" } }, { "order_by", "@Parent.id" }, { "options", { "contains_eager", { "of_type", "@Parent.children", "@c" } } } }, "p" }, { "sorted", "p1", "children" }))
P("contains_eager: nested", "levels", cat(levels, { "run", { "select", "@Shop", { "join", "@Shop.orders" }, { "join", "@Order.items" }, { "order_by", "@Shop.id" }, { "options", { "contains_eager", "@Shop.orders", { "contains_eager", "@Order.items" } } } }, "s" },
  { "sorted", "s1", "orders" }, { "get", "o", "Order", 1 }, { "sorted", "o", "items" }))
P("contains_eager: then another way", "levels", cat(levels, { "run", { "select", "@Shop", { "join", "@Shop.orders" }, { "order_by", "@Shop.id" }, { "options", { "contains_eager", "@Shop.orders", { "selectinload", "@Order.items" } } } }, "s" },
  { "sorted", "s1", "orders" }, { "get", "o", "Order", 1 }, { "sorted", "o", "items" }))
P("contains_eager: a list that is known stays", "family", cat(family, { "run", select("Parent"), "p" }, { "sorted", "p1", "children" }, { "run", eager(joined, { "contains_eager", "@Parent.children" }), "p" }, { "sorted", "p1", "children" }))
P("contains_eager: anew", "family", cat(family, { "run", select("Parent"), "p" }, { "sorted", "p1", "children" },
  { "run", { "select", "@Parent", { "join", "@Parent.children" }, { "where", { "eq", "@Child.name", "good" } }, { "order_by", "@Parent.id" }, { "options", { "contains_eager", "@Parent.children" } }, { "execution_options", { populate_existing = true } } }, "p" }, { "sorted", "p1", "children" }))

-- Columns

local function C(name, ...) P("columns: " .. name, "book", cat(books, ...)) end
C("deferred by declaration", { "run", select("Book"), "k" }, { "unloaded", "k1" }, { "attr", "k1", "name" }, { "attr", "k1", "text" }, { "unloaded", "k1" }, { "attr", "k1", "notes" }, { "unloaded", "k1" }, { "attr", "k1", "index" })
C("deferred and set", { "run", select("Book"), "k" }, { "set", "k1", "text", "new" }, { "unloaded", "k1" }, { "flush" }, { "attr", "k1", "text" }, { "commit" })
C("deferred, then got", { "get", "k", "Book", 1 }, { "unloaded", "k" }, { "attr", "k", "text" })
C("deferred, then detached", { "get", "k", "Book", 1 }, { "expunge", "k" }, { "attr", "k", "name" }, { "attr", "k", "text" })
C("deferred, then expired", { "get", "k", "Book", 1 }, { "attr", "k", "text" }, { "expire", "k" }, { "attr", "k", "name" }, { "unloaded", "k" }, { "attr", "k", "text" })
C("deferred, then refreshed", { "get", "k", "Book", 1 }, { "refresh", "k" }, { "unloaded", "k" }, { "refresh", "k", "text" }, { "unloaded", "k" })
C("defer", { "run", with("Book", { "defer", "@Book.summary" }), "k" }, { "unloaded", "k1" }, { "attr", "k1", "summary" }, { "unloaded", "k1" })
C("defer two", { "run", with("Book", { "defer", "@Book.summary" }, { "defer", "@Book.name" }), "k" }, { "unloaded", "k1" }, { "attr", "k1", "summary" }, { "unloaded", "k1" }, { "attr", "k1", "name" })
C("defer the key", { "run", with("Book", { "defer", "@Book.id" }), "k" }, { "unloaded", "k1" })
C("defer and raise", { "run", with("Book", { "defer", "@Book.summary", { raiseload = true } }), "k" }, { "attr", "k1", "name" }, { "attr", "k1", "summary" })
C("defer of a known object", { "run", select("Book"), "k" }, { "run", with("Book", { "defer", "@Book.summary" }), "k" }, { "unloaded", "k1" })
C("undefer", { "run", with("Book", { "undefer", "@Book.text" }), "k" }, { "unloaded", "k1" }, { "attr", "k1", "text" })
C("undefer of a known object", { "run", select("Book"), "k" }, { "run", with("Book", { "undefer", "@Book.text" }), "k" }, { "unloaded", "k1" }, { "attr", "k1", "text" })
C("undefer all", { "run", with("Book", { "undefer", "*" }), "k" }, { "unloaded", "k1" })
C("undefer a group", { "run", with("Book", { "undefer_group", "long" }), "k" }, { "unloaded", "k1" }, { "attr", "k1", "notes", "index" })
C("load only", { "run", with("Book", { "load_only", "@Book.name" }), "k" }, { "unloaded", "k1" }, { "attr", "k1", "summary" }, { "unloaded", "k1" })
C("load only two", { "run", with("Book", { "load_only", "@Book.name", "@Book.text" }), "k" }, { "unloaded", "k1" })
C("load only, then set", { "run", with("Book", { "load_only", "@Book.name" }), "k" }, { "set", "k1", "summary", "new" }, { "flush" }, { "attr", "k1", "summary" }, { "commit" })
C("load only of what relates", { "run", with("Page", { "joinedload", "@Page.book", { "load_only", "@Book.name" } }), "g" }, { "get", "k", "Book", 1 }, { "unloaded", "k" }, { "attr", "k", "summary" })
C("load only without the foreign key", { "run", with("Page", { "load_only", "@Page.name" }), "g" }, { "unloaded", "g1" }, { "attr", "g1", "book" }, { "unloaded", "g1" })
C("load only and delete", { "run", with("Page", { "load_only", "@Page.name" }), "g" }, { "delete", "g1" }, { "flush" }, { "commit" })
C("columns of another model", { "run", with("Page", { "load_only", "@Book.name" }) }, { "run", with("Page", { "defer", "@Book.name" }) })
C("undefer where a path leads", { "run", with("Page", { "selectinload", "@Page.book", { "undefer", "@Book.text" } }), "g" }, { "get", "k", "Book", 1 }, { "unloaded", "k" })
C("defer where a path leads by default", { "run", with("Page", { "defaultload", "@Page.book", { "defer", "@Book.summary" } }), "g" }, { "attr", "g1", "book" }, { "get", "k", "Book", 1 }, { "unloaded", "k" })

-- What is known already

local anew = { "execution_options", { populate_existing = true } }
local other = { "sql", "UPDATE parent SET name = 'other'" }
local function K(name, ...) P("known: " .. name, "family", cat(family, ...)) end
K("a query leaves values", { "run", select("Parent"), "p" }, other, { "run", select("Parent"), "p" }, { "attr", "p1", "name" })
K("populate_existing", { "run", select("Parent"), "p" }, other, { "run", select("Parent", anew), "p" }, { "attr", "p1", "name" })
K("populate_existing and changes", { "run", select("Parent"), "p" }, { "set", "p1", "name", "changed" }, { "quietly", { { "run", select("Parent", anew), "p" }, { "attr", "p1", "name" }, { "modified", "p1" }, { "sets" } } }, { "flush" }, { "commit" })
K("populate_existing flushes first", { "run", select("Parent"), "p" }, { "set", "p1", "name", "changed" }, { "run", select("Parent", anew), "p" }, { "attr", "p1", "name" }, { "commit" })
K("populate_existing and lists", { "run", select("Parent"), "p" }, { "sorted", "p1", "children" }, { "sql", "DELETE FROM child" }, { "run", select("Parent", anew), "p" }, { "unloaded", "p1" }, { "sorted", "p1", "children" })
K("populate_existing and a pending child", { "run", select("Parent"), "p" }, { "sorted", "p1", "children" }, { "new", "n", "Child", {} }, { "append", "p1", "children", "n" }, { "quietly", { { "run", select("Parent", anew), "p" }, { "sorted", "p1", "children" } } }, { "rollback" })
K("populate_existing and what is to be deleted", { "get", "p", "Parent", 3 }, { "delete", "p" }, { "quietly", { { "run", select("Parent", anew) } } }, { "flush" }, { "commit" })
for _, lazy in ipairs { "joinedload", "selectinload", "subqueryload", "immediateload" } do
  K("populate_existing with " .. lazy, { "run", with("Parent", { lazy, "@Parent.children" }), "p" }, { "get", "c", "Child", 1 }, { "sql", "UPDATE child SET parent_id = 2 WHERE id = 2" }, { "set", "c", "name", "changed" },
    { "quietly", { { "run", select("Parent", { "options", { lazy, "@Parent.children" } }, anew), "p" }, { "attr", "c", "name" }, { "sorted", "p1", "children" }, { "sorted", "p2", "children" } } })
  K("populate_existing with parents by " .. lazy, { "run", with("Child", { lazy, "@Child.parent" }), "c" }, { "get", "p", "Parent", 1 }, { "set", "p", "name", "changed" },
    { "quietly", { { "run", select("Child", { "options", { lazy, "@Child.parent" } }, anew), "c" }, { "attr", "p", "name" } } })
end
K("populate_existing and get", { "get", "p", "Parent", 1 }, other, { "query_get", "q", { "select", "@Parent", { "populate_existing" } }, 1 }, { "same", "p", "q" }, { "attr", "p", "name" })
K("refresh of one attribute", { "get", "p", "Parent", 1 }, other, { "refresh", "p", "name" }, { "attr", "p", "name" })
K("expire of one attribute", { "get", "p", "Parent", 1 }, other, { "expire", "p", "name" }, { "unloaded", "p" }, { "attr", "p", "name" })
K("a lazy load flushes first", { "get", "p", "Parent", 1 }, { "new", "n", "Child", { name = "n", parent_id = 1 } }, { "add", "n" }, { "sorted", "p", "children" }, { "commit" })
K("a lazy load without autoflush", { "get", "p", "Parent", 1 }, { "new", "n", "Child", { name = "n", parent_id = 1 } }, { "add", "n" }, { "quietly", { { "sorted", "p", "children" } } }, { "commit" })
K("a parent from the identity map", { "get", "p", "Parent", 1 }, { "get", "c", "Child", 1 }, { "attr", "c", "parent" })
K("a parent that is deleted", { "get", "p", "Parent", 3 }, { "new", "n", "Child", { parent_id = 3 } }, { "add", "n" }, { "flush" }, { "attr", "n", "parent" })

-- Streams

for _, lazy in ipairs { "lazyload", "selectinload", "immediateload" } do
  K("stream with " .. lazy, { "stream", with("Parent", { lazy, "@Parent.children" }), 2, "children" })
end
K("stream with joinedload of a list", { "stream", with("Parent", { "joinedload", "@Parent.children" }), 2, "children" })

-- Lists that are queries

for _, lazy in ipairs { "dynamic", "write_only" } do
  local function D(name, ...) P(lazy .. ": " .. name, "lists_" .. lazy, cat(family, ...)) end
  D("read", { "get", "p", "Parent", 1 }, { "related", "p", "children" }, { "related", "p", "children" })
  D("append", { "get", "p", "Parent", 1 }, { "new", "n", "Child", { name = "n" } }, { "append", "p", "children", "n" }, { "held", "n" }, { "flush" }, { "related", "p", "children" }, { "attr", "n", "parent", "parent_id" }, { "commit" })
  D("append, read at once", { "get", "p", "Parent", 1 }, { "new", "n", "Child", { name = "n" } }, { "append", "p", "children", "n" }, { "related", "p", "children" }, { "commit" })
  D("append of another's", { "get", "p", "Parent", 1 }, { "get", "c", "Child", 3 }, { "append", "p", "children", "c" }, { "attr", "c", "parent" }, { "flush" }, { "related", "p", "children" }, { "commit" })
  D("remove", { "get", "p", "Parent", 1 }, { "get", "c", "Child", 1 }, { "remove", "p", "children", "c" }, { "attr", "c", "parent" }, { "flush" }, { "related", "p", "children" }, { "commit" })
  D("from the other side", { "get", "p", "Parent", 1 }, { "new", "n", "Child", { parent = { "obj", "p" } } }, { "held", "n" }, { "flush" }, { "related", "p", "children" }, { "commit" })
  D("move from the other side", { "get", "p", "Parent", 1 }, { "get", "q", "Parent", 2 }, { "get", "c", "Child", 1 }, { "set", "c", "parent", { "obj", "q" } }, { "flush" }, { "related", "p", "children" }, { "related", "q", "children" }, { "commit" })
  D("of a new object", { "new", "n", "Parent", {} }, { "new", "c", "Child", {} }, { "append", "n", "children", "c" }, { "add", "n" }, { "held", "c" }, { "flush" }, { "related", "n", "children" }, { "commit" })
  D("constructed with a list", { "new", "c", "Child", {} }, { "new", "n", "Parent", { children = { "objs", "c" } } }, { "add", "n" }, { "flush" }, { "related", "n", "children" }, { "commit" })
  D("rollback", { "get", "p", "Parent", 1 }, { "new", "n", "Child", {} }, { "append", "p", "children", "n" }, { "flush" }, { "rollback" }, { "related", "p", "children" })
  D("rollback of what was not flushed", { "get", "p", "Parent", 1 }, { "new", "n", "Child", {} }, { "append", "p", "children", "n" }, { "rollback" }, { "related", "p", "children" })
  D("delete of the parent", { "get", "p", "Parent", 1 }, { "delete", "p" }, { "flush" }, { "commit" })
  D("delete of a child", { "get", "p", "Parent", 1 }, { "get", "c", "Child", 1 }, { "delete", "c" }, { "flush" }, { "related", "p", "children" }, { "commit" })
  D("detached", { "get", "p", "Parent", 1 }, { "expunge", "p" }, { "related", "p", "children" })
  D("eager options", { "run", with("Parent", { "joinedload", "@Parent.children" }), "p" })
end
P("dynamic: counted", "lists_dynamic", cat(family, { "get", "p", "Parent", 1 }, { "related_count", "p", "children" }, { "get", "q", "Parent", 3 }, { "related_count", "q", "children" }))

-- A list that only shows

local function V(name, ...) P("viewonly: " .. name, "view", cat(family, ...)) end
V("read", { "run", select("Parent"), "p" }, { "sorted", "p1", "good" }, { "sorted", "p3", "good" }, { "sorted", "p1", "children" })
for _, lazy in ipairs { "joinedload", "selectinload", "subqueryload", "immediateload" } do
  V(lazy, { "run", with("Parent", { lazy, "@Parent.good" }), "p" }, { "unloaded", "p1" }, { "sorted", "p1", "good" }, { "sorted", "p2", "good" })
end
V("append writes nothing", { "get", "p", "Parent", 1 }, { "get", "c", "Child", 5 }, { "append", "p", "good", "c" }, { "modified", "p" }, { "flush" }, { "attr", "c", "parent_id" }, { "commit" })
V("a new object does not come along", { "get", "p", "Parent", 1 }, { "new", "n", "Child", { name = "good" } }, { "append", "p", "good", "n" }, { "held", "n" }, { "commit" })
V("remove writes nothing", { "get", "p", "Parent", 1 }, { "get", "c", "Child", 1 }, { "remove", "p", "good", "c" }, { "flush" }, { "attr", "c", "parent_id" }, { "commit" })
V("is read again after a change", { "get", "p", "Parent", 1 }, { "sorted", "p", "good" }, { "new", "n", "Child", { name = "good", parent = { "obj", "p" } } }, { "flush" }, { "sorted", "p", "good" }, { "expire", "p", "good" }, { "sorted", "p", "good" }, { "commit" })
V("delete of the parent", { "get", "p", "Parent", 1 }, { "delete", "p" }, { "flush" }, { "commit" })

-- Objects that a flush has deleted

K("a change of what is deleted", { "get", "p", "Parent", 3 }, { "delete", "p" }, { "flush" }, { "set", "p", "name", "x" }, { "flush" }, { "attr", "p", "name" }, { "commit" }, { "attr", "p", "name" })
K("a change of what is deleted, rolled back", { "get", "p", "Parent", 3 }, { "delete", "p" }, { "flush" }, { "set", "p", "name", "x" }, { "rollback" }, { "attr", "p", "name" })
K("a child of what is deleted", { "get", "p", "Parent", 3 }, { "delete", "p" }, { "flush" }, { "new", "n", "Child", {} }, { "append", "p", "children", "n" })

return programs.list
