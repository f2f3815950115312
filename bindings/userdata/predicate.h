/* SPDX-License-Identifier: MIT */
/*
** predicate.h - conditions written as Lua functions.
*/
#ifndef PLUA_PREDICATE_H
#define PLUA_PREDICATE_H

#include "core/unit/mapper.h"
#include "userdata/node.h"

/*
** Pushes the condition that the function at idx returns for a row of the mapper (source
** NULL: its plain table): where(function(u) return u.age > limit end). The function is
** never called; its source is read, its upvalues become bound parameters. What cannot be
** SQL raises at its very place. [-0, +1, v]
*/
pl_node *plua_predicate(lua_State *L, int idx, pl_mapper *m, pl_node *source);

#endif
