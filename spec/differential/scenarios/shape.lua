-- SPDX-License-Identifier: MIT
-- What a query selects and in which order: order_by, limit, offset, distinct,
-- group_by, having, labels, several entities.
-- luacheck: no max line length

local suite = require("spec.differential.suite").new("shape")

local function select(entities, ...)
  return { "select", entities, ... }
end

for _, s in ipairs {
  { "integer", "Track", "seconds" }, { "string", "Artist", "name" }, { "date", "Album", "released" },
  { "numeric", "Album", "price" }, { "float", "Track", "gain" }, { "boolean", "Track", "explicit" },
  { "enum", "Album", "kind" }, { "datetime", "Customer", "joined" }, { "time", "Employee", "shift" },
} do
  local name, model, attr = table.unpack(s)
  local column, key = "@" .. model .. "." .. attr, "@" .. model .. ".id"
  suite:query("order by " .. name, select({ key, column }, { "order_by", column, key }))
  suite:query("order by " .. name .. " desc",
    select({ key, column }, { "order_by", { "desc", column }, key }))
  suite:query("order by " .. name .. " nulls last",
    select({ key }, { "order_by", { "nulls_last", column }, key }))
  suite:query("order by " .. name .. " desc nulls first",
    select({ key }, { "order_by", { "nulls_first", { "desc", column } }, { "desc", key } }))
end

suite:query("order by asc", select({ "@Tag.word" }, { "order_by", { "asc", "@Tag.word" } }))
suite:query("order by accumulates",
  select({ "@Album.id" }, { "order_by", "@Album.kind" }, { "order_by", "@Album.id" }))
suite:query("order by expression",
  select({ "@Album.id" }, { "order_by", { "func", "length", "@Album.title" }, "@Album.id" }))
suite:query("order by negated", select({ "@Tag.id" }, { "order_by", { "neg", "@Tag.id" } }))
suite:query("order by label object", select({ { "label", { "func", "length", "@Artist.name" }, "n" }, "@Artist.id" },
  { "order_by", { "label", { "func", "length", "@Artist.name" }, "n" }, "@Artist.id" }))
suite:query("order by label text", select({ { "label", { "func", "length", "@Artist.name" }, "n" }, "@Artist.id" },
  { "order_by", "n", "@Artist.id" }))
suite:query("order by collation",
  select({ "@Customer.id" }, { "order_by", { "collate", "@Customer.city", "NOCASE" }, "@Customer.id" }))
suite:query("order by case", select({ "@Invoice.id" }, { "order_by",
  { "case", { { { "eq", "@Invoice.status", "void" }, 0 }, { { "eq", "@Invoice.status", "open" }, 1 } }, 2 },
  "@Invoice.id" }, { "limit", 50 }))

suite:query("limit", select("@Track", { "order_by", "@Track.id" }, { "limit", 5 }))
suite:query("limit zero", select("@Track", { "order_by", "@Track.id" }, { "limit", 0 }))
suite:query("limit and offset", select("@Track", { "order_by", "@Track.id" }, { "limit", 5 }, { "offset", 10 }))
suite:query("offset alone", select("@Track.id", { "order_by", "@Track.id" }, { "offset", 890 }))
suite:query("offset past the end", select("@Tag", { "order_by", "@Tag.id" }, { "offset", 100 }))
suite:query("last limit wins", select("@Tag", { "order_by", "@Tag.id" }, { "limit", 5 }, { "limit", 2 }))
suite:query("limit of a join", select({ "@Album.id", "@Track.id" }, { "join", "@Album.tracks" },
  { "order_by", "@Album.id", "@Track.id" }, { "limit", 7 }))

suite:query("distinct column", select("@Customer.city", { "distinct" }))
suite:query("distinct pair", select({ "@Album.kind", "@Album.artist_id" }, { "distinct" }))
suite:query("distinct ordered", select("@Track.genre_id", { "distinct" }, { "order_by", "@Track.genre_id" }))
suite:query("distinct entities of a join", select("@Artist", { "join", "@Artist.albums" }, { "distinct" }))
suite:query("distinct with limit",
  select("@Track.number", { "distinct" }, { "order_by", { "desc", "@Track.number" } }, { "limit", 4 }))
suite:query("count distinct", select({ { "func", "count", { "func", "distinct", "@Customer.city" } } }))

