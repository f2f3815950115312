-- Live queries: being told after a commit what it changed in the rows of a query.
local perilune = require "perilune"

local db = perilune.open "sqlite://"

local Task = db.Model "Task" {
  id    = db.Column{db.Integer, primary_key = true},
  title = db.Column{db.String(40), nullable = false},
  done  = db.Column{db.Boolean, default = false},
}

db:create_all()

local function titles(list)
  local out = {}
  for i, task in ipairs(list) do out[i] = task.title end
  return table.concat(out, ", ")
end

local open_tasks = Task.query:where(Task.done:eq(false)):order_by(Task.id)
local watch = open_tasks:observe(function(change)
  print(("added [%s] removed [%s] changed [%s]; left: %s")
    :format(titles(change.added), titles(change.removed), titles(change.changed), titles(change.result)))
end)

local tea, sugar = Task{title = "make tea"}, Task{title = "find sugar"}
db.session:add_all{tea, sugar}
db.session:commit()                       -- told once, for both

tea.title = "make green tea"
sugar.done = true
db.session:commit()

db.session:add(Task{title = "never mind"})
db.session:rollback()                     -- nothing happened

db.session:execute(db.text "INSERT INTO task (title, done) VALUES ('wash up', 0)")
db.session:commit()                       -- raw SQL counts, too

-- For a model: the keys of the rows that a commit touched.
db:on_change(Task, function(change)
  print("inserted", #change.inserted, "updated", #change.updated, "deleted", #change.deleted)
end)
watch:stop()
Task.query:where(Task.done:eq(true)):delete()
Task.query:update{done = true}
db.session:commit()
