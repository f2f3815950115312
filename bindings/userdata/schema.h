/* SPDX-License-Identifier: MIT */
/*
** schema.h - types and tables as Lua values.
*/
#ifndef PLUA_SCHEMA_H
#define PLUA_SCHEMA_H

#include "userdata/database.h"
#include "userdata/node.h"

/* User value 1 of a table is its db. `node` is made by plua_table_node when needed. */
typedef struct plua_table {
    pl_table *t;
    pl_node *node;
} plua_table;

plua_table *plua_check_table(lua_State *L, int idx);
plua_table *plua_test_table(lua_State *L, int idx);
void plua_push_table(lua_State *L, pl_table *t);

/* Pushes the expression of a column of the table at idx; NULL and nothing pushed when it
** has none of that name. [-0, +(0|1), v] */
pl_node *plua_push_table_column(lua_State *L, int idx, const char *name);

/* The type at idx, or NULL. [-0, +0, -] */
const pl_type *plua_test_type(lua_State *L, int idx);

/* Pushes a type that declarations own; the value at `owner` keeps it alive. [-0, +1, m]
 */
void plua_push_type(lua_State *L, const pl_type *t, int owner);

int plua_open_schema(lua_State *L);

#endif
