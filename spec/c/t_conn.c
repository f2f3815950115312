/* SPDX-License-Identifier: MIT */
/*
** t_conn.c - connections: statements and their cache, lifetimes, transactions, several
** connections at once, short memory, and the mock driver.
*/
#include "driver_fixture.h"

#include <sys/wait.h>

#include "core/driver/mock.h"
#include "fail_alloc.h"

/* ---- statements ---- */

static void test_cache(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    const pl_conn_stats *stats = pl_conn_get_stats(c);
    pl_stmt *a = prepare(f, c, "SELECT 1");
    pl_stmt *b = prepare(f, c, "SELECT 1"); /* a is in use: another */
    assert_ptr_not_equal(a, b);
    assert_int_equal(pl_conn_open_statements(c), 2);
    assert_int_equal(stats->prepared, 2);
    pl_stmt_release(a);
    assert_ptr_equal(prepare(f, c, "SELECT 1"), a);
    assert_int_equal(stats->hits, 1);
    pl_stmt_release(a);
    pl_stmt_release(b);
    pl_stmt *once;
    OK(f, pl_conn_prepare(c, "SELECT 2", 8, false, &once, &f->err));
    assert_string_equal(pl_stmt_sql(once), "SELECT 2");
    pl_stmt_release(once);
    uint64_t before = stats->prepared;
    pl_stmt_release(prepare(f, c, "SELECT 2"));
    assert_int_equal(stats->prepared, before + 1);
    assert_int_equal(pl_conn_open_statements(c), 0);
}

static void test_eviction(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    const pl_conn_stats *stats = pl_conn_get_stats(c);
    char sql[40];
    for (int i = 0; i < 200; i++) {
        (void)snprintf(sql, sizeof sql, "SELECT %d", i);
        pl_stmt_release(prepare(f, c, sql));
        pl_stmt_release(prepare(f, c, "SELECT 0")); /* always recent */
    }
    assert_int_equal(stats->prepared, 200);
    assert_int_equal(stats->evicted, 200 - 128);
    pl_stmt_release(prepare(f, c, "SELECT 199"));
    pl_stmt_release(prepare(f, c, "SELECT 73"));
    assert_int_equal(stats->prepared, 200);
    pl_stmt_release(prepare(f, c, "SELECT 72"));
    assert_int_equal(stats->prepared, 201);
}

static void test_texts(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    pl_stmt *s;
    FAILS(f, pl_conn_prepare(c, "SELECT 1; SELECT 2", 18, true, &s, &f->err),
          PL_EPROGRAMMING);
    assert_null(s);
    FAILS(f, pl_conn_prepare(c, " -- nothing", 11, true, &s, &f->err), PL_EPROGRAMMING);
    FAILS(f, pl_conn_prepare(c, "SELECT 1\0 + 1", 13, true, &s, &f->err),
          PL_EPROGRAMMING);
    pl_stmt_release(prepare(f, c, "SELECT 1; /* that is * all */ ; -- really"));
    exec(f, c, "");
    exec(f, c, " ; /* a */ -- b\n ;;");
    exec(f, c, "CREATE TABLE t (a);\n-- c\nINSERT INTO t VALUES (1);SELECT * FROM t;  ");
    assert_int_equal(integer(f, c, "SELECT a FROM t"), 1);
    FAILS(f,
          pl_conn_exec(c, "INSERT INTO t VALUES (2); SELEC; CREATE TABLE u (a)", &f->err),
          PL_EOPERATIONAL);
    assert_int_equal(integer(f, c, "SELECT count(*) FROM t"), 2);
    assert_int_equal(scalar(f, c, "SELECT a FROM t WHERE 0").tag, PL_NULL);
    assert_int_equal(scalar(f, c, "INSERT INTO t VALUES (3)").tag, PL_NULL);
}

