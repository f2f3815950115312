--- How a prompt shows a value: queries and their results as tables, the rest as print does.
-- @module perilune.showing
local core = require "perilune.core"
local grid = require "perilune.grid"

local showing = {}

--- Rows shown of a result before it says how many more there are.
showing.limit = 40

local words = {
  ["perilune.DateTime"] = "datetime", ["perilune.Date"] = "date", ["perilune.Time"] = "time",
  ["perilune.Interval"] = "interval", ["perilune.Decimal"] = "numeric",
}

--- The type of a value in a word.
local function type_of(value)
  if value == nil or value == grid.null then return nil end
  if math.type(value) then return math.type(value) end
  if core.is_instance(value) then return core.model_describe(core.object_model(value)).name end
  if type(value) == "string" then return utf8.len(value) and "string" or "bytes" end
  return words[core.class(value) or ""] or type(value)
end

--- A table as JSON text, its names sorted; what nests deeply is left out.
local function json_text(value, depth)
  if type(value) == "string" then return '"' .. value:gsub('["\\]', "\\%0") .. '"' end
  if type(value) ~= "table" then return value == core.namespace.null and "null" or tostring(value) end
  if depth > 4 then return "…" end
  local out = {}
  if #value > 0 then
    for i = 1, #value do out[i] = json_text(value[i], depth + 1) end
    return "[" .. table.concat(out, ", ") .. "]"
  end
  local names = {}
  for name in pairs(value) do names[#names + 1] = tostring(name) end
  table.sort(names)
  for i, name in ipairs(names) do
    out[i] = ('"%s": %s'):format(name, json_text(value[name], depth + 1))
  end
  return "{" .. table.concat(out, ", ") .. "}"
end

--- A value as a cell takes it.
local function cell(value)
  if value == nil or value == core.namespace.null then return grid.null end
  if type(value) == "table" and not core.class(value) then return json_text(value, 1) end
  return value
end

-- ---- results ------------------------------------------------------------------------

--- Columns of a model that an object of it shows, with their types.
local function columns_of(model)
  local names, types = {}, {}
  for i, attribute in ipairs(core.model_describe(model).attributes) do
    names[i], types[i] = attribute.name, attribute.type and attribute.type:lower() or nil
  end
  return names, types
end

--- Only what is loaded: looking must not run SQL for each object.
local function values_of(object, names)
  local row = {}
  for i, name in ipairs(names) do
    if core.object_loaded(object, name) then
      row[i] = cell(object[name])
    else
      row[i] = "…"
    end
  end
  return row
end

local function of_objects(list, more)
  local names, types = columns_of(core.object_model(list[1]))
  local rows = {}
  for i, object in ipairs(list) do rows[i] = values_of(object, names) end
  return { names = names, types = types, rows = rows, more = more }
end

local function of_rows(list, more)
  local names, types, rows = list[1]:keys(), {}, {}
  for i, row in ipairs(list) do
    rows[i] = {}
    for k = 1, #names do
      local value = row[k]
      rows[i][k] = cell(value)
      types[k] = types[k] or type_of(value)
    end
  end
  return { names = names, types = types, rows = rows, more = more }
end

local function of_values(list, more)
  local rows, kind = {}, nil
  for i = 1, #list do
    rows[i] = { cell(list[i]) }
    kind = kind or type_of(list[i])
  end
  return { names = { "value" }, types = { kind }, rows = rows, more = more }
end

--- A list of results as grid.draw wants it.
local function of_list(list, more)
  local first = list[1]
  if core.is_instance(first) then
    for _, object in ipairs(list) do
      if not core.is_instance(object) or core.object_model(object) ~= core.object_model(first) then
        return of_values(list, more)
      end
    end
    return of_objects(list, more)
  end
  if core.class(first) == "perilune.Row" then return of_rows(list, more) end
  return of_values(list, more)
end

--- The first entries of a list, and how many there are beyond.
local function beginning(list)
  local n = #list
  if n <= showing.limit then return list, 0 end
  local some = {}
  for i = 1, showing.limit do some[i] = list[i] end
  return some, n - showing.limit
end

--- Runs a query as far as it is shown; counts what is left only if something is. A query
-- with a LIMIT of its own is run as it is.
local function run_query(query)
  if query:sql():find "LIMIT" then return beginning(query:all()) end
  local list = query:limit(showing.limit + 1):all()
  if #list <= showing.limit then return list, 0 end
  return (beginning(list)), query:count() - showing.limit
end

local function table_text(list, more, room)
  if #list == 0 then return "(0 rows)\n" end
  return grid.draw(of_list(list, more), room)
end

local by_class = {}

by_class["perilune.List"] = function(value, room)
  if #value == 0 and value.rowcount then
    return ("(%d %s changed)\n"):format(value.rowcount, value.rowcount == 1 and "row" or "rows")
  end
  local list, more = beginning(value)
  return table_text(list, more, room)
end

by_class["perilune.Collection"] = function(value, room)
  local list, more = beginning(value)
  return table_text(list, more, room)
end

by_class["perilune.Query"] = function(value, room)
  local list, more = run_query(value)
  return table_text(list, more, room)
end

by_class["perilune.Row"] = function(value, room) return table_text({ value }, 0, room) end

--- The text of a value, or nil when print does as well.
-- @param value
-- @int[opt] room cells of a line
function showing.text(value, room)
  local class = core.class(value)
  if class and by_class[class] then return by_class[class](value, room) end
  if core.is_instance(value) then
    return tostring(value) .. "\n" .. table_text({ value }, 0, room):gsub("%(1 row%)\n$", "")
  end
end

return showing
