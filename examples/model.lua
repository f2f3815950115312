-- What can a model say?

local perilune = require "perilune"
local db = perilune.open "sqlite://"

-- The table is called book_review: the name of the model, in snake case.
local BookReview = db.Model "BookReview" {
  id       = db.Column{db.Integer, primary_key = true},
  title    = db.Column{db.String(80), nullable = false, index = true},
  stars    = db.Column{db.Integer, default = 3},
  language = db.Column{db.Enum{"en", "de", "ru"}, default = "en"},
  price    = db.Column{db.Numeric(8, 2)},
  read_on  = db.Column{db.Date},
  written  = db.Column{db.DateTime, default = function() return perilune.datetime "2024-05-01T10:00:00" end},
  tags     = db.Column{db.JSON},

  __table_args__ = {
    db.CheckConstraint{"stars BETWEEN 1 AND 5", name = "ck_stars"},
    db.UniqueConstraint{"title", "language"},
  },

  -- Methods stand beside the columns, or are added later.
  __tostring = function(self) return ("<%s, %s>"):format(self.title, ("*"):rep(self.stars)) end,

  -- A value is checked, or changed, when it is set.
  check_title = db.validates("title", function(_, _, title)
    if title == "" then error "a review needs a title" end
    return (title:gsub("^%s+", ""))
  end),

  -- Computed from other attributes: in Lua for an object, in SQL for a query.
  good = db.hybrid{
    get  = function(self) return self.stars >= 4 end,
    expr = function(class) return class.stars:ge(4) end,
  },
}

function BookReview:cheaper(factor) self.price = self.price * perilune.decimal(factor) end

-- A query with a name.
function BookReview.scopes.cheap(query, limit) return query:where(BookReview.price:lt(limit)) end

db:create_all()

local review = BookReview{title = "  Dune", price = "9.99", read_on = "2024-02-29", tags = {"sand", "spice"}}
print(review, review.stars, review.language, review.written)    -- a default function runs at the flush
db.session:add(review)
db.session:commit()
print(review.id, review.price, review.read_on.year, review.written)

review.stars = 5
review:cheaper "0.5"
table.insert(review.tags, "worms")            -- a change in place is noticed
db.session:commit()
print(review, review.price, #review.tags, review.good)

-- Mistakes are told where they are made.
print(pcall(function() review.stars = "many" end))
print(pcall(function() review.langauge = "de" end))
print(pcall(BookReview, {title = ""}))

-- A constraint of the database names the attribute.
db.session:add(BookReview{title = "Dune", language = "en"})
local ok, err = db.session:try_commit()
print(ok, err.name, err.attribute)
db.session:rollback()

db.session:add_all{BookReview{title = "Emma", stars = 4, price = "2.50"}, BookReview{title = "Ulysses", stars = 2}}
db.session:commit()
print(BookReview.query:where(BookReview.good):order_by(BookReview.title):all())
print(BookReview.query:cheap(3):all())

-- All of an object as a table; pairs goes over the columns in order.
for name, value in pairs(review) do
  if name ~= "tags" then io.write(name, "=", tostring(value), " ") end
end
print(table.concat(review.tags, "+"))
print(review:to_dict{only = {"title", "stars"}}.title)
