/* SPDX-License-Identifier: MIT */
/*
** stmt.c - statements of a connection: prepare, bind, step, release; see conn.h.
**
** A released statement goes back into the cache when it is worth keeping, else it is
** finalized. Bound slots are remembered (not their bytes) for errors and the trace hook.
** Errors get the text and parameters of the statement here. A statement whose connection
** was closed answers everything with "connection is closed".
*/
#include "core/driver/conn_state.h"

#include "core/base/map.h"

#include <stddef.h>
#include <strings.h>

pl_code pl_fail_closed(pl_error *err) {
    return pl_fail(err, PL_ERESOURCECLOSED, "connection is closed");
}

/* ---- errors ---- */

static pl_code blame(const pl_stmt *s, pl_error *err) {
    if (err->code == PL_ENOMEM)
        return err->code;
    if (!err->sql)
        err->sql = pl_error_text(err, s->sql);
    if (!err->params && s->nparams > 0)
        err->params = pl_params_text(s->params, (size_t)s->nparams, &err->texts);
    return err->code;
}

/* ---- prepare ---- */

/* Blanks, comments and semicolons; what is left at the end is another statement. */
static const char *skip_idle(const char *p, const char *end) {
    while (p < end) {
        if (strchr(" \t\r\n\f;", *p) && *p) {
            p++;
        } else if (end - p > 1 && p[0] == '-' && p[1] == '-') {
            const char *line = memchr(p, '\n', (size_t)(end - p));
            p = line ? line + 1 : end;
        } else if (end - p > 1 && p[0] == '/' && p[1] == '*') {
            for (p += 2; p < end && !(p[0] == '*' && p + 1 < end && p[1] == '/');)
                p++;
            p = p < end ? p + 2 : end;
        } else {
            break;
        }
    }
    return p;
}

static void fail_text(const char *sql, size_t len, const char *message, pl_error *err) {
    pl_fail(err, PL_EPROGRAMMING, "%s", message);
    err->sql = pl_arena_copy(&err->texts, sql, len);
}

static pl_code fail_prepare(const char *sql, size_t len, pl_error *err) {
    if (err->code != PL_ENOMEM && !err->sql)
        err->sql = pl_arena_copy(&err->texts, sql, len);
    return err->code;
}

/* Whether the number of changed rows is this statement's, not an earlier one's. */
static bool counts_rows(const char *sql) {
    static const char *const verbs[] = {"insert", "update", "delete", "replace", "with"};
    const char *p = skip_idle(sql, sql + strlen(sql));
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strncasecmp(p, verbs[i], strlen(verbs[i])) == 0)
            return true;
    return false;
}

/* Makes a statement around a driver's; on failure the driver's is finalized. */
static pl_code wrap(pl_conn *c, void *handle, const char *sql, size_t len, pl_stmt **out,
                    pl_error *err) {
    int nparams = c->driver->parameter_count(handle);
    size_t params = offsetof(pl_stmt, params) + (size_t)nparams * sizeof(pl_slot);
    size_t room = nparams <= PL_STMT_ROOMS ? (size_t)nparams * PL_STMT_ROOM : 0;
    size_t text = params + room;
    pl_stmt *s = pl_new(&c->alloc, text + len + 1);
    if (!s) {
        c->driver->finalize(handle);
        return pl_nomem(err);
    }
    memset(s, 0, text);
    char *copy = (char *)s + text;
    memcpy(copy, sql, len);
    copy[len] = '\0';
    s->conn = c;
    s->handle = handle;
    s->sql = copy;
    s->len = len;
    s->size = text + len + 1;
    s->nparams = nparams;
    s->room = room ? (char *)s + params : NULL;
    s->readonly = c->driver->readonly(handle);
    s->counts = !s->readonly && counts_rows(copy);
    *out = s;
    return PL_OK;
}

bool pl_conn_goes_on(pl_conn *c, pl_error *err) {
    if (c->internal || !c->hooks.poll || !c->hooks.poll(c->hooks.ud))
        return true;
    pl_fail(err, PL_EINTERRUPT, "interrupted");
    return false;
}

static bool may_prepare(pl_conn *c, const char *sql, size_t len, bool again,
                        pl_error *err) {
    if (!pl_conn_goes_on(c, err))
        return false;
    if (c->internal || !c->hooks.compiling)
        return true;
    void *handle = c->driver->handle(c->db);
    const char *why = c->hooks.compiling(c->hooks.ud, handle, sql, len, again);
    if (why)
        pl_fail(err, PL_EPERMISSION, "%s", why);
    return !why;
}

/* Prepares the first statement of the text: *used gets its bytes, *out is NULL when there
 * is none. `whole`: the statement is known by all of the text. */
