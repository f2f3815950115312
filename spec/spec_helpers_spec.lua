-- perilune.spec: what scripts' own specs use.

local perilune = require "perilune"
local spec = require "perilune.spec"
local run = require "spec.support.run"

local function models(db)
  local User = db.Model "User" {
    id = db.Column{db.Integer, primary_key = true},
    name = db.Column{db.String(50), nullable = false},
    email = db.Column{db.String(50), unique = true},
  }
  local Post = db.Model "Post" {
    id = db.Column{db.Integer, primary_key = true},
    title = db.Column{db.String(50)},
    user_id = db.Column{db.Integer, db.ForeignKey "user.id", nullable = false},
    user = db.relationship{"User", backref = "posts"},
  }
  return User, Post
end

-- The same tests with an app and without one, in memory and in a file.
local function rolls_back(what, make)
  describe("spec.use with " .. what, function()
    local target, db, User, close = make()

    teardown(close)
    spec.use(target)

    for round = 1, 2 do
      it("begins with no rows, time " .. round, function()
        assert.equal(0, User.query:count())
        db.session:add(User{name = "a"})
        db.session:commit()
        db.session:add(User{name = "b"})
        db.session:rollback()
        assert.equal(1, User.query:count())
      end)
    end

    it("takes back savepoints, bulk work and tables", function()
      db.session:begin_nested(function() db.session:add(User{name = "n"}) end)
      db.session:bulk_insert(User, { { name = "x" }, { name = "y" } })
      db.session:commit()
      assert.equal(3, User.query:count())
      db.session:execute(db.text "CREATE TABLE extra (a)")
      db.session:commit()
      assert.truthy(perilune.inspect(db):has_table "extra")
    end)

    it("has done so", function()
      assert.equal(0, User.query:count())
      assert.falsy(perilune.inspect(db):has_table "extra")
    end)

    it("checks deferred foreign keys at a commit", function()
      db.session:execute(db.text "CREATE TABLE p (id INTEGER PRIMARY KEY)")
      db.session:execute(db.text [[CREATE TABLE c (id INTEGER PRIMARY KEY,
        p_id INTEGER REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)]])
      db.session:commit()
      db.session:execute(db.text "INSERT INTO c VALUES (1, 7)")
      db.session:execute(db.text "INSERT INTO p VALUES (7)")
      db.session:commit()
      db.session:execute(db.text "INSERT INTO c VALUES (2, 8)")
      local ok, err = db.session:try_commit()
      assert.is_nil(ok)
      assert.equal("IntegrityError", err.name)
      assert.equal(787, err.code)
      assert.truthy(tostring(err):find('a row of "c" refers by p_id to a row of "p"', 1, true), tostring(err))
      db.session:rollback()
      assert.equal(1, db.session:scalar(db.text "SELECT count(*) FROM c"))
      db.session:execute(db.text "INSERT INTO c VALUES (3, 9)")
    end)

    it("keeps constraints", function()
      db.session:add_all{User{name = "a", email = "e"}, User{name = "b", email = "e"}}
      local ok, err = db.session:try_commit()
      assert.is_nil(ok)
      assert.equal("IntegrityError", err.name)
      db.session:rollback()
      assert.equal(0, User.query:count())
    end)

    it("can do without a commit", function() db.session:add(User{name = "left"}) end)

    it("leaves nothing of it", function() assert.equal(0, User.query:count()) end)
  end)
end

local function with_app(uri)
  return function()
    local app = perilune.App "specs"
    app.config.DATABASE_URI = uri
    local db = perilune.Database(app)
    return app, db, models(db), function() db:close() end
  end
end

local file = os.tmpname()
os.remove(file)

rolls_back("an app in memory", function()
  local app, db, User, _, close = with_app "sqlite://"()
  return app, db, User, close or function() db:close() end
end)

rolls_back("an app with a file", function()
  local app, db, User = with_app("sqlite:///" .. file)()
  return app, db, User, function()
    db:close()
    for _, ending in ipairs { "", "-wal", "-shm" } do os.remove(file .. ending) end
  end
end)

rolls_back("a db without an app", function()
  local db = perilune.open "sqlite://"
  local User = models(db)
  return db, db, User, function() db:close() end
end)

describe("spec.use", function()
  it("wants an App or a db", function()
    assert.error_matches(function() spec.begin {} end, "spec.use needs an App or a db")
    assert.error_matches(function() spec.begin(perilune.App "none") end, "has no database")
    assert.error_matches(function() spec.begin(perilune.Database()) end, "this db has no app")
  end)
end)

