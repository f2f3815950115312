-- SPDX-License-Identifier: MIT
-- Sessions: states, identity, get, autoflush, closing, contexts.

local perilune = require "perilune"
local raised = require "spec.support.raised"
local run = require "spec.support.run"
local sql_log = require "spec.support.sql_log"
local users = require "spec.support.users"

local declare, state = users.declare, users.state

describe("a session", function()
  local db, session, User, Post, log

  before_each(function()
    db, User, Post = users.open()
    session = db.session
    log = sql_log(db)
  end)

  after_each(function() db:close() end)

  local function saved(name) return users.saved(session, User, name) end
  local function names() return users.names(session) end

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

    it("is_modified tells whether anything would be written", function()
      local user, post = saved "a", Post {}
      session:add(post)
      session:commit()
      local function modified(object) return session:is_modified(object) end
      assert.equal("a", user.name)
      assert.is_false(modified(user))
      user.name = "b"
      assert.is_true(modified(user))
      user.name = "a"
      assert.is_false(modified(user))
      assert.same({ user }, { table.unpack(session.dirty) })
      assert.equal(0, #user.posts)
      user.posts:append(post)
      assert.is_true(modified(user))
      assert.is_true(modified(post))
      user.posts:remove(post)
      assert.is_false(modified(user))
      session:rollback()
      assert.is_false(modified(User {}))
      assert.is_true(modified(User { name = "b" }))
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

    it("a deleted object can be read, also when it was expired", function()
      local both = { saved "a", saved "b" }
      for _, user in ipairs(both) do
        session:delete(user)
        session:flush()
        session:rollback()
      end
      for _, user in ipairs(both) do session:delete(user) end
      session:commit()
      for i, user in ipairs(both) do
        assert.same({ "detached", ("ab"):sub(i, i) }, { state(user), user.name })
      end
      local gone = saved "gone"
      session:execute(db.text "DELETE FROM user")
      session:expire(gone)
      session:delete(gone)
      session:commit()
      assert.equal("detached", state(gone))
    end)

    it("changes of an object that a flush has deleted are not saved", function()
      local user = saved "a"
      session:delete(user)
      session:flush()
      user.name = "b"
      session:flush()
      assert.equal("b", user.name)
      session:rollback()
      assert.same({ "persistent", "a" }, { state(user), user.name })
      session:delete(user)
      session:flush()
      user.name = "b"
      session:commit()
      assert.same({ "detached", "b" }, { state(user), user.name })
      assert.same({}, names())
    end)

    it("nothing new can belong to an object that a flush has deleted", function()
      local user = saved "a"
      session:delete(user)
      session:flush()
      raised("InvalidRequestError", function() user.posts:append(Post { title = "t" }) end)
      raised("InvalidRequestError", function() Post { title = "u" }.user = user end)
      session:commit()
      assert.equal(0, Post.query:count())
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

    it("says so when it fails", function()
      local _ = saved "a"
      for _, touch in ipairs {
        function() return User.query:all() end,
        function() return session:get(User, 99) end,
        function() return session:execute(db.text "SELECT 1") end,
      } do
        session:add(User { name = "a" })
        local err = raised("IntegrityError", touch)
        assert.matches("raised as a result of autoflush: session:no_autoflush", err.hint, 1, true)
        assert.matches("autoflush", tostring(err))
        session:rollback()
      end
      session:add(Post { user_id = 77 })
      local err = raised("IntegrityError", function() return Post.query:all() end)
      assert.matches("^there is no row in 'user' .*; raised as a result of autoflush", err.hint)
      session:rollback()
      session:add(User { name = "a" })
      assert.not_matches("autoflush", tostring(raised("IntegrityError", session.flush, session)))
      session:rollback()
    end)

    it("is off inside no_autoflush and comes back, after an error too", function()
      session:add(User { name = "a" })
      session:no_autoflush(function() assert.equal(0, User.query:count()) end)
      pcall(session.no_autoflush, session, function() error "x" end)
      assert.equal(1, User.query:count())
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

    it("lets the session begin anew when it is used again", function()
      local old = saved "old"
      session.autoflush = false
      session.info.key = "kept"
      local handle = session:begin_nested()
      session:close()
      session:close()
      assert.is_true(session.closed)
      raised("ResourceClosedError", function() handle:commit() end)
      session:add(User { name = "a" })
      assert.is_false(session.closed)
      assert.equal(session, db.session)
      assert.is_false(session.autoflush)
      assert.equal("kept", session.info.key)
      session:commit()
      local again = session:get(User, old.id)
      assert.not_equal(old, again)
      assert.same({ "detached", "persistent" }, { state(old), state(again) })
      session:remove()
      assert.same({ "a", "old" }, names())
      assert.same({ 0, 0 }, { #session.new, #session.dirty })
      session:commit()
      session:begin(function() session:add(User { name = "b" }) end)
      assert.same({ "a", "b", "old" }, names())
    end)

    it("happens as often as one likes, also by <close>", function()
      for i = 1, 20 do
        local s <close> = db.session
        s:add(User { name = "n" .. i })
        s:commit()
      end
      assert.equal(20, User.query:count())
      assert.equal(session, db.session)
    end)

    it("of a context's session lasts when the context is left", function()
      local app = perilune.App "closing"
      app.config.DATABASE_URI = "sqlite://"
      local adb = perilune.Database(app)
      local AUser = declare(adb)
      local kept
      app:app_context(function()
        adb:create_all()
        kept = adb.session
        kept:close()
        kept:add(AUser { name = "a" })
        kept:commit()
        assert.equal(kept, adb.session)
        kept:close()
        app:app_context(function()
          raised("InvalidRequestError", function() kept:commit() end)
          assert.not_equal(kept, adb.session)
        end)
        kept:commit()
      end)
      assert.truthy(tostring(raised("InvalidRequestError", function() kept:commit() end)):find "closed")
      app:app_context(function()
        raised("InvalidRequestError", function() kept:commit() end)
      end)
      adb:close()
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
      session:add(User { name = "next" })
      raised("ResourceClosedError", each)
      session:commit()
      assert.equal(6, User.query:count())
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
