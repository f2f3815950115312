/* SPDX-License-Identifier: MIT */
/*
** t_flush.c - the unit of work over a real database: order, SQL, keys, errors.
*/
#include "world.h"

/* User -< Post (nullable), User >-< Group, Node tree. */
typedef struct blog {
    world w;
    pl_mapper *user, *post, *group, *node;
    pl_relation *posts, *author, *groups, *users, *children, *parent;
} blog;

static void declare_blog(blog *b) {
    world *w = &b->w;
    pl_table *t = world_table(w, "user");
    world_id(w, t);
    world_column(w, t, "name", PL_K_STRING, W_NOT_NULL, NULL);
    world_column(w, t, "email", PL_K_STRING, 0, NULL);
    b->user = world_model(w, "User", t, NULL);
    t = world_table(w, "post");
    world_id(w, t);
    world_column(w, t, "title", PL_K_STRING, 0, NULL);
    world_column(w, t, "user_id", PL_K_INTEGER, 0, "user.id");
    b->post = world_model(w, "Post", t, NULL);
    t = world_table(w, "group");
    world_id(w, t);
    world_column(w, t, "name", PL_K_STRING, 0, NULL);
    b->group = world_model(w, "Group", t, NULL);
    t = world_table(w, "user_group");
    world_column(w, t, "user_id", PL_K_INTEGER, W_PK, "user.id");
    world_column(w, t, "group_id", PL_K_INTEGER, W_PK, "group.id");
    world_check(w, pl_table_finish(t, &w->err));
    t = world_table(w, "node");
    world_id(w, t);
    world_column(w, t, "name", PL_K_STRING, 0, NULL);
    world_column(w, t, "parent_id", PL_K_INTEGER, 0, "node.id");
    b->node = world_model(w, "Node", t, NULL);
}

static void relate_blog(blog *b) {
    world *w = &b->w;
    b->posts = world_relate(w, b->user, "posts", world_args("Post", "user"));
    b->author = world_relate(w, b->post, "user", world_args("User", "posts"));
    pl_relation_args args = world_args("Group", "users");
    args.secondary = "user_group";
    b->groups = world_relate(w, b->user, "groups", args);
    args = world_args("User", "groups");
    args.secondary = "user_group";
    b->users = world_relate(w, b->group, "users", args);
    pl_column *id = pl_table_column(b->node->tables[0].table, "id");
    args = world_args("Node", "children");
    args.remote_side = &id;
    args.nremote_side = 1;
    b->parent = world_relate(w, b->node, "parent", args);
    b->children = world_relate(w, b->node, "children", world_args("Node", "parent"));
}

static const char schema[] =
    "CREATE TABLE user (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR NOT NULL,"
    " email VARCHAR UNIQUE);"
    "CREATE TABLE post (id INTEGER NOT NULL PRIMARY KEY, title VARCHAR,"
    " user_id INTEGER REFERENCES user(id));"
    "CREATE TABLE \"group\" (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR);"
    "CREATE TABLE user_group (user_id INTEGER NOT NULL REFERENCES user(id),"
    " group_id INTEGER NOT NULL REFERENCES \"group\"(id),"
    " PRIMARY KEY (user_id, group_id));"
    "CREATE TABLE node (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR,"
    " parent_id INTEGER REFERENCES node(id));"
    "PRAGMA foreign_keys = ON;";

static int setup(void **state) {
    blog *b = malloc(sizeof *b);
    world_init(&b->w);
    declare_blog(b);
    relate_blog(b);
    world_configure(&b->w);
    world_sql(&b->w, schema);
    world_watch(&b->w);
    *state = b;
    return 0;
}

static int teardown(void **state) {
    blog *b = *state;
    world_free(&b->w);
    free(b);
    return 0;
}

static pl_flush *begin(blog *b) {
    pl_flush *f =
        pl_flush_new(world_heap(&b->w), b->w.conn, &pl_dialect_sqlite, &b->w.hooks);
    assert_non_null(f);
    return f;
}

static void run(blog *b, pl_flush *f) {
    world_check(&b->w, pl_flush_run(f, &b->w.err));
    pl_flush_free(f);
}

static void save(blog *b, pl_flush *f, pl_object *o) {
    world_check(&b->w, pl_flush_save(f, o, &b->w.err));
}

static void erase(blog *b, pl_flush *f, pl_object *o) {
    world_check(&b->w, pl_flush_delete(f, o, &b->w.err));
}

