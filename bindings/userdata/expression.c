/* SPDX-License-Identifier: MIT */
/*
** expression.c - the class of expressions: comparisons, order, labels, casts.
**
** Every method makes one node (plua_node_block) in which plain values stand
** as literals; nothing is formatted, checked twice or looked up by name on the way.
** Comparison with < and <= cannot work in Lua and raises; == is left alone (identity).
*/
#include "userdata/clause.h"
#include "userdata/expression.h"
#include "userdata/null.h"
#include "userdata/scratch.h"
#include "userdata/schema.h"

#include "core/sql/compile.h"

#include <string.h>

/* ---- operands ---- */

pl_node *plua_operand(lua_State *L, int idx) {
    if (lua_type(L, idx) != LUA_TUSERDATA)
        return NULL;
    pl_node *n = plua_tonode_of(L, idx, PLUA_IS_EXPRESSION | PLUA_IS_STATEMENT);
    if (!n && plua_tonode_of(L, idx, PLUA_IS_QUERY))
        n = plua_toexpr(L, idx, NULL);
    return n;
}

void plua_set_operand(lua_State *L, pl_node *n, uint32_t i, int idx, pl_node *operand,
                      const pl_type *hint, const pl_node *beside, void **space) {
    if (operand) {
        n->kids[i] = operand;
    } else {
        pl_node *literal = plua_carve(space, PL_N_LITERAL, 0);
        plua_fill_literal(L, idx, hint, beside, literal);
        n->kids[i] = literal;
        if (!plua_owned(literal))
            return;
    }
    lua_pushvalue(L, idx);
    lua_setiuservalue(L, -2, (int)i + 1);
}

/* The operands are known already, NULL for plain values. */
static pl_node *push_binary(lua_State *L, pl_op op, const pl_type *type, int a,
                            pl_node *left, int b, pl_node *right, const pl_type *hint) {
    size_t extra = ((size_t)!left + !right) * pl_node_size(0);
    pl_node *n = plua_node_block(L, PLUA_EXPRESSION, PL_N_BINARY, 2, extra, 2);
    void *space = plua_node_extra(n);
    n->op = (uint8_t)op;
    n->type = type;
    plua_set_operand(L, n, 0, a, left, hint, right, &space);
    plua_set_operand(L, n, 1, b, right, hint, left, &space);
    return n;
}

pl_node *plua_binary(lua_State *L, pl_op op, const pl_type *type, int a, int b,
                     const pl_type *hint) {
    pl_node *left = plua_operand(L, a);
    return push_binary(L, op, type, a, left, b, plua_operand(L, b), hint);
}

void plua_need_argument(lua_State *L, const char *method) {
    if (lua_gettop(L) < 2)
        plua_raise_hint(L, PL_EARGUMENT, "column:eq(nil) is IS NULL",
                        "'%s' expects a value, got no argument", method);
}

/* ---- comparisons ---- */

static bool is_null(const pl_node *n) {
    return n->kind == PL_N_NULL || (n->kind == PL_N_LITERAL && n->value.tag == PL_NULL);
}

static __attribute__((noreturn)) void no_order(lua_State *L, const char *what,
                                               const char *method) {
    plua_raise_hint(L, PL_EARGUMENT,
                    "only eq, ne, is, is_not and is_distinct_from take nil, true, false",
                    "'%s' cannot compare with %s", method, what);
}

/* = NULL is never true: SQL asks with IS. */
static void compare_null(lua_State *L, pl_node *n, const char *method) {
    if (n->op == PL_OP_EQ)
        n->op = PL_OP_IS;
    else if (n->op == PL_OP_NE)
        n->op = PL_OP_IS_NOT;
    else if (n->op != PL_OP_IS && n->op != PL_OP_IS_NOT)
        no_order(L, "nil", method);
}

/* ---- values inside JSON ---- */

/* The type by which values inside JSON are put in order beside the other operand: that of
** a number or text; NULL: as JSON text. */
static const pl_type *order_type(lua_State *L, int b, const pl_node *right) {
    if (!right)
        return lua_type(L, b) == LUA_TSTRING ? pl_type_plain(PL_K_TEXT)
               : lua_isinteger(L, b)         ? pl_type_plain(PL_K_INTEGER)
               : lua_isnumber(L, b)          ? pl_type_plain(PL_K_FLOAT)
                                             : NULL;
    const pl_type *type = pl_type_storage(pl_node_type(right));
    bool number = type->kind >= PL_K_FLOAT && type->kind <= PL_K_NUMERIC;
    bool other = type->kind >= PL_K_INTEGER && type->kind <= PL_K_UNICODETEXT;
    return number || other ? type : NULL;
}

