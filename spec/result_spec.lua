-- SPDX-License-Identifier: MIT
-- What a result offers: names, mappings, unique entries, parts, single values; and what may
-- stand where a query or a model does: subqueries, typed texts and values.

local perilune = require "perilune"
local raised = require "spec.support.raised"

describe("a result", function()
  local db, session, User

  setup(function()
    db = perilune.open "sqlite://"
    session = db.session
    User = db.Model "User" {
      id = db.Column{db.Integer, primary_key = true},
      name = db.Column{db.String(30)},
      born = db.Column{db.Date},
    }
    db:create_all()
    session:add_all { User{name = "a", born = "2020-01-02"}, User{name = "b"}, User{born = "2020-01-02"} }
    session:commit()
  end)

  teardown(function() db:close() end)

  local function rows(...) return session:execute(db.select(...):order_by(User.id)) end

  local none

  before_each(function() none = session:execute(db.select(User.id, User.name):where(User.id:eq(99))) end)

  it("has the names of its columns, also without rows", function()
    assert.same({ "id", "n" }, rows(User.id, User.name:label "n"):keys())
    assert.same({ "id", "name" }, none:keys())
    assert.same({ "User" }, rows(User):keys())
    assert.equal(0, #none)
    assert.is_nil(next(none))
  end)

  it("gives mappings", function()
    local list = rows(User.id, User.name):mappings()
    assert.same({ { id = 1, name = "a" }, { id = 2, name = "b" }, { id = 3 } }, { table.unpack(list) })
    assert.equal("a", list:first().name)
    assert.equal("b", rows(User):mappings()[2].User.name)
    raised("InvalidRequestError", function() rows(User.id):scalars():mappings() end)
  end)

  it("gives every entry once", function()
    local twice = session:execute(db.select(User.born, User.name):union_all(db.select(User.born, User.name)))
    assert.equal(6, #twice)
    assert.equal("[(2020-01-02, 'a'), (nil, 'b'), (2020-01-02, nil)]", tostring(twice:unique()))
    assert.equal("[2020-01-02, null]", tostring(twice:scalars():unique()))
    assert.equal(2, #twice:unique(function(row) return row.born end))
    raised("ArgumentError", twice.unique, twice, "born")
    local user = User.query:get(1)
    assert.equal(1, #session:execute(db.select(User):where(User.id:eq(1))):unique())
    assert.equal(user, session:execute(db.select(User, User.id)):unique()[1].User)
  end)

  it("goes in parts", function()
    local parts = {}
    for part in rows(User.id):scalars():partitions(2) do parts[#parts + 1] = tostring(part) end
    assert.same({ "[1, 2]", "[3]" }, parts)
    for part in rows(User.id):partitions() do assert.equal(3, #part) end
    for _ in none:partitions(2) do error "no rows have no parts" end
    for _, size in ipairs { 0, -1, 1.5, "x" } do
      raised("ArgumentError", function() rows(User.id):partitions(size) end)
    end
  end)

  it("gives a single value", function()
    assert.equal(3, session:execute(db.select(db.func.count(User.id))):scalar_one())
    assert.is_nil(session:execute(db.select(User.name):where(User.id:eq(3))):scalar_one())
    assert.is_nil(none:scalar_one_or_none())
    raised("NoResultFound", none.scalar_one, none)
    local many = rows(User.id)
    raised("MultipleResultsFound", many.scalar_one, many)
    raised("MultipleResultsFound", many.scalar_one_or_none, many)
  end)

  it("has db.null where a list of values has NULL", function()
    for _, list in ipairs { rows(User.name):scalars(), db.select(User.name):order_by(User.id):scalars(),
      session:scalars(db.select(User.name):order_by(User.id)) } do
      assert.equal(3, #list)
      assert.same({ "a", "b", db.null }, { table.unpack(list) })
    end
    assert.is_nil(db.select(User.name):where(User.id:eq(3)):scalar())
  end)

  it("of an insert has its key", function()
    local savepoint = session:begin_nested()
    local result = session:execute(db.insert(User):values { name = "x" })
    assert.equal(1, result.rowcount)
    assert.same({ 4 }, { table.unpack(result.inserted_primary_key) })
    assert.equal(4, result.lastrowid)
    result = session:execute(db.insert(User):values { id = 70, name = "x" })
    assert.equal(70, result.inserted_primary_key[1])
    local pair = db.Table{"pair", db.Column{"a", db.String(2), primary_key = true},
      db.Column{"b", db.Integer, primary_key = true}}
    db:create_all()
    result = session:execute(db.insert(pair):values { a = "x", b = 5 })
    assert.same({ "x", 5 }, { table.unpack(result.inserted_primary_key) })
    assert.is_nil(session:execute(db.insert(User):values { { name = "x" }, { name = "y" } }).lastrowid)
    assert.is_nil(session:execute(db.update(User):values { name = "y" }:where(User.id:eq(70))).lastrowid)
    savepoint:rollback()
  end)

  it("has rows that equal tables of their values, on either side", function()
    local row = rows(User.id, User.name)[1]
    assert.is_true(row == rows(User.id, User.name)[1])
    assert.is_true(row == { 1, "a" })
    assert.is_true({ 1, "a" } == row)
    assert.is_false({ 1 } == row)
    assert.is_false(row == {})
  end)

  it("says so when a method is called with a dot", function()
    local list = rows(User.id)
    for name in pairs(require "perilune.core".class_methods "perilune.List") do
      local err = raised("TypeError", list[name])
      assert.truthy(tostring(err):find("result:" .. name, 1, true), tostring(err))
      raised("TypeError", list[name], 5)
    end
    for _, name in ipairs { "unpack", "keys", "to_dict" } do
      for _, wrong in ipairs { false, 5, "x", {}, list } do raised("TypeError", list[1][name], wrong) end
      raised("TypeError", list[1][name])
    end
  end)

  describe("comes from", function()
    it("a subquery, CTE or values behind in_", function()
      local sub = db.select(User.id):where(User.name:eq "a"):subquery "s"
      assert.equal("[<User 1>]", tostring(User.query:where(User.id:in_(sub)):all()))
      assert.equal("[<User 2>, <User 3>]",
        tostring(User.query:where(User.id:not_in(sub)):order_by(User.id):all()))
      assert.equal(3, User.query:where(User.id:in_(db.select(User.id):cte "c")):count())
      assert.equal(1, User.query:where(User.id:in_(db.values({ "id" }, { { 1 } }, "v"))):count())
    end)

    it("a text with types by position or by name", function()
      local text = db.text "SELECT born, id FROM user WHERE id = 1"
      assert.equal(2020, session:execute(text:columns(User.born, User.id))[1].born.year)
      assert.equal(2020, session:execute(text:columns(db.column("born", db.Date), db.column "id"))[1].born.year)
      assert.equal(2020, session:execute(text:columns{User.born, User.id})[1].born.year)
      local row = session:execute(text:columns{id = db.Integer, born = db.Date})[1]
      assert.same({ 2020, 1 }, { row.born.year, row.id })
      assert.equal("2020-01-02", session:execute(text)[1].born)
      raised("ArgumentError", text.columns, text, { id = "Integer" })
      local sub = text:columns(User.born, User.id):subquery "t"
      assert.equal(2020, db.select(sub.c.born):scalar().year)
      raised("ArgumentError", function() text:subquery() end)
    end)

    it("values with types", function()
      local v = db.values({ db.column("n", db.Integer), db.column("day", db.Date) },
        { { 1, db.null }, { 2, "2020-01-02" } }, "v")
      assert.equal("Date", v.c.day.type.kind)
      assert.equal(2, db.select(v.c.day):where(v.c.n:eq(2)):scalar().day)
      raised("TypeError", db.values, { db.column("n", db.Integer) }, { { "x" } }, "v")
    end)

    it("a model under another name, or read from a subquery", function()
      assert.equal("u", (db.select(db.aliased{User, name = "u"}.id):sql()):match "FROM user AS (%a)")
      local sub = db.select(User):where(User.name:eq "b"):subquery()
      assert.equal("[<User 2>]", tostring(db.select(db.aliased{User, sub}):all()))
      assert.equal("[<User 2>]", tostring(db.select(db.aliased{User, alias = sub}):all()))
      assert.equal(2, db.select(db.aliased(sub, "s").c.id):scalar())
      assert.equal(3, #db.select(db.aliased(User.__table__, "t").c.id):all())
      raised("ArgumentError", db.aliased, 5)
    end)
  end)
end)

describe("columns of a subquery", function()
  local db, Event, Note

  setup(function()
    db = perilune.open "sqlite://"
    Event = db.Model "Event" {
      __tablename__ = "evt",
      id = db.Column{db.Integer, primary_key = true},
      name = db.Column{db.String(9)},
      evt_name = db.Column{db.String(9)},
    }
    Note = db.Model "Note" {
      id = db.Column{db.Integer, primary_key = true},
      evt_id = db.Column{db.Integer, db.ForeignKey "evt.id"},
      text = db.Column{"body", db.Text},
      body = db.Column{"other", db.Text},
    }
    db:create_all()
    db.session:add_all { Event{name = "n", evt_name = "en"}, Event{name = "m"} }
    db.session:flush()
    db.session:add(Note{id = 7, evt_id = 2, text = "t", body = "b"})
    db.session:commit()
  end)

  teardown(function() db:close() end)

  local function row(query)
    return { db.session:execute(query):first():unpack() }
  end

  it("are found by their own name before table_column", function()
    local s = db.select(Event.name, Event.evt_name):order_by(Event.id):subquery()
    assert.same({ "n", "en" }, row(db.select(s)))
    assert.same({ "en", "n" }, row(db.select(s.c.evt_name, s.c.name)))
    assert.same({ "n" }, row(db.select(s.c.evt_evt_name, s.c.evt_name):where(s.c.evt_name:eq "en")
      :with_only_columns(s.c.name)))
    local both = db.select(Event.id, Note.evt_id):join(Note, Note.evt_id:gt(Event.id)):subquery()
    assert.same({ 2, 1 }, row(db.select(both.c.evt_id, both.c.id)))
    assert.equal(0, db.select(both.c.id):where(both.c.evt_id:eq(1)):count())
  end)

  it("of one name are told by table and by number", function()
    local s = db.select(Event, Note):join(Note, Note.evt_id:eq(Event.id)):subquery()
    assert.same({ 2, "m", nil, 7, 2, "t", "b" }, row(db.select(s)))
    assert.same({ 7, 7, 2 }, row(db.select(s.c.note_id, s.c.id_1, s.c.id)))
    local other = db.aliased(Event)
    local pair = db.select(Event.id, other.id):join(other, other.id:gt(Event.id)):cte "pair"
    assert.same({ 1, 2 }, row(db.select(pair)))
    assert.same({ 2 }, row(db.select(pair.c.id_1)))
  end)

  it("of one label are told by number", function()
    local s = db.select(Event.id:label "q", Event.name:label "q", (Event.id + 5):label "q")
      :order_by(Event.id):subquery()
    assert.same({ 1, "n", 6 }, row(db.select(s)))
    assert.same({ "n", 6, 1 }, row(db.select(s.c.q_1, s.c.q_2, s.c.q)))
    local t = db.select(Event.name, Event.id:label "name"):order_by(Event.id):cte "t"
    assert.same({ "n", 1 }, row(db.select(t)))
  end)

  it("without a name are numbered", function()
    local f = db.func
    local s = db.select(Event.id + 10, f.count(), f.count(Event.evt_name), Event.id * 2):subquery "s"
    assert.same({ 11, 2, 1, 2 }, row(db.select(s)))
    assert.same({ 2, 1, 2, 11 }, row(db.select(s.c.anon_2, s.c.count_2, s.c.count_1, s.c.anon_1)))
    raised("AttributeError", function() return s.c.anon_3 end)
    local names = {}
    for name, column in pairs(s.c) do names[#names + 1] = name .. column.name end
    assert.same({ "anon_1anon_1", "count_1count_1", "count_2count_2", "anon_2anon_2" }, names)
  end)

  it("and of rows go by the attribute", function()
    local s = db.select(Note.text, Note.body):subquery()
    assert.same({ "t", "b" }, row(db.select(s.c.text, s.c.body)))
    local note = db.select(Note.text, Note.body):first()
    assert.same({ "t", "b" }, { note.text, note.body })
    assert.same({ text = "t", body = "b" }, note:to_dict())
  end)
end)

describe("a stored value that its type cannot be", function()
  local db, M, rows

  setup(function()
    db = perilune.open "sqlite://"
    M = db.Model "M" {
      id = db.Column{db.Integer, primary_key = true},
      at = db.Column{db.DateTime},
      mood = db.Column{db.Enum{"good", "bad"}},
    }
    db:create_all()
    db.session:execute(db.text [[INSERT INTO m VALUES (1, '2020-01-01 00:00:00.000000', 'good'),
      (2, 'never', 'odd'), (3, '2020-01-03 00:00:00.000000', NULL)]])
    rows = db.select(M.id, M.at, M.mood:label "how"):order_by(M.id):all()
  end)

  teardown(function() db:close() end)

  it("fails only where it is read, and names its column", function()
    assert.equal(3, #rows)
    assert.equal(2020, rows[1].at.year)
    assert.equal(3, rows[3].at.day)
    assert.is_nil(rows[3].how)
    local bad = rows[2]
    assert.equal(2, bad.id)
    assert.matches("^at: the stored value 'never'", raised(function() return bad.at end).message)
    assert.matches("^at: ", raised(function() return bad[2] end).message)
    assert.matches("^how: the stored value 'odd'", raised(function() return bad.how end).message)
    assert.matches("^at: ", raised(bad.unpack, bad).message)
    assert.matches("^at: ", raised(bad.to_dict, bad).message)
    assert.matches("^at: ", raised(function() for _ in pairs(bad) do end end).message)
    assert.equal("(2, nil, nil)", tostring(bad))
  end)

  it("does not fail what was selected beside it", function()
    local list = db.select(M, M.at):order_by(M.id):all()
    assert.equal(M.query:get(2), list[2].M)
    assert.matches("^at: ", raised(function() return list[2].at end).message)
    local ids = {}
    for id, at in db.select(M.id, M.at):where(M.id:ne(2)):order_by(M.id):each() do
      ids[#ids + 1] = id + at.day
    end
    assert.same({ 2, 6 }, ids)
  end)

  it("fails what gives single values", function()
    local q = db.select(M.at):order_by(M.id)
    assert.matches("^at: ", raised(q.scalars, q).message)
    local one = db.select(M.at):where(M.id:eq(2))
    assert.matches("^at: ", raised(one.scalar, one).message)
    assert.matches("^at: ", raised(function() for _ in one:each() do end end).message)
  end)
end)
