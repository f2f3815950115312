/* SPDX-License-Identifier: MIT */
/*
** type.c - the plain types and the check of a value against a type.
**
** Called by the glue whenever an attribute is set, and by flush for defaults. Nothing is
** allocated but the texts of an error. What a value looks like in Lua is not known here:
** dates, decimals and JSON arrive as the storage text that the glue made of them.
*/
#include "core/schema/type.h"

#include "core/base/utf8.h"

#include <math.h>
#include <stdio.h>

static const struct {
    pl_type type;
    const char *name;
} plain[] = {
#define X(k, n) {{.kind = (k), .scale = -1}, n},
    PL_KIND_MAP(X)
#undef X
};

const pl_type *pl_type_plain(pl_kind kind) {
    return &plain[kind < PL_KIND_COUNT ? kind : PL_K_ANY].type;
}

const char *pl_kind_name(pl_kind kind) {
    return plain[kind < PL_KIND_COUNT ? kind : PL_K_ANY].name;
}

pl_kind pl_kind_named(const char *name) {
    int k = 0;
    while (k < PL_KIND_COUNT && strcmp(plain[k].name, name) != 0)
        k++;
    return (pl_kind)k;
}

const pl_type *pl_type_storage(const pl_type *t) {
    while (t->kind == PL_K_CUSTOM && t->base)
        t = t->base;
    return t;
}

const pl_type *pl_type_computed(const pl_type *t) {
    return t && t->kind == PL_K_SMALLINT ? pl_type_plain(PL_K_INTEGER) : t;
}

bool pl_type_is_integer(const pl_type *t) {
    pl_kind k = pl_type_storage(t)->kind;
    return k == PL_K_INTEGER || k == PL_K_SMALLINT || k == PL_K_BIGINT;
}

bool pl_type_is_text(const pl_type *t) {
    switch (pl_type_storage(t)->kind) {
    case PL_K_STRING:
    case PL_K_TEXT:
    case PL_K_UNICODE:
    case PL_K_UNICODETEXT:
    case PL_K_ENUM: return true;
    default: return false;
    }
}

/* ---- what a message shows ---- */

enum { SHOWN = 40, SHOWN_MAX = SHOWN + 32 };

/* The value as a message names it: text 'abc', integer 5, 12 bytes of binary. */
static const char *show(const pl_slot *v, char out[SHOWN_MAX]) {
    size_t n = v->len;
    switch (v->tag) {
    case PL_INT: snprintf(out, SHOWN_MAX, "%lld", (long long)v->v.i); break;
    case PL_REAL: snprintf(out, SHOWN_MAX, "%.17g", v->v.r); break;
    case PL_BLOB: snprintf(out, SHOWN_MAX, "%zu bytes of binary", n); break;
    case PL_TEXT:
        if (n > 0 && pl_utf8_len(v->v.s, n) < 0)
            return snprintf(out, SHOWN_MAX, "%zu bytes that are not UTF-8", n), out;
        while (n > SHOWN || (n < v->len && ((unsigned char)v->v.s[n] & 0xc0) == 0x80))
            n--;
        snprintf(out, SHOWN_MAX, "text '%.*s%s'", (int)n, n > 0 ? v->v.s : "",
                 n < v->len ? "..." : "");
        break;
    default: snprintf(out, SHOWN_MAX, "nothing"); break;
    }
    return out;
}

static pl_code expected(const char *what, const pl_slot *v, const char *where,
                        pl_code code, pl_error *err) {
    char shown[SHOWN_MAX];
    return pl_fail(err, code, "%s: expected %s, got %s", where, what, show(v, shown));
}

/* ---- one check for each family of kinds ---- */

/* Whether a real has an integer's value; turns it into one. */
static bool to_integer(pl_slot *v) {
    if (v->tag == PL_INT)
        return true;
    if (v->tag != PL_REAL || floor(v->v.r) != v->v.r)
        return false;
    double limit = 9223372036854775808.0;
    if (v->v.r < -limit || v->v.r >= limit)
        return false;
    v->v.i = (int64_t)v->v.r;
    v->tag = PL_INT;
    return true;
}

static pl_code check_integer(const pl_type *t, pl_slot *v, const char *where,
                             pl_error *err) {
    if (!to_integer(v))
        return expected("an integer", v, where, v->tag == PL_REAL ? PL_EVALUE : PL_ETYPE,
                        err);
    if (t->kind == PL_K_SMALLINT && (v->v.i < INT16_MIN || v->v.i > INT16_MAX))
        return pl_fail(err, PL_EVALUE,
                       "%s: %lld is out of range for SmallInteger (-32768 to 32767)",
                       where, (long long)v->v.i);
    return PL_OK;
}

static pl_code check_boolean(const pl_type *t, pl_slot *v, const char *where,
                             pl_error *err) {
    (void)t;
    pl_slot given = *v;
    bool number = to_integer(v);
    if (number && (v->v.i == 0 || v->v.i == 1))
        return PL_OK;
    return expected("true or false", &given, where, number ? PL_EVALUE : PL_ETYPE, err);
}

static pl_code check_real(const pl_type *t, pl_slot *v, const char *where,
                          pl_error *err) {
    if ((t->flags & PL_TYPE_ASDECIMAL) && v->tag == PL_TEXT)
        return PL_OK;
    if (v->tag == PL_INT) {
        v->v.r = (double)v->v.i;
        v->tag = PL_REAL;
    }
    if (v->tag != PL_REAL)
        return expected("a number", v, where, PL_ETYPE, err);
    if (isnan(v->v.r))
        return pl_fail(err, PL_EVALUE, "%s: NaN cannot be stored", where);
    return PL_OK;
}

