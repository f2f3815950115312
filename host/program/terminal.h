/* SPDX-License-Identifier: MIT */
/*
 * The terminal as Lua sees it: field `terminal` of the table PL_PROGRAM, for the shell
 * and for whatever prints tables. See terminal.c for its functions.
 */
#ifndef PROGRAM_TERMINAL_H
#define PROGRAM_TERMINAL_H

#include <lua.h>

/* Pushes a new table of the functions. [-0, +1, m] */
void program_open_terminal(lua_State *L);

#endif
