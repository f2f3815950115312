/* SPDX-License-Identifier: MIT */
/*
** plan.c - the order in which a flush writes.
**
** Groups (mapper hierarchies) are ordered by the foreign keys between their tables and by
** the ties between their objects. Inside a group updates come first, by key, then inserts
** in order of addition; deletes come after everything else, groups in reverse. Only where
** groups form a cycle, or objects of one group are tied to each other, are objects put
** into levels, and each level is written as if it were a flush of its own. Every array
** here is in the flush's arena; the cost is linear but for the sorting by key, which a
** sequence in order (the usual case) does not need.
*/
#include "core/unit/topo.h"
#include "core/unit/work.h"

#include <string.h>

/* ---- sorting ------------------------------------------------------------------- */

static bool is_sorted(const uint32_t *v, size_t n, pl_order_fn order, const void *ud) {
    for (size_t i = 1; i < n; i++)
        if (order(ud, v[i - 1], v[i]) > 0)
            return false;
    return true;
}

static void merge(const uint32_t *a, size_t na, const uint32_t *b, size_t nb,
                  uint32_t *out, pl_order_fn order, const void *ud) {
    while (na > 0 && nb > 0) {
        bool first = order(ud, *a, *b) <= 0;
        *out++ = first ? *a++ : *b++;
        na -= first;
        nb -= !first;
    }
    memcpy(out, na > 0 ? a : b, (na + nb) * sizeof *out);
}

bool pl_sort(pl_arena *scratch, uint32_t *v, size_t n, pl_order_fn order,
             const void *ud) {
    if (is_sorted(v, n, order, ud))
        return true;
    uint32_t *copy = pl_arena_array(scratch, n, sizeof *copy);
    if (!copy)
        return false;
    uint32_t *from = v, *to = copy;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t i = 0; i < n; i += 2 * width) {
            size_t na = n - i < width ? n - i : width;
            size_t nb = n - i - na < width ? n - i - na : width;
            merge(from + i, na, from + i + na, nb, to + i, order, ud);
        }
        uint32_t *t = from;
        from = to;
        to = t;
    }
    if (from != v)
        memcpy(v, from, n * sizeof *v);
    return true;
}

/* ---- keys ---------------------------------------------------------------------- */

void pl_row_key(const pl_flush *f, const pl_object *o, const uint16_t *slots, size_t n,
                pl_slot *out) {
    for (size_t i = 0; i < n; i++) {
        out[i] = o->slots[slots[i]];
        if (((out[i].flags & PL_SLOT_CHANGED) || out[i].tag == PL_UNSET) &&
            f->hooks.committed)
            (void)f->hooks.committed(f->hooks.ud, o, slots[i], &out[i]);
    }
}

static int compare_bytes(const pl_slot *a, const pl_slot *b) {
    uint32_t n = a->len < b->len ? a->len : b->len;
    int c = n > 0 ? memcmp(a->v.s, b->v.s, n) : 0;
    return c != 0 ? c : (a->len > b->len) - (a->len < b->len);
}

static int compare_slots(const pl_slot *a, const pl_slot *b) {
    if (a->tag != b->tag)
        return a->tag < b->tag ? -1 : 1;
    switch (a->tag) {
    case PL_INT: return (a->v.i > b->v.i) - (a->v.i < b->v.i);
    case PL_REAL: return (a->v.r > b->v.r) - (a->v.r < b->v.r);
    case PL_TEXT:
    case PL_BLOB: return compare_bytes(a, b);
    default: return 0;
    }
}

int pl_key_compare(const pl_flush *f, const pl_object *a, const pl_object *b) {
    const pl_mapper *m = a->mapper, *n = b->mapper;
    for (uint16_t i = 0; i < m->npk; i++) {
        pl_slot ka, kb;
        pl_row_key(f, a, &m->pk[i], 1, &ka);
        pl_row_key(f, b, &n->pk[i], 1, &kb);
        int c = compare_slots(&ka, &kb);
        if (c != 0)
            return c;
    }
    return 0;
}

/* ---- ties ---------------------------------------------------------------------- */

/* Whether some column that the parent gives the child has no value yet. */
static bool lacks_key(const pl_tie *t) {
    const pl_relation *r = t->r;
    for (size_t i = 0; i < r->npairs; i++) {
        uint16_t slot = r->direction == PL_MANY_TO_ONE ? r->pairs[i].remote_slot
                                                       : r->pairs[i].local_slot;
        if (t->parent->slots[slot].tag <= PL_NULL)
            return true;
    }
    return false;
}

