/* SPDX-License-Identifier: MIT */
/*
** live.h - which rows the open transaction of a database has changed.
**
** Noted by the driver's hook while somebody wants to know (db->live). A database has one
** writing transaction at a time, so the notes are the engine's: told after its commit,
** dropped when it is rolled back, cut back with a savepoint. What listens is in
** lua/perilune/live.lua.
*/
#ifndef PLUA_LIVE_H
#define PLUA_LIVE_H

#include "core/driver/driver.h"
#include "core/schema/schema.h"

struct lua_State;
struct plua_engine;

enum { PLUA_LIVE_ROWS = 65536, PLUA_LIVE_DEPTH = 16 };

typedef struct plua_noted {
    uint32_t table; /* place in `tables` */
    char op;
    int64_t rowid;
} plua_noted;

/* Owns its arrays. Past PLUA_LIVE_ROWS rows, or without memory, only `lost` is kept. */
typedef struct plua_notes {
    pl_alloc alloc;
    const pl_table **tables; /* each once; NULL stands for any that is not declared */
    size_t ntables, tables_cap;
    plua_noted *rows;
    size_t nrows, rows_cap;
    bool lost;                     /* more was changed than stands here */
    size_t marks[PLUA_LIVE_DEPTH]; /* nrows when savepoint i + 1 began */
} plua_notes;

/* The driver's hook; ud is the engine. Never raises. */
void plua_live_changed(void *ud, const pl_change *change);

/* Pushes the notes of an engine as a table and forgets them: list of { table or false,
 *op,
 ** rowid, op, rowid, ... }, field `lost`; nil when there are none. [-0, +1, m] */
void plua_live_take(struct lua_State *L, struct plua_engine *e);

/* Forgets them / notes where a savepoint begins / goes back there. */
void plua_live_drop(struct plua_engine *e);
void plua_live_mark(struct plua_engine *e, int depth);
void plua_live_cut(struct plua_engine *e, int depth);
void plua_live_free(struct plua_engine *e);

int plua_open_live(struct lua_State *L);

#endif
