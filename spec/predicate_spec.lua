-- SPDX-License-Identifier: MIT
-- where(function(u) return ... end): the condition that a Lua function says.

local blog = require "spec.support.blog"

describe("a predicate", function()
  local m, db, User, Post, Node

  setup(function()
    m = blog.open()
    db, User, Post, Node = m.db, m.User, m.Post, m.Node
  end)

  teardown(function() db:close() end)

  local function check(text, params, fn, model)
    local query = db.select((model or User).id):where(fn)
    local found = blog.prepared(m, query):gsub("^.- WHERE ", "", 1)
    assert.equal(text, found)
    assert.equal(params, blog.params(query))
  end

  local function raises(message, fn, model)
    local err = blog.error(function() return db.select((model or User).id):where(fn) end)
    assert.equal("CompileError", err.name)
    assert.match(message, err.message)
    assert.match("predicate_spec%.lua:%d+", err.message)
    return err
  end

  local least, name, config, missing = 18, "bob", { limit = 5 }, nil

  it("compares attributes with values and upvalues", function()
    check("user.age > ?", "18", function(u) return u.age > 18 end)
    check("user.age >= ? AND user.name != ?", "18 bob",
      function(u) return u.age >= least and u.name ~= name end)
    check("user.age > ?", "18", function(u) return least < u.age end)
    check("user.age <= ?", "5", function(u) return u.age <= config.limit end)
    check("user.age = user.id", "", function(u) return u.age == u.id end)
  end)

  it("takes values when it is used", function()
    local n = 1
    local function predicate(u) return u.age == n end
    check("user.age = ?", "1", predicate)
    n = 2
    check("user.age = ?", "2", predicate)
    for i = 3, 5 do
      check("user.age = ?", tostring(i), function(u) return u.age == i end)
    end
  end)

  it("joins conditions as Lua does", function()
    check("user.age > ? AND user.age < ? OR user.name IS NULL", "1 9",
      function(u) return u.age > 1 and u.age < 9 or u.name == nil end)
    check("NOT (user.age > ? OR user.age < ?)", "1 9",
      function(u) return not (u.age > 1 or u.age < 9) end)
    check("user.name IS NOT NULL", "", function(u) return u.name ~= nil end)
  end)

  it("leaves out what plain values decide", function()
    check("user.name != ?", "z",
      function(u) return (not missing or u.age > missing) and u.name ~= "z" end)
    check("user.age > ?", "18", function(u) return u.age > (missing or 18) end)
    check("1 = 1", "", function() return true end)
    check("0 = 1", "", function(u) return missing and u.age > 1 end)
  end)

  it("knows booleans from other attributes", function()
    check("user.active = 1", "", function(u) return u.active end)
    check("user.active = 0 AND user.name IS NULL", "",
      function(u) return not u.active and not u.name end)
  end)

  it("makes values by the constructors", function()
    check("user.born > ?", "2020-01-02", function(u) return u.born > db.date(2020, 1, 2) end)
    check("user.born > ? AND user.name != ?", "2020-01-02 x",
      function(u) return u.born > db.date "2020-01-02" and u.name ~= "x" end)
  end)

  it("places the errors of plain operators", function()
    raises("no integer representation", function(u) return u.age > ~1.5 end)
    raises("attempt to", function(u) return u.age > 1 // 0 end)
    raises("attempt to compare", function(u) return u.age > 1 and {} < {} end)
  end)

  it("calls functions of values only with values", function()
    check("user.name = ?", "XX", function(u) return u.name == string.rep("x", 2):upper() end)
    check("user.age > ? AND lower(user.name) = ?", "3 x",
      function(u) return db.and_(u.age:gt(3), db.func.lower(u.name):eq "x") end)
    raises("takes values, not what is in the database", function(u) return tostring(u.age) == "3" end)
    raises("takes values, not what is in the database", function(u) return select("#", u.age) end)
    raises("takes values, not what is in the database",
      function(u) return ("x"):rep(u.age) == u.name end)
    raises("no method 'find'", function(u) return u.name:find "x" end)
    raises("SQL does not have Lua.s patterns", function(u) return u.name:match "^x" end)
    raises("a pattern must be a string", function(u) return u.name:like(3) end)
  end)

  it("does not call a foreign function with what is in the database", function()
    local called = {}
    local file = assert(io.tmpfile())
    raises("takes values, not", function(u) return rawset(called, 1, u.age) end)
    raises("takes values, not", function(u) return pcall(rawset, called, 1, u.age) end)
    raises("takes values, not", function(u) return table.insert(called, { u.age }) end)
    raises("takes values, not", function(u) return table.insert(called, { x = { u.age > 1 } }) end)
    raises("takes values, not", function(u) return rawset(called, 1, u.posts) end)
    raises("takes values, not", function(u) return file:seek("set", u.age) end)
    file:close()
    assert.same({}, called)
    check("CASE WHEN user.age > ? THEN ? END = ?", "3 x x",
      function(u) return db.case { { u.age > 3, "x" } } == "x" end)
    check("coalesce(user.age, ?) > ?", "1 2", function(u) return db.func.coalesce(u.age, 1) > 2 end)
    check("user.age IN (?, user.id)", "1", function(u) return u.age:in_ { 1, u.id } end)
  end)

  it("calculates", function()
    check("user.age * ? + ? > ?", "2 1 5", function(u) return u.age * 2 + 1 > 5 end)
    check("user.age > ?", "7.0", function(u) return u.age > 2 + 2 * 2.5 // 1 end)
    check("user.name || ? = ?", "x yx", function(u) return u.name .. "x" == "yx" end)
    check("-user.age < ?", "0", function(u) return -u.age < 0 end)
    check("length(user.name) > ?", "3", function(u) return #u.name > 3 end)
  end)

  it("chooses values by and, or", function()
    check("CASE WHEN user.age > ? THEN ? ELSE ? END = ?", "10 x y x",
      function(u) return (u.age > 10 and "x" or "y") == "x" end)
    check("CASE WHEN user.age > ? AND user.name IS NOT NULL THEN user.name ELSE ? END = ?",
      "10 y x", function(u) return (u.age > 10 and u.name or "y") == "x" end)
    check("CASE WHEN user.active THEN ? ELSE ? END > user.age", "1 2",
      function(u) return (u.active and 1 or 2) > u.age end)
    check("coalesce(user.age, ?) = ?", "7 7", function(u) return (u.age or 7) == 7 end)
    check("coalesce(coalesce(user.age, user.id), ?) = ?", "7 7", function(u)
      local age = u.age or u.id or 7
      return age == 7
    end)
    check("EXISTS (SELECT 1 FROM user WHERE user.id = post.user_id "
      .. "AND coalesce(user.name, ?) = ?)", "none bob",
      function(p) return (p.user.name or "none") == name end, Post)
    check("(user.age > ? OR user.active = 1) = ?", "1 true",
      function(u) return (u.age > 1 or u.active) == true end)
    check("user.age IS NOT NULL OR user.active = 1", "",
      function(u) return u.age or u.active end)
  end)

  it("refuses and, or that give no value of SQL", function()
    raises(":%d+:%d+: what this 'or' gives", function(u) return (u.age > 1 or 7) == 7 end)
    raises(":%d+:%d+: what this 'and' gives", function(u) return (u.age > 1 and 7) == 7 end)
    raises(":%d+:%d+: what this 'and' gives", function(u) return (u.age and u.id) == 7 end)
    raises(":%d+:%d+: what this 'or' gives", function(u) return (u.age or false) == 7 end)
    raises("what this '", function(u) return (u.age > 1 and u.active or "x") == "x" end)
    raises("what this 'or' gives", function(p) return (p.user or 7) == 7 end, Post)
  end)

  it("chooses values as Lua does", function()
    db.session:add_all { User { name = "ann", age = 20 }, User { name = "ben" } }
    db.session:flush()
    local function names(fn)
      local found = {}
      for i, user in ipairs(User.query:where(fn):order_by(User.name):all()) do
        found[i] = user.name
      end
      return table.concat(found, " ")
    end
    assert.equal("ann", names(function(u) return (u.age == 20 and "x" or "y") == "x" end))
    assert.equal("ben", names(function(u) return (u.age == 20 and "x" or "y") == "y" end))
    assert.equal("ben", names(function(u) return (u.age or 7) == 7 end))
    assert.equal("ann", names(function(u) return (u.age or 7) ~= 7 end))
    db.session:rollback()
  end)

  it("has locals", function()
    check("user.age * ? > ? AND user.age * ? < ?", "2 1 2 9", function(u)
      local twice <const> = u.age * 2 -- a comment: end
      return twice > 1 and twice < 9
    end)
  end)

  it("has methods of text and of expressions", function()
    check("lower(user.name) = ? AND length(user.name) > ?", "x 3",
      function(u) return u.name:lower() == "x" and u.name:len() > 3 end)
    check("upper(user.name) = ?", "BOB", function(u) return u.name:upper() == name:upper() end)
    check("substr(user.name, ?, ?) = ?", "2 3 abc",
      function(u) return u.name:sub(2, 4) == "abc" end)
    check("user.name LIKE ? AND user.age IN (?, ?)", "a% 1 2",
      function(u) return u.name:like "a%" and u.age:in_ { 1, 2 } end)
    check("coalesce(user.name, ?) = ?", "x bob",
      function(u) return db.func.coalesce(u.name, "x") == name end)
    check("JSON_QUOTE(JSON_EXTRACT(user.data, ?)) = ?", '$."tags"[0] x',
      function(u) return u.data.tags[1] == "x" end)
  end)

  it("follows relationships by EXISTS", function()
    check("EXISTS (SELECT 1 FROM user WHERE user.id = post.user_id AND user.name = ?)", "bob",
      function(p) return p.user.name == name end, Post)
    check("EXISTS (SELECT 1 FROM user WHERE user.id = post.user_id "
      .. "AND user.name = post.title)", "", function(p) return p.user.name == p.title end, Post)
    check("EXISTS (SELECT 1 FROM node AS node_1 WHERE node_1.id = node.parent_id "
      .. "AND EXISTS (SELECT 1 FROM node AS node_2 WHERE node_2.id = node_1.parent_id "
      .. "AND node_2.label = ?))", "root",
      function(n) return n.parent.parent.label == "root" end, Node)
    check("post.user_id IS NULL", "", function(p) return not p.user end, Post)
    check("post.user_id IS NOT NULL", "", function(p) return p.user ~= nil end, Post)
  end)

  it("asks lists by any and #", function()
    check("EXISTS (SELECT 1 FROM post WHERE user.id = post.user_id AND post.title = ? "
      .. "AND post.id > user.age)", "bob",
      function(u) return u.posts:any(function(p) return p.title == name and p.id > u.age end) end)
    check("EXISTS (SELECT 1 FROM post WHERE user.id = post.user_id AND post.title = ?)", "x",
      function(u) return u.posts:any { title = "x" } end)
    check("(SELECT count(*) FROM post WHERE user.id = post.user_id) > ?", "3",
      function(u) return #u.posts > 3 end)
    check("EXISTS (SELECT 1 FROM user WHERE user.id = post.user_id AND EXISTS (SELECT 1 "
      .. "FROM post AS post_1 WHERE user.id = post_1.user_id AND post_1.id != post.id))", "",
      function(p) return p.user.posts:any(function(q) return q.id ~= p.id end) end, Post)
  end)

  it("is a method, too", function()
    local M = {}
    function M:grown(least_age) return self.age > least_age end
    raises("has one parameter", M.grown)
    function M:adult() return self.age > 18 end
    check("user.age > ?", "18", M.adult)
  end)

  it("is found among others on its line", function()
    local a, b = function(u) return u.age > 1 end, function(u) return u.age > 2 end
    check("user.age > ?", "1", a)
    check("user.age > ?", "2", b)
  end)

  it("is read from a chunk's text", function()
    check("user.age > ?", "7", load "return function(u) return u.age > 7 end" ())
    raises("the source of the function is not known",
      load("\n\n\nreturn function(u) return u.age > 7.5 end -- predicate_spec.lua:1",
        "=predicate_spec.lua:1")())
  end)

  it("is refused when its file has changed", function()
    local path = os.tmpname()
    local function write(text)
      local file = assert(io.open(path, "w"))
      file:write(text)
      file:close()
    end
    write "return function(u) return u.age > 71 end, 'predicate_spec.lua:1'"
    local predicate = dofile(path)
    write "return function(u) return u.age > 79 end, 'predicate_spec.lua:1'"
    local err = blog.error(function() return User.query:where(predicate) end)
    os.remove(path)
    assert.equal("CompileError", err.name)
    assert.match("is not what was loaded: the file was changed", err.message)
  end)

  describe("names the place", function()
    it("of a wrong attribute", function()
      local err = raises(":%d+:%d+: User has no attribute 'agee'",
        function(u) return u.agee > 18 end)
      assert.equal("did you mean 'age'?", err.hint)
    end)

    it("of what cannot be SQL", function()
      local function helper() return 1 end
      raises("a Lua function cannot be called", function(u) return u.age == helper() end)
      raises("methods of a model cannot", function(u) return u:greet() end)
      raises("the row itself is no value", function(u) return u == name end)
      raises("only 'local' and 'return'", function(u) if u.age then return true end end)
      raises("this operator cannot", function(u) return u.age ^ 2 > 4 end)
      raises("this operator cannot", function(u) return u.age & 1 end)
      raises("a list has no attributes", function(u) return u.posts.title == "x" end)
      raises("has no fields", function(u) return u.name.x == 1 end)
      raises("has one parameter", function(u, v) return u.age > v end)
      raises("has one parameter", function(...) return ... end)
      raises("attempt to compare with nil", function(u) return u.age > missing end)
      raises("attempt to index a nil value", function(u) return u.age > missing.x end)
      raises("attempt to calculate with nil", function(u) return u.age + missing > 1 end)
      raises("attempt to compare number with string", function() return 1 < name end)
    end)

    it("of a constant that only the compiler knows", function()
      local K <const> = 5
      raises("<const>", function(u) return u.age > K end)
    end)
  end)

  it("checks values by the column", function()
    local err = blog.error(function()
      return User.query:where(function(u) return u.age > "x" end)
    end)
    assert.equal("TypeError", err.name)
    assert.match("User.age", err.message)
  end)

  it("places the errors of operands", function()
    local function placed(message, fn, model)
      local err = blog.error(function() return (model or User).query:where(fn) end)
      assert.match("predicate_spec%.lua:%d+:%d+: .*" .. message, err.message)
      return err
    end
    local err = placed("User%.age: expected an integer", function(u) return u.age > {} end)
    assert.equal("TypeError", err.name)
    assert.equal("User.age", err.attribute)
    placed("User%.age", function(u) return u.age == "abc" end)
    placed("User%.age", function(u) return 1 > u.age and u.age == db.date "2020-01-02" end)
    placed("User%.name", function(u) return u.name == print end)
    placed("User%.born", function(u) return u.born > "x" end)
    placed("true", function(u) return u.age > true end)
    placed("", function(u) return u.age + print > 1 end)
    placed("", function(p) return p.user == 3 end, Post)
  end)

  it("finds rows", function()
    db.session:add(User { name = "ann", age = 30, posts = { Post { title = "t" } } })
    db.session:add(User { name = "ben", age = 10 })
    db.session:flush()
    local found = User.query:where(function(u) return u.age > least and #u.posts == 1 end):all()
    assert.equal(1, #found)
    assert.equal("ann", found[1].name)
    db.session:rollback()
  end)

  it("cannot be a C function, or stand without a model", function()
    local err = blog.error(function() return User.query:where(print) end)
    assert.equal("CompileError", err.name)
    err = blog.error(function()
      return db.select(db.func.count()):where(function(u) return u.x end)
    end)
    assert.equal("ArgumentError", err.name)
  end)
end)
