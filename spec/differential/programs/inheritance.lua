-- SPDX-License-Identifier: MIT
-- Classes that inherit: order of tables, columns written, identity, relationships.
-- luacheck: no max line length

local programs = require("spec.differential.programs").new("inheritance", true)
local P = function(...) programs:add(...) end

local senior = { "new", "s", "Senior", { name = "s", language = "c", team = "t" } }
local engineer = { "new", "e", "Engineer", { name = "e", language = "lua" } }
local manager = { "new", "m", "Manager", { name = "m", budget = 7 } }
local clerk = { "new", "k", "Clerk", { name = "k", desk = "d" } }
local person = { "new", "p", "Person", { name = "p" } }

P("insert one of each", "staff", { person, engineer, manager, clerk, senior, { "add", "p", "e", "m", "k", "s" }, { "commit" },
  { "attr", "s", "kind", "name", "language", "team" }, { "attr", "m", "kind", "budget" }, { "attr", "k", "desk" }, { "attr", "p", "kind" } })
P("query of the base", "staff", { person, engineer, manager, senior, { "add", "p", "e", "m", "s" }, { "commit" }, { "expunge_all" },
  { "query", "Person" }, { "query", "Engineer" }, { "query", "Senior" }, { "query", "Manager" }, { "query", "Clerk" } })
P("counts by class", "staff", { person, engineer, manager, clerk, senior, { "add", "p", "e", "m", "k", "s" }, { "commit" },
  { "count", "Person" }, { "count", "Engineer" }, { "count", "Senior" }, { "count", "Manager" }, { "count", "Clerk" } })
P("update of the parent's column", "staff", { senior, { "add", "s" }, { "commit" }, { "set", "s", "name", "x" }, { "flush" }, { "commit" } })
P("update of the middle column", "staff", { senior, { "add", "s" }, { "commit" }, { "set", "s", "language", "x" }, { "flush" }, { "commit" } })
P("update of its own column", "staff", { senior, { "add", "s" }, { "commit" }, { "set", "s", "team", "x" }, { "flush" }, { "commit" } })
P("update of all tables", "staff", { senior, { "add", "s" }, { "commit" }, { "set", "s", "team", "x" }, { "set", "s", "name", "y" }, { "set", "s", "language", "z" },
  { "flush" }, { "commit" } })
P("the same value", "staff", { senior, { "add", "s" }, { "commit" }, { "set", "s", "team", "t" }, { "flush" }, { "commit" } })
P("delete", "staff", { senior, engineer, manager, { "add", "s", "e", "m" }, { "commit" }, { "delete", "s" }, { "delete", "m" }, { "flush" }, { "commit" } })
P("delete one that a query of the base found", "staff", { senior, { "add", "s" }, { "commit" }, { "expunge_all" }, { "get", "x", "Person", 1 }, { "delete", "x" }, { "commit" } })
P("rollback of an insert", "staff", { senior, { "add", "s" }, { "flush" }, { "rollback" }, { "attr", "s", "id", "team" }, { "add", "s" }, { "commit" } })
P("rollback of a delete", "staff", { senior, { "add", "s" }, { "commit" }, { "delete", "s" }, { "flush" }, { "rollback" }, { "attr", "s", "team" } })
P("one object per key", "staff", { senior, { "add", "s" }, { "commit" }, { "get", "a", "Person", 1 }, { "get", "b", "Engineer", 1 }, { "get", "c", "Senior", 1 },
  { "same", "a", "b" }, { "same", "b", "c" }, { "same", "c", "s" } })
P("get by a class that it is not", "staff", { engineer, manager, { "add", "e", "m" }, { "commit" }, { "expunge_all" }, { "get", "a", "Senior", 1 }, { "get", "b", "Engineer", 2 },
  { "get", "c", "Engineer", 1 }, { "get", "d", "Person", 2 } })
P("people of a firm", "staff", { { "new", "f", "Firm", { name = "f" } }, engineer, manager, senior, { "append", "f", "people", "e", "m", "s" }, { "add", "f" }, { "commit" },
  { "expire_all" }, { "attr", "f", "people" }, { "remove", "f", "people", "m" }, { "commit" }, { "attr", "m", "firm" } })
P("a firm is deleted", "staff", { { "new", "f", "Firm", {} }, engineer, clerk, { "append", "f", "people", "e", "k" }, { "add", "f" }, { "commit" }, { "delete", "f" }, { "commit" },
  { "attr", "e", "firm_id" }, { "attr", "k", "firm_id" } })
P("tools of an engineer", "staff", { engineer, senior, { "new", "t", "Tool", { name = "t" } }, { "new", "u", "Tool", { name = "u" } }, { "append", "e", "tools", "t" },
  { "append", "s", "tools", "u" }, { "add", "e", "s" }, { "commit" }, { "set", "t", "engineer", { "obj", "s" } }, { "commit" }, { "attr", "t", "engineer_id" },
  { "delete", "s" }, { "commit" } })
P("a tool leaves", "staff", { senior, { "new", "t", "Tool", {} }, { "append", "s", "tools", "t" }, { "add", "s" }, { "commit" }, { "remove", "s", "tools", "t" }, { "commit" } })
P("explicit keys", "staff", { { "new", "s", "Senior", { id = 9, name = "s" } }, { "new", "e", "Engineer", {} }, { "add", "s", "e" }, { "commit" }, { "attr", "e", "id" } })
P("empty objects", "staff", { { "new", "s", "Senior", {} }, { "new", "k", "Clerk", {} }, { "add", "s", "k" }, { "commit" }, { "attr", "s", "id", "kind" }, { "attr", "k", "kind" } })
P("merge", "staff", { senior, { "add", "s" }, { "commit" }, { "expunge", "s" }, { "set", "s", "team", "x" }, { "merge", "q", "s" }, { "commit" }, { "attr", "q", "team", "name" } })
P("savepoint", "staff", { senior, { "add", "s" }, { "commit" }, { "nested" }, { "set", "s", "team", "x" }, { "set", "s", "name", "y" }, { "flush" }, { "nested_rollback" },
  { "attr", "s", "team", "name" }, { "commit" } })
P("many of several classes", "staff", (function()
  local ops, classes = {}, { "Person", "Engineer", "Manager", "Senior", "Clerk" }
  for i = 1, 20 do
    local name = ("o%02d"):format(i)
    ops[#ops + 1] = { "new", name, classes[i % 5 + 1], { name = name } }
    ops[#ops + 1] = { "add", name }
  end
  ops[#ops + 1] = { "commit" }
  for i = 1, 20, 3 do ops[#ops + 1] = { "set", ("o%02d"):format(i), "name", "x" .. i } end
  ops[#ops + 1] = { "flush" }
  for i = 2, 20, 4 do ops[#ops + 1] = { "delete", ("o%02d"):format(i) } end
  ops[#ops + 1] = { "commit" }
  return ops
end)())
programs:declare("tables", require("spec.differential.families").staff)

return programs.list
