/* SPDX-License-Identifier: MIT */
/*
** exists.c - EXISTS (SELECT 1 FROM target WHERE join AND ...) for relationships.
**
** The target gets an alias of its own when the parent reads the same table. What the
** subquery reads is named, all else is left to the statement around it, so that a
** condition may speak of the parent and of any other table there.
*/
#include "userdata/exists.h"

#include <string.h>

static void check_memory(lua_State *L, const void *p) {
    if (!p)
        plua_nomem(L);
}

static bool has_table(const pl_mapper *m, const pl_table *t) {
    for (size_t i = 0; i < m->ntables; i++) {
        if (m->tables[i].table == t)
            return true;
    }
    return false;
}

static pl_node *arena_alias(plua_exists *w, pl_node *of) {
    pl_node *n = of ? pl_node_new(w->a, PL_N_ALIAS, 1) : NULL;
    if (!n)
        plua_nomem(w->L);
    n->kids[0] = of;
    return n;
}

/* The target's FROM item: of_type's alias, its tables, or an alias when the parent is the
** same table. */
void plua_exists_target(plua_exists *w) {
    const plua_relattr *attr = w->attr;
    w->target = attr->of_type ? attr->of_type : w->r->target;
    w->source = w->from = attr->of_source;
    if (w->from)
        return;
    w->from = pl_mapper_from(w->a, w->target);
    check_memory(w->L, w->from);
    bool same = w->fresh;
    for (size_t i = 0; i < w->target->ntables; i++)
        same = same || has_table(attr->mapper, w->target->tables[i].table);
    if (!same)
        return;
    if (w->target->ntables > 1) { /* several tables: the subquery that joins them */
        pl_node *select = pl_node_new(w->a, PL_N_SELECT, 1);
        check_memory(w->L, select);
        select->kids[0] = pl_mapper_entity(w->a, w->target, NULL, true);
        check_memory(w->L, select->kids[0]);
        w->from = pl_node_clause(w->a, PL_N_FROM, select, w->from);
    }
    w->source = w->from = arena_alias(w, w->from);
}

void plua_exists_clause(plua_exists *w, pl_node_kind kind, pl_node *arg) {
    w->stmt = pl_node_clause(w->a, kind, w->stmt, arg);
    check_memory(w->L, w->stmt);
}

/* A condition over the target's plain tables, turned to its source. */
pl_node *plua_exists_turned(plua_exists *w, pl_node *n) {
    for (size_t i = 0; n && w->source && i < w->target->ntables; i++) {
        n = pl_node_adapt(w->a, n, w->target->tables[i].table, NULL, w->source);
        check_memory(w->L, n);
    }
    return n;
}

/* SELECT 1 FROM target[, link] WHERE join, reading the parent from around it. */
void plua_exists_select(plua_exists *w) {
    pl_node *one = pl_node_new(w->a, PL_N_TEXT, 0);
    w->stmt = pl_node_new(w->a, PL_N_SELECT, 1);
    check_memory(w->L, one && w->stmt ? one : NULL);
    pl_node_set_text(one, "1");
    w->head = w->stmt;
    w->stmt->kids[0] = one;
    if (w->r->secondary)
        w->link = pl_node_table(w->a, w->r->secondary);
    if (w->link)
        plua_exists_clause(w, PL_N_FROM, w->link);
    plua_exists_clause(w, PL_N_FROM, w->from);
    pl_node *far = NULL;
    pl_node *on = pl_relation_on(w->a, w->r, w->attr->source, w->source, w->link, &far);
    check_memory(w->L, on);
    plua_exists_clause(w, PL_N_WHERE, on);
    if (far)
        plua_exists_clause(w, PL_N_WHERE, far);
    pl_node *more = pl_mapper_criterion(w->a, w->target, w->source);
    if (more)
        plua_exists_clause(w, PL_N_WHERE, more);
    if (w->attr->criteria)
        plua_exists_clause(w, PL_N_WHERE, plua_exists_turned(w, w->attr->criteria));
}

/* All other tables come from the statement around, when they are there. */
void plua_exists_finish(plua_exists *w) {
    pl_node *n = pl_node_new(w->a, PL_N_CORRELATE, w->link ? 3 : 2);
    check_memory(w->L, n);
    n->flags = PL_NF_NOT;
    n->kids[0] = w->stmt;
    n->kids[1] = w->from;
    if (w->link)
        n->kids[2] = w->link;
    w->stmt = n;
}

void plua_exists_init(plua_exists *w, lua_State *L, const plua_relattr *attr) {
    memset(w, 0, sizeof *w);
    w->L = L;
    w->attr = attr;
    w->r = attr->relation;
    w->a = plua_arena(L);
}

pl_node *plua_exists_push(plua_exists *w, int arena, int first, int last, bool negated) {
    lua_State *L = w->L;
    int kept = last >= first ? last - first + 1 : 0;
    pl_node *n = plua_node_block(L, PLUA_EXPRESSION, PL_N_EXISTS, 1, 0, kept + 1);
    n->kids[0] = w->stmt;
    n->flags = negated ? PL_NF_NOT : 0;
    lua_pushvalue(L, arena);
    lua_setiuservalue(L, -2, 1);
    for (int i = 0; i < kept; i++) {
        lua_pushvalue(L, first + i);
        lua_setiuservalue(L, -2, i + 2);
    }
    return n;
}
