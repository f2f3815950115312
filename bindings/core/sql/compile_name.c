/* SPDX-License-Identifier: MIT */
/*
** compile_name.c - what things are called in a statement: FROM items, result columns.
**
** Generated names count up for each base in order of first use, so the same statement
** always gives the same text. A derived table exposes each column under a name of its
** own; whoever refers to the column asks here how it is called.
*/
#include "core/sql/compiler.h"

/* ---- FROM items ---- */

pl_node *pl_source_statement(const pl_node *source) {
    while (source && (source->kind == PL_N_ALIAS || source->kind == PL_N_CTE))
        source = source->nkids > 0 ? source->kids[0] : NULL;
    return source && pl_node_is_statement(source) ? (pl_node *)source : NULL;
}

const pl_table *pl_source_table(const pl_node *source) {
    while (source && source->kind == PL_N_ALIAS)
        source = source->nkids > 0 ? source->kids[0] : NULL;
    return source && source->kind == PL_N_TABLE ? source->ref : NULL;
}

const void *pl_source_key(pl_compiler *c, const pl_node *source) {
    if (source->kind == PL_N_TABLE)
        return source->ref;
    if (source->kind == PL_N_CTE)
        return pl_cte_of(c, source);
    return source;
}

const void *pl_column_key(pl_compiler *c, const pl_node *column) {
    if (column->nkids > 0 && column->kids[0])
        return pl_source_key(c, column->kids[0]);
    const pl_column *col = column->ref;
    return col ? col->table : NULL;
}

const char *pl_source_label(const pl_node *source) {
    const pl_table *t = pl_source_table(source);
    if (source->text)
        return source->text;
    return t ? t->name : "a subquery";
}

/* Whether a table of the same metadata is called so: no alias may hide it. */
static bool is_table_name(const pl_table *t, const char *name) {
    return t && t->metadata && pl_metadata_table(t->metadata, name);
}

static const char *generate(pl_compiler *c, const char *base, const pl_table *t) {
    const char *name;
    do {
        uintptr_t n = (uintptr_t)pl_map_get(&c->counters, base, strlen(base)) + 1;
        name = pl_arena_fmt(&c->scratch, "%s_%zu", base, (size_t)n);
        if (!name || !pl_map_set(&c->counters, base, strlen(base), (void *)n)) {
            pl_set_nomem(c);
            return NULL;
        }
    } while (is_table_name(t, name));
    return name;
}

const char *pl_generate_name(pl_compiler *c, const char *base) {
    return generate(c, base, NULL);
}

static const char *name_base(const pl_node *source) {
    const pl_table *t = pl_source_table(source);
    if (t)
        return t->name;
    const pl_node *kid = source->nkids > 0 ? source->kids[0] : NULL;
    bool named = kid && (kid->kind == PL_N_CTE || kid->kind == PL_N_ALIAS ||
                         (source->kind == PL_N_TABLEFUNC && kid->kind == PL_N_FUNC));
    return named && kid->text ? kid->text : "anon";
}

const char *pl_source_name(pl_compiler *c, const pl_node *source) {
    if (source->kind == PL_N_TABLE)
        return ((const pl_table *)source->ref)->name;
    if (source->kind == PL_N_CTE) {
        pl_cte *cte = pl_cte_of(c, source);
        return cte ? cte->name : NULL;
    }
    if (source->text)
        return source->text;
    const char *name = pl_map_of(&c->names, source);
    if (!name && (name = generate(c, name_base(source), pl_source_table(source))))
        pl_map_put(c, &c->names, source, (void *)name);
    return name;
}

void pl_put_source(pl_compiler *c, const pl_node *source) {
    const char *name = pl_source_name(c, source);
    const pl_table *t = source->kind == PL_N_TABLE ? source->ref : NULL;
    if (!name)
        return;
    if (t && t->schema) {
        pl_put_name(c, t->schema);
        pl_put(c, ".");
    }
    pl_put_name(c, name);
}

/* ---- select items ---- */

typedef struct items {
    pl_select_item *v;
    size_t n, cap;
} items;

