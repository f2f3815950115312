/* SPDX-License-Identifier: MIT */
/*
** t_persist.c - rows that are more than plain columns: defaults and values that the
** database makes, versions, SQL expressions, inheritance, odd keys, bulk inserts.
*/
#include "world.h"

static int setup(void **state) {
    world *w = malloc(sizeof *w);
    world_init(w);
    world_sql(w, "PRAGMA foreign_keys = ON");
    *state = w;
    return 0;
}

static int teardown(void **state) {
    world_free(*state);
    free(*state);
    return 0;
}

static pl_flush *begin(world *w) {
    pl_flush *f = pl_flush_new(world_heap(w), w->conn, &pl_dialect_sqlite, &w->hooks);
    assert_non_null(f);
    return f;
}

static pl_code try_save(world *w, pl_object *o) {
    pl_flush *f = begin(w);
    world_check(w, pl_flush_save(f, o, &w->err));
    pl_code code = pl_flush_run(f, &w->err);
    pl_flush_free(f);
    if (code == PL_OK)
        world_settle(o);
    return code;
}

static void save(world *w, pl_object *o) {
    world_check(w, try_save(w, o));
}

static pl_code try_delete(world *w, pl_object *o) {
    pl_flush *f = begin(w);
    world_check(w, pl_flush_delete(f, o, &w->err));
    pl_code code = pl_flush_run(f, &w->err);
    pl_flush_free(f);
    return code;
}

static void expect_log(world *w, const char *want) {
    assert_string_equal(pl_buf_cstr(&w->log), want);
    pl_buf_clear(&w->log);
}

static void expect_text(pl_object *o, const char *name, const char *want) {
    const pl_slot *s = world_slot(o, name);
    assert_int_equal(s->tag, PL_TEXT);
    assert_int_equal(s->len, strlen(want));
    assert_memory_equal(s->v.s, want, s->len);
}

static pl_node *call(world *w, const char *name, pl_node *arg) {
    pl_node *n = pl_node_new(&w->md.arena, PL_N_FUNC, arg ? 1 : 0);
    n->text = name;
    n->len = (uint32_t)strlen(name);
    if (arg)
        n->kids[0] = arg;
    return n;
}

static pl_node *literal(world *w, pl_slot value) {
    pl_kind kind = value.tag == PL_INT ? PL_K_INTEGER : PL_K_STRING;
    return pl_node_literal(&w->md.arena, pl_type_plain(kind), value);
}

/* ---- defaults ------------------------------------------------------------------ */

static pl_mapper *item_model(world *w) {
    pl_table *t = world_table(w, "item");
    world_id(w, t);
    world_column(w, t, "name", PL_K_STRING, 0, NULL);
    world_column(w, t, "state", PL_K_STRING, W_NOT_NULL, NULL)->server_default = "'new'";
    world_column(w, t, "twice", PL_K_INTEGER, 0, NULL)->computed = "id * 2";
    world_sql(w, "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR,"
                 " state VARCHAR NOT NULL DEFAULT 'new',"
                 " twice INTEGER GENERATED ALWAYS AS (id * 2))");
    world_watch(w);
    return world_model(w, "Item", t, NULL);
}

static void test_values_of_the_database_are_read_back(void **state) {
    world *w = *state;
    pl_object *o = world_new(w, item_model(w), "name", "x");
    save(w, o);
    expect_log(w, "INSERT INTO item (name) VALUES (?) RETURNING state, twice -- x\n");
    assert_int_equal(world_int(o, "id"), 1);
    expect_text(o, "state", "new");
    assert_int_equal(world_int(o, "twice"), 2);
    assert_int_equal(world_slot(o, "state")->flags, 0);
}

