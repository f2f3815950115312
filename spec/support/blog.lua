-- SPDX-License-Identifier: MIT
-- The models that the specs of queries speak of, in a memory database of their own, and
-- ways to look at a statement's text and parameters.

local perilune = require "perilune"

local blog = {}

--- A db with its models: db, User, Post, Group, Node, Person, Manager, Engineer, user_group.
function blog.open()
  local db = perilune.open "sqlite://"
  local m = { db = db }
  m.User = db.Model "User" {
    id = db.Column { db.Integer, primary_key = true },
    name = db.Column { db.String(100), nullable = false, unique = true },
    age = db.Column { db.Integer },
    active = db.Column { db.Boolean },
    born = db.Column { db.Date },
    data = db.Column { db.JSON },
  }
  m.Post = db.Model "Post" {
    id = db.Column { db.Integer, primary_key = true },
    title = db.Column { db.String(200) },
    user_id = db.Column { db.Integer, db.ForeignKey "user.id" },
    user = db.relationship { "User", backref = "posts" },
  }
  m.user_group = db.Table { "user_group",
    db.Column { "user_id", db.Integer, db.ForeignKey "user.id", primary_key = true },
    db.Column { "group_id", db.Integer, db.ForeignKey "group.id", primary_key = true },
  }
  m.Group = db.Model "Group" {
    id = db.Column { db.Integer, primary_key = true },
    name = db.Column { db.String(100) },
    users = db.relationship { "User", secondary = m.user_group, backref = "groups" },
  }
  m.Node = db.Model "Node" {
    id = db.Column { db.Integer, primary_key = true },
    label = db.Column { db.String(20) },
    parent_id = db.Column { db.Integer, db.ForeignKey "node.id" },
    parent = db.relationship { "Node", remote_side = "id", backref = "children" },
  }
  m.Person = db.Model "Person" {
    id = db.Column { db.Integer, primary_key = true },
    kind = db.Column { db.String(20) },
    name = db.Column { db.String(20) },
    __mapper_args__ = { polymorphic_on = "kind", polymorphic_identity = "person" },
  }
  m.Manager = db.Model "Manager" {
    __inherits__ = m.Person,
    bonus = db.Column { db.Integer },
    __mapper_args__ = { polymorphic_identity = "manager" },
  }
  m.Engineer = db.Model "Engineer" {
    __inherits__ = m.Person,
    __tablename__ = "engineer",
    id = db.Column { db.Integer, db.ForeignKey "person.id", primary_key = true },
    lang = db.Column { db.String(20) },
    __mapper_args__ = { polymorphic_identity = "engineer" },
  }
  db:create_all()
  return m
end

--- What stands behind WHERE when the condition is put on select(User.id), and its values.
function blog.condition(m, condition)
  local text, params = m.db.select(m.User.id):where(condition):sql()
  return (text:gsub("^SELECT user%.id FROM user ?", ""):gsub("^WHERE ", "")), params
end

--- The text of a statement with the columns of User as U, so that it fits a line.
function blog.text(statement)
  local text = statement:sql()
  return (text:gsub("user%.id, user%.name, user%.age, user%.active, user%.born, user%.data", "U"))
end

--- The parameters of a statement as one string.
function blog.params(statement)
  local _, params = statement:sql()
  local out = {}
  for i = 1, params.n do out[i] = tostring(params[i]) end
  return table.concat(out, " ")
end

--- Runs the statement, so that the database has judged its text; gives the text.
function blog.prepared(m, statement)
  m.db.session:execute(statement)
  return blog.text(statement)
end

--- The error object that the function raises.
function blog.error(fn, ...)
  local ok, err = pcall(fn, ...)
  assert(not ok, "no error was raised")
  return err
end

return blog
