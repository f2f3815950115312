/* SPDX-License-Identifier: MIT */
/*
 * sqlfunctions.h - SQL functions that a limit of time can stop.
 *
 * SQLite looks at its progress handler between instructions, and one call of instr may
 * take hours. These replace the functions whose time grows faster than their arguments:
 * instr, replace, trim, ltrim, rtrim, like (with the operator LIKE) and glob.
 */
#ifndef EMBED_SQLFUNCTIONS_H
#define EMBED_SQLFUNCTIONS_H

struct sqlite3;

/* What a function asks while it works; not 0 stops it, and its statement. */
typedef struct sqlfunctions {
    int (*poll)(void *ud);
    void *ud;
} sqlfunctions;

/* Makes them on a connection; f must outlive it. 0, or the database's code. */
int sqlfunctions_make(struct sqlite3 *db, sqlfunctions *f);

#endif
