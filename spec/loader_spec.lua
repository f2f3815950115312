-- How relationships and columns are loaded: each way, per query and by declaration, the
-- SQL it takes, and that all ways give the same.

local perilune = require "perilune"
local raised = require "spec.support.raised"

local function open(lazy)
  local db = perilune.open "sqlite://"
  local m = { db = db }
  m.member = db.Table { "member",
    db.Column { "user_id", db.Integer, db.ForeignKey "user.id", primary_key = true },
    db.Column { "team_id", db.Integer, db.ForeignKey "team.id", primary_key = true } }
  m.User = db.Model "User" {
    id = db.Column { db.Integer, primary_key = true },
    name = db.Column { db.String(20) },
    bio = db.Column { db.Text, deferred = true, deferred_group = "long" },
    notes = db.Column { db.Text, deferred_group = "long" },
    posts = db.relationship { "Post", back_populates = "user", order_by = "Post.id desc", lazy = lazy },
    teams = db.relationship { "Team", secondary = m.member, back_populates = "users", order_by = "Team.name" },
  }
  m.Post = db.Model "Post" {
    id = db.Column { db.Integer, primary_key = true },
    title = db.Column { db.String(20) },
    user_id = db.Column { db.Integer, db.ForeignKey "user.id" },
    user = db.relationship { "User", back_populates = "posts" },
    tags = db.relationship { "Tag", back_populates = "post" },
  }
  m.Tag = db.Model "Tag" {
    id = db.Column { db.Integer, primary_key = true },
    name = db.Column { db.String(20) },
    post_id = db.Column { db.Integer, db.ForeignKey "post.id" },
    post = db.relationship { "Post", back_populates = "tags" },
  }
  m.Team = db.Model "Team" {
    id = db.Column { db.Integer, primary_key = true },
    name = db.Column { db.String(20) },
    users = db.relationship { "User", secondary = m.member, back_populates = "teams" },
  }
  db:create_all()
  local teams = { m.Team { name = "c" }, m.Team { name = "a" }, m.Team { name = "b" } }
  for i = 1, 5 do
    local u = m.User { name = "u" .. i, bio = "b" .. i, notes = "n" .. i }
    for j = 1, i - 1 do
      local p = m.Post { title = "p" .. i .. j, user = u }
      for k = 1, j % 3 do p.tags:append(m.Tag { name = "t" .. k }) end
    end
    for j = 1, i % 4 do u.teams:append(teams[j]) end
    db.session:add(u)
    db.session:flush()
  end
  db.session:commit()
  db.session:expunge_all()
  m.log = {}
  db.event.listen(db.engine, "before_cursor_execute", function(_, _, sql) m.log[#m.log + 1] = sql end)
  return m
end

local function names(list, field)
  local out = {}
  for i, o in ipairs(list) do out[i] = o[field or "name"] end
  return table.concat(out, ",")
end

local function dump(users)
  local out = {}
  for _, u in ipairs(users) do
    local posts = {}
    for _, p in ipairs(u.posts) do posts[#posts + 1] = p.title .. "(" .. names(p.tags) .. ")" end
    out[#out + 1] = u.name .. ": " .. table.concat(posts, " ") .. " | " .. (#u.teams > 0 and names(u.teams) or "none")
  end
  return table.concat(out, "\n")
end

local whole = [[
u1:  | c
u2: p21(t1) | a,c
u3: p32(t1,t2) p31(t1) | a,b,c
u4: p43() p42(t1,t2) p41(t1) | none
u5: p54(t1) p53() p52(t1,t2) p51(t1) | c]]
local lines = {}
for line in (whole .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end

describe("loading of relationships", function()
  local m, db, User, Post, Team, Tag
  before_each(function()
    m = open()
    db, User, Post, Team, Tag = m.db, m.User, m.Post, m.Team, m.Tag
  end)

  after_each(function() m, db, User, Post, Team, Tag = nil, nil, nil, nil, nil, nil end)

  -- Runs a query in a session without objects; its number of statements, then that of
  -- touching everything.
  local function counts(query, expected)
    db.session:expunge_all()
    m.log = {}
    local users = query:all()
    local first = #m.log
    assert.equal(expected or whole, dump(users))
    return first, #m.log - first
  end

  it("is lazy by default, one statement for each relationship", function()
    assert.same({ 1, 3 }, { counts(User.query:order_by(User.id)) })
  end)

  local selects = { joinedload = 1, selectinload = 4, subqueryload = 4, immediateload = 4 }
  for way, n in pairs(selects) do
    it("is the same by " .. way, function()
      local load = db[way]
      local q = User.query:order_by(User.id)
      assert.same({ n, 0 }, { counts(q:options(load(User.posts)[way](load(User.posts), Post.tags), load(User.teams))) })
      assert.same({ n, 0 }, { counts(q:options(load(User.posts, Post.tags), load(User.teams))) })
    end)
    it("is the same by " .. way .. " of a page", function()
      local load = db[way]
      local q = User.query:order_by(User.name:desc()):limit(2):offset(1)
        :options(load(User.posts, Post.tags), load(User.teams))
      assert.same({ n, 0 }, { counts(q, lines[4] .. "\n" .. lines[3]) })
    end)
    it("is the same by " .. way .. " of a union", function()
      local load = db[way]
      local q = User.query:where(User.id:le(2)):union(User.query:where(User.id:gt(3)))
        :order_by(User.id):options(load(User.posts, Post.tags), load(User.teams))
      assert.same({ n, 0 }, { counts(q, table.concat({ lines[1], lines[2], lines[4], lines[5] }, "\n")) })
    end)
  end

  it("mixes ways in one path", function()
    local posts, teams, tags = User.posts, User.teams, Post.tags
    local function mixed(expected, ...)
      assert.same(expected, { counts(User.query:order_by(User.id):options(...)) })
    end
    mixed({ 2, 0 }, db.joinedload(posts):selectinload(tags), db.joinedload(teams))
    mixed({ 3, 0 }, db.selectinload(posts):joinedload(tags), db.subqueryload(teams))
    mixed({ 3, 0 }, db.subqueryload(posts):joinedload(tags), db.selectinload(teams))
    mixed({ 1, 1 }, db.defaultload(posts):joinedload(tags), db.joinedload(teams))
  end)

  it("follows the options of a path when a relationship is touched later", function()
    local q = User.query:order_by(User.id):options(db.lazyload(User.posts):joinedload(Post.tags))
    assert.same({ 1, 2 }, { counts(q) })
  end)

  it("writes a joined list as a left outer join with its order", function()
    local users = User.query:options(db.joinedload(User.posts)):order_by(User.name):all()
    assert.equal(5, #users)
    assert.same({ "SELECT user.id, user.name, post_1.id, post_1.title, post_1.user_id FROM user "
      .. "LEFT OUTER JOIN post AS post_1 ON user.id = post_1.user_id ORDER BY user.name, post_1.id DESC" }, m.log)
  end)

  it("puts a page into a derived table, so that it counts its own rows", function()
    User.query:options(db.joinedload(User.posts), db.load_only(User.name)):order_by(User.name):limit(2):all()
    assert.same({ "SELECT anon_1.user_id, anon_1.user_name, post_1.id, post_1.title, post_1.user_id FROM "
      .. "(SELECT user.id AS user_id, user.name AS user_name FROM user ORDER BY user.name LIMIT ?) AS anon_1 "
      .. "LEFT OUTER JOIN post AS post_1 ON anon_1.user_id = post_1.user_id "
      .. "ORDER BY anon_1.user_name, post_1.id DESC" }, m.log)
  end)

  it("joins a reference without a derived table", function()
    local post = Post.query:options(db.joinedload(Post.user)):order_by(Post.id):limit(1):one()
    assert.equal("u2", post.user.name)
    assert.same({ "SELECT post.id, post.title, post.user_id, user_1.id, user_1.name FROM post "
      .. "LEFT OUTER JOIN user AS user_1 ON user_1.id = post.user_id ORDER BY post.id LIMIT ?" }, m.log)
    assert.equal(1, #m.log)
  end)

  it("writes an inner join where that is asked for", function()
    local posts = Post.query:options(db.joinedload { Post.user, innerjoin = true }):all()
    assert.equal(10, #posts)
    assert.truthy(m.log[1]:find("post JOIN user AS user_1", 1, true))
    db.session:expunge_all()
    assert.equal(4, #User.query:options(db.joinedload(User.posts, { innerjoin = true })):all())
  end)

  it("runs the query again as a derived table for subqueryload", function()
    User.query:where(User.id:gt(1)):order_by(User.name):options(db.subqueryload(User.posts)):all()
    assert.equal("SELECT post.id, post.title, post.user_id FROM post JOIN (SELECT user.id FROM user "
      .. "WHERE user.id > ?) AS anon_1 ON anon_1.id = post.user_id ORDER BY post.id DESC", m.log[2])
    db.session:expunge_all()
    local posts = Post.query:options(db.subqueryload(Post.user)):order_by(Post.id):all()
    assert.equal("u2,u3", posts[1].user.name .. "," .. posts[2].user.name)
    assert.equal(4, #m.log)
  end)

  it("asks by chunks of keys for selectinload", function()
    for i = 1, 1200 do db.session:add(Team { name = "x" .. i }) end
    db.session:commit()
    db.session:expunge_all()
    m.log = {}
    local teams = Team.query:options(db.selectinload(Team.users)):all()
    assert.equal(1203, #teams)
    assert.equal(1 + 3, #m.log)
    assert.equal("u1,u2,u3,u5", names(teams[1].users))
  end)

  it("takes references from what the session has", function()
    local users = User.query:all()
    m.log = {}
    local posts = Post.query:options(db.selectinload(Post.user)):all()
    assert.equal(1, #m.log)
    assert.equal(users[2], posts[1].user)
  end)

  it("leaves what is loaded as it is", function()
    local u = User.query:where(User.id:eq(3)):one()
    assert.equal(2, #u.posts)
    u.posts:pop()
    for _, way in ipairs { "joinedload", "selectinload", "subqueryload" } do
      db.session:no_autoflush(function()
        User.query:options(db[way](User.posts)):all()
        assert.equal("p32", names(u.posts, "title"))
      end)
    end
    db.session:rollback()
  end)

  it("adds what waits for an unloaded list", function()
    local u = db.session:get(User, 3)
    db.session:no_autoflush(function()
      local p = Post { title = "new", user = u }
      User.query:options(db.joinedload(User.posts)):all()
      assert.equal("p32,p31,new", names(u.posts, "title"))
      assert.equal(p, u.posts[3])
    end)
  end)

  it("reads a relationship again with populate_existing", function()
    local u = db.session:get(User, 3)
    assert.equal(2, #u.posts)
    db.session:execute(db.text "INSERT INTO post (title, user_id) VALUES ('late', 3)")
    for _, way in ipairs { "joinedload", "selectinload" } do
      User.query:execution_options { populate_existing = true }:options(db[way](User.posts)):all()
      assert.equal("late,p32,p31", names(u.posts, "title"))
    end
  end)

  it("finds the parents of children whose foreign key is left out", function()
    for _, way in ipairs { "selectinload", "subqueryload", "immediateload", "lazyload", "joinedload" } do
      db.session:expunge_all()
      local users = User.query:order_by(User.id):options(db[way](User.posts):load_only(Post.title)):all()
      assert.equal("p32,p31", names(users[3].posts, "title"))
      assert.same({ "", 3 }, { names(users[1].posts, "title"), users[3].posts[1].user_id })
    end
  end)

  it("reads a deferred column with those of its group", function()
    local one = open()
    local Long = one.db.Model "Long" {
      id = one.db.Column { one.db.Integer, primary_key = true },
      a = one.db.Column { one.db.Text, deferred = true, deferred_group = "g" },
      b = one.db.Column { one.db.Text, deferred = true, deferred_group = "g" },
      c = one.db.Column { one.db.Text, deferred = true },
    }
    one.db:create_all()
    one.db.session:add(Long { a = "a", b = "b", c = "c" })
    one.db.session:commit()
    one.db.session:expunge_all()
    local found = Long.query:one()
    one.log = {}
    assert.same({ "a", "b", 1 }, { found.a, found.b, #one.log })
    assert.same({ "c", 2 }, { found.c, #one.log })
  end)

  it("is as an option says where the declaration says noload", function()
    local one = open "noload"
    local found = one.User.query:order_by(one.User.id)
    assert.equal("", names(found:all()[3].posts, "title"))
    for _, way in ipairs { "lazyload", "joinedload", "selectinload", "subqueryload", "immediateload" } do
      one.db.session:expunge_all()
      assert.equal("p32,p31", names(found:options(one.db[way](one.User.posts)):all()[3].posts, "title"))
    end
    one.db.session:expunge_all()
    local u = found:all()[3]
    one.Post { title = "new", user = u }
    one.db.session:flush()
    assert.equal("new", names(u.posts, "title"))
  end)

  it("refuses to load along a list that is a query", function()
    for _, lazy in ipairs { "dynamic", "write_only" } do
      local one = open(lazy)
      for _, way in ipairs { "joinedload", "selectinload", "subqueryload", "immediateload", "contains_eager" } do
        local q = one.User.query:options(one.db[way](one.User.posts))
        raised("InvalidRequestError", q.all, q)
      end
    end
  end)

  it("refuses an option whose path begins at no entity of the query", function()
    local other = db.aliased(User)
    for _, option in ipairs {
      db.joinedload(Post.user), db.load_only(Post.title), db.selectinload(other.posts), db.lazyload(Post.user),
    } do
      local q = User.query:options(db.joinedload(User.posts), option)
      local err = raised("ArgumentError", q.all, q)
      assert.matches("does not apply to any of the root entities", err.message)
    end
    assert.equal(5, #User.query:options(db.joinedload(User.posts):joinedload(Post.tags)):all())
    assert.equal(5, #db.select(other):options(db.selectinload(other.posts)):all())
    assert.equal(10, #db.select(User, Post):where(Post.user_id:eq(User.id)):options(db.defer(Post.title)):all())
    assert.equal(5, User.query:options(db.joinedload(Post.user)):count())
  end)

  it("drops what was changed in memory with populate_existing", function()
    local u = db.session:get(User, 3)
    local p = u.posts[1]
    local function alter()
      u.name, p.title = "changed", "changed"
      u.posts:append(Post { title = "pending" })
    end
    local function stored() return u.name, p.title, names(u.posts, "title") end
    for _, q in ipairs {
      User.query:populate_existing():options(db.selectinload(User.posts)),
      User.query:execution_options { populate_existing = true }:options(db.joinedload(User.posts)),
    } do
      alter()
      db.session:no_autoflush(function() q:all() end)
      assert.same({ "u3", "p32", "p32,p31" }, { stored() })
      assert.is_false(db.session:is_modified(u))
      assert.equal(0, #db.session.dirty)
    end
    alter()
    db.session:no_autoflush(function() User.query:all() end)
    assert.equal("changed", u.name)
  end)

  it("reads what a many-to-one refers to anew, and takes it from a known object otherwise", function()
    local p = db.session:get(Post, 1)
    local u = p.user
    for _, way in ipairs { "joinedload", "selectinload" } do
      u.name = "changed"
      db.session:no_autoflush(function()
        Post.query:options(db[way](Post.user)):all()
        assert.equal("changed", u.name)
        Post.query:populate_existing():options(db[way](Post.user)):all()
      end)
      assert.equal("u2", u.name)
      assert.equal(u, p.user)
    end
  end)

  it("leaves what is to be deleted so with populate_existing", function()
    local u = db.session:get(User, 3)
    u.posts:clear()
    db.session:commit()
    db.session:delete(u)
    db.session:no_autoflush(function() User.query:populate_existing():all() end)
    db.session:commit()
    assert.is_nil(db.session:get(User, 3))
  end)

  it("gets one object by its key with options", function()
    local u = User.query:options(db.joinedload(User.posts)):get(3)
    m.log = {}
    assert.same({ 2, 0 }, { #u.posts, #m.log })
    u.name = "changed"
    db.session:no_autoflush(function()
      assert.equal("changed", User.query:options(db.joinedload(User.posts)):get(3).name)
      assert.equal(u, User.query:populate_existing():get(3))
    end)
    assert.equal("u3", u.name)
    assert.is_nil(User.query:populate_existing():get(99))
  end)

  it("takes the rows of a join of the query with contains_eager", function()
    local q = User.query:outerjoin(User.posts):order_by(User.id, Post.id:desc())
      :options(db.contains_eager(User.posts):joinedload(Post.tags))
    assert.same({ 1, 1 }, { counts(q) })
    local other = db.aliased(Post)
    q = User.query:outerjoin(other, User.posts):order_by(User.id, other.id:desc())
      :options(db.contains_eager(User.posts, { alias = other }):joinedload(other.tags))
    assert.same({ 1, 1 }, { counts(q) })
  end)

  it("fills a list with what the query's condition leaves", function()
    local users = User.query:join(User.posts):where(Post.title:like "%1"):order_by(User.id)
      :options(db.contains_eager(User.posts)):all()
    assert.equal("u2,u3,u4,u5", names(users))
    assert.equal("p51", names(users[4].posts, "title"))
  end)

  it("restricts a relationship by and_", function()
    for _, way in ipairs { "joinedload", "selectinload", "subqueryload", "lazyload" } do
      db.session:expunge_all()
      local first = User.posts:and_(Post.title:like "%1")
      local users = User.query:order_by(User.id):options(db[way](first)):all()
      assert.equal("p51", names(users[5].posts, "title"), way)
      assert.equal("", names(users[1].posts, "title"), way)
    end
  end)

  it("restricts what is loaded by with_loader_criteria", function()
    for _, way in ipairs { "joinedload", "selectinload", "subqueryload", "lazyload" } do
      db.session:expunge_all()
      local users = User.query:order_by(User.id)
        :options(db[way](User.posts), db.with_loader_criteria(Post, Post.title:like "%2")):all()
      assert.equal("p52", names(users[5].posts, "title"), way)
    end
  end)

  it("loads all relationships by a wildcard, but not back again", function()
    local q = User.query:order_by(User.id)
    assert.same({ 1, 0 }, { counts(q:options(db.joinedload "*")) })
    assert.same({ 4, 0 }, { counts(q:options(db.selectinload "*")) })
    assert.same({ 2, 2 }, { counts(q:options(db.lazyload "*", db.selectinload(User.posts))) })
  end)

  it("reads rows of several things with their lists", function()
    local rows = db.session:execute(db.select(User, Post.title):join(User.posts)
      :order_by(User.id, Post.id):options(db.joinedload(User.teams)))
    assert.equal(10, #rows)
    assert.equal("p21", rows[1].title)
    assert.equal("a,b,c", names(rows[2].User.teams))
    assert.equal(1, #m.log)
    db.session:expunge_all()
    rows = db.session:execute(db.select(User, Post.title):join(User.posts)
      :order_by(User.id, Post.id):limit(3):options(db.joinedload(User.teams), db.selectinload(User.posts)))
    assert.equal(3, #rows)
    assert.equal("p31", rows[2].title)
    assert.equal("a,b,c", names(rows[3][1].teams))
    assert.equal(3, #m.log)
  end)

  it("gives first() a whole list", function()
    local u = User.query:options(db.joinedload(User.posts)):order_by(User.id:desc()):first()
    assert.equal("p54,p53,p52,p51", names(u.posts, "title"))
    assert.equal(1, #m.log)
  end)

  it("streams with a joined reference, not with a joined list", function()
    local seen = {}
    for p in Post.query:order_by(Post.id):options(db.joinedload(Post.user)):each() do seen[#seen + 1] = p.user.name end
    assert.equal("u2,u3,u3,u4,u4,u4,u5,u5,u5,u5", table.concat(seen, ","))
    assert.equal(1, #m.log)
    assert.error_matches(function() User.query:options(db.joinedload(User.posts)):each() end, "cannot stream")
  end)

  it("is done by refresh for what is eager, by declaration or by the query", function()
    for _, lazy in ipairs { "joined", "selectin", "subquery", "immediate" } do
      db:close()
      m = open(lazy)
      db, User, Post = m.db, m.User, m.Post
      local u = User.query:options(db.selectinload(User.teams)):order_by(User.id:desc()):first()
      local own = User { name = "own" }
      db.session:add(own)
      db.session:commit()
      db.session:execute(db.text "INSERT INTO post (title, user_id) VALUES ('p55', 5), ('q', 6)")
      db.session:execute(db.text "DELETE FROM member")
      m.log = {}
      db.session:refresh(u)
      local n = #m.log
      assert.is_true(n <= 3, lazy)
      assert.equal("p55,p54,p53,p52,p51", names(u.posts, "title"), lazy)
      assert.equal("", names(u.teams), lazy)
      assert.equal(n, #m.log, lazy)
      db.session:refresh(own)
      n = #m.log
      assert.equal("q", names(own.posts, "title"), lazy)
      assert.equal(n, #m.log, lazy)
      db.session:execute(db.text "UPDATE post SET user_id = NULL")
      m.log = {}
      db.session:refresh(u, { "name", "bio" })
      assert.equal(5, #u.posts)
      assert.equal(2, #m.log)
      db.session:refresh(u, { "posts" })
      assert.equal(3, #m.log)
      assert.equal(0, #u.posts)
      assert.equal(3, #m.log)
    end
  end)

  it("streams in batches, each with what is loaded along", function()
    for way, expect in pairs { selectinload = 1 + 3, subqueryload = 1 + 3, immediateload = 1 + 3 } do
      db.session:expunge_all()
      m.log = {}
      local seen = {}
      for u in User.query:order_by(User.id):options(db[way](User.posts)):each(2) do
        local touched = #m.log
        seen[#seen + 1] = names(u.posts, "title")
        assert.equal(touched, #m.log, way)
        assert.equal(1 + (#seen + 1) // 2, #m.log, way)
      end
      assert.equal(";p21;p32,p31;p43,p42,p41;p54,p53,p52,p51", table.concat(seen, ";"), way)
      assert.equal(expect, #m.log, way)
      for i = 2, #m.log do assert.match("IN %(", m.log[i]) end
    end
    db.session:expunge_all()
    m.log = {}
    for u in User.query:options(db.selectinload(User.posts)):each() do assert.is_true(#u.posts < 5) end
    assert.equal(2, #m.log)
  end)

  it("streams rows of several things and what is behind a joined reference in batches", function()
    local seen = {}
    for u, title in db.select(User, Post.title):outerjoin(User.posts):order_by(User.id, Post.id)
      :options(db.selectinload(User.teams)):each(4) do
      seen[#seen + 1] = names(u.teams) .. "=" .. tostring(title)
    end
    assert.equal("c=nil a,c=p21 a,b,c=p31 a,b,c=p32 =p41 =p42 =p43 c=p51 c=p52 c=p53 c=p54",
      table.concat(seen, " "))
    assert.equal(1 + 2, #m.log) -- the user of the last batch is there
    db.session:expunge_all()
    m.log = {}
    seen = {}
    for p in Post.query:order_by(Post.id):options(db.joinedload(Post.user):selectinload(User.teams)):each(3) do
      seen[#seen + 1] = names(p.user.teams)
    end
    assert.equal("a,c|a,b,c|a,b,c||||c|c|c|c", table.concat(seen, "|"))
    assert.is_true(#m.log <= 1 + 4, #m.log)
  end)

  it("streams in batches whose objects load together what is touched", function()
    for size, expect in pairs { [2] = 1 + 3, [5] = 1 + 1, [500] = 1 + 1 } do
      db.session:expunge_all()
      m.log = {}
      local seen = {}
      for u in User.query:order_by(User.id):each(size) do seen[#seen + 1] = #u.posts .. u.bio end
      assert.equal("0b1 1b2 2b3 3b4 4b5", table.concat(seen, " "))
      assert.equal(1 + 2 * (expect - 1), #m.log, size)
    end
    db.session:expunge_all()
    m.log = {}
    for p in Post.query:each() do assert.is_truthy(p.user.name) end
    assert.equal(2, #m.log)
  end)

  it("streams in constant memory with what is loaded along", function()
    local big = perilune.open "sqlite://"
    local Box = big.Model "Box" { id = big.Column { big.Integer, primary_key = true },
      things = big.relationship { "Thing", lazy = "selectin" } }
    local Thing = big.Model "Thing" { id = big.Column { big.Integer, primary_key = true },
      box_id = big.Column { big.Integer, big.ForeignKey "box.id", index = true } }
    big:create_all()
    local boxes, things = {}, {}
    for i = 1, 20000 do boxes[i], things[i] = { id = i }, { id = i, box_id = i } end
    big.session:bulk_insert(Box, boxes)
    big.session:bulk_insert(Thing, things)
    big.session:commit()
    boxes, things = nil, nil -- luacheck: ignore 311
    local n, most = 0, 0
    collectgarbage()
    local before = collectgarbage "count"
    for box in Box.query:each(100) do
      n = n + #box.things
      if n % 2000 == 0 then
        collectgarbage()
        most = math.max(most, collectgarbage "count" - before)
      end
    end
    assert.equal(20000, n)
    assert.is_true(most < 700, most .. " KiB")
  end)

  it("streams batches that are whole numbers above zero", function()
    for _, bad in ipairs { 0, -1, 1.5, "many", {} } do
      assert.error_matches(function() User.query:each(bad) end, "batch")
    end
  end)

  it("refuses a touch with raiseload", function()
    local u = User.query:options(db.raiseload(User.posts)):first()
    assert.error_matches(function() return #u.posts end, "'User.posts' is not available due to lazy='raise'")
    assert.equal("c", names(u.teams))
    db.session:expunge_all()
    u = User.query:options(db.raiseload "*", db.selectinload(User.posts)):order_by(User.id:desc()):first()
    assert.equal(4, #u.posts)
    assert.error_matches(function() return #u.teams end, "not available")
    assert.error_matches(function() return #u.posts[1].tags end, "not available")
  end)

  it("lets raiseload of SQL only take what the session has", function()
    local u = db.session:get(User, 2)
    local p = Post.query:options(db.raiseload(Post.user, { sql_only = true })):order_by(Post.id):all()
    assert.equal(u, p[1].user)
    assert.error_matches(function() return p[2].user end, "not available")
  end)

  it("leaves empty with noload", function()
    local u = User.query:options(db.noload(User.posts)):order_by(User.id:desc()):first()
    assert.equal(0, #u.posts)
    assert.is_nil(Post.query:options(db.noload(Post.user)):where(Post.user_id:eq(2)):first().user)
  end)

  it("loads one by one where batching is off", function()
    db.session:expunge_all()
    local users = User.query:options(db.lazyload(User.posts, { batch = false })):order_by(User.id):all()
    m.log = {}
    local n = 0
    for _, u in ipairs(users) do n = n + #u.posts end
    assert.equal(10, n)
    assert.equal(5, #m.log)
    for _, u in ipairs(users) do n = n + #u.teams end
    assert.equal(6, #m.log)
    db.session:expunge_all()
    db.config.batch_lazy = false
    assert.same({ 1, 5 + 10 + 5 }, { counts(User.query:order_by(User.id)) })
    db.config.batch_lazy = true
  end)

  describe("of columns", function()
    it("leaves deferred ones for later, for all that came together", function()
      local users = User.query:order_by(User.id):all()
      assert.equal("SELECT user.id, user.name FROM user ORDER BY user.id", m.log[1])
      for i, u in ipairs(users) do assert.equal("b" .. i, u.bio) end
      assert.equal(2, #m.log)
    end)
    it("follows load_only, defer and undefer", function()
      local u = User.query:options(db.load_only(User.name)):first()
      assert.equal("SELECT user.id, user.name FROM user LIMIT ?", m.log[1])
      assert.equal("n1", u.notes)
      assert.equal(2, #m.log)
      db.session:expunge_all()
      User.query:options(db.defer(User.name), db.undefer(User.bio)):first()
      assert.equal("SELECT user.id, user.bio FROM user LIMIT ?", m.log[3])
      User.query:options(db.undefer "*"):first()
      assert.truthy(m.log[4]:find("user.bio", 1, true))
    end)
    it("undefers a group", function()
      db.session:expunge_all()
      local u = User.query:options(db.undefer_group "long"):first()
      assert.equal("b1 n1", u.bio .. " " .. u.notes)
      assert.equal(1, #m.log)
    end)
    it("reaches the columns of related objects", function()
      local q = User.query:order_by(User.id)
      assert.same({ 1, 2 }, { counts(q:options(db.joinedload(User.posts):load_only(Post.title))) })
      assert.truthy(m.log[1]:find("post_1.id, post_1.title FROM", 1, true))
      assert.same({ 2, 3 }, { counts(q:options(db.selectinload(User.posts):options(db.defer(Post.title)))) })
    end)
    it("loads a reference whose key was deferred", function()
      local p = Post.query:options(db.load_only(Post.title)):where(Post.id:eq(1)):one()
      assert.equal("u2", p.user.name)
      db.session:expunge_all()
      local posts = Post.query:options(db.load_only(Post.title), db.selectinload(Post.user)):order_by(Post.id):all()
      assert.equal("u2,u3", posts[1].user.name .. "," .. posts[2].user.name)
    end)
    it("refuses a deferred column that is not to be loaded", function()
      local u = User.query:options(db.defer(User.name, { raiseload = true })):first()
      assert.error_matches(function() return u.name end, "'User.name' is not available")
    end)
    it("keeps what was set on an object that was loaded in part", function()
      local u = User.query:options(db.load_only(User.name)):first()
      u.notes = "mine"
      assert.equal("mine", User.query:first().notes)
      db.session:commit()
      assert.equal("mine", u.notes)
    end)
  end)

  it("names what an option expects", function()
    assert.error_matches(function() return db.joinedload(User.posts):joinedload(Team.users) end, "next step is of Team")
    assert.error_matches(function() return Tag.query:options "x" end, "loader options")
  end)

  it("fills a list once when the query repeats its owner", function()
    db.session:add(User{name = "again", posts = { Post{id = 91}, Post{id = 92}, Post{id = 93} }})
    db.session:commit()
    local again = User.query:where(User.name:eq "again")
    local queries = {
      again:join(User.posts),
      again:join(User.posts):limit(2),
      again:join(Post, db.true_()),
      again:union_all(again),
      db.select(User, Post):join(User.posts):where(User.name:eq "again"),
    }
    for i, query in ipairs(queries) do
      for _, way in ipairs { db.joinedload, db.subqueryload, db.selectinload, db.immediateload } do
        db.session:expunge_all()
        local owner, ids = query:options(way(User.posts)):all()[1], {}
        if i == 5 then owner = owner.User end
        for k, post in ipairs(owner.posts) do ids[k] = post.id end
        assert.same({ 93, 92, 91 }, ids, "query " .. i)
      end
    end
  end)
end)

describe("loading as declared", function()
  for way, n in pairs { joined = { 1, 1 }, selectin = { 2, 2 }, subquery = { 2, 2 }, immediate = { 2, 2 } } do
    it("is " .. way, function()
      local m = open(way)
      local users = m.User.query:order_by(m.User.id):all()
      assert.equal(n[1], #m.log)
      assert.equal(4, #users[5].posts)
      assert.equal(n[1], #m.log)
      m.db.session:expunge_all()
      m.log = {}
      local u = m.db.session:get(m.User, 5)
      assert.equal("p54,p53,p52,p51", names(u.posts, "title"))
      assert.equal(n[2], #m.log)
      assert.equal(u, u.posts[1].user)
      m.db.session:expunge_all()
      m.log = {}
      m.User.query:options(m.db.lazyload(m.User.posts)):all()
      assert.equal(1, #m.log)
    end)
  end

  it("does not lead back to the model it came from", function()
    local db = perilune.open "sqlite://"
    local A = db.Model "A" { id = db.Column { db.Integer, primary_key = true },
      bs = db.relationship { "B", back_populates = "a", lazy = "joined" } }
    local B = db.Model "B" { id = db.Column { db.Integer, primary_key = true },
      a_id = db.Column { db.Integer, db.ForeignKey "a.id" },
      a = db.relationship { "A", back_populates = "bs", lazy = "joined" } }
    db:create_all()
    db.session:add(A { bs = { B {}, B {} } })
    db.session:commit()
    db.session:expunge_all()
    local log = {}
    db.event.listen(db.engine, "before_cursor_execute", function(_, _, sql) log[#log + 1] = sql end)
    assert.equal(2, #A.query:first().bs)
    assert.equal(1, #log)
    local _, joins = log[1]:gsub("JOIN", "")
    assert.equal(1, joins)
  end)

  it("follows a relationship to its own model as far as join_depth says", function()
    local db = perilune.open "sqlite://"
    local Node = db.Model "Node" { id = db.Column { db.Integer, primary_key = true },
      parent_id = db.Column { db.Integer, db.ForeignKey "node.id" },
      children = db.relationship { "Node", lazy = "joined", join_depth = 2, order_by = "Node.id" } }
    db:create_all()
    db.session:add(Node { children = { Node { children = { Node { children = { Node {} } } } }, Node {} } })
    db.session:commit()
    db.session:expunge_all()
    local log = {}
    db.event.listen(db.engine, "before_cursor_execute", function(_, _, sql) log[#log + 1] = sql end)
    local root = Node.query:where(Node.parent_id:is(nil)):one()
    assert.equal(2, #root.children)
    assert.equal(1, #root.children[1].children)
    assert.equal(1, #log)
    assert.equal(1, #root.children[1].children[1].children)
    assert.equal(2, #log)
  end)

  it("is raised, or empty", function()
    local m = open "raise"
    assert.error_matches(function() return #m.User.query:first().posts end, "lazy='raise'")
    m.db.session:expunge_all()
    local u = m.User.query:order_by(m.User.id:desc()):options(m.db.selectinload(m.User.posts)):first()
    assert.equal(4, #u.posts)
    m.db.session:delete(m.db.session:get(m.User, 2))
    m.db.session:flush()
    assert.equal(1, m.Post.query:where(m.Post.user_id:is(nil)):count())
    local n = open "noload"
    assert.equal(0, #n.User.query:order_by(n.User.id:desc()):first().posts)
  end)
end)

describe("loading of models that inherit", function()
  it("is the same in every way, and of one class where that is asked for", function()
    local db = perilune.open "sqlite://"
    local function id() return db.Column { db.Integer, primary_key = true } end
    local Person = db.Model "Person" { id = id(), kind = db.Column { db.String(8) }, name = db.Column { db.String(8) },
      firm_id = db.Column { db.Integer, db.ForeignKey "firm.id" },
      __mapper_args__ = { polymorphic_on = "kind", polymorphic_identity = "person" } }
    local Engineer = db.Model "Engineer" { __inherits__ = Person, __tablename__ = "engineer",
      id = db.Column { db.Integer, db.ForeignKey "person.id", primary_key = true },
      lang = db.Column { db.String(8) }, __mapper_args__ = { polymorphic_identity = "engineer" } }
    local Manager = db.Model "Manager" { __inherits__ = Person, bonus = db.Column(db.Integer),
      __mapper_args__ = { polymorphic_identity = "manager" } }
    local Firm = db.Model "Firm" { id = id(), name = db.Column { db.String(8) },
      people = db.relationship { "Person", order_by = "Person.id", backref = "firm" },
      boss_id = db.Column { db.Integer, db.ForeignKey { "engineer.id", use_alter = true, name = "boss" } },
      boss = db.relationship { "Engineer", foreign_keys = "Firm.boss_id", post_update = true } }
    db:create_all()
    local e = Engineer { name = "e", lang = "c" }
    db.session:add(Firm { name = "f", boss = e,
      people = { Person { name = "p" }, e, Manager { name = "m", bonus = 3 } } })
    db.session:add(Firm { name = "g" })
    db.session:commit()
    for _, way in ipairs { "lazyload", "joinedload", "selectinload", "subqueryload" } do
      local load = db[way]
      db.session:expunge_all()
      local firms = Firm.query:order_by(Firm.id):options(load(Firm.people), load(Firm.boss)):all()
      assert.equal("p,e,m", names(firms[1].people), way)
      assert.equal("c", firms[1].boss.lang, way)
      assert.equal(3, firms[1].people[3].bonus, way)
      assert.equal(0, #firms[2].people, way)
      assert.is_nil(firms[2].boss, way)
      db.session:expunge_all()
      firms = Firm.query:order_by(Firm.id):options(load(Firm.people:of_type(Engineer))):all()
      assert.equal("e", names(firms[1].people), way)
      db.session:expunge_all()
      firms = Firm.query:order_by(Firm.id):options(load(Firm.people:of_type(Manager))):all()
      assert.equal("m", names(firms[1].people), way)
    end
    db:close()
  end)
end)
