/* SPDX-License-Identifier: MIT */
/*
** collect.c - what changed relationships mean for a flush: edges, cleared keys, link
*rows.
**
** Many-to-many rows are written from one side of a pair only (the declared one, not its
** backref), because both sides hold the same changes.
*/
#include "userdata/collection.h"
#include "userdata/identity.h"
#include "userdata/loader.h"
#include "userdata/related.h"
#include "userdata/unitwork.h"

static void check(plua_unit *u, pl_code code) {
    plua_check(u->L, code);
}

static pl_error *err(plua_unit *u) {
    return plua_unit_err(u);
}

/* A related object must be in the session to be saved; the cascade brings it in. */
static bool bring_in(plua_unit *u, const pl_relation *r, int idx, pl_object *o) {
    if (pl_object_attached(o) && o->session == u->s->cell)
        return pl_object_state(o) != PL_DELETED;
    if (o->status & PL_OBJ_KEYED && !(r->cascade & PL_CASCADE_SAVE))
        return true;
    if (!(r->cascade & PL_CASCADE_SAVE)) {
        lua_State *L = u->L;
        lua_pushfstring(L,
                        "Object of type <%s> not in session, add operation along '%s.%s' "
                        "will not proceed",
                        o->mapper->name, r->mapper->name, r->name);
        lua_warning(L, lua_tostring(L, -1), 0);
        lua_pop(L, 1);
        return false;
    }
    plua_session_add(u->L, u->s, idx);
    return true;
}

void plua_unit_save(plua_unit *u, int idx, pl_object *o) {
    plua_session_pin(u->L, u->s, idx, o);
    check(u, pl_flush_save(u->f, o, err(u)));
}

/* The flush is going to write the child's foreign key. Where that is part of its primary
** key, the row must be found by what it was. */
static void keep_key(plua_unit *u, int idx, pl_object *o, const pl_relation *r) {
    if (!(o->status & PL_OBJ_KEYED))
        return;
    for (size_t i = 0; i < r->npairs; i++) {
        uint16_t slot = r->direction == PL_MANY_TO_ONE ? r->pairs[i].local_slot
                                                       : r->pairs[i].remote_slot;
        for (int k = 0; k < o->mapper->npk; k++)
            if (o->mapper->pk[k] == slot)
                plua_instance_copy(u->L, idx, o);
    }
}

static void edge(plua_unit *u, pl_relation *r, pl_object *parent, pl_object *child,
                 pl_edge_kind kind) {
    check(u, pl_flush_edge(u->f, r, parent, child, kind, err(u)));
}

/* ---- many to one ------------------------------------------------------------------- */

static void saved_many_to_one(plua_unit *u, int idx, pl_object *o, pl_relation *r) {
    lua_State *L = u->L;
    int top = lua_gettop(L);
    plua_relation_peek(L, idx, o, r);
    plua_relation_old(L, idx, o, r);
    bool changed = !lua_isnil(L, top + 2) || !(o->status & PL_OBJ_KEYED);
    pl_object *now = lua_touserdata(L, top + 1);
    pl_object *old = lua_touserdata(L, top + 2);
    if (changed)
        keep_key(u, idx, o, r);
    if (changed && now && bring_in(u, r, top + 1, now))
        edge(u, r, now, o, PL_EDGE_SYNC);
    else if (changed && !now && lua_isboolean(L, top + 1) && (o->status & PL_OBJ_KEYED) &&
             old != now)
        edge(u, r, old, o, PL_EDGE_CLEAR);
    else if (changed && !now && lua_isboolean(L, top + 1) && lua_isboolean(L, top + 2) &&
             lua_toboolean(L, top + 2))
        edge(u, r, NULL, o, PL_EDGE_CLEAR);
    if (old && old != now && (r->cascade & PL_CASCADE_ORPHAN) &&
        pl_object_state(old) == PL_PERSISTENT)
        plua_session_delete(L, u->s, top + 2);
    lua_settop(L, top);
}

/* ---- one to many ------------------------------------------------------------------- */

/* Key of a child in the set of those that have a parent by r. [-0, +1] */
static void push_child_key(lua_State *L, const pl_relation *r, const pl_object *child) {
    lua_pushfstring(L, "%p:%p", (const void *)r, (const void *)child);
}

