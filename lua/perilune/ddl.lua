--- `perilune db schema`: the CREATE statements of models, or of a database that is there.
-- @module perilune.ddl
local core = require "perilune.core"
local commands = require "perilune.commands"
local target = require "perilune.target"

local ddl = {}

local usage = "db schema [--bind KEY] app.lua | file.db | URI"

--- Whether the argument of a command names a database and not a script.
function ddl.is_database(path)
  if path:find "^%w+://" then return true end
  local file = io.open(path, "rb")
  local first = file and file:read(15)
  if file then file:close() end
  return first == "SQLite format 3"
end

--- The bind keys of a db, the default database first, as the values of `key or false`.
local function keys_of(db, wanted)
  if wanted then return { wanted } end
  local keys = { false }
  for _, key in ipairs(core.db_keys(db)) do keys[#keys + 1] = key end
  return keys
end

--- The CREATE statements of the models of a db.
-- @param db
-- @string[opt] bind_key only of this database
-- @treturn string
function ddl.of_models(db, bind_key)
  local out, keys = {}, keys_of(db, bind_key)
  for _, key in ipairs(keys) do
    local text = core.create_text(db, key or nil)
    if text ~= "" and #keys > 1 then
      out[#out + 1] = ("-- %s\n"):format(key and "bind " .. key or "the default database")
    end
    out[#out + 1] = text
  end
  return table.concat(out)
end

--- The CREATE statements that a database was made with: tables, indexes, views, triggers.
-- @param db
-- @treturn string
function ddl.of_database(db)
  local order = "CASE type WHEN 'table' THEN 1 WHEN 'index' THEN 2 WHEN 'view' THEN 3 ELSE 4 END"
  local rows = db.session:execute(core.namespace.text("SELECT sql FROM sqlite_master WHERE sql IS "
    .. "NOT NULL AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY " .. order .. ", rowid"))
  local out = {}
  for i, row in ipairs(rows) do out[i] = row[1] .. ";\n" end
  return table.concat(out)
end

--- The command.
function ddl.command(words)
  local given, message = commands.options(words, { bind = "KEY" })
  if not given or not given[1] then
    return commands.misuse(message or "which models, or which database?", usage)
  end
  local text
  if ddl.is_database(given[1]) then
    local db <close> = target.open(given[1])
    text = ddl.of_database(db)
  else
    text = ddl.of_models(target.load(given[1]):need_db(given[1]), given.bind)
  end
  io.stdout:write(text)
  return 0
end

return ddl
