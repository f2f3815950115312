-- SPDX-License-Identifier: MIT
-- Functions, arithmetic, case, cast, extract, JSON members, window functions.
-- luacheck: no max line length

local suite = require("spec.differential.suite").new("functions")

local function select(entities, ...)
  return { "select", entities, ... }
end

local function func(name, ...)
  return { "func", name, ... }
end

-- Aggregates over every kind of number
for _, f in ipairs { "count", "sum", "avg", "min", "max", "total" } do
  for _, c in ipairs { "Track.seconds", "Track.bytes", "Track.gain", "Track.unit_price", "Album.price" } do
    suite:query(f .. " of " .. c, select({ func(f, "@" .. c) }, { "where", { "lt", "@" .. c, 1000000 } }))
  end
end
for _, f in ipairs { "min", "max" } do
  for _, c in ipairs { "Artist.name", "Album.released", "Invoice.billed", "Employee.shift", "Album.kind" } do
    suite:query(f .. " of " .. c, select({ func(f, "@" .. c) }))
  end
end
suite:query("count of all rows", select({ func("count") }, { "select_from", "@Track" }))
suite:query("count of booleans", select({ func("count", "@Track.explicit") }))
suite:query("sum of an expression", select({ func("sum", { "mul", "@InvoiceLine.quantity", 2 }) }))
suite:query("group_concat", select({ func("group_concat", "@Tag.word", "|") }))

-- Scalars
suite:values("lower and upper", "Artist", { func("lower", "@Artist.name"), func("upper", "@Artist.name") })
suite:values("length", "Artist", { func("length", "@Artist.name"), func("length", "@Artist.bio") })
suite:values("coalesce", "Artist", { func("coalesce", "@Artist.country", "??") })
suite:values("coalesce of columns", "Artist", { func("coalesce", "@Artist.bio", "@Artist.country", "@Artist.name") })
suite:values("nullif", "Artist", { func("nullif", "@Artist.country", "DE") })
suite:values("abs", "Track", { func("abs", "@Track.gain"), func("abs", "@Track.seconds") })
suite:values("round", "Track", { func("round", "@Track.gain"), func("round", "@Track.gain", 1) })
suite:values("substr", "Artist", { func("substr", "@Artist.name", 2, 4) })
suite:values("replace", "Artist", { func("replace", "@Artist.name", "e", "3") })
suite:values("trim", "Artist", { func("trim", { "cat", { "cat", "  ", "@Artist.name" }, "  " }) })
suite:values("instr", "Artist", { func("instr", "@Artist.name", "o") })
suite:values("hex of a blob", "Album", { func("hex", "@Album.cover"), func("length", "@Album.cover") })
suite:values("typeof", "Track", { func("typeof", "@Track.unit_price"), func("typeof", "@Track.gain"),
  func("typeof", "@Track.explicit"), func("typeof", "@Track.title") })
suite:values("nested functions", "Artist", { func("upper", func("substr", func("trim", "@Artist.name"), 1, 3)) })
suite:where("function in where", "Artist", { "eq", func("lower", "@Artist.country"), "br" })
suite:values("ifnull", "Track", { func("ifnull", "@Track.number", 0) })
suite:values("max of two", "Track", { func("max", "@Track.number", "@Track.genre_id") })
suite:values("strftime", "Invoice", { func("strftime", "%Y-%m", "@Invoice.billed") })
suite:values("date function", "Invoice", { func("date", "@Invoice.billed") })
suite:values("json_extract", "Artist", { func("json_extract", "@Artist.info", "$.members") })

-- Arithmetic
for _, op in ipairs { "add", "sub", "mul" } do
  suite:values("integer " .. op, "Track", { { op, "@Track.seconds", 3 }, { op, "@Track.seconds", "@Track.number" } })
  suite:values("reversed " .. op, "Track", { { op, 3, "@Track.seconds" } })
  suite:values("float " .. op, "Track", { { op, "@Track.gain", 0.5 }, { op, "@Track.gain", "@Track.gain" } })
  suite:values("numeric " .. op, "Album", { { op, "@Album.price", { "dec", "1.25" } } })
  suite:values("integer and float " .. op, "Track", { { op, "@Track.number", "@Track.gain" } })
