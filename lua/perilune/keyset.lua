--- Pages by position instead of by number: `query:keyset`.
-- A page begins behind the row that a cursor remembers, so rows that come and go before it
-- move nothing, and page 10,000 costs no more than page 1.
--    local page = Post.query:keyset{by = Post.created:desc(), limit = 20}
--    page = Post.query:keyset{by = Post.created:desc(), limit = 20, after = page.next}
-- @module perilune.keyset
local core = require "perilune.core"
local options = require "perilune.options"

local null = core.namespace.null

local keyset = {}

local function fail(message, hint)
  core.raise("ArgumentError", "keyset: " .. message, hint)
end

-- ---- cursors as text --------------------------------------------------------------

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

local function to_text(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    for k = 0, b and (c and 3 or 2) or 1 do
      local at = (n >> (18 - 6 * k) & 63) + 1
      out[#out + 1] = alphabet:sub(at, at)
    end
  end
  return table.concat(out)
end

local function to_bytes(text)
  local out, n, bits = {}, 0, 0
  for letter in text:gmatch "." do
    local at = alphabet:find(letter, 1, true)
    if not at then return nil end
    n, bits = (n << 6 | at - 1) & 0xffff, bits + 6
    if bits >= 8 then
      bits = bits - 8
      out[#out + 1] = string.char(n >> bits & 255)
    end
  end
  return table.concat(out)
end

--- One value of a row as bytes: a letter for its kind, then what it takes.
local function pack(v)
  if v == nil or v == null then return "n" end
  if v == true then return "t" elseif v == false then return "f" end
  if math.type(v) == "integer" then return "i" .. string.pack(">i8", v) end
  if math.type(v) == "float" then return "d" .. string.pack(">d", v) end
  if type(v) == "string" then return "s" .. string.pack(">s4", v) end
  local class = (core.class(v) or ""):match "^perilune%.(%a+)$"
  if not class or not core.namespace[class:lower()] then
    fail("rows cannot be told apart by a value of type " .. (core.class(v) or type(v)))
  end
  return "o" .. string.pack(">s1s4", class:lower(), tostring(v))
end

local unpackers = {
  n = function(_, at) return nil, at end,
  t = function(_, at) return true, at end,
  f = function(_, at) return false, at end,
  i = function(bytes, at) return string.unpack(">i8", bytes, at) end,
  d = function(bytes, at) return string.unpack(">d", bytes, at) end,
  s = function(bytes, at) return string.unpack(">s4", bytes, at) end,
  o = function(bytes, at)
    local class, text, behind = string.unpack(">s1s4", bytes, at)
    return core.namespace[class](text), behind
  end,
}

--- A number that differs where the order differs.
local function fingerprint(order)
  local hash = 2166136261
  for _, item in ipairs(order) do
    local table_name, column = core.column_info(item.expr)
    local text = column and table_name .. "." .. column or core.inline_sql(item.expr)
    for byte in (text .. (item.desc and "-" or "+") .. (item.nulls or "")):gmatch "." do
      hash = (hash ~ byte:byte()) * 16777619 & 0xffffffff
    end
  end
  return hash
end

local function encode(order, back, values)
  local out = { string.pack(">BI4", back and 2 or 1, fingerprint(order)) }
  for i = 1, #order do out[i + 1] = pack(values[i]) end
  return to_text(table.concat(out))
end

local function read_values(order, bytes)
  local direction, hash, at = string.unpack(">BI4", bytes)
  if hash ~= fingerprint(order) then error "other order" end
  local values = {}
  for i = 1, #order do
    local read = unpackers[bytes:sub(at, at)]
    values[i], at = read(bytes, at + 1)
  end
  if at ~= #bytes + 1 then error "more than it should hold" end
  return values, direction == 2
end

local function decode(order, name, text)
  options.expect("keyset." .. name, text, "string")
  local bytes = to_bytes(text)
  local ok, values, back = pcall(read_values, order, bytes or "")
  if not ok then
    fail(name .. " is no cursor of a query in this order",
      "pass page.next or page.prev of a page with the same `by`")
  end
  return values, back
end

--- A condition on the position would change what a window function gives.
local function refuse_windows()
  fail("the rows have window functions, which see all rows, not those of a page",
    "select from the query as a subquery: db.select(s):order_by(s.c.id), s = query:subquery()")
end

-- ---- order ------------------------------------------------------------------------

local function item_of(node, model)
  if type(node) == "string" then
    local desc, name = node:match "^(%-?)(.+)$"
    if not model then fail("'" .. node .. "' needs a query of one model; give an expression") end
    node = desc == "-" and model[name]:desc() or model[name]
  end
  if not core.is_node(node) then
    fail("`by` must be expressions or names of attributes, got "
      .. (core.class(node) or type(node)))
  end
  local expr, desc, nulls, nullable, _, window = core.order_item(node)
  if window then refuse_windows() end
  return { node = node, expr = expr, desc = desc, nulls = nulls, nullable = nullable }
end

local function same_column(a, b)
  local t, c = core.column_info(a)
  local u, d = core.column_info(b)
  return c ~= nil and c == d and t == u
end

--- The order of rows: what was asked for, then the primary key, so that no two are equal.
local function order_of(by, model)
  local list = by
  if by == nil then list = {} end
  if type(by) == "string" or core.is_node(by) then list = { by } end
  options.expect("keyset.by", list, "table")
  local order = {}
  for i, node in ipairs(list) do order[i] = item_of(node, model) end
  if #order == 0 and not model then
    fail("`by` is needed for a query that is not of one model")
  end
  local desc = #order > 0 and order[#order].desc
  for _, name in ipairs(model and core.model_describe(model).primary_key or {}) do
    local known = false
    for _, item in ipairs(order) do known = known or same_column(item.expr, model[name]) end
    if not known then
      order[#order + 1] = item_of(desc and model[name]:desc() or model[name], model)
    end
  end
  return order
end

--- The order that the query itself has, nil when it has none.
local function own_order(q)
  local backwards, limited, label = core.query_order(q)
  if limited then
    fail("the query has a LIMIT or an OFFSET already", "say limit = and after = here instead")
  end
  if label then
    fail(("the query is ordered by the label '%s'"):format(label), "order it by the expression itself")
  end
  local list = {}
  for i = #backwards, 1, -1 do list[#list + 1] = backwards[i] end
  return list[1] and list
end

--- The order of the pages: that of `by`, else the query's own. Both are well when they agree.
local function choose_order(q, by, model)
  local own = own_order(q)
  if by == nil then return order_of(own, model) end
  local order = order_of(by, model)
  if own and fingerprint(order_of(own, model)) ~= fingerprint(order) then
    fail("the query is ordered by something else than `by` says",
      "leave out `by` to keep the order, or call :order_by(nil) to forget it")
  end
  return order
end

--- The same order seen from behind.
local function reversed(order)
  local out = {}
  for i, item in ipairs(order) do
    local nulls = item.nulls and (item.nulls == "first" and "last" or "first")
    local node = item.desc and item.expr:asc() or item.expr:desc()
    if nulls then node = nulls == "first" and node:nulls_first() or node:nulls_last() end
    out[i] = { node = node, expr = item.expr, desc = not item.desc, nulls = nulls,
               nullable = item.nullable }
  end
  return out
end

-- ---- the condition ----------------------------------------------------------------

--- Rows whose value comes later than v; nil when there can be none. NULLs stand first in an
-- ascending and last in a descending order, unless the order says otherwise.
local function later(item, v)
  local nulls_first = item.nulls == "first" or not item.nulls and not item.desc
  if v == nil then
    return nulls_first and item.expr:is_not(nil) or nil
  end
  local expr = item.expr
  if type(v) == "boolean" then
    expr, v = core.namespace.type_coerce(expr, core.namespace.Integer), v and 1 or 0
  end
  local condition = item.desc and expr:lt(v) or not item.desc and expr:gt(v)
  if item.nullable and not nulls_first then condition = condition | item.expr:is(nil) end
  return condition
end

local function equal(item, v)
  if v == nil then return item.expr:is(nil) end
  return item.expr:eq(v)
end

--- Rows behind the position: a > x, or a = x and b > y, or ...
local function behind(order, values)
  local any, same = {}, {}
  for i, item in ipairs(order) do
    local condition = later(item, values[i])
    if condition then
      local all = { table.unpack(same) }
      all[#all + 1] = condition
      any[#any + 1] = #all > 1 and core.namespace.and_(table.unpack(all)) or condition
    end
    same[i] = equal(item, values[i])
  end
  if #any == 0 then return core.namespace.false_() end
  local first, v = order[1], values[1]
  local condition = #any > 1 and core.namespace.or_(table.unpack(any)) or any[1]
  if #any == 1 or first.nullable or v == nil or type(v) == "boolean" then return condition end
  -- Said by the rest already; an index on the first column needs it said apart.
  return (first.desc and first.expr:le(v) or not first.desc and first.expr:ge(v)) & condition
end

-- ---- rows -------------------------------------------------------------------------

--- Names of the model's attributes that the order goes by, or nil when it goes by more.
local function attributes(order, model)
  local names, by_column = {}, {}
  for _, attribute in ipairs(core.model_describe(model).attributes) do
    by_column[attribute.column or ""] = attribute.name
  end
  for i, item in ipairs(order) do
    local _, column = core.column_info(item.expr)
    local name = column and by_column[column]
    if not name or not same_column(item.expr, model[name]) then return nil end
    names[i] = name
  end
  return names
end

--- A function that gives the values of a row that the order goes by, and the query to run.
local function reader(q, order, model)
  local names = model and attributes(order, model)
  if names then
    return q, function(row)
      local values = {}
      for i, name in ipairs(names) do values[i] = row[name] end
      return values
    end
  end
  local columns = {}
  for i, item in ipairs(order) do columns[i] = item.expr:label("keyset_" .. i) end
  local _, single = core.query_model(q)
  return q:add_columns(table.unpack(columns)), function(row)
    local values, n = {}, #row - #order
    for i = 1, #order do values[i] = row[n + i] end
    return values
  end, single and function(row) return row[1] end or nil
end

--- Takes the columns that were added for the order out of the rows again.
local function strip(rows, n)
  if #rows == 0 then return end
  local meta = getmetatable(rows[1])
  local width = meta.n - n
  for i = width + 1, meta.n do
    for _, row in ipairs(rows) do rawset(row, i, nil) end
    meta.names[meta.names[i]], meta.names[i] = nil, nil
  end
  meta.n = width
end

-- ---- pages ------------------------------------------------------------------------

--- A page; also a sequence of its rows (#page, page[i], ipairs).
-- @type Keyset
-- @field items the rows
-- @field next cursor of the page behind, nil when there is none
-- @field prev cursor of the page before, nil when there is none
-- @field has_next whether there is a page behind
-- @field has_prev whether there is a page before
-- @field limit rows on a full page
local Keyset = {}

local meta = { __name = "perilune.Keyset" }

function meta.__index(self, key)
  if math.type(key) == "integer" then return rawget(self, "items")[key] end
  return Keyset[key]
end

function meta.__len(self) return #self.items end

function meta.__pairs(self) return ipairs(self.items) end

function meta.__tostring(self)
  return ("<Keyset of %d rows>"):format(#self.items)
end

--- Iterates over the rows: for post in page:each() do.
function Keyset:each()
  local i, items = 0, self.items
  return function()
    i = i + 1
    return items[i]
  end
end

local known = { by = true, after = "string", before = "string", limit = true }

local function check(q, given)
  if core.class(q) ~= "perilune.Query" then
    core.raise("TypeError",
      "a query expected as the object of 'keyset', got " .. (core.class(q) or type(q)),
      "call it with a colon: query:keyset{...}")
  end
  if given ~= nil and type(given) ~= "table" then
    core.raise("TypeError", "keyset takes one table of options",
      "write query:keyset{by = Post.id, limit = 20}")
  end
  given = options.check("keyset", given or {}, known)
  local limit = given.limit == nil and 20 or math.tointeger(tonumber(given.limit))
  if not limit or limit < 1 then
    fail("limit must be a whole number from 1, got " .. tostring(given.limit))
  end
  if given.after and given.before then fail("`after` and `before` exclude each other") end
  return given, limit
end

--- Runs the query from the position on; rows in the order asked for and whether there are more.
local function fetch(q, order, values, back, limit)
  local from = back and reversed(order) or order
  if values then
    local condition = behind(from, values)
    q = core.query_shape(q) and q:having(condition) or q:where(condition)
  end
  local nodes = {}
  for i, item in ipairs(from) do nodes[i] = item.node end
  local rows = q:order_by(nil):order_by(table.unpack(nodes)):limit(limit + 1):all()
  local more = #rows > limit
  if more then table.remove(rows) end
  if back then
    for i = 1, #rows // 2 do rows[i], rows[#rows + 1 - i] = rows[#rows + 1 - i], rows[i] end
  end
  return rows, more
end

--- A page of rows behind (or before) a position.
-- @function Query:keyset
-- @tab given by = an expression, an attribute's name ("-created": descending) or a list of them,
-- else the order that the query has;
-- the primary key is added where a query of a model does not name it, so that the order is total.
-- after = page.next, or page.prev for the way back; before = a cursor, for the rows before it;
-- limit = 20
-- @treturn Keyset
function keyset.keyset(q, given)
  local limit
  given, limit = check(q, given)
  local model = core.query_model(q)
  if select(2, core.query_shape(q)) then refuse_windows() end
  local order = choose_order(q, given.by, model)
  local values, back
  if given.after then
    values, back = decode(order, "after", given.after)
  elseif given.before then
    values = decode(order, "before", given.before)
    back = true
  end
  local run, values_of, unwrap = reader(q, order, model)
  local rows, more = fetch(run, order, values, back, limit)
  local page = { items = rows, limit = limit }
  page.has_next, page.has_prev = back or more, back and more or not back and values ~= nil
  local first = rows[1] ~= nil and values_of(rows[1]) or values
  local last = rows[1] ~= nil and values_of(rows[#rows]) or values
  if page.has_next then page.next = encode(order, false, last) end
  if page.has_prev then page.prev = encode(order, true, first) end
  if unwrap then
    for i, row in ipairs(rows) do rows[i] = unwrap(row) end
  elseif run ~= q then
    strip(rows, #order)
  end
  return setmetatable(page, meta)
end

return keyset
