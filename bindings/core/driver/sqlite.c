/* SPDX-License-Identifier: MIT */
/*
** sqlite.c - the SQLite driver: statements, values and errors.
**
** Bound text and blobs are not copied (SQLITE_STATIC): their bytes stay valid until the
** statement is reset and unbound, as driver.h asks. Connections are opened without
** SQLite's mutexes, so the value of a column may be read directly. Error texts are
** SQLite's own; classes follow the DB-API module of Python, which scripts know from
** SQLAlchemy. The caller owns statements and closes them before or after the connection.
*/
#include "core/driver/sqlite_db.h"

#include "core/driver/constraint.h"

#include <math.h>

/* ---- errors ---- */

static pl_code class_of(int rc) {
    if (rc == SQLITE_IOERR_NOMEM)
        return PL_ENOMEM;
    if (rc == SQLITE_CONSTRAINT_COMMITHOOK)
        return PL_EOPERATIONAL;
    switch (rc & 0xff) {
    case SQLITE_NOMEM: return PL_ENOMEM;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH: return PL_EINTEGRITY;
    case SQLITE_BUSY: return rc == SQLITE_BUSY_SNAPSHOT ? PL_EUPGRADE : PL_EBUSY;
    case SQLITE_LOCKED: /* by this connection, unless several share a cache */
        return rc == SQLITE_LOCKED_SHAREDCACHE ? PL_EBUSY : PL_EOPERATIONAL;
    case SQLITE_INTERRUPT: return PL_EINTERRUPT;
    case SQLITE_AUTH: return PL_EPERMISSION;
    case SQLITE_TOOBIG: return PL_EDATA;
    case SQLITE_INTERNAL:
    case SQLITE_NOTFOUND: return PL_EINTERNAL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT: return PL_EDATABASE;
    case SQLITE_MISUSE:
    case SQLITE_RANGE: return PL_EPROGRAMMING;
    default: return PL_EOPERATIONAL;
    }
}

/* A foreign key checked at COMMIT: the row is still there to be asked for. */
static const char violation_sql[] =
    "SELECT c.\"table\", c.parent, (SELECT group_concat(k.\"from\", ', ') FROM (SELECT"
    " \"from\" FROM pragma_foreign_key_list(c.\"table\") WHERE id = c.fkid ORDER BY seq)"
    " AS k) FROM pragma_foreign_key_check AS c LIMIT 1";

static void explain_deferred(pl_sqlite *db, pl_error *err) {
    sqlite3_stmt *stmt = NULL;
    bool before = db->internal;
    db->internal = true;
    if (sqlite3_prepare_v2(db->handle, violation_sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        const char *parent = (const char *)sqlite3_column_text(stmt, 1);
        err->table = pl_error_text(err, (const char *)sqlite3_column_text(stmt, 0));
        err->column = pl_error_text(err, (const char *)sqlite3_column_text(stmt, 2));
        if (err->table && err->column && parent)
            pl_hint(err,
                    "a row of \"%s\" refers by %s to a row of \"%s\" that is not there",
                    err->table, err->column, parent);
    }
    (void)sqlite3_finalize(stmt);
    db->internal = before;
}

static void explain_constraint(pl_sqlite *db, sqlite3_stmt *stmt, int rc, pl_error *err) {
    pl_constraint_explain(err, stmt ? sqlite3_sql(stmt) : NULL);
    bool ends =
        stmt && sqlite3_stmt_readonly(stmt) && !sqlite3_get_autocommit(db->handle);
    if (rc == SQLITE_CONSTRAINT_FOREIGNKEY && ends)
        explain_deferred(db, err);
}

static void add_hint(pl_sqlite *db, int rc, pl_error *err) {
    if (rc == SQLITE_BUSY && db->busy_timeout > 0)
        pl_hint(err,
                "another connection kept the database locked for longer than the "
                "busy timeout of %d ms",
                db->busy_timeout);
    else if (rc == SQLITE_LOCKED)
        pl_hint(err,
                "a result of this connection is still being read: read it to its end "
                "or close it");
    else if ((rc & 0xff) == SQLITE_FULL)
        pl_hint(err, "the disk is full, or max_page_count is reached");
}

pl_code pl_sqlite_fail(pl_sqlite *db, sqlite3_stmt *stmt, int rc, pl_error *err) {
    int last = db->handle ? sqlite3_extended_errcode(db->handle) : rc;
    bool own = db->handle && (last & 0xff) == (rc & 0xff);
    if (own) /* an adopted handle may report plain codes */
        rc = last;
    pl_code code = class_of(rc);
    if (code == PL_EBUSY && db->stopped)
        code = PL_EINTERRUPT;
    db->stopped = false;
    if (code == PL_ENOMEM) {
        if (err->code == PL_OK)
            pl_nomem(err);
        return err->code;
    }
    const char *text = own ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);
    if (err->code != PL_OK || pl_fail(err, code, "%s", text) != code)
        return err->code;
    err->db_code = rc;
    if (code == PL_EINTEGRITY)
        explain_constraint(db, stmt, rc, err);
    else
        add_hint(db, rc, err);
    return code;
}