static pl_code check_text(const pl_type *t, pl_slot *v, const char *where,
                          pl_error *err) {
    if (v->tag != PL_TEXT)
        return expected("text", v, where, PL_ETYPE, err);
    int64_t n = v->len > 0 ? pl_utf8_len(v->v.s, v->len) : 0;
    if (n < 0) {
        pl_code code = pl_fail(err, PL_EVALUE, "%s: the text is not valid UTF-8", where);
        if (err)
            pl_hint(err, "bytes that are not text belong into a LargeBinary column");
        return code;
    }
    if (t->length > 0 && n > t->length)
        return pl_fail(err, PL_EVALUE, "%s: %lld characters are too many for %s(%d)",
                       where, (long long)n, pl_kind_name(t->kind), t->length);
    return PL_OK;
}

static pl_code check_binary(const pl_type *t, pl_slot *v, const char *where,
                            pl_error *err) {
    if (v->tag != PL_BLOB && v->tag != PL_TEXT)
        return expected("a string of bytes", v, where, PL_ETYPE, err);
    v->tag = PL_BLOB;
    if (t->length > 0 && v->len > (uint32_t)t->length)
        return pl_fail(err, PL_EVALUE, "%s: %u bytes are too many for LargeBinary(%d)",
                       where, v->len, t->length);
    return PL_OK;
}

/* Dates, decimals and JSON: the glue has made storage text or a number of them. */
static pl_code check_prepared(const pl_type *t, pl_slot *v, const char *where,
                              pl_error *err) {
    if (v->tag == PL_BLOB)
        return expected(pl_kind_name(t->kind), v, where, PL_ETYPE, err);
    if (v->tag == PL_REAL && isnan(v->v.r))
        return pl_fail(err, PL_EVALUE, "%s: NaN cannot be stored", where);
    return PL_OK;
}

static pl_code check_uuid(const pl_type *t, pl_slot *v, const char *where,
                          pl_error *err) {
    (void)t;
    if (v->tag != PL_TEXT)
        return expected("a UUID", v, where, PL_ETYPE, err);
    bool hex = v->len == 32;
    for (size_t i = 0; hex && i < 32; i++)
        hex = strchr("0123456789abcdefABCDEF", v->v.s[i]) && v->v.s[i] != '\0';
    return hex ? PL_OK : expected("a UUID (32 hex digits)", v, where, PL_EVALUE, err);
}

/* "did you mean" for a word that an Enum does not have. */
static void suggest_word(const pl_type *t, const pl_slot *v, pl_error *err) {
    const char **words = pl_arena_array(&err->texts, t->nwords + 1, sizeof *words);
    const char *word = pl_arena_copy(&err->texts, v->v.s, v->len);
    if (!words || !word)
        return;
    if (t->nwords > 0)
        memcpy(words, t->words, t->nwords * sizeof *words);
    const char *nearest = pl_nearest(word, words);
    if (nearest)
        pl_hint(err, "did you mean '%s'?", nearest);
}

/* The words of an Enum as a list; NULL when memory is short. */
static const char *list_words(const pl_type *t, pl_error *err) {
    const char *list = "";
    for (size_t i = 0; i < t->nwords && list; i++)
        list =
            pl_arena_fmt(&err->texts, "%s%s'%s'", list, i > 0 ? ", " : "", t->words[i]);
    return list;
}

static pl_code check_enum(const pl_type *t, pl_slot *v, const char *where,
                          pl_error *err) {
    if (v->tag != PL_TEXT)
        return expected("an Enum word", v, where, PL_ETYPE, err);
    for (size_t i = 0; i < t->nwords; i++)
        if (strlen(t->words[i]) == v->len &&
            (v->len == 0 || memcmp(t->words[i], v->v.s, v->len) == 0))
            return PL_OK;
    if (!err)
        return PL_EVALUE;
    char shown[SHOWN_MAX];
    const char *list = list_words(t, err);
    if (!list)
        return pl_nomem(err);
    pl_code code =
        pl_fail(err, PL_EVALUE, "%s: %s is not one of %s", where, show(v, shown), list);
    suggest_word(t, v, err);
    return code;
}

typedef pl_code (*check_fn)(const pl_type *t, pl_slot *v, const char *where,
                            pl_error *err);

static const check_fn checks[PL_KIND_COUNT] = {
    [PL_K_INTEGER] = check_integer,   [PL_K_SMALLINT] = check_integer,
    [PL_K_BIGINT] = check_integer,    [PL_K_STRING] = check_text,
    [PL_K_TEXT] = check_text,         [PL_K_UNICODE] = check_text,
    [PL_K_UNICODETEXT] = check_text,  [PL_K_BOOLEAN] = check_boolean,
    [PL_K_FLOAT] = check_real,        [PL_K_DOUBLE] = check_real,
    [PL_K_NUMERIC] = check_prepared,  [PL_K_DATE] = check_prepared,
    [PL_K_TIME] = check_prepared,     [PL_K_DATETIME] = check_prepared,
    [PL_K_INTERVAL] = check_prepared, [PL_K_BINARY] = check_binary,
    [PL_K_JSON] = check_prepared,     [PL_K_ENUM] = check_enum,
    [PL_K_UUID] = check_uuid,
};

pl_code pl_type_check(const pl_type *t, pl_slot *value, const char *where,
                      pl_error *err) {
    if (value->tag == PL_NULL || value->tag == PL_UNSET || value->tag == PL_EXPR)
        return PL_OK;
    t = pl_type_storage(t);
    return checks[t->kind] ? checks[t->kind](t, value, where, err) : PL_OK;
}
