/* SPDX-License-Identifier: MIT */
/*
** keyjoin.h - joins by foreign key.
*/
#ifndef PLUA_KEYJOIN_H
#define PLUA_KEYJOIN_H

#include "userdata/from.h"

/* Pushes the arena in which the ON for joining `right` to the query at 1 lives; raises
** when no foreign key, or more than one, connects them. [-0, +1, v] */
pl_node *plua_push_key_condition(lua_State *L, const plua_from *right);

/* The name of a FROM item for messages; may push it. [-0, +(0|1), m] */
const char *plua_from_name(lua_State *L, const plua_from *f);

#endif
