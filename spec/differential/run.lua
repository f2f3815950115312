-- SPDX-License-Identifier: MIT
-- The differential suite by hand, from the top of the tree:
--   build/perilune spec/differential/run.lua [what] [pattern | seed] [count]
-- where what is queries, programs, random-queries, random-programs or all, and
-- pattern chooses scenarios by name. Every difference is printed; a random
-- program that differs is made as short as it can be.

local oracle = require "spec.differential.oracle"
local compare = require "spec.differential.compare"
local json = require "spec.differential.json"

local what, first, second = arg[1] or "all", arg[2], arg[3]

local function chosen(list, pattern)
  local out = {}
  for _, one in ipairs(list) do
    if not pattern or one.name:find(pattern) then out[#out + 1] = one end
  end
  return out
end

local function report(title, total, open, declared)
  for _, d in ipairs(open) do print(compare.text(d)) end
  print(("%s: %d run, %d differ, %d differ as declared"):format(title, total, #open, #declared))
end

local parts = {}

function parts.queries()
  local queries = chosen(require("spec.differential.suites").queries(), first)
  report("queries", #queries, oracle.differences(oracle.query_document(queries)))
end

function parts.programs()
  local programs = chosen(require("spec.differential.suites").programs(), first)
  local document = { schemas = require "spec.differential.families", programs = programs }
  report("programs", #programs, oracle.differences(document))
end

parts["random-queries"] = function()
  local make = require "spec.differential.random_queries"
  local queries = make(tonumber(first or 1), tonumber(second or 2000))
  report("random queries", #queries, oracle.differences(oracle.query_document(queries)))
end

parts["random-programs"] = function()
  local make = require "spec.differential.random_programs"
  local programs, schemas = make(tonumber(first or 1), tonumber(second or 1000))
  local open, declared = oracle.differences { schemas = schemas, programs = programs }
  report("random programs", #programs, open, declared)
  local by_name = {}
  for _, program in ipairs(programs) do by_name[program.name] = program end
  for i = 1, math.min(#open, 3) do
    local best, d = require "spec.differential.shrink"(by_name[open[i].name], schemas)
    print("\nShortest form:", json.encode(schemas[best.schema]))
    for k, op in ipairs(best.ops) do print(k, json.encode(op)) end
    print(d and compare.text(d) or "")
  end
end

if what == "all" then
  for _, name in ipairs { "queries", "programs", "random-queries", "random-programs" } do
    first, second = nil, nil
    parts[name]()
  end
else
  parts[what]()
end
