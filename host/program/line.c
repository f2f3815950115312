/* SPDX-License-Identifier: MIT */
/*
 * Reads a line, with readline where the build found it. The history belongs to readline
 * and lives as long as the process.
 *
 * Callbacks of readline take no argument of ours, so the state that completes, and
 * whether ^C was pressed, stand in static variables while a line is read.
 */
#define _GNU_SOURCE
#include "line.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
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

/* ---- ^C ------------------------------------------------------------------------------
 */

static volatile sig_atomic_t thrown_away;

static void on_sigint(int signal) {
    (void)signal;
    thrown_away = 1;
}

/* Reads a character for readline. ^C is let through only while there is nothing to read,
 * so that none is missed; it empties the line and ends it. */
static int get_character(FILE *stream) {
    struct pollfd input = {.fd = fileno(stream), .events = POLLIN};
    sigset_t only_sigint, before;
    sigemptyset(&only_sigint);
    sigaddset(&only_sigint, SIGINT);
    sigprocmask(SIG_BLOCK, &only_sigint, &before);
    unsigned char c = '\n';
    ssize_t got = -1;
    while (got < 0 && !thrown_away) {
        if (ppoll(&input, 1, NULL, &before) > 0 && !thrown_away)
            got = read(input.fd, &c, 1);
        if (got < 0 && errno != EINTR && errno != EAGAIN)
            got = 0;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (thrown_away)
        rl_replace_line("", 0);
    return got == 0 ? EOF : c;
}

/* ---- completion ----------------------------------------------------------------------
 */

static struct completing {
    lua_State *L;
    int complete; /* stack index of the function */
    int matches;  /* of the list that it returned */
    lua_Integer next;
} completing;

/* Gives readline the matches one by one, each in memory that it will free. */
static char *next_match(const char *word, int state) {
    lua_State *L = completing.L;
    (void)word;
    completing.next = state == 0 ? 1 : completing.next + 1;
    char *copy = NULL;
    if (lua_rawgeti(L, completing.matches, completing.next) == LUA_TSTRING)
        copy = strdup(lua_tostring(L, -1));
    lua_pop(L, 1);
    return copy;
}

/* Protected, with the function: the list for the line up to the cursor. */
static int find_matches(lua_State *L) {
    lua_pushlstring(L, rl_line_buffer, (size_t)rl_point);
    lua_call(L, 1, 1);
    if (!lua_istable(L, -1))
        lua_newtable(L);
    return 1;
}

static char **complete_word(const char *word, int start, int end) {
    lua_State *L = completing.L;
    (void)start;
    (void)end;
    rl_attempted_completion_over = 1;
    rl_completion_append_character = '\0';
    lua_pushcfunction(L, find_matches);
    lua_pushvalue(L, completing.complete);
    char **matches = NULL;
    if (lua_pcall(L, 1, 1, 0) == LUA_OK) {
        completing.matches = lua_gettop(L);
        matches = rl_completion_matches(word, next_match);
    }
    lua_pop(L, 1);
    return matches;
}

int program_read_line_completing(lua_State *L, const char *prompt, int complete) {
    if (!isatty(STDIN_FILENO))
        return read_plainly(L, prompt);
    luaL_checkstack(L, LUA_MINSTACK, "completion");
    rl_readline_name = "perilune";
    rl_basic_word_break_characters = " \t\n\"\\'`@$><=;|&{}()[],+-*/%^~#.:!";
    completing = (struct completing){.L = L, .complete = complete};
    rl_attempted_completion_function = complete ? complete_word : NULL;
    rl_getc_function = get_character;
    rl_catch_signals = 0;
    thrown_away = 0;
    struct sigaction before, action = {.sa_handler = on_sigint};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &before);
    int got = read_edited(L, prompt);
    sigaction(SIGINT, &before, NULL);
    rl_getc_function = rl_getc;
    rl_catch_signals = 1;
    rl_attempted_completion_function = NULL;
    if (got && thrown_away) {
        lua_pop(L, 1);
        return -1;
    }
    return got;
}

/* ---- history -------------------------------------------------------------------------
 */

void program_remember_line(const char *text) {
    if (text[0] != '\0')
        add_history(text);
}

/* Times between the chunks in the file keep those of several lines together. */
static void use_history(void) {
    using_history();
    history_comment_char = '#';
    history_write_timestamps = 1;
}

int program_load_history(const char *path) {
    use_history();
    return read_history(path) == 0;
}

int program_save_history(const char *path, int count) {
    use_history();
    stifle_history(count);
    int written = write_history(path) == 0;
    unstifle_history();
    return written;
}

#else

int program_read_line(lua_State *L, const char *prompt) {
    return read_plainly(L, prompt);
}

int program_read_line_completing(lua_State *L, const char *prompt, int complete) {
    (void)complete;
    return read_plainly(L, prompt);
}

int program_load_history(const char *path) {
    (void)path;
    return 0;
}

int program_save_history(const char *path, int count) {
    (void)path;
    (void)count;
    return 0;
}

void program_remember_line(const char *text) {
    (void)text;
}

#endif
