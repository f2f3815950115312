/* SPDX-License-Identifier: MIT */
/*
 * The Lua modules built into the library. lua/embed.lua writes the table from
 * lua/perilune at build time (lua_sources.c in the build directory); the module opener
 * puts a loader for each into package.preload. The bytes are constants of the program,
 * never freed and never changed.
 */
#ifndef PL_USERDATA_SOURCES_H
#define PL_USERDATA_SOURCES_H

#include <stddef.h>

struct plua_source {
    const char *name; /* as for require: "perilune.spec"; NULL ends the table */
    const char *text; /* source text, followed by a zero that does not count */
    size_t length;
};

extern const struct plua_source plua_sources[];

#endif