/* A statement runs once, binding resets it, and a reset forgets borrowed bytes. */
static void test_runs(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    exec(f, c, "CREATE TABLE t (a, b)");
    pl_stmt *s = prepare(f, c, "INSERT INTO t VALUES (?, ?)");
    pl_slot values[] = {slot_str("a text too long to be copied"), pl_slot_int(1)};
    OK(f, pl_stmt_bind_all(s, values, 2, &f->err));
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_DONE);
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_DONE);
    assert_int_equal(integer(f, c, "SELECT count(*) FROM t"), 1);
    OK(f, pl_stmt_bind_all(s, values, 2, &f->err));
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_DONE);
    pl_stmt_reset(s);
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_DONE);
    assert_int_equal(integer(f, c, "SELECT count(*) FROM t WHERE a IS NULL"), 1);
    pl_stmt_release(s);
    s = prepare(f, c, "INSERT INTO t VALUES (?, ?)");
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_DONE);
    assert_int_equal(integer(f, c, "SELECT count(*) FROM t WHERE b IS NULL"), 1 + 1);
    pl_stmt_release(s);
    s = prepare(f, c, "SELECT a FROM t");
    pl_slot v;
    assert_false(pl_stmt_columns(s, 0, 1, &v)); /* not on a row */
    assert_int_equal(v.tag, PL_NULL);
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_ROW);
    pl_stmt_reset(s);
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_ROW);
    assert_true(pl_stmt_columns(s, 0, 1, &v));
    assert_int_equal(v.len, 28);
    pl_stmt_release(s);
    assert_int_equal(pl_conn_get_stats(c)->rows, 2 + 3);
}

/* A short text is copied: its bytes may change once it is bound, and binding others is
 * seen. */
static void test_short_texts(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    exec(f, c, "CREATE TABLE t (a)");
    char bytes[] = "one";
    pl_slot value = pl_slot_text(bytes, 3);
    for (int i = 0; i < 3; i++) {
        pl_stmt *s = prepare(f, c, "INSERT INTO t VALUES (?)");
        OK(f, pl_stmt_bind(s, 1, &value, &f->err));
        memcpy(bytes, i == 1 ? "two" : "one", 3);
        assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_DONE);
        pl_stmt_release(s);
    }
    assert_int_equal(integer(f, c, "SELECT count(*) FROM t WHERE a = 'one'"), 2);
    assert_int_equal(integer(f, c, "SELECT count(*) FROM t WHERE a = 'two'"), 1);
}

/* A cached statement survives a change of the schema. */
static void test_schema_change(void **state) {
    fixture *f = *state;
    pl_conn *a = open_file(f), *b = open_file(f);
    exec(f, a, "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    assert_int_equal(integer(f, a, "SELECT * FROM t"), 1);
    exec(f, b, "ALTER TABLE t ADD COLUMN b DEFAULT 5");
    pl_stmt *s = prepare(f, a, "SELECT * FROM t");
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_ROW);
    assert_int_equal(pl_stmt_column_count(s), 2);
    pl_stmt_release(s);
}

/* ---- lifetimes ---- */

static void on_destroy(void *ud) {
    ++*(int *)ud;
}

static void test_closed(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    exec(f, c, "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)");
    pl_stmt *running = prepare(f, c, "SELECT a FROM t");
    pl_stmt *ready = prepare(f, c, "SELECT ?");
    assert_int_equal(pl_stmt_step(running, &f->err), PL_STEP_ROW);
    OK(f, pl_conn_begin(c, PL_BEGIN_IMMEDIATE, &f->err));
    exec(f, c, "INSERT INTO t VALUES (3)");
    pl_conn_close(c);
    pl_conn_close(c);
    assert_true(pl_conn_is_closed(c));
    assert_int_equal(pl_conn_open_statements(c), 0);
    assert_null(pl_conn_handle(c));

    pl_slot v = pl_slot_int(1);
    assert_int_equal(pl_stmt_step(running, &f->err), PL_STEP_ERROR);
    assert_int_equal(f->err.code, PL_ERESOURCECLOSED);
    assert_string_equal(f->err.message, "connection is closed");
    FAILS(f, pl_stmt_bind(ready, 1, &v, &f->err), PL_ERESOURCECLOSED);
    FAILS(f, pl_stmt_bind_all(ready, &v, 1, &f->err), PL_ERESOURCECLOSED);
    assert_false(pl_stmt_columns(running, 0, 1, &v));
    assert_int_equal(pl_stmt_column_count(running), 0);
    assert_null(pl_stmt_column_name(running, 0));
    assert_int_equal(pl_stmt_parameter_index(ready, ":a"), 0);
    pl_stmt_reset(running);
    pl_stmt_release(running);
    pl_stmt_release(ready);

    pl_stmt *s;
    pl_slot out;
    FAILS(f, pl_conn_prepare(c, "SELECT 1", 8, true, &s, &f->err), PL_ERESOURCECLOSED);
    FAILS(f, pl_conn_exec(c, "SELECT 1", &f->err), PL_ERESOURCECLOSED);
    FAILS(f, pl_conn_scalar(c, "SELECT 1", NULL, 0, &f->arena, &out, &f->err),
          PL_ERESOURCECLOSED);
    FAILS(f, pl_conn_begin(c, PL_BEGIN_DEFERRED, &f->err), PL_ERESOURCECLOSED);
    FAILS(f, pl_conn_commit(c, &f->err), PL_ERESOURCECLOSED);
    FAILS(f, pl_conn_savepoint(c, 1, &f->err), PL_ERESOURCECLOSED);
    FAILS(f, pl_conn_release(c, 1, &f->err), PL_ERESOURCECLOSED);
    FAILS(f, pl_conn_rollback_to(c, 1, &f->err), PL_ERESOURCECLOSED);
    OK(f, pl_conn_rollback(c, &f->err));
    assert_false(pl_conn_in_transaction(c));
    assert_true(pl_conn_has_triggers(c, "t"));
    assert_int_equal(pl_conn_changes(c), 0);
    assert_int_equal(pl_conn_last_id(c), 0);
    int destroyed = 0;
    FAILS(f, pl_conn_function(c, "x", 0, true, NULL, &destroyed, on_destroy, &f->err),
          PL_ERESOURCECLOSED);
    assert_int_equal(destroyed, 1);
    pl_conn_interrupt(c);
    pl_conn_set_hooks(c, NULL);
}

