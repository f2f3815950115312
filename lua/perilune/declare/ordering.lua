--- Ordering lists: a relationship whose objects keep their place in a column.
--    bullets = db.relationship{"Bullet", order_by = "position",
--                              collection_class = db.ordering_list "position"}
-- Objects get their numbers as they are appended, inserted, moved or removed; what came into a
-- list that was not loaded, from the other side, gets its number when the session flushes.
local core = require "perilune.core"
local check = require "perilune.declare.check"
local fail, check_options, set = check.fail, check.options, check.set

local M = {}

local Ordering = { __name = "perilune.OrderingList" }

--- db.ordering_list(attribute [, {count_from = 0}]): for relationship's collection_class.
-- @string attribute an integer attribute of the objects in the list
-- @tab[opt] options count_from = number of the first
function M.ordering_list(attribute, options)
  if type(attribute) == "table" then attribute, options = attribute[1], { count_from = attribute.count_from } end
  if type(attribute) ~= "string" then
    fail("ArgumentError", "db.ordering_list needs the name of an integer attribute")
  end
  check_options("db.ordering_list", options or {}, set "count_from")
  local from = options and options.count_from or 0
  if math.type(from) ~= "integer" then
    fail("ArgumentError", "db.ordering_list: count_from must be a whole number, got " .. tostring(from))
  end
  return setmetatable({ attribute = attribute, from = from }, Ordering)
end

--- Raises for a collection_class that is something else.
function M.check(value)
  if value == nil or getmetatable(value) == Ordering then return end
  fail("ArgumentError", "relationship: collection_class takes db.ordering_list(...), got " .. type(value))
end

--- Numbers the lists of a db that something was put into.
local function settle(d)
  for owner, lists in pairs(d.ordering) do
    d.ordering[owner] = nil
    for name in pairs(lists) do owner[name]:reorder() end
  end
end

local function mark(d, owner, name)
  d.ordering[owner] = d.ordering[owner] or {}
  d.ordering[owner][name] = true
end

--- Makes a relationship of a model number what came into it unloaded.
function M.attach(db, model, name)
  local event = require "perilune.event"
  local d = core.db_table(db)
  if not d.ordering then
    d.ordering = setmetatable({}, { __mode = "k" })
    event.listen(db, "before_flush", function() settle(d) end)
  end
  event.listen_attribute(model, name, "append", function(owner) mark(d, owner, name) end)
end

return M
