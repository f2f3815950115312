/* SPDX-License-Identifier: MIT */
/*
** inspect.c - what lua/perilune/inspect.lua, database.lua and keyset.lua ask of the core.
**
** Nothing here runs SQL or changes an object, but for noticing that a JSON value was
** changed in place. NULL stands in a history as db.null, because lists have no nils.
*/
#include "userdata/inspect.h"
#include "userdata/collection.h"
#include "userdata/loader.h"
#include "userdata/null.h"
#include "userdata/query.h"
#include "userdata/schema.h"
#include "userdata/scratch.h"
#include "userdata/session.h"
#include "userdata/value.h"

#include "core/sql/compile.h"

/* ---- state ------------------------------------------------------------------------- */

static const char *state_word(const pl_object *o) {
    bool attached = pl_object_attached(o);
    switch (pl_object_state(o)) {
    case PL_PENDING: return attached ? "pending" : "transient";
    case PL_PERSISTENT: return attached ? "persistent" : "detached";
    case PL_DELETED: return attached ? "deleted" : "detached";
    case PL_GONE: return "detached";
    default: return "transient";
    }
}

/* core.object_state(object): the word of its state; whether it counts as modified;
** whether its values are to be read again when next needed. */
static int object_state(lua_State *L) {
    pl_object *o = plua_check_instance(L, 1);
    plua_json_scan(L, 1, o);
    const uint32_t changes = PL_OBJ_CHANGED | PL_OBJ_MODIFIED | PLUA_OBJ_HISTORY;
    lua_pushstring(L, state_word(o));
    lua_pushboolean(L, (o->status & changes) != 0);
    lua_pushboolean(L, (o->status & PL_OBJ_KEYED) && pl_object_attached(o) &&
                           !pl_object_fresh(o));
    return 3;
}

/* core.object_session(object): its session or nil. */
static int object_session(lua_State *L) {
    plua_session *s = plua_object_session(plua_check_instance(L, 1));
    if (!s)
        return 0;
    plua_push_session_ud(L, s);
    return 1;
}

/* core.object_model(object): its model. */
static int object_model(lua_State *L) {
    plua_push_model(L, plua_check_instance(L, 1)->mapper);
    return 1;
}

static const char *label(const pl_attr *a) {
    return a->label ? a->label : a->name;
}

/* core.object_identity(object): its key as a list, nil when it has none. */
static int object_identity(lua_State *L) {
    const pl_object *o = plua_check_instance(L, 1);
    if (!(o->status & PL_OBJ_KEYED))
        return 0;
    lua_createtable(L, o->mapper->npk, 0);
    for (int i = 0; i < o->mapper->npk; i++) {
        const pl_attr *a = &o->mapper->attrs[o->mapper->pk[i]];
        plua_push_slot(L, a->type, &plua_base(o)[o->mapper->pk[i]], label(a));
        lua_rawseti(L, -2, i + 1);
    }
    luaL_setmetatable(L, PLUA_LIST);
    return 1;
}

/* ---- history ----------------------------------------------------------------------- */

/* Stack indices of the three lists. */
enum { ADDED = 3, UNCHANGED = 4, DELETED = 5 };

/* Appends the value on top, nil as db.null. [-1, +0] */
static void append(lua_State *L, int list) {
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        plua_push_null(L);
    }
    lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
}

/* Appends a slot's value; an SQL expression not yet sent stands for itself. */
static void append_slot(lua_State *L, const pl_object *o, uint16_t slot, const pl_slot *v,
                        int list) {
    const pl_attr *a = &o->mapper->attrs[slot];
    if (v->tag == PL_EXPR) {
        plua_state_peek(L, 1, o);
        lua_rawgeti(L, -1, slot + 1);
        lua_remove(L, -2);
    } else {
        plua_push_slot(L, a->type, v, label(a));
    }
    append(L, list);
}

static void slot_history(lua_State *L, pl_object *o, uint16_t slot) {
    const pl_slot *now = &o->slots[slot], *base = &plua_base(o)[slot];
    bool known = pl_object_fresh(o) || !pl_object_attached(o);
    if (now->tag == PL_UNSET)
        return;
    if (!(o->status & PL_OBJ_KEYED)) {
        append_slot(L, o, slot, now, ADDED);
    } else if (now->flags & PL_SLOT_CHANGED) {
        append_slot(L, o, slot, now, ADDED);
        if (known && base->tag != PL_UNSET && base != now)
            append_slot(L, o, slot, base, DELETED);
    } else if (known) {
        append_slot(L, o, slot, now, UNCHANGED);
    }
}

/* Appends what was found in a scalar relationship: an object, or none. */
static void append_related(lua_State *L, int idx, int list) {
    if (lua_isuserdata(L, idx))
        lua_pushvalue(L, idx);
    else
        lua_pushnil(L);
    append(L, list);
}

