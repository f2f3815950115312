-- SPDX-License-Identifier: MIT
-- Compares the results of both sides and lists where they differ. A difference
-- is { name, where, expected, got }: the scenario, the event or the table, and
-- both results as text. Rows without an order are compared as a set.

local compare = {}

local function flat(row)
  if type(row) ~= "table" then return tostring(row) end
  local out = {}
  for i, v in ipairs(row) do out[i] = flat(v) end
  return "{" .. table.concat(out, " | ") .. "}"
end

local function sorted(rows)
  local out = {}
  for i, row in ipairs(rows) do out[i] = flat(row) end
  table.sort(out)
  return out
end

-- The last order_by or set operation of a query tells whether rows are ordered.
local function is_ordered(op)
  if op[1] == "text" or op[1] == "dump" then return true end
  local query, ordered = op[2], false
  if op[1] ~= "run" and op[1] ~= "exec" and op[1] ~= "session_scalars" then return false end
  for i = 3, #query do
    local word = query[i][1]
    if word == "order_by" then
      ordered = true
    elseif word == "union" or word == "union_all" or word == "intersect" or word == "except" then
      ordered = false
    end
  end
  return ordered
end

-- One event as lines of text, so that long results show where they part.
local function lines(event, op)
  if event == nil then return { "no event" } end
  if event[1] == "error" then return { "error " .. event[2] } end
  if event[1] ~= "rows" then return { flat(event) } end
  if not is_ordered(op) then return sorted(event[2]) end
  local out = {}
  for i, row in ipairs(event[2]) do out[i] = flat(row) end
  return out
end

