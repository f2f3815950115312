/* SPDX-License-Identifier: MIT */
/*
** plan.c - see plan.h: joins for loading, and the statement that has them.
**
** A joined relationship is a LEFT OUTER JOIN on an alias that nobody else can name, its
** columns behind those of the query, its order behind the query's. A link table is joined
** the same way before its target; a link without target gives no object. Where the query
** counts rows (LIMIT, DISTINCT ...) and a list is joined, the query becomes a derived
** table first, so that it counts its own rows:
**
**     SELECT anon_1.user_id, ..., post_1.id, ... FROM (SELECT user.id AS user_id ...
**     LIMIT ?) AS anon_1 LEFT OUTER JOIN post AS post_1 ON anon_1.user_id = ...
*/
#include "userdata/plan.h"
#include "userdata/query.h"

#include <string.h>

static pl_node *need(lua_State *L, pl_node *n) {
    if (!n)
        plua_nomem(L);
    return n;
}

pl_node **plua_plan_items(lua_State *L, pl_arena *a, const pl_node *stmt, size_t *n) {
    *n = plua_statement_list(stmt, NULL, 0);
    pl_node **items = pl_arena_array(a, *n, sizeof *items);
    if (!items)
        plua_nomem(L);
    plua_statement_list(stmt, items, *n);
    return items;
}

/* ---- joins ------------------------------------------------------------------------- */

/* An alias that only the plan refers to. */
static pl_node *new_alias(lua_State *L, pl_arena *a, pl_node *of) {
    pl_node *alias = need(L, pl_node_new(a, PL_N_ALIAS, 1));
    alias->kids[0] = of;
    alias->flags = PL_NF_INTERNAL;
    return alias;
}

/* All columns of all tables of a mapper, so that a condition can name any. */
static pl_node *all_columns(lua_State *L, pl_arena *a, const pl_mapper *m) {
    size_t n = 0;
    for (size_t i = 0; i < m->ntables; i++)
        n += m->tables[i].table->ncolumns;
    pl_node *select = need(L, pl_node_new(a, PL_N_SELECT, (uint32_t)n));
    n = 0;
    for (size_t i = 0; i < m->ntables; i++)
        for (size_t k = 0; k < m->tables[i].table->ncolumns; k++)
            select->kids[n++] =
                need(L, pl_node_column(a, m->tables[i].table->columns[k], NULL));
    return need(L, pl_node_clause(a, PL_N_FROM, select, need(L, pl_mapper_from(a, m))));
}

/* What the rows of a mapper are read from when it is joined. */
static pl_node *target_alias(lua_State *L, pl_arena *a, const pl_mapper *m) {
    if (m->ntables == 1)
        return new_alias(L, a, need(L, pl_node_table(a, m->tables[0].table)));
    return new_alias(L, a, all_columns(L, a, m));
}

/* Columns of a mapper's tables in `n` are taken from its alias. */
static pl_node *to_alias(lua_State *L, pl_arena *a, pl_node *n, const pl_mapper *m,
                         pl_node *source) {
    for (size_t i = 0; n && i < m->ntables; i++)
        n = need(L, pl_node_adapt(a, n, m->tables[i].table, NULL, source));
    return n;
}

static void add_join(lua_State *L, plua_eager *e, pl_join_op op, pl_node *right,
                     pl_node *on) {
    pl_node *join = need(L, pl_node_new(e->arena, PL_N_JOINED, 4));
    join->op = (uint8_t)op;
    join->kids[0] = e->run; /* a chain of its own until the statement is made */
    join->kids[2] = right;
    join->kids[3] = on;
    e->run = join;
}

/* What the ON condition says besides: subclass, and_(...), with_loader_criteria. */
static pl_node *conditions(lua_State *L, const plua_eager *e, pl_node *on,
                           const plua_joinload *j, const plua_option *step) {
    pl_arena *a = e->arena;
    pl_mapper *m = (pl_mapper *)j->entity->ref;
    on = need(L, pl_node_and(a, on, pl_mapper_criterion(a, m, j->source)));
    if (step && step->criteria)
        on = need(L, pl_node_and(a, on, to_alias(L, a, step->criteria, m, j->source)));
    const plua_level *said = j->up ? j->up->level : e->roots[j->root].level;
    return need(L, pl_node_and(a, on, plua_level_criteria(L, a, said, m, j->source)));
}

