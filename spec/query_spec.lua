-- SPDX-License-Identifier: MIT
-- Clauses of queries: the SQL they build. Each statement is prepared by SQLite as well.

local blog = require "spec.support.blog"

describe("a query", function()
  local m, db, User, Post, Node

  setup(function()
    m = blog.open()
    db, User, Post, Node = m.db, m.User, m.Post, m.Node
  end)

  teardown(function() db:close() end)

  local function check(text, query, params)
    assert.equal(text, blog.prepared(m, query))
    if params then assert.equal(params, blog.params(query)) end
  end

  local function raises(class, message, fn)
    local err = blog.error(fn)
    assert.equal(class, err.name)
    assert.match(message, err.message)
    return err
  end

  describe("selects", function()
    it("entities, columns and expressions", function()
      check("SELECT U FROM user", db.select(User))
      check("SELECT U FROM user", User.query)
      check("SELECT user.id, user.name FROM user", db.select(User.id, User.name))
      check("SELECT user.id, user.name FROM user", db.select { User.id, User.name })
      check("SELECT user.id, count(post.id) AS n FROM user, post",
        db.select(User.id, db.func.count(Post.id):label "n"))
      check("SELECT user_group.user_id, user_group.group_id FROM user_group",
        db.select(m.user_group))
      check("SELECT ? AS anon_1, NULL AS anon_2", db.select(db.literal(5), db.null()))
    end)

    it("other columns instead, or more of them", function()
      check("SELECT user.name, user.age FROM user",
        db.select(User.id):with_only_columns(User.name):add_columns(User.age))
    end)

    it("nothing that is no item", function()
      raises("ArgumentError", "got the string 'x'", function() return db.select "x" end)
      raises("ArgumentError", "got number", function() return db.select(5) end)
      raises("ArgumentError", "a relationship cannot be selected",
        function() return db.select(User.posts) end)
      raises("ArgumentError", "expects models or expressions",
        function() return db.select() end)
    end)

    it("what a model below another needs", function()
      check("SELECT person.id, person.kind, person.name, person.bonus FROM person "
        .. "WHERE person.kind IN (?)", db.select(m.Manager), "manager")
      check("SELECT engineer.id, person.kind, person.name, engineer.lang "
        .. "FROM person JOIN engineer ON person.id = engineer.id", db.select(m.Engineer))
      check("SELECT person.name, engineer.lang "
        .. "FROM person JOIN engineer ON person.id = engineer.id",
        db.select(m.Engineer.name, m.Engineer.lang))
      check("SELECT person.name FROM person WHERE person.kind IN (?) AND person.bonus > ?",
        db.select(m.Manager.name):where(m.Manager.bonus:gt(5)), "manager 5")
    end)
  end)

  describe("filters", function()
    it("by conditions, joined by AND", function()
      check("SELECT U FROM user WHERE user.age > ? AND user.age < ? AND user.name = ?",
        db.select(User):where(User.age:gt(1), User.age:lt(9)):filter(User.name:eq "x"), "1 9 x")
    end)

    it("by names", function()
      check("SELECT U FROM user WHERE user.name = ? AND user.age = ?",
        db.select(User):filter_by { age = 5, name = "x" }, "x 5")
      check("SELECT U FROM user WHERE user.name IS NULL",
        db.select(User):filter_by { name = db.null })
      check("SELECT post.id, post.title, post.user_id FROM post WHERE post.user_id IS NULL",
        db.select(Post):where(Post.user:eq(nil)))
      check("SELECT user_group.user_id FROM user_group WHERE user_group.group_id = ?",
        db.select(m.user_group.c.user_id):filter_by { group_id = 5 }, "5")
    end)

    it("by names of the model joined last", function()
      assert.match("WHERE user%.name = %?", (db.select(Post):join(Post.user)
        :filter_by { name = "x" }:sql()))
    end)

    it("never by accident", function()
      local q = db.select(User)
      raises("ArgumentError", "got the boolean true", function() return q:where(true) end)
      raises("ArgumentError", "got the boolean false", function() return q:where(false) end)
      raises("ArgumentError", "got nil", function() return q:where(nil) end)
      raises("ArgumentError", "got no argument", function() return q:where() end)
      raises("ArgumentError", "Textual SQL expression 'i = 1' should be explicitly declared",
        function() return q:where "i = 1" end)
      raises("TypeError", "got a table", function() return q:where { name = "x" } end)
      raises("ArgumentError", "got an empty table", function() return q:filter_by {} end)
      raises("TypeError", "got number", function() return q:where(5) end)
      local err = raises("InvalidRequestError", 'has no property "nmae"',
        function() return q:filter_by { nmae = "x" } end)
      assert.equal("did you mean 'name'?", err.hint)
      err = raises("TypeError", "perilune.Query expected",
        function() return q.where(User.age:gt(1)) end)
      assert.match("colon", err.hint)
    end)

    it("groups", function()
      check("SELECT user.age, count(*) AS n FROM user GROUP BY user.age HAVING count(*) > ?",
        db.select(User.age, db.func.count():label "n"):group_by(User.age)
        :having(db.func.count():gt(3)), "3")
    end)
  end)

  describe("orders", function()
    it("by expressions, adding up", function()
      check("SELECT U FROM user ORDER BY user.name DESC NULLS LAST, user.id",
        db.select(User):order_by(User.name:desc():nulls_last()):order_by(User.id))
      check("SELECT U FROM user", db.select(User):order_by(User.name):order_by(nil))
    end)

    it("by labels and names of attributes", function()
      check("SELECT user.age AS n FROM user ORDER BY n",
        db.select(User.age:label "n"):order_by "n")
      check("SELECT user.age AS n FROM user ORDER BY n DESC",
        db.select(User.age:label "n"):order_by(db.desc "n"))
      check("SELECT U FROM user ORDER BY user.name", db.select(User):order_by "name")
      raises("CompileError", "Can't resolve label reference 'name desc'",
        function() return db.select(User):order_by "name desc" end)
    end)
  end)

  describe("takes a part", function()
    it("by limit and offset", function()
      check("SELECT U FROM user LIMIT ? OFFSET ?", db.select(User):limit(10):offset(5), "10 5")
      check("SELECT U FROM user LIMIT -1 OFFSET ?", db.select(User):offset(5), "5")
      check("SELECT U FROM user LIMIT ? OFFSET ?", db.select(User):slice(5, 15), "10 5")
      check("SELECT U FROM user", db.select(User):limit(5):limit(nil))
      check("SELECT DISTINCT user.age FROM user", db.select(User.age):distinct())
    end)

    it("that is a number", function()
      raises("ArgumentError", "got %-1", function() return db.select(User):limit(-1) end)
      raises("ArgumentError", "got x", function() return db.select(User):limit "x" end)
      raises("ArgumentError", "got 1.5", function() return db.select(User):offset(1.5) end)
    end)
  end)

  it("is never changed by its methods", function()
    local q = db.select(User)
    q:where(User.age:gt(5)):order_by(User.id):limit(1)
    check("SELECT U FROM user", q)
  end)

  it("has the model's scopes as methods", function()
    function User.scopes.adults(q, age) return q:where(User.age:ge(age or 18)) end
    check("SELECT U FROM user WHERE user.age >= ? LIMIT ?",
      User.query:adults(21):limit(1), "21 1")
    local err = raises("AttributeError", "queries have no method 'wher'",
      function() return User.query:wher(1) end)
    assert.equal("did you mean 'where'?", err.hint)
  end)

  describe("inside another", function()
    it("is a subquery with columns", function()
      local s = db.select(Post.user_id, db.func.count():label "n"):group_by(Post.user_id)
        :subquery "s"
      check("SELECT U, s.n FROM user LEFT OUTER JOIN (SELECT post.user_id, count(*) AS n "
        .. "FROM post GROUP BY post.user_id) AS s ON user.id = s.user_id ORDER BY s.n DESC",
        db.select(User, s.c.n):outerjoin(s):order_by(s.n:desc()))
      local err = raises("AttributeError", "has no column 'nn'", function() return s.c.nn end)
      assert.equal("did you mean 'n'?", err.hint)
      local names = {}
      for name in pairs(s.c) do names[#names + 1] = name end
      assert.same({ "user_id", "n" }, names)
    end)

    it("keeps columns of one name apart", function()
      local s = db.select(User.id, Post.id):join(Post):subquery()
      check("SELECT anon_1.id, anon_1.post_id FROM (SELECT user.id, post.id AS post_id "
        .. "FROM user JOIN post ON user.id = post.user_id) AS anon_1",
        db.select(s.c.id, s.c.post_id))
    end)

    it("stands for a model", function()
      local s = db.select(User):where(User.age:gt(5)):subquery()
      local old = db.aliased(User, s)
      assert.equal("SELECT anon_1.id, anon_1.name, anon_1.age, anon_1.active, anon_1.born, "
        .. "anon_1.data FROM (SELECT U FROM user WHERE user.age > ?) AS anon_1 "
        .. "WHERE anon_1.name = ?", blog.prepared(m, db.select(old):where(old.name:eq "x")))
    end)

    it("is a value", function()
      local n = db.select(db.func.count(Post.id)):where(Post.user_id:eq(User.id))
      local text = "SELECT user.id, (SELECT count(post.id) FROM post "
        .. "WHERE post.user_id = user.id) AS n FROM user"
      check(text, db.select(User.id, n:label "n"))
      check(text, db.select(User.id, n:as "n"))
      check("SELECT U FROM user WHERE user.age > (SELECT count(post.id) FROM post)",
        db.select(User):where(User.age:gt(db.select(db.func.count(Post.id)):scalar_subquery())))
    end)

    it("is EXISTS", function()
      local text = "SELECT U FROM user WHERE EXISTS (SELECT 1 FROM post "
        .. "WHERE post.user_id = user.id)"
      check(text, db.select(User):where(db.select(Post):where(Post.user_id:eq(User.id)):exists()))
      check(text, db.select(User):where(db.exists(Post):where(Post.user_id:eq(User.id))))
    end)

    it("is a CTE, written once", function()
      local old = db.select(User.id):where(User.age:gt(3)):cte "old"
      check("WITH old AS (SELECT user.id FROM user WHERE user.age > ?) "
        .. "SELECT post.id FROM post WHERE post.user_id IN (SELECT old.id FROM old)",
        db.select(Post.id):where(Post.user_id:in_(db.select(old.c.id))), "3")
    end)

    it("is a recursive CTE", function()
      local tree = db.select(Node.id, Node.parent_id):where(Node.parent_id:eq(nil))
        :cte { "tree", recursive = true }
      tree = tree:union_all(db.select(Node.id, Node.parent_id)
        :join(tree, Node.parent_id:eq(tree.c.id)))
      check("WITH RECURSIVE tree(id, parent_id) AS (SELECT node.id, node.parent_id FROM node "
        .. "WHERE node.parent_id IS NULL UNION ALL SELECT node.id, node.parent_id FROM node "
        .. "JOIN tree ON node.parent_id = tree.id) SELECT tree.id, tree.parent_id FROM tree",
        db.select(tree))
    end)
  end)

  describe("combined with others", function()
    it("is a union, an intersection, a difference", function()
      local a, b = db.select(User.id), db.select(Post.id)
      for word, q in pairs {
        UNION = a:union(b), ["UNION ALL"] = a:union_all(b), INTERSECT = a:intersect(b),
        EXCEPT = a:except(b),
      } do
        check("SELECT user.id FROM user " .. word .. " SELECT post.id FROM post", q)
      end
      check("SELECT user.id FROM user UNION SELECT post.id FROM post ORDER BY id LIMIT ?",
        a:union(b):order_by(User.id):limit(3), "3")
      raises("CompileError", "the first returns 1, another 2",
        function() return a:union(db.select(Post.id, Post.title)) end)
      raises("TypeError", "expects queries", function() return a:union(User) end)
    end)

    it("is filtered as a table", function()
      local both = db.select(User.id, User.name):union(db.select(Post.id, Post.title))
      check("SELECT anon_1.id, anon_1.name FROM (SELECT user.id, user.name FROM user "
        .. "UNION SELECT post.id, post.title FROM post) AS anon_1 WHERE anon_1.id > ? "
        .. "ORDER BY anon_1.name DESC",
        both:where(User.id:gt(7)):order_by(User.name:desc()), "7")
      raises("InvalidRequestError", "a union cannot be joined to",
        function() return both:join(Post) end)
    end)
  end)

  describe("reads from", function()
    it("what select_from names", function()
      check("SELECT count(*) AS count_1 FROM post", db.select(db.func.count()):select_from(Post))
      raises("ArgumentError", "a query cannot be read from as it is",
        function() return db.select(User):select_from(db.select(Post)) end)
      raises("ArgumentError", "got number", function() return db.select(User):select_from(5) end)
    end)

    it("aliases", function()
      local other = db.aliased(User, "other")
      check("SELECT other.id FROM user AS other WHERE other.age > ?",
        db.select(other.id):where(other.age:gt(1)), "1")
      local link = db.alias(m.user_group, "ug")
      check("SELECT ug.user_id FROM user_group AS ug", db.select(link.c.user_id))
    end)

    it("values and functions", function()
      local v = db.values { { "id", "n" }, { { 1, "a" }, { 2, "b" } }, name = "v" }
      check("SELECT v.n FROM (SELECT column1 AS id, column2 AS n FROM (VALUES (?, ?), (?, ?))) "
        .. "AS v", db.select(v.c.n), "1 a 2 b")
      local each = db.func.json_each(User.data):table_valued("key", "value")
      check('SELECT json_each_1."key" FROM user, json_each(user.data) AS json_each_1',
        db.select(each.c.key))
    end)
  end)

  it("gives its text and parameters", function()
    local text, params = db.select(User.id):where(User.name:eq "x", User.age:gt(3)):sql()
    assert.equal("SELECT user.id FROM user WHERE user.name = ? AND user.age > ?", text)
    assert.same({ "x", 3, n = 2 }, params)
    assert.equal(text, tostring(db.select(User.id):where(User.name:eq "x", User.age:gt(3))))
  end)
end)
