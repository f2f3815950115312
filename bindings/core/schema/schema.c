/* SPDX-License-Identifier: MIT */
/*
** schema.c - declarations: tables, columns, constraints, indexes, and what finish makes
** of them.
**
** Everything declared lives in the arena of its metadata and is never freed alone. The
** glue adds tables and columns in order of declaration; foreign keys stay names until
** resolve.c finds their targets.
*/
#include "core/schema/schema.h"

void pl_metadata_init(pl_metadata *md, pl_alloc objects, pl_alloc heap) {
    *md = (pl_metadata){.naming = pl_naming_default};
    pl_arena_init(&md->arena, objects);
    pl_map_init(&md->by_name, heap);
    pl_vec_init(&md->tables, heap);
}

void pl_metadata_free(pl_metadata *md) {
    pl_map_free(&md->by_name);
    pl_vec_free(&md->tables);
    pl_arena_free(&md->arena);
}

/* ---- tables ---- */

/* "schema.name" or "name" in the arena, or NULL. */
static const char *full_name(pl_arena *a, const char *name, const char *schema) {
    return schema ? pl_arena_fmt(a, "%s.%s", schema, name) : pl_arena_str(a, name);
}

pl_table *pl_metadata_table(const pl_metadata *md, const char *name) {
    return pl_map_get(&md->by_name, name, strlen(name));
}

static bool enter(pl_metadata *md, const char *full, pl_table *t) {
    if (!pl_vec_push(&md->tables, t))
        return false;
    if (pl_map_set(&md->by_name, full, strlen(full), t))
        return true;
    md->tables.n--;
    return false;
}

pl_code pl_table_new(pl_metadata *md, const char *name, const char *schema,
                     pl_table **out, pl_error *err) {
    *out = NULL;
    if (schema && *schema == '\0')
        schema = NULL;
    if (*name == '\0')
        return pl_fail(err, PL_EARGUMENT, "a table needs a name");
    pl_table *t = pl_arena_new(&md->arena, pl_table);
    const char *full = full_name(&md->arena, name, schema);
    if (!t || !full)
        return pl_nomem(err);
    if (pl_metadata_table(md, full))
        return pl_fail(err, PL_EINVALID, "table '%s' is already defined", full),
               pl_hint(err, "give one of the two another name, or pass "
                            "extend_existing = true to add to the first");
    t->metadata = md;
    t->name = schema ? full + strlen(schema) + 1 : full;
    t->schema = pl_arena_str(&md->arena, schema);
    t->position = (int)md->tables.n;
    if ((schema && !t->schema) || !enter(md, full, t))
        return pl_nomem(err);
    *out = t;
    return PL_OK;
}

/* Foreign keys that had found the table look for it again. */
static void forget_target(const pl_table *other, const pl_table *t) {
    for (pl_constraint *c = other->constraints; c; c = c->next) {
        if (c->target != t)
            continue;
        c->target = NULL;
        c->targets = NULL;
    }
}

void pl_metadata_remove(pl_metadata *md, pl_table *t) {
    size_t pos = 0;
    for (const pl_map_entry *e; (e = pl_map_next(&md->by_name, &pos));) {
        if (e->value == t) {
            pl_map_del(&md->by_name, e->key, e->klen);
            break;
        }
    }
    size_t n = 0;
    for (size_t i = 0; i < md->tables.n; i++) {
        pl_table *other = md->tables.v[i];
        if (other == t)
            continue;
        forget_target(other, t);
        other->position = (int)n;
        md->tables.v[n++] = other;
    }
    md->tables.n = n;
}

/* ---- columns ---- */

pl_column *pl_column_new(pl_metadata *md, const char *name, const pl_type *type) {
    pl_column *c = pl_arena_new(&md->arena, pl_column);
    if (!c)
        return NULL;
    c->name = c->key = pl_arena_str(&md->arena, name);
    if (name && !c->name)
        return NULL;
    c->type = type;
    c->nullable = true;
    c->position = c->pk_position = -1;
    return c;
}

