-- The library from outside: its header, what it exports, the example in C, and that the
-- example leaves no memory under valgrind.

local run = require "spec.support.run"

local build = run.program():match "^(.*)/" or "."

local function has(tool)
  return run.command { "sh", "-c", "command -v " .. tool }.code == 0
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function lines(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do list[#list + 1] = line end
  table.sort(list)
  return list
end

describe("perilune.h", function()
  local header = read "host/embed/perilune.h"

  it("says the version of the module", function()
    local version = header:match '#define PERILUNE_VERSION "(.-)"'
    assert.equal("Perilune " .. version, require "perilune"._VERSION)
    local major, minor, patch = version:match "(%d+)%.(%d+)%.(%d+)"
    local number = major * 1000000 + minor * 1000 + patch
    assert.equal(number, tonumber(header:match "#define PERILUNE_VERSION_NUMBER (%d+)"))
  end)

  for name, compiler in pairs { C99 = { "cc", "-std=c99", "-x", "c" },
    ["C++"] = { "c++", "-std=c++11", "-x", "c++" } } do
    it("compiles alone as " .. name, function()
      if not has(compiler[1]) then return pending(compiler[1] .. " is not installed") end
      local words = { table.unpack(compiler) }
      for _, word in ipairs { "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
        "host/embed/perilune.h" } do words[#words + 1] = word end
      if words[1] == "cc" then table.insert(words, 2, "-Wno-pragma-once-outside-header") end
      local result = run.command(words)
      assert.equal("", result.err)
      assert.equal(0, result.code)
    end)
  end

  it("declares exactly what the shared library exports", function()
    if not has "nm" then return pending "nm is not installed" end
    local exported, declared = {}, {}
    for line in run.command({ "nm", "-D", "--defined-only", build .. "/libperilune.so.0" })
      .out:gmatch "[^\n]+" do
      exported[#exported + 1] = line:match "%S+$"
    end
    for declaration in header:gmatch "\nPERILUNE_API ([^;]-)%(" do
      declared[#declared + 1] = declaration:match "[%w_]+$"
    end
    table.sort(exported)
    table.sort(declared)
    assert.same(declared, exported)
    assert.is_true(#declared > 30)
  end)

  it("has a function for every name of the error map", function()
    local codes = {}
    for name, number in header:gmatch "X%((%u+), (%-%d+)," do codes[number] = name end
    assert.equal("MEMORY", codes["-1"])
    assert.equal("POLICY", codes["-13"])
  end)
end)

describe("examples/embed", function()
  it("shop prints what is expected", function()
    local result = run.command { build .. "/embed/shop" }
    assert.same({ out = read "examples/embed/expected/shop.txt", err = "", code = 0 }, result)
  end)

  it("shop leaves no memory", function()
    if not has "valgrind" then return pending "valgrind is not installed" end
    if os.getenv "ASAN_OPTIONS" then return pending "the sanitizer looks for itself" end
    local result = run.command { "valgrind", "-q", "--error-exitcode=9", "--leak-check=full",
      "--show-leak-kinds=definite,indirect,possible", build .. "/embed/shop" }
    assert.equal("", result.err)
    assert.equal(0, result.code)
    assert.same(lines(read "examples/embed/expected/shop.txt"), lines(result.out))
  end)
end)
