/* SPDX-License-Identifier: MIT */
/*
** transaction.c - begin, commit, rollback and savepoints of a session.
**
** Only a session owns a transaction. It begins with the first statement: deferred for
** reading, immediate once the session is going to write, so that two writers wait for
** each other instead of failing. Savepoints nest by depth; an object's `tx` tells in
*which
** of them it was INSERTed.
*/
#include "userdata/event.h"
#include "userdata/history.h"
#include "userdata/loader.h"
#include "userdata/relationship.h"
#include "userdata/session.h"

#include <string.h>

/* ---- connections ------------------------------------------------------------------- */

static plua_bind *find_bind(lua_State *L, plua_session *s, plua_engine *e) {
    for (int i = 0; i < s->nbinds; i++)
        if (s->binds[i].engine == e)
            return &s->binds[i];
    if (s->nbinds == PLUA_MAX_BINDS)
        plua_raise(L, PL_EINVALID, "a session can use at most %d databases",
                   PLUA_MAX_BINDS);
    plua_bind *b = &s->binds[s->nbinds];
    *b = (plua_bind){.engine = e, .version = -1};
    s->nbinds++;
    return b;
}

/*
** After a transaction ended, values loaded before are confirmed without reading them
** again when nobody else wrote since and nothing went past the unit of work.
*/
static void revalidate(plua_session *s, plua_bind *b) {
    int64_t version = pl_conn_data_version(b->conn);
    uint64_t writes = pl_conn_write_count(b->conn);
    if (s->revalidate && s->nbinds == 1 && b->version == version && b->writes == writes &&
        !s->raw_writes)
        s->cell->epoch = s->saved_epoch;
    s->revalidate = false;
    s->raw_writes = false;
    b->version = version;
    b->writes = writes;
}

/* An explicit begin has used nothing yet: what it may still begin as is left open, and so
 * is the look at the data version, which is a read. */
static void begin_bind(lua_State *L, plua_session *s, plua_bind *b, bool write,
                       bool unused) {
    bool immediate =
        !pl_conn_is_deferred(b->conn) && (write || s->mode != PL_BEGIN_DEFERRED);
    pl_begin_mode mode = s->mode == PL_BEGIN_EXCLUSIVE ? PL_BEGIN_EXCLUSIVE
                         : immediate                   ? PL_BEGIN_IMMEDIATE
                                                       : PL_BEGIN_DEFERRED;
    plua_check(L, pl_conn_begin(b->conn, mode, plua_err(L)));
    s->in_transaction = true;
    b->depth = 0;
    b->unused = unused;
    if (!unused)
        revalidate(s, b);
    if (s->db->session_events)
        plua_event_session(L, s, "after_begin");
}

static plua_bind *connect_bind(lua_State *L, plua_session *s, plua_engine *e) {
    plua_bind *b = find_bind(L, s, e);
    if (!b->conn) {
        b->site = plua_engine_site(L, e, s->app);
        plua_check(L, plua_site_connect(L, b->site, &b->conn, plua_err(L)));
    }
    return b;
}

/* The transaction of the connection is used, for writing or not. */
static void use_bind(lua_State *L, plua_session *s, plua_bind *b, bool write) {
    if (!pl_conn_in_transaction(b->conn) || !s->in_transaction)
        begin_bind(L, s, b, write, false);
    else if (write && !pl_conn_is_deferred(b->conn) && !pl_conn_has_written(b->conn) &&
             b->depth == 0)
        plua_check(L, pl_conn_begin(b->conn, PL_BEGIN_IMMEDIATE, plua_err(L)));
    if (b->unused) {
        b->unused = false;
        revalidate(s, b);
    }
}

pl_conn *plua_session_connect(lua_State *L, plua_session *s, plua_engine *e) {
    return connect_bind(L, s, e)->conn;
}

pl_conn *plua_session_conn(lua_State *L, plua_session *s, plua_engine *e, bool write) {
    plua_bind *b = connect_bind(L, s, e);
    use_bind(L, s, b, write);
    while (b->depth < s->nested) {
        plua_live_mark(e, b->depth + 1);
        plua_check(L, pl_conn_savepoint(b->conn, b->depth + 1, plua_err(L)));
        b->depth++;
    }
    if (write)
        plua_history_begin(L, s, b);
    return b->conn;
}

