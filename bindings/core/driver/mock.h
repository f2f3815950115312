/* SPDX-License-Identifier: MIT */
/*
** mock.h - a driver without a database: it records what runs and plays scripted rows.
**
** For C tests of the floors above. A pl_mock belongs to the test; open a connection on it
** with pl_mock_open. Each execution is a line of the log, "SQL" or "SQL -- (1, 'a')" with
** the parameters. A script is found by a part of the SQL text and played once; a
** statement without one yields no rows. Texts given to the mock are borrowed until
** its end.
**
** What it pretends: INSERT counts last_id up, a change each; BEGIN, COMMIT and ROLLBACK
** open and close the transaction; SELECT, PRAGMA and WITH are read-only. A text is one
** statement, whatever semicolons it has.
*/
#ifndef PL_MOCK_H
#define PL_MOCK_H

#include "core/base/buf.h"
#include "core/base/vec.h"
#include "core/driver/conn.h"

typedef struct pl_mock_script {
    const char *part; /* of the SQL text */
    const char *const *names;
    int ncolumns;
    const pl_slot *rows; /* nrows * ncolumns, borrowed */
    size_t nrows;
    pl_code code; /* not PL_OK: the execution fails */
    int db_code;
    const char *message;
    int64_t changes; /* -1: the usual */
    bool lost;       /* the failure ends the transaction */
    bool played;
} pl_mock_script;

typedef struct pl_mock {
    pl_alloc alloc;
    pl_buf log;
    pl_vec scripts; /* pl_mock_script *, in order of coming */
    int executions;
    int statements; /* prepared and not finalized */
    int connections;
    int64_t last_id;
    int64_t changes;
    int64_t total_changes;
    int64_t data_version;
    bool in_transaction;
    bool triggers; /* what has_triggers says */
    pl_conn_hooks hooks;
} pl_mock;

extern const pl_driver pl_driver_mock;

void pl_mock_init(pl_mock *m, pl_alloc alloc);
void pl_mock_free(pl_mock *m);

/* A connection on the mock. */
pl_code pl_mock_open(pl_mock *m, pl_conn **out, pl_error *err);

/*
** Scripts the next execution whose SQL contains `part`: rows to play, a failure, the
** number of changed rows. False when memory is short.
*/
bool pl_mock_rows(pl_mock *m, const char *part, const char *const *names, int ncolumns,
                  const pl_slot *rows, size_t nrows);
bool pl_mock_fail(pl_mock *m, const char *part, pl_code code, int db_code,
                  const char *message, bool lost);
bool pl_mock_changes(pl_mock *m, const char *part, int64_t changes);

/* The lines so far; valid until the next execution. */
const char *pl_mock_log(const pl_mock *m);
void pl_mock_clear_log(pl_mock *m);

#endif
