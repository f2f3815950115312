# SPDX-License-Identifier: MIT
"""Runs unit-of-work programs: a schema and a list of operations on named
objects. Every operation gives one event: its result or the class of its error,
the state of every named object, and the changes that reached the database as
merged (verb, table, rows). A program ends with a dump of what was committed.
"""

import re

import sqlalchemy as sa
from sqlalchemy import event, orm

import declare
from query import Builder
from values import is_value, label, read, tag

CHANGE = re.compile(r"\s*(INSERT|UPDATE|DELETE)\s+(?:INTO\s+|FROM\s+|OR\s+\w+\s+)?\"?(\w+)", re.I)
STATES = ("transient", "pending", "persistent", "deleted", "detached")


class Traffic:
    """The changes and the number of SELECTs since they were last taken."""

    def __init__(self, engine):
        self.changes = []
        self.selects = 0
        event.listen(engine, "after_cursor_execute", self.note)

    def note(self, _connection, cursor, statement, *_):
        found = CHANGE.match(statement)
        if found:
            self.add(found.group(1).upper(), found.group(2), max(cursor.rowcount, 0))
        elif statement.lstrip().upper().startswith(("SELECT", "WITH")):
            self.selects += 1

    def add(self, verb, table, rows):
        if self.changes and self.changes[-1][:2] == [verb, table]:
            self.changes[-1][2] += rows
        else:
            self.changes.append([verb, table, rows])

    def take(self):
        taken = ["%s %s %d" % tuple(c) for c in self.changes], self.selects
        self.changes, self.selects = [], 0
        return taken


class Ears:
    """Listens to every event that a script may hear, for one program."""

    MAPPER = ("before_insert", "after_insert", "before_update", "after_update", "before_delete",
              "after_delete", "init", "load", "refresh", "expire")
    SESSION = ("before_flush", "after_flush", "after_flush_postexec", "before_commit",
               "after_commit", "after_rollback", "after_begin")
    OBJECT = ("transient_to_pending", "pending_to_transient", "pending_to_persistent",
              "persistent_to_transient", "persistent_to_deleted", "deleted_to_persistent",
              "deleted_to_detached", "persistent_to_detached", "detached_to_persistent",
              "loaded_as_persistent")

    def __init__(self, program):
        self.program = program
        self.heard = []
        self.made = []
        for name in self.SESSION:
            self.listen(program.session, name, lambda *_, n=name: self.heard.append(n))
        for name in self.OBJECT:
            self.listen(program.session, name, lambda _, obj, n=name: self.note(n, obj))
        for model in program.world.models.classes.values():
            for name in self.MAPPER:
                self.listen(model, name, self.mapper_listener(name))
            for attr in sa.inspect(model).attrs:
                self.attributes(getattr(model, attr.key), attr)

    def mapper_listener(self, name):
        if name.startswith(("before_", "after_")):
            return lambda _mapper, _connection, obj: self.note(name, obj)
        return lambda obj, *_: self.note(name, obj)

    def attributes(self, target, attr):
        many = getattr(attr, "uselist", False)
        for name in ("append", "remove") if many else ("set",):
            text = name + " " + attr.key
            self.listen(target, name, lambda obj, *_, n=text: self.note(n, obj))

    def listen(self, target, name, function):
        event.listen(target, name, function)
        self.made.append((target, name, function))

    def note(self, name, obj):
        self.heard.append(name + " " + self.program.name(obj))

    def take(self):
        taken, self.heard = self.heard, []
        return taken

    def close(self):
        for made in self.made:
            event.remove(*made)


def objects_of(op):
    """The names of the objects that an operation of a guarded program uses."""
    word, rest = op[0], op[1:]
    found = []
    if word in ("set", "put", "drop", "clear", "sorted", "attr", "add", "delete", "expire",
                "refresh", "expunge"):
        found.append(rest[0])
    if word in ("put", "drop"):
        found.append(rest[2])
    values = list((rest[2] or {}).values()) if word == "new" else rest[2:3]
    for value in values:
        if isinstance(value, list) and value[:1] in (["obj"], ["objs"]):
            found += value[1:]
    return found


class Fault(Exception):
    """What SQLAlchemy did is not to be imitated; the events before that are."""

    def __init__(self, events):
        Exception.__init__(self)
        self.events = events


