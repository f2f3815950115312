/* SPDX-License-Identifier: MIT */
/*
** scratch.h - memory for one call: buffers and vectors whose blocks an arena on the stack
** owns, so that an error raised meanwhile loses nothing.
*/
#ifndef PLUA_SCRATCH_H
#define PLUA_SCRATCH_H

#include "core/base/buf.h"
#include "core/base/vec.h"
#include "userdata/glue.h"

/* Pushes an arena and gives an allocator that takes from it; freed blocks stay until the
** arena goes (plua_arena_done, or the collector). [-0, +1, m] */
pl_arena *plua_scratch(lua_State *L, pl_alloc *alloc);

#endif
