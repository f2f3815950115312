/* SPDX-License-Identifier: MIT */
/*
** t_sqlite_io.c - every file operation of a transaction fails in turn.
**
** Whatever fails, the database holds all of the transaction or nothing of it, is intact,
** and a commit that was reported as done is done. After a failure that passes, the same
** connection can roll back and do the work again.
*/
#include "../c/driver_fixture.h"

#include "../c/fail_alloc.h"
#include "fault_vfs.h"

enum { ROUNDS_MOST = 1000 };

typedef struct scenario {
    const char *journal_mode;
    unsigned kinds;
    bool persistent;
    bool full;
} scenario;

static const char transfer[] = "UPDATE account SET amount = 50, note = zeroblob(9000)";

static void build(fixture *f, const char *journal_mode) {
    char side[FIXTURE_PATH + 8];
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        (void)snprintf(side, sizeof side, "%s%s", f->path, ends[i]);
        (void)unlink(side);
    }
    pl_pragma pragmas[] = {{"journal_mode", journal_mode}, {"synchronous", "OFF"}};
    pl_conn_options o = pl_conn_options_default();
    o.pragmas = pragmas;
    o.npragmas = 2;
    pl_conn *c;
    OK(f, try_open(f, f->path, &o, &c));
    exec(f, c,
         "CREATE TABLE account (id INTEGER PRIMARY KEY, amount INT, note);"
         "INSERT INTO account VALUES (1, 100, zeroblob(5000)), (2, 0, 'x')");
    pl_conn_unref(c);
}

/* The transaction; its last code. */
static pl_code work(pl_conn *c, pl_error *err) {
    if (pl_conn_begin(c, PL_BEGIN_IMMEDIATE, err) == PL_OK &&
        pl_conn_savepoint(c, 1, err) == PL_OK &&
        pl_conn_exec(c, transfer, err) == PL_OK && pl_conn_release(c, 1, err) == PL_OK)
        (void)pl_conn_commit(c, err);
    return err->code;
}

static pl_code open_faulty(fixture *f, fail_alloc *fa, const scenario *s, pl_conn **out) {
    char name[FIXTURE_PATH + 8];
    pl_uri_option options[] = {{"vfs", "fault"}};
    pl_uri uri = {.dialect = "sqlite", .file_uri = true, .options = options};
    pl_pragma pragmas[] = {{"journal_mode", s->journal_mode}, {"cache_size", "2"}};
    pl_conn_options o = pl_conn_options_default();
    uri.noptions = 1;
    o.pragmas = pragmas;
    o.npragmas = 2;
    o.busy_timeout = 0;
    (void)snprintf(name, sizeof name, "file:%s", f->path);
    return pl_conn_open(&pl_driver_sqlite, &uri, name, &o, fail_alloc_of(fa), out,
                        &f->err);
}

/* Looks at the file with the file system of every day. */
static void verify(fixture *f, bool done) {
    pl_conn *c;
    OK(f, try_open(f, f->path, NULL, &c));
    assert_string_equal(text(f, c, "PRAGMA integrity_check"), "ok");
    const char *state =
        text(f, c, "SELECT group_concat(amount || ':' || length(note)) FROM account");
    bool all = strcmp(state, "50:9000,50:9000") == 0;
    if (!all)
        assert_string_equal(state, "100:5000,0:1");
    assert_true(all || !done);
    pl_conn_unref(c);
}

/* A failure that is over: roll back, then the work succeeds. */
static bool again(fixture *f, pl_conn *c) {
    OK(f, pl_conn_rollback(c, &f->err));
    assert_false(pl_conn_in_transaction(c));
    pl_error_clear(&f->err);
    OK(f, work(c, &f->err));
    return true;
}

/* One round: the nth operation fails. Returns how many did. */
static long round_of(fixture *f, fault_vfs *v, const scenario *s, long n) {
    fail_alloc fa = {.fail_at = 0};
    pl_conn *c = NULL;
    build(f, s->journal_mode);
    pl_error_clear(&f->err);
    v->full = s->full;
    fault_vfs_arm(v, s->kinds, n, s->persistent);
    pl_code code = open_faulty(f, &fa, s, &c);
    if (code == PL_OK)
        code = work(c, &f->err);
    if (code != PL_OK && code != PL_EOPERATIONAL && code != PL_EBUSY)
        fail_msg("%s, operation %ld: %s: %s", s->journal_mode, n, pl_code_name(code),
                 f->err.message);
    bool done = code == PL_OK;
    long failed = v->failed;
    if (c && !s->persistent) {
        (void)fault_vfs_disarm(v);
        done = done || again(f, c);
    }
    pl_conn_unref(c); /* while the file system still fails, if it is for good */
    failed = failed > v->failed ? failed : v->failed;
    (void)fault_vfs_disarm(v);
    assert_int_equal(fa.live, 0);
    verify(f, done);
    return failed;
}

static void run(fixture *f, const scenario *s) {
    fault_vfs v;
    assert_int_equal(fault_vfs_register(&v, "fault"), SQLITE_OK);
    long n = 1;
    while (n < ROUNDS_MOST && round_of(f, &v, s, n) > 0)
        n++;
    fault_vfs_unregister(&v);
    assert_in_range(n, 2, ROUNDS_MOST - 1);
    print_message("  %s: %ld operations\n", s->journal_mode, n - 1);
}

static void test_transient(void **state) {
    run(*state, &(scenario){"WAL", FAULT_ALL, false, false});
    run(*state, &(scenario){"DELETE", FAULT_ALL, false, false});
}

static void test_persistent(void **state) {
    run(*state, &(scenario){"WAL", FAULT_ALL, true, false});
    run(*state, &(scenario){"DELETE", FAULT_ALL, true, false});
}

/* A full disk: writes fail, the rest goes on. */
static void test_full(void **state) {
    run(*state, &(scenario){"WAL", FAULT_WRITE, true, true});
    run(*state, &(scenario){"DELETE", FAULT_WRITE, true, true});
    run(*state, &(scenario){"WAL", FAULT_WRITE, false, true});
    run(*state, &(scenario){"DELETE", FAULT_WRITE, false, true});
}

/* The kinds for themselves, so that each also fails as the first failure. */
static void test_kinds(void **state) {
    run(*state, &(scenario){"WAL", FAULT_SHM, true, false});
    run(*state, &(scenario){"DELETE", FAULT_SYNC, true, false});
    run(*state, &(scenario){"DELETE", FAULT_DELETE, true, false});
    run(*state, &(scenario){"TRUNCATE", FAULT_TRUNCATE, true, false});
    run(*state, &(scenario){"WAL", FAULT_READ, true, false});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_transient),
        FIXTURE_TEST(test_persistent),
        FIXTURE_TEST(test_full),
        FIXTURE_TEST(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
