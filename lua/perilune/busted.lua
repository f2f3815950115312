--- `perilune spec [options of busted]`: busted in this interpreter.
-- @module perilune.busted
local core = require "perilune.core"

local busted = {}

--- The function that reads the options and runs; nil and a message without busted.
local function runner()
  local found, run = pcall(require, "busted.runner")
  return found and run or nil, run
end

--- The command.
function busted.command(words)
  local commands = require "perilune.commands"
  local run, message = runner()
  if not run then
    return commands.misuse("busted is not installed (lua-busted on Debian): " .. tostring(message):match "[^\n]*")
  end
  local list = { [0] = "busted", [-1] = core.program().name }
  for i, word in ipairs(words) do list[i] = word end
  _G.arg = list
  run { standalone = false }
  return 0
end

return busted
