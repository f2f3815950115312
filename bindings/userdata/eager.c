/* SPDX-License-Identifier: MIT */
/*
** eager.c - see eager.h: rows that bring related objects along, and what is loaded when
** all rows are there.
**
** Each joined relationship keeps the list that it is filling; the same parent usually
** comes in consecutive rows. What is loaded already (and not to be overwritten) stays.
*/
#include "userdata/eager.h"
#include "userdata/order.h"
#include "userdata/plan.h"
#include "userdata/query.h"
#include "userdata/related.h"

#include <string.h>

enum { SLOT_OBJECT, SLOT_LIST, SLOT_BEGUN, SLOT_MET, SLOTS };

/* ---- preparing --------------------------------------------------------------------- */

/* Pushes the memory of a plan. */
static plua_eager *new_eager(lua_State *L, plua_session *s, pl_arena *a,
                             const pl_node *stmt) {
    plua_eager *e = lua_newuserdatauv(L, sizeof *e, 0);
    memset(e, 0, sizeof *e);
    e->s = s;
    e->arena = a;
    e->user = stmt;
    e->lastjoin = &e->joins;
    e->run_number = (uint32_t)++plua_rt(L)->sequence;
    return e;
}

static pl_node *source_of(const pl_node *entity) {
    const pl_node *first = entity->nkids > 0 ? entity->kids[0] : NULL;
    pl_node *source = first && first->nkids > 0 ? first->kids[0] : NULL;
    return source && source->kind != PL_N_TABLE ? source : NULL;
}

static void plan(lua_State *L, plua_eager *e) {
    for (int i = 0; i < e->nroots; i++) {
        plua_root *root = &e->roots[i];
        root->entity = plua_level_entity(L, e->arena, root->level, root->entity);
        if (root->level)
            plua_plan_root(L, e, i);
    }
    plua_plan_statement(L, e);
}

static bool is_select(const pl_node *stmt) {
    for (; plua_previous(stmt); stmt = plua_previous(stmt))
        if (stmt->kind == PL_N_RETURNING)
            return false;
    return stmt->kind == PL_N_SELECT || stmt->kind == PL_N_COMPOUND;
}

/* Pushes the levels of the statement's entities; whether one of them says anything. */
static bool push_roots(lua_State *L, plua_eager *e, int idx) {
    size_t n;
    pl_node **items = plua_plan_items(L, e->arena, e->user, &n);
    bool any = false;
    e->nitems = (int)n;
    e->roots = pl_arena_array(e->arena, n, sizeof *e->roots);
    if (!e->roots)
        plua_nomem(L);
    for (size_t i = 0; i < n; i++) {
        if (items[i]->kind != PL_N_ENTITY)
            continue;
        luaL_checkstack(L, 8, "too many entities");
        plua_root *root = &e->roots[e->nroots++];
        root->entity = items[i];
        root->level = plua_push_level(L, e->user, idx, (pl_mapper *)items[i]->ref,
                                      source_of(items[i]));
        root->levelidx = lua_gettop(L);
        any = any || root->level;
    }
    return any;
}

/* Raises for an option whose path begins at none of the statement's entities. */
static void check_option(lua_State *L, const plua_eager *e, const plua_option *o) {
    for (int i = 0; i < e->nroots; i++)
        if (plua_option_begins_at(o, e->roots[i].entity->ref,
                                  source_of(e->roots[i].entity)))
            return;
    const pl_mapper *m = e->roots[0].entity->ref;
    plua_raise_hint(L, PL_EARGUMENT, "begin the path at an entity of the query",
                    "a loader option for %s.%s does not apply to any of the root "
                    "entities in this query, e.g. %s",
                    o->mapper->name,
                    o->relation     ? o->relation->name
                    : o->nslots > 0 ? o->mapper->attrs[o->slots[0]].name
                                    : "*",
                    m->name);
}

/* Raises for a path that loads along what is a query by declaration. */
static void check_lists(lua_State *L, const plua_option *o) {
    for (; o; o = o->next) {
        const pl_relation *r = o->relation;
        bool eager = o->op >= PLUA_O_JOINED && o->op <= PLUA_O_IMMEDIATE;
        if (r && (eager || o->op == PLUA_O_CONTAINS) &&
            (r->lazy == PL_LAZY_DYNAMIC || r->lazy == PL_LAZY_WRITE_ONLY))
            plua_raise(L, PL_EINVALID,
                       "%s.%s is a query of its objects: it cannot be loaded along",
                       r->mapper->name, r->name);
    }
}

