/* SPDX-License-Identifier: MIT */
/*
** update.c - one batch of UPDATEs, and the second UPDATEs of post_update.
**
** One prepared statement for each set of changed columns, run once per object; an object
** without a change costs a look at its slots and no SQL. The row is found by the key it
** has in the database; with a version column it must also have the version the object was
** loaded with. A row that is not there is a StaleDataError.
*/
#include "core/unit/work.h"

#include <string.h>

/* An object's row in one table, and what is to be written to it. */
typedef struct change {
    pl_object *o;
    pl_mapped_table *mt;
    const pl_column *version; /* NULL: none in this table */
    pl_slot old_version;
    bool any;   /* some column */
    bool plain; /* no SQL expressions */
    bool key;   /* the key itself */
} change;

/* ---- what changed -------------------------------------------------------------- */

static pl_code note_column(change *c, uint16_t i, uint64_t *bits, pl_error *err) {
    uint16_t slot = c->mt->slots[i];
    const pl_slot *s = slot == PL_NO_SLOT ? NULL : &c->o->slots[slot];
    if (!s || !(s->flags & PL_SLOT_CHANGED) || s->tag == PL_UNSET ||
        slot == c->o->mapper->version || (c->mt->traits[i] & PL_COL_COMPUTED))
        return PL_OK;
    if (s->tag == PL_NULL && !c->mt->table->columns[i]->nullable)
        return pl_fail_null(c->o, c->mt, i, err);
    pl_bit_set(bits, i);
    c->any = true;
    c->plain = c->plain && s->tag != PL_EXPR;
    c->key = c->key || (c->mt->traits[i] & PL_COL_KEY);
    return PL_OK;
}

/* Values of onupdate for columns that were not changed. */
static void add_onupdate(change *c, uint64_t *bits) {
    for (uint16_t i = 0; i < c->mt->ncolumns; i++) {
        const pl_column *column = c->mt->table->columns[i];
        if (pl_bit(bits, i) || c->mt->slots[i] == PL_NO_SLOT ||
            column->onupdate.kind != PL_D_VALUE)
            continue;
        c->o->slots[c->mt->slots[i]] = column->onupdate.value;
        pl_bit_set(bits, i);
    }
}

static bool has_change(const pl_object *o) {
    for (uint16_t i = 0; i < o->mapper->nslots; i++)
        if ((o->slots[i].flags & PL_SLOT_CHANGED) && o->slots[i].tag != PL_UNSET)
            return true;
    return false;
}

/* The version column counts every change, whichever table it is in. */
static void note_version(const pl_flush *f, change *c) {
    const pl_mapper *m = c->o->mapper;
    if (m->version == PL_NO_SLOT || m->attrs[m->version].column->table != c->mt->table)
        return;
    if (!c->any && (m->ntables == 1 || !has_change(c->o)))
        return;
    c->version = m->attrs[m->version].column;
    pl_row_key(f, c->o, &m->version, 1, &c->old_version);
}

static pl_code find_change(pl_flush *f, pl_object *o, size_t depth, change *c,
                           pl_error *err) {
    *c = (change){.o = o, .mt = &o->mapper->tables[depth], .plain = true};
    pl_code code = pl_scratch_for(f, c->mt->ncolumns, err);
    if (code != PL_OK)
        return code;
    memset(f->bits, 0, pl_bit_words(c->mt->ncolumns) * sizeof *f->bits);
    for (uint16_t i = 0; i < c->mt->ncolumns && code == PL_OK; i++)
        code = note_column(c, i, f->bits, err);
    if (c->any && o->mapper->has_defaults)
        add_onupdate(c, f->bits);
    note_version(f, c);
    return code;
}

/* ---- writing it ---------------------------------------------------------------- */

static pl_slot next_version(const change *c) {
    return pl_slot_int(c->old_version.tag == PL_INT ? c->old_version.v.i + 1 : 1);
}

