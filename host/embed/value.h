/* SPDX-License-Identifier: MIT */
/*
 * value.h - values between C and Lua: perilune_value in, perilune_result out.
 *
 * A result is a chain of blocks from the C library, so that it outlives its host; it is
 * filled value by value and freed whole. Filling it can raise, so a result that is being
 * filled is always reachable from a job of the caller or from a box of Lua's.
 */
#ifndef EMBED_VALUE_H
#define EMBED_VALUE_H

#include <lua.h>

#include "perilune.h"

/* Pushes a value. Raises PERILUNE_EVALUE. [-0, +1, v] */
void value_push(lua_State *L, const perilune_value *value);

perilune_result *result_new(void);

/* Appends the value at idx. Raises. [-0, +0, v] */
void result_add(lua_State *L, perilune_result *r, int idx);

/* Appends a deep copy; 0 or a code. */
int result_copy(perilune_result *r, const perilune_value *value);

#endif
