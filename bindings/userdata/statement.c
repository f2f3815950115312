/* SPDX-License-Identifier: MIT */
/*
** statement.c - db.insert, db.update and db.delete.
**
** Values come as tables of names; the columns of a statement stand in the order of the
** table, so that equal statements are equal whatever order Lua has them in. Columns that
** are not named get their default (INSERT) or onupdate (UPDATE). What becomes of the rows
** in the session is the business of who executes.
*/
#include "userdata/statement.h"
#include "userdata/assign.h"
#include "userdata/clause.h"
#include "userdata/expression.h"
#include "userdata/filter.h"
#include "userdata/from.h"
#include "userdata/model.h"
#include "userdata/option.h"
#include "userdata/sql.h"

#include <string.h>

/* ---- heads ---- */

/* The table that an INSERT, UPDATE or DELETE at the end of a chain changes. */
static pl_table *changed_table(const pl_node *n) {
    while (plua_previous(n))
        n = plua_previous(n);
    if (n->kind == PL_N_INSERT)
        return (pl_table *)n->ref;
    if (n->kind != PL_N_UPDATE && n->kind != PL_N_DELETE)
        return NULL;
    n = n->kids[0];
    while (n->kind == PL_N_ALIAS)
        n = n->kids[0];
    return (pl_table *)n->ref;
}

/* The mapper by which the table that a statement changes was named, or NULL. */
static const pl_mapper *changed_mapper(const pl_node *n) {
    while (plua_previous(n))
        n = plua_previous(n);
    return n->kind == PL_N_INSERT ? plua_noted_mapper(n) : n->ref;
}

static pl_node *self_of(lua_State *L, pl_node_kind kind, const char *method,
                        pl_table **table) {
    pl_node *n = plua_self(L, PLUA_IS_STATEMENT, PLUA_STATEMENT, method);
    const pl_node *head = n;
    while (plua_previous(head))
        head = plua_previous(head);
    if (head->kind != kind)
        plua_raise(L, PL_EARGUMENT, "'%s' is no method of this kind of statement",
                   method);
    *table = changed_table(n);
    return n;
}

/* What joins the mapper's nth table to its last one. */
static pl_node *make_tie(pl_arena *a, const pl_mapper *m, size_t n) {
    pl_node *all = NULL;
    for (int i = 0; i < m->npk; i++) {
        const pl_column *far = pl_mapper_key_column(m, n, i);
        const pl_column *own = pl_mapper_key_column(m, m->ntables - 1, i);
        if (far && own)
            all = pl_node_and(a, all,
                              pl_node_binary(a, PL_OP_EQ, pl_node_column(a, far, NULL),
                                             pl_node_column(a, own, NULL)));
    }
    return all;
}

pl_node *plua_change_head(lua_State *L, pl_node_kind kind, int idx) {
    plua_from f;
    plua_push_from(L, idx, &f);
    const pl_node *t = f.from;
    const pl_mapper *m = f.mapper;
    pl_arena *a = NULL;
    while (t->kind == PL_N_ALIAS)
        t = t->kids[0];
    if (t->kind != PL_N_TABLE) {
        if (!m)
            plua_raise(L, PL_EARGUMENT, "only tables and models can be changed");
        /* joined tables: the model's own one is changed */
        a = plua_arena(L);
        f.from = pl_node_table(a, m->tables[m->ntables - 1].table);
        lua_remove(L, -2);
    }
    uint32_t ties = a && kind == PL_N_UPDATE ? (uint32_t)m->ntables - 1 : 0;
    pl_node *n = plua_node_block(L, PLUA_STATEMENT, kind, 1 + ties, 0, 1);
    for (uint32_t i = 0; i < ties; i++)
        n->kids[1 + i] = make_tie(a, m, i);
    n->ref = f.mapper;
    lua_insert(L, -2);
    plua_set_from(L, -2, 0, f.from);
    return n;
}

/* The head, and the condition that tells the rows of the model from others. */
static int push_change(lua_State *L, pl_node_kind kind) {
    const pl_node *head = plua_change_head(L, kind, 1);
    if (head->ref)
        plua_add_criterion(L, head->ref,
                           head->kids[0]->kind == PL_N_ALIAS ? head->kids[0] : NULL);
    return 1;
}

/*** An UPDATE: db.update(User):where(...):values{name = "x"}. Of a model in several
tables (joined inheritance) it writes the last one; conditions may name the others.
@function db.update
@param model
@treturn Statement */
static int db_update(lua_State *L) {
    return push_change(L, PL_N_UPDATE);
}

/*** A DELETE: db.delete(User):where(...). Of a model in several tables it deletes from
all.
@function db.delete
@param model
@treturn Statement */
static int db_delete(lua_State *L) {
    return push_change(L, PL_N_DELETE);
}

