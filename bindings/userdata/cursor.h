/* SPDX-License-Identifier: MIT */
/*
** cursor.h - a statement that is being stepped, as a value that Lua's collector can
*close.
**
** Whoever runs a statement keeps its cursor on the stack: when Lua raises, the statement
** goes back to its cache at the latest when the cursor is collected.
*/
#ifndef PLUA_CURSOR_H
#define PLUA_CURSOR_H

#include "core/sql/compile.h"
#include "userdata/session.h"

typedef struct plua_cursor {
    plua_session *s;
    pl_conn *conn;
    pl_stmt *stmt;               /* NULL when closed */
    const pl_compiled *compiled; /* kept while open; NULL for raw SQL */
    plua_runtime *rt;
    uint64_t rows;
    uint32_t life; /* the session's, when it was opened */
} plua_cursor;

/*
** Compiles the statement at `stmt` (stack index of its userdata, or 0 with `node` in
** memory of the caller's), begins the transaction, prepares, binds. `params`: stack index
** of the table of named parameters, or 0. Pushes the cursor, ready to be stepped.
** [-0, +1, v]
*/
plua_cursor *plua_cursor_open(lua_State *L, plua_session *s, int stmt, pl_node *node,
                              int params);

/* The same on a given database, which is for statements that name no table; NULL: the
** default one. */
plua_cursor *plua_cursor_open_on(lua_State *L, plua_session *s, plua_engine *e, int stmt,
                                 pl_node *node, int params);

/* The next row, or false at the end (the cursor is closed then); raises. [-0, +0, v] */
bool plua_cursor_step(lua_State *L, plua_cursor *c);

/* Closes; nothing when closed. */
void plua_cursor_close(plua_cursor *c);

/* Runs a statement to its end; the rows it changed. [-0, +0, v] */
int64_t plua_cursor_finish(lua_State *L, plua_cursor *c);

int plua_open_cursor(lua_State *L);

#endif
