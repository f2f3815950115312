-- SPDX-License-Identifier: MIT
-- Makes a program that differs as short as it can be: operations are left out in
-- ever smaller runs as long as the two sides still differ. All candidates of a
-- round go to the oracle in one process.

local oracle = require "spec.differential.oracle"
local touched = require("spec.differential.programs").touched

-- The program without what was made from first to last.
local function without(program, first, last)
  local made = {}
  for i, op in ipairs(program.made) do
    if i < first or i > last then made[#made + 1] = op end
  end
  return {
    name = ("%s, %d operations"):format(program.name:match "^[^,]*", #made),
    schema = program.schema, guarded = true, batch = program.batch, eager = program.eager, keep = program.keep,
    made = made, ops = touched(made, program.keep, program.eager),
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
  local size = #program.made // 2
  local used = { [program.schema] = schemas[program.schema] }
  while size >= 1 do
    local candidates = {}
    for first = 1, #best.made, size do
      candidates[#candidates + 1] = without(best, first, first + size - 1)
    end
    local found, d = first_different(candidates, used)
    if found and #found.made > 0 then
      best, difference = found, d
    else
      size = size // 2
    end
  end
  return best, difference
end
