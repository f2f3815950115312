/* SPDX-License-Identifier: MIT */
/*
** merge.c - objects made or changed from others: merging, and the states that are given
** by hand (make_transient, make_transient_to_detached).
**
** The walk over related objects is in lua/perilune/merge.lua, where depth costs no C
** stack; here is what one object needs. Called by that file only. No SQL is run.
*/
#include "userdata/merge.h"
#include "userdata/collection.h"
#include "userdata/event.h"
#include "userdata/identity.h"
#include "userdata/loader.h"
#include "userdata/value.h"

static pl_object *new_object(lua_State *L, pl_mapper *m) {
    plua_push_instance_meta(L, m);
    pl_object *o = plua_new_instance(L, m, -1, 0, false);
    lua_remove(L, -2);
    return o;
}

/* core.object_blank(object): a new object of the same model, without values. */
static int object_blank(lua_State *L) {
    pl_mapper *m = plua_check_instance(L, 1)->mapper;
    pl_object *o = new_object(L, m);
    if (m->polymorphic_on != PL_NO_SLOT && m->polymorphic_identity.tag != PL_UNSET) {
        o->slots[m->polymorphic_on] = m->polymorphic_identity;
        o->slots[m->polymorphic_on].flags = PL_SLOT_CHANGED;
    }
    return 1;
}

/* Whether a value is there and was meant: loaded, or set by the script. */
static bool is_given(const pl_object *o, uint16_t slot) {
    const pl_slot *v = &o->slots[slot];
    if (v->tag == PL_UNSET || (!(o->status & PL_OBJ_KEYED) && (v->flags & PL_SLOT_GUESS)))
        return false;
    return (v->flags & PL_SLOT_CHANGED) || !pl_object_attached(o) || pl_object_fresh(o);
}

/* core.object_key(object): the values of its primary key, nil unless all are there; then
** whether it has a row by that key. */
static int object_key(lua_State *L) {
    const pl_object *o = plua_check_instance(L, 1);
    const pl_mapper *m = o->mapper;
    bool keyed = (o->status & PL_OBJ_KEYED) != 0;
    lua_createtable(L, m->npk, 0);
    for (int i = 0; i < m->npk; i++) {
        const pl_attr *a = &m->attrs[m->pk[i]];
        const pl_slot *v = keyed ? &plua_base(o)[m->pk[i]] : &o->slots[m->pk[i]];
        if (v->tag <= PL_NULL || v->tag == PL_EXPR)
            return 0;
        plua_push_slot(L, a->type, v, a->name);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushboolean(L, keyed);
    return 2;
}

/* core.object_version(object): its version counter, nil when there is none or none is
** there. */
static int object_version(lua_State *L) {
    const pl_object *o = plua_check_instance(L, 1);
    uint16_t slot = o->mapper->version;
    if (slot == PL_NO_SLOT || !is_given(o, slot))
        return 0;
    plua_push_slot(L, o->mapper->attrs[slot].type, &o->slots[slot], NULL);
    return 1;
}

/* Pushes the value of a slot, or the SQL expression that stands there. */
static void push_value(lua_State *L, int idx, pl_object *o, uint16_t slot) {
    if (o->slots[slot].tag == PL_EXPR) {
        plua_state_peek(L, idx, o);
        lua_rawgeti(L, -1, slot + 1);
        lua_remove(L, -2);
        return;
    }
    plua_push_slot(L, o->mapper->attrs[slot].type, &o->slots[slot],
                   o->mapper->attrs[slot].name);
}

/* core.object_assign(to, from): sets the columns of one object to what the other has. */
static int object_assign(lua_State *L) {
    pl_object *to = plua_check_instance(L, 1), *from = plua_check_instance(L, 2);
    lua_settop(L, 2);
    plua_json_scan(L, 2, from);
    plua_push_model(L, to->mapper);
    bool heard = ((const plua_model *)lua_touserdata(L, 3))->attribute_events;
    for (uint16_t i = 0; i < from->mapper->nslots; i++) {
        const pl_attr *a = &from->mapper->attrs[i];
        uint16_t slot =
            to->mapper == from->mapper ? i : pl_mapper_slot(to->mapper, a->name);
        if (!a->column || a->readonly || slot == PL_NO_SLOT || !is_given(from, i))
            continue;
        push_value(L, 2, from, i);
        if (heard)
            lua_setfield(L, 1, a->name);
        else
            plua_instance_set_slot(L, 1, to, slot, 4);
        lua_settop(L, 3);
    }
    return 0;
}

/* core.object_copy(session, object): a persistent object of the session with the values
** that the other one has, as if they had been loaded. */
static int object_copy(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "merge");
    pl_object *from = plua_check_instance(L, 2);
    pl_object *to = new_object(L, from->mapper);
    int idx = lua_gettop(L);
    for (uint16_t i = 0; i < from->mapper->nslots; i++)
        if (is_given(from, i))
            plua_instance_store(L, idx, to, i, &from->slots[i]);
        else
            to->status |= PL_OBJ_PARTIAL;
    to->status |= PL_OBJ_KEYED;
    plua_session_attach(L, s, idx, to);
    return 1;
}

static pl_relation *check_relation(lua_State *L, const pl_object *o, int idx) {
    const char *name = luaL_checkstring(L, idx);
    pl_relation *r = pl_mapper_relation(o->mapper, name);
    if (!r)
        plua_no_attribute(L, o->mapper, name);
    return r;
}

