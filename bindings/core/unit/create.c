/* SPDX-License-Identifier: MIT */
/*
** create.c - see create.h.
*/
#include "core/unit/create.h"
#include "core/sql/ddl.h"
#include "core/sql/history.h"

#include <string.h>

static bool wants(const pl_vec *wanted, const pl_table *t) {
    for (size_t i = 0; wanted && i < wanted->n; i++)
        if (wanted->v[i] == t)
            return true;
    return !wanted;
}

/* Whether the database of t has something by a name, of the types in SQL's list. */
static pl_code find(pl_conn *conn, const pl_dialect *d, const pl_table *t,
                    const char *types, const char *text, bool *out, pl_error *err) {
    pl_buf sql;
    pl_slot name = pl_slot_text(text, strlen(text)), found = {0};
    pl_buf_init(&sql, err->texts.alloc);
    pl_buf_str(&sql, "SELECT 1 FROM ");
    if (t->schema) {
        pl_quote_name(d, &sql, t->schema);
        pl_buf_chr(&sql, '.');
    }
    pl_buf_fmt(&sql, "sqlite_master WHERE type IN (%s) AND name = ?", types);
    pl_code code = pl_buf_ok(&sql) ? pl_conn_scalar(conn, pl_buf_cstr(&sql), &name, 1,
                                                    NULL, &found, err)
                                   : pl_nomem(err);
    *out = code == PL_OK && found.tag == PL_INT;
    pl_buf_free(&sql);
    return code;
}

static pl_code exists(pl_conn *conn, const pl_dialect *d, const pl_table *t, bool *out,
                      pl_error *err) {
    return find(conn, d, t, "'table', 'view'", t->name, out, err);
}

/* Runs what `write` puts into a buffer. */
static pl_code run_buf(pl_conn *conn, pl_buf *sql, pl_error *err) {
    pl_code code =
        pl_buf_ok(sql) ? pl_conn_exec(conn, pl_buf_cstr(sql), err) : pl_nomem(err);
    pl_buf_free(sql);
    return code;
}

static pl_code run_list(pl_conn *conn, const char *const *list, pl_error *err) {
    pl_code code = PL_OK;
    for (; list && *list && code == PL_OK; list++)
        code = pl_conn_exec(conn, *list, err);
    return code;
}

static pl_code create_indexes(pl_conn *conn, const pl_dialect *d, const pl_table *t,
                              pl_error *err) {
    pl_code code = PL_OK;
    for (const pl_index *ix = t->indexes; ix && code == PL_OK; ix = ix->next) {
        pl_buf sql;
        pl_buf_init(&sql, err->texts.alloc);
        code = pl_ddl_create_index(d, ix, &sql, err);
        if (code == PL_OK)
            code = run_buf(conn, &sql, err);
        else
            pl_buf_free(&sql);
    }
    return code;
}

static pl_code create_trigger(pl_conn *conn, const pl_dialect *d, const pl_table *t,
                              int which, pl_error *err) {
    pl_buf sql;
    pl_buf_init(&sql, err->texts.alloc);
    pl_code code = pl_history_trigger(d, t, which, &sql, err);
    if (code == PL_OK)
        return run_buf(conn, &sql, err);
    pl_buf_free(&sql);
    return code;
}

/* The triggers of a versioned table. */
static pl_code create_triggers(pl_conn *conn, const pl_dialect *d, const pl_table *t,
                               pl_error *err) {
    pl_code code = PL_OK;
    for (int i = 0; t->history && i < PL_HISTORY_TRIGGERS && code == PL_OK; i++)
        code = create_trigger(conn, d, t, i, err);
    return code;
}

/* What a table that was there before it became versioned still lacks: triggers, and
** versions of its rows. */
static pl_code begin_history(pl_conn *conn, const pl_dialect *d, const pl_table *t,
                             pl_error *err) {
    pl_code code = PL_OK;
    bool lacked = false;
    for (int i = 0; i < PL_HISTORY_TRIGGERS && code == PL_OK; i++) {
        const char *name = pl_history_trigger_name(t, i);
        bool there = true;
        code = name ? find(conn, d, t, "'trigger'", name, &there, err) : pl_nomem(err);
        if (code == PL_OK && !there)
            code = create_trigger(conn, d, t, i, err);
        lacked = lacked || !there;
    }
    if (code != PL_OK || !lacked)
        return code;
    pl_buf sql;
    pl_buf_init(&sql, err->texts.alloc);
    code = pl_history_begin_text(d, t, &sql, err);
    if (code == PL_OK)
        return run_buf(conn, &sql, err);
    pl_buf_free(&sql);
    return code;
}