static void tie(blog *b, pl_flush *f, pl_relation *r, pl_object *parent, pl_object *child,
                pl_edge_kind kind) {
    world_check(&b->w, pl_flush_edge(f, r, parent, child, kind, &b->w.err));
}

/* Saved in a flush of its own. */
static pl_object *stored(blog *b, pl_mapper *m, const char *attribute, const char *text) {
    pl_object *o = world_new(&b->w, m, attribute, text);
    pl_flush *f = begin(b);
    save(b, f, o);
    run(b, f);
    world_settle(o);
    pl_buf_clear(&b->w.log);
    return o;
}

static void expect_log(blog *b, const char *want) {
    assert_string_equal(pl_buf_cstr(&b->w.log), want);
    pl_buf_clear(&b->w.log);
}

static void expect_plan(blog *b, pl_flush *f, const char *want) {
    pl_buf out;
    pl_buf_init(&out, pl_alloc_libc());
    world_check(&b->w, pl_flush_plan(f, &b->w.err));
    pl_flush_print(f, &out);
    assert_string_equal(pl_buf_cstr(&out), want);
    pl_buf_free(&out);
}

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
    expect_plan(b, f, "UPDATE user (3)\nINSERT user (1)\n");
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

/* ---- order between tables ------------------------------------------------------ */

static void test_parents_before_children_whatever_was_added_first(void **state) {
    blog *b = *state;
    pl_object *p = world_new(&b->w, b->post, "title", "Hello");
    pl_object *u = world_new(&b->w, b->user, "name", "Alice");
    pl_flush *f = begin(b);
    save(b, f, p);
    save(b, f, u);
    tie(b, f, b->author, u, p, PL_EDGE_SYNC);
    expect_plan(b, f, "INSERT user (1)\nINSERT post (1)\n");
    run(b, f);
    expect_log(b, "INSERT INTO user (name) VALUES (?) -- Alice\n"
                  "INSERT INTO post (title, user_id) VALUES (?, ?) -- Hello, 1\n");
    world_settle(p);
    world_settle(u);
    f = begin(b);
    erase(b, f, u);
    erase(b, f, p);
    expect_plan(b, f, "DELETE post (1)\nDELETE user (1)\n");
    run(b, f);
}

static void test_clear_before_the_parent_goes(void **state) {
    blog *b = *state;
    pl_object *u = stored(b, b->user, "name", "Alice");
    pl_object *p = world_new(&b->w, b->post, "title", "Hello");
    pl_flush *f = begin(b);
    save(b, f, p);
    tie(b, f, b->posts, u, p, PL_EDGE_SYNC);
    run(b, f);
    world_settle(p);
    pl_buf_clear(&b->w.log);
    f = begin(b);
    erase(b, f, u);
    save(b, f, p);
    tie(b, f, b->posts, u, p, PL_EDGE_CLEAR);
    run(b, f);
    expect_log(b, "UPDATE post SET user_id=? WHERE post.id = ? -- NULL, 1\n"
                  "DELETE FROM user WHERE user.id = ? -- 1\n");
}

static void test_child_outside_the_flush_learns_its_key(void **state) {
    blog *b = *state;
    pl_object *u = world_new(&b->w, b->user, "name", "Alice");
    pl_object *p = world_new(&b->w, b->post, "title", "later");
    pl_flush *f = begin(b);
    save(b, f, u);
    tie(b, f, b->posts, u, p, PL_EDGE_SYNC);
    run(b, f);
    assert_int_equal(world_int(p, "user_id"), 1);
    assert_int_equal(world_slot(p, "user_id")->flags, 0);
}

static void test_unsaved_parent_is_an_error(void **state) {
    blog *b = *state;
    pl_object *u = world_new(&b->w, b->user, "name", "Alice");
    pl_object *p = world_new(&b->w, b->post, "title", "x");
    pl_flush *f = begin(b);
    save(b, f, p);
    tie(b, f, b->author, u, p, PL_EDGE_SYNC);
    assert_int_equal(pl_flush_run(f, &b->w.err), PL_EFLUSH);
    assert_ptr_equal(b->w.err.object, p);
    pl_flush_free(f);
}

static void test_missing_parent_row_names_the_attribute(void **state) {
    blog *b = *state;
    pl_object *p = world_new(&b->w, b->post, "title", "x");
    world_set(p, "user_id", pl_slot_int(99));
    pl_flush *f = begin(b);
    save(b, f, p);
    assert_int_equal(pl_flush_run(f, &b->w.err), PL_EINTEGRITY);
    assert_string_equal(b->w.err.attribute, "Post.user_id");
    assert_non_null(strstr(b->w.err.hint, "no row in 'user'"));
    pl_flush_free(f);
}

