/* SPDX-License-Identifier: MIT */
/*
** pattern.c - comparing text: LIKE and its kin, regular expressions, full text.
**
** startswith, endswith and contains look for the text as it is: '%', '_' and the escape
** character '/' in it are escaped. With an expression instead of a string nothing can be
** escaped, and the pattern is put together by the database.
*/
#include "userdata/expression.h"

#include <string.h>

#define ESCAPE '/'

/* The ESCAPE operand of a LIKE: a literal of one character. */
static void carve_escape(pl_node *n, const char *c, void **space) {
    pl_node *escape = plua_carve(space, PL_N_LITERAL, 0);
    escape->type = pl_type_plain(PL_K_TEXT);
    escape->value = pl_slot_text(c, 1);
    n->kids[2] = escape;
}

pl_node *plua_like(lua_State *L, pl_op op, int a, int b, int escape) {
    pl_node *left = plua_operand(L, a), *right = plua_operand(L, b);
    bool escaped = escape && !lua_isnoneornil(L, escape);
    if (escaped && (lua_type(L, escape) != LUA_TSTRING || lua_rawlen(L, escape) != 1))
        plua_raise(L, PL_EARGUMENT, "the escape character must be a string of length 1");
    if (!right && lua_type(L, b) != LUA_TSTRING)
        plua_raise(L, PL_ETYPE, "a pattern must be a string or an expression, got %s",
                   plua_typename(L, b));
    pl_node *n = plua_node_block(L, PLUA_EXPRESSION, PL_N_LIKE, escaped ? 3 : 2,
                                 3 * pl_node_size(0) + 8, escaped ? 3 : 2);
    void *space = plua_node_extra(n);
    n->op = (uint8_t)op;
    const pl_type *text = pl_type_plain(PL_K_TEXT);
    plua_set_operand(L, n, 0, a, left, text, NULL, &space);
    plua_set_operand(L, n, 1, b, right, text, left, &space);
    if (escaped) {
        lua_pushvalue(L, escape);
        lua_setiuservalue(L, -2, 3);
        carve_escape(n, lua_tostring(L, escape), &space);
    }
    return n;
}

/* like{pattern, escape = "/"} is like(pattern, "/"). */
static void unpack_pattern(lua_State *L) {
    if (lua_gettop(L) != 2 || lua_type(L, 2) != LUA_TTABLE)
        return;
    lua_rawgeti(L, 2, 1);
    lua_getfield(L, 2, "escape");
    lua_remove(L, 2);
}

static int like(lua_State *L, pl_op op, const char *method) {
    plua_self_expr(L, method);
    plua_need_argument(L, method);
    unpack_pattern(L);
    plua_like(L, op, 1, 2, 3);
    return 1;
}

/*** LIKE; '%' and '_' in the pattern are wildcards.
@function Expression:like
@string pattern
@string[opt] escape a character that makes the next one literal
@treturn Expression */
static int expr_like(lua_State *L) {
    return like(L, PL_OP_LIKE, "like");
}

/*** NOT LIKE.
@function Expression:not_like
@string pattern
@string[opt] escape
@treturn Expression */
static int expr_not_like(lua_State *L) {
    return like(L, PL_OP_NOT_LIKE, "not_like");
}

/*** LIKE that ignores case.
@function Expression:ilike
@string pattern
@string[opt] escape
@treturn Expression */
static int expr_ilike(lua_State *L) {
    return like(L, PL_OP_ILIKE, "ilike");
}

/*** NOT LIKE that ignores case.
@function Expression:not_ilike
@string pattern
@string[opt] escape
@treturn Expression */
static int expr_not_ilike(lua_State *L) {
    return like(L, PL_OP_NOT_ILIKE, "not_ilike");
}

/* ---- text as it is ---- */

static bool is_wild(char c) {
    return c == '%' || c == '_' || c == ESCAPE;
}

/* Bytes that the pattern for a text takes. */
static size_t pattern_size(const char *s, size_t len) {
    size_t n = len + 2;
    for (size_t i = 0; i < len; i++)
        n += is_wild(s[i]);
    return n;
}

static size_t write_pattern(char *p, const char *s, size_t len, bool before, bool after) {
    size_t n = 0;
    if (before)
        p[n++] = '%';
    for (size_t i = 0; i < len; i++) {
        if (is_wild(s[i]))
            p[n++] = ESCAPE;
        p[n++] = s[i];
    }
    if (after)
        p[n++] = '%';
    return n;
}

