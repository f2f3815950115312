/* SPDX-License-Identifier: MIT */
/*
** database.h - the db object: metadata and engines per bind, the registry of models, the
** way to the current session.
**
** The userdata holds the C side; its user value is a table with the Lua side (models by
** number and name, engines, options, the root context). Everything that tables, columns
** and mappers live in is memory of Lua's, so that they outlive every finalizer.
*/
#ifndef PLUA_DATABASE_H
#define PLUA_DATABASE_H

#include "core/driver/conn.h"
#include "core/unit/mapper.h"
#include "pl_lua.h"
#include "userdata/glue.h"
#include "userdata/live.h"
#include "userdata/null.h"

/*
** Where a database is, as one app configured it, and its connections that no session
*uses.
** A db object that is registered with several apps (one after the other in tests) has a
** site of each engine per app; 0 stands for a db without an app.
*/
typedef struct plua_site {
    struct plua_site *next;
    struct plua_engine *engine;
    int app;
    bool configured; /* has a URI */
    pl_uri uri;
    const char *path;   /* database file, NULL for memory */
    const char *folder; /* made before the file is first opened, or NULL */
    pl_conn_options options;
    pl_conn *idle[8]; /* connections no session uses */
    int nidle;
    pl_conn *shared; /* memory databases, and any while held: the one connection */
    bool held;       /* by db_hold, for specs */
} plua_site;

/* A database of the db object: the default one (key NULL) or a bind. */
typedef struct plua_engine {
    struct plua_engine *next;
    struct plua_db *db;
    const pl_watch *watch; /* the db's: connections may outlive that */
    const char *key;       /* bind key, NULL for the default */
    pl_metadata md;
    plua_site *sites;
    plua_notes notes; /* what the open transaction changed, see live.h */
} plua_engine;

/* User values of a db: the table behind it, its models by position. */
enum { PLUA_DB_TABLE = 1, PLUA_DB_MODELS };

typedef struct plua_db {
    plua_weak self;
    lua_State *main;      /* main thread of the state */
    plua_runtime *rt;     /* of the state */
    pl_arena objects;     /* Lua's memory: engines, registry, declarations */
    plua_engine *engines; /* default first */
    pl_registry registry;
    bool closed;
    bool bound; /* belongs to an App: needs a context */
    bool echo;
    bool batch_lazy;
    bool listening;         /* some listener wants statements (trace), */
    bool listening_before;  /* and before they run, */
    bool listening_failed;  /* and those that fail */
    bool listening_connect; /* some listener wants connections */
    bool live;              /* somebody wants to know what transactions change */
    bool session_events;    /* some listener wants events of sessions or instances */
    bool reporting;         /* uses of relationships are told, see plua_note_relation */
    const pl_watch *watch;  /* of the host, or NULL */
    uint64_t compiled_hits, compiled_misses;
    struct plua_cache *compiled; /* compiled.h; NULL until first used */
} plua_db;

/* Checks a db object. [-0, +0, v] */
plua_db *plua_check_db(lua_State *L, int idx);

/* Pushes the userdata of a plua_db. [-0, +1, -] */
void plua_push_db(lua_State *L, const plua_db *db);

/* The db that metadata belongs to. */
plua_db *plua_db_of(const pl_metadata *md);

/* The engine of a table. */
plua_engine *plua_engine_of(const pl_table *t);

/* The engine of a bind key (NULL: the default), made unconfigured when missing. */
plua_engine *plua_engine_get(lua_State *L, plua_db *db, const char *key);

/* The site of an engine for an app, made unconfigured when missing. [-0, +0, m] */
plua_site *plua_engine_site(lua_State *L, plua_engine *e, int app);

/* The same, or NULL when the engine has none that is configured. */
plua_site *plua_engine_configured(const plua_engine *e, int app);

/* A connection of a site: an idle one or a new one. Give back with plua_site_return. */
pl_code plua_site_connect(lua_State *L, plua_site *site, pl_conn **out, pl_error *err);
void plua_site_return(plua_site *site, pl_conn *c);

/* Pushes the current session of a db (made on first use). Raises RuntimeError outside a
** context. [-0, +1, v] */
struct plua_session *plua_push_session(lua_State *L, plua_db *db);

/* Pushes the model userdata / the metatable of instances of a mapper. [-0, +1, -] */
void plua_push_model(lua_State *L, const pl_mapper *m);
void plua_push_instance_meta(lua_State *L, const pl_mapper *m);

/* Tells the function relation_used of the shared values, where a db reports, that a
** relationship of the object at idx was "loaded" with a query or "read" by a script, or,
** with idx 0, that the load of all objects before is done ("eager"). [-0, +0, e] */
void plua_note_relation(lua_State *L, const pl_relation *r, const char *use, int idx);

int plua_open_database(lua_State *L);

#endif
