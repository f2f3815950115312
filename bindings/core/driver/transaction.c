/* SPDX-License-Identifier: MIT */
/*
** transaction.c - begin, commit, rollback and savepoints of a connection; see conn.h.
**
** The database is always asked whether a transaction is open: an error (disk full, no
** memory, interrupt, ON CONFLICT ROLLBACK) may have ended it. In a transaction that the
** owner of an adopted handle began, ours is a savepoint. A deferred transaction that has
** read cannot wait for the write lock (SQLite refuses at once, since the other writer may
** be waiting for us); pl_transaction_explain gives that refusal a class of its own.
*/
#include "core/driver/conn_state.h"

#include <stdio.h>

static const char *const control_sql[PL_CONTROL_COUNT] = {
    [PL_CONTROL_BEGIN] = "BEGIN",
    [PL_CONTROL_IMMEDIATE] = "BEGIN IMMEDIATE",
    [PL_CONTROL_EXCLUSIVE] = "BEGIN EXCLUSIVE",
    [PL_CONTROL_COMMIT] = "COMMIT",
    [PL_CONTROL_ROLLBACK] = "ROLLBACK",
};

enum { NAME_SQL = 64 };

static bool is_open(const pl_conn *c) {
    return c->db && c->driver->in_transaction(c->db);
}

static bool is_ours(const pl_conn *c) {
    return c->tx.began || c->tx.joined;
}

static void forget(pl_conn *c) {
    memset(&c->tx, 0, sizeof c->tx);
}

static pl_code fail_lost(pl_error *err) {
    pl_fail(err, PL_EOPERATIONAL,
            "the transaction is gone: the database rolled it back after an error");
    return pl_hint(err, "call rollback and start again");
}

/* ---- running control statements ---- */

/* A control statement, prepared once and kept with the connection; NULL on failure. */
static void *get_control(pl_conn *c, pl_control which, pl_error *err) {
    const char *sql = control_sql[which];
    size_t used;
    void **at = &c->control[which];
    c->internal = true;
    if (!*at)
        (void)c->driver->prepare(c->db, sql, strlen(sql), true, at, &used, err);
    c->internal = false;
    return *at;
}

static pl_code step_control(pl_conn *c, void *handle, const char *sql, pl_error *err) {
    if (c->nrunning == 0)
        atomic_store_explicit(&c->interrupted, false, memory_order_relaxed);
    double began = c->hooks.trace ? pl_clock_ms() : 0;
    pl_step step = c->driver->step(c->db, handle, err);
    c->driver->reset(handle);
    pl_conn_trace(c, sql, began);
    if (step != PL_STEP_ERROR)
        return PL_OK;
    if (err->code != PL_ENOMEM && !err->sql)
        err->sql = pl_error_text(err, sql);
    return err->code;
}

static pl_code run_control(pl_conn *c, pl_control which, pl_error *err) {
    void *handle = get_control(c, which, err);
    if (!handle)
        return err->code;
    c->internal = true;
    pl_code code = step_control(c, handle, control_sql[which], err);
    c->internal = false;
    return code;
}

/* SAVEPOINT and the like, by depth. */
static pl_code run_named(pl_conn *c, const char *verb, int depth, pl_error *err) {
    char sql[NAME_SQL];
    int len = snprintf(sql, sizeof sql, "%s perilune_%d", verb, depth);
    bool touched = c->tx.touched;
    pl_stmt *s;
    c->internal = true;
    pl_code code = pl_conn_prepare(c, sql, (size_t)len, true, &s, err);
    if (code == PL_OK) {
        code = step_control(c, s->handle, sql, err);
        pl_stmt_release(s);
    }
    c->internal = false;
    c->tx.touched = touched;
    return code;
}

/* ---- begin ---- */

static pl_code begin_new(pl_conn *c, pl_begin_mode mode, pl_error *err) {
    /* What ends a transaction must not want memory when it is wanted. */
    if (!get_control(c, PL_CONTROL_ROLLBACK, err) ||
        run_control(c, (pl_control)(PL_CONTROL_BEGIN + (int)mode), err) != PL_OK)
        return err->code;
    c->tx = (pl_transaction){
        .began = true, .mode = mode, .locked = mode != PL_BEGIN_DEFERRED};
    return PL_OK;
}

/* Nothing was read or written yet, so starting again loses nothing. */
static pl_code begin_again(pl_conn *c, pl_begin_mode mode, pl_error *err) {
    pl_begin_mode before = c->tx.mode;
    if (run_control(c, PL_CONTROL_ROLLBACK, err) != PL_OK)
        return err->code;
    forget(c);
    if (begin_new(c, mode, err) == PL_OK)
        return PL_OK;
    pl_error second;
    pl_error_init(&second, c->alloc);
    (void)begin_new(c, before, &second);
    pl_error_clear(&second);
    return err->code;
}

