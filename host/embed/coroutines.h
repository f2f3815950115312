/* SPDX-License-Identifier: MIT */
/*
 * coroutines.h - coroutine.close, resume and wrap under a guard.
 *
 * The guard must know which coroutine runs, to stop it at once when a limit is reached
 * where Lua has no hook: in the allocator, in SQL. And the error of a stopped coroutine
 * must not end as the result of resume. Owns nothing beyond a call.
 */
#ifndef EMBED_COROUTINES_H
#define EMBED_COROUTINES_H

#include <lua.h>

/* Puts the functions into the table on top, in the place of Lua's own. [-0, +0, m] */
void coroutines_open(lua_State *L);

#endif
