/* SPDX-License-Identifier: MIT */
/*
** row.h - rows of values and lists of results.
**
** A row is a table of its values whose metatable, made once per result, knows the names:
** row[1], row.name, row:unpack(), row:to_dict(). A list is a sequence that prints as [a,
*b].
*/
#ifndef PLUA_ROW_H
#define PLUA_ROW_H

#include "userdata/cursor.h"

/* Pushes the metatable for rows of n items of the statement at stmt; its index. [-0, +1,
 * m] */
int plua_row_meta(lua_State *L, const plua_cursor *c, int stmt, int n);

/* Pushes an empty list that knows how many rows a statement changed (.rowcount). */
/* Replaces the row on top by its first value; db.null for NULL, as lists have no nils.
** [-1, +1, m] */
void plua_first_of_row(lua_State *L);

/* Notes, for list:keys(), the names that rows with the metatable at `meta` would have had
** in the empty list at `list`. [-0, +0, m] */
void plua_note_names(lua_State *L, int list, int meta);

void plua_push_rowcount(lua_State *L, lua_Integer n);

/* The type of a result column by its declaration in the schema, for raw SQL. */
const pl_type *plua_decltype(pl_stmt *stmt, int i);

/* The error on top is raised when value i of the row is read. [-1, +0, m] */
void plua_row_bad_value(lua_State *L, int row, int i);

int plua_open_row(lua_State *L);

#endif
