-- SPDX-License-Identifier: MIT
-- The reference pages: what a script can call has an entry there.

require "perilune"
local core = require "perilune.core"

--- Texts of the pages: those made of the C sources, those written by hand, the Lua modules.
local function pages()
  local folder = os.tmpname()
  os.remove(folder)
  finally(function() os.execute("rm -rf " .. folder) end)
  assert.truthy(os.execute("mkdir " .. folder .. " && cp lua/doc/*.luadoc " .. folder
    .. " && lua5.4 lua/docs.lua " .. folder .. " bindings/userdata/*.c"))
  local pipe = assert(io.popen("cat " .. folder .. "/*.luadoc lua/perilune/*.lua"))
  local text = pipe:read "a"
  pipe:close()
  return text
end

--- Other names of what has an entry.
local aliases = {
  ["Query:filter"] = true, ["Expression:is_"] = true,
  ["Expression:as"] = true, ["Expression:is_distinct_from"] = true,
  ["Expression:is_not_distinct_from"] = true, ["Expression:notlike"] = true,
  ["Expression:notilike"] = true, ["Expression:notin_"] = true, ["Expression:regexp_match"] = true,
  ["Query:as_scalar"] = true, ["Query:except_"] = true, ["Session:remove"] = true,
  ["Statement:filter"] = true,
  -- of the class of db.text
  ["Statement:bindparams"] = true, ["Statement:columns"] = true, ["Statement:subquery"] = true,
}

describe("the reference pages", function()
  it("have every method of the classes", function()
    local text, missing = pages(), {}
    local function check(class, methods)
      for name in pairs(methods) do
        local entry = class .. ":" .. name
        if not aliases[entry] and not text:find("@function " .. entry .. "%f[^%w_]") then
          missing[#missing + 1] = entry
        end
      end
    end
    for _, class in ipairs { "Query", "Expression", "Collection", "List", "Statement" } do
      check(class, core.class_methods("perilune." .. class))
    end
    check("Session", core.shared().session_methods)
    table.sort(missing)
    assert.same({}, missing)
  end)

  it("have every constructor that the contract of a db names", function()
    local text = pages()
    for name in ([[Model Table Column ForeignKey ForeignKeyConstraint UniqueConstraint
      PrimaryKeyConstraint CheckConstraint Index relationship backref hybrid synonym column_property
      validates association_proxy type datetime date time interval decimal select insert update delete
      text and_ or_ not_ case cast extract literal alias aliased tuple_ values exists joinedload
      selectinload subqueryload lazyload raiseload noload contains_eager defer undefer load_only]])
      :gmatch "%S+" do
      assert.truthy(text:find("@function db." .. name .. "%f[^%w_]"), name)
    end
  end)
end)
