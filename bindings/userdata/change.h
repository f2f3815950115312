/* SPDX-License-Identifier: MIT */
/*
** change.h - changes past the unit of work: query:update, query:delete, bulk_insert.
*/
#ifndef PLUA_CHANGE_H
#define PLUA_CHANGE_H

#include "userdata/session.h"

int plua_query_update(lua_State *L);
int plua_query_delete(lua_State *L);
int plua_session_bulk_insert(lua_State *L);

#endif
