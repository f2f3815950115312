/* SPDX-License-Identifier: MIT */
/*
** sql.h - a statement as text, for people: statement:sql() and tostring.
*/
#ifndef PLUA_SQL_H
#define PLUA_SQL_H

#include "userdata/node.h"

/* statement:sql() -> text, list of parameters (with n). [-0, +2, v] */
int plua_statement_sql(lua_State *L);

/* __tostring of statements: their text, or class and address when they do not compile. */
int plua_statement_tostring(lua_State *L);

#endif