static void check_options(lua_State *L, const plua_eager *e) {
    for (const pl_node *n = e->nroots > 0 ? e->user : NULL; n; n = plua_previous(n))
        for (const plua_option *o = plua_option_of(n); o; o = o->also) {
            check_option(L, e, o);
            check_lists(L, o);
        }
}

/* A quick look: most statements have no loader options and select no model that loads
** anything along. */
static bool says_anything(const pl_node *stmt) {
    uint32_t first;
    for (const pl_node *n = stmt; n; n = plua_previous(n)) {
        if (plua_option_of(n))
            return true;
        if (n->kind == PL_N_ADD_COLUMNS)
            return true;
    }
    const pl_node *items = plua_statement_items(stmt, &first);
    for (uint32_t i = first; items && i < items->nkids; i++)
        if (items->kids[i]->kind == PL_N_ENTITY &&
            plua_loads_eagerly(items->kids[i]->ref))
            return true;
    return false;
}

plua_eager *plua_eager_prepare(lua_State *L, plua_session *s, int idx) {
    const pl_node *stmt = lua_touserdata(L, idx);
    int top = lua_gettop(L);
    if (!is_select(stmt) || !says_anything(stmt))
        return NULL;
    pl_arena *a = plua_arena(L);
    plua_eager *e = new_eager(L, s, a, stmt);
    bool any = push_roots(L, e, idx);
    check_options(L, e);
    if (!any) {
        plua_arena_done(a);
        lua_settop(L, top);
        return NULL;
    }
    plan(L, e);
    return e;
}

plua_eager *plua_eager_extend(lua_State *L, plua_session *s, pl_arena *a, pl_node *stmt,
                              int level) {
    const plua_level *v = lua_touserdata(L, level);
    if (!v)
        return NULL;
    plua_eager *e = new_eager(L, s, a, stmt);
    size_t n;
    pl_node **items = plua_plan_items(L, a, stmt, &n);
    e->nitems = 1; /* the key before it is the loader's own */
    e->nroots = 1;
    e->roots = pl_arena_new(a, plua_root);
    if (!e->roots)
        plua_nomem(L);
    e->roots[0] = (plua_root){.entity = items[n - 1], .level = v, .levelidx = level};
    plan(L, e);
    return e;
}

/* ---- reading ----------------------------------------------------------------------- */

static bool is_later(plua_option_op way) {
    return way == PLUA_O_SELECTIN || way == PLUA_O_SUBQUERY || way == PLUA_O_IMMEDIATE;
}

static bool mapper_loads_later(const plua_level *v, const pl_mapper *m) {
    const plua_option *step;
    for (size_t i = 0; i < m->nrelations; i++)
        if (is_later(plua_level_way(v, m->relations[i], &step)))
            return true;
    for (size_t i = 0; i < m->nchildren; i++)
        if (mapper_loads_later(v, m->children[i]))
            return true;
    return false;
}

static bool loads_later(const plua_level *v) {
    return v && mapper_loads_later(v, v->mapper);
}

static void begin_join(lua_State *L, plua_eager *e, plua_joinload *j, int *column) {
    plua_maker_begin(L, &j->maker, e->s, j->entity, *column);
    j->maker.writer.levelidx = j->level ? j->levelidx : 0;
    j->maker.existing = e->existing;
    *column += (int)j->entity->nkids;
    j->slots = lua_gettop(L) + 1;
    lua_pushnil(L);
    lua_pushnil(L);
    lua_newtable(L);
    if (loads_later(j->level))
        lua_newtable(L);
    else
        lua_pushnil(L);
}

void plua_eager_begin(lua_State *L, plua_eager *e, plua_maker *makers, int nmakers,
                      int ncolumns) {
    for (int i = 0; i < e->nroots && i < nmakers; i++) {
        plua_root *root = &e->roots[i];
        e->existing = makers[i].existing;
        makers[i].writer.levelidx = root->level ? root->levelidx : 0;
        root->later = loads_later(root->level);
        if (root->later && e->nitems > 1) {
            lua_newtable(L);
            root->objects = lua_gettop(L);
        }
    }
    for (plua_joinload *j = e->joins; j; j = j->next) {
        luaL_checkstack(L, 20, "too many joins");
        begin_join(L, e, j, &ncolumns);
    }
}

