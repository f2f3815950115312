--- The db object: `perilune.Database(app)`, `perilune.open(uri)` and its methods.
-- One metadata per database, one session per context. Configuration is read once, when an
-- app is registered; see perilune.app for contexts.
-- @module perilune.database
local core = require "perilune.core"
local declare = require "perilune.declare"
local options = require "perilune.options"

local null = core.namespace.null
local raise = core.raise

local database = {}

--- Modules that a db without an app can do without.
local modules = setmetatable({}, { __index = function(loaded, name)
  loaded[name] = require("perilune." .. name)
  return loaded[name]
end })

-- ---- options ----------------------------------------------------------------------

--- What an engine can be told; those of connection pools are accepted and mean nothing here.
local engine_options = {
  pragmas = "table", busy_timeout = "integer", transaction_mode = "string", readonly = "boolean",
  create = "boolean", handle = "userdata", echo = 'boolean|"debug"', connect_args = "table",
  hide_parameters = "boolean",
  pool_size = true, max_overflow = true, pool_timeout = true, pool_recycle = true,
  pool_pre_ping = true, pool_use_lifo = true, pool_reset_on_return = true, poolclass = true,
  echo_pool = true, future = true, query_cache_size = true, isolation_level = true,
  logging_name = true, pool_logging_name = true,
}

local session_options = { autoflush = "boolean", expire_on_commit = "boolean", info = "table" }

local database_options = {
  engine_options = "table", pragmas = "table", busy_timeout = "integer",
  transaction_mode = "string", readonly = "boolean", create = "boolean", handle = "userdata",
  echo = 'boolean|"debug"', hide_parameters = "boolean", record_queries = "boolean",
  track_modifications = "boolean", batch_lazy = "boolean", naming_convention = "table",
  session_options = "table", model_class = "table", binds = "table",
}

local shortcuts = { "pragmas", "busy_timeout", "transaction_mode", "readonly", "create", "handle",
  "echo", "hide_parameters" }

--- Checks engine options and gives them as the C side reads them.
local function check_engine(what, given)
  options.check(what, given, engine_options)
  local out = {}
  for name, value in pairs(given) do out[name] = value end
  if given.connect_args then
    local timeout = given.connect_args.timeout
    options.expect(what .. ".connect_args.timeout", timeout, "number")
    if timeout and not out.busy_timeout then out.busy_timeout = math.floor(timeout * 1000) end
  end
  if out.busy_timeout and out.busy_timeout < 0 then
    raise("ArgumentError",
      ("%s.busy_timeout must not be negative, got %d"):format(what, out.busy_timeout))
  end
  for name, value in pairs(given.pragmas or {}) do
    if type(name) ~= "string" then
      raise("ArgumentError", what .. ".pragmas must be a table name = value")
    end
    options.expect(("%s.pragmas.%s"):format(what, name), value, "string|number|boolean")
  end
  return out
end

local function merge(...)
  local out = {}
  for i = 1, select("#", ...) do
    for k, v in pairs((select(i, ...))) do out[k] = v end
  end
  return out
end

local convention = { ix = 'string|boolean', uq = 'string|boolean', ck = 'string|boolean',
  fk = 'string|boolean', pk = 'string|boolean' }

--- Reads the options of a constructor once; what belongs to engines is kept for init_app.
local function read_options(db, what, given)
  options.check(what, given, database_options)
  local d = core.db_table(db)
  local engine = {}
  for _, name in ipairs(shortcuts) do engine[name] = given[name] end
  d.engine_options = check_engine("engine_options", merge(given.engine_options or {}, engine))
  if given.naming_convention then
    core.db_naming(db, options.check("naming_convention", given.naming_convention, convention))
  end
  if given.session_options then
    d.session_options = options.check("session_options", given.session_options, session_options)
  end
  d.given = given
end

-- ---- sessions ---------------------------------------------------------------------

local function set_up_session(d)
  return function(session)
    local given = d.session_options
    if not given then return end
    for _, name in ipairs { "autoflush", "expire_on_commit" } do
      if given[name] ~= nil then session[name] = given[name] end
    end
    for k, v in pairs(given.info or {}) do session.info[k] = v end
  end
end

