/* SPDX-License-Identifier: MIT */
/*
** t_compile.c - SELECT, INSERT, UPDATE and DELETE as text, their result columns and
** tables, and what is refused.
*/
#include "nodes.h"

#define USER_COLUMNS "user.id, user.name, user.age, user.active, user.data"

/* ---- select list, where, order, limit ---- */

static void select_columns(void **state) {
    (void)state;
    check_sql(SELECT(COL(F->id), COL(F->name)), "SELECT user.id, user.name FROM user");
    check_sql(SELECT(ENTITY(F->user)), "SELECT " USER_COLUMNS " FROM user");
    check_sql(SELECT(ENTITY(F->group)), "SELECT \"group\".id, \"group\".\"Name\" "
                                        "FROM \"group\"");
    check_sql(SELECT(INT(1)), "SELECT ? AS anon_1");
    check_sql(SELECT(TABLE(F->post)),
              "SELECT post.id, post.title, post.user_id FROM post");
    check_sql(NODE(PL_N_COLUMNS, SELECT(COL(F->id)), COL(F->name)),
              "SELECT user.name FROM user");
    check_sql(NODE(PL_N_ADD_COLUMNS, SELECT(COL(F->id)), COL(F->name)),
              "SELECT user.id, user.name FROM user");
    check_sql(NODE(PL_N_DISTINCT, SELECT(COL(F->name))),
              "SELECT DISTINCT user.name FROM user");
    check_sql(FROM(SELECT(STAR), TABLE(F->user)), "SELECT * FROM user");
    check_sql(SELECT(NODE(PL_N_STAR, TABLE(F->user)), COL(F->title)),
              "SELECT user.*, post.title FROM user, post");
    check_error(SELECT(), PL_EINVALID, "nothing to select");
}

static void where_order_limit(void **state) {
    (void)state;
    N *q = WHERE(SELECT(COL(F->id)), EQ(COL(F->name), STR("a")), GT(COL(F->age), INT(3)));
    q = LIMIT(ORDER_BY(q, DESC(COL(F->age)), COL(F->id)), INT(10));
    check_sql(OFFSET(q, INT(5)),
              "SELECT user.id FROM user WHERE user.name = ? AND user.age > ? "
              "ORDER BY user.age DESC, user.id LIMIT ? OFFSET ?");
    check_sql(OFFSET(SELECT(COL(F->id)), INT(5)),
              "SELECT user.id FROM user LIMIT -1 OFFSET ?");
    check_sql(LIMIT(q, (N *)NULL), "SELECT user.id FROM user WHERE user.name = ? AND "
                                   "user.age > ? ORDER BY user.age DESC, user.id");
    check_sql(ORDER_BY(NODE(PL_N_ORDER_BY, q), COL(F->name)),
              "SELECT user.id FROM user WHERE user.name = ? AND user.age > ? "
              "ORDER BY user.name LIMIT ?");
    check_sql(ORDER_BY(SELECT(COL(F->id)), OP(PL_N_ORDER, 3, COL(F->age)),
                       OP(PL_N_ORDER, 4, COL(F->name))),
              "SELECT user.id FROM user ORDER BY user.age DESC NULLS FIRST, "
              "user.name NULLS LAST");
    check_sql(NODE(PL_N_FOR_UPDATE, SELECT(COL(F->id))), "SELECT user.id FROM user");
}

static void grouping(void **state) {
    (void)state;
    N *n = LABEL(FUNC("count", COL(F->id)), "n");
    N *q = GROUP_BY(SELECT(COL(F->name), n), COL(F->name), FUNC("lower", COL(F->name)));
    check_sql(ORDER_BY(HAVING(q, GT(n, INT(1))), DESC(n), IDENT("name")),
              "SELECT user.name, count(user.id) AS n FROM user "
              "GROUP BY user.name, lower(user.name) HAVING count(user.id) > ? "
              "ORDER BY n DESC, name");
    N *l = LABEL(FUNC("lower", COL(F->name)), "l");
    check_sql(ORDER_BY(GROUP_BY(WHERE(SELECT(l), EQ(l, STR("x"))), l), l),
              "SELECT lower(user.name) AS l FROM user WHERE lower(user.name) = ? "
              "GROUP BY lower(user.name) ORDER BY l");
    check_sql(ORDER_BY(SELECT(COL(F->id)), l),
              "SELECT user.id FROM user ORDER BY lower(user.name)");
    N *yes = OP(PL_N_BOOL, 1);
    check_sql(ORDER_BY(GROUP_BY(SELECT(COL(F->id)), AND()), DESC(yes)),
              "SELECT user.id FROM user GROUP BY NULL ORDER BY NULL DESC");
    check_sql(GROUP_BY(SELECT(FUNC("count")), COL(F->name)),
              "SELECT count(*) AS count_1 FROM user GROUP BY user.name");
}

/* ---- FROM ---- */

