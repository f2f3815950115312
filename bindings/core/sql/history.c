/* SPDX-License-Identifier: MIT */
/*
** history.c - see history.h.
**
** A version that ends is closed by its key, and a row that gets another key is deleted
** under the old one; an INSERT closes one, too, as INSERT OR REPLACE removes a row
** without any trigger being called. An UPDATE that changes no value makes no version.
** Called by core/unit, which runs the texts; nothing here is kept.
*/
#include "core/sql/history.h"

static const char *const operations[PL_HISTORY_TRIGGERS] = {"insert", "update", "delete"};

/* Time of storage as every DateTime column has it. */
static const char now_text[] = "strftime('%Y-%m-%d %H:%M:%f000', 'now')";

static void put_open(const pl_dialect *d, pl_buf *out, const pl_table *t,
                     const char *column) {
    pl_buf_fmt(out, "(SELECT %s FROM ", column);
    pl_quote_name(d, out, t->metadata->history->name);
    pl_buf_str(out, " WHERE open = 1)");
}

static void put_now(const pl_dialect *d, pl_buf *out, const pl_table *t) {
    pl_buf_str(out, "coalesce(");
    put_open(d, out, t, "began");
    pl_buf_fmt(out, ", %s)", now_text);
}

static void put_value(const pl_dialect *d, pl_buf *out, const char *row,
                      const pl_column *c) {
    pl_buf_str(out, row);
    pl_buf_chr(out, '.');
    pl_quote_name(d, out, c->name);
}

/* ` WHEN` some column differs. */
static void put_when(const pl_dialect *d, pl_buf *out, const pl_table *t) {
    for (size_t i = 0; i < t->ncolumns; i++) {
        pl_buf_str(out, i == 0 ? " WHEN " : " OR ");
        put_value(d, out, "old", t->columns[i]);
        pl_buf_str(out, " IS NOT ");
        put_value(d, out, "new", t->columns[i]);
    }
}

/* Ends the version of `row` that stands. */
static void put_close(const pl_dialect *d, pl_buf *out, const pl_table *t,
                      const char *row) {
    pl_buf_str(out, " UPDATE ");
    pl_quote_name(d, out, t->history->name);
    pl_buf_str(out, " SET " PL_HISTORY_UNTIL " = ");
    put_now(d, out, t);
    pl_buf_str(out, " WHERE " PL_HISTORY_UNTIL " IS NULL");
    for (size_t i = 0; i < t->npk; i++) {
        pl_buf_str(out, " AND ");
        pl_quote_name(d, out, t->pk[i]->name);
        pl_buf_str(out, " = ");
        put_value(d, out, row, t->pk[i]);
    }
    pl_buf_chr(out, ';');
}

/* Adds a version with the values of `row`; one that was deleted ends as it begins. */
static void put_version(const pl_dialect *d, pl_buf *out, const pl_table *t, int which) {
    bool deleted = which == 2;
    const char *row = deleted ? "old" : "new";
    pl_buf_str(out, " INSERT INTO ");
    pl_quote_name(d, out, t->history->name);
    pl_buf_str(out, " (" PL_HISTORY_OPERATION ", " PL_HISTORY_FROM ", " PL_HISTORY_UNTIL
                    ", " PL_HISTORY_TRANSACTION);
    for (size_t i = 0; i < t->ncolumns; i++) {
        pl_buf_str(out, ", ");
        pl_quote_name(d, out, t->columns[i]->name);
    }
    pl_buf_fmt(out, ") SELECT '%s', ", operations[which]);
    put_now(d, out, t);
    pl_buf_str(out, ", ");
    if (deleted)
        put_now(d, out, t);
    else
        pl_buf_str(out, "NULL");
    pl_buf_str(out, ", ");
    put_open(d, out, t, "id");
    for (size_t i = 0; i < t->ncolumns; i++) {
        pl_buf_str(out, ", ");
        put_value(d, out, row, t->columns[i]);
    }
}

/* ` WHERE` the key is another one now. */
static void put_moved(const pl_dialect *d, pl_buf *out, const pl_table *t) {
    for (size_t i = 0; i < t->npk; i++) {
        pl_buf_str(out, i == 0 ? " WHERE " : " OR ");
        put_value(d, out, "old", t->pk[i]);
        pl_buf_str(out, " IS NOT ");
        put_value(d, out, "new", t->pk[i]);
    }
}

