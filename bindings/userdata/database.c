/* SPDX-License-Identifier: MIT */
/*
** database.c - the db object: engines, connections, the current session. See database.h.
**
** Field `session` is found in C on every use; all else that a db offers stands in two
** tables: the db's own fields (user value 1, under "fields") and the namespace that all
** db objects share (upvalue of __index).
*/
#include "userdata/database.h"
#include "userdata/compiled.h"
#include "userdata/hooks.h"
#include "userdata/model.h"
#include "userdata/session.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const char CHUNKS_KEY = 0;

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
** that mappers and columns outlive every finalizer that may still look at an
** instance.
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
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &CHUNKS_KEY) != LUA_TTABLE) {
        lua_settop(L, top);
        return NULL;
    }
    lua_pushinteger(L, (lua_Integer)nsize);
    void *p = lua_pcall(L, 2, 1, 0) == LUA_OK ? lua_touserdata(L, -1) : NULL;
    lua_settop(L, top);
    return p;
}

static void make_chunks(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &CHUNKS_KEY) != LUA_TTABLE) {
        lua_newtable(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &CHUNKS_KEY);
    }
    lua_pop(L, 1);
}

void plua_push_db(lua_State *L, const plua_db *db) {
    plua_push_weak(L, db->self);
}

plua_db *plua_check_db(lua_State *L, int idx) {
    plua_db *db = plua_test(L, idx, PLUA_DATABASE);
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
        plua_nomem(L);
    e->db = db;
    e->watch = db->watch;
    e->key = pl_arena_str(&db->objects, key);
    pl_metadata_init(&e->md, db->objects.alloc, plua_rt(L)->alloc);
    e->md.bind_key = e->key;
    e->notes.alloc = plua_rt(L)->alloc;
    if (db->engines)
        e->md.naming = db->engines->md.naming;
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

static plua_site *find_site(const plua_engine *e, int app) {
    plua_site *site = e->sites;
    while (site && site->app != app)
        site = site->next;
    return site;
}

plua_site *plua_engine_site(lua_State *L, plua_engine *e, int app) {
    plua_site *site = find_site(e, app);
    if (site)
        return site;
    site = pl_arena_get(&e->db->objects, sizeof *site);
    if (!site)
        plua_nomem(L);
    site->engine = e;
    site->app = app;
    site->next = e->sites;
    return e->sites = site;
}

plua_site *plua_engine_configured(const plua_engine *e, int app) {
    plua_site *site = find_site(e, app);
    return site && site->configured ? site : NULL;
}

static pl_code refused(const char *why, pl_error *err) {
    return why ? pl_fail(err, PL_EOPERATIONAL, "%s", why) : PL_OK;
}

/* The host may have a say in which databases are opened, and how. */
static pl_code ask_opening(const plua_site *site, pl_conn_options *options,
                           pl_error *err) {
    const pl_watch *watch = site->engine->watch;
    if (!watch || !watch->opening || options->shared)
        return PL_OK;
    const char *path = site->uri.memory ? NULL : site->path;
    int readonly = options->readonly;
    const char *why = watch->opening(watch->ud, path, &readonly);
    for (size_t i = 0; !why && watch->pragma && i < options->npragmas; i++)
        why = watch->pragma(watch->ud, path, options->pragmas[i].name);
    options->readonly = readonly != 0 && path;
    return refused(why, err);
}

/* Tells the host of a connection that a session is to use. */
static pl_code tell_opened(const plua_site *site, pl_conn *c, bool again, pl_error *err) {
    const pl_watch *watch = site->engine->watch;
    if (!watch || !watch->opened)
        return PL_OK;
    int how = (again ? 1 : 0) | (site->options.shared ? 2 : 0);
    return refused(watch->opened(watch->ud, pl_conn_handle(c), how), err);
}

/* Makes the folder that a file is to be in, as the first use of it. */
static pl_code make_folder(const plua_site *site, pl_error *err) {
    if (!site->folder || !site->options.create || site->options.readonly)
        return PL_OK;
    if (mkdir(site->folder, 0777) != 0 && errno != EEXIST)
        return pl_fail(err, PL_EOPERATIONAL, "cannot make the folder '%s': %s",
                       site->folder, strerror(errno));
    return PL_OK;
}

static pl_code open_conn(plua_site *site, pl_alloc alloc, pl_conn **out, pl_error *err) {
    pl_conn_options options = site->options;
    pl_code code = ask_opening(site, &options, err);
    if (code == PL_OK && !options.readonly)
        code = make_folder(site, err);
    if (code == PL_OK)
        code = pl_conn_open(&pl_driver_sqlite, &site->uri, site->path, &options, alloc,
                            out, err);
    return code;
}

static pl_code not_configured(const char *key, pl_error *err) {
    return key ? pl_fail(err, PL_EUNBOUND,
                         "Bind key '%s' is not in the BINDS of the configuration.", key)
               : pl_fail(err, PL_EUNBOUND,
                         "the configuration has no DATABASE_URI for the default "
                         "database");
}

pl_code plua_site_connect(lua_State *L, plua_site *site, pl_conn **out, pl_error *err) {
    plua_engine *e = site->engine;
    if (!site->configured)
        return not_configured(e->key, err);
    if (e->db->closed)
        return pl_fail(err, PL_ERESOURCECLOSED, "this database is closed");
    if (site->shared) {
        *out = pl_conn_ref(site->shared);
        if (e->md.has_virtual)
            pl_conn_trust_schema(*out);
        return PL_OK;
    }
    bool again = true;
    if (site->nidle > 0) {
        *out = site->idle[--site->nidle];
    } else {
        pl_code code = open_conn(site, plua_rt(L)->alloc, out, err);
        if (code != PL_OK)
            return code;
        again = false;
    }
    if (e->md.has_virtual)
        pl_conn_trust_schema(*out);
    if (e->db->listening || e->db->listening_before || e->db->listening_failed ||
        e->db->live || e->db->watch)
        plua_hooks_set(e, *out);
    pl_code code = tell_opened(site, *out, again, err);
    if (code == PL_OK && !again)
        code = plua_hooks_connected(e, *out, err);
    if (code != PL_OK) {
        pl_conn_unref(*out);
        *out = NULL;
        return code;
    }
    if (site->uri.memory && !again)
        site->shared = pl_conn_ref(*out);
    return PL_OK;
}

void plua_site_return(plua_site *site, pl_conn *c) {
    bool keep = !site->uri.memory && !site->shared && !site->engine->db->closed &&
                !pl_conn_is_closed(c) &&
                site->nidle < (int)(sizeof site->idle / sizeof *site->idle);
    if (keep)
        site->idle[site->nidle++] = c;
    else
        pl_conn_unref(c);
}

/*
** core.db_hold(db, site): all sessions of that site get one connection with a transaction
** in which theirs are savepoints, so that db_release(db, site) takes back whatever they
** commit. Sessions that have a connection already are closed by the caller.
*/
static int db_hold(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    int app = (int)luaL_optinteger(L, 2, 0);
    for (plua_engine *e = db->engines; e; e = e->next) {
        plua_site *site = plua_engine_configured(e, app);
        pl_conn *conn = NULL;
        if (!site || site->held)
            continue;
        plua_check(L, plua_site_connect(L, site, &conn, plua_err(L)));
        if (site->shared)
            pl_conn_unref(conn);
        else
            site->shared = conn;
        site->held = true;
        pl_conn_be_strict(site->shared, true);
        plua_check(L, pl_conn_exec(site->shared, "BEGIN", plua_err(L)));
    }
    return 0;
}

static int db_release(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    int app = (int)luaL_optinteger(L, 2, 0);
    for (plua_engine *e = db->engines; e; e = e->next) {
        plua_site *site = plua_engine_configured(e, app);
        if (!site || !site->held)
            continue;
        site->held = false;
        pl_conn_be_strict(site->shared, false);
        pl_code code = pl_conn_exec(site->shared, "ROLLBACK", plua_err(L));
        if (!site->uri.memory) {
            pl_conn_unref(site->shared);
            site->shared = NULL;
        }
        plua_check(L, code);
    }
    return 0;
}

static void dispose(plua_site *site) {
    while (site->nidle > 0)
        pl_conn_unref(site->idle[--site->nidle]);
    if (site->shared)
        pl_conn_unref(site->shared);
    site->shared = NULL;
}

static void dispose_all(plua_engine *e) {
    for (plua_site *site = e->sites; site; site = site->next)
        dispose(site);
}

static int db_close(lua_State *L) {
    plua_db *db = lua_touserdata(L, 1);
    if (db->closed)
        return 0;
    db->closed = true;
    for (plua_engine *e = db->engines; e; e = e->next) {
        dispose_all(e);
        plua_live_free(e);
        pl_map_free(&e->md.by_name);
        pl_vec_free(&e->md.tables);
    }
    pl_registry_free(&db->registry);
    return 0;
}

static int db_gc(lua_State *L) {
    plua_db *db = lua_touserdata(L, 1);
    (void)db_close(L);
    if (db->self.n)
        plua_weak_free(L, db->self);
    db->self.n = 0;
    return 0;
}

/* ---- configuration ----------------------------------------------------------------- */

static void read_pragmas(lua_State *L, plua_site *site, int options) {
    if (lua_getfield(L, options, "pragmas") != LUA_TTABLE) {
        lua_pop(L, 1);
        return;
    }
    int t = lua_gettop(L);
    size_t n = 0;
    lua_pushnil(L);
    for (; lua_next(L, t); lua_pop(L, 1))
        n++;
    pl_arena *arena = &site->engine->db->objects;
    pl_pragma *list = pl_arena_array(arena, n + 1, sizeof *list);
    if (!list)
        plua_nomem(L);
    n = 0;
    lua_pushnil(L);
    while (lua_next(L, t)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            plua_raise(L, PL_EARGUMENT, "ENGINE_OPTIONS.pragmas: names must be strings");
        const char *value = lua_isboolean(L, -1) ? (lua_toboolean(L, -1) ? "1" : "0")
                                                 : luaL_tolstring(L, -1, NULL);
        list[n].name = pl_arena_str(arena, lua_tostring(L, t + 1));
        list[n].value = pl_arena_str(arena, value);
        n++;
        lua_settop(L, t + 1);
    }
    lua_settop(L, t - 1);
    site->options.pragmas = list;
    site->options.npragmas = n;
}

static void read_options(lua_State *L, plua_site *site, int options) {
    pl_conn_options *o = &site->options;
    *o = pl_conn_options_default();
    if (!lua_istable(L, options))
        return;
    o->busy_timeout = (int)plua_field_int(L, options, "busy_timeout", o->busy_timeout);
    o->readonly = plua_field_bool(L, options, "readonly", false);
    o->create = plua_field_bool(L, options, "create", true);
    const char *mode = plua_field_str(L, options, "transaction_mode");
    if (mode && strcmp(mode, "deferred") != 0 && strcmp(mode, "immediate") != 0)
        plua_raise_hint(L, PL_EARGUMENT, "use \"deferred\" or \"immediate\"",
                        "ENGINE_OPTIONS: unknown transaction_mode '%s'", mode);
    o->deferred = mode && strcmp(mode, "deferred") == 0;
    if (lua_getfield(L, options, "handle") == LUA_TLIGHTUSERDATA)
        o->shared = lua_touserdata(L, -1);
    lua_pop(L, 1);
    read_pragmas(L, site, options);
}

/* The file of a site, relative paths taken from the folder `root`. */
static void set_path(plua_site *site, const char *root) {
    pl_arena *arena = &site->engine->db->objects;
    const char *file = site->uri.database;
    site->folder = NULL;
    if (site->uri.memory || !file) {
        site->path = NULL;
    } else if (site->uri.file_uri || file[0] == '/' || !root || !*root) {
        site->path = file;
    } else {
        site->path = pl_arena_fmt(arena, "%s/%s", root, file);
        site->folder = pl_arena_str(arena, root);
    }
}

/*
** core.db_engine(db, key or nil, uri, root, options, app): configures a database for the
** app of that number (0: none). Relative paths are taken from the folder `root`, which is
** made when the file is first opened. Returns the file's path or nil.
*/
static int db_engine(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    plua_engine *e = plua_engine_get(L, db, luaL_optstring(L, 2, NULL));
    plua_site *site = plua_engine_site(L, e, (int)luaL_optinteger(L, 6, 0));
    size_t len;
    if (lua_type(L, 3) != LUA_TSTRING)
        plua_raise(L, PL_EARGUMENT, "a database URI must be a string, got %s",
                   plua_typename(L, 3));
    const char *uri = lua_tolstring(L, 3, &len);
    plua_check(L, pl_uri_parse(uri, len, &db->objects, &site->uri, plua_err(L)));
    if (strcmp(site->uri.dialect, "sqlite") != 0)
        plua_raise(L, PL_ENOMODULE,
                   "no driver for '%s' is built into this Perilune (sqlite is)",
                   site->uri.dialect);
    read_options(L, site, 5);
    set_path(site, luaL_optstring(L, 4, NULL));
    dispose(site);
    site->configured = true;
    lua_pushstring(L, site->path);
    return 1;
}

/* core.db_uri(db, key or nil, app): the URI without password, the path. */
static int db_uri(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    plua_engine *e = find_engine(db, luaL_optstring(L, 2, NULL));
    plua_site *site = e ? plua_engine_configured(e, (int)luaL_optinteger(L, 3, 0)) : NULL;
    if (!site)
        return 0;
    lua_pushstring(L, pl_uri_masked(&site->uri, &db->objects));
    lua_pushstring(L, site->path);
    return 2;
}

/* core.db_dispose(db, key or nil, app): closes the connections that no session uses. */
static int db_dispose(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    plua_engine *e = find_engine(db, luaL_optstring(L, 2, NULL));
    plua_site *site = e ? find_site(e, (int)luaL_optinteger(L, 3, 0)) : NULL;
    if (site)
        dispose(site);
    return 0;
}

static void read_template(lua_State *L, plua_db *db, const char *key, const char **out) {
    if (lua_getfield(L, 2, key) == LUA_TSTRING)
        *out = pl_arena_str(&db->objects, lua_tostring(L, -1));
    else if (lua_isboolean(L, -1) && !lua_toboolean(L, -1))
        *out = NULL;
    lua_pop(L, 1);
}

/* core.db_naming(db, {ix =, uq =, ck =, fk =, pk =}): templates of generated names, false
** for none; those not given stay. For tables declared afterwards. */
static int db_naming(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    pl_naming naming = db->engines->md.naming;
    read_template(L, db, "ix", &naming.ix);
    read_template(L, db, "uq", &naming.uq);
    read_template(L, db, "ck", &naming.ck);
    read_template(L, db, "fk", &naming.fk);
    read_template(L, db, "pk", &naming.pk);
    for (plua_engine *e = db->engines; e; e = e->next)
        e->md.naming = naming;
    return 0;
}

/* core.db_set(db, {bound =, batch_lazy =, session_events =}) */
static int db_set(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    db->bound = plua_field_bool(L, 2, "bound", db->bound);
    db->batch_lazy = plua_field_bool(L, 2, "batch_lazy", db->batch_lazy);
    db->session_events = plua_field_bool(L, 2, "session_events", db->session_events);
    db->reporting = plua_field_bool(L, 2, "reporting", db->reporting);
    return 0;
}

void plua_note_relation(lua_State *L, const pl_relation *r, const char *use, int idx) {
    if (!plua_engine_of(r->mapper->tables[0].table)->db->reporting)
        return;
    luaL_checkstack(L, 8, "relation_used");
    if (idx)
        lua_pushvalue(L, idx);
    else
        lua_pushnil(L);
    plua_shared(L);
    if (lua_getfield(L, -1, "relation_used") != LUA_TFUNCTION) {
        lua_pop(L, 3);
        return;
    }
    lua_pushstring(L, use);
    lua_pushstring(L, r->mapper->name);
    lua_pushstring(L, r->name);
    lua_pushvalue(L, -6);
    lua_call(L, 4, 0);
    lua_pop(L, 2);
}

/* ---- sessions ---------------------------------------------------------------------- */

/* Raises by the Lua side, which knows the way out of a script without a context. */
static void no_context(lua_State *L) {
    plua_shared(L);
    if (lua_getfield(L, -1, "no_context") == LUA_TFUNCTION)
        lua_call(L, 0, 0);
    plua_raise_hint(L, PL_ERUNTIME, "wrap it in app:app_context(function() ... end)",
                    "working outside of application context");
}

/* Pushes the context in force, or the one that the program gives a script; else raises.
 */
static void push_context(lua_State *L) {
    plua_shared(L);
    if (lua_getfield(L, -1, "context") != LUA_TTABLE) {
        lua_pop(L, 1);
        if (lua_getfield(L, -1, "root_context") == LUA_TFUNCTION)
            lua_call(L, 0, 1);
        if (!lua_istable(L, -1))
            no_context(L);
    }
    lua_remove(L, -2);
}

/* The table that the session in force stands in: the context's when the db belongs to an
** app, else the db's own. */
static void push_sessions(lua_State *L, const plua_db *db, int dbtable) {
    if (!db->bound) {
        lua_getfield(L, dbtable, "sessions");
        return;
    }
    push_context(L);
    lua_getfield(L, -1, "sessions");
    lua_remove(L, -2);
}

/* Pushes a new session; the Lua side says for which app it is and may set it up. */
static plua_session *new_session(lua_State *L, plua_db *db, int dbtable) {
    int app = 0;
    if (db->bound) {
        lua_getfield(L, dbtable, "check_context");
        lua_call(L, 0, 1);
        app = (int)lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    plua_session *s = plua_new_session(L, db);
    s->app = app;
    if (lua_getfield(L, dbtable, "new_session") == LUA_TFUNCTION) {
        lua_pushvalue(L, -2);
        lua_call(L, 1, 0);
    } else {
        lua_pop(L, 1);
    }
    return s;
}

bool plua_session_in_force(lua_State *L, const plua_session *s) {
    int top = lua_gettop(L);
    luaL_checkstack(L, 12, "session");
    plua_session_field(L, s, PLUA_S_DB);
    const plua_db *db = lua_touserdata(L, -1);
    bool found = db && !db->closed;
    if (found && db->bound) {
        plua_shared(L);
        found = lua_getfield(L, -1, "context") == LUA_TTABLE;
    } else if (found) {
        lua_getiuservalue(L, -1, PLUA_DB_TABLE);
    }
    if (found && lua_getfield(L, -1, "sessions") == LUA_TTABLE)
        found = lua_rawgetp(L, -1, db) == LUA_TUSERDATA && lua_touserdata(L, -1) == s;
    lua_settop(L, top);
    return found;
}

/* The same for the db at idx. */
static plua_session *session_of(lua_State *L, plua_db *db, int idx) {
    if (db->closed)
        plua_raise(L, PL_ERESOURCECLOSED, "this database is closed");
    int top = lua_gettop(L);
    lua_getiuservalue(L, idx, PLUA_DB_TABLE);
    push_sessions(L, db, top + 1);
    if (lua_rawgetp(L, -1, db) == LUA_TUSERDATA) {
        plua_session *s = lua_touserdata(L, -1);
        if (s->closed)
            plua_session_reopen(L, s);
    } else {
        lua_pop(L, 1);
        new_session(L, db, top + 1);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, -3, db);
    }
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return lua_touserdata(L, -1);
}

plua_session *plua_push_session(lua_State *L, plua_db *db) {
    luaL_checkstack(L, 12, "session");
    plua_push_db(L, db);
    plua_session *s = session_of(L, db, lua_gettop(L));
    lua_replace(L, -2);
    return s;
}

/* ---- fields ------------------------------------------------------------------------ */

/* Upvalues: 1 the namespace, 2 the string "session". */
static int db_index(lua_State *L) {
    plua_db *db = lua_touserdata(L, 1);
    if (lua_rawequal(L, 2, lua_upvalueindex(2))) {
        session_of(L, db, 1);
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
    const plua_site *site = db->engines->sites;
    int others = 0;
    for (const plua_engine *x = db->engines->next; x; x = x->next)
        others++;
    if (!site || !site->configured) {
        lua_pushliteral(L, "<Database>");
        return 1;
    }
    if (site->path)
        lua_pushfstring(L, "<Database sqlite:///%s", site->path);
    else
        lua_pushliteral(L, "<Database sqlite://");
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
    make_chunks(L);
    plua_db *db = lua_newuserdatauv(L, sizeof *db, 2);
    memset(db, 0, sizeof *db);
    db->rt = plua_rt(L);
    db->closed = true;
    luaL_setmetatable(L, PLUA_DATABASE);
    lua_createtable(L, 0, 8);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        lua_newtable(L);
        lua_setfield(L, -2, tables[i]);
    }
    lua_getfield(L, -1, "models");
    lua_setiuservalue(L, -3, PLUA_DB_MODELS);
    lua_setiuservalue(L, -2, PLUA_DB_TABLE);
    db->self = plua_weak_new(L, -1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    db->main = lua_tothread(L, -1);
    lua_getfield(L, LUA_REGISTRYINDEX, PL_WATCH);
    db->watch = lua_touserdata(L, -1);
    lua_pop(L, 2);
    pl_arena_init(&db->objects, (pl_alloc){object_alloc, db->main});
    pl_registry_init(&db->registry, &db->objects, plua_rt(L)->alloc);
    db->batch_lazy = true;
    db->closed = false;
    new_engine(L, db, NULL);
    return 1;
}

/* core.db_close(db): its engines; sessions are the Lua side's business. */
/* core.db_closed(db): false for anything else too. */
static int db_closed(lua_State *L) {
    const plua_db *db = plua_test(L, 1, PLUA_DATABASE);
    lua_pushboolean(L, db && db->closed);
    return 1;
}

/* `local db <close> = perilune.open(...)` is db:close() at the end of the block. */
static int db_call_close(lua_State *L) {
    if (((plua_db *)lua_touserdata(L, 1))->closed)
        return 0;
    lua_getfield(L, 1, "close");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 0);
    return 0;
}

int plua_open_database(lua_State *L) {
    static const luaL_Reg meta[] = {
        {"__gc", db_gc},
        {"__close", db_call_close},
        {"__newindex", db_newindex},
        {"__tostring", db_tostring},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"new_database", new_database},
        {"db_engine", db_engine},
        {"db_uri", db_uri},
        {"db_dispose", db_dispose},
        {"db_set", db_set},
        {"db_table", db_table},
        {"db_hold", db_hold},
        {"db_release", db_release},
        {"db_close", db_close},
        {"db_closed", db_closed},
        {"db_naming", db_naming},
        {NULL, NULL},
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
