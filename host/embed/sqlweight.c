/* SPDX-License-Identifier: MIT */
/*
 * sqlweight.c - see sqlweight.h.
 *
 * The text is cut into tokens exactly as SQLite does it, or a quote in an odd place would
 * hide what follows. A pair of parentheses that begins with SELECT, WITH or VALUES is a
 * block, as is the whole statement; the weight of a block is made of those in it and of
 * the blocks that it names, each reckoned once.
 */
#include "sqlweight.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sqlite3.h>

enum { DEEPEST = 60, MOST_NAMES = 300 };

typedef enum kind { WORD, QUOTED, OTHER, OPEN, CLOSE, COMMA, DOT } kind;

typedef struct token {
    const char *p;
    uint32_t size;
    uint32_t match; /* of OPEN: its CLOSE */
    kind kind;
    bool defines; /* names a common table expression */
} token;

typedef struct definition {
    uint32_t name, first, last; /* tokens; the block is between first and last */
    bool known, visited;
    sqlweight weight;
} definition;

typedef struct text {
    token *tokens;
    uint32_t n;
    definition names[MOST_NAMES];
    uint32_t nnames;
} text;

/* ---- tokens ---------------------------------------------------------------------- */

static bool is_word_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static const char *skip_comment(const char *p, const char *end) {
    if (*p == '-') {
        const char *line = memchr(p, '\n', (size_t)(end - p));
        return line ? line + 1 : end;
    }
    for (p += 2; p < end && !(p[0] == '*' && end - p > 1 && p[1] == '/');)
        p++;
    return p < end ? p + 2 : end;
}

static const char *skip_idle(const char *p, const char *end) {
    while (p < end) {
        size_t left = (size_t)(end - p);
        if (is_blank(*p))
            p++;
        else if (left > 2 && memcmp(p, "\xEF\xBB\xBF", 3) == 0)
            p += 3;
        else if (left > 1 &&
                 ((p[0] == '-' && p[1] == '-') || (p[0] == '/' && p[1] == '*')))
            p = skip_comment(p, end);
        else
            break;
    }
    return p;
}

/* Behind a quoted name or text. */
static const char *skip_quoted(const char *p, const char *end) {
    char quote = *p == '[' ? ']' : *p;
    for (p++; p < end; p++)
        if (*p == quote) {
            if (quote == ']' || p + 1 == end || p[1] != quote)
                return p + 1;
            p++;
        }
    return end;
}

/* Behind a variable; $name::suffix(anything) is one. */
static const char *skip_variable(const char *p, const char *end) {
    const char *begin = p++;
    while (p < end) {
        if (is_word_char(*p)) {
            p++;
        } else if (*p == '(' && p > begin + 1) {
            do
                p++;
            while (p < end && !is_blank(*p) && *p != ')' && *p != '\v');
            return p < end && *p == ')' ? p + 1 : p;
        } else if (*p == ':' && end - p > 1 && p[1] == ':') {
            p += 2;
        } else {
            break;
        }
    }
    return p;
}

static const char *next_token(const char *p, const char *end, token *t) {
    t->p = p;
    t->kind = OTHER;
    if (strchr("\"'`[", *p)) {
        t->kind = QUOTED;
        p = skip_quoted(p, end);
    } else if (strchr("$@#:", *p)) {
        p = skip_variable(p, end);
    } else if (is_word_char(*p)) {
        t->kind = *p >= '0' && *p <= '9' ? OTHER : WORD;
        for (p++; p < end && is_word_char(*p);)
            p++;
    } else {
        t->kind = *p == '(' ? OPEN : *p == ')' ? CLOSE : *p == ',' ? COMMA : OTHER;
        t->kind = *p == '.' ? DOT : t->kind;
        p++;
    }
    t->size = (uint32_t)(p - t->p);
    return p;
}