static void scalar_history(lua_State *L, pl_object *o, const pl_relation *r) {
    int now = lua_gettop(L) + 1, old = now + 1;
    plua_relation_peek(L, 1, o, r);
    plua_relation_old(L, 1, o, r);
    if (lua_isnil(L, now))
        return;
    bool keyed = (o->status & PL_OBJ_KEYED) != 0;
    if (lua_isnil(L, old) || lua_rawequal(L, now, old)) {
        if (keyed && pl_object_attached(o) && !pl_object_fresh(o))
            return;
        if (keyed || lua_isuserdata(L, now))
            append_related(L, now, keyed ? UNCHANGED : ADDED);
        return;
    }
    append_related(L, now, ADDED);
    bool unknown = lua_isboolean(L, old) && lua_toboolean(L, old);
    if (lua_isuserdata(L, old) || (keyed && !unknown))
        append_related(L, old, DELETED);
}

/* Appends the entries of a part of the collection at idx, but those that `except` has. */
static void append_part(lua_State *L, int idx, int part, int except, int list) {
    int top = lua_gettop(L);
    if (lua_getiuservalue(L, idx, part) == LUA_TTABLE) {
        lua_Integer n = (lua_Integer)lua_rawlen(L, top + 1);
        for (lua_Integer i = 1; i <= n; i++) {
            bool skip = lua_rawgeti(L, top + 1, i) != LUA_TUSERDATA;
            if (!skip && except != part)
                skip = plua_collection_in(L, idx, except, top + 2);
            if (skip)
                lua_pop(L, 1);
            else
                append(L, list);
        }
    }
    lua_settop(L, top);
}

static void list_history(lua_State *L, pl_object *o, const pl_relation *r) {
    plua_relation_peek(L, 1, o, r);
    const plua_collection *c = plua_test_collection(L, -1);
    int idx = lua_gettop(L);
    if (!c)
        return;
    if (!(o->status & PL_OBJ_KEYED)) {
        append_part(L, idx, PLUA_C_ITEMS, PLUA_C_ITEMS, ADDED);
        return;
    }
    bool current = !pl_object_attached(o) || c->epoch == o->session->epoch;
    if (c->loaded && current)
        append_part(L, idx, PLUA_C_ITEMS, PLUA_C_ADDED, UNCHANGED);
    if (c->has_added)
        append_part(L, idx, PLUA_C_ADDED, PLUA_C_ADDED, ADDED);
    if (c->has_removed)
        append_part(L, idx, PLUA_C_REMOVED, PLUA_C_REMOVED, DELETED);
}

static pl_relation *find_relation(const pl_mapper *m, const char *name) {
    for (size_t i = 0; i < m->nrelations; i++)
        if (strcmp(m->relations[i]->name, name) == 0)
            return m->relations[i];
    return NULL;
}

/* Pushes the three lists of an attribute of the object at 1, at ADDED and behind. */
static void push_history(lua_State *L, pl_object *o, uint16_t slot,
                         const pl_relation *r) {
    for (int i = ADDED; i <= DELETED; i++) {
        lua_newtable(L);
        luaL_setmetatable(L, PLUA_LIST);
    }
    if (!r)
        slot_history(L, o, slot);
    else if (r->uselist)
        list_history(L, o, r);
    else
        scalar_history(L, o, r);
    lua_settop(L, DELETED);
}

static bool is_slot_modified(const pl_object *o, uint16_t slot) {
    const pl_slot *v = &o->slots[slot];
    if (o->status & PL_OBJ_KEYED)
        return (v->flags & PL_SLOT_CHANGED) != 0;
    return v->tag != PL_UNSET && !(v->flags & PL_SLOT_GUESS);
}

/* A list that is not loaded only queues what the other side has already. */
static bool is_relation_modified(lua_State *L, pl_object *o, const pl_relation *r) {
    plua_relation_peek(L, 1, o, r);
    const plua_collection *c = plua_test_collection(L, -1);
    lua_settop(L, 2);
    if (c && !c->loaded && (o->status & PL_OBJ_KEYED))
        return false;
    push_history(L, o, 0, r);
    bool modified = lua_rawlen(L, ADDED) > 0 || lua_rawlen(L, DELETED) > 0;
    lua_settop(L, 2);
    return modified;
}

/* session:is_modified(object) */
int plua_session_is_modified(lua_State *L) {
    plua_check_session(L, 1, "is_modified");
    pl_object *o = plua_check_instance(L, 2);
    lua_settop(L, 2);
    lua_replace(L, 1);
    lua_settop(L, 2);
    plua_json_scan(L, 1, o);
    bool modified = false;
    for (uint16_t i = 0; i < o->mapper->nslots && !modified; i++)
        modified = is_slot_modified(o, i);
    bool related = !(o->status & PL_OBJ_KEYED) || (o->status & PLUA_OBJ_HISTORY);
    for (size_t i = 0; related && i < o->mapper->nrelations && !modified; i++)
        modified = is_relation_modified(L, o, o->mapper->relations[i]);
    lua_pushboolean(L, modified);
    return 1;
}

