/* SPDX-License-Identifier: MIT */
/*
** create.h - making and dropping the tables of a metadata on a connection.
*/
#ifndef PL_CREATE_H
#define PL_CREATE_H

#include "core/driver/conn.h"
#include "core/schema/schema.h"
#include "core/sql/dialect.h"

/*
** Creates, in order of dependency, the tables of `wanted` (NULL: all) that are not there;
** `made` gets them. Runs in the caller's transaction.
*/
pl_code pl_create_all(pl_conn *conn, const pl_dialect *d, pl_metadata *md,
                      const pl_vec *wanted, pl_vec *made, pl_error *err);

/* Drops those that are there, dependants first; `dropped` gets them. Foreign keys are
** checked at the end of the transaction only, so cycles and rows are no obstacle. */
pl_code pl_drop_all(pl_conn *conn, const pl_dialect *d, pl_metadata *md,
                    const pl_vec *wanted, pl_vec *dropped, pl_error *err);

/* CREATE text of the tables in order, one statement a line group, for printing. */
pl_code pl_create_text(const pl_dialect *d, pl_metadata *md, pl_buf *out, pl_error *err);

#endif
