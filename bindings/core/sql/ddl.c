/* SPDX-License-Identifier: MIT */
/*
** ddl.c - CREATE and DROP statements from declarations.
**
** Text goes to the caller's buffer; what was declared as text (server defaults, CHECK,
** computed columns) is written as it stands.
*/
#include "core/sql/ddl.h"

/* ---- names ---- */

static void write_columns(const pl_dialect *d, pl_buf *out, pl_column *const *columns,
                          size_t n) {
    pl_buf_chr(out, '(');
    for (size_t i = 0; i < n; i++) {
        pl_buf_str(out, i > 0 ? ", " : "");
        pl_quote_name(d, out, columns[i]->name);
    }
    pl_buf_chr(out, ')');
}

static void write_qualified(const pl_dialect *d, pl_buf *out, const char *schema,
                            const char *name) {
    if (schema) {
        pl_quote_name(d, out, schema);
        pl_buf_chr(out, '.');
    }
    pl_quote_name(d, out, name);
}

/* ---- columns ---- */

static bool is_alone_in_key(const pl_column *c) {
    return c->table && c->table->npk == 1 && c->table->pk[0] == c;
}

/* A single integer key is SQLite's rowid only when its type is spelled INTEGER. */
static bool is_rowid(const pl_dialect *d, const pl_column *c) {
    return strcmp(d->name, "sqlite") == 0 && is_alone_in_key(c) && c->type &&
           pl_type_is_integer(c->type) && !(c->table->flags & PL_TABLE_WITHOUT_ROWID);
}

static bool is_autoincrement(const pl_dialect *d, const pl_column *c) {
    return is_rowid(d, c) &&
           (c->autoincrement || (c->table->flags & PL_TABLE_AUTOINCREMENT));
}

/* A reflected column may have no type at all. */
static void write_type(const pl_dialect *d, pl_buf *out, const pl_column *c) {
    bool strict = c->table && (c->table->flags & PL_TABLE_STRICT);
    const pl_type *t = pl_type_storage(c->type);
    if (t->kind == PL_K_ANY && !t->name && !strict)
        return;
    pl_buf_chr(out, ' ');
    if (is_rowid(d, c))
        pl_buf_str(out, "INTEGER");
    else
        (strict ? d->strict_type : d->type)(out, c->type);
}

static void write_generated(pl_buf *out, const pl_column *c) {
    if (c->computed)
        pl_buf_fmt(out, " GENERATED ALWAYS AS (%s) %s", c->computed,
                   c->persisted ? "STORED" : "VIRTUAL");
}

pl_code pl_ddl_column(const pl_dialect *d, const pl_column *c, pl_buf *out,
                      pl_error *err) {
    if (!c->type)
        return pl_fail(err, PL_ECOMPILE, "column '%s.%s' has no type",
                       c->table ? c->table->name : "?", c->name),
               pl_hint(err, "give it a type, or a foreign key to take it from");
    pl_quote_name(d, out, c->name);
    write_type(d, out, c);
    if (c->collation) {
        pl_buf_str(out, " COLLATE ");
        pl_quote_name(d, out, c->collation);
    }
    if (c->server_default)
        pl_buf_fmt(out, " DEFAULT %s", c->server_default);
    if (!c->nullable)
        pl_buf_str(out, " NOT NULL");
    if (is_autoincrement(d, c))
        pl_buf_str(out, " PRIMARY KEY AUTOINCREMENT");
    write_generated(out, c);
    return pl_buf_ok(out) ? PL_OK : pl_nomem(err);
}

/* ---- constraints ---- */

static void write_name(const pl_dialect *d, pl_buf *out, const pl_constraint *c) {
    if (!c->name)
        return;
    pl_buf_str(out, "CONSTRAINT ");
    pl_quote_name(d, out, c->name);
    pl_buf_chr(out, ' ');
}

static void write_foreign(const pl_dialect *d, pl_buf *out, const pl_constraint *c) {
    pl_buf_str(out, "FOREIGN KEY");
    write_columns(d, out, c->columns, c->ncolumns);
    pl_buf_str(out, " REFERENCES ");
    pl_quote_name(d, out, c->target->name);
    pl_buf_chr(out, ' ');
    write_columns(d, out, c->targets, c->ncolumns);
    if (c->ondelete)
        pl_buf_fmt(out, " ON DELETE %s", c->ondelete);
    if (c->onupdate)
        pl_buf_fmt(out, " ON UPDATE %s", c->onupdate);
    if (c->deferrable >= 0)
        pl_buf_str(out, c->deferrable ? " DEFERRABLE" : " NOT DEFERRABLE");
    if (c->initially)
        pl_buf_fmt(out, " INITIALLY %s", c->initially);
}

static void write_constraint(const pl_dialect *d, pl_buf *out, const pl_constraint *c) {
    pl_buf_str(out, ", ");
    write_name(d, out, c);
    switch (c->kind) {
    case PL_C_PRIMARY:
        pl_buf_str(out, "PRIMARY KEY ");
        write_columns(d, out, c->columns, c->ncolumns);
        break;
    case PL_C_UNIQUE:
        pl_buf_str(out, "UNIQUE ");
        write_columns(d, out, c->columns, c->ncolumns);
        break;
    case PL_C_FOREIGN: write_foreign(d, out, c); break;
    case PL_C_CHECK: pl_buf_fmt(out, "CHECK (%s)", c->sqltext); break;
    }
}

static bool is_same_schema(const pl_table *a, const pl_table *b) {
    if (!a->schema || !b->schema)
        return a->schema == b->schema;
    return strcmp(a->schema, b->schema) == 0;
}

