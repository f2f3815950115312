/* SPDX-License-Identifier: MIT */
/*
** mock.c - see mock.h. The mock comes to the driver as `options.shared`, so that nothing
** here is static and mutable; a connection of this driver is the pl_mock itself.
*/
#include "core/driver/mock.h"

#include <ctype.h>
#include <stddef.h>
#include <strings.h>

enum { PARAMETERS_MOST = 999 };

typedef struct mock_stmt {
    pl_mock *mock;
    pl_mock_script *script; /* being played, or NULL */
    size_t row;             /* next to play */
    bool running;
    size_t size;
    int nparams;
    const char *sql;
    pl_slot params[];
} mock_stmt;

/* ---- scripting ---- */

void pl_mock_init(pl_mock *m, pl_alloc alloc) {
    memset(m, 0, sizeof *m);
    m->alloc = alloc;
    pl_buf_init(&m->log, alloc);
    pl_vec_init(&m->scripts, alloc);
}

void pl_mock_free(pl_mock *m) {
    for (size_t i = 0; i < m->scripts.n; i++)
        pl_free(&m->alloc, m->scripts.v[i], sizeof(pl_mock_script));
    pl_vec_free(&m->scripts);
    pl_buf_free(&m->log);
}

static bool add_script(pl_mock *m, pl_mock_script script) {
    pl_mock_script *s = pl_new(&m->alloc, sizeof *s);
    if (!s)
        return false;
    *s = script;
    if (pl_vec_push(&m->scripts, s))
        return true;
    pl_free(&m->alloc, s, sizeof *s);
    return false;
}

bool pl_mock_rows(pl_mock *m, const char *part, const char *const *names, int ncolumns,
                  const pl_slot *rows, size_t nrows) {
    return add_script(m, (pl_mock_script){.part = part,
                                          .names = names,
                                          .ncolumns = ncolumns,
                                          .rows = rows,
                                          .nrows = nrows,
                                          .changes = -1});
}

bool pl_mock_fail(pl_mock *m, const char *part, pl_code code, int db_code,
                  const char *message, bool lost) {
    return add_script(m, (pl_mock_script){.part = part,
                                          .code = code,
                                          .db_code = db_code,
                                          .message = message,
                                          .changes = -1,
                                          .lost = lost});
}

bool pl_mock_changes(pl_mock *m, const char *part, int64_t changes) {
    return add_script(m, (pl_mock_script){.part = part, .changes = changes});
}

const char *pl_mock_log(const pl_mock *m) {
    return pl_buf_cstr(&m->log);
}

void pl_mock_clear_log(pl_mock *m) {
    pl_buf_clear(&m->log);
}

static pl_mock_script *find_script(pl_mock *m, const char *sql) {
    for (size_t i = 0; i < m->scripts.n; i++) {
        pl_mock_script *s = m->scripts.v[i];
        if (!s->played && strstr(sql, s->part))
            return s;
    }
    return NULL;
}

/* ---- SQL text, as far as the mock reads it ---- */

static bool begins(const char *sql, const char *word) {
    while (isspace((unsigned char)*sql))
        sql++;
    return strncasecmp(sql, word, strlen(word)) == 0;
}

/* Behind a quoted text that begins at p. */
static const char *skip_quoted(const char *p) {
    char quote = *p++;
    while (*p && *p != quote)
        p++;
    return *p ? p + 1 : p;
}

static size_t name_length(const char *p) {
    size_t n = 1;
    while (isalnum((unsigned char)p[n]) || p[n] == '_')
        n++;
    return n;
}

/* The next placeholder at or after p, or NULL. */
static const char *next_placeholder(const char *p) {
    while (*p && *p != '?' && *p != ':')
        p = *p == '\'' || *p == '"' ? skip_quoted(p) : p + 1;
    return *p ? p : NULL;
}

/* The number of a placeholder: ?7 is 7, a name met before has its first place. */
static int placeholder_number(const char *sql, const char *at, int most) {
    size_t n = name_length(at);
    if (*at == '?' && n > 1) {
        int number = 0;
        for (size_t i = 1; i < n && number <= PARAMETERS_MOST; i++)
            number = number * 10 + (at[i] - '0');
        return number;
    }
    int number = 0;
    for (const char *p = next_placeholder(sql); p && p < at && *at == ':';
         p = next_placeholder(p + name_length(p))) {
        number++;
        if (name_length(p) == n && memcmp(p, at, n) == 0)
            return number;
    }
    return most + 1;
}

static int count_placeholders(const char *sql) {
    int most = 0;
    for (const char *p = next_placeholder(sql); p;
         p = next_placeholder(p + name_length(p))) {
        int number = placeholder_number(sql, p, most);
        most = number > most ? number : most;
    }
    return most;
}

