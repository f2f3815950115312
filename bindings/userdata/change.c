/* SPDX-License-Identifier: MIT */
/*
** change.c - query:update{...}, query:delete() and session:execute of db.update(Model)
** and db.delete(Model), with the session kept in step.
**
** The rows that the statement will change are found by key first, when the session knows
** any object of the model: those objects expire what was set (update) or leave the
** session (delete). Events and Lua-side cascades do not happen, as in SQLAlchemy.
*/
#include "userdata/change.h"
#include "userdata/cursor.h"
#include "userdata/event.h"
#include "userdata/identity.h"
#include "userdata/loader.h"
#include "userdata/model.h"
#include "userdata/query.h"
#include "userdata/option.h"
#include "userdata/statement.h"
#include "userdata/value.h"

/* Clauses that a bulk change cannot have. */
static void check_plain(lua_State *L, pl_node *stmt, const char *method) {
    static const struct {
        pl_node_kind kind;
        const char *name;
    } refused[] = {{PL_N_LIMIT, "limit()"},       {PL_N_OFFSET, "offset()"},
                   {PL_N_ORDER_BY, "order_by()"}, {PL_N_GROUP_BY, "group_by()"},
                   {PL_N_DISTINCT, "distinct()"}, {PL_N_JOINED, "join()"},
                   {PL_N_HAVING, "having()"},     {PL_N_FROM, "select_from()"},
                   {PL_N_WITH, "as_of()"}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const pl_node *n = pl_statement_find(stmt, refused[i].kind);
        if (n && !(n->flags & PL_NF_INTERNAL)) /* those are of inheritance */
            plua_raise_hint(L, PL_EINVALID, "select the keys first and use in_(...)",
                            "Can't call query:%s() when %s has been called", method,
                            refused[i].name);
    }
}

/* Pushes the WHERE clauses of the chain `from`, whose end is the value at `owner`, over
** the statement on top. [-1, +1] */
static void copy_where(lua_State *L, pl_node *from, int owner) {
    if (!from)
        return;
    copy_where(L, plua_previous(from), owner);
    if (from->kind != PL_N_WHERE)
        return;
    int prev = lua_gettop(L);
    pl_node *n = plua_node(L, NULL, PL_N_WHERE, from->nkids, NULL, 0);
    lua_getmetatable(L, prev); /* a clause is of the class of what it is put over */
    lua_setmetatable(L, -2);
    plua_kid(L, -1, 0, prev);
    for (uint32_t i = 1; i < from->nkids; i++)
        n->kids[i] = from->kids[i];
    plua_node_owner(L, prev + 1, owner);
    lua_replace(L, prev);
}

static pl_mapper *target(lua_State *L, pl_node *stmt) {
    pl_node *source;
    pl_mapper *m = plua_statement_target(stmt, &source);
    if (!m || source)
        plua_raise(L, PL_EINVALID, "a bulk change needs a query of one model");
    return m;
}

/* Whether the session holds any object of the mapper. */
static bool knows_any(lua_State *L, plua_session *s, const pl_mapper *m) {
    plua_identity_map(L, s, m);
    lua_pushnil(L);
    bool any = lua_next(L, -2) != 0;
    lua_pop(L, any ? 3 : 1);
    return any;
}

/* Runs the query of keys on top and adds the known objects that have them to `list`. */
static void add_known(lua_State *L, plua_session *s, const pl_mapper *m, int list,
                      int params) {
    plua_cursor *c = plua_cursor_open(L, s, lua_gettop(L), NULL, params);
    plua_identity_map(L, s, m);
    int map = lua_gettop(L);
    pl_slot key[PL_MAX_KEY];
    while (plua_cursor_step(L, c)) {
        pl_stmt_columns(c->stmt, 0, m->npk, key);
        plua_push_key_values(L, key, m->npk);
        if (lua_rawget(L, map) == LUA_TUSERDATA)
            lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
        else
            lua_pop(L, 1);
    }
}

/* Pushes the list of known objects whose rows match the query at idx. */
static void push_affected(lua_State *L, plua_session *s, const pl_mapper *m, int idx,
                          int params) {
    lua_newtable(L);
    int list = lua_gettop(L);
    if (!knows_any(L, s, m))
        return;
    lua_getfield(L, idx, "with_only_columns");
    lua_pushvalue(L, idx);
    plua_push_model(L, m);
    int model = lua_gettop(L);
    for (int i = 0; i < m->npk; i++) {
        lua_pushstring(L, m->attrs[m->pk[i]].name);
        plua_class_attr(L, model, -1);
        lua_remove(L, -2);
    }
    lua_remove(L, model);
    lua_call(L, m->npk + 1, 1);
    add_known(L, s, m, list, params);
    lua_settop(L, list);
}

