/* SPDX-License-Identifier: MIT */
/*
** ddl.h - CREATE and DROP text for tables and indexes, equal in meaning to SQLAlchemy's.
*/
#ifndef PL_DDL_H
#define PL_DDL_H

#include "core/sql/dialect.h"

/* CREATE TABLE with constraints; foreign keys inline. Nothing for a virtual table: its
 * `ddl` makes it. */
pl_code pl_ddl_create_table(const pl_dialect *d, const pl_table *t, pl_buf *out,
                            pl_error *err);
pl_code pl_ddl_create_index(const pl_dialect *d, const pl_index *ix, pl_buf *out,
                            pl_error *err);
void pl_ddl_drop_table(const pl_dialect *d, const pl_table *t, pl_buf *out);
void pl_ddl_drop_index(const pl_dialect *d, const pl_index *ix, pl_buf *out);

/* The definition of one column as it stands in CREATE TABLE (for ADD COLUMN). */
pl_code pl_ddl_column(const pl_dialect *d, const pl_column *c, pl_buf *out,
                      pl_error *err);

#endif
