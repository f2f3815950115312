--- Relationships with lazy = "dynamic" or "write_only": a query of the related objects that
-- can be appended to and removed from, without their list being loaded.
-- @module perilune.dynamic
local core = require "perilune.core"
local orders = require "perilune.declare.relationship".orders
local namespace = core.namespace

local M = {}

local Dynamic = { __name = "perilune.Dynamic" }
local WriteOnly = { __name = "perilune.WriteOnly" }

-- What a collection is of: { object =, name = }, by the collection.
local parts = setmetatable({}, { __mode = "k" })

--- The key of the target, for IN: one attribute or a row value.
local function key_of(model, names)
  local list = {}
  for i, name in ipairs(names) do list[i] = model[name] end
  return #list == 1 and list[1] or namespace.tuple_(table.unpack(list)), list
end

--- The condition that the related objects of `object` meet.
local function condition(object, name)
  local model, target, keys, target_keys, pairs_ = core.dynamic_info(object, name)
  local all = {}
  for i, pair in ipairs(pairs_ or {}) do all[i] = target[pair[2]]:eq(object[pair[1]]) end
  if pairs_ then return target, namespace.and_(table.unpack(all)) end
  local parent, other = namespace.aliased(model), namespace.aliased(target)
  local _, list = key_of(other, target_keys)
  for i, key in ipairs(keys) do all[i] = parent[key]:eq(object[key]) end
  local found = namespace.select(table.unpack(list)):select_from(parent):join(other, parent[name])
    :where(table.unpack(all))
  return target, key_of(target, target_keys):in_(found), model
end

--- The order that the relationship was declared with, of the model or one above it.
local function order_of(object, name)
  local model = core.dynamic_info(object, name)
  return orders[model] and orders[model][name]
end

local function query_of(self, required)
  local p = parts[self]
  if not core.dynamic_ready(p.object) then
    if required then core.dynamic_refuse(p.object, p.name) end
    return nil
  end
  local target, where = condition(p.object, p.name)
  local q = target.query:where(where)
  local order = order_of(p.object, p.name)
  return order and q:order_by(table.unpack(order)) or q
end

local function check_self(self, class, method)
  local p = type(self) == "table" and getmetatable(self) == class and parts[self]
  if not p then
    core.raise("ArgumentError", ("call it with a colon: list:%s(...)"):format(method))
  end
  return p
end

-- ---- changing ----

local changes = {}

--- Appends an object: it is saved, and related, at the next flush.
function changes.append(class, self, item)
  local p = check_self(self, class, "append")
  core.dynamic_append(p.object, p.name, item)
end

--- Appends all objects of a list.
function changes.extend(class, self, items)
  local p = check_self(self, class, "extend")
  for i = 1, #items do core.dynamic_append(p.object, p.name, items[i]) end
end

--- Ends the relation to an object at the next flush.
function changes.remove(class, self, item)
  local p = check_self(self, class, "remove")
  core.dynamic_remove(p.object, p.name, item)
end

local function add_changes(methods, class)
  local function bound(fn) return function(self, ...) return fn(class, self, ...) end end
  methods.append, methods.add = bound(changes.append), bound(changes.append)
  methods.extend, methods.add_all = bound(changes.extend), bound(changes.extend)
  methods.remove = bound(changes.remove)
end

-- ---- dynamic: a query ----

local dynamic = {}
add_changes(dynamic, Dynamic)

--- The related objects as a list; of a new object what it was given.
function dynamic.all(self)
  local p = check_self(self, Dynamic, "all")
  local q = query_of(self)
  if q then return q:all() end
  return core.dynamic_pending(p.object, p.name)
end

--- How many they are.
function dynamic.count(self)
  check_self(self, Dynamic, "count")
  local q = query_of(self)
  return q and q:count() or #dynamic.all(self)
end

--- Any other method is one of the query.
function Dynamic.__index(self, key)
  if dynamic[key] then return dynamic[key] end
  if math.type(key) == "integer" then
    if key < 1 then return nil end
    local q = query_of(self)
    if q then return q:offset(key - 1):limit(1):all()[1] end
    return dynamic.all(self)[key]
  end
  if core.class_methods("perilune.Query")[key] == nil then
    core.raise("AttributeError", ("a dynamic relationship has no method '%s'"):format(tostring(key)),
      core.nearest(tostring(key), { "append", "remove", "extend", "all", "count", "filter", "order_by" }))
  end
  return function(list, ...)
    check_self(list, Dynamic, key)
    local q = query_of(list, true)
    return q[key](q, ...)
  end
end

function Dynamic.__newindex(_, key)
  core.raise("AttributeError", ("[%s] of a dynamic relationship cannot be set"):format(tostring(key)),
    "list:append(object), list:remove(object)")
end

Dynamic.__len = dynamic.count

function Dynamic.__pairs(self)
  local all = dynamic.all(self)
  return ipairs(all)
end

function Dynamic.__tostring(self)
  local out = {}
  for i, o in ipairs(dynamic.all(self)) do out[i] = tostring(o) end
  return "[" .. table.concat(out, ", ") .. "]"
end

-- ---- write_only: statements ----

local write_only = {}
add_changes(write_only, WriteOnly)

--- A query of the related objects.
function write_only.select(self)
  check_self(self, WriteOnly, "select")
  return query_of(self, true)
end

local function with_keys(values, keys)
  local out = {}
  for k, v in pairs(values) do out[k] = v end
  for k, v in pairs(keys) do out[k] = v end
  return out
end

--- INSERT of related rows: insert{title = "x"} or a list of such; the foreign key is filled in.
function write_only.insert(self, values)
  local p = check_self(self, WriteOnly, "insert")
  if not core.dynamic_ready(p.object) then core.dynamic_refuse(p.object, p.name) end
  local _, target, _, _, pairs_ = core.dynamic_info(p.object, p.name)
  if not pairs_ then
    core.raise("InvalidRequestError", "rows of a many-to-many relationship are inserted by add()")
  end
  local keys, rows = {}, {}
  for _, pair in ipairs(pairs_) do keys[pair[2]] = p.object[pair[1]] end
  for i, row in ipairs(values) do rows[i] = with_keys(row, keys) end
  return namespace.insert(target):values(#rows > 0 and rows or with_keys(values, keys))
end

--- What a statement about the related rows is made of: their class and their condition.
local function related_rows(self, method)
  local p = check_self(self, WriteOnly, method)
  if not core.dynamic_ready(p.object) then core.dynamic_refuse(p.object, p.name) end
  return condition(p.object, p.name)
end

--- UPDATE of the related rows, to be given values.
function write_only.update(self)
  local target, where = related_rows(self, "update")
  return namespace.update(target):where(where)
end

--- DELETE of the related rows.
function write_only.delete(self)
  local target, where = related_rows(self, "delete")
  return namespace.delete(target):where(where)
end

local function no_reading(key)
  local near = type(key) == "string"
    and core.nearest(key, { "add", "add_all", "remove", "select", "insert", "update", "delete" })
  core.raise("InvalidRequestError", "a write_only relationship is not loaded: list:select() is a query of it",
    near or nil)
end

function WriteOnly.__index(_, key)
  if write_only[key] then return write_only[key] end
  no_reading(key)
end

function WriteOnly.__len() no_reading() end
function WriteOnly.__pairs() no_reading() end
function WriteOnly.__newindex(_, key) no_reading(key) end
function WriteOnly.__tostring() return "write_only list" end

--- What reading the attribute gives: called by the core.
function M.collection(object, name, only_write)
  local self = setmetatable({}, only_write and WriteOnly or Dynamic)
  parts[self] = { object = object, name = name }
  return self
end

return M
