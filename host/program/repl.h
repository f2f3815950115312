/* SPDX-License-Identifier: MIT */
/*
 * The interactive loop: prompt, read, run, print, until the end of input.
 */
#ifndef PROGRAM_REPL_H
#define PROGRAM_REPL_H

#include <lua.h>

/* Errors are printed and end the line that raised them, not the loop. Clears the stack.
 * [-all, +0, m] */
void program_interact(lua_State *L);

#endif
