/* SPDX-License-Identifier: MIT */
/*
** join.c - from foreign keys, or from an expression, to pairs of columns.
**
** Three ways lead to the pairs: the one foreign key that links the tables, the equalities
** in an explicit primaryjoin (and secondaryjoin), or the pairs of the other side turned
** round. The direction follows from the side on which the foreign key column is; where
** both tables are the same, from remote_side. Called by relation.c while a registry is
** configured; all results live in the registry's arena.
*/
#include "core/unit/join.h"

#include <string.h>

/* One equality of a join: the column that refers and the one referred to. */
typedef struct link {
    pl_column *fk, *ref;
} link;

typedef struct links {
    link *v;
    size_t n;
    bool more; /* the condition says more than these equalities */
} links;

static bool in_list(pl_column *const *list, size_t n, const pl_column *c) {
    for (size_t i = 0; i < n; i++)
        if (list[i] == c)
            return true;
    return false;
}

static bool has_table(const pl_mapper *m, const pl_table *t) {
    for (size_t i = 0; i < m->ntables; i++)
        if (m->tables[i].table == t)
            return true;
    return false;
}

bool pl_join_is_explicit(const pl_relation *r) {
    return r->args.primaryjoin || r->args.secondaryjoin || r->args.foreign_keys ||
           r->args.remote_side;
}

bool pl_join_is_inheritance(const pl_mapper *m, const pl_constraint *fk) {
    for (size_t i = 1; i < m->ntables; i++) {
        const pl_table *t = m->tables[i].table;
        if (t != fk->table || !has_table(m, fk->target) || t == fk->target)
            continue;
        for (size_t k = 0; k < fk->ncolumns; k++)
            if (fk->columns[k]->pk_position < 0)
                return false;
        return true;
    }
    return false;
}

/* ---- foreign keys that link two sides ------------------------------------------ */

typedef struct search {
    const pl_relation *r;
    pl_constraint **found;
    size_t n;
} search;

static size_t count_foreign(const pl_mapper *m) {
    size_t n = 0;
    for (size_t i = 0; i < m->ntables; i++)
        for (pl_constraint *c = m->tables[i].table->constraints; c; c = c->next)
            n += c->kind == PL_C_FOREIGN;
    return n;
}

/* The same columns referring to the same columns. */
static bool same_foreign(const pl_constraint *a, const pl_constraint *b) {
    if (a->ncolumns != b->ncolumns)
        return false;
    for (size_t i = 0; i < a->ncolumns; i++)
        if (a->columns[i] != b->columns[i] || a->targets[i] != b->targets[i])
            return false;
    return true;
}

static void add_found(search *s, pl_constraint *fk) {
    const pl_relation_args *args = &s->r->args;
    for (size_t i = 0; i < fk->ncolumns; i++)
        if (args->foreign_keys &&
            !in_list(args->foreign_keys, args->nforeign_keys, fk->columns[i]))
            return;
    for (size_t i = 0; i < s->n; i++)
        if (same_foreign(s->found[i], fk))
            return;
    s->found[s->n++] = fk;
}

/* Foreign keys of one table to another. */
static void scan(search *s, const pl_table *from, const pl_table *to) {
    for (pl_constraint *c = from->constraints; c; c = c->next)
        if (c->kind == PL_C_FOREIGN && c->targets && c->target == to &&
            !pl_join_is_inheritance(s->r->mapper, c) &&
            !pl_join_is_inheritance(s->r->target, c))
            add_found(s, c);
}

/* Between one table of the mapper and all of the target. */
static void scan_both(search *s, const pl_table *t) {
    const pl_mapper *target = s->r->target;
    for (size_t i = 0; i < target->ntables; i++) {
        scan(s, target->tables[i].table, t);
        if (target->tables[i].table != t)
            scan(s, t, target->tables[i].table);
    }
}

static bool search_make(search *s, const pl_relation *r, size_t most) {
    *s = (search){.r = r};
    s->found = pl_arena_array(r->mapper->registry->arena, most, sizeof(pl_constraint *));
    return s->found != NULL;
}

/* ---- what is wrong with them --------------------------------------------------- */

