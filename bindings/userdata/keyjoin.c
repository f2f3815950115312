/* SPDX-License-Identifier: MIT */
/*
** keyjoin.c - the condition of a join that nobody gave: the one foreign key between the
** target and what the query names as its source, or else anything it reads.
**
** Derived tables have the foreign keys of the columns that their selects hand on.
*/
#include "userdata/keyjoin.h"
#include "userdata/clause.h"
#include "userdata/option.h"
#include "userdata/scratch.h"

#include "core/sql/compile.h"

static void check_memory(lua_State *L, const void *p) {
    if (!p)
        plua_nomem(L);
}

/* A plain table, alias or derived table among the FROM items. */
typedef struct leaf {
    const pl_node *from;
    pl_node *source; /* of its columns */
} leaf;

static const pl_table *table_of(const pl_node *n) {
    while (n->kind == PL_N_ALIAS)
        n = n->kids[0];
    return n->kind == PL_N_TABLE ? n->ref : NULL;
}

static const pl_node *statement_of(const pl_node *n) {
    while (n->kind == PL_N_ALIAS || n->kind == PL_N_CTE)
        n = n->kids[0];
    return n->kind >= PL_N_SELECT ? n : NULL;
}

static bool lists_column(const pl_node *item, const pl_column *c) {
    if (item->kind == PL_N_COLUMN)
        return item->ref == c;
    for (uint32_t i = 0; item->kind == PL_N_ENTITY && i < item->nkids; i++) {
        if (item->kids[i]->ref == c && item->kids[i]->kind == PL_N_COLUMN)
            return true;
    }
    return false;
}

/* Whether a leaf has a column of a table: its own, or one that its select hands on. */
static bool has_column(const leaf *l, const pl_column *c) {
    const pl_table *t = table_of(l->from);
    if (t)
        return c->table == t;
    const pl_node *stmt = statement_of(l->from);
    pl_node *items[128];
    size_t n = stmt ? plua_statement_list(stmt, items, 128) : 0;
    for (size_t i = 0; i < n && i < 128; i++) {
        if (lists_column(items[i], c))
            return true;
    }
    return false;
}

static bool has_columns(const leaf *l, pl_column *const *columns, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!has_column(l, columns[i]))
            return false;
    }
    return true;
}

typedef struct search {
    lua_State *L;
    pl_arena *arena;
    int found;
    const pl_constraint *fk;
    leaf child, parent;
} search;

static void look_at(search *s, const pl_table *t, const leaf *child, const leaf *parent) {
    for (pl_constraint *c = t->constraints; c; c = c->next) {
        if (c->kind != PL_C_FOREIGN)
            continue;
        plua_check(s->L, pl_foreign_resolve(c, plua_err(s->L)));
        if (!has_columns(child, c->columns, c->ncolumns) ||
            !has_columns(parent, c->targets, c->ncolumns))
            continue;
        s->found++;
        s->fk = c;
        s->child = *child;
        s->parent = *parent;
    }
}

/* Foreign keys of `child` that refer to `parent`. */
static void look_from(search *s, const leaf *child, const leaf *parent) {
    const pl_table *t = table_of(child->from), *before = NULL;
    if (t) {
        look_at(s, t, child, parent);
        return;
    }
    const pl_node *stmt = statement_of(child->from);
    pl_node *items[128];
    size_t n = stmt ? plua_statement_list(stmt, items, 128) : 0;
    for (size_t i = 0; i < n && i < 128; i++) {
        const pl_node *item = items[i];
        if (item->kind == PL_N_ENTITY && item->nkids > 0)
            item = item->kids[0];
        const pl_column *c = item->kind == PL_N_COLUMN ? item->ref : NULL;
        if (c && c->table && c->table != before)
            look_at(s, c->table, child, parent);
        before = c ? c->table : before;
    }
}

static void look_both(search *s, const leaf *a, const leaf *b) {
    look_from(s, a, b);
    if (a->from != b->from)
        look_from(s, b, a);
}

static void add_leaves(lua_State *L, const pl_node *n, leaf *list, size_t *count) {
    if (n->kind == PL_N_JOIN) {
        add_leaves(L, n->kids[0], list, count);
        add_leaves(L, n->kids[1], list, count);
        return;
    }
    if (*count == 64)
        plua_raise(L, PL_EINVALID, "too many tables to look for foreign keys");
    list[(*count)++] = (leaf){n, n->kind == PL_N_TABLE ? NULL : (pl_node *)n};
}

const char *plua_from_name(lua_State *L, const plua_from *f) {
    const pl_table *t = table_of(f->from);
    if (f->mapper)
        return f->mapper->name;
    if (t)
        return t->name;
    return f->from->text ? lua_pushlstring(L, f->from->text, f->from->len) : "subquery";
}

