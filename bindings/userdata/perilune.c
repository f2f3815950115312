/* SPDX-License-Identifier: MIT */
/*
** perilune.c - opening the module.
**
** Opens every class, gathers the constructors into the namespace that all db objects
** share, and hands the rest to lua/perilune/init.lua. Opening twice in one state (as test
** runners do) gives a new module table over the same classes and runtime.
*/
#include "core/base/error.h"
#include "core/base/utf8.h"
#include "pl_lua.h"
#include "userdata/collection.h"
#include "userdata/compiled.h"
#include "userdata/create.h"
#include "userdata/cursor.h"
#include "userdata/decimal.h"
#include "userdata/dynamic.h"
#include "userdata/expression.h"
#include "userdata/from.h"
#include "userdata/history.h"
#include "userdata/hooks.h"
#include "userdata/alias.h"
#include "userdata/inspect.h"
#include "userdata/merge.h"
#include "userdata/json.h"
#include "userdata/model.h"
#include "userdata/null.h"
#include "userdata/option.h"
#include "userdata/query.h"
#include "userdata/relattr.h"
#include "userdata/row.h"
#include "userdata/schema.h"
#include "userdata/session.h"
#include "userdata/sources.h"
#include "userdata/sql.h"
#include "userdata/statement.h"
#include "userdata/system.h"
#include "userdata/temporal.h"

/* ---- error objects -------------------------------------------------------------------
 */

static int error_tostring(lua_State *L) {
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    static const char *const parts[][2] = {
        {"where", "%s: "}, {"name", "%s: "}, {"message", "%s"}, {"hint", " (%s)"}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (lua_getfield(L, 1, parts[i][0]) == LUA_TSTRING) {
            lua_pushfstring(L, parts[i][1], lua_tostring(L, -1));
            lua_remove(L, -2);
            luaL_addvalue(&b);
        } else {
            lua_pop(L, 1);
        }
    }
    luaL_pushresult(&b);
    return 1;
}

/* err:is "DatabaseError" */
static int error_is(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_getfield(L, 1, "name");
    const char *name = lua_tostring(L, -1);
    pl_code base = pl_code_named(luaL_checkstring(L, 2));
    lua_pushboolean(L, name && base != PL_OK && pl_code_is(pl_code_named(name), base));
    return 1;
}

static void open_errors(lua_State *L) {
    static const luaL_Reg meta[] = {{"__tostring", error_tostring}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"is", error_is}, {NULL, NULL}};
    plua_class(L, PLUA_ERROR, meta, methods);
    lua_pop(L, 1);
}

/* core.raise(name, message, hint, fields): raises an error object. */
static int core_raise(lua_State *L) {
    pl_code code = pl_code_named(luaL_checkstring(L, 1));
    const char *message = luaL_checkstring(L, 2);
    const char *hint = luaL_optstring(L, 3, NULL);
    if (code == PL_OK)
        plua_raise(L, PL_EARGUMENT, "there is no error class '%s'", lua_tostring(L, 1));
    if (hint)
        plua_raise_hint(L, code, hint, "%s", message);
    plua_raise(L, code, "%s", message);
}

