/* SPDX-License-Identifier: MIT */
/*
** sqlite_open.c - opening a SQLite database: file name, flags, pragmas, closing.
**
** Defaults: foreign keys on; for files WAL with synchronous=NORMAL and mmap_size 128 MiB
** (reads by key then need no system call); double-quoted strings off; schema not trusted.
** What options name replaces a default of the same name. A read-only database is left in
** its journal mode. An adopted handle keeps its settings and is not closed. Errors say
** the absolute path of the file.
*/
#include "core/driver/sqlite_db.h"

#include "core/base/buf.h"
#include "core/driver/regexp.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_MOST = 4096 };

/* ---- file names ---- */

/* Query keys of a URI that speak to the driver, not to the file. */
static bool is_driver_option(const char *key) {
    static const char *const keys[] = {"uri",
                                       "timeout",
                                       "detect_types",
                                       "isolation_level",
                                       "check_same_thread",
                                       "cached_statements"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

static void put_escaped(pl_buf *b, const char *s) {
    for (; *s; s++) {
        if (strchr("%&#?=+ ", *s))
            pl_buf_fmt(b, "%%%02X", (unsigned)(unsigned char)*s);
        else
            pl_buf_chr(b, *s);
    }
}

/* The name SQLite opens: a path, or a file: URI with the options that are for it. */
static void file_name(const pl_uri *uri, const char *path, pl_buf *out) {
    const char *name = path ? path : uri->database;
    if (!uri->file_uri) {
        if (uri->memory || !name || !*name)
            name = ":memory:";
        else if (strncmp(name, "file:", 5) == 0)
            pl_buf_str(out, "./");
        pl_buf_str(out, name);
        return;
    }
    pl_buf_str(out, name);
    char between = strchr(name, '?') ? '&' : '?';
    for (size_t i = 0; i < uri->noptions; i++) {
        if (is_driver_option(uri->options[i].key))
            continue;
        pl_buf_chr(out, between);
        put_escaped(out, uri->options[i].key);
        pl_buf_chr(out, '=');
        put_escaped(out, uri->options[i].value);
        between = '&';
    }
}

/* Adds the path to the message, and why it cannot be opened when that can be seen. */
static pl_code fail_open(pl_sqlite *db, int rc, const char *name, pl_error *err) {
    char cwd[PATH_MOST];
    const char *text = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);
    pl_error inner;
    pl_error_init(&inner, db->alloc);
    pl_code code = pl_sqlite_fail(db, NULL, rc, &inner);
    pl_error_clear(&inner);
    if (code == PL_ENOMEM)
        return pl_nomem(err);
    bool whole = *name == '/' || *name == ':' || strncmp(name, "file:", 5) == 0 ||
                 !getcwd(cwd, sizeof cwd);
    pl_fail(err, code, "%s: %s%s%s", text, whole ? "" : cwd, whole ? "" : "/", name);
    err->db_code = rc;
    struct stat st;
    if ((rc & 0xff) != SQLITE_CANTOPEN)
        return err->code;
    if (stat(name, &st) != 0)
        pl_hint(err, errno == ENOENT ? "the file or its directory does not exist"
                                     : "the path cannot be read");
    else if (S_ISDIR(st.st_mode))
        pl_hint(err, "it is a directory");
    else if (access(name, R_OK) != 0)
        pl_hint(err, "the file cannot be read");
    return err->code;
}

/* ---- pragmas ---- */

static bool valid_name(const char *s) {
    size_t n = strlen(s);
    return n > 0 && n < 64 &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") == n;
}

static bool valid_value(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || strchr(";'\"`", *s))
            return false;
    return true;
}

/* Runs SQL that may yield one row; its first column goes to text (when not NULL). */
static int run(pl_sqlite *db, const char *sql, char *text, size_t size) {
    sqlite3_stmt *stmt = NULL;
    if (text)
        text[0] = '\0';
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return rc;
    if (sqlite3_step(stmt) == SQLITE_ROW && text) {
        const char *value = (const char *)sqlite3_column_text(stmt, 0);
        (void)sqlite3_snprintf((int)size, text, "%s", value ? value : "");
    }
    return sqlite3_finalize(stmt); /* also tells of a step that failed */
}

static int set_pragma(pl_sqlite *db, const char *name, const char *value) {
    char sql[512];
    (void)sqlite3_snprintf(sizeof sql, sql, "PRAGMA %s = '%q'", name, value);
    return run(db, sql, NULL, 0);
}

static bool given(const pl_conn_options *o, const char *name) {
    for (size_t i = 0; i < o->npragmas; i++)
        if (strcasecmp(o->pragmas[i].name, name) == 0)
            return true;
    return false;
}

