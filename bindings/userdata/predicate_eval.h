/* SPDX-License-Identifier: MIT */
/*
** predicate_eval.h - what predicate.c (conditions), predicate_value.c (values) and
** predicate_choice.c share.
*/
#ifndef PLUA_PREDICATE_EVAL_H
#define PLUA_PREDICATE_EVAL_H

#include "core/unit/mapper.h"
#include "userdata/node.h"
#include "userdata/predicate_tree.h"

enum { PLUA_PE_MAX = 16 };

/* Something that has attributes: a row, or what a path of relationships leads to. */
typedef struct plua_pentity {
    const plua_ptree *path; /* NULL for a row */
    pl_mapper *mapper;
    pl_node *source; /* NULL: the plain table */
} plua_pentity;

/* A predicate being evaluated. Lives in a userdata on the stack. */
typedef struct plua_peval {
    lua_State *L;
    const char *chunk;
    int function, constants;        /* stack indices */
    plua_pentity rows[PLUA_PE_MAX]; /* parameters of the functions around, by nesting */
    int nrows;
    plua_pentity open[PLUA_PE_MAX]; /* paths whose EXISTS is being made */
    int nopen;
} plua_peval;

/* Raises CompileError at the place of a tree. */
__attribute__((noreturn)) void plua_predicate_fail(plua_peval *e, const plua_ptree *t,
                                                   const char *hint, const char *fmt,
                                                   ...);

/* Pushes the value of a tree: plain, an expression, or a relationship. [-0, +1, v] */
void plua_predicate_value(plua_peval *e, const plua_ptree *t);

/* The same of a tree that is `and` or `or`. [-0, +1, v] */
void plua_predicate_choice(plua_peval *e, const plua_ptree *t);

/* Calls what is below its n arguments and builds SQL; an error stays what it is, and gets
** the place of the tree. [-(n + 1), +1, v] */
void plua_predicate_call(plua_peval *e, const plua_ptree *t, int n);

/* The expression at idx, NULL for any other value. */
static inline pl_node *plua_pnode(lua_State *L, int idx) {
    return plua_tonode_of(L, idx, PLUA_IS_EXPRESSION);
}

/* Pushes a condition: a plain boolean or an expression. [-0, +1, v] */
void plua_predicate_condition(plua_peval *e, const plua_ptree *t);

/* Whether an expression is a condition by itself, or of unknown type written as text. */
bool plua_predicate_is_condition(const pl_node *n);

/* The entity that a tree names, NULL when it names none. */
const plua_pentity *plua_predicate_entity(plua_peval *e, const plua_ptree *t);

/* Pushes a relationship of an entity. [-0, +1, m] */
void plua_predicate_relation(plua_peval *e, const plua_pentity *entity, pl_relation *r);

/* Replaces the relationship on top by EXISTS with the function's condition, or by the
** number of its rows. [-1, +1, v] */
void plua_predicate_exists(plua_peval *e, const plua_ptree *function);
void plua_predicate_count(plua_peval *e);

#endif