/* core.object_history(object, name): lists of what was added, is unchanged, was deleted
** since the last flush. Nothing is loaded for it. */
static int object_history(lua_State *L) {
    pl_object *o = plua_check_instance(L, 1);
    const char *name = luaL_checkstring(L, 2);
    uint16_t slot = pl_mapper_slot(o->mapper, name);
    const pl_relation *r = slot == PL_NO_SLOT ? find_relation(o->mapper, name) : NULL;
    if (slot == PL_NO_SLOT && !r)
        plua_no_attribute(L, o->mapper, name);
    lua_settop(L, 2);
    plua_json_scan(L, 1, o);
    push_history(L, o, slot, r);
    return 3;
}

/* core.object_loaded(object, name): whether reading the attribute needs no SQL. */
static int object_loaded(lua_State *L) {
    pl_object *o = plua_check_instance(L, 1);
    const char *name = luaL_checkstring(L, 2);
    uint16_t slot = pl_mapper_slot(o->mapper, name);
    const pl_relation *r = slot == PL_NO_SLOT ? find_relation(o->mapper, name) : NULL;
    if (slot == PL_NO_SLOT && !r)
        plua_no_attribute(L, o->mapper, name);
    bool stale =
        (o->status & PL_OBJ_KEYED) && pl_object_attached(o) && !pl_object_fresh(o);
    bool loaded = !stale;
    if (r) {
        plua_relation_peek(L, 1, o, r);
        const plua_collection *c = plua_test_collection(L, -1);
        loaded = loaded && (c ? c->loaded : !lua_isnil(L, -1));
    } else {
        const pl_slot *v = &o->slots[slot];
        loaded = v->tag != PL_UNSET && (loaded || (v->flags & PL_SLOT_CHANGED));
    }
    lua_pushboolean(L, loaded);
    return 1;
}

/* ---- tables of a database ---------------------------------------------------------- */

