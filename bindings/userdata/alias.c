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

enum { VALUE_MODEL = 1, VALUE_ATTRS, VALUE_SOURCE, VALUE_ARENA, VALUE_FAMILY };
enum { MAX_FAMILY = 64 };

plua_alias *plua_test_alias(lua_State *L, int idx) {
    return plua_test(L, idx, PLUA_ALIAS);
}

/* An alias whose entity has the columns of mappers below as well. */
static plua_alias *push_alias(lua_State *L, int model, int source, pl_mapper **below,
                              size_t n) {
    model = lua_absindex(L, model);
    source = lua_absindex(L, source);
    const plua_model *m = plua_test_model(L, model);
    plua_alias *alias = lua_newuserdatauv(L, sizeof *alias, VALUE_FAMILY);
    *alias = (plua_alias){.mapper = m->mapper, .source = lua_touserdata(L, source)};
    luaL_setmetatable(L, PLUA_ALIAS);
    lua_pushvalue(L, model);
    lua_setiuservalue(L, -2, VALUE_MODEL);
    lua_newtable(L);
    lua_setiuservalue(L, -2, VALUE_ATTRS);
    lua_pushvalue(L, source);
    lua_setiuservalue(L, -2, VALUE_SOURCE);
    pl_arena *a = plua_arena(L);
    alias->entity = pl_mapper_family(a, m->mapper, below, n, alias->source, false);
    if (!alias->entity)
        plua_nomem(L);
    lua_setiuservalue(L, -2, VALUE_ARENA);
    return alias;
}

plua_alias *plua_push_alias(lua_State *L, int model, int source) {
    return push_alias(L, model, source, NULL, 0);
}

/* Pushes SELECT of all columns of a mapper over several tables, and of those below. */
static void push_joined_select(lua_State *L, const plua_model *model, pl_mapper **below,
                               size_t nbelow) {
    pl_arena *a = plua_arena(L);
    pl_node *entity = pl_mapper_family(a, model->mapper, below, nbelow, NULL, true);
    pl_node *from = pl_mapper_family_from(a, model->mapper, below, nbelow);
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
    const char *name = lua_isnoneornil(L, 2) ? NULL : plua_need_string(L, 2, &len);
    if (model->mapper->ntables > 1) {
        push_joined_select(L, model, NULL, 0);
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

/* Brings aliased{User, sub} and aliased{User, name = "u"} to aliased(User, sub or name).
 */
static void unpack_options(lua_State *L) {
    static const char *const keys[] = {"alias", "name"};
    if (!lua_istable(L, 1))
        return;
    lua_rawgeti(L, 1, 1);
    lua_rawgeti(L, 1, 2);
    for (size_t i = 0; i < sizeof keys / sizeof *keys && lua_isnil(L, -1); i++) {
        lua_pop(L, 1);
        lua_getfield(L, 1, keys[i]);
    }
    lua_remove(L, 1);
}

/* A table or subquery, not a model, under another name. */
static int alias_of_source(lua_State *L) {
    plua_from f;
    size_t len = 0;
    if (!plua_test_from(L, 1, &f))
        plua_raise(L, PL_EARGUMENT, "aliased expects a model, table or subquery, got %s",
                   plua_typename(L, 1));
    const char *name = lua_isnil(L, 2) ? NULL : plua_need_string(L, 2, &len);
    plua_push_derived(L, -1, name, len);
    return 1;
}

/*** A model under another name, for joining it with itself; or a model read from a
subquery. Of a table or a subquery alone it is db.alias.
@function db.aliased
@param model
@param[opt] name a name, or a subquery or CTE with the model's columns
@treturn Alias */
static int db_aliased(lua_State *L) {
    lua_settop(L, lua_istable(L, 1) ? 1 : 2);
    unpack_options(L);
    const plua_model *model = plua_test_model(L, 1);
    if (!model)
        return alias_of_source(L);
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

/* ---- a model with its subclasses ---- */

static size_t all_below(pl_mapper *m, pl_mapper **out, size_t n) {
    for (size_t i = 0; i < m->nchildren && n < MAX_FAMILY; i++) {
        out[n++] = m->children[i];
        n = all_below(m->children[i], out, n);
    }
    return n;
}

/* The models that the list or "*" at idx names; each must inherit from m. */
static size_t read_family(lua_State *L, int idx, pl_mapper *m, pl_mapper **out) {
    const char *word = lua_type(L, idx) == LUA_TSTRING ? lua_tostring(L, idx) : NULL;
    if (word && strcmp(word, "*") == 0)
        return all_below(m, out, 0);
    if (lua_type(L, idx) != LUA_TTABLE)
        plua_raise_hint(L, PL_EARGUMENT, "db.with_polymorphic(Base, {Derived, ...})",
                        "with_polymorphic expects a list of models or \"*\", got %s",
                        plua_typename(L, idx));
    size_t n = 0, count = lua_rawlen(L, idx);
    for (size_t i = 1; i <= count && n < MAX_FAMILY; i++) {
        lua_rawgeti(L, idx, (lua_Integer)i);
        const plua_model *model = plua_test_model(L, -1);
        if (!model || !pl_mapper_is(model->mapper, m))
            plua_raise(L, PL_EARGUMENT, "with_polymorphic: %s does not inherit from %s",
                       model ? model->mapper->name : plua_typename(L, -1), m->name);
        if (model->mapper != m)
            out[n++] = model->mapper;
        lua_pop(L, 1);
    }
    return n;
}

/*** A model read together with models that inherit from it, in one statement. Attributes
of those are reached by the model's name: p.Engineer.language.
@function db.with_polymorphic
@param model
@param models a list of models, or "*" for all that inherit from it
@string[opt] name
@treturn Alias */
static int db_with_polymorphic(lua_State *L) {
    const plua_model *model = plua_test_model(L, 1);
    pl_mapper *below[MAX_FAMILY];
    lua_settop(L, 3);
    if (!model)
        plua_raise(L, PL_EARGUMENT, "with_polymorphic expects a model, got %s",
                   plua_typename(L, 1));
    plua_configure(L, model->db);
    size_t n = read_family(L, 2, model->mapper, below), len = 0;
    const char *name = lua_isnil(L, 3) ? NULL : plua_need_string(L, 3, &len);
    push_joined_select(L, model, below, n);
    pl_node *source = lua_touserdata(L, 4);
    source->text = name;
    source->len = (uint32_t)len;
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, 4, 2);
    push_alias(L, 1, 4, below, n);
    lua_createtable(L, 0, (int)n);
    for (size_t i = 0; i < n; i++) {
        plua_push_model(L, below[i]);
        plua_push_alias(L, -1, 4);
        lua_setfield(L, 6, below[i]->name);
        lua_settop(L, 6);
    }
    lua_setiuservalue(L, 5, VALUE_FAMILY);
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
    if (lua_getiuservalue(L, 1, VALUE_FAMILY) == LUA_TTABLE) {
        lua_pushvalue(L, 2);
        if (lua_rawget(L, -2) != LUA_TNIL)
            return 1;
    }
    lua_settop(L, 3);
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
    static const luaL_Reg constructors[] = {
        {"aliased", db_aliased}, {"with_polymorphic", db_with_polymorphic}, {NULL, NULL}};
    plua_class(L, PLUA_ALIAS, meta, NULL);
    lua_pop(L, 1);
    luaL_newlib(L, constructors);
    return 1;
}
