-- SPDX-License-Identifier: MIT
-- Runs unit-of-work programs on Perilune; the Lua side of unit.py, with the same
-- events. Each program has a database of its own.

local perilune = require "perilune"
local declare = require "spec.differential.declare"
local query = require "spec.differential.query"
local values = require "spec.differential.values"

local unit = {}
local ops = {}

-- The changes and the number of SELECTs since they were last taken

local Traffic = {}
Traffic.__index = Traffic

function Traffic:note(sql, rowcount)
  local verb = sql:match("^%s*(%a+)"):upper()
  if verb == "SELECT" or verb == "WITH" then self.selects = self.selects + 1 end
  local name = sql:match '^%s*%a+%s+%a+%s+"?([%w_]+)'
  if verb == "UPDATE" then name = sql:match '^%s*%a+%s+"?([%w_]+)' end
  if verb ~= "INSERT" and verb ~= "UPDATE" and verb ~= "DELETE" then return end
  local last = self.changes[#self.changes]
  if last and last[1] == verb and last[2] == name then
    last[3] = last[3] + rowcount
  else
    self.changes[#self.changes + 1] = { verb, name, rowcount }
  end
end

function Traffic:take()
  local out = {}
  for i, c in ipairs(self.changes) do out[i] = ("%s %s %d"):format(c[1], c[2], c[3]) end
  local selects = self.selects
  self.changes, self.selects = {}, 0
  return out, selects
end

local function traffic(db)
  local self = setmetatable({ changes = {}, selects = 0 }, Traffic)
  db.event.listen(db.engine, "after_cursor_execute", function(_, cursor, sql)
    self:note(sql, math.max(cursor.rowcount or 0, 0))
  end)
  return self
end

-- Values and names

local function sorted_names(self)
  local names = {}
  for name in pairs(self.vars) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function states(self)
  local out = {}
  for i, name in ipairs(sorted_names(self)) do
    out[i] = name .. "=" .. values.state(self.vars[name])
  end
  return table.concat(out, " ")
end

local function name_of(self, obj)
  for _, name in ipairs(sorted_names(self)) do
    if rawequal(self.vars[name], obj) then return name end
  end
  return values.label(obj)
end

local function names_of(self, list)
  local out = {}
  for i = 1, #list do out[i] = name_of(self, list[i]) end
  return out
end

local function is_list(v)
  return type(v) == "userdata" and not values.is_instance(v)
    and type(select(2, pcall(function() return v.append end))) == "function"
end

local function show(self, v)
  if v ~= nil and is_list(v) then return "[" .. table.concat(names_of(self, v), ",") .. "]" end
  if v ~= nil and values.is_instance(v) then return name_of(self, v) end
  return values.tag(v, self.db.null)
end

local function value(self, node)
  local word = type(node) == "table" and node[1]
  if word == "obj" then return self.vars[node[2]] end
  if word == "objs" then
    local out = {}
    for i = 2, #node do out[i - 1] = self.vars[node[i]] end
    return out
  end
  if word == "plus" then return self.models.classes[node[2]][node[3]] + node[4] end
  return values.read(self.db, node)
end

local function row(self, given)
  local out = {}
  for k, v in pairs(given or {}) do out[k] = value(self, v) end
  return out
end

-- Events: every one that a script may hear is noted, for programs that listen

local mapper_events = {
  "before_insert", "after_insert", "before_update", "after_update", "before_delete",
  "after_delete", "init", "load", "refresh", "expire",
}
local session_events = {
  "before_flush", "after_flush", "after_flush_postexec", "before_commit", "after_commit",
  "after_rollback", "after_begin",
}
local object_events = {
  "transient_to_pending", "pending_to_transient", "pending_to_persistent",
  "persistent_to_transient", "persistent_to_deleted", "deleted_to_persistent",
  "deleted_to_detached", "persistent_to_detached", "detached_to_persistent",
  "loaded_as_persistent",
}

-- The attributes of every model and whether they are lists, by the schema.
local function attributes(schema)
  local found = {}
  for _, m in ipairs(schema.models) do found[m.name] = {} end
  for _, m in ipairs(schema.models) do
    for _, c in ipairs(m.columns) do found[m.name][c.name] = false end
    for _, r in ipairs(m.relations or {}) do
      local back = type(r.backref) == "table" and r.backref or { name = r.backref }
      found[m.name][r.name] = r.secondary ~= nil or r.back_populates == "parent"
      if back.name then found[r.target][back.name] = back.uselist ~= false end
    end
  end
  return found
end

local function listen(self)
  local db, heard = self.db, {}
  self.heard = heard
  local function note(name, obj) heard[#heard + 1] = name .. " " .. name_of(self, obj) end
  for _, name in ipairs(session_events) do
    db.event.listen(db.session, name, function() heard[#heard + 1] = name end)
  end
  for _, name in ipairs(object_events) do
    db.event.listen(db.session, name, function(_, obj) note(name, obj) end)
  end
  for model, attrs in pairs(attributes(self.models.schema)) do
    local class = self.models.classes[model]
    for _, name in ipairs(mapper_events) do
      db.event.listen(class, name, function(obj) note(name, obj) end)
    end
    for attr, many in pairs(attrs) do
      for _, name in ipairs(many and { "append", "remove" } or { "set" }) do
        db.event.listen(class[attr], name, function(obj) note(name .. " " .. attr, obj) end)
      end
    end
  end
end

-- Objects

function ops.new(self, name, model, given)
  self.vars[name] = self.models.classes[model](row(self, given))
end

function ops.set(self, name, attr, node)
  local v = value(self, node)
  if v == self.db.null then v = nil end
  self.vars[name][attr] = v
end

function ops.append(self, name, attr, ...)
  for _, other in ipairs { ... } do self.vars[name][attr]:append(self.vars[other]) end
end

function ops.insert(self, name, attr, position, other)
  self.vars[name][attr]:insert(position, self.vars[other])
end

-- Appends what is not there.
function ops.put(self, name, attr, other)
  local held = self.vars[name][attr]
  if held:contains(self.vars[other]) then return { "present" } end
  held:append(self.vars[other])
end

-- Removes what is there.
function ops.drop(self, name, attr, other)
  local held = self.vars[name][attr]
  if not held:contains(self.vars[other]) then return { "absent" } end
  held:remove(self.vars[other])
end

function ops.remove(self, name, attr, other) self.vars[name][attr]:remove(self.vars[other]) end
function ops.pop(self, name, attr) return { show(self, self.vars[name][attr]:pop()) } end
function ops.clear(self, name, attr) self.vars[name][attr]:clear() end

function ops.attr(self, name, ...)
  local out = {}
  for i, attr in ipairs { ... } do out[i] = show(self, self.vars[name][attr]) end
  return out
end

-- Reads what a commit or rollback expired, before anything is changed.
function ops.touch(self)
  local found = 0
  for _, name in ipairs(sorted_names(self)) do
    if values.state(self.vars[name]) == "persistent" then
      for _ in pairs(self.vars[name]) do found = found + 1 end
    end
  end
end

function ops.sorted(self, name, attr)
  local out = names_of(self, self.vars[name][attr])
  table.sort(out)
  return out
end

function ops.same(self, name, other)
  return { tostring(rawequal(self.vars[name], self.vars[other])) }
end

function ops.history(self, name, attr)
  local found, out = perilune.inspect(self.vars[name]).attrs[attr].history, {}
  for i, part in ipairs { "added", "unchanged", "deleted" } do
    local list, shown = found[part] or {}, {}
    for k = 1, #list do shown[k] = show(self, list[k]) end
    out[i] = table.concat(shown, ",")
  end
  return out
end

function ops.forget(self, name) self.vars[name] = nil end

-- Queries, in the words of query.lua; what they give is named by a prefix and numbers

function ops.let(self, name, definition) self.builder:define(name, definition) end

local function named(self, prefix, list)
  local out = {}
  for i = 1, #list do
    local v = list[i]
    if prefix and values.is_instance(v) then self.vars[prefix .. i] = v end
  end
  for i = 1, #list do
    local v, parts = list[i], {}
    if values.is_row(v) then
      for k = 1, #v do parts[k] = show(self, v[k]) end
      v = table.concat(parts, " ")
    end
    out[i] = #parts > 0 and v or show(self, v)
  end
  return out
end

function ops.run(self, node, prefix) return named(self, prefix, self.builder:query(node):all()) end

function ops.query_get(self, name, node, ...)
  local found = self.builder:query(node):get(...)
  if found ~= nil then self.vars[name] = found end
  return { show(self, found) }
end

-- Streams, and reads a relationship of each as it comes.
function ops.stream(self, node, batch, attr)
  local out = {}
  for v in self.builder:query(node):each(batch) do
    local names = names_of(self, v[attr])
    table.sort(names)
    out[#out + 1] = name_of(self, v) .. " " .. table.concat(names, ",")
  end
  return out
end

-- The attributes that have not been loaded.
function ops.unloaded(self, name)
  local out = perilune.inspect(self.vars[name]).unloaded
  table.sort(out)
  return out
end

-- What a dynamic relationship, or one that is only written to, finds in the database.
function ops.related(self, name, attr)
  local held = self.vars[name][attr]
  local closed = getmetatable(held).__name == "perilune.WriteOnly"
  local found = closed and self.db.session:scalars(held:select()):all() or held:all()
  local out = names_of(self, found)
  table.sort(out)
  return out
end

function ops.related_count(self, name, attr) return { values.tag(self.vars[name][attr]:count()) } end

-- Session

function ops.add(self, ...)
  for _, name in ipairs { ... } do self.db.session:add(self.vars[name]) end
end

function ops.add_all(self, ...)
  local list = {}
  for i, name in ipairs { ... } do list[i] = self.vars[name] end
  self.db.session:add_all(list)
end

function ops.delete(self, name) self.db.session:delete(self.vars[name]) end
function ops.flush(self) self.db.session:flush() end
function ops.begin(self) self.db.session:begin() end
function ops.expire_all(self) self.db.session:expire_all() end
function ops.expunge_all(self) self.db.session:expunge_all() end
function ops.expunge(self, name) self.db.session:expunge(self.vars[name]) end

for _, word in ipairs { "commit", "rollback", "close" } do
  ops[word] = function(self)
    self.nested = {}
    self.db.session[word](self.db.session)
  end
end

function ops.nested(self) table.insert(self.nested, self.db.session:begin_nested()) end
function ops.nested_commit(self) table.remove(self.nested):commit() end
function ops.nested_rollback(self) table.remove(self.nested):rollback() end

for _, word in ipairs { "expire", "refresh" } do
  ops[word] = function(self, name, ...)
    local attrs = select("#", ...) > 0 and { ... } or nil
    self.db.session[word](self.db.session, self.vars[name], attrs)
  end
end

function ops.merge(self, name, other) self.vars[name] = self.db.session:merge(self.vars[other]) end

function ops.get(self, name, model, ...)
  local found = self.db.session:get(self.models.classes[model], ...)
  if found ~= nil then self.vars[name] = found end
  return { show(self, found) }
end

local function spec_of(self, model)
  for _, spec in ipairs(self.models.schema.models) do
    if spec.name == model then return spec end
  end
end

local function filtered(self, model, given)
  local q = self.models.classes[model].query
  if given and next(given) ~= nil then q = q:filter_by(row(self, given)) end
  return q
end

function ops.query(self, model, given)
  local q, out = filtered(self, model, given), {}
  for _, c in ipairs(spec_of(self, model).columns) do
    if c.primary_key then q = q:order_by(self.models.classes[model][c.name]) end
  end
  for i, v in ipairs(q:all()) do out[i] = show(self, v) end
  return out
end

function ops.count(self, model)
  return { values.tag(self.models.classes[model].query:count()) }
end

function ops.held(self, name) return { tostring(values.is_held(self.vars[name])) } end

function ops.sets(self)
  local out = {}
  for i, part in ipairs { "new", "dirty", "deleted" } do
    local list = self.db.session[part]
    if type(list) == "function" then list = list(self.db.session) end
    local names = names_of(self, list)
    table.sort(names)
    out[i] = table.concat(names, ",")
  end
  return out
end

function ops.modified(self, name)
  return { tostring(self.db.session:is_modified(self.vars[name])) }
end

function ops.identity(self, name)
  local key, out = perilune.inspect(self.vars[name]).identity, {}
  if type(key) ~= "table" then key = { key } end
  for i = 1, math.max(#key, 1) do out[i] = values.tag(key[i]) end
  return out
end

function ops.sql(self, sql) self.db.session:execute(self.db.text(sql)) end

local event

function ops.quietly(self, list)
  local out = {}
  self.db.session:no_autoflush(function()
    for i, op in ipairs(list) do out[i] = event(self, op).result end
  end)
  return out
end

function ops.update(self, model, where, given)
  return { values.tag(filtered(self, model, where):update(row(self, given))) }
end

function ops.bulk_delete(self, model, where)
  return { values.tag(filtered(self, model, where):delete()) }
end

-- Programs

function event(self, op)
  local ok, result = pcall(ops[op[1]], self, table.unpack(op, 2))
  if not ok then result = { "error", values.error_name(result), tostring(result) } end
  local shown, state = pcall(states, self)
  local changes, selects = self.traffic:take()
  local found = {
    result = result or { "done" }, states = shown and state or "states: " .. tostring(state),
    changes = changes, selects = selects,
  }
  if self.heard then
    found.heard = table.move(self.heard, 1, #self.heard, 1, {})
    for i = #self.heard, 1, -1 do self.heard[i] = nil end
  end
  return found
end

local first_object = {
  set = true, put = true, drop = true, clear = true, sorted = true, attr = true, add = true,
  delete = true, expire = true, refresh = true, expunge = true,
}

-- The names of the objects that an operation of a guarded program uses.
local function objects_of(op)
  local found, given = {}, { op[4] }
  if first_object[op[1]] then found[1] = op[2] end
  if op[1] == "put" or op[1] == "drop" then found[#found + 1] = op[4] end
  if op[1] == "new" then given = op[4] or {} end
  for _, v in pairs(given) do
    if type(v) == "table" and (v[1] == "obj" or v[1] == "objs") then
      table.move(v, 2, #v, #found + 1, found)
    end
  end
  return found
end

local function unfit(self, op, name)
  local obj = self.vars[name]
  local state = obj ~= nil and values.state(obj)
  if op[1] == "delete" or op[1] == "expire" or op[1] == "refresh" then
    return state ~= "persistent"
  end
  return not state or state == "deleted" or state == "detached"
end

-- An operation on live objects only; an error ends the transaction.
local function guarded(self, op)
  local skip = op[1]:match "^nested_" and #self.nested == 0
  for _, name in ipairs(objects_of(op)) do skip = skip or unfit(self, op, name) end
  if skip then return { result = { "skipped" }, states = states(self), changes = {} } end
  local found = event(self, op)
  local failed = found.result[1] == "error"
  if failed then
    ops.rollback(self)
    found.states = states(self)
  end
  if failed or op[1] == "rollback" or op[1] == "nested_rollback" then
    for _, name in ipairs(sorted_names(self)) do
      if values.state(self.vars[name]) == "transient" then self.vars[name] = nil end
    end
  end
  return found
end

local function dumps(db, schema)
  local out = {}
  for _, name in ipairs(declare.table_names(schema)) do
    out[name] = declare.dump(db, schema, name)
  end
  return out
end

local function run(schema, program)
  local db = declare.open()
  db.config.batch_lazy = program.batch == true
  local self = { db = db, models = declare.models(db, schema), vars = {}, nested = {} }
  self.builder = query.new(self.models)
  db:create_all()
  db.session:close()
  self.traffic = traffic(db)
  if program.listen then listen(self) end
  local events = {}
  local step = program.guarded and guarded or event
  for i, op in ipairs(program.ops) do events[i] = step(self, op) end
  pcall(db.session.close, db.session)
  local result = { name = program.name, events = events, dumps = dumps(db, schema) }
  db:close()
  return result
end

-- One program; one that cannot even begin has an error as its first event.
function unit.run(schema, program)
  local ok, result = pcall(run, schema, program)
  if ok then return result end
  local failed = { result = { "error", values.error_name(result), tostring(result) } }
  return { name = program.name, events = { failed } }
end

-- What a declaration is worth: its tables, or the class of the error that it raises.
function unit.declaration(program)
  local db = declare.open()
  local facts = {}
  local ok, err = pcall(function()
    local models = declare.models(db, program.declare)
    db:create_all()
    db:create_all()
    for _, model in pairs(models.classes) do model {} end
    for _, name in ipairs(declare.table_names(program.declare)) do
      facts[name] = declare.facts(db, name)
    end
  end)
  local result = ok and { "done" } or { "error", values.error_name(err), tostring(err) }
  return { name = program.name, events = { { result = result } }, dumps = ok and facts or nil }
end

return unit
