/* SPDX-License-Identifier: MIT */
/*
** t_flush.c - the unit of work over a real database: rows, their SQL, keys, errors.
*/
#include "blog.h"

/* ---- INSERT -------------------------------------------------------------------- */

static void test_insert_writes_set_columns_and_takes_keys(void **state) {
    blog *b = *state;
    pl_object *a = world_new(&b->w, b->user, "name", "Alice");
    pl_object *c = world_new(&b->w, b->user, "name", "Carol");
    world_set(c, "email", world_text("c@x"));
    pl_flush *f = begin(b);
    save(b, f, a);
    save(b, f, c);
    save(b, f, a);
    assert_true(pl_flush_has(f, a));
    expect_plan(b, f, "INSERT user (2)\n");
    run(b, f);
    expect_log(b, "INSERT INTO user (name) VALUES (?) -- Alice\n"
                  "INSERT INTO user (name, email) VALUES (?, ?) -- Carol, c@x\n");
    assert_int_equal(world_int(a, "id"), 1);
    assert_int_equal(world_int(c, "id"), 2);
    assert_int_equal(world_slot(a, "email")->tag, PL_NULL);
    assert_int_equal(world_slot(a, "name")->flags, 0);
    assert_int_equal(a->status & PL_OBJ_CHANGED, 0);
}

static void test_insert_without_columns_uses_defaults(void **state) {
    blog *b = *state;
    pl_object *g = world_object(&b->w, b->group);
    pl_flush *f = begin(b);
    save(b, f, g);
    run(b, f);
    expect_log(b, "INSERT INTO \"group\" DEFAULT VALUES\n");
    assert_int_equal(world_int(g, "id"), 1);
}

static void test_many_rows_go_together_with_consecutive_keys(void **state) {
    blog *b = *state;
    enum { N = 1000 };
    pl_object *o[N];
    char names[N][16];
    pl_flush *f = begin(b);
    world_sql(&b->w, "INSERT INTO user (id, name) VALUES (41, 'x')");
    pl_buf_clear(&b->w.log);
    for (int i = 0; i < N; i++) {
        (void)snprintf(names[i], sizeof names[i], "n%d", i);
        o[i] = world_new(&b->w, b->user, "name", names[i]);
        save(b, f, o[i]);
    }
    run(b, f);
    for (int i = 0; i < N; i++)
        assert_int_equal(world_int(o[i], "id"), 42 + i);
    assert_int_equal(world_ask(&b->w, "SELECT count(*) FROM user WHERE id > 41 AND name ="
                                      " 'n' || (id - 42)"),
                     N);
    size_t lines = 0;
    for (const char *p = pl_buf_cstr(&b->w.log); *p; p++)
        lines += *p == '\n';
    assert_true(lines < N / 2);
}

static void test_trigger_or_high_keys_go_one_by_one(void **state) {
    blog *b = *state;
    enum { N = 300 };
    world_sql(&b->w, "CREATE TABLE log (id INTEGER PRIMARY KEY);"
                     "CREATE TRIGGER t AFTER INSERT ON post WHEN new.id % 3 = 0 BEGIN"
                     " INSERT INTO post (id, title) VALUES (new.id + 1, 'extra'); END;"
                     "INSERT INTO user (id, name) VALUES (4611686018427387904, 'high')");
    pl_object *posts[N], *users[N];
    pl_flush *f = begin(b);
    for (int i = 0; i < N; i++) {
        posts[i] = world_new(&b->w, b->post, "title", "t");
        users[i] = world_new(&b->w, b->user, "name", "u");
        save(b, f, posts[i]);
        save(b, f, users[i]);
    }
    run(b, f);
    assert_int_equal(world_int(posts[2], "id"), 3);
    assert_int_equal(world_int(posts[3], "id"), 5);
    assert_int_equal(world_int(users[N - 1], "id"), 4611686018427387904 + N);
    assert_int_equal(world_ask(&b->w, "SELECT count(*) FROM post WHERE title = 't'"), N);
}

static void test_null_is_found_before_sql(void **state) {
    blog *b = *state;
    pl_object *o = world_object(&b->w, b->user);
    world_set(o, "email", world_text("x"));
    pl_flush *f = begin(b);
    save(b, f, o);
    assert_int_equal(pl_flush_run(f, &b->w.err), PL_EINTEGRITY);
    assert_string_equal(b->w.err.message, "User.name may not be NULL");
    assert_string_equal(b->w.err.attribute, "User.name");
    assert_ptr_equal(b->w.err.object, o);
    expect_log(b, "");
    pl_flush_free(f);
}

