/* SPDX-License-Identifier: MIT */
/*
** dynamic.h - relationships that are queried, not loaded: see dynamic.c.
*/
#ifndef PLUA_DYNAMIC_H
#define PLUA_DYNAMIC_H

#include "userdata/glue.h"

int plua_open_dynamic(lua_State *L);

#endif
