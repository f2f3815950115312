/* SPDX-License-Identifier: MIT */
/*
** unitwork.h - a session's flush: from pinned objects to the core's plan and back.
*/
#ifndef PLUA_UNITWORK_H
#define PLUA_UNITWORK_H

#include "core/unit/flush.h"
#include "userdata/session.h"

/* What is being collected; lives on the C stack. */
typedef struct plua_unit {
    lua_State *L;
    plua_session *s;
    plua_engine *engine; /* the database being flushed */
    pl_flush *f;
    pl_error *err; /* the runtime's, see plua_unit_err */
    int pins;      /* stack index of the pins table */
    int links;     /* set of link rows already removed */
    int parents;   /* children given a parent in this flush: key -> true */
    int clears;    /* what may have lost its parent: see collect.c */
    int many;      /* functions that hear of a statement for many rows: see many.c */
} plua_unit;

/* The error for the next call into the core, cleared. */
static inline pl_error *plua_unit_err(plua_unit *u) {
    if (u->err->code != PL_OK)
        pl_error_clear(u->err);
    return u->err;
}

/* Adds an object to the flush's saves (pins it). The object is at idx. */
void plua_unit_save(plua_unit *u, int idx, pl_object *o);

/* What the relationships of a saved / deleted object mean for the flush. */
void plua_collect_saved(plua_unit *u, int idx, pl_object *o);
void plua_collect_deleted(plua_unit *u, int idx, pl_object *o);
/* After all: children that lost their parent and got no other. */
void plua_collect_clears(plua_unit *u);

#endif