/* ---- statements ---- */

static pl_code sqlite_prepare(void *p, const char *sql, size_t len, bool keep, void **out,
                              size_t *used, pl_error *err) {
    pl_sqlite *db = p;
    sqlite3_stmt *stmt = NULL;
    const char *tail = sql;
    *out = NULL;
    *used = 0;
    pl_sqlite_claim(db);
    if (len > INT32_MAX)
        return pl_fail(err, PL_EDATA, "the SQL text is too long");
    unsigned flags = keep ? SQLITE_PREPARE_PERSISTENT : 0;
    int rc = sqlite3_prepare_v3(db->handle, sql, (int)len, flags, &stmt, &tail);
    if (rc != SQLITE_OK)
        return pl_sqlite_fail(db, NULL, rc, err);
    *out = stmt;
    *used = (size_t)(tail - sql);
    return PL_OK;
}

static void sqlite_finalize(void *stmt) {
    (void)sqlite3_finalize(stmt);
}

static pl_code refuse_value(const pl_slot *v, pl_error *err) {
    if (v->tag == PL_REAL)
        return pl_fail(err, PL_EVALUE,
                       "NaN cannot be stored: the database would keep NULL");
    return pl_fail(err, PL_EPROGRAMMING, "an SQL expression cannot be a parameter");
}

static pl_code sqlite_bind(void *p, void *stmt, int i, const pl_slot *v, pl_error *err) {
    int rc;
    switch (v->tag) {
    case PL_INT: rc = sqlite3_bind_int64(stmt, i, v->v.i); break;
    case PL_REAL:
        if (isnan(v->v.r))
            return refuse_value(v, err);
        rc = sqlite3_bind_double(stmt, i, v->v.r);
        break;
    case PL_TEXT:
        rc = sqlite3_bind_text64(stmt, i, v->v.s ? v->v.s : "", v->len, SQLITE_STATIC,
                                 SQLITE_UTF8);
        break;
    case PL_BLOB:
        rc = sqlite3_bind_blob64(stmt, i, v->v.s ? v->v.s : "", v->len, SQLITE_STATIC);
        break;
    case PL_EXPR: return refuse_value(v, err);
    default: rc = sqlite3_bind_null(stmt, i); break;
    }
    return rc == SQLITE_OK ? PL_OK : pl_sqlite_fail(p, stmt, rc, err);
}

static pl_step sqlite_step(void *db, void *stmt, pl_error *err) {
    pl_sqlite_claim(db);
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        return PL_STEP_ROW;
    if (rc == SQLITE_DONE)
        return PL_STEP_DONE;
    pl_sqlite_fail(db, stmt, rc, err);
    return PL_STEP_ERROR;
}

