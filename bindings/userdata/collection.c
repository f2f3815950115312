/* SPDX-License-Identifier: MIT */
/*
** collection.c - see collection.h. To Lua a collection is an array: # [i] ipairs and the
** functions of `table` work on it; every change keeps the other side in step.
*/
#include "userdata/collection.h"
#include "userdata/event.h"
#include "userdata/loader.h"
#include "userdata/order.h"

#include <string.h>

plua_collection *plua_test_collection(lua_State *L, int idx) {
    return plua_test(L, idx, PLUA_COLLECTION);
}

static void push_part(lua_State *L, int idx, int part) {
    lua_getiuservalue(L, idx, part);
}

static void new_part(lua_State *L, int idx, int part) {
    lua_newtable(L);
    lua_setiuservalue(L, idx, part);
}

static plua_collection *new_collection(lua_State *L, int owner, pl_object *o,
                                       pl_relation *r) {
    plua_collection *c = lua_newuserdatauv(L, sizeof *c, PLUA_C_OWNER);
    memset(c, 0, sizeof *c);
    c->relation = r;
    c->owner = o;
    c->loaded = !(o->status & PL_OBJ_KEYED);
    c->epoch = o->epoch;
    luaL_setmetatable(L, PLUA_COLLECTION);
    new_part(L, lua_gettop(L), PLUA_C_ITEMS);
    lua_pushvalue(L, owner);
    lua_setiuservalue(L, -2, PLUA_C_OWNER);
    return c;
}

plua_collection *plua_collection_of(lua_State *L, int idx, pl_object *o, pl_relation *r) {
    idx = lua_absindex(L, idx);
    plua_state_table(L, idx, o);
    lua_pushstring(L, r->name);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TUSERDATA) {
        lua_replace(L, -3);
        lua_pop(L, 1);
        return lua_touserdata(L, -1);
    }
    lua_pop(L, 1);
    plua_collection *c = new_collection(L, idx, o, r);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -5);
    lua_replace(L, -3);
    lua_pop(L, 1);
    return c;
}

/* ---- ordered sets of what changed -------------------------------------------------- */

enum { SCAN = 16 }; /* items that are looked through; more have their places by item */

/* The place of an item in the set on top, or 0. */
static lua_Integer place_of(lua_State *L, int item) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1), at = 0;
    if (n > SCAN) {
        lua_pushvalue(L, item);
        lua_rawget(L, -2);
        at = lua_tointeger(L, -1);
        lua_pop(L, 1);
        return at;
    }
    const void *p = lua_touserdata(L, item);
    for (lua_Integer i = 1; i <= n && !at; i++) {
        lua_rawgeti(L, -1, i);
        if (lua_touserdata(L, -1) == p)
            at = i;
        lua_pop(L, 1);
    }
    return at;
}

bool plua_collection_in(lua_State *L, int idx, int part, int item) {
    push_part(L, idx, part);
    bool has = lua_istable(L, -1) && place_of(L, item) != 0;
    lua_pop(L, 1);
    return has;
}

/* Notes the place of entry i of the set on top. */
static void note_place(lua_State *L, lua_Integer i) {
    if (lua_rawgeti(L, -1, i) == LUA_TUSERDATA) {
        lua_pushinteger(L, i);
        lua_rawset(L, -3);
    } else {
        lua_pop(L, 1);
    }
}

static void set_add(lua_State *L, int idx, int part, int item) {
    push_part(L, idx, part);
    if (!lua_istable(L, -1)) {
        lua_pop(L, 1);
        new_part(L, idx, part);
        push_part(L, idx, part);
    }
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1) + 1;
    lua_pushvalue(L, item);
    lua_rawseti(L, -2, n);
    for (lua_Integer i = n == SCAN + 1 ? 1 : n; n > SCAN && i <= n; i++)
        note_place(L, i);
    lua_pop(L, 1);
}

