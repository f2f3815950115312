/* SPDX-License-Identifier: MIT */
/*
** bulk.c - session:bulk_insert(Model, rows): many rows past the unit of work.
**
** Rows are plain tables of attributes. The columns are those that any of the rows names
** plus those with a default; a default that is an SQL expression stands in the statement
** of the rows that do not name its column. No instances are made and no events happen.
*Rows of a model
** that inherits fill one table after the other; their keys are given out here.
*/
#include "core/unit/flush.h"
#include "userdata/change.h"
#include "userdata/model.h"
#include "userdata/sql.h"
#include "userdata/value.h"

#include <string.h>

enum { MAX_COLUMNS = 256, AHEAD = 128 };

/* Stack of the protected part that reads rows. */
enum { FEED = 1, ROWS, FUNCTIONS, NAMES, KEEP };

/* What feeds the core's bulk insert; lives on the C stack. */
typedef struct feed {
    lua_State *L;
    pl_mapper *m;
    const pl_mapped_table *mt; /* being filled */
    int64_t key;               /* next to be given to a row without one */
    int rows;                  /* stack index of the list of rows */
    int functions;             /* the db's functions */
    int keep;          /* its entry 1 keeps the texts of the rows read ahead alive */
    lua_Integer at, n; /* row being read, number of rows */
    pl_slot *ahead;    /* AHEAD rows read under one protected call */
    lua_Integer served, ready;
    lua_Integer total; /* rows of the whole call, for the host's progress */
    uint16_t slots[MAX_COLUMNS];
    pl_column *columns[MAX_COLUMNS]; /* of mt, one for each slot, then those of made */
    int ncolumns;
    const char *made[MAX_COLUMNS]; /* SQL of defaults; the strings are on the Lua stack */
    int nmade;
    int names; /* list of attribute names by position: strings stay interned */
} feed;

/* Whether a slot is the discriminator, which tells the rows of the mapper. */
static bool is_identity(const pl_mapper *m, uint16_t slot) {
    return slot == m->polymorphic_on && m->polymorphic_identity.tag != PL_UNSET;
}

/* Whether rows of the model fill several tables, whose keys must agree. */
static bool is_joined(const feed *f) {
    return f->m->ntables > 1;
}

/* The default of a column that a row does not name. */
static void push_default(lua_State *L, feed *f, int i, pl_slot *out) {
    const pl_column *c = f->columns[i];
    uint16_t slot = f->slots[i];
    *out = pl_slot_null();
    if (is_joined(f) && c->pk_position >= 0) {
        *out = pl_slot_int(f->key++);
        lua_pushnil(L);
    } else if (is_identity(f->m, slot)) {
        *out = f->m->polymorphic_identity;
        lua_pushnil(L);
    } else if (c->dflt.kind == PL_D_VALUE) {
        *out = c->dflt.value;
        lua_pushnil(L);
    } else if (c->dflt.kind == PL_D_FUNCTION) {
        lua_rawgeti(L, FUNCTIONS, c->dflt.ext);
        lua_rawgeti(L, ROWS, f->at);
        lua_call(L, 1, 1);
    } else {
        lua_pushnil(L);
    }
}

static void fill_row(lua_State *L, feed *f, pl_slot *row) {
    lua_rawgeti(L, ROWS, f->at);
    int at = lua_gettop(L);
    for (int i = 0; i < f->ncolumns; i++) {
        const pl_attr *a = &f->m->attrs[f->slots[i]];
        lua_rawgeti(L, NAMES, i + 1);
        lua_gettable(L, at);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            push_default(L, f, i, &row[i]);
            if (lua_isnil(L, -1)) {
                lua_settop(L, at);
                continue;
            }
        }
        plua_to_slot(L, at + 1, a->type, a->label ? a->label : a->name, &row[i]);
        if (a->type->kind > PL_K_BOOLEAN &&
            (row[i].tag == PL_TEXT || row[i].tag == PL_BLOB)) {
            lua_pushvalue(L, at + 1);
            lua_rawseti(L, KEEP, (lua_Integer)lua_rawlen(L, KEEP) + 1);
        }
        lua_settop(L, at);
    }
    lua_settop(L, at - 1);
}

/* Protected: reads the next rows. A conversion that fails raises here, not in the core.
 */
static int fill_protected(lua_State *L) {
    feed *f = lua_touserdata(L, FEED);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, KEEP, 1);
    lua_replace(L, KEEP);
    for (f->ready = 0; f->ready < AHEAD && f->at < f->n; f->ready++) {
        f->at++;
        fill_row(L, f, f->ahead + f->ready * f->ncolumns);
    }
    return 0;
}

/* Tells the host how far the call has come. */
static void tell_progress(const feed *f, lua_Integer done) {
    const pl_watch *watch = plua_engine_of(f->m->tables[0].table)->db->watch;
    if (watch && watch->progress)
        watch->progress(watch->ud, f->m->name, done, f->total);
}