/* ---- the driver ---- */

static pl_code mock_open(const pl_uri *uri, const char *path, const pl_conn_options *o,
                         pl_alloc alloc, void **db, pl_error *err) {
    (void)uri, (void)path, (void)alloc, (void)err;
    pl_mock *m = o->shared;
    m->connections++;
    *db = m;
    return PL_OK;
}

static void mock_close(void *db) {
    pl_mock *m = db;
    m->connections--;
    m->hooks = (pl_conn_hooks){.ud = NULL};
}

pl_code pl_mock_open(pl_mock *m, pl_conn **out, pl_error *err) {
    pl_conn_options o = pl_conn_options_default();
    o.shared = m;
    return pl_conn_open(&pl_driver_mock, NULL, NULL, &o, m->alloc, out, err);
}

static pl_code mock_prepare(void *db, const char *sql, size_t len, bool keep, void **out,
                            size_t *used, pl_error *err) {
    pl_mock *m = db;
    (void)keep;
    *used = len;
    *out = NULL;
    char *text = pl_new(&m->alloc, len + 1);
    if (!text)
        return pl_nomem(err);
    memcpy(text, sql, len);
    text[len] = '\0';
    int nparams = count_placeholders(text);
    size_t head = offsetof(mock_stmt, params) + (size_t)nparams * sizeof(pl_slot);
    mock_stmt *s = nparams <= PARAMETERS_MOST ? pl_new(&m->alloc, head + len + 1) : NULL;
    if (s) {
        memset(s, 0, head);
        memcpy((char *)s + head, text, len + 1);
        s->mock = m;
        s->size = head + len + 1;
        s->nparams = nparams;
        s->sql = (char *)s + head;
        m->statements++;
        *out = s;
    }
    pl_free(&m->alloc, text, len + 1);
    return s ? PL_OK : pl_nomem(err);
}

static void mock_finalize(void *stmt) {
    mock_stmt *s = stmt;
    pl_alloc alloc = s->mock->alloc;
    s->mock->statements--;
    pl_free(&alloc, s, s->size);
}

static pl_code mock_bind(void *db, void *stmt, int i, const pl_slot *v, pl_error *err) {
    mock_stmt *s = stmt;
    (void)db, (void)err;
    s->params[i - 1] = *v;
    return PL_OK;
}

static void write_log(mock_stmt *s) {
    pl_mock *m = s->mock;
    pl_arena scratch;
    pl_arena_init(&scratch, m->alloc);
    const char *params = pl_params_text(s->params, (size_t)s->nparams, &scratch);
    pl_buf_str(&m->log, s->sql);
    if (params) {
        pl_buf_str(&m->log, " -- ");
        pl_buf_str(&m->log, params);
    }
    pl_buf_chr(&m->log, '\n');
    pl_arena_free(&scratch);
}

static void take_effect(mock_stmt *s) {
    pl_mock *m = s->mock;
    const pl_mock_script *script = s->script;
    bool insert = begins(s->sql, "INSERT");
    if (begins(s->sql, "BEGIN"))
        m->in_transaction = true;
    else if (begins(s->sql, "COMMIT") ||
             (begins(s->sql, "ROLLBACK") && !begins(s->sql, "ROLLBACK TO")))
        m->in_transaction = false;
    if (insert)
        m->last_id++;
    if (insert || begins(s->sql, "UPDATE") || begins(s->sql, "DELETE")) {
        m->changes = script && script->changes >= 0 ? script->changes : 1;
        m->total_changes += m->changes;
    }
}

static pl_step start(mock_stmt *s, pl_error *err) {
    pl_mock *m = s->mock;
    m->executions++;
    write_log(s);
    s->running = true;
    s->row = 0;
    s->script = find_script(m, s->sql);
    if (s->script)
        s->script->played = true;
    if (!s->script || s->script->code == PL_OK) {
        take_effect(s);
        return PL_STEP_DONE;
    }
    pl_fail(err, s->script->code, "%s", s->script->message);
    err->db_code = s->script->db_code;
    if (s->script->lost)
        m->in_transaction = false;
    return PL_STEP_ERROR;
}

static pl_step mock_step(void *db, void *stmt, pl_error *err) {
    mock_stmt *s = stmt;
    (void)db;
    if (!s->running && start(s, err) == PL_STEP_ERROR)
        return PL_STEP_ERROR;
    if (!s->script || s->row >= s->script->nrows)
        return PL_STEP_DONE;
    s->row++;
    return PL_STEP_ROW;
}

