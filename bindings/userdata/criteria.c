/* SPDX-License-Identifier: MIT */
/*
** criteria.c - with_loader_criteria in SQL. See criteria.h.
*/
#include "userdata/criteria.h"
#include "userdata/clause.h"

#include <string.h>

static void check_memory(lua_State *L, const void *p) {
    if (!p)
        plua_nomem(L);
}

pl_node *plua_option_criterion(lua_State *L, pl_arena *a, const plua_option *o,
                               const pl_mapper *m, pl_node *source) {
    pl_node *n = o->criteria;
    for (size_t i = 0; source && i < m->ntables; i++) {
        n = pl_node_adapt(a, n, m->tables[i].table, NULL, source);
        check_memory(L, n);
    }
    return n;
}

static bool concerns(const plua_option *o, const pl_mapper *m) {
    return o->op == PLUA_O_CRITERIA && m && pl_mapper_is(m, o->mapper);
}

bool plua_has_criteria(const pl_node *n) {
    for (; n; n = plua_previous(n)) {
        const plua_option *o = plua_option_of(n);
        if (o && o->op == PLUA_O_CRITERIA)
            return true;
    }
    return false;
}

pl_node *plua_join_criteria(lua_State *L, pl_arena *a, const pl_node *stmt, pl_node *on,
                            const plua_from *target) {
    for (const pl_node *n = stmt; n; n = plua_previous(n)) {
        const plua_option *o = plua_option_of(n);
        if (o && concerns(o, target->mapper)) {
            on = pl_node_and(
                a, on, plua_option_criterion(L, a, o, target->mapper, target->source));
            check_memory(L, on);
        }
    }
    return on;
}

/* ---- what is there already ---- */

static pl_node *plain_source(pl_node *from) {
    while (from->kind == PL_N_JOIN)
        from = from->kids[1];
    return from->kind == PL_N_TABLE ? NULL : from;
}

/* Pushes a copy of the clause at idx over the statement on top, which it replaces. */
static pl_node *push_copy(lua_State *L, int idx) {
    const pl_node *old = lua_touserdata(L, idx);
    int prev = lua_gettop(L), values = 0;
    while (lua_getiuservalue(L, idx, values + 1) != LUA_TNONE) {
        lua_pop(L, 1);
        values++;
    }
    lua_settop(L, prev);
    pl_node *n =
        plua_node_block(L, NULL, (pl_node_kind)old->kind, old->nkids, 0, values + 1);
    memcpy(n, old, pl_node_size(old->nkids));
    n->mark = 0;
    lua_getmetatable(L, idx);
    lua_setmetatable(L, -2);
    for (int i = 2; i <= values; i++) {
        lua_getiuservalue(L, idx, i);
        lua_setiuservalue(L, -2, i);
    }
    lua_pushvalue(L, idx); /* texts and literals of the old block */
    lua_setiuservalue(L, -2, values + 1);
    n->kids[0] = lua_touserdata(L, prev);
    lua_createtable(L, 2, 0);
    lua_getiuservalue(L, idx, 1);
    if (lua_istable(L, -1)) /* a loader option keeps itself beside the statement */
        lua_rawgeti(L, -1, 1);
    lua_rawseti(L, prev + 2, 1);
    lua_settop(L, prev + 2);
    lua_pushvalue(L, prev);
    lua_rawseti(L, -2, 2);
    lua_setiuservalue(L, -2, 1);
    lua_replace(L, prev);
    return n;
}

/* Pushes the statement that the clause at idx was put over. */
static void push_previous(lua_State *L, int idx) {
    lua_getiuservalue(L, idx, 1);
    if (lua_istable(L, -1)) {
        lua_rawgeti(L, -1, 2);
        lua_remove(L, -2);
    }
}

static bool is_concerned(const pl_node *n, const plua_option *o) {
    return n->kind == PL_N_JOINED && concerns(o, n->ref);
}

