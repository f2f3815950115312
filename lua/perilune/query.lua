--- Ends of a query that are built from other queries: count, any, update, delete, explain.
-- Bulk changes keep the session in step: what was loaded is read again when next needed.
local core = require "perilune.core"
local shared = core.shared()
local namespace = core.namespace
local methods = core.class_methods "perilune.Query"

local query = {}

--- SELECT count(*) over a query as a derived table (its order does not matter).
function shared.wrap_count(q)
  local rows = q:order_by(nil):subquery()
  return namespace.select(namespace.func.count()):select_from(rows)
end

--- SELECT EXISTS (query).
function shared.wrap_any(q)
  return namespace.select(q:order_by(nil):exists())
end

--- The plan of a query as SQLite explains it.
-- @return a table { {id =, parent =, detail =}, ...}; tostring gives an indented tree, with a
-- hint at each scan that an index would spare.
function query.explain(q)
  local text, params = q:sql()
  local session = core.query_db(q).session
  local rows = session:execute(namespace.text("EXPLAIN QUERY PLAN " .. text, params))
  local plan = setmetatable({}, query.plan)
  for i, row in ipairs(rows) do plan[i] = { id = row[1], parent = row[2], detail = row[4] } end
  return plan
end

query.plan = { __name = "perilune.Plan" }

function query.plan.__tostring(plan)
  local depth, lines = { [0] = -1 }, {}
  for _, step in ipairs(plan) do
    depth[step.id] = (depth[step.parent] or -1) + 1
    local line = ("  "):rep(depth[step.id]) .. step.detail
    local scanned = step.detail:match "^SCAN ([%w_]+)$"
    if scanned then line = line .. "   -- reads every row of " .. scanned end
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n")
end

methods.explain = query.explain

-- ---- rows in several tables ---------------------------------------------------------

--- The values of a bulk update by the table that holds the column.
local function values_by_table(model, values)
  local by_table = {}
  for name, value in pairs(values) do
    local column = type(name) == "string" and model[name] or name
    local t, column_name = core.column_info(column)
    if not t then
      core.raise("ArgumentError", ("update: '%s' is no column of %s"):format(tostring(name), model.name))
    end
    by_table[t] = by_table[t] or {}
    by_table[t][column_name] = value
  end
  return by_table
end

local CHUNK = 500

--- Calls fn with a condition on the keys of a table, for all the keys.
local function each_chunk(t, keys, fn)
  local columns = {}
  for _, column in ipairs(core.table_describe(t).columns) do
    if column.primary_key then columns[#columns + 1] = t.c[column.name] end
  end
  local one = #columns == 1
  local key = one and columns[1] or namespace.tuple_(table.unpack(columns))
  local count = 0
  for from = 1, #keys, CHUNK do
    local some = {}
    for i = from, math.min(#keys, from + CHUNK - 1) do
      some[#some + 1] = one and keys[i][1] or { keys[i]:unpack() }
    end
    count = count + fn(key:in_(some))
  end
  return count
end

--- The tables of a model and of those that inherit from it, the root's first.
local function family_tables(model)
  local out, seen = {}, {}
  local function add(m)
    for _, t in ipairs(core.model_describe(m).tables) do
      if not seen[t.name] then out[#out + 1], seen[t.name] = t, true end
    end
  end
  add(model)
  for _, m in ipairs(core.db_table(core.query_db(model.query)).models) do
    local parent = m.__parent__
    while parent and parent ~= model do parent = parent.__parent__ end
    if parent then add(m) end
  end
  return out
end

--- UPDATE (or with no values DELETE) of rows of a model that has several tables: by key.
-- @return the number of rows
function shared.change_joined(q, model, values)
  local described = core.model_describe(model)
  local keys = {}
  for i, name in ipairs(described.primary_key) do keys[i] = model[name] end
  local rows = q:with_only_columns(table.unpack(keys)):all()
  local session = core.query_db(q).session
  local by_table = values and values_by_table(model, values)
  local tables = values and described.tables or family_tables(model)
  for i = #tables, 1, -1 do
    local t = tables[i]
    local some = by_table and by_table[t.name]
    if some or not values then
      each_chunk(t, rows, function(condition)
        local statement = values and namespace.update(t):values(some) or namespace.delete(t)
        return session:execute(statement:where(condition)).rowcount
      end)
    end
  end
  return #rows
end

return query
