/* SPDX-License-Identifier: MIT */
/*
** history.h - the SQL that keeps every version of a table's rows.
**
** A versioned table t (t->history is its log) has triggers that write each change to the
** log: the values, what was done, from when until when they stood, and the transaction.
** The triggers use nothing but SQL, so they also record what other programs write. The
** table of transactions (md->history) holds an open row while one of ours is under way:
** its time and number are those of all changes in it. Without one a change has the time
** of its statement and no number.
*/
#ifndef PL_HISTORY_H
#define PL_HISTORY_H

#include "core/sql/dialect.h"

/* Columns that a log has in front of those of its table. */
#define PL_HISTORY_ID          "version_id"
#define PL_HISTORY_OPERATION   "version_operation"
#define PL_HISTORY_FROM        "version_from"
#define PL_HISTORY_UNTIL       "version_until"
#define PL_HISTORY_TRANSACTION "version_transaction"

enum { PL_HISTORY_TRIGGERS = 3 };

/* CREATE TRIGGER number `which` of a versioned table. */
pl_code pl_history_trigger(const pl_dialect *d, const pl_table *t, int which, pl_buf *out,
                           pl_error *err);

/* The name of that trigger, or NULL without memory. */
const char *pl_history_trigger_name(const pl_table *t, int which);

/* INSERT of a version for each row of a table that has none standing: what was there
** before its triggers were. */
pl_code pl_history_begin_text(const pl_dialect *d, const pl_table *t, pl_buf *out,
                              pl_error *err);

/* INSERT of the open row, unless there is one; parameters: time, actor, reason. */
void pl_history_open_text(const pl_dialect *d, const pl_metadata *md, pl_buf *out);

/* DELETE of the open row when no log mentions it. */
void pl_history_discard_text(const pl_dialect *d, const pl_metadata *md, pl_buf *out);

/* UPDATE of the open row to a closed one. */
void pl_history_close_text(const pl_dialect *d, const pl_metadata *md, pl_buf *out);

#endif
