-- SPDX-License-Identifier: MIT
-- Runs query scenarios on Perilune; the Lua side of scenario.py, with the same
-- events. Every event of an error keeps its text for the report.

local declare = require "spec.differential.declare"
local query = require "spec.differential.query"
local values = require "spec.differential.values"

local scenario = {}

local ends, ops = {}, {}

-- The tags of one result: an instance, a row of n values, or a value.
local function row_of(self, v, n)
  local null = self.db.null
  if v == nil then return { "nil" } end
  if n == 1 and not values.is_row(v) then return { values.tag(v, null) } end
  local out = {}
  for i = 1, n do out[i] = values.tag(v[i], null) end
  return out
end

local function rows_of(self, list, n)
  local rows = {}
  for i, v in ipairs(list) do rows[i] = row_of(self, v, n) end
  return { "rows", rows }
end

local function value_of(self, v) return { "value", { values.tag(v, self.db.null) } } end

-- Ends of a query

function ends.all(self, q, n) return rows_of(self, q:all(), n) end
function ends.first(self, q, n) return { "value", row_of(self, q:first(), n) } end
function ends.one(self, q, n) return { "value", row_of(self, q:one(), n) } end
function ends.one_or_none(self, q, n) return { "value", row_of(self, q:one_or_none(), n) } end
function ends.scalar(self, q) return value_of(self, q:scalar()) end
function ends.count(self, q) return value_of(self, q:count()) end
function ends.any(self, q) return value_of(self, q:any()) end
function ends.get(self, q, n, ...) return { "value", row_of(self, q:get(...), n) } end

function ends.scalars(self, q)
  local rows, found = {}, q:scalars()
  for i = 1, #found do rows[i] = { values.tag(found[i], self.db.null) } end
  return { "rows", rows }
end

