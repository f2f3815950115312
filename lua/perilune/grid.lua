--- Values in aligned columns, as a terminal shows them: names, types, rows, NULLs.
-- Widths are counted in cells: a wide character has two, a combining one none.
-- @module perilune.grid
local grid = {}

--- NULL among the values of a row.
grid.null = setmetatable({}, { __tostring = function() return "NULL" end })

-- ---- widths -------------------------------------------------------------------------

-- Ranges of code points without a width of their own, and of wide ones; sorted.
local zero = {
  { 0x0300, 0x036F }, { 0x0483, 0x0489 }, { 0x0591, 0x05BD }, { 0x05BF, 0x05BF },
  { 0x05C1, 0x05C2 }, { 0x05C4, 0x05C5 }, { 0x0610, 0x061A }, { 0x064B, 0x065F },
  { 0x0670, 0x0670 }, { 0x06D6, 0x06DC }, { 0x06DF, 0x06E4 }, { 0x06E7, 0x06E8 },
  { 0x06EA, 0x06ED }, { 0x0900, 0x0902 }, { 0x093A, 0x093A }, { 0x093C, 0x093C },
  { 0x0941, 0x0948 }, { 0x094D, 0x094D }, { 0x0E31, 0x0E31 }, { 0x0E34, 0x0E3A },
  { 0x0E47, 0x0E4E }, { 0x1AB0, 0x1AFF }, { 0x1DC0, 0x1DFF }, { 0x200B, 0x200F },
  { 0x202A, 0x202E }, { 0x2060, 0x2064 }, { 0x20D0, 0x20FF }, { 0x302A, 0x302D },
  { 0x3099, 0x309A }, { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F }, { 0xFEFF, 0xFEFF },
  { 0x1F3FB, 0x1F3FF }, { 0xE0100, 0xE01EF },
}

local wide = {
  { 0x1100, 0x115F }, { 0x231A, 0x231B }, { 0x2329, 0x232A }, { 0x23E9, 0x23EC },
  { 0x25FD, 0x25FE }, { 0x2614, 0x2615 }, { 0x2648, 0x2653 }, { 0x26AA, 0x26AB },
  { 0x26BD, 0x26BE }, { 0x26C4, 0x26C5 }, { 0x2705, 0x2705 }, { 0x2728, 0x2728 },
  { 0x274C, 0x274C }, { 0x2753, 0x2755 }, { 0x2795, 0x2797 }, { 0x2B1B, 0x2B1C },
  { 0x2B50, 0x2B50 }, { 0x2E80, 0x303E }, { 0x3041, 0x33FF }, { 0x3400, 0x4DBF },
  { 0x4E00, 0x9FFF }, { 0xA000, 0xA4CF }, { 0xA960, 0xA97F }, { 0xAC00, 0xD7A3 },
  { 0xF900, 0xFAFF }, { 0xFE30, 0xFE6F }, { 0xFF00, 0xFF60 }, { 0xFFE0, 0xFFE6 },
  { 0x1F300, 0x1F64F }, { 0x1F680, 0x1F6FF }, { 0x1F900, 0x1F9FF }, { 0x1FA70, 0x1FAFF },
  { 0x20000, 0x3FFFD },
}

local function within(ranges, code)
  local low, high = 1, #ranges
  while low <= high do
    local middle = (low + high) // 2
    local range = ranges[middle]
    if code < range[1] then
      high = middle - 1
    elseif code > range[2] then
      low = middle + 1
    else
      return true
    end
  end
  return false
end

local function width_of_code(code)
  if code < 0x300 then return 1 end
  if within(zero, code) then return 0 end
  return within(wide, code) and 2 or 1
end

--- Cells that a text takes on a terminal.
-- @string text valid UTF-8 without control characters
function grid.width(text)
  if not text:find "[\128-\255]" then return #text end
  local cells = 0
  for _, code in utf8.codes(text) do cells = cells + width_of_code(code) end
  return cells