--- The number of the app in force, under which its engines stand.
local function current_site(d)
  if not d.bound then return 0 end
  local app = modules.context.need().app
  local site = d.apps[app]
  if site then return site end
  raise("RuntimeError", ("The current app is not registered with this 'Database' instance. Did you "
    .. "forget to call 'init_app', or did you create multiple 'Database' instances?"))
end

-- ---- config -----------------------------------------------------------------------

--- Adds or removes a listener of statements kept under a name.
local function listen(db, name, on, make)
  local d = core.db_table(db)
  if d[name] then
    modules.trace.remove(db, d[name])
    d[name] = nil
  end
  if on then d[name] = modules.trace.add(db, make()) end
end

local setters = {}

function setters.echo(db, value)
  options.expect("db.config.echo", value, 'boolean|"debug"')
  listen(db, "echo_listener", value, function()
    return modules.trace.echo { hide_parameters = core.db_table(db).engine_options.hide_parameters }
  end)
end

function setters.record_queries(db, value)
  options.expect("db.config.record_queries", value, "boolean")
  listen(db, "record_listener", value, function() return modules.trace.recorder(db) end)
end

function setters.batch_lazy(db, value)
  options.expect("db.config.batch_lazy", value, "boolean")
  core.db_set(db, { batch_lazy = value })
end

function setters.track_modifications(db, value)
  options.expect("db.config.track_modifications", value, "boolean")
  if value or core.db_table(db).track_modifications then
    require "perilune.modifications".track(db, value)
  end
end

--- db.config: settings of a db that can be changed at any time.
local function new_config(db)
  local values = {
    echo = false, record_queries = false, batch_lazy = true, track_modifications = false,
  }
  local function check(name)
    if values[name] == nil then options.unknown("db.config", tostring(name), values) end
  end
  return setmetatable({}, {
    __name = "perilune.DatabaseConfig",
    __index = function(_, name)
      check(name)
      return values[name]
    end,
    __newindex = function(_, name, value)
      check(name)
      if value == nil then value = false end
      setters[name](db, value)
      values[name] = value
    end,
    __pairs = function() return next, values, nil end,
  })
end

-- ---- making a db ------------------------------------------------------------------

local made = {}

function made.engine(db, d)
  local all = modules.engine.all(db, current_site(d))
  if all[null] then return all[null] end
  raise("UnboundExecutionError", "the configuration has no DATABASE_URI for the default database")
end

function made.engines(db, d) return modules.engine.all(db, current_site(d)) end
function made.metadata(db) return modules.engine.metadata(db) end
function made.metadatas(db) return modules.engine.metadatas(db) end

function made.models(_, d)
  local models = {}
  for name, model in pairs(d.models) do
    if type(name) == "string" then models[name] = model end
  end
  return models
end

