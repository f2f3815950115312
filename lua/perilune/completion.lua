--- What the word before the cursor may become in the shell: globals, models, columns, methods,
-- names of tables. Nothing is called to find out: of `User.query:first().` it is known that
-- queries of a model give its objects.
-- @module perilune.completion
local core = require "perilune.core"

local completion = {}

local keywords = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto",
  "if", "in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while" }

-- ---- kinds of things ------------------------------------------------------------------

--- A thing is { kind =, value = or nil, model = or nil }; names_of gives the names below it.
local names_of = {}

local function add_keys(names, t)
  if type(t) ~= "table" then return end
  for k in pairs(t) do
    if type(k) == "string" and not k:find "^__" then names[k] = true end
  end
end

local function add_attributes(names, model)
  local about = core.model_describe(model)
  for _, list in ipairs { about.attributes, about.relationships } do
    for _, entry in ipairs(list) do names[entry.name] = true end
  end
end

local function methods(class)
  local ok, t = pcall(core.class_methods, class)
  return ok and t or {}
end

function names_of.model(thing, colon)
  local names = {}
  add_keys(names, core.model_members(thing.model))
  if colon then return names end
  add_attributes(names, thing.model)
  for _, name in ipairs { "query", "scopes", "name" } do names[name] = true end
  return names
end

function names_of.instance(thing, colon)
  local names = {}
  add_keys(names, core.model_members(thing.model))
  if not colon then add_attributes(names, thing.model) end
  return names
end

function names_of.query(thing)
  local names = {}
  add_keys(names, methods "perilune.Query")
  local info = require "perilune.declare".info[thing.model or false]
  add_keys(names, info and info.scopes)
  return names
end

function names_of.session()
  local names = { new = true, dirty = true, deleted = true, info = true, autoflush = true }
  add_keys(names, methods "perilune.Session")
  return names
end

function names_of.expression()
  local names = {}
  add_keys(names, methods "perilune.Expression")
  return names
end

function names_of.column()
  local names = names_of.expression()
  for name in ([[name key type nullable primary_key unique index deferred default onupdate server_default
    server_onupdate computed comment collation info foreign_keys table]]):gmatch "%S+" do
    names[name] = true
  end
  return names
end

function names_of.relation()
  return { any = true, has = true, contains = true, eq = true, ne = true, is = true,
           of_type = true, and_ = true }
end

function names_of.collection()
  local names = {}
  add_keys(names, methods "perilune.Collection")
  return names
end

function names_of.db(thing)
  local names = { session = true, engine = true, engines = true, metadata = true, models = true }
  add_keys(names, core.namespace)
  local ok, own = pcall(core.db_table, thing.value)
  if ok then add_keys(names, own.fields) end
  return names
end

function names_of.table(thing)
  local names, seen, t = {}, {}, thing.value
  while type(t) == "table" and not seen[t] do
    seen[t] = true
    add_keys(names, t)
    local meta = getmetatable(t)
    t = type(meta) == "table" and rawget(meta, "__index")
  end
  return names
end

function names_of.string()
  local names = {}
  add_keys(names, string)
  return names
end

local classes = {
  ["perilune.Query"] = "query", ["perilune.Session"] = "session", ["perilune.Database"] = "db",
  ["perilune.Expression"] = "expression", ["perilune.JSONExpression"] = "expression",
  ["perilune.ColumnExpression"] = "column",
  ["perilune.Relationship"] = "relation", ["perilune.Collection"] = "collection",
}

local function thing_of(value)
  if value == nil then return nil end
  local class = core.class(value)
  if class == "perilune.Model" then return { kind = "model", value = value, model = value } end
  if core.is_instance(value) then
    return { kind = "instance", value = value, model = core.object_model(value) }
  end
  if class and classes[class] then return { kind = classes[class], value = value } end
  if type(value) == "table" then return { kind = "table", value = value } end
  if type(value) == "string" then return { kind = "string", value = value } end
end

-- ---- walking a path -------------------------------------------------------------------

local gives_object = { first = true, one = true, one_or_none = true, get = true,
  first_or_404 = true, one_or_404 = true, get_or_404 = true }

