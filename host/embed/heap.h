/* SPDX-License-Identifier: MIT */
/*
 * heap.h - the memory of one Lua state: an allocator for lua_newstate.
 *
 * Small blocks come from free lists by size, cut from regions; large ones from the C
 * library. A result of 100,000 objects is a million small blocks: without the header that
 * malloc gives each, and on huge pages where the system has them, loading takes two
 * thirds of the time. A freed block is kept for others of its size; regions go back with
 * the heap. Whoever makes the state owns its heap and frees it after lua_close. One
 * thread at a time, as the state.
 */
#ifndef EMBED_HEAP_H
#define EMBED_HEAP_H

#include <stddef.h>

typedef struct heap heap;

/* A new heap, or NULL. */
heap *heap_new(void);

/* Frees all that was ever allocated below the size of large blocks. NULL is allowed. */
void heap_free(heap *h);

/* A lua_Alloc; ud is the heap. old_size is not looked at when block is NULL. */
void *heap_alloc(void *ud, void *block, size_t old_size, size_t new_size);

#endif