static void joins(void **state) {
    (void)state;
    N *on = EQ(COL(F->user_id), COL(F->id));
    check_sql(JOIN(SELECT(COL(F->name)), TABLE(F->post), on),
              "SELECT user.name FROM user JOIN post ON post.user_id = user.id");
    check_sql(OUTER(SELECT(ENTITY(F->post), COL(F->name)), TABLE(F->user), on),
              "SELECT post.id, post.title, post.user_id, user.name FROM post "
              "LEFT OUTER JOIN user ON post.user_id = user.id");
    check_sql(JOIN(JOIN(SELECT(COL(F->name)), TABLE(F->post), on), TABLE(F->post), on),
              "SELECT user.name FROM user JOIN post ON post.user_id = user.id");
    check_sql(JOIN(FROM(SELECT(COL(F->title)), TABLE(F->user), TABLE(F->post)),
                   TABLE(F->post), on),
              "SELECT post.title FROM user JOIN post ON post.user_id = user.id");
    N *g = COL(F->group->columns[0]);
    check_sql(JOIN(JOIN(SELECT(COL(F->name), g), TABLE(F->post), on), TABLE(F->group),
                   EQ(g, COL(F->pid))),
              "SELECT user.name, \"group\".id FROM user JOIN post ON "
              "post.user_id = user.id JOIN \"group\" ON \"group\".id = post.id");
    check_sql(JOIN(SELECT(COL(F->name), g), TABLE(F->post), AND(on, EQ(g, COL(F->pid)))),
              "SELECT user.name, \"group\".id FROM user, \"group\" JOIN post ON "
              "post.user_id = user.id AND \"group\".id = post.id");
    check_sql(OP(PL_N_JOINED, PL_JOIN_CROSS, SELECT(COL(F->name)), (N *)NULL,
                 TABLE(F->post), (N *)NULL),
              "SELECT user.name FROM user CROSS JOIN post");
    check_sql(
        NODE(PL_N_JOINED, SELECT(COL(F->name)), TABLE(F->group), TABLE(F->post),
             EQ(g, COL(F->pid))),
        "SELECT user.name FROM \"group\" JOIN post ON \"group\".id = post.id, user");
    check_error(JOIN(SELECT(INT(1)), TABLE(F->post), EQ(COL(F->pid), INT(1))),
                PL_EINVALID, "nothing to join post to");
}

static void join_trees(void **state) {
    (void)state;
    N *on = EQ(COL(F->user_id), COL(F->id));
    N *both = NODE(PL_N_JOIN, TABLE(F->user), TABLE(F->post), on);
    N *g = COL(F->group->columns[0]);
    check_sql(
        FROM(SELECT(COL(F->name), COL(F->title)), both),
        "SELECT user.name, post.title FROM user JOIN post ON post.user_id = user.id");
    check_sql(JOIN(SELECT(g), both, EQ(g, COL(F->id))),
              "SELECT \"group\".id FROM \"group\" JOIN "
              "(user JOIN post ON post.user_id = user.id) ON \"group\".id = user.id");
    check_sql(OUTER(FROM(SELECT(COL(F->name)), both), TABLE(F->group), EQ(g, COL(F->id))),
              "SELECT user.name FROM user JOIN post ON post.user_id = user.id "
              "LEFT OUTER JOIN \"group\" ON \"group\".id = user.id");
}

static void aliases(void **state) {
    (void)state;
    N *a = ALIAS(TABLE(F->user), NULL), *b = ALIAS(TABLE(F->user), NULL);
    N *u = ALIAS(TABLE(F->user), "u");
    N *on = EQ(FROM_COL(a, F->id), FROM_COL(b, F->age));
    check_sql(JOIN(SELECT(FROM_COL(a, F->id), FROM_COL(b, F->name)), b, on),
              "SELECT user_1.id, user_2.name FROM user AS user_1 JOIN user AS user_2 ON "
              "user_1.id = user_2.age");
    check_sql(WHERE(SELECT(FROM_COL(u, F->id), COL(F->id)),
                    EQ(FROM_COL(u, F->id), COL(F->age))),
              "SELECT u.id, user.id FROM user AS u, user WHERE u.id = user.age");
    pl_table *taken = NULL;
    assert_int_equal(pl_table_new(&F->md, "user_1", NULL, &taken, &F->err), PL_OK);
    check_sql(SELECT(FROM_COL(a, F->id)), "SELECT user_2.id FROM user AS user_2");
    N *v = ALIAS(TABLE(F->post), "u");
    check_error(SELECT(FROM_COL(u, F->id), FROM_COL(v, F->pid)), PL_ECOMPILE,
                "'u' stands twice in FROM");
    check_error(
        FROM(SELECT(COL(F->id)), NODE(PL_N_JOIN, TABLE(F->user), TABLE(F->user), NIL)),
        PL_ECOMPILE, "'user' stands twice");
    check_error(ORDER_BY(SELECT(COL(F->id)), COL(F->title)), PL_EINVALID,
                "post is not in FROM");
    assert_string_equal(F->err.hint, "join post, or name it with select_from(...)");
    N *open =
        FROM(ORDER_BY(SELECT(COL(F->id)), COL(F->title)), TABLE(F->user), TEXT("post"));
    check_sql(open, "SELECT user.id FROM user, post ORDER BY post.title");
}

