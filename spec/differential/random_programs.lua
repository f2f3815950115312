-- SPDX-License-Identifier: MIT
-- Makes random unit-of-work programs: small random schemas of three models, and
-- random operations on a few named objects. The programs are guarded: an
-- operation on an object that is deleted or detached is skipped, and an error
-- ends the transaction. What misuse does is told by programs of their own. Every
-- other program has batched lazy loading.
-- luacheck: no max line length

local random = require "spec.differential.random"
local touched = require("spec.differential.programs").touched

local function col(name, kind, options)
  local c = options or {}
  c.name, c.type = name, { table.unpack(kind) }
  return c
end

local function fk(name, target, options)
  options.foreign_key = target
  return col(name, { "Integer" }, options)
end

-- A one-to-many pair; the child is the spec that gets the key.
local function one_to_many(r, parent, child, list, reference)
  local cascade = r:pick { "none", "none", "none", "orphan", "delete", "passive" }
  local link, back = {}, { name = list }
  if r:one_in(3) then link.nullable = false end
  if cascade == "orphan" then
    back.cascade = "all, delete-orphan"
  elseif cascade == "delete" then
    back.cascade = "save-update, merge, delete"
  elseif cascade == "passive" then
    link.ondelete = "CASCADE"
    back.cascade, back.passive_deletes = "all, delete-orphan", true
  elseif link.nullable == false then
    back.leave_to_database = true
  end
  if r:one_in(4) then
    local lazy = r:pick { "joined", "selectin" }
    if cascade ~= "passive" then back.lazy = lazy end
  end
  if parent == child then link.nullable = nil end
  local column = reference .. "_id"
  table.insert(child.columns, fk(column, parent.table .. ".id", link))
  local relation = { name = reference, target = parent.name, backref = back, foreign_keys = child.name .. "." .. column }
  if parent == child then
    relation.remote_side, relation.foreign_keys, back.leave_to_database, back.lazy = child.name .. ".id", nil, nil, nil
  end
  table.insert(child.relations, relation)
end

local function many_to_many(schema, left, right, list, back)
  local name = left.table .. "_" .. right.table
  table.insert(schema.tables, { table = name, columns = {
    fk(left.table .. "_id", left.table .. ".id", { primary_key = true }),
    fk(right.table .. "_id", right.table .. ".id", { primary_key = true }),
  } })
  table.insert(left.relations, { name = list, target = right.name, secondary = name, backref = back })
end

local function make_schema(r)
  local schema = { models = {}, tables = {} }
  for i, name in ipairs { "Alpha", "Beta", "Gamma" } do
    schema.models[i] = { name = name, table = name:lower(), relations = {}, columns = {
      col("id", { "Integer" }, { primary_key = true }), col("name", { "String", 20 }), col("n", { "Integer" }),
    } }
  end
  local a, b, c = table.unpack(schema.models)
  one_to_many(r, a, b, "betas", "alpha")
  local shape = r:int(1, 5)
  if shape == 1 then one_to_many(r, b, c, "gammas", "beta") end
  if shape == 2 then one_to_many(r, a, c, "gammas", "alpha") end
  if shape == 3 then many_to_many(schema, b, c, "gammas", "betas") end
  if shape == 4 then many_to_many(schema, a, c, "gammas", "alphas") end
  if shape == 5 then
    one_to_many(r, b, c, "gammas", "beta")
    many_to_many(schema, a, c, "linked", "linked_by")
  end
  if r:one_in(3) then
    local node = r:pick { a, c }
    one_to_many(r, node, node, "below", "above")
  end
  return schema
end

-- What a program can do with a schema: references and lists of every model.
local function survey(schema)
  local found = {}
  for _, m in ipairs(schema.models) do found[m.name] = { one = {}, many = {} } end
  for _, m in ipairs(schema.models) do
    for _, rel in ipairs(m.relations) do
      local back = type(rel.backref) == "table" and rel.backref.name or rel.backref
      local here = rel.secondary and found[m.name].many or found[m.name].one
      table.insert(here, { name = rel.name, target = rel.target })
      table.insert(found[rel.target].many, { name = back, target = m.name })
    end
  end
  return found
end

local Gen = {}
Gen.__index = Gen

