-- The shell: its answers with piped input, its editing on a pseudo-terminal.

local run = require "spec.support.run"

local perilune, folder = nil, nil

local app = [[
local perilune = require "perilune"
local app = perilune.App "shop"
app.config.DATABASE_URI = "sqlite://"
local db = perilune.Database(app)
local User = db.Model "User" {
  id = db.Column{db.Integer, primary_key = true},
  name = db.Column{db.String(100), nullable = false},
  born = db.Column{db.Date},
  balance = db.Column{db.Numeric(10, 2)},
  data = db.Column{db.JSON},
}
function User:greet() return "hi " .. self.name end
db.Model "Post" {
  id = db.Column{db.Integer, primary_key = true},
  title = db.Column{db.String, index = true},
  user_id = db.Column{db.Integer, db.ForeignKey{"user.id", ondelete = "CASCADE"}, nullable = false},
  user = db.relationship{"User", backref = "posts"},
}
print "loading"
app:shell_context(function()
  db:create_all()
  local alice = User{name = "Alice", born = db.date(1990, 1, 2), balance = "1.50", data = {a = {1, "x"}}}
  db.session:add_all{alice, User{name = "日本語", balance = "12.00"}, User{name = "NULL"}}
  for i = 1, 100 do db.session:add(db.models.Post{title = "post " .. i, user = alice}) end
  db.session:commit()
  return {answer = 42}
end)
app.cli:command("sow", function(...) print("sowing", ..., perilune.command, arg[0]) end)
]]

setup(function()
  perilune = run.command({ "realpath", run.program() }).out:match "[^\n]+"
  folder = run.folder()
  run.write(folder .. "/app.lua", app)
end)

teardown(function() run.remove(folder) end)

-- What the shell prints for the lines; the prompts are taken away.
local function session(lines, words)
  local result = run.command({ perilune, "shell", table.unpack(words or { "app.lua" }) },
    { stdin = lines, dir = folder })
  assert.equal(0, result.code, result.err)
  return (result.out:gsub("^> ", ""):gsub("\n> ", "\n"):gsub("^>+ ", "")), (result.err:gsub("^loading\n", ""))
end

local function shows(expected, line)
  assert.equal(expected .. "\n", (session(line .. "\n")))
end