/* Removes an entry; the order of the rest stays (its place holds false). */
static void set_drop(lua_State *L, int idx, int part, int item) {
    push_part(L, idx, part);
    lua_Integer at = place_of(L, item);
    lua_pushboolean(L, 0);
    lua_rawseti(L, -2, at);
    lua_pushvalue(L, item);
    lua_pushnil(L);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

static void record_added(lua_State *L, int idx, plua_collection *c, int item) {
    pl_object *o = lua_touserdata(L, item);
    o->status &= ~(uint32_t)PL_OBJ_ORPHAN;
    if (c->has_removed && plua_collection_in(L, idx, PLUA_C_REMOVED, item)) {
        set_drop(L, idx, PLUA_C_REMOVED, item);
        return;
    }
    if (c->has_added && plua_collection_in(L, idx, PLUA_C_ADDED, item))
        return;
    set_add(L, idx, PLUA_C_ADDED, item);
    c->has_added = true;
}

static void record_removed(lua_State *L, int idx, plua_collection *c, int item) {
    plua_relation_orphan(L, c->relation, item);
    if (c->has_added && plua_collection_in(L, idx, PLUA_C_ADDED, item)) {
        set_drop(L, idx, PLUA_C_ADDED, item);
        return;
    }
    if (c->has_removed && plua_collection_in(L, idx, PLUA_C_REMOVED, item))
        return;
    set_add(L, idx, PLUA_C_REMOVED, item);
    c->has_removed = true;
}

/* ---- membership -------------------------------------------------------------------- */

static void count(lua_State *L, int idx, int item, int by) {
    push_part(L, idx, PLUA_C_COUNTS);
    lua_pushvalue(L, item);
    lua_pushvalue(L, item);
    lua_rawget(L, -3);
    lua_Integer n = lua_tointeger(L, -1) + by;
    lua_pop(L, 1);
    if (n > 0)
        lua_pushinteger(L, n);
    else
        lua_pushnil(L);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

static void build_counts(lua_State *L, int idx, plua_collection *c) {
    new_part(L, idx, PLUA_C_COUNTS);
    push_part(L, idx, PLUA_C_ITEMS);
    for (lua_Integer i = 1; i <= c->n; i++) {
        lua_rawgeti(L, -1, i);
        count(L, idx, lua_gettop(L), 1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    c->counted = true;
}

/* Position of an item from 1, or 0. */
static lua_Integer find(lua_State *L, int idx, const plua_collection *c, int item) {
    push_part(L, idx, PLUA_C_ITEMS);
    const void *p = lua_touserdata(L, item);
    lua_Integer found = 0;
    for (lua_Integer i = 1; i <= c->n && !found; i++) {
        lua_rawgeti(L, -1, i);
        if (lua_touserdata(L, -1) == p)
            found = i;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return found;
}

static bool has(lua_State *L, int idx, plua_collection *c, int item) {
    if (c->n <= SCAN)
        return find(L, idx, c, item) != 0;
    if (!c->counted)
        build_counts(L, idx, c);
    push_part(L, idx, PLUA_C_COUNTS);
    lua_pushvalue(L, item);
    bool there = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 2);
    return there;
}

bool plua_collection_has(lua_State *L, int idx, plua_collection *c, int item) {
    return has(L, idx, c, item);
}

/* ---- items ------------------------------------------------------------------------- */

static void items_append(lua_State *L, int idx, plua_collection *c, int item) {
    push_part(L, idx, PLUA_C_ITEMS);
    lua_pushvalue(L, item);
    lua_rawseti(L, -2, ++c->n);
    lua_pop(L, 1);
    if (c->counted)
        count(L, idx, item, 1);
}

static void items_insert(lua_State *L, int idx, plua_collection *c, lua_Integer at,
                         int item) {
    push_part(L, idx, PLUA_C_ITEMS);
    for (lua_Integer i = c->n; i >= at; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushvalue(L, item);
    lua_rawseti(L, -2, at);
    lua_pop(L, 1);
    c->n++;
    if (c->counted)
        count(L, idx, item, 1);
}

static void items_delete(lua_State *L, int idx, plua_collection *c, lua_Integer at,
                         int item) {
    push_part(L, idx, PLUA_C_ITEMS);
    for (lua_Integer i = at; i < c->n; i++) {
        lua_rawgeti(L, -1, i + 1);
        lua_rawseti(L, -2, i);
    }
    lua_pushnil(L);
    lua_rawseti(L, -2, c->n);
    lua_pop(L, 1);
    c->n--;
    if (c->counted)
        count(L, idx, item, -1);
}

/* ---- loading ----------------------------------------------------------------------- */

void plua_collection_begin_load(lua_State *L, int idx, plua_collection *c) {
    if (c->n > 0 || c->filling) /* else the empty table will do */
        new_part(L, idx, PLUA_C_ITEMS);
    c->n = 0;
    c->filling = 0;
    c->counted = false;
}

void plua_collection_put(lua_State *L, int idx, plua_collection *c) {
    int item = lua_gettop(L);
    if (!c->has_removed || !plua_collection_in(L, idx, PLUA_C_REMOVED, item)) {
        push_part(L, idx, PLUA_C_ITEMS);
        lua_pushvalue(L, item);
        lua_rawseti(L, -2, ++c->n);
        lua_pop(L, 1);
        if (c->counted)
            count(L, idx, item, 1);
    }
    lua_pop(L, 1);
}

/* Puts what was added before loading behind what was loaded. */
static void append_added(lua_State *L, int idx, plua_collection *c) {
    push_part(L, idx, PLUA_C_ADDED);
    int added = lua_gettop(L);
    lua_Integer n = (lua_Integer)lua_rawlen(L, added);
    for (lua_Integer i = 1; i <= n; i++) {
        if (lua_rawgeti(L, added, i) == LUA_TUSERDATA && !has(L, idx, c, added + 1))
            items_append(L, idx, c, added + 1);
        lua_settop(L, added);
    }
    lua_pop(L, 1);
}

void plua_collection_end_load(lua_State *L, int idx, plua_collection *c) {
    if (c->has_added)
        append_added(L, idx, c);
    c->loaded = true;
    c->epoch = c->owner->epoch;
    c->order = c->owner->session ? c->owner->session->order : 0;
    c->filter = c->owner->session ? c->owner->session->filter : 0;
}

void plua_collection_ensure(lua_State *L, int idx, plua_collection *c) {
    pl_object *o = c->owner;
    if (plua_collection_current(L, idx, c))
        return;
    if (!(o->status & PL_OBJ_KEYED) || pl_object_state(o) == PL_DELETED) {
        c->loaded = true;
        return;
    }
    idx = lua_absindex(L, idx);
    lua_getiuservalue(L, idx, PLUA_C_OWNER);
    if (pl_object_attached(o) && !pl_object_fresh(o))
        plua_touch(L, lua_gettop(L), o);
    if (!plua_collection_current(L, idx, c))
        plua_load_relation(L, lua_gettop(L), o, c->relation);
    lua_pop(L, 1);
}

void plua_collection_settle(lua_State *L, int idx, plua_collection *c) {
    if (c->has_added || c->has_removed) {
        if (c->has_added && c->relation->args.order_by && plua_object_session(c->owner))
            plua_object_session(c->owner)->order_written = true;
        lua_pushnil(L);
        lua_setiuservalue(L, idx, PLUA_C_ADDED);
        lua_pushnil(L);
        lua_setiuservalue(L, idx, PLUA_C_REMOVED);
        c->has_added = c->has_removed = false;
    }
    if (!c->owner->session)
        return;
    c->epoch = c->owner->session->epoch;
    if (!(c->owner->status & PL_OBJ_KEYED)) { /* of a new object: nothing was before it */
        c->order = c->owner->session->order;
        c->filter = c->owner->session->filter;
    }
}

void plua_collection_expire(lua_State *L, int idx, plua_collection *c) {
    idx = lua_absindex(L, idx);
    plua_collection_begin_load(L, idx, c);
    plua_collection_settle(L, idx, c);
    c->loaded = false;
}

/* ---- changes that keep both sides in step ------------------------------------------ */

/* Numbers the items from..to of an ordering list by their places. */
static void number(lua_State *L, int idx, const plua_collection *c, lua_Integer from,
                   lua_Integer to) {
    const pl_relation_args *a = &c->relation->args;
    if (!a->numbered)
        return;
    push_part(L, idx, PLUA_C_ITEMS);
    int items = lua_gettop(L);
    for (lua_Integer i = from; i <= to && lua_rawgeti(L, items, i) == LUA_TUSERDATA;
         i++) {
        lua_Integer place = i - 1 + a->first_number;
        lua_getfield(L, -1, a->numbered);
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) != place) {
            lua_pushinteger(L, place);
            lua_setfield(L, items + 1, a->numbered);
        }
        lua_settop(L, items);
    }
    lua_settop(L, items - 1);
}

static void tell_back(lua_State *L, const char *name, int idx, plua_collection *c,
                      int item) {
    lua_getiuservalue(L, idx, PLUA_C_OWNER);
    plua_event_back(L, name, lua_gettop(L), c->relation, item);
    lua_pop(L, 1);
}

void plua_collection_link(lua_State *L, int idx, plua_collection *c, int item) {
    if (c->relation->lazy ==
        PL_LAZY_NOLOAD) /* has what is put into it, and nothing else */
        plua_collection_ensure(L, idx, c);
    if (c->loaded ? has(L, idx, c, item) : plua_collection_in(L, idx, PLUA_C_ADDED, item))
        return;
    tell_back(L, "append", idx, c, item);
    if (c->loaded)
        items_append(L, idx, c, item);
    record_added(L, idx, c, item);
    lua_getiuservalue(L, idx, PLUA_C_OWNER);
    plua_relation_own(L, c->relation, lua_gettop(L), item);
    plua_relation_touch(L, lua_gettop(L), c->owner);
    lua_pop(L, 1);
    if (c->loaded)
        number(L, idx, c, c->n, c->n);
}

void plua_collection_unlink(lua_State *L, int idx, plua_collection *c, int item) {
    if (c->loaded && find(L, idx, c, item) == 0)
        return;
    tell_back(L, "remove", idx, c, item);
    lua_Integer at = c->loaded ? find(L, idx, c, item) : 0;
    if (at != 0)
        items_delete(L, idx, c, at, item);
    record_removed(L, idx, c, item);
    lua_getiuservalue(L, idx, PLUA_C_OWNER);
    plua_relation_disown(L, c->relation, lua_gettop(L), item);
    plua_relation_touch(L, lua_gettop(L), c->owner);
    lua_pop(L, 1);
    if (at != 0)
        number(L, idx, c, at, c->n);
}

/* Everything that follows from an item having been put into the items. */
static void after_add(lua_State *L, int idx, plua_collection *c, int item) {
    pl_object *o = lua_touserdata(L, item);
    record_added(L, idx, c, item);
    lua_getiuservalue(L, idx, PLUA_C_OWNER);
    int owner = lua_gettop(L);
    plua_relation_own(L, c->relation, owner, item);
    if (!c->relation->viewonly)
        plua_relation_touch(L, owner, c->owner);
    plua_back_link(L, c->relation, owner, c->owner, item, o);
    plua_relation_cascade(L, c->relation, owner, c->owner, item, o);
    lua_settop(L, owner - 1);
}

static void after_remove(lua_State *L, int idx, plua_collection *c, int item) {
    pl_object *o = lua_touserdata(L, item);
    lua_getiuservalue(L, idx, PLUA_C_OWNER);
    int owner = lua_gettop(L);
    plua_event_remove(L, c, owner, item);
    record_removed(L, idx, c, item);
    plua_relation_disown(L, c->relation, owner, item);
    if (!c->relation->viewonly)
        plua_relation_touch(L, owner, c->owner);
    plua_back_unlink(L, c->relation, owner, c->owner, item, o);
    plua_relation_drop_orphan(L, c->relation, item);
    lua_settop(L, owner - 1);
}

/* Checks an item, lets listeners see (and replace) it: the value at item is the one to
 * use. */
static void check_item(lua_State *L, int idx, plua_collection *c, int item) {
    plua_relation_check(L, c->relation, item);
    lua_getiuservalue(L, idx, PLUA_C_OWNER);
    plua_event_append(L, c, lua_gettop(L), item);
    lua_pop(L, 1);
    plua_relation_alive(L, c->relation, c->owner, lua_touserdata(L, item));
    plua_relation_single(L, c->relation, c->owner, item);
}

static void do_append(lua_State *L, int idx, plua_collection *c, int item) {
    check_item(L, idx, c, item);
    items_append(L, idx, c, item);
    after_add(L, idx, c, item);
    number(L, idx, c, c->n, c->n);
}

static void do_delete(lua_State *L, int idx, plua_collection *c, lua_Integer at) {
    push_part(L, idx, PLUA_C_ITEMS);
    lua_rawgeti(L, -1, at);
    lua_remove(L, -2);
    int item = lua_gettop(L);
    items_delete(L, idx, c, at, item);
    if (!has(L, idx, c, item))
        after_remove(L, idx, c, item);
    lua_settop(L, item);
}

/* Overwrites entry `at`: the old item goes unless it stands elsewhere too. */
static void do_replace(lua_State *L, int idx, plua_collection *c, lua_Integer at,
                       int item) {
    check_item(L, idx, c, item);
    push_part(L, idx, PLUA_C_ITEMS);
    lua_rawgeti(L, -1, at);
    int old = lua_gettop(L);
    lua_pushvalue(L, item);
    lua_rawseti(L, old - 1, at);
    if (c->counted) {
        count(L, idx, old, -1);
        count(L, idx, item, 1);
    }
    if (!lua_rawequal(L, old, item)) {
        if (!has(L, idx, c, old))
            after_remove(L, idx, c, old);
        after_add(L, idx, c, item);
    }
    number(L, idx, c, at, at);
    lua_settop(L, old - 2);
}

void plua_collection_queue(lua_State *L, int idx, plua_collection *c, int item,
                           bool add) {
    plua_relation_check(L, c->relation, item);
    if (add && c->loaded) {
        if (!has(L, idx, c, item))
            do_append(L, idx, c, item);
    } else if (add && !plua_collection_in(L, idx, PLUA_C_ADDED, item)) {
        check_item(L, idx, c, item);
        after_add(L, idx, c, item);
    } else if (!add && c->loaded) {
        lua_Integer at = find(L, idx, c, item);
        if (at > 0)
            do_delete(L, idx, c, at);
    } else if (!add) {
        after_remove(L, idx, c, item);
    }
}

static bool list_has(lua_State *L, int set, int item) {
    lua_pushvalue(L, item);
    bool found = lua_rawget(L, set) != LUA_TNIL;
    lua_pop(L, 1);
    return found;
}

/* Copies the list at `list` to a new array on top, with a set of its items above it. */
static lua_Integer copy_list(lua_State *L, const plua_collection *c, int list) {
    if (!lua_istable(L, list) && !plua_test_collection(L, list))
        plua_raise_hint(L, PL_ETYPE, "assign a list: {a, b}",
                        "%s.%s is a list and cannot be set to %s", c->owner->mapper->name,
                        c->relation->name, plua_typename(L, list));
    lua_Integer n = luaL_len(L, list);
    lua_createtable(L, (int)n, 0);
    lua_newtable(L);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, list, i);
        plua_relation_check(L, c->relation, lua_gettop(L));
        lua_pushvalue(L, -1);
        lua_rawseti(L, -4, i);
        lua_pushboolean(L, 1);
        lua_rawset(L, -3);
    }
    return n;
}

void plua_collection_replace(lua_State *L, int idx, plua_collection *c, int list) {
    idx = lua_absindex(L, idx);
    list = lua_absindex(L, list);
    plua_collection_ensure(L, idx, c);
    lua_pushvalue(L, list);
    list = lua_gettop(L);
    lua_getiuservalue(L, idx, PLUA_C_OWNER);
    plua_event_replace(L, c, list + 1, list);
    lua_settop(L, list);
    lua_Integer n = copy_list(L, c, list);
    int set = lua_gettop(L);
    for (lua_Integer i = c->n; i >= 1; i--) {
        push_part(L, idx, PLUA_C_ITEMS);
        lua_rawgeti(L, -1, i);
        if (!list_has(L, set, lua_gettop(L)))
            do_delete(L, idx, c, i);
        lua_settop(L, set);
    }
    lua_newtable(L);
    int kept = lua_gettop(L);
    for (lua_Integer i = 1; i <= c->n; i++) {
        push_part(L, idx, PLUA_C_ITEMS);
        lua_rawgeti(L, -1, i);
        lua_pushboolean(L, 1);
        lua_rawset(L, kept);
        lua_settop(L, kept);
    }
    plua_collection_begin_load(L, idx, c);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, set - 1, i);
        int item = lua_gettop(L);
        if (list_has(L, kept, item))
            items_append(L, idx, c, item);
        else
            do_append(L, idx, c, item);
        lua_settop(L, kept);
    }
    number(L, idx, c, 1, c->n);
    lua_settop(L, list - 1);
}

