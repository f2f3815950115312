/* SPDX-License-Identifier: MIT */
/*
** merge.h - what lua/perilune/merge.lua does to objects that scripts cannot.
*/
#ifndef PLUA_MERGE_H
#define PLUA_MERGE_H

#include "userdata/session.h"

/* Pushes the functions, for our own Lua files. */
int plua_open_merge(lua_State *L);

#endif