/* Replaces a value inside JSON at `a`, which is to be put in order, by what it is. */
static pl_node *plain_json(lua_State *L, int a, pl_node *left, int b,
                           const pl_node *right) {
    if (!plua_is_json_value(left))
        return left;
    const pl_type *type = order_type(L, b, right);
    if (!type)
        return left;
    left = plua_json_plain(L, a, type);
    lua_replace(L, a);
    return left;
}

static pl_node *push_comparison(lua_State *L, pl_op op, int a, pl_node *left, int b,
                                const char *method) {
    pl_node *right = plua_operand(L, b);
    const pl_type *hint = NULL;
    if (op >= PL_OP_LT && op <= PL_OP_GE) {
        if (lua_isboolean(L, b))
            no_order(L, lua_toboolean(L, b) ? "true" : "false", method);
        left = plain_json(L, a, left, b, right);
        if (right)
            right = plain_json(L, b, right, a, left);
    } else if (plua_is_json_value(left) && lua_isboolean(L, b)) {
        left = plua_json_exact(L, a);
        lua_replace(L, a);
    } else if (plua_is_json_value(left) &&
               (right ? is_null(right) : lua_isnil(L, b) || plua_is_null(L, b))) {
        /* the JSON text of nothing is 'null', which is not NULL */
        left = plua_json_plain(L, a, pl_type_plain(PL_K_ANY));
        lua_replace(L, a);
    }
    if (!right)
        hint = left->type ? left->type : pl_node_type(left);
    pl_node *n = push_binary(L, op, NULL, a, left, b, right, hint);
    if (!is_null(n->kids[1]))
        return n;
    compare_null(L, n, method);
    if (!right) { /* the literal in the node's own block becomes the word */
        n->kids[1]->kind = PL_N_NULL;
        n->kids[1]->type = NULL;
    }
    return n;
}

pl_node *plua_compare(lua_State *L, pl_op op, int a, int b, const char *method) {
    return push_comparison(L, op, a, plua_operand(L, a), b, method);
}

static int compare(lua_State *L, pl_op op, const char *method) {
    pl_node *self = plua_tonode_of(L, 1, PLUA_IS_EXPRESSION);
    if (!self) { /* a query, or nothing of ours */
        plua_self_expr(L, method);
        self = plua_toexpr(L, 1, NULL);
    }
    plua_need_argument(L, method);
    push_comparison(L, op, 1, self, 2, method);
    return 1;
}

/*** Equal; with nil IS NULL. A value becomes a bound parameter of the column's type.
@function Expression:eq
@param value a value, an expression or a query of one column
@treturn Expression */
static int expr_eq(lua_State *L) {
    return compare(L, PL_OP_EQ, "eq");
}

/*** Not equal; with nil IS NOT NULL.
@function Expression:ne
@param value
@treturn Expression */
static int expr_ne(lua_State *L) {
    return compare(L, PL_OP_NE, "ne");
}

/*** Less than. A value inside JSON is put in order as a number or text beside one of
these.
@function Expression:lt
@param value
@treturn Expression */
static int expr_lt(lua_State *L) {
    return compare(L, PL_OP_LT, "lt");
}

/*** Less than or equal.
@function Expression:le
@param value
@treturn Expression */
static int expr_le(lua_State *L) {
    return compare(L, PL_OP_LE, "le");
}

/*** Greater than.
@function Expression:gt
@param value
@treturn Expression */
static int expr_gt(lua_State *L) {
    return compare(L, PL_OP_GT, "gt");
}

/*** Greater than or equal.
@function Expression:ge
@param value
@treturn Expression */
static int expr_ge(lua_State *L) {
    return compare(L, PL_OP_GE, "ge");
}

/*** IS: equal, and NULL equals NULL.
@function Expression:is
@param value
@treturn Expression */
static int expr_is(lua_State *L) {
    return compare(L, PL_OP_IS, "is");
}

/*** IS NOT, also as is_distinct_from.
@function Expression:is_not
@param value
@treturn Expression */
static int expr_is_not(lua_State *L) {
    return compare(L, PL_OP_IS_NOT, "is_not");
}

