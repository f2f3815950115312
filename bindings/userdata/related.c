/* SPDX-License-Identifier: MIT */
/*
** related.c - loading related objects, for one object and all that came with it.
**
** Where the join is plain keys, the values stand in the slots and the query is
** `WHERE remote IN (...)`. Any other join goes by the parents' primary keys through an
** aliased parent. Called by loader.c's plua_load_relation only.
*/
#include "userdata/related.h"
#include "userdata/collection.h"
#include "userdata/cursor.h"
#include "userdata/materialize.h"
#include "userdata/node.h"

enum { CHUNK = 500 };

/* One batch: parents stand in the list at `parents`, `from` .. `to`. */
typedef struct batch {
    plua_session *s;
    pl_relation *r;
    pl_arena *a;
    int parents;
    lua_Integer from, to;
    int nkey;     /* parts of the grouping key */
    bool by_pk;   /* key is the parent's identity, else the pairs' local values */
    int keyfirst; /* first result column of the key */
} batch;

static pl_slot local_value(const batch *b, const pl_object *o, int i) {
    uint16_t slot = b->by_pk ? b->r->mapper->pk[i] : b->r->pairs[i].local_slot;
    return plua_base(o)[slot];
}

static pl_node *need(lua_State *L, pl_node *n) {
    if (!n)
        plua_nomem(L);
    return n;
}

/* The column that the key's part i is compared with. */
static pl_node *key_column(lua_State *L, const batch *b, int i, pl_node *parent,
                           pl_node *link) {
    const pl_relation *r = b->r;
    if (b->by_pk)
        return need(L, pl_node_column(b->a, r->mapper->tables[0].table->pk[i], parent));
    (void)link;
    return need(L, pl_node_column(b->a, r->pairs[i].remote, NULL));
}

static pl_node *key_literal(lua_State *L, const batch *b, const pl_object *o, int i) {
    const pl_attr *attr =
        &b->r->mapper->attrs[b->by_pk ? b->r->mapper->pk[i] : b->r->pairs[i].local_slot];
    return need(L, pl_node_literal(b->a, attr->type, local_value(b, o, i)));
}

static pl_object *parent_at(lua_State *L, const batch *b, lua_Integer i) {
    lua_rawgeti(L, b->parents, i);
    pl_object *o = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return o;
}

/* key IN (values of the parents), padded so that few different texts exist. */
static pl_node *single_condition(lua_State *L, const batch *b, pl_node *parent,
                                 pl_node *link) {
    uint32_t n = (uint32_t)(b->to - b->from + 1);
    uint32_t size = 1;
    while (size < n)
        size *= 2;
    size = size > CHUNK ? CHUNK : size;
    pl_node *in = need(L, pl_node_new(b->a, PL_N_IN, size + 1));
    in->kids[0] = key_column(L, b, 0, parent, link);
    for (uint32_t i = 0; i < size; i++) {
        lua_Integer at = b->from + (i < n ? i : n - 1);
        in->kids[i + 1] = key_literal(L, b, parent_at(L, b, at), 0);
    }
    return in;
}

static pl_node *composite_condition(lua_State *L, const batch *b, pl_node *parent,
                                    pl_node *link) {
    uint32_t n = (uint32_t)(b->to - b->from + 1);
    pl_node *any = need(L, pl_node_new(b->a, PL_N_OR, n));
    for (uint32_t i = 0; i < n; i++) {
        pl_node *all = need(L, pl_node_new(b->a, PL_N_AND, (uint32_t)b->nkey));
        const pl_object *o = parent_at(L, b, b->from + i);
        for (int k = 0; k < b->nkey; k++)
            all->kids[k] =
                need(L, pl_node_binary(b->a, PL_OP_EQ, key_column(L, b, k, parent, link),
                                       key_literal(L, b, o, k)));
        any->kids[i] = all;
    }
    return any;
}

