/* SPDX-License-Identifier: MIT */
/*
** t_nomem.c - schema and compiler when memory runs out: each allocation fails in turn,
** every failure is a clean PL_ENOMEM, and nothing is left behind.
*/
#include "nodes.h"

#include "fail_alloc.h"

/* ---- declarations and DDL ---- */

typedef struct declared {
    pl_metadata md;
    pl_error err;
    pl_buf text;
    pl_vec sorted;
} declared;

static pl_column *declare_column(pl_table *t, const char *name, pl_kind kind) {
    pl_column *c = pl_column_new(t->metadata, name, pl_type_plain(kind));
    pl_error ignored;
    pl_error_init(&ignored, t->metadata->arena.alloc);
    bool added = c && pl_table_add_column(t, c, &ignored) == PL_OK;
    pl_error_clear(&ignored);
    return added ? c : NULL;
}

static pl_code declare_child(declared *d, pl_table *parent) {
    pl_table *t = NULL;
    pl_code code = pl_table_new(&d->md, "child", NULL, &t, &d->err);
    if (code != PL_OK)
        return code;
    pl_column *id = declare_column(t, "id", PL_K_INTEGER);
    pl_column *ref = declare_column(t, "parent_id", PL_K_INTEGER);
    pl_constraint *fk =
        id && ref ? pl_table_add_constraint(t, PL_C_FOREIGN, &ref, 1) : NULL;
    static const char *columns[] = {"id"};
    const char *expr = "lower(parent_id)";
    if (!fk || !pl_table_add_index(t, NULL, &ref, &expr, 1))
        return pl_nomem(&d->err);
    id->primary_key = ref->index = ref->unique = true;
    fk->ref_table = parent->name;
    fk->ref_columns = columns;
    return pl_table_finish(t, &d->err);
}

static pl_code write_all(declared *d) {
    pl_code code = PL_OK;
    for (size_t i = 0; i < d->sorted.n && code == PL_OK; i++) {
        const pl_table *t = d->sorted.v[i];
        code = pl_ddl_create_table(&pl_dialect_sqlite, t, &d->text, &d->err);
        for (const pl_index *ix = t->indexes; ix && code == PL_OK; ix = ix->next)
            code = pl_ddl_create_index(&pl_dialect_sqlite, ix, &d->text, &d->err);
    }
    return code;
}

static pl_code declare_all(declared *d) {
    pl_table *t = NULL;
    size_t ncyclic;
    pl_code code = pl_table_new(&d->md, "parent", "main", &t, &d->err);
    if (code != PL_OK)
        return code;
    pl_type flag = {.kind = PL_K_BOOLEAN, .flags = PL_TYPE_CONSTRAINT};
    for (int i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%d", i);
        pl_column *c = declare_column(t, i == 0 ? "id" : name, PL_K_BOOLEAN);
        if (!c)
            return pl_nomem(&d->err);
        c->primary_key = i == 0;
        c->type = i == 1 ? &flag : c->type;
        c->unique = i == 2;
    }
    t->schema = NULL;
    if ((code = pl_table_finish(t, &d->err)) == PL_OK)
        code = declare_child(d, t);
    if (code == PL_OK) {
        pl_constraint *fk = ((pl_table *)d->md.tables.v[1])->constraints;
        fk->ref_table = "main.parent";
        code = pl_metadata_sort(&d->md, &d->sorted, &ncyclic, &d->err);
    }
    return code == PL_OK ? write_all(d) : code;
}

static void declaring(void **state) {
    (void)state;
    fail_alloc fa = {0};
    char *wanted = NULL;
    long rounds = 0;
    for (int persistent = 0; persistent < 2; persistent++) {
        fa = (fail_alloc){.persistent = persistent};
        do {
            declared d;
            fail_alloc_next(&fa);
            pl_alloc alloc = fail_alloc_of(&fa);
            pl_metadata_init(&d.md, alloc, alloc);
            pl_error_init(&d.err, alloc);
            pl_buf_init(&d.text, alloc);
            pl_vec_init(&d.sorted, alloc);
            pl_code code = declare_all(&d);
            assert_int_equal(code, fa.failed ? PL_ENOMEM : PL_OK);
            assert_int_equal(d.err.code, code);
            if (code == PL_OK && !wanted)
                wanted = strdup(pl_buf_cstr(&d.text));
            pl_buf_free(&d.text);
            pl_vec_free(&d.sorted);
            pl_error_clear(&d.err);
            pl_metadata_free(&d.md);
            assert_int_equal(fa.live, 0);
            rounds++;
        } while (fa.failed);
    }
    assert_true(rounds > 40);
    assert_non_null(strstr(wanted, "CREATE UNIQUE INDEX ix_child_parent_id"));
    free(wanted);
}

/* ---- compiling ---- */

/* Compiles with failing memory until it works; the text must come out the same. */
static void check_compile(N *stmt) {
    pl_compiled whole;
    pl_code expected = compile(stmt, &whole);
    for (int persistent = 0; persistent < 2; persistent++) {
        fail_alloc fa = {.persistent = persistent};
        do {
            pl_arena arena;
            pl_error err;
            pl_compiled out;
            fail_alloc_next(&fa);
            pl_arena_init(&arena, fail_alloc_of(&fa));
            pl_error_init(&err, fail_alloc_of(&fa));
            pl_code code =
                pl_compile(&pl_dialect_sqlite, stmt, F->pass, &arena, &out, &err);
            if (fa.failed && code != expected)
                assert_int_equal(code, PL_ENOMEM);
            else
                assert_int_equal(code, expected);
            assert_int_equal(err.code, code);
            if (code == PL_OK)
                assert_string_equal(out.sql, whole.sql);
            if (expected == PL_OK)
                assert_int_equal(code == PL_OK, fa.failed == 0);
            pl_error_clear(&err);
            pl_arena_free(&arena);
            assert_int_equal(fa.live, 0);
        } while (fa.failed);
    }
}

