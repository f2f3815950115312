/* SPDX-License-Identifier: MIT */
/*
** alloc.h - the one way the core gets memory.
**
** An allocator is a function of the shape Lua uses (grow, shrink and free in one),
** so that a host can hand Lua's own to the core and one limit holds for both.
** Whoever creates an object stores the allocator in it; nothing is global.
*/
#ifndef PL_ALLOC_H
#define PL_ALLOC_H

#include <stddef.h>

typedef void *(*pl_alloc_fn)(void *ud, void *ptr, size_t osize, size_t nsize);

typedef struct pl_alloc {
    pl_alloc_fn fn;
    void *ud;
} pl_alloc;

/* The C library's realloc and free, for programs that have no other. */
pl_alloc pl_alloc_libc(void);

/* New block of n bytes (not zeroed), or NULL. n must be > 0. */
void *pl_new(const pl_alloc *a, size_t n);

/* Block resized from osize to nsize (both > 0), or NULL with the old block kept. */
void *pl_grow(const pl_alloc *a, void *ptr, size_t osize, size_t nsize);

/* Frees a block of n bytes; NULL is a no-op. */
void pl_free(const pl_alloc *a, void *ptr, size_t n);

#endif
