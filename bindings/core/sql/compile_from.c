/* SPDX-License-Identifier: MIT */
/*
** compile_from.c - which tables a select reads: inference, joins, correlation.
**
** FROM starts with what select_from and join name; every further table that the select
** list or WHERE mentions is added once. A join goes to the item that its ON condition
** refers to. In a subquery, tables of the enclosing statement are left to it.
*/
#include "core/sql/compiler.h"

/* ---- sources that an expression mentions ---- */

static void collect_source(pl_compiler *c, const pl_node *source, pl_list *out);

static void collect_column(pl_compiler *c, const pl_node *n, pl_list *out) {
    if (n->nkids > 0 && n->kids[0]) {
        collect_source(c, n->kids[0], out);
        return;
    }
    const pl_column *col = n->ref;
    if (!col || !col->table)
        return;
    for (size_t i = 0; i < out->n; i++)
        if (pl_source_key(c, out->v[i]) == col->table)
            return;
    pl_node *t = pl_node_table(&c->scratch, col->table);
    if (t)
        pl_list_add(c, out, t);
    else
        pl_set_nomem(c);
}

/* A table function comes after the tables that its arguments need. */
static void collect_source(pl_compiler *c, const pl_node *source, pl_list *out) {
    if (source->kind == PL_N_IDENT)
        return;
    if (source->kind == PL_N_TABLEFUNC && source->nkids > 0)
        pl_collect_sources(c, source->kids[0], false, out);
    const void *key = pl_source_key(c, source);
    for (size_t i = 0; i < out->n; i++)
        if (pl_source_key(c, out->v[i]) == key)
            return;
    pl_list_add(c, out, source);
}

void pl_collect_sources(pl_compiler *c, const pl_node *n, bool deep, pl_list *out) {
    if (!n)
        return;
    bool statement = pl_node_is_statement(n);
    if (statement && !deep)
        return;
    switch (n->kind) {
    case PL_N_COLUMN: collect_column(c, n, out); return;
    case PL_N_TABLE:
    case PL_N_ALIAS:
    case PL_N_CTE:
    case PL_N_VALUES:
    case PL_N_TABLEFUNC:
        if (!deep)
            collect_source(c, n, out);
        return;
    case PL_N_STAR:
        if (n->nkids > 0 && n->kids[0])
            collect_source(c, n->kids[0], out);
        return;
    default: break;
    }
    if (pl_enter(c))
        for (uint32_t i = 0; i < n->nkids && !pl_failed(c); i++)
            pl_collect_sources(c, n->kids[i], deep, out);
    pl_leave(c);
}

/* ---- leaves of FROM items ---- */

typedef struct finder {
    pl_compiler *c;
    const void *key;
} finder;

/* Whether a FROM item is, or joins, the source of a key. */
static bool source_has(const finder *f, const pl_node *source) {
    if (!source)
        return false;
    if (source->kind != PL_N_JOIN)
        return pl_source_key(f->c, source) == f->key;
    if (!pl_enter(f->c))
        return pl_leave(f->c), false;
    bool has = source_has(f, source->kids[0]) || source_has(f, source->kids[1]);
    pl_leave(f->c);
    return has;
}

static pl_node *join_right(const pl_from *f, size_t i) {
    return ((const pl_node *)f->joins.v[i])->kids[2];
}

static bool from_has(pl_compiler *c, const pl_from *f, const void *key) {
    finder find = {c, key};
    if (source_has(&find, f->base))
        return true;
    for (size_t i = 0; i < f->joins.n; i++)
        if (source_has(&find, join_right(f, i)))
            return true;
    return false;
}

static void add_leaves(pl_compiler *c, const pl_node *source, pl_list *keys) {
    if (source->kind != PL_N_JOIN) {
        pl_list_once(c, keys, pl_source_key(c, source));
        return;
    }
    if (pl_enter(c)) {
        add_leaves(c, source->kids[0], keys);
        add_leaves(c, source->kids[1], keys);
    }
    pl_leave(c);
}

void pl_add_sources(pl_compiler *c, pl_scope *s, const pl_from *f) {
    if (f->base->kind == PL_N_TEXT)
        s->open = true;
    add_leaves(c, f->base, &s->sources);
    for (size_t i = 0; i < f->joins.n; i++) {
        if (join_right(f, i)->kind == PL_N_TEXT)
            s->open = true;
        add_leaves(c, join_right(f, i), &s->sources);
    }
}

/* ---- names that stand twice ---- */

