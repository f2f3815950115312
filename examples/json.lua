-- JSON columns: Lua tables whose changes are noticed, and paths into them in queries.
-- Run it with `perilune json.lua`.

local perilune = require "perilune"

local db = perilune.open "sqlite://"

local Device = db.Model "Device" {
  id   = db.Column{db.Integer, primary_key = true},
  name = db.Column{db.String(40), nullable = false},
  info = db.Column{db.JSON},
}

db:create_all()
db.session:add_all{
  Device{name = "lamp",   info = {power = 9, tags = {"home", "light"}, place = {room = "hall"}}},
  Device{name = "heater", info = {power = 2000, tags = {"home"}, place = {room = "bath", floor = 1}}},
  Device{name = "probe",  info = {serial = math.maxinteger, place = db.null, tags = db.json_array{}}},
  Device{name = "box"},                       -- SQL's NULL: no document at all
}
db.session:commit()

-- A document is a plain table; what is changed inside it is written at the next commit.
local lamp = Device.query:filter_by{name = "lamp"}:one()
lamp.info.power = 7
table.insert(lamp.info.tags, "new")
print(db.session:is_modified(lamp))
db.session:commit()
print(perilune.json.encode(lamp.info))

-- Paths become JSON_EXTRACT; as_integer, as_string ... say what to compare.
local info = Device.info
print(Device.query:where(info.place.room:as_string():eq "bath"):one().name)
print(Device.query:where(info.power:as_integer():lt(100)):one().name)
local first_tag = info.tags[1]:as_string()
for name, tag in db.select(Device.name, first_tag):where(first_tag:is_not(nil)):each() do
  print(name, tag)
end

-- 64-bit integers survive; JSON's null is db.null, an absent document nil.
local probe = Device.query:filter_by{name = "probe"}:one()
print(probe.info.serial == math.maxinteger, probe.info.place == db.null, #probe.info.tags)
print(Device.query:where(info:is(nil)):one().name)
