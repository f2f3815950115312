/* SPDX-License-Identifier: MIT */
/*
** compile.c - the compiler's state, its output, and pl_compile itself.
**
** pl_compile writes the statement into one fragment and every CTE into one of its own,
** joins them, and copies what callers need into their arena. All else is freed here, on
** every way out.
*/
#include "core/sql/compiler.h"

#include <stdio.h>

/* ---- errors and memory ---- */

void pl_set_error(pl_compiler *c, pl_code code) {
    if (c->code == PL_OK)
        c->code = code;
}

void pl_set_nomem(pl_compiler *c) {
    if (c->code == PL_OK)
        c->code = pl_nomem(c->err);
}

void *pl_scratch(pl_compiler *c, size_t n) {
    void *p = pl_arena_get(&c->scratch, n);
    if (!p)
        pl_set_nomem(c);
    return p;
}

/* An array with room for one more; it doubles. */
static void *grown(pl_compiler *c, void *array, size_t n, size_t *cap, size_t size) {
    enum { FIRST = 4 };
    if (n < *cap)
        return array;
    size_t more = *cap ? *cap * 2 : FIRST;
    void *p = pl_scratch(c, more * size);
    if (!p)
        return NULL;
    if (n > 0)
        memcpy(p, array, n * size);
    *cap = more;
    return p;
}

bool pl_list_add(pl_compiler *c, pl_list *l, const void *p) {
    void **v = grown(c, l->v, l->n, &l->cap, sizeof *l->v);
    if (!v)
        return false;
    l->v = v;
    l->v[l->n++] = (void *)p;
    return true;
}

bool pl_list_has(const pl_list *l, const void *p) {
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i] == p)
            return true;
    return false;
}

void pl_list_once(pl_compiler *c, pl_list *l, const void *p) {
    if (!pl_list_has(l, p))
        pl_list_add(c, l, p);
}

void *pl_map_of(const pl_map *m, const void *key) {
    return pl_map_get(m, &key, sizeof key);
}

void pl_map_put(pl_compiler *c, pl_map *m, const void *key, void *value) {
    if (!pl_map_set(m, &key, sizeof key, value))
        pl_set_nomem(c);
}

bool pl_enter(pl_compiler *c) {
    enum { WORK_MAX = 4000000 };
    c->depth++;
    if (pl_failed(c))
        return false;
    if (c->depth > PL_NODE_DEPTH || ++c->work > WORK_MAX) {
        pl_refuse(c, PL_ECOMPILE,
                  c->depth > PL_NODE_DEPTH
                      ? "the statement is nested more than %d deep"
                      : "the statement has more parts than can be compiled",
                  PL_NODE_DEPTH);
        pl_hint(c->err, "write a chain of conditions as one and_(...) or or_(...), and a "
                        "chain of values as one in_(...)");
    }
    return !pl_failed(c);
}

void pl_leave(pl_compiler *c) {
    c->depth--;
}

/* ---- output ---- */

void pl_fragment_init(const pl_compiler *c, pl_fragment *f) {
    *f = (pl_fragment){0};
    pl_buf_init(&f->sql, c->scratch.alloc);
}

void pl_put(pl_compiler *c, const char *s) {
    pl_buf_str(&c->out->sql, s);
}

void pl_put_name(pl_compiler *c, const char *name) {
    pl_quote_name(c->d, &c->out->sql, name);
}

void pl_put_int(pl_compiler *c, int64_t i) {
    pl_buf_int(&c->out->sql, i);
}

void pl_put_bind(pl_compiler *c, const pl_node *literal) {
    if (c->literal_text) {
        pl_write_literal(c->d, &c->out->sql, &literal->value);
        return;
    }
    if (literal->mark != c->pass) {
        pl_refuse(c, PL_ECOMPILE, "a value of the statement was not numbered");
        return;
    }
    pl_fragment *f = c->out;
    pl_bind *binds = grown(c, f->binds, f->nbinds, &f->cap, sizeof *binds);
    if (!binds)
        return;
    f->binds = binds;
    f->binds[f->nbinds++] = (pl_bind){literal->ordinal, f->sql.len};
    pl_buf_chr(&f->sql, '?');
}

void pl_use_table(pl_compiler *c, const pl_table *t) {
    if (t)
        pl_list_once(c, &c->tables, t);
}

