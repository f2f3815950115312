--- Types: db.Integer, db.String(100), db.Enum{"a", "b"} and types of one's own.
local core = require "perilune.core"
local check = require "perilune.declare.check"
local shared = core.shared()
local fail, check_options, set = check.fail, check.options, check.set

local types = {}

local positional = {
  String = { "length" }, Unicode = { "length" }, Text = { "length" },
  UnicodeText = { "length" }, LargeBinary = { "length" }, Numeric = { "precision", "scale" },
  Float = { "precision" }, Double = { "precision" },
}

local type_options = set [[length precision scale words name create_constraint none_as_null
  timezone asdecimal native_enum validate_strings collation]]

--- db.String(100), db.Numeric(10, 2), db.Enum{"a", "b"}: a type with its arguments.
function types.call(base, ...)
  local kind, options = base.kind, {}
  local first = ...
  if core.class(first) == "perilune.Database" then
    fail("TypeError", ("db.%s is called with a dot"):format(kind), ("write db.%s(...)"):format(kind))
  end
  if type(first) == "table" and select("#", ...) == 1 then
    for k, v in pairs(first) do
      if type(k) == "string" then options[k] = v end
    end
    if kind == "Enum" then
      options.words = { table.unpack(first) }
    else
      for i, name in ipairs(positional[kind] or {}) do options[name] = options[name] or first[i] end
    end
  elseif kind == "Enum" then
    options.words = { ... }
  else
    for i, name in ipairs(positional[kind] or {}) do options[name] = (select(i, ...)) end
  end
  check_options("db." .. kind, options, type_options)
  for _, name in ipairs { "length", "precision", "scale" } do
    local v = options[name]
    if v ~= nil and (math.type(v) ~= "integer" or v < 0) then
      fail("ArgumentError", ("db.%s: %s must be a whole number, got %s"):format(kind, name, tostring(v)))
    end
  end
  if kind == "Enum" and #options.words == 0 then
    fail("ArgumentError", "db.Enum needs its words: db.Enum{\"a\", \"b\"}")
  end
  return core.type(kind, options)
end

--- db.type{base, bind = fn, result = fn}: a type of one's own over a stored one.
-- @param spec [1] the type it is stored as; `bind(value)` makes the stored value, `result(value)`
-- the Lua value; either may be absent.
function types.custom(spec)
  if type(spec) ~= "table" or not check.is_type(spec[1]) then
    fail("ArgumentError", "db.type needs a stored type first: db.type{db.String, bind = fn, result = fn}")
  end
  check_options("db.type", spec, set "bind result name")
  shared.custom_types = shared.custom_types or {}
  local n = #shared.custom_types + 1
  shared.custom_types[n] = { bind = spec.bind, result = spec.result }
  return core.type("type", { base = spec[1], ext = n })
end

types.kinds = [[Integer SmallInteger BigInteger String Text Unicode UnicodeText Boolean Float Double
  Numeric Date Time DateTime Interval LargeBinary JSON Enum UUID]]

return types
