-- SPDX-License-Identifier: MIT
-- Versioned models: every change in a log, queries of the past, undo of transactions.

local perilune = require "perilune"
local raised = require "spec.support.raised"

describe("history", function()
  local db, session, User, Post

  before_each(function()
    db = perilune.open "sqlite://"
    session = db.session
    User = db.Model "User" {
      id = db.Column { db.Integer, primary_key = true },
      name = db.Column { "full_name", db.String(20) },
      age = db.Column { db.Integer },
      posts = db.relationship { "Post", backref = "user" },
      __versioned__ = true,
    }
    Post = db.Model "Post" {
      id = db.Column { db.Integer, primary_key = true },
      title = db.Column { db.String(20) },
      user_id = db.Column { db.ForeignKey { "user.id" }, nullable = false },
      __versioned__ = true,
    }
    db:create_all()
  end)

  after_each(function() db:close() end)

  local function raw(sql, ...) return session:execute(db.text(sql, ...)) end
  local function count(what) return session:scalar(db.text("select count(*) from " .. what)) end

  --- A time between what was done and what comes: clocks of milliseconds tell them apart.
  local function now()
    local t = raw "select strftime('%Y-%m-%d %H:%M:%f', 'now')":scalar()
    local function later() return raw "select strftime('%Y-%m-%d %H:%M:%f', 'now')":scalar() end
    while later() == t do end
    local at = later()
    while later() == at do end
    return at
  end

  local function add(values)
    local user = User(values)
    session:add(user)
    session:commit()
    return user
  end

  local function operations(versions)
    local out = {}
    for i, version in ipairs(versions) do out[i] = version.operation end
    return table.concat(out, " ")
  end

  describe("of tables", function()
    it("begins for a table that was there before it became versioned", function()
      local path = os.tmpname()
      local function open(versioned)
        local other = perilune.open("sqlite:///" .. path)
        local Thing = other.Model "Thing" { id = other.Column { other.Integer, primary_key = true },
          name = other.Column { other.String }, __versioned__ = versioned, words = other.fts { "name" } }
        return other, Thing, other:create_all()
      end
      local other, Thing = open(false)
      finally(function()
        other:close()
        for _, suffix in ipairs { "", "-wal", "-shm" } do os.remove(path .. suffix) end
      end)
      other.session:add_all { Thing { name = "old" }, Thing { name = "still" } }
      other.session:commit()
      other:close()
      local made
      other, Thing, made = open(true)
      assert.same({ "thing_history", "history_transaction" }, made)
      assert.same({}, other:create_all())
      local before = other.session:execute(other.text "select strftime('%Y-%m-%d %H:%M:%f', 'now')"):scalar()
      other.session:commit()
      local t = os.clock()
      while os.clock() - t < 0.005 do end
      local thing = Thing.query:get(1)
      thing.name = "new"
      other.session:commit()
      local names = {}
      for i, version in ipairs(thing:history()) do names[i] = version.operation .. " " .. version.name end
      assert.same({ "insert old", "update new" }, names)
      assert.equal(2, Thing.query:as_of(before):count())
      assert.equal("old", Thing.query:as_of(before):order_by(Thing.id):first().name)
      other.session:execute(other.text "drop trigger thing_history_delete")
      other.session:commit()
      assert.same({}, other:create_all())
      assert.equal(3, other.session:scalar(other.text
        "select count(*) from sqlite_master where type = 'trigger' and name like 'thing_history%'"))
      assert.equal(3, other.session:scalar(other.text "select count(*) from thing_history"))
    end)

    it("are made with the one table that is asked for", function()
      db:drop_all()
      local names = db:create_all { tables = { User } }
      table.sort(names)
      assert.same({ "history_transaction", "user", "user_history" }, names)
    end)

    it("makes a log for each and one table of transactions", function()
      local names = perilune.inspect(db):get_table_names()
      table.sort(names)
      assert.same({ "history_transaction", "post", "post_history", "user", "user_history" }, names)
    end)

    it("is dropped with them", function()
      db:drop_all()
      assert.equal(0, count "sqlite_master where name not like 'sqlite_%'")
    end)

    it("is made once", function()
      assert.same({}, db:create_all())
    end)

    it("keeps values as they are, without the constraints", function()
      raw "insert into user_history (version_operation, version_from) values ('insert', '')"
      raised("IntegrityError", function() raw "insert into post (title) values ('x')" end)
    end)

    it("leaves models that do not ask for it alone", function()
      local Plain = db.Model "Plain" { id = db.Column { db.Integer, primary_key = true } }
      db:create_all()
      assert.equal(0, count "sqlite_master where name = 'plain_history'")
      raised("AttributeError", function() return Plain {}:history() end)
      raised("InvalidRequestError", function() Plain.query:as_of(0) end)
    end)

    it("refuses column names that the log has for itself", function()
      local err = raised("ArgumentError", function()
        db.Model "Bad" { id = db.Column { db.Integer, primary_key = true },
          version_from = db.Column { db.Integer }, __versioned__ = true }
      end)
      assert.matches("version_from", err.message)
    end)

    it("refuses anything but a boolean", function()
      raised("ArgumentError", function()
        db.Model "Bad" { id = db.Column { db.Integer, primary_key = true }, __versioned__ = "yes" }
      end)
    end)
  end)

  describe("of an object", function()
    it("has its versions in order, with what changed", function()
      local user = add { name = "a", age = 1 }
      user.age = 2
      session:commit()
      user.name, user.age = "b", nil
      session:commit()
      local versions = user:history()
      assert.equal("insert update update", operations(versions))
      assert.same({ "a", "a", "b" }, { versions[1].name, versions[2].name, versions[3].name })
      assert.same({ age = { 1, 2 } }, versions[2]:changes())
      assert.same({ age = { 2, db.null }, name = { "a", "b" } }, versions[3]:changes())
      assert.equal(versions[1].to, versions[2].from)
      assert.is_nil(versions[3].to)
      assert.is_true(versions[1].from < versions[2].from)
    end)

    it("is empty for an object that has no row", function()
      assert.same({}, User { name = "x" }:history())
    end)

    it("outlives the object", function()
      local user = add { name = "a" }
      session:delete(user)
      session:commit()
      assert.equal("insert delete", operations(user:history()))
      assert.equal(1, #user:history()[2].values.name)
    end)

    it("includes what raw SQL does", function()
      local user = add { name = "a", age = 1 }
      raw "update user set age = 7"
      raw "delete from user"
      session:commit()
      local versions = user:history()
      assert.equal("insert update delete", operations(versions))
      assert.equal(7, versions[2].age)
    end)

    it("includes bulk changes, upserts and bulk inserts", function()
      session:bulk_insert(User, { { id = 1, name = "a" }, { id = 2, name = "b" } })
      User.query:where(User.id:eq(1)):update { age = 3 }
      session:execute(db.insert(User):values { id = 2, name = "c" }
        :on_conflict_do_update { index_elements = { User.id }, set = { full_name = "c" } })
      User.query:where(User.id:eq(1)):delete()
      session:commit()
      session:execute(db.text "insert or replace into user (id, full_name) values (2, 'd')")
      session:commit()
      assert.equal(0, count "user_history where id = 1 and version_until is null")
      assert.equal(1, count "user_history where id = 2 and version_until is null")
      assert.equal("insert update insert", operations(User.query:get(2):history()))
    end)

    it("makes no version of an update that changes nothing", function()
      local user = add { name = "a", age = 1 }
      raw "update user set age = 1"
      session:commit()
      assert.equal("insert", operations(user:history()))
    end)

    it("forgets what was rolled back", function()
      local user = add { name = "a" }
      user.name = "b"
      session:flush()
      session:rollback()
      assert.equal("insert", operations(user:history()))
      assert.equal(1, count "history_transaction")
    end)

    it("includes what another program writes, without a transaction", function()
      local path = os.tmpname()
      local other = perilune.open("sqlite:///" .. path)
      finally(function()
        other:close()
        for _, suffix in ipairs { "", "-wal", "-shm" } do os.remove(path .. suffix) end
      end)
      local Item = other.Model "Item" { id = other.Column { other.Integer, primary_key = true },
        n = other.Column { other.Integer }, __versioned__ = true }
      other:create_all()
      other.session:add(Item { n = 1 })
      other.session:commit()
      local plain = perilune.open("sqlite:///" .. path)
      plain.session:execute(plain.text "update item set n = 2")
      plain.session:commit()
      plain:close()
      local versions = Item.query:one():history()
      assert.equal("insert update", operations(versions))
      assert.equal(1, versions[1].transaction)
      assert.is_nil(versions[2].transaction)
      assert.equal(2, versions[2].n)
    end)

    it("is called with a colon", function()
      local err = raised("TypeError", function() add { name = "a" }.history() end)
      assert.matches("colon", err.hint)
    end)
  end)

  describe("as_of", function()
    it("reads rows as they were", function()
      local before = now()
      local user = add { name = "a", age = 1 }
      local first = now()
      user.name = "b"
      session:commit()
      local second = now()
      session:delete(user)
      session:commit()
      assert.equal(0, User.query:as_of(before):count())
      assert.equal("a", User.query:as_of(first):one().name)
      assert.equal("b", User.query:as_of(second):one().name)
      assert.equal(0, User.query:as_of(now()):count())
      assert.same({ "a" }, { table.unpack(db.select(User.name):as_of(first):scalars()) })
    end)

    it("takes a datetime, ISO text and seconds", function()
      add { name = "a" }
      local at = now()
      assert.equal(1, User.query:as_of(db.datetime(at)):count())
      assert.equal(1, User.query:as_of(os.time() + 10):count())
      assert.equal(0, User.query:as_of "2001-01-01":count())
      assert.equal(0, User.query:as_of(0):count())
      for _, bad in ipairs { "yesterday", {}, true } do
        assert.has_error(function() User.query:as_of(bad) end)
      end
      raised("ArgumentError", function() User.query:as_of() end)
    end)

    it("applies to all versioned tables of the query, wherever they stand", function()
      local user = add { name = "a", posts = { Post { title = "old" } } }
      local at = now()
      user.posts[1].title = "new"
      session:commit()
      local q = User.query:as_of(at)
      assert.equal(1, q:join(User.posts):where(Post.title:eq "old"):count())
      assert.equal(1, q:where(User.posts:any(Post.title:eq "old")):count())
      assert.equal(0, q:where(User.posts:any(Post.title:eq "new")):count())
      assert.equal(1, q:where(User.id:in_(db.select(Post.user_id):where(Post.title:eq "old"))):count())
      assert.equal("old", db.select(User.name, Post.title):join(User.posts):as_of(at):one()[2])
    end)

    it("gives instances that belong to no session, apart from those of today", function()
      local user = add { name = "a" }
      local at = now()
      user.name = "b"
      session:commit()
      local old = User.query:as_of(at):one()
      assert.are_not.equal(user, old)
      assert.same({ "a", "b" }, { old.name, user.name })
      assert.is_true(perilune.inspect(old).detached)
      assert.is_false(session:is_modified(user))
      raised("DetachedInstanceError", function() return old.posts[1] end)
      assert.equal(user, User.query:one())
    end)

    it("brings an old version back by merge", function()
      local user = add { name = "a", age = 1 }
      local at = now()
      user.name, user.age = "b", 2
      session:commit()
      session:merge(User.query:as_of(at):one())
      session:commit()
      assert.same({ "a", 1 }, { user.name, user.age })
    end)

    it("streams, pages and counts like any query", function()
      for i = 1, 5 do session:add(User { name = "u" .. i, age = i }) end
      session:commit()
      local at = now()
      User.query:delete()
      session:commit()
      local q = User.query:as_of(at):order_by(User.id)
      local names = {}
      for user in q:each() do names[#names + 1] = user.name end
      assert.same({ "u1", "u2", "u3", "u4", "u5" }, names)
      assert.equal(2, #q:limit(2):all())
      assert.equal("u3", q:offset(2):first().name)
      assert.is_true(q:any())
      assert.equal(15, db.select(db.func.sum(User.age)):as_of(at):scalar())
    end)

    it("leaves what stands around it in the present", function()
      local user = add { name = "a", age = 1 }
      local first = now()
      user.name = "b"
      session:commit()
      local second = now()
      session:add(User { name = "c" })
      user.name = "d"
      session:commit()
      local function at(t) return db.select(User.name):as_of(t) end
      assert.equal(0, User.query:where(User.name:in_(at(first))):count())
      assert.equal("d", User.query:where(User.id:in_(db.select(User.id):as_of(first))):one().name)
      local old = User.query:as_of(first):subquery()
      local both = db.select(User.name, old.c.full_name):join(old, old.c.id:eq(User.id)):one()
      assert.same({ "d", "a" }, { both:unpack() })
      assert.same({ "a", "b", "d" }, { table.unpack(at(first):union(at(second)):union(db.select(User.name)
        :where(User.age:is_not(nil))):order_by(User.name):scalars()) })
      assert.same({ "b" }, { table.unpack(at(second):except(at(first)):scalars()) })
    end)

    it("only reads", function()
      add { name = "a" }
      raised("InvalidRequestError", function() User.query:as_of(0):delete() end)
      raised("InvalidRequestError", function() User.query:as_of(0):update { name = "x" } end)
      assert.equal(1, User.query:count())
    end)

    it("stands once in a query", function()
      raised("InvalidRequestError", function() User.query:as_of(0):as_of(1) end)
    end)
  end)

  describe("of transactions", function()
    it("has one number and one time for all changes, and who made them", function()
      session.info.actor, session.info.reason = "alice", "import"
      add { name = "a", posts = { Post { title = "p" } } }
      local list = session:transactions()
      assert.equal(1, #list)
      assert.same({ "alice", "import" }, { list[1].actor, list[1].reason })
      assert.equal(1, count [[(select distinct version_from, version_transaction from
        (select version_from, version_transaction from user_history union all
         select version_from, version_transaction from post_history))]])
      assert.equal(0, count "history_transaction where open is not null")
    end)

    it("has none that changed nothing", function()
      add { name = "a" }
      raw "update user set age = age"
      session:commit()
      raw "create table other (id integer)"
      raw "insert into other values (1)"
      session:commit()
      assert.equal(1, #session:transactions())
    end)

    it("covers savepoints that were rolled back", function()
      session:begin_nested(function() session:add(User { name = "a" }) end)
      local nested = session:begin_nested()
      session:add(User { name = "b" })
      session:flush()
      nested:rollback()
      session:add(User { name = "c" })
      session:commit()
      local changes = session:changes(1)
      assert.equal(2, #changes)
      assert.equal(1, #session:transactions())
    end)

    it("lists the net change of every row", function()
      local user = add { name = "a", age = 1 }
      user.age = 2
      session:flush()
      user.age = 3
      session:add(User { name = "b" })
      session:flush()
      session:delete(User.query:filter_by { name = "b" }:one())
      session:commit()
      local changes = session:changes(2)
      assert.equal(1, #changes)
      assert.same({ "user", "update", 1, 1, 3 }, { changes[1].table, changes[1].operation,
        changes[1].key[1], changes[1].old.age, changes[1].new.age })
    end)

    it("can be limited, and refuses bad options", function()
      for i = 1, 3 do add { name = "u" .. i } end
      local list = session:transactions { limit = 2 }
      assert.same({ 3, 2 }, { list[1].id, list[2].id })
      raised("ArgumentError", session.transactions, session, { limits = 2 })
      raised("ArgumentError", session.changes, session, "1")
      raised("TypeError", session.undo, 1)
      local plain = perilune.open "sqlite://"
      finally(function() plain:close() end)
      raised("InvalidRequestError", plain.session.undo, plain.session, 1)
    end)
  end)

  describe("undo", function()
    it("takes back inserts, updates and deletes", function()
      local user = add { name = "a", age = 1 }
      user.age = nil
      session:commit()
      session:delete(user)
      session:commit()
      assert.equal(1, session:undo(3))
      session:commit()
      user = User.query:one()
      assert.same({ "a", nil }, { user.name, user.age })
      session:undo(2)
      assert.equal(1, user.age)
      session:undo(1)
      session:commit()
      assert.equal(0, User.query:count())
      assert.equal("insert update delete insert update delete", operations(user:history()))
    end)

    it("takes back rows that got other keys, and keys that were given again", function()
      local function rows()
        return raw "select group_concat(id || full_name, ' ') from (select * from user order by id)":scalar()
      end
      for _, name in ipairs { "a", "b", "c" } do session:add(User { name = name }) end
      session:commit()
      raw "update user set id = 9 where id = 1"
      session:commit()
      local moved = session:transactions()[1].id
      raw "update user set id = 99 where id = 2"
      raw "update user set id = 2 where id = 3"
      raw "update user set id = 3 where id = 99"
      session:commit()
      local swapped = session:transactions()[1].id
      assert.equal("2c 3b 9a", rows())
      session:undo(swapped)
      assert.equal("2b 3c 9a", rows())
      session:commit()
      session:undo(moved)
      session:commit()
      assert.equal("1a 2b 3c", rows())
      local operations_of = {}
      for i, change in ipairs(session:changes(moved)) do operations_of[i] = change.operation .. change.key[1] end
      assert.same({ "delete1", "insert9" }, operations_of)
      raw "delete from user where id = 3"
      session:commit()
      local deleted = session:transactions()[1].id
      raw "insert into user (id, full_name) values (3, 'other')"
      session:commit()
      raised("StaleDataError", session.undo, session, deleted)
      session:rollback()
      session:undo(session:transactions()[1].id)
      session:undo(deleted)
      session:commit()
      assert.equal("1a 2b 3c", rows())
    end)

    it("fails at once when rows would refer to one that is taken away", function()
      local user = add { name = "a" }
      local made = session:transactions()[1].id
      session:add(Post { title = "t", user_id = user.id })
      session:commit()
      raised("IntegrityError", session.undo, session, made)
      session:commit()
      assert.same({ 1, 1 }, { count "user", count "post" })
      session:undo(session:transactions()[1].id)
      session:undo(made)
      session:commit()
      assert.same({ 0, 0 }, { count "user", count "post" })
    end)

    it("takes back several tables, whatever their order", function()
      add { name = "a", posts = { Post { title = "p" }, Post { title = "q" } } }
      local user = User.query:one()
      session:delete(user.posts[1])
      session:delete(user.posts[2])
      session:delete(user)
      session:commit()
      assert.equal(3, session:undo(2))
      session:commit()
      assert.equal(2, #User.query:one().posts)
      session:undo(1)
      session:commit()
      assert.same({ 0, 0 }, { count "user", count "post" })
    end)

    it("is itself undone", function()
      local user = add { name = "a" }
      user.name = "b"
      session:commit()
      session:undo(2)
      session:commit()
      assert.equal("a", user.name)
      session:undo(3)
      session:commit()
      assert.equal("b", user.name)
    end)

    it("fails and changes nothing when a row has changed since", function()
      local user = add { name = "a", posts = { Post { title = "p" } } }
      user.name, user.posts[1].title = "b", "q"
      session:commit()
      user.name = "c"
      session:commit()
      local err = raised("StaleDataError", session.undo, session, 2)
      assert.matches("'user'", err.message)
      assert.same({ "c", "q" }, { user.name, user.posts[1].title })
      session:commit()
      assert.equal(3, #session:transactions())
    end)

    it("fails for a transaction that is not on record", function()
      add { name = "a" }
      raised("InvalidRequestError", session.undo, session, 9)
      raised("ArgumentError", session.undo, session)
    end)

    it("is rolled back with the transaction", function()
      local user = add { name = "a" }
      user.name = "b"
      session:commit()
      session:undo(2)
      session:rollback()
      assert.equal("b", user.name)
    end)
  end)

  it("covers single- and joined-table inheritance", function()
    local Base = db.Model "Base" { id = db.Column { db.Integer, primary_key = true },
      kind = db.Column { db.String }, name = db.Column { db.String },
      polymorphic_on = "kind", polymorphic_identity = "base", __versioned__ = true }
    local Single = db.Model "Single" { __inherits__ = Base, extra = db.Column { db.Integer },
      polymorphic_identity = "single" }
    local Joined = db.Model "Joined" { __inherits__ = Base,
      id = db.Column { db.Integer, db.ForeignKey "base.id", primary_key = true },
      note = db.Column { db.String }, polymorphic_identity = "joined" }
    db:create_all()
    local single, joined = Single { name = "s", extra = 1 }, Joined { name = "j", note = "n" }
    session:add_all { single, joined }
    session:commit()
    local at = now()
    single.extra, joined.note, joined.name = 2, "m", "k"
    session:commit()
    assert.same({ extra = { 1, 2 } }, single:history()[2]:changes())
    assert.equal("insert update", operations(joined:history()))
    assert.same({ note = { "n", "m" }, name = { "j", "k" } }, joined:history()[2]:changes())
    local old = Joined.query:as_of(at):one()
    assert.same({ "j", "n" }, { old.name, old.note })
    assert.equal(1, Single.query:as_of(at):one().extra)
    session:undo(2)
    assert.same({ 1, "j", "n" }, { single.extra, joined.name, joined.note })
  end)

  it("covers composite keys and values of every kind", function()
    local Thing = db.Model "Thing" {
      a = db.Column { db.Integer, primary_key = true }, b = db.Column { db.String, primary_key = true },
      at = db.Column { db.DateTime }, price = db.Column { db.Numeric(8, 2) }, data = db.Column { db.JSON },
      blob = db.Column { db.LargeBinary }, on = db.Column { db.Boolean },
      twice = db.Column { db.Integer, db.Computed "a * 2" }, __versioned__ = true,
    }
    db:create_all()
    local thing = Thing { a = 1, b = "x", at = db.datetime "2026-01-02 03:04:05", price = db.decimal "1.50",
      data = { k = { 1, 2 } }, blob = "\0\1", on = true }
    session:add(thing)
    session:commit()
    thing.data.k[3] = 3
    thing.price, thing.on, thing.blob = db.decimal "2.25", false, nil
    session:commit()
    local version = thing:history()[1]
    assert.equal("1.50", tostring(version.price))
    assert.equal("\0\1", version.blob)
    assert.is_true(version.on)
    session:undo(2)
    session:commit()
    assert.same({ 2, "1.50", true, "\0\1", 2 },
      { #thing.data.k, tostring(thing.price), thing.on, thing.blob, thing.twice })
  end)
end)
