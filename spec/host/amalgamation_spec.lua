-- The library as one C file: what host/amalgamate.lua renames and what it leaves, and that
-- the example in C over the one file does what it does over the library.

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

-- Runs a line of the shell that must say nothing on its standard error.
local function shell(line, ...)
  local result = run.command({ "sh", "-c", line:format(...) },
    { env = { MAKEFLAGS = false, MAKELEVEL = false, MFLAGS = false } })
  assert.equal("", result.err)
  assert.equal(0, result.code)
  return result.out
end

describe("the amalgamation", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    shell("mkdir %s", folder)
  end)

  after_each(function() shell("rm -r %s", folder) end)

  local function write(files)
    for name, text in pairs(files) do
      shell("mkdir -p $(dirname %s/%s)", folder, name)
      local file = assert(io.open(folder .. "/" .. name, "wb"))
      file:write(text)
      file:close()
    end
  end

  local function amalgamate(...)
    local names = table.concat({ ... }, " ")
    shell("here=$PWD; cd %s && '%s' \"$here\"/host/amalgamate.lua %s >one.c", folder,
      run.program():gsub("^[^/]", "$here/%0"), names)
    return read(folder .. "/one.c")
  end

  local function compile_and_run()
    shell("cc -std=c11 -Wall -Wextra -Werror -o %s/one %s/one.c", folder, folder)
    return shell("%s/one", folder)
  end

  it("renames what two files have for themselves, and nothing else", function()
    if not has "cc" then return pending "no C compiler is installed" end
    write {
      ["twice.h"] = "#ifndef T_H\n#define T_H\ntypedef struct box box;\n" ..
        "int one(void);\nint two(box *b);\n#endif\n",
      ["a.c"] = [[
#include "twice.h"
#include <stdio.h>
#define SIZE 2 /* more
                  than a line */
enum { FIRST = 1, SECOND };
typedef struct item { int step, width[SIZE]; struct item *item; } item;
static int step(item *i);
static int step(item *i) { return i->step + SECOND; }
static int link = 3; /* unistd.h of the next file has a link too */
int one(void) {
    item item = {.step = 40, .item = NULL};
    printf("step %d\n", link);
    return step(&item);
}
]],
      ["sub/a.c"] = [[
#include "../twice.h"
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>
#define SIZE 5
#define STEP(x) step(x)
enum { FIRST = 10, SECOND };
struct item { char pad; int (*step)(int step); unsigned bits : SIZE; };
struct box { int step; };
static int step(int by) { return by + SECOND; }
int two(box *b) {
    struct item i = {.step = step, .bits = 1};
    return i.step(b->step) + STEP(FIRST) + (int)i.bits + (offsetof(struct item, step) > 0);
}
int main(void) {
    box b = {100};
    printf("%d\n", one());
    printf("%d\n", two(&b));
    return 0;
}
]],
    }
    local text = amalgamate("a.c", "sub/a.c")
    assert.equal("step 3\n42\n134\n", compile_and_run())
    assert.equal(1, select(2, text:gsub("#include <stdio.h>", "")))
    assert.equal(1, select(2, text:gsub("struct box box;", "")))
    assert.truthy(text:find("struct box { int step; };", 1, true))
    assert.falsy(text:find '#include "')
  end)

  it("names the original files when asked", function()
    if not has "cc" then return pending "no C compiler is installed" end
    write {
      ["h.h"] = "#ifndef H\n#define H\nint f(void);\n#endif\n",
      ["x.c"] = '#include "h.h"\nint f(void) { return 1; }\n',
      ["y.c"] = '#include "h.h"\n\nint g(void) { return f(); }\n',
    }
    amalgamate("--lines", "x.c", "y.c")
    local result = run.command { "cc", "-fsyntax-only", "-Wmissing-prototypes", folder .. "/one.c" }
    local places = {}
    for place in result.err:gmatch "(%S+:%d+):%d+: warning" do places[#places + 1] = place end
    assert.same({ "y.c:3" }, places)
  end)

  it("is the library", function()
    if not has "cc" then return pending "no C compiler is installed" end
    shell("make -s BUILD='%s' amalgamation", build)
    assert.equal(read "host/embed/perilune.h", read(build .. "/perilune.h"))
    shell("cp '%s/perilune.c' '%s/perilune.h' %s", build, build, folder)
    shell("cd %s && cc -std=c11 -D_DEFAULT_SOURCE -O0 -Wall -Wextra -Werror -c perilune.c " ..
      "$(pkg-config --cflags lua5.4 sqlite3 jansson gmp)", folder)
    shell("cc -std=c99 -O0 -I%s -o %s/shop examples/embed/shop.c %s/perilune.o " ..
      "$(pkg-config --libs lua5.4 sqlite3 jansson gmp) -lm", folder, folder, folder)
    assert.equal(read "examples/embed/expected/shop.txt", shell("%s/shop", folder))
  end)
end)
