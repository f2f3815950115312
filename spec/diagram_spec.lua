-- Entity-relationship pictures and DDL, of models and of a database that is there.

local perilune = require "perilune"
local diagram = require "perilune.diagram"
local run = require "spec.support.run"

describe("a diagram", function()
  local db

  setup(function()
    db = perilune.open "sqlite://"
    db.Model "User" {
      id = db.Column{db.Integer, primary_key = true},
      name = db.Column{db.String(100), nullable = false, unique = true},
    }
    db.Model "Profile" {
      id = db.Column{db.Integer, primary_key = true},
      user_id = db.Column{db.Integer, db.ForeignKey "user.id", nullable = false, unique = true},
    }
    db.Model "Node" {
      id = db.Column{db.Integer, primary_key = true},
      parent_id = db.Column{db.Integer, db.ForeignKey "node.id"},
      owner_id = db.Column{db.Integer, db.ForeignKey "user.id"},
    }
    db.Table{"a <b>", db.Column{"x & y", db.Text, primary_key = true}}
    db:create_all()
  end)

  teardown(function() db:close() end)

  local expected = [[
erDiagram
    user {
        Integer id PK
        String(100) name%s
    }
    profile {
        Integer id PK
        Integer user_id FK, UK
    }
    node {
        Integer id PK
        Integer parent_id FK "nullable"
        Integer owner_id FK "nullable"
    }
    "a <b>" {
        Text x___y PK
    }
    user ||--o| profile : "user_id"
    node |o--o{ node : "parent_id"
    user |o--o{ node : "owner_id"
]]

  it("of models in Mermaid's words", function()
    local text = diagram.draw(db)
    assert.equal(#diagram.of_models(db), 4)
    for line in expected:format(" UK"):gmatch "[^\n]+" do
      assert.truthy(text:find(line .. "\n", 1, true), line .. " in " .. text)
    end
  end)

  it("is the same of the database, but for the names of types", function()
    local text = diagram.draw(db, "mermaid", diagram.of_database(db))
    assert.truthy(text:find("        VARCHAR(100) name UK\n", 1, true), text)
    assert.truthy(text:find("    user ||--o| profile : \"user_id\"\n", 1, true), text)
    assert.truthy(text:find("    node |o--o{ node : \"parent_id\"\n", 1, true), text)
  end)

  it("for Graphviz is what dot can read", function()
    local text = diagram.draw(db, "dot")
    assert.truthy(text:find('"profile" -> "user" [arrowtail=teeodot, arrowhead=teetee', 1, true), text)
    assert.truthy(text:find('"node" -> "user" [arrowtail=crowodot, arrowhead=teeodot', 1, true), text)
    assert.truthy(text:find("<b>a &lt;b&gt;</b>", 1, true), text)
    if run.command({ "sh", "-c", "command -v dot" }).code == 0 then
      local result = run.command({ "dot", "-Tsvg" }, { stdin = text })
      assert.same({ 0, "" }, { result.code, result.err })
    end
  end)

  describe("as SVG", function()
    local text

    before_each(function() text = diagram.draw(db, "svg") end)

    it("is well-formed", function()
      local open = {}
      for close, name, empty in text:gmatch "<(/?)([%a]+)[^>]-(/?)>" do
        if close == "/" then
          assert.equal(name, table.remove(open))
        elseif empty == "" then
          open[#open + 1] = name
        end
      end
      assert.same({}, open)
      assert.falsy(text:find("a <b>", 1, true))
      assert.truthy(text:find("a &lt;b&gt;", 1, true))
    end)

    it("has a box for each table, a line for each foreign key, and no two boxes overlap", function()
      local boxes = {}
      for x, y, w, h in text:gmatch '<rect class="box" x="(%d+)" y="(%d+)" width="(%d+)" height="(%d+)"' do
        boxes[#boxes + 1] = { tonumber(x), tonumber(y), tonumber(w), tonumber(h) }
      end
      assert.equal(4, #boxes)
      assert.equal(3, select(2, text:gsub("<title>", "")))
      for i = 1, #boxes do
        for k = i + 1, #boxes do
          local a, b = boxes[i], boxes[k]
          local apart = a[1] + a[3] < b[1] or b[1] + b[3] < a[1] or a[2] + a[4] < b[2] or b[2] + b[4] < a[2]
          assert.truthy(apart)
        end
      end
    end)
  end)

  it("knows no other format", function()
    assert.has_error(function() diagram.draw(db, "png") end)
  end)
end)

describe("perilune db", function()
  local perilune_program, folder

  setup(function()
    perilune_program = run.command({ "realpath", run.program() }).out:match "[^\n]+"
    folder = run.folder()
    run.write(folder .. "/app.lua", [[
      local perilune = require "perilune"
      local db = perilune.open("sqlite:///x.db", {binds = {log = "sqlite://"}})
      db.Model "Item" { id = db.Column{db.Integer, primary_key = true}, n = db.Column{db.Integer, index = true} }
      db.Model "Entry" { __bind_key__ = "log", id = db.Column{db.Integer, primary_key = true} }
      print "noise"
      if perilune.command ~= "db" then db:create_all() end]])
  end)

  teardown(function() run.remove(folder) end)

  local function call(...)
    return run.command({ perilune_program, "db", ... }, { dir = folder })
  end

  local item = "CREATE TABLE item (id INTEGER NOT NULL, n INTEGER, CONSTRAINT pk_item PRIMARY KEY (id));\n"
    .. "CREATE INDEX ix_item_n ON item (n);\n"

  it("schema prints the CREATE statements and nothing else", function()
    local result = call("schema", "app.lua")
    assert.equal(0, result.code)
    assert.equal("-- the default database\n" .. item .. "-- bind log\n"
      .. "CREATE TABLE entry (id INTEGER NOT NULL, CONSTRAINT pk_entry PRIMARY KEY (id));\n", result.out)
    assert.equal("noise\n", result.err)
    assert.truthy(call("schema", "--bind", "log", "app.lua").out:find "^CREATE TABLE entry")
  end)

  it("schema reads a database, which diagram draws, too", function()
    assert.equal(0, run.command({ perilune_program, "app.lua" }, { dir = folder }).code)
    assert.equal(item, call("schema", "x.db").out)
    assert.equal(item, call("schema", "sqlite:///x.db").out)
    assert.equal("erDiagram\n    item {\n        INTEGER id PK\n        INTEGER n \"nullable\"\n    }\n",
      call("diagram", "x.db").out)
    assert.truthy(call("diagram", "--format=svg", "app.lua").out:find "^<svg .*</svg>\n$")
  end)

  it("says what it lacks", function()
    for text, words in pairs {
      ["db needs a command: db diagram"] = {},
      ["there is no command 'db foo'"] = { "foo" },
      ["which models, or which database?"] = { "schema" },
      ["unrecognized option '--x'"] = { "schema", "--x" },
      ["'--bind' needs argument"] = { "schema", "--bind" },
      ["there is no format 'png'"] = { "diagram", "--format", "png", "app.lua" },
      ["cannot open nothing.lua"] = { "schema", "nothing.lua" },
    } do
      local result = call(table.unpack(words))
      assert.equal(1, result.code)
      assert.truthy(result.err:find(text, 1, true), result.err)
    end
    run.write(folder .. "/none.lua", "local x = 1")
    assert.truthy(call("schema", "none.lua").err:find("none.lua makes no database", 1, true))
  end)
end)
