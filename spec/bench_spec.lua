-- SPDX-License-Identifier: MIT
-- The benchmark's driver, on few rows and one round: the programs that are installed must
-- agree on every workload, and a program that does not agree must not get a table. Nothing
-- here looks at a time.

local run = require "spec.support.run"
local workloads = dofile("spec/bench/workloads.lua")

local program = run.program()
local build = program:match("^(.*)/perilune$") or "build"
local folder

-- Runs the driver with further options; gives back its output, whether it succeeded, and
-- the table it wrote.
local function run_driver(...)
  local out = folder .. "/bench.md"
  local result = run.command({ program, "spec/bench/run.lua", "--quick", "--build", build,
    "--out", out, ... })
  local file = io.open(out)
  local written = file and file:read("a")
  if file then file:close() end
  return result.out .. result.err, result.code == 0, written
end

-- The rows of the table below a heading, by workload.
local function rows_below(written, heading)
  local rows, order = {}, {}
  local section = written:match("## " .. heading .. "\n\n(.-)\n\n") or
    written:match("## " .. heading .. "\n\n(.*)$")
  for line in section:gmatch("[^\n]+") do
    local name = line:match("^| ([%w_]+) |")
    if name and name ~= "workload" then
      rows[name] = line
      order[#order + 1] = name
    end
  end
  return rows, order
end

-- A program in the place of perilune that answers every workload with the same words.
local function impostor(answer)
  local path = folder .. "/impostor"
  run.write(path, ('#!/bin/sh\ncase "$2" in\nprobe) echo "ok probe impostor" ;;\n*) %s ;;\nesac\n')
    :format(answer))
  assert(os.execute("chmod +x " .. path))
  return path
end

local function growth(rows)
  local path = os.tmpname()
  local pipe = io.popen(("%s spec/bench/growth.lua --one %d --path %s"):format(
    os.getenv "PERILUNE_BIN" or "build/perilune", rows, path))
  local found = {}
  for line in pipe:lines() do
    local name, time, bytes = line:match "(%a+) ([%d.]+) (%-?[%d.]+)"
    found[name] = { time = tonumber(time), bytes = tonumber(bytes) }
  end
  assert(pipe:close())
  for _, ending in ipairs { "", "-wal", "-shm" } do os.remove(path .. ending) end
  return found
end

describe("a session that grows", function()
  it("takes no more than 40 bytes for a changed object of a flush", function()
    local large = growth(100000)
    assert.is_true(large.update.bytes <= 40, large.update.bytes)
    assert.is_true(large.delete.bytes <= 40, large.delete.bytes)
    assert.is_true(large.each.bytes <= 60, large.each.bytes)
    local small = growth(2000)
    for _, name in ipairs { "insert", "update", "get", "delete" } do
      assert.is_true(large[name].time < 6 * small[name].time + 2, name)
    end
  end)
end)

describe("the benchmark", function()
  before_each(function() folder = run.folder() end)
  after_each(function() run.remove(folder) end)

  it("writes a row per workload when all programs agree", function()
    local text, succeeded, written = run_driver()
    assert.is_true(succeeded, text)
    for _, heading in ipairs { "Time", "Peak memory of the process" } do
      local rows, order = rows_below(written, heading)
      assert.are.equal(#workloads, #order)
      for i, w in ipairs(workloads) do
        assert.are.equal(w.name, order[i])
        assert.is_truthy(rows[w.name]:find("%d%.%d"), w.name .. " has no figure")
      end
    end
    local shapes = 0
    for line in written:match("## Query compile time(.*)$"):gmatch "| [%d. |]+ |" do
      shapes = shapes + 1
      local _, figures = line:gsub("%d+%.%d", "")
      assert.are.equal(4, figures, line)
    end
    assert.are.equal(6, shapes)
  end)

  it("shows only the workloads asked for", function()
    local text, succeeded, written = run_driver("--only", "load_all,m2m", "--programs", "raw")
    assert.is_true(succeeded, text)
    local _, order = rows_below(written, "Time")
    assert.are.same({ "load_all", "m2m" }, order)
  end)

  it("refuses a workload that it does not know", function()
    local text, succeeded, written = run_driver("--only", "load_al", "--programs", "raw")
    assert.is_false(succeeded)
    assert.is_truthy(text:find("no workload is called 'load_al'", 1, true), text)
    assert.is_nil(written)
  end)

  it("refuses a table when a checksum differs", function()
    local answer = 'echo "ok $2 1-00000000 0.001 1000 wal,1,1,0,-2000,4096"'
    local text, succeeded, written = run_driver("--only", "load_all", "--programs",
      "perilune", "--perilune", impostor(answer))
    assert.is_false(succeeded)
    assert.is_truthy(text:find("load_all: the checksum of Perilune is 1-00000000", 1, true), text)
    assert.is_nil(written)
  end)

  it("says which program failed, and why", function()
    local text, succeeded, written = run_driver("--only", "load_all", "--programs",
      "perilune", "--perilune", impostor('echo "out of luck" >&2; exit 3'))
    assert.is_false(succeeded)
    assert.is_truthy(text:find("load_all failed in Perilune:\nout of luck", 1, true), text)
    assert.is_nil(written)
  end)

  it("goes on after a failure when told to, without a figure for it", function()
    local text, succeeded, written = run_driver("--only", "load_all", "--programs",
      "perilune", "--keep-going", "--perilune", impostor('echo "out of luck" >&2; exit 3'))
    assert.is_false(succeeded)
    assert.is_truthy(written, text)
    local rows = rows_below(written, "Time")
    assert.is_truthy(rows.load_all:find("| - | - | - |", 1, true), rows.load_all)
  end)

  it("leaves out a program that is not there", function()
    local text, succeeded, written = run_driver("--only", "load_all", "--programs",
      "perilune", "--perilune", "/nonexistent/perilune")
    assert.is_true(succeeded, text)
    assert.is_truthy(text:find("Perilune is skipped", 1, true), text)
    assert.is_nil(written:find("Perilune ms", 1, true))
  end)
end)