/* UTF-16 databases and values made by functions may need memory to become UTF-8 text. */
static bool text_slot(sqlite3_value *v, pl_slot *out) {
    const unsigned char *s = sqlite3_value_text(v);
    if (!s) {
        *out = (pl_slot){.tag = PL_UNSET};
        return false;
    }
    *out = pl_slot_text((const char *)s, (size_t)sqlite3_value_bytes(v));
    return true;
}

static pl_slot blob_slot(sqlite3_value *v) {
    const void *s = sqlite3_value_blob(v);
    return pl_slot_blob(s ? s : "", s ? (size_t)sqlite3_value_bytes(v) : 0);
}

static bool sqlite_columns(void *stmt, int first, int n, pl_slot *out) {
    bool ok = true;
    for (int i = 0; i < n; i++) {
        sqlite3_value *v = sqlite3_column_value(stmt, first + i);
        switch (sqlite3_value_type(v)) {
        case SQLITE_INTEGER: out[i] = pl_slot_int(sqlite3_value_int64(v)); break;
        case SQLITE_TEXT: ok = text_slot(v, &out[i]) && ok; break;
        case SQLITE_FLOAT: out[i] = pl_slot_real(sqlite3_value_double(v)); break;
        case SQLITE_BLOB: out[i] = blob_slot(v); break;
        default: out[i] = pl_slot_null(); break;
        }
    }
    return ok;
}

static int sqlite_column_count(void *stmt) {
    return sqlite3_column_count(stmt);
}

static const char *sqlite_column_name(void *stmt, int i) {
    return sqlite3_column_name(stmt, i);
}

static const char *sqlite_column_decltype(void *stmt, int i) {
    return sqlite3_column_decltype(stmt, i);
}

static int sqlite_parameter_count(void *stmt) {
    return sqlite3_bind_parameter_count(stmt);
}

static int sqlite_parameter_index(void *stmt, const char *name) {
    return sqlite3_bind_parameter_index(stmt, name);
}

static bool sqlite_readonly(void *stmt) {
    return sqlite3_stmt_readonly(stmt) != 0 || sqlite3_stmt_isexplain(stmt) != 0;
}

static void sqlite_reset(void *stmt) {
    (void)sqlite3_reset(stmt);
}

static void sqlite_unbind(void *stmt) {
    (void)sqlite3_clear_bindings(stmt);
}

/* ---- the connection's own knowledge ---- */

static int64_t sqlite_changes(void *p) {
    return sqlite3_changes64(((pl_sqlite *)p)->handle);
}

static int64_t sqlite_total_changes(void *p) {
    return sqlite3_total_changes64(((pl_sqlite *)p)->handle);
}

static int64_t sqlite_last_id(void *p) {
    return sqlite3_last_insert_rowid(((pl_sqlite *)p)->handle);
}

static bool sqlite_in_transaction(void *p) {
    return !sqlite3_get_autocommit(((pl_sqlite *)p)->handle);
}

static pl_code sqlite_check_deferred(void *p, pl_error *err) {
    pl_sqlite *db = p;
    int open = 0, most = 0;
    (void)sqlite3_db_status(db->handle, SQLITE_DBSTATUS_DEFERRED_FKS, &open, &most, 0);
    if (open == 0 ||
        pl_fail(err, PL_EINTEGRITY, "FOREIGN KEY constraint failed") != PL_EINTEGRITY)
        return err->code;
    err->db_code = SQLITE_CONSTRAINT_FOREIGNKEY;
    pl_constraint_explain(err, "COMMIT");
    explain_deferred(db, err);
    return err->code;
}

static bool sqlite_dangling(void *p) {
    const pl_sqlite *db = p;
    int now = 0, most = 0;
    return sqlite3_db_status(db->handle, SQLITE_DBSTATUS_DEFERRED_FKS, &now, &most, 0) ==
               SQLITE_OK &&
           now != 0;
}

static void sqlite_trust_schema(void *p) {
    pl_sqlite *db = p;
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1, NULL);
}

