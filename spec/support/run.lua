-- Runs a program and returns how it ended: { out = text, err = text, code = number }.
-- A program killed by signal n has code 128 + n, as in a shell.

local run = {}

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function take(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  os.remove(path)
  return text
end

-- The interpreter under test: $PERILUNE_BIN, or the one that runs this.
function run.program()
  local name = os.getenv("PERILUNE_BIN")
  if name then return name end
  local first = 0
  while arg[first - 1] do first = first - 1 end
  return arg[first]
end

-- command: a list of words. options: stdin (text), env (a table; false removes), dir.
-- The variables by which lua is configured are removed unless env sets them.
function run.command(command, options)
  options = options or {}
  local base = os.tmpname()
  local words = { "exec env" }
  for _, name in ipairs { "LUA_INIT", "LUA_INIT_5_4", "LUA_PATH", "LUA_PATH_5_4",
    "LUA_CPATH", "LUA_CPATH_5_4" } do
    words[#words + 1] = "-u " .. name
  end
  for name, value in pairs(options.env or {}) do
    words[#words + 1] = value and name .. "=" .. quote(value) or "-u " .. name
  end
  for _, word in ipairs(command) do words[#words + 1] = quote(word) end
  write(base, options.stdin or "")
  local line = ("cd %s && (%s) <%s >%s.out 2>%s.err"):format(quote(options.dir or "."),
    table.concat(words, " "), base, base, base)
  local _, kind, code = os.execute(line)
  os.remove(base)
  if kind == "signal" then code = code + 128 end
  return { out = take(base .. ".out"), err = take(base .. ".err"), code = code }
end

-- The variables with which a stock lua finds the module that stands beside a program. One
-- that was built with the address sanitizer needs its library first.
function run.beside(program)
  local env = { LUA_CPATH = program:match "^(.*)/" .. "/?.so;;" }
  if os.getenv "ASAN_OPTIONS" then
    env.LD_PRELOAD = run.command({ "gcc", "-print-file-name=libasan.so" }).out:match "[^\n]+"
    env.ASAN_OPTIONS = os.getenv "ASAN_OPTIONS" .. ":detect_leaks=0"
  end
  return env
end

-- A new empty folder. The caller removes it with run.remove.
function run.folder()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkdir " .. quote(path)))
  return path
end

function run.remove(folder)
  assert(folder:find("^/tmp/"), "not a folder of run.folder")
  assert(os.execute("rm -rf " .. quote(folder)))
end

run.write = write
run.quote = quote

return run