static pl_code bind_change(pl_flush *f, const change *c, const pl_shape *s,
                           const pl_slot *key, pl_error *err) {
    int at = 1;
    pl_code code = PL_OK;
    for (uint16_t i = 0; i < s->nbind && code == PL_OK; i++)
        code = pl_stmt_bind(f->stmt, at++, &c->o->slots[s->bind[i]], err);
    if (c->version && code == PL_OK) {
        pl_slot next = next_version(c);
        code = pl_stmt_bind(f->stmt, at++, &next, err);
    }
    for (size_t i = 0; i < c->mt->table->npk && code == PL_OK; i++)
        code = pl_stmt_bind(f->stmt, at++, &key[i], err);
    if (c->version && code == PL_OK)
        code = pl_stmt_bind(f->stmt, at, &c->old_version, err);
    return code;
}

static pl_code write_plain(pl_flush *f, change *c, const pl_slot *key, int64_t *matched,
                           pl_error *err) {
    pl_shape *s = pl_shape_update(f, c->mt, f->bits, c->version, err);
    if (!s)
        return err->code;
    pl_code code = pl_use_statement(f, c->mt, s, false, err);
    if (code == PL_OK)
        code = bind_change(f, c, s, key, err);
    if (code == PL_OK)
        code = pl_run_statement(f->stmt, err);
    if (code != PL_OK)
        return code;
    *matched = pl_conn_changes(f->conn);
    pl_stmt_reset(f->stmt);
    if (*matched > 0)
        pl_forget_values(c->o, s->back, s->nback);
    return PL_OK;
}

static pl_code write_change(pl_flush *f, change *c, const pl_slot *key, int64_t *matched,
                            pl_error *err) {
    if (c->plain)
        return write_plain(f, c, key, matched, err);
    pl_drop_statement(f);
    return pl_update_expressions(f, c->o, c->mt, f->bits, key, c->version, matched, err);
}

/*
** A key that changes while children refer to it, which the flush is going to write after
** it (passive_updates off): foreign keys are then checked when the transaction ends.
*/
static pl_code defer_children(pl_flush *f, const change *c, pl_error *err) {
    for (size_t i = 0; i < f->nties; i++) {
        const pl_tie *t = &f->ties[i];
        if (t->parent == c->o && t->kind == PL_EDGE_SYNC &&
            t->r->args.passive_updates_off)
            return pl_conn_exec(f->conn, "PRAGMA defer_foreign_keys = ON", err);
    }
    for (size_t i = 0; i < f->nlinks; i++)
        if (f->links[i].moves && f->links[i].a == c->o)
            return pl_conn_exec(f->conn, "PRAGMA defer_foreign_keys = ON", err);
    return PL_OK;
}

/*
** The key by which the row is found. Below the root, the database may have changed it
** already (ON UPDATE CASCADE), so a second try goes by the new key.
*/
static pl_code update_row(pl_flush *f, change *c, size_t depth, pl_error *err) {
    size_t n = c->mt->table->npk;
    int64_t matched = 0;
    pl_code code = c->key && depth == 0 ? defer_children(f, c, err) : PL_OK;
    pl_row_key(f, c->o, c->mt->pk, n, f->row);
    if (code == PL_OK)
        code = write_change(f, c, f->row, &matched, err);
    if (code == PL_OK && matched == 0 && c->key && depth > 0) {
        for (size_t i = 0; i < n; i++)
            f->row[i] = c->o->slots[c->mt->pk[i]];
        code = write_change(f, c, f->row, &matched, err);
    }
    if (code != PL_OK)
        return pl_blame(f, PL_FLUSH_UPDATE, c->mt, c->o, err);
    if (matched == 0)
        return pl_fail_stale("UPDATE", "update", c->mt->table, c->o, err);
    if (c->version)
        c->o->slots[c->o->mapper->version] = next_version(c);
    return PL_OK;
}

/* ---- objects ------------------------------------------------------------------- */