/*
** Chains each tie to its child's item (kept in order by going backwards). An object that
** refers to itself by a key that its INSERT will make is written twice.
*/
static bool chain_ties(pl_flush *f) {
    f->loose = 0;
    f->npost = 0;
    f->post = pl_arena_array(&f->arena, f->nties, sizeof *f->post);
    if (!f->post)
        return false;
    for (size_t i = 0; i < f->nitems; i++)
        f->items[i].tie = 0;
    for (size_t i = f->nties; i-- > 0;) {
        pl_tie *t = &f->ties[i];
        pl_item *it = pl_flush_item(f, t->child);
        if (t->parent == t->child && t->kind == PL_EDGE_SYNC && lacks_key(t))
            t->post = true;
        if (t->kind == PL_EDGE_ORDER || t->post)
            continue;
        t->next = it ? it->tie : f->loose;
        *(it ? &it->tie : &f->loose) = (uint32_t)i + 1;
    }
    return true;
}

/* Whether a tie orders its two objects: both are saved, or both deleted. */
static bool orders(const pl_flush *f, const pl_tie *t, const pl_item **parent,
                   const pl_item **child) {
    if (t->post || t->kind == PL_EDGE_CLEAR)
        return false;
    *parent = pl_flush_item(f, t->parent);
    *child = pl_flush_item(f, t->child);
    return *parent && *child && *parent != *child &&
           !(((*parent)->flags ^ (*child)->flags) & PL_ITEM_DELETE);
}

/* ---- row switches -------------------------------------------------------------- */

static bool append_key(pl_buf *key, const pl_object *o) {
    const pl_mapper *m = o->mapper;
    pl_buf_clear(key);
    pl_buf_put(key, &m->root, sizeof(pl_mapper *));
    for (uint16_t i = 0; i < m->npk; i++) {
        const pl_slot *s = &o->slots[m->pk[i]];
        if (s->tag <= PL_NULL || s->tag == PL_EXPR)
            return false;
        pl_buf_put(key, &s->tag, 1);
        pl_buf_put(key, &s->len, sizeof s->len);
        if (s->tag == PL_TEXT || s->tag == PL_BLOB)
            pl_buf_put(key, s->v.s, s->len);
        else
            pl_buf_put(key, &s->v.i, sizeof s->v.i);
    }
    return true;
}

/* Deleted objects by key, of groups that also have inserts. */
static bool map_deleted(pl_flush *f, pl_map *map, pl_buf *key) {
    for (size_t i = 0; i < f->nitems; i++) {
        pl_item *it = &f->items[i];
        if (!(it->flags & PL_ITEM_DELETE) || f->groups[it->group].counts[1] == 0 ||
            !append_key(key, it->o))
            continue;
        if (!pl_buf_ok(key) || !pl_map_set(map, key->p, key->len, it))
            return false;
    }
    return true;
}

static bool switch_row(pl_flush *f, pl_item *it, pl_item *old) {
    pl_switch *s = pl_arena_new(&f->arena, pl_switch);
    if (!s)
        return false;
    *s = (pl_switch){(uint32_t)(it - f->items), old->o, f->switches};
    f->switches = s;
    it->flags = PL_ITEM_SWITCH;
    old->flags |= PL_ITEM_DROPPED;
    return true;
}

static bool match_pending(pl_flush *f, pl_map *map, pl_buf *key) {
    for (size_t i = 0; i < f->nitems; i++) {
        pl_item *it = &f->items[i];
        if (!(it->flags & PL_ITEM_INSERT) || f->groups[it->group].counts[2] == 0 ||
            !append_key(key, it->o))
            continue;
        if (!pl_buf_ok(key))
            return false;
        pl_item *old = pl_map_del(map, key->p, key->len);
        if (old && old->o->mapper == it->o->mapper && !switch_row(f, it, old))
            return false;
    }
    return true;
}

/* A pending object with the key of a deleted one becomes an UPDATE of its row. */
static bool find_switches(pl_flush *f) {
    bool any = false;
    for (size_t i = 0; i < f->ngroups; i++)
        any = any || (f->groups[i].counts[1] > 0 && f->groups[i].counts[2] > 0);
    if (!any)
        return true;
    pl_map map;
    pl_buf key;
    pl_map_init(&map, f->alloc);
    pl_buf_init(&key, f->alloc);
    bool ok = map_deleted(f, &map, &key) && match_pending(f, &map, &key);
    pl_buf_free(&key);
    pl_map_free(&map);
    return ok;
}

