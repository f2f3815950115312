-- SPDX-License-Identifier: MIT
-- Keys, constraints and results of many columns.

local perilune = require "perilune"
local raised = require "spec.support.raised"
local sql_log = require "spec.support.sql_log"

-- db.Column for k1 .. kn, each made by make(i).
local function columns(n, make, prefix)
  local out = {}
  for i = 1, n do out[(prefix or "k") .. i] = make(i) end
  return out
end

local function range(n, format)
  local out = {}
  for i = 1, n do out[i] = format and format:format(i) or i end
  return out
end

describe("a primary key of twelve columns", function()
  local db, session, Wide, Child, log
  local N = 12

  -- A key whose parts are all the same but the last.
  local function key(last)
    local out = range(N)
    out[N] = last
    return out
  end

  local function wide(last, name)
    local values = { name = name }
    for i, v in ipairs(key(last)) do values["k" .. i] = v end
    return Wide(values)
  end

  before_each(function()
    db = perilune.open "sqlite://"
    session = db.session
    local spec = columns(N, function() return db.Column { db.Integer, primary_key = true } end)
    spec.name = db.Column { db.String(20) }
    Wide = db.Model "Wide" (spec)
    local child = columns(N, function() return db.Column { db.Integer } end, "w")
    child.id = db.Column { db.Integer, primary_key = true }
    child.wide = db.relationship { "Wide", backref = "children" }
    -- The pairs stand in another order than the columns of the key.
    local mine, theirs = {}, {}
    for i = N, 1, -1 do mine[#mine + 1], theirs[#theirs + 1] = "w" .. i, "wide.k" .. i end
    child.__table_args__ = { db.ForeignKeyConstraint { mine, theirs } }
    Child = db.Model "Child" (child)
    db:create_all()
    log = sql_log(db)
  end)

  after_each(function() db:close() end)

  it("is found by position and by name, and in the identity map", function()
    local a = wide(1, "a")
    session:add_all { a, wide(2, "b") }
    session:commit()
    assert.equal(a, session:get(Wide, table.unpack(key(1))))
    assert.equal("b", Wide.query:get(key(2)).name)
    local named = {}
    for i, v in ipairs(key(2)) do named["k" .. i] = v end
    assert.equal("b", Wide.query:get(named).name)
    assert.is_nil(Wide.query:get(key(3)))
    assert.same(key(1), perilune.inspect(a).identity)
  end)

  it("refuses too many and too few values", function()
    assert.matches("12", raised("InvalidRequestError", Wide.query.get, Wide.query, 1, 2).message)
    local many = range(N + 1)
    assert.matches("12", raised("InvalidRequestError", Wide.query.get, Wide.query, many).message)
  end)

  it("is followed by a foreign key, alone and for many at once", function()
    for i = 1, 30 do
      local parent = wide(i, "p" .. i)
      session:add(parent)
      session:add_all { Child { wide = parent }, Child { wide = parent } }
    end
    session:commit()
    db.session:close()
    local list = db.session:execute(db.select(Child):order_by(Child.id)):scalars()
    log:clear()
    for i, child in ipairs(list) do assert.equal("p" .. (i + 1) // 2, child.wide.name) end
    assert.equal(1, log:selects())
    db.session:close()
    log:clear()
    for _, parent in ipairs(Wide.query:all()) do
      assert.equal(2, #parent.children)
      assert.equal(parent, parent.children[2].wide)
    end
    assert.equal(2, log:selects())
  end)

  it("is a known object without a statement when a foreign key leads to it", function()
    session:add(Child { wide = wide(1, "a") })
    session:commit()
    db.session:close()
    local parent = Wide.query:one()
    local child = db.session:execute(db.select(Child)):scalars()[1]
    log:clear()
    assert.equal(parent, child.wide)
    assert.equal(0, log:selects())
  end)

  it("is written, changed and deleted by", function()
    local a, b = wide(1, "a"), wide(2, "b")
    session:add_all { a, b }
    session:commit()
    a.name = "A"
    session:delete(b)
    session:commit()
    assert.same({ "A" }, db.session:execute(db.select(Wide.name)):scalars())
    a.k12 = 7
    session:commit()
    assert.equal(a, Wide.query:get(key(7)))
    assert.equal(1, Wide.query:where(Wide.k12:eq(7)):update { name = "B" })
    assert.equal("B", a.name)
    assert.equal(1, Wide.query:delete())
    assert.is_nil(Wide.query:get(key(7)))
  end)
end)

describe("a foreign key whose pairs stand in another order than the key", function()
  it("leads to the right one of two objects whose keys are each other's turned round", function()
    local db = perilune.open "sqlite://"
    local Pair = db.Model "Pair" {
      a = db.Column { db.Integer, primary_key = true },
      b = db.Column { db.Integer, primary_key = true },
    }
    local Ref = db.Model "Ref" {
      id = db.Column { db.Integer, primary_key = true },
      x = db.Column { db.Integer },
      y = db.Column { db.Integer },
      pair = db.relationship { "Pair" },
      __table_args__ = { db.ForeignKeyConstraint { { "x", "y" }, { "pair.b", "pair.a" } } },
    }
    db:create_all()
    db.session:add_all { Pair { a = 1, b = 2 }, Pair { a = 2, b = 1 }, Ref { id = 1, x = 2, y = 1 } }
    db.session:commit()
    local known = Pair.query:all()
    assert.equal(2, #known)
    local pair = Ref.query:get(1).pair
    assert.same({ 1, 2 }, { pair.a, pair.b })
    db.session:close()
    pair = Ref.query:get(1).pair
    assert.same({ 1, 2 }, { pair.a, pair.b })
    db:close()
  end)
end)

describe("more than sixty-four key columns", function()
  it("are refused when the model is declared", function()
    local db = perilune.open "sqlite://"
    local spec = columns(65, function() return db.Column { db.Integer, primary_key = true } end)
    local err = raised("ArgumentError", db.Model "Wide", spec)
    assert.matches("primary key of 'wide' has 65 columns", err.message)
    db.Model "Wide" (columns(64, function() return db.Column { db.Integer, primary_key = true } end))
    db:create_all()
    local Wide = db.Model "Other" { id = db.Column { db.Integer, primary_key = true } }
    db:create_all()
    db.session:add(Wide {})
    db.session:commit()
    db:close()
  end)
end)

describe("constraints and indexes", function()
  it("may have forty columns", function()
    local db = perilune.open "sqlite://"
    local spec = columns(40, function() return db.Column { db.Integer } end, "c")
    spec.id = db.Column { db.Integer, primary_key = true }
    local names = range(40, "c%d")
    local indexed = range(40, "c%d")
    table.insert(indexed, 1, "ix_all")
    spec.__table_args__ = { db.UniqueConstraint(names), db.Index(indexed) }
    local Many = db.Model "Many" (spec)
    db:create_all()
    local function many(last)
      local values = {}
      for i = 1, 40 do values["c" .. i] = i end
      values.c40 = last
      return Many(values)
    end
    db.session:add_all { many(1), many(2) }
    db.session:commit()
    db.session:add(many(2))
    raised("IntegrityError", db.session.commit, db.session)
    db.session:rollback()
    local n = db.session:execute(db.text "SELECT count(*) FROM pragma_index_info('ix_all')"):scalar()
    assert.equal(40, n)
    db:close()
  end)
end)

describe("a result", function()
  it("may have a hundred columns, from SQL text and from expressions", function()
    local db = perilune.open "sqlite://"
    local parts, items = {}, {}
    for i = 1, 100 do
      parts[i] = ("%d AS c%d"):format(i, i)
      items[i] = db.literal(i):label("c" .. i)
    end
    local sql = "SELECT " .. table.concat(parts, ", ")
    for _, statement in ipairs { db.text(sql), db.select(table.unpack(items)) } do
      local row = db.session:execute(statement):one()
      assert.equal(100, #row)
      assert.equal(100, row.c100)
      assert.equal(73, row[73])
      assert.equal(100, select("#", row:unpack()))
    end
    db:close()
  end)

  it("may have six entities", function()
    local db = perilune.open "sqlite://"
    local User = db.Model "User" { id = db.Column { db.Integer, primary_key = true } }
    db:create_all()
    db.session:add(User {})
    db.session:commit()
    local list = { User }
    for i = 2, 6 do list[i] = db.aliased(User, "u" .. i) end
    local row = db.select(table.unpack(list)):one()
    assert.equal(6, #row)
    assert.equal(row[1], row[6])
    db:close()
  end)
end)
