/* SPDX-License-Identifier: MIT */
/*
** construct.c - constructors of expressions in the db namespace: and_, case, cast ...
*/
#include "userdata/expression.h"
#include "userdata/null.h"
#include "userdata/schema.h"

#include <string.h>

/* ---- and, or, not ---- */

/* and_{a, b} is and_(a, b). */
static void unpack_list(lua_State *L) {
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TTABLE)
        return;
    int n = (int)lua_rawlen(L, 1);
    luaL_checkstack(L, n + 8, "too many conditions");
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, 1, i);
    lua_remove(L, 1);
}

static int junction(lua_State *L, pl_node_kind kind) {
    unpack_list(L);
    int n = lua_gettop(L);
    for (int i = 1; i <= n; i++)
        plua_tocondition(L, i);
    if (n == 1)
        return 1;
    plua_node(L, PLUA_EXPRESSION, kind, (uint32_t)n, NULL, 0);
    for (int i = 1; i <= n; i++)
        plua_kid(L, -1, (uint32_t)i - 1, i);
    return 1;
}

/*** All conditions; none at all is true.
@function db.and_
@tparam Expression condition ...
@treturn Expression */
static int db_and(lua_State *L) {
    return junction(L, PL_N_AND);
}

/*** One of the conditions; none at all is false.
@function db.or_
@tparam Expression condition ...
@treturn Expression */
static int db_or(lua_State *L) {
    return junction(L, PL_N_OR);
}

/*** The contrary of a condition, as ~condition.
@function db.not_
@tparam Expression condition
@treturn Expression */
static int db_not(lua_State *L) {
    lua_settop(L, 1);
    plua_negate(L, 1);
    return 1;
}

/* ---- constants and names ---- */

/* db.null(): SQL's NULL as an expression; db.null itself is a value. */
static int null_call(lua_State *L) {
    plua_node(L, PLUA_EXPRESSION, PL_N_NULL, 0, NULL, 0);
    return 1;
}

static int db_true(lua_State *L) {
    plua_node(L, PLUA_EXPRESSION, PL_N_BOOL, 0, NULL, 0)->op = 1;
    return 1;
}

static int db_false(lua_State *L) {
    plua_node(L, PLUA_EXPRESSION, PL_N_BOOL, 0, NULL, 0);
    return 1;
}

/*** A value as an expression: a bound parameter.
@function db.literal
@param value
@param[opt] type
@treturn Expression */
static int db_literal(lua_State *L) {
    plua_need_any(L, 1);
    lua_settop(L, 2);
    const pl_type *type = lua_isnil(L, 2) ? NULL : plua_check_type(L, 2);
    if (plua_operand(L, 1)) {
        lua_settop(L, 1);
        return 1;
    }
    pl_node *n = plua_node_block(L, PLUA_EXPRESSION, PL_N_LITERAL, 0, 0, 2);
    plua_fill_literal(L, 1, type, NULL, n);
    for (int i = 1; i <= 2; i++) {
        lua_pushvalue(L, i);
        lua_setiuservalue(L, -2, i);
    }
    return 1;
}

/* Brings bindparam{name, value = v, type = t} to bindparam(name, v, t); whether there is
** a value. */
static bool normalize_bindparam(lua_State *L) {
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TTABLE)
        return lua_gettop(L) >= 2;
    lua_getfield(L, 1, "expanding");
    if (lua_toboolean(L, -1))
        plua_raise_hint(
            L, PL_EARGUMENT,
            "give the list itself to in_, or to text:bindparams{name = {...}}",
            "db.bindparam: the length of a list is part of the statement");
    lua_settop(L, 1);
    lua_rawgeti(L, 1, 1);
    if (lua_getfield(L, 1, "value") == LUA_TNIL) {
        lua_pop(L, 1);
        lua_rawgeti(L, 1, 2);
    }
    if (lua_getfield(L, 1, "type") == LUA_TNIL) {
        lua_pop(L, 1);
        lua_rawgeti(L, 1, 3);
    }
    lua_remove(L, 1);
    return !lua_isnil(L, 2);
}

