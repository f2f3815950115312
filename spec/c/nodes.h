/* SPDX-License-Identifier: MIT */
/*
** nodes.h - what the C tests of schema and sql share: a small schema, short names for
** making nodes, and a check that compiles a statement, compares its text and lets SQLite
** prepare it.
**
** A fixture is made by each test's setup and freed by its teardown; nodes live in its
** arena. Functions are static inline so that a test may use any part of it.
*/
#ifndef PL_SPEC_NODES_H
#define PL_SPEC_NODES_H

#include "core/sql/compile.h"
#include "core/sql/ddl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sqlite3.h>

typedef pl_node N;

typedef struct fixture {
    pl_metadata md;
    pl_arena arena;
    pl_error err;
    uint32_t pass;
    sqlite3 *db;
    pl_table *user, *post, *group;
    pl_column *id, *name, *age, *active, *data; /* of user */
    pl_column *pid, *title, *user_id;           /* of post */
} fixture;

/* One fixture at a time: cmocka runs tests one after the other. */
static fixture *F;

static inline pl_column *add_column(pl_table *t, const char *name, pl_kind kind) {
    pl_column *c = pl_column_new(t->metadata, name, pl_type_plain(kind));
    assert_non_null(c);
    assert_int_equal(pl_table_add_column(t, c, &F->err), PL_OK);
    return c;
}

static inline pl_table *add_table(const char *name) {
    pl_table *t = NULL;
    assert_int_equal(pl_table_new(&F->md, name, NULL, &t, &F->err), PL_OK);
    pl_column *c = add_column(t, "id", PL_K_INTEGER);
    c->primary_key = true;
    return t;
}

static inline pl_constraint *add_foreign(pl_column *c, const char *table,
                                         const char *column) {
    pl_constraint *fk = pl_table_add_constraint(c->table, PL_C_FOREIGN, &c, 1);
    assert_non_null(fk);
    fk->ref_table = table;
    fk->ref_columns = pl_arena_array(&F->md.arena, 1, sizeof *fk->ref_columns);
    fk->ref_columns[0] = column;
    return fk;
}

static inline void make_schema(fixture *f) {
    f->user = add_table("user");
    f->id = f->user->columns[0];
    f->name = add_column(f->user, "name", PL_K_STRING);
    f->age = add_column(f->user, "age", PL_K_INTEGER);
    f->active = add_column(f->user, "active", PL_K_BOOLEAN);
    f->data = add_column(f->user, "data", PL_K_JSON);
    f->post = add_table("post");
    f->pid = f->post->columns[0];
    f->title = add_column(f->post, "title", PL_K_STRING);
    f->user_id = add_column(f->post, "user_id", PL_K_INTEGER);
    add_foreign(f->user_id, "user", "id");
    f->group = add_table("group");
    add_column(f->group, "Name", PL_K_STRING);
}

