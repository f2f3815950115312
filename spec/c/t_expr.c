/* SPDX-License-Identifier: MIT */
/*
** t_expr.c - expressions as text: operators, parentheses, functions, raw text; and a
** property: whatever the nesting, SQLite computes what the tree says.
*/
#include "nodes.h"

/* ---- conditions ---- */

static void comparisons(void **state) {
    (void)state;
    check_where(EQ(COL(F->name), NIL), "user.name IS NULL");
    check_where(BIN(PL_OP_NE, COL(F->name), NIL), "user.name IS NOT NULL");
    check_where(NOT(EQ(COL(F->name), NIL)), "user.name IS NOT NULL");
    check_where(BIN(PL_OP_IS, COL(F->name), STR("x")), "user.name IS ?");
    check_where(BIN(PL_OP_IS_NOT, COL(F->active), OP(PL_N_BOOL, 1)),
                "user.active IS NOT 1");
    check_where(EQ(EQ(COL(F->age), INT(1)), EQ(COL(F->id), INT(2))),
                "(user.age = ?) = (user.id = ?)");
    check_where(NODE(PL_N_BETWEEN, COL(F->age), INT(1), BIN(PL_OP_ADD, INT(2), INT(3))),
                "user.age BETWEEN ? AND ? + ?");
    check_where(flagged(NODE(PL_N_BETWEEN, COL(F->age), INT(1), INT(2)), PL_NF_NOT),
                "user.age NOT BETWEEN ? AND ?");
    check_where(EQ(TUPLE(COL(F->id), COL(F->age)), TUPLE(INT(1), INT(2))),
                "(user.id, user.age) = (?, ?)");
}

static void negations(void **state) {
    (void)state;
    check_where(NOT(GT(COL(F->age), INT(1))), "user.age <= ?");
    check_where(NOT(NOT(GT(COL(F->age), INT(1)))), "user.age > ?");
    check_where(NOT(IN(COL(F->id), INT(1))), "user.id NOT IN (?)");
    check_where(NOT(flagged(IN(COL(F->id), INT(1)), PL_NF_NOT)), "user.id IN (?)");
    check_where(NOT(AND(EQ(COL(F->id), INT(1)), EQ(COL(F->id), INT(2)))),
                "NOT (user.id = ? AND user.id = ?)");
    check_where(NOT(BIN(PL_OP_GLOB, COL(F->name), STR("a*"))), "NOT (user.name GLOB ?)");
    check_where(NOT(FUNC("length", COL(F->name))), "NOT length(user.name)");
    check_where(AND(NOT(OR(COL(F->active), COL(F->age))), COL(F->id)),
                "NOT (user.active = 1 OR user.age) AND user.id");
    check_where(NOT(OP(PL_N_BOOL, 1)), "0 = 1");
    check_where(NOT(TEXT("id or age")), "NOT (id or age)");
}

static void booleans(void **state) {
    (void)state;
    check_where(COL(F->active), "user.active = 1");
    check_where(NOT(COL(F->active)), "user.active = 0");
    check_where(OP(PL_N_BOOL, 1), "1 = 1");
    check_where(OP(PL_N_BOOL, 0), "0 = 1");
    check_where(EQ(COL(F->active), OP(PL_N_BOOL, 1)), "user.active = 1");
    check_where(AND(COL(F->active), NOT(COL(F->active))),
                "user.active = 1 AND user.active = 0");
    check_where(LABEL(COL(F->active), "on"), "user.active = 1");
    check_where(OR(), "0 = 1");
    check_where(OR(AND(), COL(F->age)), "1 = 1 OR user.age");
    check_where(EQ(AND(), COL(F->age)), "1 = user.age");
    check_sql(WHERE(SELECT(COL(F->id)), AND()), "SELECT user.id FROM user");
    check_sql(SELECT(NOT(COL(F->active))), "SELECT user.active = 0 AS active FROM user");
}

static void nesting(void **state) {
    (void)state;
    N *a = EQ(COL(F->id), INT(1)), *b = EQ(COL(F->id), INT(2)), *c = COL(F->active);
    check_where(AND(OR(a, b), c), "(user.id = ? OR user.id = ?) AND user.active = 1");
    check_where(OR(AND(a, b), c), "user.id = ? AND user.id = ? OR user.active = 1");
    check_where(AND(a, AND(b, c)), "user.id = ? AND user.id = ? AND user.active = 1");
    check_where(AND(OR(a)), "user.id = ?");
    N *q = WHERE(SELECT(COL(F->id)), OR(a, b), c);
    check_sql(q, "SELECT user.id FROM user WHERE (user.id = ? OR user.id = ?) "
                 "AND user.active = 1");
    check_where(AND(TEXT("id = 1 OR age = 2"), c),
                "(id = 1 OR age = 2) AND user.active = 1");
    check_where(AND(TEXT("abs(age - 1)"), c), "abs(age - 1) AND user.active = 1");
}

