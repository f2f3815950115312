-- SPDX-License-Identifier: MIT
-- Models beyond columns: mixins, abstract bases, hybrids, synonyms, column properties,
-- validators, scopes, association proxies, ordering lists.

local perilune = require "perilune"
local raised = require "spec.support.raised"
local sql_log = require "spec.support.sql_log"

describe("models", function()
  local db, session

  before_each(function()
    db = perilune.open "sqlite://"
    session = db.session
  end)

  after_each(function() db:close() end)

  local function id(...) return db.Column { db.Integer, ..., primary_key = true } end
  local function text() return db.Column { db.String(20) } end
  local function saved(...)
    session:add_all { ... }
    session:commit()
    return ...
  end

  describe("mixins and abstract bases", function()
    it("give columns, methods, relationships, constraints and validators", function()
      db.Model "Owner" { id = id() }
      local Owned = { owner_id = db.Column { db.Integer, db.ForeignKey "owner.id" },
        owner = db.relationship { "Owner" },
        db.validates("name", function(_, _, value) return value:lower() end),
        describe = function(self) return "owned " .. self.name end }
      local Named = db.Model "Named" { __abstract__ = true, id = id(), name = text(),
        __table_args__ = { db.UniqueConstraint { "name" } } }
      local A = db.Model "A" { __inherits__ = Named, __mixins__ = { Owned } }
      local B = db.Model "B" { __inherits__ = Named, __mixins__ = { Owned },
        describe = function(self) return "b " .. self.name end }
      db:create_all()
      assert.same({ "a", "b" }, { A.__tablename__, B.__tablename__ })
      local a, b = saved(A { name = "X" }, B { name = "X" })
      assert.same({ "owned x", "b x" }, { a:describe(), b:describe() })
      assert.is_nil(a.owner)
      session:add(A { name = "x" })
      raised("IntegrityError", session.commit, session)
      session:rollback()
    end)

    it("may have hybrids and validators added later, but no columns", function()
      local A = db.Model "A" { id = id(), name = text(), kind = text(), polymorphic_on = "kind",
        polymorphic_identity = "a" }
      local B = db.Model "B" { __inherits__ = A, polymorphic_identity = "b" }
      A.loud = db.hybrid { get = function(self) return self.name .. "!" end }
      A.check = db.validates("name", function(_, _, value) return value:lower() end)
      assert.same({ "x!", "y" }, { A { name = "X" }.loud, B { name = "Y" }.name })
      local err = raised("InvalidRequestError", function() A.twice = db.column_property(A.name .. A.name) end)
      assert.matches("A.twice", err.message)
      raised("InvalidRequestError", function() A.age = db.Column { db.Integer } end)
    end)

    it("make no table themselves, and chain", function()
      local Base = db.Model "Base" { __abstract__ = true, id = id() }
      local Middle = db.Model "Middle" { __abstract__ = true, __inherits__ = Base, name = text() }
      local Leaf = db.Model "Leaf" { __inherits__ = Middle }
      assert.same({ "leaf" }, db:create_all())
      assert.equal("n", Leaf { name = "n" }.name)
    end)

    it("stand between a model and one that inherits from it", function()
      local Real = db.Model "Real" { id = id(), kind = text(), polymorphic_on = "kind", polymorphic_identity = "real" }
      local Between = db.Model "Between" { __abstract__ = true, __inherits__ = Real, extra = text() }
      local Sub = db.Model "Sub" { __inherits__ = Between, polymorphic_identity = "sub" }
      db:create_all()
      saved(Sub { extra = "e" })
      assert.equal("e", Real.query:one().extra)
      assert.equal("real", Sub.__tablename__)
    end)

    it("serve several models without one changing the other", function()
      local Noted = { note = db.Column { db.String, nullable = false } }
      local Base = db.Model "Base" { id = id(), kind = text(), polymorphic_on = "kind", polymorphic_identity = "b" }
      db.Model "Sub" { __inherits__ = Base, __mixins__ = { Noted }, polymorphic_identity = "s" }
      local Own = db.Model "Own" { __mixins__ = { Noted }, id = id() }
      db:create_all()
      session:add(Own {})
      raised("IntegrityError", session.flush, session)
    end)

    it("refuse what is no base", function()
      raised("ArgumentError", function() db.Model "Bad" { __inherits__ = {}, id = id() } end)
      raised("ArgumentError", function() db.Model "Bad" { __inherits__ = "Base", id = id() } end)
    end)
  end)

  describe("hybrids and synonyms", function()
    local User
    before_each(function()
      User = db.Model "User" { id = id(), first = text(), last = text(),
        full = db.hybrid {
          get = function(self) return self.first .. " " .. self.last end,
          set = function(self, value) self.first, self.last = value:match "(%S+) (%S+)" end,
          expr = function(class) return class.first .. " " .. class.last end,
          update_expr = function(_, value)
            local first, last = value:match "(%S+) (%S+)"
            return { first = first, last = last }
          end,
        },
        initial = db.hybrid(function(self) return self.first end),
        given = db.synonym "first",
      }
      db:create_all()
      saved(User { full = "Ada Lovelace" }, User { given = "Alan", last = "Turing" })
    end)

    it("are values on an instance and expressions on the class", function()
      local ada = User.query:where(User.full:eq "Ada Lovelace"):one()
      assert.same({ "Ada Lovelace", "Ada", "Ada" }, { ada.full, ada.initial, ada.given })
      assert.equal("Alan", User.query:filter_by { given = "Alan", full = "Alan Turing" }:one().first)
      assert.equal("Turing", User.query:order_by(User.full:desc()):first().last)
      assert.same({ "Ada Lovelace", "Alan Turing" },
        { table.unpack(db.select(User.full):order_by(User.given):scalars()) })
    end)

    it("can be set", function()
      local ada = User.query:get(1)
      ada.full = "Augusta King"
      ada.given = "Lady"
      session:commit()
      assert.same({ "Lady", "King" }, { ada.first, ada.last })
      raised("AttributeError", function() ada.initial = "x" end)
    end)

    it("speak of an alias", function()
      local other = db.aliased(User, "other")
      local text_of = db.select(other):where(other.full:eq "x", other.given:eq "y"):sql()
      assert.matches("WHERE other.first || %? || other.last = %? AND other.first = %?", text_of)
    end)

    it("are set in bulk", function()
      assert.equal(1, User.query:where(User.given:eq "Ada"):update { full = "Augusta King" })
      assert.equal(2, User.query:update { given = "X" })
      assert.same({ "X", "King" }, { User.query:get(1).first, User.query:get(1).last })
      raised("ArgumentError", function() User.query:update { initial = "y" } end)
    end)

    it("are inherited", function()
      local Admin = db.Model "Admin" { __inherits__ = User, level = db.Column { db.Integer } }
      local admin = Admin { full = "Grace Hopper" }
      admin.given = "Amazing"
      assert.equal("Amazing Hopper", admin.full)
      assert.matches("user.first", (Admin.query:where(Admin.full:eq "x"):sql()))
    end)

    it("can be added later", function()
      User.length = db.hybrid { get = function(self) return #self.first end,
        expr = function(class) return db.func.length(class.first) end }
      assert.equal(3, User.query:get(1).length)
      assert.equal("Alan", User.query:where(User.length:gt(3)):one().first)
    end)

    it("refuse a wrong declaration", function()
      raised("ArgumentError", db.hybrid, {})
      raised("ArgumentError", db.hybrid, { get = "x" })
      raised("ArgumentError", db.hybrid, { get = print, set = 1 })
      raised("ArgumentError", db.hybrid, { get = print, sets = print })
      raised("ArgumentError", db.synonym)
    end)
  end)

  describe("column properties", function()
    local User, Post
    before_each(function()
      User = db.Model "User" { id = id(), name = text(),
        loud = db.column_property(function(c) return db.func.upper(c.name) end) }
      Post = db.Model "Post" { id = id(), user_id = db.Column { db.Integer, db.ForeignKey "user.id" } }
      db:create_all()
    end)

    it("are there after an insert, a change and a commit", function()
      local user = User { name = "a" }
      session:add(user)
      session:flush()
      assert.equal("A", user.loud)
      user.name = "b"
      session:flush()
      assert.equal("B", user.loud)
      user.name = "c"
      session:commit()
      assert.equal("C", user.loud)
      session:expunge_all()
      assert.equal("C", User.query:one().loud)
    end)

    it("can be filtered, ordered and aliased by", function()
      saved(User { name = "a" }, User { name = "b" })
      assert.equal("b", User.query:where(User.loud:eq "B"):one().name)
      assert.equal("b", User.query:order_by(User.loud:desc()):first().name)
      local other = db.aliased(User)
      assert.equal(1, db.select(other):where(other.loud:eq "A"):count())
    end)

    it("may count rows of another table, and follow them", function()
      local Author = db.Model "Author" { __table__ = User.__table__,
        posts = db.column_property(function(c)
          return db.select(db.func.count(Post.id)):where(Post.user_id:eq(c.id)):scalar_subquery()
        end) }
      saved(User { name = "a" })
      local author = Author.query:one()
      assert.equal(0, author.posts)
      saved(Post { user_id = 1 })
      assert.equal(1, author.posts)
    end)

    it("cannot be set", function()
      raised("AttributeError", function() User { name = "a" }.loud = "x" end)
    end)
  end)

  describe("validators", function()
    it("see every set, by constructor, assignment and list", function()
      local Address = db.Model "Address" { id = id(), mail = text(),
        user_id = db.Column { db.Integer, db.ForeignKey "user.id" } }
      local User = db.Model "User" { id = id(), name = text(), nick = text(), addresses = db.relationship { "Address" },
        db.validates("name", "nick", function(_, key, value)
          if value == "" then error(key .. " is empty") end
          return value:lower()
        end),
        db.validates("addresses", function(_, _, address)
          assert(address.mail:find "@", "no address")
          return address
        end),
      }
      db:create_all()
      local user = User { name = "ADA", nick = "A" }
      assert.same({ "ada", "a" }, { user.name, user.nick })
      assert.has_error(function() user.nick = "" end)
      assert.has_error(function() user.addresses:append(Address { mail = "x" }) end)
      user.addresses:append(Address { mail = "x@y" })
      saved(user)
      session:execute(db.text "update user set name = ''")
      session:expire_all()
      assert.equal("", user.name)
      raised("ArgumentError", db.validates, "name")
      raised("ArgumentError", db.validates, print)
    end)
  end)

  describe("scopes", function()
    it("are methods of queries, with arguments, inherited and chained", function()
      local User = db.Model "User" { id = id(), age = db.Column { db.Integer }, name = text() }
      function User.scopes.adults(q) return q:where(User.age:ge(18)) end
      function User.scopes.called(q, name) return q:where(User.name:eq(name)) end
      local Admin = db.Model "Admin" { __inherits__ = User, level = db.Column { db.Integer } }
      db:create_all()
      saved(User { age = 3, name = "a" }, User { age = 20, name = "a" }, User { age = 30, name = "b" })
      assert.equal(20, User.query:adults():called "a":one().age)
      assert.equal(2, User.query:order_by(User.id):adults():count())
      assert.matches("age >= ", (Admin.query:adults():sql()))
      raised("AttributeError", function() User.query:adolts() end)
    end)
  end)

  describe("association proxies", function()
    local User, Tag, Tagging, Profile
    before_each(function()
      Tag = db.Model "Tag" { id = id(), word = text() }
      Tagging = db.Model "Tagging" {
        user_id = db.Column { db.Integer, db.ForeignKey "user.id", primary_key = true },
        tag_id = db.Column { db.Integer, db.ForeignKey "tag.id", primary_key = true },
        note = text(), tag = db.relationship { "Tag" } }
      Profile = db.Model "Profile" { id = id(), bio = text(),
        user_id = db.Column { db.Integer, db.ForeignKey "user.id" } }
      User = db.Model "User" { id = id(),
        taggings = db.relationship { "Tagging", cascade = "all, delete-orphan" },
        profile = db.relationship { "Profile", uselist = false },
        notes = db.association_proxy("taggings", "note"),
        tags = db.association_proxy("taggings", "tag", { creator = function(tag) return Tagging { tag = tag } end }),
        bio = db.association_proxy("profile", "bio"),
      }
      db:create_all()
    end)

    it("read through a list, which behaves as an array", function()
      local moon, star = Tag { word = "moon" }, Tag { word = "star" }
      local user = User { tags = { moon } }
      user.tags:append(star)
      saved(user)
      assert.same({ 2, moon, star }, { #user.tags, user.tags[1], user.tags[2] })
      assert.is_true(user.tags:contains(star))
      assert.equal(2, user.tags:index(star))
      local seen = {}
      for _, tag in ipairs(user.tags) do seen[#seen + 1] = tag.word end
      assert.same({ "moon", "star" }, seen)
      assert.equal("[x, y]", (function()
        user.taggings[1].note, user.taggings[2].note = "x", "y"
        return tostring(user.notes)
      end)())
      user.tags:remove(moon)
      session:commit()
      assert.equal(1, Tagging.query:count())
      assert.equal(star, user.tags:pop())
      session:commit()
      assert.equal(0, Tagging.query:count())
    end)

    it("keep the objects of values that stay when a list is assigned", function()
      local moon, star = Tag { word = "moon" }, Tag { word = "star" }
      local user = saved(User { tags = { moon } })
      local tagging = user.taggings[1]
      local log = sql_log(db)
      user.tags = { star, moon }
      session:commit()
      assert.equal(tagging, user.taggings[2])
      assert.same({ "INSERT tag", "INSERT tagging" }, log:writes())
      user.tags:clear()
      session:commit()
      assert.equal(0, #user.tags)
    end)

    it("read and write one object's attribute", function()
      local user = User {}
      assert.is_nil(user.bio)
      user.bio = "first"
      saved(user)
      assert.equal("first", Profile.query:one().bio)
      user.bio = "second"
      session:commit()
      assert.equal("second", Profile.query:one().bio)
      assert.equal(1, Profile.query:count())
    end)

    it("set attributes by position and fill in by table functions", function()
      local user = User { taggings = { Tagging { tag = Tag {}, note = "a" }, Tagging { tag = Tag {}, note = "b" } } }
      user.notes[2] = "c"
      assert.equal("c", user.taggings[2].note)
      assert.has_error(function() user.notes[9] = "x" end)
      table.insert(user.tags, Tag { word = "new" })
      assert.equal(3, #user.taggings)
      table.remove(user.tags)
      assert.equal(2, #user.taggings)
    end)

    it("filter by EXISTS", function()
      local moon = Tag { word = "moon" }
      local user = saved(User { tags = { moon }, bio = "poet" })
      user.taggings[1].note = "bright"
      saved(User {})
      assert.equal(user, User.query:where(User.notes:contains "bright"):one())
      assert.equal(user, User.query:where(User.notes:like "bri%"):one())
      assert.equal(user, User.query:where(User.tags:any(Tag.id:eq(1))):one())
      assert.equal(user, User.query:where(User.bio:eq "poet"):one())
      assert.equal(0, User.query:where(User.bio:in_ { "x" }):count())
      raised("AttributeError", function() return User.bio:nonsense() end)
    end)

    it("refuse what they cannot be", function()
      raised("ArgumentError", db.association_proxy, "taggings")
      raised("ArgumentError", db.association_proxy, "taggings", "note", { maker = print })
      raised("ArgumentError", db.association_proxy, "taggings", "note", { creator = 1 })
      local Bad = db.Model "Bad" { id = id(), x = db.association_proxy("nothing", "note") }
      raised("InvalidRequestError", function() return Bad {}.x end)
      raised("TypeError", function() User {}.tags = "moon" end)
      raised("ValueError", function() User {}.notes:remove "x" end)
    end)
  end)

  describe("ordering lists", function()
    local Slide, Bullet
    local function declare(ordering)
      Slide = db.Model "Slide" { id = id(), bullets = db.relationship { "Bullet", order_by = "position",
        collection_class = ordering, backref = "slide" } }
      Bullet = db.Model "Bullet" { id = id(), text = text(), position = db.Column { db.Integer },
        slide_id = db.Column { db.Integer, db.ForeignKey "slide.id" } }
      db:create_all()
    end

    local function stored(slide)
      session:commit()
      session:expire_all()
      local out = {}
      for _, bullet in ipairs(slide.bullets) do out[#out + 1] = bullet.text .. bullet.position end
      return table.concat(out, " ")
    end

    it("number as objects are appended, and anew when a list changed", function()
      declare(db.ordering_list "position")
      local slide = Slide { bullets = { Bullet { text = "a" }, Bullet { text = "b" } } }
      session:add(slide)
      assert.equal("a0 b1", stored(slide))
      local c = Bullet { text = "c" }
      slide.bullets:append(c)
      assert.equal(2, c.position)
      slide.bullets:insert(1, Bullet { text = "z" })
      assert.equal("z0 a1 b2 c3", stored(slide))
      slide.bullets:remove(slide.bullets[2])
      assert.equal("z0 b1 c2", stored(slide))
      slide.bullets = { slide.bullets[3], slide.bullets[1] }
      assert.equal("c0 z1", stored(slide))
      table.sort(slide.bullets, function(x, y) return x.text > y.text end)
      assert.equal("z0 c1", stored(slide))
      Bullet { text = "back", slide = slide }
      assert.equal("z0 c1 back2", stored(slide))
    end)

    it("are in order after a commit without being read", function()
      declare(db.ordering_list "position")
      local slide, other = Slide { bullets = { Bullet { text = "a" }, Bullet { text = "b" } } }, Slide {}
      session:add_all { slide, other }
      session:commit()
      assert.equal(0, #other.bullets)
      local log = sql_log(db)
      local function shown()
        local out = {}
        for _, bullet in ipairs(slide.bullets) do out[#out + 1] = bullet.text .. bullet.position end
        return table.concat(out, " ") .. " " .. #other.bullets
      end
      assert.equal("a0 b1 0", shown())
      slide.bullets:insert(1, Bullet { text = "z" })
      session:commit()
      assert.equal("z0 a1 b2 0", shown())
      slide.bullets:remove(slide.bullets[2])
      session:commit()
      assert.equal("z0 b1 0", shown())
      assert.equal(0, log:selects())
      slide.bullets[1].position = 7
      session:commit()
      assert.equal("b1 z7 0", shown())
      assert.equal(1, log:selects())
    end)

    it("number at once what is inserted, moved or removed", function()
      declare(db.ordering_list "position")
      local function bullet(word) return Bullet { text = word } end
      local slide = Slide { bullets = { bullet "a", bullet "b", bullet "c" } }
      local list = slide.bullets
      local function shown()
        local out = {}
        for _, one in ipairs(list) do out[#out + 1] = one.text .. one.position end
        return table.concat(out, " ")
      end
      assert.equal("a0 b1 c2", shown())
      list:insert(1, bullet "z")
      assert.equal("z0 a1 b2 c3", shown())
      table.insert(list, 2, bullet "y")
      assert.equal("z0 y1 a2 b3 c4", shown())
      list:remove(list[1])
      list:pop(2)
      table.remove(list, 1)
      assert.equal("b0 c1", shown())
      list:extend { bullet "d", bullet "e" }
      list[2] = bullet "x"
      assert.equal("b0 x1 d2 e3", shown())
      table.sort(list, function(one, other) return one.text > other.text end)
      assert.equal("x0 e1 d2 b3", shown())
      list[3].slide = nil
      assert.equal("x0 e1 b2", shown())
      slide.bullets = { list[3], bullet "n", list[1] }
      assert.equal("b0 n1 x2", shown())
      list[1].position, list[3].position = 7, nil
      list:reorder()
      assert.equal("b0 n1 x2", shown())
      session:add(slide)
      assert.equal("b0 n1 x2", stored(slide))
    end)

    it("are the only ones that can be put in order", function()
      declare(nil)
      raised("InvalidRequestError", function() Slide().bullets:reorder() end)
    end)

    it("count from where they are told, and write only what moved", function()
      declare(db.ordering_list { "position", count_from = 1 })
      local slide = Slide { bullets = { Bullet { text = "a" }, Bullet { text = "b" }, Bullet { text = "c" } } }
      session:add(slide)
      assert.equal("a1 b2 c3", stored(slide))
      local log = sql_log(db)
      slide.bullets:pop()
      session:flush()
      assert.same({ "UPDATE bullet" }, log:writes())
      log:clear()
      session:commit()
      assert.equal("a1 b2", stored(slide))
    end)

    it("refuse what they cannot be", function()
      raised("ArgumentError", db.ordering_list)
      raised("ArgumentError", db.ordering_list, "position", { count_from = "a" })
      raised("ArgumentError", db.ordering_list, "position", { from = 1 })
      raised("ArgumentError", db.relationship, { "Bullet", collection_class = "list" })
    end)
  end)
end)
