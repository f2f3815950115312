-- SPDX-License-Identifier: MIT
-- Queries of Perilune against SQLAlchemy 1.4 over the same rows: some 960 written scenarios and
-- 2,000 random queries. Rows, order where one is asked for, error classes and the number of
-- SELECTs must agree; what may differ stands in spec/differential/differences.lua. The random
-- queries change with DIFFERENTIAL_SEED, their number with DIFFERENTIAL_SCALE (0: nothing is
-- compared, as under a stressed collector, where it would take too long).

local oracle = require "spec.differential.oracle"
local compare = require "spec.differential.compare"

local seed = tonumber(os.getenv "DIFFERENTIAL_SEED" or "1")
local scale = tonumber(os.getenv "DIFFERENTIAL_SCALE" or "1")

local function assert_agree(queries)
  local open, declared = oracle.differences(oracle.query_document(queries))
  local shown = {}
  for i = 1, math.min(#open, 20) do shown[i] = compare.text(open[i]) end
  assert.are.equal(0, #open, ("%d differences:\n%s"):format(#open, table.concat(shown, "\n")))
  return declared
end

describe("queries agree with SQLAlchemy", function()
  if not oracle.available() then
    pending("are not compared: python3-sqlalchemy or python3-flask-sqlalchemy is not installed")
    return
  elseif scale == 0 then
    pending("are not compared: DIFFERENTIAL_SCALE is 0")
    return
  end

  it("where they were written", function()
    local queries = require("spec.differential.suites").queries()
    assert.is_true(#queries >= 400)
    assert.is_true(#assert_agree(queries) > 0)
  end)

  it("where they are random", function()
    local queries = require "spec.differential.random_queries"(seed, math.ceil(2000 * scale))
    assert.equal(math.ceil(2000 * scale), #queries)
    assert_agree(queries)
  end)
end)