/* False when the text has no memory or parentheses are too deep. */
static bool read_tokens(text *x, const char *sql, size_t len) {
    const char *end = sql + len;
    uint32_t open[DEEPEST * 4];
    size_t depth = 0;
    x->tokens = malloc((len + 1) * sizeof *x->tokens);
    if (!x->tokens)
        return false;
    for (const char *p = skip_idle(sql, end); p < end && *p; p = skip_idle(p, end)) {
        token *t = &x->tokens[x->n];
        *t = (token){.match = UINT32_MAX};
        p = next_token(p, end, t);
        if (t->kind == OPEN && depth == sizeof open / sizeof *open)
            return false;
        if (t->kind == OPEN)
            open[depth++] = x->n;
        if (t->kind == CLOSE && depth > 0)
            x->tokens[open[--depth]].match = x->n;
        x->n++;
    }
    while (depth > 0)
        x->tokens[open[--depth]].match = x->n;
    return true;
}

static bool is_word(const text *x, uint32_t i, const char *word) {
    size_t n = strlen(word);
    return i < x->n && x->tokens[i].kind == WORD && x->tokens[i].size == n &&
           strncasecmp(x->tokens[i].p, word, n) == 0;
}

static bool is_kind(const text *x, uint32_t i, kind k) {
    return i < x->n && x->tokens[i].kind == k;
}

static bool is_name(const text *x, uint32_t i) {
    return is_kind(x, i, WORD) || is_kind(x, i, QUOTED);
}

/* The next character of a name without its quotes, or -1. */
static int name_char(const token *t, size_t *at) {
    if (t->kind == WORD)
        return *at < t->size ? (unsigned char)t->p[(*at)++] : -1;
    if (*at == 0)
        *at = 1;
    if (*at + 1 >= t->size)
        return -1;
    char c = t->p[*at];
    *at += c == t->p[0] && c != '[' ? 2 : 1;
    return (unsigned char)c;
}

