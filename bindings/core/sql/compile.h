/* SPDX-License-Identifier: MIT */
/*
** compile.h - from a statement's nodes to SQL text.
**
** One walk writes the text and records which literal goes to which placeholder. What a
** compiled statement holds lives in the arena given; it refers to nodes only by the
** ordinals that pl_node_walk gives, so it serves every later statement of equal key.
*/
#ifndef PL_COMPILE_H
#define PL_COMPILE_H

#include "core/sql/dialect.h"

typedef enum pl_stmt_kind {
    PL_S_SELECT,
    PL_S_INSERT,
    PL_S_UPDATE,
    PL_S_DELETE,
    PL_S_TEXT
} pl_stmt_kind;

/*
** One column of the result. The name is the label or the column's name, made unique by
** "_1" ..., and SQLAlchemy's for the rest: count_1, anon_1. Columns of an entity, which
** are read by position, keep the column's name. NULL for raw text.
*/
typedef struct pl_outcol {
    const char *name;
    const pl_type *type;     /* never NULL; PL_K_ANY when unknown */
    const pl_column *column; /* the column it is, or NULL */
} pl_outcol;

typedef struct pl_compiled {
    pl_stmt_kind kind;
    const char *sql;
    size_t len;
    const uint32_t *plan; /* plan[i]: ordinal of the literal of placeholder i + 1 */
    size_t nplan;
    const pl_outcol *columns; /* what the statement returns */
    size_t ncolumns;
    bool open; /* raw text or a star among them: the database knows how many there are */
    const pl_table *const *tables; /* tables it reads or writes, each once */
    size_t ntables;
    bool cacheable;    /* may be kept under its key and as a prepared statement */
    bool cartesian;    /* FROM items that no condition connects */
    const char *loose; /* name of an unconnected FROM item when cartesian */
} pl_compiled;

/*
** IN lists. The key of a statement holds the exact count. Lists of up to 16 values have
** as many placeholders; longer ones up to 1024 are padded to the next power of two by
** repeating the last value (in `plan`, and so in the text), so that queries of different
** counts share prepared statements. Longer lists are written as they are and make the
** statement not cacheable; more than the database's limit of parameters is PL_ECOMPILE.
*/
enum { PL_IN_EXACT = 16, PL_IN_PADDED = 1024 };

/*
** Compiles a statement (SELECT chain, COMPOUND, INSERT, UPDATE, DELETE or a bare TEXT).
** Literals must have been numbered by pl_node_walk(stmt, pass, ...) with the same pass.
** The result's memory is `arena`. Errors: PL_ECOMPILE, PL_EINVALID, PL_EARGUMENT.
*/
pl_code pl_compile(const pl_dialect *d, pl_node *stmt, uint32_t pass, pl_arena *arena,
                   pl_compiled *out, pl_error *err);

/* An expression on its own with its literals written out, for CHECK and index text. */
pl_code pl_compile_inline(const pl_dialect *d, pl_node *expr, pl_buf *out, pl_error *err);

/*
** The FROM items of a select chain in the order they are written (before correlation):
** what `join` without a left side starts from. Appends PL_N_TABLE, PL_N_ALIAS ... nodes.
*/
bool pl_statement_froms(pl_node *stmt, pl_arena *scratch, pl_vec *out);

/* The clause of a kind nearest the end of a chain, or NULL. */
pl_node *pl_statement_find(pl_node *stmt, pl_node_kind kind);

/* The head (SELECT, INSERT, ...) of a chain. */
pl_node *pl_statement_head(pl_node *stmt);

#endif
