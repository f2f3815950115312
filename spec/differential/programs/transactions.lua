-- SPDX-License-Identifier: MIT
-- Commit, rollback and savepoints, and what they do to objects and collections.
-- luacheck: no max line length

local programs = require("spec.differential.programs").new("transactions", true)
local P = function(...) programs:add(...) end

local base = { { "new", "p", "Parent", { name = "a" } }, { "add", "p" }, { "commit" } }
local function after(...)
  local ops = { table.unpack(base) }
  for _, op in ipairs { ... } do ops[#ops + 1] = op end
  return ops
end

P("savepoint commit", "family", after({ "nested" }, { "set", "p", "name", "b" }, { "nested_commit" }, { "commit" }, { "attr", "p", "name" }))
P("savepoint rollback", "family", after({ "nested" }, { "set", "p", "name", "b" }, { "flush" }, { "nested_rollback" }, { "attr", "p", "name" }, { "commit" }))
P("savepoint rollback of an unflushed change", "family", after({ "attr", "p", "name" }, { "nested" }, { "set", "p", "name", "b" }, { "nested_rollback" }, { "attr", "p", "name" }, { "commit" }))
P("savepoint flushes first", "family", after({ "set", "p", "name", "b" }, { "nested" }, { "nested_rollback" }, { "attr", "p", "name" }, { "commit" }))
P("savepoint rollback of a new object", "family", after({ "nested" }, { "new", "q", "Parent", { name = "q" } }, { "add", "q" }, { "flush" }, { "nested_rollback" }, { "attr", "q", "id", "name" }, { "held", "q" }, { "commit" }))
P("savepoint rollback of a pending object", "family", after({ "nested" }, { "new", "q", "Parent", { name = "q" } }, { "add", "q" }, { "nested_rollback" }, { "held", "q" }, { "commit" }))
P("object pending before the savepoint", "family", after({ "new", "q", "Parent", { name = "q" } }, { "add", "q" }, { "nested" }, { "set", "q", "name", "r" }, { "flush" }, { "nested_rollback" }, { "attr", "q", "name" }, { "commit" }))
P("savepoint rollback of a delete", "family", after({ "nested" }, { "delete", "p" }, { "flush" }, { "nested_rollback" }, { "held", "p" }, { "attr", "p", "name" }, { "commit" }))
P("savepoint rollback expires only what changed", "family", after({ "new", "q", "Parent", { name = "q" } }, { "add", "q" }, { "commit" }, { "attr", "p", "name" }, { "attr", "q", "name" },
  { "nested" }, { "set", "p", "name", "b" }, { "flush" }, { "nested_rollback" }, { "attr", "q", "name" }, { "attr", "p", "name" }))
P("released savepoint then outer rollback", "family", after({ "nested" }, { "new", "q", "Parent", { name = "q" } }, { "add", "q" }, { "nested_commit" }, { "rollback" }, { "count", "Parent" }))
P("savepoint in a savepoint", "family", after({ "nested" }, { "set", "p", "name", "b" }, { "nested" }, { "set", "p", "name", "c" }, { "flush" }, { "nested_rollback" }, { "attr", "p", "name" }, { "nested_commit" },
  { "commit" }, { "attr", "p", "name" }))
P("inner commit, outer savepoint rollback", "family", after({ "nested" }, { "nested" }, { "set", "p", "name", "c" }, { "nested_commit" }, { "nested_rollback" }, { "attr", "p", "name" }, { "commit" }))
P("three levels", "family", after({ "nested" }, { "set", "p", "name", "1" }, { "nested" }, { "set", "p", "name", "2" }, { "nested" }, { "set", "p", "name", "3" }, { "nested_rollback" }, { "attr", "p", "name" },
  { "nested_rollback" }, { "attr", "p", "name" }, { "nested_rollback" }, { "attr", "p", "name" }))
P("commit ends savepoints", "family", after({ "nested" }, { "set", "p", "name", "b" }, { "commit" }, { "attr", "p", "name" }))
P("rollback ends savepoints", "family", after({ "nested" }, { "set", "p", "name", "b" }, { "flush" }, { "rollback" }, { "attr", "p", "name" }))
P("savepoint and a failure", "facts", { { "new", "f", "Fact", { code = "a" } }, { "add", "f" }, { "commit" }, { "nested" }, { "new", "g", "Fact", { code = "a" } }, { "add", "g" }, { "flush" }, { "query", "Fact" },
  { "nested_rollback" }, { "query", "Fact" }, { "new", "h", "Fact", { code = "b" } }, { "add", "h" }, { "commit" } })
P("begin twice", "family", { { "begin" }, { "begin" }, { "rollback" } })
P("begin after a query", "family", { { "count", "Parent" }, { "begin" }, { "rollback" } })
P("collection after rollback", "family", after({ "attr", "p", "children" }, { "new", "c", "Child", { name = "c" } }, { "append", "p", "children", "c" }, { "flush" }, { "rollback" }, { "attr", "p", "children" }, { "held", "c" }, { "attr", "c", "parent_id" }))
P("collection after savepoint rollback", "family", after({ "attr", "p", "children" }, { "nested" }, { "new", "c", "Child", { name = "c" } }, { "append", "p", "children", "c" }, { "flush" }, { "nested_rollback" }, { "attr", "p", "children" }, { "commit" }))
P("removal after savepoint rollback", "owned", { { "new", "p", "Parent", {} }, { "new", "c", "Child", {} }, { "append", "p", "children", "c" }, { "add", "p" }, { "commit" }, { "nested" },
  { "remove", "p", "children", "c" }, { "flush" }, { "nested_rollback" }, { "attr", "p", "children" }, { "attr", "c", "parent" }, { "commit" } })
P("reference after rollback", "family", after({ "new", "q", "Parent", { name = "q" } }, { "new", "c", "Child", { parent = { "obj", "p" } } }, { "add", "q", "c" }, { "commit" }, { "set", "c", "parent", { "obj", "q" } }, { "flush" },
  { "attr", "c", "parent_id" }, { "rollback" }, { "attr", "c", "parent", "parent_id" }, { "attr", "p", "children" }, { "attr", "q", "children" }))
P("many to many after rollback", "group", { { "new", "u", "User", {} }, { "new", "g", "Group", {} }, { "add", "u", "g" }, { "commit" }, { "append", "g", "users", "u" }, { "flush" }, { "rollback" }, { "attr", "g", "users" }, { "attr", "u", "groups" } })
P("add after rollback", "family", { { "new", "p", "Parent", { name = "a" } }, { "new", "c", "Child", { parent = { "obj", "p" } } }, { "add", "p" }, { "flush" }, { "rollback" }, { "add", "p" }, { "commit" }, { "attr", "p", "id" }, { "attr", "c", "parent_id" } })
P("rollback twice", "family", { { "rollback" }, { "rollback" }, { "new", "p", "Parent", {} }, { "add", "p" }, { "commit" } })
P("deleted then rolled back then changed", "family", after({ "delete", "p" }, { "flush" }, { "rollback" }, { "set", "p", "name", "z" }, { "commit" }, { "attr", "p", "name" }))
P("key change rolled back", "family", after({ "set", "p", "id", 9 }, { "flush" }, { "rollback" }, { "attr", "p", "id" }, { "get", "q", "Parent", 1 }, { "same", "p", "q" }))
P("savepoint of nothing", "family", { { "nested" }, { "nested_commit" }, { "nested" }, { "nested_rollback" }, { "commit" } })
P("delete in a released savepoint", "family", after({ "nested" }, { "delete", "p" }, { "nested_commit" }, { "rollback" }, { "held", "p" }, { "attr", "p", "name" }))

-- New and deleted in a savepoint
P("savepoint: new then deleted", "family", { { "nested" }, { "new", "p", "Parent", { name = "a" } }, { "add", "p" }, { "flush" }, { "delete", "p" }, { "flush" }, { "nested_rollback" }, { "held", "p" }, { "attr", "p", "name" }, { "commit" } })
P("savepoint: new before, deleted inside", "family", { { "new", "p", "Parent", { name = "a" } }, { "add", "p" }, { "nested" }, { "delete", "p" }, { "flush" }, { "nested_rollback" }, { "held", "p" }, { "attr", "p", "name" }, { "rollback" }, { "held", "p" } })

return programs.list
