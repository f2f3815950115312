-- SPDX-License-Identifier: MIT
-- Makes a program that differs as short as it can be: operations are left out in
-- ever smaller runs as long as the two sides still differ. All candidates of a
-- round go to the oracle in one process.

local oracle = require "spec.differential.oracle"

-- The program without the operations from first to last.
local function without(program, first, last)
  local ops = {}
  for i, op in ipairs(program.ops) do
    if i < first or i > last then ops[#ops + 1] = op end
  end
  return {
    name = ("%s, %d operations"):format(program.name:match "^[^,]*", #ops),
    schema = program.schema, guarded = program.guarded, batch = program.batch,
    ops = ops,
  }
end

-- The first candidate that still differs, or nil.
local function first_different(candidates, schemas)
  for i, c in ipairs(candidates) do c.name = c.name .. " #" .. i end
  local open = oracle.differences { schemas = schemas, programs = candidates }
  local names = {}
  for _, d in ipairs(open) do names[d.name] = d end
  for _, c in ipairs(candidates) do
    if names[c.name] then return c, names[c.name] end
  end
  return nil
end

-- The shortest program found and its difference.
return function(program, schemas)
  local best, difference = program, nil
  local size = #program.ops // 2
  local used = { [program.schema] = schemas[program.schema] }
  while size >= 1 do
    local candidates = {}
    for first = 1, #best.ops, size do
      candidates[#candidates + 1] = without(best, first, first + size - 1)
    end
    local found, d = first_different(candidates, used)
    if found and #found.ops > 0 then
      best, difference = found, d
    else
      size = size // 2
    end
  end
  return best, difference
end
