-- SPDX-License-Identifier: MIT
-- Relationships: all kinds, both sides in memory, cascades, collections as Lua arrays.

local perilune = require "perilune"
local raised = require "spec.support.raised"
local sql_log = require "spec.support.sql_log"

describe("relationships", function()
  local db, session

  before_each(function()
    db = perilune.open "sqlite://"
    session = db.session
  end)

  after_each(function() db:close() end)

  local function id() return db.Column { db.Integer, primary_key = true } end
  local function name() return db.Column { db.String(20) } end
  local function state(object) return perilune.inspect(object).state end

  local function labels(list)
    local out = {}
    for i, item in ipairs(list) do out[i] = item.name end
    return table.concat(out, " ")
  end

  local function scalar(sql) return session:scalar(db.text(sql)) end

  --- Parent with children; options of the children's list and of the foreign key's column.
  local function family(options, column, foreign)
    foreign = foreign or {}
    foreign[1] = "parent.id"
    local spec = { db.Integer, db.ForeignKey(foreign) }
    for k, v in pairs(column or {}) do spec[k] = v end
    local children = { "Child", back_populates = "parent" }
    for k, v in pairs(options or {}) do children[k] = v end
    local Parent = db.Model "Parent" { id = id(), name = name(),
      children = db.relationship(children) }
    local Child = db.Model "Child" { id = id(), name = name(), parent_id = db.Column(spec),
      parent = db.relationship { "Parent", back_populates = "children" } }
    db:create_all()
    return Parent, Child
  end

  local function with_two(Parent, Child)
    local parent = Parent { name = "p" }
    local a, b = Child { name = "a", parent = parent }, Child { name = "b", parent = parent }
    session:add(parent)
    session:commit()
    return parent, a, b
  end

  describe("one to many and many to one", function()
    it("agree in memory before a flush, from either side", function()
      local Parent, Child = family()
      local parent = Parent { name = "p" }
      local a = Child { name = "a", parent = parent }
      assert.equal("a", labels(parent.children))
      assert.is_nil(a.parent_id)
      local b = Child { name = "b" }
      parent.children:append(b)
      assert.equal(parent, b.parent)
      a.parent = nil
      assert.equal("b", labels(parent.children))
      parent.children:remove(b)
      assert.is_nil(b.parent)
      local other = Parent { name = "q", children = { a, b } }
      assert.equal(other, a.parent)
      assert.equal("a b", labels(other.children))
    end)

    it("move a child between parents, in memory and in the database", function()
      local Parent, Child = family()
      local p, q = Parent { name = "p" }, Parent { name = "q" }
      local a = Child { name = "a", parent = p }
      session:add_all { p, q }
      session:commit()
      assert.equal(1, #p.children)
      assert.equal(0, #q.children)
      a.parent = q
      assert.equal(0, #p.children)
      assert.equal(1, #q.children)
      p.children:append(a)
      assert.equal(p, a.parent)
      assert.equal(0, #q.children)
      q.children = { a }
      assert.equal(0, #p.children)
      session:commit()
      assert.equal(q.id, a.parent_id)
      assert.equal(0, #p.children)
      assert.equal("a", labels(q.children))
    end)

    it("a replaced list nullifies what is gone", function()
      local Parent, Child = family()
      local parent, a, b = with_two(Parent, Child)
      local c = Child { name = "c" }
      parent.children = { b, c }
      assert.is_nil(a.parent)
      assert.equal(parent, c.parent)
      session:commit()
      assert.is_nil(a.parent_id)
      assert.equal("b c", labels(parent.children))
      assert.equal(3, scalar "SELECT count(*) FROM child")
    end)

    it("a removed child keeps its row without the parent", function()
      local Parent, Child = family()
      local parent, a = with_two(Parent, Child)
      parent.children:remove(a)
      session:commit()
      assert.is_nil(a.parent_id)
      assert.equal("b", labels(parent.children))
    end)

    it("the list of one that is not loaded takes changes", function()
      local Parent, Child = family()
      local parent, a = with_two(Parent, Child)
      session:expire_all()
      local c = Child { name = "c", parent = parent }
      a.parent = nil
      assert.equal("b c", labels(parent.children))
      session:commit()
      assert.equal("b c", labels(parent.children))
      assert.equal(parent, c.parent)
    end)

    it("a foreign key that is set counts after the flush; the relationship wins", function()
      local Parent, Child = family()
      local p, q = Parent { name = "p" }, Parent { name = "q" }
      local a = Child { name = "a", parent = p }
      session:add_all { p, q }
      session:commit()
      assert.equal(p, a.parent)
      a.parent_id = q.id
      assert.equal(p, a.parent)
      session:commit()
      assert.equal(q, a.parent)
      a.parent, a.parent_id = p, q.id
      session:commit()
      assert.equal(p.id, a.parent_id)
    end)

    it("save a new object with its relative, from either side", function()
      local Parent, Child = family()
      local parent = Parent { name = "p" }
      session:add(parent)
      local a = Child { name = "a", parent = parent }
      assert.equal("pending", state(a))
      parent.children:append(Child { name = "b" })
      session:commit()
      assert.equal(2, scalar "SELECT count(*) FROM child WHERE parent_id = 1")
      local c = Child { name = "c", parent = Parent { name = "q" } }
      session:add(c)
      assert.equal("pending", state(c.parent))
      session:commit()
      assert.equal(2, scalar "SELECT count(*) FROM parent")
    end)

    it("a new object whose reference is replaced leaves the old list", function()
      local Parent, Child = family()
      local p, q = Parent { name = "p" }, Parent { name = "q" }
      session:add_all { p, q }
      session:commit()
      local a = Child { name = "a", parent = p }
      a.parent = q
      session:commit()
      assert.equal(q.id, a.parent_id)
      assert.equal(0, #p.children)
    end)

    it("refuse a value of another class, a plain value, and say what belongs there", function()
      local Parent, Child = family()
      local Other = db.Model "Other" { id = id() }
      db:create_all()
      local parent, child = Parent {}, Child {}
      for _, fn in ipairs {
        function() child.parent = Other {} end,
        function() child.parent = 5 end,
        function() child.parent = child end,
        function() parent.children:append(Other {}) end,
        function() parent.children:append(nil) end,
        function() parent.children:append(5) end,
        function() parent.children = { child, Other {} } end,
        function() parent.children = { child, nil, child } end,
        function() parent.children = child end,
        function() parent.children = 7 end,
        function() parent.children = { child, 7 } end,
        function() return Child { parent = Other {} } end,
        function() return Parent { children = child } end,
      } do
        local ok, err = pcall(fn)
        if not ok then
          assert.truthy(tostring(err):find("Child.parent", 1, true)
            or tostring(err):find("Parent.children", 1, true), tostring(err))
        end
      end
      raised(function() child.parent = Other {} end)
      raised(function() parent.children:append(Other {}) end)
      raised(function() parent.children:append(nil) end)
      raised(function() parent.children = { child, 7 } end)
      raised(function() parent.children = child end)
      assert.is_nil(child.parent)
      assert.equal(0, #parent.children)
    end)

    it("a list set to nil is refused or empty, never lost", function()
      local Parent, Child = family()
      local parent = with_two(Parent, Child)
      local ok = pcall(function() parent.children = nil end)
      session:commit()
      assert.equal(ok and 0 or 2, #parent.children)
    end)
  end)

  describe("deleting a parent", function()
    it("nullifies the children's keys", function()
      local Parent, Child = family()
      local parent, a, b = with_two(Parent, Child)
      session:delete(parent)
      session:commit()
      assert.is_nil(a.parent_id)
      assert.is_nil(b.parent)
      assert.equal(2, scalar "SELECT count(*) FROM child WHERE parent_id IS NULL")
    end)

    it("is refused by the database where the key is NOT NULL", function()
      local Parent, Child = family(nil, { nullable = false })
      local parent, a = with_two(Parent, Child)
      session:delete(parent)
      local err = raised("IntegrityError", function() session:commit() end)
      assert.truthy(tostring(err))
      session:rollback()
      assert.equal("persistent", state(parent))
      assert.equal(parent, a.parent)
      assert.equal(2, #parent.children)
    end)

    it("is left to ON DELETE CASCADE where there is one", function()
      local Parent, Child = family(nil, nil, { ondelete = "CASCADE" })
      local parent = with_two(Parent, Child)
      session:delete(parent)
      session:commit()
      assert.equal(0, scalar "SELECT count(*) FROM child")
    end)

    it("takes the children with it under cascade delete", function()
      local Parent, Child = family({ cascade = "all" }, { nullable = false })
      local parent, a = with_two(Parent, Child)
      session:expire_all()
      session:delete(parent)
      session:commit()
      assert.equal(0, scalar "SELECT count(*) FROM child")
      assert.equal("detached", state(a))
    end)

    it("with passive_deletes reads no child", function()
      local Parent, Child = family({ cascade = "all", passive_deletes = true },
        { nullable = false }, { ondelete = "CASCADE" })
      with_two(Parent, Child)
      session:close()
      session = db.session
      local parent = session:get(Parent, 1)
      local log = sql_log(db)
      session:delete(parent)
      session:commit()
      assert.same({ "DELETE parent" }, log:writes())
      assert.equal(0, log:count "FROM child")
      assert.equal(0, scalar "SELECT count(*) FROM child")
    end)

    it("after its children were removed from it deletes only the parent", function()
      local Parent, Child = family(nil, { nullable = true })
      local parent, a, b = with_two(Parent, Child)
      parent.children:clear()
      session:delete(parent)
      session:commit()
      assert.equal("persistent", state(a))
      assert.equal("persistent", state(b))
      assert.equal(2, scalar "SELECT count(*) FROM child")
    end)

    it("and its child in one flush", function()
      local Parent, Child = family(nil, { nullable = false })
      local parent, a, b = with_two(Parent, Child)
      session:delete(parent)
      session:delete(a)
      session:delete(b)
      session:commit()
      assert.equal(0, scalar "SELECT count(*) FROM child")
    end)

    it("keeps a child that another parent took", function()
      local Parent, Child = family(nil, { nullable = false })
      local parent, a, b = with_two(Parent, Child)
      local q = Parent { name = "q" }
      session:add(q)
      a.parent, b.parent = q, q
      session:delete(parent)
      session:commit()
      assert.equal("a b", labels(q.children))
    end)
  end)

  describe("delete-orphan", function()
    local Parent, Child

    before_each(function()
      Parent, Child = family({ cascade = "all, delete-orphan" }, { nullable = false })
    end)

    it("deletes what is taken out of the list", function()
      local parent, a = with_two(Parent, Child)
      parent.children:remove(a)
      session:commit()
      assert.equal("detached", state(a))
      assert.equal("b", labels(parent.children))
      assert.equal(1, scalar "SELECT count(*) FROM child")
    end)

    it("deletes what a replaced list lacks", function()
      local parent, _, b = with_two(Parent, Child)
      parent.children = { b, Child { name = "c" } }
      session:commit()
      assert.equal("b c", labels(parent.children))
      assert.equal(2, scalar "SELECT count(*) FROM child")
    end)

    it("drops a pending object taken out", function()
      local parent = with_two(Parent, Child)
      local c = Child { name = "c" }
      parent.children:append(c)
      parent.children:remove(c)
      session:commit()
      assert.equal(2, scalar "SELECT count(*) FROM child")
      assert.equal("transient", state(c))
    end)

    it("keeps a child that moved to another parent", function()
      local parent, a = with_two(Parent, Child)
      local q = Parent { name = "q" }
      session:add(q)
      q.children:append(a)
      session:commit()
      assert.equal("a", labels(q.children))
      assert.equal("b", labels(parent.children))
      a.parent = parent
      session:commit()
      assert.equal(0, #q.children)
      assert.equal(2, #parent.children)
    end)

    it("keeps a child taken out and put back", function()
      local parent, a = with_two(Parent, Child)
      parent.children:remove(a)
      parent.children:append(a)
      session:commit()
      assert.equal(2, #parent.children)
      assert.equal("persistent", state(a))
    end)

    it("of a rolled back removal is there again", function()
      local parent, a = with_two(Parent, Child)
      parent.children:remove(a)
      session:flush()
      session:rollback()
      assert.equal("persistent", state(a))
      assert.equal(2, #parent.children)
    end)

    it("on the wrong side is refused", function()
      local Wrong = db.Model "Wrong" { id = id(), parent_id = db.Column { db.Integer,
        db.ForeignKey "parent.id" },
        parent = db.relationship { "Parent", cascade = "all, delete-orphan" } }
      local err = raised("ArgumentError", function() return Wrong {}.parent end)
      assert.truthy(tostring(err):find "single_parent" or (err.hint or ""):find "single_parent")
    end)
  end)

  describe("many to many", function()
    local User, Group

    before_each(function()
      local link = db.Table { "user_group",
        db.Column { "user_id", db.Integer, db.ForeignKey "user.id", primary_key = true },
        db.Column { "group_id", db.Integer, db.ForeignKey "group.id", primary_key = true } }
      User = db.Model "User" { id = id(), name = name() }
      Group = db.Model "Group" { id = id(), name = name(),
        users = db.relationship { "User", secondary = link, backref = "groups" } }
      db:create_all()
    end)

    local function rows() return scalar "SELECT count(*) FROM user_group" end

    it("is one row when the same pair is appended from both sides", function()
      local user, group = User { name = "u" }, Group { name = "g" }
      group.users:append(user)
      user.groups:append(group)
      assert.equal(1, #group.users)
      assert.equal(1, #user.groups)
      session:add(user)
      session:commit()
      assert.equal(1, rows())
      group.users:append(User { name = "v" })
      session:commit()
      assert.equal(2, rows())
      user.groups:remove(group)
      assert.equal("v", labels(group.users))
      session:commit()
      assert.equal(1, rows())
    end)

    it("is one row when the lists are not loaded", function()
      session:add_all { User { name = "u" }, Group { name = "g" } }
      session:commit()
      session:close()
      session = db.session
      local user, group = session:get(User, 1), session:get(Group, 1)
      group.users:append(user)
      user.groups:append(group)
      session:commit()
      assert.equal(1, rows())
      session:expire_all()
      user.groups:append(group)
      session:commit()
      assert.equal(1, rows())
    end)

    it("loses its rows with either object", function()
      local user, group = User { name = "u" }, Group { name = "g" }
      group.users = { user, User { name = "v" } }
      session:add(group)
      session:commit()
      session:delete(user)
      session:commit()
      assert.equal(1, rows())
      assert.equal("v", labels(group.users))
      session:delete(group)
      session:commit()
      assert.equal(0, rows())
      assert.equal(1, scalar "SELECT count(*) FROM user")
    end)

    it("replaces, clears and moves", function()
      local a, b, c = User { name = "a" }, User { name = "b" }, User { name = "c" }
      local group, other = Group { name = "g", users = { a, b } }, Group { name = "h" }
      session:add_all { group, other, c }
      session:commit()
      local log = sql_log(db)
      group.users = { b, c }
      session:flush()
      assert.same({ "INSERT user_group", "DELETE user_group" }, (function()
        local w = log:writes()
        table.sort(w, function(x, y) return x > y end)
        return w
      end)())
      assert.equal(0, #a.groups)
      group.users:clear()
      other.users:extend { a, b, c }
      session:commit()
      assert.equal(3, rows())
      assert.equal("h", labels(a.groups))
    end)

    it("removed and deleted at once is no error", function()
      local user, group = User { name = "u" }, Group { name = "g" }
      group.users:append(user)
      session:add(group)
      session:commit()
      group.users:remove(user)
      session:delete(user)
      session:commit()
      assert.equal(0, rows())
    end)

    it("is restored by a rollback", function()
      local user, group = User { name = "u" }, Group { name = "g" }
      group.users:append(user)
      session:add(group)
      session:commit()
      group.users:clear()
      session:flush()
      assert.equal(0, rows())
      session:rollback()
      assert.equal("u", labels(group.users))
      assert.equal(1, rows())
      group.users:clear()
      session:commit()
      assert.equal(0, rows())
    end)
  end)

  describe("one to one", function()
    local User, Profile

    before_each(function()
      User = db.Model "User" { id = id(), name = name() }
      Profile = db.Model "Profile" { id = id(), name = name(),
        user_id = db.Column { db.Integer, db.ForeignKey "user.id" },
        user = db.relationship { "User", backref = db.backref { "profile", uselist = false } } }
      db:create_all()
    end)

    it("is a scalar on both sides", function()
      local user = User { name = "u" }
      assert.is_nil(user.profile)
      local profile = Profile { name = "x", user = user }
      assert.equal(profile, user.profile)
      session:add(user)
      session:commit()
      session:expire_all()
      assert.equal(profile, user.profile)
    end)

    it("replaced lets the old one go", function()
      local user = User { name = "u" }
      local old = Profile { name = "old", user = user }
      session:add(user)
      session:commit()
      local new = Profile { name = "new" }
      user.profile = new
      assert.equal(user, new.user)
      assert.is_nil(old.user)
      session:commit()
      assert.is_nil(old.user_id)
      assert.equal(new, user.profile)
      user.profile = nil
      session:commit()
      assert.is_nil(new.user_id)
    end)

    it("replaced without having been loaded lets the old one go", function()
      local user = User { name = "u" }
      local old = Profile { name = "old", user = user }
      session:add(user)
      session:commit()
      session:expire_all()
      user.profile = Profile { name = "new" }
      session:commit()
      assert.is_nil(old.user_id)
      assert.equal("new", user.profile.name)
    end)
  end)

  describe("of a model with itself", function()
    local Node

    before_each(function()
      Node = db.Model "Node" { id = id(), name = name(),
        parent_id = db.Column { db.Integer, db.ForeignKey "node.id" },
        children = db.relationship { "Node",
          backref = db.backref { "parent", remote_side = "id" } } }
      db:create_all()
    end)

    it("is a tree, saved from the root", function()
      local root = Node { name = "root" }
      local a = Node { name = "a", parent = root }
      root.children:append(Node { name = "b" })
      a.children = { Node { name = "aa" } }
      session:add(root)
      session:commit()
      session:expire_all()
      assert.equal("a b", labels(root.children))
      assert.equal("aa", labels(a.children))
      assert.equal(root, a.parent)
      assert.is_nil(root.parent)
      a.parent = nil
      session:commit()
      assert.equal("b", labels(root.children))
    end)

    it("is saved from a leaf", function()
      local leaf = Node { name = "leaf", parent = Node { name = "mid",
        parent = Node { name = "root" } } }
      session:add(leaf)
      session:commit()
      assert.equal("root", leaf.parent.parent.name)
    end)

    it("deleting a node leaves its children without parent", function()
      local root = Node { name = "root" }
      local a = Node { name = "a", parent = root }
      session:add(root)
      session:commit()
      session:delete(root)
      session:commit()
      assert.is_nil(a.parent_id)
    end)

    it("an object that is its own parent", function()
      local node = Node { name = "me" }
      session:add(node)
      session:commit()
      node.parent = node
      session:commit()
      assert.equal(node.id, node.parent_id)
      assert.equal(node, node.parent)
    end)
  end)

  describe("declared wrongly", function()
    it("name what is missing, or which fit", function()
      db.Model "A" { id = id(), b = db.relationship { "B" } }
      db.Model "B" { id = id() }
      local err = raised("NoForeignKeysError", function() return db.models.A {}.b end)
      assert.truthy(tostring(err):find("A.b", 1, true))
    end)

    it("say which foreign keys fit when several do", function()
      db.Model "B" { id = id() }
      db.Model "A" { id = id(), b1 = db.Column { db.Integer, db.ForeignKey "b.id" },
        b2 = db.Column { db.Integer, db.ForeignKey "b.id" }, b = db.relationship { "B" } }
      local err = raised("AmbiguousForeignKeysError", function() return db.models.A {}.b end)
      local text = tostring(err)
      assert.truthy(text:find("A.b", 1, true))
      assert.truthy(text:find "foreign_keys")
    end)

    it("refuse unknown cascades and taken names", function()
      raised("ArgumentError", function()
        family { cascade = "sav" }
        return db.models.Parent {}.children
      end)
    end)

    it("refuse a backref of a name that is taken", function()
      local err = raised("ArgumentError", function()
        db.Model "B" { id = id(), a = name() }
        db.Model "A" { id = id(), b_id = db.Column { db.Integer, db.ForeignKey "b.id" },
          b = db.relationship { "B", backref = "a" } }
        return db.models.A {}.b
      end)
      assert.truthy(tostring(err):find("A.b", 1, true))
    end)
  end)

  describe("a collection", function()
    local Parent, Child, parent, a, b, c

    before_each(function()
      Parent, Child = family()
      a, b, c = Child { name = "a" }, Child { name = "b" }, Child { name = "c" }
      parent = Parent { name = "p", children = { a, b, c } }
    end)

    local function list() return labels(parent.children) end

    it("has a length, items by position, and ipairs", function()
      assert.equal(3, #parent.children)
      assert.equal(a, parent.children[1])
      assert.equal(c, parent.children[3])
      assert.is_nil(parent.children[4])
      assert.is_nil(parent.children[0])
      local n = 0
      for i, item in ipairs(parent.children) do
        n = n + 1
        assert.equal(parent.children[i], item)
      end
      assert.equal(3, n)
      assert.same({ a, b, c }, { table.unpack(parent.children) })
    end)

    it("takes table.insert", function()
      local d, e = Child { name = "d" }, Child { name = "e" }
      table.insert(parent.children, d)
      assert.equal("a b c d", list())
      table.insert(parent.children, 1, e)
      assert.equal("e a b c d", list())
      assert.equal(parent, d.parent)
      assert.equal(parent, e.parent)
    end)

    it("takes table.remove", function()
      assert.equal(c, table.remove(parent.children))
      assert.equal("a b", list())
      assert.equal(a, table.remove(parent.children, 1))
      assert.equal("b", list())
      assert.is_nil(a.parent)
      assert.is_nil(c.parent)
      assert.equal(parent, b.parent)
    end)

    it("takes table.sort", function()
      table.sort(parent.children, function(x, y) return x.name > y.name end)
      assert.equal("c b a", list())
      for _, child in ipairs { a, b, c } do assert.equal(parent, child.parent) end
      session:add(parent)
      session:commit()
      assert.equal(3, #parent.children)
      local log = sql_log(db)
      table.sort(parent.children, function(x, y) return x.name > y.name end)
      assert.equal("c b a", list())
      session:commit()
      assert.same({}, log:writes())
    end)

    it("keeps the sides in step through sort, insert and remove of a saved list", function()
      session:add(parent)
      session:commit()
      table.insert(parent.children, 2, Child { name = "d" })
      table.remove(parent.children, 1)
      table.sort(parent.children, function(x, y) return x.name < y.name end)
      assert.equal("b c d", list())
      session:commit()
      session:expire_all()
      assert.equal(3, scalar "SELECT count(*) FROM child WHERE parent_id = 1")
      assert.is_nil(a.parent_id)
    end)

    it("has append, remove, insert, pop, extend, clear, contains and index", function()
      local kids = parent.children
      local d, e = Child { name = "d" }, Child { name = "e" }
      kids:append(d)
      kids:insert(1, e)
      assert.equal("e a b c d", list())
      assert.equal(d, kids:pop())
      assert.equal(e, kids:pop(1))
      assert.is_nil(d.parent)
      assert.is_nil(e.parent)
      kids:remove(b)
      assert.equal("a c", list())
      kids:extend { b, d }
      assert.equal("a c b d", list())
      assert.is_true(kids:contains(b))
      assert.is_false(kids:contains(e))
      assert.equal(3, kids:index(b))
      assert.is_nil(kids:index(e))
      kids:clear()
      assert.equal(0, #kids)
      assert.is_nil(a.parent)
      raised(function() kids:remove(a) end)
      assert.is_nil(kids:pop())
    end)

    it("takes assignment by position", function()
      local d = Child { name = "d" }
      parent.children[2] = d
      assert.equal("a d c", list())
      assert.is_nil(b.parent)
      assert.equal(parent, d.parent)
      parent.children[4] = b
      assert.equal("a d c b", list())
      parent.children[4] = nil
      assert.equal("a d c", list())
      assert.is_nil(b.parent)
      raised(function() parent.children[9] = b end)
    end)

    it("keeps one object while its owner lives", function()
      local kids = parent.children
      parent.children = { a }
      assert.equal(1, #parent.children)
      assert.equal(1, #kids)
    end)

    it("can be changed while it is gone over", function()
      for i = #parent.children, 1, -1 do parent.children:remove(parent.children[i]) end
      assert.equal(0, #parent.children)
    end)

    it("assigned from another list of the same kind moves the items", function()
      local other = Parent { name = "q" }
      other.children = parent.children
      assert.equal(3, #other.children)
      assert.equal(0, #parent.children)
      other.children = other.children
      assert.equal(3, #other.children)
    end)

    it("prints and says when a dot stands for a colon", function()
      assert.is_string(tostring(parent.children))
      local err = raised(function() parent.children.append(a) end)
      assert.truthy((tostring(err) .. (err.hint or "")):find "colon")
    end)

    it("of many items stays fast and right", function()
      local many = {}
      for i = 1, 2000 do many[i] = Child { name = "n" .. i } end
      parent.children = many
      for i = 2, 2000, 2 do many[i].parent = nil end
      assert.equal(1000, #parent.children)
      session:add(parent)
      session:commit()
      assert.equal(1000, scalar "SELECT count(*) FROM child WHERE parent_id = 1")
    end)
  end)
end)
