/* SPDX-License-Identifier: MIT */
/*
** bulk.c - INSERT of many rows that are not objects.
**
** Rows are gathered until one statement is full; its text is the same every time. What is
** left at the end goes row by row, as do the rows of a statement that violated a
** constraint, to find the one at fault. Bytes are copied while rows are gathered, so the
** caller need not keep them.
*/
#include "core/unit/flush.h"

#include <string.h>

typedef struct bulk {
    pl_conn *conn;
    const pl_dialect *d;
    const pl_table *t;
    pl_column *const *columns;
    size_t ncolumns;
    const char *const *made; /* SQL of the columns behind them, the same in every row */
    size_t nmade;
    size_t rows; /* of a full statement */
    pl_slot *slots;
    size_t n;     /* rows gathered */
    int64_t done; /* rows written */
    pl_buf bytes; /* of texts and blobs gathered; a slot holds its offset until bound */
    pl_buf sql;
    pl_stmt *stmt;
    size_t stmt_rows;
} bulk;

/* ---- text ---------------------------------------------------------------------- */

static void write_names(bulk *b) {
    pl_buf_str(&b->sql, "INSERT INTO ");
    if (b->t->schema) {
        pl_quote_name(b->d, &b->sql, b->t->schema);
        pl_buf_chr(&b->sql, '.');
    }
    pl_quote_name(b->d, &b->sql, b->t->name);
    for (size_t i = 0; i < b->ncolumns + b->nmade; i++) {
        pl_buf_str(&b->sql, i == 0 ? " (" : ", ");
        pl_quote_name(b->d, &b->sql, b->columns[i]->name);
    }
}

static void write_values(bulk *b) {
    for (size_t i = 0; i < b->ncolumns + b->nmade; i++) {
        pl_buf_str(&b->sql, i == 0 ? "(" : ", ");
        pl_buf_str(&b->sql, i < b->ncolumns ? "?" : b->made[i - b->ncolumns]);
    }
    pl_buf_chr(&b->sql, ')');
}

static pl_code use_statement(bulk *b, size_t rows, pl_error *err) {
    if (b->stmt && b->stmt_rows == rows)
        return PL_OK;
    pl_stmt_release(b->stmt);
    b->stmt = NULL;
    b->stmt_rows = rows;
    pl_buf_clear(&b->sql);
    write_names(b);
    bool named = b->ncolumns + b->nmade > 0;
    pl_buf_str(&b->sql, named ? ") VALUES " : " DEFAULT VALUES");
    for (size_t r = 0; r < rows && named; r++) {
        pl_buf_str(&b->sql, r == 0 ? "" : ", ");
        write_values(b);
    }
    if (!pl_buf_ok(&b->sql))
        return pl_nomem(err);
    return pl_conn_prepare(b->conn, b->sql.p, b->sql.len, true, &b->stmt, err);
}

pl_code pl_bulk_next_key(pl_conn *conn, const pl_dialect *d, const pl_table *t,
                         int64_t *next, pl_error *err) {
    const pl_column *key = t->pk[0];
    pl_slot name = pl_slot_text(t->name, strlen(t->name)), found = {0};
    bool counted = key->autoincrement || (t->flags & PL_TABLE_AUTOINCREMENT);
    pl_buf sql;
    pl_buf_init(&sql, err->texts.alloc);
    pl_buf_str(&sql, "SELECT max(coalesce((SELECT max(");
    pl_quote_name(d, &sql, key->name);
    pl_buf_str(&sql, ") FROM ");
    if (t->schema) {
        pl_quote_name(d, &sql, t->schema);
        pl_buf_chr(&sql, '.');
    }
    pl_quote_name(d, &sql, t->name);
    pl_buf_str(&sql, "), 0), ");
    if (counted) { /* keys of rows that are gone are not given again */
        pl_buf_str(&sql, "coalesce((SELECT seq FROM ");
        if (t->schema) {
            pl_quote_name(d, &sql, t->schema);
            pl_buf_chr(&sql, '.');
        }
        pl_buf_str(&sql, "sqlite_sequence WHERE name = ?), 0))");
    } else {
        pl_buf_str(&sql, "0)");
    }
    pl_code code = pl_buf_ok(&sql) ? pl_conn_scalar(conn, pl_buf_cstr(&sql), &name,
                                                    counted ? 1 : 0, NULL, &found, err)
                                   : pl_nomem(err);
    pl_buf_free(&sql);
    *next = found.tag == PL_INT ? found.v.i + 1 : 1;
    return code;
}

/* ---- rows ---------------------------------------------------------------------- */

