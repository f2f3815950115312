-- SPDX-License-Identifier: MIT
-- The states of an object, expiry, refresh, expunge, merge, identity, get.
-- luacheck: no max line length

local programs = require("spec.differential.programs").new("states")
local P = function(...) programs:add(...) end

local made = { "new", "p", "Parent", { name = "a" } }
local saved = { made, { "add", "p" }, { "commit" } }
local function after(first, ...)
  local ops = {}
  for _, op in ipairs(first) do ops[#ops + 1] = op end
  for _, op in ipairs { ... } do ops[#ops + 1] = op end
  return ops
end

P("new is transient", "family", { made, { "held", "p" }, { "attr", "p", "id", "name" } })
P("add makes pending", "family", { made, { "add", "p" }, { "held", "p" }, { "attr", "p", "id" }, { "sets" } })
P("flush makes persistent", "family", { made, { "add", "p" }, { "flush" }, { "attr", "p", "id" }, { "identity", "p" } })
P("commit expires", "family", after(saved, { "attr", "p", "name" }, { "attr", "p", "name" }))
P("delete marks", "family", after(saved, { "delete", "p" }, { "sets" }, { "held", "p" }, { "flush" }, { "held", "p" }, { "commit" }))
P("deleted object stays readable", "family", after(saved, { "attr", "p", "name" }, { "delete", "p" }, { "commit" }, { "attr", "p", "name" }))
P("rollback of a new object", "family", { made, { "add", "p" }, { "flush" }, { "rollback" }, { "attr", "p", "id", "name" }, { "add", "p" }, { "commit" } })
P("rollback of a pending object", "family", { made, { "add", "p" }, { "rollback" }, { "attr", "p", "id", "name" } })
P("rollback of a change", "family", after(saved, { "set", "p", "name", "b" }, { "flush" }, { "rollback" }, { "attr", "p", "name" }))
P("rollback of an unflushed change", "family", after(saved, { "set", "p", "name", "b" }, { "rollback" }, { "attr", "p", "name" }))
P("rollback of a delete", "family", after(saved, { "delete", "p" }, { "flush" }, { "rollback" }, { "attr", "p", "name" }, { "held", "p" }))
P("rollback of an unflushed delete", "family", after(saved, { "delete", "p" }, { "rollback" }, { "held", "p" }, { "commit" }))
P("rollback of new then deleted", "family", { made, { "add", "p" }, { "flush" }, { "delete", "p" }, { "flush" }, { "rollback" }, { "attr", "p", "name" } })
P("delete of a transient object", "family", { made, { "delete", "p" } })
P("delete of a pending object", "family", { made, { "add", "p" }, { "delete", "p" } })
P("delete twice", "family", after(saved, { "delete", "p" }, { "delete", "p" }, { "flush" }, { "delete", "p" }))
P("add after delete", "family", after(saved, { "delete", "p" }, { "add", "p" }, { "commit" }))
P("add after flushed delete", "family", after(saved, { "delete", "p" }, { "flush" }, { "add", "p" }))
P("add a detached deleted object", "family", after(saved, { "delete", "p" }, { "commit" }, { "add", "p" }))
P("add twice", "family", { made, { "add", "p", "p" }, { "commit" } })
P("add all", "family", { made, { "new", "q", "Parent", { name = "b" } }, { "add_all", "p", "q" }, { "commit" }, { "attr", "p", "id" }, { "attr", "q", "id" } })
P("set to the same value", "family", after(saved, { "attr", "p", "name" }, { "set", "p", "name", "a" }, { "sets" }, { "modified", "p" }, { "flush" }))
P("set and back", "family", after(saved, { "attr", "p", "name" }, { "set", "p", "name", "b" }, { "set", "p", "name", "a" }, { "flush" }))
P("set an expired attribute", "family", after(saved, { "set", "p", "name", "b" }, { "sets" }, { "flush" }, { "attr", "p", "name" }))
P("set to null", "family", after(saved, { "set", "p", "name", { "null" } }, { "commit" }, { "attr", "p", "name" }))
P("modified", "family", after(saved, { "attr", "p", "name" }, { "modified", "p" }, { "set", "p", "name", "z" }, { "modified", "p" }))

P("expire", "family", after(saved, { "attr", "p", "name" }, { "sql", "UPDATE parent SET name = 'other'" }, { "attr", "p", "name" }, { "expire", "p" }, { "attr", "p", "name" }))
P("expire one attribute", "family", after(saved, { "attr", "p", "name" }, { "sql", "UPDATE parent SET name = 'other'" }, { "expire", "p", "name" }, { "attr", "p", "id", "name" }))
P("expire discards changes", "family", after(saved, { "set", "p", "name", "b" }, { "expire", "p" }, { "attr", "p", "name" }, { "commit" }))
P("expire a transient object", "family", { made, { "expire", "p" } })
P("expire all", "family", after(saved, { "attr", "p", "name" }, { "sql", "UPDATE parent SET name = 'other'" }, { "expire_all" }, { "attr", "p", "name" }))
P("expire a collection", "family", after(saved, { "new", "c", "Child", { name = "c" } }, { "append", "p", "children", "c" }, { "commit" }, { "attr", "p", "children" },
  { "sql", "UPDATE child SET parent_id = NULL" }, { "attr", "p", "children" }, { "expire", "p", "children" }, { "attr", "p", "children" }))
P("refresh", "family", after(saved, { "attr", "p", "name" }, { "sql", "UPDATE parent SET name = 'other'" }, { "refresh", "p" }, { "attr", "p", "name" }))
P("refresh discards changes", "family", after(saved, { "set", "p", "name", "b" }, { "quietly", { { "refresh", "p" }, { "attr", "p", "name" } } }))
P("refresh a transient object", "family", { made, { "refresh", "p" } })
P("refresh a vanished row", "family", after(saved, { "sql", "DELETE FROM parent" }, { "refresh", "p" }))
P("expired and vanished", "family", after(saved, { "sql", "DELETE FROM parent" }, { "expire", "p" }, { "attr", "p", "name" }))
P("get of a vanished row", "family", after(saved, { "attr", "p", "name" }, { "sql", "DELETE FROM parent" }, { "get", "q", "Parent", 1 }, { "expire", "p" }, { "get", "q", "Parent", 1 }))

-- Expiry goes along what is owned.
local child = { "new", "c", "Child", { name = "c", parent = { "obj", "p" } } }
local changed = { "sql", "UPDATE child SET name = 'other'" }
for _, schema in ipairs { "family", "owned", "deleting", "passive_owned" } do
  local read = { { "attr", "p", "children" }, { "attr", "c", "name" }, changed }
  local known = after({ made, child, { "add", "p" }, { "commit" } }, table.unpack(read))
  for _, word in ipairs { "expire", "refresh" } do
    P(word .. " and what is owned (" .. schema .. ")", schema, after(known, { word, "p" }, { "attr", "c", "name" }, { "attr", "p", "children" }))
    P(word .. " of what is owned (" .. schema .. ")", schema, after(known, { "sql", "UPDATE parent SET name = 'b'" }, { word, "c" }, { "attr", "p", "name" }, { "attr", "c", "name" }))
    P(word .. " and changes of what is owned (" .. schema .. ")", schema, after(known, { "set", "c", "name", "mine" }, { "quietly", { { word, "p" }, { "attr", "c", "name" } } }, { "commit" }))
    P(word .. " and a new child (" .. schema .. ")", schema,
      after(known, { "new", "d", "Child", {} }, { "append", "p", "children", "d" }, { "quietly", { { word, "p" }, { "held", "d" }, { "held", "c" } } }, { "commit" }, { "count", "Child" }))
  end
  for _, word in ipairs { "expire", "refresh" } do
    P(word .. " and a new child of a list that was not read (" .. schema .. ")", schema,
      { made, { "add", "p" }, { "flush" }, child, { "quietly", { { word, "p" }, { "held", "c" } } }, { "commit" }, { "count", "Child" }, { "attr", "p", "children" } })
  end
  P("expire one attribute and what is owned (" .. schema .. ")", schema, after(known, { "expire", "p", "name" }, { "attr", "c", "name" }))
  P("expire what was taken away (" .. schema .. ")", schema, after(known, { "remove", "p", "children", "c" }, { "quietly", { { "expire", "c" } } }, { "flush" }, { "attr", "p", "children" }, { "commit" }, { "count", "Child" }))
  P("expire what was moved (" .. schema .. ")", schema, after(known, { "new", "q", "Parent", {} }, { "add", "q" }, { "flush" }, { "append", "q", "children", "c" }, { "quietly", { { "expire", "c" } } }, { "flush" }, { "attr", "p", "children" }, { "attr", "q", "children" }, { "commit" }, { "count", "Child" }))
  P("expire what was taken away and given back (" .. schema .. ")", schema, after(known, { "remove", "p", "children", "c" }, { "quietly", { { "expire", "c" }, { "append", "p", "children", "c" } } }, { "flush" }, { "commit" }, { "count", "Child" }))
  P("expire of what was taken away (" .. schema .. ")", schema, after(known, { "remove", "p", "children", "c" }, { "quietly", { { "expire", "p" }, { "attr", "c", "name" } } }, { "commit" }))
end
P("expire two levels of what is owned", "levels", { { "new", "s", "Shop", {} }, { "new", "o", "Order", { shop = { "obj", "s" } } }, { "new", "i", "Item", { name = "i", order = { "obj", "o" } } }, { "add", "s" }, { "commit" },
  { "attr", "s", "orders" }, { "attr", "o", "items" }, { "attr", "i", "name" }, { "sql", "UPDATE item SET name = 'other'" }, { "attr", "i", "name" }, { "expire", "s" }, { "attr", "i", "name" } })
P("expire of what is to be deleted", "family", after(saved, { "delete", "p" }, { "quietly", { { "expire", "p" }, { "sets" } } }, { "commit" }, { "count", "Parent" }))

P("expunge", "family", after(saved, { "attr", "p", "name" }, { "expunge", "p" }, { "attr", "p", "name" }, { "held", "p" }))
P("expunge pending", "family", { made, { "add", "p" }, { "expunge", "p" }, { "commit" } })
P("expunge twice", "family", after(saved, { "expunge", "p" }, { "expunge", "p" }))
P("expunge all", "family", after(saved, { "new", "q", "Parent", { name = "b" } }, { "add", "q" }, { "expunge_all" }, { "commit" }, { "count", "Parent" }))
P("close", "family", after(saved, { "new", "q", "Parent", { name = "b" } }, { "add", "q" }, { "flush" }, { "close" }, { "count", "Parent" }))
P("detached read of an expired attribute", "family", after(saved, { "expunge", "p" }, { "attr", "p", "name" }))
P("detached lazy load", "family", after(saved, { "attr", "p", "name" }, { "expunge", "p" }, { "attr", "p", "children" }))
P("detached loaded collection", "family", after(saved, { "attr", "p", "children" }, { "expunge", "p" }, { "attr", "p", "children" }))
P("add a detached object", "family", after(saved, { "attr", "p", "name" }, { "expunge", "p" }, { "set", "p", "name", "b" }, { "add", "p" }, { "commit" }, { "attr", "p", "name" }))
P("transient lazy load", "family", { made, { "attr", "p", "children" }, { "new", "c", "Child", {} }, { "attr", "c", "parent" } })

P("get from the identity map", "family", after(saved, { "attr", "p", "name" }, { "get", "q", "Parent", 1 }, { "same", "p", "q" }))
P("get loads", "family", after(saved, { "expunge", "p" }, { "get", "q", "Parent", 1 }, { "same", "p", "q" }, { "attr", "q", "name" }))
P("get of nothing", "family", { { "get", "q", "Parent", 1 } })
P("get flushes first", "family", { made, { "add", "p" }, { "get", "q", "Parent", 1 }, { "same", "p", "q" } })
P("get of a deleted object", "family", after(saved, { "delete", "p" }, { "get", "q", "Parent", 1 }))
P("query gives the same object", "family", after(saved, { "query", "Parent" }, { "get", "q", "Parent", 1 }, { "same", "p", "q" }))
P("query keeps pending changes", "family", after(saved, { "set", "p", "name", "b" }, { "quietly", { { "query", "Parent", { name = "a" } }, { "attr", "p", "name" } } }))
P("two new objects with one key", "family", { { "new", "p", "Parent", { id = 1 } }, { "new", "q", "Parent", { id = 1 } }, { "add", "p", "q" }, { "flush" }, { "rollback" } })
P("new object with the key of a loaded one", "family", after(saved, { "attr", "p", "name" }, { "new", "q", "Parent", { id = 1, name = "q" } }, { "add", "q" }, { "flush" },
  { "rollback" }, { "attr", "p", "name" }))
P("row switch", "family", after(saved, { "attr", "p", "name" }, { "delete", "p" }, { "new", "q", "Parent", { id = 1, name = "q" } }, { "add", "q" }, { "commit" }, { "attr", "q", "name" }))
P("detached twin", "family", after(saved, { "attr", "p", "name" }, { "expunge", "p" }, { "get", "q", "Parent", 1 }, { "add", "p" }))
P("key change", "family", after(saved, { "set", "p", "id", 9 }, { "commit" }, { "attr", "p", "id" }, { "identity", "p" }, { "get", "q", "Parent", 9 }, { "same", "p", "q" }))

P("merge of a transient object", "family", { made, { "merge", "q", "p" }, { "same", "p", "q" }, { "commit" }, { "attr", "q", "name" } })
P("merge by key", "family", after(saved, { "new", "q", "Parent", { id = 1, name = "q" } }, { "merge", "r", "q" }, { "same", "p", "r" }, { "attr", "p", "name" }, { "commit" }))
P("merge of a missing key", "family", { { "new", "q", "Parent", { id = 7, name = "q" } }, { "merge", "r", "q" }, { "commit" }, { "attr", "r", "id", "name" } })
P("merge of a persistent object", "family", after(saved, { "merge", "q", "p" }, { "same", "p", "q" }))
P("merge of a detached object", "family", after(saved, { "attr", "p", "name" }, { "expunge", "p" }, { "set", "p", "name", "d" }, { "merge", "q", "p" }, { "commit" }, { "attr", "q", "name" }))
P("merge leaves what was not set", "family", after(saved, { "new", "q", "Parent", { id = 1 } }, { "merge", "r", "q" }, { "attr", "r", "name" }))
P("merge cascades", "family", { made, { "new", "c", "Child", { name = "c" } }, { "append", "p", "children", "c" }, { "merge", "q", "p" }, { "commit" }, { "query", "Child" } })
P("merge of a collection by key", "family", after(saved, { "new", "c", "Child", { id = 5, name = "c" } }, { "append", "p", "children", "c" }, { "commit" },
  { "new", "q", "Parent", { id = 1, name = "q" } }, { "new", "d", "Child", { id = 6, name = "d" } }, { "append", "q", "children", "d" }, { "merge", "r", "q" }, { "commit" }, { "sorted", "p", "children" }))

P("history of a column", "family", after(saved, { "attr", "p", "name" }, { "history", "p", "name" }, { "set", "p", "name", "b" }, { "history", "p", "name" }, { "flush" }, { "history", "p", "name" }))
P("history of a new object", "family", { made, { "history", "p", "name" } })
P("history of a collection", "family", after(saved, { "new", "c", "Child", {} }, { "append", "p", "children", "c" }, { "history", "p", "children" }, { "commit" },
  { "attr", "p", "children" }, { "remove", "p", "children", "c" }, { "history", "p", "children" }))
P("history of a reference", "family", after(saved, { "new", "c", "Child", { parent = { "obj", "p" } } }, { "history", "c", "parent" }, { "commit" }, { "attr", "c", "parent" },
  { "set", "c", "parent", { "null" } }, { "history", "c", "parent" }))

return programs.list
