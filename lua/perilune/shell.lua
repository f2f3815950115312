--- `perilune shell app.lua`: a prompt with the app, its db and its models.
-- Lines of Lua are run as by the plain prompt, results of queries are shown as tables, and a
-- line that begins with a backslash is a command of the shell. ^C stops what runs and keeps
-- the session.
-- @module perilune.shell
local core = require "perilune.core"
local grid = require "perilune.grid"
local showing = require "perilune.showing"

local shell = {}

-- ---- running Lua ----------------------------------------------------------------------

local function is_incomplete(message)
  return message and message:find "<eof>$" ~= nil
end

--- Compiles a chunk, as an expression if it is one; nil, a message and whether it breaks off.
local function compile(text)
  local chunk = load("return " .. text:gsub("^=", "", 1) .. "\n;", "=stdin", "t")
  if chunk then return chunk end
  local message
  chunk, message = load(text, "=stdin", "t")
  return chunk, message, is_incomplete(message)
end

--- A message without the traceback, which \trace shows.
local function short(message)
  return (message:gsub("\nstack traceback:.*$", ""))
end

local function complain(self, message)
  self.trace = message
  io.stdout:flush()
  io.stderr:write(short(message), "\n")
end

local function print_value(self, value)
  local text = showing.text(value, self.terminal.width())
  if text then
    io.stdout:write(text)
  else
    print(value)
  end
end

local function print_values(self, values)
  local tables = false
  for i = 1, values.n do
    local class = core.class(values[i])
    tables = tables or class == "perilune.List" or class == "perilune.Query"
      or class == "perilune.Collection" or class == "perilune.Row"
      or core.is_instance(values[i])
  end
  if not tables then
    if values.n > 0 then print(table.unpack(values, 1, values.n)) end
    return
  end
  for i = 1, values.n do print_value(self, values[i]) end
end

--- Runs a function so that an error or ^C ends it and not the shell.
-- @treturn table|nil its results
local function guarded(self, fn, ...)
  local results = table.pack(self.terminal.call(fn, ...))
  if results[1] then return table.pack(table.unpack(results, 2, results.n)) end
  complain(self, results[2])
end

local function run(self, text)
  local chunk, message = compile(text)
  if not chunk then return complain(self, message) end
  local results = guarded(self, chunk)
  if results then guarded(self, print_values, self, results) end
end

-- ---- what a line speaks of --------------------------------------------------------------

local verbs = { select = true, insert = true, update = true, delete = true, with = true,
  pragma = true, create = true, drop = true, alter = true, explain = true, analyze = true,
  values = true, replace = true, vacuum = true, reindex = true }

--- The argument of \sql and \explain: SQL text, or the value of a Lua expression.
local function statement(self, text)
  local first = text:match "^%s*(%a+)%s"
  if first and verbs[first:lower()] then return text end
  local chunk, message = load("return " .. text, "=stdin", "t")
  if not chunk then
    complain(self, message)
    return nil
  end
  local results = guarded(self, chunk)
  return results and results[1]
end

local function need_db(self)
  if self.db then return self.db end
  core.raise("InvalidRequestError", "there is no database here",
    "perilune shell app.lua, or assign one: db = perilune.open \"sqlite:///file.db\"")
end

local function is_query(value)
  local class = core.class(value)
  return class == "perilune.Query" or class == "perilune.Statement"
end

-- ---- commands -------------------------------------------------------------------------

local meta = {}

local function commands_text()
  return [[
\d             tables and models
\d NAME        a table or model: columns, keys, indexes, relationships
\sql QUERY     the SQL of a query; SQL text is run
\explain QUERY the plan of a query or of SQL text, with the index that is missing
\echo on|off   print every statement that runs
\limit N       rows shown of a result
\trace         the traceback of the last error
\? or \help    this
\q or \quit    leave, as the end of input does
]]
end

meta["?"] = function() io.stdout:write(commands_text()) end
meta.help = meta["?"]

function meta.q() return true end
meta.quit = meta.q

function meta.trace(self)
  io.stdout:write(self.trace or "no error so far", "\n")
end

function meta.limit(self, text)
  local n = math.tointeger(tonumber(text))
  if not n or n < 1 then return complain(self, "\\limit needs a number of rows") end
  showing.limit = n
end

function meta.echo(self, text)
  if text ~= "on" and text ~= "off" then return complain(self, "\\echo needs on or off") end
  need_db(self).config.echo = text == "on"
end

function meta.sql(self, text)
  if text == "" then return complain(self, "\\sql needs a query") end
  local value = statement(self, text)
  if value == nil then return end
  if type(value) == "string" then
    local db = need_db(self)
    return print_value(self, db.session:execute(core.namespace.text(value)))
  end
  if not is_query(value) then return complain(self, "that is no query") end
  local sql, params = value:sql()
  local shown = require "perilune.trace".parameters(params)
  io.stdout:write(sql, shown ~= "" and "\n" .. shown or "", "\n")
end