static unsigned kind_of(const pl_item *it) {
    return it->flags & PL_ITEM_DELETE ? 2 : it->flags & PL_ITEM_INSERT ? 1 : 0;
}

static void count_items(pl_flush *f) {
    for (size_t i = 0; i < f->ngroups; i++)
        memset(f->groups[i].counts, 0, sizeof f->groups[i].counts);
    for (size_t i = 0; i < f->nitems; i++)
        if (!(f->items[i].flags & PL_ITEM_DROPPED))
            f->groups[f->items[i].group].counts[kind_of(&f->items[i])]++;
}

/* ---- order of groups ----------------------------------------------------------- */

/* A foreign key that a post_update relationship writes does not order. */
static bool is_post(const pl_mapper *m, const pl_constraint *fk) {
    for (size_t i = 0; i < m->nrelations; i++) {
        const pl_relation *r = m->relations[i];
        if (r->args.post_update && r->direction == PL_MANY_TO_ONE && r->npairs > 0 &&
            r->pairs[0].local == fk->columns[0])
            return true;
    }
    return false;
}

static bool owns_table(const pl_group *g, const pl_table *t) {
    for (const pl_member *p = g->members; p; p = p->next)
        for (size_t i = 0; i < p->mapper->ntables; i++)
            if (p->mapper->tables[i].table == t)
                return true;
    return false;
}

static void mark_foreign(pl_flush *f, uint32_t g, const pl_mapper *m, const pl_table *t,
                         bool *after) {
    for (const pl_constraint *c = t->constraints; c; c = c->next) {
        if (c->kind != PL_C_FOREIGN || !c->targets || c->use_alter || is_post(m, c))
            continue;
        for (uint32_t h = 0; h < f->ngroups; h++)
            if (h != g && owns_table(&f->groups[h], c->target))
                after[h * f->ngroups + g] = true;
    }
}

/* after[h * ngroups + g]: group g is written after group h. */
static void mark_groups(pl_flush *f, bool *after) {
    for (uint32_t g = 0; g < f->ngroups; g++)
        for (const pl_member *p = f->groups[g].members; p; p = p->next)
            for (size_t i = 0; i < p->mapper->ntables; i++)
                mark_foreign(f, g, p->mapper, p->mapper->tables[i].table, after);
    for (size_t i = 0; i < f->nties; i++) {
        const pl_item *parent, *child;
        if (orders(f, &f->ties[i], &parent, &child))
            after[parent->group * f->ngroups + child->group] = true;
    }
}

/* Groups in the order in which their mappers were declared. */
static int by_declaration(const void *ud, uint32_t a, uint32_t b) {
    const pl_group *groups = ud;
    return groups[a].root->position - groups[b].root->position;
}

/* Fills rank, component and ncomponent of the groups; ranked[] is their order. */
static bool rank_groups(pl_flush *f, uint32_t *ranked) {
    uint32_t n = (uint32_t)f->ngroups;
    bool *after = pl_arena_array(&f->arena, (size_t)n * n, sizeof *after);
    uint32_t *declared = pl_arena_array(&f->arena, n, sizeof *declared);
    uint32_t *place = pl_arena_array(&f->arena, n, sizeof *place);
    uint32_t *component = pl_arena_array(&f->arena, n, sizeof *component);
    pl_edge *edges = pl_arena_array(&f->arena, (size_t)n * n, sizeof *edges);
    if (!after || !declared || !place || !component || !edges)
        return false;
    for (uint32_t i = 0; i < n; i++)
        declared[i] = i;
    if (!pl_sort(&f->arena, declared, n, by_declaration, f->groups))
        return false;
    for (uint32_t i = 0; i < n; i++)
        place[declared[i]] = i;
    mark_groups(f, after);
    size_t nedges = 0;
    for (uint32_t h = 0; h < n; h++)
        for (uint32_t g = 0; g < n; g++)
            if (g != h && after[h * n + g])
                edges[nedges++] = (pl_edge){place[h], place[g]};
    if (pl_topo_sort(&f->arena, n, edges, nedges, ranked, component) == SIZE_MAX)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        pl_group *g = &f->groups[declared[ranked[i]]];
        g->rank = i;
        g->component = component[ranked[i]];
        ranked[i] = declared[ranked[i]];
    }
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < n; k++)
            f->groups[i].ncomponent += f->groups[i].component == f->groups[k].component;
    return true;
}

