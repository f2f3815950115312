/* SPDX-License-Identifier: MIT */
/*
** t_node.c - nodes: keys and literals of the walk, adapting, types of expressions.
*/
#include "nodes.h"

typedef struct walked {
    pl_buf key;
    pl_vec literals;
} walked;

static walked walk(N *n) {
    walked w;
    pl_buf_init(&w.key, pl_alloc_libc());
    pl_vec_init(&w.literals, pl_alloc_libc());
    assert_true(pl_node_walk(n, ++F->pass, &w.key, &w.literals));
    return w;
}

static void forget(walked *w) {
    pl_buf_free(&w->key);
    pl_vec_free(&w->literals);
}

static bool same_key(N *a, N *b) {
    walked x = walk(a), y = walk(b);
    bool same = x.key.len == y.key.len && memcmp(x.key.p, y.key.p, x.key.len) == 0;
    forget(&x);
    forget(&y);
    return same;
}

static N *find_user(int id, const char *name) {
    return WHERE(SELECT(COL(F->id)), EQ(COL(F->id), INT(id)),
                 EQ(COL(F->name), STR(name)));
}

static void keys_ignore_values(void **state) {
    (void)state;
    assert_true(same_key(find_user(1, "a"), find_user(2, "bcd")));
    assert_false(
        same_key(find_user(1, "a"), WHERE(SELECT(COL(F->id)), EQ(COL(F->id), INT(1)))));
    assert_false(same_key(EQ(COL(F->id), INT(1)), GT(COL(F->id), INT(1))));
    assert_false(same_key(EQ(COL(F->id), INT(1)), EQ(COL(F->age), INT(1))));
    assert_false(same_key(FUNC("lower", COL(F->name)), FUNC("upper", COL(F->name))));
    assert_false(same_key(LABEL(INT(1), "a"), LABEL(INT(1), "b")));
    assert_false(same_key(IN(COL(F->id), INT(1)), IN(COL(F->id), INT(1), INT(2))));
    assert_false(
        same_key(IN(COL(F->id), INT(1)), flagged(IN(COL(F->id), INT(1)), PL_NF_NOT)));
    assert_false(same_key(INT(1), STR("1")));
    assert_false(same_key(NODE(PL_N_LIMIT, SELECT(COL(F->id)), (N *)NULL),
                          NODE(PL_N_LIMIT, SELECT(COL(F->id)), INT(1))));
    assert_false(same_key(AND(AND(NIL), NIL), AND(AND(NIL, NIL))));
}

static void keys_tell_sharing(void **state) {
    (void)state;
    N *a = ALIAS(TABLE(F->user), NULL), *b = ALIAS(TABLE(F->user), NULL);
    assert_false(same_key(EQ(FROM_COL(a, F->id), FROM_COL(a, F->age)),
                          EQ(FROM_COL(a, F->id), FROM_COL(b, F->age))));
    assert_true(same_key(EQ(FROM_COL(a, F->id), FROM_COL(b, F->age)),
                         EQ(FROM_COL(b, F->id), FROM_COL(a, F->age))));
    N *one = INT(1);
    assert_false(same_key(EQ(one, one), EQ(INT(1), INT(1))));
    walked w = walk(EQ(one, one));
    assert_int_equal(w.literals.n, 1);
    forget(&w);
}

static void escape_is_part_of_the_key(void **state) {
    (void)state;
    N *a = OP(PL_N_LIKE, PL_OP_LIKE, COL(F->name), STR("x"), STR("/"));
    N *b = OP(PL_N_LIKE, PL_OP_LIKE, COL(F->name), STR("y"), STR("/"));
    N *c = OP(PL_N_LIKE, PL_OP_LIKE, COL(F->name), STR("x"), STR("!"));
    assert_true(same_key(a, b));
    assert_false(same_key(a, c));
    walked w = walk(a);
    assert_int_equal(w.literals.n, 1);
    forget(&w);
}

static void literals_have_ordinals(void **state) {
    (void)state;
    N *q = LIMIT(find_user(1, "a"), INT(7));
    walked w = walk(q);
    assert_int_equal(w.literals.n, 3);
    for (size_t i = 0; i < w.literals.n; i++)
        assert_int_equal(((N *)w.literals.v[i])->ordinal, i);
    forget(&w);
    assert_true(pl_node_walk(q, ++F->pass, NULL, NULL));
    walked again = walk(q);
    assert_int_equal(again.literals.n, 3);
    forget(&again);
    pl_compiled c;
    assert_int_equal(
        pl_compile(&pl_dialect_sqlite, q, F->pass + 1, &F->arena, &c, &F->err),
        PL_ECOMPILE);
}

/* A compiled statement serves another one of equal key by its ordinals. */
static void plans_serve_equal_keys(void **state) {
    (void)state;
    pl_compiled c;
    N *first = find_user(1, "a"), *second = find_user(42, "other");
    assert_int_equal(compile(first, &c), PL_OK);
    walked w = walk(second);
    N *id = w.literals.v[c.plan[0]], *name = w.literals.v[c.plan[1]];
    assert_int_equal(id->value.v.i, 42);
    assert_string_equal(name->value.v.s, "other");
    forget(&w);
}

