/* SPDX-License-Identifier: MIT */
/*
** record.h - a transaction that writes to versioned tables is put on record.
*/
#ifndef PL_RECORD_H
#define PL_RECORD_H

#include "core/driver/conn.h"
#include "core/sql/dialect.h"

/* Whether a database that has versioned tables was created with them. */
bool pl_record_ready(pl_conn *conn, const pl_metadata *md);

/* Puts the open transaction on record, once; `actor` and `reason` may be NULL slots. */
pl_code pl_record_open(pl_conn *conn, const pl_dialect *d, const pl_metadata *md,
                       pl_slot actor, pl_slot reason, pl_error *err);

/* Before COMMIT: the record is closed, or taken back when nothing was changed. */
pl_code pl_record_close(pl_conn *conn, const pl_dialect *d, const pl_metadata *md,
                        pl_error *err);

/* Foreign keys are checked when the open transaction commits, not before. */
pl_code pl_record_defer(pl_conn *conn, pl_error *err);

#endif
