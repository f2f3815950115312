-- perilune check: mistakes in scripts and models; perilune stubs: annotations.

local perilune = require "perilune"
local check = require "perilune.check"
local stubs = require "perilune.stubs"
local run = require "spec.support.run"

local function open()
  local db = perilune.open "sqlite://"
  local User = db.Model "User" {
    id = db.Column{db.Integer, primary_key = true},
    name = db.Column{db.String(100), nullable = false},
    born = db.Column{db.Date},
  }
  function User:greet() return "hi " .. self.name end
  function User.scopes.adults(query) return query:where(User.born:lt "2000-01-01") end
  local Post = db.Model "Post" {
    id = db.Column{db.Integer, primary_key = true},
    user_id = db.Column{db.Integer, db.ForeignKey "user.id", nullable = false, index = true},
    user = db.relationship{"User", backref = "posts"},
  }
  return db, User, Post
end

describe("check", function()
  local db, User, Post

  setup(function() db, User, Post = open() end)
  teardown(function() db:close() end)

  -- What is found in a script, as "line: text".
  local function finds(text)
    local out = {}
    for i, found in ipairs(check.script(text, { User = User, Post = Post })) do
      out[i] = found.line .. ": " .. found.text
    end
    return table.concat(out, "\n")
  end

  it("finds a dot where a colon belongs", function()
    assert.equal("1: call 'add' with a colon: session:add(...)\n2: call 'filter_by' with a colon: query:filter_by(...)",
      finds "db.session.add(u)\nUser.query.filter_by{name = 'x'}\nthing.add(1) f.query.other()")
  end)

  it("finds columns that are compared as values", function()
    local text = "'%s' compares columns as plain values: write User.name:%s(...)"
    for operator, method in pairs { ["=="] = "eq", ["~="] = "ne", ["<"] = "lt", [">="] = "ge" } do
      assert.equal("1: " .. text:format(operator, method), finds("where(User.name " .. operator .. " 'x')"))
    end
    assert.equal("1: " .. text:format("==", "eq"), finds "where('x' == User.name)")
    assert.equal("", finds "User.name:eq('x') if user.name == 'x' then end x.User.name = 1")
  end)

  it("finds Lua's and, or, not among conditions", function()
    assert.equal("2: 'and' in where(...) is Lua's and not the database's: write &",
      finds "q:where(User.id:eq(1) & User.id:eq(2))\nq:where(User.id:eq(1) and User.id:eq(2))")
    assert.equal("", finds "q:where(f(a and b)) local x = a and b where(a and b)")
  end)

  it("finds attributes that no model has", function()
    assert.equal("2: User has no attribute 'nme' (did you mean 'name'?)", finds "-- User.nam\nprint(User.nme)")
    assert.equal("1: User has no attribute 'nme' (did you mean 'name'?)",
      finds "local U = db.Model 'User' {} print(U.nme)")
    assert.equal("", finds "User.query User.posts User.greet User.scopes User.__table__ User._own")
    assert.equal("", finds "f() User.find() function User.find() end User.other = 1 User.other()")
    assert.equal("", finds "s = 'User.nme' t = [==[ User.nme ]] ]==] --[[ User.nme\n]] x.User.nme()")
  end)

  it("reads all of Lua's tokens", function()
    local texts = {}
    for i, token in ipairs(check.tokens "#!x\na.b:c{1.5e3, 0x1F, .5}\n[[x\n]] ~= // :: ... 'a\\'b'") do
      texts[i] = token.text .. "@" .. token.line
    end
    assert.equal("a@2 .@2 b@2 :@2 c@2 {@2 1.5e3@2 ,@2 0x1F@2 ,@2 .5@2 }@2 [[x\n]]@3 ~=@4 //@4 ::@4 ...@4 'a\\'b'@4",
      table.concat(texts, " "))
  end)

  it("finds nothing wrong with good models", function()
    assert.same({}, check.models(db))
  end)

  it("finds what is wrong with models", function()
    local other = perilune.open "sqlite://"
    finally(function() other:close() end)
    assert.same({ "the database has no models" }, check.models(other))
    other.Model "A" {
      id = other.Column{other.Integer, primary_key = true},
      b_id = other.Column{other.Integer, other.ForeignKey "b.id"},
      word = other.Column{other.String, unique = true, index = true},
    }
    local b = other.Model "B" { id = other.Column{other.Integer, primary_key = true}, n = other.Column(other.Integer) }
    other.session:execute(other.text "CREATE TABLE b (id INTEGER PRIMARY KEY, old TEXT)")
    local found = table.concat(check.models(other), "\n")
    for _, text in ipairs {
      "a.b_id: a foreign key without an index", "a.word: unique = true has an index already",
      "b.n: the table in the database lacks this column",
      "b.old: the table in the database has this column, no model does",
    } do
      assert.truthy(found:find(text, 1, true), text .. " in " .. found)
    end
    assert.truthy(b)
  end)

  it("finds keys that lead nowhere", function()
    local other = perilune.open "sqlite://"
    finally(function() other:close() end)
    other.Model "A" {
      id = other.Column{other.Integer, primary_key = true},
      b_id = other.Column{other.Integer, other.ForeignKey "b.id", index = true},
    }
    local found = table.concat(check.models(other), "\n")
    assert.truthy(found:find("a.b_id: the foreign key leads to table 'b', which no model declares", 1, true), found)
  end)
end)

