/* SPDX-License-Identifier: MIT */
/*
** relation.c - configuring a registry: foreign keys, targets, cascades, back references.
**
** pl_registry_configure goes over all that was declared since the last time: foreign keys
** of the mapped tables are resolved, each relationship gets its target and its join
** (join.c), then the settings that depend on the direction, and at last relationships
** that are two sides of one join are introduced to each other. A failure leaves the
** registry dirty, so that the next use reports it again until the declaration is
** mended.
*/
#include "core/unit/join.h"

#include <string.h>

#include "core/base/utf8.h"

/* ---- cascades ------------------------------------------------------------------ */

static const struct {
    const char *word;
    unsigned bits;
} cascade_words[] = {
    {"save-update", PL_CASCADE_SAVE}, {"merge", PL_CASCADE_MERGE},
    {"delete", PL_CASCADE_DELETE},    {"delete-orphan", PL_CASCADE_ORPHAN},
    {"expunge", PL_CASCADE_EXPUNGE},  {"refresh-expire", PL_CASCADE_REFRESH},
    {"all", PL_CASCADE_ALL},          {"none", 0},
};

enum { CASCADE_WORDS = sizeof cascade_words / sizeof *cascade_words };

static pl_code bad_cascade(const char *word, size_t len, pl_error *err) {
    (void)pl_fail(err, PL_EARGUMENT, "Invalid cascade option(s): '%.*s'", (int)len, word);
    return pl_hint(err, "the words are save-update, merge, delete, delete-orphan, "
                        "expunge, refresh-expire, all and none");
}

static pl_code add_cascade(const char *word, size_t len, unsigned *bits, pl_error *err) {
    for (int i = 0; i < CASCADE_WORDS; i++)
        if (strlen(cascade_words[i].word) == len &&
            memcmp(cascade_words[i].word, word, len) == 0) {
            *bits |= cascade_words[i].bits;
            return PL_OK;
        }
    return bad_cascade(word, len, err);
}

pl_code pl_cascade_parse(const char *text, unsigned *out, pl_error *err) {
    unsigned bits = 0;
    for (const char *p = text; *p;) {
        p += strspn(p, ", \t\n");
        size_t len = strcspn(p, ","), used = len;
        while (used > 0 && strchr(" \t\n", p[used - 1]))
            used--;
        pl_code code = used > 0 ? add_cascade(p, used, &bits, err) : PL_OK;
        if (code != PL_OK)
            return code;
        p += len;
    }
    *out = bits;
    return PL_OK;
}

/* ---- tables -------------------------------------------------------------------- */

/*
** Resolves the foreign keys of a table. One that refers to a table nobody has declared
** (yet) is no error here unless a column's type depends on it: what needs it will say so.
*/
static pl_code resolve_table(const pl_table *t, pl_error *err) {
    for (pl_constraint *c = t->constraints; c; c = c->next) {
        if (c->kind != PL_C_FOREIGN)
            continue;
        pl_error own;
        pl_error_init(&own, err->texts.alloc);
        pl_code code = pl_foreign_resolve(c, &own);
        pl_error_clear(&own);
        bool typed = true;
        for (size_t i = 0; i < c->ncolumns; i++)
            typed = typed && c->columns[i]->type;
        if (code != PL_OK && (code != PL_ENOREFTABLE || !typed))
            return pl_foreign_resolve(c, err);
    }
    return PL_OK;
}

/* The foreign key by which table i of a mapper extends one before it. */
static const pl_constraint *extends(const pl_mapper *m, size_t i) {
    for (pl_constraint *c = m->tables[i].table->constraints; c; c = c->next)
        if (c->kind == PL_C_FOREIGN && c->targets && pl_join_is_inheritance(m, c))
            return c;
    return NULL;
}

static pl_code link_table(pl_mapper *m, size_t i, pl_error *err) {
    pl_mapped_table *mt = &m->tables[i];
    const pl_constraint *fk = extends(m, i);
    if (!fk) {
        (void)pl_fail(err, PL_ENOFOREIGNKEYS,
                      "Can't find any foreign key relationships between '%s' and '%s'",
                      m->tables[i - 1].table->name, mt->table->name);
        return pl_hint(err, "the primary key of a subclass' table refers to the key of "
                            "the parent's");
    }
    for (size_t k = 0; k < fk->ncolumns; k++)
        if (fk->columns[k]->pk_position >= 0)
            mt->from[fk->columns[k]->pk_position] =
                pl_mapper_column_slot(m, fk->targets[k]);
    for (size_t k = 0; k < mt->table->npk; k++)
        mt->traits[mt->table->pk[k]->position] &= (uint8_t)~PL_COL_AUTO;
    return PL_OK;
}

