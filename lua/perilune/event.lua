--- Events: `db.event.listen(target, name, fn)` with SQLAlchemy's names.
-- A handler gets what it is about first: mapper and instance events `fn(object)`, attribute
-- events `fn(object, value, old)`, session events `fn(session, ...)`, engine events
-- `fn(connection, cursor, sql, params, executemany)`: of a statement that a flush runs for many
-- rows they hear once, with a list of their parameters and true. The C side calls the functions of
-- `shared.events` only for models and databases that somebody listens to.
-- @module perilune.event
local core = require "perilune.core"
local declare = require "perilune.declare"
local engine = require "perilune.engine"
local many = require "perilune.many"
local trace = require "perilune.trace"
local shared = core.shared()

local event = {}

local function set(words)
  local t = {}
  for word in words:gmatch "%S+" do t[word] = true end
  return t
end

local mapper_events = set [[before_insert after_insert before_update after_update before_delete after_delete]]
local instance_events = set "init load refresh expire"
local attribute_events = set "set append remove bulk_replace"
local session_events = set [[before_flush after_flush after_flush_postexec before_commit after_commit
  before_models_committed models_committed after_rollback after_begin before_attach
  after_attach transient_to_pending pending_to_transient pending_to_persistent persistent_to_transient
  persistent_to_deleted deleted_to_persistent deleted_to_detached persistent_to_detached detached_to_persistent
  loaded_as_persistent do_orm_execute after_bulk_update after_bulk_delete after_soft_rollback]]
local table_events = set "before_create after_create before_drop after_drop"

--- What control statements of a connection are events of, by the beginning of their text.
local control_events = {
  begin = "^BEGIN", commit = "^COMMIT", rollback = "^ROLLBACK$", savepoint = "^SAVEPOINT",
  rollback_savepoint = "^ROLLBACK TO", release_savepoint = "^RELEASE",
}
local engine_events = set [[connect handle_error before_cursor_execute after_cursor_execute begin commit
  rollback savepoint rollback_savepoint release_savepoint]]

