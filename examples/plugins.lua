-- Plugins: small Lua tables of hooks that give models columns, methods and scopes.
local perilune = require "perilune"

local db = perilune.open "sqlite://"

-- A plugin of one's own: a slug made from the title.
local slugs = {
  apply = function(fields)
    fields.slug = db.Column{db.String(80), unique = true}
    table.insert(fields, db.validates("title", function(self, _, title)
      self.slug = title:lower():gsub("%W+", "-")
      return title
    end))
  end,
  instance_methods = { path = function(self) return "/articles/" .. self.slug end },
  query_methods = { at = function(q, slug) return q:filter_by{slug = slug} end },
}

local Article = db.Model "Article" {
  id    = db.Column{db.Integer, primary_key = true},
  title = db.Column{db.String(80), nullable = false},
  __plugins__ = { "timestamps", "soft_delete", slugs },
}

db:create_all()
db.session:add_all{Article{title = "Hello, Moon"}, Article{title = "Perigee"}}
db.session:commit()

local hello = Article.query:at "hello-moon":one()
print(hello:path(), hello.created_at ~= nil, hello.updated_at >= hello.created_at)

-- Deleting marks the row; queries pass over it.
db.session:delete(hello)
db.session:commit()
print(Article.query:count(), Article.with_deleted():count(), Article.only_deleted():one().title)

hello:restore()
db.session:commit()
print(Article.query:count(), hello:is_deleted())

hello:destroy()
db.session:commit()
print(Article.with_deleted():count())
