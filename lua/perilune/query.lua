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
-- @return a table { {id =, parent =, detail =}, ..., missing = list of { table =, columns =,
-- create = } }; tostring gives an indented tree that names, at a scan that an index would spare,
-- that index.
function query.explain(q)
  local advice = require "perilune.advice"
  local text, params = q:sql()
  return query.plan_of(core.query_db(q), text, params, advice)
end

--- The plan of a statement's text.
function query.plan_of(db, text, params, advice)
  advice = advice or require "perilune.advice"
  local plan = setmetatable(advice.steps(db, text, params), query.plan)
  plan.missing = advice.missing(db, text, plan)
  return plan
end

query.plan = { __name = "perilune.Plan" }

--- What there is to say about a step.
local function remark(plan, step)
  for _, index in ipairs(plan.missing or {}) do
    if index.step == step then
      return ("   -- an index would spare this: %s"):format(index.create)
    end
  end
  local scanned = step.detail:match "^SCAN ([%w_]+)$"
  return scanned and "   -- reads every row of " .. scanned or ""
end

function query.plan.__tostring(plan)
  local depth, lines = { [0] = -1 }, {}
  for _, step in ipairs(plan) do
    depth[step.id] = (depth[step.parent] or -1) + 1
    lines[#lines + 1] = ("  "):rep(depth[step.id]) .. step.detail .. remark(plan, step)
  end
  return table.concat(lines, "\n")
end

methods.explain = query.explain

-- ---- bulk updates ------------------------------------------------------------------

local function property_of(model, name)
  while model do
    local member = core.model_members(model)[name]
    if member ~= nil then return type(member) == "table" and member.__property or nil end
    model = model.__parent__
  end
end

--- The values of a bulk update with synonyms and hybrids put as the columns they stand for.
function shared.update_values(model, values)
  local out, expanded = {}, false
  for name, value in pairs(values) do
    local property = type(name) == "string" and property_of(model, name)
    if property and property.update then
      expanded = true
      for k, v in pairs(shared.update_values(model, property.update(model, value))) do out[k] = v end
    else
      out[name] = value
    end
  end
  return expanded and out or values
end

-- ---- rows in several tables ---------------------------------------------------------

--- The values of a bulk update by the table that holds the column.
local function values_by_table(model, values)
  local by_table = {}
  for name, value in pairs(values) do
    local column = type(name) == "string" and model[name] or name
    local t, column_name = core.column_info(column)
    if not t then
      core.raise("ArgumentError", ("update: '%s' is no column of %s")
        :format(tostring(name), core.model_describe(model).name))
    end
    by_table[t] = by_table[t] or {}
    by_table[t][column_name] = value
  end
  return by_table
end

local CHUNK = 500

--- Calls fn with a condition on the keys of a table, for `size` rows at a time of a list whose
-- rows begin with the key; and with the first of them.
local function each_chunk(t, rows, size, fn)
  local columns = {}
  for _, column in ipairs(core.table_describe(t).columns) do
    if column.primary_key then columns[#columns + 1] = t.c[column.name] end
  end
  local one = #columns == 1
  local key = one and columns[1] or namespace.tuple_(table.unpack(columns))
  for from = 1, #rows, size do
    local some = {}
    for i = from, math.min(#rows, from + size - 1) do
      some[#some + 1] = one and rows[i][1] or { table.unpack(rows[i], 1, #columns) }
    end
    fn(key:in_(some), rows[from])
  end
end

--- Takes the expressions that name columns of other tables out of the values: they are read for
-- every row before anything changes.
-- @return list of { table =, column =, expr = }
local function take_computed(model, by_table)
  local computed = {}
  for _, t in ipairs(core.model_describe(model).tables) do
    local some = by_table[t.name] or {}
    for _, column in ipairs(core.table_describe(t).columns) do
      local value = some[column.name]
      if core.is_node(value) and not core.names_only(value, t) then
        computed[#computed + 1] = { table = t, column = column.name, expr = value }
        some[column.name] = nil
      end
    end
    if next(some) == nil then by_table[t.name] = nil end
  end
  return computed
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

local key_rank = { number = 1, string = 2, boolean = 3 }

local function key_before(a, b)
  local rank_a, rank_b = key_rank[type(a)], key_rank[type(b)]
  if rank_a ~= rank_b then return rank_a < rank_b end
  if type(a) == "boolean" then return not a and b end
  return a < b
end

--- Whether a branch of CASE maps values to results: it has keys besides those of a pair.
local function is_mapping(branch)
  local count = 0
  for key in pairs(branch) do
    if key == "else_" or key == "value" then
      if #branch == 0 then return true end
    elseif key ~= 1 and key ~= 2 then
      if math.type(key) ~= "integer" or key > #branch or key < 1 then return true end
      count = count + 1
    end
  end
  if count > 0 then
    core.raise("ArgumentError", "a branch of case is {condition, value} or a mapping from values to results")
  end
  return false
end

local function add_mapping(out, mapping)
  local keys = {}
  for key in pairs(mapping) do
    if not key_rank[type(key)] then
      core.raise("ArgumentError", ("a key of a mapping of case is a plain value, got %s; write {value, result}")
        :format(core.class(key) or type(key)))
    end
    keys[#keys + 1] = key
  end
  table.sort(keys, key_before)
  for _, key in ipairs(keys) do out[#out + 1] = { key, mapping[key] } end
end

--- The branches of db.case as pairs: a mapping {ann = 1, bob = 2} gives one for each key.
-- @tab branches
-- @bool compares whether the CASE compares a value, which a mapping needs
function shared.case_branches(branches, compares)
  local out = {}
  for _, branch in ipairs(branches) do
    if type(branch) ~= "table" or not is_mapping(branch) then
      if type(branch) ~= "table" or next(branch) ~= nil then out[#out + 1] = branch end
    elseif compares then
      add_mapping(out, branch)
    else
      core.raise("ArgumentError", "a mapping of case needs the value it is compared with: value = expression")
    end
  end
  return out
end

--- UPDATE (or with no values DELETE) of rows of a model that has several tables: by key.
-- @param q their query
-- @param model
-- @tab[opt] values
-- @tab[opt] params values of the query's named parameters
-- @return the number of rows
function shared.change_joined(q, model, values, params)
  local described = core.model_describe(model)
  local by_table = values and values_by_table(model, values)
  local computed = values and take_computed(model, by_table) or {}
  local read = {}
  for i, name in ipairs(described.primary_key) do read[i] = model[name] end
  for i, c in ipairs(computed) do read[#read + 1] = c.expr:label("computed_" .. i) end
  local session = core.query_db(q).session
  local rows = session:execute(q:with_only_columns(table.unpack(read)), params)
  local tables = values and described.tables or family_tables(model)
  for i = #tables, 1, -1 do
    local t = tables[i]
    local some = by_table and by_table[t.name]
    if some or not values then
      each_chunk(t, rows, CHUNK, function(condition)
        local statement = values and namespace.update(t):values(some) or namespace.delete(t)
        session:execute(statement:where(condition))
      end)
    end
  end
  for i, c in ipairs(computed) do
    each_chunk(c.table, rows, 1, function(condition, row)
      local value = row[#described.primary_key + i]
      if value == nil then value = namespace.null end
      session:execute(namespace.update(c.table):values{ [c.column] = value }:where(condition))
    end)
  end
  return #rows
end

return query
