--- Methods that every instance has.
local core = require "perilune.core"
local check = require "perilune.declare.check"
local fail, check_options, set = check.fail, check.options, check.set

local methods = {}

local dict_options = set "only except include"

--- The names of a list as a set; each must be an attribute.
local function wanted(self, list, columns)
  if not list then return nil end
  local t = {}
  for _, name in ipairs(list) do
    if columns[name] == nil then local _ = self[name] end
    t[name] = true
  end
  return t
end

--- What stands in a dictionary for the value of any attribute.
local function dict_value(value, sub)
  if core.is_instance(value) then return value:to_dict(sub) end
  if core.class(value) ~= "perilune.Collection" then return value end
  local list = {}
  for i, item in ipairs(value) do list[i] = item:to_dict(sub) end
  return list
end

--- instance:to_dict{only =, except =, include =}: its columns (and related objects) as a table.
function methods.to_dict(self, options)
  if not core.is_instance(self) then
    fail("TypeError", "an instance expected as the object of 'to_dict'",
         "call it with a colon: object:to_dict()")
  end
  options = options or {}
  check_options("to_dict", options, dict_options)
  local columns, out = {}, {}
  for name in pairs(self) do columns[name] = true end
  local only = wanted(self, options.only, columns)
  local except = wanted(self, options.except, columns)
  for name, value in pairs(self) do
    if (not only or only[name]) and not (except and except[name]) then
      out[name] = value
    end
  end
  for name in pairs(only or {}) do
    if not columns[name] then out[name] = dict_value(self[name], {}) end
  end
  for key, value in pairs(options.include or {}) do
    local name, sub = key, value
    if type(key) == "number" then name, sub = value, {} end
    out[name] = dict_value(self[name], sub)
  end
  return out
end

return methods