static void test_many_rows_with_values_of_the_database(void **state) {
    world *w = *state;
    enum { N = 350 };
    pl_mapper *m = item_model(w);
    pl_object *o[N];
    pl_flush *f = begin(w);
    for (int i = 0; i < N; i++) {
        o[i] = world_new(w, m, "name", "x");
        world_check(w, pl_flush_save(f, o[i], &w->err));
    }
    world_check(w, pl_flush_run(f, &w->err));
    pl_flush_free(f);
    for (int i = 0; i < N; i++) {
        assert_int_equal(world_int(o[i], "id"), i + 1);
        assert_int_equal(world_int(o[i], "twice"), 2 * (i + 1));
        expect_text(o[i], "state", "new");
    }
    assert_non_null(strstr(pl_buf_cstr(&w->log), "(?), (?)"));
    assert_non_null(strstr(pl_buf_cstr(&w->log), "RETURNING state, twice, id\n"));
    f = begin(w);
    for (int i = 0; i < 200; i++) {
        o[i] = world_new(w, m, "name", "y");
        world_set(o[i], "id", pl_slot_int(9000 - i));
        world_check(w, pl_flush_save(f, o[i], &w->err));
    }
    world_check(w, pl_flush_run(f, &w->err));
    pl_flush_free(f);
    for (int i = 0; i < 200; i++)
        assert_int_equal(world_int(o[i], "twice"), 2 * (9000 - i));
}

static void test_text_that_nobody_keeps_is_left_to_be_loaded(void **state) {
    world *w = *state;
    pl_object *o = world_new(w, item_model(w), "name", "x");
    w->hooks.store = NULL;
    save(w, o);
    assert_int_equal(world_slot(o, "state")->tag, PL_UNSET);
    assert_int_equal(world_slot(o, "state")->flags, PL_SLOT_SERVER);
    assert_true(o->status & PL_OBJ_PARTIAL);
}

static void test_update_forgets_computed_values(void **state) {
    world *w = *state;
    pl_object *o = world_new(w, item_model(w), "name", "x");
    save(w, o);
    pl_buf_clear(&w->log);
    world_set(o, "name", world_text("y"));
    save(w, o);
    expect_log(w, "UPDATE item SET name=? WHERE item.id = ? -- y, 1\n");
    assert_int_equal(world_slot(o, "twice")->tag, PL_UNSET);
    assert_int_equal(world_slot(o, "twice")->flags, PL_SLOT_SERVER);
    assert_true(o->status & PL_OBJ_PARTIAL);
    expect_text(o, "state", "new");
}

static pl_mapper *stamped_model(world *w) {
    pl_table *t = world_table(w, "note");
    world_id(w, t);
    world_column(w, t, "text", PL_K_STRING, 0, NULL);
    pl_column *c = world_column(w, t, "kind", PL_K_STRING, W_NOT_NULL, NULL);
    c->dflt = (pl_default){.kind = PL_D_VALUE, .value = world_text("plain")};
    c = world_column(w, t, "made", PL_K_STRING, W_NOT_NULL, NULL);
    c->dflt = (pl_default){.kind = PL_D_EXPR,
                           .node = call(w, "upper", literal(w, world_text("it's")))};
    c->onupdate = (pl_default){.kind = PL_D_EXPR,
                               .node = call(w, "lower", literal(w, world_text("UP")))};
    c = world_column(w, t, "edits", PL_K_INTEGER, 0, NULL);
    c->onupdate = (pl_default){.kind = PL_D_VALUE, .value = pl_slot_int(1)};
    world_sql(w, "CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, text VARCHAR,"
                 " kind VARCHAR NOT NULL, made VARCHAR NOT NULL, edits INTEGER)");
    world_watch(w);
    return world_model(w, "Note", t, NULL);
}

static void test_client_defaults(void **state) {
    world *w = *state;
    pl_object *o = world_new(w, stamped_model(w), "text", "x");
    save(w, o);
    expect_log(w, "INSERT INTO note (text, kind, made) VALUES (?, ?, upper('it''s'))"
                  " RETURNING made -- x, plain\n");
    expect_text(o, "made", "IT'S");
    expect_text(o, "kind", "plain");
    assert_int_equal(world_slot(o, "edits")->tag, PL_NULL);
    world_set(o, "text", world_text("y"));
    save(w, o);
    expect_log(w, "UPDATE note SET text=?, edits=?, made=lower('UP') WHERE note.id = ?"
                  " -- y, 1, 1\n");
    assert_int_equal(world_slot(o, "made")->tag, PL_UNSET);
    assert_int_equal(world_int(o, "edits"), 1);
    assert_int_equal(world_ask(w, "SELECT made = 'up' AND edits = 1 FROM note"), 1);
    o->status |= PL_OBJ_CHANGED;
    save(w, o);
    expect_log(w, "");
}

