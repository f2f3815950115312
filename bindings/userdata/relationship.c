/* SPDX-License-Identifier: MIT */
/*
** relationship.c - see relationship.h. Loading is loader.c's; writing is unitwork.c's.
*/
#include "userdata/relationship.h"
#include "userdata/collection.h"
#include "userdata/event.h"
#include "userdata/identity.h"
#include "userdata/loader.h"
#include "userdata/null.h"

/* Relationships are numbered over all models (see model.c), as a subclass has its
 * parent's. */
static lua_Integer history_key(const pl_relation *r) {
    return -2 - r->ext;
}

void plua_relation_touch(lua_State *L, int idx, pl_object *o) {
    plua_session *s = plua_object_session(o);
    o->status |= PLUA_OBJ_HISTORY | PL_OBJ_MODIFIED;
    if (s)
        plua_session_pin(L, s, idx, o);
    if (s && (o->status & PL_OBJ_FLUSHING))
        s->raw_writes = true; /* too late for this flush, which settles it */
}

void plua_relation_peek(lua_State *L, int idx, const pl_object *o, const pl_relation *r) {
    plua_state_peek(L, idx, o);
    if (lua_isnil(L, -1))
        return;
    lua_pushstring(L, r->name);
    lua_rawget(L, -2);
    lua_remove(L, -2);
}

/* ---- getting ----------------------------------------------------------------------- */

static void get_list(lua_State *L, int idx, pl_object *o, pl_relation *r) {
    if (r->lazy == PL_LAZY_DYNAMIC || r->lazy == PL_LAZY_WRITE_ONLY) {
        plua_dynamic_collection(L, idx, o, r);
        return;
    }
    plua_collection *c = plua_collection_of(L, idx, o, r);
    plua_collection_ensure(L, lua_gettop(L), c);
}

void plua_relation_get(lua_State *L, int idx, pl_object *o, pl_relation *r) {
    if (o->session && !pl_object_fresh(o) && pl_object_attached(o) &&
        (o->status & PL_OBJ_KEYED) && pl_object_state(o) == PL_PERSISTENT)
        plua_touch(L, idx, o);
    if (!r->configured)
        plua_configure(L, plua_db_of(o->mapper->tables[0].table->metadata));
    if (r->uselist) {
        get_list(L, idx, o, r);
        return;
    }
    plua_relation_peek(L, idx, o, r);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        plua_load_relation(L, idx, o, r);
        plua_relation_peek(L, idx, o, r);
    }
    if (lua_isboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
}

/* ---- setting ----------------------------------------------------------------------- */

pl_object *plua_relation_check(lua_State *L, const pl_relation *r, int val) {
    pl_object *o = lua_isuserdata(L, val) ? plua_test_instance(L, val) : NULL;
    if (!o)
        plua_raise(L, PL_ETYPE, "%s.%s: expected a %s, got %s", r->mapper->name, r->name,
                   r->target->name, plua_typename(L, val));
    if (!pl_mapper_is(o->mapper, r->target))
        plua_raise(L, PL_ETYPE, "%s.%s: expected a %s, got a %s", r->mapper->name,
                   r->name, r->target->name, o->mapper->name);
    return o;
}

