--- Writes the library as one C file, for programs that compile it into themselves.
--
-- Usage: lua5.4 host/amalgamate.lua [--lines] [-I DIRECTORY]... FILE.c... > perilune.c
--
-- The files follow each other in the order given. A header of ours stands where it is first
-- included and nowhere else; headers of the system stay includes. What a file keeps to
-- itself (static functions and variables, enumeration constants, types) becomes
-- NAME_FILE where another file or a header has the same name at file scope; members of
-- structures keep theirs. Macros of a file are undefined at its end. With --lines, compilers
-- and debuggers name the lines of the original files.
--
-- This reads C as this project writes it, not all of C: a member that is named through a
-- macro's argument, say, is not recognised. What goes wrong is seen when the result is
-- compiled, which a spec does.

local function set(words)
  local list = {}
  for word in words:gmatch "%S+" do list[word] = true end
  return list
end

local tagged = set "struct union enum"
local keywords = set [[auto bool char const double enum extern float inline int long register
  restrict short signed sizeof static struct typedef union unsigned void volatile _Atomic
  _Bool _Noreturn _Static_assert __attribute__]]
local ends_declarator = set "( [ = ; ,"

-- Short names of the C library that a file which does not include their header may have for
-- itself, and another file's include would then take from it.
local library = set [[abort abs access alarm bind bsearch close connect div dup environ erf
  exit exp fabs floor fork free getline gamma index isatty j0 j1 jn kill link listen log lseek
  mkdir nice open optarg optind pause pipe pow printf putc puts pwrite pread qsort raise rand
  random read realloc remove rename rewind rindex round scale select send signal signgam sin
  sleep socket stat step strdup swab symlink sync system time times timer timezone toupper
  trunc truncate umask ungetc unlink wait write y0 y1 yn]]

-- Every name that occurs anywhere.
local used = {}

--- The lexeme at a place: its kind and its last character.
local function lexeme(text, at)
  local function last(pattern) return select(2, text:find(pattern, at)) end
  local stop = last "^[ \t\r\f\v]+" or last "^\\\r?\n"
  if stop then return "space", stop end
  stop = last "^/%*.-%*/" or last "^//[^\n]*"
  if stop then return "comment", stop end
  stop = last "^[%a_][%w_]*"
  if stop then return "name", stop end
  stop = last "^%.?%d[%w_%.]*"
  if stop then return "number", stop end
  local quote = text:match("^[\"']", at)
  if quote then
    stop = at
    repeat
      stop = text:find('["\'\\\n]', stop + 1)
      local c = stop and text:sub(stop, stop) or error("a string without end", 0)
      if c == "\\" then stop = stop + 1 end
    until c == quote
    return "string", stop
  end
  return text:match("^\n", at) and "newline" or "sign", last "^%->" or last "^%.%.%." or at
end

