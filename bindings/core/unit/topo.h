/* SPDX-License-Identifier: MIT */
/*
** topo.h - stable topological order, the cycles in it, and levels.
*/
#ifndef PL_TOPO_H
#define PL_TOPO_H

#include "core/base/arena.h"

typedef struct pl_edge {
    uint32_t before, after;
} pl_edge;

/*
** Orders n items so that `before` precedes `after` for each edge; items that no edge
** relates keep their order. order[] gets item numbers. component[] (may be NULL) gets the
** number of each item's strongly connected component; items of one cycle stand together.
** Returns the number of items in cycles (self-edges do not count), or SIZE_MAX without
** memory.
*/
size_t pl_topo_sort(pl_arena *scratch, uint32_t n, const pl_edge *edges, size_t nedges,
                    uint32_t *order, uint32_t *component);

/*
** Gives every item the smallest level at which all its predecessors stand lower. Items of
** a cycle, and those behind one, get UINT32_MAX; self-edges do not count. Returns the
** number of levels, or SIZE_MAX without memory.
*/
size_t pl_topo_levels(pl_arena *scratch, uint32_t n, const pl_edge *edges, size_t nedges,
                      uint32_t *level);

#endif
