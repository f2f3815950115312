-- SPDX-License-Identifier: MIT
-- The statements that a database runs, for specs that assert on them and their order.
-- local log = sql_log(db); log:clear(); ...; assert.same({ "INSERT ..." }, log:texts())
-- The log ends with the database; log:stop() ends it before.

local trace = require "perilune.trace"

local Log = {}
Log.__index = Log

local function sql_log(db)
  local log = setmetatable({ db = db, records = {} }, Log)
  log.listener = trace.add(db, function(record)
    log.records[#log.records + 1] = {
      statement = record.statement, parameters = record.parameters, changes = record.changes,
      bind_key = record.bind_key,
    }
  end)
  return log
end

function Log:clear() self.records = {} end

function Log:stop() trace.remove(self.db, self.listener) end

--- The texts in order, white space folded; with a pattern only those that match.
function Log:texts(pattern)
  local out = {}
  for _, record in ipairs(self.records) do
    local text = record.statement:gsub("%s+", " ")
    if not pattern or text:find(pattern) then out[#out + 1] = text end
  end
  return out
end

function Log:count(pattern) return #self:texts(pattern) end

function Log:selects() return self:count "^SELECT" end

--- Statements that write rows, each as "INSERT user", "UPDATE post", "DELETE tag".
function Log:writes()
  local out = {}
  for _, text in ipairs(self:texts()) do
    local verb, rest = text:match "^(%u+) (.*)$"
    if verb == "INSERT" or verb == "UPDATE" or verb == "DELETE" then
      local name = rest:gsub("^INTO ", ""):gsub("^FROM ", ""):gsub("^OR %u+ ", "")
        :match "^\"?([%w_]+)"
      out[#out + 1] = verb .. " " .. name
    end
  end
  return out
end

--- How many of them fn() runs.
function Log:during(fn, pattern)
  self:clear()
  fn()
  return self:count(pattern or "^SELECT")
end

return sql_log
