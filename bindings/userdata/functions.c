/* SPDX-License-Identifier: MIT */
/*
** functions.c - db.func: any SQL function by its name.
**
** db.func.count is an object that is made once and called: it pushes a FUNC node whose
** plain arguments stand in its own block. Names are held to letters, digits and '_'
** (db.func.schema.name gives a dot), so that no text of a script becomes SQL by this way.
** The type of the result is the compiler's business, or said by type_.
*/
#include "userdata/clause.h"
#include "userdata/expression.h"
#include "userdata/from.h"
#include "userdata/model.h"
#include "userdata/schema.h"

#include <string.h>

#define PLUA_FUNCTION "perilune.Function"

enum { VALUE_NAME = 1, VALUE_FIELDS };

/* Pushes the function object of the name on top of the stack; replaces the name. */
static void push_function(lua_State *L) {
    lua_newuserdatauv(L, 0, 2);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, VALUE_NAME);
    lua_newtable(L);
    lua_setiuservalue(L, -2, VALUE_FIELDS);
    luaL_setmetatable(L, PLUA_FUNCTION);
}

/* func.name: the function, made at first use. */
static int function_index(lua_State *L) {
    lua_getiuservalue(L, 1, VALUE_FIELDS);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, 3) != LUA_TNIL)
        return 1;
    lua_settop(L, 3);
    size_t len;
    plua_check_name(L, 2, false, "name of a function", &len);
    lua_getiuservalue(L, 1, VALUE_NAME);
    if (lua_rawlen(L, 4) > 0) {
        lua_pushliteral(L, ".");
        lua_pushvalue(L, 2);
        lua_concat(L, 3);
    } else {
        lua_pushvalue(L, 2);
    }
    push_function(L);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_rawset(L, 3);
    return 1;
}

/* Takes the options table {type_ =} from the end of the arguments; gives the type. */
static const pl_type *take_options(lua_State *L, int *owner) {
    const pl_type *type = NULL;
    int top = lua_gettop(L);
    *owner = 0;
    if (top < 2 || lua_type(L, top) != LUA_TTABLE)
        return NULL;
    lua_getfield(L, top, "type_");
    if (lua_isnil(L, -1))
        plua_raise_hint(L, PL_ETYPE,
                        "arguments are values and expressions; {type_ = ...} "
                        "at the end names the type of the result",
                        "a table is no argument of an SQL function");
    type = plua_check_type(L, lua_gettop(L));
    lua_replace(L, top);
    *owner = top;
    return type;
}

/* The node of argument i, NULL for a plain value. */
static pl_node *argument(lua_State *L, int i) {
    pl_node *n = plua_operand(L, i);
    if (n && n->kind == PL_N_ORDER)
        plua_raise(L, PL_EARGUMENT, "an order is no argument of an SQL function");
    if (!n && plua_test_model(L, i))
        plua_raise_hint(L, PL_EARGUMENT, "db.func.count(User.id)",
                        "a model is no argument of an SQL function");
    return n;
}

static int function_call(lua_State *L) {
    luaL_checkudata(L, 1, PLUA_FUNCTION);
    int owner;
    const pl_type *type = take_options(L, &owner);
    int top = owner ? owner - 1 : lua_gettop(L), plain = 0;
    lua_getiuservalue(L, 1, VALUE_NAME);
    if (lua_rawlen(L, -1) == 0)
        plua_raise_hint(L, PL_ETYPE, "db.func.count(...)",
                        "db.func has the functions, it is none itself");
    int name = lua_gettop(L);
    for (int i = 2; i <= top; i++)
        plain += !argument(L, i);
    uint32_t n = (uint32_t)top - 1;
    pl_node *f = plua_node_block(L, PLUA_EXPRESSION, PL_N_FUNC, n,
                                 (size_t)plain * pl_node_size(0), top + 1);
    void *space = plua_node_extra(f);
    f->text = lua_tostring(L, name);
    f->len = (uint32_t)lua_rawlen(L, name);
    f->type = type;
    for (int i = 2; i <= top; i++)
        plua_set_operand(L, f, (uint32_t)i - 2, i, argument(L, i), NULL, NULL, &space);
    lua_pushvalue(L, name);
    lua_setiuservalue(L, -2, top);
    if (owner) {
        lua_pushvalue(L, owner);
        lua_setiuservalue(L, -2, top + 1);
    }
    return 1;
}

/*** A table-valued function as something to read from:
db.func.json_each(Item.data):table_valued("key", "value").
@function Expression:table_valued
@string column ... names of its columns
@treturn From */
static int table_valued(lua_State *L) {
    const pl_node *f = plua_self(L, PLUA_IS_EXPRESSION, PLUA_EXPRESSION, "table_valued");
    if (f->kind != PL_N_FUNC)
        plua_raise(L, PL_EARGUMENT, "only functions are table-valued");
    int top = lua_gettop(L);
    const char *name = NULL;
    size_t len = 0;
    if (top > 1 && lua_type(L, top) == LUA_TTABLE) {
        lua_getfield(L, top, "name");
        if (!lua_isnil(L, -1))
            name = plua_need_string(L, -1, &len);
        top--;
    }
    plua_node(L, PLUA_FROM, PL_N_TABLEFUNC, 1, name, len);
    plua_kid(L, -1, 0, 1);
    lua_newtable(L);
    for (int i = 2; i <= top; i++) {
        plua_need_string(L, i, NULL);
        lua_pushvalue(L, i);
        lua_pushvalue(L, i);
        lua_rawset(L, -3);
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i - 1);
    }
    lua_setiuservalue(L, -2, 2);
    return 1;
}

const luaL_Reg plua_tablefunc_methods[] = {{"table_valued", table_valued}, {NULL, NULL}};

int plua_open_functions(lua_State *L) {
    static const luaL_Reg meta[] = {
        {"__index", function_index}, {"__call", function_call}, {NULL, NULL}};
    plua_class(L, PLUA_FUNCTION, meta, NULL);
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushliteral(L, "");
    push_function(L);
    lua_setfield(L, -2, "func");
    return 1;
}