-- What differs between two lists of lines, shortened, or nil.
local function first_difference(a, b)
  if #a == #b then
    local i = 1
    while i <= #a and a[i] == b[i] do i = i + 1 end
    if i > #a then return nil end
    if #a == 1 then return a[1], b[1] end
    return ("row %d of %d: %s"):format(i, #a, a[i]), ("row %d of %d: %s"):format(i, #b, b[i])
  end
  local i = 1
  while a[i] and a[i] == b[i] do i = i + 1 end
  return ("%d rows, number %d is %s"):format(#a, i, a[i] or "missing"),
    ("%d rows, number %d is %s"):format(#b, i, b[i] or "missing")
end

local function note(list, name, where, expected, got, detail)
  list[#list + 1] = { name = name, where = where, expected = expected, got = got, detail = detail }
end

local function detail_of(event) return event and event[1] == "error" and event[3] or nil end

-- A query scenario: every event, and no more SELECTs than the oracle needed.
function compare.query(scenario, expected, got)
  local list = {}
  for i = 1, math.max(#expected.events, #got.events) do
    local op = scenario.ops[i]
    local want, have = expected.events[i], got.events[i]
    local a, b = first_difference(lines(want, op), lines(have, op))
    if a then
      note(list, scenario.name, ("operation %d (%s)"):format(i, op[1]), a, b, detail_of(have))
    end
  end
  if #list == 0 and got.selects > expected.selects then
    note(list, scenario.name, "SELECTs", tostring(expected.selects), tostring(got.selects))
  end
  return list
end

-- Events that follow what is read again, which is a declared difference.
local reading = { refresh = true, expire = true, after_begin = true }
-- What a flush copies from one row to another is told by SQLAlchemy only.
local function is_copied_key(name) return name:find "^set [%w_]+_id " end
local attribute = { set = true, append = true, remove = true }

-- Events in their order. The order inside a run of attribute events, and of one
-- event for several objects, is nobody's promise (the oracle takes it from a set).
local function heard(events)
  local out, run, kind = {}, {}, nil
  local function close()
    table.sort(run)
    for i, name in ipairs(run) do
      if name ~= run[i - 1] then out[#out + 1] = name end
    end
    run = {}
  end
  for _, name in ipairs(events) do
    local word = name:match "^%S+"
    if not reading[word] and not is_copied_key(name) then
      local this = attribute[word] and "attribute" or word
      if this ~= kind then close() end
      kind, run[#run + 1] = this, name
    end
  end
  close()
  return flat(out)
end

-- The changes of one step: a run of one verb is sorted by table and added up, for
-- the order of tables that do not depend on each other is the oracle's accident. In
-- a random program the whole step is one run, and updates are left to the dumps: an
-- UPDATE that changes nothing is the oracle's habit.
local function changes(program, list)
  local out, run, order, last = {}, {}, {}, nil
  local function close()
    table.sort(order)
    for _, what in ipairs(order) do out[#out + 1] = what .. " " .. run[what] end
    run, order = {}, {}
  end
  for _, change in ipairs(list or {}) do
    local verb, what, rows = change:match "^(%u+)", change:match "^(.*) (%d+)$"
    if rows ~= "0" then
      if verb ~= last and not program.guarded then close() end
      last = verb
      if not run[what] then order[#order + 1] = what end
      run[what] = (run[what] or 0) + tonumber(rows)
    end
  end
  if program.guarded then
    for i = #order, 1, -1 do
      if order[i]:find "^UPDATE" then table.remove(order, i) end
    end
  end
  close()
  return flat(out)
end

local function step(list, program, i, want, have)
  local where = program.ops and ("operation %d (%s)"):format(i, program.ops[i][1]) or "declaration"
  if want.result[1] == "error" or have.result[1] == "error" then
    local a = want.result[1] == "error" and "error " .. want.result[2] or flat(want.result)
    local b = have.result[1] == "error" and "error " .. have.result[2] or flat(have.result)
    if a ~= b then note(list, program.name, where, a, b, detail_of(have.result)) end
  else
    local a, b = flat(want.result), flat(have.result)
    if a ~= b then note(list, program.name, where, a, b) end
    a, b = changes(program, want.changes), changes(program, have.changes)
    if a ~= b then note(list, program.name, where .. ", changes", a, b) end
  end
  if want.heard then
    local a, b = heard(want.heard), heard(have.heard or {})
    if a ~= b then note(list, program.name, where .. ", events", a, b) end
  end
  if want.states ~= have.states then
    note(list, program.name, where .. ", states", tostring(want.states), tostring(have.states))
  end
end

-- Between two of these, a flush of its own may come sooner or later in a random program.
local settled = {
  flush = true, commit = true, rollback = true, nested = true, nested_commit = true,
  nested_rollback = true, query = true, count = true,
}

-- A guarded program with the changes of every step counted at the next settled one.
local function settle(program, events)
  local out, held = {}, {}
  for i, event in ipairs(events) do
    local copy = {}
    for k, v in pairs(event) do copy[k] = v end
    table.move(event.changes or {}, 1, #(event.changes or {}), #held + 1, held)
    if settled[program.ops[i][1]] or event.result[1] == "error" then
      copy.changes, held = held, {}
    else
      copy.changes = {}
      copy.states = copy.states and copy.states:gsub("pending", "held"):gsub("persistent", "held")
    end
    out[i] = copy
  end
  return out
end

-- A program: results, states and changes after every step, then the dumps. What
-- comes after a difference is of no interest, unless explain(d) knows of it.
function compare.program(program, expected, got, explain)
  local list = {}
  local wanted, found = expected.events or {}, got.events
  if program.guarded then wanted, found = settle(program, wanted), settle(program, found) end
  local function surprised()
    for _, d in ipairs(list) do
      if not (explain and explain(d)) then return true end
    end
    return false
  end
  for i, want in ipairs(wanted) do
    step(list, program, i, want, found[i] or { result = { "no event" } })
    if surprised() then return list end
  end
  if expected.gave_up then return list end
  for name, rows in pairs(expected.dumps or {}) do
    local a, b = first_difference(sorted(rows), sorted(got.dumps and got.dumps[name] or {}))
    if a then note(list, program.name, "table " .. name, a, b) end
  end
  if not surprised() and not program.eager and got.selects and got.selects > expected.selects then
    note(list, program.name, "SELECTs", tostring(expected.selects), tostring(got.selects))
  end
  return list
end

function compare.text(d)
  return ("%s\n    at %s\n    SQLAlchemy: %s\n    Perilune:   %s%s"):format(d.name, d.where,
    d.expected, d.got, d.detail and "\n    (" .. d.detail .. ")" or "")
end

return compare
