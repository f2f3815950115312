--- Pages of a query, and the ends that raise NotFound: `:paginate`, `:get_or_404` and so on.
--    local page = User.query:order_by(User.name):paginate{page = 2, per_page = 10}
--    for _, user in ipairs(page) do print(user.name) end
--    for n in page:iter_pages() do io.write(n == db.null and "... " or n .. " ") end
-- @module perilune.pagination
local core = require "perilune.core"
local options = require "perilune.options"

local null = core.namespace.null

local pagination = {}

-- ---- not found --------------------------------------------------------------------

--- Takes the description out of the last argument of an end.
local function description_of(value)
  if type(value) == "table" and getmetatable(value) == nil then value = value.description end
  return options.expect("description", value, "string")
end

local function not_found(description, default)
  core.raise("NotFound", description or default)
end

local function name_of(q)
  local model = core.query_model(q)
  return model and core.model_describe(model).name or "row"
end

local function check_query(q, method)
  if core.class(q) == "perilune.Query" then return q end
  core.raise("TypeError",
    ("a query expected as the object of '%s', got %s"):format(method, core.class(q) or type(q)),
    ("call it with a colon: query:%s(...)"):format(method))
end

--- The first row; NotFound when there is none.
-- @function Query:first_or_404
-- @string[opt] description message of the error
function pagination.first_or_404(q, description)
  check_query(q, "first_or_404")
  description = description_of(description)
  local row = q:first()
  if row == nil then not_found(description, ("no %s was found"):format(name_of(q))) end
  return row
end

--- The only row; NotFound when there is none or when there are several.
-- @function Query:one_or_404
-- @string[opt] description message of the error
function pagination.one_or_404(q, description)
  check_query(q, "one_or_404")
  description = description_of(description)
  local rows = q:limit(2):all()
  if #rows == 1 then return rows[1] end
  local found = #rows == 0 and "no" or "more than one"
  not_found(description, ("%s %s was found"):format(found, name_of(q)))
end

--- Splits get_or_404(pk...), get_or_404{pk..., description = text}.
local function key_arguments(...)
  local first = ...
  if select("#", ...) ~= 1 or type(first) ~= "table" or getmetatable(first) ~= nil then
    return nil, table.pack(...)
  end
  local key = { n = 1 }
  for k, v in pairs(first) do
    if k ~= "description" then key[k] = v end
  end
  return description_of(first), { n = 1, key }
end