/* ---- subqueries ---- */

static void derived_tables(void **state) {
    (void)state;
    N *sub = ALIAS(WHERE(SELECT(COL(F->id), COL(F->name), COL(F->pid),
                                FUNC("max", COL(F->age)), FUNC("lower", COL(F->title))),
                         EQ(COL(F->user_id), COL(F->id))),
                   NULL);
    const char *inner = "(SELECT user.id, user.name, post.id AS post_id, "
                        "max(user.age) AS max_1, lower(post.title) AS lower_1 "
                        "FROM user, post WHERE post.user_id = user.id) AS anon_1";
    char sql[600];
    snprintf(sql, sizeof sql, "SELECT anon_1.name, anon_1.post_id, anon_1.max_1 FROM %s",
             inner);
    check_sql(
        SELECT(FROM_COL(sub, F->name), FROM_COL(sub, F->pid), SUB_COL(sub, "max_1")),
        sql);
    snprintf(sql, sizeof sql,
             "SELECT anon_1.id, anon_1.name, anon_1.post_id, anon_1.max_1, "
             "anon_1.lower_1 FROM %s",
             inner);
    pl_compiled c = check_sql(SELECT(sub), sql);
    assert_ptr_equal(c.columns[2].column, F->pid);
    assert_string_equal(c.columns[2].name, "post_id");
    assert_int_equal(c.columns[3].type->kind, PL_K_INTEGER);
    check_sql(FROM(SELECT(FUNC("count")), ALIAS(SELECT(COL(F->id)), NULL)),
              "SELECT count(*) AS count_1 FROM (SELECT user.id FROM user) AS anon_1");
    check_error(SELECT(FROM_COL(sub, F->age)), PL_EINVALID,
                "a subquery has no column 'age'");
    N *star = ALIAS(FROM(SELECT(STAR), TABLE(F->user)), "s");
    check_sql(SELECT(FROM_COL(star, F->age)),
              "SELECT s.age FROM (SELECT * FROM user) AS s");
    N *a = ALIAS(TABLE(F->user), "a"), *b = ALIAS(TABLE(F->user), "b");
    N *two = ALIAS(SELECT(FROM_COL(a, F->id), FROM_COL(b, F->id), COL(F->id)), "two");
    check_sql(SELECT(two), "SELECT two.id, two.b_id, two.user_id FROM (SELECT a.id, "
                           "b.id AS b_id, user.id AS user_id FROM user AS a, user AS b, "
                           "user) AS two");
}

static void correlation(void **state) {
    (void)state;
    N *mine = EQ(COL(F->user_id), COL(F->id));
    N *count = SCALAR(WHERE(SELECT(FUNC("count", COL(F->pid))), mine));
    check_sql(SELECT(COL(F->name), LABEL(count, "posts")),
              "SELECT user.name, (SELECT count(post.id) FROM post WHERE "
              "post.user_id = user.id) AS posts FROM user");
    check_where(EXISTS(WHERE(SELECT(ENTITY(F->post)), mine)),
                "EXISTS (SELECT 1 FROM post WHERE post.user_id = user.id)");
    check_where(NOT(EXISTS(WHERE(SELECT(FUNC("count", COL(F->pid))), mine))),
                "NOT EXISTS (SELECT count(post.id) FROM post WHERE "
                "post.user_id = user.id)");
    check_where(EQ(COL(F->age), SCALAR(SELECT(FUNC("max", COL(F->age))))),
                "user.age = (SELECT max(user.age) FROM user)");
    check_where(
        IN(COL(F->id), WHERE(SELECT(COL(F->user_id)), EQ(COL(F->pid), COL(F->age)))),
        "user.id IN (SELECT post.user_id FROM post WHERE post.id = user.age)");
    N *inner = WHERE(SELECT(COL(F->pid)), mine);
    N *both = JOIN(SELECT(COL(F->name)), TABLE(F->post), mine);
    check_error(WHERE(both, EXISTS(inner)), PL_EINVALID, "has no FROM left");
    check_sql(WHERE(both, EXISTS(NODE(PL_N_CORRELATE, inner, TABLE(F->user)))),
              "SELECT user.name FROM user JOIN post ON post.user_id = user.id WHERE "
              "EXISTS (SELECT 1 FROM post WHERE post.user_id = user.id)");
    check_where(EXISTS(NODE(PL_N_CORRELATE, inner)),
                "EXISTS (SELECT 1 FROM post, user WHERE post.user_id = user.id)");
    N *g = COL(F->group->columns[0]);
    N *far = EXISTS(flagged(NODE(PL_N_CORRELATE,
                                 WHERE(SELECT(g), EQ(g, COL(F->pid)), EQ(g, COL(F->id))),
                                 TABLE(F->group)),
                            PL_NF_NOT));
    check_where(EXISTS(WHERE(SELECT(COL(F->pid)), far)),
                "EXISTS (SELECT 1 FROM post WHERE EXISTS (SELECT 1 FROM \"group\" WHERE "
                "\"group\".id = post.id AND \"group\".id = user.id))");
    N *sub = ALIAS(WHERE(SELECT(COL(F->user_id)), mine), "s");
    check_sql(WHERE(SELECT(COL(F->name)), EQ(COL(F->id), FROM_COL(sub, F->user_id))),
              "SELECT user.name FROM user, (SELECT post.user_id FROM post, user WHERE "
              "post.user_id = user.id) AS s WHERE user.id = s.user_id");
}

