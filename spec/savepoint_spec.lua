-- SPDX-License-Identifier: MIT
-- Savepoints of sessions.

local raised = require "spec.support.raised"
local sql_log = require "spec.support.sql_log"
local users = require "spec.support.users"

local state = users.state

describe("a session's", function()
  local db, session, User, log

  before_each(function()
    db, User = users.open()
    session = db.session
    log = sql_log(db)
  end)

  after_each(function() db:close() end)

  local function saved(name) return users.saved(session, User, name) end
  local function names() return users.names(session) end

  describe("savepoints", function()
    it("commit with the function and return its results", function()
      local a, b = session:begin_nested(function()
        session:add(User { name = "a" })
        return 1, "two"
      end)
      assert.same({ 1, "two" }, { a, b })
      session:commit()
      assert.same({ "a" }, names())
    end)

    it("roll back what a failing function did, and only that", function()
      session:add(User { name = "before" })
      local inner = User { name = "inner" }
      local ok, err = pcall(session.begin_nested, session, function()
        session:add(inner)
        session:flush()
        error("out", 0)
      end)
      assert.is_false(ok)
      assert.equal("out", err)
      assert.equal("transient", state(inner))
      session:add(User { name = "after" })
      session:commit()
      assert.same({ "after", "before" }, names())
    end)

    it("by a handle", function()
      local point = session:begin_nested()
      session:add(User { name = "a" })
      point:commit()
      local second = session:begin_nested()
      session:add(User { name = "b" })
      second:rollback()
      session:commit()
      assert.same({ "a" }, names())
      raised(function() second:commit() end)
    end)

    it("by <close>, left in good order or by an error", function()
      do
        local point <close> = session:begin_nested()
        session:add(User { name = "a" })
        assert.truthy(point)
      end
      pcall(function()
        local point <close> = session:begin_nested()
        session:add(User { name = "b" })
        session:flush()
        error(tostring(point))
      end)
      assert.is_false(session:in_nested_transaction())
      session:commit()
      assert.same({ "a" }, names())
    end)

    it("survive a constraint failure inside", function()
      saved "a"
      session:add(User { name = "outer" })
      local ok, err = pcall(session.begin_nested, session, function()
        session:add(User { name = "a" })
      end)
      assert.is_false(ok)
      assert.is_true(err:is "IntegrityError")
      session:add(User { name = "later" })
      session:commit()
      assert.same({ "a", "later", "outer" }, names())
    end)

    it("survive a flush that fails inside a function that goes on", function()
      saved "a"
      session:add(User { name = "outer" })
      pcall(session.begin_nested, session, function()
        session:add(User { name = "a" })
        pcall(session.flush, session)
      end)
      session:rollback()
      assert.same({ "a" }, names())
      session:add(User { name = "later" })
      session:commit()
      assert.same({ "a", "later" }, names())
    end)

    it("flush what was pending before they begin", function()
      local outer = User { name = "outer" }
      session:add(outer)
      session:begin_nested():rollback()
      assert.equal("persistent", state(outer))
      session:commit()
      assert.same({ "outer" }, names())
    end)

    it("rolled back reload only what changed inside", function()
      local a, b = saved "a", saved "b"
      local _, _ = a.name, b.name
      local point = session:begin_nested()
      a.name = "x"
      session:flush()
      point:rollback()
      log:clear()
      assert.equal("b", b.name)
      assert.equal(0, log:selects())
      assert.equal("a", a.name)
      assert.equal(1, log:selects())
    end)

    it("rolled back restore what was deleted inside", function()
      local user = saved "a"
      local point = session:begin_nested()
      session:delete(user)
      session:flush()
      point:rollback()
      assert.equal("persistent", state(user))
      session:commit()
      assert.same({ "a" }, names())
    end)

    it("nest", function()
      local one = session:begin_nested()
      session:add(User { name = "a" })
      local two = session:begin_nested()
      session:add(User { name = "b" })
      two:rollback()
      session:add(User { name = "c" })
      one:commit()
      session:commit()
      assert.same({ "a", "c" }, names())
    end)

    it("released inside one that is rolled back are undone", function()
      local user = saved "u"
      local one = session:begin_nested()
      local b = User { name = "b" }
      local two = session:begin_nested()
      session:add(b)
      user.age = 4
      two:commit()
      one:rollback()
      assert.equal("transient", state(b))
      assert.is_nil(user.age)
      session:commit()
      assert.same({ "u" }, names())
    end)

    it("the outer handle ends the inner ones", function()
      local one = session:begin_nested()
      local two = session:begin_nested()
      session:add(User { name = "a" })
      one:rollback()
      raised(function() two:commit() end)
      assert.is_false(session:in_nested_transaction())
      session:commit()
      assert.same({}, names())
    end)

    it("session:rollback inside goes to the outermost transaction", function()
      local outer = User { name = "outer" }
      session:add(outer)
      session:flush()
      session:begin_nested()
      session:add(User { name = "inner" })
      session:rollback()
      assert.is_false(session:in_nested_transaction())
      assert.equal("transient", state(outer))
      assert.same({}, names())
    end)

    it("session:commit inside goes to the outermost transaction", function()
      session:begin_nested()
      session:add(User { name = "inner" })
      session:commit()
      assert.is_false(session:in_nested_transaction())
      session:rollback()
      assert.same({ "inner" }, names())
    end)

    it("a savepoint released and then an outer rollback leave nothing", function()
      session:begin_nested(function() session:add(User { name = "a" }) end)
      session:rollback()
      assert.same({}, names())
      local count = session:begin_nested(function()
        session:execute(db.text "CREATE TABLE made (x)")
        return session:scalar(db.text "SELECT count(*) FROM sqlite_master WHERE name = 'made'")
      end)
      assert.equal(1, count)
      session:rollback()
      assert.equal(0,
        session:scalar(db.text "SELECT count(*) FROM sqlite_master WHERE name = 'made'"))
    end)

    it("many in turn", function()
      for i = 1, 200 do
        local point = session:begin_nested()
        session:add(User { name = "n" .. i })
        if i % 2 == 0 then point:commit() else point:rollback() end
      end
      session:commit()
      assert.equal(100, User.query:count())
    end)

    it("deeply nested", function()
      local function nest(depth)
        if depth == 0 then return end
        session:begin_nested(function()
          session:add(User { name = "d" .. depth })
          nest(depth - 1)
        end)
      end
      nest(70)
      session:commit()
      assert.equal(70, User.query:count())
    end)
  end)
end)
