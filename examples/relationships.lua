-- Relationships: both sides in step, cascades, and how related objects are loaded.
-- Run it with: perilune examples/relationships.lua
local perilune = require "perilune"
local db = perilune.open "sqlite://"

local Artist = db.Model "Artist" {
  id   = db.Column{db.Integer, primary_key = true},
  name = db.Column{db.String(50), nullable = false},
  -- An album lives and dies with its artist; albums come in the order of their years.
  albums = db.relationship{"Album", back_populates = "artist", cascade = "all, delete-orphan",
    order_by = "Album.year"},
  __tostring = function(self) return self.name end,
}

local Album = db.Model "Album" {
  id        = db.Column{db.Integer, primary_key = true},
  title     = db.Column{db.String(100), nullable = false},
  year      = db.Column{db.Integer},
  artist_id = db.Column{db.Integer, db.ForeignKey "artist.id", nullable = false},
  artist    = db.relationship{"Artist", back_populates = "albums"},
  genres    = db.relationship{"Genre", secondary = "album_genre", back_populates = "albums",
    order_by = "Genre.name"},
  -- Too many to load: a query that can be appended to.
  plays     = db.relationship{"Play", lazy = "dynamic", cascade = "all, delete-orphan"},
  __tostring = function(self) return ("%s (%d)"):format(self.title, self.year) end,
}

local Genre = db.Model "Genre" {
  id     = db.Column{db.Integer, primary_key = true},
  name   = db.Column{db.String(30), unique = true},
  albums = db.relationship{"Album", secondary = "album_genre", back_populates = "genres"},
  __tostring = function(self) return self.name end,
}

local Play = db.Model "Play" {
  id       = db.Column{db.Integer, primary_key = true},
  listener = db.Column{db.String(20)},
  album_id = db.Column{db.Integer, db.ForeignKey "album.id", nullable = false},
}

db.Table{"album_genre",
  db.Column{"album_id", db.Integer, db.ForeignKey "album.id", primary_key = true},
  db.Column{"genre_id", db.Integer, db.ForeignKey "genre.id", primary_key = true},
}

db:create_all()

-- Counts the statements that a function runs.
local statements = 0
db.event.listen(db.engine, "before_cursor_execute", function() statements = statements + 1 end)
local function counted(title, fn)
  db.session:expunge_all()
  statements = 0
  local result = fn()
  print(("%-28s %d SELECTs: %s"):format(title, statements, result))
end

-- ---- both sides in step ----

local jazz, soul, folk = Genre{name = "jazz"}, Genre{name = "soul"}, Genre{name = "folk"}
local nina = Artist{name = "Nina"}
Album{title = "Pastel", year = 1967, artist = nina, genres = {jazz, soul}}
print("before any flush:", nina.albums, jazz.albums)

nina.albums:append(Album{title = "Silk", year = 1966, genres = {soul}})
local joni = Artist{name = "Joni", albums = {
  Album{title = "Blue", year = 1971, genres = {folk}},
  Album{title = "Court", year = 1974, genres = {folk, jazz}},
}}
db.session:add_all{nina, joni}     -- albums and genres come along
db.session:commit()
db.session:expire_all()
print("in order:", nina.albums)

-- ---- loading ----

local function summary(artists)
  local out = {}
  for _, artist in ipairs(artists) do
    for _, album in ipairs(artist.albums) do
      out[#out + 1] = ("%s %s"):format(album.title, album.genres)
    end
  end
  return table.concat(out, ", ")
end

-- No N+1: the first touch loads a list for every object of the same result.
counted("lazy, as always", function() return summary(Artist.query:all()) end)
counted("joinedload", function()
  return summary(Artist.query:options(db.joinedload(Artist.albums):joinedload(Album.genres)):all())
end)
counted("selectinload", function()
  return summary(Artist.query:options(db.selectinload(Artist.albums):selectinload(Album.genres)):all())
end)
counted("joined, then selectin", function()
  return summary(Artist.query:options(db.joinedload(Artist.albums):selectinload(Album.genres)):all())
end)
counted("contains_eager", function()
  local late = Artist.query:join(Artist.albums):where(Album.year:gt(1970))
    :order_by(Album.year):options(db.contains_eager(Artist.albums):selectinload(Album.genres))
  return summary(late:all())
end)

local one = Artist.query:options(db.raiseload "*"):first()
print("raiseload:", select(2, pcall(function() return #one.albums end)).message)
db.session:expunge_all()

-- ---- moving, removing, deleting ----

nina = Artist.query:filter_by{name = "Nina"}:one()
joni = Artist.query:filter_by{name = "Joni"}:one()
joni.albums:append(nina.albums[1])         -- moves it
print("moved:", nina.albums, joni.albums)
joni.albums:remove(joni.albums[1])         -- an orphan is deleted
db.session:commit()
print("albums left:", Album.query:count())

local pastel = Album.query:filter_by{title = "Pastel"}:one()
for i = 1, 5 do pastel.plays:append(Play{listener = i % 2 == 0 and "ann" or "bob"}) end
db.session:commit()
print("plays:", #pastel.plays, pastel.plays:filter_by{listener = "ann"}:count())

db.session:delete(nina)                    -- albums, plays and link rows go with her
db.session:commit()
print("after the delete:", Album.query:count(), Play.query:count(),
  db.session:scalar(db.text "SELECT count(*) FROM album_genre"), Genre.query:count())
