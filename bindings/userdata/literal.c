/* SPDX-License-Identifier: MIT */
/*
** literal.c - Lua values as bound parameters.
**
** A literal takes the type of the column it is compared with, so that a date, a decimal
** or an enum word is stored as the column stores it. Lengths and ranges are not checked:
** comparing with a text too long for the column is a question, not a mistake.
*/
#include "userdata/node.h"
#include "userdata/null.h"
#include "userdata/value.h"

/* The value itself where that needs no conversion: the common case, without a name. */
static bool plain_slot(lua_State *L, int idx, pl_kind kind, pl_slot *out) {
    size_t len;
    switch (kind) {
    case PL_K_INTEGER:
    case PL_K_SMALLINT:
    case PL_K_BIGINT:
        if (lua_isinteger(L, idx)) {
            *out = pl_slot_int(lua_tointeger(L, idx));
            return true;
        }
        return false;
    case PL_K_STRING:
    case PL_K_TEXT:
    case PL_K_UNICODE:
    case PL_K_UNICODETEXT:
        if (lua_type(L, idx) != LUA_TSTRING)
            return false;
        *out = (pl_slot){.v.s = lua_tolstring(L, idx, &len), .tag = PL_TEXT};
        out->len = (uint32_t)len;
        return true;
    case PL_K_BOOLEAN:
        if (!lua_isboolean(L, idx))
            return false;
        *out = pl_slot_int(lua_toboolean(L, idx));
        return true;
    default: return false;
    }
}

/* A number beside a column of numbers stays what it is: age > 17.5 is a fair question. */
static bool is_number_kind(pl_kind kind) {
    return kind == PL_K_INTEGER || kind == PL_K_SMALLINT || kind == PL_K_BIGINT ||
           kind == PL_K_FLOAT || kind == PL_K_DOUBLE || kind == PL_K_NUMERIC;
}

void plua_fill_literal(lua_State *L, int idx, const pl_type *type, const pl_node *beside,
                       pl_node *literal) {
    pl_kind kind = type ? type->kind : PL_K_ANY;
    literal->type = type;
    if (plain_slot(L, idx, kind, &literal->value))
        return;
    if (lua_isnil(L, idx) || plua_is_null(L, idx)) {
        literal->value = pl_slot_null();
        return;
    }
    idx = lua_absindex(L, idx);
    if (kind == PL_K_ANY) {
        literal->type = plua_any_type(L, idx);
        plua_any_slot(L, idx, &literal->value);
        return;
    }
    if (is_number_kind(kind) && lua_type(L, idx) == LUA_TNUMBER) {
        lua_Number r = lua_tonumber(L, idx);
        if (r == r) {
            plua_any_slot(L, idx, &literal->value);
            return;
        }
    }
    const char *where = plua_node_name(L, beside);
    const pl_type *unlimited = kind == PL_K_NUMERIC ? pl_type_plain(kind) : type;
    plua_to_slot(L, idx, unlimited, where, &literal->value);
    lua_pop(L, 1);
}

pl_node *plua_literal(lua_State *L, int idx, const pl_type *type) {
    idx = lua_absindex(L, idx);
    pl_node *n = plua_node_block(L, PLUA_EXPRESSION, PL_N_LITERAL, 0, 0, 1);
    lua_pushvalue(L, idx);
    plua_fill_literal(L, -1, type, NULL, n);
    lua_setiuservalue(L, -2, 1);
    return n;
}
