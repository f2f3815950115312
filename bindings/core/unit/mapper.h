/* SPDX-License-Identifier: MIT */
/*
** mapper.h - how the attributes of a model stand to columns, and models to each other.
**
** A mapper belongs to its registry's arena. Attribute i has slot i. Mappers know tables
** and slots, not Lua classes; `ext` is the glue's number for its own side.
*/
#ifndef PL_MAPPER_H
#define PL_MAPPER_H

#include "core/schema/schema.h"
#include "core/sql/node.h"
#include "core/unit/object.h"

typedef struct pl_mapper pl_mapper;
typedef struct pl_relation pl_relation;
typedef struct pl_registry pl_registry;

typedef struct pl_attr {
    const char *name;
    const char *label; /* "User.name", for messages; set by pl_mapper_add_column */
    pl_column *column; /* the column read; NULL for a column_property */
    const pl_type *type;
    pl_node *expr; /* column_property: its expression, read-only; else NULL */
    bool deferred;
    bool readonly;
    int group; /* deferred group number, 0 none */
} pl_attr;

/* A column and the slot that holds its value. */
typedef struct pl_mapped_column {
    pl_column *column;
    uint16_t slot;
} pl_mapped_column;

/* What a flush must know of each column of a mapped table. */
enum {
    PL_COL_KEY = 1,       /* part of the primary key */
    PL_COL_AUTO = 2,      /* the rowid: an INSERT without it makes one */
    PL_COL_REQUIRED = 4,  /* NOT NULL, and nothing fills it in */
    PL_COL_DEFAULT = 8,   /* a client default that is a value or an SQL expression */
    PL_COL_ONUPDATE = 16, /* the same for onupdate */
    PL_COL_SERVER = 32,   /* the database gives a value to an INSERT without one */
    PL_COL_RESERVER = 64, /* an UPDATE of the row may change it (computed ...) */
    PL_COL_COMPUTED = 128 /* never written */
};

struct pl_shape;

/* One table of a mapper and where its columns' values are. */
typedef struct pl_mapped_table {
    pl_table *table;
    uint16_t *slots;   /* slot of table->columns[i]; PL_NO_SLOT when not mapped */
    uint16_t *pk;      /* slots of table->pk[i] */
    uint16_t *from;    /* below the root: slots of the root's side that pk[i] copies */
    uint8_t *traits;   /* PL_COL_* of table->columns[i] */
    uint16_t ncolumns; /* when this was made */
    uint16_t nshapes;
    struct pl_shape *shapes; /* statements a flush has written for this table */
} pl_mapped_table;

#define PL_NO_SLOT UINT16_MAX

/* Columns that a primary key, or a relationship's join, may have; more are refused. */
#define PL_MAX_KEY 64

struct pl_mapper {
    const char *name; /* model name, "User" */
    pl_registry *registry;
    int position;   /* order of declaration */
    pl_attr *attrs; /* nslots */
    uint16_t nslots;
    uint16_t npk;
    uint16_t *pk;            /* slots of the identity (the root table's key) */
    pl_mapped_table *tables; /* root table first; one but for joined inheritance */
    size_t ntables;
    pl_mapped_column *columns; /* of all tables, order of declaration */
    size_t ncolumns;
    pl_relation **relations; /* own and inherited, order of declaration */
    size_t nrelations;
    /* inheritance */
    pl_mapper *parent;
    pl_mapper *root;         /* itself when there is no parent; identity is per root */
    uint16_t polymorphic_on; /* slot, or PL_NO_SLOT */
    pl_slot polymorphic_identity; /* PL_UNSET when none */
    pl_mapper **children;         /* direct subclasses */
    size_t nchildren;
    const pl_node
        *criterion; /* over the plain tables: rows that queries see; NULL: all */
    /* optimistic locking */
    uint16_t version; /* slot of version_id_col, or PL_NO_SLOT */
    bool configured;
    bool failed;       /* configuration failed before */
    bool has_events;   /* the glue wants before/after calls */
    bool has_defaults; /* some column has a function or SQL default or onupdate */
    bool has_exprs;    /* some attribute is a column_property */
    bool has_server;   /* some column's value comes from the database on INSERT */
    bool confirm_deleted_rows;
    bool in_order; /* some relationship to it has an order_by */
    int ext;
};

