-- SPDX-License-Identifier: MIT
-- Builds Perilune queries and expressions from the neutral form, whose words
-- query.py explains. It uses only what the manual promises.

local declare = require "spec.differential.declare"
local values = require "spec.differential.values"

local Builder = {}
Builder.__index = Builder

local function new(models)
  return setmetatable({ models = models, db = models.db, names = {}, columns = {} }, Builder)
end

-- Names

function Builder:name(text)
  local head, rest = text:match "^@([^.]*)%.?(.*)$"
  local found = self.names[head] or self.models.classes[head] or self.models.tables[head]
  if found == nil then error("no name " .. text) end
  if rest == "" then return found end
  if self.columns[head] or self.models.tables[head] == found then return found.c[rest] end
  return found[rest]
end

local function pack(...) return { n = select("#", ...), ... } end

-- The expressions of a list; NULL is nil, so the number of them is in n.
function Builder:pack(nodes, first)
  local out = { n = 0 }
  for i = first or 1, #nodes do
    out.n = out.n + 1
    out[out.n] = self:expr(nodes[i])
  end
  return out
end

local function is_null(node) return type(node) == "table" and node[1] == "null" end

local methods = {
  eq = "eq", ne = "ne", lt = "lt", le = "le", gt = "gt", ge = "ge", is = "is", is_not = "is_not",
  like = "like", not_like = "not_like", ilike = "ilike", between = "between", regexp = "regexp",
  is_distinct_from = "is_distinct_from", collate = "collate", concat = "concat", asc = "asc",
  desc = "desc", nulls_first = "nulls_first", nulls_last = "nulls_last", label = "label",
  any = "any", has = "has", startswith = "startswith", endswith = "endswith",
  contains = "contains", glob = "glob", has_member = "contains",
}

local operators = {
  add = function(a, b) return a + b end,
  sub = function(a, b) return a - b end,
  mul = function(a, b) return a * b end,
  div = function(a, b) return a / b end,
  mod = function(a, b) return a % b end,
  cat = function(a, b) return a .. b end,
  band = function(a, b) return a & b end,
  bor = function(a, b) return a | b end,
  bnot = function(a) return ~a end,
  neg = function(a) return -a end,
}

local words = {}

function Builder:expr(node)
  if is_null(node) then return nil end
  if values.is_value(node) then return values.read(self.db, node) end
  if type(node) == "string" then return self:name(node) end
  local word = node[1]
  if words[word] then return words[word](self, table.unpack(node, 2)) end
  local args = self:pack(node, 2)
  if operators[word] then return operators[word](args[1], args[2]) end
  local name = methods[word] or error("no word " .. tostring(word))
  return args[1][name](table.unpack(args, 1, args.n))
end

-- Expressions that are more than a method with arguments

local function constant(v)
  return type(v) == "function" and v() or v
end

function words.lit(self, value) return self.db.literal(values.read(self.db, value)) end
function words.sql_null(self) return self.db.null end
words["true"] = function(self) return constant(self.db.true_) end
words["false"] = function(self) return constant(self.db.false_) end

local function members(self, node)
  if node[1] == "select" then return self:query(node) end
  local out = {}
  for i = 2, #node do
    local item = node[i]
    local row = type(item) == "table" and item[1] == "list"
    out[i - 1] = row and members(self, item) or self:expr(item)
  end
  return out
end

words["in"] = function(self, left, right) return self:expr(left):in_(members(self, right)) end
function words.not_in(self, left, right) return self:expr(left):not_in(members(self, right)) end

function words.like_escape(self, left, right, escape)
  return self:expr(left):like(right, escape)
end

function words.op(self, left, operator, right)
  return self:expr(left):op(operator)(self:expr(right))
end

words["and"] = function(self, ...) return self.db.and_(table.unpack(self:pack { ... })) end
words["or"] = function(self, ...) return self.db.or_(table.unpack(self:pack { ... })) end
words["not"] = function(self, item) return self.db.not_(self:expr(item)) end

local function or_null(self, v)
  if v == nil then return self.db.null end
  return v
end

words["case"] = function(self, whens, otherwise)
  local args = {}
  for i, pair in ipairs(whens) do
    args[i] = { self:expr(pair[1]), or_null(self, self:expr(pair[2])) }
  end
  if otherwise ~= nil then args.else_ = self:expr(otherwise) end
  return self.db.case(args)
end

function words.cast(self, item, kind)
  return self.db.cast(self:expr(item), declare.type(self.db, kind))
end

function words.extract(self, field, item) return self.db.extract(field, self:expr(item)) end

