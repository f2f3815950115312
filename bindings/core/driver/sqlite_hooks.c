/* SPDX-License-Identifier: MIT */
/*
** sqlite_hooks.c - what SQLite calls back: waiting, stopping, watching, functions.
**
** Only callbacks that somebody asked for are installed, and each is taken out again
** before the struct it points to goes (also from an adopted handle). Waiting for a lock
** is fair: pauses grow to a few milliseconds and no further, with jitter, so that
** whoever has waited long asks as often as a newcomer. While waiting and every 100
** opcodes the poll hook may stop the statement.
*/
#include "core/driver/sqlite_db.h"

#include <time.h>

enum {
    PAUSE_FIRST = 100, /* microseconds */
    PAUSE_MOST = 4000,
    OPCODES_PER_POLL = 100,
    ARGS_MOST = 127
};

/* Not declared by sqlite3.h unless the program says so; absent from some builds. */
extern void *sqlite3_preupdate_hook(sqlite3 *,
                                    void (*)(void *, sqlite3 *, int, const char *,
                                             const char *, sqlite3_int64, sqlite3_int64),
                                    void *) __attribute__((weak));

/* ---- waiting ---- */

static int64_t now_us(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint64_t next_random(pl_sqlite *db) {
    db->random ^= db->random << 13;
    db->random ^= db->random >> 7;
    db->random ^= db->random << 17;
    return db->random;
}

/* Half to one and a half of a pause that doubles up to PAUSE_MOST. */
static int64_t pause_us(pl_sqlite *db, int count) {
    int64_t pause = count < 6 ? (int64_t)PAUSE_FIRST << count : PAUSE_MOST;
    return pause / 2 + (int64_t)(next_random(db) % (uint64_t)pause);
}

bool pl_sqlite_wait(pl_sqlite *db, int count) {
    int64_t now = now_us();
    if (count == 0)
        db->waiting_from = now;
    if (db->hooks.poll && db->hooks.poll(db->hooks.ud)) {
        db->stopped = true;
        return false;
    }
    int64_t left = db->waiting_from + (int64_t)db->busy_timeout * 1000 - now;
    if (left <= 0)
        return false;
    int64_t pause = pause_us(db, count);
    if (pause > left)
        pause = left;
    struct timespec t = {.tv_sec = 0, .tv_nsec = (long)pause * 1000};
    (void)nanosleep(&t, NULL);
    return true;
}

static int on_busy(void *p, int count) {
    return pl_sqlite_wait(p, count);
}

void pl_sqlite_set_busy(pl_sqlite *db, int timeout) {
    db->busy_timeout = timeout;
    (void)sqlite3_busy_handler(db->handle, on_busy, db);
    db->installed |= PL_ON_BUSY;
}

/* ---- hooks ---- */

static int on_progress(void *p) {
    pl_sqlite *db = p;
    return db->hooks.poll(db->hooks.ud);
}

static int on_authorize(void *p, int action, const char *a, const char *b,
                        const char *schema, const char *trigger) {
    pl_sqlite *db = p;
    if (db->internal)
        return SQLITE_OK;
    switch (
        db->hooks.authorize(db->hooks.ud, db->handle, action, a, b, schema, trigger)) {
    case 0: return SQLITE_OK;
    case 2: return SQLITE_IGNORE;
    default: return SQLITE_DENY;
    }
}

static void tell_change(pl_sqlite *db, int op, const char *table, int64_t rowid) {
    char letter = op == SQLITE_INSERT ? 'I' : op == SQLITE_UPDATE ? 'U' : 'D';
    pl_change change = {.op = letter, .table = table, .rowid = rowid};
    db->hooks.changed(db->hooks.ud, &change);
}

static void on_preupdate(void *p, sqlite3 *handle, int op, const char *schema,
                         const char *table, sqlite3_int64 before, sqlite3_int64 after) {
    (void)handle;
    (void)schema;
    tell_change(p, op, table, op == SQLITE_INSERT ? after : before);
}

static void on_update(void *p, int op, const char *schema, const char *table,
                      sqlite3_int64 rowid) {
    (void)schema;
    tell_change(p, op, table, rowid);
}

static int on_commit(void *p) {
    pl_sqlite *db = p;
    return db->hooks.committing ? db->hooks.committing(db->hooks.ud) : 0;
}

static void on_rollback(void *p) {
    pl_sqlite *db = p;
    db->hooks.rolled_back(db->hooks.ud);
}

/* preupdate also sees rows of WITHOUT ROWID tables and those that REPLACE or a DELETE of
 * the whole table removes. */
static void watch_changes(pl_sqlite *db, bool on) {
    if (sqlite3_preupdate_hook)
        (void)sqlite3_preupdate_hook(db->handle, on ? on_preupdate : NULL, db);
    else
        (void)sqlite3_update_hook(db->handle, on ? on_update : NULL, db);
}

static void install(pl_sqlite *db, unsigned bit, bool on) {
    switch (bit) {
    case PL_ON_BUSY:
        if (!on)
            (void)sqlite3_busy_timeout(db->handle, db->shared ? db->owner_timeout : 0);
        break;
    case PL_ON_PROGRESS:
        sqlite3_progress_handler(db->handle, OPCODES_PER_POLL, on ? on_progress : NULL,
                                 db);
        break;
    case PL_ON_AUTHORIZE:
        (void)sqlite3_set_authorizer(db->handle, on ? on_authorize : NULL, db);
        break;
    case PL_ON_CHANGED: watch_changes(db, on); break;
    case PL_ON_COMMIT:
        (void)sqlite3_commit_hook(db->handle, on ? on_commit : NULL, db);
        break;
    case PL_ON_ROLLBACK:
        (void)sqlite3_rollback_hook(db->handle, on ? on_rollback : NULL, db);
        break;
    default: break;
    }
}

/* Installs and takes out what differs from what is there. */
static void bring_to(pl_sqlite *db, unsigned wanted) {
    for (unsigned bit = PL_ON_BUSY; bit <= PL_ON_ROLLBACK; bit <<= 1)
        if ((db->installed ^ wanted) & bit)
            install(db, bit, (wanted & bit) != 0);
    db->installed = wanted;
}

/* A handle that may have several connections, each with an authorizer. */
static bool is_guarded(const pl_sqlite *db) {
    return db->shared && db->hooks.authorize;
}

/* SQLite tells whose commit hook it has, and no more: that stands for the others. Setting
 * the authorizer has every statement prepared again under it. */
void pl_sqlite_claim(pl_sqlite *db) {
    if (!is_guarded(db) || sqlite3_commit_hook(db->handle, on_commit, db) == db)
        return;
    unsigned wanted = db->installed;
    db->installed &= PL_ON_BUSY;
    bring_to(db, wanted);
}

void pl_sqlite_set_hooks(void *p, const pl_conn_hooks *hooks) {
    pl_sqlite *db = p;
    pl_conn_hooks none = {.ud = NULL};
    db->hooks = hooks ? *hooks : none;
    bring_to(db, (db->installed & PL_ON_BUSY) | (db->hooks.poll ? PL_ON_PROGRESS : 0u) |
                     (db->hooks.authorize ? PL_ON_AUTHORIZE : 0u) |
                     (db->hooks.changed ? PL_ON_CHANGED : 0u) |
                     (db->hooks.committing || is_guarded(db) ? PL_ON_COMMIT : 0u) |
                     (db->hooks.rolled_back ? PL_ON_ROLLBACK : 0u));
}

void pl_sqlite_unhook(pl_sqlite *db) {
    bring_to(db, 0);
}

/* ---- functions ---- */

/* Memory is SQLite's, which may give a function up after its connection was closed.
 * Invariant: in the list of `owner` as long as that is not NULL. */
struct pl_sqlite_function {
    pl_sqlite *owner;
    pl_sqlite_function *next;
    pl_sqlfunc fn;
    void *ud;
    void (*destroy)(void *);
    int nargs;
    char name[];
};

static pl_slot argument(sqlite3_value *v) {
    switch (sqlite3_value_type(v)) {
    case SQLITE_INTEGER: return pl_slot_int(sqlite3_value_int64(v));
    case SQLITE_FLOAT: return pl_slot_real(sqlite3_value_double(v));
    case SQLITE_TEXT: {
        const char *s = (const char *)sqlite3_value_text(v);
        return pl_slot_text(s ? s : "", s ? (size_t)sqlite3_value_bytes(v) : 0);
    }
    case SQLITE_BLOB: {
        const void *s = sqlite3_value_blob(v);
        return pl_slot_blob(s ? s : "", s ? (size_t)sqlite3_value_bytes(v) : 0);
    }
    default: return pl_slot_null();
    }
}

static void give_result(sqlite3_context *ctx, const pl_slot *r) {
    const char *bytes = r->tag >= PL_TEXT && r->v.s ? r->v.s : "";
    switch (r->tag) {
    case PL_INT: sqlite3_result_int64(ctx, r->v.i); break;
    case PL_REAL: sqlite3_result_double(ctx, r->v.r); break;
    case PL_TEXT:
        sqlite3_result_text64(ctx, bytes, r->len, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case PL_BLOB: sqlite3_result_blob64(ctx, bytes, r->len, SQLITE_TRANSIENT); break;
    default: sqlite3_result_null(ctx); break;
    }
}

static void call_function(sqlite3_context *ctx, int n, sqlite3_value **values) {
    const pl_sqlite_function *f = sqlite3_user_data(ctx);
    pl_slot args[ARGS_MOST];
    pl_slot result = pl_slot_null();
    const char *message = NULL;
    if (n > ARGS_MOST) {
        sqlite3_result_error(ctx, "too many arguments", -1);
        return;
    }
    for (int i = 0; i < n; i++)
        args[i] = argument(values[i]);
    if (f->fn(f->ud, args, n, &result, &message) == 0)
        give_result(ctx, &result);
    else if (message)
        sqlite3_result_error(ctx, message, -1);
    else
        sqlite3_result_error_nomem(ctx);
}

static int closed_function(void *ud, const pl_slot *args, int nargs, pl_slot *result,
                           const char **message) {
    (void)ud, (void)args, (void)nargs, (void)result;
    *message = "the connection that made this function is closed";
    return 1;
}

static void unlink_function(pl_sqlite_function *f) {
    if (!f->owner)
        return;
    pl_sqlite_function **at = &f->owner->functions;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    f->owner = NULL;
}

/* What the function stood for goes; the struct stays until SQLite gives it up. */
static void retire(pl_sqlite_function *f) {
    unlink_function(f);
    if (f->destroy)
        f->destroy(f->ud);
    f->destroy = NULL;
    f->fn = closed_function;
}

static void forget_function(void *p) {
    retire(p);
    sqlite3_free(p);
}

void pl_sqlite_drop_functions(pl_sqlite *db) {
    pl_sqlite_function *next;
    for (pl_sqlite_function *f = db->functions; f && db->shared; f = next) {
        next = f->next;
        (void)sqlite3_create_function_v2(db->handle, f->name, f->nargs, SQLITE_UTF8, NULL,
                                         NULL, NULL, NULL, NULL);
    }
    while (db->functions)
        retire(db->functions);
}

pl_code pl_sqlite_function_new(void *p, const char *name, int nargs, bool deterministic,
                               pl_sqlfunc fn, void *ud, void (*destroy)(void *),
                               pl_error *err) {
    pl_sqlite *db = p;
    size_t len = strlen(name) + 1;
    pl_sqlite_function *f = sqlite3_malloc64(sizeof *f + len);
    if (!f) {
        if (destroy)
            destroy(ud);
        return pl_nomem(err);
    }
    *f = (pl_sqlite_function){.owner = db, .next = db->functions, .fn = fn, .ud = ud};
    f->destroy = destroy;
    f->nargs = nargs;
    memcpy(f->name, name, len);
    db->functions = f;
    /* INNOCUOUS lets the schema use it although the schema is not trusted. */
    int flags = SQLITE_UTF8;
    if (deterministic)
        flags |= SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    int rc = sqlite3_create_function_v2(db->handle, name, nargs, flags, f, call_function,
                                        NULL, NULL, forget_function);
    return rc == SQLITE_OK ? PL_OK : pl_sqlite_fail(db, NULL, rc, err);
}
