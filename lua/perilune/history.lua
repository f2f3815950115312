--- History: `__versioned__ = true` keeps every version of a model's rows.
-- Triggers write each change to the table TABLE_history, whoever makes it: the session, raw
-- SQL, another program. Changes of one transaction of ours have its number and its time.
--    local User = db.Model "User" { ..., __versioned__ = true }
--    User.query:as_of "2026-05-01 12:00":all()      -- the rows as they were
--    for _, version in ipairs(user:history()) do print(version.from, version.operation, version.name) end
--    db.session.info.actor = "alice"                 -- goes on record with the transaction
--    db.session:undo(db.session:transactions()[1].id)
-- @module perilune.history
local core = require "perilune.core"
local declare = require "perilune.declare"
local deep = require "perilune.deep"
local columns = require "perilune.declare.column"
local tables = require "perilune.declare.table"
local inspect = require "perilune.inspect"
local options = require "perilune.options"

local namespace = core.namespace
local null = namespace.null
local history = {}

local function fail(class, message, hint)
  core.raise(class, message, hint)
end

-- ---- tables -------------------------------------------------------------------------

local own = { "version_id", "version_operation", "version_from", "version_until", "version_transaction" }

local function column(...) return columns.column { ... } end

local function key_column()
  return columns.column { namespace.Integer, primary_key = true }
end

--- The table of transactions of a bind, made with the first log.
local function transactions_table(db, bind)
  local d = core.db_table(db)
  d.transactions = d.transactions or {}
  local key = bind or false
  if not d.transactions[key] then
    d.transactions[key] = tables.build(db, "history_transaction", bind, {
      { key_column(), "id" },
      { columns.column { namespace.DateTime, nullable = false }, "began" },
      { column(namespace.Integer), "open" },
      { column(namespace.String), "actor" },
      { column(namespace.Text), "reason" },
    }, { columns.index { "ix_history_transaction_open", "open", where = "open IS NOT NULL" } }, {})
  end
  return d.transactions[key]
end

