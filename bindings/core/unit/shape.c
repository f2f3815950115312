/* SPDX-License-Identifier: MIT */
/*
** shape.c - the text of INSERT, UPDATE and DELETE for a set of columns, written once.
**
** A mapped table keeps the shapes met so far in the registry's arena, as they serve every
** flush to come; past a limit (a script that sets random subsets of many columns) they
** live only as long as the flush. Client defaults and onupdate values that are SQL
** expressions stand in the text itself.
*/
#include "core/unit/work.h"

#include "core/sql/compile.h"

#include <string.h>

enum { SHAPES_MAX = 64 };

/* ---- pieces of text ------------------------------------------------------------ */

void pl_text_table(const pl_dialect *d, pl_buf *out, const pl_table *t) {
    if (t->schema) {
        pl_quote_name(d, out, t->schema);
        pl_buf_chr(out, '.');
    }
    pl_quote_name(d, out, t->name);
}

static void write_column(const pl_dialect *d, pl_buf *out, const pl_table *t,
                         const pl_column *c) {
    pl_text_table(d, out, t);
    pl_buf_chr(out, '.');
    pl_quote_name(d, out, c->name);
}

void pl_text_where(const pl_dialect *d, pl_buf *out, const pl_table *t,
                   pl_column *const *columns, size_t n) {
    for (size_t i = 0; i < n; i++) {
        pl_buf_str(out, i == 0 ? " WHERE " : " AND ");
        write_column(d, out, t, columns[i]);
        pl_buf_str(out, " = ?");
    }
}

void pl_text_rows(pl_buf *out, size_t nrows, size_t ncolumns) {
    for (size_t r = 0; r < nrows; r++) {
        pl_buf_str(out, r == 0 ? "(" : ", (");
        for (size_t c = 0; c < ncolumns; c++)
            pl_buf_str(out, c == 0 ? "?" : ", ?");
        pl_buf_chr(out, ')');
    }
}

/* ---- finding and keeping shapes ------------------------------------------------ */

static pl_shape *find(const pl_flush *f, const pl_mapped_table *mt, pl_flush_op op,
                      const uint64_t *bits, bool version) {
    size_t bytes = pl_bit_words(mt->ncolumns) * sizeof *bits;
    for (pl_shape *s = mt->shapes; s; s = s->next)
        if (s->op == op && s->dialect == f->dialect && s->version == version &&
            memcmp(s->bits, bits, bytes) == 0)
            return s;
    return NULL;
}

static pl_arena *arena_of(pl_flush *f, const pl_mapped_table *mt, bool kept) {
    return kept ? &mt->table->metadata->arena : &f->arena;
}

/* An empty shape with room for all columns in each list. */
static pl_shape *make(pl_flush *f, const pl_mapped_table *mt, pl_flush_op op,
                      const uint64_t *bits) {
    size_t words = pl_bit_words(mt->ncolumns);
    bool kept = mt->nshapes < SHAPES_MAX;
    pl_arena *a = arena_of(f, mt, kept);
    pl_shape *s = pl_arena_get(a, sizeof *s + words * sizeof *bits);
    uint16_t *lists = pl_arena_array(a, (size_t)mt->ncolumns * 3 + 1, sizeof *lists);
    if (!s || !lists)
        return NULL;
    s->dialect = f->dialect;
    s->op = (uint8_t)op;
    s->kept = kept;
    s->rows = 1;
    s->nwords = words;
    s->bind = lists;
    s->back = lists + mt->ncolumns;
    s->null = lists + 2 * (size_t)mt->ncolumns;
    memcpy(s->bits, bits, words * sizeof *bits);
    return s;
}

/* Gives the shape its text and puts it in front of the table's; frees the buffer. */
static pl_shape *keep(pl_flush *f, pl_mapped_table *mt, pl_shape *s, pl_buf *out,
                      pl_code code, pl_error *err) {
    if (code == PL_OK && pl_buf_ok(out))
        s->sql = pl_arena_copy(arena_of(f, mt, s->kept), out->p, out->len);
    s->len = (uint32_t)out->len;
    pl_buf_free(out);
    if (code != PL_OK)
        return NULL;
    if (!s->sql) {
        (void)pl_nomem(err);
        return NULL;
    }
    if (s->kept) {
        s->next = mt->shapes;
        mt->shapes = s;
        mt->nshapes++;
    }
    return s;
}

/* ---- INSERT -------------------------------------------------------------------- */

/* Which columns are bound, computed by the database, or left to be NULL. */
static void sort_columns(const pl_mapped_table *mt, pl_shape *s) {
    s->keyed = true;
    for (uint16_t i = 0; i < mt->ncolumns; i++) {
        uint8_t traits = mt->traits[i];
        uint16_t slot = mt->slots[i];
        if (slot == PL_NO_SLOT)
            continue;
        if (pl_bit(s->bits, i))
            s->bind[s->nbind++] = slot;
        else if (traits & PL_COL_AUTO)
            s->keyed = false;
        else if (traits & (PL_COL_SERVER | PL_COL_DEFAULT))
            s->back[s->nback++] = slot;
        else
            s->null[s->nnull++] = slot;
    }
}

