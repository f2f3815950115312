-- SPDX-License-Identifier: MIT
-- What is read again after a commit: that which something besides the unit of work changed.

local perilune = require "perilune"
local sql_log = require "spec.support.sql_log"

describe("after a commit", function()
  local db, session, log

  before_each(function()
    db = perilune.open "sqlite://"
    session = db.session
    log = sql_log(db)
  end)

  after_each(function() db:close() end)

  local function raw(sql) return session:scalar(db.text(sql)) end

  describe("with foreign keys that the database carries out,", function()
    local Parent, Child

    local function declare(options)
      Parent = db.Model "Parent" {
        code = db.Column { db.String(10), primary_key = true },
        note = db.Column { db.String(10) },
        children = db.relationship { "Child", backref = "parent", passive_deletes = "all" },
      }
      Child = db.Model "Child" {
        id = db.Column { db.Integer, primary_key = true },
        code = db.Column { db.String(10),
          db.ForeignKey { "parent.code", onupdate = options.onupdate, ondelete = options.ondelete } },
      }
      db:create_all()
      local parent = Parent { code = "a" }
      session:add_all { parent, Child { code = "a" }, Child { code = "a" } }
      session:commit()
      return parent, Child.query:order_by(Child.id):all()
    end

    it("ON UPDATE CASCADE is seen in the children", function()
      local parent, children = declare { onupdate = "cascade" }
      assert.equal("a", children[1].code)
      parent.code = "b"
      session:commit()
      assert.same({ "b", "b" }, { children[1].code, children[2].code })
      assert.equal(parent, children[1].parent)
      assert.equal(2, #parent.children)
    end)

    it("ON UPDATE SET NULL is", function()
      local parent, children = declare { onupdate = "set null" }
      assert.equal("a", children[1].code)
      parent.code = "b"
      session:commit()
      assert.is_nil(children[1].code)
    end)

    it("ON DELETE SET NULL is", function()
      local parent, children = declare { ondelete = "set null" }
      assert.equal("a", children[1].code)
      session:delete(parent)
      session:commit()
      assert.is_nil(children[1].code)
    end)

    it("ON DELETE CASCADE is", function()
      local parent, children = declare { ondelete = "cascade" }
      assert.equal("a", children[1].code)
      session:delete(parent)
      session:commit()
      local ok, err = pcall(function() return children[1].code end)
      assert.is_false(ok)
      assert.is_true(err:is "ObjectDeletedError")
    end)

    it("nothing is read where the key stayed", function()
      local parent, children = declare { onupdate = "cascade", ondelete = "cascade" }
      assert.same({ "a", "a" }, { parent.code, children[1].code })
      parent.note = "x"
      session:commit()
      assert.equal(0, log:during(function()
        assert.same({ "x", "a" }, { parent.note, children[1].code })
      end))
    end)
  end)

  describe("with triggers,", function()
    local Order, Line, order

    before_each(function()
      Order = db.Model "Order" {
        id = db.Column { db.Integer, primary_key = true },
        name = db.Column { db.String(10) },
        total = db.Column { db.Integer, default = 0 },
        lines = db.relationship { "Line", backref = "order" },
      }
      Line = db.Model "Line" {
        id = db.Column { db.Integer, primary_key = true },
        n = db.Column { db.Integer },
        order_id = db.Column { db.Integer, db.ForeignKey "order.id" },
      }
      db:create_all()
      session:execute(db.text [[CREATE TRIGGER inserted AFTER INSERT ON line BEGIN
        UPDATE "order" SET total = total + new.n WHERE id = new.order_id; END]])
      session:execute(db.text [[CREATE TRIGGER named AFTER UPDATE OF name ON "order" BEGIN
        UPDATE "order" SET name = upper(new.name) WHERE id = new.id; END]])
      session:execute(db.text [[CREATE TRIGGER deleted AFTER DELETE ON line BEGIN
        UPDATE "order" SET total = total - old.n WHERE id = old.order_id; END]])
      order = Order { name = "o" }
      session:add(order)
      session:commit()
      assert.same({ "o", 0 }, { order.name, order.total })
    end)

    it("what one did to the row that was written is seen", function()
      order.name = "abc"
      session:commit()
      assert.equal("ABC", order.name)
    end)

    it("what one did to another row is, and no update is lost", function()
      session:add(Line { n = 7, order_id = order.id })
      session:commit()
      assert.equal(7, order.total)
      order.lines:append(Line { n = 3 })
      session:commit()
      order.total = order.total + 1
      session:commit()
      assert.equal(11, raw [[SELECT total FROM "order"]])
    end)

    it("also after many rows in one statement, and after deleting", function()
      for n = 1, 300 do session:add(Line { n = n, order = order }) end
      session:commit()
      assert.equal(45150, order.total)
      session:delete(order.lines[300])
      session:commit()
      assert.equal(44850, order.total)
    end)

    it("also when that happened in a savepoint, or before other work", function()
      session:begin_nested(function() session:add(Line { n = 7, order_id = order.id }) end)
      session:commit()
      assert.equal(7, order.total)
      session:add(Line { n = 1, order_id = order.id })
      session:flush()
      local other = Order { name = "p" }
      session:add(other)
      session:commit()
      assert.equal(8, order.total)
    end)

    it("nothing is read where none did anything", function()
      session:add(Line { n = 7 })
      session:commit()
      assert.equal(0, order.total)
      order.total = 5
      session:commit()
      assert.equal(0, log:during(function() assert.same({ "o", 5 }, { order.name, order.total }) end))
    end)
  end)

  describe("within the next transaction,", function()
    local User, Post, users

    before_each(function()
      User = db.Model "User" {
        id = db.Column { db.Integer, primary_key = true },
        n = db.Column { db.Integer },
        posts = db.relationship { "Post", backref = "user" },
      }
      Post = db.Model "Post" {
        id = db.Column { db.Integer, primary_key = true },
        user_id = db.Column { db.Integer, db.ForeignKey "user.id" },
      }
      db:create_all()
      session:add_all { User { n = 1, posts = { Post {} } }, User { n = 1 } }
      session:commit()
      users = User.query:order_by(User.id):all()
      for _, user in ipairs(users) do assert.same({ 1, 2 - user.id }, { user.n, #user.posts }) end
      session:commit()
    end)

    local function write()
      session:execute(db.text "UPDATE user SET n = 9")
      session:execute(db.text "INSERT INTO post (user_id) VALUES (2)")
    end

    it("raw SQL that it begins with is seen", function()
      write()
      assert.same({ 9, 9 }, { users[1].n, users[2].n })
      assert.equal(1, #users[2].posts)
    end)

    it("rows that bulk_insert begins it with are seen", function()
      session:bulk_insert(Post, { { user_id = 2 } })
      assert.equal(1, #users[2].posts)
    end)

    it("rows that were given a key only are in the lists", function()
      session:add(Post { user_id = 2 })
      session:flush()
      assert.equal(1, #users[2].posts)
    end)

    it("what a trigger did is seen", function()
      session:execute(db.text [[CREATE TRIGGER t AFTER INSERT ON post BEGIN
        UPDATE user SET n = n + 1 WHERE id = new.user_id; END]])
      session:commit()
      assert.same({ 1, 1 }, { users[1].n, #users[1].posts })
      session:commit()
      session:add(Post { user_id = 1 })
      session:flush()
      assert.equal(2, users[1].n)
    end)

    it("what was loaded in it stays as it is", function()
      assert.equal(2, #User.query:all())
      session:execute(db.text "UPDATE user SET n = 9")
      assert.equal(0, log:during(function() assert.same({ 1, 1 }, { users[1].n, users[2].n }) end))
      session:commit()
      assert.same({ 9, 9 }, { users[1].n, users[2].n })
    end)

    it("what was written in a savepoint is forgotten with it", function()
      local savepoint = session:begin_nested()
      write()
      session:refresh(users[1])
      session:refresh(users[2])
      assert.same({ 9, 9, 1 }, { users[1].n, users[2].n, #users[2].posts })
      savepoint:rollback()
      assert.same({ 1, 1, 0 }, { users[1].n, users[2].n, #users[2].posts })
      savepoint = session:begin_nested()
      User.query:update { n = 8 }
      assert.equal(8, users[1].n)
      savepoint:rollback()
      assert.equal(1, users[1].n)
      users[1].n = 8
      session:commit()
      assert.equal(8, raw "SELECT n FROM user WHERE id = 1")
    end)
  end)

  it("a new list keeps its order until the next, however many were before it", function()
    local Parent = db.Model "Parent" {
      id = db.Column { db.Integer, primary_key = true },
      children = db.relationship { "Child", order_by = "Child.name" },
    }
    local Child = db.Model "Child" {
      id = db.Column { db.Integer, primary_key = true },
      name = db.Column { db.String(10) },
      parent_id = db.Column { db.Integer, db.ForeignKey "parent.id" },
    }
    db:create_all()
    for _ = 1, 3 do
      local parent = Parent { children = { Child { name = "z" }, Child { name = "a" } } }
      local function names() return parent.children[1].name .. parent.children[2].name end
      session:add(parent)
      session:flush()
      assert.equal("za", names())
      session:commit()
      assert.equal("az", names())
    end
  end)

  describe("of rows that bulk_insert wrote", function()
    local User, Post, user

    before_each(function()
      User = db.Model "User" {
        id = db.Column { db.Integer, primary_key = true },
        posts = db.relationship { "Post", backref = "user" },
      }
      Post = db.Model "Post" {
        id = db.Column { db.Integer, primary_key = true },
        user_id = db.Column { db.Integer, db.ForeignKey "user.id" },
      }
      db:create_all()
      user = User { posts = { Post {} } }
      session:add(user)
      session:commit()
      assert.equal(1, #user.posts)
    end)

    it("in a transaction that had begun, they are in the lists", function()
      session:bulk_insert(Post, { { user_id = user.id } })
      session:commit()
      assert.equal(2, #user.posts)
      session:bulk_insert(Post, { { user_id = user.id } })
      session:commit()
      assert.equal(3, #user.posts)
    end)

    it("in a transaction of its own, too", function()
      session:commit()
      session:bulk_insert(Post, { { user_id = user.id } })
      session:commit()
      assert.equal(2, #user.posts)
      session:commit()
      session:begin(function() session:bulk_insert(Post, { { user_id = user.id } }) end)
      assert.equal(3, #user.posts)
    end)
  end)
end)
