/* SPDX-License-Identifier: MIT */
/*
** record.c - see record.h. Called by the session when it is going to write and when it
** commits; the texts are core/sql/history.c's, the clock is read here.
*/
#include "core/unit/record.h"
#include "core/schema/temporal.h"
#include "core/sql/history.h"

#include <string.h>
#include <time.h>

typedef void (*writer)(const pl_dialect *d, const pl_metadata *md, pl_buf *out);

bool pl_record_ready(pl_conn *conn, const pl_metadata *md) {
    for (size_t i = 0; i < md->tables.n; i++) {
        const pl_table *t = md->tables.v[i];
        if (t->history && pl_conn_has_triggers(conn, t->name))
            return true;
    }
    return false;
}

/* Runs the text that `write` makes. */
static pl_code run(pl_conn *conn, const pl_dialect *d, const pl_metadata *md,
                   writer write, const pl_slot *params, size_t n, pl_error *err) {
    pl_buf sql;
    pl_stmt *stmt = NULL;
    pl_buf_init(&sql, err->texts.alloc);
    write(d, md, &sql);
    pl_code code = pl_buf_ok(&sql)
                       ? pl_conn_prepare(conn, sql.p, sql.len, true, &stmt, err)
                       : pl_nomem(err);
    if (code == PL_OK && n > 0)
        code = pl_stmt_bind_all(stmt, params, n, err);
    if (code == PL_OK && pl_stmt_step(stmt, err) == PL_STEP_ERROR)
        code = err->code;
    pl_stmt_release(stmt);
    pl_buf_free(&sql);
    return code;
}

pl_code pl_record_open(pl_conn *conn, const pl_dialect *d, const pl_metadata *md,
                       pl_slot actor, pl_slot reason, pl_error *err) {
    struct timespec now;
    char text[PL_TEMPORAL_TEXT];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    size_t len =
        pl_datetime_store((int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, text);
    pl_slot params[] = {pl_slot_text(text, len), actor, reason};
    return run(conn, d, md, pl_history_open_text, params, 3, err);
}

pl_code pl_record_close(pl_conn *conn, const pl_dialect *d, const pl_metadata *md,
                        pl_error *err) {
    pl_code code = run(conn, d, md, pl_history_discard_text, NULL, 0, err);
    if (code == PL_OK && pl_conn_changes(conn) == 0)
        code = run(conn, d, md, pl_history_close_text, NULL, 0, err);
    return code;
}

pl_code pl_record_defer(pl_conn *conn, pl_error *err) {
    return pl_conn_exec(conn, "PRAGMA defer_foreign_keys = ON", err);
}
