/* SPDX-License-Identifier: MIT */
/*
** schema.h - metadata: tables, columns, constraints and indexes as they were declared.
**
** A pl_metadata owns every struct below through its arena; they live as long as it does
** and are never moved. Declarations are added by the glue (or by reflection), resolved
** once by pl_metadata_resolve, and read by everyone else. No SQL text is made here.
*/
#ifndef PL_SCHEMA_H
#define PL_SCHEMA_H

#include "core/base/map.h"
#include "core/base/vec.h"
#include "core/schema/type.h"

struct pl_node;
typedef struct pl_metadata pl_metadata;
typedef struct pl_table pl_table;
typedef struct pl_column pl_column;
typedef struct pl_constraint pl_constraint;
typedef struct pl_index pl_index;

/* Where a value comes from when none was given. */
typedef enum pl_default_kind {
    PL_D_NONE,
    PL_D_VALUE,    /* value */
    PL_D_FUNCTION, /* a function of the script: ext is the glue's number */
    PL_D_EXPR      /* an SQL expression: node */
} pl_default_kind;

typedef struct pl_default {
    pl_default_kind kind;
    pl_slot value;
    const struct pl_node *node;
    int ext;
} pl_default;

struct pl_column {
    pl_table *table; /* NULL until it is added to one */
    const char *name;
    const char *key;     /* attribute name; name when not given */
    const pl_type *type; /* NULL until resolved from a foreign key */
    int position;        /* in table->columns */
    int pk_position;     /* in table->pk, -1 when not part of it */
    bool primary_key;
    bool nullable;
    bool nullable_given;
    bool unique;
    bool index;
    bool autoincrement; /* AUTOINCREMENT was asked for */
    bool no_autoincrement;
    bool deferred;
    const char *deferred_group; /* undefer_group's name, or NULL */
    bool finished;              /* pl_table_finish has made its constraint and index */
    pl_default dflt;
    pl_default onupdate;
    const char *server_default; /* DDL text, already quoted, or NULL */
    const char *server_onupdate;
    const char *computed; /* GENERATED ALWAYS AS (this), or NULL */
    bool persisted;       /* STORED instead of VIRTUAL */
    const char *comment;
    const char *collation;
    const char *renamed_from;
    pl_constraint *foreign; /* first foreign key constraint this column is part of */
    int ext;                /* the glue's number for info and the like, 0 when none */
};

typedef enum pl_constraint_kind {
    PL_C_PRIMARY,
    PL_C_FOREIGN,
    PL_C_UNIQUE,
    PL_C_CHECK
} pl_constraint_kind;

struct pl_constraint {
    pl_constraint_kind kind;
    pl_table *table;
    const char *name; /* as given or by the naming convention; NULL when neither */
    bool named_by_user;
    bool finished;       /* pl_table_finish has given its name */
    pl_column **columns; /* ncolumns; CHECK: the columns it is about, may be none */
    size_t ncolumns;
    pl_constraint *next; /* in table->constraints, order of declaration */
    /* FOREIGN */
    const char *ref_table;    /* as written */
    const char **ref_columns; /* ncolumns names as written */
    pl_table *target;         /* after resolve */
    pl_column **targets;      /* after resolve, ncolumns */
    const char *ondelete;
    const char *onupdate;
    int deferrable; /* -1 not said, 0 NOT DEFERRABLE, 1 DEFERRABLE */
    const char *initially;
    bool use_alter;
    /* CHECK */
    const char *sqltext;
};

struct pl_index {
    pl_table *table;
    const char *name;
    bool unique;
    pl_column **columns; /* entry i is a column, or NULL when exprs[i] is its text */
    const char **exprs;  /* expression or "column DESC" text; NULL for a plain column */
    size_t ncolumns;
    const char *where; /* partial index, or NULL */
    pl_index *next;
};

enum {
    PL_TABLE_STRICT = 1,
    PL_TABLE_WITHOUT_ROWID = 2,
    PL_TABLE_AUTOINCREMENT = 4,
    PL_TABLE_VIRTUAL = 8 /* made by its `ddl` text, e.g. a full-text index */
};

struct pl_table {
    pl_metadata *metadata;
    const char *name;
    const char *schema; /* attached database, or NULL */
    const char *view;   /* what queries read in its place, or NULL */
    pl_column **columns;
    size_t ncolumns;
    pl_column **pk; /* primary key columns in their order */
    size_t npk;
    pl_constraint *constraints;
    pl_index *indexes;
    unsigned flags;
    const char *comment;
    const char *renamed_from;
    const char *const *ddl; /* extra statements run after CREATE TABLE, NULL-terminated */
    const char *const *ddl_drop; /* and before DROP TABLE */
    pl_table *history;           /* log of its rows' versions, or NULL */
    int position;                /* order of declaration in its metadata */
    int ext;
};