function ends.each(self, q, n, batch)
  local rows, null = {}, self.db.null
  for a, b, c in q:each(batch) do
    local all, out = { a, b, c }, {}
    for i = 1, n do out[i] = values.tag(all[i], null) end
    rows[#rows + 1] = out
  end
  return { "rows", rows }
end

function ends.names(self, q, _, ...)
  local rows = {}
  for i, row in ipairs(q:all()) do
    rows[i] = {}
    for k, name in ipairs { ... } do rows[i][k] = values.tag(row[name], self.db.null) end
  end
  return { "rows", rows }
end

-- An instance with the relationships that paths names, children sorted.
local function graph(obj, paths)
  local names, parts = {}, {}
  for name in pairs(paths) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local v, shown = obj[name], "nil"
    if v ~= nil and values.is_instance(v) then
      shown = graph(v, paths[name])
    elseif v ~= nil then
      local list = {}
      for k, child in ipairs(v) do list[k] = graph(child, paths[name]) end
      table.sort(list)
      shown = "[" .. table.concat(list, ",") .. "]"
    end
    parts[i] = name .. "=" .. shown
  end
  return values.label(obj) .. (#parts > 0 and "(" .. table.concat(parts, ",") .. ")" or "")
end

function ends.graph(_, q, _, paths)
  local rows = {}
  for i, v in ipairs(q:all()) do rows[i] = { graph(v, paths) } end
  return { "rows", rows }
end

function ends.columns(self, q)
  local rows = {}
  for i, obj in ipairs(q:all()) do
    local out = {}
    for _, v in pairs(obj) do out[#out + 1] = values.tag(v, self.db.null) end
    rows[i] = out
  end
  return { "rows", rows }
end

function ends.paginate(self, q, n, options)
  local page = q:paginate(options)
  local facts = {}
  for i, name in ipairs { "total", "page", "per_page", "pages", "has_prev", "has_next", "prev_num",
    "next_num", "first", "last" } do
    facts[i] = values.tag(page[name], self.db.null)
  end
  local rows = { facts }
  for _, v in ipairs(page.items) do rows[#rows + 1] = row_of(self, v, n) end
  return { "rows", rows }
end

function ops.run(self, node, finish)
  local q = self.builder:query(node)
  local n = #self.builder.entities(node)
  return ends[finish[1]](self, q, n, table.unpack(finish, 2))
end

-- Objects of the session

function ops.get(self, name, model, ...)
  self.vars[name] = self.db.session:get(self.builder:name(model), ...)
  return value_of(self, self.vars[name])
end

function ops.attr(self, name, ...)
  local out = {}
  for i, attr in ipairs { ... } do out[i] = values.tag(self.vars[name][attr], self.db.null) end
  return { "value", out }
end

function ops.set(self, name, row)
  for k, v in pairs(row) do self.vars[name][k] = self.builder:expr(v) end
  return { "done" }
end

local function made_of(self, row)
  local out = {}
  for k, v in pairs(row) do
    if values.is_value(v) then
      out[k] = values.read(self.db, v)
    else
      out[k] = self.builder:expr(v)
    end
  end
  return out
end

function ops.new(self, name, model, row)
  local made = self.builder:name(model)(made_of(self, row))
  self.vars[name] = made
  self.db.session:add(made)
  return { "done" }
end

function ops.held(self, name) return value_of(self, values.is_held(self.vars[name])) end

for _, word in ipairs { "flush", "rollback" } do
  ops[word] = function(self)
    self.db.session[word](self.db.session)
    return { "done" }
  end
end

function ops.expire(self, name)
  self.db.session:expire(self.vars[name])
  return { "done" }
end

-- Statements

function ops.update(self, node, row)
  return value_of(self, self.builder:query(node):update(made_of(self, row)))
end

function ops.delete(self, node) return value_of(self, self.builder:query(node):delete()) end

local function all_rows(self, rows)
  local out = {}
  for i, row in ipairs(rows) do out[i] = made_of(self, row) end
  return out
end

local function with_conflict(self, statement, conflict)
  local args = { index_elements = conflict.index_elements }
  if conflict["do"] == "nothing" then return statement:on_conflict_do_nothing(args) end
  self.builder.names.excluded = statement.excluded
  args.set_ = made_of(self, conflict.set)
  if conflict.where then args.where = self.builder:expr(conflict.where) end
  return statement:on_conflict_do_update(args)
end

function ops.insert(self, target, rows, conflict)
  local statement = self.db.insert(self.builder:name(target)):values(all_rows(self, rows))
  if conflict then statement = with_conflict(self, statement, conflict) end
  self.db.session:execute(statement)
  return { "done" }
end

function ops.bulk_insert(self, model, rows)
  self.db.session:bulk_insert(self.builder:name(model), all_rows(self, rows))
  return { "done" }
end

local function changed(self, statement, where)
  for _, node in ipairs(where) do statement = statement:where(self.builder:expr(node)) end
  return value_of(self, self.db.session:execute(statement).rowcount)
end

function ops.exec_update(self, target, row, ...)
  local statement = self.db.update(self.builder:name(target)):values(made_of(self, row))
  return changed(self, statement, { ... })
end

function ops.exec_delete(self, target, ...)
  return changed(self, self.db.delete(self.builder:name(target)), { ... })
end

function ops.exec(self, node)
  local found = self.db.session:execute(self.builder:query(node)):all()
  return rows_of(self, found, #self.builder.entities(node))
end

function ops.session_scalar(self, node)
  return value_of(self, self.db.session:scalar(self.builder:query(node)))
end

function ops.session_scalars(self, node)
  local rows = {}
  for i, v in ipairs(self.db.session:scalars(self.builder:query(node)):all()) do
    rows[i] = { values.tag(v, self.db.null) }
  end
  return { "rows", rows }
end

function ops.text(self, sql, params)
  local result = self.db.session:execute(self.db.text(sql), declare.values(self.db, params or {}))
  if result.rowcount then return value_of(self, result.rowcount) end
  local rows = {}
  for i, row in ipairs(result:all()) do
    rows[i] = {}
    for k = 1, #row do rows[i][k] = values.tag(row[k], self.db.null) end
  end
  return { "rows", rows }
end

function ops.dump(self, name)
  return { "rows", declare.dump(self.db, self.models.schema, name) }
end

-- The database of the query scenarios

local Shop = {}
Shop.__index = Shop

local function load(self, part)
  local rows = {}
  for i, row in ipairs(part.rows) do rows[i] = declare.values(self.db, row) end
  for _, spec in ipairs(self.models.schema.models) do
    if spec.table == part.table then
      return self.db.session:bulk_insert(self.models.classes[spec.name], rows)
    end
  end
  self.db.session:execute(self.db.insert(self.models.tables[part.table]):values(rows))
end

function scenario.shop(schema, data)
  local db = declare.open()
  local self = setmetatable({ db = db, models = declare.models(db, schema), selects = 0 }, Shop)
  db:create_all()
  for _, part in ipairs(data) do load(self, part) end
  db.session:commit()
  db.event.listen(db.engine, "before_cursor_execute", function(_, _, sql)
    local verb = sql:match("^%s*(%a+)"):upper()
    if verb == "SELECT" or verb == "WITH" then self.selects = self.selects + 1 end
  end)
  return self
end

local function failed(err)
  return { "error", values.error_name(err), tostring(err) }
end

local function run(self, one)
  local events = {}
  for _, definition in ipairs(one.let or {}) do
    local ok, err = pcall(self.builder.define, self.builder, definition[1], definition[2])
    if not ok then return { failed(err) } end
  end
  for i, op in ipairs(one.ops) do
    local ok, event = pcall(ops[op[1]], self, table.unpack(op, 2))
    events[i] = ok and event or failed(event)
  end
  return events
end

function Shop:run(one)
  self.selects = 0
  self.builder = query.new(self.models)
  self.vars = self.builder.names
  local events = run(self, one)
  local selects = self.selects
  pcall(self.db.session.close, self.db.session)
  return { name = one.name, events = events, selects = selects }
end

return scenario
