-- Checks who includes whom. Usage: lua5.4 .ci/floors.lua FILE... (all .c and .h of the project)
-- A file includes headers of its own floor or a lower one; no header reaches itself;
-- lua.h, sqlite3.h and SQL text stay where they belong.

local floors = {
  { 1, "bindings/core/base/" },
  { 2, "bindings/core/schema/" },
  { 3, "bindings/core/sql/" },
  { 4, "bindings/core/driver/" },
  { 5, "bindings/core/unit/" },
  { 6, "bindings/userdata/" },
  { 6, "bindings/pl_lua.h" },
  { 7, "host/embed/" },
  { 8, "host/program/" },
}

-- The one header of the bindings that the host may see.
local door = "bindings/pl_lua.h"

local lua_header = { ["lua.h"] = true, ["lauxlib.h"] = true, ["lualib.h"] = true }

local complaints = 0
local function complain(path, line, ...)
  complaints = complaints + 1
  io.stderr:write(("%s:%d: %s\n"):format(path, line, string.format(...)))
end

local function starts(text, prefix)
  return text:sub(1, #prefix) == prefix
end

local function floor_of(path)
  for _, floor in ipairs(floors) do
    if starts(path, floor[2]) then return floor[1] end
  end
end

local known, files = {}, {}
for _, path in ipairs(arg) do known[path] = true end

-- An include is looked up beside the file, then as the compiler's -I options do.
local function resolve(from, name)
  local beside = from:match("^(.*/)") .. name
  for _, path in ipairs { beside, "bindings/" .. name, "host/embed/" .. name } do
    if known[path] then return path end
  end
end

local function check_system_header(path, number, name)
  if lua_header[name] and starts(path, "bindings/core/") then
    complain(path, number, "%s in the core, which knows no Lua", name)
  elseif name == "sqlite3.h" and path ~= "bindings/core/driver/sqlite_db.h"
    and not starts(path, "host/embed/") then
    complain(path, number, "sqlite3.h outside core/driver/sqlite_db.h and host/embed")
  end
end

-- The files of the SQLite driver share a header of their own.
local function check_private_header(path, number, target)
  if target == "bindings/core/driver/sqlite_db.h"
    and not starts(path, "bindings/core/driver/sqlite") then
    complain(path, number, "sqlite_db.h outside core/driver/sqlite*.c")
  end
end

local function check_include(path, number, name, angled)
  local target = not angled and resolve(path, name)
  if not target then
    if not angled and not lua_header[name] and name ~= "sqlite3.h" then
      complain(path, number, "includes \"%s\", which is not there", name)
    end
    return check_system_header(path, number, name)
  end
  check_private_header(path, number, target)
  local here, there = floor_of(path), floor_of(target)
  if there > here then
    complain(path, number, "floor %d includes %s of floor %d", here, target, there)
  elseif here > 6 and there <= 6 and target ~= door then
    complain(path, number, "the host sees the bindings through %s only", door)
  end
  return target
end

-- A string that begins a statement is SQL text; a word in the middle of a message is not,
-- nor is "SELECT statement ...".
local sql = { "SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "CREATE TABLE ",
  "CREATE INDEX ", "DROP TABLE ", "ALTER TABLE ", "PRAGMA ", "SAVEPOINT ", "ROLLBACK TO ",
  "BEGIN IMMEDIATE", "BEGIN DEFERRED", "INNER JOIN ", " WHERE ", " ORDER BY ", " GROUP BY " }

local function check_sql(path, number, line)
  for literal in line:gmatch('"([^"]*)"') do
    for _, word in ipairs(sql) do
      local at = literal:find(word, 1, true)
      local spoken_of = at and literal:find("^statement", at + #word)
      if not spoken_of and (at == 1 or (at and word:sub(1, 1) == " ")) then
        complain(path, number, "SQL text (%s) in the bindings", word)
      end
    end
  end
end

local function scan(path)
  local includes, number = {}, 0
  for line in io.lines(path) do
    number = number + 1
    local open, name = line:match('^%s*#%s*include%s*(["<])([^">]+)[">]')
    if name then
      local target = check_include(path, number, name, open == "<")
      if target then includes[#includes + 1] = target end
    elseif starts(path, "bindings/userdata/") then
      check_sql(path, number, line)
    end
  end
  return includes
end

for _, path in ipairs(arg) do
  if floor_of(path) then
    files[path] = scan(path)
  else
    complain(path, 1, "on no floor")
  end
end

-- Depth first; a file met while it is still open closes a circle.
local state = {}
local function visit(path, trail)
  if state[path] == "done" then return end
  trail[#trail + 1] = path
  if state[path] == "open" then
    complain(path, 1, "circle: %s", table.concat(trail, " -> "))
  else
    state[path] = "open"
    for _, target in ipairs(files[path] or {}) do visit(target, trail) end
    state[path] = "done"
  end
  trail[#trail] = nil
end
for _, path in ipairs(arg) do visit(path, {}) end

os.exit(complaints == 0)
