--- What the Lua side knows of each model; weak in the models.
-- @module perilune.declare.info

--- model -> { db =, table =, parent =, name =, spec =, scopes =, listeners = }
-- @table info
local info = setmetatable({}, { __mode = "k" })

return info
