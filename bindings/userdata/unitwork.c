/* SPDX-License-Identifier: MIT */
/*
** unitwork.c - flushing a session: collect, plan, run, settle.
**
** The core's flush does the ordering and the SQL; this file says what is to be written,
** answers the core's questions (defaults, events, old values) and afterwards puts every
** object into its new state. A failure rolls the transaction back at once and leaves the
** session waiting for rollback().
*/
#include "userdata/unitwork.h"
#include "userdata/event.h"
#include "userdata/identity.h"
#include "userdata/loader.h"
#include "userdata/many.h"
#include "userdata/order.h"
#include "userdata/relationship.h"
#include "userdata/scratch.h"
#include "userdata/undo.h"
#include "userdata/value.h"

#include <string.h>

/* ---- hooks of the core ---------------------------------------------------------------
 */

/* Pushes the userdata of an object in the flush. */
static void push_pinned(plua_unit *u, const pl_object *o) {
    lua_rawgeti(u->L, u->pins, o->pin);
}

static const char *const event_names[][2] = {
    [PL_FLUSH_INSERT] = {"before_insert", "after_insert"},
    [PL_FLUSH_UPDATE] = {"before_update", "after_update"},
    [PL_FLUSH_DELETE] = {"before_delete", "after_delete"},
};

static pl_code fire(plua_unit *u, pl_flush_op op, int when, pl_object *o, pl_error *err) {
    if (op > PL_FLUSH_DELETE)
        return PL_OK;
    int top = lua_gettop(u->L);
    push_pinned(u, o);
    pl_code code = plua_event_mapper(u->L, event_names[op][when], top + 1, err);
    lua_settop(u->L, top);
    return code;
}

static pl_code hook_before(void *ud, pl_flush_op op, pl_object *o, pl_error *err) {
    return fire(ud, op, 0, o, err);
}

static pl_code hook_after(void *ud, pl_flush_op op, pl_object *o, pl_error *err) {
    return fire(ud, op, 1, o, err);
}

static bool hook_committed(void *ud, const pl_object *o, uint16_t slot, pl_slot *out) {
    (void)ud;
    *out = plua_base(o)[slot];
    return out->tag != PL_UNSET;
}

static void hook_warn(void *ud, const char *message) {
    lua_warning(((plua_unit *)ud)->L, message, 0);
}

/* Protected part of `store`: object, slot and value as light userdata. */
static int store_protected(lua_State *L) {
    pl_object *o = lua_touserdata(L, 1);
    const pl_slot *v = lua_touserdata(L, 3);
    plua_instance_store(L, 1, o, (uint16_t)lua_tointeger(L, 2), v);
    return 0;
}

static pl_code hook_store(void *ud, pl_object *o, uint16_t slot, const pl_slot *value,
                          pl_error *err) {
    plua_unit *u = ud;
    lua_State *L = u->L;
    lua_pushcfunction(L, store_protected);
    push_pinned(u, o);
    lua_pushinteger(L, slot);
    lua_pushlightuserdata(L, (void *)value);
    if (lua_pcall(L, 3, 0, 0) != LUA_OK)
        return plua_keep_error(L, err);
    return PL_OK;
}

/* Calls a default's function with the object and sets the attribute. */
static void call_default(lua_State *L, int idx, pl_object *o, uint16_t slot, int ext) {
    plua_push_db(L, plua_db_of(o->mapper->tables[0].table->metadata));
    lua_getiuservalue(L, -1, 1);
    lua_getfield(L, -1, "functions");
    lua_rawgeti(L, -1, ext);
    lua_pushvalue(L, idx);
    lua_call(L, 1, 1);
    plua_instance_set_slot(L, idx, o, slot, lua_gettop(L));
    lua_settop(L, idx);
}

