-- SPDX-License-Identifier: MIT
-- The written scenarios and programs, all in one list of each.

local suites = {}

local function gather(folder, names)
  local list, seen = {}, {}
  for _, name in ipairs(names) do
    for _, one in ipairs(require("spec.differential." .. folder .. "." .. name)) do
      if seen[one.name] then error("two scenarios are named " .. one.name) end
      seen[one.name] = true
      list[#list + 1] = one
    end
  end
  return list
end

function suites.queries()
  return gather("scenarios", {
    "compare", "boolean", "shape", "functions", "joins", "subqueries", "ends", "changes",
  })
end

function suites.programs()
  return gather("programs", {
    "states", "flush", "transactions", "relations", "loaders", "events", "mapping",
    "inheritance",
  })
end

return suites