/* ---- trees and cycles ---------------------------------------------------------- */

static void test_tree_is_written_by_generations(void **state) {
    blog *b = *state;
    pl_object *leaf = world_new(&b->w, b->node, "name", "leaf");
    pl_object *mid = world_new(&b->w, b->node, "name", "mid");
    pl_object *root = world_new(&b->w, b->node, "name", "root");
    pl_object *other = world_new(&b->w, b->node, "name", "other");
    pl_flush *f = begin(b);
    save(b, f, leaf);
    save(b, f, mid);
    save(b, f, root);
    save(b, f, other);
    tie(b, f, b->parent, mid, leaf, PL_EDGE_SYNC);
    tie(b, f, b->children, root, mid, PL_EDGE_SYNC);
    tie(b, f, b->children, mid, leaf, PL_EDGE_SYNC);
    expect_plan(b, f, "INSERT node (2)\nINSERT node (1)\nINSERT node (1)\n");
    run(b, f);
    expect_log(b, "INSERT INTO node (name) VALUES (?) -- root\n"
                  "INSERT INTO node (name) VALUES (?) -- other\n"
                  "INSERT INTO node (name, parent_id) VALUES (?, ?) -- mid, 1\n"
                  "INSERT INTO node (name, parent_id) VALUES (?, ?) -- leaf, 3\n");
    f = begin(b);
    pl_object *all[] = {root, mid, leaf, other};
    for (int i = 0; i < 4; i++) {
        world_settle(all[i]);
        erase(b, f, all[i]);
    }
    tie(b, f, b->parent, mid, leaf, PL_EDGE_ORDER);
    tie(b, f, b->children, root, mid, PL_EDGE_ORDER);
    run(b, f);
    expect_log(b, "DELETE FROM node WHERE node.id = ? -- 2\n"
                  "DELETE FROM node WHERE node.id = ? -- 4\n"
                  "DELETE FROM node WHERE node.id = ? -- 3\n"
                  "DELETE FROM node WHERE node.id = ? -- 1\n");
}

static void test_cycle_is_reported(void **state) {
    blog *b = *state;
    pl_object *x = world_new(&b->w, b->node, "name", "x");
    pl_object *y = world_new(&b->w, b->node, "name", "y");
    pl_flush *f = begin(b);
    save(b, f, x);
    save(b, f, y);
    tie(b, f, b->parent, x, y, PL_EDGE_SYNC);
    tie(b, f, b->parent, y, x, PL_EDGE_SYNC);
    assert_int_equal(pl_flush_plan(f, &b->w.err), PL_ECIRCULAR);
    assert_non_null(strstr(b->w.err.message, "<Node (pending)>"));
    assert_non_null(strstr(b->w.err.hint, "post_update"));
    pl_flush_free(f);
    expect_log(b, "");
}

static void test_object_that_refers_to_itself(void **state) {
    blog *b = *state;
    pl_object *x = world_new(&b->w, b->node, "name", "x");
    pl_flush *f = begin(b);
    save(b, f, x);
    tie(b, f, b->parent, x, x, PL_EDGE_SYNC);
    run(b, f);
    expect_log(b, "INSERT INTO node (name) VALUES (?) -- x\n"
                  "UPDATE node SET parent_id=? WHERE node.id = ? -- 1, 1\n");
}

static void test_post_update_breaks_a_cycle(void **state) {
    blog *b = *state;
    b->parent->args.post_update = true;
    pl_object *x = world_new(&b->w, b->node, "name", "x");
    pl_object *y = world_new(&b->w, b->node, "name", "y");
    pl_flush *f = begin(b);
    save(b, f, x);
    save(b, f, y);
    tie(b, f, b->parent, x, y, PL_EDGE_SYNC);
    tie(b, f, b->parent, y, x, PL_EDGE_SYNC);
    expect_plan(b, f, "INSERT node (2)\nPOST UPDATE node (2)\n");
    run(b, f);
    expect_log(b, "INSERT INTO node (name) VALUES (?) -- x\n"
                  "INSERT INTO node (name) VALUES (?) -- y\n"
                  "UPDATE node SET parent_id=? WHERE node.id = ? -- 1, 2\n"
                  "UPDATE node SET parent_id=? WHERE node.id = ? -- 2, 1\n");
    world_settle(x);
    world_settle(y);
    f = begin(b);
    save(b, f, y);
    erase(b, f, x);
    tie(b, f, b->parent, x, y, PL_EDGE_CLEAR);
    run(b, f);
    expect_log(b, "UPDATE node SET parent_id=? WHERE node.id = ? -- NULL, 2\n"
                  "DELETE FROM node WHERE node.id = ? -- 1\n");
}