/* LIKE against a string: literal, escape and the pattern's bytes stand in one block. */
static pl_node *string_pattern(lua_State *L, int a, pl_node *left, int idx, bool before,
                               bool after) {
    static const char escape[] = {ESCAPE, '\0'};
    size_t len;
    const char *s = lua_tolstring(L, idx, &len);
    size_t size = 3 * pl_node_size(0) + pattern_size(s, len);
    pl_node *n = plua_node_block(L, PLUA_EXPRESSION, PL_N_LIKE, 3, size, 1);
    void *space = plua_node_extra(n);
    n->op = PL_OP_LIKE;
    plua_set_operand(L, n, 0, a, left, pl_type_plain(PL_K_TEXT), NULL, &space);
    n->kids[1] = plua_carve(&space, PL_N_LITERAL, 0);
    n->kids[1]->type = pl_type_plain(PL_K_TEXT);
    carve_escape(n, escape, &space);
    size_t used = write_pattern(space, s, len, before, after);
    n->kids[1]->value = pl_slot_text(space, used);
    return n;
}

static void push_percent(lua_State *L) {
    lua_pushliteral(L, "%");
}

/* LIKE '%' || expression || '%'. */
static pl_node *expression_pattern(lua_State *L, int a, int idx, bool before,
                                   bool after) {
    lua_pushvalue(L, idx);
    if (before) {
        push_percent(L);
        lua_insert(L, -2);
        int top = lua_gettop(L);
        plua_arithmetic(L, PL_OP_CONCAT, top - 1, top);
    }
    if (after) {
        push_percent(L);
        int top = lua_gettop(L);
        plua_arithmetic(L, PL_OP_CONCAT, top - 1, top);
    }
    return plua_like(L, PL_OP_LIKE, a, lua_gettop(L), 0);
}

pl_node *plua_substring(lua_State *L, int a, int idx, bool before, bool after) {
    pl_node *left = plua_operand(L, a);
    if (lua_type(L, idx) == LUA_TSTRING)
        return string_pattern(L, a, left, idx, before, after);
    if (!plua_operand(L, idx))
        plua_raise(L, PL_ETYPE, "a text must be a string or an expression, got %s",
                   plua_typename(L, idx));
    return expression_pattern(L, a, idx, before, after);
}

static int substring(lua_State *L, bool before, bool after, const char *method) {
    plua_self_expr(L, method);
    plua_need_argument(L, method);
    unpack_pattern(L);
    plua_substring(L, 1, 2, before, after);
    return 1;
}

/*** Begins with the text; '%' and '_' in it stand for themselves.
@function Expression:startswith
@string text
@treturn Expression */
static int expr_startswith(lua_State *L) {
    return substring(L, false, true, "startswith");
}

/*** Ends with the text; '%' and '_' in it stand for themselves.
@function Expression:endswith
@string text
@treturn Expression */
static int expr_endswith(lua_State *L) {
    return substring(L, true, false, "endswith");
}

/*** Has the text in it; '%' and '_' in it stand for themselves.
@function Expression:contains
@string text
@treturn Expression */
static int expr_contains(lua_State *L) {
    return substring(L, true, true, "contains");
}

/* ---- other matching ---- */

static int match(lua_State *L, pl_op op, const char *method) {
    plua_self_expr(L, method);
    plua_need_argument(L, method);
    if (lua_isnil(L, 2))
        plua_raise(L, PL_EARGUMENT, "'%s' expects a pattern, got nil", method);
    plua_binary(L, op, NULL, 1, 2, pl_type_plain(PL_K_TEXT));
    return 1;
}

/*** Matches a regular expression.
@function Expression:regexp
@string pattern
@treturn Expression */
static int expr_regexp(lua_State *L) {
    return match(L, PL_OP_REGEXP, "regexp");
}

/*** Matches a file-name pattern ('*', '?', case counts).
@function Expression:glob
@string pattern
@treturn Expression */
static int expr_glob(lua_State *L) {
    return match(L, PL_OP_GLOB, "glob");
}

/*** Matches a full-text query.
@function Expression:match
@string query
@treturn Expression */
static int expr_match(lua_State *L) {
    return match(L, PL_OP_MATCH, "match");
}

const luaL_Reg plua_pattern_methods[] = {{"like", expr_like},
                                         {"not_like", expr_not_like},
                                         {"notlike", expr_not_like},
                                         {"ilike", expr_ilike},
                                         {"not_ilike", expr_not_ilike},
                                         {"notilike", expr_not_ilike},
                                         {"startswith", expr_startswith},
                                         {"endswith", expr_endswith},
                                         {"contains", expr_contains},
                                         {"regexp", expr_regexp},
                                         {"regexp_match", expr_regexp},
                                         {"glob", expr_glob},
                                         {"match", expr_match},
                                         {NULL, NULL}};