/* Appends the object at `item` to the list at `list` unless it is there. */
static void note(lua_State *L, int list, int item) {
    lua_pushvalue(L, item);
    if (lua_rawget(L, list) == LUA_TNIL) {
        lua_pushvalue(L, item);
        lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
        lua_pushvalue(L, item);
        lua_pushboolean(L, 1);
        lua_rawset(L, list);
    }
    lua_pop(L, 1);
}

static bool is_wanted(lua_State *L, const plua_eager *e, int idx, plua_collection *c) {
    if (c->owner->session != e->s->cell)
        return false;
    return !plua_collection_current(L, idx, c);
}

/* The list of a parent that the rows fill, NULL when it has what it needs. */
static void begin_list(lua_State *L, plua_eager *e, plua_joinload *j, int parent,
                       pl_object *o) {
    plua_collection *c = plua_collection_of(L, parent, o, j->relation);
    int idx = lua_gettop(L);
    j->last = o;
    j->list = c->filling == e->run_number && !c->loaded ? c : NULL;
    if (!j->list && is_wanted(L, e, idx, c)) {
        int begun = j->slots + SLOT_BEGUN;
        plua_collection_begin_load(L, idx, c);
        c->filling = e->run_number;
        c->loaded = false;
        j->list = c;
        plua_note_relation(L, j->relation, "loaded", parent);
        lua_pushvalue(L, idx);
        lua_rawseti(L, begun, (lua_Integer)lua_rawlen(L, begun) + 1);
    }
    lua_replace(L, j->slots + SLOT_LIST);
}

static void fill_list(lua_State *L, plua_eager *e, plua_joinload *j, int parent,
                      pl_object *o) {
    int idx = j->slots + SLOT_LIST;
    if (o != j->last)
        begin_list(L, e, j, parent, o);
    if (!j->list || j->list->loaded || !j->current)
        return;
    if (!j->maker.made && plua_collection_has(L, idx, j->list, j->slots + SLOT_OBJECT))
        return; /* rows repeat what the query joins besides */
    lua_pushvalue(L, j->slots + SLOT_OBJECT);
    plua_collection_put(L, idx, j->list);
}

/* The first row of a parent tells. */
static void fill_scalar(lua_State *L, plua_joinload *j, int parent, pl_object *o) {
    if (o == j->last)
        return;
    j->last = o;
    plua_relation_peek(L, parent, o, j->relation);
    bool known = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (known)
        return;
    if (j->current)
        lua_pushvalue(L, j->slots + SLOT_OBJECT);
    else
        lua_pushboolean(L, 0);
    plua_relation_loaded(L, parent, o, j->relation);
    plua_note_relation(L, j->relation, "loaded", parent);
}

static bool has_relation(const pl_object *o, const plua_joinload *j) {
    return o && pl_object_state(o) == PL_PERSISTENT &&
           pl_mapper_is(o->mapper, j->relation->mapper);
}

static void read_join(lua_State *L, plua_eager *e, plua_joinload *j, int root,
                      const pl_slot *columns) {
    int parent = j->up ? j->up->slots + SLOT_OBJECT : root;
    pl_object *o = lua_touserdata(L, parent);
    j->current = NULL;
    if (!has_relation(o, j))
        return;
    j->current = plua_make(L, &j->maker, columns);
    lua_replace(L, j->slots + SLOT_OBJECT);
    if (j->current && lua_istable(L, j->slots + SLOT_MET))
        note(L, j->slots + SLOT_MET, j->slots + SLOT_OBJECT);
    if (j->relation->uselist)
        fill_list(L, e, j, parent, o);
    else
        fill_scalar(L, j, parent, o);
}

void plua_eager_row(lua_State *L, plua_eager *e, int root, const pl_slot *columns) {
    int object = lua_gettop(L);
    if (e->roots[root].objects && lua_isuserdata(L, object))
        note(L, e->roots[root].objects, object);
    for (plua_joinload *j = e->joins; j; j = j->next) {
        if (j->root == root && (!j->up || j->up->current))
            read_join(L, e, j, object, columns);
        else if (j->root == root)
            j->current = NULL;
    }
}

/* ---- when the rows are there ------------------------------------------------------- */

static void end_lists(lua_State *L, const plua_joinload *j) {
    int begun = j->slots + SLOT_BEGUN;
    lua_Integer n = (lua_Integer)lua_rawlen(L, begun);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, begun, i);
        plua_collection *c = lua_touserdata(L, -1);
        c->filling = 0;
        plua_collection_end_load(L, lua_gettop(L), c);
        lua_pop(L, 1);
    }
}

