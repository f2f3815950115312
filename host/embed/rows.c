/* SPDX-License-Identifier: MIT */
/*
 * rows.c - see rows.h.
 *
 * The condition is the policy's own text, with :name for a variable of the context. It is
 * evaluated over a row's columns under their own names: in the view those of the table,
 * in the triggers those of NEW or OLD.
 */
#include "rows.h"

#include <string.h>
#include <strings.h>

#include <sqlite3.h>

static const struct {
    const char *name, *when, *which, *action;
} triggers[] = {{"insert", "AFTER INSERT", "NEW", "ABORT, 'the policy forbids this row'"},
                {"update", "AFTER UPDATE", "NEW", "ABORT, 'the policy forbids this row'"},
                {"pass update", "BEFORE UPDATE", "OLD", "IGNORE"},
                {"pass delete", "BEFORE DELETE", "OLD", "IGNORE"}};

#define MARK " made"

enum { TRIGGERS = sizeof triggers / sizeof *triggers };

bool rows_is_ours(const char *view, const char *name) {
    size_t n = strlen(view);
    if (!name || strncasecmp(name, view, n) != 0)
        return false;
    bool ours = name[n] == '\0';
    for (size_t i = 0; i < TRIGGERS && !ours; i++)
        ours = name[n] == ' ' && strcmp(name + n + 1, triggers[i].name) == 0;
    return ours;
}

bool rows_has_table(sqlite3 *db, const char *table) {
    return sqlite3_table_column_metadata(db, "main", table, NULL, NULL, NULL, NULL, NULL,
                                         NULL) == SQLITE_OK;
}

bool rows_is_empty(sqlite3 *db, const char *table) {
    sqlite3_stmt *stmt = NULL;
    char *sql = sqlite3_mprintf("SELECT 1 FROM main.\"%w\" LIMIT 1", table);
    bool empty = sql && (!rows_has_table(db, table) ||
                         (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
                          sqlite3_step(stmt) == SQLITE_DONE));
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    return empty;
}

bool rows_is_key(sqlite3 *db, const char *table, const char *column) {
    int key = 0;
    return column &&
           sqlite3_table_column_metadata(db, "main", table, column, NULL, NULL, NULL,
                                         &key, NULL) == SQLITE_OK &&
           key;
}

static int run(sqlite3 *db, char *sql) {
    int rc = sql ? sqlite3_exec(db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    return rc;
}

/* The condition with :name for variables. Texts in quotes stay. */
static char *condition_of(sqlite3 *db, const char *rows) {
    sqlite3_str *out = sqlite3_str_new(db);
    char quote = 0;
    for (const char *s = rows; *s; s++) {
        size_t n = strspn(s + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789_");
        if (quote ? *s == quote : *s == '\'' || *s == '"')
            quote = quote ? 0 : *s;
        if (!quote && *s == ':' && n > 0) {
            sqlite3_str_appendf(out, "perilune_var('%.*s')", (int)n, s + 1);
            s += n;
        } else {
            sqlite3_str_appendchar(out, 1, *s);
        }
    }
    return sqlite3_str_finish(out);
}

int rows_make_view(sqlite3 *db, const char *view, const char *table, const char *rows) {
    char *condition = condition_of(db, rows);
    int rc = SQLITE_NOMEM;
    if (condition)
        rc = run(db, sqlite3_mprintf("CREATE TEMP VIEW \"%w\" AS SELECT * FROM "
                                     "main.\"%w\" WHERE (%s)",
                                     view, table, condition));
    sqlite3_free(condition);
    return rc;
}

/* NEW's or OLD's columns under their own names, as a SELECT list. */
static char *row_of(sqlite3 *db, const char *table, const char *which) {
    char *sql = sqlite3_mprintf("SELECT name FROM pragma_table_xinfo(%Q, 'main')", table);
    sqlite3_str *list = sqlite3_str_new(db);
    sqlite3_stmt *stmt = NULL;
    if (sql && sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK)
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            const unsigned char *name = sqlite3_column_text(stmt, 0);
            sqlite3_str_appendf(list, "%s%s.\"%w\" AS \"%w\"",
                                sqlite3_str_length(list) ? ", " : "", which, name, name);
        }
    sqlite3_finalize(stmt);
    sqlite3_free(sql);
    return sqlite3_str_finish(list);
}

static int make_trigger(sqlite3 *db, size_t i, const char *view, const char *table,
                        const char *condition) {
    char *row = row_of(db, table, triggers[i].which);
    int rc = SQLITE_ERROR;
    if (row)
        rc = run(
            db,
            sqlite3_mprintf(
                "CREATE TEMP TRIGGER \"%w %s\" %s ON main.\"%w\" WHEN perilune_active() "
                "AND NOT EXISTS (SELECT 1 FROM (SELECT %s) WHERE (%s)) BEGIN SELECT "
                "RAISE(%s); "
                "END",
                view, triggers[i].name, triggers[i].when, table, row, condition,
                triggers[i].action));
    sqlite3_free(row);
    return rc;
}

/* A table without rows tells that the triggers are there: it goes with them in a
 * rollback, and can be asked for while a statement is compiled. */
bool rows_has_triggers(sqlite3 *db, const char *view) {
    char *name = sqlite3_mprintf("%s" MARK, view);
    bool has = name && sqlite3_table_column_metadata(db, "temp", name, NULL, NULL, NULL,
                                                     NULL, NULL, NULL) == SQLITE_OK;
    sqlite3_free(name);
    return has;
}

int rows_make_triggers(sqlite3 *db, const char *view, const char *table,
                       const char *rows) {
    char *condition = condition_of(db, rows);
    int rc = condition ? SQLITE_OK : SQLITE_NOMEM;
    for (size_t i = 0; i < TRIGGERS && rc == SQLITE_OK; i++)
        rc = make_trigger(db, i, view, table, condition);
    if (rc == SQLITE_OK)
        rc = run(db, sqlite3_mprintf("CREATE TEMP TABLE \"%w" MARK "\" (made)", view));
    sqlite3_free(condition);
    return rc;
}

void rows_drop(sqlite3 *db, const char *view) {
    for (size_t i = 0; i < TRIGGERS; i++)
        (void)run(db, sqlite3_mprintf("DROP TRIGGER IF EXISTS temp.\"%w %s\"", view,
                                      triggers[i].name));
    (void)run(db, sqlite3_mprintf("DROP TABLE IF EXISTS temp.\"%w" MARK "\"", view));
    (void)run(db, sqlite3_mprintf("DROP VIEW IF EXISTS temp.\"%w\"", view));
}
