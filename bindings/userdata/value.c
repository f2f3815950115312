/* SPDX-License-Identifier: MIT */
/*
** value.c - Lua values to stored values and back, by column type.
**
** Each kind has a row in the table at the end: how a Lua value becomes a slot and how a
** slot becomes a Lua value. Kinds with values of their own (dates, decimals, JSON ...)
** are in value_types.c. A new column type needs a row here.
*/
#include "userdata/value.h"
#include "core/base/utf8.h"
#include "userdata/value_types.h"

#include <math.h>

static const char *kind_of(lua_State *L, int idx) {
    return plua_typename(L, idx);
}

__attribute__((noreturn)) void plua_value_error(lua_State *L, int idx, const char *where,
                                                const char *wanted) {
    if (lua_type(L, idx) == LUA_TSTRING)
        plua_raise_at(L, PL_ETYPE, where, "expected %s, got string '%s'", wanted,
                      lua_tostring(L, idx));
    plua_raise_at(L, PL_ETYPE, where, "expected %s, got %s", wanted, kind_of(L, idx));
}

static void to_integer(lua_State *L, int idx, const pl_type *t, const char *where,
                       pl_slot *out) {
    (void)t;
    if (lua_isinteger(L, idx)) {
        *out = pl_slot_int(lua_tointeger(L, idx));
        return;
    }
    if (lua_type(L, idx) != LUA_TNUMBER)
        plua_value_error(L, idx, where, "an integer");
    int exact;
    lua_Integer i = lua_tointegerx(L, idx, &exact);
    if (!exact)
        plua_raise_at(L, PL_EVALUE, where, "%f is not an integer", lua_tonumber(L, idx));
    *out = pl_slot_int(i);
}

static void to_text(lua_State *L, int idx, const pl_type *t, const char *where,
                    pl_slot *out) {
    (void)t;
    if (lua_type(L, idx) != LUA_TSTRING)
        plua_value_error(L, idx, where, "a string");
    size_t len;
    const char *s = lua_tolstring(L, idx, &len);
    *out = pl_slot_text(s, len);
}

static void to_blob(lua_State *L, int idx, const pl_type *t, const char *where,
                    pl_slot *out) {
    (void)t;
    if (lua_type(L, idx) != LUA_TSTRING)
        plua_value_error(L, idx, where, "a byte string");
    size_t len;
    const char *s = lua_tolstring(L, idx, &len);
    *out = pl_slot_blob(s, len);
}

static void to_boolean(lua_State *L, int idx, const pl_type *t, const char *where,
                       pl_slot *out) {
    (void)t;
    if (lua_isboolean(L, idx)) {
        *out = pl_slot_int(lua_toboolean(L, idx));
        return;
    }
    int exact = 0;
    lua_Integer i = lua_type(L, idx) == LUA_TNUMBER ? lua_tointegerx(L, idx, &exact) : 0;
    if (!exact || (i != 0 && i != 1))
        plua_value_error(L, idx, where, "a boolean (true, false, 0 or 1)");
    *out = pl_slot_int(i);
}

static void to_float(lua_State *L, int idx, const pl_type *t, const char *where,
                     pl_slot *out) {
    (void)t;
    if (lua_type(L, idx) != LUA_TNUMBER)
        plua_value_error(L, idx, where, "a number");
    double r = lua_tonumber(L, idx);
    if (isnan(r))
        plua_raise_at(L, PL_EVALUE, where,
                      "NaN cannot be stored (the database would keep NULL)");
    *out = pl_slot_real(r);
}

static void to_any(lua_State *L, int idx, const pl_type *t, const char *where,
                   pl_slot *out) {
    (void)t;
    (void)where;
    plua_any_slot(L, idx, out);
}

static void push_any(lua_State *L, const pl_type *t, const pl_slot *s,
                     const char *where) {
    (void)t;
    (void)where;
    switch (s->tag) {
    case PL_INT: lua_pushinteger(L, s->v.i); break;
    case PL_REAL: lua_pushnumber(L, s->v.r); break;
    case PL_TEXT:
    case PL_BLOB: lua_pushlstring(L, s->v.s, s->len); break;
    default: lua_pushnil(L);
    }
}