/* core.object_related(object, name): what a relationship holds, if it is there: true and
** the related object, the list or nil. */
static int object_related(lua_State *L) {
    pl_object *o = plua_check_instance(L, 1);
    const pl_relation *r = check_relation(L, o, 2);
    if (pl_object_attached(o) && (o->status & PL_OBJ_KEYED) && !pl_object_fresh(o) &&
        !(o->status & PLUA_OBJ_HISTORY))
        return 0;
    lua_settop(L, 2);
    plua_relation_peek(L, 1, o, r);
    const plua_collection *c = plua_test_collection(L, 3);
    if (lua_isnil(L, 3) || (c && !c->loaded))
        return 0;
    lua_pushboolean(L, 1);
    if (lua_isuserdata(L, 3))
        lua_pushvalue(L, 3);
    else
        lua_pushnil(L);
    return 2;
}

/* core.object_relate(object, name, object or list or nil): as if loaded so. */
static int object_relate(lua_State *L) {
    pl_object *o = plua_check_instance(L, 1);
    pl_relation *r = check_relation(L, o, 2);
    lua_settop(L, 3);
    if (!r->uselist) {
        plua_relation_loaded(L, 1, o, r);
        return 0;
    }
    plua_collection *c = plua_collection_of(L, 1, o, r);
    plua_collection_begin_load(L, 4, c);
    lua_Integer n = luaL_len(L, 3);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, 3, i);
        plua_collection_put(L, 4, c);
    }
    plua_collection_end_load(L, 4, c);
    return 0;
}

/* core.object_in_map(session, model, key...): the session's object, without SQL. */
static int object_in_map(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "merge");
    pl_mapper *m = plua_tomapper(L, 2, NULL);
    pl_slot values[8];
    if (!m)
        plua_raise(L, PL_EARGUMENT, "a model expected, got %s", plua_typename(L, 2));
    int n = m->npk < 8 ? m->npk : 8;
    for (int i = 0; i < n; i++) {
        const pl_attr *a = &m->attrs[m->pk[i]];
        plua_to_slot(L, 3 + i, a->type, a->name, &values[i]);
    }
    plua_identity_map(L, s, m);
    plua_push_key_values(L, values, n);
    lua_rawget(L, -2);
    return 1;
}

/* core.object_describe(object): "<User 1>". */
static int object_describe(lua_State *L) {
    plua_instance_describe(L, plua_check_instance(L, 1));
    return 1;
}

/* core.object_loaded_event(object): tells listeners that it was loaded. */
static int object_loaded_event(lua_State *L) {
    pl_object *o = plua_check_instance(L, 1);
    plua_event_load(L, plua_object_session(o), 1);
    return 0;
}

/* ---- states given by hand ---------------------------------------------------------- */

/* make_transient(object): it has no session, no row and nothing to load any more. */
static int make_transient(lua_State *L) {
    pl_object *o = plua_check_instance(L, 1);
    plua_session *s = plua_object_session(o);
    if (s && pl_object_state(o) != PL_DELETED)
        plua_session_forget(L, s, 1, o, PL_TRANSIENT);
    o->session = NULL;
    o->tx = 0;
    o->status &=
        ~(uint32_t)(PL_OBJ_KEYED | PL_OBJ_DELETING | PL_OBJ_ORPHAN | PL_OBJ_PARTIAL |
                    PL_OBJ_MODIFIED | PL_OBJ_ERASED | PLUA_OBJ_EXPIRED);
    pl_object_set_state(o, PL_TRANSIENT);
    for (uint16_t i = 0; i < o->mapper->nslots; i++)
        if (o->slots[i].tag != PL_UNSET)
            o->slots[i].flags |= PL_SLOT_CHANGED;
    return 0;
}

/* make_transient_to_detached(object): as if its row had been loaded by the key that it
** has, and all that is not there had been expired. */
static int make_detached(lua_State *L) {
    pl_object *o = plua_check_instance(L, 1);
    const pl_mapper *m = o->mapper;
    if (o->status & PL_OBJ_KEYED || pl_object_attached(o))
        plua_raise(L, PL_EINVALID, "Given object must be transient");
    for (int i = 0; i < m->npk; i++)
        if (o->slots[m->pk[i]].tag <= PL_NULL)
            plua_raise(L, PL_EINVALID, "%s has no primary key yet: set %s.%s first",
                       m->name, m->name, m->attrs[m->pk[i]].name);
    for (uint16_t i = 0; i < m->nslots; i++) {
        if (o->slots[i].flags & PL_SLOT_GUESS)
            o->slots[i].tag = PL_UNSET;
        o->slots[i].flags = 0;
    }
    plua_relation_settle(L, 1, o);
    o->status |= PL_OBJ_KEYED | PL_OBJ_PARTIAL;
    o->status &= ~(uint32_t)(PL_OBJ_CHANGED | PL_OBJ_MODIFIED | PLUA_OBJ_HISTORY);
    pl_object_set_state(o, PL_GONE);
    return 0;
}

int plua_open_merge(lua_State *L) {
    static const luaL_Reg functions[] = {{"object_blank", object_blank},
                                         {"object_key", object_key},
                                         {"object_version", object_version},
                                         {"object_assign", object_assign},
                                         {"object_copy", object_copy},
                                         {"object_related", object_related},
                                         {"object_relate", object_relate},
                                         {"object_in_map", object_in_map},
                                         {"object_describe", object_describe},
                                         {"object_loaded_event", object_loaded_event},
                                         {"make_transient", make_transient},
                                         {"make_transient_to_detached", make_detached},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
