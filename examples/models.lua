-- Models beyond columns: mixins, hybrids, synonyms, validators, scopes, proxies, ordered lists.
local perilune = require "perilune"

local db = perilune.open "sqlite://"

-- A mixin: fields, methods and checks for several models.
local Named = {
  name = db.Column{db.String(40), nullable = false},
  db.validates("name", function(_, _, value) return value:match "^%s*(.-)%s*$" end),
  shout = function(self) return self.name:upper() .. "!" end,
}

local Track = db.Model "Track" { __mixins__ = {Named},
  id       = db.Column{db.Integer, primary_key = true},
  seconds  = db.Column{db.Integer, default = 180},
  position = db.Column{db.Integer},
  album_id = db.Column{db.Integer, db.ForeignKey "album.id"},
  -- A hybrid is a value on an instance and an expression in a query.
  minutes  = db.hybrid{
    get = function(self) return self.seconds / 60 end,
    set = function(self, minutes) self.seconds = math.floor(minutes * 60) end,
    expr = function(class) return class.seconds / 60.0 end,
  },
}

local Album = db.Model "Album" { __mixins__ = {Named},
  id     = db.Column{db.Integer, primary_key = true},
  title  = db.synonym "name",
  tracks = db.relationship{"Track", order_by = "position", cascade = "all, delete-orphan",
                           collection_class = db.ordering_list{"position", count_from = 1}},
  songs  = db.association_proxy("tracks", "name"),
  length = db.column_property(function(c)
    return db.select(db.func.sum(Track.seconds)):where(Track.album_id:eq(c.id)):scalar_subquery()
  end),
}

function Album.scopes.with_song(q, name) return q:where(Album.songs:contains(name)) end

db:create_all()

local album = Album{title = "  Lunar  ", songs = {"Perigee", "Apogee"}}
album.tracks[1].minutes = 4.5
db.session:add(album)
db.session:commit()
print(album.name, album:shout(), album.length)

album.songs:insert(1, "Intro")
db.session:commit()
for _, track in ipairs(album.tracks) do print(track.position, track.name, track.minutes) end

print(Album.query:with_song "Apogee":one().title)
print(Track.query:where(Track.minutes:gt(4)):one().name)
album.songs = {"Apogee", "Coda"}
db.session:commit()
print(album.songs, Track.query:count())
