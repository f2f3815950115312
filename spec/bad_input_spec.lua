-- SPDX-License-Identifier: MIT
-- Mistakes of a script: each is an error object that names the thing and the way out, and
-- the session works on.

local perilune = require "perilune"
local raised = require "spec.support.raised"

describe("a mistake in", function()
  local db, session, User

  before_each(function()
    db = perilune.open "sqlite://"
    session = db.session
    User = db.Model "User" {
      id = db.Column { db.Integer, primary_key = true },
      name = db.Column { db.String(5), nullable = false },
      born = db.Column { db.Date },
    }
    db:create_all()
    session:add_all { User { name = "a" }, User { name = "b" } }
    session:commit()
    session:add(User { name = "new" })
  end)

  -- What was pending before the mistake is still there and can be saved.
  after_each(function()
    if not pcall(function() return db.session end) then return end
    db.session:commit()
    assert.equal(3, User.query:count())
    db:close()
  end)

  -- fn raises an error of the class whose message and hint have the words.
  local function says(class, message, hint, fn, ...)
    local err = raised(class, fn, ...)
    assert.is_truthy(err.message:find(message, 1, true), err.message)
    if hint then assert.is_truthy(tostring(err.hint):find(hint, 1, true), tostring(err.hint)) end
  end

  it("a URI", function()
    for _, uri in ipairs { "", "sqlite", "sqlite:/x", "data.db", "\0" } do
      says("ArgumentError", "sqlite:///relative/path/to/file.db", nil, perilune.open, uri)
    end
    says("ArgumentError", "Valid SQLite URL forms", nil, perilune.open, "sqlite://host/x.db")
    says("ArgumentError", "unknown option 'bad'", "timeout", perilune.open, "sqlite:///x.db?bad=1")
    says("ArgumentError", "got number", "sqlite:///file.db", perilune.open, 5)
    local err = raised(perilune.open, "mysql://me:secret@host/db")
    assert.is_nil(tostring(err):find("secret", 1, true))
  end)

  it("a file that cannot be a database", function()
    for _, path in ipairs { "/no/such/folder/x.db", "/tmp", "/etc/hostname" } do
      local other = perilune.open("sqlite:///" .. path)
      local err = raised("DatabaseError", other.session.execute, other.session, db.text "SELECT 1 FROM t")
      assert.is_truthy(tostring(err):find(path, 1, true), tostring(err))
      other:close()
    end
  end)

  it("a field of the module", function()
    says("AttributeError", "perilune has no field 'Databse'", "'Database'", function() return perilune.Databse end)
    says("AttributeError", "no field 'opne'", "'open'", function() return perilune.opne(1) end)
    assert.is_nil(perilune._private)
    assert.truthy(perilune.command == nil or perilune.command == "spec")
  end)

  it("a constructor called with a colon, or with another thing", function()
    for _, name in ipairs { "case", "values", "literal_column", "column", "undefer_group" } do
      local err = raised("TypeError", function() return db[name](db, { User.id:eq(1), 2 }) end)
      assert.equal("db.? is called with a dot", (err.message:gsub(name, "?")))
    end
    says("TypeError", "db.case is called with a dot", "db.case(...)",
      function() return db:case { User.id:eq(1), 2 } end)
    says("ArgumentError", "bad argument #1 to 'case' (table expected, got no value)", nil, function() db.case() end)
    says("ArgumentError", "(table expected, got string)", nil, db.case, "x", 1)
    says("ArgumentError", "(string expected, got table)", nil, db.literal_column, {})
    says("ArgumentError", "bad argument #1 to 'label' (string expected", nil, function() User.id:label {} end)
    says("ArgumentError", "expects a table, got nil", nil, db.ForeignKeyConstraint)
  end)

  it("a configuration", function()
    local function config(name, value)
      local app = perilune.App "x"
      app.config.DATABASE_URI = "sqlite://"
      app.config[name] = value
      return perilune.Database(app)
    end
    for name, value in pairs { DATABASE_URI = 5, ECHO = 3, BINDS = "x", ENGINE_OPTIONS = 5,
                               RECORD_QUERIES = "yes", SQLALCHEMY_ECHO = {} } do
      says("ArgumentError", name .. " must be", nil, config, name, value)
    end
    says("ArgumentError", "the names in app.config are strings, got the integer 5", nil, config, 5, 1)
    says("ArgumentError", "unknown option 'pragma'", nil, config, "ENGINE_OPTIONS", { pragma = {} })
    says("RuntimeError", "DATABASE_URI", nil, perilune.Database, perilune.App "x")
  end)

  it("a model that cannot be configured, which raw SQL does not need", function()
    local own = perilune.open "sqlite://"
    finally(function() own:close() end)
    local Lost = own.Model "Lost" {
      id = own.Column { own.Integer, primary_key = true }, others = own.relationship "Nobody",
    }
    says("InvalidRequestError", "relationship Lost.others failed to locate a name ('Nobody')", nil,
         own.create_all, own)
    says("InvalidRequestError", "('Nobody')", nil, Lost.query.all, Lost.query)
    assert.equal(3, own.session:scalar(own.text "SELECT 1 + :n", { n = 2 }))
    own.session:execute(own.text "CREATE TABLE raw (n INTEGER)")
    assert.equal(2, own.session:execute(own.text "INSERT INTO raw VALUES (:n)", { { n = 1 }, { n = 2 } }).rowcount)
    own.session:commit()
    assert.equal("[(1), (2)]", tostring(own.session:execute(own.text "SELECT n FROM raw"):all()))
    own.Model "Nobody" { id = own.Column { own.Integer, primary_key = true },
      lost_id = own.Column { own.Integer, own.ForeignKey "lost.id" } }
    own:create_all()
    assert.equal(0, Lost.query:count())
  end)

  it("a model, which can be declared again", function()
    says("ArgumentError", "primary key columns for mapped table 'thing'", "primary_key = true",
         db.Model "Thing", { x = db.Column { db.Integer } })
    says("ArgumentError", "column 'x' of 'thing' has no type", nil,
         db.Model "Thing", { id = db.Column { db.Integer, primary_key = true }, x = db.Column {} })
    says("ArgumentError", "unknown lazy 'slow'", "joined", db.Model "Thing", {
      id = db.Column { db.Integer, primary_key = true },
      users = db.relationship { "User", lazy = "slow" },
    })
    local bad = { ["relationship Thing.users: unknown lazy 'zzz'"] = { { "User", lazy = "zzz" }, "joined" },
      ["relationship Thing.users: Invalid cascade option(s): 'zzz'"] =
        { { "User", cascade = "all, zzz" }, "delete-orphan" },
      ["relationship Thing.users: cascade must be a string, got number"] =
        { { "User", cascade = 5 }, "all" },
      ["relationship Thing.users, backref 'thing': unknown lazy 'zzz'"] =
        { { "User", backref = db.backref { "thing", lazy = "zzz" } }, "selectin" },
      ["relationship Thing.users: unknown lazy 'late'"] =
        { { "User", lazy = "late", order_by = "id" }, "dynamic" },
    }
    for text, given in pairs(bad) do
      says("ArgumentError", text, given[2], db.Model "Thing", {
        id = db.Column { db.Integer, primary_key = true }, users = db.relationship(given[1]),
      })
    end
    local Thing = db.Model "Thing" { id = db.Column { db.Integer, primary_key = true } }
    says("UnmappedInstanceError", "the model Thing itself is not an instance of a model",
         "Thing{...}", session.add, session, Thing)
    says("UnmappedInstanceError", "the model Thing itself", "Thing{...}", session.delete, session, Thing)
    says("UnmappedInstanceError", "number is not an instance of a model", nil, session.add, session, 5)
    db:create_all()
    session:add(Thing {})
    session:commit()
    assert.equal(1, Thing.query:count())
    says("InvalidRequestError", "already defined", "another name", db.Model "Thing", {})
    says("ArgumentError", "needs a name", "", db.Model "9", {})
    says("ArgumentError", "unknown option 'primarykey'", "primary_key", db.Column,
         { db.Integer, primarykey = true })
    says("ArgumentError", "'user' is not \"table.column\"", nil, db.ForeignKey, "user")
    says("ArgumentError", "backref is a name", nil, db.relationship, { "User", backref = 5 })
    says("ArgumentError", "db.ForeignKey: ondelete cannot be 'zap'",
         "CASCADE, SET NULL, SET DEFAULT, RESTRICT, NO ACTION", db.ForeignKey, { "b.id", ondelete = "zap" })
    says("ArgumentError", "db.ForeignKey: onupdate cannot be 'true'", "CASCADE", db.ForeignKey,
         { "b.id", onupdate = true })
    says("ArgumentError", "db.ForeignKeyConstraint: ondelete cannot be 'zap'", "CASCADE",
         db.ForeignKeyConstraint, { { "a" }, { "b.id" }, ondelete = "zap" })
    assert.truthy(db.ForeignKey { "b.id", ondelete = "set null", onupdate = "Cascade" })
    says("AttributeError", "no attribute 'Integr'", "Integer", function() return db.Integr end)
  end)

  it("the name of a class or table", function()
    local function declared(other, spec)
      spec.id = other.Column { other.Integer, primary_key = true }
      local Thing = other.Model "Thing" (spec)
      return function()
        Thing {}
      end
    end
    local other = perilune.open "sqlite://"
    other.Model "Person" { id = other.Column { other.Integer, primary_key = true } }
    local use = declared(other, { owner = other.relationship { "Persn" } })
    says("InvalidRequestError", "Models known: Person, Thing", "'Person'", use)
    other:close()
    other = perilune.open "sqlite://"
    use = declared(other, { owner_id = other.Column { other.Integer, other.ForeignKey "person.id" } })
    says("NoReferencedTableError", "'person', which is not defined", "name of the table", use)
    other:close()
    other = perilune.open "sqlite://"
    use = declared(other, { up = other.Column { other.Integer, other.ForeignKey "thing.idd" } })
    says("NoReferencedColumnError", "'thing.idd'", nil, use)
    other:close()
  end)

  it("the value of an attribute", function()
    for _, value in ipairs { 5, true, {}, print, User } do
      says("TypeError", "User.name: expected a string", nil, User, { name = value })
    end
    says("TypeError", "User.id: expected an integer", nil, User, { id = "1" })
    says("ValueError", "1.5 is not an integer", nil, User, { id = 1.5 })
    says("ValueError", "too many for String(5)", nil, User, { name = "123456" })
    says("ValueError", "not valid UTF-8", "LargeBinary", User, { name = "\xff" })
    says("ValueError", "YYYY-MM-DD", nil, User, { born = "yesterday" })
    says("AttributeError", "'nmae'", "'name'", User, { nmae = "x" })
    says("TypeError", "named attributes only", "Model{name = value}", User, { "x" })
    local user = User.query:first()
    says("TypeError", "User.name", nil, function() user.name = 7 end)
    assert.equal("a", user.name)
  end)

  it("a condition", function()
    local query = User.query
    says("ArgumentError", "the boolean false", ":eq(", function() query:where(User.name == "x") end)
    says("ArgumentError", "got nil", "column:eq(nil)", function() query:where(nil) end)
    says("ArgumentError", "the boolean true", ":lt(", function() query:where(User.id:eq(1) & true) end)
    says("ArgumentError", "db.text('id = 1')", nil, function() query:where("id = 1") end)
    says("TypeError", "< and <=", "User.id:lt(value)", function() return User.id < 5 end)
    says("ArgumentError", "empty table", ":eq(nil)", function() query:filter_by {} end)
    says("InvalidRequestError", "no property \"nmae\"", "'name'", function() query:filter_by { nmae = 1 } end)
    says("ArgumentError", "number of rows", nil, function() query:limit "many" end)
  end)

  it("dot and colon", function()
    for _, fn in ipairs {
      function() User.query.all() end, function() User.query.get(1) end,
      function() session.commit() end, function() session.add(User { name = "x" }) end,
      function() User.name.eq("x") end, function() db.create_all() end,
      function() User.query.where(User.id:eq(1)) end, function() db.session.begin_nested() end,
    } do
      says("TypeError", "expected", "colon", fn)
    end
    for _, name in ipairs { "Column", "ForeignKey", "relationship", "String", "Enum", "Index" } do
      says("TypeError", "called with a dot", "db." .. name,
           function() db[name](db, { db.Integer }) end)
    end
  end)

  it("what a session is given", function()
    for _, value in ipairs { 5, "x", {}, User } do
      says("UnmappedInstanceError", "is not an instance of a model", nil, session.add, session, value)
      says("UnmappedInstanceError", "is not an instance of a model", nil, session.delete, session, value)
    end
    says("ArgumentError", "a list of objects", "add", session.add_all, session, User { name = "x" })
    says("InvalidRequestError", "is not persisted", "expunge", session.delete, session, User { name = "x" })
    says("ArgumentError", "takes a function, got number", nil, session.begin_nested, session, 5)
    says("ArgumentError", "explicitly declared as text", "db.text", session.execute, session, "SELECT 1")
    says("StatementError", "bind parameter 'a'", nil, session.execute, session, db.text "SELECT :a")
    says("OperationalError", "syntax error", nil, session.execute, session, db.text "SELEC")
    says("ProgrammingError", "one statement", nil, session.execute, session, db.text "SELECT 1; SELECT 2")
    says("ArgumentError", "a list of rows", nil, session.bulk_insert, session, User, 5)
    says("AttributeError", "'nmae'", "'name'", session.bulk_insert, session, User, { { nmae = 1 } })
    says("AttributeError", "'comit'", "'commit'", function() session:comit() end)
  end)

  it("the moment: no context, or all closed", function()
    local app = perilune.App "x"
    app.config.DATABASE_URI = "sqlite://"
    local other = perilune.Database(app)
    says("RuntimeError", "outside of application context", nil, function() return other.session end)
    other:close()
    session:commit()
    local user = User.query:first()
    local next_user = User.query:each()
    next_user()
    local nested = session:begin_nested()
    db:close()
    says("ResourceClosedError", "closed", nil, function() return User.query:all() end)
    says("ResourceClosedError", "closed", nil, next_user)
    says("ResourceClosedError", "closed", nil, nested.commit, nested)
    says("ResourceClosedError", "closed", nil, db.create_all, db)
    says("InvalidRequestError", "this session is closed", "db.session", session.commit, session)
    assert.equal("a", user.name)
    assert.equal("detached", perilune.inspect(user).state)
  end)
end)
