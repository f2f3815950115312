/* SPDX-License-Identifier: MIT */
/*
** vec.c - see vec.h.
*/
#include "core/base/vec.h"

enum { FIRST = 8 };

void pl_vec_init(pl_vec *v, pl_alloc alloc) {
    *v = (pl_vec){.alloc = alloc};
}

void pl_vec_free(pl_vec *v) {
    pl_free(&v->alloc, v->v, v->cap * sizeof *v->v);
    pl_vec_init(v, v->alloc);
}

static bool grow(pl_vec *v) {
    size_t cap = v->cap ? v->cap * 2 : FIRST;
    void **p = v->v ? pl_grow(&v->alloc, v->v, v->cap * sizeof *p, cap * sizeof *p)
                    : pl_new(&v->alloc, cap * sizeof *p);
    if (!p)
        return false;
    v->v = p;
    v->cap = cap;
    return true;
}

bool pl_vec_push(pl_vec *v, void *p) {
    if (v->n == v->cap && !grow(v))
        return false;
    v->v[v->n++] = p;
    return true;
}
