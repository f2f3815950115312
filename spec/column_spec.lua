-- SPDX-License-Identifier: MIT
-- What a column says of itself: User.name.type, .nullable, .info ...

local perilune = require "perilune"
local raised = require "spec.support.raised"

describe("a column", function()
  local db, User, user

  setup(function()
    db = perilune.open "sqlite://"
    User = db.Model "User" {
      id = db.Column{db.Integer, primary_key = true},
      name = db.Column{"full_name", db.String(100), nullable = false, index = true, default = "x",
                       server_default = "y", comment = "as in the passport", info = {label = "Name"}},
      code = db.Column{db.Numeric(10, 2), unique = true, default = function() return 1 end,
                       onupdate = db.func.random()},
      mood = db.Column{db.Enum{"good", "bad"}, collation = "NOCASE"},
      boss_id = db.Column{db.ForeignKey{"user.id", ondelete = "SET NULL"}},
      bio = db.Column{db.Text, deferred = true},
      double = db.Column{db.Integer, db.Computed "id * 2"},
      data = db.Column{db.JSON},
    }
    user = User.__table__.c
  end)

  teardown(function() db:close() end)

  it("has the names of its attribute and in the database", function()
    assert.equal("full_name", User.name.name)
    assert.equal("name", User.name.key)
    assert.equal("full_name", user.full_name.name)
    assert.equal("id", User.id.key)
    assert.equal("full_name", db.aliased(User).name.name)
    assert.equal("user", User.name.table.name)
  end)

  it("has its type", function()
    assert.equal("String(100)", tostring(User.name.type))
    assert.equal(100, User.name.type.length)
    assert.equal(2, User.code.type.scale)
    assert.same({ "good", "bad" }, User.mood.type.words)
    assert.equal("Integer", User.boss_id.type.kind)
    local copy = db.Table{"copy", db.Column{"mood", User.mood.type}}
    assert.same({ "good", "bad" }, copy.c.mood.type.words)
  end)

  it("has what was declared", function()
    assert.is_false(User.name.nullable)
    assert.is_true(User.code.nullable)
    assert.is_true(User.id.primary_key)
    assert.is_false(User.name.primary_key)
    assert.is_true(User.name.index)
    assert.is_true(User.code.unique)
    assert.is_true(User.bio.deferred)
    assert.equal("NOCASE", User.mood.collation)
    assert.equal("as in the passport", User.name.comment)
    assert.equal("id * 2", User.double.computed)
    assert.is_nil(User.name.computed)
  end)

  it("has its defaults as they were given", function()
    assert.equal("x", User.name.default)
    assert.equal("'y'", User.name.server_default)
    assert.equal(1, User.code.default())
    assert.equal("random()", tostring(User.code.onupdate))
    assert.is_nil(User.id.default)
    assert.is_nil(User.name.onupdate)
  end)

  it("has an info that stays", function()
    assert.equal("Name", User.name.info.label)
    User.id.info.seen = true
    assert.is_true(user.id.info.seen)
    assert.equal("Name", perilune.inspect(User).columns.name.info.label)
  end)

  it("has its foreign keys", function()
    assert.same({}, User.name.foreign_keys)
    local key = User.boss_id.foreign_keys[1]
    assert.equal("user.id", key.target)
    assert.equal("SET NULL", key.ondelete)
  end)

  it("is told from a path into JSON", function()
    assert.truthy(tostring(User.data.name):find('$."name"', 1, true), tostring(User.data.name))
    assert.equal("JSON", perilune.inspect(User).columns.data.type)
  end)

  it("still has its methods, and no others", function()
    assert.equal("userdata", type(User.name:eq "x"))
    raised("AttributeError", function() return User.name.nulable end)
    raised("AttributeError", function() return User.name[1] end)
    assert.is_false(pcall(function() User.name.name = "x" end))
  end)

  it("of a subquery, and a label, have a name and a type", function()
    local label = db.func.count(User.id):label "n"
    assert.equal("n", label.name)
    assert.equal("n", label.key)
    assert.equal("Integer", label.type.kind)
    local rows = db.select(User.name, label):group_by(User.name):subquery "s"
    assert.equal("n", rows.c.n.name)
    assert.equal("full_name", rows.c.full_name.name)
    assert.equal("String(100)", tostring(rows.c.full_name.type))
    raised("AttributeError", function() return label.nullable end)
  end)

  it("is what table.c lists", function()
    local names = {}
    for _, c in ipairs(db.Table{"plain", db.Column{"a", db.Integer}, db.Column{"b", db.String}}.c) do
      names[#names + 1] = c.name
    end
    assert.same({ "a", "b" }, names)
  end)
end)

describe("an index made after its table", function()
  local db, N

  before_each(function()
    db = perilune.open "sqlite://"
    N = db.Model "N" {
      id = db.Column { db.Integer, primary_key = true },
      s = db.Column { "word", db.String },
      n = db.Column { db.Integer },
    }
  end)

  after_each(function() db:close() end)

  local function made()
    db:create_all()
    local rows = db.session:execute(db.text [[
      SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name]])
    local out = {}
    for i, row in ipairs(rows:all()) do out[i] = row[1] end
    return out
  end

  it("is made with the table of the attributes that it names", function()
    db.Index { "ix_low", db.func.lower(N.s), N.n:desc() }
    db.Index { "ix_some", "n", N.s, unique = true, where = N.n:gt(0) }
    db.Index { nil, N.n }
    assert.same({
      "CREATE INDEX ix_low ON n (lower(word), n DESC)",
      "CREATE INDEX ix_n_n ON n (n)",
      "CREATE UNIQUE INDEX ix_some ON n (n, word) WHERE n > 0",
    }, made())
  end)

  it("is made with a db.Table, and once where __table_args__ has it as well", function()
    local t = db.Table { "t", db.Column { "a", db.Integer } }
    db.Index { "ix_t", t.c.a }
    db.Model "Sub" { __inherits__ = N, __table_args__ = { db.Index { "ix_sub", N.n } } }
    assert.same({ "CREATE INDEX ix_sub ON n (n)", "CREATE INDEX ix_t ON t (a)" }, made())
  end)

  it("refuses columns of another table, and expressions without a name", function()
    local Other = db.Model "Other" { id = db.Column { db.Integer, primary_key = true } }
    assert.equal("ArgumentError", raised(db.Index, { "ix_both", N.n, Other.id }).name)
    assert.matches("has no name", raised(db.Index, { db.func.lower(N.s) }).message)
    assert.equal("ArgumentError", raised(db.Index, { "ix_none", N.n, "nothing" }).name)
    assert.same({}, made())
  end)
end)