/* Writes state[name] = value at val (nil stands as false). */
static void put(lua_State *L, int idx, pl_object *o, const pl_relation *r, int val) {
    val = lua_absindex(L, val);
    plua_state_table(L, idx, o);
    lua_pushstring(L, r->name);
    if (lua_isnil(L, val))
        lua_pushboolean(L, 0);
    else
        lua_pushvalue(L, val);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void plua_relation_loaded(lua_State *L, int idx, pl_object *o, const pl_relation *r) {
    put(L, idx, o, r, -1);
    lua_pop(L, 1);
}

void plua_relation_old(lua_State *L, int idx, const pl_object *o, const pl_relation *r) {
    plua_state_peek(L, idx, o);
    if (lua_isnil(L, -1))
        return;
    lua_rawgeti(L, -1, history_key(r));
    lua_remove(L, -2);
}

/* Remembers what a scalar was at the last flush, once. The old value is at `old`. */
static void remember(lua_State *L, int idx, pl_object *o, const pl_relation *r, int old) {
    plua_state_table(L, idx, o);
    if (lua_rawgeti(L, -1, history_key(r)) == LUA_TNIL) {
        if (lua_isnil(L, old))
            lua_pushboolean(L, (o->status & PL_OBJ_KEYED) != 0);
        else
            lua_pushvalue(L, old);
        lua_rawseti(L, -3, history_key(r));
    }
    lua_pop(L, 2);
}

static int load_protected(lua_State *L) {
    pl_object *o = lua_touserdata(L, 1);
    plua_load_relation(L, 1, o, lua_touserdata(L, 2));
    return 0;
}

/* Loads without flushing: both sides of a relationship are not in step at this time. */
static void load_quietly(lua_State *L, int idx, pl_object *o, pl_relation *r) {
    plua_session *s = plua_object_session(o);
    bool autoflush = s->autoflush;
    lua_pushcfunction(L, load_protected);
    lua_pushvalue(L, idx);
    lua_pushlightuserdata(L, r);
    s->autoflush = false;
    int status = lua_pcall(L, 2, 0, 0);
    s->autoflush = autoflush;
    if (status != LUA_OK)
        lua_error(L);
}

/*
** Pushes what a scalar is now as far as it is known without SQL: the loaded value, or the
** object that the foreign key leads to in the identity map; nil when not known.
*/
static void push_current(lua_State *L, int idx, pl_object *o, pl_relation *r) {
    plua_relation_peek(L, idx, o, r);
    if (!lua_isnil(L, -1) || !(o->status & PL_OBJ_KEYED))
        return;
    lua_pop(L, 1);
    if (r->direction == PL_MANY_TO_ONE) {
        plua_identity_of(L, o, r);
        if (!lua_isnil(L, -1) || !(r->cascade & PL_CASCADE_ORPHAN))
            return;
        lua_pop(L, 1); /* what it leaves must be known: it is deleted */
    }
    if (pl_object_attached(o)) {
        load_quietly(L, idx, o, r);
        plua_relation_peek(L, idx, o, r);
    } else
        lua_pushnil(L);
}

void plua_relation_alive(lua_State *L, const pl_relation *r, const pl_object *owner,
                         const pl_object *o) {
    bool deleted = pl_object_state(o) == PL_DELETED && pl_object_attached(o);
    if (!(deleted || (o->status & PL_OBJ_ERASED)) || !(r->cascade & PL_CASCADE_SAVE) ||
        !pl_object_attached(owner))
        return;
    plua_instance_describe(L, o);
    plua_raise_hint(L, PL_EINVALID, "use perilune.make_transient, or make a new object",
                    "Instance '%s' has been deleted", lua_tostring(L, -1));
}

/* Pushes the parent that an object is known to have by a single_parent relationship. */
static void push_parent(lua_State *L, const pl_relation *r, int child) {
    plua_state_peek(L, child, lua_touserdata(L, child));
    if (lua_istable(L, -1)) {
        lua_rawgetp(L, -1, r);
        lua_remove(L, -2);
    }
}

void plua_relation_single(lua_State *L, const pl_relation *r, const pl_object *owner,
                          int child) {
    if (!r->args.single_parent)
        return;
    push_parent(L, r, child);
    const pl_object *parent = lua_touserdata(L, -1);
    if (lua_isuserdata(L, -1) && parent != owner &&
        parent->mapper->root == owner->mapper->root) {
        plua_instance_describe(L, lua_touserdata(L, child));
        plua_raise_hint(L, PL_EINVALID, "take it from there first",
                        "Instance %s is already associated with an instance of %s via "
                        "its %s.%s attribute, and is only allowed a single parent.",
                        lua_tostring(L, -1), parent->mapper->name, r->mapper->name,
                        r->name);
    }
    lua_pop(L, 1);
}

void plua_relation_own(lua_State *L, const pl_relation *r, int owner, int child) {
    if (!r->args.single_parent)
        return;
    owner = lua_absindex(L, owner);
    plua_state_table(L, child, lua_touserdata(L, child));
    lua_pushvalue(L, owner);
    lua_rawsetp(L, -2, r);
    lua_pop(L, 1);
}

void plua_relation_disown(lua_State *L, const pl_relation *r, int owner, int child) {
    if (!r->args.single_parent)
        return;
    push_parent(L, r, child);
    if (lua_rawequal(L, -1, owner)) {
        lua_getiuservalue(L, child, 1);
        lua_pushnil(L);
        lua_rawsetp(L, -2, r);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* Sets a scalar to the value at val with history; the old value stays on the stack. */
static void change_scalar(lua_State *L, int idx, pl_object *o, pl_relation *r, int val) {
    push_current(L, idx, o, r);
    int old = lua_gettop(L);
    remember(L, idx, o, r, old);
    put(L, idx, o, r, val);
    if (lua_isuserdata(L, old))
        plua_relation_disown(L, r, idx, old);
    if (lua_isuserdata(L, val))
        plua_relation_own(L, r, idx, val);
    plua_relation_touch(L, idx, o);
}

void plua_relation_orphan(lua_State *L, const pl_relation *r, int child) {
    pl_object *o = lua_touserdata(L, child);
    if (!(r->cascade & PL_CASCADE_ORPHAN) || r->direction != PL_ONE_TO_MANY)
        return;
    o->status |= PL_OBJ_ORPHAN;
    plua_session *s = plua_object_session(o);
    if (s)
        plua_session_pin(L, s, child, o);
}

bool plua_relation_is_orphan(lua_State *L, int idx, const pl_object *o) {
    bool known = false;
    for (size_t i = 0; i < o->mapper->nrelations; i++) {
        const pl_relation *r = o->mapper->relations[i];
        if (r->direction != PL_MANY_TO_ONE || !r->back ||
            !(r->back->cascade & PL_CASCADE_ORPHAN))
            continue;
        plua_relation_peek(L, idx, o, r);
        plua_relation_old(L, idx, o, r);
        bool lost = (o->status & PL_OBJ_ORPHAN) && lua_isnil(L, -2); /* by its expiry */
        bool lacks = !lua_isuserdata(L, -2) &&
                     (!(o->status & PL_OBJ_KEYED) || !lua_isnil(L, -1) || lost);
        lua_pop(L, 2);
        if (lacks)
            return true;
        known = true;
    }
    return !known;
}

void plua_relation_drop_orphan(lua_State *L, const pl_relation *r, int child) {
    pl_object *o = lua_touserdata(L, child);
    plua_session *s = plua_object_session(o);
    if (!(r->cascade & PL_CASCADE_ORPHAN) || !(o->status & PL_OBJ_ORPHAN) || !s ||
        pl_object_state(o) != PL_PENDING || !plua_relation_is_orphan(L, child, o))
        return;
    o->status &= ~(uint32_t)PL_OBJ_ORPHAN;
    plua_session_forget(L, s, child, o, PL_TRANSIENT);
    plua_event_queue(L, s, "pending_to_transient", child);
    plua_event_tell(L, s);
}

static void set_scalar(lua_State *L, int idx, pl_object *o, pl_relation *r, int val) {
    pl_object *now = lua_isnil(L, val) ? NULL : plua_relation_check(L, r, val);
    if (now) {
        plua_relation_alive(L, r, o, now);
        plua_relation_single(L, r, o, val);
    }
    change_scalar(L, idx, o, r, val);
    int old = lua_gettop(L);
    pl_object *was = lua_touserdata(L, old);
    if (was != now) {
        if (was) {
            plua_relation_orphan(L, r, old);
            plua_back_unlink(L, r, idx, o, old, was);
            plua_relation_drop_orphan(L, r, old);
        }
        if (now)
            plua_back_link(L, r, idx, o, val, now);
    }
    if (now)
        plua_relation_cascade(L, r, idx, o, val, now);
    lua_settop(L, old - 1);
}

void plua_relation_set(lua_State *L, int idx, pl_object *o, pl_relation *r, int val) {
    idx = lua_absindex(L, idx);
    plua_configure(L, plua_db_of(o->mapper->tables[0].table->metadata));
    if (r->viewonly)
        plua_raise(L, PL_EATTRIBUTE, "%s.%s is viewonly and cannot be set",
                   o->mapper->name, r->name);
    int top = lua_gettop(L);
    lua_pushvalue(L, val);
    if (plua_is_null(L, -1)) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
    if (r->uselist) {
        if (lua_isnil(L, top + 1))
            plua_raise_hint(L, PL_ETYPE, "assign {} or call :clear() to empty it",
                            "%s.%s is a list and cannot be nil", o->mapper->name,
                            r->name);
        plua_collection *c = plua_collection_of(L, idx, o, r);
        plua_collection_replace(L, top + 2, c, top + 1);
    } else {
        set_scalar(L, idx, o, r, top + 1);
    }
    lua_settop(L, top);
}

/* ---- the other side ---------------------------------------------------------------- */

/* On the one side of a pair a scalar points elsewhere: the old holder lets go of it. */
static void steal(lua_State *L, pl_relation *back, int b, int a) {
    pl_object *old = lua_touserdata(L, -1);
    if (!old || old == lua_touserdata(L, a) || !back->back)
        return;
    int oldidx = lua_gettop(L);
    plua_relation_orphan(L, back, oldidx);
    plua_back_unlink(L, back, b, lua_touserdata(L, b), oldidx, old);
    plua_relation_drop_orphan(L, back, oldidx);
}

void plua_back_link(lua_State *L, const pl_relation *r, int a, pl_object *oa, int b,
                    pl_object *ob) {
    pl_relation *back = r->back;
    (void)oa;
    if (!back || back->viewonly)
        return;
    int top = lua_gettop(L);
    if (back->uselist) {
        plua_collection *c = plua_collection_of(L, b, ob, back);
        plua_collection_link(L, top + 1, c, a);
    } else {
        plua_event_back(L, "set", b, back, a);
        change_scalar(L, b, ob, back, a);
        steal(L, back, b, a);
    }
    lua_settop(L, top);
}

void plua_back_unlink(lua_State *L, const pl_relation *r, int a, pl_object *oa, int b,
                      pl_object *ob) {
    pl_relation *back = r->back;
    if (!back || back->viewonly)
        return;
    int top = lua_gettop(L);
    if (back->uselist) {
        plua_collection *c = plua_collection_of(L, b, ob, back);
        plua_collection_unlink(L, top + 1, c, a);
        plua_relation_drop_orphan(L, back, a);
    } else {
        push_current(L, b, ob, back);
        if (lua_touserdata(L, -1) == oa) {
            plua_event_back(L, "set", b, back, 0);
            plua_relation_orphan(L, back, a);
            lua_pushnil(L);
            change_scalar(L, b, ob, back, lua_gettop(L));
            plua_relation_drop_orphan(L, back, a);
        }
    }
    lua_settop(L, top);
}

/* The new object at idx follows the one at `owner` into its session, unless it would lead
** back to an object that is deleted: that cannot be added. */
static void follow(lua_State *L, plua_session *s, int idx, int owner, const pl_object *o,
                   const pl_relation *to_owner) {
    bool leads = to_owner && (to_owner->cascade & PL_CASCADE_SAVE);
    plua_session_add(L, s, leads && pl_object_state(o) == PL_DELETED ? owner : idx);
}

void plua_relation_cascade(lua_State *L, const pl_relation *r, int a, pl_object *oa,
                           int b, pl_object *ob) {
    plua_session *sa = plua_object_session(oa);
    plua_session *sb = plua_object_session(ob);
    if (sa && !sb && (r->cascade & PL_CASCADE_SAVE) && !r->viewonly)
        follow(L, sa, b, a, oa, r->back);
    else if (sb && !sa && r->back && (r->back->cascade & PL_CASCADE_SAVE))
        follow(L, sb, a, b, ob, r);
}

/* ---- forgetting -------------------------------------------------------------------- */

void plua_relation_forget(lua_State *L, int state, const pl_relation *r) {
    lua_pushstring(L, r->name);
    lua_rawget(L, state);
    plua_collection *c = plua_test_collection(L, -1);
    if (c) {
        plua_collection_expire(L, lua_gettop(L), c);
    } else if (!lua_isnil(L, -1)) {
        lua_pushstring(L, r->name);
        lua_pushnil(L);
        lua_rawset(L, state);
    }
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_rawseti(L, state, history_key(r));
}

static void settle_one(lua_State *L, int state, pl_object *o, const pl_relation *r) {
    lua_pushnil(L);
    lua_rawseti(L, state, history_key(r));
    if (!r->uselist)
        return;
    lua_pushstring(L, r->name);
    lua_rawget(L, state);
    plua_collection *c = plua_test_collection(L, -1);
    if (c && !c->loaded)
        plua_collection_expire(L, lua_gettop(L), c);
    else if (c)
        plua_collection_settle(L, lua_gettop(L), c);
    lua_pop(L, 1);
    (void)o;
}

void plua_relation_settle(lua_State *L, int idx, pl_object *o) {
    if (!(o->status & PL_OBJ_TABLE))
        return;
    lua_getiuservalue(L, idx, 1);
    for (size_t i = 0; i < o->mapper->nrelations; i++)
        settle_one(L, lua_gettop(L), o, o->mapper->relations[i]);
    lua_pop(L, 1);
}

void plua_relation_refreshed(lua_State *L, int idx, pl_object *o) {
    if (!(o->status & PL_OBJ_TABLE))
        return;
    lua_getiuservalue(L, idx, 1);
    for (size_t i = 0; i < o->mapper->nrelations; i++) {
        const pl_relation *r = o->mapper->relations[i];
        if (r->uselist)
            continue;
        if (lua_rawgeti(L, -1, history_key(r)) == LUA_TNIL) {
            lua_pushstring(L, r->name);
            lua_pushnil(L);
            lua_rawset(L, -4);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* Whether a foreign key's value came from the object that its relationship holds. */
static bool from_relation(lua_State *L, int idx, const pl_object *o, uint16_t slot) {
    bool found = false;
    for (size_t i = 0; i < o->mapper->nrelations && !found; i++) {
        const pl_relation *r = o->mapper->relations[i];
        if (r->direction != PL_MANY_TO_ONE || r->npairs == 0 ||
            r->pairs[0].local_slot != slot)
            continue;
        plua_relation_peek(L, idx, o, r);
        plua_relation_old(L, idx, o, r);
        found =
            lua_isuserdata(L, -2) && (!lua_isnil(L, -1) || !(o->status & PL_OBJ_KEYED));
        lua_pop(L, 2);
    }
    return found;
}

bool plua_relation_bypassed(lua_State *L, int idx, const pl_object *o) {
    for (uint16_t i = 0; i < o->mapper->nslots; i++) {
        const pl_column *c = o->mapper->attrs[i].column;
        const pl_slot *v = &o->slots[i];
        if (!c || !c->foreign || !(v->flags & PL_SLOT_CHANGED))
            continue;
        if (v->tag == PL_NULL && !(o->status & PL_OBJ_KEYED))
            continue;
        if (!from_relation(L, idx, o, i))
            return true;
    }
    return false;
}

/* ---- walking ----------------------------------------------------------------------- */

/* A walk through objects; each is marked with the number of the walk that saw it. */
typedef struct walk {
    int list; /* stack index of the objects found */
    lua_Integer n;
    uint32_t number;
} walk;

/* Puts the object on top on the list, once. [-1, +0] */
static void enqueue(lua_State *L, walk *w) {
    pl_object *o = lua_touserdata(L, -1);
    if (o->walk == w->number) {
        lua_pop(L, 1);
        return;
    }
    o->walk = w->number;
    lua_rawseti(L, w->list, ++w->n);
}

static void enqueue_items(lua_State *L, walk *w, int idx, const plua_collection *c,
                          bool unread) {
    lua_getiuservalue(L, idx, PLUA_C_ITEMS);
    for (lua_Integer i = 1; i <= c->n; i++) {
        lua_rawgeti(L, -1, i);
        enqueue(L, w);
    }
    lua_pop(L, 1);
    lua_getiuservalue(L, idx, PLUA_C_ADDED);
    bool more = unread && !c->loaded && c->has_added;
    lua_Integer n = more ? (lua_Integer)lua_rawlen(L, -1) : 0;
    for (lua_Integer i = 1; i <= n; i++) {
        if (lua_rawgeti(L, -1, i) == LUA_TUSERDATA)
            enqueue(L, w);
        else
            lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* What a relationship of the object at idx leads to goes on the work list, but for expiry
** what was put into a list that was not read. */
static void enqueue_related(lua_State *L, walk *w, int idx, pl_object *o, pl_relation *r,
                            unsigned cascade) {
    plua_relation_peek(L, idx, o, r);
    int top = lua_gettop(L);
    plua_collection *c = plua_test_collection(L, top);
    if (c)
        enqueue_items(L, w, top, c, cascade != PL_CASCADE_REFRESH);
    else if (lua_isuserdata(L, top)) {
        enqueue(L, w);
        return;
    }
    lua_settop(L, top - 1);
}

/* Loads what the delete cascade must see, unless the database sees to it. */
static void load_for_delete(lua_State *L, int idx, pl_object *o, pl_relation *r) {
    if (!(o->status & PL_OBJ_KEYED) || r->passive_deletes != PL_PASSIVE_NO)
        return;
    if (r->lazy == PL_LAZY_DYNAMIC || r->lazy == PL_LAZY_WRITE_ONLY ||
        r->lazy == PL_LAZY_RAISE) {
        plua_load_for_flush(L, idx, o, r);
        return;
    }
    plua_relation_get(L, idx, o, r);
    lua_pop(L, 1);
}

void plua_relation_reach(lua_State *L, plua_session *s, int idx, unsigned cascade,
                         plua_visit visit) {
    idx = lua_absindex(L, idx);
    lua_newtable(L);
    walk w = {lua_gettop(L), 0, ++plua_rt(L)->walks};
    lua_pushvalue(L, idx);
    enqueue(L, &w);
    for (lua_Integer i = 1; i <= w.n; i++) {
        lua_rawgeti(L, w.list, i);
        int at = lua_gettop(L);
        pl_object *o = lua_touserdata(L, at);
        bool on = visit(L, s, at, o);
        for (size_t k = 0; on && k < o->mapper->nrelations; k++) {
            pl_relation *r = o->mapper->relations[k];
            if (!(r->cascade & cascade) || r->viewonly)
                continue;
            if (cascade & PL_CASCADE_DELETE)
                load_for_delete(L, at, o, r);
            enqueue_related(L, &w, at, o, r, cascade);
        }
        lua_settop(L, w.list);
    }
}

void plua_relation_walk(lua_State *L, plua_session *s, int idx, unsigned cascade,
                        plua_visit visit) {
    plua_relation_reach(L, s, idx, cascade, visit);
    lua_pop(L, 1);
}
