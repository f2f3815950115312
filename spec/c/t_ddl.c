/* SPDX-License-Identifier: MIT */
/*
** t_ddl.c - CREATE and DROP as text, and that SQLite makes of it what was meant.
*/
#include "nodes.h"

static pl_buf text;

static const char *create_text(const pl_table *t) {
    pl_buf_clear(&text);
    if (pl_ddl_create_table(&pl_dialect_sqlite, t, &text, &F->err) != PL_OK)
        fail_msg("%s", F->err.message);
    return pl_buf_cstr(&text);
}

static const char *index_text(const pl_index *ix) {
    pl_buf_clear(&text);
    assert_int_equal(pl_ddl_create_index(&pl_dialect_sqlite, ix, &text, &F->err), PL_OK);
    return pl_buf_cstr(&text);
}

static int setup_text(void **state) {
    pl_buf_init(&text, pl_alloc_libc());
    return setup(state);
}

static int teardown_text(void **state) {
    pl_buf_free(&text);
    return teardown(state);
}

/* Finishes a table, compares its CREATE and runs it. */
static void check_create(pl_table *t, const char *sql) {
    assert_int_equal(pl_table_finish(t, &F->err), PL_OK);
    assert_string_equal(create_text(t), sql);
    execute(sql);
}

static pl_type *type_of(pl_kind kind) {
    pl_type *t = pl_arena_new(&F->md.arena, pl_type);
    *t = *pl_type_plain(kind);
    return t;
}

static pl_table *new_table(const char *name) {
    pl_table *t = NULL;
    assert_int_equal(pl_table_new(&F->md, name, NULL, &t, &F->err), PL_OK);
    return t;
}

/* ---- types ---- */

static void check_type_name(const pl_type *t, const char *name) {
    pl_buf_clear(&text);
    pl_dialect_sqlite.type(&text, t);
    assert_string_equal(pl_buf_cstr(&text), name);
}

static void type_names(void **state) {
    (void)state;
    static const char *const plain[PL_KIND_COUNT] = {
        "",         "INTEGER",  "SMALLINT", "BIGINT", "VARCHAR", "TEXT",     "VARCHAR",
        "TEXT",     "BOOLEAN",  "FLOAT",    "DOUBLE", "NUMERIC", "DATE",     "TIME",
        "DATETIME", "DATETIME", "BLOB",     "JSON",   "VARCHAR", "CHAR(32)", ""};
    for (int k = 0; k < PL_KIND_COUNT; k++)
        check_type_name(pl_type_plain((pl_kind)k), plain[k]);
    pl_type *t = type_of(PL_K_STRING);
    t->length = 100;
    check_type_name(t, "VARCHAR(100)");
    pl_type custom = {.kind = PL_K_CUSTOM, .base = t};
    check_type_name(&custom, "VARCHAR(100)");
    t = type_of(PL_K_NUMERIC);
    t->precision = 10;
    check_type_name(t, "NUMERIC(10)");
    t->scale = 2;
    check_type_name(t, "NUMERIC(10, 2)");
    static const char *const words[] = {"a", "dräft"};
    t = type_of(PL_K_ENUM);
    t->words = words;
    t->nwords = 2;
    t->name = "status";
    check_type_name(t, "VARCHAR(5)");
    t = type_of(PL_K_ANY);
    t->name = "MONEY(3)";
    check_type_name(t, "MONEY(3)");
}

/* ---- columns and constraints ---- */

static void a_plain_table(void **state) {
    (void)state;
    assert_string_equal(
        create_text(F->user),
        "CREATE TABLE user (id INTEGER NOT NULL, name VARCHAR, age INTEGER, "
        "active BOOLEAN, data JSON, CONSTRAINT pk_user PRIMARY KEY (id))");
    assert_string_equal(
        create_text(F->post),
        "CREATE TABLE post (id INTEGER NOT NULL, title VARCHAR, user_id INTEGER, "
        "CONSTRAINT fk_post_user_id_user FOREIGN KEY(user_id) REFERENCES user (id), "
        "CONSTRAINT pk_post PRIMARY KEY (id))");
    pl_buf_clear(&text);
    pl_ddl_drop_table(&pl_dialect_sqlite, F->group, &text);
    assert_string_equal(pl_buf_cstr(&text), "DROP TABLE \"group\"");
}

