/* SPDX-License-Identifier: MIT */
/*
** derived.c - queries as parts of others: subqueries, CTEs, unions, EXISTS.
*/
#include "userdata/clause.h"
#include "userdata/expression.h"
#include "userdata/from.h"
#include "userdata/model.h"

static pl_node *self_query(lua_State *L, const char *method) {
    return plua_self(L, PLUA_IS_QUERY, PLUA_QUERY, method);
}

static const char *name_at(lua_State *L, int idx, size_t *len) {
    *len = 0;
    return lua_isnoneornil(L, idx) ? NULL : plua_need_string(L, idx, len);
}

/*** The query as something to read from; columns as sub.c.name or sub.name.
@function Query:subquery
@string[opt] name
@treturn From */
static int query_subquery(lua_State *L) {
    self_query(L, "subquery");
    size_t len;
    const char *name = name_at(L, 2, &len);
    plua_push_derived(L, 1, name, len);
    return 1;
}

/*** The query under a name: a subquery to read from, or, in a select list, its value.
@function Query:as
@string name
@treturn From */
static int query_as(lua_State *L) {
    self_query(L, "as");
    size_t len;
    const char *name = plua_need_string(L, 2, &len);
    plua_push_derived(L, 1, name, len)->ext = PLUA_AS;
    return 1;
}

/*** The query as a common table expression, written once in front of the statement.
Recursive ones are completed by cte:union_all(query that reads from the cte).
@function Query:cte
@param[opt] name a name, or {name, recursive = true}
@treturn From */
static int query_cte(lua_State *L) {
    self_query(L, "cte");
    bool recursive = false;
    if (lua_istable(L, 2)) {
        recursive = plua_field_bool(L, 2, "recursive", false);
        if (lua_rawgeti(L, 2, 1) == LUA_TNIL)
            lua_getfield(L, 2, "name");
        lua_replace(L, 2);
    } else if (lua_istable(L, 3)) {
        recursive = plua_field_bool(L, 3, "recursive", false);
    }
    lua_settop(L, 2);
    size_t len;
    const char *name = name_at(L, 2, &len);
    if (recursive && !name)
        name = "anon_cte", len = sizeof "anon_cte" - 1;
    pl_node *n = plua_node(L, PLUA_FROM, PL_N_CTE, 1, name, len);
    if (recursive)
        n->flags = PL_NF_RECURSIVE;
    plua_kid(L, -1, 0, 1);
    return 1;
}

/*** The query's single value as an expression.
@function Query:scalar_subquery
@treturn Expression */
static int query_scalar(lua_State *L) {
    self_query(L, "scalar_subquery");
    lua_settop(L, 1);
    plua_toexpr(L, 1, NULL);
    return 1;
}

/*** The query's single value under a name, for a select list.
@function Query:label
@string name
@treturn Expression */
static int query_label(lua_State *L) {
    self_query(L, "label");
    size_t len;
    const char *name = plua_need_string(L, 2, &len);
    plua_toexpr(L, 1, NULL);
    plua_unary(L, PL_N_LABEL, 1, name, len);
    return 1;
}

static void push_exists(lua_State *L, int query) {
    query = lua_absindex(L, query);
    plua_node(L, PLUA_EXPRESSION, PL_N_EXISTS, 1, NULL, 0);
    plua_kid(L, -1, 0, query);
}

/*** Whether the query has a row, as a condition.
@function Query:exists
@treturn Expression */
static int query_exists(lua_State *L) {
    self_query(L, "exists");
    push_exists(L, 1);
    return 1;
}

/* ---- unions ---- */

/* Number of columns that a query returns, 0 when only the database knows. */
static size_t count_columns(const pl_node *stmt) {
    enum { MAX_ITEMS = 64 };
    pl_node *items[MAX_ITEMS];
    size_t n = plua_statement_list(stmt, items, MAX_ITEMS), count = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == MAX_ITEMS || items[i]->kind == PL_N_TEXT || items[i]->kind == PL_N_STAR)
            return 0;
        count += items[i]->kind == PL_N_ENTITY ? items[i]->nkids : 1;
    }
    return count;
}

void plua_check_width(lua_State *L, const pl_node *first, int idx, const char *method) {
    const pl_node *other = plua_tonode_of(L, idx, PLUA_IS_QUERY);
    if (!other)
        plua_raise(L, PL_ETYPE, "'%s' expects queries, got %s", method,
                   plua_typename(L, idx));
    size_t a = count_columns(first), b = count_columns(other);
    if (a > 0 && b > 0 && a != b)
        plua_raise(
            L, PL_ECOMPILE,
            "All queries of a %s must return the same number of columns: the first "
            "returns %d, another %d",
            method, (int)a, (int)b);
}

/* Pushes the compound of the queries from stack index `first` on. */
static int compound(lua_State *L, pl_set_op op, const char *method) {
    int n = lua_gettop(L);
    if (n < 2)
        plua_raise(L, PL_EARGUMENT, "'%s' expects a query to combine with", method);
    pl_node *both = plua_node(L, PLUA_QUERY, PL_N_COMPOUND, (uint32_t)n, NULL, 0);
    both->op = (uint8_t)op;
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            plua_check_width(L, both->kids[0], i, method);
        else if (!plua_tonode_of(L, i, PLUA_IS_QUERY))
            plua_raise(L, PL_ETYPE, "'%s' expects queries, got %s", method,
                       plua_typename(L, i));
        plua_kid(L, -1, (uint32_t)i - 1, i);
    }
    return 1;
}