/* Whether a child itself says which parent it has: it does not when it is expired. */
static bool knows_parent(plua_unit *u, const pl_relation *r, int idx,
                         const pl_object *child) {
    if (!r->back || r->back->uselist)
        return false;
    plua_relation_peek(u->L, idx, child, r->back);
    bool known = !lua_isnil(u->L, -1);
    lua_pop(u->L, 1);
    return known;
}

static void adopt(plua_unit *u, int parentidx, pl_object *parent, pl_relation *r,
                  int idx) {
    lua_State *L = u->L;
    pl_object *child = lua_touserdata(L, idx);
    (void)parentidx;
    if (!child || !bring_in(u, r, idx, child))
        return;
    plua_unit_save(u, idx, child);
    keep_key(u, idx, child, r);
    edge(u, r, parent, child, PL_EDGE_SYNC);
    if (r->back && (!(child->status & PL_OBJ_KEYED) || knows_parent(u, r, idx, child)))
        return;
    push_child_key(L, r, child);
    lua_pushboolean(L, 1);
    lua_rawset(L, u->parents);
}

/* Remembers that a child left its parent; decided when all parents are known. */
static void abandon(plua_unit *u, int parentidx, pl_relation *r, int idx) {
    lua_State *L = u->L;
    lua_Integer n = (lua_Integer)lua_rawlen(L, u->clears);
    lua_pushlightuserdata(L, r);
    lua_rawseti(L, u->clears, n + 1);
    lua_pushvalue(L, parentidx);
    lua_rawseti(L, u->clears, n + 2);
    lua_pushvalue(L, idx);
    lua_rawseti(L, u->clears, n + 3);
}

typedef void (*item_fn)(plua_unit *u, int owner, pl_object *o, pl_relation *r, int item);

/* Calls fn for the entries of a part of a collection, which is on top. */
static void each_part(plua_unit *u, int owner, pl_object *o, pl_relation *r, int part,
                      item_fn fn) {
    lua_State *L = u->L;
    int at = lua_gettop(L);
    if (lua_getiuservalue(L, at, part) == LUA_TTABLE) {
        lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
        for (lua_Integer i = 1; i <= n; i++) {
            if (lua_rawgeti(L, at + 1, i) == LUA_TUSERDATA)
                fn(u, owner, o, r, at + 2);
            lua_settop(L, at + 1);
        }
    }
    lua_settop(L, at);
}

static void abandon_item(plua_unit *u, int owner, pl_object *o, pl_relation *r,
                         int item) {
    (void)o;
    abandon(u, owner, r, item);
}

static void saved_list(plua_unit *u, int idx, pl_object *o, pl_relation *r) {
    lua_State *L = u->L;
    plua_collection *c = plua_test_collection(L, -1);
    if (!(o->status & PL_OBJ_KEYED)) {
        each_part(u, idx, o, r, PLUA_C_ITEMS, adopt);
        return;
    }
    if (c->has_added)
        each_part(u, idx, o, r, PLUA_C_ADDED, adopt);
    if (c->has_removed)
        each_part(u, idx, o, r, PLUA_C_REMOVED, abandon_item);
}

/* A one-to-one seen from the side without the key. */
static void saved_single(plua_unit *u, int idx, pl_object *o, pl_relation *r) {
    lua_State *L = u->L;
    int now = lua_gettop(L);
    plua_relation_old(L, idx, o, r);
    if (lua_isnil(L, -1) && (o->status & PL_OBJ_KEYED)) {
        lua_pop(L, 1);
        return;
    }
    if (lua_isuserdata(L, now + 1) && !lua_rawequal(L, now, now + 1))
        abandon(u, idx, r, now + 1);
    if (lua_isuserdata(L, now))
        adopt(u, idx, o, r, now);
    lua_settop(L, now);
}

/* ---- many to many ------------------------------------------------------------------ */

/* Whether this side of a pair writes the link rows. */
static bool writes_links(const pl_relation *r) {
    const pl_relation *b = r->back;
    if (!b || b->by_backref)
        return true;
    if (r->by_backref)
        return false;
    if (r->mapper != b->mapper)
        return r->mapper->position < b->mapper->position;
    return r->position <= b->position;
}

