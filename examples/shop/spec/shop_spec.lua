-- Run by `perilune spec` in the folder of the project.

local perilune = require "perilune"
local spec = require "perilune.spec"
local models = require "models"
local shop = require "shop"
local Product, Order, OrderLine = models.Product, models.Order, models.OrderLine

local product = spec.factory(Product, {
  name  = spec.sequence "product %d",
  price = "10.00",
  stock = 5,
})

describe("the shop", function()
  spec.use(models.app)

  it("takes an order", function()
    product{name = "lamp", price = "19.90", stock = 3}
    local order = shop.order("Alice", {lamp = 2})
    assert.equal("39.80", tostring(shop.total(order)))
    assert.row_exists(Order, {customer = "Alice"})
    assert.row_exists(OrderLine, {amount = 2})
    assert.row_exists(Product, {name = "lamp", stock = 1})
  end)

  it("has nothing of it in the next test", function()
    assert.equal(0, Order.query:count())
    assert.is_not.row_exists(Product, {name = "lamp"})
  end)

  it("takes no order that it cannot fill", function()
    product{name = "lamp", stock = 1}
    local ok, err = pcall(shop.order, "Bob", {lamp = 2})
    assert.is_false(ok)
    assert.equal("IntegrityError", err.name)
    assert.is_not.row_exists(Order, {customer = "Bob"})
    assert.row_exists(Product, {name = "lamp", stock = 1})
  end)

  it("knows what it does not sell", function()
    assert.error_matches(function() shop.order("Bob", {unicorn = 1}) end, "no product 'unicorn'")
  end)

  it("lists orders without a query for each", function()
    for i = 1, 4 do
      local one = product()
      shop.order("customer " .. i, {[one.name] = i})
    end
    models.db.session:expunge_all()
    local lines
    assert.no_n_plus_one(function() lines = shop.list() end)
    assert.same({"customer 4: 40.00", "customer 3: 30.00", "customer 2: 20.00", "customer 1: 10.00"}, lines)

    models.db.session:expunge_all()
    assert.query_count(3, shop.list)            -- orders, their lines, the lines' products
  end)

  it("gives away an order's lines with it", function()
    local order = shop.order("Carol", {[product().name] = 1})
    models.db.session:delete(order)
    models.db.session:commit()
    assert.equal(0, OrderLine.query:count())
    assert.equal("1", tostring(Product.query:count()))
    assert.is_nil(perilune.inspect(order).session)
  end)
end)
