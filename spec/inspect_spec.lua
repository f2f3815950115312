-- perilune.inspect: states of objects, histories of attributes, models, what is in a database.

local perilune = require "perilune"

local inspect, null = perilune.inspect, perilune.null

local function raises(class, text, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal(class, type(err) == "table" and err.name or err)
  assert.truthy(tostring(err):find(text, 1, true), tostring(err))
  return err
end

local db, User, Post, Tag

local function declare()
  db = perilune.open "sqlite://"
  User = db.Model "User" {
    id = db.Column{db.Integer, primary_key = true},
    name = db.Column{db.String(20), nullable = false},
    age = db.Column{db.Integer},
    data = db.Column{db.JSON},
    __tostring = function(self) return self.name end,
  }
  Post = db.Model "Post" {
    id = db.Column{db.Integer, primary_key = true},
    user_id = db.Column{db.Integer, db.ForeignKey "user.id"},
    title = db.Column{db.String(20)},
    user = db.relationship{"User", backref = "posts"},
    __tostring = function(self) return self.title end,
  }
  local post_tag = db.Table{"post_tag",
    db.Column{"post_id", db.Integer, db.ForeignKey "post.id", primary_key = true},
    db.Column{"tag_id", db.Integer, db.ForeignKey "tag.id", primary_key = true},
  }
  Tag = db.Model "Tag" {
    id = db.Column{db.Integer, primary_key = true},
    posts = db.relationship{"Post", secondary = post_tag, backref = "tags"},
  }
  db:create_all()
end

before_each(declare)
after_each(function() db:close() end)

describe("the state of an object", function()
  local words = { "transient", "pending", "persistent", "deleted", "detached" }

  -- Exactly one of the five is true.
  local function is(word, object)
    local state = inspect(object)
    assert.equal(word, state.state)
    for _, each in ipairs(words) do assert.equal(each == word, state[each]) end
  end

  it("goes from transient to detached", function()
    local user = User{name = "a"}
    is("transient", user)
    db.session:add(user)
    is("pending", user)
    db.session:flush()
    is("persistent", user)
    db.session:delete(user)
    is("persistent", user)
    db.session:flush()
    is("deleted", user)
    db.session:commit()
    is("detached", user)
  end)

  it("goes back with a rollback", function()
    local user, other = User{name = "a"}, User{name = "b"}
    db.session:add(user)
    db.session:commit()
    db.session:add(other)
    db.session:delete(user)
    db.session:flush()
    is("deleted", user)
    is("persistent", other)
    db.session:rollback()
    is("persistent", user)
    is("transient", other)
    assert.is_nil(inspect(other).identity)
  end)

  it("knows expunging, closing and coming back", function()
    local user, pending = User{name = "a"}, User{name = "b"}
    db.session:add(user)
    db.session:commit()
    db.session:expunge(user)
    is("detached", user)
    db.session:add_all{user, pending}
    is("persistent", user)
    db.session:expunge(pending)
    is("transient", pending)
    db.session:add(pending)
    db.session:close()
    is("detached", user)
    is("transient", pending)
  end)

  it("is read anew each time", function()
    local user = User{name = "a"}
    local state = inspect(user)
    assert.is_true(state.transient)
    db.session:add(user)
    assert.is_true(state.pending)
    assert.equal("<InstanceState of a, pending>", tostring(state))
  end)

  it("has session, identity, model", function()
    local user = User{name = "a"}
    local state = inspect(user)
    assert.is_nil(state.session)
    assert.is_nil(state.identity)
    assert.is_false(state.has_identity)
    db.session:add(user)
    assert.equal(db.session, state.session)
    db.session:flush()
    assert.equal("[1]", tostring(state.identity))
    assert.is_true(state.has_identity)
    assert.equal(User, state.model)
    assert.equal("User", state.mapper.name)
    assert.equal(user, state.object)
    db.session:commit()
    db.session:close()
    assert.is_nil(state.session)
    assert.equal(1, state.identity[1])
  end)

  it("knows changes, staleness and what is not loaded", function()
    local user = User{name = "a"}
    db.session:add(user)
    db.session:commit()
    local state = inspect(user)
    assert.same({ false, true }, { state.modified, state.expired })
    assert.equal("a", user.name)
    assert.same({ false, false }, { state.modified, state.expired })
    assert.same({ "posts" }, state.unloaded)
    user.age = 3
    assert.is_true(state.modified)
    db.session:expire(user, { "age" })
    assert.same({ "age", "posts" }, state.unloaded)
    assert.is_false(state.attrs.age.loaded)
    assert.is_nil(state.attrs.age.loaded_value)
    assert.is_nil(state.attrs.age.value)
    assert.is_true(state.attrs.age.loaded)
    assert.equal("a", state.attrs.name.loaded_value)
  end)

  it("does not need the object to describe itself", function()
    local user = User{name = "a"}
    db.session:add(user)
    db.session:commit()
    db.session:expire(user)
    db.session:close()
    assert.equal("<InstanceState of a User, detached>", tostring(inspect(user)))
  end)

  it("has no other fields", function()
    raises("AttributeError", "did you mean 'persistent'?", function()
      return inspect(User{name = "a"}).persistant
    end)
    raises("AttributeError", "User has no attribute 'nmae' (did you mean 'name'?)", function()
      return inspect(User{name = "a"}).attrs.nmae
    end)
  end)

  it("goes over the attributes in order", function()
    local names = {}
    for name, attribute in pairs(inspect(User{name = "a"}).attrs) do
      assert.equal(name, attribute.key)
      names[#names + 1] = name
    end
    assert.same({ "id", "name", "age", "data", "posts" }, names)
    assert.equal(5, #inspect(User{name = "a"}).attrs)
  end)
end)

describe("the history of an attribute", function()
  local function history(object, name, added, unchanged, deleted)
    local h = inspect(object).attrs[name].history
    assert.same({ added, unchanged, deleted },
      { table.pack(table.unpack(h.added)), table.pack(table.unpack(h.unchanged)),
        table.pack(table.unpack(h.deleted)) })
    return h
  end

  local function some(...) return table.pack(...) end
  local none = some()

  local function saved(fields)
    local user = User(fields)
    db.session:add(user)
    db.session:commit()
    assert.truthy(user.name)
    return user
  end

  it("of a new object is what was set", function()
    local user = User{name = "a"}
    history(user, "name", some "a", none, none)
    local h = history(user, "age", none, none, none)
    assert.same({ true, false }, { h:empty(), h:has_changes() })
    db.session:add(user)
    history(user, "name", some "a", none, none)
    db.session:flush()
    history(user, "name", none, some "a", none)
    history(user, "age", none, some(null), none)
  end)

  it("of a column is old and new value, once they differ", function()
    local user = saved{name = "a", age = 1}
    user.age = 2
    user.age = 3
    local h = history(user, "age", some(3), none, some(1))
    assert.same({ false, true }, { h:empty(), h:has_changes() })
    assert.same({ 3, 1 }, h:sum())
    assert.equal("History(added=[3], unchanged=[], deleted=[1])", tostring(h))
    assert.equal(h.added, h[1])
    user.age = 1
    history(user, "age", none, some(1), none)
    user.age = nil
    history(user, "age", some(null), none, some(1))
    db.session:flush()
    history(user, "age", none, some(null), none)
  end)

  it("of an expired attribute is unknown, and nothing is loaded for it", function()
    local user = saved{name = "a"}
    db.session:commit()
    history(user, "name", none, none, none)
    assert.is_true(inspect(user).expired)
    user.name = "b"
    history(user, "name", some "b", none, none)
  end)

  it("notices JSON values changed in place", function()
    local user = saved{name = "a", data = { n = 1 }}
    assert.equal(1, user.data.n)
    assert.is_false(inspect(user).attrs.data.history:has_changes())
    user.data.n = 2
    local h = inspect(user).attrs.data.history
    assert.same({ n = 2 }, h.added[1])
    assert.same({ n = 1 }, h.deleted[1])
  end)

  it("shows an expression that the database is to compute", function()
    local user = saved{name = "a", age = 1}
    user.age = User.age + 1
    assert.equal(tostring(User.age + 1), tostring(inspect(user).attrs.age.history.added[1]))
  end)

  it("of a to-one relationship", function()
    local a, b = saved{name = "a"}, saved{name = "b"}
    local post = Post{title = "p"}
    history(post, "user", none, none, none)
    post.user = a
    history(post, "user", some(a), none, none)
    db.session:commit()
    assert.equal(a, post.user)
    history(post, "user", none, some(a), none)
    post.user = b
    history(post, "user", some(b), none, some(a))
    post.user = nil
    history(post, "user", some(null), none, some(a))
    post.user = a
    history(post, "user", none, some(a), none)
    db.session:commit()
    history(post, "user", none, none, none)
  end)

  it("of a list", function()
    local user = User{name = "u"}
    local p, q = Post{title = "p"}, Post{title = "q"}
    user.posts:append(p)
    history(user, "posts", some(p), none, none)
    db.session:add(user)
    db.session:commit()
    history(user, "posts", none, none, none)
    assert.equal(1, #user.posts)
    history(user, "posts", none, some(p), none)
    user.posts:append(q)
    history(user, "posts", some(q), some(p), none)
    user.posts:remove(p)
    history(user, "posts", some(q), none, some(p))
    history(p, "user", some(null), none, some(user))
    db.session:flush()
    history(user, "posts", none, some(q), none)
  end)

  it("of both sides of a many-to-many", function()
    local post, tag = Post{title = "p"}, Tag{}
    post.tags:append(tag)
    history(tag, "posts", some(post), none, none)
    db.session:add(post)
    db.session:flush()
    history(tag, "posts", none, some(post), none)
    post.tags:clear()
    history(tag, "posts", none, none, some(post))
    history(post, "tags", none, none, some(tag))
  end)
end)

describe("a model", function()
  it("has the info of its columns", function()
    local own = perilune.open "sqlite://"
    finally(function() own:close() end)
    local given = { unit = "kg" }
    local Parcel = own.Model "Parcel" {
      id = own.Column{own.Integer, primary_key = true},
      weight = own.Column{own.Float, info = given},
    }
    local columns = inspect(Parcel).columns
    assert.equal(given, columns[2].info)
    assert.equal(given, columns.weight.info)
    assert.same({}, columns.id.info)
  end)

  it("has columns that ipairs goes over", function()
    local names = {}
    for i, column in ipairs(User.__table__.columns) do names[i] = tostring(column) end
    assert.equal(4, #names)
    assert.is_nil(User.__table__.c[5])
    assert.is_nil(User.__table__.c[0])
    raises("AttributeError", "table 'user' has no column 'nmae'", function()
      return User.__table__.c.nmae
    end)
  end)

  it("tells its table, columns and relationships", function()
    local mapper = inspect(Post)
    assert.equal("<Mapper Post>", tostring(mapper))
    assert.same({ "Post", Post, Post.__table__ }, { mapper.name, mapper.model, mapper.table })
    local names = {}
    for i, column in ipairs(mapper.columns) do names[i] = column.name .. ":" .. column.type end
    assert.same({ "id:Integer", "user_id:Integer", "title:String" }, names)
    assert.same({ "id" }, mapper.primary_key)
    local user = mapper.relationships.user
    assert.same({ "user", "User", "many-to-one", false, "posts" },
      { user.name, user.target, user.direction, user.uselist, user.back })
    assert.equal("many-to-many", mapper.relationships.tags.direction)
    assert.equal("post_tag", mapper.relationships.tags.secondary)
    assert.equal("one-to-many", inspect(User).relationships.posts.direction)
    assert.equal(mapper.columns.title, mapper.attrs.title)
    assert.equal(user, mapper.attrs.user)
    assert.is_nil(mapper.parent)
  end)

  it("tells what it inherits from", function()
    local Admin = db.Model "Admin" { __inherits__ = User, level = db.Column{db.Integer} }
    assert.equal(User, inspect(Admin).parent)
    assert.truthy(inspect(Admin).columns.level)
    assert.truthy(inspect(Admin).columns.name)
  end)
end)

describe("a database", function()
  local inspector

  before_each(function() inspector = inspect(db) end)

  local function run(sql) db.session:execute(db.text(sql)) end

  it("lists its tables and views", function()
    run "CREATE VIEW adults AS SELECT * FROM user WHERE age >= 18"
    run "CREATE TEMP TABLE scratch (a)"
    assert.equal("[post, post_tag, tag, user]", tostring(inspector:get_table_names()))
    assert.equal("[adults]", tostring(inspector:get_view_names()))
    assert.equal("[scratch]", tostring(inspector:get_temp_table_names()))
    assert.is_true(inspector:has_table "user")
    assert.is_true(inspector:has_table "adults")
    assert.is_false(inspector:has_table "nowhere")
    assert.equal("<Inspector of the default database>", tostring(inspector))
    assert.truthy(inspector:get_sql "adults":find("CREATE VIEW adults", 1, true))
    assert.is_nil(inspector:get_sql "nowhere")
  end)

  it("describes columns", function()
    run [[CREATE TABLE "odd ones" (
      "a key" INTEGER PRIMARY KEY, b VARCHAR(10) NOT NULL DEFAULT 'x', c NUMERIC(10, 2) DEFAULT 5,
      d, e INTEGER GENERATED ALWAYS AS (c * 2) VIRTUAL)]]
    local columns = inspector:get_columns "odd ones"
    assert.same({ name = "a key", type = "INTEGER", nullable = true, primary_key = 1, computed = false },
      columns[1])
    assert.same({ name = "b", type = "VARCHAR(10)", nullable = false, default = "'x'", primary_key = 0,
      computed = false }, columns[2])
    assert.same({ "NUMERIC(10, 2)", "5" }, { columns[3].type, columns[3].default })
    assert.equal("", columns[4].type)
    assert.same({ "e", true }, { columns[5].name, columns[5].computed })
    assert.equal(4, #inspector:get_columns(User))
    assert.equal(4, #inspector:get_columns(User.__table__))
  end)

  it("names keys and constraints as its text does", function()
    run [[CREATE TABLE parent (a INTEGER, b INTEGER, CONSTRAINT "the key" PRIMARY KEY (a, b))]]
    run [[CREATE TABLE child ( -- a comment, with (parentheses)
      id INTEGER CONSTRAINT pk PRIMARY KEY,
      x INTEGER CONSTRAINT ux UNIQUE CONSTRAINT cx CHECK (x > 0 AND x <> ')'),
      y INTEGER REFERENCES parent, /* and , another */
      z TEXT UNIQUE CHECK (z <> 'it''s'),
      u INTEGER CONSTRAINT fu REFERENCES user (id) ON DELETE CASCADE ON UPDATE SET NULL
        DEFERRABLE INITIALLY DEFERRED,
      CONSTRAINT fk FOREIGN KEY (x, y) REFERENCES parent (a, b),
      UNIQUE (x, z),
      CONSTRAINT c CHECK ((x + y) < 10))]]
    assert.same({ constrained_columns = { "a", "b" }, name = "the key" },
      inspector:get_pk_constraint "parent")
    assert.same({ constrained_columns = { "id" }, name = "pk" }, inspector:get_pk_constraint "child")
    assert.same({ { name = "ux", column_names = { "x" } }, { column_names = { "z" } },
      { column_names = { "x", "z" } } }, inspector:get_unique_constraints "child")
    assert.same({ { name = "cx", sqltext = "x > 0 AND x <> ')'" }, { sqltext = "z <> 'it''s'" },
      { name = "c", sqltext = "(x + y) < 10" } }, inspector:get_check_constraints "child")
    local keys = inspector:get_foreign_keys "child"
    assert.same({
      { constrained_columns = { "y" }, referred_table = "parent", referred_columns = { "a", "b" },
        options = {} },
      { name = "fu", constrained_columns = { "u" }, referred_table = "user",
        referred_columns = { "id" }, options = { ondelete = "CASCADE", onupdate = "SET NULL",
        deferrable = true, initially = "DEFERRED" } },
      { name = "fk", constrained_columns = { "x", "y" }, referred_table = "parent",
        referred_columns = { "a", "b" }, options = {} },
    }, keys)
    assert.same({ constrained_columns = {} }, (function()
      run "CREATE TABLE keyless (a)"
      return inspector:get_pk_constraint "keyless"
    end)())
  end)

  it("describes indexes", function()
    run "CREATE UNIQUE INDEX by_name ON user (name, age)"
    run "CREATE INDEX by_expression ON user (lower(name) DESC, age) WHERE age > 17 AND name <> ')'"
    assert.same({
      { name = "by_expression", column_names = { null, "age" }, unique = false,
        expressions = { "lower(name) DESC", "age" }, where = "age > 17 AND name <> ')'" },
      { name = "by_name", column_names = { "name", "age" }, unique = true },
    }, inspector:get_indexes "user")
    assert.same({}, inspector:get_indexes "post")
  end)

  it("knows what the models declared", function()
    assert.equal("pk_user", inspector:get_pk_constraint(User).name)
    assert.equal("fk_post_user_id_user", inspector:get_foreign_keys(Post)[1].name)
  end)

  it("raises for tables that are not there", function()
    raises("NoSuchTableError", "nowhere", inspector.get_columns, inspector, "nowhere")
    raises("ArgumentError", "get_columns needs the name of a table, got nil",
      inspector.get_columns, inspector)
    raises("TypeError", "inspector:get_indexes(...)", inspector.get_indexes, "user")
  end)

  it("may be a bind", function()
    local two = perilune.open("sqlite://", { binds = { other = "sqlite://" } })
    two.session:execute(two.text "CREATE TABLE there (a)", nil, { bind = "other" })
    assert.equal("[]", tostring(inspect(two):get_table_names()))
    assert.equal("[there]", tostring(inspect(two.engines.other):get_table_names()))
    assert.equal("<Inspector of other>", tostring(inspect(two.engines.other)))
    two:close()
  end)
end)

it("inspect takes nothing else", function()
  for _, value in ipairs { 5, "user", {}, perilune.null } do
    raises("NoInspectionAvailable", "No inspection system is available", inspect, value)
  end
  assert.equal("user", inspect(User.__table__).name)
end)
