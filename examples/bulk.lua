-- How do I write many rows quickly?

local perilune = require "perilune"
local db = perilune.open "sqlite://"

local Reading = db.Model "Reading" {
  id     = db.Column{db.Integer, primary_key = true},
  sensor = db.Column{db.String(20), nullable = false},
  at     = db.Column{db.Integer, nullable = false},
  value  = db.Column{db.Float},
  __table_args__ = {db.UniqueConstraint{"sensor", "at"}},
}

local queries = 0
db.event.listen(db.engine, "after_cursor_execute", function() queries = queries + 1 end)
local function counted(what, fn)
  queries = 0
  local result = fn()
  print(what, result, queries < 60 and "few statements" or "many statements")
end

db:create_all()

-- Objects that are added are written together at the flush.
counted("objects", function()
  for i = 1, 500 do db.session:add(Reading{sensor = "roof", at = i, value = i / 2}) end
  db.session:commit()
  return Reading.query:count()
end)

-- Rows without objects: the quickest way in. On a terminal a long one shows how far it is.
counted("rows", function()
  local rows = {}
  for i = 1, 5000 do rows[i] = {sensor = "cellar", at = i, value = 12.5} end
  local n = db.session:bulk_insert(Reading, rows)
  db.session:commit()
  return n
end)

-- Insert or update: what is there already gets the new value.
counted("upsert", function()
  local insert = db.insert(Reading):values{
    {sensor = "roof", at = 1, value = 99},
    {sensor = "attic", at = 1, value = 20},
  }
  db.session:execute(insert:on_conflict_do_update{
    index_elements = {"sensor", "at"}, set = {value = insert.excluded.value},
  })
  db.session:commit()
  return Reading.query:filter_by{sensor = "roof", at = 1}:one().value
end)

-- Change and delete without reading.
counted("update", function()
  return Reading.query:where(Reading.sensor:eq "cellar", Reading.at:gt(4000)):update{value = Reading.value + 1}
end)
counted("delete", function()
  return Reading.query:where(Reading.at:le(10)):delete()
end)
db.session:commit()

-- Read many rows a few at a time; the statement is closed when the loop ends.
local sum = 0
for reading in Reading.query:order_by(Reading.id):each(200) do sum = sum + reading.value end
print("sum", sum)

-- Or only the columns that are needed.
for sensor, n, highest in db.select(Reading.sensor, db.func.count(), db.func.max(Reading.value))
    :group_by(Reading.sensor):order_by(Reading.sensor):each() do
  print(sensor, n, highest)
end
