-- SPDX-License-Identifier: MIT
-- The tutorial: by the program and by stock Lua, in two languages, twice on one file.

local run = require "spec.support.run"

local function absolute(path)
  if path:find "^/" then return path end
  local pwd = run.command { "pwd" }.out:gsub("\n$", "")
  return pwd .. "/" .. path
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

describe("the tutorial", function()
  local folder
  local program = absolute(run.program())

  before_each(function() folder = run.folder() end)
  after_each(function() run.remove(folder) end)

  local russian = { Alice = "Алиса", Bob = "Боря", Hello = "Привет", admins = "админы" }

  local function translate(text)
    return (text:gsub("%a+", russian))
  end

  local function same(text) return text end

  local function copy(change)
    run.write(folder .. "/tutorial.lua", change(read "examples/tutorial.lua"))
    return folder .. "/tutorial.lua"
  end

  local function as_expected(result, change)
    assert.equal("", result.err)
    assert.equal(change(read "examples/expected/tutorial.txt"), result.out)
    assert.equal(0, result.code)
  end

  local function by_program(script)
    return run.command({ program, script }, { dir = folder })
  end

  local function by_lua(script)
    return run.command({ "lua5.4", script },
      { dir = folder, env = run.beside(program) })
  end

  for name, change in pairs { ["as it is"] = same, ["with Russian data"] = translate } do
    it(name .. " runs in the program, and again on the same file", function()
      local script = copy(change)
      as_expected(by_program(script), change)
      as_expected(by_program(script), change)
    end)

    it(name .. " runs in stock Lua, and again on the same file", function()
      local script = copy(change)
      as_expected(by_lua(script), change)
      as_expected(by_lua(script), change)
    end)
  end

  it("leaves a sound file that both can use", function()
    local script = copy(translate)
    as_expected(by_program(script), translate)
    as_expected(by_lua(script), translate)
    local check = run.command({ program, "-e", [[
      local db = require "perilune".open "sqlite:///instance/database.db"
      print(db.session:scalar(db.text "PRAGMA integrity_check"))
      print(db.session:scalar(db.text 'SELECT name FROM "group"'))
      db:close()
    ]] }, { dir = folder })
    assert.equal("ok\nадмины\n", check.out .. check.err)
  end)
end)