end
suite:values("mod", "Track", { { "mod", "@Track.seconds", 60 } })
suite:values("mod reversed", "Track", { { "mod", 100, "@Track.number" } })
suite:values("float division", "Track", { { "div", "@Track.gain", 4.0 } })
suite:values("float division by zero", "Track", { { "div", "@Track.gain", 0.0 } })
suite:values("negation", "Track", { { "neg", "@Track.seconds" }, { "neg", "@Track.gain" } })
suite:values("precedence", "Track", { { "mul", { "add", "@Track.number", 1 }, 2 }, { "add", "@Track.number", { "mul", 2, 1 } } })
suite:values("left association", "Track", { { "sub", { "sub", "@Track.seconds", 5 }, 3 },
  { "sub", "@Track.seconds", { "sub", 5, "@Track.number" } } })
suite:values("negated sum", "Track",
  { { "label", { "neg", { "add", "@Track.number", "@Track.seconds" } }, "n" } })
suite:values("concat operator", "Artist", { { "cat", "@Artist.name", "!" }, { "cat", "@Artist.name", "@Artist.country" } })
suite:values("concat reversed", "Artist", { { "cat", "> ", "@Artist.name" } })
suite:values("concat method", "Artist", { { "concat", "@Artist.name", " x" } })
suite:where("concat in like", "Artist", { "like", { "cat", "@Artist.name", "#" }, "%r#" })
suite:where("arithmetic in where", "Track", { "gt", { "add", { "mul", "@Track.number", 60 }, "@Track.seconds" }, 1500 })
suite:where("arithmetic both sides", "Track",
  { "lt", { "mul", "@Track.number", 100 }, { "sub", "@Track.seconds", 500 } })
suite:where("comparison with negative", "Track", { "lt", "@Track.gain", -11.5 })

-- case, cast, extract
local size = { "case", { { { "lt", "@Track.seconds", 120 }, "short" }, { { "lt", "@Track.seconds", 500 }, "middle" } }, "long" }
suite:values("case", "Track", { size })
suite:values("case without else", "Track", { { "case", { { { "gt", "@Track.seconds", 450 }, 1 } } } })
suite:values("case with column results", "Track",
  { { "case", { { { "eq", "@Track.composer", { "null" } }, "@Track.title" } }, "@Track.composer" } })
suite:values("case of null", "Track", { { "case", { { "@Track.explicit", { "null" } } }, 1 } })
suite:query("case in a sum", select({ func("sum", { "case", { { "@Track.explicit", 1 } }, 0 }) }))
suite:query("case in group by", select({ size, func("count", "@Track.id") }, { "group_by", size }))
suite:query("case in where", select("@Track.id", { "where", { "eq", size, "middle" } }))
suite:values("cast to text", "Track", { { "cast", "@Track.seconds", { "String", 10 } }, { "cast", "@Track.gain", { "Text" } } })
suite:values("cast to integer", "Track", { { "cast", "@Track.gain", { "Integer" } } })
suite:values("cast to float", "Track", { { "cast", "@Track.number", { "Float" } } })
suite:query("cast text to integer", select({ { "cast", { "lit", "12abc" }, { "Integer" } } }))
suite:query("cast in where", select("@Track.id", { "where", { "eq", { "cast", "@Track.gain", { "Integer" } }, 3 } }))
for _, field in ipairs { "year", "month", "day", "hour", "minute", "second", "dow", "doy", "week" } do
  suite:values("extract " .. field, "Invoice", { { "extract", field, "@Invoice.billed" } })
