/* SPDX-License-Identifier: MIT */
/*
** database.c - the db object: engines, connections, the current session. See database.h.
**
** Field `session` is found in C on every use; all else that a db offers stands in two
** tables: the db's own fields (user value 1, under "fields") and the namespace that all
*db
** objects share (upvalue of __index).
*/
#include "userdata/database.h"
#include "userdata/compiled.h"
#include "userdata/model.h"
#include "userdata/session.h"

#include <string.h>

static const char DBS_KEY = 0;

/* ---- memory of declarations -------------------------------------------------------- */

/* Protected: allocates argument 2 bytes and anchors them in the table at 1. */
static int chunk_protected(lua_State *L) {
    void *p = lua_newuserdatauv(L, (size_t)lua_tointeger(L, 2), 0);
    lua_rawsetp(L, 1, p);
    lua_pushlightuserdata(L, p);
    return 1;
}

/*
** The allocator of declarations: memory of Lua's, never freed before the state is, so
*that
** mappers and columns outlive every finalizer that may still look at an instance.
*/
static void *object_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    lua_State *L = ud;
    (void)osize;
    if (ptr || nsize == 0)
        return NULL;
    if (!lua_checkstack(L, 6))
        return NULL;
    int top = lua_gettop(L);
    lua_pushcfunction(L, chunk_protected);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &DBS_KEY) != LUA_TTABLE) {
        lua_settop(L, top);
        return NULL;
    }
    lua_rawgeti(L, -1, 1);
    lua_replace(L, -2);
    lua_pushinteger(L, (lua_Integer)nsize);
    void *p = lua_pcall(L, 2, 1, 0) == LUA_OK ? lua_touserdata(L, -1) : NULL;
    lua_settop(L, top);
    return p;
}

/* The registry table: [1] chunks, [pointer] = db (weak values, by its own metatable). */
static void push_dbs(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &DBS_KEY) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_newtable(L);
    lua_rawseti(L, -2, 1);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawseti(L, -2, 2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &DBS_KEY);
}

