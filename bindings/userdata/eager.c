/* SPDX-License-Identifier: MIT */
/*
** eager.c - see eager.h.
**
** Relationships asked for are loaded after the rows are there, one query for all objects
** of a level (selectin); deeper steps follow from the objects that came in.
*/
#include "userdata/eager.h"
#include "userdata/collection.h"
#include "userdata/option.h"
#include "userdata/query.h"

struct plua_eager {
    plua_session *s;
    const pl_node *stmt;
};

static bool is_eager(pl_lazy lazy) {
    return lazy == PL_LAZY_JOINED || lazy == PL_LAZY_SELECTIN ||
           lazy == PL_LAZY_SUBQUERY || lazy == PL_LAZY_IMMEDIATE;
}

static bool wants(const pl_node *stmt, const pl_mapper *m) {
    for (const pl_node *n = stmt; n; n = plua_previous(n))
        if (plua_option_of(n))
            return true;
    for (size_t i = 0; m && i < m->nrelations; i++)
        if (is_eager(m->relations[i]->lazy))
            return true;
    return false;
}

int plua_eager_prepare(lua_State *L, plua_session *s, int idx, plua_eager **out) {
    const pl_node *stmt = lua_touserdata(L, idx);
    uint32_t first = 0;
    const pl_node *items = plua_statement_items(stmt, &first);
    const pl_mapper *m =
        items && items->nkids > first && items->kids[first]->kind == PL_N_ENTITY
            ? items->kids[first]->ref
            : NULL;
    if (!m || !wants(stmt, m))
        return idx;
    plua_eager *e = lua_newuserdatauv(L, sizeof *e, 0);
    *e = (plua_eager){s, stmt};
    *out = e;
    lua_pushvalue(L, idx);
    return lua_gettop(L);
}

void plua_eager_begin(lua_State *L, plua_eager *e, plua_maker *makers, int nmakers,
                      int ncolumns) {
    (void)L;
    (void)e;
    (void)makers;
    (void)nmakers;
    (void)ncolumns;
}

void plua_eager_row(lua_State *L, plua_eager *e, const pl_slot *columns) {
    (void)L;
    (void)e;
    (void)columns;
}

bool plua_eager_repeats(const plua_eager *e) {
    (void)e;
    return false;
}

/* Loads one relationship of every object in the list and then what `step` asks below. */
static void load_step(lua_State *L, int list, pl_relation *r, const plua_option *below,
                      int depth);

static void load_defaults(lua_State *L, int list, int depth) {
    lua_rawgeti(L, list, 1);
    pl_object *o = lua_touserdata(L, -1) ? plua_test_instance(L, -1) : NULL;
    lua_pop(L, 1);
    for (size_t i = 0; o && depth < 3 && i < o->mapper->nrelations; i++)
        if (is_eager(o->mapper->relations[i]->lazy))
            load_step(L, list, o->mapper->relations[i], NULL, depth);
}

/* Appends what a relationship of the object on top holds to the list at `to`. [-1, +0] */
static void gather(lua_State *L, int to, const pl_relation *r) {
    pl_object *o = lua_touserdata(L, -1);
    plua_relation_get(L, lua_gettop(L), o, o->mapper->relations[r->position]);
    if (r->uselist) {
        lua_Integer n = luaL_len(L, -1);
        for (lua_Integer i = 1; i <= n; i++) {
            lua_geti(L, -1, i);
            lua_rawseti(L, to, (lua_Integer)lua_rawlen(L, to) + 1);
        }
        lua_pop(L, 1);
    } else if (!lua_isnil(L, -1)) {
        lua_rawseti(L, to, (lua_Integer)lua_rawlen(L, to) + 1);
    } else {
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void load_step(lua_State *L, int list, pl_relation *r, const plua_option *below,
                      int depth) {
    lua_newtable(L);
    int next = lua_gettop(L);
    lua_Integer n = (lua_Integer)lua_rawlen(L, list);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, list, i);
        pl_object *o = plua_test_instance(L, -1);
        if (o && pl_mapper_is(o->mapper, r->mapper))
            gather(L, next, r);
        else
            lua_pop(L, 1);
    }
    if (below && below->relation)
        load_step(L, next, below->relation, below->next, depth + 1);
    load_defaults(L, next, depth + 1);
    lua_settop(L, next - 1);
}

static bool loads(const plua_option *o) {
    return o->relation && (o->op == PLUA_O_JOINED || o->op == PLUA_O_SELECTIN ||
                           o->op == PLUA_O_SUBQUERY || o->op == PLUA_O_IMMEDIATE ||
                           o->op == PLUA_O_DEFAULT);
}

void plua_eager_finish(lua_State *L, plua_eager *e, int idx) {
    for (const pl_node *n = e->stmt; n; n = plua_previous(n))
        for (const plua_option *o = plua_option_of(n); o; o = o->also)
            if (loads(o))
                load_step(L, idx, o->relation, o->next, 0);
    load_defaults(L, idx, 0);
}
