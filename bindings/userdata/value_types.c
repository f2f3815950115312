/* SPDX-License-Identifier: MIT */
/*
** value_types.c - stored forms of dates, decimals, JSON, UUIDs, enums and custom types,
** each as SQLAlchemy stores it on the same database.
**
** A stored text is pushed as a Lua string in place of the value it was made from, so that
** the caller has an owner for the slot's bytes.
*/
#include "userdata/value_types.h"
#include "core/base/utf8.h"
#include "core/schema/decimal.h"
#include "core/schema/temporal.h"
#include "core/schema/uuid.h"
#include "userdata/decimal.h"
#include "userdata/json.h"
#include "userdata/temporal.h"

#include <string.h>

pl_kind plua_special_kind(lua_State *L, int idx) {
    int64_t v;
    size_t len;
    if (plua_test_datetime(L, idx, &v))
        return PL_K_DATETIME;
    if (plua_test_date(L, idx, &v))
        return PL_K_DATE;
    if (plua_test_time(L, idx, &v))
        return PL_K_TIME;
    if (plua_test_interval(L, idx, &v))
        return PL_K_INTERVAL;
    return plua_test_decimal(L, idx, &len) ? PL_K_NUMERIC : PL_K_ANY;
}

/* Replaces the value at idx by a text and gives its slot. */
static void store_text(lua_State *L, int idx, const char *text, size_t len,
                       pl_slot *out) {
    const char *s = lua_pushlstring(L, text, len);
    lua_replace(L, idx);
    *out = pl_slot_text(s, len);
}

/* ---- dates ------------------------------------------------------------------------- */

/* Makes a value of the kind from a string or number by the script's own constructor,
** whose error becomes one about the attribute. */
static void construct(lua_State *L, int idx, const char *constructor, const char *where) {
    plua_shared(L);
    lua_getfield(L, -1, "namespace");
    lua_getfield(L, -1, constructor);
    lua_pushvalue(L, idx);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        if (!where || !lua_istable(L, -1))
            lua_error(L);
        lua_getfield(L, -1, "name");
        lua_getfield(L, -2, "message");
        plua_raise_at(L, pl_code_named(lua_tostring(L, -2)), where, "%s",
                      lua_tostring(L, -1));
    }
    lua_replace(L, idx);
    lua_pop(L, 2);
}

typedef struct temporal {
    const char *wanted;
    const char *constructor;
    int (*test)(lua_State *L, int idx, int64_t *out);
    size_t (*store)(int64_t value, char out[PL_TEMPORAL_TEXT]);
    pl_temporal_rc (*load)(const char *text, size_t len, int64_t *out);
    void (*push)(lua_State *L, int64_t value);
} temporal;

static const temporal *temporal_of(pl_kind kind) {
    static const temporal kinds[] = {
        {"a date", "date", plua_test_date, pl_date_store, pl_date_load, plua_push_date},
        {"a time", "time", plua_test_time, pl_time_store, pl_time_load, plua_push_time},
        {"a datetime", "datetime", plua_test_datetime, pl_datetime_store,
         pl_datetime_load, plua_push_datetime},
        {"an interval", "interval", plua_test_interval, pl_interval_store,
         pl_interval_load, plua_push_interval},
    };
    return &kinds[kind - PL_K_DATE];
}

/* A date stands for its midnight in a DateTime column; a datetime is not a date. */
static bool date_as_datetime(lua_State *L, int idx, pl_kind kind, int64_t *v) {
    if (kind != PL_K_DATETIME || !plua_test_date(L, idx, v))
        return false;
    *v *= PL_DAY;
    return true;
}

void plua_store_temporal(lua_State *L, int idx, const pl_type *t, const char *where,
                         pl_slot *out) {
    const temporal *k = temporal_of(t->kind);
    char text[PL_TEMPORAL_TEXT];
    int64_t v;
    if (!k->test(L, idx, &v) && !date_as_datetime(L, idx, t->kind, &v)) {
        int type = lua_type(L, idx);
        bool makes = type == LUA_TNUMBER || type == LUA_TTABLE || type == LUA_TSTRING;
        if (!makes)
            plua_value_error(L, idx, where, k->wanted);
        construct(L, idx, k->constructor, where);
        if (!k->test(L, idx, &v))
            plua_value_error(L, idx, where, k->wanted);
    }
    size_t len = k->store(v, text);
    if (len == 0)
        plua_raise_at(L, PL_EVALUE, where, "out of the range that can be stored");
    store_text(L, idx, text, len, out);
}

void plua_push_temporal(lua_State *L, const pl_type *t, const pl_slot *s,
                        const char *where) {
    const temporal *k = temporal_of(t->kind);
    int64_t v;
    if (s->tag != PL_TEXT || k->load(s->v.s, s->len, &v) != PL_TEMPORAL_OK)
        plua_bad_stored(L, t, s, where);
    k->push(L, v);
}

/* ---- decimals ---------------------------------------------------------------------- */