static pl_code prepare_first(pl_conn *c, const char *sql, size_t len, bool whole,
                             size_t *used, pl_stmt **out, pl_error *err) {
    void *handle;
    *out = NULL;
    if (c->driver->prepare(c->db, sql, len, whole, &handle, used, err) != PL_OK) {
        (void)fail_prepare(sql, len, err);
        if (c->hooks.failed && err->sql)
            c->hooks.failed(c->hooks.ud, err->sql, NULL, 0, err);
        return err->code;
    }
    c->stats.prepared++;
    if (!handle)
        return PL_OK;
    return wrap(c, handle, sql, whole ? len : *used, out, err);
}

static void check_out(pl_conn *c, pl_stmt *s) {
    pl_link_insert(&c->open, &s->link);
    c->nopen++;
    c->refs++;
}

/* The one statement of the text, or NULL. */
static pl_stmt *prepare_only(pl_conn *c, const char *sql, size_t len, pl_error *err) {
    size_t used;
    pl_stmt *s = NULL;
    if (memchr(sql, 0, len))
        fail_text(sql, strlen(sql), "the SQL text contains a zero byte", err);
    else if (prepare_first(c, sql, len, true, &used, &s, err) != PL_OK)
        return NULL;
    else if (!s)
        fail_text(sql, len, "there is no statement in the SQL text", err);
    else if (skip_idle(sql + used, sql + len) == sql + len)
        return s;
    else
        fail_text(sql, len, "You can only execute one statement at a time.", err);
    if (s)
        pl_stmt_free(s);
    return NULL;
}

pl_code pl_conn_prepare(pl_conn *c, const char *sql, size_t len, bool keep, pl_stmt **out,
                        pl_error *err) {
    *out = NULL;
    if (!c->db)
        return pl_fail_closed(err);
    uint64_t hash = pl_hash(sql, len);
    pl_stmt *s = pl_stmt_cache_take(&c->cache, sql, len, hash);
    if (!may_prepare(c, sql, len, s != NULL, err)) {
        if (s)
            (void)pl_stmt_cache_put(&c->cache, s);
        return fail_prepare(sql, len, err);
    }
    if (s)
        c->stats.hits++;
    else if (!(s = prepare_only(c, sql, len, err)))
        return err->code;
    s->hash = hash;
    s->keep = keep || s->keep;
    check_out(c, s);
    *out = s;
    return PL_OK;
}

/* ---- release ---- */

static pl_code tell_trace(pl_stmt *s, pl_error *err) {
    pl_conn *c = s->conn;
    if (!c->hooks.trace)
        return PL_OK;
    int64_t changes = s->counts ? c->driver->changes(c->db) : 0;
    return c->hooks.trace(c->hooks.ud, s->sql, s->params, (size_t)s->nparams, s->ms,
                          changes, err);
}

static int64_t total_changes(const pl_conn *c) {
    return c->driver->total_changes(c->db);
}

/* Notes whether the statement that has ended changed rows by more than itself. */
static void note_aftermath(pl_conn *c, const pl_stmt *s) {
    if (s->counts && total_changes(c) - c->total != c->driver->changes(c->db))
        c->aftermaths++;
}

/* Ends a run that was given up between two rows. */
static void stop_running(pl_stmt *s) {
    s->state = PL_STMT_ENDED;
    s->conn->nrunning--;
    (void)tell_trace(s, NULL);
}

static void unbind(pl_stmt *s) {
    s->conn->driver->unbind(s->handle);
    memset(s->params, 0, (size_t)s->nparams * sizeof *s->params);
    s->bytes = false;
}

void pl_stmt_reset(pl_stmt *s) {
    if (!s->handle)
        return;
    if (s->state != PL_STMT_READY) {
        bool stopped = s->state == PL_STMT_RUNNING;
        if (stopped)
            stop_running(s);
        s->conn->driver->reset(s->handle);
        if (stopped)
            note_aftermath(s->conn, s);
        s->state = PL_STMT_READY;
        s->starved = false;
        s->ms = 0;
    }
    if (s->bytes)
        unbind(s);
}

void pl_stmt_free(pl_stmt *s) {
    pl_alloc alloc = s->conn->alloc;
    if (s->handle)
        s->conn->driver->finalize(s->handle);
    pl_free(&alloc, s, s->size);
}

void pl_stmt_close(pl_stmt *s) {
    if (s->state == PL_STMT_RUNNING)
        stop_running(s);
    s->conn->driver->finalize(s->handle);
    s->handle = NULL;
    pl_link_remove(&s->link);
    s->conn->nopen--;
}