/* A column left out whose default is an SQL expression. */
static bool is_inline(const pl_mapped_table *mt, const uint64_t *bits, uint16_t i) {
    return !pl_bit(bits, i) && mt->slots[i] != PL_NO_SLOT &&
           (mt->traits[i] & PL_COL_DEFAULT) &&
           mt->table->columns[i]->dflt.kind == PL_D_EXPR;
}

static bool write_names(const pl_dialect *d, pl_buf *out, const pl_mapped_table *mt,
                        const uint64_t *bits) {
    const char *before = " (";
    for (uint16_t i = 0; i < mt->ncolumns; i++) {
        if (!pl_bit(bits, i) && !is_inline(mt, bits, i))
            continue;
        pl_buf_str(out, before);
        pl_quote_name(d, out, mt->table->columns[i]->name);
        before = ", ";
    }
    return before[0] == ',';
}

static pl_code write_row(const pl_dialect *d, pl_buf *out, const pl_mapped_table *mt,
                         const uint64_t *bits, pl_error *err) {
    const char *before = "(";
    for (uint16_t i = 0; i < mt->ncolumns; i++) {
        bool written = is_inline(mt, bits, i);
        if (!pl_bit(bits, i) && !written)
            continue;
        pl_buf_str(out, before);
        before = ", ";
        if (!written) {
            pl_buf_chr(out, '?');
            continue;
        }
        pl_node *n = (pl_node *)mt->table->columns[i]->dflt.node;
        pl_code code = pl_compile_inline(d, n, out, err);
        if (code != PL_OK)
            return code;
    }
    pl_buf_chr(out, ')');
    return PL_OK;
}

/* With the key behind them when rows must be told apart. */
static void write_returning(const pl_dialect *d, pl_buf *out, const pl_mapped_table *mt,
                            const pl_shape *s, bool key) {
    uint16_t n = 0;
    for (uint16_t i = 0; i < mt->ncolumns && n < s->nback; i++) {
        if (mt->slots[i] != s->back[n] || pl_bit(s->bits, i))
            continue;
        pl_buf_str(out, n++ == 0 ? " RETURNING " : ", ");
        pl_quote_name(d, out, mt->table->columns[i]->name);
    }
    for (size_t i = 0; key && n > 0 && i < mt->table->npk; i++) {
        pl_buf_str(out, ", ");
        pl_quote_name(d, out, mt->table->pk[i]->name);
    }
}

static pl_code write_insert(const pl_flush *f, pl_buf *out, const pl_mapped_table *mt,
                            const pl_shape *s, size_t nrows, pl_error *err) {
    pl_buf_str(out, "INSERT INTO ");
    pl_text_table(f->dialect, out, mt->table);
    pl_code code = PL_OK;
    if (!write_names(f->dialect, out, mt, s->bits)) {
        pl_buf_str(out, " DEFAULT VALUES");
    } else {
        pl_buf_str(out, ") VALUES ");
        for (size_t i = 0; i < nrows && code == PL_OK; i++) {
            if (i > 0)
                pl_buf_str(out, ", ");
            code = write_row(f->dialect, out, mt, s->bits, err);
        }
    }
    write_returning(f->dialect, out, mt, s, nrows > 1);
    return code;
}

/* How many rows one statement takes; one when the database makes a key in its own way. */
static uint16_t rows_of(const pl_flush *f, const pl_mapped_table *mt, const pl_shape *s) {
    for (uint16_t i = 0; i < s->nback; i++)
        for (size_t k = 0; k < mt->table->npk; k++)
            if (s->back[i] == mt->pk[k])
                return 1;
    if (s->nbind == 0)
        return 1;
    int most = f->dialect->max_variables / s->nbind;
    return (uint16_t)(most < 1 ? 1 : most > PL_ROWS ? PL_ROWS : most);
}

pl_shape *pl_shape_insert(pl_flush *f, pl_mapped_table *mt, const uint64_t *bits,
                          pl_error *err) {
    pl_shape *s = find(f, mt, PL_FLUSH_INSERT, bits, false);
    if (s)
        return s;
    s = make(f, mt, PL_FLUSH_INSERT, bits);
    if (!s) {
        (void)pl_nomem(err);
        return NULL;
    }
    sort_columns(mt, s);
    s->rows = rows_of(f, mt, s);
    pl_buf out;
    pl_buf_init(&out, f->alloc);
    pl_code code = write_insert(f, &out, mt, s, 1, err);
    return keep(f, mt, s, &out, code, err);
}

/* ---- UPDATE -------------------------------------------------------------------- */

