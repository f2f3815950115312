/* SPDX-License-Identifier: MIT */
/*
** execute.c - the ends of a query: all, first, one, count, each ... and session:execute.
**
** A run compiles (or finds) the SQL, steps it and turns each row into what the select
** list asks for: instances for entities, values for columns, rows for several things.
*/
#include "userdata/execute.h"
#include "userdata/change.h"
#include "userdata/cursor.h"
#include "userdata/eager.h"
#include "userdata/event.h"
#include "userdata/history.h"
#include "userdata/identity.h"
#include "userdata/loader.h"
#include "userdata/materialize.h"
#include "userdata/model.h"
#include "userdata/null.h"
#include "userdata/option.h"
#include "userdata/query.h"
#include "userdata/row.h"
#include "userdata/statement.h"
#include "userdata/value.h"

#include <string.h>

/* One thing the select list asks for. */
typedef struct item {
    plua_maker *maker; /* an entity, else NULL: column `first` as a value */
    int first;
    const pl_type *type;
    const char *name; /* of the column, for errors; NULL when it has none */
} item;

/*
** A query being run. Lives in a userdata on the stack (at `self`); its items, its makers
** and their Lua values stand above it.
*/
typedef struct run {
    plua_session *s;
    plua_cursor *cursor;
    int cursoridx;
    int nitems;
    int ncolumns; /* of items; an eager load may have added more */
    item *items;
    plua_maker *makers;
    int nmakers;
    pl_slot *columns; /* one row */
    int rowmeta;      /* metatable of rows, when there are several items */
    bool doubtful;    /* some values may be stored that their type cannot be */
    int filled;       /* items that the row being made has */
    plua_eager *eager;
    size_t expected;   /* rows, or 0: not known */
    bool unique;       /* an entity that several rows repeat counts once */
    lua_Integer batch; /* rows that each() reads before it gives them */
    int queue;         /* stack: items of these rows, */
    lua_Integer queued, given;
} run;

static plua_session *query_session(lua_State *L, int idx) {
    const pl_node *n = plua_tonode(L, idx);
    plua_db *db = plua_statement_db(n);
    if (!db)
        plua_raise_hint(L, PL_EUNBOUND, "run it by db.session:execute(statement)",
                        "this statement names no table, so its database is not known");
    plua_configure(L, db);
    plua_session *s = plua_push_session(L, db);
    lua_pop(L, 1);
    return s;
}

/* Whether a stored value may be one that the type cannot be. */
static bool may_be_bad(const pl_type *t) {
    return t->kind != PL_K_ANY && t->kind != PL_K_INTEGER && t->kind != PL_K_BIGINT &&
           t->kind != PL_K_STRING && t->kind != PL_K_TEXT;
}

static void add_item(lua_State *L, run *r, const pl_node *n, int *column) {
    item *it = &r->items[r->nitems++];
    it->first = *column;
    if (n->kind != PL_N_ENTITY) {
        it->type = r->cursor->compiled->columns[*column].type;
        it->name = r->cursor->compiled->columns[*column].name;
        r->doubtful = r->doubtful || may_be_bad(it->type);
        (*column)++;
        return;
    }
    it->maker = &r->makers[r->nmakers++];
    plua_maker_begin(L, it->maker, r->s, n, *column);
    *column += (int)n->nkids;
}

/* Zeroed memory that stays on the stack while the query runs. [-0, +1, m] */
static void *push_room(lua_State *L, size_t size) {
    return memset(lua_newuserdatauv(L, size, 0), 0, size);
}

/* Items of the statement at idx, which is without a select list of ours: its own columns.
 */