static pl_code join_owner(pl_conn *c, pl_begin_mode mode, pl_error *err) {
    if (run_named(c, "SAVEPOINT", 0, err) != PL_OK)
        return err->code;
    c->tx = (pl_transaction){.joined = true, .mode = mode, .touched = true};
    return PL_OK;
}

pl_code pl_conn_begin(pl_conn *c, pl_begin_mode mode, pl_error *err) {
    if (!c->db)
        return pl_fail_closed(err);
    if (!is_open(c)) {
        if (is_ours(c) && c->tx.touched)
            return fail_lost(err);
        return begin_new(c, mode, err);
    }
    if (!is_ours(c))
        return join_owner(c, mode, err);
    if (mode <= c->tx.mode)
        return PL_OK;
    if (c->tx.began && !c->tx.touched && c->tx.depth == 0 && c->nrunning == 0)
        return begin_again(c, mode, err);
    c->tx.mode = mode;
    return PL_OK;
}

void pl_transaction_explain(const pl_conn *c, bool had_read, pl_error *err) {
    bool refused =
        err->code == PL_EUPGRADE || (err->code == PL_EBUSY && is_ours(c) && had_read &&
                                     !c->tx.written && !c->tx.locked);
    if (!refused)
        return;
    err->code = PL_EUPGRADE;
    const char *message = pl_error_text(
        err, "database is locked: this transaction has read, and another connection has "
             "written or is writing, so it cannot write any more");
    if (message)
        err->message = message;
    pl_hint(err, "roll back and begin with db.session:begin{mode = \"immediate\"}, which "
                 "waits for its turn before it reads");
}

/* ---- end ---- */

pl_code pl_conn_commit(pl_conn *c, pl_error *err) {
    if (!c->db)
        return pl_fail_closed(err);
    if (!is_ours(c))
        return PL_OK;
    if (!is_open(c)) {
        bool touched = c->tx.touched;
        forget(c);
        return touched ? fail_lost(err) : PL_OK;
    }
    if (!pl_conn_goes_on(c, err))
        return err->code;
    if (c->tx.joined && c->strict && c->driver->check_deferred(c->db, err) != PL_OK)
        return err->code;
    pl_code code = c->tx.joined ? run_named(c, "RELEASE", 0, err)
                                : run_control(c, PL_CONTROL_COMMIT, err);
    if (code == PL_OK || !is_open(c))
        forget(c);
    return code;
}

/* Back to where the owner's transaction stood when ours began. */
static pl_code leave_owner(pl_conn *c, pl_error *err) {
    if (run_named(c, "ROLLBACK TO", 0, err) != PL_OK)
        return err->code;
    return run_named(c, "RELEASE", 0, err);
}

pl_code pl_conn_rollback(pl_conn *c, pl_error *err) {
    if (!c->db || !is_ours(c))
        return PL_OK;
    pl_code code = PL_OK;
    if (is_open(c))
        code =
            c->tx.joined ? leave_owner(c, err) : run_control(c, PL_CONTROL_ROLLBACK, err);
    if (code == PL_OK || !is_open(c))
        forget(c);
    return code;
}

void pl_transaction_abandon(pl_conn *c) {
    pl_error err;
    pl_error_init(&err, c->alloc);
    (void)pl_conn_rollback(c, &err);
    pl_error_clear(&err);
    pl_conn_clear_cache(c);
    forget(c);
}

/* ---- savepoints ---- */

pl_code pl_conn_savepoint(pl_conn *c, int depth, pl_error *err) {
    if (!is_ours(c) && pl_conn_begin(c, PL_BEGIN_DEFERRED, err) != PL_OK)
        return err->code;
    if (!is_open(c))
        return c->db ? fail_lost(err) : pl_fail_closed(err);
    if (run_named(c, "SAVEPOINT", depth, err) == PL_OK)
        c->tx.depth = depth;
    return err->code;
}

/* Release and rollback_to need the transaction that the savepoint is in. */
static pl_code end_savepoint(pl_conn *c, const char *verb, int depth, pl_error *err) {
    if (!is_open(c))
        return c->db ? fail_lost(err) : pl_fail_closed(err);
    return run_named(c, verb, depth, err);
}

pl_code pl_conn_release(pl_conn *c, int depth, pl_error *err) {
    if (end_savepoint(c, "RELEASE", depth, err) == PL_OK)
        c->tx.depth = depth - 1;
    return err->code;
}

pl_code pl_conn_rollback_to(pl_conn *c, int depth, pl_error *err) {
    if (end_savepoint(c, "ROLLBACK TO", depth, err) != PL_OK)
        return err->code;
    return pl_conn_release(c, depth, err);
}

bool pl_conn_in_transaction(const pl_conn *c) {
    return is_ours(c) && is_open(c);
}

bool pl_conn_has_written(const pl_conn *c) {
    return is_ours(c) && c->tx.written;
}