/* Appends a fragment; numbered placeholders get their number now. */
static void append_fragment(pl_compiler *c, pl_fragment *all, const pl_fragment *f) {
    size_t done = 0;
    if (!pl_buf_ok(&f->sql)) {
        all->sql.failed = true;
        return;
    }
    for (size_t i = 0; i < f->nbinds; i++) {
        pl_bind *binds = grown(c, all->binds, all->nbinds, &all->cap, sizeof *binds);
        if (!binds)
            return;
        pl_buf_put(&all->sql, f->sql.p + done, f->binds[i].at - done);
        done = f->binds[i].at + 1;
        all->binds = binds;
        all->binds[all->nbinds++] = (pl_bind){f->binds[i].ordinal, all->sql.len};
        pl_buf_chr(&all->sql, c->d->placeholder);
        if (c->d->placeholder == '$')
            pl_buf_int(&all->sql, (int64_t)all->nbinds);
    }
    pl_buf_put(&all->sql, pl_buf_cstr(&f->sql) + done, f->sql.len - done);
}

void pl_join_fragments(pl_compiler *c, const pl_fragment *body, pl_fragment *all) {
    for (size_t i = 0; i < c->hoisted.n && !pl_failed(c); i++) {
        const pl_cte *cte = c->hoisted.v[i];
        const char *word = c->recursive ? "WITH RECURSIVE " : "WITH ";
        pl_buf_str(&all->sql, i == 0 ? word : ", ");
        append_fragment(c, all, &cte->text);
    }
    if (c->hoisted.n > 0)
        pl_buf_chr(&all->sql, ' ');
    append_fragment(c, all, body);
}

/* ---- one statement ---- */

static void init_compiler(pl_compiler *c, const pl_dialect *d, uint32_t pass,
                          pl_alloc alloc, pl_error *err) {
    *c = (pl_compiler){.d = d, .pass = pass, .err = err};
    pl_arena_init(&c->scratch, alloc);
    pl_map_init(&c->queries, alloc);
    pl_map_init(&c->names, alloc);
    pl_map_init(&c->counters, alloc);
}

static void free_compiler(pl_compiler *c) {
    for (size_t i = 0; i < c->ctes.n; i++)
        pl_buf_free(&((pl_cte *)c->ctes.v[i])->text.sql);
    pl_map_free(&c->queries);
    pl_map_free(&c->names);
    pl_map_free(&c->counters);
    pl_arena_free(&c->scratch);
}

static void write_statement(pl_compiler *c, pl_node *stmt, pl_compiled *out) {
    pl_query *q = pl_query_of(c, stmt);
    if (!q)
        return;
    switch (q->head->kind) {
    case PL_N_INSERT:
        out->kind = PL_S_INSERT;
        pl_write_insert(c, q);
        break;
    case PL_N_UPDATE:
        out->kind = PL_S_UPDATE;
        pl_write_update(c, q);
        break;
    case PL_N_DELETE:
        out->kind = PL_S_DELETE;
        pl_write_delete(c, q);
        break;
    case PL_N_TEXT:
        out->kind = PL_S_TEXT;
        pl_write(c, q->head, PL_AS_VALUE);
        break;
    default:
        out->kind = PL_S_SELECT;
        pl_write_select(c, stmt, PL_USE_TOP);
        break;
    }
}

/* A name that no column before has: "id", "id_1" ... Entities do not take part. */
static const char *unique_name(pl_arena *arena, const pl_outcol *columns, size_t n,
                               const bool *taken, const char *name) {
    char *made = NULL;
    size_t number = 0;
    for (size_t i = 0; i < n && name; i++) {
        if (!taken[i] || !columns[i].name ||
            strcmp(columns[i].name, made ? made : name) != 0)
            continue;
        made = pl_arena_fmt(arena, "%s_%zu", name, ++number);
        if (!made)
            return NULL;
        i = (size_t)-1;
    }
    return made ? made : pl_arena_str(arena, name);
}

static void copy_columns(pl_compiler *c, pl_query *q, pl_arena *arena, pl_compiled *out) {
    pl_outcol *columns = pl_arena_array(arena, q->nitems, sizeof *columns);
    bool *taken = pl_scratch(c, q->nitems + 1);
    for (size_t i = 0; columns && taken && i < q->nitems; i++) {
        pl_select_item *item = &q->items[i];
        const char *name = pl_item_name(c, q, item);
        columns[i].column = item->column;
        columns[i].type = item->type;
        columns[i].name = item->entity ? pl_arena_str(arena, name)
                                       : unique_name(arena, columns, i, taken, name);
        taken[i] = !item->entity;
        out->open |= item->open;
    }
    out->columns = columns;
    out->ncolumns = q->nitems;
}

