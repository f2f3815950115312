/* SPDX-License-Identifier: MIT */
/*
 * heap.c - see heap.h. Regions double in size until they are as large as a huge page;
 * from then on each is one, aligned, so that a small script stays small.
 *
 * Under a sanitizer every block is the C library's, or the sanitizer would not see it.
 */
#include "heap.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    STEP = 16,           /* between the sizes of small blocks */
    FINE = 1024,         /* up to here; above, four sizes to each power of two */
    LARGEST = 32 * 1024, /* of a block from a region */
    CLASSES = FINE / STEP + 4 * 5 + 1,
    REGION_FIRST = 64 * 1024,
    HUGE_PAGE = 2 * 1024 * 1024 /* a huge page of the usual systems */
};

typedef struct free_block {
    struct free_block *next;
} free_block;

/* Stands at the start of its memory. */
typedef struct region {
    struct region *next;
    size_t size;
    bool mapped;
} region;

/* Invariant: cut <= end, both in the first region; every free block of a class is as
 * large as the class at least. */
struct heap {
    char *cut, *end;
    region *regions;
    size_t grow; /* size of the next region */
    free_block *free[CLASSES];
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool plain = true;
#else
static const bool plain = false;
#endif

/* The class of a size from 1 to LARGEST, and the size of its blocks. */
static int class_of(size_t size, size_t *full) {
    if (size <= FINE) {
        size_t n = (size + STEP - 1) / STEP;
        *full = n * STEP;
        return (int)n;
    }
    int power = 63 - __builtin_clzll(size - 1); /* 2^power < size <= 2^(power + 1) */
    size_t step = (size_t)1 << (power - 2);
    size_t n = (size - 1 - ((size_t)1 << power)) / step;
    *full = ((size_t)1 << power) + (n + 1) * step;
    return FINE / STEP + 1 + (power - 10) * 4 + (int)n;
}

/* HUGE_PAGE bytes at a multiple of HUGE_PAGE, or NULL. */
static void *map_huge(void) {
    char *p = mmap(NULL, 2 * (size_t)HUGE_PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t lead = (size_t)(-(uintptr_t)p % HUGE_PAGE);
    if (lead > 0)
        (void)munmap(p, lead);
    (void)munmap(p + lead + HUGE_PAGE, HUGE_PAGE - lead);
#ifdef MADV_HUGEPAGE
    (void)madvise(p + lead, HUGE_PAGE, MADV_HUGEPAGE);
#endif
    return p + lead;
}

static bool add_region(heap *h) {
    bool mapped = h->grow >= HUGE_PAGE;
    region *r = mapped ? map_huge() : malloc(h->grow);
    if (!r)
        return false;
    *r = (region){h->regions, h->grow, mapped};
    h->regions = r;
    size_t head = (sizeof *r + STEP - 1) / STEP * STEP;
    h->cut = (char *)r + head;
    h->end = (char *)r + r->size;
    if (!mapped)
        h->grow *= 2;
    return true;
}

/* What is left of the region goes to the free lists of what fits. */
static void use_up(heap *h) {
    while (h->end - h->cut >= STEP) {
        size_t left = (size_t)(h->end - h->cut), full;
        size_t size = left < FINE ? left : FINE;
        int c = class_of(size, &full);
        if (full > size)
            c--, full -= STEP;
        free_block *b = (free_block *)h->cut;
        b->next = h->free[c];
        h->free[c] = b;
        h->cut += full;
    }
}

static void *take(heap *h, size_t size) {
    if (plain || size > LARGEST)
        return malloc(size);
    size_t full;
    int c = class_of(size, &full);
    free_block *b = h->free[c];
    if (b) {
        h->free[c] = b->next;
        return b;
    }
    if ((size_t)(h->end - h->cut) < full) {
        use_up(h);
        if (!add_region(h))
            return NULL;
    }
    void *p = h->cut;
    h->cut += full;
    return p;
}

static void give(heap *h, void *p, size_t size) {
    if (plain || size > LARGEST) {
        free(p);
        return;
    }
    size_t full;
    int c = class_of(size, &full);
    free_block *b = p;
    b->next = h->free[c];
    h->free[c] = b;
}

/* Whether a block of one size does for the other. */
static bool same_block(size_t a, size_t b) {
    size_t full_a, full_b;
    return a <= LARGEST && b <= LARGEST && class_of(a, &full_a) == class_of(b, &full_b);
}

static void *resize(heap *h, void *p, size_t old_size, size_t new_size) {
    if (plain || (old_size > LARGEST && new_size > LARGEST))
        return realloc(p, new_size);
    if (same_block(old_size, new_size))
        return p;
    void *q = take(h, new_size);
    if (!q) /* Lua counts on it that a block can be made smaller */
        return new_size < old_size && old_size <= LARGEST ? p : NULL;
    memcpy(q, p, old_size < new_size ? old_size : new_size);
    give(h, p, old_size);
    return q;
}

void *heap_alloc(void *ud, void *block, size_t old_size, size_t new_size) {
    heap *h = ud;
    if (new_size == 0) {
        if (block)
            give(h, block, old_size);
        return NULL;
    }
    return block && old_size > 0 ? resize(h, block, old_size, new_size)
                                 : take(h, new_size);
}

heap *heap_new(void) {
    heap *h = calloc(1, sizeof *h);
    if (h)
        h->grow = REGION_FIRST;
    return h;
}

void heap_free(heap *h) {
    if (!h)
        return;
    while (h->regions) {
        region *r = h->regions;
        h->regions = r->next;
        if (r->mapped)
            (void)munmap(r, r->size);
        else
            free(r);
    }
    free(h);
}