/* Runs the statement on top; the rows it changed. [-1, +0] */
static lua_Integer run(lua_State *L, plua_session *s, const pl_mapper *m) {
    pl_conn *conn = plua_session_conn(L, s, plua_engine_of(m->tables[0].table), true);
    uint64_t before = pl_conn_write_count(conn);
    plua_cursor *c = plua_cursor_open(L, s, lua_gettop(L), NULL, 0);
    lua_Integer n = (lua_Integer)plua_cursor_finish(L, c);
    plua_session_wrote(s, conn, before);
    lua_pop(L, 2);
    return n;
}

/* Pushes the value at idx, or nil for 0. */
static void push_optional(lua_State *L, int idx) {
    if (idx)
        lua_pushvalue(L, idx);
    else
        lua_pushnil(L);
}

/* The query at idx changes rows that stand in several tables each: done table by table,
** over the keys, on the Lua side. `values` is 0 for a delete, `params` when the query has
** none. The rows it changed. [-0, +0, v] */
static lua_Integer run_joined(lua_State *L, const pl_mapper *m, int idx, int values,
                              int params) {
    plua_shared(L);
    lua_getfield(L, -1, "change_joined");
    lua_pushvalue(L, idx);
    plua_push_model(L, m);
    push_optional(L, values);
    push_optional(L, params);
    lua_call(L, 4, 1);
    lua_Integer n = lua_tointeger(L, -1);
    lua_pop(L, 2);
    return n;
}

static lua_Integer run_update(lua_State *L, plua_session *s, pl_mapper *m,
                              pl_node *stmt) {
    if (m->ntables > 1)
        return run_joined(L, m, 1, 2, 0);
    int model = lua_gettop(L) + 1;
    plua_push_model(L, m);
    plua_change_head(L, PL_N_UPDATE, model);
    plua_set_values(L, model + 1, 2);
    copy_where(L, stmt, 1);
    return run(L, s, m);
}

/* Whether rows of the mapper, or of one below it, stand in several tables. */
static bool is_spread(const pl_mapper *m) {
    bool spread = m->ntables > 1;
    for (size_t i = 0; i < m->nchildren && !spread; i++)
        spread = is_spread(m->children[i]);
    return spread;
}

static lua_Integer run_delete(lua_State *L, plua_session *s, pl_mapper *m,
                              pl_node *stmt) {
    if (is_spread(m))
        return run_joined(L, m, 1, 0, 0);
    plua_push_model(L, m);
    plua_change_head(L, PL_N_DELETE, lua_gettop(L));
    copy_where(L, stmt, 1);
    return run(L, s, m);
}

static plua_session *begin(lua_State *L, pl_node *stmt) {
    plua_db *db = plua_statement_db(stmt);
    plua_configure(L, db);
    plua_session *s = plua_push_session(L, db);
    lua_pop(L, 1);
    plua_session_usable(L, s);
    plua_session_autoflush(L, s);
    return s;
}

/* The attribute is read again when next needed. */
static void expire_slot(pl_object *o, uint16_t slot) {
    if (slot == PL_NO_SLOT)
        return;
    o->slots[slot] = plua_base(o)[slot] = (pl_slot){.tag = PL_UNSET};
    o->status |= PL_OBJ_PARTIAL;
}

static void expire_set(lua_State *L, pl_object *o, int idx, int values) {
    lua_pushnil(L);
    while (lua_next(L, values)) {
        if (lua_type(L, -2) == LUA_TSTRING)
            expire_slot(o, pl_mapper_slot(o->mapper, lua_tostring(L, -2)));
        lua_pop(L, 1);
    }
    plua_instance_forget_related(L, idx, o);
}

/* Replaces the values at 2 by those of columns, where synonyms and hybrids stand. */
static void expand_values(lua_State *L, const pl_mapper *m) {
    plua_shared(L);
    lua_getfield(L, -1, "update_values");
    plua_push_model(L, m);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 1);
    lua_replace(L, 2);
    lua_pop(L, 1);
}

