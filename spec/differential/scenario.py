# SPDX-License-Identifier: MIT
"""Runs query scenarios: the names of a scenario, then its operations, each of
which gives one event. An event is a list of strings and lists of strings, an
error is the name of its class.
"""

import sqlalchemy as sa
from flask_sqlalchemy.pagination import QueryPagination
from sqlalchemy import event, orm
from sqlalchemy.dialects import sqlite

import declare
from query import Builder
from values import is_value, label, read, tag


def row_of(value):
    """The tags of one result, which may be an instance, a row or a value."""
    if isinstance(value, (sa.engine.Row, tuple)):
        return [tag(v) for v in value]
    return [tag(value)]


def graph(obj, paths):
    """An instance with the relationships that paths names, children sorted."""
    parts = []
    for name in sorted(paths):
        value = getattr(obj, name)
        if isinstance(value, list):
            shown = "[" + ",".join(sorted(graph(v, paths[name]) for v in value)) + "]"
        else:
            shown = "nil" if value is None else graph(value, paths[name])
        parts.append("%s=%s" % (name, shown))
    return label(obj) + ("(" + ",".join(parts) + ")" if parts else "")


def dicts(node):
    """A map of the neutral form, where an empty one arrives as an array."""
    return {k: dicts(v) for k, v in node.items()} if node else {}


