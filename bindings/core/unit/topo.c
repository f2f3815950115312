/* SPDX-License-Identifier: MIT */
/*
** topo.c - see topo.h.
**
** Edges become one adjacency array (counting sort by source). Components are found by
** Tarjan's algorithm with a stack of its own, so that a long chain cannot overflow the C
** stack; the components are then ordered by a heap of those that are free, smallest item
** first, which is what makes the order stable. All memory is the caller's scratch arena.
*/
#include "core/unit/topo.h"

/* Successors of item i: to[from[i]] .. to[from[i + 1] - 1]. */
typedef struct graph {
    uint32_t n;
    uint32_t *from;
    uint32_t *to;
} graph;

static bool graph_make(pl_arena *a, graph *g, uint32_t n, const pl_edge *edges,
                       size_t nedges) {
    g->n = n;
    g->from = pl_arena_array(a, (size_t)n + 2, sizeof *g->from);
    g->to = pl_arena_array(a, nedges + 1, sizeof *g->to);
    if (!g->from || !g->to)
        return false;
    uint32_t *at = g->from + 1;
    for (size_t i = 0; i < nedges; i++)
        if (edges[i].before != edges[i].after)
            at[edges[i].before + 1]++;
    for (uint32_t i = 0; i < n; i++)
        at[i + 1] += at[i];
    for (size_t i = 0; i < nedges; i++)
        if (edges[i].before != edges[i].after)
            g->to[at[edges[i].before]++] = edges[i].after;
    return true;
}

/* The state of Tarjan's search. `low` of an item is 0 until it is visited. */
typedef struct search {
    const graph *g;
    uint32_t *low, *number, *next; /* per item; next: place among its successors */
    uint32_t *stack, nstack;       /* items not yet given a component */
    uint32_t *path, npath;         /* items being visited */
    uint32_t visited, ncomponents;
    uint32_t *component;
} search;

static const uint32_t NONE = UINT32_MAX;

static bool search_make(pl_arena *a, search *s, const graph *g) {
    *s = (search){.g = g};
    uint32_t **arrays[] = {&s->low,   &s->number, &s->next,
                           &s->stack, &s->path,   &s->component};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        *arrays[i] = pl_arena_array(a, (size_t)g->n + 1, sizeof(uint32_t));
        if (!*arrays[i])
            return false;
    }
    for (uint32_t i = 0; i < g->n; i++)
        s->component[i] = NONE;
    return true;
}

static void enter(search *s, uint32_t v) {
    s->number[v] = s->low[v] = ++s->visited;
    s->next[v] = s->g->from[v];
    s->stack[s->nstack++] = v;
    s->path[s->npath++] = v;
}

/* All successors of the path's last item are done: closes a component or goes back. */
static void leave(search *s) {
    uint32_t v = s->path[--s->npath];
    if (s->low[v] == s->number[v]) {
        uint32_t w;
        do {
            w = s->stack[--s->nstack];
            s->component[w] = s->ncomponents;
        } while (w != v);
        s->ncomponents++;
    }
    if (s->npath > 0) {
        uint32_t parent = s->path[s->npath - 1];
        if (s->low[v] < s->low[parent])
            s->low[parent] = s->low[v];
    }
}

static void visit(search *s, uint32_t start) {
    enter(s, start);
    while (s->npath > 0) {
        uint32_t v = s->path[s->npath - 1];
        if (s->next[v] == s->g->from[v + 1]) {
            leave(s);
            continue;
        }
        uint32_t w = s->g->to[s->next[v]++];
        if (s->number[w] == 0)
            enter(s, w);
        else if (s->component[w] == NONE && s->number[w] < s->low[v])
            s->low[v] = s->number[w];
    }
}

/* A heap of components, smallest first member on top. */
typedef struct heap {
    uint32_t *v, n;
    const uint32_t *first; /* smallest item of each component */
} heap;

