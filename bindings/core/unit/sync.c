/* SPDX-License-Identifier: MIT */
/*
** sync.c - from relationships to foreign key slots, and what else an object needs before
** its row can be written: the script's `before` events, defaults, discriminator, version.
**
** Runs for one batch at a time, when the parents' keys are known. Numbers are written
** into slots; a text goes through the holder, who keeps its bytes.
*/
#include "core/unit/work.h"

pl_code pl_set_slot(pl_flush *f, pl_object *o, uint16_t slot, const pl_slot *value,
                    bool changed, pl_error *err) {
    uint8_t flags = o->slots[slot].flags;
    if (f->hooks.store && (value->tag == PL_TEXT || value->tag == PL_BLOB)) {
        pl_code code = f->hooks.store(f->hooks.ud, o, slot, value, err);
        if (code != PL_OK)
            return code;
    } else {
        o->slots[slot] = *value;
    }
    o->slots[slot].flags = (uint8_t)(flags & ~PL_SLOT_SERVER);
    if (changed) {
        o->slots[slot].flags |= PL_SLOT_CHANGED;
        o->status |= PL_OBJ_CHANGED;
    }
    return PL_OK;
}

/* ---- ties ---------------------------------------------------------------------- */

static const char *attribute_of(const pl_object *o, uint16_t slot) {
    return o->mapper->attrs[slot].label;
}

static bool is_key(const pl_mapper *m, uint16_t slot) {
    for (size_t t = 0; t < m->ntables; t++)
        for (size_t i = 0; i < m->tables[t].table->npk; i++)
            if (m->tables[t].pk[i] == slot)
                return true;
    return false;
}

static pl_code fail_blank(const pl_tie *t, uint16_t slot, pl_error *err) {
    (void)pl_fail(err, PL_EFLUSH,
                  "%s is part of the primary key and cannot become NULL when %s.%s is "
                  "taken away",
                  attribute_of(t->child, slot), t->r->mapper->name, t->r->name);
    err->object = t->child;
    err->attribute = pl_error_text(err, attribute_of(t->child, slot));
    return pl_hint(err,
                   "delete the %s, or give the relationship cascade = \"all, "
                   "delete-orphan\"",
                   t->child->mapper->name);
}

static pl_code fail_unsaved(const pl_tie *t, pl_error *err) {
    (void)pl_fail(err, PL_EFLUSH,
                  "%s.%s refers to a %s that has no key: it is not part of the session",
                  t->r->mapper->name, t->r->name, t->parent->mapper->name);
    err->object = t->child;
    return pl_hint(err, "add the %s to the session as well", t->parent->mapper->name);
}

static pl_code clear_slot(pl_flush *f, const pl_tie *t, uint16_t slot, pl_error *err) {
    if (t->child->slots[slot].tag == PL_NULL)
        return PL_OK;
    if (is_key(t->child->mapper, slot))
        return fail_blank(t, slot, err);
    pl_slot null = pl_slot_null();
    return pl_set_slot(f, t->child, slot, &null, true, err);
}

/* A child outside the flush is not written: it only learns what it refers to now. */
static pl_code copy_slot(pl_flush *f, const pl_tie *t, uint16_t from, uint16_t to,
                         pl_error *err) {
    const pl_slot *key = &t->parent->slots[from];
    bool inside = pl_flush_has(f, t->child);
    if (key->tag == PL_UNSET || key->tag == PL_EXPR)
        return inside ? fail_unsaved(t, err) : PL_OK;
    if (pl_slot_same(key, &t->child->slots[to]))
        return PL_OK;
    return pl_set_slot(f, t->child, to, key, inside, err);
}

pl_code pl_apply_tie(pl_flush *f, const pl_tie *t, pl_error *err) {
    const pl_relation *r = t->r;
    bool many_to_one = r->direction == PL_MANY_TO_ONE;
    for (size_t i = 0; i < r->npairs; i++) {
        const pl_pair *p = &r->pairs[i];
        uint16_t to = many_to_one ? p->local_slot : p->remote_slot;
        uint16_t from = many_to_one ? p->remote_slot : p->local_slot;
        pl_code code = t->kind == PL_EDGE_CLEAR ? clear_slot(f, t, to, err)
                                                : copy_slot(f, t, from, to, err);
        if (code != PL_OK)
            return code;
    }
    return PL_OK;
}

/* ---- one batch ----------------------------------------------------------------- */

