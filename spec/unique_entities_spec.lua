-- SPDX-License-Identifier: MIT
-- A query of one entity gives each object once, however many rows a join makes.

local perilune = require "perilune"

describe("a query of one entity", function()
  local db, User, Post

  setup(function()
    db = perilune.open "sqlite://"
    User = db.Model "User" {
      id = db.Column { db.Integer, primary_key = true },
      boss_id = db.Column { db.Integer, db.ForeignKey "user.id" },
    }
    Post = db.Model "Post" {
      id = db.Column { db.Integer, primary_key = true },
      user_id = db.Column { db.Integer, db.ForeignKey "user.id" },
      user = db.relationship { "User", backref = "posts" },
    }
    db:create_all()
    local first, second = User {}, User {}
    for _ = 1, 3 do first.posts:append(Post {}) end
    second.posts:append(Post {})
    db.session:add_all { first, second }
    db.session:flush()
    second.boss_id = first.id
    db.session:commit()
  end)

  teardown(function() db:close() end)

  it("is not repeated by a join", function()
    local found = User.query:join(User.posts):order_by(User.id):all()
    assert.equal(2, #found)
    assert.are_not.equal(found[1], found[2])
  end)

  it("is not repeated by a condition over two tables or by UNION ALL", function()
    assert.equal(2, #User.query:where(Post.user_id:eq(User.id)):all())
    assert.equal(2, #User.query:union_all(User.query):all())
  end)

  it("is not repeated by a join with an alias of its own table", function()
    local other = db.aliased(User)
    assert.equal(2, #User.query:join(other, other.id:ge(1)):all())
  end)

  it("is one for one()", function()
    assert.equal(1, User.query:join(User.posts):where(User.id:eq(1)):one().id)
    local ok, err = pcall(function() return User.query:join(User.posts):one() end)
    assert.is_false(ok)
    assert.equal("MultipleResultsFound", err.name)
  end)

  it("counts rows all the same", function()
    assert.equal(4, User.query:join(User.posts):count())
  end)

  it("stays as it is beside another column", function()
    assert.equal(4, #db.select(User, Post.id):join(User.posts):all())
    assert.equal(4, #db.select(User.id):join(User.posts):all())
  end)
end)
