--- The globals of a sandboxed script, and a state with nothing to escape to.
-- Two walls: the script sees tables made here, from a list of what is allowed; and what is
-- not allowed is taken out of Lua's own tables too, so that a way around the first wall
-- leads nowhere. Functions of Lua that could run long without a look at the limits are
-- replaced by ones that look.
-- @module perilune.sandbox
local sandbox = {}

local ipairs, next, pairs, rawget, rawset, select, setmetatable, tostring, type =
  ipairs, next, pairs, rawget, rawset, select, setmetatable, tostring, type
local error, xpcall, getmetatable, load, collectgarbage, require =
  error, xpcall, getmetatable, load, collectgarbage, require
local real = { string = string, table = table, coroutine = coroutine, utf8 = utf8, math = math,
  os = os, io = io, package = package, debug = debug }
local metatable_of = debug.getmetatable

--- What the tables of the libraries lend to scripts as it is.
local lent = {
  base = { "assert", "error", "ipairs", "next", "pairs", "pcall", "print", "rawequal", "rawget",
    "rawlen", "select", "tonumber", "tostring", "type", "warn", "_VERSION" },
  string = { "byte", "char", "format", "len", "lower", "pack", "packsize", "reverse", "sub",
    "unpack", "upper" },
  table = { "pack" },
  math = { "abs", "acos", "asin", "atan", "ceil", "cos", "deg", "exp", "floor", "fmod", "log",
    "max", "min", "modf", "rad", "sin", "sqrt", "tan", "tointeger", "type", "ult" },
  os = { "clock", "date", "difftime", "time" },
  utf8 = { "char", "codepoint", "codes", "len", "offset" },
  coroutine = { "close", "create", "isyieldable", "resume", "running", "status", "wrap", "yield" },
}

local function copy(names, from)
  local to = {}
  for _, name in ipairs(names) do to[name] = from[name] end
  return to
end

-- ---- read-only tables -------------------------------------------------------------

local protected = setmetatable({}, { __mode = "k" })

--- A table that reads as another, can be called when the other can, and cannot be written.
local function protect(name, contents)
  local meta = metatable_of(contents)
  local proxy = setmetatable({}, {
    __index = contents,
    __newindex = function(_, key)
      error(("%s.%s: the sandbox's tables are read-only"):format(name, tostring(key)), 2)
    end,
    __pairs = function()
      return function(_, key) return next(contents, key) end, nil, nil
    end,
    __len = function() return #contents end,
    __call = meta and meta.__call and function(_, ...) return contents(...) end,
    __metatable = false,
  })
  protected[proxy] = contents
  return proxy
end

-- ---- functions that look at the limits --------------------------------------------

local LONG = 4096 -- bytes or entries from which a C function takes time

