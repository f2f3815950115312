--- Methods of sessions that need no C: no_autoflush and the retries of begin.
-- Loaded with the module, which puts them beside the methods written in C.
-- @module perilune.session
local core = require "perilune.core"
local option_names = require "perilune.options"
local methods = core.shared().session_methods

local function check(self, name)
  if core.class(self) == "perilune.Session" then return end
  core.raise("TypeError", ("a Session expected as the object of '%s'"):format(name),
    ("call it with a colon: session:%s(...)"):format(name))
end

-- ---- no_autoflush -----------------------------------------------------------------

local restore = {
  __name = "perilune.NoAutoflush",
  __close = function(kept)
    if not kept.session.closed then kept.session.autoflush = kept.autoflush end
  end,
}

--- Runs a function without flushing before its queries. Without a function the return value
-- is for `local _ <close> = session:no_autoflush()`.
-- @function Session:no_autoflush
-- @func[opt] fn gets the session
-- @return what fn returns
function methods.no_autoflush(self, fn)
  check(self, "no_autoflush")
  local kept = setmetatable({ session = self, autoflush = self.autoflush }, restore)
  if fn ~= nil and type(fn) ~= "function" then
    core.raise("ArgumentError", "no_autoflush takes a function, got " .. type(fn))
  end
  self.autoflush = false
  if not fn then return kept end
  local _ <close> = kept
  return fn(self)
end

-- ---- begin ------------------------------------------------------------------------

local begin = methods.begin

--- Whether another connection was in the way: running again may succeed.
local function is_busy(err)
  if core.class(err) ~= "perilune.Error" then return false end
  local code = math.type(err.code) == "integer" and err.code & 0xff
  return err.name == "LockUpgradeError" or code == 5 or code == 6
end

--- The result of a call, or a busy error and false when it may be tried again.
local function attempt(last, ok, ...)
  if ok then return true, ... end
  local err = ...
  if last or not is_busy(err) then error(err, 0) end
  return false
end

local function run_again(self, options, fn, left, tried)
  local function finish(done, ...)
    if done then return ... end
    core.pause(tried)
    return run_again(self, options, fn, left - 1, tried + 1)
  end
  return finish(attempt(left == 0, pcall(begin, self, options, fn)))
end

--- Begins a transaction, as a handle or for a function.
-- @function Session:begin
-- @tab[opt] options mode = "deferred", "immediate" or "exclusive"; retries = how often the
-- function runs again when another connection was in the way, after a pause that grows
-- @func[opt] fn the transaction commits when it returns and rolls back when it fails
-- @return what fn returns, else a transaction with commit, rollback and __close
function methods.begin(self, options, fn)
  check(self, "begin")
  if type(options) ~= "table" then return begin(self, options, fn) end
  option_names.check("begin", options, { mode = true, retries = true })
  fn = fn or options[1]
  local retries = options.retries
  if retries == nil then return begin(self, options, fn) end
  if math.type(retries) ~= "integer" or retries < 0 then
    core.raise("ArgumentError", "begin: retries must be a whole number, got " .. tostring(retries))
  end
  if type(fn) ~= "function" then
    core.raise("ArgumentError", "begin: retries need a function that can run again",
      "write session:begin({retries = 3}, function() ... end)")
  end
  return run_again(self, options, fn, retries, 1)
end
