-- SPDX-License-Identifier: MIT
-- Joins in every spelling, aliases, relationship comparisons.
-- luacheck: no max line length

local suite = require("spec.differential.suite").new("joins")

local function select(entities, ...)
  return { "select", entities, ... }
end

local pair = { "@Album.id", "@Track.id" }
local few = { "where", { "lt", "@Album.id", 25 } }
local match = { "eq", "@Track.album_id", "@Album.id" }

suite:query("by relationship", select(pair, { "join", "@Album.tracks" }, few))
suite:query("by relationship of the many side", select({ "@Track.id", "@Album.id" }, { "join", "@Track.album" }, few))
suite:query("by target", select(pair, { "select_from", "@Album" }, { "join", "@Track" }, few))
suite:query("by target from the many side", select({ "@Track.id", "@Genre.name" }, { "select_from", "@Track" }, { "join", "@Genre" }))
suite:query("by condition", select(pair, { "select_from", "@Album" }, { "join", "@Track", match }, few))
suite:query("by a wider condition", select(pair, { "select_from", "@Album" },
  { "join", "@Track", { "and", match, { "gt", "@Track.seconds", 400 } } }, few))
suite:query("by target and relationship", select(pair, { "join", "@Track", "@Album.tracks" }, few))
suite:query("outer by relationship", select(pair, { "outerjoin", "@Album.tracks" }, few))
suite:query("outer by condition", select(pair, { "select_from", "@Album" }, { "outerjoin", "@Track", match }, few))
suite:query("outer with null test", select("@Album.id", { "outerjoin", "@Album.tracks" }, { "where", { "eq", "@Track.id", { "null" } } }))
suite:query("outer of the many side", select({ "@Track.id", "@Genre.id" }, { "outerjoin", "@Track.genre" }, { "where", { "lt", "@Track.id", 60 } }))
suite:query("chain", select({ "@Artist.id", "@Album.id", "@Track.id" }, { "join", "@Artist.albums" }, { "join", "@Album.tracks" }, few))
suite:query("chain of four", select({ "@Customer.id", "@Track.id", "@Genre.name" }, { "join", "@Customer.invoices" },
  { "join", "@Invoice.lines" }, { "join", "@InvoiceLine.track" }, { "join", "@Track.genre" }, { "where", { "lt", "@Customer.id", 12 } }))
suite:query("chain by targets", select({ "@Artist.id", "@Track.id" }, { "select_from", "@Artist" }, { "join", "@Album" }, { "join", "@Track" }, few))
suite:query("inner then outer", select({ "@Artist.id", "@Album.id", "@Track.id" }, { "join", "@Artist.albums" }, { "outerjoin", "@Album.tracks" }, few))
suite:query("two branches", select({ "@Track.id", "@Album.id", "@Genre.id" }, { "join", "@Track.album" }, { "join", "@Track.genre" }, few))
suite:query("many to many", select({ "@Playlist.id", "@Track.id" }, { "join", "@Playlist.tracks" }))
suite:query("many to many backwards", select({ "@Track.id", "@Playlist.name" }, { "join", "@Track.playlists" }))
suite:query("many to many outer", select({ "@Artist.id", "@Tag.word" }, { "outerjoin", "@Artist.tags" }))
suite:query("through the plain table", select({ "@Artist.id", "@Tag.id" }, { "select_from", "@Artist" },
  { "join", "@artist_tag", { "eq", "@artist_tag.artist_id", "@Artist.id" } },
  { "join", "@Tag", { "eq", "@Tag.id", "@artist_tag.tag_id" } }))
suite:query("one to one", select({ "@Invoice.id", "@Shipment.id" }, { "join", "@Invoice.shipment" }))
suite:query("entities of a join", select("@Album", { "join", "@Album.artist" }, { "where", { "eq", "@Artist.country", "NO" } }))
suite:query("join and group", select({ "@Genre.name", { "func", "count", "@Track.id" } }, { "select_from", "@Genre" }, { "outerjoin", "@Genre.tracks" },
  { "group_by", "@Genre.id" }, { "order_by", "@Genre.name" }))
suite:query("join counts rows", select("@Artist", { "join", "@Artist.albums" }), { "count" })

local a, b = { "a", { "aliased", "@Employee" } }, { "b", { "aliased", "@Employee" } }
suite:query("self join", select({ "@Employee.id", "@b.id" }, { "join", "@b", { "eq", "@Employee.boss_id", "@b.id" } }), nil, { b })
suite:query("self join by relationship and target", select({ "@Employee.id", "@b.last_name" }, { "join", "@b", "@Employee.boss" }), nil, { b })
suite:query("self join outer", select({ "@Employee.id", "@b.id" }, { "outerjoin", "@b", "@Employee.boss" }), nil, { b })
suite:query("self join down", select({ "@Employee.id", "@b.id" }, { "join", "@b", "@Employee.reports" }), nil, { b })
suite:query("self join of two aliases", select({ "@a.id", "@b.id" }, { "select_from", "@a" }, { "join", "@b", { "eq", "@a.boss_id", "@b.id" } }), nil, { a, b })
suite:query("relationship of an alias", select({ "@a.id", "@b.id" }, { "select_from", "@a" }, { "join", "@b", "@a.boss" }), nil, { a, b })
suite:query("grandparents", select({ "@Genre.name", "@p.name", "@g.name" }, { "join", "@p", "@Genre.parent" }, { "outerjoin", "@g", "@p.parent" }), nil,
  { { "p", { "aliased", "@Genre" } }, { "g", { "aliased", "@Genre" } } })
