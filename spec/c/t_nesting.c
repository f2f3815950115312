/* SPDX-License-Identifier: MIT */
/*
** t_nesting.c - a property: whatever the nesting of operators, SQLite computes what the
** tree says. Random trees are compiled and run, and the value compared with that of the
** same tree written with parentheses everywhere.
*/
#include "nodes.h"

/* A tree and the text that means it beyond doubt. */
typedef struct tree {
    N *node;
    const char *text;
} tree;

static uint32_t seed;

static uint32_t dice(uint32_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 10) % n;
}

#define FMT(...) pl_arena_fmt(&F->arena, __VA_ARGS__)

static tree leaf(void) {
    switch (dice(9)) {
    case 0: return (tree){COL(F->age), "user.age"};
    case 1: return (tree){COL(F->id), "user.id"};
    case 2: return (tree){COL(F->name), "user.name"};
    case 3: return (tree){COL(F->active), "user.active"};
    case 4: return (tree){NIL, "NULL"};
    case 5: return (tree){OP(PL_N_BOOL, 1), "1"};
    case 6: return (tree){TEXT("age - 1"), "(user.age - 1)"};
    case 7: return (tree){STR("7a"), "'7a'"};
    default: {
        int i = (int)dice(7) - 2;
        return (tree){INT(i), FMT("(%d)", i)};
    }
    }
}

static tree any_tree(int depth);

static tree infix(int depth) {
    static const struct {
        pl_op op;
        const char *text;
    } ops[] = {
        {PL_OP_EQ, "="},       {PL_OP_NE, "!="},     {PL_OP_LT, "<"},
        {PL_OP_LE, "<="},      {PL_OP_GT, ">"},      {PL_OP_GE, ">="},
        {PL_OP_IS, "IS"},      {PL_OP_ADD, "+"},     {PL_OP_IS_NOT, "IS NOT"},
        {PL_OP_SUB, "-"},      {PL_OP_MUL, "*"},     {PL_OP_MOD, "%"},
        {PL_OP_CONCAT, "||"},  {PL_OP_BITAND, "&"},  {PL_OP_BITOR, "|"},
        {PL_OP_LSHIFT, "<<"},  {PL_OP_RSHIFT, ">>"}, {PL_OP_GLOB, "GLOB"},
        {PL_OP_CUSTOM, "->>"},
    };
    size_t i = dice(sizeof ops / sizeof *ops);
    tree a = any_tree(depth), b = any_tree(depth);
    bool is_null = b.node->kind == PL_N_NULL;
    const char *text = ops[i].text;
    if (is_null && ops[i].op == PL_OP_EQ)
        text = "IS";
    if (is_null && ops[i].op == PL_OP_NE)
        text = "IS NOT";
    if (ops[i].op == PL_OP_CUSTOM)
        text = "<<";
    N *n = BIN(ops[i].op, a.node, b.node);
    if (ops[i].op == PL_OP_CUSTOM)
        pl_node_set_text(n, text);
    return (tree){n, FMT("(%s %s %s)", a.text, text, b.text)};
}

static tree division(int depth) {
    tree a = any_tree(depth), b = any_tree(depth);
    if (dice(2))
        return (tree){BIN(PL_OP_DIV, a.node, b.node),
                      FMT("(%s / (%s + 0.0))", a.text, b.text)};
    pl_kind left = pl_type_storage(pl_node_type(a.node))->kind;
    bool integer = pl_type_is_integer(pl_node_type(b.node)) && left != PL_K_FLOAT &&
                   left != PL_K_DOUBLE && left != PL_K_NUMERIC;
    return (tree){BIN(PL_OP_FLOORDIV, a.node, b.node),
                  FMT(integer ? "(%s / %s)" : "FLOOR(%s / %s)", a.text, b.text)};
}

static tree prefix(int depth) {
    tree a = any_tree(depth);
    switch (dice(4)) {
    case 0: return (tree){OP(PL_N_UNARY, PL_OP_NEG, a.node), FMT("(- %s)", a.text)};
    case 1: return (tree){OP(PL_N_UNARY, PL_OP_BITNOT, a.node), FMT("(~ %s)", a.text)};
    case 2:
        return (tree){NAMED(PL_N_COLLATE, "nocase", a.node),
                      FMT("(%s COLLATE nocase)", a.text)};
    default: return (tree){NOT(a.node), FMT("(NOT %s)", a.text)};
    }
}

static tree logic(int depth) {
    bool all = dice(2);
    tree k[2];
    N *n = pl_node_new(&F->arena, all ? PL_N_AND : PL_N_OR, (dice(3) + 1) & ~1u);
    const char *text = n->nkids > 0 ? "" : all ? "1" : "0";
    for (uint32_t i = 0; i < n->nkids; i++) {
        k[i] = any_tree(depth);
        n->kids[i] = k[i].node;
        text = FMT("%s%s%s", text, i == 0 ? "" : all ? " AND " : " OR ", k[i].text);
    }
    return (tree){n, FMT("(%s)", text)};
}

