-- SPDX-License-Identifier: MIT
-- What a flush does: order, changed columns, defaults, failure, stale rows,
-- version counters, keys of several columns, autoflush.
-- luacheck: no max line length

local programs = require("spec.differential.programs").new("flush")
local P = function(...) programs:add(...) end

P("parents before children", "family", { { "new", "c", "Child", { name = "c" } }, { "new", "p", "Parent", { name = "p" } }, { "set", "c", "parent", { "obj", "p" } },
  { "add", "c", "p" }, { "flush" }, { "attr", "c", "parent_id" }, { "commit" } })
P("children deleted before parents", "deleting", { { "new", "p", "Parent", {} }, { "new", "c", "Child", { parent = { "obj", "p" } } }, { "add", "p" }, { "commit" },
  { "delete", "p" }, { "delete", "c" }, { "commit" } })
P("update before insert", "family", { { "new", "p", "Parent", { name = "p" } }, { "add", "p" }, { "commit" }, { "new", "q", "Parent", { name = "q" } }, { "add", "q" },
  { "set", "p", "name", "x" }, { "flush" } })
P("delete last", "family", { { "new", "p", "Parent", {} }, { "new", "q", "Parent", {} }, { "add", "p", "q" }, { "commit" }, { "delete", "p" }, { "set", "q", "name", "x" },
  { "new", "r", "Parent", {} }, { "add", "r" }, { "flush" } })
P("insert in order of add", "family", { { "new", "a", "Parent", { name = "a" } }, { "new", "b", "Parent", { name = "b" } }, { "new", "c", "Parent", { name = "c" } },
  { "add", "b" }, { "add", "c" }, { "add", "a" }, { "commit" }, { "attr", "a", "id" }, { "attr", "b", "id" }, { "attr", "c", "id" } })
P("several flushes", "family", { { "new", "a", "Parent", { name = "a" } }, { "add", "a" }, { "flush" }, { "set", "a", "name", "b" }, { "flush" }, { "flush" },
  { "set", "a", "name", "c" }, { "commit" } })
P("empty commit", "family", { { "commit" }, { "commit" }, { "rollback" } })
P("empty object", "family", { { "new", "a", "Parent", {} }, { "add", "a" }, { "commit" }, { "attr", "a", "id", "name" } })
P("explicit keys", "family", { { "new", "a", "Parent", { id = 40 } }, { "new", "b", "Parent", {} }, { "add", "a", "b" }, { "commit" }, { "attr", "b", "id" } })
P("mixed keys", "family", { { "new", "a", "Parent", {} }, { "new", "b", "Parent", { id = 5 } }, { "new", "c", "Parent", {} }, { "add", "a", "b", "c" }, { "commit" },
  { "attr", "a", "id" }, { "attr", "c", "id" } })
P("key zero", "family", { { "new", "p", "Parent", { id = 0, name = "zero" } }, { "new", "c", "Child", { parent = { "obj", "p" } } }, { "add", "p" }, { "commit" },
  { "attr", "c", "parent_id" }, { "expire_all" }, { "attr", "c", "parent" } })
