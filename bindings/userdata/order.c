/* SPDX-License-Identifier: MIT */
/*
** order.c - see order.h.
**
** Only what the database certainly compares the same way is compared here: numbers, and
** text without a collation. Equal keys, NULLs, expressions and values that are not there
** leave it open, so the list is loaded again.
*/
#include "userdata/order.h"
#include "userdata/session.h"

#include <string.h>

/* -1, 0 or 1 as SQLite orders two values of a type; 2 when this does not know. */
static int compare(const pl_column *c, const pl_slot *a, const pl_slot *b) {
    pl_kind kind = c->type->kind;
    if (a->tag != b->tag)
        return 2;
    if (a->tag == PL_INT && kind >= PL_K_INTEGER && kind <= PL_K_BIGINT)
        return a->v.i < b->v.i ? -1 : a->v.i > b->v.i;
    if (a->tag == PL_REAL && (kind == PL_K_FLOAT || kind == PL_K_DOUBLE))
        return a->v.r < b->v.r ? -1 : a->v.r > b->v.r;
    if (a->tag != PL_TEXT || kind < PL_K_STRING || kind > PL_K_UNICODETEXT ||
        c->collation)
        return 2;
    int n = memcmp(a->v.s, b->v.s, a->len < b->len ? a->len : b->len);
    if (n == 0)
        return a->len < b->len ? -1 : a->len > b->len;
    return n < 0 ? -1 : 1;
}

/* Whether `a` certainly comes before `b`. */
static bool comes_before(const pl_node *order, const pl_object *a, const pl_object *b) {
    for (uint32_t i = 0; i < order->nkids; i++) {
        const pl_node *key = order->kids[i];
        bool down = key->kind == PL_N_ORDER && (key->op & PL_ORDER_DESC);
        if (key->kind == PL_N_ORDER)
            key = key->kids[0];
        if (key->kind != PL_N_COLUMN || !key->ref)
            return false;
        uint16_t left = pl_mapper_column_slot(a->mapper, key->ref);
        uint16_t right = pl_mapper_column_slot(b->mapper, key->ref);
        if (left == PL_NO_SLOT || right == PL_NO_SLOT)
            return false;
        int way = compare(key->ref, &plua_base(a)[left], &plua_base(b)[right]);
        if (way != 0)
            return way == (down ? 1 : -1);
    }
    return false;
}

static bool is_known(const pl_object *o) {
    return pl_object_state(o) == PL_PERSISTENT && pl_object_fresh(o);
}

static bool in_order(lua_State *L, int idx, const plua_collection *c) {
    const pl_object *last = NULL;
    bool is = true;
    lua_getiuservalue(L, idx, PLUA_C_ITEMS);
    for (lua_Integer i = 1; is && i <= c->n; i++) {
        lua_rawgeti(L, -1, i);
        const pl_object *o = lua_touserdata(L, -1);
        is = c->n == 1 || (is_known(o) &&
                           (!last || comes_before(c->relation->args.order_by, last, o)));
        last = o;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return is;
}

bool plua_collection_current(lua_State *L, int idx, plua_collection *c) {
    const pl_session_cell *cell = c->owner->session;
    if (!c->loaded || !cell || !pl_object_attached(c->owner))
        return c->loaded;
    if (c->epoch != cell->epoch)
        return false;
    if (c->filter != cell->filter && c->relation->target->criterion)
        return false;
    if (c->order == cell->order || !c->relation->args.order_by)
        return true;
    if (!in_order(L, idx, c))
        return false;
    c->order = cell->order;
    return true;
}

static bool speaks_of(const pl_node *n, const pl_column *c) {
    if (n->kind == PL_N_COLUMN && n->ref == c)
        return true;
    for (uint32_t i = 0; i < n->nkids; i++)
        if (n->kids[i] && speaks_of(n->kids[i], c))
            return true;
    return false;
}

/* Whether a column that the criterion speaks of was changed. */
static bool changes_sight(const pl_object *o, const pl_node *criterion) {
    for (uint16_t i = 0; i < o->mapper->nslots; i++)
        if ((o->slots[i].flags & PL_SLOT_CHANGED) && o->mapper->attrs[i].column &&
            speaks_of(criterion, o->mapper->attrs[i].column))
            return true;
    return false;
}

void plua_order_note(plua_session *s, const pl_object *o) {
    bool changed = (o->status & PL_OBJ_CHANGED) != 0;
    if (pl_object_state(o) != PL_PENDING && !changed)
        return;
    for (const pl_mapper *m = o->mapper; m; m = m->parent) {
        s->order_written = s->order_written || m->in_order;
        if (m->criterion && changed && !s->filter_written && (o->status & PL_OBJ_KEYED))
            s->filter_written = changes_sight(o, m->criterion);
    }
}