/* The key is written with its column when that says AUTOINCREMENT; SQLite has no foreign
 * keys into another database. */
static bool is_written(const pl_dialect *d, const pl_constraint *c) {
    switch (c->kind) {
    case PL_C_PRIMARY: return c->ncolumns > 0 && !is_autoincrement(d, c->columns[0]);
    case PL_C_FOREIGN: return is_same_schema(c->table, c->target);
    case PL_C_CHECK: return c->sqltext != NULL;
    default: return true;
    }
}

/* CHECK (active IN (0, 1)) and the like, for types that ask for one; named by the
 * convention from the type's name or the column's. */
static void write_type_check(const pl_dialect *d, pl_buf *out, pl_column *c) {
    const pl_type *t = pl_type_storage(c->type);
    if (!(t->flags & PL_TYPE_CONSTRAINT) ||
        (t->kind != PL_K_BOOLEAN && t->kind != PL_K_ENUM))
        return;
    pl_constraint check = {.kind = PL_C_CHECK, .table = c->table, .name = t->name};
    check.columns = &c;
    check.ncolumns = 1;
    const char *name = pl_name_constraint(c->table->metadata, &check);
    check.name = name ? name : t->name;
    pl_buf_str(out, ", ");
    write_name(d, out, &check);
    pl_buf_str(out, "CHECK (");
    pl_quote_name(d, out, c->name);
    pl_buf_str(out, " IN (");
    for (size_t i = 0; t->kind == PL_K_ENUM && i < t->nwords; i++) {
        pl_buf_str(out, i > 0 ? ", " : "");
        pl_quote_text(out, t->words[i], strlen(t->words[i]));
    }
    pl_buf_str(out, t->kind == PL_K_BOOLEAN ? "0, 1))" : "))");
}

/* ---- tables ---- */

static void write_options(pl_buf *out, const pl_table *t) {
    if (t->flags & PL_TABLE_WITHOUT_ROWID)
        pl_buf_str(out, " WITHOUT ROWID");
    if (t->flags & PL_TABLE_STRICT)
        pl_buf_str(out, t->flags & PL_TABLE_WITHOUT_ROWID ? ", STRICT" : " STRICT");
}

static pl_code resolve_all(const pl_table *t, pl_error *err) {
    pl_code code = PL_OK;
    for (pl_constraint *c = t->constraints; c && code == PL_OK; c = c->next)
        code = pl_foreign_resolve(c, err);
    return code;
}

pl_code pl_ddl_create_table(const pl_dialect *d, const pl_table *t, pl_buf *out,
                            pl_error *err) {
    pl_arena *names = &t->metadata->arena; /* where generated names go */
    names->failed = false;
    pl_code code = resolve_all(t, err);
    if (code == PL_OK && (t->flags & PL_TABLE_VIRTUAL))
        return PL_OK;
    if (code == PL_OK && t->ncolumns == 0)
        code = pl_fail(err, PL_ECOMPILE, "table '%s' has no columns", t->name);
    if (code != PL_OK)
        return code;
    pl_buf_str(out, "CREATE TABLE ");
    write_qualified(d, out, t->schema, t->name);
    pl_buf_str(out, " (");
    for (size_t i = 0; i < t->ncolumns && code == PL_OK; i++) {
        pl_buf_str(out, i > 0 ? ", " : "");
        code = pl_ddl_column(d, t->columns[i], out, err);
    }
    if (code != PL_OK)
        return code;
    for (const pl_constraint *c = t->constraints; c; c = c->next)
        if (is_written(d, c))
            write_constraint(d, out, c);
    for (size_t i = 0; i < t->ncolumns; i++)
        write_type_check(d, out, t->columns[i]);
    pl_buf_chr(out, ')');
    write_options(out, t);
    return pl_buf_ok(out) && !names->failed ? PL_OK : pl_nomem(err);
}

void pl_ddl_drop_table(const pl_dialect *d, const pl_table *t, pl_buf *out) {
    pl_buf_str(out, "DROP TABLE ");
    write_qualified(d, out, t->schema, t->name);
}

/* ---- indexes ---- */

pl_code pl_ddl_create_index(const pl_dialect *d, const pl_index *ix, pl_buf *out,
                            pl_error *err) {
    if (!ix->name)
        return pl_fail(err, PL_ECOMPILE, "an index of table '%s' has no name",
                       ix->table->name);
    pl_buf_str(out, ix->unique ? "CREATE UNIQUE INDEX " : "CREATE INDEX ");
    write_qualified(d, out, ix->table->schema, ix->name);
    pl_buf_str(out, " ON ");
    pl_quote_name(d, out, ix->table->name);
    pl_buf_str(out, " (");
    for (size_t i = 0; i < ix->ncolumns; i++) {
        pl_buf_str(out, i > 0 ? ", " : "");
        if (ix->exprs && ix->exprs[i])
            pl_buf_str(out, ix->exprs[i]);
        else
            pl_quote_name(d, out, ix->columns[i]->name);
    }
    pl_buf_chr(out, ')');
    if (ix->where)
        pl_buf_fmt(out, " WHERE %s", ix->where);
    return pl_buf_ok(out) ? PL_OK : pl_nomem(err);
}

void pl_ddl_drop_index(const pl_dialect *d, const pl_index *ix, pl_buf *out) {
    pl_buf_str(out, "DROP INDEX ");
    write_qualified(d, out, ix->table->schema, ix->name);
}
