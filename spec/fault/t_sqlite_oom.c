/* SPDX-License-Identifier: MIT */
/*
** t_sqlite_oom.c - every allocation of SQLite fails in turn.
**
** A program of its own, because SQLite takes another allocator only before it is first
** used. The error is PL_ENOMEM (or none, where SQLite can do without), nothing leaks, the
** database holds all or nothing of the transaction, and afterwards the connection works.
*/
#include "../c/driver_fixture.h"

#include <sqlite3.h>

enum { ROUNDS_MOST = 5000, HEAD = 16 };

/* SQLite's allocator has no argument for the state of a test. */
static struct {
    long fail_at, count, failed, live;
    bool persistent;
} heap;

static bool refuse(void) {
    if (heap.fail_at == 0)
        return false;
    heap.count++;
    if (heap.count < heap.fail_at || (heap.count > heap.fail_at && !heap.persistent))
        return false;
    heap.failed++;
    return true;
}

/* The size stands before the block. */
static void *heap_malloc(int n) {
    char *p = refuse() ? NULL : malloc((size_t)n + HEAD);
    if (!p)
        return NULL;
    memcpy(p, &n, sizeof n);
    heap.live += n;
    return p + HEAD;
}

static int heap_size(void *p) {
    int n = 0;
    if (p)
        memcpy(&n, (char *)p - HEAD, sizeof n);
    return n;
}

static void heap_free(void *p) {
    heap.live -= heap_size(p);
    if (p)
        free((char *)p - HEAD);
}

static void *heap_realloc(void *p, int n) {
    int old = heap_size(p);
    char *q = refuse() ? NULL : realloc((char *)p - HEAD, (size_t)n + HEAD);
    if (!q)
        return NULL;
    memcpy(q, &n, sizeof n);
    heap.live += n - old;
    return q + HEAD;
}

static int heap_roundup(int n) {
    return (n + 7) & ~7;
}

static int heap_init(void *unused) {
    (void)unused;
    return SQLITE_OK;
}

static void heap_shutdown(void *unused) {
    (void)unused;
}

static int install(void **state) {
    static const sqlite3_mem_methods methods = {heap_malloc,   heap_free,    heap_realloc,
                                                heap_size,     heap_roundup, heap_init,
                                                heap_shutdown, NULL};
    (void)state;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK ||
           sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK ||
           sqlite3_initialize() != SQLITE_OK;
}

static void arm(long n, bool persistent) {
    heap.fail_at = n;
    heap.persistent = persistent;
    heap.count = heap.failed = 0;
}

static int on_echo(void *ud, const pl_slot *args, int nargs, pl_slot *result,
                   const char **message) {
    (void)ud, (void)nargs, (void)message;
    *result = args[0];
    return 0;
}

/* Without waiting for the disk, of which there is nothing to see here. */
static pl_code open_quick(fixture *f, const char *path, pl_conn **out) {
    static const pl_pragma pragma = {"synchronous", "OFF"};
    pl_conn_options o = pl_conn_options_default();
    o.pragmas = &pragma;
    o.npragmas = 1;
    return try_open(f, path, &o, out);
}

static void build(fixture *f) {
    pl_conn *c;
    (void)unlink(f->path);
    OK(f, open_quick(f, f->path, &c));
    exec(f, c,
         "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b);"
         "INSERT INTO t VALUES (1, 'one', NULL), (2, 'two', NULL)");
    pl_conn_unref(c);
}

/* Reads all rows with all columns. */
static void read_rows(pl_conn *c, pl_error *err) {
    static const char sql[] =
        "SELECT id, a || '!', echo(a) FROM t WHERE a REGEXP 'o' ORDER"
        " BY a";
    pl_stmt *s;
    pl_slot out[3];
    if (pl_conn_prepare(c, sql, sizeof sql - 1, true, &s, err) != PL_OK)
        return;
    while (pl_stmt_step(s, err) == PL_STEP_ROW)
        if (pl_stmt_columns(s, 0, 3, out))
            assert_true(out[1].tag == PL_TEXT && out[1].len == 4);
    pl_stmt_release(s);
}

