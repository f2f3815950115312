/* SPDX-License-Identifier: MIT */
/*
** sql.c - statements as text for people. Nothing here runs; what runs is compiled by
** compiled.c and keeps its cache.
*/
#include "userdata/sql.h"
#include "userdata/scratch.h"
#include "userdata/value.h"

#include "core/sql/compile.h"

/* Compiles the statement at 1 into memory of the arena pushed. */
static pl_code compile(lua_State *L, pl_compiled *out, pl_vec *literals, pl_error *err) {
    pl_node *stmt = lua_touserdata(L, 1);
    pl_alloc alloc;
    pl_arena *arena = plua_scratch(L, &alloc);
    uint32_t pass = ++plua_rt(L)->pass;
    pl_vec_init(literals, alloc);
    if (!pl_node_walk(stmt, pass, NULL, literals))
        return pl_nomem(err);
    return pl_compile(&pl_dialect_sqlite, stmt, pass, arena, out, err);
}

/*** The SQL text and the values of its parameters, in order, with their number in `n`.
@function Query:sql
@treturn string
@treturn table */
int plua_statement_sql(lua_State *L) {
    plua_self(L, PLUA_IS_QUERY | PLUA_IS_STATEMENT, PLUA_QUERY, "sql");
    lua_settop(L, 1);
    pl_compiled c = {0};
    pl_vec literals;
    plua_check(L, compile(L, &c, &literals, plua_err(L)));
    lua_pushlstring(L, c.sql, c.len);
    lua_createtable(L, (int)c.nplan, 1);
    for (size_t i = 0; i < c.nplan; i++) {
        const pl_node *literal = literals.v[c.plan[i]];
        const pl_type *type = literal->type ? literal->type : pl_type_plain(PL_K_ANY);
        plua_push_slot(L, type, &literal->value, NULL);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pushinteger(L, (lua_Integer)c.nplan);
    lua_setfield(L, -2, "n");
    return 2;
}

int plua_statement_tostring(lua_State *L) {
    pl_compiled c = {0};
    pl_vec literals;
    lua_settop(L, 1);
    pl_error *err = plua_err(L);
    if (plua_tonode(L, 1) && compile(L, &c, &literals, err) == PL_OK) {
        lua_pushlstring(L, c.sql, c.len);
        return 1;
    }
    pl_error_clear(err);
    lua_pushfstring(L, "%s: %p", plua_typename(L, 1), lua_topointer(L, 1));
    return 1;
}

const char *plua_push_inline(lua_State *L, pl_node *expr) {
    pl_buf text;
    pl_buf_init(&text, plua_rt(L)->alloc);
    pl_code code = pl_compile_inline(&pl_dialect_sqlite, expr, &text, plua_err(L));
    if (code == PL_OK)
        lua_pushlstring(L, pl_buf_cstr(&text), text.len);
    pl_buf_free(&text);
    plua_check(L, code);
    return lua_tostring(L, -1);
}
