/* SPDX-License-Identifier: MIT */
/*
 * sqltext.c - see sqltext.h.
 *
 * A reserved name is looked for in the bytes, not in tokens: where a text begins and a
 * comment ends is then not ours to get right. SQL knows no escapes that would hide it.
 */
#include "sqltext.h"

#include <string.h>
#include <strings.h>

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Blanks, the byte order mark among them, and comments. */
static const char *skip_idle(const char *p, const char *end) {
    while (p < end) {
        if (*p == ' ' || (*p >= '\t' && *p <= '\r')) {
            p++;
        } else if (end - p >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) {
            p += 3;
        } else if (end - p >= 2 && p[0] == '-' && p[1] == '-') {
            const char *line = memchr(p, '\n', (size_t)(end - p));
            p = line ? line + 1 : end;
        } else if (end - p >= 2 && p[0] == '/' && p[1] == '*') {
            for (p += 2; p < end && !(p[0] == '*' && end - p >= 2 && p[1] == '/');)
                p++;
            p = p < end ? p + 2 : end;
        } else {
            break;
        }
    }
    return p;
}

/* Behind a keyword and what is idle after it; p itself where it is another word. */
static const char *skip_word(const char *p, const char *end, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(end - p) < n || strncasecmp(p, word, n) != 0)
        return p;
    return skip_idle(p + n, end);
}

/* Whether what follows a name makes it that of a common table expression. */
static bool is_defined(const char *p, const char *end) {
    p = skip_idle(p, end);
    if (p < end && *p == '(')
        return true; /* its columns */
    const char *as = skip_word(p, end, "as");
    if (as == p)
        return false;
    p = skip_word(skip_word(as, end, "not"), end, "materialized");
    return p < end && *p == '(';
}

bool sqltext_takes_reserved(const char *sql, size_t len) {
    const size_t n = sizeof SQLTEXT_RESERVED - 1;
    const char *end = sql + len;
    for (const char *p = sql; (size_t)(end - p) > n; p++) {
        if (*p != SQLTEXT_RESERVED[0] || strncasecmp(p, SQLTEXT_RESERVED, n) != 0)
            continue;
        const char *name = p + n;
        while (name < end && (is_letter(*name) || *name == ' '))
            name++;
        if (name < end && strchr("\"'`]", *name) && is_defined(name + 1, end))
            return true;
    }
    return false;
}

/* Whether c may be part of a name that is not quoted; a quote makes it another name. */
static bool is_named(char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           (unsigned char)c >= 0x80;
}

/* The next place of a word that is not part of another; NULL: none. */
static const char *find_word(const char *p, const char *begin, const char *end,
                             const char *word) {
    size_t n = strlen(word);
    for (; (size_t)(end - p) >= n; p++)
        if (strncasecmp(p, word, n) == 0 && (p == begin || !is_named(p[-1])) &&
            (p + n == end || !is_named(p[n])))
            return p;
    return NULL;
}

bool sqltext_joins_by_name(const char *sql, size_t len) {
    const char *end = sql + len;
    if (find_word(sql, sql, end, "natural"))
        return true;
    for (const char *p = sql; (p = find_word(p, sql, end, "using")); p++) {
        const char *next = skip_idle(p + strlen("using"), end);
        if (next < end && *next == '(')
            return true;
    }
    return false;
}

static bool has_word(const char *p, const char *end, const char *word) {
    size_t n = strlen(word);
    while ((size_t)(end - p) >= n &&
           ((*p | ' ') != *word || strncasecmp(p, word, n) != 0))
        p++;
    return (size_t)(end - p) >= n;
}

bool sqltext_begins(const char *sql, size_t len, const char *word) {
    const char *end = sql + len;
    const char *p = skip_idle(sql, end);
    return skip_word(p, end, word) != p;
}

bool sqltext_is_plain(const char *sql, size_t len) {
    const char *end = sql + len;
    if (has_word(sql, end, "select"))
        return false;
    return sqltext_begins(sql, len, "delete") || !has_word(sql, end, "from");
}

size_t sqltext_joins(const char *sql, size_t len) {
    size_t n = 0;
    const char *end = sql + len;
    for (const char *p = sql; p < end && (p = memchr(p, '|', (size_t)(end - p))); p++)
        if (end - p > 1 && p[1] == '|') {
            n++;
            p++;
        }
    return n;
}