class Runner:
    """One session on the shared database; what a scenario did is rolled back."""

    def __init__(self, models, engine):
        self.models = models
        self.session = orm.Session(engine)
        self.builder = Builder(models, self.session)
        self.vars = self.builder.names

    def run(self, scenario):
        events = []
        try:
            for name, node in scenario.get("let") or ():
                self.builder.define(name, node)
        except Exception as err:
            return [["error", type(err).__name__]]
        for op in scenario["ops"]:
            events.append(self.operation(op))
        return events

    def operation(self, op):
        try:
            return getattr(self, "o_" + op[0])(*op[1:])
        except Exception as err:
            return ["error", type(err).__name__]

    def close(self):
        self.session.close()

    # Ends of a query

    def o_run(self, query, finish):
        query = self.builder.query(query)
        return getattr(self, "f_" + finish[0])(query, *finish[1:])

    def f_all(self, query):
        if len(query.column_descriptions) > 1:
            # Rows of several things are those of select(), which keeps repeated ones.
            return ["rows", [row_of(v) for v in self.session.execute(query.statement)]]
        return ["rows", [row_of(v) for v in query.all()]]

    def f_first(self, query):
        return ["value", row_of(query.first())]

    def f_one(self, query):
        return ["value", row_of(query.one())]

    def f_one_or_none(self, query):
        return ["value", row_of(query.one_or_none())]

    def f_scalar(self, query):
        return ["value", [tag(query.scalar())]]

    def f_scalars(self, query):
        return ["rows", [[tag(v)] for v in self.session.execute(query.statement).scalars()]]

    def f_count(self, query):
        return ["value", [tag(query.count())]]

    def f_any(self, query):
        return ["value", [tag(self.session.query(query.exists()).scalar())]]

    def f_get(self, query, *key):
        key = [read(k) for k in key]
        return ["value", row_of(query.get(key[0] if len(key) == 1 else tuple(key)))]

    def f_each(self, query, batch=None):
        if batch:
            query = query.yield_per(batch)
        return ["rows", [row_of(v) for v in query]]

    def f_names(self, query, *names):
        return ["rows", [[tag(getattr(row, n)) for n in names] for row in query]]

    def f_graph(self, query, paths):
        paths = dicts(paths)
        return ["rows", [[graph(v, paths)] for v in query.all()]]

    def f_columns(self, query):
        found = []
        for obj in query.all():
            attrs = sa.inspect(type(obj)).column_attrs
            found.append([tag(getattr(obj, a.key)) for a in attrs])
        return ["rows", found]

    def f_paginate(self, query, options):
        page = QueryPagination(query=query, error_out=False, **options)
        facts = (page.total, page.page, page.per_page, page.pages, page.has_prev, page.has_next,
                 page.prev_num, page.next_num, page.first, page.last)
        return ["rows", [[tag(f) for f in facts]] + [row_of(v) for v in page.items]]

    # Objects of the session

    def o_get(self, name, model, *key):
        key = [read(k) for k in key]
        model = self.builder.name(model)
        self.vars[name] = self.session.get(model, key[0] if len(key) == 1 else tuple(key))
        return ["value", [tag(self.vars[name])]]

    def o_attr(self, name, *attrs):
        return ["value", [tag(getattr(self.vars[name], a)) for a in attrs]]

    def o_set(self, name, values):
        for key, value in values.items():
            setattr(self.vars[name], key, self.builder.expr(value))
        return ["done"]

    def o_new(self, name, model, values):
        made = self.builder.name(model)(**{k: self.builder.expr(v) for k, v in values.items()})
        self.vars[name] = made
        self.session.add(made)
        return ["done"]

    def o_held(self, name):
        return ["value", [tag(self.vars[name] in self.session)]]

    def o_flush(self):
        self.session.flush()
        return ["done"]

    def o_rollback(self):
        self.session.rollback()
        return ["done"]

    def o_expire(self, name):
        self.session.expire(self.vars[name])
        return ["done"]

    # Statements

    def values(self, node):
        return {k: read(v) if is_value(v) else self.builder.expr(v) for k, v in node.items()}

    def o_update(self, query, values):
        values = self.values(values)
        try:
            with self.session.begin_nested():
                count = self.builder.query(query).update(values, synchronize_session="evaluate")
        except sa.exc.InvalidRequestError as err:
            if "evaluate" not in str(err):
                raise
            count = self.builder.query(query).update(values, synchronize_session="fetch")
        return ["value", [tag(count)]]

    def o_delete(self, query):
        try:
            with self.session.begin_nested():
                count = self.builder.query(query).delete(synchronize_session="evaluate")
        except sa.exc.InvalidRequestError as err:
            if "evaluate" not in str(err):
                raise
            count = self.builder.query(query).delete(synchronize_session="fetch")
        return ["value", [tag(count)]]

    def table(self, name):
        found = self.builder.name(name)
        return getattr(found, "__table__", found)

    def o_insert(self, target, rows, conflict=None):
        statement = sqlite.insert(self.table(target)).values([self.values(r) for r in rows])
        if conflict:
            statement = self.conflict(statement, dict(conflict))
        self.session.execute(statement)
        return ["done"]

    def conflict(self, statement, options):
        if options.pop("do") == "nothing":
            return statement.on_conflict_do_nothing(**options)
        self.vars["excluded"] = statement.excluded
        options["set_"] = self.excluded_values(statement, options.pop("set"))
        if "where" in options:
            options["where"] = self.builder.expr(options["where"])
        return statement.on_conflict_do_update(**options)

    def excluded_values(self, statement, node):
        made = {}
        for key, value in node.items():
            if isinstance(value, list) and value[0] == "excluded":
                made[key] = getattr(statement.excluded, value[1])
            else:
                made[key] = read(value) if is_value(value) else self.builder.expr(value)
        return made

    def o_bulk_insert(self, model, rows):
        self.session.bulk_insert_mappings(self.builder.name(model), [self.values(r) for r in rows])
        return ["done"]

    def o_exec_update(self, target, values, *where):
        statement = sa.update(self.table(target)).values(**self.values(values))
        statement = statement.where(*self.builder.exprs(where))
        return ["value", [tag(self.session.execute(statement).rowcount)]]

    def o_exec_delete(self, target, *where):
        statement = sa.delete(self.table(target)).where(*self.builder.exprs(where))
        return ["value", [tag(self.session.execute(statement).rowcount)]]

    def o_exec(self, query):
        result = self.session.execute(self.builder.query(query).statement)
        return ["rows", [row_of(r) for r in result]]

    def o_session_scalar(self, query):
        return ["value", [tag(self.session.scalar(self.builder.query(query).statement))]]

    def o_session_scalars(self, query):
        found = self.session.scalars(self.builder.query(query).statement)
        return ["rows", [[tag(v)] for v in found]]

    def o_text(self, sql, params=None):
        result = self.session.execute(sa.text(sql), declare.values_of(params or {}))
        if not result.returns_rows:
            return ["value", [tag(result.rowcount)]]
        return ["rows", [row_of(r) for r in result]]

    def o_dump(self, table):
        return ["rows", declare.dump(self.session, self.models.metadata.tables[table])]


class Counter:
    """Counts the SELECT statements that an engine runs."""

    def __init__(self, engine):
        self.selects = 0
        event.listen(engine, "before_cursor_execute", self.note)

    def note(self, _connection, _cursor, statement, *_):
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            self.selects += 1


class Shop:
    """The database of the query scenarios."""

    def __init__(self, schema, data):
        self.models = declare.Models(schema)
        self.models.base.registry.configure()
        self.engine = declare.engine()
        self.counter = Counter(self.engine)
        self.models.metadata.create_all(self.engine)
        with orm.Session(self.engine) as session:
            for part in data:
                self.load(session, part)
            session.commit()

    def load(self, session, part):
        for model in self.models.classes.values():
            if model.__tablename__ == part["table"]:
                rows = [declare.values_of(r) for r in part["rows"]]
                session.bulk_insert_mappings(model, rows)
                return
        session.execute(self.models.tables[part["table"]].insert(), part["rows"])

    def run(self, scenario):
        self.counter.selects = 0
        runner = Runner(self.models, self.engine)
        events = runner.run(scenario)
        runner.close()
        return {"name": scenario["name"], "events": events, "selects": self.counter.selects}