static void raw_items(lua_State *L, run *r, int idx) {
    const pl_compiled *c = r->cursor->compiled;
    r->nitems = r->ncolumns = pl_stmt_column_count(r->cursor->stmt);
    r->items = push_room(L, (size_t)r->nitems * sizeof *r->items);
    for (int i = 0; i < r->nitems; i++) {
        r->items[i].first = i;
        const pl_type *type =
            plua_text_type(L, idx, pl_stmt_column_name(r->cursor->stmt, i));
        r->items[i].type = type                      ? type
                           : (size_t)i < c->ncolumns ? c->columns[i].type
                                                     : plua_decltype(r->cursor->stmt, i);
        r->items[i].name = pl_stmt_column_name(r->cursor->stmt, i);
        r->doubtful = r->doubtful || may_be_bad(r->items[i].type);
    }
}

static void plan_items(lua_State *L, run *r, int idx, const pl_node *stmt) {
    size_t n = plua_statement_list(stmt, NULL, 0), entities = 0;
    int column = 0;
    if (n == 0) {
        raw_items(L, r, idx);
        return;
    }
    pl_node *one = NULL, **list = n == 1 ? &one : push_room(L, n * sizeof *list);
    plua_statement_list(stmt, list, n);
    for (size_t i = 0; i < n; i++)
        entities += list[i]->kind == PL_N_ENTITY;
    r->items = push_room(L, n * sizeof *r->items + entities * sizeof *r->makers);
    r->makers = (plua_maker *)(r->items + n);
    for (size_t i = 0; i < n; i++)
        add_item(L, r, list[i], &column);
    r->ncolumns = column;
}

/* Instances of a query of the past have an identity in its result only. */
static void leave_session(lua_State *L, run *r) {
    for (int i = 0; i < r->nmakers; i++) {
        lua_newtable(L);
        lua_replace(L, r->makers[i].map);
        r->makers[i].detached = true;
    }
}

/* How many rows a small LIMIT says there are, or 0: not known. */
static size_t rows_expected(pl_node *stmt) {
    enum { SMALL = 64 };
    const pl_node *limit = pl_statement_find(stmt, PL_N_LIMIT);
    const pl_node *n = limit ? limit->kids[1] : NULL;
    bool small = n && n->kind == PL_N_LITERAL && !n->text && n->value.tag == PL_INT &&
                 n->value.v.i > 0 && n->value.v.i <= SMALL;
    return small ? (size_t)n->value.v.i : 0;
}

/* Begins to run the statement at idx (on the database e when it names no table): pushes
** what the run needs; its own slot is first. */
static run *begin_on(lua_State *L, plua_session *s, plua_engine *e, int idx, int params) {
    idx = lua_absindex(L, idx);
    run *r = lua_newuserdatauv(L, sizeof *r, 0);
    memset(r, 0, sizeof *r);
    r->s = s;
    if (s->autoflush)
        plua_session_autoflush(L, s);
    plua_event_execute(L, s, idx);
    bool past = plua_is_past(lua_touserdata(L, idx));
    r->eager = past ? NULL : plua_eager_prepare(L, s, idx);
    r->cursor = plua_cursor_open_on(L, s, e, r->eager ? 0 : idx,
                                    r->eager ? r->eager->run : NULL, params);
    r->cursoridx = lua_gettop(L);
    plan_items(L, r, idx, r->eager ? r->eager->own : lua_touserdata(L, idx));
    int total = pl_stmt_column_count(r->cursor->stmt);
    r->columns = lua_newuserdatauv(L, (size_t)total * sizeof(pl_slot) + 1, 0);
    plua_execution_option(L, idx, "populate_existing");
    int existing = lua_toboolean(L, -1) ? lua_gettop(L) : 0;
    if (existing)
        plua_push_weak_table(L, "k");
    else
        lua_pushnil(L);
    lua_replace(L, -2);
    r->expected = rows_expected(lua_touserdata(L, idx));
    for (int i = 0; i < r->nmakers; i++) {
        r->makers[i].existing = existing;
        r->makers[i].writer.rows = r->expected;
    }
    if (past)
        leave_session(L, r);
    if (r->eager) {
        r->eager->params = params;
        plua_eager_begin(L, r->eager, r->makers, r->nmakers, r->ncolumns);
    }
    if (r->nitems != 1 || !r->items[0].maker)
        r->rowmeta = plua_row_meta(L, r->cursor, idx, r->nitems);
    return r;
}

