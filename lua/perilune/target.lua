--- What a command of the program works on: the app or db that a script makes.
-- The script is run as the program would run it, and whatever Apps and db objects it makes
-- are kept here; `perilune.command` tells the script that a command runs it.
-- @module perilune.target
local core = require "perilune.core"
local shared = core.shared()

local target = {}

--- What a script made.
-- @type Target
-- @field apps list of its Apps
-- @field dbs list of its db objects that are open
-- @field app the last App, nil when there is none
-- @field db the app's db, or the last one
local meta = { __name = "perilune.Target", __index = {} }
local Target = meta.__index

--- Makes arg what it is for a script that is run with arguments.
local function set_arg(path, words)
  local list = { [0] = path, [-1] = core.program().name }
  for i, word in ipairs(words) do list[i] = word end
  _G.arg = list
  core.program().script = path
end

--- The value that a script returned, if it is an App or a db.
local function take_result(made, value)
  local class = core.class(value)
  local list = class == "perilune.App" and made.apps or class == "perilune.Database" and made.dbs
  if not list then return end
  for i = #list, 1, -1 do
    if list[i] == value then table.remove(list, i) end
  end
  list[#list + 1] = value
end

local function choose(made)
  local open = {}
  for _, db in ipairs(made.dbs) do
    if not core.db_closed(db) then open[#open + 1] = db end
  end
  made.dbs = open
  made.app = made.apps[#made.apps]
  made.db = made.app and made.app.extensions.perilune or open[#open]
  return setmetatable(made, meta)
end

--- Runs a script and gives what it made.
-- @string[opt] path nothing is run without one
-- @tab[opt] words its arguments
-- @treturn Target
function target.load(path, words)
  local made = { apps = {}, dbs = {} }
  if not path then return choose(made) end
  local chunk, message = loadfile(path)
  if not chunk then error(message, 0) end
  set_arg(path, words or {})
  shared.made = made
  local _ <close> = core.program().terminal.divert()
  take_result(made, (chunk(table.unpack(words or {}))))
  shared.made = nil
  return choose(made)
end

--- The db, or an error that says what the script lacks.
function Target:need_db(path)
  if self.db then return self.db end
  core.raise("InvalidRequestError", path .. " makes no database that is still open",
    "perilune.Database(app) or perilune.open(uri)")
end

--- Calls a function in a context of the app, if there is one.
function Target:within(fn, ...)
  if self.app then return self.app:app_context(fn, ...) end
  return fn(...)
end

--- A new db object over an existing database, for commands that look into a file.
-- @string uri or the path of a file
-- @tab[opt] options as for perilune.open; read-only without any
function target.open(uri, options)
  local file = not uri:find "^%w+://" and uri
  if file then uri = "sqlite:///" .. file end
  return require "perilune.database".open(uri, options or { readonly = true, create = false })
end

return target
