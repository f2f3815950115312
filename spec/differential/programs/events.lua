-- SPDX-License-Identifier: MIT
-- Which events are heard, and in which order.
-- luacheck: no max line length

local programs = require("spec.differential.programs").new("events")
local P = function(...) programs:listen(...) end

local saved = { { "new", "p", "Parent", { name = "a" } }, { "add", "p" }, { "commit" } }
local function after(...)
  local ops = { table.unpack(saved) }
  for _, op in ipairs { ... } do ops[#ops + 1] = op end
  return ops
end

P("first commit", "family", saved)
P("several objects", "family", { { "new", "p", "Parent", {} }, { "new", "q", "Parent", {} }, { "new", "c", "Child", { parent = { "obj", "p" } } }, { "add_all", "p", "q" }, { "flush" }, { "commit" } })
P("update", "family", after({ "set", "p", "name", "b" }, { "flush" }, { "commit" }))
P("update without a change", "family", after({ "attr", "p", "name" }, { "set", "p", "name", "a" }, { "flush" }))
P("delete", "family", after({ "delete", "p" }, { "flush" }, { "commit" }))
P("rollback of an insert", "family", { { "new", "p", "Parent", {} }, { "add", "p" }, { "flush" }, { "rollback" } })
P("rollback of a pending object", "family", { { "new", "p", "Parent", {} }, { "add", "p" }, { "rollback" } })
P("rollback of a delete", "family", after({ "delete", "p" }, { "flush" }, { "rollback" }))
P("expunge and add again", "family", after({ "attr", "p", "name" }, { "expunge", "p" }, { "add", "p" }))
P("load", "family", after({ "expunge_all" }, { "get", "q", "Parent", 1 }))
P("append and remove", "family", after({ "new", "c", "Child", {} }, { "append", "p", "children", "c" }, { "remove", "p", "children", "c" }, { "set", "c", "parent", { "obj", "p" } }, { "set", "c", "parent", { "null" } }))
P("replace a list", "family", after({ "new", "c", "Child", {} }, { "new", "d", "Child", {} }, { "set", "p", "children", { "objs", "c" } }, { "set", "p", "children", { "objs", "d" } }))
P("savepoint rollback", "family", after({ "nested" }, { "new", "q", "Parent", {} }, { "add", "q" }, { "delete", "p" }, { "flush" }, { "nested_rollback" }, { "commit" }))
P("savepoint commit", "family", after({ "nested" }, { "new", "q", "Parent", {} }, { "add", "q" }, { "nested_commit" }, { "commit" }))
P("close", "family", after({ "attr", "p", "name" }, { "new", "q", "Parent", {} }, { "add", "q" }, { "close" }))
P("expunge all", "family", after({ "attr", "p", "name" }, { "new", "q", "Parent", {} }, { "add", "q" }, { "expunge_all" }))
P("failed flush", "facts", { { "new", "f", "Fact", { code = "a" } }, { "add", "f" }, { "commit" }, { "new", "g", "Fact", { code = "a" } }, { "add", "g" }, { "flush" }, { "rollback" } })
P("merge", "family", after({ "new", "q", "Parent", { id = 1 } }, { "set", "q", "name", "b" }, { "merge", "r", "q" }, { "flush" }))
P("move of a child", "family", after({ "new", "q", "Parent", {} }, { "new", "c", "Child", {} }, { "append", "p", "children", "c" }, { "add", "q" }, { "commit" }, { "attr", "p", "children" }, { "attr", "q", "children" }, { "append", "q", "children", "c" }, { "commit" }))
P("delete with children", "owned", { { "new", "p", "Parent", {} }, { "new", "c", "Child", {} }, { "append", "p", "children", "c" }, { "add", "p" }, { "commit" }, { "delete", "p" }, { "commit" } })
P("autoflush", "family", { { "new", "p", "Parent", {} }, { "add", "p" }, { "count", "Parent" } })
P("empty commit", "family", { { "commit" }, { "rollback" } })
P("flush of nothing", "family", { { "flush" } })
P("orphan", "owned", { { "new", "p", "Parent", {} }, { "new", "c", "Child", {} }, { "append", "p", "children", "c" }, { "add", "p" }, { "commit" }, { "remove", "p", "children", "c" }, { "commit" } })
P("many to many", "group", { { "new", "u", "User", {} }, { "new", "g", "Group", {} }, { "append", "g", "users", "u" }, { "add", "g" }, { "commit" }, { "remove", "u", "groups", "g" }, { "commit" } })
P("one to one", "couple", { { "new", "p", "Person", {} }, { "new", "c", "Card", {} }, { "set", "p", "card", { "obj", "c" } }, { "add", "p" }, { "commit" } })

return programs.list