static run *begin(lua_State *L, plua_session *s, int idx, int params) {
    return begin_on(L, s, NULL, idx, params);
}

/* Steps; false at the end. */
static bool next(lua_State *L, run *r) {
    if (!plua_cursor_step(L, r->cursor))
        return false;
    pl_stmt_columns(r->cursor->stmt, 0, pl_stmt_column_count(r->cursor->stmt),
                    r->columns);
    return true;
}

static void push_item(lua_State *L, run *r, const item *it) {
    if (!it->maker) {
        plua_push_slot(L, it->type, &r->columns[it->first], it->name);
        return;
    }
    plua_make(L, it->maker, r->columns);
    if (r->eager)
        plua_eager_row(L, r->eager, (int)(it->maker - r->makers), r->columns);
}

/* Protected: the rest of the values of the row (1) that a run (2) makes. */
static int fill_values(lua_State *L) {
    run *r = lua_touserdata(L, 2);
    for (; r->filled < r->nitems; r->filled++) {
        const item *it = &r->items[r->filled];
        if (it->maker)
            continue;
        push_item(L, r, it);
        lua_rawseti(L, 1, r->filled + 1);
    }
    return 0;
}

/* The values of the row on top. One that its type cannot be raises when it is read. */
static void fill_doubtful(lua_State *L, run *r) {
    int row = lua_gettop(L);
    for (r->filled = 0; r->filled < r->nitems; r->filled++) {
        lua_pushcfunction(L, fill_values);
        lua_pushvalue(L, row);
        lua_pushlightuserdata(L, r);
        int status = lua_pcall(L, 2, 0, 0);
        if (status == LUA_OK)
            return;
        if (status != LUA_ERRRUN || plua_error_code(L) != PL_EVALUE)
            lua_error(L);
        plua_row_bad_value(L, row, r->filled + 1);
    }
}

/* Pushes the current row: an instance, or a row of values. */
static void push_row(lua_State *L, run *r) {
    if (r->nitems == 1 && r->items[0].maker) {
        push_item(L, r, &r->items[0]);
        return;
    }
    lua_createtable(L, r->nitems, 0);
    for (int i = 0; i < r->nitems; i++) {
        if (r->doubtful && !r->items[i].maker)
            continue;
        push_item(L, r, &r->items[i]);
        lua_rawseti(L, -2, i + 1);
    }
    if (r->doubtful)
        fill_doubtful(L, r);
    lua_pushvalue(L, r->rowmeta);
    lua_setmetatable(L, -2);
}

/*
** Whether rows may repeat the only entity of a statement: a join does, and UNION ALL.
** A statement over several tables is taken for one that does; looking costs little.
*/
static bool may_repeat(const run *r, pl_node *stmt) {
    if (r->nitems != 1 || !r->items[0].maker)
        return false;
    return r->cursor->compiled->ntables > 1 || pl_statement_find(stmt, PL_N_COMPOUND) ||
           pl_statement_find(stmt, PL_N_JOINED);
}

/* Pushes what a row is told from others by: the instance, or a text of all its items. */
static void push_identity(lua_State *L, const run *r, int row) {
    if (!lua_istable(L, row)) {
        lua_pushvalue(L, row);
        return;
    }
    lua_pushliteral(L, "");
    for (int i = 1; i <= r->nitems; i++) {
        lua_geti(L, row, i);
        if (r->items[i - 1].maker) {
            lua_pushfstring(L, "%p;", lua_touserdata(L, -1));
        } else {
            size_t len;
            const char *type = luaL_typename(L, -1);
            luaL_tolstring(L, -1, &len);
            lua_pushfstring(L, "%s%I:", type, (lua_Integer)len);
            lua_insert(L, -2);
            lua_concat(L, 2);
        }
        lua_remove(L, -2);
        lua_concat(L, 2);
    }
}

