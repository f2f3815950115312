/* SPDX-License-Identifier: MIT */
/*
** t_sqlite_hooks.c - the SQLite driver: hooks, interruption, what is traced.
*/
#include "driver_fixture.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

typedef struct watcher {
    char log[2000];
    int polls, stop_after;
    int deny; /* action code that is denied, 0 none */
    int ignore;
    bool refuse_commit;
    int rollbacks;
    double ms;
} watcher;

static void note(watcher *w, const char *fmt, ...) {
    size_t n = strlen(w->log);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(w->log + n, sizeof w->log - n, fmt, ap);
    va_end(ap);
}

static int on_poll(void *ud) {
    watcher *w = ud;
    w->polls++;
    return w->stop_after > 0 && w->polls >= w->stop_after;
}

static int on_authorize(void *ud, void *handle, int action, const char *a, const char *b,
                        const char *db, const char *via) {
    const watcher *w = ud;
    (void)handle, (void)a, (void)b, (void)db, (void)via;
    return action == w->deny ? 1 : action == w->ignore ? 2 : 0;
}

static void on_changed(void *ud, const pl_change *change) {
    note(ud, "%c %s %d\n", change->op, change->table, (int)change->rowid);
}

static int on_committing(void *ud) {
    return ((watcher *)ud)->refuse_commit;
}

static void on_rolled_back(void *ud) {
    ((watcher *)ud)->rollbacks++;
}

static pl_code on_trace(void *ud, const char *sql, const pl_slot *params, size_t nparams,
                        double ms, int64_t changes, pl_error *err) {
    (void)err;
    watcher *w = ud;
    note(w, "%s [%d:%d] %d\n", sql, (int)nparams, nparams ? params[0].tag : 0,
         (int)changes);
    w->ms += ms;
    return PL_OK;
}

static const char forever[] =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM"
    " n) SELECT count(*) FROM n";

static void test_poll(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    watcher w = {.stop_after = 5};
    pl_conn_hooks hooks = {.ud = &w, .poll = on_poll};
    pl_conn_set_hooks(c, &hooks);
    FAILS(f, pl_conn_exec(c, forever, &f->err), PL_EINTERRUPT);
    assert_int_equal(w.polls, 5);
    w = (watcher){.stop_after = 0};
    exec(f, c, "SELECT 1"); /* before it is prepared, and before it begins */
    assert_int_equal(w.polls, 2);
    w.stop_after = 3;
    FAILS(f, pl_conn_exec(c, "SELECT 1", &f->err), PL_EINTERRUPT);
    assert_string_equal(f->err.sql, "SELECT 1");
    pl_conn_set_hooks(c, NULL);
    assert_int_equal(w.polls, 3);
}

static const char *on_compiling(void *ud, void *handle, const char *sql, size_t len,
                                bool again) {
    note(ud, "%.*s%s\n", (int)len, sql, again ? " again" : "");
    assert_non_null(handle);
    return strncmp(sql, "DELETE", 6) == 0 ? "not this" : NULL;
}

static void test_compiling(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    watcher w = {.stop_after = 0};
    pl_conn_hooks hooks = {.ud = &w, .compiling = on_compiling};
    pl_conn_set_hooks(c, &hooks);
    OK(f, pl_conn_begin(c, PL_BEGIN_DEFERRED, &f->err));
    OK(f, pl_conn_savepoint(c, 1, &f->err));
    exec(f, c, "SELECT 1;SELECT 2");
    FAILS(f, pl_conn_exec(c, "DELETE", &f->err), PL_EPERMISSION);
    assert_string_equal(f->err.message, "not this");
    assert_string_equal(w.log, "SELECT 1;SELECT 2\nSELECT 2\nDELETE\n");
    pl_conn_set_hooks(c, NULL);
}

static int interrupt_soon(void *ud) {
    pl_conn_interrupt(ud);
    return 0;
}

