-- What `man lua5.4` and section 7 of the manual promise, tried on the program and on lua
-- side by side: what each prints and how it exits must be the same, but for its name.

local run = require "spec.support.run"

local lua, perilune = "lua5.4", run.program()

local function plain(text, name)
  return (text:gsub(name:gsub("%p", "%%%0"), "PROGRAM"))
end

local function try(program, words, options)
  local result = run.command({ program, table.unpack(words) }, options)
  result.out, result.err = plain(result.out, program), plain(result.err, program)
  return result
end

-- Runs both, compares them and returns the result.
local function both(words, options)
  local theirs, ours = try(lua, words, options), try(perilune, words, options)
  assert.same(theirs, ours)
  return ours
end

local function prints(expected, words, options)
  assert.same({ out = expected, err = "", code = 0 }, both(words, options))
end

-- Text is a plain part of what goes to standard error.
local function fails(text, words, options)
  local result = both(words, options)
  assert.equal(1, result.code)
  assert.truthy(result.err:find(text, 1, true), result.err)
  return result
end

describe("the program, beside lua,", function()
  local folder

  setup(function()
    folder = run.folder()
    local function file(name, text) run.write(folder .. "/" .. name, text) end
    file("args.lua", [[print(#arg, arg[0], ...)
      for i = -9, -1 do if arg[i] then print(i, arg[i]) end end]])
    file("five.lua", "print 'five' return 5")
    file("hash.lua", "#!/usr/bin/env perilune\nprint(debug.getinfo(1, 'l').currentline)")
    file("broken.lua", "local = 1")
    file("fails.lua", "local function f() error 'deep' end\nf()\nreturn 1")
    file("mod.lua", "print('mod', ...) return { name = ... }")
    file("-dash.lua", "print 'dash'")
    file("-", "print 'a file named -'")
    file("compile.lua", [[
      io.open("five.luac", "wb"):write(string.dump(loadfile "five.lua")):close()]])
    assert(run.command({ lua, "compile.lua" }, { dir = folder }).code == 0)
    if not perilune:find("^/") then
      perilune = run.command({ "realpath", perilune }).out:match("[^\n]+")
    end
  end)

  teardown(function() run.remove(folder) end)

  local function here(options)
    options = options or {}
    options.dir = folder
    return options
  end

  describe("runs a script", function()
    it("with its arguments in ... and arg", function()
      prints("2\targs.lua\ta\tb c\n-1\tPROGRAM\n", { "args.lua", "a", "b c" }, here())
    end)

    it("with the interpreter's options at negative indices", function()
      prints("1\targs.lua\t-x\n-5\tPROGRAM\n-4\t-W\n-3\t-e\n-2\tlocal x\n-1\t--\n",
        { "-W", "-e", "local x", "--", "args.lua", "-x" }, here())
    end)

    it("and exits with 0 whatever it returns", function()
      prints("five\n", { "five.lua" }, here())
    end)

    it("that is precompiled", function()
      prints("five\n", { "five.luac" }, here())
    end)

    it("whose first line begins with #", function()
      prints("2\n", { "hash.lua" }, here())
    end)

    it("from standard input for -", function()
      prints("x\ty\n", { "-", "x", "y" }, here { stdin = "print(...)" })
    end)

    it("from standard input when there is no argument and no terminal", function()
      prints("0\tPROGRAM\n", {}, { stdin = "#first\nprint(#arg, arg[0], ...)" })
    end)

    it("from standard input, precompiled", function()
      local file = assert(io.open(folder .. "/five.luac", "rb"))
      local text = file:read "a"
      file:close()
      prints("five\n", { "-" }, { stdin = text })
    end)

    it("and leaves to it what stands behind its name", function()
      prints("3\targs.lua\t-v\t--help\t--echo\n-1\tPROGRAM\n", { "args.lua", "-v", "--help", "--echo" }, here())
    end)

    it("after --, whatever its name", function()
      prints("dash\n", { "--", "-dash.lua" }, here())
      prints("a file named -\n", { "--", "-" }, here())
    end)

    it("and takes its arguments from what arg is then", function()
      prints("3\targs.lua\tq\tr\ts\n", { "-e", "arg = { [0] = 'args.lua', 'q', 'r', 's' }",
        "args.lua", "a" }, here())
    end)

    it("not when arg is no table", function()
      fails("PROGRAM: 'arg' is not a table", { "-e", "arg = 1", "args.lua" }, here())
    end)

    it("with many arguments", function()
      local words = { "-e", "for i = 1, 5000 do arg[i] = tostring(i) end", "args.lua" }
      assert.truthy(both(words, here()).out:find("\t5000\n", 1, true))
    end)

    it("or says that it is not there", function()
      fails("PROGRAM: cannot open nothing.lua", { "nothing.lua" }, here())
      fails("PROGRAM: ", { folder })
    end)
  end)

  describe("ends with a status", function()
    it("by os.exit", function()
      for statement, code in pairs {
        ["os.exit(7)"] = 7, ["os.exit(false)"] = 1, ["os.exit(true)"] = 0, ["os.exit()"] = 0,
        ["os.exit(9, true)"] = 9, ["pcall(os.exit, 3)"] = 3,
        ["coroutine.wrap(function() os.exit(4, false) end)()"] = 4,
      } do
        assert.equal(code, both({ "-e", statement }).code, statement)
      end
    end)

    it("that closes the state", function()
      local text = "setmetatable({}, { __gc = function() print 'closed' end })"
      prints("closed\n", { "-e", text })
      prints("closed\n", { "-e", text .. " os.exit(0, true)" })
      prints("", { "-e", text .. " os.exit(0)" })
      fails("boo", { "-e", text .. " error 'boo'" })
    end)

    it("of 1 after an error", function()
      fails("fails.lua:1: deep\nstack traceback:\n\t[C]: in function 'error'\n",
        { "fails.lua" }, here())
      fails("broken.lua:1: <name> expected near '='", { "broken.lua" }, here())
      fails("stdin:1: ", { "-" }, { stdin = "x x" })
    end)
  end)

  describe("reports an error object", function()
    it("by __tostring, without a traceback", function()
      local result = fails("PROGRAM: described", { "-e",
        "error(setmetatable({}, { __tostring = function() return 'described' end }))" })
      assert.equal("PROGRAM: described\n", result.err)
    end)

    it("by its type", function()
      fails("(error object is a table value)", { "-e", "error {}" })
      fails("(error object is a nil value)", { "-e", "error()" })
      fails("(error object is a boolean value)", { "-e", "error(false)" })
      fails("PROGRAM: 12\nstack traceback", { "-e", "error(12)" })
      fails("(error object is a table value)", { "-e",
        "error(setmetatable({}, { __tostring = function() return 5 end }))" })
    end)

    it("even when describing it fails", function()
      fails("no words", { "-e",
        "error(setmetatable({}, { __tostring = function() error 'no words' end }))" })
    end)

    it("that is out of stack or memory", function()
      for text, message in pairs {
        ["local function f() return 1 + f() end f()"] = "(command line):1: stack overflow",
        ["io.read(1 << 50)"] = "not enough memory",
      } do
        local result = try(perilune, { "-e", text })
        assert.truthy(result.err:find("PROGRAM: " .. message .. "\n", 1, true), result.err)
        assert.equal(1, result.code)
      end
    end)
  end)

  describe("takes the option", function()
    it("-e, more than once and in one word", function()
      prints("1\n2\n", { "-e", "x = 1 print(x)", "-eprint(x + 1)" })
      prints("1\nfive\n", { "-e", "print(1)", "five.lua" }, here())
      fails("(command line):1: boo", { "-e", "error 'boo'", "-e", "print 'not reached'" })
      fails("(command line):1:", { "-e", "x x" })
      prints("", { "-e", "" }, { stdin = "print 'not read'" })
    end)

    it("-l, for a module and for a global", function()
      prints("mod\tmod\t./mod.lua\nmod\n", { "-l", "mod", "-e", "print(mod.name)" }, here())
      prints("mod\tmod\t./mod.lua\nmod\tnil\n", { "-lm=mod", "-e", "print(m.name, mod)" }, here())
      fails("module 'nomod' not found:", { "-l", "nomod" }, here())
      local env = { LUA_INIT = "package.preload['a-b'] = function(...) return ... end" }
      prints("a-b\tnil\n", { "-l", "a-b", "-e", "print(_G['a-b'], a)" }, here { env = env })
    end)

    it("-E, to ignore the environment", function()
      local env = { LUA_INIT = "print 'init'", LUA_PATH = "p", LUA_CPATH = "c" }
      local words = { "-e", "print(package.path == 'p', package.cpath == 'c')" }
      prints("init\ntrue\ttrue\n", words, { env = env })
      prints("false\tfalse\n", { "-E", table.unpack(words) }, { env = env })
      prints("false\tfalse\n", { words[1], words[2], "-E" }, { env = env })
    end)

    it("-W, in its turn", function()
      local result = both { "-e", "warn 'unheard'", "-W",
        "-e", "warn('a', 'b') warn '@off' warn 'c'" }
      assert.equal("Lua warning: ab\n", result.err)
    end)

    it("-v, with lua's line first", function()
      local theirs = try(lua, { "-v" })
      local ours = try(perilune, { "-v" }, { stdin = "print 'not read'" })
      assert.equal(theirs.out, ours.out:match("^[^\n]*\n"))
      assert.truthy(ours.out:find("\nPerilune %d+%.%d+%.%d+\n$"))
      assert.equal(0, ours.code)
      assert.truthy(try(perilune, { "-v", "-e", "print(1)" }).out:find("\n1\n$"))
    end)

    it("and no other", function()
      for _, words in ipairs { { "-x" }, { "-vE" }, { "-Ex" }, { "-Wx" }, { "-ix" }, { "--x" },
        { "-e" }, { "-e", "-v" }, { "-l" }, { "-l", "--" }, { "-v", "-?" } } do
        local theirs, ours = try(lua, words), try(perilune, words)
        assert.equal(theirs.code, ours.code)
        assert.equal(1, ours.code)
        assert.equal("", ours.out)
        assert.equal(theirs.err:match("[^\n]*\nusage: "), ours.err:match("[^\n]*\nusage: "))
      end
    end)
  end)

  describe("reads the environment:", function()
    it("LUA_INIT as a statement", function()
      prints("init\n1\n", { "-e", "print(1)" }, { env = { LUA_INIT = "print 'init'" } })
      fails("LUA_INIT:1: boo", { "-e", "print(1)" }, { env = { LUA_INIT = "error 'boo'" } })
      fails("LUA_INIT:1:", { "-e", "print(1)" }, { env = { LUA_INIT = "x x" } })
    end)

    it("LUA_INIT as a file", function()
      prints("five\n", { "-e", "" }, here { env = { LUA_INIT = "@five.lua" } })
      fails("cannot open nothing.lua", { "-e", "" }, here { env = { LUA_INIT = "@nothing.lua" } })
    end)

    it("LUA_INIT_5_4 before LUA_INIT", function()
      local env = { LUA_INIT = "print 'old'", LUA_INIT_5_4 = "print 'new'" }
      prints("new\n", { "-e", "" }, { env = env })
      fails("LUA_INIT_5_4:1: boo", { "-e", "" }, { env = { LUA_INIT_5_4 = "error 'boo'" } })
    end)

    it("LUA_INIT before the options, with arg in place", function()
      prints("PROGRAM\t-e\n", { "-e", "" }, { env = { LUA_INIT = "print(arg[0], arg[1])" } })
    end)

    it("LUA_PATH and LUA_CPATH, and those with a version", function()
      local words = { "-e", "print(package.path) print(package.cpath)" }
      prints("p\nc\n", words, { env = { LUA_PATH = "p", LUA_CPATH = "c" } })
      prints("p4\nc4\n", words, { env = { LUA_PATH = "p", LUA_CPATH = "c", LUA_PATH_5_4 = "p4",
        LUA_CPATH_5_4 = "c4" } })
      assert.truthy(both(words, { env = { LUA_PATH = "p;;q" } }).out:find("^p;/.*;q\n"))
      assert.truthy(both(words).out:find("/usr/share/lua/5.4/?.lua", 1, true))
    end)
  end)

  describe("is stopped by ^C,", function()
    -- The signal comes from a child, so that it is there when close returns.
    local interrupt = [[
      local pid = io.open("/proc/self/stat"):read("n")
      local function interrupt() io.popen("kill -INT " .. pid):close() end
      local function spin() for _ = 1, 1e9 do end end
    ]]

    -- Where exactly it strikes is a matter of time, so tracebacks are not compared.
    it("first by an error", function()
      for _, program in ipairs { lua, perilune } do
        local result = try(program, { "-e", interrupt .. "interrupt() spin()" })
        assert.equal(1, result.code)
        assert.equal("", result.out)
        assert.truthy(result.err:find(
          "^PROGRAM: %(command line%):%d: interrupted!\nstack traceback:\n"), result.err)
      end
    end)

    it("which a script may catch", function()
      local result = both { "-e", interrupt .. "print(pcall(function() interrupt() spin() end))" }
      assert.truthy(result.out:find("^false\t.*interrupted!\n$"))
      assert.equal(0, result.code)
    end)

    it("then for good", function()
      local result = both { "-e", interrupt .. [[
        print(pcall(function() interrupt() spin() end))
        io.stdout:flush()
        interrupt() spin()]] }
      assert.equal(130, result.code)
      assert.truthy(result.out:find("interrupted!", 1, true))
    end)

    it("again by an error in the next chunk", function()
      local words = { "-e", interrupt .. "pcall(function() interrupt() spin() end)",
        "-e", interrupt .. "interrupt() spin()" }
      assert.equal(1, try(lua, words).code)
      assert.equal(1, try(perilune, words).code)
    end)
  end)

  it("collects garbage in the same mode", function()
    both { "-e", "print(collectgarbage('incremental'))" }
  end)

  it("has the same globals and libraries", function()
    both { "-e", [[
      local names = {}
      for k, v in pairs(_G) do
        names[#names + 1] = k
        if type(v) == "table" and k ~= "_G" then
          for name in pairs(v) do names[#names + 1] = k .. "." .. tostring(name) end
        end
      end
      table.sort(names)
      print(table.concat(names, "\n"))]] }
  end)

  it("loads the C modules that are there for lua", function()
    for _, name in ipairs { "lfs", "system.core", "term.core" } do
      prints("table\n", { "-e", ("print(type(require %q))"):format(name) })
    end
  end)
end)

describe("the interactive program", function()
  -- Piped input: no echo, so the output is prompts and results only.
  local function session(input, words)
    local result = try(perilune, { "-i", table.unpack(words or {}) }, { stdin = input })
    assert.equal(0, result.code)
    return result.out:gsub("^.-\n.-\n", ""), result.err
  end

  it("says its versions first", function()
    local out = try(perilune, { "-i" }, {}).out
    assert.truthy(out:find("^Lua 5%.4.*\nPerilune .*\n> \n$"), out)
  end)

  it("prints the values of expressions", function()
    assert.equal("> 3\n> 1\tnil\tx\n> 4\n> > \n", (session "1+2\n1, nil, 'x'\n=4\nx = 1\n"))
  end)

  it("continues what is incomplete", function()
    assert.equal("> >> >> 1\n2\n> \n", (session "for i = 1, 2 do\nprint(i)\nend\n"))
    assert.equal("> >> 2\n> \n", (session "= (1 +\n1)\n"))
    assert.equal("> >> a\nb\n> \n", (session "= [[a\nb]]\n"))
  end)

  it("reports an incomplete chunk at the end of input", function()
    local out, err = session "for i = 1, 2 do\n"
    assert.equal("> >> > \n", out)
    assert.truthy(err:find("^stdin:1: 'end' expected near <eof>"), err)
  end)

  it("goes on after errors, without its name before them", function()
    local out, err = session([[
error 'boo'
)
error(setmetatable({}, { __tostring = function() return 'obj' end }))
5
]])
    assert.equal("> > > > 5\n> \n", out)
    assert.truthy(err:find("^stdin:1: boo\nstack traceback:\n"))
    assert.truthy(err:find("\nstdin:1: unexpected symbol near '%)'\nobj\n$"), err)
  end)

  it("prompts with _PROMPT and _PROMPT2", function()
    assert.equal("> ? 1\n? + 2\n? \n", (session "_PROMPT, _PROMPT2 = '? ', '+ '\n1\n=(2\n)\n"))
    assert.equal("> # \n",
      (session "_PROMPT = setmetatable({}, { __tostring = function() return '# ' end })\n"))
  end)

  it("prints by the global print, and survives without it", function()
    local out, err = session([[
print = function(...) io.write('<', ..., '>') end
1
print = nil
2
]])
    assert.equal("> > <1>> > > \n", out)
    assert.equal("error calling 'print' (attempt to call a nil value)\n", err)
  end)

  it("reads long lines and a last line without a newline", function()
    local long = ("x"):rep(5000)
    assert.equal("> 5000\n> 5000\n> 7\n> \n", (session("#'" .. long .. "'\n#'" .. long .. "'\n7")))
  end)

  it("runs the options and the script first", function()
    local folder = run.folder()
    finally(function() run.remove(folder) end)
    run.write(folder .. "/s.lua", "print(...) y = 2")
    assert.equal("a\n> 3\n> \n", (session("x + y\n", { "-e", "x = 1", folder .. "/s.lua", "a" })))
  end)

  it("does not start after a script that failed", function()
    local result = try(perilune, { "-i", "nothing.lua" }, { stdin = "1\n" })
    assert.equal(1, result.code)
    assert.falsy(result.out:find("> ", 1, true))
  end)

  local function on_terminal(command, stdin)
    return run.command({ "script", "-qec", command, "/dev/null" },
      { stdin = stdin, env = { TERM = "dumb" } })
  end

  it("starts by itself on a terminal and edits the line", function()
    if on_terminal("true").code ~= 0 then pending "no pseudo-terminal here" end
    local result = on_terminal(run.quote(perilune), "40+1\b2\nos.exit(3)\n")
    assert.equal(3, result.code)
    assert.truthy(result.out:find("Perilune", 1, true), result.out)
    assert.truthy(result.out:find("\n42\r?\n"), result.out)
  end)

  it("is interrupted in a chunk and goes on", function()
    local _, err = session([[
pid = io.open("/proc/self/stat"):read("n")
io.popen("kill -INT " .. pid):close() for _ = 1, 1e9 do end
]])
    assert.truthy(err:find("interrupted!", 1, true), err)
  end)
end)

describe("the program, beyond lua,", function()
  local function help()
    local result = try(perilune, { "--help" })
    assert.same({ 0, "" }, { result.code, result.err })
    return result.out
  end

  it("lists its options", function()
    local text = help()
    for _, option in ipairs { "-e stat", "-i", "-l mod", "-v", "-E", "-W", "--", "--help", "--echo",
      "--report" } do
      assert.truthy(text:find("\n  " .. option, 1, true), option)
    end
    for _, command in ipairs { "shell", "db schema", "db diagram", "spec", "check", "stubs" } do
      assert.truthy(text:find("\n  " .. command, 1, true), command)
    end
  end)

  describe("has a manual page that", function()
    -- The page as text without its markup, and the terms that its lists explain.
    local function manual()
      local terms, section, taken = {}, nil, false
      for line in io.lines "host/perilune.1" do
        local bare = line:gsub("\\%-", "-"):gsub("\\f%u", ""):gsub('^%.[BIR]+ ', ""):gsub('"', "")
        section = line:match "^%.SH (.*)" or section
        if taken then
          terms[section] = terms[section] or {}
          table.insert(terms[section], (bare))
        end
        taken = line:find "^%.TP" ~= nil
      end
      return terms
    end

    local function in_some(list, word)
      for _, term in ipairs(list) do
        for found in term:gmatch "[^%s,=]+" do
          if found == word then return true end
        end
      end
      return false
    end

    it("explains every option of --help and no other", function()
      local options, text = manual().OPTIONS, help():match "options:\n(.-)commands"
      for option in text:gmatch "\n?  (%-%S*)" do
        assert.truthy(in_some(options, option), option .. " is not in the manual page")
      end
      for _, term in ipairs(options) do
        for option in (" " .. term):gmatch "[%s,](%-[%w-]*)" do
          local known = ("\n" .. text):find("\n  " .. option .. " ", 1, true)
            or text:find("(" .. option .. ")", 1, true)
          assert.truthy(known, option .. " is not in --help")
        end
      end
    end)

    it("explains every command of --help and no other", function()
      local commands, text = manual().COMMANDS, help():match "commands.-\n(.*)$"
      local known = {}
      for name, rest in ("\n" .. text):gmatch "\n  (%l+) (%S*)" do
        if name == "db" then name = "db " .. rest end
        known[name] = true
        local explained = false
        for _, term in ipairs(commands) do explained = explained or term:sub(1, #name) == name end
        assert.truthy(explained, name .. " is not in the manual page")
      end
      for _, term in ipairs(commands) do
        local name = term:match "^db %l+" or term:match "^%l+"
        assert.truthy(name == nil or known[name], tostring(name) .. " is not in --help")
      end
    end)
  end)

  it("answers --version as -v", function()
    assert.same(try(perilune, { "-v" }), try(perilune, { "--version" }))
  end)

  it("prints statements with --echo", function()
    local result = try(perilune, { "--echo", "-e", [[
      local db = require "perilune".open "sqlite://"
      print(db.session:scalar(db.text "SELECT :x + 1", {x = 41}))]] })
    assert.equal("42\n", result.out)
    assert.truthy(result.err:find("%[sql [%d.]+ ms%] SELECT [^\n]*%(41%)\n"), result.err)
  end)

  it("takes words for commands only where no file has their name", function()
    local folder = run.folder()
    finally(function() run.remove(folder) end)
    local function call(...) return try(perilune, { ... }, { dir = folder }) end
    for _, name in ipairs { "shell", "db", "spec", "check", "stubs", "own-command" } do
      run.write(folder .. "/" .. name, "print('file', ...)")
    end
    run.write(folder .. "/app.lua", "")
    for _, name in ipairs { "shell", "db", "spec", "check", "stubs", "own-command" } do
      assert.same({ out = "file\tapp.lua\n", err = "", code = 0 }, call(name, "app.lua"))
      os.remove(folder .. "/" .. name)
    end
    run.command({ "mkdir", folder .. "/stubs" })
    assert.truthy(call("stubs").err:find("usage: PROGRAM stubs", 1, true))
    assert.truthy(call("own-command", "app.lua").err:find("makes no App", 1, true))
    assert.truthy(call("own-command", "none.lua").err:find("cannot open own-command", 1, true))
    assert.truthy(call("--", "check", "app.lua").err:find("cannot open check", 1, true))
    assert.truthy(call("own.command", "app.lua").err:find("cannot open own.command", 1, true))
  end)

  it("tells a script which command runs it", function()
    local print_command = 'print(require "perilune".command)'
    assert.equal("nil\n", try(perilune, { "-e", print_command }).out)
    local folder = run.folder()
    finally(function() run.remove(folder) end)
    run.write(folder .. "/app.lua", print_command)
    assert.equal("check\n", try(perilune, { "check", "app.lua" }, { dir = folder }).err)
  end)

  it("stops a statement at ^C", function()
    local result = try(perilune, { "-e", [[
      local pid = io.open("/proc/self/stat"):read("n")
      local db = require "perilune".open "sqlite://"
      os.execute("(sleep 0.3; kill -INT " .. pid .. ") &")
      local ok = pcall(function()
        db.session:scalar(db.text("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
          .. "SELECT count(*) FROM c"))
      end)
      print(ok)
      db.session:rollback()
      print(db.session:scalar(db.text "SELECT 1"))]] })
    assert.equal("", result.err)
    assert.equal("false\n1\n", result.out)
  end)

  it("shows on a terminal how far a bulk insert is, and clears that away", function()
    local pty = perilune:match "^(.*)/" .. "/pty"
    if not io.open(pty) then pending "no pty helper beside the program" end
    local result = run.command({ pty, "30", "80", perilune, "-e", [[
      local db = require "perilune".open "sqlite://"
      local Slow = db.Model "Slow" {id = db.Column{db.Integer, primary_key = true},
        n = db.Column{db.Integer, default = function()
          local till = os.clock() + 0.002
          repeat until os.clock() > till
          return 1
        end}}
      db:create_all()
      local rows = {}
      for i = 1, 900 do rows[i] = {id = i} end
      print(db.session:bulk_insert(Slow, rows))]] }, { stdin = "expect Slow: \nexpect of 900 rows, \nexpect \n900\n" })
    assert.equal(0, result.code, result.out)
    assert.truthy(result.out:find("\r +\r900\r\n$"), result.out)
  end)

  it("opens the module only when it is required", function()
    assert.equal("function\tnil\n", try(perilune, { "-e",
      "print(type(package.preload.perilune), package.loaded.perilune)" }).out)
  end)

  it("adds a traceback to the library's errors", function()
    local result = try(perilune, { "-e", [[
      error(setmetatable({}, { __name = "perilune.Error",
        __tostring = function() return "told" end }))]] })
    assert.equal(1, result.code)
    assert.truthy(result.err:find("^PROGRAM: told\nstack traceback:\n"), result.err)
  end)

  describe("keeps a table for the script", function()
    local key = 'local t = debug.getregistry()["perilune.program"] '

    it("with its path", function()
      assert.equal("nil\n", try(perilune, { "-e", key .. "print(t.script)" }).out)
      assert.equal("-\n", try(perilune, { "-" }, { stdin = key .. "print(t.script)" }).out)
    end)

    it("and calls its function leave once, last, with the outcome", function()
      local leave = key .. "t.leave = function(...) print('leave', ...) end "
      assert.equal("1\nleave\ttrue\n", try(perilune, { "-e", leave, "-e", "print(1)" }).out)
      local failed = try(perilune, { "-e", leave .. "error 'boo'" })
      assert.equal("leave\tfalse\n", failed.out)
      assert.equal(1, failed.code)
    end)

    it("and reports an error in leave", function()
      local result = try(perilune, { "-e", key .. "t.leave = function() error 'stuck' end" })
      assert.equal(1, result.code)
      assert.truthy(result.err:find("(command line):1: stuck\nstack traceback", 1, true))
    end)
  end)
end)
