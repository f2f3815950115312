/* SPDX-License-Identifier: MIT */
/*
** scratch.c - an allocator over an arena. See scratch.h.
*/
#include "userdata/scratch.h"

#include <string.h>

static void *arena_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    if (nsize == 0)
        return NULL;
    void *p = pl_arena_get(ud, nsize);
    if (p && ptr)
        memcpy(p, ptr, osize < nsize ? osize : nsize);
    return p;
}

pl_arena *plua_scratch(lua_State *L, pl_alloc *alloc) {
    pl_arena *a = plua_arena(L);
    *alloc = (pl_alloc){arena_alloc, a};
    return a;
}
