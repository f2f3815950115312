-- SPDX-License-Identifier: MIT
-- The schemas of the unit-of-work scenarios, in the form of schema.lua. They
-- are small, and each shows one kind of relationship or one cascade.
-- luacheck: no max line length

local function col(name, kind, options)
  local c = options or {}
  c.name = name
  c.type = type(kind) == "table" and kind or { kind }
  return c
end

local function id()
  return col("id", "Integer", { primary_key = true })
end

local function name()
  return col("name", { "String", 40 })
end

local function fk(column, target, options)
  local c = options or {}
  c.foreign_key = target
  return col(column, "Integer", c)
end

-- A parent with children. `link` has options of the foreign key, `back` of the
-- collection, `front` of the reference.
local function family(link, back, front)
  back = back or {}
  back.name = "children"
  local parent = front or {}
  parent.name, parent.target, parent.backref = "parent", "Parent", back
  return {
    models = {
      { name = "Parent", table = "parent", columns = { id(), name() } },
      { name = "Child", table = "child", columns = { id(), name(), fk("parent_id", "parent.id", link) },
        relations = { parent } },
    },
  }
end

local families = {}

families.family = family()
families.strict = family({ nullable = false }, { leave_to_database = true })
families.owned = family(nil, { cascade = "all, delete-orphan" })
families.strict_owned = family({ nullable = false }, { cascade = "all, delete-orphan" })
families.deleting = family(nil, { cascade = "save-update, merge, delete" })
families.passive = family({ ondelete = "CASCADE" }, { passive_deletes = true })
families.passive_owned = family({ ondelete = "CASCADE" }, { cascade = "all, delete-orphan", passive_deletes = true })
families.setnull = family({ ondelete = "SET NULL" }, { passive_deletes = true })
families.ordered = family(nil, { order_by = "Child.name" })
families.unsaved = family(nil, { cascade = "merge" })
families.joined = family(nil, { lazy = "joined" })
families.selectin = family(nil, { lazy = "selectin" }, { lazy = "joined" })

-- Every way of loading by declaration: of the children, and of the parent.
for _, lazy in ipairs { "select", "joined", "selectin", "subquery", "immediate", "noload", "raise", "raise_on_sql" } do
  families["lists_" .. lazy] = family(nil, { lazy = lazy })
  families["parents_" .. lazy] = family(nil, nil, { lazy = lazy })
end
for _, lazy in ipairs { "dynamic", "write_only" } do families["lists_" .. lazy] = family(nil, { lazy = lazy }) end

-- A list that shows some of the children and writes none.
families.view = {
  models = {
    { name = "Parent", table = "parent", columns = { id(), name() }, relations = {
      { name = "good", target = "Child", viewonly = true, primaryjoin = { "Parent.id", "Child.parent_id", "Child.name", "good" } },
    } },
    { name = "Child", table = "child", columns = { id(), name(), fk("parent_id", "parent.id") },
      relations = { { name = "parent", target = "Parent", backref = "children" } } },
  },
}

-- Columns that are not loaded with the others.
families.book = {
  models = {
    { name = "Book", table = "book", columns = { id(), name(), col("summary", "Text"),
      col("text", "Text", { deferred = true }), col("notes", "Text", { deferred = true, deferred_group = "long" }),
      col("index", "Text", { deferred = true, deferred_group = "long" }) } },
    { name = "Page", table = "page", columns = { id(), name(), col("scan", "Text"), fk("book_id", "book.id") },
      relations = { { name = "book", target = "Book", backref = "pages" } } },
  },
}

-- Classes that inherit: an engineer has a table of its own, and a senior one below it; a
-- manager and a clerk are kept in the person's.
families.staff = {
  models = {
    { name = "Firm", table = "firm", columns = { id(), name() } },
    { name = "Person", table = "person", polymorphic_on = "kind", identity = "person",
      columns = { id(), name(), col("kind", { "String", 10 }), fk("firm_id", "firm.id") },
      relations = { { name = "firm", target = "Firm", backref = { name = "people", order_by = "Person.id" } } } },
    { name = "Engineer", table = "engineer", inherits = "Person", identity = "engineer",
      columns = { fk("id", "person.id", { primary_key = true }), col("language", { "String", 10 }) } },
    { name = "Senior", table = "senior", inherits = "Engineer", identity = "senior",
      columns = { fk("id", "engineer.id", { primary_key = true }), col("team", { "String", 10 }) } },
    { name = "Manager", inherits = "Person", identity = "manager", columns = { col("budget", "Integer") } },
    { name = "Clerk", inherits = "Person", identity = "clerk", columns = { col("desk", { "String", 10 }) } },
    { name = "Tool", table = "tool", columns = { id(), name(), fk("engineer_id", "engineer.id") },
      relations = { { name = "engineer", target = "Engineer", backref = { name = "tools", cascade = "all, delete-orphan" } } } },
  },
}

