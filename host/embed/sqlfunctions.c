/* SPDX-License-Identifier: MIT */
/*
 * sqlfunctions.c - see sqlfunctions.h. What they give is what SQLite's own give.
 *
 * Each counts the bytes it compares and asks after so many. Text ends at its first zero
 * byte where SQLite's own would stop there.
 */
#include "sqlfunctions.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <sqlite3.h>

enum { STRIDE = 1 << 18 }; /* bytes compared between two polls */

typedef struct work {
    sqlite3_context *context;
    const sqlfunctions *asked;
    int64_t done;
    bool stopped;
} work;

static work begin(sqlite3_context *c) {
    return (work){.context = c, .asked = sqlite3_user_data(c)};
}

/* Whether to go on after comparing so many bytes more. */
static bool goes_on(work *w, size_t bytes) {
    w->done += (int64_t)bytes + 1;
    if (w->done < STRIDE || w->stopped)
        return !w->stopped;
    w->done = 0;
    w->stopped = w->asked->poll(w->asked->ud) != 0;
    if (w->stopped)
        sqlite3_result_error_code(w->context, SQLITE_INTERRUPT);
    return !w->stopped;
}

static bool is_continued(char c) {
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Bytes of the character at p. */
static size_t char_size(const char *p, const char *end) {
    size_t n = 1;
    if ((unsigned char)*p >= 0xC0)
        while (p + n < end && is_continued(p[n]))
            n++;
    return n;
}

static uint32_t decode(const char *p, size_t n) {
    uint32_t c = (unsigned char)*p;
    if (n > 4)
        return 0xFFFD;
    if (n > 1)
        c &= 0x3Fu >> (n - 1);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)p[i] & 0x3F);
    return c;
}

/* ---- searching ------------------------------------------------------------------- */

static const char *search(work *w, const char *p, const char *end, const char *what,
                          size_t n) {
    while ((size_t)(end - p) >= n) {
        const char *first = memchr(p, *what, (size_t)(end - p) - n + 1);
        if (!first || !goes_on(w, (size_t)(first - p) + n))
            return NULL;
        if (memcmp(first, what, n) == 0)
            return first;
        p = first + 1;
    }
    return NULL;
}

static void sql_instr(sqlite3_context *c, int n, sqlite3_value **v) {
    work w = begin(c);
    (void)n;
    int types[] = {sqlite3_value_type(v[0]), sqlite3_value_type(v[1])};
    if (types[0] == SQLITE_NULL || types[1] == SQLITE_NULL)
        return;
    bool bytes = types[0] == SQLITE_BLOB && types[1] == SQLITE_BLOB;
    const char *in =
        bytes ? sqlite3_value_blob(v[0]) : (const void *)sqlite3_value_text(v[0]);
    const char *what =
        bytes ? sqlite3_value_blob(v[1]) : (const void *)sqlite3_value_text(v[1]);
    size_t size = (size_t)sqlite3_value_bytes(v[0]);
    size_t length = (size_t)sqlite3_value_bytes(v[1]);
    const char *at = length == 0 ? in : NULL;
    sqlite3_int64 place = length == 0;
    if (length > 0 && in && what)
        at = search(&w, in, in + size, what, length);
    if (length > 0 && at)
        for (const char *p = in; p <= at; p++)
            place += bytes || !is_continued(*p);
    if (!w.stopped)
        sqlite3_result_int64(c, place);
}

/* The text with what is found replaced, or NULL when stopped or too large. */
static sqlite3_str *replaced(work *w, const char *text, size_t size, const char *what,
                             size_t n, const char *with, size_t m) {
    const char *end = text + size;
    sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(w->context));
    for (const char *at; (at = search(w, text, end, what, n)); text = at + n) {
        sqlite3_str_append(out, text, (int)(at - text));
        sqlite3_str_append(out, with, (int)m);
        if (sqlite3_str_errcode(out) != SQLITE_OK)
            return out;
    }
    sqlite3_str_append(out, text, (int)(end - text));
    return out;
}

