/* SPDX-License-Identifier: MIT */
/*
** dialect_sqlite.c - SQLite: its reserved words, its type names, its date functions.
**
** Type names are spelled as SQLAlchemy spells them, so that both can share a file and
** reflection gives the same types back.
*/
#include "core/base/utf8.h"
#include "core/sql/dialect.h"

/* clang-format off */
static const char *const reserved[] = {
    "add", "after", "all", "alter", "analyze", "and", "as", "asc", "attach",
    "autoincrement", "before", "begin", "between", "by", "cascade", "case", "cast",
    "check", "collate", "column", "commit", "conflict", "constraint", "create", "cross",
    "current_date", "current_time", "current_timestamp", "database", "default",
    "deferrable", "deferred", "delete", "desc", "detach", "distinct", "drop", "each",
    "else", "end", "escape", "except", "exclusive", "exists", "explain", "fail",
    "false", "for", "foreign", "from", "full", "glob", "group", "having", "if",
    "ignore", "immediate", "in", "index", "indexed", "initially", "inner", "insert",
    "instead", "intersect", "into", "is", "isnull", "join", "key", "left", "like",
    "limit", "match", "natural", "not", "nothing", "notnull", "null", "of", "offset",
    "on", "or", "order", "outer", "plan", "pragma", "primary", "query", "raise",
    "references", "reindex", "rename", "replace", "restrict", "returning", "right",
    "rollback", "row", "select", "set", "table", "temp", "temporary", "then", "to",
    "transaction", "trigger", "true", "union", "unique", "update", "using", "vacuum",
    "values", "view", "virtual", "when", "where",
};
/* clang-format on */

static const char *const names[PL_KIND_COUNT] = {
    [PL_K_INTEGER] = "INTEGER",   [PL_K_SMALLINT] = "SMALLINT",
    [PL_K_BIGINT] = "BIGINT",     [PL_K_STRING] = "VARCHAR",
    [PL_K_TEXT] = "TEXT",         [PL_K_UNICODE] = "VARCHAR",
    [PL_K_UNICODETEXT] = "TEXT",  [PL_K_BOOLEAN] = "BOOLEAN",
    [PL_K_FLOAT] = "FLOAT",       [PL_K_DOUBLE] = "DOUBLE",
    [PL_K_NUMERIC] = "NUMERIC",   [PL_K_DATE] = "DATE",
    [PL_K_TIME] = "TIME",         [PL_K_DATETIME] = "DATETIME",
    [PL_K_INTERVAL] = "DATETIME", [PL_K_BINARY] = "BLOB",
    [PL_K_JSON] = "JSON",         [PL_K_ENUM] = "VARCHAR",
    [PL_K_UUID] = "CHAR(32)",
};

/* An Enum takes as much room as its longest word. */
static int length_of(const pl_type *t) {
    int longest = t->length;
    for (size_t i = 0; t->kind == PL_K_ENUM && i < t->nwords; i++) {
        int64_t n = pl_utf8_len(t->words[i], strlen(t->words[i]));
        if (n > longest)
            longest = (int)n;
    }
    return longest;
}

static void write_type(pl_buf *out, const pl_type *t) {
    t = pl_type_storage(t);
    if (t->name && t->kind != PL_K_ENUM) {
        pl_buf_str(out, t->name);
        return;
    }
    pl_buf_str(out, names[t->kind] ? names[t->kind] : "");
    if (pl_type_is_text(t) && length_of(t) > 0)
        pl_buf_fmt(out, "(%d)", length_of(t));
    else if (t->kind == PL_K_NUMERIC && t->precision > 0 && t->scale >= 0)
        pl_buf_fmt(out, "(%d, %d)", t->precision, t->scale);
    else if (t->kind == PL_K_NUMERIC && t->precision > 0)
        pl_buf_fmt(out, "(%d)", t->precision);
}

/* The few names a STRICT table may use. */
static void write_strict_type(pl_buf *out, const pl_type *t) {
    switch (pl_type_storage(t)->kind) {
    case PL_K_ANY: pl_buf_str(out, "ANY"); break;
    case PL_K_INTEGER:
    case PL_K_SMALLINT:
    case PL_K_BIGINT:
    case PL_K_BOOLEAN: pl_buf_str(out, "INTEGER"); break;
    case PL_K_FLOAT:
    case PL_K_DOUBLE:
    case PL_K_NUMERIC: pl_buf_str(out, "REAL"); break;
    case PL_K_BINARY: pl_buf_str(out, "BLOB"); break;
    default: pl_buf_str(out, "TEXT"); break;
    }
}

static const struct {
    const char *field, *format;
} fields[] = {
    {"year", "%Y"}, {"month", "%m"},  {"day", "%d"},   {"hour", "%H"}, {"minute", "%M"},
    {"doy", "%j"},  {"second", "%S"}, {"epoch", "%s"}, {"dow", "%w"},  {"week", "%W"},
};

static bool write_extract(pl_buf *out, const char *field, void (*arg)(void *), void *ud) {
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcmp(fields[i].field, field) != 0)
            continue;
        pl_buf_fmt(out, "CAST(STRFTIME('%s', ", fields[i].format);
        arg(ud);
        pl_buf_str(out, ") AS INTEGER)");
        return true;
    }
    return false;
}

const pl_dialect pl_dialect_sqlite = {
    .name = "sqlite",
    .placeholder = '?',
    .limit_minus_one = true,
    .max_variables = 32766,
    .reserved = reserved,
    .nreserved = sizeof reserved / sizeof *reserved,
    .type = write_type,
    .strict_type = write_strict_type,
    .extract = write_extract,
};