static void any_integer_key_is_the_rowid(void **state) {
    (void)state;
    static const pl_kind kinds[] = {PL_K_INTEGER, PL_K_SMALLINT, PL_K_BIGINT};
    for (size_t i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "t%zu", i);
        pl_table *t = new_table(name);
        add_column(t, "id", kinds[i])->primary_key = true;
        create(t);
        char sql[200];
        snprintf(sql, sizeof sql, "INSERT INTO t%zu DEFAULT VALUES", i);
        execute(sql);
        snprintf(sql, sizeof sql,
                 "CREATE TABLE check_%zu (x CHECK (x = 1)) ; INSERT INTO check_%zu "
                 "SELECT id FROM t%zu WHERE rowid = id",
                 i, i, i);
        execute(sql);
        assert_int_equal(sqlite3_changes(F->db), 1);
    }
    pl_table *t = new_table("auto");
    pl_column *id = add_column(t, "id", PL_K_BIGINT);
    id->primary_key = id->autoincrement = true;
    check_create(t, "CREATE TABLE auto (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT)");
    pl_table *pair = new_table("pair");
    add_column(pair, "a", PL_K_BIGINT)->primary_key = true;
    add_column(pair, "b", PL_K_SMALLINT)->primary_key = true;
    check_create(pair, "CREATE TABLE pair (a BIGINT NOT NULL, b SMALLINT NOT NULL, "
                       "CONSTRAINT pk_pair PRIMARY KEY (a, b))");
}

static void column_clauses(void **state) {
    (void)state;
    pl_table *t = new_table("thing");
    pl_column *c = add_column(t, "name", PL_K_STRING);
    c->nullable = false;
    c->collation = "NOCASE";
    c->server_default = "'x'";
    c->unique = true;
    c = add_column(t, "at", PL_K_DATETIME);
    c->server_default = "(CURRENT_TIMESTAMP)";
    c = add_column(t, "twice", PL_K_INTEGER);
    c->computed = "length(name) * 2";
    c = add_column(t, "kept", PL_K_TEXT);
    c->computed = "lower(name)";
    c->persisted = true;
    check_create(t, "CREATE TABLE thing (name VARCHAR COLLATE \"NOCASE\" DEFAULT 'x' NOT "
                    "NULL, at DATETIME DEFAULT (CURRENT_TIMESTAMP), twice INTEGER "
                    "GENERATED ALWAYS AS (length(name) * 2) VIRTUAL, kept TEXT GENERATED "
                    "ALWAYS AS (lower(name)) STORED, CONSTRAINT uq_thing_name UNIQUE "
                    "(name))");
    execute("INSERT INTO thing (name) VALUES ('Ab')");
    pl_buf_clear(&text);
    assert_int_equal(pl_ddl_column(&pl_dialect_sqlite, t->columns[1], &text, &F->err),
                     PL_OK);
    assert_string_equal(pl_buf_cstr(&text), "at DATETIME DEFAULT (CURRENT_TIMESTAMP)");
}

static void foreign_key_clauses(void **state) {
    (void)state;
    pl_table *t = new_table("item");
    pl_column *c = add_column(t, "user_id", PL_K_INTEGER);
    pl_constraint *fk = add_foreign(c, "user", "id");
    fk->ondelete = "CASCADE";
    fk->onupdate = "SET NULL";
    fk->deferrable = 1;
    fk->initially = "DEFERRED";
    fk = add_foreign(c, "user", "id");
    fk->name = "mine";
    fk->named_by_user = true;
    fk->deferrable = 0;
    check_create(t, "CREATE TABLE item (user_id INTEGER, CONSTRAINT fk_item_user_id_user "
                    "FOREIGN KEY(user_id) REFERENCES user (id) ON DELETE CASCADE ON "
                    "UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED, CONSTRAINT mine "
                    "FOREIGN KEY(user_id) REFERENCES user (id) NOT DEFERRABLE)");
    pl_table *bad = new_table("bad");
    add_foreign(add_column(bad, "x", PL_K_INTEGER), "nowhere", "id");
    assert_int_equal(pl_ddl_create_table(&pl_dialect_sqlite, bad, &text, &F->err),
                     PL_ENOREFTABLE);
}

