/* SPDX-License-Identifier: MIT */
/*
** stmt_cache.c - see stmt_cache.h. Chained buckets for the text, a ring for the age.
*/
#include "core/driver/conn_state.h"

void pl_stmt_cache_init(pl_stmt_cache *cache) {
    memset(cache, 0, sizeof *cache);
    pl_link_init(&cache->recent);
}

static pl_stmt **bucket_of(pl_stmt_cache *cache, uint64_t hash) {
    return &cache->buckets[hash % PL_STMT_BUCKETS];
}

static pl_stmt *take_at(pl_stmt_cache *cache, pl_stmt **at) {
    pl_stmt *s = *at;
    *at = s->bucket_next;
    pl_link_remove(&s->link);
    cache->count--;
    return s;
}

pl_stmt *pl_stmt_cache_take(pl_stmt_cache *cache, const char *sql, size_t len,
                            uint64_t hash) {
    for (pl_stmt **at = bucket_of(cache, hash); *at; at = &(*at)->bucket_next) {
        const pl_stmt *s = *at;
        if (s->hash == hash && s->len == len && memcmp(s->sql, sql, len) == 0)
            return take_at(cache, at);
    }
    return NULL;
}

pl_stmt *pl_stmt_cache_oldest(pl_stmt_cache *cache) {
    if (cache->count == 0)
        return NULL;
    pl_stmt *s = (pl_stmt *)cache->recent.prev;
    pl_stmt **at = bucket_of(cache, s->hash);
    while (*at != s)
        at = &(*at)->bucket_next;
    return take_at(cache, at);
}

pl_stmt *pl_stmt_cache_put(pl_stmt_cache *cache, pl_stmt *s) {
    pl_stmt *out = cache->count == PL_STMT_CACHE ? pl_stmt_cache_oldest(cache) : NULL;
    pl_stmt **at = bucket_of(cache, s->hash);
    s->bucket_next = *at;
    *at = s;
    pl_link_insert(&cache->recent, &s->link);
    cache->count++;
    return out;
}
