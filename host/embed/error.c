/* SPDX-License-Identifier: MIT */
/*
 * Errors of a host: codes, the protected call, and what perilune_error_of tells.
 *
 * The message handler runs where the error was raised. There a limit may just have been
 * reached and the hook be off, so it calls nothing of the script's then. The texts of an
 * error are Lua strings in a table of the registry, replaced by the next error.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "host.h"

static const char TRACE_KEY = 0, ERROR_KEY = 0;

enum { SLACK = 1024 * 1024 }; /* bytes beyond the limit for what an error needs */

#define RAISED "perilune.host.Error"

const char *perilune_error_name(int code) {
    switch (code) {
    case PERILUNE_OK: return "OK";
#define NAME(name, number, text)                                                         \
    case number: return #name;
        PERILUNE_ERROR_MAP(NAME)
#undef NAME
    default: return "UNKNOWN";
    }
}

const char *perilune_error_text(int code) {
    switch (code) {
    case PERILUNE_OK: return "no error";
#define TEXT(name, number, text)                                                         \
    case number: return text;
        PERILUNE_ERROR_MAP(TEXT)
#undef TEXT
    default: return "unknown error";
    }
}

const perilune_error *perilune_error_of(const perilune_host *h) {
    static const perilune_error none = {.code = PERILUNE_EMISUSE,
                                        .message = "there is no host"};
    return h ? &h->error : &none;
}

int host_fail(perilune_host *h, int code, const char *message) {
    h->error = (perilune_error){.code = code};
    h->error.message = message ? message : perilune_error_text(code);
    return code;
}

/* ---- raising --------------------------------------------------------------------- */

void host_raise(lua_State *L, int code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    luaL_where(L, 1);
    lua_pushvfstring(L, fmt, ap);
    va_end(ap);
    lua_concat(L, 2);
    lua_createtable(L, 0, 2);
    lua_insert(L, -2);
    lua_setfield(L, -2, "message");
    lua_pushinteger(L, code);
    lua_setfield(L, -2, "host_code");
    luaL_setmetatable(L, RAISED);
    lua_error(L);
    abort(); /* not reached: lua_error does not return */
}

int host_code_of(lua_State *L, int idx) {
    int code = 0;
    if (luaL_getmetafield(L, idx, "__name") == LUA_TNIL)
        return 0;
    if (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), RAISED) == 0) {
        lua_pushliteral(L, "host_code");
        lua_rawget(L, idx);
        code = (int)lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return code;
}

/* ---- describing ------------------------------------------------------------------ */

static int keep_trace(lua_State *L) {
    const guard *g = guard_of(L);
    if (g && g->killed == PERILUNE_EMEMORY)
        return 1;
    luaL_traceback(L, L, NULL, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &TRACE_KEY);
    return 1;
}

/* Field of the error at 1 as text of the table at 2, or NULL. No metamethods. */
static const char *field(lua_State *L, const char *name) {
    const char *text = NULL;
    lua_pushstring(L, name);
    lua_rawget(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) {
        text = lua_tostring(L, -1);
        lua_setfield(L, 2, name);
    } else {
        lua_pop(L, 1);
    }
    return text;
}

static bool is_ours(lua_State *L) {
    bool ours = lua_istable(L, 1) && luaL_getmetafield(L, 1, "__name") == LUA_TSTRING &&
                strncmp(lua_tostring(L, -1), "perilune.", 9) == 0;
    lua_settop(L, 2);
    return ours;
}

static void describe_object(lua_State *L, perilune_host *h) {
    perilune_error *e = &h->error;
    e->name = field(L, "name");
    e->sql = field(L, "sql");
    lua_pushliteral(L, "code");
    lua_rawget(L, 1);
    e->database_code = lua_isinteger(L, -1) ? (int)lua_tointeger(L, -1) : 0;
    lua_pop(L, 1);
    int code = host_code_of(L, 1);
    if (code)
        e->code = code;
}

