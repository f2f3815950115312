/* SPDX-License-Identifier: MIT */
/*
** error.c - see error.h.
*/
#include "core/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    pl_code parent;
} classes[] = {{"", PL_OK},
#define X(code, name, parent) {name, parent},
               PL_ERROR_MAP(X)
#undef X
};

void pl_error_init(pl_error *e, pl_alloc alloc) {
    memset(e, 0, sizeof *e);
    pl_arena_init(&e->texts, alloc);
}

void pl_error_clear(pl_error *e) {
    pl_alloc alloc = e->texts.alloc;
    pl_arena_free(&e->texts);
    pl_error_init(e, alloc);
}

static const char *format(pl_error *e, const char *fmt, va_list ap) {
    va_list measure;
    va_copy(measure, ap);
    int n = vsnprintf(NULL, 0, fmt, measure);
    va_end(measure);
    char *p = n < 0 ? NULL : pl_arena_get(&e->texts, (size_t)n + 1);
    if (p)
        (void)vsnprintf(p, (size_t)n + 1, fmt, ap);
    return p;
}

pl_code pl_fail(pl_error *e, pl_code code, const char *fmt, ...) {
    if (!e)
        return code;
    if (e->code != PL_OK)
        return e->code;
    va_list ap;
    va_start(ap, fmt);
    e->message = format(e, fmt, ap);
    va_end(ap);
    if (!e->message)
        return pl_nomem(e);
    e->code = code;
    return code;
}

pl_code pl_hint(pl_error *e, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    e->hint = format(e, fmt, ap);
    va_end(ap);
    return e->code;
}

const char *pl_error_text(pl_error *e, const char *s) {
    return s ? pl_arena_str(&e->texts, s) : NULL;
}

pl_code pl_nomem(pl_error *e) {
    e->code = PL_ENOMEM;
    e->message = "not enough memory";
    return e->code;
}

const char *pl_code_name(pl_code code) {
    return code < PL_ECOUNT ? classes[code].name : "";
}

pl_code pl_code_parent(pl_code code) {
    return code < PL_ECOUNT ? classes[code].parent : PL_OK;
}

bool pl_code_is(pl_code code, pl_code base) {
    while (code != PL_OK && code != base)
        code = pl_code_parent(code);
    return code == base && code != PL_OK;
}

pl_code pl_code_named(const char *name) {
    for (int i = 1; i < PL_ECOUNT; i++)
        if (strcmp(classes[i].name, name) == 0)
            return (pl_code)i;
    return PL_OK;
}