/* core.nearest(name, {names}): the likely meant one, or nil. */
static int core_nearest(lua_State *L) {
    enum { MAX = 512 };
    const char *names[MAX];
    const char *name = luaL_checkstring(L, 1);
    size_t n = 0;
    luaL_checktype(L, 2, LUA_TTABLE);
    size_t count = lua_rawlen(L, 2);
    for (size_t i = 1; i <= count && n < MAX - 1; i++) {
        if (lua_rawgeti(L, 2, (lua_Integer)i) == LUA_TSTRING)
            names[n++] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    names[n] = NULL;
    lua_pushstring(L, pl_nearest(name, names));
    return 1;
}

static int core_shared(lua_State *L) {
    plua_shared(L);
    return 1;
}

/* core.sequence(): a number that grows, for the order of declarations. */
static int core_sequence(lua_State *L) {
    lua_pushinteger(L, ++plua_rt(L)->sequence);
    return 1;
}

static int core_is_node(lua_State *L) {
    lua_pushboolean(L, plua_tonode(L, 1) != NULL);
    return 1;
}

static int core_is_instance(lua_State *L) {
    lua_pushboolean(L, plua_test_instance(L, 1) != NULL);
    return 1;
}

/* core.class(value): the name of its class, "perilune.X" if ours; nil of a plain value.
 */
static int core_class(lua_State *L) {
    luaL_checkany(L, 1);
    int type = lua_type(L, 1);
    if (type != LUA_TUSERDATA && type != LUA_TTABLE)
        return 0;
    return luaL_getmetafield(L, 1, "__name") == LUA_TSTRING ? 1 : 0;
}

/* core.mark_search(condition): `id IN (SELECT rowid ...)` is a search of a full-text
** index, which the compiler may write as a join. Only for a condition just made. */
static int core_mark_search(lua_State *L) {
    pl_node *n = plua_tonode(L, 1);
    if (!n || n->kind != PL_N_IN)
        plua_raise(L, PL_EARGUMENT, "a condition with in_ expected, got %s",
                   plua_typename(L, 1));
    n->flags |= PL_NF_SEARCH;
    lua_settop(L, 1);
    return 1;
}

/* core.inline_sql(expression): its text with literals written out, for DDL. */
static int core_inline(lua_State *L) {
    pl_node *n = plua_tonode(L, 1);
    if (!n)
        plua_raise(L, PL_EARGUMENT, "an SQL expression expected, got %s",
                   plua_typename(L, 1));
    plua_push_inline(L, n);
    return 1;
}

/* core.class_methods(name): the table of a class's methods, to add to. */
static int core_class_methods(lua_State *L) {
    luaL_getmetatable(L, luaL_checkstring(L, 1));
    lua_getfield(L, -1, "__index");
    if (lua_istable(L, -1))
        return 1;
    if (!lua_iscfunction(L, -1) || !lua_getupvalue(L, -1, 1) || !lua_istable(L, -1))
        plua_raise(L, PL_EARGUMENT, "class '%s' has no methods", lua_tostring(L, 1));
    return 1;
}

/* core.model_of(instance) */
static int core_model_of(lua_State *L) {
    plua_push_model(L, plua_check_instance(L, 1)->mapper);
    return 1;
}

/* core.attribute_of(User.name or User.posts): the model and the attribute's name, or nil.
 */
static int core_attribute_of(lua_State *L) {
    const plua_relattr *r = plua_test_relattr(L, 1);
    const pl_node *n = r ? NULL : plua_tonode(L, 1);
    if (r) {
        plua_push_model(L, r->mapper);
        lua_pushstring(L, r->relation->name);
        return 2;
    }
    if (!n || n->kind != PL_N_COLUMN || !n->ref)
        return 0;
    lua_getiuservalue(L, 1, (int)n->nkids + 1);
    pl_mapper *m = plua_tomapper(L, -1, NULL);
    uint16_t slot = m ? pl_mapper_column_slot(m, n->ref) : PL_NO_SLOT;
    if (slot == PL_NO_SLOT)
        return 0;
    lua_pushstring(L, m->attrs[slot].name);
    return 2;
}

/* core.query_db(statement): the db whose tables it names. */
static int core_query_db(lua_State *L) {
    pl_node *n = plua_tonode(L, 1);
    plua_db *db = n ? plua_statement_db(n) : NULL;
    if (!db)
        plua_raise_hint(L, PL_EUNBOUND, "run it by db.session:execute(statement)",
                        "this statement names no table, so its database is not known");
    plua_push_db(L, db);
    return 1;
}

/* core.column_info(expression): table and column name of a plain column, else nil. */
static int core_column_info(lua_State *L) {
    const pl_node *n = plua_tonode(L, 1);
    const pl_column *c = n && n->kind == PL_N_COLUMN ? n->ref : NULL;
    if (!c || !c->table)
        return 0;
    lua_pushstring(L, c->table->name);
    lua_pushstring(L, c->name);
    return 2;
}

/* Whether the columns in an expression are those of the table; a subquery's may be any.
 */
static bool names_only(const pl_node *n, const pl_table *t) {
    if (!n)
        return true;
    const pl_column *c = n->kind == PL_N_COLUMN ? n->ref : NULL;
    if (pl_node_is_statement(n) || (n->kind == PL_N_COLUMN && (!c || c->table != t)))
        return false;
    for (uint32_t i = 0; i < n->nkids; i++) {
        if (!names_only(n->kids[i], t))
            return false;
    }
    return true;
}

/* core.names_only(expression, table): whether it names columns of that table only. */
static int core_names_only(lua_State *L) {
    const plua_table *t = plua_check_table(L, 2);
    lua_pushboolean(L, names_only(plua_tonode(L, 1), t->t));
    return 1;
}

/* The table of the first column in an expression, or NULL. */
static pl_table *table_of(const pl_node *n) {
    const pl_column *c = n && n->kind == PL_N_COLUMN ? n->ref : NULL;
    pl_table *t = c ? c->table : NULL;
    for (uint32_t i = 0; n && !t && !pl_node_is_statement(n) && i < n->nkids; i++)
        t = table_of(n->kids[i]);
    return t;
}

/* core.table_of(expression): the table whose columns it names, or nil. */
static int core_table_of(lua_State *L) {
    pl_table *t = table_of(plua_tonode(L, 1));
    if (!t)
        return 0;
    plua_push_table(L, t);
    return 1;
}

static int core_open_results(lua_State *L) {
    lua_pushinteger(L, plua_rt(L)->open_results);
    return 1;
}

static const luaL_Reg core_functions[] = {
    {"raise", core_raise},
    {"nearest", core_nearest},
    {"shared", core_shared},
    {"sequence", core_sequence},
    {"is_node", core_is_node},
    {"is_instance", core_is_instance},
    {"class", core_class},
    {"inline_sql", core_inline},
    {"mark_search", core_mark_search},
    {"open_results", core_open_results},
    {"class_methods", core_class_methods},
    {"column_info", core_column_info},
    {"names_only", core_names_only},
    {"table_of", core_table_of},
    {"query_db", core_query_db},
    {"model_of", core_model_of},
    {"attribute_of", core_attribute_of},
    {"select_for", plua_select_for},
    {"compiled_counts", plua_compiled_counts},
    {NULL, NULL},
};

/* ---- opening -------------------------------------------------------------------------
 */

/* Moves the fields of the table on top into the table at idx. [-1, +0] */
static void merge(lua_State *L, int idx) {
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, idx);
    }
    lua_pop(L, 1);
}

