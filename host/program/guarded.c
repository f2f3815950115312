/* SPDX-License-Identifier: MIT */
/*
 * Scripts under limits; see guarded.h. The limits hold for the script as a whole: each
 * text of -e, the script, and what an App does at the end are calls of their own.
 */
#include "guarded.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "call.h"
#include "host.h"
#include "script.h"

enum { ARGUMENTS = 1000 }; /* of a script, at most */

/* What a signal handler interrupts; set while the script runs. */
static perilune_host *volatile running;

static void on_sigint(int number) {
    (void)number;
    signal(SIGINT, SIG_DFL);
    perilune_interrupt(running); /* NOLINT(bugprone-signal-handler): sets an atomic */
}

bool program_is_guarded(const struct options *o) {
    return !o->bad && !o->help &&
           (o->sandbox || o->memory || o->instructions || o->timeout || o->readonly);
}

/* A number with the suffix K, M or G; -1 when it is none. */
static int64_t read_number(const char *text) {
    static const char letters[] = "KMG";
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    const char *letter = *end ? strchr(letters, *end) : NULL;
    if (letter) {
        value = ldexp(value, 10 * (int)(letter - letters + 1));
        end++;
    }
    bool good = end != text && *end == '\0' && errno == 0 && value >= 0 && value < 1e18;
    return good ? (int64_t)value : -1;
}

static bool read_limit(const char *name, const char *option, const char *text,
                       int64_t *to) {
    if (!text)
        return true;
    *to = read_number(text);
    if (*to > 0)
        return true;
    fprintf(stderr, "%s: %s needs a number above 0, got '%s'\n", name, option, text);
    return false;
}

static bool read_timeout(const char *name, const char *text, int64_t *to) {
    char *end = NULL;
    if (!text)
        return true;
    double seconds = strtod(text, &end);
    if (end != text && *end == '\0' && seconds > 0 && seconds < 1e9) {
        *to = (int64_t)(seconds * 1000) + (seconds < 0.001);
        return true;
    }
    fprintf(stderr, "%s: --timeout needs a number of seconds, got '%s'\n", name, text);
    return false;
}

static bool configure(const char *name, const struct options *o, perilune_config *c) {
    perilune_config_init(c);
    c->sandbox = o->sandbox != NULL;
    c->policy = o->sandbox && strcmp(o->sandbox, "-") != 0 ? o->sandbox : NULL;
    c->readonly = o->readonly;
    if (o->command || o->interactive) {
        fprintf(stderr, "%s: limits are for scripts, not for commands or a prompt\n",
                name);
        return false;
    }
    return read_limit(name, "--memory", o->memory, &c->memory) &&
           read_limit(name, "--instructions", o->instructions, &c->instructions) &&
           read_timeout(name, o->timeout, &c->milliseconds);
}

struct words {
    int argc;
    char **argv;
    const struct options *options;
    const char *name;
    bool ok;
};

/* The global arg, and what the mapper wants to know of the program. */
static int enter(lua_State *L) {
    const struct words *w = lua_touserdata(L, 1);
    int zero = w->options->script < w->argc ? w->options->script : 0;
    host_values(L);
    lua_getfield(L, -1, "define");
    lua_pushliteral(L, "arg");
    lua_createtable(L, w->argc - zero, zero + 1);
    for (int i = 0; i < w->argc; i++) {
        lua_pushstring(L, w->argv[i]);
        lua_rawseti(L, -2, i - zero);
    }
    lua_call(L, 2, 0);
    program_enter(L, w->argc, w->argv, w->name, w->options);
    return 0;
}

static int leave(lua_State *L) {
    const struct words *w = lua_touserdata(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, PL_PROGRAM);
    if (lua_getfield(L, -1, "leave") == LUA_TFUNCTION) {
        lua_pushboolean(L, w->ok);
        lua_call(L, 1, 0);
    }
    return 0;
}

static int run_texts(perilune_host *h, char **argv, const struct options *o) {
    int code = PERILUNE_OK;
    for (int i = 1; i < o->script && code == PERILUNE_OK; i++) {
        const char *text;
        char action = program_action(argv, &i, &text);
        if (action == 'e')
            code = perilune_run_string(h, "=(command line)", text, strlen(text), 0, NULL,
                                       NULL);
    }
    return code;
}

static int run_script(perilune_host *h, int argc, char **argv, const struct options *o) {
    perilune_value args[ARGUMENTS];
    if (o->script >= argc)
        return o->statement || o->version ? PERILUNE_OK
                                          : perilune_run_file(h, NULL, 0, NULL, NULL);
    int count = argc - o->script - 1;
    if (count > ARGUMENTS)
        return host_fail(h, PERILUNE_EMISUSE, "too many arguments to script");
    for (int i = 0; i < count; i++) {
        const char *text = argv[o->script + 1 + i];
        args[i] = (perilune_value){PERILUNE_TEXT, strlen(text), {.text = text}};
    }
    const char *path = strcmp(argv[o->script], "-") == 0 ? NULL : argv[o->script];
    return perilune_run_file(h, path, (size_t)count, args, NULL);
}

static void complain(const perilune_host *h, const char *name) {
    const perilune_error *e = perilune_error_of(h);
    fprintf(stderr, "%s: %s\n", name, e->message);
    if (e->traceback && *e->traceback)
        fprintf(stderr, "%s\n", e->traceback);
}

static int run_all(perilune_host *h, struct words *w) {
    int code = host_protect(h, enter, w);
    running = h;
    signal(SIGINT, on_sigint);
    if (code == PERILUNE_OK)
        code = run_texts(h, w->argv, w->options);
    if (code == PERILUNE_OK)
        code = run_script(h, w->argc, w->argv, w->options);
    w->ok = code == PERILUNE_OK;
    if (!w->ok)
        complain(h, w->name);
    int end = host_protect(h, leave, w);
    if (w->ok && end != PERILUNE_OK)
        complain(h, w->name);
    return code == PERILUNE_OK ? end : code;
}

int program_run_guarded(int argc, char **argv, const struct options *o) {
    perilune_config c;
    perilune_host *h;
    struct words w = {argc, argv, o, argv[0], false};
    if (!configure(argv[0], o, &c))
        return EXIT_FAILURE;
    int code = perilune_host_new(&h, &c);
    if (code == PERILUNE_OK)
        code = run_all(h, &w);
    else
        complain(h, argv[0]);
    fflush(stdout);
    signal(SIGINT, SIG_DFL);
    perilune_host_free(h);
    return code == PERILUNE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
