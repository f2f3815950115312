-- SPDX-License-Identifier: MIT
-- Fuzz target: any text as what a predicate returns.
local perilune = require "perilune"
local db = perilune.open "sqlite://"

local Person = db.Model "Person" {
  id = db.Column { db.Integer, primary_key = true },
  name = db.Column { db.String(40) },
  age = db.Column { db.Integer },
  active = db.Column { db.Boolean },
  born = db.Column { db.Date },
  data = db.Column { db.JSON },
  boss_id = db.Column { db.Integer, db.ForeignKey "person.id" },
  boss = db.relationship { "Person", remote_side = "id", backref = "team" },
}
db:create_all()
db.session:add_all { Person { name = "ann", age = 30, active = true, data = { a = { 1, "x" } } },
  Person { name = "bob", boss_id = 1 } }
db.session:commit()

-- What the text may name besides u. The function is not run, the text around it is.
local environment = {
  db = db, limit = 18, word = "ann", list = { 1, 2 }, missing = nil, date = db.date, string = string, math = math,
}

-- SQLite's ways to say that a statement is no SQL.
local broken = { "syntax error", "no such column", "no such table", "ambiguous column", "misuse",
  "unrecognized token", "incomplete input", "wrong number of", "sub%-select returns", "row value" }

local function judge(err)
  if type(err) ~= "table" then error("no error object: " .. tostring(err), 0) end
  if err.name == "CompileError" or not err.sql then return end
  for _, words in ipairs(broken) do
    if err.message:find(words) and not err.sql:find "func_" then error(tostring(err) .. "\n" .. err.sql, 0) end
  end
end

return function(bytes)
  local source = "return function(u) return " .. bytes .. "\nend"
  local words = {}
  for word in bytes:gmatch "%a+" do words[word] = true end
  -- Loops around the function would run; what calls back or leaves is not asked for.
  for _, word in ipairs { "while", "repeat", "for", "goto", "exit", "error", "Model", "Table", "session", "close",
    "drop_all", "engine", "func", "text", "rep", "random", "randomseed", "select", "query" } do
    if words[word] then return end
  end
  local chunk = load(source, nil, "t", environment)
  local ok, predicate = pcall(chunk or error)
  if not ok or type(predicate) ~= "function" then return end
  local made, query = pcall(function() return Person.query:where(predicate) end)
  if not made then return judge(query) end
  local first = query:sql()
  local again = Person.query:where(predicate):sql()
  if first ~= again then error("read twice, written differently:\n" .. first .. "\n" .. again, 0) end
  local ran, err = pcall(query.all, query)
  if not ran then
    judge(err)
    db.session:rollback()
  end
end