pl_column *pl_table_column(const pl_table *t, const char *name) {
    for (size_t i = 0; i < t->ncolumns; i++)
        if (strcmp(t->columns[i]->name, name) == 0)
            return t->columns[i];
    return NULL;
}

pl_column *pl_table_column_by_key(const pl_table *t, const char *key) {
    for (size_t i = 0; i < t->ncolumns; i++)
        if (strcmp(t->columns[i]->key, key) == 0)
            return t->columns[i];
    return NULL;
}

/* Room for one more in an array that doubles at powers of two. */
static bool reserve(pl_arena *a, pl_column ***array, size_t n) {
    enum { FIRST = 8 };
    if (*array && (n < FIRST || (n & (n - 1)) != 0))
        return true;
    pl_column **p = pl_arena_array(a, n < FIRST ? FIRST : n * 2, sizeof(pl_column *));
    if (!p)
        return false;
    if (*array)
        memcpy(p, *array, n * sizeof(pl_column *));
    *array = p;
    return true;
}

pl_code pl_table_add_column(pl_table *t, pl_column *c, pl_error *err) {
    if (!c->name || *c->name == '\0')
        return pl_fail(err, PL_EARGUMENT, "a column of table '%s' has no name", t->name);
    if (c->table)
        return pl_fail(err, PL_EARGUMENT,
                       "column '%s' is part of table '%s' and cannot be added to '%s'",
                       c->name, c->table->name, t->name),
               pl_hint(err, "declare a column for each table");
    if (pl_table_column(t, c->name))
        return pl_fail(err, PL_EARGUMENT, "table '%s' has a column '%s' already", t->name,
                       c->name);
    if (!reserve(&t->metadata->arena, &t->columns, t->ncolumns))
        return pl_nomem(err);
    if (!c->key)
        c->key = c->name;
    c->table = t;
    c->position = (int)t->ncolumns;
    t->columns[t->ncolumns++] = c;
    return PL_OK;
}

/* ---- constraints and indexes ---- */

static void *copy_pointers(pl_arena *a, const void *array, size_t n) {
    void *p = pl_arena_array(a, n, sizeof(void *));
    if (p && n > 0)
        memcpy(p, array, n * sizeof(void *));
    return p;
}

pl_constraint *pl_table_add_constraint(pl_table *t, pl_constraint_kind kind,
                                       pl_column *const *columns, size_t n) {
    pl_arena *a = &t->metadata->arena;
    pl_constraint *c = pl_arena_new(a, pl_constraint);
    if (!c || !(c->columns = copy_pointers(a, columns, n)))
        return NULL;
    c->kind = kind;
    c->table = t;
    c->ncolumns = n;
    c->deferrable = -1;
    pl_constraint **end = &t->constraints;
    while (*end)
        end = &(*end)->next;
    *end = c;
    for (size_t i = 0; kind == PL_C_FOREIGN && i < n; i++)
        if (!columns[i]->foreign)
            columns[i]->foreign = c;
    return c;
}

pl_index *pl_table_add_index(pl_table *t, const char *name, pl_column *const *columns,
                             const char *const *exprs, size_t n) {
    pl_arena *a = &t->metadata->arena;
    pl_index *ix = pl_arena_new(a, pl_index);
    if (!ix || !(ix->columns = copy_pointers(a, columns, n)))
        return NULL;
    if (exprs && !(ix->exprs = copy_pointers(a, exprs, n)))
        return NULL;
    if (name && !(ix->name = pl_arena_str(a, name)))
        return NULL;
    ix->table = t;
    ix->ncolumns = n;
    pl_index **end = &t->indexes;
    while (*end)
        end = &(*end)->next;
    *end = ix;
    return ix;
}

/* ---- finish ---- */

static pl_constraint *primary_of(const pl_table *t) {
    pl_constraint *c = t->constraints;
    while (c && c->kind != PL_C_PRIMARY)
        c = c->next;
    return c;
}

