/* SPDX-License-Identifier: MIT */
/*
** session.c - the life of a session and of objects in it: their states.
**
** Which objects it knows and keeps is in identity.c, transactions are in transaction.c,
** flushing in unitwork.c, running statements in execute.c. A session owns connections
*while it is open; it keeps new, changed and
** deleted objects alive and knows the others weakly.
*/
#include "userdata/session.h"
#include "userdata/clause.h"
#include "userdata/event.h"
#include "userdata/identity.h"
#include "userdata/inspect.h"
#include "userdata/loader.h"
#include "userdata/relationship.h"
#include "userdata/transaction.h"

#include <string.h>

/* Key of the weak table of sessions by pointer, in the shared table. */
static const char SESSIONS_KEY = 0;

plua_session *plua_test_session(lua_State *L, int idx) {
    return plua_test(L, idx, PLUA_SESSION);
}

/* Whether the value is a session by upvalue 1 of the running method, the class. */
static bool is_self(lua_State *L, int idx) {
    if (idx != 1 || !lua_getmetatable(L, idx))
        return false;
    bool same = lua_rawequal(L, -1, lua_upvalueindex(1));
    lua_pop(L, 1);
    return same;
}

plua_session *plua_check_session(lua_State *L, int idx, const char *method) {
    plua_session *s = is_self(L, idx) ? lua_touserdata(L, idx)
                      : idx == 1      ? plua_checkself(L, PLUA_SESSION, method)
                                      : luaL_checkudata(L, idx, PLUA_SESSION);
    if (s->closed) {
        if (!plua_session_in_force(L, s))
            plua_raise_hint(L, PL_EINVALID, "use db.session of the current context",
                            "this session is closed");
        plua_session_reopen(L, s);
    }
    return s;
}

static _Noreturn void refuse_in_flush(lua_State *L, const char *method) {
    plua_raise_hint(L, PL_EINVALID,
                    "a listener can note it and leave it for after the commit",
                    "session:%s cannot be called while the session is flushing", method);
}

plua_session *plua_check_settled(lua_State *L, int idx, const char *method) {
    plua_session *s = plua_check_session(L, idx, method);
    if (s->flushing)
        refuse_in_flush(L, method);
    return s;
}

void plua_session_field(lua_State *L, const plua_session *s, int field) {
    plua_push_session_ud(L, s);
    lua_getiuservalue(L, -1, 1);
    lua_rawgeti(L, -1, field);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

void plua_push_session_ud(lua_State *L, const plua_session *s) {
    plua_push_weak(L, s->self);
}

/* Registers the session on top of the stack so that its pointer leads to it. */
static void register_session(lua_State *L, const plua_session *s) {
    plua_shared(L);
    if (lua_rawgetp(L, -1, &SESSIONS_KEY) != LUA_TTABLE) {
        lua_pop(L, 1);
        plua_push_weak_table(L, "v");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, -3, &SESSIONS_KEY);
    }
    lua_pushvalue(L, -3);
    lua_rawsetp(L, -2, s);
    lua_pop(L, 2);
}

int plua_each_session(lua_State *L, const plua_db *db, void (*fn)(plua_session *s)) {
    int top = lua_gettop(L), n = 0;
    plua_shared(L);
    if (lua_rawgetp(L, -1, &SESSIONS_KEY) == LUA_TTABLE) {
        lua_pushnil(L);
        for (; lua_next(L, top + 2); lua_pop(L, 1)) {
            plua_session *s = lua_touserdata(L, -1);
            if (s->closed || (db && s->db != db))
                continue;
            n++;
            if (fn)
                fn(s);
        }
    }
    lua_settop(L, top);
    return n;
}

void plua_push_sessions(lua_State *L) {
    lua_newtable(L);
    int list = lua_gettop(L);
    lua_Integer n = 0;
    plua_shared(L);
    if (lua_rawgetp(L, -1, &SESSIONS_KEY) == LUA_TTABLE) {
        lua_pushnil(L);
        while (lua_next(L, list + 2)) {
            if (((const plua_session *)lua_touserdata(L, -1))->closed)
                lua_pop(L, 1);
            else
                lua_rawseti(L, list, ++n);
        }
    }
    lua_settop(L, list);
}