/*** low <= expression <= high.
@function Expression:between
@param low
@param high
@treturn Expression */
static int expr_between(lua_State *L) {
    pl_node *self = plua_self_expr(L, "between");
    if (lua_gettop(L) < 3 || lua_isnil(L, 2) || lua_isnil(L, 3))
        plua_raise(L, PL_EARGUMENT, "'between' expects two values");
    pl_node *low = plua_operand(L, 2), *high = plua_operand(L, 3);
    self = plain_json(L, 1, self, 2, low);
    pl_node *n =
        plua_node_block(L, PLUA_EXPRESSION, PL_N_BETWEEN, 3, 2 * pl_node_size(0), 3);
    void *space = plua_node_extra(n);
    plua_set_operand(L, n, 0, 1, self, NULL, NULL, &space);
    plua_set_operand(L, n, 1, 2, low, self->type, self, &space);
    plua_set_operand(L, n, 2, 3, high, self->type, self, &space);
    return 1;
}

/* ---- order, label, cast, collation ---- */

pl_node *plua_order(lua_State *L, int idx, int bits) {
    idx = lua_absindex(L, idx);
    if (lua_type(L, idx) == LUA_TSTRING) {
        size_t len;
        const char *s = plua_check_name(L, idx, false, "label to order by", &len);
        plua_node(L, PLUA_EXPRESSION, PL_N_IDENT, 0, s, len);
        lua_replace(L, idx);
    }
    const pl_node *old = plua_toexpr(L, idx, NULL);
    pl_node *n = plua_unary(L, PL_N_ORDER, idx, NULL, 0);
    n->op = (uint8_t)bits;
    if (old->kind == PL_N_ORDER) { /* desc():nulls_last(): both in one node */
        n->kids[0] = old->kids[0];
        n->op = (uint8_t)(old->op | bits);
    }
    return n;
}

static int order(lua_State *L, int bits, const char *method) {
    plua_self_expr(L, method);
    plua_order(L, 1, bits);
    return 1;
}

/*** Ascending order (the default).
@function Expression:asc
@treturn Expression */
static int expr_asc(lua_State *L) {
    return order(L, PL_ORDER_ASC, "asc");
}

/*** Descending order.
@function Expression:desc
@treturn Expression */
static int expr_desc(lua_State *L) {
    return order(L, PL_ORDER_DESC, "desc");
}

/*** NULLs before other values.
@function Expression:nulls_first
@treturn Expression */
static int expr_nulls_first(lua_State *L) {
    return order(L, PL_ORDER_NULLS_FIRST, "nulls_first");
}

/*** NULLs after other values.
@function Expression:nulls_last
@treturn Expression */
static int expr_nulls_last(lua_State *L) {
    return order(L, PL_ORDER_NULLS_LAST, "nulls_last");
}

/*** A name for the expression in the result: row.name.
@function Expression:label
@string name
@treturn Expression */
static int expr_label(lua_State *L) {
    plua_self_expr(L, "label");
    size_t len;
    const char *s = plua_need_string(L, 2, &len);
    if (len == 0 || memchr(s, '\0', len))
        plua_raise(L, PL_EARGUMENT, "a label must be a name, got '%s'", s);
    plua_toexpr(L, 1, NULL);
    pl_node *n = plua_node(L, PLUA_COLUMN, PL_N_LABEL, 1, s, len);
    plua_kid(L, -1, 0, 1);
    n->type = n->kids[0]->type;
    return 1;
}

const pl_type *plua_check_type(lua_State *L, int idx) {
    const pl_type *t = plua_test_type(L, idx);
    if (!t)
        plua_raise(L, PL_EARGUMENT, "a type such as db.Integer was expected, got %s",
                   plua_typename(L, idx));
    return t;
}

/*** The value converted to a type: col:cast(db.String).
@function Expression:cast
@param type
@treturn Expression */
static int expr_cast(lua_State *L) {
    plua_self_expr(L, "cast");
    plua_toexpr(L, 1, NULL);
    const pl_type *type = plua_check_type(L, 2);
    lua_settop(L, 2);
    pl_node *n = plua_unary(L, PL_N_CAST, 1, NULL, 0);
    n->type = type;
    plua_node_owner(L, 3, 2);
    return 1;
}

/*** The expression under another collation, such as "NOCASE".
@function Expression:collate
@string name
@treturn Expression */
static int expr_collate(lua_State *L) {
    plua_self_expr(L, "collate");
    size_t len;
    const char *s = plua_check_name(L, 2, false, "collation", &len);
    plua_unary(L, PL_N_COLLATE, 1, s, len);
    return 1;
}