/* The relationship's own order, by its aliases. */
static void add_order(lua_State *L, plua_eager *e, const plua_joinload *j,
                      pl_node *link) {
    const pl_node *order = j->relation->args.order_by;
    pl_arena *a = e->arena;
    if (!order)
        return;
    pl_node *clause = need(L, pl_node_new(a, PL_N_ORDER_BY, order->nkids + 1));
    for (uint32_t i = 0; i < order->nkids; i++) {
        pl_node *n = to_alias(L, a, order->kids[i], j->entity->ref, j->source);
        if (link)
            n = need(L, pl_node_adapt(a, n, j->relation->secondary, NULL, link));
        clause->kids[i + 1] = n;
    }
    clause->kids[0] = e->run;
    e->run = clause;
}

static bool is_inner(const plua_joinload *j, const plua_option *step) {
    bool wanted = step && step->relation ? step->innerjoin : j->relation->args.innerjoin;
    return wanted && !j->up; /* behind an outer join it would take rows away */
}

static void join_target(lua_State *L, plua_eager *e, plua_joinload *j,
                        const plua_option *step) {
    pl_arena *a = e->arena;
    pl_relation *r = j->relation;
    pl_mapper *m = step && step->of_type ? step->of_type : r->target;
    pl_node *above = j->up ? j->up->source : e->roots[j->root].level->source;
    pl_node *link = NULL, *far = NULL;
    j->source = target_alias(L, a, m);
    j->entity = need(L, pl_mapper_entity(a, m, j->source, false));
    if (r->secondary)
        link = new_alias(L, a, need(L, pl_node_table(a, r->secondary)));
    pl_node *on = need(L, pl_relation_on(a, r, above, j->source, link, &far));
    pl_join_op op = is_inner(j, step) ? PL_JOIN_INNER : PL_JOIN_LEFT;
    if (link)
        add_join(L, e, op, link, on);
    add_join(L, e, op, j->source, conditions(L, e, link ? far : on, j, step));
    add_order(L, e, j, link);
    e->nlists += r->uselist;
}

static void contain_target(lua_State *L, plua_eager *e, plua_joinload *j,
                           const plua_option *step) {
    pl_mapper *m = step->of_type ? step->of_type : j->relation->target;
    j->source = step->of_source;
    j->entity = need(L, pl_mapper_entity(e->arena, m, j->source, false));
    e->nlists += j->relation->uselist;
}

static void plan_below(lua_State *L, plua_eager *e, plua_joinload *up, int root);

static void plan_relation(lua_State *L, plua_eager *e, plua_joinload *up, int root,
                          pl_relation *r, plua_option_op way, const plua_option *step) {
    plua_joinload *j = pl_arena_get(e->arena, sizeof *j);
    int levelidx = up ? up->levelidx : e->roots[root].levelidx;
    if (!j)
        plua_nomem(L);
    luaL_checkstack(L, 20, "too many joins");
    j->up = up;
    j->root = root;
    j->relation = r;
    j->level = plua_push_next_level(L, levelidx, r, step);
    j->levelidx = lua_gettop(L);
    if (way == PLUA_O_CONTAINS)
        contain_target(L, e, j, step);
    else
        join_target(L, e, j, step);
    j->entity = plua_level_entity(L, e->arena, j->level, j->entity);
    *e->lastjoin = j;
    e->lastjoin = &j->next;
    if (j->level)
        plan_below(L, e, j, root);
}

static void plan_below(lua_State *L, plua_eager *e, plua_joinload *up, int root) {
    const plua_level *v = up ? up->level : e->roots[root].level;
    const pl_mapper *m = v->mapper;
    for (size_t i = 0; i < m->nrelations; i++) {
        const plua_option *step;
        plua_option_op way = plua_level_way(v, m->relations[i], &step);
        if (way == PLUA_O_JOINED || (way == PLUA_O_CONTAINS && step->relation))
            plan_relation(L, e, up, root, m->relations[i], way, step);
    }
}

