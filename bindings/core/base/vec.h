/* SPDX-License-Identifier: MIT */
/*
** vec.h - growable array of pointers.
**
** Owns its array, not what the pointers refer to. Failure of pl_vec_push is reported at
** once and leaves the vector unchanged.
*/
#ifndef PL_VEC_H
#define PL_VEC_H

#include "core/base/alloc.h"

#include <stdbool.h>

typedef struct pl_vec {
    pl_alloc alloc;
    void **v;
    size_t n;
    size_t cap;
} pl_vec;

void pl_vec_init(pl_vec *v, pl_alloc alloc);
void pl_vec_free(pl_vec *v);
bool pl_vec_push(pl_vec *v, void *p);

#endif
