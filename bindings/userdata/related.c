/* SPDX-License-Identifier: MIT */
/*
** related.c - loading related objects, for one object and all that came with it.
**
** Where the join is plain keys, the values stand in the slots and the query is
** `WHERE remote IN (...)`. Any other join goes by the parents' primary keys through an
** aliased parent. Rows of one parent usually come together, so the parent found last is
** looked at first.
*/
#include "userdata/related.h"
#include "userdata/collection.h"
#include "userdata/cursor.h"
#include "userdata/identity.h"
#include "userdata/loader.h"
#include "userdata/order.h"
#include "userdata/query.h"

enum { CHUNK = 500, CHUNK_WIDE = 100 };

/* One batch: parents stand in the list at `parents`, `from` .. `to`. */
typedef struct batch {
    plua_session *s;
    const plua_related *q;
    pl_relation *r;
    pl_mapper *target;
    pl_arena *a;
    int parents;
    lua_Integer from, to;
    int level;    /* stack: of the targets, or nil there */
    int nkey;     /* parts of the grouping key */
    bool by_pk;   /* key is the parent's identity, else the pairs' local values */
    int keyfirst; /* first result column of the key, -1: the child has it */
    bool to_one;  /* reads targets by their key, and gives them to nobody */
    bool checked; /* a child may come again */
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

/* ---- the statement ----------------------------------------------------------------- */

/* The column that the key's part i is compared with. */
static pl_node *key_column(lua_State *L, const batch *b, int i, pl_node *parent) {
    const pl_relation *r = b->r;
    if (b->by_pk)
        return need(L, pl_node_column(b->a, r->mapper->tables[0].table->pk[i], parent));
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
static pl_node *single_condition(lua_State *L, const batch *b, pl_node *parent) {
    uint32_t n = (uint32_t)(b->to - b->from + 1);
    uint32_t size = 1;
    while (size < n)
        size *= 2;
    size = size > CHUNK ? CHUNK : size;
    pl_node *in = need(L, pl_node_new(b->a, PL_N_IN, size + 1));
    in->kids[0] = key_column(L, b, 0, parent);
    for (uint32_t i = 0; i < size; i++) {
        lua_Integer at = b->from + (i < n ? i : n - 1);
        in->kids[i + 1] = key_literal(L, b, parent_at(L, b, at), 0);
    }
    return in;
}

static pl_node *composite_condition(lua_State *L, const batch *b, pl_node *parent) {
    uint32_t n = (uint32_t)(b->to - b->from + 1);
    pl_node *any = need(L, pl_node_new(b->a, PL_N_OR, n));
    for (uint32_t i = 0; i < n; i++) {
        pl_node *all = need(L, pl_node_new(b->a, PL_N_AND, (uint32_t)b->nkey));
        const pl_object *o = parent_at(L, b, b->from + i);
        for (int k = 0; k < b->nkey; k++)
            all->kids[k] =
                need(L, pl_node_binary(b->a, PL_OP_EQ, key_column(L, b, k, parent),
                                       key_literal(L, b, o, k)));
        any->kids[i] = all;
    }
    return any;
}

static pl_node *order_clause(lua_State *L, const batch *b, pl_node *stmt) {
    const pl_node *order = b->r->args.order_by;
    if (!order || b->to_one)
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

/* The query that gave the parents, as a derived table of their keys. */
static pl_node *origin_alias(lua_State *L, const batch *b, pl_node **keys) {
    const plua_eager *e = b->q->origin;
    const plua_level *v = lua_touserdata(L, b->q->level);
    pl_node *columns = need(L, pl_node_new(b->a, PL_N_COLUMNS, (uint32_t)b->nkey + 1));
    pl_node *alias = need(L, pl_node_new(b->a, PL_N_ALIAS, 1));
    columns->kids[0] = (pl_node *)e->user;
    for (int i = 0; i < b->nkey; i++) {
        const pl_column *c =
            b->by_pk ? b->r->mapper->tables[0].table->pk[i] : b->r->pairs[i].local;
        columns->kids[i + 1] = need(L, pl_node_column(b->a, c, v->source));
        keys[i] = need(L, pl_node_column(b->a, c, alias));
    }
    alias->kids[0] = columns;
    if (b->r->direction == PL_MANY_TO_ONE)
        alias->kids[0] = need(L, pl_node_clause(b->a, PL_N_DISTINCT, columns, NULL));
    if (!pl_statement_find(columns, PL_N_LIMIT) &&
        !pl_statement_find(columns, PL_N_OFFSET)) /* an order says nothing then */
        alias->kids[0] =
            need(L, pl_node_clause(b->a, PL_N_ORDER_BY, alias->kids[0], NULL));
    return alias;
}

/* JOIN (the query again) ON its keys are those of the rows. */
static pl_node *join_origin(lua_State *L, const batch *b, pl_node *stmt,
                            pl_node *parent) {
    pl_node *keys[PL_MAX_KEY], *on = NULL;
    pl_node *alias = origin_alias(L, b, keys);
    for (int i = 0; i < b->nkey; i++)
        on = need(L, pl_node_and(b->a, on,
                                 need(L, pl_node_binary(b->a, PL_OP_EQ, keys[i],
                                                        key_column(L, b, i, parent)))));
    return join_clause(L, b, stmt, alias, on);
}

/* What restricts the targets besides: subclass, and_(...), with_loader_criteria. */
static pl_node *restricted(lua_State *L, const batch *b, pl_node *stmt) {
    const plua_level *v = lua_touserdata(L, b->q->level);
    pl_node *only = pl_mapper_criterion(b->a, b->target, NULL);
    if (b->q->step && b->q->step->criteria)
        only = need(L, pl_node_and(b->a, only, b->q->step->criteria));
    only = pl_node_and(b->a, only, plua_level_criteria(L, b->a, v, b->target, NULL));
    return only ? need(L, pl_node_clause(b->a, PL_N_WHERE, stmt, only)) : stmt;
}

static pl_node *by_keys(lua_State *L, const batch *b, pl_node *stmt, pl_node *parent) {
    pl_node *where =
        b->nkey == 1 ? single_condition(L, b, parent) : composite_condition(L, b, parent);
    return need(L, pl_node_clause(b->a, PL_N_WHERE, stmt, where));
}

/* Whether the rows of the target may come without the key that leads to their parents. */
static bool lacks_key(lua_State *L, const batch *b) {
    for (int i = 0; i < b->nkey; i++)
        if (b->target->attrs[b->r->pairs[i].remote_slot].deferred)
            return true;
    return plua_level_picks(lua_touserdata(L, b->level));
}

/* SELECT key..., target FROM target [JOIN secondary] [JOIN parent AS p] WHERE ... */
static pl_node *build(lua_State *L, batch *b, pl_node *entity) {
    pl_relation *r = b->r;
    bool with_key =
        !b->to_one && (b->by_pk || r->direction == PL_MANY_TO_MANY || lacks_key(L, b));
    uint32_t nkey = with_key ? (uint32_t)b->nkey : 0;
    pl_node *parent = NULL, *far = NULL;
    if (b->by_pk) {
        parent = need(L, pl_node_new(b->a, PL_N_ALIAS, 1));
        parent->kids[0] = need(L, pl_node_table(b->a, r->mapper->tables[0].table));
    }
    pl_node *select = need(L, pl_node_new(b->a, PL_N_SELECT, nkey + 1));
    for (uint32_t i = 0; i < nkey; i++)
        select->kids[i] = key_column(L, b, (int)i, parent);
    select->kids[nkey] = entity;
    pl_node *stmt = need(L, pl_node_clause(b->a, PL_N_FROM, select,
                                           need(L, pl_mapper_from(b->a, b->target))));
    if (r->secondary || parent) {
        pl_node *on = need(L, pl_relation_on(b->a, r, parent, NULL, NULL, &far));
        if (r->secondary)
            stmt =
                join_clause(L, b, stmt, need(L, pl_node_table(b->a, r->secondary)), far);
        if (parent)
            stmt = join_clause(L, b, stmt, parent, on);
    }
    stmt = b->q->origin ? join_origin(L, b, stmt, parent) : by_keys(L, b, stmt, parent);
    b->keyfirst = with_key ? 0 : -1;
    return order_clause(L, b, restricted(L, b, stmt));
}

/* ---- whose row it is --------------------------------------------------------------- */

static void push_parent_key(lua_State *L, const batch *b, const pl_object *o) {
    pl_slot values[PL_MAX_KEY];
    for (int i = 0; i < b->nkey; i++)
        values[i] = local_value(b, o, i);
    plua_push_key_values(L, values, b->nkey);
}

/* Makes room for what the rows bring. Pushes a table key -> number of the parent, and one
** of the lists: [number] = list. */
static void begin_parents(lua_State *L, const batch *b) {
    int n = (int)(b->to - b->from + 1);
    lua_createtable(L, 0, n);
    lua_createtable(L, b->r->uselist ? n : 0, 0);
    int index = lua_gettop(L) - 1;
    for (lua_Integer i = b->from; i <= b->to; i++) {
        lua_rawgeti(L, b->parents, i);
        pl_object *o = lua_touserdata(L, -1);
        push_parent_key(L, b, o);
        lua_pushinteger(L, i);
        lua_rawset(L, index);
        if (b->r->uselist) {
            plua_collection *c = plua_collection_of(L, index + 2, o, b->r);
            plua_collection_begin_load(L, index + 3, c);
            lua_rawseti(L, index + 1, i);
        } else {
            lua_pushboolean(L, 0);
            plua_relation_loaded(L, index + 2, o, b->r);
        }
        lua_settop(L, index + 1);
    }
}

/* Several parents may have one key: a MANY_TO_ONE to another column than the key. */
static bool shares_keys(const batch *b) {
    return !b->by_pk && b->r->direction == PL_MANY_TO_ONE;
}

/* For parents that share keys: number of the next one with the same key. [-0, +1, m] */
static void push_chain(lua_State *L, const batch *b, int index) {
    lua_newtable(L);
    if (!shares_keys(b))
        return;
    int chain = lua_gettop(L);
    for (lua_Integer i = b->from; i <= b->to; i++) {
        push_parent_key(L, b, parent_at(L, b, i));
        lua_rawget(L, index);
        if (lua_tointeger(L, -1) != i) { /* the last with the key is in the index */
            lua_Integer last = lua_tointeger(L, -1);
            lua_rawgeti(L, chain, last);
            lua_rawseti(L, chain, i);
            lua_pushinteger(L, i);
            lua_rawseti(L, chain, last);
        }
        lua_settop(L, chain);
    }
}

static void end_parents(lua_State *L, const batch *b, int lists) {
    for (lua_Integer i = b->from; b->r->uselist && i <= b->to; i++) {
        lua_rawgeti(L, lists, i);
        plua_collection *c = lua_touserdata(L, -1);
        plua_collection_end_load(L, lua_gettop(L), c);
        lua_pop(L, 1);
    }
}

/* ---- rows -------------------------------------------------------------------------- */

/* Reading of one statement; stack indices of what it needs. */
typedef struct reader {
    int index, lists, chain, items, child;
    lua_Integer last; /* parent whose list is at `items` - 1, its items there */
    pl_slot key[PL_MAX_KEY];
    plua_collection *list;
    bool plain; /* nothing but appending */
} reader;

static bool same_key(const batch *b, const reader *d, const pl_slot *key) {
    for (int i = 0; i < b->nkey; i++)
        if (key[i].tag != PL_INT || d->key[i].tag != PL_INT ||
            key[i].v.i != d->key[i].v.i)
            return false;
    return d->last != 0;
}

/* Key of the row just read: from its own columns, or from the child's foreign key. */
static void row_key(const batch *b, const pl_slot *row, const pl_object *child,
                    pl_slot *key) {
    for (int i = 0; i < b->nkey; i++)
        key[i] = b->keyfirst >= 0 ? row[b->keyfirst + i]
                                  : plua_base(child)[b->r->pairs[i].remote_slot];
}

/* The parent of a key becomes the last one; false when it is none of the batch. */
static bool find_parent(lua_State *L, const batch *b, reader *d, const pl_slot *key) {
    if (same_key(b, d, key))
        return true;
    plua_push_key_values(L, key, b->nkey);
    lua_rawget(L, d->index);
    d->last = lua_tointeger(L, -1);
    lua_pop(L, 1);
    for (int i = 0; i < b->nkey; i++)
        d->key[i] = key[i];
    if (d->last == 0 || !b->r->uselist)
        return d->last != 0;
    lua_rawgeti(L, d->lists, d->last);
    d->list = lua_touserdata(L, -1);
    d->plain = !b->checked && !d->list->has_removed;
    lua_getiuservalue(L, -1, PLUA_C_ITEMS);
    lua_replace(L, d->items);
    lua_replace(L, d->items - 1);
    return true;
}

static void give_list(lua_State *L, const reader *d) {
    if (d->plain) {
        lua_pushvalue(L, d->child);
        lua_rawseti(L, d->items, ++d->list->n);
    } else if (!plua_collection_has(L, d->items - 1, d->list, d->child)) {
        lua_pushvalue(L, d->child);
        plua_collection_put(L, d->items - 1, d->list);
    }
}

/* The first row of a parent tells; all parents of the key get it. */
static void give_scalar(lua_State *L, const batch *b, const reader *d) {
    lua_Integer i = d->last;
    do {
        lua_rawgeti(L, b->parents, i);
        pl_object *o = lua_touserdata(L, -1);
        int idx = lua_gettop(L);
        plua_relation_peek(L, idx, o, b->r);
        if (lua_isboolean(L, -1)) {
            lua_pushvalue(L, d->child);
            plua_relation_loaded(L, idx, o, b->r);
        }
        lua_rawgeti(L, d->chain, i);
        i = lua_tointeger(L, -1);
        lua_settop(L, idx - 1);
    } while (i != 0 && i != d->last);
}

/* A row and the child it is of, on top. [-1, +0] */
static void give(lua_State *L, const batch *b, reader *d, const pl_slot *row) {
    pl_slot key[PL_MAX_KEY];
    lua_replace(L, d->child);
    row_key(b, row, lua_touserdata(L, d->child), key);
    if (!find_parent(L, b, d, key))
        return;
    if (b->r->uselist)
        give_list(L, d);
    else
        give_scalar(L, b, d);
}

static void begin_reader(lua_State *L, const batch *b, reader *d) {
    *d = (reader){.last = 0};
    if (b->to_one)
        return;
    begin_parents(L, b);
    d->lists = lua_gettop(L);
    d->index = d->lists - 1;
    push_chain(L, b, d->index);
    d->chain = lua_gettop(L);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushnil(L);
    d->items = lua_gettop(L) - 1;
    d->child = d->items + 1;
}

/* Reads all rows; children go to the list at `keep` when there is one. */
static void read_rows(lua_State *L, batch *b, plua_cursor *cursor, plua_maker *k,
                      plua_eager *e, int keep) {
    reader d;
    begin_reader(L, b, &d);
    int n = pl_stmt_column_count(cursor->stmt);
    pl_slot *row = lua_newuserdatauv(L, (size_t)n * sizeof *row, 0);
    int base = lua_gettop(L);
    lua_Integer kept = 0;
    while (plua_cursor_step(L, cursor)) {
        pl_stmt_columns(cursor->stmt, 0, n, row);
        pl_object *child = plua_make(L, k, row);
        if (child && e)
            plua_eager_row(L, e, 0, row);
        if (child && keep) {
            lua_pushvalue(L, base + 1);
            lua_rawseti(L, keep, ++kept);
        }
        if (child && !b->to_one)
            give(L, b, &d, row);
        lua_settop(L, base);
    }
    if (!b->to_one)
        end_parents(L, b, d.lists);
}

/* Runs the batch; children go to the list at `keep`, or 0. */
static void load_batch(lua_State *L, batch *b, int keep) {
    int top = lua_gettop(L);
    luaL_checkstack(L, 60, "relationship");
    b->a = plua_arena(L);
    pl_arena *arena = b->a;
    pl_node *entity = need(L, pl_mapper_entity(b->a, b->target, NULL, false));
    pl_node *stmt = build(L, b, entity);
    plua_eager *e = plua_eager_extend(L, b->s, b->a, stmt, b->level);
    int params = b->q->origin ? b->q->origin->params : 0;
    plua_cursor *cursor = plua_cursor_open(L, b->s, 0, e ? e->run : stmt, params);
    plua_maker k;
    int first = b->keyfirst >= 0 ? b->nkey : 0;
    if (e)
        entity = e->roots[0].entity;
    plua_maker_begin(L, &k, b->s, entity, first);
    k.existing = b->q->existing;
    b->checked = b->r->secondary || b->q->origin;
    if (e) {
        plua_eager_begin(L, e, &k, 1, first + (int)entity->nkids);
        b->checked = b->checked || plua_eager_repeats(e);
        if (!keep) {
            lua_newtable(L);
            keep = lua_gettop(L);
        }
    }
    read_rows(L, b, cursor, &k, e, keep);
    if (e)
        plua_eager_finish(L, e, keep);
    lua_settop(L, top);
    plua_arena_done(arena);
}

static void load_batches(lua_State *L, batch *b, int keep) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, b->parents);
    lua_Integer size = b->q->origin ? n : b->nkey == 1 ? CHUNK : CHUNK_WIDE;
    for (b->from = 1; b->from <= n; b->from = b->to + 1) {
        b->to = b->from + size - 1 < n ? b->from + size - 1 : n;
        load_batch(L, b, keep);
    }
}

/* ---- many to one, by the target's key ---------------------------------------------- */

/* Pushes a list of one object per distinct foreign key that is not in the identity map,
** or with `anew` of each. */
static void push_wanted(lua_State *L, int parents, const pl_relation *r, bool anew) {
    lua_newtable(L);
    int wanted = lua_gettop(L);
    lua_newtable(L);
    lua_Integer n = (lua_Integer)lua_rawlen(L, parents), found = 0;
    for (lua_Integer i = 1; i <= n; i++) {
        pl_slot values[PL_MAX_KEY];
        lua_rawgeti(L, parents, i);
        const pl_object *o = lua_touserdata(L, -1);
        plua_identity_of(L, o, r);
        bool known = !anew && !lua_isnil(L, -1);
        for (size_t k = 0; k < r->npairs; k++)
            values[k] = o->slots[r->pairs[k].local_slot];
        plua_push_key_values(L, values, (int)r->npairs);
        if (!known && lua_rawget(L, wanted + 1) == LUA_TNIL) {
            plua_push_key_values(L, values, (int)r->npairs);
            lua_pushboolean(L, 1);
            lua_rawset(L, wanted + 1);
            lua_rawgeti(L, parents, i);
            lua_rawseti(L, wanted, ++found);
        }
        lua_settop(L, wanted + 1);
    }
    lua_settop(L, wanted);
}

/* What the identity map has is given to the parents. */
static void give_targets(lua_State *L, int parents, const pl_relation *r) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, parents);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, parents, i);
        pl_object *o = lua_touserdata(L, -1);
        plua_identity_of(L, o, r);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            lua_pushboolean(L, 0);
        }
        plua_relation_loaded(L, lua_gettop(L) - 1, o, r);
        lua_pop(L, 1);
    }
}

