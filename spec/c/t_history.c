/* SPDX-License-Identifier: MIT */
/*
** t_history.c - triggers that keep versions: their text, and that plain SQLite, with
** nothing of ours in it, records by them.
*/
#include "core/sql/history.h"
#include "nodes.h"

static pl_buf text;

/* A log as lua/perilune/history.lua makes it. */
static pl_table *log_of(pl_table *t, const char *name) {
    pl_table *log = NULL;
    assert_int_equal(pl_table_new(&F->md, name, NULL, &log, &F->err), PL_OK);
    add_column(log, PL_HISTORY_ID, PL_K_INTEGER)->primary_key = true;
    add_column(log, PL_HISTORY_OPERATION, PL_K_STRING);
    add_column(log, PL_HISTORY_FROM, PL_K_DATETIME);
    add_column(log, PL_HISTORY_UNTIL, PL_K_DATETIME);
    add_column(log, PL_HISTORY_TRANSACTION, PL_K_INTEGER);
    for (size_t i = 0; i < t->ncolumns; i++)
        add_column(log, t->columns[i]->name, t->columns[i]->type->kind);
    t->history = log;
    return log;
}

static const char *trigger(const pl_table *t, int which) {
    pl_buf_clear(&text);
    assert_int_equal(pl_history_trigger(&pl_dialect_sqlite, t, which, &text, &F->err),
                     PL_OK);
    return pl_buf_cstr(&text);
}

static int setup_history(void **state) {
    pl_buf_init(&text, pl_alloc_libc());
    int rc = setup(state);
    pl_table *tx = add_table("history_transaction");
    add_column(tx, "began", PL_K_DATETIME);
    add_column(tx, "open", PL_K_INTEGER);
    add_column(tx, "actor", PL_K_STRING);
    add_column(tx, "reason", PL_K_TEXT);
    F->md.history = tx;
    create(tx);
    create(log_of(F->group, "group_history"));
    for (int i = 0; i < PL_HISTORY_TRIGGERS; i++)
        execute(trigger(F->group, i));
    return rc;
}

static int teardown_history(void **state) {
    pl_buf_free(&text);
    return teardown(state);
}

/* The rows of the log as one text: operation, values, whether the version stands. */
static void check_log(const char *wanted) {
    sqlite3_stmt *stmt;
    assert_int_equal(
        sqlite3_prepare_v2(F->db,
                           "SELECT group_concat(version_operation || ' ' || id || ' ' || "
                           "coalesce(\"Name\", '-') || iif(version_until IS NULL, '', "
                           "' over') || coalesce(' in ' || version_transaction, ''), "
                           "', ') FROM group_history",
                           -1, &stmt, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    const char *found = (const char *)sqlite3_column_text(stmt, 0);
    assert_string_equal(found ? found : "", wanted);
    sqlite3_finalize(stmt);
}

static void reserved_names_are_quoted(void **state) {
    (void)state;
    const char *sql = trigger(F->group, 1);
    assert_non_null(strstr(sql, "CREATE TRIGGER group_history_update AFTER UPDATE ON "
                                "\"group\" WHEN old.id IS NOT new.id OR old.\"Name\" IS "
                                "NOT new.\"Name\" BEGIN UPDATE group_history SET "));
}

static void changes_are_recorded(void **state) {
    (void)state;
    execute("INSERT INTO \"group\" VALUES (1, 'a'), (2, NULL)");
    check_log("insert 1 a, insert 2 -");
    execute("UPDATE \"group\" SET \"Name\" = 'b' WHERE id = 1");
    execute("DELETE FROM \"group\"");
    check_log("insert 1 a over, insert 2 - over, update 1 b over, delete 1 b over, "
              "delete 2 - over");
}

static void nothing_changed_is_no_version(void **state) {
    (void)state;
    execute("INSERT INTO \"group\" VALUES (1, NULL)");
    execute("UPDATE \"group\" SET \"Name\" = NULL");
    check_log("insert 1 -");
}

static void replaced_rows_end(void **state) {
    (void)state;
    execute("INSERT INTO \"group\" VALUES (1, 'a')");
    execute("REPLACE INTO \"group\" VALUES (1, 'b')");
    check_log("insert 1 a over, insert 1 b");
}

static void a_moved_key_ends_one_version_and_begins_another(void **state) {
    (void)state;
    execute("INSERT INTO \"group\" VALUES (1, 'a')");
    execute("UPDATE \"group\" SET id = 5");
    check_log("insert 1 a over, delete 1 a over, update 5 a");
}

static void transactions_on_record_number_their_changes(void **state) {
    (void)state;
    const pl_dialect *d = &pl_dialect_sqlite;
    execute("INSERT INTO history_transaction (id, began, open) VALUES (7, '2026', 1)");
    execute("INSERT INTO \"group\" VALUES (1, 'a')");
    pl_buf_clear(&text);
    pl_history_discard_text(d, &F->md, &text);
    execute(pl_buf_cstr(&text));
    pl_buf_clear(&text);
    pl_history_close_text(d, &F->md, &text);
    execute(pl_buf_cstr(&text));
    execute("INSERT INTO \"group\" VALUES (2, 'b')");
    check_log("insert 1 a in 7, insert 2 b");
    execute("INSERT INTO history_transaction (id, began, open) VALUES (8, '2026', 1)");
    pl_buf_clear(&text);
    pl_history_discard_text(d, &F->md, &text);
    execute(pl_buf_cstr(&text));
    execute("INSERT INTO \"group\" SELECT count(*) + 10, 'n' FROM history_transaction");
    check_log("insert 1 a in 7, insert 2 b, insert 11 n");
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup_history, teardown_history)
    const struct CMUnitTest tests[] = {
        T(reserved_names_are_quoted),
        T(changes_are_recorded),
        T(nothing_changed_is_no_version),
        T(replaced_rows_end),
        T(a_moved_key_ends_one_version_and_begins_another),
        T(transactions_on_record_number_their_changes),
    };
    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
