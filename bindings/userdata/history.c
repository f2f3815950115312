/* SPDX-License-Identifier: MIT */
/*
** history.c - see history.h. What a script calls is in lua/perilune/history.lua.
**
** A query of the past is the query itself behind common table expressions that are called
** as the tables are: everything in it reads those instead. Its instances belong to no
** session, as they are no rows of the database.
*/
#include "userdata/history.h"
#include "core/unit/record.h"
#include "userdata/clause.h"
#include "userdata/compiled.h"
#include "userdata/model.h"
#include "userdata/option.h"
#include "userdata/query.h"
#include "userdata/schema.h"

enum { PAST = 0x20000 }; /* `ext` of the WITH clause of a query of the past */

/* Pushes the text of a field of session.info and gives it as a slot. [-0, +1, v] */
static pl_slot info_text(lua_State *L, const plua_session *s, const char *name) {
    plua_session_field(L, s, PLUA_S_INFO);
    if (!lua_istable(L, -1) || lua_getfield(L, -1, name) == LUA_TNIL)
        return pl_slot_null();
    size_t len;
    const char *text = luaL_tolstring(L, -1, &len);
    return pl_slot_text(text, len);
}

void plua_history_begin(lua_State *L, plua_session *s, plua_bind *b) {
    const pl_metadata *md = &b->engine->md;
    if (b->recorded || !md->history || !pl_record_ready(b->conn, md))
        return;
    int top = lua_gettop(L);
    pl_slot actor = info_text(L, s, "actor");
    pl_slot reason = info_text(L, s, "reason");
    plua_check(
        L, pl_record_open(b->conn, &pl_dialect_sqlite, md, actor, reason, plua_err(L)));
    b->recorded = true;
    lua_settop(L, top);
}

void plua_history_end(lua_State *L, plua_bind *b) {
    if (!b->recorded)
        return;
    b->recorded = false;
    plua_check(L,
               pl_record_close(b->conn, &pl_dialect_sqlite, &b->engine->md, plua_err(L)));
}

/* Adds the columns that the log does not have yet, as plain ones. */
static void copy_columns(lua_State *L, const pl_table *t, pl_table *log) {
    for (size_t i = 0; i < t->ncolumns; i++) {
        const pl_column *c = t->columns[i];
        if (pl_table_column(log, c->name))
            continue;
        pl_column *copy = pl_column_new(log->metadata, c->name, c->type);
        if (!copy)
            plua_nomem(L);
        copy->collation = c->collation;
        plua_check(L, pl_table_add_column(log, copy, plua_err(L)));
    }
    plua_check(L, pl_table_finish(log, plua_err(L)));
}

/* core.table_versions(table, log, transactions): the table's versions go to the log,
** which gets its columns. Again after columns were added to the table. */
static int table_versions(lua_State *L) {
    pl_table *t = plua_check_table(L, 1)->t, *log = plua_check_table(L, 2)->t;
    copy_columns(L, t, log);
    t->history = log;
    t->metadata->history = plua_check_table(L, 3)->t;
    return 0;
}

/* core.query_tables(statement): the tables it reads or writes. */
static int query_tables(lua_State *L) {
    pl_node *n = plua_tonode(L, 1);
    plua_db *db = n ? plua_statement_db(n) : NULL;
    if (!db)
        plua_raise(L, PL_EUNBOUND, "this statement names no table");
    plua_configure(L, db);
    const pl_compiled *c = plua_compile(L, db, n, plua_literals(L, db));
    plua_compiled_keep(c);
    lua_createtable(L, (int)c->ntables, 0);
    for (size_t i = 0; i < c->ntables; i++) {
        plua_push_table(L, (pl_table *)c->tables[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    plua_compiled_release(c);
    return 1;
}

/* core.query_past(query, ctes): the query over common table expressions that stand for
** its tables. */
static int query_past(lua_State *L) {
    uint32_t n = (uint32_t)luaL_len(L, 2);
    lua_settop(L, 2);
    pl_node *with = plua_clause(L, PL_N_WITH, 1, n);
    with->ext = PAST;
    with->flags |= PL_NF_LOCAL;
    for (uint32_t i = 0; i < n; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        plua_kid(L, 3, i + 1, 4);
        lua_settop(L, 3);
    }
    return 1;
}

bool plua_is_past(const pl_node *stmt) {
    for (; stmt; stmt = plua_previous(stmt))
        if (stmt->kind == PL_N_WITH && stmt->ext == PAST)
            return true;
    return false;
}

/* core.defer_foreign_keys(session, bind key or nil): they are checked at COMMIT only. */
static int defer_foreign_keys(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "undo");
    plua_engine *e = plua_engine_get(L, s->db, lua_tostring(L, 2));
    pl_conn *conn = plua_session_conn(L, s, e, true);
    plua_check(L, pl_record_defer(conn, plua_err(L)));
    return 0;
}

/* core.is_dangling(session, bind key or nil): a foreign key leads nowhere as yet. */
static int is_dangling(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "undo");
    plua_engine *e = plua_engine_get(L, s->db, lua_tostring(L, 2));
    lua_pushboolean(L, pl_conn_is_dangling(plua_session_conn(L, s, e, true)));
    return 1;
}

/* core.is_past(query) */
static int is_past(lua_State *L) {
    const pl_node *n = plua_tonode(L, 1);
    lua_pushboolean(L, n && plua_is_past(n));
    return 1;
}

int plua_open_history(lua_State *L) {
    static const luaL_Reg functions[] = {{"table_versions", table_versions},
                                         {"query_past", query_past},
                                         {"query_tables", query_tables},
                                         {"is_past", is_past},
                                         {"defer_foreign_keys", defer_foreign_keys},
                                         {"is_dangling", is_dangling},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
