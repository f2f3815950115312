/* SPDX-License-Identifier: MIT */
/*
** from.c - FROM items as Lua values: tables, aliases, subqueries, CTEs, values.
**
** sub.c.name (or sub.name) is a column of a derived table: by its label, of the type that
** the inner select list gives it. db.aliased(User) is in alias.c.
*/
#include "userdata/from.h"
#include "userdata/alias.h"
#include "userdata/clause.h"
#include "userdata/expression.h"
#include "userdata/model.h"
#include "userdata/schema.h"

#include "core/base/utf8.h"

#include <string.h>

#define PLUA_COLUMNS "perilune.Columns" /* sub.c: user value 1 is the FROM item */

/* ---- what can be read from ---- */

static pl_node *push_table_node(lua_State *L, const pl_table *t, int owner) {
    pl_node *n = plua_node_block(L, PLUA_FROM, PL_N_TABLE, 0, 0, 1);
    n->ref = t;
    plua_node_owner(L, -1, owner);
    return n;
}

static const pl_table *test_table(lua_State *L, int idx) {
    const plua_table *t = plua_test_table(L, idx);
    return t ? t->t : NULL;
}

static void from_mapper(lua_State *L, int idx, pl_mapper *m, plua_from *f) {
    f->mapper = m;
    f->source = NULL;
    if (m->ntables == 1) {
        f->from = push_table_node(L, m->tables[0].table, idx);
        return;
    }
    pl_arena *a = plua_arena(L);
    f->from = pl_mapper_from(a, m);
    if (!f->from)
        plua_nomem(L);
}

bool plua_test_from(lua_State *L, int idx, plua_from *f) {
    idx = lua_absindex(L, idx);
    memset(f, 0, sizeof *f);
    const plua_model *model = plua_test_model(L, idx);
    if (model) {
        from_mapper(L, idx, model->mapper, f);
        return true;
    }
    const plua_alias *alias = plua_test_alias(L, idx);
    const pl_table *t = NULL;
    if (alias) {
        *f = (plua_from){alias->mapper, alias->source, alias->source};
    } else if ((f->from = plua_tonode_of(L, idx, PLUA_IS_FROM))) {
        f->source = f->from->kind == PL_N_TABLE ? NULL : f->from;
    } else if ((t = test_table(L, idx))) {
        f->from = push_table_node(L, t, idx);
        return true;
    } else {
        return false;
    }
    lua_pushvalue(L, idx);
    return true;
}

void plua_push_from(lua_State *L, int idx, plua_from *f) {
    if (plua_test_from(L, idx, f))
        return;
    if (plua_tonode_of(L, idx, PLUA_IS_QUERY))
        plua_raise_hint(L, PL_EARGUMENT, "call :subquery() on it first",
                        "a query cannot be read from as it is");
    plua_raise(L, PL_EARGUMENT, "a model, alias, table or subquery was expected, got %s",
               plua_typename(L, idx));
}

void plua_set_from(lua_State *L, int node, uint32_t i, pl_node *from) {
    node = lua_absindex(L, node);
    pl_node *n = lua_touserdata(L, node);
    if (!from)
        plua_nomem(L);
    n->kids[i] = from;
    lua_setiuservalue(L, node, (int)i + 1);
}

/* ---- columns ---- */

/* What a derived table gives: the items of its statement, entities as their columns. */
enum { MAX_ITEMS = 512 };

static size_t list_items(const pl_node *stmt, const pl_node **out) {
    pl_node *items[MAX_ITEMS];
    size_t n = plua_statement_list(stmt, items, MAX_ITEMS), count = 0;
    for (size_t i = 0; i < n && i < MAX_ITEMS; i++) {
        bool entity = items[i]->kind == PL_N_ENTITY;
        for (uint32_t k = 0; k < (entity ? items[i]->nkids : 1) && count < MAX_ITEMS; k++)
            out[count++] = entity ? items[i]->kids[k] : items[i];
    }
    return count;
}

static bool is_text(const char *text, const char *name, size_t len) {
    return strlen(text) == len && memcmp(text, name, len) == 0;
}

static const pl_column *column_of(const pl_node *n) {
    return n->kind == PL_N_COLUMN ? n->ref : NULL;
}

/* The column that an item is about: itself, or what a cast or sign wraps. */
static const pl_column *wrapped_column(const pl_node *n) {
    while (n->kind == PL_N_CAST || n->kind == PL_N_UNARY)
        n = n->kids[0];
    return column_of(n);
}

