/* SPDX-License-Identifier: MIT */
/*
** session_fault.h - a Lua state with sessions in it, for tests that make things fail.
**
** The script returns functions by name; they are called one at a time, protected, and
*what
** they raised is told. The state's memory comes from a fail_alloc.
*/
#ifndef SESSION_FAULT_H
#define SESSION_FAULT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "../c/fail_alloc.h"
#include "pl_lua.h"

/* The state with the table of functions at index 1. */
static inline lua_State *fault_state(fail_alloc *fa, const char *script) {
    lua_State *L = lua_newstate(fail_alloc_run, fa);
    assert_non_null(L);
    luaL_openlibs(L);
    luaL_requiref(L, "perilune", luaopen_perilune, 0);
    lua_settop(L, 0);
    if (luaL_dostring(L, script))
        fail_msg("%s", lua_tostring(L, -1));
    lua_settop(L, 1);
    return L;
}

/* Calls a function of the script; its error as text that lives until the next call, or
** NULL. */
static inline const char *fault_call(lua_State *L, const char *name, lua_Integer arg) {
    lua_settop(L, 1);
    lua_getfield(L, 1, name);
    lua_pushinteger(L, arg);
    return lua_pcall(L, 1, 0, 0) == LUA_OK ? NULL : luaL_tolstring(L, -1, NULL);
}

static inline void fault_must(lua_State *L, const char *name, lua_Integer arg) {
    const char *text = fault_call(L, name, arg);
    if (text)
        fail_msg("%s(%ld): %s", name, (long)arg, text);
}

#endif
