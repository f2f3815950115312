/* SPDX-License-Identifier: MIT */
/*
** enclosed.c - a union read as a table. See enclosed.h.
*/
#include "userdata/enclosed.h"
#include "userdata/clause.h"
#include "userdata/from.h"
#include "userdata/option.h"

enum { MAX_ITEMS = 64 };

static pl_node *compound_of(const pl_node *n) {
    while (n && n->kind != PL_N_COMPOUND)
        n = plua_previous(n);
    return (pl_node *)n;
}

static void check_memory(lua_State *L, const void *p) {
    if (!p)
        plua_nomem(L);
}

/* What an item of the union is when it comes from the derived table. */
static pl_node *outer_item(lua_State *L, pl_arena *a, pl_node *item, pl_node *source) {
    pl_node *n;
    switch (item->kind) {
    case PL_N_ENTITY:
        n = pl_mapper_entity(a, (pl_mapper *)item->ref, source, false);
        break;
    case PL_N_COLUMN:
    case PL_N_LABEL: {
        const pl_column *c = item->kind == PL_N_COLUMN ? item->ref : NULL;
        n = pl_node_new(a, PL_N_COLUMN, 1);
        check_memory(L, n);
        n->ref = c;
        n->kids[0] = source;
        n->type = pl_node_type(item);
        n->ext = item->kind == PL_N_COLUMN ? item->ext : 0;
        if (!c) {
            n->text = item->text;
            n->len = item->len;
        }
        break;
    }
    default:
        plua_raise_hint(L, PL_EINVALID, "give it a name with :label(\"...\")",
                        "an expression of the union has no name to select it by");
    }
    check_memory(L, n);
    return n;
}

void plua_enclose(lua_State *L) {
    pl_node *stmt = lua_touserdata(L, 1), *items[MAX_ITEMS];
    if (!compound_of(stmt))
        return;
    size_t n = plua_statement_list(stmt, items, MAX_ITEMS);
    if (n > MAX_ITEMS)
        plua_raise(L, PL_EINVALID, "the union returns too many things");
    pl_node *source = plua_push_derived(L, 1, NULL, 0);
    pl_node *select =
        plua_node_block(L, PLUA_QUERY, PL_N_SELECT, (uint32_t)n, 0, (int)n + 1);
    lua_createtable(L, 2, 0); /* what the items stand on: arena, derived table */
    pl_arena *a = plua_arena(L);
    for (size_t i = 0; i < n; i++)
        select->kids[i] = outer_item(L, a, items[i], source);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, -3);
    lua_rawseti(L, -2, 2);
    lua_setiuservalue(L, -2, (int)n + 1);
    pl_node *from = plua_clause(L, PL_N_FROM, lua_gettop(L), 1);
    from->ext = PLUA_ENCLOSES;
    plua_kid(L, -1, 1, lua_gettop(L) - 2);
    lua_replace(L, 1);
    lua_pop(L, 2);
}

/* The derived table that a statement reads a union from, or NULL. */
static pl_node *enclosing_source(const pl_node *n) {
    for (; n; n = plua_previous(n)) {
        if (n->kind == PL_N_FROM && n->ext == PLUA_ENCLOSES)
            return n->kids[1];
    }
    return NULL;
}

static const pl_table *item_table(const pl_node *item) {
    if (item->kind == PL_N_ENTITY)
        item = item->nkids > 0 ? item->kids[0] : item;
    const pl_column *c = item->kind == PL_N_COLUMN ? item->ref : NULL;
    return c ? c->table : NULL;
}

/* A node with the columns of the union's tables taken from the derived table. */
static pl_node *turned(lua_State *L, pl_arena *a, pl_node *n, pl_node *source) {
    pl_node *items[MAX_ITEMS];
    size_t count = plua_statement_list(source->kids[0], items, MAX_ITEMS);
    for (size_t i = 0; i < count && i < MAX_ITEMS; i++) {
        const pl_table *t = item_table(items[i]);
        if (!t)
            continue;
        n = pl_node_adapt(a, n, t, NULL, source);
        check_memory(L, n);
    }
    return n;
}

void plua_turn_clause(lua_State *L) {
    pl_node *clause = lua_touserdata(L, -1);
    pl_node *source = enclosing_source(clause->kids[0]);
    if (!source)
        return;
    int top = lua_gettop(L);
    pl_arena *a = plua_arena(L);
    for (uint32_t i = 1; i < clause->nkids; i++) {
        pl_node *kid = clause->kids[i];
        if (!kid)
            continue;
        clause->kids[i] = turned(L, a, kid, source);
        lua_createtable(L, 2, 0);
        lua_getiuservalue(L, top, (int)i + 1);
        lua_rawseti(L, -2, 1);
        lua_pushvalue(L, top + 1);
        lua_rawseti(L, -2, 2);
        lua_setiuservalue(L, top, (int)i + 1);
    }
    lua_settop(L, top);
}
