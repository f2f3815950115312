-- SPDX-License-Identifier: MIT
-- Joins, relationship operators and loader options.

local blog = require "spec.support.blog"

describe("joining", function()
  local m, db, User, Post, Group, Node

  setup(function()
    m = blog.open()
    db, User, Post, Group, Node = m.db, m.User, m.Post, m.Group, m.Node
  end)

  teardown(function() db:close() end)

  -- What stands behind FROM.
  local function check(text, query)
    assert.equal(text, (blog.prepared(m, query):gsub("^SELECT .- FROM ", "", 1)))
  end

  local function raises(class, message, fn)
    local err = blog.error(fn)
    assert.equal(class, err.name)
    assert.match(message, err.message)
    return err
  end

  describe("by a relationship", function()
    it("writes its condition", function()
      check("user JOIN post ON user.id = post.user_id", db.select(User):join(User.posts))
      check("post JOIN user ON user.id = post.user_id", db.select(Post):join(Post.user))
      check("user JOIN post ON user.id = post.user_id AND post.title = ?",
        db.select(User):join(User.posts:and_(Post.title:eq "x")))
    end)

    it("keeps rows without a partner when asked", function()
      local text = "user LEFT OUTER JOIN post ON user.id = post.user_id"
      check(text, db.select(User):outerjoin(User.posts))
      check(text, db.select(User):join { User.posts, isouter = true })
      check(text, db.select(User):join(Post, User.posts, { isouter = true }))
      check("user FULL OUTER JOIN post ON user.id = post.user_id",
        db.select(User):join(User.posts, { full = true }))
    end)

    it("goes through a link table under an alias", function()
      check('user JOIN user_group AS user_group_1 ON user.id = user_group_1.user_id '
        .. 'JOIN "group" ON "group".id = user_group_1.group_id',
        db.select(User):join(User.groups))
      check('user LEFT OUTER JOIN (user_group AS user_group_1 JOIN "group" '
        .. 'ON "group".id = user_group_1.group_id) ON user.id = user_group_1.user_id',
        db.select(User):outerjoin(User.groups))
      local other = db.aliased(User, "other")
      check('user JOIN user_group AS user_group_1 ON user.id = user_group_1.user_id '
        .. 'JOIN "group" ON "group".id = user_group_1.group_id '
        .. 'JOIN user_group AS user_group_2 ON "group".id = user_group_2.group_id '
        .. 'JOIN user AS other ON other.id = user_group_2.user_id WHERE other.name = ?',
        db.select(User):join(User.groups):join(other, Group.users)
        :where(other.name:eq "x"))
    end)

    it("needs an alias for the same table", function()
      local parent = db.aliased(Node, "p")
      check("node JOIN node AS p ON p.id = node.parent_id WHERE p.label = ?",
        db.select(Node):join(parent, Node.parent):where(parent.label:eq "x"))
      check("node JOIN node AS p ON p.id = node.parent_id",
        db.select(Node):join(Node.parent:of_type(parent)))
      local err = raises("ArgumentError", "Node.parent leads to the same table",
        function() return db.select(Node):join(Node.parent) end)
      assert.match("db.aliased%(Node%)", err.hint)
      raises("InvalidRequestError", "User is joined already",
        function() return db.select(User):join(User.groups):join(Group.users) end)
    end)

    it("starts from an alias", function()
      local child = db.aliased(Node, "c")
      local parent = db.aliased(Node, "p")
      check("node AS c JOIN node AS p ON p.id = c.parent_id",
        db.select(child):join(parent, child.parent))
    end)
  end)

  describe("without one", function()
    it("takes the condition given", function()
      check("user JOIN post ON post.user_id = user.id",
        db.select(User):join(Post, Post.user_id:eq(User.id)))
    end)

    it("finds the one foreign key", function()
      check("user JOIN post ON user.id = post.user_id", db.select(User):join(Post))
      check("post JOIN user ON user.id = post.user_id", db.select(Post):join(User))
      check("user JOIN user_group ON user.id = user_group.user_id "
        .. 'JOIN "group" ON "group".id = user_group.group_id',
        db.select(User.id, Group.id):select_from(User):join(m.user_group):join(Group))
    end)

    it("raises when there is none, or more than one", function()
      raises("InvalidRequestError", "Don't know how to join to Group",
        function() return db.select(User):join(Group) end)
      raises("AmbiguousForeignKeysError", "more than one foreign key",
        function() return db.select(Node):join(db.aliased(Node)) end)
      raises("InvalidRequestError", "Can't determine which FROM clause to join user_group from",
        function() return db.select(User, Group):join(m.user_group) end)
    end)

    it("takes no string for a target", function()
      raises("ArgumentError", "got the string 'posts'",
        function() return db.select(User):join "posts" end)
      raises("ArgumentError", "got nil", function() return db.select(User):join(nil) end)
    end)
  end)

  it("joins the tables of a model below another as one", function()
    check('person JOIN engineer ON person.id = engineer.id', db.select(m.Engineer))
    local e = db.aliased(m.Engineer)
    check("(SELECT engineer.id, person.kind, person.name, engineer.lang "
      .. "FROM person JOIN engineer ON person.id = engineer.id) AS anon_1 "
      .. "WHERE anon_1.name = ?", db.select(e.id):where(e.name:eq "x"))
  end)
end)

