--- Models: db.Model "User" { ... }. What a script writes is gathered from mixins and abstract
-- bases, sorted by what each entry is, and given to the core as a table, columns,
-- relationships and members.
local core = require "perilune.core"
local check = require "perilune.declare.check"
local column = require "perilune.declare.column"
local property = require "perilune.declare.property"
local relationship = require "perilune.declare.relationship"
local tables = require "perilune.declare.table"
local instance_methods = require "perilune.declare.instance"
local plugins = require "perilune.declare.plugin"
local info = require "perilune.declare.info"
local fail, set, kind_of, is_model = check.fail, check.set, check.kind_of, check.is_model
local Column, Constraint, Relationship = column.Column, column.Constraint, relationship.Relationship
local Property, Validator = property.Property, property.Validator

local M = {}

local special = set [[__tablename__ __table_args__ __bind_key__ __mapper_args__ __abstract__ __inherits__
  __mixins__ __plugins__ __table__ __versioned__ __fts__ polymorphic_on polymorphic_identity version_id_col]]

--- Flask-SQLAlchemy's table name of a model name.
function M.table_name(name)
  local s = name:gsub("()(%u)", function(at, letter)
    local before, after = name:sub(at - 1, at - 1), name:sub(at + 1, at + 1)
    if at > 1 and (before:match "[%l%d]" or after:match "%l") then return "_" .. letter end
    return letter
  end)
  return (s:lower():gsub("^_+", ""))
end

