/* SPDX-License-Identifier: MIT */
/*
** create.c - create_all and drop_all over a db's databases, for
*lua/perilune/database.lua.
**
** Inside a session's open transaction the DDL belongs to it; else it has one of its own.
*/
#include "userdata/create.h"
#include "core/unit/create.h"
#include "userdata/schema.h"
#include "userdata/scratch.h"
#include "userdata/session.h"

typedef pl_code (*maker)(pl_conn *, const pl_dialect *, pl_metadata *, const pl_vec *,
                         pl_vec *, pl_error *);

/* The tables in the list at idx that belong to md, or NULL when there is no list. */
static pl_vec *wanted_tables(lua_State *L, int idx, const pl_metadata *md, pl_vec *out) {
    if (!lua_istable(L, idx))
        return NULL;
    size_t n = lua_rawlen(L, idx);
    for (size_t i = 1; i <= n; i++) {
        lua_rawgeti(L, idx, (lua_Integer)i);
        plua_table *u = plua_check_table(L, -1);
        if (u->t->metadata == md && !pl_vec_push(out, u->t))
            plua_nomem(L);
        lua_pop(L, 1);
    }
    return out;
}

/* Runs the maker in a transaction on its own connection of the engine. */
static pl_code run_alone(lua_State *L, plua_site *site, maker make, const pl_vec *wanted,
                         pl_vec *done, pl_error *err) {
    plua_engine *e = site->engine;
    pl_conn *conn;
    pl_code code = plua_site_connect(L, site, &conn, err);
    if (code != PL_OK)
        return code;
    code = pl_conn_begin(conn, PL_BEGIN_IMMEDIATE, err);
    if (code == PL_OK)
        code = make(conn, &pl_dialect_sqlite, &e->md, wanted, done, err);
    if (code == PL_OK)
        code = pl_conn_commit(conn, err);
    if (code != PL_OK) {
        pl_error ignored;
        pl_error_init(&ignored, err->texts.alloc);
        (void)pl_conn_rollback(conn, &ignored);
        pl_error_clear(&ignored);
    }
    plua_site_return(site, conn);
    return code;
}

static void run_engine(lua_State *L, plua_session *s, plua_engine *e, maker make,
                       int list) {
    int top = lua_gettop(L);
    pl_alloc alloc;
    pl_arena *arena = plua_scratch(L, &alloc);
    pl_vec wanted, done;
    pl_vec_init(&wanted, alloc);
    pl_vec_init(&done, alloc);
    const pl_vec *only = wanted_tables(L, list, &e->md, &wanted);
    if (s->in_transaction)
        plua_check(L, make(plua_session_conn(L, s, e, true), &pl_dialect_sqlite, &e->md,
                           only, &done, plua_err(L)));
    else
        plua_check(L, run_alone(L, plua_engine_site(L, e, s->app), make, only, &done,
                                plua_err(L)));
    for (size_t i = 0; i < done.n; i++) {
        lua_pushstring(L, ((const pl_table *)done.v[i])->name);
        lua_rawseti(L, top, (lua_Integer)lua_rawlen(L, top) + 1);
    }
    lua_settop(L, top);
    plua_arena_done(arena);
}

/* Arguments: db, bind key or false (all), list of tables or nil. */
static int run(lua_State *L, maker make) {
    plua_db *db = plua_check_db(L, 1);
    const char *key = lua_tostring(L, 2);
    lua_settop(L, 3);
    plua_session *s = plua_push_session(L, db);
    plua_configure(L, db);
    lua_newtable(L);
    luaL_setmetatable(L, PLUA_LIST);
    for (plua_engine *e = db->engines; e; e = e->next) {
        bool chosen = lua_isboolean(L, 2) || e == plua_engine_get(L, db, key);
        if (chosen && e->md.tables.n > 0)
            run_engine(L, s, e, make, 3);
    }
    return 1;
}

static int create_all(lua_State *L) {
    return run(L, pl_create_all);
}

static int drop_all(lua_State *L) {
    return run(L, pl_drop_all);
}

/* The DDL as text. Arguments: db, bind key or nil. */
static int create_text(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    plua_engine *e = plua_engine_get(L, db, luaL_optstring(L, 2, NULL));
    pl_alloc alloc;
    pl_arena *arena = plua_scratch(L, &alloc);
    pl_buf text;
    pl_buf_init(&text, alloc);
    plua_check(L, pl_create_text(&pl_dialect_sqlite, &e->md, &text, plua_err(L)));
    lua_pushlstring(L, pl_buf_cstr(&text), text.len);
    plua_arena_done(arena);
    return 1;
}

int plua_open_create(lua_State *L) {
    static const luaL_Reg functions[] = {{"create_all", create_all},
                                         {"drop_all", drop_all},
                                         {"create_text", create_text},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