end

--- A text cut to a number of cells, with an ellipsis where something is missing.
function grid.cut(text, cells)
  if grid.width(text) <= cells then return text end
  local used = 0
  for at, code in utf8.codes(text) do
    local w = width_of_code(code)
    if used + w > cells - 1 then return text:sub(1, at - 1) .. "…" end
    used = used + w
  end
  return text
end

-- ---- cells --------------------------------------------------------------------------

local escapes = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r" }

--- A value as it stands in a cell: on one line, and nothing that moves the cursor.
function grid.text(value)
  if value == nil or value == grid.null then return "NULL" end
  if type(value) == "string" then
    if value == "NULL" then return "'NULL'" end
    if not utf8.len(value) then
      local shown = value:sub(1, 32):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
      return ("x'%s%s'"):format(shown, #value > 32 and "…" or "")
    end
  else
    value = tostring(value)
    if not utf8.len(value) then value = value:gsub("[\128-\255]", "?") end
  end
  return (value:gsub("%c", function(c) return escapes[c] or ("\\%d"):format(c:byte()) end))
end

local numeric = { integer = true, float = true, numeric = true, double = true, biginteger = true,
  smallinteger = true }

-- ---- laying out ---------------------------------------------------------------------

local widest_cell, narrowest = 60, 6

--- Makes the widest columns narrower until the line fits.
local function fit(widths, room)
  local total = 2 * (#widths - 1)
  for _, w in ipairs(widths) do total = total + w end
  while room and total > room do
    local widest = 1
    for i, w in ipairs(widths) do
      if w > widths[widest] then widest = i end
    end
    if widths[widest] <= narrowest then return end
    widths[widest] = widths[widest] - 1
    total = total - 1
  end
end

local function pad(text, width, right)
  text = grid.cut(text, width)
  local space = (" "):rep(width - grid.width(text))
  return right and space .. text or text .. space
end

local function line_of(cells, widths, right)
  local out = {}
  for i = 1, #widths do out[i] = pad(cells[i], widths[i], right and right[i]) end
  return (table.concat(out, "  "):gsub("%s+$", ""))
end

--- Draws rows below their names and types.
-- @tab about names = list, types = list or nil, rows = list of lists (grid.null for NULL), more =
-- rows that are not shown, noun = what the last line counts ("rows")
-- @int[opt] room cells of a line
-- @treturn string with a newline at its end
function grid.draw(about, room)
  local names, types = about.names, about.types
  local widths, right, texts = {}, {}, {}
  for i, name in ipairs(names) do
    widths[i] = math.max(grid.width(grid.text(name)), types and grid.width(types[i] or "") or 0)
    right[i] = #about.rows > 0
  end
  for r, row in ipairs(about.rows) do
    texts[r] = {}
    for i = 1, #names do
      local value = row[i]
      texts[r][i] = grid.text(value)
      widths[i] = math.min(math.max(widths[i], grid.width(texts[r][i])), widest_cell)
      if value ~= nil and value ~= grid.null and type(value) ~= "number"
        and not (types and numeric[types[i]]) then
        right[i] = false
      end
    end
  end
  fit(widths, room)
  local out, rules = { line_of(names, widths, right) }, {}
  if types then
    local given = {}
    for i = 1, #names do given[i] = types[i] or "" end
    out[2] = line_of(given, widths, right)
  end
  for i, w in ipairs(widths) do rules[i] = ("─"):rep(w) end
  out[#out + 1] = table.concat(rules, "  ")
  for r = 1, #texts do out[#out + 1] = line_of(texts[r], widths, right) end
  local n, more = #texts, about.more or 0
  if more > 0 then out[#out + 1] = ("… %d more"):format(more) end
  local noun = about.noun or (n + more == 1 and "row" or "rows")
  out[#out + 1] = ("(%d %s)"):format(n + more, noun)
  return table.concat(out, "\n") .. "\n"
end

return grid
