-- Error objects: their fields and text, their classes, what failures of a constraint name.

local perilune = require "perilune"
local run = require "spec.support.run"

local db, User

before_each(function()
  db = perilune.open "sqlite://"
  User = db.Model "User" {
    id = db.Column{db.Integer, primary_key = true},
    name = db.Column{db.String(10), nullable = false, unique = true},
    age = db.Column{db.Integer, db.CheckConstraint{"age > 0", name = "born"}},
    boss_id = db.Column{db.Integer, db.ForeignKey "user.id"},
    first = db.Column{db.String(10), unique = false},
    last = db.Column{db.String(10)},
    __table_args__ = { db.UniqueConstraint{"first", "last"} },
  }
  db:create_all()
end)

after_each(function() db:close() end)

local function failure(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

local function commit(...)
  db.session:add_all{...}
  db.session:commit()
end

describe("an error object", function()
  it("has name, message, hint and the place in the script", function()
    local function misspell() return User{name = "a"}.nmae end
    local err = failure(misspell)
    assert.equal("AttributeError", err.name)
    assert.equal("User has no attribute 'nmae'", err.message)
    assert.equal("did you mean 'name'?", err.hint)
    local line = debug.getinfo(misspell, "S").linedefined
    assert.equal("spec/errors_spec.lua:" .. line, err.where)
    assert.equal(("spec/errors_spec.lua:%d: AttributeError: User has no attribute 'nmae' "
      .. "(did you mean 'name'?)"):format(line), tostring(err))
  end)

  it("says where the script called, not where the library raised", function()
    local function call() db:create_all{bnid = "x"} end
    assert.equal("spec/errors_spec.lua:" .. debug.getinfo(call, "S").linedefined, failure(call).where)
    local function config() db.config.nothing = 1 end
    assert.equal("spec/errors_spec.lua:" .. debug.getinfo(config, "S").linedefined,
      failure(config).where)
  end)

  it("has the statement, its parameters and the database's code", function()
    local err = failure(function()
      db.session:execute(db.text "SELECT :a FROM nowhere", { a = 5 })
    end)
    assert.equal("OperationalError", err.name)
    assert.equal("no such table: nowhere", err.message)
    assert.equal("SELECT ? FROM nowhere", err.sql)
    assert.equal(1, err.code)
    assert.is_nil(err.attribute)
    db.session:rollback()
    commit(User{name = "a"})
    err = failure(commit, User{name = "a"})
    assert.equal("INSERT INTO user (name) VALUES (?)", err.sql)
    assert.equal("('a')", err.params)
    assert.equal(2067, err.code)
  end)

  it("is one object through every pcall", function()
    local first
    local ok, err = pcall(function()
      local _, inner = pcall(function() return User.nothing end)
      first = inner
      error(inner, 0)
    end)
    assert.is_false(ok)
    assert.equal(first, err)
  end)

  it("can be made by a script", function()
    local err = failure(perilune.error, "NotFound", "no such page", "try the index")
    assert.same({ "NotFound", "no such page", "try the index" }, { err.name, err.message, err.hint })
    assert.is_true(err:is "PeriluneError")
    assert.equal("ArgumentError", failure(perilune.error, "NotAnError", "x").name)
  end)
end)

describe("the classes", function()
  local parents = {
    IntegrityError = "DatabaseError", OperationalError = "DatabaseError", DataError = "DatabaseError",
    ProgrammingError = "DatabaseError", NotSupportedError = "DatabaseError",
    DatabaseError = "DBAPIError", InterfaceError = "DBAPIError", DBAPIError = "StatementError",
    StatementError = "PeriluneError", DatabaseLockedError = "OperationalError",
    LockUpgradeError = "DatabaseLockedError", InvalidRequestError = "PeriluneError",
    NoResultFound = "InvalidRequestError", MultipleResultsFound = "InvalidRequestError",
    PendingRollbackError = "InvalidRequestError", UnboundExecutionError = "InvalidRequestError",
    ResourceClosedError = "InvalidRequestError", NoSuchTableError = "InvalidRequestError",
    ObjectDeletedError = "InvalidRequestError", UnmappedInstanceError = "InvalidRequestError",
    NoReferencedTableError = "NoReferenceError", NoReferencedColumnError = "NoReferenceError",
    NoForeignKeysError = "ArgumentError", AmbiguousForeignKeysError = "ArgumentError",
    NoSuchModuleError = "ArgumentError", ArgumentError = "PeriluneError",
    DetachedInstanceError = "PeriluneError", StaleDataError = "PeriluneError",
    FlushError = "PeriluneError", CompileError = "PeriluneError", NotFound = "PeriluneError",
    CircularDependencyError = "PeriluneError", RuntimeError = "PeriluneError",
    TypeError = "PeriluneError", ValueError = "PeriluneError", AttributeError = "PeriluneError",
  }

  it("form a hierarchy that err:is follows", function()
    for name, parent in pairs(parents) do
      local err = failure(perilune.error, name, "x")
      local up = name
      while up do
        assert.is_true(err:is(up), name .. " is " .. up)
        up = parents[up]
      end
      assert.is_true(err:is "PeriluneError")
      assert.is_false(parent ~= "ArgumentError" and name ~= "ArgumentError" and err:is "ArgumentError")
      assert.is_false(err:is "Nothing")
    end
  end)

  it("tell failures apart", function()
    local session = db.session
    local function name_of(fn, ...) return failure(fn, ...).name end
    assert.equal("NoResultFound", name_of(User.query.one, User.query))
    commit(User{name = "a"}, User{name = "b"})
    assert.equal("MultipleResultsFound", name_of(User.query.one, User.query))
    assert.equal("NoResultFound", name_of(session.get_one, session, User, 99))
    assert.equal("UnmappedInstanceError", name_of(session.add, session, {}))
    assert.equal("TypeError", name_of(function() return User.age < 18 end))
    assert.equal("TypeError", name_of(User.query.all))
    assert.equal("ArgumentError", name_of(User.query.where, User.query, true))
    assert.equal("ArgumentError", name_of(User.query.where, User.query, nil))
    assert.equal("ArgumentError", name_of(User.query.filter_by, User.query, {}))
    assert.equal("ValueError", name_of(User, { name = "much too long" }))
    assert.equal("TypeError", name_of(User, { age = "old" }))
    assert.equal("InvalidRequestError", name_of(db.Model, "User", {}))
    assert.is_nil(User.query:get(99))
    assert.is_nil(session:get(User, 99))
    assert.is_nil(User.query:filter_by{name = "z"}:first())
    assert.is_nil(User.query:filter_by{name = "z"}:one_or_none())
  end)
end)

describe("the failure of a constraint names the attribute:", function()
  local function integrity(...)
    local err = failure(commit, ...)
    assert.equal("IntegrityError", err.name)
    assert.is_true(err:is "DatabaseError")
    db.session:rollback()
    return err
  end

  it("UNIQUE", function()
    commit(User{name = "a"})
    local again = User{name = "a"}
    local err = integrity(again)
    assert.equal("User.name", err.attribute)
    assert.equal(again, err.object)
    assert.equal("UNIQUE constraint failed: user.name", err.message)
  end)

  it("UNIQUE over several", function()
    commit(User{name = "a", first = "x", last = "y"})
    local err = integrity(User{name = "b", first = "x", last = "y"})
    assert.equal("User.first, User.last", err.attribute)
    assert.equal("first, last", err.column)
  end)

  it("NOT NULL", function()
    local nameless = User{age = 5}
    local err = integrity(nameless)
    assert.equal("User.name", err.attribute)
    assert.equal(nameless, err.object)
    assert.equal("User.name may not be NULL", err.message)
  end)

  it("CHECK", function()
    local err = integrity(User{name = "a", age = -1})
    assert.equal("User.age", err.attribute)
    assert.equal("the row must satisfy: age > 0", err.hint)
  end)

  it("FOREIGN KEY", function()
    local err = integrity(User{name = "a", boss_id = 99})
    assert.equal("User.boss_id", err.attribute)
    assert.equal("there is no row in 'user' that User.boss_id refers to", err.hint)
  end)

  it("PRIMARY KEY", function()
    commit(User{id = 1, name = "a"})
    db.session:expunge_all()
    assert.equal("User.id", integrity(User{id = 1, name = "b"}).attribute)
  end)

  it("in an UPDATE, too", function()
    local a, b = User{name = "a"}, User{name = "b"}
    commit(a, b)
    b.name = "a"
    local err = failure(db.session.commit, db.session)
    assert.equal("User.name", err.attribute)
    assert.equal(b, err.object)
    db.session:rollback()
    assert.equal("b", b.name)
  end)
end)

describe("a session", function()
  it("that failed waits for rollback and says what failed", function()
    failure(commit, User{})
    local err = failure(User.query.all, User.query)
    assert.equal("PendingRollbackError", err.name)
    assert.truthy(err.message:find("User.name may not be NULL", 1, true))
    assert.equal("call session:rollback() first", err.hint)
    db.session:rollback()
    assert.equal(0, User.query:count())
  end)

  it("may be asked not to raise", function()
    assert.is_true(db.session:try_commit())
    db.session:add(User{})
    local ok, err = db.session:try_commit()
    assert.is_nil(ok)
    assert.equal("IntegrityError", err.name)
    assert.equal(0, User.query:count())
  end)

  it("suggests what was meant", function()
    local err = failure(function() db.session:comit() end)
    assert.equal("did you mean 'commit'?", err.hint)
  end)
end)

it("an uncaught error is printed with its place and a traceback", function()
  local result = run.command({ run.program(), "-e", [[
    local perilune = require "perilune"
    local db = perilune.open "sqlite://"
    local function inner() return db.Columm end
    inner()]] })
  assert.equal(1, result.code)
  assert.truthy(result.err:find("(command line):3: AttributeError: the database has no attribute "
    .. "'Columm' (did you mean 'Column'?)", 1, true), result.err)
  assert.truthy(result.err:find("stack traceback:", 1, true))
  assert.truthy(result.err:find("in local 'inner'", 1, true) or
    result.err:find("in upvalue 'inner'", 1, true), result.err)
end)

describe("the failure of a statement names the attribute:", function()
  local function attribute(fn)
    commit(User{id = 1, name = "a", age = 1})
    local err = failure(fn)
    assert.equal("IntegrityError", err.name)
    db.session:rollback()
    return err.attribute
  end

  it("bulk_insert", function()
    local function bulk(row)
      return attribute(function() db.session:bulk_insert(User, { row }) end)
    end
    assert.equal("User.name", bulk{name = "a"})
  end)

  it("bulk_insert, CHECK", function()
    assert.equal("User.age", attribute(function()
      db.session:bulk_insert(User, { { name = "b" }, { name = "c", age = -1 } })
    end))
  end)

  it("bulk_insert, FOREIGN KEY", function()
    assert.equal("User.boss_id", attribute(function()
      db.session:bulk_insert(User, { { name = "b", boss_id = 99 } })
    end))
  end)

  it("insert", function()
    assert.equal("User.name", attribute(function()
      db.session:execute(db.insert(User):values{name = "a"})
    end))
  end)

  it("query:update, NOT NULL", function()
    assert.equal("User.name", attribute(function() User.query:update{name = db.null} end))
  end)

  it("query:update, CHECK", function()
    assert.equal("User.age", attribute(function() User.query:update{age = -1} end))
  end)

  it("a text, by the table that the database names", function()
    assert.equal("User.name", attribute(function()
      db.session:execute(db.text "insert into user (name) values ('a')")
    end))
  end)
end)