static N *arith(pl_op op, N *a, N *b) {
    return EQ(BIN(op, a, b), COL(F->id));
}

static void arithmetic(void **state) {
    (void)state;
    N *a = COL(F->age), *b = COL(F->id);
    N *sum = BIN(PL_OP_ADD, a, b), *text = BIN(PL_OP_CONCAT, a, b);
    check_where(arith(PL_OP_MUL, sum, a), "(user.age + user.id) * user.age = user.id");
    check_where(arith(PL_OP_ADD, BIN(PL_OP_MUL, a, b), a),
                "user.age * user.id + user.age = user.id");
    check_where(arith(PL_OP_SUB, sum, a), "user.age + user.id - user.age = user.id");
    check_where(arith(PL_OP_SUB, a, sum), "user.age - (user.age + user.id) = user.id");
    check_where(arith(PL_OP_ADD, text, a), "(user.age || user.id) + user.age = user.id");
    check_where(arith(PL_OP_CONCAT, sum, a),
                "(user.age + user.id) || user.age = user.id");
    check_where(arith(PL_OP_CONCAT, a, text),
                "user.age || user.age || user.id = user.id");
    check_where(arith(PL_OP_DIV, a, b), "user.age / (user.id + 0.0) = user.id");
    check_where(arith(PL_OP_DIV, a, sum),
                "user.age / (user.age + user.id + 0.0) = user.id");
    check_where(arith(PL_OP_FLOORDIV, a, b), "user.age / user.id = user.id");
    check_where(arith(PL_OP_FLOORDIV, a, FUNC("sqrt", b)),
                "FLOOR(user.age / sqrt(user.id)) = user.id");
    check_where(arith(PL_OP_MOD, a, b), "user.age % user.id = user.id");
    check_where(arith(PL_OP_BITAND, a, BIN(PL_OP_BITOR, a, b)),
                "user.age & (user.age | user.id) = user.id");
    N *minus = OP(PL_N_UNARY, PL_OP_NEG, a);
    check_where(arith(PL_OP_SUB, b, minus), "user.id - -user.age = user.id");
    check_where(EQ(OP(PL_N_UNARY, PL_OP_NEG, minus), b), "-(-user.age) = user.id");
    check_where(EQ(OP(PL_N_UNARY, PL_OP_NEG, sum), b), "-(user.age + user.id) = user.id");
    check_where(EQ(OP(PL_N_UNARY, PL_OP_BITNOT, a), b), "~user.age = user.id");
    N *custom = BIN(PL_OP_CUSTOM, COL(F->data), STR("$.a"));
    pl_node_set_text(custom, "->>");
    check_where(AND(EQ(custom, STR("x")), custom),
                "(user.data ->> ?) = ? AND (user.data ->> ?)");
}

static void patterns(void **state) {
    (void)state;
    N *n = COL(F->name), *p = STR("a%");
    check_where(OP(PL_N_LIKE, PL_OP_LIKE, n, p), "user.name LIKE ?");
    check_where(OP(PL_N_LIKE, PL_OP_NOT_LIKE, n, p), "user.name NOT LIKE ?");
    check_where(OP(PL_N_LIKE, PL_OP_ILIKE, n, p), "lower(user.name) LIKE lower(?)");
    check_where(NOT(OP(PL_N_LIKE, PL_OP_ILIKE, n, p)),
                "lower(user.name) NOT LIKE lower(?)");
    check_where(OP(PL_N_LIKE, PL_OP_LIKE, n, p, STR("/")), "user.name LIKE ? ESCAPE '/'");
    check_where(OP(PL_N_LIKE, PL_OP_LIKE, n, p, STR("'")),
                "user.name LIKE ? ESCAPE ''''");
    check_where(OP(PL_N_LIKE, PL_OP_LIKE, n,
                   BIN(PL_OP_CONCAT, BIN(PL_OP_CONCAT, STR("%"), n), STR("%"))),
                "user.name LIKE ? || user.name || ?");
    N *glob = BIN(PL_OP_GLOB, n, p), *re = BIN(PL_OP_REGEXP, n, p);
    check_where(glob, "user.name GLOB ?");
    check_text(WHERE(SELECT(COL(F->id)), re, NOT(re)),
               "SELECT user.id FROM user WHERE user.name REGEXP ? "
               "AND user.name NOT REGEXP ?");
    check_text(WHERE(SELECT(COL(F->id)), NOT(BIN(PL_OP_MATCH, n, p))),
               "SELECT user.id FROM user WHERE NOT (user.name MATCH ?)");
}

