-- Databases behind a db object: URIs, connections and their settings, binds, tables, what is
-- recorded and printed of statements.

local perilune = require "perilune"
local run = require "spec.support.run"

local function raises(class, text, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal(class, type(err) == "table" and err.name or err)
  assert.truthy(tostring(err):find(text, 1, true), tostring(err))
  return err
end

local function open(...)
  local db = perilune.open(...)
  finally(function() pcall(db.close, db) end)
  return db
end

local function value(db, sql, bind)
  return db.session:scalar(db.text(sql), nil, { bind = bind })
end

local function two_columns(db)
  return db.Model "Thing" {
    id = db.Column{db.Integer, primary_key = true},
    name = db.Column{db.String(20)},
  }
end

local folder

setup(function() folder = run.folder() end)
teardown(function() run.remove(folder) end)

local function file(name) return folder .. "/" .. name end

local function exists(path)
  local f = io.open(path)
  if f then f:close() end
  return f ~= nil
end

describe("a database URI", function()
  it("without a file is memory", function()
    for _, uri in ipairs { "sqlite://", "sqlite:///", "sqlite:///:memory:",
      "sqlite:///file:x?mode=memory&uri=true" } do
      local db = open(uri)
      assert.equal(1, value(db, "SELECT 1"))
      assert.equal(uri, db.engine.url)
      assert.is_nil(db.engine.path)
      assert.equal("memory", value(db, "PRAGMA journal_mode"))
    end
  end)

  it("with three slashes is relative to the working directory, with four absolute", function()
    local path = file "absolute.db"
    local db = open("sqlite:///" .. path)
    assert.equal(1, value(db, "SELECT 1"))
    assert.equal(path, db.engine.path)
    assert.is_true(exists(path))
    local result = run.command({ run.program(), "-e", [[
      local db = require "perilune".open "sqlite:///relative.db?timeout=3"
      db.session:scalar(db.text "SELECT 1")
      print(db.engine.path, db.engine.url, db, db.engine)]] }, { dir = folder })
    local at = folder .. "/relative.db"
    local url = "sqlite:///" .. at .. "?timeout=3"
    assert.equal(("%s\t%s\t<Database sqlite:///%s>\tEngine(%s)\n"):format(at, url, at, url),
      result.out)
    assert.is_true(exists(at))
  end)

  it("may name a driver, which is ignored", function()
    assert.equal("sqlite", open("sqlite+pysqlite://").engine.dialect)
  end)

  it("that is none shows the valid forms", function()
    for uri, text in pairs {
      ["nonsense"] = "Could not parse a database URI from string 'nonsense'",
      [""] = "sqlite:////absolute/path/to/file.db",
      ["sqlite://host/a.db"] = "Valid SQLite URL forms are",
      ["sqlite:/one.db"] = "sqlite:///relative/path/to/file.db",
    } do
      raises("ArgumentError", text, perilune.open, uri)
    end
    raises("ArgumentError", "needs a database URI, got nil", perilune.open)
    raises("ArgumentError", "needs a database URI, got number", perilune.open, { 5 })
    for uri, plugin in pairs {
      ["foo://bar"] = "foo", ["mysql://h/db"] = "mysql", ["sqlite+nope://"] = "sqlite.nope",
    } do
      local ok, err = pcall(perilune.open, uri)
      assert.is_false(ok)
      assert.equal("NoSuchModuleError", err.name)
      assert.is_true(err:is "ArgumentError")
      for _, text in ipairs { "perilune.dialects:" .. plugin .. ";", "sqlite:// (memory)",
        "sqlite:////absolute/path/to/file.db", "postgresql://user:password@host:port/database" } do
        assert.truthy(err.message:find(text, 1, true), err.message)
      end
    end
  end)

  it("never gives its password away", function()
    for _, uri in ipairs { "postgresql://joe:secret@host:5432/db", "mysql://joe:secret@host",
      "postgresql://joe:secret@host:port/db", "sqlite://joe:secret@host/x" } do
      local ok, err = pcall(perilune.open, uri)
      assert.is_false(ok)
      assert.is_nil(tostring(err):find("secret", 1, true), tostring(err))
    end
    raises("NoSuchModuleError", "no driver for 'postgresql'", perilune.open, "postgresql://u@h/db")
  end)

  it("of a file that cannot be opened fails when it is used", function()
    local db = open "sqlite:////nowhere/at/all.db"
    raises("OperationalError", "/nowhere/at/all.db", value, db, "SELECT 1")
    db = open("sqlite:///" .. file "missing.db", { create = false })
    raises("OperationalError", "unable to open database file", value, db, "SELECT 1")
  end)
end)

describe("a connection", function()
  it("enforces foreign keys, writes ahead, and knows no double-quoted strings", function()
    local db = open("sqlite:///" .. file "defaults.db")
    assert.equal(1, value(db, "PRAGMA foreign_keys"))
    assert.equal("wal", value(db, "PRAGMA journal_mode"))
    assert.equal(1, value(db, "PRAGMA synchronous"))
    raises("OperationalError", "no such column: nosuch", value, db, 'SELECT "nosuch"')
    raises("OperationalError", "no such column: nosuch", value, db,
      'CREATE TABLE t (a TEXT CHECK (a <> "nosuch"))')
  end)

  it("takes pragmas from the options", function()
    local db = open("sqlite:///" .. file "pragmas.db", { pragmas = {
      foreign_keys = false, journal_mode = "DELETE", synchronous = 2, cache_size = -99 } })
    assert.equal(0, value(db, "PRAGMA foreign_keys"))
    assert.equal("delete", value(db, "PRAGMA journal_mode"))
    assert.equal(2, value(db, "PRAGMA synchronous"))
    assert.equal(-99, value(db, "PRAGMA cache_size"))
    local other = open{"sqlite://", engine_options = { pragmas = { cache_size = 55 } }}
    assert.equal(55, value(other, "PRAGMA cache_size"))
    raises("ArgumentError", "perilune.open.pragmas must be a table, got string",
      perilune.open, "sqlite://", { pragmas = "x" })
  end)

  it("may be read-only", function()
    local path = "sqlite:///" .. file "readonly.db"
    local db = open(path)
    local Thing = two_columns(db)
    db:create_all()
    db.session:add(Thing{name = "kept"})
    db.session:commit()
    local reader = open(path, { readonly = true })
    local Same = two_columns(reader)
    assert.equal("kept", Same.query:first().name)
    reader.session:add(Same{name = "refused"})
    raises("OperationalError", "readonly", reader.session.commit, reader.session)
    reader.session:rollback()
  end)

  -- Asks for the lock while another connection holds it; how long that took.
  local function wait_for_lock(options, uri_suffix)
    local path = "sqlite:///" .. file "locked.db"
    local holder, other = open(path), open(path .. (uri_suffix or ""), options)
    holder.session:begin { mode = "immediate" }
    local started = os.time()
    local err = raises("DatabaseLockedError", "database is locked",
      other.session.begin, other.session, { mode = "immediate" })
    assert.is_true(err:is "OperationalError")
    holder.session:rollback()
    return os.time() - started
  end

  it("waits for the lock as long as it is told", function()
    assert.is_true(wait_for_lock { busy_timeout = 50 } < 3)
    assert.is_true(wait_for_lock({ engine_options = { connect_args = { timeout = 0.05 } } }) < 3)
    assert.is_true(wait_for_lock(nil, "?timeout=0.05") < 3)
  end)

  local function begins(options)
    options.record_queries = true
    local db = open("sqlite://", options)
    local Thing = two_columns(db)
    db:create_all()
    local function statements(fn)
      local from = #db:get_recorded_queries()
      fn()
      db.session:commit()
      local out = {}
      for i = from + 1, #db:get_recorded_queries() do
        local sql = db:get_recorded_queries()[i].statement
        if sql:find "^BEGIN" then out[#out + 1] = sql end
      end
      return out
    end
    return statements(function() Thing.query:all() end),
      statements(function() db.session:add(Thing{}) end)
  end

  it("takes the write lock with the first write, unless it is to wait", function()
    local reading, writing = begins {}
    assert.same({ "BEGIN" }, reading)
    assert.same({ "BEGIN IMMEDIATE" }, writing)
    reading, writing = begins { transaction_mode = "deferred" }
    assert.same({ { "BEGIN" }, { "BEGIN" } }, { reading, writing })
  end)

  it("is kept for the next session and closed by dispose", function()
    local app = perilune.App("x", { config = { DATABASE_URI = "sqlite:///" .. file "pool.db" } })
    local db = perilune.Database(app)
    finally(function() db:close() end)
    local function open_files()
      local n = 0
      for _, line in ipairs { run.command({ "ls", "-l", "/proc/self/fd" }).out } do
        n = n + select(2, line:gsub("pool%.db", ""))
      end
      return n
    end
    app:app_context(function() value(db, "CREATE TEMP TABLE mine (a)") end)
    app:app_context(function()
      assert.equal(0, value(db, "SELECT count(*) FROM sqlite_temp_master"))
      db.session:commit()
      db.engine:dispose()
      assert.truthy(value(db, "SELECT 1"))
    end)
    assert.equal(0, open_files())
    raises("RuntimeError", "working outside", function() db.engine:dispose() end)
  end)
end)

describe("an engine", function()
  it("is one object with a URL that names the file", function()
    local db = open("sqlite:///" .. file "engine.db", { binds = { other = "sqlite://" } })
    assert.equal(db.engine, db.engine)
    assert.equal(db.engine, db.engines[perilune.null])
    assert.equal("sqlite:///" .. file "engine.db", db.engine.url)
    assert.is_nil(db.engine.bind_key)
    assert.equal("other", db.engines.other.bind_key)
    assert.equal("Engine(sqlite://)", tostring(db.engines.other))
    assert.is_nil(db.engines.nosuch)
    raises("TypeError", "db.engine:dispose()", db.engine.dispose)
    assert.equal("<Database sqlite:///" .. file "engine.db" .. " +1 engines>", tostring(db))
  end)

  it("keeps a database in memory for all sessions until it is disposed of", function()
    local app = perilune.App("x", { config = { DATABASE_URI = "sqlite://" } })
    local db = perilune.Database(app)
    finally(function() db:close() end)
    local Thing = two_columns(db)
    app:app_context(function()
      db:create_all()
      db.session:add(Thing{name = "here"})
      db.session:commit()
    end)
    app:app_context(function() assert.equal("here", Thing.query:one().name) end)
    app:app_context(function() db.engine:dispose() end)
    app:app_context(function()
      raises("OperationalError", "no such table: thing", Thing.query.all, Thing.query)
    end)
  end)
end)

describe("binds", function()
  local db, User, Log

  before_each(function()
    db = perilune.open("sqlite:///" .. file "main.db", { binds = {
      logs = "sqlite:///" .. file "logs.db",
      cache = { url = "sqlite://", pragmas = { cache_size = 33 } },
    } })
    User = db.Model "User" {
      id = db.Column{db.Integer, primary_key = true},
      name = db.Column{db.String(20)},
    }
    Log = db.Model "Log" {
      __bind_key__ = "logs",
      id = db.Column{db.Integer, primary_key = true},
      line = db.Column{db.Text},
    }
    db:drop_all()
  end)

  after_each(function() db:close() end)

  it("have their own tables, files and settings", function()
    assert.equal("[user, log]", tostring(db:create_all()))
    db.session:add_all{User{name = "u"}, Log{line = "l"}}
    db.session:commit()
    assert.equal("u", User.query:one().name)
    assert.equal("l", Log.query:one().line)
    assert.equal("[user]", tostring(perilune.inspect(db):get_table_names()))
    assert.equal("[log]", tostring(perilune.inspect(db.engines.logs):get_table_names()))
    assert.equal(33, value(db, "PRAGMA cache_size", "cache"))
    assert.equal(1, value(db, "SELECT count(*) FROM log", db.engines.logs))
    assert.equal("logs", Log.__table__.bind_key)
  end)

  it("commit and roll back together", function()
    db:create_all()
    db.session:add_all{User{name = "u"}, Log{line = "l"}}
    db.session:flush()
    db.session:rollback()
    assert.same({ 0, 0 }, { User.query:count(), Log.query:count() })
  end)

  it("are chosen for create_all and drop_all", function()
    assert.equal("[log]", tostring(db:create_all{bind = "logs"}))
    assert.equal("[user]", tostring(db:create_all{bind = perilune.null}))
    assert.equal("[]", tostring(db:create_all()))
    assert.equal("[log]", tostring(db:drop_all "logs"))
    assert.equal("[log]", tostring(db:create_all{bind = { perilune.null, "logs" }}))
    assert.equal("[user]", tostring(db:drop_all{tables = { User }}))
    assert.equal("[user]", tostring(db:create_all{tables = { User.__table__, Log }}))
    raises("ArgumentError", "tables[1] must be a model or a table, got string",
      db.create_all, db, { tables = { "user" } })
    raises("ArgumentError", "did you mean 'bind'?", db.create_all, db, { binds = "logs" })
    raises("ArgumentError", "must be a table, got number", db.create_all, db, 5)
  end)

  it("must be configured", function()
    local Lost = db.Model "Lost" {
      __bind_key__ = "nowhere",
      id = db.Column{db.Integer, primary_key = true},
    }
    raises("UnboundExecutionError", "Bind key 'nowhere' is not in the BINDS",
      Lost.query.all, Lost.query)
    raises("UnboundExecutionError", "nowhere", db.create_all, db)
  end)

  it("of a key that nobody configured are named in the error", function()
    local own = open("sqlite://", { binds = { two = "sqlite://", one = "sqlite://" } })
    own.Model "Plain" { id = own.Column{ own.Integer, primary_key = true } }
    for _, method in ipairs { "create_all", "drop_all" } do
      for _, given in ipairs { "zzz", { bind = "zzz" }, { bind_key = "zzz" }, { bind = { "one", "zzz" } } } do
        local err = raises("UnboundExecutionError", "Bind key 'zzz' is not in the BINDS", own[method], own, given)
        assert.equal("the bind keys are one, two", err.hint)
      end
      raises("ArgumentError", "a bind key is a string, got number", own[method], own, { bind = 5 })
      assert.equal(0, #own[method](own, "one"))
    end
    raises("UnboundExecutionError", "Bind key 'zzz'", require "perilune.reflect".inspector, own, "zzz")
    local err = raises("UnboundExecutionError", "Bind key 'zzz'", function()
      return open "sqlite://":create_all "zzz"
    end)
    assert.equal("there are no bind keys", err.hint)
  end)

  it("may be all there is", function()
    local app = perilune.App("x", { config = { BINDS = { only = "sqlite://" } } })
    local alone = perilune.Database(app)
    finally(function() alone:close() end)
    local Thing = alone.Model "Thing" {
      __bind_key__ = "only", id = alone.Column{alone.Integer, primary_key = true},
    }
    app:app_context(function()
      assert.equal("[thing]", tostring(alone:create_all()))
      assert.equal(0, Thing.query:count())
      raises("UnboundExecutionError", "no DATABASE_URI", function() return alone.engine end)
      raises("UnboundExecutionError", "no DATABASE_URI", value, alone, "SELECT 1")
    end)
  end)

  it("have a metadata each", function()
    assert.equal(db.metadata, db.metadatas[perilune.null])
    assert.equal(User.__table__, db.metadata.tables.user)
    assert.equal(Log.__table__, db.metadatas.logs.tables.log)
    assert.is_nil(db.metadata.tables.log)
    assert.equal("log", db.metadatas.logs.sorted_tables[1].name)
    assert.equal("[log]", tostring(db.metadatas.logs:create_all()))
    assert.equal("[log]", tostring(db.metadatas.logs:drop_all()))
    assert.truthy(db.metadata:ddl():find("CREATE TABLE user", 1, true))
  end)
end)

describe("tables", function()
  it("are made in the order of their foreign keys, once", function()
    local db = open "sqlite://"
    db.Model "Child" {
      id = db.Column{db.Integer, primary_key = true},
      parent_id = db.Column{db.Integer, db.ForeignKey "parent.id"},
    }
    db.Model "Parent" { id = db.Column{db.Integer, primary_key = true} }
    assert.equal("[parent, child]", tostring(db:create_all()))
    assert.equal("[]", tostring(db:create_all()))
    assert.equal("[child, parent]", tostring(db:drop_all()))
    assert.equal("[]", tostring(db:drop_all()))
    assert.equal("parent", db.metadata.sorted_tables[1].name)
  end)

  it("must have been declared", function()
    local db = open "sqlite://"
    local text = "no models are defined on this database (did you require the files"
    raises("InvalidRequestError", text, db.create_all, db)
    raises("InvalidRequestError", text, db.drop_all, db)
  end)

  it("belong to the session's transaction", function()
    local db = open "sqlite://"
    two_columns(db)
    db.session:begin()
    db:create_all()
    assert.is_true(perilune.inspect(db):has_table "thing")
    db.session:rollback()
    assert.is_false(perilune.inspect(db):has_table "thing")
  end)

  it("have names for their constraints by a convention", function()
    local db = open("sqlite://",
      { naming_convention = { pk = "key_of_%(table_name)s", uq = false } })
    db.Model "Thing" {
      id = db.Column{db.Integer, primary_key = true},
      name = db.Column{db.String(20), unique = true},
    }
    db:create_all()
    local inspector = perilune.inspect(db)
    assert.equal("key_of_thing", inspector:get_pk_constraint "thing".name)
    assert.is_nil(inspector:get_unique_constraints "thing"[1].name)
    raises("ArgumentError", "naming_convention: unknown option 'xx'",
      perilune.open, "sqlite://", { naming_convention = { xx = "a" } })
  end)
end)

describe("a closed db", function()
  it("says so, and closing again is no error", function()
    local db = perilune.open("sqlite:///" .. file "closed.db")
    local session = db.session
    db:close()
    assert.is_true(session.closed)
    raises("ResourceClosedError", "this database is closed", function() return db.session end)
    raises("ResourceClosedError", "this database is closed", db.create_all, db)
    db:close()
    local kept
    do
      local scoped <close> = perilune.open "sqlite://"
      assert.equal(1, value(scoped, "SELECT 1"))
      kept = scoped
    end
    raises("ResourceClosedError", "this database is closed", function() return kept.session end)
    do
      local scoped <close> = perilune.open "sqlite://"
      scoped:close()
    end
  end)

  it("knows its attributes", function()
    local db = open "sqlite://"
    raises("AttributeError", "did you mean 'session'?", function() return db.sesion end)
    raises("AttributeError", "did you mean 'create_all'?", function() return db.create_al end)
    db.mine = 5
    assert.equal(5, db.mine)
    raises("TypeError", "call it with a colon", db.create_all)
  end)
end)

describe("statements", function()
  it("are recorded with parameters, duration and the place in the script", function()
    local db = open("sqlite://", { record_queries = true })
    local Thing = two_columns(db)
    db:create_all()
    local from = #db:get_recorded_queries()
    local function find_it() return Thing.query:filter_by{name = "x"}:first() end
    find_it()
    local record = db:get_recorded_queries()[from + 2]
    assert.equal("SELECT thing.id, thing.name FROM thing WHERE thing.name = ? LIMIT ?",
      (record.statement:gsub("%s+", " ")))
    assert.same({ "x", 1 }, record.parameters)
    assert.equal("float", math.type(record.duration))
    assert.is_true(record.duration >= 0 and record.duration < 5)
    assert.truthy(record.location:find "^spec/engine_spec.lua:%d+ %(.*find_it.*%)$",
      record.location)
    assert.is_nil(record.bind_key)
    db.session:execute(db.text "SELECT :a", { a = perilune.null })
    local last = db:get_recorded_queries()
    assert.equal(perilune.null, last[#last].parameters[1])
  end)

  it("are recorded per context", function()
    local app = perilune.App("x", { config = { DATABASE_URI = "sqlite://", RECORD_QUERIES = true,
      BINDS = { b = "sqlite://" } } })
    local db = perilune.Database(app)
    finally(function() db:close() end)
    app:app_context(function()
      value(db, "SELECT 'outer'")
      app:app_context(function()
        assert.equal(0, #db:get_recorded_queries())
        value(db, "SELECT 'inner'", "b")
        local records = db:get_recorded_queries()
        assert.equal("SELECT 'inner'", records[#records].statement)
        assert.equal("b", records[#records].bind_key)
      end)
      for _, record in ipairs(db:get_recorded_queries()) do
        assert.not_equal("SELECT 'inner'", record.statement)
      end
    end)
    assert.same({}, db:get_recorded_queries())
  end)

  it("are printed when asked for, long values abbreviated", function()
    local result = run.command({ run.program(), "-e", [[
      local perilune = require "perilune"
      local db = perilune.open("sqlite://", { echo = true })
      local function run(sql, p) db.session:execute(db.text(sql), p) end
      run("SELECT :a, :b, :c, :d", { a = 1, b = "it's", c = perilune.null, d = ("x"):rep(1000) })
      db.config.echo = false
      run "SELECT 'silent'"
      local hidden = perilune.open("sqlite://", { echo = true, hide_parameters = true })
      hidden.session:execute(hidden.text "SELECT :a", { a = "secret" })]] })
    assert.equal("", result.out)
    local half = ("x"):rep(150)
    assert.truthy(result.err:find("%[sql [%d.]+ ms%] SELECT %?, %?, %?, %?  %(1, 'it''s', NULL, '"
      .. half .. " %.%.%. %(1000 bytes%) %.%.%. " .. half .. "'%)\n"), result.err)
    assert.is_nil(result.err:find("silent", 1, true))
    assert.is_nil(result.err:find("secret", 1, true))
    assert.truthy(result.err:find("SELECT ?  (hidden)", 1, true), result.err)
  end)

  it("abbreviate long lists of parameters", function()
    local trace = require "perilune.trace"
    local many = {}
    for i = 1, 100 do many[i] = i end
    assert.equal("(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, "
      .. "... 80 more ..., 99, 100)", trace.parameters(many))
    assert.equal("", trace.parameters {})
    assert.equal([[('a\x00b', 'Алиса', '\xff')]], trace.parameters { "a\0b", "Алиса", "\xff" })
  end)
end)
