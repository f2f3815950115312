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

#include "readline_library.h"

static int push_text(lua_State *L) {
    lua_pushstring(L, lua_touserdata(L, 1));
    return 1;
}

/* The line is on the C heap, so the string is made under a protected call. */
static int read_edited(lua_State *L, const struct readline_library *rl,
                       const char *prompt) {
    char *text = rl->read_line(prompt);
    if (text == NULL)
        return 0;
    lua_pushcfunction(L, push_text);
    lua_pushlightuserdata(L, text);
    int status = lua_pcall(L, 1, 1, 0);
    rl->free_line(text);
    if (status != LUA_OK)
        lua_error(L);
    return 1;
}

/* The library, where there is a terminal to edit on. */
static const struct readline_library *editor(void) {
    const struct readline_library *rl = isatty(STDIN_FILENO) ? program_readline() : NULL;
    if (rl)
        *rl->name = "perilune";
    return rl;
}

int program_read_line(lua_State *L, const char *prompt) {
    const struct readline_library *rl = editor();
    return rl ? read_edited(L, rl, prompt) : read_plainly(L, prompt);
}

/* ---- ^C ------------------------------------------------------------------------------
 */

static volatile sig_atomic_t thrown_away;

/* The line that is being read. */
static struct completing {
    const struct readline_library *rl;
    lua_State *L;
    int complete; /* stack index of the function */
    int matches;  /* of the list that it returned */
    lua_Integer next;
} completing;

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
        int ready = ppoll(&input, 1, NULL, &before);
        if (thrown_away)
            break;
        if (ready > 0)
            got = read(input.fd, &c, 1);
        if (got < 0 && ready != 0 && errno != EINTR && errno != EAGAIN)
            got = 0;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (thrown_away)
        completing.rl->replace_line("", 0);
    return got == 0 ? EOF : c; /* thrown away: the end of the line */
}

/* ---- completion ----------------------------------------------------------------------
 */

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
    lua_pushlstring(L, *completing.rl->line, (size_t)*completing.rl->point);
    lua_call(L, 1, 1);
    if (!lua_istable(L, -1))
        lua_newtable(L);
    return 1;
}

static char **complete_word(const char *word, int start, int end) {
    lua_State *L = completing.L;
    (void)start;
    (void)end;
    *completing.rl->complete_no_files = 1;
    *completing.rl->append_character = '\0';
    lua_pushcfunction(L, find_matches);
    lua_pushvalue(L, completing.complete);
    char **matches = NULL;
    if (lua_pcall(L, 1, 1, 0) == LUA_OK) {
        completing.matches = lua_gettop(L);
        matches = completing.rl->matches(word, next_match);
    }
    lua_pop(L, 1);
    return matches;
}

int program_read_line_completing(lua_State *L, const char *prompt, int complete) {
    const struct readline_library *rl = editor();
    if (rl == NULL)
        return read_plainly(L, prompt);
    luaL_checkstack(L, LUA_MINSTACK, "completion");
    *rl->word_breaks = " \t\n\"\\'`@$><=;|&{}()[],+-*/%^~#.:!";
    completing = (struct completing){.rl = rl, .L = L, .complete = complete};
    *rl->complete = complete ? complete_word : NULL;
    *rl->getc_function = get_character;
    *rl->catch_signals = 0;
    thrown_away = 0;
    struct sigaction before, action = {.sa_handler = on_sigint};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &before);
    int got = read_edited(L, rl, prompt);
    sigaction(SIGINT, &before, NULL);
    *rl->getc_function = rl->get_character;
    *rl->catch_signals = 1;
    *rl->complete = NULL;
    if (got && thrown_away) {
        lua_pop(L, 1);
        return -1;
    }
    return got;
}

/* ---- history -------------------------------------------------------------------------
 */

void program_remember_line(const char *text) {
    const struct readline_library *rl = editor();
    if (rl && text[0] != '\0')
        rl->add_history(text);
}

/* Times between the chunks in the file keep those of several lines together. */
static const struct readline_library *history(void) {
    const struct readline_library *rl = editor();
    if (rl) {
        rl->using_history();
        *rl->history_comment = '#';
        *rl->history_timestamps = 1;
    }
    return rl;
}

int program_load_history(const char *path) {
    const struct readline_library *rl = history();
    return rl && rl->read_history(path) == 0;
}

int program_save_history(const char *path, int count) {
    const struct readline_library *rl = history();
    if (rl == NULL)
        return 0;
    rl->stifle_history(count);
    int written = rl->write_history(path) == 0;
    rl->unstifle_history();
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
