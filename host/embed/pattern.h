/* SPDX-License-Identifier: MIT */
/*
 * pattern.h - string.find, match, gmatch and gsub for scripts under limits.
 *
 * Lua's own never look at the clock, and a pattern of a few repetitions can keep them
 * busy for years. These take the same patterns and count their steps with the guard. Owns
 * nothing beyond a call.
 */
#ifndef EMBED_PATTERN_H
#define EMBED_PATTERN_H

#include <lua.h>

/* Puts find, match, gmatch and gsub into the table on top. [-0, +0, m] */
void pattern_open(lua_State *L);

#endif