/* By a label, or the attribute of a column. */
static bool is_called(const pl_node *n, const char *name, size_t len) {
    const pl_column *c = column_of(n);
    if (c)
        return is_text(c->key, name, len);
    bool named = n->kind == PL_N_COLUMN || n->kind == PL_N_LABEL || n->kind == PL_N_TEXT;
    return named && n->len == len && memcmp(n->text, name, len) == 0;
}

/* By the name that its column has in the table. */
static bool is_called_in_table(const pl_node *n, const char *name, size_t len) {
    const pl_column *c = wrapped_column(n);
    return c && is_text(c->name, name, len);
}

/* As table_column, which tells columns of one name from each other. */
static bool is_called_with_table(const pl_node *n, const char *name, size_t len) {
    const pl_column *c = column_of(n);
    if (!c || !c->table)
        return false;
    size_t own = strlen(c->name), t = strlen(c->table->name);
    return len == t + 1 + own && memcmp(name, c->table->name, t) == 0 && name[t] == '_' &&
           memcmp(name + t + 1, c->name, own) == 0;
}

static bool has_text(const pl_node *n) {
    return n->kind == PL_N_COLUMN || n->kind == PL_N_LABEL || n->kind == PL_N_TEXT;
}

/* What the name of an item without a name of its own begins with, NULL when it has one:
** count of count_1, anon of anon_1. Items of one name are id, id_1, id_2. */
static const char *stem(const pl_node *n) {
    const pl_column *c = wrapped_column(n);
    if (c)
        return c->name;
    if (has_text(n))
        return n->text;
    if (n->kind == PL_N_STAR)
        return NULL;
    const char *dot = n->kind == PL_N_FUNC ? strrchr(n->text, '.') : NULL;
    return n->kind != PL_N_FUNC ? "anon" : dot ? dot + 1 : n->text;
}

/* The number behind the stem of item i, 0: there is none. */
static int number_of(const pl_node *const *items, size_t i) {
    const char *base = stem(items[i]);
    int k = wrapped_column(items[i]) || has_text(items[i]) ? 0 : 1;
    for (size_t j = 0; base && j < i; j++) {
        const char *other = stem(items[j]);
        k += other && strcmp(other, base) == 0;
    }
    return base ? k : 0;
}

static bool is_numbered(const pl_node *const *items, size_t i, const char *name) {
    char made[256];
    int k = number_of(items, i);
    if (k == 0)
        return false;
    snprintf(made, sizeof made, "%s_%d", stem(items[i]), k);
    return strcmp(made, name) == 0;
}

/* The item that a name means; n when there is none. */
static size_t find_item(const pl_node *const *items, size_t n, const char *name,
                        size_t len) {
    static bool (*const ways[])(const pl_node *, const char *, size_t) = {
        is_called, is_called_in_table, is_called_with_table};
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        for (size_t i = 0; i < n; i++)
            if (ways[way](items[i], name, len))
                return i;
    }
    for (size_t i = 0; i < n; i++)
        if (is_numbered(items, i, name))
            return i;
    return n;
}

/* Pushes COLUMN(label) of the source at idx. */
static pl_node *push_label(lua_State *L, int idx, const pl_type *type, const char *name,
                           size_t len) {
    pl_node *n = plua_node(L, plua_column_class(type), PL_N_COLUMN, 1, name, len);
    n->type = type;
    plua_kid(L, -1, 0, idx);
    return n;
}

static bool is_repeated(const pl_node *const *items, size_t i) {
    for (size_t j = 0; j < i; j++)
        if (column_of(items[j]) == column_of(items[i]))
            return true;
    return false;
}

/* Pushes item i of the source at idx: a column by what it is, another one by its name, or
** by its place when it has none. */
static void push_item(lua_State *L, int idx, const pl_node *const *items, size_t i) {
    const pl_node *item = items[i];
    const pl_column *c = wrapped_column(item);
    int k = number_of(items, i);
    if (column_of(item) && !is_repeated(items, i)) {
        plua_column_node(L, c, item->type, idx, idx);
    } else if (c && k == 0) {
        push_label(L, idx, pl_node_type(item), c->name, strlen(c->name));
    } else if (k == 0) {
        push_label(L, idx, pl_node_type(item), item->text, item->len);
    } else {
        size_t len;
        lua_pushfstring(L, "%s_%d", stem(item), k);
        const char *name = lua_tolstring(L, -1, &len);
        push_label(L, idx, pl_node_type(item), name, len)->value = pl_slot_int((int)i);
        lua_remove(L, -2);
    }
}