static void heap_push(heap *h, uint32_t c) {
    uint32_t i = h->n++;
    while (i > 0 && h->first[c] < h->first[h->v[(i - 1) / 2]]) {
        h->v[i] = h->v[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h->v[i] = c;
}

static uint32_t heap_pop(heap *h) {
    uint32_t top = h->v[0], last = h->v[--h->n], i = 0;
    for (;;) {
        uint32_t kid = 2 * i + 1;
        if (kid >= h->n)
            break;
        if (kid + 1 < h->n && h->first[h->v[kid + 1]] < h->first[h->v[kid]])
            kid++;
        if (h->first[last] <= h->first[h->v[kid]])
            break;
        h->v[i] = h->v[kid];
        i = kid;
    }
    h->v[i] = last;
    return top;
}

/* Components as nodes: members in ascending order and edges still to be satisfied. */
typedef struct condensed {
    uint32_t *first, *waiting;
    uint32_t *start, *members; /* as in graph */
} condensed;

static bool condense(pl_arena *a, const search *s, condensed *c) {
    uint32_t n = s->g->n, nc = s->ncomponents;
    c->first = pl_arena_array(a, (size_t)nc + 1, sizeof(uint32_t));
    c->waiting = pl_arena_array(a, (size_t)nc + 1, sizeof(uint32_t));
    c->start = pl_arena_array(a, (size_t)nc + 2, sizeof(uint32_t));
    c->members = pl_arena_array(a, (size_t)n + 1, sizeof(uint32_t));
    if (!c->first || !c->waiting || !c->start || !c->members)
        return false;
    uint32_t *at = c->start + 1;
    for (uint32_t i = 0; i < n; i++)
        at[s->component[i] + 1]++;
    for (uint32_t i = 0; i < nc; i++)
        at[i + 1] += at[i];
    for (uint32_t i = 0; i < n; i++)
        c->members[at[s->component[i]]++] = i;
    for (uint32_t i = 0; i < nc; i++)
        c->first[i] = c->members[c->start[i]];
    for (uint32_t v = 0; v < n; v++)
        for (uint32_t e = s->g->from[v]; e < s->g->from[v + 1]; e++)
            if (s->component[s->g->to[e]] != s->component[v])
                c->waiting[s->component[s->g->to[e]]]++;
    return true;
}

/* Appends a component's members to the order and frees what waited for them. */
static void emit(const search *s, condensed *c, heap *ready, uint32_t component,
                 uint32_t number, uint32_t *order, uint32_t *given) {
    for (uint32_t i = c->start[component]; i < c->start[component + 1]; i++) {
        uint32_t v = c->members[i];
        *order++ = v;
        if (given)
            given[v] = number;
        for (uint32_t e = s->g->from[v]; e < s->g->from[v + 1]; e++) {
            uint32_t w = s->component[s->g->to[e]];
            if (w != component && --c->waiting[w] == 0)
                heap_push(ready, w);
        }
    }
}

size_t pl_topo_sort(pl_arena *scratch, uint32_t n, const pl_edge *edges, size_t nedges,
                    uint32_t *order, uint32_t *component) {
    graph g;
    search s;
    condensed c;
    if (!graph_make(scratch, &g, n, edges, nedges) || !search_make(scratch, &s, &g))
        return SIZE_MAX;
    for (uint32_t i = 0; i < n; i++)
        if (s.number[i] == 0)
            visit(&s, i);
    heap ready = {pl_arena_array(scratch, (size_t)n + 1, sizeof(uint32_t)), 0, NULL};
    if (!ready.v || !condense(scratch, &s, &c))
        return SIZE_MAX;
    ready.first = c.first;
    for (uint32_t i = 0; i < s.ncomponents; i++)
        if (c.waiting[i] == 0)
            heap_push(&ready, i);
    size_t cyclic = 0;
    for (uint32_t number = 0, done = 0; ready.n > 0; number++) {
        uint32_t top = heap_pop(&ready), size = c.start[top + 1] - c.start[top];
        emit(&s, &c, &ready, top, number, order + done, component);
        done += size;
        if (size > 1)
            cyclic += size;
    }
    return cyclic;
}

size_t pl_topo_levels(pl_arena *scratch, uint32_t n, const pl_edge *edges, size_t nedges,
                      uint32_t *level) {
    graph g;
    uint32_t *waiting = pl_arena_array(scratch, (size_t)n + 1, sizeof *waiting);
    uint32_t *queue = pl_arena_array(scratch, (size_t)n + 1, sizeof *queue);
    if (!waiting || !queue || !graph_make(scratch, &g, n, edges, nedges))
        return SIZE_MAX;
    for (size_t i = 0; i < nedges; i++)
        if (edges[i].before != edges[i].after)
            waiting[edges[i].after]++;
    uint32_t tail = 0, nlevels = 0;
    for (uint32_t i = 0; i < n; i++) {
        level[i] = waiting[i] == 0 ? 0 : NONE;
        if (waiting[i] == 0)
            queue[tail++] = i;
    }
    for (uint32_t head = 0; head < tail; head++) {
        uint32_t v = queue[head];
        if (level[v] >= nlevels)
            nlevels = level[v] + 1;
        for (uint32_t e = g.from[v]; e < g.from[v + 1]; e++)
            if (--waiting[g.to[e]] == 0) {
                level[g.to[e]] = level[v] + 1; /* the queue goes up level by level */
                queue[tail++] = g.to[e];
            }
    }
    return nlevels;
}