/* The key's columns in order: those of the constraint first, then flagged ones. */
static bool collect_key(pl_table *t) {
    pl_arena *a = &t->metadata->arena;
    const pl_constraint *given = primary_of(t);
    pl_column **pk = pl_arena_array(a, t->ncolumns, sizeof(pl_column *));
    size_t n = 0;
    if (!pk)
        return false;
    for (size_t i = 0; i < t->ncolumns; i++)
        t->columns[i]->pk_position = -1;
    for (size_t i = 0; given && i < given->ncolumns; i++) {
        pl_column *c = given->columns[i];
        if (c->table != t || c->pk_position >= 0)
            continue;
        c->primary_key = true;
        c->pk_position = (int)n;
        pk[n++] = c;
    }
    for (size_t i = 0; i < t->ncolumns; i++) {
        pl_column *c = t->columns[i];
        if (!c->primary_key || c->pk_position >= 0)
            continue;
        c->pk_position = (int)n;
        pk[n++] = c;
    }
    t->pk = pk;
    t->npk = n;
    return true;
}

static bool finish_key(pl_table *t) {
    if (!collect_key(t))
        return false;
    for (size_t i = 0; i < t->npk; i++)
        if (!t->pk[i]->nullable_given)
            t->pk[i]->nullable = false;
    pl_constraint *c = primary_of(t);
    if (c && t->npk > 0) {
        c->columns = t->pk;
        c->ncolumns = t->npk;
    }
    return c || t->npk == 0 || pl_table_add_constraint(t, PL_C_PRIMARY, t->pk, t->npk);
}

/* What `unique` and `index` ask for: both together are one unique index. */
static bool finish_column(pl_table *t, pl_column *c) {
    if (c->finished)
        return true;
    if (c->index) {
        pl_index *ix = pl_table_add_index(t, NULL, &c, NULL, 1);
        if (!ix)
            return false;
        ix->unique = c->unique;
    } else if (c->unique && !pl_table_add_constraint(t, PL_C_UNIQUE, &c, 1)) {
        return false;
    }
    c->finished = true;
    return true;
}

/* Only a CHECK's own name goes through the template; other given names stand. */
static void name_constraint(pl_metadata *md, pl_constraint *c) {
    if (c->finished)
        return;
    const char *name = NULL;
    if (!c->name || (c->kind == PL_C_CHECK && c->named_by_user))
        name = pl_name_constraint(md, c);
    if (name)
        c->name = name;
    c->finished = true;
}

pl_code pl_table_finish(pl_table *t, pl_error *err) {
    pl_metadata *md = t->metadata;
    md->arena.failed = false; /* an earlier failure was reported then */
    if (!finish_key(t))
        return pl_nomem(err);
    for (size_t i = 0; i < t->ncolumns; i++)
        if (!finish_column(t, t->columns[i]))
            return pl_nomem(err);
    for (pl_constraint *c = t->constraints; c; c = c->next)
        name_constraint(md, c);
    for (pl_index *ix = t->indexes; ix; ix = ix->next) {
        if (ix->name)
            continue;
        ix->name = pl_name_index(md, ix);
        if (!ix->name && !md->arena.failed)
            return pl_fail(err, PL_EARGUMENT, "an index of table '%s' has no name",
                           t->name),
                   pl_hint(err, "name it: db.Index{\"ix_name\", ...}");
    }
    return md->arena.failed ? pl_nomem(err) : PL_OK;
}

pl_column *pl_table_autoincrement(const pl_table *t) {
    if (t->npk != 1 || (t->flags & (PL_TABLE_WITHOUT_ROWID | PL_TABLE_VIRTUAL)))
        return NULL;
    pl_column *c = t->pk[0];
    if (c->no_autoincrement || !c->type || !pl_type_is_integer(c->type))
        return NULL;
    return c->foreign && !c->autoincrement ? NULL : c;
}
