/* SPDX-License-Identifier: MIT */
/*
** statement.c - what INSERT, UPDATE and DELETE of a flush share: the statement in use,
** the scratch memory, and how an object looks after its row was written.
*/
#include "core/unit/work.h"

/* ---- the statement in use ------------------------------------------------------ */

void pl_drop_statement(pl_flush *f) {
    pl_stmt_release(f->stmt);
    f->stmt = NULL;
    f->stmt_shape = NULL;
}

pl_code pl_use_statement(pl_flush *f, const pl_mapped_table *mt, pl_shape *s, bool multi,
                         pl_error *err) {
    if (f->stmt && f->stmt_shape == s && f->stmt_multi == multi)
        return PL_OK;
    pl_drop_statement(f);
    pl_code code = multi ? pl_shape_multi(f, mt, s, err) : PL_OK;
    if (code == PL_OK)
        code = pl_conn_prepare(f->conn, multi ? s->multi : s->sql,
                               multi ? s->multi_len : s->len, s->kept, &f->stmt, err);
    if (code != PL_OK)
        return code;
    f->stmt_shape = s;
    f->stmt_multi = multi;
    return PL_OK;
}

pl_code pl_run_statement(pl_stmt *s, pl_error *err) {
    pl_step step = pl_stmt_step(s, err);
    while (step == PL_STEP_ROW)
        step = pl_stmt_step(s, err);
    return step == PL_STEP_DONE ? PL_OK : err->code;
}

/* ---- scratch ------------------------------------------------------------------- */

pl_code pl_scratch_for(pl_flush *f, size_t ncolumns, pl_error *err) {
    if (f->nbits > 0 && ncolumns <= f->nbits * 64)
        return PL_OK;
    size_t words = pl_bit_words(ncolumns) + 1;
    f->nbits = 0;
    f->bits = pl_arena_array(&f->arena, words, sizeof *f->bits);
    f->more_bits = pl_arena_array(&f->arena, words, sizeof *f->more_bits);
    f->row = pl_arena_array(&f->arena, words * 128, sizeof *f->row);
    if (!f->bits || !f->more_bits || !f->row)
        return pl_nomem(err);
    f->nbits = words;
    return PL_OK;
}

/* ---- objects whose row was written --------------------------------------------- */

void pl_forget_changes(pl_object *o) {
    const pl_mapper *m = o->mapper;
    for (uint16_t i = 0; i < m->nslots; i++)
        o->slots[i].flags &= (uint8_t)~PL_SLOT_CHANGED;
    o->status &= ~(uint32_t)PL_OBJ_CHANGED;
    o->status |= PL_OBJ_WRITTEN;
}

void pl_forget_values(pl_object *o, const uint16_t *slots, size_t n) {
    for (size_t i = 0; i < n; i++)
        o->slots[slots[i]] = (pl_slot){.flags = PL_SLOT_SERVER};
    if (n > 0)
        o->status |= PL_OBJ_PARTIAL;
}

/* Puts the first n values of f->row into slots. */
static pl_code take_row(pl_flush *f, pl_object *o, const uint16_t *slots, size_t n,
                        pl_error *err) {
    for (size_t i = 0; i < n; i++) {
        bool bytes = f->row[i].tag == PL_TEXT || f->row[i].tag == PL_BLOB;
        if (bytes && !f->hooks.store) {
            pl_forget_values(o, &slots[i], 1); /* nobody would keep the bytes */
            continue;
        }
        pl_code code = pl_set_slot(f, o, slots[i], &f->row[i], false, err);
        if (code != PL_OK)
            return code;
    }
    return PL_OK;
}

pl_code pl_run_returning(pl_flush *f, pl_object *o, const uint16_t *slots, size_t n,
                         pl_error *err) {
    if (n == 0)
        return pl_run_statement(f->stmt, err);
    pl_step step = pl_stmt_step(f->stmt, err);
    pl_code code = step == PL_STEP_ERROR ? err->code : PL_OK;
    if (step == PL_STEP_ROW)
        code = pl_stmt_columns(f->stmt, 0, (int)n, f->row) ? take_row(f, o, slots, n, err)
                                                           : pl_nomem(err);
    return code == PL_OK ? pl_run_statement(f->stmt, err) : code;
}

/* Whether the key behind the values returned is that of row i; *first: key of row 0. */
static bool is_row(const pl_flush *f, const pl_object *o, const pl_mapped_table *mt,
                   const pl_shape *s, uint32_t i, int64_t *first) {
    const pl_slot *key = f->row + s->nback;
    if (s->keyed) {
        for (size_t k = 0; k < mt->table->npk; k++)
            if (!pl_slot_same(&key[k], &o->slots[mt->pk[k]]))
                return false;
        return true;
    }
    if (i == 0)
        *first = key->v.i;
    return key->tag == PL_INT && key->v.i == *first + i;
}

pl_code pl_run_returning_rows(pl_flush *f, uint32_t at, const pl_mapped_table *mt,
                              const pl_shape *s, pl_error *err) {
    if (s->nback == 0)
        return pl_run_statement(f->stmt, err);
    int n = (int)(s->nback + mt->table->npk);
    bool in_order = true;
    int64_t first = 0;
    pl_step step = pl_stmt_step(f->stmt, err);
    for (uint32_t i = 0; step == PL_STEP_ROW; i++, step = pl_stmt_step(f->stmt, err)) {
        pl_object *o = i < s->rows ? pl_batch_object(f, at + i) : NULL;
        if (!pl_stmt_columns(f->stmt, 0, n, f->row))
            return pl_nomem(err);
        in_order = in_order && o && is_row(f, o, mt, s, i, &first);
        pl_code code = in_order ? take_row(f, o, s->back, s->nback, err) : PL_OK;
        if (code != PL_OK)
            return code;
    }
    for (uint32_t i = 0; !in_order && i < s->rows; i++)
        pl_forget_values(pl_batch_object(f, at + i), s->back, s->nback);
    return step == PL_STEP_DONE ? PL_OK : err->code;
}

pl_code pl_fail_stale(const char *verb, const char *past, const pl_table *t, pl_object *o,
                      pl_error *err) {
    (void)pl_fail(err, PL_ESTALE,
                  "%s statement on table '%s' expected to %s 1 row(s); 0 were matched.",
                  verb, t->name, past);
    err->object = o;
    return pl_hint(err, "the row was changed or deleted by someone else since it was "
                        "loaded: refresh the object and try again");
}
