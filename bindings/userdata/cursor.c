/* SPDX-License-Identifier: MIT */
/*
** cursor.c - see cursor.h.
*/
#include "userdata/cursor.h"
#include "core/unit/flush.h"
#include "userdata/compiled.h"
#include "userdata/query.h"

static const char CURSOR_KEY = 0;

void plua_cursor_close(plua_cursor *c) {
    if (!c->stmt)
        return;
    pl_stmt_release(c->stmt);
    c->stmt = NULL;
    c->rt->open_results--;
    if (c->compiled)
        plua_compiled_release(c->compiled);
    c->compiled = NULL;
}

static int cursor_gc(lua_State *L) {
    plua_cursor_close(lua_touserdata(L, 1));
    return 0;
}

static plua_cursor *push_cursor(lua_State *L, plua_session *s) {
    plua_cursor *c = lua_newuserdatauv(L, sizeof *c, 1);
    *c = (plua_cursor){.s = s, .rt = s->db->rt, .life = s->life};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &CURSOR_KEY);
    lua_setmetatable(L, -2);
    return c;
}

/* Binds the literals; values of named parameters are kept by the cursor's user value. */
static void bind(lua_State *L, plua_cursor *c, const pl_vec *literals, int params) {
    int top = lua_gettop(L);
    pl_error *err = plua_err_of(c->rt);
    for (size_t i = 0; i < c->compiled->nplan; i++) {
        const pl_node *lit = literals->v[c->compiled->plan[i]];
        pl_slot value = lit->value;
        if (lit->text) {
            plua_parameter(L, params, lit, &value);
            if (lua_getiuservalue(L, top, 1) != LUA_TTABLE) {
                lua_pop(L, 1);
                lua_newtable(L);
                lua_pushvalue(L, -1);
                lua_setiuservalue(L, top, 1);
            }
            lua_insert(L, -2);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        plua_check(L, pl_stmt_bind(c->stmt, (int)i + 1, &value, err));
        lua_settop(L, top);
    }
}

/* The engine of the first table of a statement; `e` or the default one when it names
** none. */
static plua_engine *statement_engine(plua_session *s, plua_engine *e,
                                     const pl_compiled *c) {
    if (c->ntables > 0)
        return plua_engine_of(c->tables[0]);
    return e ? e : s->db->engines;
}

static void warn_cartesian(lua_State *L, const pl_compiled *c) {
    lua_warning(L, c->kind == PL_S_UPDATE ? "UPDATE" : "SELECT", true);
    lua_warning(L, " statement has a cartesian product between FROM elements: '", true);
    lua_warning(L, c->loose ? c->loose : "?", true);
    lua_warning(L, "' is not joined to the others", false);
}

plua_cursor *plua_cursor_open(lua_State *L, plua_session *s, int stmt, pl_node *node,
                              int params) {
    return plua_cursor_open_on(L, s, NULL, stmt, node, params);
}

/* Checks the statement out; from here on the cursor has something to close. */
static void prepare(lua_State *L, plua_cursor *c, const pl_compiled *compiled) {
    plua_check(L, pl_conn_prepare(c->conn, compiled->sql, compiled->len,
                                  compiled->cacheable, &c->stmt, plua_err_of(c->rt)));
    plua_compiled_keep(compiled);
    c->compiled = compiled;
    c->rt->open_results++;
}

/* Only SQLite knows whether a text writes, and it tells when it has prepared it: before
 * the transaction, which begins otherwise when it is going to write. */
static void begin_text(lua_State *L, plua_cursor *c, plua_engine *e,
                       const pl_compiled *compiled) {
    c->conn = plua_session_connect(L, c->s, e);
    prepare(L, c, compiled);
    bool write = !pl_stmt_readonly(c->stmt);
    if (write)
        (void)plua_session_conn_past(L, c->s, e);
    else
        (void)plua_session_conn(L, c->s, e, false);
}

plua_cursor *plua_cursor_open_on(lua_State *L, plua_session *s, plua_engine *e, int stmt,
                                 pl_node *node, int params) {
    plua_session_usable(L, s);
    plua_cursor *c = push_cursor(L, s);
    pl_vec *literals = plua_literals(L, s->db);
    const pl_compiled *compiled =
        plua_compile(L, s->db, stmt ? lua_touserdata(L, stmt) : node, literals);
    bool write = compiled->kind == PL_S_INSERT || compiled->kind == PL_S_UPDATE ||
                 compiled->kind == PL_S_DELETE;
    if (compiled->cartesian)
        warn_cartesian(L, compiled);
    e = statement_engine(s, e, compiled);
    if (compiled->kind == PL_S_TEXT) {
        begin_text(L, c, e, compiled);
    } else {
        c->conn = plua_session_conn(L, s, e, write);
        prepare(L, c, compiled);
    }
    bind(L, c, literals, params);
    return c;
}

/* Names the attribute in the error of a statement. */
static void blame(plua_cursor *c) {
    const pl_compiled *stmt = c->compiled;
    pl_flush_op op = stmt->kind == PL_S_INSERT   ? PL_FLUSH_INSERT
                     : stmt->kind == PL_S_UPDATE ? PL_FLUSH_UPDATE
                     : stmt->kind == PL_S_DELETE ? PL_FLUSH_DELETE
                                                 : PL_FLUSH_LINK;
    const char *table = stmt->ntables > 0 ? stmt->tables[0]->name : NULL;
    pl_blame_statement(&c->s->db->registry, op, table, &c->rt->err);
}

bool plua_cursor_step(lua_State *L, plua_cursor *c) {
    if (!c->stmt)
        return false;
    pl_error *err = &c->rt->err;
    if (err->code != PL_OK)
        pl_error_clear(err);
    switch (pl_stmt_step(c->stmt, err)) {
    case PL_STEP_ROW: c->rows++; return true;
    case PL_STEP_DONE: plua_cursor_close(c); return false;
    default:
        blame(c);
        plua_cursor_close(c);
        plua_throw(L);
    }
}

int64_t plua_cursor_finish(lua_State *L, plua_cursor *c) {
    while (plua_cursor_step(L, c))
        continue;
    return pl_conn_changes(c->conn);
}

int plua_open_cursor(lua_State *L) {
    static const luaL_Reg meta[] = {
        {"__gc", cursor_gc}, {"__close", cursor_gc}, {NULL, NULL}};
    lua_newtable(L);
    luaL_setfuncs(L, meta, 0);
    lua_pushliteral(L, "perilune.Cursor");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &CURSOR_KEY);
    lua_newtable(L);
    return 1;
}