local function unknown_field(d, name)
  local names = { "session" }
  for _, t in ipairs { d.fields, made, core.namespace } do
    for k in pairs(t) do
      if type(k) == "string" then names[#names + 1] = k end
    end
  end
  table.sort(names)
  local near = core.nearest(tostring(name), names)
  raise("AttributeError", ("the database has no attribute '%s'"):format(tostring(name)),
    near and ("did you mean '" .. near .. "'?") or nil)
end

--- Fields that are made when asked for; C asks here last.
local function getter(db, name)
  local d = core.db_table(db)
  local make = made[name]
  if make then return make(db, d) end
  unknown_field(d, name)
end

--- Gives every model that inherits from none the fields of the option model_class.
local function add_base(d, base)
  if not options.expect("model_class", base, "table") then return end
  local factory = d.fields.Model
  local function build(name, spec)
    if type(spec) ~= "table" or spec.__inherits__ ~= nil then return factory(name, spec) end
    local mixins = { base, table.unpack(spec.__mixins__ or {}) }
    return factory(name, merge(spec, { __mixins__ = mixins }))
  end
  d.fields.Model = setmetatable({}, {
    __name = "perilune.ModelFactory",
    __call = function(_, name, spec)
      if spec then return build(name, spec) end
      return function(body) return build(name, body) end
    end,
  })
end

local function new(what, given, bound)
  local db = core.new_database()
  local d = core.db_table(db)
  d.getter, d.bound = getter, bound
  d.apps = setmetatable({}, { __mode = "k" })
  d.napps = 0
  d.check_context = function() return current_site(d) end
  d.new_session = set_up_session(d)
  core.db_set(db, { bound = bound })
  declare.attach(db)
  add_base(d, given.model_class)
  d.fields.config = new_config(db)
  read_options(db, what, given)
  local shared = core.shared()
  if shared.made then table.insert(shared.made.dbs, db) end
  shared.databases = shared.databases or setmetatable({}, { __mode = "k" })
  shared.databases[db] = true
  return db
end

--- Settings of listeners: those of the constructor, else those of the configuration.
local function start(db, config)
  local given = core.db_table(db).given
  local program = core.program()
  for name in pairs(setters) do
    local value = given[name]
    if value == nil then value = config[name] end
    if name == "echo" and program and program.echo then value = true end
    if value ~= nil then db.config[name] = value end
  end
  if program and program.report then require "perilune.report".watch(db) end
end

--- perilune.open(uri [, options]): a db for a script, without an app.
-- It has one session of its own. Relative files are taken from the working directory.
-- @function perilune.open
-- @string uri "sqlite://", "sqlite:///relative.db", "sqlite:////absolute.db"
-- @tab[opt] given engine_options, pragmas, busy_timeout, transaction_mode, readonly, create, echo,
-- record_queries, batch_lazy, naming_convention, session_options, binds
-- @treturn Database
function database.open(uri, given)
  uri, given = options.call(uri, given)
  if type(uri) ~= "string" then
    raise("ArgumentError", "perilune.open needs a database URI, got " .. type(uri),
      "write perilune.open \"sqlite:///file.db\"")
  end
  local db = new("perilune.open", given, false)
  local d = core.db_table(db)
  local cwd = core.cwd()
  core.db_engine(db, nil, uri, cwd, d.engine_options, 0)
  database.add_binds(db, given.binds or {}, cwd, 0, "binds")
  start(db, { echo = d.engine_options.echo })
  return db
end

--- Configures the databases of BINDS: key -> URI, or a table { url =, engine options }.
function database.add_binds(db, binds, root, site, what)
  local d = core.db_table(db)
  for key, value in pairs(binds) do
    local name = ("%s.%s"):format(what, tostring(key))
    if type(key) ~= "string" then
      raise("ArgumentError", what .. " must be a table name = URI")
    end
    options.expect(name, value, "string|table")
    local own, uri = {}, value
    if type(value) == "table" then
      own = merge(value)
      uri, own.url, own.uri, own[1] = value.url or value.uri or value[1], nil, nil, nil
    end
    if type(uri) ~= "string" then
      raise("ArgumentError", name .. " needs a database URI in its field 'url'")
    end
    core.db_engine(db, key, uri, root, merge(d.engine_options, check_engine(name, own)), site)
  end
end

--- perilune.Database(app [, options]), or perilune.Database([options]) and db:init_app(app).
-- @function perilune.Database
-- @tparam[opt] App app
-- @tab[opt] given as for perilune.open
-- @treturn Database
function database.Database(app, given)
  if not modules.app.is(app) then
    if type(app) == "table" then app, given = options.call(app, given) end
    if app ~= nil and not modules.app.is(app) then
      raise("ArgumentError",
        "perilune.Database needs an App, got " .. (core.class(app) or type(app)),
        "without an app use perilune.open(uri)")
    end
  end
  local db = new("perilune.Database", given or {}, true)
  if app then database.init_app(db, app) end
  return db
end

-- ---- registering with an app ------------------------------------------------------

--- A setting under its own name or Flask-SQLAlchemy's.
local function setting(config, name, kinds)
  local value = options.expect(name, config[name], kinds)
  if value ~= nil then return value end
  local old = "SQLALCHEMY_" .. name
  return options.expect(old, config[old], kinds)
end

--- A file of that name where the script was started, but none where it is looked for.
local function warn_misplaced(uri, app)
  local file = uri:match "^sqlite[^/]*:///([^/?:][^?]*)"
  if not file or file:find "^file:" then return end
  local cwd = core.cwd()
  if not cwd or cwd == app.instance_path then return end
  local there = app.instance_path .. "/" .. file
  if core.file_kind(cwd .. "/" .. file) and not core.file_kind(there) then
    warn(("%s is in the working directory, but the app's database is %s"):format(file, there))
  end
end

local function registered(app)
  if app.extensions.perilune then
    raise("RuntimeError", "A 'Database' instance has already been registered on this app. Import "
      .. "and use that instance instead.")
  end
end

--- Registers the db with an app and reads the app's configuration: DATABASE_URI, BINDS,
-- ENGINE_OPTIONS, ECHO, RECORD_QUERIES, TRACK_MODIFICATIONS, also with the prefix SQLALCHEMY_.
-- @function Database:init_app
-- @tparam App app
function database.init_app(db, app)
  local d = core.db_table(db)
  if not modules.app.is(app) then
    raise("ArgumentError", "db:init_app needs an App, got " .. (core.class(app) or type(app)))
  end
  if not d.bound then
    raise("InvalidRequestError", "a database made by perilune.open belongs to no app",
      "use perilune.Database(app)")
  end
  registered(app)
  local config = app.config
  for name in pairs(config) do
    if type(name) ~= "string" then
      core.raise("ArgumentError", ("the names in app.config are strings, got the %s %s")
        :format(math.type(name) or type(name), tostring(name)), "app.config.DATABASE_URI = ...")
    end
  end
  local uri, binds = setting(config, "DATABASE_URI", "string"), setting(config, "BINDS", "table")
  if not uri and (not binds or next(binds) == nil) then
    raise("RuntimeError", "Either 'DATABASE_URI' or 'BINDS' must be set.",
      "app.config.DATABASE_URI = \"sqlite:///file.db\"")
  end
  local engine = check_engine("ENGINE_OPTIONS", setting(config, "ENGINE_OPTIONS", "table") or {})
  local listeners = {
    echo = setting(config, "ECHO", 'boolean|"debug"'),
    record_queries = setting(config, "RECORD_QUERIES", "boolean"),
    track_modifications = setting(config, "TRACK_MODIFICATIONS", "boolean"),
  }
  if listeners.echo == nil then listeners.echo = engine.echo end
  local site = d.napps + 1
  if uri then
    core.db_engine(db, nil, uri, app.instance_path, merge(d.engine_options, engine), site)
    warn_misplaced(uri, app)
  end
  database.add_binds(db, binds or {}, app.instance_path, site, "BINDS")
  d.napps, d.apps[app], app.extensions.perilune = site, site, db
  start(db, listeners)
end

-- ---- tables -----------------------------------------------------------------------

--- Raises for a bind key that the configuration in force does not have.
function database.need_bind(db, key)
  if type(key) ~= "string" then
    raise("ArgumentError", "a bind key is a string, got " .. (core.class(key) or type(key)),
      "db.null is the default database")
  end
  local known = {}
  for name in pairs(modules.engine.all(db, current_site(core.db_table(db)))) do
    if name == key then return end
    if name ~= null then known[#known + 1] = name end
  end
  table.sort(known)
  raise("UnboundExecutionError", ("Bind key '%s' is not in the BINDS of the configuration"):format(key),
    #known > 0 and "the bind keys are " .. table.concat(known, ", ") or "there are no bind keys")
end

--- The bind keys that the option `bind` names: { false } for all, db.null inside for the default.
local function chosen_binds(db, bind)
  if bind == nil or bind == "__all__" then return { false } end
  if type(bind) ~= "table" or core.class(bind) ~= nil then bind = { bind } end
  for _, key in ipairs(bind) do
    if key ~= null then database.need_bind(db, key) end
  end
  return bind
end

local function chosen_tables(db, list)
  if list == nil then return nil end
  local out = {}
  for i, v in ipairs(list) do
    local is_model = core.class(v) == "perilune.Model"
    local t = is_model and v.__table__ or v
    if core.class(t) ~= "perilune.Table" then
      raise("ArgumentError", ("tables[%d] must be a model or a table, got %s")
        :format(i, core.class(v) or type(v)))
    end
    out[#out + 1] = t
    for _, index in ipairs(is_model and require "perilune.fts".tables(v) or {}) do out[#out + 1] = index end
    for _, log in ipairs(require "perilune.history".tables(db, t)) do out[#out + 1] = log end
  end
  return out
end

local function any_tables(db)
  if #core.db_tables(db) > 0 then return true end
  for _, key in ipairs(core.db_keys(db)) do
    if #core.db_tables(db, key) > 0 then return true end
  end
  return false
end

--- The names of the tables of a database; a session that was in no transaction is in none.
local function names_there(db, key)
  local idle, there = not db.session:in_transaction(), {}
  for _, name in ipairs(require "perilune.reflect".inspector(db, key):get_table_names()) do there[name] = true end
  if idle then core.session_rest(db.session) end
  return there
end

--- Runs a maker of tables with the events before and after it, for one database.
local function make_heard(db, what, run, key, tables)
  local event, suffix = require "perilune.event", what:match "^[^_]+"
  local metadata = require "perilune.engine".metadata(db, key)
  local there = names_there(db, key)
  local concerned, by_name = {}, {}
  for _, t in ipairs(tables or core.db_tables(db, key, true)) do
    if t.bind_key == key and (suffix == "create") ~= (there[t.name] or false) then
      concerned[#concerned + 1], by_name[t.name] = t, t
    end
  end
  event.schema(metadata, "before_" .. suffix, db.session, concerned)
  for _, t in ipairs(concerned) do event.schema(t, "before_" .. suffix, db.session) end
  local done = run(db, key, tables)
  for _, name in ipairs(done) do
    if by_name[name] then event.schema(by_name[name], "after_" .. suffix, db.session) end
  end
  event.schema(metadata, "after_" .. suffix, db.session, concerned)
  return done
end

--- The same for all databases that have tables, when key is false.
local function make_all_heard(db, what, run, key, tables)
  if key ~= false then return make_heard(db, what, run, key, tables) end
  local done
  for _, each in ipairs { null, table.unpack(core.db_keys(db)) } do
    if each == null then each = nil end
    if #core.db_tables(db, each) > 0 then
      local some = make_heard(db, what, run, each, tables)
      done = done and table.move(some, 1, #some, #done + 1, done) or some
    end
  end
  return done
end

local table_options = { bind = true, bind_key = true, tables = "table" }

local function make_tables(db, what, run, given)
  if type(given) == "string" or given == null then given = { bind = given } end
  given = options.expect("the options of " .. what, given, "table") or {}
  options.check("db:" .. what, given, table_options)
  local bind = given.bind
  if bind == nil then bind = given.bind_key end
  local binds = chosen_binds(db, bind)
  if not any_tables(db) then
    raise("InvalidRequestError", "no models are defined on this database",
      "did you require the files that define them?")
  end
  local tables = chosen_tables(db, given.tables)
  local done
  for _, key in ipairs(binds) do
    if key == null then key = nil end
    local heard = require "perilune.event".hears_schema(db)
    local some = heard and make_all_heard(db, what, run, key, tables) or run(db, key, tables)
    if not done then
      done = some
    else
      table.move(some, 1, #some, #done + 1, done)
    end
  end
  return done
end

--- Creates the tables that do not exist yet.
-- @function Database:create_all
-- @tab[opt] given bind = key, list of keys or db.null (default: all databases); tables = list of
-- models or tables
-- @treturn List names of the tables made
function database.create_all(db, given)
  return make_tables(db, "create_all", core.create_all, given)
end

--- Drops the tables that exist.
-- @function Database:drop_all
-- @tab[opt] given as for create_all
-- @treturn List names of the tables dropped
function database.drop_all(db, given)
  return make_tables(db, "drop_all", core.drop_all, given)
end

-- ---- closing ----------------------------------------------------------------------

--- Closes the db: its own session and every connection. Using it later is an error, but
-- closing it again is nothing.
-- @function Database:close
function database.close(db)
  if core.db_closed(db) then return end
  local closing = core.shared().closing
  if closing then closing(db) end
  local d = core.db_table(db)
  for _, session in pairs(d.sessions) do
    if not session.closed then session:close() end
  end
  for app in pairs(d.apps) do
    if app.extensions.perilune == db then app.extensions.perilune = nil end
  end
  core.db_close(db)
end

--- Statements recorded in the context in force (or, without an app, since the start), when
-- RECORD_QUERIES or db.config.record_queries is on.
-- @function Database:get_recorded_queries
-- @treturn table list of { statement =, parameters =, duration = seconds, location =, changes =,
-- bind_key = }
function database.get_recorded_queries(db)
  core.db_table(db)
  return modules.trace.recorded(db)
end

--- Puts the methods of db objects into the table that they share.
function database.install(namespace)
  for _, name in ipairs { "init_app", "create_all", "drop_all", "close", "get_recorded_queries" } do
    namespace[name] = database[name]
  end
end

return database