/* A row that was taken over has the version of the object deleted. */
static void take_version(const pl_flush *f, pl_object *o) {
    const pl_mapper *m = o->mapper;
    for (const pl_switch *s = f->switches; s; s = s->next)
        if (f->items[s->item].o == o) {
            pl_slot old;
            pl_row_key(f, s->old, &m->version, 1, &old);
            o->slots[m->version] = old;
        }
}

static pl_code update_object(pl_flush *f, pl_object *o, pl_error *err) {
    if (!(o->status & PL_OBJ_CHANGED))
        return PL_OK;
    if (f->switches && o->mapper->version != PL_NO_SLOT)
        take_version(f, o);
    for (size_t depth = 0; depth < o->mapper->ntables; depth++) {
        change c;
        pl_code code = find_change(f, o, depth, &c, err);
        if (code == PL_OK && (c.any || c.version))
            code = update_row(f, &c, depth, err);
        if (code != PL_OK)
            return code;
    }
    pl_forget_changes(o);
    return PL_OK;
}

/* ---- listeners ----------------------------------------------------------------- */

/* Binds the UPDATE of an object, if it is one and of the shape *s (NULL: of any). */
static pl_code rehearse(pl_flush *f, pl_object *o, pl_shape **s, bool *one, bool *other,
                        pl_error *err) {
    change c;
    *one = *other = false;
    pl_code code = find_change(f, o, 0, &c, err);
    if (code != PL_OK || !(c.any || c.version))
        return code;
    pl_shape *shape = pl_shape_update(f, c.mt, f->bits, c.version, err);
    if (!shape)
        return err->code;
    *other = o->mapper->ntables > 1 || !c.plain || (*s && *s != shape);
    if (*other)
        return PL_OK;
    *s = shape;
    *one = true;
    pl_row_key(f, o, c.mt->pk, c.mt->table->npk, f->row);
    code = pl_use_statement(f, c.mt, shape, false, err);
    return code == PL_OK ? bind_change(f, &c, shape, f->row, err) : code;
}

/* Tells of the UPDATEs from object `i` on that are runs of one statement; *end is behind
** the last of them, or i + 1 when there is but one. */
static pl_code announce(pl_flush *f, uint32_t i, uint32_t last, uint32_t *end, bool *many,
                        pl_error *err) {
    uint32_t rows = 0;
    pl_shape *shape = NULL;
    bool one, other = false;
    *many = false;
    *end = i + 1;
    if (!f->hooks.row || f->switches)
        return PL_OK;
    for (uint32_t k = i; k < last; k++) {
        pl_object *o = pl_batch_object(f, k);
        if (!(o->status & PL_OBJ_CHANGED))
            continue;
        if (rehearse(f, o, &shape, &one, &other, err) != PL_OK) {
            pl_error_clear(err); /* comes again when it is written */
            other = true;
        }
        if (other)
            break;
        pl_code code = one ? pl_many_row(f, err) : PL_OK;
        if (code != PL_OK)
            return code;
        rows += one;
        *end = k + 1;
    }
    return pl_many_begin(f, rows, many, err);
}

pl_code pl_run_updates(pl_flush *f, const pl_batch *b, pl_error *err) {
    pl_code code = PL_OK;
    uint32_t last = b->first + b->count;
    for (uint32_t i = b->first, end; i < last && code == PL_OK;) {
        bool many;
        code = announce(f, i, last, &end, &many, err);
        for (; i < end && code == PL_OK; i++)
            code = update_object(f, pl_batch_object(f, i), err);
        code = pl_many_end(f, many, code, err);
    }
    return code;
}

/* All foreign keys are set first, so that an object with several is written once. */
pl_code pl_run_post(pl_flush *f, const pl_batch *b, pl_error *err) {
    pl_code code = PL_OK;
    for (uint32_t i = b->first; i < b->first + b->count && code == PL_OK; i++)
        code = pl_apply_tie(f, &f->ties[f->post[i]], err);
    for (uint32_t i = b->first; i < b->first + b->count && code == PL_OK; i++)
        code = update_object(f, f->ties[f->post[i]].child, err);
    pl_drop_statement(f);
    return code;
}
