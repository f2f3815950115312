/* SPDX-License-Identifier: MIT */
/*
** t_mapper.c - mappers, and what configuration makes of relationships.
*/
#include "world.h"

static int setup(void **state) {
    world *w = malloc(sizeof *w);
    world_init(w);
    *state = w;
    return 0;
}

static int teardown(void **state) {
    world_free(*state);
    free(*state);
    return 0;
}

static pl_table *user_table(world *w) {
    pl_table *t = world_table(w, "user");
    world_id(w, t);
    world_column(w, t, "name", PL_K_STRING, W_NOT_NULL, NULL);
    return t;
}

static pl_table *post_table(world *w, int flags) {
    pl_table *t = world_table(w, "post");
    world_id(w, t);
    world_column(w, t, "user_id", PL_K_INTEGER, flags, "user.id");
    return t;
}

static pl_column *column(const pl_mapper *m, const char *name) {
    pl_column *c = pl_table_column(m->tables[m->ntables - 1].table, name);
    assert_non_null(c);
    return c;
}

static void expect_failure(world *w, pl_code code, const char *part) {
    assert_int_equal(pl_registry_configure(&w->reg, &w->err), code);
    if (!strstr(w->err.message, part))
        fail_msg("'%s' lacks '%s'", w->err.message, part);
}

static void show(pl_buf *out, const pl_node *n);

static void show_kids(pl_buf *out, const pl_node *n, uint32_t first,
                      const char *separator) {
    for (uint32_t i = first; i < n->nkids; i++) {
        if (i > first)
            pl_buf_str(out, separator);
        show(out, n->kids[i]);
    }
}

/* Conditions as SQL would have them, each column with its source. */
static void show(pl_buf *out, const pl_node *n) {
    const pl_column *c = n->ref;
    switch (n->kind) {
    case PL_N_COLUMN:
        pl_buf_str(out, n->nkids ? n->kids[0]->text : c->table->name);
        pl_buf_fmt(out, ".%s", c->name);
        break;
    case PL_N_BINARY: show_kids(out, n, 0, " = "); break;
    case PL_N_AND: show_kids(out, n, 0, " AND "); break;
    case PL_N_LITERAL: pl_write_literal(&pl_dialect_sqlite, out, &n->value); break;
    case PL_N_IN:
        show(out, n->kids[0]);
        pl_buf_str(out, " IN (");
        show_kids(out, n, 1, ", ");
        pl_buf_chr(out, ')');
        break;
    default: fail_msg("node of kind %d", n->kind);
    }
}

static void expect_node(pl_node *n, const char *want) {
    pl_buf out;
    pl_buf_init(&out, pl_alloc_libc());
    assert_non_null(n);
    show(&out, n);
    assert_string_equal(pl_buf_cstr(&out), want);
    pl_buf_free(&out);
}

/* ---- mappers ------------------------------------------------------------------- */

static void test_attributes_and_slots(void **state) {
    world *w = *state;
    pl_mapper *m = world_model(w, "User", user_table(w), NULL), *again;
    assert_int_equal(m->nslots, 2);
    assert_int_equal(m->npk, 1);
    assert_int_equal(m->pk[0], 0);
    assert_int_equal(pl_mapper_slot(m, "name"), 1);
    assert_int_equal(pl_mapper_slot(m, "nmae"), PL_NO_SLOT);
    assert_int_equal(pl_mapper_column_slot(m, column(m, "name")), 1);
    assert_string_equal(m->attrs[1].label, "User.name");
    assert_ptr_equal(pl_registry_find(&w->reg, "User"), m);
    assert_int_equal(
        pl_mapper_new(&w->reg, "User", m->tables[0].table, NULL, &again, &w->err),
        PL_EINVALID);
}

static void test_many_attributes_and_names_taken(void **state) {
    world *w = *state;
    pl_table *t = user_table(w);
    char name[16];
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof name, "c%d", i);
        world_column(w, t, name, PL_K_INTEGER, 0, NULL);
    }
    pl_mapper *m = world_model(w, "User", t, NULL);
    assert_int_equal(pl_mapper_slot(m, "c99"), 101);
    pl_column *other = pl_column_new(&w->md, "other", pl_type_plain(PL_K_INTEGER));
    world_check(w, pl_table_add_column(t, other, &w->err));
    assert_int_equal(pl_mapper_add_column(m, "c5", other, &w->err), PL_EARGUMENT);
}