/* ---- methods ----------------------------------------------------------------------- */

static plua_collection *check(lua_State *L, const char *method) {
    plua_collection *c = plua_checkself(L, PLUA_COLLECTION, method);
    plua_collection_ensure(L, 1, c);
    return c;
}

/* An item that is there stays once: the other side of a pair may have put it there. */
static void append_new(lua_State *L, plua_collection *c, int item) {
    plua_relation_check(L, c->relation, item);
    if (!has(L, 1, c, item))
        do_append(L, 1, c, item);
}

static int collection_append(lua_State *L) {
    plua_collection *c = check(L, "append");
    lua_settop(L, 2);
    append_new(L, c, 2);
    return 0;
}

static int collection_extend(lua_State *L) {
    plua_collection *c = check(L, "extend");
    lua_Integer n = luaL_len(L, 2);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, 2, i);
        append_new(L, c, 3);
        lua_settop(L, 2);
    }
    return 0;
}

static int collection_insert(lua_State *L) {
    plua_collection *c = check(L, "insert");
    lua_Integer at = plua_need_integer(L, 2);
    lua_settop(L, 3);
    if (at < 1 || at > c->n + 1)
        plua_raise(L, PL_EARGUMENT, "insert: position %I is not in 1..%I", at, c->n + 1);
    check_item(L, 1, c, 3);
    items_insert(L, 1, c, at, 3);
    after_add(L, 1, c, 3);
    number(L, 1, c, at, c->n);
    return 0;
}

