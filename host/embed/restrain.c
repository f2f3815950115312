/* SPDX-License-Identifier: MIT */
/*
 * restrain.c - see restrain.h. SQLite owns the struct as what its function
 * perilune_active() belongs to, and frees it with the connection.
 */
#include "restrain.h"

#include <sqlite3.h>

#include "sqlfunctions.h"

enum {
    VALUE_BYTES = 16 << 20,      /* of one value in SQL */
    VALUE_BYTES_TIMED = 1 << 20, /* where functions must end in time, */
    TEXT_BYTES_TIMED = 4 << 10,  /* for texts up to here; less in longer ones */
    LIKE_BYTES = 256,
    OPCODES = 25000, /* of a statement: bounds compiling, too */
    PAGE = 4096
};

static const int limits[] = {
    SQLITE_LIMIT_LENGTH,          SQLITE_LIMIT_LIKE_PATTERN_LENGTH,
    SQLITE_LIMIT_ATTACHED,        SQLITE_LIMIT_EXPR_DEPTH,
    SQLITE_LIMIT_COMPOUND_SELECT, SQLITE_LIMIT_SQL_LENGTH,
    SQLITE_LIMIT_TRIGGER_DEPTH,   SQLITE_LIMIT_VDBE_OP,
    SQLITE_LIMIT_WORKER_THREADS};

enum { LIMITS = sizeof limits / sizeof *limits };

/* Invariant: g is NULL once the handle was given back. */
struct restraint {
    sqlite3 *db;
    guard *g;
    restraint **list, *next;
    sqlfunctions asking;
    int before[LIMITS];
    int defensive, recursive;
};

static void take_out(restraint *r) {
    restraint **at = r->list;
    while (at && *at && *at != r)
        at = &(*at)->next;
    if (at && *at)
        *at = r->next;
    r->list = NULL;
}

static void forget(void *ud) {
    take_out(ud);
    sqlite3_free(ud);
}

static int ask(void *ud) {
    const restraint *r = ud;
    return r->g && r->g->depth > 0 && guard_poll(r->g) != 0;
}

/* perilune_active(): whether a script of the host is running. */
static void sql_active(sqlite3_context *c, int n, sqlite3_value **args) {
    const restraint *r = sqlite3_user_data(c);
    (void)n, (void)args;
    sqlite3_result_int(c, r->g && r->g->depth > 0);
}

static void set_limits(restraint *r, bool timed) {
    const int wanted[LIMITS] = {timed ? VALUE_BYTES_TIMED : VALUE_BYTES,
                                LIKE_BYTES,
                                0,
                                200,
                                100,
                                timed ? 1 << 18 : 1 << 20,
                                50,
                                OPCODES,
                                0};
    for (size_t i = 0; i < LIMITS; i++)
        r->before[i] = sqlite3_limit(r->db, limits[i], wanted[i]);
}

static int flag_of(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    int value = 0;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static void set_flags(restraint *r) {
    sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, -1, &r->defensive);
    r->recursive = flag_of(r->db, "PRAGMA recursive_triggers");
    sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_exec(r->db, "PRAGMA recursive_triggers = 1", NULL, NULL, NULL);
    sqlite3_db_config(r->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(r->db, SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0, NULL);
}

/* A database in memory counts as memory. */
static void limit_pages(sqlite3 *db, int64_t memory) {
    char text[64];
    const char *file = sqlite3_db_filename(db, "main");
    if (memory <= 0 || (file && *file))
        return;
    sqlite3_int64 pages = memory / PAGE + 1;
    sqlite3_snprintf(sizeof text, text, "PRAGMA max_page_count = %lld", pages);
    sqlite3_exec(db, text, NULL, NULL, NULL);
}

int restrain(sqlite3 *db, guard *g, restraint **list) {
    bool timed = g->limits[PERILUNE_LIMIT_MILLISECONDS] > 0;
    restraint *r = sqlite3_malloc(sizeof *r);
    if (!r)
        return SQLITE_NOMEM;
    *r = (restraint){.db = db, .g = g, .list = list};
    r->asking = (sqlfunctions){ask, r};
    int rc = sqlite3_create_function_v2(db, "perilune_active", 0,
                                        SQLITE_UTF8 | SQLITE_INNOCUOUS, r, sql_active,
                                        NULL, NULL, forget);
    if (rc != SQLITE_OK)
        return rc;
    if (list) {
        r->next = *list;
        *list = r;
    } else {
        limit_pages(db, g->limits[PERILUNE_LIMIT_MEMORY]);
    }
    set_limits(r, timed);
    set_flags(r);
    return timed ? sqlfunctions_make(db, &r->asking) : SQLITE_OK;
}

bool restrain_has(const restraint *list, const sqlite3 *db) {
    while (list && list->db != db)
        list = list->next;
    return list != NULL;
}

void restrain_values(sqlite3 *db, size_t text) {
    size_t longer = text / TEXT_BYTES_TIMED + 1;
    (void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, (int)(VALUE_BYTES_TIMED / longer));
}

sqlite3 *restrain_end(restraint **list) {
    restraint *r = *list;
    if (!r)
        return NULL;
    take_out(r);
    r->g = NULL;
    for (size_t i = 0; i < LIMITS; i++)
        (void)sqlite3_limit(r->db, limits[i], r->before[i]);
    sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, r->defensive, NULL);
    if (!r->recursive)
        sqlite3_exec(r->db, "PRAGMA recursive_triggers = 0", NULL, NULL, NULL);
    return r->db;
}
