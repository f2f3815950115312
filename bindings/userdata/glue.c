/* SPDX-License-Identifier: MIT */
/*
** glue.c - the runtime, classes, raising errors, boxes. See glue.h.
**
** User values of the runtime: 1 a table of the module's shared Lua values, 2 the Lua
** error that a callback left for plua_throw.
*/
#include "userdata/glue.h"
#include "pl_lua.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char RUNTIME_KEY = 0;

/* Where metatables of classes have the address of their name. */
enum { CLASS_NAME = 1 };

static void *lua_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    void *state;
    lua_Alloc f = lua_getallocf(ud, &state);
    return f(state, ptr, ptr ? osize : 0, nsize);
}

static int runtime_gc(lua_State *L) {
    plua_runtime *rt = lua_touserdata(L, 1);
    pl_error_clear(&rt->err);
    return 0;
}

static void new_runtime(lua_State *L) {
    plua_runtime *rt = lua_newuserdatauv(L, sizeof *rt, 2);
    memset(rt, 0, sizeof *rt);
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    rt->alloc = (pl_alloc){lua_alloc, lua_tothread(L, -1)};
    lua_pop(L, 1);
    pl_error_init(&rt->err, rt->alloc);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, runtime_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &RUNTIME_KEY);
}

static void push_runtime(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &RUNTIME_KEY) == LUA_TUSERDATA)
        return;
    lua_pop(L, 1);
    new_runtime(L);
}

plua_runtime *plua_rt(lua_State *L) {
    push_runtime(L);
    plua_runtime *rt = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return rt;
}

void plua_shared(lua_State *L) {
    push_runtime(L);
    lua_getiuservalue(L, -1, 1);
    lua_remove(L, -2);
}

void plua_push_weak_table(lua_State *L, const char *mode) {
    const char *meta = mode[0] == 'k' ? "weak_keys" : "weak_values";
    lua_newtable(L);
    plua_shared(L);
    if (lua_getfield(L, -1, meta) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 1);
        lua_pushstring(L, mode);
        lua_setfield(L, -2, "__mode");
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, meta);
    }
    lua_setmetatable(L, -3);
    lua_pop(L, 1);
}

/* Pushes the table of weak references. */
static void push_weak_table(lua_State *L, plua_runtime *rt) {
    if (rt->weak) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, rt->weak);
        return;
    }
    plua_push_weak_table(L, "v");
    lua_pushvalue(L, -1);
    rt->weak = luaL_ref(L, LUA_REGISTRYINDEX);
}

plua_weak plua_weak_new(lua_State *L, int idx) {
    plua_runtime *rt = plua_rt(L);
    idx = lua_absindex(L, idx);
    push_weak_table(L, rt);
    lua_pushboolean(L, 1); /* the registry gives out the numbers */
    plua_weak w = {rt->weak, luaL_ref(L, LUA_REGISTRYINDEX)};
    lua_pushvalue(L, idx);
    lua_rawseti(L, -2, w.n);
    lua_pop(L, 1);
    return w;
}

void plua_weak_free(lua_State *L, plua_weak w) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, w.table);
    lua_pushnil(L);
    lua_rawseti(L, -2, w.n);
    lua_pop(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, w.n);
}

pl_error *plua_err(lua_State *L) {
    plua_runtime *rt = plua_rt(L);
    pl_error_clear(&rt->err);
    return &rt->err;
}

static void set_text(lua_State *L, const char *key, const char *text) {
    if (!text)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

static void push_object(lua_State *L, const void *object) {
    plua_shared(L);
    lua_getfield(L, -1, "objects");
    if (lua_istable(L, -1))
        lua_rawgetp(L, -1, object);
    else
        lua_pushnil(L);
    lua_pushnil(L);
    lua_setfield(L, -4, "objects");
    lua_replace(L, -3);
    lua_pop(L, 1);
}

void plua_offer_object(lua_State *L, int idx, const void *object) {
    idx = lua_absindex(L, idx);
    plua_shared(L);
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, idx);
    lua_rawsetp(L, -2, object);
    lua_setfield(L, -2, "objects");
    lua_pop(L, 1);
}

void plua_push_error(lua_State *L) {
    const pl_error *e = &plua_rt(L)->err;
    lua_createtable(L, 0, 8);
    set_text(L, "name", pl_code_name(e->code));
    set_text(L, "message", e->message);
    set_text(L, "hint", e->hint);
    set_text(L, "sql", e->sql);
    set_text(L, "params", e->params);
    set_text(L, "table", e->table);
    set_text(L, "column", e->column);
    set_text(L, "attribute", e->attribute);
    if (e->db_code) {
        lua_pushinteger(L, e->db_code);
        lua_setfield(L, -2, "code");
    }
    if (e->object) {
        push_object(L, e->object);
        lua_setfield(L, -2, "object");
    }
    luaL_setmetatable(L, PLUA_ERROR);
}