static void sql_replace(sqlite3_context *c, int n, sqlite3_value **v) {
    (void)n;
    work w = begin(c);
    const char *texts[3];
    size_t sizes[3];
    for (int i = 0; i < 3; i++) {
        texts[i] = (const char *)sqlite3_value_text(v[i]);
        if (!texts[i])
            return;
        sizes[i] = (size_t)sqlite3_value_bytes(v[i]);
    }
    if (sizes[1] == 0) {
        sqlite3_result_value(c, v[0]);
        return;
    }
    sqlite3_str *out =
        replaced(&w, texts[0], sizes[0], texts[1], sizes[1], texts[2], sizes[2]);
    int length = sqlite3_str_length(out), rc = sqlite3_str_errcode(out);
    char *text = sqlite3_str_finish(out);
    if (w.stopped || rc != SQLITE_OK) {
        sqlite3_free(text);
        if (rc == SQLITE_TOOBIG)
            sqlite3_result_error_toobig(c);
        else if (rc != SQLITE_OK)
            sqlite3_result_error_nomem(c);
    } else {
        sqlite3_result_text(c, text ? text : "", length,
                            text ? sqlite3_free : SQLITE_STATIC);
    }
}

/* ---- trimming -------------------------------------------------------------------- */

/* Whether the character of n bytes at p is one of a set. */
static bool is_in(work *w, const char *p, size_t n, const char *set, const char *end) {
    for (size_t m; set < end; set += m) {
        m = char_size(set, end);
        if (!goes_on(w, m))
            return false;
        if (m == n && memcmp(set, p, n) == 0)
            return true;
    }
    return false;
}

enum { LEFT = 1, RIGHT = 2 };

static void trim(sqlite3_context *c, int sides, int n, sqlite3_value **v) {
    work w = begin(c);
    const char *p = (const char *)sqlite3_value_text(v[0]);
    const char *set = n > 1 ? (const char *)sqlite3_value_text(v[1]) : " ";
    if (!p || !set)
        return;
    const char *set_end = set + (n > 1 ? sqlite3_value_bytes(v[1]) : 1);
    const char *end = p + sqlite3_value_bytes(v[0]);
    size_t size;
    while ((sides & LEFT) && p < end &&
           is_in(&w, p, size = char_size(p, end), set, set_end))
        p += size;
    while ((sides & RIGHT) && p < end) {
        const char *last = end - 1;
        while (last > p && is_continued(*last))
            last--;
        if (!is_in(&w, last, (size_t)(end - last), set, set_end))
            break;
        end = last;
    }
    if (!w.stopped)
        sqlite3_result_text(c, p, (int)(end - p), SQLITE_TRANSIENT);
}

static void sql_trim(sqlite3_context *c, int n, sqlite3_value **v) {
    trim(c, LEFT | RIGHT, n, v);
}

static void sql_ltrim(sqlite3_context *c, int n, sqlite3_value **v) {
    trim(c, LEFT, n, v);
}

static void sql_rtrim(sqlite3_context *c, int n, sqlite3_value **v) {
    trim(c, RIGHT, n, v);
}

/* ---- patterns -------------------------------------------------------------------- */

typedef struct pattern {
    const char *p, *end;
    uint32_t all, one, escape; /* 0: none */
    bool like;                 /* letters of ASCII in either case, and no sets */
} pattern;

