-- SPDX-License-Identifier: MIT
-- Subqueries, correlation, EXISTS, common table expressions, set operations,
-- tuples and text fragments.
-- luacheck: no max line length

local suite = require("spec.differential.suite").new("subqueries")

local function select(entities, ...)
  return { "select", entities, ... }
end

local function func(name, ...)
  return { "func", name, ... }
end

local counts = { "counts", { "subquery", select({ "@Album.artist_id", { "label", func("count", "@Album.id"), "n" } },
  { "group_by", "@Album.artist_id" }) } }

suite:query("select from a subquery", select({ "@counts.artist_id", "@counts.n" }), nil, { counts })
suite:query("filter a subquery", select({ "@counts.artist_id" }, { "where", { "gt", "@counts.n", 4 } }), nil, { counts })
suite:query("join a subquery", select({ "@Artist.name", "@counts.n" }, { "join", "@counts", { "eq", "@counts.artist_id", "@Artist.id" } }), nil, { counts })
suite:query("outer join a subquery", select({ "@Artist.id", "@counts.n" }, { "outerjoin", "@counts", { "eq", "@counts.artist_id", "@Artist.id" } }), nil, { counts })
suite:query("coalesce over an outer joined subquery", select({ "@Artist.id", func("coalesce", "@counts.n", 0) },
  { "outerjoin", "@counts", { "eq", "@counts.artist_id", "@Artist.id" } }, { "order_by", "@Artist.id" }), nil, { counts })
suite:query("aggregate of a subquery", select({ func("max", "@counts.n"), func("avg", "@counts.n") }), nil, { counts })
suite:query("named subquery", select({ "@s.id" }), nil, { { "s", { "subquery", select("@Tag.id"), "tags" } } })
suite:query("subquery with limit", select({ "@s.id", "@Track.id" }, { "join", "@Track", { "eq", "@Track.album_id", "@s.id" } }), nil,
  { { "s", { "subquery", select({ "@Album.id" }, { "order_by", { "desc", "@Album.id" } }, { "limit", 30 }) } } })
suite:query("two subqueries", select({ "@s.id", "@t.id" }, { "where", { "eq", "@s.id", { "add", "@t.id", 1 } } }), nil,
  { { "s", { "subquery", select("@Tag.id") } }, { "t", { "subquery", select("@Tag.id") } } })
suite:query("subquery of a subquery", select({ "@t.n" }), nil,
  { counts, { "t", { "subquery", select({ { "label", func("max", "@counts.n"), "n" } }) } } })
suite:query("entity from a subquery", select("@hit", { "order_by", "@hit.id" }), nil,
  { { "s", { "subquery", select("@Album", { "where", { "eq", "@Album.kind", "lp" } }, { "order_by", "@Album.id" }, { "limit", 10 }) } },
    { "hit", { "aliased", "@Album", "@s" } } })
suite:query("all columns of an entity subquery", select({ "@s.id", "@s.word" }), nil, { { "s", { "subquery", select("@Tag") } } })

-- Correlated scalar subqueries
local albums = { "scalar", select({ func("count", "@Album.id") }, { "where", { "eq", "@Album.artist_id", "@Artist.id" } }) }
suite:query("correlated count", select({ "@Artist.id", albums }))
suite:query("correlated count with a label", select({ "@Artist.id", { "label", albums, "n" } }, { "order_by", "@Artist.id" }), { "names", "id", "n" })
suite:query("correlated in where", select("@Artist.id", { "where", { "gt", albums, 4 } }))
suite:query("correlated in order", select("@Artist.id", { "order_by", { "desc", albums }, "@Artist.id" }, { "limit", 10 }))
suite:query("scalar of nothing", select({ "@Tag.id", { "scalar", select("@Artist.name", { "where", { "eq", "@Artist.id", -1 } }) } }))
suite:query("uncorrelated scalar", select("@Track.id", { "where", { "eq", "@Track.seconds", { "scalar", select({ func("max", "@Track.seconds") }) } } }), nil)
suite:query("scalar against an alias", select("@t.id", { "where", { "eq", "@t.seconds", { "scalar", select({ func("max", "@Track.seconds") },
  { "where", { "eq", "@Track.genre_id", "@t.genre_id" } }) } } }), nil, { { "t", { "aliased", "@Track" } } })
suite:query("scalar in arithmetic", select({ "@Artist.id", { "add", albums, 100 } }, { "where", { "lt", "@Artist.id", 9 } }))
suite:query("scalar of a string", select({ "@Album.id", { "scalar", select("@Artist.name", { "where", { "eq", "@Artist.id", "@Album.artist_id" } }) } },
  { "where", { "lt", "@Album.id", 9 } }))
