-- The program's --sandbox, --memory, --instructions, --timeout and --readonly, and policies.
-- Escapes are tried one by one in spec/embed/t_sandbox.c.

local run = require "spec.support.run"

local program = run.program()

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

local function perilune(...)
  return run.command { program, ... }
end

local function fails(expected, ...)
  local result = perilune(...)
  assert.equal(1, result.code)
  assert.truthy(result.err:find(expected, 1, true), result.err)
end

local function prints(expected, ...)
  assert.same({ out = expected, err = "", code = 0 }, perilune(...))
end

describe("limits of the program", function()
  it("stop a script that pcall would save", function()
    fails("the limit of time is reached", "--timeout", "0.1", "-e",
      "while true do pcall(function() while true do end end) end")
    fails("the limit of instructions is reached", "--instructions=100K", "-e", "while true do end")
    fails("limit of memory is reached", "--memory", "32M", "-e",
      "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end")
    fails("the limit of time is reached", "--timeout", "0.1", "-e", [[
      local db = require "perilune".open "sqlite://"
      db.session:execute(db.text("with recursive n(i) as (select 1 union all select i + 1 from n)"
        .. " select max(i) from n"))]])
  end)

  it("give the script its arguments and exit code", function()
    local script = write(os.tmpname(), "print(arg[1], ...) print(#arg)")
    prints("a\ta\tb\n2\n", "--timeout", "10", script, "a", "b")
    prints("a\ta\n1\n", "--sandbox", "-", script, "a")
    os.remove(script)
    assert.same({ out = "7\n", err = "", code = 0 },
      run.command({ program, "--memory", "64M", "-" }, { stdin = "print(3 + 4)" }))
  end)

  it("are numbers", function()
    fails("--memory needs a number above 0, got 'x'", "--memory", "x", "-e", "")
    fails("--instructions needs a number", "--instructions", "0", "-e", "")
    fails("--timeout needs a number of seconds", "--timeout", "1m", "-e", "")
    fails("limits are for scripts", "--timeout", "1", "-i")
  end)

  it("roll back what a stopped script has begun", function()
    local file = os.tmpname()
    local uri = "sqlite:///" .. file
    local model = ([[
      local db = require "perilune".open "%s"
      local T = db.Model "T" { id = db.Column{db.Integer, primary_key = true} }
      db:create_all()
    ]]):format(uri)
    fails("the limit of time is reached", "--timeout", "0.2", "-e",
      model .. "db.session:add(T{}) db.session:flush() while true do end")
    prints("0\n", "-e", model .. "print(T.query:count())")
    os.remove(file)
  end)
end)

