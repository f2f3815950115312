--- The commands of the program: `perilune shell app.lua` and its like.
-- Each has a module of its own whose function `command` gets the words after the name and
-- returns an exit status. Other names are commands that an app defined.
-- @module perilune.commands
local core = (function() require "perilune" return require "perilune.core" end)()

local commands = {}

--- Name of a command -> module.
commands.modules = {
  shell = "shell", spec = "busted", check = "check", stubs = "stubs",
  ["db schema"] = "ddl", ["db diagram"] = "diagram",
}

--- Ends the command with a message and a line of usage.
function commands.misuse(message, usage)
  io.stderr:write(("%s: %s\n"):format(core.program().name, message))
  if usage then io.stderr:write("usage: ", core.program().name, " ", usage, "\n") end
  return 1
end

--- Reads options that stand among the words of a command.
-- @tab words
-- @tab known name -> true for a flag, "NAME" for one that takes an argument
-- @treturn table|nil the other words, with the options by name; nil and a message
function commands.options(words, known)
  local out, i = {}, 1
  while i <= #words do
    local word = words[i]
    local name, value = word:match "^%-%-([%w-]+)=?(.*)$"
    if not name then
      out[#out + 1] = word
    elseif not known[name] then
      return nil, ("unrecognized option '--%s'"):format(name)
    elseif known[name] == true then
      out[name] = true
    else
      if not word:find("=", 1, true) then
        i = i + 1
        value = words[i]
      end
      if not value or value == "" then return nil, ("'--%s' needs argument"):format(name) end
      out[name] = value
    end
    i = i + 1
  end
  return out
end

--- Names of the commands that begin with a word, for messages.
local function names_below(word)
  local names = {}
  for name in pairs(commands.modules) do
    if name:find(word, 1, true) == 1 then names[#names + 1] = name end
  end
  table.sort(names)
  return table.concat(names, ", ")
end

local function run_of_app(name, path, ...)
  local made = require "perilune.target".load(path, { ... })
  if not made.app then
    return commands.misuse(("%s makes no App that could have a command '%s'"):format(path, name))
  end
  if not made.app.cli.commands[name] then
    local near = core.nearest(name, made.app.cli:names())
    return commands.misuse(("%s has no command '%s'%s"):format(path, name,
      near and (" (did you mean '%s'?)"):format(near) or ""))
  end
  made.app.cli:run(name, ...)
  return 0
end

--- Runs a command.
-- @string name
-- @param ... the words after it
-- @treturn int exit status
function commands.run(name, ...)
  local words = { ... }
  local module = commands.modules[name]
  if not module and name == "db" then
    local full = "db " .. (words[1] or "")
    module = commands.modules[full]
    if not module then
      return commands.misuse(words[1] and ("there is no command '%s'"):format(full)
        or "db needs a command: " .. names_below "db ", "db COMMAND app.lua")
    end
    table.remove(words, 1)
  end
  if not module then return run_of_app(name, ...) end
  return require("perilune." .. module).command(words) or 0
end

return commands