local function unknown(name, ...)
  local names = {}
  for _, known in ipairs { ... } do
    for word in pairs(known) do names[#names + 1] = word end
  end
  table.sort(names)
  local near = core.nearest(name, names)
  core.raise("InvalidRequestError", ("No such event '%s' for this target"):format(name),
    near and ("did you mean '" .. near .. "'?") or "one of " .. table.concat(names, ", "))
end

-- Listeners: of a model by name; of an attribute by "name:attribute"; of a db by name.

local function listeners_of(owner, name)
  owner.listeners = owner.listeners or {}
  owner.listeners[name] = owner.listeners[name] or {}
  return owner.listeners[name]
end

--- Calls fn for each listener of a name on a model and the models it inherits from.
local function each(model, name, fn)
  while model do
    local info = declare.info[model]
    local list = info and info.listeners and info.listeners[name]
    for i = 1, #(list or {}) do fn(list[i]) end
    model = info and info.parent
  end
end

--- Models at and below a model.
local function family(model)
  local info = declare.info[model]
  local out = {}
  for _, m in ipairs(core.db_table(info.db).models) do
    local at = m
    while at and at ~= model do at = declare.info[at].parent end
    if at then out[#out + 1] = m end
  end
  return out
end

local function listen_model(model, name, fn)
  local flags
  if mapper_events[name] then
    flags = { has_events = true }
  elseif instance_events[name] then
    flags = { instance_events = true }
    core.db_set(declare.info[model].db, { session_events = true })
  else
    unknown(name, mapper_events, instance_events)
  end
  table.insert(listeners_of(declare.info[model], name), fn)
  for _, m in ipairs(family(model)) do core.model_set(m, flags) end
end

local function listen_attribute(model, attribute, name, fn)
  if not attribute_events[name] then unknown(name, attribute_events) end
  table.insert(listeners_of(declare.info[model], name .. ":" .. attribute), fn)
  for _, m in ipairs(family(model)) do core.model_set(m, { attribute_events = true }) end
end

--- What listen does for an attribute, for modules that know it by name only.
event.listen_attribute = listen_attribute

local function listen_db(db, name, fn)
  if not session_events[name] then unknown(name, session_events) end
  table.insert(listeners_of(core.db_table(db), name), fn)
  core.db_set(db, { session_events = true })
  if name ~= "loaded_as_persistent" then return end
  for _, model in ipairs(core.db_table(db).models) do core.model_set(model, { instance_events = true }) end
end

-- Listeners of engines: handler -> what stands for it among the tracers, by name and engine.
local tracers = setmetatable({}, { __mode = "k" })

local function tracers_of(target, name)
  tracers[target] = tracers[target] or {}
  tracers[target][name] = tracers[target][name] or {}
  return tracers[target][name]
end

--- What a handler of "connect" gets: statements may be run on it while the handler runs.
local Connection = { __name = "perilune.Connection" }
Connection.__index = Connection

function Connection:execute(sql)
  if not self.handle then
    core.raise("ResourceClosedError", "this connection is for the handler that was given it")
  end
  core.conn_execute(self.handle, sql)
end

--- How the events of an engine are heard: kind of tracer, and what it calls for a handler.
local engine_kinds = {
  connect = { "connected", function(target, fn, handle)
    local connection = setmetatable({ engine = target, handle = handle }, Connection)
    local ok, err = pcall(fn, connection)
    connection.handle = nil
    if not ok then error(err, 0) end
  end },
  handle_error = { "failed", function(target, fn, failure) fn(target, failure) end },
  before_cursor_execute = { "before", function(target, fn, sql, params)
    if not many.runs(target.db) then fn(target, {}, sql, params, false) end
  end },
}

local function listen_engine(target, name, fn)
  if not engine_events[name] then unknown(name, engine_events) end
  local known, kind = tracers_of(target, name), engine_kinds[name]
  if known[fn] then return end
  if name:find "_cursor_execute$" then many.add(target, name, fn) end
  if kind then
    known[fn] = trace.add(target.db, function(bind_key, ...)
      if bind_key == target.bind_key then kind[2](target, fn, ...) end
    end, kind[1])
    return
  end
  local control = control_events[name]
  known[fn] = trace.add(target.db, function(record)
    if record.bind_key ~= target.bind_key then return end
    if control and record.changes < 0 and record.statement:find(control) then
      fn(target)
    elseif not control and record.changes >= 0 and not many.runs(target.db) then
      local cursor = { rowcount = record.changes, duration = record.duration }
      fn(target, cursor, record.statement, record.parameters, false)
    end
  end)
end

local function unlisten_engine(target, name, fn)
  local known = tracers_of(target, name)
  if known[fn] then trace.remove(target.db, known[fn]) end
  many.remove(target, name, fn)
  known[fn] = nil
end

-- Listeners of tables, and of the metadata that has them: in the db's table, by bind and name.

local function is_schema(target)
  return core.class(target) == "perilune.Table" or engine.is_metadata(target)
end

--- What has the listeners of a table or of metadata.
local function schema_owner(target)
  local d = core.db_table(target.db)
  local key = (target.bind_key or "") .. "\0" .. (engine.is_metadata(target) and "" or target.name)
  d.schema_listeners = d.schema_listeners or {}
  d.schema_listeners[key] = d.schema_listeners[key] or {}
  return d.schema_listeners[key]
end

local function listen_schema(target, name, fn)
  if not table_events[name] then unknown(name, table_events) end
  table.insert(listeners_of(schema_owner(target), name), fn)
end

--- Calls the handlers of a table or of metadata.
function event.schema(target, name, ...)
  local listeners = schema_owner(target).listeners
  local list = listeners and listeners[name]
  for i = 1, #(list or {}) do list[i](target, ...) end
end

--- Whether anybody listens to tables of a db.
function event.hears_schema(db) return core.db_table(db).schema_listeners ~= nil end

--- Adds a listener.
-- @param target a model, an attribute (`User.name`), `db.session` or the db, `db.engine`, a table or
-- `db.metadata`
-- @string name SQLAlchemy's name of the event
-- @func fn the handler; "set" and "append" handlers of an attribute may return another value
-- @treturn function fn
function event.listen(target, name, fn)
  if type(name) ~= "string" or type(fn) ~= "function" then
    core.raise("ArgumentError", "event.listen needs a target, a name and a function",
      "db.event.listen(User, \"before_insert\", function(user) ... end)")
  end
  local class = core.class(target)
  if class == "perilune.Model" then
    listen_model(target, name, fn)
  elseif class == "perilune.Session" then
    listen_db(target.db, name, fn)
  elseif class == "perilune.Database" then
    listen_db(target, name, fn)
  elseif engine.is(target) then
    listen_engine(target, name, fn)
  elseif is_schema(target) then
    listen_schema(target, name, fn)
  else
    local model, attribute = core.attribute_of(target)
    if not model then
      core.raise("InvalidRequestError", "event.listen: no events for " .. tostring(class or type(target)),
        "a model, an attribute, db.session, db.engine, a table or db.metadata")
    end
    listen_attribute(model, attribute, name, fn)
  end
  return fn
end

--- Decorator form: db.event.listens_for(User, "before_insert")(function(user) ... end).
function event.listens_for(target, name)
  return function(fn) return event.listen(target, name, fn) end
end

local function remove_from(owner, name, fn)
  local list = owner.listeners and owner.listeners[name] or {}
  for i = #list, 1, -1 do
    if list[i] == fn then table.remove(list, i) end
  end
end

--- Removes a listener; nothing when it is not there.
-- @param target what it was added to
-- @string name
-- @func fn
function event.remove(target, name, fn)
  local class = core.class(target)
  if class == "perilune.Model" then
    remove_from(declare.info[target], name, fn)
  elseif class == "perilune.Session" then
    remove_from(core.db_table(target.db), name, fn)
  elseif class == "perilune.Database" then
    remove_from(core.db_table(target), name, fn)
  elseif engine.is(target) then
    unlisten_engine(target, name, fn)
  elseif is_schema(target) then
    remove_from(schema_owner(target), name, fn)
  else
    local model, attribute = core.attribute_of(target)
    if model then remove_from(declare.info[model], name .. ":" .. attribute, fn) end
  end
end

--- Whether a function listens.
-- @param target
-- @string name
-- @func fn
-- @treturn boolean
function event.contains(target, name, fn)
  local class = core.class(target)
  local owner
  if class == "perilune.Model" then
    owner = declare.info[target]
  elseif class == "perilune.Session" or class == "perilune.Database" then
    owner = core.db_table(class == "perilune.Session" and target.db or target)
  elseif engine.is(target) then
    return tracers_of(target, name)[fn] ~= nil
  elseif is_schema(target) then
    owner = schema_owner(target)
  else
    local model, attribute = core.attribute_of(target)
    owner, name = model and declare.info[model], name .. ":" .. tostring(attribute)
  end
  for _, known in ipairs(owner and owner.listeners and owner.listeners[name] or {}) do
    if known == fn then return true end
  end
  return false
end

-- What the C side calls.

local dispatch = {}
shared.events = dispatch

--- Validators of a model and its ancestors for an attribute, in order of declaration.
local function validate(model, self, name, value)
  while model do
    local info = declare.info[model]
    local list = core.db_table(info.db).validators
    for _, v in ipairs(list and list[model] or {}) do
      for _, wanted in ipairs(v.names) do
        if wanted == name then value = v.fn(self, name, value) end
      end
    end
    model = info.parent
  end
  return value
end

function dispatch.set(self, name, value, is_relation)
  local model = core.model_of(self)
  if not (is_relation and type(value) ~= "userdata" and value ~= nil) then
    value = validate(model, self, name, value)
  end
  local heard = false
  each(model, "set:" .. name, function() heard = true end)
  if heard then
    local old = core.object_loaded(self, name) and self[name] or nil
    each(model, "set:" .. name, function(fn)
      local replaced = fn(self, value, old)
      if replaced ~= nil then value = replaced end
    end)
  end
  return value
end

function dispatch.append(owner, name, item)
  local model = core.model_of(owner)
  item = validate(model, owner, name, item)
  each(model, "append:" .. name, function(fn)
    local replaced = fn(owner, item)
    if replaced ~= nil then item = replaced end
  end)
  return item
end

--- The list that is going to replace a relationship's, a copy that handlers may change.
function dispatch.bulk_replace(owner, name, values)
  local model = core.model_of(owner)
  local heard = false
  each(model, "bulk_replace:" .. name, function() heard = true end)
  if not heard or type(values) ~= "table" and core.class(values) ~= "perilune.Collection" then return values end
  local list = {}
  for i = 1, #values do list[i] = values[i] end
  each(model, "bulk_replace:" .. name, function(fn) fn(owner, list) end)
  return list
end

--- The statement to run instead of one: what handlers of "do_orm_execute" leave in
-- `state.statement`.
function dispatch.execute(session, statement)
  local listeners = core.db_table(session.db).listeners
  local list = listeners and listeners.do_orm_execute or {}
  if #list == 0 then return statement end
  local ok, sql = pcall(statement.sql, statement)
  local verb = ok and sql:match "^%s*(%a+)" or ""
  local state = { statement = statement, session = session, is_insert = verb == "INSERT",
    is_update = verb == "UPDATE", is_delete = verb == "DELETE" }
  state.is_select = not (state.is_insert or state.is_update or state.is_delete)
  for i = 1, #list do list[i](session, state) end
  if not core.is_node(state.statement) then
    core.raise("ArgumentError", "do_orm_execute: state.statement must stay a statement, got "
      .. (core.class(state.statement) or type(state.statement)))
  end
  return state.statement
end

function dispatch.remove(owner, name, item)
  each(core.model_of(owner), "remove:" .. name, function(fn) fn(owner, item) end)
end

function dispatch.instance(name, self, arg)
  each(core.model_of(self), name, function(fn) fn(self, arg) end)
end

function dispatch.mapper(name, self)
  each(core.model_of(self), name, function(fn) fn(self) end)
end

function dispatch.session(name, session, ...)
  local listeners = core.db_table(session.db).listeners
  local list = listeners and listeners[name]
  for i = 1, #(list or {}) do list[i](session, ...) end
end

-- A subclass declared later hears what its ancestors hear.
table.insert(declare.hooks, function(_, model)
  local heard = core.db_table(declare.info[model].db).listeners
  if heard and heard.loaded_as_persistent then core.model_set(model, { instance_events = true }) end
  local at = declare.info[model].parent
  while at do
    for name in pairs(declare.info[at].listeners or {}) do
      if mapper_events[name] then core.model_set(model, { has_events = true }) end
      if instance_events[name] then core.model_set(model, { instance_events = true }) end
      if name:find(":", 1, true) then core.model_set(model, { attribute_events = true }) end
    end
    local validators = core.db_table(declare.info[at].db).validators
    if validators and validators[at] then core.model_set(model, { attribute_events = true }) end
    at = declare.info[at].parent
  end
end)

return event
