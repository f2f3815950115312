/* SPDX-License-Identifier: MIT */
/*
** criteria.c - nodes for queries over mappers: FROM, columns, restrictions, joins.
**
** What a loader or a query builder needs of a mapper as expression nodes. Nodes are made
** in the caller's arena; the only ones shared are literals and sources. NULL everywhere
** means that memory ran out (pl_mapper_criterion: also that there is nothing to
*restrict).
*/
#include "core/unit/mapper.h"

#include <string.h>

/* ---- FROM ---------------------------------------------------------------------- */

/* ON of table i of a mapper: its key equals what it copies from the tables before. */
static pl_node *inheritance_on(pl_arena *a, const pl_mapper *m, size_t i) {
    const pl_mapped_table *mt = &m->tables[i];
    pl_node *all = NULL;
    for (size_t k = 0; k < mt->table->npk; k++) {
        pl_column *up = NULL;
        for (size_t j = 0; j < i && !up; j++)
            for (size_t c = 0; c < m->tables[j].ncolumns && !up; c++)
                if (m->tables[j].slots[c] == mt->from[k])
                    up = m->tables[j].table->columns[c];
        pl_node *left = up ? pl_node_column(a, up, NULL) : NULL;
        pl_node *right = pl_node_column(a, mt->table->pk[k], NULL);
        pl_node *equal = left && right ? pl_node_binary(a, PL_OP_EQ, left, right) : NULL;
        if (!equal || !(all = pl_node_and(a, all, equal)))
            return NULL;
    }
    return all;
}

/* `from` joined with table i of a mapper. */
static pl_node *join_table(pl_arena *a, pl_node *from, const pl_mapper *m, size_t i,
                           pl_join_op op) {
    pl_node *right = pl_node_table(a, m->tables[i].table);
    pl_node *on = inheritance_on(a, m, i);
    pl_node *join = pl_node_new(a, PL_N_JOIN, 3);
    if (!right || !on || !join)
        return NULL;
    join->op = (uint8_t)op;
    join->kids[0] = from;
    join->kids[1] = right;
    join->kids[2] = on;
    return join;
}

pl_node *pl_mapper_from(pl_arena *a, const pl_mapper *m) {
    pl_node *from = pl_node_table(a, m->tables[0].table);
    for (size_t i = 1; i < m->ntables && from; i++)
        from = join_table(a, from, m, i, PL_JOIN_INNER);
    return from;
}

/* Whether m or one of the first n mappers below it has the table. */
static bool in_family(const pl_mapper *m, pl_mapper *const *below, size_t n,
                      const pl_table *t) {
    for (size_t i = 0; i < m->ntables; i++)
        if (m->tables[i].table == t)
            return true;
    return n > 0 && in_family(below[0], below + 1, n - 1, t);
}

pl_node *pl_mapper_family_from(pl_arena *a, const pl_mapper *m, pl_mapper *const *below,
                               size_t n) {
    pl_node *from = pl_mapper_from(a, m);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 1; k < below[i]->ntables && from; k++)
            if (!in_family(m, below, i, below[i]->tables[k].table))
                from = join_table(a, from, below[i], k, PL_JOIN_LEFT);
    return from;
}

/* ---- columns ------------------------------------------------------------------- */

pl_node *pl_mapper_attr(pl_arena *a, const pl_mapper *m, const pl_attr *at,
                        pl_node *source) {
    if (at->column)
        return pl_node_column(a, at->column, source);
    if (!source)
        return at->expr;
    pl_node *n = at->expr;
    for (size_t i = 0; i < m->ntables && n; i++)
        n = pl_node_adapt(a, n, m->tables[i].table, NULL, source);
    return n;
}

pl_node *pl_mapper_entity(pl_arena *a, pl_mapper *m, pl_node *source, bool all) {
    uint32_t n = 0;
    for (uint16_t i = 0; i < m->nslots; i++)
        n += all || !m->attrs[i].deferred;
    pl_node *entity = pl_node_new(a, PL_N_ENTITY, n);
    if (!entity)
        return NULL;
    entity->ref = m;
    n = 0;
    for (uint16_t i = 0; i < m->nslots; i++) {
        if (!all && m->attrs[i].deferred)
            continue;
        pl_node *kid = pl_mapper_attr(a, m, &m->attrs[i], source);
        if (!kid)
            return NULL;
        entity->kids[n++] = kid;
    }
    return entity;
}

static bool has_column(const pl_node *entity, const pl_column *c) {
    for (uint32_t i = 0; i < entity->nkids; i++)
        if (entity->kids[i]->ref == c)
            return true;
    return false;
}

/* Adds the columns of a mapper that the entity does not have yet. */
static bool add_columns(pl_arena *a, pl_node *entity, const pl_mapper *m, pl_node *source,
                        bool all) {
    for (size_t i = 0; i < m->ncolumns; i++) {
        pl_column *c = m->columns[i].column;
        if ((m->attrs[m->columns[i].slot].deferred && !all) || has_column(entity, c))
            continue;
        pl_node *n = pl_node_column(a, c, source);
        if (!n)
            return false;
        entity->kids[entity->nkids++] = n;
    }
    return true;
}

pl_node *pl_mapper_family(pl_arena *a, pl_mapper *m, pl_mapper *const *below, size_t n,
                          pl_node *source, bool all) {
    const pl_node *own = pl_mapper_entity(a, m, source, all);
    size_t room = own ? own->nkids : 0;
    for (size_t i = 0; i < n; i++)
        room += below[i]->ncolumns;
    pl_node *entity = own ? pl_node_new(a, PL_N_ENTITY, (uint32_t)room) : NULL;
    if (!entity)
        return NULL;
    entity->ref = m;
    entity->nkids = own->nkids;
    memcpy(entity->kids, own->kids, own->nkids * sizeof(pl_node *));
    for (size_t i = 0; i < n; i++)
        if (!add_columns(a, entity, below[i], source, all))
            return NULL;
    return entity;
}