static pl_code configure_tables(pl_mapper *m, pl_error *err) {
    pl_code code = PL_OK;
    for (size_t i = 0; i < m->ntables && code == PL_OK; i++)
        code = resolve_table(m->tables[i].table, err);
    for (size_t i = 1; i < m->ntables && code == PL_OK; i++)
        code = link_table(m, i, err);
    for (uint16_t i = 0; i < m->nslots; i++)
        if (m->attrs[i].column)
            m->attrs[i].type = m->attrs[i].column->type;
    return code;
}

/* ---- targets ------------------------------------------------------------------- */

/* "User, Post" of the models known, and the name nearest to the one asked for. */
static pl_code unknown_model(const pl_relation *r, pl_error *err) {
    const pl_vec *mappers = &r->mapper->registry->mappers;
    const char **names = pl_arena_array(&err->texts, mappers->n + 1, sizeof *names);
    const char *list = "", *nearest = NULL;
    for (size_t i = 0; names && list && i < mappers->n; i++) {
        names[i] = ((const pl_mapper *)mappers->v[i])->name;
        list = pl_arena_fmt(&err->texts, "%s%s%s", list, i ? ", " : "", names[i]);
    }
    if (names)
        nearest = pl_nearest(r->args.target, names);
    (void)pl_fail(err, PL_EINVALID,
                  "relationship %s.%s failed to locate a name ('%s'). Models known: %s",
                  r->mapper->name, r->name, r->args.target, list ? list : "");
    if (nearest)
        return pl_hint(err, "did you mean '%s'?", nearest);
    return pl_hint(err, "define the model before the first query, or require the file "
                        "that does");
}

static pl_code unknown_table(const pl_relation *r, pl_error *err) {
    const pl_vec *tables = &r->mapper->tables[0].table->metadata->tables;
    const char **names = pl_arena_array(&err->texts, tables->n + 1, sizeof *names);
    for (size_t i = 0; names && i < tables->n; i++)
        names[i] = ((const pl_table *)tables->v[i])->name;
    const char *nearest = names ? pl_nearest(r->args.secondary, names) : NULL;
    (void)pl_fail(err, PL_EINVALID,
                  "relationship %s.%s failed to locate its secondary table '%s'",
                  r->mapper->name, r->name, r->args.secondary);
    return nearest ? pl_hint(err, "did you mean '%s'?", nearest) : err->code;
}

static pl_code find_target(pl_relation *r, pl_error *err) {
    const pl_relation_args *args = &r->args;
    r->target = args->target_mapper ? args->target_mapper
                                    : pl_registry_find(r->mapper->registry, args->target);
    if (!r->target)
        return unknown_model(r, err);
    r->secondary = args->secondary_table;
    if (r->secondary || !args->secondary)
        return r->secondary ? resolve_table(r->secondary, err) : PL_OK;
    r->secondary =
        pl_metadata_table(r->mapper->tables[0].table->metadata, args->secondary);
    return r->secondary ? resolve_table(r->secondary, err) : unknown_table(r, err);
}

/* ---- settings that follow from the direction ----------------------------------- */

static const char *direction_name(pl_direction d) {
    static const char *const names[] = {"many-to-one", "one-to-many", "many-to-many"};
    return names[d];
}

static pl_code check_orphans(const pl_relation *r, pl_error *err) {
    if (!(r->cascade & PL_CASCADE_ORPHAN) || r->direction == PL_ONE_TO_MANY ||
        r->args.single_parent)
        return PL_OK;
    (void)pl_fail(
        err, PL_EARGUMENT,
        "For %s relationship %s.%s, delete-orphan cascade is normally configured "
        "only on the \"one\" side of a one-to-many relationship",
        direction_name(r->direction), r->mapper->name, r->name);
    return pl_hint(err, "single_parent = true says that each %s has one %s at most",
                   r->target->name, r->mapper->name);
}

/* A child's key that cannot become NULL, or that says what the database is to do. */
static bool leaves_children(const pl_relation *r) {
    for (size_t i = 0; i < r->npairs; i++) {
        const pl_column *c = r->pairs[i].remote;
        if (!c->nullable || c->pk_position >= 0)
            return true;
        for (pl_constraint *fk = c->table->constraints; fk; fk = fk->next)
            for (size_t k = 0; fk->kind == PL_C_FOREIGN && k < fk->ncolumns; k++)
                if (fk->columns[k] == c && fk->ondelete && fk->targets &&
                    fk->targets[k] == r->pairs[i].local)
                    return true;
    }
    return false;
}

