# SPDX-License-Identifier: MIT
"""Declares SQLAlchemy models from neutral data (see schema.lua) and opens the
database that they live in, with foreign keys enforced and with transactions
that the driver begins itself, as its manual advises, so that savepoints hold.
"""

import importlib
import json
import warnings

import sqlalchemy as sa
from sqlalchemy import event, orm
from sqlalchemy.orm import unitofwork
from sqlalchemy.pool import StaticPool
from sqlalchemy.util import OrderedSet

from values import canonical, is_value, read

warnings.simplefilter("ignore")

# The unit of work takes independent tables and objects from sets, whose order
# changes from run to run; sets that keep their order make the oracle repeatable
# (with PYTHONHASHSEED=0, for the actions of a flush are put into a set display).
class Ordered(OrderedSet):
    """OrderedSet leaves what pop takes in its list, so that the flush does it twice."""

    def pop(self):
        item = self._list.pop(0)
        set.remove(self, item)
        return item


for name in ("util.topological", "orm.unitofwork", "orm.dependency", "orm.identity", "orm.mapper",
             "orm.session", "orm.state"):
    importlib.import_module("sqlalchemy." + name).set = Ordered
unitofwork.PostSortRec.__hash__ = lambda self: hash(self.sort_key)

COLUMN_OPTIONS = ("primary_key", "nullable", "unique", "index", "autoincrement")
# Perilune leaves children with a NOT NULL foreign key to the database when their
# parent is deleted; SQLAlchemy does so when it is told.
LEAVE = {"passive_deletes": "all"}
RELATION_OPTIONS = ("uselist", "lazy", "cascade", "passive_deletes", "single_parent",
                    "post_update", "viewonly", "back_populates")


def column_type(spec):
    kind, args = getattr(sa, spec[0]), spec[1:]
    return kind(*args)


def column(spec):
    args = [spec["name"], column_type(spec["type"])]
    if "foreign_key" in spec:
        args.append(sa.ForeignKey(
            spec["foreign_key"], ondelete=spec.get("ondelete"),
            use_alter=spec.get("use_alter", False), name=spec.get("constraint")))
    options = {k: spec[k] for k in COLUMN_OPTIONS if k in spec}
    if "default" in spec:
        options["default"] = read(spec["default"])
    if "server_default" in spec:
        options["server_default"] = spec["server_default"]
    if "onupdate" in spec:
        options["onupdate"] = read(spec["onupdate"])
    made = sa.Column(*args, **options)
    if spec.get("deferred"):
        return orm.deferred(made, group=spec.get("deferred_group"))
    return made


def joined(left, right, extra=None, value=None):
    """A join as text: two columns, and a third with what it is."""
    if right[0].islower():
        right = "%s.c.%s" % tuple(right.split("."))
    both = "%s == %s" % (left, right)
    return "and_(%s, %s == %r)" % (both, extra, value) if extra else both


def relation(spec, tables):
    options = {k: spec[k] for k in RELATION_OPTIONS if k in spec}
    if options.get("lazy") == "write_only":  # of 2.0; what 1.4 has of it is "dynamic"
        options["lazy"] = "dynamic"
    for name in ("remote_side", "foreign_keys", "order_by"):
        if name in spec:
            options[name] = spec[name]
    for name in ("primaryjoin", "secondaryjoin"):
        if name in spec:
            options[name] = joined(*spec[name])
    if "secondary" in spec:
        options["secondary"] = tables[spec["secondary"]]
    if "backref" in spec:
        back = spec["backref"]
        if isinstance(back, dict):
            rest = {k: v for k, v in back.items() if k not in ("name", "leave_to_database")}
            if rest.get("lazy") == "write_only":
                rest["lazy"] = "dynamic"
            rest.update(LEAVE if "leave_to_database" in back else {})
            back = orm.backref(back["name"], **rest)
        options["backref"] = back
    return orm.relationship(spec["target"], **options)


class Models:
    """The declared classes and tables by name."""

    def __init__(self, schema):
        self.base = orm.declarative_base()
        self.metadata = self.base.metadata
        self.tables = {}
        self.classes = {}
        for spec in schema.get("tables", ()):
            columns = [column(c) for c in spec["columns"]]
            self.tables[spec["table"]] = sa.Table(spec["table"], self.metadata, *columns)
        for spec in schema["models"]:
            self.classes[spec["name"]] = self.declare(spec)

    def declare(self, spec):
        body = {"__tablename__": spec["table"]} if "table" in spec else {}
        for c in spec.get("columns", ()):
            body[c["name"]] = column(c)
        for r in spec.get("relations", ()):
            body[r["name"]] = relation(r, self.tables)
        args = {}
        if "version" in spec:
            args["version_id_col"] = body[spec["version"]]
        if "polymorphic_on" in spec:
            args["polymorphic_on"] = body[spec["polymorphic_on"]]
        if "identity" in spec:
            args["polymorphic_identity"] = spec["identity"]
        if args:
            body["__mapper_args__"] = args
        base = self.classes[spec["inherits"]] if "inherits" in spec else self.base
        return type(spec["name"], (base,), body)


def engine(path="sqlite://"):
    # Named parameters: in positional ones 1.4 mixes up those inside WITH.
    made = sa.create_engine(path, poolclass=StaticPool, paramstyle="named",
                            connect_args={"check_same_thread": False})

    @event.listens_for(made, "connect")
    def connect(connection, _):
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(made, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    return made


def values_of(row):
    """The attributes of a neutral row, without NULLs that were not asked for."""
    return {k: read(v) if is_value(v) else v for k, v in row.items()}


def dump(session, table):
    """Every row of a table as SQLite literals, in the order of its key.

    JSON is read back, because the order of keys in an object is free.
    """
    shown = ["json(%s)" % quoted(c) if isinstance(c.type, sa.JSON) else "quote(%s)" % quoted(c)
             for c in table.columns]
    order = ", ".join(quoted(c) for c in table.primary_key) or "1"
    sql = "SELECT %s FROM %s ORDER BY %s" % (", ".join(shown), quoted(table), order)
    rows = session.connection().exec_driver_sql(sql).fetchall()
    return [[show(c, v) for c, v in zip(table.columns, row)] for row in rows]


def facts(connection, table):
    """What SQLite knows of a table: its columns, foreign keys and indexes."""
    def ask(pragma, name):
        return connection.exec_driver_sql('PRAGMA %s("%s")' % (pragma, name)).fetchall()

    found = ["column %s %s%s default %s key %d" % (
        c[1], c[2], " not null" if c[3] else "", "none" if c[4] is None else c[4], c[5])
        for c in ask("table_info", table)]
    found += sorted("foreign key %s to %s.%s %s %s" % (k[3], k[2], k[4], k[5], k[6])
                    for k in ask("foreign_key_list", table))
    found += sorted("index %s%s of %s on %s" % (
        "" if i[1].startswith("sqlite_") else i[1] + " ", "unique" if i[2] else "plain", i[3],
        ", ".join(c[2] for c in ask("index_info", i[1]))) for i in ask("index_list", table))
    return found


def quoted(named):
    return '"%s"' % named.name


def show(col, value):
    if isinstance(col.type, sa.JSON) and value is not None:
        return canonical(json.loads(value))
    return value if value is not None else "NULL"
