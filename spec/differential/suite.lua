-- SPDX-License-Identifier: MIT
-- Collects the scenarios of one file. A scenario is neutral data:
--   { name, let = { { name, definition } ... }, ops = { { word, ... } ... } }
-- The words are those of query.py and query.lua; a string that begins with "@"
-- is a name, everything else that is no table is a literal.

local suite = {}
suite.__index = suite

function suite.new(group)
  return setmetatable({ group = group, list = {} }, suite)
end

-- Several operations in one session.
function suite:ops(name, ops, let)
  self.list[#self.list + 1] = { name = self.group .. ": " .. name, ops = ops, let = let }
end

-- One query with its end, "all" by default.
function suite:query(name, query, finish, let)
  self:ops(name, { { "run", query, finish or { "all" } } }, let)
end

-- The keys of a model's rows that meet a condition.
function suite:where(name, model, ...)
  self:query(name, { "select", "@" .. model .. ".id", { "where", ... } })
end

-- Expressions over the first rows of a model.
function suite:values(name, model, exprs, ...)
  self:query(name, {
    "select", exprs, { "select_from", "@" .. model }, { "order_by", "@" .. model .. ".id" },
    { "limit", 60 }, ...,
  })
end

return suite
