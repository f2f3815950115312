/* SPDX-License-Identifier: MIT */
/*
** query.c - the class of queries: select() and the clauses that need no thinking.
**
** A query is the newest clause of a chain; each method pushes one node over the one it
** was called on, which stays as it was. What runs a query is in execute.c, joins are
** in join.c, filter_by in filter.c, subqueries and unions in derived.c.
*/
#include "userdata/query.h"
#include "userdata/alias.h"
#include "userdata/clause.h"
#include "userdata/enclosed.h"
#include "userdata/execute.h"
#include "userdata/expression.h"
#include "userdata/from.h"
#include "userdata/model.h"
#include "userdata/option.h"
#include "userdata/predicate.h"
#include "userdata/sql.h"

#include <string.h>

/* ---- clauses ---- */

pl_node *plua_clause(lua_State *L, pl_node_kind kind, int prev, uint32_t n) {
    prev = lua_absindex(L, prev);
    if (n > 0xfff0)
        plua_raise(L, PL_EARGUMENT, "too many items in one clause (%d)", (int)n);
    pl_node *c = plua_node_block(L, NULL, kind, n + 1, 0, (int)n + 1);
    lua_getmetatable(L, prev); /* a clause is of the class of what it is put over */
    lua_setmetatable(L, -2);
    plua_kid(L, -1, 0, prev);
    return c;
}

pl_node *plua_self_query(lua_State *L, const char *method) {
    return plua_self(L, PLUA_IS_QUERY | PLUA_IS_STATEMENT, PLUA_QUERY, method);
}

/* A clause of which argument i + 1 is kid i; all must be nodes by now. */
static int push_clause(lua_State *L, pl_node_kind kind, int top) {
    plua_clause(L, kind, 1, (uint32_t)top - 1);
    for (int i = 2; i <= top; i++)
        plua_kid(L, -1, (uint32_t)i - 1, i);
    plua_turn_clause(L);
    return 1;
}

int plua_conditions(lua_State *L, pl_node_kind kind, const char *method) {
    plua_self_query(L, method);
    int top = lua_gettop(L);
    if (top < 2)
        plua_raise(L, PL_EARGUMENT, "'%s' expects a condition, got no argument", method);
    plua_enclose(L);
    for (int i = 2; i <= top; i++) {
        if (lua_type(L, i) == LUA_TFUNCTION) {
            pl_node *source;
            pl_mapper *m = plua_statement_target(lua_touserdata(L, 1), &source);
            plua_predicate(L, i, m, source);
            lua_replace(L, i);
        } else if (lua_type(L, i) == LUA_TTABLE) {
            plua_raise_hint(L, PL_ETYPE, "write filter_by{name = \"x\"}",
                            "'%s' expects conditions, got a table", method);
        } else {
            plua_tocondition(L, i);
        }
    }
    return push_clause(L, kind, top);
}

/*** Rows that meet the conditions; several are joined by AND. A function of the model is
read as a condition: where(function(u) return u.age > 18 end).
@function Query:where
@tparam Expression condition ...
@treturn Query */
static int query_where(lua_State *L) {
    return plua_conditions(L, PL_N_WHERE, "where");
}

/*** The same as where.
@function Query:filter
@tparam Expression condition ...
@treturn Query */
static int query_filter(lua_State *L) {
    return plua_conditions(L, PL_N_WHERE, "filter");
}

/*** Groups that meet the conditions.
@function Query:having
@tparam Expression condition ...
@treturn Query */
static int query_having(lua_State *L) {
    return plua_conditions(L, PL_N_HAVING, "having");
}

/* What a name in ORDER BY means among the items of a select list. */
typedef enum named_kind { NAMED_NOTHING, NAMED_LABEL, NAMED_ATTRIBUTE } named_kind;

static bool is_text(const char *s, const char *name) {
    return s && strcmp(s, name) == 0;
}

static named_kind find_named(const pl_node *item, const char *name,
                             const pl_attr **attr) {
    const pl_column *c = item->kind == PL_N_COLUMN ? item->ref : NULL;
    if (c)
        return is_text(c->name, name) || is_text(c->key, name) ? NAMED_LABEL
                                                               : NAMED_NOTHING;
    if (item->kind != PL_N_ENTITY) /* a text may have any name in it */
        return item->kind == PL_N_TEXT || is_text(item->text, name) ? NAMED_LABEL
                                                                    : NAMED_NOTHING;
    const pl_mapper *m = item->ref;
    uint16_t slot = pl_mapper_slot(m, name);
    if (slot == PL_NO_SLOT)
        return NAMED_NOTHING;
    *attr = &m->attrs[slot];
    bool plain = item->nkids > 0 && item->kids[0]->nkids == 0;
    return plain && m->attrs[slot].column ? NAMED_ATTRIBUTE : NAMED_LABEL;
}