static void test_culprit_of_a_group_is_named(void **state) {
    blog *b = *state;
    enum { N = 200, BAD = 77 };
    pl_object *o[N];
    char mails[N][16];
    world_sql(&b->w, "INSERT INTO user (name, email) VALUES ('x', 'taken')");
    pl_flush *f = begin(b);
    for (int i = 0; i < N; i++) {
        (void)snprintf(mails[i], sizeof mails[i], "m%d", i);
        o[i] = world_new(&b->w, b->user, "name", "n");
        world_set(o[i], "email", world_text(i == BAD ? "taken" : mails[i]));
        save(b, f, o[i]);
    }
    assert_int_equal(pl_flush_run(f, &b->w.err), PL_EINTEGRITY);
    assert_ptr_equal(b->w.err.object, o[BAD]);
    assert_string_equal(b->w.err.attribute, "User.email");
    assert_string_equal(b->w.err.table, "user");
    pl_flush_free(f);
    assert_int_equal(pl_conn_open_statements(b->w.conn), 0);
}

/* ---- UPDATE -------------------------------------------------------------------- */

static void test_update_writes_changes_in_order_of_keys(void **state) {
    blog *b = *state;
    pl_object *a = stored(b, b->user, "name", "Alice");
    pl_object *c = stored(b, b->user, "name", "Carol");
    pl_object *d = stored(b, b->user, "name", "Dave");
    pl_object *e = world_new(&b->w, b->user, "name", "Eve");
    world_set(c, "name", world_text("C"));
    world_set(a, "email", world_text("a@x"));
    pl_flush *f = begin(b);
    save(b, f, e);
    save(b, f, d);
    save(b, f, c);
    save(b, f, a);
    expect_plan(b, f, "UPDATE user (2)\nINSERT user (1)\n");
    run(b, f);
    expect_log(b, "UPDATE user SET email=? WHERE user.id = ? -- a@x, 1\n"
                  "UPDATE user SET name=? WHERE user.id = ? -- C, 2\n"
                  "INSERT INTO user (name) VALUES (?) -- Eve\n");
    assert_int_equal(c->status & PL_OBJ_CHANGED, 0);
}

static void test_update_of_a_missing_row_is_stale(void **state) {
    blog *b = *state;
    pl_object *a = stored(b, b->user, "name", "Alice");
    world_sql(&b->w, "DELETE FROM user");
    world_set(a, "name", world_text("B"));
    pl_flush *f = begin(b);
    save(b, f, a);
    assert_int_equal(pl_flush_run(f, &b->w.err), PL_ESTALE);
    assert_string_equal(
        b->w.err.message,
        "UPDATE statement on table 'user' expected to update 1 row(s); 0 were matched.");
    assert_ptr_equal(b->w.err.object, a);
    pl_flush_free(f);
}

static bool committed_key(void *ud, const pl_object *o, uint16_t slot, pl_slot *out) {
    (void)ud;
    (void)o;
    if (slot != 0)
        return false;
    *out = pl_slot_int(1);
    return true;
}

static void test_changed_key_finds_the_old_row(void **state) {
    blog *b = *state;
    pl_object *a = stored(b, b->user, "name", "Alice");
    b->w.hooks.committed = committed_key;
    world_set(a, "id", pl_slot_int(9));
    pl_flush *f = begin(b);
    save(b, f, a);
    run(b, f);
    expect_log(b, "UPDATE user SET id=? WHERE user.id = ? -- 9, 1\n");
    assert_int_equal(world_ask(&b->w, "SELECT id FROM user"), 9);
}

static void test_unique_failure_of_update(void **state) {
    blog *b = *state;
    pl_object *a = stored(b, b->user, "name", "Alice");
    world_sql(&b->w, "INSERT INTO user (name, email) VALUES ('x', 'taken')");
    world_set(a, "email", world_text("taken"));
    pl_flush *f = begin(b);
    save(b, f, a);
    assert_int_equal(pl_flush_run(f, &b->w.err), PL_EINTEGRITY);
    assert_string_equal(b->w.err.attribute, "User.email");
    assert_ptr_equal(b->w.err.object, a);
    pl_flush_free(f);
}

