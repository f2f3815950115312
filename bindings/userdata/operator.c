/* SPDX-License-Identifier: MIT */
/*
** operator.c - what Lua's operators build: AND, OR, NOT, arithmetic, concatenation, and
** the operators that have only a name.
**
** A plain value may stand on either side. Names and operators that come as strings are
** SQL text, so they are held to letters and signs here; values never become text.
*/
#include "userdata/expression.h"

#include <string.h>

/* ---- and, or, not ---- */

pl_node *plua_junction(lua_State *L, pl_node_kind kind, int a, int b) {
    plua_tocondition(L, a);
    plua_tocondition(L, b);
    pl_node *n = plua_node_block(L, PLUA_EXPRESSION, kind, 2, 0, 2);
    plua_kid(L, -1, 0, a);
    plua_kid(L, -1, 1, b);
    return n;
}

static int expr_and(lua_State *L) {
    plua_junction(L, PL_N_AND, 1, 2);
    return 1;
}

static int expr_or(lua_State *L) {
    plua_junction(L, PL_N_OR, 1, 2);
    return 1;
}

/* The operator that says the contrary, PL_OP_CUSTOM when there is none. */
static pl_op opposite(pl_op op) {
    static const uint8_t pairs[][2] = {{PL_OP_EQ, PL_OP_NE},
                                       {PL_OP_LT, PL_OP_GE},
                                       {PL_OP_LE, PL_OP_GT},
                                       {PL_OP_IS, PL_OP_IS_NOT},
                                       {PL_OP_LIKE, PL_OP_NOT_LIKE},
                                       {PL_OP_ILIKE, PL_OP_NOT_ILIKE},
                                       {PL_OP_REGEXP, PL_OP_NOT_REGEXP}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (op == pairs[i][0])
            return pairs[i][1];
        if (op == pairs[i][1])
            return pairs[i][0];
    }
    return PL_OP_CUSTOM;
}

/* Turns a copy of a condition into its contrary where SQL has a word for that. */
static bool negate_in_place(pl_node *n) {
    switch (n->kind) {
    case PL_N_IN:
    case PL_N_EXISTS:
    case PL_N_BETWEEN: n->flags ^= PL_NF_NOT; return true;
    case PL_N_BOOL: n->op = !n->op; return true;
    case PL_N_BINARY:
    case PL_N_LIKE: {
        pl_op op = opposite((pl_op)n->op);
        if (op == PL_OP_CUSTOM)
            return false;
        n->op = (uint8_t)op;
        return true;
    }
    default: return false;
    }
}

pl_node *plua_negate(lua_State *L, int idx) {
    idx = lua_absindex(L, idx);
    const pl_node *old = plua_tocondition(L, idx);
    pl_node *n = plua_node_block(L, PLUA_EXPRESSION, PL_N_UNARY,
                                 old->nkids > 0 ? old->nkids : 1, 0, 1);
    lua_pushvalue(L, idx);
    lua_setiuservalue(L, -2, 1);
    memcpy(n, old, pl_node_size(old->nkids));
    n->mark = 0;
    if (negate_in_place(n))
        return n;
    memset(n, 0, pl_node_size(old->nkids));
    pl_node_init(n, PL_N_UNARY, 1);
    n->op = PL_OP_NOT;
    n->kids[0] = (pl_node *)old;
    return n;
}

static int expr_not(lua_State *L) {
    plua_negate(L, 1);
    return 1;
}

/* ---- arithmetic ---- */

static const pl_type *operand_type(lua_State *L, int idx, const pl_node *n) {
    if (n)
        return n->type;
    if (lua_isinteger(L, idx))
        return pl_type_plain(PL_K_INTEGER);
    return lua_type(L, idx) == LUA_TNUMBER ? pl_type_plain(PL_K_FLOAT) : NULL;
}

static bool is_kind(const pl_type *t, pl_kind kind) {
    return t && pl_type_storage(t)->kind == kind;
}

