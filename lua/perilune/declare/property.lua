--- Properties of a class that are neither columns nor relationships: hybrids, synonyms,
-- expressions the database computes, validators.
local core = require "perilune.core"
local check = require "perilune.declare.check"
local fail, check_options, set = check.fail, check.options, check.set

local Property = { __name = "perilune.Property" }
Property.__index = Property
local Validator = { __name = "perilune.Validator" }
Validator.__index = Validator

local M = { Property = Property, Validator = Validator }

--- db.hybrid{get =, set =, expr =}: computed on an instance, an expression on the class.
function M.hybrid(spec)
  if type(spec) == "function" then spec = { get = spec } end
  check_options("db.hybrid", spec, set "get set expr update_expr")
  if type(spec.get or spec[1]) ~= "function" then fail("ArgumentError", "db.hybrid needs get = function(self)") end
  local get = spec.get or spec[1]
  return setmetatable({ __property = { get = get, set = spec.set, expr = spec.expr or get } }, Property)
end

--- db.synonym "name": another name of an attribute.
function M.synonym(name)
  if type(name) == "table" then name = name[1] end
  return setmetatable({ __property = {
    get = function(self) return self[name] end,
    set = function(self, v) self[name] = v end,
    expr = function(class) return class[name] end,
  } }, Property)
end

--- db.column_property(expression): a read-only attribute that the database computes.
function M.column_property(spec, options)
  if type(spec) == "table" and not core.is_node(spec) then spec, options = spec[1], spec end
  return setmetatable({ seq = core.sequence(), expression = spec, options = options or {} }, Property)
end

--- db.validates("name", ..., fn): fn(self, name, value) returns the value to use.
function M.validates(...)
  local args = { ... }
  if type(args[1]) == "table" then args = args[1] end
  local fn = table.remove(args)
  if type(fn) ~= "function" or #args == 0 then
    fail("ArgumentError", "db.validates needs attribute names and a function")
  end
  return setmetatable({ names = args, fn = fn }, Validator)
end

return M
