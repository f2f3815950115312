/* SPDX-License-Identifier: MIT */
/*
** event.c - see event.h. Each function calls one function of the table `events` that
** lua/perilune/event.lua puts among the shared values; there the listeners are kept.
*/
#include "userdata/event.h"

#include <string.h>

/* Pushes the dispatcher of a name; false when nobody listens to anything. */
static bool push_dispatcher(lua_State *L, const char *name) {
    luaL_checkstack(L, 10, "event");
    plua_shared(L);
    if (lua_getfield(L, -1, "events") != LUA_TTABLE) {
        lua_pop(L, 2);
        return false;
    }
    lua_getfield(L, -1, name);
    lua_replace(L, -3);
    lua_pop(L, 1);
    if (lua_isfunction(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

int plua_event_explain(lua_State *L) {
    const char *text = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
    if (!text || (!strstr(text, "attempt to yield across a C-call boundary") &&
                  !strstr(text, "attempt to yield from outside a coroutine")))
        return 1;
    pl_error *err = plua_err(L);
    (void)pl_fail(err, PL_EINVALID, "an event listener cannot yield");
    (void)pl_hint(err, "let it note what is to be done, and do that after the commit");
    plua_push_error(L);
    pl_error_clear(err);
    return 1;
}

/*
** Calls the dispatcher below nargs arguments. A listener called on behalf of C cannot
** yield; inside a coroutine, where it may try, the error says so.
*/
static void call_dispatcher(lua_State *L, int nargs, int nresults) {
    int fn = lua_gettop(L) - nargs;
    if (lua_pushthread(L)) {
        lua_pop(L, 1);
        lua_call(L, nargs, nresults);
        return;
    }
    lua_pop(L, 1);
    lua_pushcfunction(L, plua_event_explain);
    lua_insert(L, fn);
    if (lua_pcall(L, nargs, nresults, fn) != LUA_OK)
        lua_error(L);
    lua_remove(L, fn);
}

void plua_event_set(lua_State *L, pl_object *o, int n) {
    (void)o;
    if (!push_dispatcher(L, "set"))
        return;
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_pushboolean(L, n < 0);
    call_dispatcher(L, 4, 1);
    lua_replace(L, 3);
}

static bool attribute_events(lua_State *L, const plua_collection *c) {
    plua_push_model(L, c->owner->mapper);
    bool on = ((const plua_model *)lua_touserdata(L, -1))->attribute_events;
    lua_pop(L, 1);
    return on;
}

void plua_event_append(lua_State *L, plua_collection *c, int owner, int item) {
    if (!attribute_events(L, c) || !push_dispatcher(L, "append"))
        return;
    lua_pushvalue(L, owner);
    lua_pushstring(L, c->relation->name);
    lua_pushvalue(L, item);
    call_dispatcher(L, 3, 1);
    plua_relation_check(L, c->relation, lua_gettop(L));
    lua_replace(L, item);
}

void plua_event_remove(lua_State *L, plua_collection *c, int owner, int item) {
    if (!attribute_events(L, c) || !push_dispatcher(L, "remove"))
        return;
    lua_pushvalue(L, owner);
    lua_pushstring(L, c->relation->name);
    lua_pushvalue(L, item);
    call_dispatcher(L, 3, 0);
}

void plua_event_replace(lua_State *L, plua_collection *c, int owner, int list) {
    if (!attribute_events(L, c) || !push_dispatcher(L, "bulk_replace"))
        return;
    lua_pushvalue(L, owner);
    lua_pushstring(L, c->relation->name);
    lua_pushvalue(L, list);
    call_dispatcher(L, 3, 1);
    lua_replace(L, list);
}

void plua_event_execute(lua_State *L, plua_session *s, int idx) {
    if (!s->db->session_events || !push_dispatcher(L, "execute"))
        return;
    plua_push_session_ud(L, s);
    lua_pushvalue(L, idx);
    call_dispatcher(L, 2, 1);
    lua_replace(L, idx);
}

void plua_event_bulk(lua_State *L, plua_session *s, const char *name, pl_mapper *m,
                     lua_Integer rows, int values) {
    if (!s->db->session_events)
        return;
    lua_createtable(L, 0, 3);
    plua_push_model(L, m);
    lua_setfield(L, -2, "model");
    lua_pushinteger(L, rows);
    lua_setfield(L, -2, "rowcount");
    if (values) {
        lua_pushvalue(L, values);
        lua_setfield(L, -2, "values");
    }
    plua_event_object(L, s, name, -1);
    lua_pop(L, 1);
}

void plua_event_back(lua_State *L, const char *name, int idx, const pl_relation *r,
                     int item) {
    const pl_object *o = lua_touserdata(L, idx);
    plua_push_model(L, o->mapper);
    bool on = ((const plua_model *)lua_touserdata(L, -1))->attribute_events;
    lua_pop(L, 1);
    if (!on || !push_dispatcher(L, name))
        return;
    lua_pushvalue(L, idx);
    lua_pushstring(L, r->name);
    if (item)
        lua_pushvalue(L, item);
    else
        lua_pushnil(L);
    lua_pushboolean(L, 1);
    call_dispatcher(L, 4, 0);
}

void plua_event_instance(lua_State *L, const char *name, int idx, int arg) {
    idx = lua_absindex(L, idx);
    if (!push_dispatcher(L, "instance"))
        return;
    lua_pushstring(L, name);
    lua_pushvalue(L, idx);
    if (arg)
        lua_pushvalue(L, arg);
    call_dispatcher(L, arg ? 3 : 2, 0);
}

void plua_event_session(lua_State *L, plua_session *s, const char *name) {
    if (!push_dispatcher(L, "session"))
        return;
    lua_pushstring(L, name);
    plua_push_session_ud(L, s);
    call_dispatcher(L, 2, 0);
}

static int session_protected(lua_State *L) {
    plua_event_session(L, lua_touserdata(L, 1), lua_touserdata(L, 2));
    return 0;
}

static int tell_protected(lua_State *L) {
    plua_event_tell(L, lua_touserdata(L, 1));
    return 0;
}

void plua_event_aside(lua_State *L, plua_session *s, const char *name) {
    if (!s->db->session_events)
        return;
    lua_pushcfunction(L, name ? session_protected : tell_protected);
    lua_pushlightuserdata(L, s);
    lua_pushlightuserdata(L, (void *)name);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
        lua_warning(L, luaL_tolstring(L, -1, NULL), 0);
        lua_pop(L, 2);
    }
}

void plua_event_object(lua_State *L, plua_session *s, const char *name, int idx) {
    idx = lua_absindex(L, idx);
    if (!push_dispatcher(L, "session"))
        return;
    lua_pushstring(L, name);
    plua_push_session_ud(L, s);
    lua_pushvalue(L, idx);
    call_dispatcher(L, 3, 0);
}

void plua_event_load(lua_State *L, plua_session *s, int idx) {
    plua_event_instance(L, "load", idx, 0);
    if (s->db->session_events)
        plua_event_object(L, s, "loaded_as_persistent", idx);
}

void plua_event_queue(lua_State *L, plua_session *s, const char *name, int idx) {
    if (!s->db->session_events)
        return;
    idx = lua_absindex(L, idx);
    plua_session_field(L, s, PLUA_S_EVENTS);
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    lua_pushstring(L, name);
    lua_rawseti(L, -2, n + 1);
    lua_pushvalue(L, idx);
    lua_rawseti(L, -2, n + 2);
    lua_pop(L, 1);
}

void plua_event_tell(lua_State *L, plua_session *s) {
    if (!s->db->session_events)
        return;
    int top = lua_gettop(L);
    plua_session_field(L, s, PLUA_S_EVENTS);
    lua_Integer n = (lua_Integer)lua_rawlen(L, top + 1);
    if (n > 0) {
        plua_push_session_ud(L, s);
        lua_getiuservalue(L, -1, 1);
        lua_newtable(L);
        lua_rawseti(L, -2, PLUA_S_EVENTS);
    }
    for (lua_Integer i = 1; i < n; i += 2) {
        lua_settop(L, top + 1);
        lua_rawgeti(L, top + 1, i);
        lua_rawgeti(L, top + 1, i + 1);
        plua_event_object(L, s, lua_tostring(L, top + 2), top + 3);
    }
    lua_settop(L, top);
}

void plua_event_attached(lua_State *L, plua_session *s, int idx, pl_object *o) {
    plua_event_object(L, s, "after_attach", idx);
    plua_event_object(L, s,
                      (o->status & PL_OBJ_KEYED) ? "detached_to_persistent"
                                                 : "transient_to_pending",
                      idx);
}

/* Protected: name, object. */
static int mapper_protected(lua_State *L) {
    if (!push_dispatcher(L, "mapper"))
        return 0;
    lua_insert(L, 1);
    call_dispatcher(L, 2, 0);
    return 0;
}

pl_code plua_event_mapper(lua_State *L, const char *name, int idx, pl_error *err) {
    idx = lua_absindex(L, idx);
    lua_pushcfunction(L, mapper_protected);
    lua_pushstring(L, name);
    lua_pushvalue(L, idx);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        return plua_keep_error(L, err);
    return PL_OK;
}
