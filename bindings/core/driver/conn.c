/* SPDX-License-Identifier: MIT */
/*
** conn.c - see conn.h: opening, references, hooks, the shortcuts exec and scalar.
**
** The struct goes with its last reference, the database with pl_conn_close. Closing ends
** a transaction, finalizes cached and open statements, and leaves the latter as errors.
** Hooks are passed on to the driver with the connection in between, so that its own
** bookkeeping is not asked about and an interrupt from another thread needs no driver.
*/
#include "core/driver/conn_state.h"

#include <time.h>

/* ---- hooks ---- */

double pl_clock_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

void pl_conn_trace(pl_conn *c, const char *sql, double began) {
    if (c->hooks.trace)
        (void)c->hooks.trace(c->hooks.ud, sql, NULL, 0, pl_clock_ms() - began, -1, NULL);
}

static int on_poll(void *ud) {
    const pl_conn *c = ud;
    if (atomic_load_explicit(&c->interrupted, memory_order_relaxed))
        return 1;
    return c->hooks.poll ? c->hooks.poll(c->hooks.ud) : 0;
}

static int on_authorize(void *ud, void *handle, int action, const char *a, const char *b,
                        const char *db, const char *via) {
    const pl_conn *c = ud;
    if (c->internal)
        return 0;
    return c->hooks.authorize(c->hooks.ud, handle, action, a, b, db, via);
}

static void on_changed(void *ud, const pl_change *change) {
    const pl_conn *c = ud;
    c->hooks.changed(c->hooks.ud, change);
}

static int on_committing(void *ud) {
    const pl_conn *c = ud;
    return c->hooks.committing(c->hooks.ud);
}

static void on_rolled_back(void *ud) {
    const pl_conn *c = ud;
    c->hooks.rolled_back(c->hooks.ud);
}

static void pass_hooks(pl_conn *c) {
    pl_conn_hooks own = {
        .ud = c,
        .poll = on_poll,
        .authorize = c->hooks.authorize ? on_authorize : NULL,
        .changed = c->hooks.changed ? on_changed : NULL,
        .committing = c->hooks.committing ? on_committing : NULL,
        .rolled_back = c->hooks.rolled_back ? on_rolled_back : NULL,
    };
    c->driver->set_hooks(c->db, &own);
}

void pl_conn_set_hooks(pl_conn *c, const pl_conn_hooks *hooks) {
    pl_conn_hooks none = {.ud = NULL};
    /* A statement prepared unwatched may remove all rows of a table in one go. */
    bool watch = hooks && hooks->changed && !c->hooks.changed;
    c->hooks = hooks ? *hooks : none;
    if (!c->db)
        return;
    if (watch)
        pl_conn_clear_cache(c);
    pass_hooks(c);
}

void pl_conn_interrupt(pl_conn *c) {
    atomic_store_explicit(&c->interrupted, true, memory_order_relaxed);
}

/* ---- life ---- */

pl_code pl_conn_open(const pl_driver *driver, const pl_uri *uri, const char *path,
                     const pl_conn_options *options, pl_alloc alloc, pl_conn **out,
                     pl_error *err) {
    pl_conn_options defaults = pl_conn_options_default();
    const pl_conn_options *o = options ? options : &defaults;
    *out = NULL;
    pl_conn *c = pl_new(&alloc, sizeof *c);
    if (!c)
        return pl_nomem(err);
    memset(c, 0, sizeof *c);
    c->alloc = alloc;
    c->driver = driver;
    c->refs = 1;
    c->deferred = o->deferred;
    pl_stmt_cache_init(&c->cache);
    pl_link_init(&c->open);
    pl_code code = driver->open(uri, path, o, alloc, &c->db, err);
    if (code != PL_OK) {
        pl_free(&alloc, c, sizeof *c);
        return code;
    }
    pass_hooks(c);
    *out = c;
    return PL_OK;
}

pl_conn *pl_conn_ref(pl_conn *c) {
    c->refs++;
    return c;
}

void pl_conn_unref(pl_conn *c) {
    if (!c || --c->refs > 0)
        return;
    c->refs = 1; /* for the statements that closing may run */
    pl_conn_close(c);
    pl_alloc alloc = c->alloc;
    pl_free(&alloc, c, sizeof *c);
}

void pl_conn_clear_cache(pl_conn *c) {
    pl_stmt *s;
    while ((s = pl_stmt_cache_oldest(&c->cache)))
        pl_stmt_free(s);
}