static bool mock_columns(void *stmt, int first, int n, pl_slot *out) {
    const mock_stmt *s = stmt;
    const pl_slot *row = s->script->rows + (s->row - 1) * (size_t)s->script->ncolumns;
    for (int i = 0; i < n; i++)
        out[i] = first + i < s->script->ncolumns ? row[first + i] : pl_slot_null();
    return true;
}

/* Before it runs, a statement has the columns of the script that it will find. */
static const pl_mock_script *script_of(void *stmt) {
    mock_stmt *s = stmt;
    return s->running ? s->script : find_script(s->mock, s->sql);
}

static int mock_column_count(void *stmt) {
    const pl_mock_script *script = script_of(stmt);
    return script ? script->ncolumns : 0;
}

static const char *mock_column_name(void *stmt, int i) {
    const pl_mock_script *script = script_of(stmt);
    return script && script->names && i < script->ncolumns ? script->names[i] : NULL;
}

static const char *mock_column_decltype(void *stmt, int i) {
    (void)stmt, (void)i;
    return NULL;
}

static int mock_parameter_count(void *stmt) {
    return ((mock_stmt *)stmt)->nparams;
}

static int mock_parameter_index(void *stmt, const char *name) {
    const mock_stmt *s = stmt;
    size_t n = strlen(name);
    int most = 0;
    for (const char *p = next_placeholder(s->sql); p;
         p = next_placeholder(p + name_length(p))) {
        int number = placeholder_number(s->sql, p, most);
        most = number > most ? number : most;
        if (name_length(p) == n && memcmp(p, name, n) == 0)
            return number;
    }
    return 0;
}

static bool mock_readonly(void *stmt) {
    const mock_stmt *s = stmt;
    return begins(s->sql, "SELECT") || begins(s->sql, "WITH") || begins(s->sql, "PRAGMA");
}

static void mock_reset(void *stmt) {
    mock_stmt *s = stmt;
    s->running = false;
    s->script = NULL;
}

static void mock_unbind(void *stmt) {
    mock_stmt *s = stmt;
    memset(s->params, 0, (size_t)s->nparams * sizeof *s->params);
}

static int64_t mock_changes(void *db) {
    return ((pl_mock *)db)->changes;
}

static int64_t mock_total_changes(void *db) {
    return ((pl_mock *)db)->total_changes;
}

static int64_t mock_last_id(void *db) {
    return ((pl_mock *)db)->last_id;
}

static bool mock_in_transaction(void *db) {
    return ((pl_mock *)db)->in_transaction;
}

static int64_t mock_data_version(void *db) {
    return ((pl_mock *)db)->data_version;
}

static void mock_set_hooks(void *db, const pl_conn_hooks *hooks) {
    ((pl_mock *)db)->hooks = *hooks;
}

static pl_code mock_function(void *db, const char *name, int nargs, bool deterministic,
                             pl_sqlfunc fn, void *ud, void (*destroy)(void *),
                             pl_error *err) {
    (void)db, (void)nargs, (void)deterministic, (void)fn;
    if (destroy)
        destroy(ud);
    return pl_fail(err, PL_ENOTSUPPORTED, "a mock cannot run the function %s", name);
}

static bool mock_has_triggers(void *db, const char *table) {
    (void)table;
    return ((pl_mock *)db)->triggers;
}

static pl_code mock_check_deferred(void *db, pl_error *err) {
    (void)db;
    (void)err;
    return PL_OK;
}

static bool mock_dangling(void *db) {
    (void)db;
    return false;
}

static void mock_trust_schema(void *db) {
    (void)db;
}

static void *mock_handle(void *db) {
    return db;
}

const pl_driver pl_driver_mock = {
    .name = "mock",
    .open = mock_open,
    .close = mock_close,
    .prepare = mock_prepare,
    .finalize = mock_finalize,
    .bind = mock_bind,
    .step = mock_step,
    .columns = mock_columns,
    .column_count = mock_column_count,
    .column_name = mock_column_name,
    .column_decltype = mock_column_decltype,
    .parameter_count = mock_parameter_count,
    .parameter_index = mock_parameter_index,
    .readonly = mock_readonly,
    .reset = mock_reset,
    .unbind = mock_unbind,
    .changes = mock_changes,
    .total_changes = mock_total_changes,
    .last_id = mock_last_id,
    .in_transaction = mock_in_transaction,
    .check_deferred = mock_check_deferred,
    .data_version = mock_data_version,
    .set_hooks = mock_set_hooks,
    .function = mock_function,
    .has_triggers = mock_has_triggers,
    .trust_schema = mock_trust_schema,
    .dangling = mock_dangling,
    .handle = mock_handle,
};