void pl_stmt_release(pl_stmt *s) {
    if (!s)
        return;
    pl_conn *c = s->conn;
    pl_stmt *out = s;
    if (s->handle) {
        pl_stmt_reset(s);
        pl_link_remove(&s->link);
        c->nopen--;
        if (s->keep) {
            out = pl_stmt_cache_put(&c->cache, s);
            c->stats.evicted += out != NULL;
        }
    }
    if (out)
        pl_stmt_free(out);
    pl_conn_unref(c);
}

/* ---- bind ---- */

static pl_code fail_count(const pl_stmt *s, size_t given, pl_error *err) {
    pl_fail(err, PL_EPROGRAMMING,
            "Incorrect number of bindings supplied. The current statement uses %d, and "
            "there are %zu supplied.",
            s->nparams, given);
    return blame(s, err);
}

/* Whether the parameter has the value already; what points to the caller never has. */
static bool is_bound(const pl_stmt *s, const pl_slot *param, const pl_slot *value) {
    if (param->tag == PL_UNSET || param->tag == PL_BLOB || param->tag == PL_EXPR)
        return false;
    return (param->tag != PL_TEXT || !s->bytes) && pl_slot_same(param, value);
}

/* A short text goes into the statement's own room; anything else is taken as it is. */
static pl_slot take(pl_stmt *s, int index, const pl_slot *value) {
    pl_slot taken = *value;
    if (value->tag == PL_TEXT && value->len <= PL_STMT_ROOM && s->room) {
        char *room = s->room + (size_t)(index - 1) * PL_STMT_ROOM;
        if (value->len > 0)
            memcpy(room, value->v.s, value->len);
        taken.v.s = room;
    } else {
        s->bytes |= value->tag >= PL_TEXT;
    }
    return taken;
}

static pl_code bind_one(pl_stmt *s, int index, const pl_slot *value, pl_error *err) {
    pl_conn *c = s->conn;
    pl_slot *param = &s->params[index - 1];
    if (is_bound(s, param, value))
        return PL_OK;
    *param = take(s, index, value);
    if (c->driver->bind(c->db, s->handle, index, param, err) == PL_OK)
        return PL_OK;
    *param = (pl_slot){.tag = PL_UNSET};
    return blame(s, err);
}

pl_code pl_stmt_bind(pl_stmt *s, int index, const pl_slot *value, pl_error *err) {
    if (!s->handle)
        return pl_fail_closed(err);
    if (s->state != PL_STMT_READY)
        pl_stmt_reset(s);
    if (index < 1 || index > s->nparams)
        return fail_count(s, index < 0 ? 0 : (size_t)index, err);
    return bind_one(s, index, value, err);
}

pl_code pl_stmt_bind_all(pl_stmt *s, const pl_slot *values, size_t n, pl_error *err) {
    if (!s->handle)
        return pl_fail_closed(err);
    if (s->state != PL_STMT_READY)
        pl_stmt_reset(s);
    if (n != (size_t)s->nparams)
        return fail_count(s, n, err);
    for (int i = 0; i < s->nparams; i++)
        if (bind_one(s, i + 1, &values[i], err) != PL_OK)
            return err->code;
    return PL_OK;
}

const pl_slot *pl_stmt_bound(const pl_stmt *s, size_t *n) {
    *n = (size_t)s->nparams;
    return s->params;
}

/* ---- step ---- */

/* Before the first step of a run; false when it may not begin. */
static bool begin_run(pl_stmt *s, pl_error *err) {
    pl_conn *c = s->conn;
    if (!pl_conn_goes_on(c, err)) {
        blame(s, err);
        return false;
    }
    if (c->hooks.before) {
        size_t n = (size_t)s->nparams;
        if (c->hooks.before(c->hooks.ud, s->sql, s->params, n, err) != PL_OK)
            return false;
        if (!s->handle)
            return pl_fail_closed(err) == PL_OK;
    }
    if (c->hooks.begun && !c->internal)
        c->hooks.begun(c->hooks.ud);
    c->stats.executed++;
    c->tx.touched = true;
    if (s->counts)
        c->total = total_changes(c);
    /* An interrupt means what runs now, not what comes later. */
    if (c->nrunning == 0 && atomic_load_explicit(&c->interrupted, memory_order_relaxed))
        atomic_store_explicit(&c->interrupted, false, memory_order_relaxed);
    return true;
}

static void note_write(pl_conn *c, const pl_stmt *s) {
    if (s->readonly)
        return;
    c->writes++;
    c->tx.written = true;
}