/*** A named parameter, whose value comes with execute(statement, {name = value}). Also
bindparam{name, value =, type =}.
@function db.bindparam
@string name
@param[opt] value
@param[opt] type
@treturn Expression */
static int db_bindparam(lua_State *L) {
    size_t len;
    bool given = normalize_bindparam(L);
    plua_check_name(L, 1, false, "name of a parameter", &len);
    lua_settop(L, 3);
    const pl_type *type = lua_isnil(L, 3) ? NULL : plua_check_type(L, 3);
    pl_node *n = plua_node_block(L, PLUA_EXPRESSION, PL_N_LITERAL, 0, 0, 3);
    n->type = type;
    n->text = lua_tostring(L, 1);
    n->len = (uint32_t)len;
    if (given)
        plua_fill_literal(L, 2, type, NULL, n);
    for (int i = 1; i <= 3; i++) {
        lua_pushvalue(L, i);
        lua_setiuservalue(L, -2, i);
    }
    return 1;
}

/*** SQL text for a column or expression. Never make it from what users enter.
@function db.literal_column
@string text
@treturn Expression */
static int db_literal_column(lua_State *L) {
    size_t len;
    const char *s = plua_need_string(L, 1, &len);
    plua_node(L, PLUA_EXPRESSION, PL_N_TEXT, 0, s, len);
    return 1;
}

/*** A column by its name alone, quoted where it must be; with its type, if that is known.
@function db.column
@string name
@param[opt] type
@treturn Expression */
static int db_column(lua_State *L) {
    size_t len;
    const char *s = plua_need_string(L, 1, &len);
    if (len == 0 || memchr(s, '\0', len))
        plua_raise(L, PL_EARGUMENT, "a column has a name");
    lua_settop(L, 2);
    const pl_type *type = lua_isnil(L, 2) ? NULL : plua_check_type(L, 2);
    plua_node(L, plua_column_class(type), PL_N_IDENT, 0, s, len)->type = type;
    plua_node_owner(L, 3, 2);
    return 1;
}

/* ---- CASE ---- */

/* The parts of a CASE, gathered from its argument forms. */
typedef struct parts {
    int whens; /* stack index of a list of {condition, value} */
    int value; /* of `value =`, 0: none */
    int other; /* of `else_ =`, 0: none */
} parts;

static void take_field(lua_State *L, int table, const char *key, int *index) {
    if (lua_getfield(L, table, key) == LUA_TNIL)
        lua_pop(L, 1);
    else
        *index = lua_gettop(L);
}

/* case{ {c, v}, ..., else_ = v } or case({c, v}, ..., {else_ = v}). */
static parts read_case(lua_State *L) {
    parts p = {0};
    int top = lua_gettop(L);
    plua_need_table(L, 1);
    bool listed = top == 1 && lua_rawgeti(L, 1, 1) == LUA_TTABLE;
    lua_settop(L, top);
    if (listed) {
        p.whens = 1;
        take_field(L, 1, "else_", &p.other);
        take_field(L, 1, "value", &p.value);
        return p;
    }
    int count = 0;
    lua_createtable(L, top, 0);
    p.whens = lua_gettop(L);
    luaL_checkstack(L, top + 8, "too many branches");
    for (int i = 1; i <= top; i++) {
        plua_need_table(L, i);
        int before = lua_gettop(L); /* higher afterwards when it holds options */
        take_field(L, i, "else_", &p.other);
        take_field(L, i, "value", &p.value);
        if (lua_rawlen(L, i) > 0 || lua_gettop(L) == before) {
            lua_pushvalue(L, i);
            lua_rawseti(L, p.whens, ++count);
        }
    }
    return p;
}

/* Replaces the branches by {condition, value} lists only, those of mappings sorted. */
static void expand_branches(lua_State *L, parts *p) {
    plua_shared(L);
    lua_getfield(L, -1, "case_branches");
    lua_remove(L, -2);
    lua_pushvalue(L, p->whens);
    lua_pushboolean(L, p->value != 0);
    lua_call(L, 2, 1);
    p->whens = lua_gettop(L);
}

