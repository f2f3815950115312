/* SPDX-License-Identifier: MIT */
/*
 * sqltext.h - what can be seen of a statement before the database compiles it.
 *
 * The policy asks: the authorizer is not told of names that a statement gives to its own
 * parts, and compiling may take longer than running. Nothing here needs a database.
 */
#ifndef EMBED_SQLTEXT_H
#define EMBED_SQLTEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Ends the names of views and begins the endings of triggers that rules on rows make. */
#define SQLTEXT_RESERVED " (rows)"

/* Whether a text gives a reserved name to a common table expression: such a one would
 * pass for the view of that name. May say so of a text that only looks like it. */
bool sqltext_takes_reserved(const char *sql, size_t len);

/* Whether a text joins by the names of columns: NATURAL JOIN, USING (...). SQLite does
 * not tell the authorizer of columns that are read so. May say so of a text that only
 * looks like it. */
bool sqltext_joins_by_name(const char *sql, size_t len);

/* Whether this keyword is the first of a statement. */
bool sqltext_begins(const char *sql, size_t len, const char *word);

/* Whether a statement changes one table and has no part that selects rows of another. May
 * say no of one that only looks like it has. */
bool sqltext_is_plain(const char *sql, size_t len);

/* How often two bars stand in a text: the operator that joins texts, more or less. */
size_t sqltext_joins(const char *sql, size_t len);

#endif
