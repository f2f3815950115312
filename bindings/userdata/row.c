/* SPDX-License-Identifier: MIT */
/*
** row.c - see row.h.
*/
#include "userdata/row.h"
#include "userdata/null.h"
#include "userdata/query.h"

#include <string.h>
#include <strings.h>

const pl_type *plua_decltype(pl_stmt *stmt, int i) {
    const char *decl = pl_stmt_column_decltype(stmt, i);
    if (decl && strcasecmp(decl, "BOOLEAN") == 0)
        return pl_type_plain(PL_K_BOOLEAN);
    return pl_type_plain(PL_K_ANY);
}

/* The name of item i: a label, the attribute of a column, or an entity's name. */
static const char *item_name(const plua_cursor *c, const pl_node *n, int column) {
    if (n && n->kind == PL_N_ENTITY)
        return ((const pl_mapper *)n->ref)->name;
    if (n && n->kind == PL_N_COLUMN && n->ref)
        return ((const pl_column *)n->ref)->key;
    if (c->compiled && (size_t)column < c->compiled->ncolumns &&
        c->compiled->columns[column].name)
        return c->compiled->columns[column].name;
    return pl_stmt_column_name(c->stmt, column);
}

/* Pushes the table name -> position; the list of names goes to [1..n] of it. The first of
** several items of one name has it. */
static void push_names(lua_State *L, const plua_cursor *c, int stmt, int n) {
    size_t listed = plua_statement_list(lua_touserdata(L, stmt), NULL, 0);
    pl_node **items = lua_newuserdatauv(L, (listed + 1) * sizeof(pl_node *), 0);
    plua_statement_list(lua_touserdata(L, stmt), items, listed);
    int column = 0;
    lua_createtable(L, n, n);
    for (int i = 1; i <= n; i++) {
        const pl_node *item = (size_t)i <= listed ? items[i - 1] : NULL;
        const char *name = item_name(c, item, column);
        lua_pushstring(L, name ? name : "?");
        lua_rawseti(L, -2, i);
        column += item && item->kind == PL_N_ENTITY ? (int)item->nkids : 1;
    }
    for (int i = n; i >= 1; i--) {
        lua_rawgeti(L, -1, i);
        lua_pushinteger(L, i);
        lua_rawset(L, -3);
    }
    lua_remove(L, -2);
}

/* Field `key` of the metatable of the row at 1. */
static void push_meta(lua_State *L, const char *key) {
    lua_getmetatable(L, 1);
    lua_pushstring(L, key);
    lua_rawget(L, -2);
    lua_remove(L, -2);
}

static bool is_row(lua_State *L, int idx) {
    if (luaL_getmetafield(L, idx, "__name") == LUA_TNIL)
        return false;
    bool row =
        lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), PLUA_ROW) == 0;
    lua_pop(L, 1);
    return row;
}

/* Raises unless the value at 1 is a row. */
static void check_row(lua_State *L, const char *method) {
    if (is_row(L, 1))
        return;
    const char *hint = lua_pushfstring(L, "call it with a colon: row:%s(...)", method);
    plua_raise_hint(L, PL_ETYPE, hint, "%s expected as the object of '%s', got %s",
                    PLUA_ROW, method, plua_typename(L, 1));
}

/* Key in a row of the errors of its bad values, by position. */
static const char BAD = 0;

void plua_row_bad_value(lua_State *L, int row, int i) {
    if (lua_rawgetp(L, row, &BAD) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, row, &BAD);
    }
    lua_insert(L, -2);
    lua_rawseti(L, -2, i);
    lua_pop(L, 1);
}

/* Pushes value i of the row at idx; raises where a bad one was stored. */
static void push_value(lua_State *L, int idx, lua_Integer i) {
    idx = lua_absindex(L, idx);
    if (lua_rawgeti(L, idx, i) != LUA_TNIL)
        return;
    int top = lua_gettop(L);
    if (lua_rawgetp(L, idx, &BAD) == LUA_TTABLE && lua_rawgeti(L, -1, i) != LUA_TNIL)
        lua_error(L);
    lua_settop(L, top);
}

static lua_Integer row_size(lua_State *L) {
    push_meta(L, "n");
    lua_Integer n = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return n;
}