static pl_code fill(void *ud, pl_flush_op op, pl_object *o, pl_error *err) {
    world *w = ud;
    (void)err;
    pl_buf_fmt(&w->events, "fill %d\n", (int)op);
    if (world_slot(o, "text")->tag == PL_UNSET)
        world_set(o, "text", world_text("by function"));
    return PL_OK;
}

static void test_functions_fill_slots(void **state) {
    world *w = *state;
    pl_mapper *m = stamped_model(w);
    pl_object *o = world_object(w, m);
    w->hooks.fill = fill;
    save(w, o);
    expect_text(o, "text", "by function");
    save(w, o);
    world_set(o, "text", world_text("z"));
    save(w, o);
    assert_string_equal(pl_buf_cstr(&w->events), "fill 0\nfill 1\n");
}

/* ---- versions ------------------------------------------------------------------ */

static pl_mapper *versioned(world *w) {
    pl_table *t = world_table(w, "doc");
    world_id(w, t);
    world_column(w, t, "text", PL_K_STRING, 0, NULL);
    world_column(w, t, "ver", PL_K_INTEGER, W_NOT_NULL, NULL);
    world_sql(w, "CREATE TABLE doc (id INTEGER NOT NULL PRIMARY KEY, text VARCHAR,"
                 " ver INTEGER NOT NULL)");
    world_watch(w);
    pl_mapper *m = world_model(w, "Doc", t, NULL);
    m->version = 2;
    return m;
}

static void test_versions_count_and_protect(void **state) {
    world *w = *state;
    pl_object *o = world_new(w, versioned(w), "text", "a");
    save(w, o);
    world_set(o, "text", world_text("b"));
    save(w, o);
    assert_int_equal(world_int(o, "ver"), 2);
    save(w, o);
    expect_log(w, "INSERT INTO doc (text, ver) VALUES (?, ?) -- a, 1\n"
                  "UPDATE doc SET text=?, ver=? WHERE doc.id = ? AND doc.ver = ?"
                  " -- b, 2, 1, 1\n");
    world_sql(w, "UPDATE doc SET ver = 7");
    world_set(o, "text", world_text("c"));
    assert_int_equal(try_save(w, o), PL_ESTALE);
    assert_int_equal(world_int(o, "ver"), 2);
    pl_error_clear(&w->err);
    assert_int_equal(try_delete(w, o), PL_ESTALE);
    assert_string_equal(
        w->err.message,
        "DELETE statement on table 'doc' expected to delete 1 row(s); 0 were matched.");
}

static void test_version_of_a_row_taken_over(void **state) {
    world *w = *state;
    pl_mapper *m = versioned(w);
    pl_object *old = world_new(w, m, "text", "a");
    save(w, old);
    world_set(old, "text", world_text("b"));
    save(w, old);
    pl_object *o = world_new(w, m, "text", "new");
    world_set(o, "id", pl_slot_int(1));
    pl_buf_clear(&w->log);
    pl_flush *f = begin(w);
    world_check(w, pl_flush_delete(f, old, &w->err));
    world_check(w, pl_flush_save(f, o, &w->err));
    world_check(w, pl_flush_run(f, &w->err));
    pl_flush_free(f);
    expect_log(w, "UPDATE doc SET text=?, ver=? WHERE doc.id = ? AND doc.ver = ?"
                  " -- new, 3, 1, 2\n");
    assert_int_equal(world_int(o, "ver"), 3);
}

/* ---- SQL expressions ----------------------------------------------------------- */

static pl_slot expression(pl_node *n) {
    pl_slot s = {.tag = PL_EXPR};
    s.v.p = n;
    return s;
}

