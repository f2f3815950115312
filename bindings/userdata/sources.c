/* SPDX-License-Identifier: MIT */
/*
 * Makes the Lua modules that are built into the library available to require. Called by
 * the opener of the module and by programs that have the library linked in; under a
 * stock lua the generated openers of the single modules come here too.
 *
 * Nothing is compiled before it is required, and nothing is looked up in files.
 */
#include "userdata/sources.h"

#include <lauxlib.h>

#include "pl_lua.h"

int plua_open_source(lua_State *L, const struct plua_source *source) {
    const char *chunk = lua_pushfstring(L, "=%s", source->name);
    if (luaL_loadbufferx(L, source->text, source->length, chunk, NULL) != LUA_OK)
        return lua_error(L);
    lua_remove(L, -2);
    lua_pushstring(L, source->name);
    lua_call(L, 1, 1);
    return 1;
}

static int load_source(lua_State *L) {
    return plua_open_source(L, lua_touserdata(L, lua_upvalueindex(1)));
}

void plua_preload_sources(lua_State *L) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (const struct plua_source *source = plua_sources; source->name; source++) {
        if (lua_getfield(L, -1, source->name) == LUA_TNIL) {
            lua_pushlightuserdata(L, (void *)source);
            lua_pushcclosure(L, load_source, 1);
            lua_setfield(L, -3, source->name);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void perilune_preload(lua_State *L) {
    plua_preload_sources(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_perilune);
    lua_setfield(L, -2, "perilune");
    lua_pop(L, 1);
}
