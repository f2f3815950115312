-- The app, its database and its models.

local perilune = require "perilune"

local app = perilune.App "shop"
app.config.DATABASE_URI = os.getenv "SHOP_DATABASE" or "sqlite:///shop.db"
local db = perilune.Database(app)

local Product = db.Model "Product" {
  id    = db.Column{db.Integer, primary_key = true},
  name  = db.Column{db.String(80), nullable = false, unique = true},
  price = db.Column{db.Numeric(8, 2), nullable = false},
  stock = db.Column{db.Integer, nullable = false, default = 0},
  __table_args__ = {db.CheckConstraint{"stock >= 0", name = "ck_product_stock"}},
  __tostring = function(self) return ("<Product %s>"):format(self.name) end,
}

local Order = db.Model "Order" {
  id       = db.Column{db.Integer, primary_key = true},
  customer = db.Column{db.String(80), nullable = false},
  lines    = db.relationship{"OrderLine", backref = "order", cascade = "all, delete-orphan"},
}

local OrderLine = db.Model "OrderLine" {
  id         = db.Column{db.Integer, primary_key = true},
  order_id   = db.Column{db.Integer, db.ForeignKey "order.id", nullable = false, index = true},
  product_id = db.Column{db.Integer, db.ForeignKey "product.id", nullable = false, index = true},
  amount     = db.Column{db.Integer, nullable = false, default = 1},
  product    = db.relationship{"Product"},
}

return {app = app, db = db, Product = Product, Order = Order, OrderLine = OrderLine}
