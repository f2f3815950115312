/* SPDX-License-Identifier: MIT */
/*
** null.h - db.null, the value that stands for NULL where a nil cannot live.
**
** One userdata per Lua state, made when first asked for and kept by the registry, so it
** equals itself only. It is true in a condition, as every userdata.
*/
#ifndef PLUA_NULL_H
#define PLUA_NULL_H

#include <stdbool.h>

#include <lua.h>

/* [-0, +1, m] */
void plua_push_null(lua_State *L);

/* [-0, +0, -] */
bool plua_is_null(lua_State *L, int idx);

#endif