/* ---- link rows ----------------------------------------------------------------- */

static void link_rows(blog *b, pl_flush *f, pl_relation *r, pl_object *x, pl_object *y,
                      bool remove) {
    world_check(&b->w, pl_flush_link(f, r, x, y, remove, &b->w.err));
}

static void test_links_once_from_either_side(void **state) {
    blog *b = *state;
    pl_object *u = world_new(&b->w, b->user, "name", "Alice");
    pl_object *g = world_new(&b->w, b->group, "name", "admins");
    pl_object *h = world_new(&b->w, b->group, "name", "staff");
    pl_flush *f = begin(b);
    save(b, f, g);
    save(b, f, h);
    save(b, f, u);
    link_rows(b, f, b->users, g, u, false);
    link_rows(b, f, b->groups, u, g, false);
    link_rows(b, f, b->groups, u, h, false);
    expect_plan(b, f, "INSERT user (1)\nINSERT group (2)\nLINK user_group (2)\n");
    run(b, f);
    expect_log(b, "INSERT INTO user (name) VALUES (?) -- Alice\n"
                  "INSERT INTO \"group\" (name) VALUES (?) -- admins\n"
                  "INSERT INTO \"group\" (name) VALUES (?) -- staff\n"
                  "INSERT INTO user_group (user_id, group_id) VALUES (?, ?) -- 1, 1\n"
                  "INSERT INTO user_group (user_id, group_id) VALUES (?, ?) -- 1, 2\n");
    world_settle(u);
    world_settle(g);
    world_settle(h);
    f = begin(b);
    link_rows(b, f, b->users, g, u, true);
    erase(b, f, g);
    expect_plan(b, f, "UNLINK user_group (1)\nDELETE group (1)\n");
    run(b, f);
    expect_log(b, "DELETE FROM user_group WHERE user_group.user_id = ? AND "
                  "user_group.group_id = ? -- 1, 1\n"
                  "DELETE FROM \"group\" WHERE \"group\".id = ? -- 1\n");
    f = begin(b);
    link_rows(b, f, b->groups, u, NULL, true);
    erase(b, f, u);
    run(b, f);
    expect_log(b, "DELETE FROM user_group WHERE user_group.user_id = ? -- 1\n"
                  "DELETE FROM user WHERE user.id = ? -- 1\n");
}

static void test_many_links(void **state) {
    blog *b = *state;
    enum { N = 700 };
    pl_object *u = stored(b, b->user, "name", "Alice");
    pl_object *g[N];
    pl_flush *f = begin(b);
    for (int i = 0; i < N; i++) {
        g[i] = world_new(&b->w, b->group, "name", "g");
        save(b, f, g[i]);
        link_rows(b, f, b->groups, u, g[i], false);
    }
    run(b, f);
    assert_int_equal(world_ask(&b->w, "SELECT count(*) FROM user_group"), N);
    f = begin(b);
    for (int i = 0; i < N; i++)
        world_settle(g[i]);
    pl_object *extra = stored(b, b->group, "name", "extra");
    for (int i = 0; i < 300; i++)
        link_rows(b, f, b->groups, u, i == 200 ? g[0] : extra, false);
    assert_int_equal(pl_flush_run(f, &b->w.err), PL_EINTEGRITY);
    assert_string_equal(b->w.err.attribute, "User.groups");
    pl_flush_free(f);
}