static void ctes(void **state) {
    (void)state;
    N *c = NAMED(PL_N_CTE, "c", WHERE(SELECT(COL(F->id)), GT(COL(F->age), INT(1))));
    check_sql(WHERE(SELECT(FROM_COL(c, F->id)), GT(FROM_COL(c, F->id), INT(2))),
              "WITH c AS (SELECT user.id FROM user WHERE user.age > ?) "
              "SELECT c.id FROM c WHERE c.id > ?");
    N *d = NAMED(PL_N_CTE, "d", SELECT(FROM_COL(c, F->id)));
    N *in = IN(COL(F->user_id), SELECT(FROM_COL(d, F->id)));
    pl_compiled plan =
        check_sql(WHERE(SELECT(COL(F->title)), EQ(COL(F->pid), INT(3)), in,
                        EXISTS(SELECT(FROM_COL(c, F->id)))),
                  "WITH c AS (SELECT user.id FROM user WHERE user.age > ?), "
                  "d AS (SELECT c.id FROM c) SELECT post.title FROM post WHERE "
                  "post.id = ? AND post.user_id IN (SELECT d.id FROM d) AND "
                  "EXISTS (SELECT 1 FROM c)");
    assert_int_equal(plan.ntables, 2);
    N *other = ALIAS(c, NULL);
    check_sql(SELECT(FROM_COL(c, F->id), FROM_COL(other, F->id)),
              "WITH c AS (SELECT user.id FROM user WHERE user.age > ?) "
              "SELECT c.id, c_1.id FROM c, c AS c_1");
    check_sql(NODE(PL_N_WITH, SELECT(COL(F->id)), c),
              "WITH c AS (SELECT user.id FROM user WHERE user.age > ?) "
              "SELECT user.id FROM user");
    check_sql(WHERE(NODE(PL_N_DELETE, TABLE(F->user)),
                    IN(COL(F->id), SELECT(FROM_COL(c, F->id)))),
              "WITH c AS (SELECT user.id FROM user WHERE user.age > ?) "
              "DELETE FROM user WHERE user.id IN (SELECT c.id FROM c)");
}

static void recursive_ctes(void **state) {
    (void)state;
    N *anchor = SELECT(LABEL(INT(1), "n"));
    N *r0 = flagged(NAMED(PL_N_CTE, "r", anchor), PL_NF_RECURSIVE);
    N *n = SUB_COL(r0, "n");
    N *step = WHERE(SELECT(BIN(PL_OP_ADD, n, INT(1))), BIN(PL_OP_LT, n, INT(5)));
    N *all = OP(PL_N_COMPOUND, PL_SET_UNION_ALL, anchor, step);
    N *r = flagged(NAMED(PL_N_CTE, "r", all), PL_NF_RECURSIVE);
    const char *sql = "WITH RECURSIVE r(n) AS (SELECT ? AS n UNION ALL "
                      "SELECT r.n + ? AS anon_1 FROM r WHERE r.n < ?) SELECT r.n FROM r";
    check_sql(SELECT(SUB_COL(r, "n")), sql);
    check_sql(FROM(SELECT(n), r), sql);
    N *tree =
        flagged(NAMED(PL_N_CTE, "t", SELECT(COL(F->id), COL(F->age))), PL_NF_RECURSIVE);
    N *more = JOIN(SELECT(COL(F->id), COL(F->age)), tree,
                   EQ(COL(F->age), FROM_COL(tree, F->id)));
    N *full = flagged(
        NAMED(PL_N_CTE, "t", OP(PL_N_COMPOUND, PL_SET_UNION, tree->kids[0], more)),
        PL_NF_RECURSIVE);
    check_sql(
        JOIN(SELECT(ENTITY(F->post)), full, EQ(COL(F->user_id), FROM_COL(full, F->id))),
        "WITH RECURSIVE t(id, age) AS (SELECT user.id, user.age FROM user UNION "
        "SELECT user.id, user.age FROM user JOIN t ON user.age = t.id) "
        "SELECT post.id, post.title, post.user_id FROM post JOIN t ON "
        "post.user_id = t.id");
}

