-- SPDX-License-Identifier: MIT
-- Collects the unit-of-work programs of one file. A program is neutral data:
--   { name, schema = a name in families.lua, ops = { { word, ... } ... } }
-- or { name, declare = a schema } when only the declaration is of interest.
-- The words are those of unit.py and unit.lua.

local programs = {}
programs.__index = programs

function programs.new(group, touching)
  return setmetatable({ group = group, list = {}, touching = touching }, programs)
end

-- After a commit SQLAlchemy reads everything again when it is next needed, and flushes
-- before it does, while Perilune may know that there is nothing to read. Where that is
-- not the question, both are brought to one state after every commit: all is expired and
-- columns are read. With `keep` nothing is expired, but what relates is flushed before
-- it is read, so that the time of a flush does not depend on what was read; also with `eager`,
-- for then what relates may have been read together with a row.
function programs.touched(ops, keep, eager)
  local out = {}
  for _, op in ipairs(ops) do
    if (keep or eager) and programs.relates[op[1]] then out[#out + 1] = { "flush" } end
    if programs.flushes[op[1]] then out[#out + 1] = { "flush" } end
    out[#out + 1] = op
    if op[1] == "commit" or op[1] == "rollback" then
      if not keep then out[#out + 1] = { "expire_all" } end
      out[#out + 1] = { "touch" }
    elseif op[1] == "expire" or op[1] == "expire_all" then
      out[#out + 1] = { "touch" }
    end
  end
  return out
end

-- Operations before which SQLAlchemy may or may not flush, by what it has to read.
programs.flushes = { expire = true, expire_all = true }

-- Operations that may read related objects.
programs.relates = {
  set = true, append = true, put = true, drop = true, remove = true, clear = true,
  insert = true, pop = true, attr = true, sorted = true, delete = true, refresh = true,
}

function programs:add(name, schema, ops)
  if self.touching then ops = programs.touched(ops) end
  self.list[#self.list + 1] = { name = self.group .. ": " .. name, schema = schema, ops = ops }
end

-- A program whose SELECTs are counted at every step; and once more with lazy loading in
-- batches, which may read sooner, but not more.
function programs:count(name, schema, ops)
  self:add(name, schema, ops)
  self.list[#self.list].counted = true
  self:add(name .. ", in batches", schema, ops)
  self.list[#self.list].batch = true
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