static pl_node *order_clause(lua_State *L, const batch *b, pl_node *stmt) {
    const pl_node *order = b->r->args.order_by;
    if (!order)
        return stmt;
    pl_node *clause = need(L, pl_node_new(b->a, PL_N_ORDER_BY, order->nkids + 1));
    clause->kids[0] = stmt;
    for (uint32_t i = 0; i < order->nkids; i++)
        clause->kids[i + 1] = order->kids[i];
    return clause;
}

static pl_node *join_clause(lua_State *L, const batch *b, pl_node *stmt, pl_node *right,
                            pl_node *on) {
    pl_node *j = need(L, pl_node_new(b->a, PL_N_JOINED, 4));
    j->op = PL_JOIN_INNER;
    j->kids[0] = stmt;
    j->kids[2] = right;
    j->kids[3] = on;
    return j;
}

/* SELECT key..., target FROM target [JOIN secondary] [JOIN parent AS p] WHERE ... */
static pl_node *build(lua_State *L, batch *b, pl_node *entity) {
    pl_relation *r = b->r;
    bool with_key = b->by_pk || r->direction == PL_MANY_TO_MANY;
    uint32_t nkey = with_key ? (uint32_t)b->nkey : 0;
    pl_node *parent = NULL, *far = NULL;
    if (b->by_pk) {
        parent = need(L, pl_node_new(b->a, PL_N_ALIAS, 1));
        parent->kids[0] = need(L, pl_node_table(b->a, r->mapper->tables[0].table));
    }
    pl_node *select = need(L, pl_node_new(b->a, PL_N_SELECT, nkey + 1));
    for (uint32_t i = 0; i < nkey; i++)
        select->kids[i] = key_column(L, b, (int)i, parent, NULL);
    select->kids[nkey] = entity;
    pl_node *stmt = need(L, pl_node_clause(b->a, PL_N_FROM, select,
                                           need(L, pl_mapper_from(b->a, r->target))));
    pl_node *link = r->secondary ? need(L, pl_node_table(b->a, r->secondary)) : NULL;
    pl_node *on = pl_relation_on(b->a, r, parent, NULL, NULL, &far);
    if (link)
        stmt = join_clause(L, b, stmt, link, far);
    if (parent)
        stmt = join_clause(L, b, stmt, parent, on);
    pl_node *where = b->nkey == 1 ? single_condition(L, b, parent, link)
                                  : composite_condition(L, b, parent, link);
    stmt = need(L, pl_node_clause(b->a, PL_N_WHERE, stmt, where));
    pl_node *only = pl_mapper_criterion(b->a, r->target, NULL);
    if (only)
        stmt = need(L, pl_node_clause(b->a, PL_N_WHERE, stmt, only));
    b->keyfirst = with_key ? 0 : -1;
    return order_clause(L, b, stmt);
}

static void push_parent_key(lua_State *L, const batch *b, const pl_object *o) {
    pl_slot values[PL_MAX_KEY];
    for (int i = 0; i < b->nkey; i++)
        values[i] = local_value(b, o, i);
    plua_push_key_values(L, values, b->nkey);
}

/* Pushes a table key -> parent; several parents of one key are chained in a list. */
static void push_index(lua_State *L, const batch *b) {
    lua_newtable(L);
    for (lua_Integer i = b->from; i <= b->to; i++) {
        lua_rawgeti(L, b->parents, i);
        push_parent_key(L, b, lua_touserdata(L, -1));
        lua_insert(L, -2);
        lua_rawset(L, -3);
    }
}

/* Key of the row just read: from its own columns, or from the child's foreign key. */
static void push_row_key(lua_State *L, const batch *b, const plua_maker *k,
                         const pl_slot *row, const pl_object *child) {
    pl_slot values[PL_MAX_KEY];
    (void)k;
    for (int i = 0; i < b->nkey; i++)
        values[i] = b->keyfirst >= 0 ? row[b->keyfirst + i]
                                     : plua_base(child)[b->r->pairs[i].remote_slot];
    plua_push_key_values(L, values, b->nkey);
}