void plua_store_numeric(lua_State *L, int idx, const pl_type *t, const char *where,
                        pl_slot *out) {
    pl_decimal d;
    pl_decimal_stored stored;
    bool floats = lua_type(L, idx) == LUA_TNUMBER;
    if (lua_isboolean(L, idx) || plua_todecimal(L, idx, floats, &d) != PL_DECIMAL_OK)
        plua_value_error(L, idx, where, "a decimal (a number or its text)");
    pl_decimal_rc rc = pl_decimal_fits(&d, t->precision, t->scale);
    if (rc == PL_DECIMAL_SCALE) {
        (void)pl_decimal_quantize(&d, t->scale, PL_ROUND_HALF_EVEN, &d);
        rc = pl_decimal_fits(&d, t->precision, t->scale);
    }
    if (rc == PL_DECIMAL_OK)
        rc = pl_decimal_store(&d, t->scale, &stored);
    if (rc != PL_DECIMAL_OK)
        plua_raise_at(L, PL_EVALUE, where, "%s for Numeric(%d, %d)",
                      pl_decimal_message(rc), t->precision, t->scale < 0 ? 0 : t->scale);
    *out = stored.is_integer ? pl_slot_int(stored.integer) : pl_slot_real(stored.real);
}

void plua_push_numeric(lua_State *L, const pl_type *t, const pl_slot *s,
                       const char *where) {
    pl_decimal d;
    int scale = t->scale;
    pl_decimal_rc rc;
    if (s->tag == PL_INT)
        rc = pl_decimal_load_int(s->v.i, scale, &d);
    else if (s->tag == PL_REAL)
        rc = pl_decimal_load_real(s->v.r, scale, &d);
    else
        rc = pl_decimal_load_text(s->v.s, s->len, scale, &d);
    if (rc != PL_DECIMAL_OK)
        plua_bad_stored(L, t, s, where);
    plua_push_decimal(L, &d);
}

/* ---- JSON -------------------------------------------------------------------------- */

void plua_store_json(lua_State *L, int idx, const pl_type *t, const char *where,
                     pl_slot *out) {
    if (lua_isnil(L, idx) && (t->flags & PL_TYPE_NONE_AS_NULL)) {
        *out = pl_slot_null();
        return;
    }
    plua_json_encode(L, idx, where);
    lua_replace(L, idx);
    size_t len;
    const char *s = lua_tolstring(L, idx, &len);
    *out = pl_slot_text(s, len);
}

void plua_push_json(lua_State *L, const pl_type *t, const pl_slot *s, const char *where) {
    if (s->tag == PL_INT) {
        lua_pushinteger(L, s->v.i);
    } else if (s->tag == PL_REAL) {
        lua_pushnumber(L, s->v.r);
    } else {
        plua_json_decode(L, s->v.s, s->len, where);
        (void)t;
    }
}

/* ---- the rest ---------------------------------------------------------------------- */

void plua_push_enum(lua_State *L, const pl_type *t, const pl_slot *s, const char *where) {
    for (size_t i = 0; s->tag == PL_TEXT && i < t->nwords; i++) {
        if (strlen(t->words[i]) == s->len && memcmp(t->words[i], s->v.s, s->len) == 0) {
            lua_pushlstring(L, s->v.s, s->len);
            return;
        }
    }
    plua_bad_stored(L, t, s, where);
}

void plua_store_uuid(lua_State *L, int idx, const pl_type *t, const char *where,
                     pl_slot *out) {
    pl_uuid u;
    char hex[PL_UUID_HEX];
    size_t len = 0;
    (void)t;
    const char *s = lua_type(L, idx) == LUA_TSTRING ? lua_tolstring(L, idx, &len) : NULL;
    if (!s || !pl_uuid_parse(s, len, &u))
        plua_value_error(L, idx, where, "a UUID (36 or 32 hexadecimal characters)");
    pl_uuid_store(&u, hex);
    store_text(L, idx, hex, PL_UUID_HEX - 1, out);
}

void plua_push_uuid(lua_State *L, const pl_type *t, const pl_slot *s, const char *where) {
    pl_uuid u;
    char text[PL_UUID_TEXT];
    if (s->tag != PL_TEXT || !pl_uuid_parse(s->v.s, s->len, &u))
        plua_bad_stored(L, t, s, where);
    pl_uuid_format(&u, text);
    lua_pushlstring(L, text, PL_UUID_TEXT - 1);
}

/* Pushes the function `name` of a custom type; false when it has none. */
static bool push_custom(lua_State *L, const pl_type *t, const char *name) {
    plua_shared(L);
    lua_getfield(L, -1, "custom_types");
    if (lua_istable(L, -1) && lua_rawgeti(L, -1, t->ext) == LUA_TTABLE)
        lua_getfield(L, -1, name);
    else
        lua_pushnil(L);
    bool found = lua_isfunction(L, -1);
    lua_replace(L, -4);
    lua_pop(L, 2);
    if (!found)
        lua_pop(L, 1);
    return found;
}

void plua_store_custom(lua_State *L, int idx, const pl_type *t, const char *where,
                       pl_slot *out) {
    int top = lua_gettop(L);
    if (plua_is_null(L, idx)) {
        lua_pushnil(L);
        lua_replace(L, idx);
    }
    if (push_custom(L, t, "bind")) {
        lua_pushvalue(L, idx);
        lua_call(L, 1, 1);
        lua_replace(L, idx);
    }
    lua_settop(L, top);
    plua_to_slot(L, idx, t->base, where, out);
}

void plua_push_custom(lua_State *L, const pl_type *t, const pl_slot *s,
                      const char *where) {
    if (s->tag == PL_UNSET) {
        lua_pushnil(L);
        return;
    }
    bool call = push_custom(L, t, "result");
    plua_push_slot(L, t->base, s, where);
    if (call)
        lua_call(L, 1, 1);
}