static void link_item(plua_unit *u, int owner, pl_object *o, pl_relation *r, int item) {
    pl_object *b = lua_touserdata(u->L, item);
    (void)owner;
    if (!bring_in(u, r, item, b) || (b->status & PL_OBJ_DELETING))
        return;
    if (!(b->status & PL_OBJ_KEYED))
        plua_unit_save(u, item, b);
    check(u, pl_flush_link(u->f, r, o, b, false, err(u)));
}

/* Removes a link row once, from whichever side it is asked for. */
static void unlink_item(plua_unit *u, int owner, pl_object *o, pl_relation *r, int item) {
    lua_State *L = u->L;
    pl_object *b = lua_touserdata(L, item);
    (void)owner;
    if (!(b->status & PL_OBJ_KEYED) || !(o->status & PL_OBJ_KEYED))
        return;
    if (pl_object_state(b) == PL_DELETED || (b->status & PL_OBJ_ERASED))
        return; /* its rows went with it */
    const pl_object *x = writes_links(r) ? o : b, *y = writes_links(r) ? b : o;
    lua_pushfstring(L, "%p:%p:%p", (const void *)r->secondary, (const void *)x,
                    (const void *)y);
    lua_pushvalue(L, -1);
    bool done = lua_rawget(L, u->links) != LUA_TNIL;
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
    lua_rawset(L, u->links);
    if (!done)
        check(u, pl_flush_link(u->f, r, o, b, true, err(u)));
}

/* From the side that does not write: only what the other side cannot know of. */
static void link_unknown(plua_unit *u, int owner, pl_object *o, pl_relation *r,
                         int item) {
    lua_State *L = u->L;
    pl_object *b = lua_touserdata(L, item);
    bring_in(u, r, item, b);
    if (!(b->status & PL_OBJ_KEYED) || (b->status & PL_OBJ_DELETING))
        return;
    int top = lua_gettop(L);
    plua_relation_peek(L, item, b, r->back);
    bool known = false;
    const plua_collection *c = plua_test_collection(L, -1);
    if (c && c->has_added)
        known = plua_collection_in(L, top + 1, PLUA_C_ADDED, owner);
    lua_settop(L, top);
    if (!known)
        check(u, pl_flush_link(u->f, r, o, b, false, err(u)));
}

static void saved_many_to_many(plua_unit *u, int idx, pl_object *o, pl_relation *r) {
    plua_collection *c = plua_test_collection(u->L, -1);
    bool pending = !(o->status & PL_OBJ_KEYED);
    if (!writes_links(r)) {
        if (pending)
            each_part(u, idx, o, r, PLUA_C_ITEMS, link_unknown);
        return;
    }
    if (pending || c->has_added)
        each_part(u, idx, o, r, pending ? PLUA_C_ITEMS : PLUA_C_ADDED, link_item);
    if (c->has_removed)
        each_part(u, idx, o, r, PLUA_C_REMOVED, unlink_item);
}

/* A many-to-many with uselist = false. */
static void saved_single_link(plua_unit *u, int idx, pl_object *o, pl_relation *r) {
    lua_State *L = u->L;
    int now = lua_gettop(L);
    plua_relation_old(L, idx, o, r);
    bool changed = !lua_isnil(L, -1) || !(o->status & PL_OBJ_KEYED);
    if (changed && writes_links(r)) {
        if (lua_isuserdata(L, now + 1) && !lua_rawequal(L, now, now + 1))
            unlink_item(u, idx, o, r, now + 1);
        if (lua_isuserdata(L, now))
            link_item(u, idx, o, r, now);
    }
    lua_settop(L, now);
}

/* ---- one object -------------------------------------------------------------------- */

static void collect_relation(plua_unit *u, int idx, pl_object *o, pl_relation *r) {
    lua_State *L = u->L;
    int top = lua_gettop(L);
    if (r->direction == PL_MANY_TO_ONE) {
        saved_many_to_one(u, idx, o, r);
        return;
    }
    plua_relation_peek(L, idx, o, r);
    bool list = plua_test_collection(L, -1) != NULL;
    if (lua_isnil(L, -1))
        ;
    else if (r->direction == PL_ONE_TO_MANY && list)
        saved_list(u, idx, o, r);
    else if (r->direction == PL_ONE_TO_MANY)
        saved_single(u, idx, o, r);
    else if (list)
        saved_many_to_many(u, idx, o, r);
    else
        saved_single_link(u, idx, o, r);
    lua_settop(L, top);
}

