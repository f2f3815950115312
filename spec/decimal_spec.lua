-- SPDX-License-Identifier: MIT
-- Exact decimals as scripts see them.

local perilune = require "perilune"
local python = require "spec.support.python"

local decimal = perilune.decimal

local function fails(name, pattern, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.equal(name, err.name, tostring(err))
  assert.truthy(tostring(err):find(pattern), tostring(err))
end

local function texts(...)
  local t = { ... }
  for i, v in ipairs(t) do t[i] = tostring(v) end
  return t
end

describe("decimal", function()
  it("is made from text, integers and decimals", function()
    assert.same({ "1.10", "-0.5", "1000", "12", "9223372036854775807", "1.0" },
      texts(decimal "1.10", decimal "-.5", decimal "1e3", decimal(12),
        decimal(math.maxinteger), decimal(decimal "1.0")))
  end)

  it("refuses floats, and says what to do", function()
    fails("TypeError", "the float 0.1 is not an exact decimal; pass text", decimal, 0.1)
    fails("TypeError", "pass text", decimal, 2.0)
    fails("TypeError", "pass text", function() return decimal "1" + 0.5 end)
    fails("TypeError", "pass text", function() return 0.5 * decimal "1" end)
    fails("TypeError", "pass text", function() return decimal "1" < 1.5 end)
    assert.equal("0.1", tostring(decimal.from_float(0.1)))
    assert.equal("100", tostring(decimal.from_float(1e2)))
    fails("ValueError", "NaN", decimal.from_float, 0 / 0)
  end)

  it("refuses what is no number", function()
    fails("ValueError", "'12,50': not a decimal number", decimal, "12,50")
    fails("ValueError", "not a decimal number", decimal, "")
    fails("ValueError", "not a decimal number", decimal, "NaN")
    fails("ValueError", "at most 1000 digits", decimal, "1e1000")
    fails("TypeError", "expected, got nil", decimal, nil)
    fails("TypeError", "expected, got table", decimal, {})
    fails("ArgumentError", "one argument", decimal)
  end)

  it("adds, subtracts and multiplies exactly", function()
    assert.same({ "0.3", "3.30", "-1.75", "0.00", "0.02" },
      texts(decimal "0.1" + decimal "0.2", decimal "1.10" * 3, decimal "-5" + "3.25",
        decimal "1.10" - "1.1", "0.1" * decimal "0.2"))
    local sum = decimal(0)
    for _ = 1, 1000 do sum = sum + "0.1" end
    assert.equal("100.0", tostring(sum))
    local big = decimal "123456789012345678901234567890.123456789"
    assert.equal("15241578753238836750495351562566681945005334557625361987875019051998750190521",
      tostring(((big * big) * decimal "1000000000000000000"):round()))
  end)

  it("divides to 28 digits, or exactly", function()
    assert.same({ "0.3333333333333333333333333333", "2.5", "0.6666666666666666666666666667" },
      texts(1 / decimal(3), decimal(10) / 4, decimal(2) / 3))
    assert.equal("617283945061728394506172839450617283945.25",
      tostring(decimal "1234567890123456789012345678901234567890.5" / 2))
    fails("ValueError", "division by zero", function() return decimal(1) / 0 end)
    fails("ValueError", "division by zero", function() return decimal(1) // 0 end)
    fails("ValueError", "division by zero", function() return decimal(1) % "0.0" end)
  end)

  it("rounds quotients down as Lua does", function()
    for a = -7, 7 do
      for _, b in ipairs { -3, -2, 1, 2, 5 } do
        assert.equal(tostring(a // b), tostring(decimal(a) // b))
        assert.equal(tostring(a % b), tostring(decimal(a) % b))
      end
    end
    assert.equal("0.01", tostring(decimal "0.1" % "0.03"))
  end)

  it("compares by value", function()
    assert.is_true(decimal "1.10" == decimal "1.1")
    assert.is_true(decimal "1.10" ~= decimal "1.11")
    assert.is_false(decimal "1" == 1)
    assert.is_true(decimal "1.1" < 2 and 1 < decimal "1.1" and decimal "1" <= "1.00")
    assert.same({ -1, 0, 1 }, { decimal "1":compare(2), decimal "1.0":compare(1),
      decimal "1":compare "0.99" })
    fails("TypeError", "cannot compare", function() return decimal "1" < {} end)
  end)

  it("negates and has no negative zero", function()
    assert.same({ "-1.5", "0.00", "1.5", "0" },
      texts(-decimal "1.5", -decimal "0.00", decimal "-1.5":abs(), decimal "-0"))
  end)

  it("rounds half to even unless told otherwise", function()
    assert.same({ "1.00", "1.02", "1.1000", "2.68", "2" },
      texts(decimal "1.005":quantize(2), decimal "1.015":quantize(2), decimal "1.1":quantize(4),
        decimal "2.675":quantize(2), decimal "2.5":round()))
    assert.same({ "3", "2", "3", "2", "3", "-3", "-2" },
      texts(decimal "2.5":round(0, "half_up"), decimal "2.5":round(0, "down"),
        decimal "2.1":round(0, "up"), decimal "2.9":round(0, "floor"),
        decimal "2.1":round(0, "ceiling"), decimal "-2.1":round(0, "floor"),
        decimal "-2.9":round(0, "ceiling")))
    assert.same({ "1200", "1300", "0" },
      texts(decimal "1234.5":round(-2), decimal "1250":round(-2, "half_up"),
        decimal "4":round(-1)))
    assert.equal("1.25", tostring(decimal "1.2501":quantize(decimal "0.01")))
    assert.has_error(function() decimal "1":quantize(-1) end)
    assert.has_error(function() decimal "1":round(1, "sideways") end)
    fails("ValueError", "1000 digits", function() return decimal "1":quantize(1001) end)
  end)

  it("turns into Lua's numbers", function()
    assert.equal(0.1, decimal "0.1":tonumber())
    assert.equal("float", math.type(decimal "3":tonumber()))
    assert.equal(3, decimal "3.00":tointeger())
    assert.equal("integer", math.type(decimal "3.00":tointeger()))
    assert.is_nil(decimal "3.01":tointeger())
    assert.is_nil(decimal "9223372036854775808":tointeger())
    assert.equal(math.mininteger, decimal(math.mininteger):tointeger())
    fails("ValueError", "tonumber", function() return decimal "1e400":tonumber() end)
  end)

  it("has fields and cannot be changed", function()
    local d = decimal "-12.340"
    assert.same({ -1, 3, 5 }, { d.sign, d.scale, d.digits })
    assert.equal("-12.34", tostring(d:normalize()))
    fails("TypeError", "cannot be changed", function() d.scale = 1 end)
    fails("AttributeError", "did you mean 'scale'", function() return d.scal end)
    fails("TypeError", "with a colon", d.round, 1)
    assert.equal("perilune.Decimal", getmetatable(d))
    assert.equal("12 x 1.50", 12 .. " x " .. decimal "1.50")
  end)

  it("leaves operators to an object of another class", function()
    local other = setmetatable({}, { __mul = function(a, b) return { a, b } end })
    local d = decimal "1"
    assert.same({ d, other }, d * other)
    assert.same({ other, d }, other * d)
    fails("TypeError", "cannot add a perilune.Decimal and a table",
      function() return d + other end)
  end)
end)

describe("Python's decimal", function()
  -- Lua rounds // and % down, Python towards zero: those stay with the same sign here.
  it("computes the same", function()
    local missing = python.missing()
    if missing then return pending(missing) end
    local seed = 12345
    local function random(n)
      seed = (seed * 1103515245 + 12345) & 0x7fffffff
      return (seed >> 8) % n
    end
    local function number(digits)
      local t = {}
      for i = 1, 1 + random(digits) do t[i] = random(10) end
      return table.concat(t) .. "e-" .. random(8)
    end
    local input, expected = {}, {}
    for i = 1, 200 do
      local a, b = number(14), number(12)
      local x, y = decimal(a), decimal(b)
      local scale = random(6)
      input[i] = ("%s %s %d"):format(a, b, scale)
      local row = texts(x + y, x - y, x * y, x:round(scale), x:compare(y))
      if y.sign ~= 0 then
        row[#row + 1] = tostring(x / y)
        row[#row + 1] = tostring(x // y)
        row[#row + 1] = tostring(x % y)
      end
      expected[i] = table.concat(row, " ")
    end
    local lines = python.run([[
import sys
from decimal import Decimal
def plain(d):
    return format(abs(d) if d == 0 else d, "f")
for line in sys.stdin:
    a, b, scale = line.split()
    x, y = Decimal(a), Decimal(b)
    row = [x + y, x - y, x * y, x.quantize(Decimal(1).scaleb(-int(scale))), x.compare(y)]
    if y:
        row += [x / y, x // y, x % y]
    print(*map(plain, row))
]], table.concat(input, "\n") .. "\n")
    assert.same(expected, lines)
  end)
end)
