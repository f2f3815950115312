/* SPDX-License-Identifier: MIT */
/*
 * Rules for databases; see policy.h.
 *
 * The authorizer is asked for every table and column that a statement touches, with the
 * view or trigger that does so. A table with a rule on rows may be read by its view only.
 * Updating and deleting by key reads the key, as does a foreign key: it is let through in
 * statements that change a table and select from none, and where one looks for its rows.
 * That a row of that key exists is no secret, what is in it is. The triggers pass over
 * rows outside the rule.
 */
#include "policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sqlite3.h>

#include "restrain.h"
#include "rows.h"
#include "sqltext.h"
#include "sqlweight.h"

enum {
    COPIES_MOST = 5000,  /* of SELECTs in a statement */
    TERMS_MOST = 100000, /* in an expression */
    JOINS_TIMED = 100,   /* of texts in a statement */
    CALLS_TIMED = 500,   /* of functions in a statement that runs without a loop */
    CALLS_HEAVY = 10     /* for one that takes long */
};

/* true for all, or a list of names. */
typedef struct names {
    bool all;
    const perilune_value *list;
} names;

typedef struct rule {
    const char *table;
    names read, hidden, update;
    bool insert, remove;
    const char *rows; /* condition, or NULL */
    char *view;       /* "table (rows)", where there is one */
    bool empty;       /* while a statement that makes an index is compiled */
} rule;

struct policy {
    guard *guard;
    rule *rules;
    size_t nrules;
    bool sandbox, has_rules, schema, readonly, read, write;
    const perilune_value *databases, *functions;
    policy_variable variable;
    void *ud;
    restraint *shared; /* handles of the program */
    int calls;         /* of functions, in the statement being compiled */
    bool internal;     /* statements of the policy's own are being compiled */
    bool plain;       /* the statement being compiled selects nothing from other tables */
    bool selecting;   /* and now it does */
    bool changing;    /* it changes a table */
    const rule *into; /* what it updates or deletes */
    bool indexing;    /* it makes a table or an index */
};

policy *policy_new(bool sandbox, unsigned allow, bool readonly) {
    policy *p = calloc(1, sizeof *p);
    if (p) {
        p->schema = true;
        p->sandbox = sandbox;
        p->readonly = readonly;
        p->read = !sandbox || (allow & PERILUNE_ALLOW_READ);
        p->write = !sandbox || (allow & PERILUNE_ALLOW_WRITE);
    }
    return p;
}

/* ---- reading --------------------------------------------------------------------- */

typedef struct reader {
    policy *p;
    guard *g;
    unsigned *allow;
    char *message;
    size_t size;
    bool failed;
} reader;

static void fail(reader *r, const char *where, const char *what) {
    if (!r->failed)
        (void)snprintf(r->message, r->size, "policy: %s %s", where, what);
    r->failed = true;
}

static bool boolean(reader *r, const char *where, const perilune_value *v) {
    if (v->type != PERILUNE_BOOLEAN)
        fail(r, where, "must be true or false");
    return v->type == PERILUNE_BOOLEAN && v->as.boolean;
}

static const perilune_value *texts(reader *r, const char *where,
                                   const perilune_value *v) {
    if (v->type != PERILUNE_LIST) {
        fail(r, where, "must be a list of names");
        return NULL;
    }
    for (size_t i = 0; i < v->size; i++)
        if (v->as.items[i].type != PERILUNE_TEXT)
            fail(r, where, "must be a list of names");
    return r->failed ? NULL : v;
}

static names columns(reader *r, const char *where, const perilune_value *v) {
    if (v->type == PERILUNE_BOOLEAN)
        return (names){.all = v->as.boolean};
    return (names){.list = texts(r, where, v)};
}

static void number(reader *r, const char *where, const perilune_value *v, int limit) {
    if (v->type == PERILUNE_INTEGER && v->as.integer >= 0)
        r->g->limits[limit] = v->as.integer;
    else
        fail(r, where, "must be a whole number");
}

static bool is(const perilune_value *v, const char *name) {
    return v->type == PERILUNE_TEXT && strcmp(v->as.text, name) == 0;
}

