--- Columns, foreign keys, constraints and indexes as a script writes them: plain tables with
-- a metatable each, made into the core's own by `perilune.declare.table`.
local core = require "perilune.core"
local check = require "perilune.declare.check"
local fail, check_options, set = check.fail, check.options, check.set
local kind_of, is_type = check.kind_of, check.is_type

local Column = { __name = "perilune.Column" }
Column.__index = Column
local ForeignKey = { __name = "perilune.ForeignKey" }
ForeignKey.__index = ForeignKey
local Constraint = { __name = "perilune.Constraint" }
Constraint.__index = Constraint

local M = { Column = Column, ForeignKey = ForeignKey, Constraint = Constraint }

local column_options = set [[name type primary_key nullable unique index default server_default onupdate
  server_onupdate autoincrement comment key deferred deferred_group info doc computed persisted collation
  renamed_from quote]]

--- db.Column{[name,] type, ForeignKey..., primary_key =, nullable =, ...}.
function M.column(spec, options)
  if type(spec) ~= "table" or kind_of(spec) or is_type(spec) then
    local list = { spec }
    for k, v in pairs(options or {}) do list[k] = v end
    spec = list
  elseif options then
    fail("ArgumentError", "db.Column{...} takes one table")
  end
  check_options("db.Column", spec, column_options)
  local c = setmetatable({ seq = core.sequence(), options = {}, foreign = {}, checks = {} }, Column)
  for k, v in pairs(spec) do
    if type(k) == "string" then c.options[k] = v end
  end
  local n = 0
  for k in pairs(spec) do
    if math.type(k) == "integer" and k > n then n = k end
  end
  for i = 1, n do
    local v = spec[i]
    local meta = kind_of(v)
    if type(v) == "string" and i == 1 then
      c.options.name = v
    elseif is_type(v) then
      c.options.type = v
    elseif meta == ForeignKey then
      c.foreign[#c.foreign + 1] = v
    elseif meta == Constraint and v.kind == "check" then
      c.checks[#c.checks + 1] = v
    elseif meta == Constraint and v.kind == "computed" then
      c.options.computed, c.options.persisted = v.sql, v.persisted
    else
      fail("ArgumentError", ("db.Column: argument %d is %s, not a type or a db.ForeignKey")
        :format(i, v == nil and "nil (is the type's name spelled right?)" or type(v)))
    end
  end
  return c
end

local foreign_options = set [[ondelete onupdate name deferrable initially use_alter link_to_name]]
local foreign_actions = { "CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION" }

--- Refuses an action that SQL does not have: it would fail only when the table is made.
local function check_actions(what, spec)
  for _, option in ipairs { "ondelete", "onupdate" } do
    local value, known = spec[option], spec[option] == nil
    local word = type(value) == "string" and value:upper():gsub("%s+", " ")
    for _, action in ipairs(foreign_actions) do known = known or word == action end
    if not known then
      fail("ArgumentError", ("%s: %s cannot be '%s'"):format(what, option, tostring(value)),
        "one of " .. table.concat(foreign_actions, ", "))
    end
  end
end

--- Table and column of a target: "table.column".
function M.split_target(target)
  local name, column = target:match "^(.+)%.([^.]+)$"
  if not name then
    fail("ArgumentError", ("db.ForeignKey: '%s' is not \"table.column\""):format(target))
  end
  return name, column
end

--- Target of a foreign key: "table.column", or a column's expression.
function M.foreign_target(v)
  if type(v) == "string" then return v end
  if core.is_node(v) then
    local t, column = core.column_info(v)
    if t then return t .. "." .. column end
  end
  fail("ArgumentError", "db.ForeignKey needs \"table.column\", got " .. type(v))
end

--- db.ForeignKey "table.column" or db.ForeignKey{"table.column", ondelete = "CASCADE"}.
function M.foreign_key(spec)
  if type(spec) ~= "table" or kind_of(spec) then spec = { spec } end
  check_options("db.ForeignKey", spec, foreign_options)
  check_actions("db.ForeignKey", spec)
  local fk = setmetatable({ target = M.foreign_target(spec[1]), options = {} }, ForeignKey)
  for k, v in pairs(spec) do
    if type(k) == "string" then fk.options[k] = v end
  end
  M.split_target(fk.target)
  return fk
end

--- A column's name from a string, a declaration or an expression.
function M.name(v)
  if type(v) == "string" then return v end
  if kind_of(v) == Column then return v end
  if core.is_node(v) then
    local _, column = core.column_info(v)
    if column then return column end
  end
  fail("ArgumentError", "a column name expected, got " .. type(v))
end

local function names_of(list)
  local out = {}
  for i, v in ipairs(list) do out[i] = M.name(v) end
  return out
end

--- db.ForeignKeyConstraint{{"a", "b"}, {"t.a", "t.b"}, ondelete =, ...}.
function M.foreign_key_constraint(spec)
  check_options("db.ForeignKeyConstraint", spec, foreign_options)
  check_actions("db.ForeignKeyConstraint", spec)
  if type(spec[1]) ~= "table" or type(spec[2]) ~= "table" or #spec[1] ~= #spec[2] then
    fail("ArgumentError", "db.ForeignKeyConstraint needs two lists of equal length")
  end
  return setmetatable({ kind = "foreign", columns = names_of(spec[1]), targets = spec[2],
                        options = spec }, Constraint)
end

--- db.UniqueConstraint{"a", "b", name =}.
function M.unique_constraint(spec, ...)
  if type(spec) ~= "table" then spec = { spec, ... } end
  check_options("db.UniqueConstraint", spec, set "name deferrable initially")
  return setmetatable({ kind = "unique", columns = names_of(spec), name = spec.name }, Constraint)
end

--- db.PrimaryKeyConstraint{"a", "b", name =}.
function M.primary_key_constraint(spec, ...)
  if type(spec) ~= "table" then spec = { spec, ... } end
  check_options("db.PrimaryKeyConstraint", spec, set "name")
  return setmetatable({ kind = "primary", columns = names_of(spec), name = spec.name }, Constraint)
end

--- db.CheckConstraint{"price > 0", name =}; the text may be an expression.
function M.check_constraint(spec, options)
  if type(spec) ~= "table" or kind_of(spec) then
    local list = { spec }
    for k, v in pairs(options or {}) do list[k] = v end
    spec = list
  end
  check_options("db.CheckConstraint", spec, set "name")
  local sql = spec[1]
  if core.is_node(sql) then sql = core.inline_sql(sql) end
  if type(sql) ~= "string" then
    fail("ArgumentError", "db.CheckConstraint needs SQL text or an expression")
  end
  return setmetatable({ kind = "check", columns = {}, sql = sql, name = spec.name }, Constraint)
end

--- db.Computed("price * quantity" [, {persisted = true}]): a generated column.
function M.computed(sql, options)
  if type(sql) == "table" and not core.is_node(sql) then sql, options = sql[1], sql end
  if core.is_node(sql) then sql = core.inline_sql(sql) end
  return setmetatable({ kind = "computed", sql = sql, persisted = options and options.persisted },
                      Constraint)
end

--- db.Index{name, column..., unique =, where =}.
function M.index(spec, ...)
  if type(spec) ~= "table" then spec = { spec, ... } end
  check_options("db.Index", spec, set "name unique where sqlite_where")
  local index = { kind = "index", name = spec.name, unique = spec.unique, entries = {} }
  local first = 1
  if not spec.name and (type(spec[1]) == "string" or spec[1] == nil) then
    index.name, first = spec[1], 2
  end
  for i = first, #spec do index.entries[#index.entries + 1] = spec[i] end
  local where = spec.where or spec.sqlite_where
  index.where = core.is_node(where) and core.inline_sql(where) or where
  return setmetatable(index, Constraint)
end

return M
