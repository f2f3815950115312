--- What listeners of an engine hear of a statement that a flush runs for many rows: one
-- execution, whose parameters are a list of those of each row, told before the first and after
-- the last of them with the number of all rows.
-- The C side calls row, begin and done of a db's state, which is there while it has listeners.
-- @module perilune.many
local core = require "perilune.core"
local trace = require "perilune.trace"

local many = {}

--- Whether such a statement runs: its single runs are not told of.
function many.runs(db)
  local state = core.db_table(db).many
  return state ~= nil and state.running ~= nil
end

--- Tells the listeners of a kind that belong to the bind, over a copy: one may take itself out.
local function tell(state, kind, bind_key, cursor, sql, rows)
  for _, one in ipairs(table.move(state.listeners, 1, #state.listeners, 1, {})) do
    if one.name == kind and one.target.bind_key == bind_key then one.fn(one.target, cursor, sql, rows, true) end
  end
end

local function new_state(db)
  local state = { listeners = {}, rows = {} }

  function state.row(params) table.insert(state.rows, params) end

  function state.begin(bind_key, sql)
    local rows = state.rows
    state.rows, state.running = {}, nil
    if not sql then return end
    tell(state, "before_cursor_execute", bind_key, {}, sql, rows)
    state.running = { bind_key = bind_key, sql = sql, rows = rows, changes = 0, duration = 0 }
  end

  function state.done(_, _, ok)
    local ran = state.running
    state.rows, state.running = {}, nil
    if not ok then return end
    tell(state, "after_cursor_execute", ran.bind_key, { rowcount = ran.changes, duration = ran.duration }, ran.sql,
      ran.rows)
  end

  state.tracer = trace.add(db, function(record)
    local ran = state.running
    if not ran or record.changes < 0 then return end
    ran.changes, ran.duration = ran.changes + record.changes, ran.duration + record.duration
  end)
  return state
end

--- Adds a listener of an engine.
function many.add(target, name, fn)
  local d = core.db_table(target.db)
  d.many = d.many or new_state(target.db)
  table.insert(d.many.listeners, { target = target, name = name, fn = fn })
end

--- Removes it.
function many.remove(target, name, fn)
  local d = core.db_table(target.db)
  local list = d.many and d.many.listeners or {}
  for i = #list, 1, -1 do
    local one = list[i]
    if one.target == target and one.name == name and one.fn == fn then table.remove(list, i) end
  end
  if d.many and #list == 0 then
    trace.remove(target.db, d.many.tracer)
    d.many = nil
  end
end

return many
