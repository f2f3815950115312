/* SPDX-License-Identifier: MIT */
/*
** predicate.c - conditions written as Lua functions. See predicate.h.
*/
#include "userdata/predicate.h"

pl_node *plua_predicate(lua_State *L, int idx, pl_mapper *m, pl_node *source) {
    (void)idx, (void)m, (void)source;
    plua_raise(L, PL_ENOTSUPPORTED, "a function is no condition");
}
