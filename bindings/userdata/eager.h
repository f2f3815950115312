/* SPDX-License-Identifier: MIT */
/*
** eager.h - loading relationships with a query: what the models' `lazy` and the query's
** options ask for.
*/
#ifndef PLUA_EAGER_H
#define PLUA_EAGER_H

#include "userdata/materialize.h"

typedef struct plua_eager plua_eager;

/*
** What the statement at idx wants loaded with it. Pushes what the plan lives in and the
** statement to run instead (with joins added), whose index it returns; *out is NULL and
** idx returned when there is nothing to do. [-0, +0|2, v]
*/
int plua_eager_prepare(lua_State *L, plua_session *s, int idx, plua_eager **out);

/* Prepares for the columns behind the query's own ones. [-0, +n, v] */
void plua_eager_begin(lua_State *L, plua_eager *e, plua_maker *makers, int nmakers,
                      int ncolumns);

/* A row was read; its entity is on top of the stack. [-0, +0, v] */
void plua_eager_row(lua_State *L, plua_eager *e, const pl_slot *columns);

/* Whether rows of one entity may repeat (a joined list). */
bool plua_eager_repeats(const plua_eager *e);

/* All rows are read and in the list at idx: loads what comes by queries of its own. */
void plua_eager_finish(lua_State *L, plua_eager *e, int idx);

#endif
