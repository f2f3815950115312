/* SPDX-License-Identifier: MIT */
/*
** node.h - nodes of the core as Lua values.
**
** A node is one userdata: the pl_node block with its text behind it; user value i keeps
** kid i alive, one more keeps what `ref` belongs to. The metatable tells what methods it
** has: PLUA_EXPRESSION, PLUA_QUERY, PLUA_STATEMENT, PLUA_FROM ...
*/
#ifndef PLUA_NODE_H
#define PLUA_NODE_H

#include "core/sql/node.h"
#include "userdata/glue.h"

/*
** Pushes a node of a class with room for kids and `extra` bytes of text (copied from s,
** which may be NULL). Kids are NULL until plua_kid. [-0, +1, m]
*/
pl_node *plua_node(lua_State *L, const char *class, pl_node_kind kind, uint32_t nkids,
                   const char *s, size_t len);

/* Sets kid i (from 0) of the node at `node` to the node at `kid`. [-0, +0, -] */
void plua_kid(lua_State *L, int node, uint32_t i, int kid);

/* Keeps the value at `owner` alive as long as the node. [-0, +0, -] */
void plua_node_owner(lua_State *L, int node, int owner);

/* The node at idx when it is one of any class that is a node, else NULL. [-0, +0, -] */
pl_node *plua_tonode(lua_State *L, int idx);

/*
** Turns the value at idx into an expression in place: nodes stay, models and aliases
*become
** entities, other values become literals of `hint`'s type (or their own). [-0, +0, v]
*/
pl_node *plua_toexpr(lua_State *L, int idx, const pl_type *hint);

/* A condition for where/having/on: as plua_toexpr, but a boolean, nil or plain value
 *raises
 ** and says why. [-0, +0, v] */
pl_node *plua_tocondition(lua_State *L, int idx);

/* Pushes a literal node for the value at idx. [-0, +1, v] */
pl_node *plua_literal(lua_State *L, int idx, const pl_type *type);

/* Pushes a column node; `owner` (stack index) is kept alive, `source` may be 0. [-0, +1,
 * m] */
pl_node *plua_column_node(lua_State *L, const pl_column *c, const pl_type *type,
                          int source, int owner);

#endif
