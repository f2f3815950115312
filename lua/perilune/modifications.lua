--- Telling what a commit changed: TRACK_MODIFICATIONS.
-- With it, two more session events exist: before_models_committed and models_committed. Their
-- handlers get the session and a list of { object, "insert" | "update" | "delete" }, in the
-- order in which the objects were first changed.
--    app.config.TRACK_MODIFICATIONS = true
--    db.event.listen(db, "models_committed", function(session, changes) ... end)
-- @module perilune.modifications
local core = require "perilune.core"
local event = require "perilune.event"
local shared = core.shared()

local modifications = {}

--- What the open transaction of a session has changed so far.
local function changes_of(d, session)
  local changes = d.changes[session]
  if not changes then
    changes = { places = {} }
    d.changes[session] = changes
  end
  return changes
end

local function note(changes, objects, operation)
  for _, object in ipairs(objects) do
    local at = changes.places[object]
    if not at then
      at = #changes + 1
      changes.places[object] = at
      changes[at] = { object, operation }
    elseif operation == "delete" then
      changes[at][2] = operation
    end
  end
end

local function record(d, session)
  local changes = changes_of(d, session)
  note(changes, session.new, "insert")
  note(changes, session.dirty, "update")
  note(changes, session.deleted, "delete")
  return changes
end

local function tell(name, session, changes)
  if #changes == 0 then return end
  shared.events.session(name, session, table.move(changes, 1, #changes, 1, {}))
end

local handlers = {}

function handlers.before_flush(d, session) record(d, session) end

function handlers.before_commit(d, session)
  if session:in_nested_transaction() then return end
  tell("before_models_committed", session, record(d, session))
end

function handlers.after_commit(d, session)
  if session:in_transaction() then return end
  local changes = changes_of(d, session)
  d.changes[session] = nil
  tell("models_committed", session, changes)
end

--- What a savepoint took back is told of no more: its new objects have no row, what it
-- deleted has one.
local function forget(changes)
  local left = { places = {} }
  for i = 1, #changes do
    local object, operation = changes[i][1], changes[i][2]
    if (core.object_state(object) == "deleted") == (operation == "delete") and core.object_identity(object) then
      left[#left + 1] = changes[i]
      left.places[object] = #left
    end
  end
  return left
end

function handlers.after_rollback(d, session)
  local changes = d.changes[session]
  d.changes[session] = changes and session:in_transaction() and forget(changes) or nil
end

--- Starts or stops telling for a db.
function modifications.track(db, on)
  local d = core.db_table(db)
  d.track_modifications = on
  if not on or d.changes then return end
  d.changes = setmetatable({}, { __mode = "k" })
  for name, fn in pairs(handlers) do
    event.listen(db, name, function(session)
      if d.track_modifications then fn(d, session) end
    end)
  end
end

return modifications
