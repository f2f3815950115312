-- SPDX-License-Identifier: MIT
-- Sessions: states, identity, transactions, savepoints, expiry, failure.

local perilune = require "perilune"
local raised = require "spec.support.raised"
local run = require "spec.support.run"
local sql_log = require "spec.support.sql_log"

local function declare(db)
  local User = db.Model "User" {
    id = db.Column { db.Integer, primary_key = true },
    name = db.Column { db.String(20), nullable = false, unique = true },
    age = db.Column { db.Integer },
  }
  local Post = db.Model "Post" {
    id = db.Column { db.Integer, primary_key = true },
    title = db.Column { db.String(20) },
    user_id = db.Column { db.Integer, db.ForeignKey "user.id" },
    user = db.relationship { "User", backref = "posts" },
  }
  return User, Post
end

describe("a session", function()
  local db, session, User, Post, log

  before_each(function()
    db = perilune.open "sqlite://"
    User, Post = declare(db)
    db:create_all()
    session = db.session
    log = sql_log(db)
  end)

  after_each(function() db:close() end)

  local function state(object) return perilune.inspect(object).state end

  local function saved(name)
    local user = User { name = name }
    session:add(user)
    session:commit()
    return user
  end

  local function names()
    local out = {}
    for i, row in ipairs(session:execute(db.text "SELECT name FROM user ORDER BY name"):all()) do
      out[i] = row[1]
    end
    return out
  end

  describe("states", function()
    it("go from transient to detached, one true at a time", function()
      local user = User { name = "a" }
      local function only(word)
        assert.equal(word, state(user))
        local seen = perilune.inspect(user)
        for _, name in ipairs { "transient", "pending", "persistent", "deleted", "detached" } do
          assert.equal(name == word, seen[name], name .. " of an object " .. word)
        end
      end
      only "transient"
      session:add(user)
      only "pending"
      assert.equal(session, perilune.inspect(user).session)
      session:flush()
      only "persistent"
      session:commit()
      only "persistent"
      session:delete(user)
      only "persistent"
      session:flush()
      only "deleted"
      session:commit()
      only "detached"
      assert.is_nil(perilune.inspect(user).session)
    end)

    it("pending objects deleted before a flush are refused, expunged ones are transient", function()
      local user = User { name = "a" }
      session:add(user)
      raised("InvalidRequestError", function() session:delete(user) end)
      session:expunge(user)
      assert.equal("transient", state(user))
      session:commit()
      assert.same({}, names())
    end)

    it("add twice is one INSERT", function()
      local user = User { name = "a" }
      session:add(user)
      session:add(user)
      session:flush()
      session:add(user)
      session:commit()
      assert.same({ "INSERT user" }, log:writes())
    end)

    it("new, dirty and deleted list the objects", function()
      local old = saved "old"
      local gone = saved "gone"
      local new = User { name = "new" }
      session:add(new)
      old.age = 3
      session:delete(gone)
      assert.same({ new }, { table.unpack(session.new) })
      assert.same({ old }, { table.unpack(session.dirty) })
      assert.same({ gone }, { table.unpack(session.deleted) })
      assert.is_true(session:is_modified(old))
      session:commit()
      assert.same({ 0, 0, 0 }, { #session.new, #session.dirty, #session.deleted })
    end)

    it("refuses what is no object, and what was deleted", function()
      raised(function() session:add(5) end)
      raised(function() session:add(nil) end)
      raised(function() session:add {} end)
      raised(function() session:add_all { User { name = "a" }, 5 } end)
      session:rollback()
      local user = saved "b"
      session:delete(user)
      session:flush()
      session:delete(user)
      raised("InvalidRequestError", function() session:add(user) end)
      session:rollback()
      assert.equal("persistent", state(user))
      session:delete(user)
      session:commit()
      raised("InvalidRequestError", function() session:delete(user) end)
      raised("InvalidRequestError", function() session:add(user) end)
      assert.equal("detached", state(user))
    end)

    it("add takes a mark for deletion back", function()
      local user = saved "a"
      session:delete(user)
      session:add(user)
      session:commit()
      assert.same({ "a" }, names())
      assert.equal("persistent", state(user))
    end)

    it("a detached object can be read and added again", function()
      local user = saved "a"
      local _ = user.name
      session:expunge(user)
      assert.equal("detached", state(user))
      assert.equal("a", user.name)
      session:add(user)
      assert.equal("persistent", state(user))
      user.name = "b"
      session:commit()
      assert.same({ "b" }, names())
    end)

    it("changes of a detached object are saved when it comes back", function()
      local user = saved "a"
      local _ = user.name
      session:expunge(user)
      user.name = "b"
      session:add(user)
      session:commit()
      assert.same({ "b" }, names())
    end)

    it("a detached object cannot load", function()
      local user = saved "a"
      session:expire(user)
      session:expunge(user)
      raised("DetachedInstanceError", function() return user.name end)
      raised("DetachedInstanceError", function() return #user.posts end)
    end)

    it("another object of a key that is there is refused", function()
      local user = saved "a"
      local _ = user.name
      session:expunge(user)
      local again = session:get(User, 1)
      assert.are_not.equal(user, again)
      raised("InvalidRequestError", function() session:add(user) end)
    end)
  end)

  describe("the identity map", function()
    it("gives one object per row by whatever way", function()
      local user = saved "a"
      assert.is_true(rawequal(user, session:get(User, 1)))
      assert.is_true(rawequal(user, User.query:first()))
      assert.is_true(rawequal(user, User.query:filter_by { name = "a" }:one()))
      for each in User.query:each() do assert.is_true(rawequal(user, each)) end
      local post = Post { title = "t", user = user }
      session:add(post)
      session:commit()
      assert.is_true(rawequal(user, post.user))
    end)

    it("lets go of objects that nobody holds", function()
      do
        local weak = setmetatable({ saved "a" }, { __mode = "v" })
        collectgarbage()
        collectgarbage()
        assert.is_nil(weak[1])
      end
      assert.equal("a", session:get(User, 1).name)
    end)

    it("keeps objects that are new, changed or to be deleted", function()
      saved "a"
      saved "b"
      session:add(User { name = "new" })
      session:get(User, 1).name = "changed"
      session:delete(session:get(User, 2))
      collectgarbage()
      collectgarbage()
      session:commit()
      assert.same({ "changed", "new" }, names())
    end)

    it("keeps an object whose collection changed", function()
      saved "a"
      table.insert(session:get(User, 1).posts, Post { title = "t" })
      collectgarbage()
      collectgarbage()
      session:commit()
      assert.equal(1, Post.query:one().user_id)
    end)

    it("values changed and not flushed survive a query of the same row", function()
      local user = saved "a"
      session.autoflush = false
      user.name = "b"
      assert.equal("b", User.query:first().name)
      session.autoflush = true
      session:commit()
      assert.same({ "b" }, names())
    end)
  end)

  describe("get", function()
    it("takes an object from the map without a statement", function()
      local user = saved "a"
      local _ = user.name
      assert.equal(0, log:during(function() assert.equal(user, session:get(User, 1)) end))
    end)

    it("is nil when there is no row", function()
      assert.is_nil(session:get(User, 77))
      assert.is_nil(User.query:get(77))
    end)

    it("flushes on a miss", function()
      local user = User { id = 5, name = "a" }
      session:add(user)
      assert.is_true(rawequal(user, session:get(User, 5)))
    end)

    it("is nil for a row deleted in this transaction", function()
      local user = saved "a"
      session:delete(user)
      session:flush()
      assert.is_nil(session:get(User, 1))
      session:rollback()
      assert.equal(user, session:get(User, 1))
    end)

    it("refuses keys of the wrong type", function()
      raised(function() return session:get(User, "x") end)
      raised(function() return session:get("User", 1) end)
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
  end)

  describe("autoflush", function()
    it("comes before a query, a statement and a lazy load", function()
      session:add(User { name = "a" })
      assert.equal(1, User.query:count())
      session:add(User { name = "b" })
      assert.equal(2, session:scalar(db.text "SELECT count(*) FROM user"))
      local user = saved "c"
      session:expire(user)
      session:add(Post { title = "t", user_id = user.id })
      assert.equal(1, #user.posts)
    end)

    it("is off inside no_autoflush and comes back, after an error too", function()
      session:add(User { name = "a" })
      session:no_autoflush(function() assert.equal(0, User.query:count()) end)
      pcall(session.no_autoflush, session, function() error "x" end)
      assert.equal(1, User.query:count())
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

  describe("close", function()
    it("rolls back and detaches", function()
      local user = saved "a"
      local _ = user.name
      user.name = "b"
      local pending = User { name = "p" }
      session:add(pending)
      session:close()
      assert.equal("detached", state(user))
      assert.equal("transient", state(pending))
      assert.equal("a", db.session:scalar(db.text "SELECT name FROM user"))
    end)

    it("makes the session refuse and db.session a new one", function()
      session:close()
      session:close()
      local err = raised("InvalidRequestError", function() session:add(User { name = "a" }) end)
      assert.truthy(tostring(err):find "closed")
      raised("InvalidRequestError", function() return session:get(User, 1) end)
      raised("InvalidRequestError", function() session:commit() end)
      raised("InvalidRequestError", function() return session.new end)
      assert.are_not.equal(session, db.session)
      db.session:add(User { name = "a" })
      db.session:commit()
    end)

    it("objects can go over to the next session", function()
      local user = saved "a"
      local _ = user.name
      session:close()
      user.name = "b"
      db.session:add(user)
      db.session:commit()
      assert.equal("b", db.session:scalar(db.text "SELECT name FROM user"))
    end)

    it("of the db makes everything refuse with an error object", function()
      local lost = perilune.open "sqlite://"
      local Lost = declare(lost)
      lost:create_all()
      local other = lost.session
      local object = Lost { name = "a" }
      other:add(object)
      other:commit()
      lost:close()
      lost:close()
      for _, fn in ipairs {
        function() other:add(Lost { name = "b" }) end,
        function() return Lost.query:all() end,
        function() lost:create_all() end,
        function() lost.session:commit() end,
      } do raised(fn) end
      pcall(function() return object.name end)
    end)

    it("a result that is still open is closed", function()
      for i = 1, 5 do session:add(User { name = "n" .. i }) end
      session:commit()
      local each = User.query:each()
      each()
      session:close()
      local ok, err = pcall(each)
      assert.is_true(not ok or err == nil)
    end)
  end)

  describe("in contexts", function()
    it("each has its own, and objects stay with theirs", function()
      local folder = run.folder()
      local app = perilune.App "contexts"
      app.config.DATABASE_URI = "sqlite:///" .. folder .. "/x.db"
      local adb = perilune.Database(app)
      local AUser = declare(adb)
      local lost
      raised("RuntimeError", function() return adb.session:add(AUser { name = "x" }) end)
      app:app_context(function()
        adb:create_all()
        local outer = adb.session
        local user = AUser { name = "a" }
        outer:add(user)
        outer:commit()
        app:app_context(function()
          assert.are_not.equal(outer, adb.session)
          raised("InvalidRequestError", function() adb.session:add(user) end)
          local same = adb.session:get(AUser, 1)
          assert.are_not.equal(user, same)
          lost = AUser { name = "lost" }
          adb.session:add(lost)
          adb.session:flush()
        end)
        assert.equal("transient", state(lost))
        assert.equal(outer, adb.session)
        assert.equal(1, AUser.query:count())
        lost = user
        local _ = user.name
      end)
      assert.equal("detached", state(lost))
      assert.equal("a", lost.name)
      local err = raised("RuntimeError", function() return AUser.query:all() end)
      assert.truthy(tostring(err):find "application context")
      adb:close()
      run.remove(folder)
    end)
  end)
end)
