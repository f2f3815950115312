/* SPDX-License-Identifier: MIT */
/*
** blame.c - which attribute of which object a failed statement is about.
**
** The database names a table and columns for UNIQUE and NOT NULL, a constraint for CHECK
** and nothing for a foreign key; for that the rows concerned are looked up while the
** transaction is still open. Everything said here is an addition to the error: when a
** lookup fails, the error stays as it was.
*/
#include "core/unit/work.h"

#include <string.h>

/* The label of a column, "User.email", or NULL when it is not mapped. */
static const char *label_of(const pl_mapper *m, const pl_mapped_table *mt,
                            const pl_column *c) {
    uint16_t slot = c->position < mt->ncolumns ? mt->slots[c->position] : PL_NO_SLOT;
    return slot == PL_NO_SLOT ? NULL : m->attrs[slot].label;
}

static void name_column(const pl_mapper *m, const pl_mapped_table *mt, const pl_column *c,
                        pl_error *err) {
    const char *label = label_of(m, mt, c);
    if (label && !err->attribute)
        err->attribute = pl_error_text(err, label);
}

/* The relationship that would fill a foreign key, or NULL. */
static const pl_relation *filled_by(const pl_object *o, const pl_mapped_table *mt,
                                    const pl_column *c) {
    for (size_t i = 0; i < o->mapper->nrelations; i++) {
        const pl_relation *r = o->mapper->relations[i];
        if (r->direction == PL_MANY_TO_ONE && !r->viewonly && r->npairs > 0 &&
            r->pairs[0].local_slot == mt->slots[c->position])
            return r;
    }
    return NULL;
}

pl_code pl_fail_null(const pl_object *o, const pl_mapped_table *mt, size_t column,
                     pl_error *err) {
    const pl_column *c = mt->table->columns[column];
    const pl_mapper *m = o->mapper;
    const char *label = label_of(m, mt, c);
    (void)pl_fail(err, PL_EINTEGRITY, "%s may not be NULL", label ? label : c->name);
    err->table = mt->table->name;
    err->column = c->name;
    err->object = o;
    name_column(m, mt, c, err);
    const pl_relation *r = filled_by(o, mt, c);
    if (r)
        return pl_hint(err, "set %s.%s or %s before the flush", o->mapper->name, r->name,
                       label ? label : c->name);
    return pl_hint(err, "set %s before the flush, or give the column a default",
                   label ? label : c->name);
}

/* ---- UNIQUE, NOT NULL, CHECK --------------------------------------------------- */

/* "User.a, User.b" for the names "a, b" of a constraint failure. */
static void name_columns(const pl_mapper *m, const pl_mapped_table *mt, pl_error *err) {
    const char *text = NULL;
    for (const char *p = err->column; *p;) {
        size_t n = strcspn(p, ",");
        char *name = pl_arena_copy(&err->texts, p, n);
        const pl_column *c = name ? pl_table_column(mt->table, name) : NULL;
        const char *label = c ? label_of(m, mt, c) : NULL;
        if (label)
            text = pl_arena_fmt(&err->texts, "%s%s%s", text ? text : "", text ? ", " : "",
                                label);
        p += n;
        p += strspn(p, ", ");
    }
    if (!err->attribute)
        err->attribute = text;
}

static bool mentions(const char *sql, const char *name) {
    size_t n = strlen(name);
    for (const char *p = sql; (p = strstr(p, name)); p += n) {
        static const char word[] = "abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
        bool before = p > sql && strchr(word, p[-1]);
        bool after = p[n] && strchr(word, p[n]);
        if (!before && !after)
            return true;
    }
    return false;
}

/* The only column that the text of a condition names, or NULL. */
static const pl_column *only_column(const pl_table *t, const char *sql) {
    const pl_column *found = NULL;
    for (size_t i = 0; i < t->ncolumns; i++) {
        if (!mentions(sql, t->columns[i]->name))
            continue;
        if (found)
            return NULL;
        found = t->columns[i];
    }
    return found;
}