static pl_code create_table(pl_conn *conn, const pl_dialect *d, const pl_table *t,
                            pl_error *err) {
    pl_code code = PL_OK;
    if (!(t->flags & PL_TABLE_VIRTUAL)) {
        pl_buf sql;
        pl_buf_init(&sql, err->texts.alloc);
        code = pl_ddl_create_table(d, t, &sql, err);
        if (code != PL_OK) {
            pl_buf_free(&sql);
            return code;
        }
        code = run_buf(conn, &sql, err);
    }
    if (code == PL_OK)
        code = create_indexes(conn, d, t, err);
    if (code == PL_OK)
        code = create_triggers(conn, d, t, err);
    return code == PL_OK ? run_list(conn, t->ddl, err) : code;
}

pl_code pl_create_all(pl_conn *conn, const pl_dialect *d, pl_metadata *md,
                      const pl_vec *wanted, pl_vec *made, pl_error *err) {
    pl_vec order;
    size_t cyclic;
    pl_vec_init(&order, err->texts.alloc);
    pl_code code = pl_metadata_resolve(md, err);
    if (code == PL_OK)
        code = pl_metadata_sort(md, &order, &cyclic, err);
    for (size_t i = 0; code == PL_OK && i < order.n; i++) {
        pl_table *t = order.v[i];
        bool there = true;
        if (wants(wanted, t))
            code = exists(conn, d, t, &there, err);
        if (code == PL_OK && !there)
            code = create_table(conn, d, t, err);
        if (code == PL_OK && !there && !pl_vec_push(made, t))
            code = pl_nomem(err);
    }
    for (size_t i = 0; code == PL_OK && i < order.n; i++) { /* when all logs are there */
        const pl_table *t = order.v[i];
        if (t->history && wants(wanted, t))
            code = begin_history(conn, d, t, err);
    }
    pl_vec_free(&order);
    return code;
}

static pl_code drop_table(pl_conn *conn, const pl_dialect *d, const pl_table *t,
                          pl_error *err) {
    pl_buf sql;
    pl_code code = run_list(conn, t->ddl_drop, err);
    if (code != PL_OK)
        return code;
    pl_buf_init(&sql, err->texts.alloc);
    pl_ddl_drop_table(d, t, &sql);
    return run_buf(conn, &sql, err);
}

pl_code pl_drop_all(pl_conn *conn, const pl_dialect *d, pl_metadata *md,
                    const pl_vec *wanted, pl_vec *dropped, pl_error *err) {
    pl_vec order;
    size_t cyclic;
    pl_vec_init(&order, err->texts.alloc);
    pl_code code = pl_metadata_sort(md, &order, &cyclic, err);
    if (code == PL_OK)
        code = pl_conn_exec(conn, "PRAGMA defer_foreign_keys = ON", err);
    for (size_t i = order.n; code == PL_OK && i-- > 0;) {
        pl_table *t = order.v[i];
        bool there = false;
        if (wants(wanted, t))
            code = exists(conn, d, t, &there, err);
        if (code == PL_OK && there)
            code = drop_table(conn, d, t, err);
        if (code == PL_OK && there && !pl_vec_push(dropped, t))
            code = pl_nomem(err);
    }
    pl_vec_free(&order);
    return code;
}

pl_code pl_create_text(const pl_dialect *d, pl_metadata *md, pl_buf *out, pl_error *err) {
    pl_vec order;
    size_t cyclic;
    pl_vec_init(&order, err->texts.alloc);
    pl_code code = pl_metadata_resolve(md, err);
    if (code == PL_OK)
        code = pl_metadata_sort(md, &order, &cyclic, err);
    for (size_t i = 0; code == PL_OK && i < order.n; i++) {
        const pl_table *t = order.v[i];
        if (!(t->flags & PL_TABLE_VIRTUAL)) {
            code = pl_ddl_create_table(d, t, out, err);
            pl_buf_str(out, ";\n");
        }
        for (const pl_index *ix = t->indexes; ix && code == PL_OK; ix = ix->next) {
            code = pl_ddl_create_index(d, ix, out, err);
            pl_buf_str(out, ";\n");
        }
        for (int k = 0; t->history && k < PL_HISTORY_TRIGGERS && code == PL_OK; k++) {
            code = pl_history_trigger(d, t, k, out, err);
            pl_buf_str(out, ";\n");
        }
        for (const char *const *s = t->ddl; s && *s; s++) {
            pl_buf_str(out, *s);
            pl_buf_str(out, ";\n");
        }
    }
    pl_vec_free(&order);
    return code;
}
