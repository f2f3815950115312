-- SPDX-License-Identifier: MIT
-- Column methods and operators: the SQL they build and the values they bind.

local blog = require "spec.support.blog"

describe("an expression", function()
  local m, db, User, Post

  setup(function()
    m = blog.open()
    db, User, Post = m.db, m.User, m.Post
  end)

  teardown(function() db:close() end)

  -- The condition's text, and its values in order.
  local function check(condition, text, ...)
    local found, params = blog.condition(m, condition)
    assert.equal(text, found)
    assert.same({ n = select("#", ...), ... }, params)
    m.db.session:execute(m.db.select(User.id):where(condition))
  end

  describe("compares", function()
    it("with bound parameters", function()
      check(User.name:eq "x", "user.name = ?", "x")
      check(User.name:ne "x", "user.name != ?", "x")
      check(User.age:lt(1), "user.age < ?", 1)
      check(User.age:le(1), "user.age <= ?", 1)
      check(User.age:gt(1), "user.age > ?", 1)
      check(User.age:ge(1), "user.age >= ?", 1)
      check(User.age:between(1, 2), "user.age BETWEEN ? AND ?", 1, 2)
    end)

    it("with other expressions and queries", function()
      check(User.age:eq(User.id), "user.age = user.id")
      check(User.age:lt(db.select(db.func.max(Post.id))),
        "user.age < (SELECT max(post.id) FROM post)")
    end)

    it("with nil by IS", function()
      check(User.name:eq(nil), "user.name IS NULL")
      check(User.name:ne(nil), "user.name IS NOT NULL")
      check(User.name:eq(db.null), "user.name IS NULL")
      check(User.name:eq(db.null()), "user.name IS NULL")
      check(User.age:is(nil), "user.age IS NULL")
      check(User.age:is_not(nil), "user.age IS NOT NULL")
      check(User.age:is_distinct_from(5), "user.age IS NOT ?", 5)
      check(User.age:is_not_distinct_from(5), "user.age IS ?", 5)
    end)

    it("never with an order of nil or of booleans", function()
      for _, name in ipairs { "lt", "le", "gt", "ge" } do
        for _, value in ipairs { false, true } do
          local err = blog.error(function() return User.active[name](User.active, value) end)
          assert.equal("ArgumentError", err.name)
        end
        local err = blog.error(function() return User.age[name](User.age, nil) end)
        assert.equal("ArgumentError", err.name)
        assert.match("cannot compare with nil", err.message)
      end
    end)

    it("and misses a value that was not given", function()
      local err = blog.error(function() return User.name:eq() end)
      assert.match("'eq' expects a value, got no argument", err.message)
    end)

    it("values of the column's type", function()
      local err = blog.error(function() return User.age:eq "x" end)
      assert.equal("TypeError", err.name)
      assert.match("User%.age: expected an integer, got string 'x'", err.message)
      local _, params = blog.condition(m, User.born:gt "2020-02-01")
      assert.equal("2020-02-01", tostring(params[1]))
      check(User.age:gt(17.5), "user.age > ?", 17.5)
      check(User.name:eq(("x"):rep(500)), "user.name = ?", ("x"):rep(500))
    end)
  end)

  describe("raises for what Lua cannot do", function()
    it("naming the method to use instead of <", function()
      local err = blog.error(function() return User.age < 18 end)
      assert.equal("TypeError", err.name)
      assert.match("Lua turns comparisons into booleans", err.message)
      assert.match("User%.age:lt", err.hint)
      assert.equal("TypeError", blog.error(function() return 18 >= User.age end).name)
    end)

    it("and leaves == to identity", function()
      assert.is_true(User.age == User.age)
      assert.is_false(User.age == User.id)
      assert.is_false(User.name == "x")
    end)

    it("naming the method that was meant", function()
      local err = blog.error(function() return User.age:gte(5) end)
      assert.equal("AttributeError", err.name)
      assert.equal("did you mean 'ge'?", err.hint)
      assert.equal("AttributeError", blog.error(function() return User.age[1] end).name)
    end)
  end)

  describe("joins conditions", function()
    it("with &, | and ~, which bind as in SQL", function()
      check(User.age:eq(1) | User.age:eq(2) & User.id:eq(3),
        "user.age = ? OR user.age = ? AND user.id = ?", 1, 2, 3)
      check((User.age:eq(1) | User.age:eq(2)) & User.id:eq(3),
        "(user.age = ? OR user.age = ?) AND user.id = ?", 1, 2, 3)
      check(~(User.age:eq(1) | User.age:lt(2)), "NOT (user.age = ? OR user.age < ?)", 1, 2)
    end)

    it("with and_, or_ and not_", function()
      check(db.and_(User.age:gt(1), User.age:lt(5)), "user.age > ? AND user.age < ?", 1, 5)
      check(db.or_ { User.age:gt(1), User.age:lt(5) }, "user.age > ? OR user.age < ?", 1, 5)
      check(db.not_(User.age:gt(1)), "user.age <= ?", 1)
      check(db.and_(), "")
      check(db.or_(), "0 = 1")
    end)

    it("negated by the contrary where there is one", function()
      check(~User.name:eq "x", "user.name != ?", "x")
      check(~User.age:between(1, 2), "user.age NOT BETWEEN ? AND ?", 1, 2)
      check(~User.age:in_ { 1 }, "user.age NOT IN (?)", 1)
      check(~User.name:like "x", "user.name NOT LIKE ?", "x")
      check(~User.name:eq(nil), "user.name IS NOT NULL")
      check(~User.active, "user.active = 0")
      check(~ ~User.age:lt(3), "user.age < ?", 3)
    end)

    it("and takes nothing else for one", function()
      for _, value in ipairs { true, false, 5, "x", {} } do
        assert.is_truthy(blog.error(function() return User.active & value end).name)
        assert.is_truthy(blog.error(function() return db.and_(User.active, value) end).name)
      end
    end)
  end)

  describe("calculates", function()
    it("with a value on either side", function()
      check((User.age + 1):gt(2), "user.age + ? > ?", 1, 2)
      check((1 - User.age):gt(2), "? - user.age > ?", 1, 2)
      check((User.age * 2 // 3):eq(4), "user.age * ? / ? = ?", 2, 3, 4)
      check((User.age % 2):eq(0), "user.age % ? = ?", 2, 0)
      check((-User.age):lt(0), "-user.age < ?", 0)
      check((User.age / 2):gt(1), "user.age / (? + 0.0) > ?", 2, 1)
    end)

    it("text with .. and +", function()
      check((User.name .. "x"):eq "ax", "user.name || ? = ?", "x", "ax")
      check(("x" .. User.name):eq "xa", "? || user.name = ?", "x", "xa")
      check((User.name + "x"):eq "ax", "user.name || ? = ?", "x", "ax")
      check(User.name:concat "x":eq "ax", "user.name || ? = ?", "x", "ax")
    end)

    it("not with nil or booleans", function()
      assert.equal("ArgumentError", blog.error(function() return User.age + nil end).name)
      assert.equal("ArgumentError", blog.error(function() return User.age * true end).name)
    end)

    it("with operators by name, which hold no text", function()
      check(User.age:op("<<", 2):eq(8), "(user.age << ?) = ?", 2, 8)
      check(User.age:op("<<")(2):eq(8), "(user.age << ?) = ?", 2, 8)
      for _, bad in ipairs { "", "; x", "= 1 --", "'", "/* x", "a\0b" } do
        assert.equal("ArgumentError", blog.error(function() return User.age:op(bad, 1) end).name)
      end
    end)
  end)

  describe("looks at text", function()
    it("by patterns", function()
      check(User.name:like "a%", "user.name LIKE ?", "a%")
      check(User.name:like("a/%", "/"), "user.name LIKE ? ESCAPE '/'", "a/%")
      check(User.name:like { "a/%", escape = "/" }, "user.name LIKE ? ESCAPE '/'", "a/%")
      check(User.name:not_like "a%", "user.name NOT LIKE ?", "a%")
      check(User.name:ilike "a%", "lower(user.name) LIKE lower(?)", "a%")
      check(User.name:glob "a*", "user.name GLOB ?", "a*")
    end)

    it("as it is: wildcards are escaped", function()
      check(User.name:contains "50%_/x", "user.name LIKE ? ESCAPE '/'", "%50/%/_//x%")
      check(User.name:startswith "a_", "user.name LIKE ? ESCAPE '/'", "a/_%")
      check(User.name:endswith "%", "user.name LIKE ? ESCAPE '/'", "%/%")
      check(User.name:contains(User.data), "user.name LIKE ? || user.data || ?", "%", "%")
    end)

    it("and takes no other value for a pattern", function()
      assert.equal("TypeError", blog.error(function() return User.name:like(5) end).name)
      assert.equal("TypeError", blog.error(function() return User.name:contains(nil) end).name)
    end)

    it("under a collation", function()
      check(User.name:collate "NOCASE":eq "x", 'user.name COLLATE "NOCASE" = ?', "x")
      assert.equal("ArgumentError",
        blog.error(function() return User.name:collate "a b" end).name)
    end)
  end)

  describe("looks into lists", function()
    it("of values", function()
      check(User.age:in_ { 1, 2 }, "user.age IN (?, ?)", 1, 2)
      check(User.age:in_(1, 2), "user.age IN (?, ?)", 1, 2)
      check(User.age:not_in { 1 }, "user.age NOT IN (?)", 1)
      check(User.name:in_ { "a", "b" }, "user.name IN (?, ?)", "a", "b")
    end)

    it("that are empty", function()
      db.session:execute(db.select(User.id):where(User.age:in_ {}))
      assert.match("IN %(SELECT 1 FROM %(SELECT 1%) WHERE 1!=1%)",
        (blog.condition(m, User.age:in_ {})))
    end)

    it("of a query's rows", function()
      check(User.id:in_(db.select(Post.user_id)), "user.id IN (SELECT post.user_id FROM post)")
    end)

    it("of tuples", function()
      check(db.tuple_(User.id, User.age):in_ { { 1, 2 }, { 3, 4 } },
        "(user.id, user.age) IN (VALUES (?, ?), (?, ?))", 1, 2, 3, 4)
      assert.equal("ArgumentError",
        blog.error(function() return db.tuple_(User.id, User.age):in_ { { 1 } } end).name)
    end)

    it("that keep their strings when the table changes", function()
      local list = {}
      for i = 1, 50 do list[i] = "name" .. i end
      local condition = User.name:in_(list)
      for i = 1, 50 do list[i] = nil end
      collectgarbage()
      local _, params = blog.condition(m, condition)
      assert.equal("name50", params[50])
    end)

    it("but not into nil", function()
      assert.equal("ArgumentError", blog.error(function() return User.age:in_(nil) end).name)
      assert.equal("ArgumentError", blog.error(function() return User.age:in_(1, nil) end).name)
    end)
  end)

  describe("looks into JSON", function()
    it("by keys and positions from 1", function()
      check(User.data.tags[1]:as_string():eq "x", "JSON_EXTRACT(user.data, ?) = ?",
        '$."tags"[0]', "x")
      check(User.data["a b"]:as_integer():gt(3), "JSON_EXTRACT(user.data, ?) > ?",
        '$."a b"', 3)
      check(User.data.tags[-1]:as_boolean(), "JSON_EXTRACT(user.data, ?) = 1", '$."tags"[#-1]')
      check(User.data.a:eq "x", "JSON_QUOTE(JSON_EXTRACT(user.data, ?)) = ?", '$."a"', "x")
    end)

    it("by keys that are names of methods", function()
      check(User.data:json_path("label", 2, "in_"):as_string():eq "x", "JSON_EXTRACT(user.data, ?) = ?",
        '$."label"[1]."in_"', "x")
      check(User.data.a:json_path "like":as_integer():eq(1), "JSON_EXTRACT(user.data, ?) = ?",
        '$."a"."like"', 1)
      assert.equal("ArgumentError", blog.error(function() return User.data:json_path() end).name)
      assert.equal("TypeError", blog.error(function() return User.age:json_path "a" end).name)
    end)

    it("by keys of any characters, as they are written in the document", function()
      local keys = { "ключ", "a\\b", "tab\t", "e\u{301}", "😀", "a.b", "$", "[0]", "'" }
      for _, key in ipairs(keys) do
        db.session:add(User { name = key, data = { [key] = { [key] = "found" } } })
      end
      db.session:flush()
      for _, key in ipairs(keys) do
        assert.equal(key, db.select(User.name):where(User.data[key][key]:as_string():eq "found"):scalar())
      end
      db.session:rollback()
    end)

    it("and refuses what is no key", function()
      for _, key in ipairs { 0, 1.5, 'x"y', true } do
        assert.is_truthy(blog.error(function() return User.data[key] end).name)
      end
      assert.equal("TypeError", blog.error(function() return User.age:as_string() end).name)
    end)
  end)

  describe("makes", function()
    local function list(...) return blog.prepared(m, db.select(...)) end

    it("labels, casts and constants", function()
      assert.equal("SELECT user.age AS n FROM user", list(User.age:label "n"))
      assert.equal("SELECT CAST(user.age AS VARCHAR) AS age FROM user",
        list(User.age:cast(db.String)))
      assert.equal("SELECT CAST(? AS INTEGER) AS anon_1", list(db.cast("5", db.Integer)))
      assert.equal("SELECT NULL AS anon_1, 1 AS anon_2", list(db.null(), db.true_()))
      assert.equal("SELECT ? AS x", list(db.literal("y"):label "x"))
    end)

    it("CASE in its forms", function()
      assert.equal("SELECT CASE WHEN user.age < ? THEN ? ELSE ? END AS g FROM user",
        list(db.case { { User.age:lt(18), "minor" }, else_ = "adult" }:label "g"))
      assert.equal("SELECT CASE WHEN user.age < ? THEN ? END AS g FROM user",
        list(db.case({ User.age:lt(18), "minor" }):label "g"))
      assert.equal("SELECT CASE user.age WHEN ? THEN ? END AS g FROM user",
        list(db.case { { 1, "one" }, value = User.age }:label "g"))
      assert.equal("ArgumentError", blog.error(function() return db.case {} end).name)
    end)

    it("takes a mapping from values to results as one branch for each key", function()
      local function sql(e) return blog.text(db.select(e:label "g")) end
      local expected = "SELECT CASE user.name WHEN ? THEN ? WHEN ? THEN ? ELSE ? END AS g FROM user"
      local statement = db.select(db.case { { bob = 2, ann = 1 }, value = User.name, else_ = 0 }:label "g")
      assert.equal(expected, blog.text(statement))
      assert.equal("ann 1 bob 2 0", blog.params(statement))
      assert.equal(expected, sql(db.case({ bob = 2, ann = 1 }, { value = User.name, else_ = 0 })))
      statement = db.select(db.case { { [20] = "b", [3] = "a" }, { 7, "c" }, value = User.age }:label "g")
      assert.equal("3 a 20 b 7 c", blog.params(statement))
      local function refuses(pattern, ...)
        local given = table.pack(...)
        local err = blog.error(function() return db.case(table.unpack(given)) end)
        assert.equal("ArgumentError", err.name)
        assert.match(pattern, err.message)
      end
      refuses("value = expression", { { ann = 1 }, else_ = 0 })
      refuses("a branch of case", { { 1, 2, 3 }, value = User.age })
      refuses("a plain value", { { [User.name] = 1 }, value = User.name })
      refuses("expects a branch", { {}, value = User.name })
    end)

    it("functions by any name that is one", function()
      assert.equal("SELECT count(*) AS count_1", list(db.func.count()))
      assert.equal("SELECT coalesce(user.name, ?) AS coalesce_1 FROM user",
        list(db.func.coalesce(User.name, "x")))
      assert.equal("SELECT count(DISTINCT user.age) AS count_1 FROM user",
        list(db.func.count(User.age:distinct())))
      assert.equal(db.func.count, db.func.count)
      for _, bad in ipairs { "a b", "x(", "a'b", "1a", "" } do
        assert.equal("ArgumentError", blog.error(function() return db.func[bad] end).name)
      end
    end)

    it("windows and filtered aggregates", function()
      assert.equal("SELECT sum(user.age) OVER (PARTITION BY user.name ORDER BY user.id "
        .. "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM user",
        list(db.func.sum(User.age):over { partition_by = User.name, order_by = { User.id },
          rows = { -1, 0 } }:label "s"))
      assert.equal("SELECT rank() OVER (ORDER BY user.age DESC) AS r FROM user",
        list(db.over { db.func.rank(), order_by = User.age:desc() }:label "r"))
      assert.equal("SELECT count(user.id) FILTER (WHERE user.age > ?) AS c FROM user",
        list(db.func.count(User.id):filter(User.age:gt(5)):label "c"))
      assert.equal("ArgumentError",
        blog.error(function() return db.func.rank():over { rows = { "x; y", 0 } } end).name)
      assert.equal("ArgumentError",
        blog.error(function() return db.func.rank():over { orderby = User.id } end).name)
    end)

    it("fields of dates", function()
      assert.equal("SELECT CAST(STRFTIME('%Y', user.born) AS INTEGER) AS y FROM user",
        list(db.extract("year", User.born):label "y"))
    end)

    it("text of itself", function()
      assert.equal("name = 'it''s'", tostring(User.name:eq "it's"))
    end)
  end)

  it("calculates beyond the range of a SmallInteger", function()
    local Small = db.Model "Small" {
      id = db.Column{db.Integer, primary_key = true}, n = db.Column{db.SmallInteger} }
    db:create_all()
    db.session:add_all { Small{n = 30000}, Small{n = 20000}, Small{n = -32768} }
    db.session:flush()
    local n = Small.n
    assert.equal("[90000, 60000, -98304]", tostring(db.select(n * 3):order_by(Small.id):scalars()))
    assert.equal(32768, db.select(-n):where(n:lt(0)):scalar())
    assert.equal(50000, db.select(db.func.sum(n)):where(n:gt(0)):scalar())
    assert.equal(1, Small.query:where((n + 10000):ge(40000)):count())
    local sums = db.select((n * 100):label "m"):subquery()
    assert.equal(3000000, db.select(db.func.max(sums.c.m)):scalar())
    assert.equal(60000, db.select(db.case{{n:gt(25000), n * 2}}):order_by(Small.id):limit(1):scalar())
    db.session:rollback()
  end)

  describe("puts what is inside JSON in order", function()
    local Box

    -- Names of the boxes that meet a condition, by their key.
    local function found(condition)
      return table.concat(db.select(Box.name):where(condition):order_by(Box.id):scalars(), " ")
    end

    setup(function()
      Box = db.Model "Box" {
        id = db.Column{db.Integer, primary_key = true}, name = db.Column{db.String(5)},
        size = db.Column{db.Float}, data = db.Column{db.JSON},
      }
      db:create_all()
      for _, n in ipairs { 9, 10, 100, 2.5, -3 } do
        db.session:add(Box{name = tostring(n), size = 9.5, data = {n = n, at = {n}}})
      end
      for _, word in ipairs { "ab", "ab c" } do db.session:add(Box{name = word, data = {word = word}}) end
      db.session:commit()
    end)

    it("as numbers beside a number", function()
      assert.equal("10 100", found(Box.data.n:gt(9)))
      assert.equal("9 10 100", found(Box.data.n:ge(9)))
      assert.equal("2.5 -3", found(Box.data.n:lt(9)))
      assert.equal("2.5 -3", found(Box.data.at[1]:le(2.5)))
      assert.equal("9 10", found(Box.data.n:between(9, 10)))
      local limit = 9
      assert.equal("10 100", found(function(b) return b.data.n > limit end))
      assert.equal("9 2.5 -3", found(function(b) return 10 > b.data.at[1] end))
    end)

    it("as numbers beside a column of numbers", function()
      assert.equal("10 100", found(Box.data.n:gt(Box.size)))
      assert.equal("10 100", found(Box.size:lt(Box.data.n)))
      assert.equal("9 2.5 -3", found(function(b) return b.size > b.data.n end))
    end)

    it("as texts beside a text", function()
      assert.equal("ab c", found(Box.data.word:gt "ab"))
      assert.equal("ab", found(Box.data.word:lt "ab c"))
    end)

    it("and compares with nil what is not there", function()
      assert.equal("ab ab c", found(Box.data.n:eq(nil)))
      assert.equal("9 10 100 2.5 -3", found(Box.data.n:is_not(nil)))
      assert.equal("ab ab c", found(function(b) return b.data.n == nil end))
      assert.equal("9 10 100 2.5 -3", found(function(b) return b.data.at[1] ~= nil end))
      assert.equal("ab ab c", found(Box.data.n:eq(db.null())))
    end)

    it("and compares equal as JSON", function()
      assert.equal("9", found(Box.data.n:eq(9)))
      assert.equal("ab", found(function(b) return b.data.word == "ab" end))
    end)
  end)
end)

describe("arithmetic", function()
  local db, T

  setup(function()
    db = require "perilune".open "sqlite://"
    local cents = db.type { db.Integer, bind = function(v) return v and math.floor(v * 100 + 0.5) end,
                            result = function(v) return v and v / 100 end }
    T = db.Model "T" {
      id = db.Column { db.Integer, primary_key = true }, m = db.Column { cents },
      f = db.Column { db.Float }, n = db.Column { db.Numeric(10, 2) },
      at = db.Column { db.DateTime }, took = db.Column { db.Interval },
    }
    db:create_all()
    db.session:add(T { m = 1.25, f = 3.5, n = "3.50", at = db.datetime(0) })
    db.session:commit()
  end)

  teardown(function() db:close() end)

  local function value(e) return db.select(e):scalar() end
  local function count(e) return T.query:where(e):count() end

  it("stores a value beside a column of an own type by that type", function()
    assert.equal(1.75, value(T.m + 0.5))
    assert.equal(1.75, value(0.5 + T.m))
    assert.equal(0.75, value(2 - T.m))
    assert.equal(1, count((T.m + 0.5):eq(1.75)))
    assert.equal(1, count(function(t) return t.m - 0.25 == 1 end))
    assert.equal(2.5, value(T.m + T.m))
  end)

  it("refuses dates and times, which are texts in the database", function()
    for _, try in ipairs {
      function() return T.at + db.interval(3) end,
      function() return T.at - T.at end,
      function() return db.datetime(0) - T.at end,
      function() return T.took * 2 end,
      function() return T.query:where(function(t) return t.at + t.took > t.at end) end,
    } do
      local ok, err = pcall(try)
      assert.is_false(ok)
      assert.matches("SQLite cannot calculate with a", err.message)
    end
    assert.equal("1970-01-02 00:00:00", value(db.func.datetime(T.at, "+1 day")))
  end)

  it("floors the quotients of floats and decimals, also by integers", function()
    assert.equal(3.0, value(T.f // 1))
    assert.equal(-4.0, value(-T.f // 1))
    assert.equal(db.decimal "3", value(T.n // 1))
    assert.equal(1, count(function(t) return t.f // 1 == 3 end))
    assert.equal(0, count(function(t) return t.n // 1 == t.n end))
    assert.equal(2, value((T.id + 4) // 2))
  end)
end)
