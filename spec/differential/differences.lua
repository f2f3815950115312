-- SPDX-License-Identifier: MIT
-- Where Perilune is meant to differ from SQLAlchemy 1.4. Nothing else may.
--
-- `settings` are differences of configuration: the oracle is told to behave so,
-- and what remains is compared strictly. `declared` are differences of results:
-- an entry names the scenarios (a Lua pattern) and both results (patterns for
-- the lines that compare.lua makes), so that neither side can drift unnoticed.

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
    what = "lazy loading is batched, and what a commit expired is read again only when it "
      .. "can have changed",
    how = "the number of SELECTs may be lower, never higher; programs switch batching off, "
      .. "because it reads earlier",
  },
}

differences.declared = {}

-- The declared difference that explains d, or nil.
function differences.explain(d)
  for _, entry in ipairs(differences.declared) do
    if d.name:find(entry.scenario) and d.expected:find(entry.expected)
      and d.got:find(entry.got) then
      entry.used = (entry.used or 0) + 1
      return entry
    end
  end
  return nil
end

return differences
