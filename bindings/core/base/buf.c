/* SPDX-License-Identifier: MIT */
/*
** buf.c - see buf.h.
*/
#include "core/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST = 256 };
static const size_t DEFAULT_MAX = (size_t)64 << 20;

void pl_buf_init(pl_buf *b, pl_alloc alloc) {
    *b = (pl_buf){.alloc = alloc, .max = DEFAULT_MAX};
}

void pl_buf_free(pl_buf *b) {
    pl_free(&b->alloc, b->p, b->cap);
    b->p = NULL;
    b->len = b->cap = 0;
}

void pl_buf_clear(pl_buf *b) {
    b->len = 0;
    b->failed = false;
    if (b->p)
        b->p[0] = '\0';
}

/* Room for n more bytes and the final '\0'. */
static bool reserve(pl_buf *b, size_t n) {
    if (b->failed)
        return false;
    if (n > b->max || b->len > b->max - n) {
        b->failed = true;
        return false;
    }
    if (n < b->cap - b->len)
        return true;
    size_t cap = b->cap ? b->cap * 2 : FIRST;
    while (cap < b->len + n + 1)
        cap *= 2;
    char *p = b->p ? pl_grow(&b->alloc, b->p, b->cap, cap) : pl_new(&b->alloc, cap);
    if (!p) {
        b->failed = true;
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

void pl_buf_put(pl_buf *b, const void *s, size_t n) {
    if (n == 0 || !reserve(b, n))
        return;
    memcpy(b->p + b->len, s, n);
    b->len += n;
    b->p[b->len] = '\0';
}

void pl_buf_str(pl_buf *b, const char *s) {
    pl_buf_put(b, s, strlen(s));
}

void pl_buf_chr(pl_buf *b, char c) {
    pl_buf_put(b, &c, 1);
}

void pl_buf_int(pl_buf *b, int64_t i) {
    pl_buf_fmt(b, "%lld", (long long)i);
}

void pl_buf_fmt(pl_buf *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !reserve(b, (size_t)n))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(b->p + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

const char *pl_buf_cstr(const pl_buf *b) {
    return b->p && !b->failed ? b->p : "";
}
