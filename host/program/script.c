/* SPDX-License-Identifier: MIT */
/*
 * Runs chunks: start-up code from the environment, options, files, standard input.
 * Called by main under its one protected call, so allocation errors of the few API calls
 * made here directly end the program with a message and not with abort.
 */
#include "script.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "call.h"
#include "pl_lua.h"
#include "terminal.h"

static int run_loaded(lua_State *L, const char *name, int status) {
    if (status == LUA_OK)
        status = program_call(L, 0, 0);
    return program_report(L, name, status);
}

static int run_file(lua_State *L, const char *name, const char *path) {
    return run_loaded(L, name, luaL_loadfile(L, path));
}

static int run_string(lua_State *L, const char *name, const char *text,
                      const char *chunk) {
    return run_loaded(L, name, luaL_loadbuffer(L, text, strlen(text), chunk));
}

void program_set_arg(lua_State *L, int argc, char **argv, int script) {
    int zero = script < argc ? script : 0;
    lua_createtable(L, argc - zero, zero + 1);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i - zero);
    }
    lua_setglobal(L, "arg");
}

int program_run_environment(lua_State *L, const char *name) {
    const char *chunk = "=LUA_INIT" LUA_VERSUFFIX;
    const char *text = getenv(chunk + 1);
    if (text == NULL) {
        chunk = "=LUA_INIT";
        text = getenv(chunk + 1);
    }
    if (text == NULL)
        return LUA_OK;
    if (text[0] == '@')
        return run_file(L, name, text + 1);
    return run_string(L, name, text, chunk);
}

/* "g=mod", or "mod" for both. */
static int require_into_global(lua_State *L, const char *name, const char *text) {
    const char *module = strchr(text, '=');
    size_t length = module ? (size_t)(module - text) : strlen(text);
    module = module ? module + 1 : text;
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    int status = program_call(L, 1, 1);
    if (status == LUA_OK) {
        const char *global = lua_pushlstring(L, text, length);
        lua_insert(L, -2);
        lua_setglobal(L, global);
        lua_pop(L, 1);
    }
    return program_report(L, name, status);
}

int program_run_options(lua_State *L, const char *name, char **argv, int script) {
    int status = LUA_OK;
    for (int i = 1; i < script && status == LUA_OK; i++) {
        const char *argument;
        switch (program_action(argv, &i, &argument)) {
        case 'e': status = run_string(L, name, argument, "=(command line)"); break;
        case 'l': status = require_into_global(L, name, argument); break;
        case 'W': lua_warning(L, "@on", 0); break;
        default: break;
        }
    }
    return status;
}

/* The script may be given other arguments by changing arg in -e or LUA_INIT. */
static int push_arguments(lua_State *L) {
    if (lua_getglobal(L, "arg") != LUA_TTABLE)
        return luaL_error(L, "'arg' is not a table");
    int count = (int)luaL_len(L, -1);
    luaL_checkstack(L, count + 3, "too many arguments to script");
    for (int i = 1; i <= count; i++)
        lua_rawgeti(L, -i, i);
    lua_remove(L, -count - 1);
    return count;
}

int program_run_script(lua_State *L, const char *name, char **argv, int script) {
    const char *path = argv[script];
    if (strcmp(path, "-") == 0 && strcmp(argv[script - 1], "--") != 0)
        path = NULL;
    int status = luaL_loadfile(L, path);
    if (status == LUA_OK)
        status = program_call(L, push_arguments(L), 0);
    return program_report(L, name, status);
}

int program_run_stdin(lua_State *L, const char *name) {
    return run_file(L, name, NULL);
}

int program_run_command(lua_State *L, const char *name, int argc, char **argv, int index,
                        int *status) {
    lua_getglobal(L, "require");
    lua_pushliteral(L, "perilune.commands");
    if (program_call(L, 1, 1) != LUA_OK)
        return program_report(L, name, LUA_ERRRUN);
    lua_getfield(L, -1, "run");
    lua_remove(L, -2);
    luaL_checkstack(L, argc + LUA_MINSTACK, "too many arguments to command");
    for (int i = index; i < argc; i++)
        lua_pushstring(L, argv[i]);
    int failed = program_report(L, name, program_call(L, argc - index, 1));
    if (failed == LUA_OK) {
        *status = (int)lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    return failed;
}

void program_enter(lua_State *L, int argc, char **argv, const char *name,
                   const struct options *options) {
    const char *word = options->script < argc ? argv[options->script] : NULL;
    const char *script = options->command ? NULL : word;
    const char *command = options->command ? word : NULL;
    lua_createtable(L, 0, 8);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, script);
    lua_setfield(L, -2, "script");
    lua_pushstring(L, command);
    lua_setfield(L, -2, "command");
    lua_pushboolean(L, options->echo);
    lua_setfield(L, -2, "echo");
    lua_pushboolean(L, options->report);
    lua_setfield(L, -2, "report");
    program_open_terminal(L);
    lua_setfield(L, -2, "terminal");
    lua_setfield(L, LUA_REGISTRYINDEX, PL_PROGRAM);
}

int program_leave(lua_State *L, const char *name, int ok) {
    int status = LUA_OK;
    lua_getfield(L, LUA_REGISTRYINDEX, PL_PROGRAM);
    if (lua_getfield(L, -1, "leave") == LUA_TFUNCTION) {
        lua_pushboolean(L, ok);
        status = program_report(L, name, program_call(L, 1, 0));
    } else {
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return status;
}
