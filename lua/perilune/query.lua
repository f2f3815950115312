--- Ends of a query that are built from other queries: count, any, update, delete, explain.
-- Bulk changes keep the session in step: what was loaded is read again when next needed.
local core = require "perilune.core"
local shared = core.shared()
local namespace = core.namespace
local methods = core.class_methods "perilune.Query"

local query = {}

--- SELECT count(*) over a query as a derived table (its order does not matter).
function shared.wrap_count(q)
  local rows = q:order_by(nil):subquery()
  return namespace.select(namespace.func.count()):select_from(rows)
end

--- SELECT EXISTS (query).
function shared.wrap_any(q)
  return namespace.select(q:order_by(nil):exists())
end

--- The plan of a query as SQLite explains it.
-- @return a table { {id =, parent =, detail =}, ...}; tostring gives an indented tree, with a
-- hint at each scan that an index would spare.
function query.explain(q)
  local text, params = q:sql()
  local session = core.query_db(q).session
  local rows = session:execute(namespace.text("EXPLAIN QUERY PLAN " .. text, params))
  local plan = setmetatable({}, query.plan)
  for i, row in ipairs(rows) do plan[i] = { id = row[1], parent = row[2], detail = row[4] } end
  return plan
end

query.plan = { __name = "perilune.Plan" }

function query.plan.__tostring(plan)
  local depth, lines = { [0] = -1 }, {}
  for _, step in ipairs(plan) do
    depth[step.id] = (depth[step.parent] or -1) + 1
    local line = ("  "):rep(depth[step.id]) .. step.detail
    local scanned = step.detail:match "^SCAN ([%w_]+)$"
    if scanned then line = line .. "   -- reads every row of " .. scanned end
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n")
end

methods.explain = query.explain

return query
