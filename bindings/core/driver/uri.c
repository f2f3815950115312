/* SPDX-License-Identifier: MIT */
/*
** uri.c - see uri.h.
**
** Shape: name://[user[:password]@][host][:port][/database][?key=value&...]. User,
** password and options are percent-decoded ('+' is a blank in options); the database
** is taken as it stands, as in SQLAlchemy, so that both find the same file. The last
** '@' before the path ends the password. Nothing that may hold a password goes into a
** message unmasked.
*/
#include "core/driver/uri.h"

#include "core/base/buf.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>
#include <string.h>

enum { OPTIONS_MOST = 64, TEXT_MOST = 4096 };

static const char forms[] = "sqlite:// (memory), sqlite:///relative/path/to/file.db, "
                            "sqlite:////absolute/path/to/file.db, "
                            "postgresql://user:password@host:port/database";

/* A part of the text: bytes from p up to end. */
typedef struct span {
    const char *p, *end;
} span;

static const char *find(span s, char c) {
    return s.p < s.end ? memchr(s.p, c, (size_t)(s.end - s.p)) : NULL;
}

static const char *find_last(span s, char c) {
    for (const char *p = s.end; p > s.p; p--)
        if (p[-1] == c)
            return p - 1;
    return NULL;
}

/* First of several characters, or the end. */
static const char *find_any(span s, const char *set) {
    while (s.p < s.end && !(*s.p && strchr(set, *s.p)))
        s.p++;
    return s.p;
}

static int hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *copy(pl_arena *a, span s) {
    return pl_arena_copy(a, s.p, (size_t)(s.end - s.p));
}

/* Bytes that are not an escape, and an escaped zero byte, stay as written. */
static const char *decode(pl_arena *a, span s, bool plus) {
    char *out = pl_arena_get(a, (size_t)(s.end - s.p) + 1);
    char *w = out;
    while (out && s.p < s.end) {
        int high = s.end - s.p > 2 && *s.p == '%' ? hex(s.p[1]) : -1;
        int low = high >= 0 ? hex(s.p[2]) : -1;
        if (low >= 0 && high + low > 0) {
            *w++ = (char)(high * 16 + low);
            s.p += 3;
        } else {
            *w++ = plus && *s.p == '+' ? ' ' : *s.p;
            s.p++;
        }
    }
    return out;
}

/* ---- parts ---- */

static bool parse_name(span s, pl_arena *a, pl_uri *out) {
    if (s.p == s.end)
        return false;
    for (const char *p = s.p; p < s.end; p++)
        if (!isalnum((unsigned char)*p) && *p != '_' && *p != '+' && *p != '.')
            return false;
    const char *plus = find(s, '+');
    out->dialect = copy(a, (span){s.p, plus ? plus : s.end});
    out->driver = plus ? copy(a, (span){plus + 1, s.end}) : NULL;
    return true;
}

/* The '@' that ends user and password: the last one before the path. A password may hold
 * '/', so behind "user:" the path is looked for after the first '@'. */
static const char *user_end(span s) {
    const char *stop = find_any(s, "/?");
    if (!find((span){s.p, stop}, '@') && find((span){s.p, stop}, ':')) {
        const char *first = find_any(s, "@?");
        stop = find_any((span){first, s.end}, "/?");
    }
    return find_last((span){s.p, stop}, '@');
}

static void parse_user(span s, pl_arena *a, pl_uri *out) {
    const char *colon = find(s, ':');
    out->user = decode(a, (span){s.p, colon ? colon : s.end}, false);
    if (colon)
        out->password = decode(a, (span){colon + 1, s.end}, false);
}

static bool parse_port(span s, pl_uri *out) {
    int port = 0;
    for (; s.p < s.end; s.p++) {
        if (*s.p < '0' || *s.p > '9' || port > 6553)
            return false;
        port = port * 10 + (*s.p - '0');
    }
    out->port = port;
    return port < 65536;
}

/* "[::1]" or a name, without brackets anywhere else; returns its end, or NULL. */
static const char *parse_name_of_host(span s, pl_arena *a, pl_uri *out) {
    bool bracketed = s.p < s.end && *s.p == '[';
    if (bracketed)
        s.p++;
    const char *end = find_any(s, bracketed ? "[]" : "[]:");
    if (bracketed != (end < s.end && *end == ']') || (bracketed && end == s.p))
        return NULL;
    if (end > s.p)
        out->host = copy(a, (span){s.p, end});
    return bracketed ? end + 1 : end;
}