void pl_conn_close(pl_conn *c) {
    if (!c->db)
        return;
    /* Statements first: one that runs could keep the transaction from ending. */
    while (c->open.next != &c->open)
        pl_stmt_close((pl_stmt *)c->open.next);
    pl_conn_clear_cache(c);
    pl_transaction_abandon(c);
    for (int i = 0; i < PL_CONTROL_COUNT; i++)
        if (c->control[i])
            c->driver->finalize(c->control[i]);
    void *db = c->db;
    c->db = NULL;
    c->driver->close(db);
    if (c->hooks.closed)
        c->hooks.closed(c->hooks.ud);
}

bool pl_conn_is_closed(const pl_conn *c) {
    return !c->db;
}

/* ---- what it knows ---- */

const pl_conn_stats *pl_conn_get_stats(const pl_conn *c) {
    return &c->stats;
}

const pl_driver *pl_conn_driver(const pl_conn *c) {
    return c->driver;
}

void *pl_conn_handle(pl_conn *c) {
    return c->db ? c->driver->handle(c->db) : NULL;
}

int pl_conn_open_statements(const pl_conn *c) {
    return c->nopen;
}

int64_t pl_conn_changes(pl_conn *c) {
    return c->db ? c->driver->changes(c->db) : 0;
}

int64_t pl_conn_last_id(pl_conn *c) {
    return c->db ? c->driver->last_id(c->db) : 0;
}

bool pl_conn_has_triggers(pl_conn *c, const char *table) {
    return c->db ? c->driver->has_triggers(c->db, table) : true;
}

bool pl_conn_is_dangling(const pl_conn *c) {
    return c->db && c->driver->dangling(c->db);
}

void pl_conn_trust_schema(pl_conn *c) {
    if (c->db)
        c->driver->trust_schema(c->db);
}

void pl_conn_be_strict(pl_conn *c, bool on) {
    c->strict = on;
}

int64_t pl_conn_data_version(pl_conn *c) {
    if (!c->db)
        return -1;
    if (c->tx.began || c->tx.joined)
        c->tx.touched = true;
    return c->driver->data_version(c->db);
}

bool pl_conn_is_deferred(const pl_conn *c) {
    return c->deferred;
}

uint64_t pl_conn_write_count(const pl_conn *c) {
    return c->writes;
}

uint64_t pl_conn_aftermath_count(const pl_conn *c) {
    return c->aftermaths;
}

pl_code pl_conn_function(pl_conn *c, const char *name, int nargs, bool deterministic,
                         pl_sqlfunc fn, void *ud, void (*destroy)(void *),
                         pl_error *err) {
    if (!c->db) {
        if (destroy)
            destroy(ud);
        return pl_fail_closed(err);
    }
    return c->driver->function(c->db, name, nargs, deterministic, fn, ud, destroy, err);
}

/* ---- shortcuts ---- */

static bool copy_bytes(pl_slot *v, pl_arena *arena) {
    if (v->tag == PL_TEXT || v->tag == PL_BLOB)
        v->v.s = pl_arena_copy(arena, v->v.s, v->len);
    return v->tag == PL_INT || v->tag == PL_REAL || v->tag == PL_NULL || v->v.s;
}

static pl_code first_value(pl_stmt *s, pl_arena *arena, pl_slot *out, pl_error *err) {
    switch (pl_stmt_step(s, err)) {
    case PL_STEP_ERROR: return err->code;
    case PL_STEP_DONE: return PL_OK;
    default: break;
    }
    if (pl_stmt_column_count(s) == 0)
        return PL_OK;
    bool ok = pl_stmt_columns(s, 0, 1, out) && copy_bytes(out, arena);
    return ok ? PL_OK : pl_nomem(err);
}

pl_code pl_conn_scalar(pl_conn *c, const char *sql, const pl_slot *params, size_t n,
                       pl_arena *arena, pl_slot *out, pl_error *err) {
    pl_stmt *s;
    pl_code code = pl_conn_prepare(c, sql, strlen(sql), true, &s, err);
    if (code == PL_OK)
        code = pl_stmt_bind_all(s, params, n, err);
    *out = pl_slot_null(); /* not before: it may be one of the parameters */
    if (code == PL_OK)
        code = first_value(s, arena, out, err);
    pl_stmt_release(s);
    return code;
}
