/* SPDX-License-Identifier: MIT */
/*
** work.h - the inside of a flush, shared by the files that carry it out (flush, plan,
** sync, shape, statement, insert, update, delete, express, link, blame); nobody else
** includes it.
**
**     items[]    what was added, in order of addition; an object's `index` is its place +
*1
**     groups[]   one for each mapper hierarchy that has items
**     ties[]     edges between objects; those of one child are chained from its item
**     order[]    places in items[], batch by batch
**     batches[]  what runs: a slice of order[] (or of links[]) and the operation
**
** The growing arrays are blocks of the flush's allocator; what the plan adds is in its
** arena. Nothing is allocated for a single object.
*/
#ifndef PL_WORK_H
#define PL_WORK_H

#include "core/unit/flush.h"

#define PL_NONE UINT32_MAX

enum {
    PL_ITEM_DELETE = 1, /* else it is saved */
    PL_ITEM_INSERT = 2, /* saved by INSERT, else by UPDATE */
    PL_ITEM_SWITCH = 4, /* pending, but takes over the row of one that was deleted */
    PL_ITEM_DROPPED = 8 /* its row was taken over */
};

typedef struct pl_item {
    pl_object *o;
    uint32_t tie; /* first tie with this object as child + 1, 0: none */
    uint16_t group;
    uint16_t flags;
} pl_item;

/* A mapper that has objects in a group. */
typedef struct pl_member {
    pl_mapper *mapper;
    struct pl_member *next;
} pl_member;

typedef struct pl_group {
    pl_mapper *root;
    pl_member *members;
    uint32_t rank;       /* place in the order of groups */
    uint32_t component;  /* groups in a cycle have the same */
    uint32_t ncomponent; /* how many those are */
    uint32_t counts[3];  /* updates, inserts, deletes */
    bool levelled;       /* its objects are ordered one by one */
    bool events, defaults;
} pl_group;

typedef struct pl_tie {
    pl_relation *r;
    pl_object *parent, *child;
    uint32_t next; /* next tie of the same child + 1 */
    uint8_t kind;  /* pl_edge_kind */
    bool post;     /* written by a second UPDATE */
} pl_tie;

typedef struct pl_link_row {
    pl_relation *r;
    pl_object *a, *b; /* b NULL: all rows of a */
    bool remove;
    bool moves; /* with remove and b NULL: they get the new key of a instead */
} pl_link_row;

typedef struct pl_batch {
    uint8_t op; /* pl_flush_op */
    uint16_t group;
    uint32_t first, count; /* in order[], links[] or post[] */
} pl_batch;

/* A pending object and the deleted one whose row it takes over. */
typedef struct pl_switch {
    uint32_t item;
    const pl_object *old;
    struct pl_switch *next;
} pl_switch;

/* Whether generated keys of a table are consecutive; asked once per flush. */
typedef struct pl_rowid_check {
    const pl_table *table;
    bool consecutive;
    struct pl_rowid_check *next;
} pl_rowid_check;

struct pl_flush {
    pl_alloc alloc;
    pl_arena arena;
    pl_conn *conn;
    const pl_dialect *dialect;
    pl_flush_hooks hooks;
    pl_item *items;
    size_t nitems, items_cap;
    pl_group *groups;
    size_t ngroups, groups_cap;
    pl_tie *ties;
    size_t nties, ties_cap;
    pl_link_row *links;
    size_t nlinks, links_cap;
    uint32_t *order;
    pl_batch *batches;
    size_t nbatches, batches_cap;
    uint32_t *post; /* ties that are written by a second UPDATE */
    uint32_t npost;
    uint32_t loose; /* first tie of a child outside the flush + 1 */
    pl_switch *switches;
    pl_rowid_check *rowids;
    uint64_t *bits, *more_bits; /* scratch, nbits words each */
    size_t nbits;
    pl_slot *row;  /* scratch, twice as many as the widest table has columns */
    pl_stmt *stmt; /* in use, and what it was made for */
    const struct pl_shape *stmt_shape;
    bool stmt_multi;
    bool planned;
};

