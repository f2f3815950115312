/* SPDX-License-Identifier: MIT */
/*
** value.h - the only conversion between Lua values and stored values.
**
** Storing: plua_to_slot checks a Lua value against a column type and gives the slot that
** the database gets. Text stays the Lua string it is, so the caller keeps that value
** reachable (plua_to_slot may replace the value on the stack by the one to keep).
** Reading: plua_push_slot gives the Lua value of a stored one, raising PL_EVALUE for a
** stored value that the type cannot be (only then, only for that attribute).
*/
#ifndef PLUA_VALUE_H
#define PLUA_VALUE_H

#include "core/schema/type.h"
#include "userdata/glue.h"

/*
** Converts the value at idx for a column of type t into *out. The value at idx is
** replaced by the one that owns the slot's bytes (e.g. the text of a date). `where`
** begins error messages ("User.name"). db.null and nil give PL_NULL. [-0, +0, v]
*/
void plua_to_slot(lua_State *L, int idx, const pl_type *t, const char *where,
                  pl_slot *out);

/* By the value's own type, for literals without a column: string TEXT, integer INT, ...
 */
void plua_any_slot(lua_State *L, int idx, pl_slot *out);

/* The type a plain Lua value has (for literals). */
const pl_type *plua_any_type(lua_State *L, int idx);

/* Pushes the Lua value of a stored one. PL_UNSET and PL_NULL push nil. [-0, +1, v] */
void plua_push_slot(lua_State *L, const pl_type *t, const pl_slot *s, const char *where);

#endif
