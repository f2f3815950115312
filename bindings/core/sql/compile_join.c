/* SPDX-License-Identifier: MIT */
/*
** compile_join.c - FROM items as text, and whether conditions connect them.
*/
#include "core/sql/compiler.h"

/* ---- text ---- */

static void write_source(pl_compiler *c, const pl_node *n);

static void write_subselect(pl_compiler *c, pl_node *stmt) {
    pl_put(c, "(");
    pl_write_select(c, stmt, PL_USE_DERIVED);
    pl_put(c, ")");
}

static void write_table(pl_compiler *c, const pl_node *n) {
    const pl_table *t = n->ref;
    pl_use_table(c, t);
    if (t->view) {
        pl_put_name(c, t->view);
        pl_put(c, " AS ");
    }
    pl_put_source(c, n);
}

/* What an alias stands for. */
static void write_aliased(pl_compiler *c, const pl_node *n) {
    const pl_table *t = n->kind == PL_N_TABLE ? n->ref : NULL;
    if (!t || !t->view) {
        write_source(c, n);
        return;
    }
    pl_use_table(c, t);
    pl_put_name(c, t->view);
}

static void write_alias(pl_compiler *c, const pl_node *n) {
    pl_node *kid = n->kids[0];
    while (kid->kind == PL_N_ALIAS)
        kid = kid->kids[0];
    if (pl_node_is_statement(kid))
        write_subselect(c, kid);
    else
        write_aliased(c, kid);
    pl_put(c, " AS ");
    pl_put_source(c, n);
}

static void write_cte(pl_compiler *c, const pl_node *n) {
    pl_hoist_cte(c, n);
    pl_put_source(c, n);
}

/* SQLite names the columns of VALUES itself; the names wanted go around it. */
static void write_values(pl_compiler *c, const pl_node *n) {
    const pl_node *names = n->kids[0];
    pl_put(c, "(SELECT ");
    for (uint32_t i = 0; i < names->nkids; i++) {
        pl_put(c, i > 0 ? ", column" : "column");
        pl_put_int(c, (int64_t)i + 1);
        pl_put(c, " AS ");
        pl_put_name(c, names->kids[i]->text);
    }
    pl_put(c, " FROM (VALUES ");
    for (uint32_t i = 1; i < n->nkids; i++) {
        pl_put(c, i > 1 ? ", " : "");
        pl_write(c, n->kids[i], PL_AS_VALUE);
    }
    pl_put(c, ")) AS ");
    pl_put_source(c, n);
}

static void write_table_function(pl_compiler *c, const pl_node *n) {
    pl_write(c, n->kids[0], PL_AS_VALUE);
    pl_put(c, " AS ");
    pl_put_source(c, n);
}

/* The right side of a join; a join there goes in parentheses. */
static void write_join_step(pl_compiler *c, pl_join_op op, const pl_node *right,
                            const pl_node *on) {
    static const char *const words[] = {" JOIN ", " LEFT OUTER JOIN ",
                                        " FULL OUTER JOIN ", " CROSS JOIN "};
    pl_put(c, words[op]);
    if (right->kind == PL_N_JOIN)
        pl_put(c, "(");
    write_source(c, right);
    if (right->kind == PL_N_JOIN)
        pl_put(c, ")");
    if (on) {
        pl_put(c, " ON ");
        pl_write(c, on, PL_AS_CONDITION);
    }
}

static void write_join(pl_compiler *c, const pl_node *n) {
    write_source(c, n->kids[0]);
    write_join_step(c, (pl_join_op)n->op, n->kids[1], n->nkids > 2 ? n->kids[2] : NULL);
}

static void write_source_kind(pl_compiler *c, const pl_node *n) {
    switch (n->kind) {
    case PL_N_TABLE: write_table(c, n); break;
    case PL_N_ALIAS: write_alias(c, n); break;
    case PL_N_CTE: write_cte(c, n); break;
    case PL_N_VALUES: write_values(c, n); break;
    case PL_N_TABLEFUNC: write_table_function(c, n); break;
    case PL_N_JOIN: write_join(c, n); break;
    case PL_N_TEXT:
    case PL_N_IDENT: pl_write(c, n, PL_AS_VALUE); break;
    default:
        if (pl_node_is_statement(n))
            write_subselect(c, (pl_node *)n);
        else
            pl_refuse(c, PL_EARGUMENT, "an expression cannot stand in FROM");
        break;
    }
}