static pl_slot *row_at(const bulk *b, size_t i) {
    return b->slots + i * b->ncolumns;
}

/* Copies the bytes of the row gathered last. */
static void keep_bytes(bulk *b) {
    pl_slot *row = row_at(b, b->n - 1);
    for (size_t i = 0; i < b->ncolumns; i++) {
        if (row[i].tag != PL_TEXT && row[i].tag != PL_BLOB)
            continue;
        size_t at = b->bytes.len;
        pl_buf_put(&b->bytes, row[i].v.s, row[i].len);
        row[i].v.i = (int64_t)at;
    }
}

/* Turns offsets into addresses, once no more bytes come. */
static void place_bytes(bulk *b) {
    for (size_t i = 0; i < b->n * b->ncolumns; i++) {
        pl_slot *s = &b->slots[i];
        if (s->tag == PL_TEXT || s->tag == PL_BLOB)
            s->v.s = s->len > 0 ? b->bytes.p + s->v.i : "";
    }
}

static pl_code write_rows(bulk *b, size_t first, size_t n, pl_error *err) {
    pl_code code = use_statement(b, n, err);
    if (code == PL_OK)
        code = pl_stmt_bind_all(b->stmt, row_at(b, first), n * b->ncolumns, err);
    if (code == PL_OK && pl_stmt_step(b->stmt, err) == PL_STEP_ERROR)
        code = err->code;
    if (code != PL_OK)
        return code;
    pl_stmt_reset(b->stmt);
    b->done += (int64_t)n;
    return PL_OK;
}

static pl_code write_singly(bulk *b, pl_error *err) {
    for (size_t i = 0; i < b->n; i++) {
        if (write_rows(b, i, 1, err) == PL_OK)
            continue;
        if (err->code != PL_ENOMEM && !err->hint)
            (void)pl_hint(err, "row %lld", (long long)b->done + 1);
        return err->code;
    }
    return PL_OK;
}

/* Writes the rows gathered. */
static pl_code write_gathered(bulk *b, pl_error *err) {
    if (!pl_buf_ok(&b->bytes))
        return pl_nomem(err);
    place_bytes(b);
    pl_code code = PL_OK;
    bool full = b->n == b->rows && b->rows > 1;
    if (full)
        code = write_rows(b, 0, b->n, err);
    if (full && pl_code_is(code, PL_EINTEGRITY))
        pl_error_clear(err);
    if (!full || pl_code_is(code, PL_EINTEGRITY))
        code = write_singly(b, err);
    b->n = 0;
    pl_buf_clear(&b->bytes);
    return code;
}

static pl_code write_all(bulk *b, int (*next)(void *, pl_slot *, pl_error *), void *ud,
                         pl_error *err) {
    int more = 1;
    while (more > 0) {
        more = next(ud, row_at(b, b->n), err);
        if (more < 0)
            return err->code != PL_OK ? err->code
                                      : pl_fail(err, PL_ERUNTIME, "no more rows");
        if (more > 0) {
            b->n++;
            keep_bytes(b);
        }
        if (b->n == b->rows || (more == 0 && b->n > 0)) {
            pl_code code = write_gathered(b, err);
            if (code != PL_OK)
                return code;
        }
    }
    return PL_OK;
}

pl_code pl_bulk_insert(pl_conn *conn, const pl_dialect *d, const pl_table *t,
                       pl_column *const *columns, size_t ncolumns,
                       const char *const *made, size_t nmade,
                       int (*next)(void *ud, pl_slot *row, pl_error *err), void *ud,
                       int64_t *count, pl_error *err) {
    enum { ROWS = 100 };
    bulk b = {.conn = conn, .d = d, .t = t, .columns = columns, .ncolumns = ncolumns};
    b.made = made;
    b.nmade = nmade;
    pl_alloc alloc = err->texts.alloc;
    size_t most = ncolumns ? (size_t)d->max_variables / ncolumns : 1;
    b.rows = most < 1 ? 1 : most > ROWS ? ROWS : most;
    size_t size = (b.rows * ncolumns + 1) * sizeof *b.slots;
    b.slots = pl_new(&alloc, size);
    *count = 0;
    if (!b.slots)
        return pl_nomem(err);
    pl_buf_init(&b.bytes, alloc);
    pl_buf_init(&b.sql, alloc);
    pl_code code = write_all(&b, next, ud, err);
    *count = b.done;
    pl_stmt_release(b.stmt);
    pl_buf_free(&b.sql);
    pl_buf_free(&b.bytes);
    pl_free(&alloc, b.slots, size);
    return code;
}
