--- `perilune stubs app.lua`: annotations by which LuaLS completes models and the API.
--    perilune stubs app.lua > types/app.lua
-- Methods are listed as the library has them at the time, so nothing is missing or invented;
-- each model gets a class for its objects, one for itself and one for its queries.
-- @module perilune.stubs
local core = require "perilune.core"

local stubs = {}

local types = {
  Integer = "integer", SmallInteger = "integer", BigInteger = "integer", String = "string",
  Text = "string", Unicode = "string", UnicodeText = "string", Boolean = "boolean", Float = "number",
  Double = "number", Numeric = "perilune.Decimal", Date = "perilune.Date", Time = "perilune.Time",
  DateTime = "perilune.DateTime", Interval = "perilune.Interval", LargeBinary = "string",
  JSON = "any", Enum = "string", UUID = "string",
}

local function sorted(t)
  local names = {}
  for name in pairs(t) do
    if type(name) == "string" and name:find "^[%a][%w_]*$" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

--- A list of lines and what adds to it; lines that begin with @ become annotations.
local function writer()
  local out = {}
  return out, function(text, ...)
    if select("#", ...) > 0 then text = text:format(...) end
    out[#out + 1] = ("\n" .. text):gsub("\n@", "\n---@"):sub(2)
  end
end

-- ---- the API --------------------------------------------------------------------------

--- What methods take and give, where it is more than "anything"; %Q is the query's own class and
-- %O what it yields.
local query_methods = {
  all = "(): %O[]", first = "(): %O?", one = "(): %O", one_or_none = "(): %O?",
  get = "(...: any): %O?", get_or_404 = "(...: any): %O", first_or_404 = "(): %O",
  one_or_404 = "(): %O", count = "(): integer", any = "(): boolean", scalar = "(): any",
  scalars = "(): any[]", each = "(batch?: integer): fun(): %O", sql = "(): string, any[]",
  update = "(values: table): integer", delete = "(): integer", explain = "(): perilune.Plan",
  paginate = "(options?: table): perilune.Pagination", keyset = "(options?: table): perilune.Pagination",
  filter_by = "(values: table): %Q", limit = "(n: integer): %Q", offset = "(n: integer): %Q",
  slice = "(first: integer, last: integer): %Q", subquery = "(name?: string): any",
  cte = "(options?: string|table): any", exists = "(): perilune.Expression",
  scalar_subquery = "(): perilune.Expression", as_scalar = "(): perilune.Expression",
  label = "(name: string): perilune.Expression",
}

local session_methods = {
  add = "(object: table): nil", add_all = "(objects: table[]): nil", delete = "(object: table): nil",
  flush = "(): nil", commit = "(): nil", rollback = "(): nil", close = "(): nil",
  try_commit = "(): true?, perilune.Error?", execute = "(statement: any, params?: table): perilune.Row[]",
  scalar = "(statement: any, params?: table): any", scalars = "(statement: any, params?: table): any[]",
  bulk_insert = "(model: perilune.Model, rows: table[]): integer", is_modified = "(object: table): boolean",
  merge = "(object: table): table", get = "(model: perilune.Model, ...: any): table?",
  begin = "(options?: table|function, fn?: function): any",
  begin_nested = "(fn?: function): any", refresh = "(object: table, names?: string[]): nil",
  expire = "(object: table, names?: string[]): nil", in_transaction = "(): boolean",
}

local collection_methods = {
  append = "(object: table): nil", remove = "(object: table): nil", contains = "(object: table): boolean",
  insert = "(position: integer, object: table): nil", pop = "(position?: integer): table",
  extend = "(objects: table[]): nil", clear = "(): nil", index = "(object: table): integer?",
}

local expression_methods = {
  label = "(name: string): perilune.Expression", between = "(low: any, high: any): perilune.Expression",
  in_ = "(values: any): perilune.Expression", asc = "(): perilune.Expression",
  desc = "(): perilune.Expression", eq = "(value: any): perilune.Expression",
  ne = "(value: any): perilune.Expression", lt = "(value: any): perilune.Expression",
  le = "(value: any): perilune.Expression", gt = "(value: any): perilune.Expression",
  ge = "(value: any): perilune.Expression", like = "(pattern: string): perilune.Expression",
}

--- Method names of a class of the core and of a table that Lua adds to it.
local function names_of_class(class, more)
  local names = {}
  local ok, methods = pcall(core.class_methods, class)
  for name in pairs(ok and methods or {}) do names[name] = true end
  for name in pairs(more or {}) do names[name] = true end
  return sorted(names)
end

local function write_methods(write, self, names, known, default)
  for _, name in ipairs(names) do
    local text = known[name] or default
    local arguments, result = text:match "^%((.-)%): (.*)$"
    write("@field %s fun(self: %s%s): %s", name, self, arguments ~= "" and ", " .. arguments or "", result)
  end
end

local function write_query(write, class, yields)
  local known = {}
  for name, text in pairs(query_methods) do
    known[name] = text:gsub("%%Q", class):gsub("%%O", yields)
  end
  write_methods(write, class, names_of_class "perilune.Query", known, "(...: any): " .. class)
end

local function write_values(write)
  for _, class in ipairs { "Decimal", "Date", "Time", "DateTime", "Interval" } do
    write("@class perilune.%s", class)
    if class ~= "Decimal" then write("@field iso fun(self: perilune.%s): string", class) end
    write ""
  end
  for _, class in ipairs { "Row", "Plan", "Pagination", "Engine", "Transaction" } do
    write("@class perilune.%s\n@field [string] any\n", class)
  end
  write [[
@class perilune.Error
@field name string
@field message string
@field sql? string
@field params? any[]
@field code? integer
@field attribute? string
@field object? table
@field hint? string
@field is fun(self: perilune.Error, class: string): boolean
]]
end

local function write_db(write, models)
  write "@class perilune.ModelFactory\n@overload fun(name: string): fun(fields: table): perilune.Model"
  for _, model in ipairs(models) do
    write("@overload fun(name: %q): fun(fields: table): %s.Model", model.name, model.name)
  end
  write "\n@class perilune.Models"
  for _, model in ipairs(models) do write("@field %s %s.Model", model.name, model.name) end
  write [[

@class perilune.Database
@field session perilune.Session
@field engine perilune.Engine
@field config table
@field Model perilune.ModelFactory
@field Table fun(spec: table): any
@field models perilune.Models
@field func table<string, fun(...: any): perilune.Expression>
@field null userdata]]
  local special = { session = true, func = true, null = true }
  for _, name in ipairs(sorted(core.namespace)) do
    if not special[name] then
      local value = core.namespace[name]
      local method = type(value) == "function" and name:find "_all$" or name == "close"
        or name == "init_app" or name == "get_recorded_queries"
      if method then
        write("@field %s fun(self: perilune.Database, ...: any): any", name)
      else
        write("@field %s %s", name, type(value) == "function" and "fun(...: any): any" or "any")
      end
    end
  end
  write ""
end

local function write_module(write)
  write [[
@class perilune.App
@field name string
@field config table
@field instance_path string
@field cli any
@field app_context fun(self: perilune.App, fn?: function, ...: any): any
@field teardown fun(self: perilune.App, fn: function): function
@field shell_context fun(self: perilune.App, fn: function): function

@class perilune
@field App fun(name: string, settings?: table): perilune.App
@field Database fun(app?: perilune.App, options?: table): perilune.Database
@field open fun(uri: string, options?: table): perilune.Database
@field inspect fun(value: any): any
@field command? string]]
  local module, known = core.module, { App = 1, Database = 1, open = 1, inspect = 1, command = 1 }
  for _, name in ipairs(sorted(module)) do
    if not known[name] then
      write("@field %s %s", name, type(module[name]) == "function" and "fun(...: any): any" or "any")
    end
  end
  write ""
end

--- Annotations of the API itself.
local function write_api(write, models)
  write_values(write)
  write "@class perilune.Expression"
  for _, operator in ipairs { "add", "sub", "mul", "div", "idiv", "mod", "concat", "band", "bor" } do
    write("@operator %s(any): perilune.Expression", operator)
  end
  write "@operator bnot: perilune.Expression"
  write_methods(write, "perilune.Expression", names_of_class "perilune.Expression", expression_methods,
    "(...: any): perilune.Expression")
  write [[

@class perilune.Column: perilune.Expression
@field name string
@field key string
@field type any
@field nullable boolean
@field primary_key boolean
@field unique boolean
@field index boolean
@field deferred boolean
@field default any
@field onupdate any
@field server_default? string
@field server_onupdate? string
@field computed? string
@field comment? string
@field collation? string
@field info table
@field foreign_keys table[]
@field table any]]
  write "\n@class perilune.Relationship"
  for _, name in ipairs { "any", "has", "contains", "eq", "ne", "is", "of_type", "and_" } do
    write("@field %s fun(self: perilune.Relationship, ...: any): perilune.Expression", name)
  end
  write "\n@class perilune.Collection"
  write_methods(write, "perilune.Collection", names_of_class "perilune.Collection", collection_methods,
    "(...: any): any")
  write "\n@class perilune.Query"
  write_query(write, "perilune.Query", "any")
  write "\n@class perilune.Session\n@field new table[]\n@field dirty table[]\n@field deleted table[]"
  write_methods(write, "perilune.Session", names_of_class "perilune.Session", session_methods,
    "(...: any): any")
  write "\n@class perilune.Model\n@field query perilune.Query\n@field name any\n@field scopes table\n"
  write_db(write, models)
  write_module(write)
end

-- ---- models ---------------------------------------------------------------------------

--- A model's columns as { name =, type =, optional = }.
local function columns_of(model)
  local about, nullable = core.model_describe(model), {}
  for _, t in ipairs(about.tables) do
    for _, column in ipairs(core.table_describe(t).columns) do
      nullable[column.name] = nullable[column.name] == nil and column.nullable
    end
  end
  local out = {}
  for i, attribute in ipairs(about.attributes) do
    out[i] = { name = attribute.name, type = types[attribute.type] or "any",
               optional = nullable[attribute.column or attribute.name] ~= false }
  end
  return out
end

local function write_object(write, model, about)
  local parent = model.__parent__
  write("@class %s%s", about.name, parent and ": " .. core.model_describe(parent).name or "")
  for _, c in ipairs(columns_of(model)) do
    write("@field %s%s %s", c.name, c.optional and "?" or "", c.type)
  end
  for _, r in ipairs(about.relationships) do
    if r.uselist then
      write("@field %s perilune.Collection|%s[]", r.name, r.target)
    else
      write("@field %s? %s", r.name, r.target)
    end
  end
  local taken = {}
  for _, list in ipairs { about.attributes, about.relationships } do
    for _, entry in ipairs(list) do taken[entry.name] = true end
  end
  local members = core.model_members(model)
  for _, name in ipairs(sorted(members)) do
    if not taken[name] then
      write("@field %s %s", name, type(members[name]) == "function"
        and ("fun(self: %s, ...: any): any"):format(about.name) or "any")
    end
  end
  write ""
end

local function write_values_of(write, model, about)
  write("@class %s.Values", about.name)
  for _, c in ipairs(columns_of(model)) do write("@field %s? %s", c.name, c.type) end
  for _, r in ipairs(about.relationships) do
    write("@field %s? %s%s", r.name, r.target, r.uselist and "[]" or "")
  end
  write ""
end

local function write_class(write, about, scopes)
  write("@class %s.Model: perilune.Model", about.name)
  write("@field query %s.Query", about.name)
  for _, attribute in ipairs(about.attributes) do
    write("@field %s perilune.Column", attribute.name)
  end
  for _, r in ipairs(about.relationships) do write("@field %s perilune.Relationship", r.name) end
  write("@overload fun(values?: %s.Values): %s\n", about.name, about.name)
  write("@class %s.Query: perilune.Query", about.name)
  write_query(write, about.name .. ".Query", about.name)
  for _, name in ipairs(sorted(scopes)) do
    write("@field %s fun(self: %s.Query, ...: any): %s.Query", name, about.name, about.name)
  end
  write ""
end

--- The annotations of a db and of the API.
-- @param db
-- @treturn string a Lua file
function stubs.text(db)
  local out, write = writer()
  local models = {}
  for _, model in ipairs(core.db_table(db).models) do
    models[#models + 1] = core.model_describe(model)
    models[#models].model = model
  end
  write "@meta\n-- Written by `perilune stubs`; for the Lua language server, never run.\n"
  write_api(write, models)
  local info = require "perilune.declare".info
  for _, about in ipairs(models) do
    write_object(write, about.model, about)
    write_values_of(write, about.model, about)
    write_class(write, about, info[about.model].scopes)
  end
  write "@type perilune\nlocal perilune = {}\nreturn perilune"
  return table.concat(out, "\n") .. "\n"
end

--- The command.
function stubs.command(words)
  local commands, target = require "perilune.commands", require "perilune.target"
  local given, message = commands.options(words, { output = "FILE" })
  if not given or not given[1] then
    return commands.misuse(message or "of which models?", "stubs [--output FILE] app.lua")
  end
  local text = stubs.text(target.load(given[1]):need_db(given[1]))
  if not given.output then
    io.stdout:write(text)
    return 0
  end
  local file, reason = io.open(given.output, "w")
  if not file then return commands.misuse(reason) end
  file:write(text)
  file:close()
  return 0
end

return stubs
