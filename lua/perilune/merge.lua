--- session:merge: what an object knows, put into the session's object with the same key.
-- The walk over related objects is here, so that its depth costs memory only.
-- @module perilune.merge
local core = require "perilune.core"
local declare = require "perilune.declare"

local merge = {}

--- The cascade bit of "merge" in what core.model_describe tells of a relationship.
local CASCADE_MERGE = 2

local Merger = {}
Merger.__index = Merger

--- What a model's objects have to be asked for, once for each model of a merge.
function Merger:about(object)
  local model = core.object_model(object)
  local found = self.models[model]
  if not found then
    local root = model
    while declare.info[root].parent do root = declare.info[root].parent end
    found = { model = model, root = root, relationships = core.model_describe(model).relationships }
    self.models[model] = found
  end
  return found
end

--- Whether a model has a name or inherits from the one that has.
local function is_a(model, name)
  while model do
    if core.model_describe(model).name == name then return true end
    model = declare.info[model].parent
  end
  return false
end

--- Objects of this merge by root model and key; the place for one, in nested tables.
local function place(known, root, key)
  local at = known[root]
  if not at then
    at = {}
    known[root] = at
  end
  for i = 1, #key - 1 do
    at[key[i]] = at[key[i]] or {}
    at = at[key[i]]
  end
  return at, key[#key]
end

--- The session's object for the key of a source, or nil.
function Merger:find(about, key)
  local at, last = place(self.known, about.root, key)
  if at[last] ~= nil then return at[last] end
  if not self.load then return core.object_in_map(self.session, about.model, table.unpack(key)) end
  return self.session:get(about.model, table.unpack(key))
end

local function describe(object)
  return core.object_describe(object)
end

--- A new object of the session that stands for a source.
function Merger:make(source, keyed)
  if self.load then
    local target = core.object_blank(source)
    self.session:add(target)
    return target
  end
  if not keyed then
    core.raise("InvalidRequestError",
      ("merge() with load=false does not take new objects: %s"):format(describe(source)),
      "flush all changes before merging with load=false")
  end
  if select(2, core.object_state(source)) then
    core.raise("InvalidRequestError",
      ("merge() with load=false does not take changed objects: %s"):format(describe(source)),
      "flush all changes before merging with load=false")
  end
  return core.object_copy(self.session, source)
end

--- The version that the source was read in must be the row's.
local function check_version(source, target)
  local given, existing = core.object_version(source), core.object_version(target)
  if given == nil or existing == nil or given == existing then return end
  core.raise("StaleDataError", ("Version id '%s' on merged state %s does not match existing version '%s'")
    :format(given, describe(source), existing),
    "leave the version unset when merging, to update the latest one")
end

--- Whether the walk came to an object from the other side of a relationship.
function Merger:came_by(source, relation)
  local from = relation.back and self.came[source]
  local model = from and from[relation.back]
  return model ~= nil and model ~= false and is_a(model, relation.target)
end

--- Merges an object that a relationship leads to.
function Merger:follow(about, relation, related)
  local came = self.came[related]
  if not came then
    came = {}
    self.came[related] = came
  end
  came[relation.name] = about.model
  return self:object(related)
end

function Merger:relation(about, relation, source, target)
  if relation.cascade & CASCADE_MERGE == 0 then return end
  if self.load and self:came_by(source, relation) then return end
  local there, value = core.object_related(source, relation.name)
  if not there then return end
  local merged = value
  if relation.uselist then
    local items = {}
    for i = 1, #value do items[i] = value[i] end
    merged = {}
    for i = 1, #items do merged[i] = self:follow(about, relation, items[i]) end
  elseif value ~= nil then
    merged = self:follow(about, relation, value)
  end
  if not self.load then
    core.object_relate(target, relation.name, merged)
  elseif not relation.viewonly then
    target[relation.name] = merged
  end
end

--- Merges one object and what its relationships lead to.
function Merger:object(source)
  if self.done[source] then return self.done[source] end
  local about = self:about(source)
  local key, keyed = core.object_key(source)
  local target, new
  if key then target = self:find(about, key) end
  if target == nil then
    target, new = self:make(source, keyed), true
  end
  self.done[source] = target
  if key then
    local at, last = place(self.known, about.root, key)
    at[last] = target
  end
  if not rawequal(source, target) then
    if self.load then
      check_version(source, target)
      core.object_assign(target, source)
    end
    for _, relation in ipairs(about.relationships) do
      self:relation(about, relation, source, target)
    end
  end
  if new and not self.load then core.object_loaded_event(target) end
  return target
end

--- Puts what an object knows into the session's object with the same key, which is loaded
-- when it is not there and made when it has no row; relationships follow where their
-- cascade says "merge". The object itself stays as it is.
-- @function Session:merge
-- @param self
-- @param object transient, detached or of another session
-- @tab[opt] options load = false: takes the object's values as those of the row, without
-- SQL; it must have no changes
-- @return the session's object
function merge.merge(self, object, options)
  if core.class(self) ~= "perilune.Session" then
    core.raise("TypeError", "a Session expected as the object of 'merge'",
      "call it with a colon: session:merge(...)")
  end
  if type(object) == "table" and options == nil then object, options = object[1], object end
  if not core.is_instance(object) then
    core.raise("UnmappedInstanceError", ("%s is not an instance of a model"):format(type(object)))
  end
  local load = not (options and options.load == false)
  local merger = setmetatable({
    session = self, load = load, done = {}, known = {}, came = {}, models = {},
  }, Merger)
  if not load then return merger:object(object) end
  if self.autoflush then self:flush() end
  return self:no_autoflush(function() return merger:object(object) end)
end

return merge