/* ---- keys that change -------------------------------------------------------------- */

static bool key_changes(const pl_object *o, const pl_relation *r) {
    for (size_t i = 0; i < r->npairs; i++) {
        uint16_t slot = r->pairs[i].local_slot;
        if ((o->slots[slot].flags & PL_SLOT_CHANGED) &&
            !pl_slot_same(&plua_base(o)[slot], &o->slots[slot]))
            return true;
    }
    return false;
}

static void follow_item(plua_unit *u, int owner, pl_object *o, pl_relation *r, int item) {
    pl_object *child = lua_touserdata(u->L, item);
    (void)owner;
    if (!(child->status & PL_OBJ_KEYED) || (child->status & PL_OBJ_DELETING))
        return;
    plua_unit_save(u, item, child);
    keep_key(u, item, child, r);
    edge(u, r, o, child, PL_EDGE_SYNC);
}

/* With passive_updates off, what refers to a key that changes is written anew: children
** by their rows, of which those that are not loaded must be; link rows as they are. */
static void follow_key(plua_unit *u, int idx, pl_object *o, pl_relation *r) {
    lua_State *L = u->L;
    int top = lua_gettop(L);
    if (r->direction == PL_MANY_TO_MANY) {
        check(u, pl_flush_relink(u->f, r, o, err(u)));
        return;
    }
    if (plua_lacks_relation(L, idx, o, r))
        plua_load_for_flush(L, idx, o, r);
    plua_relation_peek(L, idx, o, r);
    if (plua_test_collection(L, -1))
        each_part(u, idx, o, r, PLUA_C_ITEMS, follow_item);
    else if (lua_isuserdata(L, -1))
        follow_item(u, idx, o, r, lua_gettop(L));
    lua_settop(L, top);
}

static void follow_keys(plua_unit *u, int idx, pl_object *o) {
    for (size_t i = 0; i < o->mapper->nrelations; i++) {
        pl_relation *r = o->mapper->relations[i];
        if (r->args.passive_updates_off && !r->viewonly &&
            r->direction != PL_MANY_TO_ONE && key_changes(o, r))
            follow_key(u, idx, o, r);
    }
}

void plua_collect_saved(plua_unit *u, int idx, pl_object *o) {
    if ((o->status & PL_OBJ_KEYED) && (o->status & PL_OBJ_CHANGED))
        follow_keys(u, idx, o);
    bool pending = !(o->status & PL_OBJ_KEYED);
    if (!(o->status & PL_OBJ_TABLE) || !(pending || (o->status & PLUA_OBJ_HISTORY)))
        return;
    for (size_t i = 0; i < o->mapper->nrelations; i++)
        if (!o->mapper->relations[i]->viewonly)
            collect_relation(u, idx, o, o->mapper->relations[i]);
}

/* ---- deleting ---------------------------------------------------------------------- */

static void orphan_item(plua_unit *u, int owner, pl_object *o, pl_relation *r, int item) {
    pl_object *child = lua_touserdata(u->L, item);
    if (!(child->status & PL_OBJ_KEYED))
        return;
    if (child->status & PL_OBJ_DELETING)
        edge(u, r, o, child, PL_EDGE_ORDER);
    else
        abandon(u, owner, r, item);
}

/* Whether a deleted parent's children are the database's business. */
static bool leave_to_database(const pl_relation *r, bool loaded) {
    return r->passive_deletes == PL_PASSIVE_ALL ||
           (r->passive_deletes == PL_PASSIVE_YES && !loaded);
}

/* Whether an item was added to the list of an object since the last flush, as either side
** may tell. */
static bool is_unstored(plua_unit *u, int owner, const pl_relation *r, int item) {
    lua_State *L = u->L;
    int top = lua_gettop(L);
    pl_object *o = lua_touserdata(L, owner), *b = lua_touserdata(L, item);
    plua_relation_peek(L, owner, o, r);
    const plua_collection *c = plua_test_collection(L, -1);
    bool added = c && c->has_added && plua_collection_in(L, top + 1, PLUA_C_ADDED, item);
    if (!added && r->back) {
        plua_relation_peek(L, item, b, r->back);
        c = plua_test_collection(L, -1);
        added = c && c->has_added && plua_collection_in(L, top + 2, PLUA_C_ADDED, owner);
    }
    lua_settop(L, top);
    return added;
}

