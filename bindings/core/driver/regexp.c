/* SPDX-License-Identifier: MIT */
/*
** regexp.c - see regexp.h. POSIX regcomp and regexec under a UTF-8 locale.
**
** The locale is set for the calling thread while an expression is compiled or run, so the
** program's own locale does not matter. The last pattern is kept compiled, which serves a
** WHERE clause over many rows. The connection owns the cache and frees it at its end.
*/
#include "core/driver/regexp.h"

#include "core/base/buf.h"

#include <inttypes.h>
#include <locale.h>
#include <regex.h>
#include <stdio.h>

enum { PATTERN_MOST = 10000, NUMBER_TEXT = 40 };

typedef struct regexp {
    pl_alloc alloc;
    locale_t utf8; /* 0 when the system has no UTF-8 locale */
    regex_t compiled;
    pl_buf pattern; /* as the statement gave it */
    bool ready;     /* compiled belongs to pattern */
    char message[200];
} regexp;

void *pl_regexp_new(pl_alloc alloc) {
    regexp *r = pl_new(&alloc, sizeof *r);
    if (!r)
        return NULL;
    *r = (regexp){.alloc = alloc};
    r->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    pl_buf_init(&r->pattern, alloc);
    return r;
}

void pl_regexp_free(void *ud) {
    regexp *r = ud;
    if (!r)
        return;
    if (r->ready)
        regfree(&r->compiled);
    if (r->utf8)
        freelocale(r->utf8);
    pl_buf_free(&r->pattern);
    pl_alloc alloc = r->alloc;
    pl_free(&alloc, r, sizeof *r);
}

/* Inside brackets a backslash means itself to POSIX; classes get their POSIX names. */
static const char *class_in_brackets(char letter) {
    switch (letter) {
    case 'd': return "[:digit:]";
    case 'w': return "[:alnum:]_";
    case 's': return "[:space:]";
    default: return NULL;
    }
}

/* Copies a bracket expression that begins at p; returns the first byte behind it. */
static const char *copy_brackets(pl_buf *out, const char *p) {
    pl_buf_chr(out, *p++);
    if (*p == '^')
        pl_buf_chr(out, *p++);
    if (*p == ']')
        pl_buf_chr(out, *p++);
    while (*p && *p != ']') {
        const char *name = *p == '\\' ? class_in_brackets(p[1]) : NULL;
        const char *inner = *p == '[' && p[1] == ':' ? strstr(p + 2, ":]") : NULL;
        if (name) {
            pl_buf_str(out, name);
            p += 2;
        } else if (inner) {
            pl_buf_put(out, p, (size_t)(inner + 2 - p));
            p = inner + 2;
        } else {
            pl_buf_chr(out, *p++);
        }
    }
    if (*p)
        pl_buf_chr(out, *p++);
    return p;
}

static void translate(pl_buf *out, const char *p) {
    while (*p) {
        if (*p == '[') {
            p = copy_brackets(out, p);
        } else if (*p == '\\' && p[1]) {
            if (p[1] == 'd' || p[1] == 'D')
                pl_buf_str(out, p[1] == 'd' ? "[0-9]" : "[^0-9]");
            else
                pl_buf_put(out, p, 2);
            p += 2;
        } else {
            pl_buf_chr(out, *p++);
        }
    }
}

static int compile(regexp *r, const char **message) {
    pl_buf posix;
    pl_buf_init(&posix, r->alloc);
    translate(&posix, pl_buf_cstr(&r->pattern));
    bool ok = pl_buf_ok(&posix) && pl_buf_ok(&r->pattern);
    int rc =
        ok ? regcomp(&r->compiled, pl_buf_cstr(&posix), REG_EXTENDED | REG_NOSUB) : 0;
    pl_buf_free(&posix);
    r->ready = ok && rc == 0;
    if (r->ready)
        return 0;
    if (ok && rc != REG_ESPACE) {
        int n = snprintf(r->message, sizeof r->message, "bad regular expression: ");
        (void)regerror(rc, &r->compiled, r->message + n, sizeof r->message - (size_t)n);
        *message = r->message;
    }
    return 1;
}

/* Makes sure that the pattern is the one compiled. */
static int prepare(regexp *r, const pl_slot *pattern, const char **message) {
    const pl_buf *old = &r->pattern;
    if (r->ready && old->len == pattern->len &&
        memcmp(pl_buf_cstr(old), pattern->v.s, pattern->len) == 0)
        return 0;
    if (r->ready)
        regfree(&r->compiled);
    r->ready = false;
    if (pattern->len > PATTERN_MOST || memchr(pattern->v.s, 0, pattern->len)) {
        *message = "bad regular expression: too long, or with a zero byte";
        return 1;
    }
    pl_buf_clear(&r->pattern);
    pl_buf_put(&r->pattern, pattern->v.s, pattern->len);
    return compile(r, message);
}

/* Numbers are matched by their text, as the database would write it. */
static pl_slot as_text(const pl_slot *v, char text[NUMBER_TEXT]) {
    int n = 0;
    if (v->tag == PL_INT)
        n = snprintf(text, NUMBER_TEXT, "%" PRId64, v->v.i);
    else if (v->tag == PL_REAL)
        n = snprintf(text, NUMBER_TEXT, "%.15g", v->v.r);
    else
        return *v;
    return pl_slot_text(text, (size_t)n);
}

static int search(regexp *r, const pl_slot *pattern, const pl_slot *value,
                  pl_slot *result, const char **message) {
    if (prepare(r, pattern, message) != 0)
        return 1;
    regmatch_t span = {.rm_so = 0, .rm_eo = (regoff_t)value->len};
    int rc = regexec(&r->compiled, value->v.s, 1, &span, REG_STARTEND);
    *result = pl_slot_int(rc == 0);
    return rc == REG_ESPACE;
}

int pl_regexp(void *ud, const pl_slot *args, int nargs, pl_slot *result,
              const char **message) {
    regexp *r = ud;
    char texts[2][NUMBER_TEXT];
    *result = pl_slot_null();
    if (nargs != 2 || args[0].tag == PL_NULL || args[1].tag == PL_NULL)
        return 0;
    pl_slot pattern = as_text(&args[0], texts[0]);
    pl_slot value = as_text(&args[1], texts[1]);
    locale_t before = r->utf8 ? uselocale(r->utf8) : (locale_t)0;
    int failed = search(r, &pattern, &value, result, message);
    if (before)
        (void)uselocale(before);
    return failed;
}
