/* SPDX-License-Identifier: MIT */
/*
 * Calls between C and Lua: running files, texts and functions; C functions and modules
 * for scripts; contexts, variables and shared databases.
 *
 * Each function of the header fills a job and runs a body under host_protect. A body may
 * raise at any point: what it allocates outside Lua hangs on the job, which the function
 * frees afterwards.
 */
#include <string.h>

#include <lauxlib.h>

#include "host.h"
#include "value.h"

#define CALL "perilune.host.Call"

typedef struct job {
    perilune_host *host;
    const char *name, *text;
    size_t size;
    const perilune_value *args;
    size_t count;
    perilune_result *result; /* NULL when nobody asked */
    perilune_fn fn;
    lua_CFunction opener;
    void *payload;
    int flag;
} job;

/* ---- running --------------------------------------------------------------------- */

/* Calls the function on top with the job's arguments and takes what it returns. A request
 * to interrupt that came before is for this call, and is not left for the next. */
static void call(lua_State *L, const job *j) {
    guard *g = &j->host->guard;
    int base = lua_gettop(L) - 1;
    luaL_checkstack(L, (int)j->count + 8, "too many arguments");
    for (size_t i = 0; i < j->count; i++)
        value_push(L, &j->args[i]);
    guard_tick(L, 0);
    lua_call(L, (int)j->count, j->result ? LUA_MULTRET : 0);
    if (g->depth == 1)
        atomic_store_explicit(&g->interrupted, 0, memory_order_relaxed);
    int top = lua_gettop(L);
    for (int i = base + 1; i <= top; i++)
        result_add(L, j->result, i);
}

/* The chunk on top sees the globals of scripts. */
static void set_environment(lua_State *L) {
    host_values(L);
    lua_getfield(L, -1, "env");
    lua_remove(L, -2);
    if (!lua_setupvalue(L, -2, 1))
        lua_pop(L, 1);
}

static void check_loaded(lua_State *L, int status) {
    if (status == LUA_ERRMEM)
        lua_error(L);
    if (status == LUA_ERRFILE)
        host_raise(L, PERILUNE_EFILE, "%s", lua_tostring(L, -1));
    if (status != LUA_OK)
        host_raise(L, PERILUNE_ESYNTAX, "%s", lua_tostring(L, -1));
}

static int run_file(lua_State *L) {
    const job *j = lua_touserdata(L, 1);
    check_loaded(L, luaL_loadfilex(L, j->text, "t"));
    set_environment(L);
    call(L, j);
    return 0;
}

static int run_string(lua_State *L) {
    const job *j = lua_touserdata(L, 1);
    const char *chunk = j->name;
    if (chunk[0] != '=' && chunk[0] != '@')
        chunk = lua_pushfstring(L, "=%s", chunk);
    check_loaded(L, luaL_loadbufferx(L, j->text, j->size, chunk, "t"));
    set_environment(L);
    call(L, j);
    return 0;
}

static int run_function(lua_State *L) {
    const job *j = lua_touserdata(L, 1);
    host_values(L);
    lua_getfield(L, -1, "find");
    lua_pushstring(L, j->name);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1))
        host_raise(L, PERILUNE_ENAME, "there is no function '%s'", j->name);
    call(L, j);
    return 0;
}

static int run(job *j, lua_CFunction body, perilune_result **out) {
    perilune_host *h = j->host;
    if (out)
        *out = NULL;
    if (!h)
        return PERILUNE_EMISUSE;
    if (!j->name || (j->count > 0 && !j->args) || j->count > INT32_MAX / 2)
        return host_fail(h, PERILUNE_EMISUSE, NULL);
    if (out && !(j->result = result_new()))
        return host_fail(h, PERILUNE_EMEMORY, NULL);
    int code = host_protect(h, body, j);
    if (code == PERILUNE_OK && out)
        *out = j->result;
    else
        perilune_result_free(j->result);
    return code;
}

int perilune_run_file(perilune_host *h, const char *path, size_t count,
                      const perilune_value *args, perilune_result **out) {
    job j = {.host = h, .name = "", .text = path, .count = count, .args = args};
    return run(&j, run_file, out);
}

