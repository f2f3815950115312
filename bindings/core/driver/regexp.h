/* SPDX-License-Identifier: MIT */
/*
** regexp.h - the SQL function regexp(pattern, value), which `value REGEXP pattern` calls.
*/
#ifndef PL_REGEXP_H
#define PL_REGEXP_H

#include "core/driver/driver.h"

/* A cache of the last pattern, the ud of pl_regexp; NULL when memory is short. */
void *pl_regexp_new(pl_alloc alloc);
void pl_regexp_free(void *ud);

/*
** 1 when the pattern is found anywhere in the value, else 0; NULL when either is NULL.
** Patterns are POSIX extended regular expressions over UTF-8 characters, with \d and \D,
** and what the C library adds (\w \W \s \S \b). Not supported: lazy repetition,
** look-around, non-capturing and named groups, inline flags.
*/
int pl_regexp(void *ud, const pl_slot *args, int nargs, pl_slot *result,
              const char **message);

#endif