static int set_default(pl_sqlite *db, const pl_conn_options *o, const char *name,
                       const char *value) {
    return given(o, name) ? SQLITE_OK : set_pragma(db, name, value);
}

/* SQLite ignores a pragma that it does not know; a slip must not pass unseen. */
static int is_known(pl_sqlite *db, const char *name, bool *known) {
    char sql[160], text[8];
    *known = true;
    (void)sqlite3_snprintf(
        sizeof sql, sql,
        "SELECT count(*) = 0 AND (SELECT count(*) FROM pragma_pragma_list)"
        " > 0 FROM pragma_pragma_list WHERE name = '%q' COLLATE NOCASE",
        name);
    int rc = run(db, sql, text, sizeof text);
    if (rc == SQLITE_OK)
        *known = text[0] != '1';
    return rc == SQLITE_NOMEM ? rc : SQLITE_OK;
}

static pl_code check_pragmas(pl_sqlite *db, const pl_conn_options *o, pl_error *err) {
    for (size_t i = 0; i < o->npragmas; i++) {
        const pl_pragma *p = &o->pragmas[i];
        bool known;
        if (!valid_name(p->name))
            return pl_fail(err, PL_EARGUMENT, "'%s' is not the name of a pragma",
                           p->name);
        if (!valid_value(p->value) || strlen(p->value) > 200)
            return pl_fail(err, PL_EARGUMENT, "pragma %s cannot have this value",
                           p->name);
        if (is_known(db, p->name, &known) != SQLITE_OK)
            return pl_nomem(err);
        if (!known)
            return pl_fail(err, PL_EARGUMENT, "SQLite has no pragma '%s'", p->name);
    }
    return PL_OK;
}

/* Pragmas that only a database without content takes come before all that reads it. */
static bool comes_first(const char *name) {
    return strcasecmp(name, "page_size") == 0 || strcasecmp(name, "auto_vacuum") == 0 ||
           strcasecmp(name, "encoding") == 0;
}

static pl_code set_given(pl_sqlite *db, const pl_conn_options *o, bool first,
                         pl_error *err) {
    for (size_t i = 0; i < o->npragmas; i++) {
        const pl_pragma *p = &o->pragmas[i];
        if (comes_first(p->name) != first)
            continue;
        int rc = set_pragma(db, p->name, p->value);
        if (rc != SQLITE_OK) {
            pl_sqlite_fail(db, NULL, rc, err);
            pl_hint(err, "pragma %s = %s", p->name, p->value);
            return err->code;
        }
    }
    return PL_OK;
}

/*
** Two that open a new file at once may find each other's lock, for which SQLite does not
** call the busy handler. A database that stays locked, or whose directory cannot be
** written, is used in the mode it has.
*/
static int enter_wal(pl_sqlite *db, bool *wal) {
    char mode[16];
    int rc;
    for (int count = 0;; count++) {
        rc = run(db, "PRAGMA journal_mode = WAL", mode, sizeof mode);
        if ((rc & 0xff) != SQLITE_BUSY || !pl_sqlite_wait(db, count))
            break;
    }
    *wal = rc == SQLITE_OK && strcmp(mode, "wal") == 0;
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM: return run(db, "PRAGMA schema_version", NULL, 0);
    default: return rc;
    }
}

static int set_file_defaults(pl_sqlite *db, const pl_conn_options *o) {
    bool wal = false;
    int rc;
    if (sqlite3_db_readonly(db->handle, "main") == 1 || given(o, "journal_mode"))
        rc = run(db, "PRAGMA schema_version", NULL, 0);
    else
        rc = enter_wal(db, &wal);
    if (rc == SQLITE_OK && wal)
        rc = set_default(db, o, "synchronous", "NORMAL");
    if (rc == SQLITE_OK)
        rc = set_default(db, o, "mmap_size", "134217728");
    return rc;
}

/* ---- opening ---- */

static void configure(pl_sqlite *db, bool readonly) {
    (void)sqlite3_extended_result_codes(db->handle, 1);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    /* Elsewhere migrations may need the journal and schema pragmas it forbids. */
    if (readonly)
        (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
}

static int timeout_of(const pl_uri *uri, const pl_conn_options *o, pl_error *err) {
    const char *text = pl_uri_option_get(uri, "timeout");
    if (o->busy_timeout >= 0 || !text)
        return o->busy_timeout >= 0 ? o->busy_timeout : PL_BUSY_TIMEOUT;
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end || !(seconds >= 0 && seconds < 1e6))
        pl_fail(err, PL_EARGUMENT, "the URI's timeout is not a number of seconds: '%s'",
                text);
    return err->code == PL_OK ? (int)(seconds * 1000) : 0;
}