local function libraries(native)
  local tick = native.tick
  local lib = {}

  --- Library functions that count the length of what they are given.
  local function measured(names, from)
    local to = {}
    for _, name in ipairs(names) do to[name] = native.measured(from[name]) end
    return to
  end

  -- string
  local string = measured(lent.string, real.string)
  for name, fn in pairs(native.patterns) do string[name] = fn end
  local rep = real.string.rep
  function string.rep(s, n, sep)
    if type(s) == "string" and math.type(n) == "integer" and n > 0 then
      local size = #s + (type(sep) == "string" and #sep or 0)
      if size == 0 then return "" end
      tick(size * (n < 1 << 40 and n or 1 << 40) // 16)
    end
    return rep(s, n, sep)
  end
  lib.string = string

  -- table
  local table = copy(lent.table, real.table)
  for name, fn in pairs(native.tables) do table[name] = fn end
  local sort = real.table.sort

  --- Comparing in Lua lets every comparison count.
  function table.sort(t, less)
    if less == nil then
      less = function(a, b) return a < b end
    elseif type(less) == "function" then
      local given = less
      less = function(a, b) return given(a, b) end
    end
    return sort(t, less)
  end
  lib.table = table

  -- utf8
  lib.utf8 = measured(lent.utf8, real.utf8)
  lib.utf8.charpattern = real.utf8.charpattern

  lib.coroutine = copy(lent.coroutine, real.coroutine)
  -- math: the generator of random numbers is an upvalue
  lib.math = measured(lent.math, real.math)
  for _, name in ipairs { "huge", "maxinteger", "mininteger", "pi", "random", "randomseed" } do
    lib.math[name] = real.math[name]
  end

  -- os
  lib.os = measured(lent.os, real.os)
  local date = lib.os.date
  function lib.os.date(format, ...)
    if type(format) == "string" and #format > LONG then
      error("bad argument #1 to 'date' (format too long)", 2)
    end
    return date(format, ...)
  end
  return lib
end

--- The table behind a protected one; another table is itself.
local function behind(t) return protected[t] or t end

--- Names of the mapper's classes begin so; their metatables are not for scripts.
local function is_ours(meta)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and real.string.find(name, "^perilune") ~= nil
end

local function base(native, env, allow)
  local killed, tick = native.killed, native.tick
  local g = copy(lent.base, _G)
  g.print = native.print

  --- A handler may run where the hook is off, so it does not run at all once a limit is reached.
  function g.xpcall(fn, handler, ...)
    return xpcall(fn, function(err)
      if killed() then return err end
      return handler(err)
    end, ...)
  end

  g.tonumber = native.measured(tonumber)

  --- Finalizers run where nothing can stop them.
  function g.setmetatable(t, meta)
    if type(meta) == "table" and rawget(meta, "__gc") ~= nil then
      error("the sandbox has no finalizers (__gc)", 2)
    end
    if protected[t] then error("the sandbox's tables are read-only", 2) end
    return setmetatable(t, meta)
  end

  function g.getmetatable(v)
    local meta = getmetatable(v)
    if is_ours(meta) then return false end
    return meta
  end

  function g.rawset(t, key, value)
    if protected[t] then error("the sandbox's tables are read-only", 2) end
    if type(t) == "table" and is_ours(metatable_of(t)) then
      error("this table belongs to the mapper", 2)
    end
    if t == env and g[key] ~= nil then
      error(("global '%s' is read-only in the sandbox"):format(tostring(key)), 2)
    end
    return rawset(t, key, value)
  end

  function g.collectgarbage(what)
    if what == "count" then return collectgarbage "count" end
    if what == nil or what == "collect" or what == "step" then return 0 end
    error("the sandbox's collectgarbage only counts", 2)
  end

  local mode = allow.bytecode and "bt" or "t"
  function g.load(chunk, name, _, ...)
    if type(chunk) == "function" then
      local parts = {}
      while true do
        local piece = chunk()
        if piece == nil or piece == "" then break end
        if type(piece) ~= "string" then return nil, "reader function must return a string" end
        parts[#parts + 1] = piece
      end
      chunk = table.concat(parts)
    end
    if type(chunk) ~= "string" then error("bad argument #1 to 'load' (string expected)", 2) end
    tick(#chunk)
    local chunk_env = env
    if select("#", ...) > 0 then chunk_env = ... end
    return load(chunk, type(name) == "string" and name or "=(load)", mode, chunk_env)
  end

  if allow.read then
    function g.loadfile(path, _, ...)
      if type(path) ~= "string" then error("loadfile needs a path", 2) end
      local chunk_env = env
      if select("#", ...) > 0 then chunk_env = ... end
      return loadfile(path, mode, chunk_env)
    end
    function g.dofile(path)
      local chunk, message = g.loadfile(path)
      if not chunk then error(message, 0) end
      return chunk()
    end
  end
  return g
end

-- ---- modules ----------------------------------------------------------------------

--- Modules of the mapper that a script may require; the rest is for the mapper itself.
local modules = { ["perilune"] = true, ["perilune.host"] = true }

--- Makes the tables of functions among the mapper's names (json, date, event, ...) read-only.
local function seal(module)
  local namespace = require "perilune.core".namespace
  for name, value in pairs(namespace) do
    if type(value) == "table" then
      namespace[name] = protect(name, value)
      if rawget(module, name) == value then module[name] = namespace[name] end
    end
  end
end

local function new_require(native, allowed)
  local views = {}
  return function(name)
    if type(name) ~= "string" then error("require needs a name", 2) end
    if real.string.find(name, "^perilune%.") and not modules[name] then
      error(("module '%s' is not available in the sandbox"):format(name), 2)
    end
    if name:find "[/\\\0]" or name:find("..", 1, true) then
      error(("'%s' is not the name of a module"):format(name), 2)
    end
    if not modules[name] and not allowed[name] and package.loaded[name]
      and not package.preload[name] then
      error(("module '%s' is not available in the sandbox"):format(name), 2)
    end
    local loaded, from = require(name)
    if not modules[name] then return loaded, from end
    if name == "perilune" and not views[name] then seal(loaded) end
    views[name] = views[name] or native.view(name, loaded)
    return views[name], from
  end
end

--- Lua files are looked for in the folders that the host names, and get the script's globals.
local function new_searcher(env, native)
  return function(name)
    local file, message = package.searchpath(name, package.path)
    if not file then return message end
    local chunk, problem = native.loadfile(file, "t", env)
    if not chunk then error(problem, 0) end
    native.allowed[name] = true
    return chunk, file
  end
end

-- ---- the state --------------------------------------------------------------------

--- Opens files with a mode that is allowed.
local function new_open(allow)
  local open = real.io.open
  return function(path, mode)
    mode = mode or "r"
    local writes = type(mode) ~= "string" or mode:find "[wa+]"
    if writes and not allow.write or not writes and not allow.read then
      return nil, tostring(path) .. ": not allowed in the sandbox"
    end
    return open(path, mode)
  end
end

--- Takes out of Lua's own tables what is not allowed; the mapper uses what is left.
local function strip(allow, lib, measured)
  local io, os = real.io, real.os
  local kept = { stderr = true, type = true }
  local open = new_open(allow)
  for name in pairs(io) do
    if not kept[name] then io[name] = nil end
  end
  io.open = open
  if not allow.process then os.execute, os.exit = nil, nil end
  if not allow.write then os.remove, os.rename, os.tmpname = nil, nil, nil end
  if not allow.env then os.getenv = nil end
  os.setlocale = nil
  local getinfo = real.debug.getinfo
  for name in pairs(real.debug) do real.debug[name] = nil end
  real.debug.getinfo = getinfo
  if not allow.bytecode then real.string.dump = nil end
  if not allow.native then
    real.package.loadlib, real.package.cpath = nil, ""
    real.package.searchers[4], real.package.searchers[3] = nil, nil
  end
  local strings = getmetatable ""
  for name, fn in pairs(strings) do -- arithmetic on texts
    if type(fn) == "function" then strings[name] = measured(fn) end
  end
  strings.__index, strings.__metatable = lib.string, false
  _G.dofile, _G.loadfile = nil, nil
  if allow.read then lib.io = { open = open } end
  if allow.write then
    lib.io = { open = open }
    lib.os.remove, lib.os.rename, lib.os.tmpname = os.remove, os.rename, os.tmpname
  end
  if allow.env then lib.os.getenv = os.getenv end
  if allow.process then lib.os.execute, lib.os.exit = os.execute, os.exit end
  if allow.bytecode then lib.string.dump = real.string.dump end
end

--- The globals for scripts; takes the state apart.
-- @tab native functions of host/embed/sandbox.c
-- @tab allow read, write, env, process, native, bytecode = true
-- @treturn table the environment
-- @treturn table where registered functions go
-- @treturn table protect(name, contents) makes a table read-only, behind(t) is what it reads
function sandbox.new(native, allow)
  local env = {}
  native.loadfile, native.allowed = loadfile, {}
  function native.view(name, module)
    local shown = {}
    for key, value in pairs(module) do
      if real.string.sub(key, 1, 1) ~= "_" or key == "_VERSION" or key == "_NAME" then
        shown[key] = value
      end
    end
    return protect(name, shown)
  end
  local lib = libraries(native)
  local globals = base(native, env, allow)
  globals.require = new_require(native, native.allowed)
  real.package.path = ""
  real.package.searchers[2] = new_searcher(env, native)
  strip(allow, lib, native.measured)
  for name, contents in pairs(lib) do globals[name] = protect(name, contents) end
  globals._G = env
  setmetatable(env, {
    __name = "globals of the sandbox",
    __index = globals,
    __newindex = function(t, key, value)
      if globals[key] ~= nil then
        error(("global '%s' is read-only in the sandbox"):format(tostring(key)), 2)
      end
      rawset(t, key, value)
    end,
    __pairs = function(t)
      return function(_, key)
        local value
        if key == nil or rawget(t, key) ~= nil then
          key, value = next(t, key)
          if key ~= nil then return key, value end
        end
        return next(globals, key)
      end, t, nil
    end,
    __metatable = false,
  })
  return env, globals, { protect = protect, behind = behind }
end

return sandbox
