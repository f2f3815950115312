/* SPDX-License-Identifier: MIT */
/*
** dialect.h - what differs between databases when SQL is written.
**
** A dialect is a constant table of flags and small functions. The compiler and the DDL
** writer ask it; drivers never do.
*/
#ifndef PL_DIALECT_H
#define PL_DIALECT_H

#include "core/sql/node.h"

typedef struct pl_dialect {
    const char *name;
    char placeholder;     /* '?' or '$' (numbered) */
    bool has_ilike;       /* else lower(a) LIKE lower(b) */
    bool has_is_distinct; /* IS [NOT] DISTINCT FROM; else SQLite's IS / IS NOT */
    bool has_for_update;
    bool bool_literals;    /* true/false; else 1/0 */
    bool limit_minus_one;  /* OFFSET alone needs LIMIT -1 */
    bool alter_constraint; /* ALTER TABLE ADD CONSTRAINT exists */
    int max_variables;
    const char *const *reserved; /* lower-case words that must be quoted, sorted */
    size_t nreserved;
    /* DDL type of a column, in SQLAlchemy's spelling */
    void (*type)(pl_buf *out, const pl_type *t);
    /* the same for a table whose types are enforced (STRICT) */
    void (*strict_type)(pl_buf *out, const pl_type *t);
    /* field of EXTRACT over the expression that `arg` writes */
    bool (*extract)(pl_buf *out, const char *field, void (*arg)(void *), void *ud);
} pl_dialect;

extern const pl_dialect pl_dialect_sqlite;

/* Writes an identifier, quoted when it must be (reserved, upper case, odd characters). */
void pl_quote_name(const pl_dialect *d, pl_buf *out, const char *name);

/* Writes a string literal with doubled quotes (DDL only; values are always bound). */
void pl_quote_text(pl_buf *out, const char *s, size_t len);

/* A slot as an SQL literal, for DDL defaults and :sql() with values shown. */
void pl_write_literal(const pl_dialect *d, pl_buf *out, const pl_slot *value);

#endif
