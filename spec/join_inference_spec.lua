-- SPDX-License-Identifier: MIT
-- Which side a join without a condition is made from.

local perilune = require "perilune"

describe("join(Target)", function()
  local db, Artist, Album, Track, Genre

  setup(function()
    db = perilune.open "sqlite://"
    Artist = db.Model "Artist" { id = db.Column { db.Integer, primary_key = true } }
    Genre = db.Model "Genre" { id = db.Column { db.Integer, primary_key = true } }
    Album = db.Model "Album" {
      id = db.Column { db.Integer, primary_key = true },
      artist_id = db.Column { db.Integer, db.ForeignKey "artist.id" },
    }
    Track = db.Model "Track" {
      id = db.Column { db.Integer, primary_key = true },
      album_id = db.Column { db.Integer, db.ForeignKey "album.id" },
      genre_id = db.Column { db.Integer, db.ForeignKey "genre.id" },
    }
  end)

  teardown(function() db:close() end)

  it("starts from select_from, whatever columns are selected", function()
    local sql = db.select(Artist.id, Track.id):select_from(Artist):join(Album):join(Track):sql()
    assert.matches("FROM artist JOIN album ON artist.id = album.artist_id "
      .. "JOIN track ON album.id = track.album_id", sql, 1, true)
  end)

  it("goes on from what was joined, not from a column's table", function()
    local sql = db.select(Artist.id, Genre.id):select_from(Artist):join(Album):join(Track):sql()
    assert.matches("JOIN track ON album.id = track.album_id", sql, 1, true)
  end)

  it("takes the tables of the columns when nothing else is named", function()
    local sql = db.select(Album.id):join(Artist):sql()
    assert.matches("FROM album JOIN artist ON artist.id = album.artist_id", sql, 1, true)
  end)

  it("names a target that nothing leads to", function()
    local ok, err = pcall(function() return db.select(Artist.id):join(Genre) end)
    assert.is_false(ok)
    assert.equal("InvalidRequestError", err.name)
    assert.matches("join to Genre", err.message, 1, true)
  end)
end)
