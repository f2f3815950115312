/* SPDX-License-Identifier: MIT */
/*
** arena.h - memory that is freed all at once.
**
** An arena owns chunks; every block it gives lives until pl_arena_free. Failure is
** sticky: after one failed allocation `failed` stays set, so that builders may check
** once at the end. Callers that need the block at once test for NULL.
*/
#ifndef PL_ARENA_H
#define PL_ARENA_H

#include "core/base/alloc.h"

#include <stdbool.h>
#include <stdint.h>

struct pl_chunk;

typedef struct pl_arena {
    pl_alloc alloc;
    struct pl_chunk *chunks; /* newest first */
    char *next;              /* free space of the newest chunk: next .. end */
    char *end;
    size_t used; /* bytes handed out, for statistics */
    bool failed; /* sticky */
} pl_arena;

void pl_arena_init(pl_arena *a, pl_alloc alloc);
void pl_arena_free(pl_arena *a);

/* n zeroed bytes, 16-aligned; NULL when memory is short. n may be 0. */
void *pl_arena_get(pl_arena *a, size_t n);

/* count * size zeroed bytes with an overflow check. */
void *pl_arena_array(pl_arena *a, size_t count, size_t size);

/* A copy of n bytes with a '\0' behind. */
char *pl_arena_copy(pl_arena *a, const char *s, size_t n);

/* A copy of a C string; NULL stays NULL. */
char *pl_arena_str(pl_arena *a, const char *s);

/* A formatted C string (printf's directives). */
char *pl_arena_fmt(pl_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#define pl_arena_new(a, type) ((type *)pl_arena_get((a), sizeof(type)))

#endif
