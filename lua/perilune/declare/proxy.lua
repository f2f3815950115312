--- Association proxies: an attribute of related objects, seen as one's own.
--    keywords = db.association_proxy("taggings", "word")
--    user.keywords:append "moon"                 -- makes a Tagging{word = "moon"}
--    User.query:where(User.keywords:contains "moon")
local core = require "perilune.core"
local check = require "perilune.declare.check"
local info = require "perilune.declare.info"
local property = require "perilune.declare.property"
local fail, check_options, set = check.fail, check.options, check.set

local M = {}

-- Fields of a proxy that are not the list's: owner and spec, both raw.

--- A to-many relationship seen through an attribute of its objects; behaves as a Lua array.
-- @type ProxyList
local List = {}
local list_meta = { __name = "perilune.ProxyList" }

local function target_list(list)
  local spec = rawget(list, "spec")
  return rawget(list, "owner")[spec.relation], spec
end

local function make(list, value)
  local _, spec = target_list(list)
  return spec.create(rawget(list, "owner"), value)
end

function list_meta.__index(list, key)
  if math.type(key) ~= "integer" then return List[key] end
  local targets, spec = target_list(list)
  local target = targets[key]
  if target ~= nil then return target[spec.attribute] end
end

function list_meta.__len(list) return #target_list(list) end

function list_meta.__newindex(list, i, value)
  local targets, spec = target_list(list)
  if math.type(i) ~= "integer" or i < 1 or i > #targets + 1 then
    fail("TypeError", ("%s: position %s is outside the list"):format(spec.what, tostring(i)))
  elseif i > #targets then
    if value ~= nil then targets:append(make(list, value)) end
  elseif value == nil then
    targets:remove(targets[i])
  else
    targets[i][spec.attribute] = value
  end
end

function list_meta.__tostring(list)
  local out = {}
  for i, value in ipairs(list) do out[i] = tostring(value) end
  return "[" .. table.concat(out, ", ") .. "]"
end

--- Position of a value, nil when it is not there.
function List:index(value)
  for i, v in ipairs(self) do
    if v == value then return i end
  end
end

function List:contains(value) return self:index(value) ~= nil end

--- Adds a value at the end: an object is made for it.
function List:append(value) target_list(self):append(make(self, value)) end

function List:insert(i, value) target_list(self):insert(i, make(self, value)) end

function List:extend(values)
  for _, value in ipairs(values) do self:append(value) end
end

--- Takes out the first object with the value.
function List:remove(value)
  local i = self:index(value)
  if not i then fail("ValueError", ("%s: no such value in the list"):format(rawget(self, "spec").what)) end
  local targets = target_list(self)
  targets:remove(targets[i])
end

--- Takes out the last value (or that at i) and returns it.
function List:pop(i)
  i = i or #self
  local value = self[i]
  if value ~= nil then
    local targets = target_list(self)
    targets:remove(targets[i])
  end
  return value
end

function List:clear() target_list(self):clear() end

--- Makes the list hold these values; objects whose value stays are kept.
function List:replace(values)
  local targets, spec = target_list(self)
  local free, new = {}, {}
  for _, target in ipairs(targets) do
    local value = target[spec.attribute]
    free[value] = free[value] or {}
    table.insert(free[value], target)
  end
  for i, value in ipairs(values) do
    new[i] = free[value] and table.remove(free[value], 1) or make(self, value)
  end
  rawget(self, "owner")[spec.relation] = new
end

-- ---- at class level -----------------------------------------------------------------

local Attribute = { __name = "perilune.ProxyAttribute" }

--- Any method of the attribute's expression gives a condition on the owner.
function Attribute.__index(proxy, name)
  local class, spec = rawget(proxy, "class"), rawget(proxy, "spec")
  local relation = class[spec.relation]
  local quantify = spec.uselist and relation.any or relation.has
  if name == "any" or name == "has" then
    return function(_, condition) return quantify(relation, condition) end
  end
  local attribute = spec.target[spec.attribute]
  local method = name == "contains" and not spec.nested and "eq" or name
  if attribute[method] == nil then fail("AttributeError", ("%s has no method '%s'"):format(spec.what, name)) end
  return function(_, ...) return quantify(relation, attribute[method](attribute, ...)) end
end

function Attribute.__tostring(proxy) return rawget(proxy, "spec").what end

-- ---- declaration --------------------------------------------------------------------

local function find(list, name)
  for _, entry in ipairs(list) do
    if entry.name == name then return entry end
  end
end

--- Fills a spec in at first use: only then all models are there.
local function resolve(spec, model)
  if spec.target then return spec end
  local described = core.model_describe(model)
  local relation = find(described.relationships, spec.relation)
  spec.what = ("association proxy of %s.%s"):format(described.name, spec.relation)
  if not relation then
    fail("InvalidRequestError", ("%s: %s has no relationship '%s'"):format(spec.what, described.name, spec.relation))
  end
  local target = core.db_table(info[model].db).models[relation.target]
  local about = core.model_describe(target)
  spec.nested = find(about.relationships, spec.attribute) ~= nil
  if not spec.nested and not find(about.attributes, spec.attribute) then local _ = target[spec.attribute] end
  spec.uselist = relation.uselist
  spec.create = function(_, value)
    if spec.creator then return spec.creator(value) end
    return target { [spec.attribute] = value }
  end
  spec.target = target
  return spec
end

local function list_of(self, spec)
  return setmetatable({ owner = self, spec = spec }, list_meta)
end

local function get(self, spec)
  if spec.uselist then return list_of(self, spec) end
  local target = self[spec.relation]
  return target and target[spec.attribute]
end

local function assign(self, spec, value)
  if spec.uselist then
    if type(value) ~= "table" then
      fail("TypeError", ("%s takes a list of values, got %s"):format(spec.what, type(value)))
    end
    list_of(self, spec):replace(value)
  elseif self[spec.relation] then
    self[spec.relation][spec.attribute] = value
  elseif value ~= nil then
    self[spec.relation] = spec.create(self, value)
  end
end

--- db.association_proxy(relationship, attribute [, {creator = fn}]): an attribute of related
-- objects. `creator(value)` makes an object for a value; else Target{attribute = value} does.
-- @string relation
-- @string attribute
-- @tab[opt] options creator
function M.association_proxy(relation, attribute, options)
  if type(relation) == "table" then
    relation, attribute, options = relation[1], relation[2], { creator = relation.creator }
  end
  if type(relation) ~= "string" or type(attribute) ~= "string" then
    fail("ArgumentError", "db.association_proxy needs a relationship's name and an attribute's",
      "db.association_proxy(\"taggings\", \"word\")")
  end
  check_options("db.association_proxy", options or {}, set "creator")
  local creator = options and options.creator
  if creator ~= nil and type(creator) ~= "function" then
    fail("ArgumentError", "db.association_proxy: creator must be a function, got " .. type(creator))
  end
  local specs = setmetatable({}, { __mode = "k" }) -- by model: a mixin serves several
  local function spec_of(model)
    specs[model] = specs[model] or { relation = relation, attribute = attribute, creator = creator }
    return resolve(specs[model], model)
  end
  return property.new {
    get = function(self) return get(self, spec_of(core.model_of(self))) end,
    set = function(self, value) assign(self, spec_of(core.model_of(self)), value) end,
    expr = function(class)
      return setmetatable({ class = class, spec = spec_of(core.alias_model(class)) }, Attribute)
    end,
  }
end

return M
