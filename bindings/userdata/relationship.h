/* SPDX-License-Identifier: MIT */
/*
** relationship.h - related objects in memory: getting, setting, both sides in step.
**
** A scalar relationship is state[name] = object or false; a list is a collection there.
** What a scalar was at the last flush stands at state[-2 - its number] (absent:
*unchanged;
** true: not known). Collections keep their own history.
*/
#ifndef PLUA_RELATIONSHIP_H
#define PLUA_RELATIONSHIP_H

#include "userdata/session.h"

/* Pushes the value of a relationship, loading it when needed. [-0, +1, v] */
void plua_relation_get(lua_State *L, int idx, pl_object *o, pl_relation *r);

/* Pushes the loaded value without loading: object, collection, false or nil. [-0, +1, m]
 */
void plua_relation_peek(lua_State *L, int idx, const pl_object *o, const pl_relation *r);

/* Sets a relationship to the value at val (object, nil, or a list). [-0, +0, v] */
void plua_relation_set(lua_State *L, int idx, pl_object *o, pl_relation *r, int val);

/* Sets a scalar as loaded from the database: the value on top. [-1, +0, m] */
void plua_relation_loaded(lua_State *L, int idx, pl_object *o, const pl_relation *r);

/* Forgets what the state table at `state` knows of a relationship. [-0, +0, m] */
void plua_relation_forget(lua_State *L, int state, const pl_relation *r);

/* Pushes a scalar's value at the last flush: object, false, true (unknown), nil
 * (unchanged). */
void plua_relation_old(lua_State *L, int idx, const pl_object *o, const pl_relation *r);

/* The flush wrote the relationships as they are: history goes. [-0, +0, m] */
void plua_relation_settle(lua_State *L, int idx, pl_object *o);

/*
** Visits the object at idx and, along loaded relationships with one of the cascade bits,
** those behind it (for PL_CASCADE_DELETE unloaded ones are loaded, unless the database
** deletes them). `visit` says whether to go on from an object.
*/
typedef bool (*plua_visit)(lua_State *L, plua_session *s, int idx, pl_object *o);
void plua_relation_reach(lua_State *L, plua_session *s, int idx, unsigned cascade,
                         plua_visit visit); /* pushes the list of them: [-0, +1, v] */
void plua_relation_walk(lua_State *L, plua_session *s, int idx, unsigned cascade,
                        plua_visit visit);

/* Raises unless the value at val is an instance the relationship may hold. */
pl_object *plua_relation_check(lua_State *L, const pl_relation *r, int val);

/* Refuses to bring an object whose row was deleted into the owner's session. [-0, +0, v]
 */
void plua_relation_alive(lua_State *L, const pl_relation *r, const pl_object *owner,
                         const pl_object *o);

/* Object a (idx a) was linked to b by r: saves the new one with the other. [-0, +0, v] */
void plua_relation_cascade(lua_State *L, const pl_relation *r, int a, pl_object *oa,
                           int b, pl_object *ob);

/* The other side follows: b (at idx b) now has / no longer has a behind r->back. */
void plua_back_link(lua_State *L, const pl_relation *r, int a, pl_object *oa, int b,
                    pl_object *ob);
void plua_back_unlink(lua_State *L, const pl_relation *r, int a, pl_object *oa, int b,
                      pl_object *ob);

/* Marks an object as changed by a relationship. */
void plua_relation_touch(lua_State *L, int idx, pl_object *o);

/* The object at `child` left a parent whose delete-orphan relationship r had it: the next
** flush deletes it unless it has a parent by then. [-0, +0, m] */
void plua_relation_orphan(lua_State *L, const pl_relation *r, int child);

/* Whether an object that left a parent lacks one of a delete-orphan relationship. */
bool plua_relation_is_orphan(lua_State *L, int idx, const pl_object *o);

/* After both sides were told: a pending child that lacks a parent is not saved any more.
** [-0, +0, m] */
void plua_relation_drop_orphan(lua_State *L, const pl_relation *r, int child);

/*
** single_parent: the object at `child` gets the one at `owner` as its parent by r, or
** loses it; what it has stands in its state table under the relationship's address.
** The first function raises when it has another one. [-0, +0, v]
*/
void plua_relation_single(lua_State *L, const pl_relation *r, const pl_object *owner,
                          int child);
void plua_relation_own(lua_State *L, const pl_relation *r, int owner, int child);
void plua_relation_disown(lua_State *L, const pl_relation *r, int owner, int child);

/* The object's row was read anew: scalars that nobody changed are looked up again. */
void plua_relation_refreshed(lua_State *L, int idx, pl_object *o);

/* Whether a foreign key was set past its relationship, so that lists and references that
** are loaded may be wrong. Before the object is settled. */
bool plua_relation_bypassed(lua_State *L, int idx, const pl_object *o);

#endif
