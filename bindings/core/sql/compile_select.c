/* SPDX-License-Identifier: MIT */
/*
** compile_select.c - SELECT and its compounds, clause by clause.
*/
#include "core/sql/compiler.h"

/* ---- conditions, also of the other statements ---- */

/* and_() of nothing says nothing. */
static bool is_empty_and(const pl_node *n) {
    return n->kind == PL_N_AND && n->nkids == 0;
}

void pl_write_where(pl_compiler *c, const char *word, const pl_list *conditions) {
    size_t n = 0, written = 0;
    for (size_t i = 0; i < conditions->n; i++)
        n += !is_empty_and(conditions->v[i]);
    for (size_t i = 0; i < conditions->n && !pl_failed(c); i++) {
        const pl_node *condition = conditions->v[i];
        if (is_empty_and(condition))
            continue;
        pl_put(c, written == 0 ? word : " AND ");
        pl_open_group(c, written, n);
        pl_write_in(c, condition, PL_AS_CONDITION, n > 1 ? PL_L_AND : PL_L_ANY);
        pl_close_group(c, written++, n);
    }
}

/* ---- the select list ---- */

/* Whether EXISTS may look at 1 instead: nothing in the list makes or loses a row. */
static bool is_indifferent(const pl_query *q) {
    for (size_t i = 0; i < q->nitems; i++) {
        uint8_t kind = q->items[i].node->kind;
        if (q->items[i].label)
            return false;
        if (kind != PL_N_COLUMN && kind != PL_N_LITERAL && kind != PL_N_STAR &&
            kind != PL_N_NULL)
            return false;
    }
    return q->group.n == 0 && q->having.n == 0 && !q->distinct;
}

/* The label to write: what the user wrote, and what makes the name of a column known. */
static const char *label_of(pl_compiler *c, pl_query *q, pl_select_item *item,
                            pl_select_use use) {
    if (item->label && use != PL_USE_DERIVED)
        return item->label;
    if (use != PL_USE_TOP && use != PL_USE_DERIVED)
        return NULL;
    if (use == PL_USE_TOP && item->node->kind == PL_N_COLUMN)
        return NULL;
    const char *name = pl_item_name(c, q, item);
    bool said = item->node->kind == PL_N_TEXT && !item->label;
    if (item->node->kind == PL_N_COLUMN && name) {
        const char *own = pl_exposed_name(c, item->node);
        said = own && strcmp(own, name) == 0;
    }
    return said ? NULL : name;
}

static void write_item(pl_compiler *c, pl_query *q, pl_select_item *item,
                       pl_select_use use) {
    pl_write_in(c, item->node, PL_AS_VALUE, PL_L_ANY);
    const char *label = label_of(c, q, item, use);
    if (label) {
        pl_put(c, " AS ");
        pl_put_name(c, label);
    }
}

static void write_items(pl_compiler *c, pl_query *q, pl_select_use use) {
    if (use == PL_USE_EXISTS && is_indifferent(q)) {
        pl_put(c, "1");
        return;
    }
    if (q->nitems == 0) {
        pl_refuse(c, PL_EINVALID, "a select has nothing to select");
        pl_hint(c->err, "name columns or a model: db.select(User)");
    }
    for (size_t i = 0; i < q->nitems && !pl_failed(c); i++) {
        pl_put(c, i > 0 ? ", " : "");
        write_item(c, q, &q->items[i], use);
    }
}

/* ---- ORDER BY, LIMIT ---- */

static bool is_label_of(const pl_query *q, const pl_node *n) {
    for (size_t i = 0; n->kind == PL_N_LABEL && i < q->nitems; i++)
        if (q->items[i].label && strcmp(q->items[i].label, n->text) == 0)
            return true;
    return false;
}

/* Whether an item would be read as the number of a column: a constant 1 or 0. */
static bool is_number(const pl_node *n) {
    while (n->kind == PL_N_LABEL || n->kind == PL_N_COLLATE ||
           (n->kind == PL_N_UNARY && n->op == PL_OP_NEG))
        n = n->kids[0];
    return n->kind == PL_N_BOOL ||
           ((n->kind == PL_N_AND || n->kind == PL_N_OR) && n->nkids == 0);
}

/* A constant, which orders and groups nothing, is written so that it is no number. */
static void write_sorted(pl_compiler *c, const pl_node *n) {
    if (is_number(n))
        pl_put(c, "NULL");
    else
        pl_write_in(c, n, PL_AS_VALUE, PL_L_ANY);
}

/* What SQLite resolves in GROUP BY and ORDER BY: no columns of an enclosing statement. */
static pl_scope *hide_outer(pl_compiler *c) {
    pl_scope *up = c->scope->up;
    c->scope->up = NULL;
    return up;
}

static void write_group(pl_compiler *c, const pl_list *nodes) {
    pl_scope *up = hide_outer(c);
    for (size_t i = 0; i < nodes->n && !pl_failed(c); i++) {
        pl_put(c, i > 0 ? ", " : " GROUP BY ");
        write_sorted(c, nodes->v[i]);
    }
    c->scope->up = up;
}

