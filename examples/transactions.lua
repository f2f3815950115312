-- How do I change several things together, or not at all?

local perilune = require "perilune"
local db = perilune.open "sqlite://"

local Account = db.Model "Account" {
  id      = db.Column{db.Integer, primary_key = true},
  owner   = db.Column{db.String(50), nullable = false, unique = true},
  balance = db.Column{db.Integer, nullable = false},
  __table_args__ = {db.CheckConstraint{"balance >= 0", name = "ck_balance"}},
  __tostring = function(self) return ("%s has %d"):format(self.owner, self.balance) end,
}

db:create_all()
local alice, bob = Account{owner = "alice", balance = 100}, Account{owner = "bob", balance = 20}
db.session:add_all{alice, bob}
db.session:commit()

-- A session is in a transaction from its first statement to commit or rollback.
alice.balance = 0
db.session:rollback()
print(alice)                                  -- as the database has it
db.session:rollback()                         -- reading has begun a transaction: end it

-- A function: committed when it returns, rolled back when it fails.
local function pay(from, to, amount)
  db.session:begin(function()
    to.balance = to.balance + amount
    db.session:flush()
    from.balance = from.balance - amount
  end)
end

pay(alice, bob, 30)
print(alice, bob)
db.session:rollback()

local ok, err = pcall(pay, bob, alice, 500)
print(ok, err.name)
print(alice, bob)

-- Savepoints: a part may fail and the rest is kept.
for _, owner in ipairs {"carol", "bob", "dave"} do
  local done = pcall(function()
    db.session:begin_nested(function() db.session:add(Account{owner = owner, balance = 1}) end)
  end)
  print(owner, done and "added" or "is there already")
end
db.session:commit()
print(Account.query:count())

-- As a value that the end of the block closes: rolled back when an error leaves it.
pcall(function()
  local _ <close> = db.session:begin()
  alice.balance = 1000000
  error "changed my mind"
end)
print(alice)
db.session:rollback()

-- Where several processes write: wait for the turn before reading, and try again if busy.
db.session:begin({mode = "immediate", retries = 3}, function()
  local account = Account.query:filter_by{owner = "dave"}:one()
  account.balance = account.balance + 5
end)
print(Account.query:filter_by{owner = "dave"}:one())

-- nil and the error instead of raising.
db.session:add(Account{owner = "erin", balance = -1})
local committed, reason = db.session:try_commit()
print(committed, reason.name)
db.session:rollback()