typedef struct name_check {
    pl_compiler *c;
    pl_list leaves;
} name_check;

static const char *own_name(const pl_node *leaf) {
    return leaf->kind == PL_N_TABLE ? ((const pl_table *)leaf->ref)->name : leaf->text;
}

/* Tables of two databases may have one name; all else must differ. */
static bool is_same_name(const pl_node *a, const pl_node *b) {
    if (a->kind == PL_N_TABLE && b->kind == PL_N_TABLE)
        return a->ref == b->ref;
    const char *x = own_name(a), *y = own_name(b);
    return a == b || (x && y && strcmp(x, y) == 0);
}

static void check_leaf(name_check *check, const pl_node *leaf) {
    if (leaf->kind == PL_N_TEXT)
        return;
    for (size_t i = 0; i < check->leaves.n; i++) {
        if (!is_same_name(leaf, check->leaves.v[i]))
            continue;
        pl_refuse(check->c, PL_ECOMPILE, "'%s' stands twice in FROM",
                  pl_source_label(leaf));
        pl_hint(check->c->err, "give one of the two an alias: db.aliased(Model)");
        return;
    }
    pl_list_add(check->c, &check->leaves, leaf);
}

static void check_names(name_check *check, const pl_node *source) {
    if (source->kind != PL_N_JOIN) {
        check_leaf(check, source);
        return;
    }
    if (pl_enter(check->c)) {
        check_names(check, source->kids[0]);
        check_names(check, source->kids[1]);
    }
    pl_leave(check->c);
}

void pl_check_names(pl_compiler *c, const pl_from *froms, size_t n) {
    name_check check = {.c = c};
    for (size_t i = 0; i < n && !pl_failed(c); i++) {
        check_names(&check, froms[i].base);
        for (size_t j = 0; j < froms[i].joins.n && !pl_failed(c); j++)
            check_names(&check, join_right(&froms[i], j));
    }
}

/* ---- placing joins ---- */

typedef struct builder {
    pl_compiler *c;
    pl_from *v; /* room for all that can come */
    size_t n;
    pl_list implicit; /* sources that select list and WHERE mention */
} builder;

static pl_from *find_from(const builder *b, const void *key) {
    for (size_t i = 0; i < b->n; i++)
        if (from_has(b->c, &b->v[i], key))
            return &b->v[i];
    return NULL;
}

static pl_from *add_from(builder *b, pl_node *base) {
    pl_from *f = &b->v[b->n++];
    *f = (pl_from){.base = base};
    return f;
}

static const pl_node *first_leaf(const pl_node *source) {
    while (source->kind == PL_N_JOIN)
        source = source->kids[0];
    return source;
}

/* Whether `right` already is part of a join. */
static bool is_joined(const builder *b, const pl_node *right) {
    const pl_from *f = find_from(b, pl_source_key(b->c, first_leaf(right)));
    return f && (f->joins.n > 0 || f->base->kind == PL_N_JOIN);
}

/* The FROM item that ON mentions besides `right`: the last one, because an ON condition
 * may only look back. Those that the select merely mentions become FROM items then. */
static pl_from *mentioned_left(builder *b, const pl_node *on, const pl_node *right) {
    pl_list sources = {0};
    const void *own = pl_source_key(b->c, right);
    pl_from *found = NULL;
    pl_collect_sources(b->c, on, true, &sources);
    for (size_t i = 0; i < sources.n; i++) {
        const void *key = pl_source_key(b->c, sources.v[i]);
        finder find = {b->c, key};
        if (key == own || source_has(&find, right))
            continue;
        pl_from *f = find_from(b, key);
        for (size_t k = 0; !f && k < b->implicit.n; k++)
            if (pl_source_key(b->c, b->implicit.v[k]) == key)
                f = add_from(b, b->implicit.v[k]);
        if (f && (!found || f > found))
            found = f;
    }
    return found;
}

/* Without a word from ON: the first item, or the first thing mentioned. */
static pl_from *first_left(builder *b, const pl_node *right) {
    finder find = {b->c, pl_source_key(b->c, right)};
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].joins.n > 0 || !source_has(&find, b->v[i].base))
            return &b->v[i];
    for (size_t i = 0; i < b->implicit.n; i++)
        if (!source_has(&find, b->implicit.v[i]))
            return add_from(b, b->implicit.v[i]);
    return NULL;
}

static pl_from *explicit_left(builder *b, pl_node *left) {
    pl_from *f = find_from(b, pl_source_key(b->c, first_leaf(left)));
    return f ? f : add_from(b, left);
}

