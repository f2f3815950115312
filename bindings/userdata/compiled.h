/* SPDX-License-Identifier: MIT */
/*
** compiled.h - compiled statements, kept by the shape of the query.
**
** Each db has a cache from structural key to compiled statement (at most
** PLUA_COMPILED_MAX, the oldest goes first). It is a userdata that the db's user value
** keeps alive; its memory is counted by the Lua allocator and freed with the db.
**
** How a statement is run: flush first, then
**     pl_vec *literals = plua_literals(L, db);
**     const pl_compiled *c = plua_compile(L, db, stmt, literals);
**     for each placeholder i: pl_node *lit = literals->v[c->plan[i]];
**         lit->text ? plua_parameter(L, params, lit, &slot) : lit->value
** and bind before anything else runs: the vector is used again by the next plua_compile
** of the db. Slots of literals stay valid as long as the statement's userdata.
*/
#ifndef PLUA_COMPILED_H
#define PLUA_COMPILED_H

#include "core/sql/compile.h"
#include "userdata/database.h"

enum { PLUA_COMPILED_MAX = 512 };

typedef struct plua_compiled {
    pl_compiled c;
    pl_arena arena;
    char *key; /* in the arena; NULL when it was not kept */
    size_t klen;
    uint32_t uses; /* plua_compiled_keep without release */
    bool cached;
    struct plua_compiled *prev, *next; /* all of a db, so that none is lost */
    struct plua_cache *cache;
} plua_compiled;

/*
** Compiles a statement or finds it compiled; `literals` (emptied first) gets its literals
** by ordinal. The result is valid until the next plua_compile of the db, unless kept.
** [-0, +0, v]
*/
const pl_compiled *plua_compile(lua_State *L, plua_db *db, pl_node *stmt,
                                pl_vec *literals);

/* A vector that lives with the db, for plua_compile. [-0, +0, m] */
pl_vec *plua_literals(lua_State *L, plua_db *db);

/* Keeps a compiled statement until it is released as often as it was kept. */
void plua_compiled_keep(const pl_compiled *c);
void plua_compiled_release(const pl_compiled *c);

/* core.compiled_counts(db): how often a statement was found compiled, and how often not.
 */
int plua_compiled_counts(lua_State *L);

/* Forgets all that nobody keeps. */
void plua_compiled_clear(plua_db *db);

/*
** The value of a named parameter (a literal with text) from the table at `params` (0: no
** table given), else the value it was given when built; raises StatementError when there
** is neither. Pushes what owns the slot's bytes. [-0, +1, v]
*/
void plua_parameter(lua_State *L, int params, const pl_node *literal, pl_slot *out);

#endif