static void deep_trees_are_walked(void **state) {
    (void)state;
    N *left = COL(F->id), *right = COL(F->id), *shared = COL(F->id);
    for (int i = 0; i < 100000; i++) {
        left = EQ(left, INT(i));
        right = EQ(INT(i), right);
    }
    for (int i = 0; i < 100; i++)
        shared = EQ(shared, shared);
    walked w = walk(left);
    assert_int_equal(w.literals.n, 100000);
    forget(&w);
    w = walk(right);
    forget(&w);
    w = walk(shared);
    assert_true(w.key.len < 10000);
    forget(&w);
}

/* A CTE that refers to itself does not catch the walk in a circle. */
static void circles_end(void **state) {
    (void)state;
    N *cte = flagged(NAMED(PL_N_CTE, "r", (N *)NULL), PL_NF_RECURSIVE);
    N *n = SUB_COL(cte, "n");
    N *step = WHERE(SELECT(BIN(PL_OP_ADD, n, INT(1))), BIN(PL_OP_LT, n, INT(3)));
    cte->kids[0] = OP(PL_N_COMPOUND, PL_SET_UNION_ALL, SELECT(LABEL(INT(1), "n")), step);
    check_sql(SELECT(n), "WITH RECURSIVE r(n) AS (SELECT ? AS n UNION ALL SELECT r.n + ? "
                         "AS anon_1 FROM r WHERE r.n < ?) SELECT r.n FROM r");
}

/* What the core itself builds queries with. */
static void queries_of_the_core(void **state) {
    (void)state;
    pl_arena *a = &F->arena;
    N *is = pl_node_binary(a, PL_OP_EQ, COL(F->id), INT(1));
    N *both = pl_node_and(a, is, pl_node_binary(a, PL_OP_GT, COL(F->age), INT(2)));
    assert_ptr_equal(pl_node_and(a, is, NULL), is);
    assert_ptr_equal(pl_node_and(a, NULL, is), is);
    assert_null(pl_node_and(a, NULL, NULL));
    assert_null(pl_node_binary(a, PL_OP_EQ, is, NULL));
    assert_null(pl_node_clause(a, PL_N_WHERE, NULL, is));
    N *q = pl_node_clause(a, PL_N_WHERE, SELECT(COL(F->id)), both);
    q = pl_node_clause(a, PL_N_LIMIT, pl_node_clause(a, PL_N_LIMIT, q, INT(1)), NULL);
    check_sql(q, "SELECT user.id FROM user WHERE user.id = ? AND user.age > ?");
}

/* ---- adapt ---- */

static void adapt_changes_the_source(void **state) {
    (void)state;
    N *a = ALIAS(TABLE(F->user), "a"), *b = ALIAS(TABLE(F->user), "b");
    N *literal = INT(1), *mine = EQ(COL(F->user_id), COL(F->id));
    N *on = AND(mine, EQ(COL(F->age), literal), EQ(COL(F->title), STR("x")));
    N *copy = pl_node_adapt(&F->arena, on, F->user, NULL, a);
    check_sql(WHERE(SELECT(COL(F->pid)), copy),
              "SELECT post.id FROM post, user AS a WHERE post.user_id = a.id AND "
              "a.age = ? AND post.title = ?");
    assert_ptr_equal(copy->kids[1]->kids[1], literal);
    assert_ptr_equal(copy->kids[2], on->kids[2]);
    assert_ptr_equal(on->kids[1]->kids[0]->ref, F->age);
    N *moved = pl_node_adapt(&F->arena, copy, F->user, a, b);
    check_sql(WHERE(SELECT(COL(F->pid)), moved),
              "SELECT post.id FROM post, user AS b WHERE post.user_id = b.id AND "
              "b.age = ? AND post.title = ?");
    assert_ptr_equal(pl_node_adapt(&F->arena, moved, F->user, a, b), moved);
    N *plain = pl_node_adapt(&F->arena, moved, NULL, b, NULL);
    assert_int_equal(plain->kids[0]->kids[1]->nkids, 0);
    N *explicit =
        pl_node_adapt(&F->arena, FROM_COL(TABLE(F->user), F->id), F->user, NULL, a);
    assert_ptr_equal(explicit->kids[0], a);
    N *none = NODE(PL_N_OVER, FUNC("sum", COL(F->age)), (N *)NULL, (N *)NULL);
    N *over = pl_node_adapt(&F->arena, none, F->user, NULL, a);
    assert_ptr_equal(over->kids[0]->kids[0]->kids[0], a);
}

