-- The checks of make lint that are our own, and the step that embeds Lua, tried on small
-- trees with one fault each.

local run = require "spec.support.run"

local root = require "lfs".currentdir()

describe("house rules", function()
  local folder

  before_each(function() folder = run.folder() end)
  after_each(function() run.remove(folder) end)

  -- files: text by path. Returns how the script ended when it was given all of them.
  local function check(script, files)
    local command = { "lua5.4", root .. "/.ci/" .. script }
    for path, text in pairs(files) do
      os.execute("mkdir -p " .. run.quote(folder .. "/" .. path:match("(.*)/")))
      run.write(folder .. "/" .. path, text)
      command[#command + 1] = path
    end
    return run.command(command, { dir = folder })
  end

  local function complains(expected, script, files)
    local result = check(script, files)
    assert.equal(1, result.code)
    assert.truthy(result.err:find(expected, 1, true), result.err)
  end

  local function passes(script, files)
    local result = check(script, files)
    assert.same({ 0, "" }, { result.code, result.err })
  end

  describe("on floors", function()
    it("let a file include its own floor and lower ones", function()
      passes("floors.lua", {
        ["bindings/core/base/a.h"] = "#include <stddef.h>\n",
        ["bindings/core/sql/b.h"] = '#include "core/base/a.h"\n#include "c.h"\n',
        ["bindings/core/sql/c.h"] = "",
        ["bindings/core/driver/sqlite_db.h"] = "#include <sqlite3.h>\n",
        ["bindings/userdata/u.c"] = '#include <lua.h>\n#include "core/sql/b.h"\n'
          .. 'const char *s = "cannot SELECT this; UPDATE is no statement here";\n'
          .. 'const char *t = "SELECT statement without a table";\n',
        ["bindings/pl_lua.h"] = "#include <lua.h>\n",
        ["host/program/main.c"] = '#include "pl_lua.h"\n',
      })
    end)

    it("refuse an upward include", function()
      complains("bindings/core/base/a.h:2: floor 1 includes bindings/core/sql/b.h of floor 3",
        "floors.lua", { ["bindings/core/base/a.h"] = '\n#include "core/sql/b.h"\n',
          ["bindings/core/sql/b.h"] = "" })
    end)

    it("refuse a circle", function()
      complains("circle: ", "floors.lua", { ["bindings/core/sql/a.h"] = '#include "b.h"\n',
        ["bindings/core/sql/b.h"] = '#include "core/sql/a.h"\n' })
    end)

    it("refuse a header that is not there", function()
      complains('includes "nix.h", which is not there', "floors.lua",
        { ["bindings/core/sql/a.h"] = '#include "nix.h"\n' })
    end)

    it("keep Lua out of the core and SQLite in its file", function()
      complains("a.c:1: lua.h in the core", "floors.lua",
        { ["bindings/core/unit/a.c"] = "#include <lua.h>\n" })
      complains("a.c:1: sqlite3.h outside", "floors.lua",
        { ["bindings/userdata/a.c"] = "#include <sqlite3.h>\n" })
    end)

    it("keep SQL out of the bindings", function()
      complains("SQL text", "floors.lua",
        { ["bindings/userdata/a.c"] = 'f("SELECT 1");\n' })
      complains("SQL text", "floors.lua",
        { ["bindings/userdata/a.c"] = 'f("%s WHERE x");\n' })
    end)

    it("let the host see one header of the bindings", function()
      complains("through bindings/pl_lua.h only", "floors.lua",
        { ["host/embed/a.c"] = '#include "core/base/a.h"\n', ["bindings/core/base/a.h"] = "" })
    end)
  end)

  describe("on functions", function()
    local function lines(n) return ("    x++;\n"):rep(n) end

    it("allow a hundred lines", function()
      passes("measure.lua", { ["bindings/core/sql/a.c"] = "int f(int a,\n      int b) {\n"
        .. lines(98) .. "}\n" })
      complains("a.c:2: function of 101 lines", "measure.lua",
        { ["bindings/core/sql/a.c"] = "int f(int a,\n      int b) {\n" .. lines(99) .. "}\n" })
    end)

    it("refuse what is banned, outside comments and strings", function()
      passes("measure.lua", { ["bindings/core/sql/a.c"] = 'int f(void) {\n    /* sprintf( */\n'
        .. '    g("strcpy(");\n    x->free(y);\n    pl_free(y);\n}\n' })
      complains("a.c:2: sprintf is not used here", "measure.lua",
        { ["bindings/core/sql/a.c"] = "int f(void) {\n    sprintf(a, b);\n}\n" })
      complains("malloc is not used here", "measure.lua",
        { ["bindings/core/sql/a.c"] = "int f(void) {\n    return malloc(1);\n}\n" })
    end)

    it("leave allocation to the base", function()
      passes("measure.lua",
        { ["bindings/core/base/a.c"] = "int f(void) {\n    return malloc(1);\n}\n" })
    end)
  end)
end)

describe("embedding Lua", function()
  local folder

  before_each(function()
    folder = run.folder()
    os.execute("mkdir -p " .. folder .. "/lua/perilune/x")
  end)
  after_each(function() run.remove(folder) end)

  local function embed(path, text, option)
    run.write(folder .. "/" .. path, text)
    return run.command({ "lua5.4", root .. "/lua/embed.lua", option or path, option and path },
                       { dir = folder })
  end

  -- The bytes that a C compiler makes of the text written.
  local function compiled(text)
    run.write(folder .. "/sources.c", text:gsub("#include[^\n]*\n", "") .. [[
#include <stdio.h>
int main(void) {
    for (const struct plua_source *s = plua_sources; s->name; s++) {
        printf("%s %d ", s->name, (int)s->length);
        fwrite(s->text, 1, (size_t)s->length, stdout);
    }
    return 0;
}
]])
    run.write(folder .. "/before.h", [[
#define PL_LUA_API
typedef struct lua_State lua_State;
struct plua_source { const char *name, *text; unsigned long length; };
static int plua_open_source(lua_State *L, const struct plua_source *s) {
    return L && s->length;
}
]])
    local made = run.command({ "cc", "-std=c11", "-w", "-include", "before.h", "-o", "sources",
      "sources.c" }, { dir = folder })
    assert.equal("", made.err)
    return run.command({ "./sources" }, { dir = folder }).out
  end

  it("keeps every byte", function()
    local bytes = {}
    for byte = 0, 255 do bytes[#bytes + 1] = string.char(byte) end
    local text = "-- ??= \\ \"q\" '\\0' \t1\nreturn [==[" ..
      table.concat(bytes):gsub("[\r\n]", "") .. "]==] --\r\n\n"
    local result = embed("lua/perilune/a.lua", text)
    assert.equal("", result.err)
    assert.equal(("perilune.a %d %s"):format(#text, text), compiled(result.out))
  end)

  it("takes an empty file, a last line without a newline, a folder", function()
    assert.equal("perilune.a 0 ", compiled(embed("lua/perilune/a.lua", "").out))
    assert.equal("perilune.x.b 8 return 1", compiled(embed("lua/perilune/x/b.lua", "return 1").out))
  end)

  it("makes bytecode on demand that says where an error stands", function()
    local bytes = compiled(embed("lua/perilune/x/b.lua", "local x\nreturn x.y", "--compiled").out)
    local length, code = bytes:match("^perilune%.x%.b (%d+) (.*)$")
    assert.equal(tonumber(length), #code)
    local _, message = pcall(assert(load(code, "other", "b")))
    assert.equal("perilune.x.b:2: attempt to index a nil value (local 'x')", message)
  end)

  it("makes an opener for each module", function()
    local out = embed("lua/perilune/x/b.lua", "return 1").out
    assert.truthy(out:find("PL_LUA_API int luaopen_perilune_x_b(lua_State *L);", 1, true))
  end)

  it("stops at a file that does not compile", function()
    local result = embed("lua/perilune/a.lua", "x x")
    assert.equal(1, result.code)
    assert.truthy(result.err:find("lua/perilune/a.lua:1:", 1, true), result.err)
  end)
end)
