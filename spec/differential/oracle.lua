-- SPDX-License-Identifier: MIT
-- Runs documents of scenarios on both sides: the Python driver as a child
-- process, in the background, and the Lua drivers in this one.

local json = require "spec.differential.json"

local oracle = {}

local python = "PYTHONHASHSEED=0 /usr/bin/python3 -B"
local directory = debug.getinfo(1, "S").source:match "^@(.*)oracle%.lua$"

-- True when the oracle can run here.
function oracle.available()
  return os.execute(python .. " -c 'import sqlalchemy, flask_sqlalchemy' >/dev/null 2>&1") == true
end

-- Starts the oracle on a document; the function that it returns waits for the
-- results and gives them as a list.
function oracle.start(document)
  local source, target = os.tmpname(), os.tmpname()
  local file = assert(io.open(source, "w"))
  file:write(json.encode(document))
  file:close()
  local command = ("%s %sdriver.py %s %s 2>&1"):format(python, directory, source, target)
  local process = assert(io.popen(command))
  return function()
    local output = process:read "a"
    local ok = process:close()
    local results = {}
    for line in io.lines(target) do results[#results + 1] = json.decode(line) end
    os.remove(source)
    os.remove(target)
    if not ok then error("the oracle failed: " .. output) end
    return results
  end
end

-- The results of a document on Perilune, in the same form and order.
function oracle.perilune(document)
  local results = {}
  if document.queries and #document.queries > 0 then
    local shop = require("spec.differential.scenario").shop(document.schema, document.data)
    for _, scenario in ipairs(document.queries) do results[#results + 1] = shop:run(scenario) end
  end
  local unit = require "spec.differential.unit"
  for _, program in ipairs(document.programs or {}) do
    if program.declare then
      results[#results + 1] = unit.declaration(program)
    else
      results[#results + 1] = unit.run(document.schemas[program.schema], program)
    end
  end
  return results
end

-- Whether two lists of results say the same: the differences that nobody
-- declared, the entries that explain the others, and the programs that differ.
local function judge(document, expected, got)
  local compare = require "spec.differential.compare"
  local known = require "spec.differential.differences"
  local open, declared, programs = {}, {}, {}
  local function sort_out(list)
    local before = #open
    for _, d in ipairs(list) do
      local entry = known.explain(d)
      if entry then declared[#declared + 1] = entry else open[#open + 1] = d end
    end
    return #open > before
  end
  local i = 0
  for _, scenario in ipairs(document.queries or {}) do
    i = i + 1
    sort_out(compare.query(scenario, expected[i], got[i]))
  end
  for _, program in ipairs(document.programs or {}) do
    i = i + 1
    local schema = program.declare or document.schemas[program.schema]
    if sort_out(compare.program(program, schema, expected[i], got[i], known.explain)) then
      programs[#programs + 1] = { program = program, got = got[i] }
    end
  end
  return open, declared, programs
end

-- Programs that differ are given to the oracle again: it takes a few orders from
-- sets, and what it does only sometimes is no promise.
local function again(document, programs)
  local rest, got = {}, {}
  for i, p in ipairs(programs) do rest[i], got[i] = p.program, p.got end
  local part = { schemas = document.schemas, programs = rest }
  return judge(part, oracle.start(part)(), got)
end

-- All differences of a document, undeclared and declared, in order.
function oracle.differences(document)
  local wait = oracle.start(document)
  local got = oracle.perilune(document)
  local open, declared, programs = judge(document, wait(), got)
  for _ = 1, 3 do
    if document.queries or #programs == 0 then break end
    open, _, programs = again(document, programs)
  end
  return open, declared
end

function oracle.query_document(queries)
  return {
    schema = require "spec.differential.schema", data = require "spec.differential.rows",
    queries = queries,
  }
end

return oracle
