-- What the shop does with its models.

local models = require "models"
local perilune = require "perilune"
local db, Product, Order, OrderLine = models.db, models.Product, models.Order, models.OrderLine

local shop = {}

--- Takes an order: wanted is a table, name of a product -> amount. All of it or nothing.
function shop.order(customer, wanted)
  local order = Order{customer = customer}
  db.session:begin_nested(function()
    db.session:add(order)
    for name, amount in pairs(wanted) do
      local product = Product.query:filter_by{name = name}:first()
      if not product then perilune.error("NotFound", "there is no product '" .. name .. "'") end
      product.stock = product.stock - amount
      order.lines:append(OrderLine{product = product, amount = amount})
    end
  end)
  db.session:commit()
  return order
end

--- What an order costs.
function shop.total(order)
  local sum = perilune.decimal "0"
  for _, line in ipairs(order.lines) do sum = sum + line.product.price * line.amount end
  return sum
end

--- All orders as lines of text, the newest first.
function shop.list()
  local out = {}
  for i, order in ipairs(Order.query:order_by(Order.id:desc()):all()) do
    out[i] = ("%s: %s"):format(order.customer, tostring(shop.total(order)))
  end
  return out
end

return shop
