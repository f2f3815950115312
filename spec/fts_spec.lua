-- SPDX-License-Identifier: MIT
-- Full-text search: an FTS5 index declared with a model, its queries, its triggers, bad input.

local perilune = require "perilune"
local blog = require "spec.support.blog"
local run = require "spec.support.run"

describe("full-text search", function()
  local db, Author, Article

  local function models(uri)
    db = perilune.open(uri or "sqlite://")
    Author = db.Model "Author" {
      id = db.Column { db.Integer, primary_key = true },
      name = db.Column { db.String(40) },
    }
    Article = db.Model "Article" {
      id = db.Column { db.Integer, primary_key = true },
      title = db.Column { db.String(200) },
      body = db.Column { "text_body", db.Text },
      lang = db.Column { db.String(2) },
      author_id = db.Column { db.Integer, db.ForeignKey "author.id" },
      author = db.relationship { "Author", backref = "articles" },
      search = db.fts { "title", "body", "lang", unindexed = "lang", weights = { title = 10 },
        tokenize = "unicode61 remove_diacritics 2", prefix = { 2, 3 } },
    }
  end

  local function fill()
    local ann = Author { name = "ann" }
    db.session:add_all {
      Article { title = "Tides", body = "the moon pulls the sea, the moon goes", author = ann },
      Article { title = "The moon", body = "rocks and dust", author = ann, lang = "la" },
      Article { title = "Кот", body = "чёрный кот, \"quoted\" café" },
    }
    db.session:commit()
  end

  local function titles(query)
    local out = {}
    for i, a in ipairs(query:all()) do out[i] = a.title end
    return table.concat(out, ", ")
  end

  local function found(condition) return titles(Article.query:where(condition):order_by(Article.id)) end

  before_each(function()
    models()
    db:create_all()
    fill()
  end)

  after_each(function() db:close() end)

  it("makes the virtual table and its triggers, and drops them", function()
    local function names()
      local out = {}
      for _, name in ipairs(db.session:execute(db.text [[select name from sqlite_master
          where name like 'article%' and name not like 'article_search\_%' escape '\'
          or type = 'trigger' order by name]]):scalars()) do out[#out + 1] = name end
      return table.concat(out, " ")
    end
    assert.equal("article article_search article_search_delete article_search_insert " ..
      "article_search_update", names())
    local text = db.session:execute(db.text
      "select sql from sqlite_master where name = 'article_search'"):scalar()
    assert.equal([[CREATE VIRTUAL TABLE "article_search" USING fts5("title", "text_body", ]] ..
      [["lang" UNINDEXED, content='article', content_rowid='id', ]] ..
      [[tokenize='unicode61 remove_diacritics 2', prefix='2 3')]], text)
    assert.equal(0, #db:create_all())
    assert.equal("[article_search, article, author]", tostring(db:drop_all()))
    assert.equal("", names())
    db:create_all { tables = { Article } }
    assert.truthy(names():find("article_search_update", 1, true))
    db:drop_all { tables = { Article } }
    assert.equal("", names())
  end)

  it("finds rows by FTS5's language", function()
    assert.equal("Tides, The moon", found(Article.search:match "moon"))
    assert.equal("The moon", found(Article.search:match "moon NOT sea"))
    assert.equal("The moon", found(Article.search:match "title: moon"))
    assert.equal("Tides", found(Article.search:match '"pulls the sea"'))
    assert.equal("Кот", found(Article.search:match "КОТ"))
    assert.equal("Кот", found(Article.search:match "cafe"))
    assert.equal("Tides, The moon", found(Article.search:match "mo*"))
    assert.equal("", found(Article.search:match "la"))
  end)

  it("finds rows by one attribute", function()
    assert.equal("The moon", found(Article.search.title:match "moon"))
    assert.equal("Tides", found(Article.search.body:words "moon"))
    assert.equal("Article.search.title", tostring(Article.search.title))
  end)

  it("takes what users type", function()
    assert.equal("Кот", found(Article.search:words '"quoted" - (кот'))
    assert.equal("Tides", found(Article.search:words("the se", { prefix = true })))
    assert.equal("Tides, The moon", found(Article.search:words("sea dust", { any = true })))
    for _, s in ipairs { '"', "'", "(", "*", "a:b", "NOT", "NEAR(", "^x", "a\0b",
      "-", "", "'; drop table article; --" } do
      assert.equal("", found(Article.search:words(s)), s)
    end
  end)

  it("joins the index where rank and snippets are to be known", function()
    local query = Article.query:where(Article.search:match "moon"):order_by(Article.search:rank())
    assert.equal("SELECT A FROM article, article_search WHERE article_search.rowid = article.id " ..
      "AND article_search.article_search MATCH ? ORDER BY article_search.rank",
      (query:sql():gsub("^SELECT .- FROM", "SELECT A FROM")))
    assert.equal("The moon, Tides", titles(query))
    local byte_rank = Article.query:where(Article.search:match "moon")
      :order_by(Article.search:bm25 { body = 100 })
    assert.equal("Tides, The moon", titles(byte_rank))
    assert.equal("Tides, The moon", titles(Article.query:where(Article.search:match "moon")
      :order_by(Article.search:bm25(1, 100))))
  end)

  it("gives snippets and highlights", function()
    local s = Article.search
    local row = db.select(s:snippet("body", { before = "<", after = ">", ellipsis = "~", tokens = 2 }):label "s",
      s:highlight("body", "<b>", "</b>"):label "h", s:highlight "title", s:rank():label "r")
      :where(s:match "pulls"):one()
    assert.equal("~<pulls> the~", row.s)
    assert.equal("the moon <b>pulls</b> the sea, the moon goes", row.h)
    assert.equal("Tides", row[3])
    assert.is_true(row.r < 0)
    assert.equal("the [moon] pulls the sea, the [moon] goes",
      db.select(s:snippet()):where(s.body:match "moon"):scalar())
    assert.equal("rocks and [dust]", db.select(s:snippet "body"):where(s:match "dust"):scalar())
  end)

  it("is a condition like others", function()
    local s = Article.search
    assert.equal("Tides, The moon, Кот", found(s:match "moon" | Article.id:eq(3)))
    assert.equal("Кот", found(~s:match "moon"))
    assert.equal("The moon", found(s:match "moon" & Article.lang:eq "la"))
    assert.equal("Tides", found(db.and_(s:match "moon", s:match "sea")))
    assert.equal("ann", titles(db.select(Author.name:label "title"):where(
      Author.articles:any(s:match "dust"))))
    assert.equal(2, Article.query:where(s:match "moon"):count())
    assert.is_false(Article.query:where(s:match "nothing"):any())
    local other = db.aliased(Article)
    assert.equal(1, db.select(other.id):where(other.search:match "tides"):scalar())
    assert.equal(1, #Article.query:where(s:match "moon"):options(db.joinedload(Article.author))
      :order_by(s:rank()):limit(1):all())
    assert.equal("[(1), (2)]", tostring(db.select(Article.id)
      :where(s:match(db.literal "moon")):order_by(Article.id):all()))
    local inner = db.select(Article.id):where(s:match "moon"):subquery()
    assert.equal(2, db.select(db.func.count()):select_from(inner):scalar())
    local both = db.select(Article.id):where(s:match "moon"):union(db.select(Article.id):where(s:match "кот"))
    assert.equal(3, both:count())
  end)

  it("is not left to an enclosing search of the same index", function()
    local s, other = Article.search, db.aliased(Article)
    local sub = db.select(db.func.count(other.id)):where(other.search:match "dust"):scalar_subquery()
    assert.equal("[(1, 1)]", tostring(db.select(Article.id, sub):where(s:match "pulls"):all()))
  end)

  it("stays in step with all that writes", function()
    local s = Article.search
    local tides = Article.query:get(1)
    tides.body = "waves"
    assert.equal("Tides", found(s:match "waves"))
    assert.equal("The moon", found(s:match "moon"))
    db.session:rollback()
    assert.equal("Tides, The moon", found(s:match "moon"))
    assert.equal(2, Article.query:where(s:match "moon"):update { title = "Renamed" })
    assert.equal("Renamed, Renamed", found(s:match "renamed"))
    assert.equal(2, Article.query:where(s:match "renamed"):delete())
    assert.equal("", found(s:match "moon"))
    db.session:bulk_insert(Article, { { id = 8, title = "bulk" }, { id = 9, title = "bulk" } })
    db.session:execute(db.insert(Article):values { id = 9, title = "upsert" }
      :on_conflict_do_update { index_elements = { "id" }, set = { title = "fresh" } })
    assert.equal("bulk, fresh", found(s:words("bulk fresh", { any = true })))
    db.session:delete(Article.query:get(8))
    Article.query:get(9).id = 90
    db.session:commit()
    assert.equal("", found(s:match "bulk"))
    assert.equal("fresh", found(s:match "fresh"))
    s:check()
  end)

  it("gives keys to rows that are inserted in batches", function()
    local list = {}
    for i = 1, 300 do list[i] = Article { title = "n" .. i } end
    db.session:add_all(list)
    db.session:commit()
    for i = 1, 300 do assert.equal("n" .. i, Article.query:get(list[i].id).title) end
  end)

  it("indexes rows that were there before it, and again when told", function()
    local folder = run.folder()
    finally(function() run.remove(folder) end)
    db:close()
    local uri = "sqlite:///" .. folder .. "/a.db"
    db = perilune.open(uri)
    local Old = db.Model "Article" {
      id = db.Column { db.Integer, primary_key = true }, title = db.Column { db.String(200) },
      body = db.Column { "text_body", db.Text }, lang = db.Column { db.String(2) },
      author_id = db.Column { db.Integer },
    }
    db:create_all()
    db.session:add(Old { title = "early moon" })
    db.session:commit()
    db:close()
    models(uri)
    assert.equal("[author, article_search]", tostring(db:create_all()))
    assert.equal("early moon", found(Article.search:match "moon"))
    db.session:add(Article { title = "later moon" })
    db.session:commit()
    db.session:execute(db.text "drop trigger article_search_insert")
    db.session:execute(db.text "insert into article (title) values ('unseen moon')")
    assert.equal("early moon, later moon", found(Article.search:match "moon"))
    assert.equal("DatabaseError", blog.error(Article.search.check, Article.search).name)
    Article.search:rebuild()
    Article.search:optimize()
    Article.search:check()
    assert.equal("early moon, later moon, unseen moon", found(Article.search:match "moon"))
  end)

  it("comes from mixins and single-table children", function()
    local Searchable = {}
    Searchable.index = db.fts { "name" }
    local Pet = db.Model "Pet" {
      __mixins__ = { Searchable },
      id = db.Column { db.Integer, primary_key = true }, kind = db.Column { db.String(9) },
      name = db.Column { db.String(9) },
      __mapper_args__ = { polymorphic_on = "kind", polymorphic_identity = "pet" },
    }
    local Cat = db.Model "Cat" { __inherits__ = Pet, __mapper_args__ = { polymorphic_identity = "cat" } }
    local Tree = db.Model "Tree" {
      __mixins__ = { Searchable },
      id = db.Column { db.Integer, primary_key = true }, name = db.Column { db.String(9) },
    }
    db:create_all()
    db.session:add_all { Pet { name = "max" }, Cat { name = "max" }, Tree { name = "oak" } }
    db.session:commit()
    assert.equal(2, Pet.query:where(Pet.index:match "max"):count())
    assert.equal(1, Cat.query:where(Cat.index:match "max"):count())
    assert.equal(0, Tree.query:where(Tree.index:match "max"):count())
    assert.equal("tree_index", Tree.index.name)
  end)

  it("refuses what cannot be searched", function()
    local n = 0
    local function refused(message, spec, more)
      n = n + 1
      local fields = { id = db.Column { db.Integer, primary_key = true }, name = db.Column { db.Text } }
      for k, v in pairs(more or {}) do fields[k] = v or nil end
      local err = blog.error(function()
        fields.search = db.fts(spec)
        return db.Model("Bad" .. n)(fields)
      end)
      assert.equal("ArgumentError", err.name)
      assert.match(message, tostring(err))
    end
    refused("needs the attributes", {})
    refused("needs the attributes", 5)
    refused("must be a string", { 5 })
    refused("no column 'nme' to search.*mean 'name'", { "nme" })
    refused("stands twice", { "name", "name" })
    refused("unknown option 'tokeniser'.*mean 'tokenize'", { "name", tokeniser = "x" })
    refused("prefix lengths", { "name", prefix = { 0 } })
    refused("weights names 'x'", { "name", weights = { x = 1 } })
    refused("the weight of 'name'", { "name", weights = { name = -1 } })
    refused("unindexed names 'id'", { "name", unindexed = "id" })
    refused("holds bytes", { "data" }, { data = db.Column { db.LargeBinary } })
    refused("keeps the column name 'rank'", { "rank" }, { rank = db.Column { db.Text } })
    refused("cannot have the name of its column", { "name", name = "name" })
    refused("one integer primary key", { "name" }, { id = db.Column { db.String(9), primary_key = true } })
    refused("detail must be", { "name", detail = "all" })
  end)

  it("refuses bad arguments", function()
    local s = Article.search
    local function refused(message, fn, ...)
      local err = blog.error(fn, ...)
      assert.match(message, tostring(err))
      assert.equal("ArgumentError", err.name)
    end
    refused("expects a full%-text query", s.match, s, nil)
    refused("got boolean", s.match, s, true)
    refused("words expects a text", s.words, s)
    refused("does not search 'nope'", s.snippet, s, "nope")
    refused("tokens must be from 1 to 64", s.snippet, s, "body", { tokens = 0 })
    refused("unknown option", s.snippet, s, "body", { befor = "" })
    refused("expects the name of an attribute", s.highlight, s)
    refused("'x' is not searched", s.bm25, s, { x = 1 })
    assert.equal("AttributeError", blog.error(function() return s.titel end).name)
    assert.match("full%-text index of the class", blog.error(function() return Article.query:get(1).search end).message)
    local err = blog.error(function() return Article.query:where(s:match '"open'):all() end)
    assert.equal("OperationalError", err.name)
    err = blog.error(function()
      return Article.query:where(Article.id:gt(0)):order_by(s:rank()):all()
    end)
    assert.equal("InvalidRequestError", err.name)
  end)
end)