static void test_model_without_key(void **state) {
    world *w = *state;
    pl_table *t = world_table(w, "a");
    world_column(w, t, "x", PL_K_INTEGER, 0, NULL);
    world_check(w, pl_table_finish(t, &w->err));
    pl_mapper *m;
    world_check(w, pl_mapper_new(&w->reg, "A", t, NULL, &m, &w->err));
    assert_int_equal(pl_mapper_finish(m, &w->err), PL_EARGUMENT);
    assert_non_null(strstr(w->err.message, "primary key columns for mapped table 'a'"));
}

static void test_traits_of_columns(void **state) {
    world *w = *state;
    pl_table *t = user_table(w);
    pl_column *c = world_column(w, t, "made", PL_K_INTEGER, W_NOT_NULL, NULL);
    c->server_default = "1";
    c = world_column(w, t, "twice", PL_K_INTEGER, 0, NULL);
    c->computed = "made * 2";
    c = world_column(w, t, "kind", PL_K_INTEGER, W_NOT_NULL, NULL);
    c->dflt = (pl_default){.kind = PL_D_VALUE, .value = pl_slot_int(3)};
    pl_mapper *m = world_model(w, "User", t, NULL);
    const uint8_t *traits = m->tables[0].traits;
    assert_int_equal(traits[0], PL_COL_KEY | PL_COL_AUTO);
    assert_int_equal(traits[1], PL_COL_REQUIRED);
    assert_int_equal(traits[2], PL_COL_SERVER);
    assert_int_equal(traits[3], PL_COL_SERVER | PL_COL_RESERVER | PL_COL_COMPUTED);
    assert_int_equal(traits[4], PL_COL_DEFAULT);
    assert_true(m->has_server && !m->has_defaults);
    assert_true(m->attrs[3].readonly);
}

/* ---- direction ----------------------------------------------------------------- */

static void test_direction_follows_from_foreign_keys(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    pl_mapper *post = world_model(w, "Post", post_table(w, 0), NULL);
    pl_relation *posts = world_relate(w, user, "posts", world_args("Post", "user"));
    pl_relation *back = world_relate(w, post, "user", world_args("User", "posts"));
    world_configure(w);
    assert_int_equal(posts->direction, PL_ONE_TO_MANY);
    assert_true(posts->uselist && posts->simple && !posts->to_key);
    assert_int_equal(back->direction, PL_MANY_TO_ONE);
    assert_true(!back->uselist && back->to_key);
    assert_ptr_equal(posts->back, back);
    assert_ptr_equal(back->back, posts);
    assert_int_equal(posts->cascade, PL_CASCADE_SAVE | PL_CASCADE_MERGE);
    assert_int_equal(posts->passive_deletes, PL_PASSIVE_NO);
    assert_int_equal(posts->pairs[0].local_slot, 0);
    assert_int_equal(posts->pairs[0].remote_slot, 1);
    assert_int_equal(back->pairs[0].local_slot, 1);
    expect_node(posts->primaryjoin, "user.id = post.user_id");
    expect_node(back->primaryjoin, "user.id = post.user_id");
    assert_false(w->reg.dirty);
}

static void test_exact_mirrors_are_paired(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    pl_mapper *post = world_model(w, "Post", post_table(w, 0), NULL);
    pl_relation *posts = world_relate(w, user, "posts", world_args("Post", NULL));
    pl_relation *back = world_relate(w, post, "user", world_args("User", NULL));
    world_configure(w);
    assert_ptr_equal(posts->back, back);
    assert_ptr_equal(back->back, posts);
}

static void test_two_candidates_are_not_paired(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    pl_mapper *post = world_model(w, "Post", post_table(w, 0), NULL);
    pl_relation *posts = world_relate(w, user, "posts", world_args("Post", NULL));
    pl_relation *twice = world_relate(w, user, "entries", world_args("Post", NULL));
    pl_relation *back = world_relate(w, post, "user", world_args("User", NULL));
    world_configure(w);
    assert_null(posts->back);
    assert_null(twice->back);
    assert_null(back->back);
}

