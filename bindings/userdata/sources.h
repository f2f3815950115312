/* SPDX-License-Identifier: MIT */
/*
 * The Lua modules built into the library. lua/embed.lua writes the table from
 * lua/perilune at build time (lua_sources.c in the build directory). The bytes are
 * constants of the program, never freed and never changed.
 */
#ifndef PL_USERDATA_SOURCES_H
#define PL_USERDATA_SOURCES_H

#include <stddef.h>

#include <lua.h>

struct plua_source {
    const char *name; /* as for require: "perilune.spec"; NULL ends the table */
    const char *text; /* source text or bytecode; a zero that does not count is behind */
    size_t length;
};

extern const struct plua_source plua_sources[];

/* Puts a loader for each module into package.preload, where no other stands already.
 * [-0, +0, e] */
void plua_preload_sources(lua_State *L);

/* Runs the module as require would, with its name as argument, and pushes what it
 * returned. [-0, +1, e] */
int plua_open_source(lua_State *L, const struct plua_source *source);

#endif