describe("assertions", function()
  local db = perilune.open "sqlite://"
  local User, Post = models(db)

  teardown(function() db:close() end)
  spec.use(db)

  before_each(function()
    for i = 1, 3 do
      db.session:add(User{name = "n" .. i, posts = {Post{title = "a"}, Post{title = "b"}}})
    end
    db.session:commit()
    db.session:expunge_all()
  end)

  -- How an assertion fails.
  local function failure(fn)
    local ok, err = pcall(fn)
    assert.falsy(ok)
    return type(err) == "table" and tostring(err.message or err) or tostring(err)
  end

  it("query_count counts statements", function()
    assert.query_count(2, function()
      User.query:all()
      User.query:filter_by{name = "x"}:first()
    end)
    assert.query_count(0, function() end)
    assert.is_not.query_count(2, function() User.query:all() end)
  end)

  it("query_count tells which ran where", function()
    local function two() return User.query:count(), Post.query:count() end
    local text = failure(function() assert.query_count(1, two) end)
    assert.truthy(text:find("expected 1 statements, got 2:\n  1. SELECT count", 1, true), text)
    assert.truthy(text:find("spec_helpers_spec.lua:", 1, true), text)
    assert.truthy(failure(function() assert.query_count(1) end):find("argument 2 must be a function", 1, true))
  end)

  it("query_count passes errors on and stops listening", function()
    assert.error_matches(function() assert.query_count(1, function() error "boo" end) end, "boo")
    assert.query_count(1, function() User.query:all() end)
  end)

  it("no_n_plus_one allows batches", function()
    assert.no_n_plus_one(function()
      for _, user in ipairs(User.query:all()) do assert.equal(2, #user.posts) end
    end)
  end)

  it("no_n_plus_one fails for a query in a loop", function()
    local function loop()
      for _, user in ipairs(User.query:all()) do Post.query:filter_by{user_id = user.id}:all() end
    end
    local text = failure(function() assert.no_n_plus_one(loop) end)
    assert.truthy(text:find("3 times at", 1, true), text)
    assert.truthy(text:find("FROM post WHERE post.user_id = ?", 1, true), text)
    assert.no_n_plus_one(loop, 4)
  end)

  it("row_exists looks into the database", function()
    assert.row_exists(User, { name = "n1" })
    assert.row_exists(User)
    assert.is_not.row_exists(User, { name = "n9" })
    local text = failure(function() assert.row_exists(User, { name = "n9" }) end)
    assert.truthy(text:find('there is no row of User with {name = "n9"}', 1, true), text)
    assert.error_matches(function() assert.row_exists("User", {}) end, "argument 1 must be a model")
  end)
end)

describe("a factory", function()
  local db = perilune.open "sqlite://"
  local User, Post = models(db)
  local user = spec.factory(User, {
    name = spec.sequence "user %d",
    email = function(values) return values.name:gsub(" ", "") .. "@example.org" end,
  })
  local post = spec.factory(Post, { title = "untitled", user = user })

  teardown(function() db:close() end)
  spec.use(db)

  it("makes objects with rows", function()
    local one, two = user(), user { name = "own" }
    assert.truthy(one.name:find "^user %d+$")
    assert.equal(one.name:gsub(" ", "") .. "@example.org", one.email)
    assert.same({ "own", "own@example.org" }, { two.name, two.email })
    assert.truthy(perilune.inspect(two).persistent)
  end)

  it("makes what belongs to them", function()
    local made = post()
    assert.equal("untitled", made.title)
    assert.row_exists(User, { name = made.user.name })
    local alice = user { name = "alice" }
    assert.equal(3, #post:list(3, { user = alice }))
    assert.equal(3, #alice.posts)
  end)

  it("can leave them without a row", function()
    local one = user:build()
    assert.truthy(perilune.inspect(one).transient)
    assert.equal(0, User.query:count())
  end)

  it("refuses fields that depend on each other in a circle", function()
    local circle = spec.factory(User, {
      name = function(values) return values.email end, email = function(values) return values.name end,
    })
    assert.error_matches(function() circle:build() end, "depends on itself")
  end)

  it("wants a model", function()
    assert.error_matches(function() spec.factory {} end, "needs a model")
  end)
end)

describe("perilune spec", function()
  it("runs busted in the program", function()
    local folder = run.folder()
    finally(function() run.remove(folder) end)
    run.command({ "mkdir", folder .. "/spec" })
    run.write(folder .. "/spec/a_spec.lua", [[
      local spec = require "perilune.spec"
      local perilune = require "perilune"
      local db = perilune.open "sqlite://"
      local Item = db.Model "Item" { id = db.Column{db.Integer, primary_key = true} }
      describe("an item", function()
        spec.use(db)
        it("is there", function()
          db.session:add(Item{})
          assert.row_exists(Item)
          assert.equal("spec", perilune.command)
        end)
        it("is not", function() assert.row_exists(Item) end)
      end)]])
    local program = run.command({ "realpath", run.program() }).out:match "[^\n]+"
    local result = run.command({ program, "spec", "-o", "TAP" }, { dir = folder })
    assert.equal(1, result.code)
    assert.truthy(result.out:find("ok 1 - an item is there", 1, true), result.out .. result.err)
    assert.truthy(result.out:find("not ok 2 - an item is not", 1, true), result.out)
    assert.truthy(result.out:find("there is no row of Item with {}", 1, true), result.out)
    assert.equal(0, run.command({ program, "spec", "--filter", "is there" }, { dir = folder }).code)
  end)
end)