suite:query("scalar of a date", select({ "@Artist.id", { "scalar", select({ func("min", "@Album.released") }, { "where", { "eq", "@Album.artist_id", "@Artist.id" } }) } }))

-- EXISTS
local with_tracks = { "exists", select("@Track", { "where", { "eq", "@Track.album_id", "@Album.id" } }) }
suite:where("exists", "Album", with_tracks)
suite:where("not exists", "Album", { "not", with_tracks })
suite:where("exists and condition", "Album", { "and", with_tracks, { "eq", "@Album.kind", "ep" } })
suite:query("exists as a value", select({ "@Album.id", with_tracks }))
suite:query("select exists", select({ { "exists", select("@Tag", { "where", { "eq", "@Tag.id", 3 } }) } }))
suite:query("select exists of nothing", select({ { "exists", select("@Tag", { "where", { "eq", "@Tag.id", 300 } }) } }))
suite:where("exists in exists", "Artist", { "exists", select("@Album", { "where", { "eq", "@Album.artist_id", "@Artist.id" },
  { "exists", select("@Track", { "where", { "eq", "@Track.album_id", "@Album.id" }, { "gt", "@Track.seconds", 850 } }) } }) })
suite:where("exists with an alias", "Employee", { "exists", select("@e", { "where", { "eq", "@e.boss_id", "@Employee.id" } }) })
suite.list[#suite.list].let = { { "e", { "aliased", "@Employee" } } }

-- Common table expressions
local big = { "big", { "cte", select({ "@Track.id", "@Track.album_id" }, { "where", { "gt", "@Track.seconds", 700 } }), "big" } }
suite:query("cte", select({ "@big.id" }), nil, { big })
suite:query("cte joined", select({ "@Album.id", "@big.id" }, { "join", "@big", { "eq", "@big.album_id", "@Album.id" } }), nil, { big })
suite:query("cte twice", select({ "@big.id", "@more.id" }, { "where", { "eq", "@big.id", "@more.id" } }), nil,
  { big, { "more", { "cte", select("@Track.id", { "where", { "gt", "@Track.number", 10 } }), "more" } } })
suite:query("cte of a cte", select({ "@most.n" }), nil,
  { { "c", { "cte", select({ "@Album.artist_id", { "label", func("count", "@Album.id"), "n" } }, { "group_by", "@Album.artist_id" }), "c" } },
    { "most", { "cte", select({ { "label", func("max", "@c.n"), "n" } }), "most" } } })
suite:query("cte in a subquery", select("@Track.id", { "where", { "in", "@Track.id", select("@big.id") } }), nil, { big })
suite:query("cte aggregated", select({ func("count", "@big.id") }), nil, { big })

local tree = { "tree", { "recursive", "tree",
  select({ "@Genre.id", "@Genre.name", { "label", { "lit", 0 }, "depth" } }, { "where", { "eq", "@Genre.parent_id", { "null" } } }),
  select({ "@Genre.id", "@Genre.name", { "add", "@tree.depth", 1 } }, { "join", "@tree", { "eq", "@Genre.parent_id", "@tree.id" } }) } }
suite:query("recursive tree", select({ "@tree.id", "@tree.name", "@tree.depth" }), nil, { tree })
suite:query("recursive tree filtered", select({ "@tree.name" }, { "where", { "ge", "@tree.depth", 2 } }), nil, { tree })
suite:query("recursive tree grouped", select({ "@tree.depth", func("count", "@tree.id") }, { "group_by", "@tree.depth" }), nil, { tree })
suite:query("recursive tree joined", select({ "@tree.depth", "@Track.id" }, { "join", "@Track", { "eq", "@Track.genre_id", "@tree.id" } },
  { "where", { "gt", "@tree.depth", 2 } }), nil, { tree })
suite:query("recursive numbers", select({ "@n.i" }), nil, { { "n", { "recursive", "n", select({ { "label", { "lit", 1 }, "i" } }),
  select({ { "add", "@n.i", 1 } }, { "where", { "lt", "@n.i", 12 } }) } } })
suite:query("recursive with union", select({ "@up.id" }), nil, { { "up", { "recursive", "up",
  select({ "@Employee.id", "@Employee.boss_id" }, { "where", { "gt", "@Employee.id", 20 } }),
  select({ "@e.id", "@e.boss_id" }, { "where", { "eq", "@e.id", "@up.boss_id" } }), "union" } } })
table.insert(suite.list[#suite.list].let, 1, { "e", { "aliased", "@Employee" } })

-- Set operations
local low = select("@Track.id", { "where", { "lt", "@Track.id", 20 } })
local function plus(step, ...)
  return { low[1], low[2], low[3], { step, select("@Track.id", { "where", { "between", "@Track.id", 15, 25 } }) }, ... }
end
for _, step in ipairs { "union", "union_all", "intersect", "except" } do
  suite:query(step, plus(step))
  suite:query(step .. " ordered", plus(step, { "order_by", { "desc", "@Track.id" } }))
  suite:query(step .. " limited", plus(step, { "order_by", "@Track.id" }, { "limit", 3 }, { "offset", 2 }))
  suite:query(step .. " counted", plus(step), { "count" })
  suite:query(step .. " of entities", { "select", "@Album", { "where", { "lt", "@Album.id", 20 } },
    { step, select("@Album", { "where", { "gt", "@Album.id", 15 }, { "lt", "@Album.id", 30 } }) } })
end
suite:query("union of three", { "select", "@Tag.id", { "where", { "eq", "@Tag.id", 1 } },
  { "union", select("@Tag.id", { "where", { "eq", "@Tag.id", 5 } }), select("@Tag.id", { "where", { "eq", "@Tag.id", 7 } }) } })
suite:query("union of pairs", { "select", { "@Artist.id", "@Artist.name" }, { "where", { "lt", "@Artist.id", 4 } },
  { "union", select({ "@Tag.id", "@Tag.word" }) } })
suite:query("union filtered", plus("union", { "where", { "gt", "@Track.id", 17 } }))
suite:query("union of entities filtered", { "select", "@Tag", { "where", { "lt", "@Tag.id", 4 } },
  { "union", select("@Tag", { "where", { "gt", "@Tag.id", 7 } }) }, { "where", { "ne", "@Tag.word", "live" } }, { "order_by", { "desc", "@Tag.id" } } })
suite:query("union of unions", { "select", "@Tag.id", { "where", { "eq", "@Tag.id", 1 } },
  { "union", select("@Tag.id", { "where", { "eq", "@Tag.id", 2 } }) }, { "except", select("@Tag.id", { "where", { "eq", "@Tag.id", 1 } }) } })
suite:query("union in a subquery", select({ "@u.n" }, { "where", { "gt", "@u.n", 18 } }), nil,
  { { "u", { "subquery", select({ { "label", "@Tag.id", "n" } }, { "union", select({ { "label", "@Track.id", "n" } }, { "where", { "lt", "@Track.id", 30 } }) }) } } })
suite:where("in a union", "Album", { "in", "@Album.id", plus("union") })
suite:query("union keeps types", { "select", "@Album.released", { "where", { "lt", "@Album.id", 6 } },
  { "union_all", select("@Employee.hired", { "where", { "lt", "@Employee.id", 6 } }) } })

-- Tuples
suite:query("tuple in", select({ "@InvoiceLine.invoice_id", "@InvoiceLine.line_no" }, { "where", { "in", { "tuple", "@InvoiceLine.invoice_id", "@InvoiceLine.line_no" },
  { "list", { "list", 3, 1 }, { "list", 4, 2 }, { "list", 4, 9 } } } }))
suite:query("tuple in a query", select({ "@Stock.album_id", "@Stock.place" }, { "where", { "in", { "tuple", "@Stock.album_id", "@Stock.place" },
  select({ "@Stock.album_id", func("min", "@Stock.place") }, { "group_by", "@Stock.album_id" }) } }))

-- Text fragments
suite:where("text", "Track", { "text", "track.seconds > 880" })
suite:where("text with parameters", "Track", { "text", "track.seconds BETWEEN :low AND :high", { low = 100, high = 110 } })
suite:where("text with a string parameter", "Artist", { "text", "artist.bio = :x", { x = 'It\'s "quoted"' } })
suite:where("text in or", "Track", { "or", { "text", "track.number = 3" }, { "eq", "@Track.number", 5 } })
suite:where("text with a colon in a literal", "Customer", { "text", "customer.email LIKE 'user1%' AND '12\\:30' <> :t", { t = "x" } })
suite:query("text in order", select("@Tag.id", { "order_by", { "text", "tag.word DESC" } }))
suite:query("text as a value", select({ "@Tag.id", { "label", { "func", "coalesce", { "sql_null" }, 7 }, "n" } }, { "where", { "text", "1=1" } }))

return suite.list
