/* SPDX-License-Identifier: MIT */
/*
** t_schema.c - types and their checks, tables, generated names, foreign keys, order.
*/
#include "nodes.h"

/* ---- types ---- */

static pl_code check_value(const pl_type *t, pl_slot *v) {
    pl_error_clear(&F->err);
    return pl_type_check(t, v, "User.name", &F->err);
}

static void accept(const pl_type *t, pl_slot v) {
    if (check_value(t, &v) != PL_OK)
        fail_msg("%s", F->err.message);
}

static void refuse(const pl_type *t, pl_slot v, pl_code code, const char *message) {
    assert_int_equal(check_value(t, &v), code);
    assert_string_equal(F->err.message, message);
}

#define PLAIN(kind) pl_type_plain(kind)
#define TXT(s)      pl_slot_text((s), strlen(s))

static void kinds_have_names(void **state) {
    (void)state;
    for (int k = 0; k < PL_KIND_COUNT; k++) {
        assert_int_equal(pl_kind_named(pl_kind_name((pl_kind)k)), k);
        assert_int_equal(PLAIN((pl_kind)k)->kind, k);
    }
    assert_int_equal(pl_kind_named("Strin"), PL_KIND_COUNT);
    pl_type custom = {.kind = PL_K_CUSTOM, .base = PLAIN(PL_K_BIGINT)};
    assert_true(pl_type_is_integer(&custom));
    assert_false(pl_type_is_integer(PLAIN(PL_K_BOOLEAN)));
    assert_true(pl_type_is_text(PLAIN(PL_K_ENUM)));
    assert_false(pl_type_is_text(PLAIN(PL_K_BINARY)));
}

static void integers(void **state) {
    (void)state;
    const pl_type *t = PLAIN(PL_K_INTEGER), *small = PLAIN(PL_K_SMALLINT);
    accept(t, pl_slot_int(INT64_MIN));
    accept(t, pl_slot_null());
    accept(t, (pl_slot){.tag = PL_UNSET});
    accept(t, (pl_slot){.tag = PL_EXPR});
    pl_slot whole = pl_slot_real(3.0);
    assert_int_equal(check_value(t, &whole), PL_OK);
    assert_int_equal(whole.tag, PL_INT);
    assert_int_equal(whole.v.i, 3);
    refuse(t, pl_slot_real(1.5), PL_EVALUE, "User.name: expected an integer, got 1.5");
    refuse(t, pl_slot_real(0x1p63), PL_EVALUE,
           "User.name: expected an integer, got 9.2233720368547758e+18");
    refuse(t, pl_slot_real(-1.0 / 0.0), PL_EVALUE,
           "User.name: expected an integer, got -inf");
    refuse(t, TXT("abc"), PL_ETYPE, "User.name: expected an integer, got text 'abc'");
    refuse(t, pl_slot_blob("abc", 3), PL_ETYPE,
           "User.name: expected an integer, got 3 bytes of binary");
    accept(small, pl_slot_int(-32768));
    refuse(small, pl_slot_int(32768), PL_EVALUE,
           "User.name: 32768 is out of range for SmallInteger (-32768 to 32767)");
    accept(PLAIN(PL_K_BIGINT), pl_slot_int(INT64_MAX));
}

static void texts(void **state) {
    (void)state;
    pl_type ten = {.kind = PL_K_STRING, .length = 10};
    accept(&ten, TXT("äöüäöüäöü!"));
    refuse(&ten, TXT("twelve chars"), PL_EVALUE,
           "User.name: 12 characters are too many for String(10)");
    refuse(&ten, TXT("\xff"), PL_EVALUE, "User.name: the text is not valid UTF-8");
    assert_non_null(strstr(F->err.hint, "LargeBinary"));
    refuse(&ten, pl_slot_int(5), PL_ETYPE, "User.name: expected text, got 5");
    accept(PLAIN(PL_K_TEXT), pl_slot_text(NULL, 0));
    refuse(PLAIN(PL_K_INTEGER), TXT("\xff\xfe"), PL_ETYPE,
           "User.name: expected an integer, got 2 bytes that are not UTF-8");
    refuse(PLAIN(PL_K_INTEGER), TXT("0123456789012345678901234567890123456789ä"),
           PL_ETYPE,
           "User.name: expected an integer, got text "
           "'0123456789012345678901234567890123456789...'");
    refuse(PLAIN(PL_K_INTEGER), TXT("012345678901234567890123456789012345678ääx"),
           PL_ETYPE,
           "User.name: expected an integer, got text "
           "'012345678901234567890123456789012345678...'");
    refuse(PLAIN(PL_K_BOOLEAN), pl_slot_text(NULL, 0), PL_ETYPE,
           "User.name: expected true or false, got text ''");
}