static tree special(int depth) {
    tree a = any_tree(depth), b = any_tree(depth), c = any_tree(depth);
    int no = dice(2) ? PL_NF_NOT : 0;
    switch (dice(7)) {
    case 0:
        return (tree){
            flagged(NODE(PL_N_BETWEEN, a.node, b.node, c.node), no),
            FMT("(%s %sBETWEEN %s AND %s)", a.text, no ? "NOT " : "", b.text, c.text)};
    case 1:
        return (tree){
            flagged(IN(a.node, b.node, c.node), no),
            FMT("(%s %sIN (%s, %s))", a.text, no ? "NOT " : "", b.text, c.text)};
    case 2:
        return (tree){OP(PL_N_LIKE, no ? PL_OP_NOT_LIKE : PL_OP_LIKE, a.node, b.node),
                      FMT("(%s %sLIKE %s)", a.text, no ? "NOT " : "", b.text)};
    case 3:
        return (tree){flagged(NODE(PL_N_CASE, a.node, b.node, c.node), PL_NF_CASE_ELSE),
                      FMT("(CASE WHEN %s THEN %s ELSE %s END)", a.text, b.text, c.text)};
    case 4:
        return (tree){FUNC("coalesce", a.node, b.node),
                      FMT("coalesce(%s, %s)", a.text, b.text)};
    case 5:
        return (tree){SCALAR(NODE(PL_N_CORRELATE, SELECT(a.node), TABLE(F->user))),
                      FMT("(SELECT %s)", a.text)};
    default: return (tree){LABEL(a.node, "l"), a.text};
    }
}

static tree any_tree(int depth) {
    if (depth == 0)
        return leaf();
    switch (dice(7)) {
    case 0: return leaf();
    case 1: return division(depth - 1);
    case 2: return prefix(depth - 1);
    case 3: return logic(depth - 1);
    case 4: return special(depth - 1);
    default: return infix(depth - 1);
    }
}

/* ---- values ---- */

static void bind(sqlite3_stmt *s, int i, const pl_slot *v) {
    if (v->tag == PL_INT)
        sqlite3_bind_int64(s, i, v->v.i);
    else if (v->tag == PL_TEXT)
        sqlite3_bind_text(s, i, v->v.s, (int)v->len, SQLITE_STATIC);
}

/* All rows as text with their types. */
static const char *rows(const char *sql, const pl_compiled *c, const pl_vec *literals) {
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(F->db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s\n  in: %s", sqlite3_errmsg(F->db), sql);
    for (size_t i = 0; c && i < c->nplan; i++)
        bind(s, (int)i + 1, &((N *)literals->v[c->plan[i]])->value);
    const char *all = "";
    while (sqlite3_step(s) == SQLITE_ROW)
        all = FMT("%s %d:%s", all, sqlite3_column_type(s, 0),
                  sqlite3_column_text(s, 0) ? (const char *)sqlite3_column_text(s, 0)
                                            : "NULL");
    all = FMT("%s rc %d", all, sqlite3_finalize(s));
    return all;
}

static void compare(const tree *t) {
    pl_vec literals;
    pl_compiled c;
    N *stmt = FROM(SELECT(LABEL(t->node, "v")), TABLE(F->user));
    pl_vec_init(&literals, pl_alloc_libc());
    F->pass++;
    assert_true(pl_node_walk(stmt, F->pass, NULL, &literals));
    if (pl_compile(&pl_dialect_sqlite, stmt, F->pass, &F->arena, &c, &F->err) != PL_OK)
        fail_msg("%s", F->err.message);
    const char *got = rows(c.sql, &c, &literals);
    const char *wanted = rows(FMT("SELECT %s FROM user", t->text), NULL, NULL);
    if (strcmp(got, wanted) != 0)
        fail_msg("\n  %s\n  gives  %s\n  %s\n  gives  %s", c.sql, got, t->text, wanted);
    pl_vec_free(&literals);
}

static void nesting_keeps_the_meaning(void **state) {
    (void)state;
    execute("INSERT INTO user (id, name, age, active) VALUES "
            "(1, 'a', 3, 1), (2, '12', 0, 0), (3, NULL, -4, NULL), (4, '7A', NULL, 1)");
    for (seed = 1; seed < 100000u * 4000u;) {
        uint32_t start = seed;
        tree t = any_tree(1 + (int)dice(4));
        compare(&t);
        pl_arena_free(&F->arena);
        seed = start + 100000u;
    }
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(nesting_keeps_the_meaning),
    };
    return cmocka_run_group_tests_name("nesting", tests, NULL, NULL);
}