static pl_step end_run(pl_stmt *s, bool first, bool had_read, pl_step step,
                       pl_error *err) {
    pl_conn *c = s->conn;
    s->state = PL_STMT_ENDED;
    if (!first)
        c->nrunning--;
    else if (step == PL_STEP_DONE)
        note_write(c, s);
    if (step == PL_STEP_DONE)
        note_aftermath(c, s);
    if (step == PL_STEP_ERROR) {
        if (!s->readonly)
            pl_transaction_explain(c, had_read, err);
        blame(s, err);
    }
    if (step == PL_STEP_ERROR && c->hooks.failed)
        c->hooks.failed(c->hooks.ud, s->sql, s->params, (size_t)s->nparams, err);
    if (step == PL_STEP_ERROR)
        (void)tell_trace(s, NULL);
    else if (tell_trace(s, err) != PL_OK)
        return PL_STEP_ERROR;
    return step;
}

static pl_step timed_step(pl_stmt *s, pl_error *err) {
    double began = pl_clock_ms();
    pl_step step = s->conn->driver->step(s->conn->db, s->handle, err);
    s->ms += pl_clock_ms() - began;
    return step;
}

/* A statement that cannot be stepped: closed, ended, or short of memory before. */
static pl_step refuse_step(pl_stmt *s, pl_error *err) {
    if (!s->handle)
        pl_fail_closed(err);
    else if (s->starved)
        pl_nomem(err);
    else
        return PL_STEP_DONE;
    return PL_STEP_ERROR;
}

/* The row hook wants no more of them. */
static pl_step stop_at_row(pl_stmt *s, pl_error *err) {
    pl_stmt_reset(s);
    s->state = PL_STMT_ENDED;
    pl_fail(err, PL_EINTERRUPT, "interrupted");
    blame(s, err);
    return PL_STEP_ERROR;
}

pl_step pl_stmt_step(pl_stmt *s, pl_error *err) {
    pl_conn *c = s->conn;
    if (!s->handle || s->state == PL_STMT_ENDED || s->starved)
        return refuse_step(s, err);
    bool first = s->state == PL_STMT_READY;
    bool had_read = c->tx.touched;
    if (first && !begin_run(s, err))
        return PL_STEP_ERROR;
    pl_step step =
        c->hooks.trace ? timed_step(s, err) : c->driver->step(c->db, s->handle, err);
    if (step != PL_STEP_ROW)
        return end_run(s, first, had_read, step, err);
    if (first) {
        s->state = PL_STMT_RUNNING;
        c->nrunning++;
        note_write(c, s);
    }
    c->stats.rows++;
    if (c->hooks.row && c->hooks.row(c->hooks.ud))
        return stop_at_row(s, err);
    return PL_STEP_ROW;
}

pl_code pl_conn_exec(pl_conn *c, const char *sql, pl_error *err) {
    const char *end = sql + strlen(sql);
    size_t used = 0;
    if (!c->db)
        return pl_fail_closed(err);
    for (const char *p = skip_idle(sql, end); p < end; p = skip_idle(p + used, end)) {
        pl_stmt *s;
        if (!may_prepare(c, p, (size_t)(end - p), false, err))
            return fail_prepare(p, (size_t)(end - p), err);
        if (prepare_first(c, p, (size_t)(end - p), false, &used, &s, err) != PL_OK)
            return err->code;
        if (!s)
            break;
        check_out(c, s);
        while (pl_stmt_step(s, err) == PL_STEP_ROW)
            continue;
        pl_stmt_release(s);
        if (err->code != PL_OK || !c->db)
            break;
    }
    return err->code;
}

/* ---- columns and names ---- */

bool pl_stmt_columns(pl_stmt *s, int first, int n, pl_slot *out) {
    if (s->handle && s->state == PL_STMT_RUNNING &&
        s->conn->driver->columns(s->handle, first, n, out))
        return true;
    if (s->handle && s->state == PL_STMT_RUNNING)
        s->starved = true;
    else
        for (int i = 0; i < n; i++)
            out[i] = pl_slot_null();
    return false;
}

const char *pl_stmt_sql(const pl_stmt *s) {
    return s->sql;
}

int pl_stmt_column_count(pl_stmt *s) {
    return s->handle ? s->conn->driver->column_count(s->handle) : 0;
}

const char *pl_stmt_column_name(pl_stmt *s, int i) {
    return s->handle ? s->conn->driver->column_name(s->handle, i) : NULL;
}

const char *pl_stmt_column_decltype(pl_stmt *s, int i) {
    return s->handle ? s->conn->driver->column_decltype(s->handle, i) : NULL;
}

int pl_stmt_parameter_count(pl_stmt *s) {
    return s->nparams;
}

int pl_stmt_parameter_index(pl_stmt *s, const char *name) {
    return s->handle ? s->conn->driver->parameter_index(s->handle, name) : 0;
}

bool pl_stmt_readonly(pl_stmt *s) {
    return s->readonly;
}
