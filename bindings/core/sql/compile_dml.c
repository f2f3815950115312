/* SPDX-License-Identifier: MIT */
/*
** compile_dml.c - INSERT, UPDATE and DELETE.
*/
#include "core/sql/compiler.h"

/* The table that a statement changes becomes the only thing its columns may come from. */
static pl_scope open_scope(pl_compiler *c, pl_query *q, const char *what,
                           const void *key) {
    pl_scope s = {.up = c->scope, .query = q, .what = what};
    pl_list_add(c, &s.sources, key);
    return s;
}

static void write_table_name(pl_compiler *c, const pl_table *t) {
    if (t->schema) {
        pl_put_name(c, t->schema);
        pl_put(c, ".");
    }
    pl_put_name(c, t->name);
    pl_use_table(c, t);
}

/* A column that is being assigned to, without its table. */
static void write_target(pl_compiler *c, const pl_node *n) {
    const pl_column *col = n->kind == PL_N_COLUMN ? n->ref : NULL;
    if (col || n->kind == PL_N_COLUMN || n->kind == PL_N_IDENT)
        pl_put_name(c, col ? col->name : n->text);
    else
        pl_refuse(c, PL_EARGUMENT, "only a column can be assigned to");
}

static void check_target(pl_compiler *c, const pl_node *n, const pl_table *t) {
    const pl_column *col = n->kind == PL_N_COLUMN ? n->ref : NULL;
    if (!col || col->table == t || !col->table)
        return;
    pl_refuse(c, PL_ECOMPILE, "column '%s.%s' is not a column of '%s', which is changed",
              col->table->name, col->name, t->name);
}

static void check_assignments(pl_compiler *c, const pl_list *set, const pl_table *t) {
    if (set->n == 0)
        pl_refuse(c, PL_EARGUMENT, "UPDATE of '%s' has nothing to set", t->name);
    for (size_t i = 0; i < set->n; i++) {
        const pl_node *n = set->v[i];
        if (n->kind != PL_N_BINARY || n->op != PL_OP_EQ)
            pl_refuse(c, PL_EARGUMENT, "an assignment is a column and a value");
    }
}

static void write_assignments(pl_compiler *c, const pl_list *set, const pl_table *t) {
    for (size_t i = 0; i < set->n && !pl_failed(c); i++) {
        const pl_node *n = set->v[i];
        check_target(c, n->kids[0], t);
        pl_put(c, i > 0 ? ", " : "");
        write_target(c, n->kids[0]);
        pl_put(c, "=");
        pl_write_in(c, n->kids[1], PL_AS_VALUE, PL_L_OR);
    }
}

static void write_targets(pl_compiler *c, const pl_node *columns, const pl_table *t) {
    pl_put(c, " (");
    for (uint32_t i = 0; i < columns->nkids && !pl_failed(c); i++) {
        check_target(c, columns->kids[i], t);
        pl_put(c, i > 0 ? ", " : "");
        write_target(c, columns->kids[i]);
    }
    pl_put(c, ")");
}

/* SQLite's RETURNING sees the changed table only, under no name. */
static void write_returning(pl_compiler *c, pl_query *q, bool aliased) {
    if (q->returning.n == 0)
        return;
    c->scope->bare = true;
    c->scope->hidden = aliased;
    pl_put(c, " RETURNING ");
    for (size_t i = 0; i < q->nitems && !pl_failed(c); i++) {
        const pl_select_item *item = &q->items[i];
        pl_put(c, i > 0 ? ", " : "");
        pl_write_in(c, item->node, PL_AS_VALUE, PL_L_ANY);
        if (item->label) {
            pl_put(c, " AS ");
            pl_put_name(c, item->label);
        }
    }
}

static void refuse_limit(pl_compiler *c, const pl_query *q, const char *what) {
    if (!q->limit && !q->offset && q->order.n == 0)
        return;
    pl_refuse(c, PL_ECOMPILE, "%s cannot have ORDER BY, LIMIT or OFFSET", what);
    pl_hint(c->err, "choose the rows with a subquery: where(id:in_(select ... limit))");
}

static void refuse_joins(pl_compiler *c, const pl_query *q, const char *what) {
    if (q->joined.n == 0)
        return;
    pl_refuse(c, PL_EINVALID, "%s cannot have joins", what);
    pl_hint(c->err, "choose the rows with a subquery: where(id:in_(select ... join))");
}