static inline void execute(const char *sql) {
    char *message = NULL;
    if (sqlite3_exec(F->db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s\n  in: %s", message, sql);
}

/* Creates a table and its indexes in the fixture's database. */
static inline void create(pl_table *t) {
    pl_buf b;
    pl_buf_init(&b, pl_alloc_libc());
    assert_int_equal(pl_table_finish(t, &F->err), PL_OK);
    assert_int_equal(pl_ddl_create_table(&pl_dialect_sqlite, t, &b, &F->err), PL_OK);
    execute(pl_buf_cstr(&b));
    for (const pl_index *ix = t->indexes; ix; ix = ix->next) {
        pl_buf_clear(&b);
        assert_int_equal(pl_ddl_create_index(&pl_dialect_sqlite, ix, &b, &F->err), PL_OK);
        execute(pl_buf_cstr(&b));
    }
    pl_buf_free(&b);
}

static inline int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    *state = F = f;
    pl_metadata_init(&f->md, pl_alloc_libc(), pl_alloc_libc());
    pl_arena_init(&f->arena, pl_alloc_libc());
    pl_error_init(&f->err, pl_alloc_libc());
    make_schema(f);
    assert_int_equal(sqlite3_open(":memory:", &f->db), SQLITE_OK);
    for (size_t i = 0; i < f->md.tables.n; i++)
        create(f->md.tables.v[i]);
    return 0;
}

static inline int teardown(void **state) {
    fixture *f = *state;
    sqlite3_close(f->db);
    pl_error_clear(&f->err);
    pl_arena_free(&f->arena);
    pl_metadata_free(&f->md);
    free(f);
    F = NULL;
    return 0;
}

/* ---- nodes ---- */

static const int end_mark;
#define END ((N *)(uintptr_t)&end_mark)

/* A node of any kind; END closes the kids, which may be NULL. */
static inline N *make(pl_node_kind kind, int op, const char *text, N *const *kids) {
    uint32_t nkids = 0;
    while (kids[nkids] != END)
        nkids++;
    N *n = pl_node_new(&F->arena, kind, nkids);
    assert_non_null(n);
    n->op = (uint8_t)op;
    pl_node_set_text(n, text);
    if (nkids > 0)
        memcpy(n->kids, kids, nkids * sizeof *kids);
    return n;
}

#define KIDS(...)           ((N *const[]){__VA_ARGS__ __VA_OPT__(, ) END})
#define NODE(kind, ...)     make((kind), 0, NULL, KIDS(__VA_ARGS__))
#define OP(kind, op, ...)   make((kind), (op), NULL, KIDS(__VA_ARGS__))
#define NAMED(kind, s, ...) make((kind), 0, (s), KIDS(__VA_ARGS__))

#define SELECT(...)      NODE(PL_N_SELECT, __VA_ARGS__)
#define WHERE(q, ...)    NODE(PL_N_WHERE, (q), __VA_ARGS__)
#define ORDER_BY(q, ...) NODE(PL_N_ORDER_BY, (q), __VA_ARGS__)
#define GROUP_BY(q, ...) NODE(PL_N_GROUP_BY, (q), __VA_ARGS__)
#define HAVING(q, ...)   NODE(PL_N_HAVING, (q), __VA_ARGS__)
#define LIMIT(q, n)      NODE(PL_N_LIMIT, (q), (n))
#define OFFSET(q, n)     NODE(PL_N_OFFSET, (q), (n))
#define FROM(q, ...)     NODE(PL_N_FROM, (q), __VA_ARGS__)
#define JOIN(q, r, on)   NODE(PL_N_JOINED, (q), (N *)NULL, (r), (on))
#define OUTER(q, r, on)  OP(PL_N_JOINED, PL_JOIN_LEFT, (q), (N *)NULL, (r), (on))
#define FUNC(name, ...)  NAMED(PL_N_FUNC, (name)__VA_OPT__(, ) __VA_ARGS__)
#define LABEL(a, name)   NAMED(PL_N_LABEL, (name), (a))
#define SCALAR(q)        NODE(PL_N_SCALAR, (q))
#define EXISTS(q)        NODE(PL_N_EXISTS, (q))
#define BIN(op, a, b)    OP(PL_N_BINARY, (op), (a), (b))
#define EQ(a, b)         BIN(PL_OP_EQ, (a), (b))
#define GT(a, b)         BIN(PL_OP_GT, (a), (b))
#define NOT(a)           OP(PL_N_UNARY, PL_OP_NOT, (a))
#define AND(...)         NODE(PL_N_AND __VA_OPT__(, ) __VA_ARGS__)
#define OR(...)          NODE(PL_N_OR __VA_OPT__(, ) __VA_ARGS__)
#define IN(...)          NODE(PL_N_IN, __VA_ARGS__)
#define TUPLE(...)       NODE(PL_N_TUPLE __VA_OPT__(, ) __VA_ARGS__)
#define TEXT(s, ...)     NAMED(PL_N_TEXT, (s)__VA_OPT__(, ) __VA_ARGS__)
#define IDENT(s, ...)    NAMED(PL_N_IDENT, (s)__VA_OPT__(, ) __VA_ARGS__)
#define ALIAS(a, name)   NAMED(PL_N_ALIAS, (name), (a))
#define DESC(a)          OP(PL_N_ORDER, PL_ORDER_DESC, (a))
#define NIL              NODE(PL_N_NULL)
#define STAR             NODE(PL_N_STAR)

static inline N *COL(const pl_column *c) {
    return pl_node_column(&F->arena, c, NULL);
}

static inline N *FROM_COL(N *source, const pl_column *c) {
    return pl_node_column(&F->arena, c, source);
}

static inline N *SUB_COL(N *source, const char *name) {
    return NAMED(PL_N_COLUMN, name, source);
}

static inline N *TABLE(const pl_table *t) {
    return pl_node_table(&F->arena, t);
}

static inline N *INT(int64_t i) {
    return pl_node_literal(&F->arena, pl_type_plain(PL_K_INTEGER), pl_slot_int(i));
}

static inline N *STR(const char *s) {
    return pl_node_literal(&F->arena, pl_type_plain(PL_K_STRING),
                           pl_slot_text(s, strlen(s)));
}

static inline N *flagged(N *n, int flags) {
    n->flags = (uint16_t)(n->flags | flags);
    return n;
}

/* The entity of a table: all its columns. */
static inline N *ENTITY(const pl_table *t) {
    N *n = pl_node_new(&F->arena, PL_N_ENTITY, (uint32_t)t->ncolumns);
    for (size_t i = 0; i < t->ncolumns; i++)
        n->kids[i] = COL(t->columns[i]);
    return n;
}

/* ---- checks ---- */

/* Walks and compiles; the error is in F->err. */
static inline pl_code compile(N *stmt, pl_compiled *out) {
    pl_error_clear(&F->err);
    F->pass++;
    assert_true(pl_node_walk(stmt, F->pass, NULL, NULL));
    return pl_compile(&pl_dialect_sqlite, stmt, F->pass, &F->arena, out, &F->err);
}

/* Lets SQLite prepare the text; the number of placeholders must be that of the plan. */
static inline void check_prepares(const pl_compiled *c) {
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(F->db, c->sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s\n  in: %s", sqlite3_errmsg(F->db), c->sql);
    assert_int_equal(sqlite3_bind_parameter_count(s), c->nplan);
    if (!c->open && c->kind != PL_S_TEXT)
        assert_int_equal(sqlite3_column_count(s), c->ncolumns);
    sqlite3_finalize(s);
}

static inline pl_compiled check_text(N *stmt, const char *sql) {
    pl_compiled c;
    if (compile(stmt, &c) != PL_OK)
        fail_msg("%s (wanted: %s)", F->err.message, sql);
    if (strcmp(c.sql, sql) != 0)
        fail_msg("\n  got:    %s\n  wanted: %s", c.sql, sql);
    assert_int_equal(c.len, strlen(sql));
    return c;
}

/* The statement's text is `sql`, and SQLite takes it. */
static inline pl_compiled check_sql(N *stmt, const char *sql) {
    pl_compiled c = check_text(stmt, sql);
    check_prepares(&c);
    return c;
}

/* The text of one expression in WHERE. */
static inline void check_where(N *condition, const char *sql) {
    char whole[2000];
    snprintf(whole, sizeof whole, "SELECT user.id FROM user WHERE %s", sql);
    check_sql(WHERE(SELECT(COL(F->id)), condition), whole);
}

/* Compiling fails with a code and a message that has `part` in it. */
static inline void check_error(N *stmt, pl_code code, const char *part) {
    pl_compiled c;
    pl_code got = compile(stmt, &c);
    if (got != code)
        fail_msg("got %s (%s), wanted %s", pl_code_name(got),
                 got == PL_OK ? c.sql : F->err.message, pl_code_name(code));
    const char *message = F->err.message ? F->err.message : "";
    if (!strstr(message, part))
        fail_msg("\n  got:    %s\n  wanted: %s", message, part);
}

#endif
