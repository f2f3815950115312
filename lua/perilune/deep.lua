--- Values that may be tables, as those of JSON columns are, by their content.
-- @module perilune.deep
local deep = {}

--- Whether two values, or rows of values, are equal.
function deep.same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for k, v in pairs(a) do
    if not deep.same(v, b[k]) then return false end
  end
  for k in pairs(b) do
    if a[k] == nil then return false end
  end
  return true
end

--- A copy that shares no table with its origin.
function deep.copy(v)
  if type(v) ~= "table" then return v end
  local out = {}
  for k, x in pairs(v) do out[k] = deep.copy(x) end
  return out
end

return deep