/* A free cell or a new one; cells are memory of Lua's that stays until the state goes. */
static pl_session_cell *take_cell(lua_State *L) {
    plua_runtime *rt = plua_rt(L);
    pl_session_cell *cell = rt->cells;
    if (cell) {
        rt->cells = cell->session;
    } else {
        plua_shared(L);
        cell = lua_newuserdatauv(L, sizeof *cell, 0);
        lua_rawsetp(L, -2, cell);
        lua_pop(L, 1);
        cell->epoch = cell->birth = 1;
        cell->order = 0;
        cell->filter = 1;
    }
    return cell;
}

static void free_cell(lua_State *L, pl_session_cell *cell) {
    plua_runtime *rt = plua_rt(L);
    cell->birth = ++cell->epoch;
    cell->session = rt->cells;
    rt->cells = cell;
}

void plua_session_reopen(lua_State *L, plua_session *s) {
    plua_push_session_ud(L, s);
    lua_getiuservalue(L, -1, 1);
    for (int i = PLUA_S_PINS; i <= PLUA_S_MOVED; i++) {
        if (lua_rawgeti(L, -1, i) == LUA_TNIL) {
            lua_newtable(L);
            lua_rawseti(L, -3, i);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 2);
    *s = (plua_session){.self = s->self,
                        .maps = s->maps,
                        .db = s->db,
                        .app = s->app,
                        .life = s->life,
                        .autoflush = s->autoflush,
                        .expire_on_commit = s->expire_on_commit,
                        .tx = 1,
                        .tx_outer = 1,
                        .closed = true};
    s->cell = take_cell(L);
    s->cell->epoch++; /* an epoch to be stale in, without being detached */
    s->cell->session = s;
    s->closed = false;
}

plua_session *plua_new_session(lua_State *L, plua_db *db) {
    plua_session *s = lua_newuserdatauv(L, sizeof *s, 1);
    *s = (plua_session){
        .db = db, .closed = true, .autoflush = true, .expire_on_commit = true};
    luaL_setmetatable(L, PLUA_SESSION);
    lua_createtable(L, 8, 0);
    plua_push_db(L, db);
    lua_rawseti(L, -2, PLUA_S_DB);
    lua_setiuservalue(L, -2, 1);
    register_session(L, s);
    s->self = plua_weak_new(L, -1);
    lua_newtable(L);
    s->maps = luaL_ref(L, LUA_REGISTRYINDEX);
    plua_session_reopen(L, s);
    return s;
}

/* ---- states ------------------------------------------------------------------------ */

void plua_session_attach(lua_State *L, plua_session *s, int idx, pl_object *o) {
    idx = lua_absindex(L, idx);
    o->session = s->cell;
    o->epoch = s->cell->epoch;
    o->tx = pl_object_state(o) == PL_PENDING ? s->tx : 0;
    o->pin = 0;
    if (o->status & PL_OBJ_KEYED) {
        pl_object_set_state(o, PL_PERSISTENT);
        plua_identity_set(L, s, idx, o);
        if (o->status & (PL_OBJ_CHANGED | PL_OBJ_MODIFIED))
            plua_session_pin(L, s, idx, o);
    } else {
        pl_object_set_state(o, PL_PENDING);
        plua_session_pin(L, s, idx, o);
    }
}

void plua_session_forget(lua_State *L, plua_session *s, int idx, pl_object *o,
                         pl_state state) {
    idx = lua_absindex(L, idx);
    if (o->status & PL_OBJ_KEYED)
        plua_identity_remove(L, s, idx, o);
    plua_session_unpin(L, s, o);
    o->session = NULL;
    o->tx = 0;
    o->status &= ~(uint32_t)(PL_OBJ_DELETING | PL_OBJ_IN_FLUSH);
    pl_object_set_state(o, state);
    if (state == PL_TRANSIENT)
        o->status &= ~(uint32_t)PL_OBJ_KEYED;
}

/* Refuses an object that another session has, or whose identity another object has. */
static void check_addable(lua_State *L, plua_session *s, int idx, pl_object *o) {
    if (pl_object_attached(o) && o->session != s->cell) {
        plua_instance_describe(L, o);
        plua_raise_hint(L, PL_EINVALID, "expunge it there first, or merge it here",
                        "Object '%s' is already attached to another session",
                        lua_tostring(L, -1));
    }
    if (pl_object_state(o) == PL_DELETED || (o->status & PL_OBJ_ERASED)) {
        plua_instance_describe(L, o);
        plua_raise_hint(L, PL_EINVALID,
                        "use perilune.make_transient, or make a new object",
                        "Instance '%s' has been deleted", lua_tostring(L, -1));
    }
    if (!(o->status & PL_OBJ_KEYED))
        return;
    plua_identity_map(L, s, o->mapper);
    plua_push_key(L, o->mapper, plua_base(o));
    lua_rawget(L, -2);
    if (!lua_isnil(L, -1) && !lua_rawequal(L, -1, idx)) {
        plua_instance_describe(L, o);
        plua_raise_hint(L, PL_EINVALID, "use session:merge(object)",
                        "Can't attach instance %s; another instance with the same key is "
                        "already present in this session",
                        lua_tostring(L, -1));
    }
    lua_pop(L, 2);
}

/* Adds one object; true when what it refers to must be looked at: an object that is in
** the session has brought that with it already, unless it is the one that was added. */
static bool add_one(lua_State *L, plua_session *s, int idx, pl_object *o) {
    if (pl_object_attached(o) && o->session == s->cell) {
        if (o == s->adding)
            o->status &= ~(uint32_t)(PL_OBJ_DELETING | PL_OBJ_DOOMED);
        return o == s->adding;
    }
    if (o != s->adding && (o->status & PL_OBJ_ERASED))
        return false; /* a list that was not read since still has it */
    check_addable(L, s, idx, o);
    if (s->db->session_events)
        plua_event_object(L, s, "before_attach", idx);
    plua_session_attach(L, s, idx, o);
    if (s->db->session_events)
        plua_event_attached(L, s, idx, o);
    return true;
}

void plua_session_add(lua_State *L, plua_session *s, int idx) {
    idx = lua_absindex(L, idx);
    pl_object *o = plua_check_instance(L, idx);
    if (pl_object_state(o) == PL_DELETED)
        check_addable(L, s, idx, o);
    if (!pl_object_attached(o))
        o->status &= ~(uint32_t)PL_OBJ_ORPHAN;
    s->adding = o;
    if (!s->db->registry.dirty && o->mapper->nrelations == 0) {
        add_one(L, s, idx, o);
        return;
    }
    plua_configure(L, s->db);
    if (!(o->status & PL_OBJ_TABLE)) {
        add_one(L, s, idx, o);
        return;
    }
    plua_relation_walk(L, s, idx, PL_CASCADE_SAVE, add_one);
}

static bool mark_deleted(lua_State *L, plua_session *s, int idx, pl_object *o) {
    if (o->status & (PL_OBJ_DELETING | PL_OBJ_DOOMED))
        return false;
    if (o->status & PL_OBJ_FLUSHING) {
        o->status |= PL_OBJ_DOOMED;
        return true;
    }
    if (pl_object_state(o) == PL_PENDING && pl_object_attached(o)) {
        plua_session_forget(L, s, idx, o, PL_TRANSIENT);
        plua_event_queue(L, s, "pending_to_transient", idx);
        return false;
    }
    if (!(o->status & PL_OBJ_KEYED))
        return false;
    if (!pl_object_attached(o)) {
        check_addable(L, s, idx, o);
        plua_session_attach(L, s, idx, o);
    }
    if ((o->status & PLUA_OBJ_EXPIRED) && !s->broken)
        (void)plua_confirm(L, idx, o); /* to be readable when its row is gone */
    o->status |= PL_OBJ_DELETING;
    plua_session_pin(L, s, idx, o);
    return true;
}

static bool load_only(lua_State *L, plua_session *s, int idx, pl_object *o) {
    (void)L;
    (void)s;
    (void)idx;
    (void)o;
    return true;
}

/* Protected part of deleting: what the cascade loads must not flush half the marks. */
static int walk_deleted(lua_State *L) {
    plua_relation_walk(L, lua_touserdata(L, 1), 2, PL_CASCADE_DELETE, mark_deleted);
    return 0;
}

void plua_session_delete(lua_State *L, plua_session *s, int idx) {
    idx = lua_absindex(L, idx);
    pl_object *o = plua_check_instance(L, idx);
    if (pl_object_state(o) == PL_DELETED && pl_object_attached(o))
        return;
    if (!(o->status & PL_OBJ_KEYED) || (o->status & PL_OBJ_ERASED)) {
        plua_instance_describe(L, o);
        plua_raise_hint(
            L, PL_EINVALID,
            "only objects that have a row can be deleted; expunge a pending one",
            "Instance '%s' is not persisted", lua_tostring(L, -1));
    }
    plua_configure(L, s->db);
    if (o->mapper->nrelations == 0) {
        mark_deleted(L, s, idx, o);
        plua_event_tell(L, s);
        return;
    }
    if (pl_object_attached(o) && s->npins > 0 && !s->flushing)
        plua_relation_walk(L, s, idx, PL_CASCADE_DELETE, load_only);
    lua_pushcfunction(L, walk_deleted);
    lua_pushlightuserdata(L, s);
    lua_pushvalue(L, idx);
    bool autoflush = s->autoflush;
    s->autoflush = false;
    int status = lua_pcall(L, 2, 0, 0);
    s->autoflush = autoflush;
    if (status != LUA_OK)
        lua_error(L);
    plua_event_tell(L, s);
}

void plua_session_usable(lua_State *L, plua_session *s) {
    if (s->closed)
        plua_raise_hint(L, PL_EINVALID, "use db.session of the current context",
                        "this session is closed");
    if (s->broken)
        plua_raise_hint(
            L, PL_EPENDING, "call session:rollback() first",
            "This Session's transaction has been rolled back due to a previous "
            "exception during flush. Original error was: %s",
            s->broken_by);
}

void plua_session_gone(lua_State *L, plua_session *s, int idx, pl_object *o) {
    idx = lua_absindex(L, idx);
    pl_session_cell *cell = o->session;
    uint32_t tx = o->tx;
    plua_session_field(L, s, PLUA_S_DELETED);
    lua_pushvalue(L, idx);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
    plua_session_forget(L, s, idx, o, PL_DELETED);
    o->session = cell;
    o->tx = tx;
    s->raw_writes = true;
}

/* ---- closing ----------------------------------------------------------------------- */

static void detach_pins(lua_State *L, plua_session *s) {
    plua_session_field(L, s, PLUA_S_PINS);
    for (lua_Integer i = 1; i <= s->npins; i++) {
        if (lua_rawgeti(L, -1, i) == LUA_TUSERDATA) {
            pl_object *o = lua_touserdata(L, -1);
            o->pin = 0;
            o->status &= ~(uint32_t)(PL_OBJ_DELETING | PL_OBJ_ORPHAN);
            if (pl_object_state(o) == PL_PENDING) {
                pl_object_set_state(o, PL_TRANSIENT);
                o->session = NULL;
                plua_event_queue(L, s, "pending_to_transient", -1);
            }
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    s->npins = 0;
}

/* Gives the connections back after rolling back what is open. Needs no Lua. */
static void release_connections(plua_session *s, pl_error *err) {
    pl_stmt_release(s->get);
    s->get = NULL;
    for (int i = 0; i < s->nbinds; i++) {
        plua_bind *b = &s->binds[i];
        if (!b->conn)
            continue;
        if (!pl_conn_is_closed(b->conn))
            (void)pl_conn_rollback(b->conn, err);
        plua_site_return(b->site, b->conn);
        b->conn = NULL;
    }
    s->nbinds = 0;
}

/* Objects saved in the transaction that closing rolls back have no row. */
static void lose_unsaved(lua_State *L, plua_session *s, int idx, pl_object *o) {
    bool lost = o->tx >= s->tx_outer && s->in_transaction;
    if (lost) {
        pl_object_set_state(o, PL_TRANSIENT);
        o->status &= ~(uint32_t)PL_OBJ_KEYED;
        o->session = NULL;
    }
    if (!s->db->session_events)
        return;
    o->session = NULL;
    if (!lost)
        pl_object_set_state(o, PL_GONE);
    plua_event_queue(L, s, lost ? "persistent_to_transient" : "persistent_to_detached",
                     idx);
}

void plua_session_close(lua_State *L, plua_session *s) {
    if (s->closed)
        return;
    plua_session_each(L, s, lose_unsaved);
    detach_pins(L, s);
    plua_event_aside(L, s, NULL);
    plua_transactions_ended(L, s, 0);
    s->closed = true;
    s->life++;
    release_connections(s, plua_err(L));
    free_cell(L, s->cell);
    plua_identity_clear(L, s);
    plua_push_session_ud(L, s);
    lua_createtable(L, 8, 0);
    plua_session_field(L, s, PLUA_S_DB);
    lua_rawseti(L, -2, PLUA_S_DB);
    plua_session_field(L, s, PLUA_S_INFO);
    lua_rawseti(L, -2, PLUA_S_INFO);
    lua_setiuservalue(L, -2, 1);
    lua_pop(L, 1);
}

/*
** The collector's order is unknown: the db may be gone. Connections count references, the
** cell is memory of Lua's; nothing else is touched.
*/
static int session_gc(lua_State *L) {
    plua_session *s = lua_touserdata(L, 1);
    if (s->self.n) {
        plua_weak_free(L, s->self);
        luaL_unref(L, LUA_REGISTRYINDEX, s->maps);
    }
    s->self.n = 0;
    if (s->closed)
        return 0;
    s->closed = true;
    pl_stmt_release(s->get);
    s->get = NULL;
    for (int i = 0; i < s->nbinds; i++) {
        if (!s->binds[i].conn)
            continue;
        pl_error err;
        pl_error_init(&err, pl_alloc_libc());
        if (!pl_conn_is_closed(s->binds[i].conn))
            (void)pl_conn_rollback(s->binds[i].conn, &err);
        pl_error_clear(&err);
        pl_conn_unref(s->binds[i].conn);
    }
    s->nbinds = 0;
    s->cell->birth = ++s->cell->epoch;
    return 0;
}

/* ---- methods ----------------------------------------------------------------------- */

static int session_add(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "add");
    plua_session_add(L, s, 2);
    return 0;
}

static int session_add_all(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "add_all");
    if (!lua_istable(L, 2) && !plua_test_collection(L, 2))
        plua_raise_hint(L, PL_EARGUMENT, "session:add_all{a, b}; one object goes to add",
                        "add_all takes a list of objects, got %s", plua_typename(L, 2));
    lua_Integer n = luaL_len(L, 2);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, 2, i);
        plua_session_add(L, s, lua_gettop(L));
        lua_pop(L, 1);
    }
    return 0;
}