/* query:update{name = value, ...}: the number of rows. */
int plua_query_update(lua_State *L) {
    pl_node *stmt = plua_checkself(L, PLUA_QUERY, "update");
    plua_need_table(L, 2);
    lua_settop(L, 2);
    check_plain(L, stmt, "update");
    pl_mapper *m = target(L, stmt);
    plua_session *s = begin(L, stmt);
    expand_values(L, m);
    push_affected(L, s, m, 1, 0);
    lua_Integer n = run_update(L, s, m, stmt);
    if (n > 0)
        plua_session_past(s);
    size_t known = lua_rawlen(L, 3);
    for (size_t i = 1; i <= known; i++) {
        lua_rawgeti(L, 3, (lua_Integer)i);
        expire_set(L, lua_touserdata(L, -1), lua_gettop(L), 2);
        lua_pop(L, 1);
    }
    plua_event_bulk(L, s, "after_bulk_update", m, n, 2);
    lua_pushinteger(L, n);
    return 1;
}

/* query:delete(): the number of rows. */
int plua_query_delete(lua_State *L) {
    pl_node *stmt = plua_checkself(L, PLUA_QUERY, "delete");
    lua_settop(L, 1);
    check_plain(L, stmt, "delete");
    pl_mapper *m = target(L, stmt);
    plua_session *s = begin(L, stmt);
    push_affected(L, s, m, 1, 0);
    lua_Integer n = run_delete(L, s, m, stmt);
    plua_session_past(s);
    size_t known = lua_rawlen(L, 2);
    for (size_t i = 1; i <= known; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i);
        plua_session_gone(L, s, lua_gettop(L), lua_touserdata(L, -1));
        lua_pop(L, 1);
    }
    plua_event_bulk(L, s, "after_bulk_delete", m, n, 0);
    lua_pushinteger(L, n);
    return 1;
}

/* ---- UPDATE and DELETE that session:execute runs ---- */

/* Pushes SELECT of the keys of the rows that the statement changes; false, and nothing,
** when its table does not have them. */
static bool push_keys(lua_State *L, const pl_mapper *m, int stmt) {
    const pl_node *head = pl_statement_head(lua_touserdata(L, stmt));
    for (int i = 0; i < m->npk; i++) {
        if (!pl_mapper_key_column(m, m->ntables - 1, i))
            return false;
    }
    uint32_t n = (uint32_t)m->npk;
    pl_node *keys = plua_node_block(L, PLUA_QUERY, PL_N_SELECT, n, 0, m->npk + 1);
    int idx = lua_gettop(L);
    for (int i = 0; i < m->npk; i++) {
        const pl_column *c = pl_mapper_key_column(m, m->ntables - 1, i);
        pl_node *column;
        if (head->kids[0]->kind == PL_N_ALIAS) {
            column = plua_node(L, PLUA_EXPRESSION, PL_N_COLUMN, 1, NULL, 0);
            column->ref = c;
            column->type = c->type;
            column->kids[0] = head->kids[0];
            plua_node_owner(L, -1, stmt);
        } else {
            column = plua_column_node(L, c, c->type, 0, stmt);
        }
        keys->kids[i] = column;
        lua_setiuservalue(L, idx, i + 1);
    }
    copy_where(L, lua_touserdata(L, stmt), stmt);
    return true;
}

/* Pushes the query of the model's rows that the statement changes. */
static void push_query(lua_State *L, const pl_mapper *m, int stmt) {
    plua_push_model(L, m);
    plua_select_entity(L, lua_gettop(L));
    lua_remove(L, -2);
    copy_where(L, lua_touserdata(L, stmt), stmt);
}

const pl_mapper *plua_change_begin(lua_State *L, plua_session *s, int stmt, int params) {
    const pl_node *head = pl_statement_head(lua_touserdata(L, stmt));
    const pl_mapper *m =
        head->kind == PL_N_UPDATE || head->kind == PL_N_DELETE ? head->ref : NULL;
    if (!m)
        return NULL;
    int list = lua_gettop(L) + 1;
    if (m->ntables > 1 && head->kids[0]->kind != PL_N_ALIAS) {
        push_query(L, m, stmt);
        push_affected(L, s, m, list, params);
        lua_replace(L, list);
    } else {
        lua_newtable(L);
        if (knows_any(L, s, m) && push_keys(L, m, stmt))
            add_known(L, s, m, list, params);
    }
    lua_settop(L, list);
    return m;
}

/* Expires what the SET clauses of the statement write, onupdate values among them. */
static void expire_assigned(lua_State *L, int idx, const pl_node *stmt) {
    pl_object *o = lua_touserdata(L, idx);
    for (; stmt; stmt = plua_previous(stmt)) {
        for (uint32_t i = 1; stmt->kind == PL_N_SET && i < stmt->nkids; i++) {
            const pl_column *c = stmt->kids[i]->kids[0]->ref;
            expire_slot(o, pl_mapper_column_slot(o->mapper, c));
        }
    }
    plua_instance_forget_related(L, idx, o);
}

