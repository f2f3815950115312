--- Plugin: deleting an object marks its row, and queries pass over marked rows.
--    __plugins__ = { "soft_delete" }                       -- deleted_at
--    db.session:delete(post)  db.session:commit()          -- an UPDATE
--    Post.query:all()                                      -- without it
--    Post.with_deleted():all()  Post.only_deleted():all()
--    post:restore()
-- Options: `column` names the column. Relationships, joins and EXISTS pass over marked rows,
-- too; get() finds them by key. `query:delete()` and raw SQL delete for good, and so does
-- `post:destroy()`.
-- @module perilune.plugins.soft_delete
local core = require "perilune.core"
local event = require "perilune.event"
local namespace = core.namespace

local columns = setmetatable({}, { __mode = "k" }) -- model -> name of its column

local function column_of(object)
  local model = core.model_of(object)
  while model and not columns[model] do model = model.__parent__ end
  return model and columns[model]
end

--- Takes the marked objects out of those that the flush is going to delete.
local function keep_rows(session)
  local d = core.db_table(session.db)
  for _, object in ipairs(session.deleted) do
    local column = column_of(object)
    if column and not d.destroyed[object] then
      session:add(object)
      object[column] = namespace.datetime.now()
    end
  end
end

--- A query of the model as if the plugin were not there.
local function unrestricted(model)
  local criterion = model[columns[model]]:is(nil)
  core.model_criterion(model, nil)
  local ok, q = pcall(namespace.select, model)
  core.model_criterion(model, criterion)
  if not ok then error(q, 0) end
  return q
end

return {
  name = "soft_delete",

  apply = function(fields, options)
    local column = options.column or "deleted_at"
    if type(column) ~= "string" then
      core.raise("ArgumentError", "soft_delete: column must be a name, got " .. type(column))
    end
    fields[column] = fields[column] or namespace.Column { namespace.DateTime, index = true }
  end,

  configure = function(model, options, db)
    local d = core.db_table(db)
    columns[model] = options.column or "deleted_at"
    core.model_criterion(model, model[columns[model]]:is(nil))
    if d.destroyed then return end
    d.destroyed = setmetatable({}, { __mode = "k" })
    event.listen(db, "before_flush", keep_rows)
    event.listen(db, "after_rollback", function() d.destroyed = setmetatable({}, { __mode = "k" }) end)
  end,

  class_methods = {
    with_deleted = function(model) return unrestricted(model) end,
    only_deleted = function(model)
      return unrestricted(model):where(model[columns[model]]:is_not(nil))
    end,
  },

  instance_methods = {
    is_deleted = function(self) return self[column_of(self)] ~= nil end,
    restore = function(self) self[column_of(self)] = nil end,
    destroy = function(self)
      local db = require "perilune.declare".info[core.model_of(self)].db
      core.db_table(db).destroyed[self] = true
      db.session:delete(self)
    end,
  },
}
