-- Merging objects into a session, and states given by hand.
local perilune = require "perilune"
local raised = require "spec.support.raised"

local function state(object) return perilune.inspect(object).state end

describe("merge", function()
  local db, session, User, Post, Tag, Doc

  before_each(function()
    db = perilune.open "sqlite://"
    session = db.session
    local links = db.Table{"links",
      db.Column{"post_id", db.Integer, db.ForeignKey "post.id", primary_key = true},
      db.Column{"tag_id", db.Integer, db.ForeignKey "tag.id", primary_key = true},
    }
    User = db.Model "User" {
      id = db.Column{db.Integer, primary_key = true},
      name = db.Column{db.String(20)},
      rank = db.Column{db.Integer, default = 3},
      data = db.Column{db.JSON},
      posts = db.relationship{"Post", back_populates = "user"},
    }
    Post = db.Model "Post" {
      id = db.Column{db.Integer, primary_key = true},
      title = db.Column{db.String(20)},
      user_id = db.Column{db.Integer, db.ForeignKey "user.id"},
      user = db.relationship{"User", back_populates = "posts"},
      tags = db.relationship{"Tag", secondary = links, backref = "posts"},
    }
    Tag = db.Model "Tag" {
      id = db.Column{db.Integer, primary_key = true},
      word = db.Column{db.String(20)},
    }
    Doc = db.Model "Doc" {
      __mapper_args__ = { version_id_col = "rev" },
      id = db.Column{db.Integer, primary_key = true},
      text = db.Column{db.Text},
      rev = db.Column{db.Integer, nullable = false},
    }
    db:create_all()
  end)

  after_each(function() db:close() end)

  local function saved(object)
    session:add(object)
    session:commit()
    return object
  end

  it("of a new object makes another one in the session", function()
    local given = User{name = "a"}
    local merged = session:merge(given)
    assert.is_false(rawequal(given, merged))
    assert.same({ "transient", "pending" }, { state(given), state(merged) })
    assert.equal("a", merged.name)
    session:commit()
    assert.equal(1, merged.id)
    assert.is_nil(given.id)
    assert.equal(3, merged.rank)
  end)

  it("writes what is set into the object with the key and leaves the rest", function()
    local user = saved(User{name = "a", rank = 7, data = { 1 }})
    assert.is_true(rawequal(user, session:merge(User{id = 1, name = "b"})))
    assert.same({ "b", 7 }, { user.name, user.rank })
    session:merge(User{id = 1, rank = db.null, data = { x = 2 }})
    assert.is_nil(user.rank)
    assert.equal(2, user.data.x)
    session:commit()
    assert.equal('b||{"x": 2}', session:execute(
      db.text "select name || '|' || coalesce(rank, '') || '|' || data from user"):scalar())
  end)

  it("of values that are there already changes nothing", function()
    saved(User{name = "a"})
    session:merge(User{id = 1, name = "a"})
    assert.equal("", session:flush_plan())
  end)

  it("loads the object, one SELECT each", function()
    saved(User{name = "a"})
    session:expunge_all()
    local merged = session:merge(User{id = 1, name = "b"})
    assert.equal("persistent", state(merged))
    assert.equal("UPDATE user (1)\n", session:flush_plan())
  end)

  it("of a key that has no row makes a new object with it", function()
    local merged = session:merge(User{id = 9, name = "i"})
    assert.equal("pending", state(merged))
    session:commit()
    assert.equal(9, merged.id)
  end)

  it("of a persistent object is that object", function()
    local user = saved(User{name = "a"})
    assert.is_true(rawequal(user, session:merge(user)))
  end)

  it("takes an object of a closed session", function()
    local user = saved(User{name = "a"})
    assert.equal("a", user.name)
    session:close()
    user.name = "z"
    local merged = db.session:merge(user)
    assert.same({ "detached", "persistent", "z" }, { state(user), state(merged), merged.name })
    db.session:commit()
    assert.equal("z", merged.name)
  end)

  it("follows relationships, and comes back over none", function()
    local user = User{name = "a", posts = { Post{title = "p"}, Post{title = "q", tags = { Tag{word = "w"} }} }}
    local merged = session:merge(user)
    session:commit()
    assert.same({ 2, "w" }, { #merged.posts, merged.posts[2].tags[1].word })
    assert.equal("transient", state(user.posts[1]))
    session:merge(User{id = 1, posts = { Post{id = 2, title = "r"}, Post{title = "s"} }})
    session:commit()
    assert.same({ 2, "r", "s" }, { #merged.posts, merged.posts[1].title, merged.posts[2].title })
    assert.is_nil(session:get(Post, 1).user_id)
  end)

  it("keeps one object for one key in a graph", function()
    local tag = Tag{id = 4, word = "t"}
    local merged = session:merge(User{posts = { Post{tags = { tag }}, Post{tags = { Tag{id = 4, word = "t"} }} }})
    session:commit()
    assert.is_true(rawequal(merged.posts[1].tags[1], merged.posts[2].tags[1]))
    assert.equal(1, Tag.query:count())
  end)

  it("an explicit nil of a reference is merged", function()
    saved(Post{title = "p", user = User{name = "a"}})
    local merged = session:merge(Post{id = 1, user = db.null})
    session:commit()
    assert.is_nil(merged.user_id)
  end)

  it("goes as deep as objects do", function()
    local Node = db.Model "Node" {
      id = db.Column{db.Integer, primary_key = true},
      above_id = db.Column{db.Integer, db.ForeignKey "node.id"},
      above = db.relationship{"Node", remote_side = "Node.id"},
    }
    db:create_all()
    local node = Node{}
    for _ = 1, 20000 do node = Node{above = node} end
    session:merge(node)
    session:commit()
    assert.equal(20001, Node.query:count())
  end)

  it("refuses an object of another version", function()
    local doc = saved(Doc{text = "a"})
    assert.equal(1, doc.rev)
    session:expunge(doc)
    session:execute(db.text "update doc set rev = 5")
    doc.text = "b"
    local err = raised("StaleDataError", function() session:merge(doc) end)
    assert.matches("Version id '1'", err.message)
    assert.matches("existing version '5'", err.message)
    local merged = session:merge(Doc{id = 1, text = "c"})
    session:commit()
    assert.same({ "c", 6 }, { merged.text, merged.rev })
  end)

  it("with load = false takes the values for the row's", function()
    local user = saved(User{name = "a", posts = { Post{title = "p"} }})
    assert.equal("p", user.posts[1].title)
    local post = user.posts[1]
    session:expunge(post)
    session:expunge(user)
    local merged = session:merge(user, { load = false })
    assert.same({ "persistent", "a", 1 }, { state(merged), merged.name, #merged.posts })
    assert.equal("persistent", state(merged.posts[1]))
    assert.equal("", session:flush_plan())
    assert.is_true(rawequal(merged, session:merge{user, load = false}))
    merged.name = "b"
    session:commit()
    assert.equal("b", merged.name)
  end)

  it("with load = false refuses what is new or changed", function()
    raised("InvalidRequestError", function() session:merge(User{id = 1}, { load = false }) end)
    local user = saved(User{name = "a"})
    session:expunge(user)
    user.name = "b"
    raised("InvalidRequestError", function() session:merge(user, { load = false }) end)
  end)

  it("flushes first and validates", function()
    local user = User{id = 1, name = "a"}
    session:add(user)
    assert.is_true(rawequal(user, session:merge(User{id = 1, name = "b"})))
    assert.equal("persistent", state(user))
    db.event.listen(User.name, "set", function(_, value) return value .. "!" end)
    session:merge(User{id = 1, name = "c"})
    assert.equal("c!!", user.name)
  end)

  it("copies an SQL expression", function()
    local user = saved(User{name = "a", rank = 1})
    local given = User{id = 1}
    given.rank = User.rank + 1
    session:merge(given)
    session:commit()
    assert.equal(2, user.rank)
  end)

  it("is for objects of models", function()
    raised("UnmappedInstanceError", function() session:merge(5) end)
    raised("TypeError", function() session.merge(User{}) end)
  end)

  it("make_transient gives a copy of a row to be saved", function()
    local user = saved(User{name = "a"})
    assert.equal("a", user.name)
    session:expunge(user)
    perilune.make_transient(user)
    assert.equal("transient", state(user))
    user.id = nil
    session:add(user)
    session:commit()
    assert.same({ 2, "a" }, { user.id, user.name })
    assert.equal(2, User.query:count())
  end)

  it("make_transient takes an object out of its session, and a deleted one back", function()
    local user = saved(User{name = "a"})
    perilune.make_transient(user)
    assert.is_false(session:contains(user))
    user = session:get(User, 1)
    session:delete(user)
    session:commit()
    perilune.make_transient(user)
    session:add(user)
    session:commit()
    assert.equal(1, User.query:count())
  end)

  it("make_transient_to_detached stands for a row that was not read", function()
    saved(User{name = "a"})
    session:expunge_all()
    local user = User{id = 1}
    perilune.make_transient_to_detached(user)
    assert.equal("detached", state(user))
    session:add(user)
    assert.same({ "persistent", "a", 3 }, { state(user), user.name, user.rank })
    raised("InvalidRequestError", function() perilune.make_transient_to_detached(user) end)
    raised("InvalidRequestError", function() perilune.make_transient_to_detached(User{}) end)
  end)
end)
