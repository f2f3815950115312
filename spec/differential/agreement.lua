-- SPDX-License-Identifier: MIT
-- Perilune against SQLAlchemy 1.4: written scenarios and random ones, run on
-- both sides and compared. Skipped where the oracle is not installed
-- (Debian: python3-sqlalchemy, python3-flask-sqlalchemy).

local oracle = require "spec.differential.oracle"
local compare = require "spec.differential.compare"

local seed = tonumber(os.getenv "DIFFERENTIAL_SEED" or "1")
local scale = tonumber(os.getenv "DIFFERENTIAL_SCALE" or "1")
local query_count, program_count = math.ceil(2000 * scale), math.ceil(1000 * scale)

local function assert_none(open)
  local shown = {}
  for i = 1, math.min(#open, 20) do shown[i] = compare.text(open[i]) end
  assert.are.equal(0, #open, ("%d differences:\n%s"):format(#open, table.concat(shown, "\n")))
end

describe("Perilune and SQLAlchemy", function()
  if not oracle.available() then
    pending("are not compared: python3-sqlalchemy is not installed")
    return
  end

  it("agree on the written queries", function()
    local queries = require("spec.differential.suites").queries()
    assert_none((oracle.differences(oracle.query_document(queries))))
  end)

  it("agree on random queries", function()
    local queries = require "spec.differential.random_queries"(seed, query_count)
    assert_none((oracle.differences(oracle.query_document(queries))))
  end)

  it("agree on the written unit-of-work programs", function()
    assert_none((oracle.differences {
      schemas = require "spec.differential.families",
      programs = require("spec.differential.suites").programs(),
    }))
  end)

  it("agree on random unit-of-work programs", function()
    local programs, schemas = require "spec.differential.random_programs"(seed, program_count)
    local open = oracle.differences { schemas = schemas, programs = programs }
    if #open > 0 then
      for _, program in ipairs(programs) do
        if program.name == open[1].name then
          local best, d = require "spec.differential.shrink"(program, schemas)
          local json = require "spec.differential.json"
          print("shortest form of " .. open[1].name .. ":\n" .. json.encode(schemas[best.schema]) ..
            "\n" .. json.encode(best.ops) .. (d and "\n" .. compare.text(d) or ""))
        end
      end
    end
    assert_none(open)
  end)

  it("differ only where it is declared, and everything declared occurs", function()
    for _, entry in ipairs(require("spec.differential.differences").declared) do
      assert.is_truthy(entry.used, "no scenario shows: " .. entry.reason)
    end
  end)
end)
