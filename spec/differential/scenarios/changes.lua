-- SPDX-License-Identifier: MIT
-- Statements that change rows: bulk update and delete with the state of the
-- session, insert, upsert, and the dumps that they leave. All is rolled back.
-- luacheck: no max line length

local suite = require("spec.differential.suite").new("changes")

local function select(entities, ...)
  return { "select", entities, ... }
end

local function where(model, ...)
  return select("@" .. model, { "where", ... })
end

local some = { "lt", "@Review.id", 30 }
local dump = { "dump", "review" }

suite:ops("update all", { { "update", select("@Review"), { stars = 3 } }, dump })
suite:ops("update some", { { "update", where("Review", some), { stars = 1, body = "x" } }, dump })
suite:ops("update none", { { "update", where("Review", { "eq", "@Review.id", -1 }), { stars = 1 } } })
suite:ops("update to null", { { "update", where("Review", some), { body = { "null" } } }, dump })
suite:ops("update by expression", { { "update", where("Review", some), { stars = { "add", "@Review.stars", 1 } } }, dump })
suite:ops("update by another column", { { "update", where("Track", { "lt", "@Track.id", 50 }), { number = "@Track.genre_id" } },
  { "run", select({ "@Track.id", "@Track.number" }, { "where", { "lt", "@Track.id", 50 } }), { "all" } } })
suite:ops("update by function", { { "update", where("Tag", { "gt", "@Tag.id", 5 }), { word = { "func", "upper", "@Tag.word" } } }, { "dump", "tag" } })
suite:ops("update every type", { { "update", where("Customer", { "lt", "@Customer.id", 10 }), {
  city = "Ærø", joined = { "datetime", "2020-01-02 03:04:05.000678" }, vip = true, prefs = { "json", '{"a": [1, 2]}' }, photo = { "blob", "00ff" },
  notes = "ß" } }, { "dump", "customer" } })
suite:ops("update dates and decimals", { { "update", where("Employee", { "lt", "@Employee.id", 6 }), {
  hired = { "date", "2000-02-29" }, shift = { "time", "23:59:59.5" }, salary = { "dec", "1234567.80" } } }, { "dump", "employee" } })
suite:ops("update with in", { { "update", where("Review", { "in", "@Review.id", { "list", 1, 3, 5 } }), { stars = 5 } }, dump })
suite:ops("update with like", { { "update", where("Review", { "like", "@Review.body", "g%" }), { stars = 5 } }, dump })
suite:ops("update with a subquery", { { "update", where("Review", { "in", "@Review.track_id",
  select("@Track.id", { "where", { "eq", "@Track.genre_id", 2 } }) }), { stars = 2 } }, dump })
suite:ops("update with exists", { { "update", where("Review", { "exists", select("@Customer", { "where",
  { "eq", "@Customer.id", "@Review.customer_id" }, { "eq", "@Customer.vip", true } }) }), { stars = 4 } }, dump })

-- The objects of the session see bulk changes
local load = { "get", "a", "@Review", 7 }
suite:ops("loaded object after update", { load, { "attr", "a", "stars" }, { "update", where("Review", some), { stars = 2 } }, { "attr", "a", "stars" } })
suite:ops("loaded object not matched", { load, { "update", where("Review", { "gt", "@Review.id", 100 }), { stars = 2 } }, { "attr", "a", "stars", "body" } })
suite:ops("loaded object after expression", { load, { "update", where("Review", some), { stars = { "mul", "@Review.id", 10 } } }, { "attr", "a", "stars" } })
suite:ops("loaded object after update by like", { load, { "update", where("Review", { "not_like", "@Review.body", "zzz%" }), { stars = 9 } }, { "attr", "a", "stars" } })
suite:ops("changed object is flushed first", { load, { "set", "a", { body = "changed" } }, { "update", where("Review", { "eq", "@Review.body", "changed" }), { stars = 1 } },
  { "attr", "a", "body", "stars" } })
suite:ops("pending object is flushed first", { { "new", "n", "@Tag", { word = "zzz" } }, { "update", where("Tag", { "eq", "@Tag.word", "zzz" }), { word = "yyy" } },
  { "attr", "n", "word" } })
suite:ops("update with null in memory", { { "get", "a", "@Track", 12 }, { "attr", "a", "composer" }, { "update", where("Track", { "ne", "@Track.composer", "x" }), { number = 99 } },
  { "attr", "a", "number" } })
