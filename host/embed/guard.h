/* SPDX-License-Identifier: MIT */
/*
 * guard.h - limits of what runs in one Lua state: memory, instructions, wall time, rows,
 * open databases, and an interrupt from outside.
 *
 * The guard is the state's allocator and stands in its extra space, so that every
 * coroutine finds it. A count hook, SQLite's progress handler, the sandbox's C functions
 * and large allocations ask guard_poll. Once a limit is reached `killed` says which, and
 * the coroutine that runs gets a hook for every call, return and instruction, which
 * raises until the outermost call has returned: no instruction of the script runs behind
 * a pcall or in a __close. Whoever makes the state owns the guard and frees it after
 * lua_close.
 */
#ifndef EMBED_GUARD_H
#define EMBED_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>

#include <lua.h>

#include "perilune.h"
#include "pl_lua.h"

enum { GUARD_LIMITS = PERILUNE_LIMIT_DATABASES + 1 };

struct policy;

typedef struct guard {
    perilune_alloc_fn alloc;
    void *payload;
    int64_t limits[GUARD_LIMITS]; /* by perilune_limit_id, 0 for none */
    int64_t used, peak;           /* bytes */
    int64_t slack;                /* bytes above the limit while an error is described */
    int64_t refused;              /* size of the last allocation refused, 0 when none */
    int64_t instructions, rows;   /* in the running call */
    int64_t statements, databases;
    int64_t deadline; /* monotonic microseconds, 0 for none */
    int64_t last;     /* when the hook last ran */
    int window;       /* instructions between two runs of the hook */
    int depth;        /* calls from C into Lua that are running */
    int killed;       /* PERILUNE_E... or 0 */
    lua_State *main;  /* where listeners of statements run, whichever coroutine is */
    lua_State *volatile running; /* the coroutine that is, when depth > 0 */
    bool interruptible;
    bool quiet; /* the host is at work on an error: nothing is stopped */
    atomic_int interrupted;
    struct policy *policy; /* asked too when a database is opened or used; see policy.h */
    const char *(*watch_opening)(void *ud, const char *path, int *readonly);
    const char *(*watch_opened)(void *ud, void *handle, int how);
} guard;

/* A guard over an allocator (NULL: the C library's), without limits. */
void guard_init(guard *g, perilune_alloc_fn alloc, void *payload);

/* A new state under the guard, or NULL. */
lua_State *guard_newstate(guard *g);

/* The guard of a state, NULL when it was not made by guard_newstate. */
guard *guard_of(lua_State *L);

/* Sets hook and door according to the limits; before and after every change of them. */
void guard_arm(guard *g, lua_State *L);

/* Brackets of a call from C into Lua. The outermost starts the clock and forgets how the
 * call before ended. */
void guard_enter(guard *g);
void guard_leave(guard *g);

/* Whether the running call must stop: 0 or the reason, which it then keeps. */
int guard_poll(guard *g);

/* guard_poll that raises. work is added to the instructions, for C functions that loop.
 * [-0, +0, v] */
void guard_tick(lua_State *L, int64_t work);

/* A limit is reached: what runs is to stop for this reason, PERILUNE_E... */
void guard_kill(guard *g, int reason);

/* Has the bindings ask this guard while SQL runs. The watch must outlive the state.
 * [-0, +0, m] */
void guard_watch(guard *g, lua_State *L, pl_watch *watch);

#endif
