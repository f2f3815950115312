/* SPDX-License-Identifier: MIT */
/*
** t_sqlite.c - the SQLite driver: opening, values, functions, schema, adopted handles.
*/
#include "driver_fixture.h"

#include <math.h>
#include <sqlite3.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- opening ---- */

static void test_defaults(void **state) {
    fixture *f = *state;
    pl_conn *file = open_file(f), *memory = open_memory(f);
    assert_int_equal(integer(f, file, "PRAGMA foreign_keys"), 1);
    assert_string_equal(text(f, file, "PRAGMA journal_mode"), "wal");
    assert_int_equal(integer(f, file, "PRAGMA synchronous"), 1);
    assert_int_equal(integer(f, file, "PRAGMA mmap_size"), 134217728);
    assert_int_equal(integer(f, file, "PRAGMA trusted_schema"), 0);
    assert_int_equal(integer(f, memory, "PRAGMA foreign_keys"), 1);
    assert_string_equal(text(f, memory, "PRAGMA journal_mode"), "memory");
    exec(f, memory, "CREATE TABLE t (a)");
    FAILS(f, pl_conn_exec(memory, "SELECT \"nope\" FROM t", &f->err), PL_EOPERATIONAL);
    FAILS(f, pl_conn_exec(memory, "CREATE INDEX i ON t (\"nope\")", &f->err),
          PL_EOPERATIONAL);
}

static void test_pragmas(void **state) {
    fixture *f = *state;
    pl_pragma pragmas[] = {{"foreign_keys", "off"}, {"Journal_Mode", "DELETE"},
                           {"page_size", "8192"},   {"cache_size", "-4000"},
                           {"mmap_size", "0"},      {"encoding", "UTF-16le"}};
    pl_conn_options o = pl_conn_options_default();
    o.pragmas = pragmas;
    o.npragmas = COUNT(pragmas);
    pl_conn *c = open_with(f, f->path, &o);
    assert_int_equal(integer(f, c, "PRAGMA foreign_keys"), 0);
    assert_string_equal(text(f, c, "PRAGMA journal_mode"), "delete");
    assert_int_equal(integer(f, c, "PRAGMA synchronous"), 2);
    assert_int_equal(integer(f, c, "PRAGMA page_size"), 8192);
    assert_int_equal(integer(f, c, "PRAGMA cache_size"), -4000);
    assert_int_equal(integer(f, c, "PRAGMA mmap_size"), 0);
    assert_string_equal(text(f, c, "PRAGMA encoding"), "UTF-16le");
    assert_string_equal(text(f, c, "SELECT 'h\u00e4'"), "h\u00e4");
}

