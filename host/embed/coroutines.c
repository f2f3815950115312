/* SPDX-License-Identifier: MIT */
/*
 * Coroutines that are known to run; see coroutines.h.
 *
 * lua_resume and lua_resetthread return whatever happens in the coroutine, so that
 * what is noted is put back always and never names a coroutine that has been collected.
 */
#include "coroutines.h"

#include <stdbool.h>

#include <lauxlib.h>
#include <lualib.h>

#include "guard.h"

/* Passes what is on top of one stack to the other; false when there is no room. */
static bool pass(lua_State *from, lua_State *to, int n) {
    if (!lua_checkstack(to, n + 1))
        return false;
    lua_xmove(from, to, n);
    return true;
}

/* Where it is noted which coroutine runs. */
static lua_State *volatile *running(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* Runs co with n values of L. Its results or error are on L then: how many, -1 for an
 * error. Raises in L what stopped the coroutine. */
static int run(lua_State *L, lua_State *co, int n) {
    int results = 1;
    if (!pass(L, co, n)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_State *before = *running(L);
    *running(L) = co;
    int status = lua_resume(co, L, n, &results);
    *running(L) = before;
    guard_tick(L, 0);
    bool good = status == LUA_OK || status == LUA_YIELD;
    if (pass(co, L, good ? results : 1))
        return good ? results : -1;
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
}

/* Ends co, which runs its variables to be closed; a status. */
static int reset(lua_State *L, lua_State *co) {
    lua_State *before = *running(L);
    *running(L) = co;
    int status = lua_resetthread(co);
    *running(L) = before;
    guard_tick(L, 0);
    return status;
}

static lua_State *check_coroutine(lua_State *L) {
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

static int resume(lua_State *L) {
    lua_State *co = check_coroutine(L);
    int n = run(L, co, lua_gettop(L) - 1);
    lua_pushboolean(L, n >= 0);
    if (n < 0)
        n = 1;
    lua_insert(L, -(n + 1));
    return n + 1;
}

static int call_wrapped(lua_State *L) {
    lua_State *co = lua_tothread(L, lua_upvalueindex(2));
    int n = run(L, co, lua_gettop(L));
    if (n >= 0)
        return n;
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD) {
        status = reset(L, co);
        if (status != LUA_OK && pass(co, L, 1))
            lua_remove(L, -2);
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int wrap(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, -2);
    lua_pushcclosure(L, call_wrapped, 2);
    return 1;
}

/* Whether co waits or has ended, and does not run. */
static bool at_rest(lua_State *L, lua_State *co) {
    lua_Debug ar;
    return co != L && (lua_status(co) != LUA_OK || lua_getstack(co, 0, &ar) == 0);
}

static int closes(lua_State *L) {
    lua_State *co = check_coroutine(L);
    if (!at_rest(L, co))
        return luaL_error(L, "cannot close a %s coroutine",
                          co == L ? "running" : "normal");
    if (reset(L, co) == LUA_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    return pass(co, L, 1) ? 2 : 1;
}

void coroutines_open(lua_State *L, lua_State *volatile *where) {
    static const luaL_Reg functions[] = {
        {"close", closes}, {"resume", resume}, {"wrap", wrap}, {NULL, NULL}};
    lua_getglobal(L, LUA_COLIBNAME);
    lua_pushlightuserdata(L, (void *)where);
    luaL_setfuncs(L, functions, 1);
    lua_pop(L, 1);
}