static int lower(int c) {
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static bool is_same(const token *a, const token *b) {
    size_t i = 0, k = 0;
    int c, d;
    do {
        c = name_char(a, &i);
        d = name_char(b, &k);
    } while (c >= 0 && lower(c) == lower(d));
    return c < 0 && d < 0;
}

/* ---- definitions ----------------------------------------------------------------- */

/* The parenthesis behind name [(columns)] AS [[NOT] MATERIALIZED], or 0. */
static uint32_t body_of(const text *x, uint32_t name) {
    uint32_t i = name + 1;
    if (is_kind(x, i, OPEN))
        i = x->tokens[i].match + 1;
    if (!is_word(x, i, "as"))
        return 0;
    i++;
    if (is_word(x, i, "not"))
        i++;
    if (is_word(x, i, "materialized"))
        i++;
    return is_kind(x, i, OPEN) ? i : 0;
}

static bool find_definitions(text *x) {
    for (uint32_t i = 0; i < x->n; i++) {
        uint32_t body = is_name(x, i) ? body_of(x, i) : 0;
        if (body == 0)
            continue;
        if (x->nnames == MOST_NAMES)
            return false;
        x->tokens[i].defines = true;
        x->names[x->nnames++] =
            (definition){.name = i, .first = body + 1, .last = x->tokens[body].match};
    }
    return true;
}

/* ---- weights --------------------------------------------------------------------- */

static sqlweight weigh(text *x, uint32_t from, uint32_t to, int depth);

static void add(sqlweight *to, sqlweight part) {
    to->selects += part.selects;
    if (part.terms > to->terms)
        to->terms = part.terms;
}

/* Names of the same spelling in several places count together, but which of them one in
 * its own block means cannot be told. */
static sqlweight weight_of_name(text *x, uint32_t i, int depth) {
    sqlweight all = {0, 1};
    int found = 0, within = 0;
    for (uint32_t k = 0; k < x->nnames; k++) {
        definition *d = &x->names[k];
        if (!is_same(&x->tokens[d->name], &x->tokens[i]))
            continue;
        found++;
        within += d->visited;
        if (d->visited)
            continue;
        if (!d->known) {
            d->visited = true;
            d->weight = weigh(x, d->first, d->last, depth + 1);
            d->visited = false;
            d->known = true;
        }
        add(&all, d->weight);
    }
    return within > 0 && found > 1 ? (sqlweight){INFINITY, INFINITY} : all;
}

static bool is_block(const text *x, uint32_t i) {
    return is_word(x, i, "select") || is_word(x, i, "with") || is_word(x, i, "values");
}

/* Whether a name can be that of a table: behind FROM and the like. */
static bool may_be_table(const text *x, uint32_t i) {
    if (i == 0 || is_kind(x, i + 1, DOT) || x->tokens[i].defines)
        return false;
    return is_kind(x, i - 1, COMMA) || is_kind(x, i - 1, OPEN) ||
           is_kind(x, i - 1, DOT) || is_word(x, i - 1, "from") ||
           is_word(x, i - 1, "join") || is_word(x, i - 1, "in");
}

/* What a SELECT list has in its largest item. */
typedef struct list {
    bool within;
    int level;
    double terms, most;
} list;

static void end_item(list *l) {
    if (l->terms > l->most)
        l->most = l->terms;
    l->terms = 0;
}

static void note(const text *x, uint32_t i, int level, list *l) {
    if (is_word(x, i, "select") || is_word(x, i, "returning")) {
        *l = (list){.within = true, .level = level, .most = l->most};
    } else if (l->within && level == l->level &&
               (is_word(x, i, "from") || is_kind(x, i, COMMA))) {
        end_item(l);
        l->within = !is_word(x, i, "from");
    } else if (l->within && is_name(x, i) && !is_kind(x, i + 1, OPEN) &&
               !is_kind(x, i + 1, DOT) && !(i > 0 && is_word(x, i - 1, "as"))) {
        l->terms++;
    }
}

static sqlweight weigh(text *x, uint32_t from, uint32_t to, int depth) {
    sqlweight w = {1, 1};
    list l = {.most = 1};
    int level = 0;
    if (depth > DEEPEST)
        return (sqlweight){INFINITY, INFINITY};
    for (uint32_t i = from; i < to; i++) {
        if (is_kind(x, i, OPEN) && is_block(x, i + 1)) {
            uint32_t end = x->tokens[i].match;
            add(&w, weigh(x, i + 1, end < to ? end : to, depth + 1));
            l.terms += l.within;
            i = end;
            continue;
        }
        level += is_kind(x, i, OPEN) - is_kind(x, i, CLOSE);
        if (is_name(x, i) && may_be_table(x, i))
            add(&w, weight_of_name(x, i, depth));
        note(x, i, level, &l);
    }
    end_item(&l);
    w.terms *= l.most;
    return w;
}

/* The weight of what begins at `start`, in which what stands before it may be named. */
static sqlweight sqlweight_of(const char *sql, size_t len, size_t start) {
    sqlweight w = {INFINITY, INFINITY};
    text *x = calloc(1, sizeof *x);
    if (x && read_tokens(x, sql, len) && find_definitions(x)) {
        uint32_t first = 0;
        while (first < x->n && x->tokens[first].p < sql + start)
            first++;
        w = weigh(x, first, x->n, 0);
    }
    if (x)
        free(x->tokens);
    free(x);
    return w;
}

/* Every view as a common table expression in front of the statement: where one is copied
 * tells its text. */
sqlweight sqlweight_in(sqlite3 *db, const char *sql, size_t len) {
    static const char views[] = "SELECT name, sql FROM main.sqlite_schema WHERE type = "
                                "'view' UNION ALL SELECT name, sql FROM "
                                "temp.sqlite_schema WHERE type = 'view'";
    sqlweight w = {INFINITY, INFINITY};
    sqlite3_stmt *stmt = NULL;
    sqlite3_str *all = sqlite3_str_new(NULL);
    int rc = sqlite3_prepare_v2(db, views, -1, &stmt, NULL);
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        sqlite3_str_appendf(all, "\"%w\" AS (%s\n*/)\n", sqlite3_column_text(stmt, 0),
                            sqlite3_column_text(stmt, 1));
    if (rc == SQLITE_OK)
        rc = sqlite3_finalize(stmt);
    int start = sqlite3_str_length(all);
    sqlite3_str_append(all, sql, (int)len);
    if (rc == SQLITE_OK && sqlite3_str_errcode(all) == SQLITE_OK)
        w = sqlweight_of(sqlite3_str_value(all), (size_t)start + len, (size_t)start);
    sqlite3_free(sqlite3_str_finish(all));
    return w;
}
