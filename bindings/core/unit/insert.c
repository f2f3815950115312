/* SPDX-License-Identifier: MIT */
/*
** insert.c - one batch of INSERTs: equal rows together, keys back into the objects.
**
** Rows whose columns are the same go as one statement of a fixed number of rows as long
** as there are that many, the rest one by one; so there are two texts for each set of
** columns. Generated keys of a multi-row INSERT are consecutive where the table's key
** is its rowid, no trigger can insert in between and the keys are far from their end;
** where that is not sure, rows go one by one. When a multi-row statement violates a
** constraint (which undoes it), its rows are repeated singly to find the one at
** fault.
*/
#include "core/unit/work.h"

#include <string.h>

/* ---- which columns a row has --------------------------------------------------- */

/* Columns left out: a client default is filled in, a missing value is an error. */
static pl_code left_out(pl_object *o, const pl_mapped_table *mt, uint16_t i,
                        uint64_t *bits, pl_error *err) {
    const pl_column *c = mt->table->columns[i];
    if ((mt->traits[i] & PL_COL_DEFAULT) && c->dflt.kind == PL_D_VALUE) {
        o->slots[mt->slots[i]] = c->dflt.value;
        pl_bit_set(bits, i);
        return PL_OK;
    }
    return mt->traits[i] & PL_COL_REQUIRED ? pl_fail_null(o, mt, i, err) : PL_OK;
}

static pl_code row_bits(pl_object *o, const pl_mapped_table *mt, uint64_t *bits,
                        bool *plain, pl_error *err) {
    memset(bits, 0, pl_bit_words(mt->ncolumns) * sizeof *bits);
    *plain = true;
    for (uint16_t i = 0; i < mt->ncolumns; i++) {
        if (mt->slots[i] == PL_NO_SLOT || (mt->traits[i] & PL_COL_COMPUTED))
            continue;
        const pl_slot *s = &o->slots[mt->slots[i]];
        pl_code code = PL_OK;
        if (s->tag > PL_NULL) {
            pl_bit_set(bits, i);
            *plain = *plain && s->tag != PL_EXPR;
        } else if (s->tag == PL_UNSET) {
            code = left_out(o, mt, i, bits, err);
        } else if (!(mt->traits[i] & PL_COL_AUTO)) {
            pl_bit_set(bits, i);
            if (!mt->table->columns[i]->nullable)
                code = pl_fail_null(o, mt, i, err);
        }
        if (code != PL_OK)
            return code;
    }
    return PL_OK;
}

/* A table below the root has the root's key. */
static pl_code inherit_key(pl_flush *f, pl_object *o, const pl_mapped_table *mt,
                           pl_error *err) {
    for (size_t i = 0; i < mt->table->npk; i++) {
        if (mt->from[i] == mt->pk[i])
            continue;
        pl_code code = pl_set_slot(f, o, mt->pk[i], &o->slots[mt->from[i]], false, err);
        if (code != PL_OK)
            return code;
    }
    return PL_OK;
}

static pl_code describe(pl_flush *f, pl_object *o, size_t depth, uint64_t *bits,
                        bool *plain, pl_error *err) {
    const pl_mapped_table *mt = &o->mapper->tables[depth];
    pl_code code = depth > 0 ? inherit_key(f, o, mt, err) : PL_OK;
    return code == PL_OK ? row_bits(o, mt, bits, plain, err) : code;
}

/* ---- keys ---------------------------------------------------------------------- */

/* The highest key of a table is far from the end of the numbers. */
static pl_code ask_highest(pl_flush *f, const pl_table *t, bool *low, pl_error *err) {
    pl_buf sql;
    pl_slot top = pl_slot_null();
    pl_buf_init(&sql, f->alloc);
    pl_buf_str(&sql, "SELECT max(");
    pl_quote_name(f->dialect, &sql, t->pk[0]->name);
    pl_buf_str(&sql, ") FROM ");
    pl_text_table(f->dialect, &sql, t);
    pl_code code = pl_buf_ok(&sql)
                       ? pl_conn_scalar(f->conn, sql.p, NULL, 0, &f->arena, &top, err)
                       : pl_nomem(err);
    pl_buf_free(&sql);
    *low = code == PL_OK &&
           (top.tag == PL_NULL || (top.tag == PL_INT && top.v.i < INT64_C(1) << 62));
    return code;
}