static int session_delete(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "delete");
    plua_session_delete(L, s, 2);
    return 0;
}

static int session_flush(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "flush");
    plua_session_flush(L, s);
    return 0;
}

/* Closing leaves the settings; the next use begins anew. */
static int session_close(lua_State *L) {
    plua_session *s = plua_checkself(L, PLUA_SESSION, "close");
    if (s->flushing)
        refuse_in_flush(L, "close");
    plua_session_close(L, s);
    return 0;
}

static void expire_one(lua_State *L, plua_session *s, int idx, pl_object *o) {
    if (o->status & PL_OBJ_FLUSHING)
        refuse_in_flush(L, "expire");
    o->status &= ~(uint32_t)PL_OBJ_ORPHAN;
    if (!(o->status & PL_OBJ_DELETING)) /* what is to be deleted still is */
        plua_session_unpin(L, s, o);
    plua_instance_expire(L, idx, o);
    if (s->db->session_events)
        plua_event_instance(L, "expire", idx, 0);
}

/* What was taken from its owner is still to be deleted: the owner knows of it. */
static void expire_member(lua_State *L, plua_session *s, int idx, pl_object *o) {
    bool orphan = (o->status & PL_OBJ_ORPHAN) && plua_relation_is_orphan(L, idx, o);
    expire_one(L, s, idx, o);
    if (!orphan)
        return;
    o->status |= PL_OBJ_ORPHAN;
    plua_session_pin(L, s, idx, o);
}

