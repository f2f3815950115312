--- The module: what `require "perilune"` returns, filled by the opener in C.
-- Only what every script needs is loaded here; the rest comes when it is first called.
-- @module perilune
local core = require "perilune.core"
local namespace, M = core.namespace, core.module

--- A function that loads its module when it is first called.
local function later(module, name)
  return function(...) return require("perilune." .. module)[name](...) end
end

local declare = require "perilune.declare"
declare.install(namespace)
require "perilune.query"
require "perilune.result"
namespace.event = require "perilune.event"
require "perilune.database".install(namespace)
require "perilune.session"

for _, name in ipairs { "get_or_404", "first_or_404", "one_or_404", "paginate" } do
  namespace[name] = later("pagination", "db_" .. name)
end

local query = core.class_methods "perilune.Query"
for _, name in ipairs { "get_or_404", "first_or_404", "one_or_404", "paginate" } do
  query[name] = later("pagination", name)
end
query.keyset = later("keyset", "keyset")
query.as_of = later("history", "as_of")
query.observe = later("live", "observe")
namespace.on_change = later("live", "on_change")
namespace.poll_changes = later("live", "poll_changes")
for _, name in ipairs { "transactions", "changes", "undo" } do
  core.shared().session_methods[name] = later("history", name)
end
table.insert(declare.hooks, function(db, model, spec, fields)
  local parent = declare.info[model].parent
  if fields.__versioned__ ~= nil or (parent and declare.info[parent].versioned ~= nil) then
    require "perilune.history".declare(db, model, spec, fields)
  end
end)

namespace.fts = later("fts", "fts")
core.shared().dynamic = later("dynamic", "collection")

for _, name in ipairs { "make_transient", "make_transient_to_detached" } do
  namespace[name] = core[name]
  M[name] = core[name]
end
core.shared().execute_rows = later("rows", "execute")
core.shared().session_methods.merge = later("merge", "merge")

M._VERSION = "Perilune " .. core.version
M._NAME = "perilune"

--- perilune.command: the command of the program that runs the script ("shell", "db", "check",
-- a command of the app); nil when the script is run by itself.
M.command = core.program() and core.program().command

M.App = later("app", "new")
M.current_app = later("app", "current")
M.has_app_context = later("app", "in_context")
M.Database = later("database", "Database")
M.open = later("database", "open")
M.inspect = later("inspect", "inspect")

--- perilune.null: stands for NULL where a nil cannot live; the same as db.null.
M.null = namespace.null

for _, name in ipairs { "datetime", "date", "time", "interval", "decimal", "json", "json_array" } do
  M[name] = namespace[name]
end

--- perilune.error(name, message [, hint]): raises an error object of a class of the library.
-- @function perilune.error
-- @string name "NotFound", "ArgumentError", ...
-- @string message
-- @string[opt] hint
M.error = core.raise

--- What the library counts in this state, for tests that look for leaks.
-- @table perilune._debug
-- @field open_statements statements that results hold
-- @field open_sessions sessions not closed
M._debug = {
  open_statements = core.open_results,
  open_sessions = core.open_sessions,
  sessions = core.open_sessions,
}

--- Fields that a script may ask for though they are not there.
local optional = { command = true }

setmetatable(M, { __index = function(_, name)
  if optional[name] or tostring(name):find "^_" then return nil end
  local names = {}
  for known in pairs(M) do names[#names + 1] = known end
  local near = core.nearest(tostring(name), names)
  core.raise("AttributeError", ("perilune has no field '%s'"):format(tostring(name)),
    near and ("did you mean '" .. near .. "'?") or nil)
end })
