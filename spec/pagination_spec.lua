-- Pages by number and by position, and the ends that raise NotFound.

local perilune = require "perilune"

local function raises(class, text, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal(class, type(err) == "table" and err.name or err)
  assert.truthy(tostring(err):find(text, 1, true), tostring(err))
  return err
end

-- Attribute `name` of each row, joined.
local function list(rows, name)
  local out = {}
  for i, row in ipairs(rows) do out[i] = tostring(row[name or "n"]) end
  return table.concat(out, " ")
end

local function range(from, to)
  local out = {}
  for i = from, to do out[#out + 1] = i end
  return table.concat(out, " ")
end

describe("paginate", function()
  local db, Item, q

  setup(function()
    db = perilune.open("sqlite://", { record_queries = true })
    Item = db.Model "Item" {
      id = db.Column{db.Integer, primary_key = true},
      n = db.Column{db.Integer},
    }
    db:create_all()
    for i = 1, 250 do db.session:add(Item{n = i}) end
    db.session:commit()
    q = Item.query:order_by(Item.n)
  end)

  teardown(function() db:close() end)

  it("gives page 1 of 20 rows by default", function()
    local page = q:paginate()
    assert.equal(range(1, 20), list(page.items))
    assert.same({ 1, 20, 250, 13, 1, 20 },
      { page.page, page.per_page, page.total, page.pages, page.first, page.last })
    assert.same({ false, true, 2 }, { page.has_prev, page.has_next, page.next_num })
    assert.is_nil(page.prev_num)
    assert.equal("<Pagination page 1 of 13>", tostring(page))
  end)

  it("tells what is before and behind", function()
    local page = q:paginate{page = 13}
    assert.equal(range(241, 250), list(page))
    assert.same({ true, false, 12 }, { page.has_prev, page.has_next, page.prev_num })
    assert.is_nil(page.next_num)
    assert.same({ 241, 250 }, { page.first, page.last })
  end)

  it("is a sequence of its rows", function()
    local page = q:paginate{page = 2, per_page = 3}
    assert.equal(3, #page)
    assert.equal(5, page[2].n)
    local sum = 0
    for row in page:each() do sum = sum + row.n end
    for _, row in pairs(page) do sum = sum + row.n end
    assert.equal(30, sum)
  end)

  it("goes to its neighbours without counting again", function()
    local page = q:paginate{page = 2, per_page = 10}
    local before = #db:get_recorded_queries()
    local behind, first = page:next(), page:prev()
    assert.equal(2, #db:get_recorded_queries() - before)
    assert.same({ 3, 250, 10 }, { behind.page, behind.total, behind.per_page })
    assert.equal(range(21, 30), list(behind))
    assert.equal(range(1, 10), list(first))
    assert.equal(1, first:prev().page)
    raises("NotFound", "page must be a whole number from 1",
      first.prev, first, { error_out = true })
    local last = q:paginate{page = 25, per_page = 10}
    raises("NotFound", "page 26 has no rows", last.next, last, { error_out = true })
    assert.equal(0, #last:next())
  end)

  it("never gives more than max_per_page rows, 100 unless said otherwise", function()
    assert.equal(100, #q:paginate{per_page = 500})
    assert.equal(100, q:paginate{per_page = 500}.per_page)
    assert.equal(50, #q:paginate{per_page = 500, max_per_page = 50})
    assert.equal(250, #q:paginate{per_page = 500, max_per_page = false})
    assert.equal(200, #q:paginate{per_page = 200, max_per_page = 300})
  end)

  it("knows whether there is more without counting", function()
    local before = #db:get_recorded_queries()
    local page = q:paginate{page = 2, per_page = 100, count = false}
    assert.equal(1, #db:get_recorded_queries() - before)
    assert.same({ true, true, 100, 0 }, { page.has_next, page.has_prev, #page, page.pages })
    assert.is_nil(page.total)
    assert.equal("<Pagination page 2 of ?>", tostring(page))
    page = page:next()
    assert.same({ false, 50 }, { page.has_next, #page })
    page = q:paginate{page = 5, per_page = 50, count = false}
    assert.same({ false, 50 }, { page.has_next, #page })
  end)

  it("has no page that does not exist, but for the first of nothing", function()
    for _, case in ipairs { { page = 0 }, { page = -1 }, { page = "x" }, { page = 1.5 },
      { per_page = 0 }, { per_page = "many" }, { page = 14 } } do
      raises("NotFound", "", q.paginate, q, case)
    end
    local none = Item.query:filter_by{n = -1}:paginate()
    assert.same({ 0, 0, 0, 0, 0, false, false }, { #none, none.total, none.pages, none.first,
      none.last, none.has_prev, none.has_next })
    raises("NotFound", "page 2 has no rows", function()
      Item.query:filter_by{n = -1}:paginate{page = 2}
    end)
  end)

  it("takes the nearest sense instead with error_out = false", function()
    local page = q:paginate{page = -3, per_page = "none", error_out = false}
    assert.same({ 1, 20, 20 }, { page.page, page.per_page, #page })
    page = q:paginate{page = 99, error_out = false}
    assert.same({ 99, 0, 0, 0, false, true }, { page.page, #page, page.first, page.last,
      page.has_next, page.has_prev })
  end)

  it("takes numbers as a request has them", function()
    assert.equal(range(11, 15), list(q:paginate{page = "3", per_page = "5"}))
  end)

  it("takes names only", function()
    raises("TypeError", "write query:paginate{page = 2, per_page = 10}", q.paginate, q, 2)
    raises("TypeError", "one table of options", q.paginate, q, {}, 10)
    raises("ArgumentError", "did you mean 'per_page'?", q.paginate, q, { perpage = 5 })
    raises("ArgumentError", "paginate.count must be a boolean", q.paginate, q, { count = "no" })
    raises("TypeError", "query:paginate(...)", q.paginate, {})
  end)

  it("iterates over numbers of pages with gaps", function()
    local function pages(page, edges)
      local out = {}
      for n in page:iter_pages(edges) do out[#out + 1] = n == perilune.null and "_" or n end
      return table.concat(out, " ")
    end
    local function at(n) return q:limit(nil):paginate{page = n, per_page = 17} end
    assert.equal(15, at(7).pages)
    assert.equal("1 2 _ 5 6 7 8 9 10 11 _ 14 15", pages(at(7)))
    assert.equal("1 2 3 4 5 _ 14 15", pages(at(1)))
    assert.equal("1 2 _ 13 14 15", pages(at(15)))
    assert.equal("1 _ 7 8 _ 15",
      pages(at(7), { left_edge = 1, left_current = 0, right_current = 1, right_edge = 1 }))
    assert.equal("", pages(Item.query:filter_by{n = -1}:paginate()))
    assert.equal(range(1, 4), pages(q:paginate{per_page = 70}))
  end)

  it("pages rows of columns, too, and is a function of the db", function()
    local page = db:paginate(db.select(Item.id, Item.n):order_by(Item.id), { per_page = 2 })
    assert.equal("(2, 2)", tostring(page[2]))
    assert.equal(250, page.total)
    assert.equal("3 4", list(db:paginate{q, page = 2, per_page = 2}))
    assert.equal(5, Item.query:where(Item.n:gt(245)):paginate().total)
  end)
end)

describe("what is not found", function()
  local db, User

  setup(function()
    db = perilune.open "sqlite://"
    User = db.Model "User" {
      id = db.Column{db.Integer, primary_key = true},
      name = db.Column{db.String(20)},
    }
    db.Model "Pair" {
      a = db.Column{db.Integer, primary_key = true},
      b = db.Column{db.Integer, primary_key = true},
    }
    db:create_all()
    db.session:add_all{User{name = "a"}, User{name = "b"}, db.models.Pair{a = 1, b = 2}}
    db.session:commit()
  end)

  teardown(function() db:close() end)

  it("is a NotFound with get_or_404", function()
    assert.equal("a", User.query:get_or_404(1).name)
    assert.equal("b", db:get_or_404(User, 2).name)
    assert.equal("b", db:get_or_404{User, 2}.name)
    local err = raises("NotFound", "no User has the key 9", User.query.get_or_404, User.query, 9)
    assert.is_true(err:is "PeriluneError")
    assert.is_false(err:is "DatabaseError")
    raises("NotFound", "no such user", User.query.get_or_404, User.query,
      { 9, description = "no such user" })
    raises("NotFound", "gone", db.get_or_404, db, User, { 9, description = "gone" })
    raises("NotFound", "gone", db.get_or_404, db, { User, 9, description = "gone" })
    raises("ArgumentError", "needs a model, got string", db.get_or_404, db, "User", 1)
  end)

  it("knows keys of several columns", function()
    local Pair = db.models.Pair
    assert.equal(2, db:get_or_404(Pair, 1, 2).b)
    assert.equal(2, Pair.query:get_or_404{a = 1, b = 2}.b)
    raises("NotFound", "no Pair has the key 1, 3", Pair.query.get_or_404, Pair.query, 1, 3)
    raises("NotFound", "no Pair has the key a = 1, b = 3",
      Pair.query.get_or_404, Pair.query, { b = 3, a = 1 })
  end)

  it("is a NotFound with first_or_404", function()
    assert.equal("a", User.query:order_by(User.id):first_or_404().name)
    local none = User.query:filter_by{name = "z"}
    raises("NotFound", "no User was found", none.first_or_404, none)
    raises("NotFound", "nobody", none.first_or_404, none, "nobody")
    raises("NotFound", "nobody", db.first_or_404, db, none, { description = "nobody" })
    raises("ArgumentError", "description must be a string", none.first_or_404, none, 5)
    raises("NotFound", "no row was found", function()
      db.select(User.id, User.name):where(User.id:eq(7)):first_or_404()
    end)
  end)

  it("is a NotFound with one_or_404, as are several", function()
    assert.equal("b", User.query:filter_by{name = "b"}:one_or_404().name)
    raises("NotFound", "more than one User was found", User.query.one_or_404, User.query)
    raises("NotFound", "no User was found", function()
      db:one_or_404(User.query:filter_by{name = "z"})
    end)
    raises("TypeError", "query:one_or_404(...)", User.query.one_or_404)
  end)
end)

describe("keyset", function()
  local db, Item

  setup(function()
    db = perilune.open "sqlite://"
    Item = db.Model "Item" {
      id = db.Column{db.Integer, primary_key = true},
      n = db.Column{db.Integer},
      word = db.Column{db.String(10), nullable = false},
      at = db.Column{db.DateTime},
      price = db.Column{db.Numeric(10, 2)},
      on = db.Column{db.Boolean, nullable = false},
      ratio = db.Column{db.Float},
    }
    db:create_all()
    for i = 1, 26 do
      db.session:add(Item{
        n = i % 5 > 0 and i % 5 or nil, word = ({ "b", "a", "c" })[i % 3 + 1],
        at = i % 4 > 0 and perilune.datetime(2024, 1, i % 28 + 1, 12, 0, 0, i) or nil,
        price = perilune.decimal(("%d.%02d"):format(i % 7, i)), on = i % 2 == 0, ratio = (i % 9) / 3,
      })
    end
    db.session:commit()
  end)

  teardown(function() db:close() end)

  -- Walks forth and back over all pages and compares with the query's own order.
  local function check(q, by, order, limit)
    local want = list(q:order_by(table.unpack(order)):all(), "id")
    local pages, all, cursor = {}, {}, nil
    repeat
      local page = q:keyset{by = by, limit = limit, after = cursor}
      pages[#pages + 1] = page
      table.move(page.items, 1, #page, #all + 1, all)
      assert.equal(#pages > 1, page.has_prev)
      assert.equal(page.next ~= nil, page.has_next)
      cursor = page.next
    until not cursor
    assert.equal(want, list(all, "id"))
    local page = pages[#pages]
    for i = #pages - 1, 1, -1 do
      page = q:keyset{by = by, limit = limit, after = page.prev}
      assert.equal(list(pages[i], "id"), list(page, "id"))
      assert.is_true(page.has_next)
    end
    assert.is_nil(page.prev)
  end

  it("goes forth and back in any order, with NULLs and without", function()
    local id, n, word, at = Item.id, Item.n, Item.word, Item.at
    local n_first, n_last = n:desc():nulls_first(), n:nulls_last()
    local ratio, on, price = Item.ratio, Item.on, Item.price
    check(Item.query, { n_first, word }, { n_first, word, id }, 1)
    for _, limit in ipairs { 11, 100 } do
      check(Item.query, nil, { id }, limit)
      check(Item.query, "-id", { id:desc() }, limit)
      check(Item.query, word, { word, id }, limit)
      check(Item.query, { "word", "-id" }, { word, id:desc() }, limit)
      check(Item.query, { n }, { n, id }, limit)
      check(Item.query, n:desc(), { n:desc(), id:desc() }, limit)
      check(Item.query, { n_first, word }, { n_first, word, id }, limit)
      check(Item.query, { n_last, word:desc() }, { n_last, word:desc(), id:desc() }, limit)
      check(Item.query, { at, "on" }, { at, on, id }, limit)
      check(Item.query, { price:desc() }, { price:desc(), id:desc() }, limit)
      check(Item.query, { ratio, on:desc() }, { ratio, on:desc(), id:desc() }, limit)
      check(Item.query:where(n:gt(2)), { word }, { word, id }, limit)
    end
  end)

  it("orders by expressions and pages rows of columns", function()
    local by = { Item.n + Item.id * 2 }
    check(Item.query, by, { by[1], Item.id }, 9)
    check(db.select(Item.id, Item.word), { Item.word, Item.id }, { Item.word, Item.id }, 9)
    local page = db.select(Item.id, Item.word):keyset{by = { Item.n, Item.id }, limit = 2}
    assert.equal("(5, 'c')", tostring(page[1]))
    assert.same({ "id", "word" }, page[1]:keys())
    assert.equal(2, #page[1])
  end)

  it("is not confused by rows that come and go", function()
    local page = Item.query:keyset{limit = 10}
    db.session:begin_nested(function()
      db.session:delete(Item.query:get(10))
      db.session:delete(Item.query:get(3))
      db.session:flush()
      assert.equal(range(11, 20), list(Item.query:keyset{limit = 10, after = page.next}, "id"))
      local back = Item.query:keyset{limit = 10, before = page.next}
      assert.equal("1 2 4 5 6 7 8 9", list(back, "id"))
      assert.is_nil(back.prev)
      db.session:rollback()
    end)
  end)

  it("is a sequence with cursors, nil at the ends", function()
    local page = Item.query:keyset{limit = 3}
    assert.same({ 3, 3, 2 }, { #page, page.limit, page[2].id })
    assert.equal("<Keyset of 3 rows>", tostring(page))
    local sum = 0
    for row in page:each() do sum = sum + row.id end
    assert.equal(6, sum)
    assert.truthy(page.next:find "^[%w_-]+$")
    assert.same({ true, false }, { page.has_next, page.has_prev })
    local none = Item.query:where(Item.id:gt(99)):keyset{by = "word"}
    assert.same({ 0, false, false }, { #none, none.has_next, none.has_prev })
    assert.same({ nil, nil }, { none.next, none.prev })
    assert.equal(20, #Item.query:keyset())
  end)

  it("goes on in the order that the query has", function()
    local id, n, word = Item.id, Item.n, Item.word
    check(Item.query:order_by(word, n:desc():nulls_first()), nil, { id:desc() }, 7)
    check(Item.query:order_by(n:nulls_last()), nil, { id }, 7)
    check(Item.query:order_by(word):order_by(n), nil, { id }, 7)
    check(Item.query:order_by(id:desc()), nil, { id:desc() }, 7)
    check(Item.query:union_all(Item.query:where(id:gt(100))):order_by(word:desc()), nil, { id:desc() }, 7)
    assert.equal(7, #Item.query:order_by "word":keyset{limit = 7})
    local both = Item.query:order_by(word:desc())
    assert.equal("c", both:keyset{by = word:desc(), limit = 1}[1].word)
    raises("ArgumentError", "ordered by something else", both.keyset, both, { by = word })
    assert.equal("a", both:order_by(nil):keyset{by = word}[1].word)
  end)

  it("refuses queries that cannot go in pages", function()
    for _, q in ipairs { Item.query:limit(3), Item.query:offset(3), Item.query:order_by(Item.n):limit(3) } do
      raises("ArgumentError", "has a LIMIT or an OFFSET already", q.keyset, q, {})
    end
    local labelled = db.select(Item.id, (Item.n + 1):label "m"):order_by "m"
    raises("ArgumentError", "ordered by the label 'm'", labelled.keyset, labelled, {})
  end)

  it("goes over groups, in the order of what is counted", function()
    local count, top = db.func.count():label "count", db.func.max(Item.price):label "top"
    local q = db.select(Item.n, count, top):where(Item.id:gt(2)):group_by(Item.n):having(count:gt(1))
      :order_by(count:desc(), top:desc(), Item.n)
    local want, found = {}, {}
    for i, row in ipairs(q:all()) do want[i] = ("%s %s %s"):format(row.n, row.count, row.top) end
    local page, pages = q:keyset{limit = 2}, 1
    while true do
      for _, row in ipairs(page) do found[#found + 1] = ("%s %s %s"):format(row.n, row.count, row.top) end
      if not page.next then break end
      page, pages = q:keyset{limit = 2, after = page.next}, pages + 1
    end
    assert.equal(5, #want)
    assert.same(want, found)
    assert.equal(3, pages)
    assert.equal(2, #q:keyset{limit = 2, after = page.prev})
  end)

  it("refuses window functions, and goes over them in a subquery", function()
    local rank = db.func.row_number():over{order_by = Item.id:desc()}:label "rank"
    local q = db.select(Item.id, rank)
    for _, by in ipairs { rank, Item.id } do
      raises("ArgumentError", "the rows have window functions", q.keyset, q, { by = by })
    end
    raises("ArgumentError", "the rows have window functions", Item.query.keyset, Item.query, { by = rank })
    local s = q:subquery()
    local pages = db.select(s.c.id, s.c.rank):order_by(s.c.rank)
    local page = pages:keyset{limit = 10, after = pages:keyset{limit = 10}.next}
    assert.same({ 16, 11 }, { page[1].id, page[1].rank })
  end)

  it("refuses what is no cursor of this order", function()
    local page = Item.query:keyset{by = { Item.word, Item.n }, limit = 3}
    local function try(given)
      raises("ArgumentError", "is no cursor of a query in this order",
        Item.query.keyset, Item.query, given)
    end
    try{by = Item.word, after = page.next}
    try{by = { Item.word, Item.n:desc() }, after = page.next}
    try{by = { Item.word, Item.n }, after = page.next .. "AA"}
    try{by = { Item.word, Item.n }, after = page.next:sub(1, -4)}
    try{after = ""}
    try{before = "no cursor!"}
    try{after = "AAAA"}
  end)

  it("checks its options", function()
    local function try(text, given, class)
      raises(class or "ArgumentError", text, Item.query.keyset, Item.query, given)
    end
    try("limit must be a whole number from 1, got 0", { limit = 0 })
    try("limit must be a whole number from 1, got x", { limit = "x" })
    try("`after` and `before` exclude each other", { after = "a", before = "b" })
    try("keyset.after must be a string, got number", { after = 5 })
    try("did you mean 'limit'?", { limits = 5 })
    try("Item has no attribute 'wrod'", { by = "wrod" }, "AttributeError")
    try("must be expressions or names of attributes, got number", { by = { 5 } })
    try("one table of options", 5, "TypeError")
    raises("ArgumentError", "`by` is needed", function() db.select(Item.id):keyset{} end)
    raises("ArgumentError", "needs a query of one model", function()
      db.select(Item.id):keyset{by = "id"}
    end)
    raises("TypeError", "query:keyset{...}", Item.query.keyset, {})
  end)
end)