/*
** A statement of one table for one set of columns. Kept with its mapped table, in the
** registry's arena, unless there are too many.
*/
typedef struct pl_shape {
    struct pl_shape *next;
    const pl_dialect *dialect;
    const char *sql;   /* one row */
    const char *multi; /* `rows` rows; NULL until wanted */
    uint32_t len, multi_len;
    uint16_t rows; /* of the multi-row text, 1: there is none */
    uint8_t op;    /* PL_FLUSH_INSERT, PL_FLUSH_UPDATE or PL_FLUSH_DELETE */
    bool version;  /* UPDATE, DELETE: checks the version column */
    bool kept;     /* in the registry's arena, not the flush's */
    bool keyed;    /* INSERT: does not depend on a generated key */
    uint16_t nbind, nback, nnull;
    uint16_t *bind; /* slots bound for columns, in order */
    uint16_t *back; /* slots the database computes: returned, or forgotten after UPDATE */
    uint16_t *null; /* slots of columns left out that are NULL now */
    size_t nwords;
    uint64_t bits[]; /* columns (by position in the table) with a value to write */
} pl_shape;

enum { PL_ROWS = 100, PL_KEYS = 500 }; /* rows of an INSERT, keys of a DELETE */

static inline pl_object *pl_batch_object(const pl_flush *f, uint32_t i) {
    return f->items[f->order[i]].o;
}

static inline bool pl_bit(const uint64_t *bits, size_t i) {
    return (bits[i / 64] >> (i % 64)) & 1;
}