/* Pushes the label or the column that the string at idx means. */
static void push_named(lua_State *L, int idx) {
    enum { MAX_ITEMS = 64 };
    pl_node *items[MAX_ITEMS];
    const char *name = lua_tostring(L, idx);
    size_t n = plua_statement_list(lua_touserdata(L, 1), items, MAX_ITEMS);
    named_kind found = NAMED_NOTHING;
    const pl_attr *attr = NULL;
    for (size_t i = 0; i < n && i < MAX_ITEMS && found != NAMED_LABEL; i++) {
        named_kind kind = find_named(items[i], name, &attr);
        found = kind != NAMED_NOTHING ? kind : found;
    }
    if (found == NAMED_ATTRIBUTE)
        plua_column_node(L, attr->column, attr->type, 0, 1);
    else if (found == NAMED_LABEL)
        plua_node(L, PLUA_EXPRESSION, PL_N_IDENT, 0, name, lua_rawlen(L, idx));
    else
        plua_raise_hint(L, PL_ECOMPILE,
                        "name an attribute, or write db.text(\"...\") for SQL text",
                        "Can't resolve label reference '%s': nothing selected is called "
                        "so",
                        name);
}

/* Items of ORDER BY or GROUP BY from argument 2 on. */
static int item_clause(lua_State *L, pl_node_kind kind, const char *method) {
    plua_self_query(L, method);
    int top = lua_gettop(L);
    if (top < 2)
        plua_raise(L, PL_EARGUMENT, "'%s' expects an expression, got no argument",
                   method);
    for (int i = 2; i <= top; i++) {
        if (lua_type(L, i) == LUA_TSTRING) {
            push_named(L, i);
            lua_replace(L, i);
        } else if (!plua_operand(L, i)) {
            if (!plua_test_model(L, i) && !plua_test_alias(L, i))
                plua_raise_hint(L, PL_EARGUMENT, "write order_by(User.name:desc())",
                                "'%s' expects expressions or labels, got %s", method,
                                plua_typename(L, i));
            plua_toexpr(L, i, NULL);
        }
    }
    return push_clause(L, kind, top);
}

/*** Order of the rows: expressions, User.name:desc(), labels. nil forgets the order so
far.
@function Query:order_by
@param expression ...
@treturn Query */
static int query_order_by(lua_State *L) {
    if (lua_gettop(L) == 2 && lua_isnil(L, 2)) {
        plua_self_query(L, "order_by");
        plua_clause(L, PL_N_ORDER_BY, 1, 0);
        return 1;
    }
    return item_clause(L, PL_N_ORDER_BY, "order_by");
}

/*** Rows with equal values become one.
@function Query:group_by
@param expression ...
@treturn Query */
static int query_group_by(lua_State *L) {
    plua_self(L, PLUA_IS_QUERY, PLUA_QUERY, "group_by");
    plua_enclose(L);
    return item_clause(L, PL_N_GROUP_BY, "group_by");
}

/* Pushes a LIMIT or OFFSET over the query at prev; the number at idx stands in the node.
 */
static void push_number(lua_State *L, pl_node_kind kind, int prev, int idx,
                        const char *method) {
    pl_node *operand = plua_operand(L, idx);
    int exact = 1;
    lua_Integer count = operand || lua_isnil(L, idx) ? 0 : lua_tointegerx(L, idx, &exact);
    if (!exact || lua_type(L, idx) == LUA_TSTRING || count < 0)
        plua_raise(L, PL_EARGUMENT, "'%s' expects a number of rows (0 or more), got %s",
                   method, luaL_tolstring(L, idx, NULL));
    pl_node *n = plua_node_block(L, PLUA_QUERY, kind, 2, pl_node_size(0), 2);
    plua_kid(L, -1, 0, prev);
    if (operand) {
        plua_kid(L, -1, 1, idx);
    } else if (!lua_isnil(L, idx)) {
        void *space = plua_node_extra(n);
        n->kids[1] = plua_carve(&space, PL_N_LITERAL, 0);
        n->kids[1]->type = pl_type_plain(PL_K_INTEGER);
        n->kids[1]->value = pl_slot_int(count);
    }
}

static int number_clause(lua_State *L, pl_node_kind kind, const char *method) {
    plua_self(L, PLUA_IS_QUERY, PLUA_QUERY, method);
    plua_need_argument(L, method);
    push_number(L, kind, 1, 2, method);
    return 1;
}

