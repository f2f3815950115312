/* SPDX-License-Identifier: MIT */
/*
** t_sqlite.c - the SQLite driver: opening, values, error classes, hooks, functions.
*/
#include "driver_fixture.h"

#include <math.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

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

/* ---- errors ---- */

static const char schema[] =
    "CREATE TABLE user (id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT NOT NULL"
    " DEFAULT 'n', age INTEGER CHECK (age > 0), size INTEGER CONSTRAINT ck_size CHECK"
    " (size < 9), boss INTEGER REFERENCES user, UNIQUE (name, age));"
    "CREATE TABLE post (a INT, b INT, user_id INT REFERENCES user (id) DEFERRABLE "
    "INITIALLY"
    " DEFERRED, PRIMARY KEY (a, b));"
    "CREATE TABLE \"odd.na\"\"me\" (\"x\" INT UNIQUE, \"y.z\" INT UNIQUE);"
    "CREATE TABLE strict_t (n INTEGER) STRICT;"
    "CREATE UNIQUE INDEX ix_next ON strict_t (n + 1);"
    "INSERT INTO user (id, email, name, age) VALUES (1, 'a@b', 'ann', 30);"
    "INSERT INTO post VALUES (1, 2, 1);"
    "INSERT INTO \"odd.na\"\"me\" VALUES (1, 1);";

static void same(const char *got, const char *expected) {
    if (!got || !expected)
        assert_true(got == expected);
    else
        assert_string_equal(got, expected);
}