static bool parse_host(span s, pl_arena *a, pl_uri *out) {
    const char *end = parse_name_of_host(s, a, out);
    if (!end || (end < s.end && *end != ':'))
        return false;
    return end == s.end || parse_port((span){end + 1, s.end}, out);
}

static void parse_option(span s, pl_arena *a, pl_uri *out) {
    const char *equals = find(s, '=');
    if (!equals || equals == s.p || equals + 1 == s.end)
        return;
    const char *key = decode(a, (span){s.p, equals}, true);
    const char *value = decode(a, (span){equals + 1, s.end}, true);
    if (key && value)
        out->options[out->noptions++] = (pl_uri_option){key, value};
}

static bool parse_options(span s, pl_arena *a, pl_uri *out) {
    out->options = pl_arena_array(a, OPTIONS_MOST, sizeof *out->options);
    while (out->options && s.p < s.end) {
        if (out->noptions == OPTIONS_MOST)
            return false;
        const char *amp = find(s, '&');
        const char *end = amp ? amp : s.end;
        parse_option((span){s.p, end}, a, out);
        s.p = amp ? amp + 1 : s.end;
    }
    return true;
}

static bool parse_parts(span s, pl_arena *a, pl_uri *out) {
    const char *colon = find(s, ':');
    if (!colon || s.end - colon < 3 || colon[1] != '/' || colon[2] != '/' ||
        !parse_name((span){s.p, colon}, a, out))
        return false;
    s.p = colon + 3;
    const char *at = user_end(s);
    if (at) {
        parse_user((span){s.p, at}, a, out);
        s.p = at + 1;
    }
    const char *stop = find_any(s, "/?");
    if (!parse_host((span){s.p, stop}, a, out))
        return false;
    s.p = stop;
    const char *query = find(s, '?');
    const char *end = query ? query : s.end;
    if (s.p < end)
        out->database = copy(a, (span){s.p + 1, end});
    return !query || parse_options((span){query + 1, s.end}, a, out);
}

/* ---- what the parts mean ---- */

static bool is_true(const char *s) {
    return s && (strcasecmp(s, "true") == 0 || strcasecmp(s, "on") == 0 ||
                 strcasecmp(s, "yes") == 0 || strcmp(s, "1") == 0);
}

static bool is_memory_file(const pl_uri *u) {
    const char *mode = pl_uri_option_get(u, "mode");
    return strncmp(u->database, "file::memory:", 13) == 0 ||
           (mode && strcmp(mode, "memory") == 0) || strstr(u->database, "mode=memory");
}

/* What follows '?' is pysqlite's or SQLite's own. */
static pl_code check_sqlite_options(const pl_uri *u, pl_error *err) {
    static const char *const known[] = {"cache",
                                        "cached_statements",
                                        "check_same_thread",
                                        "detect_types",
                                        "immutable",
                                        "isolation_level",
                                        "mode",
                                        "modeof",
                                        "nolock",
                                        "psow",
                                        "timeout",
                                        "uri",
                                        "vfs",
                                        NULL};
    for (size_t i = 0; i < u->noptions; i++) {
        size_t k = 0;
        while (known[k] && strcmp(known[k], u->options[i].key) != 0)
            k++;
        if (known[k])
            continue;
        (void)pl_fail(err, PL_EARGUMENT, "unknown option '%s' in an SQLite URI",
                      u->options[i].key);
        return pl_hint(err, "the options are mode, cache, immutable, nolock, psow, vfs, "
                            "uri and timeout; pragmas go into ENGINE_OPTIONS");
    }
    return PL_OK;
}

static pl_code check_sqlite(pl_uri *u, pl_arena *a, pl_error *err) {
    if (u->driver && strcmp(u->driver, "pysqlite") != 0 &&
        strcmp(u->driver, "aiosqlite") != 0)
        return pl_fail(err, PL_ENOMODULE,
                       "Can't load plugin: perilune.dialects:sqlite.%s; the forms are %s",
                       u->driver, forms);
    if (u->user || u->password || u->host || u->port) {
        const char *masked = pl_uri_masked(u, a);
        return pl_fail(err, PL_EARGUMENT,
                       "Invalid SQLite URL: %s\nValid SQLite URL forms are\n"
                       " sqlite:///:memory: (or, sqlite://)\n"
                       " sqlite:///relative/path/to/file.db\n"
                       " sqlite:////absolute/path/to/file.db",
                       masked ? masked : "");
    }
    u->memory = !u->database || !*u->database || strcmp(u->database, ":memory:") == 0;
    u->file_uri = !u->memory && strncmp(u->database, "file:", 5) == 0 &&
                  is_true(pl_uri_option_get(u, "uri"));
    if (u->file_uri && is_memory_file(u))
        u->memory = true;
    return u->file_uri ? PL_OK : check_sqlite_options(u, err);
}

