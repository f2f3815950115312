/* SPDX-License-Identifier: MIT */
/*
 * The terminal as Lua sees it: reading lines with completion and a history, how wide it
 * is, and calls that ^C ends. Owns nothing; line.c talks to readline.
 */
#include "terminal.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <lauxlib.h>

#include "call.h"
#include "line.h"

/* read_line(prompt [, complete]): the line; nil at the end of input; false after ^C.
 * complete(text) gets the line up to the cursor and gives a list of the words that its
 * last one may become, or nothing. */
static int terminal_read_line(lua_State *L) {
    const char *prompt = luaL_checkstring(L, 1);
    lua_settop(L, 2);
    int got = program_read_line_completing(L, prompt, lua_isfunction(L, 2) ? 2 : 0);
    if (got == 0)
        return 0;
    if (got < 0)
        lua_pushboolean(L, 0);
    return 1;
}

/* remember(chunk): adds it to the history. */
static int terminal_remember(lua_State *L) {
    program_remember_line(luaL_checkstring(L, 1));
    return 0;
}

/* load_history(path), save_history(path, count): true when there was one to read or
 * write. */
static int terminal_load_history(lua_State *L) {
    lua_pushboolean(L, program_load_history(luaL_checkstring(L, 1)));
    return 1;
}

static int terminal_save_history(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    lua_pushboolean(L, program_save_history(path, (int)luaL_optinteger(L, 2, 1000)));
    return 1;
}

/* width(): columns of the terminal on standard output, nil when there is none. */
static int terminal_width(lua_State *L) {
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 ||
        size.ws_col == 0)
        return 0;
    lua_pushinteger(L, size.ws_col);
    return 1;
}

/* is_terminal(descriptor) */
static int terminal_is_terminal(lua_State *L) {
    lua_pushboolean(L, isatty((int)luaL_optinteger(L, 1, STDIN_FILENO)));
    return 1;
}

static int end_diversion(lua_State *L) {
    int *kept = lua_touserdata(L, 1);
    if (*kept < 0)
        return 0;
    fflush(stdout);
    (void)dup2(*kept, STDOUT_FILENO);
    close(*kept);
    *kept = -1;
    return 0;
}

/* divert(): what is written to standard output goes to standard error until the value
 * that it returns is closed, so that a script does not write into what a command prints.
 */
static int terminal_divert(lua_State *L) {
    int *kept = lua_newuserdatauv(L, sizeof *kept, 0);
    *kept = -1;
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, end_diversion);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__close");
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    fflush(stdout);
    *kept = dup(STDOUT_FILENO);
    if (*kept >= 0)
        (void)dup2(STDERR_FILENO, STDOUT_FILENO);
    return 1;
}

/* call(fn, ...): true and its results; or false and a message, also after ^C. */
static int terminal_call(lua_State *L) {
    luaL_checkany(L, 1);
    int status = program_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    luaL_checkstack(L, 1, "too many results");
    lua_pushboolean(L, status == LUA_OK);
    lua_insert(L, 1);
    return lua_gettop(L);
}

void program_open_terminal(lua_State *L) {
    static const luaL_Reg functions[] = {{"read_line", terminal_read_line},
                                         {"remember", terminal_remember},
                                         {"load_history", terminal_load_history},
                                         {"save_history", terminal_save_history},
                                         {"width", terminal_width},
                                         {"is_terminal", terminal_is_terminal},
                                         {"divert", terminal_divert},
                                         {"call", terminal_call},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
}
