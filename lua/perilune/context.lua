--- Application contexts: what `app:app_context` gives.
-- One context is in force at a time, and it has the sessions of the databases used in it.
-- Leaving a context runs the app's teardown functions, then closes its sessions, which rolls
-- back what was not committed and detaches their objects. The context in force stands in
-- field `context` of the table that the module's files share, where the C side finds it.
-- @module perilune.context
local core = require "perilune.core"
local shared = core.shared()

local context = {}

--- A context of an application.
-- @type Context
local Context = {}

local meta = { __name = "perilune.AppContext", __index = Context }

local hint = "wrap it in app:app_context(function() ... end), or run the script with perilune"
local which = "wrap it in app:app_context(function() ... end): a script with several apps must say in which"

local apps = 0

--- Raises, and says the way out; under the program, running it with the program is none.
function shared.no_context()
  local way = apps > 1 and which or core.program() and hint:match "^[^,]+" or hint
  core.raise("RuntimeError", "working outside of application context", way)
end

--- A context of an app, not in force yet.
function context.new(app)
  return setmetatable({ app = app, sessions = {}, pushed = false }, meta)
end

--- The context in force, or the one that the program gives a script with one App; else nil.
function context.current()
  return shared.context or shared.root_context()
end

--- The same, raising a RuntimeError when there is none.
function context.need()
  local current = context.current()
  if current then return current end
  shared.no_context()
end

--- Puts the context in force. The one that was comes back with pop.
-- A context that app_context returned is in force already: the first call says only that pop
-- will follow.
-- @treturn Context itself
function Context:push()
  if self.pushed then
    if self.automatic then
      self.automatic = false
      return self
    end
    core.raise("RuntimeError", "this application context is already in force",
      "make another by app:app_context()")
  end
  self.pushed, self.sessions, self.recorded = true, {}, nil
  self.thread = coroutine.running()
  self.previous = shared.context
  shared.context = self
  return self
end

--- Takes a context out of the chain, wherever it is in it.
local function unlink(self)
  if shared.context == self then
    shared.context = self.previous
    return
  end
  local above = shared.context
  while above and above.previous ~= self do above = above.previous end
  if above then above.previous = self.previous end
end

--- Runs the teardown functions and closes the sessions; the first error, if any.
local function end_work(self, err)
  local first
  local function try(fn, ...)
    local ok, e = pcall(fn, ...)
    if ok then return end
    if err == nil and first == nil then
      first = e
    else
      warn("the end of an application context failed: ", tostring(e))
    end
  end
  local functions = self.app.teardown_functions
  for i = #functions, 1, -1 do try(functions[i], err) end
  for _, session in pairs(self.sessions) do
    if not session.closed then try(session.close, session) end
  end
  return first
end

--- Ends a context: whatever happens in it, it is not in force afterwards.
local function leave(self, err)
  local top = shared.context
  shared.context = self
  local first = end_work(self, err)
  shared.context = top
  unlink(self)
  self.sessions, self.previous, self.pushed, self.thread = {}, nil, false, nil
  self.automatic = nil
  return first
end

local function out_of_order()
  core.raise("RuntimeError", "application contexts must be left in the reverse order of entering",
    "leave the inner context first; a coroutine that entered one must leave it before others do")
end

--- Ends the context and puts the one before it in force again.
-- @param[opt] err what the teardown functions get
function Context:pop(err)
  if not self.pushed then
    core.raise("RuntimeError", "this application context is not in force")
  end
  if shared.context ~= self then out_of_order() end
  local first = leave(self, err)
  if first ~= nil then error(first, 0) end
end

--- Ends contexts that were entered inside this one and forgotten; false when one of them
-- belongs to another coroutine, which may still need it.
local function leave_inner(self, err)
  local inner = shared.context
  while inner and inner ~= self do
    if inner.thread ~= self.thread then return false end
    inner = inner.previous
  end
  while inner and shared.context ~= self do leave(shared.context, err) end
  return true
end

--- For `local _ <close> = app:app_context()`.
function meta.__close(self, err)
  if not self.pushed then return end
  local in_order = shared.context == self
  if not in_order then leave_inner(self, err) end
  local first = leave(self, err)
  if err ~= nil then return end
  if first ~= nil then error(first, 0) end
  if not in_order then out_of_order() end
end

--- context(fn): runs a function in the context and ends it.
function meta.__call(self, fn, ...)
  if not self.pushed then self:push() end
  local _ <close> = self
  return fn(...)
end

function meta.__tostring(self)
  return ("<AppContext of '%s'%s>"):format(self.app.name, self.pushed and "" or " (not in force)")
end

--- Ends the contexts inside another one, or all, without their teardown functions: for a
-- host that has stopped a script in the middle of them.
function context.abandon(outer)
  while shared.context and shared.context ~= outer do
    local inner = shared.context
    shared.context = inner.previous
    for _, session in pairs(inner.sessions) do
      if not session.closed then pcall(session.close, session) end
    end
    inner.sessions, inner.previous, inner.pushed, inner.thread = {}, nil, false, nil
  end
end

--- The program ends: the script's own context goes.
local function leave_at_end(program, root)
  local before = program.leave
  function program.leave(ok)
    if before then before(ok) end
    if root.pushed then
      leave_inner(root)
      local err = not ok and "the script failed" or nil
      local first = leave(root, err)
      if first ~= nil then error(first, 0) end
    end
  end
end

--- Under the perilune program, a script that made exactly one App works in a context of it
-- where it enters none itself. Specs get theirs from perilune.spec; IMPLICIT_CONTEXT = false
-- in the configuration turns it off.
function shared.root_context()
  local app, program = shared.only_app, core.program()
  if not app or not program or app.config.IMPLICIT_CONTEXT == false then return nil end
  if package.loaded.busted then return nil end
  local root = context.new(app)
  leave_at_end(program, root)
  return root:push()
end

-- Apps by name, for a program that embeds the library and enters their contexts.
local named, only = {}, nil

--- The app of a name; of no name, the only one. For a program that embeds the library.
function context.app_named(name)
  if name == nil then return only or nil end
  return named[name]
end

--- An App was made: the first one may become the script's own.
function context.register(app)
  apps = apps + 1
  if package.loaded["perilune.host"] then
    named[app.name], only = app, only == nil and app or false
  end
  if shared.made then table.insert(shared.made.apps, app) end
  if not core.program() then return end
  shared.only_app = shared.only_app == nil and app or false
end

return context