/* Columns that an UPDATE sets by an SQL expression of its own. */
static pl_code write_onupdate(const pl_flush *f, pl_buf *out, const pl_mapped_table *mt,
                              pl_shape *s, const char **before, pl_error *err) {
    for (uint16_t i = 0; i < mt->ncolumns; i++) {
        const pl_column *c = mt->table->columns[i];
        if (pl_bit(s->bits, i) || mt->slots[i] == PL_NO_SLOT ||
            !(mt->traits[i] & (PL_COL_ONUPDATE | PL_COL_RESERVER)))
            continue;
        s->back[s->nback++] = mt->slots[i];
        if (c->onupdate.kind != PL_D_EXPR)
            continue;
        pl_buf_str(out, *before);
        *before = ", ";
        pl_quote_name(f->dialect, out, c->name);
        pl_buf_chr(out, '=');
        pl_code code =
            pl_compile_inline(f->dialect, (pl_node *)c->onupdate.node, out, err);
        if (code != PL_OK)
            return code;
    }
    return PL_OK;
}

static pl_code write_update(const pl_flush *f, pl_buf *out, const pl_mapped_table *mt,
                            pl_shape *s, const pl_column *version, pl_error *err) {
    const char *before = " SET ";
    pl_buf_str(out, "UPDATE ");
    pl_text_table(f->dialect, out, mt->table);
    for (uint16_t i = 0; i < mt->ncolumns; i++) {
        if (!pl_bit(s->bits, i))
            continue;
        s->bind[s->nbind++] = mt->slots[i];
        pl_buf_str(out, before);
        before = ", ";
        pl_quote_name(f->dialect, out, mt->table->columns[i]->name);
        pl_buf_str(out, "=?");
    }
    pl_code code = write_onupdate(f, out, mt, s, &before, err);
    if (version) {
        pl_buf_str(out, before);
        pl_quote_name(f->dialect, out, version->name);
        pl_buf_str(out, "=?");
    }
    pl_text_where(f->dialect, out, mt->table, mt->table->pk, mt->table->npk);
    if (version) {
        pl_buf_str(out, " AND ");
        write_column(f->dialect, out, mt->table, version);
        pl_buf_str(out, " = ?");
    }
    return code;
}

pl_shape *pl_shape_update(pl_flush *f, pl_mapped_table *mt, const uint64_t *bits,
                          const pl_column *version, pl_error *err) {
    pl_shape *s = find(f, mt, PL_FLUSH_UPDATE, bits, version != NULL);
    if (s)
        return s;
    s = make(f, mt, PL_FLUSH_UPDATE, bits);
    if (!s) {
        (void)pl_nomem(err);
        return NULL;
    }
    s->version = version != NULL;
    pl_buf out;
    pl_buf_init(&out, f->alloc);
    pl_code code = write_update(f, &out, mt, s, version, err);
    return keep(f, mt, s, &out, code, err);
}

/* ---- DELETE -------------------------------------------------------------------- */

static void write_delete(const pl_flush *f, pl_buf *out, const pl_mapped_table *mt,
                         const pl_column *version) {
    const pl_table *t = mt->table;
    pl_buf_str(out, "DELETE FROM ");
    pl_text_table(f->dialect, out, t);
    pl_text_where(f->dialect, out, t, t->pk, t->npk);
    if (version) {
        pl_buf_str(out, " AND ");
        write_column(f->dialect, out, t, version);
        pl_buf_str(out, " = ?");
    }
}

static void write_delete_keys(const pl_flush *f, pl_buf *out, const pl_mapped_table *mt,
                              size_t n) {
    pl_buf_str(out, "DELETE FROM ");
    pl_text_table(f->dialect, out, mt->table);
    pl_buf_str(out, " WHERE ");
    write_column(f->dialect, out, mt->table, mt->table->pk[0]);
    pl_buf_str(out, " IN ");
    pl_text_rows(out, 1, n);
}

pl_shape *pl_shape_delete(pl_flush *f, pl_mapped_table *mt, const pl_column *version,
                          pl_error *err) {
    memset(f->bits, 0, pl_bit_words(mt->ncolumns) * sizeof *f->bits);
    pl_shape *s = find(f, mt, PL_FLUSH_DELETE, f->bits, version != NULL);
    if (s)
        return s;
    s = make(f, mt, PL_FLUSH_DELETE, f->bits);
    if (!s) {
        (void)pl_nomem(err);
        return NULL;
    }
    s->version = version != NULL;
    s->rows = !version && mt->table->npk == 1 ? PL_KEYS : 1;
    pl_buf out;
    pl_buf_init(&out, f->alloc);
    write_delete(f, &out, mt, version);
    return keep(f, mt, s, &out, PL_OK, err);
}

/* ---- many rows ----------------------------------------------------------------- */

pl_code pl_shape_multi(pl_flush *f, const pl_mapped_table *mt, pl_shape *s,
                       pl_error *err) {
    if (s->multi)
        return PL_OK;
    pl_buf out;
    pl_buf_init(&out, f->alloc);
    pl_code code = PL_OK;
    if (s->op == PL_FLUSH_INSERT)
        code = write_insert(f, &out, mt, s, s->rows, err);
    else
        write_delete_keys(f, &out, mt, s->rows);
    if (code == PL_OK && pl_buf_ok(&out))
        s->multi = pl_arena_copy(arena_of(f, mt, s->kept), out.p, out.len);
    s->multi_len = (uint32_t)out.len;
    pl_buf_free(&out);
    return code != PL_OK ? code : s->multi ? PL_OK : pl_nomem(err);
}
