/* SPDX-License-Identifier: MIT */
/*
 * sqlweight.h - how much a statement grows while SQLite compiles it.
 *
 * A view or common table expression is copied wherever it is named, and an expression
 * wherever its column is: some thirty short lines that name each other twice, or select
 * x+x of the one before, compile for hours in memory without end, and nothing stops that.
 * This counts copies beforehand, from the text, rather too many than too few.
 */
#ifndef EMBED_SQLWEIGHT_H
#define EMBED_SQLWEIGHT_H

#include <stddef.h>

typedef struct sqlweight {
    double selects; /* copies of SELECTs */
    double terms;   /* of the largest expression */
} sqlweight;

struct sqlite3;

/* The weight of a statement among the views of a database. Infinite where memory is short
 * or the text is too deep to be told. */
sqlweight sqlweight_in(struct sqlite3 *db, const char *sql, size_t len);

#endif