/* Whether the row on top is not in the set at `seen` yet; puts it there. [-0, +0, m] */
static bool is_new_row(lua_State *L, const run *r, int seen) {
    push_identity(L, r, lua_gettop(L));
    lua_pushvalue(L, -1);
    bool is_new = lua_rawget(L, seen) == LUA_TNIL;
    lua_pop(L, 1);
    if (is_new) {
        lua_pushboolean(L, 1);
        lua_rawset(L, seen);
    } else {
        lua_pop(L, 1);
    }
    return is_new;
}

/* All rows as a list. [-0, +1, v] */
static lua_Integer collect(lua_State *L, run *r, lua_Integer max) {
    lua_createtable(L, (int)r->expected, 0);
    int list = lua_gettop(L);
    bool unique = r->unique || (r->eager && plua_eager_repeats(r->eager));
    if (unique)
        lua_newtable(L);
    lua_Integer n = 0;
    const void *last = NULL; /* the instance of the row before */
    while (n < max && next(L, r)) {
        push_row(L, r);
        const void *row = unique ? lua_touserdata(L, -1) : NULL;
        if (unique && ((row && row == last) || !is_new_row(L, r, list + 1))) {
            lua_pop(L, 1);
            continue;
        }
        last = row;
        lua_rawseti(L, list, ++n);
    }
    plua_cursor_close(r->cursor);
    lua_settop(L, list);
    if (r->eager)
        plua_eager_finish(L, r->eager, list);
    luaL_setmetatable(L, PLUA_LIST);
    if (n == 0 && r->rowmeta)
        plua_note_names(L, list, r->rowmeta);
    return n;
}

/* Replaces everything above `base` by the value on top. */
static void leave(lua_State *L, int base) {
    lua_replace(L, base + 1);
    lua_settop(L, base + 1);
}

static lua_Integer run_all(lua_State *L, plua_session *s, int idx, int params,
                           lua_Integer max) {
    int base = lua_gettop(L);
    idx = lua_absindex(L, idx);
    run *r = begin(L, s, idx, params);
    r->unique = may_repeat(r, lua_touserdata(L, idx));
    lua_Integer n = collect(L, r, max);
    leave(L, base);
    return n;
}

static pl_node *check_query(lua_State *L, const char *method) {
    pl_node *n = plua_checkself(L, PLUA_QUERY, method);
    lua_settop(L, lua_gettop(L) < 1 ? 1 : lua_gettop(L));
    return n;
}

/* ---- ends -------------------------------------------------------------------------- */

static int query_all(lua_State *L) {
    check_query(L, "all");
    run_all(L, query_session(L, 1), 1, 0, LUA_MAXINTEGER);
    return 1;
}

/* Pushes the query at 1 with a LIMIT of n. */
static void push_limited(lua_State *L, lua_Integer n) {
    lua_getfield(L, 1, "limit");
    lua_pushvalue(L, 1);
    lua_pushinteger(L, n);
    lua_call(L, 2, 1);
}

static bool has_limit(const pl_node *n) {
    return pl_statement_find((pl_node *)n, PL_N_LIMIT) != NULL;
}

static int query_first(lua_State *L) {
    pl_node *n = check_query(L, "first");
    plua_session *s = query_session(L, 1);
    if (has_limit(n))
        lua_pushvalue(L, 1);
    else
        push_limited(L, 1);
    run_all(L, s, -1, 0, LUA_MAXINTEGER);
    lua_rawgeti(L, -1, 1);
    return 1;
}

/* The only row; several raise. Pushes it and returns whether there is one. */
static bool only(lua_State *L, const char *method) {
    check_query(L, method);
    lua_Integer n = run_all(L, query_session(L, 1), 1, 0, 2);
    if (n > 1)
        plua_raise(L, PL_EMULTIPLE,
                   "Multiple rows were found when exactly one was required");
    lua_rawgeti(L, -1, 1);
    return n == 1;
}

static int query_one(lua_State *L) {
    if (!only(L, "one"))
        plua_raise(L, PL_ENORESULT, "No row was found when one was required");
    return 1;
}