static void test_children_are_left_to_the_database(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    world_model(w, "Post", post_table(w, W_NOT_NULL), NULL);
    pl_relation *posts = world_relate(w, user, "posts", world_args("Post", NULL));
    pl_relation_args args = world_args("Post", NULL);
    args.cascade = "all, delete-orphan";
    pl_relation *owned = world_relate(w, user, "owned", args);
    args = world_args("Post", NULL);
    args.passive_deletes_given = true;
    args.passive_deletes = PL_PASSIVE_NO;
    pl_relation *told = world_relate(w, user, "told", args);
    world_configure(w);
    assert_int_equal(posts->passive_deletes, PL_PASSIVE_ALL);
    assert_int_equal(owned->passive_deletes, PL_PASSIVE_NO);
    assert_int_equal(owned->cascade, PL_CASCADE_ALL | PL_CASCADE_ORPHAN);
    assert_int_equal(told->passive_deletes, PL_PASSIVE_NO);
}

static void test_ondelete_leaves_children_too(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    pl_table *t = post_table(w, 0);
    t->constraints->ondelete = "SET NULL";
    world_model(w, "Post", t, NULL);
    pl_relation *posts = world_relate(w, user, "posts", world_args("Post", NULL));
    world_configure(w);
    assert_int_equal(posts->passive_deletes, PL_PASSIVE_ALL);
}

/* ---- what can be wrong --------------------------------------------------------- */

static void test_no_foreign_keys(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    pl_table *t = world_table(w, "tag");
    world_id(w, t);
    world_model(w, "Tag", t, NULL);
    world_relate(w, user, "tags", world_args("Tag", NULL));
    expect_failure(w, PL_ENOFOREIGNKEYS,
                   "Could not determine join condition between parent/child tables on "
                   "relationship User.tags - there are no foreign keys");
    assert_string_equal(w->err.attribute, "User.tags");
    pl_error_clear(&w->err);
    expect_failure(w, PL_ENOFOREIGNKEYS, "User.tags");
}

static pl_table *two_authors(world *w) {
    pl_table *t = world_table(w, "post");
    world_id(w, t);
    world_column(w, t, "author_id", PL_K_INTEGER, 0, "user.id");
    world_column(w, t, "editor_id", PL_K_INTEGER, 0, "user.id");
    return t;
}

static void test_several_foreign_keys(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    world_model(w, "Post", two_authors(w), NULL);
    world_relate(w, user, "posts", world_args("Post", NULL));
    expect_failure(w, PL_EAMBIGUOUS, "'foreign_keys'");
    assert_non_null(strstr(w->err.hint, "post.author_id or post.editor_id"));
}

static void test_foreign_keys_argument_and_its_backref(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    pl_mapper *post = world_model(w, "Post", two_authors(w), NULL);
    pl_column *editor = column(post, "editor_id");
    pl_relation_args args = world_args("User", "edited");
    args.foreign_keys = &editor;
    args.nforeign_keys = 1;
    pl_relation *to = world_relate(w, post, "editor", args);
    pl_relation *edited = world_relate(w, user, "edited", world_args("Post", "editor"));
    edited->by_backref = true;
    world_configure(w);
    assert_ptr_equal(to->pairs[0].local, editor);
    assert_int_equal(edited->direction, PL_ONE_TO_MANY);
    assert_ptr_equal(edited->pairs[0].remote, editor);
    assert_ptr_equal(edited->back, to);
}

static void test_unknown_model(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    world_model(w, "Post", post_table(w, 0), NULL);
    world_relate(w, user, "posts", world_args("Pots", NULL));
    expect_failure(w, PL_EINVALID, "Models known: User, Post");
    assert_string_equal(w->err.hint, "did you mean 'Post'?");
}