static void copy_result(pl_compiler *c, const pl_fragment *all, pl_arena *arena,
                        pl_compiled *out) {
    if (!pl_buf_ok(&all->sql)) {
        pl_set_nomem(c);
        return;
    }
    uint32_t *plan = pl_arena_array(arena, all->nbinds, sizeof *plan);
    const pl_table **tables = pl_arena_array(arena, c->tables.n, sizeof(pl_table *));
    out->sql = pl_arena_copy(arena, pl_buf_cstr(&all->sql), all->sql.len);
    if (!plan || !tables || !out->sql) {
        pl_set_nomem(c);
        return;
    }
    for (size_t i = 0; i < all->nbinds; i++)
        plan[i] = all->binds[i].ordinal;
    for (size_t i = 0; i < c->tables.n; i++)
        tables[i] = c->tables.v[i];
    out->len = all->sql.len;
    out->plan = plan;
    out->nplan = all->nbinds;
    out->tables = tables;
    out->ntables = c->tables.n;
    out->cacheable = !c->uncached;
    out->cartesian = c->cartesian;
    out->loose = pl_arena_str(arena, c->loose);
    if (all->nbinds > (size_t)c->d->max_variables) {
        pl_refuse(c, PL_ECOMPILE, "the statement has %zu parameters, %s takes %d",
                  all->nbinds, c->d->name, c->d->max_variables);
        pl_hint(c->err, "split the list of values, or join with a table that holds them");
    }
}

static void compile_into(pl_compiler *c, pl_node *stmt, pl_arena *arena,
                         pl_compiled *out) {
    pl_fragment body, all;
    pl_fragment_init(c, &body);
    pl_fragment_init(c, &all);
    c->out = &body;
    write_statement(c, stmt, out);
    pl_query *q = pl_failed(c) ? NULL : pl_result_of(c, stmt);
    if (!pl_failed(c))
        pl_join_fragments(c, &body, &all);
    if (!pl_failed(c))
        copy_result(c, &all, arena, out);
    if (!pl_failed(c))
        copy_columns(c, q, arena, out);
    if (!pl_failed(c) && arena->failed)
        pl_set_nomem(c);
    c->out = NULL;
    pl_buf_free(&body.sql);
    pl_buf_free(&all.sql);
}

pl_code pl_compile(const pl_dialect *d, pl_node *stmt, uint32_t pass, pl_arena *arena,
                   pl_compiled *out, pl_error *err) {
    pl_compiler c;
    *out = (pl_compiled){0};
    init_compiler(&c, d, pass, arena->alloc, err);
    compile_into(&c, stmt, arena, out);
    free_compiler(&c);
    return c.code;
}

pl_code pl_compile_inline(const pl_dialect *d, pl_node *expr, pl_buf *out,
                          pl_error *err) {
    pl_compiler c;
    init_compiler(&c, d, 0, out->alloc, err);
    c.literal_text = true;
    pl_fragment text = {.sql = *out};
    c.out = &text;
    pl_write(&c, expr, PL_AS_VALUE);
    *out = text.sql;
    if (!pl_failed(&c) && !pl_buf_ok(out))
        pl_set_nomem(&c);
    free_compiler(&c);
    return c.code;
}

bool pl_statement_froms(pl_node *stmt, pl_arena *scratch, pl_vec *out) {
    pl_compiler c;
    pl_error err;
    pl_error_init(&err, scratch->alloc);
    init_compiler(&c, &pl_dialect_sqlite, 0, scratch->alloc, &err);
    c.scratch = *scratch; /* nodes made on the way are part of the answer */
    pl_query *q = pl_query_of(&c, stmt);
    size_t n = 0;
    pl_from *froms = q ? pl_make_froms(&c, q, &n) : NULL;
    *scratch = c.scratch; /* given back before out, which may use it too, grows */
    pl_arena_init(&c.scratch, scratch->alloc);
    bool ok = c.code != PL_ENOMEM;
    if (ok && q && (q->head->kind == PL_N_UPDATE || q->head->kind == PL_N_DELETE))
        ok = pl_vec_push(out, q->head->kids[0]);
    for (size_t i = 0; ok && froms && i < n; i++) {
        ok = pl_vec_push(out, froms[i].base);
        for (size_t j = 0; ok && j < froms[i].joins.n; j++)
            ok = pl_vec_push(out, ((pl_node *)froms[i].joins.v[j])->kids[2]);
    }
    free_compiler(&c);
    pl_error_clear(&err);
    return ok;
}
