/* SPDX-License-Identifier: MIT */
/*
 * rows.h - a rule on rows, as temporary objects of a connection.
 *
 * Rows that meet a condition are read through a view; triggers keep others from being
 * made, and pass over them in UPDATE and DELETE. The policy owns the names and decides
 * when; the objects go with the connection.
 */
#ifndef EMBED_ROWS_H
#define EMBED_ROWS_H

#include <stdbool.h>

struct sqlite3;

/* What begins the names of a rule: its view has this name. Also whether a name is that of
 * the view or of a trigger of the rule. */
bool rows_is_ours(const char *view, const char *name);

/* Makes the view over a table, which need not be there yet. 0, or the database's code. */
int rows_make_view(struct sqlite3 *db, const char *view, const char *table,
                   const char *condition);

/* Whether the table is there. */
bool rows_has_table(struct sqlite3 *db, const char *table);

/* Whether a table has no rows, or is not there. */
bool rows_is_empty(struct sqlite3 *db, const char *table);

/* Whether the triggers of a view's rule are there. A rollback may have taken them away
 * together with their table. */
bool rows_has_triggers(struct sqlite3 *db, const char *view);

/* Makes the triggers on a table that is there. */
int rows_make_triggers(struct sqlite3 *db, const char *view, const char *table,
                       const char *condition);

/* Takes view and triggers away. */
void rows_drop(struct sqlite3 *db, const char *view);

/* Whether a column belongs to the primary key of a table. */
bool rows_is_key(struct sqlite3 *db, const char *table, const char *column);

#endif
