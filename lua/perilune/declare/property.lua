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

--- A property from its functions: get(self), set(self, value), expr(class).
function M.new(functions)
  return setmetatable({ __property = functions }, Property)
end

--- db.hybrid{get =, set =, expr =, update_expr =}: computed on an instance, an expression on
-- the class. `expr(class)` gives the expression, also of an alias; without it `get` does.
-- `update_expr(class, value)` gives the columns that a bulk update sets: { name = value, ... }.
function M.hybrid(spec)
  if type(spec) == "function" then spec = { get = spec } end
  if type(spec) ~= "table" then fail("ArgumentError", "db.hybrid needs get = function(self)") end
  check_options("db.hybrid", spec, set "get set expr update_expr")
  if type(spec.get or spec[1]) ~= "function" then fail("ArgumentError", "db.hybrid needs get = function(self)") end
  local get = spec.get or spec[1]
  for _, name in ipairs { "set", "expr", "update_expr" } do
    if spec[name] ~= nil and type(spec[name]) ~= "function" then
      fail("ArgumentError", ("db.hybrid: %s must be a function, got %s"):format(name, type(spec[name])))
    end
  end
  return M.new { get = get, set = spec.set, expr = spec.expr or get, update = spec.update_expr }
end

--- db.synonym "name": another name of an attribute.
function M.synonym(name)
  if type(name) == "table" then name = name[1] end
  if type(name) ~= "string" then
    fail("ArgumentError", "db.synonym needs the name of an attribute, got " .. type(name))
  end
  return M.new {
    get = function(self) return self[name] end,
    set = function(self, v) self[name] = v end,
    expr = function(class) return class[name] end,
    update = function(_, v) return { [name] = v } end,
  }
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