typedef enum pl_direction {
    PL_MANY_TO_ONE,
    PL_ONE_TO_MANY,
    PL_MANY_TO_MANY
} pl_direction;

enum {
    PL_CASCADE_SAVE = 1,
    PL_CASCADE_MERGE = 2,
    PL_CASCADE_DELETE = 4,
    PL_CASCADE_ORPHAN = 8,
    PL_CASCADE_EXPUNGE = 16,
    PL_CASCADE_REFRESH = 32,
    PL_CASCADE_ALL = 1 | 2 | 4 | 16 | 32
};

typedef enum pl_lazy {
    PL_LAZY_SELECT,
    PL_LAZY_JOINED,
    PL_LAZY_SELECTIN,
    PL_LAZY_SUBQUERY,
    PL_LAZY_RAISE,
    PL_LAZY_DYNAMIC,
    PL_LAZY_WRITE_ONLY,
    PL_LAZY_NOLOAD,
    PL_LAZY_IMMEDIATE
} pl_lazy;

typedef enum pl_passive_deletes {
    PL_PASSIVE_NO,
    PL_PASSIVE_YES,
    PL_PASSIVE_ALL
} pl_passive_deletes;

/* What the declaration said; names are unresolved. NULL or -1: not said. */
typedef struct pl_relation_args {
    const char *target; /* model name, or NULL when target_mapper is given */
    pl_mapper *target_mapper;
    const char *secondary; /* table name, or NULL when secondary_table is given */
    pl_table *secondary_table;
    const char *back_populates;
    int uselist;
    int lazy;            /* pl_lazy */
    const char *cascade; /* "all, delete-orphan" */
    int passive_deletes;
    bool passive_deletes_given;
    int join_depth; /* eager by declaration: how often along a cycle */
    bool viewonly, single_parent, post_update, passive_updates_off, collection;
    bool innerjoin, raise_on_sql;
    pl_column **foreign_keys; /* NULL: inferred */
    size_t nforeign_keys;
    pl_column **remote_side;
    size_t nremote_side;
    pl_node *primaryjoin, *secondaryjoin;
    pl_node *order_by;    /* TUPLE of expressions, or NULL */
    const char *numbered; /* attribute that has the place in the list, or NULL; */
    int64_t first_number; /* that of the first */
} pl_relation_args;

/* A column on this side and the one it equals on the other. */
typedef struct pl_pair {
    pl_column *local, *remote; /* MANY_TO_MANY: remote is the secondary's column */
    uint16_t local_slot;       /* in relation->mapper */
    uint16_t remote_slot;      /* in relation->target; PL_NO_SLOT for a secondary */
} pl_pair;

struct pl_relation {
    const char *name;
    pl_mapper *mapper; /* where it was declared */
    pl_mapper *target;
    pl_relation_args args;
    pl_direction direction;
    bool uselist;
    bool configured;
    pl_pair *pairs; /* this side to target, or to secondary */
    size_t npairs;
    pl_pair *far_pairs; /* MANY_TO_MANY: local is the target's column, remote the
                           secondary's */
    size_t nfar_pairs;
    pl_table *secondary;
    pl_relation *back; /* the other side, or NULL */
    unsigned cascade;
    pl_lazy lazy;
    pl_passive_deletes passive_deletes;
    bool viewonly;
    bool simple;          /* the join is exactly the pairs: usable with plain keys */
    bool to_key;          /* MANY_TO_ONE to exactly the target's primary key */
    bool by_backref;      /* made from a backref */
    bool removed;         /* its target was removed from the registry: to be ignored */
    pl_node *primaryjoin; /* over plain tables; given or made from the pairs */
    pl_node *secondaryjoin;
    int position; /* in mapper->relations (not in those of a subclass) */
    int ext;
};

/* All mappers of one database object. */
struct pl_registry {
    pl_arena *arena; /* the metadata's */
    pl_vec mappers;  /* order of declaration */
    pl_map by_name;
    bool has_exprs; /* of some mapper */
    bool dirty;     /* something was declared since the last configure */
};

void pl_registry_init(pl_registry *r, pl_arena *arena, pl_alloc heap);
void pl_registry_free(pl_registry *r);

/* A mapper over a table; attributes follow. PL_EINVALID when the name is taken. */
pl_code pl_mapper_new(pl_registry *r, const char *name, pl_table *table,
                      pl_mapper *parent, pl_mapper **out, pl_error *err);