/* Gives the object on top to the parent at `parent`. [-1, +0] */
static void give(lua_State *L, const batch *b, int parent) {
    pl_object *o = lua_touserdata(L, parent);
    if (!b->r->uselist) {
        plua_relation_loaded(L, parent, o, b->r);
        return;
    }
    plua_collection *c = plua_collection_of(L, parent, o, b->r);
    lua_insert(L, -2);
    plua_collection_put(L, lua_gettop(L) - 1, c);
    lua_pop(L, 1);
}

static void begin_parents(lua_State *L, const batch *b) {
    for (lua_Integer i = b->from; i <= b->to; i++) {
        lua_rawgeti(L, b->parents, i);
        int idx = lua_gettop(L);
        pl_object *o = lua_touserdata(L, idx);
        if (b->r->uselist) {
            plua_collection *c = plua_collection_of(L, idx, o, b->r);
            plua_collection_begin_load(L, idx + 1, c);
        } else {
            lua_pushboolean(L, 0);
            plua_relation_loaded(L, idx, o, b->r);
        }
        lua_settop(L, idx - 1);
    }
}

static void end_parents(lua_State *L, const batch *b) {
    for (lua_Integer i = b->from; b->r->uselist && i <= b->to; i++) {
        lua_rawgeti(L, b->parents, i);
        int idx = lua_gettop(L);
        plua_collection *c = plua_collection_of(L, idx, lua_touserdata(L, idx), b->r);
        plua_collection_end_load(L, idx + 1, c);
        lua_settop(L, idx - 1);
    }
}

static void read_rows(lua_State *L, batch *b, plua_cursor *cursor, plua_maker *k,
                      int index) {
    int n = pl_stmt_column_count(cursor->stmt);
    pl_slot *row = lua_newuserdatauv(L, (size_t)n * sizeof *row, 0);
    int base = lua_gettop(L);
    while (plua_cursor_step(L, cursor)) {
        pl_stmt_columns(cursor->stmt, 0, n, row);
        pl_object *child = plua_make(L, k, row);
        if (child) {
            push_row_key(L, b, k, row, child);
            if (lua_rawget(L, index) == LUA_TUSERDATA) {
                lua_pushvalue(L, base + 1);
                give(L, b, base + 2);
            }
        }
        lua_settop(L, base);
    }
}

static void load_batch(lua_State *L, batch *b) {
    int top = lua_gettop(L);
    b->a = plua_arena(L);
    pl_arena *arena = b->a;
    pl_node *entity = need(L, pl_mapper_entity(b->a, b->r->target, NULL, false));
    pl_node *stmt = build(L, b, entity);
    plua_cursor *cursor = plua_cursor_open(L, b->s, 0, stmt, 0);
    plua_maker k;
    plua_maker_begin(L, &k, b->s, entity, b->keyfirst >= 0 ? b->nkey : 0);
    push_index(L, b);
    int index = lua_gettop(L);
    begin_parents(L, b);
    read_rows(L, b, cursor, &k, index);
    end_parents(L, b);
    lua_settop(L, top);
    plua_arena_done(arena);
}

void plua_load_lists(lua_State *L, plua_session *s, pl_relation *r, int parents) {
    batch b = {.s = s, .r = r, .parents = lua_absindex(L, parents)};
    b.by_pk = !r->simple;
    b.nkey = b.by_pk ? r->mapper->npk : (int)r->npairs;
    lua_Integer n = (lua_Integer)lua_rawlen(L, b.parents);
    lua_Integer size = b.nkey == 1 ? CHUNK : 100;
    for (b.from = 1; b.from <= n; b.from = b.to + 1) {
        b.to = b.from + size - 1 < n ? b.from + size - 1 : n;
        load_batch(L, &b);
    }
}

/* ---- many to one, by the target's key ---------------------------------------------- */

/* Pushes a list of one object per distinct foreign key that is not in the identity map.
 */