void plua_push_db(lua_State *L, const plua_db *db) {
    push_dbs(L);
    lua_rawgeti(L, -1, 2);
    lua_rawgetp(L, -1, db);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

plua_db *plua_check_db(lua_State *L, int idx) {
    plua_db *db = luaL_testudata(L, idx, PLUA_DATABASE);
    if (!db)
        plua_raise_hint(L, PL_ETYPE, "call it with a colon: db:method(...)",
                        "%s expected, got %s", PLUA_DATABASE, plua_typename(L, idx));
    if (db->closed)
        plua_raise(L, PL_ERESOURCECLOSED, "this database is closed");
    return db;
}

plua_db *plua_db_of(const pl_metadata *md) {
    return ((const plua_engine *)((const char *)md - offsetof(plua_engine, md)))->db;
}

plua_engine *plua_engine_of(const pl_table *t) {
    return (plua_engine *)((char *)t->metadata - offsetof(plua_engine, md));
}

/* ---- engines ----------------------------------------------------------------------- */

static plua_engine *new_engine(lua_State *L, plua_db *db, const char *key) {
    plua_engine *e = pl_arena_get(&db->objects, sizeof *e);
    if (!e)
        luaL_error(L, "not enough memory");
    e->db = db;
    e->key = pl_arena_str(&db->objects, key);
    pl_metadata_init(&e->md, db->objects.alloc, plua_rt(L)->alloc);
    e->md.bind_key = e->key;
    plua_engine **end = &db->engines;
    while (*end)
        end = &(*end)->next;
    *end = e;
    return e;
}

static plua_engine *find_engine(plua_db *db, const char *key) {
    for (plua_engine *e = db->engines; e; e = e->next)
        if (key == e->key || (key && e->key && strcmp(key, e->key) == 0))
            return e;
    return NULL;
}

plua_engine *plua_engine_get(lua_State *L, plua_db *db, const char *key) {
    plua_engine *e = find_engine(db, key);
    return e ? e : new_engine(L, db, key);
}

static pl_code open_conn(plua_engine *e, pl_alloc alloc, pl_conn **out, pl_error *err) {
    return pl_conn_open(&pl_driver_sqlite, &e->uri, e->path, &e->options, alloc, out,
                        err);
}

static void connected(lua_State *L, plua_engine *e, pl_conn *c);

pl_code plua_engine_connect(lua_State *L, plua_engine *e, pl_conn **out, pl_error *err) {
    if (!e->configured)
        return e->key ? pl_fail(err, PL_EUNBOUND,
                                "Bind key '%s' is not in the BINDS of the configuration.",
                                e->key)
                      : pl_fail(err, PL_EUNBOUND,
                                "the configuration has no DATABASE_URI for the default "
                                "database");
    if (e->db->closed)
        return pl_fail(err, PL_ERESOURCECLOSED, "this database is closed");
    if (e->uri.memory && e->shared) {
        *out = pl_conn_ref(e->shared);
        return PL_OK;
    }
    if (e->nidle > 0) {
        *out = e->idle[--e->nidle];
        return PL_OK;
    }
    pl_code code = open_conn(e, plua_rt(L)->alloc, out, err);
    if (code != PL_OK)
        return code;
    if (e->uri.memory)
        e->shared = pl_conn_ref(*out);
    connected(L, e, *out);
    return PL_OK;
}

void plua_engine_return(plua_engine *e, pl_conn *c) {
    bool keep = !e->uri.memory && !e->db->closed && !pl_conn_is_closed(c) &&
                e->nidle < (int)(sizeof e->idle / sizeof *e->idle);
    if (keep)
        e->idle[e->nidle++] = c;
    else
        pl_conn_unref(c);
}

static void dispose(plua_engine *e) {
    while (e->nidle > 0)
        pl_conn_unref(e->idle[--e->nidle]);
    if (e->shared)
        pl_conn_unref(e->shared);
    e->shared = NULL;
}

static int db_gc(lua_State *L) {
    plua_db *db = lua_touserdata(L, 1);
    if (db->closed)
        return 0;
    db->closed = true;
    for (plua_engine *e = db->engines; e; e = e->next) {
        dispose(e);
        pl_map_free(&e->md.by_name);
        pl_vec_free(&e->md.tables);
    }
    pl_registry_free(&db->registry);
    return 0;
}

/* ---- statements, told to the script ------------------------------------------------ */

/* Protected: calls the db's trace function. */
static int trace_protected(lua_State *L) {
    lua_call(L, lua_gettop(L) - 1, 0);
    return 0;
}

static void push_params(lua_State *L, const pl_slot *params, size_t n) {
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        switch (params[i].tag) {
        case PL_INT: lua_pushinteger(L, params[i].v.i); break;
        case PL_REAL: lua_pushnumber(L, params[i].v.r); break;
        case PL_TEXT:
        case PL_BLOB: lua_pushlstring(L, params[i].v.s, params[i].len); break;
        default: plua_push_null(L);
        }
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

typedef struct traced {
    plua_engine *e;
    const char *sql;
    const pl_slot *params;
    size_t nparams;
    double ms;
    int64_t changes;
} traced;

/* Protected: finds the trace function of the db and calls it. */
static int find_and_trace(lua_State *L) {
    const traced *t = lua_touserdata(L, 1);
    plua_push_db(L, t->e->db);
    if (lua_getiuservalue(L, -1, 1) != LUA_TTABLE)
        return 0;
    lua_pushcfunction(L, trace_protected);
    if (lua_getfield(L, -2, "trace") != LUA_TFUNCTION)
        return 0;
    lua_pushstring(L, t->sql);
    push_params(L, t->params, t->nparams);
    lua_pushnumber(L, t->ms);
    lua_pushinteger(L, t->changes);
    lua_pushstring(L, t->e->key);
    lua_call(L, 6, 0);
    return 0;
}

static void hook_trace(void *ud, const char *sql, const pl_slot *params, size_t nparams,
                       double ms, int64_t changes) {
    traced t = {ud, sql, params, nparams, ms, changes};
    lua_State *L = t.e->db->main;
    if (!lua_checkstack(L, 10))
        return;
    int top = lua_gettop(L);
    lua_pushcfunction(L, find_and_trace);
    lua_pushlightuserdata(L, &t);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        lua_warning(L, "a listener of statements failed", 0);
    lua_settop(L, top);
}

static void set_hooks(plua_engine *e, pl_conn *c) {
    pl_conn_hooks hooks = {.ud = e, .trace = e->db->listening ? hook_trace : NULL};
    pl_conn_set_hooks(c, &hooks);
}

static void connected(lua_State *L, plua_engine *e, pl_conn *c) {
    (void)L;
    if (e->db->listening)
        set_hooks(e, c);
}

/* db:_listen(on): statements are (not) told to the function `trace` of the db's table. */
static int db_listen(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    db->listening = lua_toboolean(L, 2);
    for (plua_engine *e = db->engines; e; e = e->next) {
        for (int i = 0; i < e->nidle; i++)
            set_hooks(e, e->idle[i]);
        if (e->shared)
            set_hooks(e, e->shared);
    }
    plua_push_db(L, db);
    lua_getiuservalue(L, -1, 1);
    lua_getfield(L, -1, "current");
    plua_session *s = plua_test_session(L, -1);
    for (int i = 0; s && i < s->nbinds; i++)
        if (s->binds[i].conn)
            set_hooks(s->binds[i].engine, s->binds[i].conn);
    return 0;
}

/* ---- configuration ----------------------------------------------------------------- */

static void read_pragmas(lua_State *L, plua_engine *e, int options) {
    if (lua_getfield(L, options, "pragmas") != LUA_TTABLE) {
        lua_pop(L, 1);
        return;
    }
    int t = lua_gettop(L);
    size_t n = 0;
    lua_pushnil(L);
    for (; lua_next(L, t); lua_pop(L, 1))
        n++;
    pl_pragma *list = pl_arena_array(&e->db->objects, n + 1, sizeof *list);
    n = 0;
    lua_pushnil(L);
    while (lua_next(L, t)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            plua_raise(L, PL_EARGUMENT, "ENGINE_OPTIONS.pragmas: names must be strings");
        const char *value = lua_isboolean(L, -1) ? (lua_toboolean(L, -1) ? "1" : "0")
                                                 : luaL_tolstring(L, -1, NULL);
        list[n].name = pl_arena_str(&e->db->objects,
                                    lua_tostring(L, lua_isboolean(L, -1) ? -2 : -3));
        list[n].value = pl_arena_str(&e->db->objects, value);
        n++;
        lua_settop(L, t + 1);
    }
    lua_settop(L, t - 1);
    e->options.pragmas = list;
    e->options.npragmas = n;
}

static void read_options(lua_State *L, plua_engine *e, int options) {
    e->options = (pl_conn_options){.busy_timeout = 5000, .create = true};
    if (!lua_istable(L, options))
        return;
    e->options.busy_timeout = (int)plua_field_int(L, options, "busy_timeout", 5000);
    e->options.readonly = plua_field_bool(L, options, "readonly", false);
    e->options.create = plua_field_bool(L, options, "create", true);
    const char *mode = plua_field_str(L, options, "transaction_mode");
    if (mode && strcmp(mode, "deferred") != 0 && strcmp(mode, "immediate") != 0)
        plua_raise_hint(L, PL_EARGUMENT, "use \"deferred\" or \"immediate\"",
                        "ENGINE_OPTIONS: unknown transaction_mode '%s'", mode);
    e->options.deferred = mode && strcmp(mode, "deferred") == 0;
    if (lua_getfield(L, options, "handle") == LUA_TLIGHTUSERDATA)
        e->options.shared = lua_touserdata(L, -1);
    lua_pop(L, 1);
    read_pragmas(L, e, options);
}

/*
** db:_engine(key or nil, uri, root, options): configures a database. Relative paths are
** taken from the directory `root`. Returns the file's path or nil.
*/
static int db_engine(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    plua_engine *e = plua_engine_get(L, db, luaL_optstring(L, 2, NULL));
    size_t len;
    if (lua_type(L, 3) != LUA_TSTRING)
        plua_raise(L, PL_EARGUMENT, "a database URI must be a string, got %s",
                   plua_typename(L, 3));
    const char *uri = lua_tolstring(L, 3, &len);
    const char *root = luaL_optstring(L, 4, NULL);
    plua_check(L, pl_uri_parse(uri, len, &db->objects, &e->uri, plua_err(L)));
    if (strcmp(e->uri.dialect, "sqlite") != 0)
        plua_raise(L, PL_ENOMODULE,
                   "no driver for '%s' is built into this Perilune (sqlite is)",
                   e->uri.dialect);
    read_options(L, e, 5);
    const char *file = e->uri.database;
    if (e->uri.memory || !file)
        e->path = NULL;
    else if (e->uri.file_uri || file[0] == '/' || !root || !*root)
        e->path = file;
    else
        e->path = pl_arena_fmt(&db->objects, "%s/%s", root, file);
    dispose(e);
    e->configured = true;
    lua_pushstring(L, e->path);
    return 1;
}

/* db:_uri(key): the URI without password, the path. */
static int db_uri(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    plua_engine *e = find_engine(db, luaL_optstring(L, 2, NULL));
    if (!e || !e->configured)
        return 0;
    lua_pushstring(L, pl_uri_masked(&e->uri, &db->objects));
    lua_pushstring(L, e->path);
    return 2;
}

/* db:_dispose(): closes the connections that no session uses. */
static int db_dispose(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    for (plua_engine *e = db->engines; e; e = e->next)
        dispose(e);
    return 0;
}

/* db:_set{bound =, batch_lazy =, session_events =} */
static int db_set(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    db->bound = plua_field_bool(L, 2, "bound", db->bound);
    db->batch_lazy = plua_field_bool(L, 2, "batch_lazy", db->batch_lazy);
    db->session_events = plua_field_bool(L, 2, "session_events", db->session_events);
    return 0;
}

/* ---- sessions ---------------------------------------------------------------------- */

/* The table of sessions of the context in force: the pushed one, or the db's own. */
static void push_context_sessions(lua_State *L, plua_db *db, int dbtable) {
    plua_shared(L);
    lua_getfield(L, -1, "context");
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "sessions");
        lua_replace(L, -3);
        lua_pop(L, 1);
        return;
    }
    lua_pop(L, 2);
    if (db->bound)
        plua_raise_hint(
            L, PL_ERUNTIME,
            "wrap it in app:app_context(function() ... end), or run the script "
            "with perilune",
            "working outside of application context");
    lua_getfield(L, dbtable, "sessions");
}

