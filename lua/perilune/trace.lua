--- Listening to the statements of a database: query recording, echo, counting in specs.
-- A listener is a function of one record { statement =, parameters =, duration = (seconds),
-- changes =, bind_key =, location = }, which belongs to all listeners, and is called when the
-- statement has run; other kinds are called before one, when one fails and when a connection is
-- opened. The C side calls one function of each kind per db; they stand here and tell all
-- listeners. Nothing is measured while nobody listens.
-- @module perilune.trace
local core = require "perilune.core"
local shared = core.shared()

local trace = {}

--- "file:line (function)" of the innermost function of the script.
function trace.location()
  local level = 2
  while debug do
    local info = debug.getinfo(level, "Sln")
    if not info then break end
    if info.currentline > 0 and not info.source:find "^=perilune%." then
      local name = info.name or (info.what == "main" and "main chunk") or "?"
      return ("%s:%d (%s)"):format(info.short_src, info.currentline, name)
    end
    level = level + 1
  end
  return "<unknown>"
end

--- What the C side calls after each statement.
local function dispatcher(listeners)
  return function(bind_key, sql, params, ms, changes)
    local record = {
      statement = sql, parameters = params, duration = ms / 1000, changes = changes,
      bind_key = bind_key, location = trace.location(),
    }
    for i = 1, #listeners do listeners[i](record) end
  end
end

local kinds = { "trace", "before", "failed", "connected" }

--- The listeners of a db by kind. What the C side calls stands beside them.
local function listeners_of(db)
  local d = core.db_table(db)
  if not d.tracers then
    local all = {}
    for _, kind in ipairs(kinds) do all[kind] = {} end
    d.tracers = all
    d.trace = dispatcher(all.trace)
    function d.before(bind_key, sql, params)
      for _, fn in ipairs(all.before) do fn(bind_key, sql, params) end
    end
    function d.failed(bind_key, sql, params, _, _, name, message)
      local failure = { statement = sql, parameters = params, name = name, message = message }
      for _, fn in ipairs(all.failed) do fn(bind_key, failure) end
    end
    function d.connected(bind_key, _, _, _, _, _, _, handle)
      for _, fn in ipairs(all.connected) do fn(bind_key, handle) end
    end
  end
  return d.tracers
end

local function tell_core(db)
  local on = {}
  for i, kind in ipairs(kinds) do on[i] = #listeners_of(db)[kind] > 0 end
  core.db_listen(db, table.unpack(on))
end

--- Adds a listener to a db.
-- @param db
-- @func fn
-- @string[opt="trace"] kind "trace": called with the record of each statement that ran; "before":
-- fn(bind_key, sql, parameters), an error keeps the statement from running; "failed":
-- fn(bind_key, { statement =, parameters =, name =, message = }), an error replaces that one;
-- "connected": fn(bind_key, handle for core.conn_execute)
-- @treturn function fn, for trace.remove
function trace.add(db, fn, kind)
  table.insert(listeners_of(db)[kind or "trace"], fn)
  tell_core(db)
  return fn
end

--- Removes a listener of any kind; nothing when it is not there.
function trace.remove(db, fn)
  for _, listeners in pairs(listeners_of(db)) do
    for i = #listeners, 1, -1 do
      if listeners[i] == fn then table.remove(listeners, i) end
    end
  end
  tell_core(db)
end

-- ---- printing ---------------------------------------------------------------------

local longest_text, most_parameters = 300, 20

local function value_text(v)
  if type(v) ~= "string" then
    if v == core.namespace.null then return "NULL" end
    return tostring(v)
  end
  if #v > longest_text then
    local half = longest_text // 2
    return ("'%s ... (%d bytes) ... %s'"):format(v:sub(1, half), #v, v:sub(-half))
  end
  if not utf8.len(v) or v:find "%c" then
    v = v:gsub("[%c\128-\255]", function(c)
      if utf8.len(v) and c:byte() >= 128 then return c end
      return ("\\x%02x"):format(c:byte())
    end)
  end
  return "'" .. v:gsub("'", "''") .. "'"
end

--- Parameters as a log shows them: (1, 'Alice', NULL); long texts and lists abbreviated.
-- @tab params
-- @treturn string "" when there are none
function trace.parameters(params)
  local n = #params
  if n == 0 then return "" end
  local out = {}
  for i = 1, n do
    if n <= most_parameters or i <= most_parameters - 2 or i > n - 2 then
      out[#out + 1] = value_text(params[i])
    elseif i == most_parameters - 1 then
      out[#out + 1] = ("... %d more ..."):format(n - most_parameters)
    end
  end
  return "(" .. table.concat(out, ", ") .. ")"
end

--- A listener that prints every statement to standard error.
-- @tab[opt] settings hide_parameters = true
-- @treturn function
function trace.echo(settings)
  local hide = settings and settings.hide_parameters
  return function(record)
    local params = record.parameters
    local text = hide and #params > 0 and "(hidden)" or trace.parameters(params)
    local bind = record.bind_key and " " .. record.bind_key or ""
    io.stderr:write(("[sql%s %.2f ms] %s%s%s\n"):format(bind, record.duration * 1000,
      record.statement, text ~= "" and "  " or "", text))
  end
end

--- A listener that keeps records in the context in force, or in a list of the db's own.
-- @param db
-- @treturn function
function trace.recorder(db)
  local own = core.db_table(db)
  return function(record)
    local holder = own.bound and shared.context or own
    holder.recorded = holder.recorded or setmetatable({}, { __mode = "k" })
    local list = holder.recorded[db]
    if not list then
      list = {}
      holder.recorded[db] = list
    end
    list[#list + 1] = record
  end
end

--- The records kept where the db works now.
function trace.recorded(db)
  local own = core.db_table(db)
  local by_db = (own.bound and shared.context or own).recorded
  if by_db and by_db[db] then return by_db[db] end
  return {}
end

return trace