static int query_one_or_none(lua_State *L) {
    only(L, "one_or_none");
    return 1;
}

/* First column of a row (or the entity itself). [-1, +1] */
static void first_value(lua_State *L) {
    if (lua_istable(L, -1)) {
        lua_geti(L, -1, 1);
        lua_remove(L, -2);
    }
}

static int query_scalar(lua_State *L) {
    only(L, "scalar");
    first_value(L);
    return 1;
}

/* Every row's first value. [-1, +1] */
static void to_scalars(lua_State *L) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, i);
        if (!lua_istable(L, -1)) {
            lua_pop(L, 1);
            break;
        }
        plua_first_of_row(L);
        lua_rawseti(L, -2, i);
    }
}

static int query_scalars(lua_State *L) {
    check_query(L, "scalars");
    run_all(L, query_session(L, 1), 1, 0, LUA_MAXINTEGER);
    to_scalars(L);
    return 1;
}

/* Runs SELECT of one expression over the query as a derived table or EXISTS. */
static int run_wrapped(lua_State *L, const char *how) {
    plua_session *s = query_session(L, 1);
    plua_shared(L);
    lua_getfield(L, -1, how);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    run_all(L, s, -1, 0, 1);
    lua_rawgeti(L, -1, 1);
    first_value(L);
    return 1;
}

static int query_count(lua_State *L) {
    check_query(L, "count");
    return run_wrapped(L, "wrap_count");
}

static int query_any(lua_State *L) {
    check_query(L, "any");
    return run_wrapped(L, "wrap_any");
}

/* ---- get --------------------------------------------------------------------------- */

static void wrong_count(lua_State *L, const pl_mapper *m, int n) {
    plua_raise(L, PL_EINVALID,
               "Incorrect number of values in identifier to get %s: %d given, %d wanted",
               m->name, n, m->npk);
}

/* Key values at stack idx.. (scalars, or one table by position or name) to slots. */
static void key_values(lua_State *L, const pl_mapper *m, int idx, pl_slot *values) {
    int n = lua_gettop(L) - idx + 1;
    if (n == 1 && lua_istable(L, idx)) {
        int given = (int)luaL_len(L, idx);
        if (given > m->npk)
            wrong_count(L, m, given);
        for (int i = 0; i < m->npk; i++) {
            if (lua_getfield(L, idx, m->attrs[m->pk[i]].name) == LUA_TNIL) {
                lua_pop(L, 1);
                lua_geti(L, idx, i + 1);
            }
        }
        lua_remove(L, idx);
        n = m->npk;
    }
    if (n != m->npk)
        wrong_count(L, m, n);
    for (int i = 0; i < n; i++) {
        const pl_attr *a = &m->attrs[m->pk[i]];
        plua_to_slot(L, idx + i, a->type, a->label ? a->label : a->name, &values[i]);
    }
}

/* The key stands at idx and behind, m's model at modelidx (0: it is not at hand). */
static int get(lua_State *L, plua_session *s, pl_mapper *m, int modelidx, int idx) {
    pl_slot values[PL_MAX_KEY];
    const pl_attr *key = &m->attrs[m->pk[0]];
    if (m->npk == 1 && lua_isinteger(L, idx) && lua_gettop(L) == idx &&
        (key->type->kind == PL_K_INTEGER || key->type->kind == PL_K_BIGINT))
        values[0] = (pl_slot){.tag = PL_INT, .v.i = lua_tointeger(L, idx)};
    else
        key_values(L, m, idx, values);
    plua_get(L, s, m, modelidx, values);
    return 1;
}