static void test_expressions_as_values(void **state) {
    world *w = *state;
    pl_mapper *m = versioned(w);
    pl_object *o = world_object(w, m);
    world_set(o, "text", expression(call(w, "upper", literal(w, world_text("abc")))));
    save(w, o);
    assert_int_equal(world_int(o, "id"), 1);
    assert_int_equal(world_slot(o, "text")->tag, PL_UNSET);
    assert_int_equal(world_slot(o, "text")->flags, PL_SLOT_SERVER);
    assert_int_equal(world_ask(w, "SELECT text = 'ABC' AND ver = 1 FROM doc"), 1);
    pl_node *column = pl_node_column(&w->md.arena, m->tables[0].table->columns[1], NULL);
    world_set(o, "text",
              expression(pl_node_binary(&w->md.arena, PL_OP_CONCAT, column,
                                        literal(w, world_text("!")))));
    save(w, o);
    assert_int_equal(world_ask(w, "SELECT text = 'ABC!' AND ver = 2 FROM doc"), 1);
    assert_int_equal(world_int(o, "ver"), 2);
    world_sql(w, "DELETE FROM doc");
    world_set(o, "text", expression(call(w, "random", NULL)));
    assert_int_equal(try_save(w, o), PL_ESTALE);
}

static void test_expression_among_plain_rows(void **state) {
    world *w = *state;
    pl_mapper *m = versioned(w);
    pl_object *o[250];
    pl_flush *f = begin(w);
    for (int i = 0; i < 250; i++) {
        o[i] = world_new(w, m, "text", "t");
        if (i == 120)
            world_set(o[i], "text",
                      expression(call(w, "lower", literal(w, world_text("L")))));
        world_check(w, pl_flush_save(f, o[i], &w->err));
    }
    world_check(w, pl_flush_run(f, &w->err));
    pl_flush_free(f);
    for (int i = 0; i < 250; i++)
        assert_int_equal(world_int(o[i], "id"), i + 1);
    assert_int_equal(world_ask(w, "SELECT id FROM doc WHERE text = 'l'"), 121);
}

/* ---- inheritance --------------------------------------------------------------- */

typedef struct staff {
    pl_mapper *person, *boss, *clerk;
} staff;

static staff declare_staff(world *w) {
    staff s;
    pl_table *t = world_table(w, "person");
    world_id(w, t);
    world_column(w, t, "kind", PL_K_STRING, 0, NULL);
    world_column(w, t, "name", PL_K_STRING, 0, NULL);
    world_column(w, t, "ver", PL_K_INTEGER, 0, NULL);
    s.person = world_model(w, "Person", t, NULL);
    s.person->polymorphic_on = 1;
    s.person->version = 3;
    t = world_table(w, "boss");
    world_column(w, t, "person_id", PL_K_INTEGER, W_PK, "person.id");
    world_column(w, t, "level", PL_K_INTEGER, 0, NULL);
    s.boss = world_model(w, "Boss", t, s.person);
    s.boss->polymorphic_identity = world_text("boss");
    t = world_table(w, "clerk");
    world_column(w, t, "id", PL_K_INTEGER, W_PK, "person.id");
    world_column(w, t, "desk", PL_K_INTEGER, 0, NULL);
    s.clerk = world_model(w, "Clerk", t, s.person);
    s.clerk->polymorphic_identity = world_text("clerk");
    world_configure(w);
    world_sql(w, "CREATE TABLE person (id INTEGER NOT NULL PRIMARY KEY, kind VARCHAR,"
                 " name VARCHAR, ver INTEGER);"
                 "CREATE TABLE boss (person_id INTEGER NOT NULL PRIMARY KEY"
                 " REFERENCES person(id), level INTEGER);"
                 "CREATE TABLE clerk (id INTEGER NOT NULL PRIMARY KEY"
                 " REFERENCES person(id), desk INTEGER)");
    world_watch(w);
    return s;
}

