/* SPDX-License-Identifier: MIT */
/*
** select.c - the list of what a statement returns: models, aliases, columns.
**
** Also what others ask of a finished chain: its items, the entity filter_by speaks of,
** the db it belongs to. Mappers below another bring their FROM (joined tables) or a
** condition (single table) with them.
*/
#include "userdata/alias.h"
#include "userdata/clause.h"
#include "userdata/enclosed.h"
#include "userdata/expression.h"
#include "userdata/from.h"
#include "userdata/model.h"
#include "userdata/null.h"
#include "userdata/null.h"
#include "userdata/option.h"
#include "userdata/relattr.h"
#include "userdata/schema.h"

#include "core/base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading a chain ---- */

pl_node *plua_previous(const pl_node *n) {
    return n->kind >= PL_N_WHERE ? n->kids[0] : NULL;
}

const pl_node *plua_statement_items(const pl_node *n, uint32_t *first) {
    *first = 0;
    while (n && n->kind != PL_N_SELECT) {
        if (n->kind == PL_N_COLUMNS || n->kind == PL_N_RETURNING) {
            *first = 1;
            return n;
        }
        n = n->kind == PL_N_COMPOUND ? n->kids[0] : plua_previous(n);
    }
    return n;
}

size_t plua_statement_list(const pl_node *n, pl_node **out, size_t max) {
    uint32_t first = 1;
    size_t count = 0;
    if (!n)
        return 0;
    if (n->kind == PL_N_COMPOUND)
        return plua_statement_list(n->kids[0], out, max);
    if (n->kind == PL_N_ADD_COLUMNS)
        count = plua_statement_list(n->kids[0], out, max);
    else if (n->kind == PL_N_SELECT)
        first = 0;
    else if (n->kind != PL_N_COLUMNS && n->kind != PL_N_RETURNING)
        return plua_statement_list(plua_previous(n), out, max);
    for (uint32_t i = first; i < n->nkids; i++, count++) {
        if (count < max)
            out[count] = n->kids[i];
    }
    return count;
}

/* Metadata of the first table that a tree names. */
static const pl_metadata *metadata_of(const pl_node *n) {
    if (!n)
        return NULL;
    if (n->kind == PL_N_TABLE || n->kind == PL_N_INSERT)
        return ((const pl_table *)n->ref)->metadata;
    if (n->kind == PL_N_COLUMN && n->ref) {
        const pl_column *c = n->ref;
        return c->table ? c->table->metadata : NULL;
    }
    const pl_metadata *md = NULL;
    for (uint32_t i = 0; i < n->nkids && !md; i++)
        md = metadata_of(n->kids[i]);
    return md;
}

/* The db whose select() made a part of a statement that names no table. */
static plua_db *maker_of(const pl_node *n) {
    if (!n)
        return NULL;
    if (n->kind == PL_N_SELECT && n->value.v.p)
        return (plua_db *)(uintptr_t)n->value.v.p;
    plua_db *db = NULL;
    for (uint32_t i = 0; i < n->nkids && !db; i++)
        db = maker_of(n->kids[i]);
    return db;
}

plua_db *plua_statement_db(const pl_node *stmt) {
    const pl_metadata *md = metadata_of(stmt);
    return md ? plua_db_of(md) : maker_of(stmt);
}

static pl_node *source_of(const pl_node *from) {
    while (from->kind == PL_N_JOIN) /* a link table and its target, or joined tables */
        from = from->kids[1];
    return from->kind == PL_N_TABLE ? NULL : (pl_node *)from;
}

pl_mapper *plua_table_mapper(const pl_table *t) {
    const plua_db *db = t && t->metadata ? plua_db_of(t->metadata) : NULL;
    for (size_t i = 0; db && i < db->registry.mappers.n; i++) {
        pl_mapper *m = db->registry.mappers.v[i];
        if (m->ntables > 0 && m->tables[m->ntables - 1].table == t && m->root == m)
            return m;
    }
    return NULL;
}

/* The mapper an item of a select list belongs to, its source in *source. */
static pl_mapper *item_mapper(const pl_node *n, pl_node **source) {
    while (n->kind == PL_N_LABEL)
        n = n->kids[0];
    *source = NULL;
    if (n->kind == PL_N_ENTITY) {
        if (n->nkids > 0 && n->kids[0]->nkids > 0)
            *source = n->kids[0]->kids[0];
        return (pl_mapper *)n->ref;
    }
    const pl_column *c = n->kind == PL_N_COLUMN ? n->ref : NULL;
    if (!c || !c->table)
        return NULL;
    if (n->nkids > 0)
        *source = n->kids[0];
    pl_mapper *m = plua_noted_mapper(n);
    return m ? m : plua_table_mapper(c->table);
}