static pl_code check_dialect(pl_uri *u, pl_arena *a, pl_error *err) {
    if (strcmp(u->dialect, "sqlite") == 0)
        return check_sqlite(u, a, err);
    if (strcmp(u->dialect, "postgresql") == 0)
        return PL_OK;
    pl_fail(err, PL_ENOMODULE,
            "Can't load plugin: perilune.dialects:%s; the forms are %s", u->dialect,
            forms);
    return pl_hint(err, "the dialects are sqlite and postgresql");
}

/* Text that is no URI may still hold a password: what stands before an '@' goes. */
static pl_code fail_parse(span s, pl_arena *a, pl_error *err) {
    const char *at = find_last(s, '@');
    const char *colon = at ? find((span){s.p, at}, ':') : NULL;
    const char *head = copy(a, (span){s.p, colon ? colon + 1 : at ? s.p : s.end});
    const char *tail = at ? copy(a, (span){at, s.end}) : "";
    if (!head || !tail)
        return pl_nomem(err);
    return pl_fail(
        err, PL_EARGUMENT,
        "Could not parse a database URI from string '%s%s%s'; the forms are %s", head,
        at ? "***" : "", tail, forms);
}

pl_code pl_uri_parse(const char *text, size_t len, pl_arena *arena, pl_uri *out,
                     pl_error *err) {
    span s = {text, text + len};
    memset(out, 0, sizeof *out);
    bool ok = len <= TEXT_MOST && !memchr(text, 0, len) && parse_parts(s, arena, out);
    if (arena->failed)
        return pl_nomem(err);
    if (!ok && len > TEXT_MOST)
        return pl_fail(err, PL_EARGUMENT, "a database URI cannot be this long");
    pl_code code = ok ? check_dialect(out, arena, err) : fail_parse(s, arena, err);
    return arena->failed ? pl_nomem(err) : code;
}

const char *pl_uri_option_get(const pl_uri *u, const char *key) {
    for (size_t i = 0; i < u->noptions; i++)
        if (strcmp(u->options[i].key, key) == 0)
            return u->options[i].value;
    return NULL;
}

/* ---- printing ---- */

static void put_encoded(pl_buf *b, const char *s) {
    for (; *s; s++) {
        if (isalnum((unsigned char)*s) || strchr("_.-~", *s))
            pl_buf_chr(b, *s);
        else
            pl_buf_fmt(b, "%%%02X", (unsigned)(unsigned char)*s);
    }
}

/* Options whose value is a secret, as drivers of other databases name them. */
static bool is_secret(const char *key) {
    return strstr(key, "password") || strcmp(key, "passwd") == 0 ||
           strcmp(key, "key") == 0;
}

static void put_options(pl_buf *b, const pl_uri *u) {
    for (size_t i = 0; i < u->noptions; i++) {
        pl_buf_chr(b, i ? '&' : '?');
        put_encoded(b, u->options[i].key);
        pl_buf_chr(b, '=');
        if (is_secret(u->options[i].key))
            pl_buf_str(b, "***");
        else
            put_encoded(b, u->options[i].value);
    }
}

static void put_uri(pl_buf *b, const pl_uri *u) {
    pl_buf_fmt(b, "%s%s%s://", u->dialect, u->driver ? "+" : "",
               u->driver ? u->driver : "");
    if (u->user || u->password) {
        put_encoded(b, u->user ? u->user : "");
        pl_buf_str(b, u->password ? ":***@" : "@");
    }
    if (u->host)
        pl_buf_fmt(b, strchr(u->host, ':') ? "[%s]" : "%s", u->host);
    if (u->port)
        pl_buf_fmt(b, ":%d", u->port);
    if (u->database)
        pl_buf_fmt(b, "/%s", u->database);
    put_options(b, u);
}

char *pl_uri_masked(const pl_uri *u, pl_arena *arena) {
    pl_buf b;
    pl_buf_init(&b, arena->alloc);
    put_uri(&b, u);
    char *text = pl_buf_ok(&b) ? pl_arena_str(arena, pl_buf_cstr(&b)) : NULL;
    pl_buf_free(&b);
    return text;
}
