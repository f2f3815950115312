-- Collects the documentation comments of the C sources for LDoc: a block that begins with
-- /*** and names "@function Class:method" or "@function db.name".
-- Usage: lua5.4 lua/docs.lua OUTPUT_FOLDER file.c ...
-- There is one page per class (query.luadoc, ...) and one for the functions of a db; what a
-- class is stands here, what its methods do stands at the C functions, and of those that have
-- no comment there in a file of the same name in lua/doc. Other files there are whole pages.

local pages = {
  Query = [[A query: an immutable statement, bound to the session of its database.
`User.query` is `db.select(User)`. Every method returns a new query; the query it is called on
stays as it was. Mistakes in the arguments are an ArgumentError or a TypeError.
   local q = User.query:where(User.age:ge(18)):order_by(User.name):limit(10)
   for user in q:each() do print(user.name) end]],
  Expression = [[A column or what is made of columns: `User.name`, `db.func.count()`, `User.age + 1`.
Comparisons are methods, because Lua turns `==` and `<` into booleans; `&`, `|` and `~` are AND,
OR and NOT, `+ - * / // % ..` build expressions. A value is always a bound parameter. `<` raises a
TypeError that names `:lt`, an unknown method an AttributeError.
   User.query:where(User.name:eq("Ada") & ~User.age:is(nil))]],
  Statement = [[An INSERT, UPDATE or DELETE, which `db.session:execute(statement)` runs.
   db.session:execute(db.update(User):where(User.id:eq(1)):values{name = "Bob"})]],
  Text = [[SQL as it is written, with parameters `:name`; made by `db.text`.
   db.session:execute(db.text("SELECT :n + 1"):bindparams{n = 1}):scalar()]],
  Relationship = [[A relationship of a model, as `User.posts`: conditions on what is related.
   User.query:where(User.posts:any(Post.title:like "A%"))]],
  From = [[A table, alias or subquery that a query can select from.]],
  Option = [[How a query loads: what `db.selectinload(...)` and its neighbours return. They chain.
   User.query:options(db.selectinload(User.posts):joinedload(Post.tags))]],
  db = [[The functions of a db that make expressions and statements: `db.select(User)`.
They are called with a dot; with named arguments, as `db.select{...}`.]],
}

local function read(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read "a"
  file:close()
  return text
end

local function commented(text)
  return "--- " .. text:gsub("%s+$", ""):gsub("\n", "\n-- ") .. "\n"
end

local blocks, folder = {}, arg[1]
for i = 2, #arg do
  for block in read(arg[i]):gmatch "\n/%*%*%*%s*(.-)%*/" do
    local class = block:match "@function (%w+)[.:]"
    if not pages[class] then error(("%s: a comment for no known class:\n%s"):format(arg[i], block), 0) end
    blocks[class] = blocks[class] or {}
    table.insert(blocks[class], commented(block))
  end
end
for class, about in pairs(pages) do
  local kind = class == "db" and "module" or "classmod"
  local name = class:lower() .. ".luadoc"
  local more = "\n" .. read("lua/doc/" .. name)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(commented(("%s\n@%s %s"):format(about, kind, class)), "\n",
             table.concat(blocks[class] or {}, "\n"), more)
  file:close()
end