static void test_joined_tables(void **state) {
    world *w = *state;
    staff s = declare_staff(w);
    pl_object *b = world_new(w, s.boss, "name", "B");
    pl_object *c = world_new(w, s.clerk, "name", "C");
    pl_object *p = world_new(w, s.person, "name", "P");
    world_set(b, "level", pl_slot_int(3));
    pl_flush *f = begin(w);
    pl_object *all[] = {b, c, p};
    for (int i = 0; i < 3; i++)
        world_check(w, pl_flush_save(f, all[i], &w->err));
    pl_buf plan;
    pl_buf_init(&plan, pl_alloc_libc());
    world_check(w, pl_flush_plan(f, &w->err));
    pl_flush_print(f, &plan);
    assert_string_equal(pl_buf_cstr(&plan),
                        "INSERT person (3)\nINSERT boss (1)\nINSERT clerk (1)\n");
    pl_buf_free(&plan);
    world_check(w, pl_flush_run(f, &w->err));
    pl_flush_free(f);
    expect_log(w, "INSERT INTO person (kind, name, ver) VALUES (?, ?, ?) -- boss, B, 1\n"
                  "INSERT INTO person (kind, name, ver) VALUES (?, ?, ?) -- clerk, C, 1\n"
                  "INSERT INTO person (name, ver) VALUES (?, ?) -- P, 1\n"
                  "INSERT INTO boss (person_id, level) VALUES (?, ?) -- 1, 3\n"
                  "INSERT INTO clerk (id) VALUES (?) -- 2\n");
    assert_int_equal(world_int(b, "person_id"), 1);
    for (int i = 0; i < 3; i++)
        world_settle(all[i]);
    world_set(b, "level", pl_slot_int(4));
    save(w, b);
    world_set(c, "name", world_text("CC"));
    world_set(c, "desk", pl_slot_int(9));
    save(w, c);
    expect_log(
        w, "UPDATE person SET ver=? WHERE person.id = ? AND person.ver = ? -- 2, 1, 1\n"
           "UPDATE boss SET level=? WHERE boss.person_id = ? -- 4, 1\n"
           "UPDATE person SET name=?, ver=? WHERE person.id = ? AND person.ver = ?"
           " -- CC, 2, 2, 1\n"
           "UPDATE clerk SET desk=? WHERE clerk.id = ? -- 9, 2\n");
    f = begin(w);
    for (int i = 0; i < 3; i++)
        world_check(w, pl_flush_delete(f, all[i], &w->err));
    world_check(w, pl_flush_run(f, &w->err));
    pl_flush_free(f);
    expect_log(w, "DELETE FROM boss WHERE boss.person_id = ? -- 1\n"
                  "DELETE FROM clerk WHERE clerk.id = ? -- 2\n"
                  "DELETE FROM person WHERE person.id = ? AND person.ver = ? -- 1, 2\n"
                  "DELETE FROM person WHERE person.id = ? AND person.ver = ? -- 2, 2\n"
                  "DELETE FROM person WHERE person.id = ? AND person.ver = ? -- 3, 1\n");
    assert_string_equal(pl_buf_cstr(&w->events), "");
}

static void test_many_joined_rows(void **state) {
    world *w = *state;
    staff s = declare_staff(w);
    pl_object *o[500];
    pl_flush *f = begin(w);
    for (int i = 0; i < 500; i++) {
        o[i] = world_new(w, i < 300 ? s.boss : s.clerk, "name", "n");
        if (i < 300)
            world_set(o[i], "level", pl_slot_int(i));
        world_check(w, pl_flush_save(f, o[i], &w->err));
    }
    world_check(w, pl_flush_run(f, &w->err));
    pl_flush_free(f);
    assert_int_equal(
        world_ask(w, "SELECT count(*) FROM boss WHERE person_id = level + 1"), 300);
    assert_int_equal(world_ask(w, "SELECT count(*) FROM clerk JOIN person USING (id)"),
                     200);
    assert_int_equal(world_int(o[499], "id"), 500);
}

/* ---- odd keys ------------------------------------------------------------------ */

