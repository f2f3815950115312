/* SPDX-License-Identifier: MIT */
/*
** dialect.c - names, string literals and values as SQL text, for any dialect.
**
** Values are written out only where SQL knows no parameters (defaults, CHECK, indexes)
** and where a script asks to see a statement with its values; never to run a query.
*/
#include "core/sql/dialect.h"

#include "core/base/double.h"

#include <math.h>
#include <stdlib.h>

static int compare_word(const void *key, const void *word) {
    return strcmp(key, *(const char *const *)word);
}

/* Lower-case letters, digits, '_' and '$', not beginning with a digit or '$'. */
static bool is_plain_name(const char *s) {
    if (*s == '\0' || *s == '$' || (*s >= '0' && *s <= '9'))
        return false;
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '_' ||
              *s == '$'))
            return false;
    return true;
}

void pl_quote_name(const pl_dialect *d, pl_buf *out, const char *name) {
    if (is_plain_name(name) &&
        !bsearch(name, d->reserved, d->nreserved, sizeof *d->reserved, compare_word)) {
        pl_buf_str(out, name);
        return;
    }
    pl_buf_chr(out, '"');
    for (; *name; name++) {
        if (*name == '"')
            pl_buf_chr(out, '"');
        pl_buf_chr(out, *name);
    }
    pl_buf_chr(out, '"');
}

void pl_quote_text(pl_buf *out, const char *s, size_t len) {
    pl_buf_chr(out, '\'');
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\'')
            pl_buf_chr(out, '\'');
        pl_buf_chr(out, s[i]);
    }
    pl_buf_chr(out, '\'');
}

static void write_hex(pl_buf *out, const char *s, size_t len) {
    pl_buf_str(out, "X'");
    for (size_t i = 0; i < len; i++)
        pl_buf_fmt(out, "%02X", (unsigned char)s[i]);
    pl_buf_chr(out, '\'');
}

static void write_real(pl_buf *out, double r) {
    char digits[PL_DOUBLE_TEXT];
    if (isnan(r))
        pl_buf_str(out, "NULL");
    else if (isinf(r))
        pl_buf_str(out, r < 0 ? "-9e999" : "9e999");
    else
        pl_buf_put(out, digits, pl_double_repr(r, digits));
}

void pl_write_literal(const pl_dialect *d, pl_buf *out, const pl_slot *value) {
    (void)d;
    switch (value->tag) {
    case PL_INT: pl_buf_int(out, value->v.i); break;
    case PL_REAL: write_real(out, value->v.r); break;
    case PL_TEXT:
        if (value->len == 0 || !memchr(value->v.s, '\0', value->len)) {
            pl_quote_text(out, value->v.s, value->len);
            break;
        }
        pl_buf_str(out, "CAST(");
        write_hex(out, value->v.s, value->len);
        pl_buf_str(out, " AS TEXT)");
        break;
    case PL_BLOB: write_hex(out, value->v.s, value->len); break;
    default: pl_buf_str(out, "NULL"); break;
    }
}
