/* SPDX-License-Identifier: MIT */
/*
** fail_alloc.h - an allocator whose nth allocation fails, for tests that try every n.
**
**     fail_alloc fa = {.fail_at = 0};
**     do {
**         fail_alloc_next(&fa);
**         ... the operation, with fail_alloc_of(&fa) ...
**         assert(fa.live == 0);
**     } while (fa.failed);
**
** With `persistent` every allocation from the nth on fails. Blocks that become smaller
*and
** frees never fail. `live` counts bytes that were not given back.
*/
#ifndef FAIL_ALLOC_H
#define FAIL_ALLOC_H

#include "core/base/alloc.h"

#include <stdbool.h>
#include <stdlib.h>

typedef struct fail_alloc {
    long fail_at; /* 1 is the first allocation; 0 never */
    bool persistent;
    long count;
    long failed; /* allocations refused */
    long live;
} fail_alloc;

static inline void *fail_alloc_run(void *ud, void *ptr, size_t osize, size_t nsize) {
    fail_alloc *fa = ud;
    if (nsize == 0) {
        fa->live -= (long)osize;
        free(ptr);
        return NULL;
    }
    if (!ptr || nsize > osize) {
        fa->count++;
        if (fa->count == fa->fail_at ||
            (fa->persistent && fa->fail_at > 0 && fa->count > fa->fail_at)) {
            fa->failed++;
            return NULL;
        }
    }
    void *p = realloc(ptr, nsize);
    if (p)
        fa->live += (long)nsize - (ptr ? (long)osize : 0);
    return p;
}

static inline pl_alloc fail_alloc_of(fail_alloc *fa) {
    return (pl_alloc){fail_alloc_run, fa};
}

/* Prepares the next round: one allocation later. */
static inline void fail_alloc_next(fail_alloc *fa) {
    fa->fail_at++;
    fa->count = fa->failed = fa->live = 0;
}

#endif
