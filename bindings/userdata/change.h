/* SPDX-License-Identifier: MIT */
/*
** change.h - changes past the unit of work: query:update, query:delete, bulk_insert, and
** what becomes of objects whose rows an UPDATE or DELETE of their model changes.
*/
#ifndef PLUA_CHANGE_H
#define PLUA_CHANGE_H

#include "userdata/session.h"

int plua_query_update(lua_State *L);
int plua_query_delete(lua_State *L);
int plua_session_bulk_insert(lua_State *L);

/* Runs the statement at `stmt` when it is a DELETE of a model whose rows stand in several
** tables; *n is their number. False, and nothing done, for any other. [-0, +0, v] */
bool plua_change_spread(lua_State *L, plua_session *s, int stmt, int params,
                        lua_Integer *n);

/* After the statement at `stmt` has changed one row: when it is an INSERT, the result on
** top gets `lastrowid` and `inserted_primary_key`. [-0, +0, v] */
void plua_change_inserted(lua_State *L, int stmt, int64_t last);

/* Before the statement at `stmt` is stepped: pushes the list of known objects whose rows
** it is about to change and returns their mapper. NULL, and nothing pushed, when it is no
** UPDATE or DELETE of a model. `params`: as for a cursor. [-0, +(1|0), v] */
const pl_mapper *plua_change_begin(lua_State *L, plua_session *s, int stmt, int params);

/* After it has run: the objects in `list` expire what it set, or leave the session, as do
** those in the list at `result` (0: none) that a DELETE returned. [-0, +0, m] */
void plua_change_end(lua_State *L, plua_session *s, const pl_mapper *m, int stmt,
                     int list, int result);

#endif
