--- Entity-relationship pictures of models or of a database: Mermaid, Graphviz, SVG.
--    print(require "perilune.diagram".draw(db, "mermaid"))
--    perilune db diagram --format svg app.lua > app.svg
-- A picture is made of a list of entities (see `of_models`), which the formats share.
-- @module perilune.diagram
local core = require "perilune.core"
local svg = require "perilune.svg"

local diagram = {}

-- ---- what is drawn ------------------------------------------------------------------

--- A link is to at most one row on the side that refers when its columns are unique there.
local function is_unique(columns, keys)
  for _, key in ipairs(keys) do
    if table.concat(key, "\0") == table.concat(columns, "\0") then return true end
  end
  return false
end

local function add_link(entity, target, columns, keys)
  local optional = false
  for _, column in ipairs(entity.columns) do
    for _, name in ipairs(columns) do
      if column.name == name then
        column.foreign = true
        optional = optional or column.nullable
      end
    end
  end
  table.insert(entity.links, {
    from = entity.name, to = target, columns = columns, optional = optional,
    unique = is_unique(columns, keys),
  })
end

local function type_text(column)
  if (column.length or 0) > 0 then return ("%s(%d)"):format(column.type, column.length) end
  return column.type or "?"
end

local function of_table(t)
  local about = core.table_describe(t)
  local entity = { name = about.name, columns = {}, links = {} }
  local keys = {}
  for _, c in ipairs(about.columns) do
    table.insert(entity.columns, {
      name = c.name, type = type_text(c), primary = c.primary_key, nullable = c.nullable,
      unique = c.unique,
    })
  end
  for _, c in ipairs(about.constraints) do
    if c.kind == "primary" or c.kind == "unique" then keys[#keys + 1] = c.columns end
  end
  for _, index in ipairs(about.indexes) do
    if index.unique and not index.where then keys[#keys + 1] = index.columns end
  end
  for _, c in ipairs(about.constraints) do
    if c.kind == "foreign" then add_link(entity, c.target, c.columns, keys) end
  end
  return entity
end

--- The entities of the models of a db, in the order in which tables refer to each other.
-- @param db
-- @treturn table list of { name =, columns = list of { name =, type =, primary =, foreign =,
-- nullable =, unique = }, links = list of { from =, to =, columns =, optional =, unique = } }
function diagram.of_models(db)
  local out = {}
  for _, t in ipairs((core.db_tables(db, nil, true))) do out[#out + 1] = of_table(t) end
  for _, key in ipairs(core.db_keys(db)) do
    for _, t in ipairs((core.db_tables(db, key, true))) do out[#out + 1] = of_table(t) end
  end
  return out
end

local function of_reflected(inspector, name)
  local entity = { name = name, columns = {}, links = {} }
  local keys, unique = { inspector:get_pk_constraint(name).constrained_columns }, {}
  for _, constraint in ipairs(inspector:get_unique_constraints(name)) do
    keys[#keys + 1] = constraint.column_names
  end
  for _, index in ipairs(inspector:get_indexes(name)) do
    if index.unique and not index.where and not index.expressions then
      keys[#keys + 1] = index.column_names
    end
  end
  for _, key in ipairs(keys) do
    if #key == 1 then unique[key[1]] = true end
  end
  for _, c in ipairs(inspector:get_columns(name)) do
    local primary = c.primary_key > 0
    table.insert(entity.columns, {
      name = c.name, type = c.type ~= "" and c.type or "ANY", primary = primary,
      nullable = c.nullable and not primary, unique = unique[c.name] and not primary,
    })
  end
  for _, key in ipairs(inspector:get_foreign_keys(name)) do
    add_link(entity, key.referred_table, key.constrained_columns, keys)
  end
  return entity
end

--- The entities of the tables that a database has.
-- @param db
-- @treturn table as of_models
function diagram.of_database(db)
  local inspector = require "perilune.reflect".inspector(db)
  local out = {}
  for _, name in ipairs(inspector:get_table_names()) do
    out[#out + 1] = of_reflected(inspector, name)
  end
  return out
end

-- ---- formats ------------------------------------------------------------------------

local formats = {}
diagram.formats = formats

--- A word that Mermaid takes as a name; others are quoted or changed.
local function mermaid_name(name)
  return name:find "^[%a_][%w_]*$" and name or '"' .. name:gsub('"', "'") .. '"'
end

local function mermaid_word(text)
  text = text:gsub("[^%w_()%-]", "_")
  return text:find "^[%a_]" and text or "_" .. text
end

local function keys_of(column)
  local keys = {}
  if column.primary then keys[#keys + 1] = "PK" end
  if column.foreign then keys[#keys + 1] = "FK" end
  if column.unique then keys[#keys + 1] = "UK" end
  return table.concat(keys, ", ")
end

local function each_link(entities)
  return coroutine.wrap(function()
    for _, entity in ipairs(entities) do
      for _, link in ipairs(entity.links) do coroutine.yield(link) end
    end
  end)
end

--- The text of a Mermaid erDiagram.
function formats.mermaid(entities)
  local out = { "erDiagram" }
  for _, entity in ipairs(entities) do
    out[#out + 1] = ("    %s {"):format(mermaid_name(entity.name))
    for _, column in ipairs(entity.columns) do
      local line = ("        %s %s %s"):format(mermaid_word(column.type), mermaid_word(column.name),
        keys_of(column))
      out[#out + 1] = line:gsub("%s+$", "") .. (column.nullable and ' "nullable"' or "")
    end
    out[#out + 1] = "    }"
  end
  for link in each_link(entities) do
    out[#out + 1] = ('    %s %s--%s %s : "%s"'):format(mermaid_name(link.to),
      link.optional and "|o" or "||", link.unique and "o|" or "o{", mermaid_name(link.from),
      table.concat(link.columns, ", "))
  end
  return table.concat(out, "\n") .. "\n"
end

local entities_of_html = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function html(text)
  return (text:gsub('[&<>"]', entities_of_html))
end

local function dot_text(text)
  return '"' .. text:gsub('[\\"]', "\\%0") .. '"'
end

local function dot_row(column)
  local name = html(column.name)
  if column.primary then name = "<u>" .. name .. "</u>" end
  return ('<tr><td align="left" port=%s>%s%s</td><td align="left"><font color="gray40">%s%s</font></td></tr>')
    :format(dot_text(html(column.name)), name, column.foreign and " &#8594;" or "",
      html(column.type), column.nullable and "?" or "")
end

--- The text of a Graphviz graph.
function formats.dot(entities)
  local out = {
    "digraph schema {",
    '  graph [rankdir=LR];',
    '  node [shape=plaintext, fontname="Helvetica", fontsize=11];',
    '  edge [dir=both, color="gray40"];',
  }
  for _, entity in ipairs(entities) do
    local rows = {}
    for i, column in ipairs(entity.columns) do rows[i] = dot_row(column) end
    out[#out + 1] = ('  %s [label=<<table border="0" cellborder="1" cellspacing="0" cellpadding="4">'
      .. '<tr><td colspan="2" bgcolor="gray90"><b>%s</b></td></tr>%s</table>>];')
      :format(dot_text(entity.name), html(entity.name), table.concat(rows))
  end
  for link in each_link(entities) do
    out[#out + 1] = ("  %s -> %s [arrowtail=%s, arrowhead=%s, tooltip=%s];"):format(
      dot_text(link.from), dot_text(link.to), link.unique and "teeodot" or "crowodot",
      link.optional and "teeodot" or "teetee", dot_text(table.concat(link.columns, ", ")))
  end
  out[#out + 1] = "}"
  return table.concat(out, "\n") .. "\n"
end

formats.svg = svg.draw

--- A picture of the models of a db as text.
-- @param db
-- @string[opt="mermaid"] format "mermaid", "dot" or "svg"
-- @tab[opt] entities what to draw instead, from of_models or of_database
-- @treturn string
function diagram.draw(db, format, entities)
  local draw = formats[format or "mermaid"]
  if not draw then
    core.raise("ArgumentError", ("there is no format '%s' of diagrams"):format(tostring(format)),
      "mermaid, dot or svg")
  end
  return draw(entities or diagram.of_models(db))
end

--- `perilune db diagram`.
function diagram.command(words)
  local commands = require "perilune.commands"
  local usage = "db diagram [--format mermaid|dot|svg] app.lua | file.db | URI"
  local given, message = commands.options(words, { format = "FORMAT" })
  if given and given.format and not formats[given.format] then
    given, message = nil, ("there is no format '%s'"):format(given.format)
  end
  if not given or not given[1] then
    return commands.misuse(message or "of which models, or of which database?", usage)
  end
  local target, path = require "perilune.target", given[1]
  local entities
  if require "perilune.ddl".is_database(path) then
    local db <close> = target.open(path)
    entities = diagram.of_database(db)
  else
    entities = diagram.of_models(target.load(path):need_db(path))
  end
  io.stdout:write(diagram.draw(nil, given.format, entities))
  return 0
end

return diagram
