/* SPDX-License-Identifier: MIT */
/*
** expression.h - what the files that make expressions share.
*/
#ifndef PLUA_EXPRESSION_H
#define PLUA_EXPRESSION_H

#include "userdata/node.h"

/* The expression at argument 1, or the colon reminder. [-0, +0, v] */
static inline pl_node *plua_self_expr(lua_State *L, const char *method) {
    return plua_self(L, PLUA_IS_EXPRESSION | PLUA_IS_QUERY, PLUA_EXPRESSION, method);
}

/* The node at idx as an operand: a query becomes a scalar subquery in place; NULL for a
** plain value. [-0, +0, m] */
pl_node *plua_operand(lua_State *L, int idx);

/*
** Sets kid i of the node on top to `operand`, or, when that is NULL, to a literal of the
** value at idx made from *space. The value at idx (absolute) is kept alive. [-0, +0, v]
*/
void plua_set_operand(lua_State *L, pl_node *n, uint32_t i, int idx, pl_node *operand,
                      const pl_type *hint, const pl_node *beside, void **space);

/* Pushes (a OP b); plain values become literals of type hint. [-0, +1, v] */
pl_node *plua_binary(lua_State *L, pl_op op, const pl_type *type, int a, int b,
                     const pl_type *hint);

/* Pushes a comparison, with IS NULL for `=` and nil. [-0, +1, v] */
pl_node *plua_compare(lua_State *L, pl_op op, int a, int b, const char *method);

/* Pushes arithmetic or concatenation with the type that results. [-0, +1, v] */
pl_node *plua_arithmetic(lua_State *L, pl_op op, int a, int b);

/* Pushes AND or OR of two conditions. [-0, +1, v] */
pl_node *plua_junction(lua_State *L, pl_node_kind kind, int a, int b);

/* Pushes the negation of the condition at idx. [-0, +1, m] */
pl_node *plua_negate(lua_State *L, int idx);

/* Pushes (a) under another node, with a text or none. [-0, +1, m] */
pl_node *plua_unary(lua_State *L, pl_node_kind kind, int a, const char *s, size_t len);

/* Pushes an ORDER node over the expression (or label string) at idx. [-0, +1, v] */
pl_node *plua_order(lua_State *L, int idx, int bits);

/* Pushes (a [NOT] LIKE ...) with a pattern of which '%' and '_' are escaped. The string
** at idx may also be an expression. before, after: whether '%' stands there. [-0, +1,
** v] */
pl_node *plua_substring(lua_State *L, int a, int idx, bool before, bool after);

/* Pushes a LIKE (PL_OP_LIKE ...) of two operands. [-0, +1, v] */
pl_node *plua_like(lua_State *L, pl_op op, int a, int b, int escape);

/* Raises unless an argument was given (nil counts). [-0, +0, v] */
void plua_need_argument(lua_State *L, const char *method);

/* An SQL name from a string at idx that may not hold anything else: letters, digits, '_'
** and, with dots, '.'. Raises ArgumentError. [-0, +0, v] */
const char *plua_check_name(lua_State *L, int idx, bool dots, const char *what,
                            size_t *len);

/* An SQL operator from a string at idx: signs, or words of letters. [-0, +0, v] */
const char *plua_check_operator(lua_State *L, int idx, size_t *len);

/* The column type at idx; raises. [-0, +0, v] */
const pl_type *plua_check_type(lua_State *L, int idx);

/* over(func, {...}) or over{func, ...}, as the method. [-0, +1, v] */
int plua_over(lua_State *L);

/* Methods of expressions that stand in files of their own. */
extern const luaL_Reg plua_operators[];          /* operator.c: metamethods */
extern const luaL_Reg plua_operator_methods[];   /* operator.c */
extern const luaL_Reg plua_pattern_methods[];    /* pattern.c */
extern const luaL_Reg plua_membership_methods[]; /* membership.c */
extern const luaL_Reg plua_json_methods[];       /* jsonpath.c */
extern const luaL_Reg plua_tablefunc_methods[];  /* functions.c */
extern const luaL_Reg plua_exists_methods[];     /* derived.c */
extern const luaL_Reg plua_function_methods[];   /* window.c */

/* Pushes the path from the JSON expression at 1 by the key at 2. [-0, +1, v] */
int plua_json_index(lua_State *L);

/* Pushes the __index of columns and labels: a method (of the table at `methods`), else a
** field. [-0, +1, m] */
void plua_column_index(lua_State *L, int methods);

/* Pushes the value inside JSON at idx as one of SQL, read as `type`. [-0, +1, m] */
pl_node *plua_json_plain(lua_State *L, int idx, const pl_type *type);

/* The same as JSON in which true and false are told from 1 and 0. [-0, +1, m] */
pl_node *plua_json_exact(lua_State *L, int idx);

/* A value inside JSON, as JSON. */
static inline bool plua_is_json_value(const pl_node *n) {
    return n->kind == PL_N_JSON && n->op == PL_JSON_VALUE;
}

int plua_open_expression(lua_State *L);
int plua_open_functions(lua_State *L);
int plua_open_construct(lua_State *L);

#endif
