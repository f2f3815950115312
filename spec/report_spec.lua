-- What --report finds: where a script queries, N+1, duplicates, unused eager loads, scans.

local perilune = require "perilune"
local report = require "perilune.report"
local run = require "spec.support.run"

describe("the report", function()
  local program, folder

  setup(function()
    program = run.command({ "realpath", run.program() }).out:match "[^\n]+"
    folder = run.folder()
  end)

  teardown(function() run.remove(folder) end)

  local models = [[
local perilune = require "perilune"
local db = perilune.open "sqlite://"
local User = db.Model "User" {id = db.Column{db.Integer, primary_key = true}, name = db.Column{db.String(100)}}
local Post = db.Model "Post" {id = db.Column{db.Integer, primary_key = true}, title = db.Column{db.Text, index = true},
  user_id = db.Column{db.Integer, db.ForeignKey "user.id"}, user = db.relationship{"User", backref = "posts"}}
db:create_all()
for i = 1, 4 do db.session:add(User{name = "n" .. i, posts = {Post{title = "a"}, Post{title = "b"}}}) end
db.session:commit()
db.session:expunge_all()
]]

  -- The report on a script whose first line of its own is line 10.
  local function of(text, ...)
    run.write(folder .. "/script.lua", models .. text)
    local result = run.command({ program, "--report", "script.lua", ... }, { dir = folder })
    return result.err:gsub("[%d.]+ ms", "N ms"), result
  end

  local function tells(expected, text)
    local found = of(text)
    assert.truthy(found:find(expected, 1, true), found)
  end

  local function silent(word, text)
    local found = of(text)
    assert.falsy(found:find(word, 1, true), found)
  end

  it("goes to standard error at the end and changes nothing else", function()
    local text, result = of("print(User.query:count())\nreturn 5")
    assert.same({ "4\n", 0 }, { result.out, result.code })
    assert.truthy(text:find("^\n%-%- report of <Database sqlite://>\n%d+ statements from %d+ places, N ms\n"), text)
    assert.truthy(text:find("1 ×  script.lua:10 (main chunk)", 1, true), text)
  end)

  it("is printed when the script fails or exits, too", function()
    local text, result = of("User.query:all() os.exit(3)")
    assert.equal(3, result.code)
    assert.truthy(text:find("script.lua:10", 1, true), text)
    text, result = of("User.query:all() error 'boo'")
    assert.equal(1, result.code)
    assert.truthy(text:find("boo.-report of.-script.lua:10"), text)
    text = of("User.query:where(User.name:eq 'x'):all() db:close()")
    assert.truthy(text:find("CREATE INDEX ix_user_name", 1, true), text)
  end)

  it("names a relationship that is fetched row by row", function()
    tells("N+1: the same query for 4 different values at script.lua:11 (main chunk)\n"
      .. "  SELECT post.id, post.title, post.user_id FROM post WHERE post.user_id IN (?)\n"
      .. "  one query for all: options(db.selectinload(User.posts)) on the query before the loop",
      "db.config.batch_lazy = false\n"
      .. "for _, u in ipairs(User.query:all()) do print(#u.posts) end")
    silent("N+1", "for _, u in ipairs(User.query:all()) do print(#u.posts) end")
  end)

  it("names a query that is run again and again", function()
    tells("N+1: the same query for 5 different values at script.lua:10",
      "for i = 1, 5 do User.query:filter_by{name = 'n' .. i}:first() end")
    silent("N+1", "for i = 1, 2 do User.query:filter_by{name = 'n' .. i}:first() end")
  end)

  it("names duplicates, unless something was written between them", function()
    tells("duplicate: the same query with the same values twice at script.lua:10 (main chunk) and script.lua:11",
      "User.query:filter_by{name = 'x'}:all()\nUser.query:filter_by{name = 'x'}:all()")
    silent("duplicate", "User.query:filter_by{name = 'x'}:all()\ndb.session:add(User{})\n"
      .. "User.query:filter_by{name = 'x'}:all()")
    silent("duplicate", "User.query:filter_by{name = '1'}:all() User.query:filter_by{name = '2'}:all()")
  end)

  it("names eager loads that nobody reads", function()
    tells("unused eager load: User.posts was loaded with its objects once and not read afterwards, at script.lua:10",
      "User.query:options(db.selectinload(User.posts)):all()")
    tells("unused eager load: User.posts",
      "local u = User.query:first() print(#u.posts)\nUser.query:options(db.joinedload(User.posts)):all()")
    silent("unused", "local us = User.query:options(db.selectinload(User.posts)):all()\nprint(us[1].posts[1].title)")
    silent("unused", "local us = User.query:options(db.joinedload(User.posts)):all()\nprint(us[2].posts[1].title)")
    silent("unused", "for _, p in ipairs(Post.query:options(db.joinedload(Post.user)):all()) do print(p.user) end")
    tells("unused eager load: Post.user was loaded with its objects once and not read afterwards, at script.lua:10",
      "Post.query:options(db.joinedload(Post.user)):all()")
  end)

  it("does not take reading other objects for a use of an eager load", function()
    local read = "db.session:expunge_all() for _, u in ipairs(User.query:all()) do print(#u.posts) end"
    for _, load in ipairs { "joinedload", "selectinload", "subqueryload" } do
      tells("unused eager load: User.posts was loaded with its objects once and not read afterwards, at script.lua:10",
        ("User.query:options(db.%s(User.posts)):all()\n%s"):format(load, read))
    end
  end)

  it("names scans with the index that would help", function()
    tells("full scan of user (twice) at script.lua:10 (main chunk)\n"
      .. "  SELECT user.id, user.name FROM user WHERE user.name = ?\n"
      .. "  an index would spare it: CREATE INDEX ix_user_name ON user (name)",
      "for i = 1, 2 do User.query:where(User.name:eq(i .. '')):all() end")
    silent("full scan", "Post.query:where(Post.title:eq 'x'):all()")
  end)

  it("works for the db of an app in its context", function()
    run.write(folder .. "/app.lua", [[
      local perilune = require "perilune"
      local app = perilune.App "a"
      app.config.DATABASE_URI = "sqlite://"
      local db = perilune.Database(app)
      local User = db.Model "User" {id = db.Column{db.Integer, primary_key = true}, name = db.Column{db.String}}
      app:app_context(function()
        db:create_all()
        User.query:where(User.name:eq "x"):all()
      end)]])
    local result = run.command({ program, "--report", "app.lua" }, { dir = folder })
    assert.truthy(result.err:find("CREATE INDEX ix_user_name", 1, true), result.err)
  end)

  it("says nothing without --report", function()
    local result = run.command({ program, "script.lua" }, { dir = folder })
    assert.equal("", result.err)
  end)

  it("counts statements that differ in the length of a list as one", function()
    local db = perilune.open "sqlite://"
    finally(function() db:close() end)
    local Item = db.Model "Item" { id = db.Column{db.Integer, primary_key = true} }
    db:create_all()
    local gathering = report.gather(db)
    for _, list in ipairs { { 1, 2 }, { 1, 2, 3 } } do Item.query:where(Item.id:in_(list)):all() end
    gathering:stop()
    Item.query:all()
    assert.equal(1, #gathering.sites)
    assert.same({ 2, "SELECT item.id FROM item WHERE item.id IN (?)" },
      { gathering.sites[1].count, gathering.sites[1].statement })
  end)
end)