/* ---- INSERT ---- */

static void write_rows(pl_compiler *c, const pl_query *q, const pl_table *t) {
    const pl_node *first = q->rows.v[0], *columns = first->kids[1];
    bool comma = false;
    if (columns->nkids == 0) {
        pl_put(c, " DEFAULT VALUES");
        if (q->rows.n > 1 || first->nkids > 3)
            pl_refuse(c, PL_ECOMPILE, "several rows of '%s' need at least one column",
                      t->name);
        return;
    }
    write_targets(c, columns, t);
    pl_put(c, " VALUES ");
    for (size_t i = 0; i < q->rows.n && !pl_failed(c); i++) {
        const pl_node *rows = q->rows.v[i];
        for (uint32_t k = 2; k < rows->nkids && !pl_failed(c); k++) {
            if (rows->kids[k]->nkids != columns->nkids)
                pl_refuse(c, PL_ECOMPILE, "INSERT into '%s' has %u columns and %u values",
                          t->name, columns->nkids, rows->kids[k]->nkids);
            pl_put(c, comma ? ", " : "");
            pl_write(c, rows->kids[k], PL_AS_VALUE);
            comma = true;
        }
    }
}

/* Before ON CONFLICT a select must end so that ON cannot be read as its join's. */
static void write_source_select(pl_compiler *c, const pl_query *q, const pl_table *t) {
    const pl_node *clause = q->from_select;
    pl_node *stmt = clause->kids[2];
    if (clause->kids[1] && clause->kids[1]->nkids > 0)
        write_targets(c, clause->kids[1], t);
    pl_put(c, q->conflict ? " SELECT * FROM (" : " ");
    pl_write_select(c, stmt, q->conflict ? PL_USE_DERIVED : PL_USE_VALUE);
    pl_put(c, q->conflict ? ") WHERE 1" : "");
}

static void write_conflict(pl_compiler *c, const pl_query *q, const pl_table *t) {
    const pl_node *n = q->conflict;
    const pl_node *targets = n->nkids > 1 ? n->kids[1] : NULL;
    const pl_node *set = n->nkids > 2 ? n->kids[2] : NULL;
    pl_put(c, " ON CONFLICT");
    if (targets && targets->nkids > 0)
        write_targets(c, targets, t);
    if (n->op == 0) {
        pl_put(c, " DO NOTHING");
        return;
    }
    if (!set || set->nkids == 0) {
        pl_refuse(c, PL_EARGUMENT, "on_conflict_do_update has nothing to set");
        return;
    }
    pl_list assignments = {(void **)set->kids, set->nkids, set->nkids};
    check_assignments(c, &assignments, t);
    if (pl_failed(c))
        return;
    pl_put(c, " DO UPDATE SET ");
    write_assignments(c, &assignments, t);
    if (n->nkids > 3 && n->kids[3]) {
        pl_put(c, " WHERE ");
        pl_write(c, n->kids[3], PL_AS_CONDITION);
    }
}

void pl_write_insert(pl_compiler *c, pl_query *q) {
    const pl_table *t = q->head->ref;
    pl_register_with(c, q);
    pl_put(c, "INSERT INTO ");
    write_table_name(c, t);
    pl_scope values = {.query = q, .what = "VALUES of the INSERT"};
    c->scope = &values;
    if (q->from_select) {
        c->scope = NULL;
        write_source_select(c, q, t);
    } else if (q->rows.n > 0) {
        write_rows(c, q, t);
    } else {
        pl_put(c, " DEFAULT VALUES");
    }
    c->scope = NULL;
    pl_scope scope = open_scope(c, q, "INSERT", t);
    c->scope = &scope;
    if (q->conflict)
        write_conflict(c, q, t);
    write_returning(c, q, false);
    c->scope = NULL;
}

/* ---- UPDATE and DELETE ---- */

/* The table or alias that is changed; NULL: refused. */
static const pl_table *write_changed(pl_compiler *c, const pl_node *target) {
    const pl_table *t = pl_source_table(target);
    if (!t) {
        pl_refuse(c, PL_EARGUMENT, "only a table can be changed, not %s",
                  pl_source_label(target));
        return NULL;
    }
    write_table_name(c, t);
    if (target->kind == PL_N_ALIAS) {
        pl_put(c, " AS ");
        pl_put_source(c, target);
    }
    return t;
}