suite:query("alias alone", select("@a", { "where", { "gt", "@a.id", 18 } }), nil, { a })
suite:query("alias columns", select({ "@a.id", "@a.hired" }, { "order_by", "@a.id" }), nil, { a })
suite:query("alias against model", select({ "@Employee.id", "@a.id" }, { "where", { "lt", "@Employee.hired", "@a.hired" }, { "eq", "@a.id", 3 } }), nil, { a })
suite:query("alias of a joined model", select({ "@Album.id", "@t.id" }, { "join", "@t", "@Album.tracks" }, few), nil, { { "t", { "aliased", "@Track" } } })
suite:query("two joins to one model", select({ "@Album.id", "@t.id", "@u.id" }, { "join", "@t", "@Album.tracks" }, { "join", "@u", "@Album.tracks" },
  { "where", { "lt", "@t.seconds", "@u.seconds" } }, few), nil, { { "t", { "aliased", "@Track" } }, { "u", { "aliased", "@Track" } } })
suite:query("many to many to an alias", select({ "@Playlist.id", "@t.id" }, { "join", "@t", "@Playlist.tracks" }, { "where", { "lt", "@t.id", 100 } }), nil,
  { { "t", { "aliased", "@Track" } } })

-- any, has, contains, comparison with an instance
suite:where("any", "Artist", { "any", "@Artist.albums" })
suite:where("any with a condition", "Artist", { "any", "@Artist.albums", { "eq", "@Album.kind", "live" } })
suite:where("not any", "Artist", { "not", { "any", "@Artist.albums" } })
suite:where("any and condition", "Artist", { "and", { "any", "@Artist.albums", { "gt", "@Album.price", { "dec", "30.00" } } }, { "eq", "@Artist.country", "DE" } })
suite:where("any many to many", "Artist", { "any", "@Artist.tags", { "eq", "@Tag.word", "calm" } })
suite:where("any of any", "Artist", { "any", "@Artist.albums", { "any", "@Album.tracks", { "gt", "@Track.seconds", 880 } } })
suite:where("any self referential", "Employee", { "any", "@Employee.reports" })
suite:where("any self referential with a condition", "Genre", { "any", "@Genre.children", { "eq", "@Genre.name", "Metal" } })
suite:where("any over composite keys", "Invoice", { "any", "@Invoice.lines", { "eq", "@InvoiceLine.quantity", 6 } })
suite:where("has", "Album", { "has", "@Album.artist", { "eq", "@Artist.country", "JP" } })
suite:where("has without a condition", "Track", { "has", "@Track.album" })
suite:where("not has", "Track", { "not", { "has", "@Track.album" } })
suite:where("has self referential", "Employee", { "has", "@Employee.boss", { "eq", "@Employee.id", 1 } })
suite:where("has of has", "Track", { "has", "@Track.album", { "has", "@Album.artist", { "eq", "@Artist.country", "PL" } } })
suite:where("has and any", "Track", { "and", { "has", "@Track.album", { "eq", "@Album.kind", "ep" } }, { "any", "@Track.playlists" } })
suite:where("contains", "Artist", { "has_member", "@Artist.albums", { "object", "@Album", 12 } })
suite:where("contains many to many", "Playlist", { "has_member", "@Playlist.tracks", { "object", "@Track", 45 } })
suite:where("not contains", "Playlist", { "not", { "has_member", "@Playlist.tracks", { "object", "@Track", 45 } } })
suite:where("equals an instance", "Album", { "eq", "@Album.artist", { "object", "@Artist", 9 } })
suite:where("differs from an instance", "Genre", { "ne", "@Genre.parent", { "object", "@Genre", 1 } })
suite:where("relationship is null", "Track", { "eq", "@Track.album", { "null" } })
suite:where("relationship is not null", "Track", { "ne", "@Track.album", { "null" } })
suite:where("self reference equals", "Employee", { "eq", "@Employee.boss", { "object", "@Employee", 2 } })
suite:where("self reference is null", "Employee", { "eq", "@Employee.boss", { "null" } })
suite:where("one to one null", "Invoice", { "eq", "@Invoice.shipment", { "null" } })
suite:where("any of an alias", "Tag", { "any", "@Tag.artists", { "gt", "@Artist.rating", 5.0 } })

return suite.list
