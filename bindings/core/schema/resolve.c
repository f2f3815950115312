/* SPDX-License-Identifier: MIT */
/*
** resolve.c - what foreign keys refer to, and the order of tables that follows.
**
** Called once all tables are declared (and again after more were added: a foreign key
** that has its target is left alone). Nothing is owned here.
*/
#include "core/schema/schema.h"

#include "core/base/utf8.h"

/* ---- targets of foreign keys ---- */

/* Names for a suggestion, NULL-terminated, in the error's memory; NULL: none. */
static const char **table_names(const pl_metadata *md, pl_error *err) {
    const char **names = pl_arena_array(&err->texts, md->tables.n + 1, sizeof *names);
    for (size_t i = 0; names && i < md->tables.n; i++)
        names[i] = ((const pl_table *)md->tables.v[i])->name;
    return names;
}

static const char **column_names(const pl_table *t, pl_error *err) {
    const char **names = pl_arena_array(&err->texts, t->ncolumns + 1, sizeof *names);
    for (size_t i = 0; names && i < t->ncolumns; i++)
        names[i] = t->columns[i]->name;
    return names;
}

static pl_code no_table(const pl_constraint *fk, pl_error *err) {
    pl_code code = pl_fail(err, PL_ENOREFTABLE,
                           "the foreign key of '%s.%s' refers to table '%s', "
                           "which is not defined",
                           fk->table->name, fk->ncolumns ? fk->columns[0]->name : "?",
                           fk->ref_table);
    const char **names = table_names(fk->table->metadata, err);
    const char *nearest = names ? pl_nearest(fk->ref_table, names) : NULL;
    if (nearest)
        pl_hint(err, "did you mean '%s'? A foreign key is written \"table.column\"",
                nearest);
    else
        pl_hint(err, "a foreign key is written \"table.column\", with the name of the "
                     "table, not of the class");
    return code;
}

static pl_code no_column(const pl_constraint *fk, size_t i, pl_error *err) {
    pl_code code = pl_fail(err, PL_ENOREFCOLUMN,
                           "the foreign key of '%s.%s' refers to column '%s.%s', "
                           "which is not defined",
                           fk->table->name, fk->columns[i]->name, fk->target->name,
                           fk->ref_columns[i]);
    const char **names = column_names(fk->target, err);
    const char *nearest = names ? pl_nearest(fk->ref_columns[i], names) : NULL;
    if (nearest)
        pl_hint(err, "did you mean '%s.%s'?", fk->target->name, nearest);
    return code;
}

/* As written, or in the schema of the table that refers. */
static pl_table *find_table(const pl_constraint *fk) {
    const pl_metadata *md = fk->table->metadata;
    pl_table *t = pl_metadata_table(md, fk->ref_table);
    for (size_t i = 0; !t && fk->table->schema && i < md->tables.n; i++) {
        pl_table *other = md->tables.v[i];
        if (other->schema && strcmp(other->schema, fk->table->schema) == 0 &&
            strcmp(other->name, fk->ref_table) == 0)
            t = other;
    }
    return t;
}

static pl_code find_columns(pl_constraint *fk, pl_column **targets, pl_error *err) {
    const pl_table *t = fk->target;
    if (!fk->ref_columns && t->npk != fk->ncolumns)
        return pl_fail(err, PL_EARGUMENT,
                       "the foreign key of '%s' has %zu columns, the primary key of '%s' "
                       "has %zu",
                       fk->table->name, fk->ncolumns, t->name, t->npk);
    for (size_t i = 0; i < fk->ncolumns; i++) {
        targets[i] = fk->ref_columns ? pl_table_column(t, fk->ref_columns[i]) : t->pk[i];
        if (!targets[i] && fk->ref_columns)
            targets[i] = pl_table_column_by_key(t, fk->ref_columns[i]);
        if (!targets[i])
            return no_column(fk, i, err);
    }
    return PL_OK;
}

static pl_code resolve_to(pl_constraint *fk, int depth, pl_error *err);

/* Whether a default that was given before the type was known is of that type. */
static pl_code check_default(pl_column *c, pl_default *d, pl_error *err) {
    if (d->kind != PL_D_VALUE)
        return PL_OK;
    const char *where = pl_arena_fmt(&c->table->metadata->arena, "%s.%s default",
                                     c->table->name, c->name);
    return where ? pl_type_check(c->type, &d->value, where, err) : pl_nomem(err);
}

