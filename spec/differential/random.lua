-- SPDX-License-Identifier: MIT
-- A small seeded generator of pseudo-random numbers (splitmix64). The
-- differential suite needs the same numbers on every machine and in every
-- version of Lua, which math.random does not promise.

local random = {}
random.__index = random

function random.new(seed)
  return setmetatable({ state = seed }, random)
end

function random:bits()
  self.state = self.state + 0x9E3779B97F4A7C15
  local z = self.state
  z = (z ~ (z >> 30)) * 0xBF58476D1CE4E5B9
  z = (z ~ (z >> 27)) * 0x94D049BB133111EB
  return z ~ (z >> 31)
end

-- An integer between low and high, both included.
function random:int(low, high)
  return low + (self:bits() >> 1) % (high - low + 1)
end

-- True once in n times on average.
function random:one_in(n)
  return self:int(1, n) == 1
end

function random:pick(list)
  return list[self:int(1, #list)]
end

-- n different elements of the list, in the order of the list.
function random:sample(list, n)
  local left, out = #list, {}
  for _, item in ipairs(list) do
    if n > 0 and self:int(1, left) <= n then
      out[#out + 1] = item
      n = n - 1
    end
    left = left - 1
  end
  return out
end

return random