int perilune_run_string(perilune_host *h, const char *chunk, const char *text,
                        size_t size, size_t count, const perilune_value *args,
                        perilune_result **out) {
    job j = {.host = h, .name = chunk, .text = text, .size = size};
    j.count = count;
    j.args = args;
    if (h && !text && size > 0)
        return host_fail(h, PERILUNE_EMISUSE, NULL);
    return run(&j, run_string, out);
}

int perilune_call_function(perilune_host *h, const char *name, size_t count,
                           const perilune_value *args, perilune_result **out) {
    job j = {.host = h, .name = name, .count = count, .args = args};
    return run(&j, run_function, out);
}

/* ---- C functions ----------------------------------------------------------------- */

/* A call in progress: a userdata, so that an error on the way frees the results. */
struct perilune_call {
    perilune_host *host;
    perilune_result *args, *returned;
    char message[256];
};

typedef struct native {
    perilune_fn fn;
    void *payload;
} native;

static int call_gc(lua_State *L) {
    perilune_call *c = lua_touserdata(L, 1);
    perilune_result_free(c->args);
    perilune_result_free(c->returned);
    c->args = c->returned = NULL;
    return 0;
}

static perilune_call *new_call(lua_State *L) {
    perilune_call *c = lua_newuserdatauv(L, sizeof *c, 0);
    memset(c, 0, sizeof *c);
    if (luaL_newmetatable(L, CALL)) {
        lua_pushcfunction(L, call_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    c->host = host_of(L);
    c->args = result_new();
    c->returned = result_new();
    if (!c->args || !c->returned)
        luaL_error(L, "not enough memory");
    return c;
}

/* Runs the C function with the host set to the coroutine that called. */
static int enter_native(lua_State *L, const native *n, perilune_call *c) {
    perilune_host *h = c->host;
    lua_State *before = h->L;
    perilune_error error = h->error;
    h->L = L;
    h->natives++;
    int code = n->fn(c, n->payload);
    h->natives--;
    h->L = before;
    h->error = error;
    return code;
}

static int call_native(lua_State *L) {
    const native *n = lua_touserdata(L, lua_upvalueindex(1));
    int nargs = lua_gettop(L);
    perilune_call *c = new_call(L);
    for (int i = 1; i <= nargs; i++)
        result_add(L, c->args, i);
    int code = enter_native(L, n, c);
    guard_tick(L, 0);
    if (code < 0)
        host_raise(L, code, "%s", c->message[0] ? c->message : perilune_error_text(code));
    size_t count = perilune_result_count(c->returned);
    luaL_checkstack(L, (int)count, "too many results");
    for (size_t i = 0; i < count; i++)
        value_push(L, perilune_result_at(c->returned, i));
    return (int)count;
}

perilune_host *perilune_call_host(const perilune_call *c) {
    return c->host;
}

size_t perilune_arg_count(const perilune_call *c) {
    return perilune_result_count(c->args);
}

const perilune_value *perilune_arg(const perilune_call *c, size_t index) {
    return perilune_result_at(c->args, index);
}

int perilune_return(perilune_call *c, const perilune_value *value) {
    return value ? result_copy(c->returned, value) : PERILUNE_EMISUSE;
}

int perilune_fail(perilune_call *c, const char *message) {
    size_t n = message ? strlen(message) : 0;
    if (n >= sizeof c->message)
        n = sizeof c->message - 1;
    if (n > 0)
        memcpy(c->message, message, n);
    c->message[n] = '\0';
    return PERILUNE_ERUNTIME;
}

/* Defines the value on top under the job's name. */
static int define(lua_State *L, const job *j) {
    host_values(L);
    lua_getfield(L, -1, "define");
    lua_pushstring(L, j->name);
    lua_pushvalue(L, -4);
    lua_call(L, 2, 1);
    if (!lua_toboolean(L, -1))
        host_raise(L, PERILUNE_ENAME, "'%s' cannot be a global name", j->name);
    return 0;
}

static int add_native(lua_State *L) {
    const job *j = lua_touserdata(L, 1);
    native *n = lua_newuserdatauv(L, sizeof *n, 0);
    *n = (native){j->fn, j->payload};
    lua_pushcclosure(L, call_native, 1);
    return define(L, j);
}

int perilune_register(perilune_host *h, const char *name, perilune_fn fn, void *payload) {
    job j = {.host = h, .name = name, .fn = fn, .payload = payload};
    if (h && !fn)
        return host_fail(h, PERILUNE_EMISUSE, NULL);
    return run(&j, add_native, NULL);
}

/* ---- modules --------------------------------------------------------------------- */

/* Gives the loader on top to require under the job's name. */
static int preload(lua_State *L, const job *j) {
    host_values(L);
    lua_getfield(L, -1, "preload");
    lua_pushstring(L, j->name);
    lua_pushvalue(L, -4);
    lua_call(L, 2, 0);
    return 0;
}

static int add_module(lua_State *L) {
    const job *j = lua_touserdata(L, 1);
    lua_pushcfunction(L, j->opener);
    return preload(L, j);
}

int perilune_module(perilune_host *h, const char *name,
                    int (*opener)(struct lua_State *)) {
    job j = {.host = h, .name = name, .opener = opener};
    if (h && !opener)
        return host_fail(h, PERILUNE_EMISUSE, NULL);
    return run(&j, add_module, NULL);
}

static int add_source(lua_State *L) {
    const job *j = lua_touserdata(L, 1);
    const char *chunk = lua_pushfstring(L, "=%s", j->name);
    check_loaded(L, luaL_loadbufferx(L, j->text, j->size, chunk, "t"));
    set_environment(L);
    return preload(L, j);
}

int perilune_module_source(perilune_host *h, const char *name, const char *text,
                           size_t size) {
    job j = {.host = h, .name = name, .text = text, .size = size};
    if (h && !text)
        return host_fail(h, PERILUNE_EMISUSE, NULL);
    return run(&j, add_source, NULL);
}

static int add_path(lua_State *L) {
    const job *j = lua_touserdata(L, 1);
    host_values(L);
    lua_getfield(L, -1, "add_path");
    lua_pushstring(L, j->name);
    lua_call(L, 1, 0);
    return 0;
}

int perilune_path(perilune_host *h, const char *folder) {
    job j = {.host = h, .name = folder};
    return run(&j, add_path, NULL);
}

/* ---- databases, contexts, variables ---------------------------------------------- */

static int share(lua_State *L) {
    const job *j = lua_touserdata(L, 1);
    host_values(L);
    lua_getfield(L, -1, "share");
    lua_pushstring(L, j->name);
    if (j->payload)
        lua_pushlightuserdata(L, j->payload);
    else
        lua_pushnil(L);
    lua_call(L, 2, 0);
    return 0;
}

int perilune_share(perilune_host *h, const char *name, struct sqlite3 *database) {
    job j = {.host = h, .name = name, .payload = database};
    return run(&j, share, NULL);
}

static int context_push(lua_State *L) {
    const job *j = lua_touserdata(L, 1);
    host_values(L);
    lua_getfield(L, -1, "push");
    lua_pushstring(L, j->text);
    lua_call(L, 1, 1);
    if (lua_toboolean(L, -1))
        return 0;
    if (j->text)
        host_raise(L, PERILUNE_ENAME, "no script has made an App '%s'", j->text);
    host_raise(L, PERILUNE_ENAME, "scripts have made no App, or several: give a name");
}

int perilune_context_push(perilune_host *h, const char *app) {
    job j = {.host = h, .name = "", .text = app};
    return run(&j, context_push, NULL);
}

static int context_pop(lua_State *L) {
    const job *j = lua_touserdata(L, 1);
    host_values(L);
    lua_getfield(L, -1, "pop");
    lua_pushboolean(L, j->flag);
    lua_call(L, 1, 1);
    if (!lua_toboolean(L, -1))
        host_raise(L, PERILUNE_EMISUSE, "there is no context to end");
    return 0;
}

int perilune_context_pop(perilune_host *h, int commit) {
    job j = {.host = h, .name = "", .flag = commit};
    return run(&j, context_pop, NULL);
}

static int set_variable(lua_State *L) {
    const job *j = lua_touserdata(L, 1);
    host_values(L);
    lua_getfield(L, -1, "set");
    lua_pushstring(L, j->name);
    value_push(L, j->args);
    lua_call(L, 2, 0);
    return 0;
}

int perilune_set(perilune_host *h, const char *name, const perilune_value *value) {
    job j = {.host = h, .name = name, .args = value, .count = 1};
    if (h && value && value->type >= PERILUNE_LIST)
        return host_fail(h, PERILUNE_EVALUE, "variables are plain values");
    return run(&j, set_variable, NULL);
}
