/* SPDX-License-Identifier: MIT */
/*
 * The perilune program: a Lua 5.4 interpreter that knows the module "perilune". It takes
 * lua's options and keeps lua's habits; the module is opened when a script requires it.
 *
 * main makes the state and calls work, the only protected call at this level: whatever
 * raises below it, also for lack of memory, ends with a message and status 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>

#include "call.h"
#include "guarded.h"
#include "heap.h"
#include "options.h"
#include "pl_lua.h"
#include "progress.h"
#include "repl.h"
#include "script.h"
#include "warn.h"

struct program {
    int argc;
    char **argv;
    const char *name; /* before messages */
    int status;       /* to exit with */
    pl_watch watch;   /* what the program does while SQL runs */
};

static void print_version(void) {
    puts(LUA_COPYRIGHT);
    puts("Perilune " PERILUNE_VERSION);
    fflush(stdout);
}

static void open_libraries(lua_State *L, const struct options *o) {
    if (o->no_environ) {
        lua_pushboolean(L, 1);
        lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
    }
    luaL_openlibs(L);
    program_note_coroutines(L);
    perilune_preload(L);
    lua_gc(L, LUA_GCGEN, 0, 0);
}

/* A terminal gets the prompt; a pipe is run as a file. */
static int run_without_script(lua_State *L, const struct program *p,
                              const struct options *o) {
    if (o->statement || o->version)
        return LUA_OK;
    if (!isatty(STDIN_FILENO))
        return program_run_stdin(L, p->name);
    print_version();
    program_interact(L);
    return LUA_OK;
}

static int run(lua_State *L, struct program *p, const struct options *o) {
    int status = o->no_environ ? LUA_OK : program_run_environment(L, p->name);
    if (status == LUA_OK)
        status = program_run_options(L, p->name, p->argv, o->script);
    if (status == LUA_OK && o->command)
        return program_run_command(L, p->name, p->argc, p->argv, o->script, &p->status);
    if (status == LUA_OK && o->script < p->argc)
        status = program_run_script(L, p->name, p->argv, o->script);
    if (status != LUA_OK)
        return status;
    if (o->interactive)
        program_interact(L);
    else if (o->script >= p->argc)
        status = run_without_script(L, p, o);
    return status;
}

static int complain_usage(const struct program *p, const struct options *o) {
    fprintf(stderr, "%s: ", p->name);
    fprintf(stderr, o->why, o->bad);
    fputc('\n', stderr);
    program_usage(stderr, p->name);
    return 0;
}

static int work(lua_State *L) {
    struct program *p = lua_touserdata(L, 1);
    struct options o = program_parse(p->argc, p->argv);
    luaL_checkversion(L);
    if (o.bad)
        return complain_usage(p, &o);
    if (o.help) {
        program_usage(stdout, p->name);
        p->status = EXIT_SUCCESS;
        return 0;
    }
    if (o.version)
        print_version();
    open_libraries(L, &o);
    program_watch(L, &p->watch);
    program_set_arg(L, p->argc, p->argv, o.script);
    program_enter(L, p->argc, p->argv, p->name, &o);
    p->status = EXIT_SUCCESS;
    int ok = run(L, p, &o) == LUA_OK;
    ok = program_leave(L, p->name, ok) == LUA_OK && ok;
    if (!ok)
        p->status = EXIT_FAILURE;
    return 0;
}

int main(int argc, char **argv) {
    struct options o = program_parse(argc, argv);
    if (program_is_guarded(&o))
        return program_run_guarded(argc, argv, &o);
    struct program p = {
        argc, argv, argc > 0 && argv[0][0] ? argv[0] : "perilune", EXIT_FAILURE, {0}};
    heap *h = heap_new();
    lua_State *L = h ? lua_newstate(heap_alloc, h) : NULL;
    if (L == NULL) {
        program_complain(p.name, "cannot create state: not enough memory");
        heap_free(h);
        return EXIT_FAILURE;
    }
    program_warnings(L);
    lua_pushcfunction(L, work);
    lua_pushlightuserdata(L, &p);
    int status = program_report(L, p.name, lua_pcall(L, 1, 0, 0));
    lua_close(L);
    heap_free(h);
    return status == LUA_OK ? p.status : EXIT_FAILURE;
}