describe("a relationship of a class", function()
  local m, db, User, Post, Group, Node

  setup(function()
    m = blog.open()
    db, User, Post, Group, Node = m.db, m.User, m.Post, m.Group, m.Node
  end)

  teardown(function() db:close() end)

  local function check(text, model, condition)
    local query = db.select(model.id):where(condition)
    local found = blog.prepared(m, query):gsub("^.- WHERE ", "", 1)
    assert.equal(text, found)
  end

  it("asks for any related row", function()
    check("EXISTS (SELECT 1 FROM post WHERE user.id = post.user_id)", User, User.posts:any())
    check("EXISTS (SELECT 1 FROM post WHERE user.id = post.user_id AND post.title = ?)",
      User, User.posts:any(Post.title:eq "x"))
    check("NOT EXISTS (SELECT 1 FROM post WHERE user.id = post.user_id AND post.id = ? "
      .. "AND post.title = ?)", User, ~User.posts:any { title = "x", id = 3 })
    check('EXISTS (SELECT 1 FROM user_group, "group" WHERE user.id = user_group.user_id '
      .. 'AND "group".id = user_group.group_id AND "group".name = ?)',
      User, User.groups:any { name = "x" })
  end)

  it("asks for the related row", function()
    check("EXISTS (SELECT 1 FROM user WHERE user.id = post.user_id AND user.name = ?)",
      Post, Post.user:has { name = "x" })
    check("EXISTS (SELECT 1 FROM node AS node_1 WHERE node_1.id = node.parent_id "
      .. "AND node_1.label = ?)", Node, Node.parent:has(Node.label:eq "x"))
    check("EXISTS (SELECT 1 FROM node AS node_1 WHERE node.id = node_1.parent_id "
      .. "AND node_1.label = ?)", Node, Node.children:any { label = "x" })
  end)

  it("is compared with objects", function()
    local user, group = User { name = "a" }, Group { name = "g" }
    local post = Post { title = "t", user = user }
    user.groups:append(group)
    db.session:add(post)
    db.session:flush()
    check("post.user_id = ?", Post, Post.user:eq(user))
    check("post.user_id != ? OR post.user_id IS NULL", Post, Post.user:ne(user))
    check("user.id = ?", User, User.posts:contains(post))
    check("EXISTS (SELECT 1 FROM user_group WHERE user.id = user_group.user_id "
      .. "AND user_group.group_id = ?)", User, User.groups:contains(group))
    assert.equal(post, db.select(Post):where(Post.user:eq(user)):one())
    assert.equal(user, db.select(User):where(User.posts:contains(post)):one())
    assert.equal(user, db.select(User):where(User.groups:contains(group)):one())
    assert.equal(post, db.select(Post):filter_by { user = user }:one())
    db.session:rollback()
  end)

  it("is compared with nil", function()
    check("post.user_id IS NULL", Post, Post.user:eq(nil))
    check("post.user_id IS NULL", Post, Post.user:is(nil))
    check("post.user_id IS NOT NULL", Post, Post.user:ne(nil))
    check("NOT EXISTS (SELECT 1 FROM post WHERE user.id = post.user_id)", User,
      User.posts:eq(nil))
  end)

  it("refuses what it cannot answer", function()
    local function raises(class, message, fn)
      local err = blog.error(fn)
      assert.equal(class, err.name)
      assert.match(message, err.message)
    end
    raises("InvalidRequestError", "use any", function() return User.posts:has() end)
    raises("InvalidRequestError", "use has", function() return Post.user:any() end)
    raises("InvalidRequestError", "use contains", function() return User.posts:eq(User {}) end)
    raises("ArgumentError", "leads to Post, got a Group",
      function() return User.posts:contains(Group {}) end)
    raises("UnmappedInstanceError", "is not an instance", function()
      return User.posts:contains(5)
    end)
    raises("InvalidRequestError", "has no value for id", function()
      return Post.user:eq(User {})
    end)
    raises("AttributeError", "has no attribute or method 'title'", function()
      return User.posts.title
    end)
    raises("ArgumentError", "of_type expects Post", function()
      return User.posts:of_type(Group)
    end)
  end)

  it("is a path for loader options", function()
    local q = db.select(User)
    local with = q:options(db.joinedload(User.posts):joinedload(Post.user),
      db.selectinload(User.groups), db.defer(User.data), db.lazyload(User.posts, { batch = false }))
    assert.equal("perilune.Query", getmetatable(with))
    local err = blog.error(function()
      return db.joinedload(User.posts):joinedload(Group.users)
    end)
    assert.match("has reached Post, but the next step is of Group", err.message)
    err = blog.error(function() return q:options(User.posts) end)
    assert.match("expects loader options", err.message)
    err = blog.error(function() return db.selectinload "posts" end)
    assert.match("a relationship was expected", err.message)
    err = blog.error(function() return db.defer(User.posts) end)
    assert.match("attributes of a model were expected", err.message)
  end)
end)

