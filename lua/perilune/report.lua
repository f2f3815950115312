--- The report of what was queried from where, at the end of a script.
-- Statements are counted by their text and the line of the script that ran them. The report
-- tells of queries repeated for row after row (N+1), of queries repeated as they were, of
-- relationships loaded with a query and never read, of slow statements, and of scans that an
-- index would spare, with that index.
-- @module perilune.report
local core = require "perilune.core"
local trace = require "perilune.trace"
local shared = core.shared()

local report = {}

local repeats_for_n_plus_1 = 3
local slow_ms = 50
local longest = 110

-- ---- gathering ------------------------------------------------------------------------

--- What was seen of one db: the places that ran statements, and uses of relationships.
-- @type Gathering
-- @field db the db object
-- @field sites list of { statement =, location =, count =, ms =, slowest =, bind_key =, params =
-- number of different ones }, in order of first use
-- @field duplicates list of { statement =, location =, count = }
-- @field eager list of { label = of a relationship, location =, count =, used = read later }
-- @field read label -> how often it was read
local Gathering = {}

local meta = { __name = "perilune.Gathering", __index = Gathering }

--- One text for statements that differ in the number of their parameters only.
local function shape_of(sql)
  sql = sql:gsub("%s+", " ")
  sql = sql:gsub("%(%?[%s,?]*%)", "(?)")
  return (sql:gsub("%(%?%)[%s,(?)]*%(%?%)", "(?)"))
end