-- Two sides named by back_populates, and one side alone.
families.named = {
  models = {
    { name = "Parent", table = "parent", columns = { id(), name() },
      relations = { { name = "children", target = "Child", back_populates = "parent" } } },
    { name = "Child", table = "child", columns = { id(), name(), fk("parent_id", "parent.id") },
      relations = { { name = "parent", target = "Parent", back_populates = "children" } } },
  },
}
families.one_way = {
  models = {
    { name = "Parent", table = "parent", columns = { id(), name() },
      relations = { { name = "children", target = "Child" } } },
    { name = "Child", table = "child", columns = { id(), name(), fk("parent_id", "parent.id") } },
  },
}
families.reference = {
  models = {
    { name = "Parent", table = "parent", columns = { id(), name() } },
    { name = "Child", table = "child", columns = { id(), name(), fk("parent_id", "parent.id") },
      relations = { { name = "parent", target = "Parent" } } },
  },
}

-- One to one.
local function couple(back)
  back.name, back.uselist = "card", false
  return {
    models = {
      { name = "Person", table = "person", columns = { id(), name() } },
      { name = "Card", table = "card", columns = { id(), name(), fk("person_id", "person.id") },
        relations = { { name = "person", target = "Person", backref = back } } },
    },
  }
end
families.couple = couple {}
families.couple_owned = couple { cascade = "all, delete-orphan" }

-- Many to many.
local function group(options)
  local users = options or {}
  users.name, users.target, users.secondary, users.backref = "users", "User", "member", "groups"
  return {
    models = {
      { name = "User", table = "user", columns = { id(), name() } },
      { name = "Group", table = "group", columns = { id(), name() }, relations = { users } },
    },
    tables = {
      { table = "member", columns = {
        fk("user_id", "user.id", { primary_key = true }), fk("group_id", "group.id", { primary_key = true }),
      } },
    },
  }
end
families.group = group()
families.group_deleting = group { cascade = "save-update, merge, delete" }

-- Self-reference.
local function tree(link, back)
  back = back or {}
  back.name = "children"
  return {
    models = {
      { name = "Node", table = "node", columns = { id(), name(), fk("parent_id", "node.id", link) },
        relations = { { name = "parent", target = "Node", remote_side = "Node.id", backref = back } } },
    },
  }
end
families.tree = tree()
families.tree_owned = tree(nil, { cascade = "all, delete-orphan" })
families.graph = {
  models = {
    { name = "Node", table = "node", columns = { id(), name() }, relations = {
      { name = "nexts", target = "Node", secondary = "edge", primaryjoin = { "Node.id", "edge.source_id" },
        secondaryjoin = { "Node.id", "edge.target_id" }, backref = "priors" },
    } },
  },
  tables = {
    { table = "edge", columns = {
      fk("source_id", "node.id", { primary_key = true }), fk("target_id", "node.id", { primary_key = true }),
    } },
  },
}

-- Three levels, all owned.
families.levels = {
  models = {
    { name = "Shop", table = "shop", columns = { id(), name() } },
    { name = "Order", table = "order", columns = { id(), name(), fk("shop_id", "shop.id", { nullable = false }) },
      relations = { { name = "shop", target = "Shop", backref = { name = "orders", cascade = "all, delete-orphan" } } } },
    { name = "Item", table = "item", columns = { id(), name(), fk("order_id", "order.id", { nullable = false }) },
      relations = { { name = "order", target = "Order", backref = { name = "items", cascade = "all, delete-orphan" } } } },
  },
}

-- Composite and natural keys, an association object.
families.seats = {
  models = {
    { name = "Room", table = "room", columns = { col("code", { "String", 8 }, { primary_key = true }), name() } },
    { name = "Seat", table = "seat", columns = {
        col("room_code", { "String", 8 }, { primary_key = true, foreign_key = "room.code" }),
        col("place", "Integer", { primary_key = true, autoincrement = false }), name(),
      },
      relations = { { name = "room", target = "Room", backref = "seats" } } },
  },
}

-- Defaults, a version counter and values of several types.
families.facts = {
  models = {
    { name = "Fact", table = "fact", columns = {
      id(), name(), col("n", "Integer", { default = 5 }), col("flag", "Boolean", { default = false }),
      col("stamp", "Integer", { default = 1, onupdate = 2 }), col("word", { "String", 10 }, { server_default = "w" }),
      col("ratio", "Float"), col("day", "Date"), col("price", { "Numeric", 8, 2 }), col("code", { "String", 5 }, { unique = true }),
    } },
  },
}
families.versions = {
  models = {
    { name = "Doc", table = "doc", columns = { id(), name(), col("rev", "Integer", { nullable = false }) }, version = "rev" },
  },
}

-- Two foreign keys to one table, each with its own relationship, and a cycle.
families.two = {
  models = {
    { name = "Place", table = "place", columns = { id(), name() } },
    { name = "Trip", table = "trip", columns = { id(), name(), fk("from_id", "place.id"), fk("to_id", "place.id") }, relations = {
      { name = "start", target = "Place", foreign_keys = "Trip.from_id", backref = "leaving" },
      { name = "goal", target = "Place", foreign_keys = "Trip.to_id", backref = "arriving" },
    } },
  },
}
families.cycle = {
  models = {
    { name = "Team", table = "team", columns = { id(), name(), fk("captain_id", "player.id", { use_alter = true, constraint = "fk_captain" }) }, relations = {
      { name = "captain", target = "Player", foreign_keys = "Team.captain_id", post_update = true },
    } },
    { name = "Player", table = "player", columns = { id(), name(), fk("team_id", "team.id") }, relations = {
      { name = "team", target = "Team", foreign_keys = "Player.team_id", backref = "players" },
    } },
  },
}

return families
