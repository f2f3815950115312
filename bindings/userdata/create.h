/* SPDX-License-Identifier: MIT */
/*
** create.h - functions create_all, drop_all, create_text of the core table.
*/
#ifndef PLUA_CREATE_H
#define PLUA_CREATE_H

#include "userdata/glue.h"

int plua_open_create(lua_State *L);

#endif
