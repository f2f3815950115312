-- SPDX-License-Identifier: MIT
-- How a query ends: all, first, one, scalar, get, count, each, paginate; what
-- comes out of every column type; loading options; errors.
-- luacheck: no max line length

local suite = require("spec.differential.suite").new("ends")

local function select(entities, ...)
  return { "select", entities, ... }
end

local none = { "where", { "eq", "@Tag.id", -1 } }
local single = { "where", { "eq", "@Tag.id", 4 } }
local several = { "where", { "gt", "@Tag.id", 4 } }

-- The matrix of ends over no, one and several rows
for _, count in ipairs { { "no row", none }, { "one row", single }, { "several rows", several } } do
  for _, finish in ipairs { "all", "first", "one", "one_or_none", "scalar", "count", "any", "scalars", "each" } do
    suite:query(finish .. " of " .. count[1], select("@Tag", count[2], { "order_by", "@Tag.id" }), { finish })
    suite:query(finish .. " of a column of " .. count[1], select("@Tag.word", count[2], { "order_by", "@Tag.id" }), { finish })
  end
  for _, finish in ipairs { "all", "first", "one", "one_or_none", "scalar", "count", "any", "each" } do
    suite:query(finish .. " of a pair of " .. count[1], select({ "@Tag.id", "@Tag.word" }, count[2], { "order_by", "@Tag.id" }), { finish })
  end
end
suite:query("scalar of null", select("@Track.composer", { "where", { "eq", "@Track.composer", { "null" } } }, { "order_by", "@Track.id" }, { "limit", 1 }), { "scalar" })
suite:query("first of null", select("@Track.composer", { "where", { "eq", "@Track.composer", { "null" } } }, { "order_by", "@Track.id" }), { "first" })
suite:query("first after limit", select("@Tag", { "order_by", { "desc", "@Tag.id" } }, { "limit", 3 }), { "first" })
suite:query("first after limit zero", select("@Tag", { "limit", 0 }), { "first" })
suite:query("first after offset", select("@Tag", { "order_by", "@Tag.id" }, { "offset", 4 }), { "first" })
suite:query("one with limit", select("@Tag", { "order_by", "@Tag.id" }, { "limit", 1 }), { "one" })
suite:query("count with limit", select("@Track", { "limit", 7 }), { "count" })
suite:query("count with offset", select("@Tag", { "limit", 100 }, { "offset", 7 }), { "count" })
suite:query("count with distinct", select("@Customer.city", { "distinct" }), { "count" })
suite:query("count with group by", select("@Track.genre_id", { "group_by", "@Track.genre_id" }), { "count" })
suite:query("count of everything", select("@Track"), { "count" })
suite:query("any with limit", select("@Tag", { "limit", 1 }), { "any" })
suite:query("one over a join is one entity", select("@Artist", { "join", "@Artist.albums" }, { "where", { "eq", "@Artist.id", 4 } }), { "one" })

suite:query("get", select("@Track"), { "get", 5 })
suite:query("get missing", select("@Track"), { "get", 99999 })
suite:query("get negative", select("@Track"), { "get", -1 })
suite:query("get composite", select("@InvoiceLine"), { "get", 3, 1 })
suite:query("get composite missing", select("@InvoiceLine"), { "get", 3, 77 })
suite:query("get mixed composite", select("@Stock"), { "get", 1, "depot" })
suite:query("get with too few keys", select("@InvoiceLine"), { "get", 3 })
suite:query("get with too many keys", select("@Track"), { "get", 3, 4 })
suite:ops("get twice is the same row", { { "get", "a", "@Track", 5 }, { "get", "b", "@Track", 5 }, { "attr", "b", "id", "title", "album_id" } })

for _, batch in ipairs { 1, 7, 100, 5000 } do
  suite:query("each by " .. batch, select("@Track.id", { "order_by", "@Track.id" }), { "each", batch })
end
suite:query("each over entities", select("@Album", { "order_by", "@Album.id" }), { "each", 10 })
suite:query("each over rows", select({ "@Album.id", "@Album.title" }, { "order_by", "@Album.id" }), { "each" })

for _, p in ipairs { { page = 1, per_page = 20 }, { page = 2, per_page = 20 }, { page = 8, per_page = 20 }, { page = 1, per_page = 1 },
  { page = 150, per_page = 1 }, { page = 1, per_page = 150 }, { page = 2, per_page = 149 }, { page = 3, per_page = 60, max_per_page = 50 },
  { page = 1, per_page = 90, max_per_page = 100 } } do
  suite:query(("paginate %d by %d%s"):format(p.page, p.per_page, p.max_per_page and " at most " .. p.max_per_page or ""),
    select("@Customer", { "order_by", "@Customer.id" }), { "paginate", p })
end
suite:query("paginate nothing", select("@Tag", none), { "paginate", { page = 1, per_page = 5 } })
suite:query("paginate filtered", select("@Customer", { "where", { "eq", "@Customer.vip", true } }, { "order_by", "@Customer.name", "@Customer.id" }),
  { "paginate", { page = 2, per_page = 7 } })

