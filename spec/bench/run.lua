-- SPDX-License-Identifier: MIT
-- The driver of the benchmark: compiles the C programs, makes the database files, runs every
-- workload in every program in interleaved rounds, each run a process of its own, compares
-- the checksums and settings, and writes the table of medians. README.md says how to read it.
--
--     lua5.4 spec/bench/run.lua [options]        (or build/perilune spec/bench/run.lua)
--
-- It times nothing itself: the programs print their times. Needs only Lua 5.4, a shell, cc
-- and SQLite's header. A program that is not installed is left out with a word; a program
-- that fails or disagrees ends the run with status 1 and without a table.

local usage = [[
usage: run.lua [options]
  --rounds N        runs of each workload in each program (default 5)
  --only NAMES      these workloads only, separated by commas
  --programs NAMES  these programs only: raw,perilune,luasql,sqlalchemy
  --quick           2,000 rows instead of 100,000 and one round: a smoke test
  --rows N          another number of rows (at least 2,000)
  --build DIR       where build products are (default build)
  --perilune FILE   the perilune program (default DIR/perilune)
  --out FILE        where the table goes (default DIR/bench.md)
  --growth          also the cost of one object from 1,000 objects to 1,000,000
  --keep-going      a failed run leaves an empty cell instead of ending the benchmark
]]

local here = arg[0]:match("^(.*)/") or "."
local workloads = dofile(here .. "/workloads.lua")

local function fail(message, ...)
  io.stderr:write("bench: ", message:format(...), "\n")
  os.exit(1, true)