/* ---- IN ---- */

static N *in_ints(unsigned n) {
    N *in = pl_node_new(&F->arena, PL_N_IN, n + 1);
    in->kids[0] = COL(F->id);
    for (unsigned i = 0; i < n; i++)
        in->kids[i + 1] = INT(i);
    return in;
}

static void members(void **state) {
    (void)state;
    check_where(in_ints(3), "user.id IN (?, ?, ?)");
    check_where(IN(COL(F->id)), "user.id IN (SELECT 1 FROM (SELECT 1) WHERE 1!=1)");
    check_where(NOT(IN(COL(F->id))),
                "user.id NOT IN (SELECT 1 FROM (SELECT 1) WHERE 1!=1)");
    N *pair = TUPLE(COL(F->id), COL(F->age));
    check_where(IN(pair, TUPLE(INT(1), INT(2)), TUPLE(INT(3), INT(4))),
                "(user.id, user.age) IN (VALUES (?, ?), (?, ?))");
    check_where(IN(pair),
                "(user.id, user.age) IN (SELECT 1, 1 FROM (SELECT 1, 1) WHERE 1!=1)");
    check_where(IN(COL(F->id), SELECT(COL(F->user_id))),
                "user.id IN (SELECT post.user_id FROM post)");
    check_where(IN(COL(F->id), SCALAR(SELECT(COL(F->user_id)))),
                "user.id IN (SELECT post.user_id FROM post)");
    check_where(IN(BIN(PL_OP_ADD, COL(F->id), INT(1)), COL(F->age)),
                "user.id + ? IN (user.age)");
}

static void in_is_padded(void **state) {
    (void)state;
    static const struct {
        unsigned n, written;
        bool cacheable;
    } lists[] = {{1, 1, true},       {16, 16, true},      {17, 32, true},
                 {32, 32, true},     {100, 128, true},    {1000, 1024, true},
                 {1024, 1024, true}, {1025, 1025, false}, {32766, 32766, false}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        pl_compiled c;
        N *q = WHERE(SELECT(COL(F->name)), in_ints(lists[i].n));
        assert_int_equal(compile(q, &c), PL_OK);
        assert_int_equal(c.nplan, lists[i].written);
        assert_int_equal(c.cacheable, lists[i].cacheable);
        check_prepares(&c);
    }
    check_error(WHERE(SELECT(COL(F->name)), in_ints(32767)), PL_ECOMPILE,
                "32767 parameters");
    pl_compiled c;
    N *q = WHERE(SELECT(COL(F->name)), in_ints(20), EQ(COL(F->age), INT(77)));
    pl_vec literals;
    pl_vec_init(&literals, pl_alloc_libc());
    F->pass++;
    assert_true(pl_node_walk(q, F->pass, NULL, &literals));
    assert_int_equal(pl_compile(&pl_dialect_sqlite, q, F->pass, &F->arena, &c, &F->err),
                     PL_OK);
    for (size_t i = 0; i < c.nplan; i++) {
        const N *literal = literals.v[c.plan[i]];
        int64_t wanted = i < 20 ? (int64_t)i : i < 32 ? 19 : 77;
        assert_int_equal(literal->value.v.i, wanted);
    }
    assert_int_equal(literals.n, 21);
    pl_vec_free(&literals);
}

/* ---- functions and the like ---- */

