/* SPDX-License-Identifier: MIT */
/*
 * One line of input: with editing, completion and history where the program is built with
 * readline and standard input is a terminal, plainly otherwise.
 */
#ifndef PROGRAM_LINE_H
#define PROGRAM_LINE_H

#include <lua.h>

/* Shows the prompt and pushes the line without its newline; pushes nothing and returns 0
 * at the end of input. [-0, +(0|1), m] */
int program_read_line(lua_State *L, const char *prompt);

/* The same for a shell: ^C throws the line away, which pushes nothing and returns -1, and
 * the function at index complete (0: none) is asked what the last word may become. It is
 * called with the line up to the cursor and returns a list. [-0, +(0|1), m] */
int program_read_line_completing(lua_State *L, const char *prompt, int complete);

/* Adds a chunk, of one or more lines, to the history of this session. */
void program_remember_line(const char *text);

/* The history in a file; only the last count chunks are kept there. 0 when it could not
 * be read or written. */
int program_load_history(const char *path);
int program_save_history(const char *path, int count);

#endif
