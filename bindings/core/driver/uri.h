/* SPDX-License-Identifier: MIT */
/*
** uri.h - database URIs, taken apart and printed without the password.
**
** Forms: sqlite:// (memory), sqlite:///:memory:, sqlite:///relative.db,
** sqlite:////absolute.db, sqlite:///file:name?mode=memory&uri=true,
** postgresql://user:pw@host:port/db?key=value. `dialect+driver` names are accepted.
*/
#ifndef PL_URI_H
#define PL_URI_H

#include "core/base/error.h"

typedef struct pl_uri_option {
    const char *key;
    const char *value;
} pl_uri_option;

typedef struct pl_uri {
    const char *dialect; /* "sqlite", "postgresql" */
    const char *driver;  /* after '+', or NULL */
    const char *user, *password, *host;
    int port;             /* 0 when not given */
    const char *database; /* as written, not decoded; NULL or "" is memory for sqlite */
    bool memory;          /* sqlite without a file */
    bool file_uri;        /* sqlite database is a file: URI */
    pl_uri_option *options;
    size_t noptions;
} pl_uri;

/* Parts live in `arena`. PL_EARGUMENT (with the valid forms), PL_ENOMODULE. Options
 * without a value are left out. */
pl_code pl_uri_parse(const char *text, size_t len, pl_arena *arena, pl_uri *out,
                     pl_error *err);

/* Value of an option, or NULL. */
const char *pl_uri_option_get(const pl_uri *u, const char *key);

/* The URI with the password as "***", in the arena; NULL when memory is short. */
char *pl_uri_masked(const pl_uri *u, pl_arena *arena);

#endif
