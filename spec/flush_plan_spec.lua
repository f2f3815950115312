-- SPDX-License-Identifier: MIT
-- The plan of a flush: tables in order, batches with their sizes, before anything is written.

local perilune = require "perilune"
local raised = require "spec.support.raised"
local sql_log = require "spec.support.sql_log"

describe("the plan of a flush", function()
  local db, session, log

  before_each(function()
    db = perilune.open "sqlite://"
    session = db.session
    log = sql_log(db)
  end)

  after_each(function() db:close() end)

  local function id() return db.Column { db.Integer, primary_key = true } end
  local function text() return db.Column { db.Text } end
  local function key(target) return db.Column { db.Integer, db.ForeignKey(target) } end

  local verbs = { INSERT = "INSERT", UPDATE = "UPDATE", DELETE = "DELETE",
    LINK = "INSERT", UNLINK = "DELETE", ["POST UPDATE"] = "UPDATE" }

  -- The steps of the plan, after a look that nothing was written, and then the flush: its
  -- statements go to the same tables in the same order.
  local function planned()
    log:clear()
    local steps, tables = {}, {}
    for step in session:flush_plan():gmatch "[^\n]+" do
      steps[#steps + 1] = step
      local verb, name = step:match "^(%u[%u ]*) (%S+) %(%d+%)$"
      local write = verbs[verb] .. " " .. name
      if tables[#tables] ~= write then tables[#tables + 1] = write end
    end
    assert.same({}, log:writes())
    log:clear()
    session:flush()
    local written = {}
    for _, write in ipairs(log:writes()) do
      if written[#written] ~= write then written[#written + 1] = write end
    end
    assert.same(tables, written)
    return steps
  end

  describe("goes by tables", function()
    local Author, Book, Chapter, Tag

    before_each(function()
      Author = db.Model "Author" { id = id(), name = text() }
      Book = db.Model "Book" { id = id(), title = text(), author_id = key "author.id",
        author = db.relationship { "Author", backref = "books" } }
      Chapter = db.Model "Chapter" { id = id(), n = db.Column { db.Integer }, book_id = key "book.id",
        book = db.relationship { "Book", backref = db.backref { "chapters", cascade = "all, delete-orphan" } } }
      local book_tag = db.Table { "book_tag",
        db.Column { "book_id", db.Integer, db.ForeignKey "book.id", primary_key = true },
        db.Column { "tag_id", db.Integer, db.ForeignKey "tag.id", primary_key = true } }
      Tag = db.Model "Tag" { id = id(), word = text(),
        books = db.relationship { "Book", secondary = book_tag, backref = "tags" } }
      db:create_all()
    end)

    it("that refer to others after those, whatever was added first", function()
      session:add_all { Chapter { n = 1 }, Tag { word = "w" }, Book { title = "t" }, Author { name = "a" } }
      assert.same({ "INSERT author (1)", "INSERT book (1)", "INSERT chapter (1)", "INSERT tag (1)" }, planned())
    end)

    it("in batches of all objects of a table, links last", function()
      for a = 1, 3 do
        local author = Author { name = "a" .. a }
        for b = 1, 4 do
          local chapters = { Chapter { n = b }, Chapter { n = b } }
          author.books:append(Book { title = "t", chapters = chapters, tags = { Tag {} } })
        end
        session:add(author)
      end
      assert.same({ "INSERT author (3)", "INSERT book (12)", "INSERT chapter (24)", "INSERT tag (12)",
        "LINK book_tag (12)" }, planned())
    end)

    it("with UPDATEs before INSERTs, and DELETEs backwards at the end", function()
      local one, two = Book { title = "1", author = Author { name = "a" }, chapters = { Chapter { n = 1 } } },
        Book { title = "2", tags = { Tag { word = "w" } } }
      session:add_all { one, two }
      session:flush()
      one.author.name, two.title = "b", "3"
      two.author = Author { name = "c" }
      session:delete(one)
      two.tags:clear()
      assert.same({ "UPDATE author (1)", "INSERT author (1)", "UPDATE book (1)", "UNLINK book_tag (1)",
        "DELETE chapter (1)", "DELETE book (1)" }, planned())
      assert.same({}, planned())
    end)

    it("and takes away the children of what goes before it goes", function()
      local author = Author { name = "a", books = { Book { title = "1" }, Book { title = "2" } } }
      session:add(author)
      session:flush()
      session:delete(author)
      assert.same({ "UPDATE book (2)", "DELETE author (1)" }, planned())
    end)

    it("in few statements where rows have one shape", function()
      local chapters = {}
      for i = 1, 500 do chapters[i] = Chapter { n = i } end
      session:add_all(chapters)
      assert.same({ "INSERT chapter (500)" }, planned())
      assert.equal(5, #log:writes())
      for i = 1, 500 do session:delete(chapters[i]) end
      assert.same({ "DELETE chapter (500)" }, planned())
      assert.equal(1, #log:writes())
    end)

    it("and has nothing for what is as it was", function()
      local book = Book { title = "t", author = Author { name = "a" } }
      session:add(book)
      session:flush()
      book.title = "t"
      assert.same({}, planned())
    end)
  end)

  describe("goes by objects where they refer to each other", function()
    it("in one table: a level of the tree at a time", function()
      local Node = db.Model "Node" { id = id(), name = text(), parent_id = key "node.id",
        parent = db.relationship { "Node", remote_side = "id",
          backref = db.backref { "children", cascade = "all, delete-orphan" } } }
      db:create_all()
      local a = Node { name = "a", children = { Node { name = "c" } } }
      local root = Node { name = "root", children = { a, Node { name = "b" } } }
      session:add_all { Node { name = "alone" }, root }
      assert.same({ "INSERT node (2)", "INSERT node (2)", "INSERT node (1)" }, planned())
      session:delete(root)
      assert.same({ "DELETE node (2)", "DELETE node (1)", "DELETE node (1)" }, planned())
    end)

    it("in two tables that refer to each other", function()
      local Egg = db.Model "Egg" { id = id(), hen_id = key "hen.id" }
      local Hen = db.Model "Hen" { id = id(),
        egg_id = db.Column { db.Integer, db.ForeignKey { "egg.id", use_alter = true } },
        egg = db.relationship { "Egg", foreign_keys = "Hen.egg_id" },
        laid = db.relationship { "Egg", foreign_keys = "Egg.hen_id", backref = "hen" } }
      db:create_all()
      local first = Egg {}
      local hen = Hen { egg = first }
      local second = Egg { hen = hen }
      session:add_all { Hen { egg = second }, second, hen, first }
      assert.same({ "INSERT egg (1)", "INSERT hen (1)", "INSERT egg (1)", "INSERT hen (1)" }, planned())
      assert.same({ first.id, hen.id }, { hen.egg_id, second.hen_id })
    end)

    it("and fails where they need each other", function()
      local Node = db.Model "Node" { id = id(), parent_id = key "node.id",
        parent = db.relationship { "Node", remote_side = "id" } }
      db:create_all()
      local a, b = Node {}, Node {}
      a.parent, b.parent = b, a
      session:add(a)
      local err = raised("CircularDependencyError", session.flush_plan, session)
      assert.matches("Node.parent", err.message, 1, true)
      assert.matches("post_update", err.hint, 1, true)
      b.parent = nil
      assert.same({ "INSERT node (1)", "INSERT node (1)" }, planned())
    end)
  end)

  it("has the key of a post_update at the end, and takes it away first", function()
    local Player = db.Model "Player" { id = id(), team_id = key "team.id" }
    local Team = db.Model "Team" { id = id(),
      captain_id = db.Column { db.Integer, db.ForeignKey { "player.id", use_alter = true } },
      captain = db.relationship { "Player", foreign_keys = "Team.captain_id", post_update = true },
      players = db.relationship { "Player", foreign_keys = "Player.team_id", backref = "team",
        cascade = "all, delete-orphan" } }
    db:create_all()
    local team = Team { players = { Player {}, Player {} } }
    team.captain = team.players[2]
    session:add(team)
    assert.same({ "INSERT team (1)", "INSERT player (2)", "POST UPDATE team (1)" }, planned())
    assert.equal(team.players[2].id, team.captain_id)
    session:delete(team)
    assert.same({ "POST UPDATE team (1)", "DELETE player (2)", "DELETE team (1)" }, planned())
  end)

  it("takes over the row of an object that goes for a new one with its key", function()
    local Word = db.Model "Word" { word = db.Column { db.Text, primary_key = true }, n = db.Column { db.Integer } }
    db:create_all()
    local old, other = Word { word = "moon", n = 1 }, Word { word = "sun", n = 1 }
    session:add_all { old, other }
    session:flush()
    session:delete(old)
    session:delete(other)
    session:add_all { Word { word = "moon", n = 2 }, Word { word = "star", n = 3 } }
    assert.same({ "UPDATE word (1)", "INSERT word (1)", "DELETE word (1)" }, planned())
    assert.same({ "moon", "star" }, session:execute(db.text "SELECT word FROM word ORDER BY word"):scalars())
  end)

  it("changes a key by an UPDATE, and those that follow it", function()
    local Room = db.Model "Room" { code = db.Column { db.Text, primary_key = true } }
    local Seat = db.Model "Seat" { id = id(),
      room_code = db.Column { db.Text, db.ForeignKey { "room.code", onupdate = "CASCADE" } },
      room = db.relationship { "Room", backref = db.backref { "seats", passive_updates = false } } }
    db:create_all()
    local room = Room { code = "a", seats = { Seat {}, Seat {} } }
    session:add(room)
    session:flush()
    room.code = "b"
    assert.same({ "UPDATE room (1)", "UPDATE seat (2)" }, planned())
    assert.same({ "b", room }, { room.seats[1].room_code, session:get(Room, "b") })
    assert.is_nil(session:get(Room, "a"))
  end)

  it("names the tables of a model that has several", function()
    local Person = db.Model "Person" { id = id(), kind = text(), polymorphic_on = "kind" }
    local Engineer = db.Model "Engineer" { __inherits__ = Person, polymorphic_identity = "engineer", tool = text(),
      id = db.Column { db.Integer, db.ForeignKey "person.id", primary_key = true } }
    db:create_all()
    local engineer = Engineer { tool = "saw" }
    session:add_all { engineer, Engineer { tool = "axe" } }
    assert.same({ "INSERT person (2)", "INSERT engineer (2)" }, planned())
    session:delete(engineer)
    assert.same({ "DELETE engineer (1)", "DELETE person (1)" }, planned())
  end)
end)