static pl_object *check_member(lua_State *L, plua_session *s, int idx) {
    pl_object *o = plua_check_instance(L, idx);
    if (!pl_object_attached(o) || o->session != s->cell ||
        pl_object_state(o) != PL_PERSISTENT) {
        plua_instance_describe(L, o);
        plua_raise(L, PL_EINVALID, "Instance '%s' is not persistent within this Session",
                   lua_tostring(L, -1));
    }
    return o;
}

static bool is_in(lua_State *L, plua_session *s, int idx, pl_object *o) {
    (void)L;
    (void)idx;
    return pl_object_attached(o) && o->session == s->cell;
}

/* Expires the object at idx and what its cascade reaches; what was never saved has
** nothing to come back to and leaves the session. */
static void expire_reached(lua_State *L, plua_session *s, int idx) {
    plua_relation_reach(L, s, idx, PL_CASCADE_REFRESH, is_in);
    int list = lua_gettop(L);
    lua_Integer n = (lua_Integer)lua_rawlen(L, list);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, list, i);
        pl_object *o = lua_touserdata(L, -1);
        if (is_in(L, s, list + 1, o) && pl_object_state(o) == PL_PERSISTENT) {
            expire_member(L, s, list + 1, o);
        } else if (is_in(L, s, list + 1, o) && pl_object_state(o) == PL_PENDING) {
            if (o->status & PL_OBJ_FLUSHING)
                refuse_in_flush(L, "expire");
            plua_session_forget(L, s, list + 1, o, PL_TRANSIENT);
            plua_event_queue(L, s, "pending_to_transient", list + 1);
        }
        lua_settop(L, list);
    }
    lua_settop(L, list - 1);
    plua_event_tell(L, s);
}

