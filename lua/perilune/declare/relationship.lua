--- Relationships: db.relationship and db.backref, and their arguments as the core wants them.
-- A target named by a string may be defined later; what waits for it runs when it is.
local core = require "perilune.core"
local check = require "perilune.declare.check"
local ordering = require "perilune.declare.ordering"
local info = require "perilune.declare.info"
local shared = core.shared()
local fail, check_options, set = check.fail, check.options, check.set
local is_model, is_table = check.is_model, check.is_table

local Relationship = { __name = "perilune.RelationshipDeclaration" }
Relationship.__index = Relationship

--- orders: the list of expressions behind the order_by of a relationship, by model and name.
local M = { Relationship = Relationship, orders = setmetatable({}, { __mode = "k" }) }

local relation_options = set [[backref back_populates secondary uselist lazy cascade order_by primaryjoin
  secondaryjoin foreign_keys remote_side viewonly passive_deletes passive_updates single_parent
  post_update info doc innerjoin overlaps collection_class join_depth]]

--- The value of an argument that may be a function, called when the models are first used.
local function expression(v)
  if type(v) == "function" then return v() end
  return v
end

--- A condition of a join: an expression, or a function of one. SQLAlchemy's texts of Python
-- have no meaning here.
local function check_join(what, v)
  if v == nil or type(v) == "function" or core.is_node(v) then return v end
  fail("ArgumentError", ("relationship: %s is an expression or a function that gives one, got %s"):format(what,
    type(v) == "string" and ("the text '%s'"):format(v) or type(v)),
    what .. " = function() return User.id:eq(Post.user_id) end")
end

local function check_joins(spec)
  check_join("primaryjoin", spec.primaryjoin)
  check_join("secondaryjoin", spec.secondaryjoin)
end

--- db.relationship{target, backref =, back_populates =, secondary =, ...}.
function M.relationship(spec, options)
  if type(spec) ~= "table" or is_model(spec) then
    local list = { spec }
    for k, v in pairs(options or {}) do list[k] = v end
    spec = list
  end
  check_options("db.relationship", spec, relation_options)
  check_joins(spec)
  ordering.check(spec.collection_class)
  local target = spec[1]
  if type(target) ~= "string" and not is_model(target) and type(target) ~= "function" then
    fail("ArgumentError", "db.relationship needs a model or its name first")
  end
  local back = spec.backref
  if back ~= nil and type(back) ~= "string" and type(back) ~= "table" then
    fail("ArgumentError", "db.relationship: backref is a name or db.backref{...}, got " .. type(back))
  end
  local r = setmetatable({ seq = core.sequence(), target = target, options = {} }, Relationship)
  for k, v in pairs(spec) do
    if type(k) == "string" then r.options[k] = v end
  end
  return r
end

--- db.backref{"posts", lazy = true, ...}: the other side of a relationship.
function M.backref(spec, options)
  if type(spec) ~= "table" then
    local list = { spec }
    for k, v in pairs(options or {}) do list[k] = v end
    spec = list
  end
  check_options("db.backref", spec, relation_options)
  check_joins(spec)
  ordering.check(spec.collection_class)
  if type(spec[1]) ~= "string" then fail("ArgumentError", "db.backref needs its name first") end
  return spec
end

local lazy_words = {
  [true] = "select", [false] = "joined", select = "select", joined = "joined", selectin = "selectin",
  subquery = "subquery", raise = "raise", raise_on_sql = "raise", dynamic = "dynamic",
  write_only = "write_only", noload = "noload", immediate = "immediate",
}