describe("with_loader_criteria", function()
  local m, db, User, Post, titled

  setup(function()
    m = blog.open()
    db, User, Post = m.db, m.User, m.Post
    titled = db.with_loader_criteria(Post, Post.title:ne "x")
  end)

  teardown(function() db:close() end)

  local function check(text, query)
    assert.equal(text, (blog.prepared(m, query):gsub("^SELECT .- FROM ", "", 1)))
  end

  it("restricts what a query selects", function()
    check("post WHERE post.title != ?", db.select(Post):options(titled))
    check("post WHERE post.id > ? AND post.title != ? AND post.id < ?",
      db.select(Post):where(Post.id:gt(1)):options(titled):where(Post.id:lt(9)))
    check("user", db.select(User):options(titled))
    local other = db.aliased(Post, "p")
    check("post AS p WHERE p.title != ?", db.select(other):options(titled))
  end)

  it("restricts what is joined, in ON", function()
    local text = "user LEFT OUTER JOIN post ON user.id = post.user_id AND post.title != ?"
    check(text, db.select(User):options(titled):outerjoin(User.posts))
    check(text, db.select(User):outerjoin(User.posts):options(titled))
    check(text, db.select(User):outerjoin(Post):options(titled))
    check(text .. " WHERE user.age > ? LIMIT ?", db.select(User):outerjoin(User.posts)
      :where(User.age:gt(1)):limit(3):options(titled))
    check(text, db.select(User):options(titled):outerjoin(Post))
    check("user JOIN post ON post.user_id = user.id AND post.title != ?",
      db.select(User):options(titled):join(Post, Post.user_id:eq(User.id)))
  end)

  it("is made by a function of the model", function()
    check("post WHERE post.id > ?", db.select(Post):options(
      db.with_loader_criteria(Post, function(cls) return cls.id:gt(3) end)))
  end)

  it("keeps what it needs", function()
    local q = db.select(User):outerjoin(User.posts):where(User.name:in_ { "a", "b" })
      :options(db.with_loader_criteria(Post, Post.title:ne("y" .. tostring(1))))
    for _ = 1, 3 do
      collectgarbage()
      local padding = {} -- luacheck: ignore
      for i = 1, 1000 do padding[i] = { tostring(i) } end
    end
    assert.equal("y1 a b", blog.params(q))
  end)
end)
