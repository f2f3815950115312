-- The unit of work beside SQLAlchemy's: written programs and random ones from a seed.
-- Skipped where the oracle is not installed (Debian: python3-sqlalchemy). A difference that
-- is not declared fails, with the program in its shortest form; spec/differential/run.lua
-- tries other seeds.

local oracle = require "spec.differential.oracle"
local compare = require "spec.differential.compare"

-- Fewer programs where everything is slow: with sanitizers, and with a stressed collector.
local pause = collectgarbage("setpause", 200)
collectgarbage("setpause", pause)
local SEED, COUNT = 1, (pause < 50 or os.getenv "ASAN_OPTIONS") and 100 or 1000

local function texts(list)
  local shown = {}
  for i = 1, math.min(#list, 20) do shown[i] = compare.text(list[i]) end
  return table.concat(shown, "\n")
end

local function shortest(program, schemas)
  local json = require "spec.differential.json"
  local best, d = require "spec.differential.shrink"(program, schemas)
  return ("%s\n%s\n%s"):format(json.encode(schemas[best.schema]), json.encode(best.ops), d and compare.text(d) or "")
end

describe("the unit of work beside SQLAlchemy's", function()
  if not oracle.available() then
    pending("is not compared: python3-sqlalchemy is not installed")
    return
  end

  it("does the same in written programs", function()
    local open = oracle.differences {
      schemas = require "spec.differential.families",
      programs = require("spec.differential.suites").programs(),
    }
    assert.equal(0, #open, texts(open))
  end)

  it("does the same in random programs", function()
    local programs, schemas = require "spec.differential.random_programs"(SEED, COUNT)
    local open, by_name = oracle.differences { schemas = schemas, programs = programs }, {}
    for _, program in ipairs(programs) do by_name[program.name] = program end
    if #open > 0 then
      error(texts(open) .. "\nshortest form of the first:\n" .. shortest(by_name[open[1].name], schemas))
    end
  end)
end)