static void read_rule_field(reader *r, rule *to, const perilune_pair *f) {
    const perilune_value *v = &f->value;
    if (is(&f->key, "read"))
        to->read = columns(r, "read", v);
    else if (is(&f->key, "hidden"))
        to->hidden = columns(r, "hidden", v);
    else if (is(&f->key, "update"))
        to->update = columns(r, "update", v);
    else if (is(&f->key, "insert"))
        to->insert = boolean(r, "insert", v);
    else if (is(&f->key, "delete"))
        to->remove = boolean(r, "delete", v);
    else if (is(&f->key, "rows") && v->type == PERILUNE_TEXT)
        to->rows = v->as.text;
    else
        fail(r, f->key.type == PERILUNE_TEXT ? f->key.as.text : "a key",
             "is not known in a table's rules (read, hidden, insert, update, delete, "
             "rows)");
}

static void read_rules(reader *r, const perilune_value *v) {
    size_t n = v->type == PERILUNE_MAP ? v->size : 0;
    if (v->type != PERILUNE_MAP && v->size > 0)
        fail(r, "tables", "must be a table name = rules");
    r->p->has_rules = true;
    r->p->rules = calloc(n + 1, sizeof *r->p->rules);
    if (!r->p->rules)
        fail(r, "tables", "need more memory");
    for (size_t i = 0; i < n && !r->failed; i++) {
        const perilune_pair *f = &v->as.pairs[i];
        rule *to = &r->p->rules[r->p->nrules];
        if (f->key.type != PERILUNE_TEXT || strlen(f->key.as.text) != f->key.size ||
            (f->value.type != PERILUNE_MAP && f->value.size > 0)) {
            fail(r, "tables", "must be a table name = rules");
            return;
        }
        to->table = f->key.as.text;
        for (size_t k = 0; f->value.type == PERILUNE_MAP && k < f->value.size; k++)
            read_rule_field(r, to, &f->value.as.pairs[k]);
        if (to->rows && strcmp(to->table, "*") == 0)
            fail(r, "rows", "cannot stand in the rules for all tables");
        if (to->rows && !(to->view = sqlite3_mprintf("%s" SQLTEXT_RESERVED, to->table)))
            fail(r, "rows", "need more memory");
        r->p->nrules++;
    }
}

static void read_allow(reader *r, const perilune_value *v) {
    static const char *const words[] = {"read",    "write",  "env",
                                        "process", "native", "bytecode"};
    if (!texts(r, "allow", v))
        return;
    for (size_t i = 0; i < v->size; i++) {
        size_t k = 0;
        while (k < sizeof words / sizeof *words && !is(&v->as.items[i], words[k]))
            k++;
        if (k == sizeof words / sizeof *words)
            fail(r, "allow", "knows read, write, env, process, native, bytecode");
        else
            *r->allow |= 1u << k;
    }
}

static void read_field(reader *r, const perilune_pair *f) {
    static const char *const limits[] = {"memory", "instructions", "milliseconds", "rows",
                                         "connections"};
    for (int i = 0; i < GUARD_LIMITS; i++)
        if (is(&f->key, limits[i])) {
            number(r, limits[i], &f->value, i);
            return;
        }
    if (is(&f->key, "databases"))
        r->p->databases = texts(r, "databases", &f->value);
    else if (is(&f->key, "sql_functions"))
        r->p->functions = texts(r, "sql_functions", &f->value);
    else if (is(&f->key, "readonly"))
        r->p->readonly = boolean(r, "readonly", &f->value);
    else if (is(&f->key, "schema"))
        r->p->schema = boolean(r, "schema", &f->value);
    else if (is(&f->key, "tables"))
        read_rules(r, &f->value);
    else if (is(&f->key, "allow"))
        read_allow(r, &f->value);
    else
        fail(r, f->key.type == PERILUNE_TEXT ? f->key.as.text : "a key",
             "is not known in a policy");
}

int policy_read(policy *p, const perilune_value *value, guard *g, unsigned *allow,
                char *message, size_t size) {
    reader r = {.p = p, .g = g, .allow = allow, .message = message, .size = size};
    if (value->type != PERILUNE_MAP &&
        !(value->type == PERILUNE_LIST && value->size == 0))
        fail(&r, "the file", "must return a table");
    p->schema = false;
    for (size_t i = 0; !r.failed && value->type == PERILUNE_MAP && i < value->size; i++)
        read_field(&r, &value->as.pairs[i]);
    p->read = p->read || (*allow & PERILUNE_ALLOW_READ);
    p->write = p->write || (*allow & PERILUNE_ALLOW_WRITE);
    return r.failed ? PERILUNE_EPOLICY : PERILUNE_OK;
}

/* ---- what a statement may do ----------------------------------------------------- */

