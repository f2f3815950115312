-- How do I put what came from elsewhere (a form, a message) into the objects of a session?
local perilune = require "perilune"

local db = perilune.open "sqlite://"

local Author = db.Model "Author" {
  id = db.Column{db.Integer, primary_key = true},
  name = db.Column{db.String(40), nullable = false},
  born = db.Column{db.Integer},
  books = db.relationship{"Book", backref = "author", cascade = "all, delete-orphan"},
}

local Book = db.Model "Book" {
  id = db.Column{db.Integer, primary_key = true},
  title = db.Column{db.String(80), nullable = false},
  author_id = db.Column{db.Integer, db.ForeignKey "author.id", nullable = false},
}

db:create_all()
db.session:add(Author{name = "Stanislaw Lem", born = 1921, books = {
  Book{title = "Solaris"}, Book{title = "Eden"},
}})
db.session:commit()

-- A graph made of plain values: known keys are updated, new objects are inserted, and what
-- is not in the list any more is an orphan.
local given = Author{id = 1, name = "Stanisław Lem", books = {
  Book{id = 1, title = "Solaris (1961)"}, Book{title = "The Cyberiad"},
}}
local author = db.session:merge(given)
print(author == given, perilune.inspect(given).state, perilune.inspect(author).state)
print((db.session:flush_plan():gsub("\n$", "")))
db.session:commit()
print(author.name, author.born)
for _, book in ipairs(author.books) do print(book.id, book.title) end

-- A copy of a row: out of the session, without its key, and in again.
local book = author.books[1]
print(book.title)
perilune.make_transient(book)
book.id, book.title, book.author_id = nil, "Solaris (translated)", author.id
db.session:add(book)
db.session:commit()
print(book.id, Book.query:count())
