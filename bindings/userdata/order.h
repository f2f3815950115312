/* SPDX-License-Identifier: MIT */
/*
** order.h - lists whose relationship has an order: whether they still are in it.
**
** The database puts a list in order when it is loaded; in memory it keeps the order that
** the script gave it. When a transaction ends in which rows of such lists were written,
** the session counts (cell->order), and a list from before is looked at when it is next
** needed: it is loaded again unless its objects are in the order for certain. Likewise
** with models whose rows queries see by a criterion (cell->filter).
*/
#ifndef PLUA_ORDER_H
#define PLUA_ORDER_H

#include "userdata/collection.h"

/* Whether the collection at idx is loaded and holds what the database has, in its order,
** as far as its session knows. [-0, +0, m] */
bool plua_collection_current(lua_State *L, int idx, plua_collection *c);

/* The flush writes an object: notes that lists which hold it may get out of order. */
void plua_order_note(plua_session *s, const pl_object *o);

#endif