static void unlink_stored(plua_unit *u, int owner, pl_object *o, pl_relation *r,
                          int item) {
    if (!is_unstored(u, owner, r, item))
        unlink_item(u, owner, o, r, item);
}

static void deleted_relation(plua_unit *u, int idx, pl_object *o, pl_relation *r) {
    lua_State *L = u->L;
    int top = lua_gettop(L);
    item_fn fn = r->direction == PL_MANY_TO_MANY ? unlink_stored : orphan_item;
    plua_relation_peek(L, idx, o, r);
    const plua_collection *c = plua_test_collection(L, -1);
    bool loaded = c ? c->loaded : !lua_isnil(L, -1);
    if (leave_to_database(r, loaded)) {
        lua_settop(L, top);
        return;
    }
    lua_settop(L, top);
    if (!loaded || (c && c->epoch != u->s->cell->epoch))
        plua_load_for_flush(L, idx, o, r);
    plua_relation_peek(L, idx, o, r);
    if (plua_test_collection(L, -1)) {
        each_part(u, idx, o, r, PLUA_C_ITEMS, fn);
        each_part(u, idx, o, r, PLUA_C_REMOVED, fn);
    } else if (lua_isuserdata(L, -1)) {
        fn(u, idx, o, r, lua_gettop(L));
    }
    lua_settop(L, top);
}

/* A row that refers to another row that goes too must go first. */
static void deleted_reference(plua_unit *u, pl_object *o, pl_relation *r) {
    lua_State *L = u->L;
    plua_identity_of(L, o, r);
    pl_object *parent = lua_touserdata(L, -1);
    if (parent && (parent->status & PL_OBJ_DELETING))
        edge(u, r, parent, o, r->args.post_update ? PL_EDGE_CLEAR : PL_EDGE_ORDER);
    lua_pop(L, 1);
}

void plua_collect_deleted(plua_unit *u, int idx, pl_object *o) {
    for (size_t i = 0; i < o->mapper->nrelations; i++) {
        pl_relation *r = o->mapper->relations[i];
        if (r->viewonly)
            continue;
        if (r->direction == PL_MANY_TO_ONE)
            deleted_reference(u, o, r);
        else
            deleted_relation(u, idx, o, r);
    }
}

/* Whether a child that left a parent has another one by now. */
static bool has_parent(plua_unit *u, pl_relation *r, int idx, const pl_object *child) {
    lua_State *L = u->L;
    bool has;
    if (knows_parent(u, r, idx, child)) {
        plua_relation_peek(L, idx, child, r->back);
        pl_object *parent = lua_touserdata(L, -1);
        has = parent && !(parent->status & PL_OBJ_DELETING);
        lua_pop(L, 1);
        return has;
    }
    push_child_key(L, r, child);
    has = lua_rawget(L, u->parents) != LUA_TNIL;
    lua_pop(L, 1);
    return has;
}

void plua_collect_clears(plua_unit *u) {
    lua_State *L = u->L;
    int top = lua_gettop(L);
    lua_Integer n = (lua_Integer)lua_rawlen(L, u->clears);
    for (lua_Integer i = 1; i <= n; i += 3) {
        lua_rawgeti(L, u->clears, i);
        lua_rawgeti(L, u->clears, i + 1);
        lua_rawgeti(L, u->clears, i + 2);
        pl_relation *r = lua_touserdata(L, top + 1);
        pl_object *parent = lua_touserdata(L, top + 2);
        pl_object *child = lua_touserdata(L, top + 3);
        bool live =
            pl_object_state(child) == PL_PERSISTENT && !(child->status & PL_OBJ_DELETING);
        if (live && !has_parent(u, r, top + 3, child)) {
            plua_unit_save(u, top + 3, child);
            keep_key(u, top + 3, child, r);
            edge(u, r, parent, child, PL_EDGE_CLEAR);
        }
        lua_settop(L, top);
    }
}
