/* SPDX-License-Identifier: MIT */
/*
 * restrain.h - limits and functions of SQLite for a connection in a sandbox.
 *
 * A restraint goes with its connection. That of a handle which belongs to the program is
 * taken back when the host ends: the list that it is in then still has it.
 */
#ifndef EMBED_RESTRAIN_H
#define EMBED_RESTRAIN_H

#include <stdbool.h>

#include "guard.h"

struct sqlite3;
typedef struct restraint restraint;

/* Restrains a connection; with a limit of time, which the guard has, more. list is that
 * of shared handles, or NULL. 0, or the database's code. */
int restrain(struct sqlite3 *db, guard *g, restraint **list);

/* Whether a handle is in a list. */
bool restrain_has(const restraint *list, const struct sqlite3 *db);

/* Before a statement of that many bytes, where there is a limit of time: between two
 * looks at it a statement may run through all of its text, and each part may work on a
 * value as large as values get. */
void restrain_values(struct sqlite3 *db, size_t text);

/* Gives the first handle of a list back as it was, and takes it out; NULL when there is
 * none. */
struct sqlite3 *restrain_end(restraint **list);

#endif