/* ---- after the end ----------------------------------------------------------------- */

static void clear_deleted(lua_State *L, plua_session *s) {
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

/* Objects whose DELETE is now for good leave the session. */
static void detach_deleted(lua_State *L, plua_session *s) {
    plua_session_field(L, s, PLUA_S_DELETED);
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, i);
        pl_object *o = lua_touserdata(L, -1);
        if (o) {
            o->session = NULL;
            pl_object_set_state(o, PL_GONE);
            o->status |= PL_OBJ_ERASED;
            plua_event_queue(L, s, "deleted_to_detached", -1);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    plua_session_field(L, s, PLUA_S_MOVED);
    if (n > 0 || lua_rawlen(L, -1) > 0)
        clear_deleted(L, s);
    lua_pop(L, 1);
}

/* Values of the transaction that ended are stale until revalidation says otherwise. */
static void next_epoch(plua_session *s) {
    s->saved_epoch = s->cell->epoch;
    s->cell->epoch++;
    s->revalidate = true;
}

static void end_transaction(plua_session *s) {
    s->in_transaction = s->explicit_begin = false;
    s->mode = PL_BEGIN_DEFERRED;
    s->nested = 0;
    s->tx_outer = ++s->tx;
    for (int i = 0; i < s->nbinds; i++) {
        s->binds[i].depth = 0;
        s->binds[i].recorded = s->binds[i].unused = false;
    }
}

static void release_nested(lua_State *L, plua_session *s);

/* Rolls the transaction of a connection back. */
static pl_code rollback_bind(lua_State *L, plua_bind *b) {
    if (!b->conn || pl_conn_is_closed(b->conn))
        return PL_OK;
    if (pl_conn_has_written(b->conn))
        plua_live_drop(b->engine);
    return pl_conn_rollback(b->conn, plua_err(L));
}

/* Commits the transaction of a connection; what it changed goes to the list at `told`. */
static void commit_bind(lua_State *L, plua_session *s, plua_bind *b, int told) {
    if (!b->conn || !pl_conn_in_transaction(b->conn))
        return;
    plua_history_end(L, b);
    bool wrote = pl_conn_has_written(b->conn);
    plua_check(L, pl_conn_commit(b->conn, plua_err(L)));
    b->writes = pl_conn_write_count(b->conn);
    if (wrote && b->engine->db->registry.has_exprs)
        s->raw_writes = true; /* what is computed may be something else now */
    if (!wrote || !told)
        return;
    plua_live_take(L, b->engine);
    if (lua_isnil(L, -1))
        lua_pop(L, 1);
    else
        lua_rawseti(L, told, (lua_Integer)lua_rawlen(L, told) + 1);
}

/* Tells those who observe the database what was committed; pops the list. [-1, +0] */
static void tell_live(lua_State *L, plua_session *s) {
    if (lua_rawlen(L, -1) > 0) {
        plua_shared(L);
        if (lua_getfield(L, -1, "live_committed") == LUA_TFUNCTION) {
            plua_push_db(L, s->db);
            lua_pushvalue(L, -4);
            lua_call(L, 2, 0);
        } else {
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void plua_session_commit(lua_State *L, plua_session *s) {
    plua_session_usable(L, s);
    while (s->nested > 0)
        release_nested(L, s);
    if (s->db->session_events)
        plua_event_session(L, s, "before_commit");
    plua_session_flush(L, s);
    int told = 0;
    if (s->db->live) {
        lua_newtable(L);
        told = lua_gettop(L);
    }
    for (int i = 0; i < s->nbinds; i++)
        commit_bind(L, s, &s->binds[i], told);
    detach_deleted(L, s);
    bool worked = s->in_transaction;
    end_transaction(s);
    if (s->expire_on_commit && worked)
        next_epoch(s);
    plua_transactions_ended(L, s, 0);
    if (s->db->session_events)
        plua_event_session(L, s, "after_commit");
    plua_event_tell(L, s);
    if (told)
        tell_live(L, s);
}

/* ---- rollback ---------------------------------------------------------------------- */

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

/* Takes the dead entries out of the identity maps: objects that are transient again. */
static void sweep_maps(lua_State *L, plua_session *s) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->maps);
    int maps = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, maps)) {
        int map = lua_gettop(L);
        lua_pushnil(L);
        while (lua_next(L, map)) {
            pl_object *o = lua_touserdata(L, -1);
            lua_pop(L, 1);
            if (!(o->status & PL_OBJ_KEYED)) {
                lua_pushvalue(L, -1);
                lua_pushnil(L);
                lua_rawset(L, map);
            }
        }
        lua_settop(L, map - 1);
    }
    lua_settop(L, maps - 1);
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
            o->status &= ~(uint32_t)PL_OBJ_ORPHAN;
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

/* The key at the top of the stack leads to the object at idx or, with `on` false, no more
** to it. [-1, +0] */
static void map_key(lua_State *L, const plua_session *s, int idx, const pl_object *o,
                    bool on) {
    int key = lua_gettop(L);
    plua_identity_map(L, s, o->mapper);
    lua_pushvalue(L, key);
    lua_rawget(L, key + 1);
    if (on || lua_rawequal(L, -1, idx)) {
        lua_pushvalue(L, key);
        if (on)
            lua_pushvalue(L, idx);
        else
            lua_pushnil(L);
        lua_rawset(L, key + 1);
    }
    lua_settop(L, key - 1);
}

void plua_session_moved(lua_State *L, plua_session *s, int idx, const pl_object *o,
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
            plua_push_key(L, o->mapper, plua_base(o));
            map_key(L, s, top + 3, o, false);
            restore_key(L, top + 2, top + 3, o);
            plua_push_key(L, o->mapper, plua_base(o));
            map_key(L, s, top + 3, o, true);
        }
        lua_settop(L, top + 1);
        lua_pushnil(L);
        lua_rawseti(L, top + 1, i);
    }
    lua_settop(L, top);
}