static void compounds(void **state) {
    (void)state;
    N *a = SELECT(COL(F->id), COL(F->name)), *b = SELECT(COL(F->pid), COL(F->title));
    N *both = OP(PL_N_COMPOUND, PL_SET_UNION, a, b);
    pl_compiled c =
        check_sql(LIMIT(ORDER_BY(both, DESC(COL(F->name)), IDENT("id")), INT(3)),
                  "SELECT user.id, user.name FROM user UNION SELECT post.id, post.title "
                  "FROM post ORDER BY name DESC, id LIMIT ?");
    assert_ptr_equal(c.columns[1].column, F->name);
    check_sql(OP(PL_N_COMPOUND, PL_SET_EXCEPT, LIMIT(a, INT(1)), both),
              "SELECT * FROM (SELECT user.id, user.name FROM user LIMIT ?) EXCEPT "
              "SELECT * FROM (SELECT user.id, user.name FROM user UNION "
              "SELECT post.id, post.title FROM post)");
    check_error(ORDER_BY(both, COL(F->age)), PL_ECOMPILE, "'age' is not among that");
    N *sub = ALIAS(OP(PL_N_COMPOUND, PL_SET_UNION_ALL, a, b), "u");
    check_sql(SELECT(FROM_COL(sub, F->name)),
              "SELECT u.name FROM (SELECT user.id, user.name FROM user UNION ALL "
              "SELECT post.id, post.title FROM post) AS u");
    N *twice = OP(PL_N_COMPOUND, PL_SET_INTERSECT, SELECT(COL(F->id), COL(F->pid)),
                  SELECT(INT(1), INT(2)));
    check_sql(ORDER_BY(twice, COL(F->pid)),
              "SELECT user.id, post.id FROM user, post INTERSECT SELECT ? AS anon_1, "
              "? AS anon_2 ORDER BY 2");
    check_where(IN(COL(F->id), OP(PL_N_COMPOUND, PL_SET_UNION, SELECT(COL(F->user_id)),
                                  SELECT(COL(F->pid)))),
                "user.id IN (SELECT post.user_id FROM post UNION SELECT post.id "
                "FROM post)");
}

static void other_sources(void **state) {
    (void)state;
    N *values = NAMED(PL_N_VALUES, "v", TUPLE(IDENT("id"), IDENT("order")),
                      TUPLE(INT(1), STR("a")), TUPLE(INT(2), STR("b")));
    check_sql(
        JOIN(SELECT(COL(F->name), SUB_COL(values, "order")), values,
             EQ(SUB_COL(values, "id"), COL(F->id))),
        "SELECT user.name, v.\"order\" FROM user JOIN (SELECT column1 AS id, "
        "column2 AS \"order\" FROM (VALUES (?, ?), (?, ?))) AS v ON v.id = user.id");
    N *each = NODE(PL_N_TABLEFUNC, FUNC("json_each", COL(F->data)));
    pl_compiled c = check_sql(SELECT(SUB_COL(each, "value"), COL(F->id)),
                              "SELECT json_each_1.value, user.id FROM user, "
                              "json_each(user.data) AS json_each_1");
    assert_false(c.cartesian);
    check_sql(FROM(SELECT(TEXT("x")), TEXT("(select 1 as x)")),
              "SELECT x FROM (select 1 as x)");
}

/* ---- what connects FROM ---- */

static void check_loose(N *stmt, const char *loose) {
    pl_compiled c;
    assert_int_equal(compile(stmt, &c), PL_OK);
    assert_int_equal(c.cartesian, loose != NULL);
    if (loose)
        assert_string_equal(c.loose, loose);
}

static void cartesian_products(void **state) {
    (void)state;
    N *q = SELECT(COL(F->id), COL(F->pid)), *on = EQ(COL(F->user_id), COL(F->id));
    N *g = COL(F->group->columns[0]);
    check_loose(q, "post");
    check_loose(WHERE(q, on), NULL);
    check_loose(WHERE(q, OR(AND(on, EQ(COL(F->id), INT(1))), EQ(COL(F->pid), INT(2)))),
                NULL);
    check_loose(WHERE(q, OR(EQ(COL(F->id), INT(1)), EQ(COL(F->pid), INT(2)))), "post");
    check_loose(WHERE(q, TEXT("user.id = post.user_id")), NULL);
    check_loose(JOIN(q, TABLE(F->post), on), NULL);
    check_loose(JOIN(NODE(PL_N_ADD_COLUMNS, q, g), TABLE(F->post), on), "group");
    check_loose(
        WHERE(JOIN(NODE(PL_N_ADD_COLUMNS, q, g), TABLE(F->post), on), EQ(g, COL(F->pid))),
        NULL);
    check_loose(WHERE(SELECT(COL(F->id)), EXISTS(SELECT(COL(F->pid), g))), "group");
    check_loose(SELECT(COL(F->id)), NULL);
    N *tie = EQ(COL(F->user_id), COL(F->id)), *set = EQ(COL(F->age), COL(F->pid));
    check_loose(NODE(PL_N_SET, NODE(PL_N_UPDATE, TABLE(F->user)), set), "post");
    check_loose(WHERE(NODE(PL_N_SET, NODE(PL_N_UPDATE, TABLE(F->user)), set), tie), NULL);
    check_loose(NODE(PL_N_SET, NODE(PL_N_UPDATE, TABLE(F->user), tie), set), NULL);
    check_sql(NODE(PL_N_SET, NODE(PL_N_UPDATE, TABLE(F->user), tie), set),
              "UPDATE user SET age=post.id FROM post WHERE post.user_id = user.id");
    check_sql(
        NODE(PL_N_SET, NODE(PL_N_UPDATE, TABLE(F->user), tie), EQ(COL(F->age), INT(1))),
        "UPDATE user SET age=?");
}

