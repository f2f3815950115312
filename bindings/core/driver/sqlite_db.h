/* SPDX-License-Identifier: MIT */
/*
** sqlite_db.h - what the files of the SQLite driver share; nobody else includes it.
**
** sqlite.c runs statements and tells errors, sqlite_open.c opens and sets pragmas,
** sqlite_hooks.c holds what SQLite calls back. A statement of the driver is the
** sqlite3_stmt itself.
*/
#ifndef PL_SQLITE_DB_H
#define PL_SQLITE_DB_H

#include "core/base/map.h"
#include "core/driver/driver.h"

#include <sqlite3.h>

/* Statements of the driver's own, prepared at first use. */
typedef enum pl_own {
    PL_OWN_DATA_VERSION,
    PL_OWN_SCHEMA_VERSION,
    PL_OWN_TEMP_VERSION,
    PL_OWN_TRIGGERS,
    PL_OWN_COUNT
} pl_own;

/* Callbacks that are installed in SQLite just now. */
enum {
    PL_ON_BUSY = 1,
    PL_ON_PROGRESS = 2,
    PL_ON_AUTHORIZE = 4,
    PL_ON_CHANGED = 8,
    PL_ON_COMMIT = 16,
    PL_ON_ROLLBACK = 32
};

typedef struct pl_sqlite_function pl_sqlite_function;

/* Invariant: a bit in `installed` says that SQLite holds a pointer to this struct. */
typedef struct pl_sqlite {
    pl_alloc alloc;
    sqlite3 *handle;
    sqlite3_stmt *own[PL_OWN_COUNT];
    pl_sqlite_function *functions; /* made on this connection */
    pl_conn_hooks hooks;
    unsigned installed;
    bool shared;          /* the handle belongs to somebody else */
    bool stopped;         /* poll asked to stop while waiting for a lock */
    bool internal;        /* a statement of the driver's own is being prepared */
    int busy_timeout;     /* milliseconds */
    int owner_timeout;    /* of an adopted handle, to be restored */
    int64_t waiting_from; /* monotonic microseconds, when the present wait began */
    uint64_t random;      /* state of the jitter */
    pl_map triggers;      /* table name -> HAS or HAS_NOT, of the schema versions below */
    int64_t versions[2];
} pl_sqlite;

/* Fills the error from SQLite's state and returns its class; stmt may be NULL. */
pl_code pl_sqlite_fail(pl_sqlite *db, sqlite3_stmt *stmt, int rc, pl_error *err);

/* sqlite_open.c: the driver's open and close. */
pl_code pl_sqlite_open(const pl_uri *uri, const char *path, const pl_conn_options *o,
                       pl_alloc alloc, void **out, pl_error *err);
void pl_sqlite_close(void *db);

/* sqlite_hooks.c */
void pl_sqlite_set_hooks(void *db, const pl_conn_hooks *hooks);
void pl_sqlite_set_busy(pl_sqlite *db, int timeout);
void pl_sqlite_unhook(pl_sqlite *db);
/* Before a statement is used: another connection of an adopted handle may have put its
 * hooks in the place of this one's, or taken them out. */
void pl_sqlite_claim(pl_sqlite *db);
/* Waits a moment, `count` times before; false when the time is over or poll says stop. */
bool pl_sqlite_wait(pl_sqlite *db, int count);
pl_code pl_sqlite_function_new(void *db, const char *name, int nargs, bool deterministic,
                               pl_sqlfunc fn, void *ud, void (*destroy)(void *),
                               pl_error *err);
/* Gives up all functions, so that none is called or destroyed after this. */
void pl_sqlite_drop_functions(pl_sqlite *db);

#endif
