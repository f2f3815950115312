--- What results, which are lists, offer besides what C gives them: names, mappings, parts.
-- @module perilune.result
local core = require "perilune.core"
local methods = core.class_methods "perilune.List"

--- list -> names that its rows would have, for results without rows.
local empty_names = setmetatable({}, { __mode = "k" })
core.shared().empty_names = empty_names

local function is_row(entry) return core.class(entry) == "perilune.Row" end

--- The names of the columns.
-- @function List:keys
-- @treturn table
function methods.keys(list)
  core.check_list(list, "keys")
  local entry, names = list[1], empty_names[list]
  if names then return { table.unpack(names) } end
  if core.is_instance(entry) then return { core.model_describe(core.object_model(entry)).name } end
  return is_row(entry) and entry:keys() or {}
end

--- Every row as a table name = value, in which NULL is nil.
-- @function List:mappings
-- @treturn List
function methods.mappings(list)
  core.check_list(list, "mappings")
  local out = {}
  for i, entry in ipairs(list) do
    if is_row(entry) then
      out[i] = entry:to_dict()
    elseif core.is_instance(entry) then
      out[i] = { [core.model_describe(core.object_model(entry)).name] = entry }
    else
      core.raise("InvalidRequestError", "mappings are made of rows, and these are single values")
    end
  end
  return core.list(out)
end

local NULL = {}

--- What stands for a value in a set: equal dates are two values, but one key.
local function key_of(value)
  if value == nil then return NULL end
  local plain = type(value) ~= "userdata" and type(value) ~= "table" and value == value
  if plain or core.is_instance(value) then return value end
  return ("%s %s"):format(core.class(value) or type(value), tostring(value))
end

--- Puts an entry into a tree of the values seen; whether it was not there yet.
local function is_new(seen, entry)
  local n = is_row(entry) and #entry or 1
  for i = 1, n do
    local key = key_of(n > 1 and entry[i] or is_row(entry) and entry[1] or entry)
    if i == n then
      local new = not seen[key]
      seen[key] = seen[key] or {}
      return new
    end
    seen[key] = seen[key] or {}
    seen = seen[key]
  end
end

--- Every entry once, where it comes first.
-- @function List:unique
-- @func[opt] fn gives what an entry is told from others by
-- @treturn List
function methods.unique(list, fn)
  core.check_list(list, "unique")
  if fn ~= nil and type(fn) ~= "function" then
    core.raise("ArgumentError", "unique takes a function, got " .. (core.class(fn) or type(fn)))
  end
  local out, seen = {}, {}
  for i = 1, #list do
    local by = list[i]
    if fn then by = fn(by) end
    if is_new(seen, by) then out[#out + 1] = list[i] end
  end
  return core.list(out)
end

--- Goes over the entries so many at a time: for part in result:partitions(100) do ... end
-- @function List:partitions
-- @int[opt] size how many; all of them when it is not given
-- @treturn func an iterator of lists
function methods.partitions(list, size)
  core.check_list(list, "partitions")
  size = size or math.max(1, #list)
  if math.type(size) ~= "integer" or size < 1 then
    core.raise("ArgumentError", "partitions expects a number of rows (1 or more), got " .. tostring(size))
  end
  local from = 1
  return function()
    if from > #list then return nil end
    local part = table.move(list, from, math.min(#list, from + size - 1), 1, {})
    from = from + size
    return core.list(part)
  end
end

--- The first column of the only row.
-- @function List:scalar_one
-- @raise NoResultFound, MultipleResultsFound
function methods.scalar_one(list)
  core.check_list(list, "scalar_one")
  list:one()
  return list:scalar()
end

--- The first column of the only row, nil when there is no row.
-- @function List:scalar_one_or_none
-- @raise MultipleResultsFound
function methods.scalar_one_or_none(list)
  core.check_list(list, "scalar_one_or_none")
  list:one_or_none()
  return list:scalar()
end

return methods