/* The last reference may be a statement's. */
static void test_references(void **state) {
    fixture *f = *state;
    fail_alloc fa = {.fail_at = 0};
    pl_uri uri = {.dialect = "sqlite", .memory = true};
    pl_conn *c;
    OK(f, pl_conn_open(&pl_driver_sqlite, &uri, NULL, NULL, fail_alloc_of(&fa), &c,
                       &f->err));
    pl_stmt *a = prepare(f, c, "SELECT 1");
    pl_stmt *b = prepare(f, c, "SELECT 1 UNION SELECT 2");
    assert_ptr_equal(pl_conn_ref(c), c);
    pl_conn_unref(c);
    pl_conn_unref(c);
    assert_int_equal(pl_stmt_step(b, &f->err), PL_STEP_ROW);
    pl_stmt_release(a);
    assert_int_equal(pl_stmt_step(b, &f->err), PL_STEP_ROW);
    pl_stmt_release(b);
    assert_int_equal(fa.live, 0);
    pl_conn_unref(NULL);
    pl_stmt_release(NULL);
}

/* ---- transactions ---- */

typedef struct sql_log {
    char text[1000];
} sql_log;

static pl_code on_trace(void *ud, const char *sql, const pl_slot *params, size_t nparams,
                        double ms, int64_t changes, pl_error *err) {
    (void)err;
    sql_log *log = ud;
    (void)params, (void)nparams, (void)ms, (void)changes;
    size_t n = strlen(log->text);
    (void)snprintf(log->text + n, sizeof log->text - n, "%s; ", sql);
    return PL_OK;
}

static void record(pl_conn *c, sql_log *log) {
    pl_conn_hooks hooks = {.ud = log, .trace = on_trace};
    log->text[0] = '\0';
    pl_conn_set_hooks(c, &hooks);
}

