-- SPDX-License-Identifier: MIT
-- Where Perilune is meant to differ from SQLAlchemy 1.4. Nothing else may.
--
-- `settings` are differences of configuration: the oracle is told to behave so,
-- and what remains is compared strictly. `declared` are differences of results:
-- an entry names the scenarios (a Lua pattern) and both results (patterns for
-- the lines that compare.lua makes; "|" parts alternatives of what Perilune gives), so
-- that neither side can drift unnoticed.

local differences = {}

differences.settings = {
  {
    what = "foreign keys are enforced",
    how = "the oracle's connections switch them on",
  },
  {
    what = "savepoints and DDL are truly inside the transaction",
    how = "the oracle's connections begin transactions themselves",
  },
  {
    what = "children with a NOT NULL foreign key are left to the database with their parent",
    how = "the oracle's relationship gets passive_deletes='all' (leave_to_database)",
  },
  {
    what = "commit and rollback inside a savepoint end the outermost transaction",
    how = "the oracle repeats them until it is ended",
  },
  {
    what = "a bulk update chooses by itself how to keep objects current",
    how = "the oracle tries 'evaluate', then 'fetch'",
  },
  {
    what = "a query of one entity gives each once, as Query does; rows of several things stay "
      .. "as they are, as select() does",
    how = "the oracle executes the statement of a query of several things",
  },
  {
    what = "lazy loading is batched, and what a commit expired is read again only when it "
      .. "can have changed",
    how = "the number of SELECTs may be lower, never higher; programs switch batching off, "
      .. "because it reads earlier",
  },
}

differences.declared = {
  {
    scenario = "^functions: between as a value$", expected = "i:[01]", got = "true|false",
    reason = "BETWEEN is a condition, so as a value it is a boolean like every other",
  },
  {
    scenario = "^ends: first after limit zero$", expected = "o:Tag#1", got = "{nil}",
    reason = "a limit of no rows gives no row; Query.first() puts its own limit in its place",
  },
  {
    scenario = "^ends: error: .* after limit$", expected = "InvalidRequestError", got = "rows|o:",
    reason = "clauses may come in any order, as in select(); only Query refuses them",
  },
  {
    scenario = "^changes: autoflush before text$", expected = "s:loud", got = "s:quiet",
    reason = "session:execute flushes whatever the statement, as SQLAlchemy 2.1 does",
  },
  {
    scenario = "^changes: ", where = "^SELECTs$", expected = "^%d+$", got = "^%d+$",
    reason = "a bulk change asks the database which loaded objects it touched, and these are "
      .. "read again; conditions are not evaluated a second time in memory",
  },
}

-- One of the alternatives, which "|" parts.
local function matches(text, patterns)
  for pattern in patterns:gmatch "[^|]+" do
    if text:find(pattern) then return true end
  end
  return false
end

-- The declared difference that explains d, or nil.
function differences.explain(d)
  for _, entry in ipairs(differences.declared) do
    if d.name:find(entry.scenario) and d.where:find(entry.where or "")
      and d.expected:find(entry.expected) and matches(d.got, entry.got) then
      entry.used = (entry.used or 0) + 1
      return entry
    end
  end
  return nil
end

return differences
