/* SPDX-License-Identifier: MIT */
/*
 * Hosts: making, freeing, limits, statistics, the log; see perilune.h and host.h.
 *
 * The state is made first and without Lua's libraries; all that can fail then happens in
 * one protected call. The Lua side of a host is the table that lua/perilune/embed.lua
 * makes, kept in the registry.
 */
#include "coroutines.h"
#include "host.h"
#include "sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

static const char VALUES_KEY = 0, VARIABLE_KEY = 0;

const char *perilune_version(void) {
    return PERILUNE_VERSION;
}

int perilune_version_number(void) {
    return PERILUNE_VERSION_NUMBER;
}

void perilune_config_init(perilune_config *config) {
    memset(config, 0, sizeof *config);
    config->size = sizeof *config;
    config->interruptible = 1;
}

perilune_host *host_of(lua_State *L) {
    return (perilune_host *)guard_of(L);
}

void host_values(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &VALUES_KEY);
}

/* ---- output ---------------------------------------------------------------------- */

static void write_log(const perilune_host *h, char level, const char *text, size_t size) {
    if (h->log) {
        h->log(h->log_payload, level, text, size);
    } else if (level == 'p') {
        fwrite(text, 1, size, stdout);
        fputc('\n', stdout);
        fflush(stdout);
    }
}

/* print: one line to the log. */
static int host_print(lua_State *L) {
    int n = lua_gettop(L);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&b, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    write_log(host_of(L), 'p', text, size);
    return 0;
}

/* Pieces of a warning come one by one; lines of a log are short, so they stay pieces. */
static void on_warning(void *ud, const char *text, int more) {
    (void)more;
    if (text[0] != '@')
        write_log(ud, 'w', text, strlen(text));
}

int perilune_set_log(perilune_host *h, perilune_log_fn fn, void *payload) {
    if (!h)
        return PERILUNE_EMISUSE;
    h->log = fn;
    h->log_payload = payload;
    return PERILUNE_OK;
}

/* ---- making ---------------------------------------------------------------------- */

static void open_libraries(lua_State *L) {
    luaL_openlibs(L);
    perilune_preload(L);
    lua_pushcfunction(L, host_print);
    lua_setglobal(L, "print");
    coroutines_open(L, &host_of(L)->guard.running);
    lua_gc(L, LUA_GCGEN, 0, 0);
}

/* Pushes what lua/perilune/embed.lua makes, and lets scripts require its module. */
static void open_values(lua_State *L) {
    const perilune_host *h = host_of(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "perilune.embed");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "new");
    if (h->sandbox) {
        sandbox_open(L, h->allow, host_print);
    } else {
        lua_pushglobaltable(L);
        lua_pushglobaltable(L);
        lua_pushnil(L);
    }
    lua_call(L, 3, 1);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &VALUES_KEY);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -2, "module");
    lua_setfield(L, -2, "perilune.host");
    lua_pop(L, 1);
}

static int push_variable(lua_State *L) {
    host_values(L);
    lua_getfield(L, -1, "var");
    lua_pushstring(L, lua_touserdata(L, 1));
    lua_call(L, 1, 1);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &VARIABLE_KEY); /* keeps its text alive */
    return 1;
}

/* A variable of the context, for SQL that is running. */
static void variable(void *ud, const char *name, perilune_value *out) {
    lua_State *L = ((perilune_host *)ud)->L;
    if (!lua_checkstack(L, 6))
        return;
    lua_pushcfunction(L, push_variable);
    lua_pushlightuserdata(L, (void *)name);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK) {
        switch (lua_type(L, -1)) {
        case LUA_TBOOLEAN: out->type = PERILUNE_BOOLEAN; break;
        case LUA_TSTRING: out->type = PERILUNE_TEXT; break;
        case LUA_TNUMBER:
            out->type = lua_isinteger(L, -1) ? PERILUNE_INTEGER : PERILUNE_NUMBER;
            break;
        default: break;
        }
        if (out->type == PERILUNE_BOOLEAN)
            out->as.boolean = lua_toboolean(L, -1);
        else if (out->type == PERILUNE_TEXT)
            out->as.text = lua_tolstring(L, -1, &out->size);
        else if (out->type == PERILUNE_INTEGER)
            out->as.integer = lua_tointeger(L, -1);
        else if (out->type == PERILUNE_NUMBER)
            out->as.number = lua_tonumber(L, -1);
    }
    lua_pop(L, 1);
}

static int build(lua_State *L) {
    perilune_host *h = host_of(L);
    luaL_checkversion(L);
    luaL_newmetatable(L, "perilune.host.Error");
    lua_pop(L, 1);
    open_libraries(L);
    guard_watch(&h->guard, L, &h->watch);
    if (h->policy)
        policy_watch(h->policy, &h->guard, &h->watch, variable, h);
    open_values(L);
    return 0;
}

