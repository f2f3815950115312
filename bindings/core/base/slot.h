/* SPDX-License-Identifier: MIT */
/*
** slot.h - one value as the database stores it.
**
** Attributes of instances, bound parameters and result columns are slots. A slot never
** owns the bytes it points to: its holder says who does (a page of rows, a Lua string,
** a node, SQLite until the next step).
*/
#ifndef PL_SLOT_H
#define PL_SLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef enum pl_tag {
    PL_UNSET = 0, /* no value: never set, not loaded, or expired */
    PL_NULL,
    PL_INT,
    PL_REAL,
    PL_TEXT,
    PL_BLOB,
    PL_EXPR /* an SQL expression assigned to an attribute: v.p is its node */
} pl_tag;

enum {
    PL_SLOT_CHANGED = 1, /* differs from the row: goes into the next INSERT or UPDATE */
    PL_SLOT_SERVER = 2,  /* the database computed it: read it back when next needed */
    PL_SLOT_GUESS = 4    /* a default that nobody has set or read from a row */
};

typedef struct pl_slot {
    union {
        int64_t i;
        double r;
        const char *s;
        const void *p;
    } v;
    uint32_t len; /* bytes at v.s */
    uint8_t tag;
    uint8_t flags;
    uint16_t spare;
} pl_slot;

static inline pl_slot pl_slot_null(void) {
    return (pl_slot){.tag = PL_NULL};
}

static inline pl_slot pl_slot_int(int64_t i) {
    return (pl_slot){.v.i = i, .tag = PL_INT};
}

static inline pl_slot pl_slot_real(double r) {
    return (pl_slot){.v.r = r, .tag = PL_REAL};
}

static inline pl_slot pl_slot_text(const char *s, size_t len) {
    return (pl_slot){.v.s = s, .len = (uint32_t)len, .tag = PL_TEXT};
}

static inline pl_slot pl_slot_blob(const char *s, size_t len) {
    return (pl_slot){.v.s = s, .len = (uint32_t)len, .tag = PL_BLOB};
}

/* Same tag and same value; flags do not count. */
static inline bool pl_slot_same(const pl_slot *a, const pl_slot *b) {
    if (a->tag != b->tag)
        return false;
    switch (a->tag) {
    case PL_INT:
    case PL_REAL: return a->v.i == b->v.i; /* bit for bit */
    case PL_TEXT:
    case PL_BLOB:
        return a->len == b->len && (a->len == 0 || memcmp(a->v.s, b->v.s, a->len) == 0);
    case PL_EXPR: return a->v.p == b->v.p;
    default: return true;
    }
}

#endif
