--- Applications: a configuration, a folder for data, contexts, commands.
--    local app = perilune.App "blog"
--    app.config.DATABASE_URI = "sqlite:///blog.db"
--    local db = perilune.Database(app)
--    app:app_context(function() db:create_all() end)
-- @module perilune.app
local core = require "perilune.core"
local config = require "perilune.config"
local context = require "perilune.context"
local options = require "perilune.options"

local app = {}

--- An application.
-- @type App
-- @field name as it was given
-- @field config see perilune.config
-- @field instance_path folder of relative SQLite files, made when the first is opened
-- @field root_path folder of the script
-- @field extensions what has registered with the app, by name
-- @field cli commands
local App = {}

local meta = { __name = "perilune.App", __index = App }

--- Whether a value is an App.
function app.is(value)
  return type(value) == "table" and getmetatable(value) == meta
end

local function check(self, method)
  if app.is(self) then return self end
  core.raise("TypeError",
    ("an App expected as the object of '%s', got %s"):format(method, type(self)),
    ("call it with a colon: app:%s(...)"):format(method))
end

-- ---- folders ----------------------------------------------------------------------

local function absolute(path)
  if path:find "^/" then return path end
  local cwd = core.cwd() or "."
  if path == "." or path == "" then return cwd end
  return cwd .. "/" .. path:gsub("^%./", "")
end

local function folder_of(file)
  return absolute(file:match "^(.*)/[^/]*$" or ".")
end

--- The file of the innermost Lua function that is not one of ours.
local function calling_file()
  local level = 2
  while debug do
    local info = debug.getinfo(level, "S")
    if not info then return nil end
    local file = info.source:match "^@(.*)"
    if file then return file end
    level = level + 1
  end
end

--- The folder of the script that runs; of the file that makes the App where the script is
-- a runner of specs; the working directory when there is no file at all.
local function script_folder()
  local script = type(arg) == "table" and arg[0]
  if type(script) == "string" and not package.loaded.busted
    and core.file_kind(script) == "file" then
    return folder_of(script)
  end
  local file = calling_file()
  return file and folder_of(file) or core.cwd() or "."
end

-- ---- commands ---------------------------------------------------------------------

--- Commands of an application.
-- @type Cli
local Cli = {}

local cli_meta = { __name = "perilune.Cli", __index = Cli }

--- Defines a command: `perilune NAME app.lua args` calls the function with the arguments, in
-- a context of the app. Without a function, returns what takes it: cli:command "seed" (fn).
-- @string name
-- @func[opt] fn
-- @tab[opt] about help = a line that tells what it does
-- @treturn function fn
function Cli:command(name, fn, about)
  if getmetatable(self) ~= cli_meta then
    core.raise("TypeError", "app.cli expected as the object of 'command'",
      "call it with a colon: app.cli:command(name, fn)")
  end
  if type(name) ~= "string" or name == "" then
    core.raise("ArgumentError", "app.cli:command needs a name, got " .. type(name))
  end
  if fn == nil then
    return function(body, help) return self:command(name, body, help) end
  end
  options.expect("the function of command '" .. name .. "'", fn, "function")
  self.commands[name] = { name = name, fn = fn, help = about and about.help }
  return fn
end

--- Names of the commands, sorted.
function Cli:names()
  local names = {}
  for name in pairs(self.commands) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- Runs a command in a context of the app; its results.
function Cli:run(name, ...)
  local command = self.commands[name]
  if not command then
    local near = core.nearest(tostring(name), self:names())
    core.raise("ArgumentError", ("the app has no command '%s'"):format(tostring(name)),
      near and ("did you mean '" .. near .. "'?") or nil)
  end
  return self.app:app_context(command.fn, ...)
end

-- ---- applications -----------------------------------------------------------------

local known = { name = "string", instance_path = "string", root_path = "string", config = "table" }

--- perilune.App(name): a new application.
-- @function perilune.App
-- @string name
-- @tab[opt] settings instance_path, root_path, config (a table of settings)
-- @treturn App
function app.new(name, settings)
  name, settings = options.call(name, settings)
  options.check("perilune.App", settings, known)
  name = name or settings.name
  if type(name) ~= "string" or name == "" then
    core.raise("ArgumentError", "perilune.App needs a name: perilune.App \"blog\"")
  end
  local root = settings.root_path and absolute(settings.root_path) or script_folder()
  local instance = settings.instance_path
  local self = setmetatable({
    name = name, root_path = root, config = config.new(root), extensions = {},
    instance_path = instance and absolute(instance) or root .. "/instance",
    teardown_functions = {}, shell_functions = {}, databases = {},
  }, meta)
  self.cli = setmetatable({ app = self, commands = {} }, cli_meta)
  if settings.config then self.config:from_mapping(settings.config) end
  context.register(self)
  return self
end

--- Runs a function in a new context of the app, or gives such a context.
-- With a function: calls it with the further arguments, returns its results, and ends the
-- context whatever happens. Without: the context is in force until :pop() or the end of the
-- block of `local _ <close> = app:app_context()`.
-- @func[opt] fn
-- @param ... arguments
-- @return results of fn, or a Context
function App:app_context(fn, ...)
  check(self, "app_context")
  local new = context.new(self)
  if fn == nil then
    new:push()
    new.automatic = true
    return new
  end
  options.expect("the argument of app:app_context", fn, "function")
  new:push()
  local _ <close> = new
  return fn(...)
end

--- Adds a function that is called at the end of every context of the app, with the error that
-- ended it or nil. The last one added is called first, while the session can still be used.
-- @func fn
-- @treturn function fn
function App:teardown(fn)
  check(self, "teardown")
  if type(fn) ~= "function" then
    core.raise("ArgumentError", "app:teardown needs a function, got " .. type(fn))
  end
  table.insert(self.teardown_functions, fn)
  return fn
end

--- Adds a function whose table of names the shell defines.
-- @func fn
-- @treturn function fn
function App:shell_context(fn)
  check(self, "shell_context")
  if type(fn) ~= "function" then
    core.raise("ArgumentError", "app:shell_context needs a function, got " .. type(fn))
  end
  table.insert(self.shell_functions, fn)
  return fn
end

--- The names that a shell for the app defines: app, db, the models, and what the functions
-- given to shell_context return.
-- @treturn table
function App:make_shell_context()
  check(self, "make_shell_context")
  local names = { app = self }
  local db = self.extensions.perilune
  if db then
    names.db = db
    for name, model in pairs(core.db_table(db).models) do
      if type(name) == "string" then names[name] = model end
    end
  end
  for _, fn in ipairs(self.shell_functions) do
    for name, value in pairs(fn() or {}) do names[name] = value end
  end
  return names
end

function meta.__tostring(self)
  return ("<App '%s'>"):format(self.name)
end

--- perilune.current_app(): the app whose context is in force; a RuntimeError outside of one.
-- @function perilune.current_app
-- @treturn App
function app.current()
  return context.need().app
end

--- perilune.has_app_context(): whether there is a context in force.
-- @function perilune.has_app_context
-- @treturn boolean
function app.in_context()
  return context.current() ~= nil
end

return app