/* expire(obj [, {names}]) */
static int session_expire(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "expire");
    pl_object *o = check_member(L, s, 2);
    if (o->status & PL_OBJ_FLUSHING)
        refuse_in_flush(L, "expire");
    if (lua_istable(L, 3))
        plua_expire_attributes(L, 2, o, 3);
    else
        expire_reached(L, s, 2);
    return 0;
}

static int session_expire_all(lua_State *L) {
    plua_session *s = plua_check_settled(L, 1, "expire_all");
    plua_session_each(L, s, expire_one);
    return 0;
}

/* refresh(obj [, {names}]) */
static int session_refresh(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "refresh");
    pl_object *o = check_member(L, s, 2);
    plua_session_usable(L, s);
    if (o->status & PL_OBJ_FLUSHING)
        refuse_in_flush(L, "refresh");
    bool named = lua_istable(L, 3);
    if (named)
        plua_expire_attributes(L, 2, o, 3);
    else
        expire_reached(L, s, 2);
    if (s->autoflush)
        plua_session_autoflush(L, s);
    if (named)
        plua_refresh_attributes(L, 2, o, 3);
    else
        plua_refresh(L, 2, o);
    return 0;
}

static bool expunge_one(lua_State *L, plua_session *s, int idx, pl_object *o) {
    if (!pl_object_attached(o) || o->session != s->cell)
        return false;
    if (o->status & PL_OBJ_FLUSHING)
        refuse_in_flush(L, "expunge");
    bool keyed = (o->status & PL_OBJ_KEYED) != 0;
    plua_session_forget(L, s, idx, o, keyed ? PL_GONE : PL_TRANSIENT);
    plua_event_queue(L, s, keyed ? "persistent_to_detached" : "pending_to_transient",
                     idx);
    return true;
}

