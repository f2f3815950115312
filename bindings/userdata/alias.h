/* SPDX-License-Identifier: MIT */
/*
** alias.h - db.aliased(User): a model under another name.
**
** User values: 1 the model, 2 the attributes made so far (name -> expression), 3 the
** source's userdata, 4 the arena of `entity`, 5 of db.with_polymorphic: name of a model
** below -> its alias over the same source.
*/
#ifndef PLUA_ALIAS_H
#define PLUA_ALIAS_H

#include "core/unit/mapper.h"
#include "userdata/node.h"

typedef struct plua_alias {
    pl_mapper *mapper;
    pl_node *source; /* ALIAS, or the subquery or CTE that stands for the table */
    pl_node *entity; /* ENTITY over the source */
} plua_alias;

/* The alias at idx, or NULL. [-0, +0, -] */
plua_alias *plua_test_alias(lua_State *L, int idx);

/* Pushes an alias of the model at `model` over the source node at `source`. [-0, +1, v]
 */
plua_alias *plua_push_alias(lua_State *L, int model, int source);

int plua_open_alias(lua_State *L);

#endif
