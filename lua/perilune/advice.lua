--- What would make a query faster: reads SQLite's plan and names the index that is missing.
-- An index is only named when SQLite itself would use it: it is tried on an empty copy of the
-- schema in memory.
-- @module perilune.advice
local core = require "perilune.core"
local reflect = require "perilune.reflect"
local namespace = core.namespace

local advice = {}

-- ---- reading statements ---------------------------------------------------------------

--- Tokens with `"group" . "id"` put together: { text = upper case or as it is, name = }.
local function words_of(sql)
  local out = {}
  for _, token in ipairs(reflect.tokens(sql)) do
    local last = out[#out]
    local joined = last and last.to + 1 == token.from
      and (token.text:sub(1, 1) == "." or last.text:sub(-1) == ".")
    if joined then
      last.text, last.to = last.text .. token.text, token.to
    else
      out[#out + 1] = { text = token.text, from = token.from, to = token.to }
    end
  end
  for _, word in ipairs(out) do word.upper = word.text:upper() end
  return out
end

local function unquote(text)
  return (text:gsub('"', ""):gsub("`", ""))
end

local function is_name(word)
  return word and word.text:find '^["%a_\128-\255]' ~= nil
end

local after_table = { ON = true, WHERE = true, JOIN = true, LEFT = true, INNER = true, GROUP = true,
  ORDER = true, LIMIT = true, CROSS = true, USING = true, UNION = true, SET = true, NATURAL = true,
  INDEXED = true, NOT = true, HAVING = true, RETURNING = true, EXCEPT = true, INTERSECT = true,
  OUTER = true, RIGHT = true, FULL = true, WINDOW = true }

--- The tables that a statement names: alias or name -> table.
local function tables_of(words)
  local tables, in_from = {}, false
  for i, word in ipairs(words) do
    local upper = word.upper
    local opens = upper == "FROM" or upper == "JOIN" or upper == "UPDATE"
    if opens then
      in_from = upper == "FROM"
    elseif upper == "WHERE" or upper == "SELECT" or upper == "GROUP" or upper == "ORDER" then
      in_from = false
    end
    local follows = words[i + 1]
    if (opens or in_from and upper == ",") and is_name(follows) and follows.upper ~= "SELECT" then
      local name, alias = unquote(follows.text), words[i + 2]
      if alias and alias.upper == "AS" then alias = words[i + 3] end
      tables[name] = name
      if is_name(alias) and not after_table[alias.upper] then tables[unquote(alias.text)] = name end
    end
  end
  return tables
end

local equal = { ["="] = true, IN = true, IS = true }
local range = { ["<"] = true, [">"] = true, BETWEEN = true }

--- How the word at i is compared: "equal", "range" or nil.
local function comparison(words, i)
  local upper = words[i].upper
  if upper == "<" and words[i + 1] and words[i + 1].upper == ">" then return nil end
  if upper == ">" and words[i - 1] and words[i - 1].upper == "<" then return nil end
  if upper == "IS" and words[i + 1] and words[i + 1].upper == "NOT" then return nil end
  if upper == "=" and words[i - 1] then
    local before = words[i - 1].upper
    if before == "<" or before == ">" or before == "!" then return nil end
  end
  return equal[upper] and "equal" or range[upper] and "range" or nil
end

--- A word as a column of one of the tables: alias and column.
local function column_of(word, has_column)
  if not is_name(word) then return nil end
  local text = unquote(word.text)
  local alias, name = text:match "^(.+)%.([^.]+)$"
  if alias then return alias, name end
  return has_column(text), text
end

--- Columns of an alias that a statement compares or sorts by, in order of use.
local function uses_of(words, wanted, has_column)
  local uses = { equal = {}, range = {}, order = {} }
  local function note(kind, word)
    local alias, name = column_of(word, has_column)
    if alias ~= wanted then return end
    for _, seen in ipairs(uses[kind]) do
      if seen == name then return end
    end
    table.insert(uses[kind], name)
  end
  local ordering = false
  for i, word in ipairs(words) do
    local kind = comparison(words, i)
    if kind then
      note(kind, words[i - 1])
      note(kind, words[i + 1])
    end
    if word.upper == "ORDER" or word.upper == "GROUP" then
      ordering = true
    elseif word.upper == "LIMIT" or word.upper == "HAVING" or word.text == ")" then
      ordering = false
    elseif ordering and word.upper ~= "BY" then
      note("order", word)
    end
  end
  return uses
end

-- ---- trying indexes -------------------------------------------------------------------

--- An empty copy of a database's schema; the caller closes it.
local function copy_of(db, bind_key)
  local shared = core.shared()
  shared.unwatched = true
  local copy = require "perilune.database".open("sqlite://", { pragmas = { foreign_keys = false } })
  shared.unwatched = nil
  copy.config.echo = false
  local rows = db.session:execute(namespace.text("SELECT sql FROM sqlite_master WHERE sql IS NOT "
    .. "NULL AND name NOT LIKE 'sqlite~_%' ESCAPE '~' AND type IN ('table', 'index', 'view') "
    .. "ORDER BY rowid"), nil, { bind = bind_key })
  for _, row in ipairs(rows) do
    pcall(copy.session.execute, copy.session, namespace.text(row[1]))
  end
  return copy
end

--- A statement with its `?` written as :p1, :p2, ... for db.text.
-- @string sql
-- @treturn string
-- @treturn int how many there are
function advice.named(sql)
  local out, at, n = {}, 1, 0
  while true do
    local found = sql:find("[?'\"]", at)
    if not found then break end
    local quote = sql:sub(found, found)
    if quote == "?" then
      n = n + 1
      out[#out + 1] = sql:sub(at, found - 1) .. ":p" .. n
      at = found + 1
      at = select(2, sql:find("^%d+", at)) and select(2, sql:find("^%d+", at)) + 1 or at
    else
      local close = sql:find(quote, found + 1, true) or #sql
      out[#out + 1] = sql:sub(at, close)
      at = close + 1
    end
  end
  out[#out + 1] = sql:sub(at)
  return table.concat(out), n
end

--- The steps of SQLite's plan for a statement: list of { id =, parent =, detail = }.
-- @param db
-- @string sql with `?` for parameters
-- @tab[opt] params their values, else NULL
-- @string[opt] bind_key
function advice.steps(db, sql, params, bind_key)
  local text, n = advice.named(sql)
  local values = {}
  for i = 1, n do
    local value = params and params[i]
    values["p" .. i] = value == nil and namespace.null or value
  end
  local rows = db.session:execute(namespace.text("EXPLAIN QUERY PLAN " .. text), values,
    { bind = bind_key })
  local steps = {}
  for i, row in ipairs(rows) do steps[i] = { id = row[1], parent = row[2], detail = row[4] } end
  return steps
end

local function quote(name)
  return name:find "^[%a_][%w_]*$" and name or '"' .. name:gsub('"', '""') .. '"'
end

local function index_of(tbl, columns)
  local quoted = {}
  for i, name in ipairs(columns) do quoted[i] = quote(name) end
  local name = "ix_" .. tbl .. "_" .. table.concat(columns, "_")
  return name, ("CREATE INDEX %s ON %s (%s)"):format(quote(name), quote(tbl), table.concat(quoted, ", "))
end

--- Whether SQLite uses an index of these columns for the statement.
local function is_used(copy, sql, tbl, columns)
  local name, create = index_of(tbl, columns)
  local used = false
  local ok = pcall(function()
    copy.session:execute(namespace.text(create))
    for _, step in ipairs(advice.steps(copy, sql)) do
      used = used or step.detail:find("INDEX " .. name, 1, true) ~= nil
    end
  end)
  pcall(function() copy.session:execute(namespace.text("DROP INDEX IF EXISTS " .. quote(name))) end)
  return ok and used
end

--- Lists of columns worth trying, the best first.
local function candidates(uses)
  local out = {}
  local function add(...)
    local columns, seen = {}, {}
    for _, list in ipairs { ... } do
      for _, name in ipairs(list) do
        if not seen[name] then columns[#columns + 1], seen[name] = name, true end
      end
    end
    if #columns > 0 and #columns <= 3 then out[#out + 1] = columns end
  end
  add(uses.equal, { uses.range[1] })
  add(uses.equal)
  for _, name in ipairs(uses.equal) do add { name } end
  for _, name in ipairs(uses.range) do add { name } end
  add(uses.equal, uses.order)
  add(uses.order)
  return out
end

--- Names of tables and columns, to tell whose column an unqualified name is.
local function columns_in(db, tables, bind_key)
  local inspector = reflect.inspector(db, bind_key)
  local owner = {}
  for alias, name in pairs(tables) do
    if inspector:has_table(name) then
      for _, column in ipairs(inspector:get_columns(name)) do
        owner[column.name] = owner[column.name] or {}
        owner[column.name][alias] = true
      end
    end
  end
  return function(column)
    local found
    for alias in pairs(owner[column] or {}) do
      if found and tables[found] ~= tables[alias] then return nil end
      if not found or alias ~= tables[alias] then found = alias end
    end
    return found
  end
end

--- The alias of a step that goes over a whole table, or builds an index for one query.
local function slow_alias(detail)
  return detail:match "^SCAN (%S+)$" or detail:match "^SEARCH (%S+) USING AUTOMATIC"
    or detail:match "^SCAN (%S+) USING COVERING INDEX"
end

--- The indexes that a statement lacks.
-- @param db
-- @string sql
-- @tab[opt] steps its plan, from advice.steps
-- @string[opt] bind_key
-- @treturn table list of { step =, table =, columns =, create = SQL }
function advice.missing(db, sql, steps, bind_key)
  local words, out, copy = nil, {}, nil
  steps = steps or advice.steps(db, sql, nil, bind_key)
  local tables, has_column
  for _, step in ipairs(steps) do
    local alias = slow_alias(step.detail)
    if alias then
      words = words or words_of(sql)
      tables = tables or tables_of(words)
      has_column = has_column or columns_in(db, tables, bind_key)
      copy = copy or copy_of(db, bind_key)
      local tbl = tables[alias] or alias
      for _, columns in ipairs(candidates(uses_of(words, alias, has_column))) do
        if is_used(copy, sql, tbl, columns) then
          local name, create = index_of(tbl, columns)
          out[#out + 1] = { step = step, table = tbl, columns = columns, name = name, create = create }
          break
        end
      end
    end
  end
  if copy then copy:close() end
  return out
end

return advice
