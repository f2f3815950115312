-- lazy = "dynamic" and lazy = "write_only": queries of related objects that can be
-- appended to and removed from.

local perilune = require "perilune"

describe("a dynamic relationship", function()
  local db, log, User, Post, Group, Node
  before_each(function()
    db = perilune.open "sqlite://"
    local member = db.Table { "member",
      db.Column { "user_id", db.Integer, db.ForeignKey "user.id", primary_key = true },
      db.Column { "group_id", db.Integer, db.ForeignKey "group.id", primary_key = true } }
    User = db.Model "User" {
      id = db.Column { db.Integer, primary_key = true },
      name = db.Column { db.String(20) },
      posts = db.relationship { "Post", lazy = "dynamic", back_populates = "user", order_by = "Post.id desc" },
      groups = db.relationship { "Group", secondary = member, lazy = "dynamic", back_populates = "users" },
      notes = db.relationship { "Note", lazy = "write_only", cascade = "all, delete-orphan" },
    }
    Post = db.Model "Post" {
      id = db.Column { db.Integer, primary_key = true },
      title = db.Column { db.String(20) },
      user_id = db.Column { db.Integer, db.ForeignKey "user.id" },
      user = db.relationship { "User", back_populates = "posts" },
    }
    Group = db.Model "Group" {
      id = db.Column { db.Integer, primary_key = true },
      name = db.Column { db.String(20) },
      users = db.relationship { "User", secondary = member, back_populates = "groups" },
    }
    db.Model "Note" {
      id = db.Column { db.Integer, primary_key = true },
      text = db.Column { db.String(20) },
      user_id = db.Column { db.Integer, db.ForeignKey "user.id" },
    }
    Node = db.Model "Node" {
      id = db.Column { db.Integer, primary_key = true },
      parent_id = db.Column { db.Integer, db.ForeignKey "node.id" },
      children = db.relationship { "Node", lazy = "dynamic" },
    }
    db:create_all()
    log = {}
  end)
  after_each(function() db:close() end)

  local function titles(list)
    local out = {}
    for i, p in ipairs(list) do out[i] = p.title end
    return table.concat(out, " ")
  end

  local function saved()
    local u = User { name = "u" }
    for i = 1, 5 do u.posts:append(Post { title = "p" .. i }) end
    db.session:add(u)
    db.session:commit()
    assert.equal("u", u.name)
    db.event.listen(db.engine, "before_cursor_execute", function(_, _, sql) log[#log + 1] = sql end)
    return u
  end

  it("is a query in the relationship's order", function()
    local u = saved()
    assert.equal("p5 p4 p3 p2 p1", titles(u.posts:all()))
    assert.same({ "SELECT post.id, post.title, post.user_id FROM post WHERE post.user_id = ? "
      .. "ORDER BY post.id DESC" }, log)
    assert.equal("p4 p2", titles(u.posts:filter(Post.title:in_ { "p2", "p4" }):all()))
    assert.equal(5, u.posts:count())
    assert.equal(5, #u.posts)
    assert.equal("p5", u.posts:first().title)
    assert.equal("p3", u.posts[3].title)
    assert.is_nil(u.posts[6])
    assert.equal("p1 p2", titles(u.posts:order_by(nil):order_by(Post.id):limit(2):all()))
    assert.equal(2, #u.posts:paginate { page = 1, per_page = 2 }.items)
    local n = 0
    for p in u.posts:each() do n = n + p.id end
    for _, p in ipairs(u.posts) do n = n + p.id end
    for _, p in pairs(u.posts) do n = n + p.id end
    assert.equal(45, n)
    assert.equal("[<Post 5>, <Post 4>, <Post 3>, <Post 2>, <Post 1>]", tostring(u.posts))
  end)

  it("appends and removes without loading", function()
    local u = saved()
    local p = db.session:get(Post, 1)
    log = {}
    local new = Post { title = "new" }
    u.posts:append(new)
    u.posts:remove(p)
    assert.equal(u, new.user)
    assert.is_nil(p.user)
    assert.same({}, log)
    assert.equal("new p5 p4 p3 p2", titles(u.posts:all()))
    db.session:commit()
    assert.is_nil(p.user_id)
    assert.equal(5, u.posts:count())
    u.posts:extend { p, p }
    assert.equal(6, u.posts:count())
    u.posts:remove(new)
    u.posts:append(new)
    db.session:commit()
    assert.equal(6, u.posts:count())
  end)

  it("is told by the other side", function()
    local u = saved()
    log = {}
    local p = Post { title = "x", user = u }
    assert.equal(0, #log)
    assert.equal("persistent", (function() u.posts:count() return perilune.inspect(p).state end)())
    assert.equal("x", u.posts:first().title)
    p.user = nil
    assert.equal("p5", u.posts:first().title)
    db.session:rollback()
  end)

  it("gives what a new object has", function()
    local u = User { name = "n", posts = { Post { title = "a" } } }
    u.posts:append(Post { title = "b" })
    assert.equal("a b", titles(u.posts:all()))
    assert.equal(2, u.posts:count())
    u.posts:remove(u.posts[1])
    assert.equal("b", titles(u.posts:all()))
    assert.error_matches(function() return u.posts:filter(Post.id:gt(0)) end, "not attached to any Session")
    db.session:add(u)
    assert.equal("b", titles(u.posts:all()))
    assert.equal(1, u.posts:filter(Post.id:gt(0)):count())
  end)

  it("is replaced by a list", function()
    local u = saved()
    u.posts = { db.session:get(Post, 2), Post { title = "y" } }
    db.session:commit()
    assert.equal("y p2", titles(u.posts:all()))
    assert.equal(4, Post.query:where(Post.user_id:is(nil)):count())
  end)

  it("goes with its parent as other relationships do", function()
    local u = saved()
    db.session:delete(u)
    db.session:commit()
    assert.equal(5, Post.query:where(Post.user_id:is(nil)):count())
    assert.error_matches(function() return u.posts:first() end, "not attached to any Session")
  end)

  it("works over a link table", function()
    local u = saved()
    local a, b = Group { name = "a" }, Group { name = "b" }
    u.groups:append(a)
    b.users:append(u)
    db.session:commit()
    local names = {}
    for i, g in ipairs(u.groups:order_by(Group.name):all()) do names[i] = g.name end
    assert.equal("a b", table.concat(names, " "))
    assert.equal(b, u.groups:filter_by { name = "b" }:one())
    u.groups:remove(a)
    db.session:commit()
    assert.equal(1, u.groups:count())
    db.session:delete(u)
    db.session:commit()
    assert.equal(0, db.session:scalar(db.text "SELECT count(*) FROM member"))
  end)

  it("leads from a model to itself", function()
    local root = Node { children = { Node {}, Node {} } }
    db.session:add(root)
    db.session:commit()
    assert.equal(2, root.children:count())
    assert.equal(0, root.children:first().children:count())
  end)

  it("names what it does not have", function()
    local u = saved()
    assert.error_matches(function() return u.posts:apend(1) end, "no method 'apend'")
    assert.error_matches(function() u.posts[1] = Post {} end, "cannot be set")
    assert.error_matches(function() u.posts.count() end, "colon")
    assert.error_matches(function() u.posts:append(u) end, "expected a Post, got a User")
  end)

  describe("that is write_only", function()
    it("has no reading, but a query", function()
      local u = saved()
      assert.error_matches(function() return #u.notes end, "not loaded")
      assert.error_matches(function() return u.notes[1] end, "not loaded")
      assert.error_matches(function() return pairs(u.notes) end, "not loaded")
      assert.equal(0, u.notes:select():count())
    end)
    it("adds, removes and changes rows", function()
      local u = saved()
      local _, Note = require "perilune.core".dynamic_info(u, "notes")
      local first = Note { text = "a" }
      u.notes:add(first)
      u.notes:add_all { Note { text = "b" }, Note { text = "c" } }
      db.session:commit()
      assert.equal(3, u.notes:select():count())
      db.session:execute(u.notes:insert { text = "d" })
      db.session:execute(u.notes:insert { { text = "e" }, { text = "f" } })
      assert.equal(6, u.notes:select():count())
      db.session:execute(u.notes:update():values { text = "z" })
      assert.equal(6, u.notes:select():filter_by { text = "z" }:count())
      u.notes:remove(first)
      db.session:commit()
      assert.equal(5, Note.query:count())
      db.session:execute(u.notes:delete():where(Note.id:gt(3)))
      assert.equal(2, Note.query:count())
      db.session:delete(u)
      db.session:commit()
      assert.equal(0, Note.query:count())
    end)
    it("refuses rows of a link table", function()
      local db2 = perilune.open "sqlite://"
      local link = db2.Table { "link",
        db2.Column { "a_id", db2.Integer, db2.ForeignKey "a.id", primary_key = true },
        db2.Column { "b_id", db2.Integer, db2.ForeignKey "b.id", primary_key = true } }
      local A = db2.Model "A" { id = db2.Column { db2.Integer, primary_key = true },
        bs = db2.relationship { "B", secondary = link, lazy = "write_only" } }
      local B = db2.Model "B" { id = db2.Column { db2.Integer, primary_key = true } }
      db2:create_all()
      local a = A { bs = { B {} } }
      db2.session:add(a)
      db2.session:commit()
      a.bs:add(B {})
      assert.equal(2, a.bs:select():count())
      assert.error_matches(function() a.bs:insert {} end, "many%-to%-many")
      db2:close()
    end)
  end)
end)