function words.func(self, name, ...)
  local args = self:pack { ... }
  return self.db.func[name](table.unpack(args, 1, args.n))
end

function words.over(self, f, options)
  local args = { self:expr(f) }
  for key, list in pairs(options) do
    if key == "rows" then
      args.rows = { [2] = list[2] }
      if list[1] ~= "unbounded" then args.rows[1] = list[1] end
    else
      args[key] = self:pack(list)
      args[key].n = nil
    end
  end
  return self.db.over(args)
end

function words.tuple(self, ...) return self.db.tuple_(table.unpack(self:pack { ... })) end

function words.text(self, sql, params)
  local clause = self.db.text(sql)
  return params and clause:bindparams(declare.values(self.db, params)) or clause
end

function words.exists(self, query) return self:query(query):exists() end
function words.scalar(self, query) return self:query(query):scalar_subquery() end

function words.of_type(self, relation, target) return self:expr(relation):of_type(self:expr(target)) end
function words.only(self, relation, condition) return self:expr(relation):and_(self:expr(condition)) end
function words.object(self, model, ...)
  return self.db.session:get(self:name(model), ...)
end

function words.excluded(self, name) return self.names.excluded[name] end

-- Names of one scenario

local definitions = {}

function Builder:define(name, node)
  self.names[name] = definitions[node[1]](self, name, table.unpack(node, 2))
end

function definitions.aliased(self, _, target, of)
  if of then return self.db.aliased(self:expr(target), self:expr(of)) end
  return self.db.aliased(self:expr(target))
end

function definitions.subquery(self, name, query, alias)
  self.columns[name] = true
  return self:query(query):subquery(alias)
end

function definitions.cte(self, name, query, alias)
  self.columns[name] = true
  return self:query(query):cte(alias)
end

function definitions.recursive(self, name, alias, base, step, union)
  self.columns[name] = true
  self.names[name] = self:query(base):cte { alias, recursive = true }
  local found = self.names[name]
  return found[union or "union_all"](found, self:query(step))
end

-- Queries

local loaders = {
  joinedload = true, selectinload = true, subqueryload = true, lazyload = true, raiseload = true,
  noload = true, contains_eager = true, immediateload = true, defer = true, undefer = true,
  load_only = true, defaultload = true, undefer_group = true, with_loader_criteria = true,
}

local function loader(self, node, before)
  local last = node[#node]
  local nested = type(last) == "table" and loaders[last[1]] and last or nil
  local args = {}
  for i = 2, #node - (nested and 1 or 0) do
    local flags = type(node[i]) == "table" and node[i][1] == nil
    args[#args + 1] = flags and node[i] or not flags and self:expr(node[i])
  end
  local made
  if before then made = before[node[1]](before, table.unpack(args))
  else made = self.db[node[1]](table.unpack(args)) end
  return nested and loader(self, nested, made) or made
end

local steps = {}

for _, word in ipairs { "union", "union_all", "intersect", "except" } do
  steps[word] = function(self, query, ...)
    local others = {}
    for i, other in ipairs { ... } do others[i] = self:query(other) end
    return query[word](query, table.unpack(others))
  end
end

function steps.filter_by(self, query, row)
  local args = {}
  for k, v in pairs(row) do args[k] = or_null(self, self:expr(v)) end
  return query:filter_by(args)
end

function steps.options(self, query, ...)
  local args = {}
  for i, node in ipairs { ... } do args[i] = loader(self, node) end
  return query:options(table.unpack(args))
end

function steps.execution_options(_, query, options) return query:execution_options(options) end

-- The entities of a query node as a list of nodes.
function Builder.entities(node)
  local list = node[2]
  if type(list) ~= "table" then return { list } end
  local first = list[1]
  if type(first) == "table" or tostring(first):sub(1, 1) == "@" then return list end
  return { list }
end

function Builder:query(node)
  if node[1] ~= "select" then error("no query: " .. tostring(node[1])) end
  local entities = self.entities(node)
  local query
  local only = #entities == 1 and entities[1]
  local model = type(only) == "string" and self.models.classes[only:sub(2)]
  if model then
    query = model.query
  else
    query = self.db.select(table.unpack(self:pack(entities)))
  end
  for i = 3, #node do
    local step = node[i]
    local word = step[1]
    if steps[word] then
      query = steps[word](self, query, table.unpack(step, 2))
    else
      local args = self:pack(step, 2)
      query = query[word](query, table.unpack(args, 1, args.n))
    end
  end
  return query
end

return { new = new, pack = pack }