class Program:
    """One session and the objects that a program has named."""

    def __init__(self, world):
        self.world = world
        self.session = orm.Session(world.engine)
        self.vars = {}
        self.builder = Builder(world.models, self.session)
        self.nested = []
        self.ears = None
        self.stale = False
        self.put_off = False
        event.listen(self.session, "after_flush_postexec", self.flushed)

    def flushed(self, session, _context):
        """A flush that leaves something to be deleted will delete it the next time."""
        self.put_off = self.put_off or len(session.deleted) > 0

    def state(self, obj):
        found = sa.inspect(obj)
        return next(s for s in STATES if getattr(found, s))

    def states(self):
        return " ".join("%s=%s" % (n, self.state(self.vars[n])) for n in sorted(self.vars))

    def name(self, obj):
        for name in sorted(self.vars):
            if self.vars[name] is obj:
                return name
        return label(obj)

    def show(self, value):
        if hasattr(value, "_sa_instance_state"):
            return self.name(value)
        if isinstance(value, list) and (not value or hasattr(value[0], "_sa_instance_state")):
            return "[" + ",".join(self.name(v) for v in value) + "]"
        return tag(value)

    def value(self, node):
        if isinstance(node, list) and node and node[0] == "obj":
            return self.vars[node[1]]
        if isinstance(node, list) and node and node[0] == "objs":
            return [self.vars[n] for n in node[1:]]
        if isinstance(node, list) and node and node[0] == "plus":
            return getattr(self.world.models.classes[node[1]], node[2]) + node[3]
        assert is_value(node), node
        return read(node)

    def values(self, row):
        return {k: self.value(v) for k, v in row.items()} if row else {}

    def run(self, program):
        if not program.get("guarded"):
            return [self.event(op) for op in program["ops"]]
        events = []
        for op in program["ops"]:
            torn, inside = self.torn(), self.session.in_nested_transaction()
            pending, deleted = set(self.session.new), set(self.session.deleted)
            clinging, circle, former = self.clinging(), self.circle(), self.former(op)
            needed, waiting = self.needed(), self.waiting()
            doomed = self.doomed(needed)
            event = self.guarded(op)
            error = event["result"][1] if event["result"][:1] == ["error"] else None
            failed, undone = error is not None, error is not None or "rollback" in op[0]
            if (self.lost(op, pending) or self.dragged(former) or (failed and (torn or doomed or self.stale))
                    or self.put_off or (not undone and self.dropped(needed))
                    or self.disordered(waiting)
                    or self.left_behind()
                    or (op[0] == "add" and self.spared(deleted)) or error == "AssertionError"):
                raise Fault(events)
            event["fault"] = (error == "IntegrityError" and clinging) or (
                error == "CircularDependencyError" and not circle)
            events.append(event)
            if inside and (failed or op[0] == "rollback"):
                raise Fault(events)
        return events

    # Where SQLAlchemy is at fault, a guarded program ends: see differences.lua.

    def torn(self):
        """Whether an object that is to be deleted stands in a list that is to be saved."""
        gone = set(self.session.deleted)
        for obj in set(self.session.new) | set(self.session.dirty) if gone else ():
            state = sa.inspect(obj)
            for relation in state.mapper.relationships:
                if relation.secondary is not None:
                    added = state.attrs[relation.key].history.added or ()
                    if obj in gone and added or gone.intersection(added):
                        return True
        return False

    def references(self, obj, owned=False):
        """The objects that an object refers to, as far as the session knows them, or only
        those that are deleted together with it."""
        state = sa.inspect(obj)
        for relation in state.mapper.relationships:
            if relation.direction is not orm.interfaces.MANYTOONE:
                continue
            if owned and not any(r.cascade.delete for r in relation._reverse_property):
                continue
            other = state.dict.get(relation.key)
            if relation.key not in state.dict:
                key = tuple(state.dict.get(c.name) for c in relation.local_columns)
                other = self.session.identity_map.get(orm.util.identity_key(
                    relation.mapper.class_, key))
            if other is not None:
                yield other

    def clinging(self):
        """Whether an object that stays refers to one that is to be deleted."""
        gone = set(self.session.deleted)
        gone.update(o for o in self.session.dirty if sa.inspect(o).mapper._is_orphan(sa.inspect(o)))
        return any(gone.intersection(self.references(obj))
                   for obj in (self.session if gone else ()) if obj not in gone)

    def circle(self):
        """Whether new objects need each other."""
        new = set(self.session.new)
        needs = {o: [n for n in self.references(o) if n in new and n is not o] for o in new}
        free = [None]
        while free:
            free = [o for o in needs if not any(n in needs for n in needs[o])]
            for obj in free:
                del needs[obj]
        return bool(needs)

    def waiting(self):
        """The new objects that need no other new one, in the order in which they came."""
        new = set(self.session.new)
        return [o for o in self.session._new.values() if not new.intersection(self.references(o))]

    def disordered(self, waiting):
        """Whether a flush has inserted them in another order."""
        keys = {}
        for obj in waiting:
            if self.state(obj) == "persistent":
                state = sa.inspect(obj)
                keys.setdefault(state.mapper.base_mapper, []).append(state.identity)
        return any(found != sorted(found) for found in keys.values())

    def left_behind(self):
        """Whether a new object is to be saved though its owner is to be deleted."""
        gone = set(self.session.deleted)
        return any(gone.intersection(self.references(obj, owned=True))
                   for obj in (self.session.new if gone else ()))

    def spared(self, deleted):
        """Whether an object was added again that a deleted one owns: its row may go with that."""
        gone = set(self.session.deleted)
        return any(gone.intersection(self.references(obj, owned=True)) for obj in deleted - gone)

    def former(self, op):
        """What the objects of an operation refer to that is not in the session."""
        objects = [self.vars[n] for n in objects_of(op) if n in self.vars]
        return [(obj, other) for obj in objects for other in self.references(obj)
                if other not in self.session]

    def dragged(self, former):
        """Whether an object came into the session with one that has let go of it."""
        return any(other in self.session and other not in self.references(obj)
                   for obj, other in former)

    def related(self, obj):
        """What an object refers to, and what its lists have as far as they are loaded."""
        found = list(self.references(obj))
        for relation in sa.inspect(obj).mapper.relationships:
            held = sa.inspect(obj).dict.get(relation.key)
            found += held if isinstance(held, list) else ()
        return found

    def needed(self):
        """What is related to objects of the session and a flush is to save."""
        new = set(self.session.new)
        return [(obj, other) for obj in (self.session if new else ())
                for other in self.related(obj) if other in new]

    @staticmethod
    def doomed(needed):
        """Whether a flush will leave out one of them."""
        states = [sa.inspect(other) for _, other in needed]
        return any(s._orphaned_outside_of_session and s.mapper._is_orphan(s) for s in states)

    def dropped(self, needed):
        """Whether a new object has left the session, though it is related to one in there."""
        return any(self.state(other) == "transient" and obj in self.session and
                   (sa.inspect(obj).expired or other in self.related(obj))
                   for obj, other in needed)

    def lost(self, op, pending):
        """Whether an object was put into a relationship and not into the session, or out of it."""
        word, rest = op[0], op[1:]
        if word == "put":
            pairs = [(rest[0], rest[2])]
        elif word == "set" and isinstance(rest[2], list):
            pairs = [(rest[0], other) for other in rest[2][1:] if rest[2][0] in ("obj", "objs")]
        else:
            return False
        for names in pairs:
            if all(n in self.vars for n in names):
                objects = [self.vars[n] for n in names]
                states = {self.state(o) for o in objects}
                if "transient" in states and (
                        states & {"pending", "persistent"} or pending.intersection(objects)):
                    return True
        return False

    def guarded(self, op):
        """An operation on live objects only; an error ends the transaction."""
        unfit = [n for n in objects_of(op) if n not in self.vars or self.unfit(op, n)]
        if unfit or (op[0].startswith("nested_") and not self.nested):
            return {"result": ["skipped"], "states": self.states(), "changes": []}
        event = self.event(op)
        failed = event["result"][:1] == ["error"]
        if failed:
            self.o_rollback()
            event["states"] = self.states()
        if failed or op[0] in ("rollback", "nested_rollback"):
            self.vars = {n: o for n, o in self.vars.items() if self.state(o) != "transient"}
        return event

    def unfit(self, op, name):
        state = self.state(self.vars[name])
        if op[0] in ("delete", "expire", "refresh"):
            return state != "persistent"
        return state in ("deleted", "detached")

    def event(self, op):
        self.stale = False
        try:
            result = getattr(self, "o_" + op[0])(*op[1:])
        except Exception as err:
            result = ["error", type(err).__name__]
            self.stale = "has been deleted" in str(err)
        changes, selects = self.world.traffic.take()
        found = {"result": ["done"] if result is None else result, "states": self.states(),
                 "changes": changes, "selects": selects}
        if self.ears:
            found["heard"] = self.ears.take()
        return found

    # Objects

    def o_new(self, name, model, values=None):
        self.vars[name] = self.world.models.classes[model](**self.values(values))

    def o_set(self, name, attr, value):
        setattr(self.vars[name], attr, self.value(value))

    def o_append(self, name, attr, *others):
        for other in others:
            getattr(self.vars[name], attr).append(self.vars[other])

    def o_insert(self, name, attr, position, other):
        getattr(self.vars[name], attr).insert(position - 1, self.vars[other])

    def o_remove(self, name, attr, other):
        getattr(self.vars[name], attr).remove(self.vars[other])

    def o_put(self, name, attr, other):
        """Appends what is not there."""
        held = getattr(self.vars[name], attr)
        if self.vars[other] in held:
            return ["present"]
        held.append(self.vars[other])

    def o_drop(self, name, attr, other):
        """Removes what is there."""
        held = getattr(self.vars[name], attr)
        if self.vars[other] not in held:
            return ["absent"]
        held.remove(self.vars[other])

    def o_pop(self, name, attr):
        return [self.show(getattr(self.vars[name], attr).pop())]

    def o_clear(self, name, attr):
        getattr(self.vars[name], attr).clear()

    def o_attr(self, name, *attrs):
        return [self.show(getattr(self.vars[name], a)) for a in attrs]

    def o_touch(self):
        """Reads what a commit or rollback expired, before anything is changed."""
        for name in sorted(self.vars):
            if self.state(self.vars[name]) == "persistent":
                for attr in sa.inspect(type(self.vars[name])).column_attrs:
                    getattr(self.vars[name], attr.key)

    def o_sorted(self, name, attr):
        """A collection whose order the database is free to choose."""
        return sorted(self.name(v) for v in getattr(self.vars[name], attr))

    def o_same(self, name, other):
        return [tag(self.vars[name] is self.vars[other])]

    def o_history(self, name, attr):
        found = sa.inspect(self.vars[name]).attrs[attr].history
        return [",".join(self.show(v) for v in part or ())
                for part in (found.added, found.unchanged, found.deleted)]

    def o_forget(self, name):
        del self.vars[name]

    # Queries, in the words of query.py; what they give is named by a prefix and numbers

    def o_let(self, name, definition):
        self.builder.define(name, definition)

    def named(self, prefix, found):
        if prefix:
            for i, value in enumerate(found, 1):
                if hasattr(value, "_sa_instance_state"):
                    self.vars["%s%d" % (prefix, i)] = value
        return [" ".join(self.show(v) for v in value) if isinstance(value, sa.engine.Row)
                else self.show(value) for value in found]

    def o_run(self, query, prefix=None):
        return self.named(prefix, self.builder.query(query).all())

    def o_query_get(self, name, query, *key):
        found = self.builder.query(query).get(key[0] if len(key) == 1 else key)
        if found is not None:
            self.vars[name] = found
        return [self.show(found)]

    def o_stream(self, query, batch, attr):
        """Reads a relationship of each object as it comes."""
        return ["%s %s" % (self.name(v), ",".join(sorted(self.name(r) for r in getattr(v, attr))))
                for v in self.builder.query(query).yield_per(batch)]

    def o_unloaded(self, name):
        return sorted(sa.inspect(self.vars[name]).unloaded)

    def o_related(self, name, attr):
        """What a dynamic relationship finds in the database."""
        return sorted(self.name(v) for v in getattr(self.vars[name], attr).all())

    def o_related_count(self, name, attr):
        return [tag(getattr(self.vars[name], attr).count())]

    # Session

    def o_add(self, *names):
        for name in names:
            self.session.add(self.vars[name])

    def o_add_all(self, *names):
        self.session.add_all([self.vars[n] for n in names])

    def o_delete(self, name):
        self.session.delete(self.vars[name])

    def o_flush(self):
        self.session.flush()

    def o_commit(self):
        """The outermost transaction ends, whatever savepoints are open."""
        self.nested.clear()
        while self.session.in_nested_transaction():
            self.session.commit()
        self.session.commit()

    def o_rollback(self):
        self.nested.clear()
        while self.session.in_nested_transaction():
            self.session.rollback()
        self.session.rollback()

    def o_close(self):
        self.nested.clear()
        self.session.close()

    def o_begin(self):
        self.session.begin()

    def o_nested(self):
        self.nested.append(self.session.begin_nested())

    def o_nested_commit(self):
        self.nested.pop().commit()

    def o_nested_rollback(self):
        self.nested.pop().rollback()

    def o_expire(self, name, *attrs):
        self.session.expire(self.vars[name], list(attrs) or None)

    def o_expire_all(self):
        self.session.expire_all()

    def o_refresh(self, name, *attrs):
        self.session.refresh(self.vars[name], list(attrs) or None)

    def o_expunge(self, name):
        self.session.expunge(self.vars[name])

    def o_expunge_all(self):
        self.session.expunge_all()

    def o_merge(self, name, other):
        self.vars[name] = self.session.merge(self.vars[other])

    def o_get(self, name, model, *key):
        found = self.session.get(self.world.models.classes[model],
                                 key[0] if len(key) == 1 else tuple(key))
        if found is not None:
            self.vars[name] = found
        return [self.show(found)]

    def o_query(self, model, values=None):
        model = self.world.models.classes[model]
        query = self.session.query(model).filter_by(**self.values(values))
        return [self.show(v) for v in query.order_by(*sa.inspect(model).primary_key)]

    def o_count(self, model):
        return [tag(self.session.query(self.world.models.classes[model]).count())]

    def o_held(self, name):
        return [tag(self.vars[name] in self.session)]

    def o_sets(self):
        session = self.session
        return [",".join(sorted(self.name(v) for v in part))
                for part in (session.new, session.dirty, session.deleted)]

    def o_modified(self, name):
        return [tag(self.session.is_modified(self.vars[name]))]

    def o_identity(self, name):
        key = sa.inspect(self.vars[name]).identity
        return [tag(k) for k in key or (None,)]

    def o_sql(self, sql):
        self.session.execute(sa.text(sql))

    def o_quietly(self, ops):
        """Operations without autoflush."""
        with self.session.no_autoflush:
            return [self.event(op)["result"] for op in ops]

    def o_update(self, model, where, values):
        query = self.session.query(self.world.models.classes[model]).filter_by(**self.values(where))
        return [tag(query.update(self.values(values)))]

    def o_bulk_delete(self, model, where):
        query = self.session.query(self.world.models.classes[model]).filter_by(**self.values(where))
        return [tag(query.delete())]


