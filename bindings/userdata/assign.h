/* SPDX-License-Identifier: MIT */
/*
** assign.h - tables of names and values as what INSERT and UPDATE write.
*/
#ifndef PLUA_ASSIGN_H
#define PLUA_ASSIGN_H

#include "core/unit/mapper.h"
#include "userdata/node.h"

typedef enum plua_assign {
    PLUA_ASSIGN_PLAIN, /* what the table says */
    PLUA_ASSIGN_UPDATE /* and onupdate values of columns that it does not name */
} plua_assign;

/* Below, m is the mapper by which a statement's table was named, NULL when it was not. */

/* Pushes a TUPLE of `column = value` for the table at idx, in order of the columns. Names
** are attributes, columns or column expressions. [-0, +1, v] */
void plua_push_assignments(lua_State *L, pl_table *t, const pl_mapper *m, int idx,
                           plua_assign how);

/* Pushes ROWS over the INSERT at stmt for the table of values, or list of such tables, at
** idx (nil: defaults only); columns not named get their default, the discriminator its
** model's identity. [-0, +1, v] */
void plua_push_rows(lua_State *L, pl_table *t, const pl_mapper *m, int stmt, int idx);

/* Pushes a TUPLE of the columns named in the list at idx. [-0, +1, v] */
void plua_push_targets(lua_State *L, pl_table *t, const pl_mapper *m, int idx,
                       const char *what);

/* Pushes a TUPLE of columns. [-0, +1, m] */
void plua_push_column_tuple(lua_State *L, pl_column *const *columns, size_t n);

#endif
