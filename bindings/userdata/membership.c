/* SPDX-License-Identifier: MIT */
/*
** membership.c - IN and NOT IN: lists of values, of tuples, and queries.
**
** A list becomes one node with all its literals in the same block, so that a hundred
** numbers cost one allocation. Strings of the list are kept alive by a table of their
** own: the list belongs to the script, which may change it.
*/
#include "userdata/clause.h"
#include "userdata/expression.h"
#include "userdata/null.h"
#include "userdata/relattr.h"

typedef struct members {
    pl_node *node;
    pl_node *left;
    void *space;
    int list; /* stack index of the table */
    int kept; /* stack index of the table that keeps strings and nodes, nil at first */
    int nkept;
} members;

static void keep(lua_State *L, members *m) {
    if (lua_isnil(L, m->kept)) {
        lua_newtable(L);
        lua_replace(L, m->kept);
    }
    lua_rawseti(L, m->kept, ++m->nkept);
}

/* The value on top becomes a kid of parent; pops it. */
static void add_value(lua_State *L, members *m, pl_node *parent, uint32_t kid,
                      const pl_node *beside) {
    int idx = lua_gettop(L);
    pl_node *n = plua_operand(L, idx);
    if (!n) {
        if (lua_type(L, idx) == LUA_TTABLE && m->left->kind == PL_N_TUPLE)
            plua_raise(L, PL_EARGUMENT, "a tuple in the list has a table in it");
        n = plua_carve(&m->space, PL_N_LITERAL, 0);
        plua_fill_literal(L, idx, beside->type, beside, n);
        if (beside->kind == PL_N_JSON && beside->op != PL_JSON_TEXT &&
            plua_is_null(L, idx))
            n->value = pl_slot_text("null", 4); /* JSON's own */
    }
    parent->kids[kid] = n;
    if (n->kind != PL_N_LITERAL || plua_owned(n) || lua_isuserdata(L, idx))
        keep(L, m);
    else
        lua_pop(L, 1);
}

/* The table on top becomes a tuple of as many values as the left side has; pops it. */
static void add_tuple(lua_State *L, members *m, uint32_t kid) {
    uint32_t n = m->left->nkids;
    int tuple = lua_gettop(L);
    if (lua_type(L, tuple) != LUA_TTABLE || lua_rawlen(L, tuple) != n)
        plua_raise(L, PL_EARGUMENT, "item %d of the list must be a table of %d values",
                   (int)kid, (int)n);
    pl_node *t = plua_carve(&m->space, PL_N_TUPLE, n);
    m->node->kids[kid] = t;
    for (uint32_t i = 0; i < n; i++) {
        lua_rawgeti(L, tuple, (lua_Integer)i + 1);
        add_value(L, m, t, i, m->left->kids[i]);
    }
    lua_pop(L, 1);
}

/* A value inside JSON (1) that the list at idx has booleans for: told from 1 and 0. */
static pl_node *exact_left(lua_State *L, int idx, pl_node *left) {
    bool booleans = false;
    if (!plua_is_json_value(left))
        return left;
    for (lua_Unsigned i = lua_rawlen(L, idx); i > 0 && !booleans; i--) {
        booleans = lua_rawgeti(L, idx, (lua_Integer)i) == LUA_TBOOLEAN;
        lua_pop(L, 1);
    }
    if (!booleans)
        return left;
    left = plua_json_exact(L, 1);
    lua_replace(L, 1);
    return left;
}

static bool is_tuple(const pl_node *n) {
    return n->kind == PL_N_TUPLE;
}

/* Pushes the node for the list at idx (a table, absolute index). */
static pl_node *list_node(lua_State *L, int idx, unsigned flags) {
    pl_node *left = exact_left(L, idx, plua_toexpr(L, 1, NULL));
    lua_Unsigned count = lua_rawlen(L, idx);
    if (count >= 100000)
        plua_raise(L, PL_EARGUMENT, "a list of %d values is too long for in_",
                   (int)count);
    size_t each = pl_node_size(0) * (is_tuple(left) ? left->nkids : 1);
    if (is_tuple(left))
        each += pl_node_size(left->nkids);
    pl_node *n = plua_node_block(L, PLUA_EXPRESSION, PL_N_IN, 1 + (uint32_t)count,
                                 count * each, 2);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    n->kids[0] = left;
    n->flags = (uint16_t)flags;
    lua_pushnil(L);
    members m = {n, left, plua_node_extra(n), idx, lua_gettop(L), 0};
    for (uint32_t i = 1; i <= count; i++) {
        lua_rawgeti(L, idx, i);
        if (is_tuple(left))
            add_tuple(L, &m, i);
        else
            add_value(L, &m, n, i, left);
    }
    lua_setiuservalue(L, -2, 2);
    return n;
}

static pl_node *query_node(lua_State *L, int idx, unsigned flags) {
    plua_toexpr(L, 1, NULL);
    pl_node *n = plua_node(L, PLUA_EXPRESSION, PL_N_IN, 2, NULL, 0);
    plua_kid(L, -1, 0, 1);
    plua_kid(L, -1, 1, idx);
    n->flags = (uint16_t)flags;
    return n;
}

/* The arguments from 2 on as one table at index 2. */
static void collect(lua_State *L) {
    int n = lua_gettop(L) - 1;
    lua_createtable(L, n, 0);
    for (int i = 1; i <= n; i++) {
        lua_pushvalue(L, i + 1);
        if (lua_isnil(L, -1))
            plua_raise_hint(L, PL_EARGUMENT, "write db.null for NULL in a list",
                            "a nil was given to in_");
        lua_rawseti(L, -2, i);
    }
    lua_replace(L, 2);
    lua_settop(L, 2);
}

static int in_list(lua_State *L, unsigned flags, const char *method) {
    plua_self_expr(L, method);
    if (lua_gettop(L) < 2 || (lua_gettop(L) == 2 && lua_isnil(L, 2)))
        plua_raise_hint(L, PL_EARGUMENT, "an empty table is an empty list",
                        "'%s' expects a table of values, values or a query, got %s",
                        method, plua_typename(L, 2));
    if (plua_tonode_of(L, 2, PLUA_IS_QUERY)) {
        query_node(L, 2, flags);
        return 1;
    }
    if (plua_tonode_of(L, 2, PLUA_IS_FROM) && lua_gettop(L) == 2) {
        plua_push_items(L, PL_N_SELECT, 0, 2);
        query_node(L, 3, flags);
        return 1;
    }
    const pl_node *scalar = plua_tonode_of(L, 2, PLUA_IS_EXPRESSION);
    if (scalar && scalar->kind == PL_N_SCALAR && lua_gettop(L) == 2) {
        query_node(L, 2, flags);
        pl_node *n = lua_touserdata(L, -1);
        n->kids[1] = scalar->kids[0];
        return 1;
    }
    bool table = lua_gettop(L) == 2 && lua_type(L, 2) == LUA_TTABLE;
    if (!table)
        collect(L);
    list_node(L, 2, flags);
    return 1;
}

/*** IN a list: a table, several values, or a query or subquery of one column. An empty
list is false.
@function Expression:in_
@param list
@treturn Expression */
static int expr_in(lua_State *L) {
    return in_list(L, 0, "in_");
}

/*** NOT IN. An empty list is true.
@function Expression:not_in
@param list
@treturn Expression */
static int expr_not_in(lua_State *L) {
    return in_list(L, PL_NF_NOT, "not_in");
}

const luaL_Reg plua_membership_methods[] = {
    {"in_", expr_in}, {"not_in", expr_not_in}, {"notin_", expr_not_in}, {NULL, NULL}};