static int collection_remove(lua_State *L) {
    plua_collection *c = check(L, "remove");
    lua_settop(L, 2);
    plua_relation_check(L, c->relation, 2);
    lua_Integer at = find(L, 1, c, 2);
    if (at == 0)
        plua_raise(L, PL_EVALUE, "%s is not in %s.%s", luaL_tolstring(L, 2, NULL),
                   c->owner->mapper->name, c->relation->name);
    do_delete(L, 1, c, at);
    number(L, 1, c, at, c->n);
    return 0;
}

static int collection_pop(lua_State *L) {
    plua_collection *c = check(L, "pop");
    lua_Integer at = lua_isnoneornil(L, 2) ? c->n : plua_need_integer(L, 2);
    if (c->n == 0 && lua_isnoneornil(L, 2))
        return 0;
    if (at < 1 || at > c->n)
        plua_raise(L, PL_EARGUMENT, "pop: position %I is not in 1..%I", at, c->n);
    lua_settop(L, 2);
    do_delete(L, 1, c, at);
    number(L, 1, c, at, c->n);
    return 1;
}

static int collection_clear(lua_State *L) {
    plua_collection *c = check(L, "clear");
    for (lua_Integer i = c->n; i >= 1; i--) {
        lua_settop(L, 1);
        do_delete(L, 1, c, i);
    }
    return 0;
}

