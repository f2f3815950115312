/* SPDX-License-Identifier: MIT */
/*
 * The interactive loop. A line is tried as an expression first, so that its values are
 * printed, and then as a statement; a statement that breaks off is continued on the
 * next line. The chunk being read is always the string at index 1 of the stack.
 */
#include "repl.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "call.h"
#include "line.h"

/* The prompt is what the global says, if anything, at the time. [-0, +1, e] */
static const char *push_prompt(lua_State *L, int first) {
    if (lua_getglobal(L, first ? "_PROMPT" : "_PROMPT2") == LUA_TNIL) {
        lua_pop(L, 1);
        return lua_pushstring(L, first ? "> " : ">> ");
    }
    const char *text = luaL_tolstring(L, -1, NULL);
    lua_remove(L, -2);
    return text;
}

/* Pushes the next line, or nothing at the end of input. [-0, +(0|1), e] */
static int push_line(lua_State *L, int first) {
    const char *prompt = push_prompt(L, first);
    int got = program_read_line(L, prompt);
    lua_remove(L, got ? -2 : -1);
    return got;
}

static int load_chunk(lua_State *L, const char *text, size_t length) {
    return luaL_loadbuffer(L, text, length, "=stdin");
}

static int breaks_off(lua_State *L, int status) {
    static const char mark[] = "<eof>";
    size_t length;
    const char *message = status == LUA_ERRSYNTAX ? lua_tolstring(L, -1, &length) : NULL;
    return message && length >= sizeof mark - 1 &&
           strcmp(message + length - (sizeof mark - 1), mark) == 0;
}

/* [-0, +(0|1), e] */
static int load_expression(lua_State *L) {
    size_t length;
    lua_pushfstring(L, "return %s;", lua_tostring(L, 1));
    const char *text = lua_tolstring(L, -1, &length);
    int status = load_chunk(L, text, length);
    lua_remove(L, -2);
    if (status != LUA_OK)
        lua_pop(L, 1);
    return status;
}

/* [-0, +1, e] */
static int load_statement(lua_State *L) {
    for (;;) {
        size_t length;
        const char *text = lua_tolstring(L, 1, &length);
        int status = load_chunk(L, text, length);
        if (!breaks_off(L, status) || !push_line(L, 0))
            return status;
        lua_remove(L, -2);
        lua_pushvalue(L, 1);
        lua_pushliteral(L, "\n");
        lua_rotate(L, -3, 2);
        lua_concat(L, 3);
        lua_replace(L, 1);
    }
}

/* "=x" is "return x", as people still write. */
static void expand_equals(lua_State *L) {
    const char *line = lua_tostring(L, 1);
    if (line[0] == '=') {
        lua_pushfstring(L, "return %s", line + 1);
        lua_replace(L, 1);
    }
}

/* Leaves the function, or the message of a syntax error, as the only value on the stack;
 * -1 at the end of input. */
static int read_chunk(lua_State *L) {
    lua_settop(L, 0);
    if (!push_line(L, 1))
        return -1;
    expand_equals(L);
    int status = load_expression(L);
    if (status != LUA_OK)
        status = load_statement(L);
    program_remember_line(lua_tostring(L, 1));
    lua_remove(L, 1);
    return status;
}

/* Through the global print, which a script may have made its own. */
static void print_results(lua_State *L) {
    int count = lua_gettop(L);
    if (count == 0)
        return;
    luaL_checkstack(L, LUA_MINSTACK, "too many results to print");
    lua_getglobal(L, "print");
    lua_insert(L, 1);
    if (lua_pcall(L, count, 0, 0) != LUA_OK)
        program_complain(NULL, lua_pushfstring(L, "error calling 'print' (%s)",
                                               luaL_tolstring(L, -1, NULL)));
}

void program_interact(lua_State *L) {
    int status;
    while ((status = read_chunk(L)) != -1) {
        if (status == LUA_OK)
            status = program_call(L, 0, LUA_MULTRET);
        if (status == LUA_OK)
            print_results(L);
        else
            program_report(L, NULL, status);
    }
    lua_settop(L, 0);
    puts("");
    fflush(stdout);
}