enum { ALLOW = 0, DENY = 1, AS_NULL = 2 };

static bool listed(const perilune_value *list, const char *name) {
    for (size_t i = 0; list && name && i < list->size; i++)
        if (strcasecmp(list->as.items[i].as.text, name) == 0)
            return true;
    return false;
}

static bool is_one_of(const char *name, const char *const *list) {
    while (name && *list && strcasecmp(name, *list) != 0)
        list++;
    return name && *list;
}

static bool has(const names *n, const char *name) {
    return n->all || listed(n->list, name);
}

/* The rule for all others is not for what SQLite keeps: samples of columns, whole pages.
 */
static const rule *rule_of(const policy *p, const char *table) {
    const rule *any = NULL;
    for (size_t i = 0; table && i < p->nrules; i++) {
        if (strcasecmp(p->rules[i].table, table) == 0)
            return &p->rules[i];
        if (strcmp(p->rules[i].table, "*") == 0)
            any = &p->rules[i];
    }
    bool own = table && (strncasecmp(table, "sqlite_", 7) == 0 ||
                         strcasecmp(table, "dbstat") == 0);
    return own ? NULL : any;
}

/* The rule that a view or trigger of ours belongs to. */
static const rule *rule_of_ours(const policy *p, const char *name) {
    for (size_t i = 0; name && i < p->nrules; i++)
        if (p->rules[i].rows && rows_is_ours(p->rules[i].view, name))
            return &p->rules[i];
    return NULL;
}

/* Whether only a rule of the policy's own may have a name. */
static bool is_reserved(const char *name) {
    return name && sqlite3_strlike("%" SQLTEXT_RESERVED "%", name, 0) == 0;
}

static bool is_schema_table(const char *name) {
    return name && (strcasecmp(name, "sqlite_master") == 0 ||
                    strcasecmp(name, "sqlite_schema") == 0 ||
                    strcasecmp(name, "sqlite_temp_master") == 0 ||
                    strcasecmp(name, "sqlite_temp_schema") == 0);
}

/* Reads its arguments only. */
static bool is_json_function(sqlite3 *db, const char *table) {
    static const char *const known[] = {"json_each", "json_tree", NULL};
    return is_one_of(table, known) && !rows_has_table(db, table);
}

static int may_read(const policy *p, sqlite3 *db, const char *table, const char *column,
                    const char *via) {
    const rule *view = rule_of_ours(p, table);
    const rule *r = view ? view : rule_of(p, table);
    if (!p->has_rules || is_schema_table(table))
        return ALLOW;
    if (rule_of_ours(p, via))
        return ALLOW; /* what the view shows is asked of the view */
    if (!r)
        return is_json_function(db, table) ? ALLOW : DENY;
    if (p->indexing && !p->selecting && (r->rows || listed(r->hidden.list, column)))
        return r->empty ? ALLOW : DENY; /* an expression may fail for some values */
    if (r->rows && !view)
        return !p->selecting && (p->into == r || (p->plain && p->changing)) &&
                       rows_is_key(db, table, column)
                   ? ALLOW
                   : DENY;
    if (listed(r->hidden.list, column))
        return AS_NULL;
    if (has(&r->read, column))
        return ALLOW;
    return (!column || !*column) && r->read.list ? ALLOW : DENY;
}

static int may_change(policy *p, sqlite3 *db, int action, const char *table,
                      const char *column) {
    const rule *r = rule_of(p, table);
    if (p->readonly)
        return DENY;
    if (!p->has_rules)
        return ALLOW;
    if (!r || (r->rows && !rows_has_triggers(db, r->view)))
        return DENY;
    p->changing = true;
    if (action != SQLITE_INSERT)
        p->into = r;
    if (action == SQLITE_INSERT)
        return r->insert ? ALLOW : DENY;
    if (action == SQLITE_DELETE)
        return r->remove ? ALLOW : DENY;
    return has(&r->update, column) ? ALLOW : DENY;
}

static bool is_timed(const policy *p) {
    return p->sandbox && p->guard->limits[PERILUNE_LIMIT_MILLISECONDS] > 0;
}

/* Each call may work on a value as large as values get, and nothing looks at the time
 * before the next jump. */
static bool is_too_much(policy *p, const char *name) {
    bool heavy = strncasecmp(name, "json", 4) == 0 || *name == '-' ||
                 strcasecmp(name, "randomblob") == 0 || strcasecmp(name, "printf") == 0 ||
                 strcasecmp(name, "format") == 0;
    p->calls += heavy ? CALLS_HEAVY : 1;
    return is_timed(p) && p->calls > CALLS_TIMED;
}

