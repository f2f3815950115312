-- SPDX-License-Identifier: MIT
-- Asks Python what it makes of the same values. python.run(script, input) returns the
-- output's lines; python.missing(module) a word for pending() when it cannot be asked.

local run = require "spec.support.run"

local python = {}

-- The system's own interpreter comes first: that is where Debian installs modules.
local function interpreter()
  for _, path in ipairs { "/usr/bin/python3", "python3" } do
    if run.command({ "sh", "-c", "command -v " .. path }).code == 0 then return path end
  end
end

function python.missing(module)
  local program = interpreter()
  if not program then return "no python3" end
  if module and run.command({ program, "-c", "import " .. module }).code ~= 0 then
    return "no Python module " .. module
  end
end

function python.run(script, input)
  local result = run.command({ interpreter(), "-c", script },
    { stdin = input, env = { PYTHONWARNINGS = "ignore", PYTHONIOENCODING = "utf-8" } })
  assert(result.code == 0, result.err)
  local lines = {}
  for line in result.out:gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  return lines
end

return python