void plua_plan_root(lua_State *L, plua_eager *e, int root) {
    plan_below(L, e, NULL, root);
}

/* ---- the statement as it is -------------------------------------------------------- */

/* The query's items with the columns that options leave of its entities. */
static pl_node *with_items(lua_State *L, plua_eager *e) {
    pl_node *user = (pl_node *)e->user;
    size_t n;
    pl_node **items = plua_plan_items(L, e->arena, user, &n);
    bool changed = false;
    int root = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i]->kind != PL_N_ENTITY || root == e->nroots)
            continue;
        changed = changed || items[i] != e->roots[root].entity;
        items[i] = e->roots[root++].entity;
    }
    if (!changed)
        return user;
    pl_node *clause = need(L, pl_node_new(e->arena, PL_N_COLUMNS, (uint32_t)n + 1));
    clause->kids[0] = user;
    memcpy(clause->kids + 1, items, n * sizeof items[0]);
    return clause;
}

/* Puts the chain of joins and orders over `stmt`, the columns of the joins behind. */
static pl_node *with_joins(lua_State *L, const plua_eager *e, pl_node *stmt,
                           pl_node *chain) {
    pl_node *orders = NULL, *first = NULL, *last = chain;
    size_t n = 0;
    while (last) { /* the chain was made newest first: turned round, orders apart */
        pl_node *before = last->kids[0];
        pl_node **to = last->kind == PL_N_ORDER_BY ? &orders : &first;
        last->kids[0] = *to;
        *to = last;
        last = before;
    }
    for (pl_node *join = first; join; join = last) {
        last = join->kids[0];
        join->kids[0] = stmt;
        stmt = join;
    }
    for (const plua_joinload *j = e->joins; j; j = j->next)
        n++;
    pl_node *columns = need(L, pl_node_new(e->arena, PL_N_ADD_COLUMNS, (uint32_t)n + 1));
    columns->kids[0] = stmt;
    n = 1;
    for (const plua_joinload *j = e->joins; j; j = j->next)
        columns->kids[n++] = j->entity;
    stmt = columns;
    for (pl_node *order = orders; order; order = last) {
        last = order->kids[0];
        order->kids[0] = stmt;
        stmt = order;
    }
    return stmt;
}

/* ---- the statement as a derived table ---------------------------------------------- */

/* Columns that the derived table must have. */
typedef struct lift {
    lua_State *L;
    plua_eager *e;
    pl_node *alias;
    pl_node **inner; /* LABEL nodes */
    pl_node **given; /* what each of them is */
    size_t n, cap;
    bool compound; /* its columns cannot be chosen */
} lift;

static bool has_name(const lift *w, const char *name) {
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->inner[i]->text, name) == 0)
            return true;
    return false;
}

static const char *new_name(const lift *w, const pl_node *n) {
    const pl_column *c = n->kind == PL_N_COLUMN ? n->ref : NULL;
    const char *base = c && c->table
                           ? pl_arena_fmt(w->e->arena, "%s_%s", c->table->name, c->name)
                       : n->text && n->kind == PL_N_COLUMN ? n->text
                                                           : "value";
    const char *name = base;
    for (int i = 1; name && has_name(w, name); i++)
        name = pl_arena_fmt(w->e->arena, "%s_%d", base, i);
    if (!name)
        plua_nomem(w->L);
    return name;
}

static pl_node *source_of(const pl_node *column) {
    return column->nkids > 0 ? column->kids[0] : NULL;
}

static bool same_thing(const pl_node *a, const pl_node *b) {
    if (a == b)
        return true;
    return a->kind == PL_N_COLUMN && b->kind == PL_N_COLUMN && a->ref &&
           a->ref == b->ref && source_of(a) == source_of(b);
}

