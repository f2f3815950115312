/* SPDX-License-Identifier: MIT */
/*
** system.c - the few things that lua/perilune/app.lua and config.lua need and Lua's own
** libraries do not have: the working directory, all environment variables, folders, a
** pause, and the table that the perilune program keeps. Owns nothing.
*/
#include "userdata/system.h"
#include "pl_lua.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* core.cwd(): the working directory, or nil and a message. */
static int system_cwd(lua_State *L) {
    char path[4096];
    if (getcwd(path, sizeof path)) {
        lua_pushstring(L, path);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, strerror(errno));
    return 2;
}

/* core.environ(prefix): a table of the variables whose names begin so. */
static int system_environ(lua_State *L) {
    size_t len;
    const char *prefix = luaL_optlstring(L, 1, "", &len);
    lua_newtable(L);
    for (char **entry = environ; entry && *entry; entry++) {
        const char *equals = strchr(*entry, '=');
        if (!equals || strncmp(*entry, prefix, len) != 0)
            continue;
        lua_pushlstring(L, *entry, (size_t)(equals - *entry));
        lua_pushstring(L, equals + 1);
        lua_rawset(L, -3);
    }
    return 1;
}

/* core.file_kind(path): "file", "directory", "other" or nil. */
static int system_file_kind(lua_State *L) {
    struct stat st;
    if (stat(luaL_checkstring(L, 1), &st) != 0)
        return 0;
    lua_pushstring(L, S_ISREG(st.st_mode)   ? "file"
                      : S_ISDIR(st.st_mode) ? "directory"
                                            : "other");
    return 1;
}

/* core.make_directory(path): true, also when it was there; or nil and a message. */
static int system_make_directory(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    if (mkdir(path, 0777) == 0 || errno == EEXIST) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", path, strerror(errno));
    return 2;
}

/*
** core.pause(n): waits before the nth try again, longer each time, between a half and one
** and a half of 2 ms, 4 ms ... 256 ms: what waited for one lock must not wake together.
*/
static int system_pause(lua_State *L) {
    lua_Integer n = luaL_checkinteger(L, 1);
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t mixed = (uint64_t)now.tv_nsec * 2654435761u ^ (uint64_t)getpid() * 40503u;
    int64_t us = INT64_C(1000) << (n < 1 ? 1 : n > 8 ? 8 : n);
    us = us / 2 + (int64_t)((mixed >> 7) % (uint64_t)us);
    struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
    (void)nanosleep(&t, NULL);
    return 0;
}

/* core.program(): the table of pl_lua.h's PL_PROGRAM, nil under another program. */
static int system_program(lua_State *L) {
    lua_getfield(L, LUA_REGISTRYINDEX, PL_PROGRAM);
    return 1;
}

int plua_open_system(lua_State *L) {
    static const luaL_Reg functions[] = {{"cwd", system_cwd},
                                         {"environ", system_environ},
                                         {"file_kind", system_file_kind},
                                         {"make_directory", system_make_directory},
                                         {"pause", system_pause},
                                         {"program", system_program},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