static int row_unpack(lua_State *L) {
    check_row(L, "unpack");
    lua_settop(L, 1);
    lua_Integer n = row_size(L);
    luaL_checkstack(L, (int)n + 4, "too many columns");
    for (lua_Integer i = 1; i <= n; i++)
        push_value(L, 1, i);
    return (int)n;
}

static int row_keys(lua_State *L) {
    check_row(L, "keys");
    lua_Integer n = row_size(L);
    push_meta(L, "names");
    lua_createtable(L, (int)n, 0);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, -2, i);
        lua_rawseti(L, -2, i);
    }
    return 1;
}

static int row_to_dict(lua_State *L) {
    check_row(L, "to_dict");
    lua_Integer n = row_size(L);
    push_meta(L, "names");
    lua_createtable(L, 0, (int)n);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, -2, i);
        push_value(L, 1, i);
        lua_rawset(L, -3);
    }
    return 1;
}

static int row_index(lua_State *L) {
    push_meta(L, "names");
    lua_pushvalue(L, 2);
    if (lua_type(L, 2) == LUA_TSTRING && lua_rawget(L, -2) == LUA_TNUMBER) {
        push_value(L, 1, lua_tointeger(L, -1));
        return 1;
    }
    if (lua_isinteger(L, 2)) {
        push_value(L, 1, lua_tointeger(L, 2));
        return 1;
    }
    if (lua_type(L, 2) != LUA_TSTRING)
        return 0;
    const char *key = lua_tostring(L, 2);
    if (strcmp(key, "unpack") == 0)
        lua_pushcfunction(L, row_unpack);
    else if (strcmp(key, "to_dict") == 0)
        lua_pushcfunction(L, row_to_dict);
    else if (strcmp(key, "keys") == 0)
        lua_pushcfunction(L, row_keys);
    else
        plua_raise(L, PL_EATTRIBUTE, "Could not locate column in row for column '%s'",
                   key);
    return 1;
}

static int row_readonly(lua_State *L) {
    plua_raise(L, PL_EATTRIBUTE, "a row cannot be changed");
}

static int row_len(lua_State *L) {
    lua_pushinteger(L, row_size(L));
    return 1;
}

static int row_next(lua_State *L) {
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(1)) + 1;
    lua_settop(L, 1);
    if (i > row_size(L))
        return 0;
    lua_pushinteger(L, i);
    lua_replace(L, lua_upvalueindex(1));
    push_meta(L, "names");
    lua_rawgeti(L, -1, i);
    push_value(L, 1, i);
    return 2;
}

static int row_pairs(lua_State *L) {
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, row_next, 1);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int row_eq(lua_State *L) {
    lua_settop(L, 2);
    if (!is_row(L, 1)) /* a plain table before the row */
        lua_insert(L, 1);
    check_row(L, "__eq");
    lua_Integer n = row_size(L);
    bool same = lua_istable(L, 2) && lua_rawlen(L, 2) == lua_rawlen(L, 1);
    for (lua_Integer i = 1; same && i <= n; i++) {
        push_value(L, 1, i);
        lua_geti(L, 2, i);
        same = lua_compare(L, -1, -2, LUA_OPEQ);
        lua_pop(L, 2);
    }
    lua_pushboolean(L, same);
    return 1;
}

/* Adds the text of the value on top, strings quoted inside a row. [-1, +0] */
static void add_text(lua_State *L, luaL_Buffer *b, bool quote) {
    bool text = quote && lua_type(L, -1) == LUA_TSTRING;
    luaL_tolstring(L, -1, NULL);
    lua_remove(L, -2);
    if (text) {
        lua_pushfstring(L, "'%s'", lua_tostring(L, -1));
        lua_remove(L, -2);
    }
    luaL_addvalue(b);
}

static int row_tostring(lua_State *L) {
    lua_Integer n = row_size(L);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addchar(&b, '(');
    for (lua_Integer i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addstring(&b, ", ");
        lua_rawgeti(L, 1, i);
        add_text(L, &b, true);
    }
    luaL_addchar(&b, ')');
    luaL_pushresult(&b);
    return 1;
}

