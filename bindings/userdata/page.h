/* SPDX-License-Identifier: MIT */
/*
** page.h - pages of rows: where the values of loaded instances stand.
**
** A page is a userdata without finalizer; instances whose rows are in it keep it alive by
** their user value. Rows (slots, then the bytes of their texts) grow from the front, the
** table of row offsets from the back. The pages of one result share a cohort: a table
** with weak values that lists them, so that what came together can be loaded together.
** A page without one is alone.
*/
#ifndef PLUA_PAGE_H
#define PLUA_PAGE_H

#include "core/unit/mapper.h"
#include "userdata/glue.h"

/* Invariant: used <= size - nrows * sizeof(uint32_t). */
typedef struct plua_page {
    pl_mapper *mapper; /* of the rows: all have its number of slots */
    uint32_t size;     /* bytes behind the header */
    uint32_t used;
    uint32_t nrows;
    uint32_t spare;
    char data[];
} plua_page;

/* Writes rows; lives on the C stack, its page and cohort at two stack indices. */
typedef struct plua_writer {
    plua_page *page;
    int pageidx;   /* stack index of the page, or nil there */
    int cohortidx; /* stack index of the cohort table, or nil there: one page */
    int levelidx;  /* stack index of the level of its instances (level.h), or 0 */
    size_t rows;   /* how many are expected, or 0: not known */
    size_t expect; /* bytes of the next page */
    bool sparse;   /* numbers may repeat, or be PL_NO_SLOT, which is left out */
} plua_writer;

/* Begins writing: pushes a nil for the page and one for its cohort. [-0, +2, -] */
void plua_writer_begin(lua_State *L, plua_writer *w);

/* A row of `m` with the values of n slots copied to the numbers in `to`; the others are
** unset. The page it is in stands at w->pageidx. [-0, +0, m] */
pl_slot *plua_write_row(lua_State *L, plua_writer *w, pl_mapper *m, const pl_slot *from,
                        const uint16_t *to, int n);

/* The slots of row i of a page. */
static inline pl_slot *plua_page_row(plua_page *p, uint32_t i) {
    const uint32_t *offsets = (const uint32_t *)(p->data + p->size);
    return (pl_slot *)(p->data + offsets[-1 - (int64_t)i]);
}

/* Pushes the page of the instance at idx, or nil when it has none. [-0, +1, -] */
plua_page *plua_push_page(lua_State *L, int idx, const pl_object *o);

#endif
