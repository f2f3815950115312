/* SPDX-License-Identifier: MIT */
/*
** null.c - the one value that stands for NULL. See null.h.
*/
#include "userdata/null.h"

#include <lauxlib.h>

static const char NULL_KEY = 0;

static int null_tostring(lua_State *L) {
    lua_pushliteral(L, "null");
    return 1;
}

static void new_null(lua_State *L) {
    lua_newuserdatauv(L, 0, 0);
    if (luaL_newmetatable(L, "perilune.null")) {
        lua_pushliteral(L, "perilune.null");
        lua_setfield(L, -2, "__metatable");
        lua_pushcfunction(L, null_tostring);
        lua_setfield(L, -2, "__tostring");
    }
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &NULL_KEY);
}

void plua_push_null(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &NULL_KEY) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    new_null(L);
}

bool plua_is_null(lua_State *L, int idx) {
    if (lua_type(L, idx) != LUA_TUSERDATA)
        return false;
    const void *value = lua_touserdata(L, idx);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &NULL_KEY);
    bool same = value == lua_touserdata(L, -1);
    lua_pop(L, 1);
    return same;
}
