-- SPDX-License-Identifier: MIT
-- The values that Lua does not have, on disk: one SQLite file that SQLAlchemy and this
-- library share, written by either and read by the other.

local perilune = require "perilune"
local python = require "spec.support.python"
local run = require "spec.support.run"

local declare = [[
import sys, warnings
from datetime import date, datetime, time, timedelta
from decimal import Decimal
warnings.simplefilter("ignore")
import sqlalchemy as sa
engine = sa.create_engine("sqlite:///" + sys.stdin.readline().strip())
table = sa.Table("value", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("d", sa.Date), sa.Column("t", sa.Time), sa.Column("dt", sa.DateTime),
    sa.Column("iv", sa.Interval), sa.Column("n", sa.Numeric(12, 4)), sa.Column("j", sa.JSON),
    sa.Column("u", sa.CHAR(32)))
]]

local function open(path)
  local db = perilune.open("sqlite:///" .. path)
  local Value = db.Model "Value" {
    id = db.Column { db.Integer, primary_key = true },
    d = db.Column { db.Date }, t = db.Column { db.Time }, dt = db.Column { db.DateTime },
    iv = db.Column { db.Interval }, n = db.Column { db.Numeric(12, 4) },
    j = db.Column { db.JSON }, u = db.Column { db.UUID },
  }
  return db, Value
end

local function missing()
  return python.missing("sqlalchemy") or not perilune.open and "no perilune.open"
end