static uint32_t fold(uint32_t c) {
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* Whether c is in the set that begins behind a '['; *p gets behind it. */
static bool is_in_set(const pattern *m, const char **at, uint32_t c) {
    const char *p = *at;
    bool wanted = true, found = false, first = true, closed = false;
    uint32_t before = 0;
    if (p < m->end && *p == '^') {
        wanted = false;
        p++;
    }
    for (size_t n; p < m->end && !closed; p += n, first = false) {
        n = char_size(p, m->end);
        uint32_t x = decode(p, n);
        closed = x == ']' && !first;
        if (x == '-' && before > 0 && p + 1 < m->end && p[1] != ']') {
            size_t k = char_size(p + 1, m->end);
            found = found || (c >= before && c <= decode(p + 1, k));
            n += k;
            before = 0;
        } else if (!closed) {
            found = found || c == x;
            before = x == ']' ? 0 : x;
        }
    }
    *at = p;
    return closed && found == wanted;
}

/* Whether the character at s is matched by what is next in the pattern, at *at; which
 * gets behind it. */
static bool matches_one(const pattern *m, const char **at, const char *s, size_t n) {
    const char *p = *at;
    size_t k = char_size(p, m->end);
    uint32_t x = decode(p, k), c = decode(s, n);
    *at = p + k;
    if (x == m->escape && m->escape) {
        if (p + k == m->end)
            return false;
        size_t e = char_size(p + k, m->end);
        x = decode(p + k, e);
        *at = p + k + e;
    } else if (x == m->one) {
        return true;
    } else if (x == '[' && !m->like) {
        return is_in_set(m, at, c);
    }
    return x == c || (m->like && fold(x) == fold(c));
}

/* A wildcard for any characters takes as few as do, then more: only the last one that was
 * met is ever tried again. */
static bool matches(work *w, const pattern *m, const char *s, const char *end) {
    const char *p = m->p, *again = NULL, *from = NULL;
    for (;;) {
        const char *next = p;
        size_t n = s < end ? char_size(s, end) : 0;
        if (!goes_on(w, 1))
            return false;
        if (p < m->end && (unsigned char)*p == m->all) {
            again = ++p;
            from = s;
        } else if (p < m->end && n > 0 && matches_one(m, &next, s, n)) {
            p = next;
            s += n;
        } else if (p == m->end && n == 0) {
            return true;
        } else if (again && from < end) {
            from += char_size(from, end);
            s = from;
            p = again;
        } else {
            return false;
        }
    }
}

/* Whether the values are not for patterns; the result is given then. */
static bool refuses(sqlite3_context *c, sqlite3_value **v) {
    bool blob = sqlite3_value_type(v[0]) == SQLITE_BLOB ||
                sqlite3_value_type(v[1]) == SQLITE_BLOB;
    int most =
        sqlite3_limit(sqlite3_context_db_handle(c), SQLITE_LIMIT_LIKE_PATTERN_LENGTH, -1);
    if (blob && sqlite3_compileoption_used("LIKE_DOESNT_MATCH_BLOBS"))
        sqlite3_result_int(c, 0);
    else if (sqlite3_value_bytes(v[0]) > most)
        sqlite3_result_error(c, "LIKE or GLOB pattern too complex", -1);
    else
        return false;
    return true;
}

static void match(sqlite3_context *c, sqlite3_value **v, pattern m) {
    work w = begin(c);
    m.p = (const char *)sqlite3_value_text(v[0]);
    const char *text = (const char *)sqlite3_value_text(v[1]);
    if (!m.p || !text)
        return;
    m.end = m.p + strlen(m.p);
    bool found = matches(&w, &m, text, text + strlen(text));
    if (!w.stopped)
        sqlite3_result_int(c, found);
}

/* Reads the character behind ESCAPE; false when it is none, which gives the result. */
static bool read_escape(sqlite3_context *c, sqlite3_value *v, pattern *m) {
    const char *escape = (const char *)sqlite3_value_text(v);
    if (!escape)
        return false;
    const char *end = escape + strlen(escape);
    size_t size = escape < end ? char_size(escape, end) : 0;
    if (size == 0 || escape + size < end) {
        sqlite3_result_error(c, "ESCAPE expression must be a single character", -1);
        return false;
    }
    m->escape = decode(escape, size);
    if (m->escape == m->all)
        m->all = 0;
    if (m->escape == m->one)
        m->one = 0;
    return true;
}

static void sql_like(sqlite3_context *c, int n, sqlite3_value **v) {
    pattern m = {.all = '%', .one = '_', .like = true};
    if (!refuses(c, v) && (n < 3 || read_escape(c, v[2], &m)))
        match(c, v, m);
}

static void sql_glob(sqlite3_context *c, int n, sqlite3_value **v) {
    (void)n;
    if (!refuses(c, v))
        match(c, v, (pattern){.all = '*', .one = '?'});
}

/* ---- making them ----------------------------------------------------------------- */

int sqlfunctions_make(sqlite3 *db, sqlfunctions *f) {
    static const struct {
        const char *name;
        int nargs;
        void (*fn)(sqlite3_context *, int, sqlite3_value **);
    } all[] = {
        {"instr", 2, sql_instr}, {"replace", 3, sql_replace}, {"trim", 1, sql_trim},
        {"trim", 2, sql_trim},   {"ltrim", 1, sql_ltrim},     {"ltrim", 2, sql_ltrim},
        {"rtrim", 1, sql_rtrim}, {"rtrim", 2, sql_rtrim},     {"like", 2, sql_like},
        {"like", 3, sql_like},   {"glob", 2, sql_glob}};
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    int rc = SQLITE_OK;
    for (size_t i = 0; i < sizeof all / sizeof *all && rc == SQLITE_OK; i++)
        rc = sqlite3_create_function_v2(db, all[i].name, all[i].nargs, flags, f,
                                        all[i].fn, NULL, NULL, NULL);
    return rc;
}