static void functions(void **state) {
    (void)state;
    check_sql(SELECT(FUNC("count"), FUNC("count", COL(F->id)),
                     flagged(FUNC("count", COL(F->age)), PL_NF_DISTINCT)),
              "SELECT count(*) AS count_1, count(user.id) AS count_2, "
              "count(DISTINCT user.age) AS count_3 FROM user");
    check_sql(SELECT(FUNC("now"), FUNC("current_date"), FUNC("char_length", STR("x"))),
              "SELECT CURRENT_TIMESTAMP AS now_1, CURRENT_DATE AS current_date_1, "
              "length(?) AS char_length_1");
    check_sql(SELECT(FUNC("count", OP(PL_N_UNARY, PL_OP_DISTINCT, COL(F->age)))),
              "SELECT count(DISTINCT user.age) AS count_1 FROM user");
    check_text(SELECT(FUNC("a.b", STAR), FUNC("x y", INT(1)), FUNC("1; drop")),
               "SELECT a.b(*) AS b_1, \"x y\"(?) AS \"x y_1\", "
               "\"1; drop\"() AS \"1; drop_1\"");
    N *sum = FUNC("sum", COL(F->age));
    N *filter = NODE(PL_N_FILTER, sum, COL(F->active));
    check_sql(SELECT(LABEL(filter, "n")),
              "SELECT sum(user.age) FILTER (WHERE user.active = 1) AS n FROM user");
    check_sql(SELECT(NAMED(PL_N_OVER, "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW", sum,
                           TUPLE(COL(F->name)), TUPLE(DESC(COL(F->id)), COL(F->age)))),
              "SELECT sum(user.age) OVER (PARTITION BY user.name ORDER BY user.id DESC, "
              "user.age ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS anon_1 FROM user");
    check_sql(SELECT(NODE(PL_N_OVER, filter, (N *)NULL, TUPLE(COL(F->id)))),
              "SELECT sum(user.age) FILTER (WHERE user.active = 1) OVER "
              "(ORDER BY user.id) AS anon_1 FROM user");
    check_sql(SELECT(NODE(PL_N_OVER, sum, (N *)NULL, (N *)NULL)),
              "SELECT sum(user.age) OVER () AS anon_1 FROM user");
}

static void cases(void **state) {
    (void)state;
    N *when = GT(COL(F->age), INT(1));
    check_sql(
        SELECT(flagged(NODE(PL_N_CASE, when, INT(2), COL(F->active), INT(3), NIL),
                       PL_NF_CASE_ELSE)),
        "SELECT CASE WHEN user.age > ? THEN ? WHEN user.active THEN ? ELSE NULL END "
        "AS anon_1 FROM user");
    check_sql(SELECT(flagged(NODE(PL_N_CASE, COL(F->name), STR("a"), INT(1)),
                             PL_NF_CASE_VALUE)),
              "SELECT CASE user.name WHEN ? THEN ? END AS anon_1 FROM user");
}

static N *cast(N *a, const pl_type *t) {
    N *n = NODE(PL_N_CAST, a);
    n->type = t;
    return n;
}

static void conversions(void **state) {
    (void)state;
    pl_type numeric = {.kind = PL_K_NUMERIC, .precision = 10, .scale = 2};
    check_sql(
        SELECT(cast(COL(F->age), pl_type_plain(PL_K_STRING)), cast(INT(1), &numeric)),
        "SELECT CAST(user.age AS VARCHAR) AS age, "
        "CAST(? AS NUMERIC(10, 2)) AS anon_1 FROM user");
    static const char *const fields[][2] = {
        {"year", "%Y"},   {"month", "%m"}, {"day", "%d"},    {"hour", "%H"},
        {"minute", "%M"}, {"doy", "%j"},   {"second", "%S"}, {"epoch", "%s"},
        {"dow", "%w"},    {"week", "%W"}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char sql[100];
        snprintf(sql, sizeof sql, "CAST(STRFTIME('%s', user.name) AS INTEGER) = ?",
                 fields[i][1]);
        check_where(EQ(NAMED(PL_N_EXTRACT, fields[i][0], COL(F->name)), INT(1)), sql);
    }
    check_error(SELECT(NAMED(PL_N_EXTRACT, "eon", COL(F->name))), PL_ECOMPILE, "'eon'");
    check_sql(SELECT(NAMED(PL_N_COLLATE, "NOCASE", COL(F->name))),
              "SELECT user.name COLLATE \"NOCASE\" AS anon_1 FROM user");
    check_where(
        EQ(NAMED(PL_N_COLLATE, "binary", BIN(PL_OP_CONCAT, COL(F->name), STR("x"))),
           STR("y")),
        "(user.name || ?) COLLATE binary = ?");
}

