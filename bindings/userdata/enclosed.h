/* SPDX-License-Identifier: MIT */
/*
** enclosed.h - a union read as a table, so that it can be filtered, joined, grouped.
**
** union(...):where(User.age:gt(5)) is SELECT ... FROM (the union) AS u WHERE u.age > 5:
** what is said of the model's columns afterwards is said of the derived table's. The
** FROM clause that holds it has PLUA_ENCLOSES in `ext`.
*/
#ifndef PLUA_ENCLOSED_H
#define PLUA_ENCLOSED_H

#include "userdata/node.h"

enum { PLUA_ENCLOSES = 1 };

/* Replaces the query at argument 1 by one that reads from it, when it is a union, an
** intersection or a difference. [-0, +0, v] */
void plua_enclose(lua_State *L);

/* Turns the kids, from the second on, of the clause on top (whose kids are userdata at
** the user values) to the derived table, when its statement reads from one. [-0, +0,
** m] */
void plua_turn_clause(lua_State *L);

#endif