static void test_begin_modes(void **state) {
    fixture *f = *state;
    pl_conn_options o = pl_conn_options_default();
    o.deferred = true;
    pl_conn *c = open_with(f, NULL, &o);
    sql_log log;
    assert_true(pl_conn_is_deferred(c)); /* for the session to know, nothing more */
    assert_ptr_equal(pl_conn_driver(c), &pl_driver_sqlite);
    exec(f, c, "CREATE TABLE t (a)");
    record(c, &log);
    OK(f, pl_conn_begin(c, PL_BEGIN_DEFERRED, &f->err));
    OK(f, pl_conn_begin(c, PL_BEGIN_DEFERRED, &f->err));
    OK(f, pl_conn_begin(c, PL_BEGIN_IMMEDIATE, &f->err)); /* nothing read yet */
    OK(f, pl_conn_begin(c, PL_BEGIN_DEFERRED, &f->err));
    assert_false(pl_conn_has_written(c));
    exec(f, c, "INSERT INTO t VALUES (1)");
    assert_true(pl_conn_has_written(c));
    OK(f, pl_conn_commit(c, &f->err));
    assert_false(pl_conn_has_written(c));
    OK(f, pl_conn_commit(c, &f->err)); /* nothing to commit */
    OK(f, pl_conn_rollback(c, &f->err));
    assert_string_equal(log.text, "BEGIN; ROLLBACK; BEGIN IMMEDIATE; INSERT INTO t VALUES"
                                  " (1); COMMIT; ");
    record(c, &log);
    OK(f, pl_conn_begin(c, PL_BEGIN_DEFERRED, &f->err));
    assert_int_equal(integer(f, c, "SELECT a FROM t"), 1);
    OK(f, pl_conn_begin(c, PL_BEGIN_IMMEDIATE, &f->err));
    exec(f, c, "INSERT INTO t VALUES (2)");
    OK(f, pl_conn_rollback(c, &f->err));
    assert_string_equal(log.text, "BEGIN; SELECT a FROM t; INSERT INTO t VALUES (2);"
                                  " ROLLBACK; ");
    pl_conn_set_hooks(c, NULL);
    assert_int_equal(pl_conn_write_count(c), 3);
    assert_int_equal(integer(f, c, "SELECT count(*) FROM t"), 1);
}

/* Rows that triggers and foreign keys change are told from a statement's own. */
static void test_aftermath(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    pl_conn_exec(c,
                 "CREATE TABLE p (a PRIMARY KEY, n);"
                 "CREATE TABLE c (a REFERENCES p ON UPDATE CASCADE ON DELETE CASCADE);"
                 "CREATE TABLE log (a);"
                 "CREATE TRIGGER t AFTER UPDATE OF n ON p BEGIN"
                 " INSERT INTO log VALUES (new.n); END;",
                 &f->err);
    exec(f, c, "INSERT INTO p VALUES (1, 1), (2, 2)");
    exec(f, c, "INSERT INTO c VALUES (1), (1)");
    exec(f, c, "UPDATE p SET a = 3 WHERE a = 2");
    assert_int_equal(pl_conn_aftermath_count(c), 0);
    exec(f, c, "UPDATE p SET a = 4 WHERE a = 1");
    assert_int_equal(pl_conn_aftermath_count(c), 1);
    exec(f, c, "UPDATE p SET n = 5 WHERE a = 3");
    assert_int_equal(pl_conn_aftermath_count(c), 2);
    exec(f, c, "UPDATE p SET n = 5 WHERE a = 99");
    assert_int_equal(integer(f, c, "UPDATE p SET a = 5 WHERE a = 4 RETURNING a"), 5);
    assert_int_equal(pl_conn_aftermath_count(c), 3);
    exec(f, c, "DELETE FROM p WHERE a = 3");
    assert_int_equal(pl_conn_aftermath_count(c), 3);
    exec(f, c, "DELETE FROM p");
    assert_int_equal(pl_conn_aftermath_count(c), 4);
    assert_int_equal(pl_conn_write_count(c), 13);
}

/* What the Python driver's own transactions get wrong: all of it is undone. */
static void test_real_transactions(void **state) {
    fixture *f = *state;
    pl_conn *c = open_file(f), *other = open_file(f);
    exec(f, c, "CREATE TABLE t (a)");
    OK(f, pl_conn_begin(c, PL_BEGIN_DEFERRED, &f->err));
    OK(f, pl_conn_savepoint(c, 1, &f->err));
    exec(f, c, "INSERT INTO t VALUES (1)");
    OK(f, pl_conn_release(c, 1, &f->err));
    exec(f, c, "CREATE TABLE u (a)");
    OK(f, pl_conn_rollback(c, &f->err));
    assert_int_equal(integer(f, c, "SELECT count(*) FROM t"), 0);
    FAILS(f, pl_conn_exec(c, "SELECT * FROM u", &f->err), PL_EOPERATIONAL);

    OK(f, pl_conn_begin(c, PL_BEGIN_DEFERRED, &f->err));
    assert_int_equal(integer(f, c, "SELECT count(*) FROM t"), 0);
    exec(f, other, "INSERT INTO t VALUES (1)");
    assert_int_equal(integer(f, c, "SELECT count(*) FROM t"), 0);
    OK(f, pl_conn_commit(c, &f->err));
    assert_int_equal(integer(f, c, "SELECT count(*) FROM t"), 1);
}

