-- Events: names, order and what handlers may do.
local perilune = require "perilune"

describe("events", function()
  local db, User, Post, log

  local function note(name)
    return function() log[#log + 1] = name end
  end

  before_each(function()
    db = perilune.open "sqlite://"
    User = db.Model "User" {
      id = db.Column{db.Integer, primary_key = true},
      name = db.Column{db.String(20)},
      posts = db.relationship{"Post", back_populates = "user"},
    }
    Post = db.Model "Post" {
      id = db.Column{db.Integer, primary_key = true},
      user_id = db.Column{db.Integer, db.ForeignKey "user.id"},
      user = db.relationship{"User", back_populates = "posts"},
    }
    db:create_all()
    log = {}
  end)

  after_each(function() db:close() end)

  it("come in SQLAlchemy's order at a first commit", function()
    for _, name in ipairs { "before_insert", "after_insert" } do db.event.listen(User, name, note(name)) end
    for _, name in ipairs { "after_attach", "transient_to_pending", "before_commit", "before_flush", "after_begin",
      "after_flush", "pending_to_persistent", "after_flush_postexec", "after_commit" } do
      db.event.listen(db.session, name, note(name))
    end
    db.session:add(User{name = "a"})
    db.session:commit()
    assert.same({ "after_attach", "transient_to_pending", "before_commit", "before_flush", "after_begin",
      "before_insert", "after_insert", "after_flush", "pending_to_persistent", "after_flush_postexec",
      "after_commit" }, log)
  end)

  it("give update and delete their own", function()
    for _, name in ipairs { "before_update", "after_update", "before_delete", "after_delete" } do
      db.event.listen(User, name, note(name))
    end
    local u = User{name = "a"}
    db.session:add(u)
    db.session:commit()
    u.name = "b"
    db.session:commit()
    db.session:delete(u)
    db.session:commit()
    assert.same({ "before_update", "after_update", "before_delete", "after_delete" }, log)
  end)

  it("a handler that yields is refused in clear words", function()
    for _, at in ipairs { { User, "before_insert" }, { User, "init" }, { db, "before_flush" }, { User.name, "set" } } do
      local fn = db.event.listen(at[1], at[2], function() coroutine.yield() end)
      local co = coroutine.create(function()
        db.session:add(User{name = "a"})
        db.session:commit()
      end)
      local ok, err = coroutine.resume(co)
      assert.is_false(ok)
      assert.equal("InvalidRequestError", err.name)
      assert.matches("event listener cannot yield", err.message)
      db.session:rollback()
      db.event.remove(at[1], at[2], fn)
    end
  end)

  it("let a before_insert handler change the row", function()
    db.event.listen(User, "before_insert", function(u) u.name = u.name:upper() end)
    db.session:add(User{name = "ada"})
    db.session:commit()
    assert.equal("ADA", db.session:execute(db.text "select name from user"):scalar())
  end)

  it("roll the flush back when a handler fails", function()
    db.event.listen(User, "before_insert", function() error("no " .. "users", 0) end)
    db.session:add(User{name = "a"})
    assert.error_matches(function() db.session:commit() end, "no users")
    db.session:rollback()
    assert.equal(0, User.query:count())
  end)

  it("tell a set with the old value and may replace the new one", function()
    db.event.listen(User.name, "set", function(_, value, old)
      log[#log + 1] = tostring(old) .. ">" .. value
      return value .. "!"
    end)
    local u = User{name = "a"}
    u.name = "b"
    assert.equal("b!", u.name)
    assert.same({ "nil>a", "a!>b" }, log)
  end)

  it("tell append and remove of a list", function()
    db.event.listen(User.posts, "append", function(_, p) log[#log + 1] = "append" return p end)
    db.event.listen(User.posts, "remove", function() log[#log + 1] = "remove" end)
    local u, p = User{}, Post{}
    u.posts:append(p)
    u.posts:remove(p)
    assert.same({ "append", "remove" }, log)
  end)

  it("tell statements of an engine", function()
    local seen = {}
    db.event.listen(db.engine, "after_cursor_execute", function(_, cursor, sql, params)
      seen[#seen + 1] = { sql:match "^%a+", cursor.rowcount, params[1] }
    end)
    db.session:add(User{name = "a"})
    db.session:commit()
    assert.same({ { "INSERT", 1, "a" } }, seen)
  end)

  it("tell a statement before it runs, with its parameters", function()
    local function rows() return db.session:execute(db.text "select count(*) from user"):scalar() end
    local hear = false
    for _, name in ipairs { "before_cursor_execute", "after_cursor_execute" } do
      db.event.listen(db.engine, name, function(connection, cursor, sql, params)
        if not hear then return end
        hear = false
        assert.equal(db.engine, connection)
        log[#log + 1] = { name:match "%a+", sql:match "^%a+", rows(), params[1], cursor.rowcount }
        hear = true
      end)
    end
    db.session:add(User{name = "a"})
    hear = true
    db.session:flush()
    assert.same({ { "before", "INSERT", 0, "a" }, { "after", "INSERT", 1, "a", 1 } }, log)
    log = {}
    for user in User.query:each(1) do assert.same({ { "before", "SELECT", 1 } }, log, user.name) end
    assert.equal("after", log[2][1])
  end)

  it("keep a statement from running by an error before it", function()
    local function refuse(_, _, sql) if sql:match "^INSERT" then error({ "no" }, 0) end end
    db.event.listen(db.engine, "before_cursor_execute", refuse)
    assert.is_true(db.event.contains(db.engine, "before_cursor_execute", refuse))
    db.session:add(User{name = "a"})
    local ok, err = pcall(db.session.commit, db.session)
    assert.is_false(ok)
    assert.same({ "no" }, err)
    db.session:rollback()
    assert.same({ "no" }, select(2, pcall(db.session.execute, db.session, db.insert(User):values{name = "b"})))
    assert.equal(0, User.query:count())
    db.event.remove(db.engine, "before_cursor_execute", refuse)
    assert.is_false(db.event.contains(db.engine, "before_cursor_execute", refuse))
    db.session:add(User{name = "c"})
    db.session:commit()
    assert.equal(1, User.query:count())
  end)

  it("fail a statement by an error after it", function()
    local function refuse(_, _, sql) if sql:match "^INSERT" then error("too late", 0) end end
    db.event.listen(db.engine, "after_cursor_execute", refuse)
    db.session:add(User{name = "a"})
    assert.error_matches(function() db.session:commit() end, "too late")
    db.session:rollback()
    db.event.remove(db.engine, "after_cursor_execute", refuse)
    assert.equal(0, User.query:count())
  end)

  it("of statements cannot yield either", function()
    db.event.listen(db.engine, "before_cursor_execute", function() coroutine.yield() end)
    local ok, err = coroutine.resume(coroutine.create(function() return User.query:all() end))
    assert.is_false(ok)
    assert.equal("InvalidRequestError", err.name)
    assert.matches("event listener cannot yield", err.message)
  end)

  it("name what a target has when the event does not exist", function()
    local ok, err = pcall(db.event.listen, User, "before_insrt", print)
    assert.is_false(ok)
    assert.equal("InvalidRequestError", err.name)
    assert.matches("before_insert", err.hint)
  end)

  it("stop after remove", function()
    local fn = db.event.listen(User, "before_insert", note "x")
    db.event.remove(User, "before_insert", fn)
    db.session:add(User{})
    db.session:commit()
    assert.same({}, log)
  end)
end)

describe("validators", function()
  it("see every set, replace the value and refuse it", function()
    local db = perilune.open "sqlite://"
    local User = db.Model "User" {
      id = db.Column{db.Integer, primary_key = true},
      email = db.Column{db.String(50)},
      check = db.validates("email", function(_, key, value)
        if not value:find "@" then error(key .. " needs an @", 0) end
        return value:lower()
      end),
    }
    assert.equal("a@b", User{email = "A@B"}.email)
    assert.error_matches(function() return User{email = "nobody"} end, "email needs an @")
    local u = User{}
    assert.error_matches(function() u.email = "nobody" end, "email needs an @")
    assert.is_nil(u.email)
    db:close()
  end)
end)
