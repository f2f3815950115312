--- What the Lua side knows of each model: db, table, parent, name, spec, scopes, listeners.
-- Weak in the models.
return setmetatable({}, { __mode = "k" })