/* Numeric wins over Float, Float over Integer; a quotient is never an integer. */
static const pl_type *arithmetic_type(pl_op op, const pl_type *a, const pl_type *b) {
    if (op == PL_OP_CONCAT)
        return pl_type_plain(PL_K_TEXT);
    if (is_kind(a, PL_K_NUMERIC) || is_kind(b, PL_K_NUMERIC))
        return is_kind(a, PL_K_NUMERIC) ? a : b;
    if (!a || !b)
        return a ? a : b;
    if (pl_type_is_integer(a) && pl_type_is_integer(b))
        return op == PL_OP_DIV ? pl_type_plain(PL_K_FLOAT) : a;
    return pl_type_is_integer(a) ? b : a;
}

/* The own type of an expression beside a plain value, which is stored by it; else NULL.
 */
static const pl_type *own_type(lua_State *L, int value, const pl_type *t) {
    return !plua_operand(L, value) && t && t->kind == PL_K_CUSTOM ? t : NULL;
}

/* Dates and times are texts in the database: it would calculate with their first digits.
 */
static void refuse_temporal(lua_State *L, const pl_type *t) {
    pl_kind kind = t ? pl_type_storage(t)->kind : PL_K_ANY;
    if (kind == PL_K_DATE || kind == PL_K_TIME || kind == PL_K_DATETIME ||
        (t && t->kind == PL_K_INTERVAL))
        plua_raise_hint(L, PL_ETYPE,
                        "compare with a value that Lua calculated, or use SQL's own: "
                        "db.func.datetime(column, \"+1 day\"), db.func.julianday(column)",
                        "SQLite cannot calculate with a %s, which it keeps as text",
                        pl_kind_name(t->kind));
}

pl_node *plua_arithmetic(lua_State *L, pl_op op, int a, int b) {
    const pl_type *left = operand_type(L, a, plua_operand(L, a));
    const pl_type *right = operand_type(L, b, plua_operand(L, b));
    bool text = (left && pl_type_is_text(left)) || (right && pl_type_is_text(right));
    if (op == PL_OP_ADD && text)
        op = PL_OP_CONCAT;
    if (lua_isnil(L, a) || lua_isnil(L, b) || lua_isboolean(L, a) || lua_isboolean(L, b))
        plua_raise(L, PL_EARGUMENT, "attempt to calculate with an expression and %s",
                   luaL_typename(L, lua_isuserdata(L, a) ? b : a));
    if (op != PL_OP_CONCAT) {
        refuse_temporal(L, left);
        refuse_temporal(L, right);
    }
    const pl_type *own = op == PL_OP_CONCAT ? NULL : own_type(L, b, left);
    if (op != PL_OP_CONCAT && !own)
        own = own_type(L, a, right);
    const pl_type *type = own ? own : pl_type_computed(arithmetic_type(op, left, right));
    return plua_binary(L, op, type, a, b, own);
}

static int expr_add(lua_State *L) {
    plua_arithmetic(L, PL_OP_ADD, 1, 2);
    return 1;
}

static int expr_sub(lua_State *L) {
    plua_arithmetic(L, PL_OP_SUB, 1, 2);
    return 1;
}

static int expr_mul(lua_State *L) {
    plua_arithmetic(L, PL_OP_MUL, 1, 2);
    return 1;
}

static int expr_div(lua_State *L) {
    plua_arithmetic(L, PL_OP_DIV, 1, 2);
    return 1;
}

static int expr_idiv(lua_State *L) {
    plua_arithmetic(L, PL_OP_FLOORDIV, 1, 2);
    return 1;
}

static int expr_mod(lua_State *L) {
    plua_arithmetic(L, PL_OP_MOD, 1, 2);
    return 1;
}

static int expr_concat(lua_State *L) {
    plua_arithmetic(L, PL_OP_CONCAT, 1, 2);
    return 1;
}

/*** Text joined to the expression, as `..` does.
@function Expression:concat
@param value
@treturn Expression */
static int method_concat(lua_State *L) {
    plua_self_expr(L, "concat");
    plua_need_argument(L, "concat");
    return expr_concat(L);
}

pl_node *plua_unary(lua_State *L, pl_node_kind kind, int a, const char *s, size_t len) {
    a = lua_absindex(L, a);
    pl_node *n = plua_node(L, PLUA_EXPRESSION, kind, 1, s, len);
    plua_kid(L, -1, 0, a);
    n->type = n->kids[0]->type;
    return n;
}

