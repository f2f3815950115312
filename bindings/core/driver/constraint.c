/* SPDX-License-Identifier: MIT */
/*
** constraint.c - see constraint.h.
**
** SQLite names columns as "table.column, table.column", unquoted. A name with a dot makes
** that ambiguous; the table of the statement that failed settles it where it fits, else
** the first dot counts. Nothing here asks the database. Memory is the error's.
*/
#include "core/driver/constraint.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* ---- the table that a statement writes to ---- */

static const char *skip_blank(const char *p) {
    for (;;) {
        while (isspace((unsigned char)*p))
            p++;
        if (p[0] == '-' && p[1] == '-') {
            p += strcspn(p, "\n");
        } else if (p[0] == '/' && p[1] == '*') {
            const char *end = strstr(p + 2, "*/");
            p = end ? end + 2 : p + strlen(p);
        } else {
            return p;
        }
    }
}

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (c & 0x80);
}

/* Behind the keyword and the blanks after it, or NULL when p does not begin with it. */
static const char *after_word(const char *p, const char *word) {
    size_t n = strlen(word);
    if (strncasecmp(p, word, n) != 0 || is_word(p[n]))
        return NULL;
    return skip_blank(p + n);
}

/* Reads an identifier, quoted or not, into the error's memory. */
static const char *read_name(const char **at, pl_error *err) {
    const char *p = *at;
    char close = *p == '"' || *p == '`' ? *p : *p == '[' ? ']' : '\0';
    if (!close) {
        size_t n = 0;
        while (is_word(p[n]))
            n++;
        *at = p + n;
        return n ? pl_arena_copy(&err->texts, p, n) : NULL;
    }
    size_t most = strlen(p);
    char *out = pl_arena_get(&err->texts, most);
    size_t n = 0;
    for (p++; out && *p && (*p != close || (close != ']' && p[1] == close)); p++) {
        if (*p == close)
            p++;
        out[n++] = *p;
    }
    *at = *p ? p + 1 : p;
    return out;
}

static const char *skip_conflict(const char *p) {
    const char *q = after_word(p, "OR");
    if (!q)
        return p;
    while (is_word(*q))
        q++;
    return skip_blank(q);
}

/* The verb's letter (I, U, D) and what follows it, or 0. */
static char verb_of(const char *p, const char **rest) {
    const char *q;
    if ((q = after_word(p, "REPLACE")) || (q = after_word(p, "INSERT"))) {
        *rest = after_word(skip_conflict(q), "INTO");
        return 'I';
    }
    if ((q = after_word(p, "UPDATE"))) {
        *rest = skip_conflict(q);
        return 'U';
    }
    if ((q = after_word(p, "DELETE"))) {
        *rest = after_word(q, "FROM");
        return 'D';
    }
    return 0;
}

static char target_of(const char *sql, const char **table, pl_error *err) {
    const char *p = NULL;
    char verb = sql ? verb_of(skip_blank(sql), &p) : 0;
    *table = NULL;
    if (!verb || !p)
        return 0;
    *table = read_name(&p, err);
    p = skip_blank(p);
    if (*table && *p == '.') {
        p = skip_blank(p + 1);
        *table = read_name(&p, err);
    }
    return *table ? verb : 0;
}

/* ---- the columns of a message ---- */

/* Length of the table's name in "table.column", 0 when there is no dot. */
static size_t table_length(const char *names, const char *target) {
    size_t n = target ? strlen(target) : 0;
    if (n && strncasecmp(names, target, n) == 0 && names[n] == '.')
        return n;
    const char *dot = strchr(names, '.');
    return dot ? (size_t)(dot - names) : 0;
}

/* "t.a, t.b" becomes table t and columns "a, b". */
static void take_columns(pl_error *err, const char *names, const char *target) {
    size_t n = table_length(names, target);
    if (n == 0)
        return;
    const char *table = pl_arena_copy(&err->texts, names, n);
    char *columns = pl_arena_get(&err->texts, strlen(names) + 1);
    if (!table || !columns)
        return;
    size_t len = 0;
    for (const char *p = names; *p;) {
        if (strncmp(p, names, n + 1) == 0)
            p += n + 1;
        const char *comma = strstr(p, ", ");
        size_t part = comma ? (size_t)(comma - p) + 2 : strlen(p);
        memcpy(columns + len, p, part);
        len += part;
        p += part;
    }
    err->table = table;
    err->column = columns;
}

static const char *tail_after(const char *message, const char *prefix) {
    size_t n = strlen(prefix);
    return strncmp(message, prefix, n) == 0 ? message + n : NULL;
}

/* "cannot store TEXT value in INTEGER column t.a", of STRICT tables. */
static const char *strict_column(const char *message) {
    const char *at =
        tail_after(message, "cannot store ") ? strstr(message, " column ") : NULL;
    return at ? at + strlen(" column ") : NULL;
}

static void explain_foreign_key(pl_error *err, char verb, const char *table) {
    if (verb == 'I')
        pl_hint(err,
                "a foreign key of the row for \"%s\" refers to a row that is not there",
                table);
    else if (verb == 'D')
        pl_hint(err, "rows of other tables still refer to the row deleted from \"%s\"",
                table);
    else if (verb == 'U')
        pl_hint(err,
                "the changed row of \"%s\" refers to a row that is not there, or rows of "
                "other tables still refer to its old key",
                table);
}

void pl_constraint_explain(pl_error *err, const char *sql) {
    const char *message = err->message;
    const char *table;
    char verb = target_of(sql, &table, err);
    const char *names;
    if ((names = tail_after(message, "UNIQUE constraint failed: index '"))) {
        err->table = table;
        err->constraint = pl_arena_copy(&err->texts, names, strcspn(names, "'"));
    } else if ((names = tail_after(message, "UNIQUE constraint failed: ")) ||
               (names = tail_after(message, "NOT NULL constraint failed: ")) ||
               (names = strict_column(message))) {
        take_columns(err, names, table);
    } else if ((names = tail_after(message, "CHECK constraint failed: "))) {
        err->table = table;
        err->constraint = pl_error_text(err, names);
    } else if (strcmp(message, "FOREIGN KEY constraint failed") == 0) {
        explain_foreign_key(err, verb, table);
    }
}
