--- What a C program that embeds Perilune sees of its scripts, and they of it.
-- The C side makes one such object per host (host/embed/host.c). Scripts get its field
-- `module` as require "perilune.host".
-- @module perilune.embed
local embed = {}

local function raise(...)
  require "perilune"
  require "perilune.core".raise(...)
end

--- Values that the program set, by perilune_set: those of the context in force.
local function new_vars(state)
  return setmetatable({}, {
    __name = "perilune.Vars",
    __index = function(_, name) return state.vars[name] end,
    __newindex = function() error("the variables of the host are read-only", 2) end,
    __pairs = function()
      local all = {}
      local vars = state.vars
      while vars do
        for name, value in next, vars do
          if all[name] == nil then all[name] = value end
        end
        local meta = getmetatable(vars)
        vars = meta and meta.__index
      end
      return next, all
    end,
    __metatable = false,
  })
end

--- require "perilune.host"
local function new_module(state)
  local module = { vars = new_vars(state) }

  --- The database that the program shares under a name, for the option `handle` of
  -- perilune.open or ENGINE_OPTIONS.
  function module.handle(name)
    local handle = state.handles[name]
    if handle then return handle end
    local names = {}
    for known in pairs(state.handles) do names[#names + 1] = known end
    table.sort(names)
    raise("ArgumentError", ("the program shares no database '%s'"):format(tostring(name)),
      #names > 0 and "there is " .. table.concat(names, ", ") or nil)
  end

  return module
end

-- ---- contexts ---------------------------------------------------------------------

local function push(state, name)
  local context = package.loaded["perilune.context"]
  local app = context and context.app_named(name)
  if not app then return false end
  local top = #state.stack
  state.stack[top + 1] = context.new(app):push()
  state.stack[top + 2] = state.vars
  return true
end

--- Commits every session of a context; the first error, if any.
local function commit_all(context)
  for _, session in pairs(context.sessions) do
    if not session.closed then
      local ok, err = pcall(session.commit, session)
      if not ok then return err end
    end
  end
end

local function drop(state)
  local stack = state.stack
  local top = #stack
  state.vars, state.ending = stack[top], state.ending - 1
  stack[top], stack[top - 1] = nil, nil
end

local function pop(state, commit)
  local stack = state.stack
  local top = #stack
  if top == 0 then return false end
  local context, err = stack[top - 1], nil
  state.ending = state.ending + 1
  if context.pushed then
    if commit then err = commit_all(context) end
    local ok, problem = pcall(getmetatable(context).__close, context, err)
    if not ok then err = problem end
  end
  drop(state)
  if err ~= nil then error(err, 0) end
  return true
end

--- A variable of the context in force; the table of a context is made by its first one.
local function set(state, name, value)
  local top = #state.stack
  if top > 0 and state.stack[top] == state.vars then
    state.vars = setmetatable({}, { __index = state.vars })
  end
  state.vars[name] = value
end

--- Rolls back a session; what is noted of it for TRACK_MODIFICATIONS goes.
local function roll_back(core, session)
  local d, heard = core.db_table(session.db), {}
  for _, name in ipairs { "trace", "before", "failed", "connected" } do
    heard[name], d[name] = d[name], nil
  end
  pcall(session.rollback, session)
  for name, listener in pairs(heard) do d[name] = listener end
  if d.changes then d.changes[session] = nil end
end

--- After a script was stopped: every session rolls back, and the contexts it was in, with
-- one that the host was about to end, end without their teardown functions. Nobody is told,
-- for the listeners are the script's: none of its code runs.
local function recover(state)
  while state.ending > 0 do drop(state) end
  local core = package.loaded["perilune.core"]
  if not core then return end
  local shared = core.shared()
  local events = shared.events
  shared.events = nil
  for _, session in ipairs(core.sessions()) do roll_back(core, session) end
  local context = package.loaded["perilune.context"]
  if context then context.abandon(state.stack[#state.stack - 1]) end
  shared.events = events
end

-- ---- names ------------------------------------------------------------------------

--- Sets a field of the globals, and of none of the scripts' own in a sandbox.
local function set_global(globals, env, name, value)
  rawset(globals, name, value)
  if env ~= globals then rawset(env, name, nil) end
end

--- Makes the last part of a dotted name a field of a global table, which is made if need be
-- and which scripts cannot write in a sandbox.
local function define(globals, env, walls, name, value)
  local at = globals
  for part in name:gmatch "([^.]+)%." do
    local inner = rawget(at, part)
    if inner == nil then
      inner = walls and walls.protect(part, {}) or {}
      if at == globals then set_global(globals, env, part, inner) else rawset(at, part, inner) end
    end
    if type(inner) ~= "table" then return false end
    at = walls and walls.behind(inner) or inner
  end
  local last = name:match "[^.]+$"
  if not last then return false end
  if at == globals then set_global(globals, env, last, value) else rawset(at, last, value) end
  return true
end

--- The value of a dotted name: of a global, or of a module that was required.
local function find(env, name)
  local found = env[name]
  if found ~= nil or not name:find(".", 1, true) then return found end
  found = env
  for part in name:gmatch "[^.]+" do
    if type(found) ~= "table" then
      found = nil
      break
    end
    found = found[part]
  end
  if found ~= nil then return found end
  local module, field = name:match "^(.*)%.([^.]+)$"
  local loaded = module and package.loaded[module]
  return type(loaded) == "table" and loaded[field] or nil
end

--- The object behind a host. `globals` is where registered functions go, `env` what scripts
-- see as their globals; `walls` what sandbox.new gives third, nil without a sandbox.
function embed.new(env, globals, walls)
  local state = { handles = {}, stack = {}, vars = {}, ending = 0 }
  return {
    env = env,
    module = new_module(state),
    push = function(name) return push(state, name) end,
    pop = function(commit) return pop(state, commit) end,
    recover = function() recover(state) end,
    set = function(name, value) set(state, name, value) end,
    var = function(name) return state.vars[name] end,
    share = function(name, handle) state.handles[name] = handle end,
    define = function(name, value) return define(globals, env, walls, name, value) end,
    find = function(name) return find(env, name) end,
    preload = function(name, loader) package.preload[name] = loader end,
    add_path = function(folder)
      package.path = ("%s/?.lua;%s/?/init.lua;%s"):format(folder, folder, package.path)
    end,
  }
end

return embed