/*** At most so many rows; nil takes the limit away.
@function Query:limit
@int n
@treturn Query */
static int query_limit(lua_State *L) {
    return number_clause(L, PL_N_LIMIT, "limit");
}

/*** Without the first n rows.
@function Query:offset
@int n
@treturn Query */
static int query_offset(lua_State *L) {
    return number_clause(L, PL_N_OFFSET, "offset");
}

/*** Rows after the first `from` up to row `to`: offset(from):limit(to - from).
@function Query:slice
@int from
@int to
@treturn Query */
static int query_slice(lua_State *L) {
    plua_self(L, PLUA_IS_QUERY, PLUA_QUERY, "slice");
    lua_Integer from = lua_isnoneornil(L, 2) ? 0 : plua_need_integer(L, 2);
    if (from < 0 || (!lua_isnoneornil(L, 3) && plua_need_integer(L, 3) < from))
        plua_raise(L, PL_EARGUMENT, "slice expects 0 <= from <= to");
    lua_settop(L, 3);
    if (!lua_isnil(L, 3)) {
        lua_pushinteger(L, lua_tointeger(L, 3) - from);
        push_number(L, PL_N_LIMIT, 1, 4, "slice");
    } else {
        lua_pushvalue(L, 1);
    }
    lua_pushinteger(L, from);
    push_number(L, PL_N_OFFSET, lua_gettop(L) - 1, lua_gettop(L), "slice");
    return 1;
}

/*** Equal rows only once.
@function Query:distinct
@treturn Query */
static int query_distinct(lua_State *L) {
    plua_self(L, PLUA_IS_QUERY, PLUA_QUERY, "distinct");
    if (lua_gettop(L) > 1)
        plua_raise_hint(L, PL_ENOTSUPPORTED,
                        "use group_by, or distinct() without columns",
                        "DISTINCT ON columns is not supported by the database");
    plua_enclose(L);
    plua_clause(L, PL_N_DISTINCT, 1, 0);
    return 1;
}

/* Clause over FROM items from argument 2 on. */
int plua_push_froms(lua_State *L, pl_node_kind kind, const char *method) {
    plua_self(L, PLUA_IS_QUERY, PLUA_QUERY, method);
    int top = lua_gettop(L);
    plua_enclose(L);
    pl_node *n = plua_clause(L, kind, 1, (uint32_t)top - 1);
    for (int i = 2; i <= top; i++) {
        plua_from f;
        plua_push_from(L, i, &f);
        plua_set_from(L, -2, (uint32_t)i - 1, f.from);
        if (i == 2 && kind == PL_N_FROM)
            n->ref = f.mapper; /* what filter_by speaks of */
    }
    return 1;
}

/*** What the query reads, when the columns do not say it: models, aliases, subqueries.
@function Query:select_from
@param source ...
@treturn Query */
static int query_select_from(lua_State *L) {
    return plua_push_froms(L, PL_N_FROM, "select_from");
}

/*** Sources that a subquery takes from the query around it instead of reading them
itself.
@function Query:correlate
@param source ...
@treturn Query */
static int query_correlate(lua_State *L) {
    return plua_push_froms(L, PL_N_CORRELATE, "correlate");
}

/*** Locks the rows read, where the database can.
@function Query:with_for_update
@tab[opt] options nowait, skip_locked
@treturn Query */
static int query_with_for_update(lua_State *L) {
    plua_self(L, PLUA_IS_QUERY, PLUA_QUERY, "with_for_update");
    const char *variant = NULL;
    if (lua_istable(L, 2) && plua_field_bool(L, 2, "nowait", false))
        variant = "NOWAIT";
    else if (lua_istable(L, 2) && plua_field_bool(L, 2, "skip_locked", false))
        variant = "SKIP LOCKED";
    pl_node_set_text(plua_clause(L, PL_N_FOR_UPDATE, 1, 0), variant);
    return 1;
}

/* ---- the select list ---- */

/*** More columns or entities behind those selected.
@function Query:add_columns
@param item ...
@treturn Query */
static int query_add_columns(lua_State *L) {
    plua_self(L, PLUA_IS_QUERY, PLUA_QUERY, "add_columns");
    plua_enclose(L);
    return plua_push_items(L, PL_N_ADD_COLUMNS, 1, 2);
}

/*** These columns instead of those selected.
@function Query:with_only_columns
@param item ...
@treturn Query */
static int query_with_only_columns(lua_State *L) {
    plua_self(L, PLUA_IS_QUERY, PLUA_QUERY, "with_only_columns");
    plua_enclose(L);
    return plua_push_items(L, PL_N_COLUMNS, 1, 2);
}

