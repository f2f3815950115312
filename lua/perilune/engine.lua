--- Engines: the databases of a db object, as `db.engine`, `db.engines` and `db.metadata`.
-- @module perilune.engine
local core = require "perilune.core"
local null = core.namespace.null

local engine = {}

--- One database: the default one or a bind.
-- @type Engine
-- @field url its URI, a relative file made absolute, without the password
-- @field path the file, nil for a database in memory
-- @field bind_key nil for the default database
-- @field db
local Engine = {}

local meta = { __name = "perilune.Engine" }

local fields = {}

local function uri(self)
  return core.db_uri(self.db, self.bind_key, self.site)
end

function fields.url(self)
  local url, path = uri(self)
  if not url or not path or path:find "^file:" then return url end
  return (url:gsub("^(sqlite[^/]*:///)[^?]*", function(scheme) return scheme .. path end, 1))
end

function fields.path(self)
  return select(2, uri(self))
end

function fields.dialect(self)
  return uri(self):match "^(%w+)"
end

function fields.name(self) return fields.dialect(self) end

function meta.__index(self, key)
  local field = fields[key]
  if field then return field(self) end
  return Engine[key]
end

--- Closes the connections that no session uses. A database in memory is gone then.
function Engine:dispose()
  if getmetatable(self) ~= meta then
    core.raise("TypeError", "an Engine expected as the object of 'dispose'",
      "call it with a colon: db.engine:dispose()")
  end
  core.db_dispose(self.db, self.bind_key, self.site)
end

function meta.__tostring(self)
  return ("Engine(%s)"):format(self.url)
end

--- Whether a value is an Engine.
function engine.is(value)
  return type(value) == "table" and getmetatable(value) == meta
end

--- The engines of a site: a table bind key -> Engine, the default one under db.null.
-- @param db
-- @int site number of the app, 0 without one
function engine.all(db, site)
  local d = core.db_table(db)
  d.engines = d.engines or {}
  d.engines[site] = d.engines[site] or {}
  local made = d.engines[site]
  local function make(key)
    if core.db_uri(db, key, site) and not made[key or null] then
      made[key or null] = setmetatable({ db = db, bind_key = key, site = site }, meta)
    end
  end
  make(nil)
  for _, key in ipairs(core.db_keys(db)) do make(key) end
  return made
end

-- ---- metadata ---------------------------------------------------------------------

--- The tables declared for one database.
-- @type Metadata
-- @field tables name -> Table
-- @field sorted_tables list, those that others refer to first
-- @field bind_key nil for the default database
local Metadata = {}

local metadata_meta = { __name = "perilune.Metadata" }

local metadata_fields = {}

function metadata_fields.tables(self)
  local tables = {}
  for _, t in ipairs((core.db_tables(self.db, self.bind_key))) do tables[t.name] = t end
  return tables
end

function metadata_fields.sorted_tables(self)
  return (core.db_tables(self.db, self.bind_key, true))
end

function metadata_meta.__index(self, key)
  local field = metadata_fields[key]
  if field then return field(self) end
  return Metadata[key]
end

function metadata_meta.__tostring(self)
  return ("Metadata(%s)"):format(self.bind_key or "")
end

local function where(self, options)
  local given = { bind = self.bind_key or null }
  for k, v in pairs(options or {}) do given[k] = v end
  return given
end

--- As db:create_all, for this database only.
function Metadata:create_all(options) return self.db:create_all(where(self, options)) end

--- As db:drop_all, for this database only.
function Metadata:drop_all(options) return self.db:drop_all(where(self, options)) end

--- The CREATE statements of all its tables as text.
function Metadata:ddl() return core.create_text(self.db, self.bind_key) end

--- Whether a value is a Metadata.
function engine.is_metadata(value)
  return type(value) == "table" and getmetatable(value) == metadata_meta
end

--- The metadata of a bind key (nil: the default database).
function engine.metadata(db, key)
  local d = core.db_table(db)
  d.metadata = d.metadata or {}
  local made = d.metadata[key or null]
  if not made then
    made = setmetatable({ db = db, bind_key = key }, metadata_meta)
    d.metadata[key or null] = made
  end
  return made
end

--- All of them: bind key -> Metadata, the default one under db.null.
function engine.metadatas(db)
  local all = { [null] = engine.metadata(db) }
  for _, key in ipairs(core.db_keys(db)) do all[key] = engine.metadata(db, key) end
  return all
end

return engine
