/* SPDX-License-Identifier: MIT */
/*
** map.h - open-addressing hash from bytes (or a pointer) to a pointer.
**
** Used for names, cache keys and node marks. The map copies keys of pl_map_set into
** memory of its own and owns nothing that values point to. Iteration goes in order of
** insertion as long as nothing was removed, which keeps output deterministic.
*/
#ifndef PL_MAP_H
#define PL_MAP_H

#include "core/base/alloc.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct pl_map_entry {
    char *key; /* klen bytes and a '\0'; NULL when removed */
    size_t klen;
    uint64_t hash;
    void *value;
} pl_map_entry;

typedef struct pl_map {
    pl_alloc alloc;
    pl_map_entry *entries; /* in order of insertion, holes where removed */
    uint32_t *index;       /* entry number + 1, 0 empty, UINT32_MAX removed */
    size_t count;          /* live entries */
    size_t filled;         /* used entries, holes included */
    size_t cap;            /* entries allocated */
    size_t slots;          /* size of index, a power of two */
} pl_map;

void pl_map_init(pl_map *m, pl_alloc alloc);
void pl_map_free(pl_map *m);

/* The value of a key, or NULL. */
void *pl_map_get(const pl_map *m, const void *key, size_t klen);

/* Sets a key; false when memory is short (the map is unchanged). */
bool pl_map_set(pl_map *m, const void *key, size_t klen, void *value);

/* Removes a key; returns its value or NULL. */
void *pl_map_del(pl_map *m, const void *key, size_t klen);

/* Next live entry after position *pos (start with 0), or NULL at the end. */
const pl_map_entry *pl_map_next(const pl_map *m, size_t *pos);

uint64_t pl_hash(const void *p, size_t n);

#endif
