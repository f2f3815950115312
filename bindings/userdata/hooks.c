/* SPDX-License-Identifier: MIT */
/*
** hooks.c - see hooks.h.
**
** A hook is called inside the core and must not raise: what a script is told is told
** under a protected call, on the main thread of the state, and an error is kept for
** plua_throw. The engine, which a hook gets, is memory of the declarations and
** outlives its connections; the db may be gone.
*/
#include "userdata/hooks.h"
#include "userdata/event.h"
#include "userdata/session.h"

/* ---- statements, told to the script ------------------------------------------------ */

void plua_push_params(lua_State *L, const pl_slot *params, size_t n) {
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
    const char *name; /* of the function to call: "trace", "before", "failed" */
    const char *sql;
    const pl_slot *params;
    size_t nparams;
    double ms;
    int64_t changes;
    const pl_error *failure; /* of "failed" */
    pl_conn *conn;           /* of "connected" */
} traced;

/* Protected: finds the function of the db and calls it. */
static int find_and_trace(lua_State *L) {
    const traced *t = lua_touserdata(L, 1);
    plua_push_db(L, t->e->db);
    /* a cursor that was left open may be closed by the collector after its db */
    if (!lua_isuserdata(L, -1) || lua_getiuservalue(L, -1, 1) != LUA_TTABLE)
        return 0;
    if (lua_getfield(L, -1, t->name) != LUA_TFUNCTION)
        return 0;
    lua_pushstring(L, t->e->key);
    lua_pushstring(L, t->sql);
    plua_push_params(L, t->params, t->nparams);
    lua_pushnumber(L, t->ms);
    lua_pushinteger(L, t->changes);
    lua_pushstring(L, t->failure ? pl_code_name(t->failure->code) : NULL);
    lua_pushstring(L, t->failure ? t->failure->message : NULL);
    if (t->conn)
        lua_pushlightuserdata(L, t->conn);
    else
        lua_pushnil(L);
    lua_call(L, 8, 0);
    return 0;
}

/* Calls the function; its error is kept when somebody hears of it. */
static pl_code call_traced(traced *t, pl_error *err) {
    lua_State *L = t->e->db->main;
    if (!lua_checkstack(L, 20))
        return err ? pl_nomem(err) : PL_ENOMEM;
    int top = lua_gettop(L);
    lua_pushcfunction(L, plua_event_explain);
    lua_pushcfunction(L, find_and_trace);
    lua_pushlightuserdata(L, t);
    pl_code code = PL_OK;
    if (lua_pcall(L, 1, 0, top + 1) != LUA_OK) {
        if (err == &plua_rt(L)->err)
            code = plua_keep_error(L, err);
        else
            lua_warning(L, "a listener of statements failed", 0);
    }
    lua_settop(L, top);
    return code;
}

static pl_code hook_before(void *ud, const char *sql, const pl_slot *params,
                           size_t nparams, pl_error *err) {
    traced t = {
        .e = ud, .name = "before", .sql = sql, .params = params, .nparams = nparams};
    return call_traced(&t, err);
}

/* A listener that raises replaces the error. */
static void hook_failed(void *ud, const char *sql, const pl_slot *params, size_t nparams,
                        pl_error *err) {
    traced t = {.e = ud,
                .name = "failed",
                .sql = sql,
                .params = params,
                .nparams = nparams,
                .failure = err};
    (void)call_traced(&t, err);
}

pl_code plua_hooks_connected(plua_engine *e, pl_conn *c, pl_error *err) {
    traced t = {.e = e, .name = "connected", .conn = c};
    return e->db->listening_connect ? call_traced(&t, err) : PL_OK;
}

static pl_code hook_trace(void *ud, const char *sql, const pl_slot *params,
                          size_t nparams, double ms, int64_t changes, pl_error *err) {
    traced t = {.e = ud,
                .name = "trace",
                .sql = sql,
                .params = params,
                .nparams = nparams,
                .ms = ms,
                .changes = changes};
    const pl_watch *watch = t.e->db->watch;
    if (watch && watch->ended)
        watch->ended(watch->ud);
    return t.e->db->listening ? call_traced(&t, err) : PL_OK;
}

