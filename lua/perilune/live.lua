--- Live queries: being told after a commit what it changed.
--    local watch = User.query:where(User.active):observe(function(change)
--      for _, user in ipairs(change.added) do print("new", user.name) end
--    end)
--    db:on_change(Post, function(change) print(#change.inserted, #change.deleted) end)
--    watch:stop()
-- Whatever changed the rows counts: the session, raw SQL, triggers, cascades of the database.
-- Nothing happens before the commit, and nothing after a rollback. What other connections
-- commit is seen by `db:poll_changes()`. A function that fails is reported on standard error;
-- the commit stands, and the others are called all the same.
-- @module perilune.live
local core = require "perilune.core"
local declare = require "perilune.declare"
local deep = require "perilune.deep"
local options = require "perilune.options"

local live = {}

local ROUNDS = 100 -- of commits made by those who are told of commits

local function fail(class, message, hint)
  core.raise(class, message, hint)
end

local function state_of(db)
  local d = core.db_table(db)
  if not d.live then d.live = { subscriptions = {}, queue = {}, versions = {} } end
  return d.live
end

-- ---- subscriptions ------------------------------------------------------------------

--- What observe and on_change return.
-- @type Subscription
-- @field active false after stop
-- @field result of observe: the rows as they were last seen
local Subscription = { __name = "perilune.Subscription" }
Subscription.__index = Subscription

local function subscribe(db, subscription)
  local state = state_of(db)
  subscription.db, subscription.active = db, true
  table.insert(state.subscriptions, subscription)
  if #state.subscriptions == 1 then core.db_live(db, true) end
  local reachable, session = pcall(function() return db.session end) -- not outside an app context
  for connection, version in pairs(reachable and core.data_versions(session) or {}) do
    state.versions[connection] = state.versions[connection] or version
  end
  return setmetatable(subscription, Subscription)
end

--- Ends the subscription: its function is not called any more.
-- @function Subscription:stop
function Subscription:stop()
  if not self.active then return end
  self.active, self.rows, self.result = false, nil, nil
  if core.db_closed(self.db) then return end
  local list = state_of(self.db).subscriptions
  for i = #list, 1, -1 do
    if list[i] == self then table.remove(list, i) end
  end
  if #list == 0 then core.db_live(self.db, false) end
end

--- `local watch <close> = query:observe(fn)` ends with the block.
function Subscription:__close() self:stop() end

function Subscription:__tostring()
  return ("<Subscription %s%s>"):format(self.what, self.active and "" or ", stopped")
end

--- What went wrong after a commit, which stands: there is nobody to raise it to.
local function report(text)
  if io and io.stderr then io.stderr:write("perilune: ", text, "\n") else warn(text) end
end

--- Calls a function of a script; what it raises must not undo a commit.
local function call(fn, ...)
  local ok, err = xpcall(fn, function(e)
    return core.class(e) == "perilune.Error" and tostring(e) or debug and debug.traceback(tostring(e), 2) or tostring(e)
  end, ...)
  if not ok then report("a function that observes commits failed: " .. err) end
end

--- Calls a function that reads; a session that was in no transaction is in none afterwards,
-- so that what others commit later is seen.
local function at_rest(db, fn, ...)
  local reachable, session = pcall(function() return db.session end) -- not outside an app context
  local idle = reachable and not session:in_transaction()
  local result = table.pack(fn(...))
  if idle then core.session_rest(session) end
  return table.unpack(result, 1, result.n)
end

-- ---- queries ------------------------------------------------------------------------

--- The values of an instance that a query loads, by attribute.
local function values_of(object, names)
  local values = {}
  for _, name in ipairs(names) do values[name] = object[name] end
  return values
end

local function column_names(model)
  local names = {}
  for _, attribute in ipairs(core.model_describe(model).attributes) do
    if attribute.column and not attribute.deferred then names[#names + 1] = attribute.name end
  end
  return names
end

local function part(v)
  return ("%s:%d:%s"):format(math.type(v) or type(v), #tostring(v), tostring(v))
end

local function key_of(values)
  local out = {}
  for i = 1, values.n or #values do out[i] = part(values[i]) end
  return table.concat(out)
end

--- The rows of a query by key: { value = what the query gives, values = copies to compare }.
local function snapshot(q)
  local rows, order, names = {}, {}, {}
  for _, value in ipairs(q:all()) do
    local row = { value = value }
    local key
    if core.is_instance(value) then
      local model = core.model_of(value)
      names[model] = names[model] or column_names(model)
      key = declare.info[model].name .. key_of(core.object_identity(value))
      row.values = values_of(value, names[model])
    else
      key = key_of(table.pack(value:unpack()))
      local n = 1
      while rows[key .. n] do n = n + 1 end
      key = key .. n
    end
    if not rows[key] then
      rows[key], order[#order + 1] = row, key
    end
  end
  return rows, order
end

local function difference(old, order_before, new, order)
  local change = { added = {}, removed = {}, changed = {}, old = {}, result = {} }
  for i, key in ipairs(order) do
    local row, before = new[key], old[key]
    change.result[i] = row.value
    if not before then
      table.insert(change.added, row.value)
    elseif row.values and not deep.same(row.values, before.values) then
      table.insert(change.changed, row.value)
      change.old[row.value] = before.values
    end
  end
  for _, key in ipairs(order_before) do
    if not new[key] then table.insert(change.removed, old[key].values or old[key].value) end
  end
  return change
end

local function look(subscription)
  local rows, order = snapshot(subscription.query)
  for _, row in pairs(rows) do
    row.values = row.values and deep.copy(row.values)
  end
  return rows, order
end

--- Keeps what is needed to compare, not the instances themselves.
local function keep(subscription, rows, order)
  subscription.rows, subscription.order = {}, order
  for key, row in pairs(rows) do
    subscription.rows[key] = { values = row.values, value = not row.values and row.value or nil }
  end
end

local function renew(self)
  if not self.query or not self.active then return false end
  local rows, order = look(self)
  local change = difference(self.rows, self.order, rows, order)
  keep(self, rows, order)
  self.result = change.result
  if #change.added + #change.removed + #change.changed == 0 then return false end
  call(self.fn, change)
  return true
end

--- Runs the query again and calls the function when its rows differ from those last seen.
-- @function Subscription:refresh
-- @treturn boolean whether it was called
function Subscription:refresh() return at_rest(self.db, renew, self) end

--- Tables whose changes can change a query's rows; nil for any, as with views and raw SQL.
local function tables_of(db, q)
  local out, views = {}, {}
  local list = core.query_tables(q)
  if #list == 0 then return nil end
  for _, name in ipairs(require "perilune.inspect".inspect(db):get_view_names()) do views[name] = true end
  for _, t in ipairs(list) do
    if views[t.name] then return nil end
    out[t.name] = true
  end
  return out
end

local observe_options = { initial = "boolean" }

--- Calls a function after each commit that changes the rows of the query.
-- @function Query:observe
-- @func fn gets { added =, removed =, changed = lists, old =, result = all rows }. Instances
-- that are gone stand in `removed` as tables of their values; `old[instance]` has the values
-- of a changed one before. Rows of columns are added or removed, never changed.
-- @tab[opt] given initial = true: called at once with all rows as added
-- @treturn Subscription
function live.observe(q, fn, given)
  if not core.is_node(q) then
    fail("TypeError", "a query expected as the object of 'observe'", "call it with a colon: query:observe(fn)")
  end
  if type(fn) ~= "function" then
    fail("ArgumentError", "observe needs a function to call, got " .. type(fn))
  end
  given = options.check("observe", given or {}, observe_options)
  if core.is_past(q) then fail("InvalidRequestError", "a query of the past never changes") end
  local db = core.query_db(q)
  local subscription = { query = q, fn = fn, what = "query" }
  local rows, order = at_rest(db, function()
    subscription.tables = tables_of(db, q)
    return look(subscription)
  end)
  keep(subscription, given.initial and {} or rows, given.initial and {} or order)
  local result = {}
  for i, key in ipairs(order) do result[i] = rows[key].value end
  subscription.result = result
  subscribe(db, subscription)
  if given.initial then subscription:refresh() end
  return subscription
end

-- ---- models -------------------------------------------------------------------------

--- Calls a function after each commit that changes rows of a model's tables.
-- @function Database:on_change
-- @tparam Model model
-- @func fn gets { model =, inserted =, updated =, deleted = lists of keys, complete = false when
-- the keys of some rows are not known: no integer key, very many rows, another connection, or
-- deleted rows of a table that classes share, of which nobody knows the class any more }
-- @treturn Subscription
function live.on_change(db, model, fn)
  if core.class(db) ~= "perilune.Database" then
    fail("TypeError", "a Database expected as the object of 'on_change'",
      "call it with a colon: db:on_change(Model, fn)")
  end
  if core.class(model) ~= "perilune.Model" or declare.info[model].db ~= db then
    fail("ArgumentError", "on_change needs a model of this database, got " .. (core.class(model) or type(model)))
  end
  if type(fn) ~= "function" then
    fail("ArgumentError", "on_change needs a function to call, got " .. type(fn))
  end
  local tables, described = {}, core.model_describe(model)
  for _, t in ipairs(described.tables) do tables[t.name] = true end
  local parent, own = declare.info[model].parent, described.tables[#described.tables]
  local above = parent and core.model_describe(parent).tables
  return subscribe(db, { model = model, fn = fn, tables = tables, what = declare.info[model].name,
    keyed = live.has_rowid_key(described.tables[1]), key = described.primary_key[1],
    inherits = parent ~= nil, own = above and above[#above].name ~= own.name and own.name or nil })
end

--- Whether a table's key is one integer, which is then what the driver tells of a row.
function live.has_rowid_key(t)
  local n, integer = 0, false
  for _, c in ipairs(core.table_describe(t).columns) do
    if c.primary_key then
      n = n + 1
      integer = c.type == "Integer" or c.type == "SmallInteger" or c.type == "BigInteger"
    end
  end
  return n == 1 and integer
end

local net = {
  I = { D = "", U = "I", I = "I" }, U = { D = "D", U = "U", I = "U" }, D = { I = "U", U = "D", D = "D" },
  [""] = { I = "I", U = "U", D = "D" },
}

--- What became of each row of a model, by key, over all its tables; and the keys of those that
-- had a row in the table that the class has for itself.
local function rows_changed(subscription, changes)
  local seen, keys, own, touched = {}, {}, {}, false
  for _, notes in ipairs(changes) do
    local t = notes[1]
    if t and subscription.tables[t.name] then
      touched = touched or #notes > 1
      for i = 2, #notes, 2 do
        local op, key = notes[i], notes[i + 1]
        if seen[key] == nil then keys[#keys + 1] = key end
        seen[key] = net[seen[key] or ""][op]
        own[key] = own[key] or t.name == subscription.own
      end
    end
  end
  return touched, seen, keys, own
end

--- Which of the keys are those of rows of the class, or of one below it.
local function members(subscription, keys)
  local model, found, chunk = subscription.model, {}, 500
  local column = model[subscription.key]
  for first = 1, #keys, chunk do
    local some = table.move(keys, first, math.min(first + chunk - 1, #keys), 1, {})
    for key in subscription.db.select(column):where(column:in_(some)):each() do found[key] = true end
  end
  return found
end

--- Takes what became of rows of other classes out of a class that inherits.
local function keep_members(subscription, seen, keys, own)
  local there = {}
  for _, key in ipairs(keys) do
    if seen[key] == "I" or seen[key] == "U" then there[#there + 1] = key end
  end
  local found, sure = members(subscription, there), true
  for _, key in ipairs(keys) do
    if seen[key] == "D" and subscription.own then
      seen[key] = own[key] and "D" or ""
    elseif seen[key] == "D" then
      sure = false
    elseif not found[key] then
      seen[key] = ""
    end
  end
  return sure
end

local function tell_model(subscription, changes)
  local touched, seen, keys, own = rows_changed(subscription, changes)
  if not touched and not changes.lost then return end
  local change = { model = subscription.model, inserted = {}, updated = {}, deleted = {},
    complete = subscription.keyed and not changes.lost }
  if subscription.keyed then
    if subscription.inherits and not keep_members(subscription, seen, keys, own) then
      change.complete = false
    end
    local lists = { I = change.inserted, U = change.updated, D = change.deleted }
    for _, key in ipairs(keys) do
      if seen[key] ~= "" then table.insert(lists[seen[key]], key) end
    end
    if not changes.lost and #change.inserted + #change.updated + #change.deleted == 0 then return end
  end
  call(subscription.fn, change)
end

-- ---- delivery -----------------------------------------------------------------------

local function concerns(subscription, changes)
  if changes.lost or not subscription.tables then return true end
  for _, notes in ipairs(changes) do
    if notes[1] and subscription.tables[notes[1].name] then return true end
  end
  return false
end

local function deliver(state, changes)
  for _, subscription in ipairs(table.move(state.subscriptions, 1, #state.subscriptions, 1, {})) do
    if subscription.active and concerns(subscription, changes) then
      if subscription.query then
        call(renew, subscription)
      else
        call(tell_model, subscription, changes)
      end
    end
  end
end

--- Delivers what is in the queue; commits made meanwhile join its end.
local function run(state)
  if state.running then return end
  state.running = true
  local rounds = 0
  while state.queue[1] do
    rounds = rounds + 1
    if rounds > ROUNDS then
      state.queue = {}
      report "functions that observe commits keep on committing: the rest is not told"
      break
    end
    deliver(state, table.remove(state.queue, 1))
  end
  state.running = false
end

--- What a session calls after its commit with the notes of each database.
function live.committed(db, list)
  local state = state_of(db)
  for _, changes in ipairs(list) do state.queue[#state.queue + 1] = changes end
  at_rest(db, run, state)
end

core.shared().live_committed = live.committed

--- Looks whether another connection (of another program, say) has committed, and tells those
-- who observe. To be called now and then between transactions; inside one the session sees the
-- database as it was at its begin.
-- @function Database:poll_changes
-- @treturn boolean whether there was something
function live.poll_changes(db)
  if core.class(db) ~= "perilune.Database" then
    fail("TypeError", "a Database expected as the object of 'poll_changes'",
      "call it with a colon: db:poll_changes()")
  end
  local state, found = state_of(db), false
  for connection, version in pairs(core.data_versions(db.session)) do
    found = found or state.versions[connection] ~= version
    state.versions[connection] = version
  end
  if found and #state.subscriptions > 0 then live.committed(db, { { lost = true } }) end
  return found
end

return live
