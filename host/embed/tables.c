/* SPDX-License-Identifier: MIT */
/*
 * The table functions with a count of steps; see tables.h.
 *
 * Elements are read and written with their metamethods, as Lua's own functions do, which
 * may raise anywhere: nothing is held but what stands on the stack.
 */
#include "tables.h"

#include <limits.h>
#include <stdbool.h>

#include <lauxlib.h>

#include "guard.h"

enum { STEPS_ASK = 1024 }; /* steps between two questions to the guard */

/* Called for the n-th step. */
static void count(lua_State *L, lua_Unsigned n) {
    if (n % STEPS_ASK == STEPS_ASK - 1)
        guard_tick(L, STEPS_ASK);
}

/* Argument 'idx' must be a table, or something with metamethods to stand for one. */
static void check_table(lua_State *L, int idx) {
    if (lua_istable(L, idx) || !lua_getmetatable(L, idx))
        luaL_checktype(L, idx, LUA_TTABLE);
    else
        lua_pop(L, 1);
}

static lua_Integer length(lua_State *L) {
    check_table(L, 1);
    return luaL_len(L, 1);
}

/* t[to] = t[from] */
static void copy(lua_State *L, lua_Integer from, lua_Integer to) {
    lua_geti(L, 1, from);
    lua_seti(L, 1, to);
}

static int insert(lua_State *L) {
    lua_Integer end = (lua_Integer)((lua_Unsigned)length(L) + 1), at = end;
    int n = lua_gettop(L);
    if (n == 3) {
        at = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (lua_Unsigned)at - 1 < (lua_Unsigned)end, 2,
                      "position out of bounds");
        for (lua_Integer i = end; i > at; i--) {
            count(L, (lua_Unsigned)i);
            copy(L, i - 1, i);
        }
    } else if (n != 2) {
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    lua_seti(L, 1, at);
    return 0;
}

static int removes(lua_State *L) {
    lua_Integer size = length(L), at = luaL_optinteger(L, 2, size);
    if (at != size)
        luaL_argcheck(L, (lua_Unsigned)at - 1 <= (lua_Unsigned)size, 2,
                      "position out of bounds");
    lua_geti(L, 1, at);
    for (; at < size; at++) {
        count(L, (lua_Unsigned)at);
        copy(L, at + 1, at);
    }
    lua_pushnil(L);
    lua_seti(L, 1, at);
    return 1;
}

static int move(lua_State *L) {
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
    lua_Integer to = luaL_checkinteger(L, 4);
    int into = lua_isnoneornil(L, 5) ? 1 : 5;
    check_table(L, 1);
    check_table(L, into);
    lua_pushvalue(L, into);
    if (last < first)
        return 1;
    luaL_argcheck(L, first > 0 || last < LUA_MAXINTEGER + first, 3,
                  "too many elements to move");
    lua_Integer n = last - first + 1;
    luaL_argcheck(L, to <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
    bool up = to > last || to <= first || (into != 1 && !lua_compare(L, 1, 5, LUA_OPEQ));
    for (lua_Integer k = 0; k < n; k++) {
        lua_Integer i = up ? k : n - 1 - k;
        count(L, (lua_Unsigned)k);
        lua_geti(L, 1, first + i);
        lua_seti(L, into, to + i);
    }
    return 1;
}

static void add_element(lua_State *L, luaL_Buffer *b, lua_Integer i) {
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid value (at index %I) in table for 'concat'",
                   (LUAI_UACINT)i);
    luaL_addvalue(b);
}

static int concat(lua_State *L) {
    lua_Integer size = length(L);
    size_t n;
    const char *between = luaL_optlstring(L, 2, "", &n);
    lua_Integer i = luaL_optinteger(L, 3, 1), last = luaL_optinteger(L, 4, size);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (lua_Unsigned step = 0; i < last; i++) {
        count(L, step++);
        add_element(L, &b, i);
        luaL_addlstring(&b, between, n);
    }
    if (i == last)
        add_element(L, &b, i);
    luaL_pushresult(&b);
    return 1;
}

static int unpack(lua_State *L) {
    lua_Integer first = luaL_optinteger(L, 2, 1);
    lua_Integer last = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
    if (first > last)
        return 0;
    lua_Unsigned n = (lua_Unsigned)last - (lua_Unsigned)first;
    if (n >= INT_MAX || !lua_checkstack(L, (int)n + 1))
        return luaL_error(L, "too many results to unpack");
    for (lua_Unsigned k = 0; k <= n; k++) {
        count(L, k);
        lua_geti(L, 1, (lua_Integer)((lua_Unsigned)first + k));
    }
    return (int)n + 1;
}

void tables_open(lua_State *L) {
    static const luaL_Reg functions[] = {{"concat", concat}, {"insert", insert},
                                         {"move", move},     {"remove", removes},
                                         {"unpack", unpack}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