static void other_values(void **state) {
    (void)state;
    pl_slot v = pl_slot_int(2);
    assert_int_equal(check_value(PLAIN(PL_K_FLOAT), &v), PL_OK);
    assert_int_equal(v.tag, PL_REAL);
    assert_true(v.v.r == 2.0);
    refuse(PLAIN(PL_K_FLOAT), TXT("2"), PL_ETYPE,
           "User.name: expected a number, got text '2'");
    refuse(PLAIN(PL_K_FLOAT), pl_slot_real(0.0 / 0.0), PL_EVALUE,
           "User.name: NaN cannot be stored");
    accept(PLAIN(PL_K_BOOLEAN), pl_slot_int(1));
    accept(PLAIN(PL_K_BOOLEAN), pl_slot_real(0));
    refuse(PLAIN(PL_K_BOOLEAN), pl_slot_int(2), PL_EVALUE,
           "User.name: expected true or false, got 2");
    pl_type three = {.kind = PL_K_BINARY, .length = 3};
    v = TXT("\xff\x01");
    assert_int_equal(check_value(&three, &v), PL_OK);
    assert_int_equal(v.tag, PL_BLOB);
    refuse(&three, TXT("abcd"), PL_EVALUE,
           "User.name: 4 bytes are too many for LargeBinary(3)");
    refuse(&three, pl_slot_int(1), PL_ETYPE,
           "User.name: expected a string of bytes, got 1");
    accept(PLAIN(PL_K_NUMERIC), TXT("1.50"));
    refuse(PLAIN(PL_K_DATE), pl_slot_blob("x", 1), PL_ETYPE,
           "User.name: expected Date, got 1 bytes of binary");
    accept(PLAIN(PL_K_UUID), TXT("0123456789abcdefABCDEF0123456789"));
    refuse(PLAIN(PL_K_UUID), TXT("xyz"), PL_EVALUE,
           "User.name: expected a UUID (32 hex digits), got text 'xyz'");
    accept(PLAIN(PL_K_ANY), pl_slot_blob("x", 1));
    pl_type custom = {.kind = PL_K_CUSTOM, .base = &three};
    refuse(&custom, TXT("abcd"), PL_EVALUE,
           "User.name: 4 bytes are too many for LargeBinary(3)");
}

static void enum_words(void **state) {
    (void)state;
    const char *const words[] = {"draft", "published", ""};
    pl_type t = {.kind = PL_K_ENUM, .words = words, .nwords = 3};
    accept(&t, TXT("published"));
    accept(&t, pl_slot_text(NULL, 0));
    refuse(&t, TXT("publishd"), PL_EVALUE,
           "User.name: text 'publishd' is not one of 'draft', 'published', ''");
    assert_string_equal(F->err.hint, "did you mean 'published'?");
    refuse(&t, pl_slot_int(1), PL_ETYPE, "User.name: expected an Enum word, got 1");
}

/* ---- tables ---- */

