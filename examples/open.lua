-- How do I open a database?

local perilune = require "perilune"

-- A script opens one by its URI. This one is in memory and gone at the end.
local db = perilune.open "sqlite://"
print(db)

-- A file, relative to the working directory; three slashes, four for an absolute path.
-- Options go behind: perilune.open("sqlite:///notes.db", {readonly = true}).
local notes = perilune.open("sqlite:///notes.db", {busy_timeout = 2000})
local Note = notes.Model "Note" {
  id   = notes.Column{notes.Integer, primary_key = true},
  text = notes.Column{notes.Text, nullable = false},
}
print(notes:create_all())                     -- the tables that were not there
notes.session:add(Note{text = "buy milk"})
notes.session:commit()
notes:close()

-- SQL without models: values are parameters, never parts of the text.
notes = perilune.open "sqlite:///notes.db"
local rows = notes.session:execute(notes.text "SELECT id, text FROM note WHERE text LIKE :what",
  {what = "%milk%"})
for _, row in ipairs(rows) do print(row.id, row.text) end

-- What is in a database that somebody else made?
local inspector = perilune.inspect(notes)
for _, name in ipairs(inspector:get_table_names()) do
  for _, column in ipairs(inspector:get_columns(name)) do
    print(name, column.name, column.type, column.nullable)
  end
end

-- A block can close it: `local db <close> = perilune.open(...)`.
do
  local short <close> = perilune.open "sqlite://"
  print(short.session:scalar(short.text "SELECT 6 * 7"))
end

-- A program with a configuration has an App, and works in its context.
local app = perilune.App "shop"
app.config.DATABASE_URI = "sqlite://"
local shop = perilune.Database(app)
app:app_context(function()
  print(shop.session:scalar(shop.text "SELECT 'in the context of the shop'"))
end)

-- A URI that cannot be read is an error that shows what can.
local ok, err = pcall(perilune.open, "sqlite:/oops.db")
print(ok, err.name)
