/* SPDX-License-Identifier: MIT */
/*
** statement.h - db.insert, db.update, db.delete and db.text.
*/
#ifndef PLUA_STATEMENT_H
#define PLUA_STATEMENT_H

#include "userdata/node.h"

/*
** Pushes the statement at `stmt` (UPDATE chain) with a SET of the values in the table at
** `values`: attribute names, column names or column expressions to values or expressions,
** and onupdate values of columns not named. [-0, +1, v]
*/
pl_node *plua_set_values(lua_State *L, int stmt, int values);

/* Pushes an UPDATE or DELETE head over the model, alias or table at idx. [-0, +1, v] */
pl_node *plua_change_head(lua_State *L, pl_node_kind kind, int idx);

/* `ext` of a RETURNING clause: it has no items, but types by name for what the text above
** it returns. */
enum { PLUA_NAMED_TYPES = 1 };

/* The type that the statement at idx says for a column of that name, or NULL; it lives as
** long as the statement. [-0, +0, m] */
const pl_type *plua_text_type(lua_State *L, int idx, const char *name);

/* Methods of db.text(...), and its constructor. */
extern const luaL_Reg plua_text_methods[];
int plua_open_text(lua_State *L);

int plua_open_statement(lua_State *L);

#endif