static void tables_and_columns(void **state) {
    (void)state;
    pl_table *t = NULL, *s = NULL;
    assert_ptr_equal(pl_metadata_table(&F->md, "user"), F->user);
    assert_int_equal(pl_table_new(&F->md, "user", NULL, &t, &F->err), PL_EINVALID);
    assert_string_equal(F->err.message, "table 'user' is already defined");
    pl_error_clear(&F->err);
    assert_int_equal(pl_table_new(&F->md, "user", "other", &s, &F->err), PL_OK);
    assert_string_equal(s->name, "user");
    assert_ptr_equal(pl_metadata_table(&F->md, "other.user"), s);
    assert_int_equal(pl_table_new(&F->md, "", NULL, &t, &F->err), PL_EARGUMENT);
    pl_error_clear(&F->err);
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        pl_column *c = add_column(s, name, PL_K_TEXT);
        c->key = i == 50 ? "fifty" : c->key;
    }
    assert_int_equal(s->columns[99]->position, 99);
    assert_string_equal(pl_table_column(s, "c99")->name, "c99");
    assert_string_equal(pl_table_column_by_key(s, "fifty")->name, "c50");
    assert_null(pl_table_column_by_key(s, "c50"));
    pl_column *again = pl_column_new(&F->md, "c1", NULL);
    assert_true(again->nullable);
    assert_int_equal(pl_table_add_column(s, again, &F->err), PL_EARGUMENT);
    assert_string_equal(F->err.message, "table 'user' has a column 'c1' already");
    pl_error_clear(&F->err);
    assert_int_equal(pl_table_add_column(F->post, s->columns[0], &F->err), PL_EARGUMENT);
    pl_error_clear(&F->err);
    pl_column *nameless = pl_column_new(&F->md, NULL, NULL);
    assert_int_equal(pl_table_add_column(s, nameless, &F->err), PL_EARGUMENT);
    pl_metadata_remove(&F->md, F->post);
    assert_null(pl_metadata_table(&F->md, "post"));
    assert_int_equal(s->position, 2);
    assert_ptr_equal(F->md.tables.v[2], s);
}

static const char *constraint_name(const pl_table *t, pl_constraint_kind kind) {
    for (const pl_constraint *c = t->constraints; c; c = c->next)
        if (c->kind == kind)
            return c->name ? c->name : "(none)";
    return "(missing)";
}

static void finish_makes_keys_and_names(void **state) {
    (void)state;
    pl_table *t = add_table("item");
    pl_column *a = add_column(t, "a", PL_K_INTEGER),
              *b = add_column(t, "b", PL_K_INTEGER);
    pl_column *c = add_column(t, "c", PL_K_INTEGER);
    a->unique = b->index = c->unique = c->index = true;
    pl_constraint *check = pl_table_add_constraint(t, PL_C_CHECK, NULL, 0);
    check->sqltext = "a > 0";
    check->name = "positive";
    check->named_by_user = true;
    pl_constraint *given = pl_table_add_constraint(t, PL_C_UNIQUE, &b, 1);
    given->name = "mine";
    given->named_by_user = true;
    pl_column *both[] = {a, b};
    pl_table_add_constraint(t, PL_C_UNIQUE, both, 2);
    pl_table_add_index(t, NULL, both, NULL, 2);
    const char *expr = "lower(c) DESC";
    pl_column *none = NULL;
    pl_table_add_index(t, NULL, &none, &expr, 1);
    add_foreign(b, "user", "id");
    for (int twice = 0; twice < 2; twice++)
        assert_int_equal(pl_table_finish(t, &F->err), PL_OK);
    static const char *const constraints[] = {"ck_item_positive", "mine",
                                              "uq_item_a_b",      "fk_item_b_user",
                                              "pk_item",          "uq_item_a"};
    static const char *const indexes[] = {"ix_item_a_b", "ix_item_lower_c_DESC",
                                          "ix_item_b", "ix_item_c"};
    size_t n = 0, k = 0;
    for (const pl_constraint *x = t->constraints; x; x = x->next)
        assert_string_equal(x->name, constraints[n++]);
    for (const pl_index *x = t->indexes; x; x = x->next) {
        assert_string_equal(x->name, indexes[k++]);
        assert_int_equal(x->unique, k == 4);
    }
    assert_int_equal(n, 6);
    assert_int_equal(k, 4);
    assert_false(t->columns[0]->nullable);
    assert_int_equal(t->columns[0]->pk_position, 0);
    pl_column *late = add_column(t, "late", PL_K_TEXT);
    late->index = true;
    assert_int_equal(pl_table_finish(t, &F->err), PL_OK);
    const pl_index *last = t->indexes;
    while (last->next)
        last = last->next;
    assert_string_equal(last->name, "ix_item_late");
}