static void json(void **state) {
    (void)state;
    N *value = NODE(PL_N_JSON, COL(F->data), STR("$.\"a\""));
    value->type = pl_type_plain(PL_K_JSON);
    N *text = OP(PL_N_JSON, PL_JSON_TEXT, COL(F->data), STR("$.\"a\""));
    N *number = OP(PL_N_JSON, PL_JSON_TEXT, COL(F->data), STR("$.\"a\""));
    number->type = pl_type_plain(PL_K_INTEGER);
    check_where(AND(EQ(value, STR("1")), EQ(text, STR("x")), EQ(number, INT(1))),
                "JSON_QUOTE(JSON_EXTRACT(user.data, ?)) = ? AND "
                "JSON_EXTRACT(user.data, ?) = ? AND JSON_EXTRACT(user.data, ?) = ?");
}

/* ---- raw text ---- */

static N *param(N *n, const char *name) {
    pl_node_set_text(n, name);
    return n;
}

static void text_parameters(void **state) {
    (void)state;
    N *a = param(INT(1), "a"), *b = param(INT(2), "b_2");
    pl_compiled c = check_sql(
        TEXT("select :a, :b_2, :a, ':a', \":a\", '\\:a' -- :zz\n /* :zz */", a, b),
        "select ?, ?, ?, ':a', \":a\", '\\:a' -- :zz\n /* :zz */");
    assert_int_equal(c.kind, PL_S_TEXT);
    assert_int_equal(c.plan[0], c.plan[2]);
    assert_int_not_equal(c.plan[0], c.plan[1]);
    check_text(TEXT("select x\\:a, y::int, 'it''s :a', [:b], z:a", a),
               "select x:a, y::int, 'it''s :a', [:b], z:a");
    check_where(AND(TEXT("age = :a", a), EQ(COL(F->id), INT(1))),
                "(age = ?) AND user.id = ?");
    check_sql(TEXT("select 1 where 1 in :a", param(TUPLE(INT(1), INT(2)), "a")),
              "select 1 where 1 in (?, ?)");
    check_sql(TEXT("select 1 where 1 in :a", param(TUPLE(), "a")),
              "select 1 where 1 in (SELECT 1 WHERE 1!=1)");
    check_sql(TEXT("select :a", param(BIN(PL_OP_ADD, INT(1), INT(2)), "a")),
              "select (? + ?)");
    check_error(TEXT("select :x"), PL_ESTATEMENT,
                "A value is required for bind parameter 'x'");
    check_error(TEXT("select ?"), PL_EARGUMENT, "'?'");
    check_error(TEXT("select @a"), PL_EARGUMENT, "'@'");
    check_error(TEXT("select $a"), PL_EARGUMENT, "'$'");
    check_sql(SELECT(TEXT("id"), TEXT("age + 1"), COL(F->name)),
              "SELECT id, age + 1, user.name FROM user");
}

/* ---- depth ---- */

static void depth_is_bounded(void **state) {
    (void)state;
    N *deep = COL(F->age);
    for (int i = 0; i < 2000; i++)
        deep = FUNC("abs", deep);
    check_error(SELECT(deep), PL_ECOMPILE, "more than 1000 deep");
    N *right = COL(F->age);
    for (int i = 0; i < 5000; i++)
        right = BIN(PL_OP_CONCAT, STR("x"), right);
    check_error(SELECT(right), PL_ECOMPILE, "more than 1000 deep");
    N *chain = SELECT(COL(F->id));
    for (int i = 0; i < 3000; i++)
        chain = WHERE(chain, EQ(COL(F->id), INT(i)));
    pl_compiled c;
    assert_int_equal(compile(chain, &c), PL_OK);
    check_prepares(&c);
    N *nots = COL(F->active);
    for (int i = 0; i < 100000; i++)
        nots = NOT(nots);
    check_error(SELECT(nots), PL_ECOMPILE, "more than 1000 deep");
    N *shared = COL(F->age);
    for (int i = 0; i < 60; i++)
        shared = BIN(PL_OP_ADD, shared, shared);
    check_error(SELECT(shared), PL_ECOMPILE, "");
    N *any = pl_node_new(&F->arena, PL_N_OR, 20000);
    for (unsigned i = 0; i < any->nkids; i++)
        any->kids[i] = EQ(COL(F->id), INT(i));
    assert_int_equal(compile(WHERE(SELECT(COL(F->name)), any), &c), PL_OK);
    check_prepares(&c);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(comparisons),     T(negations),        T(booleans),
        T(nesting),         T(arithmetic),       T(patterns),
        T(members),         T(in_is_padded),     T(functions),
        T(cases),           T(conversions),      T(json),
        T(text_parameters), T(depth_is_bounded),
    };
    return cmocka_run_group_tests_name("expr", tests, NULL, NULL);
}
