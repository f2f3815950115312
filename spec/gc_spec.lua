-- SPDX-License-Identifier: MIT
-- Ends of all kinds: values collected in any order, collections inside handlers, programs that
-- leave in the middle of something, programs that are killed.

local perilune = require "perilune"
local raised = require "spec.support.raised"
local run = require "spec.support.run"

describe("values of every kind", function()
  it("may be collected in any order, used or not", function()
    for seed = 1, 2 do
      local r = run.command { run.program(), "spec/support/lifetimes.lua", 20, seed }
      assert.same({ code = 0, out = "23\n", err = "" }, r)
    end
  end)

  it("may be collected under a generational collector", function()
    local r = run.command { run.program(), "-e", "collectgarbage 'generational'",
                            "spec/support/lifetimes.lua", 20, 3 }
    assert.same({ code = 0, out = "23\n", err = "" }, r)
  end)

  it("go with their state in whatever order it takes", function()
    -- The db is made last, first or in the middle of what refers to it.
    for _, order in ipairs { "db, user, each", "each, db, user", "user, each, db" } do
      local r = run.command({ run.program(), "-" }, { stdin = ([[
        local perilune = require "perilune"
        local db = perilune.open "sqlite://"
        local User = db.Model "User" { id = db.Column { db.Integer, primary_key = true } }
        db:create_all()
        db.session:add_all { User {}, User {}, User {} }
        db.session:commit()
        local user, each = User.query:first(), User.query:each()
        each()
        local made = { db = db, user = user, each = each }
        for name in ("%s"):gmatch "%%a+" do
          setmetatable({}, { __gc = function(t)
            print(name, pcall(function() return tostring(made[name]) ~= nil and User.query:count() end))
          end })
        end
      ]]):format(order) })
      assert.equal(0, r.code, r.err)
      assert.equal("", r.err)
      local _, lines = r.out:gsub("\n", "")
      assert.equal(3, lines)
    end
  end)
end)

