/* SPDX-License-Identifier: MIT */
/*
 * Reads a line, with readline where the build found it. The history belongs to readline
 * and lives as long as the process.
 */
#include "line.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

static int read_plainly(lua_State *L, const char *prompt) {
    luaL_Buffer line;
    int ended = 0;
    fputs(prompt, stdout);
    fflush(stdout);
    luaL_buffinit(L, &line);
    while (!ended) {
        char *part = luaL_prepbuffer(&line);
        if (fgets(part, LUAL_BUFFERSIZE, stdin) == NULL)
            break;
        size_t length = strlen(part);
        ended = length > 0 && part[length - 1] == '\n';
        luaL_addsize(&line, ended ? length - 1 : length);
    }
    luaL_pushresult(&line);
    if (!ended && lua_rawlen(L, -1) == 0) {
        lua_pop(L, 1);
        return 0;
    }
    return 1;
}

#if defined(PERILUNE_READLINE)

#include <readline/history.h>
#include <readline/readline.h>

static int push_text(lua_State *L) {
    lua_pushstring(L, lua_touserdata(L, 1));
    return 1;
}

/* The line is on the C heap, so the string is made under a protected call. */
static int read_edited(lua_State *L, const char *prompt) {
    char *text = readline(prompt);
    if (text == NULL)
        return 0;
    lua_pushcfunction(L, push_text);
    lua_pushlightuserdata(L, text);
    int status = lua_pcall(L, 1, 1, 0);
    rl_free(text);
    if (status != LUA_OK)
        lua_error(L);
    return 1;
}

int program_read_line(lua_State *L, const char *prompt) {
    rl_readline_name = "perilune";
    return isatty(STDIN_FILENO) ? read_edited(L, prompt) : read_plainly(L, prompt);
}

void program_remember_line(const char *text) {
    if (text[0] != '\0')
        add_history(text);
}

#else

int program_read_line(lua_State *L, const char *prompt) {
    return read_plainly(L, prompt);
}

void program_remember_line(const char *text) {
    (void)text;
}

#endif
