# SPDX-License-Identifier: MIT
"""Builds SQLAlchemy queries and expressions from the neutral form.

An expression is a literal, a name ("@Track.title", "@Track", "@alias.column")
or an array whose first element is one of the words below. A query is
["select", entities, step ...]. query.lua reads the same words.
"""

import sqlalchemy as sa
from sqlalchemy import orm

import declare
from values import is_value, read

METHODS = {
    "eq": "__eq__", "ne": "__ne__", "lt": "__lt__", "le": "__le__", "gt": "__gt__", "ge": "__ge__",
    "is": "is_", "is_not": "is_not", "like": "like", "not_like": "not_like", "ilike": "ilike",
    "between": "between", "regexp": "regexp_match", "is_distinct_from": "is_distinct_from",
    "collate": "collate", "concat": "concat", "asc": "asc", "desc": "desc",
    "nulls_first": "nulls_first", "nulls_last": "nulls_last", "label": "label",
    "add": "__add__", "sub": "__sub__", "mul": "__mul__", "div": "__truediv__", "mod": "__mod__",
    "neg": "__neg__", "cat": "__add__", "band": "__and__", "bor": "__or__", "bnot": "__invert__",
    "any": "any", "has": "has",
}
MIRRORED = {"add": "__radd__", "sub": "__rsub__", "mul": "__rmul__", "div": "__rtruediv__",
            "mod": "__rmod__", "cat": "__radd__"}
LOADERS = ("joinedload", "selectinload", "subqueryload", "lazyload", "raiseload", "noload",
           "contains_eager", "immediateload", "defer", "undefer", "load_only", "defaultload",
           "undefer_group", "with_loader_criteria")