/* Every object back to what it was before the transaction. */
static void undo_all(lua_State *L, plua_session *s) {
    undo_pins(L, s, s->tx_outer);
    plua_session_each(L, s, undo_object);
    sweep_maps(L, s);
    undo_moves(L, s, 0);
    undo_deleted(L, s);
    clear_deleted(L, s);
    s->cell->epoch++;
    s->revalidate = false;
}

void plua_session_rollback(lua_State *L, plua_session *s) {
    bool worked = s->in_transaction || s->npins > 0 || s->broken;
    bool told = s->broken;
    for (int i = 0; i < s->nbinds; i++)
        plua_check(L, rollback_bind(L, &s->binds[i]));
    s->broken = false;
    if (worked)
        undo_all(L, s);
    end_transaction(s);
    plua_transactions_ended(L, s, 0);
    if (s->db->session_events && worked && !told)
        plua_event_session(L, s, "after_rollback");
    plua_event_tell(L, s);
}

/* ---- savepoints -------------------------------------------------------------------- */

static void savepoint_all(lua_State *L, plua_session *s, bool release) {
    for (int i = 0; i < s->nbinds; i++) {
        plua_bind *b = &s->binds[i];
        if (!b->conn || b->depth < s->nested)
            continue;
        pl_error *err = plua_err(L);
        if (release)
            plua_check(L, pl_conn_release(b->conn, s->nested, err));
        else
            plua_check(L, pl_conn_rollback_to(b->conn, s->nested, err));
        if (!release)
            plua_live_cut(b->engine, s->nested);
        b->recorded = b->recorded && release; /* the record may be gone as well */
        b->depth = s->nested - 1;
    }
}

