/* SPDX-License-Identifier: MIT */
/*
 * One line of input: with editing and history where the program is built with readline
 * and standard input is a terminal, plainly otherwise.
 */
#ifndef PROGRAM_LINE_H
#define PROGRAM_LINE_H

#include <lua.h>

/* Shows the prompt and pushes the line without its newline; pushes nothing and returns 0
 * at the end of input. [-0, +(0|1), m] */
int program_read_line(lua_State *L, const char *prompt);

/* Adds a chunk, of one or more lines, to the history of this session. */
void program_remember_line(const char *text);

#endif
