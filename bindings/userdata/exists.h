/* SPDX-License-Identifier: MIT */
/*
** exists.h - EXISTS over a relationship, under construction.
*/
#ifndef PLUA_EXISTS_H
#define PLUA_EXISTS_H

#include "userdata/relattr.h"

/* What a condition over related rows reads from and must meet. All its nodes are in `a`,
** an arena on the stack. */
typedef struct plua_exists {
    lua_State *L;
    const plua_relattr *attr;
    const pl_relation *r;
    pl_arena *a;
    pl_mapper *target;
    pl_node *from, *source, *link; /* of the target; the link table */
    bool fresh;    /* the target gets an alias in any case; set before _target */
    pl_node *head; /* the SELECT, whose one item is 1 */
    pl_node *stmt;
} plua_exists;

/* Pushes the arena and begins: nothing is read from yet. [-0, +1, m] */
void plua_exists_init(plua_exists *w, lua_State *L, const plua_relattr *attr);

/* Finds the target (an alias of its own where the parent is the same table) and begins
** the statement: SELECT 1 FROM target[, link] WHERE join. Raises without memory. */
void plua_exists_target(plua_exists *w);
void plua_exists_select(plua_exists *w);

/* Adds a condition (or another clause). */
void plua_exists_clause(plua_exists *w, pl_node_kind kind, pl_node *arg);

/* A condition over the target's plain tables, turned to its source; NULL stays NULL. */
pl_node *plua_exists_turned(plua_exists *w, pl_node *n);

/* The statement is complete: other tables come from the statement around it. */
void plua_exists_finish(plua_exists *w);

/* Pushes EXISTS of the statement, which keeps alive the arena at `arena` and the values
** from stack index `first` to `last`. [-0, +1, m] */
pl_node *plua_exists_push(plua_exists *w, int arena, int first, int last, bool negated);

#endif