/* The query at 1 has options: with them, unless the object with the key at 2 is known. */
static int get_with_options(lua_State *L, plua_session *s, pl_mapper *m) {
    pl_slot values[PL_MAX_KEY];
    plua_execution_option(L, 1, "populate_existing");
    bool existing = lua_toboolean(L, -1);
    lua_pop(L, 1);
    key_values(L, m, 2, values);
    plua_identity_map(L, s, m);
    plua_push_key_values(L, values, m->npk);
    if (lua_rawget(L, -2) != LUA_TNIL && !existing) {
        plua_get(L, s, m, 0, values);
        return 1;
    }
    lua_getfield(L, 1, "filter_by");
    lua_pushvalue(L, 1);
    lua_createtable(L, 0, m->npk);
    for (int i = 0; i < m->npk; i++) {
        const pl_attr *a = &m->attrs[m->pk[i]];
        plua_push_slot(L, a->type, &values[i], NULL);
        lua_setfield(L, -2, a->name);
    }
    lua_call(L, 2, 1);
    lua_replace(L, 1);
    lua_settop(L, 1);
    return query_one_or_none(L);
}

static int query_get(lua_State *L) {
    pl_node *n = check_query(L, "get");
    pl_mapper *m = plua_statement_target(n, NULL);
    bool options = false;
    for (; n->flags & PL_NF_INTERNAL || n->kind == PL_N_OPTION; n = n->kids[0])
        options = options || n->kind == PL_N_OPTION; /* else inheritance put it there */
    if (!m || n->kind != PL_N_SELECT)
        plua_raise(L, PL_EINVALID, "get() is for a plain Model.query");
    plua_session *s = query_session(L, 1);
    return options ? get_with_options(L, s, m) : get(L, s, m, 0, 2);
}

static pl_mapper *check_mapper(lua_State *L, int idx) {
    pl_mapper *m = plua_tomapper(L, idx, NULL);
    if (!m)
        plua_raise(L, PL_EARGUMENT, "a model expected, got %s", plua_typename(L, idx));
    return m;
}

static int session_get(lua_State *L) {
    plua_session *s = plua_check_session(L, 1, "get");
    plua_session_usable(L, s);
    const plua_model *model = plua_test_model(L, 2);
    return get(L, s, model ? model->mapper : check_mapper(L, 2), model ? 2 : 0, 3);
}

static int session_get_one(lua_State *L) {
    session_get(L);
    if (lua_isnil(L, -1))
        plua_raise(L, PL_ENORESULT, "No row was found when one was required");
    return 1;
}

/* ---- each -------------------------------------------------------------------------- */

enum { BATCH = 500 };

static void push_items(lua_State *L, run *r) {
    int first = lua_gettop(L) + 1;
    for (int i = 0; i < r->nitems; i++)
        push_item(L, r, &r->items[i]);
    if (lua_isnil(L, first)) { /* a nil there would end the loop */
        plua_push_null(L);
        lua_replace(L, first);
    }
}

/* Reads the next rows, and loads what is to be loaded along for all of them. What came
** together is in the queue until the next rows are, for what is touched later. */
static void fill_queue(lua_State *L, run *r) {
    int top = lua_gettop(L);
    lua_newtable(L);
    lua_replace(L, r->queue);
    r->queued = r->given = 0;
    for (lua_Integer n = 0; n < r->batch && next(L, r); n++) {
        push_items(L, r);
        for (int i = r->nitems; i >= 1; i--)
            lua_rawseti(L, r->queue, r->queued + i);
        r->queued += r->nitems;
    }
    if (r->eager) {
        plua_eager_finish(L, r->eager, r->queue);
        plua_eager_again(L, r->eager);
    }
    lua_settop(L, top);
}

/* Fills the queue: upvalue 2 of the iterator has the stack of the run. */
static void fill_each(lua_State *L, run *r) {
    int n = (int)lua_tointeger(L, lua_upvalueindex(3));
    luaL_checkstack(L, n + 20, "each");
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, lua_upvalueindex(2), i);
    fill_queue(L, r);
    for (int i = 1; i <= n; i++) {
        lua_pushvalue(L, i);
        lua_rawseti(L, lua_upvalueindex(2), i);
    }
    lua_settop(L, 0);
}

