/* SPDX-License-Identifier: MIT */
/*
** arena.c - bump allocation from chunks that double up to a bound.
*/
#include "core/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ALIGN = 16, CHUNK_MIN = 1024, CHUNK_MAX = 64 * 1024 };

typedef struct pl_chunk {
    struct pl_chunk *prev;
    size_t size; /* whole block, header included */
} pl_chunk;

static size_t header_size(void) {
    return (sizeof(pl_chunk) + ALIGN - 1) / ALIGN * ALIGN;
}

void pl_arena_init(pl_arena *a, pl_alloc alloc) {
    *a = (pl_arena){.alloc = alloc};
}

void pl_arena_free(pl_arena *a) {
    pl_chunk *c = a->chunks;
    while (c) {
        pl_chunk *prev = c->prev;
        pl_free(&a->alloc, c, c->size);
        c = prev;
    }
    pl_arena_init(a, a->alloc);
}

static bool add_chunk(pl_arena *a, size_t need) {
    size_t size = a->chunks ? a->chunks->size * 2 : CHUNK_MIN;
    if (size > CHUNK_MAX)
        size = CHUNK_MAX;
    if (size < need + header_size())
        size = need + header_size();
    pl_chunk *c = pl_new(&a->alloc, size);
    if (!c)
        return false;
    c->prev = a->chunks;
    c->size = size;
    a->chunks = c;
    a->next = (char *)c + header_size();
    a->end = (char *)c + size;
    return true;
}

void *pl_arena_get(pl_arena *a, size_t n) {
    if (n > SIZE_MAX / 2) {
        a->failed = true;
        return NULL;
    }
    n = (n + ALIGN - 1) / ALIGN * ALIGN;
    if ((!a->next || (size_t)(a->end - a->next) < n) && !add_chunk(a, n)) {
        a->failed = true;
        return NULL;
    }
    char *p = a->next;
    a->next += n;
    a->used += n;
    return memset(p, 0, n);
}

void *pl_arena_array(pl_arena *a, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / 2 / size) {
        a->failed = true;
        return NULL;
    }
    return pl_arena_get(a, count * size);
}

char *pl_arena_copy(pl_arena *a, const char *s, size_t n) {
    char *p = pl_arena_get(a, n + 1);
    if (p && n > 0)
        memcpy(p, s, n);
    return p;
}

char *pl_arena_str(pl_arena *a, const char *s) {
    return s ? pl_arena_copy(a, s, strlen(s)) : NULL;
}

char *pl_arena_fmt(pl_arena *a, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : pl_arena_get(a, (size_t)n + 1);
    if (!p)
        return NULL;
    va_start(ap, fmt);
    (void)vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}