/* The text of an error value; its own __tostring is asked under the limits. */
static void describe_message(lua_State *L, perilune_host *h) {
    if (h->guard.killed) {
        lua_pushstring(L, perilune_error_text(h->guard.killed));
    } else if (lua_isstring(L, 1)) {
        lua_pushvalue(L, 1);
        lua_tostring(L, -1);
    } else if (host_code_of(L, 1)) {
        lua_getfield(L, 1, "message");
    } else if (luaL_getmetafield(L, 1, "__tostring") == LUA_TNIL) {
        lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
    } else {
        lua_pop(L, 1);
        luaL_tolstring(L, 1, NULL);
    }
    h->error.message = lua_tostring(L, -1);
    lua_setfield(L, 2, "text");
}

/* 1: the error, 2: the host. */
static int describe(lua_State *L) {
    perilune_host *h = lua_touserdata(L, 2);
    lua_settop(L, 1);
    lua_createtable(L, 0, 4);
    lua_pushvalue(L, 2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &ERROR_KEY);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &TRACE_KEY) == LUA_TSTRING) {
        h->error.traceback = lua_tostring(L, -1);
        lua_setfield(L, 2, "traceback");
    } else {
        lua_pop(L, 1);
    }
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &TRACE_KEY);
    if (is_ours(L))
        describe_object(L, h);
    describe_message(L, h);
    return 0;
}

/* Takes the error on top of the stack and describes it as far as memory goes. */
static int tell(perilune_host *h, lua_State *L, int status) {
    if (status == LUA_ERRMEM)
        guard_kill(&h->guard, PERILUNE_EMEMORY);
    int code = h->guard.killed ? h->guard.killed : PERILUNE_ERUNTIME;
    host_fail(h, code, NULL);
    h->guard.slack = SLACK;
    h->guard.quiet = h->guard.killed != 0;
    lua_pushcfunction(L, describe);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, h);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
        host_fail(h, code, "an error whose text could not be made");
        lua_pop(L, 1);
    }
    h->guard.slack = 0;
    h->guard.quiet = false;
    if (h->guard.killed)
        h->error.code = h->guard.killed;
    if (h->error.message == NULL)
        h->error.message = perilune_error_text(h->error.code);
    return h->error.code;
}

static int call_recover(lua_State *L) {
    host_values(L);
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "recover");
        lua_call(L, 0, 0);
    }
    return 0;
}

/* Rolls back what a stopped script has begun, under fresh limits because listeners of the
 * script may run. A host that cannot even do that is of no more use. */
static void recover(perilune_host *h, lua_State *L) {
    int killed = h->guard.killed;
    int64_t instructions = h->guard.instructions, rows = h->guard.rows;
    guard_enter(&h->guard);
    guard_arm(&h->guard, L);
    h->guard.slack = SLACK;
    if (killed == PERILUNE_EMEMORY)
        lua_gc(L, LUA_GCCOLLECT);
    lua_pushcfunction(L, call_recover);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        lua_pop(L, 1);
        h->broken = true;
    }
    h->broken = h->broken || h->guard.killed != 0;
    h->guard.slack = 0;
    h->guard.killed = killed;
    h->guard.instructions = instructions;
    h->guard.rows = rows;
    guard_leave(&h->guard);
}

int host_protect(perilune_host *h, lua_CFunction body, void *job) {
    lua_State *L = h->L, *before = h->guard.running;
    if (h->broken)
        return h->error.code;
    if (!lua_checkstack(L, 8))
        return host_fail(h, PERILUNE_EMEMORY, NULL);
    h->error = (perilune_error){.code = PERILUNE_OK, .message = "no error"};
    h->calls++;
    if (h->guard.depth == 0)
        guard_arm(&h->guard, L);
    guard_enter(&h->guard);
    h->guard.running = L;
    lua_pushcfunction(L, keep_trace);
    lua_pushcfunction(L, body);
    lua_pushlightuserdata(L, job);
    int handler = lua_gettop(L) - 2, code = PERILUNE_OK;
    int status = lua_pcall(L, 1, 0, handler);
    lua_remove(L, handler);
    if (status != LUA_OK)
        code = tell(h, L, status);
    else if (h->guard.killed)
        code = host_fail(h, h->guard.killed, NULL);
    guard_leave(&h->guard);
    if (h->guard.killed && h->guard.depth == 0)
        recover(h, L);
    h->guard.running = before;
    return code;
}