static pl_code set_deletes(pl_relation *r, pl_error *err) {
    bool deletes = (r->cascade & (PL_CASCADE_DELETE | PL_CASCADE_ORPHAN)) != 0;
    if (r->args.passive_deletes_given) {
        r->passive_deletes = (pl_passive_deletes)r->args.passive_deletes;
        if (deletes && r->passive_deletes == PL_PASSIVE_ALL)
            return pl_fail(err, PL_EARGUMENT,
                           "On %s.%s, can't set passive_deletes = \"all\" in conjunction "
                           "with 'delete' or 'delete-orphan' cascade",
                           r->mapper->name, r->name);
    } else if (r->direction == PL_ONE_TO_MANY && !deletes && leaves_children(r)) {
        r->passive_deletes = PL_PASSIVE_ALL;
    }
    return PL_OK;
}

static pl_code set_cascades(pl_relation *r, pl_error *err) {
    r->cascade = r->viewonly ? PL_CASCADE_MERGE : PL_CASCADE_SAVE | PL_CASCADE_MERGE;
    pl_code code = PL_OK;
    if (r->args.cascade)
        code = pl_cascade_parse(r->args.cascade, &r->cascade, err);
    if (code == PL_OK && r->viewonly &&
        (r->cascade & (PL_CASCADE_SAVE | PL_CASCADE_DELETE | PL_CASCADE_ORPHAN)))
        return pl_fail(err, PL_EARGUMENT,
                       "relationship %s.%s is viewonly: it cannot cascade save-update or "
                       "delete",
                       r->mapper->name, r->name);
    if (code == PL_OK)
        code = check_orphans(r, err);
    return code == PL_OK ? set_deletes(r, err) : code;
}

/* Whether the far columns are exactly the target's primary key; the pairs are put in the
** key's order then, because an identity is the values in that order. */
static bool is_to_key(pl_relation *r) {
    if (r->direction != PL_MANY_TO_ONE || !r->simple || r->npairs != r->target->npk)
        return false;
    for (uint16_t k = 0; k < r->target->npk; k++) {
        size_t i = k;
        while (i < r->npairs && r->pairs[i].remote_slot != r->target->pk[k])
            i++;
        if (i == r->npairs)
            return false;
        pl_pair found = r->pairs[i];
        r->pairs[i] = r->pairs[k];
        r->pairs[k] = found;
    }
    return true;
}

static pl_code apply_settings(pl_relation *r, pl_error *err) {
    const pl_relation_args *args = &r->args;
    if (r->npairs > PL_MAX_KEY || r->nfar_pairs > PL_MAX_KEY)
        return pl_fail(err, PL_EARGUMENT,
                       "relationship %s.%s joins more than %d pairs of columns",
                       r->mapper->name, r->name, PL_MAX_KEY);
    r->uselist = args->uselist < 0 ? r->direction != PL_MANY_TO_ONE : args->uselist != 0;
    r->lazy = args->lazy < 0 ? PL_LAZY_SELECT : (pl_lazy)args->lazy;
    r->viewonly = args->viewonly;
    r->to_key = is_to_key(r);
    return set_cascades(r, err);
}

/* ---- one relation -------------------------------------------------------------- */

/* The relation that names this one as its other side and says more about the join. */
static pl_relation *explicit_partner(const pl_relation *r) {
    if (!r->args.back_populates || pl_join_is_explicit(r))
        return NULL;
    pl_relation *other = pl_mapper_relation(r->target, r->args.back_populates);
    if (!other || other == r || !other->args.back_populates ||
        strcmp(other->args.back_populates, r->name) != 0)
        return NULL;
    bool secondary = (other->args.secondary || other->args.secondary_table) &&
                     !r->args.secondary && !r->args.secondary_table;
    return pl_join_is_explicit(other) || (r->by_backref && secondary) ? other : NULL;
}

static pl_code configure_relation(pl_relation *r, pl_error *err) {
    if (r->configured || r->removed)
        return PL_OK;
    pl_code code = find_target(r, err);
    if (code != PL_OK)
        return code;
    pl_relation *partner = explicit_partner(r);
    if (partner) {
        code = configure_relation(partner, err); /* which has no partner of its own */
        if (code == PL_OK)
            code = pl_join_mirror(r, partner, err);
    } else {
        code = pl_join_find(r, err);
    }
    if (code == PL_OK)
        code = apply_settings(r, err);
    r->configured = code == PL_OK;
    return code;
}

static pl_code name_relation(const pl_relation *r, pl_code code, pl_error *err) {
    if (!err->attribute)
        err->attribute = pl_arena_fmt(&err->texts, "%s.%s", r->mapper->name, r->name);
    return code;
}

/* ---- back references ----------------------------------------------------------- */

static pl_code no_such_back(const pl_relation *r, pl_error *err) {
    const pl_mapper *t = r->target;
    const char **names = pl_arena_array(&err->texts, t->nrelations + 1, sizeof *names);
    for (size_t i = 0; names && i < t->nrelations; i++)
        names[i] = t->relations[i]->name;
    const char *nearest = names ? pl_nearest(r->args.back_populates, names) : NULL;
    (void)pl_fail(err, PL_EINVALID,
                  "Model %s has no relationship '%s', which relationship %s.%s names as "
                  "its back_populates",
                  t->name, r->args.back_populates, r->mapper->name, r->name);
    return nearest ? pl_hint(err, "did you mean '%s'?", nearest) : err->code;
}