/* Sets the numbers of an ordering list as the items stand. */
static int collection_reorder(lua_State *L) {
    plua_collection *c = check(L, "reorder");
    if (!c->relation->args.numbered)
        plua_raise(L, PL_EINVALID, "reorder: %s.%s is no ordering list",
                   c->owner->mapper->name, c->relation->name);
    number(L, 1, c, 1, c->n);
    return 0;
}

static int collection_contains(lua_State *L) {
    plua_collection *c = check(L, "contains");
    lua_settop(L, 2);
    lua_pushboolean(L, lua_isuserdata(L, 2) && has(L, 1, c, 2));
    return 1;
}

static int collection_position(lua_State *L) {
    plua_collection *c = check(L, "index");
    lua_Integer at = find(L, 1, c, 2);
    if (at == 0)
        return 0;
    lua_pushinteger(L, at);
    return 1;
}

static int collection_index(lua_State *L) {
    plua_collection *c = lua_touserdata(L, 1);
    int isint;
    lua_Integer i = lua_tointegerx(L, 2, &isint);
    if (!isint || lua_type(L, 2) == LUA_TSTRING) {
        lua_pushvalue(L, 2);
        lua_rawget(L, lua_upvalueindex(1));
        return 1;
    }
    plua_collection_ensure(L, 1, c);
    push_part(L, 1, PLUA_C_ITEMS);
    lua_rawgeti(L, -1, i);
    return 1;
}

