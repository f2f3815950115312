/* SPDX-License-Identifier: MIT */
/*
** event.c - see event.h. Each function calls one function of the table `events` that
** lua/perilune/event.lua puts among the shared values; there the listeners are kept.
*/
#include "userdata/event.h"

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

void plua_event_set(lua_State *L, pl_object *o, int n) {
    (void)o;
    if (!push_dispatcher(L, "set"))
        return;
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_pushboolean(L, n < 0);
    lua_call(L, 4, 1);
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
    lua_call(L, 3, 1);
    plua_relation_check(L, c->relation, lua_gettop(L));
    lua_replace(L, item);
}

void plua_event_remove(lua_State *L, plua_collection *c, int owner, int item) {
    if (!attribute_events(L, c) || !push_dispatcher(L, "remove"))
        return;
    lua_pushvalue(L, owner);
    lua_pushstring(L, c->relation->name);
    lua_pushvalue(L, item);
    lua_call(L, 3, 0);
}

void plua_event_instance(lua_State *L, const char *name, int idx, int arg) {
    idx = lua_absindex(L, idx);
    if (!push_dispatcher(L, "instance"))
        return;
    lua_pushstring(L, name);
    lua_pushvalue(L, idx);
    if (arg)
        lua_pushvalue(L, arg);
    lua_call(L, arg ? 3 : 2, 0);
}

void plua_event_session(lua_State *L, plua_session *s, const char *name) {
    if (!push_dispatcher(L, "session"))
        return;
    lua_pushstring(L, name);
    plua_push_session_ud(L, s);
    lua_call(L, 2, 0);
}

void plua_event_object(lua_State *L, plua_session *s, const char *name, int idx) {
    idx = lua_absindex(L, idx);
    if (!push_dispatcher(L, "session"))
        return;
    lua_pushstring(L, name);
    plua_push_session_ud(L, s);
    lua_pushvalue(L, idx);
    lua_call(L, 3, 0);
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
    lua_call(L, 2, 0);
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
