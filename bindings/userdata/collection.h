/* SPDX-License-Identifier: MIT */
/*
** collection.h - the list behind a to-many relationship.
**
** User values: 1 items (array), 2 counts (item -> times in it; made when first needed),
** 3 added and 4 removed since the last flush ([i] = item in order, [item] = i),
** 5 the owner. While it is not loaded, added and removed are what to apply once it is.
*/
#ifndef PLUA_COLLECTION_H
#define PLUA_COLLECTION_H

#include "userdata/relationship.h"

enum { PLUA_C_ITEMS = 1, PLUA_C_COUNTS, PLUA_C_ADDED, PLUA_C_REMOVED, PLUA_C_OWNER };

/* Invariant: items holds n entries 1..n; empty while not loaded. */
typedef struct plua_collection {
    pl_relation *relation;
    pl_object *owner;
    lua_Integer n;
    uint32_t epoch;         /* of the session when loaded */
    uint32_t order, filter; /* the same: see order.h */
    uint32_t filling;       /* number of the run whose rows fill it, or 0 */
    bool loaded;
    bool counted; /* counts is up to date */
    bool has_added, has_removed;
} plua_collection;

plua_collection *plua_test_collection(lua_State *L, int idx);

/* Pushes the collection of a relationship of the object at idx, made (not loaded, or
** empty for a new object) when missing. [-0, +1, m] */
plua_collection *plua_collection_of(lua_State *L, int idx, pl_object *o, pl_relation *r);

/* Loads it when it is not, or no longer, loaded. [-0, +0, v] */
void plua_collection_ensure(lua_State *L, int idx, plua_collection *c);

/* Fills it from the database: begin, then an item on top each, then end. */
void plua_collection_begin_load(lua_State *L, int idx, plua_collection *c);
void plua_collection_put(lua_State *L, int idx, plua_collection *c); /* [-1, +0, m] */

/* Whether the item is in PLUA_C_ADDED or PLUA_C_REMOVED. [-0, +0, -] */
bool plua_collection_in(lua_State *L, int idx, int part, int item);

/* Whether the item is in what is loaded so far. [-0, +0, m] */
bool plua_collection_has(lua_State *L, int idx, plua_collection *c, int item);
void plua_collection_end_load(lua_State *L, int idx, plua_collection *c);

/* Adds or removes without telling the other side; nothing when it is so already. */
void plua_collection_link(lua_State *L, int idx, plua_collection *c, int item);
void plua_collection_unlink(lua_State *L, int idx, plua_collection *c, int item);

/* Appends or removes without loading what is not loaded, with all that follows from it:
** the other side, cascades, events. [-0, +0, v] */
void plua_collection_queue(lua_State *L, int idx, plua_collection *c, int item, bool add);

/* Replaces the content by the list at `list`. [-0, +0, v] */
void plua_collection_replace(lua_State *L, int idx, plua_collection *c, int list);

/* Forgets added and removed. */
void plua_collection_settle(lua_State *L, int idx, plua_collection *c);

/* Not loaded any more; what was added and not flushed is forgotten. */
void plua_collection_expire(lua_State *L, int idx, plua_collection *c);

int plua_open_collection(lua_State *L);

#endif
