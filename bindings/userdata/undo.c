/* SPDX-License-Identifier: MIT */
/*
** undo.c - see undo.h.
**
** Three tables of the session remember: the objects that were deleted, those that got
** another primary key with the one they had, and a record for each savepoint: its serial
** (tx), how long the other two were when it began, and the objects that were flushed in
** it (changed, written by unitwork.c). Values are not kept: an object is expired and
** read again, but for one whose INSERT is undone, which keeps what it has.
*/
#include "userdata/undo.h"
#include "userdata/event.h"
#include "userdata/identity.h"
#include "userdata/loader.h"

/* ---- what is remembered ------------------------------------------------------------ */

void plua_undo_forget(lua_State *L, plua_session *s) {
    plua_push_session_ud(L, s);
    lua_getiuservalue(L, -1, 1);
    lua_newtable(L);
    lua_rawseti(L, -2, PLUA_S_MOVED);
    lua_newtable(L);
    lua_rawseti(L, -2, PLUA_S_DELETED);
    lua_newtable(L);
    lua_rawseti(L, -2, PLUA_S_NESTED);
    lua_pop(L, 2);
}

void plua_undo_moved(lua_State *L, plua_session *s, int idx, const pl_object *o,
                     const pl_slot *was) {
    const pl_mapper *m = o->mapper;
    plua_session_field(L, s, PLUA_S_MOVED);
    lua_createtable(L, m->npk + 1, 0);
    lua_pushvalue(L, idx);
    lua_rawseti(L, -2, 1);
    for (int k = 0; k < m->npk; k++) {
        const pl_slot *v = &was[m->pk[k]];
        if (v->tag == PL_TEXT || v->tag == PL_BLOB)
            lua_pushlstring(L, v->v.s, v->len);
        else if (v->tag == PL_REAL)
            lua_pushnumber(L, v->v.r);
        else
            lua_pushinteger(L, v->v.i);
        lua_rawseti(L, -2, k + 2);
    }
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

void plua_undo_mark(lua_State *L, plua_session *s) {
    plua_session_field(L, s, PLUA_S_NESTED);
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, s->tx);
    lua_setfield(L, -2, "tx");
    plua_session_field(L, s, PLUA_S_DELETED);
    lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
    lua_setfield(L, -3, "ndeleted");
    lua_pop(L, 1);
    plua_session_field(L, s, PLUA_S_MOVED);
    lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
    lua_setfield(L, -3, "nmoved");
    lua_pop(L, 1);
    lua_newtable(L);
    lua_setfield(L, -2, "changed");
    lua_rawseti(L, -2, s->nested);
    lua_pop(L, 1);
}

/* Pushes the record of the innermost savepoint. */
static void push_nested(lua_State *L, plua_session *s) {
    plua_session_field(L, s, PLUA_S_NESTED);
    lua_rawgeti(L, -1, s->nested);
    lua_remove(L, -2);
}

void plua_undo_unmark(lua_State *L, plua_session *s) {
    plua_session_field(L, s, PLUA_S_NESTED);
    lua_pushnil(L);
    lua_rawseti(L, -2, s->nested);
    lua_pop(L, 1);
    s->nested--;
}

void plua_undo_merge(lua_State *L, plua_session *s) {
    if (s->nested < 2)
        return;
    plua_session_field(L, s, PLUA_S_NESTED);
    lua_rawgeti(L, -1, s->nested - 1);
    lua_getfield(L, -1, "changed");
    lua_rawgeti(L, -3, s->nested);
    lua_getfield(L, -1, "changed");
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -6);
    }
    lua_pop(L, 5);
}

/* ---- objects ----------------------------------------------------------------------- */

/* An object INSERTed in what is undone keeps its values and is transient again. */
static void lose_row(lua_State *L, plua_session *s, int idx, pl_object *o) {
    o->session = NULL;
    o->pin = 0;
    o->tx = 0;
    o->status &= ~(uint32_t)(PL_OBJ_KEYED | PL_OBJ_DELETING);
    pl_object_set_state(o, PL_TRANSIENT);
    for (uint16_t i = 0; i < o->mapper->nslots; i++)
        if (o->slots[i].tag != PL_UNSET)
            o->slots[i].flags |= PL_SLOT_CHANGED;
    plua_event_queue(L, s, "persistent_to_transient", idx);
}

