/* SPDX-License-Identifier: MIT */
/*
** history.h - versioned tables as the session and queries see them.
*/
#ifndef PLUA_HISTORY_H
#define PLUA_HISTORY_H

#include "userdata/session.h"

/* The session is about to write: its transaction goes on record when the database has
** versioned tables. session.info.actor and .reason go with it. [-0, +0, v] */
void plua_history_begin(lua_State *L, plua_session *s, plua_bind *b);

/* Before COMMIT of a transaction that went on record. [-0, +0, v] */
void plua_history_end(lua_State *L, plua_bind *b);

/* Whether a statement reads versions of the past. [-0, +0, -] */
bool plua_is_past(const pl_node *stmt);

int plua_open_history(lua_State *L);

#endif
