-- SPDX-License-Identifier: MIT
-- Plugins: their hooks, and those that come along.

local perilune = require "perilune"
local raised = require "spec.support.raised"
local sql_log = require "spec.support.sql_log"

describe("plugins", function()
  local db, session

  before_each(function()
    db = perilune.open "sqlite://"
    session = db.session
  end)

  after_each(function() db:close() end)

  local function id(...) return db.Column { db.Integer, ..., primary_key = true } end
  local function text() return db.Column { db.String(20) } end
  local function saved(object)
    session:add(object)
    session:commit()
    return object
  end
  local function count(what) return session:scalar(db.text("select count(*) from " .. what)) end

  describe("have hooks", function()
    it("which add fields, methods and scopes, and configure", function()
      local calls = {}
      local plugin = {
        apply = function(fields, options, name)
          calls[#calls + 1] = "apply " .. name
          fields[options.column] = db.Column { db.Integer, default = 1 }
        end,
        configure = function(model, options, database)
          calls[#calls + 1] = "configure " .. model.__name .. tostring(database == db) .. options.column
        end,
        class_methods = { columns = function(model, options) return model.__name .. options.column end },
        instance_methods = { double = function(self) return self.n * 2 end, own = function() return "plugin" end },
        query_methods = { big = function(q, least) return q:where(q and db.text("n >= " .. least)) end },
      }
      package.preload.counted = function() return plugin end
      finally(function() package.preload.counted, package.loaded.counted = nil, nil end)
      local Thing = db.Model "Thing" { id = id(), __plugins__ = { counted = { column = "n" } },
        own = function() return "model" end }
      db:create_all()
      local thing = saved(Thing { n = 4 })
      assert.same({ "apply Thing", "configure Thingtruen" }, calls)
      assert.same({ "Thingn", 8, "model" }, { Thing.columns(), thing:double(), thing:own() })
      assert.equal(0, Thing.query:big(5):count())
    end)

    it("and are inherited, applied once", function()
      local n = 0
      local plugin = { apply = function() n = n + 1 end, instance_methods = { hi = function() return "hi" end } }
      local Base = db.Model "Base" { id = id(), __plugins__ = { plugin } }
      local Sub = db.Model "Sub" { __inherits__ = Base, note = text(), __plugins__ = { plugin } }
      assert.same({ 1, "hi" }, { n, Sub {}:hi() })
    end)

    it("and come with a mixin, or with the db for all models", function()
      local seen = {}
      local plugin = { apply = function(_, options, name) seen[#seen + 1] = name .. tostring(options.x) end }
      db.Model "First" { id = id() }
      db:plugin(plugin, { x = 1 })
      db.Model "Second" { id = id() }
      db.Model "Third" { __mixins__ = { { __plugins__ = { plugin } } }, id = id() }
      assert.same({ "Second1", "Third1" }, seen)
    end)

    it("of five names only, checked", function()
      local function declare(plugins)
        return function() db.Model "Bad" { id = id(), __plugins__ = plugins } end
      end
      raised("ArgumentError", declare { { aply = print } })
      raised("ArgumentError", declare { { apply = "x" } })
      raised("ArgumentError", declare { 1 })
      raised("ArgumentError", declare "timestamps")
      raised("ArgumentError", declare { timestamps = 1 })
      raised("NoSuchModuleError", declare { "no_such_plugin" })
      raised("NoSuchModuleError", db.plugin, db, "no_such_plugin")
      raised("TypeError", db.plugin, "timestamps")
    end)
  end)

  describe("timestamps", function()
    it("are set by insert and update", function()
      local Post = db.Model "Post" { id = id(), title = text(), __plugins__ = { "timestamps" } }
      db:create_all()
      local post = saved(Post { title = "a" })
      assert.is_true(post.created_at <= post.updated_at)
      local created, updated = post.created_at, post.updated_at
      post.title = "b"
      session:commit()
      assert.equal(created, post.created_at)
      assert.is_true(post.updated_at > updated)
      updated = post.updated_at
      post:touch()
      session:commit()
      assert.is_true(post.updated_at > updated)
    end)

    it("can be called otherwise, or left out", function()
      local Post = db.Model "Post" { id = id(), __plugins__ = { timestamps = { created = "born", updated = false } } }
      db:create_all()
      assert.is_not_nil(saved(Post {}).born)
      raised("AttributeError", function() return Post {}.updated_at end)
      raised("ArgumentError", function()
        db.Model "Bad" { id = id(), __plugins__ = { timestamps = { create = "x" } } }
      end)
      raised("ArgumentError", function()
        db.Model "Bad" { id = id(), __plugins__ = { timestamps = { created = 1 } } }
      end)
    end)
  end)

  describe("soft_delete", function()
    local User, Post
    before_each(function()
      User = db.Model "User" { id = id(), name = text(), posts = db.relationship { "Post", backref = "user" } }
      Post = db.Model "Post" { id = id(), title = text(), user_id = db.Column { db.Integer, db.ForeignKey "user.id" },
        __plugins__ = { "soft_delete" } }
      db:create_all()
      saved(User { name = "u", posts = { Post { title = "a" }, Post { title = "b" } } })
    end)

    local function delete(title)
      session:delete(Post.query:filter_by { title = title }:one())
      session:commit()
    end

    it("marks the row instead of deleting it", function()
      local post = Post.query:filter_by { title = "a" }:one()
      local log = sql_log(db)
      session:delete(post)
      session:commit()
      assert.same({ "UPDATE post" }, log:writes())
      assert.same({ 2, 1 }, { count "post", Post.query:count() })
      assert.is_true(post:is_deleted())
      assert.is_true(perilune.inspect(post).persistent)
    end)

    it("hides marked rows from queries, joins, EXISTS and relationships", function()
      delete "a"
      session:expire_all()
      local user = User.query:one()
      assert.equal(1, #user.posts)
      assert.equal(0, Post.query:filter_by { title = "a" }:count())
      assert.equal(1, db.select(Post.title):count())
      assert.equal(0, User.query:join(User.posts):where(Post.title:eq "a"):count())
      assert.equal(0, User.query:where(User.posts:any(Post.title:eq "a")):count())
      for _, load in ipairs { db.selectinload, db.joinedload, db.subqueryload } do
        session:expunge_all()
        assert.equal(1, #User.query:options(load(User.posts)):one().posts)
      end
      local other = db.aliased(Post)
      assert.equal(1, db.select(other):count())
    end)

    it("takes marked rows out of lists that are loaded, and puts them back, with the commit", function()
      local user = User.query:one()
      local post = user.posts[1]
      session:delete(post)
      session:flush()
      assert.equal(2, #user.posts)
      session:commit()
      assert.same({ 1, "b" }, { #user.posts, user.posts[1].title })
      local log = sql_log(db)
      user.posts[1].title = "c"
      session:commit()
      assert.same({ 1, "c" }, { #user.posts, user.posts[1].title })
      assert.equal(0, log:selects())
      post:restore()
      session:commit()
      assert.equal(2, #user.posts)
      local new = saved(User { posts = { Post { title = "n" } } })
      log:clear()
      assert.equal(1, #new.posts)
      assert.equal(0, log:selects())
    end)

    it("shows them when asked, and brings them back", function()
      delete "a"
      assert.equal(2, Post.with_deleted():count())
      local post = Post.only_deleted():one()
      assert.equal("a", post.title)
      assert.equal(post, session:get(Post, post.id))
      post:restore()
      session:commit()
      assert.equal(2, Post.query:count())
      assert.equal(0, Post.only_deleted():count())
    end)

    it("updates in bulk only what is seen", function()
      delete "a"
      assert.equal(1, Post.query:update { title = "c" })
      assert.equal(1, Post.query:delete())
      assert.equal(1, count "post")
    end)

    it("destroys for good when told to", function()
      Post.query:filter_by { title = "a" }:one():destroy()
      session:commit()
      assert.equal(1, count "post")
    end)

    it("forgets the mark with a rollback", function()
      local post = Post.query:filter_by { title = "a" }:one()
      session:delete(post)
      session:flush()
      session:rollback()
      assert.is_false(post:is_deleted())
      assert.equal(2, Post.query:count())
    end)

    it("applies to what cascades and to subclasses", function()
      local Doc = db.Model "Doc" { id = id(), kind = text(), polymorphic_on = "kind",
        __plugins__ = { soft_delete = { column = "gone" } },
        parts = db.relationship { "Part", cascade = "all" } }
      local Part = db.Model "Part" { id = id(), doc_id = db.Column { db.Integer, db.ForeignKey "doc.id" },
        __plugins__ = { "soft_delete" } }
      local Book = db.Model "Book" { __inherits__ = Doc, isbn = text(), polymorphic_identity = "book" }
      db:create_all()
      local book = saved(Book { parts = { Part {}, Part {} } })
      session:delete(book)
      session:commit()
      assert.same({ 1, 2, 0, 0, 0 },
        { count "doc", count "part", Book.query:count(), Doc.query:count(), Part.query:count() })
      assert.is_not_nil(book.gone)
    end)

    it("refuses a wrong option", function()
      raised("ArgumentError", function()
        db.Model "Bad" { id = id(), __plugins__ = { soft_delete = { column = 1 } } }
      end)
    end)
  end)

  it("stay within the size of a plugin", function()
    for _, name in ipairs { "timestamps", "soft_delete" } do
      local file = assert(io.open("lua/perilune/plugins/" .. name .. ".lua"))
      local lines = 0
      for _ in file:lines() do lines = lines + 1 end
      file:close()
      assert.is_true(lines <= 120)
    end
  end)
end)
