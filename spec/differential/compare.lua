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

-- Which tables refer to each other, by "a b".
local function references(schema)
  local found = {}
  local function look(t)
    for _, c in ipairs(t.columns or {}) do
      local target = c.foreign_key and c.foreign_key:match "^[%w_]+"
      if target then
        found[t.table .. " " .. target], found[target .. " " .. t.table] = true, true
      end
    end
  end
  for _, m in ipairs(schema.models) do look(m) end
  for _, t in ipairs(schema.tables or {}) do look(t) end
  return found
end

-- The changes of one step as lists of { verb, table, rows }, without those of no row.
local function parsed(list)
  local out = {}
  for _, change in ipairs(list or {}) do
    local verb, name, rows = change:match "^(%u+) (%S+) (%d+)$"
    if rows ~= "0" then out[#out + 1] = { verb, name, tonumber(rows) } end
  end
  return out
end

local function append(out, change)
  local last = out[#out]
  if last and last[1] == change[1] and last[2] == change[2] then
    last[3] = last[3] + change[3]
  else
    out[#out + 1] = change
  end
end

-- The changes in their order, but for tables that do not refer to each other: which of them
-- is written first is the oracle's accident, and here the first by name is.
local function ordered(list, related)
  local out, left = {}, table.move(list, 1, #list, 1, {})
  local function is_free(k)
    for i = 1, k - 1 do
      local a, b = left[i], left[k]
      if a[1] ~= b[1] or a[2] == b[2] or related[a[2] .. " " .. b[2]] then return false end
    end
    return true
  end
  while #left > 0 do
    local best = 1
    for k = 2, #left do
      if left[k][2] < left[best][2] and is_free(k) then best = k end
    end
    append(out, table.remove(left, best))
  end
  return out
end

-- Only how many rows: a flush that came by itself may have come sooner or later. A link that
-- was written and taken away in between is nothing.
local function added_up(list, schema)
  local rows = {}
  for _, c in ipairs(list) do
    local what = c[1] .. " " .. c[2]
    rows[what] = (rows[what] or 0) + c[3]
  end
  for _, t in ipairs(schema.tables or {}) do
    local added, taken = "INSERT " .. t.table, "DELETE " .. t.table
    local both = math.min(rows[added] or 0, rows[taken] or 0)
    rows[added], rows[taken] = (rows[added] or 0) - both, (rows[taken] or 0) - both
  end
  return rows
end

-- The oracle updates what it has not read, though it may be as it was, and what it has
-- inserted too soon: there may be fewer UPDATEs, but not more, unless it has read eagerly.
local function spare_updates(want, have, eager)
  for what, n in pairs(want) do
    if what:find "^UPDATE" then want[what] = math.min(n, have[what] or 0) end
  end
  for what, n in pairs(eager and have or {}) do
    if what:find "^UPDATE" then want[what] = n end
  end
end

local function shown(rows)
  local out = {}
  for what, n in pairs(rows) do
    if n > 0 then out[#out + 1] = what .. " " .. n end
  end
  table.sort(out)
  return flat(out)
end

-- Two texts, which are the same when the changes are.
local function changes(program, schema, want, have)
  want, have = parsed(want), parsed(have)
  if program.guarded then
    want, have = added_up(want, schema), added_up(have, schema)
    spare_updates(want, have, program.eager)
    return shown(want), shown(have)
  end
  local related = references(schema)
  want, have = ordered(want, related), ordered(have, related)
  for _, list in ipairs { want, have } do
    for i, c in ipairs(list) do list[i] = table.concat(c, " ") end
  end
  return flat(want), flat(have)
end

local function step(list, program, schema, i, want, have)
  local where = program.ops and ("operation %d (%s)"):format(i, program.ops[i][1]) or "declaration"
  if want.result[1] == "error" or have.result[1] == "error" then
    local a = want.result[1] == "error" and "error " .. want.result[2] or flat(want.result)
    local b = have.result[1] == "error" and "error " .. have.result[2] or flat(have.result)
    if a ~= b then note(list, program.name, where, a, b, detail_of(have.result)) end
  else
    local a, b = flat(want.result), flat(have.result)
    local early = program.batch and program.ops[i][1] == "unloaded" -- what came with a batch
    if a ~= b and not early then note(list, program.name, where, a, b) end
    a, b = changes(program, schema, want.changes, have.changes)
    if a ~= b then note(list, program.name, where .. ", changes", a, b) end
  end
  local failed = want.result[1] == "error" and have.result[1] == "error" -- one of them saw it sooner
  if program.counted and not failed and want.selects ~= have.selects then
    local how = have.selects < want.selects and "fewer" or "more"
    note(list, program.name, where .. ", SELECTs", tostring(want.selects), have.selects .. ", " .. how)
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

-- A guarded program with the changes of every step counted at the next settled one; what a
-- rollback undoes may not have been flushed at all.
local function settle(program, events)
  local out, held = {}, {}
  for i, event in ipairs(events) do
    local copy = {}
    for k, v in pairs(event) do copy[k] = v end
    table.move(event.changes or {}, 1, #(event.changes or {}), #held + 1, held)
    local done = event.result[1]
    if settled[program.ops[i][1]] and done ~= "skipped" or done == "error" then
      copy.changes, held = program.ops[i][1]:find "rollback" and {} or held, {}
    else
      copy.changes = {}
      copy.states = copy.states and copy.states:gsub("pending", "held"):gsub("persistent", "held")
    end
    out[i] = copy
  end
  return out
end

local function deletes(event)
  for _, change in ipairs(event.changes or {}) do
    if change:find "^DELETE" then return true end
  end
  return false
end

-- Whether one side alone flushed by itself, so that what was to be deleted is gone there, or
-- what was new is there to be deleted.
local function is_ahead(program, i, want, have)
  local word = program.guarded and have and program.ops[i][1]
  if not word or settled[word] or want.result[1] == "error" or have.result[1] == "error" then return false end
  if word == "delete" then return (#want.changes == 0) ~= (#have.changes == 0) end
  return deletes(want) ~= deletes(have)
end

-- How much was read on each side by what went well on both: a foreign key that fails is
-- looked up, so that the error can name the attribute.
local function selects(wanted, found)
  local most, had = 0, 0
  for i, want in ipairs(wanted) do
    local have = found[i]
    if want.result[2] ~= "IntegrityError" and have and have.result[2] ~= "IntegrityError" then
      most, had = most + (want.selects or 0), had + (have.selects or 0)
    end
  end
  return most, had
end

-- A program: results, states and changes after every step, then the dumps. What
-- comes after a difference is of no interest, unless explain(d) knows of it, nor what comes
-- after a deletion that one side alone has flushed: guarded programs skip what is deleted.
function compare.program(program, schema, expected, got, explain)
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
    if is_ahead(program, i, expected.events[i], got.events[i]) then return list end
    step(list, program, schema, i, want, found[i] or { result = { "no event" } })
    if surprised() then return want.fault and {} or list end
  end
  if expected.gave_up then return list end
  for name, rows in pairs(expected.dumps or {}) do
    local a, b = first_difference(sorted(rows), sorted(got.dumps and got.dumps[name] or {}))
    if a then note(list, program.name, "table " .. name, a, b) end
  end
  local most, had = selects(wanted, found)
  if not surprised() and not program.eager and had > most then
    note(list, program.name, "SELECTs", tostring(most), tostring(had))
  end
  return list
end

function compare.text(d)
  return ("%s\n    at %s\n    SQLAlchemy: %s\n    Perilune:   %s%s"):format(d.name, d.where,
    d.expected, d.got, d.detail and "\n    (" .. d.detail .. ")" or "")
end

return compare
