/* SPDX-License-Identifier: MIT */
/*
** page.c - see page.h.
*/
#include "userdata/page.h"
#include "userdata/instance.h"

#include <string.h>

enum { PAGE_FIRST = 512, PAGE_MAX = 32 * 1024 - 128, PAGE_ALIGN = 8 };

void plua_writer_begin(lua_State *L, plua_writer *w) {
    lua_pushnil(L);
    lua_pushnil(L);
    int top = lua_gettop(L);
    *w = (plua_writer){.pageidx = top - 1, .cohortidx = top, .expect = PAGE_FIRST};
}

/* Appends the page on top to the cohort. */
static void join_cohort(lua_State *L, const plua_writer *w, lua_Integer n) {
    lua_pushvalue(L, -1);
    lua_rawseti(L, w->cohortidx, n);
    lua_pushvalue(L, w->cohortidx);
    lua_setiuservalue(L, -2, 1);
}

/* The second page of a result begins its cohort: most results have one page. */
static void begin_cohort(lua_State *L, plua_writer *w) {
    plua_push_weak_table(L, "v");
    lua_replace(L, w->cohortidx);
    lua_pushvalue(L, w->pageidx);
    join_cohort(L, w, 1);
    lua_pop(L, 1);
}

/* Bytes of the next page, whose first row takes `need`: of a known number of rows all,
** otherwise more with every page. */
static size_t page_size(plua_writer *w, size_t need) {
    size_t size = w->expect;
    if (!w->page && w->rows > 0)
        size = w->rows * need < PAGE_MAX ? w->rows * need : PAGE_MAX;
    else if (w->expect < PAGE_MAX)
        w->expect = w->expect * 4 < PAGE_MAX ? w->expect * 4 : PAGE_MAX;
    size = need > size ? need : size;
    return (size + PAGE_ALIGN - 1) / PAGE_ALIGN * PAGE_ALIGN;
}

static void new_page(lua_State *L, plua_writer *w, pl_mapper *m, size_t need) {
    size_t size = page_size(w, need);
    if (w->page && lua_isnil(L, w->cohortidx))
        begin_cohort(L, w);
    plua_page *p = lua_newuserdatauv(L, sizeof *p + size, 2);
    *p = (plua_page){.mapper = m, .size = (uint32_t)size};
    if (w->page)
        join_cohort(L, w, (lua_Integer)lua_rawlen(L, w->cohortidx) + 1);
    if (w->levelidx) {
        lua_pushvalue(L, w->levelidx);
        lua_setiuservalue(L, -2, 2);
    }
    lua_replace(L, w->pageidx);
    w->page = p;
}

static size_t bytes_of(const pl_slot *from, int n) {
    size_t bytes = 0;
    for (int i = 0; i < n; i++)
        if (from[i].tag == PL_TEXT || from[i].tag == PL_BLOB)
            bytes += from[i].len;
    return bytes;
}

pl_slot *plua_write_row(lua_State *L, plua_writer *w, pl_mapper *m, const pl_slot *from,
                        const uint16_t *to, int n) {
    size_t fixed = m->nslots * sizeof(pl_slot);
    size_t need = fixed + bytes_of(from, n);
    need = (need + PAGE_ALIGN - 1) / PAGE_ALIGN * PAGE_ALIGN;
    plua_page *p = w->page;
    if (!p || p->mapper != m ||
        p->size - p->used - (p->nrows + 1) * sizeof(uint32_t) < need ||
        p->used + (p->nrows + 1) * sizeof(uint32_t) > p->size) {
        new_page(L, w, m, need + sizeof(uint32_t));
        p = w->page;
    }
    pl_slot *row = (pl_slot *)(p->data + p->used);
    char *text = (char *)row + fixed;
    ((uint32_t *)(p->data + p->size))[-1 - (int64_t)p->nrows] = p->used;
    p->nrows++;
    p->used += (uint32_t)need;
    if (n < m->nslots || w->sparse)
        memset(row, 0, fixed);
    for (int i = 0; i < n; i++) {
        if (to[i] == PL_NO_SLOT)
            continue;
        pl_slot *slot = &row[to[i]];
        *slot = from[i];
        if (from[i].tag == PL_TEXT || from[i].tag == PL_BLOB) {
            memcpy(text, from[i].v.s, from[i].len);
            slot->v.s = text;
            text += from[i].len;
        }
    }
    return row;
}

plua_page *plua_push_page(lua_State *L, int idx, const pl_object *o) {
    lua_getiuservalue(L, idx, 1);
    if (o->status & PL_OBJ_TABLE) {
        lua_rawgeti(L, -1, 0);
        lua_remove(L, -2);
    }
    return (o->status & PL_OBJ_PAGED) ? lua_touserdata(L, -1) : NULL;
}
