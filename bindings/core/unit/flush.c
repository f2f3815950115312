/* SPDX-License-Identifier: MIT */
/*
** flush.c - collecting what a flush writes, and running the plan; see flush.h.
**
** An object's scratch `index` says where its item is, and counts only when the item says
** so too; so no lookup structure is needed and a number left from another flush does no
** harm. The plan is made in plan.c; each kind of batch has its own file.
*/
#include "core/unit/work.h"

#include <string.h>

pl_flush *pl_flush_new(pl_alloc alloc, pl_conn *conn, const pl_dialect *dialect,
                       const pl_flush_hooks *hooks) {
    pl_flush *f = pl_new(&alloc, sizeof *f);
    if (!f)
        return NULL;
    *f = (pl_flush){.alloc = alloc, .conn = conn, .dialect = dialect};
    if (hooks)
        f->hooks = *hooks;
    pl_arena_init(&f->arena, alloc);
    return f;
}

void pl_flush_free(pl_flush *f) {
    if (!f)
        return;
    pl_alloc alloc = f->alloc;
    pl_drop_statement(f);
    pl_free(&alloc, f->items, f->items_cap * sizeof *f->items);
    pl_free(&alloc, f->groups, f->groups_cap * sizeof *f->groups);
    pl_free(&alloc, f->ties, f->ties_cap * sizeof *f->ties);
    pl_free(&alloc, f->links, f->links_cap * sizeof *f->links);
    pl_free(&alloc, f->batches, f->batches_cap * sizeof *f->batches);
    pl_arena_free(&f->arena);
    pl_free(&alloc, f, sizeof *f);
}

void *pl_room(const pl_flush *f, void *array, size_t n, size_t *cap, size_t size) {
    enum { FIRST = 8 };
    if (n < *cap)
        return array;
    size_t more = *cap ? *cap * 2 : FIRST;
    if (more >= UINT32_MAX)
        return NULL;
    void *p = array ? pl_grow(&f->alloc, array, *cap * size, more * size)
                    : pl_new(&f->alloc, more * size);
    if (p)
        *cap = more;
    return p;
}

/* ---- objects ------------------------------------------------------------------- */

pl_item *pl_flush_item(const pl_flush *f, const pl_object *o) {
    uint32_t i = o->index - 1;
    return i < f->nitems && f->items[i].o == o ? &f->items[i] : NULL;
}

bool pl_flush_has(const pl_flush *f, const pl_object *o) {
    return pl_flush_item(f, o) != NULL;
}

static bool add_member(pl_flush *f, pl_group *g, pl_mapper *m) {
    for (pl_member *p = g->members; p; p = p->next)
        if (p->mapper == m)
            return true;
    pl_member *p = pl_arena_new(&f->arena, pl_member);
    if (!p)
        return false;
    *p = (pl_member){m, g->members};
    g->members = p;
    g->events = g->events || m->has_events;
    g->defaults = g->defaults || m->has_defaults;
    return true;
}

static pl_group *new_group(pl_flush *f, pl_mapper *root) {
    if (f->ngroups == UINT16_MAX)
        return NULL;
    pl_group *groups =
        pl_room(f, f->groups, f->ngroups, &f->groups_cap, sizeof *f->groups);
    if (!groups)
        return NULL;
    f->groups = groups;
    groups[f->ngroups] = (pl_group){.root = root};
    return &groups[f->ngroups++];
}

/* The group of a mapper's hierarchy, or NULL without memory. */
static pl_group *group_of(pl_flush *f, pl_mapper *m) {
    pl_group *g = NULL;
    if (f->nitems > 0 && f->groups[f->items[f->nitems - 1].group].root == m->root)
        g = &f->groups[f->items[f->nitems - 1].group];
    for (size_t i = 0; i < f->ngroups && !g; i++)
        if (f->groups[i].root == m->root)
            g = &f->groups[i];
    if (!g)
        g = new_group(f, m->root);
    return g && add_member(f, g, m) ? g : NULL;
}

static pl_code add_item(pl_flush *f, pl_object *o, unsigned flags, pl_error *err) {
    pl_item *items = pl_room(f, f->items, f->nitems, &f->items_cap, sizeof *f->items);
    if (!items)
        return pl_nomem(err);
    f->items = items;
    const pl_group *g = group_of(f, o->mapper);
    if (!g)
        return pl_nomem(err);
    f->items[f->nitems] =
        (pl_item){.o = o, .group = (uint16_t)(g - f->groups), .flags = (uint16_t)flags};
    o->index = (uint32_t)++f->nitems;
    f->planned = false;
    return PL_OK;
}