/* Protected part of `fill`. Arguments: op, object. */
static int fill_protected(lua_State *L) {
    pl_flush_op op = (pl_flush_op)lua_tointeger(L, 1);
    pl_object *o = lua_touserdata(L, 2);
    for (uint16_t i = 0; i < o->mapper->nslots; i++) {
        const pl_column *c = o->mapper->attrs[i].column;
        const pl_default *d = !c ? NULL : op == PL_FLUSH_INSERT ? &c->dflt : &c->onupdate;
        bool wanted = op == PL_FLUSH_INSERT ? o->slots[i].tag == PL_UNSET
                                            : !(o->slots[i].flags & PL_SLOT_CHANGED);
        if (!d || !wanted)
            continue;
        if (d->kind == PL_D_FUNCTION) {
            call_default(L, 2, o, i, d->ext);
        } else if (d->kind == PL_D_VALUE) {
            plua_instance_store(L, 2, o, i, &d->value);
            o->slots[i].flags |= PL_SLOT_CHANGED;
            o->status |= PL_OBJ_CHANGED;
        }
    }
    return 0;
}

static pl_code hook_fill(void *ud, pl_flush_op op, pl_object *o, pl_error *err) {
    plua_unit *u = ud;
    lua_pushcfunction(u->L, fill_protected);
    lua_pushinteger(u->L, op);
    push_pinned(u, o);
    if (lua_pcall(u->L, 2, 0, 0) != LUA_OK)
        return plua_keep_error(u->L, err);
    return PL_OK;
}

/* ---- collecting -------------------------------------------------------------------- */

/* An orphan is deleted, or dropped when it was never saved. */
static void settle_orphan(plua_unit *u, int idx, pl_object *o) {
    if (!(o->status & PL_OBJ_ORPHAN))
        return;
    bool orphan = plua_relation_is_orphan(u->L, idx, o);
    o->status &= ~(uint32_t)PL_OBJ_ORPHAN;
    if (!orphan)
        return;
    if (o->status & PL_OBJ_KEYED) {
        plua_session_delete(u->L, u->s, idx);
        return;
    }
    plua_session_forget(u->L, u->s, idx, o, PL_TRANSIENT);
    plua_event_queue(u->L, u->s, "pending_to_transient", idx);
}

/* Keys set past a relationship make what is loaded doubtful once this transaction ends,
** rows of lists in an order these lists. */
static void note_bypassed(plua_unit *u, int idx, const pl_object *o) {
    plua_order_note(u->s, o);
    if (!u->s->raw_writes && plua_relation_bypassed(u->L, idx, o))
        u->s->raw_writes = true;
}

static void collect_object(plua_unit *u, int idx, pl_object *o) {
    lua_State *L = u->L;
    if (pl_object_state(o) == PL_DELETED) /* it has no row any more */
        return;
    plua_json_scan(L, idx, o);
    if (o->status & PL_OBJ_DELETING) {
        plua_check(L, pl_flush_delete(u->f, o, plua_unit_err(u)));
        plua_collect_deleted(u, idx, o);
        return;
    }
    note_bypassed(u, idx, o);
    if (pl_object_state(o) == PL_PENDING || (o->status & PL_OBJ_CHANGED))
        plua_check(L, pl_flush_save(u->f, o, plua_unit_err(u)));
    else if (o->status & PLUA_OBJ_HISTORY)
        plua_check(L, pl_flush_save(u->f, o, plua_unit_err(u)));
    plua_collect_saved(u, idx, o);
}

/* New objects are INSERTed in the order in which they came, whatever leads to them. */
static void add_new(plua_unit *u) {
    lua_State *L = u->L;
    for (lua_Integer i = 1; i <= u->s->npins; i++) {
        pl_object *o =
            lua_rawgeti(L, u->pins, i) == LUA_TUSERDATA ? lua_touserdata(L, -1) : NULL;
        if (o && pl_object_state(o) == PL_PENDING &&
            plua_engine_of(o->mapper->tables[0].table) == u->engine)
            plua_check(L, pl_flush_save(u->f, o, plua_err(L)));
        lua_pop(L, 1);
    }
}

