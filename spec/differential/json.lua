-- SPDX-License-Identifier: MIT
-- Writes neutral data as JSON for the Python driver. A table with a first
-- element is an array, an empty table is an array, any other is an object with
-- sorted keys. Floats keep their point, so that 1.0 arrives as a float.
-- Reading is left to dkjson, which busted needs anyway.

local dkjson = require "dkjson"

local json = {}

local escapes = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}

local function quote(s)
  return '"' .. s:gsub('[%c"\\]', function(c)
    return escapes[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local function number(n)
  if math.type(n) == "integer" then return ("%d"):format(n) end
  local s = ("%.17g"):format(n)
  return s:find("[%.eEn]") and s or s .. ".0"
end

local encode

local function array(t)
  local out = {}
  for i = 1, #t do out[i] = encode(t[i]) end
  return "[" .. table.concat(out, ",") .. "]"
end

local function object(t)
  local keys, out = {}, {}
  for k in pairs(t) do
    if type(k) ~= "string" then error("not a neutral table: key " .. tostring(k)) end
    keys[#keys + 1] = k
  end
  table.sort(keys)
  for i, k in ipairs(keys) do out[i] = quote(k) .. ":" .. encode(t[k]) end
  return "{" .. table.concat(out, ",") .. "}"
end

function encode(v)
  local kind = type(v)
  if kind == "string" then return quote(v) end
  if kind == "number" then return number(v) end
  if kind == "boolean" then return tostring(v) end
  if kind ~= "table" then error("not neutral data: " .. kind) end
  if v[1] ~= nil or next(v) == nil then return array(v) end
  return object(v)
end

json.encode = encode

function json.decode(text)
  local value, _, err = dkjson.decode(text, 1, nil)
  if err then error(err, 2) end
  return value
end

return json
