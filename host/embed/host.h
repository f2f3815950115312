/* SPDX-License-Identifier: MIT */
/*
 * host.h - the struct behind perilune_host and what the files of the library share.
 *
 * Every function of the header that runs Lua does so through host_protect: one protected
 * call on the state that is running, with a message handler that keeps the traceback.
 * `L` is the main state, or the coroutine that called the C function that now calls back.
 */
#ifndef EMBED_HOST_H
#define EMBED_HOST_H

#include "guard.h"
#include "policy.h"

struct perilune_host {
    guard guard; /* first: guard_of finds the host */
    pl_watch watch;
    lua_State *main;
    lua_State *L;
    perilune_error error; /* texts belong to the table under ERROR in the registry */
    policy *policy;       /* NULL without a sandbox */
    perilune_result *policy_value; /* what its file returned */
    perilune_log_fn log;
    void *log_payload;
    char why[256]; /* what is wrong with the policy */
    int64_t calls;
    int natives; /* C functions of the program that are running */
    bool sandbox;
    bool broken; /* could not be made: only tells why */
    unsigned allow;
};

/* The host of a state. [-0, +0, m] */
perilune_host *host_of(lua_State *L);

/* Pushes the table of the host's Lua values: environment, functions of lua/perilune/host.
 * [-0, +1, m] */
void host_values(lua_State *L);

/* Calls body(L) protected with job as light userdata at 1, under the limits. Returns a
 * code and sets the error. */
int host_protect(perilune_host *h, lua_CFunction body, void *job);

/* Sets the error of a call that did not get to Lua; returns code. */
int host_fail(perilune_host *h, int code, const char *message);

/* Raises an error that host_protect reports under this code. [-0, +0, v] */
__attribute__((noreturn)) void host_raise(lua_State *L, int code, const char *fmt, ...);

/* The code of the error on the stack at idx that host_raise made, else 0. [-0, +0, m] */
int host_code_of(lua_State *L, int idx);

#endif