static void adapt_leaves_derived_tables(void **state) {
    (void)state;
    N *a = ALIAS(TABLE(F->user), "a"), *s = ALIAS(SELECT(COL(F->id)), "s");
    N *in = IN(COL(F->age), SELECT(FROM_COL(s, F->id)));
    N *copy = pl_node_adapt(&F->arena, in, F->user, NULL, a);
    check_sql(WHERE(SELECT(FROM_COL(a, F->id)), copy),
              "SELECT a.id FROM user AS a WHERE a.age IN "
              "(SELECT s.id FROM (SELECT user.id FROM user) AS s)");
}

/* ---- types ---- */

static void check_type(const N *n, pl_kind kind) {
    assert_string_equal(pl_kind_name(pl_node_type(n)->kind), pl_kind_name(kind));
}

static N *typed(pl_kind kind) {
    N *n = INT(1);
    n->type = pl_type_plain(kind);
    return n;
}

static void types_of_operators(void **state) {
    (void)state;
    N *i = typed(PL_K_INTEGER), *f = typed(PL_K_FLOAT), *d = typed(PL_K_NUMERIC);
    check_type(BIN(PL_OP_ADD, i, i), PL_K_INTEGER);
    check_type(BIN(PL_OP_ADD, i, f), PL_K_FLOAT);
    check_type(BIN(PL_OP_ADD, f, i), PL_K_FLOAT);
    check_type(BIN(PL_OP_MUL, f, d), PL_K_NUMERIC);
    check_type(BIN(PL_OP_DIV, i, i), PL_K_FLOAT);
    check_type(BIN(PL_OP_DIV, d, i), PL_K_NUMERIC);
    check_type(BIN(PL_OP_FLOORDIV, i, i), PL_K_INTEGER);
    check_type(BIN(PL_OP_CONCAT, i, i), PL_K_STRING);
    check_type(BIN(PL_OP_ADD, COL(F->name), i), PL_K_STRING);
    check_type(BIN(PL_OP_BITAND, i, i), PL_K_INTEGER);
    check_type(BIN(PL_OP_LT, i, i), PL_K_BOOLEAN);
    check_type(BIN(PL_OP_CUSTOM, i, i), PL_K_ANY);
    check_type(OP(PL_N_UNARY, PL_OP_NEG, f), PL_K_FLOAT);
    check_type(NOT(i), PL_K_BOOLEAN);
    check_type(AND(i), PL_K_BOOLEAN);
}

static void types_of_functions(void **state) {
    (void)state;
    N *name = COL(F->name), *age = COL(F->age);
    check_type(FUNC("count"), PL_K_INTEGER);
    check_type(FUNC("sum", age), PL_K_INTEGER);
    check_type(FUNC("max", name), PL_K_STRING);
    check_type(FUNC("avg", age), PL_K_FLOAT);
    check_type(FUNC("coalesce", COL(F->active), INT(1)), PL_K_BOOLEAN);
    check_type(FUNC("length", name), PL_K_INTEGER);
    check_type(FUNC("upper", name), PL_K_STRING);
    check_type(FUNC("now"), PL_K_DATETIME);
    check_type(FUNC("unknown", name), PL_K_ANY);
    check_type(FUNC("max"), PL_K_ANY);
    check_type(FUNC("iif", COL(F->active), age, name), PL_K_INTEGER);
    check_type(NODE(PL_N_OVER, FUNC("row_number"), (N *)NULL, (N *)NULL), PL_K_INTEGER);
    check_type(NODE(PL_N_FILTER, FUNC("sum", age), NIL), PL_K_INTEGER);
}

static void types_of_queries(void **state) {
    (void)state;
    N *sub = ALIAS(SELECT(LABEL(FUNC("lower", COL(F->name)), "l"), COL(F->age)), "s");
    check_type(SUB_COL(sub, "l"), PL_K_STRING);
    check_type(SUB_COL(sub, "age"), PL_K_INTEGER);
    check_type(SUB_COL(sub, "none"), PL_K_ANY);
    check_type(SCALAR(WHERE(SELECT(FUNC("max", COL(F->age))), NIL)), PL_K_INTEGER);
    check_type(LABEL(COL(F->active), "x"), PL_K_BOOLEAN);
    check_type(NODE(PL_N_CASE, COL(F->active), NIL, COL(F->active), COL(F->age)),
               PL_K_INTEGER);
    check_type(flagged(NODE(PL_N_CASE, NIL, NIL, COL(F->name)), PL_NF_CASE_ELSE),
               PL_K_STRING);
    check_type(STR("x"), PL_K_STRING);
    N *shared = COL(F->age);
    for (int i = 0; i < 100; i++)
        shared = BIN(PL_OP_ADD, shared, shared);
    check_type(shared, PL_K_INTEGER);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(keys_ignore_values),
        T(keys_tell_sharing),
        T(escape_is_part_of_the_key),
        T(literals_have_ordinals),
        T(plans_serve_equal_keys),
        T(deep_trees_are_walked),
        T(circles_end),
        T(queries_of_the_core),
        T(adapt_changes_the_source),
        T(adapt_leaves_derived_tables),
        T(types_of_operators),
        T(types_of_functions),
        T(types_of_queries),
    };
    return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