static const char *via(const pl_relation *r, pl_error *err) {
    const char *text =
        r->secondary
            ? pl_arena_fmt(&err->texts, " via secondary table '%s'", r->secondary->name)
            : "";
    return text ? text : "";
}

static pl_code none_found(const pl_relation *r, const pl_mapper *m, pl_error *err) {
    pl_code code =
        pl_fail(err, PL_ENOFOREIGNKEYS,
                "Could not determine join condition between parent/child tables on "
                "relationship %s.%s - there are no foreign keys linking these tables%s",
                r->mapper->name, r->name, via(r, err));
    const pl_table *t = m->tables[m->ntables - 1].table;
    if (r->args.foreign_keys)
        (void)pl_hint(err, "foreign_keys names columns that are no foreign key between "
                           "them: give primaryjoin as well");
    else if (t->npk > 0)
        (void)pl_hint(err,
                      "give a column of '%s' a ForeignKey \"%s.%s\", or say primaryjoin",
                      r->secondary     ? r->secondary->name
                      : m == r->mapper ? r->target->tables[0].table->name
                                       : r->mapper->tables[0].table->name,
                      t->name, t->pk[0]->name);
    return code;
}

/* "post.author_id or post.editor_id" in the error's memory. */
static const char *choices(const search *s, pl_error *err) {
    const char *text = "";
    for (size_t i = 0; i < s->n && text; i++)
        text = pl_arena_fmt(&err->texts, "%s%s%s.%s", text, i ? " or " : "",
                            s->found[i]->table->name, s->found[i]->columns[0]->name);
    return text ? text : "";
}

static pl_code ambiguous(const search *s, pl_error *err) {
    const pl_relation *r = s->r;
    pl_code code =
        pl_fail(err, PL_EAMBIGUOUS,
                "Could not determine join condition between parent/child tables on "
                "relationship %s.%s - there are multiple foreign key paths linking the "
                "tables%s. Specify the '%s' argument",
                r->mapper->name, r->name, via(r, err),
                r->secondary ? "primaryjoin' and the 'secondaryjoin" : "foreign_keys");
    const char *list = choices(s, err);
    if (r->secondary)
        return pl_hint(err, "%s both refer to '%s'", list, s->found[0]->target->name),
               code;
    return pl_hint(err, "foreign_keys takes the column of this relationship: %s", list),
           code;
}

/* ---- equalities of an expression ----------------------------------------------- */

static bool refers(const pl_column *c, const pl_column *to) {
    for (pl_constraint *fk = c->table->constraints; fk; fk = fk->next)
        for (size_t i = 0; fk->kind == PL_C_FOREIGN && fk->targets && i < fk->ncolumns;
             i++)
            if (fk->columns[i] == c && fk->targets[i] == to)
                return true;
    return false;
}

/* Which column of an equality refers to the other: 1 the first, 2 the second, 0 unknown.
 */
static int referring(const pl_relation *r, const pl_column *a, const pl_column *b) {
    const pl_relation_args *args = &r->args;
    bool first, second;
    if (r->secondary) {
        first = a->table == r->secondary;
        second = b->table == r->secondary;
    } else if (args->foreign_keys) {
        first = in_list(args->foreign_keys, args->nforeign_keys, a);
        second = in_list(args->foreign_keys, args->nforeign_keys, b);
    } else {
        first = refers(a, b);
        second = refers(b, a);
    }
    return first == second ? 0 : first ? 1 : 2;
}

static pl_column *plain_column(const pl_node *n) {
    return n->kind == PL_N_COLUMN && n->nkids == 0 ? (pl_column *)n->ref : NULL;
}

/* Whether an equality of the two columns joins the sides that the condition is about. */
static bool joins_sides(const pl_relation *r, const pl_mapper *m, const pl_column *fk,
                        const pl_column *ref) {
    if (r->secondary)
        return has_table(m, ref->table);
    return (has_table(r->mapper, fk->table) && has_table(r->target, ref->table)) ||
           (has_table(r->target, fk->table) && has_table(r->mapper, ref->table));
}

