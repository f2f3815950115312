/* SPDX-License-Identifier: MIT */
/*
** stmt_cache.h - the prepared statements of a connection that nobody uses just now.
**
** At most PL_STMT_CACHE statements, found by their SQL text; a new one pushes out the one
** used longest ago. A statement that is taken belongs to the taker alone until it is put
** back, so a nested use of the same text is a statement of its own.
*/
#ifndef PL_STMT_CACHE_H
#define PL_STMT_CACHE_H

#include "core/driver/conn.h"

enum { PL_STMT_CACHE = 128, PL_STMT_BUCKETS = 256 };

/* A place in a ring; a ring's head is one too. */
typedef struct pl_link {
    struct pl_link *prev, *next;
} pl_link;

static inline void pl_link_init(pl_link *ring) {
    ring->prev = ring->next = ring;
}

static inline void pl_link_insert(pl_link *ring, pl_link *at) {
    at->prev = ring;
    at->next = ring->next;
    ring->next->prev = at;
    ring->next = at;
}

static inline void pl_link_remove(pl_link *at) {
    at->prev->next = at->next;
    at->next->prev = at->prev;
}

typedef struct pl_stmt_cache {
    pl_link recent; /* newest first */
    pl_stmt *buckets[PL_STMT_BUCKETS];
    int count;
} pl_stmt_cache;

void pl_stmt_cache_init(pl_stmt_cache *cache);

/* Takes out a statement with this text, or NULL. */
pl_stmt *pl_stmt_cache_take(pl_stmt_cache *cache, const char *sql, size_t len,
                            uint64_t hash);

/* Puts a statement in; returns the one it pushed out, for the caller to free, or NULL. */
pl_stmt *pl_stmt_cache_put(pl_stmt_cache *cache, pl_stmt *s);

/* Takes out the statement used longest ago, or NULL when the cache is empty. */
pl_stmt *pl_stmt_cache_oldest(pl_stmt_cache *cache);

#endif