static void test_back_populates_must_exist_and_oppose(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    pl_mapper *post = world_model(w, "Post", post_table(w, 0), NULL);
    world_relate(w, user, "posts", world_args("Post", "usr"));
    world_relate(w, post, "user", world_args("User", NULL));
    expect_failure(w, PL_EINVALID, "has no relationship 'usr'");
    assert_string_equal(w->err.hint, "did you mean 'user'?");
    pl_table *t = world_table(w, "node");
    world_id(w, t);
    world_column(w, t, "parent_id", PL_K_INTEGER, 0, "node.id");
    pl_error_clear(&w->err);
    pl_registry_remove(&w->reg, user);
    pl_registry_remove(&w->reg, post);
    pl_mapper *node = world_model(w, "Node", t, NULL);
    world_relate(w, node, "parent", world_args("Node", "children"));
    world_relate(w, node, "children", world_args("Node", "parent"));
    expect_failure(w, PL_EARGUMENT, "both of the same direction");
    assert_non_null(strstr(w->err.hint, "remote_side"));
}

static void test_cascade_words(void **state) {
    world *w = *state;
    unsigned bits;
    world_check(w, pl_cascade_parse("save-update, delete", &bits, &w->err));
    assert_int_equal(bits, PL_CASCADE_SAVE | PL_CASCADE_DELETE);
    world_check(w, pl_cascade_parse("  all ,delete-orphan,", &bits, &w->err));
    assert_int_equal(bits, PL_CASCADE_ALL | PL_CASCADE_ORPHAN);
    world_check(w, pl_cascade_parse("", &bits, &w->err));
    assert_int_equal(bits, 0);
    assert_int_equal(pl_cascade_parse("all, sav", &bits, &w->err), PL_EARGUMENT);
    assert_string_equal(w->err.message, "Invalid cascade option(s): 'sav'");
}

static void test_orphans_on_the_many_side(void **state) {
    world *w = *state;
    world_model(w, "User", user_table(w), NULL);
    pl_mapper *post = world_model(w, "Post", post_table(w, 0), NULL);
    pl_relation_args args = world_args("User", NULL);
    args.cascade = "all, delete-orphan";
    pl_relation *r = world_relate(w, post, "user", args);
    expect_failure(w, PL_EARGUMENT, "delete-orphan cascade");
    assert_non_null(strstr(w->err.hint, "single_parent"));
    pl_error_clear(&w->err);
    r->args.single_parent = true;
    world_configure(w);
}

/* ---- self-reference, secondary tables, explicit joins
 * --------------------------------------- */

static void test_self_reference(void **state) {
    world *w = *state;
    pl_table *t = world_table(w, "node");
    world_id(w, t);
    world_column(w, t, "parent_id", PL_K_INTEGER, 0, "node.id");
    pl_mapper *node = world_model(w, "Node", t, NULL);
    pl_relation_args args = world_args("Node", "children");
    args.remote_side = &t->columns[0];
    args.nremote_side = 1;
    pl_relation *parent = world_relate(w, node, "parent", args);
    pl_relation *children =
        world_relate(w, node, "children", world_args("Node", "parent"));
    children->by_backref = true;
    world_configure(w);
    assert_int_equal(parent->direction, PL_MANY_TO_ONE);
    assert_true(parent->to_key);
    assert_int_equal(children->direction, PL_ONE_TO_MANY);
    pl_arena a;
    pl_arena_init(&a, pl_alloc_libc());
    pl_node *alias = pl_node_new(&a, PL_N_ALIAS, 1);
    alias->kids[0] = pl_node_table(&a, t);
    alias->text = "n";
    alias->len = 1;
    expect_node(pl_relation_on(&a, children, NULL, alias, NULL, NULL),
                "node.id = n.parent_id");
    expect_node(pl_relation_on(&a, parent, NULL, alias, NULL, NULL),
                "n.id = node.parent_id");
    pl_arena_free(&a);
}

static pl_table *member_table(world *w, const char *left, const char *right) {
    pl_table *t = world_table(w, "member");
    world_column(w, t, "a_id", PL_K_INTEGER, W_PK, left);
    world_column(w, t, "b_id", PL_K_INTEGER, W_PK, right);
    world_check(w, pl_table_finish(t, &w->err));
    return t;
}

