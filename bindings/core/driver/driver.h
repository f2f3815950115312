/* SPDX-License-Identifier: MIT */
/*
** driver.h - what a database driver gives: a connection and statements.
**
** Only pl_conn (conn.h) calls a driver. A driver knows SQL text and slots, nothing of
** expressions or mappers. Functions return PL_OK or fill the error with the class, the
** database's code and, for constraint failures, table and column.
*/
#ifndef PL_DRIVER_H
#define PL_DRIVER_H

#include "core/base/error.h"
#include "core/base/slot.h"
#include "core/driver/uri.h"

typedef enum pl_step { PL_STEP_ROW, PL_STEP_DONE, PL_STEP_ERROR } pl_step;

typedef struct pl_pragma {
    const char *name;
    const char *value;
} pl_pragma;

enum { PL_BUSY_TIMEOUT = 5000 }; /* milliseconds */

/* What an open may be told. Start from pl_conn_options_default(). */
typedef struct pl_conn_options {
    int busy_timeout; /* milliseconds, 0 does not wait; -1 is the URI's `timeout` or
                       * PL_BUSY_TIMEOUT, and for an adopted handle its own setting */
    bool deferred;    /* plain BEGIN even when the session is going to write */
    bool readonly;    /* open and keep the database read-only */
    bool create;      /* create a missing file */
    const pl_pragma *pragmas; /* after, and instead of, the defaults */
    size_t npragmas;
    void *shared; /* an open sqlite3 * to use; closed by its owner, not by us. Its pragmas
                   * stay. Its busy timeout comes back on close; a busy or progress
                   * handler of the owner's own cannot be read, hence not restored. */
} pl_conn_options;

static inline pl_conn_options pl_conn_options_default(void) {
    return (pl_conn_options){.busy_timeout = -1, .create = true};
}

/* What a change hook is told of each row changed; rowid is 0 where a table has none. */
typedef struct pl_change {
    char op; /* 'I', 'U', 'D' */
    const char *table;
    int64_t rowid;
} pl_change;

/*
** Callbacks of a connection; each may be NULL. They run inside the driver: they must not
** raise, and may not use the connection. `poll` is asked now and then while a statement
** runs or waits, and before it is prepared and begins: not 0 stops it (PL_EINTERRUPT).
** `compiling` is asked before a text is prepared or, prepared before, is to run again;
** `authorize` while it is prepared, with the database's action code (SQLite's numbers)
*and names: 0 allow, 1 deny, 2 read as NULL.
** Neither is asked about the connection's own transaction control and bookkeeping.
*/
typedef struct pl_conn_hooks {
    void *ud;
    int (*poll)(void *ud);
    void (*begun)(void *ud); /* a statement of the user's is about to run */
    int (*row)(void *ud);    /* after each row; not 0 stops the statement likewise */
    void (*closed)(void *ud);
    /* NULL, or why this text is refused (PL_EPERMISSION). May use the database's own
     * handle. */
    const char *(*compiling)(void *ud, void *handle, const char *sql, size_t len,
                             bool again);
    int (*authorize)(void *ud, void *handle, int action, const char *a, const char *b,
                     const char *db,
                     const char *via); /* via: the view or trigger that asks, or NULL */
    void (*changed)(void *ud, const pl_change *change);
    int (*committing)(void *ud); /* not 0 turns the commit into a rollback */
    void (*rolled_back)(void *ud);
    /* a statement, its slots bound, before its first step: an error keeps it from
     * running. This hook may use the connection. */
    pl_code (*before)(void *ud, const char *sql, const pl_slot *params, size_t nparams,
                      pl_error *err);
    /* a statement that could not be compiled or failed; err says how */
    void (*failed)(void *ud, const char *sql, const pl_slot *params, size_t nparams,
                   pl_error *err);
    /* every statement after it ran or was given up: text, slots bound, milliseconds, rows
     * changed. BEGIN, COMMIT, ROLLBACK and savepoints come with changes = -1. An error
     * makes it fail, unless err is NULL: nobody is there to hear of one. */
    pl_code (*trace)(void *ud, const char *sql, const pl_slot *params, size_t nparams,
                     double ms, int64_t changes, pl_error *err);
} pl_conn_hooks;

/* A function that SQL may call. Arguments are borrowed; result bytes must stay valid
 * until the next call. */
typedef int (*pl_sqlfunc)(void *ud, const pl_slot *args, int nargs, pl_slot *result,
                          const char **message);

typedef struct pl_driver {
    const char *name;
    pl_code (*open)(const pl_uri *uri, const char *path, const pl_conn_options *o,
                    pl_alloc alloc, void **db, pl_error *err);
    void (*close)(void *db); /* safe with statements still open */
    pl_code (*prepare)(void *db, const char *sql, size_t len, bool keep, void **stmt,
                       size_t *used,
                       pl_error *err); /* used: bytes of the first statement */
    void (*finalize)(void *stmt);
    pl_code (*bind)(void *db, void *stmt, int index, const pl_slot *value, pl_error *err);
    pl_step (*step)(void *db, void *stmt, pl_error *err);
    /* Bytes valid until the next step. False when memory is short. */
    bool (*columns)(void *stmt, int first, int n, pl_slot *out);
    int (*column_count)(void *stmt);
    const char *(*column_name)(void *stmt, int i);
    const char *(*column_decltype)(void *stmt, int i);
    int (*parameter_count)(void *stmt);
    int (*parameter_index)(void *stmt, const char *name); /* 1-based, 0 when unknown */
    bool (*readonly)(void *stmt);
    void (*reset)(void *stmt);
    void (*unbind)(void *stmt);   /* forget the bindings of a statement that was reset */
    int64_t (*changes)(void *db); /* rows that the last statement changed itself */
    int64_t (*total_changes)(void *db); /* rows so far, triggers' and cascades' too */
    int64_t (*last_id)(void *db);
    bool (*in_transaction)(void *db);
    /* What a COMMIT would fail with now: a foreign key whose check was put off to it. */
    pl_code (*check_deferred)(void *db, pl_error *err);
    int64_t (*data_version)(void *db); /* changes when another connection wrote */
    void (*set_hooks)(void *db, const pl_conn_hooks *hooks);
    pl_code (*function)(void *db, const char *name, int nargs, bool deterministic,
                        pl_sqlfunc fn, void *ud, void (*destroy)(void *), pl_error *err);
    bool (*has_triggers)(void *db, const char *table);
    void (*trust_schema)(void *db); /* virtual tables may stand in triggers */
    bool (*dangling)(void *db);     /* a deferred foreign key leads nowhere as yet */
    void *(*handle)(void *db); /* what the database's own library calls a connection */
} pl_driver;

extern const pl_driver pl_driver_sqlite;

#endif
