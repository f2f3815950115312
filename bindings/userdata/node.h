/* SPDX-License-Identifier: MIT */
/*
** node.h - nodes of the core as Lua values.
**
** A node is one userdata: the pl_node block, behind it smaller nodes and text that belong
** to it alone (the literal of a comparison, the pattern of a LIKE). User value i + 1
** keeps kid i alive, further ones keep what `ref` and texts belong to. The metatable
** tells what methods it has: PLUA_EXPRESSION, PLUA_QUERY, PLUA_STATEMENT, PLUA_FROM
** ...
**
** `ext` of a COLUMN or INSERT is the position of the mapper through which its column or
** table was named, plus one.
*/
#ifndef PLUA_NODE_H
#define PLUA_NODE_H

#include "core/sql/node.h"
#include "userdata/glue.h"

/* Expressions of type JSON: the same methods, but indexing gives a path into the value.
 */
#define PLUA_JSON "perilune.JSONExpression"

/* Columns and labels: the same methods, and fields such as name and type. */
#define PLUA_COLUMN "perilune.ColumnExpression"

/* The class of a column or label of a type (NULL: not known). */
static inline const char *plua_column_class(const pl_type *type) {
    return type && pl_type_storage(type)->kind == PL_K_JSON ? PLUA_JSON : PLUA_COLUMN;
}

/* What a class of nodes is, one bit each. */
enum {
    PLUA_IS_EXPRESSION = 1,
    PLUA_IS_QUERY = 2,
    PLUA_IS_FROM = 4,
    PLUA_IS_STATEMENT = 8,
    PLUA_IS_OPTION = 16
};

/* Registers a class whose userdata are nodes (see plua_class). [-0, +1, m] */
void plua_node_class(lua_State *L, const char *name, const luaL_Reg *meta,
                     const luaL_Reg *methods, int bits);

/*
** Pushes a node of a class with room for kids and a copy of the len bytes at s as its
** text (NULL: none). Kids are NULL until plua_kid. [-0, +1, m]
*/
pl_node *plua_node(lua_State *L, const char *class, pl_node_kind kind, uint32_t nkids,
                   const char *s, size_t len);

/*
** The same with `extra` zeroed bytes behind it, for nodes that belong to it alone, and
** `values` user values; without text. A NULL class: the caller sets the metatable.
** [-0, +1, m]
*/
pl_node *plua_node_block(lua_State *L, const char *class, pl_node_kind kind,
                         uint32_t nkids, size_t extra, int values);

/* The first of the extra bytes. */
static inline void *plua_node_extra(pl_node *n) {
    return (char *)n + pl_node_size(n->nkids);
}

/* Makes a node of n kids from extra bytes and steps over it. */
static inline pl_node *plua_carve(void **space, pl_node_kind kind, uint32_t nkids) {
    pl_node *n = *space;
    pl_node_init(n, kind, nkids);
    *space = (char *)n + pl_node_size(nkids);
    return n;
}

/* Sets kid i (from 0) of the node at `node` to the node at `kid`. [-0, +0, -] */
void plua_kid(lua_State *L, int node, uint32_t i, int kid);

/* Keeps the value at `owner` alive as long as the node. [-0, +0, -] */
void plua_node_owner(lua_State *L, int node, int owner);

/* The node at idx when it is one of any class that is a node, else NULL. [-0, +0, -] */
pl_node *plua_tonode(lua_State *L, int idx);

/* The same when it is of a class with one of the bits. [-0, +0, -] */
pl_node *plua_tonode_of(lua_State *L, int idx, int bits);

/* The node at argument 1 when it is of such a class; else raises as plua_checkself does.
** [-0, +0, v] */
pl_node *plua_self(lua_State *L, int bits, const char *class, const char *method);

/*
** Turns the value at idx into an expression in place: nodes stay, models and aliases
** become entities, queries become scalar subqueries, other values become literals of
** `hint`'s type (or their own). [-0, +0, v]
*/
pl_node *plua_toexpr(lua_State *L, int idx, const pl_type *hint);

/* A condition for where/having/on: as plua_toexpr, but a boolean, nil or plain value
** raises and says why. [-0, +0, v] */
pl_node *plua_tocondition(lua_State *L, int idx);

/* Pushes a literal node for the value at idx. [-0, +1, v] */
pl_node *plua_literal(lua_State *L, int idx, const pl_type *type);

/*
** Fills a literal node from the value at idx, as a value of `type` (NULL: its own). The
** value at idx is replaced by what owns the bytes, which the caller keeps alive when
** plua_owned says so. `beside` is the expression it is compared with, named in errors.
** [-0, +0, v]
*/
void plua_fill_literal(lua_State *L, int idx, const pl_type *type, const pl_node *beside,
                       pl_node *literal);

/* Whether the bytes of a literal's value belong to a Lua value. */
static inline bool plua_owned(const pl_node *literal) {
    return literal->value.tag >= PL_TEXT;
}

/* Pushes a column node; `owner` (stack index) is kept alive, `source` may be 0. [-0, +1,
** m] */
pl_node *plua_column_node(lua_State *L, const pl_column *c, const pl_type *type,
                          int source, int owner);

/* The mapper through which a COLUMN, or the table of an INSERT, was named; NULL when that
** is not known. */
struct pl_mapper *plua_noted_mapper(const pl_node *n);

/* Pushes the name of an expression for messages, "User.age" or "expression". [-0, +1, m]
 */
const char *plua_node_name(lua_State *L, const pl_node *n);

#endif
