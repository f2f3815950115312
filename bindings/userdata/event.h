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
** value at 3. [-0, +0, v]
*/
void plua_event_set(lua_State *L, pl_object *o, int n);

/* An item is about to enter (may be replaced at `item`) or to leave a list. [-0, +0, v]
 */
void plua_event_append(lua_State *L, plua_collection *c, int owner, int item);
void plua_event_remove(lua_State *L, plua_collection *c, int owner, int item);

/* The other side of a relationship follows: "set", "append" or "remove" of the object at
** idx, with the related object at item (0: none). What listeners return does not count.
** [-0, +0, v] */
void plua_event_back(lua_State *L, const char *name, int idx, const pl_relation *r,
                     int item);

/* init, load, refresh, expire ... of the object at idx; arg 0: none. [-0, +0, v] */
void plua_event_instance(lua_State *L, const char *name, int idx, int arg);

/* The object at idx was made from a row: load and loaded_as_persistent. [-0, +0, v] */
void plua_event_load(lua_State *L, plua_session *s, int idx);

/* A session event without an object: before_commit ... [-0, +0, v] */
void plua_event_session(lua_State *L, plua_session *s, const char *name);

/* The same where nothing may fail (NULL: plua_event_tell): what a listener raises becomes
** a warning. [-0, +0, m] */
void plua_event_aside(lua_State *L, plua_session *s, const char *name);

/* The object at idx entered the session. [-0, +0, v] */
void plua_event_attached(lua_State *L, plua_session *s, int idx, pl_object *o);

/* Calls the listeners of a named session event for an object. [-0, +0, v] */
void plua_event_object(lua_State *L, plua_session *s, const char *name, int idx);

/*
** The same for a change of state in the midst of others: told by plua_event_tell once all
** objects are in order, so that a listener that fails leaves none behind.
*/
void plua_event_queue(lua_State *L, plua_session *s, const char *name, int idx);
void plua_event_tell(lua_State *L, plua_session *s);

/* A list is about to replace the collection's content: the list at `list` becomes what
** listeners make of it. [-0, +0, v] */
void plua_event_replace(lua_State *L, plua_collection *c, int owner, int list);

/* A statement is about to run: the one at idx becomes what listeners make of it. */
void plua_event_execute(lua_State *L, plua_session *s, int idx);

/* A bulk change ran: tells its model, rows and values (0: none). [-0, +0, v] */
void plua_event_bulk(lua_State *L, plua_session *s, const char *name, pl_mapper *m,
                     lua_Integer rows, int values);

/* Message handler: says of a listener that yields what Lua's words leave out. */
int plua_event_explain(lua_State *L);

/* Mapper event before/after insert/update/delete, from inside a flush: PL_OK or the error
** kept for plua_throw. [-0, +0, -] */
pl_code plua_event_mapper(lua_State *L, const char *name, int idx, pl_error *err);

#endif
