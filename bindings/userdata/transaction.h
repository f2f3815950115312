/* SPDX-License-Identifier: MIT */
/*
** transaction.h - what a script's calls do to the transaction of a session.
*/
#ifndef PLUA_TRANSACTION_H
#define PLUA_TRANSACTION_H

#include "userdata/session.h"

/* Begins a transaction of the default database; there must be none. [-0, +0, v] */
void plua_transaction_begin(lua_State *L, plua_session *s, pl_begin_mode mode);

/* Opens a savepoint; what was pending is flushed before it. [-0, +0, v] */
void plua_savepoint_begin(lua_State *L, plua_session *s);

/* Ends a transaction that was begun by reading only and that nobody asked for: what was
** read stays good as long as the database is the same. [-0, +0, v] */
void plua_session_rest(lua_State *L, plua_session *s);

/* Ends the innermost savepoint. [-0, +0, v] */
void plua_savepoint_release(lua_State *L, plua_session *s);
void plua_savepoint_rollback(lua_State *L, plua_session *s);

/* Handles of transactions at least so deep are over. [-0, +0, m] */
void plua_transactions_ended(lua_State *L, plua_session *s, int depth);

#endif