static void write_source(pl_compiler *c, const pl_node *n) {
    if (pl_enter(c))
        write_source_kind(c, n);
    pl_leave(c);
}

void pl_write_froms(pl_compiler *c, const pl_from *froms, size_t n) {
    for (size_t i = 0; i < n && !pl_failed(c); i++) {
        pl_put(c, i > 0 ? ", " : " FROM ");
        write_source(c, froms[i].base);
        for (size_t j = 0; j < froms[i].joins.n; j++) {
            const pl_node *join = froms[i].joins.v[j];
            write_join_step(c, (pl_join_op)join->op, join->kids[2], join->kids[3]);
        }
    }
}

/* ---- what connects what ---- */

typedef struct parts {
    pl_compiler *c;
    pl_from *v;
    size_t n;
} parts;

static void unite(const parts *p, int a, int b) {
    for (size_t i = 0; i < p->n; i++)
        if (p->v[i].part == b)
            p->v[i].part = a;
}

static pl_from *from_of(const parts *p, const void *key) {
    for (size_t i = 0; i < p->n; i++) {
        pl_scope s = {0};
        pl_add_sources(p->c, &s, &p->v[i]);
        if (pl_list_has(&s.sources, key))
            return &p->v[i];
    }
    return NULL;
}

/* All FROM items that an expression mentions become one part with `first`. */
static void connect(const parts *p, const pl_node *n, pl_from *first) {
    pl_list sources = {0};
    pl_collect_sources(p->c, n, true, &sources);
    for (size_t i = 0; i < sources.n && !pl_failed(p->c); i++) {
        pl_from *f = from_of(p, pl_source_key(p->c, sources.v[i]));
        if (f && first)
            unite(p, first->part, f->part);
        if (!first)
            first = f;
    }
}

/* Each comparison connects what it mentions; nobody can say what raw text connects. */
static void connect_condition(const parts *p, const pl_node *n) {
    bool logic = n->kind == PL_N_AND || n->kind == PL_N_OR ||
                 (n->kind == PL_N_UNARY && n->op == PL_OP_NOT);
    if (n->kind == PL_N_TEXT)
        for (size_t i = 0; i < p->n; i++)
            p->v[i].part = 0;
    if (!logic) {
        connect(p, n, NULL);
        return;
    }
    if (pl_enter(p->c))
        for (uint32_t i = 0; i < n->nkids; i++)
            connect_condition(p, n->kids[i]);
    pl_leave(p->c);
}

static void connect_from(const parts *p, pl_from *f) {
    if (f->base->kind == PL_N_TABLEFUNC && f->base->nkids > 0)
        connect(p, f->base->kids[0], f);
    for (size_t i = 0; i < f->joins.n; i++) {
        const pl_node *join = f->joins.v[i];
        if (join->kids[3])
            connect(p, join->kids[3], f);
    }
}

void pl_check_cartesian(pl_compiler *c, const pl_query *q, pl_from *froms, size_t n) {
    parts p = {c, froms, n};
    if (n < 2 || c->cartesian)
        return;
    for (size_t i = 0; i < n; i++)
        froms[i].part = (int)i;
    for (size_t i = 0; i < q->where.n; i++)
        connect_condition(&p, q->where.v[i]);
    for (size_t i = 0; i < n; i++)
        connect_from(&p, &froms[i]);
    for (size_t i = 1; i < n && !c->cartesian; i++) {
        if (froms[i].part == froms[0].part || froms[i].base->kind == PL_N_TEXT)
            continue;
        c->cartesian = true;
        c->loose = froms[i].base->kind == PL_N_JOIN ? pl_source_label(froms[i].base)
                                                    : pl_source_name(c, froms[i].base);
    }
}
