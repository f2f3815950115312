/* SPDX-License-Identifier: MIT */
/*
 * coroutines.h - coroutine.close, resume and wrap that note which coroutine runs.
 *
 * A guard stops it at once when a limit is reached where Lua has no hook: in the
 * allocator, in SQL. The program stops it at ^C. Under a guard the error of a stopped
 * coroutine does not end as the result of resume. Owns nothing beyond a call.
 */
#ifndef EMBED_COROUTINES_H
#define EMBED_COROUTINES_H

#include <lua.h>

/* Puts the functions in the place of Lua's own. *where is the coroutine that runs; it
 * must outlive the state. [-0, +0, m] */
void coroutines_open(lua_State *L, lua_State *volatile *where);

#endif
