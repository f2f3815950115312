/* SPDX-License-Identifier: MIT */
/*
** world.h - a small world for tests of the unit of work: metadata, models, a database in
** memory whose statements are logged, objects in malloc'ed blocks, an allocator that can
** be told to fail. Everything is freed by world_free, which also checks for leaks.
*/
#ifndef SPEC_WORLD_H
#define SPEC_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/unit/flush.h"

enum { WORLD_OBJECTS = 4096 };

typedef struct world {
    long left;  /* allocations before one fails; negative: none does */
    long bytes; /* allocated now */
    pl_metadata md;
    pl_registry reg;
    pl_conn *conn;
    pl_error err;
    pl_buf log;    /* statements run, one a line, without SELECT */
    pl_buf events; /* what the hooks were told */
    pl_object *objects[WORLD_OBJECTS];
    size_t nobjects;
    pl_flush_hooks hooks;
    char *texts[WORLD_OBJECTS]; /* bytes kept for slots */
    size_t ntexts;
} world;

static inline void *world_alloc(void *ud, void *p, size_t osize, size_t nsize) {
    world *w = ud;
    if (nsize == 0) {
        w->bytes -= (long)osize;
        free(p);
        return NULL;
    }
    if (w->left == 0)
        return NULL;
    if (w->left > 0)
        w->left--;
    void *q = realloc(p, nsize);
    w->bytes += (long)nsize - (long)(p ? osize : 0);
    return q;
}

static inline pl_alloc world_heap(world *w) {
    return (pl_alloc){world_alloc, w};
}

/* ---- hooks --------------------------------------------------------------------- */

static inline pl_code world_trace(void *ud, const char *sql, const pl_slot *params,
                                  size_t n, double ms, int64_t changes, pl_error *err) {
    world *w = ud;
    (void)ms;
    (void)err;
    if (changes < 0 || strncmp(sql, "SELECT", 6) == 0)
        return PL_OK;
    pl_buf_str(&w->log, sql);
    for (size_t i = 0; i < n && n <= 8; i++) {
        pl_buf_str(&w->log, i == 0 ? " -- " : ", ");
        switch (params[i].tag) {
        case PL_INT: pl_buf_int(&w->log, params[i].v.i); break;
        case PL_REAL: pl_buf_fmt(&w->log, "%g", params[i].v.r); break;
        case PL_TEXT: pl_buf_put(&w->log, params[i].v.s, params[i].len); break;
        default: pl_buf_str(&w->log, "NULL"); break;
        }
    }
    pl_buf_chr(&w->log, '\n');
    return PL_OK;
}

static inline pl_code world_store(void *ud, pl_object *o, uint16_t slot,
                                  const pl_slot *value, pl_error *err) {
    world *w = ud;
    pl_slot *s = &o->slots[slot];
    *s = *value;
    if (value->tag != PL_TEXT && value->tag != PL_BLOB)
        return PL_OK;
    char *copy = malloc(value->len + 1);
    if (!copy || w->ntexts == WORLD_OBJECTS) {
        free(copy);
        return pl_nomem(err);
    }
    memcpy(copy, value->v.s, value->len);
    w->texts[w->ntexts++] = copy;
    s->v.s = copy;
    return PL_OK;
}

static inline void world_warn(void *ud, const char *message) {
    world *w = ud;
    pl_buf_fmt(&w->events, "warn %s\n", message);
}

/* ---- the world ----------------------------------------------------------------- */

static inline void world_check(world *w, pl_code code) {
    if (code != PL_OK)
        fail_msg("%s: %s", pl_code_name(code), w->err.message);
}

static inline void world_sql(world *w, const char *sql) {
    world_check(w, pl_conn_exec(w->conn, sql, &w->err));
}

static inline void world_open(world *w) {
    pl_arena a;
    pl_uri uri;
    pl_arena_init(&a, pl_alloc_libc());
    world_check(w, pl_uri_parse("sqlite://", 9, &a, &uri, &w->err));
    world_check(w, pl_conn_open(&pl_driver_sqlite, &uri, NULL, NULL, world_heap(w),
                                &w->conn, &w->err));
    pl_arena_free(&a);
}

static inline void world_init(world *w) {
    memset(w, 0, sizeof *w);
    w->left = -1;
    pl_error_init(&w->err, pl_alloc_libc());
    pl_buf_init(&w->log, pl_alloc_libc());
    pl_buf_init(&w->events, pl_alloc_libc());
    pl_metadata_init(&w->md, world_heap(w), world_heap(w));
    pl_registry_init(&w->reg, &w->md.arena, world_heap(w));
    w->hooks = (pl_flush_hooks){.ud = w, .store = world_store, .warn = world_warn};
    world_open(w);
}

/* From now on statements are logged. */
static inline void world_watch(world *w) {
    pl_conn_hooks hooks = {.ud = w, .trace = world_trace};
    pl_conn_set_hooks(w->conn, &hooks);
    pl_buf_clear(&w->log);
    pl_buf_clear(&w->events);
}

