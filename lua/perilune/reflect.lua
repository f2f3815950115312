--- Inspectors: what is in a database, as SQLite tells it.
-- Names of constraints are nowhere but in the text of CREATE TABLE, so that is read, too.
--    local inspector = perilune.inspect(db)
--    for _, column in ipairs(inspector:get_columns "user") do print(column.name, column.type) end
-- @module perilune.reflect
local core = require "perilune.core"

local null = core.namespace.null

local reflect = {}

-- ---- reading DDL --------------------------------------------------------------------

--- The text of a token as a name: quotes taken away.
local function unquote(token)
  local first = token:sub(1, 1)
  if first == '"' or first == "`" or first == "'" then
    return (token:sub(2, -2):gsub(first .. first, first))
  elseif first == "[" then
    return token:sub(2, -2)
  end
  return token
end

local function end_of_quoted(sql, at, quote)
  local close = quote == "[" and "]" or quote
  at = at + 1
  while true do
    local found = sql:find(close, at, true)
    if not found then return #sql end
    if quote ~= "[" and sql:sub(found + 1, found + 1) == close then
      at = found + 2
    else
      return found
    end
  end
end

--- Tokens of a statement: { text =, from =, to = }; comments are left out.
function reflect.tokens(sql)
  local out, at = {}, 1
  while at <= #sql do
    local c = sql:sub(at, at)
    local to
    if c:find "%s" then
      at = at + 1
    elseif sql:find("^%-%-", at) then
      at = (sql:find("\n", at, true) or #sql) + 1
    elseif sql:find("^/%*", at) then
      at = (select(2, sql:find("*/", at, true)) or #sql) + 1
    else
      if c:find "[\"'`%[]" then
        to = end_of_quoted(sql, at, c)
      else
        to = select(2, sql:find("^[%w_\128-\255.]+", at)) or at
      end
      out[#out + 1] = { text = sql:sub(at, to), from = at, to = to }
      at = to + 1
    end
  end
  return out
end

--- The parts between commas of the first pair of parentheses; what stands behind it.
local function parts_of(tokens)
  local parts, part, depth, behind = {}, {}, 0, {}
  local open = false
  for _, token in ipairs(tokens) do
    local text = token.text
    if not open then
      open = text == "("
    elseif open == "closed" then
      behind[#behind + 1] = token
    elseif text == ")" and depth == 0 then
      parts[#parts + 1] = part
      open = "closed"
    elseif text == "," and depth == 0 then
      parts[#parts + 1] = part
      part = {}
    else
      depth = depth + (text == "(" and 1 or text == ")" and -1 or 0)
      part[#part + 1] = token
    end
  end
  return parts, behind
end

--- Names in the parentheses that begin at token `at`; the position of the last token read.
local function names_at(part, at)
  local names = {}
  if not part[at] or part[at].text ~= "(" then return names, at - 1 end
  at = at + 1
  while part[at] and part[at].text ~= ")" do
    local text = part[at].text
    if text ~= "," then names[#names + 1] = unquote(text) end
    at = at + 1
  end
  return names, at
end

--- The text in the parentheses that begin at token `at`, and the position behind them.
local function text_at(sql, part, at)
  local depth, last = 0, at
  for i = at, #part do
    local text = part[i].text
    depth = depth + (text == "(" and 1 or text == ")" and -1 or 0)
    last = i
    if depth == 0 then break end
  end
  local text = sql:sub(part[at].from + 1, part[last].from - 1)
  return text:match "^%s*(.-)%s*$", last + 1
end

local function word(part, at)
  return part[at] and part[at].text:upper()
end

--- Constraints of one definition: a column with its own ones, or a constraint of the table.
local function read_definition(sql, part, out)
  local first = word(part, 1)
  local of_table = first == "CONSTRAINT" or first == "PRIMARY" or first == "UNIQUE"
    or first == "CHECK" or first == "FOREIGN"
  local column = not of_table and unquote(part[1].text) or nil
  local at, name = of_table and 1 or 2, nil
  while part[at] do
    local text = word(part, at)
    if text == "CONSTRAINT" then
      name, at = unquote(part[at + 1].text), at + 2
    elseif text == "CHECK" and word(part, at + 1) == "(" then
      local condition, behind = text_at(sql, part, at + 1)
      out[#out + 1] = { kind = "check", name = name, sqltext = condition }
      name, at = nil, behind
    elseif text == "PRIMARY" or text == "UNIQUE" or text == "FOREIGN" or text == "REFERENCES" then
      local kind = text == "REFERENCES" and "foreign" or text:lower()
      local names = { column }
      if text == "PRIMARY" or text == "FOREIGN" then at = at + 1 end
      if text == "FOREIGN" or of_table then names, at = names_at(part, at + 1) end
      local entry = { kind = kind, name = name, columns = names }
      if text == "FOREIGN" then at = at + 1 end
      if text == "FOREIGN" or text == "REFERENCES" then
        entry.target = part[at + 1] and unquote(part[at + 1].text)
        entry.targets, at = names_at(part, at + 2)
      end
      out[#out + 1] = entry
      name, at = nil, at + 1
    elseif text == "DEFERRABLE" or text == "INITIALLY" then
      local last = out[#out]
      if last and text == "DEFERRABLE" then last.deferrable = word(part, at - 1) ~= "NOT" end
      if last and text == "INITIALLY" then last.initially = word(part, at + 1) end
      at = at + 1
    elseif text == "(" then
      at = select(2, text_at(sql, part, at))
    else
      at = at + 1
    end
  end
end

--- Constraints named in the text of a CREATE TABLE:
-- { kind = "primary"|"unique"|"check"|"foreign", name =, columns =, sqltext = }.
function reflect.constraints(sql)
  local out = {}
  for _, part in ipairs((parts_of(reflect.tokens(sql)))) do
    if part[1] then read_definition(sql, part, out) end
  end
  return out
end

--- Expressions and condition of a CREATE INDEX.
local function read_index(sql)
  local parts, behind = parts_of(reflect.tokens(sql))
  local expressions = {}
  for i, part in ipairs(parts) do
    expressions[i] = part[1] and sql:sub(part[1].from, part[#part].to) or ""
  end
  local where = behind[2] and behind[1].text:upper() == "WHERE"
    and sql:sub(behind[2].from, behind[#behind].to) or nil
  return expressions, where
end

-- ---- the inspector ------------------------------------------------------------------

--- What is in a database. Reads within the session's transaction, so it sees what the script
-- has done so far.
-- @type Inspector
local Inspector = {}

local meta = { __name = "perilune.Inspector", __index = Inspector }

function meta.__tostring(self)
  return ("<Inspector of %s>"):format(self.bind_key or "the default database")
end

local function rows(self, sql, params)
  local session = self.db.session
  return session:execute(core.namespace.text(sql), params, { bind = self.bind_key })
end

local function check(self, method)
  if type(self) == "table" and getmetatable(self) == meta then return self end
  core.raise("TypeError", ("an Inspector expected as the object of '%s'"):format(method),
    ("call it with a colon: inspector:%s(...)"):format(method))
end

local function names_of(self, kind, master)
  local sql = ("SELECT name FROM %s WHERE type = :kind AND name NOT LIKE 'sqlite~_%%' ESCAPE '~' "
    .. "ORDER BY name"):format(master)
  return rows(self, sql, { kind = kind }):scalars()
end

--- Names of the tables, sorted.
function Inspector:get_table_names()
  return names_of(check(self, "get_table_names"), "table", "sqlite_master")
end

--- Names of the views, sorted.
function Inspector:get_view_names()
  return names_of(check(self, "get_view_names"), "view", "sqlite_master")
end

--- Names of the temporary tables, sorted.
function Inspector:get_temp_table_names()
  return names_of(check(self, "get_temp_table_names"), "table", "sqlite_temp_master")
end

--- The CREATE statement of a table, view or index; nil when there is none.
function Inspector:get_sql(name)
  check(self, "get_sql")
  local found = rows(self, "SELECT sql FROM sqlite_master WHERE name = :name COLLATE NOCASE "
    .. "UNION ALL SELECT sql FROM sqlite_temp_master WHERE name = :name COLLATE NOCASE",
    { name = name })
  return found[1] and found[1][1]
end

--- Whether there is a table or view of that name.
function Inspector:has_table(name)
  check(self, "has_table")
  return #rows(self, "SELECT 1 FROM pragma_table_xinfo(:name) LIMIT 1", { name = name }) > 0
end

local function need_table(self, name, method)
  check(self, method)
  if core.class(name) == "perilune.Model" then name = name.__tablename__ end
  if core.class(name) == "perilune.Table" then name = name.name end
  if type(name) ~= "string" then
    core.raise("ArgumentError", ("%s needs the name of a table, got %s"):format(method, type(name)))
  end
  if not self:has_table(name) then core.raise("NoSuchTableError", name) end
  return name
end

--- Columns of a table in order.
-- @param name of the table, or a model
-- @treturn table list of { name =, type = text, nullable =, default = SQL text or nil,
-- primary_key = place in the key or 0, computed = }
function Inspector:get_columns(name)
  name = need_table(self, name, "get_columns")
  local out = {}
  local sql = 'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(:name)'
  for _, row in ipairs(rows(self, sql, { name = name })) do
    local column, kind, not_null, default, pk, hidden = row:unpack()
    if hidden ~= 1 then
      out[#out + 1] = {
        name = column, type = kind, nullable = not_null == 0, default = default, primary_key = pk,
        computed = hidden > 1,
      }
    end
  end
  return out
end

--- The constraints of a kind as the table's text has them.
local function written(self, name, kind)
  local out = {}
  for _, entry in ipairs(reflect.constraints(self:get_sql(name) or "")) do
    if entry.kind == kind then out[#out + 1] = entry end
  end
  return out
end

local function same_names(a, b)
  if #a ~= #b then return false end
  for i = 1, #a do
    if tostring(a[i]):lower() ~= tostring(b[i]):lower() then return false end
  end
  return true
end

--- The entry of a list over the same columns; it is taken out of the list.
local function take(list, columns)
  for i, entry in ipairs(list) do
    if same_names(entry.columns, columns) then return table.remove(list, i) end
  end
  return {}
end

--- The primary key: { constrained_columns = list, name = or nil }.
function Inspector:get_pk_constraint(name)
  name = need_table(self, name, "get_pk_constraint")
  local key = {}
  for _, column in ipairs(self:get_columns(name)) do
    if column.primary_key > 0 then key[column.primary_key] = column.name end
  end
  return { constrained_columns = key, name = take(written(self, name, "primary"), key).name }
end

local function action(text)
  return text ~= "NO ACTION" and text or nil
end

--- Foreign keys: list of { name =, constrained_columns =, referred_table =, referred_columns =,
-- options = { ondelete =, onupdate =, deferrable =, initially = } }, in order of declaration.
function Inspector:get_foreign_keys(name)
  name = need_table(self, name, "get_foreign_keys")
  local keys, by_id = {}, {}
  local sql = 'SELECT id, "table", "from", "to", on_update, on_delete '
    .. "FROM pragma_foreign_key_list(:name) ORDER BY id DESC, seq"
  for _, row in ipairs(rows(self, sql, { name = name })) do
    local id, target, from, to, on_update, on_delete = row:unpack()
    local key = by_id[id]
    if not key then
      key = { constrained_columns = {}, referred_table = target, referred_columns = {},
              options = { ondelete = action(on_delete), onupdate = action(on_update) } }
      by_id[id], keys[#keys + 1] = key, key
    end
    table.insert(key.constrained_columns, from)
    if to ~= nil then table.insert(key.referred_columns, to) end
  end
  local texts = written(self, name, "foreign")
  for _, key in ipairs(keys) do
    local text = take(texts, key.constrained_columns)
    key.name = text.name
    key.options.deferrable, key.options.initially = text.deferrable, text.initially
    if #key.referred_columns == 0 and self:has_table(key.referred_table) then
      key.referred_columns = self:get_pk_constraint(key.referred_table).constrained_columns
    end
  end
  return keys
end

local function index_columns(self, index)
  local out = {}
  local sql = "SELECT name FROM pragma_index_info(:name) ORDER BY seqno"
  for i, row in ipairs(rows(self, sql, { name = index })) do
    out[i] = row[1] == nil and null or row[1]
  end
  return out
end

local function index_list(self, name)
  return rows(self, 'SELECT name, "unique", origin FROM pragma_index_list(:name) ORDER BY name',
    { name = name })
end

--- Indexes made by CREATE INDEX: list of { name =, column_names =, unique =, expressions = list
-- or nil, where = SQL text or nil }, by name. An expression has db.null among the names.
function Inspector:get_indexes(name)
  name = need_table(self, name, "get_indexes")
  local out = {}
  for _, row in ipairs(index_list(self, name)) do
    if row[3] == "c" then
      local columns = index_columns(self, row[1])
      local expressions, where = read_index(self:get_sql(row[1]) or "")
      local plain = true
      for _, column in ipairs(columns) do plain = plain and column ~= null end
      out[#out + 1] = { name = row[1], column_names = columns, unique = row[2] == 1,
                        expressions = not plain and expressions or nil, where = where }
    end
  end
  return out
end

--- UNIQUE constraints: list of { name =, column_names = }.
function Inspector:get_unique_constraints(name)
  name = need_table(self, name, "get_unique_constraints")
  local out = {}
  for _, entry in ipairs(written(self, name, "unique")) do
    out[#out + 1] = { name = entry.name, column_names = entry.columns }
  end
  return out
end

--- CHECK constraints: list of { name =, sqltext = }.
function Inspector:get_check_constraints(name)
  name = need_table(self, name, "get_check_constraints")
  local out = {}
  for _, entry in ipairs(written(self, name, "check")) do
    out[#out + 1] = { name = entry.name, sqltext = entry.sqltext }
  end
  return out
end

--- An inspector of a db's default database or of a bind.
function reflect.inspector(db, bind_key)
  if bind_key ~= nil then require "perilune.database".need_bind(db, bind_key) end
  return setmetatable({ db = db, bind_key = bind_key }, meta)
end

return reflect
