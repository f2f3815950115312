-- SPDX-License-Identifier: MIT
-- session:bulk_insert: which columns the rows fill.

local perilune = require "perilune"

describe("bulk_insert", function()
  local db, Item

  before_each(function()
    db = perilune.open "sqlite://"
    Item = db.Model "Item" {
      id = db.Column { db.Integer, primary_key = true },
      name = db.Column { db.String(20) },
      parent_id = db.Column { db.Integer },
      word = db.Column { db.String(10), server_default = "given" },
      n = db.Column { db.Integer, default = 5 },
    }
    db:create_all()
  end)

  after_each(function() db:close() end)

  local function stored()
    local out = {}
    local rows = db.session:execute(db.text "SELECT name, parent_id, word, n FROM item ORDER BY id")
    for i, row in ipairs(rows:all()) do
      out[i] = ("%s %s %s %s"):format(row[1], row[2], row[3], row[4])
    end
    return out
  end

  it("keeps a column that only a later row names", function()
    assert.equal(3, db.session:bulk_insert(Item, {
      { name = "a" }, { name = "b", parent_id = 1 }, { name = "c" },
    }))
    assert.same({ "a nil given 5", "b 1 given 5", "c nil given 5" }, stored())
  end)

  it("leaves a default of the database to the database, row by row", function()
    db.session:bulk_insert(Item, {
      { name = "a" }, { name = "b", word = "own" }, { name = "c", word = "own", n = 1 },
      { name = "d" },
    })
    assert.same({ "a nil given 5", "b nil own 5", "c nil own 1", "d nil given 5" }, stored())
  end)

  describe("with defaults that are SQL expressions", function()
    local Made
    before_each(function()
      Made = db.Model "Made" {
        id = db.Column { db.Integer, primary_key = true },
        x = db.Column { db.Integer, default = db.func.abs(-5) },
        y = db.Column { db.Text, default = db.text "'t' || 'u'" },
        z = db.Column { db.Integer, nullable = false, default = db.literal(3) + 4 },
        top = db.Column { db.Integer, default = db.select(db.func.max(Item.n)):scalar_subquery() },
      }
      db:create_all()
      db.session:bulk_insert(Item, { { n = 41 }, { n = 12 } })
    end)

    local function made()
      local out = {}
      local rows = db.session:execute(db.text "SELECT x, y, z, top FROM made ORDER BY id")
      for i, row in ipairs(rows:all()) do
        out[i] = ("%s %s %s %s"):format(row[1], row[2], row[3], row[4])
      end
      return out
    end

    it("gives their value to the rows that do not name the column", function()
      assert.equal(4, db.session:bulk_insert(Made, { {}, { x = 1 }, { y = "own", z = 2 }, {} }))
      assert.same({ "5 tu 7 41", "1 tu 7 41", "5 own 2 41", "5 tu 7 41" }, made())
    end)

    it("keeps db.null where a row asks for it", function()
      db.session:bulk_insert(Made, { { x = db.null, top = 1 } })
      assert.same({ "nil tu 7 1" }, made())
    end)

    it("gives them to the full statements of many rows", function()
      local rows = {}
      for i = 1, 250 do rows[i] = { y = "row" .. i } end
      assert.equal(250, db.session:bulk_insert(Made, rows))
      local out = made()
      assert.equal("5 row1 7 41", out[1])
      assert.equal("5 row250 7 41", out[250])
    end)
  end)

  it("refuses a name in a later row that is no attribute", function()
    local rows = { { name = "a" }, { nmae = "b" } }
    local ok, err = pcall(db.session.bulk_insert, db.session, Item, rows)
    assert.is_false(ok)
    assert.equal("AttributeError", err.name)
    assert.same({}, stored())
  end)

  describe("of a model that inherits", function()
    local Person, Engineer, Senior
    before_each(function()
      Person = db.Model "Person" { id = db.Column { db.Integer, primary_key = true }, kind = db.Column { db.Text },
        name = db.Column { db.Text }, grade = db.Column { db.Integer, default = function() return 3 end },
        polymorphic_on = "kind", polymorphic_identity = "person" }
      Engineer = db.Model "Engineer" { __inherits__ = Person,
        id = db.Column { db.Integer, db.ForeignKey "person.id", primary_key = true },
        language = db.Column { db.Text, server_default = "c" }, polymorphic_identity = "engineer" }
      Senior = db.Model "Senior" { __inherits__ = Engineer,
        senior_id = db.Column { db.Integer, db.ForeignKey "engineer.id", primary_key = true },
        team = db.Column { db.Text }, polymorphic_identity = "senior" }
      db:create_all()
    end)

    it("fills all tables, with keys given and not given", function()
      db.session:add(Person { name = "first" })
      assert.equal(5, db.session:bulk_insert(Senior, {
        { name = "a", team = "x" }, { name = "b", language = "lua" }, { id = 7, name = "c", team = "y", grade = 1 },
        { name = "d" }, { name = "e", team = "z" } }))
      db.session:commit()
      local out = {}
      for i, s in ipairs(Senior.query:order_by(Senior.id):all()) do
        out[i] = ("%d %s %s %s %s %d"):format(s.id, s.kind, s.name, s.language, s.team, s.grade)
      end
      assert.same({ "7 senior c c y 1", "8 senior a c x 3", "9 senior b lua nil 3", "10 senior d c nil 3",
        "11 senior e c z 3" }, out)
      assert.equal(6, Person.query:count())
      db.session:add(Engineer { name = "next" })
      db.session:commit()
      assert.equal(12, Engineer.query:filter_by { name = "next" }:one().id)
      local many = {}
      for i = 1, 1000 do many[i] = { name = "n" .. i, language = "l" .. i } end
      assert.equal(1000, db.session:bulk_insert(Engineer, many))
      assert.equal("l1000", Engineer.query:filter_by { name = "n1000" }:one().language)
      assert.equal(1000, Engineer.query:where(Engineer.name:startswith "n", Engineer.id:gt(12)):count())
    end)

    it("refuses rows without a key that the database does not give", function()
      local Base = db.Model "Base" { code = db.Column { db.String(9), primary_key = true } }
      local Sub = db.Model "Sub" { __inherits__ = Base,
        code = db.Column { db.String(9), db.ForeignKey "base.code", primary_key = true }, n = db.Column { db.Integer } }
      db:create_all()
      assert.equal(1, db.session:bulk_insert(Sub, { { code = "a", n = 1 } }))
      assert.equal(1, Sub.query:get("a").n)
      local ok, err = pcall(db.session.bulk_insert, db.session, Sub, { { code = "b" }, { n = 2 } })
      assert.is_false(ok)
      assert.matches("Sub.*code", err.message)
    end)

    it("leaves nothing in one table when another refuses", function()
      local rows = { { id = 1, name = "a" }, { id = 1, name = "b" } }
      local ok, err = pcall(db.session.bulk_insert, db.session, Engineer, rows)
      assert.is_false(ok)
      assert.is_true(err:is "IntegrityError")
      db.session:rollback()
      assert.equal(0, Person.query:count())
    end)
  end)

  it("takes no rows", function()
    assert.equal(0, db.session:bulk_insert(Item, {}))
  end)
end)
