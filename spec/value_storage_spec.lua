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
end)
