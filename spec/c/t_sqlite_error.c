/* SPDX-License-Identifier: MIT */
/*
** t_sqlite_error.c - the SQLite driver: classes of errors, what they name and show.
*/
#include "driver_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

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

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_constraints),    FIXTURE_TEST(test_foreign_keys),
        FIXTURE_TEST(test_error_classes),  FIXTURE_TEST(test_error_parameters),
        FIXTURE_TEST(test_parameter_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
