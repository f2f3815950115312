-- SPDX-License-Identifier: MIT
-- AND, OR, NOT as functions and as operators, precedence, three-valued logic.
-- luacheck: no max line length

local suite = require("spec.differential.suite").new("boolean")

local long = { "gt", "@Track.seconds", 600 }
local early = { "lt", "@Track.number", 4 }
local loud = { "ge", "@Track.gain", 6.0 }
local explicit = "@Track.explicit"

suite:where("and", "Track", { "and", long, early })
suite:where("or", "Track", { "or", long, early })
suite:where("not", "Track", { "not", long })
suite:where("not and", "Track", { "not", { "and", long, early } })
suite:where("not or", "Track", { "not", { "or", long, early } })
suite:where("not not", "Track", { "not", { "not", long } })
suite:where("and of or", "Track", { "and", { "or", long, early }, loud })
suite:where("or of and", "Track", { "or", { "and", long, early }, loud })
suite:where("and three", "Track", { "and", long, early, loud })
suite:where("or three", "Track", { "or", long, early, loud })
suite:where("several arguments of where", "Track", long, early)
suite:query("several wheres", { "select", "@Track.id", { "where", long }, { "where", early } })
suite:query("where then filter", { "select", "@Track.id", { "where", long }, { "filter", early } })
suite:where("operator and", "Track", { "band", long, early })
suite:where("operator or", "Track", { "bor", long, early })
suite:where("operator not", "Track", { "bnot", long })
suite:where("operators together", "Track", { "bor", long, { "band", early, { "bnot", loud } } })
suite:where("operators grouped", "Track", { "band", { "bor", long, early }, loud })
suite:where("column in and", "Track", { "and", explicit, long })
suite:where("column negated in or", "Track", { "or", { "not", explicit }, long })
suite:where("operator not on a column", "Track", { "bnot", explicit })
suite:where("and true", "Track", { "and", { "true" }, loud })
suite:where("or true", "Artist", { "or", { "true" }, { "eq", "@Artist.id", 1 } })
suite:where("and false", "Track", { "and", { "false" }, loud })
suite:where("or false", "Track", { "or", { "false" }, loud })
suite:where("true alone", "Tag", { "true" })
suite:where("false alone", "Tag", { "false" })
suite:where("not true", "Tag", { "not", { "true" } })
suite:where("null in not", "Track", { "not", { "eq", "@Track.composer", "x" } })
suite:where("null in or", "Track", { "or", { "eq", "@Track.composer", "x" }, explicit })
suite:where("not in inside not", "Track",
  { "not", { "or", { "in", "@Track.number", { "list", 1, 2 } }, { "eq", "@Track.genre_id", { "null" } } } })
suite:where("comparison of comparisons", "Track",
  { "eq", { "gt", "@Track.seconds", 500 }, { "gt", "@Track.number", 7 } })
suite:where("negated like and in", "Artist", { "and", { "not", { "like", "@Artist.name", "%e%" } },
  { "not", { "in", "@Artist.country", { "list", "DE", "NO" } } } })
suite:query("filter_by one", { "select", "@Album", { "filter_by", { kind = "live" } } })
suite:query("filter_by two", { "select", "@Album", { "filter_by", { kind = "lp", artist_id = 12 } } })
suite:query("filter_by date", { "select", "@Customer", { "filter_by", { vip = true, city = "Oslo" } } })
suite:query("filter_by after join is of the joined", {
  "select", "@Artist", { "join", "@Artist.albums" }, { "filter_by", { kind = "live" } },
})
suite:query("filter_by relationship", {
  "select", "@Album.id", { "filter_by", { artist = { "object", "@Artist", 7 } } },
})
suite:query("deep nesting", { "select", "@Track.id", { "where",
  { "or",
    { "and", { "or", long, { "and", early, loud } }, { "not", { "or", loud, explicit } } },
    { "and", { "not", { "and", long, { "not", early } } }, { "eq", "@Track.genre_id", 3 } } } } })

return suite.list