/* Tells of a relationship that is loaded for the objects in the list at `list`. */
static void note_list(lua_State *L, int list, const pl_relation *r) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, list);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, list, i);
        plua_note_relation(L, r, "loaded", lua_gettop(L));
        lua_pop(L, 1);
    }
    plua_note_relation(L, r, "eager", 0);
}

/* Pushes those in the list at `list` that lack a relationship. */
static void push_lacking(lua_State *L, int list, const pl_relation *r) {
    lua_newtable(L);
    int out = lua_gettop(L);
    lua_Integer n = (lua_Integer)lua_rawlen(L, list), found = 0;
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, list, i);
        pl_object *o = plua_test_instance(L, -1);
        if (o && plua_lacks_relation(L, out + 1, o, r))
            lua_rawseti(L, out, ++found);
        else
            lua_pop(L, 1);
    }
}

static bool is_root(const plua_eager *e, const plua_level *v) {
    for (int i = 0; i < e->nroots; i++)
        if (e->roots[i].level == v)
            return true;
    return false;
}

static bool loads_now(plua_option_op way, const plua_eager *with) {
    return is_later(way) || (way == PLUA_O_JOINED && !with);
}

/* Loads the relationships of m that are not those of a mapper above it. */
static void load_own(lua_State *L, plua_session *s, int list, int level,
                     const pl_mapper *m, const plua_eager *with) {
    const plua_level *v = lua_touserdata(L, level);
    for (size_t i = 0; i < m->nrelations; i++) {
        pl_relation *r = m->relations[i];
        const plua_option *step;
        plua_option_op way = plua_level_way(v, r, &step);
        int top = lua_gettop(L);
        if (m != v->mapper && r->mapper != m)
            continue;
        if (!loads_now(way, m == v->mapper ? with : NULL))
            continue;
        push_lacking(L, list, r);
        if (lua_rawlen(L, -1) > 0) {
            note_list(L, top + 1, r);
            plua_related q = {.r = r, .step = step, .level = level};
            q.existing = with ? with->existing : 0;
            if (way == PLUA_O_SUBQUERY && with && !with->batched && is_root(with, v))
                q.origin = with;
            plua_load_related(L, s, &q, top + 1);
        }
        lua_settop(L, top);
    }
    for (size_t i = 0; i < m->nchildren; i++)
        load_own(L, s, list, level, m->children[i], with);
}

void plua_load_eagerly(lua_State *L, plua_session *s, int list, int level,
                       const plua_eager *with) {
    const plua_level *v = lua_touserdata(L, level);
    if (v && lua_rawlen(L, list) > 0)
        load_own(L, s, list, level, v->mapper, with);
}

static void forget(lua_State *L, int list) {
    lua_newtable(L);
    lua_replace(L, list);
}

void plua_eager_again(lua_State *L, plua_eager *e) {
    for (int i = 0; i < e->nroots; i++)
        if (e->roots[i].objects)
            forget(L, e->roots[i].objects);
    for (plua_joinload *j = e->joins; j; j = j->next) {
        j->last = NULL; /* another object may come to stand where it stood */
        if (lua_istable(L, j->slots + SLOT_MET))
            forget(L, j->slots + SLOT_MET);
    }
}

/* Whether the join brought anything. */
static bool has_met(lua_State *L, const plua_joinload *j) {
    return j->relation->uselist ? lua_rawlen(L, j->slots + SLOT_BEGUN) > 0
                                : lua_isuserdata(L, j->slots + SLOT_OBJECT);
}

void plua_eager_finish(lua_State *L, plua_eager *e, int idx) {
    for (const plua_joinload *j = e->joins; j; j = j->next) {
        if (has_met(L, j))
            plua_note_relation(L, j->relation, "eager", 0);
        if (j->relation->uselist)
            end_lists(L, j);
    }
    for (int i = 0; i < e->nroots; i++) {
        const plua_root *root = &e->roots[i];
        if (root->later)
            plua_load_eagerly(L, e->s, root->objects ? root->objects : idx,
                              root->levelidx, e);
    }
    for (const plua_joinload *j = e->joins; j; j = j->next)
        if (lua_istable(L, j->slots + SLOT_MET))
            plua_load_eagerly(L, e->s, j->slots + SLOT_MET, j->levelidx, e);
}
