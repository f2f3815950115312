/* SPDX-License-Identifier: MIT */
/*
** filter.h - conditions from a table of names and values.
*/
#ifndef PLUA_FILTER_H
#define PLUA_FILTER_H

#include "core/unit/mapper.h"
#include "userdata/node.h"

/* Whose attributes the names are: a mapper (with its source), or a plain table. */
typedef struct plua_names {
    pl_mapper *mapper;
    pl_table *table; /* when there is no mapper */
    pl_node *source; /* NULL: the plain table */
} plua_names;

/*
** Pushes a node of kind AND, or of WHERE over the statement at prev, with `name = value`
** for each entry of the table at idx, in order of the columns. Raises for an empty table
** and for names that are not there. [-0, +1, v]
*/
pl_node *plua_push_equalities(lua_State *L, pl_node_kind kind, int prev, int idx,
                              const plua_names *names, const char *method);

#endif
