--- Helpers for specs that run under busted.
--    local spec = require "perilune.spec"
--    local app = require "app"
--    spec.use(app)
--    local user = spec.factory(app.User, { name = spec.sequence "user %d" })
--    it("lists posts", function()
--      user { name = "Alice" }
--      assert.query_count(1, function() app.list() end)
--    end)
-- `spec.use` gives each test a context and a session of its own and takes back whatever the
-- test did, also what it committed: the session's transactions are savepoints in one that is
-- rolled back. Their commits check foreign keys that are deferred to a COMMIT.
-- @module perilune.spec
local core = (function() require "perilune" return require "perilune.core" end)()

local spec = {}

-- ---- a context for each test ------------------------------------------------------------

--- The db objects in use, for assertions that count statements.
local in_use = {}

local function is_app(value) return require "perilune.app".is(value) end

local function db_and_site(target)
  if is_app(target) then
    local db = target.extensions.perilune
    if not db then
      core.raise("InvalidRequestError", ("spec.use: app '%s' has no database"):format(target.name),
        "perilune.Database(app)")
    end
    return db, core.db_table(db).apps[target], target
  end
  if core.class(target) ~= "perilune.Database" then
    core.raise("ArgumentError",
      "spec.use needs an App or a db, got " .. (core.class(target) or type(target)))
  end
  local d = core.db_table(target)
  if not d.bound then return target, 0, nil end
  local app, site = next(d.apps)
  if not app then
    core.raise("InvalidRequestError", "spec.use: this db has no app", "give the App to spec.use")
  end
  return target, site, app
end

--- Puts an App or a db into a state that `finish` takes back: a context for the app, a
-- transaction that holds all others.
-- @param target an App or a db
-- @treturn function finish
function spec.begin(target)
  local db, site, app = db_and_site(target)
  if not app then db.session:close() end
  core.db_hold(db, site)
  local context = app and app:app_context()
  in_use[db] = (in_use[db] or 0) + 1
  return function()
    in_use[db] = in_use[db] > 1 and in_use[db] - 1 or nil
    local ok, err = pcall(function()
      if context then context:pop() else db.session:close() end
    end)
    core.db_release(db, site)
    if not ok then error(err, 0) end
  end
end

--- Gives each test of the block (or file) in which it is called its own context and session,
-- and rolls back what the test did.
-- @param target an App or a db
-- @tab[opt] options create = false: do not create the tables first
function spec.use(target, options)
  local busted = require "busted"
  local finish
  local create = not (options and options.create == false)
  busted.setup(function()
    if not create then return end
    if is_app(target) then
      target:app_context(function() target.extensions.perilune:create_all() end)
    else
      local db, _, app = db_and_site(target)
      if app then app:app_context(function() db:create_all() end) else db:create_all() end
    end
  end)
  busted.before_each(function() finish = spec.begin(target) end)
  busted.after_each(function()
    if finish then
      local now = finish
      finish = nil
      now()
    end
  end)
end

-- ---- factories --------------------------------------------------------------------------

--- Numbers in order: as a field of a factory, `spec.sequence "user %d"` is "user 1", "user 2".
-- @string[opt] format else the number itself
-- @treturn function
function spec.sequence(format)
  local n = 0
  return function()
    n = n + 1
    return format and format:format(n) or n
  end
end

--- Makes objects of a model with values for what a test does not care about.
-- @type Factory
local Factory = {}

local factory_meta = { __name = "perilune.Factory", __index = Factory }

local function is_factory(value)
  return type(value) == "table" and getmetatable(value) == factory_meta
end

--- Values by name; one that is not known yet is made when it is asked for, so that functions
-- may use each other's.
local function values_for(fields, own)
  local values, making = {}, {}
  for name, value in pairs(own or {}) do values[name] = value end
  return setmetatable(values, { __index = function(_, name)
    local field = fields[name]
    if making[name] then
      core.raise("ArgumentError", ("a factory's '%s' depends on itself"):format(name))
    end
    making[name] = true
    if is_factory(field) then
      field = field:build()
    elseif type(field) == "function" then
      field = field(values)
    end
    making[name], values[name] = nil, field
    return field
  end })
end

--- A new object that no session has.
-- @tab[opt] own values that go before the factory's
-- @return the object
function Factory:build(own)
  local values, names = values_for(self.fields, own), {}
  for name in pairs(self.fields) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do local _ = values[name] end
  return self.model(setmetatable(values, nil))
end

--- A new object with a row: added to the session of the model's db and flushed.
-- @tab[opt] own values
-- @return the object
function Factory:create(own)
  local object = self:build(own)
  local session = require "perilune.declare".info[self.model].db.session
  session:add(object)
  session:flush()
  return object
end

--- Several of them.
-- @int n
-- @tab[opt] own values for all of them
-- @treturn table list
function Factory:list(n, own)
  local out = {}
  for i = 1, n do out[i] = self:create(own) end
  return out