-- Every column of every model comes out with its type
for _, model in ipairs { "Genre", "Artist", "Tag", "Album", "Employee", "Customer", "Playlist", "Review", "Shipment" } do
  suite:query("columns of " .. model, select("@" .. model, { "order_by", "@" .. model .. ".id" }), { "columns" })
end
suite:query("columns of Track", select("@Track", { "where", { "lt", "@Track.id", 300 } }), { "columns" })
suite:query("columns of Invoice", select("@Invoice", { "where", { "lt", "@Invoice.id", 100 } }), { "columns" })
suite:query("columns of InvoiceLine", select("@InvoiceLine", { "where", { "lt", "@InvoiceLine.invoice_id", 60 } }), { "columns" })
suite:query("columns of Stock", select("@Stock"), { "columns" })
for _, c in ipairs { "Artist.info", "Customer.prefs", "Album.cover", "Album.price", "Album.released", "Employee.shift", "Customer.joined",
  "Shipment.transit", "Artist.active", "Track.bytes", "Track.gain", "Album.kind", "Customer.notes" } do
  local model = c:match "^%w+"
  suite:query("column " .. c, select({ "@" .. model .. ".id", "@" .. c }, { "order_by", "@" .. model .. ".id" }, { "limit", 150 }))
end
for _, t in ipairs { "genre", "artist", "tag", "album", "track", "employee", "customer", "playlist", "invoice", "invoice_line", "review",
  "stock", "shipment", "playlist_track", "artist_tag" } do
  suite:ops("stored " .. t, { { "dump", t } })
end

-- Loading
local few = { "where", { "lt", "@Artist.id", 12 } }
local albums = { albums = {} }
local deep = { albums = { tracks = { genre = {} } }, tags = {} }
suite:query("lazy collection", select("@Artist", few), { "graph", albums })
suite:query("lazy graph", select("@Artist", few), { "graph", deep })
suite:query("lazy parents", select("@Track", { "where", { "lt", "@Track.id", 60 } }), { "graph", { album = { artist = {} }, genre = { parent = {} } } })
suite:query("lazy self reference", select("@Employee"), { "graph", { boss = { boss = {} }, reports = {} } })
suite:query("lazy many to many", select("@Playlist"), { "graph", { tracks = {}, owner = {} } })
suite:query("lazy one to one", select("@Invoice", { "where", { "lt", "@Invoice.id", 30 } }), { "graph", { shipment = { invoice = {} }, lines = {} } })
for _, loader in ipairs { "joinedload", "selectinload", "subqueryload", "lazyload", "immediateload" } do
  suite:query(loader, select("@Artist", few, { "options", { loader, "@Artist.albums" } }), { "graph", albums })
  suite:query(loader .. " of a parent", select("@Album", { "where", { "lt", "@Album.id", 40 } }, { "options", { loader, "@Album.artist" } }),
    { "graph", { artist = {} } })
  suite:query(loader .. " many to many", select("@Artist", few, { "options", { loader, "@Artist.tags" } }), { "graph", { tags = {} } })
  suite:query(loader .. " nested", select("@Artist", few, { "options", { loader, "@Artist.albums", { loader, "@Album.tracks" } } }),
    { "graph", { albums = { tracks = {} } } })
  suite:query(loader .. " self referential", select("@Employee", { "options", { loader, "@Employee.reports" } }), { "graph", { reports = {} } })
  suite:query(loader .. " with limit", select("@Artist", { "order_by", "@Artist.id" }, { "limit", 5 }, { "offset", 3 }, { "options", { loader, "@Artist.albums" } }),
    { "graph", albums })
end
suite:query("two loaders", select("@Artist", few, { "options", { "joinedload", "@Artist.albums" }, { "selectinload", "@Artist.tags" } }),
  { "graph", { albums = {}, tags = {} } })
suite:query("mixed nested loaders", select("@Artist", few, { "options", { "selectinload", "@Artist.albums", { "joinedload", "@Album.tracks", { "joinedload", "@Track.genre" } } } }),
  { "graph", deep })
suite:query("contains_eager", select("@Artist", few, { "join", "@Artist.albums" }, { "where", { "eq", "@Album.kind", "lp" } },
  { "options", { "contains_eager", "@Artist.albums" } }), { "graph", albums })
suite:query("contains_eager of a parent", select("@Album", { "join", "@Album.artist" }, { "where", { "lt", "@Artist.id", 5 } },
  { "options", { "contains_eager", "@Album.artist" } }), { "graph", { artist = {} } })
