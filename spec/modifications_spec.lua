-- What a commit changed, told to listeners; fields that all models of a db share.

local perilune = require "perilune"

local db, User, told

local function open(options)
  db = perilune.open("sqlite://", options)
  User = db.Model "User" {
    id = db.Column{db.Integer, primary_key = true},
    name = db.Column{db.String(20)},
  }
  db:create_all()
  told = {}
  for _, event in ipairs { "before_models_committed", "models_committed" } do
    db.event.listen(db, event, function(session, changes)
      assert.equal(db.session, session)
      local words = {}
      for i, change in ipairs(changes) do words[i] = change[1].name .. ":" .. change[2] end
      told[#told + 1] = event .. " " .. table.concat(words, " ")
    end)
  end
end

after_each(function() db:close() end)

local function both(text)
  assert.same({ "before_models_committed " .. text, "models_committed " .. text }, told)
  told = {}
end

describe("with TRACK_MODIFICATIONS", function()
  before_each(function() open { track_modifications = true } end)

  it("a commit tells what it changed", function()
    local a, b = User{name = "a"}, User{name = "b"}
    db.session:add_all{a, b}
    db.session:commit()
    both "a:insert b:insert"
    a.name = "c"
    db.session:flush()
    db.session:delete(b)
    db.session:commit()
    both "c:update b:delete"
  end)

  it("an object counts once, with what became of it", function()
    local a = User{name = "a"}
    db.session:add(a)
    db.session:flush()
    a.name = "b"
    db.session:commit()
    both "b:insert"
    a.name = "c"
    db.session:flush()
    db.session:delete(a)
    db.session:commit()
    both "c:delete"
  end)

  it("nothing is told of nothing, nor of what was rolled back", function()
    db.session:commit()
    db.session:add(User{name = "a"})
    db.session:flush()
    db.session:rollback()
    db.session:commit()
    assert.same({}, told)
  end)

  it("a savepoint counts with the commit around it, unless it was rolled back", function()
    local a = User{name = "a"}
    db.session:add(a)
    db.session:commit()
    told = {}
    db.session:begin_nested(function() db.session:add(User{name = "b"}) end)
    assert.same({}, told)
    local point = db.session:begin_nested()
    db.session:add(User{name = "c"})
    db.session:delete(a)
    db.session:flush()
    point:rollback()
    db.session:commit()
    both "b:insert"
  end)

  it("it can be switched off and on", function()
    db.config.track_modifications = false
    db.session:add(User{name = "a"})
    db.session:commit()
    assert.same({}, told)
    db.config.track_modifications = true
    db.session:add(User{name = "b"})
    db.session:commit()
    both "b:insert"
  end)
end)

it("nothing is told without it", function()
  open()
  db.session:add(User{name = "a"})
  db.session:commit()
  assert.same({}, told)
end)

it("model_class gives its fields to every model", function()
  open { model_class = {
    shout = function(self) return self.name:upper() end,
    __tostring = function(self) return "I am " .. self.name end,
    created = nil,
  } }
  local user = User{name = "a"}
  assert.equal("A", user:shout())
  assert.equal("I am a", tostring(user))
  local Admin = db.Model "Admin" {
    __inherits__ = User,
    shout = function(self) return self.name .. "!" end,
  }
  assert.equal("b!", Admin{name = "b"}:shout())
  assert.equal("I am b", tostring(Admin{name = "b"}))
end)

it("model_class may declare columns", function()
  db = perilune.open("sqlite://", { model_class = { tenant = 5 } })
  assert.equal(5, db.Model "Plain" { id = db.Column{db.Integer, primary_key = true} }.tenant)
  local other = perilune.open("sqlite://", { model_class = {
    id = db.Column{db.Integer, primary_key = true}, note = db.Column{db.Text} } })
  local One, Two = other.Model "One" { a = other.Column{other.Text} }, other.Model "Two" {}
  other:create_all()
  other.session:add_all{One{a = "x", note = "y"}, Two{note = "z"}}
  other.session:commit()
  assert.same({ "y", "z" }, { One.query:one().note, Two.query:one().note })
  other:close()
end)