end

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- The output of a command and whether it succeeded.
local function capture(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  return text, (pipe:close())
end

local function must(command)
  local text, done = capture(command .. " 2>&1")
  if not done then fail("this failed: %s\n%s", command, text) end
  return text
end

-- ---- options ----

local function count(text)
  return math.tointeger(tonumber(text))
end

local function words(text)
  local set = {}
  for word in text:gmatch("[^,]+") do set[word] = true end
  return set
end

local VALUED = {
  rounds = count, rows = count, only = words, programs = words,
  build = tostring, perilune = tostring, out = tostring,
}
local FLAGS = { quick = true, growth = true, ["keep-going"] = true }

local function parse_options(arguments)
  local options, i = {}, 1
  while i <= #arguments do
    local name = arguments[i]:match("^%-%-(.+)$")
    if name == "help" then
      io.write(usage)
      os.exit(0, true)
    elseif FLAGS[name] then
      options[name] = true
    elseif VALUED[name] and arguments[i + 1] then
      i = i + 1
      options[name] = VALUED[name](arguments[i])
    end
    if not options[name] then fail("bad argument '%s'\n%s", arguments[i], usage) end
    i = i + 1
  end
  options.rounds = options.rounds or (options.quick and 1 or 5)
  options.rows = options.rows or (options.quick and 2000 or 100000)
  options.build = options.build or "build"
  options.out = options.out or options.build .. "/bench.md"
  options.perilune = options.perilune or options.build .. "/perilune"
  if options.rows < 2000 or options.rounds < 1 then fail("too few rows or rounds") end
  return options
end

-- The workloads asked for; a name that is not known is an error, not an empty table.
local function chosen_workloads(only)
  local list, known = {}, {}
  for _, w in ipairs(workloads) do
    known[w.name] = true
    if not only or only[w.name] then list[#list + 1] = w end
  end
  for name in pairs(only or {}) do
    if not known[name] then fail("no workload is called '%s'", name) end
  end
  return list
end

-- ---- programs ----

-- jansson is asked for by compiling with it: that is also how its absence shows.
local function compile(directory)
  local cc = os.getenv("CC") or "cc"
  local flags = "-std=c11 -O2 -D_POSIX_C_SOURCE=200809L -Wall -Wextra"
  local raw = ("%s %s %%s -o %s %s/raw.c %s/raw_more.c %s/common.c -lsqlite3 %%s"):format(
    cc, flags, quoted(directory .. "/raw"), quoted(here), quoted(here), quoted(here))
  local _, with_json = capture(raw:format("-DBENCH_JANSSON", "-ljansson") .. " 2>&1")
  if not with_json then
    must(raw:format("", ""))
    print("raw C is built without jansson: no typed_insert, no typed_load")
  end
  must(("%s %s -o %s %s/fixture.c %s/common.c -lsqlite3"):format(
    cc, flags, quoted(directory .. "/fixture"), quoted(here), quoted(here)))
end

local function first_that_runs(candidates, test)
  for _, program in ipairs(candidates) do
    local _, runs = capture(("%s %s >/dev/null 2>&1"):format(program, test))
    if runs then return program end
  end
  return candidates[1]
end

local function all_programs(options, directory)
  local lua = first_that_runs({ "lua5.4", "lua" }, [[-e 'assert(_VERSION == "Lua 5.4")']])
  local python = first_that_runs({ "/usr/bin/python3", "python3" }, [[-c 'import sqlalchemy']])
  return {
    { name = "raw", title = "raw C", command = quoted(directory .. "/raw") },
    { name = "perilune", title = "Perilune",
      command = quoted(options.perilune) .. " " .. quoted(here .. "/perilune_bench.lua") },
    { name = "luasql", title = "LuaSQL", command = lua .. " " .. quoted(here .. "/luasql.lua") },
    { name = "sqlalchemy", title = "SQLAlchemy",
      command = python .. " " .. quoted(here .. "/sqlalchemy_bench.py") },
  }
end

local function last_line(text)
  return text:match("([^\n]+)\n*$") or "no output"
end

-- The programs that answer a probe; raw C must, because all is measured against it.
local function usable_programs(options, directory)
  local list = {}
  for _, program in ipairs(all_programs(options, directory)) do
    if not options.programs or options.programs[program.name] or program.name == "raw" then
      local text = capture(program.command .. " probe 2>&1")
      program.version = text:match("^ok probe ([^\n]+)")
      if program.version then
        list[#list + 1] = program
      elseif program.name == "raw" then
        fail("raw C does not run: %s", text)
      else
        print(("%s is skipped: %s"):format(program.title, last_line(text)))
      end
    end
  end
  return list
end

-- ---- runs ----

local function remove_database(path)
  for _, suffix in ipairs { "", "-wal", "-shm", "-journal" } do os.remove(path .. suffix) end
end

local function make_fixtures(options, directory, list)
  local made = {}
  for _, w in ipairs(list) do
    if not made[w.fixture] then
      local path = directory .. "/" .. w.fixture .. ".db"
      remove_database(path)
      must(("%s make %s %s %d"):format(quoted(directory .. "/fixture"), w.fixture, quoted(path),
        options.rows))
      made[w.fixture] = path
    end
  end
  return made
end

-- One run of one workload: its checksum, seconds, peak and settings; or nil and why not.
local function run_once(context, program, workload)
  local file = context.fixtures[workload.fixture]
  if workload.writes then
    local copy = context.directory .. "/run.db"
    remove_database(copy)
    must(("cp %s %s"):format(quoted(file), quoted(copy)))
    file = copy
  end
  local text = capture(("%s%s %s %s %d 2>&1"):format(context.timeout, program.command,
    workload.name, quoted(file), context.rows))
  local checksum, seconds, peak, settings = text:match("ok %S+ (%S+) (%S+) (%d+) ([^\n]+)")
  local result, reason = nil, text:match("^skip %S+ ([^\n]+)")
  if checksum then
    result = { checksum = checksum, seconds = tonumber(seconds), peak = tonumber(peak),
      settings = settings }
    if workload.writes then
      local digest = must(("%s digest %s"):format(quoted(context.directory .. "/fixture"),
        quoted(file)))
      result.checksum = checksum .. ":" .. digest:gsub("%s+$", "")
    end
  end
  if workload.writes then remove_database(file) end
  return result, reason, text
end

local function complain(context, message, ...)
  if not context.keep_going then fail(message, ...) end
  print(message:format(...))
  context.failed = true
end

-- Equal work on equal terms, or no figure: the first program to run sets the standard.
local function compare(context, program, workload, result)
  local standard = context.standard[workload.name]
  if not standard then
    context.standard[workload.name] = { by = program.title, result = result }
    return true
  end
  for _, field in ipairs { "checksum", "settings" } do
    if standard.result[field] ~= result[field] then
      complain(context, "%s: the %s of %s is %s, of %s %s", workload.name, field,
        program.title, result[field], standard.by, standard.result[field])
      return false
    end
  end
  return true
end

local function run_cell(context, program, workload)
  local cells = context.cells[workload.name]
  cells[program.name] = cells[program.name] or { seconds = {}, peaks = {} }
  local cell = cells[program.name]
  if cell.skipped then return end
  local result, reason, text = run_once(context, program, workload)
  if reason then
    cell.skipped = reason
  elseif not result then
    cell.skipped = "failed"
    complain(context, "%s failed in %s:\n%s", workload.name, program.title, text)
  elseif not compare(context, program, workload, result) then
    cell.skipped = "disagrees"
  else
    cell.seconds[#cell.seconds + 1] = result.seconds
    cell.peaks[#cell.peaks + 1] = result.peak
  end
end

local function run_rounds(context, programs, list, rounds)
  for _, w in ipairs(list) do context.cells[w.name] = {} end
  for round = 1, rounds do
    io.write(("round %d of %d:"):format(round, rounds))
    for _, w in ipairs(list) do
      io.write(" ", w.name)
      io.flush()
      for _, program in ipairs(programs) do run_cell(context, program, w) end
    end
    io.write("\n")
  end
end

-- ---- the table ----

local function median(values)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  local n = #sorted
  return (sorted[(n + 1) // 2] + sorted[n // 2 + 1]) / 2
end

local function summed_up(cell, field, by)
  if not cell or cell.skipped or #cell[field] == 0 then return nil end
  if by == "least" then return math.min(table.unpack(cell[field])) end
  return median(cell[field])
end

local function number(value, format)
  return value and format:format(value) or "-"
end

local function ratio(value, base)
  return value and base and value / base or nil
end

local function row_of(cells)
  return "| " .. table.concat(cells, " | ") .. " |\n"
end

local function rule(columns)
  return "|---|" .. ("--:|"):rep(columns - 1) .. "\n"
end

local function verdict(reached, target)
  if not target then return "" end
  if not reached then return number(target, "%.2f") end
  return number(target, "%.2f") .. (reached <= target and " met" or " missed")
end

local function time_row(context, programs, w)
  local cells = context.cells[w.name]
  local raw = summed_up(cells.raw, "seconds")
  local row = { w.name, number(raw and raw * 1e3, "%.1f"),
    number(raw and raw * 1e6 / w.ops(context.rows), "%.2f") }
  for _, program in ipairs(programs) do
    if program.name ~= "raw" then
      local seconds = summed_up(cells[program.name], "seconds")
      row[#row + 1] = number(seconds and seconds * 1e3, "%.1f")
      row[#row + 1] = number(ratio(seconds, raw), "%.2f")
    end
    if program.name == "perilune" then
      row[#row + 1] = number(ratio(summed_up(cells.perilune, "seconds", "least"),
        summed_up(cells.raw, "seconds", "least")), "%.2f")
    end
  end
  row[#row + 1] = verdict(ratio(summed_up(cells.perilune, "seconds"), raw), w.target)
  return row_of(row)
end

local function time_header(programs)
  local titles = { "workload", "raw C ms", "µs per operation" }
  for _, program in ipairs(programs) do
    if program.name ~= "raw" then
      titles[#titles + 1] = program.title .. " ms"
      titles[#titles + 1] = "ratio"
    end
    if program.name == "perilune" then titles[#titles + 1] = "ratio of the quickest" end
  end
  titles[#titles + 1] = "target"
  return row_of(titles) .. rule(#titles)
end

local function memory_row(context, programs, w)
  local cells = context.cells[w.name]
  local raw = summed_up(cells.raw, "peaks")
  local row = { w.name }
  for _, program in ipairs(programs) do
    local peak = summed_up(cells[program.name], "peaks")
    row[#row + 1] = number(peak and peak / 1024, "%.1f")
    if program.name ~= "raw" then row[#row + 1] = number(ratio(peak, raw), "%.2f") end
  end
  row[#row + 1] = verdict(ratio(summed_up(cells.perilune, "peaks"), raw), w.memory_target)
  return row_of(row)
end

local function memory_header(programs)
  local titles = { "workload" }
  for _, program in ipairs(programs) do
    titles[#titles + 1] = program.title .. " MB"
    if program.name ~= "raw" then titles[#titles + 1] = "ratio" end
  end
  titles[#titles + 1] = "target"
  return row_of(titles) .. rule(#titles)
end

local function machine()
  local model = capture("sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1")
  local system = capture("uname -srm")
  local cpus = capture("getconf _NPROCESSORS_ONLN")
  local function trim(text) return (text:gsub("%s+$", "")) end
  return ("%s, %s processors, %s"):format(trim(model), trim(cpus), trim(system))
end

local function notes(programs, context, list)
  local lines = {}
  for _, program in ipairs(programs) do
    lines[#lines + 1] = ("- %s: %s"):format(program.title, program.version)
    for _, w in ipairs(list) do
      local cell = context.cells[w.name][program.name]
      if cell and cell.skipped then
        lines[#lines + 1] = ("  - no %s: %s"):format(w.name, cell.skipped)
      end
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

local function write_table(context, programs, list, options)
  local parts = {
    "# Benchmark\n\n",
    ("%s. %s rows, %d round%s, medians; ratios are to raw C.\n\n"):format(machine(),
      options.rows, options.rounds, options.rounds == 1 and "" or "s"),
    notes(programs, context, list), "\n## Time\n\n", time_header(programs),
  }
  for _, w in ipairs(list) do parts[#parts + 1] = time_row(context, programs, w) end
  parts[#parts + 1] = "\n## Peak memory of the process\n\n"
  parts[#parts + 1] = memory_header(programs)
  for _, w in ipairs(list) do parts[#parts + 1] = memory_row(context, programs, w) end
  local text = table.concat(parts)
  local file = assert(io.open(options.out, "w"))
  file:write(text)
  file:close()
  io.write("\n", text)
end

local function measures(programs, name)
  for _, program in ipairs(programs) do
    if program.name == name then return true end
  end
  return false
end

local function main()
  local options = parse_options(arg)
  local directory = options.build .. "/bench"
  must("mkdir -p " .. quoted(directory))
  compile(directory)
  local programs = usable_programs(options, directory)
  local list = chosen_workloads(options.only)
  local _, has_timeout = capture("timeout 5 true 2>&1")
  local context = {
    rows = options.rows, directory = directory, keep_going = options["keep-going"],
    timeout = has_timeout and "timeout 900 " or "",
    fixtures = make_fixtures(options, directory, list), cells = {}, standard = {},
  }
  run_rounds(context, programs, list, options.rounds)
  for _, path in pairs(context.fixtures) do remove_database(path) end
  write_table(context, programs, list, options)
  if not options.only and measures(programs, "perilune") then
    io.write("\n", must(("%s %s --queries %d --out %s"):format(quoted(options.perilune),
      quoted(here .. "/compile.lua"), options.quick and 20 or 500, quoted(options.out))))
  end
  if options.growth then
    must(("%s %s --out %s"):format(quoted(options.perilune), quoted(here .. "/growth.lua"),
      quoted(options.out)))
  end
  if context.failed then os.exit(1, true) end
end

main()