pl_code pl_flush_save(pl_flush *f, pl_object *o, pl_error *err) {
    if (pl_flush_item(f, o))
        return PL_OK;
    pl_state state = pl_object_state(o);
    bool insert = state == PL_PENDING || state == PL_TRANSIENT;
    return add_item(f, o, insert ? PL_ITEM_INSERT : 0, err);
}

pl_code pl_flush_delete(pl_flush *f, pl_object *o, pl_error *err) {
    pl_item *it = pl_flush_item(f, o);
    if (!it)
        return add_item(f, o, PL_ITEM_DELETE, err);
    it->flags = PL_ITEM_DELETE;
    f->planned = false;
    return PL_OK;
}

/* ---- edges and link rows ------------------------------------------------------- */

pl_code pl_flush_edge(pl_flush *f, pl_relation *r, pl_object *parent, pl_object *child,
                      pl_edge_kind kind, pl_error *err) {
    pl_tie *ties = pl_room(f, f->ties, f->nties, &f->ties_cap, sizeof *f->ties);
    if (!ties)
        return pl_nomem(err);
    f->ties = ties;
    ties[f->nties++] = (pl_tie){.r = r,
                                .parent = parent,
                                .child = child,
                                .kind = (uint8_t)kind,
                                .post = r->args.post_update};
    f->planned = false;
    return PL_OK;
}

/* The side of a many-to-many pair that comes first, so that both name the same row. */
static bool back_is_first(const pl_relation *r) {
    const pl_relation *b = r->back;
    if (!b || b->back != r)
        return false;
    if (b->mapper != r->mapper)
        return b->mapper->position < r->mapper->position;
    return b->position < r->position;
}

pl_code pl_flush_link(pl_flush *f, pl_relation *r, pl_object *a, pl_object *b,
                      bool remove, pl_error *err) {
    pl_link_row *links = pl_room(f, f->links, f->nlinks, &f->links_cap, sizeof *f->links);
    if (!links)
        return pl_nomem(err);
    f->links = links;
    bool turn = b && back_is_first(r);
    links[f->nlinks++] = (pl_link_row){
        .r = turn ? r->back : r, .a = turn ? b : a, .b = turn ? a : b, .remove = remove};
    f->planned = false;
    return PL_OK;
}

pl_code pl_flush_relink(pl_flush *f, pl_relation *r, pl_object *a, pl_error *err) {
    pl_code code = pl_flush_link(f, r, a, NULL, true, err);
    if (code == PL_OK)
        f->links[f->nlinks - 1].moves = true;
    return code;
}

/* ---- running ------------------------------------------------------------------- */

static pl_code call_after(pl_flush *f, const pl_batch *b, pl_error *err) {
    if (!f->hooks.after || !f->groups[b->group].events)
        return PL_OK;
    for (uint32_t i = b->first; i < b->first + b->count; i++) {
        pl_object *o = pl_batch_object(f, i);
        if (!o->mapper->has_events)
            continue;
        pl_code code = f->hooks.after(f->hooks.ud, (pl_flush_op)b->op, o, err);
        if (code != PL_OK)
            return code;
    }
    return PL_OK;
}

static pl_code write_objects(pl_flush *f, const pl_batch *b, pl_error *err) {
    pl_code code = b->op == PL_FLUSH_INSERT   ? pl_run_inserts(f, b, err)
                   : b->op == PL_FLUSH_UPDATE ? pl_run_updates(f, b, err)
                                              : pl_run_deletes(f, b, err);
    pl_drop_statement(f);
    return code;
}

static pl_code run_objects(pl_flush *f, const pl_batch *b, pl_error *err) {
    pl_code code = pl_prepare_batch(f, b, err);
    if (code == PL_OK)
        code = write_objects(f, b, err);
    return code == PL_OK ? call_after(f, b, err) : code;
}

/* Updates and inserts of one table are one step to listeners: they hear of all objects
** before it and of all after it, the new ones first. */
static pl_code run_pair(pl_flush *f, const pl_batch *b, pl_error *err) {
    pl_code code = pl_prepare_batch(f, b + 1, err);
    if (code == PL_OK)
        code = pl_prepare_batch(f, b, err);
    for (int i = 0; i < 2 && code == PL_OK; i++)
        code = write_objects(f, b + i, err);
    for (int i = 1; i >= 0 && code == PL_OK; i--)
        code = call_after(f, b + i, err);
    return code;
}