suite:ops("update with or in memory", { { "get", "a", "@Track", 12 }, { "get", "b", "@Track", 13 },
  { "update", where("Track", { "or", { "eq", "@Track.id", 12 }, { "and", { "gt", "@Track.seconds", 10 }, { "lt", "@Track.number", 9 } } }), { number = 77 } },
  { "attr", "a", "number" }, { "attr", "b", "number" } })
suite:ops("update rolled back", { load, { "attr", "a", "stars" }, { "update", where("Review", some), { stars = 2 } }, { "rollback" }, { "attr", "a", "stars" } })

suite:ops("delete some", { { "delete", where("Review", some) }, dump })
suite:ops("delete all", { { "delete", select("@Review") }, { "run", select("@Review"), { "count" } } })
suite:ops("delete none", { { "delete", where("Review", { "eq", "@Review.id", -1 }) } })
suite:ops("deleted object leaves the session", { load, { "held", "a" }, { "delete", where("Review", some) }, { "held", "a" } })
suite:ops("other object stays", { { "get", "a", "@Review", 200 }, { "delete", where("Review", some) }, { "held", "a" }, { "attr", "a", "id" } })
suite:ops("delete with in", { { "delete", where("Review", { "in", "@Review.id", { "list", 2, 4, 6 } }) }, dump })
suite:ops("delete with a subquery", { { "delete", where("Review", { "in", "@Review.customer_id",
  select("@Customer.id", { "where", { "eq", "@Customer.vip", true } }) }) }, dump })
suite:ops("delete refused by a foreign key", { { "delete", where("Artist", { "gt", "@Artist.id", 0 }) } })
suite:ops("delete rolled back", { load, { "delete", where("Review", some) }, { "rollback" }, { "held", "a" }, { "attr", "a", "id" } })
suite:ops("delete composite", { { "delete", where("InvoiceLine", { "eq", "@InvoiceLine.line_no", 2 }) }, { "dump", "invoice_line" } })
suite:ops("delete then insert", { { "delete", where("Review", { "gt", "@Review.id", 0 }) }, { "insert", "@Review", { { id = 1, customer_id = 1 } } }, dump })

-- INSERT
suite:ops("insert one", { { "insert", "@Tag", { { id = 50, word = "fifty" } } }, { "dump", "tag" } })
suite:ops("insert several", { { "insert", "@Tag", { { id = 50, word = "a" }, { id = 51, word = "b" }, { id = 52, word = "c" } } }, { "dump", "tag" } })
suite:ops("insert without a key", { { "insert", "@Tag", { { word = "next" } } }, { "dump", "tag" } })
suite:ops("insert every type", { { "insert", "@Customer", { { id = 900, name = "Ñ", email = "n@x", joined = { "datetime", "1999-12-31 23:59:59.999999" }, vip = false,
  prefs = { "json", '{"k": [true, null, 1.5]}' }, photo = { "blob", "0001fe" }, notes = "" } } }, { "run", where("Customer", { "eq", "@Customer.id", 900 }), { "columns" } },
  { "dump", "customer" } })
suite:ops("insert an enum and a date", { { "insert", "@Album", { { id = 900, title = "t", artist_id = 1, kind = "ep", released = { "date", "0999-01-02" }, price = { "dec", "0.10" } } } },
  { "run", where("Album", { "eq", "@Album.id", 900 }), { "columns" } } })