static void test_interrupt(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    pl_conn_interrupt(c); /* nothing runs: forgotten */
    exec(f, c, "SELECT 1");
    pl_conn_hooks hooks = {.ud = c, .poll = interrupt_soon};
    pl_conn_set_hooks(c, &hooks);
    FAILS(f, pl_conn_exec(c, forever, &f->err), PL_EINTERRUPT);
    pl_conn_set_hooks(c, NULL);
    exec(f, c, "SELECT 1");
}

typedef struct nagging {
    pl_conn *conn;
    atomic_bool over;
} nagging;

/* An interrupt that comes before the statement begins is forgotten: ask again. */
static void *nag(void *ud) {
    nagging *n = ud;
    while (!atomic_load(&n->over)) {
        pl_conn_interrupt(n->conn);
        (void)usleep(1000);
    }
    return NULL;
}

static void test_interrupt_from_thread(void **state) {
    fixture *f = *state;
    nagging n = {.conn = open_memory(f)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, nag, &n), 0);
    FAILS(f, pl_conn_exec(n.conn, forever, &f->err), PL_EINTERRUPT);
    atomic_store(&n.over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Waiting for a lock is stopped as well. */
static void test_poll_while_waiting(void **state) {
    fixture *f = *state;
    pl_conn *a = open_file(f), *b = open_file(f);
    watcher w = {.stop_after = 3};
    pl_conn_hooks hooks = {.ud = &w, .poll = on_poll};
    pl_conn_set_hooks(b, &hooks);
    OK(f, pl_conn_begin(a, PL_BEGIN_IMMEDIATE, &f->err));
    FAILS(f, pl_conn_begin(b, PL_BEGIN_IMMEDIATE, &f->err), PL_EINTERRUPT);
    assert_int_equal(w.polls, 3);
    pl_conn_set_hooks(b, NULL);
    pl_conn_set_hooks(b, NULL);
    OK(f, pl_conn_rollback(a, &f->err));
    OK(f, pl_conn_begin(b, PL_BEGIN_IMMEDIATE, &f->err));
}

static void test_authorize(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    exec(f, c, "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 2)");
    pl_stmt_release(prepare(f, c, "SELECT a FROM t")); /* cached before the hook */
    watcher w = {.deny = SQLITE_READ};
    pl_conn_hooks hooks = {.ud = &w, .authorize = on_authorize};
    pl_conn_set_hooks(c, &hooks);
    pl_slot v;
    FAILS(f, pl_conn_scalar(c, "SELECT a FROM t", NULL, 0, &f->arena, &v, &f->err),
          PL_EPERMISSION);
    FAILS(f, pl_conn_exec(c, "SELECT b FROM t", &f->err), PL_EPERMISSION);
    w = (watcher){.ignore = SQLITE_READ};
    pl_conn_set_hooks(c, &hooks);
    assert_int_equal(scalar(f, c, "SELECT a FROM t").tag, PL_NULL);
    w = (watcher){.deny = SQLITE_TRANSACTION};
    OK(f, pl_conn_begin(c, PL_BEGIN_DEFERRED, &f->err));
    OK(f, pl_conn_savepoint(c, 1, &f->err));
    w.deny = SQLITE_SAVEPOINT;
    OK(f, pl_conn_rollback_to(c, 1, &f->err));
    w.deny = SQLITE_PRAGMA;
    assert_true(pl_conn_data_version(c) > 0);
    assert_false(pl_conn_has_triggers(c, "t"));
    FAILS(f, pl_conn_exec(c, "PRAGMA user_version", &f->err), PL_EPERMISSION);
    OK(f, pl_conn_rollback(c, &f->err));
}

static void test_changed(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    exec(f, c, "CREATE TABLE t (a UNIQUE); CREATE TABLE w (k PRIMARY KEY) WITHOUT ROWID");
    exec(f, c, "INSERT INTO t VALUES (1), (2), (3)");
    pl_stmt_release(prepare(f, c, "DELETE FROM t")); /* cached unwatched */
    watcher w = {.polls = 0};
    pl_conn_hooks hooks = {.ud = &w, .changed = on_changed};
    pl_conn_set_hooks(c, &hooks);
    exec(f, c, "UPDATE t SET a = 9 WHERE a = 2; DELETE FROM t WHERE a = 3");
    exec(f, c, "INSERT OR REPLACE INTO t VALUES (1)");
    assert_string_equal(w.log, "U t 2\nD t 3\nD t 1\nI t 3\n");
    w.log[0] = '\0';
    pl_stmt *s = prepare(f, c, "DELETE FROM t");
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_DONE);
    pl_stmt_release(s);
    assert_string_equal(w.log, "D t 2\nD t 3\n");
    w.log[0] = '\0';
    exec(f, c, "INSERT INTO w VALUES ('x')");
    assert_memory_equal(w.log, "I w ", 4);
    pl_conn_set_hooks(c, NULL);
    w.log[0] = '\0';
    exec(f, c, "INSERT INTO t VALUES (1)");
    assert_string_equal(w.log, "");
}