local function new_log(db, t, key)
  local name = t.name .. "_history"
  local list = {
    { key_column(), own[1] },
    { columns.column { namespace.String(6), nullable = false }, own[2] },
    { columns.column { namespace.DateTime, nullable = false }, own[3] },
    { column(namespace.DateTime), own[4] },
    { columns.column { namespace.Integer, index = true }, own[5] },
  }
  local log = tables.build(db, name, t.bind_key, list, {}, {})
  core.table_versions(t, log, transactions_table(db, t.bind_key))
  local entries = { "ix_" .. name .. "_key" }
  for i, k in ipairs(key) do entries[i + 1] = k end
  entries[#entries + 1] = own[4]
  core.table_index(log, { name = entries[1], columns = table.move(entries, 2, #entries, 1, {}), exprs = {} })
  return log
end

--- Versions the table of a model: a log of its own, or more columns of the one it has.
local function version_table(db, model)
  local t = model.__table__
  local d = core.db_table(db)
  d.logs = d.logs or {}
  local described, key = core.table_describe(t), {}
  for _, c in ipairs(described.columns) do
    if c.primary_key then key[#key + 1] = c.name end
    for _, name in ipairs(own) do
      if c.name == name then
        fail("ArgumentError", ("%s: __versioned__ needs the column name '%s' for itself")
          :format(declare.info[model].name, name))
      end
    end
  end
  for _, log in ipairs(d.logs) do
    if log.table == t then
      return core.table_versions(t, log.log, transactions_table(db, t.bind_key))
    end
  end
  d.logs[#d.logs + 1] = { table = t, key = key, log = new_log(db, t, key) }
end

local function is_versioned(model)
  return model ~= nil and declare.info[model].versioned == true
end

--- Called for each model that says __versioned__, and for those below one that does.
function history.declare(db, model, _, fields)
  local given = fields.__versioned__
  options.expect(declare.info[model].name .. ".__versioned__", given, "boolean")
  declare.info[model].versioned = is_versioned(declare.info[model].parent) or given or false
  if not declare.info[model].versioned then return end
  version_table(db, model)
  local members = core.model_members(model)
  if members.history == nil then members.history = history.history end
end

--- The logs of the tables of one bind.
local function logs_of(db, bind)
  local out = {}
  for _, log in ipairs(core.db_table(db).logs or {}) do
    if log.table.bind_key == bind then out[#out + 1] = log end
  end
  return out
end

local function log_of(db, t)
  for _, log in ipairs(core.db_table(db).logs or {}) do
    if log.table == t then return log end
  end
end

--- The tables that a versioned table needs: its log and that of transactions.
function history.tables(db, t)
  local log = log_of(db, t)
  return log and { log.log, transactions_table(db, t.bind_key) } or {}
end

local function columns_of(t)
  return core.table_describe(t).columns
end

-- ---- reading the past ---------------------------------------------------------------

local function moment(t, what)
  if t == nil then fail("ArgumentError", what .. " needs a time: a db.datetime, ISO text or seconds since 1970") end
  return core.class(t) == "perilune.DateTime" and t or namespace.datetime(t)
end

--- The rows of a table at a time, from its log, under the table's name.
local function past_rows(log, at)
  local c, items = log.log.c, {}
  for i, column_of in ipairs(columns_of(log.table)) do items[i] = c[column_of.name] end
  return namespace.select(table.unpack(items))
    :where(c.version_from:le(at), c.version_until:is(nil) | c.version_until:gt(at))
    :cte(log.table.name)
end

--- The query as it would have run at a time. Instances belong to no session; tables that
-- are not versioned are read as they are now.
-- @function Query:as_of
-- @param at a db.datetime, ISO text, or seconds since 1970 (UTC)
-- @treturn Query
function history.as_of(q, at)
  if not core.is_node(q) then
    fail("TypeError", "a query expected as the object of 'as_of'", "call it with a colon: query:as_of(time)")
  end
  if core.is_past(q) then fail("InvalidRequestError", "as_of was called on this query before") end
  at = moment(at, "as_of")
  local db = core.query_db(q)
  local found
  for _, t in ipairs(core.query_tables(q)) do found = found or log_of(db, t) end
  if not found then
    fail("InvalidRequestError", "as_of: no table of this query is versioned",
      "declare the model with __versioned__ = true")
  end
  local past = {}
  for i, log in ipairs(logs_of(db, found.table.bind_key)) do past[i] = past_rows(log, at) end
  return core.query_past(q, past)
end

--- One version of an object.
-- @type Version
-- @field operation "insert", "update" or "delete"
-- @field from when it began
-- @field to when it ended; nil for the one that stands
-- @field transaction number of the transaction on record, nil for a change made outside
-- @field values attribute -> value; they are fields of the version as well
local Version = { __name = "perilune.Version" }

function Version.__index(version, name)
  local method = rawget(Version, name)
  if method ~= nil then return method end
  return rawget(version, "values")[name]
end

function Version.__tostring(version)
  return ("<Version %s %s>"):format(version.operation, tostring(version.from))
end

--- What differs from the version before: attribute -> { old, new }; NULL is db.null.
-- @function Version:changes
-- @treturn table
function Version:changes()
  local out, before = {}, self.before and self.before.values or {}
  for _, name in ipairs(self.names) do
    local old, new = before[name], self.values[name]
    if old ~= new then out[name] = { old == nil and null or old, new == nil and null or new } end
  end
  return out
end

--- The attributes of a model by the column of one of its tables.
local function attributes_by_column(model, t)
  local by_column = {}
  local function add(name, c) by_column[c] = by_column[c] or name end
  for _, attribute in ipairs(core.model_describe(model).attributes) do
    if attribute.column then
      local owner = core.column_info(model[attribute.name])
      if owner == t.name then add(attribute.name, attribute.column) end
    end
  end
  for _, c in ipairs(columns_of(t)) do add(c.key, c.name) end
  return by_column
end

--- The condition that a row has a key; `c` are the columns of the table or of its log.
local function key_condition(log, c, values)
  local all
  for i, name in ipairs(log.key) do
    local condition = c[name]:eq(values[i])
    all = all and all & condition or condition
  end
  return all
end

--- Rows of a log as plain tables: the log's own fields, and values by column name.
local function read_log(session, log, condition, order, limit)
  local items, names = {}, {}
  for i, c in ipairs(columns_of(log.log)) do items[i], names[i] = log.log.c[c.name], c.name end
  local q = namespace.select(table.unpack(items)):where(condition):order_by(order or log.log.c.version_id)
  if limit then q = q:limit(limit) end
  local out = {}
  for n, row in ipairs(session:execute(q):all()) do
    local r = { values = {} }
    for i, name in ipairs(names) do
      if i <= #own then r[name] = row[i] else r.values[name] = row[i] end
    end
    out[n] = r
  end
  return out
end

--- All rows of an object in the logs of its model's tables, in order of time.
local function events_of(session, db, model, key)
  local events = {}
  for place, t in ipairs(core.model_describe(model).tables) do
    local log = log_of(db, t)
    if log then
      local by_column = attributes_by_column(model, t)
      for _, row in ipairs(read_log(session, log, key_condition(log, log.log.c, key))) do
        row.place, row.by_column = place, by_column
        events[#events + 1] = row
      end
    end
  end
  table.sort(events, function(a, b)
    if a.place == b.place then return a.version_id < b.version_id end
    if a.version_from ~= b.version_from then return a.version_from < b.version_from end
    return a.place < b.place
  end)
  return events
end

--- Whether a row of another table of the same object belongs to the version before it.
local function continues(version, row)
  return version and version.place ~= row.place and version.transaction == row.version_transaction
    and version.transaction ~= nil and not version.places[row.place]
end

local function names_of(model)
  local names = {}
  for i, attribute in ipairs(core.model_describe(model).attributes) do names[i] = attribute.name end
  return names
end

--- The versions of an object, the oldest first.
-- @function instance:history
-- @treturn table list of Version
function history.history(object)
  if not core.is_instance(object) then
    fail("TypeError", "an instance expected as the object of 'history'", "call it with a colon: object:history()")
  end
  local model = core.model_of(object)
  local db = declare.info[model].db
  local key = inspect.inspect(object).identity
  if not key then return {} end
  local versions, names = {}, names_of(model)
  for _, row in ipairs(events_of(db.session, db, model, key)) do
    local last = versions[#versions]
    local version = last
    if continues(last, row) then
      if row.version_operation ~= "update" then last.operation = row.version_operation end
    else
      version = setmetatable({ operation = row.version_operation, from = row.version_from,
        transaction = row.version_transaction, values = {}, names = names, before = last,
        place = row.place, places = {} }, Version)
      if last then
        last.to = row.version_from
        for k, v in pairs(last.values) do version.values[k] = v end
      end
      versions[#versions + 1] = version
    end
    version.places[row.place] = true
    for c, name in pairs(row.by_column) do version.values[name] = row.values[c] end
    version.to = row.version_until
  end
  return versions
end

-- ---- transactions -------------------------------------------------------------------

local function check_session(session, name)
  if core.class(session) ~= "perilune.Session" then
    fail("TypeError", ("a Session expected as the object of '%s'"):format(name),
      ("call it with a colon: session:%s(...)"):format(name))
  end
  local db = session.db
  if not (core.db_table(db).logs or {})[1] then
    fail("InvalidRequestError", name .. ": no model of this database is versioned",
      "declare one with __versioned__ = true")
  end
  return db
end

local bind_option = { bind = "string", limit = "integer" }

--- The transactions on record, the newest first.
-- @function Session:transactions
-- @tab[opt] given limit = how many, bind = key of another database
-- @treturn table list of { id =, began =, actor =, reason = }
function history.transactions(session, given)
  local db = check_session(session, "transactions")
  given = options.check("transactions", given or {}, bind_option)
  local t = core.db_table(db).transactions[given.bind or false]
  if not t then fail("InvalidRequestError", ("transactions: nothing is versioned on '%s'"):format(given.bind)) end
  local q = namespace.select(t.c.id, t.c.began, t.c.actor, t.c.reason):order_by(t.c.id:desc())
  if given.limit then q = q:limit(given.limit) end
  local out = {}
  for i, row in ipairs(session:execute(q):all()) do
    out[i] = { id = row[1], began = row[2], actor = row[3], reason = row[4] }
  end
  return out
end

--- What row stood before an entry of the log, or nil.
local function row_before(session, log, entry, key)
  local condition = key_condition(log, log.log.c, key) & log.log.c.version_id:lt(entry.version_id)
  local before = read_log(session, log, condition, log.log.c.version_id:desc(), 1)[1]
  return before and before.version_operation ~= "delete" and before.values or nil
end

local function key_text(key)
  local out = {}
  for i, v in ipairs(key) do out[i] = ("%s:%s"):format(math.type(v) or type(v), tostring(v)) end
  return table.concat(out, "\0")
end

--- The net changes of a transaction in one table, in order.
local function changes_of(session, log, number)
  local out, by_key = {}, {}
  for _, entry in ipairs(read_log(session, log, log.log.c.version_transaction:eq(number))) do
    local key = {}
    for i, name in ipairs(log.key) do key[i] = entry.values[name] end
    local text = key_text(key)
    local change = by_key[text]
    if not change then
      change = { table = log.table.name, log = log, key = key, old = row_before(session, log, entry, key) }
      by_key[text], out[#out + 1] = change, change
    end
    change.last = entry.version_id
    change.new = entry.version_operation ~= "delete" and entry.values or nil
  end
  return out
end

local function check_number(number, what)
  if math.type(number) ~= "integer" then
    fail("ArgumentError", ("%s needs the number of a transaction, got %s"):format(what, tostring(number)),
      "session:transactions() lists them")
  end
end

local function all_changes(session, db, number, bind)
  local out = {}
  for _, log in ipairs(logs_of(db, bind)) do
    local list = changes_of(session, log, number)
    table.move(list, 1, #list, #out + 1, out)
  end
  return out
end

--- What a transaction changed: its changeset, one entry a row.
-- @function Session:changes
-- @int number of the transaction
-- @tab[opt] given bind = key of another database
-- @treturn table list of { table =, operation =, key = {...}, old =, new = } with old and new
-- by column name
function history.changes(session, number, given)
  local db = check_session(session, "changes")
  check_number(number, "changes")
  given = options.check("changes", given or {}, bind_option)
  local out = {}
  for _, change in ipairs(all_changes(session, db, number, given.bind)) do
    local operation = change.old and (change.new and "update" or "delete") or "insert"
    if change.old or change.new then
      out[#out + 1] = { table = change.table, operation = operation, key = change.key,
        old = change.old, new = change.new }
    end
  end
  return out
end

local function stale(change, number)
  fail("StaleDataError", ("undo of transaction %d: the row (%s) of table '%s' was changed since")
    :format(number, table.concat(change.key, ", "), change.table), "undo the later transactions first")
end

--- Values to write: those of the table's columns that can be set, NULLs included.
local function writable(log, values)
  local out = {}
  for _, c in ipairs(columns_of(log.table)) do
    if not c.computed then
      local v = values[c.name]
      if v == nil then v = null end
      out[c.name] = v
    end
  end
  return out
end

local function revert(session, change, number)
  local log, c = change.log, change.log.log.c
  local last = read_log(session, log, key_condition(log, c, change.key), c.version_id:desc(), 1)[1]
  local stands = last.version_operation ~= "delete" and last.values or nil
  if last.version_id ~= change.last and not deep.same(stands, change.new) then stale(change, number) end
  if not change.new then
    if change.old then
      session:execute(namespace.insert(log.table):values(writable(log, change.old)))
    end
    return
  end
  local where = key_condition(log, log.table.c, change.key)
  local statement = change.old
    and namespace.update(log.table):values(writable(log, change.old)):where(where)
    or namespace.delete(log.table):where(where)
  if session:execute(statement).rowcount ~= 1 then stale(change, number) end
end

--- Takes a transaction back by its changeset, which is read from the logs: every row it changed
-- gets the values it had before. Fails, and changes nothing, when a row has other values by now
-- (StaleDataError) or other rows would refer to one that is taken away (IntegrityError). Part of
-- the session's transaction; it goes on record itself, so that it can be undone, too.
-- @function Session:undo
-- @int number of the transaction
-- @tab[opt] given bind = key of another database
-- @treturn int how many rows were changed
function history.undo(session, number, given)
  local db = check_session(session, "undo")
  check_number(number, "undo")
  given = options.check("undo", given or {}, bind_option)
  session:flush()
  local changes = all_changes(session, db, number, given.bind)
  if #changes == 0 then
    fail("InvalidRequestError", ("undo: transaction %d is not on record"):format(number))
  end
  session:begin_nested(function()
    local dangling = core.is_dangling(session, given.bind)
    core.defer_foreign_keys(session, given.bind)
    for i = #changes, 1, -1 do revert(session, changes[i], number) end
    if not dangling and core.is_dangling(session, given.bind) then
      fail("IntegrityError", ("undo of transaction %d: other rows refer to a row that it takes away")
        :format(number), "undo the later transactions first")
    end
  end)
  session:expire_all()
  return #changes
end

return history
