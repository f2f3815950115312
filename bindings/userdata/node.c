/* SPDX-License-Identifier: MIT */
/*
** node.c - making nodes, telling them from other values, keeping alive what they refer
*to.
**
** Building a query is nothing but calls of plua_node_block, so this file is short of
** everything that costs: a class is found by the address of its name, a node is told by
** one raw lookup in its metatable. What the nodes mean is expression.c's and query.c's
** business; literals are in literal.c.
*/
#include "userdata/node.h"
#include "userdata/alias.h"
#include "userdata/model.h"
#include "userdata/query.h"

#include <string.h>

/* Where metatables of node classes have their bits, behind what plua_class puts there. */
enum { CLASS_BITS = 2 };

void plua_node_class(lua_State *L, const char *name, const luaL_Reg *meta,
                     const luaL_Reg *methods, int bits) {
    plua_class(L, name, meta, methods);
    lua_pushinteger(L, bits);
    lua_rawseti(L, -2, CLASS_BITS);
}

/*
** Pushes a metatable. Names of classes are constants of the program, so that their
** addresses are good keys: an integer-like lookup instead of one by string.
*/
static void push_class(lua_State *L, const char *name) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, name) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    luaL_getmetatable(L, name);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, name);
}

pl_node *plua_node_block(lua_State *L, const char *class, pl_node_kind kind,
                         uint32_t nkids, size_t extra, int values) {
    size_t size = pl_node_size(nkids) + extra;
    pl_node *n = lua_newuserdatauv(L, size, values);
    memset(n, 0, size);
    pl_node_init(n, kind, nkids);
    if (class) {
        push_class(L, class);
        lua_setmetatable(L, -2);
    }
    return n;
}

pl_node *plua_node(lua_State *L, const char *class, pl_node_kind kind, uint32_t nkids,
                   const char *s, size_t len) {
    if (nkids >= 0xfffe)
        plua_raise(L, PL_EARGUMENT, "too many items in one clause (%d)", (int)nkids);
    pl_node *n = plua_node_block(L, class, kind, nkids, s ? len + 1 : 0, (int)nkids + 1);
    if (s) {
        memcpy(plua_node_extra(n), s, len);
        n->text = plua_node_extra(n);
        n->len = (uint32_t)len;
    }
    return n;
}

void plua_kid(lua_State *L, int node, uint32_t i, int kid) {
    pl_node *n = lua_touserdata(L, node);
    node = lua_absindex(L, node);
    n->kids[i] = lua_touserdata(L, kid);
    lua_pushvalue(L, kid);
    lua_setiuservalue(L, node, (int)i + 1);
}

void plua_node_owner(lua_State *L, int node, int owner) {
    const pl_node *n = lua_touserdata(L, node);
    node = lua_absindex(L, node);
    lua_pushvalue(L, owner);
    lua_setiuservalue(L, node, (int)n->nkids + 1);
}

pl_node *plua_tonode_of(lua_State *L, int idx, int bits) {
    if (lua_type(L, idx) != LUA_TUSERDATA || !lua_getmetatable(L, idx))
        return NULL;
    lua_rawgeti(L, -1, CLASS_BITS);
    lua_Integer has = lua_tointeger(L, -1);
    lua_pop(L, 2);
    return has & bits ? lua_touserdata(L, idx) : NULL;
}

pl_node *plua_tonode(lua_State *L, int idx) {
    return plua_tonode_of(L, idx, ~0);
}

pl_node *plua_self(lua_State *L, int bits, const char *class, const char *method) {
    pl_node *n = plua_tonode_of(L, 1, bits);
    return n ? n : plua_checkself(L, class, method);
}

/* ---- values as expressions ---- */

/* Replaces the value at idx (a model or alias) by an ENTITY node that shares its kids. */
static pl_node *entity_expr(lua_State *L, int idx, const pl_node *entity) {
    pl_node *n = plua_node_block(L, PLUA_EXPRESSION, PL_N_ENTITY, entity->nkids, 0, 1);
    n->ref = entity->ref;
    memcpy(n->kids, entity->kids, entity->nkids * sizeof n->kids[0]);
    lua_pushvalue(L, idx);
    lua_setiuservalue(L, -2, 1);
    lua_replace(L, idx);
    return n;
}

/* Type of the only column of a query, for the scalar subquery made of it. */
static const pl_type *scalar_type(const pl_node *stmt) {
    while (stmt->nkids > 0 && stmt->kind != PL_N_SELECT)
        stmt = stmt->kids[0];
    return stmt->kind == PL_N_SELECT && stmt->nkids > 0 ? stmt->kids[0]->type : NULL;
}

static pl_node *scalar_expr(lua_State *L, int idx, const pl_node *stmt) {
    pl_node *n = plua_node(L, PLUA_EXPRESSION, PL_N_SCALAR, 1, NULL, 0);
    n->type = scalar_type(stmt);
    plua_kid(L, -1, 0, idx);
    lua_replace(L, idx);
    return n;
}