describe("the shell", function()
  it("has the app, its db, its models and what the app adds", function()
    shows("<App 'shop'>\tPost\t42\n", "app, db.models.Post.name, answer")
  end)

  it("prints what is no result as print does", function()
    shows("3\tx\tnil\n", "1+2, 'x', nil")
    shows("nil\n", "nil")
    shows("", "local x = 1")
  end)

  it("shows a query as a table with types, NULLs and wide characters", function()
    shows([[
     id  name    born        balance  data
integer  string  date        numeric  json
───────  ──────  ──────────  ───────  ───────────────
      1  Alice   1990-01-02     1.50  {"a": [1, "x"]}
      2  日本語  NULL          12.00  NULL
      3  'NULL'  NULL           NULL  NULL
(3 rows)
]], "User.query")
  end)

  it("says how many rows it does not show", function()
    assert.equal([[
     id  title   user_id
integer  string  integer
───────  ──────  ───────
      1  post 1        1
      2  post 2        1
… 98 more
(100 rows)
     id  title   user_id
integer  string  integer
───────  ──────  ───────
      1  post 1        1
(1 row)
(0 rows)

]], (session("\\limit 2\nPost.query\nPost.query:limit(1)\nPost.query:where(Post.id:gt(100))\n")))
  end)

  it("shows rows by their names", function()
    shows([[
name          n
string  integer
──────  ───────
Alice       100
日本語        0
'NULL'        0
(3 rows)
]], "db.session:execute(db.select(User.name, db.func.count(Post.id):label 'n')"
      .. ":outerjoin(User.posts):group_by(User.id))")
  end)

  it("does not read anything for the sake of showing it", function()
    local out = session("u = User.query:first()\ndb.session:expire(u)\n\\echo on\nu\n")
    assert.truthy(out:find("…", 1, true), out)
  end)

  it("keeps on after errors and shows the traceback when asked", function()
    local out, err = session("error 'boo'\n)\nUser.query:where(User.nme:eq 'x')\n1\n\\trace\n")
    assert.truthy(err:find("^stdin:1: boo\nstdin:1: unexpected symbol near '%)'\n"), err)
    assert.truthy(err:find("did you mean 'name'?", 1, true), err)
    assert.falsy(err:find("traceback", 1, true))
    assert.truthy(out:find("1\nstdin:1: AttributeError.-\nstack traceback:"), out)
  end)

  it("continues what is incomplete", function()
    local out = session("for i = 1, 2 do\nprint(i)\nend\n")
    assert.truthy(out:find("1\n2\n", 1, true), out)
  end)

  describe("describes by \\d", function()
    it("all tables", function()
      shows([[
name  kind   models  rows
────  ─────  ──────  ────
post  table  Post     100
user  table  User       3
(2 tables)
]], "\\d")
    end)

    it("a table or a model", function()
      shows([[
post (Post)
column   type     null  default
───────  ───────  ────  ───────  ───
id       integer  no             key
title    varchar  yes
user_id  integer  no
(3 columns)
  primary key (id)
  index ix_post_title (title)
  foreign key (user_id) to user (id) on delete cascade
  Post.user: many-to-one to User, lazy = "select"
]], "\\d Post")
    end)

    it("or says that there is none", function()
      local _, err = session("\\d usr\n")
      assert.equal("there is no table or model 'usr' (did you mean 'user'?)\n", err)
    end)
  end)

  it("shows the SQL of a query and runs SQL by \\sql", function()
    shows("SELECT post.id, post.title, post.user_id FROM post WHERE post.title = ?\n('x')\n",
      "\\sql Post.query:filter_by{title = 'x'}")
    shows("      a     b\ninteger\n───────  ────\n      1  NULL\n(1 row)\n", "\\sql select 1 as a, null as b")
  end)

  it("names the missing index by \\explain", function()
    shows("SCAN user   -- an index would spare this: CREATE INDEX ix_user_name ON user (name)\n",
      "\\explain User.query:where(User.name:eq 'x')")
    shows("SCAN user   -- an index would spare this: CREATE INDEX ix_user_born ON user (born)\n",
      "\\explain select * from user where born > '1990-01-01'")
    shows("SEARCH post USING INDEX ix_post_title (title=?)\n",
      "\\explain Post.query:where(Post.title:eq 'x')")
  end)

  it("prints statements after \\echo on", function()
    local _, err = session("\\echo on\nUser.query:count()\n\\echo off\nUser.query:count()\n")
    local _, n = err:gsub("%[sql [%d.]+ ms%] SELECT count", "")
    assert.equal(1, n)
  end)

  it("lists its commands and knows no others", function()
    local out, err = session("\\?\n\\foo\n\\limit x\n\\echo x\n\\explain\n\\sql 5\n")
    for _, name in ipairs { "\\d", "\\sql", "\\explain", "\\echo on|off", "\\limit", "\\trace", "\\q" } do
      assert.truthy(out:find(name, 1, true), name)
    end
    assert.truthy(err:find("there is no command \\foo", 1, true), err)
    assert.truthy(err:find("\\limit needs", 1, true), err)
    assert.truthy(err:find("\\echo needs", 1, true), err)
    assert.truthy(err:find("\\explain needs", 1, true), err)
    assert.truthy(err:find("that is no query", 1, true), err)
  end)

  it("ends by \\q", function()
    assert.equal("1\n", (session("1\n\\q\n2\n")))
  end)

  it("works without an app, and on a database", function()
    local out = session("db = perilune.open 'sqlite:///some.db'\n"
      .. "db.session:execute(db.text 'create table t (a)')\n"
      .. "db.session:execute(db.text 'insert into t values (7)')\ndb.session:commit()\n", {})
    assert.truthy(out:find("(1 row changed)", 1, true), out)
    out = session("\\d\n\\sql select a from t\n", { "some.db" })
    assert.truthy(out:find("t     table             1", 1, true), out)
    assert.truthy(out:find("      7\n(1 row)", 1, true), out)
  end)

  it("reports a script that fails", function()
    run.write(folder .. "/fails.lua", "error 'boo'")
    local result = run.command({ perilune, "shell", "fails.lua" }, { dir = folder })
    assert.equal(1, result.code)
    assert.truthy(result.err:find("fails.lua:1: boo", 1, true), result.err)
  end)

  it("gives way to a file of its name", function()
    run.write(folder .. "/shell", "print('a file', ...)")
    local result = run.command({ perilune, "shell", "app.lua" }, { dir = folder })
    os.remove(folder .. "/shell")
    assert.equal("a file\tapp.lua\n", result.out)
  end)

  it("is not the only command: those of the app run, too", function()
    local result = run.command({ perilune, "sow", "app.lua", "a" }, { dir = folder })
    assert.equal("sowing\ta\tsow\tapp.lua\n", result.out)
    result = run.command({ perilune, "so", "app.lua" }, { dir = folder })
    assert.equal(1, result.code)
    assert.truthy(result.err:find("app.lua has no command 'so' (did you mean 'sow'?)", 1, true))
  end)
end)