/* core.db_keys(db): the bind keys known so far, without the default database. */
static int db_keys(lua_State *L) {
    const plua_db *db = plua_check_db(L, 1);
    lua_newtable(L);
    lua_Integer n = 0;
    for (const plua_engine *e = db->engines; e; e = e->next) {
        if (!e->key)
            continue;
        lua_pushstring(L, e->key);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* core.db_tables(db, key or nil, sorted): the tables of one database in order of
** declaration, or (referred-to first) of dependency; then also how many of them, at the
** end, refer to each other in a circle. */
static int db_tables(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    plua_engine *e = plua_engine_get(L, db, luaL_optstring(L, 2, NULL));
    bool sorted = lua_toboolean(L, 3);
    size_t cyclic = 0;
    pl_alloc alloc;
    pl_arena *arena = plua_scratch(L, &alloc);
    pl_vec order;
    pl_vec_init(&order, alloc);
    if (sorted) {
        plua_check(L, pl_metadata_resolve(&e->md, plua_err(L)));
        plua_check(L, pl_metadata_sort(&e->md, &order, &cyclic, plua_err(L)));
    }
    const pl_vec *tables = sorted ? &order : &e->md.tables;
    lua_newtable(L);
    for (size_t i = 0; i < tables->n; i++) {
        plua_push_table(L, tables->v[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    plua_arena_done(arena);
    lua_pushinteger(L, (lua_Integer)cyclic);
    return 2;
}

/* ---- queries ----------------------------------------------------------------------- */

/* core.query_model(query): the model when rows are instances of one model (not of an
** alias), and whether it is the only thing selected. */
static int query_model(lua_State *L) {
    pl_node *items[2];
    const pl_node *n = plua_tonode(L, 1);
    size_t count = n ? plua_statement_list(n, items, 2) : 0;
    if (count == 0 || items[0]->kind != PL_N_ENTITY)
        return 0;
    const pl_node *entity = items[0];
    bool plain = entity->nkids > 0 && entity->kids[0]->nkids == 0;
    if (plain)
        plua_push_model(L, entity->ref);
    else
        lua_pushnil(L);
    lua_pushboolean(L, count == 1);
    return 2;
}

/* Whether a window function stands in an expression, not in a subquery of it. */
static bool has_window(const pl_node *n) {
    if (!n || n->kind == PL_N_OVER)
        return n != NULL;
    for (uint32_t i = 0; i < n->nkids && !pl_node_is_statement(n); i++)
        if (has_window(n->kids[i]))
            return true;
    return false;
}

/* core.order_item(expression): what is ordered by; whether descending; "first", "last" or
** nil for NULLs; whether it can be NULL; the column's key when it is a plain column;
*whether a
** window function stands in it. */
static int order_item(lua_State *L) {
    const pl_node *n = plua_tonode(L, 1);
    if (!n)
        return 0;
    unsigned op = 0;
    lua_settop(L, 1);
    for (; n->kind == PL_N_ORDER; n = n->kids[0])
        op |= n->op;
    /* An ORDER over another keeps that one alive, which keeps what both are about. */
    while (lua_isuserdata(L, 1) && lua_touserdata(L, 1) != n) {
        lua_getiuservalue(L, 1, 1);
        lua_replace(L, 1);
    }
    const pl_column *c = n->kind == PL_N_COLUMN ? n->ref : NULL;
    lua_pushboolean(L, (op & PL_ORDER_DESC) != 0);
    lua_pushstring(L, op & PL_ORDER_NULLS_FIRST  ? "first"
                      : op & PL_ORDER_NULLS_LAST ? "last"
                                                 : NULL);
    lua_pushboolean(L, !c || c->nullable);
    lua_pushstring(L, c ? c->key : NULL);
    lua_pushboolean(L, has_window(n));
    return 6;
}

/* Pushes what kid i of the clause at idx was made of: the expression as it was given. */
static void push_given(lua_State *L, int idx, uint32_t i) {
    if (lua_getiuservalue(L, idx, (int)i + 1) != LUA_TTABLE)
        return;
    lua_rawgeti(L, -1, 1); /* turned to a subquery: the first is the original */
    lua_remove(L, -2);
}

/* The name of a label that an item of ORDER BY goes by, or NULL. */
static const char *label_of(const pl_node *n) {
    while (n->kind == PL_N_ORDER)
        n = n->kids[0];
    return n->kind == PL_N_IDENT ? n->text : NULL;
}

/* core.query_order(query): the list of what it is ordered by, the last first; whether it
** has a LIMIT or an OFFSET; a label that it is ordered by, or nil. */
static int query_order(lua_State *L) {
    luaL_argcheck(L, plua_tonode_of(L, 1, PLUA_IS_QUERY), 1, "query expected");
    lua_settop(L, 1);
    lua_newtable(L);
    bool limited = false, forgotten = false;
    const char *label = NULL;
    const pl_node *n;
    while ((n = plua_tonode(L, 1)) && n->kind >= PL_N_WHERE) {
        limited = limited || n->kind == PL_N_LIMIT || n->kind == PL_N_OFFSET;
        forgotten = forgotten || (n->kind == PL_N_ORDER_BY && n->nkids == 1);
        for (uint32_t i = n->nkids; n->kind == PL_N_ORDER_BY && !forgotten && i > 1;
             i--) {
            label = label ? label : label_of(n->kids[i - 1]);
            push_given(L, 1, i - 1);
            lua_rawseti(L, 2, (lua_Integer)lua_rawlen(L, 2) + 1);
        }
        lua_getiuservalue(L, 1, 1);
        lua_replace(L, 1);
    }
    lua_pushboolean(L, limited);
    lua_pushstring(L, label);
    return 3;
}

/* core.query_shape(query): whether it groups; whether it selects a window function. */
static int query_shape(lua_State *L) {
    pl_node *n = plua_tonode_of(L, 1, PLUA_IS_QUERY);
    luaL_argcheck(L, n, 1, "query expected");
    size_t count = plua_statement_list(n, NULL, 0);
    pl_node **items = lua_newuserdatauv(L, (count + 1) * sizeof *items, 0);
    plua_statement_list(n, items, count);
    bool windows = false;
    for (size_t i = 0; i < count && !windows; i++)
        windows = has_window(items[i]);
    lua_pushboolean(L, pl_statement_find(n, PL_N_GROUP_BY) != NULL);
    lua_pushboolean(L, windows);
    return 2;
}

/* core.open_sessions(): sessions of this state that were not closed. */
static int open_sessions(lua_State *L) {
    lua_pushinteger(L, plua_each_session(L, NULL, NULL));
    return 1;
}

/* core.sessions(): a list of them. */
static int sessions(lua_State *L) {
    plua_push_sessions(L);
    return 1;
}

int plua_open_inspect(lua_State *L) {
    static const luaL_Reg functions[] = {{"object_state", object_state},
                                         {"object_session", object_session},
                                         {"object_model", object_model},
                                         {"object_identity", object_identity},
                                         {"object_history", object_history},
                                         {"object_loaded", object_loaded},
                                         {"db_keys", db_keys},
                                         {"db_tables", db_tables},
                                         {"query_model", query_model},
                                         {"order_item", order_item},
                                         {"query_order", query_order},
                                         {"query_shape", query_shape},
                                         {"open_sessions", open_sessions},
                                         {"sessions", sessions},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