static pl_node *object_expr(lua_State *L, int idx) {
    const plua_model *model = plua_test_model(L, idx);
    if (model)
        return entity_expr(L, idx, model->entity);
    const plua_alias *alias = plua_test_alias(L, idx);
    return alias ? entity_expr(L, idx, alias->entity) : NULL;
}

pl_node *plua_toexpr(lua_State *L, int idx, const pl_type *hint) {
    idx = lua_absindex(L, idx);
    pl_node *n = plua_tonode(L, idx);
    if (n && plua_tonode_of(L, idx, PLUA_IS_QUERY))
        return scalar_expr(L, idx, n);
    if (n)
        return n;
    if (lua_type(L, idx) == LUA_TUSERDATA && (n = object_expr(L, idx)))
        return n;
    n = plua_literal(L, idx, hint);
    lua_replace(L, idx);
    return n;
}

/* Why a value is no condition, and what to write instead. */
static __attribute__((noreturn)) void condition_error(lua_State *L, int idx) {
    switch (lua_type(L, idx)) {
    case LUA_TBOOLEAN:
        plua_raise_hint(L, PL_EARGUMENT,
                        "Lua turns == and < into a boolean before the query sees it: "
                        "write User.name:eq(\"x\") or User.age:lt(18); "
                        "db.true_() and db.false_() are SQL's constants",
                        "a condition was expected, got the boolean %s",
                        lua_toboolean(L, idx) ? "true" : "false");
    case LUA_TNIL:
    case LUA_TNONE:
        plua_raise_hint(L, PL_EARGUMENT,
                        "a misspelled variable or field gives nil; "
                        "column:eq(nil) tests for NULL",
                        "a condition was expected, got nil");
    case LUA_TSTRING:
        plua_raise_hint(L, PL_EARGUMENT, "write db.text(\"...\") for SQL text",
                        "Textual SQL expression '%s' should be explicitly declared as "
                        "db.text('%s')",
                        lua_tostring(L, idx), lua_tostring(L, idx));
    default:
        plua_raise_hint(L, PL_ETYPE,
                        "conditions are made by methods of columns: User.name:eq(\"x\")",
                        "a condition was expected, got %s", plua_typename(L, idx));
    }
}

pl_node *plua_tocondition(lua_State *L, int idx) {
    pl_node *n = plua_tonode_of(L, idx, PLUA_IS_EXPRESSION | PLUA_IS_STATEMENT);
    if (n && (n->kind == PL_N_ORDER || n->kind >= PL_N_ENTITY))
        n = NULL;
    if (n)
        return n;
    if (plua_tonode_of(L, idx, PLUA_IS_QUERY))
        return plua_toexpr(L, idx, NULL);
    condition_error(L, idx);
}

pl_node *plua_column_node(lua_State *L, const pl_column *c, const pl_type *type,
                          int source, int owner) {
    owner = lua_absindex(L, owner);
    if (source)
        source = lua_absindex(L, source);
    pl_node *n = plua_node_block(L, plua_column_class(type), PL_N_COLUMN, source ? 1 : 0,
                                 0, source ? 2 : 1);
    n->ref = c;
    n->type = type;
    if (source)
        plua_kid(L, -1, 0, source);
    plua_node_owner(L, -1, owner);
    return n;
}

pl_mapper *plua_noted_mapper(const pl_node *n) {
    const pl_column *c = n->kind == PL_N_COLUMN ? n->ref : NULL;
    const pl_table *t = n->kind == PL_N_INSERT ? n->ref : c ? c->table : NULL;
    if (!t || n->ext == 0)
        return NULL;
    const plua_db *db = plua_db_of(t->metadata);
    const pl_vec *all = db ? &db->registry.mappers : NULL;
    for (size_t i = all ? all->n : 0; i > 0; i--) {
        pl_mapper *m = all->v[i - 1];
        if (m->position == (int)n->ext - 1)
            return m;
    }
    return NULL;
}

const char *plua_node_name(lua_State *L, const pl_node *n) {
    const pl_column *c = n && n->kind == PL_N_COLUMN ? n->ref : NULL;
    if (n && n->kind == PL_N_LABEL)
        return lua_pushlstring(L, n->text, n->len);
    if (n && n->kind == PL_N_COLUMN && !c)
        return lua_pushlstring(L, n->text, n->len);
    if (!c)
        return lua_pushliteral(L, "value");
    const pl_mapper *m = plua_noted_mapper(n);
    if (!m)
        m = c->table ? plua_table_mapper(c->table) : NULL;
    uint16_t slot = m ? pl_mapper_column_slot(m, c) : PL_NO_SLOT;
    if (slot != PL_NO_SLOT && m->attrs[slot].label)
        return lua_pushstring(L, m->attrs[slot].label);
    return lua_pushfstring(L, "%s.%s", c->table ? c->table->name : "?", c->name);
}