static void test_savepoints(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    exec(f, c, "CREATE TABLE t (a)");
    OK(f, pl_conn_savepoint(c, 1, &f->err)); /* begins */
    assert_true(pl_conn_in_transaction(c));
    exec(f, c, "INSERT INTO t VALUES (1)");
    OK(f, pl_conn_savepoint(c, 2, &f->err));
    exec(f, c, "INSERT INTO t VALUES (2)");
    OK(f, pl_conn_savepoint(c, 3, &f->err));
    exec(f, c, "INSERT INTO t VALUES (3)");
    OK(f, pl_conn_release(c, 3, &f->err));
    OK(f, pl_conn_rollback_to(c, 2, &f->err));
    OK(f, pl_conn_savepoint(c, 2, &f->err));
    exec(f, c, "INSERT INTO t VALUES (4)");
    OK(f, pl_conn_release(c, 2, &f->err));
    OK(f, pl_conn_release(c, 1, &f->err));
    assert_true(pl_conn_in_transaction(c));
    OK(f, pl_conn_commit(c, &f->err));
    assert_int_equal(integer(f, c, "SELECT sum(a) FROM t"), 5);
    FAILS(f, pl_conn_release(c, 1, &f->err), PL_EOPERATIONAL);
}

/* A read that goes on when its transaction ends. */
static void test_open_reader(void **state) {
    fixture *f = *state;
    pl_conn *c = open_file(f);
    exec(f, c, "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)");
    OK(f, pl_conn_begin(c, PL_BEGIN_IMMEDIATE, &f->err));
    pl_stmt *s = prepare(f, c, "SELECT a FROM t");
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_ROW);
    exec(f, c, "UPDATE t SET a = a + 10 WHERE a = 3");
    OK(f, pl_conn_commit(c, &f->err));
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_ROW);
    OK(f, pl_conn_begin(c, PL_BEGIN_DEFERRED, &f->err));
    OK(f, pl_conn_rollback(c, &f->err));
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_ROW);
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_DONE);
    pl_stmt_release(s);
}

static void test_upgrade(void **state) {
    fixture *f = *state;
    pl_conn_options o = pl_conn_options_default();
    o.busy_timeout = 20;
    pl_conn *a = open_with(f, f->path, &o), *b = open_with(f, f->path, &o);
    exec(f, a, "CREATE TABLE t (a)");
    OK(f, pl_conn_begin(a, PL_BEGIN_DEFERRED, &f->err));
    assert_int_equal(integer(f, a, "SELECT count(*) FROM t"), 0);
    exec(f, b, "INSERT INTO t VALUES (1)");
    OK(f, pl_conn_begin(a, PL_BEGIN_IMMEDIATE, &f->err));
    FAILS(f, pl_conn_exec(a, "INSERT INTO t VALUES (2)", &f->err), PL_EUPGRADE);
    assert_non_null(strstr(f->err.message, "this transaction has read"));
    assert_non_null(strstr(f->err.hint, "db.session:begin{mode = \"immediate\"}"));
    assert_string_equal(f->err.sql, "INSERT INTO t VALUES (2)");
    OK(f, pl_conn_rollback(a, &f->err));

    /* Another is writing just now. */
    OK(f, pl_conn_begin(b, PL_BEGIN_IMMEDIATE, &f->err));
    OK(f, pl_conn_begin(a, PL_BEGIN_DEFERRED, &f->err));
    assert_int_equal(integer(f, a, "SELECT count(*) FROM t"), 1);
    FAILS(f, pl_conn_exec(a, "INSERT INTO t VALUES (2)", &f->err), PL_EUPGRADE);
    OK(f, pl_conn_rollback(a, &f->err));
    FAILS(f, pl_conn_begin(a, PL_BEGIN_IMMEDIATE, &f->err), PL_EBUSY);
    assert_non_null(strstr(f->err.hint, "20 ms"));
    assert_string_equal(f->err.sql, "BEGIN IMMEDIATE");
    assert_false(pl_conn_in_transaction(a));

    /* Nothing read: a plain wait; the empty transaction stays open. */
    OK(f, pl_conn_begin(a, PL_BEGIN_DEFERRED, &f->err));
    FAILS(f, pl_conn_begin(a, PL_BEGIN_IMMEDIATE, &f->err), PL_EBUSY);
    assert_true(pl_conn_in_transaction(a));
    FAILS(f, pl_conn_exec(a, "INSERT INTO t VALUES (2)", &f->err), PL_EBUSY);
    OK(f, pl_conn_rollback(b, &f->err));
    exec(f, a, "INSERT INTO t VALUES (2)");
    OK(f, pl_conn_commit(a, &f->err));
    assert_int_equal(integer(f, b, "SELECT count(*) FROM t"), 2);
}

