--- `perilune check app.lua`: looks for mistakes that Lua or the database tell late or never.
-- Of scripts: a dot where a colon belongs, `==` or `and` where an expression is meant, attributes
-- that no model has. Of models: keys that lead nowhere, foreign keys without an index, relations
-- that cannot be worked out, tables that differ from the database.
-- @module perilune.check
local core = require "perilune.core"

local check = {}

-- ---- reading Lua ----------------------------------------------------------------------

local function long_bracket_end(text, at)
  local level = text:match("^%[(=*)%[", at)
  if not level then return nil end
  local _, last = text:find("]" .. level .. "]", at, true)
  return last or #text
end

local function string_end(text, at)
  local quote = text:sub(at, at)
  local i = at + 1
  while i <= #text do
    local c = text:sub(i, i)
    if c == "\\" then
      i = i + 1
    elseif c == quote or c == "\n" then
      return i
    end
    i = i + 1
  end
  return #text
end

--- Tokens of a script: { text =, kind = "name"|"string"|"number"|"op", line = }.
-- @string text
function check.tokens(text)
  local out, at, line = {}, 1, 1
  if text:find "^#" then text = "--" .. text end
  local function skip(to)
    line = line + select(2, text:sub(at, to):gsub("\n", ""))
    at = to + 1
  end
  local function take(kind, to)
    out[#out + 1] = { text = text:sub(at, to), kind = kind, line = line }
    skip(to)
  end
  while at <= #text do
    local c = text:sub(at, at)
    if c:find "%s" then
      skip(select(2, text:find("^%s+", at)))
    elseif text:find("^%-%-", at) then
      skip(long_bracket_end(text, at + 2) or (text:find("\n", at, true) or #text))
    elseif c:find "[%a_]" then
      take("name", select(2, text:find("^[%w_]+", at)))
    elseif c:find "%d" or text:find("^%.%d", at) then
      take("number", select(2, text:find("^%.?%d[%w.]*", at)))
    elseif c == '"' or c == "'" then
      take("string", string_end(text, at))
    elseif long_bracket_end(text, at) then
      take("string", long_bracket_end(text, at))
    else
      local two = text:match("^[=~<>]=", at) or text:match("^%.%.%.?", at) or text:match("^//", at)
        or text:match("^::", at)
      take("op", at + (two and #two or 1) - 1)
    end
  end
  return out
end

-- ---- scripts --------------------------------------------------------------------------

local function methods_of(class)
  local ok, methods = pcall(core.class_methods, class)
  return ok and methods or {}
end

local comparisons = { ["=="] = "eq", ["~="] = "ne", ["<"] = "lt", ["<="] = "le", [">"] = "gt", [">="] = "ge" }

local logic = { ["and"] = "&", ["or"] = "|", ["not"] = "~" }

local takes_conditions = { where = true, filter = true, having = true, join = true, outerjoin = true }

local function complain(self, line, text, ...)
  table.insert(self.found, { line = line, text = text:format(...) })
end

--- Names that are models in this script: their own, and locals made of db.Model "Name".
local function names_of_models(tokens, models)
  local names = {}
  for name, model in pairs(models) do
    if type(name) == "string" then names[name] = model end
  end
  for i = 1, #tokens - 6 do
    local t = tokens
    if t[i].kind == "name" and t[i + 1].text == "=" and t[i + 2].kind == "name" and t[i + 3].text == "."
      and t[i + 4].text == "Model" then
      local quoted = t[i + 5].text == "(" and t[i + 6] or t[i + 5]
      local model = quoted.kind == "string" and models[quoted.text:sub(2, -2)]
      if model then names[t[i].text] = model end
    end
  end
  return names
end

--- Names that the script gives to models: function User.find(), User.limit = 5.
local function names_given(tokens, models)
  local given = {}
  for i = 1, #tokens - 3 do
    local model = tokens[i].kind == "name" and models[tokens[i].text]
    local defines = tokens[i - 1] and tokens[i - 1].text == "function" or tokens[i + 3].text == "="
    if model and defines and (tokens[i + 1].text == "." or tokens[i + 1].text == ":") then
      given[model] = given[model] or {}
      given[model][tokens[i + 2].text] = true
    end
  end
  return given
end

--- x.query.all(), db.session.add(...): a method called with a dot.
local function check_dots(self, t, i)
  local owner, dot, name, open = t[i], t[i + 1], t[i + 2], t[i + 3]
  if not (open and dot.text == "." and name.kind == "name") then return end
  if open.text ~= "(" and open.text ~= "{" and open.kind ~= "string" then return end
  local class = owner.text == "query" and "perilune.Query" or owner.text == "session" and "perilune.Session"
  local before = t[i - 1]
  if class and before and before.text == "." and rawget(methods_of(class), name.text) then
    complain(self, name.line, "call '%s' with a colon: %s:%s(...)", name.text, owner.text, name.text)
  end
end

--- User.name: the attribute of a model at token i, if it is one; what follows it.
local function attribute_at(self, t, i)
  local model = t[i].kind == "name" and self.models[t[i].text]
  if not model or not t[i + 2] or t[i + 1].text ~= "." or t[i + 2].kind ~= "name" then return nil end
  local before = t[i - 1] and t[i - 1].text
  if before == "." or before == ":" or before == "function" then return nil end
  return model, t[i + 2].text, i + 3
end

local class_names = { query = true, scopes = true, name = true, __table__ = true, __tablename__ = true,
  metadata = true }

local function check_attributes(self, t, i)
  local model, name, after = attribute_at(self, t, i)
  if not model then return end
  local about = core.model_describe(model)
  local next_token = t[after]
  local column = false
  for _, attribute in ipairs(about.attributes) do column = column or attribute.name == name end
  if column and next_token and comparisons[next_token.text] then
    complain(self, next_token.line, "'%s' compares columns as plain values: write %s.%s:%s(...)",
      next_token.text, t[i].text, name, comparisons[next_token.text])
  end
  if not column and next_token and next_token.text ~= "=" and not class_names[name]
    and not name:find "^_" and not (self.given[model] or {})[name] then
    local ok = pcall(function() return model[name] end)
    if not ok then
      local names = {}
      for _, list in ipairs { about.attributes, about.relationships } do
        for _, entry in ipairs(list) do names[#names + 1] = entry.name end
      end
      local near = core.nearest(name, names)
      complain(self, t[i + 2].line, "%s has no attribute '%s'%s", about.name, name,
        near and (" (did you mean '%s'?)"):format(near) or "")
    end
  end
end

--- "value" == User.name: the column stands on the right.
local function check_right_side(self, t, i)
  local word = comparisons[t[i].text]
  local model, name = nil, nil
  if word and t[i + 1] then model, name = attribute_at(self, t, i + 1) end
  if not model then return end
  for _, attribute in ipairs(core.model_describe(model).attributes) do
    local before = t[i - 2] and t[i - 2].text == "." and t[i - 3] and self.models[t[i - 3].text]
    if attribute.name == name and not before then
      complain(self, t[i].line, "'%s' compares columns as plain values: write %s.%s:%s(...)", t[i].text,
        t[i + 1].text, name, word)
    end
  end
end

local opening = { ["("] = 1, ["{"] = 1, ["["] = 1, [")"] = -1, ["}"] = -1, ["]"] = -1 }

--- where(a and b): Lua gives one of them, the database never sees the other.
local function check_logic(self, t, i)
  if not (takes_conditions[t[i].text] and t[i - 1] and t[i - 1].text == ":" and t[i + 1]
    and t[i + 1].text == "(") then
    return
  end
  local depth, functions = 0, 0
  for k = i + 1, #t do
    local text = t[k].text
    depth = depth + (opening[text] or 0)
    if t[k].kind == "name" then
      if text == "function" then functions = functions + 1 end
      if text == "end" and functions > 0 then functions = functions - 1 end
      if logic[text] and functions == 0 and depth == 1 then
        complain(self, t[k].line, "'%s' in %s(...) is Lua's and not the database's: write %s", text,
          t[i].text, logic[text])
      end
    end
    if depth == 0 then return end
  end
end

--- What is wrong with a script.
-- @string text
-- @tab models name -> model
-- @treturn table list of { line =, text = }
function check.script(text, models)
  local tokens = check.tokens(text)
  local self = { found = {}, models = names_of_models(tokens, models) }
  self.given = names_given(tokens, self.models)
  for i = 1, #tokens do
    check_dots(self, tokens, i)
    check_attributes(self, tokens, i)
    check_right_side(self, tokens, i)
    check_logic(self, tokens, i)
  end
  table.sort(self.found, function(a, b)
    if a.line ~= b.line then return a.line < b.line end
    return a.text < b.text
  end)
  return self.found
end

-- ---- models ---------------------------------------------------------------------------

local function add(out, text, ...) out[#out + 1] = text:format(...) end

local function begins_with(list, columns)
  for i, name in ipairs(columns) do
    if list[i] ~= name then return false end
  end
  return true
end

--- Whether some index, or key, begins with the columns.
local function is_indexed(about, columns)
  for _, constraint in ipairs(about.constraints) do
    local key = constraint.kind == "primary" or constraint.kind == "unique"
    if key and begins_with(constraint.columns, columns) then return true end
  end
  for _, index in ipairs(about.indexes) do
    if not index.where and begins_with(index.columns, columns) then return true end
  end
  return false
end

local function check_foreign_keys(out, about, tables)
  for _, constraint in ipairs(about.constraints) do
    if constraint.kind == "foreign" then
      local target, names = tables[constraint.target], table.concat(constraint.columns, ", ")
      if not target then
        add(out, "%s.%s: the foreign key leads to table '%s', which no model declares", about.name, names,
          constraint.target)
      else
        local known = {}
        for _, column in ipairs(target.columns) do known[column.name] = true end
        for _, name in ipairs(constraint.refs) do
          if not known[name] then
            add(out, "%s.%s: the foreign key leads to %s.%s, which is not there", about.name, names,
              constraint.target, name)
          end
        end
      end
      if not is_indexed(about, constraint.columns) then
        add(out, "%s.%s: a foreign key without an index: reading from the other side and deleting there "
          .. "go over the whole table; add index = true", about.name, names)
      end
    end
  end
end

local function check_redundant(out, about)
  for _, column in ipairs(about.columns) do
    if column.unique and column.index then
      add(out, "%s.%s: unique = true has an index already; index = true adds a second", about.name, column.name)
    end
    if column.primary_key and (column.unique or column.index) and #about.columns > 0 then
      add(out, "%s.%s: a primary key has an index already", about.name, column.name)
    end
  end
end

--- Differences from a database that has the table.
local function check_database(out, inspector, about)
  if not inspector:has_table(about.name) then return end
  local there = {}
  for _, column in ipairs(inspector:get_columns(about.name)) do there[column.name] = true end
  for _, column in ipairs(about.columns) do
    if not there[column.name] then
      add(out, "%s.%s: the table in the database lacks this column", about.name, column.name)
    end
    there[column.name] = nil
  end
  local names = {}
  for name in pairs(there) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    add(out, "%s.%s: the table in the database has this column, no model does", about.name, name)
  end
end

--- What is wrong with the models of a db.
-- @param db
-- @treturn table list of texts
function check.models(db)
  local out, tables, list = {}, {}, {}
  local ok, err = pcall(core.configure, db)
  if not ok then add(out, "%s", tostring(err)) end
  local keys = { false }
  for _, key in ipairs(core.db_keys(db)) do keys[#keys + 1] = key end
  for _, key in ipairs(keys) do
    for _, t in ipairs((core.db_tables(db, key or nil))) do
      local about = core.table_describe(t)
      about.bind_key = key
      tables[about.name], list[#list + 1] = about, about
    end
  end
  if #list == 0 then add(out, "the database has no models") end
  for _, about in ipairs(list) do
    check_foreign_keys(out, about, tables)
    check_redundant(out, about)
    local reached, inspector = pcall(require "perilune.reflect".inspector, db, about.bind_key or nil)
    if reached then pcall(check_database, out, inspector, about) end
  end
  return out
end

-- ---- the command ----------------------------------------------------------------------

local function read(path)
  local file, reason = io.open(path, "rb")
  if not file then error(reason, 0) end
  local text = file:read "a"
  file:close()
  return text
end

--- The script and what it loaded from files of its own folder with require.
local function files_of(path)
  local out = { path }
  local folder = path:match "^(.*/)" or "./"
  local names = {}
  for name in pairs(package.loaded) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local file = package.searchpath(name, package.path)
    if file and (file:sub(1, #folder) == folder or not file:find "^/") and file ~= path then
      out[#out + 1] = file
    end
  end
  return out
end

--- `perilune check app.lua [more.lua]`: exit status 1 when something is found.
function check.command(words)
  local commands, target = require "perilune.commands", require "perilune.target"
  local given, message = commands.options(words, {})
  if not given or not given[1] then
    return commands.misuse(message or "which script?", "check app.lua [files]")
  end
  local made = target.load(given[1])
  local models, count = {}, 0
  if made.db and pcall(core.configure, made.db) then models = core.db_table(made.db).models end
  local files = files_of(given[1])
  table.move(given, 2, #given, #files + 1, files)
  for _, path in ipairs(files) do
    local text = read(path)
    local chunk, reason = load(text:gsub("^#[^\n]*", ""), "@" .. path, "t")
    if not chunk then
      io.stdout:write(reason, "\n")
      count = count + 1
    end
    for _, found in ipairs(chunk and check.script(text, models) or {}) do
      io.stdout:write(("%s:%d: %s\n"):format(path, found.line, found.text))
      count = count + 1
    end
  end
  if made.db then
    for _, text in ipairs(made:within(check.models, made.db)) do
      io.stdout:write(text, "\n")
      count = count + 1
    end
  end
  return count == 0 and 0 or 1
end

return check
