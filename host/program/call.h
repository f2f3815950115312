/* SPDX-License-Identifier: MIT */
/*
 * Calling Lua from the program, and telling the user how it ended.
 */
#ifndef PROGRAM_CALL_H
#define PROGRAM_CALL_H

#include <lua.h>

/* Calls the function below its arguments as lua_pcall does, with a traceback added to
 * the error and ^C turned into the error "interrupted!". A second ^C ends the process.
 * [-(nargs + 1), +(nresults | 1), -] */
int program_call(lua_State *L, int nargs, int nresults);

/* Whether ^C was pressed in the call that runs and nobody has heard of it yet. May be
 * asked while the state is busy in C, in a database for example. */
int program_interrupted(void);

/* The script gets an error for it from elsewhere: it need not be raised again. */
void program_interrupt_raised(void);

/* Prints the error on top of the stack when status is one, and removes it. name goes
 * before the message; NULL for none. Returns status. [-(0|1), +0, -] */
int program_report(lua_State *L, const char *name, int status);

/* One line on standard error. */
void program_complain(const char *name, const char *message);

/* Has ^C stop the coroutine that runs, not the one that waits for it. [-0, +0, m] */
void program_note_coroutines(lua_State *L);

#endif
