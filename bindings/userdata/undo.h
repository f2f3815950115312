/* SPDX-License-Identifier: MIT */
/*
** undo.h - objects back to what they were when a transaction or a savepoint is undone.
**
** transaction.c calls it beside what the database does; nothing here runs SQL.
*/
#ifndef PLUA_UNDO_H
#define PLUA_UNDO_H

#include "userdata/session.h"

/* A savepoint has begun, s->nested deep: remembers what it begins with. The second drops
** that again and makes s->nested one less. [-0, +0, m] */
void plua_undo_mark(lua_State *L, plua_session *s);
void plua_undo_unmark(lua_State *L, plua_session *s);

/* What changed in the innermost savepoint belongs to the one around it. [-0, +0, m] */
void plua_undo_merge(lua_State *L, plua_session *s);

/* The object at idx has another primary key than the one in the slots `was`, until the
** open transaction is rolled back. [-0, +0, m] */
void plua_undo_moved(lua_State *L, plua_session *s, int idx, const pl_object *o,
                     const pl_slot *was);

/* Every object back to what it was before the transaction / before the innermost
** savepoint. [-0, +0, m] */
void plua_undo_all(lua_State *L, plua_session *s);
void plua_undo_nested(lua_State *L, plua_session *s);

/* The transaction is over: nothing of it can be undone any more. [-0, +0, m] */
void plua_undo_forget(lua_State *L, plua_session *s);

#endif
