-- Relationships beyond the everyday: single parents, keys that change, several owners,
-- joins that are spelled out; and lazy loading for all that came together.

local perilune = require "perilune"

local db, log
local function open()
  db = perilune.open "sqlite://"
  log = {}
  db.event.listen(db.engine, "before_cursor_execute", function(_, _, sql) log[#log + 1] = sql end)
end
local function watch() log = {} end
local function id() return db.Column { db.Integer, primary_key = true } end
local function text() return db.Column { db.String(20) } end
local function to(name) return db.Column { db.Integer, db.ForeignKey(name) } end
local function key(name)
  return db.Column { db.String(20), name and db.ForeignKey(name) or nil, primary_key = true }
end
local function names(list)
  local out = {}
  for i, o in ipairs(list) do out[i] = tostring(o.name) end
  return table.concat(out, " ")
end

describe("a relationship", function()
  before_each(open)
  after_each(function() db:close() end)

  describe("with a single parent", function()
    local Address, Person
    before_each(function()
      Address = db.Model "Address" { id = id() }
      Person = db.Model "Person" { id = id(), address_id = to "address.id",
        address = db.relationship { "Address", cascade = "all, delete-orphan", single_parent = true } }
      db:create_all()
    end)
    it("deletes what its only parent lets go of", function()
      local p = Person { address = Address {} }
      db.session:add(p)
      db.session:commit()
      p.address = Address {}
      db.session:commit()
      assert.equal(1, Address.query:count())
      db.session:expunge_all()
      p = Person.query:one()
      p.address = nil
      db.session:commit()
      assert.equal(0, Address.query:count())
    end)
    it("refuses a second parent until the first lets go", function()
      local a = Address {}
      local p, q = Person { address = a }, Person {}
      assert.error_matches(function() q.address = a end, "only allowed a single parent")
      assert.equal(a, p.address)
      assert.is_nil(q.address)
      p.address = a
      p.address = nil
      q.address = a
      db.session:add_all { p, q }
      db.session:commit()
      assert.equal(1, Address.query:count())
      assert.equal(a, q.address)
    end)
    it("holds for lists over a link table", function()
      local link = db.Table { "link", db.Column { "a_id", db.Integer, db.ForeignKey "a.id", primary_key = true },
        db.Column { "b_id", db.Integer, db.ForeignKey "b.id", primary_key = true } }
      local A = db.Model "A" { id = id(), bs = db.relationship { "B", secondary = link,
        cascade = "all, delete-orphan", single_parent = true } }
      local B = db.Model "B" { id = id() }
      db:create_all()
      local b = B {}
      local one, other = A { bs = { b } }, A {}
      assert.error_matches(function() other.bs:append(b) end, "single parent")
      one.bs:remove(b)
      other.bs:append(b)
      assert.equal(b, other.bs[1])
    end)
  end)

  describe("whose key changes", function()
    local Order, Line, Tag
    before_each(function()
      local link = db.Table { "marked",
        db.Column { "order_no", db.String(20), db.ForeignKey "order.no", primary_key = true },
        db.Column { "tag_word", db.String(20), db.ForeignKey "tag.word", primary_key = true },
        db.Column { "weight", db.Integer } }
      Order = db.Model "Order" { no = key(),
        lines = db.relationship { "Line", backref = "order", passive_updates = false, order_by = "Line.id" },
        tags = db.relationship { "Tag", secondary = link, backref = "orders", passive_updates = false } }
      Line = db.Model "Line" { id = id(), order_no = db.Column { db.String(20), db.ForeignKey "order.no" } }
      Tag = db.Model "Tag" { word = key() }
      db:create_all()
      db.session:add(Order { no = "1", lines = { Line {}, Line {} },
        tags = { Tag { word = "a" }, Tag { word = "b" } } })
      db.session:commit()
      db.session:execute(db.text "UPDATE marked SET weight = 7")
      db.session:commit()
      db.session:expunge_all()
    end)
    local function links()
      local out = {}
      for _, r in ipairs(db.session:execute(db.text "SELECT * FROM marked ORDER BY 1, 2")) do
        out[#out + 1] = r[1] .. r[2] .. tostring(r[3])
      end
      return table.concat(out, " ")
    end
    it("takes children and link rows along with passive_updates off", function()
      local o = db.session:get(Order, "1")
      o.no = "2"
      db.session:commit()
      assert.equal("2a7 2b7", links())
      assert.equal(2, Line.query:filter_by { order_no = "2" }:count())
      assert.equal("2", Line.query:first().order.no)
      local t = db.session:get(Tag, "a")
      t.word = "z"
      db.session:commit()
      assert.equal("2b7 2z7", links())
    end)
    it("and changes its links in the same flush", function()
      local o = db.session:get(Order, "1")
      o.no = "3"
      o.tags:remove(db.session:get(Tag, "a"))
      o.tags:append(Tag { word = "c" })
      o.lines:append(Line {})
      db.session:commit()
      assert.equal("3b7 3cnil", links())
      assert.equal(3, Line.query:filter_by { order_no = "3" }:count())
    end)
    it("is followed by the database otherwise", function()
      local A = db.Model "A" { k = key(), bs = db.relationship { "B", backref = "a" } }
      local B = db.Model "B" { id = id(),
        a_k = db.Column { db.String(20), db.ForeignKey { "a.k", onupdate = "CASCADE" } } }
      db:create_all()
      local a = A { k = "x", bs = { B {} } }
      db.session:add(a)
      db.session:commit()
      watch()
      a.k = "y"
      db.session:commit()
      assert.equal(1, #log)
      assert.equal(1, B.query:filter_by { a_k = "y" }:count())
    end)
  end)

  it("with delete-orphan deletes what any of its owners lets go of", function()
    local X = db.Model "X" { id = id(), cs = db.relationship { "C", cascade = "all, delete-orphan", backref = "x" } }
    local Y = db.Model "Y" { id = id(), cs = db.relationship { "C", cascade = "all, delete-orphan", backref = "y" } }
    local C = db.Model "C" { id = id(), x_id = to "x.id", y_id = to "y.id" }
    db:create_all()
    local x, y, c, d = X {}, Y {}, C {}, C {}
    x.cs = { c, d }
    y.cs = { c, d }
    db.session:add_all { x, y }
    db.session:commit()
    x.cs:remove(c)
    db.session:commit()
    assert.equal(1, C.query:count())
    db.session:delete(y)
    db.session:commit()
    assert.equal(0, C.query:count())
    assert.equal(0, #x.cs)
  end)

  describe("with passive_deletes", function()
    local function family(passive, ondelete, cascade)
      local P = db.Model "P" { id = id(), cs = db.relationship { "C", passive_deletes = passive, cascade = cascade } }
      local C = db.Model "C" { id = id(),
        p_id = db.Column { db.Integer, db.ForeignKey { "p.id", ondelete = ondelete } } }
      db:create_all()
      db.session:add(P { cs = { C {}, C {} } })
      db.session:commit()
      db.session:expunge_all()
      watch()
      return P, C
    end
    local function deletes()
      local n = 0
      for _, sql in ipairs(log) do if not sql:find "^SELECT" then n = n + 1 end end
      return n
    end
    it("true leaves unloaded children to the database", function()
      local P, C = family(true, "CASCADE", "all, delete-orphan")
      db.session:delete(db.session:get(P, 1))
      db.session:commit()
      assert.equal(1, deletes())
      assert.equal(0, C.query:count())
    end)
    it("true deletes loaded children itself", function()
      local P, C = family(true, "CASCADE", "all, delete-orphan")
      local p = db.session:get(P, 1)
      assert.equal(2, #p.cs)
      local c = p.cs[1]
      db.session:delete(p)
      db.session:flush()
      assert.equal("deleted", perilune.inspect(c).state)
      db.session:commit()
      assert.equal(0, C.query:count())
    end)
    it("\"all\" never touches children", function()
      local P, C = family("all", "SET NULL")
      local p = db.session:get(P, 1)
      assert.equal(2, #p.cs)
      db.session:delete(p)
      db.session:commit()
      assert.equal(1, deletes())
      assert.equal(2, C.query:where(C.p_id:is(nil)):count())
    end)
    it("\"all\" is no cascade", function()
      local P = db.Model "P" { id = id(),
        cs = db.relationship { "C", passive_deletes = "all", cascade = "all" } }
      db.Model "C" { id = id(), p_id = to "p.id" }
      assert.error_matches(function() return P.query:all() end, "in conjunction with 'delete'")
    end)
  end)

  it("with refresh-expire expires what it holds, and lets go of what was never saved", function()
    local P = db.Model "P" { id = id(), name = text(),
      cs = db.relationship { "C", cascade = "all", order_by = "C.id" }, ds = db.relationship "D" }
    local C = db.Model "C" { id = id(), name = text(), p_id = to "p.id" }
    local D = db.Model "D" { id = id(), name = text(), p_id = to "p.id" }
    db:create_all()
    local p = P { name = "p", cs = { C { name = "c1" }, C { name = "c2" } }, ds = { D { name = "d" } } }
    db.session:add(p)
    db.session:commit()
    local c, gone, d = p.cs[1], p.cs[2], p.ds[1]
    for _, how in ipairs { "expire", "refresh" } do
      db.session:no_autoflush(function()
        local new = C { name = "new" }
        p.cs:append(new)
        p.cs:remove(gone)
        p.name, c.name, gone.name, d.name = "x", "x", "removed", "kept"
        db.session[how](db.session, p)
        assert.equal("transient", perilune.inspect(new).state, how)
        assert.equal("p c1 removed kept", names { p, c, gone, d }, how)
        assert.equal("c1 removed", names(p.cs), how)
        gone.name = "c2"
        c.name = "x"
        db.session[how](db.session, p, { "name" })
        assert.equal("x", c.name, how)
        db.session:rollback()
      end)
    end
  end)

  it("along a join that is spelled out", function()
    local User = db.Model "User" { id = id(), name = text(),
      done = db.relationship { "Task", viewonly = true, order_by = "Task.id",
        primaryjoin = function()
          local m = db.models
          return m.User.id:eq(m.Task.user_id) & m.Task.name:like "x%"
        end } }
    local Task = db.Model "Task" { id = id(), name = text(), user_id = to "user.id",
      user = db.relationship { "User", backref = "tasks" } }
    db:create_all()
    db.session:add(User { name = "u", tasks = { Task { name = "x1" }, Task { name = "y" }, Task { name = "x2" } } })
    db.session:add(User { name = "v", tasks = { Task { name = "y" } } })
    db.session:commit()
    for _, way in ipairs { "lazyload", "joinedload", "selectinload", "subqueryload" } do
      db.session:expunge_all()
      local users = User.query:order_by(User.id):options(db[way](User.done)):all()
      assert.equal("x1 x2", names(users[1].done), way)
      assert.equal("", names(users[2].done), way)
    end
    assert.error_matches(function() User.query:first().done = {} end, "viewonly")
  end)

  it("refuses a join that is no expression", function()
    for _, name in ipairs { "primaryjoin", "secondaryjoin" } do
      local err = select(2, pcall(db.relationship, { "C", [name] = "and_(P.id == C.p_id, C.n > 1)" }))
      assert.equal("ArgumentError", err.name)
      assert.matches(name .. ".*and_%(P.id", err.message)
      assert.matches("function", err.hint)
      assert.error_matches(function() db.backref { "c", [name] = true } end, name)
    end
    db.Model "C" { id = id(), p_id = to "p.id" }
    local P = db.Model "P" { id = id(), cs = db.relationship { "C", primaryjoin = function() return "P.id" end } }
    assert.error_matches(function() return P.query:all() end, "primaryjoin")
  end)

  it("by functions that speak of models declared later", function()
    local Team
    local Player = db.Model "Player" { id = id(), name = text(), team_id = to "team.id",
      team = db.relationship { "Team",
        primaryjoin = function() return db.models.Player.team_id:eq(Team.id) end } }
    assert.truthy(Player.id)
    Team = db.Model "Team" { id = id(), players = db.relationship { "Player", back_populates = "team",
      foreign_keys = function() return Player.team_id end, order_by = function() return Player.name:desc() end } }
    db:create_all()
    db.session:add(Team { players = { Player { name = "a" }, Player { name = "b" } } })
    db.session:commit()
    db.session:expunge_all()
    assert.equal("b a", names(Team.query:one().players))
  end)

  it("to an association object", function()
    local A = db.Model "A" { id = id(), name = text(),
      links = db.relationship { "Link", back_populates = "a", cascade = "all, delete-orphan" } }
    local B = db.Model "B" { id = id(), name = text(), links = db.relationship { "Link", back_populates = "b" } }
    local Link = db.Model "Link" { weight = db.Column(db.Integer),
      a_id = db.Column { db.Integer, db.ForeignKey "a.id", primary_key = true },
      b_id = db.Column { db.Integer, db.ForeignKey "b.id", primary_key = true },
      a = db.relationship { "A", back_populates = "links" }, b = db.relationship { "B", back_populates = "links" } }
    db:create_all()
    local a = A { name = "a" }
    for i = 1, 3 do a.links:append(Link { weight = i, b = B { name = "b" .. i } }) end
    db.session:add(a)
    db.session:commit()
    db.session:expunge_all()
    for _, way in ipairs { "lazyload", "joinedload", "selectinload", "subqueryload" } do
      db.session:expunge_all()
      a = A.query:options(db[way](A.links)[way](db[way](A.links), Link.b)):one()
      local out = {}
      for _, l in ipairs(a.links) do out[#out + 1] = l.weight .. l.b.name end
      assert.equal("1b1 2b2 3b3", table.concat(out, " "), way)
    end
    a.links:remove(a.links[2])
    db.session:commit()
    assert.equal(2, Link.query:count())
  end)
end)

describe("lazy loading for what came together", function()
  before_each(open)
  after_each(function() db:close() end)

  -- The same walk with and without batches: equal results, and the number of SELECTs.
  local function both(walk)
    local results, counts = {}, {}
    for i, batch in ipairs { true, false } do
      db.config.batch_lazy = batch
      db.session:expunge_all()
      watch()
      results[i] = walk()
      counts[i] = #log
    end
    assert.equal(results[2], results[1])
    return counts[1], counts[2]
  end

  it("takes one SELECT for a list in its order", function()
    local P = db.Model "P" { id = id(), name = text(),
      cs = db.relationship { "C", order_by = { "C.name desc", "C.id" }, backref = "p" } }
    local C = db.Model "C" { id = id(), name = text(), p_id = to "p.id" }
    db:create_all()
    for i = 1, 7 do
      local p = P { name = "p" .. i }
      for j = 1, i % 4 do p.cs:append(C { name = "c" .. (j * i) % 3 }) end
      db.session:add(p)
    end
    db.session:commit()
    local batched, single = both(function()
      local out = {}
      for _, p in ipairs(P.query:order_by(P.id):all()) do out[#out + 1] = names(p.cs) end
      return table.concat(out, "|")
    end)
    assert.equal(2, batched)
    assert.is_true(single > 7)
    batched = both(function()
      local out = {}
      for _, c in ipairs(C.query:order_by(C.id):all()) do out[#out + 1] = c.p.name end
      return table.concat(out, "|")
    end)
    assert.equal(2, batched)
  end)

  it("takes one SELECT over a link table, from either side, and to the model itself", function()
    local near = db.Table { "near", db.Column { "a_id", db.Integer, db.ForeignKey "node.id", primary_key = true },
      db.Column { "b_id", db.Integer, db.ForeignKey "node.id", primary_key = true } }
    local Node = db.Model "Node" { id = id(), name = text(), parent_id = to "node.id",
      children = db.relationship { "Node", order_by = "Node.id",
        backref = db.backref { "parent", remote_side = "id" } },
      nexts = db.relationship { "Node", secondary = near, order_by = "Node.name",
        primaryjoin = function() return db.models.Node.id:eq(near.c.a_id) end,
        secondaryjoin = function() return db.models.Node.id:eq(near.c.b_id) end, backref = "priors" } }
    db:create_all()
    local list = {}
    for i = 1, 8 do
      list[i] = Node { name = "n" .. i, parent = list[i // 2] }
      for j = 1, i - 1, 2 do list[i].nexts:append(list[j]) end
      db.session:add(list[i])
    end
    db.session:commit()
    local batched = both(function()
      local out = {}
      for _, n in ipairs(Node.query:order_by(Node.id):all()) do
        out[#out + 1] = names(n.nexts) .. "/" .. names(n.children) .. "/" .. (n.parent and n.parent.name or "")
      end
      return table.concat(out, "|")
    end)
    assert.equal(3, batched)
  end)

  it("takes one SELECT by a composite key", function()
    local P = db.Model "P" { a = db.Column { db.Integer, primary_key = true },
      b = db.Column { db.Integer, primary_key = true }, name = text(),
      cs = db.relationship { "C", backref = "p", order_by = "C.id" } }
    local C = db.Model "C" { id = id(), name = text(), pa = db.Column(db.Integer), pb = db.Column(db.Integer),
      __table_args__ = { db.ForeignKeyConstraint { { "pa", "pb" }, { "p.a", "p.b" } } } }
    db:create_all()
    for a = 1, 3 do
      for b = 1, 3 do
        local p = P { a = a, b = b, name = "p" .. a .. b }
        for i = 1, a do p.cs:append(C { name = "c" .. a .. b .. i }) end
        db.session:add(p)
      end
    end
    db.session:commit()
    local batched = both(function()
      local out = {}
      for _, p in ipairs(P.query:order_by(P.a, P.b):all()) do out[#out + 1] = names(p.cs) end
      return table.concat(out, "|")
    end)
    assert.equal(2, batched)
    batched = both(function()
      local out = {}
      for _, c in ipairs(C.query:order_by(C.id):all()) do out[#out + 1] = c.p.name end
      return table.concat(out, "|")
    end)
    assert.equal(2, batched)
    for _, way in ipairs { "joinedload", "subqueryload", "selectinload" } do
      db.session:expunge_all()
      local out = {}
      for _, p in ipairs(P.query:order_by(P.a, P.b):options(db[way](P.cs)):limit(5):all()) do
        out[#out + 1] = names(p.cs)
      end
      assert.equal("c111|c121|c131|c211 c212|c221 c222", table.concat(out, "|"), way)
    end
  end)

  it("leaves siblings that were changed as they are", function()
    local P = db.Model "P" { id = id(), name = text(), cs = db.relationship { "C", backref = "p", order_by = "C.id" } }
    local C = db.Model "C" { id = id(), name = text(), p_id = to "p.id" }
    db:create_all()
    for i = 1, 3 do db.session:add(P { cs = { C { name = "a" .. i }, C { name = "b" .. i } } }) end
    db.session:commit()
    db.session:expunge_all()
    db.session:no_autoflush(function()
      local ps = P.query:order_by(P.id):all()
      local moved = db.session:get(C, 1)
      C { name = "new", p = ps[2] }
      moved.p = ps[3]
      watch()
      assert.equal("b1", names(ps[1].cs))
      assert.equal("a2 b2 new", names(ps[2].cs))
      assert.equal("a3 b3 a1", names(ps[3].cs))
      assert.equal(1, #log)
    end)
    db.session:commit()
    assert.equal("b1|a2 b2 new|a1 a3 b3", names(db.session:get(P, 1).cs) .. "|"
      .. names(db.session:get(P, 2).cs) .. "|" .. names(db.session:get(P, 3).cs))
  end)

  it("reads expired rows together as well", function()
    local P = db.Model "P" { id = id(), name = text(), long = db.Column { db.Text, deferred = true } }
    db:create_all()
    for i = 1, 4 do db.session:add(P { name = "p" .. i, long = "l" .. i }) end
    db.session:commit()
    db.session:expunge_all()
    local ps = P.query:order_by(P.id):all()
    watch()
    assert.equal("l1l4", ps[1].long .. ps[4].long)
    assert.equal(1, #log)
    db.session:expire_all()
    assert.equal("p1 p2 p3 p4", names(ps))
    assert.equal(2, #log)
    db.session:commit()
    assert.equal("p1 p2 p3 p4", names(ps))
    assert.equal(2, #log)
    db.session:execute(db.text "UPDATE p SET name = 'q' WHERE id = 2")
    db.session:commit()
    assert.equal("p1 q p3 p4", names(ps))
    assert.equal(4, #log)
  end)
end)
