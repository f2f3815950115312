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
      local v = db.values({ db.column(s, db.Integer) }, { { 1 } }, s)
      assert.equal(1, db.session:execute(db.select(v.c[s])):scalar())
      local typed = db.text("SELECT 1 AS one"):columns { [s] = db.Integer }
      assert.equal(1, db.session:execute(typed):scalar())
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

  it("is a value in predicates, JSON keys, searches and parameters of text", function()
    for _, s in ipairs(hostile) do
      local holder = { name = s }
      harmless(db.select(User.id):where(function(u) return u.name == holder.name and u.name ~= nil end), s)
      if not s:find '["%z]' then harmless(db.select(User.id):where(User.data[s]:as_string():eq(s)), s) end
      harmless(db.select(User.id):where(User.data.a[1]:as_string():in_ { s }), s)
      harmless(db.select(User.id):order_by(db.case({ User.name:eq(s), 1 }, { else_ = 2 })):limit(1), s)
      harmless(db.select(User.id):group_by(User.id):having(db.func.max(User.name):ne(s)), s)
      harmless(db.select(db.func.group_concat(User.name, s)):where(User.name:regexp("^" .. s:gsub("%W", "."))), s)
      assert.is_nil(db.session:execute(db.text "select id from user where name = :n", { n = s }):scalar())
      assert.equal(s, db.session:execute(db.text "select :a || :b", { a = s, b = "" }):scalar())
      assert.equal(0, User.query:where(User.name:eq(s)):update { name = s })
      assert.equal(0, User.query:where(User.name:eq(s)):delete())
    end
  end)

  it("is a value in the objects of a session", function()
    for i, s in ipairs(hostile) do
      local user = User { name = s .. i, data = { [s] = s } }
      user.posts:append(Post { title = s })
      db.session:add(user)
      db.session:flush()
      db.session:expire_all()
      assert.equal(s .. i, user.name)
      assert.equal(s, user.posts[1].title)
      if not s:find "%z" then assert.equal(s, user.data[s]) end
      db.session:rollback()
    end
    db.session:bulk_insert(User, { { name = hostile[1] } })
    assert.equal(1, User.query:where(User.name:eq(hostile[1])):delete())
    db.session:rollback()
  end)

  it("is no cursor of a keyset page", function()
    local page = User.query:keyset { by = User.name, limit = 1 }
    assert.equal(1, #page.items)
    for _, s in ipairs(hostile) do
      local err = blog.error(function()
        User.query:keyset { by = User.name, limit = 1, after = s }
      end)
      assert.equal("ArgumentError", err.name)
    end
    -- A cursor that holds a hostile value is a value.
    db.session:add_all { User { name = "'; --" }, User { name = "z" } }
    db.session:flush()
    local first = User.query:keyset { by = User.name, limit = 1 }
    assert.equal("'; --", first.items[1].name)
    assert.equal("ann", User.query:keyset { by = User.name, limit = 1, after = first.next }.items[1].name)
    db.session:rollback()
  end)

  it("is quoted where a schema takes it", function()
    local names = { 'a"b', "x; DROP TABLE user", "select", "it's", "--", "[b]", "a.b", "`c`" }
    for i, s in ipairs(names) do
      local other = blog.open()
      local hostile_db = other.db
      local Odd = hostile_db.Model("Odd" .. i) {
        __tablename__ = s,
        id = hostile_db.Column { s .. "id", hostile_db.Integer, primary_key = true },
        word = hostile_db.Column { s .. "w", hostile_db.Enum { s, "plain" }, server_default = s, index = true },
        text = hostile_db.Column { hostile_db.String(40), server_default = s, unique = true },
        __table_args__ = {
          hostile_db.Index { "ix " .. s, "text" },
          hostile_db.CheckConstraint { "length(text) >= 0", name = "ck " .. s },
        },
      }
      hostile_db:create_all()
      local odd = Odd {}
      hostile_db.session:add(odd)
      hostile_db.session:commit()
      assert.equal(s, odd.text)
      assert.equal(s, odd.word)
      assert.equal(1, Odd.query:filter_by { word = s }:order_by(Odd.text:desc()):count())
      local row = hostile_db.select(Odd.id:label(s), hostile_db.func.count():label(s .. "n")):group_by(Odd.id):one()
      assert.equal(1, row[s])
      assert.equal(1, row[s .. "n"])
      local cte = hostile_db.select(Odd.id:label(s)):cte(s .. "c")
      assert.equal(1, hostile_db.select(cte.c[s]):order_by(cte.c[s]):scalar())
      hostile_db:drop_all()
      hostile_db:close()
    end
  end)

  it("is quoted where a full-text index takes it", function()
    local other = blog.open()
    finally(function() other.db:close() end)
    local Odd = other.db.Model "Odd" {
      __tablename__ = [[o"d'd]],
      id = other.db.Column { other.db.Integer, primary_key = true },
      text = other.db.Column { [[t"e'x t]], other.db.Text },
      search = other.db.fts { "text", name = [[f"t's; --]], tokenize = [[unicode61 tokenchars '-']] },
    }
    other.db:create_all()
    other.db.session:add(Odd { text = "moon" })
    other.db.session:commit()
    for _, s in ipairs(hostile) do
      local query = other.db.select(Odd.id):where(Odd.search:words(s))
      assert.is_nil(query:sql():find(s, 1, true) and #s > 1 and s or nil)
      assert.is_nil(query:scalar())
      pcall(function() other.db.select(Odd.id):where(Odd.search:match(s)):all() end)
      local mark = s:gsub("%z.*", "")
      assert.equal("<" .. mark .. "moon>", other.db.select(Odd.search:highlight("text", "<" .. mark, ">"))
        :where(Odd.search:match "moon"):scalar())
    end
    assert.equal(1, Odd.query:count())
    other.db:drop_all()
  end)
end)