static void test_bad_pragmas(void **state) {
    fixture *f = *state;
    static const pl_pragma bad[] = {
        {"foreign_keys; DROP TABLE t", "1"},
        {"", "1"},
        {"main.cache_size", "1"},
        {"foriegn_keys", "1"},
        {"cache_size", "1; SELECT 1"},
        {"cache_size", "1'"},
        {"cache_size", "\"1\""},
        {"cache_size", "1\n2"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        pl_conn_options o = pl_conn_options_default();
        pl_conn *c;
        o.pragmas = &bad[i];
        o.npragmas = 1;
        FAILS(f, try_open(f, NULL, &o, &c), PL_EARGUMENT);
        assert_null(c);
    }
}

static void test_cannot_open(void **state) {
    fixture *f = *state;
    pl_conn *c;
    pl_conn_options o = pl_conn_options_default();
    FAILS(f, try_open(f, f->dir, NULL, &c), PL_EOPERATIONAL);
    assert_non_null(strstr(f->err.message, f->dir));
    assert_string_equal(f->err.hint, "it is a directory");
    assert_int_equal(f->err.db_code & 0xff, SQLITE_CANTOPEN);

    char cwd[4096];
    assert_non_null(getcwd(cwd, sizeof cwd));
    FAILS(f, try_open(f, "no-such-directory/x.db", NULL, &c), PL_EOPERATIONAL);
    assert_non_null(strstr(f->err.message, cwd));
    assert_non_null(strstr(f->err.message, "/no-such-directory/x.db"));
    assert_non_null(strstr(f->err.hint, "does not exist"));

    o.create = false;
    FAILS(f, try_open(f, f->path, &o, &c), PL_EOPERATIONAL);
    assert_int_equal(access(f->path, F_OK), -1);

    FILE *junk = fopen(f->path, "w");
    assert_non_null(junk);
    for (int i = 0; i < 200; i++)
        (void)fputs("this is not a database ", junk);
    (void)fclose(junk);
    FAILS(f, try_open(f, f->path, NULL, &c), PL_EDATABASE);
    assert_non_null(strstr(f->err.message, f->path));
    o.readonly = true;
    FAILS(f, try_open(f, f->path, &o, &c), PL_EDATABASE);
}

static void test_readonly(void **state) {
    fixture *f = *state;
    exec(f, open_file(f), "CREATE TABLE t (a); INSERT INTO t VALUES (7)");
    pl_conn_options o = pl_conn_options_default();
    o.readonly = true;
    pl_conn *c = open_with(f, f->path, &o);
    assert_int_equal(integer(f, c, "SELECT a FROM t"), 7);
    FAILS(f, pl_conn_exec(c, "INSERT INTO t VALUES (8)", &f->err), PL_EOPERATIONAL);
    assert_int_equal(f->err.db_code & 0xff, SQLITE_READONLY);
    pl_conn *m = open_with(f, NULL, &o);
    FAILS(f, pl_conn_exec(m, "CREATE TABLE t (a)", &f->err), PL_EOPERATIONAL);
}

static void open_uri(fixture *f, const char *uri_text, pl_conn **out) {
    pl_uri uri;
    OK(f, pl_uri_parse(uri_text, strlen(uri_text), &f->arena, &uri, &f->err));
    OK(f, pl_conn_open(&pl_driver_sqlite, &uri, uri.database, NULL, pl_alloc_libc(), out,
                       &f->err));
    f->conns[f->nconns++] = *out;
}

static void test_uris(void **state) {
    fixture *f = *state;
    pl_conn *a, *b, *c;
    open_uri(f, "sqlite:///file:shared?mode=memory&cache=shared&uri=true&timeout=1", &a);
    open_uri(f, "sqlite:///file:shared?mode=memory&cache=shared&uri=true", &b);
    exec(f, a, "CREATE TABLE t (a)");
    exec(f, b, "INSERT INTO t VALUES (1)");
    assert_int_equal(integer(f, a, "SELECT a FROM t"), 1);

    exec(f, open_file(f), "CREATE TABLE t (a)");
    char text[FIXTURE_PATH + 40];
    (void)snprintf(text, sizeof text, "sqlite:///file:%s?mode=ro&uri=true", f->path);
    open_uri(f, text, &c);
    FAILS(f, pl_conn_exec(c, "INSERT INTO t VALUES (1)", &f->err), PL_EOPERATIONAL);

    pl_uri uri;
    OK(f, pl_uri_parse("sqlite://?timeout=soon", 22, &f->arena, &uri, &f->err));
    FAILS(f,
          pl_conn_open(&pl_driver_sqlite, &uri, NULL, NULL, pl_alloc_libc(), &c, &f->err),
          PL_EARGUMENT);
}

/* A plain path that begins with "file:" is a path all the same. */
static void test_odd_names(void **state) {
    fixture *f = *state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(f->dir), 0);
    exec(f, open_with(f, "file:a?mode=memory", NULL), "CREATE TABLE t (a)");
    int there = access("file:a?mode=memory", F_OK);
    exec(f, open_with(f, "per%20cent # \xc3\xa4.db", NULL), "CREATE TABLE t (a)");
    int also = access("per%20cent # \xc3\xa4.db", F_OK);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(there, 0);
    assert_int_equal(also, 0);
}

/* ---- values ---- */

static void test_values(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    pl_stmt *s = prepare(f, c, "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?");
    const pl_slot in[] = {
        pl_slot_null(),      pl_slot_int(INT64_MIN),         pl_slot_int(INT64_MAX),
        pl_slot_real(-0.0),  pl_slot_real((double)INFINITY), pl_slot_text("a\0b", 3),
        pl_slot_text("", 0), pl_slot_blob("\xff\0\x01", 3),  pl_slot_blob("", 0)};
    pl_slot out[COUNT(in)];
    OK(f, pl_stmt_bind_all(s, in, COUNT(in), &f->err));
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_ROW);
    assert_true(pl_stmt_columns(s, 0, (int)COUNT(in), out));
    for (size_t i = 0; i < COUNT(in); i++) {
        assert_true(pl_slot_same(&in[i], &out[i]));
        assert_int_equal(out[i].flags, 0);
    }
    assert_non_null(out[6].v.s);
    assert_non_null(out[8].v.s);
    pl_slot some[2];
    assert_true(pl_stmt_columns(s, 4, 2, some));
    assert_true(pl_slot_same(&some[1], &in[5]));
    pl_stmt_release(s);
}

