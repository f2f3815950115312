/* SPDX-License-Identifier: MIT */
/*
 * Limits of a Lua state; see guard.h.
 *
 * The count hook costs the same however seldom it runs, so it runs often: an instruction
 * may compare or join strings of megabytes. Where a window of them takes long it is made
 * smaller. An allocation that is large enough to take time asks for the deadline too.
 */
#include "guard.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>

enum {
    WINDOW = 1000,     /* instructions */
    WINDOW_SLOW = 20,  /* where the instructions are slow ones */
    SLOW = 5000,       /* microseconds for a window */
    LARGE = 256 * 1024 /* bytes that take time to fill */
};

static int64_t now_us(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void *libc_alloc(void *payload, void *block, size_t old_size, size_t new_size) {
    (void)payload;
    (void)old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_size);
}

void guard_init(guard *g, perilune_alloc_fn alloc, void *payload) {
    memset(g, 0, sizeof *g);
    g->alloc = alloc ? alloc : libc_alloc;
    g->payload = alloc ? payload : NULL;
    g->window = WINDOW;
    atomic_init(&g->interrupted, 0);
}

/* ---- stopping -------------------------------------------------------------------- */

static void on_event(lua_State *L, lua_Debug *ar);

/* The next thing that this coroutine does asks. */
static void arm(lua_State *L) {
    lua_sethook(L, on_event, LUA_MASKCOUNT | LUA_MASKCALL | LUA_MASKRET, 1);
}

/* From the allocator too, where Lua allows as little as in a signal handler. */
void guard_kill(guard *g, int reason) {
    if (g->killed)
        return;
    g->killed = reason;
    if (g->running)
        arm(g->running);
    arm(g->main);
}

__attribute__((noreturn)) static void stop(lua_State *L, const guard *g) {
    arm(L);
    luaL_error(L, "%s", perilune_error_text(g->killed));
    abort(); /* not reached: luaL_error does not return */
}

/* ---- memory ---------------------------------------------------------------------- */

/* Lua collects and asks once more before it fails: the second refusal is the limit. What
 * is larger than the limit is refused for good. */
static void *refuse(guard *g, int64_t size) {
    bool last = g->refused == size || size > g->limits[PERILUNE_LIMIT_MEMORY];
    if (last && g->depth > 0 && g->slack == 0)
        guard_kill(g, PERILUNE_EMEMORY);
    g->refused = size;
    return NULL;
}

static bool too_much(guard *g, int64_t more, size_t size) {
    int64_t limit = g->limits[PERILUNE_LIMIT_MEMORY];
    if (limit > 0 && g->used + more > limit + g->slack)
        return true;
    return size >= LARGE && g->depth > 0 && g->slack == 0 && guard_poll(g) != 0;
}

/* The mapper does not ask again: what it was refused is final when the next question is
 * another one. */
static void accept_refusal(guard *g, int64_t size) {
    if (g->refused > 0 && g->refused != size && g->depth > 0 && g->slack == 0)
        guard_kill(g, PERILUNE_EMEMORY);
}

static void *guarded_alloc(void *ud, void *block, size_t old_size, size_t new_size) {
    guard *g = ud;
    int64_t more = (int64_t)new_size - (block ? (int64_t)old_size : 0);
    if (more > 0)
        accept_refusal(g, (int64_t)new_size);
    if (more > 0 && too_much(g, more, new_size))
        return refuse(g, (int64_t)new_size);
    void *p = g->alloc(g->payload, block, block ? old_size : 0, new_size);
    if (!p && new_size > 0)
        return NULL;
    g->used += more;
    if (g->used > g->peak)
        g->peak = g->used;
    if (more > 0)
        g->refused = 0;
    return p;
}

/* ---- time ------------------------------------------------------------------------ */

static int reached(guard *g) {
    if (atomic_load_explicit(&g->interrupted, memory_order_relaxed)) {
        atomic_store_explicit(&g->interrupted, 0, memory_order_relaxed);
        return PERILUNE_EINTERRUPT;
    }
    int64_t most = g->limits[PERILUNE_LIMIT_INSTRUCTIONS];
    if (most > 0 && g->instructions > most)
        return PERILUNE_EINSTRUCTIONS;
    return g->deadline > 0 && now_us() > g->deadline ? PERILUNE_ETIME : 0;
}