/* Without WAL a reader keeps COMMIT waiting; the transaction stays. */
static void test_commit_busy(void **state) {
    fixture *f = *state;
    pl_conn_options o = pl_conn_options_default();
    pl_pragma plain = {"journal_mode", "DELETE"};
    o.pragmas = &plain;
    o.npragmas = 1;
    o.busy_timeout = 20;
    pl_conn *a = open_with(f, f->path, &o), *b = open_with(f, f->path, &o);
    exec(f, a, "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    pl_stmt *reader = prepare(f, b, "SELECT a FROM t");
    assert_int_equal(pl_stmt_step(reader, &f->err), PL_STEP_ROW);
    OK(f, pl_conn_begin(a, PL_BEGIN_IMMEDIATE, &f->err));
    exec(f, a, "INSERT INTO t VALUES (2)");
    FAILS(f, pl_conn_commit(a, &f->err), PL_EBUSY);
    assert_true(pl_conn_in_transaction(a));
    assert_true(pl_conn_has_written(a));
    pl_stmt_release(reader);
    OK(f, pl_conn_commit(a, &f->err));
    assert_int_equal(integer(f, b, "SELECT count(*) FROM t"), 2);
}

/* The database ends a transaction by itself; nobody takes that for a commit. */
static void test_lost(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    exec(f, c, "CREATE TABLE t (a UNIQUE)");
    OK(f, pl_conn_begin(c, PL_BEGIN_IMMEDIATE, &f->err));
    exec(f, c, "INSERT INTO t VALUES (1)");
    OK(f, pl_conn_savepoint(c, 1, &f->err));
    FAILS(f, pl_conn_exec(c, "INSERT OR ROLLBACK INTO t VALUES (1)", &f->err),
          PL_EINTEGRITY);
    assert_false(pl_conn_in_transaction(c));
    FAILS(f, pl_conn_release(c, 1, &f->err), PL_EOPERATIONAL);
    FAILS(f, pl_conn_rollback_to(c, 1, &f->err), PL_EOPERATIONAL);
    FAILS(f, pl_conn_savepoint(c, 1, &f->err), PL_EOPERATIONAL);
    FAILS(f, pl_conn_begin(c, PL_BEGIN_IMMEDIATE, &f->err), PL_EOPERATIONAL);
    FAILS(f, pl_conn_commit(c, &f->err), PL_EOPERATIONAL);
    assert_non_null(strstr(f->err.message, "transaction is gone"));
    OK(f, pl_conn_rollback(c, &f->err));
    OK(f, pl_conn_begin(c, PL_BEGIN_IMMEDIATE, &f->err));
    OK(f, pl_conn_commit(c, &f->err));
    assert_int_equal(integer(f, c, "SELECT count(*) FROM t"), 0);
}

/* ---- several processes ---- */

enum { ROUNDS = 200 };

/* Adds 1 to a counter in a transaction of its own, ROUNDS times; 0 when all went well. */
static int count_up(const char *path) {
    pl_uri uri = {.dialect = "sqlite", .database = path};
    pl_error err;
    pl_arena arena;
    pl_conn *c;
    pl_error_init(&err, pl_alloc_libc());
    pl_arena_init(&arena, pl_alloc_libc());
    if (pl_conn_open(&pl_driver_sqlite, &uri, path, NULL, pl_alloc_libc(), &c, &err) !=
        PL_OK)
        return 1;
    for (int i = 0; i < ROUNDS && err.code == PL_OK; i++) {
        pl_slot n;
        if (pl_conn_begin(c, PL_BEGIN_IMMEDIATE, &err) == PL_OK &&
            pl_conn_scalar(c, "SELECT n FROM counter", NULL, 0, &arena, &n, &err) ==
                PL_OK) {
            n.v.i++;
            (void)pl_conn_scalar(c, "UPDATE counter SET n = ?", &n, 1, &arena, &n, &err);
        }
        if (err.code == PL_OK)
            (void)pl_conn_commit(c, &err);
    }
    if (err.code != PL_OK)
        (void)fprintf(stderr, "child: %s\n", err.message);
    int failed = err.code != PL_OK;
    pl_conn_unref(c);
    pl_arena_free(&arena);
    pl_error_clear(&err);
    return failed;
}

static void test_processes(void **state) {
    fixture *f = *state;
    pid_t children[2];
    pl_conn *c;
    OK(f, try_open(f, f->path, NULL, &c));
    exec(f, c, "CREATE TABLE counter (n); INSERT INTO counter VALUES (0)");
    pl_conn_unref(c); /* a connection must not cross a fork */
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(count_up(f->path));
        assert_true(children[i] > 0);
    }
    for (int i = 0; i < 2; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(integer(f, open_file(f), "SELECT n FROM counter"), 2 * ROUNDS);
}

/* Several that create the same database at once all get WAL. */
static void test_opened_at_once(void **state) {
    fixture *f = *state;
    pid_t children[4];
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            pl_conn *c = open_file(f);
            _exit(strcmp(text(f, c, "PRAGMA journal_mode"), "wal") != 0);
        }
        assert_true(children[i] > 0);
    }
    for (int i = 0; i < 4; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
}

