--- Plugins: what several models have in common, as a table of at most five hooks.
--    apply(fields, options, name)     before a model is made: fields to be added to it
--    configure(model, options, db)    after it was made: events, criteria
--    class_methods                    functions of the model: Post.trashed()
--    instance_methods                 methods of its objects: post:restore()
--    query_methods                    methods of its queries: Post.query:recent()
-- A model names its plugins, or a db gives one to every model declared from then on:
--    __plugins__ = { "timestamps", soft_delete = { column = "gone_at" }, my_plugin }
--    db:plugin("timestamps")
local core = require "perilune.core"
local check = require "perilune.declare.check"
local info = require "perilune.declare.info"
local fail, set = check.fail, check.set

local M = {}

local hooks = set "apply configure class_methods instance_methods query_methods name"
local kinds = { apply = "function", configure = "function", class_methods = "table",
  instance_methods = "table", query_methods = "table", name = "string" }

local function check_plugin(plugin)
  if type(plugin) ~= "table" or core.class(plugin) ~= nil then
    fail("ArgumentError", "a plugin is a name or a table of hooks, got " .. (core.class(plugin) or type(plugin)))
  end
  check.options("plugin " .. tostring(plugin.name or ""), plugin, hooks)
  for name, kind in pairs(kinds) do
    if plugin[name] ~= nil and type(plugin[name]) ~= kind then
      fail("ArgumentError", ("plugin: %s must be a %s, got %s"):format(name, kind, type(plugin[name])))
    end
  end
  return plugin
end

--- The plugin of a name, from perilune.plugins or else a module of the script's own.
local function find(plugin)
  if type(plugin) ~= "string" then return check_plugin(plugin) end
  local found, loaded = pcall(require, "perilune.plugins." .. plugin)
  if not found then found, loaded = pcall(require, plugin) end
  if not found then
    fail("NoSuchModuleError", ("Can't load plugin: %s"):format(plugin), "Perilune has soft_delete and timestamps")
  end
  return check_plugin(loaded)
end

--- The plugins of __plugins__ in order: those in the list, then those by name.
local function listed(name, given)
  if given == nil then return {} end
  if type(given) ~= "table" then
    fail("ArgumentError", ("%s: __plugins__ must be a list of plugins, got %s"):format(name, type(given)))
  end
  local out, names = {}, {}
  for _, plugin in ipairs(given) do out[#out + 1] = { find(plugin), {} } end
  for k in pairs(given) do
    if type(k) == "string" then names[#names + 1] = k end
  end
  table.sort(names)
  for _, k in ipairs(names) do
    local options = given[k]
    if type(options) ~= "table" and options ~= true then
      fail("ArgumentError", ("%s: options of plugin '%s' must be a table, got %s"):format(name, k, type(options)))
    end
    out[#out + 1] = { find(k), options == true and {} or options }
  end
  return out
end

--- Lets the plugins of a model add to its fields; gives them for `configure`. A model that
-- inherits has its parent's plugins already.
function M.apply(db, name, fields, parent)
  local used, seen = {}, {}
  for plugin in pairs(parent and info[parent].plugins or {}) do seen[plugin] = true end
  local all = listed(name, fields.__plugins__)
  for _, entry in ipairs(core.db_table(db).plugins or {}) do table.insert(all, 1, entry) end
  for _, entry in ipairs(all) do
    local plugin, options = entry[1], entry[2]
    if not seen[plugin] then
      seen[plugin] = true
      used[#used + 1] = entry
      if plugin.apply then plugin.apply(fields, options, name) end
    end
  end
  used.seen = seen
  return used
end

local function merge(into, methods)
  for name, fn in pairs(methods or {}) do
    if into[name] == nil then into[name] = fn end
  end
end

--- After the model was made.
function M.configure(db, model, used)
  info[model].plugins = used.seen
  for _, entry in ipairs(used) do
    local plugin, options = entry[1], entry[2]
    local members = core.model_members(model)
    for name, fn in pairs(plugin.class_methods or {}) do
      if members[name] == nil then members[name] = function(...) return fn(model, options, ...) end end
    end
    merge(members, plugin.instance_methods)
    merge(info[model].scopes, plugin.query_methods)
    if plugin.configure then plugin.configure(model, options, db) end
  end
end

--- Gives a plugin to every model that is declared on the db from now on.
-- @function Database:plugin
-- @param plugin its name, or a table of hooks
-- @tab[opt] options the plugin's own
function M.plugin(db, plugin, options)
  if core.class(db) ~= "perilune.Database" then
    fail("TypeError", "a Database expected as the object of 'plugin'", "call it with a colon: db:plugin(name)")
  end
  if options ~= nil and type(options) ~= "table" then
    fail("ArgumentError", "db:plugin: options must be a table, got " .. type(options))
  end
  local d = core.db_table(db)
  d.plugins = d.plugins or {}
  table.insert(d.plugins, 1, { find(plugin), options or {} })
end

return M
