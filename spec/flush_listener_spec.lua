-- SPDX-License-Identifier: MIT
-- What listeners of a flush add, delete and set: a commit flushes until nothing is left.

local perilune = require "perilune"

describe("a listener that runs while a flush does", function()
  local db, session, User, Note, users

  before_each(function()
    db = perilune.open "sqlite://"
    User = db.Model "User" {
      id = db.Column { db.Integer, primary_key = true },
      name = db.Column { db.String(20) },
      n = db.Column { db.Integer },
      notes = db.relationship { "Note", backref = "user" },
    }
    Note = db.Model "Note" {
      id = db.Column { db.Integer, primary_key = true },
      text = db.Column { db.String(20) },
      user_id = db.Column { db.Integer, db.ForeignKey "user.id" },
    }
    db:create_all()
    session = db.session
    session:add_all { User { name = "a", n = 1 }, User { name = "b", n = 1 }, User { name = "c", n = 1 } }
    session:commit()
    users = User.query:order_by(User.id):all()
    for _, user in ipairs(users) do assert.equal(0, #user.notes) end
  end)

  after_each(function() db:close() end)

  local moments = { "before_insert", "after_insert", "before_update", "after_update", "after_flush",
    "after_flush_postexec", "pending_to_persistent" }
  local of_session = { after_flush = true, after_flush_postexec = true, pending_to_persistent = true }

  -- Runs fn once, at that moment of a flush that updates users 1 and 2 and inserts a fourth.
  local function at(moment, fn)
    local done
    db.event.listen(of_session[moment] and session or User, moment, function()
      if not done then
        done = true
        fn()
      end
    end)
    users[1].name, users[2].name = "x", "y"
    session:add(User { name = "d", n = 1 })
  end

  -- Rows of the database, read past the session; asking must not flush.
  local function rows(sql)
    return session:no_autoflush(function()
      local list = {}
      for _, row in ipairs(session:execute(db.text(sql))) do
        list[#list + 1] = table.concat({ row:unpack() }, " ")
      end
      return list
    end)
  end

  for _, moment in ipairs(moments) do
    describe("at " .. moment, function()
      it("and adds an object has it saved by the same commit", function()
        local note = Note { text = "seen" }
        at(moment, function() session:add(note) end)
        session:commit()
        assert.same({ "1 seen" }, rows "SELECT id, text FROM note")
        assert.equal("persistent", perilune.inspect(note).state)
        assert.same({}, session.new)
      end)

      it("and appends a new object has it saved with its key", function()
        at(moment, function() users[3].notes:append(Note { text = "seen" }) end)
        session:commit()
        assert.same({ "1 seen 3" }, rows "SELECT id, text, user_id FROM note")
        assert.equal(1, #users[3].notes)
      end)

      it("and deletes objects has their rows deleted", function()
        at(moment, function()
          session:delete(users[1])
          session:delete(users[3])
        end)
        session:commit()
        assert.same({ "2 y", "4 d" }, rows "SELECT id, name FROM user ORDER BY id")
        assert.is_true(perilune.inspect(users[1]).detached)
        assert.is_true(perilune.inspect(users[3]).detached)
        assert.is_nil(session:get(User, 1))
      end)

      it("and sets an attribute has it written", function()
        at(moment, function() users[1].n, users[2].n, users[3].n = 5, 6, 7 end)
        session:commit()
        assert.same({ "1 x 5", "2 y 6", "3 c 7", "4 d 1" }, rows "SELECT id, name, n FROM user ORDER BY id")
        assert.same({ 5, 6, 7 }, { users[1].n, users[2].n, users[3].n })
        assert.same({ "x", "y", "c" }, { users[1].name, users[2].name, users[3].name })
      end)
    end)
  end

  it("leaves what it added for the next flush", function()
    local note = Note { text = "seen" }
    at("after_insert", function() session:add(note) end)
    session:flush()
    assert.equal("pending", perilune.inspect(note).state)
    assert.same({ note }, { table.unpack(session.new) })
    session:flush()
    assert.equal("persistent", perilune.inspect(note).state)
    session:commit()
    assert.same({ "1 seen" }, rows "SELECT id, text FROM note")
  end)

  it("sets an attribute of the new object after its INSERT", function()
    db.event.listen(User, "after_insert", function(user) user.name = "user " .. user.id end)
    local user = User {}
    session:add(user)
    session:commit()
    assert.equal("user 4", user.name)
    assert.same({ "user 4" }, rows "SELECT name FROM user WHERE id = 4")
  end)

  it("sets an attribute back to what it was before the UPDATE", function()
    db.event.listen(User, "after_update", function(user) user.name = "a" end)
    users[1].name = "x"
    session:commit()
    assert.equal("a", users[1].name)
    assert.same({ "a" }, rows "SELECT name FROM user WHERE id = 1")
  end)

  it("writes nothing more where before_update sets what the row has", function()
    db.event.listen(User, "before_update", function(user) user.n = 1 end)
    local sql = {}
    db.event.listen(db.engine, "before_cursor_execute", function(_, _, text) sql[#sql + 1] = text end)
    users[1].name = "x"
    session:commit()
    local updates = 0
    for _, text in ipairs(sql) do
      if text:find "^UPDATE" then
        updates = updates + 1
        assert.is_nil(text:find("n = ", 1, true))
      end
    end
    assert.equal(0, updates - 1)
  end)

  it("has its work undone by a rollback", function()
    local note = Note { text = "seen" }
    at("after_insert", function()
      session:add(note)
      session:delete(users[1])
      users[2].n = 6
    end)
    session:flush()
    session:rollback()
    assert.equal("transient", perilune.inspect(note).state)
    session:commit()
    assert.same({}, rows "SELECT id FROM note")
    assert.same({ "1 a 1", "2 b 1", "3 c 1" }, rows "SELECT id, name, n FROM user ORDER BY id")
    assert.same({ "a", 1, "b", 1 }, { users[1].name, users[1].n, users[2].name, users[2].n })
  end)

  it("has its work undone when the flush fails", function()
    local note = Note { text = "seen" }
    at("after_flush", function()
      session:add(note)
      session:delete(users[1])
      users[2].n = 6
      error("no", 0)
    end)
    assert.has_error(function() session:commit() end)
    session:rollback()
    users[1].n = 3
    session:add(note)
    session:commit()
    assert.same({ "1 a 3", "2 b 1", "3 c 1" }, rows "SELECT id, name, n FROM user ORDER BY id")
    assert.same({ "seen" }, rows "SELECT text FROM note")
  end)

  it("that never ends adding is an error", function()
    local n = 0
    db.event.listen(session, "after_flush", function()
      n = n + 1
      session:add(Note { text = "again" })
    end)
    users[1].name = "x"
    local ok, err = pcall(session.commit, session)
    assert.is_false(ok)
    assert.is_true(err:is "FlushError")
    assert.equal(100, n)
    session:rollback()
    assert.equal("a", users[1].name)
  end)

  it("in a savepoint has its work done when that is released", function()
    at("after_insert", function() session:add(Note { text = "seen" }) end)
    session:begin_nested(function() users[3].name = "z" end)
    assert.same({ "seen" }, rows "SELECT text FROM note")
    session:rollback()
    assert.same({}, rows "SELECT text FROM note")
  end)

  for _, method in ipairs { "commit", "try_commit", "rollback", "close", "remove", "begin_nested", "expunge_all",
    "expire_all", "flush", "expire", "refresh", "expunge" } do
    for _, moment in ipairs { "before_update", "after_update", "after_flush" } do
      it("cannot call " .. method .. " at " .. moment, function()
        local err
        at(moment, function()
          local _
          _, err = pcall(session[method], session, users[1])
          error(err, 0)
        end)
        local ok, failure = pcall(session.commit, session)
        assert.is_false(ok)
        assert.is_true(err:is "InvalidRequestError", tostring(err))
        assert.truthy(tostring(failure):find("flushing", 1, true), tostring(failure))
        session:rollback()
        assert.same({ "a", "b" }, { users[1].name, users[2].name })
        users[1].name = "z"
        session:commit()
        assert.same({ "z", "b", "c" }, rows "SELECT name FROM user ORDER BY id")
      end)
    end
  end

  it("goes on when it was refused and does not mind", function()
    at("after_update", function() pcall(session.rollback, session) end)
    session:commit()
    assert.same({ "x", "y", "c", "d" }, rows "SELECT name FROM user ORDER BY id")
  end)
end)
