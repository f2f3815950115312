/* SPDX-License-Identifier: MIT */
/*
** mapper.c - registries, mappers and their attributes; see mapper.h.
**
** Everything lives in the registry's arena (the metadata's), so nothing is freed one by
** one. Arrays that grow are doubled when their length is a power of two. A subclass has
** its parent's attributes at the same slots, which is what lets a relationship or a
** statement of the parent work on objects of the subclass; therefore a mapper takes no
** more attributes once it has subclasses. Relationships are resolved in relation.c.
*/
#include "core/unit/mapper.h"

#include <string.h>

enum { ARRAY_MIN = 4 };

/* The array with room for one more entry (the same one, or a copy); NULL: no memory. */
static void *grow(pl_arena *a, void *array, size_t n, size_t size) {
    if (n != 0 && (n < ARRAY_MIN || (n & (n - 1)) != 0))
        return array;
    void *p = pl_arena_array(a, n < ARRAY_MIN ? ARRAY_MIN : n * 2, size);
    if (p && n > 0)
        memcpy(p, array, n * size);
    return p;
}

void pl_registry_init(pl_registry *r, pl_arena *arena, pl_alloc heap) {
    *r = (pl_registry){.arena = arena};
    pl_vec_init(&r->mappers, heap);
    pl_map_init(&r->by_name, heap);
}

void pl_registry_free(pl_registry *r) {
    pl_vec_free(&r->mappers);
    pl_map_free(&r->by_name);
}

pl_mapper *pl_registry_find(const pl_registry *r, const char *name) {
    return pl_map_get(&r->by_name, name, strlen(name));
}

/* ---- making a mapper ----------------------------------------------------------- */

static bool push_child(pl_arena *a, pl_mapper *parent, pl_mapper *m) {
    pl_mapper **kids = grow(a, parent->children, parent->nchildren, sizeof(pl_mapper *));
    if (!kids)
        return false;
    parent->children = kids;
    kids[parent->nchildren++] = m;
    return true;
}

static void *copy_array(pl_arena *a, const void *array, size_t n, size_t size) {
    size_t cap = ARRAY_MIN;
    while (cap < n)
        cap *= 2;
    void *p = pl_arena_array(a, cap, size);
    if (p && n > 0)
        memcpy(p, array, n * size);
    return p;
}

/* A subclass starts as its parent is. */
static bool inherit(pl_arena *a, pl_mapper *m, pl_mapper *parent) {
    m->parent = parent;
    m->root = parent->root;
    m->nslots = parent->nslots;
    m->ncolumns = parent->ncolumns;
    m->nrelations = parent->nrelations;
    m->polymorphic_on = parent->polymorphic_on;
    m->version = parent->version;
    m->has_exprs = parent->has_exprs;
    m->attrs = copy_array(a, parent->attrs, m->nslots, sizeof *m->attrs);
    m->columns = copy_array(a, parent->columns, m->ncolumns, sizeof *m->columns);
    m->relations = copy_array(a, parent->relations, m->nrelations, sizeof(pl_relation *));
    if (!m->attrs || !m->columns || !m->relations)
        return false;
    for (uint16_t i = 0; i < m->nslots; i++) {
        pl_attr *at = &m->attrs[i];
        at->label = pl_arena_fmt(a, "%s.%s", m->name, at->name);
        if (!at->label)
            return false;
    }
    return push_child(a, parent, m);
}

/* The table is kept as tables[0] until pl_mapper_finish makes the real list. */
static bool set_table(pl_arena *a, pl_mapper *m, pl_table *table) {
    m->tables = pl_arena_new(a, pl_mapped_table);
    if (m->tables)
        m->tables->table = table;
    return m->tables != NULL;
}

