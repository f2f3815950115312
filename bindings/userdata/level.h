/* SPDX-License-Identifier: MIT */
/*
** level.h - what a query's loader options say of the objects at one place of it.
**
** The entity that a query selects is a level; each relationship that is followed from it
** leads to the next one. A level is a userdata: the pages of the instances that were
** loaded at it keep it (page.h), so that a relationship which is touched later is loaded
** as the query said. User value 1 keeps the options alive, 2 the level above.
*/
#ifndef PLUA_LEVEL_H
#define PLUA_LEVEL_H

#include "userdata/option.h"

/* Invariant: steps[0 .. nown-1] speak of this level, the newest first; those behind are
** whole-query options (a wildcard, with_loader_criteria), which hold below as well. */
typedef struct plua_level {
    pl_mapper *mapper;
    pl_node *source; /* what its rows are read from, NULL: the plain table */
    const struct plua_level *up;
    uint32_t n, nown;
    const plua_option *steps[];
} plua_level;

/* Whether a model or one below it has a relationship that is eager by declaration. */
bool plua_loads_eagerly(const pl_mapper *m);

/* Whether a path says something of an entity of the query that it is an option of. */
bool plua_option_begins_at(const plua_option *o, const pl_mapper *m,
                           const pl_node *source);

/* Pushes the level of an entity of the statement `stmt`, which the value at `keep` keeps
** alive (0: no options); NULL and nil when a plain level would say the same.
** [-0, +1, m] */
plua_level *plua_push_level(lua_State *L, const pl_node *stmt, int keep, pl_mapper *m,
                            pl_node *source);

/* Pushes the level behind a relationship, from the level at idx or nil there; NULL and
** nil as above. [-0, +1, m] */
plua_level *plua_push_next_level(lua_State *L, int idx, const pl_relation *r,
                                 const plua_option *step);

/* Pushes the level that the instance at idx was loaded at, or nil. [-0, +1, m] */
plua_level *plua_push_level_of(lua_State *L, int idx, const pl_object *o);

/* The newest option that says how to load a relationship, or NULL. */
const plua_option *plua_level_step(const plua_level *v, const pl_relation *r);

/* How a relationship is loaded at a level (NULL: as declared), as PLUA_O_...; what is
** eager by declaration stops where a model comes again on the way down. */
plua_option_op plua_level_way(const plua_level *v, const pl_relation *r,
                              const plua_option **step);

/* The columns to load: `entity` itself, or a copy in the arena. [-0, +0, m] */
pl_node *plua_level_entity(lua_State *L, pl_arena *a, const plua_level *v,
                           pl_node *entity);

/* Whether options choose the columns that are loaded at a level (or NULL). */
bool plua_level_picks(const plua_level *v);

/* Whether a column is not to be loaded when it is read. */
bool plua_level_forbids(const plua_level *v, uint16_t slot);

/* What with_loader_criteria says of rows of a mapper, or NULL. [-0, +0, m] */
pl_node *plua_level_criteria(lua_State *L, pl_arena *a, const plua_level *v,
                             const pl_mapper *m, pl_node *source);

#endif