static void test_text_and_composite_keys(void **state) {
    world *w = *state;
    pl_table *t = world_table(w, "price");
    world_column(w, t, "shop", PL_K_STRING, W_PK, NULL);
    world_column(w, t, "day", PL_K_INTEGER, W_PK, NULL);
    world_column(w, t, "cents", PL_K_INTEGER, 0, NULL);
    pl_mapper *m = world_model(w, "Price", t, NULL);
    world_sql(w, "CREATE TABLE price (shop VARCHAR NOT NULL, day INTEGER NOT NULL,"
                 " cents INTEGER, PRIMARY KEY (shop, day)) WITHOUT ROWID");
    world_watch(w);
    static const char *const shops[] = {"b", "a", "ab"};
    pl_object *o[6];
    pl_flush *f = begin(w);
    for (int i = 0; i < 6; i++) {
        o[i] = world_new(w, m, "shop", shops[i % 3]);
        world_set(o[i], "day", pl_slot_int(i / 3));
        world_check(w, pl_flush_save(f, o[i], &w->err));
    }
    world_check(w, pl_flush_run(f, &w->err));
    pl_flush_free(f);
    pl_buf_clear(&w->log);
    f = begin(w);
    for (int i = 0; i < 6; i++) {
        world_settle(o[i]);
        world_check(w, pl_flush_delete(f, o[i], &w->err));
    }
    world_check(w, pl_flush_run(f, &w->err));
    pl_flush_free(f);
    expect_log(w, "DELETE FROM price WHERE price.shop = ? AND price.day = ? -- a, 0\n"
                  "DELETE FROM price WHERE price.shop = ? AND price.day = ? -- a, 1\n"
                  "DELETE FROM price WHERE price.shop = ? AND price.day = ? -- ab, 0\n"
                  "DELETE FROM price WHERE price.shop = ? AND price.day = ? -- ab, 1\n"
                  "DELETE FROM price WHERE price.shop = ? AND price.day = ? -- b, 0\n"
                  "DELETE FROM price WHERE price.shop = ? AND price.day = ? -- b, 1\n");
    pl_object *bad = world_new(w, m, "shop", "x");
    assert_int_equal(try_save(w, bad), PL_EINTEGRITY);
    assert_string_equal(w->err.message, "Price.day may not be NULL");
}

static bool old_key(void *ud, const pl_object *o, uint16_t slot, pl_slot *out) {
    (void)ud;
    *out = world_text("old");
    return slot == o->mapper->pk[0];
}

static void test_key_that_children_follow(void **state) {
    world *w = *state;
    pl_table *t = world_table(w, "tag");
    world_column(w, t, "name", PL_K_STRING, W_PK, NULL);
    pl_mapper *tag = world_model(w, "Tag", t, NULL);
    t = world_table(w, "use");
    world_id(w, t);
    world_column(w, t, "tag", PL_K_STRING, 0, "tag.name");
    pl_mapper *use = world_model(w, "Use", t, NULL);
    pl_relation_args args = world_args("Use", NULL);
    args.passive_updates_off = true;
    pl_relation *uses = world_relate(w, tag, "uses", args);
    world_configure(w);
    world_sql(w, "CREATE TABLE tag (name VARCHAR NOT NULL PRIMARY KEY);"
                 "CREATE TABLE \"use\" (id INTEGER NOT NULL PRIMARY KEY,"
                 " tag VARCHAR REFERENCES tag(name))");
    pl_object *a = world_new(w, tag, "name", "old");
    pl_object *b = world_object(w, use);
    w->hooks.committed = old_key;
    for (int round = 0; round < 2; round++) {
        pl_flush *f = begin(w);
        world_sql(w, "BEGIN");
        world_check(w, pl_flush_save(f, b, &w->err));
        world_check(w, pl_flush_save(f, a, &w->err));
        world_check(w, pl_flush_edge(f, uses, a, b, PL_EDGE_SYNC, &w->err));
        world_check(w, pl_flush_run(f, &w->err));
        pl_flush_free(f);
        world_sql(w, "COMMIT");
        world_settle(a);
        world_settle(b);
        world_set(a, "name", world_text("new"));
    }
    expect_text(b, "tag", "new");
    assert_int_equal(
        world_ask(w, "SELECT tag = 'new' FROM \"use\" JOIN tag ON tag = name"), 1);
}