static void push_boolean(lua_State *L, const pl_type *t, const pl_slot *s,
                         const char *where) {
    if (s->tag == PL_INT)
        lua_pushboolean(L, s->v.i != 0);
    else if (s->tag == PL_REAL)
        lua_pushboolean(L, s->v.r != 0);
    else
        plua_bad_stored(L, t, s, where);
}

static void push_float(lua_State *L, const pl_type *t, const pl_slot *s,
                       const char *where) {
    if (s->tag == PL_INT)
        lua_pushnumber(L, (lua_Number)s->v.i);
    else if (s->tag == PL_REAL)
        lua_pushnumber(L, s->v.r);
    else
        plua_bad_stored(L, t, s, where);
}

static void push_integer(lua_State *L, const pl_type *t, const pl_slot *s,
                         const char *where) {
    bool small = t->kind == PL_K_SMALLINT;
    if (s->tag == PL_INT && (!small || (s->v.i >= INT16_MIN && s->v.i <= INT16_MAX)))
        lua_pushinteger(L, s->v.i);
    else if (s->tag == PL_REAL && (!where || floor(s->v.r) == s->v.r))
        lua_pushnumber(L, s->v.r);
    else
        plua_bad_stored(L, t, s, where);
}

static void push_binary(lua_State *L, const pl_type *t, const pl_slot *s,
                        const char *where) {
    push_any(L, t, s, where);
    lua_tostring(L, -1);
}

/* Text is given as it is stored: looking for bytes that are no UTF-8 at every read costs
 * too much. A BLOB in a column for text is looked at. */
static void push_text(lua_State *L, const pl_type *t, const pl_slot *s,
                      const char *where) {
    if (s->tag == PL_BLOB && where && pl_utf8_len(s->v.s, s->len) < 0)
        plua_bad_stored(L, t, s, where);
    push_binary(L, t, s, where);
}

enum { SHOWN_BYTES = 40 };

/* Pushes what a message shows of bytes that are no text: a\xFFb. */
static const char *push_escaped(lua_State *L, const char *s, size_t n) {
    static const char digits[] = "0123456789ABCDEF";
    char shown[SHOWN_BYTES * 4], *p = shown;
    for (size_t i = 0; i < n && i < SHOWN_BYTES; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= ' ' && c < 0x7f) {
            *p++ = (char)c;
            continue;
        }
        *p++ = '\\';
        *p++ = 'x';
        *p++ = digits[c >> 4];
        *p++ = digits[c & 15];
    }
    lua_pushlstring(L, shown, (size_t)(p - shown));
    return lua_pushfstring(L, "%s%s", lua_tostring(L, -1), n > SHOWN_BYTES ? "..." : "");
}

__attribute__((noreturn)) void plua_bad_stored(lua_State *L, const pl_type *t,
                                               const pl_slot *s, const char *where) {
    const char *text;
    push_any(L, t, s, where);
    if (lua_type(L, -1) == LUA_TSTRING && pl_utf8_len(s->v.s, s->len) < 0)
        text = push_escaped(L, s->v.s, s->len);
    else
        text = luaL_tolstring(L, -1, NULL);
    plua_raise_at(L, PL_EVALUE, where ? where : "result",
                  "the stored value '%s' is not of type %s", text, pl_kind_name(t->kind));
}

typedef struct conversion {
    void (*store)(lua_State *, int, const pl_type *, const char *, pl_slot *);
    void (*push)(lua_State *, const pl_type *, const pl_slot *, const char *);
} conversion;

