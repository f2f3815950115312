-- SPDX-License-Identifier: MIT
-- Values in comparisons: they are questions, so a column's limits do not apply.

local perilune = require "perilune"

describe("a value beside a column", function()
  local db, Item

  setup(function()
    db = perilune.open "sqlite://"
    Item = db.Model "Item" {
      id = db.Column { db.Integer, primary_key = true },
      name = db.Column { db.String(3) },
      price = db.Column { db.Numeric(6, 2) },
    }
    db:create_all()
    db.session:add_all {
      Item { name = "a", price = "0.10" }, Item { name = "b", price = 7 },
      Item { name = "c", price = db.decimal "19.99" },
    }
    db.session:commit()
  end)

  teardown(function() db:close() end)

  local function names(condition)
    local out = {}
    for i, item in ipairs(Item.query:where(condition):order_by(Item.id):all()) do
      out[i] = item.name
    end
    return table.concat(out)
  end

  it("may be a number that the decimal column could not hold", function()
    assert.equal("abc", names(Item.price:lt(1000000)))
    assert.equal("", names(Item.price:gt(db.decimal "1000000.125")))
    assert.equal("bc", names(Item.price:gt(0.105)))
  end)

  it("is compared exactly when it is one that the column holds", function()
    assert.equal("a", names(Item.price:eq(db.decimal "0.10")))
    assert.equal("a", names(Item.price:eq(0.1)))
    assert.equal("b", names(Item.price:in_ { 7, 8 }))
  end)

  it("is NULL as db.null, also where nothing says its type", function()
    local row = db.select(Item.name, db.null):order_by(Item.id):first()
    assert.equal("a", row[1])
    assert.is_nil(row[2])
    local found = db.session:execute(db.text "SELECT :x IS NULL, :y", { x = db.null, y = 2 })
    assert.same({ 1, 2 }, { found:first():unpack() })
  end)

  it("may be a text that is too long for the column", function()
    assert.equal("abc", names(Item.name:lt "zzzzzz"))
  end)
end)