suite:query("noload", select("@Artist", few, { "options", { "noload", "@Artist.albums" } }), { "graph", albums })
suite:query("raiseload", select("@Artist", few, { "options", { "raiseload", "@Artist.albums" } }), { "graph", albums })
suite:query("load_only", select("@Album", { "where", { "lt", "@Album.id", 9 } }, { "options", { "load_only", "@Album.title" } }), { "columns" })
suite:query("defer", select("@Album", { "where", { "lt", "@Album.id", 9 } }, { "options", { "defer", "@Album.cover" } }), { "columns" })
suite:query("joined load keeps one row for each parent", select("@Artist", few, { "options", { "joinedload", "@Artist.albums" } }), { "all" })
suite:query("joined load and count", select("@Artist", few, { "options", { "joinedload", "@Artist.albums" } }), { "count" })
suite:query("joined load and first", select("@Artist", few, { "order_by", "@Artist.id" }, { "options", { "joinedload", "@Artist.albums" } }), { "first" })

-- Execution through the session
suite:ops("session execute", { { "exec", select({ "@Tag.id", "@Tag.word" }, { "order_by", "@Tag.id" }) } })
suite:ops("session scalar", { { "session_scalar", select({ { "func", "count", "@Tag.id" } }) } })
suite:ops("session scalar of several", { { "session_scalar", select("@Tag.id", { "order_by", "@Tag.id" }) } })
suite:ops("session scalar of nothing", { { "session_scalar", select("@Tag.id", none) } })
suite:ops("session scalars", { { "session_scalars", select("@Tag.word", { "order_by", "@Tag.id" }) } })
suite:ops("text rows", { { "text", "SELECT id, word FROM tag WHERE id > :n ORDER BY id", { n = 6 } } })
suite:ops("text without parameters", { { "text", "SELECT count(*), 1.5, 'x', NULL FROM track" } })
suite:ops("text null parameter", { { "text", "SELECT :x IS NULL", { x = { "null" } } } })
suite:ops("text blob", { { "text", "SELECT x'00ff80', cast('é' AS TEXT)" } })

-- Errors
suite:query("error: no join path", select({ "@Tag.id", "@Track.id" }, { "select_from", "@Tag" }, { "join", "@Track" }))
suite:query("error: filter after limit", select("@Tag", { "limit", 3 }, { "where", { "gt", "@Tag.id", 1 } }))
suite:query("error: filter_by after limit", select("@Tag", { "limit", 3 }, { "filter_by", { id = 1 } }))
suite:query("error: order_by after limit", select("@Tag", { "limit", 3 }, { "order_by", "@Tag.id" }))
suite:query("error: join after limit", select("@Artist", { "limit", 3 }, { "join", "@Artist.albums" }))
suite:query("error: filter_by unknown name", select("@Tag", { "filter_by", { wrod = "x" } }))
suite:query("error: string to where", select("@Tag", { "where", "id = 1" }))
suite:query("error: get after a filter", select("@Tag", { "where", { "gt", "@Tag.id", 1 } }), { "get", 1 })
suite:query("error: bad order text", select("@Tag", { "order_by", "nosuch" }))
suite:ops("error: text parameter missing", { { "text", "SELECT :x" } })
suite:ops("error: bad sql", { { "text", "SELEC 1" } })
suite:ops("error: no such table", { { "text", "SELECT * FROM nosuch" } })
suite:query("error: no such function", select({ { "func", "nosuchfunction", 1 } }))
suite:query("error: update after limit", select("@Tag", { "limit", 2 }), { "all" })
suite.list[#suite.list].ops = { { "update", select("@Tag", { "limit", 2 }), { word = "x" } } }
suite:ops("error: delete after limit", { { "delete", select("@Tag", { "limit", 2 }) } })
suite:ops("error: unique", { { "new", "x", "@Tag", { word = "calm" } }, { "flush" } })
suite:ops("error: not null", { { "insert", "@Album", { { title = "x" } } } })
suite:ops("error: foreign key", { { "insert", "@Album", { { title = "x", artist_id = 5000 } } } })
suite:ops("error: primary key", { { "insert", "@Tag", { { id = 1, word = "x" } } } })
suite:ops("error: after a failed flush", { { "new", "x", "@Tag", { word = "calm" } }, { "flush" }, { "run", select("@Tag.id"), { "all" } },
  { "rollback" }, { "run", select("@Tag.id"), { "all" } } })
suite:ops("error: autoflush on a query", { { "new", "x", "@Tag", { word = "calm" } }, { "run", select("@Tag"), { "all" } } })
suite:query("error: union of different widths", { "select", { "@Tag.id", "@Tag.word" }, { "union", select("@Tag.id") } })
suite:query("error: scalar of two entities", select({ "@Tag", "@Artist" }, { "where", { "eq", "@Tag.id", "@Artist.id" } }), { "one" })
suite:query("error: any on a scalar relationship", select("@Album", { "where", { "any", "@Album.artist" } }))
suite:query("error: has on a collection", select("@Artist", { "where", { "has", "@Artist.albums" } }))
suite:query("error: contains on a scalar relationship", select("@Album", { "where", { "has_member", "@Album.artist", { "object", "@Artist", 1 } } }))

return suite.list
