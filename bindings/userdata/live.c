/* SPDX-License-Identifier: MIT */
/*
** live.c - see live.h.
*/
#include "userdata/live.h"
#include "userdata/database.h"
#include "userdata/schema.h"
#include "userdata/session.h"
#include "userdata/transaction.h"

#include <string.h>

/* The entries with room for one more of `size` bytes; NULL when there is no memory. */
static void *reserve(pl_alloc *a, void *v, size_t n, size_t *cap, size_t size) {
    if (n < *cap)
        return v;
    size_t more = *cap ? *cap * 2 : 16;
    v = pl_grow(a, v, *cap * size, more * size);
    if (v)
        *cap = more;
    return v;
}

/* Place of a table among those noted, added when new; SIZE_MAX without memory. */
static size_t place_of(plua_notes *notes, const pl_table *t) {
    for (size_t i = notes->ntables; i-- > 0;)
        if (notes->tables[i] == t)
            return i;
    const pl_table **tables = reserve(&notes->alloc, notes->tables, notes->ntables,
                                      &notes->tables_cap, sizeof *tables);
    if (!tables)
        return SIZE_MAX;
    notes->tables = tables;
    notes->tables[notes->ntables] = t;
    return notes->ntables++;
}

void plua_live_changed(void *ud, const pl_change *change) {
    plua_engine *e = ud;
    plua_notes *notes = &e->notes;
    if (e->db->closed)
        return;
    const plua_noted *last = notes->nrows > 0 ? &notes->rows[notes->nrows - 1] : NULL;
    const pl_table *t = last ? notes->tables[last->table] : NULL;
    if (!t || strcmp(t->name, change->table) != 0)
        t = pl_metadata_table(&e->md, change->table);
    size_t place = place_of(notes, t);
    plua_noted *rows = NULL;
    if (place != SIZE_MAX && notes->nrows < PLUA_LIVE_ROWS)
        rows = reserve(&notes->alloc, notes->rows, notes->nrows, &notes->rows_cap,
                       sizeof *rows);
    if (!rows) {
        notes->lost = true;
        return;
    }
    notes->rows = rows;
    rows[notes->nrows++] = (plua_noted){(uint32_t)place, change->op, change->rowid};
}

/* Appends the rows of one table to the list on top. */
static void push_rows(lua_State *L, const plua_notes *notes, size_t place) {
    lua_Integer n = 1;
    for (size_t i = 0; i < notes->nrows; i++) {
        const plua_noted *row = &notes->rows[i];
        if (row->table != place)
            continue;
        lua_pushlstring(L, &row->op, 1);
        lua_rawseti(L, -2, ++n);
        lua_pushinteger(L, row->rowid);
        lua_rawseti(L, -2, ++n);
    }
}

void plua_live_take(lua_State *L, plua_engine *e) {
    plua_notes *notes = &e->notes;
    if (notes->ntables == 0 && !notes->lost) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, (int)notes->ntables, 1);
    for (size_t i = 0; i < notes->ntables; i++) {
        lua_newtable(L);
        if (notes->tables[i])
            plua_push_table(L, (pl_table *)notes->tables[i]);
        else
            lua_pushboolean(L, 0);
        lua_rawseti(L, -2, 1);
        push_rows(L, notes, i);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pushboolean(L, notes->lost);
    lua_setfield(L, -2, "lost");
    plua_live_drop(e);
}

void plua_live_drop(plua_engine *e) {
    e->notes.ntables = e->notes.nrows = 0;
    e->notes.lost = false;
    memset(e->notes.marks, 0, sizeof e->notes.marks);
}

void plua_live_mark(plua_engine *e, int depth) {
    if (depth <= PLUA_LIVE_DEPTH)
        e->notes.marks[depth - 1] = e->notes.nrows;
}

void plua_live_cut(plua_engine *e, int depth) {
    if (depth <= PLUA_LIVE_DEPTH && e->notes.nrows > e->notes.marks[depth - 1])
        e->notes.nrows = e->notes.marks[depth - 1];
}

void plua_live_free(plua_engine *e) {
    plua_notes *notes = &e->notes;
    pl_free(&notes->alloc, notes->tables, notes->tables_cap * sizeof *notes->tables);
    pl_free(&notes->alloc, notes->rows, notes->rows_cap * sizeof *notes->rows);
    notes->tables = NULL;
    notes->rows = NULL;
    notes->tables_cap = notes->rows_cap = 0;
    plua_live_drop(e);
}

/* core.data_versions(session): connection -> number that differs when another one wrote.
 */
static int data_versions(lua_State *L) {
    const plua_session *s = plua_check_session(L, 1, "poll_changes");
    lua_newtable(L);
    for (int i = 0; i < s->nbinds; i++) {
        if (!s->binds[i].conn)
            continue;
        lua_pushinteger(L, pl_conn_data_version(s->binds[i].conn));
        lua_rawsetp(L, -2, s->binds[i].conn);
    }
    return 1;
}

/* core.session_rest(session): ends a transaction that only read. */
static int session_rest(lua_State *L) {
    plua_session_rest(L, plua_check_session(L, 1, "observe"));
    return 0;
}

int plua_open_live(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"data_versions", data_versions}, {"session_rest", session_rest}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
