/* SPDX-License-Identifier: MIT */
/*
** flush.h - one flush: collect what is to be written, plan the order, run it.
**
** The glue collects: objects to save or delete, edges between them, rows of link tables.
** The plan is made before any SQL runs and can be printed. Running it binds from slots
** and writes generated keys back into them; a column that an INSERT left out becomes
** NULL in its slot (or is read back, where the database computed it), and
** PL_SLOT_CHANGED and PL_OBJ_CHANGED are cleared for each object once it is written.
** States, relationships and what a failure leaves behind (objects written before it)
** are the glue's business.
*/
#ifndef PL_FLUSH_H
#define PL_FLUSH_H

#include "core/driver/conn.h"
#include "core/sql/dialect.h"
#include "core/unit/mapper.h"

typedef enum pl_flush_op {
    PL_FLUSH_INSERT,
    PL_FLUSH_UPDATE,
    PL_FLUSH_DELETE,
    PL_FLUSH_LINK,
    PL_FLUSH_UNLINK,
    PL_FLUSH_POST_UPDATE
} pl_flush_op;

/*
** Calls back into the glue. `before` and `after` come only for mappers with has_events,
** once per object around its batch's SQL; a code other than PL_OK stops the flush.
** `fill` comes for mappers with has_defaults before parameters are collected: it sets
** slots that have function defaults (INSERT: unset slots; UPDATE: onupdate of slots not
** changed). `store` puts a value into a slot when its bytes must be kept by the holder.
** `committed` gives a slot as the row has it, when the object's own value was changed
** (asked for primary keys only; absent or false: the slot is the row's). All but
*`before`,
** `after` and `fill` run between steps of a statement: they may not use the connection.
*/
typedef struct pl_flush_hooks {
    void *ud;
    pl_code (*before)(void *ud, pl_flush_op op, pl_object *o, pl_error *err);
    pl_code (*after)(void *ud, pl_flush_op op, pl_object *o, pl_error *err);
    pl_code (*fill)(void *ud, pl_flush_op op, pl_object *o, pl_error *err);
    pl_code (*store)(void *ud, pl_object *o, uint16_t slot, const pl_slot *value,
                     pl_error *err);
    bool (*committed)(void *ud, const pl_object *o, uint16_t slot, pl_slot *out);
    void (*warn)(void *ud, const char *message);
    /* A statement that runs for many rows: the slots of each of them, then its text
     * before the first run (NULL: there are no such rows after all), and after the last
     * whether all went well (err may be NULL then). All three or none. */
    pl_code (*row)(void *ud, const pl_slot *params, size_t n, pl_error *err);
    pl_code (*many)(void *ud, const char *sql, pl_error *err);
    pl_code (*done)(void *ud, bool ok, pl_error *err);
} pl_flush_hooks;

typedef enum pl_edge_kind {
    PL_EDGE_SYNC,  /* copy the parent's key into the child before the child is saved */
    PL_EDGE_CLEAR, /* set the child's foreign key to NULL before the child is saved */
    PL_EDGE_ORDER  /* only order */
} pl_edge_kind;

typedef struct pl_flush pl_flush;

/* A flush over one connection. Memory is released by pl_flush_free. NULL: no memory. */
pl_flush *pl_flush_new(pl_alloc alloc, pl_conn *conn, const pl_dialect *dialect,
                       const pl_flush_hooks *hooks);
void pl_flush_free(pl_flush *f);

/* An object to INSERT (state pending) or UPDATE (persistent). Twice is once. */
pl_code pl_flush_save(pl_flush *f, pl_object *o, pl_error *err);
/* An object to DELETE; wins over save. */
pl_code pl_flush_delete(pl_flush *f, pl_object *o, pl_error *err);
bool pl_flush_has(const pl_flush *f, const pl_object *o);

/*
** `child` refers to `parent` by `r` (MANY_TO_ONE: r->mapper is the child's; ONE_TO_MANY:
** the parent's). Either may be outside the flush (then only SYNC/CLEAR acts). An object
** that gets its foreign key changed this way must have been saved into the flush.
** With post_update the edge does not order; the key is written by a second UPDATE.
** `parent` may be NULL for CLEAR.
*/
pl_code pl_flush_edge(pl_flush *f, pl_relation *r, pl_object *parent, pl_object *child,
                      pl_edge_kind kind, pl_error *err);

/*
** A row of r->secondary between a (of r->mapper) and b (of r->target). With remove and
** b NULL: all rows of a, so that they need not be loaded. The same row given twice, also
** from the other side, is one.
*/
pl_code pl_flush_link(pl_flush *f, pl_relation *r, pl_object *a, pl_object *b,
                      bool remove, pl_error *err);

/* The key of `a` changes, and its rows of r->secondary are to follow: all of them, after
** removals and before new ones. */
pl_code pl_flush_relink(pl_flush *f, pl_relation *r, pl_object *a, pl_error *err);

/* Orders everything. PL_ECIRCULAR names the objects of a cycle that nothing can break. */
pl_code pl_flush_plan(pl_flush *f, pl_error *err);

/* One line a batch: "INSERT user (3)", "LINK user_group (2)" ...; after plan. */
void pl_flush_print(const pl_flush *f, pl_buf *out);

/*
** Writes. On failure err->object is the object at fault where it is known, err->attribute
** its attribute, and the transaction is left for the caller to roll back.
*/
pl_code pl_flush_run(pl_flush *f, pl_error *err);

/*
** Puts the attribute into the error of a statement that is about no object, where it is
** known. `op` is PL_FLUSH_INSERT, _UPDATE or _DELETE of the table, or PL_FLUSH_LINK for a
** text, which may have done anything.
*/
void pl_blame_statement(const pl_registry *r, pl_flush_op op, const char *table,
                        pl_error *err);

/* The key that a table with one integer key gives next. */
pl_code pl_bulk_next_key(pl_conn *conn, const pl_dialect *d, const pl_table *t,
                         int64_t *next, pl_error *err);

/*
** Bulk insert of rows that are not objects: columns[] of a table, behind which come those
** whose values are the SQL texts of made[]. `next` fills one row's slots of the first
** ncolumns and returns 1, 0 at the end, -1 for an error it put into err. The bytes of a
** row must stay valid until the next call only. *count gets the rows written. A row
** that violates a constraint is named by its number in err->hint. Memory is err's
** allocator's.
*/
pl_code pl_bulk_insert(pl_conn *conn, const pl_dialect *d, const pl_table *t,
                       pl_column *const *columns, size_t ncolumns,
                       const char *const *made, size_t nmade,
                       int (*next)(void *ud, pl_slot *row, pl_error *err), void *ud,
                       int64_t *count, pl_error *err);

#endif