static int next_row(void *ud, pl_slot *row, pl_error *err) {
    feed *f = ud;
    if (f->served == f->ready) {
        tell_progress(f, f->at);
        f->served = f->ready = 0;
        lua_pushcfunction(f->L, fill_protected);
        lua_pushlightuserdata(f->L, f);
        lua_pushvalue(f->L, f->rows);
        lua_pushvalue(f->L, f->functions);
        lua_pushvalue(f->L, f->names);
        lua_pushvalue(f->L, f->keep);
        if (lua_pcall(f->L, 5, 0, 0) != LUA_OK) {
            (void)plua_keep_error(f->L, err);
            return -1;
        }
        if (f->ready == 0)
            return 0;
    }
    memcpy(row, f->ahead + f->served * f->ncolumns, (size_t)f->ncolumns * sizeof *row);
    f->served++;
    return 1;
}

static void need_room(lua_State *L, const feed *f) {
    if (f->ncolumns + f->nmade == MAX_COLUMNS)
        plua_raise(L, PL_EINVALID, "bulk_insert: more than %d columns", MAX_COLUMNS);
}

static void add_column(lua_State *L, feed *f, uint16_t slot, pl_column *c) {
    need_room(L, f);
    f->columns[f->ncolumns] = c;
    f->slots[f->ncolumns++] = slot;
    lua_pushstring(L, f->m->attrs[slot].name);
    lua_rawseti(L, f->names, f->ncolumns);
}

/* Adds the names of a row to the set at `set`; a name that is no attribute raises. */
static void note_names(lua_State *L, const feed *f, lua_Integer at, int set) {
    if (lua_rawgeti(L, f->rows, at) != LUA_TTABLE)
        plua_raise(L, PL_ETYPE, "bulk_insert: rows must be tables of attributes");
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        bool known = lua_rawget(L, set) != LUA_TNIL;
        lua_pop(L, 1);
        if (known)
            continue;
        const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
        if (pl_mapper_slot(f->m, name) == PL_NO_SLOT)
            plua_no_attribute(L, f->m, name);
        lua_pushvalue(L, -1);
        lua_pushboolean(L, 1);
        lua_rawset(L, set);
    }
    lua_pop(L, 1);
}

static bool row_names(lua_State *L, const feed *f, lua_Integer at, const char *name) {
    lua_rawgeti(L, f->rows, at);
    bool named = lua_istable(L, -1) && lua_getfield(L, -1, name) != LUA_TNIL;
    lua_settop(L, f->names);
    return named;
}

/*
** The last row of the run that begins at `first`. A column with a default of the database
** is left out of the statement where rows do not name it, and one whose default is an
** expression is written as that, so those rows are another run.
*/
static lua_Integer run_end(lua_State *L, const feed *f, lua_Integer first,
                           lua_Integer n) {
    lua_Integer end = n;
    for (uint16_t i = 0; i < f->m->nslots; i++) {
        const pl_attr *a = &f->m->attrs[i];
        if (!a->column ||
            (!a->column->server_default && a->column->dflt.kind != PL_D_EXPR))
            continue;
        bool named = row_names(L, f, first, a->name);
        lua_Integer at = first + 1;
        while (at <= end && row_names(L, f, at, a->name) == named)
            at++;
        end = at - 1;
    }
    return end;
}

/* The slot that fills a column of the table, or PL_NO_SLOT. */
static uint16_t slot_of(const feed *f, const pl_column *c) {
    if (is_joined(f) && c->pk_position >= 0)
        return f->mt->from[c->pk_position];
    return f->mt->slots[c->position];
}

/* A column that no row of the run names and whose default is an expression. */
static bool is_made(const feed *f, int set, uint16_t slot, const pl_column *c) {
    if (slot == PL_NO_SLOT || c->computed || c->dflt.kind != PL_D_EXPR ||
        is_identity(f->m, slot) || (is_joined(f) && c->pk_position >= 0))
        return false;
    bool named = lua_getfield(f->L, set, f->m->attrs[slot].name) != LUA_TNIL;
    lua_pop(f->L, 1);
    return !named;
}

/* The columns whose values the statement makes; leaves the texts on the stack. */
static void choose_made(lua_State *L, feed *f, int set) {
    f->nmade = 0;
    luaL_checkstack(L, f->mt->ncolumns + 8, "bulk_insert: columns");
    for (uint16_t i = 0; i < f->mt->ncolumns; i++) {
        pl_column *c = f->mt->table->columns[i];
        if (!is_made(f, set, slot_of(f, c), c))
            continue;
        need_room(L, f);
        f->made[f->nmade] = plua_push_inline(L, (pl_node *)c->dflt.node);
        f->columns[f->ncolumns + f->nmade++] = c;
    }
}