describe("the shell on a terminal", function()
  local pty, history

  setup(function()
    pty = perilune:match "^(.*)/" .. "/pty"
    history = folder .. "/history"
  end)

  local function talk(steps, columns)
    if not io.open(pty) then pending "no pty helper beside the program" end
    local result = run.command({ pty, "20", columns or "80", perilune, "shell", "app.lua" }, {
      stdin = steps, dir = folder, env = { TERM = "xterm", PERILUNE_HISTORY = history },
    })
    assert.equal(0, result.code, result.out)
    return (result.out:gsub("\r", ""))
  end

  -- The prompt of a new line.
  local ready = "expect 2004h> \n"

  it("edits the line", function()
    talk(ready .. "send 40+1\\x7f2\\n\nexpect 42\n" .. ready .. "send \\x04\n")
  end)

  it("completes models, methods, columns, tables, globals", function()
    talk(ready .. "send User.query:filter_b\\t{na\\t = \"Alice\"}:coun\\t()\\n\nexpect \n1\n"
      .. ready .. "send User.query:first():gre\\t()\\n\nexpect hi Alice\n"
      .. ready .. "send Post.query:where(Post.tit\\t:lik\\t\\t\nexpect like\n"
      .. "send \\x03\n" .. ready .. "send \\\\d po\\t\\n\nexpect foreign key\n"
      .. ready .. "send answ\\t\\n\nexpect 42\n"
      .. ready .. "send db.session:rollb\\t()\\n\n" .. ready .. "send \\x04\n")
  end)

  it("throws a line away at ^C", function()
    local out = talk(ready .. "send error 'no'\nexpect no'\nsend \\x03\n" .. ready
      .. "send 40+2\\n\nexpect 42\n" .. ready .. "send \\x04\n")
    assert.falsy(out:find("stdin:1", 1, true))
  end)

  it("stops a chunk at ^C", function()
    talk(ready .. "send print('sp' .. 'in') while true do end\\n\nexpect spin\nsend \\x03\n"
      .. "expect interrupted!\n" .. ready .. "send 40+2\\n\nexpect 42\n" .. ready .. "send \\x04\n")
  end)

  it("stops a coroutine at ^C", function()
    talk(ready .. "send coroutine.wrap(function() print('sp' .. 'in') while true do end end)()\\n\nexpect spin\n"
      .. "send \\x03\nexpect interrupted!\n" .. ready .. "send 40+2\\n\nexpect 42\n" .. ready .. "send \\x04\n")
  end)

  it("has its history even when it is killed", function()
    os.remove(history)
    run.command({ pty, "20", "80", perilune, "shell", "app.lua" }, {
      stdin = ready .. "send 'ke' .. 'pt'\\n\nexpect kept\n" .. ready
        .. "send os.execute 'kill -9 $PPID'\\n\n",
      dir = folder, env = { TERM = "xterm", PERILUNE_HISTORY = history },
    })
    assert.truthy(io.open(history):read "a":find("'ke' .. 'pt'", 1, true))
  end)

  it("tells of a long query, stops it at ^C and keeps the session", function()
    talk(ready .. "send u = User.query:first()\\n\n" .. ready
      .. "send \\\\sql with recursive c(x) as (select 1 union all select x + 1 from c) "
      .. "select count(*) from c\\n\nexpect query running\nsend \\x03\nexpect InterruptError: interrupted\n" .. ready
      .. "send u:greet() .. #u.posts\\n\nexpect hi Alice100\n" .. ready .. "send \\x04\n")
  end)

  it("keeps a history, chunks of several lines whole", function()
    os.remove(history)
    talk(ready .. "send for i = 1, 2 do\\n\nexpect >> \nsend print('n' .. i)\\n\nexpect >> \n"
      .. "send end\\n\nexpect n2\n" .. ready .. "send \\x04\n")
    talk(ready .. "send \\x1b[A\\n\nexpect n1\nexpect n2\n" .. ready .. "send \\x04\n")
  end)

  it("fits tables into the width", function()
    local out = talk(ready .. "send User{name = ('x'):rep(90)}\\n\nexpect …\n" .. ready
      .. "send \\x04\n", "50")
    for line in out:gmatch "[^\n]+" do
      if line:find("…", 1, true) then assert.truthy(utf8.len(line) <= 50, line) end
    end
  end)
end)