pl_code pl_mapper_new(pl_registry *r, const char *name, pl_table *table,
                      pl_mapper *parent, pl_mapper **out, pl_error *err) {
    if (pl_registry_find(r, name))
        return pl_fail(err, PL_EINVALID, "A model named '%s' is already defined", name);
    if (!table && parent)
        table = parent->tables[parent->ntables ? parent->ntables - 1 : 0].table;
    if (!table)
        return pl_fail(err, PL_EINVALID,
                       "Model %s has no table and does not inherit from a model that has "
                       "one",
                       name);
    pl_mapper *m = pl_arena_new(r->arena, pl_mapper);
    if (!m || !(m->name = pl_arena_str(r->arena, name)))
        return pl_nomem(err);
    m->registry = r;
    m->root = m;
    m->position = r->mappers.n == 0
                      ? 0
                      : ((pl_mapper *)r->mappers.v[r->mappers.n - 1])->position + 1;
    m->polymorphic_on = m->version = PL_NO_SLOT;
    m->confirm_deleted_rows = true;
    if (!set_table(r->arena, m, table) || (parent && !inherit(r->arena, m, parent)))
        return pl_nomem(err);
    if (!pl_vec_push(&r->mappers, m))
        return pl_nomem(err);
    if (!pl_map_set(&r->by_name, name, strlen(name), m)) {
        r->mappers.n--;
        return pl_nomem(err);
    }
    r->dirty = true;
    *out = m;
    return PL_OK;
}

/* ---- removing one -------------------------------------------------------------- */

static void forget_child(pl_mapper *parent, const pl_mapper *m) {
    size_t n = 0;
    for (size_t i = 0; i < parent->nchildren; i++)
        if (parent->children[i] != m)
            parent->children[n++] = parent->children[i];
    parent->nchildren = n;
}

/* A relation to a mapper that goes is to be resolved again; one that its backref made
** goes with it. */
static void forget_target(pl_relation *r, const pl_mapper *m) {
    if (r->target != m)
        return;
    r->removed = r->by_backref;
    r->configured = false;
    r->target = NULL;
    r->back = NULL;
    r->mapper->configured = false;
}

void pl_registry_remove(pl_registry *r, pl_mapper *m) {
    if (pl_registry_find(r, m->name) == m)
        (void)pl_map_del(&r->by_name, m->name, strlen(m->name));
    size_t n = 0;
    for (size_t i = 0; i < r->mappers.n; i++) {
        pl_mapper *other = r->mappers.v[i];
        if (other == m)
            continue;
        r->mappers.v[n++] = other;
        for (size_t k = 0; k < other->nrelations; k++)
            forget_target(other->relations[k], m);
    }
    r->mappers.n = n;
    if (m->parent)
        forget_child(m->parent, m);
    r->dirty = true;
}

/* ---- attributes ---------------------------------------------------------------- */

uint16_t pl_mapper_slot(const pl_mapper *m, const char *name) {
    for (uint16_t i = 0; i < m->nslots; i++)
        if (strcmp(m->attrs[i].name, name) == 0)
            return i;
    return PL_NO_SLOT;
}

uint16_t pl_mapper_column_slot(const pl_mapper *m, const pl_column *c) {
    for (size_t i = 0; i < m->ntables; i++) {
        const pl_mapped_table *mt = &m->tables[i];
        if (mt->table == c->table)
            return c->position < mt->ncolumns ? mt->slots[c->position] : PL_NO_SLOT;
    }
    for (size_t i = 0; i < m->ncolumns; i++)
        if (m->columns[i].column == c)
            return m->columns[i].slot;
    return PL_NO_SLOT;
}

static pl_code check_open(const pl_mapper *m, const char *name, pl_error *err) {
    if (m->nchildren > 0)
        return pl_fail(err, PL_EINVALID,
                       "%s.%s comes too late: %s has subclasses already", m->name, name,
                       m->name);
    if (m->nslots == PL_NO_SLOT - 1)
        return pl_fail(err, PL_EARGUMENT, "Model %s has too many attributes", m->name);
    if (pl_mapper_relation(m, name))
        return pl_fail(err, PL_EARGUMENT, "Model %s already has a relationship '%s'",
                       m->name, name);
    return PL_OK;
}

static pl_attr *new_attr(pl_mapper *m, const char *name, pl_error *err) {
    pl_arena *a = m->registry->arena;
    pl_attr *attrs = grow(a, m->attrs, m->nslots, sizeof *attrs);
    const char *copy = pl_arena_str(a, name);
    const char *label = pl_arena_fmt(a, "%s.%s", m->name, name);
    if (!attrs || !copy || !label) {
        (void)pl_nomem(err);
        return NULL;
    }
    m->attrs = attrs;
    attrs[m->nslots] = (pl_attr){.name = copy, .label = label};
    return &attrs[m->nslots];
}