end

--- factory{...} is factory:create{...}.
function factory_meta.__call(self, own) return self:create(own) end

--- A factory for a model.
-- @param model
-- @tab[opt] fields name -> value, function(values so far) or another factory
-- @treturn Factory
function spec.factory(model, fields)
  if core.class(model) ~= "perilune.Model" then
    core.raise("ArgumentError", "spec.factory needs a model, got " .. (core.class(model) or type(model)))
  end
  return setmetatable({ model = model, fields = fields or {} }, factory_meta)
end

-- ---- counting statements ----------------------------------------------------------------

--- The db objects that an assertion listens to: those in use, else all that are open.
local function listened()
  local out = {}
  for db in pairs(in_use) do out[#out + 1] = db end
  if #out > 0 then return out end
  for db in pairs(core.shared().databases or {}) do
    if not core.db_closed(db) then out[#out + 1] = db end
  end
  return out
end

--- Runs a function and gives the statements that it ran, transaction control left out.
-- @func fn
-- @treturn table list of { statement =, parameters =, location = }
function spec.statements(fn)
  local trace = require "perilune.trace"
  local records, listeners = {}, {}
  for _, db in ipairs(listened()) do
    listeners[db] = trace.add(db, function(record)
      if record.changes >= 0 then
        records[#records + 1] = {
          statement = record.statement, parameters = record.parameters, location = record.location,
        }
      end
    end)
  end
  local ok, err = pcall(fn)
  for db, listener in pairs(listeners) do
    if not core.db_closed(db) then trace.remove(db, listener) end
  end
  if not ok then error(err, 0) end
  return records
end

local function list_of(records)
  local trace, lines = require "perilune.trace", {}
  for i, record in ipairs(records) do
    lines[i] = ("  %d. %s  %s  at %s"):format(i, record.statement, trace.parameters(record.parameters),
      record.location)
  end
  return #lines > 0 and "\n" .. table.concat(lines, "\n") or ""
end

local function need_function(name, fn, position)
  if type(fn) == "function" then return end
  error(("assert.%s: argument %d must be a function, got %s"):format(name, position, type(fn)), 0)
end

-- ---- assertions -------------------------------------------------------------------------

--- What luassert calls: (state, arguments) -> whether it holds.
local assertions = {}

--- assert.query_count(n, fn): fn runs n statements.
function assertions.query_count(state, arguments)
  local wanted, fn = arguments[1], arguments[2]
  need_function("query_count", fn, 2)
  local records = spec.statements(fn)
  state.failure_message = ("expected %s%s statements, got %d:%s"):format(state.mod and "" or "not ",
    tostring(wanted), #records, list_of(records))
  return #records == wanted
end

--- assert.no_n_plus_one(fn [, least]): no place in fn runs one query for several values in
-- turn. least: how many are too many, 2 unless given.
function assertions.no_n_plus_one(state, arguments)
  local fn, least = arguments[1], arguments[2] or 2
  need_function("no_n_plus_one", fn, 1)
  local report, gatherings, found = require "perilune.report", {}, {}
  for _, db in ipairs(listened()) do gatherings[#gatherings + 1] = report.gather(db) end
  local ok, err = pcall(fn)
  for _, gathering in ipairs(gatherings) do
    if not core.db_closed(gathering.db) then gathering:stop() end
    for _, site in ipairs(gathering:n_plus_one(least)) do
      found[#found + 1] = ("\n  %d times at %s: %s"):format(site.params, site.location, site.statement)
    end
  end
  if not ok then error(err, 0) end
  state.failure_message = ("the same query was run for one row after another:%s"):format(table.concat(found))
  return #found == 0
end

--- assert.row_exists(Model, { name = value }): the database has such a row. What the session has
-- not flushed is flushed first.
function assertions.row_exists(state, arguments)
  local model, values = arguments[1], arguments[2] or {}
  if core.class(model) ~= "perilune.Model" then
    error("assert.row_exists: argument 1 must be a model, got " .. (core.class(model) or type(model)), 0)
  end
  local query, words = model.query, {}
  for name, value in pairs(values) do
    words[#words + 1] = ("%s = %s"):format(name, type(value) == "string" and ("%q"):format(value) or tostring(value))
  end
  table.sort(words)
  if next(values) ~= nil then query = query:filter_by(values) end
  state.failure_message = ("there is %s row of %s with {%s}"):format(state.mod and "no" or "a",
    core.model_describe(model).name, table.concat(words, ", "))
  return query:any()
end

--- Makes the assertions known to luassert; done when the module is required. An assertion that
-- was made before by another copy of the module is replaced.
function spec.install()
  local luassert = require "luassert"
  for name, fn in pairs(assertions) do
    luassert:register("assertion", name, fn)
  end
end

spec.install()

return spec
