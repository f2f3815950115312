/* SPDX-License-Identifier: MIT */
/*
** level.c - see level.h. Nothing here loads: eager.c, related.c and loader.c do.
*/
#include "userdata/level.h"
#include "userdata/criteria.h"
#include "userdata/page.h"

#include <string.h>

enum { MAX_STEPS = 64, MAX_DEPTH = 32 };

/* ---- what an option is about ------------------------------------------------------- */

static bool is_loader(const plua_option *o) {
    return o->op <= PLUA_O_CONTAINS;
}

static bool is_path(const plua_option *o) {
    return o->op <= PLUA_O_DEFAULT;
}

/* A wildcard that begins a path holds everywhere, as do conditions of models. */
static bool is_global(const plua_option *o) {
    return o->op == PLUA_O_CRITERIA || (is_path(o) && !o->relation && !o->next);
}

static bool same_family(const pl_mapper *a, const pl_mapper *b) {
    return !a || pl_mapper_is(a, b) || pl_mapper_is(b, a);
}

/* ---- collecting -------------------------------------------------------------------- */

typedef struct steps {
    const plua_option *own[MAX_STEPS], *global[MAX_STEPS];
    uint32_t nown, nglobal;
} steps;

static void add_own(lua_State *L, steps *s, const plua_option *o) {
    if (s->nown == MAX_STEPS)
        plua_raise(L, PL_EARGUMENT, "a query has more than %d loader options", MAX_STEPS);
    s->own[s->nown++] = o;
}

static void add_global(lua_State *L, steps *s, const plua_option *o) {
    if (s->nglobal == MAX_STEPS)
        plua_raise(L, PL_EARGUMENT, "a query has more than %d loader options", MAX_STEPS);
    s->global[s->nglobal++] = o;
}

bool plua_option_begins_at(const plua_option *o, const pl_mapper *m,
                           const pl_node *source) {
    return is_global(o) || !o->mapper ||
           (same_family(o->mapper, m) && o->source == source);
}

static void collect(lua_State *L, steps *s, const pl_node *stmt, const pl_mapper *m,
                    const pl_node *source) {
    for (const pl_node *n = stmt; n; n = plua_previous(n)) {
        for (const plua_option *o = plua_option_of(n); o; o = o->also) {
            if (is_global(o))
                add_global(L, s, o);
            else if (plua_option_begins_at(o, m, source))
                add_own(L, s, o);
        }
    }
}

static bool is_eager(pl_lazy lazy) {
    return lazy == PL_LAZY_JOINED || lazy == PL_LAZY_SELECTIN ||
           lazy == PL_LAZY_SUBQUERY || lazy == PL_LAZY_IMMEDIATE;
}

bool plua_loads_eagerly(const pl_mapper *m) {
    for (size_t i = 0; i < m->nrelations; i++)
        if (is_eager(m->relations[i]->lazy))
            return true;
    for (size_t i = 0; i < m->nchildren; i++)
        if (plua_loads_eagerly(m->children[i]))
            return true;
    return false;
}

/* Pushes a level of what was collected, or nil. */
static plua_level *push(lua_State *L, const steps *s, pl_mapper *m, pl_node *source,
                        bool always) {
    uint32_t n = s->nown + s->nglobal;
    if (n == 0 && !always && !plua_loads_eagerly(m)) {
        lua_pushnil(L);
        return NULL;
    }
    plua_level *v = lua_newuserdatauv(L, sizeof *v + n * sizeof v->steps[0], 2);
    *v = (plua_level){.mapper = m, .source = source, .n = n, .nown = s->nown};
    for (uint32_t i = 0; i < s->nown; i++)
        v->steps[i] = s->own[i];
    for (uint32_t i = 0; i < s->nglobal; i++)
        v->steps[s->nown + i] = s->global[i];
    return v;
}

plua_level *plua_push_level(lua_State *L, const pl_node *stmt, int keep, pl_mapper *m,
                            pl_node *source) {
    steps s = {.nown = 0};
    collect(L, &s, stmt, m, source);
    plua_level *v = push(L, &s, m, source, false);
    if (v && keep) {
        lua_pushvalue(L, keep);
        lua_setiuservalue(L, -2, 1);
    }
    return v;
}