/*** A query: db.select(User), db.select(User.id, db.func.count():label "n").
@function db.select
@param item ... models, aliases, expressions, subqueries
@treturn Query */
static int db_select(lua_State *L) {
    if (lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TTABLE) {
        int n = (int)lua_rawlen(L, 1);
        luaL_checkstack(L, n + 10, "too many items");
        for (int i = 1; i <= n; i++)
            lua_rawgeti(L, 1, i);
        lua_remove(L, 1);
    }
    if (lua_gettop(L) == 0)
        plua_raise(L, PL_EARGUMENT, "select expects models or expressions");
    plua_push_items(L, PL_N_SELECT, 0, 1);
    pl_node *n = lua_touserdata(L, -1);
    if (n->kind == PL_N_SELECT && !plua_statement_db(n)) { /* it names no table */
        n->value.v.p = plua_test(L, lua_upvalueindex(1), PLUA_DATABASE);
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_setiuservalue(L, -2, (int)n->nkids + 1);
    }
    return 1;
}

int plua_select_for(lua_State *L) {
    plua_check_db(L, 1);
    lua_settop(L, 1);
    lua_pushcclosure(L, db_select, 1);
    return 1;
}

pl_node *plua_select_entity(lua_State *L, int idx) {
    lua_pushvalue(L, idx);
    plua_push_items(L, PL_N_SELECT, 0, lua_gettop(L));
    lua_remove(L, -2);
    return lua_touserdata(L, -1);
}

/* ---- the class ---- */

/* Pushes a scope of the query's model or of one above it; false when there is none. */
static bool push_scope(lua_State *L, const pl_node *stmt, int name) {
    int top = lua_gettop(L);
    uint32_t first;
    const pl_node *items = plua_statement_items(stmt, &first);
    const pl_mapper *m = NULL;
    for (uint32_t i = first; items && i < items->nkids && !m; i++)
        m = items->kids[i]->kind == PL_N_ENTITY ? items->kids[i]->ref : NULL;
    for (; m; m = m->parent) {
        plua_push_model(L, m);
        lua_getfield(L, -1, "scopes");
        if (lua_istable(L, -1)) {
            lua_pushvalue(L, name);
            if (lua_rawget(L, -2) != LUA_TNIL)
                return true;
        }
        lua_settop(L, top);
    }
    return false;
}

/* Calls the scope named by upvalue 1 with the query and the other arguments. */
static int call_scope(lua_State *L) {
    const pl_node *stmt = plua_tonode_of(L, 1, PLUA_IS_QUERY);
    if (!stmt || !push_scope(L, stmt, lua_upvalueindex(1))) {
        lua_settop(L, 0);
        lua_pushvalue(L, lua_upvalueindex(2));
        lua_pushvalue(L, lua_upvalueindex(1));
        plua_no_member(L, 1, "queries have no method");
    }
    lua_insert(L, 1);
    lua_settop(L, lua_gettop(L) - 2); /* the model, the table of scopes */
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* __index of the methods: function User.scopes.active(q) gives q:active(). */
static int query_fallback(lua_State *L) {
    if (lua_type(L, 2) != LUA_TSTRING)
        plua_no_member(L, 1, "queries have no method");
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, call_scope, 2);
    return 1;
}

static const luaL_Reg meta[] = {{"__tostring", plua_statement_tostring}, {NULL, NULL}};

static const luaL_Reg methods[] = {{"where", query_where},
                                   {"filter", query_filter},
                                   {"having", query_having},
                                   {"order_by", query_order_by},
                                   {"group_by", query_group_by},
                                   {"limit", query_limit},
                                   {"offset", query_offset},
                                   {"slice", query_slice},
                                   {"distinct", query_distinct},
                                   {"select_from", query_select_from},
                                   {"correlate", query_correlate},
                                   {"with_for_update", query_with_for_update},
                                   {"add_columns", query_add_columns},
                                   {"with_only_columns", query_with_only_columns},
                                   {"sql", plua_statement_sql},
                                   {NULL, NULL}};

int plua_open_query(lua_State *L) {
    plua_node_class(L, PLUA_QUERY, meta, NULL, PLUA_IS_QUERY);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    luaL_setfuncs(L, plua_filter_methods, 0);
    luaL_setfuncs(L, plua_join_methods, 0);
    luaL_setfuncs(L, plua_derived_methods, 0);
    luaL_setfuncs(L, plua_option_methods, 0);
    luaL_setfuncs(L, plua_query_ends, 0);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, query_fallback);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushnil(L);
    lua_pushcclosure(L, db_select, 1);
    lua_setfield(L, -2, "select");
    return 1;
}
