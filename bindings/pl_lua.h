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

#endif
