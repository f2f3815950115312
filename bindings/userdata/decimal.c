/* SPDX-License-Identifier: MIT */
/*
** decimal.c - the Lua class Decimal. See decimal.h.
**
** The userdata is the plain text itself; its size tells the length. `//` and `%` round
** down as Lua's own do. A float is refused as an operand: what a script writes as 0.1 is
** not 0.1 any more, and money is where that matters.
*/
#include "userdata/decimal.h"

#include <string.h>

#include "userdata/operand.h"

/* ---- values ----------------------------------------------------------------- */

static void push_text(lua_State *L, const char *text, size_t len) {
    char *copy = lua_newuserdatauv(L, len + 1, 0);
    memcpy(copy, text, len);
    copy[len] = '\0';
    luaL_setmetatable(L, PLUA_DECIMAL);
}

void plua_push_decimal(lua_State *L, const pl_decimal *d) {
    char text[PL_DECIMAL_TEXT];
    size_t len = pl_decimal_format(d, text);
    push_text(L, text, len);
}

static int push(lua_State *L, const pl_decimal *d) {
    plua_push_decimal(L, d);
    return 1;
}

void plua_push_decimal_text(lua_State *L, const char *text, size_t len) {
    pl_decimal d;
    pl_decimal_rc rc = pl_decimal_parse(text, len, &d);
    if (rc != PL_DECIMAL_OK)
        plua_raise(L, PL_EVALUE, "decimal: '%s': %s", lua_pushlstring(L, text, len),
                   pl_decimal_message(rc));
    push(L, &d);
}

const char *plua_test_decimal(lua_State *L, int idx, size_t *len) {
    const char *text = plua_test(L, idx, PLUA_DECIMAL);
    if (text && len)
        *len = (size_t)lua_rawlen(L, idx) - 1;
    return text;
}

pl_decimal_rc plua_todecimal(lua_State *L, int idx, bool floats, pl_decimal *out) {
    size_t len;
    const char *text;
    switch (lua_type(L, idx)) {
    case LUA_TSTRING:
        text = lua_tolstring(L, idx, &len);
        return pl_decimal_parse(text, len, out);
    case LUA_TNUMBER:
        if (!lua_isinteger(L, idx))
            return floats ? pl_decimal_from_double(lua_tonumber(L, idx), out)
                          : PL_DECIMAL_INEXACT;
        pl_decimal_from_int(lua_tointeger(L, idx), out);
        return PL_DECIMAL_OK;
    default:
        text = plua_test_decimal(L, idx, &len);
        return text ? pl_decimal_parse(text, len, out) : PL_DECIMAL_SYNTAX;
    }
}

pl_decimal_rc plua_todecimal_text(lua_State *L, int idx, bool floats,
                                  char out[PL_DECIMAL_TEXT], size_t *len) {
    pl_decimal d;
    pl_decimal_rc rc = plua_todecimal(L, idx, floats, &d);
    if (rc == PL_DECIMAL_OK)
        *len = pl_decimal_format(&d, out);
    return rc;
}

/* ---- errors ----------------------------------------------------------------- */

/* Raises for an operand that gave rc. */
__attribute__((noreturn)) static void refuse(lua_State *L, int idx, pl_decimal_rc rc) {
    const char *shown = luaL_tolstring(L, idx, NULL);
    if (rc == PL_DECIMAL_INEXACT)
        plua_raise_hint(L, PL_ETYPE, "as in decimal '0.1'",
                        "the float %s is not an exact decimal; pass text", shown);
    if (lua_type(L, idx) == LUA_TSTRING)
        plua_raise(L, PL_EVALUE, "decimal: '%s': %s", shown, pl_decimal_message(rc));
    plua_raise(L, PL_ETYPE, "a decimal, an integer or text expected, got %s",
               plua_typename(L, idx));
}

static void check(lua_State *L, int idx, pl_decimal *out) {
    pl_decimal_rc rc = plua_todecimal(L, idx, false, out);
    if (rc != PL_DECIMAL_OK)
        refuse(L, idx, rc);
}

static void allow(lua_State *L, pl_decimal_rc rc, const char *what) {
    if (rc != PL_DECIMAL_OK)
        plua_raise(L, PL_EVALUE, "%s: %s", what, pl_decimal_message(rc));
}

static void self(lua_State *L, pl_decimal *out) {
    size_t len;
    const char *text = plua_test_decimal(L, 1, &len);
    if (!text)
        plua_raise_hint(L, PL_ETYPE, "call methods with a colon: value:quantize(2)",
                        "%s expected, got %s", PLUA_DECIMAL, plua_typename(L, 1));
    (void)pl_decimal_parse(text, len, out);
}