class Builder:
    """Turns neutral nodes into SQLAlchemy objects for one session."""

    def __init__(self, models, session):
        self.models = models
        self.session = session
        self.names = {}

    # Names

    def name(self, text):
        head, _, rest = text[1:].partition(".")
        found = self.names.get(head)
        if found is None:
            found = self.models.classes.get(head)
        if found is None:
            found = self.models.tables[head]
        if not rest:
            return found
        if hasattr(found, "c") and not hasattr(found, "__mapper__"):
            return getattr(found.c, rest)
        return getattr(found, rest)

    def expr(self, node):
        if is_value(node):
            return read(node)
        if isinstance(node, str):
            return self.name(node)
        word = node[0]
        special = getattr(self, "x_" + word, None)
        if special:
            return special(*node[1:])
        args = [self.expr(a) for a in node[1:]]
        if word in MIRRORED and is_value(node[1]):
            return getattr(args[1], MIRRORED[word])(args[0])
        return getattr(args[0], METHODS[word])(*args[1:])

    def exprs(self, nodes):
        return [self.expr(n) for n in nodes]

    # Expressions that are more than a method with arguments

    def x_lit(self, value):
        return sa.literal(read(value))

    def x_sql_null(self):
        return sa.null()

    def x_true(self):
        return sa.true()

    def x_false(self):
        return sa.false()

    def x_list(self, *items):
        return self.exprs(items)

    def x_in(self, left, right):
        return self.expr(left).in_(self.members(right))

    def x_not_in(self, left, right):
        return self.expr(left).not_in(self.members(right))

    def members(self, node):
        if node and node[0] == "select":
            return self.query(node)
        if isinstance(node, list) and node and node[0] == "list":
            return self.exprs(node[1:])
        return self.expr(node) if node else []

    def x_startswith(self, left, right):
        return self.expr(left).startswith(self.expr(right), autoescape=is_value(right))

    def x_endswith(self, left, right):
        return self.expr(left).endswith(self.expr(right), autoescape=is_value(right))

    def x_contains(self, left, right):
        return self.expr(left).contains(self.expr(right), autoescape=is_value(right))

    def x_like_escape(self, left, right, escape):
        return self.expr(left).like(right, escape=escape)

    def x_glob(self, left, right):
        return self.expr(left).op("GLOB", is_comparison=True)(self.expr(right))

    def x_op(self, left, operator, right):
        return self.expr(left).op(operator)(self.expr(right))

    def x_and(self, *items):
        return sa.and_(*self.exprs(items))

    def x_or(self, *items):
        return sa.or_(*self.exprs(items))

    def x_not(self, item):
        return sa.not_(self.expr(item))

    def x_case(self, whens, otherwise=None):
        pairs = [(self.expr(c), self.expr(v)) for c, v in whens]
        return sa.case(*pairs, else_=self.expr(otherwise))

    def x_cast(self, item, kind):
        return sa.cast(self.expr(item), declare.column_type(kind))

    def x_extract(self, field, item):
        return sa.extract(field, self.expr(item))

    def x_func(self, name, *args):
        return getattr(sa.func, name)(*self.exprs(args))

    def x_over(self, function, options):
        given = {}
        for key, value in dict(options or {}).items():
            given[key] = tuple(None if v == "unbounded" else v for v in value) \
                if key in ("rows", "range_") else self.exprs(value)
        return sa.over(self.expr(function), **given)

    def x_tuple(self, *items):
        return sa.tuple_(*self.exprs(items))

    def x_text(self, sql, params=None):
        clause = sa.text(sql)
        return clause.bindparams(**declare.values_of(params)) if params else clause

    def x_exists(self, query):
        return self.query(query).exists()

    def x_scalar(self, query):
        return self.query(query).scalar_subquery()

    def x_has_member(self, relation, target):
        return self.expr(relation).contains(self.expr(target))

    def x_of_type(self, relation, target):
        return self.expr(relation).of_type(self.expr(target))

    def x_only(self, relation, condition):
        return self.expr(relation).and_(self.expr(condition))

    def x_object(self, model, *key):
        key = [read(k) for k in key]
        return self.session.get(self.name(model), key[0] if len(key) == 1 else tuple(key))

    # Names of one scenario

    def define(self, name, node):
        self.names[name] = getattr(self, "d_" + node[0])(*node[1:])

    def d_aliased(self, target, of=None):
        target = self.expr(target)
        return orm.aliased(target) if of is None else orm.aliased(target, self.expr(of))

    def d_subquery(self, query, name=None):
        return self.query(query).subquery(name)

    def d_cte(self, query, name):
        return self.query(query).cte(name)

    def d_recursive(self, name, base, step, union="union_all"):
        self.names[name] = self.query(base).cte(name, recursive=True)
        return getattr(self.names[name], union)(self.query(step))

    def d_expr(self, node):
        return self.expr(node)

    # Queries

    def query(self, node):
        assert node[0] == "select", node[0]
        entities = node[1] if isinstance(node[1], list) else [node[1]]
        if entities and not isinstance(entities[0], list) and not str(entities[0]).startswith("@"):
            entities = [entities]
        query = self.session.query(*self.exprs(entities))
        for step in node[2:]:
            query = getattr(self, "q_" + step[0])(query, *step[1:])
        return query

    def q_where(self, query, *items):
        return query.where(*self.exprs(items))

    def q_filter(self, query, *items):
        return query.filter(*self.exprs(items))

    def q_filter_by(self, query, values):
        return query.filter_by(**{k: self.expr(v) for k, v in values.items()})

    def q_order_by(self, query, *items):
        return query.order_by(*self.exprs(items))

    def q_group_by(self, query, *items):
        return query.group_by(*self.exprs(items))

    def q_having(self, query, *items):
        for item in items:
            query = query.having(self.expr(item))
        return query

    def q_limit(self, query, count):
        return query.limit(count)

    def q_offset(self, query, count):
        return query.offset(count)

    def q_distinct(self, query):
        return query.distinct()

    def q_select_from(self, query, *items):
        return query.select_from(*self.exprs(items))

    def q_join(self, query, *items):
        return query.join(*self.exprs(items))

    def q_outerjoin(self, query, *items):
        return query.outerjoin(*self.exprs(items))

    def q_union(self, query, *others):
        return query.union(*[self.query(o) for o in others])

    def q_union_all(self, query, *others):
        return query.union_all(*[self.query(o) for o in others])

    def q_intersect(self, query, *others):
        return query.intersect(*[self.query(o) for o in others])

    def q_except(self, query, *others):
        return query.except_(*[self.query(o) for o in others])

    def q_with_for_update(self, query):
        return query.with_for_update()

    def q_execution_options(self, query, options):
        return query.execution_options(**options)

    def q_populate_existing(self, query):
        return query.populate_existing()

    def q_options(self, query, *items):
        return query.options(*[self.loader(i) for i in items])

    def loader(self, node):
        """["joinedload", path, [next loader]]: loaders nest by chaining."""
        found, given = orm, node
        while given is not None:
            word, rest, given = given[0], list(given[1:]), None
            if rest and isinstance(rest[-1], list) and rest[-1][0] in LOADERS:
                given, rest = rest[-1], rest[:-1]
            flags = rest.pop() if rest and isinstance(rest[-1], dict) else {}
            found = getattr(found, word)(*self.exprs(rest), **flags)
        return found