P("negative key", "family", { { "new", "p", "Parent", { id = -4 } }, { "add", "p" }, { "commit" }, { "get", "q", "Parent", -4 }, { "same", "p", "q" } })
P("many objects", "family", (function()
  local ops, names = {}, { "add_all" }
  for i = 1, 60 do
    ops[i] = { "new", ("o%02d"):format(i), "Parent", { name = "n" .. i } }
    names[i + 1] = ("o%02d"):format(i)
  end
  ops[61], ops[62] = names, { "commit" }
  for i = 1, 60, 7 do ops[#ops + 1] = { "set", ("o%02d"):format(i), "name", "changed" .. i } end
  ops[#ops + 1] = { "flush" }
  for i = 1, 60, 11 do ops[#ops + 1] = { "delete", ("o%02d"):format(i) } end
  ops[#ops + 1] = { "commit" }
  return ops
end)())

-- Defaults and values
P("defaults", "facts", { { "new", "f", "Fact", {} }, { "add", "f" }, { "flush" }, { "attr", "f", "n", "flag", "stamp", "word", "ratio" } })
P("defaults overridden", "facts", { { "new", "f", "Fact", { n = 7, flag = true, word = "x" } }, { "add", "f" }, { "commit" }, { "attr", "f", "n", "flag", "word" } })
P("a default set to null", "facts", { { "new", "f", "Fact", {} }, { "set", "f", "n", { "null" } }, { "add", "f" }, { "commit" }, { "attr", "f", "n" } })
P("a default constructed as null", "facts", { { "new", "f", "Fact", { n = { "null" } } }, { "add", "f" }, { "commit" }, { "attr", "f", "n" } })
P("onupdate", "facts", { { "new", "f", "Fact", {} }, { "add", "f" }, { "commit" }, { "set", "f", "name", "x" }, { "commit" }, { "attr", "f", "stamp" } })
P("onupdate not without a change", "facts", { { "new", "f", "Fact", { name = "x" } }, { "add", "f" }, { "commit" }, { "attr", "f", "name" }, { "set", "f", "name", "x" }, { "commit" }, { "attr", "f", "stamp" } })
P("onupdate overridden", "facts", { { "new", "f", "Fact", {} }, { "add", "f" }, { "commit" }, { "set", "f", "stamp", 9 }, { "commit" }, { "attr", "f", "stamp" } })
P("value types", "facts", { { "new", "f", "Fact", { ratio = 0.5, day = { "date", "2020-02-29" }, price = { "dec", "12.30" }, flag = true } }, { "add", "f" }, { "commit" },
  { "attr", "f", "ratio", "day", "price", "flag" } })
P("value types before expiry", "facts", { { "new", "f", "Fact", { ratio = 2.5, day = { "date", "1999-12-31" }, price = { "dec", "5.00" } } }, { "add", "f" }, { "flush" },
  { "attr", "f", "ratio", "day", "price" } })
P("expression assignment", "facts", { { "new", "f", "Fact", { n = 5 } }, { "add", "f" }, { "commit" }, { "set", "f", "n", { "plus", "Fact", "n", 1 } }, { "flush" }, { "attr", "f", "n" } })
P("expression at insert", "facts", { { "new", "f", "Fact", { id = 1 } }, { "set", "f", "stamp", 3 }, { "add", "f" }, { "commit" }, { "attr", "f", "stamp" } })

-- Failures
P("unique failure", "facts", { { "new", "f", "Fact", { code = "a" } }, { "new", "g", "Fact", { code = "a" } }, { "add", "f", "g" }, { "flush" }, { "query", "Fact" },
  { "attr", "f", "code" }, { "rollback" }, { "attr", "f", "id", "code" }, { "query", "Fact" } })
P("failure then repair", "facts", { { "new", "f", "Fact", { code = "a" } }, { "add", "f" }, { "commit" }, { "new", "g", "Fact", { code = "a" } }, { "add", "g" }, { "commit" },
  { "rollback" }, { "set", "g", "code", "b" }, { "add", "g" }, { "commit" } })
P("failure rolls everything back", "facts", { { "new", "f", "Fact", { code = "a" } }, { "add", "f" }, { "flush" }, { "new", "g", "Fact", { code = "a" } }, { "add", "g" }, { "flush" },
  { "rollback" }, { "count", "Fact" } })
P("failure in an update", "facts", { { "new", "f", "Fact", { code = "a" } }, { "new", "g", "Fact", { code = "b" } }, { "add", "f", "g" }, { "commit" }, { "set", "g", "code", "a" },
  { "commit" }, { "rollback" }, { "attr", "g", "code" } })
P("failure in a savepoint", "facts", { { "new", "f", "Fact", { code = "a" } }, { "add", "f" }, { "flush" }, { "nested" }, { "new", "g", "Fact", { code = "a" } }, { "add", "g" }, { "flush" },
  { "nested_rollback" }, { "attr", "f", "code" }, { "commit" } })
P("not null failure", "strict", { { "new", "c", "Child", {} }, { "add", "c" }, { "flush" }, { "rollback" } })
P("foreign key failure", "family", { { "new", "c", "Child", { parent_id = 99 } }, { "add", "c" }, { "flush" }, { "rollback" } })
P("use after a failed flush", "facts", { { "new", "f", "Fact", { code = "a" } }, { "new", "g", "Fact", { code = "a" } }, { "add", "f", "g" }, { "flush" }, { "flush" }, { "commit" },
  { "get", "h", "Fact", 1 }, { "rollback" }, { "commit" } })
P("bulk failure does not poison", "facts", { { "new", "f", "Fact", { code = "a" } }, { "new", "g", "Fact", { code = "b" } }, { "add", "f", "g" }, { "commit" },
  { "sql", "UPDATE fact SET code = 'a'" }, { "query", "Fact" } })

-- Stale rows
P("stale update", "family", { { "new", "p", "Parent", {} }, { "add", "p" }, { "commit" }, { "attr", "p", "name" }, { "sql", "DELETE FROM parent" }, { "set", "p", "name", "x" }, { "flush" }, { "rollback" } })
P("stale delete", "family", { { "new", "p", "Parent", {} }, { "add", "p" }, { "commit" }, { "attr", "p", "name" }, { "sql", "DELETE FROM parent" }, { "delete", "p" }, { "flush" } })
P("version counts", "versions", { { "new", "d", "Doc", { name = "a" } }, { "add", "d" }, { "flush" }, { "attr", "d", "rev" }, { "set", "d", "name", "b" }, { "flush" }, { "attr", "d", "rev" },
  { "commit" }, { "set", "d", "name", "c" }, { "commit" }, { "attr", "d", "rev" } })
P("version not without a change", "versions", { { "new", "d", "Doc", { name = "a" } }, { "add", "d" }, { "commit" }, { "attr", "d", "name" }, { "set", "d", "name", "a" }, { "commit" }, { "attr", "d", "rev" } })
P("version conflict on update", "versions", { { "new", "d", "Doc", { name = "a" } }, { "add", "d" }, { "commit" }, { "attr", "d", "rev" }, { "sql", "UPDATE doc SET rev = 9" },
  { "set", "d", "name", "b" }, { "flush" }, { "rollback" } })
P("version conflict on delete", "versions", { { "new", "d", "Doc", { name = "a" } }, { "add", "d" }, { "commit" }, { "attr", "d", "rev" }, { "sql", "UPDATE doc SET rev = 9" }, { "delete", "d" }, { "flush" }, { "rollback" } })
P("version after rollback", "versions", { { "new", "d", "Doc", { name = "a" } }, { "add", "d" }, { "commit" }, { "set", "d", "name", "b" }, { "flush" }, { "rollback" }, { "attr", "d", "rev", "name" } })

-- Keys of several columns
P("composite key", "seats", { { "new", "r", "Room", { code = "A", name = "hall" } }, { "new", "s", "Seat", { place = 1 } }, { "new", "t", "Seat", { place = 2 } },
  { "append", "r", "seats", "s", "t" }, { "add", "r" }, { "commit" }, { "attr", "s", "room_code", "place" }, { "get", "u", "Seat", "A", 2 }, { "same", "t", "u" } })
P("composite key update", "seats", { { "new", "r", "Room", { code = "A" } }, { "new", "s", "Seat", { place = 1, room = { "obj", "r" } } }, { "add", "r" }, { "commit" },
  { "set", "s", "place", 8 }, { "commit" }, { "identity", "s" } })
P("composite key move", "seats", { { "new", "r", "Room", { code = "A" } }, { "new", "q", "Room", { code = "B" } }, { "new", "s", "Seat", { place = 1, room = { "obj", "r" } } }, { "add", "r", "q" }, { "commit" },
  { "set", "s", "room", { "obj", "q" } }, { "commit" }, { "identity", "s" }, { "sorted", "q", "seats" } })
P("composite key without a part", "seats", { { "new", "s", "Seat", { place = 1 } }, { "add", "s" }, { "flush" }, { "rollback" } })
P("composite key clash", "seats", { { "new", "r", "Room", { code = "A" } }, { "new", "s", "Seat", { place = 1, room = { "obj", "r" } } }, { "new", "t", "Seat", { place = 1, room = { "obj", "r" } } },
  { "add", "r" }, { "flush" }, { "rollback" } })
P("natural key missing", "seats", { { "new", "r", "Room", { name = "x" } }, { "add", "r" }, { "flush" }, { "rollback" } })
P("removal of a key part", "seats", { { "new", "r", "Room", { code = "A" } }, { "new", "s", "Seat", { place = 1, room = { "obj", "r" } } }, { "add", "r" }, { "commit" },
  { "remove", "r", "seats", "s" }, { "flush" }, { "rollback" } })

-- Autoflush
P("autoflush on a query", "family", { { "new", "p", "Parent", { name = "a" } }, { "add", "p" }, { "query", "Parent", { name = "a" } }, { "set", "p", "name", "b" }, { "query", "Parent", { name = "b" } } })
P("autoflush on count", "family", { { "new", "p", "Parent", {} }, { "add", "p" }, { "count", "Parent" } })
P("autoflush on a lazy load", "family", { { "new", "p", "Parent", {} }, { "add", "p" }, { "commit" }, { "new", "c", "Child", { parent_id = 1 } }, { "add", "c" }, { "attr", "p", "children" } })
P("autoflush on a refresh", "family", { { "new", "p", "Parent", {} }, { "new", "q", "Parent", {} }, { "add", "p" }, { "commit" }, { "add", "q" }, { "attr", "p", "name" } })
P("no autoflush", "family", { { "new", "p", "Parent", { name = "a" } }, { "add", "p" }, { "quietly", { { "query", "Parent" }, { "count", "Parent" } } }, { "count", "Parent" } })
P("deleted object in a query", "family", { { "new", "p", "Parent", {} }, { "add", "p" }, { "commit" }, { "delete", "p" }, { "query", "Parent" } })
P("bulk update and objects", "family", { { "new", "p", "Parent", { name = "a" } }, { "new", "q", "Parent", { name = "b" } }, { "add", "p", "q" }, { "commit" }, { "attr", "p", "name" }, { "attr", "q", "name" },
  { "update", "Parent", { name = "a" }, { name = "z" } }, { "attr", "p", "name" }, { "attr", "q", "name" }, { "commit" } })
P("bulk delete and objects", "family", { { "new", "p", "Parent", { name = "a" } }, { "new", "q", "Parent", { name = "b" } }, { "add", "p", "q" }, { "commit" }, { "attr", "p", "name" },
  { "bulk_delete", "Parent", { name = "a" } }, { "held", "p" }, { "held", "q" }, { "commit" } })
P("bulk update rolled back", "family", { { "new", "p", "Parent", { name = "a" } }, { "add", "p" }, { "commit" }, { "attr", "p", "name" }, { "update", "Parent", { id = 1 }, { name = "z" } }, { "rollback" }, { "attr", "p", "name" } })

return programs.list