/* Columns that rows of the run name, checked, and those with defaults. What it leaves on
** the stack belongs to the run. */
static void choose_columns(lua_State *L, feed *f) {
    lua_newtable(L);
    int set = lua_gettop(L);
    for (lua_Integer at = f->at + 1; at <= f->n; at++)
        note_names(L, f, at, set);
    f->ncolumns = f->nmade = 0;
    for (uint16_t i = 0; i < f->mt->ncolumns; i++) {
        pl_column *c = f->mt->table->columns[i];
        uint16_t slot = slot_of(f, c);
        if (slot == PL_NO_SLOT || c->computed)
            continue;
        bool named = lua_getfield(L, set, f->m->attrs[slot].name) != LUA_TNIL;
        lua_pop(L, 1);
        if (named || (is_joined(f) && c->pk_position >= 0) || is_identity(f->m, slot) ||
            c->dflt.kind == PL_D_VALUE || c->dflt.kind == PL_D_FUNCTION)
            add_column(L, f, slot, c);
    }
    choose_made(L, f, set);
}

/* Keys of a joined model are those of the root table: what rows without one get comes
** behind those that are there and those that other rows name. */
static void begin_keys(lua_State *L, plua_session *s, feed *f) {
    const pl_table *root = f->m->tables[0].table;
    const pl_attr *key = &f->m->attrs[f->m->pk[0]];
    bool counts = pl_table_autoincrement(root) != NULL;
    int64_t last = 0;
    for (lua_Integer at = 1; at <= f->total; at++) {
        lua_rawgeti(L, f->rows, at);
        if (!lua_istable(L, -1))
            plua_raise(L, PL_ETYPE, "bulk_insert: rows must be tables of attributes");
        for (int i = 0; i < f->m->npk && !counts; i++)
            if (lua_getfield(L, f->names + 1, f->m->attrs[f->m->pk[i]].name) == LUA_TNIL)
                plua_raise(L, PL_EINVALID, "bulk_insert: row %d of %s has no key '%s'",
                           (int)at, f->m->name, f->m->attrs[f->m->pk[i]].name);
        if (counts && lua_getfield(L, f->names + 1, key->name) == LUA_TNUMBER &&
            lua_tointeger(L, -1) > last)
            last = lua_tointeger(L, -1);
        lua_settop(L, f->names);
    }
    if (!counts)
        return;
    pl_conn *conn = plua_session_conn(L, s, plua_engine_of(root), true);
    plua_check(L, pl_bulk_next_key(conn, &pl_dialect_sqlite, root, &f->key, plua_err(L)));
    f->key = f->key > last ? f->key : last + 1;
}

/* Inserts the rows after f->at up to f->n and gives their number. */
static int64_t run(lua_State *L, plua_session *s, feed *f) {
    int64_t count;
    const pl_table *t = f->mt->table;
    pl_conn *conn = plua_session_conn_past(L, s, plua_engine_of(t));
    pl_code code =
        pl_bulk_insert(conn, &pl_dialect_sqlite, t, f->columns, (size_t)f->ncolumns,
                       f->made, (size_t)f->nmade, next_row, f, &count, plua_err(L));
    if (code != PL_OK) {
        tell_progress(f, f->total);
        pl_blame_statement(f->m->registry, PL_FLUSH_INSERT, t->name, &plua_rt(L)->err);
    }
    plua_check(L, code);
    return count;
}

/* Fills the tables of the model with the rows after f->at up to f->n, the root's first.
 */
static int64_t fill_tables(lua_State *L, plua_session *s, feed *f) {
    lua_Integer at = f->at;
    int64_t key = f->key, count = 0;
    for (size_t i = 0; i < f->m->ntables; i++) {
        f->mt = &f->m->tables[i];
        f->at = at;
        f->key = key;
        choose_columns(L, f);
        f->served = f->ready = 0;
        f->ahead = lua_newuserdatauv(
            L, (size_t)AHEAD * (size_t)f->ncolumns * sizeof *f->ahead + 1, 0);
        count = run(L, s, f);
        lua_settop(L, f->names);
    }
    return count;
}

/* session:bulk_insert(Model, {row, ...}): the number of rows. */
int plua_session_bulk_insert(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "bulk_insert");
    pl_mapper *m = plua_tomapper(L, 2, NULL);
    if (!m)
        plua_raise(L, PL_EARGUMENT, "bulk_insert: a model expected, got %s",
                   plua_typename(L, 2));
    if (!lua_istable(L, 3))
        plua_raise(L, PL_EARGUMENT, "bulk_insert: a list of rows expected, got %s",
                   plua_typename(L, 3));
    lua_settop(L, 3);
    plua_session_usable(L, s);
    plua_session_flush(L, s);
    lua_Integer n = (lua_Integer)lua_rawlen(L, 3), count = 0;
    feed f = {.L = L, .m = m, .rows = 3, .total = n};
    plua_push_db(L, s->db);
    lua_getiuservalue(L, -1, 1);
    lua_getfield(L, -1, "functions");
    f.functions = lua_gettop(L);
    lua_newtable(L);
    f.keep = lua_gettop(L);
    lua_newtable(L);
    f.names = lua_gettop(L);
    if (is_joined(&f))
        begin_keys(L, s, &f);
    while (f.at < n) {
        f.n = run_end(L, &f, f.at + 1, n);
        count += fill_tables(L, s, &f);
    }
    lua_pushinteger(L, count);
    return 1;
}