/*** Rows of this query or of the others, each once.
@function Query:union
@tparam Query query ...
@treturn Query */
static int query_union(lua_State *L) {
    self_query(L, "union");
    return compound(L, PL_SET_UNION, "union");
}

/*** Rows of this query and of the others.
@function Query:union_all
@tparam Query query ...
@treturn Query */
static int query_union_all(lua_State *L) {
    self_query(L, "union_all");
    return compound(L, PL_SET_UNION_ALL, "union_all");
}

/*** Rows that all the queries have.
@function Query:intersect
@tparam Query query ...
@treturn Query */
static int query_intersect(lua_State *L) {
    self_query(L, "intersect");
    return compound(L, PL_SET_INTERSECT, "intersect");
}

/*** Rows of this query that the others do not have.
@function Query:except
@tparam Query query ...
@treturn Query */
static int query_except(lua_State *L) {
    self_query(L, "except");
    return compound(L, PL_SET_EXCEPT, "except");
}

/* db.union(q1, q2 ...) and the like: the same without a first among equals. */
static int db_union(lua_State *L) {
    return compound(L, PL_SET_UNION, "union");
}

static int db_union_all(lua_State *L) {
    return compound(L, PL_SET_UNION_ALL, "union_all");
}

static int db_intersect(lua_State *L) {
    return compound(L, PL_SET_INTERSECT, "intersect");
}

static int db_except(lua_State *L) {
    return compound(L, PL_SET_EXCEPT, "except_");
}

/* ---- db.exists ---- */

/*** Whether a query has a row: db.exists(query), or db.exists(Model):where(...).
@function db.exists
@param[opt] query a query, or what to select
@treturn Expression */
static int db_exists(lua_State *L) {
    if (plua_tonode_of(L, 1, PLUA_IS_QUERY)) {
        push_exists(L, 1);
        return 1;
    }
    const pl_node *scalar = plua_tonode_of(L, 1, PLUA_IS_EXPRESSION);
    if (scalar && scalar->kind == PL_N_SCALAR) {
        push_exists(L, 1);
        ((pl_node *)lua_touserdata(L, -1))->kids[0] = scalar->kids[0];
        return 1;
    }
    if (lua_gettop(L) == 0) {
        lua_pushinteger(L, 1);
        plua_toexpr(L, 1, NULL);
    }
    plua_push_items(L, PL_N_SELECT, 0, 1);
    push_exists(L, -1);
    return 1;
}

/* The query inside an EXISTS with a clause of the arguments. */
static int change_exists(lua_State *L, lua_CFunction method, const char *name) {
    const pl_node *n = plua_self(L, PLUA_IS_EXPRESSION, PLUA_EXPRESSION, name);
    if (n->kind != PL_N_EXISTS)
        plua_raise(L, PL_EARGUMENT, "'%s' is a method of queries and of db.exists(...)",
                   name);
    uint16_t flags = n->flags; /* the node may go with its place on the stack */
    lua_getiuservalue(L, 1, 1);
    if (!plua_tonode_of(L, -1, PLUA_IS_QUERY))
        plua_raise(L, PL_EARGUMENT, "add the condition to the query itself");
    lua_replace(L, 1);
    method(L);
    push_exists(L, -1);
    ((pl_node *)lua_touserdata(L, -1))->flags = flags;
    return 1;
}

static int where(lua_State *L) {
    return plua_conditions(L, PL_N_WHERE, "where");
}

static int select_from(lua_State *L) {
    return plua_push_froms(L, PL_N_FROM, "select_from");
}

static int correlate(lua_State *L) {
    return plua_push_froms(L, PL_N_CORRELATE, "correlate");
}

static int exists_where(lua_State *L) {
    return change_exists(L, where, "where");
}

static int exists_select_from(lua_State *L) {
    return change_exists(L, select_from, "select_from");
}

static int exists_correlate(lua_State *L) {
    return change_exists(L, correlate, "correlate");
}

const luaL_Reg plua_exists_methods[] = {{"where", exists_where},
                                        {"select_from", exists_select_from},
                                        {"correlate", exists_correlate},
                                        {NULL, NULL}};

const luaL_Reg plua_derived_methods[] = {{"subquery", query_subquery},
                                         {"as", query_as},
                                         {"cte", query_cte},
                                         {"scalar_subquery", query_scalar},
                                         {"as_scalar", query_scalar},
                                         {"label", query_label},
                                         {"exists", query_exists},
                                         {"union", query_union},
                                         {"union_all", query_union_all},
                                         {"intersect", query_intersect},
                                         {"except", query_except},
                                         {"except_", query_except},
                                         {NULL, NULL}};

int plua_open_derived(lua_State *L) {
    static const luaL_Reg constructors[] = {
        {"exists", db_exists},       {"union", db_union},    {"union_all", db_union_all},
        {"intersect", db_intersect}, {"except_", db_except}, {NULL, NULL}};
    luaL_newlib(L, constructors);
    return 1;
}