--- Refuses words of lazy and cascade that mean nothing, where they are written.
local function check_words(where, o)
  if o.lazy ~= nil and not lazy_words[o.lazy] then
    local names = {}
    for k in pairs(lazy_words) do
      if type(k) == "string" then names[#names + 1] = k end
    end
    table.sort(names)
    fail("ArgumentError", ("relationship %s: unknown lazy '%s'"):format(where, tostring(o.lazy)),
         "one of " .. table.concat(names, ", "))
  end
  if o.cascade == nil or o.cascade == false then return end
  if type(o.cascade) ~= "string" then
    fail("ArgumentError", ("relationship %s: cascade must be a string, got %s")
      :format(where, type(o.cascade)), "cascade = \"all, delete-orphan\"")
  end
  local ok, err = pcall(core.cascade_check, o.cascade)
  if not ok then fail(err.name, ("relationship %s: %s"):format(where, err.message), err.hint) end
end

local function model_name(target)
  if type(target) == "function" then target = target() end
  return is_model(target) and info[target].name or target
end

--- A column named by a text ("id", "Model.attr", "table.column"), a declaration, an expression.
local function find_column(db, model, v)
  if core.is_node(v) then return v end
  if type(v) ~= "string" then
    fail("ArgumentError", "a column or \"Model.attribute\" expected, got " .. type(v))
  end
  local owner, attr = v:match "^(.+)%.([^.]+)$"
  if not owner then return model[v] end
  local d = core.db_table(db)
  if d.models[owner] then return d.models[owner][attr] end
  for _, m in ipairs(d.models) do
    if m.__table__ and m.__table__.name == owner then return m.__table__.c[attr] end
  end
  if d.tables and d.tables[owner] then return d.tables[owner].c[attr] end
  fail("InvalidRequestError", ("'%s' names no model or table of this database"):format(v))
end

local function column_list(db, model, v)
  if v == nil then return nil end
  if type(v) == "function" then v = v() end
  if type(v) ~= "table" then v = { v } end
  local out = {}
  for i, c in ipairs(v) do out[i] = find_column(db, model, c) end
  return out
end

local function order_entry(db, model, v)
  if type(v) ~= "string" then return v end
  local name, direction = v:match "^(%S+)%s+(%a+)$"
  local column = find_column(db, model, name or v)
  if direction and direction:lower() == "desc" then return column:desc() end
  return column
end

local function order_tuple(db, target, v)
  if v == nil then return nil end
  if type(v) == "function" then v = v() end
  if type(v) ~= "table" then v = { v } end
  local list = {}
  for i, e in ipairs(v) do list[i] = order_entry(db, target, e) end
  return shared.namespace.tuple_(table.unpack(list)), list
end


local column_options = { "foreign_keys", "remote_side", "primaryjoin", "secondaryjoin", "order_by" }

--- Whether arguments speak of columns, so that the target must be there first. Functions
-- are called when the models are first used, and may speak of any.
local function needs_target(o)
  for _, name in ipairs(column_options) do
    if o[name] ~= nil and type(o[name]) ~= "function" then return true end
  end
  return false
end

--- The options without those that are functions of columns; nil when there are none such.
local function without_functions(o)
  local out
  for _, name in ipairs(column_options) do
    if type(o[name]) == "function" then
      if not out then
        out = {}
        for k, v in pairs(o) do out[k] = v end
      end
      out[name] = nil
    end
  end
  return out
end

--- The arguments of a relationship as the core wants them.
local function relation_args(db, model, target, o, extra)
  local lazy = o.lazy
  local passive = o.passive_deletes
  local uselist = -1
  if o.uselist ~= nil then uselist = o.uselist and 1 or 0 end
  local target_model = core.db_table(db).models[target]
  local args = {
    target = target, back_populates = extra.back_populates or o.back_populates,
    uselist = uselist, lazy = lazy ~= nil and lazy_words[lazy] or nil, cascade = o.cascade,
    passive_deletes = passive == "all" and 2 or passive and 1 or 0, passive_deletes_given = passive ~= nil,
    viewonly = o.viewonly, single_parent = o.single_parent, post_update = o.post_update,
    innerjoin = o.innerjoin, join_depth = o.join_depth, raise_on_sql = lazy == "raise_on_sql",
    passive_updates_off = o.passive_updates == false, by_backref = extra.by_backref,
    foreign_keys = column_list(db, model, o.foreign_keys),
    remote_side = column_list(db, model, o.remote_side),
    primaryjoin = check_join("primaryjoin", expression(o.primaryjoin)),
    secondaryjoin = check_join("secondaryjoin", expression(o.secondaryjoin)),
  }
  local ordered = o.collection_class
  if ordered then args.numbered, args.first_number = ordered.attribute, ordered.from end
  if target_model then
    local order, list = order_tuple(db, target_model, o.order_by)
    args.order_by = order
    M.orders[model] = M.orders[model] or {}
    M.orders[model][extra.name] = list
  end
  local secondary = expression(o.secondary)
  if is_model(secondary) then secondary = secondary.__table__ end
  if type(secondary) == "string" then
    args.secondary = secondary
  elseif is_table(secondary) then
    args.secondary_table = secondary
  elseif secondary ~= nil then
    fail("ArgumentError", "relationship: secondary must be a db.Table or its name")
  end
  return args
end

--- The other side that a backref asks for, as options of a relationship on the target.
local function backref_options(o)
  local spec = o.backref
  if type(spec) == "string" then spec = { spec } end
  local out = {}
  for k, v in pairs(spec) do
    if type(k) == "string" then out[k] = v end
  end
  out.secondary = o.secondary
  if o.secondary ~= nil then
    out.primaryjoin, out.secondaryjoin = o.secondaryjoin, o.primaryjoin
  else
    out.primaryjoin = out.primaryjoin or o.primaryjoin
    out.foreign_keys = out.foreign_keys or o.foreign_keys
  end
  if out.viewonly == nil then out.viewonly = o.viewonly end
  if out.passive_updates == nil then out.passive_updates = o.passive_updates end
  if out.post_update == nil then out.post_update = o.post_update end
  return spec[1], out
end

local function subclasses(db, model, fn)
  for _, m in ipairs(core.db_table(db).models) do
    local parent = m.__parent__
    while parent do
      if parent == model then fn(m) break end
      parent = parent.__parent__
    end
  end
end

local function add_relation(db, model, name, target, o, extra)
  extra.name = name
  local some = without_functions(o)
  core.model_relation(model, name, relation_args(db, model, target, some or o, extra))
  if some then
    local d = core.db_table(db)
    d.unsettled = d.unsettled or {}
    table.insert(d.unsettled, function()
      core.relation_arguments(model, name, relation_args(db, model, target, o, extra))
    end)
  end
  subclasses(db, model, core.model_refresh)
  if o.collection_class then ordering.attach(db, model, name) end
end

--- Calls what was declared as a function: the models are about to be used. What fails is
-- tried again at the next use.
function shared.settle_declarations(db)
  local d = core.db_table(db)
  local unsettled = d.unsettled or {}
  d.unsettled = nil
  for i, settle in ipairs(unsettled) do
    local done, err = pcall(settle)
    if not done then
      d.unsettled = table.move(unsettled, i, #unsettled, 1, {})
      error(err, 0)
    end
  end
end

--- The target of a backref must not have the name already.
local function add_backref(db, model, name, target_model, o)
  local back, options = backref_options(o)
  if core.model_members(target_model)[back] ~= nil then
    fail("ArgumentError", ("Error creating backref '%s' on relationship '%s.%s': property of that name exists on '%s'")
      :format(back, info[model].name, name, info[target_model].name))
  end
  add_relation(db, target_model, back, info[model].name, options, { back_populates = name, by_backref = true })
end

local function when_defined(db, target, fn)
  local d = core.db_table(db)
  if d.models[target] then return fn(d.models[target]) end
  d.waiting = d.waiting or {}
  d.waiting[target] = d.waiting[target] or {}
  table.insert(d.waiting[target], fn)
end

--- Gives a model the relationship of a declaration, and its target the backref.
function M.declare(db, model, name, r)
  local o = r.options
  local target = model_name(r.target)
  local back = o.backref and (type(o.backref) == "string" and o.backref or o.backref[1])
  local where = info[model].name .. "." .. name
  check_words(where, o)
  if type(o.backref) == "table" then check_words(("%s, backref '%s'"):format(where, back), o.backref) end
  local function current() return core.db_table(db).models[info[model].name] == model end
  local function add()
    if current() then add_relation(db, model, name, target, o, { back_populates = back }) end
  end
  if needs_target(o) then when_defined(db, target, add) else add() end
  if o.backref then
    when_defined(db, target, function(target_model)
      if current() then add_backref(db, model, name, target_model, o) end
    end)
  end
end

--- Runs what waited for a model of this name.
function M.defined(db, name, model)
  local waiting = core.db_table(db).waiting
  local fns = waiting and waiting[name]
  if not fns then return end
  for _, fn in ipairs(fns) do fn(model) end
  waiting[name] = nil
end

return M