static void *sqlite_handle(void *p) {
    return ((pl_sqlite *)p)->handle;
}

static const char *const own_sql[PL_OWN_COUNT] = {
    [PL_OWN_DATA_VERSION] = "PRAGMA data_version",
    [PL_OWN_SCHEMA_VERSION] = "PRAGMA main.schema_version",
    [PL_OWN_TEMP_VERSION] = "PRAGMA temp.schema_version",
    [PL_OWN_TRIGGERS] =
        "SELECT count(*) FROM (SELECT type, tbl_name FROM main.sqlite_schema"
        " UNION ALL SELECT type, tbl_name FROM temp.sqlite_schema)"
        " WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE",
};

/* The integer that a statement of the driver's own yields, or -1 on failure. */
static int64_t own_value(pl_sqlite *db, pl_own which, const char *arg) {
    int64_t value = -1;
    bool before = db->internal;
    db->internal = true;
    sqlite3_stmt **stmt = &db->own[which];
    if (*stmt || sqlite3_prepare_v3(db->handle, own_sql[which], -1,
                                    SQLITE_PREPARE_PERSISTENT, stmt, NULL) == SQLITE_OK) {
        if (arg)
            (void)sqlite3_bind_text(*stmt, 1, arg, -1, SQLITE_STATIC);
        if (sqlite3_step(*stmt) == SQLITE_ROW)
            value = sqlite3_column_int64(*stmt, 0);
        (void)sqlite3_reset(*stmt);
        if (arg)
            (void)sqlite3_clear_bindings(*stmt);
    }
    db->internal = before;
    return value;
}

static int64_t sqlite_data_version(void *p) {
    return own_value(p, PL_OWN_DATA_VERSION, NULL);
}

/* What the cache of has_triggers points to. */
static const bool answers[] = {false, true};

static bool sqlite_has_triggers(void *p, const char *table) {
    pl_sqlite *db = p;
    int64_t now[2] = {own_value(db, PL_OWN_SCHEMA_VERSION, NULL),
                      own_value(db, PL_OWN_TEMP_VERSION, NULL)};
    if (now[0] < 0 || now[1] < 0)
        return true;
    if (memcmp(now, db->versions, sizeof now) != 0) {
        pl_map_free(&db->triggers);
        memcpy(db->versions, now, sizeof now);
    }
    size_t len = strlen(table);
    const bool *known = pl_map_get(&db->triggers, table, len);
    if (known)
        return *known;
    int64_t count = own_value(db, PL_OWN_TRIGGERS, table);
    if (count >= 0)
        (void)pl_map_set(&db->triggers, table, len, (void *)&answers[count > 0]);
    return count != 0;
}

const pl_driver pl_driver_sqlite = {
    .name = "sqlite",
    .open = pl_sqlite_open,
    .close = pl_sqlite_close,
    .prepare = sqlite_prepare,
    .finalize = sqlite_finalize,
    .bind = sqlite_bind,
    .step = sqlite_step,
    .columns = sqlite_columns,
    .column_count = sqlite_column_count,
    .column_name = sqlite_column_name,
    .column_decltype = sqlite_column_decltype,
    .parameter_count = sqlite_parameter_count,
    .parameter_index = sqlite_parameter_index,
    .readonly = sqlite_readonly,
    .reset = sqlite_reset,
    .unbind = sqlite_unbind,
    .changes = sqlite_changes,
    .total_changes = sqlite_total_changes,
    .last_id = sqlite_last_id,
    .in_transaction = sqlite_in_transaction,
    .check_deferred = sqlite_check_deferred,
    .data_version = sqlite_data_version,
    .set_hooks = pl_sqlite_set_hooks,
    .function = pl_sqlite_function_new,
    .has_triggers = sqlite_has_triggers,
    .trust_schema = sqlite_trust_schema,
    .dangling = sqlite_dangling,
    .handle = sqlite_handle,
};