static void test_table_with_many_columns(void **state) {
    world *w = *state;
    pl_table *t = world_table(w, "wide");
    pl_buf ddl;
    pl_buf_init(&ddl, pl_alloc_libc());
    pl_buf_str(&ddl, "CREATE TABLE wide (id INTEGER NOT NULL PRIMARY KEY");
    world_id(w, t);
    for (int i = 0; i < 200; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "c%d", i);
        world_column(w, t, name, PL_K_INTEGER, 0, NULL);
        pl_buf_fmt(&ddl, ", %s INTEGER", name);
    }
    pl_buf_chr(&ddl, ')');
    world_sql(w, pl_buf_cstr(&ddl));
    pl_buf_free(&ddl);
    pl_mapper *m = world_model(w, "Wide", t, NULL);
    pl_object *o[260];
    pl_flush *f = begin(w);
    for (int i = 0; i < 260; i++) {
        o[i] = world_object(w, m);
        for (int c = 1; c <= 200; c++)
            o[i]->slots[c] = pl_slot_int(i + c);
        world_check(w, pl_flush_save(f, o[i], &w->err));
    }
    world_check(w, pl_flush_run(f, &w->err));
    pl_flush_free(f);
    assert_int_equal(world_ask(w, "SELECT sum(c199 - id) FROM wide"), 199 * 260);
    world_settle(o[5]);
    world_set(o[5], "c150", pl_slot_int(-1));
    world_watch(w);
    save(w, o[5]);
    expect_log(w, "UPDATE wide SET c150=? WHERE wide.id = ? -- -1, 6\n");
}

static void test_check_names_its_attribute(void **state) {
    world *w = *state;
    pl_table *t = world_table(w, "acct");
    world_id(w, t);
    world_column(w, t, "cents", PL_K_INTEGER, 0, NULL);
    world_column(w, t, "limits", PL_K_INTEGER, 0, NULL);
    pl_constraint *c = pl_table_add_constraint(t, PL_C_CHECK, NULL, 0);
    c->name = "ck_positive";
    c->sqltext = "cents >= 0";
    pl_mapper *m = world_model(w, "Acct", t, NULL);
    world_sql(w, "CREATE TABLE acct (id INTEGER NOT NULL PRIMARY KEY, cents INTEGER,"
                 " limits INTEGER CHECK (limits < 10),"
                 " CONSTRAINT ck_positive CHECK (cents >= 0))");
    pl_object *o = world_object(w, m);
    world_set(o, "cents", pl_slot_int(-1));
    assert_int_equal(try_save(w, o), PL_EINTEGRITY);
    assert_string_equal(w->err.attribute, "Acct.cents");
    pl_error_clear(&w->err);
    world_set(o, "cents", pl_slot_int(1));
    world_set(o, "limits", pl_slot_int(99));
    assert_int_equal(try_save(w, o), PL_EINTEGRITY);
    assert_string_equal(w->err.attribute, "Acct.limits");
}

/* ---- bulk ---------------------------------------------------------------------- */

typedef struct rows {
    int64_t n, end, bad;
    char text[16];
} rows;

static int next_row(void *ud, pl_slot *row, pl_error *err) {
    rows *r = ud;
    if (r->n == r->end)
        return 0;
    if (r->n == r->bad)
        return (void)pl_fail(err, PL_EVALUE, "bad row"), -1;
    (void)snprintf(r->text, sizeof r->text, "n%lld", (long long)r->n % 1000);
    row[0] = pl_slot_text(r->text, strlen(r->text));
    row[1] = r->n % 7 ? pl_slot_int(r->n) : pl_slot_null();
    r->n++;
    return 1;
}

static pl_code bulk(world *w, int64_t n, int64_t bad, int64_t *count) {
    pl_table *t = pl_metadata_table(&w->md, "tag");
    rows r = {.end = n, .bad = bad};
    return pl_bulk_insert(w->conn, &pl_dialect_sqlite, t, t->columns + 1, 2, NULL, 0,
                          next_row, &r, count, &w->err);
}