static void statement_column(lua_State *L, int idx, const pl_node *stmt, const char *name,
                             size_t len) {
    const pl_node *items[MAX_ITEMS];
    size_t n = list_items(stmt, items), i = find_item(items, n, name, len);
    if (i < n)
        push_item(L, idx, items, i);
    else
        lua_pushnil(L);
}

static void values_column(lua_State *L, int idx, const pl_node *n, const char *name,
                          size_t len) {
    const pl_node *names = n->kids[0];
    for (uint32_t i = 0; i < names->nkids; i++) {
        if (is_text(names->kids[i]->text, name, len)) {
            const pl_type *type = names->kids[i]->type;
            if (!type && n->nkids > 1)
                type = n->kids[1]->kids[i]->type;
            push_label(L, idx, type, name, len);
            return;
        }
    }
    lua_pushnil(L);
}

/* Columns of a table-valued function are those it was declared with (user value 2). */
static void function_column(lua_State *L, int idx, const char *name, size_t len) {
    lua_getiuservalue(L, idx, 2);
    bool known = lua_istable(L, -1) && lua_getfield(L, -1, name) != LUA_TNIL;
    if (known)
        push_label(L, idx, NULL, name, len);
    else
        lua_pushnil(L);
}

/* What a FROM item is under its aliases. */
static const pl_node *under_aliases(const pl_node *n) {
    while (n->kind == PL_N_ALIAS && n->kids[0]->kind >= PL_N_TABLE &&
           n->kids[0]->kind < PL_N_SELECT)
        n = n->kids[0];
    return n;
}

static bool is_statement(const pl_node *n) {
    return n->kind != PL_N_TABLE && n->kind != PL_N_IDENT && n->kind != PL_N_VALUES &&
           n->kind != PL_N_TABLEFUNC;
}

void plua_from_column(lua_State *L, int idx, const char *name, size_t len) {
    idx = lua_absindex(L, idx);
    const pl_node *n = lua_touserdata(L, idx);
    const pl_node *of = under_aliases(n);
    if (of->kind == PL_N_TABLE || of->kind == PL_N_IDENT) { /* `excluded` is one, too */
        const pl_table *t = of->ref;
        const pl_column *c = pl_table_column_by_key(t, name);
        if (!c)
            c = pl_table_column(t, name);
        if (c)
            plua_column_node(L, c, c->type, n->kind == PL_N_TABLE ? 0 : idx, idx);
        else
            lua_pushnil(L);
    } else if (of->kind == PL_N_VALUES) {
        values_column(L, idx, of, name, len);
    } else if (of->kind == PL_N_TABLEFUNC) {
        function_column(L, idx, name, len);
    } else {
        statement_column(L, idx, of->kids[0], name, len);
    }
}

/* ---- all columns ---- */

/* Pushes the columns that the statement of the FROM item at idx gives. */
static void push_statement_items(lua_State *L, int idx, const pl_node *stmt) {
    const pl_node *items[MAX_ITEMS];
    size_t n = list_items(stmt, items);
    luaL_checkstack(L, (int)n + 8, "too many columns");
    for (size_t i = 0; i < n; i++)
        if (items[i]->kind != PL_N_TEXT && items[i]->kind != PL_N_STAR)
            push_item(L, idx, items, i);
}

static void push_names_of_statement(lua_State *L, const pl_node *stmt) {
    const pl_node *items[MAX_ITEMS];
    size_t n = list_items(stmt, items);
    lua_Integer listed = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i]->kind == PL_N_TEXT || items[i]->kind == PL_N_STAR)
            continue;
        const pl_column *c = wrapped_column(items[i]);
        int k = number_of(items, i);
        if (k > 0)
            lua_pushfstring(L, "%s_%d", stem(items[i]), k);
        else if (c)
            lua_pushstring(L, c->name);
        else
            lua_pushlstring(L, items[i]->text, items[i]->len);
        lua_rawseti(L, -2, ++listed);
    }
}

