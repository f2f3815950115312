/* SPDX-License-Identifier: MIT */
/*
 * The door between the bindings and whatever runs Lua: the perilune program, the
 * embedding library, and a stock lua that loads perilune.so. Nothing else of the
 * bindings is visible outside them.
 */
#ifndef PL_LUA_H
#define PL_LUA_H

#include <lua.h>

#define PERILUNE_VERSION "0.1.0"

#if defined(__GNUC__)
#define PL_LUA_API __attribute__((visibility("default")))
#else
#define PL_LUA_API
#endif

/* The opener of the module "perilune", for require, package.preload or luaL_requiref.
 * May be called any number of times in one state. [-0, +1, e] */
PL_LUA_API int luaopen_perilune(lua_State *L);

/* Puts loaders for "perilune" and for the Lua modules built in ("perilune.spec") into
 * package.preload, without opening any. [-0, +0, e] */
PL_LUA_API void perilune_preload(lua_State *L);

/* The registry key of a table that the perilune program keeps for what it runs:
 *   script  the path of the script as it was given, nil when there is none
 *   name, command, echo, report, terminal
 *           how the program was called and, in terminal, what it can do for a shell
 *   leave   nil, or a function the bindings set: called once with true or false (all went
 *           well or not) after the last chunk and before the state is closed
 * Absent where another program runs Lua. */
#define PL_PROGRAM "perilune.program"

/*
 * What a host does while SQL runs. A host that wants to be asked puts a pl_watch as light
 * userdata under the registry key PL_WATCH before a script makes its databases, and keeps
 * it until the state is closed. Its functions must not raise and may not use the state.
 */
typedef struct pl_watch {
    void *ud;
    /* before a statement begins, and now and then while it runs or waits; not 0 stops it:
     * InterruptError */
    int (*poll)(void *ud);
    /* a statement that may have been polled has ended, or NULL: costs a clock reading */
    void (*ended)(void *ud);
    /* a statement is about to run, or NULL */
    void (*begun)(void *ud);
    /* a statement gave a row, or NULL; not 0 stops it: InterruptError */
    int (*row)(void *ud);
    /* a table is declared, or NULL: the view that queries are to read instead, or NULL */
    const char *(*view)(void *ud, const char *table);
    /* the text of a statement is to be compiled, or was and is to run again, or NULL: the
     * database's own handle, which may be used; 0, or why not: PermissionError */
    const char *(*compiling)(void *ud, void *handle, const char *sql, size_t len,
                             int again);
    /* it is compiled, or NULL: handle, the database's action code, names, schema and the
     * view or trigger that asks; 0 allow, 1 deny, 2 read as NULL */
    int (*authorize)(void *ud, void *handle, int action, const char *a, const char *b,
                     const char *schema, const char *via);
    /* a database is to be opened, by file or NULL for one in memory: 0, or why not. May
     * set *readonly */
    const char *(*opening)(void *ud, const char *path, int *readonly);
    /* and this pragma set, as the script wants it, or NULL: 0, or why not */
    const char *(*pragma)(void *ud, const char *path, const char *name);
    /* it was (how 0), or a session takes it again (bit 1), or it is somebody else's (bit
     * 2): the database's own handle. Why not, or 0 */
    const char *(*opened)(void *ud, void *handle, int how);
    /* and was closed */
    void (*closed)(void *ud);
    /* rows so far of a bulk insert of that model, or NULL */
    void (*progress)(void *ud, const char *model, long long done, long long total);
    /* the InterruptError of a statement that was stopped is about to be raised, or NULL
     */
    void (*raising)(void *ud);
} pl_watch;

#define PL_WATCH "perilune.watch"

#endif
