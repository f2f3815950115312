-- SPDX-License-Identifier: MIT
-- Users, whose names are unique, and their posts, and what specs of sessions ask about them.

local perilune = require "perilune"

local users = {}

--- Declares the classes User and Post.
function users.declare(db)
  local User = db.Model "User" {
    id = db.Column { db.Integer, primary_key = true },
    name = db.Column { db.String(20), nullable = false, unique = true },
    age = db.Column { db.Integer },
  }
  local Post = db.Model "Post" {
    id = db.Column { db.Integer, primary_key = true },
    title = db.Column { db.String(20) },
    user_id = db.Column { db.Integer, db.ForeignKey "user.id" },
    user = db.relationship { "User", backref = "posts" },
  }
  return User, Post
end

--- A database in memory that has their tables: the db, User, Post.
function users.open()
  local db = perilune.open "sqlite://"
  local User, Post = users.declare(db)
  db:create_all()
  return db, User, Post
end

--- The word for the state of an object.
function users.state(object) return perilune.inspect(object).state end

--- A user that is committed.
function users.saved(session, User, name)
  local user = User { name = name }
  session:add(user)
  session:commit()
  return user
end

--- The names in the table, in order.
function users.names(session)
  local out = {}
  for i, row in ipairs(session:execute(session.db.text "SELECT name FROM user ORDER BY name"):all()) do
    out[i] = row[1]
  end
  return out
end

return users