/* ---- changes ---- */

static N *insert_into(const pl_table *t) {
    N *n = NODE(PL_N_INSERT);
    n->ref = t;
    return n;
}

static void inserts(void **state) {
    (void)state;
    N *insert = insert_into(F->user);
    N *rows = NODE(PL_N_ROWS, insert, TUPLE(COL(F->name), COL(F->age)),
                   TUPLE(STR("a"), INT(1)), TUPLE(STR("b"), NIL));
    check_sql(rows, "INSERT INTO user (name, age) VALUES (?, ?), (?, NULL)");
    pl_compiled c = check_sql(NODE(PL_N_RETURNING, rows, COL(F->id), ENTITY(F->user),
                                   LABEL(FUNC("lower", COL(F->name)), "l")),
                              "INSERT INTO user (name, age) VALUES (?, ?), (?, NULL) "
                              "RETURNING id, id, name, age, active, data, "
                              "lower(name) AS l");
    assert_int_equal(c.kind, PL_S_INSERT);
    assert_int_equal(c.ncolumns, 7);
    assert_string_equal(c.columns[6].name, "l");
    assert_ptr_equal(c.tables[0], F->user);
    check_sql(insert, "INSERT INTO user DEFAULT VALUES");
    check_sql(NODE(PL_N_ROWS, insert, TUPLE(), TUPLE()),
              "INSERT INTO user DEFAULT VALUES");
    check_error(NODE(PL_N_ROWS, insert, TUPLE(), TUPLE(), TUPLE()), PL_ECOMPILE,
                "at least one column");
    check_error(NODE(PL_N_ROWS, insert, TUPLE(COL(F->name)), TUPLE(INT(1), INT(2))),
                PL_ECOMPILE, "1 columns and 2 values");
    check_error(NODE(PL_N_ROWS, insert, TUPLE(COL(F->pid)), TUPLE(INT(1))), PL_ECOMPILE,
                "'post.id' is not a column of 'user'");
    check_error(NODE(PL_N_ROWS, insert, TUPLE(COL(F->name)), TUPLE(COL(F->age))),
                PL_EINVALID, "cannot be used here");
    check_sql(NODE(PL_N_ROWS, insert, TUPLE(COL(F->age)),
                   TUPLE(SCALAR(SELECT(FUNC("max", COL(F->age)))))),
              "INSERT INTO user (age) VALUES ((SELECT max(user.age) FROM user))");
    check_sql(NODE(PL_N_FROM_SELECT, insert, TUPLE(COL(F->id), COL(F->name)),
                   SELECT(COL(F->pid), COL(F->title))),
              "INSERT INTO user (id, name) SELECT post.id, post.title FROM post");
}

static void conflicts(void **state) {
    (void)state;
    N *rows = NODE(PL_N_ROWS, insert_into(F->user), TUPLE(COL(F->id)), TUPLE(INT(1)));
    N *excluded = IDENT("excluded");
    N *set = TUPLE(EQ(COL(F->name), FROM_COL(excluded, F->name)),
                   EQ(COL(F->age), BIN(PL_OP_ADD, COL(F->age), IDENT("age", excluded))));
    check_sql(NODE(PL_N_CONFLICT, rows, (N *)NULL, (N *)NULL, (N *)NULL),
              "INSERT INTO user (id) VALUES (?) ON CONFLICT DO NOTHING");
    N *update = OP(PL_N_CONFLICT, 1, rows, TUPLE(COL(F->id)), set,
                   GT(COL(F->age), FROM_COL(excluded, F->age)));
    check_sql(NODE(PL_N_RETURNING, update, COL(F->id)),
              "INSERT INTO user (id) VALUES (?) ON CONFLICT (id) DO UPDATE SET "
              "name=excluded.name, age=user.age + excluded.age WHERE "
              "user.age > excluded.age RETURNING id");
    N *from = NODE(PL_N_FROM_SELECT, insert_into(F->user), TUPLE(COL(F->id)),
                   SELECT(COL(F->pid)));
    check_sql(NODE(PL_N_CONFLICT, from, TUPLE(COL(F->id)), (N *)NULL, (N *)NULL),
              "INSERT INTO user (id) SELECT * FROM (SELECT post.id FROM post) WHERE 1 "
              "ON CONFLICT (id) DO NOTHING");
    check_error(OP(PL_N_CONFLICT, 1, rows, TUPLE(COL(F->id)), TUPLE(), (N *)NULL),
                PL_EARGUMENT, "nothing to set");
}

