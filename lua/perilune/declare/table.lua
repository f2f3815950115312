--- Tables put together from declarations: db.Table, and the table of a model.
local core = require "perilune.core"
local check = require "perilune.declare.check"
local column = require "perilune.declare.column"
local fail, check_options, set, kind_of = check.fail, check.options, check.set, check.kind_of
local Column, Constraint = column.Column, column.Constraint

local tables = {}

local table_options = set [[schema comment sqlite_strict strict without_rowid sqlite_with_rowid
  sqlite_autoincrement autoincrement info extend_existing keep_existing renamed_from bind_key
  prefixes]]

--- A default of a column for the core: value, function number or expression.
local function put_default(db, out, name, v)
  if v == nil then return end
  if type(v) == "function" or core.is_node(v) then
    local functions = core.db_table(db).functions
    functions[#functions + 1] = v
    out[name .. "_fn"] = #functions
    out[name .. "_node"] = core.is_node(v) and v or nil
  else
    out[name .. "_value"] = v
  end
end

--- DDL text of a server default: a string is a literal, an expression its SQL.
local function server_text(v)
  if v == nil then return nil end
  if core.is_node(v) then
    local text = core.inline_sql(v)
    if text:match "^[%w_]+$" or text:match "^'.*'$" or text:match "^%-?[%d.]+$" then return text end
    return text:match "^%b()$" and text or "(" .. text .. ")"
  end
  if type(v) == "boolean" then return v and "1" or "0" end
  if type(v) == "number" then return ("'%s'"):format(v) end
  return "'" .. tostring(v):gsub("'", "''") .. "'"
end

--- Adds a column (a declaration) under its attribute's name; returns the column's.
function tables.add_column(db, t, c, key)
  local o = c.options
  local name = o.name or key
  if not name then fail("ArgumentError", "db.Column in a db.Table needs its name first") end
  local out = {
    name = name, key = o.key or key, type = o.type, primary_key = o.primary_key,
    nullable = o.nullable, nullable_given = o.nullable ~= nil, unique = o.unique, index = o.index,
    autoincrement = o.autoincrement, deferred = o.deferred and true or o.deferred_group ~= nil,
    deferred_group = o.deferred_group, comment = o.comment,
    server_default = server_text(o.server_default), server_onupdate = server_text(o.server_onupdate),
    computed = o.computed, persisted = o.persisted, collation = o.collation,
    renamed_from = o.renamed_from,
  }
  if not o.type and #c.foreign == 0 then
    fail("ArgumentError", ("column '%s' of '%s' has no type"):format(name, t.name))
  end
  put_default(db, out, "default", o.default)
  put_default(db, out, "onupdate", o.onupdate)
  if o.info ~= nil then
    local functions = core.db_table(db).functions
    functions[#functions + 1] = o.info
    out.ext = #functions
  end
  core.table_column(t, out)
  return name
end

--- Adds a foreign key of columns, all to columns of one table.
function tables.add_foreign(t, names, targets, options)
  local target, refs
  for i, full in ipairs(targets) do
    local name, ref = column.split_target(column.foreign_target(full))
    if target and name ~= target then
      fail("ArgumentError", "a foreign key constraint refers to one table only")
    end
    target, refs = name, refs or {}
    refs[i] = ref
  end
  core.table_foreign(t, {
    columns = names, target = target, refs = refs, name = options.name, ondelete = options.ondelete,
    onupdate = options.onupdate, deferrable = options.deferrable, initially = options.initially,
    use_alter = options.use_alter,
  })
end

local function index_entries(entries)
  local columns, exprs = {}, {}
  for i, v in ipairs(entries) do
    columns[i], exprs[i] = false, false
    if type(v) == "string" then
      columns[i] = v
    elseif kind_of(v) == Column then
      columns[i] = v
    elseif core.is_node(v) then
      local _, plain = core.column_info(v)
      if plain then columns[i] = plain else exprs[i] = core.inline_sql(v) end
    else
      fail("ArgumentError", "db.Index: a column or an expression expected, got " .. type(v))
    end
  end
  return columns, exprs
end

--- Names of columns given as declarations.
local function resolve_names(list, by_declaration)
  for i, v in ipairs(list) do
    if kind_of(v) == Column then
      list[i] = by_declaration[v] or fail("ArgumentError", "a constraint names a column of another table")
    end
  end
  return list
end

local function add_constraint(t, c, by_declaration)
  if c.kind == "foreign" then
    tables.add_foreign(t, resolve_names(c.columns, by_declaration), c.targets, c.options)
  elseif c.kind == "index" then
    if c.table then return end
    local columns, exprs = index_entries(resolve_names(c.entries, by_declaration))
    core.table_index(t, { name = c.name, unique = c.unique, where = c.where, columns = columns, exprs = exprs })
  else
    core.table_constraint(t, {
      kind = c.kind, name = c.name, sql = c.sql,
      columns = resolve_names(c.columns, by_declaration),
    })
  end
end

--- db.Index{name, column or expression..., unique =, where =}. One that names attributes of a
-- model or columns of a table, and so is made after it, belongs to that table at once.
function tables.index(spec, ...)
  local index = column.index(spec, ...)
  local t
  for _, v in ipairs(index.entries) do t = t or core.is_node(v) and core.table_of(v) or nil end
  if not t then return index end
  for _, v in ipairs(index.entries) do
    if kind_of(v) == Column or core.is_node(v) and not core.names_only(v, t) then
      fail("ArgumentError", ("db.Index: a column is not one of table '%s'"):format(t.name))
    end
    if not index.name and core.is_node(v) and not core.column_info(v) then
      fail("ArgumentError", ("an index of table '%s' has no name"):format(t.name),
        'name it: db.Index{"ix_name", ...}')
    end
  end
  add_constraint(t, index, {})
  core.table_finish(t)
  index.table = t
  return index
end

--- Makes a table of columns (a list of {declaration, attribute name}) and other parts.
function tables.build(db, name, bind_key, columns, constraints, options)
  check_options("table '" .. name .. "'", options, table_options)
  local t = core.table_new(db, bind_key, name, {
    schema = options.schema, comment = options.comment, strict = options.strict or options.sqlite_strict,
    without_rowid = options.without_rowid or options.sqlite_with_rowid == false,
    autoincrement = options.autoincrement or options.sqlite_autoincrement,
    renamed_from = options.renamed_from,
  })
  local ok, err = pcall(function()
    local by_declaration = {}
    for _, entry in ipairs(columns) do by_declaration[entry[1]] = tables.add_column(db, t, entry[1], entry[2]) end
    for _, entry in ipairs(columns) do
      for _, fk in ipairs(entry[1].foreign) do
        tables.add_foreign(t, { by_declaration[entry[1]] }, { fk.target }, fk.options)
      end
      for _, c in ipairs(entry[1].checks) do add_constraint(t, c, by_declaration) end
    end
    for _, c in ipairs(constraints) do add_constraint(t, c, by_declaration) end
    core.table_finish(t)
  end)
  if not ok then
    core.table_remove(t)
    error(err, 0)
  end
  return t
end

--- db.Table{"name", column..., constraint..., bind_key =}.
function tables.table(db, spec)
  local columns, constraints, options = {}, {}, {}
  local name = spec[1]
  if type(name) ~= "string" then fail("ArgumentError", "db.Table needs its name first") end
  for i = 2, #spec do
    local meta = kind_of(spec[i])
    if meta == Column then
      columns[#columns + 1] = { spec[i] }
    elseif meta == Constraint then
      constraints[#constraints + 1] = spec[i]
    else
      fail("ArgumentError", ("db.Table '%s': argument %d is neither column nor constraint"):format(name, i))
    end
  end
  for k, v in pairs(spec) do
    if type(k) == "string" then options[k] = v end
  end
  local t = tables.build(db, name, spec.bind_key, columns, constraints, options)
  local d = core.db_table(db)
  d.tables = d.tables or {}
  d.tables[name] = t
  return t
end

return tables
