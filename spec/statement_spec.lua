-- SPDX-License-Identifier: MIT
-- INSERT, UPDATE, DELETE and text: the SQL, the values, and what becomes of rows.

local blog = require "spec.support.blog"
local perilune = require "perilune"

describe("a statement", function()
  local m, db, User, Post, Counter

  before_each(function()
    m = blog.open()
    db, User, Post = m.db, m.User, m.Post
    Counter = db.Model "Counter" {
      id = db.Column { db.Integer, primary_key = true },
      word = db.Column { db.String(5), default = "none" },
      n = db.Column { db.Integer, default = function() return 7 end },
      changed = db.Column { db.Integer, onupdate = function() return 1 end },
    }
    db:create_all()
  end)

  after_each(function() db:close() end)

  local function check(text, params, statement)
    assert.equal(text, blog.text(statement))
    assert.equal(params, blog.params(statement))
  end

  local function raises(class, message, fn)
    local err = blog.error(fn)
    assert.equal(class, err.name)
    assert.match(message, err.message)
    return err
  end

  local function rows(query)
    local out = {}
    for i, row in ipairs(db.session:execute(query):all()) do
      local line = {}
      for k = 1, #row do line[k] = tostring(row[k]) end
      out[i] = table.concat(line, " ")
    end
    return table.concat(out, ", ")
  end

  local function counters()
    return rows(db.select(Counter.id, Counter.word, Counter.n, Counter.changed)
      :order_by(Counter.id))
  end

  it("streams rows whose first value is NULL: db.null stands there", function()
    db.session:add_all { User { name = "ann", age = 20 }, User { name = "bob" } }
    db.session:commit()
    local seen = {}
    for age, name in db.select(User.age, User.name):order_by(User.name:desc()):each() do
      seen[#seen + 1] = { age, name }
    end
    assert.same({ { db.null, "bob" }, { 20, "ann" } }, seen)
    seen = {}
    for name, age in db.select(User.name, User.age):order_by(User.name:desc()):each() do
      seen[#seen + 1] = { name, age }
    end
    assert.same({ { "bob", nil }, { "ann", 20 } }, seen)
    local posts = 0
    for post in db.select(Post):select_from(User):outerjoin(Post, Post.user_id:eq(User.id)):each() do
      assert.equal(db.null, post)
      posts = posts + 1
    end
    assert.equal(2, posts)
  end)

  describe("that inserts", function()
    it("writes values in the order of the table", function()
      check("INSERT INTO user (name, age) VALUES (?, ?)", "x 5",
        db.insert(User):values { age = 5, name = "x" })
      check("INSERT INTO user (name, age) VALUES (?, ?), (?, ?)", "x 5 y nil",
        db.insert(User):values { { name = "x", age = 5 }, { name = "y" } })
      check("INSERT INTO user (name) VALUES (?)", "x",
        db.insert(User):values { [User.name] = "x" })
      check("INSERT INTO user_group (user_id, group_id) VALUES (?, ?)", "1 2",
        db.insert(m.user_group):values { group_id = 2, user_id = 1 })
      check("INSERT INTO user DEFAULT VALUES", "", db.insert(User))
    end)

    it("fills in defaults", function()
      db.session:execute(db.insert(Counter):values { { id = 1 }, { id = 2, word = "two", n = 5 },
        { id = 3, n = db.null } })
      assert.equal("1 none 7 nil, 2 two 5 nil, 3 none nil nil", counters())
    end)

    it("checks values as an object does", function()
      local insert = db.insert(Counter)
      raises("ValueError", "Counter.word: 6 characters are too many",
        function() return insert:values { word = "sixsix" } end)
      raises("TypeError", "Counter.n: expected an integer",
        function() return insert:values { n = "x" } end)
      local err = raises("ArgumentError", "Counter has no column 'wrod'",
        function() return insert:values { wrod = "x" } end)
      assert.equal("did you mean 'word'?", err.hint)
      raises("ArgumentError", "named by columns of counter",
        function() return insert:values { [User.name] = "x" } end)
      raises("TypeError", "got number", function() return insert:values(5) end)
    end)

    it("from a query", function()
      check("INSERT INTO user (name, age) SELECT post.title, ? FROM post", "3",
        db.insert(User):from_select({ "name", "age" }, db.select(Post.title, db.literal(3))))
    end)

    it("settles conflicts", function()
      check("INSERT INTO user (name) VALUES (?) ON CONFLICT DO NOTHING", "x",
        db.insert(User):values { name = "x" }:on_conflict_do_nothing())
      check("INSERT INTO user (name) VALUES (?) ON CONFLICT (name) DO NOTHING", "x",
        db.insert(User):values { name = "x" }
        :on_conflict_do_nothing { index_elements = { "name" } })
      local upsert = db.insert(User):values { name = "x", age = 3 }
      upsert = upsert:on_conflict_do_update {
        index_elements = { User.name },
        set_ = { age = upsert.excluded.age + User.age },
        where = User.age:lt(100),
      }
      check("INSERT INTO user (name, age) VALUES (?, ?) ON CONFLICT (name) DO UPDATE "
        .. "SET age=excluded.age + user.age WHERE user.age < ?", "x 3 100", upsert)
      for _ = 1, 3 do db.session:execute(upsert) end
      assert.equal("x 9", rows(db.select(User.name, User.age)))
      raises("ArgumentError", "expects index_elements and set_",
        function() return upsert:on_conflict_do_update { set_ = { age = 1 } } end)
      raises("ArgumentError", "has no constraint 'nope'",
        function() return upsert:on_conflict_do_nothing { constraint = "nope" } end)
    end)

    it("returns what it wrote", function()
      local insert = db.insert(User):values { { name = "a" }, { name = "b" } }
        :returning(User.id, User.name)
      check("INSERT INTO user (name) VALUES (?), (?) RETURNING id, name", "a b", insert)
      assert.equal("1 a, 2 b", rows(insert))
    end)
  end)

  describe("that updates", function()
    it("writes values and expressions", function()
      check("UPDATE user SET name=?, age=user.age + ? WHERE user.id = ?", "x 1 5",
        db.update(User):where(User.id:eq(5)):values { name = "x", age = User.age + 1 })
      check("UPDATE user SET age=(SELECT max(post.id) FROM post) WHERE user.name = ?", "x",
        db.update(User):filter_by { name = "x" }
        :values { age = db.select(db.func.max(Post.id)):scalar_subquery() })
      check("UPDATE user SET age=?", "nil", db.update(User):values { age = db.null })
      raises("ArgumentError", "the table is empty",
        function() return db.update(User):values {} end)
    end)

    it("fills in onupdate", function()
      db.session:execute(db.insert(Counter):values { id = 1 })
      db.session:execute(db.update(Counter):values { word = "x" })
      assert.equal("1 x 7 1", counters())
    end)
  end)

  describe("that deletes", function()
    it("takes conditions and returns rows", function()
      check("DELETE FROM user", "", db.delete(User))
      check("DELETE FROM user WHERE user.id IN (?, ?) RETURNING id", "1 2",
        db.delete(User):where(User.id:in_ { 1, 2 }):returning(User.id))
      raises("ArgumentError", "got the boolean false",
        function() return db.delete(User):where(false) end)
    end)

    it("has only the methods that make sense", function()
      raises("AttributeError", "statements have no method 'limit'",
        function() return db.delete(User):limit(3) end)
      raises("ArgumentError", "'values' is a method of insert and update",
        function() return db.delete(User):values { name = "x" } end)
      raises("ArgumentError", "only tables and models",
        function() return db.delete(db.select(User):subquery()) end)
    end)
  end)

  describe("of text", function()
    it("has named parameters", function()
      check("select ? as a, ':x' as b, ? as c, 1 /* :y */", "5 5",
        db.text "select :id as a, ':x' as b, :id as c, 1 /* :y */":bindparams { id = 5 })
      check("select 1 where 2 in (?, ?)", "1 2",
        db.text "select 1 where 2 in :list":bindparams { list = { 1, 2 } })
      check("select ? || ?", "a b",
        db.text "select :x || :y":bindparams { x = "a", y = "c" }:bindparams { y = "b" })
      check("select ':'", "", db.text "select ':'")
      raises("ArgumentError", "has no parameter ':b'",
        function() return db.text "select :a":bindparams { b = 5 } end)
      raises("TypeError", "expects a string", function() return db.text(5) end)
    end)

    it("gets its values when it runs, too", function()
      local text = db.text "select :a + :b"
      assert.equal("3", rows(text:bindparams { a = 1, b = 2 }))
      assert.equal(7, db.session:execute(text, { a = 3, b = 4 }):scalar())
      assert.equal(9, db.session:execute(text:bindparams { b = 4 }, { a = 5 }):scalar())
      raises("StatementError", "A value is required for bind parameter 'b'",
        function() return db.session:execute(text, { a = 3 }) end)
    end)

    it("is part of other statements", function()
      check("SELECT user.id FROM user WHERE name = ?", "x",
        db.select(User.id):where(db.text "name = :n":bindparams { n = "x" }))
    end)

    it("may say what it returns", function()
      db.session:execute(db.insert(User):values { name = "x", born = "2020-01-02" })
      local typed = db.text "select id, born from user":columns(User.id, User.born)
      local row = db.session:execute(typed):first()
      assert.equal("2020-01-02", row.born:iso())
    end)
  end)

  it("takes parameters in any place", function()
    local query = db.select(User.name):where(User.age:gt(db.bindparam "least"))
    db.session:execute(db.insert(User):values { { name = "a", age = 1 }, { name = "b", age = 5 } })
    assert.equal("b", db.session:execute(query, { least = 3 }):scalar())
    raises("StatementError", "'least'", function() return db.session:execute(query) end)
    assert.equal("a", db.session:execute(
      db.select(User.name):where(User.age:eq(db.bindparam("age", 1)))):scalar())
  end)

  it("takes the rows of an insert as parameters", function()
    local function all()
      local out = {}
      for id, word, n in db.select(Counter.id, Counter.word, Counter.n):order_by(Counter.id):each() do
        out[#out + 1] = ("%d %s %d"):format(id, word, n)
      end
      return table.concat(out, ", ")
    end
    assert.equal(2, db.session:execute(db.insert(Counter), { { word = "a" }, { n = 3 } }).rowcount)
    assert.equal(1, db.session:execute(db.insert(Counter), { word = "b" }).rowcount)
    assert.equal(1, db.session:execute(db.insert(Counter)).rowcount)
    assert.equal("1 a 7, 2 none 3, 3 b 7, 4 none 7", all())
    local many = {}
    for i = 1, 450 do many[i] = { word = "w" .. i, n = i } end
    local made = db.session:execute(db.insert(Counter):returning(Counter.id, Counter.n), many)
    assert.equal(450, #made)
    assert.equal(450, made[450].n)
    assert.equal(454, made[450].id)
    raises("ArgumentError", "parameters%[2%] must be a table", function()
      db.session:execute(db.insert(Counter), { { word = "a" }, "b" })
    end)
    raises("ArgumentError", "wrd", function()
      db.session:execute(db.insert(Counter), { { wrd = "a" } })
    end)
  end)

  describe("of a model keeps the session in step:", function()
    local ann, bob

    before_each(function()
      ann, bob = User { name = "ann", age = 20 }, User { name = "bob" }
      db.session:add_all { ann, bob }
      db.session:commit()
      assert.same({ "ann", "bob" }, { ann.name, bob.name })
    end)

    it("an update expires what it set", function()
      local update = db.update(User):where(User.id:eq(1)):values { name = "zed" }
      assert.equal(1, db.session:execute(update).rowcount)
      assert.same({ "zed", 20, "bob" }, { ann.name, ann.age, bob.name })
      db.session:execute(db.update(User):values { age = User.id + 1 })
      assert.same({ 2, 3 }, { ann.age, bob.age })
      db.session:rollback()
      assert.same({ "ann", 20 }, { ann.name, ann.age })
    end)

    it("an update expires what it set by onupdate", function()
      local counter = Counter { word = "a" }
      db.session:add(counter)
      db.session:commit()
      assert.is_nil(counter.changed)
      db.session:execute(db.update(Counter):values { word = "b" })
      assert.same({ "b", 1 }, { counter.word, counter.changed })
    end)

    it("an update that returns gives instances with the new values", function()
      local result = db.session:scalars(
        db.update(User):where(User.name:eq "bob"):values { name = "zed" }:returning(User))
      assert.equal(1, #result)
      assert.equal(bob, result[1])
      assert.equal("zed", bob.name)
      db.session:expunge(ann)
      local row = db.session:execute(
        db.update(User):where(User.id:eq(1)):values { name = "amy" }:returning(User.id, User))[1]
      assert.same({ 1, "amy", "ann" }, { row[1], row[2].name, ann.name })
    end)

    it("the parameters of the condition are those of the statement", function()
      local update = db.update(User):where(db.text "name = :old"):values { name = db.bindparam "new" }
      db.session:execute(update, { { old = "ann", new = "a" }, { old = "bob", new = "b" } })
      assert.same({ "a", "b" }, { ann.name, bob.name })
    end)

    it("a delete takes the objects out of the session", function()
      assert.equal(1, db.session:execute(db.delete(User):where(User.id:eq(2))).rowcount)
      assert.is_nil(User.query:get(2))
      assert.is_true(perilune.inspect(bob).deleted)
      assert.equal(ann, User.query:get(1))
      db.session:rollback()
      assert.equal(bob, User.query:get(2))
      db.session:execute(db.delete(User))
      db.session:commit()
      assert.is_nil(User.query:get(1))
      assert.is_true(perilune.inspect(ann).detached)
    end)

    it("a delete that returns instances leaves none in the session", function()
      db.session:expunge(bob)
      local result = db.session:scalars(db.delete(User):returning(User))
      assert.equal(2, #result)
      assert.equal(ann, result[1])
      assert.same({ "ann", "bob" }, { result[1].name, result[2].name })
      assert.is_nil(User.query:get(1))
      assert.is_nil(User.query:get(2))
    end)

    it("an aliased model and a compound key are found as well", function()
      local Pair = db.Model "Pair" {
        b = db.Column { db.Integer, primary_key = true },
        a = db.Column { db.Integer, primary_key = true },
        n = db.Column { db.Integer },
      }
      db:create_all()
      local one, two = Pair { a = 1, b = 2, n = 0 }, Pair { a = 2, b = 1, n = 0 }
      db.session:add_all { one, two }
      db.session:commit()
      assert.same({ 0, 0 }, { one.n, two.n })
      db.session:execute(db.update(Pair):where(Pair.a:eq(1)):values { n = 5 })
      assert.same({ 5, 0 }, { one.n, two.n })
      local u = db.aliased(User, "u")
      db.session:execute(db.update(u):where(u.name:eq "ann"):values { name = "zed" })
      assert.same({ "zed", "bob" }, { ann.name, bob.name })
    end)
  end)

  it("runs once for each of a list of parameters", function()
    db.session:execute(db.insert(Counter), { { id = 1 }, { id = 2 }, { id = 3 } })
    local update = db.update(Counter):where(Counter.id:eq(db.bindparam "i")):values { n = db.bindparam "to" }
    assert.equal(2, db.session:execute(update, { { i = 1, to = 10 }, { i = 3, to = 30 }, { i = 9, to = 1 } }).rowcount)
    assert.equal("[(10), (7), (30)]", tostring(db.select(Counter.n):order_by(Counter.id):all()))
    db.session:execute(db.text "insert into counter (id, n) values (:i, :n)", { { i = 5, n = 1 }, { i = 6, n = 2 } })
    assert.equal(5, db.select(Counter.id):count())
  end)

  it("is compiled once for each shape", function()
    local core = require "perilune.core"
    local function run(n)
      return db.session:execute(db.select(User.id):where(User.age:eq(n), User.name:like "x"))
    end
    run(1)
    local hits, misses = core.compiled_counts(db)
    for n = 2, 50 do run(n) end
    assert.same({ hits + 49, misses }, { core.compiled_counts(db) })
    for n = 1, 1000 do db.session:execute(db.select(User.id:label("n" .. n))) end
    run(1)
    assert.same({ hits + 49, misses + 1001 }, { core.compiled_counts(db) })
  end)

  it("takes a named parameter also as one table", function()
    local function run(param, values)
      return db.session:execute(db.select(param), values):scalar()
    end
    assert.equal(7, run(db.bindparam { "a" }, { a = 7 }))
    assert.equal(5, run(db.bindparam { "a", value = 5 }))
    assert.equal(db.date "2020-01-02",
      run(db.bindparam { "a", type = db.Date }, { a = db.date "2020-01-02" }))
    assert.is_false(pcall(run, db.bindparam { "a", type = db.Date }))
    local ok, err = pcall(db.bindparam, { "a", expanding = true })
    assert.is_false(ok)
    assert.matches("the length of a list is part of the statement", err.message)
  end)
end)