/* Templates of generated names; NULL leaves such constraints unnamed. */
typedef struct pl_naming {
    const char *ix, *uq, *ck, *fk, *pk;
} pl_naming;

/*
** What pl_metadata_init sets: ix_TABLE_COLUMN, uq_TABLE_COLUMN, ck_TABLE_NAME,
** fk_TABLE_COLUMN_REFERRED, pk_TABLE. Over several columns the default templates take
** all their names, joined by '_'. A CHECK that the user named goes through the template
** too (its name is %(constraint_name)s); other names given stand as they are.
*/
extern const pl_naming pl_naming_default;

struct pl_metadata {
    pl_arena arena; /* owns all */
    pl_map by_name; /* "schema.name" or "name" -> pl_table */
    pl_vec tables;  /* order of declaration */
    pl_naming naming;
    const char *bind_key; /* NULL for the default database */
    bool has_virtual;     /* a table of it is PL_TABLE_VIRTUAL */
    pl_table *history; /* transactions, when a table has a log; see core/sql/history.h */
};

/*
** `objects` gives the memory of declarations, `heap` that of the lookup structures.
** pl_metadata_free frees both kinds.
*/
void pl_metadata_init(pl_metadata *md, pl_alloc objects, pl_alloc heap);
void pl_metadata_free(pl_metadata *md);

/* A new empty table; PL_EINVALID when the name is taken. */
pl_code pl_table_new(pl_metadata *md, const char *name, const char *schema,
                     pl_table **out, pl_error *err);

/* The table of a name as written ("t" or "schema.t"), or NULL. */
pl_table *pl_metadata_table(const pl_metadata *md, const char *name);

/* Forgets a table (for redefinition with extend_existing or in a shell). */
void pl_metadata_remove(pl_metadata *md, pl_table *t);

/* A column with defaults of its fields set (nullable, positions); not yet in a table. */
pl_column *pl_column_new(pl_metadata *md, const char *name, const pl_type *type);

/* Appends a column; PL_EARGUMENT when the name is taken. */
pl_code pl_table_add_column(pl_table *t, pl_column *c, pl_error *err);

/* Column of a table by database name or by key, or NULL. */
pl_column *pl_table_column(const pl_table *t, const char *name);
pl_column *pl_table_column_by_key(const pl_table *t, const char *key);

/* A constraint over n columns (array copied), appended to the table. NULL: no memory. */
pl_constraint *pl_table_add_constraint(pl_table *t, pl_constraint_kind kind,
                                       pl_column *const *columns, size_t n);

/* An index of n entries (arrays copied; exprs may be NULL). NULL: no memory. */
pl_index *pl_table_add_index(pl_table *t, const char *name, pl_column *const *columns,
                             const char *const *exprs, size_t n);

/*
** After the last column: fixes the primary key, turns the columns' `unique` and `index`
** into constraints and indexes, gives names by the convention. Idempotent.
*/
pl_code pl_table_finish(pl_table *t, pl_error *err);

/*
** Finds what a foreign key refers to; takes over column types left open. Errors:
** PL_ENOREFTABLE, PL_ENOREFCOLUMN. Idempotent.
*/
pl_code pl_foreign_resolve(pl_constraint *fk, pl_error *err);
pl_code pl_metadata_resolve(pl_metadata *md, pl_error *err);

/*
** Tables in order of dependency (referred-to first), stable in order of declaration.
** Tables in a cycle come last in order of declaration and are counted in *ncyclic.
*/
pl_code pl_metadata_sort(pl_metadata *md, pl_vec *out, size_t *ncyclic, pl_error *err);

/* The column by which an INSERT without a key gets one (rowid alias), or NULL. */
pl_column *pl_table_autoincrement(const pl_table *t);

/* Name by a template of the convention: tokens as SQLAlchemy's ("%(table_name)s"). */
const char *pl_name_constraint(pl_metadata *md, const pl_constraint *c);
const char *pl_name_index(pl_metadata *md, const pl_index *ix);

/* Flask-SQLAlchemy's table name of a class name ("HTTPRequest" -> "http_request"). */
char *pl_name_table(pl_arena *a, const char *class_name);

#endif
