/* SPDX-License-Identifier: MIT */
/*
** conn.h - a connection: statements from a cache, one transaction, savepoints, hooks.
**
** A pl_conn is reference-counted because finalizers run in any order: the engine, each
** session and each open result hold one. pl_conn_close closes the database at once (open
** statements become errors, "connection is closed"); the struct goes with the last
** reference. A connection is used by one thread at a time; only pl_conn_interrupt may be
** called from another.
*/
#ifndef PL_CONN_H
#define PL_CONN_H

#include "core/driver/driver.h"

typedef struct pl_conn pl_conn;
typedef struct pl_stmt pl_stmt;

typedef enum pl_begin_mode {
    PL_BEGIN_DEFERRED,
    PL_BEGIN_IMMEDIATE,
    PL_BEGIN_EXCLUSIVE
} pl_begin_mode;

typedef struct pl_conn_stats {
    uint64_t prepared, hits, evicted, executed, rows;
} pl_conn_stats;

/* Opens; options NULL is the defaults; `path` is the database file after the caller's
 * rule for relative paths. */
pl_code pl_conn_open(const pl_driver *driver, const pl_uri *uri, const char *path,
                     const pl_conn_options *options, pl_alloc alloc, pl_conn **out,
                     pl_error *err);
pl_conn *pl_conn_ref(pl_conn *c);
void pl_conn_unref(pl_conn *c); /* NULL is a no-op; the last one closes */
void pl_conn_close(pl_conn *c);
bool pl_conn_is_closed(const pl_conn *c);
void pl_conn_interrupt(pl_conn *c);
void pl_conn_set_hooks(pl_conn *c, const pl_conn_hooks *hooks);
const pl_conn_stats *pl_conn_get_stats(const pl_conn *c);
const pl_driver *pl_conn_driver(const pl_conn *c);
void *pl_conn_handle(pl_conn *c);              /* the driver's own handle */
int pl_conn_open_statements(const pl_conn *c); /* checked out right now */

/*
** Statements. Checked out of the cache (or prepared), given back by pl_stmt_release,
** which resets them. `keep`: worth caching. A statement holds a reference to its
*connection.
** Text with more than one statement is refused (PL_EPROGRAMMING): see pl_conn_exec.
*/
pl_code pl_conn_prepare(pl_conn *c, const char *sql, size_t len, bool keep, pl_stmt **out,
                        pl_error *err);
void pl_stmt_release(pl_stmt *s);
/* Binds and steps; bytes of bound slots must stay valid until the reset or release.
 * Binding resets a statement that was stepped. Values without bytes of the caller's stay
 * bound until others are bound, so bind all parameters of a statement taken anew. After
 * PL_STEP_DONE a step is PL_STEP_DONE again. */
pl_code pl_stmt_bind(pl_stmt *s, int index, const pl_slot *value, pl_error *err);
pl_code pl_stmt_bind_all(pl_stmt *s, const pl_slot *values, size_t n, pl_error *err);
pl_step pl_stmt_step(pl_stmt *s, pl_error *err);
void pl_stmt_reset(pl_stmt *s); /* ready to be bound and stepped again */
/* Columns first .. first + n - 1 of the row; bytes valid until the next step, reset or
 * release. False when memory is short (the next step then fails with PL_ENOMEM). */
bool pl_stmt_columns(pl_stmt *s, int first, int n, pl_slot *out);
/* What is bound; bytes as they were given. */
const pl_slot *pl_stmt_bound(const pl_stmt *s, size_t *n);
const char *pl_stmt_sql(const pl_stmt *s);
int pl_stmt_column_count(pl_stmt *s);
const char *pl_stmt_column_name(pl_stmt *s, int i);
const char *pl_stmt_column_decltype(pl_stmt *s, int i);
int pl_stmt_parameter_count(pl_stmt *s);
int pl_stmt_parameter_index(pl_stmt *s, const char *name); /* ":id" */
bool pl_stmt_readonly(pl_stmt *s);
int64_t pl_conn_changes(pl_conn *c);
int64_t pl_conn_last_id(pl_conn *c);
/* Whether a table has triggers (true when in doubt); cached until the schema changes. */
bool pl_conn_has_triggers(pl_conn *c, const char *table);
/* Makes a function that SQL may call (nargs -1: any number). A deterministic one may also
 * stand in CHECK constraints and indexes. `destroy` is called with ud at the end, also
 * after a failure. */
pl_code pl_conn_function(pl_conn *c, const char *name, int nargs, bool deterministic,
                         pl_sqlfunc fn, void *ud, void (*destroy)(void *), pl_error *err);
/* Lets the schema's triggers write to virtual tables, as the index of a full-text search
 * needs; off for databases whose models have none. */
void pl_conn_trust_schema(pl_conn *c);

/* Whether rows of the transaction refer to rows that are not there: a COMMIT would fail.
 */
bool pl_conn_is_dangling(const pl_conn *c);

/* In a transaction of the owner's a commit checks what a COMMIT would, though the owner
 * may yet put it right. */
void pl_conn_be_strict(pl_conn *c, bool on);

/* Parameters as an error or a log shows them: ('a', 1, NULL), long ones abbreviated. NULL
 * when there are none or memory is short. */
char *pl_params_text(const pl_slot *params, size_t n, pl_arena *arena);

/* Runs one or more statements without results. */
pl_code pl_conn_exec(pl_conn *c, const char *sql, pl_error *err);
/* First column of the first row; PL_NULL when there is none. Text is copied to `arena`.
 */
pl_code pl_conn_scalar(pl_conn *c, const char *sql, const pl_slot *params, size_t n,
                       pl_arena *arena, pl_slot *out, pl_error *err);

/*
** Transaction. pl_conn_begin in a transaction of a weaker mode starts it again in the
** stronger one when nothing was read or written yet; otherwise it succeeds, and the first
** write asks for the lock: if the database refuses, that write fails with PL_EUPGRADE.
** Savepoints are numbered by depth, 1 the outermost. In a transaction that the owner of
** an adopted handle has begun, begin, commit and rollback are a savepoint's.
*/
pl_code pl_conn_begin(pl_conn *c, pl_begin_mode mode, pl_error *err);
/* On failure pl_conn_in_transaction tells whether it is still open (PL_EBUSY: try again).
 */
pl_code pl_conn_commit(pl_conn *c, pl_error *err);
/* Never fails for want of a transaction. */
pl_code pl_conn_rollback(pl_conn *c, pl_error *err);
pl_code pl_conn_savepoint(pl_conn *c, int depth, pl_error *err);
pl_code pl_conn_release(pl_conn *c, int depth, pl_error *err);
pl_code pl_conn_rollback_to(pl_conn *c, int depth, pl_error *err); /* and releases it */
bool pl_conn_in_transaction(const pl_conn *c);
bool pl_conn_has_written(const pl_conn *c); /* this transaction changed rows */
bool pl_conn_is_deferred(const pl_conn *c); /* options.deferred */
/* Another number when another connection wrote; -1 when it cannot be told. In a
 * transaction this is a read. */
int64_t pl_conn_data_version(pl_conn *c);
/* Statements so far that were not read-only. */
uint64_t pl_conn_write_count(const pl_conn *c);
/* How many of them made the database change rows besides, by triggers or by actions of
 * foreign keys. */
uint64_t pl_conn_aftermath_count(const pl_conn *c);

#endif
