/* SPDX-License-Identifier: MIT */
/*
** glue.h - what every userdata class of the module shares.
**
** One plua_runtime per Lua state hangs in the registry: the allocator, the error being
** built, the session cells. Classes are metatables in the registry under PLUA_* names;
** methods stand in a table of their own behind __index. The core returns codes; only
** plua_throw raises. Stack effects are given in the manual's [-pops, +pushes, error]
*style.
*/
#ifndef PLUA_GLUE_H
#define PLUA_GLUE_H

#include "core/base/buf.h"
#include "core/base/error.h"

#include <lauxlib.h>
#include <lua.h>

#define PLUA_DATABASE    "perilune.Database"
#define PLUA_ENGINE      "perilune.Engine"
#define PLUA_TYPE        "perilune.Type"
#define PLUA_TABLE       "perilune.Table"
#define PLUA_MODEL       "perilune.Model"
#define PLUA_EXPRESSION  "perilune.Expression"
#define PLUA_RELATION    "perilune.Relationship"
#define PLUA_ALIAS       "perilune.Alias"
#define PLUA_FROM        "perilune.From" /* subquery, CTE, values: has .c columns */
#define PLUA_QUERY       "perilune.Query"
#define PLUA_STATEMENT   "perilune.Statement" /* insert, update, delete, text */
#define PLUA_OPTION      "perilune.Option"    /* loader options */
#define PLUA_SESSION     "perilune.Session"
#define PLUA_TRANSACTION "perilune.Transaction"
#define PLUA_COLLECTION  "perilune.Collection"
#define PLUA_RESULT      "perilune.Result"
#define PLUA_ROW         "perilune.Row"
#define PLUA_LIST        "perilune.List"
#define PLUA_ERROR       "perilune.Error"
#define PLUA_BOX         "perilune.Arena"

struct pl_session_cell;

typedef struct plua_runtime {
    pl_alloc alloc;    /* the Lua state's own */
    pl_error err;      /* the error being built, see plua_err */
    bool has_raised;   /* a Lua error waits in the runtime's user value 2 */
    uint32_t pass;     /* last pass number given to pl_node_walk */
    uint32_t walks;    /* number of the last walk through objects */
    uint32_t sequence; /* creation counter of columns and relationships */
    struct pl_session_cell **free_cells;
    struct pl_session_cell *cells; /* free list through `session` */
    int weak;                      /* registry index of the table of plua_weak, or 0 */
    int open_results;              /* statements held by results, for leak checks */
} plua_runtime;

/* The runtime's error, cleared to be filled. */
static inline pl_error *plua_err_of(plua_runtime *rt) {
    pl_error_clear(&rt->err);
    return &rt->err;
}

/* The runtime of a state; made by luaopen_perilune. [-0, +0, -] */
plua_runtime *plua_rt(lua_State *L);

/* Pushes the table of Lua values that the module's files share (models by pointer, the
** context stack, db.null ...). [-0, +1, m] */
void plua_shared(lua_State *L);

/* Pushes a new table that holds its keys ("k") or values ("v") weakly. [-0, +1, m] */
void plua_push_weak_table(lua_State *L, const char *mode);

/*
** A weak reference to a userdata that C structs know by pointer. Pushing it costs two
** reads of arrays. The userdata's finalizer gives it back.
*/
typedef struct plua_weak {
    int table; /* in the registry */
    int n;
} plua_weak;

/* A reference to the userdata at idx. [-0, +0, m] */
plua_weak plua_weak_new(lua_State *L, int idx);
void plua_weak_free(lua_State *L, plua_weak w);

/* Pushes the userdata, or nil when it is being collected. [-0, +1, -] */
static inline void plua_push_weak(lua_State *L, plua_weak w) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, w.table);
    lua_rawgeti(L, -1, w.n);
    lua_replace(L, -2);
}

/* The cleared error of the runtime, for the next call into the core. */
pl_error *plua_err(lua_State *L);

/* Raises what the runtime's error holds (or the Lua error a callback left). [-0, +0, v]
 */
__attribute__((noreturn)) void plua_throw(lua_State *L);

/* Raises "not enough memory". [-0, +0, v] */
__attribute__((noreturn)) void plua_nomem(lua_State *L);

/* Raises when code is not PL_OK. */
void plua_check(lua_State *L, pl_code code);

/* Raises an error of a class with a message (lua_pushfstring's directives). */
__attribute__((noreturn)) void plua_raise(lua_State *L, pl_code code, const char *fmt,
                                          ...);

/* The same with a way out. */
__attribute__((noreturn)) void plua_raise_hint(lua_State *L, pl_code code,
                                               const char *hint, const char *fmt, ...);

/* "where: message"; err.attribute is `where` when that is "Model.attribute". */
__attribute__((noreturn)) void plua_raise_at(lua_State *L, pl_code code,
                                             const char *where, const char *fmt, ...);
void plua_blame(pl_error *e, const char *where);

/* The next error object about `object` (a pl_object) has the value at idx in its field
** `object`. [-0, +0, m] */
void plua_offer_object(lua_State *L, int idx, const void *object);

/* Pushes the error object of the runtime's error. [-0, +1, m] */
void plua_push_error(lua_State *L);

/* Class of the error object on top, PL_ERUNTIME for anything else. [-0, +0, m] */
pl_code plua_error_code(lua_State *L);

/*
** Keeps the error on top of the stack for plua_throw and turns it into a code for the
** core (PL_ERUNTIME, or the class of an error object). [-1, +0, m]
*/
pl_code plua_keep_error(lua_State *L, pl_error *err);

/*
** Registers a class: metatable `name` with `meta` functions, methods behind __index
** unless `meta` has one, __metatable locked. Leaves the metatable on the stack.
** Repeatable. [-0, +1, m]
*/
void plua_class(lua_State *L, const char *name, const luaL_Reg *meta,
                const luaL_Reg *methods);

/* Userdata at idx when it is of the class, else NULL. [-0, +0, -] */
void *plua_test(lua_State *L, int idx, const char *name);

/* The same, raising "NAME expected, got ..." and, for argument 1 of a method, the colon
** reminder ("call it with a colon: query:all()"). [-0, +0, v] */
void *plua_checkself(lua_State *L, const char *name, const char *method);

/* The argument at idx, as luaL_check... gives it; raises an error object when it is
** another thing, and says so when a constructor was called with a colon. [-0, +0, v] */
void plua_need_any(lua_State *L, int idx);
void plua_need_table(lua_State *L, int idx);
const char *plua_need_string(lua_State *L, int idx, size_t *len);
lua_Integer plua_need_integer(lua_State *L, int idx);

/*
** An arena that Lua's collector frees at the latest; anchored on the stack.
** plua_arena_done frees it at once. [-0, +1, m]
*/
pl_arena *plua_arena(lua_State *L);
void plua_arena_done(pl_arena *a);

/* Name of the type of a value for messages: class name or basic type. [-0, +0, m] */
const char *plua_typename(lua_State *L, int idx);

/* Puts t.k aside: string field helpers. [-0, +0, e]; strings live as long as the table's.
 */
const char *plua_field_str(lua_State *L, int idx, const char *key);
bool plua_field_bool(lua_State *L, int idx, const char *key, bool absent);
lua_Integer plua_field_int(lua_State *L, int idx, const char *key, lua_Integer absent);

#endif