static void test_many_to_many(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    pl_table *t = world_table(w, "grp");
    world_id(w, t);
    pl_mapper *group = world_model(w, "Group", t, NULL);
    pl_table *member = member_table(w, "user.id", "grp.id");
    pl_relation_args args = world_args("Group", NULL);
    args.secondary = "member";
    pl_relation *groups = world_relate(w, user, "groups", args);
    args = world_args("User", NULL);
    args.secondary_table = member;
    pl_relation *users = world_relate(w, group, "users", args);
    world_configure(w);
    assert_int_equal(groups->direction, PL_MANY_TO_MANY);
    assert_true(groups->uselist && groups->simple);
    assert_ptr_equal(groups->secondary, member);
    assert_ptr_equal(groups->pairs[0].remote, member->columns[0]);
    assert_ptr_equal(groups->far_pairs[0].remote, member->columns[1]);
    assert_int_equal(groups->pairs[0].remote_slot, PL_NO_SLOT);
    assert_ptr_equal(groups->back, users);
    pl_node *far;
    expect_node(pl_relation_on(&w->md.arena, groups, NULL, NULL, NULL, &far),
                "user.id = member.a_id");
    expect_node(far, "grp.id = member.b_id");
}

static void test_secondary_that_leads_nowhere(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    world_model(w, "Post", post_table(w, 0), NULL);
    pl_relation_args args = world_args("Post", NULL);
    args.secondary = "membr";
    pl_relation *r = world_relate(w, user, "posts", args);
    member_table(w, "user.id", "user.id");
    expect_failure(w, PL_EINVALID, "secondary table 'membr'");
    assert_string_equal(w->err.hint, "did you mean 'member'?");
    pl_error_clear(&w->err);
    r->args.secondary = "member";
    expect_failure(w, PL_EAMBIGUOUS, "via secondary table 'member'");
}

static pl_node *equal(world *w, pl_column *a, pl_column *b) {
    return pl_node_binary(&w->md.arena, PL_OP_EQ, pl_node_column(&w->md.arena, a, NULL),
                          pl_node_column(&w->md.arena, b, NULL));
}

static void test_self_referring_secondary_by_joins(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    pl_table *t = member_table(w, "user.id", "user.id");
    pl_relation_args args = world_args("User", "liked_by");
    args.secondary = "member";
    args.primaryjoin = equal(w, column(user, "id"), t->columns[0]);
    args.secondaryjoin = equal(w, t->columns[1], column(user, "id"));
    pl_relation *likes = world_relate(w, user, "likes", args);
    args = world_args("User", "likes");
    args.secondary = "member";
    pl_relation *liked = world_relate(w, user, "liked_by", args);
    liked->by_backref = true;
    world_configure(w);
    assert_ptr_equal(likes->pairs[0].remote, t->columns[0]);
    assert_ptr_equal(likes->far_pairs[0].remote, t->columns[1]);
    assert_ptr_equal(liked->pairs[0].remote, t->columns[1]);
    assert_ptr_equal(liked->far_pairs[0].remote, t->columns[0]);
    assert_ptr_equal(liked->primaryjoin, likes->secondaryjoin);
    assert_ptr_equal(likes->back, liked);
}

static void test_explicit_join_with_more(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    pl_table *t = post_table(w, 0);
    world_column(w, t, "state", PL_K_INTEGER, 0, NULL);
    world_model(w, "Post", t, NULL);
    pl_node *state_is = pl_node_binary(
        &w->md.arena, PL_OP_EQ, pl_node_column(&w->md.arena, t->columns[2], NULL),
        pl_node_literal(&w->md.arena, t->columns[2]->type, pl_slot_int(1)));
    pl_relation_args args = world_args("Post", NULL);
    args.viewonly = true;
    args.primaryjoin =
        pl_node_and(&w->md.arena, equal(w, t->columns[1], column(user, "id")), state_is);
    pl_relation *r = world_relate(w, user, "public", args);
    world_configure(w);
    assert_false(r->simple);
    assert_int_equal(r->npairs, 1);
    assert_int_equal(r->direction, PL_ONE_TO_MANY);
    assert_int_equal(r->cascade, PL_CASCADE_MERGE);
    pl_node *alias = pl_node_new(&w->md.arena, PL_N_ALIAS, 1);
    alias->kids[0] = pl_node_table(&w->md.arena, t);
    alias->text = "p";
    alias->len = 1;
    expect_node(pl_relation_on(&w->md.arena, r, NULL, alias, NULL, NULL),
                "p.user_id = user.id AND p.state = 1");
}