function meta.explain(self, text)
  if text == "" then return complain(self, "\\explain needs a query") end
  local value = statement(self, text)
  if value == nil then return end
  local query = require "perilune.query"
  if type(value) == "string" then
    print(query.plan_of(need_db(self), value, nil))
  elseif is_query(value) then
    local sql, params = value:sql()
    print(query.plan_of(core.query_db(value), sql, params))
  else
    complain(self, "that is no query")
  end
end

-- ---- \d -------------------------------------------------------------------------------

local function models_by_table(db)
  local by_table = {}
  for _, model in ipairs(core.db_table(db).models) do
    local name = model.__tablename__
    by_table[name] = by_table[name] or {}
    table.insert(by_table[name], model)
  end
  return by_table
end

local function names_of(list)
  local out = {}
  for i, model in ipairs(list or {}) do out[i] = core.model_describe(model).name end
  return table.concat(out, ", ")
end

--- Tables that are there or that models want, sorted.
local function table_names(db, inspector)
  local there, names = {}, {}
  for _, name in ipairs(inspector:get_table_names()) do there[name] = "table" end
  for _, name in ipairs(inspector:get_view_names()) do there[name] = "view" end
  for _, t in ipairs((core.db_tables(db))) do there[t.name] = there[t.name] or "not created" end
  for name in pairs(there) do names[#names + 1] = name end
  table.sort(names)
  return names, there
end

local function list_tables(self, db, inspector)
  local names, there = table_names(db, inspector)
  local models, rows = models_by_table(db), {}
  for i, name in ipairs(names) do
    local count
    if there[name] ~= "not created" then
      local quoted = '"' .. name:gsub('"', '""') .. '"'
      count = db.session:scalar(core.namespace.text("SELECT count(*) FROM " .. quoted))
    end
    rows[i] = { name, there[name], names_of(models[name]), count or grid.null }
  end
  local about = { names = { "name", "kind", "models", "rows" }, rows = rows,
                  noun = #rows == 1 and "table" or "tables" }
  io.stdout:write(grid.draw(about, self.terminal.width()))
end

local function columns_text(columns) return table.concat(columns, ", ") end

local function describe_keys(inspector, name)
  local out = {}
  local key = inspector:get_pk_constraint(name).constrained_columns
  if #key > 0 then out[#out + 1] = ("primary key (%s)"):format(columns_text(key)) end
  for _, c in ipairs(inspector:get_unique_constraints(name)) do
    out[#out + 1] = ("unique (%s)"):format(columns_text(c.column_names))
  end
  for _, c in ipairs(inspector:get_check_constraints(name)) do
    out[#out + 1] = ("check (%s)"):format(c.sqltext)
  end
  for _, index in ipairs(inspector:get_indexes(name)) do
    local columns = index.expressions or index.column_names
    out[#out + 1] = ("%sindex %s (%s)%s"):format(index.unique and "unique " or "", index.name,
      columns_text(columns), index.where and " where " .. index.where or "")
  end
  for _, fk in ipairs(inspector:get_foreign_keys(name)) do
    out[#out + 1] = ("foreign key (%s) to %s (%s)%s"):format(columns_text(fk.constrained_columns),
      fk.referred_table, columns_text(fk.referred_columns),
      fk.options.ondelete and " on delete " .. fk.options.ondelete:lower() or "")
  end
  return out
end

local function describe_relations(model)
  local out = {}
  local about = core.model_describe(model)
  for _, r in ipairs(about.relationships) do
    out[#out + 1] = ("%s.%s: %s to %s, lazy = %q"):format(about.name, r.name, r.direction, r.target,
      r.lazy)
  end
  return out
end

local function describe_table(self, inspector, name, models)
  local rows = {}
  for i, c in ipairs(inspector:get_columns(name)) do
    rows[i] = { c.name, c.type:lower(), c.nullable and c.primary_key == 0 and "yes" or "no",
                c.default or "", c.primary_key > 0 and "key" or "" }
  end
  local about = { names = { "column", "type", "null", "default", "" }, rows = rows,
                  noun = #rows == 1 and "column" or "columns" }
  io.stdout:write(name, #models > 0 and " (" .. names_of(models) .. ")" or "", "\n",
    grid.draw(about, self.terminal.width()))
  for _, line in ipairs(describe_keys(inspector, name)) do io.stdout:write("  ", line, "\n") end
  for _, model in ipairs(models) do
    for _, line in ipairs(describe_relations(model)) do io.stdout:write("  ", line, "\n") end
  end
end

function meta.d(self, text)
  local db = need_db(self)
  local inspector = require "perilune.reflect".inspector(db)
  if text == "" then return list_tables(self, db, inspector) end
  local by_table, models = models_by_table(db), core.db_table(db).models
  local name = models[text] and models[text].__tablename__ or text
  if inspector:has_table(name) then
    return describe_table(self, inspector, name, by_table[name] or {})
  end
  if by_table[name] then
    return complain(self, ("the table '%s' is not created: db:create_all()"):format(name))
  end
  local names = table_names(db, inspector)
  for _, model in ipairs(models) do names[#names + 1] = core.model_describe(model).name end
  local near = core.nearest(text, names)
  complain(self, ("there is no table or model '%s'%s"):format(text,
    near and (" (did you mean '%s'?)"):format(near) or ""))
end

--- Runs a line that begins with a backslash; true when the shell is to end.
local function run_command(self, line)
  local name, text = line:match "^\\(%S*)%s*(.-)%s*$"
  local command = meta[name]
  if command then
    local results = guarded(self, command, self, text)
    return results and results[1]
  end
  complain(self, ("there is no command \\%s; \\? lists them"):format(name))
end

-- ---- completion -----------------------------------------------------------------------

local function complete_command(self, line)
  local word = line:match "^\\(%w*)$"
  if word then
    local out = {}
    for name in pairs(meta) do
      if #name > 1 or name == "d" then
        if name:sub(1, #word) == word then out[#out + 1] = name end
      end
    end
    table.sort(out)
    return out
  end
  local name = line:match "^\\d%s+([%w_]*)$"
  if name and self.db then
    local names = table_names(self.db, require "perilune.reflect".inspector(self.db))
    for _, model in ipairs(core.db_table(self.db).models) do
      names[#names + 1] = core.model_describe(model).name
    end
    local out = {}
    for _, found in ipairs(names) do
      if found:sub(1, #name) == name then out[#out + 1] = found end
    end
    return out
  end
end

local function completer(self)
  return function(line)
    if line:find "^\\d%s" or line:find "^\\%w*$" then return complete_command(self, line) end
    line = line:gsub("^\\%w+%s+", "")
    return require "perilune.completion".of((self.chunk or "") .. line, _G)
  end
end

-- ---- the loop -------------------------------------------------------------------------

local function prompt(name, default)
  local text = rawget(_G, name)
  return text ~= nil and tostring(text) or default
end

--- Reads one chunk of as many lines as it takes; nil at the end of input, false after ^C.
local function read_chunk(self)
  local complete = completer(self)
  local text = self.terminal.read_line(prompt("_PROMPT", "> "), complete)
  if not text or text:find "^\\" then return text end
  while true do
    local _, _, incomplete = compile(text)
    if not incomplete then return text end
    self.chunk = text .. "\n"
    local line = self.terminal.read_line(prompt("_PROMPT2", ">> "), complete)
    self.chunk = nil
    if line == nil then return text end
    if line == false then return false end
    text = text .. "\n" .. line
  end
end

local function loop(self)
  while true do
    local text = read_chunk(self)
    if text == nil then
      io.stdout:write "\n"
      return
    end
    if text and text:find "%S" then
      self.terminal.remember(text)
      if self.history then self.terminal.save_history(self.history, 1000) end
      if text:find "^\\" then
        if run_command(self, text) then return end
      else
        run(self, text)
      end
    end
  end
end

-- ---- beginning ------------------------------------------------------------------------

local function history_file()
  local own = os.getenv "PERILUNE_HISTORY"
  if own then return own ~= "" and own or nil end
  local home = os.getenv "HOME"
  return home and home .. "/.perilune_history"
end

--- The names that the shell defines: those of the app, or the models of a db without one.
local function names_for(made)
  if made.app then return made.app:make_shell_context() end
  local names = {}
  if made.db then
    names.db = made.db
    for name, model in pairs(core.db_table(made.db).models) do
      if type(name) == "string" then names[name] = model end
    end
  end
  return names
end

local function announce(self, names)
  if not self.terminal.is_terminal(0) then return end
  local words = {}
  for name in pairs(names) do words[#words + 1] = name end
  table.sort(words)
  io.stdout:write("Perilune ", core.version, ", ", _VERSION, ". \\? for help.\n")
  if #words > 0 then io.stdout:write(table.concat(words, ", "), "\n") end
end

local function start(self, names)
  _G.perilune = require "perilune"
  for name, value in pairs(names) do _G[name] = value end
  announce(self, names)
  self.history = self.terminal.is_terminal(0) and history_file()
  if self.history then self.terminal.load_history(self.history) end
  loop(self)
end

--- A db that is asked for by `\d` and others also when the session made it: the global `db`.
local session_meta = { __index = function(self, key)
  if key == "db" then
    local db = rawget(_G, "db")
    if core.class(db) == "perilune.Database" then return db end
  end
  return rawget(self, key)
end }

--- The command.
function shell.command(words)
  local commands, target = require "perilune.commands", require "perilune.target"
  local path = words[1]
  if path and path:find "^%-%-" then
    return commands.misuse(("unrecognized option '%s'"):format(path), "shell [app.lua | file.db | URI]")
  end
  local made
  if path and require "perilune.ddl".is_database(path) then
    made = { db = target.open(path, { create = false }) }
  else
    made = target.load(path, { table.unpack(words, 2) })
  end
  local self = setmetatable({ terminal = core.program().terminal }, session_meta)
  local names = names_for(made)
  if made.app then
    made.app:app_context(start, self, names)
  else
    start(self, names)
  end
  return 0
end

return shell
