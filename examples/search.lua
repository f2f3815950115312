-- Full-text search: an FTS5 index that is declared with the model and follows what is written.
-- Run it with `perilune search.lua`.

local perilune = require "perilune"

local db = perilune.open "sqlite://"

local Article = db.Model "Article" {
  id     = db.Column{db.Integer, primary_key = true},
  title  = db.Column{db.String(200), nullable = false},
  body   = db.Column{db.Text, nullable = false},
  search = db.fts{"title", "body", weights = {title = 10}, tokenize = "porter unicode61"},
  __tostring = function(self) return ("<Article %s>"):format(self.title) end,
}

db:create_all()            -- the table, its index and the triggers that keep them in step

db.session:add_all{
  Article{title = "Tides",       body = "The moon pulls the sea, and twice a day the sea rises."},
  Article{title = "Moon landing", body = "Two people walked on dust and brought rocks home."},
  Article{title = "Gardening",   body = "Sow radishes when the ground is warm."},
}
db.session:commit()

-- FTS5's own language: words, "phrases", OR, NOT, prefix*, column: word
local search = Article.search
print(Article.query:where(search:match "moon"):order_by(search:rank()):all())
print(Article.query:where(search:match "moon NOT landing"):all())
print(Article.query:where(search:match 'title: moon OR "sow radishes"'):order_by(Article.id):all())

-- What a user typed is no query language: every word counts, no character is special.
print(Article.query:where(search:words 'walk "dust'):all())
print(Article.query:where(search:words("rad", {prefix = true})):all())

-- Rank, snippets and highlights, as rows.
local hits = db.select(Article.title, search:snippet("body", {before = "<b>", after = "</b>", tokens = 6}))
  :where(search:match "sea"):order_by(search:rank())
for title, snippet in hits:each() do print(title, snippet) end

-- The index follows every change, also those in bulk and those of other programs.
Article.query:where(Article.id:eq(3)):update{body = "Sow by the moon."}
print(Article.query:where(search.body:match "moon"):count(), "articles speak of the moon")
db.session:delete(Article.query:get(1))
db.session:commit()
print(Article.query:where(search:match "moon"):order_by(search:rank()):all())
