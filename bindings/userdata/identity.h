/* SPDX-License-Identifier: MIT */
/*
** identity.h - the objects of a session: one for each identity, known weakly, and those
** that are kept alive until the next flush, the pins.
*/
#ifndef PLUA_IDENTITY_H
#define PLUA_IDENTITY_H

#include "userdata/session.h"

/* Pushes the identity map of a mapper's root, made when missing. [-0, +1, m] */
void plua_identity_map(lua_State *L, const plua_session *s, const pl_mapper *m);

/* Pushes the identity key of slots (an integer, or a string). [-0, +1, m] */
void plua_push_key(lua_State *L, const pl_mapper *m, const pl_slot *slots);

/* Same from pk values in order. */
void plua_push_key_values(lua_State *L, const pl_slot *values, int n);

/* The object at idx is the one with its identity / no more, if it was. [-0, +0, m] */
void plua_identity_set(lua_State *L, const plua_session *s, int idx, const pl_object *o);
void plua_identity_remove(lua_State *L, const plua_session *s, int idx,
                          const pl_object *o);

/* Takes out the objects that have no identity any more / all. [-0, +0, m] */
void plua_identity_sweep(lua_State *L, plua_session *s);
void plua_identity_clear(lua_State *L, const plua_session *s);

/* Calls fn(L, s, index of the object, o) for every object of the identity maps. */
typedef void (*plua_each_object)(lua_State *L, plua_session *s, int idx, pl_object *o);
void plua_session_each(lua_State *L, plua_session *s, plua_each_object fn);

/* Keeps the object at idx alive until the next flush, or with a JSON value that may be
** changed in place until the next commit. [-0, +0, m] */
void plua_session_pin(lua_State *L, plua_session *s, int idx, pl_object *o);
void plua_session_unpin(lua_State *L, plua_session *s, pl_object *o);

/* After a commit: none has anything to write. [-0, +0, m] */
void plua_session_unpin_all(lua_State *L, plua_session *s);

#endif