static pl_code is_consecutive(pl_flush *f, const pl_table *t, bool *yes, pl_error *err) {
    for (pl_rowid_check *c = f->rowids; c; c = c->next)
        if (c->table == t) {
            *yes = c->consecutive;
            return PL_OK;
        }
    *yes = false;
    pl_code code = PL_OK;
    if (!pl_conn_has_triggers(f->conn, t->name))
        code = ask_highest(f, t, yes, err);
    if (code != PL_OK)
        return code;
    pl_rowid_check *c = pl_arena_new(&f->arena, pl_rowid_check);
    if (!c)
        return pl_nomem(err);
    *c = (pl_rowid_check){t, *yes, f->rowids};
    f->rowids = c;
    return PL_OK;
}

/* ---- rows ---------------------------------------------------------------------- */

static pl_code bind_row(pl_flush *f, const pl_shape *s, const pl_object *o, int at,
                        pl_error *err) {
    for (uint16_t i = 0; i < s->nbind; i++) {
        pl_code code = pl_stmt_bind(f->stmt, at + i, &o->slots[s->bind[i]], err);
        if (code != PL_OK)
            return code;
    }
    return PL_OK;
}

static void settle(pl_object *o, const pl_shape *s, size_t depth) {
    for (uint16_t i = 0; i < s->nnull; i++)
        o->slots[s->null[i]] = pl_slot_null();
    if (depth + 1 == o->mapper->ntables)
        pl_forget_changes(o);
}

static void take_key(pl_object *o, const pl_mapped_table *mt, const pl_shape *s,
                     int64_t key) {
    if (!s->keyed)
        o->slots[mt->pk[0]] = pl_slot_int(key);
}

static pl_code insert_one(pl_flush *f, pl_object *o, size_t depth, pl_shape *s,
                          pl_error *err) {
    pl_mapped_table *mt = &o->mapper->tables[depth];
    pl_code code = pl_use_statement(f, mt, s, false, err);
    if (code == PL_OK)
        code = bind_row(f, s, o, 1, err);
    if (code == PL_OK)
        code = pl_run_returning(f, o, s->back, s->nback, err);
    if (code != PL_OK)
        return pl_blame(f, PL_FLUSH_INSERT, mt, o, err);
    pl_stmt_reset(f->stmt);
    take_key(o, mt, s, pl_conn_last_id(f->conn));
    settle(o, s, depth);
    return PL_OK;
}

static pl_code bind_nth(pl_flush *f, uint32_t i, const void *shape, pl_error *err) {
    return bind_row(f, shape, pl_batch_object(f, i), 1, err);
}

static pl_code insert_singly(pl_flush *f, uint32_t first, uint32_t n, size_t depth,
                             pl_shape *s, pl_error *err) {
    pl_code code = PL_OK;
    bool many = false;
    if (f->hooks.row && n > 1 && s->keyed && s->nback == 0) {
        const pl_mapper *m = pl_batch_object(f, first)->mapper;
        code = pl_use_statement(f, &m->tables[depth], s, false, err);
        if (code == PL_OK)
            code = pl_many_announce(f, first, n, bind_nth, s, &many, err);
    }
    for (uint32_t i = first; i < first + n && code == PL_OK; i++)
        code = insert_one(f, pl_batch_object(f, i), depth, s, err);
    return pl_many_end(f, many, code, err);
}

static pl_code insert_together(pl_flush *f, uint32_t first, size_t depth, pl_shape *s,
                               pl_error *err) {
    const pl_mapped_table *mt = &pl_batch_object(f, first)->mapper->tables[depth];
    pl_code code = pl_use_statement(f, mt, s, true, err);
    for (uint32_t i = 0; i < s->rows && code == PL_OK; i++)
        code =
            bind_row(f, s, pl_batch_object(f, first + i), (int)(i * s->nbind) + 1, err);
    if (code == PL_OK)
        code = pl_run_returning_rows(f, first, mt, s, err);
    if (pl_code_is(code, PL_EINTEGRITY)) {
        pl_error_clear(err);
        return insert_singly(f, first, s->rows, depth, s, err);
    }
    if (code != PL_OK)
        return code;
    pl_stmt_reset(f->stmt);
    int64_t key = pl_conn_last_id(f->conn) - s->rows + 1;
    for (uint32_t i = 0; i < s->rows; i++) {
        pl_object *o = pl_batch_object(f, first + i);
        take_key(o, &o->mapper->tables[depth], s, key + i);
        settle(o, s, depth);
    }
    return PL_OK;
}