static int session_expunge(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "expunge");
    pl_object *o = plua_check_instance(L, 2);
    if (!pl_object_attached(o) || o->session != s->cell) {
        plua_instance_describe(L, o);
        plua_raise(L, PL_EINVALID, "Instance %s is not present in this Session",
                   lua_tostring(L, -1));
    }
    plua_relation_walk(L, s, 2, PL_CASCADE_EXPUNGE, expunge_one);
    plua_event_tell(L, s);
    return 0;
}

static void expunge_mapped(lua_State *L, plua_session *s, int idx, pl_object *o) {
    o->session = NULL;
    o->pin = 0;
    pl_object_set_state(o, PL_GONE);
    plua_event_queue(L, s, "persistent_to_detached", idx);
}

static int session_expunge_all(lua_State *L) {
    plua_session *s = plua_check_settled(L, 1, "expunge_all");
    plua_session_each(L, s, expunge_mapped);
    detach_pins(L, s);
    plua_identity_clear(L, s);
    plua_push_session_ud(L, s);
    lua_getiuservalue(L, -1, 1);
    lua_newtable(L);
    lua_rawseti(L, -2, PLUA_S_PINS);
    plua_event_tell(L, s);
    return 0;
}

static int session_contains(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "contains");
    pl_object *o = plua_check_instance(L, 2);
    lua_pushboolean(L, pl_object_attached(o) && o->session == s->cell &&
                           pl_object_state(o) != PL_DELETED);
    return 1;
}

typedef bool (*pin_test)(lua_State *L, int idx, pl_object *o);

static bool is_new(lua_State *L, int idx, pl_object *o) {
    (void)L;
    (void)idx;
    return pl_object_state(o) == PL_PENDING;
}

static bool is_deleting(lua_State *L, int idx, pl_object *o) {
    (void)L;
    (void)idx;
    return (o->status & (PL_OBJ_DELETING | PL_OBJ_DOOMED)) != 0;
}