static void test_refused_values(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    pl_stmt *s = prepare(f, c, "SELECT :a, :b");
    pl_slot nan_value = pl_slot_real((double)NAN);
    pl_slot expression = {.tag = PL_EXPR};
    pl_slot unset = {.tag = PL_UNSET};
    pl_slot one = pl_slot_int(1);
    FAILS(f, pl_stmt_bind(s, 1, &nan_value, &f->err), PL_EVALUE);
    assert_string_equal(f->err.sql, "SELECT :a, :b");
    FAILS(f, pl_stmt_bind(s, 1, &expression, &f->err), PL_EPROGRAMMING);
    FAILS(f, pl_stmt_bind(s, 3, &one, &f->err), PL_EPROGRAMMING);
    FAILS(f, pl_stmt_bind(s, 0, &one, &f->err), PL_EPROGRAMMING);
    FAILS(f, pl_stmt_bind_all(s, &one, 1, &f->err), PL_EPROGRAMMING);
    assert_non_null(strstr(f->err.message, "uses 2, and there are 1"));
    assert_int_equal(pl_stmt_parameter_count(s), 2);
    assert_int_equal(pl_stmt_parameter_index(s, ":b"), 2);
    assert_int_equal(pl_stmt_parameter_index(s, ":c"), 0);
    OK(f, pl_stmt_bind(s, 1, &unset, &f->err));
    OK(f, pl_stmt_bind(s, 2, &one, &f->err));
    pl_slot out[2];
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_ROW);
    assert_true(pl_stmt_columns(s, 0, 2, out));
    assert_int_equal(out[0].tag, PL_NULL);
    assert_int_equal(out[1].v.i, 1);
    pl_stmt_release(s);
}

static void test_names(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    exec(f, c, "CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR(10))");
    pl_stmt *s = prepare(f, c, "SELECT a, b AS x, a + 1 FROM t");
    assert_int_equal(pl_stmt_column_count(s), 3);
    assert_string_equal(pl_stmt_column_name(s, 1), "x");
    assert_string_equal(pl_stmt_column_decltype(s, 1), "VARCHAR(10)");
    assert_null(pl_stmt_column_decltype(s, 2));
    assert_true(pl_stmt_readonly(s));
    pl_stmt_release(s);
    s = prepare(f, c, "INSERT INTO t (b) VALUES ('x')");
    assert_false(pl_stmt_readonly(s));
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_DONE);
    assert_int_equal(pl_conn_last_id(c), 1);
    assert_int_equal(pl_conn_changes(c), 1);
    pl_stmt_release(s);
}

/* ---- functions ---- */

static int twice(void *ud, const pl_slot *args, int nargs, pl_slot *result,
                 const char **message) {
    (void)nargs;
    ++*(int *)ud;
    if (args[0].tag == PL_TEXT) {
        *message = "twice wants a number";
        return 1;
    }
    *result = pl_slot_int(args[0].v.i * 2);
    return 0;
}

static int echo(void *ud, const pl_slot *args, int nargs, pl_slot *result,
                const char **message) {
    (void)ud, (void)message;
    *result = nargs ? args[nargs - 1] : pl_slot_null();
    return 0;
}

static void destroyed(void *ud) {
    *(int *)ud = -1;
}

static void test_functions(void **state) {
    fixture *f = *state;
    pl_conn *c;
    int calls = 0;
    OK(f, try_open(f, NULL, NULL, &c));
    OK(f, pl_conn_function(c, "twice", 1, true, twice, &calls, destroyed, &f->err));
    OK(f, pl_conn_function(c, "echo", -1, false, echo, NULL, NULL, &f->err));
    assert_int_equal(integer(f, c, "SELECT twice(21)"), 42);
    assert_int_equal(calls, 1);
    FAILS(f, pl_conn_exec(c, "SELECT twice('x')", &f->err), PL_EOPERATIONAL);
    assert_string_equal(f->err.message, "twice wants a number");
    assert_string_equal(text(f, c, "SELECT echo(1, 2.5, x'00', 'z')"), "z");
    assert_int_equal(scalar(f, c, "SELECT echo(x'0001')").len, 2);
    assert_int_equal(scalar(f, c, "SELECT echo()").tag, PL_NULL);
    assert_true(scalar(f, c, "SELECT echo(2.5)").v.r == 2.5);
    exec(f, c, "CREATE TABLE t (a CHECK (twice(a) > 0))");
    FAILS(f, pl_conn_exec(c, "INSERT INTO t VALUES (-1)", &f->err), PL_EINTEGRITY);
    exec(f, c, "CREATE VIEW v AS SELECT echo(1)");
    FAILS(f, pl_conn_exec(c, "SELECT * FROM v", &f->err), PL_EOPERATIONAL);
    int other = 0;
    OK(f, pl_conn_function(c, "twice", 1, true, echo, &other, destroyed, &f->err));
    assert_int_equal(calls, -1);
    pl_conn_unref(c);
    assert_int_equal(other, -1);
}