/* Upvalue 1: the run; 2: table that holds its stack; 3: how many values that has. */
static int each_next(lua_State *L) {
    run *r = lua_touserdata(L, lua_upvalueindex(1));
    lua_settop(L, 0);
    if (r->cursor->life != r->cursor->s->life &&
        (r->cursor->stmt || r->given < r->queued)) {
        plua_cursor_close(r->cursor);
        r->given = r->queued;
        plua_raise(L, PL_ERESOURCECLOSED, "This result object is closed: its session is");
    }
    if (r->given == r->queued && r->cursor->stmt)
        fill_each(L, r);
    if (r->given == r->queued)
        return 0;
    luaL_checkstack(L, r->nitems + 1, "each");
    lua_rawgeti(L, lua_upvalueindex(2), r->queue);
    for (int i = 0; i < r->nitems; i++)
        lua_rawgeti(L, 1, ++r->given);
    return r->nitems;
}

/*
** each([batch]): streams. The run's stack is kept in a table between steps; it starts at
** index 1 there because the run begins on an empty stack (a function of its own).
*/
static int start_each(lua_State *L) {
    lua_Integer batch = lua_tointeger(L, 2);
    lua_settop(L, 1);
    plua_session *s = plua_push_session(L, plua_statement_db(plua_tonode(L, 1)));
    run *r = begin(L, s, 1, 0);
    if (r->eager && plua_eager_repeats(r->eager))
        plua_raise_hint(L, PL_EINVALID, "use selectinload, or :all()",
                        "each() cannot stream a joined eager load of a list");
    if (r->eager)
        r->eager->batched = true;
    r->batch = batch;
    lua_pushnil(L);
    r->queue = lua_gettop(L);
    int n = lua_gettop(L);
    int runidx = 3;
    lua_createtable(L, n, 0);
    for (int i = 1; i <= n; i++) {
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i);
    }
    lua_pushvalue(L, runidx);
    lua_insert(L, -2);
    lua_pushinteger(L, n);
    lua_pushcclosure(L, each_next, 3);
    lua_pushvalue(L, r->cursoridx);
    return 2;
}

static int query_each(lua_State *L) {
    check_query(L, "each");
    lua_Integer batch = BATCH;
    if (!lua_isnoneornil(L, 2) &&
        (!lua_isinteger(L, 2) || (batch = lua_tointeger(L, 2)) < 1))
        plua_raise(L, PL_EARGUMENT, "each: a batch is a whole number above zero");
    query_session(L, 1);
    lua_pushcfunction(L, start_each);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, batch);
    lua_call(L, 2, 2);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_rotate(L, -3, 2);
    return 4;
}

/* ---- session:execute --------------------------------------------------------------- */

static bool is_text(lua_State *L, int idx) {
    return lua_type(L, idx) == LUA_TSTRING;
}

static void check_statement(lua_State *L, int idx) {
    if (is_text(L, idx))
        plua_raise_hint(
            L, PL_EARGUMENT, "write db.text \"...\"",
            "Textual SQL expression '%s' should be explicitly declared as text",
            lua_tostring(L, idx));
    if (!plua_tonode(L, idx))
        plua_raise(L, PL_EARGUMENT, "a statement expected, got %s",
                   plua_typename(L, idx));
}

/* The database that the options at idx name in their field `bind`, or NULL. */
static plua_engine *bind_option(lua_State *L, plua_session *s, int idx) {
    if (lua_isnoneornil(L, idx))
        return NULL;
    plua_need_table(L, idx);
    if (lua_getfield(L, idx, "bind") == LUA_TTABLE)
        lua_getfield(L, -1, "bind_key");
    plua_engine *e = NULL;
    if (lua_type(L, -1) == LUA_TSTRING)
        e = plua_engine_get(L, s->db, lua_tostring(L, -1));
    lua_settop(L, idx);
    return e;
}

/* Whether a statement is an INSERT without rows: they come with the parameters. */
static bool is_open_insert(pl_node *stmt) {
    return pl_statement_head(stmt)->kind == PL_N_INSERT &&
           !pl_statement_find(stmt, PL_N_ROWS) &&
           !pl_statement_find(stmt, PL_N_FROM_SELECT);
}

