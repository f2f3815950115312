/* SPDX-License-Identifier: MIT */
/*
** map.c - see map.h. Linear probing over an index of entry numbers.
*/
#include "core/base/map.h"

#include <string.h>

enum { SLOTS_MIN = 16 };
#define REMOVED UINT32_MAX

uint64_t pl_hash(const void *p, size_t n) {
    const unsigned char *s = p;
    uint64_t h = 0xcbf29ce484222325u ^ n;
    while (n >= 8) {
        uint64_t w;
        memcpy(&w, s, 8);
        h = (h ^ w) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
        s += 8;
        n -= 8;
    }
    while (n-- > 0)
        h = (h ^ *s++) * 0x100000001b3u;
    return h ^ (h >> 32);
}

void pl_map_init(pl_map *m, pl_alloc alloc) {
    *m = (pl_map){.alloc = alloc};
}

void pl_map_free(pl_map *m) {
    for (size_t i = 0; i < m->filled; i++)
        if (m->entries[i].key)
            pl_free(&m->alloc, m->entries[i].key, m->entries[i].klen + 1);
    pl_free(&m->alloc, m->entries, m->cap * sizeof *m->entries);
    pl_free(&m->alloc, m->index, m->slots * sizeof *m->index);
    pl_map_init(m, m->alloc);
}

/* The index slot that holds the key, or the slot count when absent. */
static size_t find(const pl_map *m, const void *key, size_t klen, uint64_t hash) {
    if (m->slots == 0)
        return 0;
    size_t mask = m->slots - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        uint32_t n = m->index[i];
        if (n == 0)
            return m->slots;
        if (n == REMOVED)
            continue;
        const pl_map_entry *e = &m->entries[n - 1];
        if (e->hash == hash && e->klen == klen && memcmp(e->key, key, klen) == 0)
            return i;
    }
}

void *pl_map_get(const pl_map *m, const void *key, size_t klen) {
    size_t i = find(m, key, klen, pl_hash(key, klen));
    return i < m->slots ? m->entries[m->index[i] - 1].value : NULL;
}

static void place(uint32_t *index, size_t slots, uint64_t hash, uint32_t n) {
    size_t mask = slots - 1;
    size_t i = hash & mask;
    while (index[i] != 0)
        i = (i + 1) & mask;
    index[i] = n;
}

/* Makes room for one more entry: compacts holes and rebuilds the index. */
static bool rebuild(pl_map *m) {
    size_t slots = SLOTS_MIN;
    while (slots < (m->count + 1) * 2)
        slots *= 2;
    size_t cap = slots / 2 + slots / 4;
    pl_map_entry *entries = pl_new(&m->alloc, cap * sizeof *entries);
    uint32_t *index = pl_new(&m->alloc, slots * sizeof *index);
    if (!entries || !index) {
        pl_free(&m->alloc, entries, cap * sizeof *entries);
        pl_free(&m->alloc, index, slots * sizeof *index);
        return false;
    }
    memset(index, 0, slots * sizeof *index);
    size_t n = 0;
    for (size_t i = 0; i < m->filled; i++) {
        if (!m->entries[i].key)
            continue;
        entries[n++] = m->entries[i];
        place(index, slots, m->entries[i].hash, (uint32_t)n);
    }
    pl_free(&m->alloc, m->entries, m->cap * sizeof *m->entries);
    pl_free(&m->alloc, m->index, m->slots * sizeof *m->index);
    m->entries = entries;
    m->index = index;
    m->filled = n;
    m->cap = cap;
    m->slots = slots;
    return true;
}

bool pl_map_set(pl_map *m, const void *key, size_t klen, void *value) {
    uint64_t hash = pl_hash(key, klen);
    size_t i = find(m, key, klen, hash);
    if (i < m->slots) {
        m->entries[m->index[i] - 1].value = value;
        return true;
    }
    if (m->filled == m->cap && !rebuild(m))
        return false;
    char *copy = pl_new(&m->alloc, klen + 1);
    if (!copy)
        return false;
    if (klen > 0)
        memcpy(copy, key, klen);
    copy[klen] = '\0';
    m->entries[m->filled++] = (pl_map_entry){copy, klen, hash, value};
    m->count++;
    place(m->index, m->slots, hash, (uint32_t)m->filled);
    return true;
}

void *pl_map_del(pl_map *m, const void *key, size_t klen) {
    size_t i = find(m, key, klen, pl_hash(key, klen));
    if (i >= m->slots)
        return NULL;
    pl_map_entry *e = &m->entries[m->index[i] - 1];
    void *value = e->value;
    pl_free(&m->alloc, e->key, e->klen + 1);
    *e = (pl_map_entry){0};
    m->index[i] = REMOVED;
    m->count--;
    return value;
}

const pl_map_entry *pl_map_next(const pl_map *m, size_t *pos) {
    while (*pos < m->filled) {
        const pl_map_entry *e = &m->entries[(*pos)++];
        if (e->key)
            return e;
    }
    return NULL;
}
