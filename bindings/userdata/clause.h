/* SPDX-License-Identifier: MIT */
/*
** clause.h - what the files that add clauses to statements share.
*/
#ifndef PLUA_CLAUSE_H
#define PLUA_CLAUSE_H

#include "userdata/query.h"

/* The query or statement at argument 1, or the colon reminder. [-0, +0, v] */
pl_node *plua_self_query(lua_State *L, const char *method);

/* Pushes a WHERE or HAVING over argument 1 of the conditions from argument 2 on; gives 1.
** [-0, +1, v] */
int plua_conditions(lua_State *L, pl_node_kind kind, const char *method);

/* Pushes a FROM or CORRELATE over the query at 1 of the sources from argument 2 on; gives
** 1. [-0, +1, v] */
int plua_push_froms(lua_State *L, pl_node_kind kind, const char *method);

/*
** Pushes a select list: a SELECT head (prev 0), or COLUMNS, ADD_COLUMNS or RETURNING over
** the statement at prev, of the values from stack index `from` to the top; with the FROM
** and the condition that mappers of an inheritance need. Gives 1. [-0, +1, v]
*/
int plua_push_items(lua_State *L, pl_node_kind kind, int prev, int from);

/* Puts the condition of a single-table subclass, or of a model with a criterion, over the
** statement on top; its columns are taken from `source`. [-1, +1, m] */
void plua_add_criterion(lua_State *L, const pl_mapper *m, pl_node *source);

/* Raises unless the value at idx is a query with as many columns as `first`. */
void plua_check_width(lua_State *L, const pl_node *first, int idx, const char *method);

/* Raises AttributeError "WHAT 'name'" for the key at argument 2, suggesting the nearest
** key of the table at `names`. [-0, +0, v] */
__attribute__((noreturn)) void plua_no_member(lua_State *L, int names, const char *what);

/* Methods of queries that stand in files of their own. */
extern const luaL_Reg plua_filter_methods[];  /* filter.c */
extern const luaL_Reg plua_join_methods[];    /* join.c */
extern const luaL_Reg plua_derived_methods[]; /* derived.c */
extern const luaL_Reg plua_option_methods[];  /* option.c */

#endif