describe("a full collection", function()
  local db, session

  before_each(function()
    db = perilune.open "sqlite://"
    session = db.session
  end)

  after_each(function() db:close() end)

  it("may happen inside every handler, default and conversion", function()
    local ran = {}
    local function collect(name)
      return function()
        ran[name] = (ran[name] or 0) + 1
        collectgarbage()
      end
    end
    local touch = collect "type"
    local User = db.Model "User" {
      id = db.Column { db.Integer, primary_key = true },
      name = db.Column { db.Text },
      made = db.Column { db.Text, default = function()
        collect "default"()
        return "made" .. #("x"):rep(5)
      end },
      changed = db.Column { db.Text, onupdate = function()
        collect "onupdate"()
        return "changed" .. tostring({}):sub(1, 5)
      end },
      own = db.Column { db.type { db.Text, bind = function(v) touch() return v .. "!" end,
                                  result = function(v) touch() return v:sub(1, -2) .. "?" end } },
      loud = db.hybrid { get = function(self)
        collect "hybrid"()
        return self.name:upper()
      end },
      check = db.validates("name", function(_, _, value)
        collect "validates"()
        return value .. ""
      end),
      __tostring = function(self)
        collect "tostring"()
        return "user " .. self.name
      end,
    }
    local Post = db.Model "Post" {
      id = db.Column { db.Integer, primary_key = true },
      user_id = db.Column { db.Integer, db.ForeignKey "user.id" },
      user = db.relationship { "User", backref = "posts" },
    }
    db:create_all()
    local names = { "init", "load", "refresh", "before_insert", "after_insert", "before_update",
                    "after_update", "before_delete", "after_delete" }
    for _, name in ipairs(names) do db.event.listen(User, name, collect(name)) end
    for _, name in ipairs { "before_flush", "after_flush", "before_commit", "after_commit",
                            "after_rollback" } do
      names[#names + 1] = name
      db.event.listen(session, name, collect(name))
    end
    db.event.listen(User.posts, "append", collect "append")
    db.event.listen(User.posts, "remove", collect "remove")
    for i = 1, 10 do
      local user = User { name = "n" .. i, own = "own" .. i }
      user.posts:append(Post {})
      user.posts:append(Post {})
      session:add(user)
    end
    session:commit()
    session:expunge_all()
    local seen = {}
    for user in User.query:order_by(User.id):each(3) do
      assert.equal("user n" .. user.id, tostring(user))
      assert.equal("own" .. user.id .. "?", user.own)
      assert.equal("N" .. user.id, user.loud)
      user.name = "m" .. user.id
      seen[#seen + 1] = user
    end
    session:commit()
    for i, user in ipairs(seen) do
      assert.equal("made5", user.made)
      assert.equal("chang", user.changed:sub(1, 5))
      user.posts:remove(user.posts[1])
      if i % 2 == 0 then session:delete(user) end
    end
    session:commit()
    session:refresh(seen[1])
    seen[1].name = "gone"
    session:rollback()
    assert.equal("m1", seen[1].name)
    assert.equal(5, User.query:count())
    for _, name in ipairs { "default", "onupdate", "type", "hybrid", "validates", "tostring",
                            "append", "remove" } do
      names[#names + 1] = name
    end
    for _, name in ipairs(names) do assert.is_truthy(ran[name], name .. " did not run") end
  end)

  it("in the middle of a result lets go of nothing that is needed", function()
    local User = db.Model "User" { id = db.Column { db.Integer, primary_key = true },
                                   name = db.Column { db.Text } }
    db:create_all()
    for i = 1, 100 do session:add(User { name = "a long name that is no short string, " .. i }) end
    session:commit()
    session:expunge_all()
    local n = 0
    for user in User.query:each(7) do
      n = n + 1
      if n % 5 == 0 then collectgarbage() end
      assert.equal("a long name that is no short string, " .. user.id, user.name)
    end
    assert.equal(100, n)
    local first = User.query:order_by(User.id):all()[50]
    collectgarbage()
    assert.equal("a long name that is no short string, 50", first.name)
  end)

  it("takes a loop that was left, and its statement", function()
    local User = db.Model "User" { id = db.Column { db.Integer, primary_key = true } }
    db:create_all()
    session:add_all { User {}, User {}, User {} }
    session:commit()
    for _ in User.query:each() do break end -- luacheck: ignore 512
    pcall(function()
      for _ in User.query:each() do error "left" end
    end)
    assert.equal(0, perilune._debug.open_statements())
    local step = coroutine.wrap(function()
      for user in User.query:each(2) do coroutine.yield(user) end
    end)
    step()
    assert.equal(1, perilune._debug.open_statements())
    local err = raised("OperationalError", db.drop_all, db)
    assert.matches("still being read", tostring(err))
    step = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal(0, perilune._debug.open_statements())
    db:drop_all()
  end)
end)

describe("a program that leaves", function()
  local folder

  before_each(function() folder = run.folder() end)
  after_each(function() run.remove(folder) end)

  local head = [[
    local perilune = require "perilune"
    local db = perilune.open("sqlite:///" .. arg[1])
    local User = db.Model "User" { id = db.Column { db.Integer, primary_key = true },
                                   name = db.Column { db.Text } }
    db:create_all()
    local session = db.session
    for i = 1, 5 do session:add(User { name = "kept " .. i }) end
    session:commit()
    session:add(User { name = "lost" })
    session:flush()
    local each = User.query:each()
    each()
    local nested = session:begin_nested()
    session:add(User { name = "lost too" })
  ]]

  local ways = {
    { "os.exit(0, true)", 0 },
    { "os.exit(0)", 0 },
    { "os.exit(3, true)", 3 },
    { "os.exit(3)", 3 },
    { "error 'in the middle'", 1, "in the middle" },
    { "error(setmetatable({}, { __tostring = function() return 'an object' end }))", 1, "an object" },
    { "User.nmae = 5 print(User.nonsense)", 1, "nonsense" },
    { "", 0 },
    { "return", 0 },
    { "for _ in User.query:each() do os.exit(0, true) end", 0 },
    { "for _ in User.query:each() do error 'in a loop' end", 1, "in a loop" },
    { "coroutine.wrap(function() for _ in User.query:each() do os.exit(2) end end)()", 2 },
    { "coroutine.wrap(function() for u in User.query:each() do coroutine.yield(u) end end)()", 0 },
    { "session:begin_nested(function() session:flush() os.exit(0, true) end)", 0 },
    { "session:begin_nested(function() error 'in a savepoint' end)", 1, "in a savepoint" },
    { "db.event.listen(User, 'before_insert', function() os.exit(0) end) session:flush()", 0 },
    { "db.event.listen(User, 'before_insert', function() error 'in a handler' end) session:flush()",
      1, "in a handler" },
    { "local guard <close> = setmetatable({}, { __close = function() os.exit(4, true) end }) error 'x'", 4 },
    { "setmetatable({}, { __gc = function() session:commit() end }) session:rollback()", 0 },
  }

  for _, way in ipairs(ways) do
    it(("by %s loses what was not committed, and only that"):format(way[1] == "" and "its end" or way[1]),
       function()
      local path = folder .. "/test.db"
      run.write(folder .. "/script.lua", head .. way[1] .. "\n")
      local r = run.command { run.program(), folder .. "/script.lua", path }
      assert.equal(way[2], r.code, r.err)
      if way[3] then
        assert.is_truthy(r.err:find(way[3], 1, true), r.err)
      else
        assert.equal("", r.err)
      end
      local db = perilune.open("sqlite:///" .. path)
      local names = db.session:execute(db.text "SELECT name FROM user ORDER BY id"):scalars()
      assert.same({ "kept 1", "kept 2", "kept 3", "kept 4", "kept 5" }, { table.unpack(names) })
      assert.equal("ok", db.session:execute(db.text "PRAGMA integrity_check"):scalar())
      db:close()
    end)
  end
end)

describe("a program that is killed while it writes", function()
  -- Starts the writer, kills it some time after it began; what it said it had committed.
  local function killed_after(seconds, folder)
    local out, err = folder .. "/out", folder .. "/err"
    os.remove(out)
    local line = ("%s spec/support/writer.lua %s >%s 2>%s & pid=$!; n=0; "
      .. "while ! [ -s %s ] && kill -0 $pid 2>/dev/null && [ $n -lt 600 ]; do sleep 0.05; n=$((n+1)); done; "
      .. "sleep %.3f; kill -9 $pid 2>/dev/null || echo gone >>%s; wait $pid 2>/dev/null")
      :format(run.quote(run.program()), folder .. "/test.db", out, err, out, seconds, err)
    local r = run.command { "sh", "-c", line }
    local said = {}
    for text in io.lines(out) do said[#said + 1] = tonumber(text) end
    local file = assert(io.open(err))
    assert.equal("", file:read "a", r.err)
    file:close()
    return said
  end

  it("leaves a sound database with every transaction whole", function()
    local folder = run.folder()
    finally(function() run.remove(folder) end)
    local rounds = tonumber(os.getenv "PERILUNE_KILLS") or 100
    local last, commits = 0, 0
    for _ = 1, rounds do
      local said = killed_after(math.random() * 0.15, folder)
      local db = perilune.open("sqlite:///" .. folder .. "/test.db")
      local function scalars(sql) return db.session:execute(db.text(sql)):scalars() end
      assert.equal("ok", scalars "PRAGMA integrity_check"[1])
      assert.equal(0, #db.session:execute(db.text "PRAGMA foreign_key_check"):all())
      local batches = scalars "SELECT id FROM batch ORDER BY id"
      for i, id in ipairs(batches) do assert.equal(i, id) end
      for i, id in ipairs(said) do assert.equal(last + i, id) end
      last = #said > 0 and said[#said] or last
      assert.is_true(#batches == last or #batches == last + 1,
                     ("%d were said to be committed, %d are there"):format(last, #batches))
      assert.same({}, { table.unpack(scalars [[
        SELECT batch.id FROM batch LEFT JOIN item ON item.batch_id = batch.id
        GROUP BY batch.id HAVING NOT closed OR size <> count(item.id)]]) })
      commits, last = commits + #said, #batches
      db:close()
    end
    assert.is_true(commits > 0)
  end)
end)