int guard_poll(guard *g) {
    int reason = g->killed ? 0 : reached(g);
    if (reason)
        guard_kill(g, reason);
    return g->killed;
}

static void adapt(guard *g, lua_State *L) {
    if (g->deadline > 0) {
        int64_t now = now_us();
        g->window = now - g->last > SLOW ? WINDOW_SLOW : WINDOW;
        g->last = now;
    }
    if (lua_gethookcount(L) != g->window || lua_gethookmask(L) != LUA_MASKCOUNT)
        lua_sethook(L, on_event, LUA_MASKCOUNT, g->window);
}

static void on_event(lua_State *L, lua_Debug *ar) {
    guard *g = guard_of(L);
    if (g->depth == 0 || g->quiet) /* or finalizers of a state that is closing */
        return;
    g->instructions += ar->event == LUA_HOOKCOUNT ? lua_gethookcount(L) : 1;
    if (guard_poll(g))
        stop(L, g);
    adapt(g, L);
}

void guard_tick(lua_State *L, int64_t work) {
    guard *g = guard_of(L);
    if (!g || g->depth == 0)
        return;
    g->instructions += work;
    if (guard_poll(g))
        stop(L, g);
}

/* ---- SQL ------------------------------------------------------------------------- */

static int watch_poll(void *ud) {
    guard *g = ud;
    return g->depth > 0 && guard_poll(g) != 0;
}

static void watch_begun(void *ud) {
    guard *g = ud;
    g->statements++;
}

static int watch_row(void *ud) {
    guard *g = ud;
    int64_t most = g->limits[PERILUNE_LIMIT_ROWS];
    if (g->depth > 0 && ++g->rows > most && most > 0)
        guard_kill(g, PERILUNE_EROWS);
    return g->depth > 0 && g->killed != 0;
}

static const char *watch_opening(void *ud, const char *path, int *readonly) {
    const guard *g = ud;
    int64_t most = g->limits[PERILUNE_LIMIT_DATABASES];
    (void)path;
    (void)readonly;
    return most > 0 && g->databases >= most ? perilune_error_text(PERILUNE_EDATABASES)
                                            : NULL;
}

static const char *watch_opened(void *ud, void *handle, int how) {
    guard *g = ud;
    (void)handle;
    g->databases += (how & 1) == 0;
    return NULL;
}

static void watch_closed(void *ud) {
    guard *g = ud;
    g->databases--;
}

void guard_watch(guard *g, lua_State *L, pl_watch *watch) {
    *watch = (pl_watch){.ud = g,
                        .poll = watch_poll,
                        .begun = watch_begun,
                        .row = watch_row,
                        .opening = watch_opening,
                        .opened = watch_opened,
                        .closed = watch_closed};
    lua_pushlightuserdata(L, watch);
    lua_setfield(L, LUA_REGISTRYINDEX, PL_WATCH);
}

/* ---- calls ----------------------------------------------------------------------- */

void guard_enter(guard *g) {
    if (g->depth++ > 0)
        return;
    int64_t time = g->limits[PERILUNE_LIMIT_MILLISECONDS];
    g->killed = 0;
    g->refused = 0;
    g->instructions = g->rows = 0;
    g->last = time > 0 ? now_us() : 0;
    g->deadline = time > 0 ? g->last + time * 1000 : 0;
}

void guard_leave(guard *g) {
    g->depth--;
}

void guard_arm(guard *g, lua_State *L) {
    bool needed = g->interruptible || g->limits[PERILUNE_LIMIT_INSTRUCTIONS] > 0 ||
                  g->limits[PERILUNE_LIMIT_MILLISECONDS] > 0;
    lua_sethook(L, needed ? on_event : NULL, needed ? LUA_MASKCOUNT : 0, g->window);
}

/* ---- states ---------------------------------------------------------------------- */

lua_State *guard_newstate(guard *g) {
    lua_State *L = lua_newstate(guarded_alloc, g);
    if (L)
        memcpy(lua_getextraspace(L), &(void *){g}, sizeof(void *));
    g->main = L;
    return L;
}

guard *guard_of(lua_State *L) {
    void *ud, *own;
    memcpy(&own, lua_getextraspace(L), sizeof own);
    return lua_getallocf(L, &ud) == guarded_alloc && ud == own ? own : NULL;
}