static void place_join(builder *b, pl_node *join) {
    pl_node *left = join->kids[1], *right = join->kids[2], *on = join->kids[3];
    if (is_joined(b, right))
        return;
    pl_from *f = left ? explicit_left(b, left) : on ? mentioned_left(b, on, right) : NULL;
    if (!f && !left)
        f = first_left(b, right);
    if (f) {
        pl_list_add(b->c, &f->joins, join);
    } else if (!pl_failed(b->c)) {
        pl_refuse(b->c, PL_EINVALID, "nothing to join %s to", pl_source_label(right));
        pl_hint(b->c->err, "name the left side with select_from(...)");
    }
}

/* Items that some join has as its right side do not stand alone as well. */
static void hide_joined(builder *b) {
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        const pl_from *f = &b->v[i];
        bool hidden = false;
        for (size_t j = 0; j < b->n && f->joins.n == 0 && !hidden; j++)
            hidden = j != i && (b->v[j].joins.n > 0 || b->v[j].base->kind == PL_N_JOIN) &&
                     from_has(b->c, &b->v[j], pl_source_key(b->c, f->base));
        if (!hidden)
            b->v[n++] = *f;
    }
    b->n = n;
}

static void add_missing(builder *b, const pl_list *sources) {
    for (size_t i = 0; i < sources->n; i++)
        if (!find_from(b, pl_source_key(b->c, sources->v[i])))
            add_from(b, sources->v[i]);
}

static void collect_all(pl_compiler *c, const pl_list *nodes, pl_list *out) {
    for (size_t i = 0; i < nodes->n; i++)
        pl_collect_sources(c, nodes->v[i], false, out);
}

pl_from *pl_make_froms(pl_compiler *c, pl_query *q, size_t *n) {
    builder b = {.c = c};
    pl_list late = {0};
    collect_all(c, &q->columns, &b.implicit);
    collect_all(c, &q->where, &b.implicit);
    pl_find_searches(c, q, &b.implicit);
    collect_all(c, &q->group, &late);
    collect_all(c, &q->having, &late);
    collect_all(c, &q->order, &late);
    size_t room = q->from.n + 2 * q->joined.n + b.implicit.n + late.n;
    b.v = pl_scratch(c, (room + 1) * sizeof *b.v);
    for (size_t i = 0; i < q->from.n && !pl_failed(c); i++)
        if (!find_from(&b, pl_source_key(c, q->from.v[i])))
            add_from(&b, q->from.v[i]);
    for (size_t i = 0; i < q->joined.n && !pl_failed(c); i++)
        place_join(&b, q->joined.v[i]);
    if (pl_failed(c))
        return NULL;
    add_missing(&b, &b.implicit);
    hide_joined(&b);
    if (b.n == 0)
        add_missing(&b, &late);
    *n = b.n;
    return b.v;
}

/* ---- correlation ---- */

static bool encloses(const pl_scope *s, const void *key) {
    for (; s; s = s->up)
        if (pl_list_has(&s->sources, key))
            return true;
    return false;
}

static bool is_listed(pl_compiler *c, const pl_node *clause, const void *key) {
    for (uint32_t i = 1; i < clause->nkids; i++)
        if (clause->kids[i] && pl_source_key(c, clause->kids[i]) == key)
            return true;
    return false;
}

void pl_correlate(pl_compiler *c, const pl_query *q, pl_select_use use, pl_from *froms,
                  size_t *n) {
    const pl_node *said = q->correlate;
    bool inner = use == PL_USE_VALUE || use == PL_USE_EXISTS;
    const pl_scope *up = c->scope;
    size_t kept = 0;
    if (!up || (!said && (!inner || *n < 2)))
        return;
    for (size_t i = 0; i < *n; i++) {
        const void *key = pl_source_key(c, froms[i].base);
        bool except = said && (said->flags & PL_NF_NOT);
        bool leave = said ? encloses(up, key) && is_listed(c, said, key) != except
                          : pl_list_has(&up->sources, key);
        if (!leave || froms[i].joins.n > 0 || pl_is_search_source(c, q, key))
            froms[kept++] = froms[i];
    }
    if (kept == 0 && !said) {
        pl_refuse(c, PL_EINVALID,
                  "a subquery has no FROM left: the enclosing statement has all its "
                  "tables (%s ...)",
                  pl_source_label(froms[0].base));
        pl_hint(c->err, "say with correlate(...) which tables are the enclosing ones, or "
                        "use an alias");
    }
    *n = kept;
}