plua_level *plua_push_next_level(lua_State *L, int idx, const pl_relation *r,
                                 const plua_option *step) {
    const plua_level *up = lua_touserdata(L, idx);
    pl_mapper *m = step && step->of_type ? step->of_type : r->target;
    steps s = {.nown = 0};
    idx = lua_absindex(L, idx);
    for (uint32_t i = 0; up && i < up->n; i++) {
        const plua_option *o = up->steps[i];
        if (i >= up->nown)
            add_global(L, &s, o);
        else if (o->relation == r && o->next)
            add_own(L, &s, o->next);
    }
    plua_level *v = push(L, &s, m, NULL, false);
    if (!v)
        return NULL;
    if (up)
        lua_pushvalue(L, idx);
    else /* so that what is eager below does not lead back */
        up = push(L, &(steps){.nown = 0}, r->mapper, NULL, true);
    v->up = up;
    lua_setiuservalue(L, -2, 2);
    return v;
}

plua_level *plua_push_level_of(lua_State *L, int idx, const pl_object *o) {
    if (!(o->status & PL_OBJ_PAGED)) {
        lua_pushnil(L);
        return NULL;
    }
    plua_push_page(L, idx, o);
    lua_getiuservalue(L, -1, 2);
    lua_remove(L, -2);
    return lua_touserdata(L, -1);
}

/* ---- relationships ----------------------------------------------------------------- */

const plua_option *plua_level_step(const plua_level *v, const pl_relation *r) {
    for (uint32_t i = 0; v && i < v->n; i++) {
        const plua_option *o = v->steps[i];
        if (is_loader(o) && o->relation == r)
            return o;
    }
    for (uint32_t i = 0; v && i < v->n; i++) {
        const plua_option *o = v->steps[i];
        if (is_loader(o) && !o->relation)
            return o;
    }
    return NULL;
}

static plua_option_op declared_way(const pl_relation *r) {
    switch (r->lazy) {
    case PL_LAZY_JOINED: return PLUA_O_JOINED;
    case PL_LAZY_SELECTIN: return PLUA_O_SELECTIN;
    case PL_LAZY_SUBQUERY: return PLUA_O_SUBQUERY;
    case PL_LAZY_IMMEDIATE: return PLUA_O_IMMEDIATE;
    case PL_LAZY_RAISE: return PLUA_O_RAISE;
    case PL_LAZY_NOLOAD: return PLUA_O_NOLOAD;
    default: return PLUA_O_SELECT;
    }
}

/* Whether the relationship leads to a model that is on the way to this level, more often
** than its join_depth allows. */
static bool comes_again(const plua_level *v, const pl_relation *r) {
    int again = 0, depth = 0;
    for (; v && depth < MAX_DEPTH; v = v->up, depth++)
        again += same_family(v->mapper, r->target);
    return depth == MAX_DEPTH || (again > 0 && depth > r->args.join_depth);
}

plua_option_op plua_level_way(const plua_level *v, const pl_relation *r,
                              const plua_option **step) {
    *step = NULL;
    if (r->lazy == PL_LAZY_DYNAMIC || r->lazy == PL_LAZY_WRITE_ONLY)
        return PLUA_O_SELECT;
    *step = plua_level_step(v, r);
    bool eager =
        *step ? !(*step)->relation && (*step)->op != PLUA_O_SELECT : is_eager(r->lazy);
    if (eager && comes_again(v, r) && (!*step || (*step)->op <= PLUA_O_IMMEDIATE))
        return PLUA_O_SELECT;
    if (*step)
        return (*step)->op;
    return declared_way(r);
}

/* ---- columns ----------------------------------------------------------------------- */

static bool lists(const plua_option *o, uint16_t slot) {
    for (uint16_t i = 0; i < o->nslots; i++)
        if (o->slots[i] == slot)
            return true;
    return false;
}

static bool is_group(const pl_attr *attr, const char *group) {
    const char *own = attr->column ? attr->column->deferred_group : NULL;
    return own && group && strcmp(own, group) == 0;
}

