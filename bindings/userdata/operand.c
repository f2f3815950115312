/* SPDX-License-Identifier: MIT */
/*
** operand.c - classes of immutable values. See operand.h.
*/
#include "userdata/operand.h"

#include "core/base/utf8.h"

/* The mark in the metatable of a value class. */
#define MARK "__value"

static bool is_value(lua_State *L, int idx) {
    if (luaL_getmetafield(L, idx, MARK) == LUA_TNIL)
        return false;
    lua_pop(L, 1);
    return true;
}

int plua_operand_other(lua_State *L, const char *event, const char *what) {
    for (int idx = 2; idx >= 1; idx--) {
        int type = lua_type(L, idx);
        if ((type != LUA_TUSERDATA && type != LUA_TTABLE) || is_value(L, idx) ||
            luaL_getmetafield(L, idx, event) == LUA_TNIL)
            continue;
        lua_pushvalue(L, 1);
        lua_pushvalue(L, 2);
        lua_call(L, 2, 1);
        return 1;
    }
    const char *a = plua_typename(L, 1), *b = plua_typename(L, 2);
    plua_raise(L, PL_ETYPE, "cannot %s a %s and a %s", what, a, b);
}

static bool joins(lua_State *L, int idx) {
    int type = lua_type(L, idx);
    return type == LUA_TSTRING || type == LUA_TNUMBER || is_value(L, idx);
}

static int value_concat(lua_State *L) {
    if (!joins(L, 1) || !joins(L, 2))
        return plua_operand_other(L, "__concat", "concatenate");
    luaL_tolstring(L, 1, NULL);
    luaL_tolstring(L, 2, NULL);
    lua_concat(L, 2);
    return 1;
}

static int value_newindex(lua_State *L) {
    plua_raise(L, PL_ETYPE, "a %s cannot be changed; make a new one",
               plua_typename(L, 1));
}

void plua_value_class(lua_State *L, const char *name, const luaL_Reg *meta,
                      const luaL_Reg *methods, const plua_value_field *fields, size_t n,
                      lua_CFunction index) {
    static const luaL_Reg shared[] = {
        {"__concat", value_concat}, {"__newindex", value_newindex}, {NULL, NULL}};
    plua_class(L, name, meta, NULL);
    luaL_setfuncs(L, shared, 0);
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, MARK);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    for (size_t i = 0; i < n; i++) {
        lua_pushinteger(L, fields[i].number);
        lua_setfield(L, -2, fields[i].name);
    }
    lua_pushcclosure(L, index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

__attribute__((noreturn)) void plua_no_field(lua_State *L, int idx, const char *where,
                                             const char *const *names) {
    const char *key = luaL_tolstring(L, idx, NULL), *near = pl_nearest(key, names);
    if (near)
        near = lua_pushfstring(L, "did you mean '%s'?", near);
    plua_raise_hint(L, PL_EATTRIBUTE, near, "%s has no field '%s'", where, key);
}

enum { MOST_FIELDS = 24 };

int plua_value_member(lua_State *L, const char *name, const plua_value_field *fields,
                      size_t n) {
    const char *names[MOST_FIELDS + 1] = {NULL};
    lua_pushvalue(L, 2);
    int type = lua_rawget(L, lua_upvalueindex(1));
    if (type == LUA_TFUNCTION)
        return 0;
    int number = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (number > 0)
        return number;
    for (size_t i = 0; i < n && i < MOST_FIELDS; i++)
        names[i] = fields[i].name;
    plua_no_field(L, 2, name, names);
}

static int constructor_call(lua_State *L) {
    lua_CFunction call = lua_tocfunction(L, lua_upvalueindex(1));
    lua_remove(L, 1);
    return call(L);
}

void plua_constructor(lua_State *L, lua_CFunction call, const luaL_Reg *functions) {
    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, call);
    lua_pushcclosure(L, constructor_call, 1);
    lua_setfield(L, -2, "__call");
    lua_setmetatable(L, -2);
}
