-- SPDX-License-Identifier: MIT
-- Strings that would be SQL if they got into the text: through every entry they end up as
-- bound parameters, or are refused. The tables are there afterwards and nothing matches.

local blog = require "spec.support.blog"

local hostile = {
  "'; DROP TABLE user; --",
  "\"; DROP TABLE user; --",
  "x' OR '1'='1",
  "1; DELETE FROM post",
  "?",
  ":name",
  "/* comment",
  "-- comment",
  "\\'",
  "%' OR 1=1 --",
  "a\0b",
  "` ; DROP TABLE user",
  "]; DROP TABLE user",
}

describe("a hostile string", function()
  local m, db, User, Post

  setup(function()
    m = blog.open()
    db, User, Post = m.db, m.User, m.Post
    db.session:add(User { name = "ann", age = 30, data = { a = "b" } })
    db.session:commit()
  end)

  teardown(function() db:close() end)

  local function count() return db.session:execute(db.text "select count(*) from user"):scalar() end

  -- The text must not hold the string, and the statement must run.
  local function harmless(statement, s)
    local text = statement:sql()
    assert.is_nil(text:find(s, 1, true) and #s > 1 and s or nil)
    db.session:execute(statement)
    assert.equal(1, count())
  end

  local as_values = {
    eq = function(s) return User.name:eq(s) end,
    ne = function(s) return User.name:ne(s) end,
    lt = function(s) return User.name:lt(s) end,
    between = function(s) return User.name:between(s, s) end,
    in_ = function(s) return User.name:in_ { s, s } end,
    not_in = function(s) return User.name:not_in { s } end,
    like = function(s) return User.name:like(s) end,
    ilike = function(s) return User.name:ilike(s) end,
    contains = function(s) return User.name:contains(s) end,
    startswith = function(s) return User.name:startswith(s) end,
    endswith = function(s) return User.name:endswith(s) end,
    glob = function(s) return User.name:glob(s) end,
    is = function(s) return User.name:is(s) end,
    op = function(s) return User.name:op("||", s):eq(s) end,
    concat = function(s) return (User.name .. s):eq(s .. User.name) end,
    func = function(s) return db.func.coalesce(s, User.name):eq(db.func.upper(s)) end,
    case = function(s) return db.case({ User.name:eq(s), s }, { else_ = s }):eq(s) end,
    cast = function(s) return db.cast(s, db.String):eq(s) end,
    literal = function(s) return db.literal(s):eq(User.name) end,
    bindparam = function(s) return User.name:eq(db.bindparam("n", s)) end,
    text = function(s) return db.text "name = :n":bindparams { n = s } end,
    text_list = function(s) return db.text "name in :n":bindparams { n = { s, s } } end,
    tuple = function(s) return db.tuple_(User.name, User.name):in_ { { s, s } } end,
    has = function(s) return User.posts:any { title = s } end,
    any = function(s) return User.posts:any(Post.title:eq(s)) end,
    json_value = function(s) return User.data.a:as_string():eq(s) end,
    json = function(s) return User.data:eq { a = s } end,
    predicate = function(s)
      local name = s
      return function(u) return u.name == name or u.name:lower() == name end
    end,
  }

  for name, build in pairs(as_values) do
    it("is a value in " .. name, function()
      for _, s in ipairs(hostile) do
        harmless(db.select(User.id):where(build(s)), s)
      end
    end)
  end

  it("is a value by name", function()
    for _, s in ipairs(hostile) do
      harmless(db.select(User):filter_by { name = s }, s)
    end
  end)

  it("is a value in the select list", function()
    for _, s in ipairs(hostile) do
      assert.equal(s, db.session:execute(db.select(db.literal(s))):scalar())
    end
  end)

  it("is a value that is written", function()
    for i, s in ipairs(hostile) do
      db.session:execute(db.insert(User):values { id = 100 + i, name = s })
      db.session:execute(db.update(User):where(User.name:eq(s)):values { data = { s } })
      assert.equal(s, db.session:execute(
        db.select(User.name):where(User.name:eq(s))):scalar())
      db.session:execute(db.delete(User):where(User.name:eq(s)))
    end
    assert.equal(1, count())
  end)

  it("is a value of values()", function()
    for _, s in ipairs(hostile) do
      local v = db.values({ "a" }, { { s } }, "v")
      assert.equal(s, db.session:execute(db.select(v.c.a)):scalar())
    end
  end)

  it("is quoted where names of the script's own go", function()
    for _, s in ipairs { 'a"b', "a b", "a'; --", "select", "Ünïcode" } do
      local row = db.session:execute(db.select(User.id:label(s))):first()
      assert.equal(1, row[s])
      local sub = db.select(User.id:label(s)):subquery(s)
      assert.equal(1, db.session:execute(db.select(sub.c[s])):scalar())
      local alias = db.aliased(User, s)
      assert.equal("ann", db.session:execute(db.select(alias.name)):scalar())
    end
  end)

  it("is refused where only a word can be", function()
    local entries = {
      func = function(s) return db.func[s] end,
      op = function(s) return User.name:op(s, 1) end,
      collate = function(s) return User.name:collate(s) end,
      extract = function(s) return db.extract(s, User.born) end,
      order_by = function(s) return db.select(User):order_by(s) end,
      group_by = function(s) return db.select(User):group_by(s) end,
      desc = function(s) return db.desc(s) end,
      bindparam = function(s) return db.bindparam(s) end,
      values = function(s) return db.values({ s }, { { 1 } }) end,
      filter_by = function(s) return db.select(User):filter_by { [s] = 1 } end,
      insert = function(s) return db.insert(User):values { [s] = 1 } end,
      update = function(s) return db.update(User):values { [s] = 1 } end,
      limit = function(s) return db.select(User):limit(s) end,
      offset = function(s) return db.select(User):offset(s) end,
      where = function(s) return db.select(User):where(s) end,
      select = function(s) return db.select(s) end,
      join = function(s) return db.select(User):join(s) end,
      json_key = function(s) return s:find '["%z]' and User.data[s] or User.data['"'] end,
      over = function(s) return db.func.rank():over { rows = { s, 0 } } end,
      index_elements = function(s)
        return db.insert(User):values { name = "x" }:on_conflict_do_nothing { index_elements = s }
      end,
    }
    for name, build in pairs(entries) do
      for _, s in ipairs(hostile) do
        local ok, err = pcall(build, s)
        assert.is_false(ok, name .. " took " .. s)
        assert.equal("perilune.Error", getmetatable(err) and err.name and "perilune.Error")
      end
    end
    assert.equal(1, count())
  end)
end)
