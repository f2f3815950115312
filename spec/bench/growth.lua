-- SPDX-License-Identifier: MIT
-- Whether the cost of an object stays what it is as a session grows: new objects are
-- flushed, changed, flushed, loaded, read by key and deleted, from 1,000 up, each size in a
-- process of its own, and the figures for one object go into a table. Also what a flush
-- takes beyond the objects, and what `each` takes for a result of any length.
--
--     build/perilune spec/bench/growth.lua [--rows LIST] [--out FILE]
--
-- run.lua --growth runs it and puts the table behind its own.

local perilune = require "perilune"

local function option(name, default)
  for i = 1, #arg do
    if arg[i] == name then return arg[i + 1] end
  end
  return default
end

local function kilobytes(field)
  local file = io.open "/proc/self/status"
  if not file then return 0 end
  local text = file:read "a"
  file:close()
  return tonumber(text:match(field .. ":%s*(%d+)")) or 0
end

-- The peak is counted from now on.
local function reset_peak()
  local file = io.open("/proc/self/clear_refs", "w")
  if not file then return end
  file:write "5"
  file:close()
end

local function open(path)
  local db = perilune.open("sqlite:///" .. path)
  local Item = db.Model "Item" {
    id = db.Column{db.Integer, primary_key = true},
    name = db.Column{db.String(40), nullable = false},
    n = db.Column{db.Integer},
  }
  db:create_all()
  return db, Item
end

-- ---- one size -----------------------------------------------------------------------

local function measure(rows, path)
  local db, Item = open(path)
  local session, found = db.session, {}
  local function timed(name, fn)
    collectgarbage()
    reset_peak()
    local resident, from = kilobytes "VmRSS", os.clock()
    fn()
    found[#found + 1] = ("%s %.4f %.1f"):format(name, (os.clock() - from) * 1e6 / rows,
      (kilobytes "VmHWM" - resident) * 1024 / rows)
  end
  local items = {}
  for i = 1, rows do items[i] = Item{name = "item " .. i, n = i} end
  timed("add", function() session:add_all(items) end)
  timed("insert", function() session:flush() end)
  session:commit()
  items = nil
  session:close()
  session = db.session
  timed("load", function() items = Item.query:order_by(Item.id):all() end)
  for _, item in ipairs(items) do item.n = item.n + 1 end
  timed("update", function() session:flush() end)
  timed("get", function()
    for i = 1, rows do assert(session:get(Item, i * 7919 % rows + 1)) end
  end)
  timed("commit", function() session:commit() end)
  for _, item in ipairs(items) do session:delete(item) end
  timed("delete", function() session:flush() end)
  session:rollback()
  session:close()
  items = nil
  timed("each", function()
    local sum = 0
    for item in Item.query:each() do sum = sum + item.id end
    assert(sum == rows * (rows + 1) // 2)
  end)
  db:close()
  print(table.concat(found, "\n"))
end

-- ---- all sizes ----------------------------------------------------------------------

local function run(rows)
  local path = os.tmpname()
  local program = arg[-1]
  local pipe = io.popen(("'%s' '%s' --one %d --path '%s'"):format(program, arg[0], rows, path))
  local text = pipe:read "a"
  local ok = pipe:close()
  for _, ending in ipairs { "", "-wal", "-shm" } do os.remove(path .. ending) end
  if not ok then error("the run with " .. rows .. " rows failed") end
  return text
end

local function sizes_of(list)
  local sizes = {}
  for n in list:gmatch "%d+" do sizes[#sizes + 1] = tonumber(n) end
  return sizes
end

local function main()
  local sizes = sizes_of(option("--rows", "1000,10000,100000,1000000"))
  local order, times, bytes = {}, {}, {}
  for column, rows in ipairs(sizes) do
    for name, time, memory in run(rows):gmatch "(%a+) ([%d.]+) (%-?[%d.]+)" do
      if not times[name] then
        order[#order + 1] = name
        times[name], bytes[name] = {}, {}
      end
      times[name][column], bytes[name][column] = time, memory
    end
  end
  local out = {
    "## Growth", "",
    "Microseconds for one object, then bytes beyond what was there before (peak of the",
    "resident set; at small sizes the allocator's own steps), by the number of objects.", "",
  }
  for _, part in ipairs { { "us", times }, { "bytes", bytes } } do
    out[#out + 1] = ("| %s | %s |"):format(part[1], table.concat(sizes, " | "))
    out[#out + 1] = "|---|" .. ("--:|"):rep(#sizes)
    for _, name in ipairs(order) do
      out[#out + 1] = ("| %s | %s |"):format(name, table.concat(part[2][name], " | "))
    end
    out[#out + 1] = ""
  end
  local text = table.concat(out, "\n")
  local file = option "--out"
  if not file then return print(text) end
  local f = assert(io.open(file, "a"))
  f:write("\n", text)
  f:close()
end

local one = option "--one"
if one then measure(tonumber(one), option "--path") else main() end