static bool is_list(lua_State *L, int idx) {
    bool list = lua_istable(L, idx) && lua_rawgeti(L, idx, 1) == LUA_TTABLE;
    lua_settop(L, 4);
    return list;
}

/* The same with a list of parameters, or for an INSERT that gets its rows from them. */
static lua_Integer execute_rows(lua_State *L, bool open) {
    plua_shared(L);
    lua_getfield(L, -1, "execute_rows");
    for (int i = 1; i <= 4; i++)
        lua_pushvalue(L, i);
    lua_pushboolean(L, open);
    lua_call(L, 5, 1);
    return (lua_Integer)lua_rawlen(L, -1);
}

/* Runs the statement at 2 with the parameters at 3 and the options at 4, {bind = key or
** engine} for text that is not for the default database; pushes a list or a row count. */
static lua_Integer execute(lua_State *L, plua_session *s) {
    check_statement(L, 2);
    const pl_node *stmt = lua_touserdata(L, 2);
    if (stmt->kind != PL_N_TEXT) /* raw SQL knows no models, so theirs may be wrong */
        plua_configure(L, s->db);
    if (!lua_isnoneornil(L, 3))
        plua_need_table(L, 3);
    lua_settop(L, 4);
    bool open = is_open_insert(lua_touserdata(L, 2));
    if (open || is_list(L, 3))
        return execute_rows(L, open);
    plua_engine *e = bind_option(L, s, 4);
    lua_settop(L, 3);
    int base = lua_gettop(L);
    int params = lua_istable(L, 3) ? 3 : 0;
    lua_Integer spread;
    if (plua_change_spread(L, s, 2, params, &spread)) {
        plua_push_rowcount(L, spread);
        return spread;
    }
    run *r = begin_on(L, s, e, 2, params);
    const pl_mapper *changes = plua_change_begin(L, s, 2, params);
    int known = lua_gettop(L);
    if (r->cursor->compiled->kind != PL_S_SELECT &&
        pl_stmt_column_count(r->cursor->stmt) == 0) {
        lua_Integer changed = (lua_Integer)plua_cursor_finish(L, r->cursor);
        plua_session_past(s);
        if (changes)
            plua_change_end(L, s, changes, 2, known, 0);
        lua_settop(L, base);
        plua_push_rowcount(L, changed);
        if (changed == 1)
            plua_change_inserted(L, 2, pl_conn_last_id(r->cursor->conn));
        return changed;
    }
    if (r->cursor->compiled->kind != PL_S_SELECT && !pl_stmt_readonly(r->cursor->stmt))
        plua_session_past(s);
    lua_Integer n = collect(L, r, LUA_MAXINTEGER);
    if (changes)
        plua_change_end(L, s, changes, 2, known, lua_gettop(L));
    leave(L, base);
    return n;
}

static int session_execute(lua_State *L) {
    execute(L, plua_check_session(L, 1, "execute"));
    return 1;
}

static int session_scalars(lua_State *L) {
    execute(L, plua_check_session(L, 1, "scalars"));
    to_scalars(L);
    return 1;
}

static int session_scalar(lua_State *L) {
    execute(L, plua_check_session(L, 1, "scalar"));
    lua_rawgeti(L, -1, 1);
    first_value(L);
    return 1;
}

const luaL_Reg plua_query_ends[] = {
    {"all", query_all},
    {"first", query_first},
    {"one", query_one},
    {"one_or_none", query_one_or_none},
    {"scalar", query_scalar},
    {"scalars", query_scalars},
    {"count", query_count},
    {"any", query_any},
    {"get", query_get},
    {"each", query_each},
    {"update", plua_query_update},
    {"delete", plua_query_delete},
    {NULL, NULL},
};

const luaL_Reg plua_session_run_methods[] = {
    {"execute", session_execute},
    {"scalars", session_scalars},
    {"scalar", session_scalar},
    {"get", session_get},
    {"get_one", session_get_one},
    {"bulk_insert", plua_session_bulk_insert},
    {NULL, NULL},
};
