/* SPDX-License-Identifier: MIT */
/*
** many.c - see many.h. The functions stand in the field `many` of the db's table, which
** is there while an engine has listeners (lua/perilune/many.lua); they are called
** protected.
*/
#include "userdata/many.h"
#include "userdata/event.h"
#include "userdata/hooks.h"

/* What a function is told; `sql` and `params` as far as it wants them. */
typedef struct told {
    plua_unit *u;
    const char *name; /* of the function: "row", "begin", "done" */
    const pl_slot *params;
    size_t nparams;
    const char *sql;
    bool ok;
} told;

/* Protected: pushing arguments may fail too. Arguments: what is told, the functions. */
static int tell(lua_State *L) {
    const told *t = lua_touserdata(L, 1);
    lua_getfield(L, 2, t->name);
    if (t->params || t->nparams > 0) {
        plua_push_params(L, t->params, t->nparams);
        lua_call(L, 1, 0);
        return 0;
    }
    lua_pushstring(L, t->u->engine->key);
    lua_pushstring(L, t->sql);
    lua_pushboolean(L, t->ok);
    lua_call(L, 3, 0);
    return 0;
}

static pl_code call(told *t, pl_error *err) {
    lua_State *L = t->u->L;
    if (!lua_checkstack(L, 10))
        return err ? pl_nomem(err) : PL_ENOMEM;
    int top = lua_gettop(L);
    lua_pushcfunction(L, plua_event_explain);
    lua_pushcfunction(L, tell);
    lua_pushlightuserdata(L, t);
    lua_pushvalue(L, t->u->many);
    pl_code code = PL_OK;
    if (lua_pcall(L, 2, 0, top + 1) != LUA_OK && err)
        code = plua_keep_error(L, err);
    lua_settop(L, top);
    return code;
}

static pl_code hook_row(void *ud, const pl_slot *params, size_t n, pl_error *err) {
    return call(&(told){.u = ud, .name = "row", .params = params, .nparams = n}, err);
}

static pl_code hook_many(void *ud, const char *sql, pl_error *err) {
    return call(&(told){.u = ud, .name = "begin", .sql = sql}, err);
}

static pl_code hook_done(void *ud, bool ok, pl_error *err) {
    return call(&(told){.u = ud, .name = "done", .ok = ok}, err);
}

void plua_many_begin(plua_unit *u, pl_flush_hooks *hooks) {
    lua_State *L = u->L;
    int top = lua_gettop(L);
    plua_push_db(L, u->s->db);
    lua_getiuservalue(L, -1, 1);
    if (lua_getfield(L, -1, "many") != LUA_TTABLE) {
        lua_settop(L, top);
        return;
    }
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    u->many = top + 1;
    hooks->row = hook_row;
    hooks->many = hook_many;
    hooks->done = hook_done;
}