/* ---- DELETE -------------------------------------------------------------------- */

static void test_delete_by_key_and_warning(void **state) {
    blog *b = *state;
    pl_object *a = stored(b, b->user, "name", "Alice");
    pl_object *c = stored(b, b->user, "name", "Carol");
    world_sql(&b->w, "DELETE FROM user WHERE id = 1");
    pl_buf_clear(&b->w.log);
    pl_flush *f = begin(b);
    erase(b, f, c);
    erase(b, f, a);
    expect_plan(b, f, "DELETE user (2)\n");
    run(b, f);
    expect_log(b, "DELETE FROM user WHERE user.id = ? -- 1\n"
                  "DELETE FROM user WHERE user.id = ? -- 2\n");
    assert_string_equal(pl_buf_cstr(&b->w.events),
                        "warn DELETE statement on table 'user' expected to delete 2 "
                        "row(s); 1 were matched.\n");
}

static void test_delete_many_by_lists(void **state) {
    blog *b = *state;
    enum { N = 1200 };
    pl_object *o[N];
    pl_flush *f = begin(b);
    for (int i = 0; i < N; i++) {
        o[i] = world_new(&b->w, b->user, "name", "n");
        save(b, f, o[i]);
    }
    run(b, f);
    f = begin(b);
    for (int i = 0; i < N; i++) {
        world_settle(o[i]);
        erase(b, f, o[i]);
    }
    run(b, f);
    assert_int_equal(world_ask(&b->w, "SELECT count(*) FROM user"), 0);
    assert_string_equal(pl_buf_cstr(&b->w.events), "");
}

static void test_delete_refused_names_who_refers(void **state) {
    blog *b = *state;
    enum { N = 600 };
    pl_object *o[N];
    pl_flush *f = begin(b);
    for (int i = 0; i < N; i++) {
        o[i] = world_new(&b->w, b->user, "name", "n");
        save(b, f, o[i]);
    }
    run(b, f);
    world_sql(&b->w, "INSERT INTO post (user_id) VALUES (334)");
    f = begin(b);
    for (int i = 0; i < N; i++) {
        world_settle(o[i]);
        erase(b, f, o[i]);
    }
    assert_int_equal(pl_flush_run(f, &b->w.err), PL_EINTEGRITY);
    assert_ptr_equal(b->w.err.object, o[333]);
    assert_string_equal(b->w.err.table, "post");
    assert_string_equal(b->w.err.column, "user_id");
    pl_flush_free(f);
}

static void test_delete_wins_over_save(void **state) {
    blog *b = *state;
    pl_object *a = stored(b, b->user, "name", "Alice");
    world_set(a, "name", world_text("B"));
    pl_flush *f = begin(b);
    save(b, f, a);
    erase(b, f, a);
    run(b, f);
    expect_log(b, "DELETE FROM user WHERE user.id = ? -- 1\n");
}

/* ---- the same key again -------------------------------------------------------- */

static void test_deleted_row_is_taken_over(void **state) {
    blog *b = *state;
    pl_object *old = stored(b, b->user, "name", "old");
    world_sql(&b->w, "UPDATE user SET email = 'old@x'");
    pl_buf_clear(&b->w.log);
    pl_object *o = world_new(&b->w, b->user, "name", "new");
    world_set(o, "id", pl_slot_int(1));
    pl_flush *f = begin(b);
    erase(b, f, old);
    save(b, f, o);
    expect_plan(b, f, "UPDATE user (1)\n");
    run(b, f);
    expect_log(b, "UPDATE user SET name=? WHERE user.id = ? -- new, 1\n");
    assert_int_equal(world_int(o, "id"), 1);
    assert_int_equal(world_slot(o, "email")->tag, PL_UNSET);
    assert_int_equal(world_slot(o, "email")->flags, PL_SLOT_SERVER);
    assert_true(o->status & PL_OBJ_PARTIAL);
}

/* ---- hooks --------------------------------------------------------------------- */

static pl_code note_before(void *ud, pl_flush_op op, pl_object *o, pl_error *err) {
    world *w = ud;
    (void)err;
    pl_buf_fmt(&w->events, "before %d %s\n", (int)op, o->mapper->name);
    if (op == PL_FLUSH_INSERT)
        world_set(o, "email", world_text("by event"));
    return PL_OK;
}

