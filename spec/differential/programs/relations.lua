-- SPDX-License-Identifier: MIT
-- Relationships in memory and at flush: backrefs, moves, replacement, cascades,
-- orphans, many-to-many, one-to-one, self-reference, cycles.
-- luacheck: no max line length

local programs = require("spec.differential.programs").new("relations", true)
local P = function(...) programs:add(...) end

local function cat(...)
  local ops = {}
  for _, part in ipairs { ... } do
    if type(part[1]) == "table" then table.move(part, 1, #part, #ops + 1, ops) else ops[#ops + 1] = part end
  end
  return ops
end

local pc = { { "new", "p", "Parent", { name = "p" } }, { "new", "c", "Child", { name = "c" } } }
local tied = cat(pc, { "append", "p", "children", "c" }, { "add", "p" }, { "commit" })
local two = cat(tied, { { "new", "q", "Parent", { name = "q" } }, { "add", "q" }, { "commit" } })
local three = { { "new", "p", "Parent", {} }, { "new", "a", "Child", { name = "a" } }, { "new", "b", "Child", { name = "b" } }, { "new", "c", "Child", { name = "c" } },
  { "append", "p", "children", "a", "b", "c" }, { "add", "p" }, { "commit" } }

for _, schema in ipairs { "family", "named", "owned", "strict", "strict_owned", "deleting", "passive", "passive_owned", "setnull" } do
  local function Q(name, ...) P(name .. " (" .. schema .. ")", schema, cat(...)) end
  Q("append sets the reference", pc, { "append", "p", "children", "c" }, { "attr", "c", "parent", "parent_id" }, { "add", "p" }, { "flush" }, { "attr", "c", "parent_id" }, { "commit" })
  Q("reference joins the list", pc, { "set", "c", "parent", { "obj", "p" } }, { "attr", "p", "children" }, { "add", "c" }, { "commit" }, { "attr", "p", "children" })
  Q("reference of a persistent parent", { pc[1], { "add", "p" }, { "commit" }, { "new", "c", "Child", { parent = { "obj", "p" } } }, { "held", "c" }, { "commit" }, { "attr", "p", "children" } })
  Q("remove", tied, { "remove", "p", "children", "c" }, { "attr", "c", "parent" }, { "flush" }, { "attr", "c", "parent_id" }, { "commit" })
  Q("reference to null", tied, { "set", "c", "parent", { "null" } }, { "attr", "p", "children" }, { "flush" }, { "commit" })
  Q("move by append", two, { "attr", "p", "children" }, { "append", "q", "children", "c" }, { "attr", "p", "children" }, { "attr", "c", "parent" }, { "commit" }, { "attr", "q", "children" })
  Q("move by reference", two, { "attr", "p", "children" }, { "attr", "q", "children" }, { "set", "c", "parent", { "obj", "q" } }, { "attr", "p", "children" }, { "attr", "q", "children" }, { "commit" }, { "attr", "c", "parent_id" })
  Q("move of an unloaded child", two, { "set", "c", "parent", { "obj", "q" } }, { "commit" }, { "attr", "p", "children" }, { "attr", "q", "children" })
  Q("replace the list", tied, { "new", "d", "Child", { name = "d" } }, { "set", "p", "children", { "objs", "d" } }, { "attr", "c", "parent" }, { "attr", "d", "parent" }, { "flush" }, { "commit" }, { "attr", "p", "children" })
  Q("replace with a part", three, { "set", "p", "children", { "objs", "c", "a" } }, { "attr", "p", "children" }, { "flush" }, { "commit" }, { "sorted", "p", "children" })
  Q("replace with nothing", three, { "set", "p", "children", { "objs" } }, { "flush" }, { "commit" }, { "attr", "p", "children" })
  Q("clear", three, { "clear", "p", "children" }, { "flush" }, { "commit" })
  Q("pop", three, { "attr", "p", "children" }, { "pop", "p", "children" }, { "attr", "p", "children" }, { "flush" }, { "commit" })
  Q("insert in the middle", three, { "new", "d", "Child", { name = "d" } }, { "insert", "p", "children", 2, "d" }, { "attr", "p", "children" }, { "commit" }, { "sorted", "p", "children" })
  Q("remove and append again", tied, { "remove", "p", "children", "c" }, { "append", "p", "children", "c" }, { "flush" }, { "commit" }, { "attr", "p", "children" })
  Q("append then remove a new child", cat(pc, { "add", "p" }, { "commit" }), { "append", "p", "children", "c" }, { "remove", "p", "children", "c" }, { "held", "c" }, { "flush" }, { "held", "c" }, { "rollback" })
  Q("new child let go by its reference", pc, { "set", "c", "parent", { "obj", "p" } }, { "add", "c" }, { "set", "c", "parent", { "null" } }, { "held", "c" }, { "flush" }, { "held", "c" }, { "rollback" })
  Q("new child without a parent", { pc[2], { "add", "c" }, { "flush" }, { "rollback" } })
  Q("delete a child", tied, { "attr", "p", "children" }, { "delete", "c" }, { "attr", "p", "children" }, { "flush" }, { "attr", "p", "children" }, { "commit" }, { "attr", "p", "children" })
  Q("delete a parent with unloaded children", tied, { "delete", "p" }, { "flush" }, { "rollback" })
  Q("delete a parent with unloaded children and commit", tied, { "delete", "p" }, { "commit" }, { "count", "Child" })
  Q("delete a parent with loaded children", tied, { "attr", "p", "children" }, { "delete", "p" }, { "commit" })
  Q("delete a parent without children", { pc[1], { "add", "p" }, { "commit" }, { "delete", "p" }, { "commit" } })
  Q("delete both", tied, { "delete", "p" }, { "delete", "c" }, { "commit" })
  Q("delete and move", two, { "attr", "p", "children" }, { "append", "q", "children", "c" }, { "delete", "p" }, { "commit" }, { "attr", "q", "children" })
  Q("foreign key set directly", two, { "attr", "c", "parent" }, { "set", "c", "parent_id", 2 }, { "attr", "c", "parent" }, { "flush" }, { "attr", "c", "parent" }, { "commit" }, { "attr", "c", "parent" })
  Q("relationship wins over the key", two, { "set", "c", "parent", { "obj", "q" } }, { "set", "c", "parent_id", 1 }, { "flush" }, { "attr", "c", "parent_id" }, { "commit" }, { "attr", "c", "parent" })
  Q("key then relationship", two, { "set", "c", "parent_id", 1 }, { "set", "c", "parent", { "obj", "q" } }, { "commit" }, { "attr", "c", "parent_id" })
  Q("key of a new child", { pc[1], { "add", "p" }, { "commit" }, { "new", "c", "Child", { parent_id = 1 } }, { "add", "c" }, { "attr", "c", "parent" }, { "flush" }, { "attr", "c", "parent" } })
  Q("lazy reference from the identity map", tied, { "attr", "p", "name" }, { "attr", "c", "parent" })
  Q("append to an unloaded list of a new parent", { pc[1], pc[2], { "add", "p" }, { "flush" }, { "append", "p", "children", "c" }, { "flush" }, { "attr", "c", "parent_id" }, { "commit" } })
  Q("same child appended to two", cat(two, { "new", "d", "Child", {} }), { "append", "p", "children", "d" }, { "append", "q", "children", "d" }, { "attr", "p", "children" }, { "attr", "d", "parent" }, { "commit" }, { "attr", "d", "parent_id" })
  Q("orphan given back to another", two, { "remove", "p", "children", "c" }, { "append", "q", "children", "c" }, { "commit" }, { "attr", "c", "parent" }, { "count", "Child" })
  Q("children of a transient parent are not saved", pc, { "append", "p", "children", "c" }, { "commit" }, { "count", "Child" })
  Q("expunge of the parent", cat(pc, { "append", "p", "children", "c" }, { "add", "p" }), { "expunge", "p" }, { "held", "c" }, { "rollback" })
end

-- Where SQLAlchemy's flush or cascade is at fault
P("at fault: new child moved from a new parent", "family", cat(pc, { "new", "q", "Parent", { name = "q" } }, { "set", "c", "parent", { "obj", "p" } }, { "add", "q" }, { "append", "q", "children", "c" }))
P("at fault: stored child put under a deleted parent", "family", cat(pc, { "add", "p", "c" }, { "commit" }, { "append", "p", "children", "c" }, { "delete", "p" }, { "flush" }))
P("at fault: stored node below its new child", "tree", { { "new", "a", "Node", {} }, { "new", "b", "Node", {} }, { "add", "a" }, { "flush" }, { "append", "a", "children", "b" }, { "flush" }, { "set", "a", "parent", { "obj", "b" } }, { "flush" } })
P("at fault: new node taken from a list and referred to", "tree_owned", { { "new", "a", "Node", {} }, { "new", "b", "Node", {} }, { "set", "b", "parent", { "obj", "a" } }, { "set", "a", "parent", { "obj", "b" } },
  { "set", "b", "children", { "objs" } }, { "add", "b" }, { "flush" } })
P("at fault: new child of a deleted owner", "owned", cat({ pc[1] }, { "add", "p" }, { "flush" }, { pc[2] }, { "append", "p", "children", "c" }, { "delete", "p" }))
P("at fault: order of new nodes, one set to have no parent", "tree", { { "new", "a", "Node", {} }, { "new", "b", "Node", {} }, { "set", "a", "parent", { "null" } }, { "add", "a", "b" }, { "flush" }, { "attr", "a", "id" } })
P("at fault: order of new nodes, one expunged", "tree", { { "new", "x", "Node", {} }, { "new", "y", "Node", {} }, { "new", "a", "Node", {} }, { "new", "b", "Node", {} }, { "add", "x", "y", "a" }, { "expunge", "x" }, { "expunge", "y" }, { "add", "b" }, { "flush" }, { "attr", "a", "id" } })
P("at fault: deleted child of a new parent", "family", cat(pc, { "add", "c" }, { "flush" }, { "set", "c", "parent", { "obj", "p" } }, { "delete", "c" }, { "flush" }))
P("reference to nothing does not flush", "family", { pc[2], { "add", "c" }, { "commit" }, { "delete", "c" }, { "attr", "c", "parent" }, { "held", "c" } })
P("reference to a deleted object does not flush", "reference", cat(pc, { "set", "c", "parent", { "obj", "p" } }, { "add", "c" }, { "commit" }, { "attr", "p", "name" }, { "delete", "c" }, { "delete", "p" }, { "attr", "c", "parent" }, { "held", "c" }))
P("order of the list", "ordered", { { "new", "p", "Parent", {} }, { "new", "a", "Child", { name = "z" } }, { "new", "b", "Child", { name = "a" } }, { "append", "p", "children", "a", "b" },
  { "add", "p" }, { "flush" }, { "attr", "p", "children" }, { "commit" }, { "attr", "p", "children" } })
P("no save-update", "unsaved", cat(pc, { "append", "p", "children", "c" }, { "add", "p" }, { "held", "c" }, { "flush" }, { "commit" }))
P("joined loading", "joined", cat(three, { "expunge_all" }, { "get", "x", "Parent", 1 }, { "attr", "x", "children" }, { "query", "Parent" }))
P("selectin loading", "selectin", cat(three, { "expunge_all" }, { "query", "Parent" }, { "get", "x", "Parent", 1 }, { "attr", "x", "children" }, { "get", "y", "Child", 2 }, { "attr", "y", "parent" }))
P("one way append", "one_way", cat(pc, { "append", "p", "children", "c" }, { "add", "p" }, { "commit" }, { "attr", "c", "parent_id" }, { "remove", "p", "children", "c" }, { "commit" }, { "attr", "c", "parent_id" }))
P("one way delete", "one_way", cat(tied, { "delete", "p" }, { "commit" }, { "attr", "c", "parent_id" }))
P("reference alone", "reference", cat(pc, { "set", "c", "parent", { "obj", "p" } }, { "add", "c" }, { "commit" }, { "attr", "c", "parent_id" }, { "set", "c", "parent", { "null" } }, { "commit" }, { "attr", "c", "parent_id" }))
P("reference alone, parent deleted", "reference", cat(pc, { "set", "c", "parent", { "obj", "p" } }, { "add", "c" }, { "commit" }, { "delete", "p" }, { "flush" }, { "rollback" }))

-- One to one
for _, schema in ipairs { "couple", "couple_owned" } do
  local people = { { "new", "p", "Person", { name = "p" } }, { "new", "q", "Person", { name = "q" } }, { "new", "c", "Card", { name = "c" } }, { "new", "d", "Card", { name = "d" } } }
  local bound = cat(people, { "set", "p", "card", { "obj", "c" } }, { "add", "p", "q" }, { "commit" })
  local function Q(name, ...) P("one to one: " .. name .. " (" .. schema .. ")", schema, cat(...)) end
  Q("set", bound, { "attr", "c", "person" }, { "attr", "p", "card" }, { "attr", "q", "card" })
  Q("set from the other side", people, { "set", "c", "person", { "obj", "p" } }, { "attr", "p", "card" }, { "add", "p" }, { "commit" }, { "attr", "p", "card" })
  Q("replace", bound, { "set", "p", "card", { "obj", "d" } }, { "attr", "c", "person" }, { "flush" }, { "commit" }, { "attr", "p", "card" })
  Q("replace from the other side", bound, { "attr", "p", "card" }, { "set", "d", "person", { "obj", "p" } }, { "attr", "p", "card" }, { "attr", "c", "person" }, { "flush" }, { "commit" })
  Q("to null", bound, { "set", "p", "card", { "null" } }, { "flush" }, { "commit" }, { "attr", "p", "card" })
  Q("move", bound, { "set", "q", "card", { "obj", "c" } }, { "attr", "p", "card" }, { "flush" }, { "commit" }, { "attr", "p", "card" })
  Q("delete owner", bound, { "delete", "p" }, { "commit" }, { "count", "Card" })
  Q("delete card", bound, { "attr", "p", "card" }, { "delete", "c" }, { "commit" }, { "attr", "p", "card" })
end

-- Many to many
for _, schema in ipairs { "group", "group_deleting" } do
  local all = { { "new", "u", "User", { name = "u" } }, { "new", "v", "User", { name = "v" } }, { "new", "g", "Group", { name = "g" } }, { "new", "h", "Group", { name = "h" } } }
  local bound = cat(all, { "append", "g", "users", "u", "v" }, { "append", "h", "users", "u" }, { "add", "g", "h" }, { "commit" })
  local function Q(name, ...) P("many to many: " .. name .. " (" .. schema .. ")", schema, cat(...)) end
  Q("append", all, { "append", "g", "users", "u" }, { "attr", "u", "groups" }, { "add", "g" }, { "flush" }, { "commit" }, { "sorted", "g", "users" })
  Q("append from the other side", all, { "append", "u", "groups", "g", "h" }, { "attr", "g", "users" }, { "add", "u" }, { "commit" }, { "sorted", "u", "groups" })
  Q("loaded lists", bound, { "sorted", "g", "users" }, { "sorted", "u", "groups" }, { "sorted", "v", "groups" }, { "sorted", "h", "users" })
  Q("remove", bound, { "remove", "g", "users", "u" }, { "sorted", "u", "groups" }, { "flush" }, { "commit" }, { "sorted", "g", "users" })
  Q("remove from the other side", bound, { "remove", "u", "groups", "g" }, { "flush" }, { "commit" }, { "sorted", "g", "users" }, { "sorted", "u", "groups" })
  Q("remove and append", bound, { "remove", "g", "users", "u" }, { "append", "g", "users", "u" }, { "flush" }, { "commit" }, { "sorted", "g", "users" })
  Q("replace", bound, { "set", "g", "users", { "objs", "v" } }, { "flush" }, { "commit" }, { "sorted", "u", "groups" })
  Q("clear", bound, { "clear", "g", "users" }, { "flush" }, { "commit" }, { "sorted", "u", "groups" })
  Q("delete one side", bound, { "delete", "g" }, { "flush" }, { "commit" }, { "count", "User" })
  Q("delete the other side", bound, { "delete", "u" }, { "flush" }, { "commit" }, { "sorted", "g", "users" })
  Q("delete the other side with loaded lists", bound, { "sorted", "g", "users" }, { "delete", "u" }, { "flush" }, { "sorted", "g", "users" }, { "commit" }, { "sorted", "g", "users" })
  Q("delete both sides", bound, { "delete", "u" }, { "flush" }, { "delete", "g" }, { "delete", "h" }, { "delete", "v" }, { "commit" })
  Q("remove and delete", bound, { "remove", "g", "users", "u" }, { "delete", "u" }, { "commit" })
  Q("append to an unloaded list", bound, { "new", "w", "User", {} }, { "append", "w", "groups", "g" }, { "flush" }, { "commit" }, { "sorted", "g", "users" })
  Q("pair already stored", bound, { "sql", "DELETE FROM member WHERE user_id = 1 AND group_id = 2" }, { "remove", "h", "users", "u" }, { "flush" }, { "rollback" })
  Q("append and delete", bound, { "append", "h", "users", "v" }, { "delete", "h" }, { "flush" }, { "commit" }, { "sorted", "v", "groups" })
  Q("append and delete the other", bound, { "append", "h", "users", "v" }, { "delete", "v" }, { "flush" })
  Q("append from the other side and delete", bound, { "append", "v", "groups", "h" }, { "delete", "v" }, { "flush" }, { "commit" }, { "sorted", "h", "users" })
  Q("append from the other side and delete the other", bound, { "append", "v", "groups", "h" }, { "delete", "h" }, { "flush" })
  Q("rollback", bound, { "append", "h", "users", "v" }, { "remove", "h", "users", "u" }, { "flush" }, { "rollback" }, { "sorted", "h", "users" })
end

-- Self-reference
for _, schema in ipairs { "tree", "tree_owned" } do
  local nodes = { { "new", "a", "Node", { name = "a" } }, { "new", "b", "Node", { name = "b" } }, { "new", "c", "Node", { name = "c" } }, { "new", "d", "Node", { name = "d" } } }
  local bound = cat(nodes, { "append", "a", "children", "b", "c" }, { "append", "b", "children", "d" }, { "add", "a" }, { "commit" })
  local function Q(name, ...) P("tree: " .. name .. " (" .. schema .. ")", schema, cat(...)) end
  Q("build", bound, { "attr", "d", "parent" }, { "sorted", "a", "children" }, { "attr", "a", "parent" })
  Q("build backwards", nodes, { "set", "d", "parent", { "obj", "c" } }, { "set", "c", "parent", { "obj", "b" } }, { "set", "b", "parent", { "obj", "a" } }, { "add", "d" }, { "commit" }, { "attr", "d", "parent_id" })
  Q("move a branch", bound, { "set", "b", "parent", { "obj", "c" } }, { "flush" }, { "commit" }, { "sorted", "a", "children" }, { "sorted", "c", "children" })
  Q("detach a branch", bound, { "remove", "a", "children", "b" }, { "flush" }, { "commit" })
  Q("delete the root", bound, { "delete", "a" }, { "flush" }, { "commit" }, { "count", "Node" })
  Q("delete a leaf", bound, { "delete", "d" }, { "commit" }, { "attr", "b", "children" })
  Q("delete root and branch", bound, { "delete", "a" }, { "delete", "b" }, { "commit" }, { "count", "Node" })
  Q("insert above", bound, { "new", "r", "Node", { name = "r" } }, { "append", "r", "children", "a" }, { "add", "r" }, { "flush" }, { "commit" }, { "attr", "a", "parent_id" })
  Q("new child of a new child", bound, { "new", "x", "Node", {} }, { "new", "y", "Node", {} }, { "append", "d", "children", "x" }, { "append", "x", "children", "y" }, { "commit" }, { "attr", "y", "parent" })
end
P("tree: cycle of two new nodes", "tree", { { "new", "a", "Node", {} }, { "new", "b", "Node", {} }, { "set", "a", "parent", { "obj", "b" } }, { "set", "b", "parent", { "obj", "a" } }, { "add", "a" }, { "flush" }, { "rollback" } })
P("tree: cycle of stored nodes", "tree", { { "new", "a", "Node", {} }, { "new", "b", "Node", {} }, { "add", "a", "b" }, { "commit" }, { "set", "a", "parent", { "obj", "b" } }, { "set", "b", "parent", { "obj", "a" } }, { "commit" },
  { "attr", "a", "parent_id" }, { "attr", "b", "parent_id" } })

P("graph: links", "graph", { { "new", "a", "Node", {} }, { "new", "b", "Node", {} }, { "append", "a", "nexts", "b" }, { "add", "a" }, { "commit" }, { "attr", "b", "priors" }, { "append", "b", "nexts", "a" }, { "commit" },
  { "attr", "a", "priors" }, { "remove", "a", "nexts", "b" }, { "commit" }, { "attr", "b", "priors" }, { "attr", "b", "nexts" } })
P("graph: link to itself", "graph", { { "new", "a", "Node", {} }, { "append", "a", "nexts", "a" }, { "add", "a" }, { "commit" }, { "attr", "a", "nexts", "priors" }, { "delete", "a" }, { "commit" } })
P("graph: delete", "graph", { { "new", "a", "Node", {} }, { "new", "b", "Node", {} }, { "append", "a", "nexts", "b" }, { "append", "b", "nexts", "a" }, { "add", "a" }, { "commit" }, { "delete", "a" }, { "commit" }, { "attr", "b", "nexts" } })

-- Three levels
local shop = { { "new", "s", "Shop", { name = "s" } }, { "new", "o", "Order", { name = "o" } }, { "new", "i", "Item", { name = "i" } }, { "new", "j", "Item", { name = "j" } },
  { "append", "s", "orders", "o" }, { "append", "o", "items", "i", "j" }, { "add", "s" }, { "commit" } }
P("levels: save", "levels", cat(shop, { "attr", "i", "order" }, { "attr", "o", "shop" }))
P("levels: delete the top", "levels", cat(shop, { "delete", "s" }, { "flush" }, { "commit" }, { "count", "Item" }))
P("levels: orphan the middle", "levels", cat(shop, { "remove", "s", "orders", "o" }, { "flush" }, { "commit" }, { "count", "Item" }))
P("levels: orphan a leaf", "levels", cat(shop, { "remove", "o", "items", "i" }, { "commit" }, { "count", "Item" }))
P("levels: move a leaf", "levels", cat(shop, { { "new", "n", "Order", { name = "n" } }, { "append", "s", "orders", "n" }, { "append", "n", "items", "i" }, { "commit" }, { "sorted", "o", "items" }, { "sorted", "n", "items" } }))
P("levels: replace the middle", "levels", cat(shop, { { "new", "n", "Order", { name = "n" } }, { "set", "s", "orders", { "objs", "n" } }, { "commit" }, { "count", "Item" }, { "count", "Order" } }))
P("levels: pending orphan", "levels", { { "new", "s", "Shop", {} }, { "new", "o", "Order", {} }, { "append", "s", "orders", "o" }, { "add", "s" }, { "remove", "s", "orders", "o" }, { "held", "o" }, { "commit" }, { "count", "Order" } })

-- Two relationships to one table, and a cycle
local trip = { { "new", "a", "Place", { name = "a" } }, { "new", "b", "Place", { name = "b" } }, { "new", "t", "Trip", { start = { "obj", "a" }, goal = { "obj", "b" } } }, { "add", "t" }, { "commit" } }
P("two keys: save", "two", cat(trip, { "attr", "t", "from_id", "to_id" }, { "attr", "a", "leaving" }, { "attr", "a", "arriving" }, { "attr", "b", "arriving" }))
P("two keys: swap", "two", cat(trip, { "set", "t", "start", { "obj", "b" } }, { "set", "t", "goal", { "obj", "a" } }, { "commit" }, { "attr", "a", "leaving" }, { "attr", "a", "arriving" }))
P("two keys: delete a place", "two", cat(trip, { "delete", "a" }, { "commit" }, { "attr", "t", "start", "goal" }))
local team = { { "new", "t", "Team", { name = "t" } }, { "new", "p", "Player", { name = "p" } }, { "new", "q", "Player", { name = "q" } }, { "append", "t", "players", "p", "q" }, { "set", "t", "captain", { "obj", "p" } }, { "add", "t" } }
P("cycle: save", "cycle", cat(team, { "flush" }, { "commit" }, { "attr", "t", "captain_id" }, { "sorted", "t", "players" }))
P("cycle: change the captain", "cycle", cat(team, { "commit" }, { "set", "t", "captain", { "obj", "q" } }, { "flush" }, { "commit" }, { "attr", "t", "captain" }))
P("cycle: delete all", "cycle", cat(team, { "commit" }, { "delete", "t" }, { "delete", "p" }, { "delete", "q" }, { "commit" }))


-- What stays in memory after a commit is what the database has
local K = function(name, schema, ops)
  programs.list[#programs.list + 1] = { name = "relations: kept: " .. name, schema = schema, ops = require("spec.differential.programs").touched(ops, true) }
end
K("foreign key set directly", "family", cat(two, { "attr", "c", "parent" }, { "set", "c", "parent_id", 2 }, { "commit" }, { "attr", "c", "parent" }, { "attr", "p", "children" }, { "attr", "q", "children" }))
K("new child by its key", "family", cat(tied, { "attr", "p", "children" }, { "new", "d", "Child", { parent_id = 1 } }, { "add", "d" }, { "commit" }, { "sorted", "p", "children" }, { "attr", "d", "parent" }))
K("deleted child", "family", cat(three, { "attr", "p", "children" }, { "delete", "b" }, { "commit" }, { "sorted", "p", "children" }))
K("deleted parent", "family", cat(tied, { "attr", "c", "parent" }, { "delete", "p" }, { "commit" }, { "attr", "c", "parent", "parent_id" }))
K("changed by a statement", "family", cat(two, { "attr", "p", "children" }, { "attr", "c", "parent" }, { "sql", "UPDATE child SET parent_id = 2" }, { "commit" }, { "attr", "p", "children" }, { "attr", "q", "children" }, { "attr", "c", "parent" }))
K("deleted by a statement", "family", cat(three, { "attr", "p", "children" }, { "sql", "DELETE FROM child WHERE name = 'b'" }, { "forget", "b" }, { "commit" }, { "sorted", "p", "children" }))
K("bulk update", "family", cat(two, { "attr", "p", "children" }, { "update", "Child", { id = 1 }, { parent_id = 2 } }, { "commit" }, { "attr", "p", "children" }, { "attr", "q", "children" }))
K("order of the list", "ordered", { { "new", "p", "Parent", {} }, { "new", "a", "Child", { name = "z" } }, { "new", "b", "Child", { name = "a" } }, { "append", "p", "children", "a", "b" }, { "add", "p" }, { "commit" },
  { "attr", "p", "children" }, { "set", "b", "name", "zz" }, { "commit" }, { "attr", "p", "children" } })
K("set null by the database", "setnull", cat(tied, { "attr", "c", "parent" }, { "delete", "p" }, { "commit" }, { "attr", "c", "parent", "parent_id" }))
K("deleted by the database", "passive_owned", cat(tied, { "expire", "p" }, { "delete", "p" }, { "commit" }, { "count", "Child" }))
K("card of a person", "couple", { { "new", "p", "Person", {} }, { "new", "c", "Card", { person = { "obj", "p" } } }, { "add", "c" }, { "commit" }, { "attr", "p", "card" }, { "delete", "c" }, { "commit" }, { "attr", "p", "card" } })
K("two keys", "two", cat(trip, { "attr", "t", "start", "goal" }, { "delete", "a" }, { "commit" }, { "attr", "t", "start", "goal" }))
K("many to many", "group", { { "new", "u", "User", {} }, { "new", "v", "User", {} }, { "new", "g", "Group", {} }, { "append", "g", "users", "u", "v" }, { "add", "g" }, { "commit" }, { "sorted", "g", "users" }, { "attr", "u", "groups" },
  { "delete", "u" }, { "commit" }, { "sorted", "g", "users" }, { "sql", "DELETE FROM member" }, { "commit" }, { "sorted", "g", "users" }, { "attr", "v", "groups" } })
K("after a rollback", "family", cat(two, { "attr", "p", "children" }, { "set", "c", "parent", { "obj", "q" } }, { "rollback" }, { "attr", "p", "children" }, { "attr", "q", "children" }, { "attr", "c", "parent", "parent_id" }))

return programs.list
