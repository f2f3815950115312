/* SPDX-License-Identifier: MIT */
/*
** params.c - parameters of a statement as people read them in errors and logs.
**
** Long values show both ends, long lists too, so that a message stays a message. Text
** that is cut is cut between characters. Memory is the caller's arena.
*/
#include "core/driver/conn.h"

#include "core/base/buf.h"

#include <inttypes.h>

enum { TEXT_MOST = 300, LIST_MOST = 100, BYTES_MOST = 32 };

/* Moves i back to the first byte of a character. */
static size_t character_start(const char *s, size_t i) {
    while (i > 0 && ((unsigned char)s[i] & 0xc0) == 0x80)
        i--;
    return i;
}

static void put_escaped(pl_buf *b, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '\'' || c == '\\')
            pl_buf_fmt(b, "\\%c", c);
        else if (c == '\n')
            pl_buf_str(b, "\\n");
        else if (c < ' ' || c == 0x7f)
            pl_buf_fmt(b, "\\x%02x", c);
        else
            pl_buf_chr(b, (char)c);
    }
}

static void put_text(pl_buf *b, const char *s, size_t n) {
    pl_buf_chr(b, '\'');
    if (n <= TEXT_MOST) {
        put_escaped(b, s, n);
    } else {
        size_t head = character_start(s, TEXT_MOST / 2);
        size_t tail = character_start(s, n - TEXT_MOST / 2);
        put_escaped(b, s, head);
        pl_buf_fmt(b, " ... (%zu bytes) ... ", tail - head);
        put_escaped(b, s + tail, n - tail);
    }
    pl_buf_chr(b, '\'');
}

static void put_blob(pl_buf *b, const char *s, size_t n) {
    pl_buf_str(b, "x'");
    for (size_t i = 0; i < n && i < BYTES_MOST; i++)
        pl_buf_fmt(b, "%02x", (unsigned)(unsigned char)s[i]);
    pl_buf_chr(b, '\'');
    if (n > BYTES_MOST)
        pl_buf_fmt(b, "... (%zu bytes)", n);
}

static void put_value(pl_buf *b, const pl_slot *v) {
    switch (v->tag) {
    case PL_INT: pl_buf_fmt(b, "%" PRId64, v->v.i); break;
    case PL_REAL: pl_buf_fmt(b, "%.17g", v->v.r); break;
    case PL_TEXT: put_text(b, v->v.s, v->len); break;
    case PL_BLOB: put_blob(b, v->v.s, v->len); break;
    case PL_EXPR: pl_buf_str(b, "<expression>"); break;
    default: pl_buf_str(b, "NULL"); break;
    }
}

char *pl_params_text(const pl_slot *params, size_t n, pl_arena *arena) {
    if (n == 0)
        return NULL;
    pl_buf b;
    pl_buf_init(&b, arena->alloc);
    for (size_t i = 0; i < n; i++) {
        pl_buf_str(&b, i == 0 ? "(" : ", ");
        if (n > LIST_MOST && i == LIST_MOST / 2) {
            i = n - LIST_MOST / 2;
            pl_buf_fmt(&b, "... %zu more ..., ", i - LIST_MOST / 2);
        }
        put_value(&b, &params[i]);
    }
    pl_buf_chr(&b, ')');
    char *text = pl_buf_ok(&b) ? pl_arena_str(arena, pl_buf_cstr(&b)) : NULL;
    pl_buf_free(&b);
    return text;
}
