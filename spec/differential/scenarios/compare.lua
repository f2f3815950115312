-- SPDX-License-Identifier: MIT
-- Comparison methods over every column type, NULL, IN lists, the LIKE family.
-- luacheck: no max line length

local suite = require("spec.differential.suite").new("compare")

local samples = {
  { "integer", "Track", "seconds", 300 },
  { "zero", "Track", "seconds", 0 },
  { "small integer", "Track", "number", 7 },
  { "big integer", "Track", "bytes", 5000000 },
  { "string", "Customer", "city", "Oslo" },
  { "unicode string", "Album", "title", "Été" },
  { "text", "Review", "body", "good" },
  { "boolean true", "Track", "explicit", true },
  { "boolean false", "Track", "explicit", false },
  { "float", "Track", "gain", 1.5 },
  { "float against integer", "Track", "gain", 2 },
  { "numeric", "Album", "price", { "dec", "33.25" } },
  { "numeric against integer", "Track", "unit_price", 2 },
  { "date", "Album", "released", { "date", "1973-06-05" } },
  { "time", "Employee", "shift", { "time", "12:00:00" } },
  { "datetime", "Invoice", "billed", { "datetime", "2021-07-01 12:30:00" } },
  { "enum", "Album", "kind", "lp" },
  { "enum not null", "Invoice", "status", "paid" },
}

for _, s in ipairs(samples) do
  local name, model, attr, value = table.unpack(s)
  local column = "@" .. model .. "." .. attr
  for _, op in ipairs { "eq", "ne", "lt", "le", "gt", "ge" } do
    suite:where(name .. " " .. op, model, { op, column, value })
  end
  suite:where(name .. " is null", model, { "eq", column, { "null" } })
  suite:where(name .. " is not null", model, { "ne", column, { "null" } })
  suite:where(name .. " distinct from", model, { "is_distinct_from", column, value })
end

suite:where("blob eq", "Album", { "eq", "@Album.cover", { "blob", "" } })
suite:where("blob ne", "Album", { "ne", "@Album.cover", { "blob", "" } })
suite:where("blob lt", "Album", { "lt", "@Album.cover", { "blob", "80" } })
suite:where("blob is null", "Album", { "is", "@Album.cover", { "null" } })
suite:where("is null", "Track", { "is", "@Track.composer", { "null" } })
suite:where("is not null", "Track", { "is_not", "@Track.composer", { "null" } })
suite:where("is true", "Track", { "is", "@Track.explicit", true })
suite:where("is not true", "Track", { "is_not", "@Track.explicit", true })
suite:where("is false", "Track", { "is", "@Track.explicit", false })
suite:where("is sql true", "Track", { "is", "@Track.explicit", { "true" } })
suite:where("is sql null", "Track", { "is", "@Track.composer", { "sql_null" } })
suite:where("eq sql null", "Track", { "eq", "@Track.composer", { "sql_null" } })
suite:where("distinct from null", "Track", { "is_distinct_from", "@Track.composer", { "null" } })
suite:where("column alone", "Track", "@Track.explicit")
suite:where("column negated", "Track", { "not", "@Track.explicit" })
suite:where("two columns", "Track", { "lt", "@Track.number", "@Track.genre_id" })
suite:where("column with itself", "Track", { "eq", "@Track.composer", "@Track.composer" })
suite:where("literal on the left", "Track", { "lt", { "lit", 5 }, "@Track.number" })
suite:where("empty string", "Artist", { "eq", "@Artist.bio", "" })
suite:where("string with quotes", "Artist", { "eq", "@Artist.bio", 'It\'s "quoted"' })
suite:where("string with newline", "Artist", { "eq", "@Artist.bio", "Lines\nand\ttabs" })
suite:where("injection stays data", "Artist", { "eq", "@Artist.name", "x' OR 1=1 --" })
suite:where("integer beyond 32 bits", "Track", { "gt", "@Track.seconds", 4294967296 })

-- Lists
suite:where("in integers", "Track", { "in", "@Track.id", { "list", 1, 5, 9, 5000 } })
suite:where("in one", "Track", { "in", "@Track.id", { "list", 17 } })
suite:where("in empty", "Track", { "in", "@Track.id", {} })
suite:where("not in empty", "Artist", { "not_in", "@Artist.id", {} })
suite:where("not of in empty", "Artist", { "not", { "in", "@Artist.id", {} } })
suite:where("in empty and more", "Artist",
  { "or", { "in", "@Artist.id", {} }, { "eq", "@Artist.id", 3 } })
suite:where("not in empty on a nullable column", "Artist", { "not_in", "@Artist.country", {} })
suite:where("in strings", "Customer", { "in", "@Customer.city", { "list", "Oslo", "東京", "" } })
suite:where("not in", "Customer", { "not_in", "@Customer.city", { "list", "Oslo", "東京" } })
suite:where("in dates", "Album", { "in", "@Album.released",
  { "list", { "date", "1990-01-01" }, { "date", "2001-02-03" } } })
suite:where("in enums", "Album", { "in", "@Album.kind", { "list", "lp", "ep" } })
suite:where("in booleans", "Track", { "in", "@Track.explicit", { "list", true, false } })
suite:where("in decimals", "Track", { "in", "@Track.unit_price",
  { "list", { "dec", "0.99" }, { "dec", "1.50" } } })