static void checks(void **state) {
    (void)state;
    pl_table *t = new_table("c");
    pl_type *b = type_of(PL_K_BOOLEAN), *e = type_of(PL_K_ENUM);
    static const char *const words[] = {"a", "it's"};
    b->flags = e->flags = PL_TYPE_CONSTRAINT;
    e->words = words;
    e->nwords = 2;
    e->name = "kind";
    add_column(t, "on", PL_K_BOOLEAN)->type = b;
    add_column(t, "e", PL_K_ENUM)->type = e;
    pl_constraint *check = pl_table_add_constraint(t, PL_C_CHECK, NULL, 0);
    check->sqltext = "length(e) < 9";
    check_create(t,
                 "CREATE TABLE c (\"on\" BOOLEAN, e VARCHAR(4), CHECK (length(e) < 9), "
                 "CONSTRAINT ck_c_on CHECK (\"on\" IN (0, 1)), "
                 "CONSTRAINT ck_c_kind CHECK (e IN ('a', 'it''s')))");
    pl_buf out;
    pl_buf_init(&out, pl_alloc_libc());
    N *expr = AND(GT(COL(F->age), INT(-5)), EQ(COL(F->name), STR("it's")),
                  EQ(OP(PL_N_UNARY, PL_OP_NEG, INT(-1)), COL(F->id)));
    assert_int_equal(pl_compile_inline(&pl_dialect_sqlite, expr, &out, &F->err), PL_OK);
    assert_string_equal(pl_buf_cstr(&out), "age > -5 AND name = 'it''s' AND -(-1) = id");
    pl_buf_free(&out);
}

static void table_options(void **state) {
    (void)state;
    pl_table *t = new_table("s");
    t->flags = PL_TABLE_STRICT | PL_TABLE_WITHOUT_ROWID;
    pl_column *id = add_column(t, "id", PL_K_BIGINT);
    id->primary_key = true;
    add_column(t, "name", PL_K_STRING);
    add_column(t, "at", PL_K_DATETIME);
    add_column(t, "n", PL_K_NUMERIC);
    add_column(t, "b", PL_K_BINARY);
    add_column(t, "x", PL_K_ANY);
    check_create(t, "CREATE TABLE s (id INTEGER NOT NULL, name TEXT, at TEXT, n REAL, "
                    "b BLOB, x ANY, CONSTRAINT pk_s PRIMARY KEY (id)) "
                    "WITHOUT ROWID, STRICT");
    pl_table *a = new_table("auto");
    a->flags = PL_TABLE_AUTOINCREMENT;
    add_column(a, "id", PL_K_INTEGER)->primary_key = true;
    add_column(a, "x", PL_K_ANY);
    check_create(a,
                 "CREATE TABLE auto (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, x)");
    pl_table *v = new_table("v");
    v->flags = PL_TABLE_VIRTUAL;
    add_column(v, "body", PL_K_TEXT);
    assert_string_equal(create_text(v), "");
    pl_table *empty = new_table("empty");
    assert_int_equal(pl_ddl_create_table(&pl_dialect_sqlite, empty, &text, &F->err),
                     PL_ECOMPILE);
    pl_error_clear(&F->err);
    pl_column *untyped = pl_column_new(&F->md, "u", NULL);
    pl_table_add_column(empty, untyped, &F->err);
    assert_int_equal(pl_ddl_create_table(&pl_dialect_sqlite, empty, &text, &F->err),
                     PL_ECOMPILE);
    assert_string_equal(F->err.message, "column 'empty.u' has no type");
}

static void indexes(void **state) {
    (void)state;
    pl_column *both[] = {F->age, NULL};
    const char *exprs[] = {NULL, "lower(name) DESC"};
    pl_index *ix = pl_table_add_index(F->user, "ix_user_Mixed", both, exprs, 2);
    ix->unique = true;
    ix->where = "age > 3";
    assert_string_equal(index_text(ix),
                        "CREATE UNIQUE INDEX \"ix_user_Mixed\" ON user (age, "
                        "lower(name) DESC) WHERE age > 3");
    execute(pl_buf_cstr(&text));
    pl_buf_clear(&text);
    pl_ddl_drop_index(&pl_dialect_sqlite, ix, &text);
    assert_string_equal(pl_buf_cstr(&text), "DROP INDEX \"ix_user_Mixed\"");
    execute(pl_buf_cstr(&text));
}

static void schemas(void **state) {
    (void)state;
    pl_table *a = NULL, *b = NULL;
    execute("ATTACH ':memory:' AS other");
    assert_int_equal(pl_table_new(&F->md, "a", "other", &a, &F->err), PL_OK);
    assert_int_equal(pl_table_new(&F->md, "b", "other", &b, &F->err), PL_OK);
    add_column(a, "id", PL_K_INTEGER)->primary_key = true;
    pl_column *c = add_column(b, "a_id", PL_K_INTEGER);
    c->index = true;
    add_foreign(c, "other.a", "id");
    add_foreign(c, "a", "id");
    add_foreign(c, "user", "id");
    check_create(a, "CREATE TABLE other.a (id INTEGER NOT NULL, CONSTRAINT pk_a PRIMARY "
                    "KEY (id))");
    check_create(b, "CREATE TABLE other.b (a_id INTEGER, CONSTRAINT fk_b_a_id_a FOREIGN "
                    "KEY(a_id) REFERENCES a (id), CONSTRAINT fk_b_a_id_a FOREIGN "
                    "KEY(a_id) REFERENCES a (id))");
    assert_string_equal(index_text(b->indexes),
                        "CREATE INDEX other.ix_other_b_a_id ON b (a_id)");
    execute(pl_buf_cstr(&text));
    pl_buf_clear(&text);
    pl_ddl_drop_index(&pl_dialect_sqlite, b->indexes, &text);
    execute(pl_buf_cstr(&text));
    pl_buf_clear(&text);
    pl_ddl_drop_table(&pl_dialect_sqlite, b, &text);
    assert_string_equal(pl_buf_cstr(&text), "DROP TABLE other.b");
    execute(pl_buf_cstr(&text));
}