suite:ops("insert into a plain table", { { "insert", "@artist_tag", { { artist_id = 80, tag_id = 1 }, { artist_id = 80, tag_id = 2 } }, { do_ = "" } }, { "dump", "artist_tag" } })
suite.list[#suite.list].ops[1][4] = { ["do"] = "nothing" }
suite:ops("insert with an expression", { { "insert", "@Tag", { { id = 60, word = { "func", "upper", "x" } } } }, { "dump", "tag" } })
suite:ops("bulk insert", { { "bulk_insert", "@Tag", { { id = 70, word = "p" }, { id = 71, word = "q" } } }, { "dump", "tag" } })
suite:ops("bulk insert without keys", { { "bulk_insert", "@Tag", { { word = "p" }, { word = "q" } } }, { "dump", "tag" } })
suite:ops("bulk insert of different columns", { { "bulk_insert", "@Genre", { { name = "p" }, { name = "q", parent_id = 1 }, { name = "r" } } }, { "dump", "genre" } })

-- Upsert
local function upsert(options, rows)
  return { "insert", "@Tag", rows or { { id = 3, word = "three" }, { id = 80, word = "eighty" } }, options }
end
local tags = { "dump", "tag" }
suite:ops("on conflict do nothing", { upsert { ["do"] = "nothing" }, tags })
suite:ops("on conflict do nothing by key", { upsert { ["do"] = "nothing", index_elements = { "id" } }, tags })
suite:ops("on conflict do nothing by another key", { upsert({ ["do"] = "nothing", index_elements = { "word" } }, { { id = 90, word = "calm" } }), tags })
suite:ops("on conflict of the other key still fails", { upsert({ ["do"] = "nothing", index_elements = { "id" } }, { { id = 90, word = "calm" } }) })
suite:ops("on conflict do update", { upsert { ["do"] = "update", index_elements = { "id" }, set = { word = "changed" } }, tags })
suite:ops("on conflict do update excluded", { upsert { ["do"] = "update", index_elements = { "id" }, set = { word = { "excluded", "word" } } }, tags })
suite:ops("on conflict do update expression", { upsert { ["do"] = "update", index_elements = { "id" }, set = { word = { "cat", "@Tag.word", "!" } } }, tags })
suite:ops("on conflict do update where", { upsert { ["do"] = "update", index_elements = { "id" }, set = { word = "w" }, where = { "gt", "@Tag.id", 3 } }, tags })
suite:ops("on conflict over a composite key", { { "insert", "@Stock", { { album_id = 1, place = "shop", copies = 7 }, { album_id = 1, place = "attic", copies = 8 } },
  { ["do"] = "update", index_elements = { "album_id", "place" }, set = { copies = { "excluded", "copies" } } } }, { "dump", "stock" } })
suite:ops("on conflict over a unique column", { upsert({ ["do"] = "update", index_elements = { "word" }, set = { word = "nearby" } }, { { word = "local" } }), tags })

-- UPDATE and DELETE through the session
suite:ops("update statement", { { "exec_update", "@Tag", { word = "x" }, { "eq", "@Tag.id", 2 } }, tags })
suite:ops("update statement by expression", { { "exec_update", "@Review", { stars = { "sub", "@Review.stars", 1 } }, { "gt", "@Review.stars", 3 } }, dump })
suite:ops("update statement of a plain table", { { "exec_update", "@artist_tag", { tag_id = 10 }, { "eq", "@artist_tag.artist_id", 1000 } } })
suite:ops("delete statement", { { "exec_delete", "@Review", { "eq", "@Review.stars", 5 } }, dump })
suite:ops("delete statement of a plain table", { { "exec_delete", "@artist_tag", { "eq", "@artist_tag.tag_id", 3 } }, { "dump", "artist_tag" } })
suite:ops("text update", { { "text", "UPDATE tag SET word = word || :s WHERE id > 7", { s = "!" } }, tags })
suite:ops("text delete", { { "text", "DELETE FROM review WHERE stars = :n", { n = 2 } }, dump })

-- Autoflush
suite:ops("autoflush before a query", { { "new", "n", "@Tag", { word = "fresh" } }, { "run", where("Tag", { "eq", "@Tag.word", "fresh" }), { "count" } } })
suite:ops("autoflush before a changed query", { { "get", "a", "@Tag", 1 }, { "set", "a", { word = "quiet" } }, { "run", select("@Tag.word", { "where", { "eq", "@Tag.id", 1 } }), { "all" } } })
suite:ops("autoflush before text", { { "get", "a", "@Tag", 1 }, { "set", "a", { word = "quiet" } }, { "text", "SELECT word FROM tag WHERE id = 1" } })
suite:ops("autoflush before get", { { "new", "n", "@Tag", { id = 77, word = "fresh" } }, { "get", "m", "@Tag", 77 }, { "attr", "m", "word" } })
suite:ops("query does not overwrite a loaded object", { { "get", "a", "@Tag", 1 }, { "text", "UPDATE tag SET word = 'other' WHERE id = 1" }, { "run", select("@Tag"), { "columns" } },
  { "expire", "a" }, { "attr", "a", "word" } })

return suite.list
