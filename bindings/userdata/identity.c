/* SPDX-License-Identifier: MIT */
/*
** identity.c - see identity.h.
**
** A key of one integer is that integer; any other is a string of its tags and bytes, so
** that a lookup makes one Lua value and no table.
*/
#include "userdata/identity.h"

/* ---- identity maps ----------------------------------------------------------------- */

void plua_identity_map(lua_State *L, const plua_session *s, const pl_mapper *m) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->maps);
    if (lua_rawgeti(L, -1, m->root->position + 1) != LUA_TTABLE) {
        lua_pop(L, 1);
        plua_push_weak_table(L, "v");
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, m->root->position + 1);
    }
    lua_replace(L, -2);
}

void plua_identity_clear(lua_State *L, const plua_session *s) {
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, s->maps);
}

void plua_push_key_values(lua_State *L, const pl_slot *values, int n) {
    luaL_Buffer b;
    if (n == 1 && values[0].tag == PL_INT) {
        lua_pushinteger(L, values[0].v.i);
        return;
    }
    luaL_buffinit(L, &b);
    for (int i = 0; i < n; i++) {
        luaL_addchar(&b, (char)('0' + values[i].tag));
        if (values[i].tag == PL_TEXT || values[i].tag == PL_BLOB) {
            luaL_addlstring(&b, (const char *)&values[i].len, sizeof values[i].len);
            luaL_addlstring(&b, values[i].v.s, values[i].len);
        } else {
            luaL_addlstring(&b, (const char *)&values[i].v, sizeof values[i].v);
        }
    }
    luaL_pushresult(&b);
}

void plua_push_key(lua_State *L, const pl_mapper *m, const pl_slot *slots) {
    pl_slot values[PL_MAX_KEY];
    if (m->npk == 1) {
        plua_push_key_values(L, &slots[m->pk[0]], 1);
        return;
    }
    for (int i = 0; i < m->npk; i++)
        values[i] = slots[m->pk[i]];
    plua_push_key_values(L, values, m->npk);
}

void plua_identity_set(lua_State *L, const plua_session *s, int idx, const pl_object *o) {
    idx = lua_absindex(L, idx);
    plua_identity_map(L, s, o->mapper);
    plua_push_key(L, o->mapper, plua_base(o));
    lua_pushvalue(L, idx);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void plua_identity_remove(lua_State *L, const plua_session *s, int idx,
                          const pl_object *o) {
    idx = lua_absindex(L, idx);
    plua_identity_map(L, s, o->mapper);
    plua_push_key(L, o->mapper, plua_base(o));
    lua_pushvalue(L, -1);
    lua_rawget(L, -3);
    if (lua_rawequal(L, -1, idx)) {
        lua_pop(L, 1);
        lua_pushnil(L);
        lua_rawset(L, -3);
        lua_pop(L, 1);
        return;
    }
    lua_pop(L, 3);
}

void plua_session_each(lua_State *L, plua_session *s, plua_each_object fn) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->maps);
    int maps = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, maps)) {
        int map = lua_gettop(L);
        lua_pushnil(L);
        while (lua_next(L, map)) {
            int top = lua_gettop(L);
            fn(L, s, top, lua_touserdata(L, top));
            lua_settop(L, top - 1);
        }
        lua_settop(L, map - 1);
    }
    lua_settop(L, maps - 1);
}

void plua_identity_sweep(lua_State *L, plua_session *s) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->maps);
    int maps = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, maps)) {
        int map = lua_gettop(L);
        lua_pushnil(L);
        while (lua_next(L, map)) {
            pl_object *o = lua_touserdata(L, -1);
            lua_pop(L, 1);
            if (!(o->status & PL_OBJ_KEYED)) {
                lua_pushvalue(L, -1);
                lua_pushnil(L);
                lua_rawset(L, map);
            }
        }
        lua_settop(L, map - 1);
    }
    lua_settop(L, maps - 1);
}

/* ---- pins -------------------------------------------------------------------------- */

void plua_session_pin(lua_State *L, plua_session *s, int idx, pl_object *o) {
    if (o->pin)
        return;
    idx = lua_absindex(L, idx);
    plua_session_field(L, s, PLUA_S_PINS);
    lua_pushvalue(L, idx);
    lua_rawseti(L, -2, ++s->npins);
    lua_pop(L, 1);
    o->pin = (uint32_t)s->npins;
}

void plua_session_unpin(lua_State *L, plua_session *s, pl_object *o) {
    if (!o->pin)
        return;
    plua_session_field(L, s, PLUA_S_PINS);
    lua_pushboolean(L, 0);
    lua_rawseti(L, -2, o->pin);
    lua_pop(L, 1);
    o->pin = 0;
}

void plua_session_unpin_all(lua_State *L, plua_session *s) {
    if (s->npins == 0)
        return;
    int top = lua_gettop(L);
    plua_push_session_ud(L, s);
    lua_getiuservalue(L, -1, 1);
    lua_rawgeti(L, -1, PLUA_S_PINS);
    for (lua_Integer i = 1; i <= s->npins; i++) {
        if (lua_rawgeti(L, -1, i) == LUA_TUSERDATA) {
            pl_object *o = lua_touserdata(L, -1);
            o->pin = 0;
            o->status &= ~(uint32_t)PL_OBJ_MODIFIED;
        }
        lua_pop(L, 1);
    }
    s->npins = 0;
    lua_newtable(L);
    lua_rawseti(L, top + 2, PLUA_S_PINS);
    lua_settop(L, top);
}
