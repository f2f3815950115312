/* SPDX-License-Identifier: MIT */
/*
** delete.c - one batch of DELETEs: by lists of keys where the key is one column, row by
** row where it is not or where a version must match. Tables of joined inheritance go from
** the deepest to the root. A row that is not there any more is worth a warning only,
** unless a version column says that it must be.
*/
#include "core/unit/work.h"

/* A run of objects whose rows are in the same table. */
typedef struct run {
    pl_mapped_table *mt;
    pl_shape *shape;
    size_t depth;
    uint32_t first, count;
    int64_t expected, matched; /* so far in this table */
} run;

static const pl_column *version_of(const pl_mapper *m, const pl_table *t) {
    if (m->version == PL_NO_SLOT || m->attrs[m->version].column->table != t)
        return NULL;
    return m->attrs[m->version].column;
}

static const pl_mapped_table *table_of(const pl_object *o, size_t depth) {
    return depth < o->mapper->ntables ? &o->mapper->tables[depth] : NULL;
}

/* ---- rows ---------------------------------------------------------------------- */

static pl_code bind_keys(pl_flush *f, const pl_object *o, const run *r, int *at,
                         pl_error *err) {
    const pl_mapped_table *mt = table_of(o, r->depth);
    size_t n = mt->table->npk;
    pl_code code = PL_OK;
    pl_row_key(f, o, mt->pk, n, f->row);
    for (size_t i = 0; i < n && code == PL_OK; i++)
        code = pl_stmt_bind(f->stmt, (*at)++, &f->row[i], err);
    return code;
}

static pl_code bind_one(pl_flush *f, const pl_object *o, const run *r, pl_error *err) {
    int at = 1;
    pl_code code = bind_keys(f, o, r, &at, err);
    if (code == PL_OK && r->shape->version) {
        pl_slot version;
        pl_row_key(f, o, &o->mapper->version, 1, &version);
        code = pl_stmt_bind(f->stmt, at, &version, err);
    }
    return code;
}

static pl_code bind_nth(pl_flush *f, uint32_t i, const void *r, pl_error *err) {
    return bind_one(f, pl_batch_object(f, i), r, err);
}

static pl_code delete_one(pl_flush *f, pl_object *o, run *r, pl_error *err) {
    pl_code code = pl_use_statement(f, r->mt, r->shape, false, err);
    if (code == PL_OK)
        code = bind_one(f, o, r, err);
    if (code == PL_OK)
        code = pl_run_statement(f->stmt, err);
    if (code != PL_OK)
        return pl_blame(f, PL_FLUSH_DELETE, r->mt, o, err);
    int64_t n = pl_conn_changes(f->conn);
    pl_stmt_reset(f->stmt);
    if (n == 0 && r->shape->version)
        return pl_fail_stale("DELETE", "delete", r->mt->table, o, err);
    r->matched += n;
    return PL_OK;
}

static pl_code delete_singly(pl_flush *f, uint32_t first, uint32_t n, run *r,
                             pl_error *err) {
    pl_code code = PL_OK;
    bool many = false;
    if (f->hooks.row && n > 1)
        code = pl_use_statement(f, r->mt, r->shape, false, err);
    if (code == PL_OK)
        code = pl_many_announce(f, first, n, bind_nth, r, &many, err);
    for (uint32_t i = first; i < first + n && code == PL_OK; i++)
        code = delete_one(f, pl_batch_object(f, i), r, err);
    return pl_many_end(f, many, code, err);
}

/* A failed list is undone by the database; its rows are repeated to find the culprit. */
static pl_code delete_together(pl_flush *f, uint32_t first, run *r, pl_error *err) {
    uint16_t n = r->shape->rows;
    int at = 1;
    pl_code code = pl_use_statement(f, r->mt, r->shape, true, err);
    for (uint32_t i = first; i < first + n && code == PL_OK; i++)
        code = bind_keys(f, pl_batch_object(f, i), r, &at, err);
    if (code == PL_OK)
        code = pl_run_statement(f->stmt, err);
    if (pl_code_is(code, PL_EINTEGRITY)) {
        pl_error_clear(err);
        return delete_singly(f, first, n, r, err);
    }
    if (code != PL_OK)
        return code;
    r->matched += pl_conn_changes(f->conn);
    pl_stmt_reset(f->stmt);
    return PL_OK;
}

/* ---- runs ---------------------------------------------------------------------- */

static void warn_missing(pl_flush *f, const run *r) {
    if (r->matched >= r->expected || !f->hooks.warn)
        return;
    const char *text = pl_arena_fmt(
        &f->arena,
        "DELETE statement on table '%s' expected to delete %lld row(s); %lld were "
        "matched.",
        r->mt->table->name, (long long)r->expected, (long long)r->matched);
    if (text)
        f->hooks.warn(f->hooks.ud, text);
}

static pl_code delete_run(pl_flush *f, run *r, pl_error *err) {
    const pl_mapper *m = pl_batch_object(f, r->first)->mapper;
    pl_code code = pl_scratch_for(f, r->mt->ncolumns, err);
    if (code != PL_OK)
        return code;
    r->shape = pl_shape_delete(f, r->mt, version_of(m, r->mt->table), err);
    if (!r->shape)
        return err->code;
    uint32_t i = r->first, left = r->count;
    for (; r->shape->rows > 1 && left >= r->shape->rows && code == PL_OK;
         i += r->shape->rows, left -= r->shape->rows)
        code = delete_together(f, i, r, err);
    if (code == PL_OK)
        code = delete_singly(f, i, left, r, err);
    if (m->confirm_deleted_rows)
        r->expected += r->count;
    else
        r->matched = r->expected;
    return code;
}

static pl_code delete_depth(pl_flush *f, const pl_batch *b, size_t depth, pl_error *err) {
    uint32_t end = b->first + b->count;
    run r = {.depth = depth};
    for (uint32_t i = b->first; i < end;) {
        const pl_mapped_table *mt = table_of(pl_batch_object(f, i), depth);
        uint32_t k = i + 1;
        for (; mt && k < end; k++) {
            const pl_mapped_table *next = table_of(pl_batch_object(f, k), depth);
            if (!next || next->table != mt->table)
                break;
        }
        if (mt) {
            if (r.mt && r.mt->table != mt->table) {
                warn_missing(f, &r);
                r.expected = r.matched = 0;
            }
            r.mt = (pl_mapped_table *)mt;
            r.first = i;
            r.count = k - i;
            pl_code code = delete_run(f, &r, err);
            if (code != PL_OK)
                return code;
        }
        i = k;
    }
    warn_missing(f, &r);
    return PL_OK;
}

pl_code pl_run_deletes(pl_flush *f, const pl_batch *b, pl_error *err) {
    size_t depth = 0;
    for (uint32_t i = b->first; i < b->first + b->count; i++)
        if (pl_batch_object(f, i)->mapper->ntables > depth)
            depth = pl_batch_object(f, i)->mapper->ntables;
    pl_code code = PL_OK;
    while (depth-- > 0 && code == PL_OK)
        code = delete_depth(f, b, depth, err);
    return code;
}
