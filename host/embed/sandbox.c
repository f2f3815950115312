/* SPDX-License-Identifier: MIT */
/*
 * The C side of the sandbox; see sandbox.h.
 */
#include "sandbox.h"

#include <lauxlib.h>
#include <lualib.h>

#include "pattern.h"
#include "tables.h"

enum {
    LONG = 1024,                /* steps that take time */
    FEW = 8,                    /* arguments */
    TOGETHER = 64 * 1024 * 1024 /* bytes that as many arguments may have */
};

/* tick(n): n steps of work were done outside the virtual machine. */
static int native_tick(lua_State *L) {
    guard_tick(L, luaL_checkinteger(L, 1));
    return 0;
}

/* killed(): whether a limit is reached, so that nothing more of the script may run. */
static int native_killed(lua_State *L) {
    const guard *g = guard_of(L);
    lua_pushboolean(L, g && g->depth > 0 && g->killed != 0);
    return 1;
}

/* Counts what a function is given; the same text many times is work without memory. */
static void weigh(lua_State *L) {
    int n = lua_gettop(L);
    size_t work = (size_t)n, all = 0, size;
    for (int i = 1; i <= n; i++) {
        if (lua_type(L, i) != LUA_TSTRING)
            continue;
        (void)lua_tolstring(L, i, &size);
        all += size;
    }
    if (n > FEW && all > TOGETHER)
        luaL_error(L, "the arguments are too long");
    work += all / 16;
    if (work > LONG)
        guard_tick(L, (int64_t)work);
}

/* The function at upvalue 1 under that count. */
static int weighed(lua_State *L) {
    weigh(L);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* measured(fn): does what fn does, a function of Lua's that has no upvalues. */
static int native_measured(lua_State *L) {
    luaL_argcheck(L, lua_iscfunction(L, 1) && !lua_getupvalue(L, 1, 1), 1,
                  "function without upvalues expected");
    lua_settop(L, 1);
    lua_pushcclosure(L, weighed, 1);
    return 1;
}

static void push_allowed(lua_State *L, unsigned allow) {
    static const struct {
        const char *name;
        unsigned flag;
    } names[] = {
        {"read", PERILUNE_ALLOW_READ},     {"write", PERILUNE_ALLOW_WRITE},
        {"env", PERILUNE_ALLOW_ENV},       {"process", PERILUNE_ALLOW_PROCESS},
        {"native", PERILUNE_ALLOW_NATIVE}, {"bytecode", PERILUNE_ALLOW_BYTECODE},
    };
    lua_createtable(L, 0, 6);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        lua_pushboolean(L, (allow & names[i].flag) != 0);
        lua_setfield(L, -2, names[i].name);
    }
}

void sandbox_open(lua_State *L, unsigned allow, lua_CFunction print) {
    static const luaL_Reg functions[] = {{"tick", native_tick},
                                         {"killed", native_killed},
                                         {"measured", native_measured},
                                         {NULL, NULL}};
    lua_getglobal(L, "require");
    lua_pushliteral(L, "perilune.sandbox");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "new");
    lua_remove(L, -2);
    luaL_newlib(L, functions);
    if (print)
        lua_pushcfunction(L, print);
    else
        lua_getglobal(L, "print");
    lua_setfield(L, -2, "print");
    lua_newtable(L);
    pattern_open(L);
    lua_setfield(L, -2, "patterns");
    lua_newtable(L);
    tables_open(L);
    lua_setfield(L, -2, "tables");
    push_allowed(L, allow);
    lua_call(L, 2, 3);
}