/* ---- short memory ---- */

/* A little of everything; PL_OK, or the first error. */
static pl_code everything(pl_alloc alloc, pl_error *err) {
    pl_uri uri = {.dialect = "sqlite", .memory = true};
    pl_pragma pragma = {"cache_size", "100"};
    pl_conn_options o = pl_conn_options_default();
    pl_arena arena;
    pl_conn *c;
    pl_stmt *s = NULL;
    pl_slot v[2] = {pl_slot_int(1), slot_str("abc")};
    o.pragmas = &pragma;
    o.npragmas = 1;
    pl_arena_init(&arena, alloc);
    if (pl_conn_open(&pl_driver_sqlite, &uri, NULL, &o, alloc, &c, err) != PL_OK)
        return err->code;
    if (pl_conn_exec(c, "CREATE TABLE t (a UNIQUE, b)", err) == PL_OK &&
        pl_conn_begin(c, PL_BEGIN_IMMEDIATE, err) == PL_OK &&
        pl_conn_savepoint(c, 1, err) == PL_OK &&
        pl_conn_prepare(c, "INSERT INTO t VALUES (?, ?)", 27, true, &s, err) == PL_OK &&
        pl_stmt_bind_all(s, v, 2, err) == PL_OK)
        (void)pl_stmt_step(s, err);
    pl_stmt_release(s);
    if (err->code == PL_OK && pl_conn_release(c, 1, err) == PL_OK &&
        pl_conn_scalar(c, "SELECT b FROM t WHERE b REGEXP 'b'", NULL, 0, &arena, v,
                       err) == PL_OK)
        (void)pl_conn_commit(c, err);
    (void)pl_conn_has_triggers(c, "t");
    if (err->code == PL_OK)
        (void)pl_conn_exec(c, "INSERT INTO t VALUES (1, 2)", err);
    pl_conn_unref(c);
    pl_arena_free(&arena);
    return err->code;
}

static void sweep(bool persistent) {
    fail_alloc fa = {.persistent = persistent};
    int failures = 0;
    do {
        fail_alloc_next(&fa);
        pl_error err;
        pl_error_init(&err, fail_alloc_of(&fa));
        pl_code code = everything(fail_alloc_of(&fa), &err);
        assert_true(code == PL_ENOMEM || code == PL_EINTEGRITY ||
                    (fa.failed && code == PL_EOPERATIONAL));
        failures += code == PL_ENOMEM;
        pl_error_clear(&err);
        assert_int_equal(fa.live, 0);
    } while (fa.failed);
    assert_true(failures > 10);
}

static void test_no_memory(void **state) {
    (void)state;
    sweep(false);
    sweep(true);
}

/* ---- the mock ---- */

