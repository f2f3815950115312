/* SPDX-License-Identifier: MIT */
/*
** eager.h - loading relationships with a query: what the models' `lazy` and the query's
** options ask for.
**
** `joined` and contains_eager read more columns of each row; all else is loaded by
** queries of its own when the rows are there. plan.c changes the statement, eager.c reads
** the rows.
*/
#ifndef PLUA_EAGER_H
#define PLUA_EAGER_H

#include "userdata/collection.h"
#include "userdata/level.h"
#include "userdata/materialize.h"

/* A relationship whose objects are in columns of the rows. */
typedef struct plua_joinload {
    struct plua_joinload *next; /* those above come before those below */
    struct plua_joinload *up;   /* NULL: a relationship of a selected entity, */
    int root;                   /* which is this one */
    pl_relation *relation;
    pl_node *entity, *source;
    const plua_level *level;
    int levelidx;
    plua_maker maker;
    int slots; /* stack: object of the row, list being filled, lists begun, objects */
    pl_object *current;
    pl_object *last; /* whose list is being filled */
    plua_collection *list;
} plua_joinload;

/* An entity of the select list. */
typedef struct plua_root {
    pl_node *entity;
    const plua_level *level;
    int levelidx;
    int objects; /* stack: objects met, when rows have several things; else 0 */
    bool later;  /* something is loaded when the rows are there */
} plua_root;

/* What is loaded with one run of a statement. Lives in the arena below it on the stack.
 */
typedef struct plua_eager {
    plua_session *s;
    pl_arena *arena;
    pl_node *own;        /* the statement without what is joined for loading */
    const pl_node *user; /* the statement as it was given */
    pl_node *run;        /* what to run */
    int nitems;
    plua_root *roots;
    int nroots;
    plua_joinload *joins, **lastjoin;
    int nlists; /* joined to-many relationships */
    uint32_t run_number;
    bool batched; /* the rows are read in several parts */
    int existing; /* of the makers: see materialize.h */
    int params;   /* stack: table of named parameters, or 0 */
} plua_eager;

/*
** What the statement at idx wants loaded with it; NULL, and nothing pushed, when there is
** nothing. `run` is to be run then, `own` has the items that its rows begin with.
** [-0, +n, v]
*/
plua_eager *plua_eager_prepare(lua_State *L, plua_session *s, int idx);

/* The same for a loader's statement in an arena, whose last item is the entity reached at
** the level at `level` (or nil there). [-0, +n, v] */
plua_eager *plua_eager_extend(lua_State *L, plua_session *s, pl_arena *a, pl_node *stmt,
                              int level);

/* Prepares for the columns behind the statement's own ones. [-0, +n, v] */
void plua_eager_begin(lua_State *L, plua_eager *e, plua_maker *makers, int nmakers,
                      int ncolumns);

/* A row was read; the object of its entity `root` is on top of the stack. [-0, +0, v] */
void plua_eager_row(lua_State *L, plua_eager *e, int root, const pl_slot *columns);

/* Whether rows of one entity may repeat (a joined list). */
static inline bool plua_eager_repeats(const plua_eager *e) {
    return e->nlists > 0;
}

/* Forgets the objects of the rows read so far: others follow. [-0, +0, m] */
void plua_eager_again(lua_State *L, plua_eager *e);

/* All rows are read: ends what was filled, and loads what comes by queries of its own,
** for the objects in the list at idx (rows of several things: those met). [-0, +0, v] */
void plua_eager_finish(lua_State *L, plua_eager *e, int idx);

/* Loads what a level's relationships want loaded at once, for the objects in the list at
** `list`. `with`: what has joined already, or NULL: nothing has. [-0, +0, v] */
void plua_load_eagerly(lua_State *L, plua_session *s, int list, int level,
                       const plua_eager *with);

#endif