local function key_of(record)
  local parts = {}
  for _, value in ipairs(record.parameters) do
    parts[#parts + 1] = math.type(value) or type(value)
    parts[#parts + 1] = tostring(value)
  end
  return table.concat(parts, "\0")
end

local function is_read(sql)
  return sql:find "^%s*SELECT" ~= nil or sql:find "^%s*WITH" ~= nil
end

--- The same statement with the same values, and nothing written in between.
local function note_duplicate(self, record, key)
  if not is_read(record.statement) then
    self.since_write = {}
    return
  end
  local full = record.statement .. "\0" .. key
  local seen = self.since_write[full]
  if not seen then
    self.since_write[full] = { statement = record.statement, location = record.location, count = 1 }
    return
  end
  seen.count = seen.count + 1
  seen.again = seen.again or record.location
  if seen.count == 2 then table.insert(self.duplicates, seen) end
end

local function note(self, record)
  if record.changes < 0 then return end
  local shape = shape_of(record.statement)
  local id = record.location .. "\0" .. shape
  local site = self.by_id[id]
  if not site then
    site = { statement = shape, sql = record.statement, location = record.location, count = 0, ms = 0,
             slowest = 0, bind_key = record.bind_key, values = {}, params = 0 }
    self.by_id[id] = site
    table.insert(self.sites, site)
  end
  local ms, key = record.duration * 1000, key_of(record)
  site.count, site.ms = site.count + 1, site.ms + ms
  site.slowest = math.max(site.slowest, ms)
  if not site.values[key] then
    site.values[key] = true
    site.params = site.params + 1
  end
  note_duplicate(self, record, key)
end

--- Begins to gather the statements of a db.
-- @param db
-- @treturn Gathering which `stop` ends
function report.gather(db)
  local self = setmetatable({
    db = db, sites = {}, by_id = {}, duplicates = {}, since_write = {}, eager = {}, pending = {},
    loaded = setmetatable({}, { __mode = "k" }),
  }, meta)
  self.listener = trace.add(db, function(record)
    if not self.paused then note(self, record) end
  end)
  return self
end

--- Ends it.
function Gathering:stop() trace.remove(self.db, self.listener) end

--- Places where one statement was run again and again for other values: what a loop over
-- objects does that asks for something of each.
-- @int[opt=3] least how often
-- @treturn table list of sites
function Gathering:n_plus_one(least)
  local out = {}
  for _, site in ipairs(self.sites) do
    if is_read(site.statement) and site.params >= (least or repeats_for_n_plus_1)
      and site.statement:find("?", 1, true) and not site.statement:find "FROM sqlite_master" then
      out[#out + 1] = site
    end
  end
  return out
end

-- ---- of the whole script ----------------------------------------------------------------

local gatherings = {}

--- The objects that the last eager load filled belong to its place.
local function settle(self, label, seen)
  for object in pairs(self.pending[label] or {}) do
    local places = self.loaded[object] or {}
    self.loaded[object], places[label] = places, seen
  end
  self.pending[label] = nil
end

--- Uses of relationships, as the C side tells them: one is "read" of an object, was "loaded"
-- with it, and then "eager" once for all the objects of one load.
local function relation_used(use, model, name, object)
  local label = model .. "." .. name
  for _, self in ipairs(gatherings) do
    if use == "read" then
      local places = self.loaded[object]
      if places and places[label] then places[label].used = true end
    elseif use == "loaded" then
      self.pending[label] = self.pending[label] or {}
      self.pending[label][object] = true
    elseif core.db_closed(self.db) == false and core.db_table(self.db).models[model] then
      local location = trace.location()
      local id = label .. "\0" .. location
      local seen = self.eager[id]
      if not seen then
        seen = { label = label, location = location, count = 0, used = false }
        self.eager[id] = seen
        table.insert(self.eager, seen)
      end
      seen.count = seen.count + 1
      settle(self, label, seen)
    end
  end
end

-- ---- words ------------------------------------------------------------------------------

local function cut(sql)
  if #sql <= longest then return sql end
  local head = sql:match "^SELECT (.-) FROM "
  if head and #head > 30 then sql = sql:gsub("^SELECT .- FROM ", "SELECT … FROM ", 1) end
  return #sql <= longest and sql or sql:sub(1, utf8.offset(sql, 1, longest)) .. "…"
end

local function add(out, text, ...) out[#out + 1] = text:format(...) end

--- How many times, in a word.
local function times(n)
  return n == 1 and "once" or n == 2 and "twice" or ("%d times"):format(n)
end

--- The relationship whose rows a statement fetches one by one, "User.posts".
local function relationship_of(db, sql)
  sql = sql:gsub(" IN %(%?%)", " = ?")
  local target, column = sql:match 'FROM "?([%w_]+)"? WHERE ["%w_]+%."?([%w_]+)"? = %?'
  if not target then target, column = sql:match 'FROM "?([%w_]+)"? WHERE "?([%w_]+)"? = %?' end
  for _, model in ipairs(target and core.db_table(db).models or {}) do
    local about = core.model_describe(model)
    for _, relation in ipairs(about.relationships) do
      local other = core.db_table(db).models[relation.target]
      if other and other.__tablename__ == target then
        local own = relation.direction == "one-to-many" and column:find("_id$")
        local key = relation.direction == "many-to-one"
          and core.model_describe(other).primary_key[1] == column
        if own or key then return about.name .. "." .. relation.name end
      end
    end
  end
end

local function by_time(a, b)
  if a.ms ~= b.ms then return a.ms > b.ms end
  return a.location < b.location
end

local function add_totals(self, out)
  local count, ms, sorted = 0, 0, {}
  for i, site in ipairs(self.sites) do
    count, ms, sorted[i] = count + site.count, ms + site.ms, site
  end
  add(out, "%d %s from %d %s, %.1f ms", count, count == 1 and "statement" or "statements", #sorted,
    #sorted == 1 and "place" or "places", ms)
  table.sort(sorted, by_time)
  for i = 1, math.min(#sorted, 15) do
    local site = sorted[i]
    add(out, "  %7.1f ms %6d ×  %s", site.ms, site.count, site.location)
    add(out, "                       %s", cut(site.statement))
  end
  if #sorted > 15 then add(out, "  … %d more places", #sorted - 15) end
end

local function add_n_plus_one(self, out)
  for _, site in ipairs(self:n_plus_one()) do
    add(out, "N+1: the same query for %d different values at %s", site.params, site.location)
    add(out, "  %s", cut(site.statement))
    local relation = relationship_of(self.db, site.statement)
    if relation then
      add(out, "  one query for all: options(db.selectinload(%s)) on the query before the loop", relation)
    else
      add(out, "  one query for all: ask for a list of values, :in_{...}, before the loop")
    end
  end
end

local function add_duplicates(self, out)
  for _, seen in ipairs(self.duplicates) do
    add(out, "duplicate: the same query with the same values %s at %s%s", times(seen.count), seen.location,
      seen.again ~= seen.location and " and " .. seen.again or "")
    add(out, "  %s", cut(seen.statement))
  end
end

local function add_eager(self, out)
  for _, seen in ipairs(self.eager) do
    if not seen.used then
      add(out, "unused eager load: %s was loaded with its objects %s and not read afterwards, at %s",
        seen.label, times(seen.count), seen.location)
    end
  end
end

local function add_slow(self, out)
  for _, site in ipairs(self.sites) do
    if site.slowest >= slow_ms then
      add(out, "slow: %.0f ms at %s", site.slowest, site.location)
      add(out, "  %s", cut(site.statement))
    end
  end
end

--- Statements by text, so that a plan is made once.
local function add_scans(self, out)
  local seen = {}
  for _, site in ipairs(self.sites) do
    local key = site.statement .. "\0" .. (site.bind_key or "")
    if not seen[key] and site.statement:find "WHERE" or site.statement:find "ORDER BY" then
      local ok, found = pcall(require "perilune.advice".missing, self.db, site.sql, nil, site.bind_key)
      for _, index in ipairs(ok and found or {}) do
        add(out, "full scan of %s (%s) at %s", index.table, times(site.count), site.location)
        add(out, "  %s", cut(site.statement))
        add(out, "  an index would spare it: %s", index.create)
      end
    end
    seen[key] = true
  end
end

--- The report as text.
-- @treturn string
function Gathering:text()
  local out = {}
  self.paused = true
  add_totals(self, out)
  add_n_plus_one(self, out)
  add_duplicates(self, out)
  add_eager(self, out)
  add_slow(self, out)
  if not core.db_closed(self.db) then add_scans(self, out) end
  self.paused = false
  return table.concat(out, "\n") .. "\n"
end

-- ---- --report ---------------------------------------------------------------------------

--- In a context of the db's app, if it has one: plans are asked for after the script's own.
local function within_app(db, fn)
  local d = core.db_table(db)
  local app = d.bound and next(d.apps)
  if not app or require "perilune.context".current() then return fn() end
  return app:app_context(fn)
end

local function finish(self)
  if self.finished then return end
  self.finished = true
  local ok, text = pcall(within_app, self.db, function() return self:text() end)
  io.stdout:flush()
  io.stderr:write("\n-- report of ", core.db_closed(self.db) and "a closed database" or tostring(self.db),
    "\n", ok and text or "no report: " .. tostring(text) .. "\n")
end

local function finish_all()
  for _, self in ipairs(gatherings) do finish(self) end
end

--- The report is printed at the end of the script, also by os.exit, and when a db closes.
local function arrange()
  local program = core.program()
  local leave, exit = program.leave, os.exit
  function program.leave(ok)
    finish_all()
    if leave then leave(ok) end
  end
  -- luacheck: push ignore 122
  function os.exit(...)
    finish_all()
    return exit(...)
  end
  -- luacheck: pop
  function shared.closing(db)
    for _, self in ipairs(gatherings) do
      if self.db == db then finish(self) end
    end
  end
  shared.relation_used = relation_used
end

--- Called for each db that a script makes under --report.
function report.watch(db)
  if shared.unwatched then return end
  for _, self in ipairs(gatherings) do
    if self.db == db then return end
  end
  if #gatherings == 0 then arrange() end
  gatherings[#gatherings + 1] = report.gather(db)
  core.db_set(db, { reporting = true })
end

return report