static void updates(void **state) {
    (void)state;
    N *older = EQ(COL(F->age), BIN(PL_OP_ADD, COL(F->age), INT(1)));
    N *update = NODE(PL_N_SET, NODE(PL_N_UPDATE, TABLE(F->user)), older);
    N *first = EQ(COL(F->id), INT(1)), *mine = EQ(COL(F->user_id), COL(F->id));
    check_sql(WHERE(update, first), "UPDATE user SET age=user.age + ? WHERE user.id = ?");
    pl_compiled c = check_sql(NODE(PL_N_RETURNING, update, COL(F->age)),
                              "UPDATE user SET age=user.age + ? RETURNING age");
    assert_int_equal(c.kind, PL_S_UPDATE);
    N *u = ALIAS(TABLE(F->user), "u");
    check_sql(
        WHERE(NODE(PL_N_SET, NODE(PL_N_UPDATE, u), EQ(FROM_COL(u, F->name), STR("x"))),
              EQ(FROM_COL(u, F->id), INT(1))),
        "UPDATE user AS u SET name=? WHERE u.id = ?");
    check_sql(WHERE(NODE(PL_N_SET, update, EQ(COL(F->name), COL(F->title))), mine),
              "UPDATE user SET age=user.age + ?, name=post.title FROM post WHERE "
              "post.user_id = user.id");
    N *max = SCALAR(WHERE(SELECT(FUNC("max", COL(F->pid))), mine));
    check_sql(
        WHERE(NODE(PL_N_SET, NODE(PL_N_UPDATE, TABLE(F->user)), EQ(COL(F->age), max)),
              EXISTS(WHERE(SELECT(COL(F->pid)), mine))),
        "UPDATE user SET age=(SELECT max(post.id) FROM post WHERE "
        "post.user_id = user.id) WHERE EXISTS (SELECT 1 FROM post WHERE "
        "post.user_id = user.id)");
    check_error(NODE(PL_N_UPDATE, TABLE(F->user)), PL_EARGUMENT, "nothing to set");
    check_error(LIMIT(update, INT(1)), PL_ECOMPILE, "UPDATE cannot have ORDER BY");
    check_error(JOIN(update, TABLE(F->post), mine), PL_EINVALID, "cannot have joins");
    check_error(NODE(PL_N_RETURNING, update, COL(F->title)), PL_EINVALID,
                "post is not in the UPDATE");
    check_error(NODE(PL_N_SET, NODE(PL_N_UPDATE, TABLE(F->user)), COL(F->age)),
                PL_EARGUMENT, "a column and a value");
}

static void deletes(void **state) {
    (void)state;
    N *delete = NODE(PL_N_DELETE, TABLE(F->user));
    check_sql(delete, "DELETE FROM user");
    check_sql(NODE(PL_N_RETURNING, WHERE(delete, COL(F->active)), COL(F->id)),
              "DELETE FROM user WHERE user.active = 1 RETURNING id");
    N *u = ALIAS(TABLE(F->user), NULL);
    check_sql(WHERE(NODE(PL_N_DELETE, u), EQ(FROM_COL(u, F->id), INT(1))),
              "DELETE FROM user AS user_1 WHERE user_1.id = ?");
    check_error(WHERE(delete, EQ(COL(F->title), STR("x"))), PL_EINVALID,
                "column 'post.title' cannot be used here: post is not in the DELETE");
    assert_string_equal(F->err.hint,
                        "use a subquery: in_(db.select(...)) or db.exists(...)");
    check_error(NODE(PL_N_DELETE, ALIAS(SELECT(COL(F->id)), "s")), PL_EARGUMENT,
                "only a table can be changed");
}

/* ---- result columns ---- */

static void result_columns(void **state) {
    (void)state;
    static const struct {
        const char *name;
        pl_kind kind;
    } wanted[] = {
        {"id", PL_K_INTEGER},      {"id_1", PL_K_INTEGER},   {"x", PL_K_STRING},
        {"count_1", PL_K_INTEGER}, {"avg_1", PL_K_FLOAT},    {"max_1", PL_K_STRING},
        {"anon_1", PL_K_FLOAT},    {"anon_2", PL_K_BOOLEAN}, {"now_1", PL_K_DATETIME},
        {"anon_3", PL_K_STRING},   {"id_2", PL_K_INTEGER},   {"n", PL_K_INTEGER}};
    N *max = FUNC("max", COL(F->name));
    N *q = SELECT(COL(F->id), COL(F->pid), LABEL(COL(F->name), "x"), FUNC("count"),
                  FUNC("avg", COL(F->age)), max, BIN(PL_OP_DIV, COL(F->age), INT(2)),
                  GT(COL(F->age), INT(1)), FUNC("now"), SCALAR(SELECT(max)),
                  NODE(PL_N_ENTITY, COL(F->id)), COL(F->id), LABEL(FUNC("count"), "n"));
    pl_compiled c;
    assert_int_equal(compile(q, &c), PL_OK);
    check_prepares(&c);
    assert_int_equal(c.ncolumns, 13);
    assert_string_equal(c.columns[10].name, "id");
    for (size_t i = 0, k = 0; i < c.ncolumns; i++) {
        if (i == 10)
            continue;
        assert_string_equal(c.columns[i].name, wanted[k].name);
        assert_int_equal(c.columns[i].type->kind, wanted[k++].kind);
    }
    assert_ptr_equal(c.columns[2].column, F->name);
    assert_null(c.columns[3].column);
    assert_int_equal(c.kind, PL_S_SELECT);
    assert_int_equal(c.ntables, 2);
    assert_true(c.cacheable);
    assert_int_equal(compile(SELECT(flagged(TEXT("a, b"), PL_NF_UNCACHED)), &c), PL_OK);
    assert_false(c.cacheable);
    assert_true(c.open);
    assert_null(c.columns[0].name);
}

