-- History: a model that keeps every version of its rows, whoever changes them.
local perilune = require "perilune"

local db = perilune.open "sqlite://"

local Account = db.Model "Account" {
  id      = db.Column{db.Integer, primary_key = true},
  owner   = db.Column{db.String(40), nullable = false},
  balance = db.Column{db.Integer, nullable = false},
  __versioned__ = true,
}

db:create_all()
db.session.info.actor = "teller 7"

local account = Account{owner = "Ann", balance = 100}
db.session:add(account)
db.session:commit()

account.balance = 80
db.session:commit()

db.session.info.reason = "yearly interest"
db.session:execute(db.text "UPDATE account SET balance = balance + 5")   -- raw SQL is recorded, too
db.session:commit()

for _, version in ipairs(account:history()) do
  print(version.transaction, version.operation, version.owner, version.balance)
end

-- The rows as they were at a time. Each version knows when it began.
local second = account:history()[2]
print(Account.query:as_of(second.from):one().balance, account.balance)
print(db.select(db.func.sum(Account.balance)):as_of(second.from):scalar())

-- What a transaction changed, and who did it.
local last = db.session:transactions()[1]
for _, change in ipairs(db.session:changes(last.id)) do
  print(last.actor, last.reason, change.operation, change.table, change.old.balance, change.new.balance)
end

-- Taking it back; that is a transaction like any other.
db.session:undo(last.id)
db.session:commit()
print(account.balance, #account:history())

-- A row that has other values by now stops an undo that would lose them.
account.balance = 1
db.session:commit()
local _, err = pcall(db.session.undo, db.session, 2)
print(err.name, err.message)
