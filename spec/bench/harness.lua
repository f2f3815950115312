-- SPDX-License-Identifier: MIT
-- What the Lua programs of the benchmark share: the sizes, the data, the checksum and the
-- clock of bench.h and common.c, spelled in Lua, and the main function that runs one
-- workload. A program gives run() a table with `version` (a function), `open(path)`,
-- `settings(handle)`, `close(handle)` and `workloads` (name -> fn(bench, handle)).
-- The formulas here and there must stay equal; the driver compares their checksums.

local system_found, system = pcall(require, "system")

local harness = {
  GROUPS = 100, POSTS = 10, MEMBER = 20, GRAPH_MEMBER = 5, IN_KEYS = 100,
  PRAGMAS = {
    "journal_mode", "synchronous", "foreign_keys", "mmap_size", "cache_size", "page_size",
  },
}

function harness.sizes(rows)
  return {
    rows = rows, keys = rows // 5, parents = rows // 100, authors = rows // 50,
    graph = rows // 50, shapes = rows // 20, linked = rows // 10,
  }
end

function harness.scramble(k, n)
  return k * 7919 % n + 1
end

function harness.group_of(i, j)
  return (i * 7 + j * 5) % harness.GROUPS + 1
end

function harness.in_key(k, j, rows)
  return (k * 101 + j * 37) % rows + 1
end

function harness.texts(n, format)
  local list = {}
  for i = 1, n do list[i] = format:format(i) end
  return list
end

-- The fields of event i, in the order year, month, day, hour, minute, second, microsecond.
function harness.event_time(i)
  return 2024, i // 40320 % 12 + 1, i // 1440 % 28 + 1, i // 60 % 24, i % 60, i * 7 % 60,
    i * 37 % 1000000
end

function harness.event_data(i)
  return { n = i, tags = { "red", ("tag %d"):format(i % 7) }, on = true }
end

local function mix(h, v)
  return (h * 31 + v) & 0xffffffff
end

local function mix_text(h, text)
  local n = #text
  h = mix(h, n)
  if n == 0 then return h end
  return mix(h, text:byte(1) + 256 * text:byte(n // 2 + 1) + 65536 * text:byte(n))
end

harness.mix, harness.mix_text = mix, mix_text

local Bench = {}
Bench.__index = Bench

-- A settled heap first, so that what was made before is not collected on the workload's time.
function Bench:start()
  collectgarbage("collect")
  self.started = system.monotime()
end

function Bench:stop()
  self.seconds = system.monotime() - self.started
  for line in io.lines("/proc/self/status") do
    local kb = line:match("^VmHWM:%s*(%d+)")
    if kb then self.peak_kb = math.tointeger(kb) end
  end
end

function Bench:add_hash(h)
  self.hash = (self.hash + h) & 0xffffffff
end

function Bench:hash_named(id, name)
  self:add_hash(mix_text(mix(1, id), name))
end

function Bench:hash_child(parent, id, text)
  self:add_hash(mix_text(mix(mix(1, parent), id), text))
end

function Bench:hash_record(r, flag)
  local h = mix(mix(mix(1, r.id), r.a), r.b)
  h = mix(mix(h, r.x * 8 // 1 | 0), r.y * 4 // 1 | 0)
  h = mix_text(mix_text(mix_text(mix_text(h, r.s1), r.s2), r.s3), r.s4)
  self:add_hash(mix(h, flag))
end

function harness.run(program, arguments)
  local name, path, rows = arguments[1], arguments[2], math.tointeger(arguments[3])
  if not system_found then
    print("skip " .. name .. " no monotonic clock: the module lua-system is not installed")
    return
  end
  if name == "probe" then
    print("ok probe " .. program.version())
    return
  end
  local workload = program.workloads[name]
  if not workload then
    print("skip " .. name .. " not written for this program")
    return
  end
  local bench = setmetatable({ size = harness.sizes(rows), seen = 0, hash = 0 }, Bench)
  local handle = program.open(path)
  workload(bench, handle)
  local settings = program.settings(handle)
  print(("ok %s %d-%08x %.6f %d %s"):format(name, bench.seen, bench.hash, bench.seconds,
    bench.peak_kb, table.concat(settings, ",")))
  program.close(handle)
end

return harness