typedef struct update_from {
    pl_from *v;
    size_t n;
} update_from;

/* The table that a tie of an UPDATE joins to the one that is changed. */
static const pl_table *tied_table(const pl_node *tie) {
    while (tie && tie->kind != PL_N_COLUMN)
        tie = tie->kids[0];
    const pl_column *column = tie ? tie->ref : NULL;
    return column ? column->table : NULL;
}

static void add_ties(pl_compiler *c, pl_query *q, const pl_scope *scope) {
    for (uint32_t i = 1; i < q->head->nkids; i++) {
        const pl_table *t = tied_table(q->head->kids[i]);
        if (t && pl_list_has(&scope->sources, t))
            pl_list_add(c, &q->where, q->head->kids[i]);
    }
}

/* Further tables, that FROM names or SET and WHERE mention; they enter the scope. */
static update_from make_update_from(pl_compiler *c, const pl_query *q, pl_scope *scope) {
    update_from froms = {0};
    pl_list sources = {0};
    for (size_t i = 0; i < q->from.n; i++)
        pl_list_add(c, &sources, q->from.v[i]);
    for (size_t i = 0; i < q->set.n; i++)
        pl_collect_sources(c, ((const pl_node *)q->set.v[i])->kids[1], false, &sources);
    for (size_t i = 0; i < q->where.n; i++)
        pl_collect_sources(c, q->where.v[i], false, &sources);
    froms.v = pl_scratch(c, (sources.n + 1) * sizeof *froms.v);
    for (size_t i = 0; i < sources.n && !pl_failed(c); i++) {
        pl_node *source = sources.v[i];
        if (pl_list_has(&scope->sources, pl_source_key(c, source)))
            continue;
        froms.v[froms.n] = (pl_from){.base = source};
        pl_add_sources(c, scope, &froms.v[froms.n++]);
    }
    return froms;
}

/* The changed table is one of the FROM items that conditions should connect. */
static void check_connected(pl_compiler *c, const pl_query *q, const update_from *froms) {
    pl_from *all = pl_scratch(c, (froms->n + 1) * sizeof *all);
    if (!all)
        return;
    all[0] = (pl_from){.base = q->head->kids[0]};
    memcpy(all + 1, froms->v, froms->n * sizeof *all);
    pl_check_cartesian(c, q, all, froms->n + 1);
}

void pl_write_update(pl_compiler *c, pl_query *q) {
    const pl_node *target = q->head->kids[0];
    pl_register_with(c, q);
    refuse_limit(c, q, "UPDATE");
    refuse_joins(c, q, "UPDATE");
    pl_put(c, "UPDATE ");
    const pl_table *t = write_changed(c, target);
    if (t)
        check_assignments(c, &q->set, t);
    if (pl_failed(c))
        return;
    pl_scope own = open_scope(c, q, "UPDATE", pl_source_key(c, target));
    pl_scope scope = open_scope(c, q, "UPDATE", pl_source_key(c, target));
    update_from froms = make_update_from(c, q, &scope);
    add_ties(c, q, &scope);
    c->scope = &scope;
    pl_put(c, " SET ");
    write_assignments(c, &q->set, t);
    pl_write_froms(c, froms.v, froms.n);
    pl_write_where(c, " WHERE ", &q->where);
    check_connected(c, q, &froms);
    c->scope = &own;
    write_returning(c, q, target->kind == PL_N_ALIAS);
    c->scope = NULL;
}

void pl_write_delete(pl_compiler *c, pl_query *q) {
    const pl_node *target = q->head->kids[0];
    pl_register_with(c, q);
    refuse_limit(c, q, "DELETE");
    refuse_joins(c, q, "DELETE");
    pl_put(c, "DELETE FROM ");
    if (!write_changed(c, target))
        return;
    pl_scope scope = open_scope(c, q, "DELETE", pl_source_key(c, target));
    c->scope = &scope;
    pl_write_where(c, " WHERE ", &q->where);
    write_returning(c, q, target->kind == PL_N_ALIAS);
    c->scope = NULL;
}