static const conversion conversions[PL_KIND_COUNT] = {
    [PL_K_ANY] = {to_any, push_any},
    [PL_K_INTEGER] = {to_integer, push_integer},
    [PL_K_SMALLINT] = {to_integer, push_integer},
    [PL_K_BIGINT] = {to_integer, push_integer},
    [PL_K_STRING] = {to_text, push_text},
    [PL_K_TEXT] = {to_text, push_text},
    [PL_K_UNICODE] = {to_text, push_text},
    [PL_K_UNICODETEXT] = {to_text, push_text},
    [PL_K_BOOLEAN] = {to_boolean, push_boolean},
    [PL_K_FLOAT] = {to_float, push_float},
    [PL_K_DOUBLE] = {to_float, push_float},
    [PL_K_NUMERIC] = {plua_store_numeric, plua_push_numeric},
    [PL_K_DATE] = {plua_store_temporal, plua_push_temporal},
    [PL_K_TIME] = {plua_store_temporal, plua_push_temporal},
    [PL_K_DATETIME] = {plua_store_temporal, plua_push_temporal},
    [PL_K_INTERVAL] = {plua_store_temporal, plua_push_temporal},
    [PL_K_BINARY] = {to_blob, push_binary},
    [PL_K_JSON] = {plua_store_json, plua_push_json},
    [PL_K_ENUM] = {to_text, plua_push_enum},
    [PL_K_UUID] = {plua_store_uuid, plua_push_uuid},
    [PL_K_CUSTOM] = {plua_store_custom, plua_push_custom},
};

void plua_to_slot(lua_State *L, int idx, const pl_type *t, const char *where,
                  pl_slot *out) {
    idx = lua_absindex(L, idx);
    if (t->kind != PL_K_CUSTOM && (t->kind != PL_K_JSON || lua_isnil(L, idx)) &&
        (lua_isnil(L, idx) || plua_is_null(L, idx))) {
        *out = pl_slot_null();
        return;
    }
    conversions[t->kind].store(L, idx, t, where, out);
    if (t->kind == PL_K_ANY || t->kind == PL_K_CUSTOM)
        return;
    pl_slot checked = *out;
    if (pl_type_check(t, &checked, where, NULL) == PL_OK) {
        *out = checked;
        return;
    }
    pl_error *err = plua_err(L);
    (void)pl_type_check(t, out, where, err);
    plua_blame(err, where);
    plua_throw(L);
}

void plua_any_slot(lua_State *L, int idx, pl_slot *out) {
    size_t len;
    idx = lua_absindex(L, idx);
    switch (lua_type(L, idx)) {
    case LUA_TNIL: *out = pl_slot_null(); return;
    case LUA_TBOOLEAN: *out = pl_slot_int(lua_toboolean(L, idx)); return;
    case LUA_TSTRING: {
        const char *s = lua_tolstring(L, idx, &len);
        *out = pl_slot_text(s, len);
        return;
    }
    case LUA_TNUMBER:
        if (lua_isinteger(L, idx))
            *out = pl_slot_int(lua_tointeger(L, idx));
        else
            to_float(L, idx, NULL, "parameter", out);
        return;
    default: break;
    }
    if (plua_is_null(L, idx)) {
        *out = pl_slot_null();
        return;
    }
    const pl_type *t = plua_any_type(L, idx);
    if (t->kind == PL_K_ANY)
        plua_raise(L, PL_EARGUMENT, "a %s cannot be a bound value", kind_of(L, idx));
    conversions[t->kind].store(L, idx, t, "parameter", out);
}

const pl_type *plua_any_type(lua_State *L, int idx) {
    switch (lua_type(L, idx)) {
    case LUA_TSTRING: return pl_type_plain(PL_K_STRING);
    case LUA_TBOOLEAN: return pl_type_plain(PL_K_BOOLEAN);
    case LUA_TNUMBER:
        return pl_type_plain(lua_isinteger(L, idx) ? PL_K_INTEGER : PL_K_FLOAT);
    case LUA_TUSERDATA: return pl_type_plain(plua_special_kind(L, idx));
    case LUA_TTABLE: return pl_type_plain(PL_K_JSON);
    default: return pl_type_plain(PL_K_ANY);
    }
}

void plua_push_slot(lua_State *L, const pl_type *t, const pl_slot *s, const char *where) {
    if (s->tag <= PL_NULL && t->kind != PL_K_CUSTOM)
        lua_pushnil(L);
    else
        conversions[t->kind].push(L, t, s, where);
}