static int collection_newindex(lua_State *L) {
    plua_collection *c = lua_touserdata(L, 1);
    int isint;
    lua_Integer i = lua_tointegerx(L, 2, &isint);
    plua_collection_ensure(L, 1, c);
    if (!isint || i < 1 || i > c->n + 1)
        plua_raise(L, PL_EARGUMENT, "%s.%s is a list of %I: [%s] cannot be set",
                   c->owner->mapper->name, c->relation->name, c->n,
                   luaL_tolstring(L, 2, NULL));
    if (lua_isnil(L, 3) && i <= c->n) {
        do_delete(L, 1, c, i);
        number(L, 1, c, i, c->n);
    } else if (i == c->n + 1 && !lua_isnil(L, 3)) {
        do_append(L, 1, c, 3);
    } else if (!lua_isnil(L, 3)) {
        do_replace(L, 1, c, i, 3);
    }
    return 0;
}

static int collection_len(lua_State *L) {
    plua_collection *c = lua_touserdata(L, 1);
    plua_collection_ensure(L, 1, c);
    lua_pushinteger(L, c->n);
    return 1;
}

static int collection_next(lua_State *L) {
    lua_Integer i = lua_isnoneornil(L, 2) ? 1 : plua_need_integer(L, 2) + 1;
    lua_pushinteger(L, i);
    return lua_geti(L, 1, i) == LUA_TNIL ? 0 : 2;
}

