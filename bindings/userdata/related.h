/* SPDX-License-Identifier: MIT */
/*
** related.h - queries that load a relationship for a list of objects. For loader.c and
** eager.c.
*/
#ifndef PLUA_RELATED_H
#define PLUA_RELATED_H

#include "userdata/eager.h"

typedef struct plua_related {
    pl_relation *r;
    const plua_option *step;  /* what asked for it, or NULL */
    int level;                /* stack: level of the parents, or nil there */
    int existing;             /* of the maker: see materialize.h */
    const plua_eager *origin; /* the query that gave the parents is run again as part of
                                 the new one; NULL: it goes by the parents' keys */
} plua_related;

/* Loads a relationship (any direction) of all objects in the list at `parents`; for a
** MANY_TO_ONE to a primary key, what the identity map has is not read again.
** [-0, +0, v] */
void plua_load_related(lua_State *L, plua_session *s, const plua_related *q, int parents);

/* Whether an object has the relationship and it is not loaded. [-0, +0, m] */
bool plua_lacks_relation(lua_State *L, int idx, pl_object *o, const pl_relation *r);

#endif
