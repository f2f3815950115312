/* SPDX-License-Identifier: MIT */
/*
** blog.h - models for tests of flushes over a real database, and short names for what
*such
** a test does: begin, save, erase, tie, run, and look at the plan and at the statements.
*/
#ifndef SPEC_BLOG_H
#define SPEC_BLOG_H

#include "world.h"

/* User -< Post (nullable), User >-< Group, Node tree. */
typedef struct blog {
    world w;
    pl_mapper *user, *post, *group, *node;
    pl_relation *posts, *author, *groups, *users, *children, *parent;
} blog;

static inline void declare_blog(blog *b) {
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

static inline void relate_blog(blog *b) {
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

static inline int setup(void **state) {
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

static inline int teardown(void **state) {
    blog *b = *state;
    world_free(&b->w);
    free(b);
    return 0;
}

static inline pl_flush *begin(blog *b) {
    pl_flush *f =
        pl_flush_new(world_heap(&b->w), b->w.conn, &pl_dialect_sqlite, &b->w.hooks);
    assert_non_null(f);
    return f;
}

static inline void run(blog *b, pl_flush *f) {
    world_check(&b->w, pl_flush_run(f, &b->w.err));
    pl_flush_free(f);
}

static inline void save(blog *b, pl_flush *f, pl_object *o) {
    world_check(&b->w, pl_flush_save(f, o, &b->w.err));
}

static inline void erase(blog *b, pl_flush *f, pl_object *o) {
    world_check(&b->w, pl_flush_delete(f, o, &b->w.err));
}

static inline void tie(blog *b, pl_flush *f, pl_relation *r, pl_object *parent,
                       pl_object *child, pl_edge_kind kind) {
    world_check(&b->w, pl_flush_edge(f, r, parent, child, kind, &b->w.err));
}

/* Saved in a flush of its own. */
static inline pl_object *stored(blog *b, pl_mapper *m, const char *attribute,
                                const char *text) {
    pl_object *o = world_new(&b->w, m, attribute, text);
    pl_flush *f = begin(b);
    save(b, f, o);
    run(b, f);
    world_settle(o);
    pl_buf_clear(&b->w.log);
    return o;
}

static inline void expect_log(blog *b, const char *want) {
    assert_string_equal(pl_buf_cstr(&b->w.log), want);
    pl_buf_clear(&b->w.log);
}

static inline void expect_plan(blog *b, pl_flush *f, const char *want) {
    pl_buf out;
    pl_buf_init(&out, pl_alloc_libc());
    world_check(&b->w, pl_flush_plan(f, &b->w.err));
    pl_flush_print(f, &out);
    assert_string_equal(pl_buf_cstr(&out), want);
    pl_buf_free(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
