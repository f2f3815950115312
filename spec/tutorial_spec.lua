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
  local build = program:match "^(.*)/[^/]*$"

  before_each(function() folder = run.folder() end)
  after_each(function() run.remove(folder) end)

  local function copy(name)
    run.write(folder .. "/" .. name .. ".lua", read("examples/" .. name .. ".lua"))
    return folder .. "/" .. name .. ".lua"
  end

  local function as_expected(result, name)
    assert.equal("", result.err)
    assert.equal(read("examples/expected/" .. name .. ".txt"), result.out)
    assert.equal(0, result.code)
  end

  local function by_program(script)
    return run.command({ program, script }, { dir = folder })
  end

  local function by_lua(script)
    return run.command({ "lua5.4", script },
      { dir = folder, env = { LUA_CPATH = build .. "/?.so;;" } })
  end

  for _, name in ipairs { "tutorial", "tutorial_ru" } do
    it(name .. " runs in the program, and again on the same file", function()
      local script = copy(name)
      as_expected(by_program(script), name)
      as_expected(by_program(script), name)
    end)

    it(name .. " runs in stock Lua, and again on the same file", function()
      local script = copy(name)
      as_expected(by_lua(script), name)
      as_expected(by_lua(script), name)
    end)
  end

  it("leaves a sound file that both can use", function()
    local script = copy "tutorial_ru"
    as_expected(by_program(script), "tutorial_ru")
    as_expected(by_lua(script), "tutorial_ru")
    local check = run.command({ program, "-e", [[
      local db = require "perilune".open "sqlite:///instance/блог.db"
      print(db.session:scalar(db.text "PRAGMA integrity_check"))
      print(db.session:scalar(db.text 'SELECT name FROM "group"'))
      db:close()
    ]] }, { dir = folder })
    assert.equal("ok\nадминистраторы\n", check.out .. check.err)
  end)
end)