static void test_regexp(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    static const struct {
        const char *value, *pattern;
        int found;
    } known[] = {
        {"'hello'", "'l+o$'", 1},
        {"'hello'", "'^l'", 0},
        {"'a1b'", "'\\d'", 1},
        {"'ab'", "'\\d'", 0},
        {"'123'", "'^\\D'", 0},
        {"'x_9'", "'^[\\w]+$'", 1},
        {"'x-9'", "'^[\\w]+$'", 0},
        {"'12 3'", "'^[\\d\\s]+$'", 1},
        {"'a]b'", "'[]]'", 1},
        {"'a5'", "'[[:digit:]x]'", 1},
        {"'\u00e4\u00f6\u00fc'", "'^.{3}$'", 1},
        {"'\u00e4'", "'^[\u00e4\u00f6]$'", 1},
        {"1234", "'^12'", 1},
        {"2.5", "'\\.5$'", 1},
        {"'ab' || char(0) || 'cd'", "'cd$'", 1},
        {"''", "'^$'", 1},
        {"'(x|y)'", "'\\(x'", 1},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        char sql[200];
        (void)snprintf(sql, sizeof sql, "SELECT %s REGEXP %s", known[i].value,
                       known[i].pattern);
        if (integer(f, c, sql) != known[i].found)
            fail_msg("%s", sql);
    }
    assert_int_equal(scalar(f, c, "SELECT NULL REGEXP 'a'").tag, PL_NULL);
    assert_int_equal(scalar(f, c, "SELECT 'a' REGEXP NULL").tag, PL_NULL);
    FAILS(f, pl_conn_exec(c, "SELECT 'a' REGEXP '(a'", &f->err), PL_EOPERATIONAL);
    assert_memory_equal(f->err.message, "bad regular expression", 22);
    FAILS(f, pl_conn_exec(c, "SELECT 'a' REGEXP 'a' || char(0)", &f->err),
          PL_EOPERATIONAL);
    assert_int_equal(integer(f, c, "SELECT 'a' REGEXP 'a'"), 1);
}

/* ---- schema and versions ---- */

static void test_triggers(void **state) {
    fixture *f = *state;
    pl_conn *a = open_file(f), *b = open_file(f);
    exec(f, a, "CREATE TABLE t (a); CREATE TABLE u (a)");
    assert_false(pl_conn_has_triggers(a, "t"));
    assert_false(pl_conn_has_triggers(a, "t"));
    exec(f, b, "CREATE TRIGGER g AFTER INSERT ON T BEGIN SELECT 1; END");
    assert_true(pl_conn_has_triggers(a, "t"));
    assert_true(pl_conn_has_triggers(a, "T"));
    assert_false(pl_conn_has_triggers(a, "u"));
    exec(f, a, "CREATE TEMP TRIGGER h AFTER INSERT ON u BEGIN SELECT 1; END");
    assert_true(pl_conn_has_triggers(a, "u"));
    exec(f, a, "DROP TRIGGER g");
    assert_false(pl_conn_has_triggers(a, "t"));
}

static void test_data_version(void **state) {
    fixture *f = *state;
    pl_conn *a = open_file(f), *b = open_file(f);
    exec(f, a, "CREATE TABLE t (a)");
    int64_t before = pl_conn_data_version(a);
    exec(f, a, "INSERT INTO t VALUES (1)");
    assert_int_equal(pl_conn_data_version(a), before);
    exec(f, b, "INSERT INTO t VALUES (1)");
    assert_int_not_equal(pl_conn_data_version(a), before);
    pl_conn_close(b);
    assert_int_equal(pl_conn_data_version(b), -1);
}

/* ---- an adopted handle ---- */

static int64_t ask(sqlite3 *db, const char *sql) {
    sqlite3_stmt *s;
    int64_t value = -1;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    if (sqlite3_step(s) == SQLITE_ROW)
        value = sqlite3_column_int64(s, 0);
    (void)sqlite3_finalize(s);
    return value;
}

static pl_conn *adopt(fixture *f, sqlite3 *db, int busy_timeout) {
    pl_conn *c;
    pl_conn_options o = pl_conn_options_default();
    o.shared = db;
    o.busy_timeout = busy_timeout;
    OK(f, try_open(f, NULL, &o, &c));
    return c;
}