describe("functions of SQL that a limit of time can stop", function()
  local script = [===[
    local db = require "perilune".open "sqlite://"
    local texts = { "''", "'a'", "'abcabc'", "'ABC'", "'a%b_c'", "'äöü€😀b'", "'ä'", "'€😀'", "NULL",
      "12", "-1.5", "x'616263'", "x''", "'  a b '", "'a]b-c^'", "'%'", "'\\'", "'Ä'", "'_'", "'[x]'" }
    local patterns = { "''", "'%'", "'a%'", "'%b%'", "'A_C%'", "'%a%a%'", "'ä%'", "'_'", "'__ü%'",
      "'*'", "'a*'", "'[a-c]*'", "'[^a]*'", "'*[]]*'", "'*[a-]*'", "'?'", "'[^]]*'", "'a\\%b\\_c'",
      "'%\\'", "NULL", "12", "'*b*'", "'[ä-ü]*'", "'[a'", "'%%b'", "'**'", "'[z-a]'", "'[-a]*'" }
    local function show(sql)
      local ok, v = pcall(function() return db.session:scalar(db.text("select quote(" .. sql .. ")")) end)
      print(sql, ok and v or v.message)
    end
    for _, a in ipairs(texts) do
      for _, b in ipairs(patterns) do
        show(a .. " like " .. b)
        show(a .. " glob " .. b)
        show(a .. " like " .. b .. [=[ escape '\']=])
        show(a .. " like " .. b .. " escape '%'")
      end
      for _, f in ipairs { "trim", "ltrim", "rtrim" } do
        show(f .. "(" .. a .. ")")
        for _, b in ipairs(texts) do show(f .. "(" .. a .. "," .. b .. ")") end
      end
      for _, b in ipairs(texts) do
        show("instr(" .. a .. "," .. b .. ")")
        show("replace(" .. a .. "," .. b .. ",'-ä-')")
        show("replace(" .. a .. "," .. b .. ",'')")
        show("typeof(replace(" .. a .. "," .. b .. ",'x'))")
      end
      show(a .. " like 'a' escape ''")
      show(a .. " like 'a' escape 'ab'")
      show(a .. " like 'a' escape NULL")
    end
  ]===]

  it("give what SQLite's own give", function()
    local own = perilune("-e", script)
    local ours = perilune("--sandbox", "-", "--timeout", "60", "-e", script)
    assert.same({ 0, "" }, { own.code, own.err })
    assert.same({ 0, "" }, { ours.code, ours.err })
    local expected = {}
    for line in own.out:gmatch "[^\n]+" do expected[#expected + 1] = line end
    assert.truthy(#expected > 4000)
    local i = 0
    for line in ours.out:gmatch "[^\n]+" do
      i = i + 1
      assert.equal(expected[i], line)
    end
    assert.equal(#expected, i)
  end)
end)

describe("--readonly", function()
  it("opens files to read only, and changes nothing", function()
    local file = os.tmpname()
    local open = ("local db = require 'perilune'.open 'sqlite:///%s' "):format(file)
      .. "local function x(q) return db.session:execute(db.text(q)) end "
    prints("", "-e", open .. "x 'create table t (a)' x 'insert into t values (1)' db.session:commit()")
    prints("1\n", "--readonly", "-e", open .. "print(x('select a from t'):scalar())")
    fails("t", "--readonly", "-e", open .. "x 'insert into t values (2)' db.session:commit()")
    fails("", "--readonly", "-e", open .. "x 'pragma query_only = 0' x 'delete from t'")
    os.remove(file)
    fails("does not exist", "--readonly", "-e", open .. "x 'create table t (a)'")
    assert.is_nil(io.open(file))
  end)
end)

describe("a policy", function()
  local path, script

  local function policy(text)
    path = write(path or os.tmpname(), text)
  end

  teardown(function()
    if path then os.remove(path) end
    if script then os.remove(script) end
  end)

  local function try(text)
    script = write(script or os.tmpname(), [[
      local perilune = require "perilune"
      local db = perilune.open "sqlite://"
      local User = db.Model "User" {
        id = db.Column{db.Integer, primary_key = true}, name = db.Column{db.String(10)},
        password = db.Column{db.String(10)} }
      db:create_all()
      local function x(q) return db.session:execute(db.text(q)) end
      local function refuse(fn, ...)
        local ok, err = pcall(fn, ...)
        assert(not ok and err.name == "PermissionError", tostring(err))
        db.session:rollback()
      end
    ]] .. text)
    local result = perilune("--sandbox", path, script)
    assert.equal("", result.err)
    assert.equal(0, result.code)
    return result.out
  end

  it("says which columns are read and written, for models and plain SQL alike", function()
    policy [[return { databases = {":memory:"}, schema = true, tables = {
      user = { read = {"id", "name"}, hidden = {"password"}, insert = true, update = {"name"} } } }]]
    assert.equal("a\tnil\n", try [[
      db.session:add(User{name = "a", password = "x"})
      db.session:commit()
      db.session:expunge_all()
      local user = User.query:one()
      print(user.name, user.password)
      user.name = "b"
      db.session:commit()
      assert(x "select password from user":scalar() == nil)
      refuse(x, "update user set password = 'y'")
      refuse(x, "delete from user")
      refuse(function() db.session:delete(user) db.session:commit() end)
    ]])
  end)

  it("hides tables that it does not name", function()
    policy [[return { schema = true, tables = { user = { read = true, insert = true } } }]]
    try [[
      x "create table secret (a)"
      x "create view peep as select a from secret"
      db.session:commit()
      refuse(x, "select * from secret")
      refuse(x, "insert into secret values (1)")
      refuse(x, "select (select a from secret) from user")
      refuse(x, "insert into user (name) select a from secret")
      refuse(x, "select * from peep")
    ]]
  end)

  it("has a rule for all other tables", function()
    policy [[return { schema = true, tables = { ["*"] = { read = true } } }]]
    try [[ x "create table t (a)" x "select * from t" refuse(x, "insert into t values (1)") ]]
  end)

  it("forbids the schema unless it says so", function()
    policy [[return { tables = { ["*"] = { read = true, insert = true } } }]]
    fails("PermissionError", "--sandbox", path, "-e",
      [[local db = require "perilune".open "sqlite://" db.session:execute(db.text "create table t (a)")]])
  end)

  it("names the databases and the limits", function()
    policy [[return { databases = {"/nowhere/x.db"}, milliseconds = 100 }]]
    fails("the policy does not name this database", "--sandbox", path, "-e",
      [[require "perilune".open "sqlite://".session:begin()]])
    fails("the limit of time is reached", "--sandbox", path, "-e", "while true do end")
  end)

  it("must be one", function()
    for text, message in pairs {
      ["return 5"] = "the file must return a table",
      ["return {tabels = {}}"] = "tabels is not known in a policy",
      ["return {tables = {user = {raed = true}}}"] = "raed is not known in a table's rules",
      ["return {tables = {user = {read = 5}}}"] = "read must be a list of names",
      ["return {memory = 'x'}"] = "memory must be a whole number",
      ["return {allow = {'all'}}"] = "allow knows read, write",
      ["return os.execute()"] = "nil value",
      ["while true do end"] = "the limit of time is reached",
      ["return {"] = "expected",
    } do
      policy(text)
      fails(message, "--sandbox", path, "-e", "")
    end
    fails("cannot open", "--sandbox", "/nowhere/policy.lua", "-e", "")
  end)
end)
