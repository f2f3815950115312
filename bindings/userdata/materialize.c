/* SPDX-License-Identifier: MIT */
/*
** materialize.c - see materialize.h. One pass over each row: key, identity map, copy.
*/
#include "userdata/materialize.h"
#include "userdata/identity.h"
#include "userdata/relationship.h"
#include "userdata/event.h"
#include "userdata/model.h"
#include "userdata/value.h"

#include <string.h>

static int column_of(const plua_maker *k, uint16_t slot) {
    for (int i = 0; i < k->n; i++)
        if (k->slots[i] == slot)
            return i;
    return -1;
}

/* The slot in m of an entity's column i. Expressions turned to another source stand there
** in the order of their attributes, of which *expr is the one met last. */
static uint16_t slot_of(const pl_mapper *m, const pl_node *entity, uint32_t i,
                        uint16_t *expr) {
    const pl_node *n = entity->kids[i];
    if (n->kind == PL_N_COLUMN && n->ref)
        return pl_mapper_column_slot(m, n->ref);
    for (uint16_t slot = 0; slot < m->nslots; slot++)
        if (m->attrs[slot].expr == n)
            return slot;
    do {
        if (++*expr >= m->nslots)
            return PL_NO_SLOT;
    } while (m->attrs[*expr].column || m->attrs[*expr].deferred);
    return *expr;
}

static void find_key(lua_State *L, plua_maker *k) {
    for (int i = 0; i < k->mapper->npk; i++) {
        int c = column_of(k, k->mapper->pk[i]);
        if (c < 0)
            plua_raise(L, PL_EINVALID, "%s cannot be loaded without its primary key",
                       k->mapper->name);
        k->pkcol[i] = (uint16_t)c;
    }
    k->discriminator = k->mapper->polymorphic_on == PL_NO_SLOT
                           ? -1
                           : column_of(k, k->mapper->polymorphic_on);
}

void plua_maker_begin(lua_State *L, plua_maker *k, plua_session *s, const pl_node *entity,
                      int first) {
    pl_mapper *m = (pl_mapper *)entity->ref;
    luaL_checkstack(L, 20, "too many entities");
    *k = (plua_maker){.s = s, .mapper = m, .first = first, .n = (int)entity->nkids};
    k->entity = entity;
    uint16_t *slots = lua_newuserdatauv(L, (size_t)entity->nkids * 2 * sizeof *slots, 0);
    uint16_t expr = (uint16_t)-1;
    for (uint32_t i = 0; i < entity->nkids; i++) {
        slots[i] = slot_of(m, entity, i, &expr);
        k->family = k->family || slots[i] == PL_NO_SLOT;
    }
    k->slots = slots;
    k->others = slots + entity->nkids;
    find_key(L, k);
    k->partial = entity->nkids < m->nslots;
    plua_identity_map(L, s, m);
    k->map = lua_gettop(L);
    plua_push_model(L, m);
    k->events = ((plua_model *)lua_touserdata(L, -1))->instance_events;
    lua_getiuservalue(L, -1, PLUA_MODEL_META);
    lua_remove(L, -2);
    k->meta = lua_gettop(L);
    plua_writer_begin(L, &k->writer);
    k->writer.sparse = k->family;
}

static void push_row_key(lua_State *L, const plua_maker *k, const pl_slot *row) {
    pl_slot values[PL_MAX_KEY];
    for (int i = 0; i < k->mapper->npk; i++)
        values[i] = row[k->pkcol[i]];
    plua_push_key_values(L, values, k->mapper->npk);
}

/* Looks the key up; pushes what the map has. False when the key is NULL. */
static bool look_up(lua_State *L, const plua_maker *k, const pl_slot *row) {
    const pl_slot *key = &row[k->pkcol[0]];
    if (k->mapper->npk == 1 && key->tag == PL_INT) {
        lua_rawgeti(L, k->map, key->v.i);
        return true;
    }
    bool any = false;
    for (int i = 0; i < k->mapper->npk; i++)
        any = any || row[k->pkcol[i]].tag != PL_NULL;
    if (!any)
        return false;
    push_row_key(L, k, row);
    lua_rawget(L, k->map);
    return true;
}

/* The mapper and metatable for a row: a subclass when the discriminator says so. */
static pl_mapper *row_mapper(lua_State *L, const plua_maker *k, const pl_slot *row) {
    if (k->discriminator < 0 || row[k->discriminator].tag <= PL_NULL) {
        lua_pushvalue(L, k->meta);
        return k->mapper;
    }
    pl_mapper *m = pl_mapper_polymorphic(k->mapper->root, &row[k->discriminator]);
    if (!m) {
        plua_push_slot(L, pl_type_plain(PL_K_ANY), &row[k->discriminator], NULL);
        plua_raise(L, PL_EVALUE, "No such polymorphic_identity '%s' is defined for %s",
                   luaL_tolstring(L, -1, NULL), k->mapper->root->name);
    }
    if (m == k->mapper)
        lua_pushvalue(L, k->meta);
    else
        plua_push_instance_meta(L, m);
    return m;
}

