-- SPDX-License-Identifier: MIT
-- Transactions of sessions: commit, rollback, expiry, failure, begin.

local perilune = require "perilune"
local raised = require "spec.support.raised"
local run = require "spec.support.run"
local sql_log = require "spec.support.sql_log"
local users = require "spec.support.users"

local declare, state = users.declare, users.state

describe("a transaction", function()
  local db, session, User, Post, log

  before_each(function()
    db, User, Post = users.open()
    session = db.session
    log = sql_log(db)
  end)

  after_each(function() db:close() end)

  local function saved(name) return users.saved(session, User, name) end
  local function names() return users.names(session) end

  describe("that the database has ended by itself", function()
    it("does not commit, so that nothing is lost in silence", function()
      local user = saved "a"
      session:execute(db.text [[CREATE TRIGGER t BEFORE UPDATE ON user WHEN new.name = 'no'
        BEGIN SELECT raise(ROLLBACK, 'no'); END]])
      session:commit()
      user.age = 3
      session:flush()
      raised(function() session:execute(db.text "UPDATE user SET name = 'no'") end)
      raised("OperationalError", function() session:commit() end)
      session:rollback()
      assert.is_nil(user.age)
      user.age = 4
      session:commit()
      assert.equal(4, session:scalar(db.text "SELECT age FROM user"))
    end)

    it("is told by a failing flush as well", function()
      local user = saved "a"
      session:execute(db.text [[CREATE TRIGGER t BEFORE UPDATE ON user WHEN new.name = 'no'
        BEGIN SELECT raise(ROLLBACK, 'no'); END]])
      session:commit()
      local other = User { name = "b" }
      session:add(other)
      session:flush()
      user.name = "no"
      raised(function() session:commit() end)
      session:rollback()
      assert.same({ "a", "transient" }, { user.name, state(other) })
      session:add(other)
      session:commit()
      assert.same({ "a", "b" }, names())
    end)
  end)

  describe("commit", function()
    it("of nothing runs no statement that writes", function()
      session:commit()
      assert.same({}, log:writes())
    end)

    it("reads nothing again when nobody else wrote", function()
      local user = saved "a"
      assert.equal(0, log:during(function() assert.equal("a", user.name) end))
      user.name = "b"
      session:commit()
      assert.equal(0, log:during(function()
        assert.equal("b", user.name)
        assert.equal(1, user.id)
      end))
    end)

    it("reads a list again whose order can have changed, and nothing else", function()
      local Row = db.Model "Row" { id = db.Column { db.Integer, primary_key = true }, rank = db.Column { db.Integer },
        list_id = db.Column { db.Integer, db.ForeignKey "list.id" } }
      local List = db.Model "List" { id = db.Column { db.Integer, primary_key = true },
        rows = db.relationship { Row, order_by = Row.rank:desc() } }
      db:create_all()
      local one, two = List { rows = { Row { rank = 3 }, Row { rank = 1 } } }, List { rows = { Row { rank = 2 } } }
      session:add_all { one, two }
      session:commit()
      local function shown()
        local out = {}
        for _, list in ipairs { one, two } do
          for _, row in ipairs(list.rows) do out[#out + 1] = row.rank end
        end
        return table.concat(out, " ")
      end
      local function reads() return log:during(function() shown() end) end
      assert.equal(0, reads())
      one.rows[1].rank = 4
      two.rows:append(Row { rank = 0 })
      session:commit()
      assert.equal(0, reads())
      assert.equal("4 1 2 0", shown())
      one.rows[2].rank = 9
      session:flush()
      assert.equal("4 9 2 0", shown())
      session:commit()
      assert.equal(1, reads())
      assert.equal("9 4 2 0", shown())
      two.rows[1].rank = 0
      session:commit()
      assert.equal(1, reads()) -- equal ranks: only the database knows
      two.rows:insert(1, Row { rank = -5 })
      session:commit()
      assert.equal("9 4 0 0 -5", shown())
    end)

    it("after raw SQL of one's own reads again", function()
      local user = saved "a"
      session:execute(db.text "UPDATE user SET name = 'raw'")
      session:commit()
      assert.equal("raw", user.name)
    end)

    it("after a query's update reads again", function()
      local user = saved "a"
      User.query:filter_by { id = 1 }:update { name = "bulk" }
      session:commit()
      assert.equal("bulk", user.name)
    end)

    it("by try_commit gives nil and the error, and the session goes on", function()
      saved "a"
      session:add(User { name = "a" })
      local ok, err = session:try_commit()
      assert.is_nil(ok)
      assert.is_true(err:is "IntegrityError")
      session:add(User { name = "b" })
      assert.is_truthy(session:try_commit())
      assert.same({ "a", "b" }, names())
    end)

    it("leaves objects alone without expire_on_commit", function()
      session.expire_on_commit = false
      local user = saved "a"
      assert.equal(0, log:during(function() return user.name end))
    end)
  end)

  describe("rollback", function()
    it("makes new objects transient, with their values and key", function()
      local user = User { name = "a" }
      session:add(user)
      session:flush()
      local id = user.id
      session:rollback()
      assert.equal("transient", state(user))
      assert.equal(id, user.id)
      assert.equal("a", user.name)
      assert.same({}, names())
      session:add(user)
      session:commit()
      assert.same({ "a" }, names())
      assert.equal(id, user.id)
    end)

    it("of pending objects", function()
      local user = User { name = "a" }
      session:add(user)
      session:rollback()
      assert.equal("transient", state(user))
      session:commit()
      assert.same({}, names())
    end)

    it("makes deleted objects persistent", function()
      local user = saved "a"
      session:delete(user)
      session:flush()
      session:rollback()
      assert.equal("persistent", state(user))
      assert.equal("a", user.name)
      user.name = "b"
      session:commit()
      assert.same({ "b" }, names())
    end)

    it("takes marks for deletion away", function()
      local user = saved "a"
      session:delete(user)
      session:rollback()
      session:commit()
      assert.same({ "a" }, names())
      assert.equal("persistent", state(user))
    end)

    it("reloads changed objects, flushed or not", function()
      local a, b = saved "a", saved "b"
      a.name = "x"
      session:flush()
      b.name = "y"
      session:rollback()
      assert.equal("a", a.name)
      assert.equal("b", b.name)
      session:commit()
      assert.same({ "a", "b" }, names())
    end)

    it("of an object new and deleted in one transaction", function()
      local user = User { name = "a" }
      session:add(user)
      session:flush()
      session:delete(user)
      session:flush()
      session:rollback()
      assert.equal("transient", state(user))
      session:add(user)
      session:commit()
      assert.same({ "a" }, names())
    end)

    it("restores collections and references", function()
      local user = saved "a"
      local post = Post { title = "t", user = user }
      session:commit()
      assert.equal(1, #user.posts)
      user.posts:append(Post { title = "u" })
      session:flush()
      post.user = nil
      session:rollback()
      assert.equal(1, #user.posts)
      assert.equal(user, post.user)
      session:delete(post)
      session:flush()
      session:rollback()
      assert.equal(1, #user.posts)
    end)

    it("before anything is nothing", function()
      session:rollback()
      session:rollback()
      session:commit()
    end)
  end)

  describe("expiry", function()
    local other, folder, file_db, FileUser

    before_each(function()
      folder = run.folder()
      file_db = perilune.open("sqlite:///" .. folder .. "/x.db")
      FileUser = declare(file_db)
      file_db:create_all()
      other = perilune.open("sqlite:///" .. folder .. "/x.db")
      file_db.session:add(FileUser { name = "a" })
      file_db.session:commit()
    end)

    after_each(function()
      file_db:close()
      other:close()
      run.remove(folder)
    end)

    local function write(sql)
      other.session:execute(other.text(sql))
      other.session:commit()
    end

    it("reads a row again once when another connection wrote", function()
      local user = file_db.session:get(FileUser, 1)
      file_db.session:commit()
      write "UPDATE user SET name = 'other', age = 9"
      local seen = sql_log(file_db)
      assert.equal("other", user.name)
      assert.equal(9, user.age)
      assert.equal(1, seen:selects())
    end)

    it("reads nothing when another connection only read", function()
      local user = file_db.session:get(FileUser, 1)
      file_db.session:commit()
      other.session:execute(other.text "SELECT * FROM user"):all()
      other.session:commit()
      local seen = sql_log(file_db)
      assert.equal("a", user.name)
      assert.equal(0, seen:selects())
    end)

    it("sees one state of the database within a transaction", function()
      local user = file_db.session:get(FileUser, 1)
      assert.equal("a", user.name)
      write "UPDATE user SET name = 'other'"
      file_db.session:expire(user)
      assert.equal("a", user.name)
      file_db.session:commit()
      assert.equal("other", user.name)
    end)

    it("a row that another connection deleted is an error", function()
      local user = file_db.session:get(FileUser, 1)
      file_db.session:commit()
      write "DELETE FROM user"
      raised("ObjectDeletedError", function() return user.name end)
      file_db.session:rollback()
    end)

    it("an UPDATE of a row that is gone is StaleDataError", function()
      local user = file_db.session:get(FileUser, 1)
      file_db.session:commit()
      write "DELETE FROM user"
      user.age = 5
      raised("StaleDataError", function() file_db.session:flush() end)
      file_db.session:rollback()
    end)

    it("by expire and refresh", function()
      local user = saved "a"
      log:clear()
      session:expire(user)
      assert.equal("a", user.name)
      assert.equal(1, log:selects())
      log:clear()
      session:refresh(user)
      assert.equal(1, log:selects())
      user.name = "x"
      session:refresh(user, { "age" })
      session:expire_all()
      assert.equal("x", User.query:first().name)
    end)

    it("a refresh drops what was not flushed, of the named attributes or of all", function()
      local user = saved "a"
      user.name, user.age = "x", 3
      session:refresh(user)
      assert.same({ "a", nil }, { user.name, user.age })
      assert.equal(0, #session.dirty)
      user.name, user.age = "x", 3
      session:refresh(user, { "age" })
      assert.same({ "x", nil }, { user.name, user.age })
      session:commit()
      assert.same({ "x" }, names())
    end)

    it("keeps a deletion that was not flushed", function()
      local user, second = saved "a", saved "b"
      session:delete(user)
      session:expire(user)
      session:commit()
      assert.same({ "b" }, names())
      session:delete(second)
      raised("InvalidRequestError", session.refresh, session, second)
      session:commit()
      assert.same({}, names())
    end)

    it("a refresh of named attributes reads these", function()
      local user = saved "a"
      assert.equal("a", user.name)
      session:execute(db.text "UPDATE user SET name = 'b', age = 4")
      session:refresh(user, { "age" })
      assert.same({ "a", 4 }, { user.name, user.age })
      local posts = user.posts
      assert.equal(0, #posts)
      session:execute(db.text "INSERT INTO post (title, user_id) VALUES ('t', 1)")
      log:clear()
      session:refresh(user, { "posts" })
      assert.equal(1, log:selects())
      assert.equal("t", user.posts[1].title)
      assert.equal(1, log:selects())
      raised("AttributeError", function() session:refresh(user, { "nmae" }) end)
      session:expire(user, { "id", "name" })
      assert.same({ 1, "b" }, { user.id, user.name })
      session:refresh(user, { "id" })
      assert.equal(1, user.id)
    end)
  end)

  describe("a flush that fails", function()
    local function fail()
      session:add(User { name = "a" })
      return raised("IntegrityError", function() session:flush() end)
    end

    it("rolls back at once and refuses all until rollback", function()
      saved "a"
      session:add(User { name = "before" })
      session:flush()
      local err = fail()
      assert.equal("User.name", err.attribute)
      for _, fn in ipairs {
        function() session:flush() end,
        function() session:commit() end,
        function() return User.query:all() end,
        function() return session:execute(db.text "SELECT 1") end,
        function() return session:get(User, 99) end,
        function() session:begin_nested() end,
      } do
        local pending = raised("PendingRollbackError", fn)
        assert.truthy(tostring(pending):find("UNIQUE constraint failed", 1, true))
        assert.truthy((tostring(pending) .. (pending.hint or "")):find "rollback")
      end
      session:rollback()
      assert.same({ "a" }, names())
      session:add(User { name = "after" })
      session:commit()
      assert.same({ "a", "after" }, names())
    end)

    it("lets other connections write meanwhile", function()
      local folder = run.folder()
      local uri = "sqlite:///" .. folder .. "/x.db"
      local one, two = perilune.open(uri), perilune.open(uri)
      local One = declare(one)
      one:create_all()
      one.session:add_all { One { name = "a" }, One { name = "a" } }
      raised("IntegrityError", function() one.session:flush() end)
      two.session:execute(two.text "INSERT INTO user (name) VALUES ('two')")
      two.session:commit()
      one.session:rollback()
      assert.equal("two", One.query:one().name)
      one:close()
      two:close()
      run.remove(folder)
    end)

    it("leaves its new objects transient and usable", function()
      saved "a"
      local one, two = User { name = "b" }, User { name = "a" }
      session:add_all { one, two }
      raised("IntegrityError", function() session:commit() end)
      session:rollback()
      assert.equal("transient", state(one))
      assert.equal("transient", state(two))
      two.name = "c"
      session:add_all { one, two }
      session:commit()
      assert.same({ "a", "b", "c" }, names())
    end)

    it("leaves deleted and changed objects as the database has them", function()
      local a, b = saved "a", saved "b"
      session:delete(a)
      b.age = 7
      session:add_all { User { name = "x" }, User { name = "x" } }
      raised("IntegrityError", function() session:flush() end)
      session:rollback()
      assert.equal("persistent", state(a))
      assert.equal("a", a.name)
      assert.is_nil(b.age)
      session:commit()
      assert.same({ "a", "b" }, names())
    end)
  end)

  describe("begin", function()
    it("with a function commits and returns its results", function()
      local a, b = session:begin(function()
        session:add(User { name = "a" })
        return 1, nil
      end)
      assert.equal(1, a)
      assert.is_nil(b)
      session:rollback()
      assert.same({ "a" }, names())
    end)

    it("with a function that fails rolls back and raises the same error", function()
      local mark = {}
      local ok, err = pcall(session.begin, session, function()
        session:add(User { name = "a" })
        session:flush()
        error(mark)
      end)
      assert.is_false(ok)
      assert.equal(mark, err)
      assert.same({}, names())
    end)

    it("by handle and <close>", function()
      local tx = session:begin()
      session:add(User { name = "a" })
      tx:commit()
      do
        local _ <close> = session:begin()
        session:add(User { name = "b" })
      end
      pcall(function()
        local _ <close> = session:begin()
        session:add(User { name = "c" })
        error "x"
      end)
      assert.same({ "a", "b" }, names())
    end)

    it("twice is refused", function()
      local tx = session:begin()
      raised("InvalidRequestError", function() session:begin() end)
      tx:rollback()
      session:begin():commit()
    end)

    it("takes a mode and refuses an unknown one", function()
      session:begin { mode = "immediate" }:commit()
      session:begin({ mode = "exclusive" }, function() session:add(User { name = "a" }) end)
      raised("ArgumentError", function() session:begin { mode = "sudden" } end)
      session:begin():rollback()
      assert.same({ "a" }, names())
    end)

    it("refuses an option that it does not know", function()
      local err = raised("ArgumentError", function() session:begin { retrys = 3 } end)
      assert.truthy(tostring(err):find("retries", 1, true))
      assert.is_false(session:in_transaction())
      raised("ArgumentError", function() session:begin({ modus = "immediate" }, function() end) end)
    end)

    it("retries when the database is busy", function()
      local folder = run.folder()
      local uri = "sqlite:///" .. folder .. "/x.db"
      local one = perilune.open(uri)
      local two = perilune.open(uri, { busy_timeout = 0 })
      local One, Two = declare(one), declare(two)
      one:create_all()
      one.session:begin { mode = "immediate" }
      one.session:add(One { name = "one" })
      one.session:flush()
      raised("OperationalError", function()
        two.session:begin({ mode = "immediate" }, function() end)
      end)
      local calls = 0
      two.session:begin({ mode = "deferred", retries = 5 }, function()
        calls = calls + 1
        if calls == 2 then one.session:commit() end
        two.session:add(Two { name = "two" })
        two.session:flush()
      end)
      assert.is_true(calls >= 2 and calls <= 3)
      assert.equal(2, One.query:count())
      one:close()
      two:close()
      run.remove(folder)
    end)

    it("may hold a coroutine that yields", function()
      local co = coroutine.wrap(function()
        session:begin(function()
          session:add(User { name = "a" })
          coroutine.yield()
          session:add(User { name = "b" })
        end)
        return "done"
      end)
      co()
      assert.equal("done", co())
      assert.same({ "a", "b" }, names())
    end)
  end)
end)