/* Classes whose tables are constructors for the namespace. */
static void open_namespace(lua_State *L, int idx) {
    static const lua_CFunction openers[] = {
        plua_open_temporal,  plua_open_decimal,   plua_open_json,    plua_open_expression,
        plua_open_functions, plua_open_construct, plua_open_from,    plua_open_alias,
        plua_open_option,    plua_open_query,     plua_open_derived, plua_open_relattr,
        plua_open_statement};
    for (size_t i = 0; i < sizeof openers / sizeof *openers; i++) {
        openers[i](L);
        merge(L, idx);
    }
    plua_push_null(L);
    lua_setfield(L, idx, "null");
}

/* Classes whose tables are for our own Lua files only. */
static void open_core(lua_State *L, int idx) {
    static const lua_CFunction openers[] = {
        plua_open_session, plua_open_transaction, plua_open_collection,
        plua_open_cursor,  plua_open_row,         plua_open_database,
        plua_open_hooks,   plua_open_schema,      plua_open_model,
        plua_open_create,  plua_open_inspect,     plua_open_system,
        plua_open_merge,   plua_open_history,     plua_open_live,
        plua_open_dynamic};
    luaL_setfuncs(L, core_functions, 0);
    for (size_t i = 0; i < sizeof openers / sizeof *openers; i++) {
        openers[i](L);
        merge(L, idx);
    }
}

int luaopen_perilune(lua_State *L) {
    luaL_checkversion(L);
    plua_preload_sources(L);
    lua_settop(L, 0);
    open_errors(L);
    lua_newtable(L);
    open_core(L, 1);
    plua_shared(L);
    lua_getfield(L, 2, "namespace");
    open_namespace(L, 3);
    lua_setfield(L, 1, "namespace");
    lua_settop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, 1, "module");
    lua_pushliteral(L, PERILUNE_VERSION);
    lua_setfield(L, 1, "version");
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "perilune.core");
    for (const struct plua_source *s = plua_sources; s->name; s++) {
        lua_pushnil(L);
        lua_setfield(L, -2, s->name);
    }
    lua_pop(L, 1);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "perilune.init");
    lua_call(L, 1, 0);
    lua_settop(L, 2);
    return 1;
}
