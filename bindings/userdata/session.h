/* SPDX-License-Identifier: MIT */
/*
** session.h - a session: the objects it knows (identity.h), one transaction.
**
** User value 1 is a table, see PLUA_S_...: pins (objects new, changed or to be deleted,
** in order; false where one was dropped), the db, objects deleted by the open
** transaction, info, savepoints, changes of state that listeners are to hear of, and
** objects that got another primary key in the open transaction, with the old one. The
** identity maps (root mapper position + 1 -> weak table of key -> instance) are
** behind a registry reference.
*/
#ifndef PLUA_SESSION_H
#define PLUA_SESSION_H

#include "userdata/database.h"
#include "userdata/instance.h"

enum {
    PLUA_S_PINS = 1,
    PLUA_S_DB,
    PLUA_S_DELETED,
    PLUA_S_INFO,
    PLUA_S_NESTED,
    PLUA_S_RAW,
    PLUA_S_EVENTS,
    PLUA_S_MOVED
};

enum { PLUA_MAX_BINDS = 8 };

typedef struct plua_bind {
    plua_engine *engine;
    plua_site *site;     /* where conn goes back to */
    pl_conn *conn;       /* NULL until first used */
    int64_t version;     /* data_version when the last transaction ended, -1 unknown */
    uint64_t writes;     /* pl_conn_write_count when last looked at */
    uint64_t aftermaths; /* pl_conn_aftermath_count when the last transaction began */
    int depth;           /* savepoints open on it */
    bool recorded;       /* the transaction is on record, see history.h */
    bool unused;         /* begun by the script, and nothing has run in it yet */
} plua_bind;

typedef struct plua_session {
    plua_weak self;
    int maps; /* registry reference to the identity maps, which hold nothing but weakly */
    pl_session_cell *cell;
    plua_db *db;
    int app; /* number of the app whose databases it uses, see plua_site */
    plua_bind binds[PLUA_MAX_BINDS];
    int nbinds;
    const pl_object *adding; /* what session:add was called with; compared only */
    pl_stmt *get;            /* statement of a get() that is under way, else NULL */
    uint32_t life;           /* how often it was closed */
    lua_Integer npins;       /* entries of the pins table */
    int nested;              /* begin_nested depth */
    bool closed;
    bool in_transaction; /* something was read or written, or begin() was called */
    bool explicit_begin; /* begin() was called */
    bool autoflush;
    bool expire_on_commit;
    bool flushing;
    bool broken;         /* a flush failed: rollback() must come first */
    bool raw_writes;     /* a statement past the unit of work changed rows */
    bool order_written;  /* rows of lists in an order were written: order.h */
    bool filter_written; /* and what a criterion tells of rows */
    bool raw_statements; /* one of the script's did */
    bool revalidate;     /* a transaction ended: see whether the database changed since */
    pl_begin_mode mode;  /* for the next BEGIN */
    uint32_t tx;         /* serial of the innermost transaction or savepoint */
    uint32_t tx_outer;   /* of the outermost: objects with tx >= this are new in it */
    uint32_t saved_epoch; /* epoch of values that revalidation may confirm */
    char broken_by[256];  /* message of the flush error */
} plua_session;

/* The session of an attached object, or NULL. */
static inline plua_session *plua_object_session(const pl_object *o) {
    const pl_session_cell *cell = o->session;
    return cell && o->epoch >= cell->birth ? cell->session : NULL;
}

plua_session *plua_check_session(lua_State *L, int idx, const char *method);
plua_session *plua_test_session(lua_State *L, int idx);

/* Pushes a new session of a db / the userdata of a session. [-0, +1, m] */
plua_session *plua_new_session(lua_State *L, plua_db *db);

/* Opens a closed session again, with its settings and nothing else. [-0, +0, m] */
void plua_session_reopen(lua_State *L, plua_session *s);

/* Whether the session is the one that its db has in the context in force, so that it may
** be opened again. [-0, +0, m] */
bool plua_session_in_force(lua_State *L, const plua_session *s);

void plua_push_session_ud(lua_State *L, const plua_session *s);

/* Calls fn for every session of a db that is open (NULL: of any db); how many there are.
** [-0, +0, -] */
int plua_each_session(lua_State *L, const plua_db *db, void (*fn)(plua_session *s));

/* Pushes a list of the sessions that are not closed. [-0, +1, m] */
void plua_push_sessions(lua_State *L);

/* Pushes one of the session's tables (PLUA_S_...). [-0, +1, -] */
void plua_session_field(lua_State *L, const plua_session *s, int field);

/* The connection of an engine, without a transaction; raises. */
pl_conn *plua_session_connect(lua_State *L, plua_session *s, plua_engine *e);

/* Begins (lazily) and gives the connection of an engine; raises. `write`: going to write.
 */
pl_conn *plua_session_conn(lua_State *L, plua_session *s, plua_engine *e, bool write);

/* A statement past the unit of work is to be run, or was. */
static inline void plua_session_past(plua_session *s) {
    s->raw_writes = s->raw_statements = true;
}

/* The same for a statement that writes past the unit of work. */
pl_conn *plua_session_conn_past(lua_State *L, plua_session *s, plua_engine *e);

/* Adds a transient or detached object and what cascades from it. [-0, +0, v] */
void plua_session_add(lua_State *L, plua_session *s, int idx);
/* The same for an object that is already known to be fine: no cascade. */
void plua_session_attach(lua_State *L, plua_session *s, int idx, pl_object *o);

/* Flushes when the session does so by itself before a query. [-0, +0, v] */
void plua_session_autoflush(lua_State *L, plua_session *s);
void plua_session_flush(lua_State *L, plua_session *s);
/* Flushes until nothing is left: listeners may have added more. [-0, +0, v] */
void plua_session_flush_all(lua_State *L, plua_session *s);

/* Our own statements wrote since the count `before`: not past the unit of work. */
void plua_session_wrote(plua_session *s, pl_conn *conn, uint64_t before);

/* A flush failed with the error on top of the stack (which stays): rolls back at once,
** restores the objects, leaves the session waiting for rollback(). [-0, +0, m] */
void plua_session_fail(lua_State *L, plua_session *s);

/* session:flush_plan(), for the methods table. */
int plua_session_flush_plan(lua_State *L);

/* Raises when a failed flush or close makes the session unusable. */
void plua_session_usable(lua_State *L, plua_session *s);

/* The session of a method that a listener may not call while a flush runs. */
plua_session *plua_check_settled(lua_State *L, int idx, const char *method);

/* Methods of the class from other files: handle.c, execute.c. */
extern const luaL_Reg plua_session_transaction_methods[];
extern const luaL_Reg plua_session_run_methods[];

/* Ends the transaction of all connections. [-0, +0, v] */
void plua_session_commit(lua_State *L, plua_session *s);
void plua_session_rollback(lua_State *L, plua_session *s);

/* Marks an object and what the delete cascade reaches for deletion. [-0, +0, v] */
void plua_session_delete(lua_State *L, plua_session *s, int idx);

/* Makes an object transient again, or detached, and forgets it. [-0, +0, m] */
void plua_session_forget(lua_State *L, plua_session *s, int idx, pl_object *o,
                         pl_state state);

/* The object's row was deleted in the open transaction. [-0, +0, m] */
void plua_session_gone(lua_State *L, plua_session *s, int idx, pl_object *o);

/* Rolls back, detaches all, gives the connections back. Never raises. [-0, +0, m] */
void plua_session_close(lua_State *L, plua_session *s);

int plua_open_session(lua_State *L);
int plua_open_transaction(lua_State *L);

#endif
