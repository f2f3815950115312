--- Declarations: types, columns, constraints, tables, relationships and models.
-- Everything a script writes in `db.Model "User" { ... }` is read here, checked, and given
-- to the C core as plain values. Runs once per db object; nothing here is hot.
local core = require "perilune.core"
local shared = core.shared()

local declare = {}

local function fail(class, message, hint)
  core.raise(class, message, hint)
end

--- Raises for an option that is not known, naming the nearest one.
local function check_options(what, options, known)
  for key in pairs(options) do
    if type(key) == "string" and not known[key] then
      local names = {}
      for name in pairs(known) do names[#names + 1] = name end
      table.sort(names)
      local near = core.nearest(key, names)
      fail("ArgumentError", ("%s: unknown option '%s'"):format(what, key),
           near and ("did you mean '" .. near .. "'?") or nil)
    end
  end
end

local function set(words)
  local t = {}
  for word in words:gmatch "%S+" do t[word] = true end
  return t
end

local function is_type(v) return core.class(v) == "perilune.Type" end
local function is_model(v) return core.class(v) == "perilune.Model" end
local function is_table(v) return core.class(v) == "perilune.Table" end

-- ---- types ------------------------------------------------------------------------

local positional = {
  String = { "length" }, Unicode = { "length" }, Text = { "length" },
  UnicodeText = { "length" }, LargeBinary = { "length" }, Numeric = { "precision", "scale" },
  Float = { "precision" }, Double = { "precision" },
}

local type_options = set [[length precision scale words name create_constraint none_as_null
  timezone asdecimal native_enum validate_strings collation]]

--- db.String(100), db.Numeric(10, 2), db.Enum{"a", "b"}: a type with its arguments.
local function type_call(base, ...)
  local kind, options = base.kind, {}
  local first = ...
  if type(first) == "table" and select("#", ...) == 1 then
    for k, v in pairs(first) do
      if type(k) == "string" then options[k] = v end
    end
    if kind == "Enum" then
      options.words = { table.unpack(first) }
    else
      for i, name in ipairs(positional[kind] or {}) do options[name] = options[name] or first[i] end
    end
  elseif kind == "Enum" then
    options.words = { ... }
  else
    for i, name in ipairs(positional[kind] or {}) do options[name] = (select(i, ...)) end
  end
  check_options("db." .. kind, options, type_options)
  for _, name in ipairs { "length", "precision", "scale" } do
    local v = options[name]
    if v ~= nil and (math.type(v) ~= "integer" or v < 0) then
      fail("ArgumentError", ("db.%s: %s must be a whole number, got %s"):format(kind, name, tostring(v)))
    end
  end
  if kind == "Enum" and #options.words == 0 then
    fail("ArgumentError", "db.Enum needs its words: db.Enum{\"a\", \"b\"}")
  end
  return core.type(kind, options)
end

--- db.type{base, bind = fn, result = fn}: a type of one's own over a stored one.
-- @param spec [1] the type it is stored as; `bind(value)` makes the stored value, `result(value)`
-- the Lua value; either may be absent.
function declare.custom_type(spec)
  if type(spec) ~= "table" or not is_type(spec[1]) then
    fail("ArgumentError", "db.type needs a stored type first: db.type{db.String, bind = fn, result = fn}")
  end
  check_options("db.type", spec, set "bind result name")
  shared.custom_types = shared.custom_types or {}
  local n = #shared.custom_types + 1
  shared.custom_types[n] = { bind = spec.bind, result = spec.result }
  return core.type("type", { base = spec[1], ext = n })
end

local kinds = [[Integer SmallInteger BigInteger String Text Unicode UnicodeText Boolean Float Double
  Numeric Date Time DateTime Interval LargeBinary JSON Enum UUID]]

-- ---- columns and keys -------------------------------------------------------------

local Column = { __name = "perilune.Column" }
Column.__index = Column
local ForeignKey = { __name = "perilune.ForeignKey" }
ForeignKey.__index = ForeignKey
local Constraint = { __name = "perilune.Constraint" }
Constraint.__index = Constraint
local Relationship = { __name = "perilune.RelationshipDeclaration" }
Relationship.__index = Relationship
local Property = { __name = "perilune.Property" }
Property.__index = Property
local Validator = { __name = "perilune.Validator" }
Validator.__index = Validator

declare.Column, declare.Relationship, declare.Property, declare.Validator =
  Column, Relationship, Property, Validator

local function kind_of(v)
  return type(v) == "table" and getmetatable(v) or nil
end

local column_options = set [[name type primary_key nullable unique index default server_default onupdate
  server_onupdate autoincrement comment key deferred info doc computed persisted collation
  renamed_from quote]]

--- db.Column{[name,] type, ForeignKey..., primary_key =, nullable =, ...}.
function declare.column(spec, options)
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

local function split_target(target)
  local name, column = target:match "^(.+)%.([^.]+)$"
  if not name then
    fail("ArgumentError", ("db.ForeignKey: '%s' is not \"table.column\""):format(target))
  end
  return name, column
end

--- Target of a foreign key: "table.column", or a column's expression.
local function foreign_target(v)
  if type(v) == "string" then return v end
  if core.is_node(v) then
    local t, column = core.column_info(v)
    if t then return t .. "." .. column end
  end
  fail("ArgumentError", "db.ForeignKey needs \"table.column\", got " .. type(v))
end

--- db.ForeignKey "table.column" or db.ForeignKey{"table.column", ondelete = "CASCADE"}.
function declare.foreign_key(spec)
  if type(spec) ~= "table" or kind_of(spec) then spec = { spec } end
  check_options("db.ForeignKey", spec, foreign_options)
  local fk = setmetatable({ target = foreign_target(spec[1]), options = {} }, ForeignKey)
  for k, v in pairs(spec) do
    if type(k) == "string" then fk.options[k] = v end
  end
  split_target(fk.target)
  return fk
end

--- A column's name from a string, a declaration or an expression.
local function column_name(v)
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
  for i, v in ipairs(list) do out[i] = column_name(v) end
  return out
end

--- db.ForeignKeyConstraint{{"a", "b"}, {"t.a", "t.b"}, ondelete =, ...}.
function declare.foreign_key_constraint(spec)
  check_options("db.ForeignKeyConstraint", spec, foreign_options)
  if type(spec[1]) ~= "table" or type(spec[2]) ~= "table" or #spec[1] ~= #spec[2] then
    fail("ArgumentError", "db.ForeignKeyConstraint needs two lists of equal length")
  end
  return setmetatable({ kind = "foreign", columns = names_of(spec[1]), targets = spec[2],
                        options = spec }, Constraint)
end

--- db.UniqueConstraint{"a", "b", name =}.
function declare.unique_constraint(spec, ...)
  if type(spec) ~= "table" then spec = { spec, ... } end
  check_options("db.UniqueConstraint", spec, set "name deferrable initially")
  return setmetatable({ kind = "unique", columns = names_of(spec), name = spec.name }, Constraint)
end

--- db.PrimaryKeyConstraint{"a", "b", name =}.
function declare.primary_key_constraint(spec, ...)
  if type(spec) ~= "table" then spec = { spec, ... } end
  check_options("db.PrimaryKeyConstraint", spec, set "name")
  return setmetatable({ kind = "primary", columns = names_of(spec), name = spec.name }, Constraint)
end

--- db.CheckConstraint{"price > 0", name =}; the text may be an expression.
function declare.check_constraint(spec, options)
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
function declare.computed(sql, options)
  if type(sql) == "table" and not core.is_node(sql) then sql, options = sql[1], sql end
  if core.is_node(sql) then sql = core.inline_sql(sql) end
  return setmetatable({ kind = "computed", sql = sql, persisted = options and options.persisted },
                      Constraint)
end

--- db.Index{name, column..., unique =, where =}.
function declare.index(spec, ...)
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

-- ---- putting a table together ----------------------------------------------------

local table_options = set [[schema comment sqlite_strict strict without_rowid sqlite_with_rowid
  sqlite_autoincrement autoincrement info extend_existing keep_existing renamed_from bind_key
  prefixes]]

--- A default of a column for the core: value, function number or expression.
local function put_default(db, out, name, v)
  if v == nil then return end
  if type(v) == "function" then
    local functions = core.db_table(db).functions
    functions[#functions + 1] = v
    out[name .. "_fn"] = #functions
  elseif core.is_node(v) then
    local functions = core.db_table(db).functions
    functions[#functions + 1] = v
    out[name .. "_node"] = v
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

local function add_column(db, t, c, key)
  local o = c.options
  local name = o.name or key
  if not name then fail("ArgumentError", "db.Column in a db.Table needs its name first") end
  local out = {
    name = name, key = o.key or key, type = o.type, primary_key = o.primary_key,
    nullable = o.nullable, nullable_given = o.nullable ~= nil, unique = o.unique, index = o.index,
    autoincrement = o.autoincrement, deferred = o.deferred, comment = o.comment,
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

local function add_foreign(t, names, targets, options)
  local target, refs
  for i, full in ipairs(targets) do
    local name, column = split_target(foreign_target(full))
    if target and name ~= target then
      fail("ArgumentError", "a foreign key constraint refers to one table only")
    end
    target, refs = name, refs or {}
    refs[i] = column
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
    add_foreign(t, resolve_names(c.columns, by_declaration), c.targets, c.options)
  elseif c.kind == "index" then
    local columns, exprs = index_entries(resolve_names(c.entries, by_declaration))
    core.table_index(t, { name = c.name, unique = c.unique, where = c.where, columns = columns, exprs = exprs })
  else
    core.table_constraint(t, {
      kind = c.kind, name = c.name, sql = c.sql,
      columns = resolve_names(c.columns, by_declaration),
    })
  end
end

--- Makes a table of columns (a list of {declaration, attribute name}) and other parts.
local function build_table(db, name, bind_key, columns, constraints, options)
  check_options("table '" .. name .. "'", options, table_options)
  local t = core.table_new(db, bind_key, name, {
    schema = options.schema, comment = options.comment, strict = options.strict or options.sqlite_strict,
    without_rowid = options.without_rowid or options.sqlite_with_rowid == false,
    autoincrement = options.autoincrement or options.sqlite_autoincrement,
    renamed_from = options.renamed_from,
  })
  local ok, err = pcall(function()
    local by_declaration = {}
    for _, entry in ipairs(columns) do by_declaration[entry[1]] = add_column(db, t, entry[1], entry[2]) end
    for _, entry in ipairs(columns) do
      for _, fk in ipairs(entry[1].foreign) do
        add_foreign(t, { by_declaration[entry[1]] }, { fk.target }, fk.options)
      end
      for _, check in ipairs(entry[1].checks) do add_constraint(t, check, by_declaration) end
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
function declare.table(db, spec)
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
  local t = build_table(db, name, spec.bind_key, columns, constraints, options)
  local tables = core.db_table(db).tables or {}
  core.db_table(db).tables = tables
  tables[name] = t
  return t
end

-- ---- relationships ----------------------------------------------------------------

local relation_options = set [[backref back_populates secondary uselist lazy cascade order_by primaryjoin
  secondaryjoin foreign_keys remote_side viewonly passive_deletes passive_updates single_parent
  post_update info doc innerjoin overlaps collection_class join_depth]]

--- db.relationship{target, backref =, back_populates =, secondary =, ...}.
function declare.relationship(spec, options)
  if type(spec) ~= "table" or is_model(spec) then
    local list = { spec }
    for k, v in pairs(options or {}) do list[k] = v end
    spec = list
  end
  check_options("db.relationship", spec, relation_options)
  local target = spec[1]
  if type(target) ~= "string" and not is_model(target) and type(target) ~= "function" then
    fail("ArgumentError", "db.relationship needs a model or its name first")
  end
  local r = setmetatable({ seq = core.sequence(), target = target, options = {} }, Relationship)
  for k, v in pairs(spec) do
    if type(k) == "string" then r.options[k] = v end
  end
  return r
end

--- db.backref{"posts", lazy = true, ...}: the other side of a relationship.
function declare.backref(spec, options)
  if type(spec) ~= "table" then
    local list = { spec }
    for k, v in pairs(options or {}) do list[k] = v end
    spec = list
  end
  check_options("db.backref", spec, relation_options)
  if type(spec[1]) ~= "string" then fail("ArgumentError", "db.backref needs its name first") end
  return spec
end

local lazy_words = {
  [true] = "select", [false] = "joined", select = "select", joined = "joined", selectin = "selectin",
  subquery = "subquery", raise = "raise", raise_on_sql = "raise", dynamic = "dynamic",
  write_only = "write_only", noload = "noload", immediate = "immediate",
}

local function model_name(target)
  if type(target) == "function" then target = target() end
  return is_model(target) and declare.info[target].name or target
end

--- A column named by a text ("id", "Model.attr", "table.column"), a declaration, an expression.
local function find_column(db, model, v)
  if core.is_node(v) then return v end
  if type(v) ~= "string" then
    fail("ArgumentError", "a column or \"Model.attribute\" expected, got " .. type(v))
  end
  local owner, attr = v:match "^(.+)%.([^.]+)$"
  if not owner then return model[v] end
  local d = core.db_table(db)
  if d.models[owner] then return d.models[owner][attr] end
  for _, m in ipairs(d.models) do
    if m.__table__ and m.__table__.name == owner then return m.__table__.c[attr] end
  end
  if d.tables and d.tables[owner] then return d.tables[owner].c[attr] end
  fail("InvalidRequestError", ("'%s' names no model or table of this database"):format(v))
end

local function column_list(db, model, v)
  if v == nil then return nil end
  if type(v) == "function" then v = v() end
  if type(v) ~= "table" then v = { v } end
  local out = {}
  for i, c in ipairs(v) do out[i] = find_column(db, model, c) end
  return out
end

local function order_entry(db, model, v)
  if type(v) ~= "string" then return v end
  local name, direction = v:match "^(%S+)%s+(%a+)$"
  local column = find_column(db, model, name or v)
  if direction and direction:lower() == "desc" then return column:desc() end
  return column
end

local function order_tuple(db, target, v)
  if v == nil then return nil end
  if type(v) == "function" then v = v() end
  if type(v) ~= "table" then v = { v } end
  local list = {}
  for i, e in ipairs(v) do list[i] = order_entry(db, target, e) end
  return shared.namespace.tuple_(table.unpack(list))
end

local function expression(v)
  if type(v) == "function" then return v() end
  return v
end

--- Whether arguments speak of columns, so that the target must be there first.
local function needs_target(o)
  return o.foreign_keys ~= nil or o.remote_side ~= nil or o.primaryjoin ~= nil
    or o.secondaryjoin ~= nil or o.order_by ~= nil
end

--- The arguments of a relationship as the core wants them.
local function relation_args(db, model, target, o, extra)
  local lazy = o.lazy
  if lazy ~= nil and not lazy_words[lazy] then
    local names = {}
    for k in pairs(lazy_words) do
      if type(k) == "string" then names[#names + 1] = k end
    end
    table.sort(names)
    fail("ArgumentError", ("relationship: unknown lazy '%s'"):format(tostring(lazy)),
         "one of " .. table.concat(names, ", "))
  end
  local passive = o.passive_deletes
  local uselist = -1
  if o.uselist ~= nil then uselist = o.uselist and 1 or 0 end
  local target_model = core.db_table(db).models[target]
  local args = {
    target = target, back_populates = extra.back_populates or o.back_populates,
    uselist = uselist, lazy = lazy ~= nil and lazy_words[lazy] or nil, cascade = o.cascade,
    passive_deletes = passive == "all" and 2 or passive and 1 or 0, passive_deletes_given = passive ~= nil,
    viewonly = o.viewonly, single_parent = o.single_parent, post_update = o.post_update,
    passive_updates_off = o.passive_updates == false, by_backref = extra.by_backref,
    foreign_keys = column_list(db, model, o.foreign_keys),
    remote_side = column_list(db, model, o.remote_side),
    primaryjoin = expression(o.primaryjoin), secondaryjoin = expression(o.secondaryjoin),
    order_by = target_model and order_tuple(db, target_model, o.order_by),
  }
  local secondary = expression(o.secondary)
  if is_model(secondary) then secondary = secondary.__table__ end
  if type(secondary) == "string" then
    args.secondary = secondary
  elseif is_table(secondary) then
    args.secondary_table = secondary
  elseif secondary ~= nil then
    fail("ArgumentError", "relationship: secondary must be a db.Table or its name")
  end
  return args
end

--- The other side that a backref asks for, as options of a relationship on the target.
local function backref_options(o)
  local spec = o.backref
  if type(spec) == "string" then spec = { spec } end
  local out = {}
  for k, v in pairs(spec) do
    if type(k) == "string" then out[k] = v end
  end
  out.secondary = o.secondary
  if o.secondary ~= nil then
    out.primaryjoin, out.secondaryjoin = o.secondaryjoin, o.primaryjoin
  else
    out.primaryjoin = out.primaryjoin or o.primaryjoin
    out.foreign_keys = out.foreign_keys or o.foreign_keys
  end
  if out.viewonly == nil then out.viewonly = o.viewonly end
  if out.passive_updates == nil then out.passive_updates = o.passive_updates end
  if out.post_update == nil then out.post_update = o.post_update end
  return spec[1], out
end

local function subclasses(db, model, fn)
  for _, m in ipairs(core.db_table(db).models) do
    local parent = m.__parent__
    while parent do
      if parent == model then fn(m) break end
      parent = parent.__parent__
    end
  end
end

local function add_relation(db, model, name, target, o, extra)
  core.model_relation(model, name, relation_args(db, model, target, o, extra))
  subclasses(db, model, core.model_refresh)
end

--- The target of a backref must not have the name already.
local function add_backref(db, model, name, target_model, o)
  local back, options = backref_options(o)
  if core.model_members(target_model)[back] ~= nil then
    fail("ArgumentError", ("Error creating backref '%s' on relationship '%s.%s': property of that name exists on '%s'")
      :format(back, declare.info[model].name, name, declare.info[target_model].name))
  end
  add_relation(db, target_model, back, declare.info[model].name, options, { back_populates = name, by_backref = true })
end

local function when_defined(db, target, fn)
  local d = core.db_table(db)
  if d.models[target] then return fn(d.models[target]) end
  d.waiting = d.waiting or {}
  d.waiting[target] = d.waiting[target] or {}
  table.insert(d.waiting[target], fn)
end

local function declare_relation(db, model, name, r)
  local o = r.options
  local target = model_name(r.target)
  local back = o.backref and (type(o.backref) == "string" and o.backref or o.backref[1])
  local function add()
    add_relation(db, model, name, target, o, { back_populates = back })
  end
  if needs_target(o) then when_defined(db, target, add) else add() end
  if o.backref then
    when_defined(db, target, function(target_model) add_backref(db, model, name, target_model, o) end)
  end
end

-- ---- properties of a class --------------------------------------------------------

--- db.hybrid{get =, set =, expr =}: computed on an instance, an expression on the class.
function declare.hybrid(spec)
  if type(spec) == "function" then spec = { get = spec } end
  check_options("db.hybrid", spec, set "get set expr update_expr")
  if type(spec.get or spec[1]) ~= "function" then fail("ArgumentError", "db.hybrid needs get = function(self)") end
  local get = spec.get or spec[1]
  return setmetatable({ __property = { get = get, set = spec.set, expr = spec.expr or get } }, Property)
end

--- db.synonym "name": another name of an attribute.
function declare.synonym(name)
  if type(name) == "table" then name = name[1] end
  return setmetatable({ __property = {
    get = function(self) return self[name] end,
    set = function(self, v) self[name] = v end,
    expr = function(class) return class[name] end,
  } }, Property)
end

--- db.column_property(expression): a read-only attribute that the database computes.
function declare.column_property(spec, options)
  if type(spec) == "table" and not core.is_node(spec) then spec, options = spec[1], spec end
  return setmetatable({ seq = core.sequence(), expression = spec, options = options or {} }, Property)
end

--- db.validates("name", ..., fn): fn(self, name, value) returns the value to use.
function declare.validates(...)
  local args = { ... }
  if type(args[1]) == "table" then args = args[1] end
  local fn = table.remove(args)
  if type(fn) ~= "function" or #args == 0 then
    fail("ArgumentError", "db.validates needs attribute names and a function")
  end
  return setmetatable({ names = args, fn = fn }, Validator)
end

-- ---- models -----------------------------------------------------------------------

local special = set [[__tablename__ __table_args__ __bind_key__ __mapper_args__ __abstract__ __inherits__
  __mixins__ __table__ __versioned__ __fts__ polymorphic_on polymorphic_identity version_id_col]]

--- Flask-SQLAlchemy's table name of a model name.
function declare.table_name(name)
  local s = name:gsub("()(%u)", function(at, letter)
    local before, after = name:sub(at - 1, at - 1), name:sub(at + 1, at + 1)
    if at > 1 and (before:match "[%l%d]" or after:match "%l") then return "_" .. letter end
    return letter
  end)
  return (s:lower():gsub("^_+", ""))
end

--- Fields of a class: those of its mixins and abstract bases first, its own over them.
local function gather(spec, fields, seen)
  seen = seen or {}
  if seen[spec] then return fields end
  seen[spec] = true
  local base = spec.__inherits__
  if type(base) == "table" and base.__abstract_spec then gather(base.__abstract_spec, fields, seen) end
  for _, mixin in ipairs(spec.__mixins__ or {}) do
    gather(type(mixin) == "table" and mixin.__abstract_spec or mixin, fields, seen)
  end
  for k, v in pairs(spec) do
    if k ~= "__mixins__" and k ~= "__abstract__" then fields[k] = v end
  end
  return fields
end

local reserved = set "metadata query registry"

local function sort_fields(name, fields)
  local parts = { columns = {}, relations = {}, members = {}, validators = {}, expressions = {} }
  for k, v in pairs(fields) do
    local meta = kind_of(v)
    if meta == Validator then
      table.insert(parts.validators, v)
    elseif type(k) ~= "string" then
      fail("ArgumentError", ("%s: entry [%s] has no attribute name"):format(name, tostring(k)))
    elseif meta == Column then
      table.insert(parts.columns, { v, k })
    elseif meta == Relationship then
      table.insert(parts.relations, { v, k })
    elseif meta == Property and v.expression ~= nil then
      table.insert(parts.expressions, { v, k })
    elseif not special[k] then
      parts.members[k] = v
    end
    if type(k) == "string" and reserved[k] then
      fail("InvalidRequestError", ("%s: attribute name '%s' is reserved"):format(name, k))
    end
  end
  local function by_seq(a, b) return a[1].seq < b[1].seq end
  table.sort(parts.columns, by_seq)
  table.sort(parts.relations, by_seq)
  table.sort(parts.expressions, by_seq)
  return parts
end

local function table_parts(args)
  local constraints, options = {}, {}
  for k, v in pairs(args or {}) do
    if math.type(k) == "integer" then
      if kind_of(v) == Constraint then
        constraints[k] = v
      elseif type(v) == "table" then
        for name, value in pairs(v) do options[name] = value end
      end
    else
      options[k] = v
    end
  end
  local list = {}
  for i = 1, #(args or {}) do list[#list + 1] = constraints[i] end
  return list, options
end

local function has_primary_key(columns)
  for _, c in ipairs(columns) do
    if c[1].options.primary_key then return true end
  end
  return false
end

--- The table of a model: given, built, or (single-table inheritance) its parent's.
local function model_table(db, name, fields, parts, parent)
  if fields.__table__ then return fields.__table__, true end
  local constraints, options = table_parts(fields.__table_args__)
  if parent and not has_primary_key(parts.columns) and rawget(fields, "__tablename__") == nil then
    for _, c in ipairs(parts.columns) do
      c[1].options.nullable = c[1].options.nullable ~= false
      add_column(db, parent.__table__, c[1], c[2])
      for _, fk in ipairs(c[1].foreign) do
        add_foreign(parent.__table__, { c[1].options.name or c[2] }, { fk.target }, fk.options)
      end
    end
    core.table_finish(parent.__table__)
    return parent.__table__, true
  end
  local d = core.db_table(db)
  local table_name = fields.__tablename__ or declare.table_name(name)
  if d.tables and d.tables[table_name] and #parts.columns == 0 then return d.tables[table_name], false end
  if #parts.columns == 0 then
    fail("InvalidRequestError", ("Class %s has neither a __table__ nor columns and does not inherit "
      .. "from a mapped class."):format(name), "declare at least a primary key column")
  end
  local bind = fields.__bind_key__ or (parent and parent.__table__.bind_key)
  local t = build_table(db, table_name, bind, parts.columns, constraints, options)
  d.tables = d.tables or {}
  d.tables[table_name] = t
  return t, false
end

local function map_columns(model, parts, t, parent_table)
  local mapped = {}
  for _, c in ipairs(parts.columns) do
    local column = c[1].options.name or c[2]
    core.model_column(model, c[2], t, column)
    mapped[column] = true
  end
  if parent_table then return end
  for _, c in ipairs(core.table_describe(t).columns) do
    if not mapped[c.name] then core.model_column(model, c.key, t, c.name) end
  end
end

local function mapper_args(fields)
  local args = {}
  for k, v in pairs(fields.__mapper_args__ or {}) do args[k] = v end
  for _, k in ipairs { "polymorphic_on", "polymorphic_identity", "version_id_col" } do
    if args[k] == nil then args[k] = rawget(fields, k) end
  end
  for _, k in ipairs { "polymorphic_on", "version_id_col" } do
    local v = args[k]
    if kind_of(v) == Column then
      for name, field in pairs(fields) do
        if field == v then args[k] = name end
      end
    elseif core.is_node(v) then
      args[k] = column_name(v)
    end
  end
  return args
end

local function check_name(db, name)
  if type(name) ~= "string" or not name:match "^[%a_][%w_]*$" then
    fail("ArgumentError", "db.Model needs a name: db.Model \"User\" { ... }")
  end
  if core.db_table(db).models[name] then
    fail("InvalidRequestError", ("a model named '%s' is already defined on this database"):format(name),
         "use another name, or another db object")
  end
end

local function add_members(db, model, parts)
  local members = core.model_members(model)
  for k, v in pairs(parts.members) do members[k] = v end
  for k, v in pairs(declare.instance_methods) do
    if members[k] == nil then members[k] = v end
  end
  if #parts.validators > 0 then
    local info = core.db_table(db)
    info.validators = info.validators or setmetatable({}, { __mode = "k" })
    info.validators[model] = parts.validators
    core.model_set(model, { attribute_events = true })
  end
end

local function build_model(db, name, spec)
  check_name(db, name)
  local fields = gather(spec, {})
  if spec.__abstract__ then
    return setmetatable({ __abstract_spec = spec, name = name }, { __name = "perilune.AbstractModel" })
  end
  local parent = is_model(spec.__inherits__) and spec.__inherits__ or nil
  if spec.__inherits__ ~= nil and not parent and type(spec.__inherits__) ~= "table" then
    fail("ArgumentError", name .. ": __inherits__ must be a model")
  end
  local parts = sort_fields(name, fields)
  local t, shared_table = model_table(db, name, fields, parts, parent)
  local model = core.model_new(db, name, t, parent)
  declare.info[model] = { db = db, table = t, parent = parent, name = name, spec = spec, scopes = {} }
  map_columns(model, parts, t, shared_table and parent ~= nil)
  for _, e in ipairs(parts.expressions) do
    local expr = e[1].expression
    core.model_expr(model, e[2], type(expr) == "function" and expr(t.c) or expr)
  end
  core.model_finish(model)
  core.model_set(model, mapper_args(fields))
  add_members(db, model, parts)
  for _, r in ipairs(parts.relations) do declare_relation(db, model, r[2], r[1]) end
  local waiting = core.db_table(db).waiting
  local fns = waiting and waiting[name]
  if fns then
    waiting[name] = nil
    for _, fn in ipairs(fns) do fn(model) end
  end
  for _, hook in ipairs(declare.hooks) do hook(db, model, spec, fields) end
  return model
end

--- Called with (db, model, spec, fields) for every model made; plugins add to it.
declare.hooks = {}

--- What the Lua side knows of each model: table, parent, name, spec, scopes.
declare.info = setmetatable({}, { __mode = "k" })

--- Fields of a class object that are answered here.
local model_fields = {
  name = function(model) return declare.info[model].name end,
  __name = function(model) return declare.info[model].name end,
  __table__ = function(model) return declare.info[model].table end,
  __tablename__ = function(model) return declare.info[model].table.name end,
  __parent__ = function(model) return declare.info[model].parent end,
  __spec__ = function(model) return declare.info[model].spec end,
  scopes = function(model) return declare.info[model].scopes end,
}
--- `User.age = db.Column{...}` after the fact, and plain values.
local function model_declare(model, name, v)
  local meta = kind_of(v)
  local info = declare.info[model]
  if meta == Relationship then
    declare_relation(info.db, model, name, v)
  elseif meta == Column then
    fail("InvalidRequestError", ("%s.%s: columns must be declared with the model"):format(info.name, name),
         "write it into db.Model \"" .. info.name .. "\" { ... }")
  else
    core.model_members(model)[name] = v
  end
end

--- Methods that every instance has.
declare.instance_methods = {}

local dict_options = set "only except include"

--- The names of a list as a set; each must be an attribute.
local function wanted(self, list, columns)
  if not list then return nil end
  local t = {}
  for _, name in ipairs(list) do
    if columns[name] == nil then local _ = self[name] end
    t[name] = true
  end
  return t
end

--- What stands in a dictionary for the value of any attribute.
local function dict_value(value, sub)
  if core.is_instance(value) then return value:to_dict(sub) end
  if core.class(value) ~= "perilune.Collection" then return value end
  local list = {}
  for i, item in ipairs(value) do list[i] = item:to_dict(sub) end
  return list
end

--- instance:to_dict{only =, except =, include =}: its columns (and related objects) as a table.
function declare.instance_methods.to_dict(self, options)
  if not core.is_instance(self) then
    fail("TypeError", "an instance expected as the object of 'to_dict'",
         "call it with a colon: object:to_dict()")
  end
  options = options or {}
  check_options("to_dict", options, dict_options)
  local columns, out = {}, {}
  for name in pairs(self) do columns[name] = true end
  local only = wanted(self, options.only, columns)
  local except = wanted(self, options.except, columns)
  for name, value in pairs(self) do
    if (not only or only[name]) and not (except and except[name]) then
      out[name] = value
    end
  end
  for name in pairs(only or {}) do
    if not columns[name] then out[name] = dict_value(self[name], {}) end
  end
  for key, value in pairs(options.include or {}) do
    local name, sub = key, value
    if type(key) == "number" then name, sub = value, {} end
    out[name] = dict_value(self[name], sub)
  end
  return out
end

--- Gives a db object its own constructors: those that need to know it.
function declare.attach(db)
  local fields = core.db_table(db).fields
  fields.select = core.select_for(db)
  fields.Model = setmetatable({}, {
    __name = "perilune.ModelFactory",
    __call = function(_, name, spec)
      if spec then return build_model(db, name, spec) end
      return function(body)
        if type(body) ~= "table" then fail("ArgumentError", "db.Model \"" .. tostring(name) .. "\" needs { ... }") end
        return build_model(db, name, body)
      end
    end,
  })
  fields.Table = function(spec, ...)
    if type(spec) ~= "table" then spec = { spec, ... } end
    return declare.table(db, spec)
  end
end

--- Puts the constructors that all db objects share into the namespace. Once per module table.
function declare.install(namespace)
  for name in kinds:gmatch "%S+" do namespace[name] = core.type(name) end
  namespace.Uuid = namespace.UUID
  namespace.type = declare.custom_type
  namespace.Column = declare.column
  namespace.ForeignKey = declare.foreign_key
  namespace.ForeignKeyConstraint = declare.foreign_key_constraint
  namespace.UniqueConstraint = declare.unique_constraint
  namespace.PrimaryKeyConstraint = declare.primary_key_constraint
  namespace.CheckConstraint = declare.check_constraint
  namespace.Computed = declare.computed
  namespace.Index = declare.index
  namespace.relationship = declare.relationship
  namespace.backref = declare.backref
  namespace.hybrid = declare.hybrid
  namespace.synonym = declare.synonym
  namespace.column_property = declare.column_property
  namespace.validates = declare.validates
  shared.type_call = type_call
  shared.model_fields = model_fields
  shared.model_declare = model_declare
end

return declare
