/* SPDX-License-Identifier: MIT */
/*
** predicate_choice.c - `and` and `or` in predicates where a value is wanted.
**
** Lua chooses one side by the other's truth. With plain values that is done at once;
** `test and a or b` on columns becomes CASE, `column or value` becomes coalesce, and two
** conditions stay a condition (predicate.c). Whatever else would need the truth of a
*row's
** value in Lua, and is refused.
*/
#include "userdata/expression.h"
#include "userdata/predicate_eval.h"
#include "userdata/relattr.h"

static bool is_plain(lua_State *L, int idx) {
    return !plua_pnode(L, idx) && !plua_test_relattr(L, idx);
}

/* true, false, or an expression that is a condition. */
static bool is_boolean(lua_State *L, int idx) {
    const pl_node *n = plua_pnode(L, idx);
    return n ? plua_predicate_is_condition(n) : lua_isboolean(L, idx);
}

/* Neither a condition nor what has no value in SQL; JSON's null is not SQL's. */
static bool is_scalar(lua_State *L, int idx) {
    const pl_node *n = plua_pnode(L, idx);
    return n && !plua_predicate_is_condition(n) && n->kind != PL_N_ORDER &&
           n->kind != PL_N_ENTITY && pl_type_storage(pl_node_type(n))->kind != PL_K_JSON;
}

static bool can_be_result(lua_State *L, int idx) {
    return plua_pnode(L, idx) ? is_scalar(L, idx)
                              : is_plain(L, idx) && !lua_isboolean(L, idx);
}

static __attribute__((noreturn)) void no_value(plua_peval *e, const plua_ptree *t) {
    plua_predicate_fail(
        e, t, "values are chosen by: condition and a or b; column or value; db.case",
        "what this '%s' gives is no condition and cannot be turned into SQL",
        t->kind == PLUA_P_OR ? "or" : "and");
}

enum { CASE_TEST = 1, CASE_THEN, CASE_ELSE };

/* CASE WHEN test THEN a ELSE b END, and coalesce(a, b): arguments of the stack. */
static int make_case(lua_State *L) {
    pl_node *c = plua_node_block(L, PLUA_EXPRESSION, PL_N_CASE, CASE_ELSE,
                                 2 * pl_node_size(0), CASE_ELSE);
    void *space = plua_node_extra(c);
    c->flags |= PL_NF_CASE_ELSE;
    for (int i = CASE_TEST; i <= CASE_ELSE; i++)
        plua_set_operand(L, c, (uint32_t)i - 1, i, plua_operand(L, i), NULL, NULL,
                         &space);
    return 1;
}

static int make_coalesce(lua_State *L) {
    const pl_node *first = plua_operand(L, 1);
    pl_node *f = plua_node_block(L, PLUA_EXPRESSION, PL_N_FUNC, 2, pl_node_size(0), 2);
    void *space = plua_node_extra(f);
    pl_node_set_text(f, "coalesce");
    f->type = pl_node_type(first);
    plua_set_operand(L, f, 0, 1, plua_operand(L, 1), NULL, NULL, &space);
    plua_set_operand(L, f, 1, 2, plua_operand(L, 2), f->type, first, &space);
    return 1;
}

/* `test and a or b` whose results are no conditions; false when it is something else. */
static bool ternary(plua_peval *e, const plua_ptree *t) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    if (t->kind != PLUA_P_OR || t->a->kind != PLUA_P_AND)
        return false;
    plua_predicate_value(e, t->a->a);
    bool fits = !is_plain(L, -1);
    lua_settop(L, top);
    if (!fits)
        return false;
    lua_pushcfunction(L, make_case);
    plua_predicate_condition(e, t->a);
    if (!plua_pnode(L, -1)) { /* the result of `and` is never, or always taken */
        bool taken = lua_toboolean(L, -1);
        lua_settop(L, top);
        plua_predicate_value(e, taken ? t->a->b : t->b);
        return true;
    }
    plua_predicate_value(e, t->a->b);
    plua_predicate_value(e, t->b);
    if (!can_be_result(L, -1) || !can_be_result(L, -2)) {
        lua_settop(L, top);
        return false;
    }
    plua_predicate_call(e, t, CASE_ELSE);
    return true;
}

/*
** `limit or 18`: with a plain value on the left Lua's rule holds. Two conditions make a
** condition; a column that is none gives way to the other value when it is NULL.
*/
void plua_predicate_choice(plua_peval *e, const plua_ptree *t) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    if (ternary(e, t))
        return;
    plua_predicate_value(e, t->a);
    bool plain = is_plain(L, -1);
    if (plain && lua_toboolean(L, -1) == (t->kind == PLUA_P_OR))
        return;
    if (plain) {
        lua_settop(L, top);
        plua_predicate_value(e, t->b);
        return;
    }
    plua_predicate_value(e, t->b);
    if (is_boolean(L, -2) && is_boolean(L, -1)) {
        lua_settop(L, top);
        plua_predicate_condition(e, t);
        return;
    }
    bool is_or = t->kind == PLUA_P_OR;
    if (!is_or || !is_scalar(L, -2) || !can_be_result(L, -1))
        no_value(e, t);
    lua_pushcfunction(L, make_coalesce);
    lua_insert(L, top + 1);
    plua_predicate_call(e, t, 2);
}