/* ---- the host's watch -------------------------------------------------------------- */

static const pl_watch *watch_of(void *ud) {
    return ((const plua_engine *)ud)->watch;
}

static int hook_row(void *ud) {
    return watch_of(ud)->row(watch_of(ud)->ud);
}

static void hook_begun(void *ud) {
    watch_of(ud)->begun(watch_of(ud)->ud);
}

static void hook_closed(void *ud) {
    watch_of(ud)->closed(watch_of(ud)->ud);
}

static const char *hook_compiling(void *ud, void *handle, const char *sql, size_t len,
                                  bool again) {
    return watch_of(ud)->compiling(watch_of(ud)->ud, handle, sql, len, again);
}

static int hook_authorize(void *ud, void *handle, int action, const char *a,
                          const char *b, const char *schema, const char *via) {
    return watch_of(ud)->authorize(watch_of(ud)->ud, handle, action, a, b, schema, via);
}

static int hook_poll(void *ud) {
    return watch_of(ud)->poll(watch_of(ud)->ud);
}

/* ---- setting them ------------------------------------------------------------------ */

void plua_hooks_set(plua_engine *e, pl_conn *c) {
    const pl_watch *watch = e->db->watch;
    bool trace = e->db->listening || (watch && watch->ended);
    pl_conn_hooks hooks = {.ud = e,
                           .before = e->db->listening_before ? hook_before : NULL,
                           .failed = e->db->listening_failed ? hook_failed : NULL,
                           .trace = trace ? hook_trace : NULL,
                           .changed = e->db->live ? plua_live_changed : NULL,
                           .poll = watch && watch->poll ? hook_poll : NULL};
    if (watch && watch->begun)
        hooks.begun = hook_begun;
    if (watch && watch->row)
        hooks.row = hook_row;
    if (watch && watch->closed)
        hooks.closed = hook_closed;
    if (watch && watch->compiling)
        hooks.compiling = hook_compiling;
    if (watch && watch->authorize)
        hooks.authorize = hook_authorize;
    pl_conn_set_hooks(c, &hooks);
}

static void set_session_hooks(plua_session *s) {
    for (int i = 0; i < s->nbinds; i++)
        if (s->binds[i].conn)
            plua_hooks_set(s->binds[i].engine, s->binds[i].conn);
}

/* Sets the hooks of all connections again. */
static void renew_hooks(lua_State *L, plua_db *db) {
    for (plua_engine *e = db->engines; e; e = e->next) {
        for (plua_site *site = e->sites; site; site = site->next) {
            for (int i = 0; i < site->nidle; i++)
                plua_hooks_set(e, site->idle[i]);
            if (site->shared)
                plua_hooks_set(e, site->shared);
        }
    }
    plua_each_session(L, db, set_session_hooks);
}

/* core.db_listen(db, on, before, failed, connect): statements are (not) told to the
** function `trace` of the db's table, to `before` before they run, to `failed` when they
** fail; connections to `connected`. */
static int db_listen(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    db->listening = lua_toboolean(L, 2);
    db->listening_before = lua_toboolean(L, 3);
    db->listening_failed = lua_toboolean(L, 4);
    db->listening_connect = lua_toboolean(L, 5);
    renew_hooks(L, db);
    return 0;
}

/* core.db_live(db, on): the rows that transactions change are (not) noted. */
static int db_live(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    db->live = lua_toboolean(L, 2);
    renew_hooks(L, db);
    for (plua_engine *e = db->engines; e && !db->live; e = e->next)
        plua_live_free(e);
    return 0;
}

/* core.conn_execute(connection, sql): statements on a connection that a listener was told
** of; only while it runs. */
static int conn_execute(lua_State *L) {
    luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
    plua_check(L,
               pl_conn_exec(lua_touserdata(L, 1), luaL_checkstring(L, 2), plua_err(L)));
    return 0;
}

int plua_open_hooks(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"conn_execute", conn_execute},
        {"db_listen", db_listen},
        {"db_live", db_live},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
