/* SPDX-License-Identifier: MIT */
/*
 * tables.h - table.concat, insert, move, remove and unpack for scripts under limits.
 *
 * Lua's own go from the first index to the last without a look at the clock, and a script
 * says how many there are: by __len or by an argument. These do the same and count their
 * steps with the guard. Owns nothing beyond a call.
 */
#ifndef EMBED_TABLES_H
#define EMBED_TABLES_H

#include <lua.h>

/* Puts the functions into the table on top. [-0, +0, m] */
void tables_open(lua_State *L);

#endif
