-- What the README shows is what happens.

local run = require "spec.support.run"

describe("the README", function()
  local text, program, folder

  setup(function()
    local file = assert(io.open "README.md")
    text = file:read "a"
    file:close()
    program = run.command({ "realpath", run.program() }).out:match "[^\n]+"
    folder = run.folder()
    run.write(folder .. "/blog.lua", (text:match "```lua\n(.-)```"))
  end)

  teardown(function() run.remove(folder) end)

  it("begins with a program that runs, twice", function()
    for _ = 1, 2 do
      local result = run.command({ program, "blog.lua" }, { dir = folder })
      assert.same({ 0, "" }, { result.code, result.err })
      assert.truthy(result.out:find "^%[<User Alice>%]\nHello\n1\tSELECT [^\n]*\n$", result.out)
    end
    assert.truthy(io.open(folder .. "/instance/database.db")):close()
  end)

  it("shows the shell as it is", function()
    run.command({ "rm", "-r", folder .. "/instance" })
    local shown = text:match("\n(    > Post.query.-)\n\n"):gsub("\n    ", "\n"):gsub("^    ", "")
    local lines = {}
    for line in shown:gmatch "> ([^\n]*)" do lines[#lines + 1] = line end
    assert.equal(2, #lines)
    local result = run.command({ program, "shell", "blog.lua" },
      { dir = folder, stdin = table.concat(lines, "\n") .. "\n" })
    local answers = shown:gsub("> [^\n]*\n", "")
    assert.equal(answers .. "\n", (result.out:gsub("> ", ""):gsub("\n\n$", "\n")))
  end)

  it("names examples that are there", function()
    local named = 0
    for cell in text:match("| Question | Example |\n(.-)\n\n"):gmatch "| ([^|]*) |\n" do
      for name in cell:gmatch "`([^`]+)`" do
        named = named + 1
        assert.truthy(os.rename("examples/" .. name, "examples/" .. name), name)
      end
    end
    assert.truthy(named > 10)
  end)

  it("names files that are there", function()
    for path in text:match("## How it is built(.-)## What"):gmatch "`(%l[%w_/]*/[%w_]+%.%l+)`" do
      local found = io.open("bindings/" .. path) or io.open(path)
      assert.truthy(found, path)
      found:close()
    end
  end)
end)
