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

return programs.list