static bool order_groups(pl_flush *f, uint32_t *ranked) {
    for (size_t i = 0; i < f->ngroups; i++)
        f->groups[i].ncomponent = 0;
    if (f->ngroups > 1)
        return rank_groups(f, ranked);
    if (f->ngroups == 1) {
        f->groups[0].rank = f->groups[0].component = ranked[0] = 0;
        f->groups[0].ncomponent = 1;
    }
    return true;
}

/* ---- levels of objects --------------------------------------------------------- */

static const char *object_text(const pl_object *o, pl_error *err) {
    const pl_slot *key = &o->slots[o->mapper->pk[0]];
    const char *text = NULL;
    if (key->tag == PL_INT)
        text =
            pl_arena_fmt(&err->texts, "<%s %lld>", o->mapper->name, (long long)key->v.i);
    else if (key->tag == PL_TEXT)
        text = pl_arena_fmt(&err->texts, "<%s %.*s>", o->mapper->name, (int)key->len,
                            key->v.s);
    else
        text = pl_arena_fmt(&err->texts, "<%s (pending)>", o->mapper->name);
    return text ? text : "?";
}

/* Follows the ties between items without a level until one comes up again. */
static pl_code fail_cycle(pl_flush *f, const uint32_t *level, pl_error *err) {
    enum { NAMED = 8 };
    const char *text = NULL;
    const pl_object *at = NULL;
    for (size_t i = 0; i < f->nties; i++) {
        const pl_item *parent, *child;
        if (!orders(f, &f->ties[i], &parent, &child) ||
            level[parent - f->items] != PL_NONE || level[child - f->items] != PL_NONE)
            continue;
        const pl_relation *r = f->ties[i].r;
        if (!at)
            at = child->o;
        text = pl_arena_fmt(&err->texts, "%s%s%s needs %s (%s.%s)", text ? text : "",
                            text ? ", " : "", object_text(child->o, err),
                            object_text(parent->o, err), r->mapper->name, r->name);
        if (!text || strlen(text) > NAMED * 100)
            break;
    }
    (void)pl_fail(err, PL_ECIRCULAR, "Circular dependency detected: %s",
                  text ? text : "objects need each other");
    err->object = at;
    return pl_hint(err, "post_update = true on one of these relationships writes its "
                        "foreign key by a second UPDATE");
}

/* Collects the ties that order objects of one component; saves forwards, deletes back. */
static size_t level_edges(pl_flush *f, pl_edge *edges) {
    size_t n = 0;
    for (size_t i = 0; i < f->nties; i++) {
        const pl_item *parent, *child;
        if (!orders(f, &f->ties[i], &parent, &child) ||
            f->groups[parent->group].component != f->groups[child->group].component)
            continue;
        uint32_t p = (uint32_t)(parent - f->items), c = (uint32_t)(child - f->items);
        bool deleted = (parent->flags & PL_ITEM_DELETE) != 0;
        edges[n++] = deleted ? (pl_edge){c, p} : (pl_edge){p, c};
        f->groups[parent->group].levelled = f->groups[child->group].levelled = true;
    }
    return n;
}

/* *level: NULL when nothing needs levels. */
static pl_code find_levels(pl_flush *f, uint32_t **level, pl_error *err) {
    *level = NULL;
    for (size_t i = 0; i < f->ngroups; i++)
        f->groups[i].levelled = false;
    if (f->nties == 0)
        return PL_OK;
    pl_edge *edges = pl_arena_array(&f->arena, f->nties, sizeof *edges);
    if (!edges)
        return pl_nomem(err);
    size_t n = level_edges(f, edges);
    if (n == 0)
        return PL_OK;
    uint32_t *v = pl_arena_array(&f->arena, f->nitems, sizeof *v);
    if (!v || pl_topo_levels(&f->arena, (uint32_t)f->nitems, edges, n, v) == SIZE_MAX)
        return pl_nomem(err);
    for (size_t i = 0; i < f->nitems; i++)
        if (v[i] == PL_NONE)
            return fail_cycle(f, v, err);
    for (size_t i = 0; i < f->ngroups; i++)
        for (size_t k = 0; k < f->ngroups; k++)
            if (f->groups[k].levelled && f->groups[i].component == f->groups[k].component)
                f->groups[i].levelled = true;
    *level = v;
    return PL_OK;
}

/* ---- batches ------------------------------------------------------------------- */

