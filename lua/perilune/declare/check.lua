--- What the declarations share: their errors, checks of options, kinds of values.
-- A declaration is a Lua table with one of the metatables of `perilune.declare.column` and
-- its neighbours; types, models and tables are userdata of the core.
local core = require "perilune.core"

local check = {}

--- Raises an error object of a class.
function check.fail(class, message, hint)
  core.raise(class, message, hint)
end

--- Raises for an option that is not known, naming the nearest one.
function check.options(what, options, known)
  if type(options) ~= "table" then
    check.fail("ArgumentError", ("%s expects a table, got %s"):format(what, core.class(options) or type(options)))
  end
  for key in pairs(options) do
    if type(key) == "string" and not known[key] then
      local names = {}
      for name in pairs(known) do names[#names + 1] = name end
      table.sort(names)
      local near = core.nearest(key, names)
      check.fail("ArgumentError", ("%s: unknown option '%s'"):format(what, key),
           near and ("did you mean '" .. near .. "'?") or nil)
    end
  end
end

function check.set(words)
  local t = {}
  for word in words:gmatch "%S+" do t[word] = true end
  return t
end

function check.is_type(v) return core.class(v) == "perilune.Type" end
function check.is_model(v) return core.class(v) == "perilune.Model" end
function check.is_table(v) return core.class(v) == "perilune.Table" end

--- The metatable of a declaration; nil for what is none.
function check.kind_of(v)
  return type(v) == "table" and getmetatable(v) or nil
end

return check