static void push_wanted(lua_State *L, int parents, const pl_relation *r) {
    lua_newtable(L);
    int wanted = lua_gettop(L);
    lua_newtable(L);
    lua_Integer n = (lua_Integer)lua_rawlen(L, parents);
    for (lua_Integer i = 1; i <= n; i++) {
        pl_slot values[PL_MAX_KEY];
        lua_rawgeti(L, parents, i);
        const pl_object *o = lua_touserdata(L, -1);
        plua_identity_of(L, o, r);
        bool known = !lua_isnil(L, -1);
        for (size_t k = 0; k < r->npairs; k++)
            values[k] = o->slots[r->pairs[k].local_slot];
        plua_push_key_values(L, values, (int)r->npairs);
        if (!known && lua_rawget(L, wanted + 1) == LUA_TNIL) {
            plua_push_key_values(L, values, (int)r->npairs);
            lua_pushboolean(L, 1);
            lua_rawset(L, wanted + 1);
            lua_rawgeti(L, parents, i);
            lua_rawseti(L, wanted, (lua_Integer)lua_rawlen(L, wanted) + 1);
        }
        lua_settop(L, wanted + 1);
    }
    lua_settop(L, wanted);
}

/* Loads the targets of objects from..to of the list; the list `keep` holds them. */
static void load_targets(lua_State *L, batch *b, int keep) {
    int top = lua_gettop(L);
    b->a = plua_arena(L);
    pl_arena *arena = b->a;
    pl_node *entity = need(L, pl_mapper_entity(b->a, b->r->target, NULL, false));
    pl_node *select = need(L, pl_node_new(b->a, PL_N_SELECT, 1));
    select->kids[0] = entity;
    pl_node *stmt = need(L, pl_node_clause(b->a, PL_N_FROM, select,
                                           need(L, pl_mapper_from(b->a, b->r->target))));
    pl_node *where = b->nkey == 1 ? single_condition(L, b, NULL, NULL)
                                  : composite_condition(L, b, NULL, NULL);
    stmt = need(L, pl_node_clause(b->a, PL_N_WHERE, stmt, where));
    plua_cursor *cursor = plua_cursor_open(L, b->s, 0, stmt, 0);
    plua_maker k;
    plua_maker_begin(L, &k, b->s, entity, 0);
    int n = pl_stmt_column_count(cursor->stmt);
    pl_slot *row = lua_newuserdatauv(L, (size_t)n * sizeof *row, 0);
    while (plua_cursor_step(L, cursor)) {
        pl_stmt_columns(cursor->stmt, 0, n, row);
        plua_make(L, &k, row);
        lua_rawseti(L, keep, (lua_Integer)lua_rawlen(L, keep) + 1);
    }
    lua_settop(L, top);
    plua_arena_done(arena);
}

void plua_load_scalars(lua_State *L, plua_session *s, pl_relation *r, int parents) {
    parents = lua_absindex(L, parents);
    int top = lua_gettop(L);
    push_wanted(L, parents, r);
    batch b = {.s = s, .r = r, .parents = top + 1, .nkey = (int)r->npairs};
    lua_newtable(L);
    lua_Integer n = (lua_Integer)lua_rawlen(L, top + 1);
    lua_Integer size = b.nkey == 1 ? CHUNK : 100;
    for (b.from = 1; b.from <= n; b.from = b.to + 1) {
        b.to = b.from + size - 1 < n ? b.from + size - 1 : n;
        load_targets(L, &b, top + 2);
    }
    n = (lua_Integer)lua_rawlen(L, parents);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, parents, i);
        pl_object *o = lua_touserdata(L, -1);
        plua_identity_of(L, o, r);
        if (lua_isnil(L, -1))
            lua_pushboolean(L, 0), lua_replace(L, -2);
        plua_relation_loaded(L, lua_gettop(L) - 1, o, r);
        lua_pop(L, 1);
    }
    lua_settop(L, top);
}