static pl_code map_column(pl_mapper *m, pl_column *c, uint16_t slot, pl_error *err) {
    pl_mapped_column *columns =
        grow(m->registry->arena, m->columns, m->ncolumns, sizeof *columns);
    if (!columns)
        return pl_nomem(err);
    m->columns = columns;
    columns[m->ncolumns++] = (pl_mapped_column){c, slot};
    return PL_OK;
}

/* A column of another table under a name that is taken shares the slot. */
static pl_code share_slot(pl_mapper *m, uint16_t slot, pl_column *c, pl_error *err) {
    pl_attr *at = &m->attrs[slot];
    if (at->column == c)
        return PL_OK;
    if (!at->column || at->column->table == c->table)
        return pl_fail(err, PL_EARGUMENT, "Model %s already has an attribute '%s'",
                       m->name, at->name);
    pl_code code = map_column(m, c, slot, err);
    if (code != PL_OK)
        return code;
    at->column = c;
    return PL_OK;
}

pl_code pl_mapper_add_column(pl_mapper *m, const char *name, pl_column *c,
                             pl_error *err) {
    uint16_t slot = pl_mapper_slot(m, name);
    if (slot != PL_NO_SLOT)
        return share_slot(m, slot, c, err);
    pl_code code = check_open(m, name, err);
    if (code != PL_OK)
        return code;
    pl_attr *at = new_attr(m, name, err);
    if (!at)
        return err->code;
    at->column = c;
    at->type = c->type;
    at->deferred = c->deferred;
    at->readonly = c->computed != NULL;
    code = map_column(m, c, m->nslots, err);
    if (code == PL_OK)
        m->nslots++;
    return code;
}

pl_code pl_mapper_add_expr(pl_mapper *m, const char *name, pl_node *expr, pl_error *err) {
    if (pl_mapper_slot(m, name) != PL_NO_SLOT)
        return pl_fail(err, PL_EARGUMENT, "Model %s already has an attribute '%s'",
                       m->name, name);
    pl_code code = check_open(m, name, err);
    if (code != PL_OK)
        return code;
    pl_attr *at = new_attr(m, name, err);
    if (!at)
        return err->code;
    at->expr = expr;
    at->type = expr->type ? expr->type : pl_type_plain(PL_K_ANY);
    at->readonly = true;
    m->has_exprs = m->registry->has_exprs = true;
    m->nslots++;
    return PL_OK;
}

/* ---- finishing ----------------------------------------------------------------- */

static uint8_t traits_of(const pl_column *c, const pl_column *automatic) {
    unsigned t = 0;
    bool filled = c->dflt.kind != PL_D_NONE || c->server_default || c->computed;
    if (c->pk_position >= 0)
        t |= PL_COL_KEY;
    if (c == automatic)
        t |= PL_COL_AUTO;
    else if (!filled && (!c->nullable || c->pk_position >= 0))
        t |= PL_COL_REQUIRED;
    if (c->dflt.kind == PL_D_VALUE || c->dflt.kind == PL_D_EXPR)
        t |= PL_COL_DEFAULT;
    if (c->onupdate.kind == PL_D_VALUE || c->onupdate.kind == PL_D_EXPR)
        t |= PL_COL_ONUPDATE;
    if (c->server_default || c->computed)
        t |= PL_COL_SERVER;
    if (c->server_onupdate || c->computed)
        t |= PL_COL_RESERVER;
    if (c->computed)
        t |= PL_COL_COMPUTED;
    return (uint8_t)t;
}

static void note_defaults(pl_mapper *m, const pl_column *c) {
    if (c->dflt.kind == PL_D_FUNCTION || c->dflt.kind == PL_D_EXPR ||
        c->onupdate.kind != PL_D_NONE)
        m->has_defaults = true;
    if (c->server_default || c->computed || c->dflt.kind == PL_D_EXPR)
        m->has_server = true;
}

