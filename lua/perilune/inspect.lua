--- perilune.inspect: what the library knows of an object, a model or a database.
--    local state = perilune.inspect(user)
--    print(state.persistent, state.identity[1], state.attrs.name.history.added[1])
--    print(perilune.inspect(User).relationships.posts.direction)
--    print(perilune.inspect(db):get_table_names())
-- @module perilune.inspect
local core = require "perilune.core"
local declared = require "perilune.declare.info"

local inspect = {}

-- ---- attributes of an object --------------------------------------------------------

--- Changes of an attribute since the last flush; [1], [2], [3] are the three lists, too.
-- NULL stands in them as db.null.
-- @type History
-- @field added new values
-- @field unchanged values that are as they were
-- @field deleted values that were before
local History = {}

local history_meta = { __name = "perilune.History", __index = History }

--- Whether something was added or deleted.
function History:has_changes() return #self.added + #self.deleted > 0 end

--- Whether nothing is known at all: not set, not loaded.
function History:empty() return #self.added + #self.unchanged + #self.deleted == 0 end

--- All values, old and new.
function History:sum()
  local out = {}
  for i = 1, 3 do table.move(self[i], 1, #self[i], #out + 1, out) end
  return out
end

function history_meta.__tostring(self)
  return ("History(added=%s, unchanged=%s, deleted=%s)")
    :format(tostring(self.added), tostring(self.unchanged), tostring(self.deleted))
end

--- An attribute of one object.
-- @type AttributeState
-- @field key its name
-- @field object
-- @field value as the object gives it; loads what is not there
-- @field loaded_value the same, nil when reading it would need SQL
-- @field loaded whether it is there
-- @field history see History; nothing is loaded for it
local attribute_meta = { __name = "perilune.AttributeState" }

local attribute_fields = {}

function attribute_fields.value(self) return self.object[self.key] end

function attribute_fields.loaded(self) return core.object_loaded(self.object, self.key) end

function attribute_fields.loaded_value(self)
  if core.object_loaded(self.object, self.key) then return self.object[self.key] end
end

function attribute_fields.history(self)
  local added, unchanged, deleted = core.object_history(self.object, self.key)
  return setmetatable({ added, unchanged, deleted, added = added, unchanged = unchanged,
                        deleted = deleted }, history_meta)
end

function attribute_meta.__index(self, key)
  local field = attribute_fields[key]
  if field then return field(self) end
end

function attribute_meta.__tostring(self)
  return ("<AttributeState %s>"):format(self.key)
end

--- Names of all attributes of a model: columns in order, then relationships.
local function attribute_names(model)
  local names, about = {}, core.model_describe(model)
  for _, list in ipairs { about.attributes, about.relationships } do
    for _, entry in ipairs(list) do names[#names + 1] = entry.name end
  end
  return names
end

local function no_attribute(model, name)
  local near = core.nearest(tostring(name), attribute_names(model))
  core.raise("AttributeError",
    ("%s has no attribute '%s'"):format(core.model_describe(model).name, tostring(name)),
    near and ("did you mean '" .. near .. "'?") or nil)
end

--- state.attrs: attributes by name; pairs goes over all.
local function attributes_of(object)
  local model = core.object_model(object)
  local names = attribute_names(model)
  local known = {}
  for _, name in ipairs(names) do known[name] = true end
  local function at(name)
    return setmetatable({ key = name, object = object }, attribute_meta)
  end
  return setmetatable({}, {
    __name = "perilune.AttributeStates",
    __index = function(_, name)
      if not known[name] then no_attribute(model, name) end
      return at(name)
    end,
    __pairs = function()
      local i = 0
      return function()
        i = i + 1
        if names[i] then return names[i], at(names[i]) end
      end
    end,
    __len = function() return #names end,
  })
end

-- ---- objects ------------------------------------------------------------------------

--- What is known of an object; every field is read anew.
-- @type InstanceState
-- @field state "transient", "pending", "persistent", "deleted" or "detached"
-- @field transient booleans, one for each of these words
-- @field session its session, nil when it has none
-- @field identity list of its key's values, nil as long as it has no row
-- @field mapper what inspect gives for its model
-- @field model
-- @field object
-- @field modified whether it has changes that a flush would look at
-- @field expired whether its values are read again when next needed
-- @field unloaded list of the attributes that are not there yet
-- @field attrs its attributes by name, see AttributeState
local state_meta = { __name = "perilune.InstanceState" }

local state_fields = {}

for _, word in ipairs { "transient", "pending", "persistent", "deleted", "detached" } do
  state_fields[word] = function(object) return core.object_state(object) == word end
end

function state_fields.state(object) return (core.object_state(object)) end
function state_fields.modified(object) return (select(2, core.object_state(object))) end
function state_fields.expired(object) return (select(3, core.object_state(object))) end
function state_fields.has_identity(object) return core.object_identity(object) ~= nil end
function state_fields.model(object) return core.object_model(object) end
function state_fields.mapper(object) return inspect.model(core.object_model(object)) end

state_fields.session = core.object_session
state_fields.identity = core.object_identity
state_fields.attrs = attributes_of

function state_fields.unloaded(object)
  local out = {}
  for _, name in ipairs(attribute_names(core.object_model(object))) do
    if not core.object_loaded(object, name) then out[#out + 1] = name end
  end
  return out
end

function state_meta.__index(self, key)
  local field = state_fields[key]
  if field then return field(rawget(self, "object")) end
  local names = {}
  for name in pairs(state_fields) do names[#names + 1] = name end
  table.sort(names)
  local near = core.nearest(tostring(key), names)
  core.raise("AttributeError", ("the state of an object has no field '%s'"):format(tostring(key)),
    near and ("did you mean '" .. near .. "'?") or nil)
end

function state_meta.__tostring(self)
  local object = rawget(self, "object")
  local ok, text = pcall(tostring, object)
  if not ok then text = "a " .. core.model_describe(core.object_model(object)).name end
  return ("<InstanceState of %s, %s>"):format(text, self.state)
end

--- The state of an object.
function inspect.object(object)
  return setmetatable({ object = object }, state_meta)
end

-- ---- models -------------------------------------------------------------------------

--- What is known of a model.
-- @type Mapper
-- @field name
-- @field model
-- @field table its table; `tables` lists all of joined inheritance
-- @field columns list and by name: { name = attribute, column =, type =, info = what db.Column
-- was given, else an empty table }; also `attributes`
-- @field primary_key list of the attributes of the key
-- @field relationships list and by name: { name =, target =, direction =, uselist =, back = }
-- @field attrs all of both by name
-- @field parent the model that it inherits from, or nil
local mapper_meta = { __name = "perilune.Mapper" }

function mapper_meta.__tostring(self) return ("<Mapper %s>"):format(self.name) end

local function by_name(list, all)
  for i = 1, #list do
    list[list[i].name] = list[i]
    all[list[i].name] = list[i]
  end
  return list
end

--- What is known of a model.
function inspect.model(model)
  local about = core.model_describe(model)
  local attrs = {}
  local own = core.db_table(declared[model].db).functions
  for _, attribute in ipairs(about.attributes) do attribute.info = own[attribute.info] or {} end
  about.attributes = by_name(about.attributes, attrs)
  about.relationships = by_name(about.relationships, attrs)
  about.columns, about.attrs, about.model = about.attributes, attrs, model
  about.table, about.parent = about.tables[1], model.__parent__
  about.local_table = about.tables[#about.tables]
  return setmetatable(about, mapper_meta)
end

-- ---- anything -----------------------------------------------------------------------

local by_class = {
  ["perilune.Model"] = function(v) return inspect.model(v) end,
  ["perilune.Database"] = function(v) return require "perilune.reflect".inspector(v) end,
  ["perilune.Engine"] = function(v)
    return require "perilune.reflect".inspector(v.db, v.bind_key)
  end,
  ["perilune.Table"] = function(v) return core.table_describe(v) end,
}

--- perilune.inspect(value): an InstanceState for an object, a Mapper for a model, an Inspector
-- for a db or an engine, a description for a table.
-- @function perilune.inspect
-- @param value
function inspect.inspect(value)
  if core.is_instance(value) then return inspect.object(value) end
  local class = core.class(value)
  local make = class and by_class[class]
  if make then return make(value) end
  core.raise("NoInspectionAvailable",
    ("No inspection system is available for object of type %s"):format(class or type(value)),
    "it takes an object, a model, a table, a db or an engine")
end

return inspect