static void grow(lift *w) {
    size_t cap = w->cap ? w->cap * 2 : 32;
    pl_node **inner = pl_arena_array(w->e->arena, cap, sizeof *inner);
    pl_node **given = pl_arena_array(w->e->arena, cap, sizeof *given);
    if (!inner || !given)
        plua_nomem(w->L);
    if (w->n > 0) {
        memcpy(inner, w->inner, w->n * sizeof *inner);
        memcpy(given, w->given, w->n * sizeof *given);
    }
    w->inner = inner;
    w->given = given;
    w->cap = cap;
}

/* The label under which the derived table has an expression. */
static const char *label_of(lift *w, pl_node *n) {
    for (size_t i = 0; i < w->n; i++)
        if (same_thing(w->given[i], n))
            return w->inner[i]->text;
    if (w->n == w->cap)
        grow(w);
    pl_node *label = need(w->L, pl_node_new(w->e->arena, PL_N_LABEL, 1));
    pl_node_set_text(label, new_name(w, n));
    label->kids[0] = n;
    w->inner[w->n] = label;
    w->given[w->n++] = n;
    return label->text;
}

/* A column of the derived table for an expression of the query. */
static pl_node *lifted(lift *w, pl_node *n) {
    pl_node *c = need(w->L, pl_node_new(w->e->arena, PL_N_COLUMN, 1));
    c->kids[0] = w->alias;
    c->ref = n->kind == PL_N_COLUMN ? n->ref : NULL;
    c->type = pl_node_type(n);
    if (!w->compound || !c->ref)
        pl_node_set_text(c, label_of(w, n));
    return c;
}

/* A condition of a join: columns of the query become those of the derived table. */
static pl_node *lift_columns(lift *w, pl_node *n) {
    if (!n || pl_node_is_statement(n) || n->kind == PL_N_ALIAS || n->kind == PL_N_LITERAL)
        return n;
    if (n->kind == PL_N_COLUMN) {
        const pl_node *source = source_of(n);
        return source && (source->flags & PL_NF_INTERNAL) ? n : lifted(w, n);
    }
    if (n->nkids == 0)
        return n;
    pl_node *copy = pl_arena_get(w->e->arena, pl_node_size(n->nkids));
    if (!copy)
        plua_nomem(w->L);
    memcpy(copy, n, pl_node_size(n->nkids));
    copy->mark = 0;
    for (uint32_t i = 0; i < n->nkids; i++)
        copy->kids[i] = lift_columns(w, n->kids[i]);
    return copy;
}

static pl_node *lift_item(lift *w, pl_node *n) {
    pl_arena *a = w->e->arena;
    if (n->kind == PL_N_ENTITY) {
        pl_node *copy = need(w->L, pl_node_new(a, PL_N_ENTITY, n->nkids));
        copy->ref = n->ref;
        for (uint32_t i = 0; i < n->nkids; i++)
            copy->kids[i] = lifted(w, n->kids[i]);
        return copy;
    }
    const char *name = n->kind == PL_N_LABEL ? n->text : NULL;
    pl_node *inner = n->kind == PL_N_LABEL ? n->kids[0] : n;
    if (!name && inner->kind == PL_N_COLUMN && inner->ref)
        name = ((const pl_column *)inner->ref)->name;
    pl_node *column = lifted(w, inner);
    if (!name)
        return column;
    pl_node *label = need(w->L, pl_node_new(a, PL_N_LABEL, 1));
    pl_node_set_text(label, name);
    label->kids[0] = column;
    label->type = column->type;
    return label;
}

static bool is_name(const pl_node *n) {
    return n->kind == PL_N_IDENT || n->kind == PL_N_LITERAL || n->kind == PL_N_TEXT;
}

static pl_node *lift_order(lift *w, pl_node *n) {
    if (n->kind != PL_N_ORDER)
        return is_name(n) || (w->compound && n->kind != PL_N_COLUMN) ? NULL
                                                                     : lifted(w, n);
    pl_node *kid = lift_order(w, n->kids[0]);
    if (!kid)
        return NULL;
    pl_node *copy = need(w->L, pl_node_new(w->e->arena, PL_N_ORDER, 1));
    copy->op = n->op;
    copy->kids[0] = kid;
    return copy;
}