/* Pins grow while their relationships are looked at. */
static void collect(plua_unit *u) {
    lua_State *L = u->L;
    int top = lua_gettop(L);
    for (lua_Integer i = 1; i <= u->s->npins; i++) {
        if (lua_rawgeti(L, u->pins, i) == LUA_TUSERDATA)
            settle_orphan(u, top + 1, lua_touserdata(L, top + 1));
        lua_settop(L, top);
    }
    add_new(u);
    for (lua_Integer i = 1; i <= u->s->npins; i++) {
        pl_object *o = lua_rawgeti(L, u->pins, i) == LUA_TUSERDATA
                           ? lua_touserdata(L, top + 1)
                           : NULL;
        if (o && plua_engine_of(o->mapper->tables[0].table) == u->engine)
            collect_object(u, top + 1, o);
        lua_settop(L, top);
    }
    plua_collect_clears(u);
}

/* ---- settling ---------------------------------------------------------------------- */

/* What the INSERT left out is NULL, unless the database has a default for it. */
static void fill_unset(pl_object *o) {
    for (uint16_t i = 0; i < o->mapper->nslots; i++) {
        const pl_column *c = o->mapper->attrs[i].column;
        pl_slot *v = &o->slots[i];
        if (v->tag == PL_UNSET && c && !c->server_default && !c->computed &&
            !(v->flags & PL_SLOT_SERVER))
            *v = pl_slot_null();
        else if (v->tag == PL_UNSET || v->tag == PL_EXPR)
            o->status |= PL_OBJ_PARTIAL;
    }
}

static void become_persistent(plua_unit *u, int idx, pl_object *o) {
    fill_unset(o);
    plua_instance_settle(u->L, idx, o);
    plua_relation_settle(u->L, idx, o);
    o->pin = 0;
    o->status |= PL_OBJ_KEYED;
    plua_session_attach(u->L, u->s, idx, o);
    if (u->s->db->session_events)
        plua_event_object(u->L, u->s, "pending_to_persistent", idx);
}

/* The UPDATE may have given the row another primary key. */
static void move_key(plua_unit *u, int idx, const pl_object *o) {
    lua_State *L = u->L;
    const pl_slot *base = plua_base(o);
    bool moved = false;
    for (int k = 0; k < o->mapper->npk; k++)
        moved =
            moved || !pl_slot_same(&base[o->mapper->pk[k]], &o->slots[o->mapper->pk[k]]);
    if (!moved)
        return;
    int top = lua_gettop(L);
    plua_undo_moved(L, u->s, idx, o, base);
    plua_identity_map(L, u->s, o->mapper);
    plua_push_key(L, o->mapper, base);
    lua_pushvalue(L, -1);
    lua_rawget(L, top + 1);
    if (lua_rawequal(L, -1, idx)) {
        lua_pop(L, 1);
        lua_pushnil(L);
        lua_rawset(L, top + 1);
    }
    lua_settop(L, top + 1);
    plua_push_key(L, o->mapper, o->slots);
    lua_pushvalue(L, idx);
    lua_rawset(L, top + 1);
    lua_settop(L, top);
}

static void stay_persistent(plua_unit *u, int idx, pl_object *o) {
    lua_State *L = u->L;
    bool written = (o->status & (PL_OBJ_CHANGED | PLUA_OBJ_HISTORY | PLUA_OBJ_COPY)) != 0;
    for (uint16_t i = 0; i < o->mapper->nslots; i++)
        if (o->slots[i].tag == PL_UNSET ||
            (o->slots[i].tag == PL_EXPR && !(o->slots[i].flags & PL_SLOT_CHANGED))) {
            o->slots[i].tag = PL_UNSET;
            o->status |= PL_OBJ_PARTIAL;
        }
    if (o->status & PLUA_OBJ_COPY)
        move_key(u, idx, o);
    bool related = (o->status & PLUA_OBJ_HISTORY) != 0;
    plua_instance_settle(L, idx, o);
    if (related)
        plua_relation_settle(L, idx, o);
    o->pin = 0;
    if (!written || u->s->nested == 0)
        return;
    int top = lua_gettop(L);
    plua_session_field(L, u->s, PLUA_S_NESTED);
    lua_rawgeti(L, -1, u->s->nested);
    lua_getfield(L, -1, "changed");
    lua_pushvalue(L, idx);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    lua_settop(L, top);
}

static void become_deleted(plua_unit *u, int idx, pl_object *o) {
    plua_session_gone(u->L, u->s, idx, o);
    if (u->s->db->session_events)
        plua_event_object(u->L, u->s, "persistent_to_deleted", idx);
}

