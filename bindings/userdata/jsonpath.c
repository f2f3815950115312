/* SPDX-License-Identifier: MIT */
/*
** jsonpath.c - values inside JSON columns: Item.data["tags"][1]:as_string().
**
** Each step makes a new node over the column itself with a longer path, so that a path of
** any depth is one extraction. The path is a bound parameter; keys are quoted in it, and
** written as JSON text is written, because SQLite compares them with the text as it
*stands.
** Arrays count from 1, as in Lua, and from the end with negative numbers.
*/
#include "userdata/expression.h"
#include "userdata/json.h"

#include <string.h>

static const pl_node *root_of(const pl_node *n) {
    return n->kind == PL_N_JSON ? n->kids[0] : n;
}

/* Pushes the path so far. */
static void push_path(lua_State *L, const pl_node *n) {
    if (n->kind == PL_N_JSON)
        lua_pushlstring(L, n->kids[1]->value.v.s, n->kids[1]->value.len);
    else
        lua_pushliteral(L, "$");
}

/* Pushes one step: ."key" or [index]. */
static void push_step(lua_State *L, int key) {
    if (lua_isinteger(L, key)) {
        lua_Integer i = lua_tointeger(L, key);
        if (i == 0)
            plua_raise(L, PL_EARGUMENT,
                       "JSON arrays are indexed from 1 (or -1, the last)");
        if (i > 0)
            lua_pushfstring(L, "[%I]", (LUAI_UACINT)(i - 1));
        else
            lua_pushfstring(L, "[#%I]", (LUAI_UACINT)i);
        return;
    }
    if (lua_type(L, key) != LUA_TSTRING)
        plua_raise(L, PL_ETYPE, "JSON values are indexed by strings and integers, got %s",
                   plua_typename(L, key));
    size_t len;
    const char *s = lua_tolstring(L, key, &len);
    if (memchr(s, '"', len) || memchr(s, '\0', len))
        plua_raise(L, PL_EARGUMENT, "a JSON key with a quote in it cannot be looked up");
    lua_pushliteral(L, ".");
    plua_json_encode(L, key, "a key");
    lua_concat(L, 2);
}

/* Pushes a JSON node over the root of the node at 1 with the path string at `path`. */
static pl_node *push_json(lua_State *L, const pl_node *self, const char *class,
                          int path) {
    size_t len;
    const char *s = lua_tolstring(L, path, &len);
    pl_node *n = plua_node_block(L, class, PL_N_JSON, 2, pl_node_size(0), 2);
    void *space = plua_node_extra(n);
    pl_node *literal = plua_carve(&space, PL_N_LITERAL, 0);
    literal->type = pl_type_plain(PL_K_TEXT);
    literal->value = pl_slot_text(s, len);
    n->kids[0] = (pl_node *)root_of(self);
    n->kids[1] = literal;
    n->op = PL_JSON_VALUE;
    n->type = root_of(self)->type;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, path);
    lua_setiuservalue(L, -2, 2);
    return n;
}

int plua_json_index(lua_State *L) {
    const pl_node *self = lua_touserdata(L, 1);
    push_path(L, self);
    push_step(L, 2);
    lua_concat(L, 2);
    push_json(L, self, PLUA_JSON, 3);
    return 1;
}

static const pl_node *self_json(lua_State *L, const char *method) {
    const pl_node *self = plua_self(L, PLUA_IS_EXPRESSION, PLUA_EXPRESSION, method);
    if (!self->type || pl_type_storage(self->type)->kind != PL_K_JSON)
        plua_raise(L, PL_ETYPE, "'%s' is a method of JSON values, this is %s", method,
                   plua_node_name(L, self));
    return self;
}

/*** The value under keys and positions, also under keys that are names of methods:
data:json_path("label", 1) is data["label"][1], were label not a method. Values are
compared as JSON with eq and ne; an order (lt, between ...) beside a number goes by
numbers, beside a text by texts; order_by goes by the JSON text, so say as_float() there.
@function Expression:json_path
@param ... strings and integers
@treturn Expression */
static int expr_json_path(lua_State *L) {
    const pl_node *self = self_json(L, "json_path");
    int n = lua_gettop(L);
    if (n < 2)
        plua_raise(L, PL_EARGUMENT, "json_path expects keys and positions");
    luaL_checkstack(L, 5, "json_path");
    push_path(L, self);
    for (int i = 2; i <= n; i++) {
        push_step(L, i);
        lua_concat(L, 2);
    }
    push_json(L, self, PLUA_JSON, n + 1);
    return 1;
}

static int as(lua_State *L, pl_kind kind, int op, const char *method) {
    const pl_node *self = self_json(L, method);
    lua_settop(L, 1);
    push_path(L, self);
    pl_node *n = push_json(L, self, kind == PL_K_JSON ? PLUA_JSON : PLUA_EXPRESSION, 2);
    n->op = (uint8_t)op;
    if (kind != PL_K_JSON)
        n->type = pl_type_plain(kind);
    return 1;
}

/* Pushes the value inside JSON at idx, read in another way. */
static pl_node *push_read(lua_State *L, int idx, int op, const pl_type *type) {
    idx = lua_absindex(L, idx);
    const pl_node *old = lua_touserdata(L, idx);
    pl_node *n = plua_node_block(L, PLUA_EXPRESSION, PL_N_JSON, 2, 0, 1);
    n->kids[0] = old->kids[0];
    n->kids[1] = old->kids[1];
    n->op = (uint8_t)op;
    n->type = type;
    lua_pushvalue(L, idx);
    lua_setiuservalue(L, -2, 1);
    return n;
}

pl_node *plua_json_plain(lua_State *L, int idx, const pl_type *type) {
    return push_read(L, idx, PL_JSON_TEXT, type);
}

pl_node *plua_json_exact(lua_State *L, int idx) {
    const pl_node *old = lua_touserdata(L, idx);
    return push_read(L, idx, PL_JSON_EXACT, old->type);
}

/*** The JSON value as text.
@function Expression:as_string
@treturn Expression */
static int expr_as_string(lua_State *L) {
    return as(L, PL_K_TEXT, PL_JSON_TEXT, "as_string");
}

/*** The JSON value as an integer.
@function Expression:as_integer
@treturn Expression */
static int expr_as_integer(lua_State *L) {
    return as(L, PL_K_INTEGER, PL_JSON_TEXT, "as_integer");
}

/*** The JSON value as a float.
@function Expression:as_float
@treturn Expression */
static int expr_as_float(lua_State *L) {
    return as(L, PL_K_FLOAT, PL_JSON_TEXT, "as_float");
}

/*** The JSON value as a boolean.
@function Expression:as_boolean
@treturn Expression */
static int expr_as_boolean(lua_State *L) {
    return as(L, PL_K_BOOLEAN, PL_JSON_TEXT, "as_boolean");
}

/*** The JSON value as JSON (a Lua table, string, number ...), the default.
@function Expression:as_json
@treturn Expression */
static int expr_as_json(lua_State *L) {
    return as(L, PL_K_JSON, PL_JSON_VALUE, "as_json");
}

const luaL_Reg plua_json_methods[] = {{"as_string", expr_as_string},
                                      {"as_integer", expr_as_integer},
                                      {"as_float", expr_as_float},
                                      {"as_boolean", expr_as_boolean},
                                      {"as_json", expr_as_json},
                                      {"json_path", expr_json_path},
                                      {NULL, NULL}};