static void test_constraints(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    exec(f, c, schema);
    static const struct {
        const char *sql, *table, *column, *constraint;
    } known[] = {
        {"INSERT INTO user (id, email) VALUES (9, 'a@b')", "user", "email", NULL},
        {"INSERT INTO user (id) VALUES (1)", "user", "id", NULL},
        {"UPDATE user SET name = NULL", "user", "name", NULL},
        {"INSERT INTO user (name, age) VALUES ('ann', 30)", "user", "name, age", NULL},
        {"INSERT OR ABORT INTO main.post VALUES (1, 2, 1)", "post", "a, b", NULL},
        {"insert into \"user\" (age) values (-1)", "user", NULL, "age > 0"},
        {"UPDATE OR FAIL [user] SET size = 10", "user", NULL, "ck_size"},
        {"INSERT INTO strict_t VALUES (1), (1)", "strict_t", NULL, "ix_next"},
        {"INSERT INTO \"odd.na\"\"me\" VALUES (1, 2)", "odd.na\"me", "x", NULL},
        {"INSERT INTO \"odd.na\"\"me\" VALUES (2, 1)", "odd.na\"me", "y.z", NULL},
        {"INSERT INTO strict_t VALUES ('x')", "strict_t", "n", NULL},
        {"WITH v AS (SELECT 1) INSERT INTO user (id) SELECT * FROM v", "user", "id",
         NULL},
        {"REPLACE /* x */ INTO -- y\n user (age) VALUES (-2)", "user", NULL, "age > 0"},
        {"INSERT INTO user (boss) VALUES (77)", NULL, NULL, NULL},
        {"INSERT INTO user (id) VALUES ('x')", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        FAILS(f, pl_conn_exec(c, known[i].sql, &f->err), PL_EINTEGRITY);
        same(f->err.table, known[i].table);
        same(f->err.column, known[i].column);
        same(f->err.constraint, known[i].constraint);
        assert_string_equal(f->err.sql, known[i].sql);
        assert_true(f->err.db_code != 0);
    }
}

static void test_foreign_keys(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    exec(f, c, schema);
    FAILS(f, pl_conn_exec(c, "INSERT INTO user (boss) VALUES (77)", &f->err),
          PL_EINTEGRITY);
    assert_non_null(strstr(f->err.hint, "\"user\" refers to a row that is not there"));
    exec(f, c, "INSERT INTO user (id, name, boss) VALUES (2, 'bob', 1)");
    FAILS(f, pl_conn_exec(c, "DELETE FROM user WHERE id = 1", &f->err), PL_EINTEGRITY);
    assert_non_null(strstr(f->err.hint, "still refer to the row deleted from \"user\""));
    FAILS(f, pl_conn_exec(c, "UPDATE user SET id = 3 WHERE id = 1", &f->err),
          PL_EINTEGRITY);
    assert_non_null(strstr(f->err.hint, "changed row of \"user\""));

    OK(f, pl_conn_begin(c, PL_BEGIN_DEFERRED, &f->err));
    exec(f, c, "INSERT INTO post VALUES (5, 6, 77)");
    FAILS(f, pl_conn_commit(c, &f->err), PL_EINTEGRITY);
    same(f->err.table, "post");
    same(f->err.column, "user_id");
    assert_non_null(strstr(f->err.hint, "\"user\""));
    same(f->err.sql, "COMMIT");
    assert_true(pl_conn_in_transaction(c));
    exec(f, c, "UPDATE post SET user_id = 1");
    OK(f, pl_conn_commit(c, &f->err));
    assert_false(pl_conn_in_transaction(c));
}

static void test_error_classes(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    exec(f, c, schema);
    static const struct {
        const char *sql;
        pl_code code;
        const char *part;
    } known[] = {
        {"SELEC", PL_EOPERATIONAL, "syntax error"},
        {"SELECT * FROM nope", PL_EOPERATIONAL, "no such table: nope"},
        {"SELECT nope FROM user", PL_EOPERATIONAL, "no such column: nope"},
        {"SELECT nope(1)", PL_EOPERATIONAL, "no such function: nope"},
        {"CREATE TABLE user (id)", PL_EOPERATIONAL, "already exists"},
        {"SELECT zeroblob(2000000000)", PL_EDATA, "too big"},
        {"SELECT abs(-9223372036854775807 - 1)", PL_EOPERATIONAL, "overflow"},
        {"ROLLBACK", PL_EOPERATIONAL, "no transaction is active"},
        {"ATTACH '/no/such/dir/x.db' AS x", PL_EOPERATIONAL, "unable to open"},
        {"SELECT load_extension('x')", PL_EOPERATIONAL, "not authorized"},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        FAILS(f, pl_conn_exec(c, known[i].sql, &f->err), known[i].code);
        if (!strstr(f->err.message, known[i].part))
            fail_msg("%s", f->err.message);
        assert_string_equal(f->err.sql, known[i].sql);
    }
}

static void test_error_parameters(void **state) {
    fixture *f = *state;
    pl_conn *c = open_memory(f);
    exec(f, c, schema);
    pl_stmt *s = prepare(f, c, "INSERT INTO user (id, email, size) VALUES (?, ?, ?)");
    char longer[1001];
    memset(longer, 'x', 1000);
    longer[1000] = '\0';
    pl_slot in[] = {pl_slot_int(1), slot_str(longer), pl_slot_null()};
    OK(f, pl_stmt_bind_all(s, in, 3, &f->err));
    assert_int_equal(pl_stmt_step(s, &f->err), PL_STEP_ERROR);
    assert_int_equal(f->err.code, PL_EINTEGRITY);
    assert_memory_equal(f->err.params, "(1, 'xxx", 8);
    assert_non_null(strstr(f->err.params, "xxx ... (700 bytes) ... xxx"));
    assert_non_null(strstr(f->err.params, "', NULL)"));
    pl_stmt_release(s);
}

/* Text that ends in the middle of an abbreviation is cut between characters. */
static void test_parameter_text(void **state) {
    fixture *f = *state;
    pl_slot few[] = {slot_str("it's\n\\"), pl_slot_real(0.5),
                     pl_slot_blob("\x01\xff", 2)};
    assert_string_equal(pl_params_text(few, 3, &f->arena),
                        "('it\\'s\\n\\\\', 0.5, x'01ff')");
    assert_null(pl_params_text(NULL, 0, &f->arena));
    pl_slot many[250];
    for (int i = 0; i < 250; i++)
        many[i] = pl_slot_int(i);
    const char *list = pl_params_text(many, 250, &f->arena);
    assert_non_null(strstr(list, ", 49, ... 150 more ..., 200, "));
    assert_non_null(strstr(list, ", 249)"));
    char wide[1000];
    for (size_t i = 0; i + 3 <= sizeof wide; i += 3)
        memcpy(wide + i, "\xe2\x82\xac", 3);
    pl_slot euro = pl_slot_text(wide, 999);
    const char *cut = pl_params_text(&euro, 1, &f->arena);
    const char *dots = strstr(cut, " ... (");
    assert_non_null(dots);
    assert_memory_equal(dots - 3, "\xe2\x82\xac", 3);
    assert_memory_equal(strstr(cut, ") ... ") + 6, "\xe2\x82\xac", 3);
}

/* ---- hooks ---- */

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

static int on_authorize(void *ud, int action, const char *a, const char *b,
                        const char *db, const char *via) {
    const watcher *w = ud;
    (void)a, (void)b, (void)db, (void)via;
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
    exec(f, c, "SELECT 1");
    pl_conn_set_hooks(c, NULL);
    assert_int_equal(w.polls, 0);
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
        FIXTURE_TEST(test_defaults),
        FIXTURE_TEST(test_pragmas),
        FIXTURE_TEST(test_bad_pragmas),
        FIXTURE_TEST(test_cannot_open),
        FIXTURE_TEST(test_readonly),
        FIXTURE_TEST(test_uris),
        FIXTURE_TEST(test_odd_names),
        FIXTURE_TEST(test_values),
        FIXTURE_TEST(test_refused_values),
        FIXTURE_TEST(test_names),
        FIXTURE_TEST(test_constraints),
        FIXTURE_TEST(test_foreign_keys),
        FIXTURE_TEST(test_error_classes),
        FIXTURE_TEST(test_error_parameters),
        FIXTURE_TEST(test_parameter_text),
        FIXTURE_TEST(test_poll),
        FIXTURE_TEST(test_interrupt),
        FIXTURE_TEST(test_interrupt_from_thread),
        FIXTURE_TEST(test_poll_while_waiting),
        FIXTURE_TEST(test_authorize),
        FIXTURE_TEST(test_changed),
        FIXTURE_TEST(test_commit_hook),
        FIXTURE_TEST(test_trace),
        FIXTURE_TEST(test_functions),
        FIXTURE_TEST(test_regexp),
        FIXTURE_TEST(test_triggers),
        FIXTURE_TEST(test_data_version),
        FIXTURE_TEST(test_adopted),
        FIXTURE_TEST(test_function_outlived),
        FIXTURE_TEST(test_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