static bool add_equality(const pl_relation *r, const pl_mapper *m, const pl_node *n,
                         links *out) {
    pl_column *a = plain_column(n->kids[0]), *b = plain_column(n->kids[1]);
    int which = a && b ? referring(r, a, b) : 0;
    pl_column *fk = which == 1 ? a : b, *ref = which == 1 ? b : a;
    if (which == 0 || !joins_sides(r, m, fk, ref))
        return false;
    out->v[out->n++] = (link){fk, ref};
    return true;
}

static size_t count_terms(const pl_node *n) {
    size_t count = 1;
    for (uint32_t i = 0; n->kind == PL_N_AND && i < n->nkids; i++)
        count += count_terms(n->kids[i]);
    return count;
}

static void add_terms(const pl_relation *r, const pl_mapper *m, const pl_node *n,
                      links *out) {
    if (n->kind == PL_N_AND) {
        for (uint32_t i = 0; i < n->nkids; i++)
            add_terms(r, m, n->kids[i], out);
        return;
    }
    if (n->kind != PL_N_BINARY || n->op != PL_OP_EQ || !add_equality(r, m, n, out))
        out->more = true;
}

/* The links of an explicit condition between m (or both sides) and the rest. */
static pl_code links_of_node(const pl_relation *r, const pl_mapper *m, const pl_node *n,
                             links *out, pl_error *err) {
    out->v = pl_arena_array(r->mapper->registry->arena, count_terms(n), sizeof *out->v);
    if (!out->v)
        return pl_nomem(err);
    add_terms(r, m, n, out);
    if (out->n > 0)
        return PL_OK;
    (void)pl_fail(err, PL_EARGUMENT,
                  "Could not locate any relevant foreign key columns for the join "
                  "condition on relationship %s.%s",
                  r->mapper->name, r->name);
    return pl_hint(err, "the condition must compare columns of both sides with :eq; say "
                        "which one refers to the other by ForeignKey or foreign_keys");
}

/* ---- links of foreign keys ----------------------------------------------------- */

static pl_code links_of_foreign(const search *s, const pl_mapper *m, links *out,
                                pl_error *err) {
    if (s->n == 0)
        return none_found(s->r, m, err);
    if (s->n > 1)
        return ambiguous(s, err);
    const pl_constraint *fk = s->found[0];
    out->v = pl_arena_array(s->r->mapper->registry->arena, fk->ncolumns, sizeof *out->v);
    if (!out->v)
        return pl_nomem(err);
    for (size_t i = 0; i < fk->ncolumns; i++)
        out->v[out->n++] = (link){fk->columns[i], fk->targets[i]};
    return PL_OK;
}

static pl_code find_direct(const pl_relation *r, links *out, pl_error *err) {
    search s;
    if (!search_make(&s, r, count_foreign(r->mapper) + count_foreign(r->target)))
        return pl_nomem(err);
    for (size_t i = r->mapper->ntables; i-- > 0 && s.n == 0;)
        scan_both(&s, r->mapper->tables[i].table);
    return links_of_foreign(&s, r->mapper, out, err);
}

/* From the secondary table to one of the mappers. */
static pl_code find_secondary(const pl_relation *r, const pl_mapper *m, links *out,
                              pl_error *err) {
    search s;
    size_t most = 0;
    for (pl_constraint *c = r->secondary->constraints; c; c = c->next)
        most += c->kind == PL_C_FOREIGN;
    if (!search_make(&s, r, most))
        return pl_nomem(err);
    for (size_t i = m->ntables; i-- > 0 && s.n == 0;)
        scan(&s, r->secondary, m->tables[i].table);
    return links_of_foreign(&s, m, out, err);
}

/* ---- direction and pairs ------------------------------------------------------- */

static pl_direction direction_of(const pl_relation *r, const links *l) {
    const link *first = &l->v[0];
    bool many_to_one =
        has_table(r->mapper, first->fk->table) && has_table(r->target, first->ref->table);
    bool one_to_many =
        has_table(r->target, first->fk->table) && has_table(r->mapper, first->ref->table);
    if (!many_to_one || !one_to_many)
        return many_to_one ? PL_MANY_TO_ONE : PL_ONE_TO_MANY;
    const pl_relation_args *args = &r->args;
    for (size_t i = 0; i < l->n; i++)
        if (!in_list(args->remote_side, args->nremote_side, l->v[i].ref))
            return PL_ONE_TO_MANY;
    return PL_MANY_TO_ONE;
}