static void test_join_without_a_foreign_key(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    pl_table *t = world_table(w, "visit");
    world_id(w, t);
    pl_column *name = world_column(w, t, "user_name", PL_K_STRING, 0, NULL);
    world_model(w, "Visit", t, NULL);
    pl_relation_args args = world_args("Visit", NULL);
    args.primaryjoin = equal(w, name, column(user, "name"));
    pl_relation *r = world_relate(w, user, "visits", args);
    expect_failure(w, PL_EARGUMENT, "Could not locate any relevant foreign key columns");
    pl_error_clear(&w->err);
    r->args.foreign_keys = &name;
    r->args.nforeign_keys = 1;
    world_configure(w);
    assert_int_equal(r->direction, PL_ONE_TO_MANY);
    assert_true(r->simple);
}

static void test_composite_self_reference(void **state) {
    world *w = *state;
    pl_table *t = world_table(w, "folder");
    world_column(w, t, "account", PL_K_INTEGER, W_PK, NULL);
    world_column(w, t, "id", PL_K_INTEGER, W_PK, NULL);
    world_column(w, t, "parent_id", PL_K_INTEGER, 0, NULL);
    pl_column *own[] = {t->columns[0], t->columns[2]};
    pl_constraint *fk = pl_table_add_constraint(t, PL_C_FOREIGN, own, 2);
    static const char *names[] = {"account", "id"};
    fk->ref_table = "folder";
    fk->ref_columns = names;
    pl_mapper *m = world_model(w, "Folder", t, NULL);
    pl_relation_args args = world_args("Folder", "children");
    args.remote_side = t->columns;
    args.nremote_side = 2;
    pl_relation *parent = world_relate(w, m, "parent", args);
    pl_relation *children =
        world_relate(w, m, "children", world_args("Folder", "parent"));
    world_configure(w);
    assert_int_equal(parent->direction, PL_MANY_TO_ONE);
    assert_true(parent->to_key);
    assert_int_equal(children->direction, PL_ONE_TO_MANY);
    pl_node *alias = pl_node_new(&w->md.arena, PL_N_ALIAS, 1);
    alias->kids[0] = pl_node_table(&w->md.arena, t);
    alias->text = "f";
    alias->len = 1;
    expect_node(pl_relation_on(&w->md.arena, parent, NULL, alias, NULL, NULL),
                "f.account = folder.account AND f.id = folder.parent_id");
}

/* ---- inheritance --------------------------------------------------------------- */

static void test_single_table(void **state) {
    world *w = *state;
    pl_table *t = world_table(w, "animal");
    world_id(w, t);
    world_column(w, t, "kind", PL_K_STRING, 0, NULL);
    pl_mapper *animal = world_model(w, "Animal", t, NULL);
    animal->polymorphic_on = 1;
    animal->polymorphic_identity = world_text("animal");
    pl_mapper *dog = world_model(w, "Dog", NULL, animal);
    dog->polymorphic_identity = world_text("dog");
    pl_mapper *puppy = world_model(w, "Puppy", NULL, dog);
    puppy->polymorphic_identity = world_text("puppy");
    world_configure(w);
    assert_ptr_equal(puppy->root, animal);
    assert_true(pl_mapper_is(puppy, animal) && !pl_mapper_is(animal, dog));
    assert_int_equal(puppy->ntables, 1);
    assert_int_equal(puppy->polymorphic_on, 1);
    assert_string_equal(dog->attrs[1].label, "Dog.kind");
    pl_slot kind = world_text("puppy"), cat = world_text("cat");
    assert_ptr_equal(pl_mapper_polymorphic(animal, &kind), puppy);
    assert_null(pl_mapper_polymorphic(animal, &cat));
    assert_null(pl_mapper_criterion(&w->md.arena, animal, NULL));
    expect_node(pl_mapper_criterion(&w->md.arena, dog, NULL),
                "animal.kind IN ('dog', 'puppy')");
    pl_column *late = pl_column_new(&w->md, "late", pl_type_plain(PL_K_INTEGER));
    world_check(w, pl_table_add_column(t, late, &w->err));
    assert_int_equal(pl_mapper_add_column(animal, "late", late, &w->err), PL_EINVALID);
}

