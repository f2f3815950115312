-- Loaded by busted before the first spec. Checks the interpreter, after every spec that no
-- statement is left open, and after every file that it left nothing open: descriptors, and
-- what the library itself counts.
-- A spec that opens a file or a database closes it in teardown or finally.

local busted = require "busted"
local lfs = require "lfs"

assert(_VERSION == "Lua 5.4", "the specs need Lua 5.4: run build/perilune /usr/bin/busted")

local descriptors = "/proc/self/fd"

-- The names behind the descriptors that are open, by number. Listing the folder opens one
-- more, which is gone when its name is read.
local function open_descriptors()
  local open = {}
  if not lfs.attributes(descriptors, "mode") then return open end
  for number in lfs.dir(descriptors) do
    local target = tonumber(number)
      and lfs.symlinkattributes(descriptors .. "/" .. number, "target")
    if target and not target:find("^/proc/%d+/fd$") then open[tonumber(number)] = target end
  end
  return open
end

-- What the library counts: perilune._debug.open_statements() and its like return how many
-- there are in this state. A module without them is not asked.
local function open_in_library()
  local found, perilune = pcall(require, "perilune")
  local debugging = found and type(perilune) == "table" and perilune._debug
  local counts = {}
  for name, count in pairs(debugging or {}) do
    if name:find("^open_") then counts[name] = count() end
  end
  return counts
end

local function collect()
  collectgarbage()
  collectgarbage()
end

local function describe_leaks(before, counts_before)
  local leaks = {}
  for number, target in pairs(open_descriptors()) do
    if before[number] ~= target then
      leaks[#leaks + 1] = ("descriptor %d (%s)"):format(number, target)
    end
  end
  for name, count in pairs(open_in_library()) do
    local more = count - (counts_before[name] or 0)
    if more > 0 then leaks[#leaks + 1] = ("%d more %s"):format(more, name) end
  end
  table.sort(leaks)
  return leaks
end

local before, counts_before

busted.subscribe({ "file", "start" }, function()
  collect()
  before, counts_before = open_descriptors(), open_in_library()
  return nil, true
end)

busted.subscribe({ "file", "end" }, function(file)
  local leaks = describe_leaks(before, counts_before)
  if #leaks > 0 then
    collect()
    leaks = describe_leaks(before, counts_before)
  end
  if #leaks > 0 then
    error(("%s left open: %s"):format(file.name, table.concat(leaks, ", ")), 0)
  end
  return nil, true
end)

-- After each spec: the statements that results hold.
local function open_statements()
  return open_in_library().open_statements or 0
end

local statements_before = 0

busted.subscribe({ "test", "start" }, function()
  statements_before = open_statements()
  return nil, true
end)

busted.subscribe({ "test", "end" }, function(element)
  if open_statements() > statements_before then collect() end
  local more = open_statements() - statements_before
  if more > 0 then error(("%s left %d statements open"):format(element.name, more), 0) end
  return nil, true
end)

-- A sanitizer that finds a leak at the end takes what is not written yet with it.
busted.subscribe({ "exit" }, function()
  io.stdout:flush()
  return nil, true
end)