static pl_code slot_of(const pl_relation *r, const pl_mapper *m, const pl_column *c,
                       uint16_t *slot, pl_error *err) {
    *slot = pl_mapper_column_slot(m, c);
    if (*slot != PL_NO_SLOT)
        return PL_OK;
    return pl_fail(err, PL_EARGUMENT,
                   "relationship %s.%s needs column '%s.%s', which model %s does not map",
                   r->mapper->name, r->name, c->table->name, c->name, m->name);
}

/* Pairs whose local side is m; `remote` is the other mapper, NULL for a secondary. */
static pl_code make_pairs(const pl_relation *r, const links *l, bool local_is_fk,
                          const pl_mapper *m, const pl_mapper *remote, pl_pair **out,
                          pl_error *err) {
    pl_pair *pairs = pl_arena_array(r->mapper->registry->arena, l->n, sizeof *pairs);
    if (!pairs)
        return pl_nomem(err);
    for (size_t i = 0; i < l->n; i++) {
        pl_pair *p = &pairs[i];
        p->local = local_is_fk ? l->v[i].fk : l->v[i].ref;
        p->remote = local_is_fk ? l->v[i].ref : l->v[i].fk;
        p->remote_slot = PL_NO_SLOT;
        pl_code code = slot_of(r, m, p->local, &p->local_slot, err);
        if (code == PL_OK && remote)
            code = slot_of(r, remote, p->remote, &p->remote_slot, err);
        if (code != PL_OK)
            return code;
    }
    *out = pairs;
    return PL_OK;
}

/* "referred = referring" for each link, joined by AND. */
static pl_node *condition_of(pl_arena *a, const links *l) {
    pl_node *all = NULL;
    for (size_t i = 0; i < l->n; i++) {
        pl_node *ref = pl_node_column(a, l->v[i].ref, NULL);
        pl_node *fk = pl_node_column(a, l->v[i].fk, NULL);
        pl_node *equal = ref && fk ? pl_node_binary(a, PL_OP_EQ, ref, fk) : NULL;
        if (!equal || !(all = pl_node_and(a, all, equal)))
            return NULL;
    }
    return all;
}

static pl_code set_condition(const pl_relation *r, pl_node *given, const links *l,
                             pl_node **out, pl_error *err) {
    *out = given ? given : condition_of(r->mapper->registry->arena, l);
    return *out ? PL_OK : pl_nomem(err);
}

static pl_code join_direct(pl_relation *r, pl_error *err) {
    links l = {0};
    pl_code code = r->args.primaryjoin
                       ? links_of_node(r, r->mapper, r->args.primaryjoin, &l, err)
                       : find_direct(r, &l, err);
    if (code != PL_OK || l.n == 0)
        return code;
    r->direction = direction_of(r, &l);
    r->npairs = l.n;
    r->simple = !l.more;
    code = make_pairs(r, &l, r->direction == PL_MANY_TO_ONE, r->mapper, r->target,
                      &r->pairs, err);
    return code == PL_OK ? set_condition(r, r->args.primaryjoin, &l, &r->primaryjoin, err)
                         : code;
}

static pl_code join_secondary(pl_relation *r, pl_error *err) {
    links near = {0}, far = {0};
    const pl_relation_args *args = &r->args;
    pl_code code = args->primaryjoin
                       ? links_of_node(r, r->mapper, args->primaryjoin, &near, err)
                       : find_secondary(r, r->mapper, &near, err);
    if (code == PL_OK)
        code = args->secondaryjoin
                   ? links_of_node(r, r->target, args->secondaryjoin, &far, err)
                   : find_secondary(r, r->target, &far, err);
    if (code == PL_OK)
        code = make_pairs(r, &near, false, r->mapper, NULL, &r->pairs, err);
    if (code == PL_OK)
        code = make_pairs(r, &far, false, r->target, NULL, &r->far_pairs, err);
    if (code == PL_OK)
        code = set_condition(r, args->primaryjoin, &near, &r->primaryjoin, err);
    if (code == PL_OK)
        code = set_condition(r, args->secondaryjoin, &far, &r->secondaryjoin, err);
    r->direction = PL_MANY_TO_MANY;
    r->npairs = near.n;
    r->nfar_pairs = far.n;
    r->simple = !near.more && !far.more;
    return code;
}