static void test_bulk_insert(void **state) {
    world *w = *state;
    pl_table *t = world_table(w, "tag");
    world_id(w, t);
    world_column(w, t, "name", PL_K_STRING, 0, NULL);
    world_column(w, t, "rank", PL_K_INTEGER, 0, NULL);
    world_check(w, pl_table_finish(t, &w->err));
    world_sql(w, "CREATE TABLE tag (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR,"
                 " rank INTEGER UNIQUE)");
    int64_t count;
    world_check(w, bulk(w, 0, -1, &count));
    assert_int_equal(count, 0);
    world_check(w, bulk(w, 777, -1, &count));
    assert_int_equal(count, 777);
    assert_int_equal(
        world_ask(w, "SELECT count(*) FROM tag WHERE name = 'n' || (id - 1)"), 777);
    assert_int_equal(world_ask(w, "SELECT count(*) FROM tag WHERE rank IS NULL"), 111);
    world_sql(w, "DELETE FROM tag WHERE rank < 500");
    assert_int_equal(bulk(w, 777, -1, &count), PL_EINTEGRITY);
    assert_string_equal(w->err.hint, "row 501");
    assert_string_equal(w->err.column, "rank");
    pl_error_clear(&w->err);
    assert_int_equal(bulk(w, 10, 3, &count), PL_EVALUE);
    assert_int_equal(pl_conn_open_statements(w->conn), 0);
}

/* ---- memory -------------------------------------------------------------------- */

enum { MANY = 120 };

static pl_code flush_one(world *w, pl_object **o, int n, bool erase) {
    pl_flush *f = pl_flush_new(world_heap(w), w->conn, &pl_dialect_sqlite, &w->hooks);
    if (!f)
        return pl_nomem(&w->err);
    pl_code code = PL_OK;
    for (int i = 0; i < n && code == PL_OK; i++)
        code =
            erase ? pl_flush_delete(f, o[i], &w->err) : pl_flush_save(f, o[i], &w->err);
    if (code == PL_OK)
        code = pl_flush_run(f, &w->err);
    pl_flush_free(f);
    for (int i = 0; i < n && code == PL_OK; i++)
        world_settle(o[i]);
    return code;
}

/* Everything a row can be, with memory running out somewhere. */
static pl_code flush_all(world *w, pl_mapper *item, staff s, pl_mapper *doc,
                         pl_node *upper) {
    pl_object *many[MANY], *b = world_new(w, s.boss, "name", "B");
    pl_object *d = world_new(w, doc, "text", "a");
    for (int i = 0; i < MANY; i++)
        many[i] = world_new(w, item, "name", "x");
    pl_code code = flush_one(w, many, MANY, false);
    if (code == PL_OK)
        code = flush_one(w, &b, 1, false);
    if (code == PL_OK)
        code = flush_one(w, &d, 1, false);
    world_set(d, "text", world_text("b"));
    if (code == PL_OK)
        code = flush_one(w, &d, 1, false);
    world_set(d, "text", expression(upper));
    if (code == PL_OK)
        code = flush_one(w, &d, 1, false);
    if (code == PL_OK)
        code = flush_one(w, &b, 1, true);
    return code == PL_OK ? flush_one(w, many, MANY, true) : code;
}

/* True when nothing failed. */
static bool try_with(long k) {
    world w;
    world_init(&w);
    pl_mapper *item = item_model(&w), *doc = versioned(&w);
    staff s = declare_staff(&w);
    pl_conn_set_hooks(w.conn, NULL);
    pl_node *upper = call(&w, "upper", literal(&w, world_text("c")));
    w.left = k;
    pl_code code = flush_all(&w, item, s, doc, upper);
    w.left = -1;
    assert_true(code == PL_OK || code == PL_ENOMEM);
    assert_int_equal(pl_conn_open_statements(w.conn), 0);
    world_free(&w);
    return code == PL_OK;
}

static void test_out_of_memory_anywhere(void **state) {
    (void)state;
    long k = 0;
    while (!try_with(k))
        k++;
    assert_true(k > 40);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_values_of_the_database_are_read_back),
        TEST(test_many_rows_with_values_of_the_database),
        TEST(test_text_that_nobody_keeps_is_left_to_be_loaded),
        TEST(test_update_forgets_computed_values),
        TEST(test_client_defaults),
        TEST(test_functions_fill_slots),
        TEST(test_versions_count_and_protect),
        TEST(test_version_of_a_row_taken_over),
        TEST(test_expressions_as_values),
        TEST(test_expression_among_plain_rows),
        TEST(test_joined_tables),
        TEST(test_many_joined_rows),
        TEST(test_text_and_composite_keys),
        TEST(test_key_that_children_follow),
        TEST(test_table_with_many_columns),
        TEST(test_check_names_its_attribute),
        TEST(test_bulk_insert),
        cmocka_unit_test(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
