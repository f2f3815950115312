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

typedef struct pl_conn_options {
    int busy_timeout;         /* milliseconds; default 5000 */
    bool deferred;            /* plain BEGIN even when the session is going to write */
    bool readonly;            /* open and keep the database read-only */
    bool create;              /* create a missing file (default true) */
    const pl_pragma *pragmas; /* after, and instead of, the defaults */
    size_t npragmas;
    void *shared; /* an open sqlite3 * to use; closed by its owner, not by us */
} pl_conn_options;

/* What a change hook is told of each row changed. */
typedef struct pl_change {
    char op; /* 'I', 'U', 'D' */
    const char *table;
    int64_t rowid;
} pl_change;

/*
** Callbacks of a connection; each may be NULL. They run inside the driver: they must not
** raise, and may not use the connection. `poll` is asked now and then while a statement
** runs or waits: not 0 stops it (PL_EINTERRUPT). `authorize` is asked at prepare time
*with the
** database's action code (SQLite's numbers) and names: 0 allow, 1 deny, 2 read as NULL.
*/
typedef struct pl_conn_hooks {
    void *ud;
    int (*poll)(void *ud);
    int (*authorize)(void *ud, int action, const char *a, const char *b, const char *db);
    void (*changed)(void *ud, const pl_change *change);
    int (*committing)(void *ud); /* not 0 turns the commit into a rollback */
    void (*rolled_back)(void *ud);
    /* every statement after it ran: text, slots bound, milliseconds, rows changed */
    void (*trace)(void *ud, const char *sql, const pl_slot *params, size_t nparams,
                  double ms, int64_t changes);
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
    void (*columns)(void *stmt, int first, int n,
                    pl_slot *out); /* bytes valid until next step */
    int (*column_count)(void *stmt);
    const char *(*column_name)(void *stmt, int i);
    const char *(*column_decltype)(void *stmt, int i);
    int (*parameter_count)(void *stmt);
    int (*parameter_index)(void *stmt, const char *name); /* 1-based, 0 when unknown */
    bool (*readonly)(void *stmt);
    void (*reset)(void *stmt); /* and forget the bindings */
    int64_t (*changes)(void *db);
    int64_t (*last_id)(void *db);
    bool (*in_transaction)(void *db);
    int64_t (*data_version)(void *db); /* changes when another connection wrote */
    void (*set_hooks)(void *db, const pl_conn_hooks *hooks);
    void (*interrupt)(void *db);
    pl_code (*function)(void *db, const char *name, int nargs, bool deterministic,
                        pl_sqlfunc fn, void *ud, void (*destroy)(void *), pl_error *err);
    bool (*has_triggers)(void *db, const char *table);
} pl_driver;

extern const pl_driver pl_driver_sqlite;

#endif