static perilune_host *new_host(const perilune_config *c) {
    perilune_host *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    guard *g = &h->guard;
    guard_init(g, c->alloc, c->alloc_payload);
    g->limits[PERILUNE_LIMIT_MEMORY] = c->memory;
    g->limits[PERILUNE_LIMIT_INSTRUCTIONS] = c->instructions;
    g->limits[PERILUNE_LIMIT_MILLISECONDS] = c->milliseconds;
    g->limits[PERILUNE_LIMIT_ROWS] = c->rows;
    g->limits[PERILUNE_LIMIT_DATABASES] = c->databases;
    g->interruptible = c->interruptible != 0;
    h->allow = c->allow;
    h->sandbox = c->sandbox || c->policy;
    return h;
}

static int give_up(perilune_host *h, int code, const char *message) {
    h->broken = true;
    return host_fail(h, code, message);
}

/* A config of an older or newer header: what it has not is the default. */
static int read_config(perilune_config *to, const perilune_config *from) {
    perilune_config_init(to);
    if (!from)
        return PERILUNE_OK;
    size_t size = from->size < sizeof *to ? from->size : sizeof *to;
    if (size < offsetof(perilune_config, alloc))
        return PERILUNE_EMISUSE;
    memcpy(to, from, size);
    to->size = sizeof *to;
    return PERILUNE_OK;
}

/* Runs the policy file in a host of its own, which has nothing but its limits. */
static int run_policy(perilune_host *h, const char *path) {
    perilune_config c;
    perilune_host *reader;
    char message[256];
    perilune_config_init(&c);
    c.sandbox = 1;
    c.memory = 16 << 20;
    c.milliseconds = 1000;
    int code = perilune_host_new(&reader, &c);
    if (code == PERILUNE_OK)
        code = perilune_run_file(reader, path, 0, NULL, &h->policy_value);
    if (code != PERILUNE_OK) {
        (void)snprintf(message, sizeof message, "%s", perilune_error_of(reader)->message);
    } else {
        const perilune_value *value = perilune_result_at(h->policy_value, 0);
        code =
            policy_read(h->policy, value, &h->guard, &h->allow, message, sizeof message);
    }
    perilune_host_free(reader);
    if (code == PERILUNE_OK)
        return code;
    memcpy(h->why, message, sizeof message);
    return give_up(h, code == PERILUNE_EMEMORY ? code : PERILUNE_EPOLICY, h->why);
}

static int open_policy(perilune_host *h, const perilune_config *c) {
    if (!h->sandbox && !c->readonly)
        return PERILUNE_OK;
    h->policy = policy_new(h->sandbox, c->allow, c->readonly != 0);
    if (!h->policy)
        return give_up(h, PERILUNE_EMEMORY, NULL);
    return c->policy ? run_policy(h, c->policy) : PERILUNE_OK;
}

int perilune_host_new(perilune_host **out, const perilune_config *config) {
    perilune_config c;
    if (!out)
        return PERILUNE_EMISUSE;
    *out = NULL;
    int code = read_config(&c, config);
    perilune_host *h = *out = new_host(&c);
    if (!h)
        return PERILUNE_EMEMORY;
    if (code != PERILUNE_OK)
        return give_up(h, code, "call perilune_config_init before setting fields");
    code = open_policy(h, &c);
    if (code != PERILUNE_OK)
        return code;
    h->main = h->L = guard_newstate(&h->guard);
    if (!h->main)
        return give_up(h, PERILUNE_EMEMORY, NULL);
    lua_setwarnf(h->main, on_warning, h);
    code = host_protect(h, build, h);
    if (code != PERILUNE_OK)
        h->broken = true;
    return code;
}

void perilune_host_free(perilune_host *h) {
    if (!h || h->natives > 0)
        return;
    if (h->main) {
        while (perilune_context_pop(h, 0) != PERILUNE_EMISUSE && !h->broken)
            continue;
        lua_close(h->main);
    }
    policy_free(h->policy);
    perilune_result_free(h->policy_value);
    free(h);
}

/* ---- limits ---------------------------------------------------------------------- */

int perilune_limit(perilune_host *h, perilune_limit_id id, int64_t value, int64_t *old) {
    if (!h || (int)id < 0 || (int)id >= GUARD_LIMITS)
        return PERILUNE_EMISUSE;
    if (old)
        *old = h->guard.limits[id];
    if (value >= 0) {
        h->guard.limits[id] = value;
        if (h->main)
            guard_arm(&h->guard, h->main);
    }
    return PERILUNE_OK;
}

void perilune_interrupt(perilune_host *h) {
    if (h)
        atomic_store_explicit(&h->guard.interrupted, 1, memory_order_relaxed);
}

int perilune_get_stats(const perilune_host *h, perilune_stats *stats) {
    if (!h || !stats || stats->size < sizeof stats->size)
        return PERILUNE_EMISUSE;
    const guard *g = &h->guard;
    perilune_stats all = {.size = stats->size,
                          .memory = g->used,
                          .memory_peak = g->peak,
                          .instructions = g->instructions,
                          .rows = g->rows,
                          .statements = g->statements,
                          .databases = g->databases,
                          .calls = h->calls};
    memcpy(stats, &all, stats->size < sizeof all ? stats->size : sizeof all);
    return PERILUNE_OK;
}

struct lua_State *perilune_lua(perilune_host *h) {
    return h && !h->broken ? h->L : NULL;
}
