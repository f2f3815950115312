/* SPDX-License-Identifier: MIT */
/*
** values.c - db.values(names, rows, name): rows of the script as something to read from.
*/
#include "userdata/expression.h"
#include "userdata/from.h"

#include <string.h>

/* Brings values{names, rows, name = "v"} to values(names, rows, "v"). */
static void normalize(lua_State *L) {
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TTABLE)
        return;
    lua_rawgeti(L, 1, 1);
    lua_rawgeti(L, 1, 2);
    lua_getfield(L, 1, "name");
    lua_remove(L, 1);
}

/* Carves the names of the columns from the list at 1, names or db.column(name, type);
** what they are made of stays in that list's copy, which is pushed. */
static pl_node *carve_names(lua_State *L, uint32_t n, void **space) {
    pl_node *names = plua_carve(space, PL_N_TUPLE, n);
    lua_createtable(L, (int)n, 0);
    for (uint32_t i = 0; i < n; i++) {
        size_t len;
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        const pl_node *column = plua_tonode_of(L, -1, PLUA_IS_EXPRESSION);
        if (!column || column->kind != PL_N_IDENT) {
            column = NULL;
            plua_check_name(L, -1, false, "name of a column", &len);
        }
        names->kids[i] = plua_carve(space, PL_N_IDENT, 0);
        names->kids[i]->text = column ? column->text : lua_tostring(L, -1);
        names->kids[i]->len = column ? column->len : (uint32_t)len;
        names->kids[i]->type = column ? column->type : NULL;
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return names;
}

/* Carves the row on top of the stack; what owns its values goes into the table at kept.
 */
static pl_node *carve_values(lua_State *L, const pl_node *names, int kept, void **space) {
    uint32_t n = names->nkids;
    int row = lua_gettop(L);
    if (lua_type(L, row) != LUA_TTABLE)
        plua_raise(L, PL_EARGUMENT, "a row of db.values must be a table, got %s",
                   plua_typename(L, row));
    pl_node *tuple = plua_carve(space, PL_N_TUPLE, n);
    for (uint32_t i = 0; i < n; i++) {
        lua_rawgeti(L, row, (lua_Integer)i + 1);
        tuple->kids[i] = plua_operand(L, row + 1);
        if (!tuple->kids[i]) {
            tuple->kids[i] = plua_carve(space, PL_N_LITERAL, 0);
            plua_fill_literal(L, row + 1, names->kids[i]->type, NULL, tuple->kids[i]);
        }
        lua_rawseti(L, kept, (lua_Integer)lua_rawlen(L, kept) + 1);
    }
    return tuple;
}

/*** Rows as something to read from: db.values({"id", "name"}, {{1, "a"}, {2, "b"}}, "v").
@function db.values
@tab names a list of names, or of db.column(name, type)
@tab rows
@string[opt] name
@treturn From */
static int db_values(lua_State *L) {
    normalize(L);
    lua_settop(L, 3);
    plua_need_table(L, 1);
    plua_need_table(L, 2);
    size_t len = 0;
    const char *name = lua_isnil(L, 3) ? NULL : plua_need_string(L, 3, &len);
    uint32_t n = (uint32_t)lua_rawlen(L, 1), rows = (uint32_t)lua_rawlen(L, 2);
    if (n == 0 || rows == 0 || rows > 30000)
        plua_raise(L, PL_EARGUMENT, "db.values expects names of columns and rows");
    size_t each = pl_node_size(n) + n * pl_node_size(0);
    pl_node *v =
        plua_node_block(L, PLUA_FROM, PL_N_VALUES, rows + 1, (rows + 1) * each, 3);
    void *space = plua_node_extra(v);
    v->text = name;
    v->len = (uint32_t)len;
    v->kids[0] = carve_names(L, n, &space);
    lua_setiuservalue(L, 4, 1);
    lua_createtable(L, (int)(n * rows), 0);
    for (uint32_t i = 1; i <= rows; i++) {
        lua_rawgeti(L, 2, i);
        v->kids[i] = carve_values(L, v->kids[0], 5, &space);
        lua_settop(L, 5);
    }
    lua_setiuservalue(L, 4, 2);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, 4, 3);
    return 1;
}

int plua_open_values(lua_State *L) {
    static const luaL_Reg constructors[] = {{"values", db_values}, {NULL, NULL}};
    luaL_newlib(L, constructors);
    return 1;
}
