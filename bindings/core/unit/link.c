/* SPDX-License-Identifier: MIT */
/*
** link.c - rows of secondary tables.
**
** A row is named by the relationship (its first side, see flush.c) and the two objects;
** the same row asked for twice is written once. Rows are removed before others are
** added, both after all objects are saved and before any is deleted, so that keys are
** known and foreign keys hold. Rows are written in the order in which they were asked
** for.
*/
#include "core/unit/work.h"

#include <string.h>

/* ---- planning ------------------------------------------------------------------ */

static uint64_t hash_row(const pl_link_row *l) {
    const void *key[4] = {l->r, l->a, l->b,
                          l->moves    ? (const void *)l->r->secondary
                          : l->remove ? l->r
                                      : NULL};
    return pl_hash(key, sizeof key);
}

static bool same_row(const pl_link_row *a, const pl_link_row *b) {
    return a->r == b->r && a->a == b->a && a->b == b->b && a->remove == b->remove &&
           a->moves == b->moves;
}

/* Drops rows asked for twice; the first stays. */
static bool drop_repeated(pl_flush *f) {
    size_t slots = 16, n = 0;
    while (slots < f->nlinks * 2)
        slots *= 2;
    uint32_t *table = pl_arena_array(&f->arena, slots, sizeof *table);
    if (!table)
        return false;
    for (size_t i = 0; i < f->nlinks; i++) {
        size_t at = hash_row(&f->links[i]) & (slots - 1);
        while (table[at] && !same_row(&f->links[table[at] - 1], &f->links[i]))
            at = (at + 1) & (slots - 1);
        if (table[at])
            continue;
        f->links[n++] = f->links[i];
        table[at] = (uint32_t)n;
    }
    f->nlinks = n;
    return true;
}

/* Removals first; then by the relationship's declaration; else as asked for. */
static int by_relation(const void *ud, uint32_t a, uint32_t b) {
    const pl_link_row *links = ud, *x = &links[a], *y = &links[b];
    if (x->remove != y->remove)
        return x->remove ? -1 : 1;
    if (x->moves != y->moves)
        return x->moves ? 1 : -1;
    if (x->r->mapper != y->r->mapper)
        return x->r->mapper->position - y->r->mapper->position;
    if (x->r != y->r)
        return x->r->position - y->r->position;
    return x->remove ? (y->b == NULL) - (x->b == NULL) : 0;
}

static bool sort_links(pl_flush *f) {
    uint32_t *v = pl_arena_array(&f->arena, f->nlinks, sizeof *v);
    pl_link_row *copy = pl_arena_array(&f->arena, f->nlinks, sizeof *copy);
    if (!v || !copy)
        return false;
    for (uint32_t i = 0; i < f->nlinks; i++)
        v[i] = i;
    if (!pl_sort(&f->arena, v, f->nlinks, by_relation, f->links))
        return false;
    for (size_t i = 0; i < f->nlinks; i++)
        copy[i] = f->links[v[i]];
    memcpy(f->links, copy, f->nlinks * sizeof *copy);
    return true;
}

static bool same_batch(const pl_link_row *a, const pl_link_row *b) {
    return a->r == b->r && a->remove == b->remove && a->moves == b->moves &&
           !a->b == !b->b;
}

pl_code pl_plan_links(pl_flush *f, pl_error *err) {
    if (f->nlinks == 0)
        return PL_OK;
    if (!drop_repeated(f) || !sort_links(f))
        return pl_nomem(err);
    for (uint32_t i = 0; i < f->nlinks;) {
        uint32_t k = i + 1;
        while (k < f->nlinks && same_batch(&f->links[k], &f->links[i]))
            k++;
        pl_flush_op op = f->links[i].remove ? PL_FLUSH_UNLINK : PL_FLUSH_LINK;
        pl_code code = pl_add_batch(f, op, 0, i, k - i, err);
        if (code != PL_OK)
            return code;
        i = k;
    }
    return PL_OK;
}

/* ---- columns ------------------------------------------------------------------- */

/* A column of the secondary table and where its value is. */
typedef struct source {
    const pl_column *column;
    uint16_t slot;
    bool far; /* in b, else in a */
} source;

typedef struct row_plan {
    source *sources; /* in order of the table's columns */
    size_t n;
} row_plan;

