-- SPDX-License-Identifier: MIT
-- JSON values: what is stored, what is read back, and what is refused.

local perilune = require "perilune"
local python = require "spec.support.python"

local json, null, json_array = perilune.json, perilune.null, perilune.json_array

local function fails(pattern, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.equal("ValueError", err.name, tostring(err))
  assert.truthy(tostring(err):find(pattern), tostring(err))
end

describe("null", function()
  it("is one value that prints as null", function()
    assert.equal("null", tostring(null))
    assert.equal(null, json.decode "null")
    assert.equal("userdata", type(null))
    assert.is_true(null ~= nil)
  end)
end)

describe("writing JSON", function()
  it("writes what json.dumps writes", function()
    assert.equal("null", json.encode(nil))
    assert.equal("null", json.encode(null))
    assert.equal("true", json.encode(true))
    assert.equal("-5", json.encode(-5))
    assert.equal("9223372036854775807", json.encode(math.maxinteger))
    assert.equal("1.0", json.encode(1.0))
    assert.equal("1e+16", json.encode(1e16))
    assert.equal("0.1", json.encode(0.1))
    assert.equal('"a"', json.encode "a")
    assert.equal('[1, "a", [true]]', json.encode { 1, "a", { true } })
    assert.equal('{"a": 1, "b": {"c": [1, null]}}',
      json.encode { b = { c = { 1, null } }, a = 1 })
  end)

  it("escapes everything beyond ASCII", function()
    assert.equal([["\"\\/\b\f\n\r\t\u0000\u001f\u007f"]],
      json.encode("\"\\/\b\f\n\r\t\0\31\127"))
    assert.equal([["\u00e9\u20ac\ud83d\ude00"]], json.encode "é€😀")
    assert.equal([[{"\u00e9": 1}]], json.encode { ["é"] = 1 })
  end)

  it("sorts the keys of an object by their bytes", function()
    assert.equal('{"": 0, "B": 1, "a": 2, "a\\u0000": 3, "ab": 4}',
      json.encode { ab = 4, ["a\0"] = 3, a = 2, B = 1, [""] = 0 })
  end)

  it("takes an empty table for an object unless it is marked", function()
    assert.equal("{}", json.encode {})
    assert.equal("[]", json.encode(json_array {}))
    assert.equal('{"a": [], "b": {}}', json.encode { a = json_array {}, b = {} })
    assert.equal("[1]", json.encode(json_array { 1 }))
    local list = json_array {}
    assert.equal(list, json_array(list))
    assert.has_error(function() json_array(setmetatable({}, {})) end)
    assert.has_error(function() json_array(1) end)
  end)

  it("names the place of what it refuses", function()
    local cycle = { tags = { 1 } }
    cycle.tags[2] = cycle
    fails("value.tags%[2%] is a table that contains itself", json.encode, cycle)
    fails("value.a%[3%] is missing; a list has no holes", json.encode, { a = { 1, 2, nil, 4 } })
    fails("value has both list items and string keys", json.encode, { 1, a = 1 })
    fails("value.l is a list and has string keys", json.encode, { l = json_array { a = 1 } })
    fails("value.a%[1%] has the key 1.5", json.encode, { a = { { [1.5] = 1 } } })
    fails("value has the key 0 %(number%)", json.encode, { [0] = 1 })
    fails("value has the key true %(boolean%)", json.encode, { [true] = 1 })
    fails('value%["a b"%] is NaN', json.encode, { ["a b"] = 0 / 0 })
    fails("value%[1%] is infinite", json.encode, { -math.huge })
    fails("value.s is not valid UTF%-8", json.encode, { s = "\xff" })
    fails("value.s is not valid UTF%-8", json.encode, { s = "\xed\xa0\x80" })
    fails("value is a function, which JSON cannot say", json.encode, print)
    fails("value.at is a perilune.DateTime", json.encode, { at = perilune.datetime(0) })
  end)

  it("lets a table stand in two places", function()
    local shared = { 1 }
    assert.equal('{"a": [1], "b": [1]}', json.encode { a = shared, b = shared })
  end)

  it("has a limit of nesting", function()
    local deep = json_array {}
    for _ = 2, 512 do deep = { deep } end
    assert.equal(("["):rep(512) .. ("]"):rep(512), json.encode(deep))
    assert.equal(json.encode(deep), json.encode(json.decode(json.encode(deep))))
    fails("deeper than 512", json.encode, { deep })
    fails("deeper than 512", json.decode, ("["):rep(513) .. ("]"):rep(513))
    fails("not JSON", json.decode, ("["):rep(100000))
  end)

  it("does not call metamethods", function()
    local t = setmetatable({ 1 }, { __index = error, __len = error, __pairs = error })
    assert.equal("[1]", json.encode(t))
  end)
end)

describe("reading JSON", function()
  it("gives tables, exact integers and null", function()
    local t = json.decode '{"a": [1, 2.0, null], "b": 9223372036854775807, "c": "x\\u0000y"}'
    assert.same({ 1, 2.0, null }, t.a)
    assert.equal("integer", math.type(t.a[1]))
    assert.equal("float", math.type(t.a[2]))
    assert.equal(math.maxinteger, t.b)
    assert.equal("x\0y", t.c)
    assert.equal("é😀", json.decode [["\u00e9\ud83d\ude00"]])
  end)

  it("keeps a list a list when it is emptied", function()
    local t = json.decode "[[1], {}, []]"
    t[1][1] = nil
    assert.equal("[[], {}, []]", json.encode(t))
  end)

  it("refuses what is no JSON, or what Lua cannot hold", function()
    for _, text in ipairs { "", " ", "{", "[1,]", "{a: 1}", "'a'", "nul", "1 2", "NaN",
      "Infinity", "01", "\"\xff\"", [["\ud800"]], "[1" } do
      fails("not JSON", json.decode, text)
    end
    fails("too big integer", json.decode, "[9223372036854775808]")
    fails("not JSON: .*real", json.decode, "1e999")
  end)
end)

describe("Python's json", function()
  local values = {
    { 1, -1, 0, math.maxinteger, math.mininteger, 0.1, 1e16, 1e-5, 123456789.125, -0.0, 1e300,
      5e-324, 2.5e-8, 1e15, 1234567890123456.7 },
    { a = { b = { c = json_array {} } }, [""] = {}, z = null, ["q\"\\"] = "\n\t\1\127 é€😀" },
    "plain", true, json_array {}, {},
  }

  it("writes the same text", function()
    local missing = python.missing()
    if missing then return pending(missing) end
    local lines = {}
    for i, value in ipairs(values) do lines[i] = json.encode(value) end
    local from_python = python.run([[
import json, sys
for line in sys.stdin:
    print(json.dumps(json.loads(line)))
]], table.concat(lines, "\n") .. "\n")
    assert.same(lines, from_python)
    for _, line in ipairs(lines) do assert.equal(line, json.encode(json.decode(line))) end
  end)
end)

describe("a JSON value that a script keeps", function()
  local db, session, Doc, doc

  before_each(function()
    db = perilune.open "sqlite://"
    session = db.session
    Doc = db.Model "Doc" {
      id = db.Column { db.Integer, primary_key = true },
      data = db.Column { db.JSON },
      n = db.Column { db.Integer },
    }
    db:create_all()
    doc = Doc { data = { x = 1 } }
    session:add(doc)
    session:commit()
  end)

  after_each(function() db:close() end)

  local function stored() return session:scalar(db.text "SELECT data FROM doc") end

  it("is watched until the commit, however many flushes come before", function()
    local data = doc.data
    for x = 2, 5 do
      data.x, doc.n = x, x
      session:flush()
    end
    data.x = 6
    session:commit()
    assert.equal('{"x": 6}', stored())
    assert.equal(6, doc.data.x)
  end)

  it("of a new object is watched as well", function()
    local other = Doc { data = { y = 1 } }
    session:add(other)
    session:flush()
    local data = other.data
    data.y = 2
    session:flush()
    data.y = 3
    session:commit()
    assert.equal('{"y": 3}', session:scalar(db.text "SELECT data FROM doc WHERE id = 2"))
  end)

  it("keeps no object alive beyond the commit", function()
    local weak = setmetatable({}, { __mode = "v" })
    for i = 1, 3 do
      local one = Doc { data = { i = i } }
      session:add(one)
      session:flush()
      one.data.i = i + 1
      weak[i] = one
    end
    session:commit()
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
    assert.equal('{"i": 4}', session:scalar(db.text "SELECT data FROM doc WHERE id = 4"))
  end)

  it("is what the row has after a rollback", function()
    doc.data.x = 2
    session:flush()
    doc.data.x = 3
    session:rollback()
    assert.equal(1, doc.data.x)
    session:begin_nested(function(savepoint)
      doc.data.x = 4
      session:flush()
      savepoint:rollback()
    end)
    assert.equal(1, doc.data.x)
    session:commit()
    assert.equal('{"x": 1}', stored())
  end)
end)

describe("booleans and null inside JSON", function()
  local db, T

  setup(function()
    db = perilune.open "sqlite://"
    T = db.Model "T" { id = db.Column { db.Integer, primary_key = true }, j = db.Column { db.JSON } }
    db:create_all()
    db.session:add_all {
      T { id = 1, j = { a = true } }, T { id = 2, j = { a = false } }, T { id = 3, j = { a = 1 } },
      T { id = 4, j = { a = db.null } }, T { id = 5, j = { b = "x" } }, T { id = 6, j = { a = "true" } },
    }
    db.session:commit()
  end)

  teardown(function() db:close() end)

  local function ids(condition)
    local out = {}
    for i, t in ipairs(T.query:where(condition):order_by(T.id):all()) do out[i] = t.id end
    return table.concat(out, " ")
  end

  it("are told from numbers and texts when they are compared", function()
    assert.equal("1", ids(T.j.a:eq(true)))
    assert.equal("2", ids(T.j.a:eq(false)))
    assert.equal("1", ids(T.j.a:is(true)))
    assert.equal("2 3 4 5 6", ids(T.j.a:ne(true)))
    assert.equal("3", ids(T.j.a:eq(1) & T.j.a:ne(true)))
    assert.equal("6", ids(T.j.a:eq "true"))
  end)

  it("are found in lists", function()
    assert.equal("1 6", ids(T.j.a:in_ { true, "true" }))
    assert.equal("3 4 5 6", ids(T.j.a:not_in { true, false }))
    assert.equal("2 4 5", ids(T.j.a:in_ { false, db.null }))
  end)

  it("compare with db.null as with nil", function()
    assert.equal("4 5", ids(T.j.a:eq(db.null)))
    assert.equal("4 5", ids(T.j.a:eq(nil)))
    assert.equal("1 2 3 6", ids(T.j.a:ne(db.null)))
  end)

  it("are what they are in predicates", function()
    local yes, none = true, db.null
    assert.equal("1", ids(function(t) return t.j.a == true end))
    assert.equal("1", ids(function(t) return yes == t.j.a end))
    assert.equal("2 3 4 5 6", ids(function(t) return t.j.a ~= yes end))
    assert.equal("4 5", ids(function(t) return t.j.a == none end))
    assert.equal("1 3 6", ids(function(t) return t.j.a end))
    assert.equal("2 4 5", ids(function(t) return not t.j.a end))
    assert.equal("5", ids(function(t) return not t.j.a and t.j.b end))
  end)
end)
