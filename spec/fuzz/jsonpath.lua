-- SPDX-License-Identifier: MIT
-- Fuzz target: any bytes as JSON text, and any texts, parted by zeros, as keys of a path.
local perilune = require "perilune"
local db = perilune.open "sqlite://"
local json = perilune.json

local Doc = db.Model "Doc" {
  id = db.Column { db.Integer, primary_key = true },
  data = db.Column { db.JSON },
}
db:create_all()

local function check_text(bytes)
  local ok, value = pcall(json.decode, bytes)
  if not ok then
    if type(value) ~= "table" then error("no error object: " .. tostring(value), 0) end
    return
  end
  local text = json.encode(value)
  assert(json.encode(json.decode(text)) == text, text)
end

-- A number as text is an index: positive ones from 1 on.
local function check_path(keys)
  local document, expected = "found", Doc.data
  for i = #keys, 1, -1 do
    local n = math.tointeger(tonumber(keys[i]))
    local index = n and n >= 1 and n <= 20
    if index then
      local list = {}
      for k = 1, n - 1 do list[k] = k end
      list[n] = document
      document = list
    else
      document = { [keys[i]] = document }
    end
    keys[i] = index and n or keys[i]
  end
  local ok, path = pcall(function()
    for _, key in ipairs(keys) do
      expected = #keys % 2 == 0 and expected:json_path(key) or expected[key]
      -- The name of a method is that method.
      if type(expected) == "function" then perilune.error("ArgumentError", "a method") end
    end
    return expected:as_string()
  end)
  if not ok then
    assert(type(path) == "table" and (path.name == "ArgumentError" or path.name == "ValueError"), tostring(path))
    return
  end
  local made, doc = pcall(Doc, { data = document })
  if not made then return assert(doc.name == "ValueError", tostring(doc)) end
  db.session:add(doc)
  db.session:flush()
  local found = db.select(Doc.id):where(path:eq "found"):scalar()
  db.session:rollback()
  assert(found, "not found by " .. table.concat(keys, " . "))
end

return function(bytes)
  check_text(bytes)
  local keys = {}
  for key in (bytes .. "\0"):gmatch "([^\0]*)\0" do
    if #keys < 12 then keys[#keys + 1] = key end
  end
  check_path(keys)
end