static void insert_source(row_plan *p, const pl_pair *pair, bool far) {
    size_t i = p->n;
    for (size_t k = 0; k < p->n; k++)
        if (p->sources[k].column == pair->remote)
            return;
    for (; i > 0 && p->sources[i - 1].column->position > pair->remote->position; i--)
        p->sources[i] = p->sources[i - 1];
    p->sources[i] = (source){pair->remote, pair->local_slot, far};
    p->n++;
}

static bool make_plan(pl_flush *f, const pl_relation *r, bool near_only, row_plan *p) {
    *p = (row_plan){
        pl_arena_array(&f->arena, r->npairs + r->nfar_pairs, sizeof *p->sources), 0};
    if (!p->sources)
        return false;
    for (size_t i = 0; i < r->npairs; i++)
        insert_source(p, &r->pairs[i], false);
    for (size_t i = 0; i < r->nfar_pairs && !near_only; i++)
        insert_source(p, &r->far_pairs[i], true);
    return true;
}

/* ---- text ---------------------------------------------------------------------- */

static void write_insert(const pl_flush *f, pl_buf *out, const pl_table *t,
                         const row_plan *p, size_t nrows) {
    pl_buf_str(out, "INSERT INTO ");
    pl_text_table(f->dialect, out, t);
    for (size_t i = 0; i < p->n; i++) {
        pl_buf_str(out, i == 0 ? " (" : ", ");
        pl_quote_name(f->dialect, out, p->sources[i].column->name);
    }
    pl_buf_str(out, ") VALUES ");
    pl_text_rows(out, nrows, p->n);
}

static pl_code write_delete(pl_flush *f, pl_buf *out, const pl_table *t,
                            const row_plan *p, pl_error *err) {
    pl_column **columns = pl_arena_array(&f->arena, p->n, sizeof(pl_column *));
    if (!columns)
        return pl_nomem(err);
    for (size_t i = 0; i < p->n; i++)
        columns[i] = t->columns[p->sources[i].column->position];
    pl_buf_str(out, "DELETE FROM ");
    pl_text_table(f->dialect, out, t);
    pl_text_where(f->dialect, out, t, columns, p->n);
    return PL_OK;
}

/* UPDATE of the columns that hold the near side's key. */
static pl_code write_move(pl_flush *f, pl_buf *out, const pl_table *t, const row_plan *p,
                          pl_error *err) {
    pl_column **columns = pl_arena_array(&f->arena, p->n, sizeof(pl_column *));
    if (!columns)
        return pl_nomem(err);
    pl_buf_str(out, "UPDATE ");
    pl_text_table(f->dialect, out, t);
    for (size_t i = 0; i < p->n; i++) {
        columns[i] = t->columns[p->sources[i].column->position];
        pl_buf_str(out, i == 0 ? " SET " : ", ");
        pl_quote_name(f->dialect, out, columns[i]->name);
        pl_buf_str(out, "=?");
    }
    pl_text_where(f->dialect, out, t, columns, p->n);
    return PL_OK;
}

static pl_code prepare(pl_flush *f, const pl_link_row *l, const row_plan *p, size_t nrows,
                       pl_error *err) {
    pl_buf out;
    pl_buf_init(&out, f->alloc);
    pl_code code = PL_OK;
    pl_drop_statement(f);
    if (l->moves)
        code = write_move(f, &out, l->r->secondary, p, err);
    else if (l->remove)
        code = write_delete(f, &out, l->r->secondary, p, err);
    else
        write_insert(f, &out, l->r->secondary, p, nrows);
    if (code == PL_OK && !pl_buf_ok(&out))
        code = pl_nomem(err);
    if (code == PL_OK)
        code = pl_conn_prepare(f->conn, out.p, out.len, true, &f->stmt, err);
    pl_buf_free(&out);
    return code;
}

/* ---- rows ---------------------------------------------------------------------- */

static pl_code fail_unsaved(const pl_link_row *l, const pl_object *o, pl_error *err) {
    (void)pl_fail(err, PL_EFLUSH, "%s.%s holds a %s that has no key: it is not saved",
                  l->r->mapper->name, l->r->name, o->mapper->name);
    err->object = o;
    return pl_hint(err, "add the %s to the session as well", o->mapper->name);
}

/* What the rows of an object have: its UPDATE is done, so that nothing is marked as
** changed any more, but the holder still knows. */
static pl_slot old_key(pl_flush *f, const pl_object *o, uint16_t slot) {
    pl_slot key;
    if (f->hooks.committed && f->hooks.committed(f->hooks.ud, o, slot, &key))
        return key;
    pl_row_key(f, o, &slot, 1, &key);
    return key;
}