local gives_other = { all = true, count = true, any = true, scalar = true, scalars = true,
  update = true, delete = true, explain = true, sql = true, each = true, subquery = true,
  cte = true, paginate = true, keyset = true }

local conditions = { asc = true, desc = true, label = true }

local function target_of(model, name)
  for _, relation in ipairs(core.model_describe(model).relationships) do
    if relation.name == name then
      local info = require "perilune.declare".info[model]
      local target = core.db_table(info.db).models[relation.target]
      return target, relation.uselist
    end
  end
end

local step = {}

function step.model(thing, name)
  if name == "query" then return { kind = "query", model = thing.model } end
  local ok, value = pcall(function() return thing.value[name] end)
  return ok and thing_of(value) or nil
end

function step.query(thing, name, called)
  if not called then return nil end
  if gives_object[name] then return { kind = "instance", model = thing.model } end
  if gives_other[name] then return nil end
  return { kind = "query", model = thing.model }
end

--- Of an object that is there only what is loaded is looked at.
function step.instance(thing, name)
  local target, many = target_of(thing.model, name)
  if target then return many and { kind = "collection" } or { kind = "instance", model = target } end
end

function step.expression(thing, name, called)
  return called and { kind = "expression", conditions[name] } or thing
end

step.column = step.expression

function step.db(thing, name)
  if name == "session" then return { kind = "session" } end
  if name == "engine" then return nil end
  local ok, value = pcall(function() return thing.value[name] end)
  return ok and thing_of(value) or nil
end

function step.table(thing, name, called)
  if called then return nil end
  local names = names_of.table(thing)
  if not names[name] then return nil end
  local ok, value = pcall(function() return thing.value[name] end)
  return ok and thing_of(value) or nil
end

--- The thing that a path like `User.query:where()` stands for; calls are written ().
local function resolve(path, env)
  local head, rest = path:match "^([%a_][%w_]*)(.*)$"
  if not head or rest:find "^%(%)" then return nil end
  local thing = thing_of(env[head])
  for _, name, call in rest:gmatch "([.:])([%a_][%w_]*)(%(?%)?)" do
    local go = thing and step[thing.kind]
    if not go then return nil end
    thing = go(thing, name, call == "()")
  end
  return thing
end

-- ---- the line -------------------------------------------------------------------------

--- Strings and calls with their arguments taken out: `a:b("x", {1}):c` is `a:b():c`.
local function simplify(text)
  text = text:gsub('"[^"\n]*"', "()"):gsub("'[^'\n]*'", "()")
  local before
  repeat
    before = text
    text = text:gsub("%s*%b{}", "()"):gsub("%b()", "\1"):gsub("\1+", "()")
  until text == before
  return (text:gsub("%(%)%s*%(%)", "()"))
end

--- The model whose attributes are names in a table that is not closed: User{na, filter_by{na.
local function model_before(text, env)
  local head, inside = text:match "([%w_.:()]+)%s*[({]*{([^{}]*)$"
  if not head or inside:find "=%s*[%w_]*$" then return nil end
  local thing = resolve(head:match "^(.*):filter_by$" or head, env)
  if thing and (thing.kind == "model" or thing.kind == "query") then return thing.model end
end

local function matching(names, word, list)
  list = list or {}
  for name in pairs(names) do
    if name:sub(1, #word) == word then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

--- Completions of the last word of a line.
-- @string line up to the cursor
-- @tab env the globals
-- @treturn table sorted list of words
function completion.of(line, env)
  local text = simplify(line)
  local open = text:gsub("%(%)", "\1"):gsub("%(", " "):gsub("\1", "()")
  local path, separator, word = open:match "([%w_.:()]*)([.:])([%w_]*)$"
  if path then
    local thing = resolve(path:match "[%a_].*$" or "", env)
    local names = thing and names_of[thing.kind]
    return names and matching(names(thing, separator == ":"), word) or {}
  end
  word = text:match "[%a_][%w_]*$" or ""
  local model = model_before(text, env)
  if model then
    local names = {}
    add_attributes(names, model)
    return matching(names, word)
  end
  if word == "" then return {} end
  local names = {}
  add_keys(names, env)
  for _, keyword in ipairs(keywords) do names[keyword] = true end
  return matching(names, word)
end

return completion