pl_mapper *plua_statement_target(const pl_node *stmt, pl_node **source) {
    const pl_node *n = stmt;
    pl_node *unwanted;
    if (!source)
        source = &unwanted;
    *source = NULL;
    for (; n; n = plua_previous(n)) {
        bool from = n->kind == PL_N_FROM && n->nkids > 1;
        if (n->ref && (n->kind == PL_N_JOINED || from)) {
            *source = source_of(n->kids[from ? 1 : 2]);
            return (pl_mapper *)n->ref;
        }
        if (n->kind == PL_N_UPDATE || n->kind == PL_N_DELETE) {
            *source = source_of(n->kids[0]);
            return (pl_mapper *)n->ref;
        }
    }
    uint32_t first;
    n = plua_statement_items(stmt, &first);
    pl_mapper *m = NULL;
    for (uint32_t i = first; n && i < n->nkids && !m; i++)
        m = item_mapper(n->kids[i], source);
    return m;
}

/* The table behind a FROM item, NULL for derived ones. */
static pl_table *from_table(const pl_node *n) {
    while (n->kind == PL_N_ALIAS)
        n = n->kids[0];
    return n->kind == PL_N_TABLE ? (pl_table *)n->ref : NULL;
}

pl_table *plua_statement_table(const pl_node *stmt, pl_node **source) {
    for (const pl_node *n = stmt; n; n = plua_previous(n)) {
        const pl_node *from = NULL;
        if (n->kind == PL_N_JOINED)
            from = n->kids[2];
        else if (n->kind == PL_N_FROM && n->nkids > 1)
            from = n->kids[1];
        else if (n->kind == PL_N_UPDATE || n->kind == PL_N_DELETE)
            from = n->kids[0];
        pl_table *t = from ? from_table(from) : NULL;
        if (t) {
            *source = source_of(from);
            return t;
        }
    }
    uint32_t first;
    const pl_node *items = plua_statement_items(stmt, &first);
    for (uint32_t i = first; items && i < items->nkids; i++) {
        const pl_node *n = items->kids[i];
        const pl_column *c = n->kind == PL_N_COLUMN ? n->ref : NULL;
        if (c && c->table) {
            *source = n->nkids > 0 ? n->kids[0] : NULL;
            return c->table;
        }
    }
    return NULL;
}

/* ---- making a list ---- */

static __attribute__((noreturn)) void item_error(lua_State *L, int idx) {
    if (plua_test_relattr(L, idx))
        plua_raise_hint(L, PL_EARGUMENT,
                        "join it and select the model: select(Post):join(User.posts)",
                        "a relationship cannot be selected");
    if (lua_type(L, idx) == LUA_TSTRING)
        plua_raise_hint(L, PL_EARGUMENT,
                        "db.text(\"...\") is SQL text, db.literal(\"...\") a value",
                        "models or expressions were expected, got the string '%s'",
                        lua_tostring(L, idx));
    plua_raise_hint(L, PL_EARGUMENT, "db.literal(...) makes an expression of a value",
                    "models or expressions were expected, got %s", plua_typename(L, idx));
}

static const pl_table *test_table(lua_State *L, int idx) {
    const plua_table *t = plua_test_table(L, idx);
    return t ? t->t : NULL;
}

static void push_table_columns(lua_State *L, const pl_table *t, int owner) {
    luaL_checkstack(L, (int)t->ncolumns + 8, "too many columns");
    for (size_t i = 0; i < t->ncolumns; i++)
        plua_column_node(L, t->columns[i], t->columns[i]->type, 0, owner);
}

/* Pushes what the value at idx adds to a list: itself, or the columns it stands for. */
static void push_item(lua_State *L, int idx) {
    const pl_table *t = NULL;
    if (plua_test_model(L, idx) || plua_test_alias(L, idx)) {
        lua_pushvalue(L, idx);
        return;
    }
    if (plua_tonode_of(L, idx, PLUA_IS_FROM)) {
        plua_push_from_items(L, idx);
        return;
    }
    if ((t = test_table(L, idx))) {
        push_table_columns(L, t, idx);
        return;
    }
    if (plua_is_null(L, idx)) {
        plua_literal(L, idx, NULL);
        return;
    }
    lua_pushvalue(L, idx);
    const pl_node *n = plua_operand(L, -1);
    if (!n || n->kind == PL_N_ORDER ||
        (plua_tonode_of(L, -1, PLUA_IS_STATEMENT) && n->kind != PL_N_TEXT))
        item_error(L, idx);
}

