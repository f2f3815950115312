/* SPDX-License-Identifier: MIT */
/*
** sql.h - a statement as text, for people: statement:sql() and tostring; and an
** expression as text, for DDL and defaults.
*/
#ifndef PLUA_SQL_H
#define PLUA_SQL_H

#include "userdata/node.h"

/* statement:sql() -> text, list of parameters (with n). [-0, +2, v] */
int plua_statement_sql(lua_State *L);

/* __tostring of statements: their text, or class and address when they do not compile. */
int plua_statement_tostring(lua_State *L);

/* Pushes the text of an expression with its literals written out. [-0, +1, v] */
const char *plua_push_inline(lua_State *L, pl_node *expr);

#endif