/* ---- what Lua cannot do, and the class ---- */

static int expr_less(lua_State *L) {
    int self = plua_tonode(L, 1) ? 1 : 2;
    const char *name = plua_node_name(L, lua_touserdata(L, self));
    const char *hint = lua_pushfstring(
        L, "write %s:%s(value), or :le, :gt, :ge for the other comparisons", name, "lt");
    plua_raise_hint(L, PL_ETYPE, hint,
                    "Lua turns comparisons into booleans, so that < and <= cannot build "
                    "SQL");
}

static int expr_tostring(lua_State *L) {
    pl_node *n = plua_tonode(L, 1);
    pl_alloc alloc;
    pl_arena *arena = plua_scratch(L, &alloc);
    pl_buf out;
    pl_buf_init(&out, alloc);
    pl_error err;
    pl_error_init(&err, alloc);
    pl_code code = n ? pl_compile_inline(&pl_dialect_sqlite, n, &out, &err) : PL_ETYPE;
    if (code == PL_OK && pl_buf_ok(&out))
        lua_pushlstring(L, pl_buf_cstr(&out), out.len);
    else
        lua_pushfstring(L, "%s: %p", plua_typename(L, 1), lua_topointer(L, 1));
    plua_arena_done(arena);
    return 1;
}

/* __index of the methods: a name that is none of them. */
static int no_method(lua_State *L) {
    if (lua_type(L, 2) != LUA_TSTRING)
        plua_raise(L, PL_EATTRIBUTE, "only JSON expressions can be indexed by %s",
                   luaL_typename(L, 2));
    plua_no_member(L, 1, "expressions have no method");
}

/* __index of JSON expressions: a method, else a path. Upvalue: the methods. */
static int json_index(lua_State *L) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    lua_settop(L, 2);
    return plua_json_index(L);
}

static const luaL_Reg meta[] = {{"__lt", expr_less},
                                {"__le", expr_less},
                                {"__tostring", expr_tostring},
                                {NULL, NULL}};

static const luaL_Reg methods[] = {{"eq", expr_eq},
                                   {"ne", expr_ne},
                                   {"lt", expr_lt},
                                   {"le", expr_le},
                                   {"gt", expr_gt},
                                   {"ge", expr_ge},
                                   {"is", expr_is},
                                   {"is_", expr_is},
                                   {"is_not", expr_is_not},
                                   {"is_distinct_from", expr_is_not},
                                   {"is_not_distinct_from", expr_is},
                                   {"between", expr_between},
                                   {"asc", expr_asc},
                                   {"desc", expr_desc},
                                   {"nulls_first", expr_nulls_first},
                                   {"nulls_last", expr_nulls_last},
                                   {"label", expr_label},
                                   {"as", expr_label},
                                   {"cast", expr_cast},
                                   {"collate", expr_collate},
                                   {NULL, NULL}};

/* All methods go into the one table that the three classes index. */
static void push_methods(lua_State *L) {
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    luaL_setfuncs(L, plua_operator_methods, 0);
    luaL_setfuncs(L, plua_pattern_methods, 0);
    luaL_setfuncs(L, plua_membership_methods, 0);
    luaL_setfuncs(L, plua_json_methods, 0);
    luaL_setfuncs(L, plua_exists_methods, 0);
    luaL_setfuncs(L, plua_tablefunc_methods, 0);
    luaL_setfuncs(L, plua_function_methods, 0);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, no_method);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

int plua_open_expression(lua_State *L) {
    push_methods(L);
    plua_node_class(L, PLUA_EXPRESSION, meta, NULL, PLUA_IS_EXPRESSION);
    luaL_setfuncs(L, plua_operators, 0);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "__index");
    plua_node_class(L, PLUA_JSON, meta, NULL, PLUA_IS_EXPRESSION);
    luaL_setfuncs(L, plua_operators, 0);
    lua_pushvalue(L, -3);
    lua_pushcclosure(L, json_index, 1);
    lua_setfield(L, -2, "__index");
    plua_node_class(L, PLUA_COLUMN, meta, NULL, PLUA_IS_EXPRESSION);
    luaL_setfuncs(L, plua_operators, 0);
    plua_column_index(L, -4);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 4);
    lua_newtable(L);
    return 1;
}
