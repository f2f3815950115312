/* SPDX-License-Identifier: MIT */
/*
** decimal.h - the Lua class Decimal: an exact decimal number.
**
** An immutable userdata that holds the number's plain text, so it owns no memory of its
** own; each operation reads its operands into core decimals on the C stack.
*/
#ifndef PLUA_DECIMAL_H
#define PLUA_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "core/schema/decimal.h"

#define PLUA_DECIMAL "perilune.Decimal"

/* [-0, +1, m] */
void plua_push_decimal(lua_State *L, const pl_decimal *d);

/* Text that is no decimal raises PL_EVALUE. [-0, +1, v] */
void plua_push_decimal_text(lua_State *L, const char *text, size_t len);

/* The text of a Decimal, which lives as long as the value, or NULL for anything else; len
** may be NULL. [-0, +0, -] */
const char *plua_test_decimal(lua_State *L, int idx, size_t *len);

/*
** The number of a Decimal, an integer or a string. A float is PL_DECIMAL_INEXACT unless
** `floats`, which takes its shortest text; any other value is PL_DECIMAL_SYNTAX.
** [-0, +0, -]
*/
pl_decimal_rc plua_todecimal(lua_State *L, int idx, bool floats, pl_decimal *out);

/* The same as plain text; *len gets its length. [-0, +0, -] */
pl_decimal_rc plua_todecimal_text(lua_State *L, int idx, bool floats,
                                  char out[PL_DECIMAL_TEXT], size_t *len);

/* Registers the class and pushes a table with the constructor, decimal (and .from_float).
** Repeatable. [-0, +1, m] */
int plua_open_decimal(lua_State *L);

#endif