static __attribute__((noreturn)) void no_way(lua_State *L, const plua_from *right) {
    plua_raise_hint(L, PL_EINVALID,
                    "give the condition as second argument, or the left side with "
                    "select_from(...)",
                    "Don't know how to join to %s: no foreign key connects it with "
                    "what the query reads",
                    plua_from_name(L, right));
}

static __attribute__((noreturn)) void ambiguous(lua_State *L, const plua_from *right,
                                                bool froms) {
    if (froms)
        plua_raise_hint(L, PL_EINVALID,
                        "give the condition as second argument, or the left side with "
                        "select_from(...)",
                        "Can't determine which FROM clause to join %s from: foreign "
                        "keys connect it with several",
                        plua_from_name(L, right));
    plua_raise_hint(L, PL_EAMBIGUOUS,
                    "join by a relationship, or give the condition as second argument",
                    "Can't determine join to %s: there is more than one foreign key "
                    "between the tables",
                    plua_from_name(L, right));
}

/* Finds the foreign key between the leaves of `right` and the latest leaf that has one;
** false when there is none. */
static bool find_key(lua_State *L, search *s, const leaf *left, size_t nleft,
                     const plua_from *right, bool one_by_one) {
    leaf own[64];
    size_t nown = 0;
    int sides = 0;
    add_leaves(L, right->from, own, &nown);
    for (size_t i = nleft; i > 0; i--) {
        const leaf *l = &left[i - 1];
        search one = {.L = L, .arena = s->arena};
        if (l->from == right->from ||
            (l->from->kind == PL_N_TABLE && right->from->kind == PL_N_TABLE &&
             l->from->ref == right->from->ref))
            continue;
        for (size_t k = 0; k < nown; k++)
            look_both(&one, l, &own[k]);
        if (one.found > 1)
            ambiguous(L, right, false);
        if (one.found == 0)
            continue;
        if (sides++ == 0)
            *s = one;
        if (!one_by_one)
            break;
    }
    if (sides > 1)
        ambiguous(L, right, true);
    return sides > 0;
}

static bool has_joins(const pl_node *n) {
    for (; n; n = plua_previous(n)) {
        if (n->kind == PL_N_JOINED)
            return true;
    }
    return false;
}

static pl_node *key_condition(search *s) {
    pl_node *all = NULL;
    for (size_t i = 0; i < s->fk->ncolumns; i++) {
        pl_node *up = pl_node_column(s->arena, s->fk->targets[i], s->parent.source);
        pl_node *down = pl_node_column(s->arena, s->fk->columns[i], s->child.source);
        pl_node *equal = pl_node_binary(s->arena, PL_OP_EQ, up, down);
        all = equal ? pl_node_and(s->arena, all, equal) : NULL;
        check_memory(s->L, all);
    }
    return all;
}

/* What select_from and joins named, oldest first. */
static size_t named_leaves(lua_State *L, const pl_node *stmt, leaf *list) {
    size_t count = 0;
    for (const pl_node *n = stmt; n; n = plua_previous(n)) {
        if (n->kind == PL_N_JOINED)
            add_leaves(L, n->kids[2], list, &count);
        if ((n->kind == PL_N_JOINED || n->kind == PL_N_FROM) && n->kids[1])
            add_leaves(L, n->kids[1], list, &count);
    }
    for (size_t i = 0; i < count / 2; i++) {
        leaf swap = list[i];
        list[i] = list[count - 1 - i];
        list[count - 1 - i] = swap;
    }
    return count;
}

/* All that the statement reads, its columns' tables too; leaves may be in the scratch. */
static size_t all_leaves(lua_State *L, pl_node *stmt, pl_arena *scratch, pl_alloc alloc,
                         leaf *list) {
    size_t count = 0;
    pl_vec froms;
    pl_vec_init(&froms, alloc);
    if (!pl_statement_froms(stmt, scratch, &froms))
        plua_nomem(L);
    for (size_t i = 0; i < froms.n; i++)
        add_leaves(L, froms.v[i], list, &count);
    return count;
}

/* Pushes the arena in which the ON for joining `right` by foreign keys lives. */
pl_node *plua_push_key_condition(lua_State *L, const plua_from *right) {
    search s = {.L = L, .arena = plua_arena(L)};
    pl_node *stmt = lua_touserdata(L, 1);
    leaf left[64];
    pl_alloc alloc;
    pl_arena *scratch = plua_scratch(L, &alloc);
    bool first = !has_joins(stmt);
    if (!find_key(L, &s, left, named_leaves(L, stmt, left), right, first) &&
        !find_key(L, &s, left, all_leaves(L, stmt, scratch, alloc, left), right, first))
        no_way(L, right);
    pl_node *on = key_condition(&s);
    plua_arena_done(scratch);
    lua_pop(L, 1);
    return on;
}
