-- SPDX-License-Identifier: MIT
-- The same tables declared here and with SQLAlchemy: what SQLite makes of both schemas is
-- compared through its PRAGMAs and, for what these do not tell, the text in sqlite_master.
-- SQLAlchemy gets the naming convention that is the default here.

local perilune = require "perilune"
local python = require "spec.support.python"
local run = require "spec.support.run"

local theirs = [[
import sys, warnings
warnings.simplefilter("ignore")
import sqlalchemy as sa
from sqlalchemy import Column as C, Integer as I, String as S
engine = sa.create_engine("sqlite:///" + sys.stdin.readline().strip())
md = sa.MetaData(naming_convention={
    "ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s", "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s"})
sa.Table("kinds", md, C("id", I, primary_key=True), C("i", I), C("si", sa.SmallInteger),
    C("bi", sa.BigInteger), C("s", S(20)), C("s0", S), C("t", sa.Text), C("u", sa.Unicode(7)),
    C("ut", sa.UnicodeText), C("b", sa.Boolean), C("f", sa.Float), C("n", sa.Numeric(10, 2)),
    C("n0", sa.Numeric), C("d", sa.Date), C("tm", sa.Time), C("dt", sa.DateTime),
    C("iv", sa.Interval), C("lb", sa.LargeBinary), C("j", sa.JSON), C("e", sa.Enum("x", "long", name="e")),
    C("must", I, nullable=False))
sa.Table("parent", md, C("a", I, primary_key=True), C("b", S(5), primary_key=True),
    C("code", S(9), unique=True), C("tag", S(9), index=True), C("both", S(9), index=True, unique=True))
sa.Table("child", md, C("id", I, primary_key=True), C("pa", I), C("pb", S(5)),
    C("kind_id", sa.ForeignKey("kinds.id", ondelete="CASCADE", onupdate="SET NULL"), nullable=False),
    C("late", I, sa.ForeignKey("kinds.id", deferrable=True, initially="DEFERRED")),
    C("up", I, sa.ForeignKey("child.id", ondelete="SET NULL", name="fk_up")),
    C("x", I), C("y", I),
    sa.ForeignKeyConstraint(["pa", "pb"], ["parent.a", "parent.b"], ondelete="RESTRICT"),
    sa.UniqueConstraint("x", "y"), sa.UniqueConstraint("y", name="only_y"),
    sa.CheckConstraint("x > 0", name="positive"), sa.CheckConstraint("y < 'it''s' or x <> y", name="apart"))
t = sa.Table("marks", md, C("id", I, primary_key=True), C("name", S(30)), C("active", sa.Boolean), C("n", I))
sa.Index("ix_lower", sa.func.lower(t.c.name))
sa.Index("ix_active", t.c.name, sqlite_where=t.c.active == sa.true())
sa.Index("ix_two", t.c.name, t.c.n.desc(), unique=True)
sa.Index("ix_expr", t.c.n + 1, sqlite_where=t.c.n > 5)
sa.Table("defaults", md, C("id", I, primary_key=True), C("text", S(20), server_default="it's"),
    C("number", I, server_default="5"), C("raw", I, server_default=sa.text("5")),
    C("now", sa.DateTime, server_default=sa.func.now()), C("yes", sa.Boolean, server_default=sa.true()),
    C("sum", I, server_default=sa.text("(1 + 2)")), C("client", I, default=3))
sa.Table("goods", md, C("id", I, primary_key=True), C("price", I), C("n", I),
    C("total", I, sa.Computed("price * n")), C("kept", I, sa.Computed("price + n", persisted=True)))
sa.Table("pairs", md, C("left_id", I, sa.ForeignKey("kinds.id"), primary_key=True),
    C("right_id", I, sa.ForeignKey("marks.id"), primary_key=True))
sa.Table("words", md, C("word", S(20), primary_key=True))
sa.Table("counted", md, C("id", I, primary_key=True), C("v", I), sqlite_autoincrement=True)
sa.Table("order", md, C("select", I, primary_key=True), C("Mixed Case", I), C("quo\"te", S(3), index=True))
sa.Table("cycle_a", md, C("id", I, primary_key=True), C("b_id", I, sa.ForeignKey("cycle_b.id")))
sa.Table("cycle_b", md, C("id", I, primary_key=True), C("a_id", I, sa.ForeignKey("cycle_a.id")))
md.create_all(engine)
]]