static pl_code apply_ties(pl_flush *f, const pl_batch *b, pl_error *err) {
    for (uint32_t i = b->first; i < b->first + b->count; i++)
        for (uint32_t t = f->items[f->order[i]].tie; t != 0; t = f->ties[t - 1].next) {
            pl_code code = pl_apply_tie(f, &f->ties[t - 1], err);
            if (code != PL_OK)
                return code;
        }
    return PL_OK;
}

static pl_code call_before(pl_flush *f, const pl_batch *b, pl_error *err) {
    for (uint32_t i = b->first; i < b->first + b->count; i++) {
        pl_object *o = pl_batch_object(f, i);
        if (!o->mapper->has_events)
            continue;
        pl_code code = f->hooks.before(f->hooks.ud, (pl_flush_op)b->op, o, err);
        if (code != PL_OK)
            return code;
    }
    return PL_OK;
}

/* An UPDATE that changes nothing gets no onupdate values either. */
static pl_code call_fill(pl_flush *f, const pl_batch *b, pl_error *err) {
    for (uint32_t i = b->first; i < b->first + b->count; i++) {
        pl_object *o = pl_batch_object(f, i);
        if (!o->mapper->has_defaults ||
            (b->op == PL_FLUSH_UPDATE && !(o->status & PL_OBJ_CHANGED)))
            continue;
        pl_code code = f->hooks.fill(f->hooks.ud, (pl_flush_op)b->op, o, err);
        if (code != PL_OK)
            return code;
    }
    return PL_OK;
}

/* The discriminator of a new object, and its first version. */
static void set_new(pl_object *o) {
    const pl_mapper *m = o->mapper;
    if (m->polymorphic_on != PL_NO_SLOT && o->slots[m->polymorphic_on].tag == PL_UNSET &&
        m->polymorphic_identity.tag != PL_UNSET)
        o->slots[m->polymorphic_on] = m->polymorphic_identity;
    if (m->version != PL_NO_SLOT && o->slots[m->version].tag <= PL_NULL)
        o->slots[m->version] = pl_slot_int(1);
}

static void set_all_new(pl_flush *f, const pl_batch *b) {
    const pl_mapper *root = f->groups[b->group].root;
    if (root->polymorphic_on == PL_NO_SLOT && root->version == PL_NO_SLOT)
        return;
    for (uint32_t i = b->first; i < b->first + b->count; i++)
        set_new(pl_batch_object(f, i));
}

/*
** A row that is taken over gets what the new object was given; the rest of the row stays
** as it was, and the object does not know it.
*/
static void take_over(pl_object *o) {
    const pl_mapper *m = o->mapper;
    for (size_t t = 0; t < m->ntables; t++)
        for (uint16_t i = 0; i < m->tables[t].ncolumns; i++) {
            uint16_t slot = m->tables[t].slots[i];
            uint8_t traits = m->tables[t].traits[i];
            if (slot == PL_NO_SLOT || slot == m->version)
                continue;
            if (traits & PL_COL_KEY)
                o->slots[slot].flags &= (uint8_t)~PL_SLOT_CHANGED;
            else if (o->slots[slot].tag == PL_UNSET)
                pl_forget_values(o, &slot, 1);
            else
                o->slots[slot].flags |= PL_SLOT_CHANGED;
        }
    o->status |= PL_OBJ_CHANGED;
}

static void take_over_rows(pl_flush *f, const pl_batch *b) {
    for (uint32_t i = b->first; i < b->first + b->count; i++) {
        const pl_item *it = &f->items[f->order[i]];
        if (!(it->flags & PL_ITEM_SWITCH))
            continue;
        set_new(it->o);
        take_over(it->o);
    }
}

pl_code pl_prepare_batch(pl_flush *f, const pl_batch *b, pl_error *err) {
    const pl_group *g = &f->groups[b->group];
    pl_code code = PL_OK;
    if (f->nties > 0 && b->op != PL_FLUSH_DELETE)
        code = apply_ties(f, b, err);
    if (code == PL_OK && f->switches && b->op == PL_FLUSH_UPDATE)
        take_over_rows(f, b);
    if (code == PL_OK && g->events && f->hooks.before)
        code = call_before(f, b, err);
    if (code == PL_OK && g->defaults && f->hooks.fill && b->op != PL_FLUSH_DELETE)
        code = call_fill(f, b, err);
    if (code == PL_OK && b->op == PL_FLUSH_INSERT)
        set_all_new(f, b);
    return code;
}