static void test_mock(void **state) {
    fixture *f = *state;
    pl_mock m;
    pl_conn *c;
    pl_mock_init(&m, pl_alloc_libc());
    OK(f, pl_mock_open(&m, &c, &f->err));
    static const char *const names[] = {"id", "name"};
    const pl_slot rows[] = {pl_slot_int(1), slot_str("ann"), pl_slot_int(2),
                            slot_str("bob")};
    assert_true(pl_mock_rows(&m, "FROM user", names, 2, rows, 2));
    assert_true(pl_mock_changes(&m, "UPDATE", 7));
    assert_true(pl_mock_fail(&m, "COMMIT", PL_EBUSY, 5, "database is locked", false));

    OK(f, pl_conn_begin(c, PL_BEGIN_IMMEDIATE, &f->err));
    pl_stmt *s = prepare(f, c, "SELECT id, name FROM user WHERE a = :a AND b = :a OR ?");
    assert_int_equal(pl_stmt_parameter_count(s), 2);
    assert_int_equal(pl_stmt_parameter_index(s, ":a"), 1);
    assert_string_equal(pl_stmt_column_name(s, 1), "name");
    pl_slot v[2] = {slot_str("x"), pl_slot_int(4)};
    OK(f, pl_stmt_bind_all(s, v, 2, &f->err));
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_ROW);
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_ROW);
    assert_true(pl_stmt_columns(s, 0, 2, v));
    assert_true(pl_slot_same(&v[1], &rows[3]));
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_DONE);
    pl_stmt_release(s);
    exec(f, c, "INSERT INTO user VALUES ('?')");
    assert_int_equal(pl_conn_last_id(c), 1);
    exec(f, c, "UPDATE user SET a = 1");
    assert_int_equal(pl_conn_changes(c), 7);
    exec(f, c, "UPDATE user SET a = 1");
    assert_int_equal(pl_conn_changes(c), 1);
    FAILS(f, pl_conn_commit(c, &f->err), PL_EBUSY);
    OK(f, pl_conn_commit(c, &f->err));
    assert_string_equal(
        pl_mock_log(&m),
        "BEGIN IMMEDIATE\n"
        "SELECT id, name FROM user WHERE a = :a AND b = :a OR ? -- ('x', 4)\n"
        "INSERT INTO user VALUES ('?')\n"
        "UPDATE user SET a = 1\n"
        "UPDATE user SET a = 1\n"
        "COMMIT\n"
        "COMMIT\n");
    pl_conn_unref(c);
    assert_int_equal(m.statements, 0);
    assert_int_equal(m.connections, 0);
    pl_mock_free(&m);
}

/* A failure that ends the transaction, as a full disk may. */
static void test_mock_lost(void **state) {
    fixture *f = *state;
    pl_mock m;
    pl_conn *c;
    pl_mock_init(&m, pl_alloc_libc());
    OK(f, pl_mock_open(&m, &c, &f->err));
    assert_true(pl_mock_fail(&m, "COMMIT", PL_EOPERATIONAL, 13, "disk is full", true));
    OK(f, pl_conn_begin(c, PL_BEGIN_IMMEDIATE, &f->err));
    exec(f, c, "INSERT INTO t VALUES (1)");
    FAILS(f, pl_conn_commit(c, &f->err), PL_EOPERATIONAL);
    assert_false(pl_conn_in_transaction(c));
    pl_mock_clear_log(&m);
    OK(f, pl_conn_rollback(c, &f->err));
    assert_string_equal(pl_mock_log(&m), "");
    pl_conn_unref(c);
    pl_mock_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_cache),
        FIXTURE_TEST(test_eviction),
        FIXTURE_TEST(test_texts),
        FIXTURE_TEST(test_runs),
        FIXTURE_TEST(test_short_texts),
        FIXTURE_TEST(test_schema_change),
        FIXTURE_TEST(test_closed),
        FIXTURE_TEST(test_references),
        FIXTURE_TEST(test_begin_modes),
        FIXTURE_TEST(test_aftermath),
        FIXTURE_TEST(test_real_transactions),
        FIXTURE_TEST(test_savepoints),
        FIXTURE_TEST(test_open_reader),
        FIXTURE_TEST(test_upgrade),
        FIXTURE_TEST(test_commit_busy),
        FIXTURE_TEST(test_lost),
        FIXTURE_TEST(test_processes),
        FIXTURE_TEST(test_opened_at_once),
        FIXTURE_TEST(test_no_memory),
        FIXTURE_TEST(test_mock),
        FIXTURE_TEST(test_mock_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