--- Tokens of a text: { kind =, text =, line = }. Those of a preprocessor line stand in the
-- field `parts` of one token of the kind "directive", whose `name` is "define" and so on.
local function tokenise(text)
  local tokens, at, line, fresh, directive = {}, 1, 1, true, nil
  while at <= #text do
    local kind, stop = lexeme(text, at)
    local token = { kind = kind, text = text:sub(at, stop), line = line }
    if kind == "newline" then directive = nil end
    if fresh and token.text == "#" then
      directive = { kind = "directive", line = line, parts = {}, words = {} }
      tokens[#tokens + 1] = directive
    end
    if kind == "name" then used[token.text] = true end
    local list = directive and directive.parts or tokens
    list[#list + 1] = token
    if directive and kind ~= "space" and kind ~= "comment" then
      directive.words[#directive.words + 1] = token.text
    end
    if kind == "newline" then fresh = true
    elseif kind ~= "space" and kind ~= "comment" then fresh = false end
    line = line + select(2, token.text:gsub("\n", ""))
    at = stop + 1
  end
  return tokens
end

--- The tokens that mean something to the compiler proper.
local function significant(tokens)
  local list = {}
  for _, token in ipairs(tokens) do
    if token.kind == "name" or token.kind == "sign" or token.kind == "string"
      or token.kind == "number" then list[#list + 1] = token end
  end
  return list
end

--- What the next brace opens: struct, union, enum, "linkage" (extern "C"), "value" or "body".
local function opened(list, i)
  local function text(back) return list[i - back] and list[i - back].text end
  if text(2) == "extern" then return "linkage" end
  if tagged[text(1)] then return text(1) end
  if tagged[text(2)] then return text(2) end
  return (text(1) == "=" or text(1) == "," or text(1) == "{") and "value" or "body"
end

--- Walks over tokens with what encloses each of them: visit(i, braces, depth), where braces
-- is a list of { kind =, depth = } and depth counts parentheses and brackets.
local function walk(list, visit)
  local braces, depth = {}, 0
  for i, token in ipairs(list) do
    local text = token.kind == "sign" and token.text
    if text == ")" or text == "]" then depth = depth - 1 end
    local closed = text == "}" and table.remove(braces)
    visit(i, braces, depth, closed)
    if text == "(" or text == "[" then depth = depth + 1 end
    if text == "{" then
      local kind = opened(list, i)
      if kind ~= "linkage" then braces[#braces + 1] = { kind = kind, depth = depth } end
    end
  end
end

--- The names that a declaration declares. words: its tokens outside of parentheses and
-- braces, which stand as "(" and "{" alone; pointers: by place, the name in "(*name".
local function declared(words, pointers, found)
  local waiting, i = true, 1
  while words[i] do
    local word, after = words[i], words[i + 1]
    if word == "__attribute__" then i = i + 1
    elseif word == "," then waiting = true
    elseif word == "=" then waiting = false
    elseif waiting and word == "(" and pointers[i] then
      found(pointers[i])
      waiting = false
    elseif waiting and word:find "^[%a_]" and not keywords[word] and ends_declarator[after]
      and not tagged[words[i - 1]] and not pointers[i + 1] then
      found(word)
      waiting = false
    end
    i = i + 1
  end
end

--- Names at file scope: names[x] is "private" (static, a type, an enumeration constant) or
-- "public"; mentioned: the tags of structures that are mentioned at all.
local function file_scope(tokens)
  local list, names, mentioned = significant(tokens), {}, {}
  local words, pointers = {}, {}
  local function finish()
    local static, type = false, words[1] == "typedef"
    for _, word in ipairs(words) do static = static or word == "static" end
    declared(words, pointers, function(name)
      names[name] = (static or type) and "private" or names[name] or "public"
    end)
    words, pointers = {}, {}
  end
  walk(list, function(i, braces, depth, closed)
    local token, before = list[i], list[i - 1] and list[i - 1].text
    local after, inner = list[i + 1] and list[i + 1].text, braces[#braces]
    for _, brace in ipairs(braces) do
      if not tagged[brace.kind] then return end
    end
    if token.kind == "name" and tagged[before] then
      mentioned[token.text] = true
      if after == "{" then names[token.text] = "private" end
    elseif inner and inner.kind == "enum" and token.kind == "name" and depth == inner.depth
      and (before == "{" or before == ",") then
      names[token.text] = "private"
    end
    if inner or depth > 0 then return end
    if not closed then words[#words + 1] = token.text end
    if token.text == "(" and after == "*" and list[i + 2].kind == "name" then
      pointers[#words] = list[i + 2].text
    end
    if token.text == ";" or closed and closed.kind == "body" then finish() end
  end)
  return names, mentioned
end

--- Calls rename(token) for each name in tokens that is no member of a structure.
local function each_free_name(tokens, rename)
  local list, member_of = significant(tokens), nil
  walk(list, function(i, braces, depth)
    local token, inner = list[i], braces[#braces]
    local before, after = list[i - 1] and list[i - 1].text, list[i + 1] and list[i + 1].text
    if token.text == "offsetof" then member_of = depth + 1
    elseif token.text == ")" and member_of and depth < member_of then member_of = nil end
    if token.kind ~= "name" or before == "." or before == "->" then return end
    if member_of and before == "," then return end
    if inner and (inner.kind == "struct" or inner.kind == "union") and not tagged[before] then
      local pointer = before == "*" and list[i - 2].text == "(" and after == ")"
      local plain = depth == inner.depth and before ~= ":"
        and (after == ";" or after == "," or after == "[" or after == ":" or after == "(")
      if pointer or plain then return end
    end
    rename(token)
  end)
end

local function read(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text = file:read "a"
  file:close()
  return text
end

--- Everything about a file: path, tokens, includes (of ours, by directive), names at file
-- scope, macros that it leaves defined.
local function load_file(path, text)
  local file = { path = path, tokens = tokenise(text), macros = {}, system = {}, own = {} }
  file.names, file.mentioned = file_scope(file.tokens)
  for _, token in ipairs(file.tokens) do
    local words = token.words or {}
    if words[2] == "define" then file.macros[words[3]] = true
    elseif words[2] == "undef" then file.macros[words[3]] = nil
    elseif words[2] == "include" then
      local own = words[3]:match '^"(.*)"$'
      if own then file.own[token] = own else file.system[token] = table.concat(words, "", 3) end
    end
  end
  return file
end

local directories, paths, lines = {}, {}, false
do
  local i = 1
  while arg[i] do
    if arg[i] == "--lines" then lines = true
    elseif arg[i] == "-I" then
      i = i + 1
      directories[#directories + 1] = arg[i] .. "/"
    else paths[#paths + 1] = arg[i] end
    i = i + 1
  end
end

local headers, sources = {}, {}

--- Loads the headers that a file includes; an include becomes the header that it means.
local function load_headers(file)
  for token, name in pairs(file.own) do
    local beside, header = file.path:match "^(.*/)" or "", nil
    for _, directory in ipairs { beside, table.unpack(directories) } do
      local path, ups = directory .. name
      repeat path, ups = path:gsub("[^/.]+/%.%./", "", 1) until ups == 0
      local text = not headers[path] and read(path)
      if text then
        headers[path] = load_file(path, text)
        load_headers(headers[path])
      end
      header = header or headers[path]
      if header then break end
    end
    file.own[token] = header or error(("%s: %s is nowhere"):format(file.path, name), 0)
  end
end

for i, path in ipairs(paths) do
  sources[i] = load_file(path, assert(read(path)))
  load_headers(sources[i])
end

--- Structures that the headers of a file mention: that file may define them for others.
local function see(file, seen)
  for _, header in pairs(file.own) do
    if not seen[header] then
      seen[header] = true
      for name in pairs(header.mentioned) do seen[name] = true end
      see(header, seen)
    end
  end
  return seen
end

--- How many files have a name for themselves; what headers and other files can see.
local owners, public = {}, {}
for _, header in pairs(headers) do
  for name in pairs(header.names) do public[name] = true end
  for name in pairs(header.macros) do public[name] = true end
  for name in pairs(header.mentioned) do public[name] = true end
end
for _, source in ipairs(sources) do
  local seen = see(source, {})
  for name, kind in pairs(source.names) do
    if kind == "private" and seen[name] then
      source.names[name], kind = "public", "public"
    end
    if kind == "public" then public[name] = true
    else owners[name] = (owners[name] or 0) + 1 end
  end
end

local stems = {}
for _, path in ipairs(paths) do
  local stem = path:match "([^/]+)%.c$"
  stems[stem] = (stems[stem] or 0) + 1
end

--- What is added to the names of a file: its own name, with its directory's where two
-- files have the same.
local function suffix(path)
  local directory, stem = path:match "([^/]*)/?([^/]+)%.c$"
  return (("_" .. (stems[stem] > 1 and directory .. "_" or "") .. stem):gsub("[^%w_]", "_"))
end

local function rename_names(source)
  local ending = suffix(source.path)
  local new = {}
  for name, kind in pairs(source.names) do
    if kind == "private" and (public[name] or library[name] or owners[name] > 1) then
      new[name] = name .. ending
      while used[new[name]] do new[name] = new[name] .. "_" end
      used[new[name]] = true
    end
  end
  local function rename(token) token.text = new[token.text] or token.text end
  each_free_name(source.tokens, rename)
  for _, token in ipairs(source.tokens) do
    if token.words and token.words[2] == "define" then each_free_name(token.parts, rename) end
  end
end

local written = {}

local function mark(path, line)
  if lines then io.write(('#line %d "%s"\n'):format(line, path)) end
end

local function write_file(file)
  mark(file.path, 1)
  for _, token in ipairs(file.tokens) do
    local header, system = file.own[token], file.system[token]
    if header then
      if not written[header] then
        written[header] = true
        io.write(("/* ---- %s */\n"):format(header.path))
        write_file(header)
        io.write(("/* ---- %s, continued */\n"):format(file.path))
        mark(file.path, token.line)
      end
    elseif system then
      if not written[system] then io.write("#include ", system) end
      written[system] = true
    elseif token.parts then
      for _, part in ipairs(token.parts) do io.write(part.text) end
    else
      io.write(token.text)
    end
  end
end

io.write "/* SPDX-License-Identifier: MIT */\n/* Generated by host/amalgamate.lua. */\n"
for _, source in ipairs(sources) do
  rename_names(source)
  io.write(("\n/* ==== %s */\n"):format(source.path))
  write_file(source)
  local macros = {}
  for name in pairs(source.macros) do macros[#macros + 1] = name end
  table.sort(macros)
  for _, name in ipairs(macros) do io.write("#undef ", name, "\n") end
end
