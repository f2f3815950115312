-- The query language: conditions, joins, groups, subqueries, windows, CTEs, plain functions.
-- Run it with `perilune queries.lua`.

local perilune = require "perilune"

local db = perilune.open "sqlite://"

local Artist = db.Model "Artist" {
  id   = db.Column{db.Integer, primary_key = true},
  name = db.Column{db.String(80), nullable = false},
}

local Album = db.Model "Album" {
  id        = db.Column{db.Integer, primary_key = true},
  title     = db.Column{db.String(80), nullable = false},
  year      = db.Column{db.Integer},
  price     = db.Column{db.Numeric(6, 2)},
  artist_id = db.Column{db.Integer, db.ForeignKey "artist.id", nullable = false},
  artist    = db.relationship{"Artist", backref = "albums"},
  __tostring = function(self) return ("<%s>"):format(self.title) end,
}

local Part = db.Model "Part" {
  id       = db.Column{db.Integer, primary_key = true},
  name     = db.Column{db.String(20)},
  whole_id = db.Column{db.Integer, db.ForeignKey "part.id"},
}

db:create_all()
for _, a in ipairs{
  {"Blue Note", {"First Light", 1970, "9.90"}, {"Last Call", 1974, "12.50"}},
  {"Koto", {"Garden", 1988, "7.00"}},
  {"Silence"},
} do
  local artist = Artist{name = a[1]}
  for i = 2, #a do
    artist.albums:append(Album{title = a[i][1], year = a[i][2], price = db.decimal(a[i][3])})
  end
  db.session:add(artist)
end
db.session:add_all{Part{id = 1, name = "bicycle"}, Part{id = 2, name = "wheel", whole_id = 1},
  Part{id = 3, name = "spoke", whole_id = 2}, Part{id = 4, name = "bell", whole_id = 1}}
db.session:commit()

print "-- conditions: methods compare, & | ~ join"
print(Album.query:where(Album.year:between(1970, 1980) & ~Album.title:like "%Call"):all())
print(Album.query:filter_by{year = 1988}:one())
print(Album.query:where(Album.year:in_{1970, 1988}):order_by(Album.year:desc()):all())

print "-- a plain Lua function is read, not run; its upvalues become parameters"
local dear = db.decimal "9"
local query = Album.query:where(function(a) return a.price > dear and a.artist.name ~= "Koto" end)
print(query:order_by(Album.id):all())
print((query:sql()))

print "-- joins, groups, having"
local counts = db.select(Artist.name, db.func.count(Album.id):label "n", db.func.sum(Album.price):label "total")
  :outerjoin(Artist.albums):group_by(Artist.id):order_by(db.desc "n", Artist.name)
for name, n, total in counts:each() do print(name, n, total) end
print(counts:having(db.func.count(Album.id):gt(1)):first().name)

print "-- relationships as conditions"
print(Artist.query:where(Artist.albums:any(Album.year:lt(1980))):one().name)
print(Album.query:where(Album.artist:has{name = "Koto"}):all())
print(Artist.query:where(~Artist.albums:any()):one().name)

print "-- subqueries and windows"
local newest = db.select(db.func.max(Album.year)):where(Album.artist_id:eq(Artist.id)):scalar_subquery()
for name, year in db.select(Artist.name, newest):order_by(Artist.id):each() do print(name, year) end
local place = db.func.rank():over{partition_by = Album.artist_id, order_by = Album.price:desc()}
for title, n in db.select(Album.title, place):order_by(Album.title):each() do print(title, n) end

print "-- a recursive CTE"
local tree = db.select(Part.id, Part.name, db.literal(0):label "depth"):where(Part.whole_id:eq(nil))
  :cte{"tree", recursive = true}
tree = tree:union_all(db.select(Part.id, Part.name, tree.c.depth + 1):join(tree, Part.whole_id:eq(tree.c.id)))
for name, depth in db.select(tree.c.name, tree.c.depth):each() do print(("  "):rep(depth) .. name) end

print "-- pages"
local page = Album.query:order_by(Album.id):paginate{page = 2, per_page = 2}
print(page.page, page.pages, page.total, page.items[1])

print "-- many rows at once, insert or update, returning"
print(Album.query:where(Album.year:lt(1980)):update{price = Album.price * 2})
local insert = db.insert(Artist):values{id = 1, name = "Blue Note Trio"}
local upsert = insert:on_conflict_do_update{index_elements = {"id"}, set = {name = insert.excluded.name}}
print(db.session:execute(upsert:returning(Artist.id, Artist.name)):one())