/* The place in the script that called, as luaL_where gives it, into field `where`: the
** innermost Lua function that is none of our own files (chunks "=perilune.name"). */
static void set_where(lua_State *L) {
    lua_Debug ar;
    for (int level = 1; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sl", &ar);
        if (ar.currentline <= 0 || strncmp(ar.source, "=perilune.", 10) == 0)
            continue;
        lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
        lua_setfield(L, -2, "where");
        return;
    }
}

/* Who stopped the statement hears that the script gets to know of it. */
static void tell_interrupt(lua_State *L) {
    lua_getfield(L, LUA_REGISTRYINDEX, PL_WATCH);
    const pl_watch *watch = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (watch && watch->raising)
        watch->raising(watch->ud);
}

void plua_throw(lua_State *L) {
    plua_runtime *rt = plua_rt(L);
    if (rt->err.code == PL_EINTERRUPT)
        tell_interrupt(L);
    if (rt->has_raised) {
        rt->has_raised = false;
        push_runtime(L);
        lua_getiuservalue(L, -1, 2);
        lua_pushnil(L);
        lua_setiuservalue(L, -3, 2);
    } else if (rt->err.code == PL_ENOMEM) {
        pl_error_clear(&rt->err);
        plua_nomem(L);
    } else {
        plua_push_error(L);
        set_where(L);
    }
    pl_error_clear(&rt->err);
    lua_error(L);
    abort(); /* not reached: lua_error does not return */
}

void plua_nomem(lua_State *L) {
    luaL_error(L, "not enough memory");
    abort(); /* not reached */
}

void plua_check(lua_State *L, pl_code code) {
    if (code != PL_OK)
        plua_throw(L);
}

static void start_error(lua_State *L, pl_code code, const char *hint) {
    pl_error *e = plua_err(L);
    pl_fail(e, code, "%s", lua_tostring(L, -1));
    if (hint)
        pl_hint(e, "%s", hint);
}

void plua_raise(lua_State *L, pl_code code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    lua_pushvfstring(L, fmt, ap);
    va_end(ap);
    start_error(L, code, NULL);
    plua_throw(L);
}

void plua_raise_hint(lua_State *L, pl_code code, const char *hint, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    lua_pushvfstring(L, fmt, ap);
    va_end(ap);
    start_error(L, code, hint);
    plua_throw(L);
}

/* Whether a text is "Model.attribute". */
static bool is_label(const char *text) {
    const char *dot = strchr(text, '.');
    return dot && dot != text && dot[1] && !strpbrk(text, " \t(") &&
           !strchr(dot + 1, '.');
}

void plua_blame(pl_error *e, const char *where) {
    if (!e->attribute && is_label(where))
        e->attribute = pl_error_text(e, where);
}

void plua_raise_at(lua_State *L, pl_code code, const char *where, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    lua_pushfstring(L, "%s: ", where);
    lua_pushvfstring(L, fmt, ap);
    va_end(ap);
    lua_concat(L, 2);
    start_error(L, code, NULL);
    plua_blame(&plua_rt(L)->err, where);
    plua_throw(L);
}

pl_code plua_error_code(lua_State *L) {
    pl_code code = PL_OK;
    if (lua_istable(L, -1) && lua_getmetatable(L, -1)) {
        luaL_getmetatable(L, PLUA_ERROR);
        if (lua_rawequal(L, -1, -2)) {
            lua_getfield(L, -3, "name");
            if (lua_type(L, -1) == LUA_TSTRING)
                code = pl_code_named(lua_tostring(L, -1));
            lua_pop(L, 1);
        }
        lua_pop(L, 2);
    }
    return code == PL_OK ? PL_ERUNTIME : code;
}

pl_code plua_keep_error(lua_State *L, pl_error *err) {
    plua_runtime *rt = plua_rt(L);
    pl_code code = plua_error_code(L);
    push_runtime(L);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 2);
    lua_pop(L, 1);
    rt->has_raised = true;
    return pl_fail(err, code, "error in a callback");
}

