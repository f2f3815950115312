/* SPDX-License-Identifier: MIT */
/*
 * What the program runs before it may go interactive: the environment's start-up code,
 * the -e, -l and -W options, the script.
 *
 * Each function reports its own errors with the name before them and returns the status
 * of lua_pcall. Stack effects are balanced.
 */
#ifndef PROGRAM_SCRIPT_H
#define PROGRAM_SCRIPT_H

#include <lua.h>

#include "options.h"

/* The global table arg: the script at 0, its arguments above, what comes before below. */
void program_set_arg(lua_State *L, int argc, char **argv, int script);

/* LUA_INIT_5_4, or else LUA_INIT: a statement, or @ and the name of a file. */
int program_run_environment(lua_State *L, const char *name);

/* -e, -l and -W, in order, up to the first that fails. */
int program_run_options(lua_State *L, const char *name, char **argv, int script);

/* The script argv[script] with what the global arg says its arguments are. */
int program_run_script(lua_State *L, const char *name, char **argv, int script);

/* Standard input as a file. */
int program_run_stdin(lua_State *L, const char *name);

/* The command argv[index] with the words after it, by the module perilune.commands.
 * *status becomes the exit status that it asks for. */
int program_run_command(lua_State *L, const char *name, int argc, char **argv, int index,
                        int *status);

/* The table PL_PROGRAM of pl_lua.h: made before anything runs, and its function leave
 * called when everything has run. */
void program_enter(lua_State *L, int argc, char **argv, const char *name,
                   const struct options *options);
int program_leave(lua_State *L, const char *name, int ok);

#endif
