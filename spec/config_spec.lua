-- Configuration: where settings come from, what they may be, how a db is told.

local perilune = require "perilune"
local run = require "spec.support.run"

local function raises(class, text, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal(class, type(err) == "table" and err.name or err)
  assert.truthy(tostring(err):find(text, 1, true), tostring(err))
  return err
end

describe("a configuration", function()
  local folder, config

  setup(function() folder = run.folder() end)
  teardown(function() run.remove(folder) end)
  before_each(function() config = perilune.App("x", { root_path = folder }).config end)

  local function file(name, text)
    run.write(folder .. "/" .. name, text)
    return folder .. "/" .. name
  end

  local function plain()
    local out = {}
    for k, v in pairs(config) do out[k] = v end
    return out
  end

  it("is a table of values", function()
    config.DATABASE_URI = "sqlite://"
    assert.equal("sqlite://", config.DATABASE_URI)
    assert.is_nil(config.ECHO)
    assert.equal("<Config of 1 settings>", tostring(config))
  end)

  it("takes upper-case names from a table", function()
    assert.is_true(config:from_mapping{A = 1, B_2 = false, c = 2, Mixed = 3, [1] = 4})
    assert.same({ A = 1, B_2 = false }, plain())
    raises("ArgumentError", "needs a table, got string", config.from_mapping, config, "A=1")
    raises("TypeError", "app.config:from_mapping(...)", config.from_mapping, { A = 1 })
  end)

  describe("from a file", function()
    it("that returns a table", function()
      local path = file("a.lua", "local n = 2 return { N = n * 2, T = {1}, x = 0 }")
      assert.is_true(config:from_file(path))
      assert.same({ N = 4, T = { 1 } }, plain())
    end)

    it("of lines KEY = value", function()
      config:from_file(file("b.lua",
        "NAME = 'b'\n-- no comment\nlocal two = 2\nTWO = two\nhelper = 1\n"))
      assert.same({ NAME = "b", TWO = 2 }, plain())
    end)

    it("of JSON", function()
      config:from_file(file("c.json",
        '{"ECHO": true, "N": 5, "BINDS": {"a": "sqlite://"}, "low": 1}'))
      assert.same({ ECHO = true, N = 5, BINDS = { a = "sqlite://" } }, plain())
      raises("ArgumentError", "must be a JSON object",
        config.from_file, config, file("d.json", "5"))
      raises("ValueError", "JSON", config.from_file, config, file("e.json", "{"))
    end)

    it("in the script's folder", function()
      file("beside.lua", "HERE = true")
      config:from_file "beside.lua"
      assert.is_true(config.HERE)
    end)

    it("that sees no global names", function()
      local path = file("evil.lua", "os.exit(1)")
      assert.has_error(function() config:from_file(path) end)
      assert.is_nil(_G.LEAKED)
      config:from_file(file("leak.lua", "LEAKED = 1"))
      assert.is_nil(_G.LEAKED)
      assert.equal(1, config.LEAKED)
    end)

    it("that is not there, or no configuration", function()
      raises("ArgumentError", "nowhere.lua: No such file", config.from_file, config, "nowhere.lua")
      assert.is_false(config:from_file("nowhere.lua", { silent = true }))
      raises("ArgumentError", "broken.lua:1", config.from_file, config, file("broken.lua", "= 5"))
      raises("ArgumentError", "must return a table, got number",
        config.from_file, config, file("five.lua", "return 5"))
      raises("ArgumentError", "needs a path, got nil", config.from_file, config)
      raises("TypeError", "app.config:from_file(...)", config.from_file, "x.lua")
    end)

    it("that is no text", function()
      raises("ArgumentError", "attempt to load a binary chunk",
        config.from_file, config, file("f.lua", string.dump(function() end)))
    end)
  end)

  it("comes from the environment, as JSON where it can be", function()
    local result = run.command({ run.program(), "-e", [[
      local config = require "perilune".App "x".config
      assert(config:from_env "BLOG")
      local names = {}
      for name in pairs(config) do names[#names + 1] = name end
      table.sort(names)
      print(table.concat(names, " "))
      print(config.DATABASE_URI, config.ECHO, math.type(config.N), config.TEXT, config.EMPTY == "")
      print(config.ENGINE_OPTIONS.busy_timeout, config.ENGINE_OPTIONS.pragmas.cache_size)
      print(config.BINDS.users, config.BINDS.a.url)]] }, { env = {
        BLOG_DATABASE_URI = "sqlite:///b.db", BLOG_ECHO = "true", BLOG_N = "5",
        BLOG_TEXT = "[plain", BLOG_EMPTY = "", BLOGGER = "no", OTHER_X = "no",
        BLOG_ENGINE_OPTIONS__busy_timeout = "100", BLOG_ENGINE_OPTIONS__pragmas__cache_size = "7",
        BLOG_BINDS = '{"users": "sqlite://"}', BLOG_BINDS__a__url = "sqlite://",
      } })
    assert.equal("", result.err)
    assert.equal("BINDS DATABASE_URI ECHO EMPTY ENGINE_OPTIONS N TEXT\n"
      .. "sqlite:///b.db\ttrue\tinteger\t[plain\ttrue\n100\t7\nsqlite://\tsqlite://\n", result.out)
  end)

  it("names the prefix with or without its underscore", function()
    local result = run.command({ run.program(), "-e", [[
      local config = require "perilune".App "x".config
      config:from_env() config:from_env "A_"
      print(config.X, config.Y)]] }, { env = { PERILUNE_X = "1", A_Y = "2" } })
    assert.equal("1\t2\n", result.out)
  end)
end)

describe("the configuration of a db", function()
  local function register(settings, options)
    local app = perilune.App("x", { config = settings })
    local db = perilune.Database(app, options)
    finally(function() db:close() end)
    return db, app
  end

  it("needs a database", function()
    for _, settings in ipairs { {}, { BINDS = {} }, { DATABASE_URI = perilune.null } } do
      raises("RuntimeError", "Either 'DATABASE_URI' or 'BINDS' must be set.", register, settings)
    end
  end)

  it("has the names of Flask-SQLAlchemy, too", function()
    local db, app = register {
      SQLALCHEMY_DATABASE_URI = "sqlite://", SQLALCHEMY_BINDS = { a = "sqlite://" },
      SQLALCHEMY_ENGINE_OPTIONS = { pragmas = { cache_size = 77 } },
      SQLALCHEMY_RECORD_QUERIES = true, SQLALCHEMY_TRACK_MODIFICATIONS = false,
      SQLALCHEMY_ECHO = false,
    }
    app:app_context(function()
      assert.equal("sqlite://", db.engine.url)
      assert.equal("sqlite://", db.engines.a.url)
      assert.equal(77, db.session:scalar(db.text "PRAGMA cache_size"))
      assert.is_true(db.config.record_queries)
    end)
    local plain, other = register { DATABASE_URI = "sqlite://", SQLALCHEMY_DATABASE_URI = "bad" }
    other:app_context(function() assert.equal("sqlite://", plain.engine.url) end)
  end)

  it("is checked, and each message names the setting and what it must be", function()
    for name, case in pairs {
      DATABASE_URI = { 5, "DATABASE_URI must be a string, got number" },
      SQLALCHEMY_DATABASE_URI = { {}, "SQLALCHEMY_DATABASE_URI must be a string, got table" },
      BINDS = { "sqlite://", "BINDS must be a table, got string" },
      ENGINE_OPTIONS = { true, "ENGINE_OPTIONS must be a table, got boolean" },
      ECHO = { "yes", 'ECHO must be a boolean or "debug", got string' },
      RECORD_QUERIES = { 1, "RECORD_QUERIES must be a boolean, got number" },
      TRACK_MODIFICATIONS = { "no", "TRACK_MODIFICATIONS must be a boolean, got string" },
    } do
      local settings = { DATABASE_URI = "sqlite://" }
      if name == "SQLALCHEMY_DATABASE_URI" then settings = {} end
      settings[name] = case[1]
      raises("ArgumentError", case[2], register, settings)
    end
  end)

  it("is checked inside its tables", function()
    for text, settings in pairs {
      ["BINDS must be a table name = URI"] = { BINDS = { "sqlite://" } },
      ["BINDS.a must be a string or a table, got number"] = { BINDS = { a = 5 } },
      ["BINDS.a needs a database URI in its field 'url'"] = { BINDS = { a = { echo = true } } },
      ["BINDS.a: unknown option 'pragma' (did you mean 'pragmas'?)"] =
        { BINDS = { a = { url = "sqlite://", pragma = {} } } },
      ["ENGINE_OPTIONS: unknown option 'bussy_timeout' (did you mean 'busy_timeout'?)"] =
        { ENGINE_OPTIONS = { bussy_timeout = 5 } },
      ["ENGINE_OPTIONS.busy_timeout must be a whole number, got number"] =
        { ENGINE_OPTIONS = { busy_timeout = 0.5 } },
      ["ENGINE_OPTIONS.busy_timeout must not be negative, got -1"] =
        { ENGINE_OPTIONS = { busy_timeout = -1 } },
      ["ENGINE_OPTIONS.pragmas must be a table, got string"] =
        { ENGINE_OPTIONS = { pragmas = "x" } },
      ["ENGINE_OPTIONS.pragmas must be a table name = value"] =
        { ENGINE_OPTIONS = { pragmas = { 1 } } },
      ["ENGINE_OPTIONS.pragmas.cache_size must be a string or a number or a boolean, got table"] =
        { ENGINE_OPTIONS = { pragmas = { cache_size = {} } } },
      ['unknown transaction_mode \'now\' (use "deferred" or "immediate")'] =
        { ENGINE_OPTIONS = { transaction_mode = "now" } },
    } do
      settings.DATABASE_URI = "sqlite://"
      raises("ArgumentError", text, register, settings)
    end
  end)

  it("knows the options of connection pools and ignores them", function()
    register { DATABASE_URI = "sqlite://", ENGINE_OPTIONS = {
      pool_size = 5, pool_recycle = 3600, pool_pre_ping = true, max_overflow = 0 } }
  end)

  it("is read once", function()
    local db, app = register { DATABASE_URI = "sqlite://" }
    app.config.DATABASE_URI = 5
    app:app_context(function() assert.equal("sqlite://", db.engine.url) end)
  end)

  it("leaves no trace of a registration that failed", function()
    local app = perilune.App("x", { config = { DATABASE_URI = "sqlite://", ECHO = 5 } })
    local db = perilune.Database()
    finally(function() db:close() end)
    raises("ArgumentError", "ECHO", db.init_app, db, app)
    app.config.ECHO, app.config.RECORD_QUERIES = nil, "x"
    raises("ArgumentError", "RECORD_QUERIES", db.init_app, db, app)
    app.config.RECORD_QUERIES = nil
    db:init_app(app)
  end)

  it("can be changed in db.config", function()
    local db, app = register { DATABASE_URI = "sqlite://" }
    assert.is_true(db.config.batch_lazy)
    assert.is_false(db.config.record_queries)
    db.config.batch_lazy = false
    assert.is_false(db.config.batch_lazy)
    app:app_context(function()
      db.session:scalar(db.text "SELECT 1")
      assert.equal(0, #db:get_recorded_queries())
      db.config.record_queries = true
      db.session:scalar(db.text "SELECT 2")
      assert.equal("SELECT 2", db:get_recorded_queries()[1].statement)
      db.config.record_queries = false
      db.session:scalar(db.text "SELECT 3")
      assert.equal(1, #db:get_recorded_queries())
    end)
    raises("ArgumentError", "did you mean 'batch_lazy'?", function() db.config.batch_lasy = 1 end)
    raises("ArgumentError", "unknown option 'x'", function() return db.config.x end)
    raises("ArgumentError", "db.config.batch_lazy must be a boolean, got number",
      function() db.config.batch_lazy = 1 end)
    assert.is_false(db.config.batch_lazy)
  end)

  it("may come from the constructor", function()
    local db = register({ DATABASE_URI = "sqlite://", RECORD_QUERIES = false },
      { record_queries = true, batch_lazy = false })
    assert.is_true(db.config.record_queries)
    assert.is_false(db.config.batch_lazy)
  end)
end)