local function ours(db)
  local C, I, S = db.Column, db.Integer, db.String
  local function id() return C { "id", I, primary_key = true } end
  db.Table { "kinds", id(), C { "i", I }, C { "si", db.SmallInteger }, C { "bi", db.BigInteger },
    C { "s", S(20) }, C { "s0", S }, C { "t", db.Text }, C { "u", db.Unicode(7) },
    C { "ut", db.UnicodeText }, C { "b", db.Boolean }, C { "f", db.Float }, C { "n", db.Numeric(10, 2) },
    C { "n0", db.Numeric }, C { "d", db.Date }, C { "tm", db.Time }, C { "dt", db.DateTime },
    C { "iv", db.Interval }, C { "lb", db.LargeBinary }, C { "j", db.JSON }, C { "e", db.Enum { "x", "long" } },
    C { "must", I, nullable = false } }
  db.Table { "parent", C { "a", I, primary_key = true }, C { "b", S(5), primary_key = true },
    C { "code", S(9), unique = true }, C { "tag", S(9), index = true },
    C { "both", S(9), index = true, unique = true } }
  db.Table { "child", id(), C { "pa", I }, C { "pb", S(5) },
    C { "kind_id", db.ForeignKey { "kinds.id", ondelete = "CASCADE", onupdate = "SET NULL" }, nullable = false },
    C { "late", I, db.ForeignKey { "kinds.id", deferrable = true, initially = "DEFERRED" } },
    C { "up", I, db.ForeignKey { "child.id", ondelete = "SET NULL", name = "fk_up" } },
    C { "x", I }, C { "y", I },
    db.ForeignKeyConstraint { { "pa", "pb" }, { "parent.a", "parent.b" }, ondelete = "RESTRICT" },
    db.UniqueConstraint { "x", "y" }, db.UniqueConstraint { "y", name = "only_y" },
    db.CheckConstraint { "x > 0", name = "positive" }, db.CheckConstraint { "y < 'it''s' or x <> y", name = "apart" } }
  local M = db.Model "Marks" {
    id = C { I, primary_key = true }, name = C { S(30) }, active = C { db.Boolean }, n = C { I },
    __table_args__ = {
      db.Index { "ix_lower", db.func.lower(db.text "name") },
      db.Index { "ix_active", "name", where = db.text "active = 1" },
      db.Index { "ix_two", "name", db.text "n DESC", unique = true },
      db.Index { "ix_expr", db.text "n + 1", where = "n > 5" },
    },
  }
  assert(M.__tablename__ == "marks")
  db.Table { "defaults", id(), C { "text", S(20), server_default = "it's" },
    C { "number", I, server_default = "5" }, C { "raw", I, server_default = db.text "5" },
    C { "now", db.DateTime, server_default = db.func.now() },
    C { "yes", db.Boolean, server_default = db.true_() },
    C { "sum", I, server_default = db.text "(1 + 2)" }, C { "client", I, default = 3 } }
  db.Table { "goods", id(), C { "price", I }, C { "n", I }, C { "total", I, db.Computed "price * n" },
    C { "kept", I, db.Computed("price + n", { persisted = true }) } }
  db.Table { "pairs", C { "left_id", I, db.ForeignKey "kinds.id", primary_key = true },
    C { "right_id", I, db.ForeignKey "marks.id", primary_key = true } }
  db.Table { "words", C { "word", S(20), primary_key = true } }
  db.Table { "counted", id(), C { "v", I }, sqlite_autoincrement = true }
  db.Table { "order", C { "select", I, primary_key = true }, C { "Mixed Case", I },
    C { 'quo"te', S(3), index = true } }
  db.Table { "cycle_a", id(), C { "b_id", I, db.ForeignKey "cycle_b.id" } }
  db.Table { "cycle_b", id(), C { "a_id", I, db.ForeignKey "cycle_a.id" } }
  db:create_all()
end

-- ---- what SQLite makes of it ----------------------------------------------------------