static void primary_keys(void **state) {
    (void)state;
    pl_table *t = NULL;
    assert_int_equal(pl_table_new(&F->md, "pair", NULL, &t, &F->err), PL_OK);
    pl_column *a = add_column(t, "a", PL_K_INTEGER),
              *b = add_column(t, "b", PL_K_INTEGER);
    pl_column *order[] = {b, a};
    pl_table_add_constraint(t, PL_C_PRIMARY, order, 2);
    a->nullable_given = true;
    assert_int_equal(pl_table_finish(t, &F->err), PL_OK);
    assert_int_equal(t->npk, 2);
    assert_ptr_equal(t->pk[0], b);
    assert_true(a->primary_key);
    assert_true(a->nullable);
    assert_false(b->nullable);
    assert_null(pl_table_autoincrement(t));
    assert_ptr_equal(pl_table_autoincrement(F->user), F->id);
    F->id->no_autoincrement = true;
    assert_null(pl_table_autoincrement(F->user));
    pl_table *child = add_table("child");
    add_foreign(child->columns[0], "user", "id");
    assert_int_equal(pl_table_finish(child, &F->err), PL_OK);
    assert_null(pl_table_autoincrement(child));
    child->columns[0]->autoincrement = true;
    assert_non_null(pl_table_autoincrement(child));
}

static void conventions(void **state) {
    (void)state;
    pl_metadata md;
    pl_table *t = NULL;
    pl_metadata_init(&md, pl_alloc_libc(), pl_alloc_libc());
    md.naming = (pl_naming){
        .uq = "%(table_name)s_%(column_0N_name)s_%(column_1_name)s_100%%",
        .fk = "%(column_0_label)s__%(referred_table_name)s_%(referred_column_0_name)s",
        .ck = "ck_%(constraint_name)s",
        .pk = "%(nonsense)s",
    };
    assert_int_equal(pl_table_new(&md, "t", "s", &t, &F->err), PL_OK);
    pl_column *a = add_column(t, "a", PL_K_INTEGER),
              *b = add_column(t, "b", PL_K_INTEGER);
    pl_column *both[] = {a, b};
    a->primary_key = true;
    pl_table_add_constraint(t, PL_C_UNIQUE, both, 2);
    add_foreign(b, "s.other", "id");
    pl_table_add_constraint(t, PL_C_CHECK, NULL, 0)->sqltext = "1";
    assert_int_equal(pl_table_finish(t, &F->err), PL_OK);
    assert_string_equal(constraint_name(t, PL_C_UNIQUE), "t_ab_b_100%");
    assert_string_equal(constraint_name(t, PL_C_FOREIGN), "s_t_b__other_id");
    assert_string_equal(constraint_name(t, PL_C_CHECK), "(none)");
    assert_string_equal(constraint_name(t, PL_C_PRIMARY), "(none)");
    a->index = true;
    a->finished = false;
    assert_int_equal(pl_table_finish(t, &F->err), PL_EARGUMENT);
    assert_string_equal(F->err.message, "an index of table 't' has no name");
    pl_metadata_free(&md);
}

static void table_names_of_classes(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"CamelCase", "camel_case"},
        {"HTMLLayout", "html_layout"},
        {"HTTP2Request", "http2_request"},
        {"UserST4", "user_st4"},
        {"PreABCPost", "pre_abc_post"},
        {"ABC", "abc"},
        {"FooBarSSE2", "foo_bar_sse2"},
        {"get2HTTPResponse123Code", "get2_http_response123_code"},
        {"HTTPRequest", "http_request"},
        {"Duck", "duck"},
        {"A", "a"},
        {"_Private", "private"},
        {"Snake_Case", "snake__case"},
        {"snake_case", "snake_case"},
        {"User2", "user2"},
        {"HTTP2", "http2"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_string_equal(pl_name_table(&F->arena, pairs[i][0]), pairs[i][1]);
}

/* ---- foreign keys and order ---- */