/* Opens a savepoint; what was pending is flushed before it. */
static void begin_nested(lua_State *L, plua_session *s) {
    plua_session_usable(L, s);
    plua_session_flush(L, s);
    s->nested++;
    s->tx++;
    for (plua_engine *e = s->db->engines; e; e = e->next)
        if (plua_engine_configured(e, s->app) && (e == s->db->engines || s->nbinds > 1))
            plua_session_conn(L, s, e, true);
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

static void drop_nested(lua_State *L, plua_session *s) {
    plua_session_field(L, s, PLUA_S_NESTED);
    lua_pushnil(L);
    lua_rawseti(L, -2, s->nested);
    lua_pop(L, 1);
    s->nested--;
}

/* What changed in a released savepoint belongs to the one around it. */
static void merge_changed(lua_State *L, plua_session *s) {
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

static void release_nested(lua_State *L, plua_session *s) {
    plua_session_usable(L, s);
    if (s->db->session_events)
        plua_event_session(L, s, "before_commit");
    plua_session_flush(L, s);
    savepoint_all(L, s, true);
    merge_changed(L, s);
    drop_nested(L, s);
    plua_transactions_ended(L, s, s->nested + 1);
    if (s->db->session_events)
        plua_event_session(L, s, "after_commit");
}

/* Objects deleted since the savepoint come back. */
static void undo_nested_deleted(lua_State *L, plua_session *s, lua_Integer keep) {
    plua_session_field(L, s, PLUA_S_DELETED);
    int list = lua_gettop(L);
    for (lua_Integer i = (lua_Integer)lua_rawlen(L, list); i > keep; i--) {
        lua_rawgeti(L, list, i);
        pl_object *o = lua_touserdata(L, -1);
        uint32_t tx = o->tx;
        plua_session_attach(L, s, lua_gettop(L), o);
        o->tx = tx;
        if (o->status & (PL_OBJ_CHANGED | PL_OBJ_MODIFIED | PLUA_OBJ_HISTORY))
            plua_instance_expire(L, lua_gettop(L), o);
        plua_event_queue(L, s, "deleted_to_persistent", -1);
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

/* Objects back to what they were when the innermost savepoint began. */
static void undo_nested(lua_State *L, plua_session *s) {
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
    sweep_maps(L, s);
    undo_moves(L, s, plua_field_int(L, record, "nmoved", 0));
    undo_nested_deleted(L, s, ndeleted);
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
}

static void rollback_nested(lua_State *L, plua_session *s) {
    bool undone = s->broken;
    s->broken = false;
    savepoint_all(L, s, false);
    if (!undone)
        undo_nested(L, s);
    drop_nested(L, s);
    plua_transactions_ended(L, s, s->nested + 1);
    if (s->db->session_events)
        plua_event_session(L, s, "after_rollback");
    plua_event_tell(L, s);
}

/* ---- failure ----------------------------------------------------------------------- */

void plua_session_wrote(plua_session *s, pl_conn *conn, uint64_t before) {
    for (int i = 0; i < s->nbinds; i++)
        if (s->binds[i].conn == conn && s->binds[i].writes == before)
            s->binds[i].writes = pl_conn_write_count(conn);
}

void plua_session_fail(lua_State *L, plua_session *s) {
    int error = lua_gettop(L);
    const char *message = luaL_tolstring(L, error, NULL);
    size_t n = strlen(message) < sizeof s->broken_by - 1 ? strlen(message)
                                                         : sizeof s->broken_by - 1;
    memcpy(s->broken_by, message, n);
    s->broken_by[n] = '\0';
    lua_settop(L, error);
    if (s->nested > 0) {
        savepoint_all(L, s, false);
        undo_nested(L, s);
    } else {
        for (int i = 0; i < s->nbinds; i++)
            (void)rollback_bind(L, &s->binds[i]);
        undo_all(L, s);
    }
    s->broken = true;
}

/* ---- transaction handles ----------------------------------------------------------- */

/*
** What begin and begin_nested return. depth 0 is the outermost transaction. User value 1
** is the session. Inactive once its transaction ended by whatever way.
*/
typedef struct handle {
    plua_session *s;
    int depth;
    bool active;
} handle;

static void push_handle(lua_State *L, plua_session *s, int depth) {
    handle *h = lua_newuserdatauv(L, sizeof *h, 1);
    *h = (handle){s, depth, true};
    luaL_setmetatable(L, PLUA_TRANSACTION);
    plua_push_session_ud(L, s);
    lua_setiuservalue(L, -2, 1);
    plua_push_session_ud(L, s);
    lua_getiuservalue(L, -1, 1);
    if (lua_getfield(L, -1, "handles") != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "handles");
    }
    lua_pushvalue(L, -4);
    lua_rawseti(L, -2, depth + 1);
    lua_pop(L, 3);
}

void plua_transactions_ended(lua_State *L, plua_session *s, int depth) {
    plua_push_session_ud(L, s);
    lua_getiuservalue(L, -1, 1);
    if (lua_getfield(L, -1, "handles") == LUA_TTABLE) {
        for (lua_Integer i = depth + 1; i <= depth + 64; i++) {
            lua_rawgeti(L, -1, i);
            handle *h = lua_touserdata(L, -1);
            if (h)
                h->active = false;
            lua_pop(L, 1);
            lua_pushnil(L);
            lua_rawseti(L, -2, i);
        }
    }
    lua_pop(L, 3);
}

static handle *check_handle(lua_State *L, const char *method) {
    handle *h = plua_checkself(L, PLUA_TRANSACTION, method);
    if (!h->active || h->s->closed)
        plua_raise(L, PL_ERESOURCECLOSED, "This transaction is closed");
    return h;
}

/* Ends the handle's transaction; savepoints inside it end with it. */
static void finish_handle(lua_State *L, handle *h, bool commit) {
    plua_session *s = h->s;
    while (h->depth > 0 && s->nested >= h->depth) {
        if (commit)
            release_nested(L, s);
        else
            rollback_nested(L, s);
    }
    if (h->depth == 0 && commit)
        plua_session_commit(L, s);
    else if (h->depth == 0)
        plua_session_rollback(L, s);
    h->active = false;
}

static int handle_commit(lua_State *L) {
    finish_handle(L, check_handle(L, "commit"), true);
    return 0;
}

static int handle_rollback(lua_State *L) {
    finish_handle(L, check_handle(L, "rollback"), false);
    return 0;
}

/* Commits the handle at idx; when that fails, rolls back and raises the failure. */
static void commit_or_undo(lua_State *L, int idx, handle *h) {
    idx = lua_absindex(L, idx);
    lua_pushcfunction(L, handle_commit);
    lua_pushvalue(L, idx);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK)
        return;
    if (h->active && !h->s->closed)
        finish_handle(L, h, false);
    lua_error(L);
}

/* A transaction left in good order after a flush in it failed cannot commit: that failure
** was dealt with inside, so it is rolled back in silence. */
static int handle_close(lua_State *L) {
    handle *h = lua_touserdata(L, 1);
    if (!h->active || h->s->closed)
        return 0;
    if (lua_isnil(L, 2) && !h->s->broken)
        commit_or_undo(L, 1, h);
    else
        finish_handle(L, h, false);
    return 0;
}

static int handle_index(lua_State *L) {
    handle *h = lua_touserdata(L, 1);
    const char *key = luaL_checkstring(L, 2);
    if (strcmp(key, "commit") == 0)
        lua_pushcfunction(L, handle_commit);
    else if (strcmp(key, "rollback") == 0)
        lua_pushcfunction(L, handle_rollback);
    else if (strcmp(key, "is_active") == 0)
        lua_pushboolean(L, h->active);
    else if (strcmp(key, "nested") == 0)
        lua_pushboolean(L, h->depth > 0);
    else
        plua_raise(L, PL_EATTRIBUTE, "Transaction has no attribute '%s'", key);
    return 1;
}

/* ---- methods ----------------------------------------------------------------------- */

static pl_begin_mode mode_option(lua_State *L, int idx) {
    static const char *const names[] = {"deferred", "immediate", "exclusive", NULL};
    if (!lua_istable(L, idx) || lua_getfield(L, idx, "mode") == LUA_TNIL)
        return PL_BEGIN_DEFERRED;
    const char *mode = lua_tostring(L, -1);
    for (int i = 0; mode && names[i]; i++)
        if (strcmp(mode, names[i]) == 0)
            return (pl_begin_mode)i;
    plua_raise_hint(L, PL_EARGUMENT, "use \"deferred\", \"immediate\" or \"exclusive\"",
                    "begin: unknown transaction mode '%s'", mode ? mode : "?");
}

static void begin(lua_State *L, plua_session *s, int options) {
    plua_session_usable(L, s);
    if (s->in_transaction)
        plua_raise_hint(L, PL_EINVALID,
                        "commit or roll back first, or use session:begin_nested()",
                        "A transaction is already begun on this Session.");
    s->mode = mode_option(L, options);
    s->explicit_begin = true;
    bool write = s->mode != PL_BEGIN_DEFERRED;
    begin_bind(L, s, connect_bind(L, s, s->db->engines), write, !write);
}

/*
** Runs the function at `fn` and ends the transaction of the given depth: commits when it
** returns, rolls back and raises again when it fails. The script may yield inside.
*/
static int finish_run(lua_State *L, int status, lua_KContext base) {
    plua_session *s = lua_touserdata(L, 1);
    handle *h = lua_touserdata(L, 2);
    if (status != LUA_OK && status != LUA_YIELD) {
        if (h->active && !s->closed)
            finish_handle(L, h, false);
        return lua_error(L);
    }
    if (h->active)
        commit_or_undo(L, 2, h);
    return lua_gettop(L) - (int)base;
}

static int run_in(lua_State *L, plua_session *s, int depth, int fn) {
    lua_pushvalue(L, fn);
    push_handle(L, s, depth);
    lua_copy(L, -1, 2);
    int base = lua_gettop(L) - 2;
    int status = lua_pcallk(L, 1, LUA_MULTRET, 0, base, finish_run);
    return finish_run(L, status, base);
}

/* begin([fn]) or begin{mode =} or begin({mode =, retries =}, fn): retries are done by
 * Lua. */
static int session_begin(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "begin");
    int fn = lua_isfunction(L, 2) ? 2 : lua_isfunction(L, 3) ? 3 : 0;
    begin(L, s, 2);
    if (fn)
        return run_in(L, s, 0, fn);
    push_handle(L, s, 0);
    return 1;
}

static int session_begin_nested(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "begin_nested");
    if (!lua_isnoneornil(L, 2) && !lua_isfunction(L, 2))
        plua_raise(L, PL_EARGUMENT, "begin_nested takes a function, got %s",
                   plua_typename(L, 2));
    begin_nested(L, s);
    if (lua_isfunction(L, 2))
        return run_in(L, s, s->nested, 2);
    push_handle(L, s, s->nested);
    return 1;
}

