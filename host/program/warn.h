/* SPDX-License-Identifier: MIT */
/*
 * warn.h - Lua's warnings on standard error, as lua writes them: off until -W or
 * warn("@on").
 */
#ifndef PROGRAM_WARN_H
#define PROGRAM_WARN_H

#include <lua.h>

/* Makes the state write its warnings; they start switched off. [-0, +0, -] */
void program_warnings(lua_State *L);

#endif
