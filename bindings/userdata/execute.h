/* SPDX-License-Identifier: MIT */
/*
** execute.h - running statements: the ends of a query, rows and results.
*/
#ifndef PLUA_EXECUTE_H
#define PLUA_EXECUTE_H

#include "userdata/node.h"

/* Methods that run a query (all, first, one, count, each, update, delete ...),
 *NULL-ended;
 ** added to the class PLUA_QUERY beside those that build one. */
extern const luaL_Reg plua_query_ends[];

#endif