end
suite:values("extract of a date", "Album", { { "extract", "year", "@Album.released" }, { "extract", "month", "@Album.released" } })
suite:query("extract in where", select("@Invoice.id", { "where",
  { "and", { "eq", { "extract", "year", "@Invoice.billed" }, 2021 }, { "eq", { "extract", "month", "@Invoice.billed" }, 3 } } }))
suite:query("group by extract", select({ { "extract", "year", "@Invoice.billed" }, func("count", "@Invoice.id") },
  { "group_by", { "extract", "year", "@Invoice.billed" } }))
suite:values("literals", "Tag", { { "lit", 1 }, { "lit", "x" }, { "lit", 2.5 }, { "lit", true }, { "lit", { "date", "2020-02-29" } },
  { "lit", { "datetime", "2020-02-29 01:02:03" } }, { "lit", { "time", "04:05:06" } } })
suite:values("comparison as a value", "Track", { { "gt", "@Track.seconds", 300 }, { "eq", "@Track.composer", { "null" } } })
suite:values("and as a value", "Track", { { "and", { "gt", "@Track.seconds", 300 }, { "gt", "@Track.number", 3 } } })
suite:values("like as a value", "Artist", { { "like", "@Artist.name", "%o%" }, { "in", "@Artist.country", { "list", "DE", "NO" } } })
suite:values("not as a value", "Track", { { "not", "@Track.explicit" } })
suite:values("between as a value", "Track", { { "between", "@Track.seconds", 100, 400 } })
suite:values("null as a value", "Tag", { "@Tag.id", { "sql_null" } })

-- Window functions
local by_album = { partition_by = { "@Track.album_id" }, order_by = { "@Track.id" } }
for _, f in ipairs { "row_number", "rank", "dense_rank", "percent_rank", "cume_dist" } do
  suite:values(f .. " over", "Track", { "@Track.id", { "over", func(f), by_album } })
end
suite:values("lag and lead", "Track", { { "over", func("lag", "@Track.seconds"), by_album },
  { "over", func("lead", "@Track.seconds", 2, -1), by_album } })
suite:values("first_value", "Track", { { "over", func("first_value", "@Track.title"), by_album } })
suite:values("ntile", "Track", { { "over", func("ntile", 4), { order_by = { "@Track.id" } } } })
suite:values("sum over all", "Track", { { "over", func("sum", "@Track.seconds"), {} } })
suite:values("running sum", "Track", { { "over", func("sum", "@Track.seconds"), { order_by = { "@Track.id" } } } })
suite:values("rows frame", "Track", { { "over", func("sum", "@Track.seconds"), { order_by = { "@Track.id" }, rows = { -1, 1 } } } })
suite:values("rows frame unbounded", "Track",
  { { "over", func("count", "@Track.id"), { order_by = { "@Track.id" }, rows = { "unbounded", 0 } } } })
suite:values("window ordered down", "Track",
  { { "over", func("rank"), { order_by = { { "desc", "@Track.seconds" }, "@Track.id" } } } })
suite:values("window over two keys", "Track",
  { { "over", func("count", "@Track.id"), { partition_by = { "@Track.genre_id", "@Track.explicit" } } } })
suite:query("window with a label", select({ "@Tag.id", { "label", { "over", func("row_number"), { order_by = { { "desc", "@Tag.id" } } } }, "r" } },
  { "order_by", "@Tag.id" }), { "names", "r", "id" })
suite:query("top of each group", select({ "@r.id", "@r.genre_id" }, { "where", { "le", "@r.n", 2 } }), nil, {
  { "r", { "subquery", select({ "@Track.id", "@Track.genre_id",
    { "label", { "over", func("row_number"), { partition_by = { "@Track.genre_id" }, order_by = { { "desc", "@Track.seconds" }, "@Track.id" } } }, "n" } }) } },
})
suite:query("window over an aggregate", select({ "@Track.genre_id", { "over", func("rank"), { order_by = { { "desc", func("count", "@Track.id") } } } } },
  { "group_by", "@Track.genre_id" }))

return suite.list