plua_session *plua_push_session(lua_State *L, plua_db *db) {
    if (db->closed)
        plua_raise(L, PL_ERESOURCECLOSED, "this database is closed");
    int top = lua_gettop(L);
    plua_push_db(L, db);
    lua_getiuservalue(L, -1, 1);
    push_context_sessions(L, db, top + 2);
    if (lua_rawgetp(L, -1, db) != LUA_TUSERDATA ||
        ((plua_session *)lua_touserdata(L, -1))->closed) {
        lua_pop(L, 1);
        if (db->bound) {
            lua_getfield(L, top + 2, "check_context");
            lua_call(L, 0, 0);
        }
        plua_new_session(L, db);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, -3, db);
        lua_pushvalue(L, -1);
        lua_setfield(L, top + 2, "current");
    }
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return lua_touserdata(L, -1);
}

/* ---- fields ------------------------------------------------------------------------ */

/* Upvalues: 1 the namespace, 2 the string "session". */
static int db_index(lua_State *L) {
    plua_db *db = lua_touserdata(L, 1);
    if (lua_rawequal(L, 2, lua_upvalueindex(2))) {
        plua_push_session(L, db);
        return 1;
    }
    lua_getiuservalue(L, 1, 1);
    lua_getfield(L, -1, "fields");
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL)
        return 1;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    lua_getfield(L, -4, "getter");
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 1);
    return 1;
}

