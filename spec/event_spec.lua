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
    db.session:add(User{name = "b"})
    hear = false
    db.session:flush()
    log, hear = {}, true
    for user in User.query:each(1) do assert.same({ { "before", "SELECT", 2 } }, log, user.name) end
    assert.equal("after", log[2][1])
  end)

  describe("of a statement that a flush runs for many rows", function()
    local users

    local function hear(name)
      db.event.listen(db.engine, name, function(_, cursor, sql, params, many)
        local rows = {}
        for i, row in ipairs(many and params or {}) do rows[i] = table.concat(row, ",") end
        log[#log + 1] = { name:match "%a+", sql:match "^%a+", cursor.rowcount, many, table.concat(rows, " ") }
      end)
    end

    before_each(function()
      users = {}
      for i = 1, 3 do users[i] = User{name = "n" .. i} end
      db.session:add_all(users)
      db.session:commit()
      hear "before_cursor_execute"
      hear "after_cursor_execute"
    end)

    it("tell of all of them at once", function()
      for i, user in ipairs(users) do user.name = "m" .. i end
      db.session:flush()
      local rows = "m1,1 m2,2 m3,3"
      assert.same({ { "before", "UPDATE", nil, true, rows }, { "after", "UPDATE", 3, true, rows } }, log)
      log = {}
      db.session:add_all { User{id = 8, name = "x"}, User{id = 9, name = "y"} }
      db.session:flush()
      rows = "8,x 9,y"
      assert.same({ { "before", "INSERT", nil, true, rows }, { "after", "INSERT", 2, true, rows } }, log)
      log = {}
      for _, user in ipairs(users) do db.session:delete(user) end
      db.session:flush()
      local deletes = {}
      for _, one in ipairs(log) do
        if one[2] == "DELETE" then deletes[#deletes + 1] = one end
      end
      assert.same({ { "before", "DELETE", nil, true, "1 2 3" }, { "after", "DELETE", 3, true, "1 2 3" } }, deletes)
      db.session:commit()
      assert.equal(2, User.query:count())
    end)

    it("tell of one by itself, and of another text apart", function()
      users[1].name, users[2].name = "a", "b"
      users[3].id = 77
      db.session:flush()
      local told = {}
      for i, one in ipairs(log) do told[i] = ("%s %s %s"):format(one[1], one[2], one[4]) end
      assert.same({ "before UPDATE true", "after UPDATE true", "before UPDATE false", "after UPDATE false" }, told)
    end)

    it("keep all of them from running by an error before it", function()
      db.event.listen(db.engine, "before_cursor_execute", function(_, _, sql)
        if sql:match "^UPDATE" then error({ "no" }, 0) end
      end)
      for i, user in ipairs(users) do user.name = "m" .. i end
      assert.same({ "no" }, select(2, pcall(db.session.flush, db.session)))
      db.session:rollback()
      assert.equal(1, User.query:filter_by{name = "n1"}:count())
      assert.same({ "before", "SELECT", nil, false, "" }, log[#log - 1])
    end)

    it("end with the run that fails", function()
      db.session:execute(db.text "CREATE UNIQUE INDEX one_name ON user (name)")
      log = {}
      for _, user in ipairs(users) do user.name = "same" end
      assert.equal("IntegrityError", select(2, pcall(db.session.flush, db.session)).name)
      db.session:rollback()
      assert.equal("UPDATE", log[1][2])
      for _, one in ipairs(log) do assert.is_false(one[1] == "after" and one[2] == "UPDATE") end
      log = {}
      users[1].name = "z"
      db.session:flush()
      assert.same({ "before", "after" }, { log[1][1], log[#log][1] })
    end)
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

  describe("of an engine", function()
    it("tell its transactions", function()
      for _, name in ipairs { "begin", "commit", "rollback", "savepoint", "rollback_savepoint", "release_savepoint" } do
        db.event.listen(db.engine, name, function(connection)
          assert.equal(db.engine, connection)
          log[#log + 1] = name
        end)
      end
      db.session:add(User{})
      db.session:commit()
      db.session:begin_nested():rollback()
      db.session:begin_nested(function() db.session:add(User{}) end)
      db.session:rollback()
      assert.same({ "begin", "commit", "begin", "savepoint", "rollback_savepoint",
        "release_savepoint", "savepoint", "release_savepoint", "rollback" }, log)
    end)

    it("tell a connection, on which statements can be run", function()
      local kept
      local path = os.tmpname()
      local other = perilune.open("sqlite:///" .. path)
      finally(function()
        other:close()
        for _, suffix in ipairs { "", "-wal", "-shm" } do os.remove(path .. suffix) end
      end)
      other.event.listen(other.engine, "connect", function(connection)
        kept = connection
        connection:execute "PRAGMA cache_size = -1234"
        log[#log + 1] = connection.engine == other.engine
      end)
      assert.equal(-1234, other.session:scalar(other.text "PRAGMA cache_size"))
      other.session:commit()
      other.session:scalar(other.text "SELECT 1")
      assert.same({ true }, log)
      assert.error_matches(function() kept:execute "SELECT 1" end, "connection is for the handler")
      other.event.listen(other.engine, "connect", function() error("not today", 0) end)
      other.session:close()
      other.engine:dispose()
      assert.error_matches(function() other.session:scalar(other.text "SELECT 1") end, "not today")
    end)

    it("tell statements that fail, and may replace the error", function()
      local fn = db.event.listen(db.engine, "handle_error", function(connection, failure)
        log[#log + 1] = { connection == db.engine, failure.name, failure.statement:match "^%a+", failure.parameters[1] }
      end)
      db.session:add(User{id = 1})
      db.session:commit()
      assert.error_matches(function() db.session:execute(db.insert(User):values{id = 1}) end, "UNIQUE")
      db.session:rollback()
      assert.error_matches(function() db.session:execute(db.text "SELECT nope FROM user") end, "no such column")
      db.session:rollback()
      assert.same({ { true, "IntegrityError", "INSERT", 1 }, { true, "OperationalError", "SELECT" } }, log)
      db.event.remove(db.engine, "handle_error", fn)
      db.event.listen(db.engine, "handle_error", function(_, failure) error("mine: " .. failure.name, 0) end)
      local ok, err = pcall(db.session.execute, db.session, db.insert(User):values{id = 1})
      assert.same({ false, "mine: IntegrityError" }, { ok, err })
      db.session:rollback()
      assert.equal(1, User.query:count())
    end)
  end)

  it("let do_orm_execute change a statement", function()
    db.session:add_all{ User{name = "a"}, User{name = "b"} }
    db.session:commit()
    local fn = db.event.listen(db.session, "do_orm_execute", function(session, state)
      assert.equal(db.session, session)
      log[#log + 1] = state.is_select and "select" or state.is_update and "update" or "other"
      if state.is_select then
        state.statement = state.statement:options(db.with_loader_criteria(User, User.name:eq "b"))
      end
    end)
    assert.equal("b", User.query:one().name)
    for user in User.query:each() do assert.equal("b", user.name) end
    db.session:execute(db.update(User):values{name = "c"}:where(User.id:eq(1)))
    assert.same({ "select", "select", "update" }, log)
    db.event.remove(db.session, "do_orm_execute", fn)
    assert.equal(2, #User.query:all())
    db.event.listen(db.session, "do_orm_execute", function(_, state) state.statement = nil end)
    assert.error_matches(function() User.query:all() end, "must stay a statement")
  end)

  it("tell bulk changes and every rollback", function()
    for _, name in ipairs { "after_bulk_update", "after_bulk_delete" } do
      db.event.listen(db.session, name, function(session, change)
        assert.equal(db.session, session)
        log[#log + 1] = { name, change.model == User, change.rowcount, change.values and change.values.name }
      end)
    end
    db.event.listen(db.session, "after_soft_rollback", note "soft")
    db.session:add_all{ User{name = "a"}, User{name = "b"} }
    db.session:commit()
    User.query:update{name = "c"}
    User.query:filter_by{id = 1}:delete()
    db.session:begin_nested():rollback()
    db.session:rollback()
    assert.same({ { "after_bulk_update", true, 2, "c" }, { "after_bulk_delete", true, 1 }, "soft", "soft" }, log)
  end)

  it("tell that a list is replaced, before it is", function()
    local a, b, c = Post{}, Post{}, Post{}
    db.event.listen(User.posts, "bulk_replace", function(owner, values)
      log[#log + 1] = { #owner.posts, #values }
      values[#values] = nil
    end)
    local u = User{posts = { a }}
    db.event.listen(User.posts, "append", note "append")
    u.posts = { a, b, c }
    assert.same({ { 0, 1 }, { 0, 3 }, "append", "append" }, log)
    assert.same({ 2, true, true }, { #u.posts, u.posts:contains(a), u.posts:contains(b) })
    assert.is_nil(c.user)
  end)

  it("tell tables and their metadata what is made and dropped", function()
    local Tag = db.Model "Tag" { id = db.Column{db.Integer, primary_key = true} }
    for _, name in ipairs { "before_create", "after_create", "before_drop", "after_drop" } do
      db.event.listen(Tag.__table__, name, function(t, session)
        assert.equal("tag", t.name)
        log[#log + 1] = name .. " " .. tostring(perilune.inspect(db):has_table "tag")
        if name == "after_create" then session:execute(db.insert(Tag):values{id = 7}) session:commit() end
      end)
    end
    local fn = db.event.listen(db.metadata, "before_create", function(metadata, _, tables)
      assert.equal(db.metadata, metadata)
      log[#log + 1] = #tables
    end)
    db:create_all()
    db.event.remove(db.metadata, "before_create", fn)
    db:create_all()
    assert.equal(7, Tag.query:one().id)
    db.session:commit()
    db:drop_all{tables = { Tag }}
    assert.same({ 1, "before_create false", "after_create true", "before_drop true", "after_drop false" }, log)
    assert.error_matches(function() db.event.listen(Tag.__table__, "before_made", print) end, "No such event")
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