static void test_adopted(void **state) {
    fixture *f = *state;
    sqlite3 *db;
    int gone = 0;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 1234);
    pl_conn *c = adopt(f, db, 100);
    assert_ptr_equal(pl_conn_handle(c), db);
    assert_int_equal(ask(db, "PRAGMA foreign_keys"), 0);
    assert_int_equal(integer(f, c, "SELECT 'ab' REGEXP 'b$'"), 1);
    OK(f, pl_conn_function(c, "twice", 1, true, twice, &gone, destroyed, &f->err));
    exec(f, c, "CREATE TABLE t (a UNIQUE)");
    FAILS(f, pl_conn_exec(c, "INSERT INTO t VALUES (1), (1)", &f->err), PL_EINTEGRITY);
    assert_int_equal(f->err.db_code, SQLITE_CONSTRAINT_UNIQUE);
    OK(f, pl_conn_begin(c, PL_BEGIN_IMMEDIATE, &f->err));
    exec(f, c, "INSERT INTO t VALUES (5)");
    pl_conn_unref(c); /* rolls back and leaves the handle open */
    assert_int_equal(gone, -1);
    assert_int_equal(sqlite3_get_autocommit(db), 1);
    assert_int_equal(ask(db, "SELECT count(*) FROM t"), 0);
    assert_int_equal(ask(db, "PRAGMA busy_timeout"), 1234);
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT twice(1)", -1, &s, NULL),
                     SQLITE_ERROR);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The owner's statement runs on while ours goes: its function answers with an error. */
static void test_function_outlived(void **state) {
    fixture *f = *state;
    sqlite3 *db;
    sqlite3_stmt *s;
    int gone = 0;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    pl_conn *c = adopt(f, db, -1);
    assert_int_equal(ask(db, "PRAGMA busy_timeout"), 0);
    exec(f, c, "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)");
    OK(f, pl_conn_function(c, "twice", 1, false, twice, &gone, destroyed, &f->err));
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT twice(a) FROM t", -1, &s, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_int_equal(gone, 1);
    pl_conn_unref(c);
    assert_int_equal(gone, -1);
    assert_int_equal(sqlite3_step(s), SQLITE_ERROR);
    assert_non_null(strstr(sqlite3_errmsg(db), "is closed"));
    assert_int_equal(gone, -1);
    (void)sqlite3_finalize(s);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* In a transaction of the owner's, ours is a savepoint in it. */
static void test_joined(void **state) {
    fixture *f = *state;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    pl_conn *c = adopt(f, db, -1);
    exec(f, c, "CREATE TABLE t (a)");
    assert_int_equal(sqlite3_exec(db, "BEGIN; INSERT INTO t VALUES (1)", 0, 0, 0), 0);
    assert_false(pl_conn_in_transaction(c));
    OK(f, pl_conn_begin(c, PL_BEGIN_IMMEDIATE, &f->err));
    assert_true(pl_conn_in_transaction(c));
    exec(f, c, "INSERT INTO t VALUES (2)");
    OK(f, pl_conn_savepoint(c, 1, &f->err));
    exec(f, c, "INSERT INTO t VALUES (3)");
    OK(f, pl_conn_rollback_to(c, 1, &f->err));
    OK(f, pl_conn_commit(c, &f->err));
    OK(f, pl_conn_begin(c, PL_BEGIN_DEFERRED, &f->err));
    exec(f, c, "INSERT INTO t VALUES (4)");
    OK(f, pl_conn_rollback(c, &f->err));
    OK(f, pl_conn_begin(c, PL_BEGIN_DEFERRED, &f->err));
    exec(f, c, "INSERT INTO t VALUES (5)");
    pl_conn_unref(c); /* gives up what it did not commit */
    assert_int_equal(sqlite3_get_autocommit(db), 0);
    assert_int_equal(ask(db, "SELECT sum(a) FROM t"), 3);
    assert_int_equal(sqlite3_exec(db, "COMMIT", 0, 0, 0), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_defaults),       FIXTURE_TEST(test_pragmas),
        FIXTURE_TEST(test_bad_pragmas),    FIXTURE_TEST(test_cannot_open),
        FIXTURE_TEST(test_readonly),       FIXTURE_TEST(test_uris),
        FIXTURE_TEST(test_odd_names),      FIXTURE_TEST(test_values),
        FIXTURE_TEST(test_refused_values), FIXTURE_TEST(test_names),
        FIXTURE_TEST(test_functions),      FIXTURE_TEST(test_regexp),
        FIXTURE_TEST(test_triggers),       FIXTURE_TEST(test_data_version),
        FIXTURE_TEST(test_adopted),        FIXTURE_TEST(test_function_outlived),
        FIXTURE_TEST(test_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