static pl_code bind_row(pl_flush *f, const pl_link_row *l, const row_plan *p, int at,
                        pl_error *err) {
    for (size_t i = 0; i < p->n; i++) {
        const pl_object *o = p->sources[i].far ? l->b : l->a;
        uint16_t slot = p->sources[i].slot;
        pl_slot key = l->remove ? old_key(f, o, slot) : o->slots[slot];
        if (key.tag == PL_UNSET)
            return fail_unsaved(l, o, err);
        pl_code code = pl_stmt_bind(f->stmt, at + (int)i, &key, err);
        if (code != PL_OK)
            return code;
    }
    return PL_OK;
}

static pl_code bind_move(pl_flush *f, const pl_link_row *l, const row_plan *p,
                         pl_error *err) {
    pl_link_row now = *l;
    now.remove = false;
    pl_code code = bind_row(f, &now, p, 1, err);
    return code == PL_OK ? bind_row(f, l, p, (int)p->n + 1, err) : code;
}

static pl_code blame_row(const pl_link_row *l, pl_error *err) {
    if (!err->object)
        err->object = l->a;
    if (!err->attribute && pl_code_is(err->code, PL_EINTEGRITY))
        err->attribute =
            pl_arena_fmt(&err->texts, "%s.%s", l->r->mapper->name, l->r->name);
    return err->code;
}

static pl_code bind_nth(pl_flush *f, uint32_t i, const void *plan, pl_error *err) {
    const pl_link_row *l = &f->links[i];
    return l->moves ? bind_move(f, l, plan, err) : bind_row(f, l, plan, 1, err);
}

static pl_code run_one(pl_flush *f, const pl_link_row *l, const row_plan *p,
                       pl_error *err) {
    pl_code code = bind_nth(f, (uint32_t)(l - f->links), p, err);
    if (code == PL_OK)
        code = pl_run_statement(f->stmt, err);
    if (code != PL_OK)
        return blame_row(l, err);
    int64_t n = pl_conn_changes(f->conn);
    pl_stmt_reset(f->stmt);
    if (n > 0 || !l->remove || !l->b)
        return PL_OK;
    (void)pl_fail(
        err, PL_ESTALE,
        "DELETE statement on table '%s' expected to delete 1 row(s); Only 0 were "
        "matched.",
        l->r->secondary->name);
    return blame_row(l, err);
}

static pl_code run_singly(pl_flush *f, uint32_t first, uint32_t n, const row_plan *p,
                          pl_error *err) {
    pl_code code = n > 0 ? prepare(f, &f->links[first], p, 1, err) : PL_OK;
    bool many = false;
    if (code == PL_OK)
        code = pl_many_announce(f, first, n, bind_nth, p, &many, err);
    for (uint32_t i = first; i < first + n && code == PL_OK; i++)
        code = run_one(f, &f->links[i], p, err);
    return pl_many_end(f, many, code, err);
}

/* A full statement of rows; one that violates a constraint is repeated row by row. */
static pl_code run_together(pl_flush *f, uint32_t first, uint32_t n, const row_plan *p,
                            pl_error *err) {
    pl_code code = PL_OK;
    for (uint32_t i = 0; i < n && code == PL_OK; i++)
        code = bind_row(f, &f->links[first + i], p, (int)(i * p->n) + 1, err);
    if (code == PL_OK)
        code = pl_run_statement(f->stmt, err);
    if (code == PL_OK)
        pl_stmt_reset(f->stmt);
    return code;
}

pl_code pl_run_links(pl_flush *f, const pl_batch *b, pl_error *err) {
    const pl_link_row *l = &f->links[b->first];
    uint32_t first = b->first, left = b->count;
    row_plan p;
    if (!make_plan(f, l->r, !l->b, &p))
        return pl_nomem(err);
    pl_code code = PL_OK;
    if (!l->remove && left >= PL_ROWS)
        code = prepare(f, l, &p, PL_ROWS, err);
    for (; !l->remove && left >= PL_ROWS && code == PL_OK;
         first += PL_ROWS, left -= PL_ROWS) {
        code = run_together(f, first, PL_ROWS, &p, err);
        if (!pl_code_is(code, PL_EINTEGRITY))
            continue;
        pl_error_clear(err);
        code = run_singly(f, first, PL_ROWS, &p, err);
        if (code == PL_OK)
            code = prepare(f, l, &p, PL_ROWS, err);
    }
    if (code == PL_OK)
        code = run_singly(f, first, left, &p, err);
    pl_drop_statement(f);
    return code;
}
