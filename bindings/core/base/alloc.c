/* SPDX-License-Identifier: MIT */
/*
** alloc.c - thin calls through a pl_alloc, and the libc allocator.
** The only file of the core that knows realloc and free.
*/
#include "core/base/alloc.h"

#include <stdlib.h>

static void *libc_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    (void)ud;
    (void)osize;
    if (nsize == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, nsize);
}

pl_alloc pl_alloc_libc(void) {
    return (pl_alloc){libc_alloc, NULL};
}

void *pl_new(const pl_alloc *a, size_t n) {
    return a->fn(a->ud, NULL, 0, n);
}

void *pl_grow(const pl_alloc *a, void *ptr, size_t osize, size_t nsize) {
    return a->fn(a->ud, ptr, osize, nsize);
}

void pl_free(const pl_alloc *a, void *ptr, size_t n) {
    if (ptr)
        (void)a->fn(a->ud, ptr, n, 0);
}
