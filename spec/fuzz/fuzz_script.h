/* SPDX-License-Identifier: MIT */
/*
** fuzz_script.h - a fuzz target whose property is written in Lua: any bytes, given to the
** function that a script returns.
**
** A target defines SCRIPT, the script's path from the top of the tree, and includes this.
** The script's function gets the bytes as a string; an error that leaves it is a finding.
** The state lives as long as the process.
*/
#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "pl_lua.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static lua_State *L;

static void must(int status) {
    if (status == LUA_OK)
        return;
    fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
    abort();
}

/* An unlucky input must end. */
static void too_long(lua_State *state, lua_Debug *ar) {
    (void)ar;
    luaL_error(state, "too many instructions");
}

static int traceback(lua_State *state) {
    luaL_traceback(state, state, luaL_tolstring(state, 1, NULL), 1);
    return 1;
}

static void start(void) {
    L = luaL_newstate();
    if (!L)
        abort();
    luaL_openlibs(L);
    luaL_requiref(L, "perilune", luaopen_perilune, 0);
    lua_settop(L, 0);
    lua_pushcfunction(L, traceback);
    must(luaL_loadfile(L, SCRIPT));
    must(lua_pcall(L, 0, 1, 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!L)
        start();
    lua_sethook(L, too_long, LUA_MASKCOUNT, 2000000);
    lua_pushvalue(L, 2);
    lua_pushlstring(L, (const char *)data, size);
    must(lua_pcall(L, 1, 0, 1));
    return 0;
}