const char *pl_history_trigger_name(const pl_table *t, int which) {
    return pl_arena_fmt(&t->metadata->arena, "%s_%s", t->history->name,
                        operations[which]);
}

pl_code pl_history_begin_text(const pl_dialect *d, const pl_table *t, pl_buf *out,
                              pl_error *err) {
    pl_buf_str(out, "INSERT INTO ");
    pl_quote_name(d, out, t->history->name);
    pl_buf_str(out, " (" PL_HISTORY_OPERATION ", " PL_HISTORY_FROM);
    for (size_t i = 0; i < t->ncolumns; i++) {
        pl_buf_str(out, ", ");
        pl_quote_name(d, out, t->columns[i]->name);
    }
    pl_buf_fmt(out, ") SELECT '%s', ", operations[0]);
    put_now(d, out, t);
    for (size_t i = 0; i < t->ncolumns; i++) {
        pl_buf_str(out, ", ");
        put_value(d, out, "now_there", t->columns[i]);
    }
    pl_buf_str(out, " FROM ");
    pl_quote_name(d, out, t->name);
    pl_buf_str(out, " AS now_there WHERE NOT EXISTS (SELECT 1 FROM ");
    pl_quote_name(d, out, t->history->name);
    pl_buf_str(out, " AS known WHERE known." PL_HISTORY_UNTIL " IS NULL");
    for (size_t i = 0; i < t->npk; i++) {
        pl_buf_str(out, " AND ");
        put_value(d, out, "known", t->pk[i]);
        pl_buf_str(out, " = ");
        put_value(d, out, "now_there", t->pk[i]);
    }
    pl_buf_chr(out, ')');
    return pl_buf_ok(out) ? PL_OK : pl_nomem(err);
}

pl_code pl_history_trigger(const pl_dialect *d, const pl_table *t, int which, pl_buf *out,
                           pl_error *err) {
    static const char *const verbs[] = {"INSERT", "UPDATE", "DELETE"};
    const char *name = pl_history_trigger_name(t, which);
    if (!name)
        return pl_nomem(err);
    pl_buf_str(out, "CREATE TRIGGER ");
    pl_quote_name(d, out, name);
    pl_buf_fmt(out, " AFTER %s ON ", verbs[which]);
    pl_quote_name(d, out, t->name);
    if (which == 1)
        put_when(d, out, t);
    pl_buf_str(out, " BEGIN");
    put_close(d, out, t, which == 0 ? "new" : "old");
    if (which == 1) { /* of the old key nothing is left, as after a delete */
        put_version(d, out, t, 2);
        put_moved(d, out, t);
        pl_buf_chr(out, ';');
    }
    put_version(d, out, t, which);
    pl_buf_str(out, "; END");
    return pl_buf_ok(out) ? PL_OK : pl_nomem(err);
}

/* ---- the transaction ----------------------------------------------------------- */

void pl_history_open_text(const pl_dialect *d, const pl_metadata *md, pl_buf *out) {
    pl_buf_str(out, "INSERT INTO ");
    pl_quote_name(d, out, md->history->name);
    pl_buf_str(out, " (began, open, actor, reason) SELECT ?, 1, ?, ? WHERE NOT EXISTS "
                    "(SELECT 1 FROM ");
    pl_quote_name(d, out, md->history->name);
    pl_buf_str(out, " WHERE open = 1)");
}

void pl_history_discard_text(const pl_dialect *d, const pl_metadata *md, pl_buf *out) {
    pl_buf_str(out, "DELETE FROM ");
    pl_quote_name(d, out, md->history->name);
    pl_buf_str(out, " WHERE open = 1");
    for (size_t i = 0; i < md->tables.n; i++) {
        const pl_table *t = md->tables.v[i];
        if (!t->history)
            continue;
        pl_buf_str(out, " AND NOT EXISTS (SELECT 1 FROM ");
        pl_quote_name(d, out, t->history->name);
        pl_buf_str(out, " WHERE " PL_HISTORY_TRANSACTION " = ");
        pl_quote_name(d, out, md->history->name);
        pl_buf_str(out, ".id)");
    }
}

void pl_history_close_text(const pl_dialect *d, const pl_metadata *md, pl_buf *out) {
    pl_buf_str(out, "UPDATE ");
    pl_quote_name(d, out, md->history->name);
    pl_buf_str(out, " SET open = NULL WHERE open = 1");
}
