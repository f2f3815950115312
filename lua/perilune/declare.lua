--- Declarations: everything a script writes in `db.Model "User" { ... }` and beside it.
-- The parts are in `perilune.declare.*`: types, columns and constraints, tables,
-- relationships, properties, models. They check what is written and give it to the C core
-- as plain values. Runs once per db object; nothing here is hot.
local core = require "perilune.core"
local check = require "perilune.declare.check"
local types = require "perilune.declare.type"
local columns = require "perilune.declare.column"
local tables = require "perilune.declare.table"
local relationships = require "perilune.declare.relationship"
local properties = require "perilune.declare.property"
local ordering = require "perilune.declare.ordering"
local proxies = require "perilune.declare.proxy"
local plugins = require "perilune.declare.plugin"
local models = require "perilune.declare.model"
local shared = core.shared()

local declare = {
  info = require "perilune.declare.info",
  instance_methods = require "perilune.declare.instance",
  hooks = models.hooks,
  table_name = models.table_name,
}

--- Gives a db object its own constructors: those that need to know it.
function declare.attach(db)
  local fields = core.db_table(db).fields
  fields.select = core.select_for(db)
  fields.Model = setmetatable({}, {
    __name = "perilune.ModelFactory",
    __call = function(_, name, spec)
      if spec then return models.build(db, name, spec) end
      return function(body)
        if type(body) ~= "table" then
          check.fail("ArgumentError", "db.Model \"" .. tostring(name) .. "\" needs { ... }")
        end
        return models.build(db, name, body)
      end
    end,
  })
  fields.Table = function(spec, ...)
    if type(spec) ~= "table" then spec = { spec, ... } end
    return tables.table(db, spec)
  end
end

--- A constructor that refuses the db as its first argument: a colon stood for the dot.
local function dotted(name, make)
  return function(first, ...)
    if core.class(first) == "perilune.Database" then
      check.fail("TypeError", ("db.%s is called with a dot"):format(name),
                 ("write db.%s{...} or db.%s(...)"):format(name, name))
    end
    return make(first, ...)
  end
end

local constructors = {
  type = types.custom,
  Column = columns.column,
  ForeignKey = columns.foreign_key,
  ForeignKeyConstraint = columns.foreign_key_constraint,
  UniqueConstraint = columns.unique_constraint,
  PrimaryKeyConstraint = columns.primary_key_constraint,
  CheckConstraint = columns.check_constraint,
  Computed = columns.computed,
  Index = tables.index,
  relationship = relationships.relationship,
  backref = relationships.backref,
  hybrid = properties.hybrid,
  synonym = properties.synonym,
  column_property = properties.column_property,
  validates = properties.validates,
  association_proxy = proxies.association_proxy,
  ordering_list = ordering.ordering_list,
}

--- Puts the constructors that all db objects share into the namespace. Once per module table.
function declare.install(namespace)
  for name in types.kinds:gmatch "%S+" do namespace[name] = core.type(name) end
  namespace.Uuid = namespace.UUID
  for name, make in pairs(constructors) do namespace[name] = dotted(name, make) end
  namespace.plugin = plugins.plugin
  shared.type_call = types.call
  shared.model_fields = models.fields
  shared.model_declare = models.declare
end

return declare
