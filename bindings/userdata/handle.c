/* SPDX-License-Identifier: MIT */
/*
** handle.c - a transaction as a script has it: what begin and begin_nested return.
**
** A handle belongs to a depth of its session, 0 for the outermost transaction, and is
** inactive once that ended by whatever way. It owns nothing: the session, its user value,
** does all. A function given to begin runs inside a handle, and so does the block of a
** variable <close>. The session's methods about transactions are here as well.
*/
#include "userdata/transaction.h"

#include <string.h>

/* ---- handles ----------------------------------------------------------------------- */

/* User value 1 is the session. */
typedef struct handle {
    plua_session *s;
    int depth;
    bool active;
} handle;

static void push_handle(lua_State *L, plua_session *s, int depth) {
    handle *h = lua_newuserdatauv(L, sizeof *h, 1);
    *h = (handle){s, depth, true};
    luaL_setmetatable(L, PLUA_TRANSACTION);
    plua_push_session_ud(L, s);
    lua_setiuservalue(L, -2, 1);
    plua_push_session_ud(L, s);
    lua_getiuservalue(L, -1, 1);
    if (lua_getfield(L, -1, "handles") != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "handles");
    }
    lua_pushvalue(L, -4);
    lua_rawseti(L, -2, depth + 1);
    lua_pop(L, 3);
}

void plua_transactions_ended(lua_State *L, plua_session *s, int depth) {
    plua_push_session_ud(L, s);
    lua_getiuservalue(L, -1, 1);
    if (lua_getfield(L, -1, "handles") == LUA_TTABLE) {
        for (lua_Integer i = depth + 1; i <= depth + 64; i++) {
            lua_rawgeti(L, -1, i);
            handle *h = lua_touserdata(L, -1);
            if (h)
                h->active = false;
            lua_pop(L, 1);
            lua_pushnil(L);
            lua_rawseti(L, -2, i);
        }
    }
    lua_pop(L, 3);
}

static handle *check_handle(lua_State *L, const char *method) {
    handle *h = plua_checkself(L, PLUA_TRANSACTION, method);
    if (!h->active || h->s->closed)
        plua_raise(L, PL_ERESOURCECLOSED, "This transaction is closed");
    plua_push_session_ud(L, h->s);
    (void)plua_check_settled(L, lua_gettop(L), method);
    lua_pop(L, 1);
    return h;
}

/* Ends the handle's transaction; savepoints inside it end with it. */
static void finish_handle(lua_State *L, handle *h, bool commit) {
    plua_session *s = h->s;
    while (h->depth > 0 && s->nested >= h->depth) {
        if (commit)
            plua_savepoint_release(L, s);
        else
            plua_savepoint_rollback(L, s);
    }
    if (h->depth == 0 && commit)
        plua_session_commit(L, s);
    else if (h->depth == 0)
        plua_session_rollback(L, s);
    h->active = false;
}

static int handle_commit(lua_State *L) {
    finish_handle(L, check_handle(L, "commit"), true);
    return 0;
}

static int handle_rollback(lua_State *L) {
    finish_handle(L, check_handle(L, "rollback"), false);
    return 0;
}

/* Commits the handle at idx; when that fails, rolls back and raises the failure. */
static void commit_or_undo(lua_State *L, int idx, handle *h) {
    idx = lua_absindex(L, idx);
    lua_pushcfunction(L, handle_commit);
    lua_pushvalue(L, idx);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK)
        return;
    if (h->active && !h->s->closed)
        finish_handle(L, h, false);
    lua_error(L);
}

/* A transaction left in good order after a flush in it failed cannot commit: that failure
** was dealt with inside, so it is rolled back in silence. */
static int handle_close(lua_State *L) {
    handle *h = lua_touserdata(L, 1);
    if (!h->active || h->s->closed)
        return 0;
    if (lua_isnil(L, 2) && !h->s->broken)
        commit_or_undo(L, 1, h);
    else
        finish_handle(L, h, false);
    return 0;
}

static int handle_index(lua_State *L) {
    handle *h = lua_touserdata(L, 1);
    const char *key = luaL_checkstring(L, 2);
    if (strcmp(key, "commit") == 0)
        lua_pushcfunction(L, handle_commit);
    else if (strcmp(key, "rollback") == 0)
        lua_pushcfunction(L, handle_rollback);
    else if (strcmp(key, "is_active") == 0)
        lua_pushboolean(L, h->active);
    else if (strcmp(key, "nested") == 0)
        lua_pushboolean(L, h->depth > 0);
    else
        plua_raise(L, PL_EATTRIBUTE, "Transaction has no attribute '%s'", key);
    return 1;
}

