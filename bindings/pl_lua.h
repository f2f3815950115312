/* SPDX-License-Identifier: MIT */
/*
 * The door between the bindings and whatever runs Lua: the perilune program, the
 * embedding library, and a stock lua that loads perilune.so. Nothing else of the
 * bindings is visible outside them.
 */
#ifndef PL_LUA_H
#define PL_LUA_H

#include <lua.h>

#define PERILUNE_VERSION "0.1.0"

#if defined(__GNUC__)
#define PL_LUA_API __attribute__((visibility("default")))
#else
#define PL_LUA_API
#endif

/* The opener of the module "perilune", for require, package.preload or luaL_requiref.
 * May be called any number of times in one state. [-0, +1, e] */
PL_LUA_API int luaopen_perilune(lua_State *L);

/* Puts loaders for "perilune" and for the Lua modules built in ("perilune.spec") into
 * package.preload, without opening any. [-0, +0, e] */
PL_LUA_API void perilune_preload(lua_State *L);

/* The registry key of a table that the perilune program keeps for what it runs:
 *   script  the path of the script as it was given, nil when there is none
 *   leave   nil, or a function the bindings set: called once with true or false (all went
 *           well or not) after the last chunk and before the state is closed
 * Absent where another program runs Lua. */
#define PL_PROGRAM "perilune.program"

#endif
