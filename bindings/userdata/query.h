/* SPDX-License-Identifier: MIT */
/*
** query.h - select() and its clauses: the part that builds a query.
*/
#ifndef PLUA_QUERY_H
#define PLUA_QUERY_H

#include "userdata/database.h"
#include "userdata/node.h"

/* Pushes db.select(Model) for the model or alias at idx. [-0, +1, v] */
pl_node *plua_select_entity(lua_State *L, int idx);

/* Pushes a clause over the query at `prev` with room for n kids besides it. [-0, +1, m]
 */
pl_node *plua_clause(lua_State *L, pl_node_kind kind, int prev, uint32_t n);

/* The db that a statement's tables belong to, NULL when it names none. */
plua_db *plua_statement_db(const pl_node *stmt);

/* The select list of a statement: the clause or head whose kids from *first on are the
** items. For a COMPOUND that of its first statement. */
const pl_node *plua_statement_items(const pl_node *stmt, uint32_t *first);

/* All items of the select list in order, at most max of them; gives their number. Also of
** a RETURNING. */
size_t plua_statement_list(const pl_node *stmt, pl_node **out, size_t max);

/* The mapper whose rows are in a table: the root one when several share it. */
pl_mapper *plua_table_mapper(const pl_table *t);

/* What filter_by and get speak of: mapper and source of the entity joined last, else of
** the first one selected. NULL when there is none. */
pl_mapper *plua_statement_target(const pl_node *stmt, pl_node **source);

/* The same for a statement over tables without mapper. */
pl_table *plua_statement_table(const pl_node *stmt, pl_node **source);

/* core.select_for(db): select of this db, whose queries know their db even when they name
** no table. */
int plua_select_for(lua_State *L);

int plua_open_query(lua_State *L);
int plua_open_derived(lua_State *L);

#endif
