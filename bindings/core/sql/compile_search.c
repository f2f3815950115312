/* SPDX-License-Identifier: MIT */
/*
** compile_search.c - conditions on a full-text index.
**
** A search is written `id IN (SELECT rowid FROM index WHERE index MATCH ?)`, which may
** stand anywhere. As one of the conditions that WHERE joins by AND it becomes a join
** instead, `index.rowid = id AND index MATCH ?`, because rank, snippet and highlight of
** the index are known only where the index itself is read. Its FROM item is added to
** those that WHERE mentions. Nodes are the caller's; the list of searches is in the
** scratch arena.
*/
#include "core/sql/compiler.h"

/* The rowid of the index and the MATCH, as they stand in the subquery; false: no search
 */
static bool take_apart(const pl_node *n, const pl_node **rowid, const pl_node **match) {
    if (n->kind != PL_N_IN || !(n->flags & PL_NF_SEARCH) || (n->flags & PL_NF_NOT))
        return false;
    const pl_node *where = n->nkids == 2 ? n->kids[1] : NULL;
    if (!where || where->kind != PL_N_WHERE || where->nkids != 2 ||
        where->kids[0]->kind != PL_N_SELECT || where->kids[0]->nkids != 1)
        return false;
    *rowid = where->kids[0]->kids[0];
    *match = where->kids[1];
    return true;
}

static void find_searches(pl_compiler *c, pl_query *q, const pl_node *n,
                          pl_list *sources) {
    const pl_node *rowid, *match;
    if (n->kind == PL_N_AND && pl_enter(c)) {
        for (uint32_t i = 0; i < n->nkids && !pl_failed(c); i++)
            find_searches(c, q, n->kids[i], sources);
        pl_leave(c);
    } else if (n->kind == PL_N_AND) {
        pl_leave(c);
    } else if (take_apart(n, &rowid, &match)) {
        pl_list_once(c, &q->searches, n);
        pl_collect_sources(c, rowid, false, sources);
    }
}

void pl_find_searches(pl_compiler *c, pl_query *q, pl_list *sources) {
    for (size_t i = 0; i < q->where.n && !pl_failed(c); i++)
        find_searches(c, q, q->where.v[i], sources);
}

bool pl_is_search_source(pl_compiler *c, const pl_query *q, const void *key) {
    const pl_node *rowid, *match;
    for (size_t i = 0; i < q->searches.n; i++)
        if (take_apart(q->searches.v[i], &rowid, &match) &&
            pl_column_key(c, rowid) == key)
            return true;
    return false;
}

bool pl_write_search(pl_compiler *c, const pl_node *n) {
    const pl_node *rowid, *match;
    if (!(n->flags & PL_NF_SEARCH) || !c->scope || !c->scope->query ||
        !pl_list_has(&c->scope->query->searches, n) || !take_apart(n, &rowid, &match))
        return false;
    pl_write(c, rowid, PL_AS_VALUE);
    pl_put(c, " = ");
    pl_write_in(c, n->kids[0], PL_AS_VALUE, PL_L_BIT);
    pl_put(c, " AND ");
    pl_write_in(c, match, PL_AS_CONDITION, PL_L_AND);
    return true;
}