static int db_newindex(lua_State *L) {
    lua_getiuservalue(L, 1, 1);
    lua_getfield(L, -1, "fields");
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_rawset(L, -3);
    return 0;
}

static int db_tostring(lua_State *L) {
    plua_db *db = lua_touserdata(L, 1);
    const plua_engine *e = db->engines;
    int others = 0;
    for (const plua_engine *x = e->next; x; x = x->next)
        others++;
    if (!e->configured)
        lua_pushliteral(L, "<Database>");
    else if (e->path)
        lua_pushfstring(L, "<Database sqlite:///%s", e->path);
    else
        lua_pushliteral(L, "<Database sqlite://");
    if (!e->configured)
        return 1;
    if (others > 0)
        lua_pushfstring(L, " +%d engines>", others);
    else
        lua_pushliteral(L, ">");
    lua_concat(L, 2);
    return 1;
}

/* The table behind a db, for the Lua side of the module. */
static int db_table(lua_State *L) {
    plua_check_db(L, 1);
    lua_getiuservalue(L, 1, 1);
    return 1;
}

/* core.database(): a new db without any configuration. */
static int new_database(lua_State *L) {
    static const char *const tables[] = {"fields", "models", "functions", "sessions"};
    push_dbs(L);
    plua_db *db = lua_newuserdatauv(L, sizeof *db, 1);
    memset(db, 0, sizeof *db);
    db->closed = true;
    luaL_setmetatable(L, PLUA_DATABASE);
    lua_createtable(L, 0, 8);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        lua_newtable(L);
        lua_setfield(L, -2, tables[i]);
    }
    lua_setiuservalue(L, -2, 1);
    lua_rawgeti(L, -2, 2);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, db);
    lua_pop(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    db->main = lua_tothread(L, -1);
    lua_pop(L, 1);
    pl_arena_init(&db->objects, (pl_alloc){object_alloc, db->main});
    pl_registry_init(&db->registry, &db->objects, plua_rt(L)->alloc);
    db->batch_lazy = true;
    db->closed = false;
    new_engine(L, db, NULL);
    return 1;
}

static int db_close(lua_State *L) {
    db_gc(L);
    return 0;
}

int plua_open_database(lua_State *L) {
    static const luaL_Reg meta[] = {
        {"__gc", db_gc},
        {"__newindex", db_newindex},
        {"__tostring", db_tostring},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"new_database", new_database}, {"db_engine", db_engine}, {"db_uri", db_uri},
        {"db_dispose", db_dispose},     {"db_set", db_set},       {"db_table", db_table},
        {"db_listen", db_listen},       {"db_close", db_close},   {NULL, NULL},
    };
    plua_class(L, PLUA_DATABASE, meta, NULL);
    plua_shared(L);
    if (lua_getfield(L, -1, "namespace") != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "namespace");
    }
    lua_remove(L, -2);
    lua_pushliteral(L, "session");
    lua_pushcclosure(L, db_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