static inline void pl_bit_set(uint64_t *bits, size_t i) {
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline size_t pl_bit_words(size_t n) {
    return (n + 63) / 64;
}

/* flush.c */
/* An array of the flush's allocator with room for one more entry; NULL: no memory, and
 * the array is as it was. */
void *pl_room(const pl_flush *f, void *array, size_t n, size_t *cap, size_t size);
pl_item *pl_flush_item(const pl_flush *f, const pl_object *o);

/* plan.c */
typedef int (*pl_order_fn)(const void *ud, uint32_t a, uint32_t b);
/* Stable sort of numbers; false without memory. */
bool pl_sort(pl_arena *scratch, uint32_t *v, size_t n, pl_order_fn order, const void *ud);
/* Key columns (slots) of an object as its row has them. */
void pl_row_key(const pl_flush *f, const pl_object *o, const uint16_t *slots, size_t n,
                pl_slot *out);
pl_code pl_add_batch(pl_flush *f, pl_flush_op op, uint32_t group, uint32_t first,
                     uint32_t count, pl_error *err);
int pl_key_compare(const pl_flush *f, const pl_object *a, const pl_object *b);

/* shape.c */
pl_shape *pl_shape_insert(pl_flush *f, pl_mapped_table *mt, const uint64_t *bits,
                          pl_error *err);
pl_shape *pl_shape_update(pl_flush *f, pl_mapped_table *mt, const uint64_t *bits,
                          const pl_column *version, pl_error *err);
pl_shape *pl_shape_delete(pl_flush *f, pl_mapped_table *mt, const pl_column *version,
                          pl_error *err);
/* Makes shape->multi. */
pl_code pl_shape_multi(pl_flush *f, const pl_mapped_table *mt, pl_shape *s,
                       pl_error *err);
void pl_text_table(const pl_dialect *d, pl_buf *out, const pl_table *t);
/* " WHERE t.a = ? AND t.b = ?" */
void pl_text_where(const pl_dialect *d, pl_buf *out, const pl_table *t,
                   pl_column *const *columns, size_t n);
/* "(?, ?), (?, ?)" */
void pl_text_rows(pl_buf *out, size_t nrows, size_t ncolumns);

/* statement.c */
/* The statement of a shape, checked out until another is wanted. */
pl_code pl_use_statement(pl_flush *f, const pl_mapped_table *mt, pl_shape *s, bool multi,
                         pl_error *err);
void pl_drop_statement(pl_flush *f);
/* many.c: what pl_flush_hooks says of a statement that runs for many rows. */
typedef pl_code (*pl_bind_nth)(pl_flush *f, uint32_t i, const void *what, pl_error *err);
/* Tells of n runs, which `bind` binds without running them; *many: they are to be ended.
 */
pl_code pl_many_announce(pl_flush *f, uint32_t first, uint32_t n, pl_bind_nth bind,
                         const void *what, bool *many, pl_error *err);
/* The same in parts: a row that is bound, and after all of them how many they were. */
pl_code pl_many_row(pl_flush *f, pl_error *err);
pl_code pl_many_begin(pl_flush *f, uint32_t rows, bool *many, pl_error *err);
/* After the runs, which ended with a code; the code for the caller. */
pl_code pl_many_end(pl_flush *f, bool many, pl_code code, pl_error *err);

/* Runs a bound statement without results to its end. */
pl_code pl_run_statement(pl_stmt *s, pl_error *err);
/* Scratch (bits, more_bits, row) for a table of n columns. */
pl_code pl_scratch_for(pl_flush *f, size_t ncolumns, pl_error *err);
/* The object's row has been written: nothing of it is changed. */
void pl_forget_changes(pl_object *o);
/* Marks slots whose values the database has and the object not. */
void pl_forget_values(pl_object *o, const uint16_t *slots, size_t n);
/* Runs the bound statement in use; a row it returns goes into the slots. */
pl_code pl_run_returning(pl_flush *f, pl_object *o, const uint16_t *slots, size_t n,
                         pl_error *err);

/*
** The same for a statement of s->rows rows, whose objects stand in order[] from `at` on.
** Rows are told apart by their keys; should they come in another order than they went,
** the slots are left to be read when next needed.
*/
pl_code pl_run_returning_rows(pl_flush *f, uint32_t at, const pl_mapped_table *mt,
                              const pl_shape *s, pl_error *err);

/* insert.c, update.c, delete.c */
pl_code pl_run_inserts(pl_flush *f, const pl_batch *b, pl_error *err);
pl_code pl_run_updates(pl_flush *f, const pl_batch *b, pl_error *err);
pl_code pl_run_post(pl_flush *f, const pl_batch *b, pl_error *err);
pl_code pl_run_deletes(pl_flush *f, const pl_batch *b, pl_error *err);
/* "UPDATE statement on table 'p' expected to update 1 row(s); 0 were matched." */
pl_code pl_fail_stale(const char *verb, const char *past, const pl_table *t, pl_object *o,
                      pl_error *err);

/* sync.c */
/* What an object needs before its row can be written. */
pl_code pl_prepare_batch(pl_flush *f, const pl_batch *b, pl_error *err);
pl_code pl_apply_tie(pl_flush *f, const pl_tie *t, pl_error *err);
/* Sets a slot as changed, keeping bytes by the holder. */
pl_code pl_set_slot(pl_flush *f, pl_object *o, uint16_t slot, const pl_slot *value,
                    bool changed, pl_error *err);

/* express.c */
/* One row whose values or defaults are SQL expressions. */
pl_code pl_insert_expressions(pl_flush *f, pl_object *o, pl_mapped_table *mt,
                              const uint64_t *bits, pl_error *err);
pl_code pl_update_expressions(pl_flush *f, pl_object *o, pl_mapped_table *mt,
                              const uint64_t *bits, const pl_slot *key,
                              const pl_column *version, int64_t *matched, pl_error *err);

/* link.c */
pl_code pl_plan_links(pl_flush *f, pl_error *err);
pl_code pl_run_links(pl_flush *f, const pl_batch *b, pl_error *err);

/* blame.c */
/* Adds to the error of a failed statement what it is about; returns its code. */
pl_code pl_blame(pl_flush *f, pl_flush_op op, const pl_mapped_table *mt, pl_object *o,
                 pl_error *err);
pl_code pl_fail_null(const pl_object *o, const pl_mapped_table *mt, size_t column,
                     pl_error *err);

#endif
