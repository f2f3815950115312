/* SPDX-License-Identifier: MIT */
/*
** statement.c - a chain of clauses taken apart into a pl_query.
**
** Clauses are collected from the end of the chain to its head and applied in the order
** in which they were added: conditions add up, a limit replaces the one before.
*/
#include "core/sql/compiler.h"

static bool is_head(const pl_node *n) {
    switch (n->kind) {
    case PL_N_SELECT:
    case PL_N_COMPOUND:
    case PL_N_INSERT:
    case PL_N_UPDATE:
    case PL_N_DELETE: return true;
    default: return !pl_node_is_statement(n);
    }
}

pl_node *pl_statement_head(pl_node *stmt) {
    while (stmt && !is_head(stmt))
        stmt = stmt->kids[0];
    return stmt;
}

pl_node *pl_statement_find(pl_node *stmt, pl_node_kind kind) {
    for (; stmt; stmt = stmt->kids[0]) {
        if (stmt->kind == kind)
            return stmt;
        if (is_head(stmt))
            break;
    }
    return NULL;
}

static void add_kids(pl_compiler *c, pl_list *list, const pl_node *clause,
                     uint32_t first) {
    for (uint32_t i = first; i < clause->nkids; i++)
        if (clause->kids[i])
            pl_list_add(c, list, clause->kids[i]);
}

static pl_node *argument(const pl_node *clause) {
    return clause->nkids > 1 ? clause->kids[1] : NULL;
}

static void replace(pl_compiler *c, pl_list *list, const pl_node *clause) {
    list->n = 0;
    add_kids(c, list, clause, 1);
}

static void apply_order(pl_compiler *c, pl_query *q, const pl_node *clause) {
    if (clause->nkids == 1)
        q->order.n = 0;
    add_kids(c, &q->order, clause, 1);
}

static void apply(pl_compiler *c, pl_query *q, pl_node *clause) {
    if (clause->flags & PL_NF_UNCACHED)
        c->uncached = true;
    switch (clause->kind) {
    case PL_N_WHERE: add_kids(c, &q->where, clause, 1); break;
    case PL_N_GROUP_BY: add_kids(c, &q->group, clause, 1); break;
    case PL_N_HAVING: add_kids(c, &q->having, clause, 1); break;
    case PL_N_ORDER_BY: apply_order(c, q, clause); break;
    case PL_N_LIMIT: q->limit = argument(clause); break;
    case PL_N_OFFSET: q->offset = argument(clause); break;
    case PL_N_DISTINCT: q->distinct = !(clause->flags & PL_NF_NOT); break;
    case PL_N_FROM: add_kids(c, &q->from, clause, 1); break;
    case PL_N_JOINED: pl_list_add(c, &q->joined, clause); break;
    case PL_N_WITH: add_kids(c, &q->with, clause, 1); break;
    case PL_N_COLUMNS: replace(c, &q->columns, clause); break;
    case PL_N_ADD_COLUMNS: add_kids(c, &q->columns, clause, 1); break;
    case PL_N_FOR_UPDATE: q->for_update = clause; break;
    case PL_N_CORRELATE: q->correlate = clause; break;
    case PL_N_SET: add_kids(c, &q->set, clause, 1); break;
    case PL_N_ROWS: pl_list_add(c, &q->rows, clause); break;
    case PL_N_FROM_SELECT: q->from_select = clause; break;
    case PL_N_CONFLICT: q->conflict = clause; break;
    case PL_N_RETURNING: add_kids(c, &q->returning, clause, 1); break;
    default: break;
    }
}

/* The items of a SELECT, or what RETURNING names. */
static void make_result(pl_compiler *c, pl_query *q) {
    if (q->head->kind == PL_N_SELECT)
        pl_make_items(c, &q->columns, &q->items, &q->nitems);
    else if (q->returning.n > 0)
        pl_make_items(c, &q->returning, &q->items, &q->nitems);
}

pl_query *pl_query_of(pl_compiler *c, pl_node *stmt) {
    pl_query *q = pl_map_of(&c->queries, stmt);
    if (q || pl_failed(c))
        return pl_failed(c) ? NULL : q;
    pl_list chain = {0};
    q = pl_scratch(c, sizeof *q);
    pl_node *n = stmt;
    for (; n && !is_head(n); n = n->kids[0])
        pl_list_add(c, &chain, n);
    if (!n)
        pl_refuse(c, PL_EARGUMENT, "a clause stands without a statement");
    if (!q || !n || pl_failed(c))
        return NULL;
    q->head = n;
    if (n->kind == PL_N_SELECT)
        add_kids(c, &q->columns, n, 0);
    if (n->flags & PL_NF_UNCACHED)
        c->uncached = true;
    for (size_t i = chain.n; i > 0; i--)
        apply(c, q, chain.v[i - 1]);
    pl_map_put(c, &c->queries, stmt, q);
    make_result(c, q);
    return pl_failed(c) ? NULL : q;
}

pl_query *pl_result_of(pl_compiler *c, pl_node *stmt) {
    pl_query *q = pl_query_of(c, stmt);
    while (q && q->head->kind == PL_N_COMPOUND && q->head->nkids > 0)
        q = pl_query_of(c, q->head->kids[0]);
    return q;
}