static void write_rows(pl_conn *c, pl_error *err) {
    static const char sql[] = "UPDATE t SET a = a || ?, b = ? WHERE id = ?";
    pl_stmt *s;
    if (pl_conn_prepare(c, sql, sizeof sql - 1, true, &s, err) != PL_OK)
        return;
    for (int id = 1; id <= 2 && err->code == PL_OK; id++) {
        pl_slot in[] = {slot_str("?"), pl_slot_blob("\0\1", 2), pl_slot_int(id)};
        if (pl_stmt_bind_all(s, in, 3, err) == PL_OK)
            (void)pl_stmt_step(s, err);
    }
    pl_stmt_release(s);
}

static pl_code work(pl_conn *c, pl_error *err) {
    if (pl_conn_function(c, "echo", 1, true, on_echo, NULL, NULL, err) != PL_OK ||
        pl_conn_begin(c, PL_BEGIN_IMMEDIATE, err) != PL_OK)
        return err->code;
    read_rows(c, err);
    if (err->code == PL_OK && pl_conn_savepoint(c, 1, err) == PL_OK)
        write_rows(c, err);
    if (err->code == PL_OK && pl_conn_release(c, 1, err) == PL_OK)
        (void)pl_conn_commit(c, err);
    return err->code;
}

/* After short memory: the same connection rolls back and works. */
static void use_again(fixture *f, pl_conn *c) {
    OK(f, pl_conn_rollback(c, &f->err));
    assert_false(pl_conn_in_transaction(c));
    assert_int_equal(pl_conn_open_statements(c), 0);
    assert_string_equal(text(f, c, "PRAGMA integrity_check"), "ok");
    pl_slot names =
        scalar(f, c, "SELECT group_concat(a) FROM (SELECT a FROM t ORDER BY 1)");
    assert_true(strcmp(names.v.s, "one,two") == 0 || strcmp(names.v.s, "one?,two?") == 0);
}

static long round_of(fixture *f, const char *path, long n, bool persistent) {
    pl_conn *c = NULL;
    long live = heap.live;
    bool done = false;
    pl_error_clear(&f->err);
    arm(n, persistent);
    pl_code code = open_quick(f, path, &c);
    if (code == PL_OK && path)
        done = work(c, &f->err) == PL_OK;
    else if (code == PL_OK)
        (void)pl_conn_exec(c,
                           "CREATE TABLE t (a CHECK (a REGEXP '^.$')); INSERT INTO t"
                           " VALUES ('x'), ('y'); SELECT * FROM t",
                           &f->err);
    code = f->err.code;
    long failed = heap.failed;
    if (c && persistent)
        pl_conn_close(c); /* wants no memory */
    arm(0, false);
    if (code != PL_OK && code != PL_ENOMEM)
        fail_msg("allocation %ld: %s: %s", n, pl_code_name(code), f->err.message);
    assert_true(code == PL_OK || failed > 0);
    if (c && !persistent && path)
        use_again(f, c);
    pl_conn_unref(c);
    if (path) {
        OK(f, open_quick(f, path, &c));
        const char *a = text(f, c, "SELECT a FROM t WHERE id = 1");
        assert_true(!done || strcmp(a, "one?") == 0);
        pl_conn_unref(c);
    }
    pl_error_clear(&f->err);
    assert_int_equal(heap.live, live);
    return failed;
}

static void sweep(fixture *f, const char *path, bool persistent) {
    long n = 0, failed;
    do {
        if (path)
            build(f);
        failed = round_of(f, path, ++n, persistent);
        assert_true(n < ROUNDS_MOST);
    } while (failed > 0);
    print_message("  %s, %s: %ld allocations\n", path ? "file" : "memory",
                  persistent ? "for good" : "once", n - 1);
    assert_true(n > 100);
}

static void test_memory_once(void **state) {
    sweep(*state, NULL, false);
}

static void test_memory_for_good(void **state) {
    sweep(*state, NULL, true);
}

static void test_file_once(void **state) {
    fixture *f = *state;
    sweep(f, f->path, false);
}

static void test_file_for_good(void **state) {
    fixture *f = *state;
    sweep(f, f->path, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_memory_once),
        FIXTURE_TEST(test_memory_for_good),
        FIXTURE_TEST(test_file_once),
        FIXTURE_TEST(test_file_for_good),
    };
    return cmocka_run_group_tests(tests, install, NULL);
}
