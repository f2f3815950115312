-- SPDX-License-Identifier: MIT
-- Makes random queries over the music shop in the neutral form. Expressions are
-- made by type, so that they mean the same to every dialect; an order is always
-- total and a limit always has an order, so that the rows are determined.
-- Arithmetic never mixes kinds of numbers: what type such a column has is told
-- by scenarios of their own.
-- luacheck: no max line length

local random = require "spec.differential.random"
local schema = require "spec.differential.schema"

local kinds = {
  Integer = "int", SmallInteger = "int", BigInteger = "int", String = "text", Text = "text",
  Unicode = "text", UnicodeText = "text", Boolean = "bool", Float = "float", Numeric = "dec",
  Date = "date", Time = "time", DateTime = "datetime", Enum = "enum",
}

-- Models by name: their columns by kind, their keys and their relationships.
local models, names = {}, {}

for _, spec in ipairs(schema.models) do
  local m = { name = spec.name, by_kind = {}, keys = {}, columns = {}, one = {}, many = {} }
  for _, c in ipairs(spec.columns) do
    local kind = kinds[c.type[1]]
    if kind then
      m.by_kind[kind] = m.by_kind[kind] or {}
      table.insert(m.by_kind[kind], c)
      table.insert(m.columns, c)
    end
    if c.primary_key then table.insert(m.keys, c.name) end
  end
  models[spec.name] = m
  names[#names + 1] = spec.name
end

for _, spec in ipairs(schema.models) do
  for _, r in ipairs(spec.relations or {}) do
    local here, there = models[spec.name], models[r.target]
    local back = type(r.backref) == "table" and r.backref.name or r.backref
    local single = type(r.backref) == "table"
    if r.secondary then
      table.insert(here.many, { name = r.name, target = there })
      table.insert(there.many, { name = back, target = here })
    else
      table.insert(here.one, { name = r.name, target = there })
      table.insert(single and there.one or there.many, { name = back, target = here })
    end
  end
end

local pools = {
  text = { "", "a", "e", "Blue", "blue%", "_", "%", "Oslo", "Été", "100%", "good", "back\\slash", "é", "夜", "O'Brien", "Night" },
  date = { "1960-01-01", "1985-06-15", "1999-12-31", "2010-02-28", "2022-07-01" },
  time = { "00:00:00", "08:30:00", "12:00:00.5", "23:59:59" },
  datetime = { "2015-01-01 00:00:00", "2020-06-15 12:00:00", "2021-03-01 08:15:30.25", "2023-12-31 23:59:59" },
}

local Gen = {}
Gen.__index = Gen

function Gen:literal(kind, column)
  local r = self.r
  if kind == "int" then return r:pick { r:int(-3, 20), r:int(0, 900), r:int(0, 3) } end
  if kind == "float" then return r:int(-96, 96) / 8 end
  if kind == "dec" then return { "dec", ("%d.%02d"):format(r:int(0, 40), r:pick { 0, 25, 50, 79, 99 }) } end
  if kind == "bool" then return r:one_in(2) end
  if kind == "enum" then return column.type[r:int(2, #column.type)] end
  if kind == "text" then return r:pick(pools.text) end
  return { kind, r:pick(pools[kind]) }
end

-- A column of the kind from any source, or nil.
function Gen:column(kind)
  local found = {}
  for _, s in ipairs(self.sources) do
    for _, c in ipairs(s.model.by_kind[kind] or {}) do
      found[#found + 1] = { "@" .. s.name .. "." .. c.name, c }
    end
  end
  if #found == 0 then return nil end
  local pick = self.r:pick(found)
  return pick[1], pick[2]
end

local number, text, condition

function number(g, kind, depth)
  local r = g.r
  local column = g:column(kind)
  if not column then return { "lit", g:literal(kind) } end
  if depth <= 0 or r:one_in(3) then return column end
  local choice = r:int(1, 6)
  if choice <= 3 then
    local op = r:pick { "add", "sub", "mul" }
    local other = r:one_in(2) and g:literal(kind) or number(g, kind, depth - 1)
    if r:one_in(4) then return { op, g:literal(kind), number(g, kind, depth - 1) } end
    return { op, number(g, kind, depth - 1), other }
  end
  if choice == 4 then return { "func", "coalesce", column, g:literal(kind) } end
  if choice == 5 then return { "func", "abs", number(g, kind, depth - 1) } end
  return { "case", { { condition(g, depth - 1), column } }, g:literal(kind) }
end

function text(g, depth)
  local r = g.r
  local column = g:column "text"
  if not column then return { "lit", g:literal "text" } end
  if depth <= 0 or r:one_in(2) then return column end
  local choice = r:int(1, 6)
  if choice == 1 then return { "func", r:pick { "lower", "upper", "trim" }, text(g, depth - 1) } end
  if choice == 2 then return { "cat", text(g, depth - 1), g:literal "text" } end
  if choice == 3 then return { "func", "substr", column, r:int(1, 4), r:int(1, 5) } end
  if choice == 4 then return { "func", "coalesce", column, g:literal "text" } end
  if choice == 5 then return { "cast", number(g, "int", depth - 1), { "String", 20 } } end
  return { "case", { { condition(g, depth - 1), text(g, depth - 1) } }, g:literal "text" }
end

local comparisons = { "eq", "ne", "lt", "le", "gt", "ge", "ne", "lt", "le", "gt", "ge" }

local function compare(g, depth)
  local r = g.r
  local kind = r:pick { "int", "int", "float", "dec", "text", "date", "time", "datetime", "enum", "bool" }
  local column, spec = g:column(kind)
  if not column then return nil end
  if kind == "bool" then
    return r:pick { column, { "eq", column, r:one_in(2) }, { "is", column, r:one_in(2) }, { "not", column } }
  end
  local left = column
  if kind == "int" and r:one_in(3) then left = number(g, "int", depth - 1) end
  if kind == "float" and r:one_in(3) then left = number(g, "float", depth - 1) end
  if kind == "text" and r:one_in(3) then left = text(g, depth - 1) end
  local choice = r:int(1, 10)
  if choice <= 4 then
    local word = kind == "int" and r:pick(comparisons) or r:pick { "lt", "le", "gt", "ge", "ne", "eq" }
    return { word, left, g:literal(kind, spec) }
  end
  if choice == 5 then
    local other = g:column(kind)
    return { r:pick(comparisons), left, kind == "enum" and column or other }
  end
  if choice == 6 then return { "between", left, g:literal(kind, spec), g:literal(kind, spec) } end
  if choice == 7 then
    local list = { "list" }
    for i = 1, r:int(0, 4) do list[i + 1] = g:literal(kind, spec) end
    return { r:pick { "in", "not_in" }, left, #list > 1 and list or {} }
  end
  if choice == 8 then return { "is_distinct_from", column, g:literal(kind, spec) } end
  return { r:pick { "eq", "ne" }, column, { "null" } }
end

local function like(g)
  local column = g:column "text"
  if not column then return nil end
  local word = g.r:pick { "like", "not_like", "ilike", "startswith", "endswith", "contains" }
  return { word, column, g:literal "text" }
end

-- A condition about related rows; inside it the target is the only source.
local function related(g, depth)
  local r = g.r
  local source = r:pick(g.sources)
  local many = r:one_in(2)
  local list = many and source.model.many or source.model.one
  if #list == 0 then return nil end
  local relation = r:pick(list)
  for _, s in ipairs(g.sources) do
    if s.model == relation.target then return nil end
  end
  local word = { many and "any" or "has", "@" .. source.name .. "." .. relation.name }
  local inner = setmetatable({ r = r, sources = { { name = relation.target.name, model = relation.target } } }, Gen)
  if not r:one_in(3) then word[3] = condition(inner, math.min(depth - 1, 1), true) end
  return word
end

-- column IN (SELECT key ...)
local function in_query(g, depth)
  local r = g.r
  local column = g:column "int"
  local target = models[r:pick(names)]
  if not column or not target.by_kind.int then return nil end
  for _, s in ipairs(g.sources) do
    if s.model == target then return nil end
  end
  local inner = setmetatable({ r = r, sources = { { name = target.name, model = target } } }, Gen)
  return { r:pick { "in", "in", "not_in" }, column, { "select", { (inner:column "int") }, { "where", condition(inner, math.min(depth - 1, 1), true) } } }
end

function condition(g, depth, simple)
  local r = g.r
  for _ = 1, 8 do
    local choice = r:int(1, 12)
    local made
    if depth > 0 and choice <= 3 then
      local word = r:pick { "and", "or", "or", "or", "band", "bor" }
      made = { word, condition(g, depth - 1, simple), condition(g, depth - 1, simple) }
      if #word == 2 or word == "and" then
        if r:one_in(4) then made[4] = condition(g, depth - 1, simple) end
      end
    elseif depth > 0 and choice == 4 then
      made = { r:pick { "not", "bnot" }, condition(g, depth - 1, simple) }
    elseif choice == 5 then made = like(g)
    elseif choice == 6 and not simple then made = related(g, depth)
    elseif choice == 7 and not simple then made = in_query(g, depth)
    else made = compare(g, depth) end
    if made then return made end
  end
  return { "eq", { "lit", 1 }, 1 }
end

local function any_column(g)
  local s = g.r:pick(g.sources)
  return "@" .. s.name .. "." .. g.r:pick(s.model.columns).name
end

-- Any expression that can be selected.
local function selected(g, depth)
  local r = g.r
  local choice = r:int(1, 9)
  if choice <= 4 then return any_column(g) end
  if choice == 5 then return number(g, "int", depth) end
  if choice == 6 then return number(g, "float", depth) end
  if choice == 7 then return text(g, depth) end
  if choice == 8 then return { "case", { { condition(g, 1), 1 } }, 0 } end
  local made = condition(g, 1)
  local inner = made
  while inner[1] == "not" or inner[1] == "bnot" do inner = inner[2] end
  -- What type BETWEEN has as a value is told by a scenario of its own.
  return inner[1] == "between" and { "case", { { made, 1 } }, 0 } or made
end

local function keys_of(s)
  local out = {}
  for i, key in ipairs(s.model.keys) do out[i] = "@" .. s.name .. "." .. key end
  return out
end

local function all_keys(g)
  local out = {}
  for _, s in ipairs(g.sources) do
    for _, key in ipairs(keys_of(s)) do out[#out + 1] = key end
  end
  return out
end

local function direction(g, node)
  local r = g.r
  if r:one_in(2) then node = { "desc", node } end
  if r:one_in(4) then node = { r:pick { "nulls_first", "nulls_last" }, node } end
  return node
end

-- Random joins from the first source; a source joined twice is an alias.
local function add_joins(g, steps)
  local r = g.r
  for _ = 1, r:pick { 0, 0, 1, 1, 2 } do
    local source = r:pick(g.sources)
    local list = r:one_in(2) and source.model.one or source.model.many
    if #list > 0 then
      local relation = r:pick(list)
      local path = "@" .. source.name .. "." .. relation.name
      local word = r:pick { "join", "join", "outerjoin" }
      local taken = false
      for _, s in ipairs(g.sources) do taken = taken or s.model == relation.target end
      if taken then
        local name = "x" .. #g.let + 1
        g.let[#g.let + 1] = { name, { "aliased", "@" .. relation.target.name } }
        steps[#steps + 1] = { word, "@" .. name, path }
        g.sources[#g.sources + 1] = { name = name, model = relation.target }
      else
        steps[#steps + 1] = { word, path }
        g.sources[#g.sources + 1] = { name = relation.target.name, model = relation.target }
      end
    end
  end
end

local function where(g, steps)
  for _ = 1, g.r:pick { 0, 0, 1, 1, 1, 2 } do
    steps[#steps + 1] = { "where", condition(g, g.r:int(0, 3)) }
  end
end

local function limited(g, steps)
  local r = g.r
  steps[#steps + 1] = { "limit", r:pick { 1, 5, 20, 60 } }
  if r:one_in(3) then steps[#steps + 1] = { "offset", r:int(0, 10) } end
end

local function order(g, steps)
  local node = { "order_by" }
  for _ = 1, g.r:int(0, 2) do
    local item = selected(g, 1)
    node[#node + 1] = direction(g, item)
  end
  for _, key in ipairs(all_keys(g)) do node[#node + 1] = direction(g, key) end
  steps[#steps + 1] = node
end

local function build(entities, steps, g)
  local query = { "select", entities }
  -- The first source is the left side of every join.
  query[3] = { "select_from", "@" .. g.sources[1].name }
  for _, step in ipairs(steps) do query[#query + 1] = step end
  return query
end

local shapes = {}

-- Rows of expressions, ordered and limited.
function shapes.rows(g)
  local steps, entities = {}, {}
  add_joins(g, steps)
  where(g, steps)
  for i = 1, g.r:int(1, 4) do entities[i] = { "label", selected(g, 2), "c" .. i } end
  order(g, steps)
  limited(g, steps)
  return build(entities, steps, g)
end

-- Instances.
function shapes.instances(g)
  local steps = {}
  local entities = { "@" .. g.sources[1].name }
  add_joins(g, steps)
  where(g, steps)
  if #g.sources > 1 and g.r:one_in(2) then entities[2] = "@" .. g.sources[2].name end
  order(g, steps)
  limited(g, steps)
  return build(entities, steps, g), g.r:one_in(5) and { "first" } or nil
end

-- Distinct rows, ordered by what is selected.
function shapes.distinct(g)
  local steps, entities, by = {}, {}, { "order_by" }
  add_joins(g, steps)
  where(g, steps)
  for i = 1, g.r:int(1, 3) do
    entities[i] = any_column(g)
    by[i + 1] = direction(g, entities[i])
  end
  steps[#steps + 1] = { "distinct" }
  steps[#steps + 1] = by
  if g.r:one_in(2) then limited(g, steps) end
  return build(entities, steps, g)
end

local function aggregate(g)
  local r = g.r
  local choice = r:int(1, 6)
  if choice == 1 then return { "func", "count" } end
  if choice == 2 then
    return { "func", "count", { "func", "distinct", selected(g, 0) } }
  end
  if choice == 3 then return { "func", "sum", number(g, "int", 1) } end
  if choice == 4 then return { "func", r:pick { "avg", "total" }, number(g, "int", 1) } end
  local s = r:pick(g.sources)
  local c = r:pick(s.model.columns)
  if kinds[c.type[1]] == "bool" then return { "func", "count", "@" .. s.name .. "." .. c.name } end
  return { "func", r:pick { "min", "max", "count" }, "@" .. s.name .. "." .. c.name }
end

-- Groups, ordered by their keys.
function shapes.groups(g)
  local steps, entities, by, group = {}, {}, { "order_by" }, { "group_by" }
  add_joins(g, steps)
  where(g, steps)
  for i = 1, g.r:int(1, 2) do
    local column = any_column(g)
    entities[i], group[i + 1], by[i + 1] = column, column, direction(g, column)
  end
  for _ = 1, g.r:int(1, 3) do
    entities[#entities + 1] = { "label", aggregate(g), "n" .. #entities }
  end
  steps[#steps + 1] = group
  if g.r:one_in(3) then
    steps[#steps + 1] = { "having", { g.r:pick(comparisons), { "func", "count" }, g.r:int(0, 12) } }
  end
  steps[#steps + 1] = by
  if g.r:one_in(2) then limited(g, steps) end
  return build(entities, steps, g)
end

-- Counts.
function shapes.count(g)
  local steps = {}
  add_joins(g, steps)
  where(g, steps)
  if g.r:one_in(3) then
    order(g, steps)
    limited(g, steps)
  end
  return build({ "@" .. g.sources[1].name }, steps, g), { g.r:pick { "count", "any" } }
end

-- Set operations over keys.
function shapes.sets(g)
  local key = keys_of(g.sources[1])
  local function part()
    local steps = {}
    where(g, steps)
    return build(key, steps, g)
  end
  local query = part()
  for _ = 1, g.r:int(1, 2) do
    query[#query + 1] = { g.r:pick { "union", "union_all", "intersect", "except" }, part() }
  end
  local by = { "order_by" }
  for i, k in ipairs(key) do by[i + 1] = direction(g, k) end
  query[#query + 1] = by
  if g.r:one_in(2) then limited(g, query) end
  return query
end

-- A subquery or a common table expression, joined back to its model.
function shapes.derived(g)
  local steps, first = {}, g.sources[1]
  where(g, steps)
  local keys, columns, on = keys_of(first), {}, nil
  for i, key in ipairs(keys) do columns[i] = { "label", key, "k" .. i } end
  columns[#columns + 1] = { "label", number(g, "int", 2), "v" }
  local name = "d"
  local kind = g.r:pick { "subquery", "cte" }
  g.let[#g.let + 1] = { name, { kind, build(columns, steps, g), kind == "cte" and "derived" or nil } }
  for i, key in ipairs(keys) do
    local equal = { "eq", "@d.k" .. i, key }
    on = on and { "and", on, equal } or equal
  end
  local outer = { { g.r:pick { "join", "outerjoin" }, "@d", on }, { "where", { g.r:pick(comparisons), "@d.v", g:literal "int" } } }
  if g.r:one_in(2) then outer[2] = { "where", condition(g, 1) } end
  order(g, outer)
  limited(g, outer)
  local entities = { table.unpack(keys) }
  entities[#entities + 1] = "@d.v"
  return build(entities, outer, g)
end

-- Window functions.
function shapes.windows(g)
  local steps, r = {}, g.r
  where(g, steps)
  local entities = keys_of(g.sources[1])
  for i = 1, r:int(1, 2) do
    local by = { direction(g, any_column(g)) }
    for _, key in ipairs(all_keys(g)) do by[#by + 1] = key end
    local options = { order_by = by }
    if r:one_in(2) then options.partition_by = { any_column(g) } end
    if r:one_in(4) then options.rows = { r:pick { "unbounded", -2, -1 }, r:pick { 0, 1 } } end
    local f = r:pick { { "func", "row_number" }, { "func", "rank" }, { "func", "sum", number(g, "int", 0) },
      { "func", "count", any_column(g) }, { "func", "max", number(g, "int", 0) } }
    if f[2] == "row_number" or f[2] == "rank" then options.rows = nil end
    entities[#entities + 1] = { "label", { "over", f, options }, "w" .. i }
  end
  order(g, steps)
  limited(g, steps)
  return build(entities, steps, g)
end

-- A scalar subquery about a related model.
function shapes.scalars(g)
  local r, source = g.r, g.sources[1]
  local steps = {}
  where(g, steps)
  local target = models[r:pick(names)]
  if target == source.model then return shapes.rows(g) end
  local inner = setmetatable({ r = r, sources = { { name = target.name, model = target } } }, Gen)
  local left, right = (inner:column "int"), (g:column "int")
  local query = { "select", { aggregate(inner) }, { "select_from", "@" .. target.name }, { "where", { "eq", left, right } } }
  local entities = keys_of(source)
  entities[#entities + 1] = { "label", { "scalar", query }, "s" }
  order(g, steps)
  limited(g, steps)
  return build(entities, steps, g)
end

local weighted = {
  "rows", "rows", "rows", "instances", "instances", "distinct", "groups", "groups", "count", "sets", "derived", "windows", "scalars",
}

-- n scenarios from a seed.
return function(seed, n)
  local list = {}
  for i = 1, n do
    local r = random.new(seed * 1000003 + i)
    local model = models[r:pick(names)]
    local g = setmetatable({ r = r, let = {}, sources = { { name = model.name, model = model } } }, Gen)
    local shape = r:pick(weighted)
    local query, finish = shapes[shape](g)
    list[i] = {
      name = ("random: %s %d.%d"):format(shape, seed, i), let = g.let,
      ops = { { "run", query, finish or { "all" } } },
    }
  end
  return list
end