/* The value on top as kid i of the CASE at `node`; pops it and keeps it in `kept`. */
static void add_part(lua_State *L, int node, uint32_t i, int kept, const pl_type *hint,
                     void **space) {
    pl_node *n = lua_touserdata(L, node), *operand = plua_operand(L, -1);
    if (!operand) {
        operand = plua_carve(space, PL_N_LITERAL, 0);
        plua_fill_literal(L, lua_gettop(L), hint, NULL, operand);
    }
    n->kids[i] = operand;
    lua_rawseti(L, kept, (lua_Integer)i + 1);
}

/*** CASE: db.case{ {condition, value}, ..., else_ = value }, or with value = expression
and plain values instead of conditions, then also as a mapping, whose keys are taken in
order: db.case{ {ann = 1, bob = 2}, value = User.name, else_ = 0 }.
@function db.case
@tab branches
@treturn Expression */
static int db_case(lua_State *L) {
    parts p = read_case(L);
    expand_branches(L, &p);
    uint32_t count = (uint32_t)lua_rawlen(L, p.whens), i = 0;
    if (count == 0)
        plua_raise_hint(L, PL_EARGUMENT, "db.case{ {condition, value}, else_ = value }",
                        "case expects a branch");
    uint32_t n = 2 * count + (p.value ? 1 : 0) + (p.other ? 1 : 0);
    pl_node *c =
        plua_node_block(L, PLUA_EXPRESSION, PL_N_CASE, n, n * pl_node_size(0), 1);
    int node = lua_gettop(L), kept = node + 1;
    void *space = plua_node_extra(c);
    const pl_type *hint = NULL;
    lua_createtable(L, (int)n, 0);
    if (p.value) {
        c->flags |= PL_NF_CASE_VALUE;
        lua_pushvalue(L, p.value);
        hint = plua_operand(L, -1) ? pl_node_type(lua_touserdata(L, -1)) : NULL;
        add_part(L, node, i++, kept, NULL, &space);
    }
    for (uint32_t k = 1; k <= count; k++) {
        if (lua_rawgeti(L, p.whens, k) != LUA_TTABLE || lua_rawlen(L, -1) > 2)
            plua_raise(L, PL_EARGUMENT, "a branch of case is {condition, value}");
        lua_rawgeti(L, -1, 1);
        if (!p.value)
            plua_tocondition(L, -1);
        add_part(L, node, i++, kept, hint, &space);
        lua_rawgeti(L, -1, 2);
        add_part(L, node, i++, kept, NULL, &space);
        lua_pop(L, 1);
    }
    if (p.other) {
        c->flags |= PL_NF_CASE_ELSE;
        lua_pushvalue(L, p.other);
        add_part(L, node, i, kept, NULL, &space);
    }
    lua_setiuservalue(L, node, 1);
    lua_settop(L, node);
    return 1;
}

/* ---- one operand and a name or type ---- */

static pl_node *typed(lua_State *L, pl_node_kind kind) {
    plua_need_any(L, 1);
    const pl_type *type = plua_check_type(L, 2);
    lua_settop(L, 2);
    plua_toexpr(L, 1, NULL);
    pl_node *n = plua_unary(L, kind, 1, NULL, 0);
    n->type = type;
    plua_node_owner(L, 3, 2);
    return n;
}

/*** CAST(expression AS type).
@function db.cast
@param expression
@param type
@treturn Expression */
static int db_cast(lua_State *L) {
    typed(L, PL_N_CAST);
    return 1;
}