describe("a file shared with SQLAlchemy", function()
  local folder, db

  before_each(function() folder = run.folder() end)

  after_each(function()
    if db then db:close() end
    db = nil
    run.remove(folder)
  end)

  it("is read by SQLAlchemy as it was written here", function()
    if missing() then return pending(missing()) end
    local path = folder .. "/ours.db"
    local Value
    db, Value = open(path)
    db:create_all()
    db.session:add_all {
      Value { d = db.date(2024, 2, 29), t = db.time(8, 5, 0, 250),
        dt = db.datetime "2024-02-29T14:30:00+02:00", iv = db.interval { days = 1, seconds = 1.5 },
        n = db.decimal "12.5", j = { b = { 1, 2.0, db.null }, a = "é" },
        u = "12345678-9abc-4ef0-8234-56789abcdef0" },
      Value { d = db.date(1, 1, 1), t = db.time(23, 59, 59, 999999),
        dt = db.datetime(9999, 12, 31, 23, 59, 59, 999999), iv = db.interval(-0.000001),
        n = db.decimal "-3", j = db.json_array {} },
    }
    db.session:commit()
    local lines = python.run(declare .. [[
with engine.connect() as c:
    for row in c.execute(table.select().order_by(table.c.id)):
        print(*map(repr, row[1:5]), format(row[5].normalize(), "f"), *map(repr, row[6:]), sep="|")
    for row in c.exec_driver_sql(
            "select d, t, dt, iv, n, typeof(n), j, u from value order by id"):
        print(*map(repr, row), sep="|")
]], path .. "\n")
    assert.same({
      "datetime.date(2024, 2, 29)|datetime.time(8, 5, 0, 250)|" ..
      "datetime.datetime(2024, 2, 29, 12, 30)|datetime.timedelta(days=1, seconds=1, " ..
      "microseconds=500000)|12.5|{'a': 'é', 'b': [1, 2.0, None]}|" ..
      "'123456789abc4ef0823456789abcdef0'",
      "datetime.date(1, 1, 1)|datetime.time(23, 59, 59, 999999)|" ..
      "datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)|datetime.timedelta(days=-1, " ..
      "seconds=86399, microseconds=999999)|-3|[]|None",
      "'2024-02-29'|'08:05:00.000250'|'2024-02-29 12:30:00.000000'|" ..
      "'1970-01-02 00:00:01.500000'|12.5|'real'|'{\"a\": \"\\\\u00e9\", \"b\": [1, 2.0, null]}'|" ..
      "'123456789abc4ef0823456789abcdef0'",
      "'0001-01-01'|'23:59:59.999999'|'9999-12-31 23:59:59.999999'|" ..
      "'1969-12-31 23:59:59.999999'|-3|'integer'|'[]'|None",
    }, lines)
  end)

  it("is read here as SQLAlchemy wrote it", function()
    if missing() then return pending(missing()) end
    local path = folder .. "/theirs.db"
    local Value
    python.run(declare .. [[
table.metadata.create_all(engine)
with engine.begin() as c:
    c.execute(table.insert(), [
        dict(d=date(2024, 2, 29), t=time(8, 5, 0, 250), dt=datetime(2024, 2, 29, 12, 30, 0, 7),
             iv=timedelta(hours=-5), n=Decimal("0.1"), j={"z": [None, {}], "a": []},
             u="123456789abc4ef0823456789abcdef0"),
        dict(d=date(1, 1, 1), t=time(0), dt=datetime(1, 1, 1), iv=timedelta(days=400),
             n=Decimal("99999999.9999"), j="é", u=None)])
]], path .. "\n")
    db, Value = open(path)
    local first, second = table.unpack(Value.query:order_by(Value.id):all())
    assert.equal(db.date(2024, 2, 29), first.d)
    assert.equal(db.time(8, 5, 0, 250), first.t)
    assert.equal("2024-02-29T12:30:00.000007", first.dt:iso())
    assert.equal(db.interval { hours = -5 }, first.iv)
    assert.equal("0.1000", tostring(first.n))
    assert.equal(db.null, first.j.z[1])
    assert.equal('{"a": [], "z": [null, {}]}', perilune.json.encode(first.j))
    assert.equal("12345678-9abc-4ef0-8234-56789abcdef0", tostring(first.u))
    assert.equal("0001-01-01T00:00:00", second.dt:iso())
    assert.equal(db.interval { days = 400 }, second.iv)
    assert.equal("99999999.9999", tostring(second.n))
    assert.equal("é", second.j)
    assert.is_nil(second.u)
  end)

  -- ---- all types, and a database that Flask-SQLAlchemy made ----

  local flask = [[
import json, sys, uuid, warnings
from datetime import date, datetime, time, timedelta
from decimal import Decimal
warnings.simplefilter("ignore")
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
app = Flask("shared")
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///" + sys.stdin.readline().strip()
db = SQLAlchemy(app)

class BlogAuthor(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(80), nullable=False, unique=True)
    sheets = db.relationship("TypeSheet", backref="author", order_by="TypeSheet.id")

class TypeSheet(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    author_id = db.Column(db.Integer, db.ForeignKey("blog_author.id"))
    i = db.Column(db.Integer); si = db.Column(db.SmallInteger); bi = db.Column(db.BigInteger)
    s = db.Column(db.String(20)); t = db.Column(db.Text); u = db.Column(db.Unicode(20))
    b = db.Column(db.Boolean); f = db.Column(db.Float); n = db.Column(db.Numeric(12, 3))
    d = db.Column(db.Date); tm = db.Column(db.Time); dt = db.Column(db.DateTime)
    iv = db.Column(db.Interval); lb = db.Column(db.LargeBinary); j = db.Column(db.JSON)
    e = db.Column(db.Enum("low", "high"))

NAMES = "i si bi s t u b f n d tm dt iv lb j e".split()
]]

  -- What Python prints of every row: repr of each value, and the storage class of each.
  local show = [[
with app.app_context():
    for row in TypeSheet.query.order_by(TypeSheet.id):
        print(row.id, row.author and row.author.name, *[repr(getattr(row, n)) for n in NAMES], sep="|")
    for row in db.session.execute(db.text("select %s from type_sheet order by id" % ", ".join(
            "typeof(%s)" % n for n in NAMES))):
        print(*row)
]]

  local function sheets(path)
    db = perilune.open("sqlite:///" .. path)
    local C = db.Column
    local Author = db.Model "BlogAuthor" {
      id = C { db.Integer, primary_key = true },
      name = C { db.String(80), nullable = false, unique = true },
    }
    local Sheet = db.Model "TypeSheet" {
      id = C { db.Integer, primary_key = true },
      author_id = C { db.Integer, db.ForeignKey "blog_author.id" },
      author = db.relationship { "BlogAuthor", backref = "sheets" },
      i = C { db.Integer }, si = C { db.SmallInteger }, bi = C { db.BigInteger },
      s = C { db.String(20) }, t = C { db.Text }, u = C { db.Unicode(20) },
      b = C { db.Boolean }, f = C { db.Float }, n = C { db.Numeric(12, 3) },
      d = C { db.Date }, tm = C { db.Time }, dt = C { db.DateTime },
      iv = C { db.Interval }, lb = C { db.LargeBinary }, j = C { db.JSON },
      e = C { db.Enum { "low", "high" } },
    }
    return Author, Sheet
  end

  local function write_ours(Author, Sheet)
    local ann = Author { name = "Энн 😀" }
    db.session:add_all {
      Sheet { id = 1, author = ann, i = math.maxinteger, si = 32767, bi = math.mininteger, s = "naïve \"q'\"",
        t = "line\nтекст 漢字\t", u = "é", b = true, f = 0.1, n = db.decimal "123456789.125",
        d = db.date(2024, 2, 29), tm = db.time(23, 59, 59, 999999),
        dt = db.datetime(2024, 12, 31, 23, 59, 59, 123456), iv = db.interval { days = 3, seconds = 0.000007 },
        lb = "\0\255\1", j = { a = { math.maxinteger, db.null, true, 1.5 }, ["ключ"] = "é" }, e = "high" },
      Sheet { id = 2 },
      Sheet { id = 3, author = ann, i = 0, si = -32768, bi = math.maxinteger, s = "", t = "", u = "",
        b = false, f = -1e300, n = db.decimal "-0.001", d = db.date(1, 1, 1), tm = db.time(0, 0),
        dt = db.datetime(1970, 1, 1),
        iv = db.interval { days = -1 }, lb = "", j = db.null, e = "low" },
      Sheet { id = 4, j = db.json_array {}, i = -1 },
    }
    db.session:commit()
  end

  local write_theirs = [[
with app.app_context():
    db.create_all()
    ann = BlogAuthor(name="Энн 😀")
    db.session.add_all([
        TypeSheet(id=1, author=ann, i=2**63 - 1, si=32767, bi=-2**63, s="naïve \"q'\"", t="line\nтекст 漢字\t",
            u="é", b=True, f=0.1, n=Decimal("123456789.125"), d=date(2024, 2, 29),
            tm=time(23, 59, 59, 999999), dt=datetime(2024, 12, 31, 23, 59, 59, 123456),
            iv=timedelta(days=3, microseconds=7), lb=b"\0\xff\1",
            j={"a": [2**63 - 1, None, True, 1.5], "ключ": "é"}, e="high"),
        TypeSheet(id=2, j=sa.null()),
        TypeSheet(id=3, author=ann, i=0, si=-32768, bi=2**63 - 1, s="", t="", u="", b=False, f=-1e300,
            n=Decimal("-0.001"), d=date(1, 1, 1), tm=time(0), dt=datetime(1970, 1, 1),
            iv=timedelta(days=-1), lb=b"", j=None, e="low"),
        TypeSheet(id=4, j=[], i=-1)])
    db.session.commit()
]]

  it("holds the same bytes whoever wrote it with all types", function()
    if python.missing "flask_sqlalchemy" then return pending(python.missing "flask_sqlalchemy") end
    local mine, other = folder .. "/mine.db", folder .. "/flask.db"
    local Author, Sheet = sheets(mine)
    db:create_all()
    write_ours(Author, Sheet)
    db:close()
    python.run(flask .. write_theirs, other .. "\n")
    assert.same(python.run(flask .. show, other .. "\n"), python.run(flask .. show, mine .. "\n"))
    local function stored(path)
      db = perilune.open("sqlite:///" .. path)
      local out = {}
      for _, row in ipairs(db.session:execute(db.text "select * from type_sheet order by id")) do
        out[#out + 1] = tostring(row)
      end
      db:close()
      return out
    end
    -- The order of keys in a JSON object is that of the writer.
    local function without_json(rows)
      for i, row in ipairs(rows) do rows[i] = row:gsub("'{.-}'", "{}") end
      return rows
    end
    assert.same(without_json(stored(other)), without_json(stored(mine)))
  end)

  it("that Flask-SQLAlchemy made is read and written here", function()
    if python.missing "flask_sqlalchemy" then return pending(python.missing "flask_sqlalchemy") end
    local path = folder .. "/flask.db"
    python.run(flask .. write_theirs, path .. "\n")
    local Author, Sheet = sheets(path)
    assert.equal(0, #db:create_all())
    local first, second, third, fourth = table.unpack(Sheet.query:order_by(Sheet.id):all())
    local ann = Author.query:one()
    assert.equal("Энн 😀", first.author.name)
    assert.equal(2, #ann.sheets)
    assert.equal(math.maxinteger, first.i)
    assert.equal(math.mininteger, first.bi)
    assert.equal("line\nтекст 漢字\t", first.t)
    assert.equal(0.1, first.f)
    assert.equal(db.decimal "123456789.125", first.n)
    assert.equal("2024-12-31T23:59:59.123456", first.dt:iso())
    assert.equal(db.interval { days = 3, seconds = 0.000007 }, first.iv)
    assert.equal("\0\255\1", first.lb)
    assert.equal(math.maxinteger, first.j.a[1])
    assert.equal(db.null, first.j.a[2])
    assert.equal("é", first.j["ключ"])
    for name, value in pairs(second) do
      if name ~= "id" then assert.is_nil(value, name) end
    end
    assert.equal(db.null, third.j)
    assert.equal("", third.lb)
    assert.is_false(third.b)
    assert.equal(0, #fourth.j)
    assert.equal(1, Sheet.query:where(Sheet.dt:gt(db.datetime(2000, 1, 1))):count())
    assert.equal(1, Sheet.query:where(Sheet.n:eq(db.decimal "-0.001")):count())
    first.dt = first.dt + db.interval { seconds = 1 }
    first.j.a[2] = "two"
    first.n = first.n + 1
    second.author = ann
    db.session:delete(fourth)
    db.session:commit()
    db:close()
    local lines = python.run(flask .. [[
with app.app_context():
    ann = BlogAuthor.query.one()
    print([s.id for s in ann.sheets], ann.sheets[0].dt, ann.sheets[0].j["a"], ann.sheets[0].n, TypeSheet.query.count())
    ann.sheets[0].iv = timedelta(hours=1)
    ann.sheets.append(TypeSheet(s="new"))
    db.session.commit()
]], path .. "\n")
    assert.same({ "[1, 2, 3] 2025-01-01 00:00:00.123456 [9223372036854775807, 'two', True, 1.5] " ..
      "123456790.125 3" }, lines)
    Author, Sheet = sheets(path)
    assert.equal(db.interval { hours = 1 }, Sheet.query:get(1).iv)
    assert.equal("new", Author.query:one().sheets[4].s)
  end)
end)

describe("a bad value that is stored", function()
  local db, Bad

  before_each(function()
    db = perilune.open "sqlite://"
    Bad = db.Model "Bad" {
      id = db.Column { db.Integer, primary_key = true },
      whole = db.Column { db.Integer }, small = db.Column { db.SmallInteger },
      big = db.Column { db.BigInteger }, real = db.Column { db.Float },
      yes = db.Column { db.Boolean }, name = db.Column { db.String(40) },
      story = db.Column { db.Text }, bytes = db.Column { db.LargeBinary },
    }
    db:create_all()
  end)

  after_each(function() db:close() end)

  local function stored(column, value)
    db.session:execute(db.text("insert into bad (id, " .. column .. ") values (1, " .. value .. ")"))
    db.session:commit()
    return Bad.query:one()
  end

  for _, case in ipairs {
    { "whole", "'junk'", "junk" }, { "whole", "2.5", "2.5" }, { "whole", "x'ff'", "\\xFF" },
    { "small", "70000", "70000" }, { "small", "-32769", "-32769" }, { "big", "'junk'", "junk" },
    { "real", "'junk'", "junk" }, { "yes", "'junk'", "junk" },
    { "name", "x'41ff42'", "A\\xFFB" }, { "story", "x'6162c3'", "ab\\xC3" },
  } do
    local column, value, shown = case[1], case[2], case[3]
    it("is found when it is read: " .. column .. " = " .. value, function()
      local bad = stored(column, value)
      assert.equal(1, bad.id)
      local ok, err = pcall(function() return bad[column] end)
      assert.is_false(ok)
      assert.equal("ValueError", err.name)
      assert.equal("Bad." .. column, err.attribute)
      assert.is_truthy(err.message:find("'" .. shown .. "'", 1, true), err.message)
      bad[column] = nil
      db.session:commit()
      assert.is_nil(bad[column])
    end)
  end

  it("is none: the bytes of a LargeBinary", function()
    assert.equal("\xff\0", stored("bytes", "x'ff00'").bytes)
  end)

  it("is none: UTF-8 that is stored as a BLOB", function()
    assert.equal("é", stored("name", "x'c3a9'").name)
  end)
end)
