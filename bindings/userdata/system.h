/* SPDX-License-Identifier: MIT */
/*
** system.h - functions of the core table about the operating system and the program:
** cwd, environ, file_kind, make_directory, program.
*/
#ifndef PLUA_SYSTEM_H
#define PLUA_SYSTEM_H

#include "userdata/glue.h"

int plua_open_system(lua_State *L);

#endif
