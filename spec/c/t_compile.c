/* SPDX-License-Identifier: MIT */
/*
** t_compile.c - SELECT, INSERT, UPDATE and DELETE as text.
*/
#include "nodes.h"

static void select_columns(void **state) {
    (void)state;
    check_sql(SELECT(COL(F->id), COL(F->name)), "SELECT user.id, user.name FROM user");
    check_sql(SELECT(ENTITY(F->user)),
              "SELECT user.id, user.name, user.age, user.active, user.data FROM user");
    check_sql(SELECT(ENTITY(F->group)), "SELECT \"group\".id, \"group\".\"Name\" "
                                        "FROM \"group\"");
    check_sql(SELECT(INT(1)), "SELECT ? AS anon_1");
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
}

static void joins(void **state) {
    (void)state;
    N *on = EQ(COL(F->user_id), COL(F->id));
    check_sql(JOIN(SELECT(COL(F->name)), TABLE(F->post), on),
              "SELECT user.name FROM user JOIN post ON post.user_id = user.id");
    check_sql(OUTER(SELECT(ENTITY(F->post), COL(F->name)), TABLE(F->user), on),
              "SELECT post.id, post.title, post.user_id, user.name FROM post "
              "LEFT OUTER JOIN user ON post.user_id = user.id");
}

static void changes(void **state) {
    (void)state;
    N *insert = NODE(PL_N_INSERT);
    insert->ref = F->user;
    N *rows = NODE(PL_N_ROWS, insert, TUPLE(COL(F->name), COL(F->age)),
                   TUPLE(STR("a"), INT(1)), TUPLE(STR("b"), INT(2)));
    check_sql(rows, "INSERT INTO user (name, age) VALUES (?, ?), (?, ?)");
    check_sql(NODE(PL_N_RETURNING, rows, COL(F->id)),
              "INSERT INTO user (name, age) VALUES (?, ?), (?, ?) RETURNING id");
    check_sql(insert, "INSERT INTO user DEFAULT VALUES");
    N *update = NODE(PL_N_SET, NODE(PL_N_UPDATE, TABLE(F->user)),
                     EQ(COL(F->age), BIN(PL_OP_ADD, COL(F->age), INT(1))));
    check_sql(WHERE(update, EQ(COL(F->id), INT(1))),
              "UPDATE user SET age=user.age + ? WHERE user.id = ?");
    check_sql(WHERE(NODE(PL_N_DELETE, TABLE(F->user)), EQ(COL(F->id), INT(1))),
              "DELETE FROM user WHERE user.id = ?");
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(select_columns),
        T(where_order_limit),
        T(joins),
        T(changes),
    };
    return cmocka_run_group_tests_name("compile", tests, NULL, NULL);
}
