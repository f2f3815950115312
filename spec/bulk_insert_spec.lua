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

  it("refuses a name in a later row that is no attribute", function()
    local rows = { { name = "a" }, { nmae = "b" } }
    local ok, err = pcall(db.session.bulk_insert, db.session, Item, rows)
    assert.is_false(ok)
    assert.equal("AttributeError", err.name)
    assert.same({}, stored())
  end)

  it("takes no rows", function()
    assert.equal(0, db.session:bulk_insert(Item, {}))
  end)
end)
