--- Full-text search: `db.fts`, an FTS5 index of a model's columns.
-- The index is declared with the model, made and dropped with its table, and kept in step by
-- triggers whoever writes. It has no copy of the texts: they stay in the model's table.
--    local Article = db.Model "Article" {
--      id = db.Column{db.Integer, primary_key = true},
--      title = db.Column{db.String(200)}, body = db.Column{db.Text},
--      search = db.fts{"title", "body", weights = {title = 10}},
--    }
--    Article.query:where(Article.search:match "moon NOT sun"):order_by(Article.search:rank())
--    db.select(Article.title, Article.search:snippet "body"):where(Article.search:words(text))
-- @module perilune.fts
local core = require "perilune.core"
local declare = require "perilune.declare"
local options = require "perilune.options"

local namespace = core.namespace
local fts = {}

local function fail(class, message, hint)
  core.raise(class, message, hint)
end

local known = {
  name = "string", tokenize = "string", prefix = "integer|table", weights = "table",
  unindexed = "string|table", detail = '"full"|"column"|"none"',
}

--- Declares a full-text index in a model.
-- @param spec names of attributes; `name` of the index's table (TABLE_ATTRIBUTE unless given),
-- `tokenize` for FTS5 ("porter unicode61", "trigram", ...), `prefix` lengths to index for
-- prefix queries, `weights` of attributes for the rank, `unindexed` attributes that are only
-- carried along, `detail` "full", "column" or "none"
function fts.fts(spec, ...)
  if type(spec) == "string" then spec = { spec, ... } end
  if type(spec) ~= "table" then
    fail("ArgumentError", "db.fts needs the attributes to search: db.fts{\"title\", \"body\"}")
  end
  options.check("db.fts", spec, known)
  if #spec == 0 then
    fail("ArgumentError", "db.fts needs the attributes to search: db.fts{\"title\", \"body\"}")
  end
  for i, name in ipairs(spec) do options.expect(("db.fts[%d]"):format(i), name, "string") end
  return setmetatable({ fts = spec }, { __name = "perilune.FullTextDeclaration" })
end

-- ---- SQL of the index ---------------------------------------------------------------

local function quote(name)
  return '"' .. name:gsub('"', '""') .. '"'
end

local function literal(text)
  return "'" .. text:gsub("'", "''") .. "'"
end

local function each_quoted(columns, prefix)
  local out = {}
  for i, c in ipairs(columns) do out[i] = prefix .. quote(c.name) end
  return table.concat(out, ", ")
end

