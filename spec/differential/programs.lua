-- SPDX-License-Identifier: MIT
-- Collects the unit-of-work programs of one file. A program is neutral data:
--   { name, schema = a name in families.lua, ops = { { word, ... } ... } }
-- or { name, declare = a schema } when only the declaration is of interest.
-- The words are those of unit.py and unit.lua.

local programs = {}
programs.__index = programs

function programs.new(group)
  return setmetatable({ group = group, list = {} }, programs)
end

function programs:add(name, schema, ops)
  self.list[#self.list + 1] = { name = self.group .. ": " .. name, schema = schema, ops = ops }
end

-- A program whose events are compared too.
function programs:listen(name, schema, ops)
  self:add(name, schema, ops)
  self.list[#self.list].listen = true
end

function programs:declare(name, schema)
  self.list[#self.list + 1] = { name = self.group .. ": " .. name, declare = schema }
end

return programs
