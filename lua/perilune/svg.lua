--- Entity-relationship pictures as SVG, laid out in columns: a table stands to the right of
-- those that it refers to, so lines run from left (one) to right (many) and end in crow's feet.
-- @module perilune.svg

local svg = {}

local letter, row, pad, gap_x, gap_y = 7.3, 19, 10, 90, 26

local escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function text_of(s) return (s:gsub('[&<>"]', escapes)) end

local function width_of(s) return (utf8.len(s) or #s) * letter end

--- How far right each table stands: one step behind the furthest that it refers to. A circle
-- of references is cut where it closes.
local function levels_of(entities, by_name)
  local levels = {}
  local function level(entity, path)
    if levels[entity] then return levels[entity] end
    if path[entity] then return 0 end
    path[entity] = true
    local highest = 0
    for _, link in ipairs(entity.links) do
      local target = by_name[link.to]
      if target and target ~= entity and not path[target] then
        highest = math.max(highest, level(target, path) + 1)
      end
    end
    path[entity] = nil
    levels[entity] = highest
    return highest
  end
  for _, entity in ipairs(entities) do level(entity, {}) end
  return levels
end

--- The mean height of what a table refers to: tables of a level are sorted by it.
local function height_of_targets(entity, by_name, boxes)
  local sum, n = 0, 0
  for _, link in ipairs(entity.links) do
    local box = boxes[by_name[link.to]]
    if box and box.y then
      sum, n = sum + box.y + box.h / 2, n + 1
    end
  end
  return n > 0 and sum / n or 0
end

local function box_of(entity)
  local names, types = 0, 0
  for _, column in ipairs(entity.columns) do
    names = math.max(names, width_of(column.name))
    types = math.max(types, width_of(column.type) + (column.nullable and letter or 0))
  end
  local inner = math.max(names + types + 3 * letter, width_of(entity.name) * 1.1)
  return { w = inner + 2 * pad, h = (#entity.columns + 1) * row + 8, types = types }
end

--- Places the boxes of one level below each other.
local function place(column, x, boxes)
  local y, widest = gap_y, 0
  for _, entity in ipairs(column) do
    local box = boxes[entity]
    box.x, box.y = x, y
    y = y + box.h + gap_y
    widest = math.max(widest, box.w)
  end
  return widest, y
end

local function lay_out(entities, by_name)
  local levels, columns, boxes = levels_of(entities, by_name), {}, {}
  local last = 0
  for _, entity in ipairs(entities) do
    local level = levels[entity]
    last = math.max(last, level)
    columns[level] = columns[level] or {}
    table.insert(columns[level], entity)
    boxes[entity] = box_of(entity)
  end
  local x, height = gap_y, 0
  for level = 0, last do
    local column, wanted, place_of = columns[level] or {}, {}, {}
    for i, entity in ipairs(column) do
      wanted[entity], place_of[entity] = height_of_targets(entity, by_name, boxes), i
    end
    table.sort(column, function(a, b)
      if wanted[a] ~= wanted[b] then return wanted[a] < wanted[b] end
      return place_of[a] < place_of[b]
    end)
    local widest, bottom = place(column, x, boxes)
    x, height = x + widest + gap_x, math.max(height, bottom)
  end
  return boxes, x - gap_x + gap_y, height
end

-- ---- drawing ------------------------------------------------------------------------

local function draw_box(out, entity, box)
  local x, y = box.x, box.y
  out[#out + 1] = ('<rect class="box" x="%.0f" y="%.0f" width="%.0f" height="%.0f" rx="4"/>')
    :format(x, y, box.w, box.h)
  out[#out + 1] = ('<path class="rule" d="M%.0f %.0fh%.0f"/>'):format(x, y + row + 3, box.w)
  out[#out + 1] = ('<text class="name" x="%.0f" y="%.0f">%s</text>')
    :format(x + pad, y + row - 4, text_of(entity.name))
  for i, column in ipairs(entity.columns) do
    local base = y + (i + 1) * row - 1
    local class = column.primary and ' class="key"' or column.foreign and ' class="foreign"' or ""
    out[#out + 1] = ('<text%s x="%.0f" y="%.0f">%s</text>')
      :format(class, x + pad, base, text_of(column.name))
    out[#out + 1] = ('<text class="type" x="%.0f" y="%.0f">%s%s</text>')
      :format(x + box.w - pad - box.types, base, text_of(column.type), column.nullable and "?" or "")
  end
end

--- The height of a column's row in its box; of the title when there is none.
local function height_at(entity, box, name)
  for i, column in ipairs(entity.columns) do
    if column.name == name then return box.y + (i + 0.75) * row end
  end
  return box.y + row / 2
end

local function key_of(entity)
  for _, column in ipairs(entity.columns) do
    if column.primary then return column.name end
  end
end

--- The ends of a line, `d` being the direction in which it leaves the box.
local function many_end(x, y, d)
  return ("M%.0f %.0fL%.0f %.0fM%.0f %.0fL%.0f %.0f"):format(x + d * 10, y, x, y - 6, x + d * 10, y, x, y + 6)
end

local function one_end(x, y, d)
  return ("M%.0f %.0fv12"):format(x + d * 7, y - 6)
end

local function draw_link(out, link, by_name, boxes)
  local from, to = by_name[link.from], by_name[link.to]
  if not to then return end
  local a, b = boxes[to], boxes[from]
  local y1, y2 = height_at(to, a, key_of(to)), height_at(from, b, link.columns[1])
  local x1, x2, d = a.x + a.w, b.x, 1
  if x2 < x1 then x2, d = b.x + b.w, -1 end
  local reach = d == 1 and (x2 - x1) / 2 or 46
  local path = ("M%.0f %.0fC%.0f %.0f %.0f %.0f %.0f %.0f"):format(x1, y1, x1 + reach, y1,
    x2 - d * reach, y2, x2, y2)
  local foot = link.unique and one_end or many_end
  out[#out + 1] = ('<path class="link%s" d="%s"><title>%s.%s to %s</title></path>'):format(
    link.optional and " optional" or "", path, text_of(link.from),
    text_of(table.concat(link.columns, ", ")), text_of(link.to))
  out[#out + 1] = ('<path class="link" d="%s%s"/>'):format(one_end(x1, y1, 1), foot(x2, y2, -d))
end

local style = [[
<style>
text { font: 12px "DejaVu Sans Mono", monospace; fill: #222 }
.name { font-weight: bold }
.key { text-decoration: underline }
.foreign { font-style: italic }
.type { fill: #777 }
.box { fill: #fdfdfb; stroke: #444 }
.rule { stroke: #444; fill: none }
.link { stroke: #36689a; fill: none }
.optional { stroke-dasharray: 5 3 }
</style>]]

--- Draws entities as perilune.diagram makes them.
-- @tab entities
-- @treturn string an SVG document
function svg.draw(entities)
  local by_name = {}
  for _, entity in ipairs(entities) do by_name[entity.name] = entity end
  local boxes, width, height = lay_out(entities, by_name)
  width = math.max(width, 2 * gap_y)
  height = math.max(height, 2 * gap_y)
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f">')
      :format(width, height, width, height),
    style,
    '<rect width="100%" height="100%" fill="white"/>',
  }
  for _, entity in ipairs(entities) do
    for _, link in ipairs(entity.links) do draw_link(out, link, by_name, boxes) end
  end
  for _, entity in ipairs(entities) do draw_box(out, entity, boxes[entity]) end
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

return svg