static pl_code check_back(const pl_relation *r, const pl_relation *other, pl_error *err) {
    if (!pl_mapper_is(r->mapper, other->target) &&
        !pl_mapper_is(other->target, r->mapper))
        return pl_fail(
            err, PL_EARGUMENT,
            "reverse property %s.%s of relationship %s.%s refers to %s, not to "
            "%s",
            other->mapper->name, other->name, r->mapper->name, r->name,
            other->target->name, r->mapper->name);
    if (r->direction != other->direction || r->direction == PL_MANY_TO_MANY)
        return PL_OK;
    (void)pl_fail(err, PL_EARGUMENT,
                  "%s.%s and back-reference %s.%s are both of the same direction %s",
                  r->mapper->name, r->name, other->mapper->name, other->name,
                  direction_name(r->direction));
    return pl_hint(err, "set remote_side on the many-to-one side");
}

static pl_code pair_named(pl_relation *r, pl_error *err) {
    if (!r->args.back_populates || r->back || r->viewonly)
        return PL_OK;
    pl_relation *other = pl_mapper_relation(r->target, r->args.back_populates);
    if (!other)
        return no_such_back(r, err);
    if (other->viewonly)
        return PL_OK;
    pl_code code = check_back(r, other, err);
    if (code != PL_OK)
        return code;
    r->back = other;
    if (!other->back)
        other->back = r;
    return PL_OK;
}

static bool may_pair(const pl_relation *r) {
    return r->configured && !r->removed && !r->back && !r->args.back_populates &&
           !r->viewonly;
}

/* The only relation of the target that is r turned round, or NULL. */
static pl_relation *only_mirror(const pl_relation *r) {
    pl_relation *found = NULL;
    for (size_t i = 0; i < r->target->nrelations; i++) {
        pl_relation *other = r->target->relations[i];
        if (other == r || other->mapper != r->target || other->target != r->mapper ||
            !may_pair(other) || !pl_join_is_mirror(r, other))
            continue;
        if (found)
            return NULL;
        found = other;
    }
    return found;
}

static void pair_mirrors(pl_relation *r) {
    if (!may_pair(r))
        return;
    pl_relation *other = only_mirror(r);
    if (!other || only_mirror(other) != r)
        return;
    r->back = other;
    other->back = r;
}

/* ---- the whole registry -------------------------------------------------------- */

typedef pl_code (*relation_fn)(pl_relation *r, pl_error *err);

/* Calls fn for the relations that each mapper declared itself. */
static pl_code each_relation(pl_registry *reg, relation_fn fn, pl_error *err) {
    for (size_t i = 0; i < reg->mappers.n; i++) {
        pl_mapper *m = reg->mappers.v[i];
        for (size_t k = 0; k < m->nrelations; k++) {
            pl_relation *r = m->relations[k];
            if (r->mapper != m || r->removed)
                continue;
            pl_code code = fn(r, err);
            if (code != PL_OK) {
                m->failed = true;
                return name_relation(r, code, err);
            }
        }
    }
    return PL_OK;
}

static pl_code configure_own(pl_relation *r, pl_error *err) {
    return r->by_backref ? PL_OK : configure_relation(r, err);
}

static pl_code pair_rest(pl_relation *r, pl_error *err) {
    (void)err;
    pair_mirrors(r);
    return PL_OK;
}

static pl_code configure_mappers(pl_registry *reg, pl_error *err) {
    for (size_t i = 0; i < reg->mappers.n; i++) {
        pl_mapper *m = reg->mappers.v[i];
        pl_code code = m->configured ? PL_OK : configure_tables(m, err);
        if (code != PL_OK) {
            m->failed = true;
            return code;
        }
    }
    return PL_OK;
}

pl_code pl_registry_configure(pl_registry *r, pl_error *err) {
    if (!r->dirty)
        return PL_OK;
    pl_code code = configure_mappers(r, err);
    if (code == PL_OK)
        code = each_relation(r, configure_own, err);
    if (code == PL_OK)
        code = each_relation(r, configure_relation, err);
    if (code == PL_OK)
        code = each_relation(r, pair_named, err);
    if (code == PL_OK)
        code = each_relation(r, pair_rest, err);
    if (code != PL_OK)
        return code;
    for (size_t i = 0; i < r->mappers.n; i++) {
        pl_mapper *m = r->mappers.v[i];
        for (size_t k = 0; k < m->nrelations; k++)
            if (m->relations[k]->args.order_by)
                m->relations[k]->target->in_order = true;
        m->configured = true;
        m->failed = false;
    }
    r->dirty = false;
    return PL_OK;
}
