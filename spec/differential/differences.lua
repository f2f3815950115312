-- SPDX-License-Identifier: MIT
-- Where Perilune is meant to differ from SQLAlchemy 1.4. Nothing else may.
--
-- `settings` are differences of configuration: the oracle is told to behave so,
-- and what remains is compared strictly. `declared` are differences of results:
-- an entry names the scenarios (a Lua pattern) and both results (patterns for
-- the lines that compare.lua makes, alternatives parted by "|"), so that neither side
-- can drift unnoticed.

local differences = {}

differences.settings = {
  {
    what = "when a flush comes by itself between two others",
    how = "random programs count changes at the next flush, query or commit",
  },
  {
    what = "an UPDATE of what is as it was is spared, also where that was never read",
    how = "random programs may have fewer UPDATEs, never more; all tables are compared",
  },
  {
    what = "a foreign key that fails is looked up, so that the error can name the attribute",
    how = "what is read by an operation that ends in an IntegrityError does not count",
  },
  {
    what = "what new objects remember of each other after a rollback",
    how = "random programs forget them then; the written ones say what is promised",
  },
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

-- Where SQLAlchemy is at fault: a random program is compared up to there (and on, when both
-- end with the same error). unit.py sees them, and the last when a session cannot even be
-- rolled back. Those that are no accident of a rollback have a written program "at fault",
-- with what Perilune does instead.
differences.faults = {
  "a new object that was put into a relationship with one of the session is not in the "
    .. "session, because a cascade along its former parent came in between, or because the "
    .. "relationship held it already",
  "a new object that lets go of another new one brings it into the session all the same",
  "a new object is left out, because it was once taken from a list, though another refers to it",
  "a flush writes a row of a many-to-many table for an object that it deletes, and fails",
  "a flush keeps a reference to an object that it deletes, and fails",
  "a flush finds that objects need each other, though some of them have their rows",
  "a flush forgets to delete what a list of a new object holds, and deletes it the next time",
  "a new object stays in the session, though its owner is deleted with all that it owns",
  "new objects that need no other are not inserted in the order in which they were added, "
    .. "because one that did not stay was added before them, or a reference was set to nothing",
  "an object is deleted with its owner by the database, though it was added again",
  "an object cannot be added, because it still refers to one whose row was deleted",
  "after a rollback of everything from within a savepoint, objects that were new have lost "
    .. "what the savepoint expired",
  "an AssertionError",
}

differences.declared = {
  {
    scenario = "^functions: between as a value$", expected = "i:[01]", got = "true|false",
    reason = "BETWEEN is a condition, so as a value it is a boolean, as with = and IN on both sides",
  },
  {
    scenario = "^ends: first after limit zero$", expected = "o:Tag#1", got = "{nil}",
    reason = "a limit of no rows gives no row, as it does with select(); Query.first() puts its own "
      .. "limit in its place",
  },
  {
    scenario = "^ends: error: .* after limit$", expected = "InvalidRequestError", got = "rows|o:",
    reason = "a query is what select() is, where clauses may come in any order and mean the same; "
      .. "only Query refuses them",
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
  {
    scenario = "^states: refresh a vanished row$|^random: ", where = "%(refresh%)$",
    expected = "error InvalidRequestError", got = "error ObjectDeletedError",
    reason = "refresh() and reading an expired attribute tell of a vanished row in one way",
  },
  {
    scenario = "^states: close$", expected = "q=detached", got = "q=transient",
    reason = "close() rolls back first, so an object whose row was not committed is new again",
  },
  {
    scenario = "^states: detached read of an expired attribute$",
    expected = "error DetachedInstanceError", got = "s:a",
    reason = "values that a commit left as they are stay readable without a session",
  },
  {
    scenario = "^states: get of a deleted object$|^flush: autoflush on a refresh$",
    expected = "{nil}|p=deleted|INSERT parent 1|DELETE parent 1|q=persistent",
    got = "{p}|p=persistent|{}|q=pending",
    reason = "what a commit left as it is is not read again, so nothing is flushed before that",
  },
  {
    scenario = "^flush: a default .* null$", expected = "i:5|^{1 . NULL . 5 ",
    got = "nil|^{1 . NULL . NULL ",
    reason = "an attribute set to NULL is NULL; the default does not come back",
  },
  {
    scenario = "^flush: use after a failed flush$|^relations: reference to null %(strict%)$",
    where = "%(flush%)", expected = "{done}", got = "error PendingRollbackError",
    reason = "every use of a session after a failed flush says so, a flush of nothing too",
  },
  {
    scenario = "^flush: removal of a key part$", expected = "error AssertionError",
    got = "error FlushError",
    reason = "the error has a class of its own",
  },
  {
    scenario = "^events: append and remove$|^events: replace a list$|^events: move of a child$",
    expected = "^{transient_to_pending [cd] . append children p ",
    got = "^{append children p .* . transient_to_pending [cd]}$",
    reason = "a listener hears of an attribute before what follows from it, because it may "
      .. "replace the value or refuse it",
  },
  {
    scenario = "^events: many to many$", expected = "before_%a+ g . after_%a+ g . before_%a+ u",
    got = "before_%a+ u . after_%a+ u . before_%a+ g",
    reason = "tables that do not refer to each other are written in order of declaration",
  },
  {
    scenario = "^events: update without a change$", expected = "before_flush . before_update p",
    got = "^{}$",
    reason = "an object that was set to what it was is not flushed",
  },
  {
    scenario = "at fault: new child moved from a new parent$", expected = "p=pending",
    got = "p=transient",
    reason = "the cascade follows what an object refers to, not what it has let go of",
  },
  {
    scenario = "at fault: stored child put under a deleted parent$",
    expected = "^error IntegrityError$|p=persistent", got = "^{done}$|p=deleted",
    reason = "what refers to an object that is deleted lets go of it, whenever it came there",
  },
  {
    scenario = "at fault: stored node below its new child$",
    expected = "^error CircularDependencyError$|a=transient", got = "^{done}$|a=persistent",
    reason = "only what changes has an order: a row that is there can refer to any other",
  },
  {
    scenario = "at fault: new node taken from a list and referred to$",
    expected = "^{INSERT node 1}$|a=transient", got = "^{INSERT node 2}$|a=persistent",
    reason = "an object that another of the session refers to is saved with it",
  },
  {
    scenario = "^relations: many to many: append .*and delete the other",
    expected = "^error IntegrityError$|v=persistent$", got = "^{done}$|v=persistent$|v=deleted$",
    reason = "no row is written for a pair of which one is deleted",
  },
  {
    scenario = "at fault: order of new nodes", where = "%(attr%)$", expected = "^{i:[12]}$",
    got = "^{i:[12]}$",
    reason = "objects that need no other are inserted in the order in which they were added",
  },
  {
    scenario = "at fault: new child of a deleted owner$",
    expected = "c=pending p=persistent", got = "c=transient p=persistent",
    reason = "the cascade of a deletion takes new objects out of the session",
  },
  {
    scenario = "at fault: deleted child of a new parent$",
    expected = "^{INSERT parent 1 . UPDATE child 1}$|c=persistent",
    got = "^{INSERT parent 1 . DELETE child 1}$|c=deleted",
    reason = "what is to be deleted is deleted by the next flush",
  },
  {
    scenario = "^relations: one to one: replace", where = "%(attr%)$", expected = "{p}", got = "{nil}",
    reason = "both sides agree in memory: the card that was replaced has no person",
  },
  {
    scenario = "^relations: one to one: move", where = "%(%a+%), changes$",
    expected = "{UPDATE card 1}|{}", got = "{UPDATE card 1}|{}",
    reason = "the person that loses the card is told at once, so nothing is read later",
  },
  {
    scenario = "^relations: kept: set null by the database$", expected = "^{DELETE parent 1}$",
    got = "^{UPDATE child 1 . DELETE parent 1}$",
    reason = "children that a commit left loaded are children that are loaded",
  },
  {
    scenario = "^relations: joined loading$|^relations: selectin loading$", where = "^SELECTs$",
    expected = "%d", got = "%d",
    reason = "what expired is read again without what relates to it, which is read when needed",
  },
  {
    scenario = "^loaders: .*immediate", where = "SELECTs$", expected = "^%d$", got = "fewer$",
    reason = "an immediate load is made once for all objects of a result",
  },
  {
    scenario = "^loaders: .*: again$|: parents that are known$|: back again$|: some of a list$"
      .. "|: load only and delete$|: of a new object$", where = "SELECTs$", expected = "^%d$", got = "fewer$",
    reason = "what is known is not read again: related objects of the session, a list that was "
      .. "read when its owner was new, columns that nobody asks for",
  },
  {
    scenario = "^loaders: lists, raise.*: of a new object", where = "%(sorted%)$",
    expected = "error InvalidRequestError", got = "^{}$",
    reason = "a list that was read when its owner was new is known: nothing is to be loaded",
  },
  {
    scenario = "^loaders: lists, .*: refreshed list", expected = "error InvalidRequestError|^[01]$",
    got = "^{done}$|more$|fewer$|^2$|Child#9",
    reason = "refresh() reads a relationship that it is given by name, as SQLAlchemy 2.0 does",
  },
  {
    scenario = "^loaders: .*noload", where = "%(unloaded%)$", expected = "^{}$|^{shop}$",
    got = "children}$|parent}$|{items",
    reason = "what is never loaded is not counted among what is loaded",
  },
  {
    scenario = "^loaders: .*: of a subclass", where = "%(sorted%)$", expected = "{Engineer#1 | Manager#2}",
    got = "^{Engineer#1}$",
    reason = "a path that of_type() narrows leads to objects of that class, in a query's joins and "
      .. "in loading alike",
  },
  {
    scenario = "^loaders: lists, .*: expired$", where = "%(unloaded%)$", expected = "{children | id | name}",
    got = "^{children | name}$",
    reason = "the key of an expired object is known",
  },
  {
    scenario = "^loaders: lists, .*: expired|^loaders: .*, joined: refreshed", where = "SELECTs$",
    expected = "^%d$", got = "more$|fewer$|^3$",
    reason = "what expired is read again without what relates to it, which is read when needed",
  },
  {
    scenario = "^loaders: columns: defer the key",
    expected = "error NoSuchColumnError|^$|error KeyError", got = "{k1 | k2}|^k1=|notes",
    reason = "the key is always loaded",
  },
  {
    scenario = "^loaders: write_only: detached", expected = "^{}$", got = "error DetachedInstanceError",
    reason = "what is not in a session cannot be asked for; 1.4 has no write_only to compare with",
  },
  {
    scenario = "^loaders: known: a child of what is deleted", where = "states$", expected = "n=pending",
    got = "n=transient",
    reason = "an object that is refused has not come into the session",
  },
  {
    scenario = "^loaders: immediateload: lists of lists_noload", expected = "^{}$|^1$|^{children}$",
    got = "Child#[13]|more$|^2$|^{}$",
    reason = "an option of the query holds, whatever the declaration says",
  },
  {
    scenario = "^loaders: immediateload: of some", where = "%(sorted%)$",
    expected = "Child#[24]}", got = "^{Child#[13]}$",
    reason = "the condition of a path holds for every way of loading",
  },
  {
    scenario = "^loaders: known: populate_existing with .*immediateload", where = "%(quietly%)$",
    expected = "s:changed", got = "s:good|s:a}",
    reason = "populate_existing holds for what is loaded along, in every way",
  },
  {
    scenario = "^loaders: columns: defer two$|^loaders: columns: load only without the foreign key$",
    expected = "name |^{scan}$|^1$", got = "{index | notes|^{}$|fewer$",
    reason = "columns that a query left out are read together",
  },
  {
    scenario = "^mapping: no columns$", expected = "error ArgumentError",
    got = "error InvalidRequestError",
    reason = "without columns there is no table to look for a primary key in",
  },
  {
    scenario = "^mapping: key of .*Integer$", expected = "SMALLINT|BIGINT", got = "column id INTEGER",
    reason = "any single integer primary key is an INTEGER PRIMARY KEY and counts by itself",
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
    if matches(d.name, entry.scenario) and d.where:find(entry.where or "")
      and matches(d.expected, entry.expected) and matches(d.got, entry.got) then
      entry.used = (entry.used or 0) + 1
      return entry
    end
  end
  return nil
end

return differences
