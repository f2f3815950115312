/* SPDX-License-Identifier: MIT */
/*
** related.h - queries that load a relationship for a list of objects. For loader.c.
*/
#ifndef PLUA_RELATED_H
#define PLUA_RELATED_H

#include "userdata/loader.h"

/* Loads a relationship (any direction) of all objects in the list at `parents`. */
void plua_load_lists(lua_State *L, plua_session *s, pl_relation *r, int parents);

/* Loads a MANY_TO_ONE that leads to the target's primary key: what the identity map has
 *is
 ** not read again. */
void plua_load_scalars(lua_State *L, plua_session *s, pl_relation *r, int parents);

#endif