/* ---- names and literals ---- */

static void names_are_quoted_when_they_must(void **state) {
    (void)state;
    static const char *const names[][2] = {
        {"plain_1", "plain_1"},
        {"order", "\"order\""},
        {"Mixed", "\"Mixed\""},
        {"a b", "\"a b\""},
        {"1st", "\"1st\""},
        {"a\"b", "\"a\"\"b\""},
        {"", "\"\""},
        {"user", "user"},
        {"$x", "\"$x\""},
        {"x$", "x$"},
        {"\xc3\xa4", "\"\xc3\xa4\""},
        {"end", "\"end\""},
        {"add", "\"add\""},
        {"where", "\"where\""},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pl_buf_clear(&text);
        pl_quote_name(&pl_dialect_sqlite, &text, names[i][0]);
        assert_string_equal(pl_buf_cstr(&text), names[i][1]);
    }
}

/* Every keyword of SQLite may be a table, a column and an alias. */
static void keywords_are_names(void **state) {
    (void)state;
    execute("DROP TABLE \"group\"");
    pl_metadata_remove(&F->md, F->group);
    for (int i = 0; i < sqlite3_keyword_count(); i++) {
        const char *word;
        int len;
        char name[40];
        sqlite3_keyword_name(i, &word, &len);
        for (int k = 0; k <= len; k++)
            name[k] = k < len ? (char)(word[k] | 0x20) : '\0';
        for (char *p = name; *p; p++)
            if (*p == ('_' | 0x20))
                *p = '_';
        pl_table *t = new_table(name);
        pl_column *c = add_column(t, name, PL_K_INTEGER);
        c->primary_key = c->index = true;
        create(t);
        N *alias = ALIAS(TABLE(t), name);
        N *q =
            ORDER_BY(SELECT(COL(c), LABEL(BIN(PL_OP_ADD, COL(c), INT(1)), name)), COL(c));
        pl_compiled out;
        assert_int_equal(compile(q, &out), PL_OK);
        check_prepares(&out);
        assert_int_equal(compile(SELECT(FROM_COL(alias, c)), &out), PL_OK);
        check_prepares(&out);
    }
}

static void check_literal(pl_slot v, const char *wanted) {
    pl_buf_clear(&text);
    pl_write_literal(&pl_dialect_sqlite, &text, &v);
    assert_string_equal(pl_buf_cstr(&text), wanted);
}

static void literals(void **state) {
    (void)state;
    check_literal(pl_slot_int(INT64_MIN), "-9223372036854775808");
    check_literal(pl_slot_real(1), "1.0");
    check_literal(pl_slot_real(0.1), "0.1");
    check_literal(pl_slot_real(1e300), "1e+300");
    check_literal(pl_slot_real(1.0 / 0.0), "9e999");
    check_literal(pl_slot_real(-1.0 / 0.0), "-9e999");
    check_literal(pl_slot_real(0.0 / 0.0), "NULL");
    check_literal(pl_slot_text("it's", 4), "'it''s'");
    check_literal(pl_slot_text("", 0), "''");
    check_literal(pl_slot_text("a\0b", 3), "CAST(X'610062' AS TEXT)");
    check_literal(pl_slot_blob("\xff\x01", 2), "X'FF01'");
    check_literal(pl_slot_null(), "NULL");
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup_text, teardown_text)
    const struct CMUnitTest tests[] = {
        T(type_names),
        T(a_plain_table),
        T(any_integer_key_is_the_rowid),
        T(column_clauses),
        T(foreign_key_clauses),
        T(checks),
        T(table_options),
        T(indexes),
        T(schemas),
        T(names_are_quoted_when_they_must),
        T(keywords_are_names),
        T(literals),
    };
    return cmocka_run_group_tests_name("ddl", tests, NULL, NULL);
}
