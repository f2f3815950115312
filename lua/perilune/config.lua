--- The configuration of an App: a table of values with upper-case names, and ways to fill it.
--    app.config.DATABASE_URI = "sqlite:///blog.db"
--    app.config:from_file "settings.lua"
--    app.config:from_env "BLOG"        -- BLOG_ECHO=true, BLOG_BINDS__users=sqlite:///u.db
-- @module perilune.config
local core = require "perilune.core"

local config = {}

--- A configuration.
-- @type Config
local Config = {}

local meta = { __name = "perilune.Config", __index = Config }

local folders = setmetatable({}, { __mode = "k" })

--- An empty configuration; `folder` is where relative files are looked for first.
function config.new(folder)
  local values = setmetatable({}, meta)
  folders[values] = folder
  return values
end

local function check(self, method)
  if type(self) == "table" and getmetatable(self) == meta then return self end
  core.raise("TypeError", ("a configuration expected as the object of '%s', got %s")
    :format(method, type(self)), ("call it with a colon: app.config:%s(...)"):format(method))
end

--- Takes over the values whose names are in upper case; others are not settings.
-- @tab values
-- @treturn boolean true
function Config:from_mapping(values)
  check(self, "from_mapping")
  if type(values) ~= "table" then
    core.raise("ArgumentError", "config:from_mapping needs a table, got " .. type(values))
  end
  for name, value in pairs(values) do
    if type(name) == "string" and name == name:upper() and name:find "^%u" then
      self[name] = value
    end
  end
  return true
end

local function read(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text = file:read "a"
  file:close()
  return text
end

--- The text of a file: beside the script, else where the program was started.
local function find(self, path)
  local folder = folders[self]
  local text, message
  if folder and not path:find "^/" then
    text = read(folder .. "/" .. path)
    if text then return text, folder .. "/" .. path end
  end
  text, message = read(path)
  return text, text and path or message
end

--- Values of a Lua file: the table that it returns, else its globals.
local function run(text, path)
  local env = {}
  local chunk, message = load(text, "@" .. path, "t", env)
  if not chunk then core.raise("ArgumentError", "cannot read the configuration: " .. message) end
  local result = chunk()
  if result == nil then return env end
  if type(result) == "table" then return result end
  core.raise("ArgumentError",
    ("configuration %s must return a table, got %s"):format(path, type(result)))
end

--- Reads settings from a file: JSON when its name ends in .json, else Lua that returns a table
-- or consists of lines KEY = value. The file sees no global names.
-- @string path relative to the script's folder, or to the working directory
-- @tab[opt] options silent = true: a missing file is no error
-- @treturn boolean whether there was a file
function Config:from_file(path, options)
  check(self, "from_file")
  if type(path) ~= "string" then
    core.raise("ArgumentError", "config:from_file needs a path, got " .. type(path))
  end
  local text, found = find(self, path)
  if not text then
    if options and options.silent then return false end
    core.raise("ArgumentError", "cannot read the configuration: " .. found)
  end
  if not path:find "%.json$" then return self:from_mapping(run(text, found)) end
  local values = core.namespace.json.decode(text)
  if type(values) ~= "table" then
    core.raise("ArgumentError", ("configuration %s must be a JSON object"):format(found))
  end
  return self:from_mapping(values)
end

--- A value from the environment: JSON where it can be read as such, else the text.
local function value_of(text)
  local ok, value = pcall(core.namespace.json.decode, text)
  if ok then return value end
  return text
end

--- Sets config[a][b][c] for the name "a__b__c".
local function set(self, name, value)
  local at = self
  local before, rest = name:match "^(.-)__(.*)$"
  while before do
    if type(rawget(at, before)) ~= "table" then at[before] = {} end
    at, name = at[before], rest
    before, rest = name:match "^(.-)__(.*)$"
  end
  at[name] = value
end

--- Takes settings from environment variables whose names begin with a prefix and "_".
-- Values are read as JSON where they can be (true, 5, {"a": 1}), else taken as text; two
-- underscores lead into a table: BLOG_ENGINE_OPTIONS__busy_timeout=100.
-- @string[opt="PERILUNE"] prefix
-- @treturn boolean true
function Config:from_env(prefix)
  check(self, "from_env")
  prefix = (prefix or "PERILUNE"):gsub("_$", "") .. "_"
  if not os.getenv then core.raise("PermissionError", "the environment cannot be read here") end
  local names, variables = {}, core.environ(prefix)
  for name in pairs(variables) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do set(self, name:sub(#prefix + 1), value_of(variables[name])) end
  return true
end

function meta.__tostring(self)
  local n = 0
  for _ in pairs(self) do n = n + 1 end
  return ("<Config of %d settings>"):format(n)
end

return config
