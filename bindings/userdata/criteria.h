/* SPDX-License-Identifier: MIT */
/*
** criteria.h - with_loader_criteria: conditions for every row of a model in a query.
**
** The condition of an option is put where the model is read: into WHERE for what the
** query selects or reads from, into ON for what it joins. Loaders read the same
** options.
*/
#ifndef PLUA_CRITERIA_H
#define PLUA_CRITERIA_H

#include "userdata/from.h"
#include "userdata/option.h"

/* Replaces the query on top of the stack by one in which what it reads and joins so far
** meets the options of `path`. [-1, +1, v] */
void plua_apply_criteria(lua_State *L, const plua_option *path);

/* The ON condition `on` with what the options of a statement say of the target, in the
** arena; `on` itself when they say nothing. */
pl_node *plua_join_criteria(lua_State *L, pl_arena *a, const pl_node *stmt, pl_node *on,
                            const plua_from *target);

/* The condition of an option for rows of a mapper that are read from a source. [-0, +0,
 * m]
 */
pl_node *plua_option_criterion(lua_State *L, pl_arena *a, const plua_option *o,
                               const pl_mapper *m, pl_node *source);

/* Whether a statement has such options. */
bool plua_has_criteria(const pl_node *stmt);

#endif
