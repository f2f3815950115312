/* SPDX-License-Identifier: MIT */
/*
** naming.c - names that nobody wrote: of constraints, of indexes, of a model's table.
**
** Templates are SQLAlchemy's naming conventions. A template whose token has no value (an
** unnamed CHECK under %(constraint_name)s) gives no name. Results live in the arena of
** the metadata.
*/
#include "core/base/buf.h"
#include "core/schema/schema.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* What the tokens of a template may refer to. */
typedef struct subject {
    const pl_table *table;
    pl_column *const *columns;
    const char *const *exprs; /* indexes only */
    size_t n;
    const pl_constraint *constraint; /* NULL for an index */
} subject;

/* A name made of the letters and digits of an expression: lower(name) -> lower_name. */
static bool put_words(pl_buf *b, const char *text) {
    bool gap = false, any = false;
    for (; *text; text++) {
        if (!isalnum((unsigned char)*text) && *text != '_') {
            gap = any;
            continue;
        }
        if (gap)
            pl_buf_chr(b, '_');
        pl_buf_chr(b, *text);
        gap = false;
        any = true;
    }
    return any;
}

static bool put_column(pl_buf *b, const subject *s, size_t i, bool label) {
    if (i >= s->n)
        return false;
    if (label) {
        if (s->table->schema)
            pl_buf_fmt(b, "%s_", s->table->schema);
        pl_buf_fmt(b, "%s_", s->table->name);
    }
    if (s->columns[i])
        pl_buf_str(b, s->columns[i]->name);
    else
        return s->exprs && s->exprs[i] && put_words(b, s->exprs[i]);
    return true;
}

static bool put_all(pl_buf *b, const subject *s, const char *between, bool label) {
    for (size_t i = 0; i < s->n; i++) {
        pl_buf_str(b, i > 0 ? between : "");
        if (!put_column(b, s, i, label))
            return false;
    }
    return s->n > 0;
}

static bool put_referred(pl_buf *b, const subject *s, const char *token) {
    const pl_constraint *c = s->constraint;
    if (!c || c->kind != PL_C_FOREIGN)
        return false;
    if (strcmp(token, "referred_table_name") == 0) {
        const char *dot = strrchr(c->ref_table, '.');
        pl_buf_str(b, dot ? dot + 1 : c->ref_table);
        return true;
    }
    if (strcmp(token, "referred_column_0_name") == 0 && c->ref_columns && s->n > 0) {
        pl_buf_str(b, c->ref_columns[0]);
        return true;
    }
    return false;
}

/* column_0_name, column_0_label, column_0N_name (joined), column_0_N_name (with _). */
static bool put_column_token(pl_buf *b, const subject *s, const char *token) {
    char *after;
    unsigned long first = strtoul(token, &after, 10);
    if (after == token || first > s->n)
        return false;
    const char *between = NULL;
    if (strncmp(after, "_N", 2) == 0)
        between = "_", after += 2;
    else if (*after == 'N')
        between = "", after++;
    bool label = strcmp(after, "_label") == 0;
    if (!label && strcmp(after, "_name") != 0 && strcmp(after, "_key") != 0)
        return false;
    return between ? put_all(b, s, between, label) : put_column(b, s, first, label);
}

static bool put_token(pl_buf *b, const subject *s, const char *token) {
    if (strcmp(token, "table_name") == 0) {
        pl_buf_str(b, s->table->name);
        return true;
    }
    if (strcmp(token, "constraint_name") == 0) {
        const pl_constraint *c = s->constraint;
        if (c && c->name)
            pl_buf_str(b, c->name);
        else
            return put_all(b, s, "_", false);
        return true;
    }
    if (strncmp(token, "column_", 7) == 0)
        return put_column_token(b, s, token + 7);
    return put_referred(b, s, token);
}

enum { TOKEN_MAX = 64 };

/* Copies a template with its %(token)s replaced; false when one has no value. */
static bool expand(pl_buf *b, const char *template, const subject *s) {
    for (const char *p = template; *p; p++) {
        char token[TOKEN_MAX];
        const char *close = p[0] == '%' && p[1] == '(' ? strstr(p, ")s") : NULL;
        if (!close) {
            pl_buf_chr(b, *p);
            if (p[0] == '%' && p[1] == '%')
                p++;
            continue;
        }
        size_t n = (size_t)(close - p - 2);
        if (n >= TOKEN_MAX)
            return false;
        memcpy(token, p + 2, n);
        token[n] = '\0';
        if (!put_token(b, s, token))
            return false;
        p = close + 1;
    }
    return true;
}

static const char *name_by(pl_metadata *md, const char *template, const subject *s) {
    if (!template)
        return NULL;
    pl_buf b;
    pl_buf_init(&b, md->arena.alloc);
    const char *name = NULL;
    bool made = expand(&b, template, s);
    if (!pl_buf_ok(&b))
        md->arena.failed = true;
    else if (made)
        name = pl_arena_copy(&md->arena, pl_buf_cstr(&b), b.len);
    pl_buf_free(&b);
    return name;
}

const pl_naming pl_naming_default = {
    .ix = "ix_%(column_0_label)s",
    .uq = "uq_%(table_name)s_%(column_0_name)s",
    .ck = "ck_%(table_name)s_%(constraint_name)s",
    .fk = "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    .pk = "pk_%(table_name)s",
};

/* The default templates, for constraints of several columns. */
static const pl_naming several = {
    .ix = "ix_%(table_name)s_%(column_0_N_name)s",
    .uq = "uq_%(table_name)s_%(column_0_N_name)s",
    .fk = "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
};

static const char *pick(const char *own, const char *dflt, const char *many, size_t n) {
    return own == dflt && n > 1 && many ? many : own;
}

const char *pl_name_constraint(pl_metadata *md, const pl_constraint *c) {
    const pl_naming *own = &md->naming, *dflt = &pl_naming_default;
    subject s = {c->table, c->columns, NULL, c->ncolumns, c};
    const char *template = NULL;
    switch (c->kind) {
    case PL_C_PRIMARY: template = own->pk; break;
    case PL_C_FOREIGN: template = pick(own->fk, dflt->fk, several.fk, s.n); break;
    case PL_C_UNIQUE: template = pick(own->uq, dflt->uq, several.uq, s.n); break;
    case PL_C_CHECK: template = own->ck; break;
    }
    return name_by(md, template, &s);
}

const char *pl_name_index(pl_metadata *md, const pl_index *ix) {
    subject s = {ix->table, ix->columns, ix->exprs, ix->ncolumns, NULL};
    const char *template =
        pick(md->naming.ix, pl_naming_default.ix, several.ix, ix->ncolumns);
    return name_by(md, template, &s);
}

/*
** An underscore goes before a capital that follows a lower-case letter or digit, and
** before a capital, not the first character, that a lower-case letter follows.
*/
char *pl_name_table(pl_arena *a, const char *class_name) {
    size_t n = strlen(class_name), len = 0;
    char *out = pl_arena_get(a, n * 2 + 1);
    if (!out)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)class_name[i];
        unsigned char before = i > 0 ? (unsigned char)class_name[i - 1] : 0;
        unsigned char after = (unsigned char)class_name[i + 1];
        bool starts = islower(before) || isdigit(before) || (i > 0 && islower(after));
        if (isupper(c) && starts)
            out[len++] = '_';
        out[len++] = (char)tolower(c);
    }
    out[len] = '\0';
    while (*out == '_')
        out++;
    return out;
}
