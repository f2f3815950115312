/* SPDX-License-Identifier: MIT */
/*
** relattr.h - User.posts: a relationship as the class has it.
**
** User values: 1 the model or alias it was taken from, 2 the model or alias of of_type, 3
** the condition of and_.
*/
#ifndef PLUA_RELATTR_H
#define PLUA_RELATTR_H

#include "core/unit/mapper.h"
#include "userdata/node.h"

typedef struct plua_relattr {
    pl_relation *relation;
    pl_mapper *mapper;  /* of the model or alias it was taken from */
    pl_node *source;    /* alias it was taken from, NULL: the plain table */
    pl_mapper *of_type; /* or NULL */
    pl_node *of_source; /* or NULL */
    pl_node *criteria;  /* and_(...), or NULL */
} plua_relattr;

/* Pushes the class-level attribute of a relationship; `source` is the stack index of the
** alias's source node or 0, `owner` of the model or alias. [-0, +1, m] */
void plua_push_relation_attr(lua_State *L, pl_relation *r, int source, int owner);

/* The same with what is known of the owner. [-0, +1, m] */
void plua_push_relattr(lua_State *L, pl_relation *r, pl_mapper *m, pl_node *source,
                       int owner);

/* The relationship attribute at idx, or NULL. [-0, +0, -] */
plua_relattr *plua_test_relattr(lua_State *L, int idx);

int plua_open_relattr(lua_State *L);

#endif
