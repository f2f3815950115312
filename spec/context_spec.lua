-- Application contexts: what is in force when, the session of each, how they end.

local perilune = require "perilune"

local function raises(class, text, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal(class, type(err) == "table" and err.name or err)
  assert.truthy(tostring(err):find(text, 1, true), tostring(err))
  return err
end

describe("an application context", function()
  local app, db, User, Post

  before_each(function()
    app = perilune.App("test", { config = { DATABASE_URI = "sqlite://" } })
    db = perilune.Database(app)
    User = db.Model "User" {
      id = db.Column{db.Integer, primary_key = true},
      name = db.Column{db.String(50), nullable = false},
    }
    Post = db.Model "Post" {
      id = db.Column{db.Integer, primary_key = true},
      user_id = db.Column{db.Integer, db.ForeignKey "user.id"},
      user = db.relationship{"User", backref = "posts"},
    }
    app:app_context(function() db:create_all() end)
  end)

  after_each(function() db:close() end)

  local function outside(fn, ...)
    return raises("RuntimeError", "working outside of application context", fn, ...)
  end

  it("is needed for sessions, engines and tables, not for declarations", function()
    outside(function() return db.session end)
    outside(function() return db.engine end)
    outside(function() return db.engines end)
    outside(function() return User.query end)
    outside(db.create_all, db)
    outside(db.drop_all, db)
    outside(perilune.current_app)
    assert.is_false(perilune.has_app_context())
    local err = outside(function() return db.session end)
    assert.truthy(err.hint:find("wrap it in app:app_context(function() ... end)", 1, true))
    assert.truthy(err.where:find "context_spec.lua:%d+$")
    assert.truthy(User{name = "no context needed"})
  end)

  it("passes arguments and results through", function()
    local function echo(...) return select("#", ...), ... end
    assert.same({ 3, "a", nil, "c" }, { app:app_context(echo, "a", nil, "c") })
    assert.equal(app, app:app_context(perilune.current_app))
    assert.is_true(app:app_context(perilune.has_app_context))
  end)

  it("needs a function", function()
    raises("ArgumentError", "must be a function, got string", app.app_context, app, "fn")
  end)

  it("has one session, of its own", function()
    local first = app:app_context(function()
      assert.equal(db.session, db.session)
      return db.session
    end)
    assert.is_true(first.closed)
    app:app_context(function()
      local outer = db.session
      assert.not_equal(first, outer)
      app:app_context(function() assert.not_equal(outer, db.session) end)
      assert.equal(outer, db.session)
    end)
  end)

  it("loses what was not committed", function()
    app:app_context(function()
      db.session:add(User{name = "kept"})
      db.session:commit()
      db.session:add(User{name = "flushed only"})
      db.session:flush()
    end)
    app:app_context(function() assert.equal(1, User.query:count()) end)
  end)

  it("detaches its objects, whose values stay readable", function()
    local user, expired = app:app_context(function()
      local one, other = User{name = "one"}, User{name = "other"}
      db.session:add_all{one, other}
      db.session:commit()
      assert.equal("one", one.name)
      db.session:expire(other)
      return one, other
    end)
    assert.is_true(perilune.inspect(user).detached)
    assert.equal("one", user.name)
    raises("DetachedInstanceError", "not bound to a Session", function() return expired.name end)
    raises("DetachedInstanceError", "posts", function() return user.posts end)
    app:app_context(function()
      db.session:add(user)
      assert.equal("persistent", perilune.inspect(user).state)
      assert.equal(0, #user.posts)
    end)
  end)

  it("is left when its function fails, with the very error", function()
    local problem = { "anything" }
    local ok, err = pcall(app.app_context, app, function()
      db.session:add(User{name = "x"})
      error(problem)
    end)
    assert.is_false(ok)
    assert.equal(problem, err)
    assert.is_false(perilune.has_app_context())
    app:app_context(function() assert.equal(0, User.query:count()) end)
  end)

  it("lasts until pop or the end of a block", function()
    do
      local context <close> = app:app_context()
      assert.equal(app, context.app)
      assert.equal(app, perilune.current_app())
      assert.truthy(db.session)
      assert.equal("<AppContext of 'test'>", tostring(context))
    end
    outside(perilune.current_app)
    local context = app:app_context():push()
    assert.equal(app, perilune.current_app())
    raises("RuntimeError", "already in force", context.push, context)
    context:pop()
    outside(perilune.current_app)
    raises("RuntimeError", "not in force", context.pop, context)
    context:push()
    assert.equal(app, perilune.current_app())
    context:pop()
    assert.equal("<AppContext of 'test' (not in force)>", tostring(context))
    assert.equal(app, app:app_context()(perilune.current_app))
    outside(perilune.current_app)
  end)

  it("is that of the app that was entered last", function()
    local other = perilune.App "other"
    app:app_context(function()
      other:app_context(function() assert.equal(other, perilune.current_app()) end)
      assert.equal(app, perilune.current_app())
    end)
  end)

  describe("at its end", function()
    it("calls teardown functions, the last one first, with the error or nil", function()
      local calls = {}
      app:teardown(function(err) table.insert(calls, { 1, err }) end)
      app:teardown(function(err) table.insert(calls, { 2, err }) end)
      app:app_context(function() end)
      assert.same({ { 2 }, { 1 } }, calls)
      calls = {}
      local problem = {}
      pcall(app.app_context, app, function() error(problem) end)
      assert.same({ 2, 1 }, { calls[1][1], calls[2][1] })
      assert.equal(problem, calls[1][2])
      assert.equal(problem, calls[2][2])
      raises("ArgumentError", "needs a function", app.teardown, app, "fn")
    end)

    it("still has its session in them", function()
      local names
      app:teardown(function() names = db.select(User.name):scalars() end)
      app:app_context(function() db.session:add(User{name = "pending"}) end)
      assert.equal("[pending]", tostring(names))
      app:app_context(function() end)
      assert.equal("[]", tostring(names))
      assert.equal(0, perilune._debug.open_sessions())
    end)

    it("raises the first error and runs the rest nevertheless", function()
      local ran = 0
      app:teardown(function() ran = ran + 1 end)
      app:teardown(function() error("second", 0) end)
      app:teardown(function() error("first", 0) end)
      local ok, err = pcall(app.app_context, app, function() return db.session end)
      assert.same({ false, "first" }, { ok, err })
      ok, err = pcall(app.app_context, app, function() error("the script's", 0) end)
      assert.same({ false, "the script's" }, { ok, err })
      assert.equal(2, ran)
      assert.is_false(perilune.has_app_context())
      assert.equal(0, perilune._debug.open_sessions())
      local context = app:app_context():push()
      ok, err = pcall(context.pop, context)
      assert.same({ false, "first" }, { ok, err })
      assert.is_false(perilune.has_app_context())
    end)

    it("hands an error given to pop to the teardown functions", function()
      local given
      app:teardown(function(err) given = err end)
      app:app_context():push():pop("broken pipe")
      assert.equal("broken pipe", given)
    end)
  end)

  describe("and coroutines:", function()
    it("a context may be entered and left inside one", function()
      local co = coroutine.wrap(function()
        return app:app_context(function() return User.query:count() end)
      end)
      assert.equal(0, co())
    end)

    it("a function may yield in a context", function()
      local co = coroutine.wrap(function()
        return app:app_context(function() return 1 + coroutine.yield(perilune.current_app()) end)
      end)
      assert.equal(app, co())
      assert.equal(42, co(41))
      assert.is_false(perilune.has_app_context())
    end)

    it("leaving out of order is an error, and nothing stays in force", function()
      local co = coroutine.wrap(function()
        app:app_context(function() coroutine.yield() end)
      end)
      co()
      local inner = app:app_context():push()
      raises("RuntimeError", "reverse order", co)
      assert.equal(app, perilune.current_app())
      inner:pop()
      assert.is_false(perilune.has_app_context())
    end)

    it("pop is for the innermost context only", function()
      local outer = app:app_context():push()
      local inner = app:app_context():push()
      raises("RuntimeError", "reverse order", outer.pop, outer)
      assert.is_true(inner.pushed)
      inner:pop()
      outer:pop()
    end)

    it("a context forgotten inside is ended, too, and reported", function()
      local forgotten
      raises("RuntimeError", "reverse order", app.app_context, app, function()
        forgotten = app:app_context()
        return db.session
      end)
      assert.is_false(forgotten.pushed)
      assert.is_false(perilune.has_app_context())
      local ok, err = pcall(app.app_context, app, function()
        forgotten = app:app_context()
        error("mine", 0)
      end)
      assert.same({ false, "mine" }, { ok, err })
      assert.is_false(forgotten.pushed)
    end)
  end)

  it("does not concern a database of perilune.open", function()
    local own = perilune.open "sqlite://"
    local session = own.session
    app:app_context(function()
      assert.equal(session, own.session)
      assert.not_equal(db.session, own.session)
    end)
    assert.is_false(session.closed)
    own:close()
    assert.is_true(session.closed)
  end)

  it("leaves nothing open", function()
    local before = perilune._debug.open_statements()
    for _ = 1, 3 do
      app:app_context(function()
        db.session:add_all{User{name = "a"}, User{name = "b"}, Post{}}
        for user in User.query:each() do
          if user.name == "a" then break end
        end
        db.session:flush()
      end)
    end
    assert.equal(before, perilune._debug.open_statements())
    assert.equal(0, perilune._debug.sessions())
  end)
end)