static int may_call(policy *p, const char *name) {
    static const char *const never[] = {
        "load_extension", "fts3_tokenizer", "readfile",   "writefile",
        "edit",           "regexp",         "json_patch", NULL};
    static const char *const renames[] = {"sqlite_rename_table", "sqlite_rename_column",
                                          NULL};
    if (p->has_rules && is_one_of(name, renames))
        return DENY; /* rules go by names */
    if (is_too_much(p, name))
        return DENY;
    return listed(p->functions, name) || !is_one_of(name, never) ? ALLOW : DENY;
}

/* Pragmas that a sandbox may use: to read, to read about a name, for a transaction. */
static int may_use_pragma(const char *name, const char *argument) {
    static const char *const plain[] = {"data_version",
                                        "schema_version",
                                        "user_version",
                                        "application_id",
                                        "foreign_keys",
                                        "busy_timeout",
                                        NULL};
    static const char *const named[] = {
        "table_info",       "table_xinfo",       "table_list",
        "index_list",       "index_info",        "index_xinfo",
        "foreign_key_list", "foreign_key_check", NULL};
    if (is_one_of(name, named) || strcasecmp(name, "defer_foreign_keys") == 0)
        return ALLOW;
    return is_one_of(name, plain) && !argument ? ALLOW : DENY;
}

/* A table that may be altered or dropped: not one that others' rows are in, or that has
 * values which a column made of them would show. */
static bool is_open(const policy *p, const char *table) {
    const rule *r = rule_of(p, table);
    return r && !r->rows && !r->hidden.all && !r->hidden.list;
}

/* Whether an action on a, which belongs to b, leaves the rules on tables as they are. */
static bool keeps_rules(const policy *p, int action, const char *a, const char *b) {
    const rule *of_a = rule_of(p, a), *of_b = rule_of(p, b);
    switch (action) {
    case SQLITE_ALTER_TABLE: return is_open(p, b);
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_VTABLE: return is_open(p, a);
    case SQLITE_CREATE_TRIGGER: return false; /* it would act for those without rules */
    case SQLITE_DROP_TRIGGER: return is_open(p, b);
    case SQLITE_CREATE_TEMP_TRIGGER:
    case SQLITE_DROP_TEMP_TRIGGER: return !of_b || !of_b->rows;
    case SQLITE_CREATE_VIEW:
    case SQLITE_CREATE_TEMP_VIEW:
    case SQLITE_CREATE_VTABLE: return !of_a || !of_a->rows;
    default: return true;
    }
}

static int may_change_schema(policy *p, int action, const char *a, const char *b) {
    static const char *const modules[] = {"fts5", "rtree", NULL};
    bool is_virtual = action == SQLITE_CREATE_VTABLE || action == SQLITE_DROP_VTABLE;
    if (!p->schema || p->readonly || (is_virtual && !is_one_of(b, modules)))
        return DENY;
    if (action == SQLITE_CREATE_TABLE || action == SQLITE_CREATE_INDEX)
        p->indexing = true;
    return !p->has_rules || (!is_reserved(a) && keeps_rules(p, action, a, b)) ? ALLOW
                                                                              : DENY;
}

/* Whether an action changes anything but temporary tables. */
static bool changes(int action, const char *pragma) {
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_FUNCTION:
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
    case SQLITE_RECURSIVE: return false;
    case SQLITE_PRAGMA: return strcasecmp(pragma, "query_only") == 0;
    default: return true;
    }
}

static int authorize(void *ud, void *handle, int action, const char *a, const char *b,
                     const char *schema, const char *via) {
    policy *p = ((guard *)ud)->policy;
    (void)schema;
    if (p->internal || (!p->sandbox && !changes(action, a)))
        return ALLOW;
    if (p->guard->depth == 0)
        return ALLOW; /* a statement of the program's, on a handle that it shares */
    if (guard_poll(p->guard) != 0)
        return DENY;
    switch (action) {
    case SQLITE_SELECT:
        if (!rule_of_ours(p, via) && (via || !p->plain))
            p->selecting = true;
        return ALLOW;
    case SQLITE_READ: return may_read(p, handle, a, b, via);
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        /* A statement that changes the schema is asked for itself. The first use of a
         * virtual table looks like the end of one that makes a table. */
        if (is_schema_table(a))
            return action == SQLITE_UPDATE || (p->schema && !p->readonly) ? ALLOW : DENY;
        return may_change(p, handle, action, a, b);
    case SQLITE_FUNCTION: return may_call(p, b);
    case SQLITE_PRAGMA: return may_use_pragma(a, b);
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
    case SQLITE_RECURSIVE: return ALLOW;
    case SQLITE_ATTACH:
    case SQLITE_DETACH: return DENY;
    default: return may_change_schema(p, action, a, b);
    }
}

