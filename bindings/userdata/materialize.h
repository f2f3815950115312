/* SPDX-License-Identifier: MIT */
/*
** materialize.h - rows of a result become instances.
*/
#ifndef PLUA_MATERIALIZE_H
#define PLUA_MATERIALIZE_H

#include "userdata/page.h"
#include "userdata/session.h"

/*
** Makes instances of one mapper from a run of result columns. Lives on the C stack; the
** Lua values it needs stand at stack indices: identity map, metatable, page, cohort.
*/
typedef struct plua_maker {
    plua_session *s;
    pl_mapper *mapper;
    int first;             /* first result column */
    int n;                 /* columns */
    const uint16_t *slots; /* slot of each column in `mapper` */
    const pl_node *entity;
    const pl_mapper *other;     /* the other mapper met last, */
    uint16_t *others;           /* slot of each column in it, */
    bool other_whole;           /* and whether these are all its slots */
    uint16_t pkcol[PL_MAX_KEY]; /* column (from first) of each key part */
    int discriminator;          /* column of polymorphic_on, -1 when there is none */
    int map, meta;
    int existing; /* populate_existing: set of the instances read anew so far; else 0 */
    plua_writer writer;
    bool partial;  /* some slots are not among the columns */
    bool family;   /* some columns are of mappers below */
    bool detached; /* make instances that belong to no session */
    bool events;   /* somebody listens to loads */
    bool single;   /* option: lazy loads of these one by one */
    bool made;     /* the instance of the last row is new */
} plua_maker;

enum { PLUA_MAKER_STACK = 4 };

/*
** Prepares a maker for the columns of an ENTITY node; the slot table is put in memory on
** the stack. [-0, +PLUA_MAKER_STACK + 1, m]
*/
void plua_maker_begin(lua_State *L, plua_maker *k, plua_session *s, const pl_node *entity,
                      int first);

/* Pushes the instance of a row (nil when its key is NULL): the known one or a new one.
** [-0, +1, m] */
pl_object *plua_make(lua_State *L, plua_maker *k, const pl_slot *columns);

#endif