/*** The expression with another type on the Lua side only; the SQL stays as it is.
@function db.type_coerce
@param expression
@param type
@treturn Expression */
static int db_type_coerce(lua_State *L) {
    plua_need_any(L, 1);
    const pl_type *type = plua_check_type(L, 2);
    lua_settop(L, 2);
    if (!plua_operand(L, 1)) {
        plua_literal(L, 1, type);
        return 1;
    }
    const pl_node *old = lua_touserdata(L, 1);
    bool json = pl_type_storage(type)->kind == PL_K_JSON;
    pl_node *n = plua_node_block(L, json ? PLUA_JSON : PLUA_EXPRESSION,
                                 (pl_node_kind)old->kind, old->nkids, 0, 2);
    memcpy(n, old, pl_node_size(old->nkids));
    n->mark = 0;
    n->type = type;
    for (int i = 1; i <= 2; i++) {
        lua_pushvalue(L, i);
        lua_setiuservalue(L, -2, i);
    }
    return 1;
}

/*** A field of a date or time: db.extract("year", Post.created).
@function db.extract
@string field
@param expression
@treturn Expression */
static int db_extract(lua_State *L) {
    size_t len;
    const char *field = plua_check_name(L, 1, false, "field of a date", &len);
    plua_need_any(L, 2);
    plua_toexpr(L, 2, NULL);
    plua_unary(L, PL_N_EXTRACT, 2, field, len)->type = pl_type_plain(PL_K_INTEGER);
    return 1;
}

static int db_distinct(lua_State *L) {
    plua_need_any(L, 1);
    plua_toexpr(L, 1, NULL);
    plua_unary(L, PL_N_UNARY, 1, NULL, 0)->op = PL_OP_DISTINCT;
    return 1;
}

static int order(lua_State *L, int bits) {
    plua_need_any(L, 1);
    lua_settop(L, 1);
    plua_order(L, 1, bits);
    return 1;
}

/* asc, desc, nulls_first and nulls_last also take the name of a label. */
static int db_asc(lua_State *L) {
    return order(L, PL_ORDER_ASC);
}

static int db_desc(lua_State *L) {
    return order(L, PL_ORDER_DESC);
}

static int db_nulls_first(lua_State *L) {
    return order(L, PL_ORDER_NULLS_FIRST);
}

static int db_nulls_last(lua_State *L) {
    return order(L, PL_ORDER_NULLS_LAST);
}

/*** Several expressions as one row value: db.tuple_(A.x, A.y):in_{{1, 2}, {3, 4}}.
@function db.tuple_
@param expression ...
@treturn Expression */
static int db_tuple(lua_State *L) {
    unpack_list(L);
    int top = lua_gettop(L), plain = 0;
    for (int i = 1; i <= top; i++)
        plain += !plua_operand(L, i);
    pl_node *n = plua_node_block(L, PLUA_EXPRESSION, PL_N_TUPLE, (uint32_t)top,
                                 (size_t)plain * pl_node_size(0), top);
    void *space = plua_node_extra(n);
    for (int i = 1; i <= top; i++)
        plua_set_operand(L, n, (uint32_t)i - 1, i, plua_operand(L, i), NULL, NULL,
                         &space);
    return 1;
}

int plua_open_construct(lua_State *L) {
    static const luaL_Reg constructors[] = {{"and_", db_and},
                                            {"or_", db_or},
                                            {"not_", db_not},
                                            {"true_", db_true},
                                            {"false_", db_false},
                                            {"literal", db_literal},
                                            {"bindparam", db_bindparam},
                                            {"literal_column", db_literal_column},
                                            {"column", db_column},
                                            {"case", db_case},
                                            {"cast", db_cast},
                                            {"type_coerce", db_type_coerce},
                                            {"extract", db_extract},
                                            {"distinct", db_distinct},
                                            {"asc", db_asc},
                                            {"desc", db_desc},
                                            {"nulls_first", db_nulls_first},
                                            {"nulls_last", db_nulls_last},
                                            {"tuple_", db_tuple},
                                            {"over", plua_over},
                                            {NULL, NULL}};
    plua_push_null(L);
    if (lua_getmetatable(L, -1)) {
        lua_pushcfunction(L, null_call);
        lua_setfield(L, -2, "__call");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    luaL_newlib(L, constructors);
    return 1;
}
