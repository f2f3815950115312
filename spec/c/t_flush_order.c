/* SPDX-License-Identifier: MIT */
/*
** t_flush_order.c - the unit of work over a real database: what refers to what, in order.
*/
#include "blog.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
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
        TEST(test_random_trees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