pl_code pl_add_batch(pl_flush *f, pl_flush_op op, uint32_t group, uint32_t first,
                     uint32_t count, pl_error *err) {
    if (count == 0)
        return PL_OK;
    pl_batch *batches =
        pl_room(f, f->batches, f->nbatches, &f->batches_cap, sizeof *batches);
    if (!batches)
        return pl_nomem(err);
    f->batches = batches;
    batches[f->nbatches++] = (pl_batch){(uint8_t)op, (uint16_t)group, first, count};
    return PL_OK;
}

/* What a sort of items is by. */
typedef struct ordering {
    const pl_flush *f;
    const uint32_t *level;
} ordering;

static int by_key(const void *ud, uint32_t a, uint32_t b) {
    const ordering *o = ud;
    return pl_key_compare(o->f, o->f->items[a].o, o->f->items[b].o);
}

static int by_level(const void *ud, uint32_t a, uint32_t b) {
    const ordering *o = ud;
    const pl_item *ia = &o->f->items[a], *ib = &o->f->items[b];
    if (o->level[a] != o->level[b])
        return o->level[a] < o->level[b] ? -1 : 1;
    if (ia->group != ib->group) {
        bool back = (ia->flags & PL_ITEM_DELETE) != 0;
        bool less = o->f->groups[ia->group].rank < o->f->groups[ib->group].rank;
        return less != back ? -1 : 1;
    }
    unsigned ka = kind_of(ia), kb = kind_of(ib);
    if (ka != kb)
        return ka < kb ? -1 : 1;
    return ka == 1 ? 0 : by_key(ud, a, b);
}

static const pl_flush_op kind_ops[] = {PL_FLUSH_UPDATE, PL_FLUSH_INSERT, PL_FLUSH_DELETE};

/* A slice of order[] in levels becomes a batch for each change of level, group or kind.
 */
static pl_code batch_levels(pl_flush *f, const uint32_t *level, uint32_t first,
                            uint32_t end, pl_error *err) {
    ordering by = {f, level};
    if (!pl_sort(&f->arena, f->order + first, end - first, by_level, &by))
        return pl_nomem(err);
    for (uint32_t i = first; i < end;) {
        const pl_item *it = &f->items[f->order[i]];
        uint32_t k = i + 1;
        while (k < end && level[f->order[k]] == level[f->order[i]] &&
               f->items[f->order[k]].group == it->group &&
               kind_of(&f->items[f->order[k]]) == kind_of(it))
            k++;
        pl_code code = pl_add_batch(f, kind_ops[kind_of(it)], it->group, i, k - i, err);
        if (code != PL_OK)
            return code;
        i = k;
    }
    return PL_OK;
}

static pl_code batch_kind(pl_flush *f, unsigned kind, uint32_t group, uint32_t first,
                          uint32_t end, pl_error *err) {
    ordering by = {f, NULL};
    if (kind != 1 && !pl_sort(&f->arena, f->order + first, end - first, by_key, &by))
        return pl_nomem(err);
    return pl_add_batch(f, kind_ops[kind], group, first, end - first, err);
}

/*
** Where the items of each group and kind begin in order[]: saves by rank of the group,
** updates before inserts, then deletes by descending rank. starts[rank * 3 + kind].
*/
static uint32_t *make_starts(pl_flush *f, const uint32_t *ranked) {
    uint32_t n = (uint32_t)f->ngroups, at = 0;
    uint32_t *starts = pl_arena_array(&f->arena, (size_t)n * 3 + 1, sizeof *starts);
    if (!starts)
        return NULL;
    for (uint32_t i = 0; i < n; i++)
        for (unsigned k = 0; k < 2; k++) {
            starts[i * 3 + k] = at;
            at += f->groups[ranked[i]].counts[k];
        }
    for (uint32_t i = n; i-- > 0;) {
        starts[i * 3 + 2] = at;
        at += f->groups[ranked[i]].counts[2];
    }
    return starts;
}

/* Fills order[]; each start moves to the end of its slice. */
static uint32_t *fill_order(pl_flush *f, const uint32_t *ranked) {
    uint32_t *ends = make_starts(f, ranked);
    f->order = pl_arena_array(&f->arena, f->nitems, sizeof *f->order);
    if (!ends || !f->order)
        return NULL;
    for (size_t i = 0; i < f->nitems; i++) {
        const pl_item *it = &f->items[i];
        if (!(it->flags & PL_ITEM_DROPPED))
            f->order[ends[f->groups[it->group].rank * 3 + kind_of(it)]++] = (uint32_t)i;
    }
    return ends;
}

