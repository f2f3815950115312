/* SPDX-License-Identifier: MIT */
/*
** hooks.h - what the connections of a db tell while statements run: the script's
** functions `before` and `trace`, the host's watch, the notes of changed rows
** (live.h).
*/
#ifndef PLUA_HOOKS_H
#define PLUA_HOOKS_H

#include "userdata/database.h"

/* Sets the hooks of a connection as its db wants them now; none that nobody wants. */
void plua_hooks_set(plua_engine *e, pl_conn *c);

/* Tells the script's function `connected` of a connection that was opened. */
pl_code plua_hooks_connected(plua_engine *e, pl_conn *c, pl_error *err);

/* Pushes a list of what is bound, NULL as db.null. [-0, +1, m] */
void plua_push_params(lua_State *L, const pl_slot *params, size_t n);

int plua_open_hooks(lua_State *L);

#endif