static N *big_select(void) {
    N *mine = EQ(COL(F->user_id), COL(F->id));
    N *cte = NAMED(PL_N_CTE, "c", SELECT(COL(F->id), FUNC("lower", COL(F->name))));
    N *anchor = SELECT(LABEL(INT(1), "n"));
    N *r0 = flagged(NAMED(PL_N_CTE, "r", anchor), PL_NF_RECURSIVE);
    N *step = SELECT(BIN(PL_OP_ADD, SUB_COL(r0, "n"), INT(1)));
    N *r = flagged(NAMED(PL_N_CTE, "r", OP(PL_N_COMPOUND, PL_SET_UNION, anchor, step)),
                   PL_NF_RECURSIVE);
    N *sub = ALIAS(SELECT(COL(F->id), COL(F->pid), COL(F->title)), NULL);
    N *values = NODE(PL_N_VALUES, TUPLE(IDENT("a")), TUPLE(INT(1)));
    N *each = NODE(PL_N_TABLEFUNC, FUNC("json_each", COL(F->data)));
    N *in = pl_node_new(&F->arena, PL_N_IN, 40);
    in->kids[0] = COL(F->id);
    for (unsigned i = 1; i < in->nkids; i++)
        in->kids[i] = INT(i);
    N *q = SELECT(ENTITY(F->user), FUNC("count"), sub, LABEL(COL(F->title), "t"),
                  SCALAR(WHERE(SELECT(COL(F->group->columns[0])),
                               EQ(COL(F->group->columns[0]), COL(F->id)))),
                  SUB_COL(r, "n"), FROM_COL(cte, F->id), SUB_COL(values, "a"),
                  SUB_COL(each, "value"), COL(F->id), COL(F->pid), FUNC("x y", INT(1)));
    q = OUTER(q, TABLE(F->post), mine);
    q = WHERE(q, in, EQ(COL(F->id), FROM_COL(sub, F->pid)), TEXT("id in (1)"),
              EXISTS(SELECT(COL(F->group->columns[1]))));
    return LIMIT(ORDER_BY(GROUP_BY(q, COL(F->name)), DESC(COL(F->name))), INT(3));
}

static void compiling(void **state) {
    (void)state;
    N *q = big_select();
    for (int i = 0; i < 50; i++) { /* moves what the arena's chunks end at */
        check_compile(q);
        q = WHERE(q, EQ(COL(F->age), FUNC("abs", INT(i))));
    }
    check_compile(ORDER_BY(OP(PL_N_COMPOUND, PL_SET_UNION,
                              LIMIT(SELECT(COL(F->id)), INT(1)), SELECT(COL(F->pid))),
                           COL(F->id)));
    N *insert = NODE(PL_N_INSERT);
    insert->ref = F->user;
    N *rows = NODE(PL_N_ROWS, insert, TUPLE(COL(F->id)), TUPLE(INT(1)));
    check_compile(NODE(PL_N_RETURNING,
                       OP(PL_N_CONFLICT, 1, rows, TUPLE(COL(F->id)),
                          TUPLE(EQ(COL(F->age), INT(1))), (N *)NULL),
                       ENTITY(F->user)));
    check_compile(WHERE(NODE(PL_N_SET, NODE(PL_N_UPDATE, TABLE(F->user)),
                             EQ(COL(F->name), COL(F->title))),
                        EQ(COL(F->user_id), COL(F->id))));
    check_compile(WHERE(NODE(PL_N_DELETE, ALIAS(TABLE(F->user), NULL)), COL(F->active)));
    check_compile(TEXT("select :a"));
}

static void walking_and_adapting(void **state) {
    (void)state;
    N *q = big_select(), *on = EQ(COL(F->user_id), COL(F->id));
    fail_alloc fa = {0};
    do {
        pl_buf key;
        pl_vec literals, froms;
        pl_arena arena;
        fail_alloc_next(&fa);
        pl_buf_init(&key, fail_alloc_of(&fa));
        pl_vec_init(&literals, fail_alloc_of(&fa));
        pl_vec_init(&froms, fail_alloc_of(&fa));
        pl_arena_init(&arena, fail_alloc_of(&fa));
        bool ok = pl_node_walk(q, ++F->pass, &key, &literals);
        ok = pl_node_adapt(&arena, on, F->user, NULL, ALIAS(TABLE(F->user), "a")) && ok;
        ok = pl_statement_froms(q, &arena, &froms) && ok;
        assert_int_equal(ok, fa.failed == 0);
        pl_arena_free(&arena);
        pl_vec_free(&froms);
        pl_vec_free(&literals);
        pl_buf_free(&key);
        assert_int_equal(fa.live, 0);
    } while (fa.failed);
}

static void inline_text(void **state) {
    (void)state;
    N *expr = AND(EQ(COL(F->id), INT(1)), EQ(COL(F->name), STR("a")));
    fail_alloc fa = {0};
    do {
        pl_buf out;
        pl_error err;
        fail_alloc_next(&fa);
        pl_buf_init(&out, fail_alloc_of(&fa));
        pl_error_init(&err, fail_alloc_of(&fa));
        pl_code code = pl_compile_inline(&pl_dialect_sqlite, expr, &out, &err);
        assert_int_equal(code, fa.failed ? PL_ENOMEM : PL_OK);
        pl_buf_free(&out);
        pl_error_clear(&err);
        assert_int_equal(fa.live, 0);
    } while (fa.failed);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(declaring),
        T(compiling),
        T(walking_and_adapting),
        T(inline_text),
    };
    return cmocka_run_group_tests_name("nomem", tests, NULL, NULL);
}