void plua_class(lua_State *L, const char *name, const luaL_Reg *meta,
                const luaL_Reg *methods) {
    luaL_newmetatable(L, name);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__metatable");
    lua_pushlightuserdata(L, (void *)name);
    lua_rawseti(L, -2, CLASS_NAME);
    if (methods) {
        lua_newtable(L);
        luaL_setfuncs(L, methods, 0);
        lua_setfield(L, -2, "__index");
    }
    if (meta)
        luaL_setfuncs(L, meta, 0);
}

/*
** Names of classes are constants of the program: mostly the address tells the class, and
** where a name stands twice in the program, its text does.
*/
void *plua_test(lua_State *L, int idx, const char *name) {
    void *p = lua_touserdata(L, idx);
    if (!p || !lua_getmetatable(L, idx))
        return NULL;
    bool same = lua_rawgeti(L, -1, CLASS_NAME) == LUA_TLIGHTUSERDATA &&
                lua_touserdata(L, -1) == (const void *)name;
    lua_pop(L, 2);
    return same ? p : luaL_testudata(L, idx, name);
}

void *plua_checkself(lua_State *L, const char *name, const char *method) {
    void *p = plua_test(L, 1, name);
    if (p)
        return p;
    const char *got = plua_typename(L, 1);
    const char *hint = lua_pushfstring(L, "call it with a colon: object:%s(...)", method);
    plua_raise_hint(L, PL_ETYPE, hint, "%s expected as the object of '%s', got %s", name,
                    method, got);
}

/* ---- arguments ---- */

static __attribute__((noreturn)) void bad_argument(lua_State *L, int idx,
                                                   const char *expected) {
    lua_Debug ar;
    memset(&ar, 0, sizeof ar);
    if (lua_getstack(L, 0, &ar))
        lua_getinfo(L, "n", &ar);
    const char *name = ar.name ? ar.name : "?";
    if (luaL_testudata(L, 1, PLUA_DATABASE)) {
        const char *hint = lua_pushfstring(L, "write db.%s(...)", name);
        plua_raise_hint(L, PL_ETYPE, hint, "db.%s is called with a dot", name);
    }
    bool method = ar.namewhat && strcmp(ar.namewhat, "method") == 0;
    plua_raise(L, PL_EARGUMENT, "bad argument #%d to '%s' (%s expected, got %s)",
               idx - method, name, expected, plua_typename(L, idx));
}

void plua_need_any(lua_State *L, int idx) {
    if (lua_isnone(L, idx))
        bad_argument(L, idx, "value");
}

void plua_need_table(lua_State *L, int idx) {
    if (!lua_istable(L, idx))
        bad_argument(L, idx, "table");
}

const char *plua_need_string(lua_State *L, int idx, size_t *len) {
    const char *s = lua_tolstring(L, idx, len);
    if (!s)
        bad_argument(L, idx, "string");
    return s;
}

lua_Integer plua_need_integer(lua_State *L, int idx) {
    int fits;
    lua_Integer i = lua_tointegerx(L, idx, &fits);
    if (!fits)
        bad_argument(L, idx, "whole number");
    return i;
}

static int arena_gc(lua_State *L) {
    pl_arena_free(lua_touserdata(L, 1));
    return 0;
}

pl_arena *plua_arena(lua_State *L) {
    plua_runtime *rt = plua_rt(L);
    pl_arena *a = lua_newuserdatauv(L, sizeof *a, 0);
    pl_arena_init(a, rt->alloc);
    if (luaL_newmetatable(L, PLUA_BOX)) {
        lua_pushcfunction(L, arena_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return a;
}

void plua_arena_done(pl_arena *a) {
    pl_arena_free(a);
}

const char *plua_typename(lua_State *L, int idx) {
    if (luaL_getmetafield(L, idx, "__name") == LUA_TSTRING) {
        const char *name = lua_tostring(L, -1);
        lua_pop(L, 1);
        return name;
    }
    if (lua_isnone(L, idx))
        return "no value";
    return luaL_typename(L, idx);
}

const char *plua_field_str(lua_State *L, int idx, const char *key) {
    const char *s = NULL;
    if (lua_getfield(L, idx, key) == LUA_TSTRING)
        s = lua_tostring(L, -1);
    lua_pop(L, 1);
    return s;
}

bool plua_field_bool(lua_State *L, int idx, const char *key, bool absent) {
    bool b = lua_getfield(L, idx, key) == LUA_TNIL ? absent : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return b;
}

lua_Integer plua_field_int(lua_State *L, int idx, const char *key, lua_Integer absent) {
    lua_getfield(L, idx, key);
    lua_Integer i = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : absent;
    lua_pop(L, 1);
    return i;
}
