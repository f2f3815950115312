-- SPDX-License-Identifier: MIT
-- A program for gc_spec.lua that is killed while it writes. Each transaction is one batch:
-- a row of `batch` that says how many rows of `item` belong to it. The number of a batch is
-- printed once it is committed. Argument: the path of the database.

local perilune = require "perilune"

local db = perilune.open("sqlite:///" .. arg[1])
local Batch = db.Model "Batch" {
  id = db.Column { db.Integer, primary_key = true },
  size = db.Column { db.Integer, nullable = false },
  closed = db.Column { db.Boolean, default = false },
  items = db.relationship { "Item", backref = "batch" },
}
local Item = db.Model "Item" {
  id = db.Column { db.Integer, primary_key = true },
  text = db.Column { db.Text },
  batch_id = db.Column { db.Integer, db.ForeignKey "batch.id", nullable = false },
}
db:create_all()
local session = db.session
local number = db.select(db.func.max(Batch.id)):scalar() or 0
session:commit()
print "ready"
io.stdout:flush()
while true do
  number = number + 1
  local size = number * 37 % 200
  local batch = Batch { id = number, size = size }
  session:add(batch)
  for i = 1, size do
    batch.items:append(Item { text = ("row %d of batch %d "):format(i, number):rep(5) })
    if i == 50 then session:flush() end
  end
  session:flush()
  batch.closed = true
  session:commit()
  print(number)
  io.stdout:flush()
end
