/* SPDX-License-Identifier: MIT */
/*
 * sandbox.h - a Lua state for scripts that are not trusted.
 *
 * lua/perilune/sandbox.lua makes the globals; this gives it the C functions it needs, the
 * rules for databases, and what is allowed beyond. The state must be under a guard.
 */
#ifndef EMBED_SANDBOX_H
#define EMBED_SANDBOX_H

#include "guard.h"

/* Takes the state apart and pushes the globals of scripts, the table behind them, where
 * registered functions go, and functions that make tables read-only. print may be NULL.
 * [-0, +3, e] */
void sandbox_open(lua_State *L, unsigned allow, lua_CFunction print);

#endif