/* n rows of one shape, at most PL_ROWS. */
static pl_code insert_run(pl_flush *f, uint32_t first, uint32_t n, size_t depth,
                          pl_error *err) {
    pl_mapped_table *mt = &pl_batch_object(f, first)->mapper->tables[depth];
    pl_shape *s = pl_shape_insert(f, mt, f->bits, err);
    if (!s)
        return err->code;
    bool together = s->rows > 1 && n >= s->rows;
    if (together && !s->keyed) {
        pl_code code = is_consecutive(f, mt->table, &together, err);
        if (code != PL_OK)
            return code;
    }
    for (; together && n >= s->rows; first += s->rows, n -= s->rows) {
        pl_code code = insert_together(f, first, depth, s, err);
        if (code != PL_OK)
            return code;
    }
    return insert_singly(f, first, n, depth, s, err);
}

/* ---- the batch ----------------------------------------------------------------- */

/* How many objects from `first` on have the same mapper and columns; their bits. */
static pl_code find_run(pl_flush *f, uint32_t first, uint32_t end, size_t depth,
                        uint32_t *n, bool *plain, pl_error *err) {
    pl_object *o = pl_batch_object(f, first);
    size_t bytes = pl_bit_words(o->mapper->tables[depth].ncolumns) * sizeof *f->bits;
    pl_code code = describe(f, o, depth, f->bits, plain, err);
    if (end > first + PL_ROWS)
        end = first + PL_ROWS;
    *n = 1;
    for (uint32_t i = first + 1; i < end && *plain && code == PL_OK; i++) {
        pl_object *next = pl_batch_object(f, i);
        bool same = false;
        if (next->mapper != o->mapper)
            break;
        code = describe(f, next, depth, f->more_bits, &same, err);
        if (!same || memcmp(f->bits, f->more_bits, bytes) != 0)
            break;
        ++*n;
    }
    return code;
}

static pl_code insert_expressions(pl_flush *f, pl_object *o, size_t depth,
                                  pl_error *err) {
    pl_mapped_table *mt = &o->mapper->tables[depth];
    pl_drop_statement(f);
    pl_code code = pl_insert_expressions(f, o, mt, f->bits, err);
    if (code != PL_OK)
        return pl_blame(f, PL_FLUSH_INSERT, mt, o, err);
    if (depth + 1 == o->mapper->ntables)
        pl_forget_changes(o);
    return PL_OK;
}

/* The tables at one depth of the hierarchy; *deeper: some object has more. */
static pl_code insert_depth(pl_flush *f, const pl_batch *b, size_t depth, bool *deeper,
                            pl_error *err) {
    uint32_t end = b->first + b->count;
    for (uint32_t i = b->first, n; i < end; i += n) {
        pl_object *o = pl_batch_object(f, i);
        bool plain;
        n = 1;
        *deeper = *deeper || o->mapper->ntables > depth + 1;
        if (o->mapper->ntables <= depth)
            continue;
        pl_code code = pl_scratch_for(f, o->mapper->tables[depth].ncolumns, err);
        if (code == PL_OK)
            code = find_run(f, i, end, depth, &n, &plain, err);
        if (code == PL_OK)
            code = plain ? insert_run(f, i, n, depth, err)
                         : insert_expressions(f, o, depth, err);
        if (code != PL_OK)
            return code;
    }
    return PL_OK;
}

pl_code pl_run_inserts(pl_flush *f, const pl_batch *b, pl_error *err) {
    bool deeper = true;
    pl_code code = PL_OK;
    for (size_t depth = 0; deeper && code == PL_OK; depth++) {
        deeper = false;
        code = insert_depth(f, b, depth, &deeper, err);
    }
    return code;
}