static void declare_staff(world *w, pl_mapper **person, pl_mapper **boss) {
    pl_table *t = world_table(w, "person");
    world_id(w, t);
    world_column(w, t, "name", PL_K_STRING, 0, NULL);
    world_column(w, t, "boss_id", PL_K_INTEGER, 0, "boss.person_id");
    *person = world_model(w, "Person", t, NULL);
    t = world_table(w, "boss");
    world_column(w, t, "person_id", PL_K_INTEGER, W_PK, "person.id");
    world_column(w, t, "level", PL_K_INTEGER, 0, NULL);
    *boss = world_model(w, "Boss", t, *person);
}

static void test_joined_tables(void **state) {
    world *w = *state;
    pl_mapper *person, *boss;
    declare_staff(w, &person, &boss);
    pl_relation *to = world_relate(w, person, "boss", world_args("Boss", "staff"));
    pl_relation *staff = world_relate(w, boss, "staff", world_args("Person", "boss"));
    world_configure(w);
    assert_int_equal(boss->ntables, 2);
    assert_int_equal(boss->nslots, 5);
    assert_int_equal(boss->pk[0], 0);
    assert_int_equal(boss->tables[1].pk[0], 3);
    assert_int_equal(boss->tables[1].from[0], 0);
    assert_int_equal(to->direction, PL_MANY_TO_ONE);
    assert_int_equal(staff->direction, PL_ONE_TO_MANY);
    assert_int_equal(boss->nrelations, 2);
    assert_ptr_equal(pl_mapper_relation(boss, "boss"), to);
    pl_node *from = pl_mapper_from(&w->md.arena, boss);
    assert_int_equal(from->kind, PL_N_JOIN);
    expect_node(from->kids[2], "person.id = boss.person_id");
    pl_node *entity = pl_mapper_entity(&w->md.arena, boss, NULL, false);
    assert_int_equal(entity->nkids, 5);
    expect_node(entity->kids[4], "boss.level");
}

static void test_joined_table_without_a_foreign_key(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    pl_table *t = world_table(w, "admin");
    world_id(w, t);
    world_model(w, "Admin", t, user);
    expect_failure(w, PL_ENOFOREIGNKEYS, "between 'user' and 'admin'");
}

static void test_relation_of_the_parent_declared_later(void **state) {
    world *w = *state;
    pl_mapper *person, *boss;
    declare_staff(w, &person, &boss);
    for (int i = 0; i < 20; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "r%d", i);
        world_relate(w, i % 2 ? person : boss, name, world_args("Boss", NULL));
    }
    assert_int_equal(person->nrelations, 10);
    assert_int_equal(boss->nrelations, 20);
    assert_non_null(pl_mapper_relation(boss, "r19"));
    assert_null(pl_mapper_relation(person, "r18"));
}

/* ---- redefinition -------------------------------------------------------------- */

static void test_model_defined_again(void **state) {
    world *w = *state;
    pl_mapper *user = world_model(w, "User", user_table(w), NULL);
    pl_mapper *post = world_model(w, "Post", post_table(w, 0), NULL);
    pl_relation *to = world_relate(w, post, "user", world_args("User", "posts"));
    pl_relation *posts = world_relate(w, user, "posts", world_args("Post", "user"));
    posts->by_backref = true;
    world_configure(w);
    pl_table *t = post->tables[0].table;
    pl_registry_remove(&w->reg, post);
    assert_null(pl_mapper_relation(user, "posts"));
    world_configure(w);
    post = world_model(w, "Post", t, NULL);
    to = world_relate(w, post, "user", world_args("User", "posts"));
    posts = world_relate(w, user, "posts", world_args("Post", "user"));
    posts->by_backref = true;
    world_configure(w);
    assert_int_equal(user->nrelations, 1);
    assert_ptr_equal(posts->target, post);
    assert_ptr_equal(posts->back, to);
}