/* Only what is pinned still stays in the list, under new numbers. */
static void drop_pins(plua_unit *u) {
    lua_State *L = u->L;
    int top = lua_gettop(L);
    lua_Integer n = 0;
    plua_push_session_ud(L, u->s);
    lua_getiuservalue(L, -1, 1);
    lua_newtable(L);
    for (lua_Integer i = 1; i <= u->s->npins; i++) {
        lua_rawgeti(L, u->pins, i);
        pl_object *o = lua_touserdata(L, -1);
        if (o && o->pin == i) {
            lua_rawseti(L, top + 3, ++n);
            o->pin = (uint32_t)n;
        } else {
            lua_pop(L, 1);
        }
    }
    lua_rawseti(L, top + 2, PLUA_S_PINS);
    u->s->npins = n;
    lua_settop(L, top);
}

static void settle_object(plua_unit *u, int idx, pl_object *o) {
    bool doomed = (o->status & PL_OBJ_DOOMED) != 0;
    if (pl_object_state(o) == PL_DELETED) { /* what was set since is nobody's business */
        o->status &= ~(uint32_t)PL_OBJ_IN_FLUSH;
        return;
    }
    if (pl_object_state(o) == PL_PENDING)
        become_persistent(u, idx, o);
    else if (pl_object_state(o) == PL_PERSISTENT)
        stay_persistent(u, idx, o);
    o->status &= ~(uint32_t)PL_OBJ_IN_FLUSH;
    if (doomed)
        o->status |= PL_OBJ_DELETING;
    if (o->status & (PL_OBJ_DELETING | PL_OBJ_CHANGED | PL_OBJ_JSON))
        plua_session_pin(u->L, u->s, idx, o);
}

/* Pins stay until all is done: what fails in between is undone by them. What listeners
** brought in is not of this flush. */
static void settle(plua_unit *u) {
    lua_State *L = u->L;
    int top = lua_gettop(L);
    lua_Integer n = u->s->npins;
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, u->pins, i);
        pl_object *o = lua_touserdata(L, -1);
        if (o && (o->status & PL_OBJ_FLUSHING))
            o->pin = 0;
        if (o && (o->status & PL_OBJ_FLUSHING) && (o->status & PL_OBJ_DELETING))
            become_deleted(u, top + 1, o);
        lua_settop(L, top);
    }
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, u->pins, i);
        pl_object *o = lua_touserdata(L, -1);
        if (o && (o->status & PL_OBJ_FLUSHING))
            settle_object(u, top + 1, o);
        lua_settop(L, top);
    }
    drop_pins(u);
}

/* ---- running ----------------------------------------------------------------------- */

static int flush_gc(lua_State *L) {
    pl_flush **box = lua_touserdata(L, 1);
    if (*box)
        pl_flush_free(*box);
    *box = NULL;
    return 0;
}

static const char FLUSH_KEY = 0;

/* Pushes a box that frees the flush when it is collected. */
static pl_flush **push_box(lua_State *L) {
    pl_flush **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &FLUSH_KEY) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 2);
        lua_pushcfunction(L, flush_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &FLUSH_KEY);
    }
    lua_setmetatable(L, -2);
    return box;
}

static void begin_unit(lua_State *L, plua_session *s, plua_unit *u, pl_conn *conn,
                       const pl_flush_hooks *hooks) {
    u->err = plua_err(L);
    pl_flush **box = push_box(L);
    *box = pl_flush_new(plua_rt(L)->alloc, conn, &pl_dialect_sqlite, hooks);
    if (!*box)
        plua_nomem(L);
    u->f = *box;
    plua_session_field(L, s, PLUA_S_PINS);
    u->pins = lua_gettop(L);
    lua_newtable(L);
    u->links = lua_gettop(L);
    lua_newtable(L);
    u->parents = lua_gettop(L);
    lua_newtable(L);
    u->clears = lua_gettop(L);
}

