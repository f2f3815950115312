-- SPDX-License-Identifier: MIT
-- Values of the neutral form: tagged arrays in, tagged strings out. The strings
-- are those of values.py, so that comparing strings compares types and values.

local json = require "spec.differential.json"
local perilune = require "perilune"

local values = {}

local readers = {
  null = function(db) return db.null end,
  str = function(_, text) return text end,
  date = function(db, text) return db.date(text) end,
  time = function(db, text) return db.time(text) end,
  datetime = function(db, text) return db.datetime(text) end,
  interval = function(db, seconds) return db.interval { seconds = seconds } end,
  dec = function(db, text) return db.decimal(text) end,
  blob = function(_, hex)
    return (hex:gsub("%x%x", function(x) return string.char(tonumber(x, 16)) end))
  end,
  json = function(db, text)
    return require("dkjson").decode(text, 1, db.null)
  end,
}

-- True when the node is a literal rather than an expression.
function values.is_value(node)
  if type(node) == "table" then return readers[node[1]] ~= nil end
  return type(node) ~= "string" or node:sub(1, 1) ~= "@"
end

function values.read(db, node)
  if type(node) ~= "table" then return node end
  return readers[node[1]](db, table.unpack(node, 2))
end

-- JSON text with sorted keys; an empty object and an empty array are one.
function values.canonical(v, null)
  if v == nil or v == null then return "null" end
  if math.type(v) == "float" then return ("%.15g"):format(v) end
  if type(v) ~= "table" and type(v) ~= "userdata" then return json.encode(v) end
  local out, keys = {}, {}
  for i = 1, #v do out[i] = values.canonical(v[i], null) end
  if #out > 0 then return "[" .. table.concat(out, ",") .. "]" end
  for k in pairs(v) do keys[#keys + 1] = k end
  if #keys == 0 then return "[]" end
  table.sort(keys)
  for i, k in ipairs(keys) do out[i] = json.encode(k) .. ":" .. values.canonical(v[k], null) end
  return "{" .. table.concat(out, ",") .. "}"
end

local function text(s)
  if utf8.len(s) then return "s:" .. s end
  return "x:" .. s:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
end

local function state_of(v)
  local ok, found = pcall(perilune.inspect, v)
  return ok and found or nil
end

function values.is_instance(v)
  return type(v) == "userdata" and state_of(v) ~= nil
end

-- The state of an instance as a word.
function values.state(v) return perilune.inspect(v).state end

-- Whether a session holds the instance: a deleted one has left it.
function values.is_held(v)
  local state = values.state(v)
  return state == "pending" or state == "persistent"
end

-- An instance by its model and its key, as its standard text gives them.
function values.label(v)
  local model, key = tostring(v):match "^<([%w_]+) (.*)>$"
  if not key then return tostring(v) end
  if key:sub(1, 1) == "(" then
    return model .. "#" .. (v.id == nil and "nil" or tostring(v.id))
  end
  return model .. "#" .. key:gsub(", ", ",")
end

local function method(v, name)
  local ok, found = pcall(function() return v[name] end)
  return ok and found or nil
end

-- A row of several things can be unpacked.
function values.is_row(v)
  if type(v) ~= "table" and type(v) ~= "userdata" or values.is_instance(v) then return false end
  return type(method(v, "unpack")) == "function"
end

local function temporal(iso)
  iso = iso:gsub("T", " ")
  if iso:find("%.") then iso = iso:gsub("0+$", ""):gsub("%.$", "") end
  if iso:match "^%d+%-%d+%-%d+$" then return "d:" .. iso end
  return (iso:match "^%d+%-" and "dt:" or "t:") .. iso
end

local function special(v, null)
  if state_of(v) then return "o:" .. values.label(v) end
  local iso = method(v, "iso")
  local seconds = method(v, "total_seconds")
  if seconds then return ("iv:%.6f"):format(seconds) end
  if iso then return temporal(v:iso()) end
  if tostring(v):match "^%-?%d+%.?%d*$" then return "n:" .. tostring(v) end
  return "j:" .. values.canonical(v, null)
end

function values.tag(v, null)
  if v == nil or v == null then return "nil" end
  if type(v) == "boolean" then return tostring(v) end
  if math.type(v) == "integer" then return ("i:%d"):format(v) end
  if math.type(v) == "float" then return ("f:%.15g"):format(v) end
  if type(v) == "string" then return text(v) end
  if type(v) == "table" then return "j:" .. values.canonical(v, null) end
  return special(v, null)
end

-- The class of an error; one that is no error object is shown whole.
function values.error_name(err)
  local name = type(err) ~= "string" and method(err, "name")
  return name or "Lua error: " .. tostring(err)
end

return values