static void write_order_item(pl_compiler *c, const pl_query *q, const pl_node *n) {
    static const char *const nulls[] = {"", " NULLS FIRST", " NULLS LAST"};
    unsigned bits = 0;
    for (; n->kind == PL_N_ORDER; n = n->kids[0])
        bits |= n->op;
    if (is_label_of(q, n))
        pl_put_name(c, n->text);
    else
        write_sorted(c, n);
    if (bits & PL_ORDER_DESC)
        pl_put(c, " DESC");
    pl_put(c, nulls[bits >> 1 & 3 ? (bits & PL_ORDER_NULLS_FIRST ? 1 : 2) : 0]);
}

static void write_order(pl_compiler *c, const pl_query *q, const pl_list *order) {
    pl_scope *up = hide_outer(c);
    for (size_t i = 0; i < order->n && !pl_failed(c); i++) {
        pl_put(c, i > 0 ? ", " : " ORDER BY ");
        write_order_item(c, q, order->v[i]);
    }
    c->scope->up = up;
}

static void write_limit(pl_compiler *c, const pl_query *q) {
    if (q->limit) {
        pl_put(c, " LIMIT ");
        pl_write_in(c, q->limit, PL_AS_VALUE, PL_L_OR);
    }
    if (!q->offset)
        return;
    pl_put(c, !q->limit && c->d->limit_minus_one ? " LIMIT -1 OFFSET " : " OFFSET ");
    pl_write_in(c, q->offset, PL_AS_VALUE, PL_L_OR);
}

static void write_for_update(pl_compiler *c, const pl_query *q) {
    if (!q->for_update || !c->d->has_for_update)
        return;
    pl_put(c, " FOR UPDATE");
    if (q->for_update->text) {
        pl_put(c, " ");
        pl_put(c, q->for_update->text);
    }
}

/* ---- SELECT ---- */

static void write_body(pl_compiler *c, pl_query *q, pl_select_use use,
                       const pl_from *froms, size_t nfroms) {
    pl_put(c, q->distinct ? "SELECT DISTINCT " : "SELECT ");
    if (use == PL_USE_DERIVED)
        pl_name_items(c, q);
    write_items(c, q, use);
    pl_write_froms(c, froms, nfroms);
    pl_write_where(c, " WHERE ", &q->where);
    write_group(c, &q->group);
    pl_write_where(c, " HAVING ", &q->having);
    write_order(c, q, &q->order);
    write_limit(c, q);
    write_for_update(c, q);
}

static void write_plain(pl_compiler *c, pl_query *q, pl_select_use use) {
    size_t n = 0;
    pl_from *froms = pl_make_froms(c, q, &n);
    if (!froms)
        return;
    pl_correlate(c, q, use, froms, &n);
    pl_check_names(c, froms, n);
    pl_scope scope = {.up = c->scope, .query = q, .what = "SELECT"};
    for (size_t i = 0; i < n; i++)
        pl_add_sources(c, &scope, &froms[i]);
    if (pl_failed(c))
        return;
    pl_check_cartesian(c, q, froms, n);
    c->scope = &scope;
    q->sole = scope.sources.n == 1 ? scope.sources.v[0] : NULL;
    write_body(c, q, use, froms, n);
    c->scope = scope.up;
}

/* ---- compounds ---- */

/* SQLite takes only plain selects as members; others become a select from themselves. */
static void write_member(pl_compiler *c, pl_node *stmt, pl_select_use use) {
    const pl_query *q = pl_query_of(c, stmt);
    if (!q)
        return;
    bool plain = q->head->kind == PL_N_SELECT && q->order.n == 0 && !q->limit &&
                 !q->offset && !pl_has_local_with(stmt);
    if (plain) {
        pl_write_select(c, stmt, use == PL_USE_EXISTS ? PL_USE_VALUE : use);
        return;
    }
    pl_put(c, "SELECT * FROM (");
    pl_write_select(c, stmt, PL_USE_DERIVED);
    pl_put(c, ")");
}

static void write_compound(pl_compiler *c, pl_node *stmt, pl_query *q,
                           pl_select_use use) {
    static const char *const words[] = {" UNION ", " UNION ALL ", " INTERSECT ",
                                        " EXCEPT "};
    const pl_node *head = q->head;
    for (uint32_t i = 0; i < head->nkids && !pl_failed(c); i++) {
        pl_put(c, i > 0 ? words[head->op] : "");
        write_member(c, head->kids[i], use);
    }
    pl_scope scope = {.up = c->scope, .query = q, .what = "UNION", .compound = true};
    scope.query = pl_result_of(c, stmt);
    if (!scope.query)
        return;
    c->scope = &scope;
    write_order(c, scope.query, &q->order);
    write_limit(c, q);
    c->scope = scope.up;
}

void pl_write_select(pl_compiler *c, pl_node *stmt, pl_select_use use) {
    pl_query *q = pl_enter(c) ? pl_query_of(c, stmt) : NULL;
    pl_scope *scope = c->scope;
    if (use == PL_USE_DERIVED && scope)
        c->scope = scope->up;
    if (q && use != PL_USE_TOP && pl_has_local_with(stmt))
        pl_write_local_with(c, q);
    else if (q)
        pl_register_with(c, q);
    if (q && q->head->kind == PL_N_SELECT)
        write_plain(c, q, use);
    else if (q && q->head->kind == PL_N_COMPOUND)
        write_compound(c, stmt, q, use);
    else if (q && q->head->kind == PL_N_TEXT)
        pl_write(c, q->head, PL_AS_VALUE);
    else if (q)
        pl_refuse(c, PL_EARGUMENT, "a subquery must be a SELECT");
    c->scope = scope;
    pl_leave(c);
}