static bool is_pair(const pl_flush *f, size_t i) {
    const pl_batch *b = &f->batches[i];
    return i + 1 < f->nbatches && b->op == PL_FLUSH_UPDATE &&
           b[1].op == PL_FLUSH_INSERT && b->group == b[1].group &&
           f->groups[b->group].events;
}

static pl_code run_batch(pl_flush *f, const pl_batch *b, pl_error *err) {
    switch (b->op) {
    case PL_FLUSH_LINK:
    case PL_FLUSH_UNLINK: return pl_run_links(f, b, err);
    case PL_FLUSH_POST_UPDATE: return pl_run_post(f, b, err);
    default: return run_objects(f, b, err);
    }
}

/* Children outside the flush get their keys in memory only. */
static pl_code run_loose(pl_flush *f, pl_error *err) {
    pl_code code = PL_OK;
    for (uint32_t i = f->loose; i != 0 && code == PL_OK; i = f->ties[i - 1].next)
        code = pl_apply_tie(f, &f->ties[i - 1], err);
    return code;
}

pl_code pl_flush_run(pl_flush *f, pl_error *err) {
    pl_code code = f->planned ? PL_OK : pl_flush_plan(f, err);
    for (size_t i = 0; i < f->nbatches && code == PL_OK; i++)
        code = is_pair(f, i) ? run_pair(f, &f->batches[i++], err)
                             : run_batch(f, &f->batches[i], err);
    pl_drop_statement(f);
    return code == PL_OK ? run_loose(f, err) : code;
}

/* ---- the plan as text ---------------------------------------------------------- */

static const char *const op_names[] = {"INSERT", "UPDATE", "DELETE",
                                       "LINK",   "UNLINK", "POST UPDATE"};

static void print_line(pl_buf *out, const pl_batch *b, const pl_table *t, uint32_t n) {
    pl_buf_fmt(out, "%s %s (%u)\n", op_names[b->op], t->name, n);
}

/* An object that only stands in a list that changed is not written. */
static bool is_written(const pl_flush *f, const pl_batch *b, uint32_t i) {
    const pl_item *it = &f->items[f->order[i]];
    return b->op != PL_FLUSH_UPDATE || it->tie != 0 || (it->flags & PL_ITEM_SWITCH) ||
           (it->o->status & PL_OBJ_CHANGED);
}

/* One line for each run of objects that have the same table at a depth. */
static void print_depth(const pl_flush *f, const pl_batch *b, size_t depth, pl_buf *out) {
    const pl_table *last = NULL;
    uint32_t n = 0;
    for (uint32_t i = b->first; i < b->first + b->count; i++) {
        const pl_mapper *m = pl_batch_object(f, i)->mapper;
        const pl_table *t = depth < m->ntables ? m->tables[depth].table : NULL;
        if (t != last && n > 0) {
            print_line(out, b, last, n);
            n = 0;
        }
        last = t;
        n += t != NULL && is_written(f, b, i);
    }
    if (n > 0)
        print_line(out, b, last, n);
}

static size_t deepest(const pl_group *g) {
    size_t n = 0;
    for (const pl_member *p = g->members; p; p = p->next)
        if (p->mapper->ntables > n)
            n = p->mapper->ntables;
    return n;
}

static void print_objects(const pl_flush *f, const pl_batch *b, pl_buf *out) {
    size_t n = deepest(&f->groups[b->group]);
    for (size_t i = 0; i < n; i++)
        print_depth(f, b, b->op == PL_FLUSH_DELETE ? n - 1 - i : i, out);
}

void pl_flush_print(const pl_flush *f, pl_buf *out) {
    for (size_t i = 0; i < f->nbatches; i++) {
        const pl_batch *b = &f->batches[i];
        if (b->op == PL_FLUSH_LINK || b->op == PL_FLUSH_UNLINK) {
            print_line(out, b, f->links[b->first].r->secondary, b->count);
        } else if (b->op == PL_FLUSH_POST_UPDATE) {
            const pl_tie *t = &f->ties[f->post[b->first]];
            print_line(out, b, t->child->mapper->tables[0].table, b->count);
        } else {
            print_objects(f, b, out);
        }
    }
}
