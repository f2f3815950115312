/* SPDX-License-Identifier: MIT */
/*
** plan.h - the statement that loads relationships along: for eager.c.
*/
#ifndef PLUA_PLAN_H
#define PLUA_PLAN_H

#include "userdata/eager.h"

/* The items of a statement, in the arena. [-0, +0, m] */
pl_node **plua_plan_items(lua_State *L, pl_arena *a, const pl_node *stmt, size_t *n);

/* Adds the joined relationships of a root and of what is behind them. Pushes the levels
** that they lead to. [-0, +n, v] */
void plua_plan_root(lua_State *L, plua_eager *e, int root);

/* Makes e->own and e->run from e->user, its roots and joins. [-0, +0, v] */
void plua_plan_statement(lua_State *L, plua_eager *e);

#endif