static int session_commit(lua_State *L) {
    plua_session_commit(L, plua_check_session(L, 1, "commit"));
    return 0;
}

static int session_rollback(lua_State *L) {
    plua_session_rollback(L, plua_check_session(L, 1, "rollback"));
    return 0;
}

static int session_in_transaction(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "in_transaction");
    lua_pushboolean(L, s->in_transaction);
    return 1;
}

static int session_in_nested(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "in_nested_transaction");
    lua_pushboolean(L, s->nested > 0);
    return 1;
}

/* Commits; on failure rolls back and returns nil and the error. */
static int session_try_commit(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "try_commit");
    lua_pushcfunction(L, session_commit);
    lua_pushvalue(L, 1);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    plua_session_rollback(L, s);
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

const luaL_Reg plua_session_transaction_methods[] = {
    {"begin", session_begin},
    {"begin_nested", session_begin_nested},
    {"commit", session_commit},
    {"rollback", session_rollback},
    {"try_commit", session_try_commit},
    {"in_transaction", session_in_transaction},
    {"in_nested_transaction", session_in_nested},
    {NULL, NULL},
};

int plua_open_transaction(lua_State *L) {
    static const luaL_Reg meta[] = {
        {"__index", handle_index},
        {"__close", handle_close},
        {NULL, NULL},
    };
    plua_class(L, PLUA_TRANSACTION, meta, NULL);
    lua_pop(L, 1);
    lua_newtable(L);
    return 1;
}