suite:where("in floats", "Track", { "in", "@Track.gain", { "list", 0.5, 1.0, -0.125 } })
suite:where("in expressions", "Track", { "in", "@Track.number",
  { "list", "@Track.genre_id", { "add", "@Track.genre_id", 1 } } })
suite:where("in a query", "Track", { "in", "@Track.album_id",
  { "select", "@Album.id", { "where", { "eq", "@Album.kind", "ep" } } } })
suite:where("not in a query", "Artist", { "not_in", "@Artist.id",
  { "select", "@Album.artist_id", { "where", { "lt", "@Album.id", 60 } } } })
suite:where("not in a query with a null", "Genre", { "not_in", "@Genre.id",
  { "select", "@Genre.parent_id" } })
do
  local many = { "list" }
  for i = 1, 1200 do many[i + 1] = i * 3 end
  suite:where("in a thousand", "Track", { "in", "@Track.id", many })
end

suite:where("between integers", "Track", { "between", "@Track.seconds", 100, 140 })
suite:where("between reversed", "Track", { "between", "@Track.seconds", 140, 100 })
suite:where("between dates", "Album",
  { "between", "@Album.released", { "date", "1990-01-01" }, { "date", "1999-12-31" } })
suite:where("between strings", "Artist", { "between", "@Artist.name", "B", "E" })
suite:where("between columns", "Track", { "between", { "lit", 5 }, "@Track.number", "@Track.genre_id" })
suite:where("not between", "Track", { "not", { "between", "@Track.seconds", 10, 890 } })

-- LIKE
suite:where("like prefix", "Artist", { "like", "@Artist.name", "Blue%" })
suite:where("like one character", "Artist", { "like", "@Artist.name", "Old _ire" })
suite:where("like ascii case", "Artist", { "like", "@Artist.name", "blue%" })
suite:where("like unicode case", "Artist", { "like", "@Artist.name", "%été%" })
suite:where("like nothing", "Artist", { "like", "@Artist.name", "" })
suite:where("like escape percent", "Album", { "like_escape", "@Album.title", "%/%%", "/" })
suite:where("like escape underscore", "Album", { "like_escape", "@Album.title", "%!_%", "!" })
suite:where("like backslash", "Album", { "like", "@Album.title", "back\\slash%" })
suite:where("not like", "Artist", { "not_like", "@Artist.name", "%e%" })
suite:where("not of like", "Artist", { "not", { "like", "@Artist.name", "%e%" } })
suite:where("not like and null", "Track", { "not_like", "@Track.composer", "%a%" })
suite:where("like a column", "Track", { "like", "@Track.title", { "cat", "@Track.title", "%" } })
suite:where("ilike", "Artist", { "ilike", "@Artist.name", "%FIRE%" })
suite:where("ilike unicode", "Artist", { "ilike", "@Artist.name", "%ÜNDER%" })
suite:where("startswith", "Artist", { "startswith", "@Artist.name", "Gold" })
suite:where("startswith percent", "Album", { "startswith", "@Album.title", "100%" })
suite:where("startswith empty", "Tag", { "startswith", "@Tag.word", "" })
suite:where("startswith a column", "Track", { "startswith", "@Track.title", "@Track.title" })
suite:where("endswith", "Artist", { "endswith", "@Artist.name", "Stone" })
suite:where("endswith percent", "Album", { "endswith", "@Album.title", "%" })
suite:where("endswith unicode", "Album", { "endswith", "@Album.title", "夜" })
suite:where("contains", "Artist", { "contains", "@Artist.name", "en" })
suite:where("contains underscore", "Album", { "contains", "@Album.title", "_" })
suite:where("contains percent", "Album", { "contains", "@Album.title", "0%" })
suite:where("contains slash", "Customer", { "contains", "@Customer.notes", "/" })
suite:where("contains backslash", "Album", { "contains", "@Album.title", "\\" })
suite:where("contains all wildcards", "Customer", { "contains", "@Customer.notes", "a_b%c" })
suite:where("not contains", "Artist", { "not", { "contains", "@Artist.name", "o" } })
suite:where("glob", "Artist", { "glob", "@Artist.name", "[BG]*" })
suite:where("glob is case sensitive", "Artist", { "glob", "@Artist.name", "blue*" })
suite:where("regexp prefix", "Artist", { "regexp", "@Artist.name", "^Bl" })
suite:where("regexp class", "Artist", { "regexp", "@Artist.name", "[xyz]" })
suite:where("regexp end", "Artist", { "regexp", "@Artist.name", "er$" })
suite:where("regexp alternatives", "Artist", { "regexp", "@Artist.name", "Fire|Moon" })
suite:where("not regexp", "Artist", { "not", { "regexp", "@Artist.name", "e" } })
suite:where("collate nocase", "Customer", { "eq", { "collate", "@Customer.city", "NOCASE" }, "OSLO" })
suite:where("op", "Track", { "op", "@Track.number", "&", 3 })
suite:where("op in a comparison", "Track", { "eq", { "op", "@Track.number", "%", 4 }, 1 })
suite:where("like on a number column cast", "Track",
  { "like", { "cast", "@Track.seconds", { "String", 10 } }, "1%" })

return suite.list
