--- Plugin: when a row was made and when it was last changed.
--    __plugins__ = { "timestamps" }            -- created_at, updated_at
--    __plugins__ = { timestamps = { created = "born", updated = false } }
-- Options: `created` and `updated` name the columns; false leaves one out.
-- @module perilune.plugins.timestamps
local core = require "perilune.core"
local namespace = core.namespace

local function now() return namespace.datetime.now() end

local function column_name(options, which)
  local name = options[which]
  if name == nil then return which .. "_at" end
  if name ~= false and type(name) ~= "string" then
    core.raise("ArgumentError", ("timestamps: %s must be a column's name or false, got %s"):format(which, type(name)))
  end
  return name
end

return {
  name = "timestamps",

  apply = function(fields, options)
    for which in pairs(options) do
      if which ~= "created" and which ~= "updated" then
        core.raise("ArgumentError", ("timestamps: unknown option '%s'"):format(tostring(which)), "created, updated")
      end
    end
    local created, updated = column_name(options, "created"), column_name(options, "updated")
    if created then
      fields[created] = fields[created]
        or namespace.Column { namespace.DateTime, default = now, nullable = false }
    end
    if updated then
      fields[updated] = fields[updated]
        or namespace.Column { namespace.DateTime, default = now, onupdate = now, nullable = false }
    end
  end,

  configure = function(model, options)
    local members, updated = core.model_members(model), column_name(options, "updated")
    if updated and members.touch == nil then
      function members.touch(self) self[updated] = now() end
    end
  end,
}