int plua_row_meta(lua_State *L, const plua_cursor *c, int stmt, int n) {
    static const luaL_Reg meta[] = {
        {"__index", row_index}, {"__newindex", row_readonly}, {"__len", row_len},
        {"__pairs", row_pairs}, {"__tostring", row_tostring}, {"__eq", row_eq},
        {NULL, NULL},
    };
    stmt = lua_absindex(L, stmt);
    lua_createtable(L, 0, 10);
    luaL_setfuncs(L, meta, 0);
    lua_pushliteral(L, PLUA_ROW);
    lua_setfield(L, -2, "__name");
    lua_pushinteger(L, n);
    lua_setfield(L, -2, "n");
    push_names(L, c, stmt, n);
    lua_setfield(L, -2, "names");
    return lua_gettop(L);
}

/* ---- lists ------------------------------------------------------------------------- */

static int list_tostring(lua_State *L) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addchar(&b, '[');
    for (lua_Integer i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addstring(&b, ", ");
        lua_rawgeti(L, 1, i);
        add_text(L, &b, false);
    }
    luaL_addchar(&b, ']');
    luaL_pushresult(&b);
    return 1;
}

/* Raises unless the value at 1 is a table, as lists are. */
static void check_list(lua_State *L, const char *method) {
    if (lua_istable(L, 1))
        return;
    const char *hint = lua_pushfstring(L, "call it with a colon: result:%s(...)", method);
    plua_raise_hint(L, PL_ETYPE, hint, "%s expected as the object of '%s', got %s",
                    PLUA_LIST, method, plua_typename(L, 1));
}

static int list_first(lua_State *L) {
    check_list(L, "first");
    lua_rawgeti(L, 1, 1);
    return 1;
}

static int list_all(lua_State *L) {
    check_list(L, "all");
    lua_settop(L, 1);
    return 1;
}

static int list_one(lua_State *L) {
    check_list(L, "one");
    lua_Unsigned n = lua_rawlen(L, 1);
    if (n == 0)
        plua_raise(L, PL_ENORESULT, "No row was found when one was required");
    if (n > 1)
        plua_raise(L, PL_EMULTIPLE,
                   "Multiple rows were found when exactly one was required");
    lua_rawgeti(L, 1, 1);
    return 1;
}

static int list_one_or_none(lua_State *L) {
    check_list(L, "one_or_none");
    return lua_rawlen(L, 1) == 0 ? 0 : list_one(L);
}

void plua_first_of_row(lua_State *L) {
    if (lua_geti(L, -1, 1) == LUA_TNIL) {
        lua_pop(L, 1);
        plua_push_null(L);
    }
    lua_replace(L, -2);
}

/* First value of every row; other entries stand as they are. */
static int list_scalars(lua_State *L) {
    check_list(L, "scalars");
    lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
    lua_createtable(L, (int)n, 0);
    lua_rawgeti(L, 1, 1);
    bool rows = is_row(L, -1);
    lua_pop(L, 1);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, 1, i);
        if (rows)
            plua_first_of_row(L);
        lua_rawseti(L, -2, i);
    }
    luaL_setmetatable(L, PLUA_LIST);
    return 1;
}

static int list_scalar(lua_State *L) {
    check_list(L, "scalar");
    lua_rawgeti(L, 1, 1);
    if (is_row(L, -1))
        push_value(L, -1, 1);
    return 1;
}

void plua_note_names(lua_State *L, int list, int meta) {
    plua_shared(L);
    lua_getfield(L, -1, "empty_names");
    lua_pushvalue(L, list);
    lua_getfield(L, meta, "names");
    lua_rawset(L, -3);
    lua_pop(L, 2);
}

void plua_push_rowcount(lua_State *L, lua_Integer n) {
    lua_createtable(L, 0, 1);
    lua_pushinteger(L, n);
    lua_setfield(L, -2, "rowcount");
    luaL_setmetatable(L, PLUA_LIST);
}

/* core.check_list(value, method): raises unless the value is a table, as lists are. */
static int core_check_list(lua_State *L) {
    check_list(L, luaL_checkstring(L, 2));
    return 0;
}

/* core.list(table): the table, as a list. */
static int core_list(lua_State *L) {
    plua_need_table(L, 1);
    lua_settop(L, 1);
    luaL_setmetatable(L, PLUA_LIST);
    return 1;
}

int plua_open_row(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"list", core_list}, {"check_list", core_check_list}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__tostring", list_tostring}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"first", list_first},
        {"all", list_all},
        {"one", list_one},
        {"one_or_none", list_one_or_none},
        {"scalars", list_scalars},
        {"scalar", list_scalar},
        {NULL, NULL},
    };
    plua_class(L, PLUA_LIST, meta, methods);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
