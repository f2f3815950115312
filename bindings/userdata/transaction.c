/* SPDX-License-Identifier: MIT */
/*
** transaction.c - begin, commit, rollback and savepoints of a session.
**
** Only a session owns a transaction. It begins with the first statement: deferred for
** reading, immediate once the session is going to write, so that two writers wait for
** each other instead of failing. Savepoints nest by depth; an object's `tx` tells which
** of them it was INSERTed in. What is undone in objects is in undo.c, what a script
** sees of a transaction in handle.c.
*/
#include "userdata/transaction.h"
#include "userdata/event.h"
#include "userdata/history.h"
#include "userdata/identity.h"
#include "userdata/undo.h"

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
** again when nobody else wrote since, nothing went past the unit of work, and the
** database did nothing of its own when that wrote.
*/
static void revalidate(plua_session *s, plua_bind *b) {
    int64_t version = pl_conn_data_version(b->conn);
    uint64_t writes = pl_conn_write_count(b->conn);
    uint64_t aftermaths = pl_conn_aftermath_count(b->conn);
    if (s->revalidate && s->nbinds == 1 && b->version == version && b->writes == writes &&
        b->aftermaths == aftermaths && !s->raw_writes)
        s->cell->epoch = s->saved_epoch;
    s->revalidate = false;
    s->raw_writes = s->raw_statements = false;
    b->version = version;
    b->writes = writes;
    b->aftermaths = aftermaths;
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

pl_conn *plua_session_conn_past(lua_State *L, plua_session *s, plua_engine *e) {
    plua_session_past(s); /* so that a transaction which begins now confirms nothing */
    pl_conn *conn = plua_session_conn(L, s, e, true);
    plua_session_past(s);
    return conn;
}

void plua_transaction_begin(lua_State *L, plua_session *s, pl_begin_mode mode) {
    s->mode = mode;
    s->explicit_begin = true;
    bool write = s->mode != PL_BEGIN_DEFERRED;
    begin_bind(L, s, connect_bind(L, s, s->db->engines), write, !write);
}

/* ---- after the end ----------------------------------------------------------------- */

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
        plua_undo_forget(L, s);
    lua_pop(L, 1);
}

/* Values of the transaction that ended are stale until revalidation says otherwise. */
static void next_epoch(plua_session *s) {
    s->saved_epoch = s->cell->epoch;
    s->cell->epoch++;
    s->cell->order += s->order_written;
    s->cell->filter += s->filter_written;
    s->order_written = s->filter_written = false;
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
    if (!b->conn || !s->in_transaction)
        return;
    if (!pl_conn_in_transaction(b->conn)) { /* there is none, or the database ended it */
        plua_check(L, pl_conn_commit(b->conn, plua_err(L)));
        return;
    }
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
        plua_savepoint_release(L, s);
    if (s->db->session_events)
        plua_event_session(L, s, "before_commit");
    plua_session_flush_all(L, s);
    int told = 0;
    if (s->db->live) {
        lua_newtable(L);
        told = lua_gettop(L);
    }
    for (int i = 0; i < s->nbinds; i++)
        commit_bind(L, s, &s->binds[i], told);
    plua_session_unpin_all(L, s); /* what the flush left has nothing to write */
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

void plua_session_rest(lua_State *L, plua_session *s) {
    if (!s->in_transaction || s->explicit_begin || s->nested > 0 || s->npins > 0 ||
        s->broken || s->closed)
        return;
    for (int i = 0; i < s->nbinds; i++)
        if (s->binds[i].conn && pl_conn_has_written(s->binds[i].conn))
            return;
    for (int i = 0; i < s->nbinds; i++)
        commit_bind(L, s, &s->binds[i], 0);
    end_transaction(s);
    next_epoch(s);
    plua_transactions_ended(L, s, 0);
}

void plua_session_rollback(lua_State *L, plua_session *s) {
    bool worked = s->in_transaction || s->npins > 0 || s->broken;
    bool told = s->broken;
    for (int i = 0; i < s->nbinds; i++)
        plua_check(L, rollback_bind(L, &s->binds[i]));
    s->broken = false;
    if (worked)
        plua_undo_all(L, s);
    end_transaction(s);
    plua_transactions_ended(L, s, 0);
    if (s->db->session_events && worked && !told)
        plua_event_session(L, s, "after_rollback");
    if (s->db->session_events && worked)
        plua_event_session(L, s, "after_soft_rollback");
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

void plua_savepoint_begin(lua_State *L, plua_session *s) {
    plua_session_usable(L, s);
    plua_session_flush(L, s);
    s->nested++;
    s->tx++;
    for (plua_engine *e = s->db->engines; e; e = e->next)
        if (plua_engine_configured(e, s->app) && (e == s->db->engines || s->nbinds > 1))
            plua_session_conn(L, s, e, true);
    plua_undo_mark(L, s);
}

void plua_savepoint_release(lua_State *L, plua_session *s) {
    plua_session_usable(L, s);
    if (s->db->session_events)
        plua_event_session(L, s, "before_commit");
    plua_session_flush_all(L, s);
    savepoint_all(L, s, true);
    plua_undo_merge(L, s);
    plua_undo_unmark(L, s);
    plua_transactions_ended(L, s, s->nested + 1);
    if (s->db->session_events)
        plua_event_session(L, s, "after_commit");
}

void plua_savepoint_rollback(lua_State *L, plua_session *s) {
    bool undone = s->broken;
    s->broken = false;
    savepoint_all(L, s, false);
    if (!undone)
        plua_undo_nested(L, s);
    plua_undo_unmark(L, s);
    plua_transactions_ended(L, s, s->nested + 1);
    if (s->db->session_events) {
        plua_event_session(L, s, "after_rollback");
        plua_event_session(L, s, "after_soft_rollback");
    }
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
        plua_undo_nested(L, s);
    } else {
        for (int i = 0; i < s->nbinds; i++)
            (void)rollback_bind(L, &s->binds[i]);
        plua_undo_all(L, s);
    }
    s->broken = true;
}