/* ---- operators -------------------------------------------------------------- */

/* Whether the value may meet a decimal; a foreign object takes over. */
static bool is_operand(lua_State *L, int idx) {
    int type = lua_type(L, idx);
    return type == LUA_TNUMBER || type == LUA_TSTRING || plua_test_decimal(L, idx, NULL);
}

static bool operands(lua_State *L, pl_decimal *a, pl_decimal *b) {
    if (!is_operand(L, 1) || !is_operand(L, 2))
        return false;
    check(L, 1, a);
    check(L, 2, b);
    return true;
}

static int decimal_add(lua_State *L) {
    pl_decimal a, b;
    if (!operands(L, &a, &b))
        return plua_operand_other(L, "__add", "add");
    allow(L, pl_decimal_add(&a, &b, &a), "sum");
    return push(L, &a);
}

static int decimal_sub(lua_State *L) {
    pl_decimal a, b;
    if (!operands(L, &a, &b))
        return plua_operand_other(L, "__sub", "subtract");
    allow(L, pl_decimal_sub(&a, &b, &a), "difference");
    return push(L, &a);
}

static int decimal_mul(lua_State *L) {
    pl_decimal a, b;
    if (!operands(L, &a, &b))
        return plua_operand_other(L, "__mul", "multiply");
    allow(L, pl_decimal_mul(&a, &b, &a), "product");
    return push(L, &a);
}

static int decimal_div(lua_State *L) {
    pl_decimal a, b;
    if (!operands(L, &a, &b))
        return plua_operand_other(L, "__div", "divide");
    allow(L, pl_decimal_divide(&a, &b, &a), "quotient");
    return push(L, &a);
}

static int decimal_idiv(lua_State *L) {
    pl_decimal a, b;
    if (!operands(L, &a, &b))
        return plua_operand_other(L, "__idiv", "divide");
    allow(L, pl_decimal_floor_divide(&a, &b, &a, NULL), "quotient");
    return push(L, &a);
}

static int decimal_mod(lua_State *L) {
    pl_decimal a, b;
    if (!operands(L, &a, &b))
        return plua_operand_other(L, "__mod", "divide");
    allow(L, pl_decimal_floor_divide(&a, &b, NULL, &a), "rest");
    return push(L, &a);
}

static int decimal_unm(lua_State *L) {
    pl_decimal d;
    self(L, &d);
    pl_decimal_negate(&d);
    return push(L, &d);
}

static int decimal_eq(lua_State *L) {
    size_t na, nb;
    pl_decimal a, b;
    const char *ta = plua_test_decimal(L, 1, &na), *tb = plua_test_decimal(L, 2, &nb);
    if (ta && tb) {
        (void)pl_decimal_parse(ta, na, &a);
        (void)pl_decimal_parse(tb, nb, &b);
    }
    lua_pushboolean(L, ta && tb && pl_decimal_compare(&a, &b) == 0);
    return 1;
}

static int decimal_lt(lua_State *L) {
    pl_decimal a, b;
    if (!operands(L, &a, &b))
        return plua_operand_other(L, "__lt", "compare");
    lua_pushboolean(L, pl_decimal_compare(&a, &b) < 0);
    return 1;
}

static int decimal_le(lua_State *L) {
    pl_decimal a, b;
    if (!operands(L, &a, &b))
        return plua_operand_other(L, "__le", "compare");
    lua_pushboolean(L, pl_decimal_compare(&a, &b) <= 0);
    return 1;
}

static int decimal_tostring(lua_State *L) {
    size_t len;
    const char *text = plua_test_decimal(L, 1, &len);
    if (!text)
        return luaL_typeerror(L, 1, PLUA_DECIMAL);
    lua_pushlstring(L, text, len);
    return 1;
}

/* ---- methods ---------------------------------------------------------------- */

static pl_rounding rounding_at(lua_State *L, int idx) {
    static const char *const names[] = {"half_even", "half_up", "down", "up",
                                        "floor",     "ceiling", NULL};
    return (pl_rounding)luaL_checkoption(L, idx, "half_even", names);
}

/* A count of digits; what does not fit an int is beyond every limit. */
static int digits_at(lua_State *L, int idx) {
    lua_Integer n = luaL_checkinteger(L, idx);
    return n < -1000000 ? -1000000 : n > 1000000 ? 1000000 : (int)n;
}

/* value:quantize(digits or a decimal with as many [, rounding]) */
static int decimal_quantize(lua_State *L) {
    pl_decimal d, like;
    self(L, &d);
    if (lua_type(L, 2) != LUA_TNUMBER) {
        check(L, 2, &like);
    } else {
        like.scale = digits_at(L, 2);
        luaL_argcheck(L, like.scale >= 0, 2, "digits behind the point expected");
    }
    pl_rounding mode = rounding_at(L, 3);
    allow(L, pl_decimal_quantize(&d, like.scale, mode, &d), "quantize");
    return push(L, &d);
}

