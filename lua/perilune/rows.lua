--- session:execute with several sets of parameters, and INSERTs that get their rows there.
-- @module perilune.rows
local core = require "perilune.core"

local rows = {}

-- Rows of one INSERT: enough to make its cost small, few enough for the limit of parameters.
local batch, most_parameters = 200, 30000

local function widest(list)
  local n = 1
  for _, row in ipairs(list) do
    local count = 0
    for _ in pairs(row) do count = count + 1 end
    n = math.max(n, count)
  end
  return n
end

local function check(list)
  for i, row in ipairs(list) do
    if type(row) ~= "table" or core.class(row) then
      core.raise("ArgumentError", ("parameters[%d] must be a table of names and values, got %s")
        :format(i, core.class(row) or type(row)))
    end
  end
  return list
end

--- What several executions gave, as one result.
local function gather(all, result)
  if not all then return result end
  table.move(result, 1, #result, #all + 1, all)
  if result.rowcount then all.rowcount = (all.rowcount or 0) + result.rowcount end
  return all
end

local function insert(session, statement, list, options)
  local n = math.max(1, math.min(batch, most_parameters // widest(list)))
  local all
  for first = 1, #list, n do
    local some = table.move(list, first, math.min(first + n - 1, #list), 1, {})
    all = gather(all, session:execute(statement:values(some), nil, options))
  end
  return all
end

--- Runs a statement for each of a list of parameters. The rows of an INSERT without values are
-- put into as few statements as possible; without any parameters it inserts one of defaults.
-- @param session
-- @param statement
-- @tab given parameters, a list of them, or nil
-- @tab options of session:execute
-- @bool insert_open whether the statement is an INSERT without rows
-- @return the rows that all of them returned, with the sum of their rowcounts
function rows.execute(session, statement, given, options, insert_open)
  local list = given and #given > 0 and check(given)
  if insert_open and not list then
    return session:execute(statement:values(given or {}), nil, options)
  elseif insert_open then
    return insert(session, statement, list, options)
  end
  local all
  for _, parameters in ipairs(list) do
    all = gather(all, session:execute(statement, parameters, options))
  end
  return all
end

return rows