/* ---- single-table inheritance -------------------------------------------------- */

static uint32_t count_identities(const pl_mapper *m) {
    uint32_t n = m->polymorphic_identity.tag != PL_UNSET;
    for (size_t i = 0; i < m->nchildren; i++)
        n += count_identities(m->children[i]);
    return n;
}

static bool add_identities(pl_arena *a, const pl_mapper *m, const pl_type *type,
                           pl_node *in, uint32_t *at) {
    if (m->polymorphic_identity.tag != PL_UNSET) {
        pl_node *literal = pl_node_literal(a, type, m->polymorphic_identity);
        if (!literal)
            return false;
        in->kids[(*at)++] = literal;
    }
    for (size_t i = 0; i < m->nchildren; i++)
        if (!add_identities(a, m->children[i], type, in, at))
            return false;
    return true;
}

/* The identities of a single-table subclass. */
static pl_node *identity_in(pl_arena *a, const pl_mapper *m, pl_node *source) {
    if (!m->parent || m->polymorphic_on == PL_NO_SLOT || m->ntables != m->parent->ntables)
        return NULL;
    const pl_attr *on = &m->attrs[m->polymorphic_on];
    pl_node *in = pl_node_new(a, PL_N_IN, count_identities(m) + 1);
    if (!in)
        return NULL;
    uint32_t at = 0;
    in->kids[at++] = pl_mapper_attr(a, m, on, source);
    in->type = pl_type_plain(PL_K_BOOLEAN);
    if (!in->kids[0] || !add_identities(a, m, on->type, in, &at))
        return NULL;
    return in;
}

pl_node *pl_mapper_criterion(pl_arena *a, const pl_mapper *m, pl_node *source) {
    pl_node *all = identity_in(a, m, source);
    for (const pl_mapper *up = m; up; up = up->parent) {
        pl_node *only = (pl_node *)up->criterion;
        for (size_t i = 0; source && only && i < m->ntables; i++)
            only = pl_node_adapt(a, only, m->tables[i].table, NULL, source);
        if (only)
            all = pl_node_and(a, all, only);
    }
    return all;
}

/* ---- joins of relationships ---------------------------------------------------- */

/* A condition being turned to sources: which columns belong to the far side. */
typedef struct turn {
    pl_arena *a;
    const pl_relation *r;
    const pl_pair *pairs;
    size_t npairs;
    const pl_mapper *near; /* the mapper on the near side */
    pl_node *source, *target;
} turn;

static bool has_table(const pl_mapper *m, const pl_table *t) {
    for (size_t i = 0; i < m->ntables; i++)
        if (m->tables[i].table == t)
            return true;
    return false;
}

/*
** A column of a table that stands on one side only is that side's. Where both sides are
** the same table, the pairs tell; a column in no pair is the target's, whose rows an
** extra condition restricts.
*/
static bool is_near(const turn *t, const pl_column *c) {
    bool local = false, remote = false;
    for (size_t i = 0; i < t->npairs; i++) {
        local = local || t->pairs[i].local == c;
        remote = remote || t->pairs[i].remote == c;
    }
    if (local != remote)
        return local;
    if (!has_table(t->near, c->table))
        return false;
    return t->r->secondary || !has_table(t->r->target, c->table);
}

static pl_node *turned(const turn *t, pl_node *n) {
    if (!n)
        return NULL;
    if (n->kind == PL_N_COLUMN && n->nkids == 0 && n->ref) {
        const pl_column *c = n->ref;
        return pl_node_column(t->a, c, is_near(t, c) ? t->source : t->target);
    }
    if (n->nkids == 0)
        return n;
    pl_node *copy = pl_node_new(t->a, (pl_node_kind)n->kind, n->nkids);
    if (!copy)
        return NULL;
    memcpy(copy, n, sizeof *n);
    for (uint32_t i = 0; i < n->nkids; i++) {
        copy->kids[i] = turned(t, n->kids[i]);
        if (!copy->kids[i] && n->kids[i])
            return NULL;
    }
    return copy;
}

/* "referred = referring" for each pair. */
static pl_node *pairs_on(const turn *t, bool local_refers) {
    pl_node *all = NULL;
    for (size_t i = 0; i < t->npairs; i++) {
        pl_node *local = pl_node_column(t->a, t->pairs[i].local, t->source);
        pl_node *remote = pl_node_column(t->a, t->pairs[i].remote, t->target);
        if (!local || !remote)
            return NULL;
        pl_node *equal = pl_node_binary(t->a, PL_OP_EQ, local_refers ? remote : local,
                                        local_refers ? local : remote);
        if (!equal || !(all = pl_node_and(t->a, all, equal)))
            return NULL;
    }
    return all;
}

static pl_node *join_on(const turn *t, pl_node *join) {
    if (t->r->simple)
        return pairs_on(t, t->r->direction == PL_MANY_TO_ONE);
    return t->source || t->target ? turned(t, join) : join;
}

pl_node *pl_relation_on(pl_arena *a, const pl_relation *r, pl_node *source,
                        pl_node *target, pl_node *link, pl_node **far) {
    turn first = {
        a, r, r->pairs, r->npairs, r->mapper, source, r->secondary ? link : target};
    pl_node *on = join_on(&first, r->primaryjoin);
    if (!r->secondary)
        return on;
    turn second = {a, r, r->far_pairs, r->nfar_pairs, r->target, target, link};
    *far = join_on(&second, r->secondaryjoin);
    return *far ? on : NULL;
}