/* The database gives a CHECK's name or, when it has none, its text. */
static void name_check(const pl_mapper *m, const pl_mapped_table *mt, pl_error *err) {
    const pl_column *c = NULL;
    for (const pl_constraint *k = mt->table->constraints; k; k = k->next) {
        if (k->kind != PL_C_CHECK || !k->name || strcmp(k->name, err->constraint) != 0)
            continue;
        c = k->ncolumns == 1 ? k->columns[0]
            : k->sqltext     ? only_column(mt->table, k->sqltext)
                             : NULL;
        if (k->sqltext && !err->hint)
            (void)pl_hint(err, "the row must satisfy: %s", k->sqltext);
    }
    if (!c)
        c = only_column(mt->table, err->constraint);
    if (c)
        name_column(m, mt, c, err);
}

/* ---- foreign keys -------------------------------------------------------------- */

/* Whether `t` has a row with the given values in the given columns. */
static bool has_row(pl_flush *f, const pl_table *t, pl_column *const *columns, size_t n,
                    const pl_slot *values, bool *found) {
    pl_buf sql;
    pl_slot one = pl_slot_null();
    pl_error own;
    pl_buf_init(&sql, f->alloc);
    pl_error_init(&own, f->alloc);
    pl_buf_str(&sql, "SELECT 1 FROM ");
    pl_text_table(f->dialect, &sql, t);
    pl_text_where(f->dialect, &sql, t, columns, n);
    pl_buf_str(&sql, " LIMIT 1");
    bool ok = pl_buf_ok(&sql) &&
              pl_conn_scalar(f->conn, sql.p, values, n, &f->arena, &one, &own) == PL_OK;
    *found = one.tag == PL_INT;
    pl_error_clear(&own);
    pl_buf_free(&sql);
    return ok;
}

/* The values of columns of the object's row; false when one is NULL or unknown. */
static bool values_of(const pl_object *o, const pl_mapped_table *mt,
                      pl_column *const *columns, size_t n, pl_slot *out) {
    for (size_t i = 0; i < n; i++) {
        int at = columns[i]->position;
        uint16_t slot = at < mt->ncolumns ? mt->slots[at] : PL_NO_SLOT;
        if (slot == PL_NO_SLOT || o->slots[slot].tag <= PL_NULL ||
            o->slots[slot].tag == PL_EXPR)
            return false;
        out[i] = o->slots[slot];
    }
    return true;
}

/* The foreign key of the object's own row that refers to nothing. */
static void name_missing(pl_flush *f, const pl_object *o, const pl_mapped_table *mt,
                         pl_error *err) {
    for (const pl_constraint *k = mt->table->constraints; k; k = k->next) {
        bool found = true;
        pl_slot *values;
        if (k->kind != PL_C_FOREIGN || !k->targets ||
            !(values = pl_arena_array(&f->arena, k->ncolumns, sizeof *values)) ||
            !values_of(o, mt, k->columns, k->ncolumns, values) ||
            !has_row(f, k->target, k->targets, k->ncolumns, values, &found) || found)
            continue;
        name_column(o->mapper, mt, k->columns[0], err);
        err->table = mt->table->name;
        err->column = k->columns[0]->name;
        (void)pl_hint(err, "there is no row in '%s' that %s refers to", k->target->name,
                      err->attribute ? err->attribute : err->column);
        return;
    }
}

