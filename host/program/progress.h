/* SPDX-License-Identifier: MIT */
/*
 * What the program does while a database works: it looks whether ^C was pressed, and
 * tells on a terminal that a statement or a bulk insert takes long. Nothing is shown in
 * the first second, nor where standard error is no terminal.
 */
#ifndef PROGRAM_PROGRESS_H
#define PROGRAM_PROGRESS_H

#include <lua.h>

#include "pl_lua.h"

/* Puts the watch into the registry, where new databases find it. It must outlive the
 * state. [-0, +0, m] */
void program_watch(lua_State *L, pl_watch *watch);

/* Takes the line of progress away, if there is one. */
void program_progress_clear(void);

#endif
