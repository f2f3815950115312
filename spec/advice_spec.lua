-- Plans that name the index that is missing: only one that SQLite would use.

local perilune = require "perilune"
local advice = require "perilune.advice"

describe("the plan of a query", function()
  local db, User, Post

  setup(function()
    db = perilune.open "sqlite://"
    User = db.Model "User" {
      id = db.Column{db.Integer, primary_key = true},
      name = db.Column{db.String(100), nullable = false},
      age = db.Column{db.Integer},
      email = db.Column{db.String, index = true, server_default = "a:b"},
      posts = db.relationship{"Post", backref = "user"},
    }
    Post = db.Model "Post" {
      id = db.Column{db.Integer, primary_key = true},
      user_id = db.Column{db.Integer, db.ForeignKey "user.id", nullable = false},
      title = db.Column(db.Text),
    }
    db:create_all()
  end)

  teardown(function() db:close() end)

  local function missing(query)
    local out = {}
    for i, index in ipairs(query:explain().missing) do
      out[i] = index.table .. "(" .. table.concat(index.columns, ", ") .. ")"
    end
    return table.concat(out, " ")
  end

  it("is a tree of steps", function()
    local plan = User.query:where(User.id:eq(1)):explain()
    assert.equal(1, #plan)
    assert.equal("SEARCH user USING INTEGER PRIMARY KEY (rowid=?)", plan[1].detail)
    assert.same({}, plan.missing)
  end)

  it("names an index for a comparison", function()
    assert.equal("user(name)", missing(User.query:where(User.name:eq "what? :this")))
    assert.equal("user(age)", missing(User.query:where(User.age:between(1, 2))))
    assert.equal("user(name, age)", missing(User.query:where(User.age:gt(3), User.name:eq "x")))
    assert.equal("user(name)", missing(User.query:where(User.name:in_ { "a", "b" })))
    assert.equal("user(age)", missing(User.query:where(User.age:is(nil))))
  end)

  it("names one for an order with a limit", function()
    assert.equal("user(age)", missing(User.query:order_by(User.age):limit(3)))
  end)

  it("names those of joins, subqueries and aliases", function()
    assert.equal("post(title)", missing(db.select(User.id):join(Post):where(Post.title:eq "a")))
    assert.equal("post(user_id, title)", missing(User.query:where(User.posts:any(Post.title:eq "q"))))
    local other = db.aliased(Post)
    assert.equal("post(title)", missing(db.select(other):where(other.title:eq "q")))
  end)

  it("names none where none would help", function()
    assert.equal("", missing(User.query))
    assert.equal("", missing(User.query:where(User.name:like "%x")))
    assert.equal("", missing(User.query:where(db.func.lower(User.name):eq "x")))
    assert.equal("", missing(User.query:where(User.name:ne "x")))
    assert.equal("", missing(User.query:where(User.email:eq "x")))
  end)

  it("shows it at the step", function()
    assert.equal("SCAN user   -- an index would spare this: CREATE INDEX ix_user_name ON user (name)",
      tostring(User.query:where(User.name:eq "x"):explain()))
    assert.equal("SCAN user   -- reads every row of user", tostring(User.query:explain()))
  end)

  it("is that of SQL text, too, with names that are not qualified", function()
    local steps = advice.steps(db, "SELECT * FROM user u JOIN post p ON p.user_id = u.id WHERE title = ?")
    local found = advice.missing(db, "SELECT * FROM user u JOIN post p ON p.user_id = u.id WHERE title = ?", steps)
    assert.equal("CREATE INDEX ix_post_title ON post (title)", found[1].create)
  end)

  it("leaves the database as it is", function()
    User.query:where(User.name:eq "x"):explain()
    assert.same({ "ix_user_email" }, { perilune.inspect(db):get_indexes("user")[1].name })
    assert.equal(1, #perilune.inspect(db):get_indexes "user")
  end)

  it("finds parameters outside of quotes only", function()
    assert.equal("a = :p1 AND b = '?' AND \"?\" = :p2", (advice.named "a = ? AND b = '?' AND \"?\" = ?"))
  end)
end)
