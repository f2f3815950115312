--- Checking tables of options: unknown names, wrong types.
-- Every function that takes options checks them here, so that a misspelt name or a value of
-- the wrong kind is an ArgumentError at the place where it was written.
-- @module perilune.options
local core = require "perilune.core"

local options = {}

local describe = {
  string = "a string", boolean = "a boolean", number = "a number", table = "a table",
  ["function"] = "a function", integer = "a whole number", userdata = "a userdata",
}

local function is_a(kind, value)
  if kind == "integer" then return math.type(value) == "integer" end
  if kind:find '^"' then return value == kind:sub(2, -2) end
  return type(value) == kind
end

--- "a boolean or "debug"" for "boolean|"debug"".
local function expected(kinds)
  local words = {}
  for kind in kinds:gmatch "[^|]+" do words[#words + 1] = describe[kind] or kind end
  return table.concat(words, " or ")
end

--- Raises an ArgumentError unless a value is of one of the kinds.
-- @string name what the message calls it, "ENGINE_OPTIONS.busy_timeout"
-- @param value nil is always fine
-- @string kinds "integer", "string|table", 'boolean|"debug"'
-- @return the value; db.null gives nil
function options.expect(name, value, kinds)
  if value == nil or value == core.namespace.null then return nil end
  for kind in kinds:gmatch "[^|]+" do
    if is_a(kind, value) then return value end
  end
  local got = core.class(value) or type(value)
  core.raise("ArgumentError", ("%s must be %s, got %s"):format(name, expected(kinds), got))
end

--- Raises an ArgumentError for an option that is not known or of the wrong kind.
-- @string what name of the table in messages
-- @tab given the options; entries with whole numbers as keys are not looked at
-- @tab known name -> kinds as for expect, or true for any value
-- @treturn table given
function options.check(what, given, known)
  for name, value in pairs(given) do
    if type(name) == "string" then
      local kinds = known[name]
      if not kinds then options.unknown(what, name, known) end
      if kinds ~= true then options.expect(what .. "." .. name, value, kinds) end
    end
  end
  return given
end

--- Raises for a name that a table of known names does not have.
function options.unknown(what, name, known)
  local names = {}
  for k in pairs(known) do names[#names + 1] = k end
  table.sort(names)
  local near = core.nearest(name, names)
  core.raise("ArgumentError", ("%s: unknown option '%s'"):format(what, name),
    near and ("did you mean '" .. near .. "'?") or "known are " .. table.concat(names, ", "))
end

--- Takes a call f(a, {k = v}) or f{a, k = v} apart.
-- @param first the first argument
-- @param second the second argument
-- @treturn any the positional value
-- @treturn table the options
function options.call(first, second)
  if type(first) ~= "table" or getmetatable(first) ~= nil then return first, second or {} end
  local named = {}
  for k, v in pairs(first) do
    if k ~= 1 then named[k] = v end
  end
  return first[1], named
end

return options