/* What the key, the discriminator and the version tell is always needed. */
static bool is_vital(const pl_mapper *m, uint16_t slot) {
    for (int i = 0; i < m->npk; i++)
        if (m->pk[i] == slot)
            return true;
    return slot == m->polymorphic_on || slot == m->version;
}

/* The newest word about a column: 1 load, 0 do not, -1 none. */
static int column_word(const plua_level *v, const pl_mapper *m, uint16_t slot) {
    bool only = false;
    for (uint32_t i = 0; i < v->nown; i++) {
        const plua_option *o = v->steps[i];
        bool named = o->nslots == 0 || lists(o, slot);
        switch (o->op) {
        case PLUA_O_UNDEFER:
            if (named)
                return 1;
            break;
        case PLUA_O_DEFER:
            if (named)
                return 0;
            break;
        case PLUA_O_UNDEFER_GROUP:
            if (is_group(&m->attrs[slot], o->group))
                return 1;
            break;
        case PLUA_O_LOAD_ONLY: /* several of them add up */
            if (lists(o, slot))
                return 1;
            only = true;
            break;
        default: break;
        }
    }
    return only ? 0 : -1;
}

bool plua_level_picks(const plua_level *v) {
    for (uint32_t i = 0; v && i < v->nown; i++)
        if (v->steps[i]->op >= PLUA_O_DEFER && v->steps[i]->op <= PLUA_O_LOAD_ONLY)
            return true;
    return false;
}

static bool has_column(const pl_node *entity, const pl_column *c) {
    for (uint32_t i = 0; i < entity->nkids; i++)
        if (entity->kids[i]->ref == c)
            return true;
    return false;
}

static void need(lua_State *L, const void *p) {
    if (!p)
        plua_nomem(L);
}

pl_node *plua_level_entity(lua_State *L, pl_arena *a, const plua_level *v,
                           pl_node *entity) {
    if (!plua_level_picks(v) || entity->nkids == 0)
        return entity;
    pl_mapper *m = (pl_mapper *)entity->ref;
    pl_node *copy = pl_node_new(a, PL_N_ENTITY, entity->nkids + m->nslots);
    need(L, copy);
    copy->ref = m;
    uint32_t n = 0;
    for (uint32_t i = 0; i < entity->nkids; i++) {
        pl_node *kid = entity->kids[i];
        uint16_t slot = kid->kind == PL_N_COLUMN && kid->ref
                            ? pl_mapper_column_slot(m, kid->ref)
                            : PL_NO_SLOT;
        if (slot == PL_NO_SLOT || is_vital(m, slot) || column_word(v, m, slot) != 0)
            copy->kids[n++] = kid;
    }
    pl_node *source = entity->kids[0]->nkids > 0 ? entity->kids[0]->kids[0] : NULL;
    for (uint16_t i = 0; i < m->nslots; i++) {
        pl_column *c = m->attrs[i].column;
        if (!c || !m->attrs[i].deferred || column_word(v, m, i) != 1 ||
            has_column(entity, c))
            continue;
        need(L, copy->kids[n++] = pl_node_column(a, c, source));
    }
    copy->nkids = n;
    return copy;
}

bool plua_level_forbids(const plua_level *v, uint16_t slot) {
    for (uint32_t i = 0; v && i < v->nown; i++) {
        const plua_option *o = v->steps[i];
        bool named = o->nslots == 0 || lists(o, slot);
        if (o->op == PLUA_O_DEFER && named)
            return o->raiseload;
        if (o->op == PLUA_O_UNDEFER && named)
            return false;
        if (o->op == PLUA_O_LOAD_ONLY)
            return o->raiseload && !lists(o, slot);
    }
    return false;
}

/* ---- conditions -------------------------------------------------------------------- */

pl_node *plua_level_criteria(lua_State *L, pl_arena *a, const plua_level *v,
                             const pl_mapper *m, pl_node *source) {
    pl_node *all = NULL;
    for (uint32_t i = v ? v->nown : 0; v && i < v->n; i++) {
        const plua_option *o = v->steps[i];
        if (o->op != PLUA_O_CRITERIA || !pl_mapper_is(m, o->mapper))
            continue;
        all = pl_node_and(a, all, plua_option_criterion(L, a, o, m, source));
        need(L, all);
    }
    return all;
}
