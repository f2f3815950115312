/* SPDX-License-Identifier: MIT */
/*
** buf.h - growable bytes with a maximum and a sticky error.
**
** SQL text, cache keys and messages are built in a pl_buf. After a failure (memory or
** maximum) further writes do nothing and pl_buf_ok is false, so writers check once.
** The owner calls pl_buf_free.
*/
#ifndef PL_BUF_H
#define PL_BUF_H

#include "core/base/alloc.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct pl_buf {
    pl_alloc alloc;
    char *p; /* NULL or cap bytes, always '\0' behind the content */
    size_t len;
    size_t cap;
    size_t max;
    bool failed;
} pl_buf;

void pl_buf_init(pl_buf *b, pl_alloc alloc);
void pl_buf_free(pl_buf *b);
void pl_buf_clear(pl_buf *b); /* keeps the memory, clears the error */

void pl_buf_put(pl_buf *b, const void *s, size_t n);
void pl_buf_str(pl_buf *b, const char *s);
void pl_buf_chr(pl_buf *b, char c);
void pl_buf_int(pl_buf *b, int64_t i);
void pl_buf_fmt(pl_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The content as a C string ("" when empty or failed); valid until the next write. */
const char *pl_buf_cstr(const pl_buf *b);

static inline bool pl_buf_ok(const pl_buf *b) {
    return !b->failed;
}

#endif
