/* SPDX-License-Identifier: MIT */
/*
** window.c - functions over windows and filtered aggregates:
** db.func.sum(x):over{partition_by = y, order_by = z, rows = {-1, 0}}.
**
** A frame is written from two integers or "unbounded" only, so no text of a script gets
** into it.
*/
#include "userdata/expression.h"

#include <string.h>

/* Pushes a TUPLE of the expression, or list of them, in field `key` of the table at 2;
** false with nothing pushed when there is none. */
static bool push_tuple_field(lua_State *L, const char *key) {
    if (lua_getfield(L, 2, key) == LUA_TNIL) {
        lua_pop(L, 1);
        return false;
    }
    int list = lua_gettop(L);
    bool many = lua_type(L, list) == LUA_TTABLE;
    uint32_t n = many ? (uint32_t)lua_rawlen(L, list) : 1;
    plua_node(L, PLUA_EXPRESSION, PL_N_TUPLE, n, NULL, 0);
    for (uint32_t i = 0; i < n; i++) {
        if (many)
            lua_rawgeti(L, list, (lua_Integer)i + 1);
        else
            lua_pushvalue(L, list);
        if (!plua_operand(L, -1))
            plua_raise(L, PL_EARGUMENT, "over{%s = ...} expects expressions, got %s", key,
                       plua_typename(L, -1));
        plua_kid(L, -2, i, -1);
        lua_pop(L, 1);
    }
    lua_replace(L, list);
    return true;
}

/* Pushes one end of a frame: "2 PRECEDING". */
static void push_bound(lua_State *L, int table, int i) {
    lua_rawgeti(L, table, i);
    const char *unbounded = i == 1 ? "UNBOUNDED PRECEDING" : "UNBOUNDED FOLLOWING";
    if (lua_isnil(L, -1) || (lua_type(L, -1) == LUA_TSTRING &&
                             strcmp(lua_tostring(L, -1), "unbounded") == 0)) {
        lua_pushstring(L, unbounded);
    } else if (lua_isinteger(L, -1)) {
        lua_Integer n = lua_tointeger(L, -1);
        if (n == 0)
            lua_pushliteral(L, "CURRENT ROW");
        else
            lua_pushfstring(L, "%I %s", (LUAI_UACINT)(n < 0 ? -n : n),
                            n < 0 ? "PRECEDING" : "FOLLOWING");
    } else {
        plua_raise_hint(L, PL_EARGUMENT,
                        "rows = {-1, 1} is from one row before to one row after; 0 is "
                        "the current row, nil or \"unbounded\" no limit",
                        "a bound of a frame must be an integer or \"unbounded\", got %s",
                        plua_typename(L, -1));
    }
    lua_remove(L, -2);
}

/* Pushes the frame of field `key` as text; false with nothing pushed. */
static bool push_frame(lua_State *L, const char *key, const char *word) {
    if (lua_getfield(L, 2, key) == LUA_TNIL) {
        lua_pop(L, 1);
        return false;
    }
    int table = lua_gettop(L);
    luaL_argexpected(L, lua_istable(L, table), 2, "table {from, to}");
    push_bound(L, table, 1);
    push_bound(L, table, 2);
    lua_pushfstring(L, "%s BETWEEN %s AND %s", word, lua_tostring(L, -2),
                    lua_tostring(L, -1));
    lua_replace(L, table);
    lua_settop(L, table);
    return true;
}

static void check_over_keys(lua_State *L) {
    static const char *const known[] = {"partition_by", "order_by", "rows", "range_",
                                        "range",        "groups",   NULL};
    lua_pushnil(L);
    while (lua_next(L, 2)) {
        lua_pop(L, 1);
        if (lua_isinteger(L, -1) && lua_tointeger(L, -1) == 1)
            continue; /* over{f, ...}: the function */
        const char *key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "[...]";
        bool found = false;
        for (int i = 0; known[i]; i++)
            found = found || strcmp(known[i], key) == 0;
        if (!found)
            plua_raise_hint(L, PL_EARGUMENT,
                            "partition_by, order_by, rows, range_, groups",
                            "over has no option '%s'", key);
    }
}

int plua_over(lua_State *L) {
    if (lua_type(L, 1) == LUA_TTABLE) {
        lua_settop(L, 1);
        lua_rawgeti(L, 1, 1);
        lua_insert(L, 1);
    }
    plua_self_expr(L, "over");
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    plua_need_table(L, 2);
    check_over_keys(L);
    const char *frame = NULL;
    size_t len = 0;
    if (push_frame(L, "rows", "ROWS") || push_frame(L, "range_", "RANGE") ||
        push_frame(L, "range", "RANGE") || push_frame(L, "groups", "GROUPS"))
        frame = lua_tolstring(L, -1, &len);
    pl_node *n = plua_node(L, PLUA_EXPRESSION, PL_N_OVER, 3, frame, len);
    int over = lua_gettop(L);
    plua_kid(L, over, 0, 1);
    n->type = n->kids[0]->type;
    if (push_tuple_field(L, "partition_by"))
        plua_kid(L, over, 1, over + 1);
    lua_settop(L, over);
    if (push_tuple_field(L, "order_by"))
        plua_kid(L, over, 2, over + 1);
    lua_settop(L, over);
    return 1;
}

/*** The function over a window: {partition_by =, order_by =, rows = {from, to}, range_
=}.
@function Expression:over
@tab[opt] window
@treturn Expression */
static int expr_over(lua_State *L) {
    plua_self_expr(L, "over");
    return plua_over(L);
}

/*** An aggregate over the rows that meet a condition only.
@function Expression:filter
@tparam Expression condition ... several are joined by AND
@treturn Expression */
static int expr_filter(lua_State *L) {
    plua_self_expr(L, "filter");
    plua_need_argument(L, "filter");
    plua_tocondition(L, 2);
    while (lua_gettop(L) > 2) {
        plua_junction(L, PL_N_AND, 2, 3);
        lua_replace(L, 2);
        lua_remove(L, 3);
    }
    pl_node *n = plua_node(L, PLUA_EXPRESSION, PL_N_FILTER, 2, NULL, 0);
    plua_kid(L, -1, 0, 1);
    plua_kid(L, -1, 1, 2);
    n->type = n->kids[0]->type;
    return 1;
}

const luaL_Reg plua_function_methods[] = {
    {"over", expr_over}, {"filter", expr_filter}, {NULL, NULL}};
