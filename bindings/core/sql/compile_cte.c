/* SPDX-License-Identifier: MIT */
/*
** compile_cte.c - common table expressions: each once, in front of the statement.
**
** A recursive CTE is built in steps: a CTE over its anchor, then a CTE of the same name
** over a UNION whose first member is that anchor and whose second refers to the first
** CTE. All of these are one table; the fullest statement met is the one that is written.
*/
#include "core/sql/compiler.h"

/* The first select of a recursive CTE. */
static const pl_node *anchor_of(const pl_node *cte) {
    pl_node *stmt = cte->nkids > 0 ? cte->kids[0] : NULL;
    for (;;) {
        pl_node *head = pl_statement_head(stmt);
        if (!head || head->kind != PL_N_COMPOUND || head->nkids == 0)
            return stmt;
        stmt = head->kids[0];
    }
}

/* How many members a statement's compounds have on the way to the anchor. */
static size_t fullness(const pl_node *cte) {
    size_t n = 0;
    pl_node *stmt = cte->nkids > 0 ? cte->kids[0] : NULL;
    for (;;) {
        pl_node *head = pl_statement_head(stmt);
        if (!head || head->kind != PL_N_COMPOUND || head->nkids == 0)
            return n;
        n += head->nkids;
        stmt = head->kids[0];
    }
}

static bool is_same(const pl_cte *cte, const pl_node *node, const pl_node *anchor) {
    if (cte->node == node)
        return true;
    return anchor && cte->anchor == anchor && cte->node->text && node->text &&
           strcmp(cte->node->text, node->text) == 0;
}

pl_cte *pl_cte_of(pl_compiler *c, const pl_node *node) {
    const pl_node *anchor = node->flags & PL_NF_RECURSIVE ? anchor_of(node) : NULL;
    for (size_t i = 0; i < c->ctes.n; i++) {
        pl_cte *cte = c->ctes.v[i];
        if (!is_same(cte, node, anchor))
            continue;
        if (!cte->started && fullness(node) > fullness(cte->node))
            cte->node = node;
        return cte;
    }
    pl_cte *cte = pl_scratch(c, sizeof *cte);
    if (!cte)
        return NULL;
    cte->node = node;
    cte->anchor = anchor;
    pl_fragment_init(c, &cte->text);
    cte->name = node->text ? node->text : pl_generate_name(c, "anon");
    return pl_list_add(c, &c->ctes, cte) ? cte : NULL;
}

static bool has_open(const pl_query *q) {
    for (size_t i = 0; i < q->nitems; i++)
        if (q->items[i].open)
            return true;
    return q->nitems == 0;
}

/* A recursive CTE lists its columns: name(column, ...). */
static void write_columns(pl_compiler *c, const pl_cte *cte) {
    pl_query *q = pl_result_of(c, cte->node->kids[0]);
    if (!q || has_open(q))
        return;
    pl_name_items(c, q);
    for (size_t i = 0; i < q->nitems; i++) {
        const char *name = pl_item_name(c, q, &q->items[i]);
        pl_put(c, i == 0 ? "(" : ", ");
        if (name)
            pl_put_name(c, name);
    }
    pl_put(c, ")");
}

void pl_hoist_cte(pl_compiler *c, const pl_node *node) {
    pl_cte *cte = pl_cte_of(c, node);
    if (!cte || cte->started || pl_failed(c))
        return;
    cte->started = true;
    c->recursive |= cte->anchor != NULL;
    pl_fragment *out = c->out;
    pl_scope *scope = c->scope;
    c->out = &cte->text;
    c->scope = NULL;
    pl_put_name(c, cte->name);
    if (cte->anchor)
        write_columns(c, cte);
    pl_put(c, " AS (");
    pl_write_select(c, cte->node->kids[0], PL_USE_DERIVED);
    pl_put(c, ")");
    c->out = out;
    c->scope = scope;
    pl_list_add(c, &c->hoisted, cte);
}

bool pl_has_local_with(const pl_node *stmt) {
    for (; stmt && pl_node_is_statement(stmt) && stmt->nkids > 0; stmt = stmt->kids[0]) {
        if (stmt->kind == PL_N_WITH && (stmt->flags & PL_NF_LOCAL))
            return true;
        if (stmt->kind == PL_N_SELECT || stmt->kind == PL_N_COMPOUND)
            return false;
    }
    return false;
}

void pl_write_local_with(pl_compiler *c, const pl_query *q) {
    pl_scope *scope = c->scope;
    c->scope = NULL;
    for (size_t i = 0; i < q->with.n && !pl_failed(c); i++) {
        const pl_node *cte = q->with.v[i];
        pl_put(c, i == 0 ? "WITH " : ", ");
        pl_put_name(c, cte->text);
        pl_put(c, " AS (");
        pl_write_select(c, cte->kids[0], PL_USE_DERIVED);
        pl_put(c, ")");
    }
    pl_put(c, " ");
    c->scope = scope;
}

void pl_register_with(pl_compiler *c, const pl_query *q) {
    for (size_t i = 0; i < q->with.n; i++)
        pl_hoist_cte(c, q->with.v[i]);
}
