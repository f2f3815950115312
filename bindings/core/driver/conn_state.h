/* SPDX-License-Identifier: MIT */
/*
** conn_state.h - the structs behind conn.h, shared by conn.c, stmt.c, stmt_cache.c and
** transaction.c; nobody else includes it.
*/
#ifndef PL_CONN_STATE_H
#define PL_CONN_STATE_H

#include "core/driver/stmt_cache.h"

#include <stdatomic.h>

typedef enum pl_stmt_state {
    PL_STMT_READY,   /* reset */
    PL_STMT_RUNNING, /* gave a row */
    PL_STMT_ENDED    /* done or failed, not reset yet */
} pl_stmt_state;

/* Statements that the connection keeps for itself. */
typedef enum pl_control {
    PL_CONTROL_BEGIN, /* in the order of pl_begin_mode */
    PL_CONTROL_IMMEDIATE,
    PL_CONTROL_EXCLUSIVE,
    PL_CONTROL_COMMIT,
    PL_CONTROL_ROLLBACK,
    PL_CONTROL_COUNT
} pl_control;

/* Invariant: began or joined is only set between a successful begin and its end. */
typedef struct pl_transaction {
    bool began;         /* a BEGIN of ours */
    bool joined;        /* a savepoint of ours in a transaction of the handle's owner */
    bool touched;       /* a statement ran in it */
    bool written;       /* one of them was not read-only */
    pl_begin_mode mode; /* as asked; `locked` says what the database was told */
    bool locked;        /* begun IMMEDIATE or EXCLUSIVE */
    int depth;          /* open savepoints */
} pl_transaction;

/* Invariant: db is NULL exactly when the connection is closed. */
struct pl_conn {
    pl_alloc alloc;
    const pl_driver *driver;
    void *db;
    int refs;
    int nopen;    /* statements checked out */
    int nrunning; /* of these, in the middle of their rows */
    bool deferred;
    bool strict;   /* see pl_conn_be_strict */
    bool internal; /* a statement of the connection's own: hooks are not asked */
    atomic_bool interrupted;
    pl_conn_hooks hooks;
    pl_conn_stats stats;
    uint64_t writes, aftermaths;
    int64_t total; /* the driver's total_changes when the last write began */
    pl_transaction tx;
    pl_stmt_cache cache;
    pl_link open; /* statements checked out */
    void *control[PL_CONTROL_COUNT];
};

/*
** A short text is copied into the statement and stays bound after its release: binding
** the same value again is then nothing, which spares SQLite planning the statement anew
** (it does so whenever the pattern of a LIKE is bound).
*/
enum { PL_STMT_ROOM = 24, PL_STMT_ROOMS = 16 };

/*
** Invariant: handle is NULL exactly when the connection was closed under the statement.
** In the cache, a statement is in a bucket and in the ring of recent ones, and holds no
** reference; checked out, it is in the ring of open ones and holds one.
*/
struct pl_stmt {
    pl_link link; /* first: a link of a ring is its statement */
    pl_stmt *bucket_next;
    pl_conn *conn;
    void *handle;
    uint64_t hash;
    const char *sql;
    size_t len;
    size_t size; /* of this block */
    int nparams;
    uint8_t state;
    bool keep;
    bool readonly;
    bool counts;  /* changes rows, and says how many */
    bool bytes;   /* some parameter points to bytes of the caller's */
    bool starved; /* memory was short while columns were read */
    double ms;    /* spent so far in the present run, when traced */
    char *room;   /* PL_STMT_ROOM bytes for each parameter, NULL when there are many */
    pl_slot params[]; /* as bound; room and the text of the statement follow them */
};

/* stmt.c */
void pl_stmt_close(pl_stmt *s); /* finalizes, unlinks from the open ones */
void pl_stmt_free(pl_stmt *s);  /* a statement that is in no ring */
pl_code pl_fail_closed(pl_error *err);
/* Asks poll, unless a statement is the connection's own; false when it must not go on. */
bool pl_conn_goes_on(pl_conn *c, pl_error *err);
double pl_clock_ms(void);

/* conn.c */
void pl_conn_clear_cache(pl_conn *c);
/* Tells the trace hook of a statement that is no pl_stmt. */
void pl_conn_trace(pl_conn *c, const char *sql, double began);

/* transaction.c */
void pl_transaction_abandon(pl_conn *c); /* before the connection closes */
/* Turns a refused lock into PL_EUPGRADE when the transaction had read before. */
void pl_transaction_explain(const pl_conn *c, bool had_read, pl_error *err);

#endif