describe("stubs", function()
  local text

  setup(function()
    local db = open()
    text = stubs.text(db)
    db:close()
  end)

  local function has(line) assert.truthy(text:find("\n" .. line .. "\n", 1, true), line) end

  it("are Lua that does nothing", function()
    assert.truthy(text:find "^%-%-%-@meta\n")
    assert.same({}, assert(load(text))())
  end)

  it("have a class for the objects of a model", function()
    has "---@class User"
    has "---@field id integer"
    has "---@field name string"
    has "---@field born? perilune.Date"
    has "---@field posts perilune.Collection|Post[]"
    has "---@field greet fun(self: User, ...: any): any"
    has "---@field user? User"
  end)

  it("have one for the model and one for its queries", function()
    has "---@overload fun(name: \"User\"): fun(fields: table): User.Model"
    has "---@overload fun(values?: User.Values): User"
    has "---@field query User.Query"
    has "---@field name perilune.Column"
    has "---@field nullable boolean"
    has "---@field first fun(self: User.Query): User?"
    has "---@field where fun(self: User.Query, ...: any): User.Query"
    has "---@field adults fun(self: User.Query, ...: any): User.Query"
  end)

  it("have every method of the library", function()
    local core = require "perilune.core"
    for class, short in pairs { ["perilune.Query"] = "Query", ["perilune.Session"] = "Session",
      ["perilune.Expression"] = "Expression", ["perilune.Collection"] = "Collection" } do
      for name in pairs(core.class_methods(class)) do
        if name:find "^%a" then
          assert.truthy(text:find(("---@field %s fun(self: perilune.%s"):format(name, short), 1, true), name)
        end
      end
    end
  end)
end)

describe("the program", function()
  local program, folder

  setup(function()
    program = run.command({ "realpath", run.program() }).out:match "[^\n]+"
    folder = run.folder()
    run.write(folder .. "/models.lua", [[
local db = require "perilune".open "sqlite://"
local User = db.Model "User" {id = db.Column{db.Integer, primary_key = true}, name = db.Column{db.String}}
return {db = db, User = User}]])
    run.write(folder .. "/good.lua", [[
local m = require "models"
return m.db]])
    run.write(folder .. "/bad.lua", [[
local m = require "models"
local User = m.User
if not require "perilune".command then
  m.db.session.add(User{})
  print(User.nme)
end]])
  end)

  teardown(function() run.remove(folder) end)

  local function call(...)
    return run.command({ program, ... }, { dir = folder })
  end

  it("checks a script and what it requires", function()
    assert.same({ out = "", err = "", code = 0 }, call("check", "good.lua"))
    assert.same({
      out = "bad.lua:4: call 'add' with a colon: session:add(...)\n"
        .. "bad.lua:5: User has no attribute 'nme' (did you mean 'name'?)\n",
      err = "", code = 1,
    }, call("check", "bad.lua"))
    assert.equal(1, call("check").code)
    assert.truthy(call("check", "nothing.lua").err:find("cannot open nothing.lua", 1, true))
  end)

  it("writes stubs", function()
    local result = call("stubs", "good.lua")
    assert.equal(0, result.code)
    assert.truthy(result.out:find("---@class User.Query: perilune.Query", 1, true))
    assert.equal(0, call("stubs", "--output", "types.lua", "good.lua").code)
    local file = assert(io.open(folder .. "/types.lua"))
    local text = file:read "a"
    file:close()
    assert.equal(result.out, text)
    assert.equal(1, call("stubs").code)
  end)
end)