/* The instance on top, if it is one of the mapper's family, leaves the session. */
static void leave_deleted(lua_State *L, plua_session *s, const pl_mapper *m) {
    pl_object *o = plua_test_instance(L, -1);
    if (o && o->mapper->root == m->root && pl_object_state(o) == PL_PERSISTENT)
        plua_session_gone(L, s, lua_gettop(L), o);
}

/* The same for all instances in a result: those loaded by RETURNING were not known. */
static void leave_returned(lua_State *L, plua_session *s, const pl_mapper *m,
                           int result) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, result);
    for (lua_Integer i = 1; i <= n; i++) {
        if (lua_rawgeti(L, result, i) != LUA_TTABLE) {
            leave_deleted(L, s, m);
            lua_pop(L, 1);
            continue;
        }
        lua_Integer width = (lua_Integer)lua_rawlen(L, -1);
        for (lua_Integer k = 1; k <= width; k++) {
            lua_rawgeti(L, -1, k);
            leave_deleted(L, s, m);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
}

bool plua_change_spread(lua_State *L, plua_session *s, int stmt, int params,
                        lua_Integer *n) {
    pl_node *chain = lua_touserdata(L, stmt);
    const pl_node *head = pl_statement_head(chain);
    const pl_mapper *m = head->kind == PL_N_DELETE ? head->ref : NULL;
    if (!m || !is_spread(m))
        return false;
    if (head->kids[0]->kind == PL_N_ALIAS || pl_statement_find(chain, PL_N_RETURNING))
        plua_raise_hint(
            L, PL_EINVALID, "delete by the model and select the rows before",
            "rows of %s stand in several tables: a DELETE of them has neither "
            "an alias nor RETURNING",
            m->name);
    int query = lua_gettop(L) + 1, list = query + 1;
    push_query(L, m, stmt);
    push_affected(L, s, m, query, params);
    *n = run_joined(L, m, query, 0, params);
    size_t known = lua_rawlen(L, list);
    for (size_t i = 1; i <= known; i++) {
        lua_rawgeti(L, list, (lua_Integer)i);
        leave_deleted(L, s, m);
        lua_pop(L, 1);
    }
    lua_settop(L, query - 1);
    return true;
}

void plua_change_end(lua_State *L, plua_session *s, const pl_mapper *m, int stmt,
                     int list, int result) {
    const pl_node *n = lua_touserdata(L, stmt);
    bool deletes = pl_statement_head((pl_node *)n)->kind == PL_N_DELETE;
    size_t known = lua_rawlen(L, list);
    for (size_t i = 1; i <= known; i++) {
        lua_rawgeti(L, list, (lua_Integer)i);
        if (deletes)
            leave_deleted(L, s, m);
        else
            expire_assigned(L, lua_gettop(L), n);
        lua_pop(L, 1);
    }
    if (deletes && result)
        leave_returned(L, s, m, result);
}

/* Pushes what the row of an INSERT has in a column of the key, nil when it is not known.
 */
static void push_inserted(lua_State *L, const pl_node *rows, const pl_column *c,
                          int64_t last) {
    const pl_node *columns = rows ? rows->kids[1] : NULL, *value = NULL;
    for (uint32_t i = 0; columns && i < columns->nkids; i++) {
        if (columns->kids[i]->ref == c)
            value = rows->kids[2]->kids[i];
    }
    bool given = value && value->kind == PL_N_LITERAL && value->value.tag != PL_NULL;
    if (given)
        plua_push_slot(L, c->type, &value->value, c->name);
    else if (pl_table_autoincrement(c->table) == c)
        lua_pushinteger(L, (lua_Integer)last);
    else
        lua_pushnil(L);
}

void plua_change_inserted(lua_State *L, int stmt, int64_t last) {
    pl_node *chain = lua_touserdata(L, stmt);
    const pl_node *head = pl_statement_head(chain);
    const pl_node *rows = pl_statement_find(chain, PL_N_ROWS);
    if (head->kind != PL_N_INSERT || pl_statement_find(chain, PL_N_CONFLICT) ||
        pl_statement_find(chain, PL_N_FROM_SELECT))
        return;
    const pl_table *t = head->ref;
    lua_pushinteger(L, (lua_Integer)last);
    lua_setfield(L, -2, "lastrowid");
    lua_createtable(L, (int)t->npk, 0);
    for (size_t i = 0; i < t->npk; i++) {
        push_inserted(L, rows, t->pk[i], last);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    luaL_setmetatable(L, PLUA_LIST);
    lua_setfield(L, -2, "inserted_primary_key");
}