suite:query("entity", select("@Genre"))
suite:query("column", select("@Genre.name"))
suite:query("columns", select({ "@Genre.id", "@Genre.name", "@Genre.parent_id" }))
suite:query("entity and column", select({ "@Genre", "@Genre.name" }))
suite:query("two entities", select({ "@Album", "@Artist" }, { "join", "@Album.artist" }))
suite:query("two entities where", select({ "@Album", "@Artist" },
  { "where", { "eq", "@Album.artist_id", "@Artist.id" } }, { "where", { "lt", "@Album.id", 20 } }))
suite:query("entity and null entity", select({ "@Genre", "@parent" },
  { "outerjoin", "@parent", { "eq", "@Genre.parent_id", "@parent.id" } }), nil,
  { { "parent", { "aliased", "@Genre" } } })
suite:query("duplicates of one entity are one", select("@Artist", { "join", "@Artist.albums" }))
suite:query("duplicates of a column stay", select("@Artist.id", { "join", "@Artist.albums" }))
suite:query("expression alone", select({ { "add", { "lit", 1 }, { "lit", 2 } } }))
suite:query("same column twice", select({ "@Tag.id", "@Tag.id" }))
suite:query("label by name", select({ { "label", "@Tag.word", "w" }, { "label", "@Tag.id", "n" } },
  { "order_by", "@Tag.id" }), { "names", "w", "n" })
suite:query("column by name", select({ "@Tag.id", "@Tag.word" }, { "order_by", "@Tag.id" }),
  { "names", "word", "id" })
suite:query("function by label", select({ "@Album.kind", { "label", { "func", "count", "@Album.id" }, "n" } },
  { "group_by", "@Album.kind" }, { "order_by", "@Album.kind" }), { "names", "kind", "n" })
suite:query("cross product", select({ "@a.id", "@b.id" }, { "where", { "lt", "@a.id", "@b.id" } }), nil,
  { { "a", { "aliased", "@Tag" } }, { "b", { "aliased", "@Tag" } } })

local count = { "func", "count", "@Track.id" }
suite:query("group by", select({ "@Track.genre_id", count }, { "group_by", "@Track.genre_id" }))
suite:query("group by two", select({ "@Track.genre_id", "@Track.explicit", count },
  { "group_by", "@Track.genre_id", "@Track.explicit" }))
suite:query("group by accumulates", select({ "@Track.genre_id", "@Track.number", count },
  { "group_by", "@Track.genre_id" }, { "group_by", "@Track.number" }))
suite:query("group by expression", select({ { "mod", "@Track.seconds", 7 }, count },
  { "group_by", { "mod", "@Track.seconds", 7 } }))
suite:query("having", select({ "@Track.genre_id", count }, { "group_by", "@Track.genre_id" },
  { "having", { "gt", count, 45 } }))
suite:query("having twice", select({ "@Track.genre_id", count }, { "group_by", "@Track.genre_id" },
  { "having", { "gt", count, 30 } }, { "having", { "lt", count, 50 } }))
suite:query("having and where", select({ "@Track.genre_id", { "func", "sum", "@Track.seconds" } },
  { "where", { "gt", "@Track.seconds", 100 } }, { "group_by", "@Track.genre_id" },
  { "having", { "or", { "gt", { "func", "max", "@Track.seconds" }, 890 }, { "lt", count, 40 } } }))
suite:query("group by joined", select({ "@Artist.name", { "func", "count", "@Album.id" } },
  { "join", "@Artist.albums" }, { "group_by", "@Artist.id" },
  { "order_by", { "desc", { "func", "count", "@Album.id" } }, "@Artist.id" }, { "limit", 12 }))
suite:query("group by outer joined", select({ "@Artist.id", { "func", "count", "@Album.id" } },
  { "outerjoin", "@Artist.albums" }, { "group_by", "@Artist.id" }))
suite:query("aggregate of nothing", select({ count, { "func", "sum", "@Track.seconds" }, { "func", "max", "@Track.title" } },
  { "where", { "eq", "@Track.id", -1 } }))
suite:query("with for update", select("@Tag.id", { "with_for_update" }))
suite:query("execution options", select("@Tag.id", { "execution_options", { note = "x" } }))
suite:query("a query is not changed by its children",
  select("@Tag.id", { "where", { "gt", "@Tag.id", 3 } }, { "order_by", "@Tag.id" }))

return suite.list