/* Pushes the statement at idx in which joins of the option's model have its condition. */
static void push_with_joins(lua_State *L, int idx, const plua_option *o, pl_arena *a) {
    luaL_checkstack(L, 10, "too many clauses");
    const pl_node *old = lua_touserdata(L, idx), *n = old;
    while (n && !is_concerned(n, o))
        n = plua_previous(n);
    if (!n) {
        lua_pushvalue(L, idx);
        return;
    }
    push_previous(L, idx);
    int before = lua_gettop(L);
    push_with_joins(L, before, o, a);
    lua_remove(L, before);
    pl_node *copy = push_copy(L, idx);
    if (!is_concerned(old, o))
        return;
    pl_node *source = plain_source(copy->kids[2]);
    pl_node *extra = plua_option_criterion(L, a, o, old->ref, source);
    copy->kids[3] = pl_node_and(a, copy->kids[3], extra);
    check_memory(L, copy->kids[3]);
}

/* Adds the condition for a mapper read from a source to the statement on top. */
static void add_where(lua_State *L, const plua_option *o, pl_arena *a, const pl_mapper *m,
                      pl_node *source, int kept) {
    pl_node *condition = plua_option_criterion(L, a, o, m, source);
    int prev = lua_gettop(L);
    pl_node *n = plua_clause(L, PL_N_WHERE, prev, 1);
    n->kids[1] = condition;
    lua_pushvalue(L, kept);
    lua_setiuservalue(L, -2, 2);
    lua_replace(L, prev);
}

/* The condition for each entity and each FROM item of the option's model, once. */
static void add_wheres(lua_State *L, const plua_option *o, pl_arena *a, int kept) {
    enum { MAX_ITEMS = 64 };
    pl_node *items[MAX_ITEMS];
    const pl_node *stmt = lua_touserdata(L, -1);
    const pl_node *seen[MAX_ITEMS];
    size_t nseen = 0, n = plua_statement_list(stmt, items, MAX_ITEMS);
    for (size_t i = 0; i < n && i < MAX_ITEMS; i++) {
        const pl_node *item = items[i];
        if (item->kind != PL_N_ENTITY || !concerns(o, item->ref) || item->nkids == 0)
            continue;
        pl_node *source = item->kids[0]->nkids > 0 ? item->kids[0]->kids[0] : NULL;
        bool again = false;
        for (size_t k = 0; k < nseen; k++)
            again = again || seen[k] == source;
        for (const pl_node *c = stmt; c; c = plua_previous(c)) /* joined: ON has it */
            again = again || (c->kind == PL_N_JOINED && c->ref == item->ref &&
                              plain_source(c->kids[2]) == source);
        if (again)
            continue;
        seen[nseen++] = source;
        add_where(L, o, a, item->ref, source, kept);
    }
    for (const pl_node *c = stmt; c; c = plua_previous(c)) {
        if (c->kind == PL_N_FROM && c->nkids > 1 && concerns(o, c->ref) && nseen == 0)
            add_where(L, o, a, c->ref, plain_source(c->kids[1]), kept);
    }
}

void plua_apply_criteria(lua_State *L, const plua_option *path) {
    if (path->op != PLUA_O_CRITERIA)
        return;
    int stmt = lua_gettop(L);
    lua_createtable(L, 2, 0); /* keeps the arena and the statement whose option it is */
    int kept = lua_gettop(L);
    lua_pushvalue(L, stmt);
    lua_rawseti(L, kept, 1);
    pl_arena *a = plua_arena(L);
    lua_rawseti(L, kept, 2);
    push_with_joins(L, stmt, path, a);
    add_wheres(L, path, a, kept);
    const pl_node *n = lua_touserdata(L, -1);
    if (n->kind != PL_N_WHERE) { /* only joins: something must keep the arena */
        plua_clause(L, PL_N_WHERE, lua_gettop(L), 1);
        lua_pushvalue(L, kept);
        lua_setiuservalue(L, -2, 2);
    }
    lua_replace(L, stmt);
    lua_settop(L, stmt);
}