/* Another table whose rows refer to the object's. */
static void name_referring(pl_flush *f, const pl_object *o, const pl_mapped_table *mt,
                           pl_error *err) {
    const pl_vec *tables = &mt->table->metadata->tables;
    for (size_t i = 0; i < tables->n; i++) {
        const pl_table *t = tables->v[i];
        for (const pl_constraint *k = t->constraints; k; k = k->next) {
            bool found = false;
            pl_slot *values;
            if (k->kind != PL_C_FOREIGN || !k->targets || k->target != mt->table ||
                !(values = pl_arena_array(&f->arena, k->ncolumns, sizeof *values)) ||
                !values_of(o, mt, k->targets, k->ncolumns, values) ||
                !has_row(f, t, k->columns, k->ncolumns, values, &found) || !found)
                continue;
            err->table = t->name;
            err->column = k->columns[0]->name;
            name_column(o->mapper, mt, k->targets[0], err);
            (void)pl_hint(err,
                          "rows of '%s' still refer to it by '%s': delete them first, or "
                          "give the relationship cascade = \"all, delete-orphan\"",
                          t->name, k->columns[0]->name);
            return;
        }
    }
}

static bool is_foreign_key(const pl_error *err) {
    return strncmp(err->message, "FOREIGN KEY", 11) == 0;
}

pl_code pl_blame(pl_flush *f, pl_flush_op op, const pl_mapped_table *mt, pl_object *o,
                 pl_error *err) {
    pl_code code = err->code;
    if (!err->object)
        err->object = o;
    if (!pl_code_is(code, PL_EINTEGRITY) || err->attribute)
        return code;
    if (err->column && (!err->table || strcmp(err->table, mt->table->name) == 0))
        name_columns(o->mapper, mt, err);
    else if (err->constraint)
        name_check(o->mapper, mt, err);
    else if (is_foreign_key(err) && op == PL_FLUSH_DELETE)
        name_referring(f, o, mt, err);
    else if (is_foreign_key(err))
        name_missing(f, o, mt, err);
    return code;
}

/* ---- statements that are about no object --------------------------------------- */

/* The mapper that a table belongs to first, and the table as it has it. */
static const pl_mapped_table *mapped(const pl_registry *r, const char *table,
                                     const pl_mapper **mapper) {
    for (size_t i = 0; table && i < r->mappers.n; i++) {
        const pl_mapper *m = r->mappers.v[i];
        for (size_t k = 0; k < m->ntables; k++)
            if (strcmp(m->tables[k].table->name, table) == 0)
                return *mapper = m, &m->tables[k];
    }
    return NULL;
}

/* The only foreign key of `from` (any table when NULL) that refers to `to` (likewise). */
static const pl_constraint *only_key(const pl_metadata *md, const pl_table *from,
                                     const pl_table *to, size_t *n) {
    const pl_constraint *found = NULL;
    for (size_t i = 0; i < md->tables.n; i++) {
        const pl_table *t = md->tables.v[i];
        for (const pl_constraint *k = t->constraints; k; k = k->next) {
            if (k->kind != PL_C_FOREIGN || !k->targets || (from && t != from) ||
                (to && k->target != to))
                continue;
            found = k;
            ++*n;
        }
    }
    return found;
}

/* The database does not say which foreign key: it is known where there is but one. */
static void name_only_key(const pl_mapper *m, const pl_mapped_table *mt, pl_flush_op op,
                          pl_error *err) {
    const pl_metadata *md = mt->table->metadata;
    const pl_constraint *own = NULL, *other = NULL;
    size_t n = 0;
    if (op != PL_FLUSH_DELETE)
        own = only_key(md, mt->table, NULL, &n);
    if (op != PL_FLUSH_INSERT)
        other = only_key(md, NULL, mt->table, &n);
    if (n == 1 && own)
        name_column(m, mt, own->columns[0], err);
    else if (n == 1 && other)
        name_column(m, mt, other->targets[0], err);
}

void pl_blame_statement(const pl_registry *r, pl_flush_op op, const char *table,
                        pl_error *err) {
    const pl_mapper *m;
    if (!pl_code_is(err->code, PL_EINTEGRITY) || err->attribute)
        return;
    const pl_mapped_table *mt = mapped(r, err->table ? err->table : table, &m);
    if (!mt)
        return;
    if (err->column)
        name_columns(m, mt, err);
    else if (err->constraint)
        name_check(m, mt, err);
    else if (is_foreign_key(err) && op != PL_FLUSH_LINK)
        name_only_key(m, mt, op, err);
}
