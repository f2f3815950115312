/* SPDX-License-Identifier: MIT */
/*
** inspect.h - functions of the core table that look without touching: the state, session,
** identity and history of an instance, the tables of a database, the parts of an ORDER
*BY.
*/
#ifndef PLUA_INSPECT_H
#define PLUA_INSPECT_H

#include "userdata/glue.h"

/* session:is_modified(object), for the methods table: whether some attribute would be
** written, by its history. */
int plua_session_is_modified(lua_State *L);

int plua_open_inspect(lua_State *L);

#endif