static inline void world_free(world *w) {
    for (size_t i = 0; i < w->nobjects; i++)
        free(w->objects[i]);
    for (size_t i = 0; i < w->ntexts; i++)
        free(w->texts[i]);
    pl_conn_unref(w->conn);
    pl_registry_free(&w->reg);
    pl_metadata_free(&w->md);
    pl_error_clear(&w->err);
    pl_buf_free(&w->log);
    pl_buf_free(&w->events);
    assert_int_equal(w->bytes, 0);
}

/* ---- declarations -------------------------------------------------------------- */

enum { W_PK = 1, W_NOT_NULL = 2 };

static inline pl_table *world_table(world *w, const char *name) {
    pl_table *t;
    world_check(w, pl_table_new(&w->md, name, NULL, &t, &w->err));
    return t;
}

/* ref: "table.column" or NULL. */
static inline pl_column *world_column(world *w, pl_table *t, const char *name,
                                      pl_kind kind, int flags, const char *ref) {
    pl_column *c = pl_column_new(&w->md, name, pl_type_plain(kind));
    assert_non_null(c);
    c->primary_key = (flags & W_PK) != 0;
    c->nullable = (flags & (W_PK | W_NOT_NULL)) == 0;
    c->nullable_given = true;
    world_check(w, pl_table_add_column(t, c, &w->err));
    if (ref) {
        const char *dot = strchr(ref, '.');
        pl_constraint *fk = pl_table_add_constraint(t, PL_C_FOREIGN, &c, 1);
        fk->ref_table = pl_arena_copy(&w->md.arena, ref, (size_t)(dot - ref));
        fk->ref_columns = pl_arena_array(&w->md.arena, 1, sizeof(char *));
        fk->ref_columns[0] = pl_arena_str(&w->md.arena, dot + 1);
    }
    return c;
}

static inline pl_column *world_id(world *w, pl_table *t) {
    return world_column(w, t, "id", PL_K_INTEGER, W_PK, NULL);
}

/* A model over all columns of a table. */
static inline pl_mapper *world_model(world *w, const char *name, pl_table *t,
                                     pl_mapper *parent) {
    pl_mapper *m;
    if (t)
        world_check(w, pl_table_finish(t, &w->err));
    world_check(w, pl_mapper_new(&w->reg, name, t, parent, &m, &w->err));
    for (size_t i = 0; t && i < t->ncolumns; i++)
        world_check(w,
                    pl_mapper_add_column(m, t->columns[i]->key, t->columns[i], &w->err));
    world_check(w, pl_mapper_finish(m, &w->err));
    return m;
}

static inline pl_relation_args world_args(const char *target, const char *back) {
    return (pl_relation_args){
        .target = target, .back_populates = back, .uselist = -1, .lazy = -1};
}

static inline pl_relation *world_relate(world *w, pl_mapper *m, const char *name,
                                        pl_relation_args args) {
    pl_relation *r;
    world_check(w, pl_mapper_add_relation(m, name, &args, &r, &w->err));
    return r;
}

static inline void world_configure(world *w) {
    world_check(w, pl_registry_configure(&w->reg, &w->err));
}

/* ---- objects ------------------------------------------------------------------- */

static inline pl_object *world_object(world *w, pl_mapper *m) {
    static pl_session_cell cell;
    pl_object *o = calloc(1, sizeof *o + m->nslots * sizeof(pl_slot));
    assert_true(o && w->nobjects < WORLD_OBJECTS);
    o->mapper = m;
    o->session = &cell;
    o->slots = (pl_slot *)(o + 1);
    pl_object_set_state(o, PL_PENDING);
    w->objects[w->nobjects++] = o;
    return o;
}

static inline pl_slot *world_slot(pl_object *o, const char *name) {
    uint16_t slot = pl_mapper_slot(o->mapper, name);
    assert_int_not_equal(slot, PL_NO_SLOT);
    return &o->slots[slot];
}

static inline void world_set(pl_object *o, const char *name, pl_slot value) {
    value.flags = PL_SLOT_CHANGED;
    *world_slot(o, name) = value;
    o->status |= PL_OBJ_CHANGED | PL_OBJ_MODIFIED;
}

static inline pl_slot world_text(const char *s) {
    return pl_slot_text(s, strlen(s));
}

static inline pl_object *world_new(world *w, pl_mapper *m, const char *attribute,
                                   const char *text) {
    pl_object *o = world_object(w, m);
    if (attribute)
        world_set(o, attribute, world_text(text));
    return o;
}

/* What the glue does with objects that were saved. */
static inline void world_settle(pl_object *o) {
    pl_object_set_state(o, PL_PERSISTENT);
    o->status &= ~(uint32_t)PL_OBJ_MODIFIED;
}

static inline int64_t world_int(pl_object *o, const char *name) {
    const pl_slot *s = world_slot(o, name);
    assert_int_equal(s->tag, PL_INT);
    return s->v.i;
}

/* First column of the first row. */
static inline int64_t world_ask(world *w, const char *sql) {
    pl_slot out;
    pl_arena a;
    pl_arena_init(&a, pl_alloc_libc());
    world_check(w, pl_conn_scalar(w->conn, sql, NULL, 0, &a, &out, &w->err));
    pl_arena_free(&a);
    return out.tag == PL_INT ? out.v.i : -1;
}

#endif
