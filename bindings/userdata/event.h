/* SPDX-License-Identifier: MIT */
/*
** event.h - telling listeners. Everything here is called only when a flag says that
** somebody listens (or returns at once); the listeners themselves are Lua functions kept
** by lua/perilune/event.lua in the shared table.
*/
#ifndef PLUA_EVENT_H
#define PLUA_EVENT_H

#include "userdata/collection.h"
#include "userdata/session.h"

/*
** An attribute is about to be set: object 1, name 2, value 3 of the stack; n >= 0 is a
** column's slot, n < 0 relationship -1 - n. Listeners and validators may replace the
*value
** at 3. [-0, +0, v]
*/
void plua_event_set(lua_State *L, pl_object *o, int n);

/* An item is about to enter (may be replaced at `item`) or to leave a list. [-0, +0, v]
 */
void plua_event_append(lua_State *L, plua_collection *c, int owner, int item);
void plua_event_remove(lua_State *L, plua_collection *c, int owner, int item);

/* init, load, refresh, expire ... of the object at idx; arg 0: none. [-0, +0, v] */
void plua_event_instance(lua_State *L, const char *name, int idx, int arg);

/* A session event without an object: before_commit ... [-0, +0, v] */
void plua_event_session(lua_State *L, plua_session *s, const char *name);

/* The object at idx entered the session. [-0, +0, v] */
void plua_event_attached(lua_State *L, plua_session *s, int idx, pl_object *o);

/* Calls the listeners of a named session event for an object. [-0, +0, v] */
void plua_event_object(lua_State *L, plua_session *s, const char *name, int idx);

/* Mapper event before/after insert/update/delete, from inside a flush: PL_OK or the error
** kept for plua_throw. [-0, +0, -] */
pl_code plua_event_mapper(lua_State *L, const char *name, int idx, pl_error *err);

#endif
