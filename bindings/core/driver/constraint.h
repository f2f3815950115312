/* SPDX-License-Identifier: MIT */
/*
** constraint.h - what a constraint failure of SQLite is about, read from its message.
*/
#ifndef PL_CONSTRAINT_H
#define PL_CONSTRAINT_H

#include "core/base/error.h"

/*
** Completes an error whose message is SQLite's: table and column of a UNIQUE, NOT NULL,
** PRIMARY KEY or type failure ("email", several joined by ", "), table and constraint of
** a CHECK or an index over expressions, a hint for a foreign key. sql is the
** statement that failed, or NULL.
*/
void pl_constraint_explain(pl_error *err, const char *sql);

#endif