static void test_missing_link_row_is_stale(void **state) {
    blog *b = *state;
    pl_object *u = stored(b, b->user, "name", "Alice");
    pl_object *g = stored(b, b->group, "name", "g");
    pl_flush *f = begin(b);
    link_rows(b, f, b->groups, u, g, true);
    assert_int_equal(pl_flush_run(f, &b->w.err), PL_ESTALE);
    pl_flush_free(f);
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

/* ---- random graphs ------------------------------------------------------------- */

static uint32_t draw(uint32_t *seed, uint32_t n) {
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % n;
}

/* A node and its parent, as the test remembers them. */
typedef struct twig {
    pl_object *o;
    int parent; /* -1 none */
    bool gone;
} twig;

static void check_twigs(blog *b, const twig *t, int n) {
    int64_t left = 0;
    for (int i = 0; i < n; i++) {
        if (t[i].gone)
            continue;
        left++;
        char sql[128];
        (void)snprintf(sql, sizeof sql,
                       "SELECT ifnull(parent_id, 0) FROM node WHERE id = %lld",
                       (long long)world_int(t[i].o, "id"));
        int64_t want = t[i].parent < 0 ? 0 : world_int(t[t[i].parent].o, "id");
        assert_int_equal(world_ask(&b->w, sql), want);
    }
    assert_int_equal(world_ask(&b->w, "SELECT count(*) FROM node"), left);
}

/* New twigs, added in an order of its own, each below one that comes before it in t[]. */
static void grow_twigs(blog *b, twig *t, int from, int n, uint32_t *seed) {
    pl_flush *f = begin(b);
    int count = n - from;
    for (int i = from; i < n; i++) {
        t[i] = (twig){.o = world_new(&b->w, b->node, "name", "n"), .parent = -1};
        int p = i > 0 ? (int)draw(seed, (uint32_t)i) : -1;
        if (p >= 0 && !t[p].gone && draw(seed, 4) > 0)
            t[i].parent = p;
    }
    for (int k = 0, i = 0; k < count; k++, i = (i + 7) % count) {
        twig *at = &t[from + i];
        save(b, f, at->o);
        if (at->parent >= 0)
            tie(b, f, draw(seed, 2) ? b->parent : b->children, t[at->parent].o, at->o,
                PL_EDGE_SYNC);
    }
    run(b, f);
    for (int i = from; i < n; i++)
        world_settle(t[i].o);
}

/* Deletes some with all that is below them, moves some of the others, in one flush. */
static void prune_twigs(blog *b, twig *t, int n, uint32_t *seed) {
    pl_flush *f = begin(b);
    for (int i = 0; i < n; i++) {
        bool below = t[i].parent >= 0 && t[t[i].parent].gone;
        if (t[i].gone || (!below && draw(seed, 10) > 0))
            continue;
        t[i].gone = true;
        erase(b, f, t[i].o);
        if (t[i].parent >= 0)
            tie(b, f, b->parent, t[t[i].parent].o, t[i].o, PL_EDGE_ORDER);
    }
    for (int i = 1; i < n; i++) {
        int p = (int)draw(seed, (uint32_t)i);
        if (t[i].gone || draw(seed, 3) > 0)
            continue;
        save(b, f, t[i].o);
        if (!t[p].gone)
            tie(b, f, b->parent, t[p].o, t[i].o, PL_EDGE_SYNC);
        else
            tie(b, f, b->parent, NULL, t[i].o, PL_EDGE_CLEAR);
        t[i].parent = t[p].gone ? -1 : p;
    }
    run(b, f);
}

static void test_random_trees(void **state) {
    blog *b = *state;
    enum { ROUNDS = 40, N = 97, HALF = 53 }; /* 7 is prime to both steps */
    uint32_t seed = 7;
    pl_conn_set_hooks(b->w.conn, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        twig t[N];
        size_t before = b->w.nobjects;
        grow_twigs(b, t, 0, HALF, &seed);
        check_twigs(b, t, HALF);
        prune_twigs(b, t, HALF, &seed);
        check_twigs(b, t, HALF);
        grow_twigs(b, t, HALF, N, &seed);
        check_twigs(b, t, N);
        prune_twigs(b, t, N, &seed);
        check_twigs(b, t, N);
        world_sql(&b->w, "PRAGMA foreign_keys = OFF; DELETE FROM node;"
                         "PRAGMA foreign_keys = ON");
        while (b->w.nobjects > before)
            free(b->w.objects[--b->w.nobjects]);
    }
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        TEST(test_parents_before_children_whatever_was_added_first),
        TEST(test_clear_before_the_parent_goes),
        TEST(test_child_outside_the_flush_learns_its_key),
        TEST(test_unsaved_parent_is_an_error),
        TEST(test_missing_parent_row_names_the_attribute),
        TEST(test_tree_is_written_by_generations),
        TEST(test_cycle_is_reported),
        TEST(test_object_that_refers_to_itself),
        TEST(test_post_update_breaks_a_cycle),
        TEST(test_links_once_from_either_side),
        TEST(test_many_links),
        TEST(test_missing_link_row_is_stale),
        TEST(test_deleted_row_is_taken_over),
        TEST(test_random_trees),
        TEST(test_events),
        TEST(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