static void add_item(pl_compiler *c, items *list, pl_node *node, bool entity) {
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 8;
        pl_select_item *v = pl_scratch(c, cap * sizeof *v);
        if (!v)
            return;
        if (list->n > 0)
            memcpy(v, list->v, list->n * sizeof *v);
        list->v = v;
        list->cap = cap;
    }
    pl_select_item *item = &list->v[list->n++];
    *item = (pl_select_item){.node = node, .type = pl_node_type(node), .entity = entity};
    if (node->kind == PL_N_LABEL) {
        item->label = node->text;
        item->node = node->kids[0];
    }
    if (item->node->kind == PL_N_COLUMN)
        item->column = item->node->ref;
    item->open = item->node->kind == PL_N_STAR ||
                 (item->node->kind == PL_N_TEXT && strpbrk(item->node->text, ",*"));
}

static void add_column(pl_compiler *c, items *list, pl_node *source,
                       const pl_column *column, const char *name, const pl_type *type) {
    pl_node *n = pl_node_new(&c->scratch, PL_N_COLUMN, 1);
    if (!n) {
        pl_set_nomem(c);
        return;
    }
    n->kids[0] = source;
    n->ref = column;
    n->type = type;
    pl_node_set_text(n, name);
    add_item(c, list, n, false);
}

static void add_star(pl_compiler *c, items *list, pl_node *source) {
    pl_node *star = pl_node_new(&c->scratch, PL_N_STAR, 1);
    if (!star) {
        pl_set_nomem(c);
        return;
    }
    star->kids[0] = source;
    add_item(c, list, star, false);
}

/* All columns of a FROM item that stands in a select list. */
static void add_source(pl_compiler *c, items *list, pl_node *source) {
    const pl_table *t = pl_source_table(source);
    pl_node *stmt = pl_source_statement(source);
    if (!pl_enter(c)) {
        pl_leave(c);
        return;
    }
    for (size_t i = 0; t && i < t->ncolumns; i++)
        add_column(c, list, source, t->columns[i], NULL, t->columns[i]->type);
    pl_query *q = stmt ? pl_result_of(c, stmt) : NULL;
    if (q)
        pl_name_items(c, q);
    for (size_t i = 0; q && i < q->nitems; i++) {
        pl_select_item *item = &q->items[i];
        add_column(c, list, source, item->column, pl_item_name(c, q, item), item->type);
    }
    if (!t && !stmt)
        add_star(c, list, source);
    pl_leave(c);
}

static bool is_source(const pl_node *n) {
    return n->kind == PL_N_TABLE || n->kind == PL_N_ALIAS || n->kind == PL_N_CTE ||
           n->kind == PL_N_VALUES || n->kind == PL_N_TABLEFUNC;
}

void pl_make_items(pl_compiler *c, const pl_list *nodes, pl_select_item **out,
                   size_t *n) {
    items list = {0};
    for (size_t i = 0; i < nodes->n && !pl_failed(c); i++) {
        pl_node *node = nodes->v[i];
        if (node->kind == PL_N_ENTITY) {
            for (uint32_t k = 0; k < node->nkids; k++)
                add_item(c, &list, node->kids[k], true);
        } else if (is_source(node)) {
            add_source(c, &list, node);
        } else {
            add_item(c, &list, node, false);
        }
    }
    *out = list.v;
    *n = list.n;
}

/* ---- names of result columns ---- */

/* The column that an item is about: itself, or what a cast or sign wraps. */
static const pl_node *wrapped_column(const pl_node *n) {
    while (n->kind == PL_N_CAST || n->kind == PL_N_UNARY)
        n = n->kids[0];
    return n->kind == PL_N_COLUMN ? n : NULL;
}

/* Raw text that is one name. */
static bool is_word(const char *s) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return strcspn(s, "0123456789") > 0 && *s && strspn(s, letters) == strlen(s);
}