static void foreign_keys_find_their_targets(void **state) {
    (void)state;
    pl_table *t = add_table("comment");
    pl_column *untyped = pl_column_new(&F->md, "post_id", NULL);
    assert_int_equal(pl_table_add_column(t, untyped, &F->err), PL_OK);
    pl_constraint *fk = add_foreign(untyped, "reply", "comment_id");
    assert_int_equal(pl_foreign_resolve(fk, &F->err), PL_ENOREFTABLE);
    assert_string_equal(F->err.message, "the foreign key of 'comment.post_id' refers to "
                                        "table 'reply', which is not defined");
    pl_error_clear(&F->err);
    pl_table *reply = add_table("reply");
    pl_column *chain = pl_column_new(&F->md, "comment_id", NULL);
    assert_int_equal(pl_table_add_column(reply, chain, &F->err), PL_OK);
    add_foreign(chain, "user", "id");
    assert_int_equal(pl_metadata_resolve(&F->md, &F->err), PL_OK);
    assert_ptr_equal(untyped->type, F->id->type);
    assert_ptr_equal(fk->target, reply);
    pl_constraint *bad = add_foreign(chain, "usr", "id");
    assert_int_equal(pl_foreign_resolve(bad, &F->err), PL_ENOREFTABLE);
    assert_non_null(strstr(F->err.hint, "did you mean 'user'?"));
    pl_error_clear(&F->err);
    bad->ref_table = "user";
    bad->ref_columns[0] = "nam";
    assert_int_equal(pl_foreign_resolve(bad, &F->err), PL_ENOREFCOLUMN);
    assert_string_equal(F->err.hint, "did you mean 'user.name'?");
    pl_error_clear(&F->err);
    bad->ref_columns = NULL;
    assert_int_equal(pl_foreign_resolve(bad, &F->err), PL_OK);
    assert_ptr_equal(bad->targets[0], F->id);
    pl_metadata_remove(&F->md, reply);
    assert_null(fk->target);
}

static void untyped_circles_end(void **state) {
    (void)state;
    pl_table *a = add_table("a"), *b = add_table("b");
    pl_column *x = pl_column_new(&F->md, "x", NULL),
              *y = pl_column_new(&F->md, "y", NULL);
    pl_table_add_column(a, x, &F->err);
    pl_table_add_column(b, y, &F->err);
    add_foreign(x, "b", "y");
    add_foreign(y, "a", "x");
    assert_int_equal(pl_metadata_resolve(&F->md, &F->err), PL_EARGUMENT);
    assert_non_null(strstr(F->err.message, "has no type"));
}

static void tables_are_sorted(void **state) {
    (void)state;
    pl_metadata md;
    pl_vec out;
    size_t ncyclic;
    static const char *const names[] = {"d", "c", "b", "a", "x", "y", "self"};
    pl_table *t[7];
    pl_metadata_init(&md, pl_alloc_libc(), pl_alloc_libc());
    for (int i = 0; i < 7; i++) {
        assert_int_equal(pl_table_new(&md, names[i], NULL, &t[i], &F->err), PL_OK);
        add_column(t[i], "id", PL_K_INTEGER)->primary_key = true;
    }
    static const char *const edges[][2] = {{"d", "c"}, {"c", "a"}, {"d", "b"},
                                           {"x", "y"}, {"y", "x"}, {"self", "self"}};
    for (int i = 0; i < 6; i++)
        add_foreign(
            add_column(pl_metadata_table(&md, edges[i][0]), edges[i][1], PL_K_INTEGER),
            edges[i][1], "id");
    pl_vec_init(&out, pl_alloc_libc());
    assert_int_equal(pl_metadata_sort(&md, &out, &ncyclic, &F->err), PL_OK);
    static const char *const wanted[] = {"b", "a", "self", "c", "d", "x", "y"};
    for (size_t i = 0; i < 7; i++)
        assert_string_equal(((pl_table *)out.v[i])->name, wanted[i]);
    assert_int_equal(ncyclic, 2);
    t[4]->constraints->use_alter = true;
    out.n = 0;
    assert_int_equal(pl_metadata_sort(&md, &out, &ncyclic, &F->err), PL_OK);
    assert_int_equal(ncyclic, 0);
    pl_vec_free(&out);
    pl_metadata_free(&md);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(kinds_have_names),
        T(integers),
        T(texts),
        T(other_values),
        T(enum_words),
        T(tables_and_columns),
        T(finish_makes_keys_and_names),
        T(primary_keys),
        T(conventions),
        T(table_names_of_classes),
        T(foreign_keys_find_their_targets),
        T(untyped_circles_end),
        T(tables_are_sorted),
    };
    return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