/* The query's order around the derived table as well, because joining may change it: the
** clauses of `from` and before it, the oldest first. */
static pl_node *with_order(lift *w, pl_node *stmt, const pl_node *from) {
    while (from && from->kind != PL_N_ORDER_BY)
        from = plua_previous(from);
    if (!from || from->nkids == 1) /* none, or the order so far is forgotten */
        return stmt;
    stmt = with_order(w, stmt, plua_previous(from));
    for (uint32_t i = 1; i < from->nkids; i++) {
        pl_node *kid = lift_order(w, from->kids[i]);
        if (kid)
            stmt = need(w->L, pl_node_clause(w->e->arena, PL_N_ORDER_BY, stmt, kid));
    }
    return stmt;
}

static void lift_joins(lift *w, pl_node *chain) {
    for (pl_node *n = chain; n; n = n->kids[0]) {
        for (uint32_t i = n->kind == PL_N_JOINED ? 3 : 1; i < n->nkids; i++)
            n->kids[i] = lift_columns(w, n->kids[i]);
    }
    for (plua_joinload *j = w->e->joins; j; j = j->next)
        if (!j->source || !(j->source->flags & PL_NF_INTERNAL))
            j->entity = lift_item(w, j->entity); /* contains_eager */
}

/* SELECT ... FROM (query) AS anon; the query is put into the alias last, when all that is
** needed of it is known. */
static pl_node *wrapped(lua_State *L, plua_eager *e, bool compound, pl_node *chain) {
    pl_arena *a = e->arena;
    lift w = {.L = L, .e = e, .compound = compound};
    size_t n;
    pl_node **items = plua_plan_items(L, a, e->own, &n);
    w.alias = new_alias(L, a, NULL);
    pl_node *select = need(L, pl_node_new(a, PL_N_SELECT, (uint32_t)n));
    for (size_t i = 0; i < n; i++)
        select->kids[i] = lift_item(&w, items[i]);
    lift_joins(&w, chain);
    pl_node *stmt = need(L, pl_node_clause(a, PL_N_FROM, select, w.alias));
    stmt = with_order(&w, stmt, e->user);
    pl_node *inner = (pl_node *)e->user;
    if (!compound) {
        inner = need(L, pl_node_new(a, PL_N_COLUMNS, (uint32_t)w.n + 1));
        inner->kids[0] = (pl_node *)e->user;
        if (w.n > 0)
            memcpy(inner->kids + 1, w.inner, w.n * sizeof w.inner[0]);
    }
    w.alias->kids[0] = inner;
    e->own = select;
    return with_joins(L, e, stmt, chain);
}

static bool counts_rows(const pl_node *stmt) {
    for (const pl_node *n = stmt; n; n = plua_previous(n)) {
        bool limit = (n->kind == PL_N_LIMIT || n->kind == PL_N_OFFSET) && n->nkids > 1 &&
                     n->kids[1];
        if (limit || n->kind == PL_N_DISTINCT || n->kind == PL_N_GROUP_BY)
            return true;
    }
    return false;
}

static const pl_node *head_of(const pl_node *stmt) {
    while (plua_previous(stmt))
        stmt = plua_previous(stmt);
    return stmt;
}

/* Whether a list is joined that the query does not join itself. */
static bool joins_list(const plua_eager *e) {
    for (const plua_joinload *j = e->joins; j; j = j->next)
        if (j->relation->uselist && j->source && (j->source->flags & PL_NF_INTERNAL))
            return true;
    return false;
}

void plua_plan_statement(lua_State *L, plua_eager *e) {
    pl_node *chain = e->run;
    bool compound = head_of(e->user)->kind == PL_N_COMPOUND;
    e->own = e->run = compound ? (pl_node *)e->user : with_items(L, e);
    if (!e->joins)
        return;
    if (compound || (counts_rows(e->user) && joins_list(e)))
        e->run = wrapped(L, e, compound, chain);
    else
        e->run = with_joins(L, e, e->own, chain);
}
