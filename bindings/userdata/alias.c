/* SPDX-License-Identifier: MIT */
/*
** alias.c - db.aliased(User): the class of model aliases.
**
** An alias behaves as the model does at class level: attributes, relationships, join
** target, item of a select list. It may stand for a subquery or CTE that has the model's
** columns. A model over several tables is aliased as the subquery that joins them.
*/
#include "userdata/alias.h"
#include "userdata/clause.h"
#include "userdata/from.h"
#include "userdata/model.h"

#include <string.h>

enum { VALUE_MODEL = 1, VALUE_ATTRS, VALUE_SOURCE, VALUE_ARENA };

plua_alias *plua_test_alias(lua_State *L, int idx) {
    return plua_test(L, idx, PLUA_ALIAS);
}

plua_alias *plua_push_alias(lua_State *L, int model, int source) {
    model = lua_absindex(L, model);
    source = lua_absindex(L, source);
    const plua_model *m = plua_test_model(L, model);
    plua_alias *alias = lua_newuserdatauv(L, sizeof *alias, VALUE_ARENA);
    *alias = (plua_alias){.mapper = m->mapper, .source = lua_touserdata(L, source)};
    luaL_setmetatable(L, PLUA_ALIAS);
    lua_pushvalue(L, model);
    lua_setiuservalue(L, -2, VALUE_MODEL);
    lua_newtable(L);
    lua_setiuservalue(L, -2, VALUE_ATTRS);
    lua_pushvalue(L, source);
    lua_setiuservalue(L, -2, VALUE_SOURCE);
    pl_arena *a = plua_arena(L);
    alias->entity = pl_mapper_entity(a, m->mapper, alias->source, false);
    if (!alias->entity)
        plua_nomem(L);
    lua_setiuservalue(L, -2, VALUE_ARENA);
    return alias;
}

/* Pushes SELECT of all columns of a mapper over several tables. */
static void push_joined_select(lua_State *L, const plua_model *model) {
    pl_arena *a = plua_arena(L);
    pl_node *entity = pl_mapper_entity(a, model->mapper, NULL, true);
    pl_node *from = pl_mapper_from(a, model->mapper);
    pl_node *select = pl_node_new(a, PL_N_SELECT, 1);
    pl_node *clause = select ? pl_node_clause(a, PL_N_FROM, select, from) : NULL;
    if (!entity || !clause)
        plua_nomem(L);
    select->kids[0] = entity;
    pl_node *n = plua_node_block(L, PLUA_FROM, PL_N_ALIAS, 1, 0, 2);
    n->kids[0] = clause;
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 1);
}

/* Pushes the source of an alias of the model at 1 that is called by the string at 2. */
static void push_source(lua_State *L, const plua_model *model) {
    size_t len = 0;
    const char *name = lua_isnoneornil(L, 2) ? NULL : luaL_checklstring(L, 2, &len);
    if (model->mapper->ntables > 1) {
        push_joined_select(L, model);
        pl_node *n = lua_touserdata(L, -1);
        n->text = name;
        n->len = (uint32_t)len;
        lua_pushvalue(L, 2);
        lua_setiuservalue(L, -2, 2);
        return;
    }
    plua_from f;
    plua_push_from(L, 1, &f);
    plua_push_derived(L, -1, name, len);
    lua_remove(L, -2);
}

/*** A model under another name, for joining it with itself; or a model read from a
subquery.
@function db.aliased
@param model
@param[opt] name a name, or a subquery or CTE with the model's columns
@treturn Alias */
static int db_aliased(lua_State *L) {
    const plua_model *model = plua_test_model(L, 1);
    lua_settop(L, 2);
    if (!model)
        plua_raise_hint(L, PL_EARGUMENT, "tables and subqueries have db.alias(...)",
                        "aliased expects a model, got %s", plua_typename(L, 1));
    plua_configure(L, model->db);
    if (plua_tonode_of(L, 2, PLUA_IS_QUERY))
        plua_raise_hint(L, PL_EARGUMENT, "call :subquery() on it first",
                        "a query cannot be read from as it is");
    if (plua_tonode_of(L, 2, PLUA_IS_FROM))
        plua_push_alias(L, 1, 2);
    else
        push_source(L, model), plua_push_alias(L, 1, -1);
    return 1;
}

static int alias_index(lua_State *L) {
    if (lua_type(L, 2) != LUA_TSTRING)
        plua_raise(L, PL_EATTRIBUTE, "attributes have names, got %s",
                   luaL_typename(L, 2));
    lua_getiuservalue(L, 1, VALUE_ATTRS);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, 3) != LUA_TNIL)
        return 1;
    plua_class_attr(L, 1, 2);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_rawset(L, 3);
    return 1;
}

static int alias_tostring(lua_State *L) {
    const plua_alias *a = luaL_checkudata(L, 1, PLUA_ALIAS);
    lua_pushfstring(L, "<alias %s of %s>", a->source->text ? a->source->text : "",
                    a->mapper->name);
    return 1;
}

int plua_open_alias(lua_State *L) {
    static const luaL_Reg meta[] = {
        {"__index", alias_index}, {"__tostring", alias_tostring}, {NULL, NULL}};
    static const luaL_Reg constructors[] = {{"aliased", db_aliased}, {NULL, NULL}};
    plua_class(L, PLUA_ALIAS, meta, NULL);
    lua_pop(L, 1);
    luaL_newlib(L, constructors);
    return 1;
}