--- Fields of a class: those of its mixins and abstract bases first, its own over them.
-- Entries without a name (validators) add up.
local function gather(spec, fields, seen)
  seen = seen or {}
  if seen[spec] then return fields end
  seen[spec] = true
  local base = spec.__inherits__
  if type(base) == "table" and base.__abstract_spec then gather(base.__abstract_spec, fields, seen) end
  for _, mixin in ipairs(spec.__mixins__ or {}) do
    gather(type(mixin) == "table" and mixin.__abstract_spec or mixin, fields, seen)
  end
  for k, v in pairs(spec) do
    if math.type(k) ~= "integer" and k ~= "__mixins__" and k ~= "__abstract__" then fields[k] = v end
  end
  for _, v in ipairs(spec) do fields[#fields + 1] = v end
  return fields
end

local reserved = set "metadata query registry"

local function sort_fields(name, fields)
  local parts = { columns = {}, relations = {}, members = {}, validators = {}, expressions = {} }
  for k, v in pairs(fields) do
    local meta = kind_of(v)
    if meta == Validator then
      table.insert(parts.validators, v)
    elseif type(k) ~= "string" then
      fail("ArgumentError", ("%s: entry [%s] has no attribute name"):format(name, tostring(k)))
    elseif meta == Column then
      table.insert(parts.columns, { v, k })
    elseif meta == Relationship then
      table.insert(parts.relations, { v, k })
    elseif meta == Property and v.expression ~= nil then
      table.insert(parts.expressions, { v, k })
    elseif not special[k] then
      parts.members[k] = v
    end
    if type(k) == "string" and reserved[k] then
      fail("InvalidRequestError", ("%s: attribute name '%s' is reserved"):format(name, k))
    end
  end
  local function by_seq(a, b) return a[1].seq < b[1].seq end
  table.sort(parts.columns, by_seq)
  table.sort(parts.relations, by_seq)
  table.sort(parts.expressions, by_seq)
  return parts
end

local function table_parts(args)
  local constraints, options = {}, {}
  for k, v in pairs(args or {}) do
    if math.type(k) == "integer" then
      if kind_of(v) == Constraint then
        constraints[k] = v
      elseif type(v) == "table" then
        for name, value in pairs(v) do options[name] = value end
      end
    else
      options[k] = v
    end
  end
  local list = {}
  for i = 1, #(args or {}) do list[#list + 1] = constraints[i] end
  return list, options
end

local function has_primary_key(columns)
  for _, c in ipairs(columns) do
    if c[1].options.primary_key then return true end
  end
  return false
end

--- A column of a single-table subclass: rows of other classes have none of it. A copy, since
-- a mixin's column serves several models.
local function nullable_copy(c)
  local options = {}
  for k, v in pairs(c.options) do options[k] = v end
  options.nullable = options.nullable ~= false
  return setmetatable({ seq = c.seq, options = options, foreign = c.foreign, checks = c.checks }, getmetatable(c))
end

--- The table of a model: given, built, or (single-table inheritance) its parent's; whether
-- it is another's; whether it was made here.
local function model_table(db, name, fields, parts, parent)
  if fields.__table__ then return fields.__table__, true end
  local constraints, options = table_parts(fields.__table_args__)
  if parent and not has_primary_key(parts.columns) and rawget(fields, "__tablename__") == nil then
    for _, c in ipairs(parts.columns) do
      c[1] = nullable_copy(c[1])
      tables.add_column(db, parent.__table__, c[1], c[2])
      for _, fk in ipairs(c[1].foreign) do
        tables.add_foreign(parent.__table__, { c[1].options.name or c[2] }, { fk.target }, fk.options)
      end
    end
    core.table_finish(parent.__table__)
    return parent.__table__, true
  end
  local d = core.db_table(db)
  local table_name = fields.__tablename__ or M.table_name(name)
  if d.tables and d.tables[table_name] and #parts.columns == 0 then return d.tables[table_name], false end
  if #parts.columns == 0 then
    fail("InvalidRequestError", ("Class %s has neither a __table__ nor columns and does not inherit "
      .. "from a mapped class."):format(name), "declare at least a primary key column")
  end
  local bind = fields.__bind_key__ or (parent and parent.__table__.bind_key)
  local t = tables.build(db, table_name, bind, parts.columns, constraints, options)
  d.tables = d.tables or {}
  d.tables[table_name] = t
  return t, false, true
end

local function map_columns(model, parts, t, parent_table)
  local mapped = {}
  for _, c in ipairs(parts.columns) do
    local name = c[1].options.name or c[2]
    core.model_column(model, c[2], t, name)
    mapped[name] = true
  end
  if parent_table then return end
  for _, c in ipairs(core.table_describe(t).columns) do
    if not mapped[c.name] then core.model_column(model, c.key, t, c.name) end
  end
end

--- Arguments that mean something here; eager_defaults and batch only say how SQLAlchemy works.
local mapper_options = set [[polymorphic_on polymorphic_identity version_id_col confirm_deleted_rows
  eager_defaults batch]]

local function mapper_args(name, fields)
  local args, given = {}, fields.__mapper_args__ or {}
  if type(given) ~= "table" then
    fail("ArgumentError", ("%s: __mapper_args__ must be a table, got %s"):format(name, type(given)))
  end
  if given.with_polymorphic ~= nil then
    fail("ArgumentError", name .. ": with_polymorphic is a matter of the query",
      ("db.select(db.with_polymorphic(%s, \"*\"))"):format(name))
  end
  if given.concrete then
    fail("ArgumentError", name .. ": concrete-table inheritance does not exist here",
      "let an abstract model (__abstract__ = true) have what they share; db.select(A):union(...) reads several")
  end
  check.options(name .. ".__mapper_args__", given, mapper_options)
  for k, v in pairs(given) do args[k] = v end
  for _, k in ipairs { "polymorphic_on", "polymorphic_identity", "version_id_col" } do
    if args[k] == nil then args[k] = rawget(fields, k) end
  end
  for _, k in ipairs { "polymorphic_on", "version_id_col" } do
    local v = args[k]
    if kind_of(v) == Column then
      for attribute, field in pairs(fields) do
        if field == v then args[k] = attribute end
      end
    elseif core.is_node(v) then
      args[k] = column.name(v)
    end
  end
  return args
end

local function check_name(db, name)
  if type(name) ~= "string" or not name:match "^[%a_][%w_]*$" then
    fail("ArgumentError", "db.Model needs a name: db.Model \"User\" { ... }")
  end
  if core.db_table(db).models[name] then
    fail("InvalidRequestError", ("a model named '%s' is already defined on this database"):format(name),
         "use another name, or another db object")
  end
end

--- Validators of a model, besides those it has.
local function add_validators(db, model, list)
  local d = core.db_table(db)
  d.validators = d.validators or setmetatable({}, { __mode = "k" })
  d.validators[model] = d.validators[model] or {}
  table.move(list, 1, #list, #d.validators[model] + 1, d.validators[model])
  core.model_set(model, { attribute_events = true })
  for _, m in ipairs(d.models) do
    local at = m
    while at and at ~= model do at = info[at].parent end
    if at then core.model_set(m, { attribute_events = true }) end
  end
end

local function add_members(db, model, parts)
  local members = core.model_members(model)
  for k, v in pairs(parts.members) do members[k] = v end
  for k, v in pairs(instance_methods) do
    if members[k] == nil then members[k] = v end
  end
  if #parts.validators > 0 then add_validators(db, model, parts.validators) end
end

--- Gives a new model all that was declared.
local function fill(db, model, parts, fields, shared_table)
  local at = info[model]
  map_columns(model, parts, at.table, shared_table)
  for _, e in ipairs(parts.expressions) do
    local expr = e[1].expression
    core.model_expr(model, e[2], type(expr) == "function" and expr(at.table.c) or expr)
  end
  core.model_finish(model)
  core.model_set(model, mapper_args(info[model].name, fields))
  add_members(db, model, parts)
  plugins.configure(db, model, parts.plugins)
  for _, r in ipairs(parts.relations) do relationship.declare(db, model, r[2], r[1]) end
  relationship.defined(db, at.name, model)
  for _, hook in ipairs(M.hooks) do hook(db, model, at.spec, fields) end
end

--- The model that a class inherits from, past abstract ones.
local function parent_of(name, spec)
  local base = spec.__inherits__
  while type(base) == "table" and base.__abstract_spec do base = base.__abstract_spec.__inherits__ end
  if base == nil or is_model(base) then return base end
  fail("ArgumentError", name .. ": __inherits__ must be a model")
end

--- What stands for an abstract model: its fields, and an error for what only models have.
local Abstract = { __name = "perilune.AbstractModel" }

local function refuse_abstract(self)
  fail("InvalidRequestError", ("%s is abstract: it has no table and no rows"):format(rawget(self, "name")),
    ("declare a model with __inherits__ = %s"):format(rawget(self, "name")))
end

function Abstract:__index(k)
  local v = rawget(self, "__abstract_spec")[k]
  if v == nil and (k == "query" or k == "__table__") then refuse_abstract(self) end
  return v
end

function Abstract:__newindex(k, v) self.__abstract_spec[k] = v end

Abstract.__call = refuse_abstract

--- Makes the model of a declaration: its table, its class object, its members. One that
-- cannot be made leaves nothing behind, so that it can be declared again.
function M.build(db, name, spec)
  check_name(db, name)
  local fields = gather(spec, {})
  if spec.__abstract__ then
    return setmetatable({ __abstract_spec = spec, name = name }, Abstract)
  end
  local parent = parent_of(name, spec)
  local used = plugins.apply(db, name, fields, parent)
  local parts = sort_fields(name, fields)
  parts.plugins = used
  local t, shared_table, made = model_table(db, name, fields, parts, parent)
  local model = core.model_new(db, name, t, parent)
  info[model] = { db = db, table = t, parent = parent, name = name, spec = spec, scopes = {} }
  local ok, err = pcall(fill, db, model, parts, fields, shared_table and parent ~= nil)
  if ok then return model end
  core.model_remove(model)
  if made then
    core.table_remove(t)
    core.db_table(db).tables[t.name] = nil
  end
  error(err, 0)
end

--- Called with (db, model, spec, fields) for every model made; plugins add to it.
M.hooks = {}

--- Fields of a class object that are answered here.
M.fields = {
  name = function(model) return info[model].name end,
  __name = function(model) return info[model].name end,
  __table__ = function(model) return info[model].table end,
  __tablename__ = function(model) return info[model].table.name end,
  __parent__ = function(model) return info[model].parent end,
  __spec__ = function(model) return info[model].spec end,
  scopes = function(model) return info[model].scopes end,
}

--- `User.posts = db.relationship{...}` after the fact, and plain values. The rows of a model
-- are laid out when it is declared, so columns cannot be added.
function M.declare(model, name, v)
  local meta = kind_of(v)
  local at = info[model]
  if meta == Relationship then
    relationship.declare(at.db, model, name, v)
  elseif meta == Column then
    fail("InvalidRequestError", ("%s.%s: columns must be declared with the model"):format(at.name, name),
         "write it into db.Model \"" .. at.name .. "\" { ... }")
  elseif meta == Property and v.expression ~= nil then
    fail("InvalidRequestError", ("%s.%s: a column_property must be declared with the model"):format(at.name, name),
         ("declare what it refers to before %s, or use db.hybrid"):format(at.name))
  elseif meta == Validator then
    add_validators(at.db, model, { v })
  else
    core.model_members(model)[name] = v
  end
end

return M