function Gen:object(model)
  local list = {}
  for _, o in ipairs(self.objects) do
    if not model or o.model == model then list[#list + 1] = o end
  end
  return #list > 0 and self.r:pick(list) or nil
end

local make = {}

function make.new(g)
  local r = g.r
  if #g.objects >= 7 then return nil end
  local model = r:pick { "Alpha", "Beta", "Gamma" }
  local name = model:sub(1, 1):lower() .. #g.objects + 1
  local row = { name = name }
  if r:one_in(3) then row.n = r:int(0, 3) end
  for _, rel in ipairs(g.survey[model].one) do
    local target = r:one_in(2) and g:object(rel.target)
    if target then row[rel.name] = { "obj", target.name } end
  end
  g.objects[#g.objects + 1] = { name = name, model = model }
  return { "new", name, model, row }
end

function make.add(g)
  local o = g:object()
  return o and { "add", o.name }
end

function make.delete(g)
  local o = g:object()
  return o and { "delete", o.name }
end

function make.change(g)
  local o = g:object()
  return o and { "set", o.name, "n", g.r:one_in(5) and { "null" } or g.r:int(0, 3) }
end

local function relation(g, kind)
  local o = g:object()
  local list = o and g.survey[o.model][kind] or {}
  if #list == 0 then return nil end
  return o, g.r:pick(list)
end

function make.refer(g)
  local o, rel = relation(g, "one")
  if not o then return nil end
  local target = not g.r:one_in(5) and g:object(rel.target)
  if target == o then return nil end
  return { "set", o.name, rel.name, target and { "obj", target.name } or { "null" } }
end

function make.put(g)
  local o, rel = relation(g, "many")
  local other = o and g:object(rel.target)
  if not other or other == o then return nil end
  return { "put", o.name, rel.name, other.name }
end

function make.drop(g)
  local o, rel = relation(g, "many")
  local other = o and g:object(rel.target)
  return other and { "drop", o.name, rel.name, other.name }
end

function make.replace(g)
  local o, rel = relation(g, "many")
  if not o then return nil end
  local node = { "objs" }
  for _, other in ipairs(g.objects) do
    if other.model == rel.target and other ~= o and g.r:one_in(2) then node[#node + 1] = other.name end
  end
  return { "set", o.name, rel.name, node }
end

function make.clear(g)
  local o, rel = relation(g, "many")
  return o and { "clear", o.name, rel.name }
end

function make.list(g)
  local o, rel = relation(g, "many")
  return o and { "sorted", o.name, rel.name }
end

function make.reference(g)
  local o, rel = relation(g, "one")
  return o and { "attr", o.name, rel.name, rel.name .. "_id" }
end

function make.attribute(g)
  local o = g:object()
  return o and { "attr", o.name, "name", "n", "id" }
end

function make.expire(g)
  local o = g:object()
  return o and { "expire", o.name }
end

function make.refresh(g)
  local o = g:object()
  return o and { "refresh", o.name }
end


function make.query(g) return { "query", g.r:pick { "Alpha", "Beta", "Gamma" } } end
function make.where(g) return { "query", g.r:pick { "Alpha", "Beta", "Gamma" }, { n = g.r:int(0, 3) } } end
function make.count(g) return { "count", g.r:pick { "Alpha", "Beta", "Gamma" } } end
function make.flush() return { "flush" } end
function make.commit() return { "commit" } end
function make.rollback() return { "rollback" } end
function make.expire_all() return { "expire_all" } end
function make.nested() return { "nested" } end
function make.release() return { "nested_commit" } end
function make.back() return { "nested_rollback" } end

local weighted = {}
for _, pair in ipairs {
  { "new", 5 }, { "add", 5 }, { "change", 3 }, { "refer", 5 }, { "put", 5 }, { "drop", 3 }, { "replace", 2 }, { "clear", 1 }, { "delete", 3 },
  { "flush", 3 }, { "commit", 3 }, { "rollback", 1 }, { "nested", 1 }, { "release", 1 }, { "back", 1 }, { "expire", 1 }, { "expire_all", 1 }, { "refresh", 1 },
  { "list", 3 }, { "reference", 2 }, { "attribute", 1 }, { "query", 1 }, { "where", 1 }, { "count", 1 },
} do
  for _ = 1, pair[2] do weighted[#weighted + 1] = pair[1] end
end

local function make_ops(r, found)
  local g = setmetatable({ r = r, survey = found, objects = {} }, Gen)
  local ops = { make.new(g), make.new(g) }
  local wanted = r:int(8, 28)
  while #ops < wanted do
    local op = make[r:pick(weighted)](g)
    if op then ops[#ops + 1] = op end
    if op and op[1] == "new" and r:one_in(2) then ops[#ops + 1] = { "add", op[2] } end
  end
  ops[#ops + 1] = { "commit" }
  return ops
end

-- Whether a list of the schema has an option: `lazy`, for then a refresh may load what relates,
-- which Perilune leaves until it is needed; `passive_deletes`, for then it matters what a
-- commit has left loaded.
local function has(schema, option)
  for _, m in ipairs(schema.models) do
    for _, rel in ipairs(m.relations) do
      if type(rel.backref) == "table" and rel.backref[option] then return true end
    end
  end
  return false
end

-- n programs from a seed, and the schemas that they use by name.
return function(seed, n)
  local list, schemas = {}, {}
  local each = 25
  for i = 1, n do
    local number = (i - 1) // each
    local key = ("random%d_%d"):format(seed, number)
    schemas[key] = schemas[key] or make_schema(random.new(seed * 7919 + number))
    local r = random.new(seed * 1000003 + i)
    local schema = schemas[key]
    local ops, eager = make_ops(r, survey(schema)), has(schema, "lazy")
    local keep = i % 4 > 1 and not has(schema, "passive_deletes")
    list[i] = {
      name = ("random: program %d.%d"):format(seed, i), schema = key, guarded = true, batch = i % 2 == 0,
      made = ops, keep = keep, ops = touched(ops, keep, eager), eager = eager,
    }
  end
  return list, schemas
end