void pl_registry_remove(pl_registry *r, pl_mapper *m);
pl_mapper *pl_registry_find(const pl_registry *r, const char *name);

/* Adds an attribute for a column (or an expression); columns of every table of the mapper
** that have the same key share its slot. */
pl_code pl_mapper_add_column(pl_mapper *m, const char *name, pl_column *c, pl_error *err);
pl_code pl_mapper_add_expr(pl_mapper *m, const char *name, pl_node *expr, pl_error *err);

/* After the last column: tables, primary key, slots of columns. PL_EARGUMENT without a
 * key. */
pl_code pl_mapper_finish(pl_mapper *m, pl_error *err);

/* Declares a relationship; resolved by configure. */
pl_code pl_mapper_add_relation(pl_mapper *m, const char *name,
                               const pl_relation_args *args, pl_relation **out,
                               pl_error *err);

/*
** Resolves foreign keys, targets, directions, join pairs, back references and cascades of
** all mappers declared so far. Run before first use; cheap when nothing is new. Errors:
** PL_EINVALID (unknown name, with the models known), PL_ENOFOREIGNKEYS, PL_EAMBIGUOUS,
** PL_EARGUMENT. A failure names the relationship and stays until it is mended.
*/
pl_code pl_registry_configure(pl_registry *r, pl_error *err);

/* Slot of an attribute name, or PL_NO_SLOT. */
uint16_t pl_mapper_slot(const pl_mapper *m, const char *name);
/* Slot that holds a column's value, or PL_NO_SLOT. */
uint16_t pl_mapper_column_slot(const pl_mapper *m, const pl_column *c);
pl_relation *pl_mapper_relation(const pl_mapper *m, const char *name);
/* Whether m is base or below it. */
bool pl_mapper_is(const pl_mapper *m, const pl_mapper *base);
/* The mapper below (or at) m with a polymorphic identity, or NULL. */
pl_mapper *pl_mapper_polymorphic(pl_mapper *m, const pl_slot *identity);

/* Words of a cascade text to bits; PL_EARGUMENT names a bad word. */
pl_code pl_cascade_parse(const char *text, unsigned *out, pl_error *err);

/*
** Node builders for queries over mappers (criteria.c). Nodes live in `a`; a NULL source
** is the plain table. NULL result: no memory.
*/
/* What `FROM` a mapper's rows come from: its table, or the join of its tables. */
pl_node *pl_mapper_from(pl_arena *a, const pl_mapper *m);
/* ENTITY node over all (non-deferred, unless `all`) attributes, in slot order. */
pl_node *pl_mapper_entity(pl_arena *a, pl_mapper *m, pl_node *source, bool all);
/* The same with those of mappers below it, by outer joins: what with_polymorphic reads.
 */
pl_node *pl_mapper_family_from(pl_arena *a, const pl_mapper *m, pl_mapper *const *below,
                               size_t n);
/* ENTITY of m with the columns of mappers below it behind its own. */
pl_node *pl_mapper_family(pl_arena *a, pl_mapper *m, pl_mapper *const *below, size_t n,
                          pl_node *source, bool all);
/* An attribute's column or expression, taken from the source. */
pl_node *pl_mapper_attr(pl_arena *a, const pl_mapper *m, const pl_attr *at,
                        pl_node *source);
/* The column of the mapper's nth table that has the value of key attribute i, or NULL. */
const pl_column *pl_mapper_key_column(const pl_mapper *m, size_t n, int i);

/* Whether pl_mapper_criterion may have something to say. */
static inline bool pl_mapper_is_restricted(const pl_mapper *m) {
    while (m && !m->parent && !m->criterion)
        m = m->parent;
    return m != NULL;
}
/* Condition that restricts a single-table subclass, or a mapper with a criterion (its own
** or inherited), to its rows; NULL: all. */
pl_node *pl_mapper_criterion(pl_arena *a, const pl_mapper *m, pl_node *source);
/* Join condition parent source -> target source (primaryjoin adapted). For MANY_TO_MANY
** `link` is the secondary's source and *far gets the second condition. */
pl_node *pl_relation_on(pl_arena *a, const pl_relation *r, pl_node *source,
                        pl_node *target, pl_node *link, pl_node **far);

#endif