static bool map_table(pl_mapper *m, pl_mapped_table *mt, pl_table *t) {
    pl_arena *a = m->registry->arena;
    *mt = (pl_mapped_table){.table = t, .ncolumns = (uint16_t)t->ncolumns};
    mt->slots = pl_arena_array(a, t->ncolumns, sizeof *mt->slots);
    mt->traits = pl_arena_array(a, t->ncolumns, sizeof *mt->traits);
    mt->pk = pl_arena_array(a, t->npk, sizeof *mt->pk);
    mt->from = pl_arena_array(a, t->npk, sizeof *mt->from);
    if (!mt->slots || !mt->traits || !mt->pk || !mt->from)
        return false;
    const pl_column *automatic = pl_table_autoincrement(t);
    for (size_t i = 0; i < t->ncolumns; i++) {
        mt->slots[i] = PL_NO_SLOT;
        mt->traits[i] = traits_of(t->columns[i], automatic);
        note_defaults(m, t->columns[i]);
    }
    for (size_t i = 0; i < m->ncolumns; i++)
        if (m->columns[i].column->table == t)
            mt->slots[m->columns[i].column->position] = m->columns[i].slot;
    for (size_t i = 0; i < t->npk; i++)
        mt->pk[i] = mt->from[i] = mt->slots[t->pk[i]->position];
    return true;
}

static pl_code check_key(const pl_mapper *m, const pl_mapped_table *mt, pl_error *err) {
    const pl_table *t = mt->table;
    for (size_t i = 0; i < t->npk; i++)
        if (mt->pk[i] == PL_NO_SLOT)
            return pl_fail(err, PL_EARGUMENT,
                           "Model %s does not map primary key column '%s.%s'", m->name,
                           t->name, t->pk[i]->name);
    if (t->npk > PL_MAX_KEY)
        return pl_fail(
            err, PL_EARGUMENT,
            "Mapper %s: the primary key of '%s' has %d columns, at most %d are "
            "supported",
            m->name, t->name, (int)t->npk, PL_MAX_KEY);
    if (t->npk > 0)
        return PL_OK;
    (void)pl_fail(err, PL_EARGUMENT,
                  "Mapper %s could not assemble any primary key columns for mapped table "
                  "'%s'",
                  m->name, t->name);
    return pl_hint(err, "give a column primary_key = true");
}

/* Tables from the root's to the mapper's own. */
static size_t list_tables(const pl_mapper *m, pl_table *own, pl_table **list) {
    size_t n = 0;
    if (m->parent)
        for (; n < m->parent->ntables; n++)
            list[n] = m->parent->tables[n].table;
    if (n == 0 || list[n - 1] != own)
        list[n++] = own;
    return n;
}

pl_code pl_mapper_finish(pl_mapper *m, pl_error *err) {
    pl_arena *a = m->registry->arena;
    pl_table *own = m->tables[m->ntables ? m->ntables - 1 : 0].table;
    size_t most = (m->parent ? m->parent->ntables : 0) + 1;
    pl_table **list = pl_arena_array(a, most, sizeof(pl_table *));
    pl_mapped_table *tables = pl_arena_array(a, most, sizeof *tables);
    if (!list || !tables)
        return pl_nomem(err);
    size_t n = list_tables(m, own, list);
    for (size_t i = 0; i < n; i++) {
        if (!map_table(m, &tables[i], list[i]))
            return pl_nomem(err);
        pl_code code = check_key(m, &tables[i], err);
        if (code != PL_OK)
            return code;
    }
    m->tables = tables;
    m->ntables = n;
    m->pk = tables[0].pk;
    m->npk = (uint16_t)list[0]->npk;
    if (m->parent && m->polymorphic_on == PL_NO_SLOT)
        m->polymorphic_on = m->parent->polymorphic_on;
    if (m->parent && m->version == PL_NO_SLOT)
        m->version = m->parent->version;
    m->configured = false;
    m->registry->dirty = true;
    return PL_OK;
}

/* ---- relationships, as declared ------------------------------------------------ */

pl_relation *pl_mapper_relation(const pl_mapper *m, const char *name) {
    for (size_t i = 0; i < m->nrelations; i++)
        if (!m->relations[i]->removed && strcmp(m->relations[i]->name, name) == 0)
            return m->relations[i];
    return NULL;
}