static int expr_unm(lua_State *L) {
    pl_node *n = plua_unary(L, PL_N_UNARY, 1, NULL, 0);
    n->op = PL_OP_NEG;
    n->type = pl_type_computed(n->type);
    return 1;
}

/*** DISTINCT before the expression, as in count(DISTINCT x).
@function Expression:distinct
@treturn Expression */
static int expr_distinct(lua_State *L) {
    plua_self_expr(L, "distinct");
    plua_toexpr(L, 1, NULL);
    plua_unary(L, PL_N_UNARY, 1, NULL, 0)->op = PL_OP_DISTINCT;
    return 1;
}

/* ---- operators by name ---- */

const char *plua_check_name(lua_State *L, int idx, bool dots, const char *what,
                            size_t *len) {
    if (lua_type(L, idx) != LUA_TSTRING)
        plua_raise(L, PL_EARGUMENT, "%s must be a string, got %s", what,
                   plua_typename(L, idx));
    const char *s = lua_tolstring(L, idx, len);
    bool fits = *len > 0;
    for (size_t i = 0; i < *len; i++) {
        unsigned char c = (unsigned char)s[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool digit = i > 0 && c >= '0' && c <= '9';
        fits = fits && (letter || digit || (dots && i > 0 && c == '.'));
    }
    if (!fits)
        plua_raise(L, PL_EARGUMENT, "'%s' is not a %s", s, what);
    return s;
}

/* Without '?' and '@', which begin parameters. */
static bool is_operator_byte(char c) {
    if (c == '\0')
        return false;
    return strchr("!#%&*+-/<=>^|~ ", c) || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

const char *plua_check_operator(lua_State *L, int idx, size_t *len) {
    const char *s = plua_need_string(L, idx, len);
    bool fits = *len > 0 && *len <= 32;
    for (size_t i = 0; fits && i < *len; i++)
        fits = is_operator_byte(s[i]);
    if (!fits || strstr(s, "--") || strstr(s, "/*") || strstr(s, "*/"))
        plua_raise(L, PL_EARGUMENT, "'%s' is not an operator", s);
    return s;
}

/* Upvalues of a bound operator: the expression, the operator. */
static int apply_operator(lua_State *L) {
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, lua_upvalueindex(2));
    pl_node *n = plua_binary(L, PL_OP_CUSTOM, NULL, 2, 1, NULL);
    n->text = lua_tostring(L, 3);
    n->len = (uint32_t)lua_rawlen(L, 3);
    lua_createtable(L, 2, 0); /* keeps the operator's text beside the right operand */
    lua_pushvalue(L, 3);
    lua_rawseti(L, -2, 1);
    lua_getiuservalue(L, -2, 2);
    lua_rawseti(L, -2, 2);
    lua_setiuservalue(L, -2, 2);
    return 1;
}

/*** Any other operator of the database: col:op("<<", 2), or col:op("<<")(2).
@function Expression:op
@string operator
@param[opt] value
@treturn Expression */
static int expr_op(lua_State *L) {
    plua_self_expr(L, "op");
    size_t len;
    plua_check_operator(L, 2, &len);
    bool now = lua_gettop(L) >= 3;
    lua_settop(L, 3);
    lua_insert(L, 1);
    lua_pushcclosure(L, apply_operator, 2);
    if (!now)
        return 1;
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

const luaL_Reg plua_operators[] = {
    {"__add", expr_add}, {"__sub", expr_sub},       {"__mul", expr_mul},
    {"__div", expr_div}, {"__idiv", expr_idiv},     {"__mod", expr_mod},
    {"__unm", expr_unm}, {"__concat", expr_concat}, {"__band", expr_and},
    {"__bor", expr_or},  {"__bnot", expr_not},      {NULL, NULL}};

const luaL_Reg plua_operator_methods[] = {{"concat", method_concat},
                                          {"distinct", expr_distinct},
                                          {"op", expr_op},
                                          {NULL, NULL}};
