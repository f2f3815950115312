-- SPDX-License-Identifier: MIT
-- Models: declaration, instances, attributes, defaults, what is refused and with what words.

local perilune = require "perilune"
local raised = require "spec.support.raised"

describe("a model", function()
  local db, Person

  before_each(function()
    db = perilune.open "sqlite://"
    Person = db.Model "Person" {
      id = db.Column { db.Integer, primary_key = true },
      name = db.Column { db.String(5), nullable = false },
      age = db.Column { db.SmallInteger },
      size = db.Column { db.Integer },
      big = db.Column { db.BigInteger },
      note = db.Column { db.Text },
      active = db.Column { db.Boolean, default = true },
      score = db.Column { db.Float },
      word = db.Column { db.String(10), default = function() return "made" end },
    }
    db:create_all()
  end)

  after_each(function() db:close() end)

  describe("types", function()
    local function refused(attr, value)
      local err = raised(function() return Person { [attr] = value } end)
      assert.truthy(tostring(err):find("Person." .. attr, 1, true), tostring(err))
      local person = Person { name = "x" }
      local again = raised(function() person[attr] = value end)
      assert.truthy(tostring(again):find("Person." .. attr, 1, true), tostring(again))
      assert.equal("Person." .. attr, again.attribute)
      return err
    end

    it("refuses text, floats with a fraction and booleans for integers", function()
      for _, attr in ipairs { "age", "size", "big" } do
        refused(attr, "12")
        refused(attr, 1.5)
        refused(attr, true)
        refused(attr, {})
      end
    end)

    it("takes a float that is a whole number as an integer", function()
      local person = Person { name = "x", size = 3.0 }
      assert.equal("integer", math.type(person.size))
      assert.equal(3, person.size)
    end)

    it("checks the range of integers", function()
      refused("age", 40000)
      refused("age", -40000)
      assert.equal(math.maxinteger, Person { big = math.maxinteger }.big)
      assert.equal(math.mininteger, Person { big = math.mininteger }.big)
      assert.equal(32767, Person { age = 32767 }.age)
    end)

    it("refuses numbers for text and counts characters, not bytes", function()
      refused("name", 12)
      refused("name", true)
      refused("name", "123456")
      refused("name", "абвгде")
      assert.equal("абвгд", Person { name = "абвгд" }.name)
      refused("note", 1)
    end)

    it("refuses text that is not UTF-8", function()
      refused("note", "\xff\xfe")
    end)

    it("refuses text and numbers but 0 and 1 for booleans", function()
      refused("active", 2)
      refused("active", "yes")
      assert.equal(false, Person { active = false }.active)
    end)

    it("takes integers for floats and refuses text", function()
      refused("score", "1.5")
      refused("score", true)
      local person = Person { score = 2 }
      assert.equal("float", math.type(person.score))
    end)

    it("leaves the old value when a new one is refused", function()
      local person = Person { name = "Ann", age = 3 }
      raised(function() person.age = "x" end)
      assert.equal(3, person.age)
    end)

    it("brings every type back from the database as it was", function()
      local person = Person { name = "Яна", age = -1, size = 7, big = math.maxinteger,
        note = "a\nb", active = false, score = 0.1 }
      db.session:add(person)
      db.session:commit()
      db.session:expire_all()
      assert.same({ "Яна", -1, 7, math.maxinteger, "a\nb", false, 0.1, "made" },
        { person.name, person.age, person.size, person.big, person.note, person.active,
          person.score, person.word })
    end)
  end)

  describe("attributes", function()
    it("are strict, and the nearest name is suggested", function()
      local person = Person {}
      for _, fn in ipairs {
        function() return person.nmae end,
        function() person.nmae = "x" end,
        function() return Person { nmae = "x" } end,
        function() return Person.nmae end,
      } do
        local err = raised("AttributeError", fn)
        assert.truthy(tostring(err):find "nmae")
        assert.truthy((tostring(err) .. (err.hint or "")):find "name")
      end
    end)

    it("are free when their name begins with _", function()
      local person = Person {}
      person._seen = { 1 }
      assert.same({ 1 }, person._seen)
      assert.is_nil(person._other)
      db.session:add(Person { name = "a", _tag = 5 })
      db.session:commit()
    end)

    it("that were never set are nil", function()
      assert.is_nil(Person {}.name)
      assert.is_nil(Person {}.id)
    end)

    it("keep their own data across a commit and a collection", function()
      local person = Person { name = "a" }
      person._seen = "kept"
      db.session:add(person)
      db.session:commit()
      collectgarbage()
      assert.equal("kept", person._seen)
    end)
  end)

  describe("defaults", function()
    it("that are literals are visible at once", function()
      assert.equal(true, Person {}.active)
    end)

    it("that are functions are called at flush, once per object", function()
      local calls = 0
      local Item = db.Model "Item" {
        id = db.Column { db.Integer, primary_key = true },
        n = db.Column { db.Integer, default = function() calls = calls + 1 return calls end },
      }
      db:create_all()
      local a, b, c = Item {}, Item {}, Item { n = 50 }
      assert.is_nil(a.n)
      assert.equal(0, calls)
      db.session:add_all { a, b, c }
      db.session:flush()
      assert.equal(2, calls)
      assert.same({ 1, 2, 50 }, { a.n, b.n, c.n })
      db.session:commit()
      assert.equal(2, calls)
    end)

    it("do not come back over nil or db.null", function()
      local a = Person { name = "a", active = db.null, word = db.null }
      local b = Person { name = "b" }
      b.active, b.word = nil, nil
      assert.is_nil(a.active)
      assert.is_nil(b.active)
      db.session:add_all { a, b }
      db.session:commit()
      local nulls = db.session:scalar(db.text
        "SELECT count(*) FROM person WHERE active IS NULL AND word IS NULL")
      assert.equal(2, nulls)
    end)

    it("are checked like values that are set", function()
      local Bad = db.Model "Bad" {
        id = db.Column { db.Integer, primary_key = true },
        n = db.Column { db.Integer, default = function() return "x" end },
      }
      db:create_all()
      db.session:add(Bad {})
      local err = raised(function() db.session:flush() end)
      assert.truthy(tostring(err):find("Bad.n", 1, true), tostring(err))
      db.session:rollback()
    end)

    it("of the wrong type are refused where they are declared or used", function()
      local err = raised(function()
        local Bad = db.Model "Bad" {
          id = db.Column { db.Integer, primary_key = true },
          n = db.Column { db.Integer, default = "x" },
        }
        return Bad {}
      end)
      assert.truthy(tostring(err):find "n")
    end)

    it("that fail say so with their own error, and the session can go on", function()
      local Bad = db.Model "Bad" {
        id = db.Column { db.Integer, primary_key = true },
        n = db.Column { db.Integer, default = function() error("boom", 0) end },
      }
      db:create_all()
      db.session:add(Bad {})
      local ok, err = pcall(db.session.flush, db.session)
      assert.is_false(ok)
      assert.truthy(tostring(err):find "boom")
      db.session:rollback()
      db.session:add(Person { name = "a" })
      db.session:commit()
    end)
  end)

  describe("text of an instance", function()
    it("names the class and the state or key", function()
      local person = Person { name = "a" }
      assert.equal("<Person (transient)>", tostring(person))
      db.session:add(person)
      assert.equal("<Person (pending)>", tostring(person))
      db.session:flush()
      assert.equal("<Person 1>", tostring(person))
    end)

    it("comes from __tostring when there is one", function()
      local Cat = db.Model "Cat" {
        id = db.Column { db.Integer, primary_key = true },
        name = db.Column { db.String(10) },
        __tostring = function(self) return "cat " .. self.name end,
      }
      assert.equal("cat Мурка", tostring(Cat { name = "Мурка" }))
    end)
  end)

  describe("to_dict and pairs", function()
    it("go over the columns in the order in which they were written", function()
      local names = {}
      for name in pairs(Person {}) do names[#names + 1] = name end
      assert.same({ "id", "name", "age", "size", "big", "note", "active", "score", "word" }, names)
    end)

    it("to_dict has the columns, or some of them", function()
      local person = Person { name = "a", age = 3 }
      db.session:add(person)
      db.session:commit()
      local dict = person:to_dict()
      assert.equal(1, dict.id)
      assert.equal("a", dict.name)
      assert.equal(3, dict.age)
      assert.same({ name = "a", age = 3 }, person:to_dict { only = { "name", "age" } })
      local without = person:to_dict { except = { "name" } }
      assert.is_nil(without.name)
      assert.equal(3, without.age)
      raised(function() person:to_dict { only = { "nmae" } } end)
    end)

    it("to_dict includes relationships when asked", function()
      local Pet = db.Model "Pet" {
        id = db.Column { db.Integer, primary_key = true },
        name = db.Column { db.String(10) },
        owner_id = db.Column { db.Integer, db.ForeignKey "person.id" },
        owner = db.relationship { "Person", backref = "pets" },
      }
      db:create_all()
      local person = Person { name = "a" }
      Pet { name = "Rex", owner = person }
      db.session:add(person)
      db.session:commit()
      local dict = person:to_dict { only = { "name" }, include = { "pets" } }
      assert.equal("a", dict.name)
      assert.equal(1, #dict.pets)
      assert.equal("Rex", dict.pets[1].name)
    end)
  end)

  describe("names of tables", function()
    it("are the class name in snake case, singular", function()
      local cases = { User = "user", BlogPost = "blog_post", HTTPRequest = "http_request",
        User2 = "user2", ABC = "abc", userGroup = "user_group", CamelCamelCase = "camel_camel_case",
        OAuthToken = "o_auth_token", Snake_Case = "snake__case", Name1Name = "name1_name" }
      for class, name in pairs(cases) do
        local M = db.Model(class) { id = db.Column { db.Integer, primary_key = true } }
        assert.equal(name, M.__table__.name)
      end
    end)

    it("are what __tablename__ says", function()
      local M = db.Model "Thing" { __tablename__ = "вещи",
        id = db.Column { db.Integer, primary_key = true } }
      db:create_all()
      db.session:add(M {})
      db.session:commit()
      assert.equal(1, db.session:scalar(db.text 'SELECT count(*) FROM "вещи"'))
    end)

    it("may be words of SQL", function()
      local M = db.Model "Order" {
        id = db.Column { db.Integer, primary_key = true },
        select = db.Column { "select", db.String(10) },
        group = db.Column { db.String(10) },
      }
      db:create_all()
      db.session:add(M { select = "x", group = "y" })
      db.session:commit()
      assert.equal("y", M.query:filter_by { select = "x" }:one().group)
    end)
  end)

  describe("keys", function()
    it("may have several columns", function()
      local Seat = db.Model "Seat" {
        row = db.Column { db.Integer, primary_key = true },
        place = db.Column { db.String(2), primary_key = true },
        taken = db.Column { db.Boolean, default = false },
      }
      db:create_all()
      local a, b = Seat { row = 1, place = "a" }, Seat { row = 1, place = "b" }
      db.session:add_all { a, b }
      db.session:commit()
      assert.equal(a, db.session:get(Seat, { 1, "a" }))
      assert.equal(b, Seat.query:get(1, "b"))
      assert.is_nil(db.session:get(Seat, { 2, "a" }))
      assert.equal(a, db.session:get(Seat, { row = 1, place = "a" }))
      a.taken = true
      db.session:delete(b)
      db.session:commit()
      assert.equal(1, Seat.query:count())
      assert.is_true(Seat.query:one().taken)
    end)

    it("of the wrong number are refused", function()
      local Seat = db.Model "Seat" {
        row = db.Column { db.Integer, primary_key = true },
        place = db.Column { db.Integer, primary_key = true },
      }
      db:create_all()
      raised(function() return db.session:get(Seat, 1) end)
      raised(function() return db.session:get(Person, { 1, 2 }) end)
    end)

    it("may be text", function()
      local Country = db.Model "Country" { code = db.Column { db.String(2), primary_key = true } }
      db:create_all()
      db.session:add(Country { code = "ru" })
      db.session:commit()
      assert.equal("ru", db.session:get(Country, "ru").code)
      assert.is_nil(db.session:get(Country, "fi"))
    end)
  end)

  it("takes methods later", function()
    function Person:greet(other) return self.name .. " and " .. other end
    assert.equal("a and b", Person { name = "a" }:greet "b")
    assert.equal("a and b", Person.greet(Person { name = "a" }, "b"))
    local loaded = Person { name = "c" }
    db.session:add(loaded)
    db.session:commit()
    assert.equal("c and d", Person.query:first():greet "d")
  end)

  it("keeps plain values of any type as they are", function()
    local other = perilune.open "sqlite://"
    local Plain = other.Model "Plain" {
      id = other.Column{other.Integer, primary_key = true},
      limit = 5, ratio = 0.5, label = "x", on = false,
    }
    Plain.later = 7
    local plain = Plain{}
    for name, value in pairs { limit = 5, ratio = 0.5, label = "x", on = false, later = 7 } do
      assert.equal(value, Plain[name])
      assert.equal(value, plain[name])
    end
    local err = raised("AttributeError", function() plain.limit = 6 end)
    assert.matches("Plain.limit cannot be set", err.message, 1, true)
    other:close()
  end)

  it("without a primary key is refused by name", function()
    local err = raised("ArgumentError", function()
      db.Model "Lost" { name = db.Column { db.String(5) } }
      db:create_all()
    end)
    assert.truthy(tostring(err):find "Lost")
    assert.truthy(tostring(err):find "primary key")
  end)

  it("refused leaves the others usable", function()
    pcall(function() db.Model "Lost" { name = db.Column { db.String(5) } } end)
    db:create_all()
    db.session:add(Person { name = "a" })
    db.session:commit()
    assert.equal(1, Person.query:count())
  end)

  it("that names an unknown class is an error that lists the models", function()
    local Pet = db.Model "Pet" {
      id = db.Column { db.Integer, primary_key = true },
      owner_id = db.Column { db.Integer, db.ForeignKey "person.id" },
      owner = db.relationship { "Persn" },
    }
    local err = raised("InvalidRequestError", function() return Pet {}.owner end)
    local text = tostring(err) .. (err.hint or "")
    assert.truthy(text:find "Persn")
    assert.truthy(text:find "Person")
  end)

  it("may name a class that is defined later", function()
    local Pet = db.Model "Pet" {
      id = db.Column { db.Integer, primary_key = true },
      home_id = db.Column { db.Integer, db.ForeignKey "home.id" },
      home = db.relationship { "Home", backref = "pets" },
    }
    local Home = db.Model "Home" { id = db.Column { db.Integer, primary_key = true } }
    local home = Home {}
    local pet = Pet { home = home }
    assert.equal(pet, home.pets[1])
  end)

  describe("a dot where a colon belongs", function()
    local function says_colon(fn)
      local err = raised(fn)
      assert.truthy((tostring(err) .. (err.hint or "")):find "colon", tostring(err))
    end

    it("is named", function()
      says_colon(function() db.session.add(Person {}) end)
      says_colon(function() db.session.commit() end)
      says_colon(function() db.session.rollback() end)
      says_colon(function() db.session.flush() end)
      says_colon(function() db.session.get(Person, 1) end)
      says_colon(function() db.session.delete(Person {}) end)
      says_colon(function() db.session.begin_nested() end)
      says_colon(function() db.session.execute(db.text "SELECT 1") end)
      says_colon(function() db.create_all() end)
      says_colon(function() db.drop_all() end)
      says_colon(function() Person.query.all() end)
      says_colon(function() Person.query.filter_by { name = "a" } end)
      says_colon(function() Person.query.first() end)
      says_colon(function() Person.query.where(Person.name:eq "a") end)
      says_colon(function() Person.name.eq "a" end)
      says_colon(function() Person { name = "a" }.to_dict() end)
    end)
  end)

  describe("where", function()
    it("refuses a boolean and nil and says how it is written", function()
      local err = raised("ArgumentError", function() return Person.query:where(Person.name == "a") end)
      assert.truthy((tostring(err) .. (err.hint or "")):find ":eq")
      raised("ArgumentError", function() return Person.query:where(true) end)
      raised("ArgumentError", function() return Person.query:where(nil) end)
      raised("ArgumentError", function() return Person.query:filter(nil) end)
    end)

    it("a comparison by < names :lt", function()
      local err = raised(function() return Person.age < 18 end)
      assert.truthy((tostring(err) .. (err.hint or "")):find ":lt")
    end)

    it("filter_by refuses an empty table and unknown names", function()
      raised(function() return Person.query:filter_by {} end)
      local err = raised(function() return Person.query:filter_by { nmae = 1 } end)
      assert.truthy((tostring(err) .. (err.hint or "")):find "name")
    end)
  end)

  it("defined twice under one name is refused", function()
    local err = raised(function()
      db.Model "Person" { id = db.Column { db.Integer, primary_key = true } }
    end)
    assert.truthy(tostring(err):find "Person")
  end)
end)

describe("a column whose type is that of what it refers to", function()
  it("has its defaults", function()
    local db = perilune.open "sqlite://"
    finally(function() db:close() end)
    local id = function() return db.Column{db.Integer, primary_key = true} end
    db.Model "Target" { id = id() }
    local Source = db.Model "Source" { id = id(),
      a_id = db.Column{db.ForeignKey "target.id", default = 1},
      b_id = db.Column{db.ForeignKey "target.id", default = function() return 1 end},
      c_id = db.Column{db.ForeignKey "target.id", onupdate = 1} }
    db:create_all()
    db.session:execute(db.text "INSERT INTO target DEFAULT VALUES")
    local source = Source{}
    assert.equal(1, source.a_id)
    db.session:add(source)
    db.session:flush()
    assert.same({ 1, 1 }, { source.a_id, source.b_id, source.c_id })
    source.a_id = nil
    db.session:flush()
    assert.equal(1, source.c_id)
    assert.same({ 1, "Integer" }, { Source.a_id.default, Source.a_id.type.kind })
  end)

  it("refuses a default of another type once that is known", function()
    local db = perilune.open "sqlite://"
    finally(function() db:close() end)
    db.Model "Target" { id = db.Column{db.Integer, primary_key = true} }
    db.Model "Source" { id = db.Column{db.Integer, primary_key = true},
      a_id = db.Column{db.ForeignKey "target.id", default = "one"} }
    local ok, err = pcall(db.create_all, db)
    assert.is_false(ok)
    assert.truthy(tostring(err):find("source.a_id default", 1, true), tostring(err))
  end)
end)