/* Pushes a table of the names of a FROM item's columns, in order. */
static void push_names(lua_State *L, int idx) {
    const pl_node *n = under_aliases(lua_touserdata(L, idx));
    lua_newtable(L);
    if (n->kind == PL_N_TABLE || n->kind == PL_N_IDENT) {
        const pl_table *t = n->ref;
        for (size_t i = 0; i < t->ncolumns; i++) {
            lua_pushstring(L, t->columns[i]->name);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
    } else if (n->kind == PL_N_VALUES) {
        for (uint32_t i = 0; i < n->kids[0]->nkids; i++) {
            const pl_node *name = n->kids[0]->kids[i];
            lua_pushlstring(L, name->text, name->len);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
    } else if (n->kind == PL_N_TABLEFUNC) {
        lua_getiuservalue(L, idx, 2);
        lua_replace(L, -2);
    } else {
        push_names_of_statement(L, n->kids[0]);
    }
}

void plua_push_from_items(lua_State *L, int idx) {
    idx = lua_absindex(L, idx);
    const pl_node *n = lua_touserdata(L, idx);
    if (n->kind == PL_N_ALIAS && n->ext == PLUA_AS) {
        pl_node *scalar = plua_node(L, PLUA_EXPRESSION, PL_N_SCALAR, 1, NULL, 0);
        plua_kid(L, -1, 0, idx);
        scalar->kids[0] = n->kids[0];
        plua_unary(L, PL_N_LABEL, -1, n->text, n->len);
        lua_remove(L, -2);
        return;
    }
    if (is_statement(under_aliases(n))) {
        push_statement_items(L, idx, under_aliases(n)->kids[0]);
        return;
    }
    push_names(L, idx);
    int names = lua_gettop(L);
    lua_Integer count = (lua_Integer)lua_rawlen(L, names);
    luaL_checkstack(L, (int)count + 8, "too many columns");
    for (lua_Integer i = 1; i <= count; i++) {
        size_t len;
        lua_rawgeti(L, names, i);
        const char *name = lua_tolstring(L, -1, &len);
        plua_from_column(L, idx, name, len);
        lua_remove(L, -2);
    }
    lua_remove(L, names);
}

/* ---- aliases ---- */

pl_node *plua_push_derived(lua_State *L, int idx, const char *name, size_t len) {
    idx = lua_absindex(L, idx);
    pl_node *n = plua_node(L, PLUA_FROM, PL_N_ALIAS, 1, name, len);
    plua_kid(L, -1, 0, idx);
    return n;
}

/* The optional name at idx of an alias. */
static const char *alias_name(lua_State *L, int idx, size_t *len) {
    *len = 0;
    return lua_isnoneornil(L, idx) ? NULL : plua_need_string(L, idx, len);
}

/*** The table, subquery or values under another name.
@function db.alias
@param source
@string[opt] name
@treturn From */
static int db_alias(lua_State *L) {
    plua_from f;
    size_t len;
    const char *name = alias_name(L, 2, &len);
    if (plua_test_model(L, 1))
        plua_raise_hint(L, PL_EARGUMENT, "use db.aliased(Model)",
                        "db.alias is for tables and subqueries");
    if (plua_tonode_of(L, 1, PLUA_IS_QUERY)) {
        plua_push_derived(L, 1, name, len);
        return 1;
    }
    plua_push_from(L, 1, &f);
    plua_push_derived(L, -1, name, len);
    return 1;
}

static pl_node *check_from(lua_State *L, const char *method) {
    return plua_self(L, PLUA_IS_FROM, PLUA_FROM, method);
}

/*** The same rows under another name.
@function From:alias
@string[opt] name
@treturn From */
static int from_alias(lua_State *L) {
    check_from(L, "alias");
    size_t len;
    const char *name = alias_name(L, 2, &len);
    plua_push_derived(L, 1, name, len);
    return 1;
}

/* A CTE joined to further queries under its own name: what makes it recursive. */
static int from_union(lua_State *L, pl_set_op op, const char *method) {
    const pl_node *cte = check_from(L, method);
    int top = lua_gettop(L);
    if (cte->kind != PL_N_CTE)
        plua_raise(L, PL_EARGUMENT, "'%s' is for cte{...}, not for other subqueries",
                   method);
    if (top < 2)
        plua_raise(L, PL_EARGUMENT, "'%s' expects a query", method);
    pl_node *both = plua_node(L, PLUA_QUERY, PL_N_COMPOUND, (uint32_t)top, NULL, 0);
    both->op = (uint8_t)op;
    plua_kid(L, -1, 0, 1);
    both->kids[0] = cte->kids[0];
    for (int i = 2; i <= top; i++) {
        plua_check_width(L, both->kids[0], i, method);
        plua_kid(L, -1, (uint32_t)i - 1, i);
    }
    pl_node *n = plua_node(L, PLUA_FROM, PL_N_CTE, 1, cte->text, cte->len);
    n->flags = cte->flags;
    plua_kid(L, -1, 0, top + 1);
    return 1;
}

/*** The CTE with the rows of more queries, which may refer to it.
@function From:union
@tparam Query query ...
@treturn From */
static int from_union_distinct(lua_State *L) {
    return from_union(L, PL_SET_UNION, "union");
}

/*** The same, keeping equal rows.
@function From:union_all
@tparam Query query ...
@treturn From */
static int from_union_all(lua_State *L) {
    return from_union(L, PL_SET_UNION_ALL, "union_all");
}

/* ---- the class ---- */

/* Upvalue: the methods. */
static int from_index(lua_State *L) {
    if (lua_type(L, 2) != LUA_TSTRING)
        plua_raise(L, PL_EATTRIBUTE, "columns have names, got %s", luaL_typename(L, 2));
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    size_t len;
    const char *name = lua_tolstring(L, 2, &len);
    if (strcmp(name, "c") == 0 || strcmp(name, "columns") == 0) {
        lua_newuserdatauv(L, 0, 1);
        lua_pushvalue(L, 1);
        lua_setiuservalue(L, -2, 1);
        luaL_setmetatable(L, PLUA_COLUMNS);
        return 1;
    }
    plua_from_column(L, 1, name, len);
    return 1;
}

static __attribute__((noreturn)) void no_column(lua_State *L, int from) {
    push_names(L, from);
    const char *names[128];
    int n = 0;
    for (lua_Integer i = 1; n < 127 && lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
        names[n++] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    names[n] = NULL;
    const char *near = pl_nearest(lua_tostring(L, 2), names);
    const char *hint = near ? lua_pushfstring(L, "did you mean '%s'?", near) : NULL;
    plua_raise_hint(L, PL_EATTRIBUTE, hint, "the subquery or alias has no column '%s'",
                    lua_tostring(L, 2));
}

static int from_member(lua_State *L) {
    from_index(L);
    if (lua_isnil(L, -1))
        no_column(L, 1);
    return 1;
}

static int columns_index(lua_State *L) {
    luaL_checkudata(L, 1, PLUA_COLUMNS);
    size_t len;
    const char *name = plua_need_string(L, 2, &len);
    lua_getiuservalue(L, 1, 1);
    plua_from_column(L, 3, name, len);
    if (lua_isnil(L, -1))
        no_column(L, 3);
    return 1;
}

/* pairs(sub.c): name, column. Upvalues: the names, the FROM item, the position. */
static int next_column(lua_State *L) {
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(3)) + 1;
    lua_pushinteger(L, i);
    lua_replace(L, lua_upvalueindex(3));
    if (lua_rawgeti(L, lua_upvalueindex(1), i) == LUA_TNIL)
        return 1;
    size_t len;
    const char *name = lua_tolstring(L, -1, &len);
    lua_pushvalue(L, lua_upvalueindex(2));
    plua_from_column(L, -1, name, len);
    lua_remove(L, -2);
    return 2;
}

static int columns_pairs(lua_State *L) {
    luaL_checkudata(L, 1, PLUA_COLUMNS);
    lua_getiuservalue(L, 1, 1);
    push_names(L, lua_gettop(L));
    lua_insert(L, -2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_column, 3);
    return 1;
}

int plua_open_from(lua_State *L) {
    static const luaL_Reg methods[] = {{"alias", from_alias},
                                       {"union", from_union_distinct},
                                       {"union_all", from_union_all},
                                       {NULL, NULL}};
    static const luaL_Reg columns[] = {
        {"__index", columns_index}, {"__pairs", columns_pairs}, {NULL, NULL}};
    static const luaL_Reg constructors[] = {{"alias", db_alias}, {NULL, NULL}};
    plua_class(L, PLUA_COLUMNS, columns, NULL);
    plua_node_class(L, PLUA_FROM, NULL, NULL, PLUA_IS_FROM);
    luaL_newlib(L, methods);
    lua_pushcclosure(L, from_member, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 2);
    luaL_newlib(L, constructors);
    plua_open_values(L);
    lua_getfield(L, -1, "values");
    lua_setfield(L, -3, "values");
    lua_pop(L, 1);
    return 1;
}