static void test_foreign_key_to_a_later_table(void **state) {
    world *w = *state;
    pl_mapper *post = world_model(w, "Post", post_table(w, 0), NULL);
    world_configure(w);
    assert_true(post->configured);
    world_model(w, "User", user_table(w), NULL);
    pl_relation *r = world_relate(w, post, "user", world_args("User", NULL));
    world_configure(w);
    assert_int_equal(r->direction, PL_MANY_TO_ONE);
}

/* ---- memory -------------------------------------------------------------------- */

static pl_code declare_all(world *w) {
    pl_table *user = pl_metadata_table(&w->md, "user");
    pl_table *post = pl_metadata_table(&w->md, "post");
    pl_mapper *u, *p;
    pl_relation *r;
    pl_relation_args posts = world_args("Post", "user"), to = world_args("User", "posts");
    pl_code code = pl_mapper_new(&w->reg, "User", user, NULL, &u, &w->err);
    for (size_t i = 0; i < user->ncolumns && code == PL_OK; i++)
        code = pl_mapper_add_column(u, user->columns[i]->name, user->columns[i], &w->err);
    if (code == PL_OK)
        code = pl_mapper_finish(u, &w->err);
    if (code == PL_OK)
        code = pl_mapper_new(&w->reg, "Post", post, NULL, &p, &w->err);
    for (size_t i = 0; i < post->ncolumns && code == PL_OK; i++)
        code = pl_mapper_add_column(p, post->columns[i]->name, post->columns[i], &w->err);
    if (code == PL_OK)
        code = pl_mapper_finish(p, &w->err);
    if (code == PL_OK)
        code = pl_mapper_add_relation(u, "posts", &posts, &r, &w->err);
    if (code == PL_OK)
        code = pl_mapper_add_relation(p, "user", &to, &r, &w->err);
    return code == PL_OK ? pl_registry_configure(&w->reg, &w->err) : code;
}

static void test_out_of_memory_anywhere(void **state) {
    (void)state;
    long k = 0;
    for (bool done = false; !done; k++) {
        world w;
        world_init(&w);
        world_check(&w, pl_table_finish(user_table(&w), &w.err));
        world_check(&w, pl_table_finish(post_table(&w, 0), &w.err));
        /* Fills the chunk, so that every small block counts. */
        while (w.md.arena.end - w.md.arena.next >= 16)
            (void)pl_arena_get(&w.md.arena, 16);
        w.left = k;
        pl_code code = declare_all(&w);
        w.left = -1;
        assert_true(code == PL_OK || code == PL_ENOMEM);
        done = code == PL_OK;
        world_free(&w);
    }
    assert_true(k > 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_attributes_and_slots),
        TEST(test_many_attributes_and_names_taken),
        TEST(test_model_without_key),
        TEST(test_traits_of_columns),
        TEST(test_direction_follows_from_foreign_keys),
        TEST(test_exact_mirrors_are_paired),
        TEST(test_two_candidates_are_not_paired),
        TEST(test_children_are_left_to_the_database),
        TEST(test_ondelete_leaves_children_too),
        TEST(test_no_foreign_keys),
        TEST(test_several_foreign_keys),
        TEST(test_foreign_keys_argument_and_its_backref),
        TEST(test_unknown_model),
        TEST(test_back_populates_must_exist_and_oppose),
        TEST(test_cascade_words),
        TEST(test_orphans_on_the_many_side),
        TEST(test_self_reference),
        TEST(test_many_to_many),
        TEST(test_secondary_that_leads_nowhere),
        TEST(test_self_referring_secondary_by_joins),
        TEST(test_explicit_join_with_more),
        TEST(test_join_without_a_foreign_key),
        TEST(test_composite_self_reference),
        TEST(test_single_table),
        TEST(test_joined_tables),
        TEST(test_joined_table_without_a_foreign_key),
        TEST(test_relation_of_the_parent_declared_later),
        TEST(test_model_defined_again),
        TEST(test_foreign_key_to_a_later_table),
        cmocka_unit_test(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
