-- Applications: names and folders, commands, registering databases, the context that the
-- program gives a script.

local perilune = require "perilune"
local run = require "spec.support.run"

local function raises(class, text, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal(class, type(err) == "table" and err.name or err)
  assert.truthy(tostring(err):find(text, 1, true), tostring(err))
  return err
end

local function memory_app(name)
  return perilune.App(name or "test", { config = { DATABASE_URI = "sqlite://" } })
end

local function item_model(db)
  return db.Model "Item" {
    id = db.Column{db.Integer, primary_key = true},
    name = db.Column{db.String(20)},
  }
end

describe("an App", function()
  it("has a name, an empty configuration and a folder for data", function()
    local app = perilune.App "blog"
    assert.equal("blog", app.name)
    assert.is_nil(next(app.config))
    assert.truthy(app.instance_path:find("^/.*/instance$"))
    assert.equal("<App 'blog'>", tostring(app))
  end)

  it("takes its settings beside the name", function()
    local app = perilune.App{"blog", instance_path = "/data/blog", config = { X = 1, y = 2 }}
    assert.equal("blog", app.name)
    assert.equal("/data/blog", app.instance_path)
    assert.equal(1, app.config.X)
    assert.is_nil(app.config.y)
    assert.equal("/srv/instance", perilune.App("b", { root_path = "/srv" }).instance_path)
  end)

  it("needs a name and knows its settings", function()
    raises("ArgumentError", "needs a name", perilune.App)
    raises("ArgumentError", "needs a name", perilune.App, "")
    raises("ArgumentError", "did you mean 'instance_path'?",
      perilune.App, "x", { instance_pat = "y" })
    raises("ArgumentError", "instance_path must be a string, got number",
      perilune.App, "x", { instance_path = 5 })
  end)

  it("says that methods are called with a colon", function()
    local app = perilune.App "x"
    raises("TypeError", "app:app_context(...)", app.app_context, function() end)
    raises("TypeError", "app:teardown(...)", app.teardown, function() end)
    raises("TypeError", "app.cli:command(name, fn)", app.cli.command, "seed", function() end)
  end)

  it("runs its commands in a context", function()
    local app = perilune.App "x"
    local fn = app.cli:command("add", function(a, b)
      return perilune.current_app(), a + b
    end, { help = "adds" })
    assert.is_function(fn)
    app.cli:command "greet" (function(name) return "hello " .. name end)
    assert.same({ "add", "greet" }, app.cli:names())
    assert.equal("adds", app.cli.commands.add.help)
    local current, sum = app.cli:run("add", 2, 3)
    assert.equal(app, current)
    assert.equal(5, sum)
    assert.equal("hello you", app.cli:run("greet", "you"))
    assert.is_false(perilune.has_app_context())
    raises("ArgumentError", "did you mean 'greet'?", app.cli.run, app.cli, "great")
    raises("ArgumentError", "must be a function", app.cli.command, app.cli, "x", 5)
    raises("ArgumentError", "needs a name", app.cli.command, app.cli)
  end)

  it("tells a shell its names", function()
    local app = memory_app()
    local db = perilune.Database(app)
    local Item = item_model(db)
    app:shell_context(function() return { answer = 42 } end)
    local names = app:make_shell_context()
    assert.same({ app = app, db = db, Item = Item, answer = 42 }, names)
    raises("ArgumentError", "needs a function", app.shell_context, app, 5)
    db:close()
  end)
end)

describe("perilune.Database", function()
  it("is registered at once or later", function()
    local app = memory_app()
    local db = perilune.Database()
    assert.equal("<Database>", tostring(db))
    db:init_app(app)
    assert.equal(db, app.extensions.perilune)
    assert.equal("<Database sqlite://>", tostring(db))
    db:close()
  end)

  it("takes options with or without an app", function()
    local app = memory_app()
    local one = perilune.Database{app, session_options = { autoflush = false }}
    app:app_context(function() assert.is_false(one.session.autoflush) end)
    one:close()
    local two = perilune.Database{session_options = { expire_on_commit = false, info = { a = 1 } }}
    local other = memory_app()
    two:init_app(other)
    other:app_context(function()
      assert.is_false(two.session.expire_on_commit)
      assert.equal(1, two.session.info.a)
    end)
    two:close()
    raises("ArgumentError", "did you mean 'echo'?", perilune.Database, nil, { ecko = true })
    raises("ArgumentError", "session_options.autoflush must be a boolean, got string",
      perilune.Database, { session_options = { autoflush = "no" } })
  end)

  it("is one for each app", function()
    local app = memory_app()
    local db = perilune.Database(app)
    raises("RuntimeError", "A 'Database' instance has already been registered on this app.",
      perilune.Database, app)
    raises("RuntimeError", "already been registered", db.init_app, db, app)
    db:close()
    perilune.Database(app):close()
  end)

  it("refuses what is no app", function()
    raises("ArgumentError", "needs an App, got string", perilune.Database, "sqlite://")
    raises("ArgumentError", "needs an App, got number", perilune.Database, 5)
    local db = perilune.Database()
    raises("ArgumentError", "db:init_app needs an App, got nil", db.init_app, db)
    db:close()
    local open = perilune.open "sqlite://"
    raises("InvalidRequestError", "belongs to no app", open.init_app, open, memory_app())
    open:close()
  end)

  it("says when the app in force is another one", function()
    local db = perilune.Database()
    raises("RuntimeError", "working outside of application context",
      function() return db.session end)
    perilune.App "stranger":app_context(function()
      raises("RuntimeError", "The current app is not registered with this 'Database' instance.",
        function() return db.session end)
      raises("RuntimeError", "is not registered", function() return db.engine end)
    end)
    db:close()
  end)

  it("serves the apps of a factory, each with its own databases", function()
    local db = perilune.Database()
    local Item = item_model(db)
    local function create_app(name)
      local app = memory_app(name)
      db:init_app(app)
      app:app_context(function() db:create_all() end)
      return app
    end
    local first, second = create_app "first", create_app "second"
    local function names() return db.select(Item.name):order_by(Item.id):scalars() end
    first:app_context(function()
      db.session:add(Item{name = "in first"})
      db.session:commit()
      second:app_context(function()
        assert.equal("[]", tostring(names()))
        db.session:add(Item{name = "in second"})
        db.session:commit()
      end)
      assert.equal("[in first]", tostring(names()))
    end)
    second:app_context(function() assert.equal("[in second]", tostring(names())) end)
    db:close()
  end)
end)

-- What only a process of its own can show.
describe("a script", function()
  local folder, program

  setup(function()
    folder, program = run.folder(), run.program()
    if not program:find "^/" then
      program = run.command({ "realpath", program }).out:match "[^\n]+"
    end
    run.write(folder .. "/settings.lua", "DATABASE_URI = 'sqlite:///blog.db'\nSECRET = 'x'\n")
    run.write(folder .. "/base.lua", [[
      local perilune = require "perilune"
      local app = perilune.App "blog"
      app.config:from_file "settings.lua"
      local db = perilune.Database(app)
      local Item = db.Model "Item" {
        id = db.Column{db.Integer, primary_key = true}, name = db.Column{db.String(20)} }
      return { perilune = perilune, app = app, db = db, Item = Item }]])
  end)

  teardown(function() run.remove(folder) end)

  local function script(text, interpreter)
    run.write(folder .. "/main.lua", [[
      package.path = arg[0]:match "^(.*)/" .. "/?.lua;" .. package.path
      local base = require "base"
      local perilune, app, db, Item = base.perilune, base.app, base.db, base.Item
    ]] .. text)
    return run.command({ interpreter or program, folder .. "/main.lua" },
      { env = interpreter and run.beside(program) or nil, dir = "/" })
  end

  local function kind(path)
    local file = io.open(folder .. "/" .. path)
    if file then file:close() end
    return file ~= nil
  end

  it("keeps its data in instance/ beside it, made when it is needed", function()
    local result = script "print(app.instance_path, app.config.SECRET)"
    assert.same({ out = folder .. "/instance\tx\n", err = "", code = 0 }, result)
    assert.is_false(kind "instance")
    result = script "app:app_context(function() print(db:create_all(), db.engine.path) end)"
    assert.same({ out = "[item]\t" .. folder .. "/instance/blog.db\n", err = "", code = 0 }, result)
    assert.is_true(kind "instance/blog.db")
  end)

  it("that made one App works in a context of it under perilune", function()
    local result = script [[
      db:drop_all() db:create_all()
      app:teardown(function(err) print("bye", err) end)
      db.session:add(Item{name = "kept"})
      db.session:commit()
      db.session:add(Item{name = "lost"})
      app:app_context(function() print(db.select(Item.name):scalars()) end)
      print(perilune.current_app() == app, db.select(Item.name):scalars())]]
    assert.same({ out = "[kept]\nbye\tnil\ntrue\t[kept, lost]\nbye\tnil\n", err = "", code = 0 },
      result)
    result = script "print(db.select(Item.name):scalars())"
    assert.equal("[kept]\n", result.out)
  end)

  it("that fails leaves its context all the same", function()
    local result = script [[
      app:teardown(function(err) print("teardown", err) end)
      db.session:begin()
      error "gone wrong"]]
    assert.equal("teardown\tthe script failed\n", result.out)
    assert.equal(1, result.code)
    assert.truthy(result.err:find("gone wrong", 1, true))
  end)

  it("reports what its last teardown function raises", function()
    local result = script [[
      app:teardown(function() error "cannot tidy up" end)
      db.session:begin()]]
    assert.equal(1, result.code)
    assert.truthy(result.err:find("cannot tidy up", 1, true), result.err)
  end)

  local outside = "print(select(2, pcall(function() return db.session end)))"

  it("has no such context with two Apps, when it wants none, or under lua", function()
    for _, result in ipairs {
      script("perilune.App 'other' " .. outside),
      script("app.config.IMPLICIT_CONTEXT = false " .. outside),
      script(outside, "lua5.4"),
    } do
      assert.equal(0, result.code, result.err)
      assert.truthy(result.out:find("RuntimeError: working outside of application context", 1,
        true), result.out)
      assert.truthy(result.out:find("app:app_context(function() ... end)", 1, true))
    end
  end)

  it("is told the way out that there is", function()
    local way = "wrap it in app:app_context(function() ... end)"
    local hint = "print(select(2, pcall(function() return db.session end)).hint)"
    local several = way .. ": a script with several apps must say in which\n"
    assert.equal(several, script("perilune.App 'other' " .. hint).out)
    assert.equal(several, script("perilune.App 'other' " .. hint, "lua5.4").out)
    assert.equal(several, script("perilune.App 'other' print(select(2, "
      .. "pcall(perilune.current_app)).hint)").out)
    assert.equal(way .. "\n", script("app.config.IMPLICIT_CONTEXT = false " .. hint).out)
    assert.equal(way .. ", or run the script with perilune\n", script(hint, "lua5.4").out)
  end)

  it("runs the same under lua with a context of its own", function()
    local text = "app:app_context(function() print(db.select(Item.name):scalars()) end)"
    local result = script(text, "lua5.4")
    assert.same({ out = "[kept]\n", err = "", code = 0 }, result)
  end)

  it("is told where a misplaced file was looked for", function()
    run.write(folder .. "/here.db", "")
    local result = run.command({ program, "-W", "-e", [[
      local perilune = require "perilune"
      local app = perilune.App("x", { instance_path = "elsewhere" })
      app.config.DATABASE_URI = "sqlite:///here.db"
      perilune.Database(app)]] }, { dir = folder })
    assert.equal(0, result.code)
    assert.equal("Lua warning: here.db is in the working directory, but the app's database is "
      .. folder .. "/elsewhere/here.db\n", result.err)
  end)
end)