/* The name an item brings along, or NULL. */
static const char *natural_name(pl_compiler *c, const pl_node *n) {
    const pl_node *column = wrapped_column(n);
    if (column)
        return pl_exposed_name(c, column);
    if (n->kind == PL_N_IDENT || (n->kind == PL_N_TEXT && is_word(n->text)))
        return n->text;
    return NULL;
}

static const char *invented_name(pl_compiler *c, const pl_node *n) {
    if (n->kind == PL_N_TEXT || n->kind == PL_N_STAR)
        return NULL;
    if (n->kind != PL_N_FUNC)
        return pl_generate_name(c, "anon");
    const char *dot = strrchr(n->text, '.');
    return pl_generate_name(c, dot ? dot + 1 : n->text);
}

const char *pl_item_name(pl_compiler *c, pl_query *q, pl_select_item *item) {
    (void)q;
    if (!item->name)
        item->name = item->label ? item->label : natural_name(c, item->node);
    if (!item->name && !pl_failed(c))
        item->name = invented_name(c, item->node);
    return item->name;
}

static bool is_taken(const pl_query *q, const pl_select_item *before, const char *name) {
    for (const pl_select_item *i = q->items; i < before; i++)
        if (i->name && strcmp(i->name, name) == 0)
            return true;
    return false;
}

/* table_column, or with a number behind when that is taken as well. */
static const char *distinct_name(pl_compiler *c, const pl_query *q,
                                 const pl_select_item *item, const char *name) {
    const pl_node *column = wrapped_column(item->node);
    const pl_column *col = column ? column->ref : NULL;
    const pl_node *source = column && column->nkids > 0 ? column->kids[0] : NULL;
    const char *table = source ? pl_source_name(c, source) : NULL;
    if (!table && col && col->table)
        table = col->table->name;
    const char *base = table ? pl_arena_fmt(&c->scratch, "%s_%s", table, name) : name;
    const char *made = base;
    for (size_t i = 1; made && (made == name || is_taken(q, item, made)); i++)
        made = pl_arena_fmt(&c->scratch, "%s_%zu", base, i);
    if (!made)
        pl_set_nomem(c);
    return made;
}

void pl_name_items(pl_compiler *c, pl_query *q) {
    if (q->named)
        return;
    q->named = true;
    for (size_t i = 0; i < q->nitems && !pl_failed(c); i++) {
        pl_select_item *item = &q->items[i];
        const char *name = item->label ? item->label : natural_name(c, item->node);
        if (name && is_taken(q, item, name))
            name = distinct_name(c, q, item, name);
        item->name = name;
    }
}

/* ---- columns of derived tables ---- */

static bool is_asked_for(pl_compiler *c, pl_query *q, pl_select_item *item,
                         const pl_node *column) {
    if (!column->text)
        return item->column == column->ref;
    if (column->value.tag == PL_INT) /* by its place */
        return item - q->items == column->value.v.i;
    if (item->label && strcmp(item->label, column->text) == 0)
        return true;
    const char *name = pl_item_name(c, q, item);
    return name && strcmp(name, column->text) == 0;
}

static const char *derived_name(pl_compiler *c, pl_node *stmt, const pl_node *column) {
    const pl_column *col = column->ref;
    const char *plain = column->text ? column->text : col->name;
    pl_query *q = pl_result_of(c, stmt);
    if (!q || !pl_enter(c))
        return pl_leave(c), NULL;
    bool open = false;
    const char *found = NULL;
    pl_name_items(c, q);
    for (size_t i = 0; i < q->nitems && !found && !pl_failed(c); i++) {
        open |= q->items[i].open;
        if (is_asked_for(c, q, &q->items[i], column))
            found = pl_item_name(c, q, &q->items[i]);
    }
    pl_leave(c);
    return found || !open ? found : plain;
}

const char *pl_exposed_name(pl_compiler *c, const pl_node *column) {
    const pl_column *col = column->ref;
    const pl_node *source = column->nkids > 0 ? column->kids[0] : NULL;
    pl_node *stmt = source ? pl_source_statement(source) : NULL;
    if (!stmt)
        return col ? col->name : column->text;
    return derived_name(c, stmt, column);
}
