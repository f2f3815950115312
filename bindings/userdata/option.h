/* SPDX-License-Identifier: MIT */
/*
** option.h - loader options as the loader reads them.
**
** db.selectinload(User.posts):joinedload(Post.tags) is a path of two steps. Steps belong
** to the option's userdata, which the OPTION clause of the statement keeps alive:
**
**     for (pl_node *n = stmt; n; n = plua_previous(n))      // newest clause first
**         for (const plua_option *p = plua_option_of(n); p; p = p->also)
**             for (const plua_option *s = p; s; s = s->next) ...
**
** Where two options speak of the same relationship, the newest holds.
*/
#ifndef PLUA_OPTION_H
#define PLUA_OPTION_H

#include "core/unit/mapper.h"
#include "userdata/node.h"

typedef enum plua_option_op {
    PLUA_O_SELECT, /* lazyload */
    PLUA_O_JOINED,
    PLUA_O_SELECTIN,
    PLUA_O_SUBQUERY,
    PLUA_O_IMMEDIATE,
    PLUA_O_RAISE,
    PLUA_O_NOLOAD,
    PLUA_O_CONTAINS,      /* contains_eager: the query's own join has the rows */
    PLUA_O_DEFAULT,       /* defaultload: only leads to the next step */
    PLUA_O_DEFER,         /* slots */
    PLUA_O_UNDEFER,       /* slots; nslots 0: all of the mapper */
    PLUA_O_UNDEFER_GROUP, /* group */
    PLUA_O_LOAD_ONLY,     /* slots; the others are deferred, the key is always loaded */
    PLUA_O_CRITERIA       /* with_loader_criteria: mapper, criteria */
} plua_option_op;

/*
** Invariants: for the relationship ops `relation` is set, or NULL for "*" (all
** relationships of the entity reached). For the column ops `mapper` owns the slots.
*/
typedef struct plua_option {
    plua_option_op op;
    struct plua_option *next; /* the step below this one, or NULL */
    struct plua_option
        *also; /* the next path of the same userdata; of first steps only */
    pl_relation *relation;
    pl_mapper *mapper;  /* the entity the step starts from */
    pl_node *source;    /* its alias, NULL: the plain table */
    pl_mapper *of_type; /* of_type(...): subclass or alias to load, or NULL */
    pl_node *of_source; /* its alias; contains_eager{alias=} too; or NULL */
    pl_node *criteria;  /* and_(...): extra condition, or NULL */
    uint16_t *slots;
    uint16_t nslots;
    const char *group;
    bool no_batch;  /* {batch = false}: one query per object */
    bool innerjoin; /* joinedload{..., innerjoin = true} */
    bool sql_only;  /* raiseload{..., sql_only = true} */
    bool raiseload; /* defer{..., raiseload = true} */
} plua_option;

/* The statement a clause adds to, NULL for a head. */
pl_node *plua_previous(const pl_node *clause);

/* First path of an OPTION clause, NULL for any other node. */
static inline const plua_option *plua_option_of(const pl_node *n) {
    return n->kind == PL_N_OPTION && n->op == 0 ? n->value.v.p : NULL;
}

/*
** execution_options{...} is an OPTION clause with op PLUA_OPTION_EXECUTION; its table is
** user value 2 of the clause's userdata.
*/
enum { PLUA_OPTION_LOADER = 0, PLUA_OPTION_EXECUTION = 1 };

/* Pushes an execution option's value, nil when it was not given. stmt: the statement's
** userdata. [-0, +1, m] */
void plua_execution_option(lua_State *L, int stmt, const char *name);

/* The options at idx as chain, or NULL when it is none. [-0, +0, -] */
const plua_option *plua_test_option(lua_State *L, int idx);

int plua_open_option(lua_State *L);

#endif