static pl_code add_regexp(pl_sqlite *db, pl_error *err) {
    void *cache = pl_regexp_new(db->alloc);
    if (!cache)
        return pl_nomem(err);
    return pl_sqlite_function_new(db, "regexp", 2, true, pl_regexp, cache, pl_regexp_free,
                                  err);
}

static pl_code open_file(pl_sqlite *db, const pl_uri *uri, const char *name,
                         const pl_conn_options *o, pl_error *err) {
    int flags = SQLITE_OPEN_NOMUTEX | (uri->file_uri ? SQLITE_OPEN_URI : 0);
    bool file = !uri->memory;
    if (o->readonly && file)
        flags |= SQLITE_OPEN_READONLY;
    else
        flags |= SQLITE_OPEN_READWRITE | (o->create || !file ? SQLITE_OPEN_CREATE : 0);
    int rc = sqlite3_open_v2(name, &db->handle, flags, NULL);
    if (rc != SQLITE_OK)
        return fail_open(db, db->handle ? sqlite3_extended_errcode(db->handle) : rc, name,
                         err);
    configure(db, o->readonly);
    pl_sqlite_set_busy(db, timeout_of(uri, o, err));
    if (err->code != PL_OK || check_pragmas(db, o, err) != PL_OK ||
        set_given(db, o, true, err) != PL_OK)
        return err->code;
    rc = set_default(db, o, "foreign_keys", "ON");
    if (rc == SQLITE_OK && file)
        rc = set_file_defaults(db, o);
    if (rc == SQLITE_OK && o->readonly)
        rc = set_default(db, o, "query_only", "ON");
    if (rc != SQLITE_OK)
        return fail_open(db, rc, name, err);
    return set_given(db, o, false, err);
}

/* The owner's busy timeout is replaced only when there is one to come back to, or when
 * the options ask for another. */
static pl_code adopt(pl_sqlite *db, const pl_conn_options *o, pl_error *err) {
    char text[16];
    db->handle = o->shared;
    db->shared = true;
    int rc = run(db, "PRAGMA busy_timeout", text, sizeof text);
    if (rc != SQLITE_OK)
        return pl_sqlite_fail(db, NULL, rc, err);
    db->owner_timeout = (int)strtol(text, NULL, 10);
    int wanted = o->busy_timeout >= 0 ? o->busy_timeout : db->owner_timeout;
    if (wanted > 0 || o->busy_timeout >= 0)
        pl_sqlite_set_busy(db, wanted);
    return PL_OK;
}

static bool knows_regexp(pl_sqlite *db) {
    char text[8];
    int rc = run(db, "SELECT count(*) FROM pragma_function_list WHERE name = 'regexp'",
                 text, sizeof text);
    return rc == SQLITE_OK && text[0] != '0';
}

static pl_code open_named(pl_sqlite *db, const pl_uri *uri, const char *path,
                          const pl_conn_options *o, pl_error *err) {
    pl_buf name;
    pl_buf_init(&name, db->alloc);
    file_name(uri, path, &name);
    if (pl_buf_ok(&name))
        open_file(db, uri, pl_buf_cstr(&name), o, err);
    else
        pl_nomem(err);
    pl_buf_free(&name);
    return err->code;
}

pl_code pl_sqlite_open(const pl_uri *uri, const char *path, const pl_conn_options *o,
                       pl_alloc alloc, void **out, pl_error *err) {
    *out = NULL;
    pl_sqlite *db = pl_new(&alloc, sizeof *db);
    if (!db)
        return pl_nomem(err);
    *db = (pl_sqlite){.alloc = alloc, .versions = {-1, -1}};
    pl_map_init(&db->triggers, alloc);
    sqlite3_randomness(sizeof db->random, &db->random);
    db->random |= 1;
    pl_code code = o->shared ? adopt(db, o, err) : open_named(db, uri, path, o, err);
    if (code == PL_OK && !(db->shared && knows_regexp(db)))
        code = add_regexp(db, err);
    if (code != PL_OK) {
        pl_sqlite_close(db);
        return code;
    }
    *out = db;
    return PL_OK;
}

void pl_sqlite_close(void *p) {
    pl_sqlite *db = p;
    for (int i = 0; i < PL_OWN_COUNT; i++)
        (void)sqlite3_finalize(db->own[i]);
    if (db->handle) {
        pl_sqlite_unhook(db);
        pl_sqlite_drop_functions(db);
        if (!db->shared)
            (void)sqlite3_close_v2(db->handle);
    }
    pl_map_free(&db->triggers);
    pl_alloc alloc = db->alloc;
    pl_free(&alloc, db, sizeof *db);
}