local function key_text(key)
  local parts = {}
  local values = type(key[1]) == "table" and getmetatable(key[1]) == nil and key[1] or key
  for k, v in pairs(values) do
    if k ~= "n" then
      local name = type(k) == "string" and k .. " = " or ""
      parts[#parts + 1] = { tostring(k), name .. tostring(v) }
    end
  end
  table.sort(parts, function(a, b) return a[1] < b[1] end)
  for i, part in ipairs(parts) do parts[i] = part[2] end
  return table.concat(parts, ", ")
end

--- The row of a primary key; NotFound when there is none.
-- @function Query:get_or_404
-- @param key... or a table { key..., description = message of the error }
function pagination.get_or_404(q, ...)
  check_query(q, "get_or_404")
  local description, key = key_arguments(...)
  local row = q:get(table.unpack(key, 1, key.n))
  if row ~= nil then return row end
  not_found(description, ("no %s has the key %s"):format(name_of(q), key_text(key)))
end

--- db:get_or_404(Model, key...) or db:get_or_404{Model, key..., description =}.
-- @function Database:get_or_404
function pagination.db_get_or_404(db, model, ...)
  core.db_table(db)
  if type(model) == "table" and core.class(model) == nil then
    local key = { description = model.description, table.unpack(model, 2) }
    for k, v in pairs(model) do
      if type(k) == "string" then key[k] = v end
    end
    return pagination.db_get_or_404(db, model[1], key)
  end
  if core.class(model) ~= "perilune.Model" then
    core.raise("ArgumentError",
      "get_or_404 needs a model, got " .. (core.class(model) or type(model)))
  end
  return pagination.get_or_404(core.namespace.select(model), ...)
end

--- db:first_or_404(query [, description])
-- @function Database:first_or_404
function pagination.db_first_or_404(db, q, description)
  core.db_table(db)
  return pagination.first_or_404(q, description)
end

--- db:one_or_404(query [, description])
-- @function Database:one_or_404
function pagination.db_one_or_404(db, q, description)
  core.db_table(db)
  return pagination.one_or_404(q, description)
end

-- ---- pages ------------------------------------------------------------------------

--- A page of rows; also a sequence of them (#page, page[i], ipairs).
-- @type Pagination
-- @field items the rows
-- @field page number of this page, from 1
-- @field per_page rows on a full page
-- @field total rows of the query, nil with count = false
-- @field pages number of pages, 0 when total is not known
-- @field has_prev whether there is a page before
-- @field has_next whether there is a page behind
-- @field prev_num number of the page before, or nil
-- @field next_num number of the page behind, or nil
-- @field first number of the first row on this page, from 1; 0 when there is none
-- @field last number of its last row
local Pagination = {}

local meta = { __name = "perilune.Pagination" }

local known = {
  page = true, per_page = true, max_per_page = "integer|boolean", error_out = "boolean",
  count = "boolean",
}

--- A number of a page from a script or a request; nil when it is none.
local function whole(value)
  if type(value) == "string" then value = tonumber(value) end
  return math.tointeger(value)
end

local function number(given, name, default, strict)
  if given[name] == nil or given[name] == null then return default end
  local n = whole(given[name])
  if n and n >= 1 then return n end
  if strict then
    not_found(nil, ("%s must be a whole number from 1, got %s"):format(name, tostring(given[name])))
  end
  return default
end

--- Loads a page. total is known already where a page makes its neighbour.
local function load(q, given, total)
  local strict = given.error_out ~= false
  local page = number(given, "page", 1, strict)
  local per_page = number(given, "per_page", 20, strict)
  local most = given.max_per_page
  if most == nil or most == true then most = 100 end
  if most and most >= 1 and per_page > most then per_page = most end
  local counted = given.count ~= false
  local items = q:limit(per_page + (counted and 0 or 1)):offset((page - 1) * per_page):all()
  local more
  if not counted then
    more = #items > per_page
    if more then table.remove(items) end
  end
  if #items == 0 and page ~= 1 and strict then
    not_found(nil, ("page %d has no rows"):format(page))
  end
  if counted and not total then total = q:order_by(nil):count() end
  return { items = items, page = page, per_page = per_page, total = total, more = more }
end

local function describe(self)
  local total, n = self.total, #self.items
  self.pages = total and (total + self.per_page - 1) // self.per_page or 0
  self.has_prev = self.page > 1
  if total then
    self.has_next = self.page < self.pages
  else
    self.has_next = self.more
  end
  self.more = nil
  self.prev_num = self.has_prev and self.page - 1 or nil
  self.next_num = self.has_next and self.page + 1 or nil
  self.first = n > 0 and (self.page - 1) * self.per_page + 1 or 0
  self.last = n > 0 and self.first + n - 1 or 0
  return self
end

local function new(q, given, total)
  local self = describe(load(q, given, total))
  self.query, self.given = q, given
  return setmetatable(self, meta)
end

--- One page of a query's rows.
-- @function Query:paginate
-- @tab[opt] given page = 1, per_page = 20, max_per_page = 100 (false: no limit), count = true
-- (false: the total is not counted, has_next is right nevertheless), error_out = true: NotFound
-- for a number that is no page and for an empty page other than the first (false: page 1)
-- @treturn Pagination
function pagination.paginate(q, given, ...)
  check_query(q, "paginate")
  if given ~= nil and type(given) ~= "table" or select("#", ...) > 0 then
    core.raise("TypeError", "paginate takes one table of options",
      "write query:paginate{page = 2, per_page = 10}")
  end
  return new(q, options.check("paginate", given or {}, known))
end

--- db:paginate(query [, options]) or db:paginate{query, page =, ...}.
-- @function Database:paginate
function pagination.db_paginate(db, q, given)
  core.db_table(db)
  q, given = options.call(q, given)
  return pagination.paginate(q, given)
end

local function neighbour(self, by, given)
  local next_given = {}
  for k, v in pairs(self.given) do next_given[k] = v end
  next_given.page, next_given.per_page = self.page + by, self.per_page
  next_given.error_out = given and given.error_out or false
  return new(self.query, next_given, self.total)
end

--- The page before this one; the total is not counted again.
-- @tab[opt] given error_out = true: NotFound when there is none
function Pagination:prev(given) return neighbour(self, -1, given) end

--- The page behind this one.
-- @tab[opt] given error_out = true: NotFound when there is none
function Pagination:next(given) return neighbour(self, 1, given) end

--- Iterates over the rows: for user in page:each() do.
function Pagination:each()
  local i, items = 0, self.items
  return function()
    i = i + 1
    return items[i]
  end
end

local edges = {
  left_edge = "integer", left_current = "integer",
  right_current = "integer", right_edge = "integer",
}

--- Iterates over numbers of pages for a list of links; db.null stands for a gap.
-- @tab[opt] given left_edge = 2, left_current = 2, right_current = 4, right_edge = 2
-- @treturn function iterator
function Pagination:iter_pages(given)
  given = options.check("iter_pages", given or {}, edges)
  local left_edge, right_edge = given.left_edge or 2, given.right_edge or 2
  local left, right = given.left_current or 2, given.right_current or 4
  local n, last_shown = 0, 0
  local function shown(p)
    return p <= left_edge or p > self.pages - right_edge
      or p >= self.page - left and p <= self.page + right
  end
  return function()
    repeat n = n + 1 until n > self.pages or shown(n)
    if n > self.pages then return nil end
    if n > last_shown + 1 then
      last_shown = n - 1
      n = n - 1
      return null
    end
    last_shown = n
    return n
  end
end

function meta.__index(self, key)
  if math.type(key) == "integer" then return rawget(self, "items")[key] end
  return Pagination[key]
end

function meta.__len(self) return #self.items end

function meta.__pairs(self) return ipairs(self.items) end

function meta.__tostring(self)
  return ("<Pagination page %d of %s>"):format(self.page, self.total and self.pages or "?")
end

return pagination