static pl_code note_after(void *ud, pl_flush_op op, pl_object *o, pl_error *err) {
    world *w = ud;
    pl_buf_fmt(&w->events, "after %d %s\n", (int)op, o->mapper->name);
    return op == PL_FLUSH_DELETE ? pl_fail(err, PL_ERUNTIME, "no") : PL_OK;
}

static void test_events(void **state) {
    blog *b = *state;
    b->user->has_events = true;
    b->w.hooks.before = note_before;
    b->w.hooks.after = note_after;
    pl_object *u = world_new(&b->w, b->user, "name", "Alice");
    pl_flush *f = begin(b);
    save(b, f, u);
    run(b, f);
    expect_log(b, "INSERT INTO user (name, email) VALUES (?, ?) -- Alice, by event\n");
    world_settle(u);
    f = begin(b);
    erase(b, f, u);
    assert_int_equal(pl_flush_run(f, &b->w.err), PL_ERUNTIME);
    pl_flush_free(f);
    assert_string_equal(pl_buf_cstr(&b->w.events),
                        "before 0 User\nafter 0 User\nbefore 2 User\nafter 2 User\n");
}

/* ---- memory -------------------------------------------------------------------- */

/* A flush of everything, in a savepoint of its own; false when memory ran out. */
static bool flush_all(blog *b) {
    world *w = &b->w;
    pl_object *u = world_new(w, b->user, "name", "Alice");
    pl_object *p = world_new(w, b->post, "title", "Hello");
    pl_object *g = world_new(w, b->group, "name", "admins");
    pl_object *n = world_new(w, b->node, "name", "root");
    pl_object *m = world_new(w, b->node, "name", "leaf");
    pl_flush *f = pl_flush_new(world_heap(w), w->conn, &pl_dialect_sqlite, &w->hooks);
    if (!f)
        return false;
    pl_object *all[] = {p, u, g, m, n};
    pl_code code = PL_OK;
    for (int i = 0; i < 5 && code == PL_OK; i++)
        code = pl_flush_save(f, all[i], &w->err);
    if (code == PL_OK)
        code = pl_flush_edge(f, b->author, u, p, PL_EDGE_SYNC, &w->err);
    if (code == PL_OK)
        code = pl_flush_edge(f, b->parent, n, m, PL_EDGE_SYNC, &w->err);
    if (code == PL_OK)
        code = pl_flush_link(f, b->groups, u, g, false, &w->err);
    if (code == PL_OK)
        code = pl_flush_run(f, &w->err);
    pl_flush_free(f);
    assert_true(code == PL_OK || code == PL_ENOMEM);
    pl_error_clear(&w->err);
    return code == PL_OK;
}

static void test_out_of_memory_anywhere(void **state) {
    blog *b = *state;
    world_sql(&b->w, "BEGIN");
    long k = 0;
    for (bool done = false; !done; k++) {
        b->w.left = -1;
        world_sql(&b->w, "SAVEPOINT s");
        b->w.left = k;
        done = flush_all(b);
        b->w.left = -1;
        assert_int_equal(pl_conn_open_statements(b->w.conn), 0);
        if (!done)
            world_sql(&b->w, "ROLLBACK TO s; RELEASE s");
        b->w.nobjects -= done ? 0 : 5;
        for (int i = 0; i < 5 && !done; i++)
            free(b->w.objects[b->w.nobjects + (size_t)i]);
    }
    assert_true(k > 10);
    assert_int_equal(world_ask(&b->w, "SELECT count(*) FROM user_group"), 1);
    assert_int_equal(world_ask(&b->w, "SELECT count(*) FROM post WHERE user_id = 1"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_insert_writes_set_columns_and_takes_keys),
        TEST(test_insert_without_columns_uses_defaults),
        TEST(test_many_rows_go_together_with_consecutive_keys),
        TEST(test_trigger_or_high_keys_go_one_by_one),
        TEST(test_null_is_found_before_sql),
        TEST(test_culprit_of_a_group_is_named),
        TEST(test_update_writes_changes_in_order_of_keys),
        TEST(test_update_of_a_missing_row_is_stale),
        TEST(test_changed_key_finds_the_old_row),
        TEST(test_unique_failure_of_update),
        TEST(test_delete_by_key_and_warning),
        TEST(test_delete_many_by_lists),
        TEST(test_delete_refused_names_who_refers),
        TEST(test_delete_wins_over_save),
        TEST(test_deleted_row_is_taken_over),
        TEST(test_events),
        TEST(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
