-- Inheritance: models that share a table (single-table) or add one of their own (joined).
local perilune = require "perilune"

local db = perilune.open "sqlite://"

local Vehicle = db.Model "Vehicle" {
  id     = db.Column{db.Integer, primary_key = true},
  name   = db.Column{db.String(40), nullable = false},
  kind   = db.Column{db.String(20), nullable = false},
  polymorphic_on = "kind", polymorphic_identity = "vehicle",
  __tostring = function(self) return ("<%s %s>"):format(self.kind, self.name) end,
}

-- A subclass without a primary key keeps its columns in the parent's table.
local Bicycle = db.Model "Bicycle" { __inherits__ = Vehicle,
  gears = db.Column{db.Integer},
  polymorphic_identity = "bicycle",
}

-- One with a primary key that refers to the parent's has a table of its own.
local Truck = db.Model "Truck" { __inherits__ = Vehicle,
  id    = db.Column{db.Integer, db.ForeignKey "vehicle.id", primary_key = true},
  tons  = db.Column{db.Integer},
  stops = db.relationship{"Stop", order_by = "id", cascade = "all, delete-orphan"},
  polymorphic_identity = "truck",
}

local Stop = db.Model "Stop" {
  id       = db.Column{db.Integer, primary_key = true},
  town     = db.Column{db.String(40)},
  truck_id = db.Column{db.Integer, db.ForeignKey "truck.id"},
}

function Vehicle:describe() return self.name end
function Truck:describe()
  return ("%s carries %d t to %s"):format(self.name, self.tons, self.stops[#self.stops].town)
end

db:create_all()
db.session:add_all{
  Vehicle{name = "hand cart"},
  Bicycle{name = "tandem", gears = 21},
  Truck{name = "Big Blue", tons = 40, stops = {Stop{town = "Luga"}, Stop{town = "Pskov"}}},
}
db.session:commit()

-- A query of the base gives each row as what it is.
for _, vehicle in ipairs(Vehicle.query:order_by(Vehicle.id):all()) do
  print(vehicle, vehicle:describe())
end

-- A query of a subclass gives its rows only.
print((Bicycle.query:sql()))
print((Truck.query:sql()))
print(Truck.query:where(Truck.tons:gt(10), Truck.name:startswith "Big"):one())

-- Attributes of several classes in one statement.
local any = db.with_polymorphic(Vehicle, {Bicycle, Truck})
print(db.select(any):where(any.Truck.tons:gt(10) | any.Bicycle.gears:gt(10)):order_by(any.name):all())

-- Deleting takes the rows out of all tables.
db.session:delete(Truck.query:one())
db.session:commit()
print(Vehicle.query:count(), Truck.query:count(), Stop.query:count())
