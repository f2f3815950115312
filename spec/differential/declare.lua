-- SPDX-License-Identifier: MIT
-- Declares Perilune models from neutral data (see schema.lua), in a database of
-- their own. The Lua side of declare.py.

local perilune = require "perilune"
local values = require "spec.differential.values"

local declare = {}

local column_options = {
  "primary_key", "nullable", "unique", "index", "autoincrement", "server_default", "deferred",
  "deferred_group",
}
local relation_options = {
  "uselist", "lazy", "cascade", "passive_deletes", "single_parent", "post_update", "viewonly",
  "back_populates", "remote_side", "foreign_keys", "order_by",
}

local function copy(spec, names, into)
  for _, name in ipairs(names) do into[name] = spec[name] end
  return into
end

function declare.type(db, spec)
  local kind = db[spec[1]]
  if spec[1] == "Enum" then return kind { table.unpack(spec, 2) } end
  if #spec == 1 then return kind end
  return kind(table.unpack(spec, 2))
end

local function column(db, spec, named)
  local args = {}
  if named then args[1] = spec.name end
  args[#args + 1] = declare.type(db, spec.type)
  if spec.foreign_key then
    args[#args + 1] = db.ForeignKey {
      spec.foreign_key, ondelete = spec.ondelete, use_alter = spec.use_alter,
      name = spec.constraint,
    }
  end
  copy(spec, column_options, args)
  if spec.default ~= nil then args.default = values.read(db, spec.default) end
  if spec.onupdate ~= nil then args.onupdate = values.read(db, spec.onupdate) end
  return db.Column(args)
end

local Models = {}
Models.__index = Models

-- "Node.id" or "edge.source_id" as a column. A join is two of them, and a third with what it is.
function Models:column(path)
  local owner, name = path:match "^(.-)%.(.*)$"
  local class = self.classes[owner] or self.db.models[owner]
  if class then return class[name] end
  return self.tables[owner].c[name]
end

local function relation(models, spec)
  local db = models.db
  local args = copy(spec, relation_options, { spec.target })
  if spec.secondary then args.secondary = models.tables[spec.secondary] end
  for _, name in ipairs { "primaryjoin", "secondaryjoin" } do
    local pair = spec[name]
    if pair then
      args[name] = function()
        local join = models:column(pair[1]):eq(models:column(pair[2]))
        return pair[3] and join & models:column(pair[3]):eq(pair[4]) or join
      end
    end
  end
  if type(spec.backref) == "table" then
    args.backref = db.backref(copy(spec.backref, relation_options, { spec.backref.name }))
  else
    args.backref = spec.backref
  end
  return db.relationship(args)
end

local function model(models, spec)
  local db, body = models.db, {}
  for _, c in ipairs(spec.columns or {}) do body[c.name] = column(db, c) end
  for _, r in ipairs(spec.relations or {}) do body[r.name] = relation(models, r) end
  if spec.version then body.__mapper_args__ = { version_id_col = body[spec.version] } end
  body.polymorphic_on, body.polymorphic_identity = spec.polymorphic_on, spec.identity
  if spec.inherits then body.__inherits__ = models.classes[spec.inherits] end
  return db.Model(spec.name)(body)
end

-- The declared classes and tables by name.
function declare.models(db, schema)
  local models = setmetatable({ db = db, classes = {}, tables = {}, schema = schema }, Models)
  for _, spec in ipairs(schema.tables or {}) do
    local args = { spec.table }
    for i, c in ipairs(spec.columns) do args[i + 1] = column(db, c, true) end
    models.tables[spec.table] = db.Table(args)
  end
  for _, spec in ipairs(schema.models) do
    models.classes[spec.name] = model(models, spec)
  end
  return models
end

function declare.open()
  return perilune.open "sqlite://"
end

-- The attributes of a neutral row.
function declare.values(db, row)
  local out = {}
  for k, v in pairs(row) do out[k] = values.read(db, v) end
  return out
end

-- The table of that name; with the columns of classes that are kept in it.
function declare.spec_of(schema, name)
  local found, owner
  for _, list in ipairs { schema.models, schema.tables or {} } do
    for _, spec in ipairs(list) do
      if spec.table == name then found, owner = { columns = { table.unpack(spec.columns) } }, spec.name end
    end
  end
  if not found then error("no table " .. name) end
  for _, spec in ipairs(schema.models) do
    if owner and spec.inherits == owner and not spec.table then
      table.move(spec.columns, 1, #spec.columns, #found.columns + 1, found.columns)
    end
  end
  return found
end

local function shown(spec, value)
  if value == nil then return "NULL" end
  if spec.type[1] ~= "JSON" then return value end
  local dkjson = require "dkjson"
  return values.canonical(dkjson.decode(value, 1, dkjson.null), dkjson.null)
end

-- Every row of a table as SQLite literals, in the order of its key. JSON is
-- read back, because the order of keys in an object is free.
function declare.dump(db, schema, name)
  local spec, list, keys = declare.spec_of(schema, name), {}, {}
  for i, c in ipairs(spec.columns) do
    list[i] = ('%s("%s")'):format(c.type[1] == "JSON" and "json" or "quote", c.name)
    if c.primary_key then keys[#keys + 1] = ('"%s"'):format(c.name) end
  end
  local sql = ('SELECT %s FROM "%s" ORDER BY %s'):format(table.concat(list, ", "), name,
    #keys > 0 and table.concat(keys, ", ") or "1")
  local rows = {}
  for _, row in ipairs(db.session:execute(db.text(sql)):all()) do
    local out = {}
    for i, c in ipairs(spec.columns) do out[i] = shown(c, row[i]) end
    rows[#rows + 1] = out
  end
  return rows
end

-- What SQLite knows of a table: its columns, foreign keys and indexes.
function declare.facts(db, name)
  local function ask(pragma, what)
    return db.session:execute(db.text(('PRAGMA %s("%s")'):format(pragma, what))):all()
  end
  local columns, keys, indexes = {}, {}, {}
  for i, c in ipairs(ask("table_info", name)) do
    columns[i] = ("column %s %s%s default %s key %d"):format(c[2], c[3],
      c[4] ~= 0 and " not null" or "", c[5] == nil and "none" or c[5], c[6])
  end
  for i, k in ipairs(ask("foreign_key_list", name)) do
    keys[i] = ("foreign key %s to %s.%s %s %s"):format(k[4], k[3], k[5], k[6], k[7])
  end
  for i, index in ipairs(ask("index_list", name)) do
    local on = {}
    for k, c in ipairs(ask("index_info", index[2])) do on[k] = c[3] end
    local label = index[2]:match "^sqlite_" and "" or index[2] .. " "
    indexes[i] = ("index %s%s of %s on %s"):format(label, index[3] ~= 0 and "unique" or "plain",
      index[4], table.concat(on, ", "))
  end
  table.sort(keys)
  table.sort(indexes)
  table.move(keys, 1, #keys, #columns + 1, columns)
  return table.move(indexes, 1, #indexes, #columns + 1, columns)
end

-- The names of all tables, sorted.
function declare.table_names(schema)
  local names = {}
  for _, list in ipairs { schema.models, schema.tables or {} } do
    for _, spec in ipairs(list) do names[#names + 1] = spec.table end -- a class without has its parent's
  end
  table.sort(names)
  return names
end

return declare
