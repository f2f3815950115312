-- SPDX-License-Identifier: MIT
-- Live queries and change notices: what is told after a commit, to whom, and when not.

local perilune = require "perilune"
local raised = require "spec.support.raised"
local sql_log = require "spec.support.sql_log"

describe("live", function()
  local db, session, User, Post

  local function declare(on)
    User = on.Model "User" { id = on.Column { on.Integer, primary_key = true },
      name = on.Column { on.String(20) }, age = on.Column { on.Integer }, data = on.Column { on.JSON },
      posts = on.relationship { "Post", backref = "user", passive_deletes = true } }
    Post = on.Model "Post" { id = on.Column { on.Integer, primary_key = true }, title = on.Column { on.String(20) },
      user_id = on.Column { on.Integer, on.ForeignKey { "user.id", ondelete = "CASCADE" } } }
    on:create_all()
  end

  before_each(function()
    db = perilune.open "sqlite://"
    session = db.session
    declare(db)
    session:add_all { User { name = "a", age = 1 }, User { name = "b", age = 2 } }
    session:commit()
  end)

  after_each(function() db:close() end)

  local function names(list)
    local out = {}
    for i, item in ipairs(list) do out[i] = item.name end
    return table.concat(out, " ")
  end

  --- A function that keeps what it is called with.
  local function recorder()
    local calls = {}
    return calls, function(change) calls[#calls + 1] = change end
  end

  describe("observe", function()
    local calls, fn
    before_each(function() calls, fn = recorder() end)

    local function adults() return User.query:where(User.age:ge(2)):order_by(User.id) end

    it("tells what a commit added, removed and changed", function()
      local watch = adults():observe(fn)
      assert.equal("b", names(watch.result))
      local a = User.query:get(1)
      session:add(User { name = "c", age = 3 })
      a.age = 5
      session:commit()
      assert.equal(1, #calls)
      assert.equal("a c", names(calls[1].added))
      assert.equal(0, #calls[1].removed + #calls[1].changed)
      assert.equal("a b c", names(watch.result))
      a.name = "A"
      session:delete(User.query:get(2))
      session:commit()
      assert.same({ 2, 1, "a" }, { #calls, #calls[2].changed, calls[2].old[a].name })
      assert.equal(a, calls[2].changed[1])
      assert.same({ "b", 2 }, { calls[2].removed[1].name, calls[2].removed[1].age })
    end)

    it("says nothing before the commit, and nothing after a rollback", function()
      adults():observe(fn)
      session:add(User { name = "c", age = 3 })
      session:flush()
      assert.equal(0, #calls)
      session:rollback()
      session:commit()
      assert.equal(0, #calls)
    end)

    it("says nothing when no row of the result differs", function()
      adults():observe(fn)
      session:add(User { name = "child", age = 0 })
      session:commit()
      User.query:get(2).age = 2
      session:commit()
      assert.equal(0, #calls)
    end)

    it("does not run again for tables that it does not read", function()
      adults():observe(fn)
      local log = sql_log(db)
      session:add(Post { title = "p" })
      session:commit()
      assert.equal(0, log:selects())
      session:add(User { name = "c", age = 3 })
      session:commit()
      assert.equal(1, log:selects())
    end)

    it("sees raw SQL, bulk changes, triggers and cascades of the database", function()
      User.query:observe(fn)
      local posts, note = recorder()
      Post.query:observe(note)
      session:execute(db.text [[create trigger t after insert on user begin
        insert into post (title, user_id) values ('hello', new.id); end]])
      session:execute(db.text "insert into user (name, age) values ('raw', 9)")
      session:commit()
      assert.equal("raw", names(calls[1].added))
      assert.equal("hello", posts[1].added[1].title)
      session:bulk_insert(User, { { name = "bulk" } })
      session:commit()
      assert.equal("bulk", names(calls[2].added))
      User.query:where(User.name:eq "raw"):update { age = 10 }
      session:commit()
      assert.equal("raw", names(calls[3].changed))
      User.query:where(User.name:eq "raw"):delete()
      session:commit()
      assert.equal("raw", calls[4].removed[1].name)
      assert.equal("hello", posts[3].removed[1].title)
      session:execute(db.text "delete from post")
      session:commit()
      assert.equal(4, #posts)
    end)

    it("sees joins and subqueries", function()
      User.query:where(User.posts:any(Post.title:eq "x")):observe(fn)
      session:add(Post { title = "x", user_id = 1 })
      session:commit()
      assert.equal("a", names(calls[1].added))
    end)

    it("reads views and raw SQL after any commit", function()
      session:execute(db.text "create view names as select id, name from user")
      session:commit()
      local view = db.Table { "names", db.Column { "id", db.Integer }, db.Column { "name", db.String } }
      db.select(view.c.name):observe(fn)
      session:add(User { name = "c" })
      session:commit()
      assert.same({ "c" }, { calls[1].added[1].name })
    end)

    it("gives rows of columns as added and removed", function()
      db.select(User.name, User.age):observe(fn)
      User.query:get(1).age = 7
      session:commit()
      assert.same({ "a", 7 }, { calls[1].added[1]:unpack() })
      assert.same({ "a", 1 }, { calls[1].removed[1]:unpack() })
      assert.equal(0, #calls[1].changed)
      session:add_all { User { name = "x" }, User { name = "x" } }
      session:commit()
      assert.equal(2, #calls[2].added)
    end)

    it("follows an aggregate", function()
      db.select(db.func.count(User.id):label "n"):observe(fn)
      session:add(User { name = "c" })
      session:commit()
      assert.same({ 3, 2 }, { calls[1].added[1].n, calls[1].removed[1].n })
    end)

    it("notices JSON changed in place", function()
      local user = User.query:get(1)
      user.data = { n = { 1 } }
      session:commit()
      User.query:observe(fn)
      user.data.n[2] = 2
      session:commit()
      assert.equal(1, #calls[1].changed)
      assert.same({ 1 }, calls[1].old[user].data.n)
    end)

    it("can begin with all rows", function()
      adults():observe(fn, { initial = true })
      assert.equal("b", names(calls[1].added))
    end)

    it("has nothing to tell of what a savepoint took back", function()
      User.query:observe(fn)
      local nested = session:begin_nested()
      session:add(User { name = "c" })
      session:flush()
      nested:rollback()
      session:commit()
      assert.equal(0, #calls)
      session:begin_nested(function() session:add(User { name = "d" }) end)
      assert.equal(0, #calls)
      session:commit()
      assert.equal("d", names(calls[1].added))
    end)

    it("ends with stop, with its block, and with the database", function()
      local watch = User.query:observe(fn)
      watch:stop()
      watch:stop()
      do
        local _ <close> = User.query:observe(fn)
      end
      session:add(User { name = "c" })
      session:commit()
      assert.same({ 0, false, false }, { #calls, watch.active, watch:refresh() })
      local other = perilune.open "sqlite://"
      declare(other)
      local last = User.query:observe(fn)
      other:close()
      last:stop()
    end)

    it("keeps no instance alive", function()
      local watch = User.query:observe(fn)
      local weak = setmetatable({ User.query:get(1) }, { __mode = "v" })
      watch.result = nil
      collectgarbage()
      collectgarbage()
      assert.is_nil(weak[1])
    end)

    it("lets the subscription go when it is stopped", function()
      local weak = setmetatable({ User.query:observe(fn) }, { __mode = "v" })
      weak[1]:stop()
      collectgarbage()
      collectgarbage()
      assert.is_nil(weak[1])
    end)

    it("refuses what it cannot do", function()
      raised("ArgumentError", function() User.query:observe() end)
      raised("ArgumentError", function() User.query:observe(fn, { initially = true }) end)
      raised("TypeError", function() User.query.observe(fn) end)
    end)
  end)

  describe("functions that are told", function()
    local warnings
    local stderr = io.stderr
    before_each(function()
      warnings = {}
      local function write(_, ...) warnings[#warnings + 1] = table.concat { ... } end
      io.stderr = { write = write } -- luacheck: ignore 122
    end)
    after_each(function() io.stderr = stderr end) -- luacheck: ignore 122

    it("cannot undo the commit by failing, nor keep others from being told", function()
      local calls, fn = recorder()
      User.query:observe(function() error "oops" end)
      User.query:observe(fn)
      session:add(User { name = "c" })
      session:commit()
      assert.equal(1, #calls)
      assert.matches("oops", warnings[1])
      assert.equal(3, User.query:count())
    end)

    it("may commit themselves: the rest is told afterwards, in order", function()
      local seen = {}
      User.query:observe(function(change)
        seen[#seen + 1] = "user " .. change.added[1].name
        if #change.result < 5 then
          session:add(User { name = "u" .. #change.result })
          session:commit()
          seen[#seen + 1] = "done"
        end
      end)
      session:add(User { name = "c" })
      session:commit()
      assert.same({ "user c", "done", "user u3", "done", "user u4" }, seen)
    end)

    it("are stopped when they never end committing", function()
      local n = 0
      User.query:observe(function()
        n = n + 1
        session:add(User { name = "again" })
        session:commit()
      end)
      session:add(User { name = "c" })
      session:commit()
      assert.equal(100, n)
      assert.equal(1, #warnings)
    end)

    it("may stop themselves and others", function()
      local calls, fn = recorder()
      local second
      local first
      first = User.query:observe(function() first:stop() second:stop() end)
      second = User.query:observe(fn)
      session:add(User { name = "c" })
      session:commit()
      assert.equal(0, #calls)
    end)
  end)

  describe("on_change", function()
    local calls, fn
    before_each(function() calls, fn = recorder() end)

    it("tells the keys of the rows of a model", function()
      db:on_change(User, fn)
      session:add(User { name = "c" })
      User.query:get(1).name = "A"
      session:delete(User.query:get(2))
      session:commit()
      local change = calls[1]
      assert.same({ { 3 }, { 1 }, { 2 }, true }, { change.inserted, change.updated, change.deleted, change.complete })
      assert.equal(User, change.model)
      session:add(Post { title = "p" })
      session:commit()
      assert.equal(1, #calls)
    end)

    it("tells the net change of a row", function()
      db:on_change(User, fn)
      local user = User { name = "c" }
      session:add(user)
      session:flush()
      user.name = "d"
      session:flush()
      session:execute(db.text "insert into user (id, name) values (9, 'x')")
      session:execute(db.text "delete from user where id = 9")
      session:commit()
      assert.same({ { 3 }, {}, {} }, { calls[1].inserted, calls[1].updated, calls[1].deleted })
      session:execute(db.text "insert into user (id, name) values (9, 'x')")
      session:execute(db.text "delete from user where id = 9")
      session:commit()
      assert.equal(1, #calls)
    end)

    it("knows no keys where the key is not one integer, but says so", function()
      local Word = db.Model "Word" { word = db.Column { db.String, primary_key = true } }
      db:create_all()
      db:on_change(Word, fn)
      session:add(Word { word = "moon" })
      session:commit()
      assert.same({ false, 0 }, { calls[1].complete, #calls[1].inserted })
    end)

    it("counts the tables of a model that inherits", function()
      local Base = db.Model "Base" { id = db.Column { db.Integer, primary_key = true }, kind = db.Column { db.String },
        polymorphic_on = "kind" }
      local Sub = db.Model "Sub" { __inherits__ = Base, note = db.Column { db.String }, polymorphic_identity = "sub",
        id = db.Column { db.Integer, db.ForeignKey "base.id", primary_key = true } }
      db:create_all()
      db:on_change(Sub, fn)
      local sub = Sub { note = "a" }
      session:add(sub)
      session:commit()
      assert.same({ sub.id }, calls[1].inserted)
      sub.note = "b"
      session:commit()
      assert.same({ sub.id }, calls[2].updated)
    end)

    describe("of classes that inherit", function()
      local Person, Engineer, Manager, Clerk
      before_each(function()
        Person = db.Model "Person" { id = db.Column { db.Integer, primary_key = true }, name = db.Column { db.String },
          kind = db.Column { db.String }, polymorphic_on = "kind" }
        Engineer = db.Model "Engineer" { __inherits__ = Person, polymorphic_identity = "engineer",
          id = db.Column { db.Integer, db.ForeignKey "person.id", primary_key = true }, tool = db.Column { db.String } }
        Manager = db.Model "Manager" { __inherits__ = Person, polymorphic_identity = "manager" }
        Clerk = db.Model "Clerk" { __inherits__ = Manager, polymorphic_identity = "clerk" }
        db:create_all()
      end)

      local function keys(change) return { change.inserted, change.updated, change.deleted, change.complete } end

      it("tells of a row in two tables once, and not of siblings", function()
        db:on_change(Engineer, fn)
        local one, two = Engineer { name = "e", tool = "saw" }, Manager { name = "m" }
        session:add_all { one, two }
        session:commit()
        assert.same({ { one.id }, {}, {}, true }, keys(calls[1]))
        one.name, one.tool, two.name = "f", "axe", "n"
        session:commit()
        assert.same({ {}, { one.id }, {}, true }, keys(calls[2]))
        local key = one.id
        session:delete(one)
        session:delete(two)
        session:commit()
        assert.same({ {}, {}, { key }, true }, keys(calls[3]))
        session:add(Manager { name = "o" })
        session:commit()
        assert.equal(3, #calls)
      end)

      it("tells of classes below one, in the same table", function()
        db:on_change(Manager, fn)
        local m, c, e = Manager { name = "m" }, Clerk { name = "c" }, Engineer { name = "e" }
        session:add_all { m, c, e }
        session:commit()
        assert.same({ { m.id, c.id }, {}, {}, true }, keys(calls[1]))
        e.name = "f"
        session:commit()
        assert.equal(1, #calls)
        local key = m.id
        session:delete(m)
        session:delete(e)
        session:commit()
        assert.same({ {}, {} }, { calls[2].inserted, calls[2].updated })
        assert.is_false(calls[2].complete)
        assert.is_true(calls[2].deleted[1] == key or calls[2].deleted[2] == key)
      end)

      it("calls every function, also when it was given twice", function()
        local first = db:on_change(Person, fn)
        db:on_change(Person, fn)
        db:on_change(Clerk, fn)
        session:add(Clerk { name = "c" })
        session:commit()
        assert.same({ Person, Person, Clerk }, { calls[1].model, calls[2].model, calls[3].model })
        first:stop()
        session:add(Manager { name = "m" })
        session:commit()
        assert.equal(4, #calls)
      end)
    end)

    it("refuses what is no model of the database", function()
      raised("ArgumentError", db.on_change, db, "User", fn)
      raised("ArgumentError", db.on_change, db, User)
      raised("TypeError", db.on_change, User, fn)
      local other = perilune.open "sqlite://"
      finally(function() other:close() end)
      raised("ArgumentError", other.on_change, other, User, fn)
    end)
  end)

  it("leaves the session outside a transaction, as it was", function()
    local path = os.tmpname()
    local one, two = perilune.open("sqlite:///" .. path), perilune.open("sqlite:///" .. path)
    finally(function()
      one:close()
      two:close()
      for _, suffix in ipairs { "", "-wal", "-shm" } do os.remove(path .. suffix) end
    end)
    declare(one)
    local Mine = User
    declare(two)
    one.session:commit()
    two.session:commit()
    local n = 0
    Mine.query:observe(function(change) n = n + #change.added end)
    assert.is_false(one.session:in_transaction())
    for i = 1, 3 do
      two.session:add(User { name = "far" .. i })
      two.session:commit()
      assert.is_true(one:poll_changes())
      assert.same({ i, false }, { n, one.session:in_transaction() })
    end
    one.session:begin(function() one.session:add(Mine { name = "own" }) end)
    assert.same({ 4, false }, { n, one.session:in_transaction() })
    two.session:add(User { name = "far" })
    two.session:commit()
    local own = Mine.query:filter_by { name = "own" }:one()
    assert.equal(5, Mine.query:count())
    one.session:rollback()
    own.name = "mine"
    one.session:commit()
    local waiting = Mine.query:observe(function() one.session:add(Mine { name = "kept" }) end)
    one.session:add(Mine { name = "again" })
    one.session:commit()
    assert.equal(1, #one.session.new)
    waiting:stop()
    one.session:commit()
    assert.equal(7, two.session:execute(two.text "select count(*) from user"):scalar())
  end)

  it("sees other connections when asked to look", function()
    local path = os.tmpname()
    local one, two = perilune.open("sqlite:///" .. path), perilune.open("sqlite:///" .. path)
    finally(function()
      one:close()
      two:close()
      for _, suffix in ipairs { "", "-wal", "-shm" } do os.remove(path .. suffix) end
    end)
    declare(one)
    local calls, fn = recorder()
    local notices, note = recorder()
    User.query:observe(fn)
    one:on_change(User, note)
    one.session:commit()
    assert.is_false(one:poll_changes())
    two.session:execute(two.text "insert into user (name) values ('other')")
    two.session:commit()
    assert.equal(0, #calls)
    assert.is_true(one:poll_changes())
    assert.equal("other", names(calls[1].added))
    assert.same({ 1, false }, { #notices, notices[1].complete })
    one.session:commit()
    assert.is_false(one:poll_changes())
    raised("TypeError", one.poll_changes)
  end)

  it("costs nothing while nobody listens", function()
    local log = sql_log(db)
    session:add(User { name = "c" })
    session:commit()
    assert.equal(0, log:selects())
  end)
end)
