-- SPDX-License-Identifier: MIT
-- What a flush writes, by the log of its statements: which, in which order, in which batches,
-- and with which parameters.

local perilune = require "perilune"
local raised = require "spec.support.raised"
local sql_log = require "spec.support.sql_log"

describe("a flush", function()
  local db, session, log, Author, Book, Chapter, Tag, Node, Stamp

  before_each(function()
    db = perilune.open "sqlite://"
    session = db.session
    Author = db.Model "Author" {
      id = db.Column { db.Integer, primary_key = true },
      name = db.Column { db.String(20), unique = true },
      age = db.Column { db.Integer, db.CheckConstraint "age >= 0" },
    }
    Book = db.Model "Book" {
      id = db.Column { db.Integer, primary_key = true },
      title = db.Column { db.Text, nullable = false },
      author_id = db.Column { db.Integer, db.ForeignKey "author.id" },
      author = db.relationship { "Author", backref = "books" },
    }
    Chapter = db.Model "Chapter" {
      id = db.Column { db.Integer, primary_key = true },
      n = db.Column { db.Integer },
      book_id = db.Column { db.Integer, db.ForeignKey "book.id" },
      book = db.relationship { "Book", backref = "chapters" },
    }
    local book_tag = db.Table { "book_tag",
      db.Column { "book_id", db.Integer, db.ForeignKey "book.id", primary_key = true },
      db.Column { "tag_id", db.Integer, db.ForeignKey "tag.id", primary_key = true },
    }
    Tag = db.Model "Tag" {
      id = db.Column { db.Integer, primary_key = true },
      word = db.Column { db.Text },
      books = db.relationship { "Book", secondary = book_tag, backref = "tags" },
    }
    Node = db.Model "Node" {
      id = db.Column { db.Integer, primary_key = true },
      name = db.Column { db.Text },
      parent_id = db.Column { db.Integer, db.ForeignKey "node.id" },
      parent = db.relationship { "Node", remote_side = "id", backref = "children" },
    }
    Stamp = db.Model "Stamp" {
      id = db.Column { db.Integer, primary_key = true },
      word = db.Column { db.Text },
      made = db.Column { db.Text, server_default = "by the server" },
      number = db.Column { db.Integer, server_default = db.text "(40 + 2)" },
      times = db.Column { db.Integer, default = 0, onupdate = function() return 7 end },
      by = db.Column { db.Text, onupdate = "somebody" },
      sum = db.Column { db.Integer, default = db.text "(SELECT count(*) FROM stamp)" },
    }
    db:create_all()
    log = sql_log(db)
  end)

  after_each(function() db:close() end)

  -- The statements of a flush that write, each with its parameters: "text <- a, b".
  local function written(fn)
    session:flush()
    log:clear()
    if fn then fn() end
    session:flush()
    local out = {}
    for _, record in ipairs(log.records) do
      local params = {}
      for i, v in ipairs(record.parameters or {}) do params[i] = tostring(v) end
      if record.statement:find "^INSERT" or record.statement:find "^UPDATE"
        or record.statement:find "^DELETE" then
        out[#out + 1] = record.statement .. " <- " .. table.concat(params, ", ")
      end
    end
    return out
  end

  local function add(...)
    session:add_all { ... }
    session:flush()
    return ...
  end

  describe("inserts", function()
    it("parents before children, whatever was added first", function()
      assert.same({
        "INSERT INTO author (name) VALUES (?) <- a",
        "INSERT INTO book (title, author_id) VALUES (?, ?) <- t, 1",
        "INSERT INTO chapter (n) VALUES (?) <- 9",
        "INSERT INTO chapter (n, book_id) VALUES (?, ?) <- 1, 1",
      }, written(function()
        session:add(Chapter { n = 9 })
        session:add(Chapter { n = 1, book = Book { title = "t", author = Author { name = "a" } } })
      end))
    end)

    it("a table at a time, in the order of add", function()
      written(function()
        for _, name in ipairs { "c", "a", "b" } do
          session:add(Book { title = name, author = Author { name = name } })
        end
      end)
      assert.same({ "INSERT author", "INSERT author", "INSERT author",
                    "INSERT book", "INSERT book", "INSERT book" }, log:writes())
      assert.same({ "c", "a", "b" },
        session:execute(db.text "SELECT name FROM author ORDER BY id"):scalars())
    end)

    it("a tree by generations, from its root and from a leaf", function()
      local root = Node { name = "root" }
      local child = Node { name = "child", parent = root }
      local expected = {
        "INSERT INTO node (name) VALUES (?) <- root",
        "INSERT INTO node (name, parent_id) VALUES (?, ?) <- child, 1",
        "INSERT INTO node (name, parent_id) VALUES (?, ?) <- leaf, 2",
      }
      assert.same(expected, written(function()
        session:add(Node { name = "leaf", parent = child })
      end))
      session:rollback()
      root = Node { name = "root" }
      child = Node { name = "child" }
      root.children:append(child)
      child.children:append(Node { name = "leaf" })
      assert.same(expected, written(function() session:add(root) end))
    end)

    it("link rows last, each once", function()
      assert.same({
        "INSERT INTO book (title) VALUES (?) <- t",
        "INSERT INTO tag (word) VALUES (?) <- x",
        "INSERT INTO tag (word) VALUES (?) <- y",
        "INSERT INTO book_tag (book_id, tag_id) VALUES (?, ?) <- 1, 1",
        "INSERT INTO book_tag (book_id, tag_id) VALUES (?, ?) <- 1, 2",
      }, written(function()
        local book, x = Book { title = "t" }, Tag { word = "x" }
        book.tags:append(x)
        x.books:append(book)
        book.tags:append(Tag { word = "y" })
        session:add(x)
      end))
    end)

    it("only the columns that are set; none by DEFAULT VALUES", function()
      assert.same({
        "INSERT INTO author (name) VALUES (?) <- a",
        "INSERT INTO author (age) VALUES (?) <- 3",
        "INSERT INTO author (id, name) VALUES (?, ?) <- 77, b",
        "INSERT INTO author (name) VALUES (?) <- null",
        "INSERT INTO node DEFAULT VALUES <- ",
      }, written(function()
        session:add_all { Author { name = "a" }, Author { age = 3 }, Author { id = 77, name = "b" },
                          Author { name = db.null }, Node {} }
      end))
    end)

    it("many rows of one shape in few statements", function()
      local authors = {}
      written(function()
        for i = 1, 1000 do
          authors[i] = Author { name = "n" .. i }
          session:add(authors[i])
        end
      end)
      assert.is_true(log:count "^INSERT" <= 20, log:count "^INSERT")
      for _, text in ipairs(log:texts "^INSERT") do
        assert.matches("^INSERT INTO author %(name%) VALUES %(%?%), %(%?%)", text)
      end
      for i = 1, 1000 do assert.equal(i, authors[i].id) end
      assert.equal("n1000", session:execute(db.text "SELECT name FROM author WHERE id = 1000"):scalar())
    end)

    it("rows of different shapes in runs, in order", function()
      written(function()
        for i = 1, 800 do
          session:add(i % 400 < 200 and Author { name = "n" .. i } or Author { age = i })
        end
      end)
      assert.is_true(log:count "^INSERT" < 400, log:count "^INSERT")
      local rows = session:execute(db.text "SELECT id, name, age FROM author ORDER BY id"):all()
      for i = 1, 800 do
        assert.same({ i, i % 400 < 200 and "n" .. i or nil, i % 400 >= 200 and i or nil },
                    { rows[i][1], rows[i][2], rows[i][3] })
      end
    end)

    it("gives the objects their keys while the table has rows of others", function()
      session:execute(db.text "INSERT INTO author (id, name) VALUES (500, 'other')")
      local authors = {}
      for i = 1, 300 do authors[i] = Author { name = "n" .. i } end
      session:add_all(authors)
      session:flush()
      for i = 1, 300 do
        local name = session:execute(db.text "SELECT name FROM author WHERE id = :id",
                                     { id = authors[i].id }):scalar()
        assert.equal("n" .. i, name)
      end
    end)
  end)

  describe("updates", function()
    it("name the changed columns only, in order of keys", function()
      local a, b = add(Author { name = "a", age = 1 }, Author { name = "b", age = 2 })
      assert.same({
        "UPDATE author SET age=? WHERE author.id = ? <- 10, 1",
        "UPDATE author SET name=?, age=? WHERE author.id = ? <- B, null, 2",
      }, written(function()
        b.age = nil
        b.name = "B"
        a.age = 10
      end))
    end)

    it("come before the inserts of the same table", function()
      local a = add(Author { name = "a" })
      assert.same({
        "UPDATE author SET name=? WHERE author.id = ? <- b, 1",
        "INSERT INTO author (name) VALUES (?) <- a",
      }, written(function()
        session:add(Author { name = "a" })
        a.name = "b"
      end))
    end)

    it("nothing where nothing changed", function()
      local a = add(Author { name = "a", age = 1 })
      local book = add(Book { title = "t", author = a })
      assert.same({}, written())
      assert.same({}, written(function() a.name = "a" end))
      assert.same({}, written(function()
        a.age = 5
        a.age = 1
      end))
      assert.same({}, written(function() book.author = a end))
      assert.same({}, written(function()
        a.books:remove(book)
        a.books:append(book)
      end))
      log:clear()
      session:commit()
      assert.same({ "COMMIT" }, log:texts())
    end)

    it("the key that refers, and not the one referred to", function()
      local a, b = add(Author { name = "a" }, Author { name = "b" })
      local book = add(Book { title = "t", author = a })
      assert.same({ "UPDATE book SET author_id=? WHERE book.id = ? <- 2, 1" },
                  written(function() book.author = b end))
      assert.same({ "UPDATE book SET author_id=? WHERE book.id = ? <- null, 1" },
                  written(function() b.books:clear() end))
      assert.same({
        "INSERT INTO author (name) VALUES (?) <- c",
        "UPDATE book SET author_id=? WHERE book.id = ? <- 3, 1",
      }, written(function() book.author = Author { name = "c" } end))
    end)

    it("fill in onupdate, also where it is a value", function()
      local s = add(Stamp { word = "w" })
      assert.same({ 0, 0 }, { s.times, s.sum })
      assert.same({ [[UPDATE stamp SET word=?, times=?, "by"=? WHERE stamp.id = ? <- x, 7, somebody, 1]] },
                  written(function() s.word = "x" end))
      assert.same({ 7, "somebody" }, { s.times, s.by })
      assert.same({ [[UPDATE stamp SET word=?, times=?, "by"=? WHERE stamp.id = ? <- y, 8, me, 1]] },
                  written(function()
                    s.word, s.times, s.by = "y", 8, "me"
                  end))
    end)
  end)

  describe("deletes", function()
    it("children before parents, whatever was deleted first, and all after the rest", function()
      local a = Author { name = "a" }
      local book = Book { title = "t", author = a }
      local chapter = add(Chapter { n = 1, book = book })
      assert.same({
        "INSERT INTO author (name) VALUES (?) <- new",
        "DELETE FROM chapter WHERE chapter.id = ? <- 1",
        "DELETE FROM book WHERE book.id = ? <- 1",
        "DELETE FROM author WHERE author.id = ? <- 1",
      }, written(function()
        session:delete(a)
        session:delete(book)
        session:delete(chapter)
        session:add(Author { name = "new" })
      end))
    end)

    it("a tree from its leaves", function()
      local root = Node { name = "root" }
      local child = Node { name = "child", parent = root }
      local leaf = add(Node { name = "leaf", parent = child })
      assert.same({
        "DELETE FROM node WHERE node.id = ? <- 3",
        "DELETE FROM node WHERE node.id = ? <- 2",
        "DELETE FROM node WHERE node.id = ? <- 1",
      }, written(function()
        session:delete(root)
        session:delete(leaf)
        session:delete(child)
      end))
    end)

    it("link rows first", function()
      local book = Book { title = "t" }
      book.tags:append(Tag { word = "x" })
      book.tags:append(Tag { word = "y" })
      add(book)
      assert.same({
        "DELETE FROM book_tag WHERE book_tag.book_id = ? AND book_tag.tag_id = ? <- 1, 1",
        "DELETE FROM book_tag WHERE book_tag.book_id = ? AND book_tag.tag_id = ? <- 1, 2",
        "DELETE FROM book WHERE book.id = ? <- 1",
      }, written(function() session:delete(book) end))
    end)

    it("no link rows that were not written yet, and writes none, whichever side has them", function()
      local book, other = add(Book { title = "t" }, Book { title = "u" })
      local tag, stored = add(Tag { word = "x" }, Tag { word = "y", books = { other } })
      local ways = { function() book.tags:append(tag) end, function() tag.books:append(book) end }
      for _, append in ipairs(ways) do
        for name, gone in pairs { book = book, tag = tag } do
          local point = session:begin_nested()
          assert.same({ ("DELETE FROM %s WHERE %s.id = ? <- %d"):format(name, name, gone.id) }, written(function()
            append()
            session:delete(gone)
          end))
          point:rollback()
        end
      end
      assert.equal(1, #stored.books)
    end)

    it("clears the keys of children that stay, before the parent goes", function()
      local a = Author { name = "a" }
      add(Book { title = "t", author = a }, Book { title = "u", author = a })
      assert.same({
        "UPDATE book SET author_id=? WHERE book.id = ? <- null, 1",
        "UPDATE book SET author_id=? WHERE book.id = ? <- null, 2",
        "DELETE FROM author WHERE author.id = ? <- 1",
      }, written(function() session:delete(a) end))
    end)

    it("many rows in few statements, and looks for their children once", function()
      local authors = {}
      for i = 1, 1000 do authors[i] = Author { name = "n" .. i } end
      session:add_all(authors)
      session:commit()
      log:clear()
      for i = 1, 1000 do session:delete(authors[i]) end
      session:commit()
      assert.is_true(log:selects() <= 5, log:selects())
      assert.is_true(log:count "^DELETE" <= 10, log:count "^DELETE")
      assert.equal(0, Author.query:count())
    end)

    it("and adds of one key in one flush are an UPDATE or a row anew", function()
      local a = add(Author { id = 5, name = "old", age = 1 })
      session:delete(a)
      session:add(Author { id = 5, name = "new" })
      session:flush()
      local row = session:execute(db.text "SELECT name FROM author WHERE id = 5"):all()
      assert.same({ 1, "new" }, { #row, row[1][1] })
    end)
  end)

  describe("values", function()
    it("are parameters, whatever they contain", function()
      local evil = "x'); DROP TABLE book; -- ? :name \0 \xd0\xb0"
      local book = add(Book { title = "before" })
      log:clear()
      book.title = evil
      session:flush()
      assert.same({ "UPDATE book SET title=? WHERE book.id = ?" }, log:texts "^UPDATE")
      session:expire_all()
      assert.equal(evil, book.title)
    end)

    it("of the database are read back: server defaults, SQL defaults", function()
      local s = add(Stamp { word = "w" })
      log:clear()
      assert.same({ "by the server", 42, 0 }, { s.made, s.number, s.sum })
      assert.is_true(log:selects() <= 1)
      local t = add(Stamp { word = "x", made = "by hand", number = db.null })
      assert.same({ "by hand", nil, 1 }, { t.made, t.number, t.sum })
      local list = {}
      for i = 1, 50 do list[i] = Stamp { word = "n" .. i } end
      session:add_all(list)
      session:flush()
      log:clear()
      for i = 1, 50 do assert.same({ "by the server", 42 }, { list[i].made, list[i].number }) end
      assert.equal(0, log:selects())
    end)
  end)

  describe("that a constraint stops", function()
    -- The object and the attribute that a failing flush of the last of the objects names.
    local function blamed(class, fn)
      fn()
      local err = raised("IntegrityError", session.flush, session)
      assert.equal(class, err.attribute)
      session:rollback()
      return err
    end

    local function many(make, bad)
      local list = {}
      for i = 1, 150 do list[i] = make(i) end
      list[100] = bad
      return function() session:add_all(list) end
    end

    it("names the object among many: UNIQUE", function()
      local bad = Author { name = "n7" }
      local err = blamed("Author.name", many(function(i) return Author { name = "n" .. i } end, bad))
      assert.equal(bad, err.object)
    end)

    it("names the object among many: NOT NULL", function()
      local bad = Book {}
      local err = blamed("Book.title", many(function(i) return Book { title = "t" .. i } end, bad))
      assert.equal(bad, err.object)
    end)

    it("names the object among many: CHECK", function()
      local bad = Author { name = "bad", age = -1 }
      local err = blamed("Author.age", many(function(i) return Author { name = "n" .. i, age = i } end, bad))
      assert.equal(bad, err.object)
    end)

    it("names the object among many: FOREIGN KEY", function()
      local bad = Book { title = "bad", author_id = 12345 }
      local a = add(Author { name = "a" })
      session:commit()
      local err = blamed("Book.author_id", many(function(i)
        return Book { title = "t" .. i, author_id = a.id }
      end, bad))
      assert.equal(bad, err.object)
    end)

    it("names the object of an UPDATE", function()
      local a, b = add(Author { name = "a" }, Author { name = "b" })
      session:commit()
      local err = blamed("Author.name", function()
        a.age = 4
        b.name = "a"
      end)
      assert.equal(b, err.object)
      assert.equal("b", b.name)
    end)

    it("writes nothing of it", function()
      blamed("Author.name", many(function(i) return Author { name = "n" .. i } end, Author { name = "n7" }))
      assert.equal(0, Author.query:count())
      add(Author { name = "after" })
      session:commit()
      assert.equal(1, Author.query:count())
    end)
  end)
end)