/* ---- methods ----------------------------------------------------------------------- */

static pl_begin_mode mode_option(lua_State *L, int idx) {
    static const char *const names[] = {"deferred", "immediate", "exclusive", NULL};
    if (!lua_istable(L, idx) || lua_getfield(L, idx, "mode") == LUA_TNIL)
        return PL_BEGIN_DEFERRED;
    const char *mode = lua_tostring(L, -1);
    for (int i = 0; mode && names[i]; i++)
        if (strcmp(mode, names[i]) == 0)
            return (pl_begin_mode)i;
    plua_raise_hint(L, PL_EARGUMENT, "use \"deferred\", \"immediate\" or \"exclusive\"",
                    "begin: unknown transaction mode '%s'", mode ? mode : "?");
}

static void begin(lua_State *L, plua_session *s, int options) {
    plua_session_usable(L, s);
    if (s->in_transaction)
        plua_raise_hint(L, PL_EINVALID,
                        "commit or roll back first, or use session:begin_nested()",
                        "A transaction is already begun on this Session.");
    plua_transaction_begin(L, s, mode_option(L, options));
}

/*
** Runs the function at `fn` and ends the transaction of the given depth: commits when it
** returns, rolls back and raises again when it fails. The script may yield inside.
*/
static int finish_run(lua_State *L, int status, lua_KContext base) {
    plua_session *s = lua_touserdata(L, 1);
    handle *h = lua_touserdata(L, 2);
    if (status != LUA_OK && status != LUA_YIELD) {
        if (h->active && !s->closed)
            finish_handle(L, h, false);
        return lua_error(L);
    }
    if (h->active)
        commit_or_undo(L, 2, h);
    return lua_gettop(L) - (int)base;
}

static int run_in(lua_State *L, plua_session *s, int depth, int fn) {
    lua_pushvalue(L, fn);
    push_handle(L, s, depth);
    lua_copy(L, -1, 2);
    int base = lua_gettop(L) - 2;
    int status = lua_pcallk(L, 1, LUA_MULTRET, 0, base, finish_run);
    return finish_run(L, status, base);
}

/* begin([fn]) or begin{mode =} or begin({mode =, retries =}, fn): retries are done by
 * Lua. */
static int session_begin(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "begin");
    int fn = lua_isfunction(L, 2) ? 2 : lua_isfunction(L, 3) ? 3 : 0;
    begin(L, s, 2);
    if (fn)
        return run_in(L, s, 0, fn);
    push_handle(L, s, 0);
    return 1;
}

static int session_begin_nested(lua_State *L) {
    plua_session *s = plua_check_settled(L, 1, "begin_nested");
    if (!lua_isnoneornil(L, 2) && !lua_isfunction(L, 2))
        plua_raise(L, PL_EARGUMENT, "begin_nested takes a function, got %s",
                   plua_typename(L, 2));
    plua_savepoint_begin(L, s);
    if (lua_isfunction(L, 2))
        return run_in(L, s, s->nested, 2);
    push_handle(L, s, s->nested);
    return 1;
}

static int session_commit(lua_State *L) {
    plua_session_commit(L, plua_check_settled(L, 1, "commit"));
    return 0;
}

static int session_rollback(lua_State *L) {
    plua_session_rollback(L, plua_check_settled(L, 1, "rollback"));
    return 0;
}

static int session_in_transaction(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "in_transaction");
    lua_pushboolean(L, s->in_transaction);
    return 1;
}

static int session_in_nested(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "in_nested_transaction");
    lua_pushboolean(L, s->nested > 0);
    return 1;
}

/* Commits; on failure rolls back and returns nil and the error. */
static int session_try_commit(lua_State *L) {
    plua_session *s = plua_check_settled(L, 1, "try_commit");
    lua_pushcfunction(L, session_commit);
    lua_pushvalue(L, 1);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    plua_session_rollback(L, s);
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

const luaL_Reg plua_session_transaction_methods[] = {
    {"begin", session_begin},
    {"begin_nested", session_begin_nested},
    {"commit", session_commit},
    {"rollback", session_rollback},
    {"try_commit", session_try_commit},
    {"in_transaction", session_in_transaction},
    {"in_nested_transaction", session_in_nested},
    {NULL, NULL},
};

int plua_open_transaction(lua_State *L) {
    static const luaL_Reg meta[] = {
        {"__index", handle_index},
        {"__close", handle_close},
        {NULL, NULL},
    };
    plua_class(L, PLUA_TRANSACTION, meta, NULL);
    lua_pop(L, 1);
    lua_newtable(L);
    return 1;
}