static int collection_pairs(lua_State *L) {
    lua_pushcfunction(L, collection_next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int collection_tostring(lua_State *L) {
    plua_collection *c = lua_touserdata(L, 1);
    plua_collection_ensure(L, 1, c);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addchar(&b, '[');
    for (lua_Integer i = 1; i <= c->n; i++) {
        if (i > 1)
            luaL_addstring(&b, ", ");
        lua_geti(L, 1, i);
        luaL_tolstring(L, -1, NULL);
        lua_remove(L, -2);
        luaL_addvalue(&b);
    }
    luaL_addchar(&b, ']');
    luaL_pushresult(&b);
    return 1;
}

int plua_open_collection(lua_State *L) {
    static const luaL_Reg meta[] = {
        {"__newindex", collection_newindex},
        {"__len", collection_len},
        {"__pairs", collection_pairs},
        {"__tostring", collection_tostring},
        {NULL, NULL},
    };
    static const luaL_Reg methods[] = {
        {"append", collection_append},   {"extend", collection_extend},
        {"insert", collection_insert},   {"remove", collection_remove},
        {"pop", collection_pop},         {"clear", collection_clear},
        {"reorder", collection_reorder}, {"contains", collection_contains},
        {"index", collection_position},  {NULL, NULL},
    };
    plua_class(L, PLUA_COLLECTION, meta, NULL);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushcclosure(L, collection_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_newtable(L);
    return 1;
}
