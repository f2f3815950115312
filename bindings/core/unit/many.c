/* SPDX-License-Identifier: MIT */
/*
** many.c - telling of a statement that a flush runs for many rows.
**
** Listeners hear of such runs as of one execution with a list of parameters, before the
** first and after the last of them. So the rows are bound once more, without running,
** when somebody listens; nothing is done here when nobody does. What fails while rows are
** bound for that will fail again when they are written, and is told of then.
*/
#include "core/unit/work.h"

pl_code pl_many_row(pl_flush *f, pl_error *err) {
    size_t n;
    const pl_slot *params = pl_stmt_bound(f->stmt, &n);
    return f->hooks.row(f->hooks.ud, params, n, err);
}

pl_code pl_many_begin(pl_flush *f, uint32_t rows, bool *many, pl_error *err) {
    *many = rows > 1;
    return f->hooks.many(f->hooks.ud, *many ? pl_stmt_sql(f->stmt) : NULL, err);
}

pl_code pl_many_announce(pl_flush *f, uint32_t first, uint32_t n, pl_bind_nth bind,
                         const void *what, bool *many, pl_error *err) {
    *many = false;
    if (!f->hooks.row || n < 2)
        return PL_OK;
    for (uint32_t i = first; i < first + n; i++) {
        pl_code code = bind(f, i, what, err);
        if (code != PL_OK) {
            pl_error_clear(err);
            return pl_many_begin(f, 0, many, err);
        }
        code = pl_many_row(f, err);
        if (code != PL_OK)
            return code;
    }
    return pl_many_begin(f, n, many, err);
}

pl_code pl_many_end(pl_flush *f, bool many, pl_code code, pl_error *err) {
    if (!many)
        return code;
    if (code == PL_OK)
        return f->hooks.done(f->hooks.ud, true, err);
    (void)f->hooks.done(f->hooks.ud, false, NULL);
    return code;
}