static void load_scalars(lua_State *L, batch *b) {
    int parents = b->parents;
    b->to_one = true;
    b->nkey = (int)b->r->npairs;
    push_wanted(L, parents, b->r, b->q->existing != 0);
    b->parents = lua_gettop(L);
    lua_newtable(L); /* keeps what was read until somebody has it */
    load_batches(L, b, b->parents + 1);
    give_targets(L, parents, b->r);
}

/* ---- any --------------------------------------------------------------------------- */

/* Whether the identity map can tell: nothing says more about the target than its key. */
static bool goes_by_key(const plua_related *q, const plua_level *v) {
    for (uint32_t i = v ? v->nown : 0; v && i < v->n; i++)
        if (v->steps[i]->op == PLUA_O_CRITERIA &&
            pl_mapper_is(q->r->target, v->steps[i]->mapper))
            return false;
    return q->r->direction == PL_MANY_TO_ONE && q->r->to_key && q->r->simple &&
           !q->origin && !(q->step && (q->step->criteria || q->step->of_type));
}

static bool is_compound(const pl_node *stmt) {
    while (plua_previous(stmt))
        stmt = plua_previous(stmt);
    return stmt->kind == PL_N_COMPOUND;
}

void plua_load_related(lua_State *L, plua_session *s, const plua_related *given,
                       int parents) {
    plua_related query = *given, *q = &query;
    int top = lua_gettop(L);
    if (q->origin && is_compound(q->origin->user))
        q->origin = NULL;
    batch b = {.s = s, .q = q, .r = q->r, .parents = lua_absindex(L, parents)};
    b.target = q->step && q->step->of_type ? q->step->of_type : q->r->target;
    plua_push_next_level(L, q->level, q->r, q->step);
    b.level = lua_gettop(L);
    if (goes_by_key(q, lua_touserdata(L, q->level))) {
        load_scalars(L, &b);
    } else {
        b.by_pk = !q->r->simple;
        b.nkey = b.by_pk ? q->r->mapper->npk : (int)q->r->npairs;
        load_batches(L, &b, 0);
    }
    lua_settop(L, top);
}

bool plua_lacks_relation(lua_State *L, int idx, pl_object *o, const pl_relation *r) {
    if (pl_object_state(o) != PL_PERSISTENT || !pl_mapper_is(o->mapper, r->mapper))
        return false;
    for (size_t i = 0; r->simple && i < r->npairs; i++)
        if (plua_base(o)[r->pairs[i].local_slot].tag == PL_UNSET)
            return false; /* deferred: the touch of this one loads it */
    plua_relation_peek(L, idx, o, r);
    bool lacks = lua_isnil(L, -1);
    plua_collection *c = lacks ? NULL : plua_test_collection(L, -1);
    if (c)
        lacks = !plua_collection_current(L, lua_gettop(L), c);
    lua_pop(L, 1);
    return lacks;
}