/* Whether some pinned object lives in the database of an engine. */
static bool engine_has_work(lua_State *L, plua_session *s, const plua_engine *e) {
    bool found = false;
    plua_session_field(L, s, PLUA_S_PINS);
    for (lua_Integer i = 1; i <= s->npins && !found; i++) {
        if (lua_rawgeti(L, -1, i) == LUA_TUSERDATA) {
            const pl_object *o = lua_touserdata(L, -1);
            found = plua_engine_of(o->mapper->tables[0].table) == e;
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return found;
}

/* Whether some pinned object has something to write (a pinned JSON may be as it was). */
static bool has_work(lua_State *L, plua_session *s) {
    bool work = false;
    plua_session_field(L, s, PLUA_S_PINS);
    int pins = lua_gettop(L);
    for (lua_Integer i = 1; i <= s->npins && !work; i++) {
        if (lua_rawgeti(L, pins, i) == LUA_TUSERDATA) {
            pl_object *o = lua_touserdata(L, -1);
            plua_json_scan(L, pins + 1, o);
            work = pl_object_state(o) == PL_PENDING ||
                   (o->status & (PL_OBJ_DELETING | PL_OBJ_CHANGED | PLUA_OBJ_HISTORY |
                                 PL_OBJ_ORPHAN)) != 0;
        }
        lua_settop(L, pins);
    }
    lua_settop(L, pins - 1);
    return work;
}

/* Raises the error of a code, with the object that it is about. */
static void check_unit(plua_unit *u, pl_code code) {
    if (code == PL_OK)
        return;
    const pl_object *o = plua_rt(u->L)->err.object;
    if (o && o->pin) {
        push_pinned(u, o);
        plua_offer_object(u->L, -1, o);
    }
    plua_throw(u->L);
}

/* Which objects the flush is about; those that listeners add from here on are not. */
static void mark_members(plua_unit *u) {
    lua_State *L = u->L;
    for (lua_Integer i = 1; i <= u->s->npins; i++) {
        lua_rawgeti(L, u->pins, i);
        pl_object *o = lua_touserdata(L, -1);
        if (o && plua_engine_of(o->mapper->tables[0].table) == u->engine)
            o->status |= PL_OBJ_FLUSHING;
        lua_pop(L, 1);
    }
}

/* Flushes what belongs to one database. */
static void flush_engine(lua_State *L, plua_session *s, plua_engine *e) {
    int top = lua_gettop(L);
    plua_unit u = {.L = L, .s = s, .engine = e};
    pl_flush_hooks hooks = {.ud = &u,
                            .before = hook_before,
                            .after = hook_after,
                            .fill = hook_fill,
                            .store = hook_store,
                            .committed = hook_committed,
                            .warn = hook_warn};
    plua_many_begin(&u, &hooks);
    bool begins = !s->in_transaction, raw = s->raw_writes;
    pl_conn *conn = plua_session_conn(L, s, e, true);
    uint64_t before = pl_conn_write_count(conn);
    uint64_t aftermaths = pl_conn_aftermath_count(conn);
    begin_unit(L, s, &u, conn, &hooks);
    collect(&u);
    check_unit(&u, pl_flush_plan(u.f, plua_err(L)));
    mark_members(&u);
    check_unit(&u, pl_flush_run(u.f, plua_err(L)));
    plua_session_wrote(s, conn, before);
    if (begins &&
        ((s->raw_writes && !raw) || pl_conn_aftermath_count(conn) != aftermaths))
        s->cell->epoch++; /* what was confirmed when it began may not be so any more */
    pl_flush_free(u.f);
    *(pl_flush **)lua_touserdata(L, u.pins - 1) = NULL;
    lua_settop(L, top);
}

/* The unit of work itself; runs protected. Argument 1: the session as light userdata. */
static int flush_protected(lua_State *L) {
    plua_session *s = lua_touserdata(L, 1);
    if (s->db->session_events)
        plua_event_session(L, s, "before_flush");
    for (plua_engine *e = s->db->engines; e; e = e->next)
        if (engine_has_work(L, s, e))
            flush_engine(L, s, e);
    if (s->db->session_events)
        plua_event_session(L, s, "after_flush");
    plua_unit u = {.L = L, .s = s};
    plua_session_field(L, s, PLUA_S_PINS);
    u.pins = lua_gettop(L);
    settle(&u);
    if (s->db->session_events)
        plua_event_session(L, s, "after_flush_postexec");
    return 0;
}

/* Appends the plan of one database to the text at index 2. */
static void plan_engine(lua_State *L, plua_session *s, plua_engine *e, pl_buf *text) {
    int top = lua_gettop(L);
    plua_unit u = {.L = L, .s = s, .engine = e};
    pl_flush_hooks hooks = {.ud = &u, .committed = hook_committed};
    begin_unit(L, s, &u, plua_session_conn(L, s, e, false), &hooks);
    collect(&u);
    plua_check(L, pl_flush_plan(u.f, plua_err(L)));
    pl_flush_print(u.f, text);
    lua_settop(L, top);
}

/* db.session:flush_plan(): the plan as text, without running it. */
static int plan_protected(lua_State *L) {
    plua_session *s = lua_touserdata(L, 1);
    pl_alloc alloc;
    pl_arena *arena = plua_scratch(L, &alloc);
    pl_buf text;
    pl_buf_init(&text, alloc);
    for (plua_engine *e = s->db->engines; e; e = e->next)
        if (engine_has_work(L, s, e))
            plan_engine(L, s, e, &text);
    lua_pushstring(L, pl_buf_cstr(&text));
    plua_arena_done(arena);
    return 1;
}

int plua_session_flush_plan(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "flush_plan");
    plua_session_usable(L, s);
    if (s->flushing)
        plua_raise(L, PL_EINVALID, "Session is already flushing");
    plua_configure(L, s->db);
    lua_pushcfunction(L, plan_protected);
    lua_pushlightuserdata(L, s);
    s->flushing = true; /* what must be read for the plan writes nothing before */
    int status = lua_pcall(L, 1, 1, 0);
    s->flushing = false;
    return status == LUA_OK ? 1 : lua_error(L);
}

/* The error on top came from a flush that nobody asked for: its hint says so. */
static void note_autoflush(lua_State *L) {
    if (!lua_getmetatable(L, -1))
        return;
    luaL_getmetatable(L, PLUA_ERROR);
    bool ours = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    if (!ours || !lua_istable(L, -1))
        return;
    const char *hint =
        lua_getfield(L, -1, "hint") == LUA_TSTRING ? lua_tostring(L, -1) : "";
    lua_pushfstring(
        L,
        "%s%sraised as a result of autoflush: session:no_autoflush(function() "
        "... end) keeps a query from flushing too soon",
        hint, *hint ? "; " : "");
    lua_setfield(L, -3, "hint");
    lua_pop(L, 1);
}

static void flush(lua_State *L, plua_session *s, bool asked) {
    plua_session_usable(L, s);
    if (s->npins == 0)
        return;
    if (s->flushing)
        plua_raise(L, PL_EINVALID, "Session is already flushing");
    plua_configure(L, s->db);
    if (!has_work(L, s))
        return;
    s->flushing = true;
    lua_pushcfunction(L, flush_protected);
    lua_pushlightuserdata(L, s);
    int status = lua_pcall(L, 1, 0, 0);
    s->flushing = false;
    if (status == LUA_OK)
        return;
    plua_session_fail(L, s);
    plua_event_aside(L, s, "after_rollback");
    plua_event_aside(L, s, NULL);
    if (!asked)
        note_autoflush(L);
    lua_error(L);
}

void plua_session_flush(lua_State *L, plua_session *s) {
    flush(L, s, true);
}

void plua_session_flush_all(lua_State *L, plua_session *s) {
    enum { MOST = 100 };
    for (int i = 0; i < MOST; i++) {
        plua_session_flush(L, s);
        if (s->npins == 0 || !has_work(L, s))
            return;
    }
    plua_raise_hint(L, PL_EFLUSH, "see what its listeners of after_flush add or change",
                    "Over %d subsequent flushes have occurred within session.commit()",
                    MOST);
}

void plua_session_autoflush(lua_State *L, plua_session *s) {
    if (!s->autoflush || s->flushing || s->npins == 0)
        return;
    flush(L, s, false);
}