/* ---- opening --------------------------------------------------------------------- */

/* File names differ by case. */
static bool names_database(const policy *p, const char *path) {
    size_t i = 0;
    while (i < p->databases->size && !is(&p->databases->as.items[i], path))
        i++;
    return i < p->databases->size;
}

static const char *opening(void *ud, const char *path, int *readonly) {
    guard *g = ud;
    const policy *p = g->policy;
    const char *why = g->watch_opening(ud, path, readonly);
    if (why)
        return why;
    if (p->readonly || (p->read && !p->write && !p->databases))
        *readonly = 1;
    if (p->databases)
        return names_database(p, path ? path : ":memory:")
                   ? NULL
                   : "the policy does not name this database";
    return path && !p->read && !p->write ? "the sandbox may not open database files"
                                         : NULL;
}

/* The others speak to the file, the process or the rules of the policy. What becomes of a
 * database in memory is the script's own business. */
static const char *pragma(void *ud, const char *path, const char *name) {
    static const char *const known[] = {"automatic_index",           "busy_timeout",
                                        "defer_foreign_keys",        "query_only",
                                        "reverse_unordered_selects", NULL};
    const policy *p = ((guard *)ud)->policy;
    bool harmless =
        is_one_of(name, known) || (!path && strcasecmp(name, "foreign_keys") == 0);
    return !p->sandbox || harmless ? NULL : "the sandbox may not set this pragma";
}

/* ---- rules on rows --------------------------------------------------------------- */

/* perilune_var(name) in SQL: a variable of the context in force. */
static void sql_variable(sqlite3_context *c, int n, sqlite3_value **args) {
    const policy *p = sqlite3_user_data(c);
    const char *name = (const char *)sqlite3_value_text(args[0]);
    perilune_value v = {PERILUNE_NIL, 0, {0}};
    (void)n;
    if (name && p->variable)
        p->variable(p->ud, name, &v);
    switch (v.type) {
    case PERILUNE_BOOLEAN: sqlite3_result_int(c, v.as.boolean); break;
    case PERILUNE_INTEGER: sqlite3_result_int64(c, v.as.integer); break;
    case PERILUNE_NUMBER: sqlite3_result_double(c, v.as.number); break;
    case PERILUNE_TEXT:
        sqlite3_result_text(c, v.as.text, (int)v.size, SQLITE_TRANSIENT);
        break;
    default: sqlite3_result_null(c);
    }
}

/* Names and texts in the file that would pass for a rule's own. */
static bool has_reserved(sqlite3 *db) {
    static const char sql[] = "SELECT 1 FROM main.sqlite_schema WHERE instr(name, "
                              "' (rows)') OR (type IN ('view', 'trigger') AND "
                              "instr(lower(sql), ' (rows)')) LIMIT 1";
    sqlite3_stmt *stmt = NULL;
    bool has = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK ||
               sqlite3_step(stmt) != SQLITE_DONE;
    sqlite3_finalize(stmt);
    return has;
}

static const char *make_views(policy *p, sqlite3 *db) {
    bool any = false;
    for (size_t i = 0; i < p->nrules; i++) {
        const rule *r = &p->rules[i];
        if (!r->rows)
            continue;
        if (!any && sqlite3_create_function_v2(db, "perilune_var", 1,
                                               SQLITE_UTF8 | SQLITE_INNOCUOUS, p,
                                               sql_variable, NULL, NULL, NULL))
            return "a rule of the policy cannot be set up";
        if (!any && has_reserved(db))
            return "the database has names that are kept for rules on rows";
        any = true;
        if (rows_make_view(db, r->view, r->table, r->rows) != SQLITE_OK)
            return "a rule on rows is not valid";
    }
    return NULL;
}