static void set_item(lua_State *L, pl_node *list, uint32_t i, int idx) {
    const plua_model *model;
    const plua_alias *alias;
    pl_node *n = plua_tonode(L, idx);
    if (!n && (model = plua_test_model(L, idx)))
        n = model->entity;
    else if (!n && (alias = plua_test_alias(L, idx)))
        n = alias->entity;
    list->kids[i] = n;
    lua_pushvalue(L, idx);
    lua_setiuservalue(L, -2, (int)i + 1);
}

enum { INHERITS = 0x10000 }; /* plus the mapper's position: `ext` of such a clause */

static void mark_inheritance(pl_node *clause, const pl_mapper *m) {
    clause->flags |= PL_NF_INTERNAL;
    clause->ext = INHERITS + (uint32_t)m->position;
}

/* Whether the statement has what add_inheritance gives it for the plain mapper. */
static bool has_inheritance(const pl_node *stmt, const pl_mapper *m) {
    for (; stmt; stmt = plua_previous(stmt))
        if ((stmt->flags & PL_NF_INTERNAL) &&
            stmt->ext == INHERITS + (uint32_t)m->position)
            return true;
    return false;
}

void plua_add_criterion(lua_State *L, const pl_mapper *m, pl_node *source) {
    pl_arena *a = plua_arena(L);
    pl_node *condition = pl_mapper_criterion(a, m, source);
    if (!condition) {
        plua_arena_done(a);
        lua_pop(L, 1);
        return;
    }
    mark_inheritance(plua_clause(L, PL_N_WHERE, -2, 1), m);
    lua_insert(L, -2);
    plua_set_from(L, -2, 1, condition);
    lua_remove(L, -2);
}

/* Puts the FROM and the condition of an inheriting mapper over the statement on top. */
static void add_inheritance(lua_State *L, const pl_mapper *m, pl_node *source) {
    if (m->ntables > 1 && !source) {
        plua_clause(L, PL_N_FROM, -1, 1);
        pl_arena *a = plua_arena(L);
        pl_node *from = pl_mapper_from(a, m);
        mark_inheritance(lua_touserdata(L, -2), m);
        plua_set_from(L, -2, 1, from);
        lua_remove(L, -2);
    }
    plua_add_criterion(L, m, source);
}

static bool same_mapper(const pl_node *n, const pl_mapper *m, const pl_node *source) {
    pl_node *s;
    return item_mapper(n, &s) == m && s == source;
}

/* For each inheriting mapper among the items from `first` on, once. */
static void add_inheritances(lua_State *L, const pl_node *list, uint32_t first) {
    for (uint32_t i = first; i < list->nkids; i++) {
        pl_node *source;
        const pl_mapper *m = item_mapper(list->kids[i], &source);
        if (!m || !pl_mapper_is_restricted(m) || (!source && has_inheritance(list, m)))
            continue;
        uint32_t j = first;
        while (j < i && !same_mapper(list->kids[j], m, source))
            j++;
        if (j == i)
            add_inheritance(L, m, source);
    }
}

int plua_push_items(lua_State *L, pl_node_kind kind, int prev, int from) {
    int top = lua_gettop(L);
    for (int i = from; i <= top; i++) {
        luaL_checkstack(L, 8, "too many items");
        push_item(L, i);
    }
    int count = lua_gettop(L) - top;
    uint32_t first = prev ? 1 : 0;
    pl_node *list;
    if (prev)
        list = plua_clause(L, kind, prev, (uint32_t)count);
    else
        list = plua_node_block(L, PLUA_QUERY, kind, (uint32_t)count, 0, count + 1);
    for (int i = 0; i < count; i++)
        set_item(L, list, first + (uint32_t)i, top + 1 + i);
    if (kind == PL_N_COLUMNS || kind == PL_N_ADD_COLUMNS)
        plua_turn_clause(L);
    if (kind != PL_N_RETURNING)
        add_inheritances(L, list, first);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return 1;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

__attribute__((noreturn)) void plua_no_member(lua_State *L, int names, const char *what) {
    if (lua_type(L, 2) != LUA_TSTRING)
        plua_raise(L, PL_EATTRIBUTE, "%s %s", what, luaL_tolstring(L, 2, NULL));
    const char *list[128];
    int n = 0;
    lua_pushnil(L);
    while (lua_next(L, names)) {
        if (n < 127 && lua_type(L, -2) == LUA_TSTRING)
            list[n++] = lua_tostring(L, -2);
        lua_pop(L, 1);
    }
    list[n] = NULL;
    qsort(list, (size_t)n, sizeof list[0], compare_names); /* Lua's order is by chance */
    const char *name = lua_tostring(L, 2), *near = pl_nearest(name, list);
    const char *hint = near ? lua_pushfstring(L, "did you mean '%s'?", near) : NULL;
    plua_raise_hint(L, PL_EATTRIBUTE, hint, "%s '%s'", what, name);
}