/*** An INSERT: db.insert(User):values{name = "x"}.
@function db.insert
@param model
@treturn Statement */
static int db_insert(lua_State *L) {
    plua_from f;
    plua_push_from(L, 1, &f);
    const pl_table *t = f.mapper ? f.mapper->tables[f.mapper->ntables - 1].table : NULL;
    if (!t && f.from->kind == PL_N_TABLE)
        t = f.from->ref;
    if (!t)
        plua_raise(L, PL_EARGUMENT, "rows can be inserted into tables and models only");
    pl_node *n = plua_node_block(L, PLUA_STATEMENT, PL_N_INSERT, 0, 0, 1);
    n->ref = t;
    n->ext = f.mapper ? (uint32_t)f.mapper->position + 1 : 0; /* see node.h */
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return 1;
}

/* ---- values ---- */

pl_node *plua_set_values(lua_State *L, int stmt, int values) {
    stmt = lua_absindex(L, stmt);
    values = lua_absindex(L, values);
    pl_table *t = changed_table(lua_touserdata(L, stmt));
    if (lua_type(L, values) != LUA_TTABLE)
        plua_raise(L, PL_ETYPE, "values expects a table of names and values, got %s",
                   plua_typename(L, values));
    plua_push_assignments(L, t, changed_mapper(lua_touserdata(L, stmt)), values,
                          PLUA_ASSIGN_UPDATE);
    pl_node *set = lua_touserdata(L, -1); /* a TUPLE of column = value */
    pl_node *n = plua_clause(L, PL_N_SET, stmt, set->nkids);
    for (uint32_t i = 0; i < set->nkids; i++)
        n->kids[i + 1] = set->kids[i];
    lua_insert(L, -2);
    if (set->nkids > 0)
        lua_setiuservalue(L, -2, 2);
    else
        lua_pop(L, 1);
    return n;
}

/*** The values of an INSERT (a table, or a list of tables) or of an UPDATE.
@function Statement:values
@tab values
@treturn Statement */
static int statement_values(lua_State *L) {
    const pl_node *stmt = plua_self(L, PLUA_IS_STATEMENT, PLUA_STATEMENT, "values");
    const pl_node *head = stmt;
    while (plua_previous(head))
        head = plua_previous(head);
    lua_settop(L, 2);
    if (head->kind == PL_N_UPDATE)
        plua_set_values(L, 1, 2);
    else if (head->kind == PL_N_INSERT)
        plua_push_rows(L, (pl_table *)head->ref, plua_noted_mapper(head), 1, 2);
    else
        plua_raise(L, PL_EARGUMENT, "'values' is a method of insert and update");
    return 1;
}

/*** INSERT ... SELECT: from_select({"name"}, query).
@function Statement:from_select
@tab names
@tparam Query query
@treturn Statement */
static int statement_from_select(lua_State *L) {
    pl_table *t;
    self_of(L, PL_N_INSERT, "from_select", &t);
    if (!plua_tonode_of(L, 3, PLUA_IS_QUERY))
        plua_raise(L, PL_EARGUMENT,
                   "from_select expects a list of names and a query, got %s",
                   plua_typename(L, 3));
    lua_settop(L, 3);
    plua_push_targets(L, t, changed_mapper(lua_touserdata(L, 1)), 2, "from_select");
    plua_clause(L, PL_N_FROM_SELECT, 1, 2);
    plua_kid(L, -1, 1, 4);
    plua_kid(L, -1, 2, 3);
    return 1;
}

/* ---- ON CONFLICT ---- */

/* Pushes the TUPLE of the columns that conflict: of index_elements or of a constraint's
** name; nil when neither is given. */
static void push_conflict_targets(lua_State *L, pl_table *t, int options) {
    if (lua_getfield(L, options, "index_elements") != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TTABLE) {
            lua_createtable(L, 1, 0);
            lua_insert(L, -2);
            lua_rawseti(L, -2, 1);
        }
        plua_push_targets(L, t, changed_mapper(lua_touserdata(L, 1)), lua_gettop(L),
                          "index_elements");
        lua_remove(L, -2);
        return;
    }
    lua_pop(L, 1);
    if (lua_getfield(L, options, "constraint") == LUA_TNIL)
        return;
    const char *name = plua_need_string(L, -1, NULL);
    for (const pl_constraint *c = t->constraints; c; c = c->next) {
        if (!c->name || strcmp(c->name, name) != 0)
            continue;
        plua_push_column_tuple(L, c->columns, c->ncolumns);
        lua_remove(L, -2);
        return;
    }
    plua_raise(L, PL_EARGUMENT, "table '%s' has no constraint '%s'", t->name, name);
}