/* Replaces a text, or an array of columns, by a copy of the mapper's own. */
static bool own_text(pl_arena *a, const char **text) {
    const char *copy = pl_arena_str(a, *text);
    bool ok = copy || !*text;
    *text = copy;
    return ok;
}

static bool own_columns(pl_arena *a, pl_column ***columns, size_t n) {
    if (!*columns)
        return true;
    pl_column **p = pl_arena_array(a, n, sizeof(pl_column *));
    if (p && n > 0)
        memcpy(p, *columns, n * sizeof(pl_column *));
    *columns = p;
    return p != NULL;
}

static bool own_args(pl_arena *a, pl_relation_args *args) {
    return own_text(a, &args->target) && own_text(a, &args->secondary) &&
           own_text(a, &args->back_populates) && own_text(a, &args->cascade) &&
           own_columns(a, &args->foreign_keys, args->nforeign_keys) &&
           own_columns(a, &args->remote_side, args->nremote_side);
}

/* Makes room for one more relation in a mapper and all below it. */
static bool reserve_relation(pl_mapper *m) {
    pl_relation **list =
        grow(m->registry->arena, m->relations, m->nrelations, sizeof(pl_relation *));
    if (!list)
        return false;
    m->relations = list;
    for (size_t i = 0; i < m->nchildren; i++)
        if (!reserve_relation(m->children[i]))
            return false;
    return true;
}

static void append_relation(pl_mapper *m, pl_relation *r) {
    m->relations[m->nrelations++] = r;
    for (size_t i = 0; i < m->nchildren; i++)
        append_relation(m->children[i], r);
}

/* A relation whose model was removed leaves its place to one of the same name. */
static pl_relation *find_removed(const pl_mapper *m, const char *name) {
    for (size_t i = 0; i < m->nrelations; i++)
        if (m->relations[i]->removed && strcmp(m->relations[i]->name, name) == 0)
            return m->relations[i];
    return NULL;
}

pl_code pl_mapper_add_relation(pl_mapper *m, const char *name,
                               const pl_relation_args *args, pl_relation **out,
                               pl_error *err) {
    pl_arena *a = m->registry->arena;
    if (pl_mapper_relation(m, name) || pl_mapper_slot(m, name) != PL_NO_SLOT)
        return pl_fail(err, PL_EARGUMENT, "Model %s already has an attribute '%s'",
                       m->name, name);
    pl_relation_args own = *args;
    pl_relation *r = find_removed(m, name);
    bool again = r != NULL;
    if (!again)
        r = pl_arena_new(a, pl_relation);
    const char *copy = pl_arena_str(a, name);
    if (!r || !copy || !own_args(a, &own) || (!again && !reserve_relation(m)))
        return pl_nomem(err);
    int position = again ? r->position : (int)m->nrelations;
    *r = (pl_relation){.name = copy, .mapper = m, .args = own, .position = position};
    if (!again)
        append_relation(m, r);
    m->configured = false;
    m->registry->dirty = true;
    *out = r;
    return PL_OK;
}

/* ---- inheritance --------------------------------------------------------------- */

bool pl_mapper_is(const pl_mapper *m, const pl_mapper *base) {
    while (m && m != base)
        m = m->parent;
    return m != NULL;
}

pl_mapper *pl_mapper_polymorphic(pl_mapper *m, const pl_slot *identity) {
    if (m->polymorphic_identity.tag != PL_UNSET &&
        pl_slot_same(&m->polymorphic_identity, identity))
        return m;
    for (size_t i = 0; i < m->nchildren; i++) {
        pl_mapper *found = pl_mapper_polymorphic(m->children[i], identity);
        if (found)
            return found;
    }
    return NULL;
}

const pl_column *pl_mapper_key_column(const pl_mapper *m, size_t n, int i) {
    const pl_mapped_table *t = &m->tables[n];
    uint16_t slot = m->pk[i];
    for (size_t k = 0; k < t->table->npk; k++) {
        if (t->pk[k] == slot || (t->from && t->from[k] == slot))
            return t->table->pk[k];
    }
    return NULL;
}
