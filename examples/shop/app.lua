-- The program: `perilune app.lua` lists the orders. Others that work on it:
--   perilune fill app.lua           a command of the app, defined below
--   perilune shell app.lua          a prompt with the models
--   perilune check app.lua          looks for mistakes
--   perilune db diagram app.lua     a picture of the tables
--   perilune --report app.lua       what was queried from where
--   perilune spec                   the specs

local models = require "models"
local shop = require "shop"
local perilune = require "perilune"

models.app.cli:command("fill", function()
  models.db:create_all()
  models.db.session:add_all{
    models.Product{name = "lamp", price = "19.90", stock = 10},
    models.Product{name = "chair", price = "49.00", stock = 4},
  }
  models.db.session:commit()
  shop.order("Alice", {lamp = 2, chair = 1})
  print "filled"
end)

-- Commands load this file, too, and want no list.
if not perilune.command then
  models.app:app_context(function()
    models.db:create_all()
    print(table.concat(shop.list(), "\n"))
  end)
end