static int conflict(lua_State *L, bool update, const char *method) {
    pl_table *t;
    self_of(L, PL_N_INSERT, method, &t);
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    plua_need_table(L, 2);
    push_conflict_targets(L, t, 2);
    pl_node *n = plua_clause(L, PL_N_CONFLICT, 1, 3);
    n->op = update;
    if (!lua_isnil(L, 3))
        plua_kid(L, 4, 1, 3);
    if (!update)
        return 1;
    if (lua_getfield(L, 2, "set_") == LUA_TNIL) {
        lua_pop(L, 1);
        lua_getfield(L, 2, "set");
    }
    if (lua_isnil(L, 3) || lua_type(L, 5) != LUA_TTABLE)
        plua_raise_hint(L, PL_EARGUMENT,
                        "on_conflict_do_update{index_elements = {\"email\"}, set_ = "
                        "{name = \"x\"}}",
                        "on_conflict_do_update expects index_elements and set_");
    plua_push_assignments(L, t, changed_mapper(lua_touserdata(L, 1)), 5,
                          PLUA_ASSIGN_PLAIN);
    plua_kid(L, 4, 2, 6);
    if (lua_getfield(L, 2, "where") != LUA_TNIL) {
        plua_tocondition(L, 7);
        plua_kid(L, 4, 3, 7);
    }
    lua_settop(L, 4);
    return 1;
}

/*** What to do with a row that is there already: {index_elements =, set_ =, where =}.
The row that could not be inserted is statement.excluded.
@function Statement:on_conflict_do_update
@tab options
@treturn Statement */
static int on_conflict_do_update(lua_State *L) {
    return conflict(L, true, "on_conflict_do_update");
}

/*** Leaves a row that is there already as it is.
@function Statement:on_conflict_do_nothing
@tab[opt] options index_elements
@treturn Statement */
static int on_conflict_do_nothing(lua_State *L) {
    return conflict(L, false, "on_conflict_do_nothing");
}

/* ---- WHERE, RETURNING ---- */

/*** The rows to change.
@function Statement:where
@tparam Expression condition ...
@treturn Statement */
static int statement_where(lua_State *L) {
    if (!changed_table(plua_self(L, PLUA_IS_STATEMENT, PLUA_STATEMENT, "where")))
        plua_raise(L, PL_EARGUMENT, "'where' is a method of update and delete");
    return plua_conditions(L, PL_N_WHERE, "where");
}

/*** What the statement returns of the rows it changed.
@function Statement:returning
@param item ... columns or the model
@treturn Statement */
static int statement_returning(lua_State *L) {
    if (!changed_table(plua_self(L, PLUA_IS_STATEMENT, PLUA_STATEMENT, "returning")))
        plua_raise(L, PL_EARGUMENT, "'returning' is a method of insert, update, delete");
    if (lua_gettop(L) < 2)
        plua_raise(L, PL_EARGUMENT, "'returning' expects columns or a model");
    return plua_push_items(L, PL_N_RETURNING, 1, 2);
}

/* ---- the class ---- */

/* statement.excluded: the row that was to be inserted, as columns. */
static void push_excluded(lua_State *L) {
    const pl_node *n = lua_touserdata(L, 1);
    while (plua_previous(n))
        n = plua_previous(n);
    if (n->kind != PL_N_INSERT)
        plua_raise(L, PL_EATTRIBUTE, "only an insert has 'excluded'");
    static const char name[] = "excluded";
    pl_node *e = plua_node(L, PLUA_FROM, PL_N_IDENT, 0, name, sizeof name - 1);
    e->ref = n->ref;
    plua_node_owner(L, -1, 1);
}

/* Upvalue: the methods. */
static int statement_index(lua_State *L) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    lua_settop(L, 2);
    if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "excluded") == 0) {
        push_excluded(L);
        return 1;
    }
    plua_no_member(L, lua_upvalueindex(1), "statements have no method");
}

int plua_open_statement(lua_State *L) {
    static const luaL_Reg meta[] = {{"__tostring", plua_statement_tostring},
                                    {NULL, NULL}};
    static const luaL_Reg methods[] = {{"values", statement_values},
                                       {"from_select", statement_from_select},
                                       {"on_conflict_do_update", on_conflict_do_update},
                                       {"on_conflict_do_nothing", on_conflict_do_nothing},
                                       {"where", statement_where},
                                       {"filter", statement_where},
                                       {"returning", statement_returning},
                                       {"sql", plua_statement_sql},
                                       {NULL, NULL}};
    static const luaL_Reg constructors[] = {{"insert", db_insert},
                                            {"update", db_update},
                                            {"delete", db_delete},
                                            {NULL, NULL}};
    plua_node_class(L, PLUA_STATEMENT, meta, NULL, PLUA_IS_STATEMENT);
    luaL_newlib(L, methods);
    luaL_setfuncs(L, plua_filter_methods, 0);
    luaL_setfuncs(L, plua_option_methods, 0);
    luaL_setfuncs(L, plua_text_methods, 0);
    lua_pushcclosure(L, statement_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, constructors);
    plua_open_text(L);
    lua_getfield(L, -1, "text");
    lua_setfield(L, -3, "text");
    lua_pop(L, 1);
    return 1;
}