local function rows(db, text, params)
  local out = {}
  for _, row in ipairs(db.session:execute(db.text(text), params)) do out[#out + 1] = row end
  return out
end

local function quote(name) return '"' .. name:gsub('"', '""') .. '"' end

-- Spelling that means nothing: blanks, parentheses around all, quotes of plain names, the name
-- of the table before a column.
local function plain(text)
  if text == nil then return "" end
  text = text:gsub("%s+", " "):gsub('"([%w_]+)"', "%1"):gsub("^ ", ""):gsub(" $", "")
  while text:match "^%b()$" do text = text:sub(2, -2) end
  return (text:gsub("marks%.", ""))
end

local function columns(db, t)
  local out = {}
  for i, c in ipairs(rows(db, ("PRAGMA table_xinfo(%s)"):format(quote(t)))) do
    out[i] = table.concat({ c.name, c.type, c.notnull, plain(c.dflt_value), c.pk, c.hidden }, "|")
  end
  return out
end

local function indexes(db, t)
  local out = {}
  for _, x in ipairs(rows(db, ("PRAGMA index_list(%s)"):format(quote(t)))) do
    local parts = {}
    for _, c in ipairs(rows(db, ("PRAGMA index_xinfo(%s)"):format(quote(x.name)))) do
      if c.key == 1 then
        parts[#parts + 1] = ("%s%s"):format(c.name or "<expression>", c.desc == 1 and " desc" or "")
      end
    end
    local text = rows(db, "select sql from sqlite_master where name = :n", { n = x.name })[1]
    local own = x.origin == "c"
    out[#out + 1] = table.concat({ own and x.name or x.origin, x.unique, x.partial,
      table.concat(parts, ","), own and plain(text.sql:match " ON .-(%(.+)$") or "" }, "|")
  end
  table.sort(out)
  return out
end

local function foreign_keys(db, t)
  local by_id, out = {}, {}
  for _, k in ipairs(rows(db, ("PRAGMA foreign_key_list(%s)"):format(quote(t)))) do
    by_id[k.id] = (by_id[k.id] or ("%s %s %s"):format(k.table, k.on_update, k.on_delete))
      .. (" %s=%s"):format(k.from, k.to)
  end
  for _, text in pairs(by_id) do out[#out + 1] = text end
  table.sort(out)
  return out
end

-- Names of constraints, what CHECKs say, and what foreign keys wait for.
local function constraints(db, t)
  local text = rows(db, "select sql from sqlite_master where type = 'table' and name = :n", { n = t })[1].sql
  local out = {}
  text = text:gsub("%s+", " ")
  for name, rest in text:gmatch "CONSTRAINT (%S+) (%a+)" do out[#out + 1] = rest .. " " .. name:gsub('"', "") end
  for check in text:gmatch "CHECK (%b())" do out[#out + 1] = "check " .. plain(check) end
  for _, word in ipairs { "DEFERRABLE INITIALLY DEFERRED", "AUTOINCREMENT" } do
    local _, n = text:gsub(word, "")
    out[#out + 1] = word .. " " .. n
  end
  table.sort(out)
  return out
end

local function dump(db)
  local out = {}
  for _, t in ipairs(rows(db, [[select name from sqlite_master where type = 'table'
      and name not like 'sqlite\_%' escape '\']])) do
    local name = t.name
    out[name] = { columns = columns(db, name), indexes = indexes(db, name),
      foreign_keys = foreign_keys(db, name), constraints = constraints(db, name) }
  end
  db.session:rollback()
  return out
end

describe("a schema", function()
  local folder

  before_each(function() folder = run.folder() end)
  after_each(function() run.remove(folder) end)

  it("means what SQLAlchemy's means", function()
    if python.missing "sqlalchemy" then return pending(python.missing "sqlalchemy") end
    python.run(theirs, folder .. "/theirs.db\n")
    local mine, other = perilune.open("sqlite:///" .. folder .. "/ours.db"),
      perilune.open("sqlite:///" .. folder .. "/theirs.db")
    finally(function() mine:close() other:close() end)
    ours(mine)
    local expected, got = dump(other), dump(mine)
    local names = {}
    for name in pairs(expected) do names[#names + 1] = name end
    assert.equal(12, #names)
    for _, name in ipairs(names) do
      assert.same(expected[name], got[name], name)
      expected[name], got[name] = nil, nil
    end
    assert.same(expected, got)
  end)

  it("can be made again and dropped by the other side", function()
    if python.missing "sqlalchemy" then return pending(python.missing "sqlalchemy") end
    local path = folder .. "/both.db"
    local db = perilune.open("sqlite:///" .. path)
    ours(db)
    db:close()
    python.run(theirs .. "md.drop_all(engine)", path .. "\n")
    db = perilune.open("sqlite:///" .. path)
    finally(function() db:close() end)
    assert.same({}, dump(db))
    python.run(theirs, path .. "\n")
    ours(db)
    assert.equal(12, #db:drop_all())
    assert.same({}, dump(db))
  end)
end)