static void remember(lua_State *L, const plua_maker *k, const pl_slot *row) {
    const pl_slot *key = &row[k->pkcol[0]];
    if (k->mapper->npk == 1 && key->tag == PL_INT) {
        lua_pushvalue(L, -1);
        lua_rawseti(L, k->map, key->v.i);
        return;
    }
    push_row_key(L, k, row);
    lua_pushvalue(L, -2);
    lua_rawset(L, k->map);
}

/* Slots of the columns in another mapper than the one asked for: a column that it does
** not have has none. */
static const uint16_t *slots_in(plua_maker *k, const pl_mapper *m) {
    if (m == k->mapper)
        return k->slots;
    if (m == k->other)
        return k->others;
    size_t covered = 0;
    uint16_t expr = (uint16_t)-1;
    for (int i = 0; i < k->n; i++) {
        k->others[i] = slot_of(m, k->entity, (uint32_t)i, &expr);
        bool again = k->others[i] == PL_NO_SLOT;
        for (int j = 0; j < i && !again; j++)
            again = k->others[j] == k->others[i];
        covered += !again;
    }
    k->other = m;
    k->other_whole = covered == m->nslots;
    return k->others;
}

static bool is_whole(const plua_maker *k, const pl_mapper *m) {
    return m == k->mapper ? !k->partial : m == k->other && k->other_whole;
}

static pl_object *make_new(lua_State *L, plua_maker *k, const pl_slot *row) {
    pl_mapper *m = row_mapper(L, k, row);
    pl_object *o = plua_new_instance(L, m, -1, 0, true);
    o->slots = plua_write_row(L, &k->writer, m, row, slots_in(k, m), k->n);
    lua_pushvalue(L, k->writer.pageidx);
    lua_setiuservalue(L, -2, 1);
    lua_remove(L, -2);
    o->session = k->detached ? NULL : k->s->cell;
    o->epoch = k->s->cell->epoch;
    o->status = (uint32_t)(k->detached ? PL_GONE : PL_PERSISTENT) | PL_OBJ_KEYED |
                PL_OBJ_PAGED | (is_whole(k, m) ? 0 : PL_OBJ_PARTIAL) |
                (k->single ? (uint32_t)PLUA_OBJ_SINGLE : 0);
    remember(L, k, row);
    if (k->events)
        plua_event_load(L, k->s, lua_gettop(L));
    return o;
}

/* Writes the row's values over an instance that lacks them. */
static void overwrite(lua_State *L, plua_maker *k, int idx, pl_object *o,
                      const pl_slot *row) {
    bool stale = !pl_object_fresh(o);
    const uint16_t *slots = slots_in(k, o->mapper);
    for (int i = 0; i < k->n; i++) {
        uint16_t slot = slots[i];
        if (slot == PL_NO_SLOT)
            continue;
        pl_slot *base = &plua_base(o)[slot];
        bool changed = (o->slots[slot].flags & PL_SLOT_CHANGED) != 0;
        if (pl_slot_same(base, &row[i]) || changed || (!stale && base->tag != PL_UNSET))
            continue;
        plua_instance_store(L, idx, o, slot, &row[i]);
        o->slots[slot].flags = 0;
        *base = o->slots[slot];
    }
    if (stale)
        plua_relation_refreshed(L, idx, o);
    if (is_whole(k, o->mapper))
        o->status &= ~(uint32_t)PL_OBJ_PARTIAL;
    o->epoch = k->s->cell->epoch;
    o->status &= ~(uint32_t)PLUA_OBJ_EXPIRED;
}

/* With populate_existing, an instance that the result has for the first time begins anew:
** what was changed or loaded is forgotten, but not that it is to be deleted. */
static void begin_anew(lua_State *L, const plua_maker *k, int idx, pl_object *o) {
    lua_pushvalue(L, idx);
    bool met = lua_rawget(L, k->existing) != LUA_TNIL;
    lua_pop(L, 1);
    if (met)
        return;
    lua_pushvalue(L, idx);
    lua_pushboolean(L, 1);
    lua_rawset(L, k->existing);
    if (!(o->status & PL_OBJ_DELETING))
        plua_session_unpin(L, k->s, o);
    plua_instance_expire(L, idx, o);
}

pl_object *plua_make(lua_State *L, plua_maker *k, const pl_slot *columns) {
    const pl_slot *row = columns + k->first;
    k->made = false;
    if (!look_up(L, k, row)) {
        lua_pushnil(L);
        return NULL;
    }
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        k->made = true;
        return make_new(L, k, row);
    }
    pl_object *o = lua_touserdata(L, -1);
    if (k->detached)
        return o;
    if (k->existing)
        begin_anew(L, k, lua_gettop(L), o);
    if (!pl_object_fresh(o) || (o->status & PL_OBJ_PARTIAL))
        overwrite(L, k, lua_gettop(L), o, row);
    return o;
}
