-- SPDX-License-Identifier: MIT
-- Single- and joined-table inheritance: tables, flush, polymorphic queries, relationships.

local perilune = require "perilune"
local raised = require "spec.support.raised"
local sql_log = require "spec.support.sql_log"

describe("inheritance", function()
  local db, session, log
  local Company, Person, Engineer, Manager, Clerk, Senior, Machine

  local function id(...) return db.Column { db.Integer, ..., primary_key = true } end
  local function text() return db.Column { db.String(20) } end

  -- Person has engineers (joined), seniors below them (joined), managers and clerks (single).
  local function declare()
    Company = db.Model "Company" { id = id(), name = text(),
      employees = db.relationship { "Person", back_populates = "company", order_by = "id" },
      engineers = db.relationship { "Engineer", viewonly = true, order_by = "Person.id" },
      managers = db.relationship { "Manager", viewonly = true },
    }
    Person = db.Model "Person" { id = id(), name = text(), kind = text(),
      company_id = db.Column { db.Integer, db.ForeignKey "company.id" },
      company = db.relationship { "Company", back_populates = "employees" },
      polymorphic_on = "kind", polymorphic_identity = "person",
      greeting = function(self) return "I am " .. self.name end,
    }
    Engineer = db.Model "Engineer" { __inherits__ = Person,
      id = id(db.ForeignKey "person.id"), language = text(),
      machines = db.relationship { "Machine", backref = "engineer", cascade = "all, delete-orphan" },
      polymorphic_identity = "engineer",
    }
    Machine = db.Model "Machine" { id = id(), name = text(),
      engineer_id = db.Column { db.Integer, db.ForeignKey "engineer.id" } }
    Manager = db.Model "Manager" { __inherits__ = Person, budget = db.Column { db.Integer },
      polymorphic_identity = "manager",
      greeting = function(self) return "I lead; " .. Person.greeting(self) end }
    Clerk = db.Model "Clerk" { __inherits__ = Person, desk = text(), polymorphic_identity = "clerk" }
    Senior = db.Model "Senior" { __inherits__ = Engineer,
      id = id(db.ForeignKey "engineer.id"), team = text(), polymorphic_identity = "senior" }
  end

  local function fill()
    local company = Company { name = "c" }
    company.employees:extend {
      Engineer { name = "e1", language = "c", machines = { Machine { name = "a" }, Machine { name = "b" } } },
      Engineer { name = "e2", language = "lua" },
      Manager { name = "m1", budget = 7 },
      Clerk { name = "k1", desk = "d1" },
      Senior { name = "s1", language = "py", team = "t" },
      Person { name = "p1" },
    }
    session:add(company)
    session:commit()
    session:expunge_all()
  end

  before_each(function()
    db = perilune.open "sqlite://"
    session = db.session
    declare()
    db:create_all()
    fill()
    log = sql_log(db)
  end)

  after_each(function() db:close() end)

  local function names(list)
    local out = {}
    for i, item in ipairs(list) do out[i] = item.name end
    return table.concat(out, " ")
  end

  local function rows(sql) return session:execute(db.text(sql)):all() end
  local function count(name) return session:scalar(db.text("select count(*) from " .. name)) end
  local function by_name(model, name) return model.query:filter_by { name = name }:one() end

  it("keeps single-table subclasses in the parent's table, their columns nullable", function()
    assert.equal("person", Manager.__tablename__)
    assert.equal("engineer", Engineer.__tablename__)
    local columns = {}
    for _, row in ipairs(rows "pragma table_info(person)") do columns[row[2]] = row[4] end
    assert.equal(0, columns.budget)
    assert.equal(0, columns.desk)
    assert.is_nil(columns.language)
  end)

  it("makes each row an instance of its own class", function()
    local kinds = {}
    for i, person in ipairs(Person.query:order_by(Person.id):all()) do
      kinds[i] = tostring(person):match "%a+"
    end
    assert.equal("Engineer Engineer Manager Clerk Senior Person", table.concat(kinds, " "))
  end)

  it("sets the discriminator, also of a subclass of a subclass", function()
    assert.equal("senior", Senior { name = "x" }.kind)
    assert.equal("senior", rows "select kind from person where name = 's1'"[1][1])
  end)

  it("restricts a query of a subclass to its rows", function()
    assert.equal("e1 e2 s1", names(Engineer.query:order_by(Engineer.id):all()))
    assert.equal("s1", names(Senior.query:all()))
    assert.equal("m1", names(Manager.query:all()))
    assert.equal(1, Clerk.query:count())
    assert.equal(3, Engineer.query:count())
    assert.equal("lua", Engineer.query:filter_by { name = "e2", language = "lua" }:one().language)
  end)

  it("inserts parent tables first, and deletes in the opposite order", function()
    log:clear()
    local senior = Senior { name = "s2", language = "c", team = "u" }
    session:add(senior)
    session:commit()
    assert.same({ "INSERT person", "INSERT engineer", "INSERT senior" }, log:writes())
    log:clear()
    session:delete(senior)
    session:commit()
    assert.same({ "DELETE senior", "DELETE engineer", "DELETE person" }, log:writes())
  end)

  it("updates only the tables whose columns changed", function()
    local senior = by_name(Senior, "s1")
    log:clear()
    senior.language = "lua"
    session:commit()
    assert.same({ "UPDATE engineer" }, log:writes())
    log:clear()
    senior.name, senior.team = "s9", "v"
    session:commit()
    assert.same({ "UPDATE person", "UPDATE senior" }, log:writes())
    session:expunge_all()
    senior = by_name(Senior, "s9")
    assert.same({ "lua", "v" }, { senior.language, senior.team })
  end)

  it("rolls back rows of all tables", function()
    session:add(Senior { name = "s2", language = "c", team = "u" })
    session:flush()
    session:rollback()
    assert.same({ 6, 3, 1 }, { count "person", count "engineer", count "senior" })
  end)

  it("keeps one object per key, whatever class it was asked for as", function()
    local senior = by_name(Person, "s1")
    assert.equal(senior, Engineer.query:get(senior.id))
    assert.equal(senior, Senior.query:get(senior.id))
    assert.equal(senior, session:get(Person, senior.id))
  end)

  it("gets nothing for the key of another class", function()
    local key = by_name(Person, "e1").id
    assert.is_nil(Manager.query:get(key))
    assert.is_nil(session:get(Senior, key))
    session:expunge_all()
    assert.is_nil(Manager.query:get(key))
    assert.is_nil(session:get(Senior, key))
    assert.equal("e1", Engineer.query:get(key).name)
  end)

  it("loads a subclass's own columns for all of that class at once", function()
    local people = Person.query:order_by(Person.id):all()
    log:clear()
    assert.equal("c", people[1].language)
    assert.equal("lua", people[2].language)
    assert.equal("py", people[5].language)
    assert.equal(1, log:selects())
    assert.equal(7, people[3].budget)
    assert.equal("d1", people[4].desk)
    assert.equal("t", people[5].team)
    assert.equal(4, log:selects())
  end)

  it("does not mix up columns of subclasses that stand at the same place", function()
    session:add(Manager { name = "m2", budget = 8 })
    session:add(Clerk { name = "k2", desk = "d2" })
    session:commit()
    session:expunge_all()
    local people = Person.query:order_by(Person.id):all()
    assert.equal("d1", people[4].desk)
    assert.equal(7, people[3].budget)
    assert.equal(8, people[7].budget)
    assert.equal("d2", people[8].desk)
  end)

  it("inherits methods, which a subclass may replace", function()
    assert.equal("I am e1", by_name(Person, "e1"):greeting())
    assert.equal("I lead; I am m1", by_name(Person, "m1"):greeting())
    raised("AttributeError", function() return by_name(Person, "p1").language end)
  end)

  it("refuses mapper arguments that mean nothing", function()
    local function declare_with(args)
      return function() db.Model "Bad" { id = id(), __mapper_args__ = args } end
    end
    local err = raised("ArgumentError", declare_with { polymorphic_no = "kind" })
    assert.matches("polymorphic_on", err.hint)
    local concrete = raised("ArgumentError", declare_with { concrete = true })
    assert.matches("concrete", concrete.message)
    assert.matches("__abstract__", concrete.hint)
    assert.matches("db.with_polymorphic", raised("ArgumentError", declare_with { with_polymorphic = "*" }).hint)
    raised("ArgumentError", declare_with "kind")
  end)

  it("from an abstract model takes what is added to it, which has no rows of its own", function()
    local Base = db.Model "Base" { __abstract__ = true, id = id(), name = text(),
      hello = function(self) return "hello " .. self.name end }
    function Base:loud() return self:hello():upper() end
    local Thing = db.Model "Thing" { __inherits__ = Base,
      hello = function(self) return Base.hello(self) .. "!" end }
    assert.equal("HELLO T!", Thing { name = "t" }:loud())
    for _, use in ipairs { function() return Base.query end, function() return Base { name = "x" } end } do
      local err = raised("InvalidRequestError", use)
      assert.matches("Base is abstract", err.message)
      assert.matches("__inherits__", err.hint)
    end
  end)

  it("prints a subclass as its parent says", function()
    local Named = db.Model "Named" { id = id(), kind = text(), polymorphic_on = "kind",
      __tostring = function(self) return "named " .. self.kind end }
    local Other = db.Model "Other" { __inherits__ = Named, polymorphic_identity = "other" }
    assert.equal("named other", tostring(Other {}))
  end)

  it("refuses a discriminator that no class has", function()
    session:execute(db.text "insert into person (name, kind) values ('z', 'zzz')")
    local err = raised("ValueError", function() Person.query:all() end)
    assert.matches("No such polymorphic_identity 'zzz'", err.message)
  end)

  it("refuses a class that names a discriminator column it does not have", function()
    raised("ArgumentError", function()
      db.Model "Bad" { id = id(), polymorphic_on = "kind", polymorphic_identity = "x" }
    end)
  end)

  describe("relationships", function()
    it("to the base hold objects of all classes", function()
      local company = Company.query:one()
      assert.equal("e1 e2 m1 k1 s1 p1", names(company.employees))
      assert.equal("Senior", tostring(company.employees[5]):match "%a+")
    end)

    it("to a subclass hold only its objects", function()
      local company = Company.query:one()
      assert.equal("e1 e2 s1", names(company.engineers))
      assert.equal("m1", names(company.managers))
    end)

    it("of a subclass load once for all and cascade", function()
      local engineers = Engineer.query:order_by(Engineer.id):all()
      assert.equal(1, log:during(function()
        assert.equal(2, #engineers[1].machines)
        assert.equal(0, #engineers[2].machines)
        assert.equal(0, #engineers[3].machines)
      end))
      session:delete(engineers[1])
      session:commit()
      assert.same({ 0, 5, 2 }, { count "machine", count "person", count "engineer" })
    end)

    it("to one of a subclass find the object", function()
      local machine = by_name(Machine, "a")
      assert.equal("e1", machine.engineer.name)
      assert.equal("c", machine.engineer.company.name)
      machine.engineer = by_name(Engineer, "s1")
      session:commit()
      assert.equal(1, #by_name(Senior, "s1").machines)
    end)

    it("are inherited and keep both sides in step", function()
      local other = Company { name = "d" }
      local senior = by_name(Senior, "s1")
      senior.company = other
      assert.equal(senior, other.employees[1])
      session:commit()
      assert.equal("s1", names(by_name(Company, "d").engineers))
    end)

    it("join and exist by the subclass", function()
      assert.equal(1, #Company.query:join(Company.engineers):where(Engineer.language:eq "c"):all())
      assert.equal(1, #Company.query:join(Company.managers):where(Manager.budget:gt(1)):all())
      assert.equal(0, #Company.query:where(Company.managers:any(Manager.budget:gt(9))):all())
      assert.equal(2, #Machine.query:join(Machine.engineer):where(Engineer.name:eq "e1"):all())
    end)

    it("need an alias where base and subclass are joined", function()
      local boss = db.aliased(Engineer)
      raised("InvalidRequestError", function()
        return db.select(Person, Engineer):join(Engineer, Engineer.company_id:eq(Person.company_id))
      end)
      raised("InvalidRequestError", function() return Engineer.query:join(Person, Person.id:eq(Engineer.id)) end)
      local rows_of = db.select(Person, boss):join(boss, boss.company_id:eq(Person.company_id))
        :where(Person.name:eq "m1", boss.language:eq "lua"):all()
      assert.same({ 1, "m1", "e2" }, { #rows_of, rows_of[1][1].name, rows_of[1][2].name })
    end)

    it("narrow to a subclass by of_type", function()
      local employees = Company.employees
      assert.equal(1, Company.query:where(employees:of_type(Engineer):any(Engineer.language:eq "c")):count())
      assert.equal(0, Company.query:where(employees:of_type(Senior):any(Engineer.language:eq "c")):count())
      assert.equal(1, Company.query:where(employees:of_type(Manager):any(Manager.budget:eq(7))):count())
      local q = Company.query:join(employees:of_type(Engineer)):where(Engineer.language:eq "lua")
      assert.equal(1, q:count())
    end)

    it("load eagerly whatever the class", function()
      for _, load in ipairs { db.selectinload, db.joinedload, db.subqueryload } do
        session:expunge_all()
        local company = Company.query:options(load(Company.employees)):one()
        assert.equal(0, log:during(function() assert.equal("e1 e2 m1 k1 s1 p1", names(company.employees)) end))
      end
    end)
  end)

  describe("with_polymorphic", function()
    it("reads the columns of subclasses in the same statement", function()
      local all = db.with_polymorphic(Person, "*")
      log:clear()
      local people = db.select(all):order_by(all.id):all()
      assert.same({ "c", "lua", 7, "d1", "py", "t" }, { people[1].language, people[2].language,
        people[3].budget, people[4].desk, people[5].language, people[5].team })
      assert.equal(1, log:selects())
    end)

    it("leaves the columns of other subclasses to be loaded when touched", function()
      local some = db.with_polymorphic(Person, { Engineer })
      log:clear()
      local people = db.select(some):order_by(some.id):all()
      assert.equal("lua", people[2].language)
      assert.equal(1, log:selects())
      assert.equal(7, people[3].budget)
      assert.equal("t", people[5].team)
      assert.equal(3, log:selects())
    end)

    it("gives the attributes of a subclass by its name", function()
      local all = db.with_polymorphic(Person, { Engineer, Manager }, "everybody")
      assert.equal("e2", names(db.select(all):where(all.Engineer.language:eq "lua"):all()))
      local either = all.Engineer.language:eq "c" | all.Manager.budget:eq(7)
      assert.equal("e1 m1", names(db.select(all):where(either):order_by(all.name):all()))
      assert.matches("AS everybody", (db.select(all.name):sql()))
      raised("AttributeError", function() return all.Clerk end)
    end)

    it("can be the target of a join and of of_type", function()
      local all = db.with_polymorphic(Person, "*")
      assert.equal(1, #Company.query:join(all, Company.employees):where(all.Engineer.language:eq "c"):all())
      assert.equal(1, #Company.query:join(Company.employees:of_type(all)):where(all.Clerk.desk:eq "d1"):all())
    end)

    it("fills in objects that are there without their columns", function()
      local engineer = by_name(Person, "e1")
      local all = db.with_polymorphic(Person, { Engineer })
      db.select(all):all()
      assert.equal(0, log:during(function() assert.equal("c", engineer.language) end))
    end)

    it("refuses what does not inherit", function()
      raised("ArgumentError", db.with_polymorphic, Person, { Machine })
      raised("ArgumentError", db.with_polymorphic, Person, { "Engineer" })
      raised("ArgumentError", db.with_polymorphic, Person)
      raised("ArgumentError", db.with_polymorphic, "Person", "*")
    end)
  end)

  describe("bulk changes", function()
    it("update the columns of every table", function()
      local engineer = by_name(Engineer, "e2")
      log:clear()
      assert.equal(1, Engineer.query:where(Engineer.language:eq "lua")
        :update { name = "new", language = "fennel" })
      assert.same({ "UPDATE engineer", "UPDATE person" }, log:writes())
      assert.same({ "new", "fennel" }, { engineer.name, engineer.language })
    end)

    it("update only rows of a single-table subclass", function()
      assert.equal(1, Manager.query:update { name = "boss" })
      assert.equal(1, Person.query:filter_by { name = "boss" }:count())
    end)

    it("delete from the tables of subclasses as well", function()
      session:execute(db.text "delete from machine")
      assert.equal(1, Engineer.query:where(Engineer.language:eq "py"):delete())
      assert.same({ 5, 2, 0 }, { count "person", count "engineer", count "senior" })
      assert.equal(5, Person.query:delete())
      assert.same({ 0, 0 }, { count "person", count "engineer" })
    end)

    it("insert rows that tell their class", function()
      assert.equal(2, session:bulk_insert(Manager, { { name = "x", budget = 1 }, { name = "y" } }))
      assert.equal("m1 x y", names(Manager.query:order_by(Manager.id):all()))
      session:bulk_insert(Person, { { name = "z" } })
      assert.equal("Person", tostring(by_name(Person, "z")):match "%a+")
      assert.equal(1, session:bulk_insert(Engineer, { { name = "e", language = "c" } }))
      assert.equal("c", by_name(Person, "e").language)
    end)

    it("take values from other tables as they were before", function()
      assert.equal(3, Engineer.query:update { language = Engineer.name .. "!", name = Engineer.language .. "?" })
      local found = {}
      for i, e in ipairs(Engineer.query:order_by(Engineer.id):all()) do found[i] = e.name .. " " .. e.language end
      assert.same({ "c? e1!", "lua? e2!", "py? s1!" }, found)
    end)

    it("refuse a value that is no column", function()
      raised("AttributeError", function() Engineer.query:update { wage = 1 } end)
    end)
  end)

  describe("an executed statement", function()
    local function stored()
      local stored_rows = session:execute(db.text [[
        SELECT p.name, e.language FROM person p JOIN engineer e ON e.id = p.id ORDER BY p.id]])
      local found = {}
      for i, row in ipairs(stored_rows) do found[i] = row[1] .. " " .. row[2] end
      return table.concat(found, ", ")
    end

    it("updates by a condition on the parent's table", function()
      local engineer, other = by_name(Engineer, "e2"), by_name(Engineer, "e1")
      local result = session:execute(db.update(Engineer):where(Engineer.name:eq "e2"):values { language = "fennel" })
      assert.equal(1, result.rowcount)
      assert.equal("e1 c, e2 fennel, s1 py", stored())
      assert.same({ "fennel", "c" }, { engineer.language, other.language })
      local copies = db.update(Engineer):filter_by { name = "e1" }:values { language = Engineer.name }
      assert.equal(1, session:execute(copies).rowcount)
      assert.equal("e1 e1, e2 fennel, s1 py", stored())
      assert.equal(1, session:execute(db.update(Senior):where(Senior.name:eq "s1", Senior.language:eq "py")
        :values { team = "new" }).rowcount)
    end)

    it("updates its own table alone where nothing else is named", function()
      assert.equal("UPDATE engineer SET language=? WHERE engineer.language = ?",
        (db.update(Engineer):where(Engineer.language:eq "c"):values { language = "d" }:sql()))
    end)

    it("names the table of a column that it cannot write", function()
      local err = raised("ArgumentError", function() db.update(Engineer):values { name = "x" } end)
      assert.equal("Engineer.name is a column of table 'person', the statement changes 'engineer'", err.message)
      raised("ArgumentError", function() db.insert(Engineer):values { name = "x", language = "d" } end)
      raised("ArgumentError", session.execute, session, db.insert(Engineer), { { name = "x" } })
    end)

    it("deletes from every table of the model and of those below", function()
      session:execute(db.text "delete from machine")
      local engineer, senior = by_name(Engineer, "e2"), by_name(Senior, "s1")
      assert.equal(1, session:execute(db.delete(Engineer):where(Engineer.name:eq "e2")).rowcount)
      assert.equal("deleted", perilune.inspect(engineer).state)
      assert.equal("persistent", perilune.inspect(senior).state)
      local by_parameter = db.delete(Engineer):where(Engineer.name:eq(db.bindparam "n"))
      assert.equal(1, session:execute(by_parameter, { n = "s1" }).rowcount)
      assert.same({ 4, 1, 0 }, { count "person", count "engineer", count "senior" })
      assert.equal(1, session:execute(db.delete(Person):where(Person.name:eq "e1")).rowcount)
      assert.same({ 3, 0 }, { count "person", count "engineer" })
      raised("InvalidRequestError", session.execute, session, db.delete(Engineer):returning(Engineer.id))
    end)

    it("changes only rows of a single-table subclass", function()
      assert.equal(1, session:execute(db.update(Manager):values { name = "boss" }).rowcount)
      assert.equal(1, Person.query:filter_by { name = "boss" }:count())
      assert.equal(1, session:execute(db.delete(Clerk)).rowcount)
      assert.equal(5, count "person")
      local lead = db.aliased(Manager)
      assert.equal(1, session:execute(db.delete(lead):where(lead.budget:gt(1))).rowcount)
    end)

    it("inserts rows that tell their class", function()
      session:execute(db.insert(Manager):values { name = "x", budget = 1 })
      session:execute(db.insert(Clerk), { { name = "y" }, { name = "z", kind = "manager" } })
      assert.equal("m1 x z", names(Manager.query:order_by(Manager.name):all()))
      assert.equal("k1 y", names(Clerk.query:order_by(Clerk.name):all()))
    end)
  end)

  it("counts versions of a row that several tables hold", function()
    local Base = db.Model "Base" { id = id(), kind = text(), version = db.Column { db.Integer },
      polymorphic_on = "kind", version_id_col = "version" }
    local Sub = db.Model "Sub" { __inherits__ = Base, id = id(db.ForeignKey "base.id"), note = text(),
      polymorphic_identity = "sub" }
    db:create_all()
    local sub = Sub { note = "a" }
    session:add(sub)
    session:commit()
    assert.equal(1, sub.version)
    sub.note = "b"
    session:commit()
    assert.equal(2, sub.version)
    session:execute(db.text "update base set version = 9")
    sub.note = "c"
    raised("StaleDataError", session.flush, session)
  end)

  it("works without a discriminator, by class asked for", function()
    local Animal = db.Model "Animal" { id = id(), name = text() }
    local Dog = db.Model "Dog" { __inherits__ = Animal, id = id(db.ForeignKey "animal.id"), trick = text() }
    db:create_all()
    session:add(Dog { name = "rex", trick = "sit" })
    session:commit()
    session:expunge_all()
    assert.equal("sit", Dog.query:one().trick)
    session:expunge_all()
    local animal = Animal.query:one()
    assert.equal("rex", animal.name)
    assert.equal("Animal", tostring(animal):match "%a+")
    assert.equal(animal, Dog.query:one())
  end)
end)
