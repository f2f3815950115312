/* SPDX-License-Identifier: MIT */
/*
** from.h - what a query can read from: tables, models, aliases, subqueries.
*/
#ifndef PLUA_FROM_H
#define PLUA_FROM_H

#include "core/unit/mapper.h"
#include "userdata/node.h"

/* `ext` of an ALIAS made by q:as "n": in a select list it is a scalar subquery. */
enum { PLUA_AS = 1 };

typedef struct plua_from {
    pl_mapper *mapper; /* of a model or alias, else NULL */
    pl_node *from;     /* the FROM item */
    pl_node *source;   /* source of its columns: `from`, but NULL for a plain table */
} plua_from;

/* Describes the value at idx and pushes what keeps `from` alive; raises for anything that
** cannot be read from. [-0, +1, v] */
void plua_push_from(lua_State *L, int idx, plua_from *f);

/* The same without raising; false (nothing pushed) for other values. [-0, +(0|1), m] */
bool plua_test_from(lua_State *L, int idx, plua_from *f);

/* Sets kid i of the node at `node` to a FROM item whose owner is on top; pops the owner.
** [-1, +0, -] */
void plua_set_from(lua_State *L, int node, uint32_t i, pl_node *from);

/* Pushes the column of a label of the FROM item at idx, or nil. [-0, +1, m] */
void plua_from_column(lua_State *L, int idx, const char *name, size_t len);

/* Pushes all columns of the FROM item at idx (q:as "n": the scalar subquery). [-0, +n, v]
 */
void plua_push_from_items(lua_State *L, int idx);

/* Pushes an alias of the FROM item or statement at idx. A NULL name: a generated one.
** [-0, +1, m] */
pl_node *plua_push_derived(lua_State *L, int idx, const char *name, size_t len);

int plua_open_from(lua_State *L);
int plua_open_values(lua_State *L);

#endif