static bool is_dirty(lua_State *L, int idx, pl_object *o) {
    plua_json_scan(L, idx, o);
    return pl_object_state(o) == PL_PERSISTENT && !(o->status & PL_OBJ_DELETING) &&
           (o->status & (PL_OBJ_MODIFIED | PL_OBJ_CHANGED | PLUA_OBJ_HISTORY)) != 0;
}

/* A list of the pinned objects that pass a test. */
static void push_pinned(lua_State *L, plua_session *s, pin_test test) {
    lua_newtable(L);
    luaL_setmetatable(L, PLUA_LIST);
    int list = lua_gettop(L);
    plua_session_field(L, s, PLUA_S_PINS);
    lua_Integer n = 0;
    for (lua_Integer i = 1; i <= s->npins; i++) {
        if (lua_rawgeti(L, list + 1, i) == LUA_TUSERDATA &&
            test(L, lua_gettop(L), lua_touserdata(L, -1)))
            lua_rawseti(L, list, ++n);
        lua_settop(L, list + 1);
    }
    lua_settop(L, list);
}

/* Fields: new, dirty, deleted, info, is_active, in_transaction; else methods. */
static int session_index(lua_State *L) {
    plua_session *s = lua_touserdata(L, 1);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    const char *key = luaL_checkstring(L, 2);
    if (strcmp(key, "closed") == 0)
        lua_pushboolean(L, s->closed);
    else if (s->closed && plua_check_session(L, 1, key)->closed)
        return 0;
    else if (strcmp(key, "new") == 0)
        push_pinned(L, s, is_new);
    else if (strcmp(key, "dirty") == 0)
        push_pinned(L, s, is_dirty);
    else if (strcmp(key, "deleted") == 0)
        push_pinned(L, s, is_deleting);
    else if (strcmp(key, "info") == 0)
        plua_session_field(L, s, PLUA_S_INFO);
    else if (strcmp(key, "db") == 0)
        plua_session_field(L, s, PLUA_S_DB);
    else if (strcmp(key, "is_active") == 0)
        lua_pushboolean(L, !s->broken);
    else if (strcmp(key, "autoflush") == 0)
        lua_pushboolean(L, s->autoflush);
    else if (strcmp(key, "expire_on_commit") == 0)
        lua_pushboolean(L, s->expire_on_commit);
    else
        plua_no_member(L, lua_upvalueindex(1), "Session has no attribute");
    return 1;
}

static int session_newindex(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "set");
    const char *key = luaL_checkstring(L, 2);
    if (strcmp(key, "autoflush") == 0)
        s->autoflush = lua_toboolean(L, 3);
    else if (strcmp(key, "expire_on_commit") == 0)
        s->expire_on_commit = lua_toboolean(L, 3);
    else
        plua_raise(L, PL_EATTRIBUTE, "Session attribute '%s' cannot be set", key);
    return 0;
}

static int session_tostring(lua_State *L) {
    plua_session *s = lua_touserdata(L, 1);
    lua_pushfstring(L, s->closed ? "<Session (closed)>" : "<Session %p>", (void *)s);
    return 1;
}

static const luaL_Reg methods[] = {
    {"add", session_add},
    {"add_all", session_add_all},
    {"delete", session_delete},
    {"flush", session_flush},
    {"flush_plan", plua_session_flush_plan},
    {"close", session_close},
    {"remove", session_close},
    {"expire", session_expire},
    {"expire_all", session_expire_all},
    {"refresh", session_refresh},
    {"expunge", session_expunge},
    {"expunge_all", session_expunge_all},
    {"contains", session_contains},
    {"is_modified", plua_session_is_modified},
    {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__gc", session_gc},
    {"__close", session_close},
    {"__tostring", session_tostring},
    {"__newindex", session_newindex},
    {NULL, NULL},
};

/* Adds methods to the table on top; each has the class below it as upvalue 1. */
static void set_methods(lua_State *L, const luaL_Reg *list) {
    lua_pushvalue(L, -2);
    luaL_setfuncs(L, list, 1);
}

int plua_open_session(lua_State *L) {
    plua_class(L, PLUA_SESSION, meta, NULL);
    lua_newtable(L);
    set_methods(L, methods);
    set_methods(L, plua_session_transaction_methods);
    set_methods(L, plua_session_run_methods);
    lua_pushvalue(L, -1);
    plua_shared(L);
    lua_insert(L, -2);
    lua_setfield(L, -2, "session_methods");
    lua_pop(L, 1);
    lua_pushcclosure(L, session_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_newtable(L);
    return 1;
}