/* The triggers of every table that is there: it may have been made since. */
static const char *make_triggers(policy *p, sqlite3 *db) {
    for (size_t i = 0; i < p->nrules; i++) {
        const rule *r = &p->rules[i];
        if (r->rows && !p->readonly && rows_has_table(db, r->table) &&
            !rows_has_triggers(db, r->view) &&
            rows_make_triggers(db, r->view, r->table, r->rows) != SQLITE_OK)
            return "a rule on rows is not valid for its table";
    }
    return NULL;
}

static const char *refuse_text(policy *p, sqlite3 *db, const char *sql, size_t len) {
    if (is_timed(p) && sqltext_joins(sql, len) > JOINS_TIMED)
        return "too many texts are joined for a limit of time";
    if (len > 1 << 20)
        return "the statement is too long for the sandbox";
    sqlweight w = sqlweight_in(db, sql, len);
    if (w.selects > COPIES_MOST || w.terms > TERMS_MOST)
        return "the statement uses views, WITH or subqueries within each other too often";
    if (!p->has_rules)
        return NULL;
    if (sqltext_joins_by_name(sql, len))
        return "NATURAL and USING join by columns that the policy is not told of: use ON";
    return sqltext_takes_reserved(sql, len) ? "the policy keeps this name for its rules"
                                            : NULL;
}

/* What the authorizer is not told of is looked for in the text. */
static const char *compiling(void *ud, void *handle, const char *sql, size_t len,
                             int again) {
    policy *p = ((guard *)ud)->policy;
    const char *why = NULL;
    p->changing = p->selecting = p->indexing = false;
    p->into = NULL;
    p->calls = 0;
    if (is_timed(p))
        restrain_values(handle, len);
    p->internal = true;
    if (p->sandbox && !again)
        why = refuse_text(p, handle, sql, len);
    if (p->has_rules && !why) {
        p->plain = sqltext_is_plain(sql, len);
        why = make_triggers(p, handle);
        for (size_t i = 0; i < p->nrules && sqltext_begins(sql, len, "create"); i++)
            p->rules[i].empty = rows_is_empty(handle, p->rules[i].table);
    }
    p->internal = false;
    return why;
}

/* A table is declared: what queries read in its place. */
static const char *view(void *ud, const char *table) {
    const policy *p = ((guard *)ud)->policy;
    const rule *r = rule_of(p, table);
    return r ? r->view : NULL;
}

static const char *set_up(policy *p, sqlite3 *db, bool shared) {
    if (p->sandbox && restrain(db, p->guard, shared ? &p->shared : NULL) != SQLITE_OK)
        return "the sandbox cannot be set up";
    const char *why = make_views(p, db);
    return why ? why : make_triggers(p, db);
}

/* how: 1 a session takes it again, 2 it is the program's. */
static const char *opened(void *ud, void *handle, int how) {
    guard *g = ud;
    policy *p = g->policy;
    const char *why = g->watch_opened(ud, handle, how);
    bool shared = how & 2;
    if (why || (how & 1) || restrain_has(p->shared, handle))
        return why;
    p->internal = true;
    if (!shared)
        sqlite3_exec(handle, "PRAGMA query_only = 0", NULL, NULL, NULL);
    why = set_up(p, handle, shared);
    if (!shared && (p->readonly || sqlite3_db_readonly(handle, "main") == 1))
        sqlite3_exec(handle, "PRAGMA query_only = 1", NULL, NULL, NULL);
    p->internal = false;
    return why;
}

/* The program's handles are its own again. */
static void give_back(policy *p) {
    for (sqlite3 *db; (db = restrain_end(&p->shared));) {
        for (size_t i = 0; i < p->nrules; i++)
            if (p->rules[i].rows)
                rows_drop(db, p->rules[i].view);
        sqlite3_create_function_v2(db, "perilune_var", 1, SQLITE_UTF8, NULL, NULL, NULL,
                                   NULL, NULL);
    }
}

void policy_free(policy *p) {
    if (!p)
        return;
    give_back(p);
    for (size_t i = 0; i < p->nrules; i++)
        sqlite3_free(p->rules[i].view);
    free(p->rules);
    free(p);
}

void policy_watch(policy *p, guard *g, pl_watch *watch, policy_variable variable,
                  void *ud) {
    p->guard = g;
    p->variable = variable;
    p->ud = ud;
    g->policy = p;
    g->watch_opening = watch->opening;
    g->watch_opened = watch->opened;
    watch->opening = opening;
    watch->pragma = pragma;
    watch->opened = opened;
    watch->compiling = compiling;
    watch->authorize = authorize;
    watch->view = view;
}
