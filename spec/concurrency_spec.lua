-- Several processes that write to one file at the same time: nothing is lost, nobody sees
-- "database is locked".
local perilune = require "perilune"
local run = require "spec.support.run"

local declare = [[
local perilune = require "perilune"
local db = perilune.open(arg[1], { busy_timeout = tonumber(arg[5]) })
local Counter = db.Model "Counter" {
  id = db.Column{db.Integer, primary_key = true},
  n = db.Column{db.Integer, nullable = false},
}
local Mark = db.Model "Mark" {
  id = db.Column{db.Integer, primary_key = true},
  who = db.Column{db.Integer, nullable = false},
  turn = db.Column{db.Integer, nullable = false},
  __table_args__ = { db.UniqueConstraint{"who", "turn"} },
}
local who, turns, mode = tonumber(arg[2]), tonumber(arg[3]), arg[4]
]]

-- Reads, then writes what it read and one more: a lost update shows in the counter.
local writer = declare .. [[
local runs = 0
for turn = 1, turns do
  db.session:begin({ mode = mode, retries = 1000 }, function()
    runs = runs + 1
    local counter = Counter.query:get(1)
    counter.n = counter.n + 1
    db.session:add(Mark{who = who, turn = turn})
  end)
end
db:close()
print(runs)
]]

-- Starts the writers at once, waits for all; what they printed.
local function race(folder, count, turns, mode, timeout)
  local script = folder .. "/writer.lua"
  run.write(script, writer)
  local uri = "sqlite:///" .. folder .. "/x.db"
  local parts = {}
  for who = 1, count do
    parts[who] = ("%s %s %s %d %d %s %d >%s/out%d 2>&1 &"):format(run.quote(run.program()), script, uri,
      who, turns, mode, timeout, folder, who)
  end
  assert(os.execute(table.concat(parts, " ") .. " wait"))
  local out = {}
  for who = 1, count do
    local file = assert(io.open(("%s/out%d"):format(folder, who)))
    out[who] = file:read "a"
    file:close()
  end
  return out
end

describe("processes that write at once", function()
  local folder, db, Counter, Mark

  before_each(function()
    folder = run.folder()
    db = perilune.open("sqlite:///" .. folder .. "/x.db")
    Counter = db.Model "Counter" {
      id = db.Column{db.Integer, primary_key = true},
      n = db.Column{db.Integer, nullable = false},
    }
    Mark = db.Model "Mark" {
      id = db.Column{db.Integer, primary_key = true},
      who = db.Column{db.Integer, nullable = false},
      turn = db.Column{db.Integer, nullable = false},
      __table_args__ = { db.UniqueConstraint{"who", "turn"} },
    }
    db:create_all()
    db.session:add(Counter{n = 0})
    db.session:commit()
  end)

  after_each(function()
    db:close()
    run.remove(folder)
  end)

  local function check(count, turns, mode, timeout)
    local out = race(folder, count, turns, mode, timeout)
    for who = 1, count do
      assert.matches("^%d+\n$", out[who])
      assert.is_true(tonumber(out[who]) >= turns)
      assert.equal(turns, Mark.query:filter_by{who = who}:count())
    end
    assert.equal(count * turns, Counter.query:one().n)
  end

  it("two, immediate, waiting for each other", function() check(2, 500, "immediate", 5000) end)
  it("two, deferred: who read first tries again", function() check(2, 400, "deferred", 5000) end)
  it("two that do not wait try again", function() check(2, 300, "immediate", 0) end)
  it("eight, immediate", function() check(8, 150, "immediate", 5000) end)
  it("eight, deferred, that hardly wait", function() check(8, 80, "deferred", 20) end)

  it("a failure of another kind is not tried again", function()
    local calls = 0
    local ok, err = pcall(function()
      db.session:begin({ retries = 5 }, function()
        calls = calls + 1
        db.session:add(Mark{who = 1, turn = 1})
        db.session:add(Mark{who = 1, turn = 1})
      end)
    end)
    assert.is_false(ok)
    assert.equal("IntegrityError", err.name)
    assert.equal(1, calls)
    assert.is_false(db.session:in_transaction())
  end)
end)

describe("a text that writes", function()
  local folder, uri, other, db

  before_each(function()
    folder = run.folder()
    uri = "sqlite:///" .. folder .. "/x.db"
    other = perilune.open(uri)
    db = perilune.open(uri, { busy_timeout = 30 })
    other.session:execute(other.text "create table t (a)")
    other.session:commit()
  end)

  after_each(function()
    db:close()
    other:close()
    run.remove(folder)
  end)

  local function insert(of, value)
    return of.session:execute(of.text "insert into t values (:a)", { a = value })
  end

  local function failure(fn, ...)
    local ok, err = pcall(fn, ...)
    assert.is_false(ok)
    return err.name
  end

  it("takes no lock when it is only explained", function()
    db.session:execute(db.text "explain insert into t values (1)")
    insert(other, 1)
    other.session:commit()
    assert.equal(1, other.session:scalar(other.text "select count(*) from t"))
  end)

  it("waits for who writes, and then finds the database locked", function()
    insert(other, 1)
    assert.equal("DatabaseLockedError", failure(insert, db, 2))
    db.session:rollback()
    other.session:commit()
    insert(db, 2)
    db.session:commit()
    assert.equal(2, db.session:scalar(db.text "select count(*) from t"))
  end)

  it("does so in a transaction that the script began", function()
    insert(other, 1)
    db.session:begin()
    assert.equal("DatabaseLockedError", failure(insert, db, 2))
    other.session:commit()
    insert(db, 2)
    db.session:commit()
    assert.equal(2, db.session:scalar(db.text "select count(*) from t"))
  end)

  it("cannot wait when the transaction has read", function()
    db.session:scalar(db.text "select count(*) from t")
    insert(other, 1)
    assert.equal("LockUpgradeError", failure(insert, db, 2))
  end)

  it("goes on when the other has committed", function()
    db:close()
    db = perilune.open(uri)
    run.write(folder .. "/holder.lua", [[
      local db = require "perilune".open(arg[1])
      db.session:execute(db.text "insert into t values (1)")
      print "ready"
      io.stdout:flush()
      os.execute "sleep 0.3"
      db.session:commit()
    ]])
    local holder = io.popen(("%s %s/holder.lua %s"):format(run.quote(run.program()), folder, uri))
    assert.equal("ready", holder:read())
    insert(db, 2)
    db.session:commit()
    holder:close()
    assert.equal(2, db.session:scalar(db.text "select count(*) from t"))
  end)
end)
