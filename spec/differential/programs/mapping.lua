-- SPDX-License-Identifier: MIT
-- Declarations: those that hold and those that are refused.
-- luacheck: no max line length

local programs = require("spec.differential.programs").new("mapping")
local D = function(...) programs:declare(...) end

local function col(name, options)
  local c = options or {}
  c.name, c.type = name, { "Integer" }
  return c
end
local function id() return col("id", { primary_key = true }) end
local function model(name, columns, relations)
  return { name = name, table = name:lower(), columns = columns, relations = relations }
end
local function a(relations) return model("A", { id() }, relations) end
local function b(columns, relations) return model("B", columns or { id(), col("a_id", { foreign_key = "a.id" }) }, relations) end

D("plain", { models = { a(), b() } })
D("no primary key", { models = { model("A", { col("n") }) } })
D("no columns", { models = { model("A", {}) } })
D("composite key", { models = { model("A", { col("x", { primary_key = true }), col("y", { primary_key = true }) }) } })
D("child declared first", { models = { b(nil, { { name = "a", target = "A", backref = "bs" } }), a() } })
D("unknown class", { models = { a { { name = "bs", target = "Nobody" } } } })
D("no foreign key", { models = { a { { name = "bs", target = "B" } }, b { id() } } })
D("foreign key to an unknown table", { models = { b { id(), col("a_id", { foreign_key = "nowhere.id" }) } } })
D("foreign key to an unknown column", { models = { a(), b({ id(), col("a_id", { foreign_key = "a.nothing" }) }, { { name = "a", target = "A" } }) } })
D("two foreign keys", { models = { a(), b({ id(), col("x_id", { foreign_key = "a.id" }), col("y_id", { foreign_key = "a.id" }) }, { { name = "a", target = "A" } }) } })
D("two foreign keys told apart", { models = { a(), b({ id(), col("x_id", { foreign_key = "a.id" }), col("y_id", { foreign_key = "a.id" }) },
  { { name = "x", target = "A", foreign_keys = "B.x_id" }, { name = "y", target = "A", foreign_keys = "B.y_id" } }) } })
D("backref name taken", { models = { a { { name = "bs", target = "B", backref = "a_id" } }, b() } })
D("backref name taken by a relationship", { models = { a { { name = "bs", target = "B", backref = "a" } }, b(nil, { { name = "a", target = "A" } }) } })
D("back_populates of nothing", { models = { a { { name = "bs", target = "B", back_populates = "nothing" } }, b() } })
D("bad cascade word", { models = { a { { name = "bs", target = "B", cascade = "sav" } }, b() } })
D("delete-orphan on the many side", { models = { a(), b(nil, { { name = "a", target = "A", cascade = "all, delete-orphan" } }) } })
D("delete-orphan with single_parent", { models = { a(), b(nil, { { name = "a", target = "A", cascade = "all, delete-orphan", single_parent = true } }) } })
D("delete-orphan on many to many", { models = { a { { name = "bs", target = "B", secondary = "ab", cascade = "all, delete-orphan" } }, b { id() } },
  tables = { { table = "ab", columns = { col("a_id", { foreign_key = "a.id" }), col("b_id", { foreign_key = "b.id" }) } } } })
D("many to many", { models = { a { { name = "bs", target = "B", secondary = "ab" } }, b { id() } },
  tables = { { table = "ab", columns = { col("a_id", { foreign_key = "a.id" }), col("b_id", { foreign_key = "b.id" }) } } } })
D("many to many without a key to one side", { models = { a { { name = "bs", target = "B", secondary = "ab" } }, b { id() } },
  tables = { { table = "ab", columns = { col("a_id", { foreign_key = "a.id" }), col("b_id") } } } })
D("self-reference without remote_side", { models = { model("N", { id(), col("n_id", { foreign_key = "n.id" }) }, { { name = "children", target = "N" } }) } })
D("self-reference with remote_side", { models = { model("N", { id(), col("n_id", { foreign_key = "n.id" }) }, { { name = "up", target = "N", remote_side = "N.id", backref = "down" } }) } })
D("self-reference, both sides alike", { models = { model("N", { id(), col("n_id", { foreign_key = "n.id" }) },
  { { name = "up", target = "N", back_populates = "down" }, { name = "down", target = "N", back_populates = "up" } }) } })
D("cyclic foreign keys", { models = { model("A", { id(), col("b_id", { foreign_key = "b.id" }) }), b() } })


-- What a table becomes
local function typed(name, kind, options)
  local c = options or {}
  c.name, c.type = name, type(kind) == "table" and kind or { kind }
  return c
end
local function one(...) return { models = { model("A", { id(), ... }) } } end

for _, kind in ipairs { "Integer", "SmallInteger", "BigInteger", "Text", "Unicode", "UnicodeText", "Boolean", "Float", "Date", "Time", "DateTime", "Interval", "LargeBinary", "JSON" } do
  D("column of " .. kind, one(typed("x", kind), typed("y", kind, { nullable = false })))
end
D("column of String", one(typed("x", { "String", 12 }), typed("y", "String")))
D("column of Numeric", one(typed("x", { "Numeric", 10, 3 }), typed("y", "Numeric")))
D("column of Enum", one(typed("x", { "Enum", "short", "the longest" })))
for _, kind in ipairs { "Integer", "SmallInteger", "BigInteger" } do
  D("key of " .. kind, { models = { model("A", { typed("id", kind, { primary_key = true }) }) } })
end
D("key of String", { models = { model("A", { typed("code", { "String", 4 }, { primary_key = true }) }) } })
D("key of two columns", { models = { model("A", { typed("x", "Integer", { primary_key = true }), typed("y", { "String", 3 }, { primary_key = true }), typed("z", "Integer") }) } })
D("unique", one(typed("x", "Integer", { unique = true })))
D("index", one(typed("x", "Integer", { index = true })))
D("unique index", one(typed("x", "Integer", { unique = true, index = true })))
D("server default of text", one(typed("x", { "String", 5 }, { server_default = "it's" })))
D("server default of a number", one(typed("x", "Integer", { server_default = "5" })))
D("client default leaves no trace", one(typed("x", "Integer", { default = 5 })))
D("not null", one(typed("x", "Integer", { nullable = false })))
for _, action in ipairs { "CASCADE", "SET NULL", "RESTRICT", "NO ACTION", "SET DEFAULT" } do
  D("on delete " .. action, { models = { a(), b { id(), col("a_id", { foreign_key = "a.id", ondelete = action }) } } })
end
D("names to be quoted", { models = { { name = "Order", table = "order", columns = { id(), typed("group", "Integer"), typed("select", "Integer", { index = true }), typed("Mixed", "Integer") } } } })
D("camel case", { models = { { name = "HTTPRequestLog", table = "http_request_log", columns = { id() } }, { name = "UserST4", table = "user_st4", columns = { id() } },
  { name = "FooBarSSE2", table = "foo_bar_sse2", columns = { id() } }, { name = "ABC", table = "abc", columns = { id() } } } })
D("music shop", require "spec.differential.schema")
for _, name in ipairs { "family", "group", "tree", "graph", "levels", "seats", "facts", "versions", "two", "cycle", "passive", "setnull" } do
  D("family " .. name, require("spec.differential.families")[name])
end

return programs.list