static void test_commit_hook(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    exec(f, c, "CREATE TABLE t (a)");
    watcher w = {.refuse_commit = true};
    pl_conn_hooks hooks = {
        .ud = &w, .committing = on_committing, .rolled_back = on_rolled_back};
    pl_conn_set_hooks(c, &hooks);
    OK(f, pl_conn_begin(c, PL_BEGIN_IMMEDIATE, &f->err));
    exec(f, c, "INSERT INTO t VALUES (1)");
    FAILS(f, pl_conn_commit(c, &f->err), PL_EOPERATIONAL);
    assert_false(pl_conn_in_transaction(c));
    assert_int_equal(w.rollbacks, 1);
    OK(f, pl_conn_rollback(c, &f->err));
    w.refuse_commit = false;
    assert_int_equal(integer(f, c, "SELECT count(*) FROM t"), 0);
}

static void test_trace(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    exec(f, c, "CREATE TABLE t (a UNIQUE)");
    watcher w = {.polls = 0};
    pl_conn_hooks hooks = {.ud = &w, .trace = on_trace};
    pl_conn_set_hooks(c, &hooks);
    OK(f, pl_conn_begin(c, PL_BEGIN_IMMEDIATE, &f->err));
    pl_stmt *s = prepare(f, c, "INSERT INTO t VALUES (?), (2)");
    pl_slot one = pl_slot_int(1);
    OK(f, pl_stmt_bind(s, 1, &one, &f->err));
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_DONE);
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_DONE); /* runs once */
    pl_stmt_reset(s);
    OK(f, pl_stmt_bind(s, 1, &one, &f->err));
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_ERROR);
    pl_stmt_release(s);
    s = prepare(f, c, "SELECT a FROM t");
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_ROW);
    assert_null(strstr(w.log, "SELECT"));
    pl_stmt_release(s); /* given up after a row */
    exec(f, c, "CREATE TABLE u (a)");
    OK(f, pl_conn_commit(c, &f->err));
    char expected[300];
    (void)snprintf(expected, sizeof expected,
                   "BEGIN IMMEDIATE [0:0] -1\n"
                   "INSERT INTO t VALUES (?), (2) [1:%d] 2\n"
                   "INSERT INTO t VALUES (?), (2) [1:%d] 0\n"
                   "SELECT a FROM t [0:0] 0\n"
                   "CREATE TABLE u (a) [0:0] 0\n"
                   "COMMIT [0:0] -1\n",
                   PL_INT, PL_INT);
    assert_string_equal(w.log, expected);
    assert_true(w.ms > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_poll),
        FIXTURE_TEST(test_interrupt),
        FIXTURE_TEST(test_interrupt_from_thread),
        FIXTURE_TEST(test_poll_while_waiting),
        FIXTURE_TEST(test_compiling),
        FIXTURE_TEST(test_authorize),
        FIXTURE_TEST(test_changed),
        FIXTURE_TEST(test_commit_hook),
        FIXTURE_TEST(test_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