pl_code pl_join_find(pl_relation *r, pl_error *err) {
    return r->secondary ? join_secondary(r, err) : join_direct(r, err);
}

/* ---- the other side turned round ----------------------------------------------- */

/* Pairs of the other side with local and remote exchanged (not for a secondary). */
static pl_code turn_pairs(pl_relation *r, const pl_relation *other, pl_error *err) {
    links l = {0};
    l.v = pl_arena_array(r->mapper->registry->arena, other->npairs, sizeof *l.v);
    if (!l.v)
        return pl_nomem(err);
    for (l.n = 0; l.n < other->npairs; l.n++)
        l.v[l.n] = (link){other->pairs[l.n].remote, other->pairs[l.n].local};
    r->npairs = l.n;
    return make_pairs(r, &l, true, r->mapper, r->target, &r->pairs, err);
}

static pl_code take_pairs(pl_relation *r, const pl_mapper *m, const pl_pair *from,
                          size_t n, pl_pair **to, size_t *nto, pl_error *err) {
    *to = pl_arena_array(r->mapper->registry->arena, n, sizeof **to);
    if (!*to)
        return pl_nomem(err);
    for (*nto = 0; *nto < n; (*nto)++) {
        (*to)[*nto] = from[*nto];
        pl_code code = slot_of(r, m, from[*nto].local, &(*to)[*nto].local_slot, err);
        if (code != PL_OK)
            return code;
    }
    return PL_OK;
}

pl_code pl_join_mirror(pl_relation *r, const pl_relation *other, pl_error *err) {
    r->simple = other->simple;
    r->primaryjoin = other->primaryjoin;
    r->secondary = other->secondary;
    if (other->direction != PL_MANY_TO_MANY) {
        r->direction =
            other->direction == PL_MANY_TO_ONE ? PL_ONE_TO_MANY : PL_MANY_TO_ONE;
        return turn_pairs(r, other, err);
    }
    r->direction = PL_MANY_TO_MANY;
    r->primaryjoin = other->secondaryjoin;
    r->secondaryjoin = other->primaryjoin;
    pl_code code = take_pairs(r, r->mapper, other->far_pairs, other->nfar_pairs,
                              &r->pairs, &r->npairs, err);
    return code == PL_OK ? take_pairs(r, r->target, other->pairs, other->npairs,
                                      &r->far_pairs, &r->nfar_pairs, err)
                         : code;
}

static bool has_pair(const pl_pair *pairs, size_t n, const pl_column *local,
                     const pl_column *remote) {
    for (size_t i = 0; i < n; i++)
        if (pairs[i].local == local && pairs[i].remote == remote)
            return true;
    return false;
}

static bool same_pairs(const pl_pair *a, size_t na, const pl_pair *b, size_t nb,
                       bool turned) {
    if (na != nb)
        return false;
    for (size_t i = 0; i < na; i++)
        if (!has_pair(b, nb, turned ? a[i].remote : a[i].local,
                      turned ? a[i].local : a[i].remote))
            return false;
    return true;
}

bool pl_join_is_mirror(const pl_relation *a, const pl_relation *b) {
    if (!a->simple || !b->simple)
        return false;
    if (a->direction == PL_MANY_TO_MANY)
        return b->direction == PL_MANY_TO_MANY && a->secondary == b->secondary &&
               same_pairs(a->pairs, a->npairs, b->far_pairs, b->nfar_pairs, false) &&
               same_pairs(a->far_pairs, a->nfar_pairs, b->pairs, b->npairs, false);
    return b->direction != PL_MANY_TO_MANY && a->direction != b->direction &&
           same_pairs(a->pairs, a->npairs, b->pairs, b->npairs, true);
}