/* The groups of a component stand next to each other: how many from rank i on. */
static uint32_t component_length(const pl_flush *f, const uint32_t *ranked, uint32_t i) {
    return f->groups[ranked[i]].ncomponent;
}

static pl_code batch_saves(pl_flush *f, const uint32_t *ranked, const uint32_t *ends,
                           const uint32_t *level, pl_error *err) {
    uint32_t first = 0;
    pl_code code = PL_OK;
    for (uint32_t i = 0; i < f->ngroups && code == PL_OK;) {
        const pl_group *g = &f->groups[ranked[i]];
        if (level && g->levelled) {
            i += component_length(f, ranked, i);
            code = batch_levels(f, level, first, ends[(i - 1) * 3 + 1], err);
        } else {
            code = batch_kind(f, 0, ranked[i], first, ends[i * 3], err);
            if (code == PL_OK)
                code = batch_kind(f, 1, ranked[i], ends[i * 3], ends[i * 3 + 1], err);
            i++;
        }
        first = ends[(i - 1) * 3 + 1];
    }
    return code;
}

static pl_code batch_deletes(pl_flush *f, const uint32_t *ranked, const uint32_t *ends,
                             const uint32_t *level, pl_error *err) {
    uint32_t n = (uint32_t)f->ngroups;
    uint32_t first = n > 0 ? ends[(n - 1) * 3 + 1] : 0;
    pl_code code = PL_OK;
    for (uint32_t i = n; i > 0 && code == PL_OK;) {
        const pl_group *g = &f->groups[ranked[i - 1]];
        if (level && g->levelled) {
            i -= component_length(f, ranked, i - 1);
            code = batch_levels(f, level, first, ends[i * 3 + 2], err);
        } else {
            i--;
            code = batch_kind(f, 2, ranked[i], first, ends[i * 3 + 2], err);
        }
        first = ends[i * 3 + 2];
    }
    return code;
}

/* A row that is deleted lets go of another one that is, too, before both go. */
static bool is_second_update(const pl_flush *f, const pl_tie *t) {
    const pl_item *it = pl_flush_item(f, t->child);
    return it && t->kind != PL_EDGE_ORDER &&
           (!(it->flags & PL_ITEM_DELETE) || t->kind == PL_EDGE_CLEAR);
}

/* A batch for each run of post-updates of one mapper, in order of addition. */
static pl_code batch_post(pl_flush *f, pl_error *err) {
    for (uint32_t i = 0; i < f->nties; i++)
        if (f->ties[i].post && is_second_update(f, &f->ties[i]))
            f->post[f->npost++] = i;
    for (uint32_t i = 0; i < f->npost;) {
        const pl_item *it = pl_flush_item(f, f->ties[f->post[i]].child);
        uint32_t k = i + 1;
        while (k < f->npost &&
               f->ties[f->post[k]].child->mapper == f->ties[f->post[i]].child->mapper)
            k++;
        pl_code code = pl_add_batch(f, PL_FLUSH_POST_UPDATE, it->group, i, k - i, err);
        if (code != PL_OK)
            return code;
        i = k;
    }
    return PL_OK;
}

static pl_code make_batches(pl_flush *f, const uint32_t *ranked, const uint32_t *level,
                            pl_error *err) {
    const uint32_t *ends = fill_order(f, ranked);
    if (!ends)
        return pl_nomem(err);
    pl_code code = batch_saves(f, ranked, ends, level, err);
    if (code == PL_OK)
        code = pl_plan_links(f, err);
    if (code == PL_OK)
        code = batch_post(f, err);
    return code == PL_OK ? batch_deletes(f, ranked, ends, level, err) : code;
}

pl_code pl_flush_plan(pl_flush *f, pl_error *err) {
    uint32_t *ranked = pl_arena_array(&f->arena, f->ngroups, sizeof *ranked);
    uint32_t *level;
    f->nbatches = 0;
    count_items(f);
    if (!ranked || !chain_ties(f) || !find_switches(f))
        return pl_nomem(err);
    if (f->switches)
        count_items(f);
    if (!order_groups(f, ranked))
        return pl_nomem(err);
    pl_code code = find_levels(f, &level, err);
    if (code == PL_OK)
        code = make_batches(f, ranked, level, err);
    f->planned = code == PL_OK;
    return code;
}