static void statement_helpers(void **state) {
    (void)state;
    N *head = SELECT(COL(F->id)), *where = WHERE(head, COL(F->active));
    N *q = LIMIT(where, INT(1));
    assert_ptr_equal(pl_statement_head(q), head);
    assert_ptr_equal(pl_statement_find(q, PL_N_WHERE), where);
    assert_ptr_equal(pl_statement_find(q, PL_N_SELECT), head);
    assert_null(pl_statement_find(q, PL_N_OFFSET));
    N *joined = JOIN(q, TABLE(F->post), EQ(COL(F->user_id), COL(F->id)));
    pl_vec froms;
    pl_vec_init(&froms, pl_alloc_libc());
    assert_true(pl_statement_froms(joined, &F->arena, &froms));
    assert_int_equal(froms.n, 2);
    assert_ptr_equal(((N *)froms.v[0])->ref, F->user);
    assert_ptr_equal(((N *)froms.v[1])->ref, F->post);
    pl_vec_free(&froms);
}

/* What would mean something else to SQLite, or nothing. */
static void other_readings(void **state) {
    (void)state;
    N *both = OP(PL_N_COMPOUND, PL_SET_UNION, SELECT(COL(F->id), COL(F->title)),
                 SELECT(INT(1), STR("x")));
    check_sql(ORDER_BY(both, COL(F->id)),
              "SELECT user.id, post.title FROM user, post UNION SELECT ? AS anon_1, "
              "? AS anon_2 ORDER BY 1");
    N *label = SELECT(LABEL(COL(F->id), "x"), COL(F->title));
    check_sql(ORDER_BY(OP(PL_N_COMPOUND, PL_SET_UNION, label, SELECT(INT(1), INT(2))),
                       COL(F->id)),
              "SELECT user.id AS x, post.title FROM user, post UNION SELECT ? AS anon_1, "
              "? AS anon_2 ORDER BY x");
    N *mine = EQ(COL(F->user_id), COL(F->id));
    N *posts = WHERE(SELECT(COL(F->pid)), mine);
    check_error(SELECT(COL(F->id), SCALAR(ORDER_BY(posts, COL(F->age)))), PL_EINVALID,
                "user is not in FROM");
    check_error(SELECT(COL(F->id), SCALAR(GROUP_BY(posts, COL(F->age)))), PL_EINVALID,
                "user is not in FROM");
    N *u = ALIAS(TABLE(F->user), "u");
    N *same = WHERE(SELECT(COL(F->pid)), EQ(COL(F->user_id), FROM_COL(u, F->id)));
    check_error(NODE(PL_N_RETURNING, NODE(PL_N_DELETE, u), SCALAR(same)), PL_EINVALID,
                "u is not in");
    check_sql(NODE(PL_N_RETURNING, NODE(PL_N_DELETE, TABLE(F->user)), SCALAR(posts)),
              "DELETE FROM user RETURNING (SELECT post.id FROM post WHERE "
              "post.user_id = user.id)");
    N *sub = ALIAS(SELECT(COL(F->id)), NULL);
    check_error(FROM(SELECT(COL(F->pid)), NODE(PL_N_JOIN, sub, sub, NIL)), PL_ECOMPILE,
                "stands twice");
}

/* A schema name stands before its tables everywhere but in REFERENCES. */
static void schemas(void **state) {
    (void)state;
    pl_table *t = NULL;
    execute("ATTACH ':memory:' AS other");
    assert_int_equal(pl_table_new(&F->md, "user", "other", &t, &F->err), PL_OK);
    pl_column *id = add_column(t, "id", PL_K_INTEGER);
    id->primary_key = id->index = true;
    create(t);
    check_sql(WHERE(SELECT(COL(id), COL(F->pid)), EQ(COL(id), COL(F->pid))),
              "SELECT other.user.id, post.id FROM other.user, post WHERE "
              "other.user.id = post.id");
    check_sql(NODE(PL_N_DELETE, TABLE(t)), "DELETE FROM other.user");
    check_sql(NODE(PL_N_ROWS, insert_into(t), TUPLE(COL(id)), TUPLE(INT(1))),
              "INSERT INTO other.user (id) VALUES (?)");
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(select_columns),
        T(where_order_limit),
        T(grouping),
        T(joins),
        T(join_trees),
        T(aliases),
        T(derived_tables),
        T(correlation),
        T(ctes),
        T(recursive_ctes),
        T(compounds),
        T(other_sources),
        T(cartesian_products),
        T(inserts),
        T(conflicts),
        T(updates),
        T(deletes),
        T(result_columns),
        T(statement_helpers),
        T(schemas),
        T(other_readings),
    };
    return cmocka_run_group_tests_name("compile", tests, NULL, NULL);
}