/* value:round([digits [, rounding]]); negative digits round to tens, hundreds ... */
static int decimal_round(lua_State *L) {
    pl_decimal d;
    self(L, &d);
    int digits = lua_isnoneornil(L, 2) ? 0 : digits_at(L, 2);
    pl_rounding mode = rounding_at(L, 3);
    allow(L, pl_decimal_quantize(&d, digits, mode, &d), "round");
    return push(L, &d);
}

static int decimal_tonumber(lua_State *L) {
    pl_decimal d;
    double value;
    self(L, &d);
    allow(L, pl_decimal_to_double(&d, &value), "tonumber");
    lua_pushnumber(L, value);
    return 1;
}

/* The integer, or nil when there is none (as math.tointeger). */
static int decimal_tointeger(lua_State *L) {
    pl_decimal d;
    int64_t value;
    self(L, &d);
    if (pl_decimal_to_int(&d, &value) == PL_DECIMAL_OK)
        lua_pushinteger(L, value);
    else
        lua_pushnil(L);
    return 1;
}

static int decimal_abs(lua_State *L) {
    pl_decimal d;
    self(L, &d);
    if (pl_decimal_sign(&d) < 0)
        pl_decimal_negate(&d);
    return push(L, &d);
}

static int decimal_normalize(lua_State *L) {
    pl_decimal d;
    self(L, &d);
    pl_decimal_normalize(&d);
    return push(L, &d);
}

/* -1, 0 or 1; unlike ==, also against integers and text. */
static int decimal_compare(lua_State *L) {
    pl_decimal a, b;
    self(L, &a);
    check(L, 2, &b);
    lua_pushinteger(L, pl_decimal_compare(&a, &b));
    return 1;
}

typedef enum field { F_SIGN = 1, F_SCALE, F_DIGITS } field;

static const plua_value_field fields[] = {
    {"sign", F_SIGN}, {"scale", F_SCALE}, {"digits", F_DIGITS}};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static int decimal_index(lua_State *L) {
    pl_decimal d;
    self(L, &d);
    switch (plua_value_member(L, PLUA_DECIMAL, fields, FIELDS)) {
    case F_SIGN: lua_pushinteger(L, pl_decimal_sign(&d)); break;
    case F_SCALE: lua_pushinteger(L, d.scale); break;
    case F_DIGITS: lua_pushinteger(L, pl_decimal_digits(&d)); break;
    default: break; /* a method is on the stack */
    }
    return 1;
}

/* ---- constructors ----------------------------------------------------------- */

static int decimal_call(lua_State *L) {
    pl_decimal d;
    if (lua_gettop(L) != 1)
        plua_raise(L, PL_EARGUMENT, "decimal takes one argument, got %d", lua_gettop(L));
    if (plua_test_decimal(L, 1, NULL))
        return 1;
    check(L, 1, &d);
    return push(L, &d);
}

/* The shortest decimal that reads back as the same float. */
static int decimal_from_float(lua_State *L) {
    pl_decimal d;
    lua_Number value = luaL_checknumber(L, 1);
    allow(L, pl_decimal_from_double(value, &d), "from_float");
    return push(L, &d);
}

int plua_open_decimal(lua_State *L) {
    static const luaL_Reg meta[] = {{"__add", decimal_add},
                                    {"__sub", decimal_sub},
                                    {"__mul", decimal_mul},
                                    {"__div", decimal_div},
                                    {"__idiv", decimal_idiv},
                                    {"__mod", decimal_mod},
                                    {"__unm", decimal_unm},
                                    {"__eq", decimal_eq},
                                    {"__lt", decimal_lt},
                                    {"__le", decimal_le},
                                    {"__tostring", decimal_tostring},
                                    {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"quantize", decimal_quantize}, {"round", decimal_round},
        {"tonumber", decimal_tonumber}, {"tointeger", decimal_tointeger},
        {"abs", decimal_abs},           {"normalize", decimal_normalize},
        {"compare", decimal_compare},   {NULL, NULL}};
    static const luaL_Reg functions[] = {{"from_float", decimal_from_float},
                                         {NULL, NULL}};
    plua_value_class(L, PLUA_DECIMAL, meta, methods, fields, FIELDS, decimal_index);
    lua_createtable(L, 0, 1);
    plua_constructor(L, decimal_call, functions);
    lua_setfield(L, -2, "decimal");
    return 1;
}