/* A column without a type has that of the column it refers to. */
static pl_code take_type(pl_column *c, pl_column *target, int depth, pl_error *err) {
    enum { CHAIN_MAX = 100 };
    if (c->type)
        return PL_OK;
    if (!target->type && target->foreign && depth < CHAIN_MAX) {
        pl_code code = resolve_to(target->foreign, depth + 1, err);
        if (code != PL_OK)
            return code;
    }
    c->type = target->type;
    if (c->type) {
        pl_code code = check_default(c, &c->dflt, err);
        if (code == PL_OK)
            code = check_default(c, &c->onupdate, err);
        c->type = code == PL_OK ? c->type : NULL;
        return code;
    }
    return pl_fail(err, PL_EARGUMENT,
                   "column '%s.%s' has no type and '%s.%s', which it refers to, neither",
                   c->table->name, c->name, target->table->name, target->name);
}

static pl_code resolve_to(pl_constraint *fk, int depth, pl_error *err) {
    pl_code code = PL_OK;
    if (!fk->targets) {
        fk->target = find_table(fk);
        if (!fk->target)
            return no_table(fk, err);
        pl_column **targets = pl_arena_array(&fk->table->metadata->arena, fk->ncolumns,
                                             sizeof(pl_column *));
        if (!targets)
            return pl_nomem(err);
        code = find_columns(fk, targets, err);
        if (code == PL_OK)
            fk->targets = targets;
    }
    for (size_t i = 0; code == PL_OK && i < fk->ncolumns; i++)
        code = take_type(fk->columns[i], fk->targets[i], depth, err);
    return code;
}

pl_code pl_foreign_resolve(pl_constraint *fk, pl_error *err) {
    return fk->kind == PL_C_FOREIGN ? resolve_to(fk, 0, err) : PL_OK;
}

/* Columns of a log are of the types that their table's columns have by now. */
static void resolve_history(const pl_table *t) {
    for (size_t i = 0; t->history && i < t->ncolumns; i++) {
        pl_column *c = pl_table_column(t->history, t->columns[i]->name);
        if (c && !c->type)
            c->type = t->columns[i]->type;
    }
}

pl_code pl_metadata_resolve(pl_metadata *md, pl_error *err) {
    for (size_t i = 0; i < md->tables.n; i++) {
        const pl_table *t = md->tables.v[i];
        for (pl_constraint *c = t->constraints; c; c = c->next) {
            pl_code code = pl_foreign_resolve(c, err);
            if (code != PL_OK)
                return code;
        }
        resolve_history(t);
    }
    return PL_OK;
}

/* ---- order of tables ---- */

/* Whether all tables that t refers to are done (marked by position). */
static bool is_ready(const pl_table *t, const bool *done) {
    for (const pl_constraint *c = t->constraints; c; c = c->next) {
        if (c->kind != PL_C_FOREIGN || c->use_alter || c->target == t)
            continue;
        if (c->target && c->target->metadata == t->metadata && !done[c->target->position])
            return false;
    }
    return true;
}

/* One pass in order of declaration; returns how many tables it could place. */
static size_t place_ready(pl_metadata *md, bool *done, pl_vec *out, bool *failed) {
    size_t placed = 0;
    for (size_t i = 0; i < md->tables.n && !*failed; i++) {
        if (done[i] || !is_ready(md->tables.v[i], done))
            continue;
        *failed = !pl_vec_push(out, md->tables.v[i]);
        done[i] = true;
        placed++;
    }
    return placed;
}

pl_code pl_metadata_sort(pl_metadata *md, pl_vec *out, size_t *ncyclic, pl_error *err) {
    *ncyclic = 0;
    pl_code code = pl_metadata_resolve(md, err);
    size_t n = md->tables.n;
    if (code != PL_OK || n == 0)
        return code;
    bool *done = pl_new(&md->tables.alloc, n * sizeof *done);
    if (!done)
        return pl_nomem(err);
    memset(done, 0, n * sizeof *done);
    bool failed = false;
    while (!failed && place_ready(md, done, out, &failed) > 0)
        continue;
    for (size_t i = 0; i < n && !failed; i++) {
        if (done[i])
            continue;
        failed = !pl_vec_push(out, md->tables.v[i]);
        ++*ncyclic;
    }
    pl_free(&md->tables.alloc, done, n * sizeof *done);
    return failed ? pl_nomem(err) : PL_OK;
}
