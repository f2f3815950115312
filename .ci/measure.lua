-- Checks the sizes and the banned functions. Usage: lua5.4 .ci/measure.lua FILE...
-- The files are as clang-format leaves them: outside functions a line that ends in ") {"
-- opens one, and "}" in column 1 closes it.

local longest_allowed = 100

local banned = {}
for name in ([[
  sprintf vsprintf strcpy stpcpy strcat strncat strtok atoi atol atoll atof gets alloca
  lua_newuserdata tmpnam mktemp
]]):gmatch("%S+") do
  banned[name] = "banned"
end

-- Allocation goes through the allocator of core/base; readline frees what line.c gives it.
for _, name in ipairs { "malloc", "calloc", "realloc", "free", "strdup", "strndup" } do
  banned[name] = "allocation"
end

local complaints, functions, total = 0, 0, 0
local function complain(path, line, ...)
  complaints = complaints + 1
  io.stderr:write(("%s:%d: %s\n"):format(path, line, string.format(...)))
end

local function may_allocate(path)
  return path:find("^bindings/core/base/") or path:find("^host/embed/")
    or path == "host/program/line.c"
end

-- Comments and strings become blanks; line numbers stay.
local function code_of(text)
  local function blank(s) return (s:gsub("[^\n]", " ")) end
  text = text:gsub("\\[\"\\']", "  ")
  text = text:gsub('"[^"\n]*"', blank)
  text = text:gsub("/%*.-%*/", blank)
  return (text:gsub("//[^\n]*", blank))
end

local function check_words(path, number, line)
  for before, name in line:gmatch("([%w_.>]*)%f[%w_]([%a_][%w_]*)%s*%(") do
    local reason = banned[name]
    local member = before:match("[.>]$")
    if reason and not member and not (reason == "allocation" and may_allocate(path)) then
      complain(path, number, "%s is not used here", name)
    end
  end
end

local function measure(path)
  local file = assert(io.open(path))
  local text = code_of(file:read("a"))
  file:close()
  local number, opened = 0, nil
  for line in text:gmatch("([^\n]*)\n") do
    number = number + 1
    check_words(path, number, line)
    if opened and line:match("^}") then
      local length = number - opened + 1
      functions, total = functions + 1, total + length
      if length > longest_allowed then
        complain(path, opened, "function of %d lines, %d allowed", length, longest_allowed)
      end
      opened = nil
    elseif not opened and line:match("%)%s*{%s*$") then
      opened = number
    end
  end
end

for _, path in ipairs(arg) do measure(path) end
print(("  %d functions, mean %.1f lines"):format(functions, total / math.max(functions, 1)))
os.exit(complaints == 0)