class World:
    """The models of one schema and a database that programs use in turn."""

    def __init__(self, schema):
        self.models = declare.Models(schema)
        self.models.base.registry.configure()
        self.engine = declare.engine()
        self.models.metadata.create_all(self.engine)
        self.traffic = Traffic(self.engine)

    def run(self, program):
        with self.engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            for table in self.models.metadata.tables:
                connection.exec_driver_sql('DELETE FROM "%s"' % table)
        self.traffic.take()
        running = Program(self)
        if program.get("listen"):
            running.ears = Ears(running)
        try:
            events = running.run(program)
        except Fault as err:
            running.session.close()
            return {"name": program["name"], "events": err.events, "gave_up": "fault"}
        except AssertionError as err:
            # A session that cannot even be rolled back is a fault of the oracle.
            return {"name": program["name"], "gave_up": repr(err)}
        finally:
            if running.ears:
                running.ears.close()
        running.session.close()
        with orm.Session(self.engine) as session:
            tables = self.models.metadata.tables
            dumps = {t: declare.dump(session, tables[t]) for t in sorted(tables)}
        return {"name": program["name"], "events": events, "dumps": dumps}


def declaration(program):
    """What a mapping is worth: the class of the error that it raises, or its tables."""
    try:
        models = declare.Models(program["declare"])
        models.base.registry.configure()
        engine = declare.engine()
        models.metadata.create_all(engine)
        models.metadata.create_all(engine)
        with engine.connect() as connection:
            facts = {t: declare.facts(connection, t) for t in sorted(models.metadata.tables)}
        return {"name": program["name"], "events": [{"result": ["done"]}], "dumps": facts}
    except Exception as err:
        return {"name": program["name"], "events": [{"result": ["error", type(err).__name__]}]}
