/* SPDX-License-Identifier: MIT */
/*
 * Protected calls with a traceback, ^C and error messages. Every chunk that the program
 * runs goes through program_call; nothing here owns memory.
 *
 * A signal handler takes no argument, so the state it is to stop and whether it did stand
 * in static variables: an exception to the rule against them. The program has one state,
 * and the variables mean something only while that state runs Lua.
 */
#include "call.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "coroutines.h"
#include "progress.h"

static lua_State *volatile running;
static volatile sig_atomic_t interrupted;

static void stop_hook(lua_State *L, lua_Debug *ar) {
    (void)ar;
    lua_sethook(L, NULL, 0, 0);
    interrupted = 0;
    luaL_error(L, "interrupted!");
}

static void set_sigint(void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

/* Only asks for the hook: raising is up to Lua, at its next instruction. */
static void on_sigint(int signal) {
    (void)signal;
    set_sigint(SIG_DFL);
    interrupted = 1;
    lua_sethook(running, stop_hook,
                LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

static int is_our_error(lua_State *L, int index) {
    int ours = luaL_getmetafield(L, index, "__name") == LUA_TSTRING &&
               strncmp(lua_tostring(L, -1), "perilune.", 9) == 0;
    lua_settop(L, index);
    return ours;
}

/* An object that can describe itself is left at that, as lua does; errors of the library
 * describe what failed but not where, so they get the traceback of a string. */
static int add_traceback(lua_State *L) {
    const char *message = lua_tostring(L, 1);
    lua_settop(L, 1);
    if (message == NULL) {
        int ours = is_our_error(L, 1);
        if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) {
            if (!ours)
                return 1;
            message = lua_tostring(L, -1);
        } else {
            message =
                lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
        }
    }
    luaL_traceback(L, L, message, 1);
    return 1;
}

int program_call(lua_State *L, int nargs, int nresults) {
    int base = lua_gettop(L) - nargs;
    lua_pushcfunction(L, add_traceback);
    lua_insert(L, base);
    running = L;
    interrupted = 0;
    set_sigint(on_sigint);
    int status = lua_pcall(L, nargs, nresults, base);
    set_sigint(SIG_DFL);
    program_progress_clear();
    lua_remove(L, base);
    return status;
}

void program_note_coroutines(lua_State *L) {
    coroutines_open(L, &running);
}

int program_interrupted(void) {
    return interrupted;
}

void program_interrupt_raised(void) {
    if (interrupted)
        lua_sethook(running, NULL, 0, 0);
    interrupted = 0;
}

void program_complain(const char *name, const char *message) {
    program_progress_clear();
    if (name)
        fprintf(stderr, "%s: ", name);
    fprintf(stderr, "%s\n", message);
    fflush(stderr);
}

int program_report(lua_State *L, const char *name, int status) {
    if (status != LUA_OK) {
        const char *message = lua_tostring(L, -1);
        program_complain(name, message ? message : "(error without a message)");
        lua_pop(L, 1);
    }
    return status;
}