static void undo_object(lua_State *L, plua_session *s, int idx, pl_object *o) {
    if (!(o->status & PL_OBJ_KEYED))
        return;
    if (o->tx >= s->tx_outer) {
        lose_row(L, s, idx, o);
        return;
    }
    o->pin = 0;
    o->status &= ~(uint32_t)PL_OBJ_DELETING;
    plua_instance_expire(L, idx, o);
}

/* Pending objects become transient; the pins are emptied. */
static void undo_pins(lua_State *L, plua_session *s, uint32_t since) {
    plua_session_field(L, s, PLUA_S_PINS);
    for (lua_Integer i = 1; i <= s->npins; i++) {
        lua_rawgeti(L, -1, i);
        pl_object *o = lua_touserdata(L, -1);
        if (o && pl_object_state(o) == PL_PENDING) {
            pl_object_set_state(o, PL_TRANSIENT);
            o->session = NULL;
            plua_event_queue(L, s, "pending_to_transient", -1);
        } else if (o && (o->status & PL_OBJ_KEYED) && o->tx >= since) {
            lose_row(L, s, lua_gettop(L), o);
        }
        if (o) {
            o->pin = 0;
            o->status &= ~(uint32_t)(PL_OBJ_ORPHAN | PL_OBJ_IN_FLUSH);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    s->npins = 0;
    plua_push_session_ud(L, s);
    lua_getiuservalue(L, -1, 1);
    lua_newtable(L);
    lua_rawseti(L, -2, PLUA_S_PINS);
    lua_pop(L, 2);
}

/* Objects whose DELETE is undone are persistent again (or transient, if they were new).
 */
static void undo_deleted(lua_State *L, plua_session *s) {
    plua_session_field(L, s, PLUA_S_DELETED);
    int list = lua_gettop(L);
    lua_Integer n = (lua_Integer)lua_rawlen(L, list);
    for (lua_Integer i = n; i >= 1; i--) {
        lua_rawgeti(L, list, i);
        pl_object *o = lua_touserdata(L, -1);
        if (o && o->tx >= s->tx_outer) {
            undo_object(L, s, lua_gettop(L), o);
        } else if (o) {
            uint32_t tx = o->tx;
            plua_session_attach(L, s, lua_gettop(L), o);
            o->tx = tx;
            plua_instance_expire(L, lua_gettop(L), o);
            plua_event_queue(L, s, "deleted_to_persistent", -1);
        }
        lua_settop(L, list);
        lua_pushnil(L);
        lua_rawseti(L, list, i);
    }
    lua_settop(L, list - 1);
}

/* Puts the key of the record on top back into the object at idx. */
static void restore_key(lua_State *L, int record, int idx, pl_object *o) {
    for (int k = 0; k < o->mapper->npk; k++) {
        uint16_t slot = o->mapper->pk[k];
        pl_slot v = {.tag = o->slots[slot].tag};
        lua_rawgeti(L, record, k + 2);
        if (v.tag == PL_TEXT || v.tag == PL_BLOB) {
            size_t len;
            v.v.s = lua_tolstring(L, -1, &len);
            v.len = (uint32_t)len;
        } else if (v.tag == PL_REAL) {
            v.v.r = lua_tonumber(L, -1);
        } else {
            v.v.i = lua_tointeger(L, -1);
        }
        plua_instance_store(L, idx, o, slot, &v);
        lua_pop(L, 1);
    }
}

/* Objects whose primary key was changed since there were `keep` of them have the old one
** again. Before that they were expired. */
static void undo_moves(lua_State *L, plua_session *s, lua_Integer keep) {
    int top = lua_gettop(L);
    plua_session_field(L, s, PLUA_S_MOVED);
    for (lua_Integer i = (lua_Integer)lua_rawlen(L, top + 1); i > keep; i--) {
        lua_rawgeti(L, top + 1, i);
        lua_rawgeti(L, top + 2, 1);
        pl_object *o = lua_touserdata(L, top + 3);
        if (o->status & PL_OBJ_KEYED) {
            plua_identity_remove(L, s, top + 3, o);
            restore_key(L, top + 2, top + 3, o);
            plua_identity_set(L, s, top + 3, o);
        }
        lua_settop(L, top + 1);
        lua_pushnil(L);
        lua_rawseti(L, top + 1, i);
    }
    lua_settop(L, top);
}

void plua_undo_all(lua_State *L, plua_session *s) {
    undo_pins(L, s, s->tx_outer);
    plua_session_each(L, s, undo_object);
    plua_identity_sweep(L, s);
    undo_moves(L, s, 0);
    undo_deleted(L, s);
    plua_undo_forget(L, s);
    s->cell->epoch++;
    s->revalidate = false;
}

/* ---- savepoints -------------------------------------------------------------------- */

/* An object deleted since the savepoint at `since` comes back, unless it came with it. */
static void undo_nested_delete(lua_State *L, plua_session *s, int idx, uint32_t since) {
    pl_object *o = lua_touserdata(L, idx);
    uint32_t tx = o->tx;
    if (tx >= since) {
        lose_row(L, s, idx, o);
        return;
    }
    plua_session_attach(L, s, idx, o);
    o->tx = tx;
    if (o->status & (PL_OBJ_CHANGED | PL_OBJ_MODIFIED | PLUA_OBJ_HISTORY))
        plua_instance_expire(L, idx, o);
    plua_event_queue(L, s, "deleted_to_persistent", idx);
}

static void undo_nested_deleted(lua_State *L, plua_session *s, lua_Integer keep,
                                uint32_t since) {
    plua_session_field(L, s, PLUA_S_DELETED);
    int list = lua_gettop(L);
    for (lua_Integer i = (lua_Integer)lua_rawlen(L, list); i > keep; i--) {
        lua_rawgeti(L, list, i);
        undo_nested_delete(L, s, list + 1, since);
        lua_settop(L, list);
        lua_pushnil(L);
        lua_rawseti(L, list, i);
    }
    lua_settop(L, list - 1);
}

/* Changes since the savepoint that were not flushed go. */
static void undo_unflushed(lua_State *L, plua_session *s) {
    int top = lua_gettop(L);
    plua_session_field(L, s, PLUA_S_PINS);
    for (lua_Integer i = 1; i <= s->npins; i++) {
        if (lua_rawgeti(L, top + 1, i) == LUA_TUSERDATA) {
            pl_object *o = lua_touserdata(L, -1);
            o->status &= ~(uint32_t)PL_OBJ_DELETING;
            if (pl_object_state(o) == PL_PERSISTENT)
                plua_instance_expire(L, top + 2, o);
        }
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
}

static void undo_if_newer(lua_State *L, plua_session *s, int idx, pl_object *o) {
    if (o->tx >= s->tx_outer)
        undo_object(L, s, idx, o);
}

void plua_undo_nested(lua_State *L, plua_session *s) {
    push_nested(L, s);
    int record = lua_gettop(L);
    uint32_t since = (uint32_t)plua_field_int(L, record, "tx", 0);
    lua_Integer ndeleted = plua_field_int(L, record, "ndeleted", 0);
    undo_unflushed(L, s);
    undo_pins(L, s, since);
    uint32_t outer = s->tx_outer;
    s->tx_outer = since;
    plua_session_each(L, s, undo_if_newer);
    s->tx_outer = outer;
    plua_identity_sweep(L, s);
    undo_moves(L, s, plua_field_int(L, record, "nmoved", 0));
    undo_nested_deleted(L, s, ndeleted, since);
    lua_getfield(L, record, "changed");
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        pl_object *o = lua_touserdata(L, -1);
        o->pin = 0;
        if (pl_object_attached(o) && (o->status & PL_OBJ_KEYED))
            plua_instance_expire(L, lua_gettop(L), o);
    }
    lua_settop(L, record - 1);
    if (s->raw_statements) /* what was undone with the savepoint may have been read */
        s->cell->epoch++;
}