--- CREATE VIRTUAL TABLE with its options.
local function create_text(index)
  local spec, parts = index.spec, {}
  for i, c in ipairs(index.columns) do
    parts[i] = quote(c.name) .. (c.unindexed and " UNINDEXED" or "")
  end
  parts[#parts + 1] = "content=" .. literal(index.content)
  parts[#parts + 1] = "content_rowid=" .. literal(index.key.name)
  if spec.tokenize then parts[#parts + 1] = "tokenize=" .. literal(spec.tokenize) end
  if index.prefix then parts[#parts + 1] = "prefix=" .. literal(index.prefix) end
  if spec.detail then parts[#parts + 1] = "detail=" .. spec.detail end
  return ("CREATE VIRTUAL TABLE %s USING fts5(%s)"):format(quote(index.name), table.concat(parts, ", "))
end

--- The triggers: an index without texts of its own must be told what it had.
local function trigger_texts(index)
  local name, content, key = quote(index.name), quote(index.content), quote(index.key.name)
  local list = each_quoted(index.columns, "")
  local insert = ("INSERT INTO %s (rowid, %s) VALUES (new.%s, %s);")
    :format(name, list, key, each_quoted(index.columns, "new."))
  local delete = ("INSERT INTO %s (%s, rowid, %s) VALUES ('delete', old.%s, %s);")
    :format(name, name, list, key, each_quoted(index.columns, "old."))
  local function trigger(suffix, event, body)
    return ("CREATE TRIGGER %s AFTER %s ON %s BEGIN %s END")
      :format(quote(index.name .. suffix), event, content, body)
  end
  return {
    trigger("_insert", "INSERT", insert),
    trigger("_delete", "DELETE", delete),
    trigger("_update", ("UPDATE OF %s, %s"):format(key, list), delete .. " " .. insert),
  }
end

--- A command of FTS5, which is an INSERT into the column that is named as the table.
local function command_text(index, command)
  return ("INSERT INTO %s (%s) VALUES (%s)"):format(quote(index.name), quote(index.name), literal(command))
end

local function statements(index)
  local create, drop = { create_text(index) }, {}
  for _, text in ipairs(trigger_texts(index)) do create[#create + 1] = text end
  if index.weights then
    create[#create + 1] = ("INSERT INTO %s (%s, rank) VALUES ('rank', %s)")
      :format(quote(index.name), quote(index.name), literal("bm25(" .. index.weights .. ")"))
  end
  create[#create + 1] = command_text(index, "rebuild")
  for _, suffix in ipairs { "_insert", "_delete", "_update" } do
    drop[#drop + 1] = "DROP TRIGGER IF EXISTS " .. quote(index.name .. suffix)
  end
  return create, drop
end

-- ---- reading the declaration ---------------------------------------------------------

local function refuse(index, message, hint)
  fail("ArgumentError", ("%s.%s: %s"):format(index.model_name, index.attribute, message), hint)
end

--- The column of an attribute, described.
local function column_of(index, described, attribute)
  for _, c in ipairs(described.columns) do
    if c.key == attribute then return c end
  end
  local names = {}
  for _, c in ipairs(described.columns) do names[#names + 1] = c.key end
  local near = core.nearest(attribute, names)
  refuse(index, ("%s has no column '%s' to search"):format(index.model_name, attribute),
    near and ("did you mean '" .. near .. "'?") or nil)
end

local function read_key(index, described)
  local key = {}
  for _, c in ipairs(described.columns) do
    if c.primary_key then key[#key + 1] = c end
  end
  local whole = { Integer = true, SmallInteger = true, BigInteger = true }
  if #key ~= 1 or not whole[key[1].type] then
    refuse(index, "full-text search needs a model with one integer primary key")
  end
  index.key = key[1]
end

local function read_columns(index, described)
  local unindexed = {}
  local given = index.spec.unindexed or {}
  for _, name in ipairs(type(given) == "string" and { given } or given) do unindexed[name] = true end
  local seen, names = {}, {}
  for _, name in ipairs(index.spec) do names[#names + 1] = name end
  for name in pairs(unindexed) do
    column_of(index, described, name)
    local listed = false
    for _, other in ipairs(index.spec) do listed = listed or other == name end
    if not listed then refuse(index, ("unindexed names '%s', which is not among the attributes"):format(name)) end
  end
  for i, name in ipairs(names) do
    local c = column_of(index, described, name)
    if seen[name] then refuse(index, ("'%s' stands twice"):format(name)) end
    seen[name] = true
    if c.type == "LargeBinary" then refuse(index, ("'%s' holds bytes, not text"):format(name)) end
    if c.name:lower() == "rank" or c.name:lower() == "rowid" then
      refuse(index, ("FTS5 keeps the column name '%s' for itself"):format(c.name))
    end
    index.columns[i] = { name = c.name, key = name, unindexed = unindexed[name] }
    index.position[name] = i - 1
  end
end

local function read_prefix(index)
  local given = index.spec.prefix
  if given == nil then return end
  local list = type(given) == "table" and given or { given }
  for _, n in ipairs(list) do
    if math.type(n) ~= "integer" or n < 1 or n > 999 then
      refuse(index, "prefix lengths are whole numbers from 1 to 999, got " .. tostring(n))
    end
  end
  index.prefix = table.concat(list, " ")
end

local function read_weights(index)
  local given = index.spec.weights
  if given == nil then return end
  for k in pairs(given) do
    local there = index.position[k]
    if math.type(k) == "integer" then there = index.columns[k] end
    if not there then refuse(index, ("weights names '%s', which is not searched"):format(k)) end
  end
  local out = {}
  for i, c in ipairs(index.columns) do
    local w = given[c.key] or given[i] or 1
    if type(w) ~= "number" or w ~= w or w < 0 or w == math.huge then
      refuse(index, ("the weight of '%s' must be a number from 0 on, got %s"):format(c.key, tostring(w)))
    end
    out[i] = ("%.17g"):format(w):gsub(",", ".")
  end
  index.weights = table.concat(out, ", ")
end

-- ---- the index as a script sees it ---------------------------------------------------

local methods = {}

--- What FTS5 takes as query: a text or an expression.
local function check_query(query)
  if type(query) ~= "string" and not core.is_node(query) then
    fail("ArgumentError", "match expects a full-text query as a string, got " .. (core.class(query) or type(query)))
  end
end

local function condition(handle, column, query)
  check_query(query)
  local index = handle.index
  local rows = index.select(index.table.c.rowid):where(index.table.c[column]:match(query))
  return core.mark_search(handle.class[index.key.key]:in_(rows))
end

local function words_query(text, given)
  options.expect("words", text, "string")
  if text == nil then fail("ArgumentError", "words expects a text, got nil") end
  given = options.check("words", given or {}, { any = "boolean", prefix = "boolean" })
  local out = {}
  for word in text:gsub("%z", " "):gmatch "%S+" do
    if word:find "[%w\128-\255]" then
      out[#out + 1] = '"' .. word:gsub('"', '""') .. '"' .. (given.prefix and "*" or "")
    end
  end
  return #out > 0 and table.concat(out, given.any and " OR " or " ") or '""'
end

--- A condition: the index matches a query of FTS5's language (words, "phrases", AND, OR, NOT,
-- NEAR, prefix*, column: ...). Text that a user typed goes through `words`.
-- @function FullText:match
-- @param query a string or an expression
-- @treturn Expression
function methods.match(handle, query)
  return condition(handle, handle.index.name, query)
end

--- A condition: all words of a text are there, whatever characters they hold.
-- @function FullText:words
-- @string text what a user typed
-- @tab[opt] given any = true: one of the words is enough; prefix = true: beginnings of words
-- @treturn Expression
function methods.words(handle, text, given)
  return condition(handle, handle.index.name, words_query(text, given))
end

--- How well a row matches: the smaller the better, so ascending order begins with the best.
-- @function FullText:rank
-- @treturn Expression
function methods.rank(handle)
  return handle.index.table.c.rank
end

local function hidden(handle)
  return handle.index.table.c[handle.index.name]
end

--- The rank by other weights than the declared ones.
-- @function FullText:bm25
-- @param ... one number for each searched attribute, or a table attribute = number
-- @treturn Expression
function methods.bm25(handle, ...)
  local given, weights = ..., { ... }
  if type(given) == "table" then
    weights = {}
    for k in pairs(given) do
      if math.type(k) ~= "integer" and not handle.index.position[k] then
        fail("ArgumentError", ("bm25: '%s' is not searched by %s"):format(k, tostring(handle)))
      end
    end
    for i, c in ipairs(handle.index.columns) do weights[i] = given[c.key] or given[i] or 1 end
  end
  for i, w in ipairs(weights) do options.expect(("bm25[%d]"):format(i), w, "number") end
  return namespace.func.bm25(hidden(handle), table.unpack(weights))
end

local function position(handle, name)
  if name == nil then return -1 end
  local at = handle.index.position[name]
  if not at then
    local names = {}
    for _, c in ipairs(handle.index.columns) do names[#names + 1] = c.key end
    fail("ArgumentError", ("%s does not search '%s'"):format(tostring(handle), tostring(name)),
      "it searches " .. table.concat(names, ", "))
  end
  return at
end

local function text_option(what, value, default)
  value = options.expect(what, value, "string")
  return value or default
end

local snippet_options = { column = "string", before = "string", after = "string", ellipsis = "string",
  tokens = "integer" }

--- A piece of a text around what matched.
-- @function FullText:snippet
-- @param column attribute; nil for the one that matches best
-- @tab[opt] given before and after a match ("[" and "]"), ellipsis ("..."), tokens (1 to 64)
-- @treturn Expression
function methods.snippet(handle, column, given)
  column, given = options.call(column, given)
  options.check("snippet", given, snippet_options)
  local tokens = given.tokens or 16
  if tokens < 1 or tokens > 64 then fail("ArgumentError", "snippet: tokens must be from 1 to 64, got " .. tokens) end
  return namespace.func.snippet(hidden(handle), position(handle, column or given.column),
    text_option("before", given.before, "["), text_option("after", given.after, "]"),
    text_option("ellipsis", given.ellipsis, "..."), tokens)
end

--- A whole text with every match marked.
-- @function FullText:highlight
-- @string column attribute
-- @string[opt] before "[" unless given
-- @string[opt] after "]" unless given
-- @treturn Expression
function methods.highlight(handle, column, before, after)
  if type(column) ~= "string" then
    fail("ArgumentError", "highlight expects the name of an attribute, got " .. (core.class(column) or type(column)))
  end
  return namespace.func.highlight(hidden(handle), position(handle, column),
    text_option("before", before, "["), text_option("after", after, "]"))
end

local function run(handle, command)
  local index = handle.index
  return index.db.session:execute(namespace.text(command_text(index, command))) and nil
end

--- Reads all texts again, after something wrote past the triggers.
-- @function FullText:rebuild
function methods.rebuild(handle) return run(handle, "rebuild") end

--- Merges the index into one piece, which makes queries quicker.
-- @function FullText:optimize
function methods.optimize(handle) return run(handle, "optimize") end

--- Raises when the index and the texts do not agree.
-- @function FullText:check
function methods.check(handle)
  local index = handle.index
  local name = quote(index.name)
  index.db.session:execute(namespace.text(
    ("INSERT INTO %s (%s, rank) VALUES ('integrity-check', 1)"):format(name, name)))
end

-- One searched attribute: match and words in it alone.
local Field = { __name = "perilune.FullTextField" }
Field.__index = {
  match = function(field, query) return condition(field.handle, field.column, query) end,
  words = function(field, text, given) return condition(field.handle, field.column, words_query(text, given)) end,
}
function Field.__tostring(field) return tostring(field.handle) .. "." .. field.key end

local FullText = { __name = "perilune.FullText" }
function FullText.__tostring(handle)
  return handle.index.model_name .. "." .. handle.index.attribute
end

function FullText.__index(handle, name)
  if methods[name] then return methods[name] end
  local index = rawget(handle, "index")
  if name == "table" or name == "name" then return index[name] end
  local at = index.position[name]
  if not at then
    local names = {}
    for k in pairs(methods) do names[#names + 1] = k end
    for k in pairs(index.position) do names[#names + 1] = k end
    local near = core.nearest(tostring(name), names)
    fail("AttributeError", ("%s has no attribute '%s'"):format(tostring(handle), tostring(name)),
      near and ("did you mean '" .. near .. "'?") or nil)
  end
  return setmetatable({ handle = handle, key = name, column = index.columns[at + 1].name }, Field)
end

-- ---- putting it into the model -------------------------------------------------------

local function make_table(index, bind_key)
  local spec = { index.name, bind_key = bind_key,
    namespace.Column { "rowid", namespace.Integer, namespace.ForeignKey(index.content .. "." .. index.key.name),
      primary_key = true } }
  for _, c in ipairs(index.columns) do spec[#spec + 1] = namespace.Column { c.name, namespace.Text } end
  spec[#spec + 1] = namespace.Column { "rank", namespace.Float }
  spec[#spec + 1] = namespace.Column { index.name, namespace.Text }
  index.table = index.db.Table(spec)
  local create, drop = statements(index)
  core.table_ddl(index.table, create, drop, true)
end

local function build(db, model, attribute, spec)
  local content = model.__table__
  local described = core.table_describe(content)
  local index = {
    db = db, spec = spec, attribute = attribute, model_name = declare.info[model].name, columns = {},
    position = {}, content = content.name, select = db.select,
    name = spec.name or content.name .. "_" .. attribute,
  }
  if described.schema then refuse(index, "tables of attached databases cannot be searched") end
  read_key(index, described)
  read_columns(index, described)
  for _, c in ipairs(index.columns) do
    if c.name:lower() == index.name:lower() then
      refuse(index, ("the index cannot have the name of its column '%s'"):format(c.name), "give it a name = ")
    end
  end
  read_prefix(index)
  read_weights(index)
  make_table(index, content.bind_key)
  return index
end

table.insert(declare.hooks, function(db, model, _, fields)
  local names = {}
  for name, v in pairs(fields) do
    if type(v) == "table" and rawget(v, "fts") and type(name) == "string"
      and core.class(v) == "perilune.FullTextDeclaration" then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  local info = declare.info[model]
  for _, name in ipairs(names) do
    local index = build(db, model, name, fields[name].fts)
    info.fts = info.fts or {}
    table.insert(info.fts, index)
    core.model_members(model)[name] = { __property = {
      get = function()
        fail("AttributeError", ("%s.%s is a full-text index of the class, not of an object")
          :format(index.model_name, name), "write " .. index.model_name .. "." .. name)
      end,
      expr = function(class) return setmetatable({ index = index, class = class }, FullText) end,
    } }
  end
end)

--- The tables of the indexes of a model, for create_all and drop_all of single models.
function fts.tables(model)
  local out = {}
  local info = declare.info[model]
  for _, index in ipairs(info and info.fts or {}) do out[#out + 1] = index.table end
  return out
end

return fts
