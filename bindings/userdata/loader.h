/* SPDX-License-Identifier: MIT */
/*
** loader.h - bringing in what is not there yet: expired and deferred columns, related
** objects. Loads are batched over the objects that came with the same result.
*/
#ifndef PLUA_LOADER_H
#define PLUA_LOADER_H

#include "userdata/session.h"

/* Pushes the current value of a slot's attribute being needed: see plua_instance_load. */

/* An attached object is older than its session's epoch: begins the transaction, confirms
** the values or reads them again (with its siblings). [-0, +0, v] */
void plua_touch(lua_State *L, int idx, pl_object *o);

/* The same; false when there is no row any more. What was expired is always read. */
bool plua_confirm(lua_State *L, int idx, pl_object *o);

/* Reads all columns of the object at idx, and what is eager by its query's options or by
** declaration; raises ObjectDeletedError. */
void plua_refresh(lua_State *L, int idx, pl_object *o);

/* Reads the attributes named in the list at `names`, which are expired. [-0, +0, v] */
void plua_refresh_attributes(lua_State *L, int idx, pl_object *o, int names);

/* Loads a relationship into the state of the object at idx (and of its siblings). */
void plua_load_relation(lua_State *L, int idx, pl_object *o, pl_relation *r);

/* The same for what a flush must see: also where the script may not load it. */
void plua_load_for_flush(lua_State *L, int idx, pl_object *o, pl_relation *r);

/* Pushes the object that a MANY_TO_ONE's foreign key leads to in the identity map: the
** object, false when the key is NULL, nil when it is not there. [-0, +1, m] */
void plua_identity_of(lua_State *L, const pl_object *o, const pl_relation *r);

/* Pushes what a dynamic or write-only relationship gives. [-0, +1, v] */
void plua_dynamic_collection(lua_State *L, int idx, pl_object *o, pl_relation *r);

/* Expires the attributes named in the list at `names`. [-0, +0, v] */
void plua_expire_attributes(lua_State *L, int idx, pl_object *o, int names);

/* Finds out which decoded JSON values were changed in place. [-0, +0, v] */
void plua_json_scan(lua_State *L, int idx, pl_object *o);

/* An instance by identity: from the map or the database; pushes it or nil. `values` are
** the key's slots; m's model stands at modelidx (0: it is not at hand). [-0, +1, v] */
void plua_get(lua_State *L, plua_session *s, pl_mapper *m, int modelidx,
              const pl_slot *values);

#endif
